//! Slack's mrkdwn: read where a message has nothing more exact, written for notifications and comments of files.
//!
//! Reading is linear in the text: fences are counted once, and the search for a closing mark continues where the last
//! one of its kind ended.

use bidi::without_overrides;
use slack::text::escape;

use super::address;
use super::document::{Document, Leaf, PersonMention, Span, Style, TextBlock, item, quoted};
use super::emoji;

const FENCE: &str = "```";
/// What sets apart; people do not see it.
const APART: char = '\u{200b}';

impl Document {
    /// Reads mrkdwn.
    pub fn from_mrkdwn(text: &str) -> Self {
        let text = without_overrides(text);
        let mut blocks = Vec::new();
        steps::add(2 * text.len());
        let fences = text.matches(FENCE).count();
        for (index, part) in text.split(FENCE).enumerate() {
            let is_closed = fences >= index + index % 2;
            match index % 2 {
                1 if is_closed => blocks.push(TextBlock::Code(unescape(part.trim_matches('\n')))),
                1 => paragraphs(&format!("{FENCE}{part}"), &mut blocks),
                _ => paragraphs(part.strip_prefix('\n').filter(|_| index > 0).unwrap_or(part), &mut blocks),
            }
        }
        Self { blocks }.tidy()
    }

    /// Writes mrkdwn. What is text stays text; everyone is mentioned only if that is allowed.
    pub fn to_mrkdwn(&self, may_mention_everyone: bool) -> String {
        let blocks = self.blocks.iter().map(|block| match block {
            TextBlock::Code(code) => format!("{FENCE}\n{}\n{FENCE}", escape(code).replace(FENCE, "``\u{200b}`")),
            TextBlock::Paragraph(spans) => line(spans, may_mention_everyone),
            TextBlock::Quote(spans) => quoted(&line(spans, may_mention_everyone), "> "),
            TextBlock::Item { depth, number, spans } => item(*depth, *number, &line(spans, may_mention_everyone)),
        });
        blocks.collect::<Vec<_>>().join("\n")
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Lines that are quoted, and lines that are not.
fn paragraphs(text: &str, blocks: &mut Vec<TextBlock>) {
    let mut lines: Vec<&str> = Vec::new();
    let mut quoted = false;
    let mut flush = |lines: &mut Vec<&str>, quoted: bool| {
        if !lines.is_empty() {
            let spans = inline(&lines.join("\n"), Style::default());
            blocks.push(if quoted { TextBlock::Quote(spans) } else { TextBlock::Paragraph(spans) });
            lines.clear();
        }
    };
    for line in text.split('\n') {
        let inner = line.strip_prefix("&gt;").or_else(|| line.strip_prefix('>'));
        if inner.is_some() != quoted {
            flush(&mut lines, quoted);
            quoted = inner.is_some();
        }
        lines.push(inner.map_or(line, |inner| inner.strip_prefix(' ').unwrap_or(inner)));
    }
    if lines.last() == Some(&"") && lines.len() > 1 {
        lines.pop();
    }
    flush(&mut lines, quoted);
}

/// The spans of a text. Marks count only around words, and within one line.
fn inline(text: &str, style: Style) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut plain = String::new();
    let mut closings = Closings::of(text);
    let mut at = 0;
    let mut before: Option<char> = None;
    while let Some(first) = text[at..].chars().next() {
        steps::add(first.len_utf8());
        let rest = &text[at..];
        let taken = match first {
            '<' => angle(rest, style),
            '*' | '_' | '~' | '`' if before.is_none_or(|c| !c.is_alphanumeric()) => {
                marked(&mut closings, at, first, style)
            }
            ':' => named_emoji(rest, style),
            _ => None,
        };
        let length = match taken {
            Some((mut inner, length)) => {
                spans.extend(take(&mut plain, style));
                spans.append(&mut inner);
                length
            }
            None => {
                plain.push(first);
                first.len_utf8()
            }
        };
        before = rest[..length].chars().next_back();
        at += length;
    }
    spans.extend(take(&mut plain, style));
    spans
}

fn take(plain: &mut String, style: Style) -> Option<Span> {
    let text = std::mem::take(plain);
    (!text.is_empty()).then(|| Span::styled(unescape(&text), style))
}

/// `<@U1|ann>`, `<#C1|general>`, `<!here>`, `<https://a|words>`.
fn angle(rest: &str, style: Style) -> Option<(Vec<Span>, usize)> {
    let end = 1 + steps::find(&rest[1..], &['>', '<', '\n'])?;
    let inside = &rest[1..end];
    if inside.is_empty() || !rest[end..].starts_with('>') {
        return None;
    }
    let (target, words) = inside.split_once('|').map_or((inside, None), |(target, words)| (target, Some(words)));
    let words = words.map(unescape).filter(|words| !words.is_empty());
    let leaf = if let Some(user) = target.strip_prefix('@') {
        Leaf::Person(PersonMention::of_slack(user, words.as_deref()))
    } else if let Some(channel) = target.strip_prefix('#') {
        Leaf::Channel { id: channel.to_owned(), name: words }
    } else if let Some(special) = target.strip_prefix('!') {
        let mut parts = special.split('^');
        match parts.next() {
            Some(name @ ("here" | "channel" | "everyone")) => Leaf::Everyone(name.to_owned()),
            Some("date") => {
                let at = parts.next().and_then(|at| at.parse().ok()).unwrap_or_default();
                Leaf::Moment { at, words: words.unwrap_or_default() }
            }
            Some("subteam") => Leaf::Group { id: parts.next().unwrap_or_default().to_owned(), name: words },
            _ => Leaf::Text(words.unwrap_or_else(|| special.to_owned())),
        }
    } else {
        let url = unescape(target);
        let words = words.map(|words| address::with_target(words, &url));
        let leaf = Leaf::Text(words.unwrap_or_else(|| url.trim_start_matches("mailto:").to_owned()));
        return Some((vec![Span::linked(leaf, style, &url)], end + 1));
    };
    Some((vec![Span::leaf(leaf, style)], end + 1))
}

/// The marks that close something, and the end of a line, which nothing crosses.
const MARKS: [char; 5] = ['*', '_', '~', '`', '\n'];

/// What closes the marks of a text, found on the way. A mark closes, or does not, whatever opened before it; so a search
/// never has to begin before the end of the last one.
struct Closings<'a> {
    text: &'a str,
    /// Of each of [`MARKS`], the first that closes behind the last place asked for; the text's length if none does.
    ahead: [Option<usize>; MARKS.len()],
}

