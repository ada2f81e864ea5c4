//! The doctor: asks every provider, and reports whether each requirement is met, and how to fix it.
//!
//! It changes nothing, and its calls count for nobody. Each check is reported as soon as it is done, so that progress can be shown.

mod bridges;

use std::collections::{BTreeMap, BTreeSet};

use clients::{Connections, ErrorClass, Failure, PortalClient, WorkspaceClient, scopes};
use crm::sightings::Sightings;
use crm::subscriptions;
use crm::sweeps::{Lease, SWEEP, Sweeps};
use jiff::Timestamp;
use jobs::queues;
use locale::{Fixed, Localized, texts};
use notion_sync::NotionSync;
use notion_sync::database::Open;
use runtime::limiter::Priority;
use runtime::queue::Depth;
use runtime::secrets::SecretsError;
use runtime::{Backend, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use settings::destination::Destination;
use settings::{Settings, subscriptions as events};
use tenants::portals::{NOTION_TOKEN, Portal, SLACK_BOT_TOKEN, TokenDigest};
use tenants::secret_names::SLACK_SIGNING;

/// The most seconds by which our clock and a provider's may differ; Slack refuses signatures that are five minutes old.
const MAX_SKEW: i64 = 60;
/// Pages of people that are read.
const MAX_PAGES: u64 = 10;
/// People without a counterpart that are named.
const MAX_NAMED: usize = 8;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// It is right.
    Fine,
    /// It works, but an operator should know.
    Notice,
    /// It is not right.
    Wrong,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked: `Slack: channel #calls`.
    #[serde(serialize_with = "english")]
    pub what: Localized,
    /// The result.
    pub verdict: CheckVerdict,
    #[serde(serialize_with = "english")]
    pub seen: Localized,
    /// The fix; empty if none is needed.
    #[serde(skip_serializing_if = "Localized::is_empty", serialize_with = "english")]
    pub fix: Localized,
}

impl Check {
    fn fine(what: impl Into<Localized>, seen: impl Into<Localized>) -> Self {
        Self { what: what.into(), verdict: CheckVerdict::Fine, seen: seen.into(), fix: Localized::data("") }
    }

    fn notice(what: impl Into<Localized>, seen: impl Into<Localized>, fix: impl Into<Localized>) -> Self {
        Self { what: what.into(), verdict: CheckVerdict::Notice, seen: seen.into(), fix: fix.into() }
    }

    fn wrong(what: impl Into<Localized>, seen: impl Into<Localized>, fix: impl Into<Localized>) -> Self {
        Self { what: what.into(), verdict: CheckVerdict::Wrong, seen: seen.into(), fix: fix.into() }
    }
}

/// What the checks need.
pub struct Doctor<'a> {
    backend: &'a Backend,
    /// The providers. It may run where they cannot be reached, beside a host that reaches them: what it meets pauses nobody.
    connections: Connections,
    /// The synced databases.
    mirror: NotionSync,
    public_url: Option<&'a str>,
    configured: Option<&'a ConfiguredTokens>,
}

/// The tokens that a configuration file names for a tenant.
#[derive(Debug)]
pub struct ConfiguredTokens {
    /// By which its tenant is known.
    pub application_token: SecretString,
    pub slack: SecretString,
    pub notion: Option<SecretString>,
}

/// Receives each check as it is done.
pub type ReportCheck<'a> = &'a mut (dyn FnMut(Check) + Send);

impl<'a> Doctor<'a> {
    /// A doctor of a deployment. `public_url` is the address at which providers reach it, if it is known.
    pub fn new(backend: &'a Backend, connections: &Connections, public_url: Option<&'a str>) -> Self {
        let connections = connections.clone().uncounted();
        let mirror = NotionSync::new(backend, connections.clone());
        Self { backend, connections, mirror, public_url, configured: None }
    }

    /// The same, which also says which of these tokens no provider has confirmed yet.
    #[must_use]
    pub fn with_configured(self, configured: Option<&'a ConfiguredTokens>) -> Self {
        Self { configured, ..self }
    }

