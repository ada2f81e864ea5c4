//! Slash commands: what was typed, where, and how to answer.

use serde::{Deserialize, Serialize};

use crate::form::FormFields;
use crate::text::received_with_mark;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlashCommand {
    /// The workspace, or the organisation for an install of a whole one.
    pub team_id: String,
    /// The app that it is sent to.
    pub api_app_id: String,
    /// Where it was typed.
    pub channel: String,
    /// The channel's name; `directmessage` or `privategroup` if Slack does not say.
    pub channel_name: String,
    /// Who typed it.
    pub user: String,
    /// The command: `/b24-lead`.
    pub command: String,
    /// What follows it. Mentions come as `<@U123|name>`; `&`, `<` and `>` as entities.
    pub text: String,
    /// Where up to five answers go within 30 minutes.
    pub response_url: String,
    /// What opens one dialog within three seconds.
    pub trigger_id: String,
}

impl SlashCommand {
    /// Reads a command's form; says what is missing.
    pub fn read(form: &FormFields) -> Result<Self, &'static str> {
        let whole = form.get("is_enterprise_install") == Some("true");
        let team = if whole {
            form.filled("enterprise_id").or_else(|| form.filled("team_id"))
        } else {
            form.filled("team_id")
        };
        Ok(Self {
            team_id: team.ok_or("team_id")?,
            api_app_id: form.filled("api_app_id").unwrap_or_default(),
            channel: form.filled("channel_id").unwrap_or_default(),
            channel_name: form.filled("channel_name").unwrap_or_default(),
            user: form.filled("user_id").ok_or("user_id")?,
            command: form.filled("command").ok_or("command")?,
            text: received_with_mark(form.get("text").unwrap_or_default().trim()),
            response_url: form.filled("response_url").unwrap_or_default(),
            trigger_id: form.filled("trigger_id").unwrap_or_default(),
        })
    }
}
