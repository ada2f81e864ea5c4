//! One hint, from its queue to its line in the ledger: `crm` finds what changed, `notifications` makes the deliveries of
//! it, `notion_sync` its syncs; what happens in a chat is for `chat_bridge`. All is written in one transaction.

use std::sync::Arc;

use bitrix24::Subject;
use chat_bridge::{bot_answers, from_bitrix24};
use clients::Failure;
use crm::hints::{FoundChanges, Judged};
use crm::reading::Readings;
use crm::sweeps::SweepCounts;
use crm::{Crm, calls, hints};
use jobs::hint::FollowUp;
use jobs::{Hint, HintOrigin, queues};
use notifications::digest::Digest;
use notifications::routing::CardCause;
use notifications::{Router, digest, routing};
use notion_sync::notion_jobs;
use records::{Change, ChangeKind, RecordRef, RecordState};
use runtime::decision::{self, EarlierTry};
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::ledger::EarlierOutbox;
use runtime::queue::{QueueMessage, QueuedMessage};
use runtime::reasons;
use runtime::{Decision, Verdict};
use tenants::portals::Portal;

use crate::{Deps, pages};

pub(crate) async fn dispatch(deps: &Deps, readings: &Readings, job: ReceivedJob<Hint>) -> JobOutcome {
    match run(deps, readings, &job).await {
        Ok(outcome) => outcome,
        Err(failure) => {
            let line = empty_decision(deps, &job).line;
            clients::undecided(&deps.ledger, &job.tenant, line, deps.crm.backend.clock.now(), &failure).await
        }
    }
}

/// An empty decision on the event of a job.
fn empty_decision(deps: &Deps, job: &ReceivedJob<Hint>) -> Decision {
    let mut decision = Decision::on(job, job.body.event.as_str(), job.body.about(), deps.crm.backend.clock.now());
    decision.line.remark = job.body.remark();
    decision
}

/// The queues for a stored line that does not name them.
fn queues_of(earlier: EarlierOutbox) -> Vec<QueuedMessage> {
    let of =
        |queue, messages: Vec<QueueMessage>| messages.into_iter().map(move |message| QueuedMessage { queue, message });
    of(queues::SLACK_DELIVERY, earlier.outbox)
        .chain(of(queues::BITRIX24_EVENTS, earlier.errands))
        .chain(of(queues::BITRIX24_DELIVERY, earlier.said))
        .chain(of(queues::RECORD_SYNC, earlier.syncs))
        .collect()
}

async fn run(deps: &Deps, readings: &Readings, job: &ReceivedJob<Hint>) -> Result<JobOutcome, Failure> {
    match decision::earlier_try(&deps.crm.backend, job, queues_of).await? {
        EarlierTry::Finished(outcome) => return Ok(outcome),
        EarlierTry::Undecided => {}
        EarlierTry::None => hints::note(&deps.crm, job).await?,
    }
    let mut decision = empty_decision(deps, job);
    if let Subject::Uninstalled { clean } = job.body.subject {
        return uninstalled(deps, job, decision, clean).await;
    }
    let verdict = decide(deps, readings, job, &mut decision).await?;
    Ok(decision.settle(&deps.crm.backend, verdict).await?)
}

async fn decide(
    deps: &Deps,
    readings: &Readings,
    job: &ReceivedJob<Hint>,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    if job.body.errand.is_none()
        && let Some(reason) = hints::nothing_to_do(&deps.crm, job).await?
    {
        return Ok(Verdict::Skip(reason));
    }
    match (&job.body.errand, &job.body.subject) {
        (Some(FollowUp::Digest { place, until, quiet, language, sample }), _) => {
            let digest = Digest { place, until: *until, quiet: *quiet, language: *language, sample };
            digest::send(&deps.crm.backend, job, decision, &digest).await
        }
        (None, Subject::Chat(event)) => {
            let tenant = deps.context.tenant(&job.tenant).await?;
            match bot_answers::searched_page(event) {
                Some(words) => {
                    let text = pages::answer(deps, &tenant, event, words).await?;
                    bot_answers::say_to(job, event, text, decision)
                }
                None => {
                    let verdict = from_bitrix24::decide(&deps.context, job, &tenant, event, decision).await?;
                    count_found(deps, job, decision, &verdict).await?;
                    Ok(verdict)
                }
            }
        }
        (errand, subject) => {
            let portal = deps.crm.connections.portal(&job.tenant).await?;
            let router = deps.routers.of(&portal)?;
            let judged = match errand {
                Some(FollowUp::Recording { call_id }) => {
                    calls::judge_recording(&deps.crm, &portal, job, call_id).await?
                }
                _ => judge(deps, &portal, &router, readings, job, subject).await?,
            };
            match judged {
                Judged::Changes(found) => route(deps, &portal, &router, job, found, decision).await,
                Judged::Settled(verdict) => Ok(verdict),
            }
        }
    }
}

