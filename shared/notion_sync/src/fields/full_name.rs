//! A person's full name as one text, and the parts that the portal keeps.
//!
//! The text is joined from the parts. An edited text is taken apart only if exactly one part changed and all others are
//! unchanged and in place: which word of a name is which is never guessed.

use bitrix24::CrmItem;
use locale::{Localized, texts};
use serde_json::{Map, Value};

use super::matching::composed;

pub use settings::databases::{FULL_NAME, PARTS};

/// The parts that are shown, in their order.
const SHOWN: [&str; 3] = ["name", "secondName", "lastName"];

/// The parts of a person's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameParts([Vec<String>; 3]);

/// A part that an edited text changes: the portal's field, and its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePartEdit {
    pub field: &'static str,
    /// Its new value.
    pub value: String,
}

fn words(text: &str) -> Vec<String> {
    composed(text).split_whitespace().map(str::to_owned).collect()
}

impl NameParts {
    /// Of first, second and last name.
    pub fn new(name: &str, second: &str, last: &str) -> Self {
        Self([words(name), words(second), words(last)])
    }

    /// Of a record's fields, as the portal writes them.
    pub fn of(raw: &Map<String, Value>) -> Self {
        let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default();
        Self::new(text(SHOWN[0]), text(SHOWN[1]), text(SHOWN[2]))
    }

    pub fn of_item(item: &CrmItem) -> Self {
        let second = item.more.get(SHOWN[1]).and_then(Value::as_str).unwrap_or_default();
        Self::new(item.name.as_deref().unwrap_or_default(), second, item.last_name.as_deref().unwrap_or_default())
    }

    /// The whole name as one text.
    pub fn shown(&self) -> String {
        self.0.concat().join(" ")
    }

    /// The whole name with the second name and without it: people write both.
    pub fn spellings(&self) -> Vec<String> {
        let short = [self.0[0].clone(), self.0[2].clone()].concat().join(" ");
        if self.0[1].is_empty() { vec![short] } else { vec![self.shown(), short] }
    }

    /// Which part an edited text changes; none if the text is the same. An error says why it cannot be written.
    pub fn edit(&self, text: &str) -> Result<Option<NamePartEdit>, Localized> {
        let text = words(text);
        if text == self.0.concat() {
            return Ok(None);
        }
        if text.is_empty() {
            return Err(Localized::of(|_| texts::sync::NameMissing { name: self.shown() }));
        }
        // A word in front may be an honorific as well as a part of the first name.
        let in_front = text.len() > self.0.concat().len() && text.ends_with(&self.0.concat());
        let edits: Vec<NamePartEdit> = (0..SHOWN.len()).filter_map(|place| self.edit_at(place, &text)).collect();
        match edits.as_slice() {
            [_] if in_front => Err(self.unclear(&text)),
            [edit] => Ok(Some(edit.clone())),
            [] => Err(Localized::of(|_| texts::sync::NameNotDivisible { text: text.join(" "), name: self.shown() })),
            _ => Err(self.unclear(&text)),
        }
    }

    fn unclear(&self, text: &[String]) -> Localized {
        Localized::of(|_| texts::sync::NameUnclear { text: text.join(" "), name: self.shown() })
    }

    /// The edited part, if the text has all other parts in place; an edit that removes a part does not count.
    fn edit_at(&self, place: usize, text: &[String]) -> Option<NamePartEdit> {
        let (before, after) = (self.0[..place].concat(), self.0[place + 1..].concat());
        let middle = text.strip_prefix(before.as_slice())?.strip_suffix(after.as_slice())?;
        let is_whole = !self.0[0].is_empty() && !self.0[2].is_empty();
        // If the first or last name is missing, an additional word may be just that.
        let is_more = !self.0[place].is_empty() && middle.len() > self.0[place].len();
        let fits = !middle.is_empty() && middle != self.0[place].as_slice() && (is_whole || !is_more);
        fits.then(|| NamePartEdit { field: SHOWN[place], value: middle.join(" ") })
    }

