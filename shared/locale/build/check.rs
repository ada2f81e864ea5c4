//! What is wrong with the catalogues: each language must have exactly what English has, with the same variables.

use std::collections::{BTreeMap, BTreeSet};

use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules};

use crate::catalogue::{Key, Language, Message, Piece};

/// The language from which the others are translated.
pub(crate) const SOURCE: &str = "en";

/// The kinds of variables: a text, a number, or a word of a card that is looked up when the card is made.
const KINDS: [&str; 3] = ["text", "number", "word"];
/// Numbers up to here show which plural categories a language has for whole numbers.
const SAMPLE: u32 = 1_000;

/// Everything that is wrong, each with its file and message.
pub(crate) fn problems(languages: &[Language]) -> Vec<String> {
    let mut problems: Vec<String> = languages.iter().flat_map(|language| language.problems.clone()).collect();
    let Some(source) = languages.first().filter(|language| language.code == SOURCE) else {
        problems.push(format!("locales/{SOURCE} is missing: it is the source of all texts"));
        return problems;
    };
    each(source, |at, id, message| problems.extend(of_source(at, id, message)));
    for language in languages {
        compare(source, language, &mut problems);
        plurals(source, language, &mut problems);
    }
    problems
}

fn each(language: &Language, mut visit: impl FnMut(&str, &str, &Message)) {
    for (file, messages) in &language.files {
        let at = format!("locales/{}/{file}.ftl", language.code);
        for (id, message) in messages {
            visit(&at, id, message);
        }
    }
}

/// Each variable has a kind, and words of cards are by themselves.
fn of_source(at: &str, id: &str, message: &Message) -> Vec<String> {
    let kind = |name: &str| message.declared.get(name).map(|variable| variable.kind.as_str());
    let variables = message.variables();
    let mut problems: Vec<String> = variables
        .iter()
        .filter(|name| kind(name).is_none_or(|kind| !KINDS.contains(&kind)))
        .map(|name| {
            format!("{at}: {id}: declare ${name} in a comment: `# ${name} (text): …`; kinds are {}", KINDS.join(", "))
        })
        .collect();
    let words = variables.iter().filter(|name| kind(name) == Some("word")).count();
    if words > 0 && words < variables.len() {
        problems.push(format!("{at}: {id}: a message has either words of a card or other variables, not both"));
    }
    problems
}

fn compare(source: &Language, language: &Language, problems: &mut Vec<String>) {
    let empty = BTreeMap::new();
    let files: BTreeSet<&String> = source.files.keys().chain(language.files.keys()).collect();
    for file in files {
        let at = format!("locales/{}/{file}.ftl", language.code);
        let wanted = source.files.get(file).unwrap_or(&empty);
        let found = language.files.get(file).unwrap_or(&empty);
        for (id, message) in wanted {
            match found.get(id) {
                None => problems.push(format!("{at}: {id} is missing")),
                Some(other) if other.variables() != message.variables() => problems.push(format!(
                    "{at}: {id} has the variables {:?}, in {SOURCE} it has {:?}",
                    other.variables(),
                    message.variables()
                )),
                Some(_) => {}
            }
        }
        let extra = found.keys().filter(|id| !wanted.contains_key(*id));
        problems.extend(extra.map(|id| format!("{at}: {id} is not in {SOURCE}")));
    }
}

/// A plural selects by a number, and has a variant for each category that whole numbers have in the language.
fn plurals(source: &Language, language: &Language, problems: &mut Vec<String>) {
    let Some(categories) = categories(&language.code) else {
        problems.push(format!("locales/{}: its plural rules are not known", language.code));
        return;
    };
    for (file, messages) in &language.files {
        for (id, message) in messages {
            let at = format!("locales/{}/{file}.ftl: {id}", language.code);
            let declared = source.files.get(file).and_then(|messages| messages.get(id)).map(|source| &source.declared);
            let is_number = |name: &str| {
                declared.is_none_or(|declared| declared.get(name).is_some_and(|variable| variable.kind == "number"))
            };
            visit(&message.pieces, &mut |variable, keys| {
                if !is_number(variable) {
                    problems.push(format!("{at}: ${variable} selects a variant, so it must be a number"));
                }
                let named: BTreeSet<&str> = keys
                    .iter()
                    .filter_map(|key| match key {
                        Key::Category(name) => Some(name.as_str()),
                        Key::Exactly(_) => None,
                    })
                    .collect();
                let missing: Vec<_> = categories.iter().copied().filter(|name| !named.contains(name)).collect();
                if !missing.is_empty() {
                    problems.push(format!("{at}: ${variable} has no variant for {}", missing.join(", ")));
                }
                let unknown: Vec<_> = named.iter().copied().filter(|name| !categories.contains(name)).collect();
                if !unknown.is_empty() {
                    problems.push(format!("{at}: no whole number is {unknown:?}; there are {categories:?}"));
                }
            });
        }
    }
}

fn visit(pieces: &[Piece], found: &mut dyn FnMut(&str, &[&Key])) {
    for piece in pieces {
        if let Piece::Plural { variable, variants, otherwise } = piece {
            let keys: Vec<&Key> = variants.iter().chain([otherwise]).map(|(key, _)| key).collect();
            found(variable, &keys);
            variants.iter().chain([otherwise]).for_each(|(_, pieces)| visit(pieces, found));
        }
    }
}

/// The plural categories of whole numbers.
fn categories(code: &str) -> Option<BTreeSet<&'static str>> {
    let rules = PluralRules::try_new_cardinal(code.parse::<Locale>().ok()?.into()).ok()?;
    Some((0..=SAMPLE).map(|number| category(rules.category_for(number))).collect())
}

/// A category as Fluent writes it.
pub(crate) fn category(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}
