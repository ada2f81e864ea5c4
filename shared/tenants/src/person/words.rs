//! A person's words in texts and stored values: found and replaced.
//!
//! Any character that is neither a letter nor a digit ends a word: `ann@corp.example` is not found in
//! `joann@corp.example`, nor `Ann Lee` in `Joann Lee`. Capital letters and the kind of white space do not matter. The
//! work is linear in the text for each of the person's words.

use std::collections::BTreeSet;
use std::fmt::Write;

use runtime::snapshots::REMOVED;
use serde_json::Value;

/// The fewest digits that count as a phone number.
pub(super) const MIN_PHONE_DIGITS: usize = 6;
/// How many letters of a word before a cut count as its beginning.
const MIN_CUT: usize = 4;
/// How many last digits identify a phone number, however it begins: `+49 170 1234567` and `0170 1234567`.
const PHONE_TAIL: usize = 9;

/// What a person is found by.
#[derive(Debug, Clone, Default)]
pub(super) struct SearchWords {
    /// Phrases, folded: e-mails, names, titles.
    phrases: BTreeSet<String>,
    /// The last digits of phone numbers.
    phones: BTreeSet<String>,
    /// Names in their parts, folded: together in one object or one call they identify the person.
    names: BTreeSet<Vec<String>>,
}

impl SearchWords {
    /// Adds the phrase as it is, and as addresses and Slack's markup write it.
    pub(super) fn add_phrase(&mut self, phrase: &str) {
        let folded = Folded::of(phrase.trim()).text;
        if folded.is_empty() {
            return;
        }
        let encoded: String = form_encoded(phrase.trim());
        for variant in [encoded.replace('+', "%20"), encoded, escaped(phrase.trim())] {
            self.phrases.insert(Folded::of(&variant).text);
        }
        self.phrases.insert(folded);
    }

    /// Adds a name in its parts, in the orders in which people and programs write it.
    pub(super) fn add_name(&mut self, parts: &[&str]) {
        let parts: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        if let [first, .., last] = parts[..] {
            for phrase in
                [parts.join(" "), format!("{first} {last}"), format!("{last} {first}"), format!("{last}, {first}")]
            {
                self.add_phrase(&phrase);
            }
            self.names.insert(parts.iter().map(|part| Folded::of(part).text).collect());
        }
    }

    /// Adds a phone number in any notation.
    pub(super) fn add_phone(&mut self, phone: &str) {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        if digits.len() >= MIN_PHONE_DIGITS {
            self.phones.insert(digits[digits.len().saturating_sub(PHONE_TAIL)..].to_owned());
        }
    }

    /// Whether a text contains them.
    pub(super) fn are_in(&self, text: &str) -> bool {
        let folded = Folded::of(text);
        self.phrases.iter().any(|phrase| folded.places(phrase).next().is_some()) || !self.phones_in(text).is_empty()
    }

    /// Whether a value contains them.
    pub(super) fn are_in_value(&self, value: &Value) -> bool {
        self.blank(&mut value.clone()) || self.are_in_names(value)
    }

    /// Whether the names of a value's fields contain them: those cannot be replaced.
    pub(super) fn are_in_names(&self, value: &Value) -> bool {
        match value {
            Value::Object(map) => map.iter().any(|(name, value)| self.are_in(name) || self.are_in_names(value)),
            Value::Array(list) => list.iter().any(|value| self.are_in_names(value)),
            _ => false,
        }
    }

    /// The text without them; `None` if it contains none.
    pub(super) fn blanked(&self, text: &str) -> Option<String> {
        let folded = Folded::of(text);
        let mut places: Vec<(usize, usize)> = self.phones_in(text);
        for phrase in &self.phrases {
            places.extend(folded.places(phrase));
        }
        places.sort_unstable();
        let (mut out, mut end) = (String::with_capacity(text.len()), 0);
        for &(from, to) in &places {
            if from >= end {
                out.push_str(&text[end..from]);
                out.push_str(REMOVED);
            }
            end = end.max(to);
        }
        out.push_str(&text[end..]);
        (!places.is_empty()).then_some(out)
    }

