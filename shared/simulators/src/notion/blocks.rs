//! Blocks: appended, listed, changed and deleted, with Notion's limits on how many and how deep.

use serde_json::{Map, Value, json};

use super::api::{ApiRequest, NotionResult, in_trash, missing, wants_trash};
use super::text::{NotionRefusal, fix_one, invalid, list, should, too_long, undefined, web_address};
use super::{BOT, NotionState, StoredBlock, normal};

/// Levels of blocks in one request: a block, its children, and theirs.
const MAX_LEVELS: usize = 3;
/// Blocks in one request.
const MAX_BLOCKS: usize = 1_000;

/// The types of blocks that a request can make.
const KINDS: [&str; 31] = [
    "embed",
    "bookmark",
    "image",
    "video",
    "pdf",
    "file",
    "audio",
    "code",
    "equation",
    "divider",
    "breadcrumb",
    "table_of_contents",
    "link_to_page",
    "table_row",
    "table",
    "column_list",
    "column",
    "heading_1",
    "heading_2",
    "heading_3",
    "heading_4",
    "paragraph",
    "bulleted_list_item",
    "numbered_list_item",
    "quote",
    "to_do",
    "toggle",
    "template",
    "callout",
    "synced_block",
    "tab",
];
/// Types that have text.
const TEXTS: [&str; 13] = [
    "heading_1",
    "heading_2",
    "heading_3",
    "heading_4",
    "paragraph",
    "bulleted_list_item",
    "numbered_list_item",
    "quote",
    "to_do",
    "toggle",
    "template",
    "callout",
    "code",
];
/// Types that hold no other blocks.
const LEAVES: [&str; 14] = [
    "embed",
    "bookmark",
    "image",
    "video",
    "pdf",
    "file",
    "audio",
    "code",
    "equation",
    "divider",
    "breadcrumb",
    "table_of_contents",
    "link_to_page",
    "table_row",
];

fn kind_of(block: &Value) -> Option<&'static str> {
    let named = block["type"].as_str();
    KINDS.iter().find(|kind| named.is_none_or(|named| named == **kind) && block.get(**kind).is_some()).copied()
}

impl NotionState {
    /// Checks blocks of a request.
    pub(super) fn checked_blocks(&self, path: &str, blocks: Option<&Value>) -> Result<(), NotionRefusal> {
        let count = self.checked_level(path, blocks, 1, "")?;
        if count > MAX_BLOCKS {
            return Err(invalid(format!(
                "body failed validation: body.{path} should have ≤ `{MAX_BLOCKS}` blocks in all, instead had `{count}`."
            )));
        }
        Ok(())
    }

    fn checked_level(
        &self,
        path: &str,
        blocks: Option<&Value>,
        level: usize,
        parent: &str,
    ) -> Result<usize, NotionRefusal> {
        let blocks = list(path, blocks, 100)?;
        let mut count = blocks.len();
        for (index, block) in blocks.iter().enumerate() {
            let at = format!("{path}[{index}]");
            let Some(kind) = kind_of(block) else { return Err(fix_one(&at, &KINDS)) };
            let (at, inner) = (format!("{at}.{kind}"), &block[kind]);
            let Some(fields) = inner.as_object() else { return Err(should(&at, "an object", Some(inner))) };
            // Rows stand in tables and columns in lists of columns, and nothing else does.
            if (kind == "table_row") != (parent == "table") || (kind == "column") != (parent == "column_list") {
                return Err(should(&at, "not present", Some(inner)));
            }
            self.checked_block(&at, kind, fields)?;
            count += self.checked_children(&at, kind, fields, level)?;
        }
        Ok(count)
    }

    fn checked_children(
        &self,
        at: &str,
        kind: &str,
        fields: &Map<String, Value>,
        level: usize,
    ) -> Result<usize, NotionRefusal> {
        let path = format!("{at}.children");
        let children = fields.get("children");
        if kind == "table" {
            table_rows(&path, fields)?;
        }
        if kind == "column_list" && children.and_then(Value::as_array).is_none_or(|columns| columns.len() < 2) {
            return Err(invalid(format!("body failed validation: body.{path}.length should be ≥ `2`.")));
        }
        let Some(children) = children else { return Ok(0) };
        if LEAVES.contains(&kind) || level >= MAX_LEVELS {
            return Err(should(&path, "not present", Some(children)));
        }
        self.checked_level(&path, Some(children), level + 1, kind)
    }

