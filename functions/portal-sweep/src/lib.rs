//! Finds what was never delivered, for all tenants. A tenant's sweep is `crm::sweep`, that of its bridged conversations
//! `chat_bridge::sweep`: neither waits for the other.

use std::time::Duration;

use clients::Connections;
use crm::{Crm, sweep};
use futures::StreamExt;
use jiff::Timestamp;
use runtime::Backend;
use runtime::metrics::Unit;
use serde::Serialize;
use user_mapping::TenantContext;

/// Tenants that are swept in parallel.
const AT_ONCE: usize = 8;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    crm: Crm,
    context: TenantContext,
}

impl Deps {
    /// The function on `backend`, with connections to providers.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self { context: TenantContext::new(backend, connections.clone()), crm: Crm::new(backend, connections) }
    }
}

/// The result of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Tenants that were swept.
    pub tenants: usize,
    /// Records that were checked.
    pub swept: u64,
    /// Hints made for changes of which no event seems to have arrived.
    pub hints: u64,
    /// Chat bridges that were checked.
    pub bridges: u64,
    /// Messages, edits and deletions found there of which no event seems to have arrived.
    pub messages: u64,
    /// Tenants whose sweep stopped, and why; the next run continues it.
    pub stopped: Vec<String>,
}

/// Sweeps all tenants.
pub async fn handle(deps: &Deps, now: Timestamp) -> SweepReport {
    let tenants = match deps.crm.connections.portals().tenants().await {
        Ok(tenants) => tenants,
        Err(error) => return SweepReport { stopped: vec![error.to_string()], ..SweepReport::default() },
    };
    let sweeps = futures::stream::iter(tenants).map(|tenant| async move {
        let records = sweep::sweep(&deps.crm, &tenant, now);
        let (swept, chats) = futures::join!(records, chat_bridge::sweep::sweep(&deps.context, &tenant, now));
        (tenant, swept, chats)
    });
    let mut report = SweepReport::default();
    let mut late = Duration::ZERO;
    let mut done = sweeps.buffer_unordered(AT_ONCE);
    while let Some((tenant, swept, chats)) = done.next().await {
        late = late.max(sweep::lag(&deps.crm, &tenant, now).await.unwrap_or_default());
        match swept {
            Ok(Some(swept)) => {
                report.tenants += 1;
                report.swept += swept.records;
                report.hints += swept.hints;
                report.stopped.extend(swept.stopped_by.map(|cause| format!("{tenant}: {cause}")));
            }
            Ok(None) => {}
            Err(failure) => {
                tracing::warn!(%tenant, %failure, "the sweep stopped; it goes on in the next run");
                report.stopped.push(format!("{tenant}: {failure}"));
            }
        }
        match chats {
            Ok(Some(chats)) => {
                report.bridges += chats.bridges;
                report.messages += chats.found;
                report.stopped.extend(chats.stopped_by.map(|cause| format!("{tenant}: chats: {cause}")));
            }
            Ok(None) => {}
            Err(failure) => {
                tracing::warn!(%tenant, %failure, "the sweep of chats stopped; it goes on in the next run");
                report.stopped.push(format!("{tenant}: chats: {failure}"));
            }
        }
    }
    deps.crm.backend.metrics.measure("sweep_lag", late.as_secs_f64(), Unit::Seconds);
    report
}
