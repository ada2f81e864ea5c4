//! A Slack workspace's Web API under its limiters.

use runtime::TenantId;
use runtime::limiter::RateBucket;
use slack::client::{Channel, SlackPage};
use slack::event::SlackUser;
use slack::{ChannelId, Metadata, Posted, SlackMessage, Ts};
use tenants::portals::SlackConnection;
use wire::ErrorClass;

use crate::account::ProviderAccount;
use crate::channels;
use crate::{Connections, Failure, TokenSlot, members, rate_buckets};

/// Calls one workspace.
pub struct WorkspaceClient {
    pub(crate) connections: Connections,
    pub(crate) tenant: TenantId,
    pub(crate) team: String,
    account: ProviderAccount,
    pub(crate) client: slack::Client,
    /// Whether its token is renewed.
    renews: bool,
}

impl WorkspaceClient {
    pub(crate) fn new(
        connections: Connections,
        tenant: TenantId,
        account: ProviderAccount,
        connection: &SlackConnection,
        client: slack::Client,
    ) -> Self {
        let (team, renews) = (connection.team_id.clone(), connection.renews);
        Self { connections, tenant, team, account, client, renews }
    }

    /// The id of the channel that a route names: an id is returned unchanged, `#name` is looked up. `fresh` ignores the
    /// cache.
    pub async fn channel(&self, named: &str, fresh: bool) -> Result<ChannelId, Failure> {
        channels::resolve(self, self.connections.store.as_ref(), self.connections.clock.as_ref(), named, fresh).await
    }

    /// The same for one that may be gone: `None` if the workspace has none of this name. That is cached too, for some
    /// minutes.
    pub async fn channel_if_there(&self, named: &str) -> Result<Option<ChannelId>, Failure> {
        let (store, clock) = (self.connections.store.as_ref(), self.connections.clock.as_ref());
        channels::resolve_if_there(self, store, clock, named).await
    }

    /// Waits for a slot to post in a channel.
    pub async fn admit_post(&self, channel: &ChannelId) -> Result<(), Failure> {
        // The channel first: its limit is the tight one, and an unused slot of the workspace would be lost.
        let buckets = [rate_buckets::channel_posts(&self.team, &channel.0), rate_buckets::posts(&self.team)];
        self.admit_all(&buckets.each_ref()).await
    }

    /// Posts. Call [`WorkspaceClient::admit_post`] before.
    pub async fn post(
        &self,
        channel: &ChannelId,
        message: &SlackMessage,
        metadata: &Metadata,
    ) -> Result<Posted, Failure> {
        let answer = self.client.post_message(channel, message, Some(metadata)).await;
        self.note(&rate_buckets::posts(&self.team), answer).await
    }

    /// Posts a reply in the thread of the message `parent`.
    pub async fn reply(
        &self,
        channel: &ChannelId,
        parent: &Ts,
        message: &SlackMessage,
        metadata: &Metadata,
    ) -> Result<Posted, Failure> {
        let answer = self.client.post_reply(channel, parent, message, Some(metadata)).await;
        self.note(&rate_buckets::posts(&self.team), answer).await
    }

    /// Replaces one of our messages. Repeating it changes nothing.
    pub async fn update(&self, posted: &Posted, message: &SlackMessage) -> Result<Posted, Failure> {
        let account = rate_buckets::tier_3(&self.team, "chat.update");
        self.admit(&account).await?;
        self.note(&account, self.client.update_message(posted, message, None).await).await
    }

    /// The direct messages to a person of the portal, by their Slack id or their e-mail; `None` if they are not in
    /// Slack.
    pub async fn direct(
        &self,
        user: u64,
        slack: Option<&str>,
        email: Option<&str>,
    ) -> Result<Option<ChannelId>, Failure> {
        members::direct(self, self.connections.store.as_ref(), self.connections.clock.as_ref(), user, slack, email)
            .await
    }

