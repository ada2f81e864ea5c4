//! Texts of slash commands that are still in the code, in English and Russian.

use crate::{Language, texts};

impl Language {
    /// The Russian text for Russian, otherwise the English one.
    pub fn pick<'a>(self, en: &'a str, ru: &'a str) -> &'a str {
        if self == Self::Ru { ru } else { en }
    }

    /// What a field is called, by its word.
    pub fn label(self, word: &str) -> &'static str {
        self.text(match word {
            "assignee" => texts::records::FIELD_ASSIGNEE,
            "client" => texts::records::FIELD_CLIENT,
            "deadline" => texts::records::FIELD_DEADLINE,
            "deal" => texts::records::FIELD_DEAL,
            "responsible" => texts::records::FIELD_RESPONSIBLE,
            "stage" => texts::records::FIELD_STAGE,
            "sum" => texts::records::FIELD_SUM,
            _ => texts::records::UNKNOWN,
        })
    }

    /// The words on the button that opens a record.
    pub fn open(self) -> &'static str {
        self.text(texts::cards::OPEN)
    }

    /// What is shown where there is nothing.
    pub fn none(self) -> &'static str {
        self.text(texts::records::NONE)
    }
}
