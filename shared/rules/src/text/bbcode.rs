//! Bitrix24's chat markup: BBCode, `>>` before a quoted line, a block between lines of dashes for a longer quote.
//!
//! No way to escape a bracket is documented, so one that would begin a tag is set apart by a character of no width.
//!
//! Reading is linear in the text: every closing tag is found once, beforehand, and no search runs past the next bracket.

use std::collections::BTreeMap;

use bidi::without_overrides;

use super::document::{Block, Document, Leaf, Person, Span, Style, is_safe_link, item, quoted};

/// What sets apart; people do not see it.
const APART: char = '\u{200b}';

impl Document {
    /// Reads a chat message.
    pub fn from_bbcode(text: &str) -> Self {
        let mut blocks = Vec::new();
        let text = without_overrides(text).replace("\r\n", "\n");
        steps::add(text.len());
        let mut rest = text.as_str();
        while let Some(open) = find_tag(rest, "code") {
            let inside = &rest[open + "[code]".len()..];
            let Some(end) = find_tag(inside, "/code") else { break };
            lines(rest[..open].strip_suffix('\n').unwrap_or(&rest[..open]), &mut blocks);
            blocks.push(Block::Code(inside[..end].trim_matches('\n').to_owned()));
            rest = &inside[end + "[/code]".len()..];
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
        lines(rest, &mut blocks);
        Self { blocks }.tidy()
    }

    /// Writes a chat message. Everyone is mentioned only if that is allowed.
    pub fn to_bbcode(&self, may_mention_everyone: bool) -> String {
        let blocks = self.blocks.iter().map(|block| match block {
            Block::Code(code) => format!("[code]{}[/code]", code.replace("[/", &format!("[{APART}/"))),
            Block::Paragraph(spans) => guarded(&line(spans, may_mention_everyone)),
            Block::Quote(spans) => quoted(&line(spans, may_mention_everyone), ">>"),
            Block::Item { depth, number, spans } => item(*depth, *number, &line(spans, may_mention_everyone)),
        });
        blocks.collect::<Vec<_>>().join("\n")
    }
}

/// Where the tag `[name]` is, whatever its case.
fn find_tag(text: &str, name: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + steps::find(&text[from..], &['['])?;
        from = at + 1;
        if text.get(from..from + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
            && text[from + name.len()..].starts_with(']')
        {
            return Some(at);
        }
    }
}

fn is_dashes(line: &str) -> bool {
    steps::add(line.len());
    line.len() >= 20 && line.bytes().all(|b| b == b'-')
}

/// Lines that are quoted, and lines that are not.
fn lines(text: &str, blocks: &mut Vec<Block>) {
    if text.is_empty() {
        return;
    }
    let all: Vec<&str> = text.split('\n').collect();
    let mut run: Vec<&str> = Vec::new();
    let mut quoted = false;
    let mut flush = |run: &mut Vec<&str>, quoted: bool| {
        if !run.is_empty() {
            let spans = inline(&run.join("\n"));
            blocks.push(if quoted { Block::Quote(spans) } else { Block::Paragraph(spans) });
            run.clear();
        }
    };
    let mut at = 0;
    while at < all.len() {
        let line = all[at];
        if is_dashes(line)
            && let Some(length) = all[at + 1..].iter().position(|line| is_dashes(line))
        {
            flush(&mut run, quoted);
            run.extend(&all[at + 1..at + 1 + length]);
            flush(&mut run, true);
            quoted = false;
            at += length + 2;
            continue;
        }
        let inner = line.strip_prefix(">>");
        if inner.is_some() != quoted {
            flush(&mut run, quoted);
            quoted = inner.is_some();
        }
        run.push(inner.unwrap_or(line));
        at += 1;
    }
    flush(&mut run, quoted);
}

/// A tag as it stands in the text.
struct Tag<'a> {
    name: String,
    closes: bool,
    value: Option<&'a str>,
    /// What stands between the name and the bracket, where there is no `=`.
    attributes: &'a str,
    length: usize,
}

/// The tag at the beginning of `text`, which is a bracket.
fn tag(text: &str) -> Option<Tag<'_>> {
    let end = 1 + steps::find(&text[1..], &[']', '[', '\n'])?;
    let inside = &text[1..end];
    if inside.is_empty() || !text[end..].starts_with(']') {
        return None;
    }
    let closes = inside.starts_with('/');
    let inside = inside.trim_start_matches('/');
    let name_end = inside.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(inside.len());
    let (name, rest) = inside.split_at(name_end);
    Some(Tag {
        name: name.to_ascii_lowercase(),
        closes,
        value: rest.strip_prefix('=').map(str::trim),
        attributes: rest.trim(),
        length: end + 1,
    })
}

