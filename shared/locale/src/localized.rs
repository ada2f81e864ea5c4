//! A text in every language, for what is made before its reader's language is known.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Fixed, Language, Say};

/// A text in every language. It is made from a message of the catalogues, or from data that is the same in all of them;
/// text in code cannot become one.
///
/// It is stored with all languages. A text that was stored without them is the same in each. Two are equal if their
/// English is.
#[derive(Debug, Clone)]
pub struct Localized([Cow<'static, str>; Language::ALL.len()]);

impl Localized {
    /// The message that `message` makes for each language.
    pub fn of<M>(message: impl Fn(Language) -> M) -> Self
    where
        M: Say<Said: Into<Cow<'static, str>>>,
    {
        Self(Language::ALL.map(|language| language.text(message(language)).into()))
    }

    /// What people or providers wrote: the same in every language.
    pub fn data(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self(Language::ALL.map(|_| text.clone().into()))
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0[0].is_empty()
    }

    pub fn text(&self, language: Language) -> &str {
        &self.0[language as usize]
    }

    /// Several texts with a mark between them.
    pub fn joined(texts: &[Self], between: &str) -> Self {
        let join = |language| texts.iter().map(|text| text.text(language)).collect::<Vec<_>>().join(between);
        Self(Language::ALL.map(|language| join(language).into()))
    }
}

impl From<Fixed> for Localized {
    fn from(message: Fixed) -> Self {
        Self::of(|_| message)
    }
}

/// Its English, for log lines.
impl fmt::Display for Localized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(Language::En))
    }
}

impl PartialEq for Localized {
    fn eq(&self, other: &Self) -> bool {
        self.text(Language::En) == other.text(Language::En)
    }
}

impl Eq for Localized {}

#[derive(Deserialize)]
#[serde(untagged)]
enum StoredText {
    Same(String),
    Each(BTreeMap<String, String>),
}

impl Serialize for Localized {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.iter().all(|text| *text == self.0[0]) {
            return serializer.serialize_str(&self.0[0]);
        }
        serializer.collect_map(Language::ALL.map(|language| (language.code(), self.text(language))))
    }
}

impl<'de> Deserialize<'de> for Localized {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match StoredText::deserialize(deserializer)? {
            StoredText::Same(text) => Self::data(text),
            StoredText::Each(texts) => {
                // A language that was added since: English.
                let text = |language: Language| texts.get(language.code()).or_else(|| texts.get(Language::En.code()));
                Self(Language::ALL.map(|language| text(language).cloned().unwrap_or_default().into()))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::texts;

    #[test]
    fn a_text_is_stored_in_every_language_and_read_in_each() {
        let text = Localized::of(|_| texts::cards::AndMore { count: 7 });
        let stored = to_value(&text).unwrap();
        assert_eq!(stored, json!({"en": "and 7 more", "ru": "и ещё 7"}));
        let read: Localized = from_value(stored).unwrap();
        assert_eq!(Language::ALL.map(|language| read.text(language).to_owned()), ["and 7 more", "и ещё 7"]);
        assert_eq!(read.to_string(), "and 7 more");
    }

    #[test]
    fn a_text_that_was_stored_without_languages_or_before_one_was_added_is_shown_all_the_same() {
        let old: Localized = from_value(json!("a row in the trash")).unwrap();
        assert_eq!(old.text(Language::Ru), "a row in the trash");
        assert_eq!(to_value(&old).unwrap(), json!("a row in the trash"));
        let without: Localized = from_value(json!({"en": "and 7 more"})).unwrap();
        assert_eq!(without.text(Language::Ru), "and 7 more");
        assert_eq!(without, Localized::of(|_| texts::cards::AndMore { count: 7 }));
    }
}
