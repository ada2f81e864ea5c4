//! Comments on pages and blocks, in discussions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::{ApiRequest, NotionResult, in_trash, missing};
use super::text::{NotionRefusal, fix_one, invalid, list, should};
use super::{BOT, NAME, NotionState, normal};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct PageComment {
    pub(crate) id: String,
    /// The page or block that it is on.
    pub(crate) on: String,
    pub(crate) discussion: String,
    pub(crate) rich_text: Value,
    pub(crate) created: Timestamp,
    pub(crate) edited: Timestamp,
    pub(crate) author: String,
    pub(crate) display_name: Value,
    pub(crate) attachments: Vec<String>,
    /// Whether its discussion was resolved: such comments are listed no more.
    pub(crate) resolved: bool,
}

impl NotionState {
    /// The text of a comment: rich text or inline Markdown, and not both.
    fn comment_text(&self, body: &Value) -> Result<Value, NotionRefusal> {
        match (body.get("rich_text"), body.get("markdown")) {
            (Some(_), Some(markdown)) => Err(should("markdown", "not present with rich_text", Some(markdown))),
            (Some(text), None) => {
                let shown = self.rich_text("rich_text", Some(text))?;
                if shown.as_array().is_some_and(Vec::is_empty) {
                    return Err(invalid("body failed validation: body.rich_text should not be empty."));
                }
                Ok(shown)
            }
            (None, Some(Value::String(markdown))) if !markdown.is_empty() => {
                self.rich_text("markdown", Some(&super::markdown::inline(markdown)))
            }
            (None, Some(other)) => Err(should("markdown", "a populated string", Some(other))),
            (None, None) => Err(fix_one("", &["rich_text", "markdown"])),
        }
    }

    pub(super) fn create_comment(&mut self, body: &Value) -> NotionResult {
        self.needs("insert_comments")?;
        let (parent, discussion) = (&body["parent"], body["discussion_id"].as_str().map(normal));
        let named = parent["page_id"].as_str().or(parent["block_id"].as_str()).map(normal);
        let on = match (named, &discussion) {
            (Some(_), Some(_)) => {
                return Err(should("discussion_id", "not present with parent", body.get("discussion_id")));
            }
            (Some(id), None) => id,
            (None, Some(discussion)) => {
                let found = self.comments.values().find(|comment| comment.discussion == *discussion);
                found.map(|comment| comment.on.clone()).ok_or_else(|| missing("discussion", discussion))?
            }
            (None, None) => return Err(fix_one("parent", &["page_id", "block_id"])),
        };
        let kind = if parent["page_id"].is_string() { "page" } else { "block" };
        let page = self.page_of(&on).filter(|page| self.page(page).is_some()).ok_or_else(|| missing(kind, &on))?;
        if kind == "page" && page != on {
            return Err(missing("page", &on));
        }
        if self.pages.get(&page).is_some_and(|page| self.is_trashed(page)) {
            return Err(in_trash());
        }
        let text = self.comment_text(body)?;
        let mut attachments = Vec::new();
        for (index, one) in list("attachments", body.get("attachments").or(Some(&json!([]))), 3)?.iter().enumerate() {
            let path = format!("attachments[{index}]");
            let upload = self.ready_upload(&path, &json!({"id": one["file_upload_id"]}))?;
            attachments.push(upload);
        }
        let name = display_name(&body["display_name"])?;
        let id = self.comment(&on, discussion, text, BOT);
        if let Some(comment) = self.comments.get_mut(&id) {
            comment.display_name = name;
            comment.attachments = attachments;
        }
        Ok(self.shown_comment(&id))
    }

    /// Adds a comment.
    pub(super) fn comment(&mut self, on: &str, discussion: Option<String>, text: Value, author: &str) -> String {
        let (id, new) = (self.id(), self.id());
        let comment = PageComment {
            id: id.clone(),
            on: on.into(),
            discussion: discussion.unwrap_or(new),
            rich_text: text,
            created: self.now,
            edited: self.now,
            author: author.into(),
            display_name: json!({"type": "integration", "resolved_name": NAME}),
            ..PageComment::default()
        };
        self.comments.insert(id.clone(), comment);
        self.revision += 1;
        self.note_comment("comment.created", &id, author);
        id
    }

