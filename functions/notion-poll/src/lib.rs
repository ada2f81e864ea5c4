//! Finds edits in Notion of which no webhook arrived: a schedule calls it every minute, and it polls twice, half a minute
//! apart. The poll itself is `notion_sync::poll`.

use std::sync::Arc;
use std::time::Duration;

use clients::Connections;
use jiff::Timestamp;
use notion_sync::NotionSync;
use runtime::Backend;
use runtime::clock::{Clock, later, until};
use runtime::metrics::{Metrics, Unit};

pub use notion_sync::poll::PollReport;

/// The time between the two polls of a run.
const APART: Duration = Duration::from_secs(30);

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    sync: NotionSync,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self {
            sync: NotionSync::new(backend, connections),
            clock: backend.clock.clone(),
            metrics: backend.metrics.clone(),
        }
    }
}

/// Polls all tenants, twice.
pub async fn handle(deps: &Deps, now: Timestamp) -> PollReport {
    let mut report = poll(deps).await;
    let wait = until(deps.clock.now(), later(now, APART));
    if !wait.is_zero() {
        deps.clock.sleep(wait).await;
    }
    let again = poll(deps).await;
    report.rows += again.rows;
    report.signals += again.signals;
    report.stopped.extend(again.stopped);
    report.late = again.late;
    report.left = again.left;
    report
}

/// Polls all tenants once.
pub async fn poll(deps: &Deps) -> PollReport {
    let report = notion_sync::poll::poll(&deps.sync).await;
    let late = f64::from(u32::try_from(report.late).unwrap_or(u32::MAX));
    deps.metrics.measure("poll_lag", late, Unit::Seconds);
    report
}
