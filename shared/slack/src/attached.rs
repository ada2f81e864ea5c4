//! What a message carries besides its text: files, attachments (forwards, cards of apps, previews of links), a huddle.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::received;

/// The most files, attachments or blocks of one message that are read.
pub(crate) const MAX_PARTS: usize = 100;
/// How many forwards of forwards are read.
const MAX_DEPTH: usize = 4;
/// The longest content of a snippet that is shown instead of being copied, in characters.
const MAX_SNIPPET: usize = 2_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub id: String,
    pub name: String,
    /// Its MIME type.
    #[serde(default)]
    pub mimetype: String,
    /// Its size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Where the bot can fetch it with its token.
    #[serde(default)]
    pub download: String,
    /// Its page in Slack; only who may see it can open it.
    #[serde(default)]
    pub permalink: String,
    /// Whether `files.info` has to be asked first, as in channels shared with others.
    #[serde(default)]
    pub ask_first: bool,
    /// Whether it is gone: a tombstone, or hidden by the plan's limit.
    #[serde(default)]
    pub gone: bool,
    #[serde(default)]
    pub kind: FileKind,
    /// All of a small snippet, or the beginning of a voice message's transcript; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Bytes that Slack keeps.
    #[default]
    Hosted,
    /// A voice or video message.
    Clip,
    /// A snippet of text or code.
    Snippet,
    /// In another cloud.
    External {
        /// The cloud's name: `Google Drive`.
        service: String,
        /// Its address there.
        link: String,
    },
    /// A page of Slack's own, which has no bytes.
    Canvas,
    /// A list of Slack's own.
    List,
    /// A post, as older workspaces have them.
    Post,
    /// Deleted.
    Tombstone,
    /// Hidden by the limit of Slack's plan.
    Hidden,
    /// Not for the app to see.
    Denied,
}

impl File {
    /// Reads a file object.
    pub fn read(file: &Value) -> Self {
        let kind = FileKind::read(file);
        let named = || filled(&file["name"]);
        let titled = || filled(&file["title"]);
        let name = match kind {
            FileKind::Hosted | FileKind::Snippet => named().or_else(titled),
            _ => titled().or_else(named),
        };
        Self {
            id: text(&file["id"]),
            name: name.unwrap_or_else(|| "file".into()),
            mimetype: text(&file["mimetype"]),
            size: file["size"].as_u64().unwrap_or_default(),
            download: filled(&file["url_private_download"]).unwrap_or_else(|| text(&file["url_private"])),
            permalink: text(&file["permalink"]),
            ask_first: file["file_access"] == "check_file_info",
            gone: matches!(kind, FileKind::Tombstone | FileKind::Hidden),
            content: kind.content(file),
            kind,
        }
    }

    /// Whether its author took it away.
    pub fn is_taken_back(&self) -> bool {
        self.kind == FileKind::Tombstone
    }
}

impl FileKind {
    fn read(file: &Value) -> Self {
        let is = |name: &str, values: &[&str]| values.iter().any(|value| file[name] == *value);
        if is("mode", &["tombstone"]) || is("file_access", &["file_not_found"]) {
            return Self::Tombstone;
        }
        if is("mode", &["hidden_by_limit"]) {
            return Self::Hidden;
        }
        if is("file_access", &["access_denied"]) || is("mode", &["access_denied"]) {
            return Self::Denied;
        }
        if is("mode", &["external", "remote"]) || file["is_external"] == true {
            let link = filled(&file["external_url"]).unwrap_or_else(|| text(&file["url_private"]));
            return Self::External { service: service(&text(&file["external_type"]), &link), link };
        }
        if is("mode", &["snippet"]) {
            return Self::Snippet;
        }
        if is("mode", &["quip", "canvas"]) || is("filetype", &["quip", "canvas"]) {
            return Self::Canvas;
        }
        if is("mode", &["list"]) || is("filetype", &["list"]) {
            return Self::List;
        }
        if is("mode", &["space", "post", "docs"]) || is("filetype", &["space", "post"]) {
            return Self::Post;
        }
        if is("subtype", &["slack_audio", "slack_video"]) { Self::Clip } else { Self::Hosted }
    }

