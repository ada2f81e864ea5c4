//! The demonstration's conversations: what its people write in Slack and in a chat on the portal.

use std::time::Duration;

use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use simulators::Sandbox;

use super::Demo;

/// Who writes in Slack, by their e-mail: an administrator of the workspace; and who writes in the chat.
const IN_SLACK: &str = "user1@example.com";
const IN_CHAT: u64 = 6;
/// The channel and the chat that are one conversation.
pub(super) const CHANNEL: &str = "general";
pub(super) const CHAT: &str = "chat57";
/// Messages to one person that are shown.
const MAX_WHISPERS: usize = 4;
/// The largest file that the page can send, in bytes.
const MAX_FILE: usize = 8 * 1024 * 1024;

pub(super) fn routes(demo: Demo) -> Router {
    Router::new()
        .route("/api/slack/say", post(say))
        .route("/api/slack/edit", post(edit))
        .route("/api/slack/delete", post(delete))
        .route("/api/slack/react", post(react))
        .route("/api/slack/press", post(press))
        .route("/api/slack/submit", post(submit))
        .route("/api/slack/home", post(home))
        .route("/api/chat/say", post(write))
        .route("/api/chat/edit", post(rewrite))
        .route("/api/chat/delete", post(unwrite))
        .route("/api/file/{side}/{id}", get(file))
        .route("/api/admin-code", post(code))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_FILE * 2))
        .with_state(demo)
}

/// Gives the people the same names on both sides, and creates a chat.
pub(super) fn prepare(sandbox: &Sandbox) {
    for row in sandbox.portal.users() {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let id = sandbox.slack.person(text("EMAIL"));
        let name = format!("{} {}", text("NAME"), text("LAST_NAME"));
        sandbox.slack.change_person(&id, |profile| name.trim().clone_into(&mut profile.name));
    }
    if sandbox.portal.chats().is_empty() {
        sandbox.portal.add_chat("Support", &[1, IN_CHAT]);
    }
}

