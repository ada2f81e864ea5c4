//! The doctor: asks every provider, and says of each thing that has to be right whether it is, and how to fix it.
//!
//! It changes nothing. Each check is reported as soon as it is done, so that progress can be shown.

use std::collections::{BTreeMap, BTreeSet};

use clients::{Connections, ErrorClass, Failure, PortalClient, WorkspaceClient, scopes};
use crm::sightings::Sightings;
use crm::subscriptions;
use crm::sweeps::{Lease, SWEEP, Sweeps};
use jiff::Timestamp;
use jobs::queues;
use locale::Language;
use notion_sync::NotionSync;
use notion_sync::database::Open;
use runtime::limiter::Priority;
use runtime::secrets::SecretsError;
use runtime::{Ports, TenantId};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Value, json};
use settings::destination::Destination;
use settings::{Settings, subscriptions as events};
use tenants::portals::Portal;
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
pub enum Verdict {
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
    pub what: String,
    /// The result.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// The fix; empty if none is needed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

impl Check {
    fn fine(what: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Fine, seen: seen.into(), fix: String::new() }
    }

    fn notice(what: impl Into<String>, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Notice, seen: seen.into(), fix: fix.into() }
    }

    fn wrong(what: impl Into<String>, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Wrong, seen: seen.into(), fix: fix.into() }
    }
}

/// What the checks need.
pub struct Doctor<'a> {
    /// The engine.
    pub ports: &'a Ports,
    /// The providers.
    pub connections: &'a Connections,
    /// The synced databases.
    pub mirror: &'a NotionSync,
    /// The address at which providers reach this deployment, if it is known.
    pub public_url: Option<&'a str>,
}

/// Receives each check as it is done.
pub type Tell<'a> = &'a mut (dyn FnMut(Check) + Send);

