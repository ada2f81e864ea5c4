//! Routes with compiled conditions: from a change to the deliveries that a tenant's settings make of it.

use std::cell::OnceCell;

use jiff::Timestamp;
use jobs::card_delivery::{CardDestination, PortalPerson};
use locale::Language;
use records::CardText;
use records::change::Change;
use records::names::{Nameable, Names};
use records::words::CardContext;
use settings::condition::{Condition, ConditionFacts};
use settings::destination::Destination;
use settings::schema::{MissingChannel, Route, Settings};

use crate::card::{self, Card};

/// Why a condition has no result when many are evaluated together.
const OUT_OF_STEPS: &str =
    "the condition was not evaluated: those before it used up the steps of this try; try one route at a time";

/// A tenant's routes.
#[derive(Debug)]
pub struct Router {
    settings: Settings,
    conditions: Vec<Option<Result<Condition, String>>>,
}

/// A route that accepts a change.
#[derive(Debug)]
pub struct Taken<'a> {
    pub route: &'a Route,
    /// The language of its card.
    pub language: Language,
    /// Its destinations: each is a delivery of its own.
    pub destinations: Vec<CardDestination>,
}

/// A route that does not accept a change, although it is of its kind, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub route: String,
    pub reason: String,
    /// Whether its condition failed, rather than being false.
    pub failed: bool,
}

impl Router {
    /// The routes of these settings.
    pub fn new(settings: Settings) -> Self {
        let condition =
            |route: &Route| Some(Condition::parse(route.when.as_deref()?).map_err(|error| error.to_string()));
        let conditions = settings.routes.iter().map(condition).collect();
        Self { settings, conditions }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The routes whose kind and condition match, and those whose condition is false or fails.
    pub fn asked(&self, change: &Change) -> (Vec<&Route>, Vec<Left>) {
        let mut no_limit_together = u64::MAX;
        self.asked_within(change, &mut no_limit_together)
    }

    /// The same, with a limit on the steps that the conditions of many changes use together; `steps` is reduced by what
    /// was used. A condition that is begun is finished: it has its own limit.
    pub fn asked_within(&self, change: &Change, steps: &mut u64) -> (Vec<&Route>, Vec<Left>) {
        let facts = OnceCell::new();
        let (mut taking, mut left) = (Vec::new(), Vec::new());
        for (route, condition) in self.settings.routes.iter().zip(&self.conditions) {
            if !route.change.iter().any(|kind| *kind == change.kind) {
                continue;
            }
            let outcome = match condition {
                None => Ok(true),
                Some(Err(error)) => Err(error.clone()),
                Some(Ok(_)) if *steps == 0 => Err(OUT_OF_STEPS.into()),
                Some(Ok(condition)) => {
                    let evaluation = condition.evaluate(facts.get_or_init(|| ConditionFacts::of(change)));
                    *steps = steps.saturating_sub(evaluation.steps);
                    evaluation.holds.map_err(|error| error.to_string())
                }
            };
            let leave = |reason: String, failed| Left { route: route.name.clone(), reason, failed };
            match outcome {
                Ok(true) => taking.push(route),
                Ok(false) => left.push(leave("its condition does not hold".into(), false)),
                Err(error) => left.push(leave(error, true)),
            }
        }
        (taking, left)
    }

    /// Whether a route accepts a change; no other route is evaluated.
    pub fn takes(&self, route: &Route, change: &Change) -> bool {
        let Some(place) = self.settings.routes.iter().position(|own| own.name == route.name) else { return false };
        route.change.iter().any(|kind| *kind == change.kind)
            && match &self.conditions[place] {
                None => true,
                Some(condition) => condition.as_ref().is_ok_and(|condition| condition.holds(change).unwrap_or(false)),
            }
    }

    /// Where a route sends a change. A destination that the record lacks is left out, with the reason.
    pub fn destinations<'a>(&self, route: &'a Route, context: &CardContext<'_>) -> (Taken<'a>, Vec<Left>) {
        let language = route.language.unwrap_or(self.settings.language);
        let context = CardContext { language, ..*context };
        let (mut destinations, mut left) = (Vec::new(), Vec::new());
        for to in &route.to {
            let mut leave = |reason: String| left.push(Left { route: route.name.clone(), reason, failed: false });
            match (to, to.channel(&context)) {
                (_, Some(Ok(name))) => destinations.push(CardDestination::Channel {
                    name: self.settings.channel(&name).to_owned(),
                    may_create: matches!(to, Destination::Pattern(_))
                        && self.settings.missing_channels == MissingChannel::Create,
                }),
                (_, Some(Err(reason))) => leave(reason),
                (Destination::Person(role), None) => {
                    let people = role.people(context.change);
                    if people.is_empty() {
                        leave(format!("no recipient: {to} of {} is only the author", context.change.about));
                    }
                    let people = people.into_iter().map(|user| self.person(user, context.names));
                    destinations.extend(people.map(CardDestination::Person));
                }
                (_, None) => {}
            }
        }
        // Two roles may be the same person: they get one card.
        let mut seen = std::collections::BTreeSet::new();
        destinations.retain(|destination| seen.insert(destination.key()));
        (Taken { route, language, destinations }, left)
    }

    fn person(&self, user: u64, names: &Names) -> PortalPerson {
        let people = &self.settings.people;
        let is_dismissed = names.entry(Nameable::User(user)).is_some_and(|entry| entry.is_dismissed);
        PortalPerson {
            user,
            name: names.user(Some(user)).map(str::to_owned),
            email: names.email(user).filter(|_| !people.not_by_email).map(str::to_owned),
            slack: people.map.get(&user.to_string()).filter(|_| !is_dismissed).cloned(),
        }
    }

