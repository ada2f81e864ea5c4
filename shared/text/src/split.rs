//! Long texts in parts that a provider accepts: cut between paragraphs, else between words, else between characters.
//!
//! The work is linear in the text: a part is found by measuring about a part's length, never the whole rest.

use super::document::{Document, Leaf, Span, TextBlock};

/// The longest message that Bitrix24 keeps whole; it cuts what is longer.
pub const BITRIX24_MESSAGE: usize = 20_000;
/// The longest text that Slack advises for a message. (It cuts at 40,000.)
pub const SLACK_MESSAGE: usize = 4_000;

/// A text's length as both providers may count it: in UTF-16 units, never fewer than in characters.
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

impl Document {
    /// The document in parts, none of which is longer than `most` by `measure` (which says how long a part is when
    /// written). Nothing that people see is lost but the blanks at which it is cut; a link that is longer than a part
    /// leaves its words.
    pub fn split(self, most: usize, measure: impl Fn(&Self) -> usize) -> Vec<Self> {
        let measured = |document: &Self| {
            steps::add(document.size());
            measure(document)
        };
        if measured(&self) <= most {
            return vec![self];
        }
        let mut parts = Vec::new();
        let mut add = |blocks: Vec<TextBlock>| {
            let part = Self { blocks }.tidy();
            if !part.is_empty() {
                parts.push(part);
            }
        };
        let alone = |block: &TextBlock| measured(&Self { blocks: vec![block.clone()] });
        // Each block is measured by itself, once: they are on lines of their own. `open` is a part that has space.
        let mut open: Vec<TextBlock> = Vec::new();
        let mut used = 0;
        for block in self.blocks {
            let length = alone(&block);
            if used + length > most {
                add(std::mem::take(&mut open));
                used = 0;
            }
            if length <= most {
                used += length + 1;
                open.push(block);
                continue;
            }
            let mut pieces = cut(block, most, &measured);
            let last = pieces.pop();
            for piece in pieces {
                add(vec![piece]);
            }
            used = last.as_ref().map_or(0, |last| alone(last) + 1);
            open.extend(last);
        }
        add(open);
        parts
    }

    /// The document's beginning up to `most` characters, and whether that is not all of it.
    #[must_use]
    pub fn within(self, most: usize) -> (Self, bool) {
        let mut parts = self.split(most, |part| part.visible().chars().count()).into_iter();
        let first = parts.next().unwrap_or_default();
        (first, parts.next().is_some())
    }

    fn size(&self) -> usize {
        let sizes = self.blocks.iter().map(|block| match block {
            TextBlock::Code(code) => code.len(),
            block => block.spans().iter().map(Span::size).sum(),
        });
        sizes.sum::<usize>() + self.blocks.len()
    }
}

