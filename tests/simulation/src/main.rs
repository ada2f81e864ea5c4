//! Runs histories by their seeds.

use std::time::{Duration, Instant};

use clap::Parser;
use simulation::history::{self, HistoryOptions};
use simulation::plant::PlantedBug;
use simulation::trace::divergence;

/// Runs the whole product in virtual time, every choice from one seed, and checks what must hold.
#[derive(Debug, Parser)]
#[command(name = "simulation")]
struct Options {
    /// The history of this seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many days people work.
    #[arg(long, default_value_t = 0.04)]
    days: f64,
    /// How many companies there are.
    #[arg(long, default_value_t = 3)]
    companies: usize,
    /// Only latencies: nothing goes wrong.
    #[arg(long)]
    no_faults: bool,
    /// Runs it twice and shows where the two begin to differ.
    #[arg(long)]
    twice: bool,
    /// Plants a bug, to see that it is found.
    #[arg(long)]
    plant: Option<PlantedBug>,
    /// Prints the lines of the trace that contain this text.
    #[arg(long)]
    trace: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let history = HistoryOptions {
        seed: options.seed,
        work: Duration::from_secs_f64(options.days * 86_400.0),
        companies: options.companies,
        planted: options.plant,
        faults: !options.no_faults,
    };
    let began = Instant::now();
    let report = history::run(&history)?;
    println!("seed {}: {} in {:.2?}, {:?} of virtual time", options.seed, report.hash, began.elapsed(), report.passed);
    println!("{:?}", report.counts);
    for line in &report.lines {
        if options.trace.as_ref().is_some_and(|text| line.text.contains(text)) {
            println!("{line}");
        }
    }
    for broken in &report.broken {
        println!("BROKEN {broken}");
        for line in report.trail(broken, 40) {
            println!("    {}", line.to_string().chars().take(400).collect::<String>());
        }
    }
    if options.twice {
        let again = history::run(&history)?;
        match divergence(&report.lines, &again.lines) {
            None => println!("again: {}", again.hash),
            Some((number, one, other)) => {
                println!("the two differ from line {number}:");
                for line in &report.lines[number.saturating_sub(10)..number] {
                    println!("  {line}");
                }
                println!(
                    "- {}\n+ {}",
                    one.map(|l| l.to_string()).unwrap_or_default(),
                    other.map(|l| l.to_string()).unwrap_or_default()
                );
            }
        }
    }
    anyhow::ensure!(report.broken.is_empty(), "{} promises were not kept", report.broken.len());
    Ok(())
}
