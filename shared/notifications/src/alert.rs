//! A word to a tenant's operators, in their own channel: once for each trouble, and once when it is over.

use std::time::Duration;

use crate::card;
use clients::Failure;
use jobs::delivery::SlackDelivery;
use runtime::clock::later;
use runtime::job::message;
use runtime::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, delivery_write, event_write};
use runtime::store::{Condition, Key, StoreError, Table, Write};
use runtime::{DeliveryId, Ports, QueueName, TraceId};
use serde::{Deserialize, Serialize};
use settings::Settings;
use settings::schema::Thread;
use tenants::portals::Portal;

/// The route that alerts go by.
const ROUTE: &str = "operators";

/// Something that the operators are to know.
pub struct Alert<'a> {
    /// What kind of trouble: `silence`, `channel_trouble`.
    pub kind: &'a str,
    /// What it is about, for the ledger.
    pub what: &'a str,
    /// What tells this trouble from another of its kind: told once, however often it is raised.
    pub once: &'a str,
    /// As long as it lasts, it is told again after this.
    pub again_after: Duration,
    /// What it says.
    pub head: &'a str,
    /// What was found.
    pub lines: &'a [String],
}

/// An alert that was raised. Its trace is fixed before anything else happens, so that whoever falls in between is
/// made up for by the next to raise it, and nobody reads it twice.
#[derive(Serialize, Deserialize)]
struct Raised {
    trace: TraceId,
    sent: bool,
}

/// Tells the operators' channel; the log alone if they have none.
pub async fn raise(ports: &Ports, portal: &Portal, alert: &Alert<'_>) -> Result<(), Failure> {
    raise_in(ports, portal, alert, None).await
}

/// The same in another channel than the operators', where one is named.
pub async fn raise_in(ports: &Ports, portal: &Portal, alert: &Alert<'_>, channel: Option<&str>) -> Result<(), Failure> {
    let (tenant, now) = (&portal.tenant, ports.clock.now());
    let key = Key::new(Table::Links, format!("{tenant}#alert"), format!("{}#{}", alert.kind, alert.once));
    let until = later(now, alert.again_after);
    let trace = match ports.store.get(&key).await? {
        Some(item) => match item.decode::<Raised>()? {
            Raised { sent: true, .. } => return Ok(()),
            Raised { trace, .. } => trace,
        },
        None => {
            let trace = TraceId::new(now);
            let raised = Write::new(key.clone(), &Raised { trace, sent: false }, Condition::Absent)?.expiring(until);
            match ports.store.put(raised).await {
                Ok(_) => trace,
                // Another worker tells it.
                Err(StoreError::Conflict(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    };
    tracing::warn!(%tenant, kind = alert.kind, what = alert.what, head = alert.head, lines = ?alert.lines, "operators are told");
    let settings: Settings = serde_json::from_value(portal.settings.clone()).unwrap_or_default();
    if let Some(channel) = channel.or(settings.operators.channel.as_deref()) {
        send(ports, portal, alert, trace, settings.channel(channel)).await?;
    }
    let raised = Write::new(key, &Raised { trace, sent: true }, Condition::Always)?.expiring(until);
    ports.store.put(raised).await?;
    Ok(())
}

async fn send(ports: &Ports, portal: &Portal, alert: &Alert<'_>, trace: TraceId, channel: &str) -> Result<(), Failure> {
    let (tenant, now) = (&portal.tenant, ports.clock.now());
    let change = format!("alert.{}", alert.kind);
    let id = DeliveryId::of(&[tenant.as_str(), "alert", alert.kind, alert.once, &trace.to_string()]);
    let body = SlackDelivery {
        delivery: id.to_string(),
        route: ROUTE.into(),
        channel: channel.to_owned(),
        record: alert.what.into(),
        change: change.clone(),
        message: card::notice(alert.head, alert.lines),
        person: None,
        fallback: None,
        thread: Thread::None,
        line: None,
        may_create: false,
    };
    let group = format!("{tenant}#{}", channel.trim_start_matches('#'));
    let job = message(tenant, trace, group, id.to_string(), &body)
        .map_err(|error| Failure::permanent("bad_job", error.to_string()))?;
    let mut event = EventLine::of_trace(trace, change.clone(), Some(alert.what.into()), now, EventStatus::Routed);
    event.outbox = vec![job.clone()];
    let line = DeliveryLine {
        record: alert.what.into(),
        change,
        route: ROUTE.into(),
        destination: channel.to_owned(),
        ..DeliveryLine::new(id, trace, now, DeliveryStatus::Queued)
    };
    let writes = vec![event_write(tenant, event)?, delivery_write(tenant, line, Condition::Absent)?];
    match ports.store.put_all(writes).await {
        // Written down before, and perhaps not sent; a delivery that was made is not made again.
        Ok(()) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let sent = ports.queue.send(QueueName::SlackDelivery, vec![job]).await;
    sent.map_err(|error| Failure::transient(error.to_string()))
}

/// Whether the operators' channel is this one: trouble with it cannot be told there.
pub fn is_operators(settings: &Settings, channel: &str) -> bool {
    let own = settings.operators.channel.as_deref().map(|own| settings.channel(own).trim_start_matches('#').to_owned());
    own.is_some_and(|own| own == channel.trim_start_matches('#'))
}
