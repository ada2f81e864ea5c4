//! Languages and their codes, in the settings and in other systems.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Language;

impl Language {
    /// The language's name in itself.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The language of this code, as the settings write it.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The language for readers whose language another system names, as Bitrix24 (`ru`, `kz`) or Slack (`ru-RU`) do.
    /// `None` where no catalogue says that it is for them.
    pub fn of_reader(code: &str) -> Option<Self> {
        let code = code.to_lowercase().replace('_', "-");
        let found = |code: &str| {
            let is_it =
                |language: &Self| language.code().to_lowercase() == code || language.facts().codes.contains(&code);
            Self::ALL.into_iter().find(is_it)
        };
        found(&code).or_else(|| found(code.split_once('-')?.0))
    }

    pub(crate) fn column(self) -> usize {
        #[cfg(feature = "pseudo")]
        if crate::pseudo::is_on() {
            return crate::COLUMNS - 1;
        }
        self as usize
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::of_code(&code).ok_or_else(|| {
            let known = Self::ALL.map(Self::code).join(", ");
            de::Error::custom(format_args!("unknown language {code:?}; the languages are {known}"))
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Language {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let languages = Self::ALL.map(|language| {
            schemars::json_schema!({"description": format!("{}.", language.name()), "type": "string", "const": language.code()})
        });
        schemars::json_schema!({"description": "A language of texts.", "oneOf": languages})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_written_as_its_code_and_an_unknown_one_is_an_error_that_names_the_known_ones() {
        for language in Language::ALL {
            let written = serde_json::to_string(&language).unwrap();
            assert_eq!(written, format!("{:?}", language.code()));
            assert_eq!(serde_json::from_str::<Language>(&written).unwrap(), language);
        }
        let error = serde_json::from_str::<Language>("\"xx\"").unwrap_err().to_string();
        assert!(error.starts_with("unknown language \"xx\"; the languages are en, ru"), "{error}");
    }

    #[test]
    fn readers_of_other_codes_get_the_language_that_is_meant_for_them() {
        let of = |code: &str| Language::of_reader(code).map(Language::code);
        assert_eq!(of("ru-RU"), Some("ru"));
        assert_eq!(of("KZ"), Some("ru"));
        assert_eq!(of("en_GB"), Some("en"));
        assert_eq!(of("tlh"), None);
        assert_eq!(of(""), None);
    }
}