    fn content(&self, file: &Value) -> String {
        match self {
            Self::Snippet => whole_preview(file).unwrap_or_default(),
            Self::Clip => {
                let preview = &file["transcription"]["preview"];
                let more = if preview["has_more"] == true { " …" } else { "" };
                filled(&preview["content"]).map(|words| format!("{}{more}", begin(&words))).unwrap_or_default()
            }
            _ => String::new(),
        }
    }
}

/// The preview of a snippet, if it is all of a small one.
fn whole_preview(file: &Value) -> Option<String> {
    let preview = filled(&file["preview"]).or_else(|| filled(&file["plain_text"]))?;
    let more = file["preview_is_truncated"] == true || file["lines_more"].as_u64().is_some_and(|more| more > 0);
    // The ends of lines may count twice.
    let length = preview.len() + preview.matches('\n').count() + 2;
    let is_all = file["size"].as_u64().is_none_or(|size| size <= length as u64);
    (!more && is_all && preview.chars().count() <= MAX_SNIPPET).then_some(preview)
}

fn begin(words: &str) -> String {
    words.chars().take(MAX_SNIPPET).collect()
}

/// Slack's type of a cloud, its domain, and what people call it.
const CLOUDS: [(&str, &str, &str); 10] = [
    ("gdrive", "google.com", "Google Drive"),
    ("sharepoint", "sharepoint.com", "SharePoint"),
    ("onedrive", "onedrive.live.com", "OneDrive"),
    ("onedrive", "1drv.ms", "OneDrive"),
    ("box", "box.com", "Box"),
    ("dropbox", "dropbox.com", "Dropbox"),
    ("quip", "quip.com", "Quip"),
    ("figma", "figma.com", "Figma"),
    ("notion", "notion.so", "Notion"),
    ("evernote", "evernote.com", "Evernote"),
];

/// What people call the cloud that a file is in.
fn service(kind: &str, link: &str) -> String {
    let host = url::Url::parse(link).ok().and_then(|url| url.host_str().map(str::to_lowercase)).unwrap_or_default();
    let is_at = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.'));
    let by_kind = CLOUDS.iter().find(|(known, ..)| *known == kind);
    let known = by_kind.or_else(|| CLOUDS.iter().find(|(_, domain, _)| is_at(domain)));
    match known {
        Some((.., name)) => (*name).to_owned(),
        None => host,
    }
}

/// Reads a list of files.
pub(crate) fn files(list: &Value) -> Vec<File> {
    list.as_array().into_iter().flatten().take(MAX_PARTS).map(File::read).collect()
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// Another message: forwarded, or shown because its link was pasted.
    Shared,
    /// A card of an app.
    #[default]
    Card,
    /// The preview of a link that the message itself shows.
    Unfurl,
}

/// Something that hangs on a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    pub kind: AttachmentKind,
    /// Who wrote what was shared: their id and their name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author_id: String,
    /// Their name, or whom an app names as author.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Where it was written: the channel's id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel_id: String,
    /// The channel's name, where Slack says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// Its address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link: String,
    /// What an app says above it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pretext: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Where the title leads.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title_link: String,
    /// Its text, with markup.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Title and value of each field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
    /// A picture's address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Words and address of each button.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<(String, String)>,
    /// The small print below it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub footer: String,
    /// What an app says where none of it can be shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fallback: String,
    /// Its blocks: exacter than its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// What hangs on it in turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// Reads what hangs on a message that itself shows `shown`.
pub(crate) fn attachments(list: &Value, shown: &str) -> Vec<Attachment> {
    attachments_within(list, shown, MAX_DEPTH)
}

fn attachments_within(list: &Value, shown: &str, depth: usize) -> Vec<Attachment> {
    if depth == 0 {
        let has_more = list.as_array().is_some_and(|list| !list.is_empty());
        return has_more.then(|| Attachment { text: "…".into(), ..Attachment::default() }).into_iter().collect();
    }
    list.as_array().into_iter().flatten().take(MAX_PARTS).map(|one| attachment(one, shown, depth)).collect()
}