impl<'a> Closings<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, ahead: [None; MARKS.len()] }
    }

    /// The first from `from` on. Places are asked for in rising order.
    fn next(&mut self, mark: char, from: usize) -> usize {
        let Some(kind) = MARKS.iter().position(|known| *known == mark) else { return self.text.len() };
        if let Some(known) = self.ahead[kind].filter(|known| *known >= from) {
            return known;
        }
        let mut at = from;
        let found = loop {
            match steps::find(&self.text[at..], &[mark]).map(|found| at + found) {
                Some(found) if self.closes(found, mark) => break found,
                Some(found) => at = found + 1,
                None => break self.text.len(),
            }
        };
        self.ahead[kind] = Some(found);
        found
    }

    /// A mark closes behind a word and before no other.
    fn closes(&self, at: usize, mark: char) -> bool {
        let before = self.text[..at].chars().next_back();
        let after = self.text[at + 1..].chars().next();
        let is_closed_word = before.is_some_and(|c| !c.is_whitespace() && c != mark && c != APART)
            && after.is_none_or(|c| !c.is_alphanumeric() && c != mark);
        mark == '\n' || is_closed_word
    }
}

/// `*bold*` and its like.
fn marked(closings: &mut Closings<'_>, at: usize, mark: char, style: Style) -> Option<(Vec<Span>, usize)> {
    let text = closings.text;
    let from = at + 1;
    if text[from..].chars().next().is_none_or(|c| c.is_whitespace() || c == APART) {
        return None;
    }
    let close = closings.next(mark, from);
    if close >= closings.next('\n', from) {
        return None;
    }
    let inner = &text[from..close];
    let end = inner.len();
    let length = end + 2;
    let style = match mark {
        '*' => Style { bold: true, ..style },
        '_' => Style { italic: true, ..style },
        '~' => Style { strike: true, ..style },
        _ => {
            let code = Style { code: true, ..style };
            return Some((vec![Span::styled(unescape(inner), code)], length));
        }
    };
    Some((inline(inner, style), length))
}

