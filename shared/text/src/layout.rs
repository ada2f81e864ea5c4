//! What people see of BBCode, piece by piece, each with its place in the source.
//!
//! Blocks are on lines of their own. A line end beside a block's tag is the one between the blocks, not one more. Tags
//! that are nested wrongly, or never closed, lose no word. The work is linear in the text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::address;
use super::document::{Leaf, PersonMention, Style};
use super::emoji;
use super::scan::{Tag, Token, scan};
use super::tags::{Look, TagRole};

/// What sets apart; people do not see it.
pub(super) const APART: char = '\u{200b}';

/// How deep lists and quotes are shown; deeper ones look like the deepest.
const MAX_INDENT: usize = 8;
const MAX_QUOTE: usize = 3;

/// What a piece is to somebody who edits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// Text as it is in the source.
    Text,
    /// A line end of the source that ends a block as well.
    End,
    /// Made of a tag or a code; it can be taken away, not changed: a mention, an emoji.
    Whole,
    /// A file: it cannot be taken away either.
    File,
    /// The address of a link that does not open on the other side.
    Address,
    /// A line end between blocks, which the source does not have.
    Break,
    /// The mark of a list's point.
    Mark,
    /// The mark before a quoted line.
    QuoteMark,
    /// The separator between the cells of a table.
    Separator,
}

/// What a piece belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceShape {
    Text,
    Quote,
    Item { depth: usize, number: Option<u32> },
    Code,
}

/// A piece of what people see.
#[derive(Debug)]
pub(super) struct LayoutPiece<'a> {
    pub(super) text: Cow<'a, str>,
    /// Where it begins in what people see.
    pub(super) from: usize,
    pub(super) source: Range<usize>,
    pub(super) kind: PieceKind,
    /// What it stands for, if it is not text.
    pub(super) leaf: Option<Leaf>,
    pub(super) style: Style,
    /// Which of the layout's links it is part of.
    pub(super) link: Option<usize>,
    /// How many tags are around it.
    pub(super) depth: usize,
    /// Which of the layout's shapes it is part of.
    pub(super) shape: usize,
    /// Whether it is within a quote.
    pub(super) is_quoted: bool,
}

impl LayoutPiece<'_> {
    pub(super) fn to(&self) -> usize {
        self.from + self.text.len()
    }
}

/// A pair of tags, or a list's point, with what it holds.
#[derive(Debug)]
pub(super) struct LayoutElement {
    pub(super) source: Range<usize>,
    /// What it holds, in what people see.
    pub(super) shown: Range<usize>,
    pub(super) is_block: bool,
}

/// What is known beside the text itself.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// The portal's origin, `https://acme.bitrix24.com`: addresses within the portal become links.
    pub origin: Option<&'a str>,
    /// The name of a file by its id, `77`.
    pub file: Option<&'a dyn Fn(&str) -> Option<String>>,
    /// Whether lines that begin with `>>`, and those between lines of dashes, are quotes: in chats.
    pub chat: bool,
}

#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    pub(super) pieces: Vec<LayoutPiece<'a>>,
    pub(super) links: Vec<String>,
    pub(super) shapes: Vec<PieceShape>,
    /// In the order of their ends.
    pub(super) elements: Vec<LayoutElement>,
    /// Whether it has a tag.
    pub(super) has_tags: bool,
}

impl<'a> Layout<'a> {
    pub(super) fn of(text: &'a str, around: Surroundings<'_>) -> Self {
        steps::add(text.len());
        let tokens = scan(text);
        let has_tags = tokens.iter().any(|token| token.tag.is_some());
        let mut writer = LayoutWriter::new(text, &tokens, around);
        let mut at = 0;
        while at < tokens.len() {
            at = writer.token(at);
        }
        writer.end_loose_link(text.len());
        while !writer.frames.is_empty() {
            writer.close_frame(&(text.len()..text.len()));
        }
        Self { has_tags, ..writer.layout }
    }

    /// What people see.
    pub(super) fn shown(&self) -> String {
        self.pieces.iter().map(|piece| &*piece.text).collect()
    }
}

/// A block that is open.
struct Frame {
    role: TagRole,
    name: &'static str,
    source: usize,
    from: usize,
    /// The first piece in it.
    first: usize,
    shape: usize,
    quotes: usize,
    /// Of a list: whether it is numbered, and its points so far. Of a row: its cells so far.
    numbered: bool,
    count: u32,
    /// Styles that begin in it and are closed nowhere.
    styles: Vec<Look>,
    headings: usize,
}

