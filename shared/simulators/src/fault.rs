//! The ways in which a provider fails, as data.

use std::collections::VecDeque;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use jiff::Timestamp;
use runtime::clock::{Clock, later};
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
    /// Too many requests, or an overload, with another status and another form of `Retry-After`.
    Throttled { status: u16, retry_after: RetryAfterForm },
    /// The right answer, but late.
    Slow { milliseconds: u64 },
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
            Self::Saved { .. } | Self::Slow { .. } => true,
            Self::TooMany { .. } | Self::Throttled { .. } | Self::Code { .. } => false,
        }
    }
}

/// Lets a request wait that is slow; then nothing is wrong with it any more.
pub(crate) async fn wait_if_slow(clock: &dyn Clock, fault: Option<Fault>) -> Option<Fault> {
    match fault {
        Some(Fault::Slow { milliseconds }) => {
            clock.sleep(Duration::from_millis(milliseconds)).await;
            None
        }
        other => other,
    }
}

/// In which form `Retry-After` is written. HTTP knows seconds and dates; proxies write others, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterForm {
    /// There is none.
    None,
    /// `5`.
    Seconds(u64),
    /// `1.5`: seconds with a fraction, given in milliseconds.
    Milliseconds(u64),
    /// `Sat, 21 Nov 2026 12:00:05 GMT`: the date in so many seconds.
    Date(u64),
    /// Whatever a test wants.
    Text(String),
}

impl RetryAfterForm {
    fn text(&self, now: Timestamp) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Milliseconds(milliseconds) => format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000),
            Self::Date(seconds) => {
                later(now, Duration::from_secs(*seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
            }
            Self::Text(text) => text.clone(),
        })
    }

    /// An answer with the header in this form.
    pub(crate) fn on(&self, mut answer: Response<Bytes>, now: Timestamp) -> Response<Bytes> {
        if let Some(value) = self.text(now).and_then(|text| HeaderValue::try_from(text).ok()) {
            answer.headers_mut().insert(http::header::RETRY_AFTER, value);
        }
        answer
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
    /// For how many seconds by the simulators' clock; without an end, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u64>,
    pub fault: Fault,
}

fn any_method() -> String {
    "*".into()
}

impl Rule {
    /// Every request of `method` fails until the faults are forgotten.
    pub fn every(method: &str, fault: Fault) -> Self {
        Self { method: method.to_owned(), contains: None, count: None, for_seconds: None, fault }
    }

    /// The same, but only for so long.
    #[must_use]
    pub fn lasting(self, seconds: u64) -> Self {
        Self { for_seconds: Some(seconds), ..self }
    }

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

/// A rule, and when it ends.
#[derive(Debug)]
struct WaitingRule {
    rule: Rule,
    until: Timestamp,
}

/// The faults that wait for their requests.
#[derive(Debug, Default)]
pub struct Faults(VecDeque<WaitingRule>);

impl Faults {
    /// Makes the next request of `method` fail (`*` is any method). Several wait in line.
    pub fn next(&mut self, method: &str, fault: Fault) {
        let rule = Rule { count: Some(1), ..Rule::every(&method.to_lowercase(), fault) };
        self.0.push_back(WaitingRule { rule, until: Timestamp::MAX });
    }

    /// Makes requests fail by a rule from now on. Of several rules for a request the first counts.
    pub fn add(&mut self, rule: Rule, now: Timestamp) {
        let until = rule.for_seconds.map_or(Timestamp::MAX, |seconds| later(now, Duration::from_secs(seconds)));
        if rule.count != Some(0) {
            self.0.push_back(WaitingRule { rule, until });
        }
    }

    /// The rules that wait, with the counts that are left.
    pub fn waiting(&self, now: Timestamp) -> Vec<Rule> {
        self.0.iter().filter(|waiting| now < waiting.until).map(|waiting| waiting.rule.clone()).collect()
    }

    /// Forgets all that wait.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    /// The fault of this request, if one waits. A rule that asks for a text in the request waits for [`Self::take_for`].
    pub fn take(&mut self, method: &str, now: Timestamp) -> Option<Fault> {
        self.find(method, None, now)
    }

    /// The fault of this request, if one waits.
    pub fn take_for(&mut self, method: &str, request: &Request<Bytes>, now: Timestamp) -> Option<Fault> {
        self.find(method, Some(request), now)
    }

    fn find(&mut self, method: &str, request: Option<&Request<Bytes>>, now: Timestamp) -> Option<Fault> {
        let method = method.to_lowercase();
        self.0.retain(|waiting| now < waiting.until);
        // A method that is named goes before a pattern.
        let of = |exact: bool| {
            let method = method.as_str();
            move |waiting: &WaitingRule| {
                (waiting.rule.method.ends_with('*') != exact) && waiting.rule.matches(method, request)
            }
        };
        let place = self.0.iter().position(of(true)).or_else(|| self.0.iter().position(of(false)))?;
        let rule = &mut self.0.get_mut(place)?.rule;
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
        let fault = Fault::TooMany { seconds };
        Rule { contains: contains.map(Into::into), count, ..Rule::every(method, fault) }
    }

    fn request(body: &'static str) -> Request<Bytes> {
        Request::post("/rest/1/x/crm.item.update").body(Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn rules_wait_for_their_requests_as_often_as_they_say() {
        let mut faults = Faults::default();
        let now = Timestamp::UNIX_EPOCH;
        faults.add(rule("crm.item.*", None, Some(2), 1), now);
        faults.add(rule("CRM.item.update", Some("id=7"), None, 2), now);
        faults.next("*", Fault::TooMany { seconds: 3 });
        let mut seconds = |method: &str, body| match faults.take_for(method, &request(body), now) {
            Some(Fault::TooMany { seconds }) => seconds,
            _ => 0,
        };
        assert_eq!(seconds("crm.item.update", "id=7"), 2, "the one that is named first");
        assert_eq!(seconds("crm.item.update", "id=8"), 1);
        assert_eq!(seconds("crm.item.list", ""), 1);
        assert_eq!(seconds("user.get", ""), 3);
        assert_eq!(seconds("user.get", ""), 0);
        assert_eq!(seconds("crm.item.update", "id=7"), 2, "until it is cleared");
        assert_eq!(faults.waiting(now).len(), 1);
        faults.forget();
        assert_eq!(faults.take("crm.item.update", now), None);
    }

    #[test]
    fn a_rule_with_an_end_fails_every_request_until_then() {
        let mut faults = Faults::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        faults.add(Rule::every("*", Fault::Reset { when: When::BeforeEffect }).lasting(60), at(0));
        for second in [0, 30, 59] {
            assert!(faults.take("chat.postMessage", at(second)).is_some(), "{second}");
        }
        assert_eq!((faults.waiting(at(59)).len(), faults.waiting(at(60)).len()), (1, 0));
        assert_eq!(faults.take("chat.postMessage", at(60)), None);
    }

    #[test]
    fn retry_after_has_every_form() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let written = |form: RetryAfterForm| {
            let answer = form.on(Response::new(Bytes::new()), now);
            answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(written(RetryAfterForm::None), None);
        assert_eq!(written(RetryAfterForm::Seconds(5)).unwrap(), "5");
        assert_eq!(written(RetryAfterForm::Milliseconds(1_050)).unwrap(), "1.050");
        assert_eq!(written(RetryAfterForm::Date(65)).unwrap(), "Sat, 21 Nov 2026 12:01:05 GMT");
        assert_eq!(written(RetryAfterForm::Text("soon".into())).unwrap(), "soon");
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
