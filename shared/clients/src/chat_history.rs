//! Reading a chat of Bitrix24 back to a moment, once for all deliveries that wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitrix24::bot;
use bitrix24::tolerant::whole;
use jiff::Timestamp;
use runtime::clock::{MAX_PROVIDER_SKEW, later};
use serde_json::Value;
use wire::ErrorClass;

use crate::{Doubt, Failure, PortalClient};

/// The most pages that one search reads: 2,000 messages.
const MAX_PAGES: usize = 40;
/// More chats than this are not kept at once.
const MAX_READINGS: usize = 100;
/// How long a reading is kept: one that was begun after a restore shows all that was sent before.
const READING_TTL: Duration = Duration::from_secs(15 * 60);

/// What was read of a chat, newest first.
#[derive(Debug, Clone)]
pub struct ChatMessages {
    /// When the first request began: it shows what was sent before.
    began_at: Timestamp,
    /// How far it reaches back.
    since: Timestamp,
    /// The messages, as the portal shows them.
    pub messages: Vec<Value>,
    /// The files in them.
    pub files: Vec<Value>,
    /// Whether there are more since then than were read.
    pub is_cut: bool,
}

/// What was read of chats, for the moment. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct ChatReadings(Arc<Mutex<HashMap<(String, String), Arc<ChatMessages>>>>);

impl ChatReadings {
    fn of(&self, key: &(String, String)) -> Option<Arc<ChatMessages>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: (String, String), reading: Arc<ChatMessages>, now: Timestamp) {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readings.retain(|_, known| now < later(known.began_at, READING_TTL));
        if readings.len() >= MAX_READINGS {
            readings.clear();
        }
        readings.insert(key, reading);
    }
}

/// When a message was sent, as the portal says.
fn sent_at(message: &Value) -> Option<Timestamp> {
    message["date"].as_str()?.parse().ok()
}

impl PortalClient {
    /// The messages of a chat in which a delivery in doubt would be; `None` if the connection's user may not read it.
    pub async fn chat_since(&self, dialog: &str, doubt: &Doubt) -> Result<Option<Arc<ChatMessages>>, Failure> {
        let key = (self.portal.tenant.to_string(), dialog.to_owned());
        let since = doubt.since - MAX_PROVIDER_SKEW;
        let readings = &self.connections.chat_readings;
        if let Some(known) = readings.of(&key)
            && known.began_at >= doubt.settled_at
            && known.since <= since
        {
            return Ok(Some(known));
        }
        let began_at = self.connections.clock.now();
        let Some(reading) = self.read_chat(dialog, since, began_at).await? else { return Ok(None) };
        let reading = Arc::new(reading);
        readings.keep(key, reading.clone(), began_at);
        Ok(Some(reading))
    }

    async fn read_chat(
        &self,
        dialog: &str,
        since: Timestamp,
        began_at: Timestamp,
    ) -> Result<Option<ChatMessages>, Failure> {
        let mut read = ChatMessages { began_at, since, messages: Vec::new(), files: Vec::new(), is_cut: false };
        let mut before = None;
        for _ in 0..MAX_PAGES {
            let mut result = match self.ask(&bot::messages_before(dialog, before)).await {
                Ok(answer) => answer.result,
                Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => return Ok(None),
                Err(failure) => return Err(failure),
            };
            let mut take = |name: &str| result[name].as_array_mut().map(std::mem::take).unwrap_or_default();
            let (page, files) = (take("messages"), take("files"));
            let oldest = page.iter().filter_map(|message| whole(&message["id"])).min();
            // Unread messages may come beside those that were asked for: only their own time ends the search.
            let is_last =
                page.len() < bot::CHAT_PAGE || page.iter().all(|message| sent_at(message).is_some_and(|at| at < since));
            read.messages.extend(page);
            read.files.extend(files);
            if is_last || oldest.is_none() || oldest == before {
                return Ok(Some(read));
            }
            before = oldest;
        }
        Ok(Some(ChatMessages { is_cut: true, ..read }))
    }
}
