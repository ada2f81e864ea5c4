//! What Slack's editor makes of what a person types or pastes: a `rich_text` block, and a text with Slack's markup.
//!
//! Input here is given as Slack's final text: `*bold*`, `<@U1>`, `&amp;`. Written from Slack's documents, not from our
//! reader.

use serde_json::{Value, json};

/// The longest text; what is longer is cut.
pub(super) const MAX_TEXT: usize = 40_000;

/// The text and the blocks of a message; no blocks for one without text.
pub(super) fn typed(text: &str) -> (String, Option<Value>) {
    let text = with_links(&text.chars().take(MAX_TEXT).collect::<String>());
    if text.is_empty() {
        return (text, None);
    }
    let block = json!([{"type": "rich_text", "block_id": "b1", "elements": elements(&text)}]);
    (text, Some(block))
}

/// Addresses that are typed bare become links, and mentions of channels lose their names, as Slack has them since 2024.
fn with_links(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    let (mut rest, mut in_fence) = (text, false);
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("```") {
            in_fence = !in_fence;
        }
        let end = match first {
            '<' if !in_fence => rest.find('>').map(|end| end + 1),
            _ => None,
        };
        if let Some(end) = end {
            let inside = &rest[..end];
            let is_bare_channel = inside.starts_with("<#") && !inside.contains('|');
            all.push_str(&if is_bare_channel { inside.replace('>', "|>") } else { inside.to_owned() });
            rest = &rest[end..];
            continue;
        }
        let before = all.chars().next_back();
        let is_start = before.is_none_or(|c| c.is_whitespace() || c == '(');
        if !in_fence && is_start && (rest.starts_with("https://") || rest.starts_with("http://")) {
            let end = rest.find(|c: char| c.is_whitespace() || "<>|)`*".contains(c)).unwrap_or(rest.len());
            let url = rest[..end].trim_end_matches(['.', ',', '!', '?', ';', ':']);
            all.extend(["<", url, ">"]);
            rest = &rest[url.len()..];
            continue;
        }
        all.push(first);
        rest = &rest[first.len_utf8()..];
    }
    all
}

#[derive(PartialEq, Clone, Copy)]
enum EditorLine {
    Text,
    Quote,
    Item { ordered: bool, depth: usize },
}

fn elements(text: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for (index, part) in text.split("```").enumerate() {
        let is_closed = text.matches("```").count() >= index + index % 2;
        if index % 2 == 1 && is_closed {
            let code = plain(part.trim_matches('\n'));
            all.push(
                json!({"type": "rich_text_preformatted", "elements": [{"type": "text", "text": code}], "border": 0}),
            );
            continue;
        }
        let part = if index % 2 == 1 { format!("```{part}") } else { part.to_owned() };
        let part = if index > 0 { part.strip_prefix('\n').unwrap_or(&part).to_owned() } else { part };
        let has_more = index % 2 == 0 && text.matches("```").count() > index + 1;
        let part = if has_more { part.strip_suffix('\n').map_or(part.clone(), str::to_owned) } else { part };
        if !part.is_empty() {
            lines(&part, &mut all);
        }
    }
    all
}

fn lines(text: &str, all: &mut Vec<Value>) {
    let mut run: Vec<&str> = Vec::new();
    let mut kind = EditorLine::Text;
    for line in text.split('\n') {
        let (found, words) = line_kind(line);
        if found != kind && !run.is_empty() {
            all.push(block(kind, &run));
            run.clear();
        }
        kind = found;
        run.push(words);
    }
    if !run.is_empty() {
        all.push(block(kind, &run));
    }
}

fn line_kind(line: &str) -> (EditorLine, &str) {
    if let Some(words) = line.strip_prefix("&gt;") {
        return (EditorLine::Quote, words.strip_prefix(' ').unwrap_or(words));
    }
    let bare = line.trim_start_matches(' ');
    let depth = (line.len() - bare.len()) / 4;
    if let Some(words) = bare.strip_prefix("• ") {
        return (EditorLine::Item { ordered: false, depth }, words);
    }
    let digits = bare.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    match bare[digits..].strip_prefix(". ") {
        Some(words) if digits > 0 => (EditorLine::Item { ordered: true, depth }, words),
        _ => (EditorLine::Text, line),
    }
}