/// The largest count of `all` that fits, looked for from small to large: never far beyond what fits.
fn largest(all: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, 1.min(all));
    while high > low && fits(high) {
        low = high;
        high = (high * 2).min(all);
    }
    while low + 1 < high {
        let middle = usize::midpoint(low, high);
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// A block that is too long, as blocks that fit.
fn cut(block: TextBlock, most: usize, measure: &impl Fn(&Document) -> usize) -> Vec<TextBlock> {
    let fits = |block: TextBlock| measure(&Document { blocks: vec![block] }) <= most;
    match block {
        TextBlock::Code(code) => cut_code(&code, fits),
        TextBlock::Paragraph(spans) => cut_spans(spans, fits, |_, spans| TextBlock::Paragraph(spans)),
        TextBlock::Quote(spans) => cut_spans(spans, fits, |_, spans| TextBlock::Quote(spans)),
        TextBlock::Item { depth, number, spans } => cut_spans(spans, fits, |is_first, spans| {
            // What goes on is not a new point of the list.
            if is_first { TextBlock::Item { depth, number, spans } } else { TextBlock::Paragraph(spans) }
        }),
    }
}

/// Between lines; a line that is too long between characters.
fn cut_code(code: &str, fits: impl Fn(TextBlock) -> bool) -> Vec<TextBlock> {
    let mut pieces: Vec<&str> = code.split_inclusive('\n').rev().collect();
    let mut blocks = Vec::new();
    while let Some(first) = pieces.last() {
        let joined = |count: usize| pieces.iter().rev().take(count).copied().collect::<String>();
        let count = largest(pieces.len(), |count| fits(TextBlock::Code(joined(count))));
        if count == 0 && first.chars().nth(1).is_some() {
            let line = pieces.pop().unwrap_or_default();
            pieces.extend(line.char_indices().rev().map(|(at, c)| &line[at..at + c.len_utf8()]));
            continue;
        }
        let count = count.max(1);
        blocks.push(TextBlock::Code(joined(count).trim_end_matches('\n').to_owned()));
        pieces.truncate(pieces.len() - count);
    }
    blocks
}

/// A piece that is not cut: a span that is not text, or some of a span's text.
#[derive(Clone, Copy)]
struct Atom {
    span: usize,
    from: usize,
    to: usize,
}

/// What is still to be cut, the next last.
struct Rest {
    spans: Vec<Span>,
    atoms: Vec<Atom>,
}

impl Rest {
    fn of(spans: Vec<Span>) -> Self {
        let mut atoms = Vec::new();
        for (span, leaf) in spans.iter().map(|span| &span.leaf).enumerate() {
            match leaf {
                Leaf::Text(text) => atoms.extend(words(text).into_iter().map(|(from, to)| Atom { span, from, to })),
                _ => atoms.push(Atom { span, from: 0, to: 0 }),
            }
        }
        atoms.reverse();
        Self { spans, atoms }
    }

    fn text(&self, atom: Atom) -> Option<&str> {
        match &self.spans[atom.span].leaf {
            Leaf::Text(text) => Some(&text[atom.from..atom.to]),
            _ => None,
        }
    }

    fn next(&self, count: usize) -> impl DoubleEndedIterator<Item = Atom> + '_ {
        self.atoms[self.atoms.len() - count..].iter().rev().copied()
    }

    /// The next `count` atoms as spans; those of one text are one again.
    fn spans(&self, count: usize) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut last = None;
        for atom in self.next(count) {
            let text = self.text(atom);
            match (spans.last_mut(), text) {
                (Some(Span { leaf: Leaf::Text(before), .. }), Some(text)) if last == Some(atom.span) => {
                    before.push_str(text);
                }
                (_, Some(text)) => {
                    let Span { style, link, .. } = &self.spans[atom.span];
                    spans.push(Span { leaf: Leaf::Text(text.to_owned()), style: *style, link: link.clone() });
                }
                (_, None) => spans.push(self.spans[atom.span].clone()),
            }
            last = Some(atom.span);
        }
        spans
    }

    /// Makes the next atom smaller, for even it does not fit: a word becomes characters, and what leads too far leads
    /// nowhere. `false` if there is nothing more to be done.
    fn shrink(&mut self) -> bool {
        let Some(atom) = self.atoms.last().copied() else { return false };
        let text = self.text(atom).unwrap_or_default();
        let pieces: Vec<Atom> = text
            .char_indices()
            .map(|(at, c)| Atom { from: atom.from + at, to: atom.from + at + c.len_utf8(), ..atom })
            .collect();
        if pieces.len() > 1 {
            self.atoms.pop();
            self.atoms.extend(pieces.into_iter().rev());
            return true;
        }
        self.spans[atom.span].link.take().is_some()
    }

    /// Leaves the next `count` behind, and the blanks at which it is cut.
    fn drop(&mut self, count: usize) {
        self.atoms.truncate(self.atoms.len() - count);
        let blanks =
            self.atoms.last().and_then(|atom| self.text(*atom)).map_or(0, |text| text.len() - text.trim_start().len());
        if let Some(atom) = self.atoms.last_mut() {
            atom.from += blanks;
        }
    }

    /// Where to cut within the next `count`: better at a blank line, if the part does not become too small for it; else
    /// at a line's end.
    fn cut(&self, count: usize) -> usize {
        if count == self.atoms.len() {
            return count;
        }
        let texts: Vec<&str> = self.next(count).map(|atom| self.text(atom).unwrap_or_default()).collect();
        let ends = |mark: &str| (count / 2..count).rev().find(|at| texts[*at].contains(mark));
        ends("\n\n").or_else(|| ends("\n")).map_or(count, |at| at + 1)
    }
}

fn cut_spans(
    spans: Vec<Span>,
    fits: impl Fn(TextBlock) -> bool,
    make: impl Fn(bool, Vec<Span>) -> TextBlock,
) -> Vec<TextBlock> {
    let mut rest = Rest::of(spans);
    let mut blocks: Vec<TextBlock> = Vec::new();
    while !rest.atoms.is_empty() {
        let is_first = blocks.is_empty();
        let count = largest(rest.atoms.len(), |count| fits(make(is_first, rest.spans(count))));
        if count == 0 && rest.shrink() {
            continue;
        }
        // Styles hold within one line only: a part that ends with its line may have gained their marks, and not fit.
        let at = rest.cut(count.max(1)).max(1);
        let count = if fits(make(is_first, rest.spans(at))) { at } else { count.max(1) };
        let mut head = rest.spans(count);
        rest.drop(count);
        if let Some(Span { leaf: Leaf::Text(text), .. }) = head.last_mut().filter(|_| !rest.atoms.is_empty()) {
            text.truncate(text.trim_end().len());
        }
        blocks.push(make(is_first, head));
    }
    blocks
}

/// Words longer than this may be cut between characters.
const LONG_WORD: usize = 100;

/// Where the words of a text are, each with the blanks behind it; long words as their characters.
fn words(text: &str) -> Vec<(usize, usize)> {
    steps::add(text.len());
    let mut words = Vec::new();
    let mut add = |from: usize, to: usize| {
        let word = &text[from..to];
        if word.chars().nth(LONG_WORD).is_none() {
            words.push((from, to));
        } else {
            words.extend(word.char_indices().map(|(at, c)| (from + at, from + at + c.len_utf8())));
        }
    };
    let mut start = 0;
    let mut blank_before = false;
    for (at, c) in text.char_indices() {
        if blank_before && !c.is_whitespace() && at > start {
            add(start, at);
            start = at;
        }
        blank_before = c.is_whitespace();
    }
    add(start, text.len());
    words
}