    /// Checks what all tenants share.
    pub async fn examine_deployment(&self, report: ReportCheck<'_>) {
        report(match self.connections.key_ring().await {
            Ok(_) => Check::fine(texts::operations::CHECK_KEYS, texts::operations::KEYS_READABLE),
            Err(failure) => Check::wrong(
                texts::operations::CHECK_KEYS,
                Localized::data(failure.text),
                texts::operations::RESTORE_KEYS,
            ),
        });
        report(match self.public_url {
            Some(url) => Check::fine(texts::operations::CHECK_ADDRESS, Localized::data(url)),
            None => Check::notice(
                texts::operations::CHECK_ADDRESS,
                texts::operations::NOT_KNOWN,
                texts::operations::SET_ADDRESS,
            ),
        });
        report(match self.backend.secrets.get(SLACK_SIGNING).await {
            Ok(text) if text.expose_secret().lines().any(|line| !line.trim().is_empty()) => {
                Check::fine(texts::operations::CHECK_SIGNING, texts::operations::SIGNING_KNOWN)
            }
            Ok(_) | Err(SecretsError::Missing(_)) => Check::notice(
                texts::operations::CHECK_SIGNING,
                texts::operations::NOT_KNOWN,
                texts::operations::SET_SIGNING,
            ),
            Err(error) => {
                Check::wrong(texts::operations::CHECK_SIGNING, Localized::data(error), texts::operations::CHECK_SECRETS)
            }
        });
        for queue in queues::ALL {
            let what = Localized::of(|_| texts::operations::CheckQueue { queue: queue.name() });
            report(match self.backend.queue.depth(queue).await {
                Ok(depth) => queue_check(what, &depth),
                Err(error) => Check::wrong(what, Localized::data(error), texts::operations::CHECK_QUEUE_EXISTS),
            });
        }
    }

    /// Checks a tenant.
    pub async fn examine(&self, tenant: &TenantId, report: ReportCheck<'_>) {
        let portal = match self.connections.portal(tenant).await {
            Ok(portal) => portal,
            Err(failure) => {
                let seen = Localized::data(failure.text);
                return report(Check::wrong(texts::operations::CHECK_PORTAL, seen, texts::operations::CONNECT));
            }
        };
        let settings = match portal.settings_as::<Settings>() {
            Ok(settings) => settings,
            Err(error) => {
                let seen = Localized::of(|_| texts::operations::SettingsNotRead { reason: error.0.clone() });
                let fix = texts::operations::APPLY_CHECKED_SETTINGS;
                return report(Check::wrong(texts::operations::CHECK_SETTINGS, seen, fix));
            }
        };
        let problems = settings.problems();
        if problems.is_empty() {
            let (routes, databases) = (settings.routes.len() as u64, settings.notion.databases.len() as u64);
            let seen = Localized::of(|_| texts::operations::SettingsHold { routes, databases });
            report(Check::fine(texts::operations::CHECK_SETTINGS, seen));
        }
        for problem in problems {
            let fix = texts::operations::FIX_SETTINGS;
            report(Check::wrong(texts::operations::CHECK_SETTINGS, problem.whole(), fix));
        }
        self.configured(&portal, report).await;
        let bitrix24 = self.bitrix24(&portal, &settings, report).await;
        self.sweeps(tenant, report).await;
        let slack = self.slack(&portal, &settings, report).await;
        if let (Some(bitrix24), Some(slack)) = (&bitrix24, &slack) {
            self.people(&settings, bitrix24, slack, report).await;
            self.bridges(&portal, report).await;
        }
        self.notion(&portal, &settings, report).await;
    }

    /// Names the configured tokens that are not in use yet: the host connects a side when its provider has confirmed them.
    async fn configured(&self, portal: &Portal, report: ReportCheck<'_>) {
        let Some(configured) = self.configured else { return };
        if !TokenDigest::of(configured.application_token.expose_secret()).matches(&portal.application_token) {
            return;
        }
        let slack = portal.slack.as_ref().map(|slack| (SLACK_BOT_TOKEN, &slack.bot_token));
        let notion = portal.notion.as_ref().map(|notion| (NOTION_TOKEN, &notion.token));
        let sides = [("Slack", Some(&configured.slack), slack), ("Notion", configured.notion.as_ref(), notion)];
        for (name, token, stored) in sides {
            let Some(token) = token else { continue };
            let is_in_use = match stored {
                Some((field, sealed)) => {
                    let opened = self.connections.open_sealed(portal, field, sealed).await;
                    opened.is_ok_and(|opened| opened.expose_secret() == token.expose_secret())
                }
                None => false,
            };
            if !is_in_use {
                let seen = format!("{name} has not confirmed the token of the configuration yet; it is not in use");
                let fix = "The log of `serve` and its status page say what the provider answers.";
                report(Check::notice(Localized::data(name), Localized::data(seen), Localized::data(fix)));
            }
        }
    }

