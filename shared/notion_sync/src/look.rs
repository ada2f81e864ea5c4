//! Looks up what a database's settings refer to: its data source in Notion, and the portal's fields.

use bitrix24::Batch;
use clients::{Failure, NotionClient, PortalClient};
use notion::DataSource;
use records::RecordKind;
use serde_json::{Value, json};
use settings::databases::Database;
use tenants::portals::Portal;

use crate::fields::{PortalField, PortalKind};

/// Why a database cannot be used: our code, and what to do.
type Reason = (String, String);

/// The data source that the settings mean, or why it cannot be used.
pub(crate) async fn find(
    notion: &NotionClient,
    portal: &Portal,
    database: &Database,
    stored: Option<&DataSource>,
) -> Result<Result<DataSource, Reason>, Failure> {
    let is_absent = |failure: &Failure| failure.code() == "object_not_found";
    let named = stored.map(|source| source.id.clone());
    let Some(pasted) = notion::object_id(&database.database) else {
        return Ok(Err(closed(
            "no_database",
            format!("{:?} is no Notion database; copy its address", database.database),
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
                    let text = format!(
                        "database {:?} has several data sources; put the id of one into the settings: {}",
                        database.name,
                        names.join(", ")
                    );
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
            format!("database {:?} lies in Notion's trash; restore it there", database.name),
        ))),
        Ok(source) => Ok(Ok(source)),
        Err(failure) if is_absent(&failure) => Ok(Err(closed("database_not_shared", steps(portal, database)))),
        Err(failure) if failure.code() == "restricted_resource" => {
            let text = format!(
                "Notion refuses database {:?}: the connection lacks a capability. Open it under Notion's Settings > Connections > Develop, and allow reading, updating and inserting content and reading user information with e-mail",
                database.name
            );
            Ok(Err(closed("capability_missing", text)))
        }
        Err(failure) => Err(failure),
    }
}

/// How a database is shared, step by step.
fn steps(portal: &Portal, database: &Database) -> String {
    let connection = portal.notion.as_ref().map_or("", |notion| notion.name.as_str());
    let workspace = portal.notion.as_ref().map_or("", |notion| notion.workspace.as_str());
    format!(
        "database {:?} is not shared with the connection {connection:?}, or was deleted. In Notion's workspace {workspace:?}: \
         1. open the database as a full page ({}); 2. click ••• at its top right; 3. choose Connections; \
         4. search for {connection:?} and confirm. Within two minutes the sync goes on by itself",
        database.name, database.database
    )
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
    for (place, field) in fields.iter().enumerate() {
        if field.is_stage() && entity.has_stages() {
            lists.extend(funnels.iter().map(|funnel| (place, entity.stages_of(*funnel))));
        } else if field.kind == PortalKind::Choice && field.options.is_empty() {
            lists.extend(field.list.clone().map(|list| (place, list)));
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
            // Without its values a list would be written by names: nothing is synced before they are known.
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

pub(crate) fn closed(code: &str, text: String) -> Reason {
    (code.to_owned(), text)
}