impl Doctor<'_> {
    /// Checks what all tenants share.
    pub async fn examine_deployment(&self, tell: Tell<'_>) {
        tell(match self.connections.key_ring().await {
            Ok(_) => Check::fine("Keys", "the key ring can be read"),
            Err(failure) => Check::wrong(
                "Keys",
                failure.text,
                "restore the secret key-ring; without it stored tokens cannot be opened (docs/operations.md)",
            ),
        });
        tell(match self.public_url {
            Some(url) => Check::fine("Public address", url),
            None => Check::notice(
                "Public address",
                "not known",
                "set public_url (on AWS the parameter PublicUrl); the bot and bound events need it",
            ),
        });
        tell(match self.ports.secrets.get(SLACK_SIGNING).await {
            Ok(text) if text.expose_secret().lines().any(|line| !line.trim().is_empty()) => {
                Check::fine("Slack signing secret", "known: requests from Slack are taken")
            }
            Ok(_) | Err(SecretsError::Missing(_)) => Check::notice(
                "Slack signing secret",
                "not known",
                "put signing_secret under [slack] (or [apps.slack]); without it commands and messages from Slack are refused",
            ),
            Err(error) => {
                Check::wrong("Slack signing secret", error.to_string(), "see whether the secrets can be read")
            }
        });
        for queue in queues::ALL {
            tell(match self.ports.queue.depth(queue).await {
                Ok(depth) if depth.dead > 0 => Check::notice(
                    format!("Queue {}", queue.name()),
                    format!("{} waiting, {} dead", depth.waiting, depth.dead),
                    "`dead list` says what they died of; mend it, then `dead redrive`",
                ),
                Ok(depth) => Check::fine(format!("Queue {}", queue.name()), format!("{} waiting", depth.waiting)),
                Err(error) => {
                    Check::wrong(format!("Queue {}", queue.name()), error.to_string(), "see whether the queue is there")
                }
            });
        }
    }

    /// Checks a tenant.
    pub async fn examine(&self, tenant: &TenantId, tell: Tell<'_>) {
        let portal = match self.connections.portal(tenant).await {
            Ok(portal) => portal,
            Err(failure) => return tell(Check::wrong("Portal", failure.text, "connect it at /install")),
        };
        let settings = match portal.settings_as::<Settings>() {
            Ok(settings) => settings,
            Err(error) => {
                let fix = "apply a document that `settings check` takes";
                return tell(Check::wrong("Settings", format!("they cannot be read: {}", error.0), fix));
            }
        };
        let problems = settings.problems();
        if problems.is_empty() {
            tell(Check::fine(
                "Settings",
                format!("{} routes, {} databases", settings.routes.len(), settings.notion.databases.len()),
            ));
        }
        for problem in problems {
            tell(Check::wrong("Settings", problem.to_string(), "mend it on the page Settings, or in the document"));
        }
        let bitrix24 = self.bitrix24(&portal, &settings, tell).await;
        self.sweeps(tenant, tell).await;
        let slack = self.slack(&portal, &settings, tell).await;
        if let (Some(bitrix24), Some(slack)) = (&bitrix24, &slack) {
            self.people(&settings, bitrix24, slack, tell).await;
        }
        self.notion(&portal, &settings, tell).await;
    }

    async fn bitrix24(
        &self,
        portal: &std::sync::Arc<Portal>,
        settings: &Settings,
        tell: Tell<'_>,
    ) -> Option<PortalClient> {
        let what = format!("Bitrix24: {}", portal.domain);
        let client = match self.connections.bitrix24(portal).await {
            Ok(client) => client.in_lane(Priority::Person),
            Err(failure) => {
                tell(Check::wrong(what, failure.text, "connect it again at /install"));
                return None;
            }
        };
        let method = if client.is_application() { "app.info" } else { "profile" };
        let answer = match client.call(method, &json!({})).await {
            Ok(answer) => answer,
            Err(failure) => {
                tell(Check::wrong(what, failure.text.clone(), remedy(&failure)));
                return None;
            }
        };
        tell(match (&answer.result["INSTALLED"], &answer.result["PAYMENT_EXPIRED"]) {
            (Value::Bool(false), _) => Check::wrong(
                what,
                "the application is not fully installed: Bitrix24 sends no events",
                "open the application once as an administrator",
            ),
            (_, Value::String(expired)) if expired == "Y" => {
                Check::wrong(what, "the application's payment has expired", "renew the subscription")
            }
            _ => Check::fine(what, "answers"),
        });
        if let Some(there) = answer.started_at {
            tell(skew(self.ports.clock.now(), there));
        }
        self.bitrix24_rights(portal, &client, tell).await;
        self.subscriptions(portal, settings, &client, tell).await;
        Some(client)
    }

    async fn bitrix24_rights(&self, portal: &Portal, client: &PortalClient, tell: Tell<'_>) {
        let given: Vec<String> = match client.call("scope", &json!({})).await {
            Ok(answer) => serde_json::from_value(answer.result).unwrap_or_default(),
            Err(_) => portal.application.as_ref().map(|own| own.scopes.clone()).unwrap_or_default(),
        };
        if given.is_empty() {
            return tell(Check::notice("Bitrix24: rights", "the portal does not say which were given", ""));
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
            tell(Check::fine("Bitrix24: rights", "everything that is needed was given"));
        }
        for (scope, why) in lacking {
            let fix = if client.is_application() {
                "add the right to the application, and connect again at /install"
            } else {
                "tick the right in the incoming webhook"
            };
            tell(Check::wrong(
                format!("Bitrix24: right {scope}"),
                format!("missing; it is for: {}", Language::En.text(why)),
                fix,
            ));
        }
    }

    async fn subscriptions(&self, portal: &Portal, settings: &Settings, client: &PortalClient, tell: Tell<'_>) {
        let wanted: BTreeSet<String> = events::wanted(settings).iter().map(|event| event.code.to_owned()).collect();
        let sightings = Sightings::new(self.ports.store.clone());
        let seen = sightings.all(&portal.tenant).await.unwrap_or_default();
        if !client.is_application() {
            let unseen: Vec<_> = wanted.iter().filter(|code| !seen.contains_key(*code)).cloned().collect();
            return tell(if unseen.is_empty() {
                Check::fine("Bitrix24: events", format!("all {} have been seen", wanted.len()))
            } else {
                Check::notice(
                    "Bitrix24: events",
                    format!("never seen: {}", unseen.join(", ")),
                    "they are ticked by hand: look whether the outgoing webhook has them; perhaps nothing happened yet",
                )
            });
        }
        let bound = match subscriptions::bound(client).await {
            Ok(bound) => bound,
            Err(failure) => return tell(Check::wrong("Bitrix24: events", failure.text.clone(), remedy(&failure))),
        };
        let Some(url) = self.public_url else {
            return tell(Check::notice(
                "Bitrix24: events",
                "where they go to is not known",
                "set public_url (PublicUrl)",
            ));
        };
        let handler = match self.connections.hook_url(&portal.tenant, url).await {
            Ok(handler) => handler,
            Err(failure) => {
                return tell(Check::wrong("Bitrix24: events", failure.text, "connect it again at /install"));
            }
        };
        let missing = events::compare(&wanted, &bound, &handler, false).bind;
        tell(if missing.is_empty() {
            Check::fine("Bitrix24: events", format!("all {} are bound", wanted.len()))
        } else {
            Check::wrong(
                "Bitrix24: events",
                format!("not bound: {}", missing.join(", ")),
                "the upkeep binds them within a quarter of an hour; \"Check events and chatbot now\" at /install at once",
            )
        });
    }

    async fn sweeps(&self, tenant: &TenantId, tell: Tell<'_>) {
        let sweeps = Sweeps::new(self.ports.store.clone());
        let lease = sweeps.lease(tenant, SWEEP).await.ok().flatten();
        tell(match lease {
            None => Check::notice("Sweep", "none has run yet", "it runs every five minutes; look again then"),
            Some(Lease { stopped_by: Some(cause), .. }) => Check::notice(
                "Sweep",
                format!("the last one stopped: {cause}"),
                "it goes on where it stopped in five minutes; mend what it names if that lasts",
            ),
            Some(Lease { finished_at, .. }) => {
                let counts = sweeps.counts(tenant, self.ports.clock.now()).await.unwrap_or_default();
                let at = finished_at.map_or_else(|| "never".into(), |at| at.strftime("%H:%M UTC").to_string());
                Check::fine(
                    "Sweep",
                    format!("finished {at}; today it found {} changes that no event had told", counts.lost),
                )
            }
        });
    }

    async fn slack(&self, portal: &Portal, settings: &Settings, tell: Tell<'_>) -> Option<WorkspaceClient> {
        let Some(connection) = &portal.slack else {
            tell(Check::wrong("Slack", "not connected", "connect it at /install"));
            return None;
        };
        let what =
            format!("Slack: {}", if connection.team.is_empty() { &connection.team_id } else { &connection.team });
        let client = match self.connections.slack(portal).await {
            Ok(client) => client,
            Err(failure) => {
                tell(Check::wrong(what, failure.text, "connect it again at /install"));
                return None;
            }
        };
        if let Err(failure) = client.check().await {
            tell(Check::wrong(what, failure.text.clone(), remedy(&failure)));
            return None;
        }
        tell(Check::fine(what, "answers"));
        for (scope, why) in scopes::lacking(&scopes::SLACK, &connection.scopes) {
            let fix = "add the scope to the app (docs/installing.md has its manifest), and connect again at /install";
            tell(Check::wrong(
                format!("Slack: scope {scope}"),
                format!("missing; it is for: {}", Language::En.text(why)),
                fix,
            ));
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
            tell(channel(&client, &name, &of).await);
        }
        Some(client)
    }

    async fn people(&self, settings: &Settings, bitrix24: &PortalClient, slack: &WorkspaceClient, tell: Tell<'_>) {
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
        tell(match found.await {
            Ok(alone) if alone.is_empty() => Check::fine("People", "everybody on the portal is found in Slack"),
            Ok(alone) => {
                let named: Vec<_> = alone.iter().take(MAX_NAMED).map(String::as_str).collect();
                let more = if alone.len() > MAX_NAMED {
                    format!(" and {} more", alone.len() - MAX_NAMED)
                } else {
                    String::new()
                };
                Check::notice(
                    "People",
                    format!("not in Slack by their e-mail: {}{more}", named.join(", ")),
                    "link them on the page People, or let them type /b24-me in Slack",
                )
            }
            Err(failure) => Check::notice("People", failure.text.clone(), remedy(&failure)),
        });
    }

    async fn notion(&self, portal: &Portal, settings: &Settings, tell: Tell<'_>) {
        let databases = &settings.notion.databases;
        if portal.notion.is_none() {
            if !databases.is_empty() {
                tell(Check::wrong(
                    "Notion",
                    "the settings name databases, but no workspace is connected",
                    "connect it at /install",
                ));
            }
            return;
        }
        for database in databases {
            let what = format!("Notion: {}", database.name);
            match self.mirror.open(&portal.tenant, &database.name).await {
                Ok(Open::Ready(opened)) => {
                    tell(Check::fine(&what, format!("open, {} fields synced", opened.fields.len())));
                    let known = self.mirror.stored(&portal.tenant, &database.name).await.ok().flatten();
                    for trouble in known.map(|known| known.troubles).unwrap_or_default() {
                        tell(Check::wrong(
                            format!("{what}: {}", trouble.field),
                            trouble.text,
                            "the field pauses until then",
                        ));
                    }
                }
                Ok(Open::Closed(closed)) => {
                    tell(Check::wrong(what, closed.text, "it opens by itself once that is mended"));
                }
                Err(failure) => tell(Check::wrong(what, failure.text.clone(), remedy(&failure))),
            }
        }
        if databases.is_empty() {
            tell(Check::fine("Notion", "connected; no database is synced yet"));
        }
    }
}

