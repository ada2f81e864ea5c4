//! Silence: expected events do not arrive. The cause is searched and fixed if possible, and operators are notified
//! once, and once more when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use clients::{Failure, PortalClient};
use crm::Crm;
use crm::sweeps::{SWEEP, Subscriptions};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use locale::{Language, Localized, texts};
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
    /// The families of events that do not arrive.
    #[serde(default)]
    families: Vec<Family>,
}

/// The watch over one tenant.
pub struct Watch<'a> {
    /// What reads the portal.
    pub crm: &'a Crm,
    pub portal: &'a Portal,
    pub settings: &'a Settings,
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
        let head = silence(&silent, self.settings.operators.silence_minutes.into());
        let lines = self.probe(subscriptions, seen, &silent).await;
        // The same silence has the same last event, even if the run that reported it crashed before it noted so.
        let last = silent.iter().filter_map(|family| seen.get(family)).max().unwrap_or(&self.portal.connected_at);
        self.raise("silence", &last.to_string(), head, lines).await?;
        Ok(Some(Episode { since: Some(self.now), families: silent }))
    }

    /// It is over once everything that stayed away has arrived again, at any hour.
    async fn has_ended(&self, seen: &Seen, since: Timestamp, episode: &Episode) -> Result<Option<Episode>, Failure> {
        if episode.families.iter().any(|family| seen.get(family).is_none_or(|at| *at < since)) {
            return Ok(None);
        }
        let minutes = self.now.duration_since(since).as_mins().unsigned_abs();
        let head = Localized::of(|_| texts::alerts::SilenceOver { minutes });
        self.raise("silence_over", &since.to_string(), head, Vec::new()).await?;
        Ok(Some(Episode::default()))
    }

    async fn raise(&self, kind: &str, once: &str, head: Localized, lines: Vec<Localized>) -> Result<(), Failure> {
        let alert = Alert { kind, what: "silence", once, again_after: REMEMBERED, head, lines };
        alert::raise(&self.crm.backend, self.portal, &alert).await
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

    /// Looks for the cause: whether the portal answers, whether the events are bound, whether something was lost.
    async fn probe(
        &self,
        subscriptions: &Result<Subscriptions, Failure>,
        seen: &Seen,
        silent: &[Family],
    ) -> Vec<Localized> {
        let zone = self.settings.zone();
        let mut lines: Vec<_> = silent.iter().map(|family| last_line(*family, seen.get(family), &zone)).collect();
        lines.push(self.portal_line().await);
        lines.push(subscription_line(subscriptions));
        lines.push(self.sweep_line().await);
        lines
    }

    async fn portal_line(&self) -> Localized {
        let method = if self.client.is_application() { "app.info" } else { "profile" };
        match self.client.call(method, &json!({})).await {
            Ok(answer) if answer.result["INSTALLED"] == false => texts::alerts::PORTAL_NOT_INSTALLED.into(),
            Ok(answer) if answer.result["PAYMENT_EXPIRED"] == "Y" => texts::alerts::PORTAL_PAYMENT_EXPIRED.into(),
            Ok(_) => texts::alerts::PORTAL_ANSWERS.into(),
            Err(failure) => Localized::of(|_| texts::alerts::PortalDoesNotAnswer { reason: failure.to_string() }),
        }
    }

    async fn sweep_line(&self) -> Localized {
        let (tenant, sweeps) = (&self.portal.tenant, &self.crm.sweeps);
        let lease = sweeps.lease(tenant, SWEEP).await.ok().flatten();
        let has_finished = lease.is_some_and(|lease| lease.finished_at.is_some());
        let counts = sweeps.counts(tenant, self.now).await.unwrap_or_default();
        match (has_finished, counts.lost) {
            (false, _) => texts::alerts::NO_SWEEP_YET.into(),
            (true, 0) => texts::alerts::SWEEP_FOUND_NOTHING.into(),
            (true, count) => Localized::of(|_| texts::alerts::SweepFound { count }),
        }
    }
}

fn silence(families: &[Family], minutes: u64) -> Localized {
    Localized::of(|language| texts::alerts::Silence { families: names(families, language), minutes })
}

fn last_line(family: Family, at: Option<&Timestamp>, zone: &TimeZone) -> Localized {
    let at = at.map(|at| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string());
    Localized::of(|language| texts::alerts::LastEvent {
        family: names(&[family], language),
        moment: at.clone().unwrap_or_else(|| language.text(texts::alerts::NEVER).to_owned()),
    })
}

fn names(families: &[Family], language: Language) -> String {
    let name = |family: &Family| match family {
        Family::Crm => texts::alerts::FAMILY_CRM,
        Family::Tasks => texts::alerts::FAMILY_TASKS,
        Family::Calls => texts::alerts::FAMILY_CALLS,
    };
    let names = families.iter().map(|family| language.text(name(family)).to_owned());
    names.reduce(|first, second| language.text(texts::alerts::EitherFamily { first, second })).unwrap_or_default()
}

fn subscription_line(subscriptions: &Result<Subscriptions, Failure>) -> Localized {
    match subscriptions {
        Ok(state) if state.by_hand => texts::alerts::EVENTS_BY_HAND.into(),
        Ok(state) if !state.refused.is_empty() => {
            Localized::of(|_| texts::alerts::EventsNotBound { events: state.refused.join("; ") })
        }
        Ok(state) if !state.bound.is_empty() => Localized::of(|_| texts::alerts::EventsBoundAgain {
            count: state.bound.len() as u64,
            events: state.bound.join(", "),
        }),
        Ok(_) => texts::alerts::ALL_EVENTS_BOUND.into(),
        Err(failure) => Localized::of(|_| texts::alerts::EventsUnknown { reason: failure.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use locale::{assert_from_the_catalogues, in_pseudo};

    use super::*;

    const ALL: [Family; 3] = [Family::Crm, Family::Tasks, Family::Calls];

    #[test]
    fn a_silence_names_the_events_that_are_missing() {
        let head = silence(&ALL, 60);
        assert_eq!(
            head.text(Language::En),
            "No CRM or task or call event from Bitrix24 for 60 minutes of business hours"
        );
        assert_eq!(
            head.text(Language::Ru),
            "Из Битрикс24 нет событий (CRM и задачи и звонки) уже 60 минут рабочего времени"
        );
    }

    #[test]
    fn what_is_said_of_a_silence_comes_from_the_catalogues() {
        let event = || vec!["—".to_owned()];
        let states = [
            Ok(Subscriptions { by_hand: true, ..Subscriptions::default() }),
            Ok(Subscriptions { refused: event(), ..Subscriptions::default() }),
            Ok(Subscriptions { bound: event(), ..Subscriptions::default() }),
            Ok(Subscriptions::default()),
            Err(Failure::transient("—")),
        ];
        let at: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let all = in_pseudo(|| {
            let mut all: Vec<Localized> = states.iter().map(subscription_line).collect();
            all.extend([None, Some(&at)].map(|at| last_line(Family::Crm, at, &TimeZone::UTC)));
            all.push(silence(&ALL, 60));
            all
        });
        for text in &all {
            assert_from_the_catalogues(text.text(Language::En));
        }
    }
}
