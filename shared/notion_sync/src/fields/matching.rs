//! How a row is recognised as a record's before they are linked. Pure; the searches are in `work::matching`.
//!
//! The number on a row decides alone and is looked up elsewhere. All other keys are compared here as people read them:
//! case, blanks, the Unicode form and the spelling of a telephone number make no difference. A missing value says
//! nothing; two different values contradict each other. Where several rows fit, nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};

use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use settings::databases::RowKey;

use super::cell::Cell;

/// The company of a record: not a key, but it distinguishes two with one title.
pub const COMPANY: &str = "companyId";

/// How values of a key are compared.
pub trait Comparable {
    /// Whether two different records may share it: a title, a person's name.
    fn is_weak(&self) -> bool;
    /// A value as it is compared; nothing for a value that is as good as empty.
    fn normal(&self, value: &str) -> Option<String>;
    /// The values that a text names: an e-mail or telephone property may hold several.
    fn values(&self, text: &str) -> BTreeSet<String>;
}

impl Comparable for RowKey {
    fn is_weak(&self) -> bool {
        matches!(self, Self::Title | Self::FullName)
    }

    fn normal(&self, value: &str) -> Option<String> {
        match self {
            Self::Phone => phone(value),
            Self::Email => email(value),
            _ => text(value),
        }
    }

    fn values(&self, text: &str) -> BTreeSet<String> {
        match self {
            Self::Email => text.split([',', ';', ' ', '\n', '\t']).filter_map(|value| self.normal(value)).collect(),
            Self::Phone => text.split([',', ';', '\n']).filter_map(|value| self.normal(value)).collect(),
            _ => self.normal(text).into_iter().collect(),
        }
    }
}

/// A text in the composed Unicode form.
pub fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// A text as it is compared: one blank between words, no letter case, one Unicode form.
pub fn text(value: &str) -> Option<String> {
    let one_form = ComposingNormalizerBorrowed::new_nfkc().normalize(value).to_uppercase().to_lowercase();
    let one_form = ComposingNormalizerBorrowed::new_nfkc().normalize(&one_form).into_owned();
    let seen: String = one_form.chars().filter(|letter| !is_unseen(*letter)).collect();
    let text = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// Letters of zero width.
fn is_unseen(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// An e-mail address as it is compared.
fn email(value: &str) -> Option<String> {
    let value = text(value)?;
    let value = value.strip_prefix("mailto:").unwrap_or(&value).trim_matches(['<', '>', '(', ')', '"']).to_owned();
    let (name, host) = value.split_once('@')?;
    (!name.is_empty() && host.contains('.')).then_some(value)
}

/// A telephone number as it is compared: its digits, without the sign or the zeros for calls abroad. Fewer than five
/// digits are an extension, not a number.
fn phone(value: &str) -> Option<String> {
    let value = text(value)?;
    let value = value.strip_prefix("tel:").unwrap_or(&value);
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.strip_prefix("00").unwrap_or(&digits);
    (digits.len() >= 5).then(|| digits.to_owned())
}

/// What a cell means as a key. An empty one, a tick, and a value without a counterpart on the portal mean nothing.
pub fn of_cell(cell: &Cell) -> BTreeSet<String> {
    match cell {
        Cell::Empty | Cell::Flag(_) | Cell::Foreign(_) | Cell::Long(_) => BTreeSet::new(),
        Cell::Options(codes) => codes.iter().filter_map(|code| text(code)).collect(),
        Cell::Users(ids) | Cell::Records(ids) => ids.iter().map(ToString::to_string).collect(),
        Cell::List(cells) => cells.iter().flat_map(of_cell).collect(),
        other => text(&other.to_string()).into_iter().collect(),
    }
}

/// The e-mail addresses or telephone numbers of a record, as the portal gives them with `fm`.
pub fn of_multifield(raw: &Map<String, Value>, key: &RowKey) -> BTreeSet<String> {
    let kind = match key {
        RowKey::Email => "EMAIL",
        RowKey::Phone => "PHONE",
        _ => return BTreeSet::new(),
    };
    let all: Vec<&Value> = match raw.get("fm") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Object(map)) => map.values().collect(),
        _ => Vec::new(),
    };
    let own = all.into_iter().filter(|entry| {
        let name = entry["typeId"].as_str().or_else(|| entry["TYPE_ID"].as_str());
        name.is_some_and(|name| name.eq_ignore_ascii_case(kind))
    });
    let value = |entry: &Value| entry["value"].as_str().or_else(|| entry["VALUE"].as_str()).map(str::to_owned);
    own.filter_map(value).flat_map(|value| key.values(&value)).collect()
}

/// A value of the portal that no mapping reads, as a key.
pub fn of_raw(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(value) => text(value).into_iter().collect(),
        Value::Number(number) => [number.to_string()].into(),
        Value::Array(list) => list.iter().flat_map(of_raw).collect(),
        _ => BTreeSet::new(),
    }
}

