//! Runs histories by their seeds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::RangeInclusive;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use serde_json::{Value, json};
use simulation::history::{self, HistoryOptions, HistoryReport};
use simulation::plant::PlantedBug;
use simulation::storms::Climate;
use simulation::trace::divergence;

/// Runs the whole product in virtual time, every choice from one seed, and checks what must hold.
///
/// A history that breaks a promise is printed with the trail of the thing concerned and the command that repeats it. The
/// same seed gives the same history only with the same sources.
#[derive(Debug, Parser)]
#[command(name = "simulation")]
struct Options {
    /// The history of this seed.
    #[arg(long, default_value_t = 1, conflicts_with = "seeds")]
    seed: u64,
    /// The histories of these seeds: `1..60`.
    #[arg(long, value_parser = range)]
    seeds: Option<RangeInclusive<u64>>,
    /// How many days people work in each.
    #[arg(long, default_value_t = 0.015)]
    days: f64,
    /// How many companies there are.
    #[arg(long, default_value_t = 3)]
    companies: usize,
    /// How many histories run at a time; as many as the machine has processors if not said.
    #[arg(long)]
    jobs: Option<usize>,
    /// What kind of history it is, if not the one that the seed draws.
    #[arg(long)]
    climate: Option<Climate>,
    /// Runs a history twice, and shows where the two begin to differ.
    #[arg(long)]
    twice: bool,
    /// Plants a bug, to see that it is found.
    #[arg(long)]
    plant: Option<PlantedBug>,
    /// Prints the lines of the trace that contain this text; all with an empty one.
    #[arg(long)]
    trace: Option<String>,
    /// How many lines of a trail are shown.
    #[arg(long, default_value_t = 60)]
    trail: usize,
    /// Prints one line of JSON for each history, for the process that started this one.
    #[arg(long, hide = true)]
    json: bool,
}

fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let wrong = || format!("{text:?} is not a range of seeds, such as 1..60");
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let last = last.strip_prefix('=').unwrap_or(last);
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let range = number(first)?..=number(last)?;
    if range.is_empty() { Err(wrong()) } else { Ok(range) }
}

impl Options {
    fn history(&self, seed: u64) -> HistoryOptions {
        HistoryOptions {
            seed,
            work: Duration::from_secs_f64(self.days * 86_400.0),
            companies: self.companies.max(1),
            planted: self.plant,
            climate: self.climate,
        }
    }

    /// The arguments that lead to the same history.
    fn repeats(&self, seed: u64) -> String {
        let mut text =
            format!("cargo run -p simulation -- --seed {seed} --days {} --companies {}", self.days, self.companies);
        if let Some(climate) = self.climate {
            text.extend([" --climate ", &name_of(&climate)]);
        }
        if let Some(bug) = self.plant {
            text.extend([" --plant ", &name_of(&bug)]);
        }
        text
    }
}

