//! Formatted text: BBCode on the portal, rich text in Notion.

use locale::Localized;
use serde_json::Value;
use text::edit;

pub(super) use text::edit::{normalised as typed, shown};

/// The BBCode with an edit of the text that it shows, or why that cannot be done. `wanted` has no blanks at the ends of
/// lines: those of lines that were not edited stay.
pub(super) fn edited(now: &str, wanted: &str) -> Result<String, Localized> {
    edit::edit_bbcode(now, &with_blanks(&shown(now), wanted)).map_err(|loss| loss.why)
}

fn with_blanks(shown: &str, wanted: &str) -> String {
    let body = shown.trim_end();
    if body.is_empty() {
        return wanted.to_owned();
    }
    let (now, new): (Vec<&str>, Vec<&str>) = (body.split('\n').collect(), wanted.split('\n').collect());
    let same = |(now, new): &(&&str, &&str)| now.trim_end() == new.trim_end();
    let head = now.iter().zip(&new).take_while(same).count();
    let rest = now.len().min(new.len()) - head;
    let tail = now.iter().rev().zip(new.iter().rev()).take(rest).take_while(same).count();
    let lines = now[..head].iter().chain(&new[head..new.len() - tail]).chain(&now[now.len() - tail..]);
    let text = lines.copied().collect::<Vec<_>>().join("\n");
    text + &shown[body.len()..]
}

/// The property's items with an edit of the BBCode.
pub(super) fn items(now: Option<&Value>, bbcode: &str) -> Value {
    let bbcode = bbcode.trim_end();
    match now.and_then(Value::as_array).filter(|items| !items.is_empty()) {
        Some(items) => Value::Array(edit::edit_rich_text(items, bbcode)),
        None => Value::Array(edit::rich_text(bbcode)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Cell;

    #[test]
    fn blanks_and_tags_stay_where_the_text_stays() {
        let now = "[b]Roof[/b]  \n[list][*]one[*]two[/list]\nend \n\n";
        let seen = Cell::text(&shown(now)).to_string();
        assert_eq!(edited(now, &seen).unwrap(), now);
        let after = edited(now, &seen.replace("end", "done")).unwrap();
        assert!(after.starts_with("[b]Roof[/b]  \n[list][*]one[*]two[/list]\n"), "{after:?}");
        assert_eq!(Cell::text(&shown(&after)), Cell::text(&seen.replace("end", "done")));
    }
}
