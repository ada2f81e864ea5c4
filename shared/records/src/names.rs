//! The names that people use for the codes and ids in a record. Which are needed, and which are known; reading them is
//! `crm::names`.

use std::collections::{BTreeMap, BTreeSet};

use bitrix24::crm::StatusRow;
use bitrix24::user::PortalUser;
use bitrix24::{CrmItem, EntityType};
use serde::{Deserialize, Serialize};

use crate::change::Change;

/// The list of sources in `crm.status.list`.
const SOURCES: &str = "SOURCE";

/// Names as far as they could be read. What is missing shows as its code or as "unknown"; it never stops a card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// By list and code: stages, sources.
    #[serde(default)]
    statuses: BTreeMap<String, BTreeMap<String, String>>,
    /// By type and number: `2#1`.
    #[serde(default)]
    funnels: BTreeMap<String, String>,
    /// Everything that has a name of its own, by [`Nameable::key`]; nothing where it was asked for and not found.
    #[serde(default, skip)]
    named: BTreeMap<String, Option<CachedName>>,
}

/// A name as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedName {
    /// What people call it.
    pub name: String,
    /// A person's e-mail; none for dismissed people and extranet users, for no e-mail finds them in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether a person was dismissed: nothing is sent to them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_dismissed: bool,
}

/// Something that has a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nameable {
    /// A person on the portal.
    User(u64),
    /// A company, a contact, a deal.
    Item(EntityType, u64),
    /// A project.
    Project(u64),
}

impl Nameable {
    /// Its key in the store: `user#6`.
    pub fn key(self) -> String {
        match self {
            Self::User(id) => format!("user#{id}"),
            Self::Item(entity, id) => format!("{entity}#{id}"),
            Self::Project(id) => format!("project#{id}"),
        }
    }
}

impl Names {
    /// Takes in the rows of `crm.status.list`.
    pub fn add_statuses(&mut self, rows: impl IntoIterator<Item = StatusRow>) {
        for row in rows {
            if let (Some(list), Some(code), Some(name)) = (row.entity_id, row.status_id, row.name) {
                self.statuses.entry(list).or_default().insert(code, name);
            }
        }
    }

    /// Takes over the lists of others, but nothing that has a name of its own.
    pub fn take_lists(&mut self, other: &Self) {
        self.statuses = other.statuses.clone();
        self.funnels = other.funnels.clone();
    }

    /// Takes in a funnel.
    pub fn add_funnel(&mut self, entity: EntityType, id: u64, name: String) {
        self.funnels.insert(format!("{}#{id}", entity.0), name);
    }

    /// Takes in people.
    pub fn add_users(&mut self, users: impl IntoIterator<Item = PortalUser>) {
        for user in users {
            if let (Some(id), Some(name)) = (user.id, user.display_name()) {
                let is_colleague = user.is_active() && user.is_employee();
                let (email, is_dismissed) = (user.email.clone().filter(|_| is_colleague), !user.is_active());
                self.add(Nameable::User(id), Some(CachedName { name, email, is_dismissed }));
            }
        }
    }

    /// Takes in a name; `None` means that it was asked for and not found.
    pub fn add(&mut self, named: Nameable, entry: Option<CachedName>) {
        self.named.insert(named.key(), entry);
    }

    /// What was taken in under a name.
    pub fn entry(&self, named: Nameable) -> Option<&CachedName> {
        self.named.get(&named.key()).and_then(Option::as_ref)
    }

    /// Whether the statuses were read at all.
    pub fn has_statuses(&self) -> bool {
        !self.statuses.is_empty()
    }

    /// Those of `wanted` that were not asked for yet.
    pub fn missing(&self, wanted: &BTreeSet<Nameable>) -> Vec<Nameable> {
        wanted.iter().copied().filter(|named| !self.named.contains_key(&named.key())).collect()
    }

    /// Whether the stages that a change mentions have names.
    pub fn has_stages_of(&self, change: &Change) -> bool {
        let Some((entity, item)) = change.entity().zip(change.state.as_item()) else { return true };
        let stages = item.stage_id.iter().chain(&change.from_stage);
        stages.filter(|stage| !stage.is_empty()).all(|stage| self.find_stage(entity, item.category_id, stage).is_some())
    }

    /// The name of a stage in a funnel; its code if unknown.
    pub fn stage<'a>(&'a self, entity: EntityType, category: Option<u64>, stage: &'a str) -> &'a str {
        self.find_stage(entity, category, stage).unwrap_or(stage)
    }

