//! What routes would have sent for recent events: a dry run, which sends and writes nothing.

use clients::Failure;
use crm::names::NamesCache;
use jiff::Timestamp;
use notifications::card::Card;
use notifications::router::Router;
use records::change::{Noun, Verb};
use records::{CardContext, Change, ChangeKind, RecordState};
use runtime::TenantId;
use runtime::ledger::Ledger;
use serde_json::json;
use settings::{Route, Settings};
use tenants::portals::Portal;

use crate::log;
use crate::log::LogFilter;

/// The most events with changes that are tried.
pub const MAX_EVENTS: usize = 50;
/// The steps that the conditions of one dry run may use together: each event may use the limit of one condition.
const MAX_STEPS: u64 = MAX_EVENTS as u64 * settings::condition::MAX_STEPS;
/// Pages of the log that are read to find them.
const MAX_PAGES: usize = 4;

/// What a past change would lead to.
#[derive(Debug, Clone)]
pub struct DryRunResult {
    /// When its event arrived.
    pub at: Timestamp,
    pub trace: String,
    /// What changed: `deal 42`.
    pub about: String,
    /// How: `deal.stage_changed`.
    pub change: String,
    /// Each route that would accept it: its name, its destination, and the card.
    pub cards: Vec<(String, String, Card)>,
    /// Routes for this change that would not accept it, and why.
    pub left: Vec<(String, String)>,
}

/// Runs `settings` over the last changes, newest first.
pub async fn dry_run(
    ledger: &Ledger,
    names: &NamesCache,
    portal: &Portal,
    settings: &Settings,
    now: Timestamp,
) -> Result<Vec<DryRunResult>, Failure> {
    let router = Router::new(settings.clone());
    let (mut results, mut steps) = (Vec::new(), MAX_STEPS);
    for (at, trace, change) in last_changes(ledger, &portal.tenant, now).await? {
        let names = names.of(&portal.tenant, &change).await;
        results.push(result_of(&router, &change, &names, portal, at, trace, &mut steps));
    }
    Ok(results)
}

async fn last_changes(
    ledger: &Ledger,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Vec<(Timestamp, String, Change)>, Failure> {
    let (mut changes, mut after) = (Vec::new(), None::<String>);
    for _ in 0..MAX_PAGES {
        let found = log::search(ledger, tenant, &LogFilter::default(), after.as_deref(), 200, now).await?;
        for event in found.ways.iter().filter_map(|way| way.event.as_ref()) {
            // A change of an older shape is left out rather than misread.
            let own = event.found.iter().filter_map(|change| serde_json::from_value::<Change>(change.clone()).ok());
            changes.extend(own.map(|change| (event.received_at, event.trace.to_string(), change)));
            if changes.len() >= MAX_EVENTS {
                changes.truncate(MAX_EVENTS);
                return Ok(changes);
            }
        }
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    Ok(changes)
}

fn result_of(
    router: &Router,
    change: &Change,
    names: &records::Names,
    portal: &Portal,
    at: Timestamp,
    trace: String,
    steps: &mut u64,
) -> DryRunResult {
    let telling = CardContext { change, names, domain: &portal.domain, language: router.settings().language };
    let (routes, left) = router.asked_within(change, steps);
    let mut left: Vec<_> = left.into_iter().map(|left| (left.route, left.reason)).collect();
    let mut cards = Vec::new();
    for route in routes {
        let (taken, unplaced) = router.destinations(route, &telling);
        left.extend(unplaced.into_iter().map(|left| (left.route, left.reason)));
        for destination in &taken.destinations {
            cards.push((route.name.clone(), destination.name(), taken.card(&telling)));
        }
    }
    DryRunResult { at, trace, about: change.about.to_string(), change: change.kind.name(), cards, left }
}

/// A change of a kind as an example, for designing a card before the first one happens.
pub fn example(kind: &ChangeKind) -> Change {
    let item = json!({
        "id": 42, "title": "Roof for ACME", "stageId": "EXECUTING", "categoryId": 0, "opportunity": 150_000,
        "currencyId": "EUR", "assignedById": 1, "createdTime": "2026-11-20T10:00:00Z", "createdBy": 1,
    });
    let task = json!({"task": {
        "id": "7", "title": "Pack the boxes", "status": "2", "deadline": "2026-11-25T16:00:00+01:00",
        "responsibleId": "1", "createdBy": "1", "groupId": "3", "group": {"id": "3", "name": "Move"},
    }});
    let call = json!({"call": {
        "CALL_ID": "x.1", "CALL_TYPE": "2", "PHONE_NUMBER": "+49 30 1234567", "PORTAL_USER_ID": "1",
        "CALL_DURATION": "75", "CALL_START_DATE": "2026-11-21T09:00:00Z", "CALL_FAILED_CODE": "304",
    }});
    let noun = kind.noun();
    let (about, state) = match noun {
        Noun::Lead | Noun::Deal | Noun::Contact | Noun::Company => (format!("{} 42", noun.name()), item),
        Noun::Item => ("item-1220 42".to_owned(), item),
        Noun::Task => ("task 7".to_owned(), task),
        Noun::Call => ("call x.1".to_owned(), call),
        Noun::Custom => ("order 17".to_owned(), json!({"custom": {"title": "Order 17"}})),
    };
    let state =
        serde_json::from_value::<RecordState>(state).unwrap_or(RecordState::Custom { custom: serde_json::Map::new() });
    let mut change = Change::new(kind.clone(), about, state);
    change.from_stage = (kind.verb() == Verb::StageChanged).then(|| "NEW".to_owned());
    change
}

/// The latest change that a route of `router` would accept, or else one of its kinds, or else an example; and whether
/// it really happened.
pub async fn sample(
    ledger: &Ledger,
    tenant: &TenantId,
    router: &Router,
    route: &Route,
    now: Timestamp,
) -> Result<(Change, bool), Failure> {
    let kinds: Vec<_> = route.change.iter().cloned().collect();
    let happened = last_changes(ledger, tenant, now).await?.into_iter().map(|(_, _, change)| change);
    let happened: Vec<_> = happened.filter(|change| kinds.contains(&change.kind)).collect();
    let found = happened.iter().find(|change| router.takes(route, change)).or(happened.first()).cloned();
    let first = kinds.first().cloned().unwrap_or(ChangeKind::DealStageChanged);
    let is_real = found.is_some();
    Ok((found.unwrap_or_else(|| example(&first)), is_real))
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::Names;

    #[test]
    fn there_is_an_example_of_every_change_that_its_route_can_show() {
        for (kind, name, _) in ChangeKind::ALL {
            let settings = json!({"routes": [{"name": "x", "change": name, "to": "#x", "card": {"density": "full"}}]});
            let router = Router::new(serde_json::from_value(settings).unwrap_or_default());
            let change = example(kind);
            assert!(!matches!(&change.state, RecordState::Custom { custom } if custom.is_empty()), "{name}");
            let (routes, _) = router.asked(&change);
            let names = Names::default();
            let telling = CardContext {
                change: &change,
                names: &names,
                domain: "a.bitrix24.com",
                language: locale::Language::En,
            };
            let (taken, _) = router.destinations(routes[0], &telling);
            assert!(!taken.card(&telling).notification.visible().is_empty(), "{name}");
        }
    }
}
