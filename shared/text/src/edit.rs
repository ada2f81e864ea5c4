//! An edit of what people see of a text, applied to the text itself.
//!
//! `shown` says what people see of BBCode on a side that has none. `edit_bbcode` applies their edit: only what they
//! changed is changed; tags, addresses, mentions and files remain to the last character. What cannot be done so is
//! refused with the reason. The result is checked: shown again, it must read as what was wanted.

use std::ops::Range;

use bidi::without_overrides;
use locale::{Fixed, Localized, texts};

use super::difference::{LineNumbers, TextChange, changes, number};
use super::emoji;
use super::layout::{APART, Layout, LayoutElement, LayoutPiece, PieceKind, PieceShape, Surroundings};

pub use super::notion::{edit_rich_text, rich_text};

/// An edit that would lose something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Loss {
    /// What would be lost, and what to do instead.
    pub why: Localized,
}

impl Loss {
    fn new(what: &Localized) -> Self {
        Self { why: Localized::of(|language| texts::sync::ChangeInBitrix24 { reason: what.text(language).to_owned() }) }
    }
}

impl From<Fixed> for Loss {
    fn from(what: Fixed) -> Self {
        Self::new(&what.into())
    }
}

/// What a person reads of BBCode where there is none: paragraphs and line ends, points and numbers of lists, the cells of
/// a table in a line, names, and no tag.
pub fn shown(bbcode: &str) -> String {
    layout(bbcode).shown()
}

pub(super) fn layout(bbcode: &str) -> Layout<'_> {
    Layout::of(bbcode, Surroundings::default())
}

/// A text that somebody typed, as [`shown`] would say it: one kind of line end, no characters that turn the direction of
/// other text, emoji as characters.
pub fn normalised(wanted: &str) -> String {
    let clean = without_overrides(wanted).replace("\r\n", "\n").replace('\r', "\n");
    steps::add(wanted.len());
    let mut text = String::with_capacity(clean.len());
    let mut rest = clean.as_str();
    while let Some(at) = rest.find(['[', ':']) {
        text.push_str(&rest[..at]);
        let is_bracket = rest[at..].starts_with('[');
        if let Some((character, length)) = emoji::hex(&rest[at..]).filter(|_| !is_bracket) {
            text.push_str(&character);
            rest = &rest[at + length..];
            continue;
        }
        text.push_str(&rest[at..=at]);
        rest = &rest[at + 1..];
        if is_bracket {
            rest = rest.trim_start_matches(APART);
        }
    }
    text + rest
}

/// What somebody made of `before`, with what they typed [`normalised`]. What they left as it was remains, also where tags
/// hide that it could be written in another way: in `[[b]\u{200b}`, say.
fn normalised_beside(before: &str, wanted: &str) -> String {
    if normalised(before) == before {
        return normalised(wanted);
    }
    let mut text = before.to_owned();
    for change in changes(before, wanted, LineNumbers::Count).iter().rev() {
        text.replace_range(change.old.clone(), &normalised(&wanted[change.new.clone()]));
    }
    text
}

/// `now` with the edit that makes `wanted` of what is [`shown`] of it.
///
/// # Errors
/// A [`Loss`] if it cannot be done without losing something that is not shown.
pub fn edit_bbcode(now: &str, wanted: &str) -> Result<String, Loss> {
    let layout = layout(now);
    let before = layout.shown();
    if wanted == before {
        return Ok(now.to_owned());
    }
    let wanted = normalised_beside(&before, wanted);
    if wanted == before {
        return Ok(now.to_owned());
    }
    let editor = Editor { source: now, layout, before, wanted };
    editor.edit()
}

/// Text that makes no tags.
pub(super) fn literal(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        written.push(c);
        let may_begin_a_tag = rest.peek().is_none_or(|next| next.is_ascii_alphabetic() || "/*".contains(*next));
        if c == '[' && may_begin_a_tag {
            written.push(APART);
        }
    }
    written
}

/// Code that does not end itself.
fn literal_code(text: &str) -> String {
    text.replace("[/", &format!("[{APART}/"))
}