    /// Checks the content of a block, except its children.
    fn checked_block(&self, at: &str, kind: &str, fields: &Map<String, Value>) -> Result<(), NotionRefusal> {
        if TEXTS.contains(&kind) {
            self.rich_text(&format!("{at}.rich_text"), fields.get("rich_text"))?;
        }
        if let Some(caption) = fields.get("caption") {
            self.rich_text(&format!("{at}.caption"), Some(caption))?;
        }
        if let Some(color) = fields.get("color").filter(|color| !color.is_null())
            && !color.as_str().is_some_and(|color| super::text::is_color(color, true))
        {
            return Err(should(&format!("{at}.color"), "a valid color", Some(color)));
        }
        for name in ["checked", "is_toggleable", "has_column_header", "has_row_header"] {
            if let Some(given) = fields.get(name).filter(|given| !given.is_boolean()) {
                return Err(should(&format!("{at}.{name}"), "a boolean", Some(given)));
            }
        }
        match kind {
            "code" if fields.get("language").is_none_or(|language| !language.is_string()) => {
                Err(should(&format!("{at}.language"), "a language", fields.get("language")))
            }
            "table" => match fields.get("table_width").and_then(Value::as_u64) {
                Some(1..=100) => Ok(()),
                _ => Err(should(&format!("{at}.table_width"), "a number from 1 to 100", fields.get("table_width"))),
            },
            "table_row" => {
                let path = format!("{at}.cells");
                for (index, cell) in list(&path, fields.get("cells"), 100)?.iter().enumerate() {
                    self.rich_text(&format!("{path}[{index}]"), Some(cell))?;
                }
                Ok(())
            }
            "equation" => match fields.get("expression").and_then(Value::as_str) {
                Some(words) if super::text::units(words) > 1_000 => {
                    Err(too_long(&format!("{at}.expression"), 1_000, super::text::units(words)))
                }
                Some(_) => Ok(()),
                None => Err(should(&format!("{at}.expression"), "a string", fields.get("expression"))),
            },
            "embed" | "bookmark" => web_address(&format!("{at}.url"), fields.get("url")).map(|_| ()),
            "image" | "video" | "pdf" | "file" | "audio" => self.media(at, fields),
            _ => Ok(()),
        }
    }

    fn media(&self, at: &str, fields: &Map<String, Value>) -> Result<(), NotionRefusal> {
        if let Some(upload) = fields.get("file_upload") {
            return self.ready_upload(&format!("{at}.file_upload"), upload).map(|_| ());
        }
        let Some(external) = fields.get("external") else { return Err(fix_one(at, &["external", "file_upload"])) };
        web_address(&format!("{at}.external.url"), external.get("url")).map(|_| ())
    }

    /// Adds blocks that were checked; gives the ids of the first level.
    pub(super) fn add_blocks(&mut self, parent: &str, blocks: &Value, author: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for block in blocks.as_array().into_iter().flatten() {
            let Some(kind) = kind_of(block) else { continue };
            let id = self.id();
            let mut value = self.block_value(kind, &block[kind]);
            let nested = value.as_object_mut().and_then(|inner| inner.remove("children"));
            let stored = StoredBlock {
                id: id.clone(),
                parent: parent.to_owned(),
                kind: kind.to_owned(),
                value,
                created: self.now,
                edited: self.now,
                created_by: author.into(),
                edited_by: author.into(),
                ..StoredBlock::default()
            };
            self.blocks.insert(id.clone(), stored);
            if let Some(nested) = nested {
                let children = self.add_blocks(&id, &nested, author);
                if let Some(block) = self.blocks.get_mut(&id) {
                    block.children = children;
                }
            }
            ids.push(id);
        }
        ids
    }