struct LayoutWriter<'a, 'b> {
    text: &'a str,
    tokens: &'b [Token],
    around: Surroundings<'b>,
    layout: Layout<'a>,
    /// How long what people see is so far.
    length: usize,
    frames: Vec<Frame>,
    /// How many frames of a role are open.
    open: BTreeMap<&'static str, usize>,
    lists: usize,
    cells: usize,
    styles: [usize; 4],
    headings: usize,
    /// How many pairs of `[code]` are open: one, or none.
    codes: usize,
    shape: usize,
    quotes: usize,
    /// Open links: the opening tag's place, and which link.
    links: Vec<(usize, Option<usize>)>,
    /// Links that are closed while one in them is open.
    ended: BTreeSet<usize>,
    /// Which link an opening tag is.
    link_of: BTreeMap<usize, Option<usize>>,
    /// Where what a pair of tags holds begins.
    began: BTreeMap<usize, usize>,
    inline: usize,
    /// Where a line end is due before anything else is shown.
    due: Option<usize>,
    /// This line is empty so far, but for the mark of a point.
    fresh: bool,
    /// It is completely empty.
    bare: bool,
    /// A block's tag has just been opened: a line end behind it is part of it.
    opened: bool,
    /// Lines of dashes that begin or end a quote.
    dashes: BTreeMap<usize, bool>,
    /// A link that nobody closes: it ends with its line.
    loose: Option<(usize, Option<usize>)>,
}

impl<'a, 'b> LayoutWriter<'a, 'b> {
    fn new(text: &'a str, tokens: &'b [Token], around: Surroundings<'b>) -> Self {
        let dashes = if around.chat { dashes(text, tokens) } else { BTreeMap::new() };
        Self {
            text,
            tokens,
            around,
            layout: Layout { shapes: vec![PieceShape::Text], ..Layout::default() },
            length: 0,
            frames: Vec::new(),
            open: BTreeMap::new(),
            lists: 0,
            cells: 0,
            styles: [0; 4],
            headings: 0,
            codes: 0,
            shape: 0,
            quotes: 0,
            links: Vec::new(),
            ended: BTreeSet::new(),
            link_of: BTreeMap::new(),
            began: BTreeMap::new(),
            inline: 0,
            due: None,
            fresh: true,
            bare: true,
            opened: false,
            dashes,
            loose: None,
        }
    }

    /// Takes a token; where to go on.
    fn token(&mut self, at: usize) -> usize {
        let token = &self.tokens[at];
        let Some(tag) = &token.tag else {
            self.words(token.at.clone());
            return at + 1;
        };
        if tag.role == TagRole::Item || tag.role.is_block() || tag.role == TagRole::Cell {
            self.block_tag(at, tag);
            return at + 1;
        }
        if tag.role == TagRole::Code {
            return self.code(at, tag);
        }
        if tag.closes {
            self.close_inline(at, tag);
            return at + 1;
        }
        self.open_inline(at, tag)
    }

    // Blocks.

    fn block_tag(&mut self, at: usize, tag: &Tag) {
        let source = self.tokens[at].at.clone();
        self.end_loose_link(source.start);
        match (tag.role, tag.closes) {
            (TagRole::Rule, _) => {
                self.end_line(source.start);
                self.put(Cow::Borrowed("———"), source.clone(), PieceKind::Whole, None);
                self.due = Some(source.end);
            }
            (_, true) => {
                if self.open.get(tag.name).is_some_and(|count| *count > 0) {
                    while self.frames.last().is_some_and(|frame| frame.name != tag.name) {
                        self.close_frame(&(source.start..source.start));
                    }
                    self.close_frame(&source);
                }
            }
            (TagRole::Item, false) => self.item(tag, &source),
            (TagRole::Cell, false) => self.cell(tag, &source),
            (TagRole::Row, false) => {
                self.close_until(&[TagRole::Table], source.start);
                self.open_frame(tag, &source);
            }
            (_, false) => self.open_frame(tag, &source),
        }
    }

    /// Closes what is open within the innermost frame of one of some roles, if there is such a frame.
    fn close_until(&mut self, roles: &[TagRole], at: usize) {
        let names = ["list", "ul", "ol", "table", "tr"];
        let is_open = names.iter().any(|name| self.open.get(name).is_some_and(|count| *count > 0));
        if !is_open || !self.frames.iter().rev().take(64).any(|frame| roles.contains(&frame.role)) {
            return;
        }
        while self.frames.last().is_some_and(|frame| !roles.contains(&frame.role)) {
            self.close_frame(&(at..at));
        }
    }

