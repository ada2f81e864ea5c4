//! Addresses: which may become links, and where they are in a typed text.

use std::ops::Range;

/// The longest address that is made a link: Notion takes no longer one.
const MAX_ADDRESS: usize = 2_000;

/// Whether an address leads to a page, a letter box or a telephone, never to a script or a file.
pub fn is_safe(url: &str) -> bool {
    let url = url.trim();
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let known = ["http", "https", "mailto", "tel"].contains(&scheme.as_str()) && url.len() > scheme.len() + 1;
    // What turns the direction of text would turn what is around the address as well.
    let turns = bidi::without_overrides(url).len() != url.len();
    known && !turns && url.len() <= MAX_ADDRESS && !url.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The words of a link, with its address where that becomes no link.
pub(super) fn with_target(words: String, url: &str) -> String {
    if url.is_empty() || words == url || is_safe(url) || is_script(url) { words } else { format!("{words} ({url})") }
}

/// Whether Notion makes a link of an address.
pub(super) fn is_link_in_notion(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    is_safe(url) && ["http://", "https://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
}

/// Whether an address would run something. Such a one is not even shown.
pub(super) fn is_script(url: &str) -> bool {
    let scheme: String = url.split(':').next().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    ["javascript", "vbscript", "data"].contains(&scheme.to_ascii_lowercase().as_str()) && url.contains(':')
}

/// The address of a tag as one that leads somewhere, if it does: blanks are encoded, `www.` gets its scheme, an address
/// within the portal its origin, where that is known.
pub(super) fn target(written: &str, origin: Option<&str>) -> Option<String> {
    let written = written.trim().trim_matches(['"', '\'']);
    steps::add(written.len().min(MAX_ADDRESS) + 1);
    if written.len() > MAX_ADDRESS {
        return None;
    }
    let url = if written.starts_with('/') && !written.starts_with("//") {
        format!("{}{written}", origin?.trim_end_matches('/'))
    } else if written.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) {
        format!("http://{written}")
    } else {
        written.to_owned()
    };
    let url = url.replace(' ', "%20").replace('\t', "%09");
    is_safe(&url).then_some(url)
}

/// Where addresses stand in a text, and where each leads: `https://…`, `www.…`, `mailto:…`.
pub(super) fn find(text: &str) -> Vec<(Range<usize>, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = next_word(text, at) {
        let end = start + steps::find(&text[start..], &STOPS).unwrap_or(text.len() - start);
        at = end.max(start + 1);
        let word = &text[start..end];
        if let Some((from, length)) = address(word)
            && let Some(url) = target(&word[from..from + length], None)
        {
            found.push((start + from..start + from + length, url));
        }
    }
    found
}

/// What no address has in it.
const STOPS: [char; 13] = [' ', '\n', '\t', '\r', '<', '>', '"', '\u{a0}', '\u{200b}', '`', '«', '»', '\u{3000}'];

fn next_word(text: &str, at: usize) -> Option<usize> {
    let skipped = text[at..].find(|c| !STOPS.contains(&c))?;
    steps::add(skipped + 1);
    Some(at + skipped)
}

/// How an address begins, and the least that must follow.
const BEGINNINGS: [&str; 4] = ["https://", "http://", "mailto:", "www."];

/// Where the address in a word begins, and how long it is.
fn address(word: &str) -> Option<(usize, usize)> {
    steps::add(word.len());
    let begins = |at: usize| {
        let beginning = BEGINNINGS
            .iter()
            .find(|known| word.get(at..at + known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known)))?;
        // `xhttps://` is not an address, `(https://` and `:https://` are.
        let is_free = word[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let goes_on = word[at + beginning.len()..].chars().next().is_some_and(char::is_alphanumeric);
        (is_free && goes_on).then_some(at)
    };
    let from = word
        .char_indices()
        .filter(|(_, c)| matches!(c, 'h' | 'H' | 'm' | 'M' | 'w' | 'W'))
        .find_map(|(at, _)| begins(at))?;
    let length = trimmed(&word[from..]).len();
    let rest = word[from..from + length].to_ascii_lowercase();
    let is_whole = match rest.strip_prefix("mailto:") {
        Some(letter_box) => letter_box.contains('@'),
        None => !rest.starts_with("www.") || rest[4..].contains('.'),
    };
    is_whole.then_some((from, length))
}

/// An address without the punctuation of the sentence that it stands in. A closing bracket belongs to it only if it
/// opened one.
fn trimmed(address: &str) -> &str {
    let mut rest = address;
    let count = |c: char| address.matches(c).count();
    let mut extra: Vec<(char, usize)> = [('(', ')'), ('[', ']'), ('{', '}')]
        .into_iter()
        .map(|(open, close)| (close, count(close).saturating_sub(count(open))))
        .collect();
    loop {
        let last = rest.chars().next_back();
        let drops = match last {
            Some('.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '|' | '…' | '”' | '’') => true,
            Some(c) => extra.iter_mut().any(|(close, left)| {
                *close == c && *left > 0 && {
                    *left -= 1;
                    true
                }
            }),
            None => false,
        };
        if !drops {
            return rest;
        }
        rest = &rest[..rest.len() - last.map_or(0, char::len_utf8)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|(at, _)| &text[at]).collect()
    }

    #[test]
    fn addresses_end_before_the_punctuation_of_their_sentence() {
        for (text, address) in [
            ("see https://a.example/x_y_z.", "https://a.example/x_y_z"),
            ("(https://a.example/x)", "https://a.example/x"),
            ("(see https://a.example/x_(y))", "https://a.example/x_(y)"),
            ("https://a.example/?q=[1]&b=2, and", "https://a.example/?q=[1]&b=2"),
            ("go:https://a.example!", "https://a.example"),
            ("«https://пример.example/путь»", "https://пример.example/путь"),
            ("HTTPS://A.example", "HTTPS://A.example"),
            ("www.a.example/x?", "www.a.example/x"),
            ("mailto:ann@a.example;", "mailto:ann@a.example"),
            ("https://a.example/a|b", "https://a.example/a|b"),
            ("https://a.example/x_", "https://a.example/x_"),
        ] {
            assert_eq!(found(text), [address], "{text}");
        }
        for none in [
            "xhttps://a",
            "https://",
            "www.",
            "www.x",
            "mailto:",
            "mailto:x",
            "http",
            "javascript:alert(1)",
            "a.example",
        ] {
            assert_eq!(found(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn a_target_leads_somewhere_or_nowhere() {
        let own = Some("https://acme.bitrix24.com");
        assert_eq!(target("/crm/deal/details/5/", own).unwrap(), "https://acme.bitrix24.com/crm/deal/details/5/");
        assert_eq!(target("/crm/deal/details/5/", None), None);
        assert_eq!(target("//evil.example", own), None);
        assert_eq!(target("www.a.example", None).unwrap(), "http://www.a.example");
        assert_eq!(target(" https://a.example/a b|ü ", None).unwrap(), "https://a.example/a%20b|ü");
        for none in ["javascript:alert(1)", "data:x", "file:///etc", "https:", "", "words"] {
            assert_eq!(target(none, own), None, "{none}");
        }
        assert!(is_script(" java\tscript:x") && !is_script("javascript") && !is_script("/x"));
    }
}
