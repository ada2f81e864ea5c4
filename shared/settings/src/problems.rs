//! The problems in a tenant's settings, all of them, each with its place and its fix.

use jiff::tz::TimeZone;
use locale::{Localized, texts};
use records::words;

use crate::condition::Condition;
use crate::hours::Hours;
use crate::robots::MAX_ROBOTS;
use crate::schema::{Route, Settings};
use crate::template::TextTemplate;

/// More routes than this are refused: one change makes one transaction.
const MAX_ROUTES: usize = 40;
/// More fields on a card are refused: Slack shows ten.
const MAX_FIELDS: usize = 10;

/// Something wrong in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `routes[2].when`.
    pub path: String,
    /// What is wrong, and how to fix it.
    pub text: Localized,
}

/// In English, for the command line.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.whole().fmt(f)
    }
}

impl Problem {
    /// The place and what is wrong there.
    pub fn whole(&self) -> Localized {
        if self.path.is_empty() {
            return self.text.clone();
        }
        let place = self.path.as_str();
        Localized::of(|language| texts::settings::At { place, problem: self.text.text(language) })
    }
}

impl Settings {
    /// Everything that is wrong with them, each with its fix.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |path: String, text: Localized| problems.push(Problem { path, text });
        if self.routes.len() > MAX_ROUTES {
            let (count, most) = (self.routes.len() as u64, MAX_ROUTES as u64);
            add("routes".into(), Localized::of(|_| texts::settings::TooManyRoutes { count, most }));
        }
        if TimeZone::get(&self.time_zone).is_err() {
            add("time_zone".into(), Localized::of(|_| texts::settings::NoTimeZone { zone: &self.time_zone }));
        }
        let all_hours = [
            ("quiet_outside", self.quiet_outside.as_ref()),
            ("operators.business_hours", Some(&self.operators.business_hours)),
        ];
        for (name, hours) in all_hours {
            if let Some((place, text)) = hours.and_then(Hours::problem) {
                add(format!("{name}.{place}"), text);
            }
        }
        if self.group_bursts.is_some_and(|bursts| bursts.more_than == 0 || bursts.seconds == 0) {
            add("group_bursts".into(), texts::settings::BURSTS_NEED_NUMBERS.into());
        }
        for (index, number) in self.smart_processes.iter().enumerate() {
            if *number <= 4 {
                let text = Localized::of(|_| texts::settings::NotASmartProcess { number: number.to_string() });
                add(format!("smart_processes[{index}]"), text);
            }
        }
        for (portal, slack) in &self.people.map {
            if portal.parse::<u64>().is_err() || !slack.starts_with(['U', 'W']) {
                let text = Localized::of(|_| texts::settings::NotASlackUser { portal, slack });
                add(format!("people.map.{portal}"), text);
            }
        }
        for (path, text) in self.bot.problems() {
            add(format!("bot.{path}"), text);
        }
        if self.robots.len() > MAX_ROBOTS {
            let (count, most) = (self.robots.len() as u64, MAX_ROBOTS as u64);
            add("robots".into(), Localized::of(|_| texts::settings::TooManyRobots { count, most }));
        }
        for (index, robot) in self.robots.iter().enumerate() {
            if let Some((part, text)) = robot.problem() {
                add(format!("robots[{index}].{part}"), text);
            }
            if self.robots[..index].iter().any(|other| other.name == robot.name) {
                let text = Localized::of(|_| texts::settings::TwoRobots { name: &robot.name });
                add(format!("robots[{index}].name"), text);
            }
            let unknown =
                robot.database.as_ref().filter(|name| !self.notion.databases.iter().any(|known| known.name == **name));
            if let Some(name) = unknown {
                let text = Localized::of(|_| texts::settings::NoSuchDatabase { name });
                add(format!("robots[{index}].database"), text);
            }
        }
        for (path, text) in self.notion.problems() {
            add(format!("notion.{path}"), text);
        }
        for (index, route) in self.routes.iter().enumerate() {
            let at = format!("routes[{index}]");
            if self.routes[..index].iter().any(|other| other.name == route.name) {
                add(format!("{at}.name"), Localized::of(|_| texts::settings::TwoRoutes { name: &route.name }));
            }
            for (part, text) in route.problems() {
                add(format!("{at}.{part}"), text);
            }
        }
        problems
    }
}