/// The most changes that are tried one by one.
const MAX_ONE_BY_ONE: usize = 24;

/// A way to bring a change into the source. The next is tried if the result does not read as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EditAttempt {
    /// New lines become points of the list that they stand in; blocks whose words are all gone go as well.
    Structure,
    /// The words in their places; blocks whose words are all gone go as well.
    Blocks,
    /// The words in their places; pairs of tags within a line go with their words.
    Inline,
    /// The words alone.
    Words,
    /// New words before the tags that begin behind them.
    Left,
    /// New words behind the tags that end before them.
    Right,
    /// Everything between the words beside the change: two paragraphs become one.
    Join,
    /// The texts that are touched are written again, so that brackets meet nothing.
    Anew,
}

const WAYS: [EditAttempt; 8] = [
    EditAttempt::Structure,
    EditAttempt::Blocks,
    EditAttempt::Inline,
    EditAttempt::Words,
    EditAttempt::Left,
    EditAttempt::Right,
    EditAttempt::Join,
    EditAttempt::Anew,
];

struct Editor<'a> {
    source: &'a str,
    layout: Layout<'a>,
    before: String,
    wanted: String,
}

impl Editor<'_> {
    fn edit(&self) -> Result<String, Loss> {
        if self.wanted.is_empty() {
            return self.emptied();
        }
        if self.before.is_empty() || !self.layout.has_tags && self.layout.pieces.is_empty() {
            return Ok(literal(&self.wanted));
        }
        self.keeps_files()?;
        for numbers in [LineNumbers::Follow, LineNumbers::Count] {
            let changes = changes(&self.before, &self.wanted, numbers);
            if let Some(edited) = self.all_at_once(&changes) {
                return Ok(edited);
            }
        }
        let changes = changes(&self.before, &self.wanted, LineNumbers::Count);
        let result = self.one_by_one(&changes);
        match result {
            // Plain lines can be written again.
            Err(_) if !self.layout.has_tags => Ok(literal(&self.wanted)),
            result => result,
        }
    }

    fn emptied(&self) -> Result<String, Loss> {
        match self.layout.pieces.iter().find(|piece| piece.kind == PieceKind::File) {
            Some(_) => Err(texts::sync::FILE_EMPTIED.into()),
            None => Ok(String::new()),
        }
    }

    /// Files that are shown once must be shown still.
    fn keeps_files(&self) -> Result<(), Loss> {
        let files = self.layout.pieces.iter().filter(|piece| piece.kind == PieceKind::File).count();
        if files > 0 && self.wanted.matches('📎').count() < self.before.matches('📎').count() {
            return Err(texts::sync::FILE_REMOVED.into());
        }
        Ok(())
    }

    fn reads_as_wanted(&self, edited: &str) -> bool {
        shown(edited) == self.wanted
    }

    fn all_at_once(&self, changes: &[TextChange]) -> Option<String> {
        if changes.iter().any(|change| self.touches_whole(change).is_some()) {
            return None;
        }
        let is_few = changes.len() <= MAX_ONE_BY_ONE;
        let mut ways = WAYS
            .into_iter()
            .filter(|way| is_few || matches!(way, EditAttempt::Blocks | EditAttempt::Inline | EditAttempt::Words));
        ways.find_map(|way| {
            let edits = self.edits(changes, way)?;
            let edited = applied(self.source, edits)?;
            self.reads_as_wanted(&edited).then_some(edited)
        })
    }

    fn one_by_one(&self, changes: &[TextChange]) -> Result<String, Loss> {
        if let Some(loss) = changes.iter().find_map(|change| self.touches_whole(change)) {
            return Err(loss);
        }
        let Some(last) = changes.last() else { return Err(texts::sync::EDIT_UNCLEAR.into()) };
        if changes.len() > MAX_ONE_BY_ONE {
            return Err(self.loss(last));
        }
        let mut edited = self.source.to_owned();
        let mut wanted = self.before.clone();
        for change in changes.iter().rev() {
            wanted.replace_range(change.old.clone(), &self.wanted[change.new.clone()]);
            let tried = WAYS.into_iter().find_map(|way| {
                let edits = self.edits(std::slice::from_ref(change), way)?;
                let made = applied(&edited, edits)?;
                (shown(&made) == wanted).then_some(made)
            });
            edited = tried.ok_or_else(|| self.loss(change))?;
        }
        if self.reads_as_wanted(&edited) { Ok(edited) } else { Err(self.loss(last)) }
    }

    /// The pieces that a change takes something from.
    fn touched<'s>(&'s self, change: &'s TextChange) -> &'s [LayoutPiece<'s>] {
        let pieces = &self.layout.pieces;
        let from = pieces.partition_point(|piece| piece.to() <= change.old.start);
        let to = pieces.partition_point(|piece| piece.from < change.old.end);
        pieces.get(from..to).unwrap_or_default()
    }

    /// Whether a change takes a part of what can only go as a whole, or a file.
    fn touches_whole(&self, change: &TextChange) -> Option<Loss> {
        self.touched(change).iter().filter(|piece| !piece.text.is_empty()).find_map(|piece| {
            let is_all = change.old.start <= piece.from && piece.to() <= change.old.end;
            match piece.kind {
                PieceKind::File => Some(texts::sync::FILE_CHANGED.into()),
                PieceKind::Whole if !is_all => {
                    let text: &str = &piece.text;
                    Some(Loss::new(&Localized::of(|_| texts::sync::WordsChanged { text })))
                }
                PieceKind::Address if !is_all => Some(texts::sync::ADDRESS_CHANGED.into()),
                _ => None,
            }
        })
    }

    /// Why a change cannot be brought back.
    fn loss(&self, change: &TextChange) -> Loss {
        let touched = self.touched(change);
        let beside = |at: usize| self.layout.pieces.iter().find(|piece| piece.from <= at && at <= piece.to());
        let has = |kind| touched.iter().any(|piece| piece.kind == kind);
        let what = if has(PieceKind::Separator) || self.is_in_table(change) {
            texts::sync::ACROSS_CELLS
        } else if has(PieceKind::Address) {
            texts::sync::ADDRESS_REMOVED
        } else if has(PieceKind::Mark) {
            texts::sync::LIST_CHANGED
        } else if has(PieceKind::QuoteMark) || beside(change.old.start).is_some_and(|piece| piece.is_quoted) {
            texts::sync::QUOTE_CHANGED
        } else {
            texts::sync::FORMATTING_LOST
        };
        what.into()
    }

    fn is_in_table(&self, change: &TextChange) -> bool {
        let line_from = self.before[..change.old.start].rfind('\n').map_or(0, |at| at + 1);
        let line_to = self.before[change.old.end..].find('\n').map_or(self.before.len(), |at| change.old.end + at);
        let pieces = &self.layout.pieces;
        let first = pieces.partition_point(|piece| piece.to() < line_from);
        pieces[first..].iter().take_while(|piece| piece.from <= line_to).any(|piece| piece.kind == PieceKind::Separator)
    }

    /// What is to be done to the source for some changes, in a way; nothing if the way does not fit one of them.
    fn edits(&self, changes: &[TextChange], way: EditAttempt) -> Option<Vec<(Range<usize>, String)>> {
        let mut edits = Vec::new();
        for change in changes {
            let new = &self.wanted[change.new.clone()];
            match way {
                EditAttempt::Structure => match self.points(change, new).or_else(|| self.quoted(change, new)) {
                    Some(edit) => edits.push(edit),
                    None => self.in_place(change, new, way, &mut edits)?,
                },
                EditAttempt::Join => self.join(change, new, &mut edits)?,
                EditAttempt::Anew => self.anew(change, new, &mut edits)?,
                _ => self.in_place(change, new, way, &mut edits)?,
            }
        }
        let goes = |element: &&LayoutElement| match way {
            EditAttempt::Structure | EditAttempt::Blocks => true,
            EditAttempt::Inline | EditAttempt::Left | EditAttempt::Right => !element.is_block,
            EditAttempt::Words | EditAttempt::Join | EditAttempt::Anew => false,
        };
        for element in self.layout.elements.iter().filter(goes) {
            if let Some(change) = emptied_by(changes, element)
                && self
                    .anchor(change)
                    .is_none_or(|at| self.wanted[change.new.clone()].is_empty() || !element.source.contains(&at))
            {
                edits.push((element.source.clone(), String::new()));
            }
        }
        Some(edits)
    }

    /// Where the new words of a change go, if they take the place of others.
    fn anchor(&self, change: &TextChange) -> Option<usize> {
        let piece = self.touched(change).iter().find(|piece| matches!(piece.kind, PieceKind::Text | PieceKind::End))?;
        Some(piece.source.start + change.old.start.saturating_sub(piece.from))
    }

    /// The words of a change in the places of those that they replace.
    fn in_place(
        &self,
        change: &TextChange,
        new: &str,
        way: EditAttempt,
        edits: &mut Vec<(Range<usize>, String)>,
    ) -> Option<()> {
        let touched = self.touched(change);
        let anchor = self.anchor(change);
        let mut new = Some(new);
        if anchor.is_none() || touched.is_empty() {
            let (at, piece) = self.position(change, way)?;
            let words = new.take().unwrap_or_default();
            edits.push((at..at, written(words, piece, self.begins_a_line(change))));
        }
        for piece in touched {
            match piece.kind {
                PieceKind::Text | PieceKind::End => {
                    let from = change.old.start.max(piece.from) - piece.from;
                    let to = change.old.end.min(piece.to()) - piece.from;
                    let words = new
                        .take()
                        .map(|words| written(words, Some(piece), self.begins_a_line(change)))
                        .unwrap_or_default();
                    edits.push((piece.source.start + from..piece.source.start + to, words));
                }
                PieceKind::Whole | PieceKind::Address if !piece.source.is_empty() => {
                    edits.push((piece.source.clone(), String::new()));
                }
                _ => {}
            }
        }
        Some(())
    }

    fn begins_a_line(&self, change: &TextChange) -> bool {
        let before = &self.before[..change.old.start];
        before.is_empty() || before.ends_with('\n')
    }

    /// The pieces beside a place in what is shown.
    fn beside(&self, at: usize) -> (Option<&LayoutPiece<'_>>, Option<&LayoutPiece<'_>>) {
        let pieces = &self.layout.pieces;
        let next = pieces.partition_point(|piece| piece.to() <= at);
        let left = pieces[..next].iter().rev().find(|piece| !piece.text.is_empty());
        let right = pieces[next..].iter().find(|piece| !piece.text.is_empty());
        (left, right)
    }

    /// Where new words go that replace nothing, and beside which piece.
    fn position(&self, change: &TextChange, way: EditAttempt) -> Option<(usize, Option<&LayoutPiece<'_>>)> {
        let (left, _) = self.beside(change.old.start);
        let (_, right) = self.beside(change.old.end.max(change.old.start));
        let has_place = |piece: &&LayoutPiece<'_>| {
            !matches!(piece.kind, PieceKind::QuoteMark | PieceKind::Separator | PieceKind::Address)
        };
        let ends = left.filter(has_place).map(|piece| (piece.source.end, piece));
        let begins = right
            .filter(|piece| has_place(piece) && !matches!(piece.kind, PieceKind::Mark | PieceKind::Break))
            .map(|piece| (piece.source.start, piece));
        let chosen = match way {
            EditAttempt::Left => ends,
            EditAttempt::Right => begins.or(ends),
            _ => match (ends, begins) {
                (Some(left), Some(right)) if right.1.depth < left.1.depth => Some(right),
                (left, right) => left.or(right),
            },
        };
        match chosen {
            Some((at, piece)) => Some((at, Some(piece))),
            None if self.layout.pieces.is_empty() => Some((self.source.len(), None)),
            // Only marks beside it: an empty cell.
            None => left.map(|piece| (piece.source.end, Some(piece))),
        }
    }

    /// New lines that are points of the list that they stand in.
    fn points(&self, change: &TextChange, new: &str) -> Option<(Range<usize>, String)> {
        if !change.old.is_empty() || new.is_empty() {
            return None;
        }
        let at = change.old.start;
        let pieces = &self.layout.pieces;
        let next = pieces.partition_point(|piece| piece.from < at);
        let following = pieces[next..].first().filter(|piece| piece.kind == PieceKind::Mark && !new.starts_with('\n'));
        let is_behind = following.is_none();
        let mark = following.or_else(|| pieces[..next].iter().rev().find(|piece| piece.kind == PieceKind::Mark))?;
        let PieceShape::Item { depth, number: of } = *self.layout.shapes.get(mark.shape)? else { return None };
        let points: Option<Vec<String>> =
            new.trim_matches('\n').split('\n').map(|line| point(line, depth, of.is_some())).collect();
        let element = self.item(mark)?;
        let open = self.source[..mark.source.start].rfind('[')?;
        let tag = &self.source[open..mark.source.start];
        let ends_a_line = self.source[element.clone()].ends_with('\n');
        let starts_a_line = self.source[..open].ends_with('\n');
        let points: Vec<String> = points?.iter().map(|words| format!("{tag}{words}")).collect();
        Some(if is_behind {
            let end = if ends_a_line { element.end - 1 } else { element.end };
            let separator = if starts_a_line || ends_a_line { "\n" } else { "" };
            (end..end, points.iter().map(|point| format!("{separator}{point}")).collect())
        } else {
            let separator = if starts_a_line || ends_a_line { "\n" } else { "" };
            (open..open, points.iter().map(|point| format!("{point}{separator}")).collect())
        })
    }

    /// New lines of the quote that they stand behind.
    fn quoted(&self, change: &TextChange, new: &str) -> Option<(Range<usize>, String)> {
        let lines = new.trim_matches('\n').split('\n').map(|line| line.strip_prefix("> "));
        let lines: Vec<&str> = lines.collect::<Option<_>>().filter(|_| change.old.is_empty())?;
        let pieces = &self.layout.pieces;
        let next = pieces.partition_point(|piece| piece.to() <= change.old.start);
        let before = pieces[..next].iter().rev().find(|piece| piece.text != "\n" && !piece.text.is_empty())?;
        let is_text = before.is_quoted && matches!(before.kind, PieceKind::Text | PieceKind::Whole);
        let written = lines.iter().map(|line| format!("\n{}", literal(line))).collect();
        is_text.then_some((before.source.end..before.source.end, written))
    }

    /// The source of the point that a mark begins.
    fn item(&self, mark: &LayoutPiece<'_>) -> Option<Range<usize>> {
        let elements = self.layout.elements.iter();
        let found = elements.filter(|element| element.is_block).find(|element| {
            element.source.start < mark.source.start
                && mark.source.start <= element.source.end
                && element.shown.start == mark.from
                && self.source[element.source.start..mark.source.start].rfind('[') == Some(0)
        })?;
        Some(found.source.clone())
    }

    /// Two paragraphs or points become one: what is between their words goes.
    fn join(&self, change: &TextChange, new: &str, edits: &mut Vec<(Range<usize>, String)>) -> Option<()> {
        let pieces = &self.layout.pieces;
        let before =
            pieces.iter().rev().find(|piece| piece.from < change.old.start && piece.kind == PieceKind::Text)?;
        let after = pieces.iter().find(|piece| piece.to() > change.old.end && piece.kind == PieceKind::Text)?;
        if before.to() < change.old.start || after.from > change.old.end {
            return None;
        }
        let from = before.source.start + (change.old.start - before.from);
        let to = after.source.start + change.old.end.saturating_sub(after.from);
        let removed = self.source.get(from..to)?;
        joins(removed).then(|| edits.push((from..to, literal(new))))
    }

    /// The texts that a change touches, and those beside it, written again.
    fn anew(&self, change: &TextChange, new: &str, edits: &mut Vec<(Range<usize>, String)>) -> Option<()> {
        let pieces = &self.layout.pieces;
        let is_plain = |piece: &LayoutPiece<'_>| {
            matches!(piece.kind, PieceKind::Text | PieceKind::End | PieceKind::Whole)
                && piece.leaf.is_none()
                && piece.link.is_none()
        };
        let mut first = pieces.partition_point(|piece| piece.to() < change.old.start);
        let mut last = pieces.partition_point(|piece| piece.from <= change.old.end);
        while first > 0
            && is_plain(&pieces[first - 1])
            && pieces[first - 1].source.end == pieces.get(first)?.source.start
        {
            first -= 1;
        }
        while last < pieces.len()
            && is_plain(&pieces[last])
            && last > 0
            && pieces[last - 1].source.end == pieces[last].source.start
        {
            last += 1;
        }
        let run = pieces.get(first..last).filter(|run| !run.is_empty() && run.iter().all(is_plain))?;
        let is_joined = run.windows(2).all(|two| two[0].source.end == two[1].source.start);
        let (from, to) = (run.first()?, run.last()?);
        if !is_joined {
            return None;
        }
        let before = self.before.get(from.from..change.old.start)?;
        let after = self.before.get(change.old.end..to.to())?;
        let words = [before, new, after].concat();
        let words = if from.style.code { literal_code(&words) } else { literal(&words) };
        edits.push((from.source.start..to.source.end, words));
        Some(())
    }
}

