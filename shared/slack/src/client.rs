//! The Web API client: one call, one answer, every failure with a kind. It neither retries nor limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;
use wire::time_limits::MAX_SLACK_CALL;
use wire::{Http, Instant, NoAnswer, Observer, OutgoingRequest, Response, SeenAnswer};

use crate::error::Error;
use crate::event::SlackUser;
use crate::id::{ChannelId, Ts};
use crate::message::{Author, Metadata, Posted, SlackMessage};

const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Where the Web API is.
#[derive(Debug, Clone)]
pub struct SlackApiBase(String);

impl Default for SlackApiBase {
    fn default() -> Self {
        Self("https://slack.com/api/".into())
    }
}

impl SlackApiBase {
    /// Another address, for a simulator on this very machine; anything else must be https.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self(format!("{}/", wire::api_url("Slack", url).map_err(Error::Address)?)))
    }

    /// The address, if it is not Slack's own.
    pub fn another(&self) -> Option<&str> {
        (self.0 != Self::default().0).then_some(self.0.as_str())
    }

    pub(crate) fn method(&self, method: &str) -> String {
        format!("{}{method}", self.0)
    }

    /// A page of Slack's own, beside its API.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.0.strip_suffix("api/").unwrap_or(&self.0))
    }

    /// A URL of Slack's that an event or a command named, if it is indeed one of Slack's: requests go nowhere else.
    pub(crate) fn own(&self, method: &'static str, url: &str) -> Result<Url, Error> {
        let refused = || Error::Address(format!("{method}: the address is none of Slack's"));
        let parsed = Url::parse(url).map_err(|_| refused())?;
        let base = Url::parse(&self.0).map_err(|_| refused())?;
        let host = parsed.host_str().unwrap_or_default();
        let slacks = ["slack.com", "slack-files.com", "slack-gov.com"];
        let is_slacks =
            slacks.iter().any(|own| host == *own || host.strip_suffix(own).is_some_and(|sub| sub.ends_with('.')));
        let simulated =
            base.host_str() == parsed.host_str() && base.port() == parsed.port() && base.scheme() == parsed.scheme();
        let plain = parsed.username().is_empty() && parsed.password().is_none();
        if plain && ((parsed.scheme() == "https" && is_slacks && parsed.port().is_none()) || simulated) {
            Ok(parsed)
        } else {
            Err(refused())
        }
    }
}

/// Calls one workspace.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) http: Http,
    pub(crate) base: SlackApiBase,
    pub(crate) token: SecretString,
    observer: Option<Arc<dyn Observer>>,
}

/// A channel as `conversations.list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub id: ChannelId,
    /// Its name, without `#`.
    pub name: String,
    /// Whether nobody can post there any more.
    pub is_archived: bool,
}

/// Who a token belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlackIdentity {
    /// The workspace's id.
    pub team_id: String,
    /// The workspace's name.
    pub team: String,
    /// The bot user's id.
    pub user_id: String,
    /// The bot's id, by which its messages are known.
    pub bot_id: String,
}

/// A message in a channel's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryMessage {
    /// Its time.
    pub ts: Ts,
    /// What travels with it.
    pub metadata: Option<Metadata>,
    /// The whole of it, as an event would show it.
    pub shown: Value,
}

