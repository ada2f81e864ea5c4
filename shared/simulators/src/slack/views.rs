//! Dialogs and home tabs, and the trigger ids with which an app may open them.

use serde_json::{Map, Value, json};

use super::api::{SlackRefusal, refusal, text};
use super::{WorkspaceState, blocks};

impl WorkspaceState {
    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn new_trigger(&mut self, user: &str, now: jiff::Timestamp) -> String {
        let id = format!("{}.trigger", self.new_id());
        self.triggers.insert(id.clone(), (user.to_owned(), now));
        id
    }

    pub(super) fn new_response(&mut self, user: &str, channel: &str, now: jiff::Timestamp) -> String {
        let id = self.response_ids.secret("r");
        self.responses.insert(id.clone(), (user.to_owned(), channel.to_owned(), now, 0));
        id
    }

    /// A trigger works once, for three seconds.
    pub(super) fn open_view(
        &mut self,
        params: &Map<String, Value>,
        now: jiff::Timestamp,
    ) -> Result<Value, SlackRefusal> {
        let Some((user, since)) = self.triggers.remove(text(params, "trigger_id")) else {
            return Err(refusal("exchanged_trigger_id"));
        };
        if now.as_millisecond() - since.as_millisecond() > 3_000 {
            return Err(refusal("expired_trigger_id"));
        }
        let mut view = self.checked_view(params)?;
        view["id"] = format!("V0SAND{:04}", self.new_id()).into();
        self.dialogs.insert(user, view.clone());
        self.revision += 1;
        Ok(json!({"view": view}))
    }

    pub(super) fn checked_view(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let view = params.get("view").cloned().unwrap_or_default();
        if let Err(problems) = blocks::check_view(&view) {
            self.refused_blocks += 1;
            return Err(("invalid_arguments", json!(problems)));
        }
        Ok(view)
    }

    pub(super) fn publish(&mut self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let view = self.checked_view(params)?;
        self.homes.insert(text(params, "user_id").to_owned(), view.clone());
        self.revision += 1;
        Ok(json!({"view": view}))
    }
}
