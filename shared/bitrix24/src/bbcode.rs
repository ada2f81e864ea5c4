//! BBCode as plain text: what people see of it, without its tags.

/// Tags whose content or value is what people see.
const KNOWN: [&str; 27] = [
    "b",
    "i",
    "u",
    "s",
    "url",
    "user",
    "chat",
    "context",
    "code",
    "put",
    "send",
    "call",
    "icon",
    "img",
    "size",
    "color",
    "timestamp",
    "disk",
    "list",
    "*",
    "quote",
    "table",
    "tr",
    "td",
    "p",
    "br",
    "font",
];

/// The visible text. Unknown tags are text; nothing of it is markup any more.
pub fn plain(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        seen.push_str(&rest[..open]);
        rest = &rest[open..];
        let Some((tag, length)) = tag(rest) else {
            seen.push('[');
            rest = &rest[1..];
            continue;
        };
        rest = &rest[length..];
        match tag.as_str() {
            "br" | "/p" | "/tr" => seen.push('\n'),
            "*" => seen.push_str("\n• "),
            "/td" => seen.push(' '),
            _ => {}
        }
    }
    seen.push_str(rest);
    seen.trim().to_owned()
}

/// The name of the tag at the beginning of `text`, with its slash, and how long the tag is.
fn tag(text: &str) -> Option<(String, usize)> {
    let end = text.find(']')?;
    // A bracket within brackets: the first one was text.
    let inside = Some(&text[1..end]).filter(|inside| !inside.contains('['))?;
    let name = inside.split(['=', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    KNOWN.contains(&name.trim_start_matches('/')).then_some((name, end + 1))
}

#[cfg(test)]
mod tests {
    use super::plain;
    use proptest::prelude::*;

    #[test]
    fn people_see_the_words_without_the_tags() {
        assert_eq!(plain("[b]Hi[/b] [USER=5]Ann[/USER], see [url=https://a/]this[/url]"), "Hi Ann, see this");
        assert_eq!(plain("[list][*]one[*]two[/list]"), "• one\n• two");
        assert_eq!(plain("a[0] = [x] [send=/boom]press[/send]"), "a[0] = [x] press");
        assert_eq!(plain("[b [/b]"), "[b");
    }

    proptest! {
        #[test]
        fn words_stay_whatever_tags_surround_them(words in "[a-z ж]{0,20}", open in "(\\[b\\]|\\[url=x\\]|\\[color=#fff\\]|\\[)?") {
            prop_assert_eq!(plain(&words), words.trim());
            let text = format!("{open}{words}[/b]");
            prop_assert!(plain(&text).contains(words.trim()));
        }
    }
}
