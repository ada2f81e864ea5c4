//! Blocks of a page's body as requests write them, and how many fit into one request.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::text;

/// Blocks in one array. <https://developers.notion.com/reference/request-limits>
pub const MAX_IN_A_CALL: usize = 100;

/// A block. Rows and nested blocks go with their parent, two levels in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotionBlock {
    /// A heading, 1 to 3.
    Heading(u8, String),
    Paragraph(String),
    /// Something to do.
    ToDo(String, Vec<NotionBlock>),
    Bullet(String, Vec<NotionBlock>),
    /// A table; the first row is its head.
    Table(Vec<Vec<String>>),
    /// A line across.
    Divider,
}

impl NotionBlock {
    /// The block as a request writes it, without what is nested in it; of a table the first rows, for a table cannot be
    /// without.
    pub fn alone(&self) -> Value {
        match self {
            Self::Heading(level, text) => {
                let kind = format!("heading_{}", (*level).clamp(1, 3));
                json!({"object": "block", "type": kind, kind: {"rich_text": text::runs(text)}})
            }
            Self::Paragraph(text) => block("paragraph", text, false),
            Self::ToDo(text, _) => block("to_do", text, true),
            Self::Bullet(text, _) => block("bulleted_list_item", text, false),
            Self::Table(rows) => {
                let width = rows.iter().map(Vec::len).max().unwrap_or(1).max(1);
                let first: Vec<_> = rows.iter().take(MAX_IN_A_CALL).map(|row| table_row(row, width)).collect();
                json!({"object": "block", "type": "table", "table": {
                    "table_width": width, "has_column_header": true, "has_row_header": false, "children": first,
                }})
            }
            Self::Divider => json!({"object": "block", "type": "divider", "divider": {}}),
        }
    }

    /// What has to follow inside it, once it has an id: nested blocks, and rows beyond the first hundred.
    pub fn inside(&self) -> Vec<Value> {
        match self {
            Self::ToDo(_, nested) | Self::Bullet(_, nested) => nested.iter().map(Self::alone).collect(),
            Self::Table(rows) => {
                let width = rows.iter().map(Vec::len).max().unwrap_or(1).max(1);
                rows.iter().skip(MAX_IN_A_CALL).map(|row| table_row(row, width)).collect()
            }
            _ => Vec::new(),
        }
    }

    pub fn nested(&self) -> &[NotionBlock] {
        match self {
            Self::ToDo(_, nested) | Self::Bullet(_, nested) => nested,
            _ => &[],
        }
    }
}

fn block(kind: &str, text: &str, check: bool) -> Value {
    let mut inside = json!({"rich_text": text::runs(text)});
    if check {
        inside["checked"] = json!(false);
    }
    json!({"object": "block", "type": kind, kind: inside})
}

fn table_row(row: &[String], width: usize) -> Value {
    let cells: Vec<_> = (0..width).map(|column| text::runs(row.get(column).map_or("", String::as_str))).collect();
    json!({"object": "block", "type": "table_row", "table_row": {"cells": cells}})
}

/// What one call appends to a page or block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Into what: the place of the block among those that were appended before, from the page down; empty for the page.
    pub into: Vec<usize>,
    pub blocks: Vec<Value>,
}

/// The calls that write a body, in order: at most a hundred blocks each, and what is nested after what holds it. The
/// first may go with the page itself.
pub fn appends(body: &[NotionBlock]) -> Vec<Append> {
    let mut calls = Vec::new();
    add_level(body, &[], &mut calls);
    calls
}

fn add_level(blocks: &[NotionBlock], into: &[usize], calls: &mut Vec<Append>) {
    let level: Vec<Value> = blocks.iter().map(NotionBlock::alone).collect();
    for some in level.chunks(MAX_IN_A_CALL) {
        calls.push(Append { into: into.to_vec(), blocks: some.to_vec() });
    }
    for (index, block) in blocks.iter().enumerate() {
        let inside = [into, &[index]].concat();
        if block.nested().is_empty() {
            for some in block.inside().chunks(MAX_IN_A_CALL) {
                calls.push(Append { into: inside.clone(), blocks: some.to_vec() });
            }
        } else {
            add_level(block.nested(), &inside, calls);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_split_over_calls_and_a_deep_one_too() {
        let deep = NotionBlock::Bullet(
            "a".into(),
            vec![NotionBlock::Bullet("b".into(), vec![NotionBlock::Paragraph("c".into())])],
        );
        let mut body = vec![deep];
        body.extend((0..149).map(|n| NotionBlock::Paragraph(n.to_string())));
        let calls = appends(&body);
        let sizes: Vec<_> = calls.iter().map(|call| (call.into.clone(), call.blocks.len())).collect();
        assert_eq!(sizes, [(vec![], 100), (vec![], 50), (vec![0], 1), (vec![0, 0], 1)]);
    }

    #[test]
    fn a_long_table_begins_with_its_first_rows() {
        let rows: Vec<_> = (0..130).map(|n| vec![n.to_string(), "x".into()]).collect();
        let calls = appends(&[NotionBlock::Table(rows)]);
        assert_eq!(calls[0].blocks[0]["table"]["children"].as_array().unwrap().len(), 100);
        assert_eq!((calls[1].into.clone(), calls[1].blocks.len()), (vec![0], 30));
    }
}
