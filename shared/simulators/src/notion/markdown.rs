//! A page's body as Markdown, both ways: headings, paragraphs, lists, to-dos, quotes, code, dividers, and within them
//! bold, italic, struck and code text and links. Other blocks are named by their ids.

use serde_json::{Value, json};

use super::api::{NotionResult, in_trash, missing};
use super::text::{NotionRefusal, invalid, should};
use super::{BOT, NotionState};

/// The blocks of a text, as requests write them.
pub(super) fn blocks_of(markdown: &str) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        if text.is_empty() {
            continue;
        }
        if let Some(language) = text.strip_prefix("```") {
            let code: Vec<_> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
            let language = if language.is_empty() { "plain text" } else { language };
            blocks
                .push(json!({"code": {"language": language, "rich_text": pieces(&code.join("\n"), &json!({}), None)}}));
            continue;
        }
        let block = block_of(text);
        match blocks.last_mut().filter(|_| line.starts_with('\t')).and_then(nest) {
            Some(children) => children.push(block),
            None => blocks.push(block),
        }
    }
    Value::Array(blocks)
}

/// The list in which blocks are nested in this one, if it holds any.
fn nest(block: &mut Value) -> Option<&mut Vec<Value>> {
    let kinds = ["bulleted_list_item", "numbered_list_item", "to_do", "quote", "paragraph"];
    let kind = kinds.into_iter().find(|kind| block.get(*kind).is_some())?;
    let inner = block.get_mut(kind)?.as_object_mut()?;
    inner.entry("children").or_insert_with(|| json!([])).as_array_mut()
}

fn block_of(text: &str) -> Value {
    if text == "---" {
        return json!({"divider": {}});
    }
    let marks = [
        ("# ", "heading_1"),
        ("## ", "heading_2"),
        ("### ", "heading_3"),
        ("#### ", "heading_4"),
        ("> ", "quote"),
        ("- [ ] ", "to_do"),
        ("- [x] ", "to_do"),
        ("- ", "bulleted_list_item"),
    ];
    for (mark, kind) in marks {
        if let Some(rest) = text.strip_prefix(mark) {
            let mut inner = json!({"rich_text": inline(rest)});
            if kind == "to_do" {
                inner["checked"] = json!(mark == "- [x] ");
            }
            return json!({kind: inner});
        }
    }
    if let Some((number, rest)) = text.split_once(". ")
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return json!({"numbered_list_item": {"rich_text": inline(rest)}});
    }
    json!({"paragraph": {"rich_text": inline(text)}})
}

/// A text in runs that are not too long.
fn pieces(text: &str, annotations: &Value, link: Option<&str>) -> Vec<Value> {
    let link = link.map(|url| json!({"url": url}));
    let run = |piece: &&str| json!({"text": {"content": piece, "link": link}, "annotations": annotations});
    notion_wire::text::split(text).iter().map(run).collect()
}

