//! One event, from its queue to its line in the ledger.

use clients::Failure;
use runtime::claims;
use runtime::claims::Claim;
use runtime::job::{Job, Outcome};
use runtime::ledger::{EventLine, EventStatus, event_write};
use runtime::queue::Message;
use runtime::store::{StoreError, Write};
use runtime::{QueueName, TenantId};
use slack::event::{Event, EventCallback};
use user_mapping::Tenant;

use crate::{Deps, bridge, home, unfurl};

/// What an event comes to.
#[derive(Default)]
pub(crate) struct Decision {
    /// What people call it.
    pub(crate) record: Option<String>,
    /// What was found.
    pub(crate) changes: Vec<String>,
    /// Why there is nothing to do.
    pub(crate) skipped: Option<String>,
    /// What keeps it from being done twice, where that is not the event's own id.
    pub(crate) identity: Option<String>,
    /// The lines of its deliveries.
    pub(crate) writes: Vec<Write>,
    /// Their jobs.
    pub(crate) outbox: Vec<Message>,
}

impl Decision {
    /// Nothing to do, for this reason.
    pub(crate) fn skip(reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..Self::default() }
    }

    /// Done already.
    pub(crate) fn did(what: &str) -> Self {
        Self { changes: vec![what.to_owned()], ..Self::default() }
    }
}

pub(crate) async fn decide(deps: &Deps, job: Job<EventCallback>) -> Outcome {
    match run(deps, &job).await {
        Ok(outcome) => outcome,
        Err(failure) => {
            let now = deps.clock.now();
            let line = line(deps, &job, EventStatus::Waiting { cause: failure.text.clone() });
            clients::undecided(&deps.ledger, &job.tenant, line, now, &failure).await
        }
    }
}

async fn run(deps: &Deps, job: &Job<EventCallback>) -> Result<Outcome, Failure> {
    if job.attempt > 1
        && let Some(line) = deps.ledger.event(&job.tenant, job.trace).await?
        && line.status == EventStatus::Routed
    {
        send(deps, line.outbox).await?;
        return Ok(Outcome::Done);
    }
    let event = format!("slack#{}", job.body.event_id);
    if claims::find(deps.talk.ports.store.as_ref(), &job.tenant, &event).await?.is_some() {
        return skip(deps, job, "Slack sent it again").await;
    }
    let tenant = deps.talk.tenant(&job.tenant).await?;
    let decision = understand(deps, job, &tenant).await?;
    let mut line = line(deps, job, EventStatus::Routed);
    line.record = decision.record;
    line.changes = decision.changes;
    if let Some(reason) = &decision.skipped {
        line.status = EventStatus::Skipped { reason: reason.clone() };
    }
    line.outbox.clone_from(&decision.outbox);
    let now = deps.clock.now();
    let claim = Claim { trace: job.trace, swept: false };
    let mut writes = vec![event_write(&job.tenant, line)?, claims::write(&job.tenant, &event, &claim, now)?];
    if let Some(identity) = &decision.identity {
        writes.push(claims::write(&job.tenant, identity, &claim, now)?);
    }
    writes.extend(decision.writes);
    match deps.talk.ports.store.put_all(writes).await {
        Ok(()) => {}
        Err(StoreError::Conflict(_)) => return skip(deps, job, "Slack sent it again").await,
        Err(error) => return Err(error.into()),
    }
    tracing::info!(trace = %job.trace, tenant = %job.tenant, kind = job.body.kind, "decided");
    send(deps, decision.outbox).await?;
    Ok(decision.skipped.map_or(Outcome::Done, Outcome::Skip))
}

async fn understand(deps: &Deps, job: &Job<EventCallback>, tenant: &Tenant) -> Result<Decision, Failure> {
    match &job.body.event {
        Event::Message(message) => bridge::message(deps, job, tenant, message).await,
        Event::Reaction { added, user, name, channel, ts } => {
            bridge::reaction(deps, job, tenant, bridge::Reaction { added: *added, user, name, channel, ts }).await
        }
        Event::LinkShared { channel, ts, user, links } => {
            unfurl::unfurl(deps, job, tenant, channel, ts, user, links).await
        }
        Event::HomeOpened { user, tab } if tab == "home" || tab.is_empty() => home::show(deps, tenant, user).await,
        Event::HomeOpened { .. } => Ok(Decision::skip("only the home tab is ours")),
        Event::UserChanged(user) => {
            // What an e-mail found may be wrong now; it is looked for again when they next do something.
            deps.talk.people.forget_email(&job.tenant, &user.id).await?;
            deps.talk.forget_slack_profile(tenant, &user.id).await?;
            Ok(Decision { record: Some(user.id.clone()), ..Decision::did("person.checked_again") })
        }
        Event::ChannelGone { channel } => {
            let bridged = chat_bridge::bridges::bridge_of_channel(&deps.talk, tenant, channel).await?.is_some();
            let what = if bridged { "bridged channel gone" } else { "channel gone" };
            Ok(Decision { record: Some(channel.clone()), ..Decision::skip(what) })
        }
        Event::ChannelRenamed { channel, name } => {
            chat_bridge::names::forget_channel_name(&deps.talk, tenant, channel).await?;
            let record = Some(format!("#{name}"));
            Ok(Decision { record, ..Decision::skip(format!("{channel} has another name; it is known by its id")) })
        }
        Event::AppRemoved => {
            deps.talk.connections.slack_left(&job.tenant).await?;
            Ok(Decision::skip("the app was removed from the workspace or its tokens were revoked; connect it again"))
        }
        Event::PeopleRevoked { users } => Ok(Decision {
            record: Some(users.join(", ")),
            ..Decision::skip("a person's permission was revoked in Slack; it is not one that the connection works with")
        }),
        Event::Other => Ok(Decision::skip(format!("nothing to do for {}", job.body.kind))),
    }
}

async fn send(deps: &Deps, outbox: Vec<Message>) -> Result<(), Failure> {
    if outbox.is_empty() {
        return Ok(());
    }
    let sent = deps.talk.ports.queue.send(QueueName::Bitrix24Delivery, outbox).await;
    sent.map_err(|error| Failure::transient(error.to_string()))
}

async fn skip(deps: &Deps, job: &Job<EventCallback>, reason: &str) -> Result<Outcome, Failure> {
    let line = line(deps, job, EventStatus::Skipped { reason: reason.to_owned() });
    deps.ledger.record_event(&job.tenant, line).await?;
    Ok(Outcome::Skip(reason.to_owned()))
}

fn line(deps: &Deps, job: &Job<EventCallback>, status: EventStatus) -> EventLine {
    EventLine::new(job, format!("slack {}", job.body.kind), None, deps.clock.now(), status)
}

/// The group of what goes to a chat: its order is the conversation's.
pub(crate) fn group(tenant: &TenantId, dialog: &str) -> String {
    format!("{tenant}#{dialog}")
}
