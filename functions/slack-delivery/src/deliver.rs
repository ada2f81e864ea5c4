//! One delivery, from its ledger line to its message in the channel.

use std::time::Duration;

use connect::{Failure, WorkspaceClient};
use platform::Kind;
use platform::job::{Job, Outcome};
use platform::ledger::{DeliveryLine, DeliveryStatus, OpenCall};
use platform::retry::GIVE_UP_AFTER;
use platform::store::Version;
use platform::{DeliveryId, TenantId};
use rules::SlackDelivery;
use rules::delivery::METADATA_EVENT;
use serde_json::json;
use slack::{ChannelId, Metadata, Posted};

use crate::{Deps, look_up};

/// A call whose answer was lost may still be on its way: look for its effect not sooner than this.
const SETTLES: Duration = Duration::from_secs(5);

/// A delivery in hand.
struct Delivery<'a> {
    deps: &'a Deps,
    job: &'a Job<SlackDelivery>,
    line: DeliveryLine,
    /// The version to write the line over.
    version: Version,
}

pub(crate) async fn deliver(deps: &Deps, job: Job<SlackDelivery>) -> Outcome {
    let id = DeliveryId::from_text(&job.body.delivery);
    let (line, version) = match deps.ledger.delivery(&job.tenant, job.trace, &id).await {
        Ok(Some(found)) => found,
        // Lines are kept longer than queues keep jobs, so this is a job that nobody wrote down.
        Ok(None) => {
            let reason = format!("delivery {id} has no line in the ledger; nothing was sent");
            return Outcome::Dead { code: "no_ledger_line".into(), reason };
        }
        Err(error) => return Failure::from(error).outcome(deps.clock.now(), job.attempt),
    };
    let mut delivery = Delivery { deps, job: &job, line, version };
    match delivery.run().await {
        Ok(outcome) => outcome,
        Err(failure) => delivery.fail(&failure).await,
    }
}

