//! Files: downloaded and uploaded in pieces, so that none is ever whole in memory.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Value, json};
use wire::time_limits;
use wire::{Download, NoAnswer, Pieces, Response, SendError};

use crate::client::{Client, garbage, text};
use crate::error::Error;
use crate::event::File;

/// A download may be handed on this often.
const MAX_REDIRECTS: usize = 3;
/// The method by which errors of a download are named.
const DOWNLOAD: &str = "download";

impl Client {
    /// Fetches a file's bytes with the bot's token. A redirect to another host is followed without the token.
    ///
    /// With a token that may not read it, Slack answers 200 or a redirect and its login page; that is the permanent error
    /// `not_visible`.
    pub async fn download(&self, file: &File) -> Result<Download, Error> {
        let mut url = self.base.own(DOWNLOAD, &file.download)?;
        for _ in 0..=MAX_REDIRECTS {
            let request = self.http.get(&url).timeout(time_limits::transfer(Some(file.size).filter(|size| *size > 0)));
            let is_own = self.base.own(DOWNLOAD, url.as_str()).is_ok();
            let request = if is_own { request.bearer_auth(&self.token) } else { request };
            let response = request.send().await.map_err(|error| match error {
                SendError::Blocked(_) if !is_own => not_shared(),
                error => Error::no_answer(DOWNLOAD, error),
            })?;
            if !response.status().is_redirection() {
                return download(response, &file.mimetype);
            }
            url = response.location(&url).ok_or_else(not_shared)?;
        }
        Err(not_shared())
    }

    /// `files.info`: a file, and the messages that share it in `channel`.
    pub async fn file(&self, id: &str, channel: &str) -> Result<(File, Vec<String>), Error> {
        let answer = self.call_form("files.info", &[("file", id)]).await?;
        let shares = &answer["file"]["shares"];
        let of = |kind: &str| shares[kind][channel].as_array().cloned().unwrap_or_default();
        let messages = [of("public"), of("private")].concat();
        Ok((File::read(&answer["file"]), messages.iter().map(|share| text(share, "ts")).collect()))
    }

    /// `files.getUploadURLExternal`: where the bytes of a new file go, and its id.
    pub async fn upload_place(&self, name: &str, length: u64) -> Result<(String, String), Error> {
        let length = length.to_string();
        let fields = [("filename", name), ("length", length.as_str())];
        let answer = self.call_form("files.getUploadURLExternal", &fields).await?;
        Ok((text(&answer, "upload_url"), text(&answer, "file_id")))
    }

    /// Sends a file's bytes to its place.
    pub async fn upload(&self, place: &str, length: u64, pieces: Pieces) -> Result<(), Error> {
        const METHOD: &str = "upload";
        let url = self.base.own(METHOD, place)?;
        let request = self.http.post(&url).timeout(time_limits::transfer(Some(length))).header(CONTENT_LENGTH, length);
        let request = request.header(CONTENT_TYPE, "application/octet-stream").body(pieces);
        // Nobody sees the file before it is completed: whatever went wrong here, nothing has happened.
        let failed = |cause: String| Error::no_answer(METHOD, NoAnswer::NotConnected(cause));
        let response = request.send().await.map_err(|error| failed(error.to_string()))?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            413 => Err(Error::Refused { method: METHOD, code: "file_too_large".into(), details: String::new() }),
            status => Err(failed(format!("HTTP {status}"))),
        }
    }

    /// `files.completeUploadExternal`: shares an uploaded file in a channel, or in a thread of it.
    pub async fn share_file(
        &self,
        id: &str,
        title: &str,
        channel: &str,
        thread: Option<&str>,
        comment: &str,
    ) -> Result<(), Error> {
        let mut body =
            json!({"files": [{"id": id, "title": title}], "channel_id": channel, "initial_comment": comment});
        if let Some(thread) = thread {
            body["thread_ts"] = Value::from(thread);
        }
        self.call("files.completeUploadExternal", &body).await.map(|_| ())
    }
}

fn refused(code: &str, details: &str) -> Error {
    Error::Refused { method: DOWNLOAD, code: code.into(), details: details.into() }
}

fn not_shared() -> Error {
    refused("not_visible", "Slack showed its login page; the app needs files:read, and the file must be shared with it")
}

fn download(response: Response, mimetype: &str) -> Result<Download, Error> {
    if response.mime_type() == "text/html" && !mimetype.starts_with("text/html") {
        return Err(not_shared());
    }
    match response.status().as_u16() {
        200 => Ok(Download::of(response)),
        404 | 410 => Err(refused("file_not_found", "")),
        401 | 403 => Err(refused("not_visible", "the app needs files:read")),
        429 => Err(Error::too_many(DOWNLOAD, None)),
        _ => Err(garbage(DOWNLOAD, response.seen())),
    }
}