/// How far our clock is from the portal's.
fn skew(here: Timestamp, there: Timestamp) -> Check {
    let seconds = here.duration_since(there).as_secs();
    if seconds.abs() <= MAX_SKEW {
        return Check::fine("Clock", format!("{} s from the portal's", seconds.abs()));
    }
    let word = if seconds > 0 { "ahead of" } else { "behind" };
    Check::wrong(
        "Clock",
        format!("{} s {word} the portal's", seconds.abs()),
        "set the machine's clock (NTP); Slack's signatures are refused when they are five minutes old",
    )
}

async fn channel(client: &WorkspaceClient, name: &str, of: &[&str]) -> Check {
    let what = format!("Slack: channel {name}");
    let routes = of.join(", ");
    let info = match client.channel(name, true).await {
        Ok(id) => client.channel_info(&id.0).await,
        Err(failure) => Err(failure),
    };
    match info {
        Ok(info) if info.is_archived => Check::wrong(what, "archived", format!("unarchive it, or change: {routes}")),
        Ok(info) if info.is_member => Check::fine(what, format!("the bot is in it ({routes})")),
        Ok(_) => Check::fine(what, format!("public; the bot joins when it has to ({routes})")),
        Err(failure) if failure.code() == "channel_not_found" => {
            Check::wrong(what, "not found", format!("create it, invite the bot if it is private, or change: {routes}"))
        }
        Err(failure) => Check::wrong(what, failure.text.clone(), remedy(&failure)),
    }
}

fn remedy(failure: &Failure) -> String {
    match &failure.class {
        ErrorClass::Reauthorise => "connect it again at /install".into(),
        ErrorClass::Throttled { until } => format!("the provider asked for a pause until {until}; look again then"),
        ErrorClass::Transient | ErrorClass::UnknownOutcome => {
            "the provider did not answer; look again in a minute".into()
        }
        ErrorClass::Permanent { code } => format!("see what {code} means in docs/operations.md"),
    }
}