/// Lets the bot into the chat once it is registered, as the chat's people would.
pub(super) async fn let_the_bot_in(sandbox: &Sandbox) {
    loop {
        let bots = sandbox.portal.bots();
        let is_in = sandbox.portal.chats().iter().any(|chat| bots.iter().any(|bot| chat.members.contains(bot)));
        if is_in {
            return;
        }
        if !bots.is_empty() {
            sandbox.portal.invite_bots(CHAT);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The state of the conversations that the page shows.
pub(super) fn state(sandbox: &Sandbox) -> Value {
    let persona = sandbox.slack.person(IN_SLACK);
    let whispers = sandbox.slack.whispers(&persona);
    let skip = whispers.len().saturating_sub(MAX_WHISPERS);
    let names: serde_json::Map<String, Value> =
        sandbox.slack.people().into_iter().map(|profile| (profile.id, profile.name.into())).collect();
    let bots = sandbox.portal.bots();
    let messages = sandbox.portal.messages(CHAT).into_iter().map(|row| {
        let author = row["author_id"].as_u64().unwrap_or_default();
        let files = row["params"]["FILE_ID"].as_array().cloned().unwrap_or_default();
        let files = files.iter().filter_map(|id| {
            let (name, _) = sandbox.portal.file(id.as_u64()?)?;
            Some(json!({"id": id, "name": name}))
        });
        json!({
            "id": row["id"], "text": row["text"], "mine": author == IN_CHAT, "bot": bots.contains(&author),
            "name": sandbox.portal.name_of(author), "answers": row["params"]["replyId"], "reactions": row["reactions"],
            "files": files.collect::<Vec<_>>(),
        })
    });
    json!({
        "persona": persona, "names": names, "whispers": whispers[skip..], "dialog": sandbox.slack.dialog(&persona),
        "home": sandbox.slack.home(&persona), "chat": messages.collect::<Vec<_>>(),
    })
}

#[derive(Deserialize)]
struct File {
    name: String,
    content: String,
}

impl File {
    fn bytes(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.content).ok().filter(|bytes| bytes.len() <= MAX_FILE)
    }
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    thread: Option<String>,
    #[serde(default)]
    file: Option<File>,
    #[serde(default)]
    answers: Option<u64>,
}

/// A person writes in Slack; a text that begins with a slash is a command.
async fn say(State(demo): State<Demo>, Json(said): Json<Said>) -> StatusCode {
    let workspace = &demo.sandbox.slack;
    let (user, channel) = (workspace.person(IN_SLACK), workspace.channel_id(&said.channel));
    if channel.is_empty() {
        return StatusCode::NOT_FOUND;
    }
    // As Slack's editor does.
    let typed = slack::text::escape(&said.text);
    if typed.starts_with('/') {
        let (command, text) = typed.split_once(' ').unwrap_or((&typed, ""));
        workspace.command(&user, &channel, command, text).await;
        return StatusCode::NO_CONTENT;
    }
    let file = match said.file.as_ref().map(|file| (file, file.bytes())) {
        Some((_, None)) => return StatusCode::PAYLOAD_TOO_LARGE,
        Some((file, Some(bytes))) => Some(workspace.attach(&user, &file.name, bytes)),
        None => None,
    };
    let files: Vec<&str> = file.as_deref().into_iter().collect();
    workspace.say(&user, &channel, &typed, said.thread.as_deref(), &files);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct OfMessage {
    channel: String,
    ts: String,
    #[serde(default)]
    text: String,
}

async fn edit(State(demo): State<Demo>, Json(of): Json<OfMessage>) -> StatusCode {
    let channel = demo.sandbox.slack.channel_id(&of.channel);
    demo.sandbox.slack.edit(&channel, &of.ts, &slack::text::escape(&of.text));
    StatusCode::NO_CONTENT
}

async fn delete(State(demo): State<Demo>, Json(of): Json<OfMessage>) -> StatusCode {
    let channel = demo.sandbox.slack.channel_id(&of.channel);
    demo.sandbox.slack.delete(&channel, &of.ts);
    StatusCode::NO_CONTENT
}

async fn react(State(demo): State<Demo>, Json(of): Json<OfMessage>) -> StatusCode {
    let slack = &demo.sandbox.slack;
    slack.react(&slack.person(IN_SLACK), &slack.channel_id(&of.channel), &of.ts, "+1", true);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Pressed {
    channel: String,
    action_id: String,
    value: String,
}

async fn press(State(demo): State<Demo>, Json(pressed): Json<Pressed>) -> StatusCode {
    let slack = &demo.sandbox.slack;
    let (user, channel) = (slack.person(IN_SLACK), slack.channel_id(&pressed.channel));
    slack.press(&user, &channel, &pressed.action_id, &pressed.value).await;
    StatusCode::NO_CONTENT
}

async fn submit(
    State(demo): State<Demo>,
    Json(values): Json<std::collections::BTreeMap<String, String>>,
) -> StatusCode {
    let slack = &demo.sandbox.slack;
    let values: Vec<(&str, &str)> = values
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    slack.submit(&slack.person(IN_SLACK), &values).await;
    StatusCode::NO_CONTENT
}

async fn home(State(demo): State<Demo>) -> StatusCode {
    let slack = &demo.sandbox.slack;
    slack.open_home(&slack.person(IN_SLACK));
    StatusCode::NO_CONTENT
}

/// A person writes in the chat.
async fn write(State(demo): State<Demo>, Json(said): Json<Said>) -> StatusCode {
    let portal = &demo.sandbox.portal;
    let file = match said.file.as_ref().map(|file| (file, file.bytes())) {
        Some((_, None)) => return StatusCode::PAYLOAD_TOO_LARGE,
        Some((file, Some(bytes))) => Some(portal.attach(CHAT, &file.name, bytes)),
        None => None,
    };
    let files: Vec<u64> = file.into_iter().collect();
    portal.write(IN_CHAT, CHAT, &said.text, said.answers, &files);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct OfChat {
    message: u64,
    #[serde(default)]
    text: String,
}

async fn rewrite(State(demo): State<Demo>, Json(of): Json<OfChat>) -> StatusCode {
    demo.sandbox.portal.edit(CHAT, of.message, &of.text);
    StatusCode::NO_CONTENT
}

async fn unwrite(State(demo): State<Demo>, Json(of): Json<OfChat>) -> StatusCode {
    demo.sandbox.portal.delete(CHAT, of.message);
    StatusCode::NO_CONTENT
}

/// A file's bytes; pictures are shown, anything else is downloaded.
async fn file(State(demo): State<Demo>, Segment((side, id)): Segment<(String, String)>) -> Response {
    let found = match side.as_str() {
        "slack" => demo.sandbox.slack.file(&id),
        _ => id.parse().ok().and_then(|id| demo.sandbox.portal.file(id)),
    };
    let Some((name, bytes)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let kind = match name.rsplit('.').next().unwrap_or_default().to_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        _ => "application/octet-stream",
    };
    let shown = if kind.starts_with("image/") { "inline" } else { "attachment" };
    ([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, shown), (X_CONTENT_TYPE_OPTIONS, "nosniff")], bytes).into_response()
}

/// A code for the administrators' page: here everyone is an administrator.
async fn code(State(demo): State<Demo>) -> Result<Json<Value>, StatusCode> {
    let code =
        admin::new_code(&demo.engine.backend, &demo.tenant).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(json!({"code": code})))
}