    fn item(&mut self, tag: &Tag, source: &Range<usize>) {
        self.close_until(&[TagRole::List], source.start);
        if self.frames.last().is_some_and(|frame| frame.role == TagRole::Item) {
            self.close_frame(&(source.start..source.start));
        }
        let depth = self.lists.saturating_sub(1).min(MAX_INDENT);
        let number = self.frames.last_mut().filter(|frame| frame.role == TagRole::List).and_then(|frame| {
            frame.count = frame.count.saturating_add(1);
            frame.numbered.then_some(frame.count)
        });
        self.end_line(source.start);
        self.open_frame(tag, source);
        if self.quotes == 0 && self.cells == 0 {
            self.layout.shapes.push(PieceShape::Item { depth, number });
            self.shape = self.layout.shapes.len() - 1;
        }
        let mark = super::document::item(depth, number, "");
        self.put(Cow::Owned(mark), source.end..source.end, PieceKind::Mark, None);
        self.fresh = true;
        self.opened = true;
    }

    fn cell(&mut self, tag: &Tag, source: &Range<usize>) {
        self.close_until(&[TagRole::Row], source.start);
        let is_first = match self.frames.last_mut().filter(|frame| frame.role == TagRole::Row) {
            Some(row) => {
                row.count = row.count.saturating_add(1);
                row.count == 1
            }
            None => true,
        };
        if is_first {
            self.end_line(source.start);
            // An empty first cell is one all the same.
            self.put(Cow::Borrowed(""), source.end..source.end, PieceKind::Separator, None);
        } else {
            self.due = None;
            self.put(Cow::Borrowed(" | "), source.end..source.end, PieceKind::Separator, None);
        }
        self.open_frame(tag, source);
        self.due = None;
        self.fresh = true;
    }

    fn open_frame(&mut self, tag: &Tag, source: &Range<usize>) {
        if tag.role != TagRole::Item && tag.role != TagRole::Cell {
            self.end_line(source.start);
        }
        let value = &self.text[tag.rest.clone()];
        let numbered = tag.role == TagRole::List && (tag.name == "ol" || value.len() > 1);
        self.frames.push(Frame {
            role: tag.role,
            name: tag.name,
            source: source.start,
            from: self.length + usize::from(self.due.is_some()),
            first: self.layout.pieces.len(),
            shape: self.shape,
            quotes: self.quotes,
            numbered,
            count: 0,
            styles: Vec::new(),
            headings: self.headings,
        });
        *self.open.entry(tag.name).or_default() += 1;
        match tag.role {
            TagRole::List => self.lists += 1,
            TagRole::Cell => self.cells += 1,
            TagRole::Heading => self.headings += 1,
            TagRole::Quote => self.open_quote(),
            TagRole::Spoiler => self.title(tag),
            _ => {}
        }
        self.opened = true;
    }

    fn open_quote(&mut self) {
        if self.quotes == 0 {
            self.layout.shapes.push(PieceShape::Quote);
            self.shape = self.layout.shapes.len() - 1;
        }
        self.quotes += 1;
    }

    fn title(&mut self, tag: &Tag) {
        let from = tag.rest.start + 1;
        let Some(title) = self.text.get(from..tag.rest.end).map(str::trim).filter(|title| !title.is_empty()) else {
            return;
        };
        self.put(Cow::Owned(one_line(title)), tag.rest.clone(), PieceKind::Address, None);
        self.due = Some(tag.rest.end + 1);
        self.fresh = false;
    }

    /// Closes the innermost block. `source` is its closing tag, or where that would be.
    fn close_frame(&mut self, source: &Range<usize>) {
        let Some(frame) = self.frames.pop() else { return };
        self.drop_line_end(&frame);
        let is_empty = self.layout.pieces.len() == frame.first;
        // An empty paragraph is an empty line; empty lists and tables are nothing.
        let is_line = matches!(frame.role, TagRole::Paragraph | TagRole::Heading | TagRole::Quote);
        if is_empty && is_line && self.due.is_some() && self.cells == 0 {
            self.put(Cow::Borrowed(""), source.start..source.start, PieceKind::Break, None);
        }
        for look in frame.styles {
            self.styles[look as usize] = self.styles[look as usize].saturating_sub(1);
        }
        self.headings = frame.headings;
        self.shape = frame.shape;
        self.quotes = frame.quotes;
        if let Some(count) = self.open.get_mut(frame.name) {
            *count = count.saturating_sub(1);
        }
        match frame.role {
            TagRole::List => self.lists -= 1,
            TagRole::Cell => self.cells -= 1,
            _ => {}
        }
        self.opened = false;
        let is_shown = !is_empty || is_line;
        if frame.role == TagRole::Cell {
            self.fresh = false;
        } else if is_shown && self.due.is_none() {
            self.due = Some(source.end);
        }
        let shown = frame.from.min(self.length)..self.length;
        self.layout.elements.push(LayoutElement { source: frame.source..source.end, shown, is_block: true });
    }

