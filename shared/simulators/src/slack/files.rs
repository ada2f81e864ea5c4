//! Files: uploaded in two steps, downloaded with the bot's token, and a login page for everyone else.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::api::{SlackRefusal, number, refusal, text};
use super::{APP, BOT, BOT_USER, SlackShared, WorkspaceState};
use crate::http::answer as json_answer;

/// A file with its bytes.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) mimetype: String,
    pub(super) bytes: Bytes,
    /// What the file says of its size, where that is not the truth.
    pub(super) size: u64,
    pub(super) user: String,
    /// Channel and message of its shares.
    pub(super) shares: Vec<(String, String, bool)>,
    pub(super) uploaded: bool,
    pub(super) gone: bool,
    pub(super) ask_first: bool,
    /// What it says of itself beside or instead of that.
    pub(super) more: Value,
}

impl StoredFile {
    pub(super) fn show(&self, base: &str) -> Value {
        let mut shares = json!({});
        for (channel, ts, private) in &self.shares {
            let kind = if *private { "private" } else { "public" };
            if shares[kind].is_null() {
                shares[kind] = json!({});
            }
            let list = &mut shares[kind][channel];
            if list.is_null() {
                *list = json!([]);
            }
            if let Some(list) = list.as_array_mut() {
                list.push(json!({"ts": ts, "reply_users": [], "reply_count": 0}));
            }
        }
        if self.gone {
            return json!({"id": self.id, "mode": "tombstone"});
        }
        let mut file = json!({
            "id": self.id, "name": self.name, "title": self.name, "mimetype": self.mimetype, "size": self.size, "user": self.user,
            "mode": "hosted", "is_external": false, "shares": shares,
            "url_private": format!("{base}/files-pri/T0SANDBOX-{}/{}", self.id, self.name),
            "url_private_download": format!("{base}/files-pri/T0SANDBOX-{}/download/{}", self.id, self.name),
            "permalink": format!("https://sandbox.slack.com/files/{}/{}/{}", self.user, self.id, self.name),
        });
        if self.ask_first {
            file["file_access"] = "check_file_info".into();
        }
        if let (Some(file), Some(more)) = (file.as_object_mut(), self.more.as_object()) {
            file.extend(more.clone());
        }
        file
    }
}

fn mimetype(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default().to_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}

impl WorkspaceState {
    /// Keeps a file; returns its id.
    pub(super) fn keep_file(&mut self, name: &str, user: &str, bytes: Bytes, uploaded: bool) -> String {
        let id = format!("F0SAND{:04}", self.files.len() + 1);
        let file = StoredFile {
            id: id.clone(),
            name: name.to_owned(),
            mimetype: mimetype(name).to_owned(),
            size: bytes.len() as u64,
            bytes,
            user: user.to_owned(),
            shares: Vec::new(),
            uploaded,
            gone: false,
            ask_first: false,
            more: Value::Null,
        };
        self.files.insert(id.clone(), file);
        id
    }

    pub(super) fn upload_place(&mut self, params: &Map<String, Value>, base: &str) -> Result<Value, SlackRefusal> {
        let name = text(params, "filename").to_owned();
        let length = number(params, "length").unwrap_or_default();
        if name.is_empty() || length == 0 {
            return Err(("invalid_arguments", json!(["[ERROR] missing required field: filename or length"])));
        }
        let id = self.keep_file(&name, BOT_USER, Bytes::new(), false);
        if let Some(file) = self.files.get_mut(&id) {
            file.size = length as u64;
        }
        Ok(json!({"upload_url": format!("{base}/upload/v1/{id}"), "file_id": id}))
    }

    pub(super) fn file_info(&self, params: &Map<String, Value>, base: &str) -> Result<Value, SlackRefusal> {
        let file = self.files.get(text(params, "file")).ok_or_else(|| refusal("file_not_found"))?;
        let mut shown = file.show(base);
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("file_access");
        }
        Ok(json!({"file": shown}))
    }
}

