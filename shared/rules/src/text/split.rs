//! Long texts in parts that a provider takes: cut between paragraphs, else between words, else between characters.

use super::document::{Block, Document, Leaf, Span};

/// The longest message that Bitrix24 keeps whole; it cuts what is longer.
pub const BITRIX24_MESSAGE: usize = 20_000;
/// The longest text that Slack advises for a message. (It cuts at 40,000.)
pub const SLACK_MESSAGE: usize = 4_000;

/// A text's length as both providers may count it: in UTF-16 units, never fewer than in characters.
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

impl Document {
    /// The document in parts, none of which is longer than `most` by `measure` (which tells how long a part is when
    /// written). Nothing that people see is lost but the blanks at which it is cut.
    pub fn split(self, most: usize, measure: impl Fn(&Self) -> usize) -> Vec<Self> {
        if measure(&self) <= most {
            return vec![self];
        }
        let mut parts = Vec::new();
        let mut left = self.blocks;
        while !left.is_empty() {
            let fits = largest(left.len(), |count| measure(&Self { blocks: left[..count].to_vec() }) <= most);
            let mut part: Vec<Block> = left.drain(..fits).collect();
            if part.is_empty() {
                let (head, tail) = cut(left.remove(0), |block| measure(&Self { blocks: vec![block.clone()] }) <= most);
                part.push(head);
                if let Some(tail) = tail {
                    left.insert(0, tail);
                }
            }
            let part = Self { blocks: part }.tidy();
            if !part.is_empty() {
                parts.push(part);
            }
        }
        parts
    }
}

/// The largest count up to `most` that fits; counts that fit come before those that do not.
fn largest(most: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// A block that is too long, in two: what fits, and the rest.
fn cut(block: Block, fits: impl Fn(&Block) -> bool) -> (Block, Option<Block>) {
    match block {
        Block::Code(code) => {
            let pieces: Vec<&str> = code.split_inclusive('\n').collect();
            let joined = |count: usize| Block::Code(pieces[..count].concat());
            let lines = largest(pieces.len(), |count| fits(&joined(count)));
            let bytes = if lines > 0 {
                pieces[..lines].iter().map(|piece| piece.len()).sum()
            } else {
                let ends: Vec<usize> = code.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
                let count = largest(ends.len(), |count| {
                    fits(&Block::Code(code[..ends.get(count.wrapping_sub(1)).copied().unwrap_or(0)].to_owned()))
                });
                ends[count.max(1) - 1]
            };
            let (head, tail) = code.split_at(bytes);
            (Block::Code(head.trim_end_matches('\n').to_owned()), rest(tail).map(Block::Code))
        }
        Block::Paragraph(spans) => cut_spans(spans, &fits, Block::Paragraph, Block::Paragraph),
        Block::Quote(spans) => cut_spans(spans, &fits, Block::Quote, Block::Quote),
        Block::Item { depth, number, spans } => cut_spans(
            spans,
            &fits,
            move |spans| Block::Item { depth, number, spans },
            // What goes on is no new point of the list.
            Block::Paragraph,
        ),
    }
}

fn rest(tail: &str) -> Option<String> {
    (!tail.is_empty()).then(|| tail.to_owned())
}

fn cut_spans(
    spans: Vec<Span>,
    fits: &impl Fn(&Block) -> bool,
    make: impl Fn(Vec<Span>) -> Block,
    make_rest: impl Fn(Vec<Span>) -> Block,
) -> (Block, Option<Block>) {
    let mut atoms = atoms(spans);
    let fitting = |atoms: &[Span]| largest(atoms.len(), |count| fits(&make(atoms[..count].to_vec())));
    let mut count = fitting(&atoms);
    if count == 0 && !atoms.is_empty() {
        // Not even the first word fits: it is cut between its characters.
        let rest = atoms.split_off(1);
        let first = atoms.remove(0);
        atoms = [characters(first), rest].concat();
        count = fitting(&atoms);
    }
    // Better at a blank line, if the part does not become too small for it; else at a line's end.
    let blank = |mark: &str| {
        let half = count / 2;
        (half..count).rev().find(|at| matches!(&atoms[*at].leaf, Leaf::Text(text) if text.contains(mark)))
    };
    let at =
        if count == atoms.len() { count } else { blank("\n\n").or_else(|| blank("\n")).map_or(count, |at| at + 1) };
    let at = at.max(1);
    let (mut head, mut tail) = (atoms[..at].to_vec(), atoms[at..].to_vec());
    if let Some(Span { leaf: Leaf::Text(text), .. }) = head.last_mut() {
        *text = text.trim_end().to_owned();
    }
    if let Some(Span { leaf: Leaf::Text(text), .. }) = tail.first_mut() {
        *text = text.trim_start().to_owned();
    }
    (make(head), (!tail.is_empty()).then(|| make_rest(tail)))
}

fn characters(span: Span) -> Vec<Span> {
    match &span.leaf {
        Leaf::Text(text) => text.chars().map(|c| Span { leaf: Leaf::Text(c.into()), ..span.clone() }).collect(),
        _ => vec![span],
    }
}

/// Words longer than this may be cut between characters.
const LONG_WORD: usize = 100;

/// The spans with their texts in words, each with the blanks behind it; long words in characters.
fn atoms(spans: Vec<Span>) -> Vec<Span> {
    let mut atoms = Vec::new();
    for span in spans {
        let Leaf::Text(text) = &span.leaf else {
            atoms.push(span);
            continue;
        };
        let mut add = |piece: &str| atoms.push(Span { leaf: Leaf::Text(piece.to_owned()), ..span.clone() });
        let mut start = 0;
        let mut blank_before = false;
        for (at, c) in text.char_indices() {
            if blank_before && !c.is_whitespace() && at > start {
                add_word(&text[start..at], &mut add);
                start = at;
            }
            blank_before = c.is_whitespace();
        }
        add_word(&text[start..], &mut add);
    }
    atoms
}

fn add_word(word: &str, add: &mut impl FnMut(&str)) {
    if word.chars().count() <= LONG_WORD {
        add(word);
    } else {
        word.chars().for_each(|c| add(c.encode_utf8(&mut [0; 4])));
    }
}