    async fn bitrix24(
        &self,
        portal: &std::sync::Arc<Portal>,
        settings: &Settings,
        report: ReportCheck<'_>,
    ) -> Option<PortalClient> {
        let what = Localized::of(|_| texts::operations::CheckBitrix24 { domain: portal.domain.as_str() });
        let client = match self.connections.bitrix24(portal).await {
            Ok(client) => client.in_lane(Priority::Person),
            Err(failure) => {
                report(Check::wrong(what, Localized::data(failure.text), texts::operations::CONNECT_AGAIN));
                return None;
            }
        };
        let method = if client.is_application() { "app.info" } else { "profile" };
        let answer = match client.call(method, &json!({})).await {
            Ok(answer) => answer,
            Err(failure) => {
                report(failed(what, &failure));
                return None;
            }
        };
        report(match (&answer.result["INSTALLED"], &answer.result["PAYMENT_EXPIRED"]) {
            (Value::Bool(false), _) => {
                Check::wrong(what, texts::operations::NOT_INSTALLED, texts::operations::OPEN_APPLICATION)
            }
            (_, Value::String(expired)) if expired == "Y" => {
                Check::wrong(what, texts::operations::PAYMENT_EXPIRED, texts::operations::RENEW_SUBSCRIPTION)
            }
            _ => Check::fine(what, texts::operations::ANSWERS),
        });
        if let Some(there) = answer.started_at {
            report(skew(self.backend.clock.now(), there));
        }
        self.bitrix24_rights(portal, &client, report).await;
        self.subscriptions(portal, settings, &client, report).await;
        Some(client)
    }

    async fn bitrix24_rights(&self, portal: &Portal, client: &PortalClient, report: ReportCheck<'_>) {
        let given: Vec<String> = match client.call("scope", &json!({})).await {
            Ok(answer) => serde_json::from_value(answer.result).unwrap_or_default(),
            Err(_) => portal.application.as_ref().map(|own| own.scopes.clone()).unwrap_or_default(),
        };
        if given.is_empty() {
            let seen = texts::operations::RIGHTS_UNKNOWN;
            return report(Check::notice(texts::operations::CHECK_RIGHTS, seen, Localized::data("")));
        }
        // Either of these is enough.
        let has_user = given.iter().any(|scope| scope.starts_with("user"));
        let lacking: Vec<_> = scopes::missing(&scopes::BITRIX24, &given)
            .into_iter()
            .filter(|(scope, _)| !(*scope == "user_basic" && has_user))
            // The old name of the same scope.
            .filter(|(scope, _)| !(*scope == "task" && given.iter().any(|scope| scope.starts_with("task"))))
            .collect();
        if lacking.is_empty() {
            report(Check::fine(texts::operations::CHECK_RIGHTS, texts::operations::RIGHTS_GIVEN));
        }
        for (scope, why) in lacking {
            let fix =
                if client.is_application() { texts::operations::ADD_RIGHT } else { texts::operations::TICK_RIGHT };
            report(Check::wrong(Localized::of(|_| texts::operations::CheckRight { scope }), missing(why), fix));
        }
    }

