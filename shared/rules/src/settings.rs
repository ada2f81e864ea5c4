//! The tenant's settings, as far as they go yet: the routes from changes to channels.

use serde::{Deserialize, Serialize};

use crate::change::{Change, ChangeKind};

/// More routes than this are refused: one change makes one transaction.
const MOST_ROUTES: usize = 40;

/// A rule from a change to a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What people call it; unique.
    pub name: String,
    /// Which change.
    pub change: ChangeKind,
    /// Which Slack channel: `#sales-pipeline`, or an id.
    pub channel: String,
}

/// A tenant's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The routes.
    #[serde(default = "default_routes")]
    pub routes: Vec<Route>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { routes: default_routes() }
    }
}

fn default_routes() -> Vec<Route> {
    let route = |name: &str, change, channel: &str| Route { name: name.into(), change, channel: channel.into() };
    vec![
        route("new leads", ChangeKind::LeadCreated, "#sales-leads"),
        route("new deals", ChangeKind::DealCreated, "#sales-pipeline"),
        route("deal stages", ChangeKind::DealStageChanged, "#sales-pipeline"),
    ]
}

impl Settings {
    /// What is wrong with them, in words that name the fix.
    pub fn problem(&self) -> Option<String> {
        if self.routes.len() > MOST_ROUTES {
            return Some(format!("there are {} routes; at most {MOST_ROUTES} fit", self.routes.len()));
        }
        for (place, route) in self.routes.iter().enumerate() {
            if route.name.trim().is_empty() {
                return Some(format!("route {} has no name; give it one", place + 1));
            }
            if self.routes[..place].iter().any(|other| other.name == route.name) {
                return Some(format!("two routes are named {:?}; rename one", route.name));
            }
            if route.channel.trim_start_matches('#').trim().is_empty() {
                return Some(format!("route {:?} has no channel; name one, like \"#sales-pipeline\"", route.name));
            }
        }
        None
    }

    /// The routes that a change takes.
    pub fn routes_of(&self, change: &Change) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(move |route| route.change == change.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_missions_table_and_hold_up() {
        assert_eq!(Settings::default().problem(), None);
        let empty: Settings = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, Settings::default());
    }

    #[test]
    fn a_problem_names_the_route_and_the_fix() {
        let mut settings = Settings::default();
        settings.routes[1].channel = "#".into();
        assert_eq!(
            settings.problem().unwrap(),
            "route \"new deals\" has no channel; name one, like \"#sales-pipeline\""
        );
        settings.routes[1] = settings.routes[0].clone();
        assert!(settings.problem().unwrap().contains("rename one"));
    }

    #[test]
    fn a_change_nobody_knows_is_refused_by_name() {
        let error =
            serde_json::from_str::<Settings>(r##"{"routes":[{"name":"x","change":"deal.sold","channel":"#x"}]}"##);
        assert!(error.unwrap_err().to_string().contains("deal.sold"));
    }
}
