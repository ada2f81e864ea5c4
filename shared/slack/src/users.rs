//! The Web API's calls about people, channels and user groups, and reactions.

use serde_json::{Value, json};

use crate::attached::filled;
use crate::client::{Client, SlackPage, page};
use crate::error::Error;
use crate::event::SlackUser;

impl Client {
    /// `users.info`: a person, with their language.
    pub async fn user(&self, id: &str) -> Result<SlackUser, Error> {
        let answer = self.call_form("users.info", &[("user", id), ("include_locale", "true")]).await?;
        Ok(SlackUser::read(&answer["user"]))
    }

    /// `users.list`: a page of the workspace's people.
    pub async fn users(&self, cursor: Option<&str>) -> Result<SlackPage<SlackUser>, Error> {
        let mut fields = vec![("limit", "200"), ("include_locale", "true")];
        fields.extend(cursor.map(|cursor| ("cursor", cursor)));
        let answer = self.call_form("users.list", &fields).await?;
        Ok(page(&answer, "members", SlackUser::read))
    }

    /// `conversations.info`: whether a channel is shared with another organisation, and its name.
    pub async fn channel_info(&self, channel: &str) -> Result<ChannelInfo, Error> {
        let answer = self.call_form("conversations.info", &[("channel", channel)]).await?;
        let channel = &answer["channel"];
        Ok(ChannelInfo {
            name: channel["name"].as_str().unwrap_or_default().to_owned(),
            is_shared: channel["is_ext_shared"] == true || channel["is_pending_ext_shared"] == true,
            is_archived: channel["is_archived"] == true,
            is_member: channel["is_member"] == true,
        })
    }

    /// `usergroups.list`: id and handle of each user group, also of those that were switched off, for old messages name them
    /// (`usergroups:read`).
    pub async fn user_groups(&self) -> Result<Vec<(String, String)>, Error> {
        let answer = self.call_form("usergroups.list", &[("include_disabled", "true")]).await?;
        let group = |group: &Value| {
            let handle = filled(&group["handle"]).or_else(|| filled(&group["name"]))?;
            Some((filled(&group["id"])?, handle))
        };
        Ok(answer["usergroups"].as_array().into_iter().flatten().filter_map(group).collect())
    }

    /// `reactions.add`; one that is there already is as good.
    pub async fn react(&self, channel: &str, ts: &str, name: &str) -> Result<(), Error> {
        let body = json!({"channel": channel, "timestamp": ts, "name": name});
        fine(self.call("reactions.add", &body).await.map(|_| ()), "already_reacted")
    }

    /// `reactions.remove`; one that is gone already is as good.
    pub async fn unreact(&self, channel: &str, ts: &str, name: &str) -> Result<(), Error> {
        let body = json!({"channel": channel, "timestamp": ts, "name": name});
        fine(self.call("reactions.remove", &body).await.map(|_| ()), "no_reaction")
    }
}

/// The answer of `conversations.info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Its name, without `#`.
    pub name: String,
    /// Whether people of another organisation read it.
    pub is_shared: bool,
    /// Whether nobody can post there any more.
    pub is_archived: bool,
    /// Whether the bot is in it.
    pub is_member: bool,
}

fn fine(answer: Result<(), Error>, code: &str) -> Result<(), Error> {
    match answer {
        Err(error) if error.code() == Some(code) => Ok(()),
        answer => answer,
    }
}
