//! Alerts to a tenant's operators, in their own channel: each trouble is sent once, and again while it lasts.

use std::time::Duration;

use clients::Failure;
use jobs::card_delivery::{CardDestination, SlackDelivery};
use jobs::chat::SlackJob;
use locale::{Language, Localized};
use runtime::clock::later;
use runtime::ledger::{DeliveryLine, DeliveryStatus, delivery_write};
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{Backend, Decision, DecisionError, DeliveryId, SettingsError, TraceId, UNREADABLE_SETTINGS};
use serde::{Deserialize, Serialize};
use settings::Settings;
use settings::schema::Thread;
use slack::SlackMessage;
use tenants::portals::Portal;

use crate::blocks;

/// The route of alerts, for the ledger.
const ROUTE: &str = "operators";

/// Something that operators need to know.
pub struct Alert<'a> {
    /// The kind of trouble: `silence`, `channel_trouble`.
    pub kind: &'a str,
    /// What it is about, for the ledger.
    pub what: &'a str,
    /// What identifies this trouble among others of its kind: it is sent once, however often it is raised.
    pub once: &'a str,
    /// While it lasts, it is sent again after this.
    pub again_after: Duration,
    /// The headline.
    pub head: Localized,
    /// The details, a line each.
    pub lines: Vec<Localized>,
}

impl Alert<'_> {
    /// The details in English, for logs.
    fn details(&self, between: &str) -> String {
        Localized::joined(&self.lines, between).to_string()
    }

    /// The alert as a message.
    pub(crate) fn message(&self, language: Language) -> SlackMessage {
        let lines: Vec<&str> = self.lines.iter().map(|line| line.text(language)).collect();
        blocks::notice(self.head.text(language), &lines)
    }
}

/// The operators' language. A document that cannot be read as a whole may still name it.
fn language_of(portal: &Portal) -> Language {
    match portal.settings_as::<Settings>() {
        Ok(settings) => settings.language,
        Err(_) => portal.settings["language"].as_str().and_then(Language::of_code).unwrap_or_default(),
    }
}

/// An alert that was raised. Its trace is fixed before anything else happens: after a crash the next one to raise it
/// sends the same delivery, and nobody reads it twice.
#[derive(Serialize, Deserialize)]
struct Raised {
    trace: TraceId,
    sent: bool,
    /// Whether it was logged that there is no channel for it. It is sent as soon as there is one.
    #[serde(default)]
    logged: bool,
}

/// Sends it to the operators' channel; without one it is only logged.
pub async fn raise(backend: &Backend, portal: &Portal, alert: &Alert<'_>) -> Result<(), Failure> {
    raise_in(backend, portal, alert, None).await
}

