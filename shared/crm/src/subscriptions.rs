//! Binds exactly the events that the routes need: compares what is bound, and repairs the difference.

use std::collections::BTreeSet;

use bitrix24::Batch;
use bitrix24::batch::MAX_COMMANDS;
use bitrix24::client::shaped;
use clients::{ErrorClass, Failure, PortalClient};
use runtime::store::StoreError;
use runtime::{Backend, TenantId};
use serde_json::{Value, json};
use settings::Settings;
use settings::subscriptions::{BoundEvent, CONNECTOR, Repair, compare, wanted};
use tenants::portals::Portal;

use crate::sweeps::{Subscriptions, Sweeps};

/// The event that an application always needs: its own removal. Its other events arrive where it is installed.
const OWN: &str = "ONAPPUNINSTALL";

/// Compares and repairs, and stores the result. Events are bound to `handler`; without one they are only compared.
///
/// Nothing is bound for a portal without a workspace: its changes could not be sent anywhere.
pub async fn keep(
    backend: &Backend,
    portal: &Portal,
    settings: &Settings,
    client: &PortalClient,
    handler: Option<&EventAddress>,
) -> Result<Subscriptions, Failure> {
    let is_joined = portal.slack.is_some() || portal.notion.is_some();
    let events = if is_joined { wanted(settings) } else { Vec::new() };
    let sweeps = Sweeps::new(backend.store.clone());
    let mut state = Subscriptions {
        checked_at: Some(backend.clock.now()),
        by_hand: !client.is_application(),
        wanted: events.iter().map(|event| event.code.to_owned()).collect(),
        ..Subscriptions::default()
    };
    if !state.by_hand {
        repair(client, &mut state, handler).await?;
    }
    let version = sweeps.recall::<Value>(&portal.tenant, "subscriptions").await?.map(|(_, version)| version);
    match sweeps.remember(&portal.tenant, "subscriptions", &state, version).await {
        // A connection was completed at the same moment and noted the same.
        Ok(_) | Err(StoreError::Conflict(_)) => Ok(state),
        Err(error) => Err(error.into()),
    }
}

/// The address of a portal's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventAddress {
    /// The whole address, with the portal's key.
    pub url: String,
    /// How each of our addresses begins: a binding to another one is an old one of our own.
    pub ours: String,
}

async fn repair(
    client: &PortalClient,
    state: &mut Subscriptions,
    handler: Option<&EventAddress>,
) -> Result<(), Failure> {
    let Some(handler) = handler else {
        state.refused.push("the address of this deployment is not known; set public_url (PUBLIC_URL)".into());
        return Ok(());
    };
    let bound = bound(client).await?;
    let events: BTreeSet<String> = state.wanted.iter().cloned().collect();
    let is_old =
        |one: &&BoundEvent| !one.offline && one.handler.starts_with(&handler.ours) && one.handler != handler.url;
    let mut changes: Vec<BindingChange> = bound
        .iter()
        .filter(is_old)
        .map(|one| BindingChange::unbind(&one.event, &json!({"handler": one.handler})))
        .collect();
    let online: BTreeSet<String> = events.iter().cloned().chain([OWN.to_owned()]).collect();
    let online = compare(&online, &bound, &handler.url, false);
    changes.extend(changes_of(&online, &json!({"handler": handler.url})));
    state.offline = client.has_feature("rest_offline_extended").await?;
    if state.offline {
        // Only records are looked up there: calls and comments have their own sweeps.
        let records = events.iter().filter(|event| event.starts_with("ONCRM") && !event.contains("MOVETOCATEGORY"));
        let offline = compare(&records.cloned().collect(), &bound, "", true);
        changes.extend(changes_of(&offline, &json!({"event_type": "offline", "auth_connector": CONNECTOR})));
    }
    for some in changes.chunks(MAX_COMMANDS) {
        apply(client, state, some).await?;
    }
    Ok(())
}

/// A binding to make or to remove.
struct BindingChange {
    event: String,
    method: &'static str,
    params: Value,
}

impl BindingChange {
    fn new(method: &'static str, event: &str, how: &Value) -> Self {
        let mut params = how.clone();
        params["event"] = json!(event);
        Self { event: event.to_owned(), method, params }
    }

    fn bind(event: &str, how: &Value) -> Self {
        Self::new("event.bind", event, how)
    }

    fn unbind(event: &str, how: &Value) -> Self {
        Self::new("event.unbind", event, how)
    }
}

fn changes_of(repair: &Repair, how: &Value) -> impl Iterator<Item = BindingChange> {
    let unbind = repair.unbind.iter().map(|event| BindingChange::unbind(event, how));
    unbind.chain(repair.bind.iter().map(|event| BindingChange::bind(event, how)))
}

/// What is bound by the application.
pub async fn bound(client: &PortalClient) -> Result<Vec<BoundEvent>, Failure> {
    let answer = client.call("event.get", &json!({})).await?;
    let rows: Vec<Value> = shaped("event.get", answer.result).map_err(|error| client.failure(&error))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |row: &Value| BoundEvent {
        event: text(&row["event"]).to_uppercase(),
        handler: text(&row["handler"]),
        offline: row["offline"] == 1 || row["offline"] == "1",
    };
    Ok(rows.iter().map(read).collect())
}

/// Ends every binding to an address of this tenant, as far as the portal allows it: removing the application there ends
/// the others.
pub async fn remove(client: &PortalClient, tenant: &TenantId) -> Result<(), Failure> {
    let ours = format!("/webhooks/{tenant}/");
    for bound in bound(client).await?.iter().filter(|bound| bound.handler.contains(&ours)) {
        let unbind = json!({"event": bound.event, "handler": bound.handler});
        match client.call("event.unbind", &unbind).await {
            Err(failure) if !matches!(failure.class, ErrorClass::Permanent { .. }) => return Err(failure),
            _ => {}
        }
    }
    Ok(())
}

/// One request for all of them: a portal's rate is small, and many are changed the first time.
async fn apply(client: &PortalClient, state: &mut Subscriptions, changes: &[BindingChange]) -> Result<(), Failure> {
    let mut batch = Batch::new();
    for (index, change) in changes.iter().enumerate() {
        let _ = batch.add(format!("c{index}"), change.method, &change.params);
    }
    let (mut answers, _) = client.batch(&batch).await?;
    for (index, change) in changes.iter().enumerate() {
        let is_bind = change.method == "event.bind";
        let done = if is_bind { &mut state.bound } else { &mut state.unbound };
        let Some(answer) = answers.take(&format!("c{index}")) else {
            return Err(Failure::permanent("no_answer", format!("batch did not answer for {}", change.method)));
        };
        match answer.map_err(|error| client.failure(&error)) {
            Ok(_) => done.push(change.event.clone()),
            // A binding that exists already is fine.
            Err(failure) if is_bind && failure.code() == "error_handler_already_exist" => {}
            Err(failure) if is_bind && matches!(failure.class, clients::ErrorClass::Permanent { .. }) => {
                state.refused.push(format!("{}: {failure}", change.event));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}