fn attachment(attachment: &Value, shown: &str, depth: usize) -> Attachment {
    let text = |name: &str| received(attachment[name].as_str().unwrap_or_default()).0;
    let message = &attachment["message_blocks"][0]["message"];
    let own = [&message["blocks"], &attachment["blocks"]].into_iter().map(blocks).find(|list| !list.is_empty());
    let own = own.unwrap_or_default();
    let inner = shown_by(&text("text"), &own);
    let nested = [&attachment["attachments"], &message["attachments"]]
        .into_iter()
        .flat_map(|list| attachments_within(list, &inner, depth - 1))
        .collect();
    let held = [files(&attachment["files"]), files(&message["files"])].into_iter().find(|list| !list.is_empty());
    Attachment {
        kind: kind_of(attachment, shown),
        author_id: text("author_id"),
        author: filled(&attachment["author_name"]).unwrap_or_else(|| text("author_subname")),
        channel_id: text("channel_id"),
        channel: text("channel_name"),
        link: filled(&attachment["from_url"]).unwrap_or_else(|| text("original_url")),
        pretext: text("pretext"),
        title: text("title"),
        title_link: text("title_link"),
        text: text("text"),
        fields: fields(&attachment["fields"]),
        image: filled(&attachment["image_url"]).unwrap_or_else(|| text("thumb_url")),
        buttons: buttons(&attachment["actions"]),
        footer: text("footer"),
        fallback: text("fallback"),
        blocks: own,
        files: held.unwrap_or_default(),
        attachments: nested,
    }
}

fn fields(list: &Value) -> Vec<(String, String)> {
    let list = list.as_array().into_iter().flatten().take(MAX_PARTS);
    list.map(|field| (text(&field["title"]), received(field["value"].as_str().unwrap_or_default()).0)).collect()
}

fn buttons(list: &Value) -> Vec<(String, String)> {
    let list = list.as_array().into_iter().flatten().take(MAX_PARTS);
    list.map(|button| (text(&button["text"]), text(&button["url"]))).filter(|(words, _)| !words.is_empty()).collect()
}

/// The blocks of a message, without the ids that change by themselves.
pub(crate) fn blocks(list: &Value) -> Vec<Value> {
    let list = list.as_array().into_iter().flatten().filter(|block| block.is_object()).take(MAX_PARTS);
    let without_id = |block: &Value| {
        let mut block = block.clone();
        block.as_object_mut().map(|block| block.remove("block_id"));
        block
    };
    list.map(without_id).collect()
}

/// All that a message shows of itself, for [`kind_of`].
pub(crate) fn shown_by(text: &str, blocks: &[Value]) -> String {
    let blocks = if blocks.is_empty() { String::new() } else { Value::from(blocks.to_vec()).to_string() };
    steps::add(text.len() + blocks.len());
    format!("{}\n{blocks}", text.replace("&amp;", "&"))
}

fn kind_of(attachment: &Value, shown: &str) -> AttachmentKind {
    let is_shared = ["is_share", "is_msg_unfurl", "is_thread_root_unfurl", "is_reply_unfurl"];
    if is_shared.iter().any(|flag| attachment[*flag] == true) || !attachment["message_blocks"].is_null() {
        return AttachmentKind::Shared;
    }
    let mut addresses =
        ["from_url", "original_url", "app_unfurl_url"].iter().filter_map(|name| filled(&attachment[*name]));
    if addresses.any(|address| shows(shown, &address)) { AttachmentKind::Unfurl } else { AttachmentKind::Card }
}

/// Whether a text shows an address, by whatever scheme and with a slash at its end or not.
fn shows(shown: &str, address: &str) -> bool {
    let address = address.replace("&amp;", "&");
    let bare = address.split_once("://").map_or(address.as_str(), |(_, bare)| bare).trim_end_matches('/');
    let ends = |rest: &str| {
        let rest = rest.trim_start_matches('/');
        rest.chars().next().is_none_or(|c| c.is_whitespace() || "|>)<\"',.;!".contains(c))
    };
    steps::add(shown.len());
    !bare.is_empty() && shown.match_indices(bare).any(|(at, _)| ends(&shown[at + bare.len()..]))
}

/// A huddle, as the message about it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Huddle {
    /// Who began it.
    pub by: String,
    /// Whether it is over.
    pub is_over: bool,
    /// How many people were in it.
    pub people: usize,
    /// How long it took, in seconds; 0 while it goes on.
    pub seconds: u64,
}

