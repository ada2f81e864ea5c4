//! Edits of lists and lines, so that only the edited parts change.

use std::collections::BTreeSet;

use locale::Localized;
use serde_json::Value;

use super::cell::Cell;
use super::lines;

/// If the differing parts of lists are longer than this, they are compared place by place.
const MAX_COMPARED: usize = 40_000;

/// What happens to a wanted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is the value at this place.
    Keep(usize),
    /// It is what the value at this place was edited into.
    Replace(usize),
    /// It was added.
    New,
}

/// Finds for every wanted value the one that it is, or was.
fn align(now: &[&Cell], wanted: &[Cell]) -> Vec<Step> {
    let same = |(now, wanted): &(&&Cell, &Cell)| **now == *wanted;
    let head = now.iter().zip(wanted).take_while(same).count();
    let rest = (now.len() - head).min(wanted.len() - head);
    let tail = now.iter().rev().zip(wanted.iter().rev()).take(rest).take_while(same).count();
    let mut steps: Vec<Step> = (0..head).map(Step::Keep).collect();
    let (from, to) = (head, now.len() - tail);
    gaps(&now[from..to], &wanted[head..wanted.len() - tail], from, &mut steps);
    steps.extend((to..now.len()).map(Step::Keep));
    steps
}

/// The parts that differ: what both have in the same order stays, and between that values are paired in their order.
fn gaps(now: &[&Cell], wanted: &[Cell], offset: usize, steps: &mut Vec<Step>) {
    let mut matches = common(now, wanted);
    matches.push((now.len(), wanted.len()));
    let (mut n, mut w) = (0, 0);
    for (next_now, next_wanted) in matches {
        while w < next_wanted {
            if n < next_now {
                steps.push(Step::Replace(offset + n));
                n += 1;
            } else {
                steps.push(Step::New);
            }
            w += 1;
        }
        if next_now < now.len() {
            steps.push(Step::Keep(offset + next_now));
        }
        (n, w) = (next_now + 1, next_wanted + 1);
    }
}

/// The longest run of values that both have in the same order, as pairs of places.
fn common(now: &[&Cell], wanted: &[Cell]) -> Vec<(usize, usize)> {
    steps::add(now.len().saturating_mul(wanted.len()).min(MAX_COMPARED));
    if now.len().saturating_mul(wanted.len()) > MAX_COMPARED {
        return (0..now.len().min(wanted.len())).filter(|at| *now[*at] == wanted[*at]).map(|at| (at, at)).collect();
    }
    let width = wanted.len() + 1;
    let mut longest = vec![0usize; (now.len() + 1) * width];
    for n in (0..now.len()).rev() {
        for w in (0..wanted.len()).rev() {
            longest[n * width + w] = if *now[n] == wanted[w] {
                longest[(n + 1) * width + w + 1] + 1
            } else {
                longest[(n + 1) * width + w].max(longest[n * width + w + 1])
            };
        }
    }
    let (mut n, mut w, mut pairs) = (0, 0, Vec::new());
    while n < now.len() && w < wanted.len() {
        if *now[n] == wanted[w] {
            pairs.push((n, w));
            (n, w) = (n + 1, w + 1);
        } else if longest[(n + 1) * width + w] >= longest[n * width + w + 1] {
            n += 1;
        } else {
            w += 1;
        }
    }
    pairs
}

