//! Exactly the events that the routes need are bound to us: compared, and put right.

use std::collections::BTreeSet;

use bitrix24::client::shaped;
use connect::{Failure, PortalClient};
use platform::portals::Portal;
use platform::sweeps::Subscriptions;
use rules::Settings;
use rules::subscriptions::{Bound, CONNECTOR, Repair, compare, wanted};
use serde_json::{Value, json};

use crate::Deps;

/// Compares and repairs, and remembers how it stands.
pub(crate) async fn keep(
    deps: &Deps,
    portal: &Portal,
    settings: &Settings,
    client: &PortalClient,
) -> Result<Subscriptions, Failure> {
    let events = wanted(settings);
    let mut state = Subscriptions {
        checked_at: Some(deps.clock.now()),
        by_hand: !client.is_application(),
        wanted: events.iter().map(|event| event.code.to_owned()).collect(),
        ..Subscriptions::default()
    };
    if !state.by_hand {
        repair(deps, client, &mut state).await?;
    }
    let version = deps.sweeps.recall::<Value>(&portal.tenant, "subscriptions").await?.map(|(_, version)| version);
    deps.sweeps.remember(&portal.tenant, "subscriptions", &state, version).await?;
    Ok(state)
}

async fn repair(deps: &Deps, client: &PortalClient, state: &mut Subscriptions) -> Result<(), Failure> {
    let Some(handler) = deps.handler() else {
        state.refused.push("the address of this deployment is not known; set public_url (PUBLIC_URL)".into());
        return Ok(());
    };
    let bound = bound(client).await?;
    let events: BTreeSet<String> = state.wanted.iter().cloned().collect();
    let online = compare(&events, &bound, &handler, false);
    apply(client, state, &online, &json!({"handler": handler})).await?;
    state.offline = client.has_feature("rest_offline_extended").await?;
    if state.offline {
        // Only records are looked up there: a call or a comment is found by its own sweep.
        let records = events.iter().filter(|event| event.starts_with("ONCRM") && !event.contains("MOVETOCATEGORY"));
        let offline = compare(&records.cloned().collect(), &bound, "", true);
        apply(client, state, &offline, &json!({"event_type": "offline", "auth_connector": CONNECTOR})).await?;
    }
    Ok(())
}

async fn bound(client: &PortalClient) -> Result<Vec<Bound>, Failure> {
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
