//! From changes to deliveries: to which destinations, at once or later in a digest.

use std::time::Duration;

use clients::Failure;
use crm::Crm;
use crm::sweeps::SweepCounts;
use jiff::Timestamp;
use jobs::card_delivery::CardDestination;
use jobs::chat::SlackJob;
use jobs::hint::FollowUp;
use jobs::{Hint, SlackDelivery};
use records::change::{Noun, Verb};
use records::names::Nameable;
use records::{CardContext, Change, ChangeKind, Names};
use runtime::clock::{MAX_PROVIDER_SKEW, later};
use runtime::job::{ReceivedJob, message};
use runtime::ledger::{DeliveryLine, DeliveryStatus, delivery_write};
use runtime::limiter::{Limiter, Rate, RateBucket, Reservation};
use runtime::store::WriteCondition;
use runtime::{Decision, DeliveryId, RestoreMark, TraceId};
use settings::Route;
use settings::subscriptions::has_route_for;
use tenants::portals::Portal;

use crate::blocks;
use crate::digest_items::{DigestItem, DigestWindow};
use crate::router::{Left, Router, Taken};

/// How long after a restore the sweep has certainly found everything that changed before.
const SWEPT_AFTER: Duration = Duration::from_secs(60 * 60);

/// Adds the deliveries that the tenant's routes make of the changes to the decision; returns whether there are any,
/// including those that wait for a digest.
pub async fn route(
    crm: &Crm,
    job: &ReceivedJob<Hint>,
    decision: &mut Decision,
    portal: &Portal,
    router: &Router,
    changes: &[Change],
    cause: CardCause<'_>,
) -> Result<bool, Failure> {
    let (has_deliveries, errands_set) = (false, Vec::new());
    let restored = crm.connections.generation().restored().await?;
    let mut routing = Routing { crm, job, router, cause, restored, decision, has_deliveries, errands_set };
    for change in changes {
        let (routes, left) = router.asked(change);
        routing.leave(left).await?;
        if routes.is_empty() {
            continue;
        }
        let names = crm.names.of(&job.tenant, change).await;
        for route in routes {
            routing.take(portal, change, &names, route).await?;
        }
        routing.expect_recording(change)?;
    }
    Ok(routing.has_deliveries)
}

/// What changes are caused by.
#[derive(Debug, Clone, Copy)]
pub struct CardCause<'a> {
    /// What distinguishes them from other changes of the same record.
    pub identity: &'a str,
    /// The earliest moment at which they can have happened, if that is known.
    pub at: Option<Timestamp>,
}

struct Routing<'a> {
    crm: &'a Crm,
    job: &'a ReceivedJob<Hint>,
    router: &'a Router,
    cause: CardCause<'a>,
    /// The last restore of what we know.
    restored: Option<RestoreMark>,
    decision: &'a mut Decision,
    has_deliveries: bool,
    /// The digests that this decision queues.
    errands_set: Vec<(String, Timestamp)>,
}

/// A delivery that one of the destinations of a route gets.
struct Made<'a> {
    route: &'a Route,
    id: DeliveryId,
    body: SlackDelivery,
    /// The earliest moment at which its change can have happened.
    caused_at: Option<Timestamp>,
    is_ambiguous: bool,
}