/// The list with the edit applied: a value that was not edited stays to the last character, and so does one that does
/// not show. `cells` are the values as they are compared; `write` makes a value of a cell and the earlier value.
pub(super) fn edited(
    now: &[&Value],
    cells: &[Cell],
    wanted: &[Cell],
    write: impl Fn(&Cell, Option<&Value>) -> Result<Value, Localized>,
) -> Result<Vec<Value>, Localized> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<usize> = (0..now.len()).filter(|at| cells[*at] != Cell::Empty).collect();
    let visible: Vec<&Cell> = places.iter().map(|at| &cells[*at]).collect();
    let mut hidden = (0..now.len()).filter(|at| cells[*at] == Cell::Empty).peekable();
    let mut values = Vec::new();
    for (line, (step, cell)) in align(&visible, wanted).into_iter().zip(wanted).enumerate() {
        if let Step::Keep(at) | Step::Replace(at) = step {
            while let Some(before) = hidden.next_if(|hidden| *hidden < places[at]) {
                values.push(now[before].clone());
            }
        }
        let value = match step {
            Step::Keep(at) => Ok(now[places[at]].clone()),
            Step::Replace(at) => write(cell, Some(now[places[at]])),
            Step::New => write(cell, None),
        };
        values.push(value.map_err(|why| lines::in_line(line, &why))?);
    }
    values.extend(hidden.map(|at| now[at].clone()));
    Ok(values)
}

/// The line of a list into which several of its values were put, if there is one.
pub(super) fn melted(cells: &[Cell], wanted: &[Cell]) -> Option<usize> {
    if wanted.len() >= cells.len() {
        return None;
    }
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    };
    let (now, then): (BTreeSet<&Cell>, BTreeSet<&Cell>) = (cells.iter().collect(), wanted.iter().collect());
    let gone: Vec<String> = now.difference(&then).copied().filter_map(text).collect();
    let fresh = wanted.iter().enumerate().filter(|(_, cell)| !now.contains(cell));
    let fresh: Vec<(usize, String)> = fresh.filter_map(|(at, cell)| Some((at, text(cell)?))).collect();
    let size = fresh.iter().map(|(_, line)| line.len()).sum::<usize>().saturating_mul(gone.len());
    if size > MAX_COMPARED * 10 {
        return None;
    }
    steps::add(size);
    let holds_several = |line: &str| gone.iter().filter(|value| line.contains(value.as_str())).take(2).count() == 2;
    fresh.iter().find(|(_, line)| holds_several(line)).map(|(at, _)| *at)
}

/// The line with only the edited words changed. Blanks between and around the others stay as they are.
pub(super) fn edited_line(now: &str, wanted: &str) -> String {
    let old = words(now);
    let new: Vec<&str> = wanted.split_whitespace().collect();
    let (Some(first), Some(last)) = (old.first(), old.last()) else { return wanted.to_owned() };
    if new.is_empty() {
        return String::new();
    }
    let word = |at: usize| &now[old[at].0..old[at].1];
    let head = (0..old.len().min(new.len())).take_while(|at| word(*at) == new[*at]).count();
    let rest = old.len().min(new.len()) - head;
    let tail = (0..rest).take_while(|at| word(old.len() - 1 - at) == new[new.len() - 1 - at]).count();
    let gap = |after: usize| {
        let next = old.get(after + 1).map(|next| &now[old[after].1..next.0]);
        next.filter(|gap| !gap.is_empty()).unwrap_or(" ")
    };
    let mut line = now[..if head > 0 { old[head - 1].1 } else { first.0 }].to_owned();
    let middle = new[head..new.len() - tail].join(" ");
    if head > 0 && !middle.is_empty() {
        line.push_str(gap(head - 1));
    }
    line.push_str(&middle);
    if tail > 0 {
        if !line.trim().is_empty() {
            line.push_str(if old.len() > tail { gap(old.len() - tail - 1) } else { " " });
        }
        line.push_str(&now[old[old.len() - tail].0..]);
    } else {
        line.push_str(&now[last.1..]);
    }
    line
}