    /// What is kept of a block, with what Notion adds to it.
    fn block_value(&self, kind: &str, given: &Value) -> Value {
        let mut value = if given.is_object() { given.clone() } else { json!({}) };
        if TEXTS.contains(&kind) {
            value["rich_text"] = self.rich_text("", given.get("rich_text")).unwrap_or_else(|_| json!([]));
        }
        if let Some(caption) = given.get("caption") {
            value["caption"] = self.rich_text("", Some(caption)).unwrap_or_else(|_| json!([]));
        }
        if let Some(cells) = given["cells"].as_array() {
            value["cells"] =
                cells.iter().map(|cell| self.rich_text("", Some(cell)).unwrap_or_else(|_| json!([]))).collect();
        }
        let mut usual = |name: &str, usual: Value| {
            if value[name].is_null() {
                value[name] = usual;
            }
        };
        if TEXTS.contains(&kind) && kind != "code" && kind != "template" {
            usual("color", json!("default"));
        }
        match kind {
            "paragraph" => usual("icon", Value::Null),
            "to_do" => usual("checked", json!(false)),
            "heading_1" | "heading_2" | "heading_3" | "heading_4" => usual("is_toggleable", json!(false)),
            "code" | "image" | "video" | "file" | "pdf" | "audio" | "embed" | "bookmark" => usual("caption", json!([])),
            "table" => {
                usual("has_column_header", json!(false));
                usual("has_row_header", json!(false));
            }
            _ => {}
        }
        value
    }

    /// The ids of what is inside a page or block, if the connection sees it.
    fn inside(&self, id: &str) -> Option<&Vec<String>> {
        if self.pages.contains_key(id) {
            return self.page(id).map(|page| &page.children);
        }
        let block = self.blocks.get(id)?;
        self.page(&self.page_of(id)?).map(|_| &block.children)
    }

    fn inside_mut(&mut self, id: &str) -> Option<&mut Vec<String>> {
        if let Some(page) = self.pages.get_mut(id) {
            return Some(&mut page.children);
        }
        self.blocks.get_mut(id).map(|block| &mut block.children)
    }

    /// The page that a block belongs to; a page belongs to itself.
    pub(super) fn page_of(&self, id: &str) -> Option<String> {
        let mut at = id;
        while let Some(block) = self.blocks.get(at) {
            at = &block.parent;
        }
        self.pages.contains_key(at).then(|| at.to_owned())
    }

    /// Whether a block, or one of its parents, is in the trash.
    fn is_block_trashed(&self, id: &str) -> bool {
        let mut at = id;
        while let Some(block) = self.blocks.get(at) {
            if block.in_trash {
                return true;
            }
            at = &block.parent;
        }
        self.pages.get(at).is_some_and(|page| self.is_trashed(page))
    }

    /// Whether what a list of children names is there to be seen.
    pub(super) fn is_live(&self, id: &str) -> bool {
        match (self.blocks.get(id), self.pages.get(id), self.databases.get(id)) {
            (Some(block), ..) => !block.in_trash,
            (_, Some(page), _) => !page.in_trash,
            (.., Some(database)) => !database.in_trash,
            _ => false,
        }
    }

    /// A block as the API shows it; pages and databases are blocks too.
    fn show_block(&self, id: &str) -> Value {
        if let Some(page) = self.pages.get(id) {
            let page_value = self.show(page);
            let mut block = json!({"object": "block", "has_children": page.children.iter().any(|id| self.is_live(id)),
                "type": "child_page", "child_page": {"title": super::values::title(page)}});
            for name in ["id", "parent", "created_time", "last_edited_time", "created_by", "last_edited_by", "in_trash"]
            {
                block[name] = page_value[name].clone();
            }
            return block;
        }
        if let Some(database) = self.databases.get(id) {
            let shown = self.show_database(id);
            let time = |moment| json!(super::minute(moment));
            let user = json!({"object": "user", "id": BOT});
            return json!({
                "object": "block", "id": id, "parent": shown["parent"], "created_time": time(database.created),
                "last_edited_time": time(database.edited), "created_by": user, "last_edited_by": user, "has_children": false,
                "in_trash": database.in_trash, "type": "child_database", "child_database": {"title": database.title},
            });
        }
        let Some(block) = self.blocks.get(id) else { return Value::Null };
        let parent = if self.pages.contains_key(&block.parent) {
            json!({"type": "page_id", "page_id": block.parent})
        } else {
            json!({"type": "block_id", "block_id": block.parent})
        };
        json!({
            "object": "block", "id": block.id, "parent": parent, "created_time": super::minute(block.created),
            "last_edited_time": super::minute(block.edited), "created_by": {"object": "user", "id": block.created_by},
            "last_edited_by": {"object": "user", "id": block.edited_by},
            "has_children": block.children.iter().any(|id| self.is_live(id)), "in_trash": self.is_block_trashed(id),
            "type": block.kind, &block.kind: self.shown_media(&block.value),
        })
    }

