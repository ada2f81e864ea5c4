//! What people call the codes and numbers in a record.

use std::collections::BTreeMap;

use bitrix24::crm::Status;
use bitrix24::user::User;
use bitrix24::{EntityType, Item};
use serde::{Deserialize, Serialize};

/// The list of sources in `crm.status.list`.
const SOURCES: &str = "SOURCE";

/// Names as far as they could be read. What is missing shows as its code or as "unknown"; it never stops a card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// By list and code: stages, sources.
    statuses: BTreeMap<String, BTreeMap<String, String>>,
    /// By number.
    users: BTreeMap<u64, String>,
}

impl Names {
    /// Takes in the rows of `crm.status.list`.
    pub fn add_statuses(&mut self, rows: impl IntoIterator<Item = Status>) {
        for row in rows {
            if let (Some(list), Some(code), Some(name)) = (row.entity_id, row.status_id, row.name) {
                self.statuses.entry(list).or_default().insert(code, name);
            }
        }
    }

    /// Takes in people.
    pub fn add_users(&mut self, users: impl IntoIterator<Item = User>) {
        for user in users {
            if let (Some(id), Some(name)) = (user.id, user.display_name()) {
                self.users.insert(id, name);
            }
        }
    }

    /// Whether the statuses were read at all.
    pub fn has_statuses(&self) -> bool {
        !self.statuses.is_empty()
    }

    /// Whether the user's name is known.
    pub fn has_user(&self, id: u64) -> bool {
        self.users.contains_key(&id)
    }

    /// Whether the stage's name is known.
    pub fn has_stage(&self, entity: EntityType, category: Option<u64>, stage: &str) -> bool {
        self.find_stage(entity, category, stage).is_some()
    }

    /// The name of a stage in a funnel; its code if unknown.
    pub fn stage<'a>(&'a self, entity: EntityType, category: Option<u64>, stage: &'a str) -> &'a str {
        self.find_stage(entity, category, stage).unwrap_or(stage)
    }

    /// The name of the responsible person.
    pub fn responsible(&self, item: &Item) -> Option<&str> {
        self.users.get(&item.assigned_by_id?).map(String::as_str)
    }

    /// The name of the item's source; its code if unknown.
    pub fn source<'a>(&'a self, item: &'a Item) -> Option<&'a str> {
        let code = item.source_id.as_deref()?;
        Some(self.statuses.get(SOURCES).and_then(|sources| sources.get(code)).map_or(code, String::as_str))
    }

    /// A deal's stage carries its funnel as a prefix (`C7:NEW`); some portals list the stage without it.
    fn find_stage(&self, entity: EntityType, category: Option<u64>, stage: &str) -> Option<&str> {
        let (prefix, bare) = stage.split_once(':').map_or((None, stage), |(prefix, bare)| (Some(prefix), bare));
        let by_prefix = prefix.and_then(|prefix| prefix.strip_prefix('C')).and_then(|number| number.parse().ok());
        let list = entity.stages_of(by_prefix.or(category).unwrap_or_default());
        let stages = self.statuses.get(&list)?;
        stages.get(stage).or_else(|| stages.get(bare)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names() -> Names {
        let mut names = Names::default();
        names.add_statuses(
            serde_json::from_value::<Vec<Status>>(json!([
                {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "NEW", "NAME": "New"},
                {"ENTITY_ID": "DEAL_STAGE_7", "STATUS_ID": "NEW", "NAME": "Seventh new"},
                {"ENTITY_ID": "DEAL_STAGE_8", "STATUS_ID": "C8:WON", "NAME": "Eighth won"},
            ]))
            .unwrap(),
        );
        names
    }

    #[test]
    fn a_stage_is_named_in_its_own_funnel_with_or_without_prefix() {
        let names = names();
        assert_eq!(names.stage(EntityType::DEAL, Some(0), "NEW"), "New");
        assert_eq!(names.stage(EntityType::DEAL, Some(7), "C7:NEW"), "Seventh new");
        assert_eq!(names.stage(EntityType::DEAL, None, "C8:WON"), "Eighth won");
        assert_eq!(names.stage(EntityType::DEAL, Some(0), "GONE"), "GONE");
    }
}