/// The words of a new point, if a line is one.
fn point(line: &str, depth: usize, is_numbered: bool) -> Option<String> {
    let rest = line.strip_prefix(&"    ".repeat(depth))?;
    let words = if is_numbered {
        let at = number(rest).filter(|at| at.start == 0)?;
        &rest[at.end + 2..]
    } else {
        rest.strip_prefix("• ")?
    };
    Some(literal(words))
}

/// Whether a part of a source is nothing but line ends, and tags between paragraphs or points.
fn joins(source: &str) -> bool {
    let known = ["[/p]", "[p]", "[*]", "[/*]"];
    let mut rest = source;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return true;
        }
        let tag = known.iter().find(|tag| rest.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)));
        let Some(tag) = tag else { return false };
        rest = &rest[tag.len()..];
    }
}

/// New words as they are written beside a piece: in a quote without its marks.
fn written(words: &str, piece: Option<&LayoutPiece<'_>>, begins_a_line: bool) -> String {
    let is_quoted = piece.is_some_and(|piece| piece.is_quoted);
    let inner = |(place, line)| if is_quoted && (place > 0 || begins_a_line) { unquoted(line) } else { line };
    let words = words.split('\n').enumerate().map(inner).collect::<Vec<_>>().join("\n");
    if piece.is_some_and(|piece| piece.style.code) { literal_code(&words) } else { literal(&words) }
}

