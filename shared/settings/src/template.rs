//! Templates: text with words in braces, `Deal {title}: {sum}`. `{{` is a brace.

use std::fmt;

use locale::{Localized, texts};

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTemplate(Vec<TemplatePiece>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePiece {
    /// Plain text.
    Text(String),
    /// A word to be looked up.
    Word(String),
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum TemplateError {
    /// A brace opens and nothing closes it.
    Open(String),
    /// There is nothing between two braces.
    Empty,
}

impl TemplateError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Localized {
        match self {
            Self::Open(text) => Localized::of(|_| texts::settings::BraceOpen { text }),
            Self::Empty => texts::settings::BRACE_EMPTY.into(),
        }
    }
}

impl TextTemplate {
    /// Takes a text apart.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(open) = steps::find(rest, &['{']) {
            plain.push_str(&rest[..open]);
            rest = &rest[open + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                plain.push('{');
                rest = after;
                continue;
            }
            // A brace within braces is one that was meant as text, or a word that was never closed.
            let closed = steps::find(rest, &['}', '{']).filter(|close| rest[*close..].starts_with('}'));
            let Some(close) = closed else {
                return Err(TemplateError::Open(rest.chars().take(20).collect()));
            };
            let word = rest[..close].trim();
            if word.is_empty() {
                return Err(TemplateError::Empty);
            }
            if !plain.is_empty() {
                pieces.push(TemplatePiece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(TemplatePiece::Word(word.to_owned()));
            rest = &rest[close + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(TemplatePiece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Its parts.
    pub fn pieces(&self) -> &[TemplatePiece] {
        &self.0
    }

    /// The words in it.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            TemplatePiece::Word(word) => Some(word.as_str()),
            TemplatePiece::Text(_) => None,
        })
    }
}

impl fmt::Display for TextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            TemplatePiece::Text(text) => f.write_str(&text.replace('{', "{{")),
            TemplatePiece::Word(word) => write!(f, "{{{word}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_stand_in_braces_and_two_braces_are_one() {
        let template = TextTemplate::parse("Deal {title}: {{ {record.ufCrm_1} }").unwrap();
        assert_eq!(template.words().collect::<Vec<_>>(), ["title", "record.ufCrm_1"]);
        assert_eq!(template.to_string(), "Deal {title}: {{ {record.ufCrm_1} }");
        assert!(TextTemplate::parse("{open").unwrap_err().to_string().contains("\"open\" is not closed"));
        assert_eq!(TextTemplate::parse("{ }"), Err(TemplateError::Empty));
        assert!(matches!(TextTemplate::parse("{ {}"), Err(TemplateError::Open(_))), "a brace is no word");
    }

    proptest! {
        #[test]
        fn what_is_written_out_reads_back_the_same(text in "[a-z{} .]{0,30}") {
            if let Ok(template) = TextTemplate::parse(&text) {
                prop_assert_eq!(TextTemplate::parse(&template.to_string()).unwrap(), template);
            }
        }
    }
}