    pub(super) fn retrieve_block(&self, id: &str) -> NotionResult {
        self.needs("read")?;
        let is_there = self.inside(id).is_some() || self.database(id).is_some();
        if is_there { Ok(self.show_block(id)) } else { Err(missing("block", id)) }
    }

    pub(super) fn list_children(&self, id: &str, call: &ApiRequest) -> NotionResult {
        self.needs("read")?;
        let ids = self.inside(id).ok_or_else(|| missing("block", id))?;
        let all: Vec<_> = ids.iter().filter(|id| self.is_live(id)).map(|id| self.show_block(id)).collect();
        self.listed(&all, "block", call)
    }

    pub(super) fn append_children(&mut self, id: &str, call: &ApiRequest) -> NotionResult {
        self.needs("insert")?;
        let body = &call.body;
        if self.inside(id).is_none() {
            return Err(missing("block", id));
        }
        if self.is_block_trashed(id) {
            return Err(in_trash());
        }
        let kind = self.blocks.get(id).map(|block| block.kind.clone()).unwrap_or_default();
        if LEAVES.contains(&kind.as_str()) {
            return Err(invalid("Block does not support children."));
        }
        if body.get("children").is_none() {
            return Err(undefined("children"));
        }
        let count = self.checked_level("children", body.get("children"), 1, &kind)?;
        if count > MAX_BLOCKS {
            return Err(too_long("children", MAX_BLOCKS, count));
        }
        self.fits_table(id, &body["children"])?;
        let at = self.position(id, body)?;
        self.has_blocks()?;
        let added = self.add_blocks(id, &body["children"], BOT);
        if let Some(inside) = self.inside_mut(id) {
            let at = at.min(inside.len());
            inside.splice(at..at, added.iter().cloned());
        }
        self.note_blocks(id, BOT, &added);
        let results: Vec<_> = added.iter().map(|id| self.show_block(id)).collect();
        Ok(
            json!({"object": "list", "results": results, "next_cursor": null, "has_more": false, "type": "block", "block": {}}),
        )
    }

    /// Rows that are added to a table have as many cells as it has columns.
    fn fits_table(&self, id: &str, children: &Value) -> Result<(), NotionRefusal> {
        let Some(table) = self.blocks.get(id).filter(|block| block.kind == "table") else { return Ok(()) };
        let width = table.value["table_width"].as_u64().unwrap_or_default();
        cells_fit(width, children)
    }

    /// Where blocks are put among those that are there.
    fn position(&self, id: &str, body: &Value) -> Result<usize, NotionRefusal> {
        let inside = self.inside(id).map(Vec::as_slice).unwrap_or_default();
        let (after, position) = (body.get("after"), body.get("position"));
        if after.is_some() && position.is_some() {
            return Err(should("after", "not present beside position", after));
        }
        let after = match (after, position.map(|position| position["type"].as_str())) {
            (None, Some(Some("start"))) => return Ok(0),
            (None, None | Some(Some("end"))) => return Ok(inside.len()),
            (None, Some(Some("after_block"))) => &body["position"]["after_block"]["id"],
            (Some(after), _) => after,
            _ => return Err(should("position.type", "`start`, `end` or `after_block`", body["position"].get("type"))),
        };
        let block = after.as_str().map(normal).unwrap_or_default();
        let at = inside.iter().position(|id| *id == block && self.is_live(id));
        at.map(|at| at + 1)
            .ok_or_else(|| invalid(format!("Block with ID {block} is not a child of the block that is appended to.")))
    }

    pub(super) fn update_block(&mut self, id: &str, body: &Value) -> NotionResult {
        self.needs("update")?;
        if self.inside(id).is_none() && self.database(id).is_none() {
            return Err(missing("block", id));
        }
        let trash = wants_trash("in_trash", body)?;
        let own = !self.is_live(id);
        if (own || self.is_block_trashed(id)) && !(own && trash == Some(false)) {
            return Err(in_trash());
        }
        if let Some(block) = self.blocks.get(id).cloned() {
            if let Some(other) = KINDS.iter().find(|kind| **kind != block.kind && body.get(**kind).is_some()) {
                return Err(invalid(format!(
                    "Block type cannot be changed: it is {}, and {other} was given.",
                    block.kind
                )));
            }
            if let Some(change) = body.get(&block.kind) {
                self.change_block(&block, change)?;
            }
        } else if let Some(kind) = body.as_object().and_then(|body| {
            body.keys().find(|key| !["in_trash", "archived", "type", "object"].contains(&key.as_str()))
        }) {
            return Err(invalid(format!(
                "Block type child_page cannot be updated with {kind}; update the page instead."
            )));
        }
        if let Some(trash) = trash {
            self.trash_block(id, trash, BOT);
        }
        Ok(self.show_block(id))
    }

