//! A Slack workspace's Web API under its limiters.

use std::time::Duration;

use platform::Kind;
use platform::TenantId;
use platform::clock::later;
use platform::limiter::{Account, Reservation};
use slack::client::{Channel, HistoryMessage, Page};
use slack::{ChannelId, Message, Metadata, Posted};

use crate::channels;
use crate::failure::{Failure, UNTIL_REAUTHORISED};
use crate::{Connections, accounts};

/// A wait up to this is slept; a longer one sends the job back to its queue.
const PATIENCE: Duration = Duration::from_secs(3);

/// Calls one workspace.
pub struct WorkspaceClient {
    connections: Connections,
    tenant: TenantId,
    team: String,
    client: slack::Client,
}

impl WorkspaceClient {
    pub(crate) fn new(connections: Connections, tenant: TenantId, team: &str, client: slack::Client) -> Self {
        Self { connections, tenant, team: team.to_owned(), client }
    }

    /// The id of the channel that a route names: an id as it is, `#name` by look-up. `fresh` mistrusts what
    /// was looked up before.
    pub async fn channel(&self, named: &str, fresh: bool) -> Result<ChannelId, Failure> {
        channels::resolve(self, self.connections.store.as_ref(), self.connections.clock.as_ref(), named, fresh).await
    }

    /// Waits for a slot to post in a channel.
    pub async fn admit_post(&self, channel: &ChannelId) -> Result<(), Failure> {
        // The channel first: it is the one that runs out, and a slot of the workspace taken in vain is lost.
        self.admit(&accounts::channel_posts(&self.team, &channel.0)).await?;
        self.admit(&accounts::posts(&self.team)).await
    }

    /// Posts. Call [`WorkspaceClient::admit_post`] before.
    pub async fn post(&self, channel: &ChannelId, message: &Message, metadata: &Metadata) -> Result<Posted, Failure> {
        let answer = self.client.post_message(channel, message, Some(metadata)).await;
        self.note(&accounts::posts(&self.team), answer).await
    }

    /// Joins a public channel.
    pub async fn join(&self, channel: &ChannelId) -> Result<(), Failure> {
        let account = accounts::tier_3(&self.team, "conversations.join");
        self.admit(&account).await?;
        self.note(&account, self.client.join(channel).await).await
    }

    /// A page of a channel's history since `oldest`, newest first.
    pub async fn history(
        &self,
        channel: &ChannelId,
        oldest: &str,
        cursor: Option<&str>,
    ) -> Result<Page<HistoryMessage>, Failure> {
        let account = accounts::tier_3(&self.team, "conversations.history");
        self.admit(&account).await?;
        self.note(&account, self.client.history(channel, oldest, cursor).await).await
    }

    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub(crate) async fn channels(&self, cursor: Option<&str>) -> Result<Page<Channel>, Failure> {
        let account = accounts::tier_2(&self.team, "conversations.list");
        self.admit(&account).await?;
        self.note(&account, self.client.channels(cursor).await).await
    }

    async fn admit(&self, account: &Account) -> Result<(), Failure> {
        match self.connections.limiter.admit(account, PATIENCE).await? {
            Ok(()) | Err(Reservation::Granted(_)) => Ok(()),
            Err(Reservation::Wait { wait, parked }) => {
                let why = if parked { "Slack asked for a pause" } else { "Slack's rate is used up" };
                Err(Failure::wait(later(self.connections.clock.now(), wait), why))
            }
        }
    }

    async fn note<T>(&self, account: &Account, answer: Result<T, slack::Error>) -> Result<T, Failure> {
        let limiter = &self.connections.limiter;
        let error = match answer {
            Ok(answer) => {
                limiter.provider_answered(account).await?;
                return Ok(answer);
            }
            Err(error) => error,
        };
        let now = self.connections.clock.now();
        let mut failure = Failure::of_slack(&error, now);
        let noted = match &failure.kind {
            Kind::Throttled { until } => limiter.park(account, *until).await,
            Kind::Reauthorise => limiter.park(account, later(now, UNTIL_REAUTHORISED)).await,
            Kind::Transient | Kind::UnknownOutcome => match limiter.provider_failed(account).await {
                Ok(down) => {
                    failure.whole_account = down;
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Kind::Permanent { .. } => limiter.provider_answered(account).await,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "the limiter could not be told of a failure");
        }
        Err(failure)
    }
}