    /// Replaces them in a value; returns whether there were any.
    pub(super) fn blank(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => match self.blanked_text(text) {
                Some(blanked) => {
                    *text = blanked;
                    true
                }
                None => false,
            },
            Value::Array(list) => list.iter_mut().fold(false, |any, value| self.blank(value) | any),
            Value::Object(map) => {
                let mut any = self.blank_parts(map);
                for (name, value) in map.iter_mut() {
                    any |= if name == "calls" { self.blank_calls(value) } else { self.blank(value) };
                }
                any
            }
            _ => false,
        }
    }

    /// A text that is itself a value (a job's body) is replaced within, so that it remains one.
    fn blanked_text(&self, text: &str) -> Option<String> {
        if text.starts_with(['{', '['])
            && let Ok(mut inner) = serde_json::from_str::<Value>(text)
        {
            return self.blank(&mut inner).then(|| inner.to_string());
        }
        self.blanked(text)
    }

    /// The parts of a name in fields of one object: `"name": "Ann", "lastName": "Lee"`.
    fn blank_parts(&self, map: &mut serde_json::Map<String, Value>) -> bool {
        let texts: BTreeSet<String> = map
            .values()
            .filter_map(Value::as_str)
            .filter(|text| text.len() < 200)
            .map(|text| Folded::of(text.trim()).text)
            .collect();
        let there: Vec<&Vec<String>> =
            self.names.iter().filter(|parts| parts.iter().all(|part| texts.contains(part))).collect();
        for value in map.values_mut().filter(|_| !there.is_empty()) {
            let is_part = value
                .as_str()
                .is_some_and(|text| there.iter().any(|parts| parts.contains(&Folded::of(text.trim()).text)));
            if is_part {
                *value = REMOVED.into();
            }
        }
        !there.is_empty()
    }

    /// Requests and answers are cut texts: one that contains one of the words, or all parts of a name anywhere, is
    /// removed whole.
    fn blank_calls(&self, calls: &mut Value) -> bool {
        let mut any = false;
        for text in calls
            .as_array_mut()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
            .flat_map(serde_json::Map::values_mut)
        {
            let theirs = |text: &str| self.are_in(text) || self.all_parts_in(text) || self.begin_at_cut(text);
            if text.as_str().is_some_and(theirs) {
                *text = REMOVED.into();
                any = true;
            }
        }
        any
    }

    /// Whether a text that was cut ends with the beginning of one of the words.
    fn begin_at_cut(&self, text: &str) -> bool {
        let Some(cut) = text.strip_suffix('…') else { return false };
        let folded = Folded::of(cut).text;
        let begins = |phrase: &String| {
            let ends = phrase.char_indices().map(|(place, _)| place).skip(MIN_CUT);
            ends.into_iter().any(|end| folded.ends_with(&phrase[..end]))
        };
        self.phrases.iter().any(begins)
    }

    /// Whether a stored text may contain them: cheap, and never misses any.
    pub(super) fn may_be_in(&self, raw: &str) -> bool {
        let small = raw.to_lowercase();
        let has = |words: &String| words.split(' ').all(|word| small.contains(word));
        let in_parts = |parts: &Vec<String>| parts.iter().all(has);
        if self.phrases.iter().any(has) || self.names.iter().any(in_parts) || small.contains('…') {
            return true;
        }
        let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
        self.phones.iter().any(|phone| digits.contains(phone.as_str()))
    }

    fn all_parts_in(&self, text: &str) -> bool {
        let folded = Folded::of(text);
        self.names.iter().any(|parts| parts.iter().all(|part| folded.places(part).next().is_some()))
    }

    /// Where the phone numbers are in a text: digits with what people write between them.
    fn phones_in(&self, text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        if self.phones.is_empty() {
            return found;
        }
        let (mut digits, mut from, mut end) = (String::new(), 0, 0);
        for (place, letter) in text.char_indices().chain([(text.len(), '\n')]) {
            if letter.is_ascii_digit() {
                if digits.is_empty() {
                    from = place;
                }
                digits.push(letter);
                end = place + 1;
                continue;
            }
            if self.phones.iter().any(|phone| digits.ends_with(phone.as_str())) {
                let plus = usize::from(text[..from].ends_with('+'));
                found.push((from - plus, end));
                digits.clear();
            }
            let goes_on = matches!(letter, ' ' | '-' | '(' | ')' | '/' | '.' | '\u{a0}');
            if !goes_on || digits.len() > 20 {
                digits.clear();
            }
        }
        found
    }
}

/// A text with small letters and single spaces, and where each of its bytes comes from.
struct Folded {
    text: String,
    /// For each byte of `text`, where its letter begins and ends in the original.
    origin: Vec<(usize, usize)>,
}

