//! Blocks: appended, listed, changed, with Notion's limits on how many and how deep.

use serde_json::{Value, json};

use super::values::{Refusal, invalid, rich_text};
use super::{State, StoredBlock};

/// Levels of nesting in one request.
const DEEPEST: usize = 2;
/// Blocks in one request.
const MOST: usize = 1_000;

fn kind_of(block: &Value) -> Option<String> {
    if let Some(kind) = block["type"].as_str() {
        return Some(kind.to_owned());
    }
    let others = ["object", "id", "children"];
    block.as_object()?.keys().find(|key| !others.contains(&key.as_str())).cloned()
}

/// Checks blocks of a request; gives how many there are.
pub(super) fn checked(path: &str, blocks: &Value, depth: usize) -> Result<usize, Refusal> {
    let Some(list) = blocks.as_array() else {
        return Err(invalid(format!("body failed validation: body.{path} should be an array.")));
    };
    if list.len() > 100 {
        return Err(invalid(format!(
            "body failed validation: body.{path}.length should be ≤ `100`, instead was `{}`.",
            list.len()
        )));
    }
    let mut count = list.len();
    for (place, block) in list.iter().enumerate() {
        let at = format!("{path}[{place}]");
        let Some(kind) = kind_of(block).filter(|kind| block[kind].is_object()) else {
            return Err(invalid(format!("body failed validation: body.{at} should have a type.")));
        };
        let inner = &block[&kind];
        if let Some(text) = inner.get("rich_text") {
            rich_text(&format!("{at}.{kind}.rich_text"), text)?;
        }
        if kind == "table" {
            let width = inner["table_width"].as_u64().unwrap_or_default();
            let rows = inner["children"].as_array().filter(|rows| !rows.is_empty());
            let Some(rows) = rows else {
                return Err(invalid(format!(
                    "body failed validation: body.{at}.table.children should be defined, instead was `undefined`."
                )));
            };
            let fits =
                |row: &Value| row["table_row"]["cells"].as_array().is_some_and(|cells| cells.len() as u64 == width);
            if !rows.iter().all(fits) {
                return Err(invalid("Number of cells in table row must match the table width of the parent table"));
            }
        }
        if let Some(children) = inner.get("children") {
            if depth >= DEEPEST {
                return Err(invalid(format!(
                    "body failed validation: body.{at}.{kind}.children should be not present, instead was `[...]`."
                )));
            }
            count += checked(&format!("{at}.{kind}.children"), children, depth + 1)?;
        }
    }
    if count > MOST {
        Err(invalid("body failed validation: the request has more than 1000 blocks."))
    } else {
        Ok(count)
    }
}

impl State {
    /// Adds blocks that were checked; gives the ids of the first level.
    pub(super) fn add_blocks(&mut self, parent: &str, blocks: &Value) -> Vec<String> {
        let mut ids = Vec::new();
        for block in blocks.as_array().into_iter().flatten() {
            let Some(kind) = kind_of(block) else { continue };
            let id = self.id();
            let mut value = block[&kind].clone();
            let nested = value.as_object_mut().and_then(|inner| inner.remove("children"));
            if let Some(text) = value.get("rich_text").cloned() {
                value["rich_text"] = rich_text("", &text).unwrap_or_default();
            }
            if let Some(cells) = value["cells"].as_array().cloned() {
                value["cells"] = cells.iter().map(|cell| rich_text("", cell).unwrap_or_default()).collect();
            }
            let stored = StoredBlock { id: id.clone(), parent: parent.to_owned(), kind, value, children: Vec::new() };
            self.blocks.insert(id.clone(), stored);
            if let Some(nested) = nested {
                let children = self.add_blocks(&id, &nested);
                if let Some(block) = self.blocks.get_mut(&id) {
                    block.children = children;
                }
            }
            ids.push(id);
        }
        ids
    }

    /// The ids of what is inside a page or block, if that is there for us.
    pub(super) fn inside(&self, id: &str) -> Option<&Vec<String>> {
        if let Some(row) = self.rows.get(id) {
            return self.row(id).map(|_| &row.children);
        }
        self.blocks.get(id).map(|block| &block.children)
    }

    pub(super) fn inside_mut(&mut self, id: &str) -> Option<&mut Vec<String>> {
        if self.rows.contains_key(id) {
            return self.rows.get_mut(id).map(|row| &mut row.children);
        }
        self.blocks.get_mut(id).map(|block| &mut block.children)
    }

    /// The page that a block belongs to.
    pub(super) fn page_of(&self, id: &str) -> Option<String> {
        let mut at = id.to_owned();
        while let Some(block) = self.blocks.get(&at) {
            at.clone_from(&block.parent);
        }
        self.rows.contains_key(&at).then_some(at)
    }

    /// A block as the API shows it.
    pub(super) fn show_block(&self, id: &str) -> Value {
        let Some(block) = self.blocks.get(id) else { return Value::Null };
        let page = self.rows.contains_key(&block.parent);
        let parent = if page {
            json!({"type": "page_id", "page_id": block.parent})
        } else {
            json!({"type": "block_id", "block_id": block.parent})
        };
        json!({
            "object": "block", "id": block.id, "parent": parent, "has_children": !block.children.is_empty(), "in_trash": false,
            "type": block.kind, &block.kind: block.value,
        })
    }

    /// What people read in a page's body, a line a block.
    pub(super) fn body(&self, ids: &[String], depth: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for block in ids.iter().filter_map(|id| self.blocks.get(id)) {
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