fn unquoted(line: &str) -> &str {
    line.trim_start_matches("> ")
}

/// The change that takes all that is shown of an element.
fn emptied_by<'c>(changes: &'c [TextChange], element: &LayoutElement) -> Option<&'c TextChange> {
    let Range { start, end } = element.shown;
    let place = changes.partition_point(|change| change.old.end < end);
    let change = changes.get(place)?;
    (start < end && change.old.start <= start && end <= change.old.end).then_some(change)
}

/// The source with edits; nothing if one would write into what another one takes away.
fn applied(source: &str, mut edits: Vec<(Range<usize>, String)>) -> Option<String> {
    edits.sort_by_key(|(at, _)| (at.start, at.end));
    let mut text = String::with_capacity(source.len());
    let mut at = 0;
    for (range, words) in edits {
        if range.end <= at && words.is_empty() && (range.start < at || range.is_empty()) {
            continue;
        }
        if range.start < at && !words.is_empty() {
            return None;
        }
        text.push_str(source.get(at..range.start.max(at))?);
        text.push_str(&words);
        at = range.end.max(at);
    }
    text.push_str(source.get(at..)?);
    steps::add(text.len());
    Some(text)
}

#[cfg(test)]
#[path = "edit_tests.rs"]
pub(super) mod tests;