fn name_of(value: &impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let is_good = match &options.seeds {
        Some(seeds) if options.json => run_in_turn(&options, seeds.clone()),
        Some(seeds) => run_side_by_side(&options, seeds.clone())?,
        None => run_one(&options)?,
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One history, with everything that is to be said of it.
fn run_one(options: &Options) -> anyhow::Result<bool> {
    let began = Instant::now();
    let report = history::run(&options.history(options.seed))?;
    println!(
        "seed {}: {:?}, {:?}, {}, {:.0?} of virtual time in {:.1?}, settled {:.0?} after healing",
        options.seed,
        report.climate,
        report.layout,
        report.hash,
        report.passed,
        began.elapsed(),
        report.settled_after
    );
    for (what, count) in &report.counts {
        println!("  {count:>7}  {what}");
    }
    if let Some(text) = &options.trace {
        report.lines.iter().filter(|line| line.text.contains(text)).for_each(|line| println!("{line}"));
    }
    print!("{}", shown(options, &report));
    Ok(report.broken.is_empty() && (!options.twice || is_repeated(options, &report)?))
}

/// What is broken, each with its trail.
fn shown(options: &Options, report: &HistoryReport) -> String {
    let mut lines = Vec::new();
    for broken in &report.broken {
        lines.push(format!("\nBROKEN {broken}"));
        let trail = report.trail(broken, options.trail);
        lines.extend(trail.into_iter().map(|line| line.to_string().chars().take(400).collect()));
    }
    if !report.broken.is_empty() {
        lines.push(format!("\n{} promises were not kept. To repeat it:", report.broken.len()));
        lines.push(format!("  {}\n", options.repeats(report.seed)));
    }
    lines.join("\n")
}

fn is_repeated(options: &Options, report: &HistoryReport) -> anyhow::Result<bool> {
    let again = history::run(&options.history(options.seed))?;
    let Some((number, one, other)) = divergence(&report.lines, &again.lines) else {
        println!("again:  {}", again.hash);
        return Ok(again.hash == report.hash);
    };
    println!("The two histories differ from line {number}:");
    report.lines[number.saturating_sub(15)..number].iter().for_each(|line| println!("  {line}"));
    for (sign, line) in [('-', one), ('+', other)] {
        println!("{sign} {}", line.map_or_else(|| "nothing".to_owned(), |line| line.to_string()));
    }
    Ok(false)
}

/// The histories of a range, one after the other, each as a line of JSON.
fn run_in_turn(options: &Options, seeds: RangeInclusive<u64>) -> bool {
    let mut is_good = true;
    for seed in seeds {
        let line = match history::run(&options.history(seed)) {
            Ok(report) => {
                is_good &= report.broken.is_empty();
                let repeated = if options.twice { is_same(options, &report) } else { true };
                json!({
                    "seed": seed, "hash": report.hash, "counts": report.counts, "broken": report.broken.len(),
                    "settled_after": report.settled_after.as_secs(), "shown": shown(options, &report), "repeated": repeated,
                })
            }
            Err(error) => {
                json!({"seed": seed, "broken": 1, "shown": format!("\nBROKEN the history could not be run: {error:#}\n  {}\n", options.repeats(seed))})
            }
        };
        println!("{line}");
    }
    is_good
}

fn is_same(options: &Options, report: &HistoryReport) -> bool {
    history::run(&options.history(report.seed)).is_ok_and(|again| again.hash == report.hash)
}

/// What came of many histories.
#[derive(Default)]
struct Summary {
    histories: u64,
    failed: Vec<u64>,
    counts: BTreeMap<String, u64>,
    longest: u64,
}

impl Summary {
    fn add(&mut self, line: &Value, options: &Options) {
        self.histories += 1;
        for (what, count) in line["counts"].as_object().into_iter().flatten() {
            *self.counts.entry(what.clone()).or_default() += count.as_u64().unwrap_or_default();
        }
        self.longest = self.longest.max(line["settled_after"].as_u64().unwrap_or_default());
        let seed = line["seed"].as_u64().unwrap_or_default();
        if line["broken"].as_u64() != Some(0) || line["repeated"] == false {
            self.failed.push(seed);
            println!("seed {seed} FAILED{}", line["shown"].as_str().unwrap_or_default());
            if line["repeated"] == false {
                println!("Two runs of it differ: {} --twice", options.repeats(seed));
            }
        } else if self.histories.is_multiple_of(20) {
            println!("{} histories so far", self.histories);
        }
    }
}

/// The histories of a range, in as many processes as there are processors: the product shares some things within one.
fn run_side_by_side(options: &Options, seeds: RangeInclusive<u64>) -> anyhow::Result<bool> {
    let began = Instant::now();
    let jobs = options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let next = Mutex::new(seeds);
    let summary = Mutex::new(Summary::default());
    let run_share = || -> anyhow::Result<()> {
        while let Some(seed) = next.lock().unwrap_or_else(PoisonError::into_inner).next() {
            let line = run_in_another_process(options, seed)?;
            summary.lock().unwrap_or_else(PoisonError::into_inner).add(&line, options);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let shares: Vec<_> = (0..jobs).map(|_| scope.spawn(run_share)).collect();
        shares.into_iter().try_for_each(|share| share.join().unwrap_or_else(|_| bail!("a thread fell")))
    })?;
    let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "\n{} histories in {:.0?}, the slowest settled {} s after healing",
        summary.histories,
        began.elapsed(),
        summary.longest
    );
    for (what, count) in &summary.counts {
        println!("  {count:>9}  {what}");
    }
    if summary.failed.is_empty() {
        println!("All promises were kept.");
    } else {
        println!("{} failed: seeds {:?}", summary.failed.len(), summary.failed);
    }
    Ok(summary.failed.is_empty())
}

fn run_in_another_process(options: &Options, seed: u64) -> anyhow::Result<Value> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--json", "--seeds", &format!("{seed}..{seed}"), "--days", &options.days.to_string()]);
    command.args(["--companies", &options.companies.to_string(), "--trail", &options.trail.to_string()]);
    if options.twice {
        command.arg("--twice");
    }
    if let Some(climate) = options.climate {
        command.args(["--climate", &name_of(&climate)]);
    }
    if let Some(bug) = options.plant {
        command.args(["--plant", &name_of(&bug)]);
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("the process has no output")?;
    let line = BufReader::new(output).lines().map_while(Result::ok).find(|line| line.starts_with('{'));
    child.wait()?;
    // A process that fell has said so on its own.
    let fell = || json!({"seed": seed, "broken": 1, "shown": format!("\nBROKEN the process fell\n  {}\n", options.repeats(seed))});
    Ok(line.and_then(|line| serde_json::from_str(&line).ok()).unwrap_or_else(fell))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_range_of_seeds_is_read_or_refused_in_words() {
        assert_eq!(range("1..60"), Ok(1..=60));
        assert_eq!(range("7..=7"), Ok(7..=7));
        for wrong in ["", "5", "a..b", "9..1", "1..-2"] {
            assert!(range(wrong).is_err_and(|error| error.contains("1..60")), "{wrong}");
        }
    }
}
