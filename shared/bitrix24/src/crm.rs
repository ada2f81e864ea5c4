//! CRM items as `crm.item.*` gives them, and the statuses that name their stages.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tolerant;

/// A CRM type by its `entityTypeId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityType(pub u32);

impl EntityType {
    pub const LEAD: Self = Self(1);
    pub const DEAL: Self = Self(2);
    pub const CONTACT: Self = Self(3);
    /// Companies.
    pub const COMPANY: Self = Self(4);

    /// The `ENTITY_ID` under which `crm.status.list` keeps the stages of this type in one funnel.
    pub fn stages_of(self, category: u64) -> String {
        match (self, category) {
            (Self::LEAD, _) => "STATUS".into(),
            (Self::DEAL, 0) => "DEAL_STAGE".into(),
            (Self::DEAL, category) => format!("DEAL_STAGE_{category}"),
            (Self(other), category) => format!("DYNAMIC_{other}_STAGE_{category}"),
        }
    }

    /// Whether items of this type have stages.
    pub fn has_stages(self) -> bool {
        !matches!(self, Self::CONTACT | Self::COMPANY)
    }

    /// Whether it is a smart process (or a smart invoice), not one of the types that every portal has.
    pub fn is_smart_process(self) -> bool {
        self.0 > Self::COMPANY.0
    }

    /// The type of this name, as it is written out: `deal`, `item-1220`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "lead" => Self::LEAD,
            "deal" => Self::DEAL,
            "contact" => Self::CONTACT,
            "company" => Self::COMPANY,
            other => Self(other.strip_prefix("item-")?.parse().ok()?),
        })
    }

    /// The page of an item on its portal.
    pub fn link(self, domain: &str, id: u64) -> String {
        let origin = origin(domain);
        let place = match self {
            Self::LEAD => "lead".to_owned(),
            Self::DEAL => "deal".to_owned(),
            Self::CONTACT => "contact".to_owned(),
            Self::COMPANY => "company".to_owned(),
            Self(other) => format!("type/{other}"),
        };
        format!("{origin}/crm/{place}/details/{id}/")
    }
}

/// The address of a portal: `https://acme.bitrix24.com`.
pub fn origin(domain: &str) -> String {
    // Only a simulator on this very machine is reached without TLS.
    let scheme = if domain.starts_with("127.0.0.1") || domain.starts_with("localhost") { "http" } else { "https" };
    format!("{scheme}://{domain}")
}

impl fmt::Display for EntityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::LEAD => f.write_str("lead"),
            Self::DEAL => f.write_str("deal"),
            Self::CONTACT => f.write_str("contact"),
            Self::COMPANY => f.write_str("company"),
            Self(other) => write!(f, "item-{other}"),
        }
    }
}

/// The fields that [`CrmItem`] reads of leads and deals.
pub const DEAL_FIELDS: [&str; 15] = [
    "id",
    "title",
    "stageId",
    "stageSemanticId",
    "categoryId",
    "opportunity",
    "currencyId",
    "assignedById",
    "sourceId",
    "companyId",
    "contactId",
    "createdTime",
    "updatedTime",
    "movedTime",
    "createdBy",
];
/// The fields of contacts and companies; what one of them lacks is named in neither list.
pub const CONTACT_FIELDS: [&str; 9] =
    ["id", "name", "lastName", "assignedById", "sourceId", "companyId", "createdTime", "updatedTime", "createdBy"];
const COMPANY_FIELDS: [&str; 6] = ["id", "title", "assignedById", "createdTime", "updatedTime", "createdBy"];

/// What to `select` for items of a type, `extra` fields besides; nothing where the type decides by itself which
/// fields it has (a smart process), and then all of them come.
pub fn select(entity: EntityType, extra: &[String]) -> Option<Vec<String>> {
    let fields: &[&str] = match entity {
        EntityType::LEAD | EntityType::DEAL => &DEAL_FIELDS,
        EntityType::CONTACT => &CONTACT_FIELDS,
        EntityType::COMPANY => &COMPANY_FIELDS,
        _ => return None,
    };
    let own = fields.iter().map(|field| (*field).to_owned());
    Some(own.chain(extra.iter().filter(|field| !fields.contains(&field.as_str())).cloned()).collect())
}

