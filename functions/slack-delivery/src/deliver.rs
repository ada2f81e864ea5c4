//! One card's delivery, from its ledger line to its message in the channel.

use clients::{DeliveryAttempt, Failure, WorkspaceClient};
use jobs::SlackDelivery;
use jobs::delivery::METADATA_EVENT;
use notifications::cards;
use runtime::job::{Outcome, ReceivedJob};
use runtime::ledger::OpenCall;
use runtime::{DeliveryId, Kind, TenantId};
use serde_json::json;
use settings::schema::Thread;
use slack::{ChannelId, Message, Metadata, Posted, Ts};
use tenants::people::Origin;

use crate::{Deps, look_up, trouble};

/// A card in hand.
struct Delivery<'a> {
    deps: &'a Deps,
    job: &'a ReceivedJob<SlackDelivery>,
    line: DeliveryAttempt,
}

pub(crate) async fn deliver(deps: &Deps, job: ReceivedJob<SlackDelivery>) -> Outcome {
    let line = match DeliveryAttempt::take(&deps.ports, &job, &job.body.delivery).await {
        Ok(line) => line,
        Err(outcome) => return outcome,
    };
    let mut delivery = Delivery { deps, job: &job, line };
    match delivery.run().await {
        Ok(outcome) => outcome,
        Err(failure) => delivery.fail(&failure).await,
    }
}

/// Where a card goes, once that is known.
struct Target {
    channel: ChannelId,
    /// What people call it.
    name: String,
}

