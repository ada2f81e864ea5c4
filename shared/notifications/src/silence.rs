//! Silence: expected events do not arrive. The cause is looked for, what can be repaired is, and operators are notified
//! once, and once more when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use clients::{Failure, PortalClient};
use crm::Crm;
use crm::sweeps::{SWEEP, Subscriptions};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::Settings;
use settings::schema::Family;
use settings::subscriptions::family;
use tenants::portals::Portal;

use crate::alert;
use crate::alert::Alert;

/// How long it is remembered that a silence was reported.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A silence that was noticed.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Episode {
    /// Since when, if it lasts.
    since: Option<Timestamp>,
    /// What stays away.
    #[serde(default)]
    families: Vec<Family>,
}

/// Watches one tenant.
pub struct Watch<'a> {
    /// What reads the portal.
    pub crm: &'a Crm,
    /// The portal.
    pub portal: &'a Portal,
    /// Its settings.
    pub settings: &'a Settings,
    /// Its client.
    pub client: &'a PortalClient,
    /// The present moment.
    pub now: Timestamp,
}

type Seen = BTreeMap<Family, Timestamp>;

impl Watch<'_> {
    /// Notices silence and its end. Returns whether it is silent.
    pub async fn notice(&self, subscriptions: &Result<Subscriptions, Failure>) -> Result<bool, Failure> {
        let (tenant, sweeps) = (&self.portal.tenant, &self.crm.sweeps);
        let (episode, version) = match sweeps.recall::<Episode>(tenant, "silence").await? {
            Some((episode, version)) => (episode, Some(version)),
            None => (Episode::default(), None),
        };
        let seen = self.last_seen().await?;
        let next = match episode.since {
            None => self.has_begun(&seen, subscriptions).await?,
            Some(since) => self.has_ended(&seen, since, &episode).await?,
        };
        let Some(next) = next else { return Ok(episode.since.is_some()) };
        let is_silent = next.since.is_some();
        sweeps.remember(tenant, "silence", &next, version).await?;
        Ok(is_silent)
    }

    async fn has_begun(
        &self,
        seen: &Seen,
        subscriptions: &Result<Subscriptions, Failure>,
    ) -> Result<Option<Episode>, Failure> {
        let watched = self.settings.operators.watch.iter().copied();
        let silent: Vec<_> = watched.filter(|family| self.is_silent(seen, *family)).collect();
        if silent.is_empty() {
            return Ok(None);
        }
        let minutes = self.settings.operators.silence_minutes;
        let head = format!("No {} event from Bitrix24 for {minutes} minutes of business hours", names(&silent));
        let lines = self.probe(subscriptions, seen, &silent).await;
        // The same silence has the same last event, even if the run that reported it crashed before it noted so.
        let last = silent.iter().filter_map(|family| seen.get(family)).max().unwrap_or(&self.portal.connected_at);
        self.raise("silence", &last.to_string(), &head, &lines).await?;
        Ok(Some(Episode { since: Some(self.now), families: silent }))
    }

    /// It is over once everything that stayed away has arrived again, at any hour.
    async fn has_ended(&self, seen: &Seen, since: Timestamp, episode: &Episode) -> Result<Option<Episode>, Failure> {
        if episode.families.iter().any(|family| seen.get(family).is_none_or(|at| *at < since)) {
            return Ok(None);
        }
        let minutes = self.now.duration_since(since).as_mins();
        let head = format!("Events from Bitrix24 arrive again, {minutes} minutes after they were missed");
        self.raise("silence_over", &since.to_string(), &head, &[]).await?;
        Ok(Some(Episode::default()))
    }

    async fn raise(&self, kind: &str, once: &str, head: &str, lines: &[String]) -> Result<(), Failure> {
        let alert = Alert { kind, what: "silence", once, again_after: REMEMBERED, head, lines };
        alert::raise(&self.crm.ports, self.portal, &alert).await
    }

    async fn last_seen(&self) -> Result<Seen, Failure> {
        let mut seen = Seen::new();
        for (event, at) in self.crm.sightings.all(&self.portal.tenant).await? {
            if let Some(family) = family(&event) {
                let last = seen.entry(family).or_insert(at);
                *last = (*last).max(at);
            }
        }
        Ok(seen)
    }

    fn is_silent(&self, seen: &Seen, family: Family) -> bool {
        let operators = &self.settings.operators;
        let minutes = u64::from(operators.silence_minutes);
        let since = seen.get(&family).copied().unwrap_or(self.portal.connected_at);
        let zone = self.settings.zone();
        minutes > 0
            && operators.business_hours.contains(self.now, &zone)
            && operators.business_hours.between(since, self.now, &zone) >= Duration::from_secs(minutes * 60)
    }

    /// Why: whether the portal answers, whether the events are bound, whether something was lost.
    async fn probe(
        &self,
        subscriptions: &Result<Subscriptions, Failure>,
        seen: &Seen,
        silent: &[Family],
    ) -> Vec<String> {
        let last = |family: &Family| {
            let at =
                seen.get(family).map(|at| at.to_zoned(self.settings.zone()).strftime("%Y-%m-%d %H:%M %Z").to_string());
            format!("last {} event: {}", names(&[*family]), at.unwrap_or_else(|| "never".into()))
        };
        let mut lines: Vec<_> = silent.iter().map(last).collect();
        lines.push(self.portal_line().await);
        lines.push(subscription_line(subscriptions));
        lines.push(self.sweep_line().await);
        lines
    }

    async fn portal_line(&self) -> String {
        let method = if self.client.is_application() { "app.info" } else { "profile" };
        match self.client.call(method, &json!({})).await {
            Ok(answer) if answer.result["INSTALLED"] == false => {
                "the portal answers, but the application is not fully installed: Bitrix24 sends no events until \
                 installFinish was called; open the application once as an administrator"
                    .to_owned()
            }
            Ok(answer) if answer.result["PAYMENT_EXPIRED"] == "Y" => {
                "the portal answers, but the application's payment has expired: Bitrix24 sends no events".to_owned()
            }
            Ok(_) => "the portal answers our calls".to_owned(),
            Err(failure) => format!("the portal does not answer our calls: {failure}"),
        }
    }

    async fn sweep_line(&self) -> String {
        let (tenant, sweeps) = (&self.portal.tenant, &self.crm.sweeps);
        let lease = sweeps.lease(tenant, SWEEP).await.ok().flatten();
        let has_finished = lease.is_some_and(|lease| lease.finished_at.is_some());
        let counts = sweeps.counts(tenant, self.now).await.unwrap_or_default();
        match (has_finished, counts.lost) {
            (false, _) => "no sweep has finished yet".to_owned(),
            (true, 0) => {
                "the sweep found no change today that an event should have told: perhaps nothing happened".to_owned()
            }
            (true, lost) => {
                format!("the sweep found {lost} changes today that no event had told; their cards are out")
            }
        }
    }
}

fn names(families: &[Family]) -> String {
    let name = |family: &Family| match family {
        Family::Crm => "CRM",
        Family::Tasks => "task",
        Family::Calls => "call",
    };
    families.iter().map(name).collect::<Vec<_>>().join(" or ")
}

fn subscription_line(subscriptions: &Result<Subscriptions, Failure>) -> String {
    match subscriptions {
        Ok(state) if state.by_hand => {
            "the events are ticked by hand in the outgoing webhook: look whether it is still there, its address is right \
             and the events on the status page are ticked"
                .to_owned()
        }
        Ok(state) if !state.refused.is_empty() => format!("events could not be bound: {}", state.refused.join("; ")),
        Ok(state) if !state.bound.is_empty() => {
            format!("{} events were not bound and are bound again: {}", state.bound.len(), state.bound.join(", "))
        }
        Ok(_) => "all events that the routes need are bound".to_owned(),
        Err(failure) => format!("the subscriptions could not be looked at: {failure}"),
    }
}