/// A lead or deal (or another CRM item) in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrmItem {
    /// Its number within its type.
    #[serde(deserialize_with = "required_id")]
    pub id: u64,
    /// Its name.
    #[serde(default, deserialize_with = "tolerant::text")]
    pub title: Option<String>,
    /// The stage: `EXECUTING`, in other funnels than the first with a prefix: `C9:NEW`.
    #[serde(default, deserialize_with = "tolerant::text")]
    pub stage_id: Option<String>,
    /// What the stage means: `P` in progress, `S` won, `F` lost.
    #[serde(default, deserialize_with = "tolerant::text")]
    pub stage_semantic_id: Option<String>,
    /// The funnel; 0 is the first.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub category_id: Option<u64>,
    /// The sum, as a decimal text.
    #[serde(default, deserialize_with = "tolerant::text")]
    pub opportunity: Option<String>,
    /// The sum's currency.
    #[serde(default, deserialize_with = "tolerant::text")]
    pub currency_id: Option<String>,
    /// The responsible user.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub assigned_by_id: Option<u64>,
    /// Where it came from, by the code in the portal's list of sources.
    #[serde(default, deserialize_with = "tolerant::text")]
    pub source_id: Option<String>,
    /// Its company; 0 is written for none.
    #[serde(default, deserialize_with = "tolerant::number")]
    pub company_id: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "tolerant::number")]
    pub contact_id: Option<u64>,
    /// A person's given name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "tolerant::text")]
    pub name: Option<String>,
    /// A person's family name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "tolerant::text")]
    pub last_name: Option<String>,
    #[serde(default, deserialize_with = "tolerant::moment")]
    pub created_time: Option<Timestamp>,
    /// When it was last saved, to the second.
    #[serde(default, deserialize_with = "tolerant::moment")]
    pub updated_time: Option<Timestamp>,
    /// When it last moved to another stage.
    #[serde(default, deserialize_with = "tolerant::moment")]
    pub moved_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "tolerant::number")]
    pub created_by: Option<u64>,
    /// Whatever else was selected, as the portal writes it: custom fields, for one.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// What a stage means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageMeaning {
    /// Neither end of the funnel.
    InProgress,
    /// The end that was wanted.
    Won,
    /// The other end.
    Lost,
}

impl CrmItem {
    /// What its stage means; in progress unless the portal says otherwise.
    pub fn stage_meaning(&self) -> StageMeaning {
        match self.stage_semantic_id.as_deref() {
            Some("S") => StageMeaning::Won,
            Some("F") => StageMeaning::Lost,
            _ => StageMeaning::InProgress,
        }
    }

    /// The client: its company, or else its contact.
    pub fn client(&self) -> Option<(EntityType, u64)> {
        let of_type = |entity, id: Option<u64>| Some((entity, id.filter(|id| *id != 0)?));
        of_type(EntityType::COMPANY, self.company_id).or_else(|| of_type(EntityType::CONTACT, self.contact_id))
    }

    /// What people call it: its title, or a person's name.
    pub fn display_title(&self) -> Option<String> {
        let is_said = |text: &&str| !text.is_empty();
        if let Some(title) = self.title.as_deref().map(str::trim).filter(is_said) {
            return Some(title.to_owned());
        }
        let parts = [self.name.as_deref(), self.last_name.as_deref()];
        let name = parts.into_iter().flatten().map(str::trim).filter(is_said).collect::<Vec<_>>().join(" ");
        (!name.is_empty()).then_some(name)
    }
}

fn required_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    tolerant::number(deserializer)?.ok_or_else(|| serde::de::Error::custom("the item has no id"))
}

/// A row of `crm.status.list`: a stage, a source and so on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct StatusRow {
    /// The list it is in: `DEAL_STAGE`, `STATUS`, `SOURCE`.
    #[serde(default, rename = "ENTITY_ID", deserialize_with = "tolerant::text")]
    pub entity_id: Option<String>,
    /// Its code.
    #[serde(default, rename = "STATUS_ID", deserialize_with = "tolerant::text")]
    pub status_id: Option<String>,
    /// What people call it.
    #[serde(default, rename = "NAME", deserialize_with = "tolerant::text")]
    pub name: Option<String>,
}

/// A row of `crm.stagehistory.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMove {
    /// Rises with time.
    #[serde(default, rename = "ID", deserialize_with = "tolerant::number")]
    pub id: Option<u64>,
    /// Of which item.
    #[serde(default, rename = "OWNER_ID", deserialize_with = "tolerant::number")]
    pub owner_id: Option<u64>,
    #[serde(default, rename = "CREATED_TIME", deserialize_with = "tolerant::moment")]
    pub created_time: Option<Timestamp>,
    /// To which stage. Leads say `STATUS_ID` here.
    #[serde(default, rename = "STAGE_ID", alias = "STATUS_ID", deserialize_with = "tolerant::text")]
    pub stage_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_reads_numbers_written_either_way_and_takes_empty_for_none() {
        let item: CrmItem = serde_json::from_value(json!({
            "id": "351", "title": "REST Deal #1", "stageId": "C9:UC_NYL06U", "categoryId": 9, "opportunity": 200.05,
            "currencyId": "USD", "assignedById": 6, "sourceId": "", "companyId": null,
            "createdTime": "2024-07-23T19:10:26+02:00", "movedTime": {}
        }))
        .unwrap();
        assert_eq!((item.id, item.opportunity.as_deref(), item.source_id), (351, Some("200.05"), None));
        assert_eq!(item.created_time.unwrap().to_string(), "2024-07-23T17:10:26Z");
        assert_eq!(item.moved_time, None);
    }

    #[test]
    fn an_item_without_id_is_refused() {
        assert!(serde_json::from_value::<CrmItem>(json!({"title": "x"})).is_err());
    }
}