    /// Takes back the line end before a closing tag; it is the one behind the block.
    fn drop_line_end(&mut self, frame: &Frame) {
        let is_list = matches!(frame.role, TagRole::Item | TagRole::List | TagRole::Row | TagRole::Table);
        while self.layout.pieces.len() > frame.first {
            let ends_a_line = self
                .layout
                .pieces
                .last()
                .is_some_and(|last| last.text == "\n" && matches!(last.kind, PieceKind::Text | PieceKind::End));
            if !ends_a_line {
                return;
            }
            if let Some(last) = self.layout.pieces.pop() {
                self.length = last.from;
                // An end that was due is due again.
                self.due = (last.kind == PieceKind::End).then_some(last.source.start);
            }
            let last = self.layout.pieces.last();
            self.bare = last.is_none_or(|last| last.text.ends_with('\n'));
            self.fresh =
                self.bare || last.is_some_and(|last| matches!(last.kind, PieceKind::Mark | PieceKind::QuoteMark));
            if !is_list {
                return;
            }
        }
    }

    /// Sees to it that what follows begins on a line of its own.
    fn end_line(&mut self, source: usize) {
        if !self.fresh && self.due.is_none() {
            self.due = Some(source);
        }
    }

    // Tags within a line.

    fn open_inline(&mut self, at: usize, tag: &Tag) -> usize {
        let token = &self.tokens[at];
        let source = token.at.clone();
        let began = self.length + usize::from(self.due.is_some());
        match tag.role {
            TagRole::Style(look) => {
                self.styles[look as usize] += 1;
                if token.partner.is_none()
                    && let Some(frame) = self.frames.last_mut()
                {
                    frame.styles.push(look);
                }
            }
            TagRole::Link | TagRole::Telephone => self.open_link(at, tag),
            TagRole::LineEnd => self.line_end(source, true),
            TagRole::Icon => self.icon(tag, source),
            TagRole::Moment => self.moment(tag, source),
            TagRole::Picture if token.partner.is_some() => return self.picture(at),
            TagRole::Person | TagRole::Named if token.partner.is_some() => return self.named(at, tag),
            TagRole::File => return self.file(at, tag),
            _ => {}
        }
        if token.partner.is_some() {
            self.inline += 1;
            self.began.insert(at, began);
        }
        at + 1
    }

    fn close_inline(&mut self, at: usize, tag: &Tag) {
        let Some(open) = self.tokens[at].partner else { return };
        let Some(from) = self.began.remove(&open) else { return };
        self.inline = self.inline.saturating_sub(1);
        match tag.role {
            TagRole::Style(look) => self.styles[look as usize] = self.styles[look as usize].saturating_sub(1),
            TagRole::Link | TagRole::Telephone => self.close_link(open, from, self.tokens[at].at.start),
            _ => {}
        }
        let source = self.tokens[open].at.start..self.tokens[at].at.end;
        self.layout.elements.push(LayoutElement { source, shown: from.min(self.length)..self.length, is_block: false });
    }

