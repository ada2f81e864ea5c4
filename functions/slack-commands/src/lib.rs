//! Answers what people asked for in Slack: commands, buttons, menus, forms, shortcuts of a message.
//!
//! Each request is answered once: it is claimed by what was typed or pressed and when. What a command does and answers
//! is in the crate `commands`.

use std::sync::Arc;
use std::time::Duration;

use clients::{Connections, Failure};
use commands::dispatch;
use commands::request::{CommandRequest, RequestTry};
use commands::waiting::{self, NextTry, WaitEnd};
use jiff::Timestamp;
use jobs::slack_request::SlackRequest;
use runtime::claims;
use runtime::claims::Claim;
use runtime::clock::Clock;
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::ledger::{EventStatus, Ledger};
use runtime::store::StoreError;
use runtime::{Backend, Decision, Generation, Jobs, Outcomes};

/// How soon it is looked again whether a try of another worker has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    commands: commands::request::Deps,
    backend: Backend,
    ledger: Ledger,
    generation: Generation,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `backend`, with connections to providers, which reach us at `public_url`.
    pub fn new(backend: &Backend, connections: Connections, public_url: Option<String>) -> Self {
        let generation = connections.generation().clone();
        Self {
            generation,
            commands: commands::request::Deps::new(backend, connections, public_url),
            backend: backend.clone(),
            ledger: Ledger::new(backend.store.clone()),
            clock: backend.clock.clone(),
        }
    }
}

/// Works the requests received together: people in parallel, one person's requests in order.
pub async fn handle(deps: &Deps, jobs: Jobs<SlackRequest>) -> Outcomes {
    jobs.each(|job| work(deps, job)).await
}

async fn work(deps: &Deps, job: ReceivedJob<SlackRequest>) -> JobOutcome {
    let claim = match claim(deps, &job).await {
        Ok(RequestClaim::OfAnother) => return JobOutcome::Skip("this request was already answered".into()),
        Ok(claim) => claim,
        Err(failure) => return failure.outcome(deps.clock.now(), job.attempt),
    };
    let late_until = match next_try(deps, &job, claim).await {
        Ok(Ok(late_until)) => late_until,
        Ok(Err(outcome)) => return outcome,
        Err(failure) => return failure.outcome(deps.clock.now(), job.attempt),
    };
    let is_retry = match was_tried(deps, &job, claim).await {
        Ok(was_tried) => was_tried,
        Err(failure) => return failure.outcome(deps.clock.now(), job.attempt),
    };
    let this_try = RequestTry { trace: job.trace, arrived_at: job.arrived_at(), is_retry, late_until };
    let request = match CommandRequest::new(&deps.commands, &job.tenant, &job.body, this_try).await {
        Ok(request) => request,
        Err(failure) => return undecided(deps, &job, None, &failure).await,
    };
    match answer(deps, &job, &request).await {
        Ok(outcome) => {
            ended(&job, claim, &request, WaitEnd::Done).await;
            outcome
        }
        Err(failure) => undecided(deps, &job, Some((&request, claim)), &failure).await,
    }
}

/// Until when what an earlier try asked for may still come; or what becomes of a request that is not tried now.
async fn next_try(
    deps: &Deps,
    job: &ReceivedJob<SlackRequest>,
    claim: RequestClaim,
) -> Result<Result<Option<Timestamp>, JobOutcome>, Failure> {
    let RequestClaim::Again { claimed_at } = claim else { return Ok(Ok(None)) };
    // An earlier try, whose answer to the queue was lost, has done everything.
    if let Some(outcome) = runtime::decision::finished(&deps.backend, job, |_| Vec::new()).await? {
        return Ok(Err(outcome));
    }
    let (store, now) = (deps.backend.store.as_ref(), deps.clock.now());
    Ok(match waiting::try_again(store, &job.tenant, job.trace, claimed_at, now).await? {
        NextTry::Go { late_until } => Ok(late_until),
        NextTry::Cancelled => Err(cancelled(deps, job).await),
        NextTry::InHand(wait) => {
            Err(JobOutcome::Retry { after: wait.min(LOOK_AGAIN), cause: "an earlier try may be under way".into() })
        }
    })
}

/// The person who gave the command has cancelled it.
async fn cancelled(deps: &Deps, job: &ReceivedJob<SlackRequest>) -> JobOutcome {
    let skipped = decision(deps, job).skip(&deps.backend, "cancelled by the person who asked").await;
    skipped.unwrap_or_else(|error| Failure::from(error).outcome(deps.clock.now(), job.attempt))
}

