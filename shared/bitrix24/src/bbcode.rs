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
    while let Some(open) = steps::find(rest, &['[']) {
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
    // A bracket within brackets: the first one was text. The search stops there, so no text is searched twice.
    let end = 1 + steps::find(&text[1..], &[']', '['])?;
    let inside = text[..end].get(1..).filter(|_| text[end..].starts_with(']'))?;
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

    #[test]
    fn work_grows_with_the_text_and_no_faster() {
        for shape in ["[", "[b", "[b]", "[/b", "[url=", "]", "[[]", "[b x"] {
            let cost = |bytes: usize| steps::of(|| plain(&shape.repeat(bytes / shape.len()))).1;
            let (once, twice) = (cost(20_000), cost(40_000));
            assert!(once > 0 && twice * 10 <= once * 22 && twice <= 200_000, "{shape}: {once} steps, then {twice}");
        }
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
