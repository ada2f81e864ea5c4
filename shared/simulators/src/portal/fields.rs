//! The portal's own fields of CRM types, by both families of methods, and how they are described.

use serde_json::{Map, Value, json};

use super::{COMPANY, CONTACT, DEAL, LEAD, SimulatorState};

/// A field of the portal's own.
pub(super) struct Standard {
    /// As `crm.item.*` names it.
    pub(super) name: &'static str,
    /// As the older methods name it.
    pub(super) upper: &'static str,
    pub(super) kind: &'static str,
    /// Whether nobody sets it from outside.
    pub(super) read_only: bool,
}

const fn rw(name: &'static str, upper: &'static str, kind: &'static str) -> Standard {
    Standard { name, upper, kind, read_only: false }
}

const fn ro(name: &'static str, upper: &'static str, kind: &'static str) -> Standard {
    Standard { name, upper, kind, read_only: true }
}

/// What every type has.
const COMMON: [Standard; 13] = [
    ro("id", "ID", "integer"),
    rw("assignedById", "ASSIGNED_BY_ID", "user"),
    ro("createdBy", "CREATED_BY_ID", "user"),
    ro("updatedBy", "MODIFY_BY_ID", "user"),
    ro("createdTime", "DATE_CREATE", "datetime"),
    ro("updatedTime", "DATE_MODIFY", "datetime"),
    rw("opened", "OPENED", "boolean"),
    rw("comments", "COMMENTS", "text"),
    rw("originatorId", "ORIGINATOR_ID", "string"),
    rw("originId", "ORIGIN_ID", "string"),
    rw("utmSource", "UTM_SOURCE", "string"),
    rw("utmMedium", "UTM_MEDIUM", "string"),
    rw("utmCampaign", "UTM_CAMPAIGN", "string"),
];

/// What has stages and a sum.
const STAGED: [Standard; 9] = [
    rw("title", "TITLE", "string"),
    rw("opportunity", "OPPORTUNITY", "double"),
    rw("currencyId", "CURRENCY_ID", "crm_currency"),
    rw("companyId", "COMPANY_ID", "crm_company"),
    rw("contactId", "CONTACT_ID", "crm_contact"),
    rw("contactIds", "CONTACT_IDS", "crm_contact"),
    rw("sourceId", "SOURCE_ID", "crm_status"),
    rw("observers", "OBSERVERS", "user"),
    ro("movedTime", "MOVED_TIME", "datetime"),
];

const OF_DEALS: [Standard; 8] = [
    rw("stageId", "STAGE_ID", "crm_status"),
    ro("stageSemanticId", "STAGE_SEMANTIC_ID", "string"),
    rw("categoryId", "CATEGORY_ID", "crm_category"),
    rw("begindate", "BEGINDATE", "date"),
    rw("closedate", "CLOSEDATE", "date"),
    ro("closed", "CLOSED", "boolean"),
    rw("typeId", "TYPE_ID", "crm_status"),
    rw("probability", "PROBABILITY", "integer"),
];

const OF_LEADS: [Standard; 8] = [
    rw("stageId", "STATUS_ID", "crm_status"),
    ro("stageSemanticId", "STATUS_SEMANTIC_ID", "string"),
    rw("name", "NAME", "string"),
    rw("secondName", "SECOND_NAME", "string"),
    rw("lastName", "LAST_NAME", "string"),
    rw("companyTitle", "COMPANY_TITLE", "string"),
    rw("post", "POST", "string"),
    rw("fm", "FM", "crm_multifield"),
];

const OF_CONTACTS: [Standard; 8] = [
    rw("name", "NAME", "string"),
    rw("secondName", "SECOND_NAME", "string"),
    rw("lastName", "LAST_NAME", "string"),
    rw("post", "POST", "string"),
    rw("companyId", "COMPANY_ID", "crm_company"),
    rw("typeId", "TYPE_ID", "crm_status"),
    rw("sourceId", "SOURCE_ID", "crm_status"),
    rw("fm", "FM", "crm_multifield"),
];

const OF_COMPANIES: [Standard; 6] = [
    rw("title", "TITLE", "string"),
    rw("typeId", "COMPANY_TYPE", "crm_status"),
    rw("industry", "INDUSTRY", "crm_status"),
    rw("revenue", "REVENUE", "double"),
    rw("currencyId", "CURRENCY_ID", "crm_currency"),
    rw("fm", "FM", "crm_multifield"),
];

/// The portal's own fields of a type.
pub(super) fn standard(entity: u32) -> impl Iterator<Item = &'static Standard> {
    let (staged, own): (&[Standard], &[Standard]) = match entity {
        LEAD => (&STAGED, &OF_LEADS),
        CONTACT => (&[], &OF_CONTACTS),
        COMPANY => (&[], &OF_COMPANIES),
        // Smart processes have what deals have.
        _ => (&STAGED, &OF_DEALS),
    };
    COMMON.iter().chain(staged).chain(own)
}

/// The list in `crm.status.list` that a field's values are from.
fn status_type(entity: u32, name: &str) -> Option<&'static str> {
    match (entity, name) {
        (DEAL, "stageId") => Some("DEAL_STAGE"),
        (LEAD, "stageId") => Some("STATUS"),
        (_, "sourceId") => Some("SOURCE"),
        (DEAL, "typeId") => Some("DEAL_TYPE"),
        (CONTACT, "typeId") => Some("CONTACT_TYPE"),
        (COMPANY, "typeId") => Some("COMPANY_TYPE"),
        (COMPANY, "industry") => Some("INDUSTRY"),
        _ => None,
    }
}

fn describe(entity: u32, field: &Standard) -> Value {
    let is_multiple = ["contactIds", "observers", "fm"].contains(&field.name);
    let mut described = json!({
        "type": field.kind, "isRequired": false, "isReadOnly": field.read_only, "isImmutable": false,
        "isMultiple": is_multiple, "isDynamic": false, "title": field.name, "upperName": field.upper,
    });
    if let Some(list) = status_type(entity, field.name) {
        described["statusType"] = json!(list);
    }
    described
}

impl SimulatorState {
    /// All fields of a type, by the names of `crm.item.*`.
    pub(super) fn described(&self, entity: u32) -> Map<String, Value> {
        let own = self.own_fields.get(&entity).into_iter().flatten();
        standard(entity)
            .map(|field| (field.name.to_owned(), describe(entity, field)))
            .chain(own.map(|field| (field.name.clone(), field.described())))
            .collect()
    }

    pub(super) fn described_field(&self, entity: u32, name: &str) -> Option<Value> {
        let own = || {
            self.own_fields
                .get(&entity)?
                .iter()
                .find(|field| field.name == name)
                .map(super::userfields::OwnField::described)
        };
        standard(entity).find(|field| field.name == name).map(|field| describe(entity, field)).or_else(own)
    }
}