impl Route {
    fn problems(&self) -> Vec<(String, Localized)> {
        let (mut problems, name) = (Vec::new(), self.name.as_str());
        if name.trim().is_empty() {
            problems.push(("name".into(), texts::settings::ROUTE_WITHOUT_NAME.into()));
        }
        if self.change.iter().next().is_none() {
            let text = Localized::of(|_| texts::settings::RouteWithoutChange { name });
            problems.push(("change".into(), text));
        }
        if self.to.iter().next().is_none() {
            let text = Localized::of(|_| texts::settings::RouteWithoutDestination { name });
            problems.push(("to".into(), text));
        }
        for kind in &self.change {
            for to in &self.to {
                problems.extend(to.problem(kind).map(|text| ("to".into(), text)));
            }
            if let Some(when) = &self.when {
                let problem =
                    Condition::parse(when).map_or_else(|error| Some(error.text()), |condition| condition.problem(kind));
                problems.extend(problem.map(|text| ("when".into(), text)));
            }
            for (part, text) in self.templates() {
                match TextTemplate::parse(&text) {
                    Ok(template) => {
                        problems.extend(
                            template
                                .words()
                                .filter_map(|word| words::problem(kind, word))
                                .map(|text| (part.clone(), text)),
                        );
                    }
                    Err(error) => problems.push((part, error.text())),
                }
            }
        }
        if self.card.as_ref().and_then(|card| card.fields.as_ref()).is_some_and(|fields| fields.len() > MAX_FIELDS) {
            let text = Localized::of(|_| texts::settings::TooManyFields { most: MAX_FIELDS as u64 });
            problems.push(("card.fields".into(), text));
        }
        problems.dedup();
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[allow(clippy::needless_pass_by_value)] // reads better
    fn problems(route: serde_json::Value) -> Vec<String> {
        let settings: Settings = serde_json::from_value(json!({"routes": [route]})).unwrap();
        settings.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_problem_names_the_place_and_the_fix() {
        assert_eq!(
            problems(json!({"name": "x", "change": "deal.created", "to": "#a", "when": "record.oportunity > 1"})),
            ["routes[0].when: deal.created has no field \"oportunity\"; did you mean \"opportunity\"?"]
        );
        assert_eq!(
            problems(
                json!({"name": "x", "change": "lead.created", "to": "#a", "card": {"title": "{phone}", "fields": ["sum", "stagee"]}})
            ),
            [
                "routes[0].card.title: lead.created has no word {phone}; it has title, link, url, id, type, responsible, creator, created, sum, stage, from_stage, move, funnel, from_funnel, funnel_move, source, company, contact, client, previous_responsible, changed_fields",
                "routes[0].card.fields[1]: lead.created has no word {stagee}; did you mean {stage}? Fields are written {record.NAME}",
            ]
        );
        assert_eq!(
            problems(json!({"name": "x", "change": "deal.created", "to": ["@auditors", "#a"]})),
            ["routes[0].to: deal.created has no accomplices and no auditors; only tasks have them"]
        );
        let two = json!({"name": "x", "change": "deal.created", "channel": "#a"});
        let settings: Settings = serde_json::from_value(json!({"routes": [two, two], "time_zone": "Mars"})).unwrap();
        let texts: Vec<_> = settings.problems().iter().map(ToString::to_string).collect();
        assert!(texts[0].starts_with("time_zone: there is no time zone \"Mars\""), "{texts:?}");
        assert!(texts[1].contains("rename one"));
    }
}
