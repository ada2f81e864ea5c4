//! File uploads: made, sent, completed, attached; and the signed addresses that show a file for an hour.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use runtime::clock::later;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::{ApiRequest, NotionResult, missing};
use super::text::{NotionRefusal, invalid, should, too_long, undefined, web_address};
use super::{BOT, NotionState, normal};

/// How long an upload waits to be attached, and a signed address is good.
const EXPIRES_AFTER: Duration = Duration::from_secs(3_600);
/// The least size of a part but the last.
const MIN_PART: usize = 5 * 1024 * 1024;

/// A file that is uploaded.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) mode: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) created: Timestamp,
    pub(crate) edited: Timestamp,
    /// `pending` or `uploaded`; what expired is known by its time.
    pub(crate) status: String,
    pub(crate) parts: u64,
    pub(crate) sent: BTreeSet<u64>,
    pub(crate) length: usize,
    pub(crate) attached: bool,
}

impl NotionState {
    pub(super) fn create_upload(&mut self, body: &Value) -> NotionResult {
        self.needs("insert")?;
        let text = |name: &str| match body.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() > 900 && name == "filename" => Err(too_long(name, 900, text.len())),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            other => Err(should(name, "a string", other)),
        };
        let (mode, name, kind) = (text("mode")?, text("filename")?, text("content_type")?);
        let mode = mode.unwrap_or_else(|| "single_part".into());
        let mut parts = 1;
        let mut status = "pending";
        match mode.as_str() {
            "single_part" => {}
            "multi_part" => {
                if name.is_none() {
                    return Err(undefined("filename"));
                }
                let given = body.get("number_of_parts");
                parts = given
                    .and_then(Value::as_u64)
                    .filter(|parts| (1..=1_000).contains(parts))
                    .ok_or_else(|| should("number_of_parts", "a number from 1 to 1000", given))?;
            }
            "external_url" => {
                web_address("external_url", body.get("external_url"))?;
                status = "uploaded";
            }
            _ => return Err(should("mode", "`single_part`, `multi_part` or `external_url`", body.get("mode"))),
        }
        let id = self.id();
        let upload = Upload {
            id: id.clone(),
            mode,
            name: name.unwrap_or_default(),
            kind: kind.unwrap_or_else(|| "application/octet-stream".into()),
            created: self.now,
            edited: self.now,
            status: status.into(),
            parts,
            ..Upload::default()
        };
        self.uploads.insert(id.clone(), upload);
        self.note_upload("file_upload.created", &id);
        if status == "uploaded" {
            self.note_upload("file_upload.completed", &id);
        }
        Ok(self.show_upload(&id))
    }

    fn status_of(&self, upload: &Upload) -> &'static str {
        let is_old = later(upload.created, EXPIRES_AFTER) <= self.now;
        match upload.status.as_str() {
            _ if is_old && !upload.attached => "expired",
            "uploaded" => "uploaded",
            _ => "pending",
        }
    }

    fn show_upload(&self, id: &str) -> Value {
        let Some(upload) = self.uploads.get(id) else { return Value::Null };
        let status = self.status_of(upload);
        let mut shown = json!({
            "object": "file_upload", "id": id, "created_time": super::minute(upload.created),
            "created_by": {"id": BOT, "type": "bot"}, "last_edited_time": super::minute(upload.edited),
            "expiry_time": (!upload.attached).then(|| super::minute(later(upload.created, EXPIRES_AFTER))),
            "in_trash": false, "status": status, "filename": (!upload.name.is_empty()).then_some(&upload.name),
            "content_type": upload.kind, "content_length": (upload.status == "uploaded").then_some(upload.length),
        });
        if status == "pending" {
            shown["upload_url"] = json!(format!("https://api.notion.com/v1/file_uploads/{id}/send"));
        }
        if upload.mode == "multi_part" {
            shown["number_of_parts"] = json!({"total": upload.parts, "sent": upload.sent.len()});
            if status == "pending" {
                shown["complete_url"] = json!(format!("https://api.notion.com/v1/file_uploads/{id}/complete"));
            }
        }
        shown
    }

    pub(super) fn retrieve_upload(&self, id: &str) -> NotionResult {
        self.needs("read")?;
        if self.uploads.contains_key(id) { Ok(self.show_upload(id)) } else { Err(missing("file upload", id)) }
    }

    pub(super) fn list_uploads(&self, call: &ApiRequest) -> NotionResult {
        self.needs("read")?;
        let wanted = call.asked("status");
        if let Some(other) = wanted.filter(|status| !["pending", "uploaded", "expired", "failed"].contains(status)) {
            return Err(invalid(format!(
                "query failed validation: query.status should be a status of a file upload, instead was `\"{other}\"`."
            )));
        }
        let of = |upload: &&Upload| wanted.is_none_or(|wanted| self.status_of(upload) == wanted);
        let all: Vec<_> = self.uploads.values().filter(of).map(|upload| self.show_upload(&upload.id)).collect();
        self.listed(&all, "file_upload", call)
    }

    /// The upload, if it still takes something.
    fn open_upload(&self, id: &str) -> Result<&Upload, NotionRefusal> {
        let upload = self.uploads.get(id).ok_or_else(|| missing("file upload", id))?;
        match self.status_of(upload) {
            "pending" => Ok(upload),
            status => Err(invalid(format!(
                "This file upload has status `{status}`; only a pending one can be sent to or completed."
            ))),
        }
    }

    pub(super) fn send_upload(&mut self, id: &str, request: &Request<Bytes>) -> NotionResult {
        self.needs("insert")?;
        let upload = self.open_upload(id)?;
        let (is_single, parts, name) = (upload.mode == "single_part", upload.parts, upload.name.clone());
        let form =
            form(request).ok_or_else(|| invalid("The request should be multipart/form-data with a field `file`."))?;
        let Some(file) = form.iter().find(|part| part.name == "file") else { return Err(undefined("file")) };
        let number = form.iter().find(|part| part.name == "part_number");
        let number =
            number.map(|part| std::str::from_utf8(part.body).ok().and_then(|text| text.trim().parse::<u64>().ok()));
        let number = match (is_single, number) {
            (true, None) => 1,
            (false, Some(Some(number))) if (1..=parts).contains(&number) => number,
            _ => {
                return Err(invalid(format!(
                    "body failed validation: body.part_number should be {}.",
                    if is_single { "not present".to_owned() } else { format!("a number from 1 to {parts}") }
                )));
            }
        };
        let length = file.body.len();
        if length == 0 || (!is_single && number < parts && length < MIN_PART) {
            return Err(invalid(
                "body failed validation: body.file is too small: parts but the last have 5 MiB at least.",
            ));
        }
        let so_far = self.uploads.get(id).map_or(0, |upload| upload.length);
        if so_far + length > self.switches.largest_file {
            return Err(invalid(format!(
                "The file is larger than the workspace allows: {} bytes at most.",
                self.switches.largest_file
            )));
        }
        let now = self.now;
        if let Some(upload) = self.uploads.get_mut(id) {
            if upload.sent.insert(number) {
                upload.length += length;
            }
            upload.edited = now;
            if name.is_empty() {
                upload.name.clone_from(&file.file_name);
            }
            if is_single {
                upload.status = "uploaded".into();
            }
        }
        if is_single {
            self.note_upload("file_upload.completed", id);
        }
        Ok(self.show_upload(id))
    }

    pub(super) fn complete_upload(&mut self, id: &str) -> NotionResult {
        self.needs("insert")?;
        let upload = self.open_upload(id)?;
        if upload.mode != "multi_part" {
            return Err(invalid("Only a file upload of mode `multi_part` is completed."));
        }
        if upload.sent.len() as u64 != upload.parts {
            return Err(invalid(format!("Parts are missing: {} of {} were sent.", upload.sent.len(), upload.parts)));
        }
        let now = self.now;
        if let Some(upload) = self.uploads.get_mut(id) {
            upload.status = "uploaded".into();
            upload.edited = now;
        }
        self.note_upload("file_upload.completed", id);
        Ok(self.show_upload(id))
    }

    /// The id of an upload that can be attached.
    pub(super) fn ready_upload(&self, path: &str, given: &Value) -> Result<String, NotionRefusal> {
        let Some(id) = given["id"].as_str().map(normal) else {
            return Err(should(&format!("{path}.id"), "a valid uuid", given.get("id")));
        };
        let upload = self.uploads.get(&id).ok_or_else(|| missing("file upload", &id))?;
        match self.status_of(upload) {
            "uploaded" => Ok(id),
            status => Err(invalid(format!(
                "The file upload {id} has status `{status}`; only an uploaded one can be attached."
            ))),
        }
    }

    /// Attaches an upload; gives its id and name.
    pub(super) fn attach(&mut self, path: &str, given: &Value) -> Result<Value, NotionRefusal> {
        let id = self.ready_upload(path, given)?;
        let Some(upload) = self.uploads.get_mut(&id) else { return Err(missing("file upload", &id)) };
        upload.attached = true;
        Ok(json!({"id": id, "name": upload.name}))
    }

    /// The upload that a signed address shows.
    pub(super) fn upload_of(&self, url: &str) -> Option<String> {
        let path = url.strip_prefix("https://prod-files-secure.s3.us-west-2.amazonaws.com/")?;
        let id = path.split(['/', '?']).next()?;
        self.uploads.contains_key(id).then(|| id.to_owned())
    }

    /// The address of an upload, good for an hour; another one whenever it is asked for.
    pub(super) fn signed(&self, id: &str) -> Value {
        let name = self
            .uploads
            .get(id)
            .map(|upload| upload.name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_"));
        let (name, signed) = (name.unwrap_or_default(), self.now.as_second());
        json!({
            "url": format!("https://prod-files-secure.s3.us-west-2.amazonaws.com/{id}/{name}?X-Amz-Date={signed}&X-Amz-Expires=3600"),
            "expiry_time": later(self.now, EXPIRES_AFTER).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        })
    }

    /// A file of a property as the API shows it.
    pub(super) fn show_file(&self, file: &Value) -> Value {
        match file["upload"].as_str() {
            Some(id) => json!({"name": file["name"], "type": "file", "file": self.signed(id)}),
            None => file.clone(),
        }
    }

    /// A block's value, with a signed address in the place of an upload.
    pub(super) fn shown_media(&self, value: &Value) -> Value {
        let mut shown = value.clone();
        let upload = value["file_upload"]["id"].as_str().map(normal);
        if let (Some(fields), Some(id)) = (shown.as_object_mut(), upload) {
            fields.remove("file_upload");
            fields.insert("type".into(), json!("file"));
            fields.insert("file".into(), self.signed(&id));
        }
        shown
    }

    /// What kind of attachment of a comment an upload is.
    pub(super) fn category(&self, id: &str) -> &'static str {
        let kind = self.uploads.get(id).map(|upload| upload.kind.as_str()).unwrap_or_default();
        match kind.split('/').next() {
            Some("image") => "image",
            Some("audio") => "audio",
            Some("video") => "video",
            _ if kind == "application/pdf" => "pdf",
            _ => "productivity",
        }
    }
}

struct UploadPart<'a> {
    name: String,
    file_name: String,
    body: &'a [u8],
}

/// The parts of a multipart form.
fn form(request: &Request<Bytes>) -> Option<Vec<UploadPart<'_>>> {
    let kind = request.headers().get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = kind.strip_prefix("multipart/form-data")?.split_once("boundary=")?.1.trim_matches('"');
    let delimiter = format!("--{boundary}");
    if boundary.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    let mut rest: &[u8] = request.body();
    rest = rest.get(find(rest, delimiter.as_bytes())? + delimiter.len()..)?;
    while !rest.starts_with(b"--") {
        let end = find(rest, delimiter.as_bytes())?;
        let part = rest.get(..end)?;
        let head_end = find(part, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(part.get(..head_end)?).into_owned();
        let body = part.get(head_end + 4..)?;
        let value = |name: &str| {
            let found = head.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
            found.map(|(value, _)| value.to_owned()).unwrap_or_default()
        };
        parts.push(UploadPart {
            name: value(" name"),
            file_name: value("filename"),
            body: body.strip_suffix(b"\r\n").unwrap_or(body),
        });
        rest = rest.get(end + delimiter.len()..)?;
    }
    Some(parts)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