    /// The name of a funnel.
    pub fn funnel(&self, entity: EntityType, category: Option<u64>) -> Option<&str> {
        self.funnels.get(&format!("{}#{}", entity.0, category?)).map(String::as_str)
    }

    /// A person's name.
    pub fn user(&self, id: Option<u64>) -> Option<&str> {
        self.entry(Nameable::User(id?)).map(|entry| entry.name.as_str())
    }

    /// A person's e-mail.
    pub fn email(&self, id: u64) -> Option<&str> {
        self.entry(Nameable::User(id))?.email.as_deref()
    }

    /// The name of the item's source; its code if unknown.
    pub fn source<'a>(&'a self, item: &'a CrmItem) -> Option<&'a str> {
        let code = item.source_id.as_deref()?;
        Some(self.statuses.get(SOURCES).and_then(|sources| sources.get(code)).map_or(code, String::as_str))
    }

    /// A stage carries its funnel as a prefix (`C7:NEW`, `DT1220_30:NEW`); some portals list the stage without it.
    fn find_stage(&self, entity: EntityType, category: Option<u64>, stage: &str) -> Option<&str> {
        let (prefix, bare) = stage.split_once(':').map_or((None, stage), |(prefix, bare)| (Some(prefix), bare));
        let by_prefix = prefix.and_then(|prefix| match prefix.strip_prefix('C') {
            Some(number) => number.parse().ok(),
            None => prefix.rsplit_once('_')?.1.parse().ok(),
        });
        let list = entity.stages_of(by_prefix.or(category).unwrap_or_default());
        let stages = self.statuses.get(&list)?;
        stages.get(stage).or_else(|| stages.get(bare)).map(String::as_str)
    }
}

/// Everything with a name of its own that cards of a change may mention.
pub fn wanted(change: &Change) -> BTreeSet<Nameable> {
    let state = &change.state;
    let is_some = |id: Option<u64>| id.filter(|id| *id != 0);
    let before = change.before.as_ref();
    let mut users: Vec<_> = [state.responsible(), state.creator(), before.and_then(crate::RecordState::responsible)]
        .into_iter()
        .flatten()
        .chain(is_some(change.author()))
        .collect();
    let mut wanted = BTreeSet::new();
    if let Some(item) = state.as_item() {
        wanted.extend(is_some(item.company_id).map(|id| Nameable::Item(EntityType::COMPANY, id)));
        wanted.extend(is_some(item.contact_id).map(|id| Nameable::Item(EntityType::CONTACT, id)));
    }
    if let Some(task) = state.as_task() {
        users.extend(task.accomplices.iter().chain(&task.auditors));
        let named = task.group.as_ref().is_some_and(|group| group.name.is_some());
        wanted.extend(task.project().filter(|_| !named).map(Nameable::Project));
    }
    for related in [&change.deal, &change.client].into_iter().flatten() {
        if related.title.is_none() {
            wanted.insert(Nameable::Item(related.entity, related.id));
        }
    }
    wanted.extend(users.into_iter().map(Nameable::User));
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names() -> Names {
        let mut names = Names::default();
        names.add_statuses(
            serde_json::from_value::<Vec<StatusRow>>(json!([
                {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "NEW", "NAME": "New"},
                {"ENTITY_ID": "DEAL_STAGE_7", "STATUS_ID": "NEW", "NAME": "Seventh new"},
                {"ENTITY_ID": "DEAL_STAGE_8", "STATUS_ID": "C8:WON", "NAME": "Eighth won"},
                {"ENTITY_ID": "DYNAMIC_1220_STAGE_30", "STATUS_ID": "DT1220_30:NEW", "NAME": "Fresh"},
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
        assert_eq!(names.stage(EntityType(1220), None, "DT1220_30:NEW"), "Fresh");
        assert_eq!(names.stage(EntityType::DEAL, Some(0), "GONE"), "GONE");
    }

    #[test]
    fn what_was_asked_for_in_vain_is_not_asked_for_again() {
        let mut names = names();
        let wanted = BTreeSet::from([Nameable::User(6), Nameable::Item(EntityType::COMPANY, 4)]);
        names.add(Nameable::User(6), None);
        assert_eq!(names.missing(&wanted), [Nameable::Item(EntityType::COMPANY, 4)]);
        assert_eq!(names.user(Some(6)), None);
    }
}