/// A page of something, and the cursor of the next.
#[derive(Debug, Clone)]
pub struct SlackPage<T> {
    pub items: Vec<T>,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl Client {
    /// A client with a bot token.
    pub fn new(http: Http, base: SlackApiBase, token: SecretString) -> Self {
        Self { http, base, token, observer: None }
    }

    /// The same client with an observer of each call.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// The token that it works with.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// `auth.test`: who the token belongs to.
    pub async fn auth_test(&self) -> Result<SlackIdentity, Error> {
        let answer = self.call("auth.test", &json!({})).await?;
        Ok(SlackIdentity {
            team_id: text(&answer, "team_id"),
            team: text(&answer, "team"),
            user_id: text(&answer, "user_id"),
            bot_id: text(&answer, "bot_id"),
        })
    }

    /// `chat.postMessage`: posts, with metadata that can be looked up later.
    pub async fn post_message(
        &self,
        channel: &ChannelId,
        message: &SlackMessage,
        metadata: Option<&Metadata>,
    ) -> Result<Posted, Error> {
        self.posted("chat.postMessage", &new_message(channel, message, metadata)).await
    }

    /// `chat.postMessage` under another's name and picture (`chat:write.customize`), in a thread or not.
    pub async fn post_as(
        &self,
        author: &Author,
        channel: &ChannelId,
        thread: Option<&Ts>,
        message: &SlackMessage,
        metadata: Option<&Metadata>,
    ) -> Result<Posted, Error> {
        let mut body = new_message(channel, message, metadata);
        if let Some(thread) = thread {
            body["thread_ts"] = json!(thread);
        }
        body["username"] = author.name.as_str().into();
        if let Some(picture) = &author.picture {
            body["icon_url"] = picture.as_str().into();
        }
        self.posted("chat.postMessage", &body).await
    }

    /// `chat.postMessage` in the thread of `parent`; never shown in the channel besides.
    pub async fn post_reply(
        &self,
        channel: &ChannelId,
        parent: &Ts,
        message: &SlackMessage,
        metadata: Option<&Metadata>,
    ) -> Result<Posted, Error> {
        let mut body = new_message(channel, message, metadata);
        body["thread_ts"] = json!(parent);
        self.posted("chat.postMessage", &body).await
    }

    /// `users.lookupByEmail`: the person with that e-mail.
    pub async fn user_by_email(&self, email: &str) -> Result<SlackUser, Error> {
        let answer = self.call_form("users.lookupByEmail", &[("email", email)]).await?;
        Ok(SlackUser::read(&answer["user"]))
    }

    /// `conversations.open`: the direct messages with a person.
    pub async fn open(&self, user: &str) -> Result<ChannelId, Error> {
        let answer = self.call("conversations.open", &json!({"users": user})).await?;
        Ok(ChannelId(text(&answer["channel"], "id")))
    }

    /// `conversations.create`: makes a public channel, with the bot in it.
    pub async fn create(&self, name: &str) -> Result<ChannelId, Error> {
        let answer = self.call("conversations.create", &json!({"name": name, "is_private": false})).await?;
        Ok(ChannelId(text(&answer["channel"], "id")))
    }

    /// `conversations.replies`: a page of a thread since `oldest`, oldest first, with their metadata; `most` messages
    /// and the parent.
    pub async fn replies(
        &self,
        channel: &ChannelId,
        parent: &Ts,
        oldest: &str,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<SlackPage<HistoryMessage>, Error> {
        let mut body = json!({
            "channel": channel, "ts": parent, "oldest": oldest, "inclusive": true, "limit": most,
            "include_all_metadata": true,
        });
        if let Some(cursor) = cursor {
            body["cursor"] = cursor.into();
        }
        let answer = self.call("conversations.replies", &body).await?;
        Ok(page(&answer, "messages", history_message))
    }

    /// `chat.update`: replaces a message of our own.
    pub async fn update_message(
        &self,
        posted: &Posted,
        message: &SlackMessage,
        metadata: Option<&Metadata>,
    ) -> Result<Posted, Error> {
        let mut body = json!({"channel": posted.channel, "ts": posted.ts, "text": message.text});
        add_content(&mut body, message, metadata);
        self.posted("chat.update", &body).await
    }

    /// `conversations.list`: a page of the channels that the bot can see.
    pub async fn channels(&self, cursor: Option<&str>) -> Result<SlackPage<Channel>, Error> {
        let mut body = json!({"types": "public_channel,private_channel", "limit": 1000, "exclude_archived": false});
        if let Some(cursor) = cursor {
            body["cursor"] = cursor.into();
        }
        let answer = self.call("conversations.list", &body).await?;
        let channel = |channel: &Value| Channel {
            id: ChannelId(text(channel, "id")),
            name: text(channel, "name"),
            is_archived: channel["is_archived"].as_bool().unwrap_or_default(),
        };
        Ok(page(&answer, "channels", channel))
    }

    /// `conversations.join`: joins a public channel.
    pub async fn join(&self, channel: &ChannelId) -> Result<(), Error> {
        self.call("conversations.join", &json!({"channel": channel})).await.map(|_| ())
    }

    /// `conversations.history`: a page of `most` messages since `oldest`, newest first, with their metadata.
    pub async fn history(
        &self,
        channel: &ChannelId,
        oldest: &str,
        cursor: Option<&str>,
        most: usize,
    ) -> Result<SlackPage<HistoryMessage>, Error> {
        let mut body = json!({
            "channel": channel, "oldest": oldest, "inclusive": true, "limit": most, "include_all_metadata": true,
        });
        if let Some(cursor) = cursor {
            body["cursor"] = cursor.into();
        }
        let answer = self.call("conversations.history", &body).await?;
        Ok(page(&answer, "messages", history_message))
    }

    async fn posted(&self, method: &'static str, body: &Value) -> Result<Posted, Error> {
        let answer = self.call(method, body).await?;
        let (channel, ts) = (text(&answer, "channel"), text(&answer, "ts"));
        if channel.is_empty() || ts.is_empty() {
            return Err(garbage(method, SeenAnswer::new(200, "application/json")));
        }
        Ok(Posted { channel: ChannelId(channel), ts: Ts(ts) })
    }

    pub(crate) async fn call(&self, method: &'static str, body: &Value) -> Result<Value, Error> {
        self.call_within(MAX_SLACK_CALL, method, body).await
    }

    pub(crate) async fn call_within(
        &self,
        limit: Duration,
        method: &'static str,
        body: &Value,
    ) -> Result<Value, Error> {
        self.send(method, "application/json; charset=utf-8", body.to_string(), limit).await
    }

    /// Methods that read take a form everywhere, JSON not everywhere.
    pub(crate) async fn call_form(&self, method: &'static str, fields: &[(&str, &str)]) -> Result<Value, Error> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(method, "application/x-www-form-urlencoded", body, MAX_SLACK_CALL).await
    }

    async fn send(&self, method: &'static str, kind: &str, body: String, limit: Duration) -> Result<Value, Error> {
        let request = self.http.post(self.base.method(method)).bearer_auth(&self.token);
        let (began, asked) = (Instant::now(), self.observer.as_ref().map(|_| body.clone()));
        let answer = ask(method, request.header(CONTENT_TYPE, kind).body(body), limit).await;
        if let (Some(observer), Some(asked)) = (&self.observer, asked) {
            observer.saw(method, &asked, answer.as_ref(), began.elapsed());
        }
        answer
    }
}

/// Sends a request and understands its answer, which comes within `limit`.
pub(crate) async fn ask(method: &'static str, request: OutgoingRequest, limit: Duration) -> Result<Value, Error> {
    let response = request.timeout(limit).send().await.map_err(|error| Error::no_answer(method, error))?;
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        return Err(Error::too_many(method, response.retry_after()));
    }
    let (seen, answer) = read(method, response).await?;
    understand(method, seen, &answer)
}

pub(crate) async fn read(method: &'static str, response: Response) -> Result<(SeenAnswer, Bytes), Error> {
    response.read(MAX_ANSWER).await.map_err(|unread| Error::no_answer(method, unread))
}

fn new_message(channel: &ChannelId, message: &SlackMessage, metadata: Option<&Metadata>) -> Value {
    let mut body = json!({
        "channel": channel, "text": message.text, "unfurl_links": false, "unfurl_media": false,
    });
    add_content(&mut body, message, metadata);
    body
}

fn history_message(message: &Value) -> HistoryMessage {
    HistoryMessage {
        ts: Ts(text(message, "ts")),
        metadata: message.get("metadata").and_then(|metadata| serde_json::from_value(metadata.clone()).ok()),
        shown: message.clone(),
    }
}

fn add_content(body: &mut Value, message: &SlackMessage, metadata: Option<&Metadata>) {
    if !message.blocks.is_empty() {
        body["blocks"] = json!(message.blocks);
    }
    if let Some(metadata) = metadata {
        body["metadata"] = json!(metadata);
    }
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn page<T>(answer: &Value, name: &str, read: impl Fn(&Value) -> T) -> SlackPage<T> {
    let items = answer[name].as_array().map(|items| items.iter().map(read).collect()).unwrap_or_default();
    let cursor = answer["response_metadata"]["next_cursor"].as_str().filter(|cursor| !cursor.is_empty());
    SlackPage { items, cursor: cursor.map(str::to_owned) }
}

fn understand(method: &'static str, seen: SeenAnswer, body: &[u8]) -> Result<Value, Error> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return Err(garbage(method, seen)) };
    match answer["ok"].as_bool() {
        Some(true) => Ok(answer),
        Some(false) => Err(Error::Refused { method, code: text(&answer, "error"), details: details(&answer) }),
        None => Err(garbage(method, seen)),
    }
}

/// What helps a person: the scope that is missing, the block that does not fit.
fn details(answer: &Value) -> String {
    let mut details = Vec::new();
    if let Some(needed) = answer["needed"].as_str() {
        details.push(format!("needs the scope {needed}"));
    }
    let messages = answer["response_metadata"]["messages"].as_array();
    details.extend(messages.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    details.join("; ")
}

pub(crate) fn garbage(method: &'static str, seen: SeenAnswer) -> Error {
    Error::no_answer(method, NoAnswer::Garbage(seen))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use wire::ErrorClass;

    use super::*;

    #[test]
    fn the_code_decides_what_to_do() {
        let class = |body: &str| {
            understand("chat.postMessage", SeenAnswer::new(200, ""), body.as_bytes())
                .unwrap_err()
                .class(Timestamp::UNIX_EPOCH)
        };
        assert_eq!(class(r#"{"ok":false,"error":"channel_not_found"}"#), ErrorClass::permanent("channel_not_found"));
        assert_eq!(class(r#"{"ok":false,"error":"token_revoked"}"#), ErrorClass::Reauthorise);
        assert_eq!(class(r#"{"ok":false,"error":"internal_error"}"#), ErrorClass::UnknownOutcome);
        assert_eq!(class("<html>"), ErrorClass::UnknownOutcome);
        assert_eq!(class(r#"{"no":"ok"}"#), ErrorClass::UnknownOutcome);
    }

    #[test]
    fn not_a_byte_of_an_answer_that_is_none_of_slacks_is_shown() {
        for body in ["SECRET-MARKER", r#"{"ok":tr"#, r#"{"token":"SECRET-MARKER"}"#] {
            let error = understand("auth.test", SeenAnswer::new(200, "text/plain").with_length(3), body.as_bytes());
            let text = format!("{0} {0:?}", error.unwrap_err());
            assert!(!text.contains("MARKER") && text.contains("HTTP 200, text/plain"), "{text}");
        }
    }

    #[test]
    fn what_slack_adds_is_kept() {
        let error = understand(
            "chat.postMessage",
            SeenAnswer::new(200, ""),
            br#"{"ok":false,"error":"missing_scope","needed":"chat:write"}"#,
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "chat.postMessage: missing_scope (needs the scope chat:write)");
    }

    #[test]
    fn a_named_address_is_slacks_or_refused() {
        let own = |base: &SlackApiBase, url: &str| base.own("respond", url).is_ok();
        let (slack, local) = (SlackApiBase::default(), SlackApiBase::new("http://127.0.0.1:9/api").unwrap());
        assert!(own(&slack, "https://hooks.slack.com/commands/T1/2/3"));
        assert!(own(&slack, "https://files.slack.com/files-pri/T1-F1/download/a.png"));
        for url in [
            "http://hooks.slack.com/x",
            "https://slack.com.evil.example/x",
            "https://evilslack.com/x",
            "file:///etc/passwd",
            "https://hooks.slack.com:444/x",
            "https://a@hooks.slack.com/x",
            "http://127.0.0.1:9/x",
            "x",
        ] {
            assert!(!own(&slack, url), "{url}");
        }
        assert!(own(&local, "http://127.0.0.1:9/response/1"));
        assert!(!own(&local, "http://127.0.0.1:10/response/1"));
    }
}
