//! Runs the scheduled functions: on AWS EventBridge calls them, here a task does.

use std::sync::Arc;
use std::time::Duration;

use runtime::clock::Clock;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::functions::Functions;

/// How often each scheduled function runs.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// How often the portals are looked for whose sweep is due.
    pub sweep: Duration,
    /// Whether every portal's sweep is due each time, as the demonstration has it.
    pub sweeps_all: bool,
    /// The upkeep.
    pub upkeep: Duration,
    /// The search for deletions of departed tenants that do not go on by themselves.
    pub departures: Duration,
    /// The poll of Notion.
    pub poll: Duration,
    /// What tenants have scheduled.
    pub schedules: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            sweep: Duration::from_secs(15),
            sweeps_all: false,
            upkeep: Duration::from_secs(15 * 60),
            departures: Duration::from_secs(60),
            poll: Duration::from_secs(30),
            schedules: Duration::from_secs(60),
        }
    }
}

/// Starts the schedule: all run at once, and then regularly until `stop` becomes true.
pub fn start(
    functions: &Functions,
    clock: &Arc<dyn Clock>,
    schedule: Schedule,
    stop: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let (sweep, fell) = (functions.portal_sweep.clone(), guarded(functions, "portal-sweep"));
    tasks.spawn(sweep_in_turn(sweep, clock.clone(), schedule, stop.clone(), fell));
    let (own, now) = (functions.clone(), clock.clone());
    tasks.spawn(repeat(clock.clone(), schedule.upkeep, stop.clone(), guarded(functions, "upkeep"), move || {
        let (functions, now) = (own.clone(), now.now());
        async move {
            let report = upkeep::handle(&functions.upkeep, now).await;
            tracing::info!(?report, "looked after");
        }
    }));
    let own = functions.clone();
    tasks.spawn(repeat(
        clock.clone(),
        schedule.departures,
        stop.clone(),
        guarded(functions, "departures"),
        move || {
            let functions = own.clone();
            async move {
                let report = upkeep::let_leave(&functions.upkeep).await;
                if report.resumed > 0 || !report.failed.is_empty() {
                    tracing::info!(sent = report.resumed, failed = ?report.failed, "jobs for tenants that left");
                }
            }
        },
    ));
    let (own, now) = (functions.clone(), clock.clone());
    tasks.spawn(repeat(clock.clone(), schedule.schedules, stop.clone(), guarded(functions, "schedules"), move || {
        let (functions, now) = (own.clone(), now.now());
        async move {
            let report = schedules::handle(&functions.schedules, now).await;
            if report.ran > 0 || !report.failed.is_empty() {
                tracing::info!(?report, "schedules ran");
            }
        }
    }));
    let own = functions.clone();
    tasks.spawn(repeat(clock.clone(), schedule.poll, stop.clone(), guarded(functions, "notion-poll"), move || {
        let functions = own.clone();
        async move {
            let report = notion_poll::poll(&functions.notion_poll).await;
            if report.databases > 0 || !report.stopped.is_empty() {
                tracing::info!(?report, "polled Notion");
            }
        }
    }));
    tasks
}

/// What notes that a run of a function ended in a panic.
type Guard = Box<dyn Fn(&JoinError) + Send>;

fn guarded(functions: &Functions, name: &'static str) -> Guard {
    let functions = functions.clone();
    Box::new(move |error| {
        functions.metrics().count("function_failures", name);
        tracing::error!(function = name, %error, "a scheduled function fell");
    })
}

/// Begins a run at each look, also while an earlier one waits for portals that do not answer: they keep no other portal
/// from its turn. When `stop` becomes true, the runs are dropped: each sweep goes on where it was after the next start.
/// `fell` learns of a run that ended in a panic.
pub async fn sweep_in_turn(
    sweep: portal_sweep::Deps,
    clock: Arc<dyn Clock>,
    schedule: Schedule,
    mut stop: watch::Receiver<bool>,
    fell: impl Fn(&JoinError),
) {
    portal_sweep::after_restart(&sweep).await;
    let mut running = JoinSet::new();
    while !*stop.borrow() {
        let (sweep, now) = (sweep.clone(), clock.now());
        running.spawn(async move {
            if schedule.sweeps_all {
                portal_sweep::ask_for_all(&sweep).await;
            }
            let report = portal_sweep::handle(&sweep, now).await;
            if report != portal_sweep::SweepReport::default() {
                tracing::info!(?report, "swept");
            }
        });
        while let Some(ended) = running.try_join_next() {
            if let Err(error) = ended {
                fell(&error);
            }
        }
        tokio::select! {
            biased;
            () = clock.sleep(schedule.sweep) => {}
            _ = stop.changed() => return,
        }
    }
}

async fn repeat<F: Future<Output = ()> + Send + 'static>(
    clock: Arc<dyn Clock>,
    every: Duration,
    mut stop: watch::Receiver<bool>,
    fell: Guard,
    run: impl Fn() -> F,
) {
    while !*stop.borrow() {
        // In a task of its own, which ends with this one: a panic costs one run.
        let mut task = JoinSet::new();
        task.spawn(run());
        if let Some(Err(error)) = task.join_next().await {
            fell(&error);
        }
        tokio::select! {
            biased;
            () = clock.sleep(every) => {}
            _ = stop.changed() => return,
        }
    }
}