    /// The account with an e-mail, a guest's too; `None` if there is none.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<SlackUser>, Failure> {
        let account = rate_buckets::tier_3(&self.team, "users.lookupByEmail");
        self.admit(&account).await?;
        match self.note(&account, self.client.user_by_email(email).await).await {
            Err(failure) if failure.code() == "users_not_found" => Ok(None),
            found => found.map(Some),
        }
    }

    /// The full member of this workspace with an e-mail: not a guest, nor anyone of another organisation.
    pub async fn member_by_email(&self, email: &str) -> Result<Option<SlackUser>, Failure> {
        Ok(self.user_by_email(email).await?.filter(|user| self.is_member(user)))
    }

    /// Whether a person is a full member of this workspace or organisation.
    pub fn is_member(&self, user: &SlackUser) -> bool {
        user.is_member_of(&self.team)
    }

    pub(crate) async fn open(&self, user: &str) -> Result<Option<ChannelId>, Failure> {
        let account = rate_buckets::tier_3(&self.team, "conversations.open");
        self.admit(&account).await?;
        match self.note(&account, self.client.open(user).await).await {
            // They left, or they are a bot.
            Err(failure) if ["user_not_found", "user_disabled", "cannot_dm_bot"].contains(&failure.code()) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Creates a public channel; fine if it already exists.
    pub async fn create(&self, name: &str) -> Result<ChannelId, Failure> {
        let account = rate_buckets::tier_2(&self.team, "conversations.create");
        self.admit(&account).await?;
        let bare = name.trim_start_matches('#');
        match self.note(&account, self.client.create(bare).await).await {
            Err(failure) if failure.code() == "name_taken" => self.channel(name, true).await,
            made => {
                let made = made?;
                channels::note(self, self.connections.store.as_ref(), self.connections.clock.as_ref(), bare, &made)
                    .await?;
                Ok(made)
            }
        }
    }

    /// Joins the public channel in which a call failed because the bot is not there. If the channel does not admit it, the
    /// call's `failure` is returned; what only failed now says so, and the call is made again later.
    pub async fn join_after(&self, failure: Failure, channel: &ChannelId) -> Result<(), Failure> {
        match self.join(channel).await.map_err(Failure::repeatable) {
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Err(failure),
            joined => joined,
        }
    }

    /// Joins a public channel.
    pub async fn join(&self, channel: &ChannelId) -> Result<(), Failure> {
        let account = rate_buckets::tier_3(&self.team, "conversations.join");
        self.admit(&account).await?;
        self.note(&account, self.client.join(channel).await).await
    }

    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub(crate) async fn channels(&self, cursor: Option<&str>) -> Result<SlackPage<Channel>, Failure> {
        let account = rate_buckets::tier_2(&self.team, "conversations.list");
        self.admit(&account).await?;
        self.note(&account, self.client.channels(cursor).await).await
    }

    pub(crate) async fn admit(&self, account: &RateBucket) -> Result<(), Failure> {
        self.admit_all(&[account]).await
    }

    async fn admit_all(&self, buckets: &[&RateBucket]) -> Result<(), Failure> {
        self.account.admit(&self.connections, buckets, "Slack asked for a pause", "Slack's rate is used up").await
    }

    pub(crate) async fn note<T>(&self, account: &RateBucket, answer: Result<T, slack::Error>) -> Result<T, Failure> {
        let error = match answer {
            Ok(answer) => {
                self.account.answered(&self.connections).await;
                return Ok(answer);
            }
            Err(error) => error,
        };
        let failure = Failure::of_slack(&error, self.connections.clock.now());
        // Slack has done nothing; the next try finds the new token.
        if self.renews && matches!(error.code(), Some("token_expired" | "invalid_auth")) {
            match self.connections.token_after(&self.tenant, TokenSlot::Slack, self.client.token()).await {
                Ok(_) => return Err(Failure::transient("Slack: the token was renewed; the call is made again")),
                Err(cannot) if cannot.class == ErrorClass::Reauthorise => {}
                Err(other) => return Err(other),
            }
        }
        Err(self.account.failed(&self.connections, account, failure).await)
    }
}
