//! What may be logged or shown of an answer that is not the provider's: not one byte of its body.

use std::fmt;

/// A longer content type is not shown.
const MAX_CONTENT_TYPE: usize = 60;

/// An answer's status, content type and length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The MIME type, if it has the form of one.
    content_type: Option<String>,
    /// How many bytes were read; `None` if the body was not read to its end.
    length: Option<usize>,
}

impl SeenAnswer {
    /// An answer whose body is not read yet.
    pub fn new(status: u16, content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_type = essence.len() <= MAX_CONTENT_TYPE
            && essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
        Self { status, content_type: is_type.then_some(essence), length: None }
    }

    /// The same with the body's length.
    #[must_use]
    pub fn with_length(self, length: usize) -> Self {
        Self { length: Some(length), ..self }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

impl fmt::Display for SeenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content_type = self.content_type.as_deref().unwrap_or("no content type");
        write!(f, "HTTP {}, {content_type}", self.status)?;
        match self.length {
            Some(length) => write!(f, ", {length} bytes"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_type_and_length_are_shown() {
        assert_eq!(
            SeenAnswer::new(502, "text/HTML; charset=x").with_length(12).to_string(),
            "HTTP 502, text/html, 12 bytes"
        );
        assert_eq!(SeenAnswer::new(200, "").to_string(), "HTTP 200, no content type");
    }

    #[test]
    fn a_type_that_is_none_is_not_shown() {
        for odd in ["the secret is x", "text/<b>", "text", "/", &"a/".repeat(40)] {
            assert_eq!(SeenAnswer::new(200, odd).to_string(), "HTTP 200, no content type", "{odd}");
        }
    }
}
