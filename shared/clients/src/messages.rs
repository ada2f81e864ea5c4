//! More of a Slack workspace's calls under its limiters: messages, people, channels, dialogs, files. Posting cards and
//! reading history are in `workspace`.

use slack::answers::Shown;
use slack::client::SlackPage;
use slack::event::{File, SlackUser};
use slack::users::ChannelInfo;
use slack::{Author, ChannelId, Metadata, Posted, SlackMessage, Ts, View};
use wire::Download;

use crate::failure::Failure;
use crate::rate_buckets;
use crate::workspace::WorkspaceClient;

impl WorkspaceClient {
    /// Posts under a person's name and picture. Call [`WorkspaceClient::admit_post`] before.
    pub async fn post_as(
        &self,
        author: &Author,
        channel: &ChannelId,
        thread: Option<&Ts>,
        message: &SlackMessage,
        metadata: &Metadata,
    ) -> Result<Posted, Failure> {
        let answer = self.client.post_as(author, channel, thread, message, Some(metadata)).await;
        self.note(&rate_buckets::posts(&self.team), answer).await
    }

    /// Deletes one of our messages.
    pub async fn delete(&self, posted: &Posted) -> Result<(), Failure> {
        let account = rate_buckets::tier_3(&self.team, "chat.delete");
        self.admit(&account).await?;
        self.note(&account, self.client.delete_message(posted).await).await
    }

    /// Adds the bot's reaction to a message, or removes it.
    pub async fn react(&self, channel: &str, ts: &str, name: &str, add: bool) -> Result<(), Failure> {
        let account = if add {
            rate_buckets::tier_3(&self.team, "reactions.add")
        } else {
            rate_buckets::tier_2(&self.team, "reactions.remove")
        };
        self.admit(&account).await?;
        let answer =
            if add { self.client.react(channel, ts, name).await } else { self.client.unreact(channel, ts, name).await };
        self.note(&account, answer).await
    }

    /// Whether the workspace accepts the token.
    pub async fn check(&self) -> Result<(), Failure> {
        let account = rate_buckets::tier_4(&self.team, "auth.test");
        self.admit(&account).await?;
        self.note(&account, self.client.auth_test().await).await.map(|_| ())
    }

    /// A person.
    pub async fn user(&self, id: &str) -> Result<SlackUser, Failure> {
        let account = rate_buckets::tier_4(&self.team, "users.info");
        self.admit(&account).await?;
        self.note(&account, self.client.user(id).await).await
    }

    /// A page of the workspace's people.
    pub async fn users(&self, cursor: Option<&str>) -> Result<SlackPage<SlackUser>, Failure> {
        let account = rate_buckets::tier_2(&self.team, "users.list");
        self.admit(&account).await?;
        self.note(&account, self.client.users(cursor).await).await
    }

    /// A channel's name, and whether outsiders read it.
    pub async fn channel_info(&self, channel: &str) -> Result<ChannelInfo, Failure> {
        let account = rate_buckets::tier_3(&self.team, "conversations.info");
        self.admit(&account).await?;
        self.note(&account, self.client.channel_info(channel).await).await
    }

    /// Id and handle of each user group of the workspace.
    pub async fn user_groups(&self) -> Result<Vec<(String, String)>, Failure> {
        let account = rate_buckets::tier_2(&self.team, "usergroups.list");
        self.admit(&account).await?;
        self.note(&account, self.client.user_groups().await).await
    }

    /// Answers at a response URL. It has no rate bucket: every request must be answered.
    pub async fn respond(&self, response_url: &str, message: &SlackMessage, shown: Shown) -> Result<(), Failure> {
        let now = self.connections.clock.now();
        self.client.respond(response_url, message, shown).await.map_err(|error| Failure::of_slack(&error, now))
    }

    /// Shows a message to one person in a channel.
    pub async fn whisper(&self, channel: &str, user: &str, message: &SlackMessage) -> Result<(), Failure> {
        let account = rate_buckets::tier_4(&self.team, "chat.postEphemeral");
        self.admit(&account).await?;
        self.note(&account, self.client.whisper(channel, user, message).await).await
    }

    /// Shows cards below a message's links.
    pub async fn unfurl(&self, channel: &str, ts: &Ts, cards: &[(String, SlackMessage)]) -> Result<(), Failure> {
        let account = rate_buckets::tier_3(&self.team, "chat.unfurl");
        self.admit(&account).await?;
        self.note(&account, self.client.unfurl(channel, ts, cards).await).await
    }

    /// Opens a dialog. It does not wait for a slot: after three seconds the trigger has expired.
    pub async fn open_view(&self, trigger_id: &str, view: &View) -> Result<(), Failure> {
        let now = self.connections.clock.now();
        self.client.open_view(trigger_id, view).await.map_err(|error| Failure::of_slack(&error, now))
    }

    /// Shows a person's home tab.
    pub async fn publish_home(&self, user: &str, view: &View) -> Result<(), Failure> {
        let account = rate_buckets::tier_4(&self.team, "views.publish");
        self.admit(&account).await?;
        self.note(&account, self.client.publish_home(user, view).await).await
    }

    /// A file's bytes, in pieces.
    pub async fn download(&self, file: &File) -> Result<Download, Failure> {
        let now = self.connections.clock.now();
        self.client.download(file).await.map_err(|error| Failure::of_slack(&error, now))
    }

    /// A file, and the messages in a channel that share it.
    pub async fn file(&self, id: &str, channel: &str) -> Result<(File, Vec<String>), Failure> {
        let account = rate_buckets::tier_4(&self.team, "files.info");
        self.admit(&account).await?;
        self.note(&account, self.client.file(id, channel).await).await
    }

    /// Sends a file's bytes; returns its id. Nobody sees it before it is shared.
    pub async fn upload(&self, name: &str, length: u64, download: Download) -> Result<String, Failure> {
        let account = rate_buckets::tier_4(&self.team, "files.getUploadURLExternal");
        self.admit(&account).await?;
        let (place, id) = self.note(&account, self.client.upload_place(name, length).await).await?;
        let now = self.connections.clock.now();
        let sent = self.client.upload(&place, length, download.pieces).await;
        sent.map_err(|error| Failure::of_slack(&error, now))?;
        Ok(id)
    }

    /// Shares an uploaded file in a channel, or in a thread of it.
    pub async fn share_file(
        &self,
        id: &str,
        title: &str,
        channel: &str,
        thread: Option<&str>,
        comment: &str,
    ) -> Result<(), Failure> {
        let account = rate_buckets::tier_4(&self.team, "files.completeUploadExternal");
        self.admit(&account).await?;
        self.note(&account, self.client.share_file(id, title, channel, thread, comment).await).await
    }
}
