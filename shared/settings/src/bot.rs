//! The chatbot in the settings: its name, its phrases, and its answer to anything else.

use locale::{Localized, texts};
use serde::{Deserialize, Serialize};

use crate::default::is_default;

/// What the chatbot in Bitrix24 does when somebody writes to it and none of its phrases fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// It says what it can do.
    #[default]
    Help,
    /// It says the same back.
    Echo,
    /// Nothing.
    Nothing,
}

/// What the chatbot says to something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct Phrase {
    /// What is said to it, whatever its case: `opening hours`.
    pub says: Vec<String>,
    /// What it answers, with Bitrix24's markup.
    pub answer: String,
}

/// The chatbot in Bitrix24.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct BotSettings {
    /// Whether there is one. Bridged conversations need it.
    pub enabled: bool,
    /// What people see as its name.
    pub name: String,
    /// What it answers besides "hello", "help" and "status".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phrases: Vec<Phrase>,
    /// What it does with anything else that is said to it alone.
    #[serde(skip_serializing_if = "is_default")]
    pub otherwise: Otherwise,
}

impl Default for BotSettings {
    fn default() -> Self {
        Self { enabled: true, name: "Switchboard".into(), phrases: Vec::new(), otherwise: Otherwise::Help }
    }
}

impl BotSettings {
    pub(crate) fn problems(&self) -> Vec<(String, Localized)> {
        let mut problems = Vec::new();
        if self.name.trim().is_empty() {
            problems.push(("name".into(), texts::settings::BOT_WITHOUT_NAME.into()));
        }
        for (index, phrase) in self.phrases.iter().enumerate() {
            if phrase.says.iter().all(|says| says.trim().is_empty()) || phrase.answer.trim().is_empty() {
                let text = texts::settings::PHRASE_INCOMPLETE.into();
                problems.push((format!("phrases[{index}]"), text));
            }
        }
        problems
    }
}
