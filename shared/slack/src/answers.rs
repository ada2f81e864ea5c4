//! Calls that answer a person: at a response URL, in a dialog, on the home tab, below a link; and deleting a message.

use serde_json::{Map, Value, json};
use wire::time_limits::{MAX_FORM_CALL, MAX_SLACK_CALL};

use crate::client::{Client, garbage, read};
use crate::error::Error;
use crate::id::Ts;
use crate::message::{Posted, SlackMessage};
use crate::view::View;

/// Who sees an answer, and in place of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Only who asked.
    ToOne,
    /// Everybody in the channel.
    ToAll,
    /// Whoever sees the message that it takes the place of.
    Instead,
}

impl Client {
    /// Answers at a command's or an interaction's `response_url`; up to five times within 30 minutes.
    pub async fn respond(&self, response_url: &str, message: &SlackMessage, shown: Shown) -> Result<(), Error> {
        const METHOD: &str = "response_url";
        let url = self.base.own(METHOD, response_url)?;
        let mut body = json!({"text": message.text, "unfurl_links": false});
        match shown {
            Shown::ToOne => body["response_type"] = "ephemeral".into(),
            Shown::ToAll => body["response_type"] = "in_channel".into(),
            Shown::Instead => body["replace_original"] = true.into(),
        }
        if shown == Shown::ToOne {
            body["replace_original"] = false.into();
        }
        if !message.blocks.is_empty() {
            body["blocks"] = json!(message.blocks);
        }
        let request = self.http.post(&url).timeout(MAX_SLACK_CALL).json(&body);
        let response = request.send().await.map_err(|error| Error::no_answer(METHOD, error))?;
        let status = response.status().as_u16();
        if status == 429 {
            return Err(Error::too_many(METHOD, response.retry_after()));
        }
        let (seen, text) = read(METHOD, response).await?;
        if status == 200 {
            return Ok(());
        }
        // An expired or used-up URL says so in a word: `expired_url`, `used_url`.
        let text = String::from_utf8_lossy(&text);
        let code = text.trim();
        let is_code = !code.is_empty() && code.len() < 60 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        match status {
            400..=499 if is_code => {
                Err(Error::Refused { method: METHOD, code: code.to_owned(), details: String::new() })
            }
            404 | 410 => Err(Error::Refused { method: METHOD, code: "expired_url".into(), details: String::new() }),
            _ => Err(garbage(METHOD, seen.with_length(text.len()))),
        }
    }

    /// `chat.postEphemeral`: a message that only one person in a channel sees, for now.
    pub async fn whisper(&self, channel: &str, user: &str, message: &SlackMessage) -> Result<(), Error> {
        let mut body = json!({"channel": channel, "user": user, "text": message.text});
        if !message.blocks.is_empty() {
            body["blocks"] = json!(message.blocks);
        }
        self.call("chat.postEphemeral", &body).await.map(|_| ())
    }

    /// `chat.delete`: deletes one of our messages; fine if it is already gone.
    pub async fn delete_message(&self, posted: &Posted) -> Result<(), Error> {
        match self.call("chat.delete", &json!({"channel": posted.channel, "ts": posted.ts})).await {
            Err(error) if error.code() == Some("message_not_found") => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// `chat.unfurl`: shows a card below each of a message's links.
    pub async fn unfurl(&self, channel: &str, ts: &Ts, cards: &[(String, SlackMessage)]) -> Result<(), Error> {
        let cards: Map<String, Value> =
            cards.iter().map(|(link, card)| (link.clone(), json!({"blocks": card.blocks}))).collect();
        self.call("chat.unfurl", &json!({"channel": channel, "ts": ts, "unfurls": cards})).await.map(|_| ())
    }

    /// `views.open`: opens a dialog, within three seconds of what it answers.
    pub async fn open_view(&self, trigger_id: &str, view: &View) -> Result<(), Error> {
        self.call_within(MAX_FORM_CALL, "views.open", &json!({"trigger_id": trigger_id, "view": view}))
            .await
            .map(|_| ())
    }

    /// `views.publish`: shows a person's home tab.
    pub async fn publish_home(&self, user: &str, view: &View) -> Result<(), Error> {
        self.call("views.publish", &json!({"user_id": user, "view": view})).await.map(|_| ())
    }
}
