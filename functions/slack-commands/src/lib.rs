//! Acts on what people asked for in Slack: commands, buttons, menus, forms, entries in a message's menu.
//!
//! Each request is acted on once: it is claimed by what was typed or pressed and when. What a command does, and what it
//! answers: the crate `commands`.

use std::sync::Arc;

use commands::dispatch;
use commands::request::{CommandAnswer, CommandRequest, RequestTry};
use connect::{Connections, Failure};
use platform::claims::{self, Claim};
use platform::clock::Clock;
use platform::job::{Job, Outcome};
use platform::ledger::{EventLine, EventStatus, Ledger, event_write};
use platform::store::{Store, StoreError};
use platform::{Jobs, Outcomes, Ports};
use rules::asked::SlackRequest;

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    commands: commands::request::Deps,
    store: Arc<dyn Store>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
}

impl Deps {
    /// The function on `ports`, with connections to providers, which reach us at `public_url`.
    pub fn new(ports: &Ports, connections: Connections, public_url: Option<String>) -> Self {
        Self {
            commands: commands::request::Deps::new(ports, connections, public_url),
            store: ports.store.clone(),
            ledger: Ledger::new(ports.store.clone()),
            clock: ports.clock.clone(),
        }
    }
}

/// Works the requests received together: people side by side, what one person asks in order.
pub async fn handle(deps: &Deps, jobs: Jobs<SlackRequest>) -> Outcomes {
    jobs.each(|job| work(deps, job)).await
}

async fn work(deps: &Deps, job: Job<SlackRequest>) -> Outcome {
    match claim(deps, &job).await {
        Ok(true) => {}
        Ok(false) => return Outcome::Skip("this request was already answered".into()),
        Err(failure) => return failure.outcome(deps.clock.now(), job.attempt),
    }
    let this_try = RequestTry { trace: job.trace, arrived_at: job.arrived_at(), is_retry: job.attempt > 1 };
    let request = match CommandRequest::new(&deps.commands, &job.tenant, &job.body, this_try).await {
        Ok(request) => request,
        Err(failure) => return undecided(deps, &job, None, &failure).await,
    };
    match answer(deps, &job, &request).await {
        Ok(()) => Outcome::Done,
        Err(failure) => undecided(deps, &job, Some(&request), &failure).await,
    }
}

/// Whether this is the request's own job: the first that claims it, in whichever try.
async fn claim(deps: &Deps, job: &Job<SlackRequest>) -> Result<bool, Failure> {
    let identity = format!("asked#{}", job.body.identity());
    if let Some(claim) = claims::find(deps.store.as_ref(), &job.tenant, &identity).await? {
        return Ok(claim.trace == job.trace);
    }
    let claim = Claim { trace: job.trace, swept: false };
    match deps.store.put(claims::write(&job.tenant, &identity, &claim, deps.clock.now())?).await {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn answer(deps: &Deps, job: &Job<SlackRequest>, request: &CommandRequest<'_>) -> Result<(), Failure> {
    let answer = dispatch::answer(request, &job.body).await?;
    dispatch::send(request, &answer).await?;
    deps.store.put(event_write(&job.tenant, line_of(deps, job, answer))?).await?;
    tracing::info!(trace = %job.trace, tenant = %job.tenant, asked = job.body.name(), "answered");
    Ok(())
}

fn line_of(deps: &Deps, job: &Job<SlackRequest>, answer: CommandAnswer) -> EventLine {
    let mut line = line(deps, job, EventStatus::Routed);
    line.record = answer.record;
    match answer.did {
        Some(did) if did.starts_with("refused") => line.status = EventStatus::Skipped { reason: did },
        Some(did) => line.changes = vec![did],
        None => line.status = EventStatus::Skipped { reason: "answered; nothing was changed".into() },
    }
    line
}

async fn undecided(
    deps: &Deps,
    job: &Job<SlackRequest>,
    request: Option<&CommandRequest<'_>>,
    failure: &Failure,
) -> Outcome {
    let line = line(deps, job, EventStatus::Waiting { cause: failure.text.clone() });
    let outcome = connect::undecided(&deps.ledger, &job.tenant, line, deps.clock.now(), failure).await;
    // The person who waits is told once that it takes longer.
    if let (Outcome::Retry { .. }, Some(request), 1) = (&outcome, request, job.attempt)
        && let Err(error) = dispatch::send(request, &dispatch::it_takes_longer(request)).await
    {
        tracing::warn!(trace = %job.trace, tenant = %job.tenant, %error, "the person could not be notified of the delay");
    }
    outcome
}

fn line(deps: &Deps, job: &Job<SlackRequest>, status: EventStatus) -> EventLine {
    EventLine::new(job, format!("slack {}", job.body.name()), None, deps.clock.now(), status)
}