    /// The text in a pair of tags, if it is nothing but text.
    fn inside(&self, open: usize) -> Option<&'a str> {
        let close = self.tokens[open].partner?;
        let words = &self.text[self.tokens[open].at.end..self.tokens[close].at.start];
        (close <= open + 2).then_some(words)
    }

    fn value(&self, tag: &Tag) -> Option<&'a str> {
        self.text[tag.rest.clone()].strip_prefix('=').map(str::trim).filter(|value| !value.is_empty())
    }

    fn open_link(&mut self, at: usize, tag: &Tag) {
        let is_closed = self.tokens[at].partner.is_some();
        let written = self.value(tag).or_else(|| self.inside(at)).unwrap_or_default();
        let target = if tag.role == TagRole::Telephone {
            let number: String = written.split_whitespace().collect();
            address::target(&format!("tel:{number}"), None).filter(|_| !number.is_empty())
        } else {
            address::target(written, self.around.origin)
        };
        let link = target.map(|target| {
            self.layout.links.push(target);
            self.layout.links.len() - 1
        });
        self.link_of.insert(at, link);
        self.began.insert(at, self.length + usize::from(self.due.is_some()));
        if is_closed {
            self.links.push((at, link));
        } else {
            self.end_loose_link(self.tokens[at].at.start);
            self.loose = Some((at, link));
        }
    }

    fn close_link(&mut self, open: usize, from: usize, at: usize) {
        let link = self.link_of.get(&open).copied().flatten();
        self.tail(open, from, link, at);
        self.ended.insert(open);
        while let Some((last, _)) = self.links.last()
            && self.ended.remove(last)
        {
            self.links.pop();
        }
    }

    /// The address of a link that would be lost on a side that does not open it.
    fn tail(&mut self, open: usize, from: usize, link: Option<usize>, at: usize) {
        let Some(written) = self.tokens[open].tag.as_ref().and_then(|tag| self.value(tag)) else { return };
        if address::is_script(written) {
            return;
        }
        let is_empty = from >= self.length;
        let target = link.map(|link| self.layout.links[link].as_str());
        let words = self.layout.pieces.last().map_or("", |last| &*last.text);
        if !is_empty && (target.is_some_and(address::is_link_in_notion) || words.trim() == written) {
            return;
        }
        let written = one_line(written);
        let (text, kind) =
            if is_empty { (written, PieceKind::Whole) } else { (format!(" ({written})"), PieceKind::Address) };
        self.put(Cow::Owned(text), at..at, kind, None);
        if let Some(last) = self.layout.pieces.last_mut() {
            last.link = link;
        }
    }

    /// A link that nobody closed ends with its line.
    fn end_loose_link(&mut self, at: usize) {
        if let Some((open, link)) = self.loose.take() {
            let from = self.began.remove(&open).unwrap_or(self.length);
            self.tail(open, from, link, at);
        }
    }

    fn icon(&mut self, tag: &Tag, source: Range<usize>) {
        let Some(title) = attribute(&self.text[tag.rest.clone()], "title").filter(|title| !title.is_empty()) else {
            return;
        };
        let name = title.trim_matches(':');
        let text = emoji::of_title(name).unwrap_or_else(|| format!(":{name}:"));
        self.put(Cow::Owned(text), source, PieceKind::Whole, None);
    }

    fn moment(&mut self, tag: &Tag, source: Range<usize>) {
        let at = self.value(tag).and_then(|value| value.split_whitespace().next()?.parse().ok());
        let moment = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
        let Some((at, moment)) = at.zip(moment) else {
            let text = self.text;
            self.put(bidi::without_overrides(&text[source.clone()]), source, PieceKind::Whole, None);
            return;
        };
        let words = moment.strftime("%Y-%m-%d %H:%M UTC").to_string();
        self.put(Cow::Owned(words.clone()), source, PieceKind::Whole, Some(Leaf::Moment { at, words }));
    }

    /// What people see between two tags, without looks, as one line; and the token behind.
    fn flat(&self, open: usize) -> (String, usize) {
        let close = self.tokens[open].partner.unwrap_or(open);
        let texts = self.tokens[open + 1..close].iter().filter(|token| token.tag.is_none());
        let words: String = texts.map(|token| &self.text[token.at.clone()]).collect();
        (one_line(&words), close + 1)
    }

    fn whole_source(&self, open: usize) -> Range<usize> {
        let close = self.tokens[open].partner.unwrap_or(open);
        self.tokens[open].at.start..self.tokens[close].at.end
    }

    fn picture(&mut self, at: usize) -> usize {
        let (written, next) = self.flat(at);
        let written = written.trim().to_owned();
        let link = address::target(&written, self.around.origin).map(|target| {
            self.layout.links.push(target);
            self.layout.links.len() - 1
        });
        let source = self.whole_source(at);
        self.put(Cow::Owned(written), source, PieceKind::Whole, None);
        if let Some(last) = self.layout.pieces.last_mut().filter(|_| link.is_some()) {
            last.link = link;
        }
        next
    }

    fn named(&mut self, at: usize, tag: &Tag) -> usize {
        let (name, next) = self.flat(at);
        let source = self.whole_source(at);
        if tag.role == TagRole::Named {
            let name = if name.is_empty() { self.value(tag).unwrap_or_default().to_owned() } else { name };
            self.put(Cow::Owned(name), source, PieceKind::Whole, None);
            return next;
        }
        let id = self.value(tag).and_then(|value| value.split_whitespace().next()).unwrap_or_default();
        let (text, leaf) = if id.eq_ignore_ascii_case("all") {
            ("@all".to_owned(), Some(Leaf::Everyone("all".into())))
        } else if let Ok(id) = id.parse() {
            let person = PersonMention::of_bitrix24(id, &name);
            (person.visible(), Some(Leaf::Person(person)))
        } else {
            (format!("@{name}"), None)
        };
        self.put(Cow::Owned(text), source, PieceKind::Whole, leaf);
        next
    }

    fn file(&mut self, at: usize, tag: &Tag) -> usize {
        let (inner, next) = match self.tokens[at].partner {
            Some(_) => self.flat(at),
            None => (String::new(), at + 1),
        };
        let rest = &self.text[tag.rest.clone()];
        let id = self.value(tag).or_else(|| attribute(rest, "id")).unwrap_or(inner.trim());
        let id = id.split_whitespace().next().unwrap_or_default().trim_start_matches(['n', 'N']);
        let name = self.around.file.and_then(|known| known(id)).map(|name| one_line(&name));
        let text = format!("📎 {}", name.as_deref().unwrap_or("file"));
        let source = self.whole_source(at);
        self.put(Cow::Owned(text), source, PieceKind::File, None);
        next
    }

    // Code.

    fn code(&mut self, at: usize, tag: &Tag) -> usize {
        let Some(close) = self.tokens[at].partner.filter(|_| !tag.closes) else { return at + 1 };
        let source = self.whole_source(at);
        let inner = self.tokens[at].at.end..self.tokens[close].at.start;
        let shape = self.shape;
        let is_block = self.is_code_block(&inner, close);
        let content = if is_block { trimmed_lines(self.text, &inner) } else { inner };
        if is_block {
            self.end_line(source.start);
            if self.quotes == 0 && !matches!(self.layout.shapes[self.shape], PieceShape::Item { .. }) {
                self.layout.shapes.push(PieceShape::Code);
                self.shape = self.layout.shapes.len() - 1;
            }
        }
        let began = self.length + usize::from(self.due.is_some());
        self.codes = 1;
        self.opened = false;
        self.plain(&content);
        self.codes = 0;
        self.shape = shape;
        if is_block && self.length > began {
            self.due = Some(source.end);
        }
        self.layout.elements.push(LayoutElement { source, shown: began.min(self.length)..self.length, is_block });
        close + 1
    }

    /// Code gets lines of its own if it has several, or nothing is beside it.
    fn is_code_block(&self, inner: &Range<usize>, close: usize) -> bool {
        if self.cells > 0 {
            return false;
        }
        let rest = &self.text[self.tokens[close].at.end..];
        let next_is_block = || {
            self.tokens.get(close + 1).is_some_and(|token| token.tag.as_ref().is_some_and(|tag| tag.role.is_block()))
        };
        let is_alone = (self.fresh || self.due.is_some())
            && (rest.is_empty() || rest.starts_with(['\n', '\r']) || next_is_block());
        is_alone || self.text[inner.clone()].contains('\n')
    }

    // Words.

    /// A text between tags.
    fn words(&mut self, mut at: Range<usize>) {
        let structural =
            self.frames.last().is_some_and(|frame| matches!(frame.role, TagRole::List | TagRole::Table | TagRole::Row));
        if structural && self.text[at.clone()].trim().is_empty() {
            return;
        }
        if std::mem::take(&mut self.opened) {
            let text = &self.text[at.clone()];
            let blanks = text.len() - text.trim_start_matches([' ', '\t']).len();
            let behind = &text[blanks..];
            if let Some(rest) = behind.strip_prefix("\r\n").or_else(|| behind.strip_prefix('\n')) {
                at.start = at.end - rest.len();
            } else if self.frames.last().is_some_and(|frame| frame.role == TagRole::Item) {
                at.start += blanks;
            }
        }
        if self.around.chat {
            self.chat_lines(&at);
        } else {
            self.plain(&at);
        }
    }

    /// Text with the quotes of a chat.
    fn chat_lines(&mut self, at: &Range<usize>) {
        let mut from = at.start;
        while from < at.end {
            let end = steps::find(&self.text[from..at.end], &['\n']).map_or(at.end, |end| from + end + 1);
            let begins = from == 0 || self.text[..from].ends_with('\n');
            if begins && self.frames.iter().all(|frame| frame.name == CHAT_QUOTE || frame.name == DASH_QUOTE) {
                if let Some(opens) = self.dashes.get(&from).copied() {
                    self.dash_line(opens, &(from..end));
                    from = end;
                    continue;
                }
                from = self.quoted_line(from);
            }
            self.plain(&(from..end));
            from = end;
        }
    }

    fn dash_line(&mut self, opens: bool, line: &Range<usize>) {
        while !self.frames.is_empty() {
            self.close_frame(&(line.start..line.start));
        }
        if opens {
            self.open_chat_quote(DASH_QUOTE, line.start);
            self.opened = false;
        } else {
            // The line end behind the dashes is the quote's.
            self.due = Some(line.end);
        }
    }

    fn open_chat_quote(&mut self, name: &'static str, at: usize) {
        let tag = Tag { name, role: TagRole::Quote, closes: false, rest: at..at };
        self.open_frame(&tag, &(at..at));
        self.opened = false;
    }

    fn quoted_line(&mut self, from: usize) -> usize {
        let innermost = self.frames.last().map(|frame| frame.name);
        if innermost == Some(DASH_QUOTE) {
            return from;
        }
        let is_quoted = self.text[from..].starts_with(">>");
        match (is_quoted, innermost.is_some()) {
            (true, false) => self.open_chat_quote(CHAT_QUOTE, from),
            (false, true) => self.close_frame(&(from..from)),
            _ => {}
        }
        from + if is_quoted { 2 } else { 0 }
    }

    /// Text as it is.
    fn plain(&mut self, at: &Range<usize>) {
        let mut from = at.start;
        let mut look = at.start;
        let whole = self.text;
        let text = &whole[..at.end];
        while let Some(found) = text[look..].find(is_special).map(|found| look + found) {
            let c = text[found..].chars().next().unwrap_or_default();
            let after = found + c.len_utf8();
            let special = match c {
                '\r' if text[after..].starts_with('\n') => Some(found..after + 1),
                '[' => apart(text, after).map(|end| found..end),
                ':' if self.codes == 0 => emoji::hex(&text[found..]).map(|(_, length)| found..found + length),
                ':' => None,
                // Line ends, and what turns the direction of other text.
                _ => Some(found..after),
            };
            let Some(special) = special else {
                look = after;
                continue;
            };
            self.run(from..special.start);
            match c {
                '\n' | '\r' => self.line_end(special.clone(), false),
                '[' => self.put(Cow::Borrowed("["), special.clone(), PieceKind::Whole, None),
                ':' => {
                    let character = emoji::hex(&text[special.clone()]).map(|(character, _)| character);
                    self.put(Cow::Owned(character.unwrap_or_default()), special.clone(), PieceKind::Whole, None);
                }
                _ => {}
            }
            from = special.end;
            look = from;
        }
        self.run(from..at.end);
    }

    fn run(&mut self, source: Range<usize>) {
        if !source.is_empty() {
            let text = self.text;
            self.put(Cow::Borrowed(&text[source.clone()]), source, PieceKind::Text, None);
        }
    }

    fn line_end(&mut self, source: Range<usize>, is_tag: bool) {
        self.end_loose_link(source.start);
        if self.cells > 0 {
            self.put(Cow::Borrowed(" "), source, PieceKind::Whole, None);
            return;
        }
        let is_text = !is_tag && self.text[source.clone()] == *"\n";
        let kind = if is_text { PieceKind::Text } else { PieceKind::Whole };
        if self.due.take().is_some() {
            let kind = if is_text { PieceKind::End } else { PieceKind::Whole };
            self.push(Cow::Borrowed("\n"), source, kind, None);
        } else {
            self.put(Cow::Borrowed("\n"), source, kind, None);
        }
        (self.fresh, self.bare) = (true, true);
    }

    // Pieces.

    /// Shows something, on a line of its own if that is due.
    fn put(&mut self, text: Cow<'a, str>, source: Range<usize>, kind: PieceKind, leaf: Option<Leaf>) {
        self.opened = false;
        if let Some(due) = self.due.take() {
            // A cell has one line.
            let (end, kind) = if self.cells > 0 { (" ", PieceKind::Separator) } else { ("\n", PieceKind::Break) };
            self.push(Cow::Borrowed(end), due..due, kind, None);
            self.fresh = true;
            self.bare = self.cells == 0;
        }
        if kind == PieceKind::Break {
            return;
        }
        if self.bare && self.quotes > 0 && self.cells == 0 {
            let mark = "> ".repeat(self.quotes.min(MAX_QUOTE));
            self.push(Cow::Owned(mark), source.start..source.start, PieceKind::QuoteMark, None);
        }
        (self.fresh, self.bare) = (false, false);
        self.push(text, source, kind, leaf);
    }

    fn push(&mut self, text: Cow<'a, str>, source: Range<usize>, kind: PieceKind, leaf: Option<Leaf>) {
        steps::add(text.len() + 1);
        let from = self.length;
        self.length += text.len();
        let link = self.loose.or(self.links.last().copied()).and_then(|(_, link)| link);
        let piece = LayoutPiece {
            text,
            from,
            source,
            kind,
            leaf,
            style: self.style(),
            link,
            depth: self.inline + self.frames.len(),
            shape: self.shape,
            is_quoted: self.quotes > 0,
        };
        self.layout.pieces.push(piece);
    }

    fn style(&self) -> Style {
        let on = |look: Look| self.styles[look as usize] > 0;
        Style {
            bold: on(Look::Bold) || self.headings > 0,
            italic: on(Look::Italic),
            underline: on(Look::Underline),
            strike: on(Look::Strike),
            code: self.codes > 0,
        }
    }
}

