//! The ways in which a provider fails, as data.

use std::collections::VecDeque;

use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};

/// Whether the request does its work before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nothing happens.
    BeforeEffect,
    /// The work is done; only the answer goes wrong.
    AfterEffect,
}

/// How a request fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Fault {
    /// No answer comes, ever.
    Timeout { when: When },
    /// The connection breaks.
    Reset { when: When },
    /// An HTML page, as proxies and gateways give.
    Html {
        /// With which HTTP status.
        status: u16,
        when: When,
    },
    /// Half of the answer's JSON.
    CutJson { when: When },
    /// Too many requests, whatever the limits say.
    TooMany {
        /// For how many seconds.
        seconds: u64,
    },
    /// Notion saves the change and says that it could not build its answer.
    Saved {
        /// Whether it says what it made.
        told: bool,
    },
    /// The provider's own error answer.
    Code {
        /// With which HTTP status.
        status: u16,
        /// The provider's code.
        code: String,
    },
}

impl Fault {
    /// Whether the work is done all the same.
    pub fn has_effect(&self) -> bool {
        match self {
            Self::Timeout { when } | Self::Reset { when } | Self::Html { when, .. } | Self::CutJson { when } => {
                *when == When::AfterEffect
            }
            Self::Saved { .. } => true,
            Self::TooMany { .. } | Self::Code { .. } => false,
        }
    }
}

/// Which requests fail, how often, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The method: `crm.item.update`, `crm.item.*` for all that begin so, `*` for any.
    #[serde(default = "any_method")]
    pub method: String,
    /// Only requests that have this text in their address or body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// How many requests; all until the faults are cleared, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    pub fault: Fault,
}

fn any_method() -> String {
    "*".into()
}

impl Rule {
    fn matches(&self, method: &str, request: Option<&Request<Bytes>>) -> bool {
        let wanted = self.method.to_lowercase();
        let is_method = match wanted.strip_suffix('*') {
            Some(beginning) => method.starts_with(beginning),
            None => method == wanted,
        };
        is_method && self.contains.as_deref().is_none_or(|part| request.is_some_and(|request| has(request, part)))
    }
}

fn has(request: &Request<Bytes>, part: &str) -> bool {
    let body = String::from_utf8_lossy(request.body());
    request.uri().to_string().contains(part) || body.contains(part)
}

/// The faults that wait for their requests.
#[derive(Debug, Default)]
pub struct Faults(VecDeque<Rule>);

impl Faults {
    /// Makes the next request of `method` fail (`*` is any method). Several wait in line.
    pub fn next(&mut self, method: &str, fault: Fault) {
        self.add(Rule { method: method.to_lowercase(), contains: None, count: Some(1), fault });
    }

    /// Makes requests fail by a rule. Of several rules for a request the first counts.
    pub fn add(&mut self, rule: Rule) {
        if rule.count != Some(0) {
            self.0.push_back(rule);
        }
    }

    /// The rules that wait, with the counts that are left.
    pub fn waiting(&self) -> Vec<Rule> {
        self.0.iter().cloned().collect()
    }

    /// Forgets all that wait.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// The fault of this request, if one waits. A rule that asks for a text in the request waits for [`Self::take_for`].
    pub fn take(&mut self, method: &str) -> Option<Fault> {
        self.find(method, None)
    }

    /// The fault of this request, if one waits.
    pub fn take_for(&mut self, method: &str, request: &Request<Bytes>) -> Option<Fault> {
        self.find(method, Some(request))
    }

    fn find(&mut self, method: &str, request: Option<&Request<Bytes>>) -> Option<Fault> {
        let method = method.to_lowercase();
        // A method that is named goes before a pattern.
        let of =
            |exact: bool| move |rule: &Rule| (rule.method.ends_with('*') != exact) && rule.matches(&method, request);
        let place = self.0.iter().position(of.clone()(true)).or_else(|| self.0.iter().position(of(false)))?;
        let rule = self.0.get_mut(place)?;
        let fault = rule.fault.clone();
        if let Some(count) = &mut rule.count {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(place);
            }
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule(method: &str, contains: Option<&str>, count: Option<u64>, seconds: u64) -> Rule {
        Rule { method: method.into(), contains: contains.map(Into::into), count, fault: Fault::TooMany { seconds } }
    }

    fn request(body: &'static str) -> Request<Bytes> {
        Request::post("/rest/1/x/crm.item.update").body(Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn rules_wait_for_their_requests_as_often_as_they_say() {
        let mut faults = Faults::default();
        faults.add(rule("crm.item.*", None, Some(2), 1));
        faults.add(rule("CRM.item.update", Some("id=7"), None, 2));
        faults.next("*", Fault::TooMany { seconds: 3 });
        let mut seconds = |method: &str, body| match faults.take_for(method, &request(body)) {
            Some(Fault::TooMany { seconds }) => seconds,
            _ => 0,
        };
        assert_eq!(seconds("crm.item.update", "id=7"), 2, "the one that is named first");
        assert_eq!(seconds("crm.item.update", "id=8"), 1);
        assert_eq!(seconds("crm.item.list", ""), 1);
        assert_eq!(seconds("user.get", ""), 3);
        assert_eq!(seconds("user.get", ""), 0);
        assert_eq!(seconds("crm.item.update", "id=7"), 2, "until it is cleared");
        assert_eq!(faults.waiting().len(), 1);
        faults.forget();
        assert_eq!(faults.take("crm.item.update"), None);
    }

    #[test]
    fn rules_are_read_from_json() {
        let read: Rule = serde_json::from_str(r#"{"fault": {"how": "reset", "when": "after_effect"}}"#).unwrap();
        assert_eq!((read.method.as_str(), read.count), ("*", None));
        assert!(
            serde_json::from_str::<Rule>(r#"{"metod": "x", "fault": {"how": "reset", "when": "after_effect"}}"#)
                .is_err()
        );
    }
}