impl Huddle {
    pub(crate) fn read(room: &Value) -> Option<Self> {
        room.as_object()?;
        let count = |name: &str| room[name].as_array().map_or(0, Vec::len);
        let at = |name: &str| room[name].as_u64().unwrap_or_default();
        let is_over = room["has_ended"] == true || at("date_end") > 0;
        Some(Self {
            by: text(&room["created_by"]),
            is_over,
            people: count("participant_history").max(count("participants")),
            seconds: if is_over { at("date_end").saturating_sub(at("date_start")) } else { 0 },
        })
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn filled(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_is_what_slack_says_it_is() {
        let google = FileKind::External { service: "Google Drive".into(), link: "https://docs.google.com/d/1".into() };
        for (file, kind) in [
            (json!({"mode": "hosted"}), FileKind::Hosted),
            (json!({}), FileKind::Hosted),
            (json!({"mode": "hosted", "subtype": "slack_audio"}), FileKind::Clip),
            (json!({"mode": "snippet", "filetype": "post"}), FileKind::Snippet),
            (
                json!({"mode": "external", "external_type": "gdrive", "url_private": "https://docs.google.com/d/1"}),
                google.clone(),
            ),
            (json!({"is_external": true, "external_url": "https://docs.google.com/d/1"}), google),
            (json!({"mode": "quip"}), FileKind::Canvas),
            (json!({"mode": "hosted", "filetype": "canvas"}), FileKind::Canvas),
            (json!({"mode": "list"}), FileKind::List),
            (json!({"mode": "space"}), FileKind::Post),
            (json!({"mode": "tombstone"}), FileKind::Tombstone),
            (json!({"mode": "hidden_by_limit"}), FileKind::Hidden),
            (json!({"mode": "file_access", "file_access": "access_denied"}), FileKind::Denied),
        ] {
            assert_eq!(File::read(&file).kind, kind, "{file}");
        }
    }

    #[test]
    fn a_cloud_has_its_name_by_its_type_or_its_address() {
        for (kind, link, name) in [
            ("gdrive", "https://x.example/", "Google Drive"),
            ("", "https://drive.google.com/file/1", "Google Drive"),
            ("", "https://acme.sharepoint.com/x", "SharePoint"),
            ("", "https://1drv.ms/x", "OneDrive"),
            ("box", "", "Box"),
            ("app", "https://www.dropbox.com/s/1", "Dropbox"),
            ("", "https://files.acme.example/1", "files.acme.example"),
            ("", "https://notgoogle.com/1", "notgoogle.com"),
        ] {
            assert_eq!(service(kind, link), name, "{kind} {link}");
        }
    }

    #[test]
    fn a_small_snippet_is_whole_and_a_long_one_is_not() {
        let snippet = |more: Value| {
            let mut file = json!({"mode": "snippet", "name": "a.rs", "preview": "fn a() {\n}", "size": 10});
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            File::read(&file).content
        };
        assert_eq!(snippet(json!({})), "fn a() {\n}");
        for cut in [json!({"size": 5000}), json!({"preview_is_truncated": true}), json!({"lines_more": 3})] {
            assert_eq!(snippet(cut), "");
        }
    }

    #[test]
    fn a_preview_is_one_only_of_a_link_that_is_shown() {
        let kind = |attachment: Value, shown: &str| kind_of(&attachment, shown);
        let page = json!({"from_url": "https://a.example/x?b=1&amp;c=2"});
        assert_eq!(kind(page.clone(), "see <http://a.example/x?b=1&c=2|this>"), AttachmentKind::Unfurl);
        assert_eq!(kind(page.clone(), "see https://a.example/x"), AttachmentKind::Card);
        let root = json!({"from_url": "https://a.example/"});
        assert_eq!(kind(root.clone(), "look https://a.example"), AttachmentKind::Unfurl);
        assert_eq!(kind(root.clone(), "look https://a.example/other"), AttachmentKind::Card);
        assert_eq!(kind(root, r#"[{"url":"https://a.example"}]"#), AttachmentKind::Unfurl);
        assert_eq!(kind(json!({"text": "x"}), ""), AttachmentKind::Card);
        let forward = json!({"is_share": true, "from_url": "https://a.example"});
        assert_eq!(kind(forward, "https://a.example"), AttachmentKind::Shared);
    }
}
