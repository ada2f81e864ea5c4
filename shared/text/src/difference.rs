//! Where two texts differ, in ranges that a person would name: lines, then words.
//!
//! Bounded: a common beginning and end are skipped first; what is too long to compare is one change.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// A change: the range `old` of one text is `new` in the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextChange {
    pub(super) old: Range<usize>,
    pub(super) new: Range<usize>,
}

/// The most lines or words that are compared with each other.
const MAX_COMPARED: usize = 1_000;

/// How lines are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineNumbers {
    Count,
    /// Without the numbers that they begin with: those of a list follow from its points.
    Follow,
}

/// The changes that make `new` of `old`, in order.
pub(super) fn changes(old: &str, new: &str, numbers: LineNumbers) -> Vec<TextChange> {
    steps::add(old.len() + new.len());
    let (old_lines, new_lines) = (lines(old), lines(new));
    let key = |text: &str, at: &Range<usize>| -> String {
        let line = &text[at.clone()];
        if numbers == LineNumbers::Follow { without_number(line) } else { line.to_owned() }
    };
    let old_keys: Vec<String> = old_lines.iter().map(|at| key(old, at)).collect();
    let new_keys: Vec<String> = new_lines.iter().map(|at| key(new, at)).collect();
    let mut all = Vec::new();
    for hunk in compare(&old_keys, &new_keys) {
        let (from, to) = (bytes(&old_lines, &hunk.old, old.len()), bytes(&new_lines, &hunk.new, new.len()));
        if hunk.old.len() == hunk.new.len() {
            // Line by line: a word never moves into the next one.
            for (left, right) in hunk.old.clone().zip(hunk.new.clone()) {
                in_lines(old, old_lines[left].clone(), new, new_lines[right].clone(), &mut all);
            }
        } else {
            in_lines(old, from, new, to, &mut all);
        }
    }
    all
}

/// The changes within some lines, by words.
fn in_lines(old: &str, from: Range<usize>, new: &str, to: Range<usize>, all: &mut Vec<TextChange>) {
    if from.is_empty() || to.is_empty() {
        all.push(TextChange { old: from, new: to });
        return;
    }
    let (old_words, new_words) = (words(old, &from), words(new, &to));
    let of =
        |text: &str, words: &[Range<usize>]| words.iter().map(|at| text[at.clone()].to_owned()).collect::<Vec<_>>();
    for hunk in compare(&of(old, &old_words), &of(new, &new_words)) {
        let change =
            TextChange { old: bytes(&old_words, &hunk.old, from.end), new: bytes(&new_words, &hunk.new, to.end) };
        let change = trimmed(old, new, change);
        if !change.old.is_empty() || !change.new.is_empty() {
            all.push(change);
        }
    }
}

/// The changes between two rows, by their places.
fn compare(old: &[String], new: &[String]) -> Vec<TextChange> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_middle, new_middle) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    if old_middle.is_empty() && new_middle.is_empty() {
        return Vec::new();
    }
    if old_middle.len().max(new_middle.len()) > MAX_COMPARED {
        return vec![TextChange { old: start..old.len() - end, new: start..new.len() - end }];
    }
    let operations = capture_diff_slices(Algorithm::Myers, old_middle, new_middle);
    // What is between equal parts has changed.
    let mut hunks = Vec::new();
    let (mut old_at, mut new_at) = (start, start);
    let equal = operations.iter().filter_map(|operation| match operation {
        DiffOp::Equal { old_index, new_index, len } => Some((old_index + start, new_index + start, *len)),
        _ => None,
    });
    for (old_from, new_from, length) in equal.chain([(old.len() - end, new.len() - end, 0)]) {
        if old_at < old_from || new_at < new_from {
            hunks.push(TextChange { old: old_at..old_from, new: new_at..new_from });
        }
        (old_at, new_at) = (old_from + length, new_from + length);
    }
    hunks
}

/// Without what both begin and end with.
fn trimmed(old: &str, new: &str, change: TextChange) -> TextChange {
    let (left, right) = (&old[change.old.clone()], &new[change.new.clone()]);
    if left.is_empty() || right.is_empty() {
        return change;
    }
    let start: usize = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8()).sum();
    let (left, right) = (&left[start..], &right[start..]);
    let same = left.chars().rev().zip(right.chars().rev()).take_while(|(a, b)| a == b);
    let end: usize = same.map(|(c, _)| c.len_utf8()).sum();
    TextChange {
        old: change.old.start + start..change.old.end - end,
        new: change.new.start + start..change.new.end - end,
    }
}

/// Where some of a row's parts are; an empty range is before the next one.
fn bytes(parts: &[Range<usize>], places: &Range<usize>, end: usize) -> Range<usize> {
    let start = parts.get(places.start).map_or(end, |part| part.start);
    if places.is_empty() { start..start } else { start..parts[places.end - 1].end }
}

/// The lines of a text, each with its end.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut from = 0;
    let line = |line: &str| {
        let at = from..from + line.len();
        from = at.end;
        at
    };
    text.split_inclusive('\n').map(line).collect()
}

/// The words of a part of a text; blanks and marks are words of their own.
fn words(text: &str, at: &Range<usize>) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut goes_on = false;
    for (place, c) in text[at.clone()].char_indices() {
        let (from, to) = (at.start + place, at.start + place + c.len_utf8());
        match words.last_mut().filter(|_| goes_on && c.is_alphanumeric()) {
            Some(last) => last.end = to,
            None => words.push(from..to),
        }
        goes_on = c.is_alphanumeric();
    }
    words
}

/// A line whose number is any.
fn without_number(line: &str) -> String {
    match number(line) {
        Some(at) => format!("{}#{}", &line[..at.start], &line[at.end..]),
        None => line.to_owned(),
    }
}

/// The number that a line begins with: `12` of `    12. words`.
pub(super) fn number(line: &str) -> Option<Range<usize>> {
    let start = line.len() - line.trim_start_matches(' ').len();
    let digits = line[start..].bytes().take_while(u8::is_ascii_digit).count();
    let is_number = digits > 0 && line[start + digits..].starts_with(". ");
    is_number.then_some(start..start + digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changed<'a>(old: &'a str, new: &'a str) -> Vec<(&'a str, &'a str)> {
        changes(old, new, LineNumbers::Count).into_iter().map(|change| (&old[change.old], &new[change.new])).collect()
    }

    #[test]
    fn changes_are_lines_then_words() {
        assert_eq!(changed("a\nb\nc", "a\nc"), [("b\n", "")]);
        assert_eq!(changed("one two three", "one 2 three"), [("two", "2")]);
        assert_eq!(changed("one\ntwo", "one\nnew\ntwo"), [("", "new\n")]);
        assert_eq!(changed("total 5", "total 55"), [("", "5")]);
        assert_eq!(changed("x", "x"), []);
        assert_eq!(changes("1. a\n2. c", "1. a\n2. b\n3. c", LineNumbers::Follow).len(), 1);
    }

    proptest! {
        #[test]
        fn applied_changes_make_the_other_text(old in "[ab \n1.]{0,40}", new in "[ab \n1.]{0,40}") {
            let mut made = old.clone();
            for change in changes(&old, &new, LineNumbers::Count).into_iter().rev() {
                made.replace_range(change.old, &new[change.new]);
            }
            prop_assert_eq!(made, new);
        }
    }
}
