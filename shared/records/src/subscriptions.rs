//! Exactly the events that the routes need are bound to us: compared, and put right.

use std::collections::BTreeSet;

use bitrix24::client::shaped;
use connect::{Failure, PortalClient};
use platform::Ports;
use platform::portals::Portal;
use platform::sweeps::{Subscriptions, Sweeps};
use rules::Settings;
use rules::subscriptions::{Bound, CONNECTOR, Repair, compare, wanted};
use serde_json::{Value, json};

/// What an application always wants to hear: that it was removed. Its other events come to where it is installed.
const OWN: &str = "ONAPPUNINSTALL";

/// Compares and repairs, and remembers how it stands. Events are bound to `handler`; without one they are only compared.
///
/// Nothing is bound for a portal that nothing is joined to yet: there would be nowhere to tell it.
pub async fn keep(
    ports: &Ports,
    portal: &Portal,
    settings: &Settings,
    client: &PortalClient,
    handler: Option<&Handler>,
) -> Result<Subscriptions, Failure> {
    let is_joined = portal.slack.is_some() || portal.notion.is_some();
    let events = if is_joined { wanted(settings) } else { Vec::new() };
    let sweeps = Sweeps::new(ports.store.clone());
    let mut state = Subscriptions {
        checked_at: Some(ports.clock.now()),
        by_hand: !client.is_application(),
        wanted: events.iter().map(|event| event.code.to_owned()).collect(),
        ..Subscriptions::default()
    };
    if !state.by_hand {
        repair(client, &mut state, handler).await?;
    }
    let version = sweeps.recall::<Value>(&portal.tenant, "subscriptions").await?.map(|(_, version)| version);
    sweeps.remember(&portal.tenant, "subscriptions", &state, version).await?;
    Ok(state)
}

/// Where a portal's events are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// The whole address, with the portal's key.
    pub url: String,
    /// How every address of ours begins: a binding to another one is an old one of ours.
    pub ours: String,
}

async fn repair(client: &PortalClient, state: &mut Subscriptions, handler: Option<&Handler>) -> Result<(), Failure> {
    let Some(handler) = handler else {
        state.refused.push("the address of this deployment is not known; set public_url (PUBLIC_URL)".into());
        return Ok(());
    };
    let bound = bound(client).await?;
    let events: BTreeSet<String> = state.wanted.iter().cloned().collect();
    let old =
        bound.iter().filter(|one| !one.offline && one.handler.starts_with(&handler.ours) && one.handler != handler.url);
    for one in old {
        client.call("event.unbind", &json!({"event": one.event, "handler": one.handler})).await?;
        state.unbound.push(one.event.clone());
    }
    let online: BTreeSet<String> = events.iter().cloned().chain([OWN.to_owned()]).collect();
    let online = compare(&online, &bound, &handler.url, false);
    apply(client, state, &online, &json!({"handler": handler.url})).await?;
    state.offline = client.has_feature("rest_offline_extended").await?;
    if state.offline {
        // Only records are looked up there: a call or a comment is found by its own sweep.
        let records = events.iter().filter(|event| event.starts_with("ONCRM") && !event.contains("MOVETOCATEGORY"));
        let offline = compare(&records.cloned().collect(), &bound, "", true);
        apply(client, state, &offline, &json!({"event_type": "offline", "auth_connector": CONNECTOR})).await?;
    }
    Ok(())
}

/// What is bound by the application.
pub async fn bound(client: &PortalClient) -> Result<Vec<Bound>, Failure> {
    let answer = client.call("event.get", &json!({})).await?;
    let rows: Vec<Value> = shaped("event.get", answer.result).map_err(|error| client.failure(&error))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |row: &Value| Bound {
        event: text(&row["event"]).to_uppercase(),
        handler: text(&row["handler"]),
        offline: row["offline"] == 1 || row["offline"] == "1",
    };
    Ok(rows.iter().map(read).collect())
}

async fn apply(client: &PortalClient, state: &mut Subscriptions, repair: &Repair, how: &Value) -> Result<(), Failure> {
    let with = |event: &str| {
        let mut params = how.clone();
        params["event"] = json!(event);
        params
    };
    for event in &repair.unbind {
        client.call("event.unbind", &with(event)).await?;
        state.unbound.push(event.clone());
    }
    for event in &repair.bind {
        match client.call("event.bind", &with(event)).await {
            Ok(_) => state.bound.push(event.clone()),
            // One that is there already is what was wanted.
            Err(failure) if failure.code() == "error_handler_already_exist" => {}
            Err(failure) if matches!(failure.kind, platform::Kind::Permanent { .. }) => {
                state.refused.push(format!("{event}: {failure}"));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}