/// The rich text of a line, as requests write it.
pub(super) fn inline(line: &str) -> Value {
    let marks = [("**", "bold"), ("~~", "strikethrough"), ("`", "code"), ("*", "italic")];
    let mut runs = Vec::new();
    let (mut plain, mut rest) = (String::new(), line);
    while let Some(first) = rest.chars().next() {
        let marked = marks.iter().find_map(|(mark, style)| {
            let (inner, after) = rest.strip_prefix(mark)?.split_once(mark)?;
            (!inner.is_empty()).then(|| (pieces(inner, &json!({*style: true}), None), after))
        });
        let found = marked.or_else(|| {
            let (words, after) = rest.strip_prefix('[')?.split_once("](")?;
            let (url, after) = after.split_once(')')?;
            super::text::is_address(url).then(|| (pieces(words, &json!({}), Some(url)), after))
        });
        if let Some((styled, after)) = found {
            runs.extend(pieces(&plain, &json!({}), None));
            plain.clear();
            runs.extend(styled);
            rest = after;
        } else {
            plain.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    runs.extend(pieces(&plain, &json!({}), None));
    runs.truncate(100);
    Value::Array(runs)
}

fn shown_inline(runs: &Value) -> String {
    let mut text = String::new();
    for run in runs.as_array().into_iter().flatten() {
        let mut words = run["plain_text"].as_str().unwrap_or_default().to_owned();
        for (style, mark) in [("code", "`"), ("italic", "*"), ("strikethrough", "~~"), ("bold", "**")] {
            if run["annotations"][style] == true {
                words = format!("{mark}{words}{mark}");
            }
        }
        match run["href"].as_str() {
            Some(url) => text.extend(["[", &words, "](", url, ")"]),
            None => text.push_str(&words),
        }
    }
    text
}

impl NotionState {
    fn markdown_lines(&self, ids: &[String], depth: usize, unknown: &mut Vec<String>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut number = 0;
        for id in ids.iter().filter(|id| self.is_live(id)) {
            let indent = "\t".repeat(depth);
            let Some(block) = self.blocks.get(id) else {
                let (mark, title) = match (self.pages.get(id), self.databases.get(id)) {
                    (Some(page), _) => ("page", super::values::title(page)),
                    (_, found) => ("database", found.map(|found| found.title.clone()).unwrap_or_default()),
                };
                lines.push(format!("{indent}<{mark} url=\"{}\">{title}</{mark}>", super::text::address(id)));
                continue;
            };
            number = if block.kind == "numbered_list_item" { number + 1 } else { 0 };
            let text = shown_inline(&block.value["rich_text"]);
            let line = match block.kind.as_str() {
                "heading_1" => format!("# {text}"),
                "heading_2" => format!("## {text}"),
                "heading_3" => format!("### {text}"),
                "heading_4" => format!("#### {text}"),
                "quote" => format!("> {text}"),
                "to_do" => format!("- [{}] {text}", if block.value["checked"] == true { "x" } else { " " }),
                "bulleted_list_item" => format!("- {text}"),
                "numbered_list_item" => format!("{number}. {text}"),
                "divider" => "---".into(),
                "code" => {
                    let words = notion_wire::text::plain(&block.value["rich_text"]);
                    format!("```{}\n{words}\n```", block.value["language"].as_str().unwrap_or_default())
                }
                "paragraph" => text,
                kind => {
                    unknown.push(id.clone());
                    format!("<unknown url=\"{}\" alt=\"{kind}\"/>", super::text::address(id))
                }
            };
            lines.push(format!("{indent}{line}"));
            if !unknown.contains(id) {
                lines.extend(self.markdown_lines(&block.children, depth + 1, unknown));
            }
        }
        lines
    }

    pub(super) fn retrieve_markdown(&self, id: &str) -> NotionResult {
        self.needs("read")?;
        let page = self.page(id).ok_or_else(|| missing("page", id))?;
        let mut unknown = Vec::new();
        let text = self.markdown_lines(&page.children, 0, &mut unknown).join("\n");
        Ok(
            json!({"object": "page_markdown", "id": id, "markdown": text, "truncated": false, "unknown_block_ids": unknown}),
        )
    }

    pub(super) fn update_markdown(&mut self, id: &str, body: &Value) -> NotionResult {
        self.needs("update")?;
        let page = self.page(id).ok_or_else(|| missing("page", id))?;
        if self.is_trashed(page) {
            return Err(in_trash());
        }
        let kind = body["type"].as_str().unwrap_or_default();
        let given = &body[kind];
        let mut unknown = Vec::new();
        let before = self.markdown_lines(&page.children, 0, &mut unknown).join("\n");
        let text = |path: &str, value: Option<&Value>| -> Result<String, NotionRefusal> {
            value.and_then(Value::as_str).map(str::to_owned).ok_or_else(|| should(path, "a string", value))
        };
        let after = match kind {
            "insert_content" => {
                let content = text("insert_content.content", given.get("content"))?;
                inserted(&before, given, &content)?
            }
            "replace_content" => text("replace_content.new_str", given.get("new_str"))?,
            "replace_content_range" => {
                let content = text("replace_content_range.content", given.get("content"))?;
                let range = text("replace_content_range.content_range", given.get("content_range"))?;
                let (from, to) = range_of(&before, &range)?;
                spliced(&before, from, to, &content)
            }
            "update_content" => updated(&before, given)?,
            _ => {
                return Err(should(
                    "type",
                    "`insert_content`, `update_content`, `replace_content` or `replace_content_range`",
                    body.get("type"),
                ));
            }
        };
        let keeps = kind == "insert_content";
        self.rewrite(id, &before, &after, keeps || given["allow_deleting_content"] == true)?;
        self.retrieve_markdown(id)
    }

    /// Makes a page's body say `after`. The blocks that stay the same at its beginning and end stay.
    fn rewrite(&mut self, id: &str, before: &str, after: &str, may_delete: bool) -> Result<(), NotionRefusal> {
        if before == after {
            return Ok(());
        }
        let old: Vec<String> = self
            .pages
            .get(id)
            .into_iter()
            .flat_map(|page| &page.children)
            .filter(|id| self.is_live(id))
            .cloned()
            .collect();
        let others: Vec<String> = old.iter().filter(|id| !self.blocks.contains_key(*id)).cloned().collect();
        let goes = |child: &String| !after.contains(&super::text::address(child));
        if !may_delete && others.iter().any(goes) {
            return Err(invalid(
                "This update would delete child pages or databases. Set allow_deleting_content to true to allow it.",
            ));
        }
        self.has_blocks()?;
        let text: Vec<_> = after
            .lines()
            .filter(|line| !line.trim_start().starts_with("<page ") && !line.trim_start().starts_with("<database "))
            .collect();
        let new = blocks_of(&text.join("\n"));
        let new: Vec<Value> = new.as_array().cloned().unwrap_or_default();
        let shown: Vec<String> =
            old.iter().map(|id| self.markdown_lines(std::slice::from_ref(id), 0, &mut Vec::new()).join("\n")).collect();
        let head = shown.iter().zip(&new).take_while(|(shown, block)| blocks_of(shown) == json!([block])).count();
        let mut changed: Vec<String> = Vec::new();
        for child in old.iter().skip(head) {
            if self.blocks.contains_key(child) || goes(child) {
                self.trash_block(child, true, BOT);
                changed.push(child.clone());
            }
        }
        let added = self.add_blocks(id, &Value::Array(new.into_iter().skip(head).collect()), BOT);
        changed.extend(added.iter().cloned());
        if let Some(page) = self.pages.get_mut(id) {
            page.children.extend(added);
        }
        self.note_blocks(id, BOT, &changed);
        Ok(())
    }
}

/// A selection `start…end`, or a text that occurs once.
fn range_of(text: &str, range: &str) -> Result<(usize, usize), NotionRefusal> {
    let missing = || invalid(format!("Could not find the content range {range:?} in the page."));
    if let Some((start, end)) = range.split_once("...") {
        let from = text.find(start).ok_or_else(missing)?;
        let behind = from + start.len();
        let to = text.get(behind..).and_then(|rest| rest.find(end)).ok_or_else(missing)?;
        return Ok((from, behind + to + end.len()));
    }
    let from = text.find(range).ok_or_else(missing)?;
    Ok((from, from + range.len()))
}

fn spliced(text: &str, from: usize, to: usize, new: &str) -> String {
    format!("{}{new}{}", text.get(..from).unwrap_or_default(), text.get(to..).unwrap_or_default())
}

fn inserted(before: &str, given: &Value, content: &str) -> Result<String, NotionRefusal> {
    let lines = |parts: [&str; 2]| parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
    if let Some(after) = given.get("after") {
        let Some(range) = after.as_str() else { return Err(should("insert_content.after", "a string", Some(after))) };
        let (_, to) = range_of(before, range)?;
        let end = before.get(to..).and_then(|rest| rest.find('\n')).map_or(before.len(), |at| to + at);
        return Ok(spliced(before, end, end, &format!("\n{content}")));
    }
    match given.get("position").map(|position| position["type"].as_str()) {
        None | Some(Some("end")) => Ok(lines([before, content])),
        Some(Some("start")) => Ok(lines([content, before])),
        _ => Err(should("insert_content.position.type", "`start` or `end`", given["position"].get("type"))),
    }
}

fn updated(before: &str, given: &Value) -> Result<String, NotionRefusal> {
    let path = "update_content.content_updates";
    let mut text = before.to_owned();
    for (index, update) in super::text::list(path, given.get("content_updates"), 100)?.iter().enumerate() {
        let at = format!("{path}[{index}]");
        let (Some(old), Some(new)) = (update["old_str"].as_str(), update["new_str"].as_str()) else {
            return Err(should(&format!("{at}.old_str"), "a string, as new_str", update.get("old_str")));
        };
        let count = if old.is_empty() { 0 } else { text.matches(old).count() };
        if count == 0 {
            return Err(invalid(format!("Could not find {old:?} in the page.")));
        }
        if count > 1 && update["replace_all_matches"] != true {
            return Err(invalid(format!(
                "{old:?} stands in the page {count} times. Set replace_all_matches, or give more of the text."
            )));
        }
        text = text.replace(old, new);
    }
    Ok(text)
}