impl Delivery<'_> {
    async fn run(&mut self) -> Result<Outcome, Failure> {
        if let Some(call) = self.line.open_call().await
            && let Some(posted) = self.look_before_again(&call).await?
        {
            return self.delivered(&posted, !call.place.contains('/')).await;
        }
        let workspace = self.workspace().await?;
        let target = match self.target(&workspace).await? {
            Ok(target) => target,
            Err(reason) => return self.line.skip(reason).await,
        };
        workspace.admit_post(&target.channel).await?;
        match self.place(&workspace, &target.channel).await {
            Err(failure) => self.mend(&workspace, target, failure).await,
            placed => placed,
        }
    }

    /// The channel; or why there is none and the card is left out.
    async fn target(&mut self, workspace: &WorkspaceClient) -> Result<Result<Target, String>, Failure> {
        let body = &self.job.body;
        let Some(person) = &body.person else {
            let name = body.channel.clone();
            return match workspace.channel(&name, false).await {
                Err(failure) if failure.code() == "channel_not_found" => self.missing(workspace, failure).await.map(Ok),
                channel => Ok(Ok(Target { channel: channel?, name })),
            };
        };
        let by_hand = match &person.slack {
            Some(id) => Some(id.clone()),
            None => self.linked_by_hand(person.user).await?,
        };
        match workspace.direct(person.user, by_hand.as_deref(), person.email.as_deref()).await? {
            Some(channel) => Ok(Ok(Target { channel, name: person.destination() })),
            None => match &body.fallback {
                Some(name) => {
                    let channel = workspace.channel(name, false).await?;
                    Ok(Ok(Target { channel, name: name.clone() }))
                }
                None => Ok(Err(format!(
                    "unmapped: {} has no account in Slack that we know; name it under people.map in the settings, \
                     or give the route a fallback",
                    person.destination()
                ))),
            },
        }
    }

    /// The account in Slack that an administrator or the person themselves has named.
    async fn linked_by_hand(&self, user: u64) -> Result<Option<String>, Failure> {
        let links = self.deps.talk.people.of_user(self.tenant(), user).await?;
        Ok(links.into_iter().find(|link| link.origin != Origin::Email).map(|link| link.slack))
    }

    /// The channel is not there: it is made, or another takes its place, or it is said.
    async fn missing(&self, workspace: &WorkspaceClient, failure: Failure) -> Result<Target, Failure> {
        let body = &self.job.body;
        if body.may_create {
            let channel = workspace.create(&body.channel).await?;
            return Ok(Target { channel, name: body.channel.clone() });
        }
        let Some(name) = &body.fallback else { return Err(failure) };
        trouble::tell(self.deps, self.tenant(), body, &failure).await?;
        let channel = workspace.channel(name, false).await?;
        Ok(Target { channel, name: name.clone() })
    }

    async fn workspace(&self) -> Result<WorkspaceClient, Failure> {
        let portal = self.deps.connections.portal(self.tenant()).await?;
        self.deps.connections.slack(&portal).await
    }

    /// The message of an earlier try whose outcome is unknown, if it is there.
    async fn look_before_again(&self, OpenCall { began_at, place }: &OpenCall) -> Result<Option<Posted>, Failure> {
        let (channel, thread) = place.split_once('/').map_or((place.as_str(), None), |(c, t)| (c, Some(Ts::from(t))));
        let channel = ChannelId::from(channel);
        look_up::find(&self.workspace().await?, &channel, thread.as_ref(), *began_at, self.line.id()).await
    }

    /// Posts as the route wants it: a card of its own, a reply, or the record's card updated.
    async fn place(&mut self, workspace: &WorkspaceClient, channel: &ChannelId) -> Result<Outcome, Failure> {
        let body = &self.job.body;
        let first = match body.thread {
            Thread::None => None,
            _ => cards::find(self.deps.ports.store.as_ref(), self.tenant(), &body.record, &channel.0).await?,
        };
        let message = body.message.clone();
        match (body.thread, first) {
            (Thread::OnlyReply, None) => {
                let reason = format!("there is no card of {} in {} to reply to", body.record, body.channel);
                self.line.skip(reason).await
            }
            (Thread::None, _) | (Thread::Reply | Thread::Live, None) => {
                let posted = self.post(workspace, channel, None, &message).await?;
                self.delivered(&posted, true).await
            }
            (Thread::Reply | Thread::OnlyReply, Some(first)) => {
                let parent = Ts::from(first.message.as_str());
                let posted = self.post(workspace, channel, Some(&parent), &message).await?;
                self.delivered(&posted, false).await
            }
            (Thread::Live, Some(first)) => {
                let parent = Ts::from(first.message.as_str());
                // The same update twice is one; only the line in the thread must not come twice.
                let card = Posted { channel: channel.clone(), ts: parent.clone() };
                self.line.repeatable(workspace.update(&card, &message)).await?;
                let line = body.line.clone().unwrap_or_else(|| message.text.clone());
                let posted = self.post(workspace, channel, Some(&parent), &Message::new(line, [])).await?;
                self.delivered(&posted, false).await
            }
        }
    }

    /// Posts once, between `started` and whatever comes of it.
    async fn post(
        &mut self,
        workspace: &WorkspaceClient,
        channel: &ChannelId,
        parent: Option<&Ts>,
        message: &Message,
    ) -> Result<Posted, Failure> {
        let place = parent.map_or_else(|| channel.0.clone(), |parent| format!("{channel}/{parent}"));
        let metadata =
            Metadata { event_type: METADATA_EVENT.into(), event_payload: json!({"delivery_id": self.line.id()}) };
        let posting = async {
            match parent {
                Some(parent) => workspace.reply(channel, parent, message, &metadata).await,
                None => workspace.post(channel, message, &metadata).await,
            }
        };
        self.line.call(place, posting).await
    }

    /// Three failures have a remedy: the bot is not in a public channel, the channel's name means another now, the
    /// card to update is gone.
    async fn mend(
        &mut self,
        workspace: &WorkspaceClient,
        target: Target,
        failure: Failure,
    ) -> Result<Outcome, Failure> {
        let is_named = self.job.body.person.is_none() || target.name != self.job.body.channel;
        let channel = match failure.code() {
            "not_in_channel" => {
                workspace.join(&target.channel).await.map_err(|_| failure)?;
                target.channel
            }
            "channel_not_found" if is_named => match workspace.channel(&target.name, true).await {
                Ok(fresh) if fresh != target.channel => fresh,
                _ => self.missing(workspace, failure).await?.channel,
            },
            "message_not_found" | "thread_not_found" | "cant_update_message" => {
                workspace.admit_post(&target.channel).await?;
                let message = self.job.body.message.clone();
                let posted = self.post(workspace, &target.channel, None, &message).await?;
                return self.delivered(&posted, true).await;
            }
            _ => return Err(failure),
        };
        workspace.admit_post(&channel).await?;
        self.place(workspace, &channel).await
    }

    /// `is_card` says that it is a message of its own, and that others may reply to it.
    async fn delivered(&mut self, posted: &Posted, is_card: bool) -> Result<Outcome, Failure> {
        let body = &self.job.body;
        let is_first =
            body.thread != Thread::None || body.change.ends_with(".created") || body.change.starts_with("call.");
        let mut also = Vec::new();
        if is_card && is_first {
            let tenant = &self.job.tenant;
            let card = cards::Card { message: posted.ts.0.clone(), delivery: DeliveryId::from_text(self.line.id()) };
            also.push(cards::write(tenant, &body.record, &posted.channel.0, &card, self.deps.clock.now())?);
        }
        self.line.done(format!("{}/{}", posted.channel, posted.ts), also).await
    }

    /// Says what becomes of the job, and alerts the operators to a channel's trouble.
    async fn fail(&mut self, failure: &Failure) -> Outcome {
        let reason = self.explain(failure);
        if matches!(&failure.kind, Kind::Permanent { code } if trouble::is_of_the_channel(code))
            && let Err(error) = trouble::tell(self.deps, self.tenant(), &self.job.body, failure).await
        {
            tracing::warn!(trace = %self.job.trace, tenant = %self.tenant(), %error, "operators could not be told of a channel's trouble");
        }
        self.line.fail(failure, &reason).await
    }

    fn explain(&self, failure: &Failure) -> String {
        let SlackDelivery { route, channel, .. } = &self.job.body;
        let fix = match failure.code() {
            "channel_not_found" => "create the channel, invite the bot if it is private, or change the route",
            "is_archived" => "unarchive the channel or change the route",
            "not_in_channel" => "invite the bot to the channel: /invite @Switchboard",
            "slack_not_connected" => "connect a workspace",
            "name_taken" | "restricted_action" => "create the channel by hand, or let missing_channels report it",
            "missing_scope" => "install the app again with the scope it names",
            _ => "see the text of Slack's error",
        };
        format!("channel {channel:?} of route {route:?}: {}: {}; {fix}", failure.code(), failure.text)
    }

    fn tenant(&self) -> &TenantId {
        &self.job.tenant
    }
}
