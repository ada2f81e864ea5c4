//! Rich text from and to plain text, within Notion's limits and never cut.

use serde_json::{Value, json};

/// UTF-16 units in one run: Notion counts like JavaScript. <https://developers.notion.com/reference/request-limits>
pub const MAX_IN_A_RUN: usize = 2_000;
/// Runs in one array.
pub const MAX_RUNS: usize = 100;

/// The text as an array of runs; every 2,000 units make one. Split where a line or a word ends, if one does.
/// Longer than [`MAX_RUNS`] runs is longer than a property holds: see [`too_long`].
pub fn runs(text: &str) -> Value {
    Value::Array(split(text).into_iter().map(|run| json!({"type": "text", "text": {"content": run}})).collect())
}

/// Whether the text has more runs than a property takes.
pub fn too_long(text: &str) -> bool {
    split(text).len() > MAX_RUNS
}

/// The text in pieces of at most [`MAX_IN_A_RUN`] units, which together are the text.
pub fn split(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut units = 0;
        let fits = rest.char_indices().find(|(_, c)| {
            units += c.len_utf16();
            units > MAX_IN_A_RUN
        });
        let Some((end, _)) = fits else {
            pieces.push(rest);
            break;
        };
        let head = &rest[..end];
        // Behind a break, unless that would leave next to nothing.
        let at =
            head.rfind('\n').or_else(|| head.rfind(' ')).map(|at| at + 1).filter(|at| *at > end / 2).unwrap_or(end);
        pieces.push(&rest[..at]);
        rest = &rest[at..];
    }
    pieces
}

/// What a rich-text array reads like: mentions and links by their plain text.
pub fn plain(array: &Value) -> String {
    let text = |run: &Value| {
        run["plain_text"].as_str().or_else(|| run["text"]["content"].as_str()).unwrap_or_default().to_owned()
    };
    array.as_array().into_iter().flatten().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_split_text_is_whole_and_fits(text in "([a-zа-я😀 \n]{1,9}){0,700}") {
            let pieces = split(&text);
            prop_assert_eq!(pieces.concat(), text.clone());
            prop_assert!(pieces.iter().all(|piece| piece.encode_utf16().count() <= MAX_IN_A_RUN && !piece.is_empty()));
            prop_assert_eq!(plain(&runs(&text)), text);
        }
    }

    #[test]
    fn a_text_without_breaks_is_split_all_the_same() {
        assert_eq!(split(&"😀".repeat(1_001)).len(), 2);
        assert!(too_long(&"x".repeat(200_001)) && !too_long(&"x".repeat(200_000)));
    }
}
