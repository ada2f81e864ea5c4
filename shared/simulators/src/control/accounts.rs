//! What goes wrong at a provider, for each account alone or for all: requests that fail or are slow, events that overtake
//! each other. And what the providers counted.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::bucket::ExceededLimit;
use crate::fault::Rule;
use crate::http::Server;
use crate::notion::{NotionEventDelivery, NotionSimulator};
use crate::oauth::OauthServers;
use crate::portal::{PortalEventDelivery, PortalSimulator};
use crate::slack::SlackSimulator;
use crate::traffic::{Disorder, SentRequest};

/// The addresses, each with an example.
pub(crate) fn help() -> Value {
    json!({
        "GET /faults": "the faults that wait, with the counts that are left",
        "POST /faults": {"faults": [
            {"provider": "bitrix24", "method": "crm.item.*", "contains": "\"id\":7", "count": 2, "fault": {"how": "html", "status": 502, "when": "before_effect"}},
            {"provider": "slack", "method": "chat.postMessage", "for_seconds": 60, "fault": {"how": "timeout", "when": "after_effect"}},
            {"provider": "notion", "method": "*", "fault": {"how": "too_many", "seconds": 3}},
            {"provider": "notion", "method": "*", "fault": {"how": "throttled", "status": 529, "retry_after": {"seconds | milliseconds | date": 5}}},
            {"provider": "slack", "company": 0, "method": "*", "fault": {"how": "slow", "milliseconds": 2500}},
        ]},
        "DELETE /faults": "no fault waits any longer",
        "POST /latency": {"provider": "slack", "company": 0, "method": "chat.postMessage", "milliseconds": 500},
        "DELETE /latency": "no request waits any longer",
        "POST /disorder": {"provider": "bitrix24 | slack | notion", "company": 0, "seed": 7, "max_delay_ms": 5000, "doubled": 100, "lost": 0},
        "GET /limits": "which limits were exceeded, by account and method, and how often",
        "GET /sent?bitrix24": "the events of a provider, or of all, and how each was answered",
    })
}

pub(crate) type AccountOutcome = Result<Value, String>;

/// A provider's side of a company, or of all.
#[derive(Clone, Copy)]
pub(crate) enum SteeredSide<'a> {
    Portal(&'a PortalSimulator),
    Workspace(&'a SlackSimulator),
    Notion(&'a NotionSimulator),
    Authority(&'a OauthServers),
}

impl SteeredSide<'_> {
    fn provider(self) -> &'static str {
        match self {
            Self::Portal(_) => "bitrix24",
            Self::Workspace(_) => "slack",
            Self::Notion(_) => "notion",
            Self::Authority(_) => "bitrix24_oauth",
        }
    }

    fn faults(self) -> Vec<Rule> {
        match self {
            Self::Portal(portal) => portal.faults(),
            Self::Workspace(workspace) => workspace.faults(),
            Self::Notion(notion) => notion.faults(),
            Self::Authority(authority) => authority.faults(),
        }
    }

    fn fail(self, rule: Rule) {
        match self {
            Self::Portal(portal) => portal.fail(rule),
            Self::Workspace(workspace) => workspace.fail(rule),
            Self::Notion(notion) => notion.fail(rule),
            Self::Authority(authority) => authority.fail(rule),
        }
    }

    fn forget_faults(self) {
        match self {
            Self::Portal(portal) => portal.forget_faults(),
            Self::Workspace(workspace) => workspace.forget_faults(),
            Self::Notion(notion) => notion.forget_faults(),
            Self::Authority(authority) => authority.forget_faults(),
        }
    }

    fn on_servers(self, act: impl Fn(&Server)) {
        match self {
            Self::Portal(portal) => act(portal.server()),
            Self::Workspace(workspace) => act(workspace.server()),
            Self::Notion(notion) => act(notion.server()),
            Self::Authority(authority) => authority.servers().into_iter().for_each(act),
        }
    }

    fn exceeded_limits(self) -> Vec<ExceededLimit> {
        match self {
            Self::Portal(portal) => portal.exceeded_limits(),
            Self::Workspace(workspace) => workspace.exceeded_limits(),
            Self::Notion(notion) => notion.exceeded_limits(),
            Self::Authority(_) => Vec::new(),
        }
    }

    fn sent(self) -> Vec<SentRequest> {
        match self {
            Self::Portal(portal) => portal.sent(),
            Self::Workspace(workspace) => workspace.sent(),
            Self::Notion(notion) => notion.sent(),
            Self::Authority(_) => Vec::new(),
        }
    }

    fn disturb(self, disorder: Disorder) -> Result<(), String> {
        match self {
            Self::Portal(portal) => portal.deliver(PortalEventDelivery { disorder, ..portal.delivery() }),
            Self::Workspace(_) if disorder.lost > 0 => return Err("Slack loses no event; \"lost\" has to be 0".into()),
            Self::Workspace(workspace) => workspace.deliver(disorder),
            Self::Notion(notion) => notion.deliver(NotionEventDelivery { disorder, ..notion.delivery() }),
            Self::Authority(_) => return Err(format!("{} sends no events", self.provider())),
        }
        Ok(())
    }
}

/// All sides, each with the number of its company if there is more than one.
pub(crate) struct SteeredSides<'a>(pub(crate) Vec<(Option<usize>, SteeredSide<'a>)>);