/// The same in another channel than the operators', if one is named.
pub async fn raise_in(
    backend: &Backend,
    portal: &Portal,
    alert: &Alert<'_>,
    channel: Option<&str>,
) -> Result<(), Failure> {
    let (tenant, now) = (&portal.tenant, backend.clock.now());
    let key = ItemKey::new(Table::Links, format!("{tenant}#alert"), format!("{}#{}", alert.kind, alert.once));
    let until = later(now, alert.again_after);
    let Raised { trace, sent, logged } = match backend.store.get(&key).await? {
        Some(item) => item.decode::<Raised>()?,
        None => {
            let raised = Raised { trace: TraceId::new(now), sent: false, logged: false };
            match backend
                .store
                .put(StoreWrite::new(key.clone(), &raised, WriteCondition::Absent)?.expiring(until))
                .await
            {
                Ok(_) => raised,
                // Another worker sends it.
                Err(StoreError::Conflict(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    };
    if sent {
        return Ok(());
    }
    let channel = match channel {
        Some(named) => Ok(Some(named_in(portal, named))),
        None => operators_channel(portal),
    };
    let (kind, what) = (alert.kind, alert.what);
    let raised = match channel {
        Ok(Some(channel)) => {
            tracing::warn!(%tenant, kind, what, head = %alert.head, lines = alert.details("; "), channel, "alert");
            send(backend, portal, alert, trace, &channel).await?;
            Raised { trace, sent: true, logged }
        }
        _ if logged => return Ok(()),
        nowhere => {
            tracing::warn!(%tenant, kind, what, head = %alert.head, lines = alert.details("; "), "alert without a channel");
            if let Err(error) = nowhere {
                log_unsent(backend, portal, alert, trace, &error).await?;
            }
            Raised { trace, sent: false, logged: true }
        }
    };
    backend.store.put(StoreWrite::new(key, &raised, WriteCondition::Always)?.expiring(until)).await?;
    Ok(())
}

/// The operators' channel, if the settings name one. A document that cannot be read as a whole may still name it.
fn operators_channel(portal: &Portal) -> Result<Option<String>, SettingsError> {
    let named = |channel: &str| named_in(portal, channel);
    match portal.settings_as::<Settings>() {
        Ok(settings) => Ok(settings.operators.channel.as_deref().map(named)),
        Err(error) => portal.settings["operators"]["channel"].as_str().map(|channel| Some(named(channel))).ok_or(error),
    }
}

/// The channel that the settings give this name.
fn named_in(portal: &Portal, named: &str) -> String {
    if let Ok(settings) = portal.settings_as::<Settings>() {
        return settings.channel(named).to_owned();
    }
    let bare = named.trim_start_matches('#');
    let channels = portal.settings["channels"].as_object();
    let other = channels.and_then(|channels| channels.iter().find(|(name, _)| name.trim_start_matches('#') == bare));
    other.and_then(|(_, channel)| channel.as_str()).unwrap_or(named).to_owned()
}

/// Logs and counts an alert that could not be sent.
async fn log_unsent(
    backend: &Backend,
    portal: &Portal,
    alert: &Alert<'_>,
    trace: TraceId,
    error: &SettingsError,
) -> Result<(), Failure> {
    backend.metrics.count("alerts_unsent", UNREADABLE_SETTINGS);
    let (event, record) = (format!("alert.{}", alert.kind), Some(alert.what.to_owned()));
    let decision = Decision::at_once(&portal.tenant, trace, event, record, backend.clock.now());
    let reason = format!("{}: {}. It was not sent to the operators: {error}", alert.head, alert.details("; "));
    decision.skip(backend, reason).await?;
    Ok(())
}

async fn send(
    backend: &Backend,
    portal: &Portal,
    alert: &Alert<'_>,
    trace: TraceId,
    channel: &str,
) -> Result<(), Failure> {
    let (tenant, now) = (&portal.tenant, backend.clock.now());
    let change = format!("alert.{}", alert.kind);
    let id = DeliveryId::of(&[tenant.as_str(), "alert", alert.kind, alert.once, &trace.to_string()]);
    let body = SlackDelivery {
        delivery: id.to_string(),
        route: ROUTE.into(),
        destination: CardDestination::channel(channel),
        record: alert.what.into(),
        change: change.clone(),
        message: alert.message(language_of(portal)),
        fallback: None,
        thread: Thread::None,
        line: None,
    };
    let line = DeliveryLine {
        record: alert.what.into(),
        change: change.clone(),
        route: ROUTE.into(),
        destination: channel.to_owned(),
        ..DeliveryLine::new(id, trace, now, DeliveryStatus::Queued)
    };
    let mut decision = Decision::at_once(tenant, trace, change, Some(alert.what.into()), now);
    decision.send(&SlackJob::Card(Box::new(body)))?;
    // Written before, and perhaps not sent: an existing delivery is not written again.
    decision.writes.push(delivery_write(tenant, line, WriteCondition::Absent)?);
    let outbox = decision.outbox.clone();
    match decision.commit(backend).await {
        Err(DecisionError::LostRace(_)) => Ok(backend.send(outbox).await?),
        committed => Ok(committed.map(|_| ())?),
    }
}

/// Whether the operators' channel is this one: trouble with it cannot be reported there.
pub fn is_operators(portal: &Portal, channel: &str) -> bool {
    let own = operators_channel(portal);
    own.ok().flatten().is_some_and(|own| own.trim_start_matches('#') == channel.trim_start_matches('#'))
}
