//! Forms: what travels with one, what was filled in, and the lengths of its fields.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use locale::Language;
use serde::{Deserialize, Serialize};

use crate::reader;

/// The longest name of a task or a company in a form, in UTF-16 units.
pub const MAX_NAME: usize = 250;
/// The longest text that a field holds, in UTF-16 units.
pub const MAX_FIELD: usize = 3000;
/// The most fields that one long text is spread over.
pub const MAX_FIELDS: usize = 5;

/// What is wrong with a form, by field.
pub type FormProblems = BTreeMap<String, String>;

/// What travels with a form: where its answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FormOrigin {
    /// The channel where it was opened.
    #[serde(default)]
    pub channel: String,
    /// Where the answer goes.
    #[serde(default)]
    pub response_url: String,
    /// The thread to answer in, if it came from a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The record that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The time zone of the person who fills it in.
    #[serde(default)]
    pub zone: String,
    #[serde(default)]
    pub language: Language,
    /// The command whose text is corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl FormOrigin {
    /// From the form's metadata; an empty one if that cannot be read.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// The metadata as text.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A moment in the person's time zone.
    pub fn local(&self, at: Timestamp) -> Zoned {
        at.to_zoned(TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC))
    }
}

/// A submitted form.
#[derive(Debug, Clone)]
pub struct SubmittedForm<'a> {
    /// Which form.
    pub callback_id: &'a str,
    /// What travelled with it.
    pub origin: FormOrigin,
    /// The values of its fields, by their names.
    pub values: &'a BTreeMap<String, String>,
}

impl SubmittedForm<'_> {
    /// A field, without blanks around it.
    pub fn field(&self, name: &str) -> String {
        self.values.get(name).map(|text| reader::trimmed(text).to_owned()).unwrap_or_default()
    }

    /// A long text, from its field and those that it continues in.
    pub fn long(&self, name: &str) -> String {
        let parts = (0..MAX_FIELDS).filter_map(|index| self.values.get(&field_of(name, index)));
        reader::trimmed(&parts.map(String::as_str).collect::<String>()).to_owned()
    }

    /// The people of a field.
    pub fn people(&self, name: &str) -> Vec<String> {
        self.field(name).split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }
}

/// The field that holds a part of a long text.
pub fn field_of(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}_{}", index + 1) }
}

/// Splits a name and a text into fields: a name that is too long for its field is repeated in full in the text.
pub fn within_name(name: String, text: String) -> (String, String) {
    if text::units(&name) <= MAX_NAME {
        return (name, text);
    }
    let mut used = 0;
    let short = name.chars().take_while(|c| {
        used += c.len_utf16();
        used < MAX_NAME
    });
    let short = short.chain(['…']).collect();
    (short, if text.is_empty() { name } else { format!("{name}\n{text}") })
}

/// Fields as one text that can be typed: those that are filled, with bars between them.
pub fn joined_with_bars(command: &str, fields: impl IntoIterator<Item = String>) -> String {
    let text = fields.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" | ");
    format!("{command} {text}")
}
