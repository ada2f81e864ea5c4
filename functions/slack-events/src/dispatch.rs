//! One event, from its queue to its line in the ledger.

use chat_bridge::from_slack;
use chat_bridge::from_slack::Reaction;
use clients::Failure;
use commands::shared_links;
use commands::shared_links::SharedLinks;
use crm::sweeps::{SweepCounts, Sweeps};
use jobs::queues;
use runtime::claims;
use runtime::decision::already_decided;
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::ledger::EarlierOutbox;
use runtime::queue::QueuedMessage;
use runtime::{Decision, Verdict};
use slack::event::{EventCallback, WorkspaceEvent};
use user_mapping::OpenTenant;

use crate::Deps;

pub(crate) async fn dispatch(deps: &Deps, job: ReceivedJob<EventCallback>) -> JobOutcome {
    match run(deps, &job).await {
        Ok(outcome) => outcome,
        Err(failure) => {
            let line = decision(deps, &job).line;
            clients::undecided(&deps.ledger, &job.tenant, line, deps.clock.now(), &failure).await
        }
    }
}

async fn run(deps: &Deps, job: &ReceivedJob<EventCallback>) -> Result<JobOutcome, Failure> {
    let backend = &deps.context.backend;
    if let Some(outcome) = runtime::decision::finished(backend, job, queues_of).await? {
        return Ok(outcome);
    }
    let event = format!("slack#{}", job.body.event_id);
    if let Some(claim) = claims::find(backend.store.as_ref(), &job.tenant, &event).await? {
        return Ok(decision(deps, job).skip(backend, already_decided(&claim)).await?);
    }
    let tenant = deps.context.tenant(&job.tenant).await?;
    let mut decision = decision(deps, job);
    decision.claims.push(event);
    let verdict = decide(deps, job, &tenant, &mut decision).await?;
    Ok(decision.settle(backend, verdict).await?)
}

/// An empty decision on the event of a job.
fn decision(deps: &Deps, job: &ReceivedJob<EventCallback>) -> Decision {
    Decision::on(job, format!("slack {}", job.body.kind), None, deps.clock.now())
}

/// The queues for a stored line that does not name them.
fn queues_of(earlier: EarlierOutbox) -> Vec<QueuedMessage> {
    let queue = queues::BITRIX24_DELIVERY;
    earlier.outbox.into_iter().map(|message| QueuedMessage { queue, message }).collect()
}

/// Counts what the sweep found in a channel, and lets its claim say so.
async fn count_found(
    deps: &Deps,
    job: &ReceivedJob<EventCallback>,
    decision: &mut Decision,
    verdict: &Verdict,
) -> Result<(), Failure> {
    if job.body.found.is_some() && *verdict == Verdict::Commit {
        decision.swept = true;
        let counts = SweepCounts { lost: 1, ..SweepCounts::default() };
        let sweeps = Sweeps::new(deps.context.backend.store.clone());
        sweeps.count(&job.tenant, deps.clock.now(), counts).await?;
    }
    Ok(())
}

async fn decide(
    deps: &Deps,
    job: &ReceivedJob<EventCallback>,
    tenant: &OpenTenant,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    let context = &deps.context;
    let did = |decision: &mut Decision, change: &str| {
        decision.line.changes = vec![change.to_owned()];
        Ok(Verdict::Commit)
    };
    match &job.body.event {
        WorkspaceEvent::Message(message) => {
            let verdict = from_slack::message(context, job, tenant, message, decision).await?;
            count_found(deps, job, decision, &verdict).await?;
            Ok(verdict)
        }
        WorkspaceEvent::Reaction { added, user, name, channel, ts } => {
            let reaction = Reaction { added: *added, user, name, channel, ts };
            from_slack::reaction(context, job, tenant, reaction, decision).await
        }
        WorkspaceEvent::LinkShared { channel, ts, user, links } => {
            let is_shared_channel = job.body.is_shared_channel;
            let shared = SharedLinks { channel, is_shared_channel, ts, user, links };
            shared_links::unfurl(context, tenant, shared, decision).await
        }
        WorkspaceEvent::HomeOpened { user, tab } if tab == "home" || tab.is_empty() => {
            let view = commands::home::view(context, tenant, user).await?;
            tenant.slack.publish_home(user, &view).await?;
            decision.line.record = Some(user.clone());
            did(decision, "home.shown")
        }
        WorkspaceEvent::HomeOpened { .. } => Ok(Verdict::skip("Switchboard shows only the home tab")),
        WorkspaceEvent::UserChanged(user) => {
            // A link by e-mail may be wrong now; the person is looked up again when they next do something.
            context.people.forget_email(&job.tenant, &user.id).await?;
            context.forget_slack_profile(tenant, &user.id).await?;
            decision.line.record = Some(user.id.clone());
            did(decision, "person.checked_again")
        }
        WorkspaceEvent::ChannelGone { channel } => {
            let bridged = chat_bridge::bridges::bridge_of_channel(context, tenant, channel).await?.is_some();
            decision.line.record = Some(channel.clone());
            Ok(Verdict::skip(if bridged { "bridged channel gone" } else { "channel gone" }))
        }
        WorkspaceEvent::ChannelRenamed { channel, name } => {
            chat_bridge::names::forget_channel_name(context, tenant, channel).await?;
            decision.line.record = Some(format!("#{name}"));
            Ok(Verdict::skip(format!("{channel} has another name; it is known by its id")))
        }
        WorkspaceEvent::AppRemoved => {
            context.connections.slack_left(&job.tenant).await?;
            Ok(Verdict::skip("the app was removed from the workspace or its tokens were revoked; connect it again"))
        }
        WorkspaceEvent::PeopleRevoked { users } => {
            decision.line.record = Some(users.join(", "));
            Ok(Verdict::skip(
                "a person's permission was revoked in Slack; it is not one that the connection works with",
            ))
        }
        WorkspaceEvent::Other => Ok(Verdict::skip(format!("nothing to do for {}", job.body.kind))),
    }
}