    async fn subscriptions(
        &self,
        portal: &Portal,
        settings: &Settings,
        client: &PortalClient,
        report: ReportCheck<'_>,
    ) {
        let wanted: BTreeSet<String> = events::wanted(settings).iter().map(|event| event.code.to_owned()).collect();
        let sightings = Sightings::new(self.backend.store.clone());
        let seen = sightings.all(&portal.tenant).await.unwrap_or_default();
        let what = texts::operations::CHECK_EVENTS;
        if !client.is_application() {
            let unseen: Vec<_> = wanted.iter().filter(|code| !seen.contains_key(*code)).cloned().collect();
            return report(if unseen.is_empty() {
                let count = wanted.len() as u64;
                Check::fine(what, Localized::of(|_| texts::operations::EventsSeen { count }))
            } else {
                let seen = Localized::of(|_| texts::operations::EventsNeverSeen { events: unseen.join(", ") });
                Check::notice(what, seen, texts::operations::TICK_EVENTS)
            });
        }
        let bound = match subscriptions::bound(client).await {
            Ok(bound) => bound,
            Err(failure) => return report(failed(what, &failure)),
        };
        let Some(url) = self.public_url else {
            let (seen, fix) = (texts::operations::EVENTS_LEAD_NOWHERE, texts::operations::SET_ADDRESS_ONLY);
            return report(Check::notice(what, seen, fix));
        };
        let handler = match self.connections.hook_url(&portal.tenant, url).await {
            Ok(handler) => handler,
            Err(failure) => {
                return report(Check::wrong(what, Localized::data(failure.text), texts::operations::CONNECT_AGAIN));
            }
        };
        let missing = events::compare(&wanted, &bound, &handler, false).bind;
        report(if missing.is_empty() {
            let count = wanted.len() as u64;
            Check::fine(what, Localized::of(|_| texts::operations::AllBound { count }))
        } else {
            let seen = Localized::of(|_| texts::operations::NotBound { events: missing.join(", ") });
            Check::wrong(what, seen, texts::operations::BIND_EVENTS)
        });
    }

    async fn sweeps(&self, tenant: &TenantId, report: ReportCheck<'_>) {
        let sweeps = Sweeps::new(self.backend.store.clone());
        let lease = sweeps.lease(tenant, SWEEP).await.ok().flatten();
        let what = texts::operations::CHECK_SWEEP;
        report(match lease {
            None => Check::notice(what, texts::operations::SWEEP_NEVER, texts::operations::SWEEP_SOON),
            Some(Lease { stopped_by: Some(cause), .. }) => {
                let seen = Localized::of(|_| texts::operations::SweepStopped { reason: cause.as_str() });
                Check::notice(what, seen, texts::operations::SWEEP_CONTINUES)
            }
            Some(Lease { finished_at, .. }) => {
                let counts = sweeps.counts(tenant, self.backend.clock.now()).await.unwrap_or_default();
                Check::fine(what, finished(finished_at, counts.lost))
            }
        });
    }

    async fn slack(&self, portal: &Portal, settings: &Settings, report: ReportCheck<'_>) -> Option<WorkspaceClient> {
        let Some(connection) = &portal.slack else {
            let (seen, fix) = (texts::operations::NOT_CONNECTED, texts::operations::CONNECT);
            report(Check::wrong(texts::operations::CHECK_SLACK, seen, fix));
            return None;
        };
        let team = if connection.team.is_empty() { &connection.team_id } else { &connection.team };
        let what = Localized::of(|_| texts::operations::CheckWorkspace { team });
        let client = match self.connections.slack(portal).await {
            Ok(client) => client,
            Err(failure) => {
                report(Check::wrong(what, Localized::data(failure.text), texts::operations::CONNECT_AGAIN));
                return None;
            }
        };
        if let Err(failure) = client.check().await {
            report(failed(what, &failure));
            return None;
        }
        report(Check::fine(what, texts::operations::ANSWERS));
        for (scope, why) in scopes::lacking(&scopes::SLACK, &connection.scopes) {
            let what = Localized::of(|_| texts::operations::CheckScope { scope });
            report(Check::wrong(what, missing(why), texts::operations::ADD_SCOPE));
        }
        let mut channels: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for route in &settings.routes {
            let named = route.to.iter().filter_map(|to| match to {
                Destination::Channel(name) => Some(name.as_str()),
                _ => None,
            });
            for name in named.chain(route.fallback.as_deref()) {
                channels.entry(settings.channel(name).to_owned()).or_default().push(&route.name);
            }
        }
        if let Some(channel) = &settings.operators.channel {
            channels.entry(channel.clone()).or_default().push("operators");
        }
        for bridge in &settings.bridges {
            channels.entry(bridge.channel.clone()).or_default().push("bridges");
        }
        for (name, of) in channels {
            report(channel(&client, &name, &of).await);
        }
        Some(client)
    }

