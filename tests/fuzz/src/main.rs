//! Longer runs than the gate's.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use clap::Parser;
use fuzz::{ALL, Harness};

/// Feeds parsers with mutations of their corpora until the time is up or a promise is broken.
#[derive(Parser)]
struct Arguments {
    /// Which harness: forms, signatures, bbcode, `mrkdwn`, `rich_text`, settings, conditions, or all, each in its own thread.
    harness: String,
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What the mutations follow from; the time if not said.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let given = Arguments::parse();
    let chosen: Vec<&'static Harness> =
        ALL.iter().filter(|one| ["all", one.name].contains(&given.harness.as_str())).collect();
    anyhow::ensure!(
        !chosen.is_empty(),
        "there is no harness {:?}; there are {:?}",
        given.harness,
        ALL.each_ref().map(|one| one.name)
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = given.seed.unwrap_or(now.as_secs());
    let duration = Duration::from_secs(given.seconds);
    let threads: Vec<_> = chosen
        .into_iter()
        .map(|harness| {
            let began = Instant::now();
            let thread = std::thread::spawn(move || fuzz::run(harness, duration, seed));
            (harness, began, thread)
        })
        .collect();
    let mut findings = 0;
    for (harness, began, thread) in threads {
        let report = thread.join().map_err(|_| anyhow::anyhow!("{} fell", harness.name))?;
        let (inputs, kept, seconds) = (report.inputs, report.kept, began.elapsed().as_secs());
        println!("{}: {inputs} inputs in {seconds} s, {kept} kinds of behaviour, seed {seed}", harness.name);
        if let Some((path, promise)) = report.finding {
            findings += 1;
            println!("  finding: {promise}\n  input: {}", path.display());
        }
    }
    anyhow::ensure!(findings == 0, "{findings} promises were broken");
    Ok(())
}
