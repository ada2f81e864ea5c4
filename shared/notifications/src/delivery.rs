//! One card's delivery, from its ledger line to its message in the channel.

use clients::{
    ConnectionSide, Connections, DeliveryAttempt, Doubt, ErrorClass, Failure, HistoryPlace, SoughtMessage,
    WorkspaceClient, find_posted,
};
use jobs::SlackDelivery;
use jobs::card_delivery::{CardDestination, marked_as_saying, saying_of};
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::{Backend, DeliveryId, TenantId};
use settings::schema::Thread;
use slack::{ChannelId, MessageRef, Posted, SlackMessage, Ts};
use tenants::user_links::{LinkOrigin, UserLinks};

use crate::{channel_trouble, first_cards};

/// A card that is being delivered.
struct CardDelivery<'a> {
    backend: &'a Backend,
    connections: &'a Connections,
    job: &'a ReceivedJob<SlackDelivery>,
    line: DeliveryAttempt,
}

/// Delivers a card, once.
pub async fn deliver(backend: &Backend, connections: &Connections, job: ReceivedJob<SlackDelivery>) -> JobOutcome {
    let line =
        match DeliveryAttempt::take(backend, connections, &job, (&job.body.delivery, ConnectionSide::Slack)).await {
            Ok(line) => line,
            Err(outcome) => return outcome,
        };
    let mut delivery = CardDelivery { backend, connections, job: &job, line };
    match delivery.run().await {
        Ok(outcome) => outcome,
        Err(failure) => delivery.fail(&failure).await,
    }
}

/// The channel of a card, once it is known.
struct Target {
    channel: ChannelId,
    /// Its name for people.
    name: String,
}