/// The name between colons at the beginning of a text, if it is one: a time, 10:30:15, has none.
fn emoji_name(rest: &str) -> Option<&str> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_+-'".contains(c);
    let end = rest[1..].find(|c| !fits(c));
    steps::add(end.unwrap_or(rest.len()));
    let end = end? + 1;
    let mut length = end;
    if rest[end..].starts_with("::skin-tone-") {
        length = end + "::skin-tone-".len() + 1;
    }
    let name = rest.get(1..length).filter(|name| name.len() > 1)?;
    // `12:00:00+01:00` has none either; of names without a letter only the thumbs are known.
    let is_known = name.bytes().any(|b| b.is_ascii_lowercase()) || name.starts_with("+1") || name.starts_with("-1");
    (is_known && rest.get(length..=length) == Some(":")).then_some(name)
}

fn named_emoji(rest: &str, style: Style) -> Option<(Vec<Span>, usize)> {
    let name = emoji_name(rest)?;
    let leaf = Leaf::Emoji { name: name.to_owned(), character: emoji::character(name) };
    Some((vec![Span::leaf(leaf, style)], name.len() + 2))
}

fn line(spans: &[Span], may_mention_everyone: bool) -> String {
    spans.iter().map(|span| written(span, may_mention_everyone)).collect()
}

fn written(span: &Span, may_mention_everyone: bool) -> String {
    steps::add(span.size());
    let inner = match &span.leaf {
        Leaf::Person(PersonMention { slack: Some(id), .. }) => return format!("<@{id}>"),
        Leaf::Everyone(_) if may_mention_everyone => return "<!channel>".into(),
        Leaf::Moment { at, words } if *at > 0 => {
            let words = escape(words).replace('|', "/");
            return format!("<!date^{at}^{{date_short_pretty}} {{time}}|{words}>");
        }
        _ => span.visible(),
    };
    let escaped = literal(&escape(&inner));
    let text = match &span.link {
        Some(url) => {
            let url = escape(url).replace('|', "%7C");
            format!("<{url}|{}>", escaped.replace('\n', " "))
        }
        None => escaped,
    };
    let Style { bold, italic, strike, code, .. } = span.style;
    let mut marks = String::new();
    for (on, mark) in [(bold, '*'), (italic, '_'), (strike, '~'), (code && span.link.is_none(), '`')] {
        if on {
            marks.push(mark);
        }
    }
    let (before, core, after) = around(&text);
    // A mark next to what sets apart would mark nothing itself.
    let beside = core.starts_with(APART) || core.ends_with(APART);
    if marks.is_empty() || core.is_empty() || core.contains('\n') || beside {
        return text;
    }
    let closing: String = marks.chars().rev().collect();
    format!("{before}{APART}{marks}{core}{closing}{APART}{after}")
}

/// Marks hold only around what neither begins nor ends with a blank.
fn around(text: &str) -> (&str, &str, &str) {
    let core = text.trim();
    let start = text.len() - text.trim_start().len();
    if core.is_empty() { (text, "", "") } else { (&text[..start], core, &text[start + core.len()..]) }
}

/// Marks that somebody typed, set apart from what they would mark; a line that would be a quote is none.
fn literal(escaped: &str) -> String {
    let mut text = String::with_capacity(escaped.len());
    let mut before: Option<char> = None;
    for (at, c) in escaped.char_indices() {
        let rest = &escaped[at..];
        let within_a_word =
            before.is_some_and(char::is_alphanumeric) && rest.chars().nth(1).is_some_and(char::is_alphanumeric);
        match c {
            // Within a word they mark nothing: names of files and variables stay as they are.
            '*' | '_' | '~' if !within_a_word => text.extend([APART, c, APART]),
            '`' => text.extend([APART, c, APART]),
            ':' if emoji_name(rest).is_some() => text.extend([c, APART]),
            _ => text.push(c),
        }
        before = Some(c);
    }
    let quoted = |line: &str| if line.starts_with("&gt;") { format!("{APART}{line}") } else { line.to_owned() };
    text.split('\n').map(quoted).collect::<Vec<_>>().join("\n")
}
