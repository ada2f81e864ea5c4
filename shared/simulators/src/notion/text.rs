//! Rich text: what may be written and how it is shown; and the texts of refusals.

use serde_json::{Value, json};

use super::NotionState;

/// A refusal: HTTP status, code, words, additional data.
pub(super) type NotionRefusal = (u16, &'static str, String, Value);

pub(super) fn invalid(text: impl Into<String>) -> NotionRefusal {
    (400, "validation_error", text.into(), Value::Null)
}

/// The text of a wrong value: `undefined` for nothing, and the JSON otherwise, cut when it is long.
pub(super) fn was(value: Option<&Value>) -> String {
    let Some(value) = value else { return "`undefined`".into() };
    let text = value.to_string();
    match text.char_indices().nth(90) {
        Some((end, _)) => format!("`{}...`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

/// `body.<path> should be <what>, instead was …`.
pub(super) fn should(path: &str, what: &str, value: Option<&Value>) -> NotionRefusal {
    invalid(format!("body failed validation: body.{path} should be {what}, instead was {}.", was(value)))
}

pub(super) fn undefined(path: &str) -> NotionRefusal {
    should(path, "defined", None)
}

pub(super) fn too_long(path: &str, most: usize, length: usize) -> NotionRefusal {
    invalid(format!("body failed validation: body.{path}.length should be ≤ `{most}`, instead was `{length}`."))
}

/// Several shapes would be accepted, and none was given.
pub(super) fn fix_one(path: &str, kinds: &[&str]) -> NotionRefusal {
    let lines: Vec<_> =
        kinds.iter().map(|kind| format!("body.{path}.{kind} should be defined, instead was `undefined`.")).collect();
    invalid(format!("body failed validation. Fix one:\n{}", lines.join("\n")))
}

/// Text in UTF-16 units, as JavaScript counts.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// A list of at most `most` items.
pub(super) fn list<'a>(path: &str, value: Option<&'a Value>, most: usize) -> Result<&'a [Value], NotionRefusal> {
    let Some(items) = value.and_then(Value::as_array) else { return Err(should(path, "an array", value)) };
    if items.len() > most { Err(too_long(path, most, items.len())) } else { Ok(items) }
}

/// Whether the words are the address of something.
pub(super) fn is_address(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| !url.cannot_be_a_base() || matches!(url.scheme(), "mailto" | "tel"))
}

/// An address of http or https that is not too long.
pub(super) fn web_address(path: &str, value: Option<&Value>) -> Result<String, NotionRefusal> {
    let Some(url) = value.and_then(Value::as_str) else { return Err(should(path, "a string", value)) };
    if units(url) > 2_000 {
        return Err(too_long(path, 2_000, units(url)));
    }
    let is_web = reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_web { Ok(url.to_owned()) } else { Err(should(path, "a valid URL", value)) }
}

/// A run of plain text, as it is shown.
pub(super) fn run(content: &str) -> Value {
    styled(&json!({"content": content, "link": null}), "text", content, &Value::Null, &plain_style())
}

/// A text as rich text is shown: one run, or none.
pub(super) fn runs(content: &str) -> Value {
    if content.is_empty() { json!([]) } else { json!([run(content)]) }
}

fn plain_style() -> Value {
    json!({"bold": false, "italic": false, "strikethrough": false, "underline": false, "code": false, "color": "default"})
}

fn styled(inner: &Value, kind: &str, plain: &str, href: &Value, annotations: &Value) -> Value {
    json!({"type": kind, kind: inner, "annotations": annotations, "plain_text": plain, "href": href})
}

const COLORS: [&str; 10] = ["default", "gray", "brown", "orange", "yellow", "green", "blue", "purple", "pink", "red"];

/// Whether it is a colour of a text; options have no backgrounds.
pub(super) fn is_color(color: &str, with_backgrounds: bool) -> bool {
    let bare = if with_backgrounds { color.strip_suffix("_background").unwrap_or(color) } else { color };
    COLORS.contains(&bare)
}

fn annotations(path: &str, given: Option<&Value>) -> Result<Value, NotionRefusal> {
    let mut style = plain_style();
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(style) };
    let Some(given) = given.as_object() else { return Err(should(path, "an object", Some(given))) };
    for (name, value) in given {
        let is_good = match name.as_str() {
            "color" => value.as_str().is_some_and(|color| is_color(color, true)),
            "bold" | "italic" | "strikethrough" | "underline" | "code" => value.is_boolean(),
            _ => return Err(should(&format!("{path}.{name}"), "not present", Some(value))),
        };
        if !is_good {
            let what = if name == "color" { "a valid color" } else { "a boolean" };
            return Err(should(&format!("{path}.{name}"), what, Some(value)));
        }
        style[name.as_str()] = value.clone();
    }
    Ok(style)
}

