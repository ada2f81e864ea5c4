//! A provider account as one client calls it: each call waits for its place, and its end says how the account is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::{earlier, later};
use runtime::limiter::{Gate, RateBucket};
use runtime::outage::{Admission, Outage};
use runtime::seal::Sealed;
use tenants::portals::Portal;
use tenants::sweep_requests::SweepRequests;
use wire::{CallLimit, ErrorClass, TimeBox};

use crate::failure::UNTIL_REAUTHORISED;
use crate::limits::PATIENCE;
use crate::{ConnectionSide, Connections, Failure, TokenSlot};

/// A call that had no answer for this long when the account answers again gets none any more.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(10);
/// After a longer outage of a portal, its sweep is asked for: events may have been lost meanwhile.
const MIN_TO_SWEEP: Duration = Duration::from_secs(60);
/// More accounts than this are not remembered without a client.
const MAX_IDLE: usize = 1_000;

/// The calls of one client.
#[derive(Debug, Default)]
struct ClientCalls {
    limit: CallLimit,
    /// The last one that was admitted.
    last: Mutex<Option<Admission>>,
    /// Whether that had less time than calls usually have, because somebody waits for the work that it is a part of.
    is_cut: AtomicBool,
}

impl ClientCalls {
    fn begin(&self, call: Admission) {
        self.limit.set(call.limit);
        self.is_cut.store(TimeBox::is_cutting(), Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(call);
    }

    fn last(&self) -> Option<Admission> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clients of this process, by their account.
#[derive(Clone, Default)]
pub(crate) struct LiveClients(Arc<Mutex<HashMap<String, Vec<Weak<ClientCalls>>>>>);

impl LiveClients {
    fn add(&self, account: &str, client: &Arc<ClientCalls>) {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() > MAX_IDLE {
            accounts.retain(|_, clients| clients.iter().any(|client| client.strong_count() > 0));
        }
        let clients = accounts.entry(account.to_owned()).or_default();
        clients.retain(|client| client.strong_count() > 0);
        clients.push(Arc::downgrade(client));
    }

    /// Gives up what an account's clients have waited for since before `moment`.
    fn give_up_before(&self, account: &str, moment: Timestamp) {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = accounts.get(account).into_iter().flatten().filter_map(Weak::upgrade);
        for client in clients.filter(|client| client.last().is_some_and(|call| call.began < moment)) {
            client.limit.give_up();
        }
    }
}

/// An account, for one client. Clones are the same client.
#[derive(Clone)]
pub(crate) struct ProviderAccount {
    tenant: TenantId,
    side: ConnectionSide,
    /// Its key in the limiter.
    name: String,
    /// What it was connected with when the client was made.
    credentials: Option<Sealed>,
    calls: Arc<ClientCalls>,
}

impl ProviderAccount {
    pub(crate) fn new(connections: &Connections, portal: &Portal, side: ConnectionSide, name: String) -> Self {
        let calls = Arc::new(ClientCalls::default());
        connections.live.add(&name, &calls);
        Self { tenant: portal.tenant.clone(), side, name, credentials: side.credentials(portal).cloned(), calls }
    }

    /// The limit that the client's calls keep to.
    pub(crate) fn limit(&self) -> CallLimit {
        self.calls.limit.clone()
    }

    /// Waits for the place of a call. If that takes too long, the failure says until when, and why: the account is down, a
    /// bucket is `paused`, or its rate is `used_up`.
    pub(crate) async fn admit(
        &self,
        connections: &Connections,
        buckets: &[&RateBucket],
        paused: &str,
        used_up: &str,
    ) -> Result<(), Failure> {
        if TimeBox::is_over() {
            return Err(Failure::transient(format!("no time is left to ask {}", self.side.name())));
        }
        let limiter = &connections.limiter;
        let gate = if connections.counts {
            limiter.admit(&self.name, buckets, PATIENCE).await?
        } else {
            limiter.admit_uncounted(buckets, PATIENCE).await?
        };
        let now = connections.clock.now();
        match gate {
            Gate::Open(call) => {
                self.calls.begin(call);
                Ok(())
            }
            Gate::Shut { wait, parked } => Err(Failure::wait(later(now, wait), if parked { paused } else { used_up })),
            Gate::Down(outage) => {
                let wait = outage.held_back_for(now, connections.queue.can_wake());
                Err(Failure::wait(later(now, wait), self.held_back(&outage)))
            }
        }
    }

    fn held_back(&self, outage: &Outage) -> String {
        let (name, since) = (self.side.name(), outage.since);
        if outage.is_rejected {
            return format!("{name} has rejected our token since {since}; this goes on when it is connected again");
        }
        format!(
            "{name} has not answered since {since}; one call at a time tries again, and this goes on when it is answered"
        )
    }

    fn last_call(&self, connections: &Connections) -> Admission {
        self.calls.last().unwrap_or_else(|| Admission::unasked(connections.clock.now()))
    }

    /// Notes that a call was answered. If that fails, the provider has done its work all the same.
    pub(crate) async fn answered(&self, connections: &Connections) {
        if let Err(error) = self.note_answer(connections).await {
            tracing::warn!(%error, "an answer could not be recorded in the limiter");
        }
    }

    async fn note_answer(&self, connections: &Connections) -> Result<(), Failure> {
        if !connections.counts {
            return Ok(());
        }
        let call = self.last_call(connections);
        if let Some(outage) = connections.limiter.provider_answered(&self.name, &call).await? {
            self.is_back(connections, &call, &outage).await;
        }
        Ok(())
    }

    /// The account answers again: what waits for it goes on.
    async fn is_back(&self, connections: &Connections, call: &Admission, outage: &Outage) {
        let now = connections.clock.now();
        connections.live.give_up_before(&self.name, earlier(call.began, GIVEN_UP_AFTER));
        if !outage.keeps_waiting(now) {
            return;
        }
        let (side, seconds) = (self.side.name(), outage.age(now).as_secs());
        tracing::info!(tenant = %self.tenant, side, seconds, failures = outage.failures, "answers again");
        connections.wake(&self.tenant).await;
        if self.side == ConnectionSide::Bitrix24 && outage.age(now) >= MIN_TO_SWEEP {
            connections.ask_for_sweep(&self.tenant).await;
        }
    }

    /// Notes that a call failed, and reports credentials that no longer work. The returned failure says whether the whole
    /// account is down.
    pub(crate) async fn failed(&self, connections: &Connections, bucket: &RateBucket, mut failure: Failure) -> Failure {
        if !connections.counts {
            return failure;
        }
        let call = self.last_call(connections);
        let limiter = &connections.limiter;
        let noted = match &failure.class {
            ErrorClass::Throttled { until } => match limiter.park(bucket, *until).await {
                Ok(()) => self.note_answer(connections).await,
                Err(error) => Err(error.into()),
            },
            ErrorClass::Reauthorise if self.was_replaced(connections).await => {
                let name = self.side.name();
                return Failure::transient(format!("{name} was connected again meanwhile; the call is made again"));
            }
            ErrorClass::Reauthorise => {
                failure = connections.in_trouble(&self.tenant, self.side, failure).await;
                limiter.provider_rejected(&self.name).await.map_err(Failure::from)
            }
            // A short time without an answer says nothing of the account.
            ErrorClass::Transient | ErrorClass::UnknownOutcome if self.calls.is_cut.load(Ordering::Relaxed) => Ok(()),
            ErrorClass::Transient | ErrorClass::UnknownOutcome => {
                match limiter.provider_failed(&self.name, &call).await {
                    Ok(outage) => {
                        failure = failure.in_outage(outage, connections.clock.now(), connections.queue.can_wake());
                        Ok(())
                    }
                    Err(error) => Err(error.into()),
                }
            }
            ErrorClass::Permanent { .. } => self.note_answer(connections).await,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "a failure could not be recorded in the limiter");
        }
        failure
    }

    /// Whether the client called with credentials that have been replaced since: what the provider says of them says
    /// nothing of the new ones.
    async fn was_replaced(&self, connections: &Connections) -> bool {
        let Ok(Some(portal)) = connections.portals.fresh(&self.tenant).await else { return false };
        if self.side.credentials(&portal) != self.credentials.as_ref() {
            return true;
        }
        connections.has_newer_token(&self.tenant, TokenSlot::of_side(self.side)).await.unwrap_or_default()
    }
}

impl ConnectionSide {
    /// What a portal's record has to call this side with.
    fn credentials(self, portal: &Portal) -> Option<&Sealed> {
        match self {
            Self::Bitrix24 => {
                let token = portal.application.as_ref().map(|application| &application.access_token);
                token.or(portal.webhook.as_ref())
            }
            Self::Slack => portal.slack.as_ref().map(|slack| &slack.bot_token),
            Self::Notion => portal.notion.as_ref().map(|notion| &notion.token),
        }
    }
}

impl Connections {
    /// The same connections, whose calls count for nobody: a failure pauses no account and is noted nowhere, and an account
    /// that is down is called all the same. They keep to the rates.
    #[must_use]
    pub fn uncounted(self) -> Self {
        Self { counts: false, ..self }
    }

    /// Hands out now what waits of a tenant's jobs.
    pub(crate) async fn wake(&self, tenant: &TenantId) {
        if let Err(error) = self.queue.wake(tenant).await {
            tracing::warn!(%tenant, %error, "what waits could not be woken; it comes by itself");
        }
    }

    async fn ask_for_sweep(&self, tenant: &TenantId) {
        if let Err(error) = SweepRequests::new(self.store.clone()).ask(tenant, self.clock.now()).await {
            tracing::warn!(%tenant, %error, "the sweep after an outage could not be asked for; it comes when it is due");
        }
    }
}

/// A job whose credentials are rejected looks as rarely for new ones as the account is asked.
const _: () = assert!(UNTIL_REAUTHORISED.as_secs() == runtime::limiter::MAX_PAUSE.as_secs());
