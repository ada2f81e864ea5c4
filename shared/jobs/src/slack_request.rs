//! A person's request in Slack, as its queue carries it.

use serde::{Deserialize, Serialize};
use slack::command::SlashCommand;
use slack::interaction::{Act, Interaction};

/// A command typed, or something pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "asked", rename_all = "snake_case")]
pub enum SlackRequest {
    Command(Box<SlashCommand>),
    /// A button, a menu, a dialog, a shortcut.
    Interaction(Box<Interaction>),
}

impl SlackRequest {
    /// Who asked.
    pub fn user(&self) -> &str {
        match self {
            Self::Command(command) => &command.user,
            Self::Interaction(interaction) => &interaction.user,
        }
    }

    /// What the ledger calls it: `/b24-lead`, `button deal_stage`.
    pub fn name(&self) -> String {
        match self {
            Self::Command(command) => command.command.chars().take(40).collect(),
            Self::Interaction(interaction) => match &interaction.act {
                Act::Chosen { action_id, .. } => format!("button {action_id}"),
                Act::Sent { callback_id, .. } => format!("dialog {callback_id}"),
                Act::Shortcut { callback_id, .. } => format!("shortcut {callback_id}"),
                Act::Other { kind } => kind.chars().take(40).collect(),
            },
        }
    }

    /// What identifies the request, however often Slack sends it: what was typed or pressed, and when.
    pub fn identity(&self) -> String {
        match self {
            Self::Command(command) => format!("{}#{}", command.command, command.trigger_id),
            Self::Interaction(interaction) => match &interaction.act {
                Act::Chosen { action_id, action_ts, .. } => format!("{}#{action_id}#{action_ts}", interaction.user),
                Act::Sent { view_id, .. } => format!("view#{view_id}"),
                Act::Shortcut { callback_id, ts, action_ts, .. } => {
                    format!("{}#{callback_id}#{ts}#{action_ts}", interaction.user)
                }
                Act::Other { kind } => format!("{kind}#{}", interaction.trigger_id),
            },
        }
    }
}