/// Tags that hold something, and what it is.
enum Holds {
    Style(fn(&mut Style)),
    Link,
    Person,
    Place,
    Telephone,
    Picture,
    /// Its words are seen, its meaning is left behind: buttons, colours.
    Words,
}

fn holds(name: &str) -> Option<Holds> {
    Some(match name {
        "b" => Holds::Style(|style| style.bold = true),
        "i" => Holds::Style(|style| style.italic = true),
        "u" => Holds::Style(|style| style.underline = true),
        "s" => Holds::Style(|style| style.strike = true),
        "url" => Holds::Link,
        "user" => Holds::Person,
        "chat" | "context" => Holds::Place,
        "call" => Holds::Telephone,
        "img" => Holds::Picture,
        "put" | "send" | "size" | "color" | "quote" | "p" | "list" | "font" | "table" | "tr" | "td" => Holds::Words,
        _ => return None,
    })
}

/// The longest name of a tag that closes: `context`.
const MAX_NAME: usize = 7;

/// Where the closing tags of a text are, by their names.
struct Closings(BTreeMap<String, Vec<usize>>);

impl Closings {
    fn of(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut from = 0;
        while let Some(at) = steps::find(&text[from..], &['[']).map(|at| from + at) {
            from = at + 1;
            let Some(name) = text[from..].strip_prefix('/') else { continue };
            let length = name.bytes().take(MAX_NAME).take_while(u8::is_ascii_alphabetic).count();
            steps::add(length);
            if name[length..].starts_with(']') {
                all.entry(name[..length].to_ascii_lowercase()).or_default().push(at);
            }
        }
        Self(all)
    }

    /// The first closing tag of a name that is within a part of the text.
    fn within(&self, name: &str, from: usize, to: usize) -> Option<usize> {
        let places = self.0.get(name)?;
        steps::add(places.len().checked_ilog2().map_or(1, |log| log as usize + 1));
        let first = places.partition_point(|at| *at < from);
        places.get(first).copied().filter(|at| at + name.len() + "[/]".len() <= to)
    }
}

fn inline(text: &str) -> Vec<Span> {
    let closings = Closings::of(text);
    let mut reader = Reader { text, closings: &closings, spans: Vec::new(), plain: String::new() };
    reader.read(0, text.len(), Style::default(), None, 0);
    reader.flush(Style::default(), None);
    reader.spans
}

/// Tags within tags beyond this depth are text.
const MAX_DEPTH: usize = 12;

struct Reader<'a> {
    text: &'a str,
    closings: &'a Closings,
    spans: Vec<Span>,
    plain: String,
}

impl<'a> Reader<'a> {
    fn flush(&mut self, style: Style, link: Option<&str>) {
        let text = std::mem::take(&mut self.plain);
        if !text.is_empty() {
            steps::add(text.len() + link.map_or(0, str::len));
            self.spans.push(Span { leaf: Leaf::Text(text), style, link: link.map(str::to_owned) });
        }
    }

    fn read(&mut self, from: usize, to: usize, style: Style, link: Option<&'a str>, depth: usize) {
        let mut at = from;
        while let Some(open) = steps::find(&self.text[at..to], &['[']).map(|open| at + open) {
            self.plain.push_str(&self.text[at..open]);
            let rest = &self.text[open..to];
            match tag(rest).and_then(|tag| self.tag((open, to), &tag, style, link, depth)) {
                Some(length) => at = open + length,
                None => {
                    self.plain.push('[');
                    at = open + 1;
                }
            }
        }
        self.plain.push_str(&self.text[at..to]);
    }

    /// What people see of a part of the text.
    fn visible(&self, (from, to): (usize, usize), depth: usize) -> String {
        let mut inner = Reader { spans: Vec::new(), plain: String::new(), ..*self };
        inner.read(from, to, Style::default(), None, depth);
        inner.flush(Style::default(), None);
        inner.spans.iter().map(Span::visible).collect()
    }

