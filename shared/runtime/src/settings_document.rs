//! A tenant's settings document, parsed once for all readers. Its type is the reader's: nothing here knows the
//! settings.

use std::any::{Any, TypeId};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The code of [`SettingsError`], wherever it is shown.
pub const UNREADABLE_SETTINGS: &str = "unreadable_settings";

/// A settings document that cannot be read. The defaults never replace it: they would do what nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings cannot be read: {0}; save a valid document on the page Settings, or apply one")]
pub struct SettingsError(pub String);

type Parsed = (TypeId, Result<Arc<dyn Any + Send + Sync>, SettingsError>);

/// The document. Clones share the parsed result.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Value", into = "Value")]
pub struct SettingsDocument {
    document: Arc<Value>,
    parsed: Arc<OnceLock<Parsed>>,
}

impl SettingsDocument {
    /// The document as its type reads it. All readers share the first result.
    pub fn parsed<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Arc<T>, SettingsError> {
        let (of, parsed) = self
            .parsed
            .get_or_init(|| (TypeId::of::<T>(), self.parse::<T>().map(|parsed| parsed as Arc<dyn Any + Send + Sync>)));
        if *of != TypeId::of::<T>() {
            return self.parse();
        }
        let unexpected = |_| SettingsError("they were parsed by another schema".into());
        parsed.clone()?.downcast::<T>().map_err(unexpected)
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<Arc<T>, SettingsError> {
        serde_path_to_error::deserialize(self.document.as_ref())
            .map(Arc::new)
            .map_err(|error| SettingsError(error.to_string()))
    }
}

impl Deref for SettingsDocument {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.document
    }
}

impl From<Value> for SettingsDocument {
    fn from(document: Value) -> Self {
        Self { document: Arc::new(document), parsed: Arc::default() }
    }
}

impl From<SettingsDocument> for Value {
    fn from(settings: SettingsDocument) -> Self {
        Arc::unwrap_or_clone(settings.document)
    }
}

impl PartialEq for SettingsDocument {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl Eq for SettingsDocument {}

impl fmt::Debug for SettingsDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.document.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Schema {
        language: String,
    }

    #[test]
    fn a_document_is_parsed_once_and_says_which_field_is_wrong() {
        let document = SettingsDocument::from(json!({"language": "ru"}));
        let first = document.parsed::<Schema>().unwrap();
        assert!(Arc::ptr_eq(&first, &document.clone().parsed::<Schema>().unwrap()));
        let wrong = SettingsDocument::from(json!({"language": 7}));
        let error = wrong.parsed::<Schema>().unwrap_err();
        assert!(error.0.starts_with("language: invalid type"), "{error}");
    }
}