    /// When a card of this route is sent if quiet hours hold it back; `None` if it is sent at once.
    pub fn quiet_until(&self, route: &Route, now: Timestamp) -> Option<Timestamp> {
        let hours = self.settings.quiet_outside.as_ref().filter(|_| !route.at_once)?;
        let zone = self.settings.zone();
        (!hours.contains(now, &zone)).then(|| hours.next_beginning(now, &zone)).filter(|until| *until > now)
    }
}

impl Taken<'_> {
    pub fn card(&self, context: &CardContext<'_>) -> Card {
        Card::of(&CardContext { language: self.language, ..*context }, self.route.card.as_ref())
    }

    /// The same in one line.
    pub fn line(&self, context: &CardContext<'_>) -> CardText {
        card::line(&CardContext { language: self.language, ..*context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::change::ChangeKind;
    use records::record::RecordState;
    use serde_json::json;

    fn router(settings: serde_json::Value) -> Router {
        Router::new(serde_json::from_value(settings).unwrap())
    }

    fn task() -> Change {
        let state = json!({"task": {"id": 7, "title": "Pack", "responsibleId": 6, "createdBy": 6, "groupId": 3, "group": {"name": "Move №2"}}});
        Change::new(ChangeKind::TaskCreated, "task 7", serde_json::from_value::<RecordState>(state).unwrap())
    }

    fn context_of<'a>(change: &'a Change, names: &'a Names) -> CardContext<'a> {
        CardContext { change, names, domain: "a.bitrix24.com", language: Language::En }
    }

    #[test]
    fn a_task_of_a_project_goes_to_the_projects_channel_and_one_without_to_none() {
        let (change, names) = (task(), Names::default());
        for (settings, may_create) in [(json!({}), false), (json!({"missing_channels": "create"}), true)] {
            let router = router(settings);
            let (routes, left) = router.asked(&change);
            assert_eq!((routes.len(), left.len()), (1, 0));
            let (taken, _) = router.destinations(routes[0], &context_of(&change, &names));
            assert_eq!(taken.destinations, [CardDestination::Channel { name: "#project-move-2".into(), may_create }]);
        }
        let router = router(json!({}));
        let alone: RecordState = serde_json::from_value(json!({"task": {"id": 7, "groupId": "0"}})).unwrap();
        let (routes, left) = router.asked(&Change { state: alone, ..change });
        assert!(routes.is_empty() && !left[0].failed, "{left:?}");
    }

    #[test]
    fn a_condition_that_fails_leaves_its_route_and_no_other() {
        let router = router(json!({"routes": [
            {"name": "a", "change": "task.created", "to": "#a", "when": "record.ufCode == 1"},
            {"name": "b", "change": ["task.created", "task.deleted"], "to": "#b"},
        ]}));
        let change = task();
        let (routes, left) = router.asked(&change);
        assert_eq!(routes[0].name, "b");
        assert!(left[0].failed && left[0].reason.contains("ufCode"), "{left:?}");
    }

    #[test]
    fn a_condition_that_takes_too_much_leaves_its_route_and_no_other() {
        let expensive = format!("{}x < 0{}", "[0,1,2,3,4,5,6,7,8,9].exists(x, ".repeat(10), ")".repeat(10));
        let router = router(json!({"routes": [
            {"name": "a", "change": "task.created", "to": "#a", "when": expensive},
            {"name": "b", "change": "task.created", "to": "#b", "when": "record.title == 'Pack'"},
        ]}));
        let change = task();
        let (routes, left) = router.asked(&change);
        assert_eq!(routes[0].name, "b");
        assert!(left[0].failed && left[0].reason.contains("more than 10,000 steps"), "{left:?}");
        assert!(!router.takes(&router.settings().routes[0], &change) && router.takes(routes[0], &change));
        // Evaluated together, they end together.
        let mut steps = 9_000;
        let (routes, left) = router.asked_within(&change, &mut steps);
        assert_eq!((routes.len(), left.len(), steps), (0, 2, 0));
        assert_eq!(left[1].reason, OUT_OF_STEPS);
    }

    #[test]
    fn the_same_person_in_two_roles_is_told_once() {
        let router = router(json!({
            "routes": [{"name": "a", "change": "task.created", "to": ["@assignee", "@creator"]}], "people": {"map": {"6": "U6"}},
        }));
        let (change, names) = (task(), Names::default());
        let (routes, _) = router.asked(&change);
        let (taken, _) = router.destinations(routes[0], &context_of(&change, &names));
        let expected = PortalPerson { user: 6, name: None, email: None, slack: Some("U6".into()) };
        assert_eq!(taken.destinations, [CardDestination::Person(expected)]);
    }

    #[test]
    fn cards_wait_outside_the_hours_unless_they_go_at_once() {
        let router = router(json!({
            "time_zone": "Europe/Berlin", "quiet_outside": {"from": "08:00", "to": "20:00"},
            "routes": [{"name": "a", "change": "call.missed", "to": "#a"}, {"name": "b", "change": "call.missed", "to": "#a", "at_once": true}],
        }));
        let night = "2026-11-20T22:00:00Z".parse().unwrap();
        let routes = &router.settings().routes;
        assert_eq!(router.quiet_until(&routes[0], night).unwrap().to_string(), "2026-11-23T07:00:00Z");
        assert_eq!(router.quiet_until(&routes[1], night), None);
        assert_eq!(router.quiet_until(&routes[0], "2026-11-20T12:00:00Z".parse().unwrap()), None);
    }
}