impl Routing<'_> {
    async fn leave(&mut self, left: Vec<Left>) -> Result<(), Failure> {
        for one in left {
            if one.failed {
                self.crm.backend.metrics.count("conditions_failed", "route");
                let counts = SweepCounts { conditions_failed: 1, ..SweepCounts::default() };
                self.crm.sweeps.count(&self.job.tenant, self.crm.backend.clock.now(), counts).await?;
            }
            self.decision.line.left.push(format!("route {:?}: {}", one.route, one.reason));
        }
        Ok(())
    }

    async fn take(&mut self, portal: &Portal, change: &Change, names: &Names, route: &Route) -> Result<(), Failure> {
        let language = route.language.unwrap_or(self.router.settings().language);
        let telling = CardContext { change, names, domain: &portal.domain, language };
        let (taken, left) = self.router.destinations(route, &telling);
        self.leave(left).await?;
        self.recipients_are_known(&taken, names)?;
        let now = self.crm.backend.clock.now();
        for destination in &taken.destinations {
            let made = self.make(change, &taken, &telling, destination);
            let quiet = self.router.quiet_until(route, now);
            let wait = match quiet {
                Some(until) => Some((format!("quiet#{}", destination.key()), until)),
                None => self.burst_until(route, destination, now).await?,
            };
            match wait {
                Some((held_under, until)) => {
                    self.hold(made, &telling, &taken, &held_under, until, quiet.is_some()).await?;
                }
                None => self.queue(made)?,
            }
        }
        Ok(())
    }

    /// A person is found in Slack by their e-mail. Where the portal could not be asked for it, the event is decided later:
    /// nobody may miss a card because the portal was down for a moment.
    fn recipients_are_known(&self, taken: &Taken<'_>, names: &Names) -> Result<(), Failure> {
        if self.router.settings().people.not_by_email {
            return Ok(());
        }
        let recipients = taken.destinations.iter().filter_map(|destination| match destination {
            CardDestination::Person(person) if person.slack.is_none() => Some(Nameable::User(person.user)),
            _ => None,
        });
        if names.missing(&recipients.collect()).is_empty() {
            return Ok(());
        }
        Err(Failure::transient("Bitrix24: the people who get its cards could not be read"))
    }

    fn make<'b>(
        &self,
        change: &Change,
        taken: &Taken<'b>,
        telling: &CardContext<'_>,
        destination: &CardDestination,
    ) -> Made<'b> {
        let (tenant, name) = (self.job.tenant.as_str(), change.kind.name());
        let route = taken.route;
        let (identity, caused_at) = self.cause_of(change);
        let is_ambiguous = caused_at.is_some() && self.is_ambiguous(change);
        let about = change.about.to_string();
        let id = DeliveryId::of(&[tenant, &about, &identity, &name, &route.name, &destination.key()]);
        let body = SlackDelivery {
            delivery: id.to_string(),
            route: route.name.clone(),
            destination: destination.clone(),
            record: change.about.clone(),
            change: name,
            message: blocks::message(&taken.card(telling)),
            fallback: route.fallback.as_deref().map(|channel| self.router.settings().channel(channel).to_owned()),
            thread: route.thread,
            line: Some(taken.line(telling).to_mrkdwn()),
        };
        Made { route, id, body, caused_at, is_ambiguous }
    }

    /// What distinguishes a change, and when it can have happened at the earliest, if it may have been reported before a
    /// restore. A comment has an identity of its own, whatever else of its task changed with it.
    fn cause_of(&self, change: &Change) -> (String, Option<Timestamp>) {
        let comment = self.job.body.identity().filter(|_| change.kind.verb() == Verb::Commented);
        let (identity, at) = match comment {
            Some(comment) => (comment, self.job.body.sent_at()),
            None => (self.cause.identity.to_owned(), self.cause.at),
        };
        (identity, at.filter(|at| self.may_be_reported(change, *at)))
    }

    /// Whether a change that can be as old as `at` may have been reported before a restore. Once the sweep has gone
    /// through everything, what changed since then is new.
    fn may_be_reported(&self, change: &Change, at: Timestamp) -> bool {
        let Some(mark) = self.restored.filter(|mark| mark.is_doubtful(at)) else { return false };
        let last = change.state.changed_at().unwrap_or(mark.restored_at);
        let is_swept = self.crm.backend.clock.now() >= later(mark.restored_at, SWEPT_AFTER);
        !is_swept || last < mark.restored_at + MAX_PROVIDER_SKEW
    }

    /// Whether the revision that distinguishes a change may have been another one before a restore. A record that did not
    /// change since then had the same; what happens once has no revision.
    fn is_ambiguous(&self, change: &Change) -> bool {
        let happens_once = matches!(change.kind.verb(), Verb::Created | Verb::Deleted | Verb::Commented);
        let is_distinct = happens_once || change.record().is_none();
        let Some(mark) = self.restored.filter(|_| !is_distinct) else { return false };
        !change.state.changed_at().is_some_and(|at| mark.was_acted_on(at))
    }

    /// Sends a card now.
    fn queue(&mut self, made: Made<'_>) -> Result<(), Failure> {
        self.has_deliveries = true;
        let line = self.line(&made, DeliveryStatus::Queued);
        Ok(self.decision.deliver(line, &SlackJob::Card(Box::new(made.body)))?)
    }

    /// Keeps a card's line for a digest, and makes sure that the digest is queued.
    async fn hold(
        &mut self,
        made: Made<'_>,
        telling: &CardContext<'_>,
        taken: &Taken<'_>,
        held_under: &str,
        until: Timestamp,
        quiet: bool,
    ) -> Result<(), Failure> {
        let tenant = &self.job.tenant;
        let waiting = DigestWindow { tenant, place: held_under, until };
        let line = taken.line(telling).to_mrkdwn().as_str().to_owned();
        let hold = DigestItem { trace: self.job.trace, delivery: made.id.clone(), line, taken: false };
        self.has_deliveries = true;
        self.decision.writes.push(waiting.hold(&hold)?);
        let status = DeliveryStatus::Held { until };
        self.decision.writes.push(delivery_write(tenant, self.line(&made, status), WriteCondition::Always)?);
        let set = (held_under.to_owned(), until);
        if self.errands_set.contains(&set) || waiting.has_errand(self.crm.backend.store.as_ref()).await? {
            return Ok(());
        }
        self.decision.writes.push(waiting.set_errand()?);
        let language = taken.language;
        let errand = FollowUp::Digest {
            place: held_under.to_owned(),
            until: until.as_second(),
            quiet,
            language,
            sample: Box::new(SlackDelivery { thread: settings::schema::Thread::None, line: None, ..made.body }),
        };
        self.errands_set.push(set);
        self.errand(errand)
    }

    fn errand(&mut self, errand: FollowUp) -> Result<(), Failure> {
        // It is an event of its own, with a trace of its own.
        let trace = TraceId::new(self.crm.backend.clock.now());
        self.decision.outbox.push(message(&self.job.tenant, trace, &Hint::errand(errand))?);
        Ok(())
    }

    /// Until when a card waits because there are many; `None` if it may go.
    async fn burst_until(
        &self,
        route: &Route,
        destination: &CardDestination,
        now: Timestamp,
    ) -> Result<Option<(String, Timestamp)>, Failure> {
        let Some(bursts) = self.router.settings().group_bursts.filter(|_| !route.at_once) else { return Ok(None) };
        let held_under = format!("burst#{}#{}", route.name, destination.key());
        let every = Duration::from_secs(u64::from(bursts.seconds)) / bursts.more_than;
        let rate = Rate { every, burst: bursts.more_than };
        let account = RateBucket::new(format!("{}#{held_under}", self.job.tenant), rate).for_a_person();
        let limiter = Limiter::new(self.crm.backend.store.clone(), self.crm.backend.clock.clone());
        match limiter.reserve(&account, Duration::ZERO).await? {
            Reservation::Granted(_) => Ok(None),
            Reservation::Wait { .. } => {
                let seconds = i64::from(bursts.seconds);
                let next = (now.as_second() / seconds + 1) * seconds;
                let until = Timestamp::from_second(next).unwrap_or(now);
                Ok(Some((held_under, until)))
            }
        }
    }

    /// A recording appears some seconds after its call: it is looked for if the call had a card and a route wants the
    /// recording.
    fn expect_recording(&mut self, change: &Change) -> Result<(), Failure> {
        let is_call = change.kind.noun() == Noun::Call && change.kind != ChangeKind::CallRecorded;
        let wanted = is_call && self.has_deliveries && has_route_for(self.router.settings(), &ChangeKind::CallRecorded);
        match change.state.as_call().and_then(|call| call.call_id.clone()).filter(|_| wanted) {
            Some(call_id) => self.errand(FollowUp::Recording { call_id }),
            None => Ok(()),
        }
    }

    fn line(&self, made: &Made<'_>, status: DeliveryStatus) -> DeliveryLine {
        DeliveryLine {
            record: made.body.record.to_string(),
            change: made.body.change.clone(),
            route: made.route.name.clone(),
            destination: made.body.destination.name(),
            caused_at: made.caused_at,
            is_ambiguous: made.is_ambiguous,
            ..DeliveryLine::new(made.id.clone(), self.job.trace, self.crm.backend.clock.now(), status)
        }
    }
}