impl Folded {
    fn of(original: &str) -> Self {
        let mut folded =
            Self { text: String::with_capacity(original.len()), origin: Vec::with_capacity(original.len()) };
        for (from, letter) in original.char_indices() {
            let to = from + letter.len_utf8();
            if letter.is_whitespace() {
                if folded.text.ends_with(' ') {
                    continue;
                }
                folded.push(' ', from, to);
            } else {
                for small in letter.to_lowercase() {
                    folded.push(small, from, to);
                }
            }
        }
        folded
    }

    fn push(&mut self, letter: char, from: usize, to: usize) {
        self.text.push(letter);
        self.origin.resize(self.text.len(), (from, to));
    }

    /// Where a folded phrase occurs as whole words, in the original.
    fn places<'a>(&'a self, phrase: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
        let is_address = phrase.contains('@') || phrase.contains("%40");
        let is_word =
            move |letter: char| letter.is_alphanumeric() || (is_address && matches!(letter, '.' | '_' | '+' | '-'));
        self.text
            .match_indices(phrase)
            .filter(move |(place, found)| {
                let before = self.text[..*place].chars().next_back();
                let mut after = self.text[place + found.len()..].chars();
                let next = after.next();
                // A full stop after an address ends the sentence, unless the address goes on.
                let goes_on = match next {
                    Some('.') => after.next().is_some_and(char::is_alphanumeric) && is_address,
                    Some(letter) => is_word(letter),
                    None => false,
                };
                !before.is_some_and(is_word) && !goes_on
            })
            .map(|(place, found)| (self.origin[place].0, self.origin[place + found.len() - 1].1))
    }
}

fn form_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

/// As Slack's markup writes it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn ann() -> SearchWords {
        let mut words = SearchWords::default();
        words.add_name(&["Ann", "Ödlin"]);
        words.add_phrase("ann@corp.example");
        words.add_phone("+49 170 1234567");
        words
    }

    #[test]
    fn words_are_found_as_people_and_programs_write_them() {
        for text in [
            "Order of ANN  ödlin, paid",
            "Ödlin, Ann",
            "Ödlin Ann",
            "write to Ann@Corp.example.",
            "filter[EMAIL]=ann%40corp.example&x",
            "call 0170 123-45-67",
            "(+49) 170/1234567",
            "tel:+491701234567",
            "0170 1234567 5 pieces",
            "name=Ann+%C3%96dlin",
        ] {
            assert!(ann().are_in(text), "{text}");
        }
        for text in ["Joann Ödlin", "joann@corp.example", "ann@corp.example.org", "Ann", "1701234568", "Ann-Ödlinx"] {
            assert!(!ann().are_in(text), "{text}");
        }
    }

    #[test]
    fn what_is_replaced_leaves_the_rest_as_it_was() {
        let blanked = |text: &str| ann().blanked(text);
        assert_eq!(
            blanked("Ödlin, Ann (ann@corp.example, +49 170 1234567) paid €5").unwrap(),
            "(removed) ((removed), (removed)) paid €5"
        );
        assert_eq!(blanked("nobody"), None);
        let mut value = json!({"a": {"name": "ann", "lastName": "Ödlin", "id": 42}, "body": "{\"to\":\"ann@corp.example\"}", "n": 1});
        assert!(ann().blank(&mut value));
        assert_eq!(
            value,
            json!({"a": {"name": "(removed)", "lastName": "(removed)", "id": 42}, "body": "{\"to\":\"(removed)\"}", "n": 1})
        );
        let mut alone = json!({"name": "Ann", "lastName": "Other"});
        assert!(!ann().blank(&mut alone));
    }

    #[test]
    fn a_call_that_has_all_parts_of_a_name_goes_as_a_whole() {
        let mut line = json!({"calls": [{"to": "x", "request": "{\"id\":1}", "answer": "{\"NAME\":\"Ann\",\"LAST_NAME\":\"Ödlin\",\"…"}]});
        assert!(ann().blank(&mut line));
        assert_eq!(line, json!({"calls": [{"to": "x", "request": "{\"id\":1}", "answer": "(removed)"}]}));
        let mut cut = json!({"calls": [{"to": "x", "request": "a, b", "answer": "…\"EMAIL\":\"ann@cor…"}]});
        assert!(ann().blank(&mut cut) && cut["calls"][0]["answer"] == "(removed)", "{cut}");
    }
}
