//! Recent events for the live page: received → change → delivery, with times.

use jiff::Timestamp;
use runtime::TenantId;
use runtime::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, Ledger, LedgerLine, today};
use serde::Serialize;

/// An event's path.
#[derive(Debug, Serialize)]
pub struct Trail {
    /// Its trace.
    pub trace: String,
    /// The provider's name of it.
    pub event: String,
    /// The record it pointed at.
    pub record: Option<String>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Milliseconds from arrival to decision.
    pub decided_ms: i64,
    /// `routed`, `skipped`, `waiting` or `dead`.
    pub status: &'static str,
    /// Why, unless routed.
    pub reason: Option<String>,
    /// The changes found.
    pub changes: Vec<String>,
    /// Remarks on the event itself; routes that did not accept its changes, and why.
    pub left: Vec<String>,
    /// The deliveries that it led to.
    pub deliveries: Vec<Step>,
}

/// A delivery on the path.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The destination.
    pub destination: String,
    /// The route.
    pub route: String,
    /// `queued`, `started`, `retrying`, `delivered`, `held`, `grouped`, `skipped` or `dead`.
    pub status: &'static str,
    /// What went wrong, if anything did.
    pub reason: Option<String>,
    /// Milliseconds from the event's arrival to this state.
    pub after_ms: Option<i64>,
    /// The provider's id of it.
    pub provider_id: Option<String>,
    /// Tries so far.
    pub attempts: u32,
}

/// Today's events, newest first, up to `most`.
pub async fn recent(ledger: &Ledger, tenant: &TenantId, now: Timestamp, most: usize) -> anyhow::Result<Vec<Trail>> {
    let lines = ledger.day(tenant, &today(now), None).await?.lines;
    let mut trails = Vec::new();
    let mut deliveries = Vec::new();
    // Newest first, so an event comes after its deliveries.
    for line in lines {
        match line {
            LedgerLine::Delivery(delivery) => deliveries.push(delivery),
            LedgerLine::Event(event) => {
                let own = std::mem::take(&mut deliveries).into_iter().filter(|delivery| delivery.trace == event.trace);
                trails.push(trail(&event, own));
                if trails.len() == most {
                    break;
                }
            }
        }
    }
    Ok(trails)
}

fn trail(event: &EventLine, deliveries: impl Iterator<Item = DeliveryLine>) -> Trail {
    let (status, reason) = match &event.status {
        EventStatus::Routed => ("routed", None),
        EventStatus::Skipped { reason } => ("skipped", Some(reason.clone())),
        EventStatus::Waiting { cause } => ("waiting", Some(cause.clone())),
        EventStatus::Dead { reason, .. } => ("dead", Some(reason.clone())),
        EventStatus::Other(other) => ("other", Some(other.to_string())),
    };
    Trail {
        trace: event.trace.to_string(),
        event: event.event.clone(),
        record: event.record.clone(),
        received_at: event.received_at,
        decided_ms: millis(event.received_at, event.decided_at),
        status,
        reason,
        changes: event.changes.clone(),
        left: event.remark.iter().chain(&event.left).cloned().collect(),
        deliveries: deliveries.map(|delivery| step(event.received_at, &delivery)).collect(),
    }
}

fn step(received_at: Timestamp, line: &DeliveryLine) -> Step {
    let (status, reason, at, provider_id) = match &line.status {
        DeliveryStatus::Queued => ("queued", None, None, None),
        DeliveryStatus::Started { at } => ("started", None, Some(*at), None),
        DeliveryStatus::Retrying { cause } => ("retrying", Some(cause.clone()), None, None),
        DeliveryStatus::Delivered { at, provider_id } => {
            ("delivered", line.remark.clone(), Some(*at), Some(provider_id.clone()))
        }
        DeliveryStatus::Held { until } => {
            ("held", Some(format!("until {}", until.strftime("%H:%M:%S UTC"))), None, None)
        }
        DeliveryStatus::Grouped { into } => ("grouped", Some(format!("sent together, delivery {into}")), None, None),
        DeliveryStatus::Skipped { reason } => ("skipped", Some(reason.clone()), None, None),
        DeliveryStatus::Dead { reason, .. } => ("dead", Some(reason.clone()), None, None),
        DeliveryStatus::Other(other) => ("other", Some(other.to_string()), None, None),
    };
    Step {
        destination: line.destination.clone(),
        route: line.route.clone(),
        status,
        reason,
        after_ms: at.map(|at| millis(received_at, at)),
        provider_id,
        attempts: line.attempts,
    }
}

fn millis(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(i64::MAX)
}