/// The places of a text's words.
fn words(text: &str) -> Vec<(usize, usize)> {
    steps::add(text.len());
    let start = text.as_ptr() as usize;
    text.split_whitespace()
        .map(|word| {
            let from = word.as_ptr() as usize - start;
            (from, from + word.len())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[allow(clippy::needless_pass_by_value)] // reads better
    fn edit(now: Value, wanted: &[&str]) -> Value {
        let now: Vec<&Value> = now.as_array().unwrap().iter().collect();
        let cells: Vec<_> = now.iter().map(|value| Cell::line(value.as_str().unwrap_or_default())).collect();
        let wanted: Vec<_> = wanted.iter().map(|text| Cell::line(text)).collect();
        let write = |cell: &Cell, was: Option<&Value>| {
            Ok(json!(format!("{cell}{}", was.map(|was| format!("<{}", was.as_str().unwrap())).unwrap_or_default())))
        };
        edited(&now, &cells, &wanted, write).unwrap().into()
    }

    #[test]
    fn only_the_edited_value_of_a_list_changes() {
        assert_eq!(edit(json!(["a ", "b", "c "]), &["a", "x", "c"]), json!(["a ", "x<b", "c "]));
        assert_eq!(edit(json!(["a ", "b", "a "]), &["a", "a"]), json!(["a ", "a "]));
        assert_eq!(edit(json!(["a ", "b "]), &["b", "a"]), json!(["b ", "a"]));
        assert_eq!(edit(json!(["a ", "b "]), &["new", "a", "b"]), json!(["new", "a ", "b "]));
        assert_eq!(edit(json!(["a ", "", "b "]), &["a", "b", "c"]), json!(["a ", "", "b ", "c"]));
        assert_eq!(edit(json!(["a ", "b ", "c "]), &["b"]), json!(["b "]));
        assert_eq!(edit(json!(["a "]), &[]), json!([]));
    }

    #[test]
    fn values_that_were_put_into_one_line_are_noticed() {
        let cells = |texts: &[&str]| texts.iter().map(|text| Cell::line(text)).collect::<Vec<_>>();
        let now = cells(&["Roof", "Wall, north"]);
        assert_eq!(melted(&now, &cells(&["Roof, Wall, north, Door"])), Some(0));
        assert_eq!(melted(&now, &cells(&["RoofWall, north"])), Some(0));
        assert_eq!(melted(&now, &cells(&["Roof", "Wall, north, Door"])), None);
        assert_eq!(melted(&now, &cells(&["Door"])), None);
    }

    #[test]
    fn only_the_edited_words_of_a_line_change() {
        for (now, wanted, line) in [
            (" Roof  for\nACME ", "Roof for ACME Ltd", " Roof  for\nACME Ltd "),
            ("Roof  for\nACME", "Roof with ACME", "Roof  with\nACME"),
            ("Roof  for\nACME", "Roof", "Roof"),
            ("Roof  for\nACME", "ACME", "ACME"),
            ("a\u{a0}b", "a c b", "a\u{a0}c\u{a0}b"),
            ("", "x", "x"),
            ("x", "", ""),
        ] {
            assert_eq!(edited_line(now, wanted), line, "{now:?} {wanted:?}");
        }
    }

    proptest! {
        #[test]
        fn an_edited_line_reads_as_was_wanted(now in "[ab \n]{0,12}", wanted in "[ab ]{0,12}") {
            prop_assert_eq!(Cell::line(&edited_line(&now, &wanted)), Cell::line(&wanted));
            if Cell::line(&now) == Cell::line(&wanted) && Cell::line(&now) != Cell::Empty {
                prop_assert_eq!(edited_line(&now, &wanted), now);
            }
        }

        #[test]
        fn an_edited_list_reads_as_was_wanted(
            now in prop::collection::vec("[ab]?", 0..8),
            wanted in prop::collection::vec("[abc]", 0..8),
        ) {
            let values: Vec<Value> = now.iter().map(|text| json!(text)).collect();
            let values: Vec<&Value> = values.iter().collect();
            let cells: Vec<_> = now.iter().map(|text| Cell::line(text)).collect();
            let wanted: Vec<_> = wanted.iter().map(|text| Cell::line(text)).collect();
            let written = edited(&values, &cells, &wanted, |cell, _| Ok(json!(cell.to_string()))).unwrap();
            let read = Cell::list(written.iter().map(|value| Cell::line(value.as_str().unwrap())));
            prop_assert_eq!(read, Cell::list(wanted));
        }
    }
}