    async fn people(
        &self,
        settings: &Settings,
        bitrix24: &PortalClient,
        slack: &WorkspaceClient,
        report: ReportCheck<'_>,
    ) {
        let found = async {
            let (mut emails, mut cursor) = (BTreeSet::new(), None::<String>);
            for _ in 0..MAX_PAGES {
                let page = slack.users(cursor.as_deref()).await?;
                emails.extend(page.items.into_iter().filter_map(|user| user.email).map(|email| email.to_lowercase()));
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
            let mut alone = Vec::new();
            for page in 0..MAX_PAGES {
                let params = json!({"FILTER": {"ACTIVE": true}, "start": page * 50});
                let answer = bitrix24.call("user.get", &params).await?;
                for user in answer.result.as_array().into_iter().flatten() {
                    let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
                    let is_known =
                        emails.contains(&text("EMAIL").to_lowercase()) || settings.people.map.contains_key(&text("ID"));
                    if !is_known {
                        alone.push(format!("{} {}", text("NAME"), text("LAST_NAME")).trim().to_owned());
                    }
                }
                if answer.next.is_none() {
                    break;
                }
            }
            Ok::<_, Failure>(alone)
        };
        let what = texts::operations::CHECK_PEOPLE;
        report(match found.await {
            Ok(alone) if alone.is_empty() => Check::fine(what, texts::operations::EVERYONE_FOUND),
            Ok(alone) => Check::notice(what, not_found(&alone), texts::operations::LINK_PEOPLE),
            Err(failure) => Check { verdict: CheckVerdict::Notice, ..failed(what, &failure) },
        });
    }

    async fn notion(&self, portal: &Portal, settings: &Settings, report: ReportCheck<'_>) {
        let databases = &settings.notion.databases;
        if portal.notion.is_none() {
            if !databases.is_empty() {
                let (seen, fix) = (texts::operations::NOTION_WITHOUT_WORKSPACE, texts::operations::CONNECT);
                report(Check::wrong(texts::operations::CHECK_NOTION, seen, fix));
            }
            return;
        }
        for database in databases {
            let name = database.name.as_str();
            let what = Localized::of(|_| texts::operations::CheckDatabase { database: name });
            match self.mirror.open(&portal.tenant, &database.name).await {
                Ok(Open::Ready(opened)) => {
                    let count = opened.fields.len() as u64;
                    report(Check::fine(what, Localized::of(|_| texts::operations::DatabaseOpen { count })));
                    let known = self.mirror.stored(&portal.tenant, &database.name).await.ok().flatten();
                    for trouble in known.map(|known| known.troubles).unwrap_or_default() {
                        let field = trouble.field.as_str();
                        let what = Localized::of(|_| texts::operations::CheckField { database: name, field });
                        report(Check::wrong(what, trouble.text, texts::operations::FIELD_PAUSES));
                    }
                }
                Ok(Open::Closed(closed)) => {
                    report(Check::wrong(what, closed.text, texts::operations::OPENS_ITSELF));
                }
                Err(failure) => report(failed(what, &failure)),
            }
        }
        if databases.is_empty() {
            report(Check::fine(texts::operations::CHECK_NOTION, texts::operations::NOTION_UNUSED));
        }
    }
}

/// For JSON, which is for programs: they search for the English words.
pub(crate) fn english<S: Serializer>(text: &Localized, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(text)
}

fn queue_check(what: Localized, depth: &Depth) -> Check {
    let (waiting, failed) = (depth.waiting, depth.dead);
    if failed > 0 {
        let seen = Localized::of(|_| texts::operations::QueueWithFailed { waiting, failed });
        return Check::notice(what, seen, texts::operations::RETRY_DEAD);
    }
    Check::fine(what, Localized::of(|_| texts::operations::QueueWaiting { waiting }))
}

/// A right that is missing, and what it is for.
fn missing(purpose: Fixed) -> Localized {
    Localized::of(|language| texts::operations::Missing { purpose: language.text(purpose) })
}

fn finished(at: Option<Timestamp>, count: u64) -> Localized {
    let time = at.map(|at| at.strftime("%H:%M UTC").to_string());
    Localized::of(|language| {
        let time = time.as_deref().unwrap_or(language.text(texts::operations::NEVER)).to_owned();
        texts::operations::SweepFinished { time, count }
    })
}

fn not_found(people: &[String]) -> Localized {
    let names = people.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let names = names.as_str();
    match people.len().saturating_sub(MAX_NAMED) as u64 {
        0 => Localized::of(|_| texts::operations::NotFoundByEmail { names }),
        count => Localized::of(|_| texts::operations::NotFoundByEmailMore { names, count }),
    }
}

/// How far our clock is from the portal's.
fn skew(here: Timestamp, there: Timestamp) -> Check {
    let (what, ahead) = (texts::operations::CHECK_CLOCK, here.duration_since(there).as_secs());
    let seconds = ahead.unsigned_abs();
    if ahead.abs() <= MAX_SKEW {
        return Check::fine(what, Localized::of(|_| texts::operations::ClockRight { seconds }));
    }
    let seen = if ahead > 0 {
        Localized::of(|_| texts::operations::ClockAhead { seconds })
    } else {
        Localized::of(|_| texts::operations::ClockBehind { seconds })
    };
    Check::wrong(what, seen, texts::operations::SET_CLOCK)
}

async fn channel(client: &WorkspaceClient, name: &str, of: &[&str]) -> Check {
    let what = Localized::of(|_| texts::operations::CheckChannel { channel: name });
    let routes = of.join(", ");
    let routes = routes.as_str();
    let info = match client.channel(name, true).await {
        Ok(id) => client.channel_info(&id.0).await,
        Err(failure) => Err(failure),
    };
    match info {
        Ok(info) if info.is_archived => {
            let fix = Localized::of(|_| texts::operations::Unarchive { routes });
            Check::wrong(what, texts::operations::ARCHIVED, fix)
        }
        Ok(info) if info.is_member => Check::fine(what, Localized::of(|_| texts::operations::BotIsInIt { routes })),
        Ok(_) => Check::fine(what, Localized::of(|_| texts::operations::PublicChannel { routes })),
        Err(failure) if failure.code() == "channel_not_found" => {
            let fix = Localized::of(|_| texts::operations::CreateChannel { routes });
            Check::wrong(what, texts::operations::NOT_FOUND, fix)
        }
        Err(failure) => failed(what, &failure),
    }
}

/// What could not be checked.
fn failed(what: impl Into<Localized>, failure: &Failure) -> Check {
    Check::wrong(what, Localized::data(&failure.text), remedy(failure))
}

fn remedy(failure: &Failure) -> Localized {
    match &failure.class {
        ErrorClass::Reauthorise => texts::operations::CONNECT_AGAIN.into(),
        ErrorClass::Throttled { until } => {
            Localized::of(|_| texts::operations::PausedByProvider { until: until.to_string() })
        }
        ErrorClass::Transient | ErrorClass::UnknownOutcome => texts::operations::DID_NOT_ANSWER.into(),
        ErrorClass::Permanent { code } => Localized::of(|_| texts::operations::SeeCode { code: code.as_str() }),
    }
}

#[cfg(test)]
mod tests {
    use locale::{Language, assert_from_the_catalogues, in_pseudo};