impl Delivery<'_> {
    async fn run(&mut self) -> Result<Outcome, Failure> {
        if let DeliveryStatus::Delivered { .. } = self.line.status {
            return Ok(Outcome::Skip("already delivered".into()));
        }
        if let Some(posted) = self.look_before_again().await? {
            return self.delivered(&posted).await;
        }
        let workspace = self.workspace().await?;
        let channel = workspace.channel(&self.job.body.channel, false).await?;
        workspace.admit_post(&channel).await?;
        match self.post(&workspace, &channel).await {
            Err(failure) => self.mend(&workspace, failure).await,
            posted => self.delivered(&posted?).await,
        }
    }

    async fn workspace(&self) -> Result<WorkspaceClient, Failure> {
        let portal = self.deps.connections.portal(self.tenant()).await?;
        self.deps.connections.slack(&portal).await
    }

    /// The message of an earlier try whose outcome is unknown, if it is there.
    async fn look_before_again(&self) -> Result<Option<Posted>, Failure> {
        let Some(OpenCall { began_at, place }) = &self.line.open_call else { return Ok(None) };
        let settled = platform::clock::later(*began_at, SETTLES);
        let wait = platform::clock::until(self.deps.clock.now(), settled);
        if !wait.is_zero() {
            self.deps.clock.sleep(wait).await;
        }
        let channel = ChannelId(place.clone());
        look_up::find(&self.workspace().await?, &channel, *began_at, self.line.id.as_str()).await
    }

    /// Posts once, between `started` and whatever comes of it.
    async fn post(&mut self, workspace: &WorkspaceClient, channel: &ChannelId) -> Result<Posted, Failure> {
        self.line.attempts += 1;
        let at = self.deps.clock.now();
        self.line.open_call = Some(OpenCall { began_at: at, place: channel.0.clone() });
        self.write(DeliveryStatus::Started { at }).await?;
        let metadata = Metadata {
            event_type: METADATA_EVENT.into(),
            event_payload: json!({"delivery_id": self.line.id.as_str()}),
        };
        let posted = workspace.post(channel, &self.job.body.message, &metadata).await;
        if posted.as_ref().is_err_and(|failure| failure.kind != Kind::UnknownOutcome) {
            self.line.open_call = None;
        }
        posted
    }

    /// Two failures have a remedy: the bot is not in a public channel, or the channel's name means another now.
    async fn mend(&mut self, workspace: &WorkspaceClient, failure: Failure) -> Result<Outcome, Failure> {
        let channel = match failure.code() {
            "not_in_channel" => {
                let channel = workspace.channel(&self.job.body.channel, false).await?;
                workspace.join(&channel).await.map_err(|_| failure)?;
                channel
            }
            "channel_not_found" => {
                let known = workspace.channel(&self.job.body.channel, false).await?;
                let fresh = workspace.channel(&self.job.body.channel, true).await?;
                if fresh == known {
                    return Err(failure);
                }
                fresh
            }
            _ => return Err(failure),
        };
        workspace.admit_post(&channel).await?;
        let posted = self.post(workspace, &channel).await?;
        self.delivered(&posted).await
    }

    async fn delivered(&mut self, posted: &Posted) -> Result<Outcome, Failure> {
        let provider_id = format!("{}/{}", posted.channel, posted.ts);
        tracing::info!(trace = %self.job.trace, tenant = %self.tenant(), delivery = %self.line.id, provider_id, "delivered");
        self.write(DeliveryStatus::Delivered { at: self.deps.clock.now(), provider_id }).await?;
        Ok(Outcome::Done)
    }

    /// Writes down what the failure means for the line, and says what becomes of the job.
    async fn fail(&mut self, failure: &Failure) -> Outcome {
        let now = self.deps.clock.now();
        let mut outcome = failure.outcome(now, self.line.attempts.max(1));
        if let Outcome::Dead { code, .. } = &outcome {
            outcome = Outcome::Dead { code: code.clone(), reason: self.explain(failure) };
        }
        if let Outcome::Retry { after, .. } = &outcome
            && !failure.whole_account
        {
            self.line.waited += *after;
            if self.line.waited > GIVE_UP_AFTER {
                let reason = format!("given up after a day of tries: {}", failure.text);
                outcome = Outcome::Dead { code: "gave_up".into(), reason };
            }
        }
        let status = match &outcome {
            Outcome::Dead { code, reason } => DeliveryStatus::Dead { code: code.clone(), reason: reason.clone() },
            _ => DeliveryStatus::Retrying { cause: failure.text.clone() },
        };
        if let Err(error) = self.write(status).await {
            tracing::warn!(trace = %self.job.trace, tenant = %self.tenant(), %error, "the ledger could not be told of a failure");
            // Another worker has the line; whatever it did, the next try will see.
            return Outcome::Retry { after: Duration::from_secs(1), cause: error.text };
        }
        outcome
    }

    fn explain(&self, failure: &Failure) -> String {
        let SlackDelivery { route, channel, .. } = &self.job.body;
        let fix = match failure.code() {
            "channel_not_found" => "create the channel, invite the bot if it is private, or change the route",
            "is_archived" => "unarchive the channel or change the route",
            "not_in_channel" => "invite the bot to the channel: /invite @Switchboard",
            "slack_not_connected" => "connect a workspace",
            "missing_scope" => "install the app again with the scope it names",
            _ => "see the text of Slack's error",
        };
        format!("channel {channel:?} of route {route:?}: {}: {}; {fix}", failure.code(), failure.text)
    }

    async fn write(&mut self, status: DeliveryStatus) -> Result<(), Failure> {
        self.line.status = status;
        self.version = self.deps.ledger.record_delivery(self.tenant(), self.line.clone(), self.version).await?;
        Ok(())
    }

    fn tenant(&self) -> &TenantId {
        &self.job.tenant
    }
}