/// Names of frames that no tag has.
const CHAT_QUOTE: &str = ">>";
const DASH_QUOTE: &str = "--";

fn is_special(c: char) -> bool {
    matches!(c, '\n' | '\r' | '[' | ':' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Where what sets a bracket apart ends, if anything does.
fn apart(text: &str, from: usize) -> Option<usize> {
    let end = text.len() - text[from..].trim_start_matches(APART).len();
    steps::add(end - from + 1);
    (end > from).then_some(end)
}

/// Code without the line ends beside its tags.
fn trimmed_lines(text: &str, at: &Range<usize>) -> Range<usize> {
    let inner = &text[at.clone()];
    let start = at.start + inner.len() - inner.trim_start_matches(['\n', '\r']).len();
    let end = at.start + inner.trim_end_matches(['\n', '\r']).len();
    start..end.max(start)
}

fn one_line(words: &str) -> String {
    let clean = bidi::without_overrides(words);
    clean.replace(&format!("[{APART}"), "[").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The value of an attribute: `title=smile`, `title="a smile"`.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let at = attributes.char_indices().map(|(at, _)| at).find(|at| {
        let is_word = attributes[..*at].ends_with(char::is_whitespace);
        let behind = attributes.get(*at..*at + name.len() + 1);
        is_word && behind.is_some_and(|found| found.ends_with('=') && found[..name.len()].eq_ignore_ascii_case(name))
    })?;
    let value = &attributes[at + name.len() + 1..];
    Some(match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
        // A title may have blanks: it ends where another attribute begins.
        _ => match value.split_once('=') {
            Some((words, _)) => {
                words.trim_end().rsplit_once(char::is_whitespace).map_or(words, |(words, _)| words).trim()
            }
            None => value.trim(),
        },
    })
}

/// Whether a line is one of dashes.
pub(super) fn is_dashes(line: &str) -> bool {
    steps::add(line.len());
    line.len() >= 20 && line.bytes().all(|b| b == b'-')
}

/// Lines of dashes by where they begin, and whether each begins a quote. The last of an odd number is text.
fn dashes(text: &str, tokens: &[Token]) -> BTreeMap<usize, bool> {
    let mut lines = Vec::new();
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.tag.is_none()) {
        let is_code = index > 0
            && tokens[index - 1].tag.as_ref().is_some_and(|tag| tag.role == TagRole::Code && !tag.closes)
            && tokens[index - 1].partner.is_some();
        if is_code {
            continue;
        }
        let mut from = token.at.start;
        for line in text[token.at.clone()].split_inclusive('\n') {
            let begins = from == 0 || text[..from].ends_with('\n');
            let end = from + line.trim_end_matches('\n').len();
            let ends = end == text.len() || text[end..].starts_with('\n');
            if begins && ends && is_dashes(&text[from..end]) {
                lines.push(from);
            }
            from += line.len();
        }
    }
    lines.truncate(lines.len() / 2 * 2);
    lines.into_iter().enumerate().map(|(index, at)| (at, index % 2 == 0)).collect()
}