/// Says how a wait ended, if there was one.
async fn ended(job: &ReceivedJob<SlackRequest>, claim: RequestClaim, request: &CommandRequest<'_>, end: WaitEnd<'_>) {
    if matches!(claim, RequestClaim::Again { .. })
        && let Err(error) = waiting::end(request, job.trace, end).await
    {
        tracing::warn!(trace = %job.trace, tenant = %job.tenant, %error, "the end of a wait could not be noted");
    }
}

/// Whose a request is. The first job that claims it owns it, in any try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestClaim {
    /// This job's, which has just claimed it: nothing was done before, however often its message was received.
    First,
    /// This job's, by an earlier try, which began then.
    Again { claimed_at: Option<Timestamp> },
    /// Another job's.
    OfAnother,
}

async fn claim(deps: &Deps, job: &ReceivedJob<SlackRequest>) -> Result<RequestClaim, Failure> {
    let (store, identity) = (deps.backend.store.as_ref(), format!("asked#{}", job.body.identity()));
    let owner = async || {
        let found = claims::find(store, &job.tenant, &identity).await?;
        let ours = |claim: Claim| {
            if claim.trace == job.trace {
                RequestClaim::Again { claimed_at: claim.at }
            } else {
                RequestClaim::OfAnother
            }
        };
        Ok::<_, Failure>(found.map(ours))
    };
    if let Some(owner) = owner().await? {
        return Ok(owner);
    }
    let now = deps.clock.now();
    let claim = Claim { trace: job.trace, swept: false, at: Some(now) };
    match store.put(claims::write(&job.tenant, &identity, &claim, now)?).await {
        Ok(_) => Ok(RequestClaim::First),
        // It may be ours, of a write whose answer was lost.
        Err(StoreError::Conflict(_)) => Ok(owner().await?.unwrap_or(RequestClaim::OfAnother)),
        Err(error) => Err(error.into()),
    }
}

/// Whether an earlier try may have made something: one that claimed the request, or one that a restore from a backup made
/// us forget.
async fn was_tried(deps: &Deps, job: &ReceivedJob<SlackRequest>, claim: RequestClaim) -> Result<bool, Failure> {
    Ok(matches!(claim, RequestClaim::Again { .. }) || deps.generation.is_doubtful(job.trace.arrived_at()).await?)
}

async fn answer(
    deps: &Deps,
    job: &ReceivedJob<SlackRequest>,
    request: &CommandRequest<'_>,
) -> Result<JobOutcome, Failure> {
    let answer = dispatch::answer(request, &job.body).await?;
    dispatch::send(request, &answer).await?;
    let mut decision = decision(deps, job);
    decision.line.record = answer.record.map(|record| record.to_string());
    match answer.did {
        Some(did) if did.starts_with("refused") => decision.line.status = EventStatus::Skipped { reason: did },
        Some(did) => decision.line.changes = vec![did],
        None => {
            decision.line.status = EventStatus::Skipped { reason: "answered; nothing was changed".into() };
        }
    }
    Ok(decision.commit(&deps.backend).await?)
}

/// An empty decision on the request of a job.
fn decision(deps: &Deps, job: &ReceivedJob<SlackRequest>) -> Decision {
    Decision::on(job, format!("slack {}", job.body.name()), None, deps.clock.now())
}

async fn undecided(
    deps: &Deps,
    job: &ReceivedJob<SlackRequest>,
    request: Option<(&CommandRequest<'_>, RequestClaim)>,
    failure: &Failure,
) -> JobOutcome {
    let (line, now) = (decision(deps, job).line, deps.clock.now());
    let longest = waiting::max_wait(job.arrived_at(), now);
    let outcome = clients::undecided_within(&deps.ledger, &job.tenant, line, now, failure, longest).await;
    match (&outcome, request) {
        (JobOutcome::Retry { .. }, Some((request, _))) => {
            match waiting::wait(request, job.trace, &job.body, failure).await {
                Ok(NextTry::Go { .. } | NextTry::InHand(_)) => outcome,
                Ok(NextTry::Cancelled) => cancelled(deps, job).await,
                Err(error) => {
                    tracing::warn!(trace = %job.trace, tenant = %job.tenant, %error, "the person could not be notified of the wait");
                    outcome
                }
            }
        }
        (JobOutcome::Dead { reason, .. }, Some((request, claim))) => {
            ended(job, claim, request, WaitEnd::Failed(reason)).await;
            outcome
        }
        _ => outcome,
    }
}
