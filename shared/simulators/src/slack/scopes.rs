//! Which scope each method needs, and what Slack answers without it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::WorkspaceState;
use super::api::text;

/// What the app is given when it is installed: what its manifest asks for.
const GIVEN: [&str; 22] = [
    "chat:write",
    "chat:write.public",
    "chat:write.customize",
    "commands",
    "channels:read",
    "channels:join",
    "channels:history",
    "channels:manage",
    "groups:read",
    "groups:history",
    "im:write",
    "im:history",
    "users:read",
    "users:read.email",
    "usergroups:read",
    "files:read",
    "files:write",
    "reactions:read",
    "reactions:write",
    "links:read",
    "links:write",
    "metadata.message:read",
];

pub(super) fn given() -> BTreeSet<String> {
    GIVEN.iter().map(|scope| (*scope).to_owned()).collect()
}

impl WorkspaceState {
    /// The answer to a call for which the app lacks a right, if it does.
    pub(super) fn lacks(&self, method: &str, params: &Map<String, Value>) -> Option<Value> {
        let needed = self.needed(method, params)?;
        let provided: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        (!self.scopes.contains(needed))
            .then(|| json!({"ok": false, "error": "missing_scope", "needed": needed, "provided": provided.join(",")}))
    }

    fn needed(&self, method: &str, params: &Map<String, Value>) -> Option<&'static str> {
        let named = text(params, "channel");
        let channel = self.channels.get(named);
        let by_kind = |public, private, direct| match channel {
            Some(channel) if channel.person.is_some() => direct,
            Some(channel) if channel.is_private => private,
            _ => public,
        };
        Some(match method {
            "chat.postMessage" | "chat.update" | "chat.delete" | "chat.postEphemeral" => "chat:write",
            "chat.unfurl" => "links:write",
            "users.info" | "users.list" => "users:read",
            "users.lookupByEmail" => "users:read.email",
            "usergroups.list" | "usergroups.users.list" => "usergroups:read",
            "reactions.add" | "reactions.remove" => "reactions:write",
            "files.getUploadURLExternal" | "files.completeUploadExternal" => "files:write",
            "files.info" => "files:read",
            "conversations.list" => "channels:read",
            "conversations.info" => by_kind("channels:read", "groups:read", "im:read"),
            "conversations.history" | "conversations.replies" => {
                by_kind("channels:history", "groups:history", "im:history")
            }
            "conversations.join" => "channels:join",
            "conversations.open" => "im:write",
            _ => return None,
        })
    }
}