    fn change_block(&mut self, block: &StoredBlock, change: &Value) -> Result<(), NotionRefusal> {
        let kind = block.kind.as_str();
        let Some(fields) = change.as_object() else { return Err(should(kind, "an object", Some(change))) };
        if let Some(children) = fields.get("children") {
            return Err(should(&format!("{kind}.children"), "not present", Some(children)));
        }
        if kind == "table" && fields.contains_key("table_width") {
            return Err(should("table.table_width", "not present", fields.get("table_width")));
        }
        let mut merged = block.value.as_object().cloned().unwrap_or_default();
        merged.extend(fields.clone());
        self.checked_block(kind, kind, &merged)?;
        if kind == "table_row" {
            self.fits_table(&block.parent, &json!([{"table_row": merged}]))?;
        }
        let value = self.block_value(kind, &Value::Object(merged));
        let now = self.now;
        if let Some(block) = self.blocks.get_mut(&block.id) {
            block.value = value;
            block.edited = now;
            block.edited_by = BOT.into();
        }
        self.note_blocks(&block.parent, BOT, std::slice::from_ref(&block.id));
        Ok(())
    }

    pub(super) fn delete_block(&mut self, id: &str) -> NotionResult {
        self.needs("update")?;
        if self.inside(id).is_none() && self.database(id).is_none() {
            return Err(missing("block", id));
        }
        if !self.is_live(id) || self.is_block_trashed(id) {
            return Err(in_trash());
        }
        self.trash_block(id, true, BOT);
        Ok(self.show_block(id))
    }

    /// Puts a block, page or database into the trash, or takes it out.
    pub(super) fn trash_block(&mut self, id: &str, trash: bool, author: &str) {
        if self.pages.contains_key(id) {
            self.trash_page(id, trash, author);
            return;
        }
        let now = self.now;
        if let Some(database) = self.databases.get_mut(id).filter(|database| database.in_trash != trash) {
            database.in_trash = trash;
            database.edited = now;
            self.revision += 1;
            self.note_database(if trash { "database.deleted" } else { "database.undeleted" }, id, author);
        }
        if let Some(block) = self.blocks.get_mut(id).filter(|block| block.in_trash != trash) {
            block.in_trash = trash;
            block.edited = now;
            author.clone_into(&mut block.edited_by);
            let parent = block.parent.clone();
            self.note_blocks(&parent, author, &[id.to_owned()]);
        }
    }

    /// Notes that blocks inside a page or block were edited.
    pub(super) fn note_blocks(&mut self, parent: &str, author: &str, changed: &[String]) {
        if let Some(page) = self.page_of(parent) {
            self.touch(&page, author);
            self.note_content(&page, author, changed);
        }
        self.revision += 1;
    }

    /// What people read in a page's body, a line a block.
    pub(super) fn body(&self, ids: &[String], depth: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for block in ids.iter().filter_map(|id| self.blocks.get(id)).filter(|block| !block.in_trash) {
            let text = match block.value["cells"].as_array() {
                Some(cells) => cells.iter().map(notion_wire::text::plain).collect::<Vec<_>>().join(" | "),
                None => notion_wire::text::plain(&block.value["rich_text"]),
            };
            lines.push(format!("{}{}: {text}", "  ".repeat(depth), block.kind));
            lines.extend(self.body(&block.children, depth + 1));
        }
        lines
    }
}

fn table_rows(path: &str, fields: &Map<String, Value>) -> Result<(), NotionRefusal> {
    let rows = fields.get("children").filter(|rows| rows.as_array().is_some_and(|rows| !rows.is_empty()));
    let Some(rows) = rows else { return Err(undefined(path)) };
    cells_fit(fields.get("table_width").and_then(Value::as_u64).unwrap_or_default(), rows)
}

fn cells_fit(width: u64, rows: &Value) -> Result<(), NotionRefusal> {
    let fits = |row: &Value| row["table_row"]["cells"].as_array().is_none_or(|cells| cells.len() as u64 == width);
    if rows.as_array().into_iter().flatten().all(fits) {
        return Ok(());
    }
    Err(invalid("Number of cells in table row must match the table width of the parent table"))
}