fn link(path: &str, given: Option<&Value>) -> Result<Value, NotionRefusal> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(Value::Null) };
    let at = format!("{path}.url");
    let Some(url) = given.get("url").and_then(Value::as_str) else {
        return Err(should(&at, "a string", given.get("url")));
    };
    if units(url) > 2_000 {
        return Err(too_long(&at, 2_000, units(url)));
    }
    if !is_address(url) && !url.starts_with(['/', '#']) {
        return Err(invalid("Invalid URL for link."));
    }
    Ok(json!({"url": url}))
}

impl NotionState {
    /// Checks an array of rich text and gives it as it is shown.
    pub(super) fn rich_text(&self, path: &str, value: Option<&Value>) -> Result<Value, NotionRefusal> {
        let mut shown = Vec::new();
        for (index, run) in list(path, value, 100)?.iter().enumerate() {
            shown.extend(self.rich_run(&format!("{path}[{index}]"), run)?);
        }
        Ok(Value::Array(shown))
    }

    fn rich_run(&self, path: &str, given: &Value) -> Result<Option<Value>, NotionRefusal> {
        let kinds = ["text", "mention", "equation"];
        let kind = match given["type"].as_str() {
            Some(kind) if kinds.contains(&kind) => kind,
            Some(_) => {
                return Err(should(&format!("{path}.type"), "`text`, `mention` or `equation`", given.get("type")));
            }
            None => kinds.iter().find(|kind| given.get(**kind).is_some()).copied().unwrap_or("text"),
        };
        let at = format!("{path}.{kind}");
        let Some(inner) = given.get(kind).filter(|inner| inner.is_object()) else {
            return Err(if given.get(kind).is_none() {
                undefined(&at)
            } else {
                should(&at, "an object", given.get(kind))
            });
        };
        let style = annotations(&format!("{path}.annotations"), given.get("annotations"))?;
        match kind {
            "text" => {
                let Some(content) = inner["content"].as_str() else {
                    return Err(should(&format!("{at}.content"), "a string", inner.get("content")));
                };
                if units(content) > 2_000 {
                    return Err(too_long(&format!("{at}.content"), 2_000, units(content)));
                }
                let link = link(&format!("{at}.link"), inner.get("link"))?;
                // Notion keeps no empty run.
                let shown = styled(&json!({"content": content, "link": link}), kind, content, &link["url"], &style);
                Ok(Some(shown).filter(|_| !content.is_empty()))
            }
            "equation" => {
                let Some(words) = inner["expression"].as_str() else {
                    return Err(should(&format!("{at}.expression"), "a string", inner.get("expression")));
                };
                if units(words) > 1_000 {
                    return Err(too_long(&format!("{at}.expression"), 1_000, units(words)));
                }
                Ok(Some(styled(&json!({"expression": words}), kind, words, &Value::Null, &style)))
            }
            _ => self.mention(&at, inner, &style).map(Some),
        }
    }

    fn mention(&self, path: &str, given: &Value, style: &Value) -> Result<Value, NotionRefusal> {
        let kinds = ["user", "page", "database", "date"];
        let Some(kind) = kinds.iter().find(|kind| given.get(**kind).is_some()) else {
            return Err(fix_one(path, &kinds));
        };
        let inner = &given[*kind];
        if *kind == "date" {
            let date = super::dates::checked(&format!("{path}.date"), inner)?;
            let plain = date["start"].as_str().unwrap_or_default().to_owned();
            return Ok(styled(&json!({"type": "date", "date": date}), "mention", &plain, &Value::Null, style));
        }
        let Some(id) = inner["id"].as_str().and_then(notion_wire::object_id) else {
            return Err(should(&format!("{path}.{kind}.id"), "a valid uuid", inner.get("id")));
        };
        let (shown, plain, href) = match *kind {
            "user" => {
                if !self.is_user(&id) {
                    return Err(invalid(format!("Could not find user with ID: {id}.")));
                }
                let user = self.user(&id);
                let name = user["name"].as_str().unwrap_or("Anonymous").to_owned();
                (user, format!("@{name}"), Value::Null)
            }
            "page" => {
                let page = self.page(&id).ok_or_else(|| super::api::missing("page", &id))?;
                (json!({"id": id}), super::values::title(page), json!(address(&id)))
            }
            _ => {
                let database = self.database(&id).ok_or_else(|| super::api::missing("database", &id))?;
                (json!({"id": id}), database.title.clone(), json!(address(&id)))
            }
        };
        Ok(styled(&json!({"type": kind, *kind: shown}), "mention", &plain, &href, style))
    }
}

/// The address of a page or database, without its title.
pub(super) fn address(id: &str) -> String {
    format!("https://app.notion.com/p/{}", id.replace('-', ""))
}
