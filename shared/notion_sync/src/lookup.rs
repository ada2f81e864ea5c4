//! Looks up what a database's settings refer to: its data source in Notion, and the portal's fields.

use bitrix24::Batch;
use clients::{Failure, NotionClient, PortalClient};
use locale::{Localized, texts};
use notion::DataSource;
use records::RecordKind;
use serde_json::{Value, json};
use settings::databases::DatabaseSettings;
use tenants::portals::Portal;

use crate::fields::{PortalField, PortalKind};

/// Why a database cannot be used: our code, and what to do.
type DatabaseProblem = (String, Localized);

/// The data source that the settings mean, or why it cannot be used.
pub(crate) async fn find(
    notion: &NotionClient,
    portal: &Portal,
    database: &DatabaseSettings,
    stored: Option<&DataSource>,
) -> Result<Result<DataSource, DatabaseProblem>, Failure> {
    let is_absent = |failure: &Failure| failure.code() == "object_not_found";
    let named = stored.map(|source| source.id.clone());
    let Some(pasted) = notion::object_id(&database.database) else {
        return Ok(Err(closed(
            "no_database",
            Localized::of(|_| texts::sync::NotADatabase { database: &database.database }),
        )));
    };
    let id = match named {
        Some(id) => id,
        None => match notion.database(&pasted).await {
            Ok(sources) => match sources.as_slice() {
                [(id, _)] => id.clone(),
                [] => pasted,
                several => {
                    let names: Vec<_> = several.iter().map(|(id, name)| format!("{name:?}: {id}")).collect();
                    let sources = names.join(", ");
                    let text = texts::sync::SeveralSources { database: &database.name, sources: &sources };
                    let text = Localized::of(|_| text);
                    return Ok(Err(closed("several_data_sources", text)));
                }
            },
            // It may be the id of a data source.
            Err(failure) if is_absent(&failure) => pasted,
            Err(failure) => return Err(failure),
        },
    };
    match notion.data_source(&id).await {
        Ok(source) if source.in_trash => Ok(Err(closed(
            "database_in_trash",
            Localized::of(|_| texts::sync::DatabaseInTrash { database: &database.name }),
        ))),
        Ok(source) => Ok(Ok(source)),
        Err(failure) if is_absent(&failure) => Ok(Err(closed("database_not_shared", steps(portal, database)))),
        Err(failure) if failure.code() == "restricted_resource" => {
            let text = texts::sync::CapabilityMissing { database: &database.name };
            Ok(Err(closed("capability_missing", Localized::of(|_| text))))
        }
        Err(failure) => Err(failure),
    }
}

/// How a database is shared, step by step.
fn steps(portal: &Portal, database: &DatabaseSettings) -> Localized {
    let connection = portal.notion.as_ref().map_or("", |notion| notion.name.as_str());
    let workspace = portal.notion.as_ref().map_or("", |notion| notion.workspace.as_str());
    let (database, address) = (database.name.as_str(), database.database.as_str());
    Localized::of(|_| texts::sync::NotShared { database, connection, workspace, address })
}

/// The portal's fields of a kind, with the values of its lists.
pub(crate) async fn portal_fields(client: &PortalClient, kind: RecordKind) -> Result<Vec<PortalField>, Failure> {
    let RecordKind::Items(entity) = kind else { return Ok(PortalField::of_tasks()) };
    let mut batch = Batch::new();
    let _ = batch.add("fields", "crm.item.fields", &json!({"entityTypeId": entity}));
    if entity == bitrix24::EntityType::DEAL {
        let _ = batch.add("funnels", "crm.category.list", &json!({"entityTypeId": entity}));
    }
    let (mut answers, _) = client.batch(&batch).await?;
    let described = match answers.take("fields") {
        Some(Ok(result)) => result["fields"].clone(),
        Some(Err(error)) => return Err(client.failure(&error)),
        None => return Err(Failure::transient("the portal left a command of a batch unanswered")),
    };
    let read = |(name, field): (&String, &Value)| PortalField::read(name, field);
    let mut fields: Vec<PortalField> = described.as_object().into_iter().flatten().filter_map(read).collect();
    let mut funnels = vec![0];
    if let Some(Ok(result)) = answers.take("funnels") {
        let ids = result["categories"].as_array().into_iter().flatten();
        funnels = ids.filter_map(|row| bitrix24::tolerant::whole(&row["id"])).collect();
    }
    let mut lists: Vec<(usize, String)> = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        if field.is_stage() && entity.has_stages() {
            lists.extend(funnels.iter().map(|funnel| (index, entity.stages_of(*funnel))));
        } else if field.kind == PortalKind::Choice && field.options.is_empty() {
            lists.extend(field.list.clone().map(|list| (index, list)));
        }
    }
    for some in lists.chunks(25) {
        let mut batch = Batch::new();
        for (n, (_, list)) in some.iter().enumerate() {
            let params = json!({"filter": {"ENTITY_ID": list}, "order": {"SORT": "ASC"}});
            let _ = batch.add(format!("l{n}"), "crm.status.list", &params);
        }
        let (mut answers, _) = client.batch(&batch).await?;
        for (n, (place, _)) in some.iter().enumerate() {
            // Without its values, a list would be written by names: nothing is synced before they are known.
            let rows = match answers.take(&format!("l{n}")) {
                Some(Ok(rows)) => rows,
                Some(Err(error)) => return Err(client.failure(&error)),
                None => return Err(Failure::transient("the portal left a command of a batch unanswered")),
            };
            let mut rows: Vec<_> = rows.as_array().cloned().unwrap_or_default();
            rows.sort_by_key(|row| bitrix24::tolerant::whole(&row["SORT"]));
            let option = |row: &Value| {
                let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                (text("STATUS_ID"), text("NAME"))
            };
            fields[*place].options.extend(rows.iter().map(option));
        }
    }
    Ok(fields)
}

pub(crate) fn closed(code: &str, text: Localized) -> DatabaseProblem {
    (code.to_owned(), text)
}