    /// Why a text cannot be the first or the last name alone: it is the whole name.
    pub fn is_whole_name(&self, field: &str, text: &str) -> Option<Localized> {
        let text = words(text);
        let [name, _, last] = &self.0;
        let holds_both = match field {
            "name" => !last.is_empty() && text.len() > last.len() && text.ends_with(last) && text != *name,
            "lastName" => !name.is_empty() && text.len() > name.len() && text.starts_with(name) && text != *last,
            _ => false,
        };
        holds_both.then(|| {
            let text = text.join(" ");
            Localized::of(|_| texts::sync::NameIsWhole { text: text.as_str(), field, whole: FULL_NAME })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edit(parts: [&str; 3], text: &str) -> Result<Option<(&'static str, String)>, Localized> {
        let edit = NameParts::new(parts[0], parts[1], parts[2]).edit(text)?;
        Ok(edit.map(|edit| (edit.field, edit.value)))
    }

    #[test]
    fn an_edit_of_one_part_is_written_to_that_part() {
        for (parts, text, field, value) in [
            (["Анна", "", "Медведева"], "Анна Иванова", "lastName", "Иванова"),
            (["Анна", "", "Медведева"], "Аня Медведева", "name", "Аня"),
            (["Анна", "Петровна", "Медведева"], "Анна Павловна Медведева", "secondName", "Павловна"),
            (["Anna", "", "de la Cruz"], "Anna de la Vega", "lastName", "de la Vega"),
            (["Anna", "", "Smith"], "Anna van Dyke", "lastName", "van Dyke"),
            (["Anna Maria", "", "Smith"], "Anna Smith", "name", "Anna"),
            (["Anna", "", "Anna"], "Eva Anna", "name", "Eva"),
            (["Anna", "", ""], "Eva", "name", "Eva"),
            (["Anna", "", "Smith"], "  Eva \u{a0} Smith ", "name", "Eva"),
        ] {
            assert_eq!(edit(parts, text), Ok(Some((field, value.to_owned()))), "{parts:?} {text}");
        }
        for same in ["Анна Медведева", " Анна  Медведева\n"] {
            assert_eq!(edit(["Анна", "", "Медведева"], same), Ok(None));
        }
        // The same letters in the other Unicode form.
        assert_eq!(edit(["José", "", "Núñez"], "Jose\u{301} Nu\u{301}n\u{303}ez"), Ok(None));
    }

    #[test]
    fn what_is_not_clear_is_refused_with_what_to_do() {
        for (parts, text) in [
            (["Анна", "", "Медведева"], "Медведева Анна"),
            (["Анна", "", "Медведева"], "Мария Иванова"),
            (["Анна", "", "Медведева"], "Анна Мария Медведева"),
            (["Анна", "", "Медведева"], "Анна"),
            (["Анна", "", "Медведева"], "Медведева"),
            (["Анна", "", "Медведева"], ""),
            (["Anna", "", "Smith"], "Dr. Anna Smith"),
            (["Anna", "Maria", "Smith"], "Anna Smith"),
            (["Anna", "", ""], "Anna Smith"),
            (["Anna", "", ""], "Eva Smith"),
            (["", "", "Smith"], "Eva Jones"),
            (["", "", ""], "Anna Smith"),
            (["", "", ""], "Anna"),
        ] {
            let why = edit(parts, text).unwrap_err();
            let advice = "Change first and last name in Bitrix24, or change one of them at a time here";
            assert!(why.to_string().ends_with(advice), "{parts:?} {text}: {why}");
        }
    }

    #[test]
    fn a_whole_name_is_no_first_name() {
        let parts = NameParts::new("Анна", "", "Медведева");
        assert!(parts.is_whole_name("name", "Анна Медведева").is_some());
        assert!(parts.is_whole_name("lastName", "Анна Медведева").is_some());
        assert_eq!(parts.is_whole_name("name", "Анна Мария"), None);
        assert_eq!(parts.is_whole_name("lastName", "Медведева"), None);
        assert_eq!(NameParts::new("Anna", "", "").is_whole_name("name", "Anna Smith"), None);
    }

    fn part() -> impl Strategy<Value = String> {
        "([A-C][a-b]{0,2}( [A-C]){0,1}){0,1}"
    }

    proptest! {
        #[test]
        fn a_name_never_loses_a_part_and_what_is_written_shows_as_it_was_typed(
            (name, second, last) in (part(), part(), part()), text in "([A-C][a-b]{0,2} ){0,4}"
        ) {
            let parts = NameParts::new(&name, &second, &last);
            let Ok(Some(edit)) = parts.edit(&text) else { return Ok(()) };
            let named = SHOWN.into_iter().zip([&name, &second, &last]);
            let mut raw: Map<String, Value> =
                named.map(|(field, value)| (field.to_owned(), Value::from(value.as_str()))).collect();
            prop_assert!(!edit.value.is_empty());
            raw.insert(edit.field.to_owned(), Value::from(edit.value));
            let after = NameParts::of(&raw);
            prop_assert_eq!(after.shown(), words(&text).join(" "));
            let changed = (0..3).filter(|place| after.0[*place] != parts.0[*place]).count();
            prop_assert_eq!(changed, 1);
        }

        #[test]
        fn one_word_for_another_is_always_divided((a, b, c) in ("A[a-z]{1,5}", "B[a-z]{1,5}", "C[a-z]{1,5}"), new in "D[a-z]{1,5}", place in 0usize..3) {
            let parts = NameParts::new(&a, &b, &c);
            let mut texts = [a, b, c];
            texts[place].clone_from(&new);
            let edit = parts.edit(&texts.join(" "));
            prop_assert_eq!(edit, Ok(Some(NamePartEdit { field: SHOWN[place], value: new })));
        }
    }
}
