//! Messages of the catalogues, and how a language formats them.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules};

use crate::{COLUMNS, Language};

/// A message without variables: one text in each language. Words of cards in it are filled in when the card is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed(pub(crate) &'static [&'static str; COLUMNS]);

/// A message with variables, which are its fields. The types that implement it are generated.
pub trait Message {
    /// What its variables hold that are no numbers: text, or parts of a document.
    type Value;
    #[doc(hidden)]
    const PATTERNS: &'static [&'static [Item]; COLUMNS];
    #[doc(hidden)]
    fn values(&self) -> impl AsRef<[&Self::Value]>;
    #[doc(hidden)]
    fn numbers(&self) -> impl AsRef<[u64]>;
}

/// A part of a message in one language, as the catalogue has it.
#[doc(hidden)]
#[derive(Debug)]
pub enum Item {
    Text(&'static str),
    /// The value at this place.
    Value(usize),
    /// The number at this place.
    Number(usize),
    /// By the number at this place: variants, and what all other numbers have.
    Plural(usize, &'static [(Key, &'static [Item])], &'static [Item]),
}

/// What a variant is for.
#[doc(hidden)]
#[derive(Debug)]
pub enum Key {
    /// A number.
    Exactly(u64),
    /// Numbers of this category.
    Category(PluralCategory),
}

/// A part of a message that is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a, V> {
    /// Text of the catalogue, or a number.
    Text(Cow<'static, str>),
    /// A variable.
    Value(&'a V),
}

/// What a language can say: a message with or without variables.
pub trait Say {
    type Said;
    #[doc(hidden)]
    fn say(self, language: Language) -> Self::Said;
}

impl Say for Fixed {
    type Said = &'static str;

    fn say(self, language: Language) -> &'static str {
        self.0[language.column()]
    }
}

impl<M: Message<Value: Display>> Say for M {
    type Said = String;

    fn say(self, language: Language) -> String {
        let mut said = String::new();
        for piece in language.pieces(&self) {
            // Writing to a text cannot fail.
            let _ = match piece {
                Piece::Text(text) => said.write_str(&text),
                Piece::Value(value) => write!(said, "{value}"),
            };
        }
        said
    }
}

impl Language {
    /// The text of a message. Nothing is escaped: text becomes markup where it is written.
    pub fn text<S: Say>(self, message: S) -> S::Said {
        message.say(self)
    }

    /// The parts of a message in their order, for documents whose variables are more than text.
    pub fn pieces<M: Message>(self, message: &M) -> Vec<Piece<'_, M::Value>> {
        let (values, numbers) = (message.values(), message.numbers());
        let mut pieces = Vec::new();
        self.put(M::PATTERNS[self.column()], values.as_ref(), numbers.as_ref(), &mut pieces);
        pieces
    }

    fn put<'a, V>(self, items: &'static [Item], values: &[&'a V], numbers: &[u64], pieces: &mut Vec<Piece<'a, V>>) {
        for item in items {
            match item {
                Item::Text(text) => pieces.push(Piece::Text(Cow::Borrowed(text))),
                Item::Value(place) => pieces.push(Piece::Value(values[*place])),
                Item::Number(place) => pieces.push(Piece::Text(Cow::Owned(self.number(numbers[*place])))),
                Item::Plural(place, variants, otherwise) => {
                    let variant = self.variant(numbers[*place], variants).unwrap_or(otherwise);
                    self.put(variant, values, numbers, pieces);
                }
            }
        }
    }

    fn variant(self, number: u64, variants: &'static [(Key, &'static [Item])]) -> Option<&'static [Item]> {
        let exactly = variants.iter().find(|(key, _)| matches!(key, Key::Exactly(known) if *known == number));
        let by_category = || {
            let category = self.category(number);
            variants.iter().find(|(key, _)| matches!(key, Key::Category(known) if *known == category))
        };
        exactly.or_else(by_category).map(|(_, items)| *items)
    }

    /// The plural category of a number. The rules are compiled in, and the build fails for a language that has none.
    fn category(self, number: u64) -> PluralCategory {
        let locale: Option<Locale> = self.code().parse().ok();
        let rules = locale.and_then(|locale| PluralRules::try_new_cardinal(locale.into()).ok());
        rules.map_or(PluralCategory::Other, |rules| rules.category_for(number))
    }
}