    /// Reads a tag with what it holds; how much of the text that was, or `None` if it is no tag.
    fn tag(
        &mut self,
        (open, to): (usize, usize),
        tag: &Tag<'a>,
        style: Style,
        link: Option<&'a str>,
        depth: usize,
    ) -> Option<usize> {
        if tag.closes {
            // Closes nothing: known ones are dropped, others are text.
            return holds(&tag.name).map(|_| tag.length);
        }
        match tag.name.as_str() {
            "br" => {
                self.plain.push('\n');
                return Some(tag.length);
            }
            "icon" => {
                let title = tag.attributes.split("title=").nth(1).unwrap_or_default().trim_matches(['"', '\'']);
                if !title.is_empty() {
                    self.plain.extend([":", title, ":"]);
                }
                return Some(tag.length);
            }
            "timestamp" => {
                let at: i64 = tag.value?.split_whitespace().next()?.parse().ok()?;
                let moment = jiff::Timestamp::from_second(at).ok()?;
                self.flush(style, link);
                let words = moment.strftime("%Y-%m-%d %H:%M UTC").to_string();
                self.spans.push(Span { leaf: Leaf::Moment { at, words }, style, link: link.map(str::to_owned) });
                return Some(tag.length);
            }
            "disk" => return tag.value.map(|_| tag.length),
            _ => {}
        }
        let holds = holds(&tag.name).filter(|_| depth < MAX_DEPTH)?;
        let from = open + tag.length;
        let (end, length) = match self.closings.within(&tag.name, from, to) {
            Some(end) => (end, end - open + tag.name.len() + "[/]".len()),
            // Never closed: it holds to the end.
            None if matches!(holds, Holds::Style(_) | Holds::Words) => (to, to - open),
            None => return None,
        };
        let inner = &self.text[from..end];
        self.flush(style, link);
        match holds {
            Holds::Style(set) => {
                let mut own = style;
                set(&mut own);
                self.read(from, end, own, link, depth + 1);
                self.flush(own, link);
            }
            Holds::Words => {
                self.read(from, end, style, link, depth + 1);
                self.flush(style, link);
            }
            Holds::Link => {
                let url = tag.value.unwrap_or_else(|| inner.trim());
                steps::add(url.len());
                let own = is_safe_link(url).then_some(url);
                self.read(from, end, style, own.or(link), depth + 1);
                self.flush(style, own.or(link));
            }
            Holds::Person => {
                let name = self.visible((from, end), depth + 1);
                self.person(tag.value.unwrap_or_default(), &name, style);
            }
            Holds::Place => {
                let name = self.visible((from, end), depth + 1);
                self.plain.push_str(&name);
                self.flush(style, link);
            }
            Holds::Telephone => {
                let number = tag.value.unwrap_or(inner).trim();
                let words = self.visible((from, end), depth + 1);
                let span = Span::linked(Leaf::Text(words), style, &format!("tel:{}", number.replace(' ', "")));
                self.spans.push(span);
            }
            Holds::Picture => {
                let url = inner.trim();
                steps::add(url.len());
                self.spans.push(Span::linked(Leaf::Text(url.to_owned()), style, url));
            }
        }
        Some(length)
    }

    fn person(&mut self, value: &str, name: &str, style: Style) {
        let id = value.split_whitespace().next().unwrap_or_default();
        let leaf = if id.eq_ignore_ascii_case("all") {
            Leaf::Everyone("all".into())
        } else if let Ok(id) = id.parse() {
            Leaf::Person(Person::of_bitrix24(id, name))
        } else {
            Leaf::Text(format!("@{name}"))
        };
        self.spans.push(Span::leaf(leaf, style));
    }
}

fn line(spans: &[Span], may_mention_everyone: bool) -> String {
    spans.iter().map(|span| written(span, may_mention_everyone)).collect()
}

fn written(span: &Span, may_mention_everyone: bool) -> String {
    steps::add(span.size());
    let inner = match &span.leaf {
        Leaf::Person(Person { bitrix24: Some(id), name, .. }) => {
            let name =
                name.as_deref().map_or_else(|| format!("user {id}"), |name| name.trim_start_matches('@').to_owned());
            format!("[user={id}]{}[/user]", apart(&name))
        }
        Leaf::Everyone(name) if may_mention_everyone => format!("[user=all]{}[/user]", apart(name)),
        Leaf::Moment { at, .. } if *at > 0 => format!("[timestamp={at} format=LONG_DATE_FORMAT]"),
        _ => {
            let text = apart(&span.visible());
            match &span.link {
                Some(url) => format!("[url={}]{text}[/url]", url.replace('[', "%5B").replace(']', "%5D")),
                None => text,
            }
        }
    };
    let Style { bold, italic, strike, underline, code } = span.style;
    let mut text = inner;
    // Within a line Bitrix24 has no code; italics set it off.
    for (on, tag) in [(italic || code, "i"), (strike, "s"), (underline, "u"), (bold, "b")] {
        if on {
            text = format!("[{tag}]{text}[/{tag}]");
        }
    }
    text
}

/// Text whose brackets begin no tags.
fn apart(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        written.push(c);
        if c == '[' {
            written.push(APART);
        }
    }
    written
}

/// Lines that would begin a quote begin none.
fn guarded(text: &str) -> String {
    let guard = |line: &str| {
        if line.starts_with(">>") || is_dashes(line) { format!("{APART}{line}") } else { line.to_owned() }
    };
    text.split('\n').map(guard).collect::<Vec<_>>().join("\n")
}