    use super::*;

    fn moment() -> Timestamp {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_finding_is_in_the_readers_language_and_english_for_programs() {
        let check = skew(moment(), moment() + jiff::SignedDuration::from_secs(90));
        assert_eq!(check.seen.text(Language::En), "90 s behind the portal's");
        assert_eq!(check.seen.text(Language::Ru), "отстают от портала на 90 с");
        let fix = "Set the machine's clock (NTP). Slack's signatures are refused when they are five minutes old.";
        let wanted = json!({"what": "Clock", "verdict": "wrong", "seen": "90 s behind the portal's", "fix": fix});
        assert_eq!(serde_json::to_value(&check).unwrap(), wanted);
    }

    #[test]
    fn findings_come_from_the_catalogues() {
        let people = |count: usize| vec!["Анна".to_owned(); count];
        let all = in_pseudo(|| {
            let depth = |dead| Depth { waiting: 1, dead, ..Depth::default() };
            let mut checks = vec![skew(moment(), moment())];
            checks.extend([90, -90].map(|seconds| skew(moment(), moment() + jiff::SignedDuration::from_secs(seconds))));
            checks.extend([0, 1].map(|dead| queue_check(texts::operations::CHECK_KEYS.into(), &depth(dead))));
            let failures = [Failure::transient("—"), Failure::permanent("7", "—")];
            checks.extend(failures.iter().map(|failure| failed(texts::operations::CHECK_SLACK, failure)));
            let mut all: Vec<_> = checks.into_iter().flat_map(|check| [check.what, check.seen, check.fix]).collect();
            all.extend([1, MAX_NAMED + 1].map(|count| not_found(&people(count))));
            all.extend([None, Some(moment())].map(|at| finished(at, 1)));
            all
        });
        for text in &all {
            assert_from_the_catalogues(text.text(Language::En));
        }
    }
}
