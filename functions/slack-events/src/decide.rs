//! One event, from its queue to its line in the ledger.

use clients::Failure;
use jobs::chat::ToBitrix24;
use jobs::queues;
use runtime::Decision;
use runtime::claims;
use runtime::decision::already_decided;
use runtime::job::{Outcome, ReceivedJob};
use runtime::ledger::{DeliveryLine, EarlierOutbox, EventStatus};
use runtime::queue::Outgoing;
use slack::event::{Event, EventCallback};
use user_mapping::Tenant;

use crate::{Deps, bridge, home, unfurl};

/// What an event comes to.
#[derive(Default)]
pub(crate) struct Understood {
    /// What people call it.
    pub(crate) record: Option<String>,
    /// What was found.
    pub(crate) changes: Vec<String>,
    /// Why there is nothing to do.
    pub(crate) skipped: Option<String>,
    /// What keeps it from being done twice, where that is not the event's own id.
    pub(crate) identity: Option<String>,
    /// Its deliveries.
    pub(crate) deliveries: Vec<(DeliveryLine, ToBitrix24)>,
}

impl Understood {
    /// Nothing to do, for this reason.
    pub(crate) fn skip(reason: impl Into<String>) -> Self {
        Self { skipped: Some(reason.into()), ..Self::default() }
    }

    /// Done already.
    pub(crate) fn did(what: &str) -> Self {
        Self { changes: vec![what.to_owned()], ..Self::default() }
    }
}

pub(crate) async fn decide(deps: &Deps, job: ReceivedJob<EventCallback>) -> Outcome {
    match run(deps, &job).await {
        Ok(outcome) => outcome,
        Err(failure) => {
            let line = decision(deps, &job).line;
            clients::undecided(&deps.ledger, &job.tenant, line, deps.clock.now(), &failure).await
        }
    }
}

async fn run(deps: &Deps, job: &ReceivedJob<EventCallback>) -> Result<Outcome, Failure> {
    let ports = &deps.talk.ports;
    if let Some(outcome) = runtime::decision::finished(ports, job, queues_of).await? {
        return Ok(outcome);
    }
    let event = format!("slack#{}", job.body.event_id);
    if let Some(claim) = claims::find(ports.store.as_ref(), &job.tenant, &event).await? {
        return Ok(decision(deps, job).skip(ports, already_decided(&claim)).await?);
    }
    let tenant = deps.talk.tenant(&job.tenant).await?;
    let understood = understand(deps, job, &tenant).await?;
    let mut decision = decision(deps, job);
    decision.line.record = understood.record;
    decision.line.changes = understood.changes;
    if let Some(reason) = understood.skipped {
        decision.line.status = EventStatus::Skipped { reason };
    }
    decision.claims.push(event);
    decision.claims.extend(understood.identity);
    for (line, job) in understood.deliveries {
        decision.deliver(line, &job)?;
    }
    Ok(decision.commit(ports).await?)
}

/// A decision on the event of a job, without anything in it.
fn decision(deps: &Deps, job: &ReceivedJob<EventCallback>) -> Decision {
    Decision::on(job, format!("slack {}", job.body.kind), None, deps.clock.now())
}

/// The queues of a line that did not name them.
fn queues_of(earlier: EarlierOutbox) -> Vec<Outgoing> {
    let queue = queues::BITRIX24_DELIVERY;
    earlier.outbox.into_iter().map(|message| Outgoing { queue, message }).collect()
}

async fn understand(deps: &Deps, job: &ReceivedJob<EventCallback>, tenant: &Tenant) -> Result<Understood, Failure> {
    match &job.body.event {
        Event::Message(message) => bridge::message(deps, job, tenant, message).await,
        Event::Reaction { added, user, name, channel, ts } => {
            bridge::reaction(deps, job, tenant, bridge::Reaction { added: *added, user, name, channel, ts }).await
        }
        Event::LinkShared { channel, ts, user, links } => {
            unfurl::unfurl(deps, job, tenant, channel, ts, user, links).await
        }
        Event::HomeOpened { user, tab } if tab == "home" || tab.is_empty() => home::show(deps, tenant, user).await,
        Event::HomeOpened { .. } => Ok(Understood::skip("Switchboard shows only the home tab")),
        Event::UserChanged(user) => {
            // What an e-mail found may be wrong now; it is looked for again when they next do something.
            deps.talk.people.forget_email(&job.tenant, &user.id).await?;
            deps.talk.forget_slack_profile(tenant, &user.id).await?;
            Ok(Understood { record: Some(user.id.clone()), ..Understood::did("person.checked_again") })
        }
        Event::ChannelGone { channel } => {
            let bridged = chat_bridge::bridges::bridge_of_channel(&deps.talk, tenant, channel).await?.is_some();
            let what = if bridged { "bridged channel gone" } else { "channel gone" };
            Ok(Understood { record: Some(channel.clone()), ..Understood::skip(what) })
        }
        Event::ChannelRenamed { channel, name } => {
            chat_bridge::names::forget_channel_name(&deps.talk, tenant, channel).await?;
            let record = Some(format!("#{name}"));
            Ok(Understood { record, ..Understood::skip(format!("{channel} has another name; it is known by its id")) })
        }
        Event::AppRemoved => {
            deps.talk.connections.slack_left(&job.tenant).await?;
            Ok(Understood::skip("the app was removed from the workspace or its tokens were revoked; connect it again"))
        }
        Event::PeopleRevoked { users } => Ok(Understood {
            record: Some(users.join(", ")),
            ..Understood::skip(
                "a person's permission was revoked in Slack; it is not one that the connection works with",
            )
        }),
        Event::Other => Ok(Understood::skip(format!("nothing to do for {}", job.body.kind))),
    }
}
