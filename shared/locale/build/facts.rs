//! What `language.toml` and `dates.toml` say of a language, and how it is written in Rust.

use std::collections::BTreeMap;

use serde::Deserialize;

type Words = Vec<String>;
type Numbered = BTreeMap<String, i64>;

/// A value as Rust writes it.
trait Literal {
    fn literal(&self) -> String;
}

/// A struct of facts, as it is read and as Rust writes it; unknown and missing fields are errors.
macro_rules! facts {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $(pub(crate) $field: $kind,)*
        }

        impl Literal for $name {
            fn literal(&self) -> String {
                let fields = [$(format!("{}: {}", stringify!($field), self.$field.literal()),)*];
                format!("crate::facts::{} {{ {} }}", stringify!($name), fields.join(", "))
            }
        }
    };
}

facts! {
    /// `language.toml`.
    Facts { name: String, codes: Words, numbers: Numbers, }
}

facts! {
    Numbers { group: String, decimal: String, }
}

facts! {
    /// `dates.toml`.
    Dates {
        day_before_month: bool,
        by: Words,
        by_before_time: Words,
        no_later_than: Words,
        at: Words,
        fillers: Words,
        ahead: Words,
        next: Words,
        this: Words,
        weekdays: [Words; 7],
        weekdays_short: [Words; 7],
        months: [Words; 12],
        years: Words,
        ordinals: Words,
        day_of_month: Words,
        days: Numbered,
        tonight: Words,
        midnight: Words,
        parts_of_day: Numbered,
        parts_of_day_alone: bool,
        before_noon: BTreeMap<String, Vec<i64>>,
        after_noon: BTreeMap<String, Vec<i64>>,
        numbers: Numbered,
        minutes: Numbered,
        units: Units,
        units_alone: Words,
        period_ends: Periods,
    }
}

facts! {
    Units { minute: Words, hour: Words, day: Words, week: Words, month: Words, year: Words, }
}

facts! {
    Periods { day: Words, week: Words, next_week: Words, month: Words, next_month: Words, quarter: Words, year: Words, }
}

impl Literal for bool {
    fn literal(&self) -> String {
        self.to_string()
    }
}

impl Literal for i64 {
    fn literal(&self) -> String {
        self.to_string()
    }
}

impl Literal for String {
    fn literal(&self) -> String {
        format!("{self:?}")
    }
}

impl<T: Literal> Literal for Vec<T> {
    fn literal(&self) -> String {
        format!("&[{}]", self.iter().map(Literal::literal).collect::<Vec<_>>().join(", "))
    }
}

impl<T: Literal, const N: usize> Literal for [T; N] {
    fn literal(&self) -> String {
        format!("[{}]", self.iter().map(Literal::literal).collect::<Vec<_>>().join(", "))
    }
}

/// Pairs, those of more words first: `day after tomorrow` before `day`.
impl<T: Literal> Literal for BTreeMap<String, T> {
    fn literal(&self) -> String {
        let mut pairs: Vec<_> = self.iter().collect();
        pairs.sort_by_key(|(words, _)| std::cmp::Reverse(words.split(' ').count()));
        let pairs: Vec<_> = pairs.iter().map(|(words, value)| format!("({words:?}, {})", value.literal())).collect();
        format!("&[{}]", pairs.join(", "))
    }
}

impl Facts {
    /// Reads `language.toml`.
    pub(crate) fn read(content: Option<&str>) -> Result<Self, String> {
        read("language.toml", content)
    }

    /// As Rust writes them.
    pub(crate) fn code(&self) -> String {
        self.literal()
    }
}

impl Dates {
    /// Reads `dates.toml`.
    pub(crate) fn read(content: Option<&str>) -> Result<Self, String> {
        read("dates.toml", content)
    }

    /// As Rust writes them.
    pub(crate) fn code(&self) -> String {
        self.literal()
    }
}

fn read<T: serde::de::DeserializeOwned>(file: &str, content: Option<&str>) -> Result<T, String> {
    let content = content.ok_or_else(|| format!("{file} is missing"))?;
    toml::from_str(content).map_err(|error| format!("{file}: {}", error.message()))
}