    /// A comment after a write: without the capability to read comments, its id alone.
    fn shown_comment(&self, id: &str) -> Value {
        let Some(comment) = self.comments.get(id).filter(|_| self.capabilities.contains("read_comments")) else {
            return json!({"object": "comment", "id": id});
        };
        let parent = if self.pages.contains_key(&comment.on) {
            json!({"type": "page_id", "page_id": comment.on})
        } else {
            json!({"type": "block_id", "block_id": comment.on})
        };
        let name = if comment.author == BOT {
            comment.display_name.clone()
        } else {
            json!({"type": "user", "resolved_name": self.user(&comment.author)["name"]})
        };
        let mut shown = json!({
            "object": "comment", "id": id, "parent": parent, "discussion_id": comment.discussion,
            "created_time": super::minute(comment.created), "last_edited_time": super::minute(comment.edited),
            "created_by": {"object": "user", "id": comment.author}, "rich_text": comment.rich_text, "display_name": name,
        });
        if !comment.attachments.is_empty() {
            let file = |id: &String| json!({"category": self.category(id), "file": self.signed(id)});
            shown["attachments"] = comment.attachments.iter().map(file).collect();
        }
        shown
    }

    /// The comment, if the connection sees what it is on.
    fn visible_comment(&self, id: &str) -> Result<&PageComment, NotionRefusal> {
        let comment = self.comments.get(id);
        let seen = comment.filter(|comment| self.page_of(&comment.on).is_some_and(|page| self.page(&page).is_some()));
        seen.ok_or_else(|| missing("comment", id))
    }

    pub(super) fn list_comments(&self, call: &ApiRequest) -> NotionResult {
        self.needs("read_comments")?;
        let Some(block) = call.asked("block_id") else {
            return Err(invalid("query failed validation: query.block_id should be defined, instead was `undefined`."));
        };
        let block = normal(block);
        if self.page_of(&block).is_none_or(|page| self.page(&page).is_none()) {
            return Err(missing("block", &block));
        }
        let mut found: Vec<_> =
            self.comments.values().filter(|comment| comment.on == block && !comment.resolved).collect();
        found.sort_by_key(|comment| (comment.created, comment.id.get(24..).map(str::to_owned)));
        let all: Vec<_> = found.into_iter().map(|comment| self.shown_comment(&comment.id)).collect();
        self.listed(&all, "comment", call)
    }

    pub(super) fn retrieve_comment(&self, id: &str) -> NotionResult {
        self.needs("read_comments")?;
        self.visible_comment(id).map(|_| self.shown_comment(id))
    }

    /// Only who wrote a comment changes it.
    fn own_comment(&self, id: &str) -> Result<(), NotionRefusal> {
        self.needs("insert_comments")?;
        if self.visible_comment(id)?.author == BOT {
            return Ok(());
        }
        let text = "API token does not have access to this resource.";
        Err((403, "restricted_resource", text.into(), Value::Null))
    }

    pub(super) fn update_comment(&mut self, id: &str, body: &Value) -> NotionResult {
        self.own_comment(id)?;
        let text = self.comment_text(body)?;
        self.change_comment(id, text, BOT);
        Ok(self.shown_comment(id))
    }

    pub(super) fn change_comment(&mut self, id: &str, text: Value, author: &str) {
        let now = self.now;
        let Some(comment) = self.comments.get_mut(id) else { return };
        comment.rich_text = text;
        comment.edited = now;
        self.revision += 1;
        self.note_comment("comment.updated", id, author);
    }

    pub(super) fn delete_comment(&mut self, id: &str) -> NotionResult {
        self.own_comment(id)?;
        let shown = self.shown_comment(id);
        self.remove_comment(id, BOT);
        Ok(shown)
    }

    pub(super) fn remove_comment(&mut self, id: &str, author: &str) {
        self.note_comment("comment.deleted", id, author);
        self.comments.remove(id);
        self.revision += 1;
    }
}

fn display_name(given: &Value) -> Result<Value, NotionRefusal> {
    let kind = if given.is_null() { Some("integration") } else { given["type"].as_str() };
    match kind {
        Some("integration") => Ok(json!({"type": "integration", "resolved_name": NAME})),
        Some("user") => Ok(json!({"type": "user", "resolved_name": NAME})),
        Some("custom") => match given["custom"]["name"].as_str().filter(|name| !name.is_empty()) {
            Some(name) => Ok(json!({"type": "custom", "resolved_name": name})),
            None => Err(should("display_name.custom.name", "a populated string", given["custom"].get("name"))),
        },
        _ => Err(should("display_name.type", "`integration`, `user` or `custom`", given.get("type"))),
    }
}
