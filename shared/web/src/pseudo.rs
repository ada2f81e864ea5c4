//! For tests of pages in the made-up language of `locale`: a text that is not from a catalogue shows.

use locale::{Language, assert_from_the_catalogues};

/// Elements whose content is code, not words.
const CODE: [&str; 3] = ["code", "script", "style"];
/// Attributes that people read or hear.
const WORDS: [&str; 3] = ["aria-label", "title", "alt"];

/// Fails if a page in the made-up language has a text that does not come from the catalogues, or none that does. Read is
/// what is between its tags, besides code, and what its labels say. The names of the product and of languages are the same
/// in every language.
#[track_caller]
#[allow(clippy::missing_panics_doc)] // it is an assertion
pub fn assert_page_from_the_catalogues(page: &str) {
    assert!(page.contains("[!! "), "it is not in the made-up language: {page}");
    for text in texts(page) {
        let names = Language::ALL.map(Language::name);
        let text = names.iter().fold(text.replace("Switchboard", ""), |text, name| text.replace(name, ""));
        assert_from_the_catalogues(&text);
    }
}

fn texts(page: &str) -> Vec<String> {
    let (mut texts, mut rest, mut code) = (Vec::new(), page, None);
    while let Some((text, tag)) = rest.split_once('<') {
        if code.is_none() {
            texts.push(unescaped(text));
        }
        let (tag, after) = tag.split_once('>').unwrap_or((tag, ""));
        let name = tag.split([' ', '/']).find(|name| !name.is_empty()).unwrap_or_default();
        match code {
            Some(open) if open == name && tag.starts_with('/') => code = None,
            None if CODE.contains(&name) && !tag.starts_with('/') => code = Some(name),
            _ => {}
        }
        texts.extend(WORDS.iter().filter_map(|attribute| value(tag, attribute)));
        rest = after;
    }
    texts.push(unescaped(rest));
    texts
}

fn value(tag: &str, attribute: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {attribute}=\""))?;
    rest.split('"').next().map(unescaped)
}

fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_is_found_and_code_is_not() {
        let page = r#"<!DOCTYPE html><p title="a" class="b">c &amp; d<code>e <b>f</b></code><br>g</p><input aria-label="h" name="i">"#;
        let found: Vec<_> = texts(page).into_iter().filter(|text| !text.is_empty()).collect();
        assert_eq!(found, ["a", "c & d", "g", "h"]);
    }
}