impl<'a> SteeredSides<'a> {
    /// Does what the address says; `None` for others.
    pub(crate) fn steer(&self, method: &Method, path: &str, query: &str, body: &Value) -> Option<AccountOutcome> {
        Some(match (method.as_str(), path) {
            ("GET", "/faults") => Ok(self.each(|side| json!(side.faults()))),
            ("POST", "/faults") => self.add_faults(body),
            ("DELETE", "/faults") => {
                for (_, side) in &self.0 {
                    side.forget_faults();
                }
                Ok(json!({"ok": true}))
            }
            ("POST", "/latency") => self.slow_down(body),
            ("DELETE", "/latency") => {
                for (_, side) in &self.0 {
                    side.on_servers(Server::hurry_up);
                }
                Ok(json!({"ok": true}))
            }
            ("POST", "/disorder") => self.disturb(body),
            ("GET", "/limits") => {
                Ok(json!(self.0.iter().flat_map(|(_, side)| side.exceeded_limits()).collect::<Vec<_>>()))
            }
            ("GET", "/sent") => {
                let wanted = Some(query).filter(|provider| !provider.is_empty());
                self.matching(wanted, None).map(|sides| SteeredSides(sides).each(|side| json!(side.sent())))
            }
            _ => return None,
        })
    }

    /// By provider; a list with each company's where there are many.
    fn each(&self, of: impl Fn(SteeredSide<'_>) -> Value) -> Value {
        let mut all = serde_json::Map::new();
        for (company, side) in &self.0 {
            match company {
                None => drop(all.insert(side.provider().into(), of(*side))),
                Some(_) => {
                    let list = all.entry(side.provider()).or_insert_with(|| json!([]));
                    list.as_array_mut().into_iter().for_each(|list| list.push(of(*side)));
                }
            }
        }
        Value::Object(all)
    }

    /// The sides of a provider and a company; those of all that are not said.
    fn matching(
        &self,
        provider: Option<&str>,
        company: Option<usize>,
    ) -> Result<Vec<(Option<usize>, SteeredSide<'a>)>, String> {
        let of_provider = |side: &SteeredSide<'_>| provider.is_none_or(|wanted| wanted == side.provider());
        let named: Vec<_> = self.0.iter().filter(|(_, side)| of_provider(side)).copied().collect();
        if named.is_empty() {
            let mut known: Vec<&str> = self.0.iter().map(|(_, side)| side.provider()).collect();
            known.dedup();
            return Err(format!("the provider is none of {}", known.join(", ")));
        }
        let chosen: Vec<_> =
            named.into_iter().filter(|(of, _)| company.is_none() || of.is_none() || *of == company).collect();
        if chosen.is_empty() {
            Err(format!("company {} does not exist", company.unwrap_or_default()))
        } else {
            Ok(chosen)
        }
    }

    fn chosen(&self, body: &Value, usual: Option<&str>) -> Result<Vec<(Option<usize>, SteeredSide<'a>)>, String> {
        let company = body["company"].as_u64().map(usize::try_from).transpose();
        let company = company.map_err(|_| "\"company\" is too large".to_owned())?;
        let provider = if body["provider"].is_null() { usual } else { Some(body["provider"].as_str().unwrap_or("")) };
        self.matching(provider, company)
    }

    fn add_faults(&self, body: &Value) -> AccountOutcome {
        let list = body["faults"].as_array().ok_or("\"faults\" has to be a list")?;
        let read = |fault: &Value| {
            let sides = self.chosen(fault, Some("bitrix24")).map_err(|error| format!("{fault}: {error}"))?;
            let mut rule = fault.as_object().cloned().unwrap_or_default();
            for name in ["provider", "company"] {
                rule.remove(name);
            }
            let rule: Rule =
                serde_json::from_value(Value::Object(rule)).map_err(|error| format!("{fault}: {error}"))?;
            Ok((sides, rule))
        };
        // All of them, or none.
        let rules: Result<Vec<_>, String> = list.iter().map(read).collect();
        for (sides, rule) in rules? {
            for (_, side) in sides {
                side.fail(rule.clone());
            }
        }
        Ok(json!({"ok": true}))
    }

    fn slow_down(&self, body: &Value) -> AccountOutcome {
        let sides = self.chosen(body, None)?;
        let pause = body["milliseconds"].as_u64().ok_or("\"milliseconds\" has to be a whole number")?;
        let method = body["method"].as_str().unwrap_or("*");
        for (_, side) in sides {
            side.on_servers(|server| server.slow_down(method, Duration::from_millis(pause)));
        }
        Ok(json!({"ok": true}))
    }

    fn disturb(&self, body: &Value) -> AccountOutcome {
        let sides = self.chosen(body, Some("bitrix24"))?;
        let mut given = body.as_object().cloned().unwrap_or_default();
        for name in ["provider", "company"] {
            given.remove(name);
        }
        let disorder: Disorder = serde_json::from_value(Value::Object(given)).map_err(|error| error.to_string())?;
        sides.into_iter().try_for_each(|(_, side)| side.disturb(disorder))?;
        Ok(json!({"ok": true}))
    }
}