impl CardDelivery<'_> {
    async fn run(&mut self) -> Result<JobOutcome, Failure> {
        let doubt = self.line.doubt().await;
        let workspace = self.workspace().await?;
        let called_at = doubt.as_ref().and_then(|doubt| HistoryPlace::of(doubt.place.as_deref()?));
        if let (Some(doubt), Some(place)) = (&doubt, &called_at)
            && let Some(outcome) = self.recheck(&workspace, doubt, place).await?
        {
            return Ok(outcome);
        }
        let target = match self.target(&workspace).await? {
            Ok(target) => target,
            Err(reason) => return self.line.skip(reason).await,
        };
        if let (Some(doubt), None) = (&doubt, &called_at) {
            let place = self.likely_place(&target.channel).await?;
            if let Some(outcome) = self.recheck(&workspace, doubt, &place).await? {
                return Ok(outcome);
            }
        }
        workspace.admit_post(&target.channel).await?;
        match self.place(&workspace, &target.channel).await {
            Err(failure) => self.repair(&workspace, target, failure).await,
            placed => placed,
        }
    }

    /// The channel; or why there is none and the card is not sent.
    async fn target(&mut self, workspace: &WorkspaceClient) -> Result<Result<Target, String>, Failure> {
        let body = &self.job.body;
        let person = match &body.destination {
            CardDestination::Person(person) => person,
            CardDestination::Channel { name, .. } => {
                return match workspace.channel(name, false).await {
                    Err(failure) if failure.code() == "channel_not_found" => {
                        self.missing(workspace, failure).await.map(Ok)
                    }
                    channel => Ok(Ok(Target { channel: channel?, name: name.clone() })),
                };
            }
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
        let links = UserLinks::new(self.backend.store.clone()).of_user(self.tenant(), user).await?;
        Ok(links.into_iter().find(|link| link.origin != LinkOrigin::Email).map(|link| link.slack))
    }

    /// The channel does not exist: it is created, or the fallback is used, or it is reported.
    async fn missing(&self, workspace: &WorkspaceClient, failure: Failure) -> Result<Target, Failure> {
        let destination = &self.job.body.destination;
        if let CardDestination::Channel { name, may_create: true } = destination {
            let channel = workspace.create(name).await?;
            return Ok(Target { channel, name: name.clone() });
        }
        let Some(name) = &self.job.body.fallback else { return Err(failure) };
        self.report(&failure).await?;
        let channel = workspace.channel(name, false).await?;
        Ok(Target { channel, name: name.clone() })
    }

    async fn workspace(&self) -> Result<WorkspaceClient, Failure> {
        let portal = self.connections.portal(self.tenant()).await?;
        self.connections.slack(&portal).await
    }

    /// Notes that it was delivered, if its message is found.
    async fn recheck(
        &mut self,
        workspace: &WorkspaceClient,
        doubt: &Doubt,
        place: &HistoryPlace,
    ) -> Result<Option<JobOutcome>, Failure> {
        let saying = self.line.may_be_reported().then(|| self.saying_in(place.thread.is_some()));
        let mark = (!self.line.is_ambiguous()).then(|| self.line.id());
        let sought = SoughtMessage { place, mark, saying: saying.as_ref().map(DeliveryId::as_str), doubt };
        let found = find_posted(workspace, sought).await?;
        match self.line.looked_up(found)? {
            Some(posted) => self.delivered(&posted, place.thread.is_none()).await.map(Some),
            None => Ok(None),
        }
    }

    /// What its message says: a live card is one line in the thread.
    fn saying_in(&self, is_reply: bool) -> DeliveryId {
        let body = &self.job.body;
        let line = body.line.as_ref().filter(|_| body.thread == Thread::Live && is_reply);
        saying_of(&body.record, line.unwrap_or(&body.message.text))
    }

    /// Where the card would be, if it was posted without a trace here.
    async fn likely_place(&self, channel: &ChannelId) -> Result<HistoryPlace, Failure> {
        let first = self.first_card(channel).await?;
        Ok(HistoryPlace { channel: channel.clone(), thread: first.map(|first| Ts::from(first.message.as_str())) })
    }

    /// The card that this one relates to, if it does and there is one.
    async fn first_card(&self, channel: &ChannelId) -> Result<Option<first_cards::FirstCard>, Failure> {
        let body = &self.job.body;
        Ok(match body.thread {
            Thread::None => None,
            _ => first_cards::find(self.backend.store.as_ref(), self.tenant(), &body.record, &channel.0).await?,
        })
    }

    /// Posts as the route says: a card of its own, a reply, or an update of the record's card.
    async fn place(&mut self, workspace: &WorkspaceClient, channel: &ChannelId) -> Result<JobOutcome, Failure> {
        let first = self.first_card(channel).await?;
        let body = &self.job.body;
        let message = body.message.clone();
        match (body.thread, first) {
            (Thread::OnlyReply, None) => {
                let reason = format!("there is no card of {} in {} to reply to", body.record, body.destination.name());
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
                // The same update sent twice is harmless; only the line in the thread must not be posted twice.
                let card = Posted { channel: channel.clone(), ts: parent.clone() };
                self.line.repeatable(workspace.update(&card, &message)).await?;
                let line = body.line.clone().unwrap_or_else(|| message.text.clone());
                let posted = self.post(workspace, channel, Some(&parent), &SlackMessage::new(line, [])).await?;
                self.delivered(&posted, false).await
            }
        }
    }

    /// Posts once, between the ledger's `started` and the outcome.
    async fn post(
        &mut self,
        workspace: &WorkspaceClient,
        channel: &ChannelId,
        parent: Option<&Ts>,
        message: &SlackMessage,
    ) -> Result<Posted, Failure> {
        let metadata = marked_as_saying(self.line.id(), &self.saying_in(parent.is_some()));
        let posting = async {
            match parent {
                Some(parent) => workspace.reply(channel, parent, message, &metadata).await,
                None => workspace.post(channel, message, &metadata).await,
            }
        };
        self.line.call(MessageRef::below(channel, parent), posting).await
    }

    /// Three failures can be fixed here: the bot is not in a public channel, the channel's name now means another
    /// channel, the card to update is gone.
    async fn repair(
        &mut self,
        workspace: &WorkspaceClient,
        target: Target,
        failure: Failure,
    ) -> Result<JobOutcome, Failure> {
        // A person's own channel has no name by which it could be found again.
        let destination = &self.job.body.destination;
        let is_named = matches!(destination, CardDestination::Channel { .. }) || target.name != destination.name();
        let channel = match failure.code() {
            "not_in_channel" => {
                workspace.join_after(failure, &target.channel).await?;
                target.channel
            }
            "channel_not_found" if is_named => match workspace.channel(&target.name, true).await {
                Ok(fresh) if fresh != target.channel => fresh,
                Err(unknown) if !matches!(unknown.class, ErrorClass::Permanent { .. }) => return Err(unknown),
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

    /// `is_card` says that the message is a card that others can reply to.
    async fn delivered(&mut self, posted: &Posted, is_card: bool) -> Result<JobOutcome, Failure> {
        let body = &self.job.body;
        let mut also = Vec::new();
        if is_card && body.begins_thread() {
            let tenant = &self.job.tenant;
            let card = first_cards::FirstCard {
                message: posted.ts.0.clone(),
                delivery: DeliveryId::from_text(self.line.id()),
            };
            also.push(first_cards::write(tenant, &body.record, &posted.channel.0, &card, self.backend.clock.now())?);
        }
        self.line.done(posted.to_string(), also).await
    }

    /// Decides the job's outcome, and alerts the operators to trouble with the channel.
    async fn fail(&mut self, failure: &Failure) -> JobOutcome {
        let reason = self.explain(failure);
        if matches!(&failure.class, ErrorClass::Permanent { code } if channel_trouble::is_of_the_channel(code))
            && let Err(error) = self.report(failure).await
        {
            tracing::warn!(trace = %self.job.trace, tenant = %self.tenant(), %error, "operators could not be alerted to a channel's trouble");
        }
        self.line.fail(failure, &reason).await
    }

    /// Alerts the operators to the channel's trouble.
    async fn report(&self, failure: &Failure) -> Result<(), Failure> {
        channel_trouble::notify(self.backend, self.connections, self.tenant(), &self.job.body, failure).await
    }

    fn explain(&self, failure: &Failure) -> String {
        let SlackDelivery { route, destination, .. } = &self.job.body;
        let channel = destination.name();
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
