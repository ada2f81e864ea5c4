//! The demonstration's Notion: three databases, shown and edited beside the board.

use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use notion_sync::runs::RunRequest;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use settings::databases::{BodyPart, DatabaseSettings, FieldSetting, Mirrored, NotionSettings};
use simulators::Sandbox;

use super::Demo;

/// The databases that are shown, in this order.
const TITLES: [&str; 3] = ["Projects", "Active Projects", "Tasks"];
/// Rows shown of a database, the newest.
const MAX_ROWS: usize = 30;

pub(super) fn routes(demo: Demo) -> Router {
    Router::new()
        .route("/api/notion/rows/{id}", post(edit))
        .route("/api/notion/rows/{id}/trash", post(trash))
        .route("/api/notion/backfill", post(backfill))
        .with_state(demo)
}

/// Creates the databases and the people, unless they exist.
pub(super) fn prepare(sandbox: &Sandbox) {
    let notion = &sandbox.notion;
    if notion.database(TITLES[0]).is_some() {
        return;
    }
    for row in sandbox.portal.users() {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        notion.add_person(format!("{} {}", text("NAME"), text("LAST_NAME")).trim(), text("EMAIL"));
    }
    notion.add_database(TITLES[0], &json!({}));
    notion.add_database(TITLES[1], &json!({}));
    let statuses = ["To do", "In progress", "Awaiting control", "Done", "Deferred"].map(|name| json!({"name": name}));
    notion.add_database(TITLES[2], &json!({"Status": {"status": {"options": statuses}}}));
}

/// The settings of the sync with these databases.
pub(super) fn settings(sandbox: &Sandbox) -> NotionSettings {
    let id = |title: &str| sandbox.notion.database(title).map(|(database, _)| database).unwrap_or_default();
    let mut won = DatabaseSettings::new(TITLES[1], &id(TITLES[1]), Mirrored::Deal);
    won.when = Some("record.stageSemanticId == 'S'".into());
    let project = FieldSetting { kind: Some("relation".into()), ..FieldSetting::new("self", "Project") };
    won.fields = Some(vec![FieldSetting::new("title", "Name"), FieldSetting::new("opportunity", "Budget"), project]);
    won.page = Some(vec![
        BodyPart::Heading("Kick-off".into()),
        BodyPart::ToDo(vec!["Invite {responsible}".into(), "Send the invoice: {sum}".into()]),
    ]);
    let databases = vec![
        DatabaseSettings::new(TITLES[0], &id(TITLES[0]), Mirrored::Deal),
        won,
        DatabaseSettings::new(TITLES[2], &id(TITLES[2]), Mirrored::Task),
    ];
    NotionSettings { databases, ..NotionSettings::default() }
}

/// Subscribes to the workspace's webhooks, as an operator would.
pub(super) async fn subscribe(demo: &Demo, address: &str) -> anyhow::Result<()> {
    let key = demo.connections.open_notion_window(&demo.tenant, false).await?;
    let url = format!("{address}{}/{}", notion_webhook::PATH, key.expose_secret());
    let (_, status) = demo.sandbox.notion.subscribe(&url).await;
    anyhow::ensure!(status == 200, "the simulated Notion could not subscribe: HTTP {status}");
    Ok(())
}

/// The state that the page shows.
pub(super) fn state(sandbox: &Sandbox) -> Value {
    let notion = &sandbox.notion;
    let databases = TITLES.iter().filter_map(|title| {
        let (_, source) = notion.database(title)?;
        let rows = notion.rows(&source);
        let skip = rows.len().saturating_sub(MAX_ROWS);
        let shown = rows[skip..].iter().rev().map(|row| {
            let id = row["id"].as_str().unwrap_or_default();
            json!({
                "id": id, "in_trash": row["in_trash"], "edited": row["last_edited_time"], "properties": row["properties"],
                "body": notion.body(id),
            })
        });
        Some(json!({"title": title, "schema": notion.schema(&source), "count": rows.len(), "rows": shown.collect::<Vec<_>>()}))
    });
    json!({"databases": databases.collect::<Vec<_>>()})
}

/// A person edits a property in Notion.
async fn edit(State(demo): State<Demo>, Segment(id): Segment<String>, Json(properties): Json<Value>) -> StatusCode {
    match demo.sandbox.notion.edit(&id, &properties) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

#[derive(Deserialize)]
struct Trash {
    in_trash: bool,
}

async fn trash(State(demo): State<Demo>, Segment(id): Segment<String>, Json(to): Json<Trash>) -> StatusCode {
    demo.sandbox.notion.trash(&id, to.in_trash);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Which {
    database: String,
}

async fn backfill(State(demo): State<Demo>, Json(which): Json<Which>) -> StatusCode {
    let mirror = notion_sync::NotionSync::new(&demo.engine.backend, demo.connections.clone());
    let wanted = RunRequest { dry: false, since: None, by: "the demonstration" };
    match mirror.start(&demo.tenant, &which.database, &wanted).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}