fn block(kind: EditorLine, run: &[&str]) -> Value {
    match kind {
        EditorLine::Text => json!({"type": "rich_text_section", "elements": inline(&run.join("\n"), &json!({}))}),
        EditorLine::Quote => json!({"type": "rich_text_quote", "elements": inline(&run.join("\n"), &json!({}))}),
        EditorLine::Item { ordered, depth } => {
            let items: Vec<Value> = run
                .iter()
                .map(|words| json!({"type": "rich_text_section", "elements": inline(words, &json!({}))}))
                .collect();
            json!({
                "type": "rich_text_list", "style": if ordered { "ordered" } else { "bullet" }, "indent": depth, "border": 0,
                "elements": items,
            })
        }
    }
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn with_style(mut element: Value, style: &Value) -> Value {
    if style.as_object().is_some_and(|style| !style.is_empty()) {
        element["style"] = style.clone();
    }
    element
}

fn inline(text: &str, style: &Value) -> Vec<Value> {
    let (mut all, mut words) = (Vec::new(), String::new());
    let (mut rest, mut before) = (text, None::<char>);
    while let Some(first) = rest.chars().next() {
        let found = match first {
            '<' => angle(rest, style),
            ':' => emoji(rest),
            '*' | '_' | '~' | '`' if before.is_none_or(|c| !c.is_alphanumeric()) => marked(rest, first, style),
            _ => None,
        };
        if let Some((mut found, length)) = found {
            if !words.is_empty() {
                all.push(with_style(json!({"type": "text", "text": plain(&words)}), style));
                words.clear();
            }
            all.append(&mut found);
            before = rest[..length].chars().next_back();
            rest = &rest[length..];
        } else {
            words.push(first);
            before = Some(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    if !words.is_empty() {
        all.push(with_style(json!({"type": "text", "text": plain(&words)}), style));
    }
    all
}

fn angle(rest: &str, style: &Value) -> Option<(Vec<Value>, usize)> {
    let end = rest.find('>')?;
    let inside = &rest[1..end];
    let (target, words) = inside.split_once('|').unwrap_or((inside, ""));
    let element = match target.split_at_checked(1)? {
        ("@", user) => json!({"type": "user", "user_id": user}),
        ("#", channel) => json!({"type": "channel", "channel_id": channel}),
        ("!", special) => match special.split('^').collect::<Vec<_>>().as_slice() {
            ["subteam", group, ..] => json!({"type": "usergroup", "usergroup_id": group}),
            ["date", at, ..] => {
                json!({"type": "date", "timestamp": at.parse::<i64>().ok()?, "format": "{date_short}", "fallback": words})
            }
            [range @ ("here" | "channel" | "everyone")] => json!({"type": "broadcast", "range": range}),
            _ => return None,
        },
        _ => {
            let mut link = json!({"type": "link", "url": plain(target)});
            if !words.is_empty() {
                link["text"] = plain(words).into();
            }
            link
        }
    };
    Some((vec![with_style(element, style)], end + 1))
}

/// Emoji that carry their character, as most do.
const KNOWN: [(&str, &str); 5] =
    [("wave", "1f44b"), ("+1", "1f44d"), ("tada", "1f389"), ("smile", "1f604"), ("heart", "2764-fe0f")];

fn emoji(rest: &str) -> Option<(Vec<Value>, usize)> {
    let end = 1 + rest[1..].find(':')?;
    let name = &rest[1..end];
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_+-'".contains(c);
    if name.is_empty() || !name.chars().all(fits) || name.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let mut element = json!({"type": "emoji", "name": name});
    let mut length = end + 1;
    let unicode = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, unicode)| *unicode);
    if let Some(unicode) = unicode {
        element["unicode"] = unicode.into();
    }
    if let Some(tone) = rest[length..].strip_prefix(":skin-tone-").and_then(|tone| tone.chars().next()?.to_digit(10))
        && (2..=6).contains(&tone)
        && rest[length + 12..].starts_with(':')
    {
        element["skin_tone"] = tone.into();
        if let Some(unicode) = unicode {
            element["unicode"] = format!("{unicode}-1f3f{}", ["b", "c", "d", "e", "f"][tone as usize - 2]).into();
        }
        length += 13;
    }
    Some((vec![element], length))
}

fn marked(rest: &str, mark: char, style: &Value) -> Option<(Vec<Value>, usize)> {
    let line = rest.split('\n').next().unwrap_or_default();
    if line[1..].chars().next().is_none_or(char::is_whitespace) {
        return None;
    }
    let closes = |at: usize| {
        let before = line[..at].chars().next_back();
        let after = line[at + 1..].chars().next();
        at > 1
            && before.is_some_and(|c| !c.is_whitespace() && c != mark)
            && after.is_none_or(|c| !c.is_alphanumeric() && c != mark)
    };
    let end = line.match_indices(mark).map(|(at, _)| at).find(|at| closes(*at))?;
    let name = match mark {
        '*' => "bold",
        '_' => "italic",
        '~' => "strike",
        _ => "code",
    };
    let mut inner = style.clone();
    inner[name] = true.into();
    let found = if mark == '`' {
        vec![with_style(json!({"type": "text", "text": plain(&line[1..end])}), &inner)]
    } else {
        inline(&line[1..end], &inner)
    };
    Some((found, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_what_the_editor_sends() {
        let section = |elements: Value| json!([{"type": "rich_text_section", "elements": elements}]);
        for (text, elements) in [
            (
                "a *b* &amp; <@U1>",
                json!([
                    {"type": "text", "text": "a "}, {"type": "text", "text": "b", "style": {"bold": true}},
                    {"type": "text", "text": " & "}, {"type": "user", "user_id": "U1"},
                ]),
            ),
            (
                "<!subteam^S1> <#C1> :wave:",
                json!([
                    {"type": "usergroup", "usergroup_id": "S1"}, {"type": "text", "text": " "},
                    {"type": "channel", "channel_id": "C1"}, {"type": "text", "text": " "},
                    {"type": "emoji", "name": "wave", "unicode": "1f44b"},
                ]),
            ),
            ("at 10:30:15, 2*3*4", json!([{"type": "text", "text": "at 10:30:15, 2*3*4"}])),
            (
                "see https://a.example.",
                json!([
                    {"type": "text", "text": "see "}, {"type": "link", "url": "https://a.example"}, {"type": "text", "text": "."},
                ]),
            ),
        ] {
            assert_eq!(typed(text).1.unwrap()[0]["elements"], section(elements), "{text}");
        }
        assert_eq!(typed("see https://a.example and <#C1>").0, "see <https://a.example> and <#C1|>");
        let kinds: Vec<_> = typed("a\n• b\n• c\n&gt; d\n```\ne\n```\nf").1.unwrap()[0]["elements"]
            .as_array()
            .unwrap()
            .iter()
            .map(|element| element["type"].as_str().unwrap().trim_start_matches("rich_text_").to_owned())
            .collect();
        assert_eq!(kinds, ["section", "list", "quote", "preformatted", "section"]);
        assert_eq!(typed("").1, None);
    }
}
