//! Edits of a property's text that keep formatting, links and mentions where the text is unchanged.

use notion::text;
use serde_json::{Map, Value, json};

/// The items of a text property after an edit of its text.
pub(super) fn edited(now: Option<&Value>, wanted: &str) -> Value {
    let items: Vec<&Value> = now.and_then(Value::as_array).into_iter().flatten().collect();
    let all: Vec<ListItem<'_>> = located(&items);
    let was: String = all.iter().map(|item| item.text.as_str()).collect();
    let (mut head, mut tail) = unchanged(&was, wanted);
    // An item that is not text stays as a whole or is removed as a whole.
    if let Some(item) = all.iter().find(|item| !item.is_text() && item.from < head && head < item.to) {
        head = item.from;
    }
    if let Some(item) = all.iter().find(|item| {
        let begins = was.len() - tail;
        !item.is_text() && item.from < begins && begins < item.to
    }) {
        tail = was.len() - item.to;
    }
    let mut edited: Vec<Value> = all.iter().filter_map(|item| item.within(0, head)).collect();
    let middle = &wanted[head..wanted.len() - tail];
    let around = all.iter().find(|item| item.is_text() && item.from < head && item.to >= was.len() - tail);
    for piece in text::split(middle) {
        edited.push(around.map_or_else(|| plain(piece), |item| item.with(piece)));
    }
    edited.extend(all.iter().filter_map(|item| item.within(was.len() - tail, was.len())));
    let edited = joined(edited);
    if edited.len() > text::MAX_RUNS { text::runs(wanted) } else { Value::Array(edited) }
}

/// Adjacent texts with the same formatting are joined, so that edits leave no fragments.
fn joined(items: Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for item in items {
        match all.last_mut() {
            Some(last) if look_the_same(last, &item) => {
                let both = [content(last), content(&item)].concat();
                last["text"]["content"] = both.into();
            }
            _ => all.push(item),
        }
    }
    all
}

fn content(item: &Value) -> &str {
    item["text"]["content"].as_str().unwrap_or_default()
}

fn look_the_same(one: &Value, other: &Value) -> bool {
    let is_text = |item: &Value| item["type"] == "text";
    let units = content(one).encode_utf16().count() + content(other).encode_utf16().count();
    let looks = |item: &Value| {
        let all = item["annotations"].as_object().cloned().unwrap_or_default();
        all.into_iter().filter(|(_, value)| *value != false && value != "default").collect::<Map<_, _>>()
    };
    is_text(one)
        && is_text(other)
        && units <= text::MAX_IN_A_RUN
        && one["text"]["link"] == other["text"]["link"]
        && looks(one) == looks(other)
}

/// How many bytes at the beginning and at the end two texts have in common.
fn unchanged(was: &str, wanted: &str) -> (usize, usize) {
    steps::add(was.len().min(wanted.len()));
    let same = |(a, b): &(char, char)| a == b;
    let head: usize = was.chars().zip(wanted.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let rest = was[head..].chars().rev().zip(wanted[head..].chars().rev());
    (head, rest.take_while(same).map(|(c, _)| c.len_utf8()).sum())
}

/// An item with its text and its place.
struct ListItem<'a> {
    value: &'a Value,
    text: String,
    from: usize,
    to: usize,
}

fn located<'a>(items: &[&'a Value]) -> Vec<ListItem<'a>> {
    let mut from = 0;
    let mut all = Vec::new();
    for value in items {
        let text = text::plain(&json!([value]));
        let to = from + text.len();
        all.push(ListItem { value, text, from, to });
        from = to;
    }
    all
}

impl ListItem<'_> {
    /// Whether its text can be cut: its text is its content.
    fn is_text(&self) -> bool {
        self.value["text"]["content"] == self.text.as_str() || !self.can_be_written()
    }

    /// Some mentions can only be read; they become text.
    fn can_be_written(&self) -> bool {
        match self.value["type"].as_str() {
            Some("equation") => true,
            Some("mention") => {
                let kind = self.value["mention"]["type"].as_str().unwrap_or_default();
                ["user", "page", "database", "date"].contains(&kind) && self.value["mention"][kind].is_object()
            }
            _ => self.value["text"].is_object(),
        }
    }

    /// The part of it between two places of the whole text; `None` if there is nothing of it.
    fn within(&self, from: usize, to: usize) -> Option<Value> {
        let (from, to) = (from.max(self.from), to.min(self.to));
        if from >= to {
            return None;
        }
        Some(if (from, to) == (self.from, self.to) && self.can_be_written() {
            self.whole()
        } else {
            self.with(&self.text[from - self.from..to - self.from])
        })
    }

    /// The whole item as it can be written.
    fn whole(&self) -> Value {
        let kind = self.value["type"].as_str().unwrap_or("text");
        let mut item = json!({"type": kind});
        for part in [kind, "annotations"] {
            if !self.value[part].is_null() {
                item[part] = self.value[part].clone();
            }
        }
        // A mention of a person is written by the id alone.
        if let Some(id) = item["mention"]["user"].get("id").cloned() {
            item["mention"]["user"] = json!({"id": id});
        }
        item
    }

    /// Other text, formatted as it is.
    fn with(&self, text: &str) -> Value {
        let mut item = plain(text);
        let link = &self.value["text"]["link"];
        if !link.is_null() {
            item["text"]["link"] = link.clone();
        } else if let Some(address) = self.value["href"].as_str().filter(|_| !self.can_be_written()) {
            item["text"]["link"] = json!({"url": address});
        }
        if self.value["annotations"].is_object() {
            item["annotations"] = self.value["annotations"].clone();
        }
        item
    }
}

fn plain(text: &str) -> Value {
    json!({"type": "text", "text": {"content": text}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bold(text: &str) -> Value {
        json!({"type": "text", "text": {"content": text, "link": null}, "annotations": {"bold": true},
            "plain_text": text, "href": null})
    }

    #[test]
    fn formatting_and_mentions_stay_where_the_text_stays() {
        let user = json!({"type": "mention", "mention": {"type": "user", "user": {"object": "user", "id": "n6", "name": "Bo"}},
            "plain_text": "@Bo", "href": null});
        let now = json!([bold("Roof for "), user, bold(" and ACME")]);
        let edited = edited(Some(&now), "Roof for @Bo and ABC");
        assert_eq!(
            edited[0],
            json!({"type": "text", "text": {"content": "Roof for ", "link": null}, "annotations": {"bold": true}})
        );
        assert_eq!(edited[1], json!({"type": "mention", "mention": {"type": "user", "user": {"id": "n6"}}}));
        assert_eq!(text::plain(&json!([edited[2], edited[3]])), " and ABC");
        assert_eq!(edited[2]["annotations"]["bold"], true);
        let other = super::edited(Some(&now), "Roof for @Bob and ACME");
        assert_eq!(other[1]["type"], "mention");
        assert_eq!(other[2]["text"]["content"], "b");
        let gone = super::edited(Some(&now), "Roof for @Ba and ACME");
        assert_eq!(gone[1], json!({"type": "text", "text": {"content": "@Ba"}}));
    }

    proptest! {
        #[test]
        fn the_items_read_as_was_wanted(now in prop::collection::vec("[ab😀]{0,3}", 0..5), wanted in "[ab😀]{0,9}") {
            let items: Vec<Value> = now.iter().map(|text| bold(text)).collect();
            let edited = edited(Some(&Value::Array(items)), &wanted);
            prop_assert_eq!(text::plain(&edited), wanted);
        }
    }
}
