//! One history: companies join and work, things go wrong, everything heals and settles, and then it is checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jobs::queues;
use runtime::Queue;
use serde_json::json;
use simulators::estate::Estate;
use tokio::task::JoinSet;

use crate::browser::PersonBrowser;
use crate::clock::VirtualClock;
use crate::company::Company;
use crate::deployment::{Deployment, Layout};
use crate::dice::Dice;
use crate::invariants::{Broken, Checked};
use crate::logs::Log;
use crate::people::People;
use crate::plant::PlantedBug;
use crate::sim::Sim;
use crate::trace::TraceLine;
use crate::weather::{FaultRates, Weather};

/// When every history begins: a Monday morning.
const START: &str = "2026-11-23T08:00:00Z";
/// The longest time after which everything has settled that was healed.
const MAX_SETTLING: Duration = Duration::from_secs(2 * 3600);
/// How often it is looked whether everything has settled.
const LOOK: Duration = Duration::from_secs(30);
/// How long everything rests before it counts as settled: a sweep begins, and what it finds is worked.
const REST: Duration = Duration::from_secs(11 * 60);

/// What to run.
#[derive(Debug, Clone)]
pub struct HistoryOptions {
    /// Where everything follows from.
    pub seed: u64,
    /// How long people work.
    pub work: Duration,
    /// How many companies there are.
    pub companies: usize,
    /// A bug that is to be found.
    pub planted: Option<PlantedBug>,
    /// Whether things go wrong, by the seed; if not, only latencies differ.
    pub faults: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct HistoryReport {
    /// The hash of everything that could be observed.
    pub hash: String,
    /// The promises that were not kept.
    pub broken: Vec<Broken>,
    /// What happened, in numbers.
    pub counts: BTreeMap<&'static str, u64>,
    /// How long it took in virtual time.
    pub passed: Duration,
    /// The trace.
    pub lines: Vec<TraceLine>,
}

impl HistoryReport {
    /// The last lines of the trace about something broken.
    pub fn trail(&self, broken: &Broken, most: usize) -> Vec<&TraceLine> {
        let is_about = |line: &&TraceLine| broken.keys.iter().any(|key| line.text.contains(key));
        let found: Vec<&TraceLine> = self.lines.iter().filter(is_about).collect();
        found[found.len().saturating_sub(most)..].to_vec()
    }
}

/// Runs a history on this thread.
pub fn run(options: &HistoryOptions) -> anyhow::Result<HistoryReport> {
    let log = Log::default();
    let _listening = log.listen();
    let _seeded = runtime::random::seed(options.seed);
    let _isolated = simulators::direct::isolate();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(History::run(options, &log))
}

struct History {
    sim: Arc<Sim>,
    deployment: Arc<Deployment>,
    companies: Vec<Arc<Company>>,
}

impl History {
    async fn run(options: &HistoryOptions, _log: &Log) -> anyhow::Result<HistoryReport> {
        let clock = Arc::new(VirtualClock::starting_at(START.parse()?));
        let plan = Dice::new(options.seed, "plan");
        let rates = if options.faults { rates(&plan) } else { FaultRates::default() };
        let sim = Arc::new(Sim::new(options.seed, clock.clone(), Weather::new(rates), options.planted));
        let estate = Arc::new(Estate::start(clock, options.companies).await?);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let layout = if plan.happens(500) { Layout::OneMachine } else { Layout::SideBySide(2) };
        sim.trace.note(format!("history {} {layout:?} {rates:?}", options.seed));
        let deployment = Deployment::start(sim.clone(), estate.clone(), layout).await?;
        let companies: anyhow::Result<Vec<_>> =
            (0..options.companies).map(|number| Company::new(&estate, number).map(Arc::new)).collect();
        let history = Self { sim, deployment, companies: companies? };
        history.join_all().await?;
        history.work(options).await?;
        history.settle().await;
        let checked = Checked { sim: &history.sim, deployment: &history.deployment, companies: &history.companies };
        let broken = checked.all().await?;
        Ok(HistoryReport {
            hash: history.sim.trace.hash(),
            broken,
            counts: history.sim.counted(),
            passed: history.sim.clock.passed(),
            lines: history.sim.trace.lines(),
        })
    }

    async fn join_all(&self) -> anyhow::Result<()> {
        for company in &self.companies {
            self.join(company).await?;
        }
        Ok(())
    }

    /// An administrator connects a company, and chooses that each card comes by itself.
    async fn join(&self, company: &Company) -> anyhow::Result<()> {
        PersonBrowser::new(self.deployment.clone()).install(company.number).await?;
        let settings = json!({"group_bursts": null, "operators": {"channel": "#ops", "watch": []}});
        let connections = self.deployment.connections()?;
        connections.portals().set_settings(&company.tenant, settings).await?;
        // What is done from now on is news, by the second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        company.deeds().joined_at = Some(self.sim.clock.passed());
        self.sim.trace.note(format!("company {} joined", company.number));
        Ok(())
    }

    async fn work(&self, options: &HistoryOptions) -> anyhow::Result<()> {
        let end = self.sim.clock.passed() + options.work;
        let mut at_work = JoinSet::new();
        for company in &self.companies {
            let people = People::new(self.sim.clone(), company.clone());
            at_work.spawn(async move { people.work_until(end).await });
        }
        self.sim.weather.begin();
        while at_work.join_next().await.is_some() {}
        self.sim.weather.clear();
        self.deployment.heal()?;
        self.sim.trace.note("healed");
        Ok(())
    }

    /// Until nothing has happened for a while.
    async fn settle(&self) {
        let healed = self.sim.clock.passed();
        let mut busy = healed;
        while self.sim.clock.passed() - busy < REST && self.sim.clock.passed() - healed < MAX_SETTLING {
            tokio::time::sleep(LOOK).await;
            if self.is_busy().await {
                busy = self.sim.clock.passed();
            }
        }
        self.sim.trace.note("settled");
    }

    async fn is_busy(&self) -> bool {
        let memory = self.deployment.memory();
        for queue in queues::ALL {
            if memory.depth(queue).await.is_ok_and(|depth| depth.waiting > 0) {
                return true;
            }
        }
        self.companies
            .iter()
            .any(|company| company.portal.events_on_the_way() > 0 || company.workspace.on_the_way() > 0)
    }
}

/// How rough a history is: a fifth of them are calm.
fn rates(plan: &Dice) -> FaultRates {
    match plan.below(5) {
        0 => FaultRates::default(),
        1 | 2 => FaultRates { engine: 3, provider: 15, webhook: 10, lease: 10 },
        3 => FaultRates { engine: 15, provider: 60, webhook: 50, lease: 30 },
        _ => FaultRates { engine: 0, provider: 100, webhook: 0, lease: 0 },
    }
}