/// The bytes that a request brings: as they are, or as the one part of a form.
fn sent(request: &Request<Bytes>) -> Bytes {
    let kind =
        request.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let Some((_, boundary)) = kind.split_once("boundary=") else { return request.body().clone() };
    let body = request.body();
    let find = |what: &[u8], from: usize| {
        body[from..].windows(what.len()).position(|window| window == what).map(|at| at + from)
    };
    let start = find(b"\r\n\r\n", 0).map_or(0, |at| at + 4);
    let end = find(format!("\r\n--{}", boundary.trim_matches('"')).as_bytes(), start).unwrap_or(body.len());
    body.slice(start..end)
}

/// Requests for bytes, beside the Web API.
pub(super) fn answer(shared: &SlackShared, request: &Request<Bytes>, base: &str) -> Option<Response<Bytes>> {
    let path = request.uri().path();
    if let Some(id) = path.strip_prefix("/upload/v1/") {
        let mut state = shared.lock();
        let Some(file) = state.files.get_mut(id) else {
            return Some(json_answer(404, &json!({"error": "no such upload"})));
        };
        let bytes = sent(request);
        if bytes.len() as u64 != file.size {
            return Some(json_answer(400, &json!({"error": "length differs"})));
        }
        file.bytes = bytes;
        file.uploaded = true;
        return Some(Response::new(Bytes::from(format!("OK - {}", file.size))));
    }
    let id = path.strip_prefix("/files-pri/T0SANDBOX-")?.split('/').next().unwrap_or_default().to_owned();
    let state = shared.lock();
    let bearer = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let knows = bearer.and_then(|value| value.strip_prefix("Bearer ")) == Some(state.token.as_str());
    let file = state.files.get(&id).filter(|file| !file.gone);
    Some(match file {
        Some(file) if knows && state.reads_files => {
            let mut response = Response::new(file.bytes.clone());
            if let Ok(kind) = file.mimetype.parse() {
                response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            }
            response
        }
        None if knows => {
            let mut response = Response::new(Bytes::from_static(b"not found"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        // Slack shows its login page, with 200.
        _ => {
            let page =
                format!("<!DOCTYPE html><title>Slack</title><form action=\"{base}/signin\">Sign in to Sandbox</form>");
            let mut response = Response::new(Bytes::from(page));
            let kind = http::HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            response
        }
    })
}

impl WorkspaceState {
    pub(super) fn complete_upload(
        &mut self,
        params: &Map<String, Value>,
        base: &str,
        now: jiff::Timestamp,
    ) -> Result<Value, SlackRefusal> {
        let ids: Vec<String> = params
            .get("files")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|file| file["id"].as_str().map(str::to_owned))
            .collect();
        if ids.is_empty() || ids.iter().any(|id| !self.files.get(id).is_some_and(|file| file.uploaded)) {
            return Err(refusal("file_not_found"));
        }
        let channel = text(params, "channel_id").to_owned();
        let found = self.channels.get(&channel).ok_or_else(|| refusal("channel_not_found"))?;
        if found.is_archived {
            return Err(refusal("is_archived"));
        }
        let private = found.is_private;
        let ts = self.next_ts(now);
        for id in &ids {
            if let Some(file) = self.files.get_mut(id) {
                file.shares.push((channel.clone(), ts.clone(), private));
            }
        }
        let shown: Vec<Value> = ids.iter().filter_map(|id| self.files.get(id)).map(|file| file.show(base)).collect();
        let mut message = json!({
            "type": "message", "subtype": "file_share", "user": BOT_USER, "bot_id": BOT, "app_id": APP, "ts": ts, "files": shown,
            "text": text(params, "initial_comment"),
        });
        let thread = text(params, "thread_ts");
        if !thread.is_empty() {
            message["thread_ts"] = thread.into();
        }
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.messages.push(message.clone());
        }
        self.revision += 1;
        Ok(json!({"files": shown, "posted": {"channel": channel, "ts": ts, "message": message}}))
    }
}
