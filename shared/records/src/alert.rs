//! A word to a tenant's operators, in their own channel: once for each trouble, and once when it is over.

use connect::Failure;
use platform::job::message;
use platform::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, delivery_write, event_write};
use platform::portals::Portal;
use platform::store::Condition;
use platform::{DeliveryId, Ports, QueueName, TraceId};
use rules::delivery::SlackDelivery;
use rules::settings::Thread;
use rules::{Settings, card};
use std::time::Duration;

/// The route that alerts go by.
const ROUTE: &str = "operators";

/// Sends an alert to the operators' channel; to the log alone if they have none. `kind` is `silence` or
/// `channel_trouble` or the like, `what` tells two troubles of a kind apart. Returns whether there is a channel.
pub async fn raise(
    ports: &Ports,
    portal: &Portal,
    kind: &str,
    what: &str,
    head: &str,
    lines: &[String],
) -> Result<bool, Failure> {
    let (tenant, now) = (&portal.tenant, ports.clock.now());
    tracing::warn!(%tenant, kind, what, head, ?lines, "operators are told");
    let settings: Settings = serde_json::from_value(portal.settings.clone()).unwrap_or_default();
    let Some(channel) = settings.operators.channel.as_deref().map(|channel| settings.channel(channel).to_owned())
    else {
        return Ok(false);
    };
    let trace = TraceId::new(now);
    let id = DeliveryId::of(&[tenant.as_str(), "alert", kind, what, &trace.to_string()]);
    let body = SlackDelivery {
        delivery: id.to_string(),
        route: ROUTE.into(),
        channel: channel.clone(),
        record: what.into(),
        change: format!("alert.{kind}"),
        message: card::notice(head, lines),
        person: None,
        fallback: None,
        thread: Thread::None,
        line: None,
        may_create: false,
    };
    let group = format!("{tenant}#{}", channel.trim_start_matches('#'));
    let job = message(tenant, trace, group, id.to_string(), &body)
        .map_err(|error| Failure::permanent("bad_job", error.to_string()))?;
    let event = EventLine {
        trace,
        event: format!("alert.{kind}"),
        record: Some(what.into()),
        received_at: now,
        decided_at: now,
        attempts: 1,
        waited: Duration::ZERO,
        changes: Vec::new(),
        left: Vec::new(),
        status: EventStatus::Routed,
        outbox: vec![job.clone()],
        errands: Vec::new(),
    };
    let line = DeliveryLine {
        record: what.into(),
        change: format!("alert.{kind}"),
        route: ROUTE.into(),
        destination: channel,
        ..DeliveryLine::new(id, trace, now, DeliveryStatus::Queued)
    };
    let writes = vec![event_write(tenant, event)?, delivery_write(tenant, line, Condition::Always)?];
    ports.store.put_all(writes).await?;
    let sent = ports.queue.send(QueueName::SlackDelivery, vec![job]).await;
    sent.map(|()| true).map_err(|error| Failure::transient(error.to_string()))
}

/// Whether the operators' channel is this one: trouble with it cannot be told there.
pub fn is_operators(settings: &Settings, channel: &str) -> bool {
    let own = settings.operators.channel.as_deref().map(|own| settings.channel(own).trim_start_matches('#').to_owned());
    own.is_some_and(|own| own == channel.trim_start_matches('#'))
}
