//! Removes the characters that turn the direction of the text after them, so that `gpj.exe` reads as `exe.jpg` or a
//! link's words seem to belong to the next line. Used wherever foreign text enters a card, a message or a page.
//!
//! Arabic and Hebrew do not need them: their letters carry the direction. What honest text uses remains: the marks
//! U+200E, U+200F and U+061C, which only place punctuation, and the joiners U+200C and U+200D, which shape Persian
//! words and emoji.

use std::borrow::Cow;

/// Embeddings and overrides (U+202A–U+202E) and isolates (U+2066–U+2069).
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text without characters that turn its direction.
pub fn without_overrides(text: &str) -> Cow<'_, str> {
    if text.contains(turns) { Cow::Owned(text.replace(turns, "")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::without_overrides;

    #[test]
    fn what_turns_the_direction_goes_and_all_else_stays() {
        assert_eq!(without_overrides("\u{202e}gpj.exe\u{202c} \u{2067}x\u{2069}"), "gpj.exe x");
        for honest in
            ["שלום, עולם\u{200f}.", "مرحبا \u{61c}1", "می\u{200c}خواهم", "👨\u{200d}👩\u{200d}👧", "a\u{200e}b", ""]
        {
            assert_eq!(without_overrides(honest), honest);
        }
    }
}