/// A property of a page that no mapping reads, as a key.
pub fn of_property(property: &Value, key: &RowKey) -> BTreeSet<String> {
    let kind = property["type"].as_str().unwrap_or_default();
    let value = &property[kind];
    match kind {
        "title" | "rich_text" => key.values(&notion::text::plain(value)),
        "url" | "email" | "phone_number" => key.values(value.as_str().unwrap_or_default()),
        "number" => of_raw(value),
        "select" | "status" => key.values(value["name"].as_str().unwrap_or_default()),
        "multi_select" => value
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|one| key.values(one["name"].as_str().unwrap_or_default()))
            .collect(),
        _ => BTreeSet::new(),
    }
}

/// The keys of a record or a row, and its company.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits(BTreeMap<String, BTreeSet<String>>);

impl Traits {
    /// Adds a value of a key.
    pub fn add(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        self.0.entry(key.to_owned()).or_default().extend(values);
    }

    /// Its values of a key.
    pub fn of(&self, key: &str) -> impl Iterator<Item = &String> {
        self.0.get(key).into_iter().flatten()
    }

    /// Whether both have a value of a key, and one of the values is the same; `None` if one of them has no value.
    fn agrees(&self, other: &Self, key: &str) -> Option<bool> {
        let (own, its) = (self.0.get(key)?, other.0.get(key)?);
        (!own.is_empty() && !its.is_empty()).then(|| !own.is_disjoint(its))
    }
}

/// The result of choosing among several candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// None of them.
    None,
    One(usize),
    /// It may be each of these.
    Several(Vec<usize>),
}

/// Which candidate matches by one of the keys. `keys` are all that the settings name, the most reliable first.
pub fn pick(key: &RowKey, keys: &[RowKey], subject: &Traits, candidates: &[&Traits]) -> Pick {
    let fits = |candidate: &Traits| {
        subject.agrees(candidate, key.name()) == Some(true) && !is_contradicted(key, keys, subject, candidate)
    };
    let fitting: Vec<usize> =
        candidates.iter().enumerate().filter(|(_, candidate)| fits(candidate)).map(|(index, _)| index).collect();
    if fitting.len() < 2 {
        return fitting.first().map_or(Pick::None, |place| Pick::One(*place));
    }
    // A candidate that also agrees where the others have no value is meant.
    let more = |place: &usize| {
        let names = keys.iter().map(RowKey::name).chain([COMPANY]);
        names.filter(|name| subject.agrees(candidates[*place], name) == Some(true)).count()
    };
    let most = fitting.iter().map(more).max().unwrap_or_default();
    let best: Vec<usize> = fitting.iter().copied().filter(|place| more(place) == most).collect();
    match best.as_slice() {
        [place] => Pick::One(*place),
        _ => Pick::Several(fitting),
    }
}