/// Counts what the sweep found in a chat, and lets its claim say so.
async fn count_found(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    decision: &mut Decision,
    verdict: &Verdict,
) -> Result<(), Failure> {
    if job.body.origin == HintOrigin::Sweep && *verdict == Verdict::Commit {
        decision.swept = true;
        let counts = SweepCounts { lost: 1, ..SweepCounts::default() };
        deps.crm.sweeps.count(&job.tenant, deps.crm.backend.clock.now(), counts).await?;
    }
    Ok(())
}

/// Finds what changed on the portal.
async fn judge(
    deps: &Deps,
    portal: &Arc<Portal>,
    router: &Router,
    readings: &Readings,
    job: &ReceivedJob<Hint>,
    subject: &Subject,
) -> Result<Judged, Failure> {
    let settings = router.settings();
    match (subject, job.body.record()) {
        (Subject::Call { call_id, told, .. }, _) => {
            calls::judge(&deps.crm, portal, settings, job, call_id, told.as_deref()).await
        }
        (Subject::Custom { name, id, fields }, _) => {
            let about = RecordRef::custom(name, id.as_deref());
            let state = RecordState::Custom { custom: fields.clone() };
            let change = Change::new(ChangeKind::Custom(name.clone()), about, state);
            let identity = id.clone().unwrap_or_else(|| job.trace.to_string());
            hints::without_snapshot(&deps.crm, job, vec![change], &identity).await
        }
        (_, Some(record)) => hints::judge(&deps.crm, portal, settings, readings, job, record).await,
        (_, None) => Ok(Judged::Settled(Verdict::skip(reasons::NOT_USED))),
    }
}

/// Adds what follows from the changes: deliveries, syncs, the record's next snapshot.
async fn route(
    deps: &Deps,
    portal: &Portal,
    router: &Router,
    job: &ReceivedJob<Hint>,
    found: FoundChanges,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    let FoundChanges { changes, identity, caused_at, found_by_sweep, update } = found;
    if let Some(update) = update {
        if update.is_news {
            let (record, now) = (update.record, deps.crm.backend.clock.now());
            notion_jobs::add(portal, router.settings(), job, decision, record, update.revision, now)?;
        }
        decision.writes.push(update.write);
    }
    let has_syncs = !decision.outbox.is_empty();
    let cause = CardCause { identity: &identity, at: caused_at };
    let has_deliveries = routing::route(&deps.crm, job, decision, portal, router, &changes, cause).await?;
    decision.claims.extend(job.body.identity());
    decision.swept = found_by_sweep;
    let line = &mut decision.line;
    line.changes = changes.iter().map(|change| change.kind.name()).collect();
    line.found = changes.iter().filter_map(|change| serde_json::to_value(change).ok()).collect();
    if has_syncs || has_deliveries {
        return Ok(Verdict::Commit);
    }
    Ok(Verdict::Skip(match line.left.as_slice() {
        _ if changes.is_empty() => "no watched field changed".to_owned(),
        [] => "no route accepts this change".to_owned(),
        left => left.join("; "),
    }))
}

/// The application was removed from the portal: its tokens no longer work, and its data is deleted if the person wants
/// that.
async fn uninstalled(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    decision: Decision,
    clean: bool,
) -> Result<JobOutcome, Failure> {
    let Crm { backend, connections, .. } = &deps.crm;
    if connections.try_again(&job.tenant, clients::ConnectionSide::Bitrix24).await? {
        return Ok(decision.skip(backend, "the application has been installed again").await?);
    }
    if clean {
        tenants::departure::begin(backend, &job.tenant, None).await?;
        return Ok(JobOutcome::Skip("the portal was disconnected; its data is being deleted".into()));
    }
    connections.portal_left(&job.tenant).await?;
    let reason = "the application was removed in Bitrix24; the data is kept until someone reconnects it";
    Ok(decision.skip(backend, reason).await?)
}
