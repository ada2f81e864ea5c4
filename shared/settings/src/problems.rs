//! The problems in a tenant's settings, all of them, each with its place and its fix.

use jiff::tz::TimeZone;
use records::words;

use crate::condition::Condition;
use crate::hours::Hours;
use crate::robots::MAX_ROBOTS;
use crate::schema::{Route, Settings};
use crate::template::Template;

/// More routes than this are refused: one change makes one transaction.
const MAX_ROUTES: usize = 40;
/// More fields on a card are refused: Slack shows ten.
const MAX_FIELDS: usize = 10;

/// Something wrong in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `routes[2].when`.
    pub path: String,
    /// What, and what to do.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() { f.write_str(&self.text) } else { write!(f, "{}: {}", self.path, self.text) }
    }
}

impl Settings {
    /// Everything that is wrong with them, in words that name the fix.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |path: String, text: String| problems.push(Problem { path, text });
        if self.routes.len() > MAX_ROUTES {
            add("routes".into(), format!("there are {} routes; at most {MAX_ROUTES} fit", self.routes.len()));
        }
        if TimeZone::get(&self.time_zone).is_err() {
            add(
                "time_zone".into(),
                format!("there is no time zone {:?}; write it like \"Europe/Berlin\"", self.time_zone),
            );
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
            add("group_bursts".into(), "more_than and seconds must be above 0; write null for no grouping".into());
        }
        for (place, number) in self.smart_processes.iter().enumerate() {
            if *number <= 4 {
                add(
                    format!("smart_processes[{place}]"),
                    format!("{number} is no smart process; leads, deals, contacts and companies are watched anyway"),
                );
            }
        }
        for (portal, slack) in &self.people.map {
            if portal.parse::<u64>().is_err() || !slack.starts_with(['U', 'W']) {
                add(
                    format!("people.map.{portal}"),
                    format!("{portal:?}: {slack:?} is not a portal user's number and a Slack user's id"),
                );
            }
        }
        for (path, text) in self.bot.problems() {
            add(format!("bot.{path}"), text);
        }
        if self.robots.len() > MAX_ROBOTS {
            add("robots".into(), format!("there are {} robots; at most {MAX_ROBOTS} fit", self.robots.len()));
        }
        for (place, robot) in self.robots.iter().enumerate() {
            if let Some((part, text)) = robot.problem() {
                add(format!("robots[{place}].{part}"), text);
            }
            if self.robots[..place].iter().any(|other| other.name == robot.name) {
                add(format!("robots[{place}].name"), format!("there are two robots called {:?}", robot.name));
            }
            let unknown =
                robot.database.as_ref().filter(|name| !self.notion.databases.iter().any(|known| known.name == **name));
            if let Some(name) = unknown {
                add(
                    format!("robots[{place}].database"),
                    format!("there is no database {name:?} under notion.databases"),
                );
            }
        }
        for (path, text) in self.notion.problems() {
            add(format!("notion.{path}"), text);
        }
        for (place, route) in self.routes.iter().enumerate() {
            let at = format!("routes[{place}]");
            if self.routes[..place].iter().any(|other| other.name == route.name) {
                add(format!("{at}.name"), format!("two routes are named {:?}; rename one", route.name));
            }
            for (part, text) in route.problems() {
                add(format!("{at}.{part}"), text);
            }
        }
        problems
    }
}

impl Route {
    fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.name.trim().is_empty() {
            problems.push(("name".into(), "the route has no name; give it one".into()));
        }
        if self.change.iter().next().is_none() {
            problems.push(("change".into(), format!("route {:?} names no change", self.name)));
        }
        if self.to.iter().next().is_none() {
            problems.push((
                "to".into(),
                format!("route {:?} goes nowhere; name a channel, like \"#sales-pipeline\"", self.name),
            ));
        }
        for kind in &self.change {
            for to in &self.to {
                problems.extend(to.problem(kind).map(|text| ("to".into(), text)));
            }
            if let Some(when) = &self.when {
                let problem = Condition::parse(when)
                    .map_or_else(|error| Some(error.to_string()), |condition| condition.problem(kind));
                problems.extend(problem.map(|text| ("when".into(), text)));
            }
            for (part, text) in self.templates() {
                match Template::parse(&text) {
                    Ok(template) => {
                        problems.extend(
                            template
                                .words()
                                .filter_map(|word| words::problem(kind, word))
                                .map(|text| (part.clone(), text)),
                        );
                    }
                    Err(error) => problems.push((part, error.to_string())),
                }
            }
        }
        if self.card.as_ref().and_then(|card| card.fields.as_ref()).is_some_and(|fields| fields.len() > MAX_FIELDS) {
            problems.push(("card.fields".into(), format!("a card shows at most {MAX_FIELDS} fields")));
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
            ["routes[0].to: deal.created has no accomplices and no auditors; only tasks have"]
        );
        let two = json!({"name": "x", "change": "deal.created", "channel": "#a"});
        let settings: Settings = serde_json::from_value(json!({"routes": [two, two], "time_zone": "Mars"})).unwrap();
        let texts: Vec<_> = settings.problems().iter().map(ToString::to_string).collect();
        assert!(texts[0].starts_with("time_zone: there is no time zone \"Mars\""), "{texts:?}");
        assert!(texts[1].contains("rename one"));
    }
}