/// Whether two that share a key are different all the same: a more reliable key of both differs, or two with one title
/// have different companies. One with several e-mails or telephones may have others elsewhere: these only outweigh a
/// mere name.
fn is_contradicted(key: &RowKey, keys: &[RowKey], one: &Traits, other: &Traits) -> bool {
    let surer = keys.iter().take_while(|surer| *surer != key);
    let speaks = |surer: &&RowKey| key.is_weak() || matches!(surer, RowKey::Field(_));
    let differs = |name: &str| one.agrees(other, name) == Some(false);
    surer.filter(speaks).filter(|surer| !surer.is_weak()).any(|surer| differs(surer.name()))
        || (key.is_weak() && differs(COMPANY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn traits(pairs: &[(&str, &str)]) -> Traits {
        let mut traits = Traits::default();
        for (key, value) in pairs {
            let kind = RowKey::parse(key);
            traits.add(key, if *key == COMPANY { text(value).into_iter().collect() } else { kind.values(value) });
        }
        traits
    }

    fn picked(key: &RowKey, keys: &[RowKey], subject: &[(&str, &str)], rows: &[&[(&str, &str)]]) -> Pick {
        let rows: Vec<Traits> = rows.iter().map(|row| traits(row)).collect();
        pick(key, keys, &traits(subject), &rows.iter().collect::<Vec<_>>())
    }

    #[test]
    fn spelling_makes_no_difference() {
        for (a, b) in [
            ("Roof for ACME", " roof\u{a0}FOR \n acme "),
            ("Straße", "STRASSE"),
            ("Ёлка", "е\u{308}лка"),
            ("café", "CAFE\u{301}"),
            ("ﬁnal", "Final"),
            ("a\u{200b}b", "ab"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("Ｒｏｏｆ", "roof"),
        ] {
            assert_eq!(text(a), text(b), "{a} {b}");
        }
        assert_ne!(text("Roof"), text("Roof 2"));
        assert_eq!(text(" \u{a0}\u{200b}"), None);
        for (a, b) in [
            ("+49 (30) 123-45.67", "0049301234567"),
            ("tel:+49301234567", "49 30 1234567"),
            ("+7 900 000-00-00", "７９０００００００００"),
        ] {
            assert_eq!(phone(a), phone(b), "{a} {b}");
        }
        assert_eq!((phone("none"), phone("12")), (None, None));
        assert_ne!(phone("+49301234567"), phone("+49301234568"));
        for (a, b) in [("Ann@Example.com ", "ann@example.COM"), ("<ann@example.com>", "mailto:ann@example.com")] {
            assert_eq!(email(a), email(b), "{a} {b}");
        }
        assert_eq!((email("ann"), email("@example.com"), email("ann@")), (None, None, None));
    }

    #[test]
    fn one_of_several_addresses_is_enough() {
        let raw = json!({"fm": [
            {"id": 1, "typeId": "EMAIL", "value": "Ann@Example.com"}, {"id": 2, "typeId": "EMAIL", "value": "a@home.net"},
            {"id": 3, "typeId": "PHONE", "value": "+49 30 1234567"},
        ]});
        let raw = raw.as_object().unwrap();
        assert_eq!(of_multifield(raw, &RowKey::Email).len(), 2);
        assert_eq!(of_multifield(raw, &RowKey::Phone), ["49301234567".to_owned()].into());
        let property = json!({"type": "rich_text", "rich_text": [{"plain_text": "x@y.org; A@HOME.net"}]});
        assert!(of_property(&property, &RowKey::Email).contains("a@home.net"));
    }

    #[test]
    fn an_empty_cell_is_unknown_and_not_different() {
        let keys = [RowKey::Title];
        let record = [("title", "Roof"), (COMPANY, "ACME")];
        let empty: &[(&str, &str)] = &[("title", "roof "), (COMPANY, "")];
        let same: &[(&str, &str)] = &[("title", "Roof"), (COMPANY, "acme")];
        let other: &[(&str, &str)] = &[("title", "Roof"), (COMPANY, "Other")];
        for (rows, pick) in [
            (vec![empty], Pick::One(0)),
            (vec![same], Pick::One(0)),
            (vec![other], Pick::None),
            (vec![other, empty], Pick::One(1)),
            (vec![empty, same], Pick::One(1)),
            (vec![empty, empty], Pick::Several(vec![0, 1])),
            (vec![same, same, empty], Pick::Several(vec![0, 1, 2])),
        ] {
            assert_eq!(picked(&RowKey::Title, &keys, &record, &rows), pick, "{rows:?}");
        }
        assert_eq!(
            picked(&RowKey::Title, &keys, &[("title", "Roof")], &[other]),
            Pick::One(0),
            "the record has no company"
        );
    }

    #[test]
    fn a_surer_key_that_differs_speaks_against_a_mere_name() {
        let keys = [RowKey::Field("ufCrm_1".into()), RowKey::Email, RowKey::Phone, RowKey::FullName];
        let record =
            [("ufCrm_1", "K-7"), ("email", "ann@example.com"), ("phone", "+49 30 12345"), ("fullName", "Ann Lee")];
        let row = |pairs: &'static [(&'static str, &'static str)]| pairs;
        assert_eq!(picked(&RowKey::FullName, &keys, &record, &[row(&[("fullName", "ann lee")])]), Pick::One(0));
        let another = row(&[("fullName", "ann lee"), ("email", "lee@other.org")]);
        assert_eq!(picked(&RowKey::FullName, &keys, &record, &[another]), Pick::None);
        // An additional e-mail elsewhere does not make the telephone another person's; the customer's own number does.
        let by_phone = row(&[("phone", "0049 3012345"), ("email", "lee@other.org")]);
        assert_eq!(picked(&RowKey::Phone, &keys, &record, &[by_phone]), Pick::One(0));
        let numbered = row(&[("phone", "0049 3012345"), ("ufCrm_1", "K-8")]);
        assert_eq!(picked(&RowKey::Phone, &keys, &record, &[numbered]), Pick::None);
    }

    proptest! {
        #[test]
        fn what_is_normal_stays_so(value in "\\PC{0,20}") {
            if let Some(once) = text(&value) {
                prop_assert_eq!(text(&once), Some(once.clone()));
            }
            if let Some(once) = phone(&value) {
                prop_assert_eq!(phone(&once), Some(once.clone()));
            }
        }

        #[test]
        fn a_pick_is_one_of_those_that_share_the_key(subject in "[ab]{0,1}", rows in prop::collection::vec("[ab]{0,1}", 0..4)) {
            let rows: Vec<Traits> = rows.iter().map(|row| traits(&[("title", row)])).collect();
            let subject = traits(&[("title", &subject)]);
            let sharing = rows.iter().filter(|row| subject.agrees(row, "title") == Some(true)).count();
            match pick(&RowKey::Title, &[RowKey::Title], &subject, &rows.iter().collect::<Vec<_>>()) {
                Pick::None => prop_assert_eq!(sharing, 0),
                Pick::One(place) => prop_assert!(sharing == 1 && subject.agrees(&rows[place], "title") == Some(true)),
                Pick::Several(places) => prop_assert_eq!(places.len(), sharing),
            }
        }
    }
}
