//! The mappings and databases that pause as a whole.

use jiff::Timestamp;
use locale::Localized;
use serde::Serialize;
use settings::databases::DatabaseSettings;

use crate::database::KnownDatabase;

/// A mapping or a database that pauses as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paused {
    pub database: String,
    /// The field, if only its mapping pauses.
    pub field: Option<String>,
    /// Why, with the fix.
    pub why: Localized,
    /// Since when, as far as is known.
    pub since: Timestamp,
}

/// The mappings and databases of the settings that pause.
pub fn paused(databases: &[DatabaseSettings], known: &[(String, KnownDatabase)]) -> Vec<Paused> {
    let mut all = Vec::new();
    for database in databases {
        let Some((_, known)) = known.iter().find(|(name, _)| *name == database.name) else { continue };
        let paused = |field: Option<String>, why: &Localized, since: Timestamp| Paused {
            database: database.name.clone(),
            field,
            why: why.clone(),
            since,
        };
        let since = known.missed_since.unwrap_or(known.checked_at);
        all.extend(known.closed.as_ref().map(|closed| paused(None, &closed.text, closed.since)));
        all.extend(known.troubles.iter().map(|trouble| paused(Some(trouble.field.clone()), &trouble.text, since)));
    }
    all
}
