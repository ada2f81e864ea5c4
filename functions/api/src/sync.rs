//! Syncs with Notion, of everything or of some records: started here, and their progress. The work is in `record-sync`.

use bitrix24::EntityType;
use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;
use jobs::sync::{Signal, SyncJob};
use notion_sync::runs::{Phase, RunRequest, SyncRun};
use records::Record;
use runtime::ledger::EventStatus;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{SettingsError, TraceId, UNREADABLE_SETTINGS};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::Settings;
use web::answer::Refused;

use crate::{ApiAnswer, Caller, Deps, accepted, bad_field, body, ok, told_by, unavailable};

/// The most records of a request.
const MAX_RECORDS: usize = 100;
/// How long a sync of some records is remembered.
const RUN_TTL: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);

/// A request for a sync.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SyncQuery {
    /// `deal 42`, `task 7`.
    #[serde(default)]
    records: Vec<String>,
    /// Everything of one database, or of all databases if none is named.
    #[serde(default)]
    database: Option<String>,
    /// Everything.
    #[serde(default)]
    all: bool,
    /// Whether it only reports what it would do.
    #[serde(default)]
    dry: bool,
}

/// A sync, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredRun {
    began_at: Timestamp,
    /// The runs over whole databases.
    #[serde(default)]
    runs: Vec<String>,
    /// The records, each with its trace.
    #[serde(default)]
    records: Vec<(String, TraceId)>,
}

fn key(caller: &Caller, id: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{}#api-job", caller.tenant), id)
}

pub(crate) async fn begin(deps: &Deps, caller: &Caller, request: &Request<Bytes>) -> ApiAnswer {
    let asked: SyncQuery = body(request)?;
    let portal = deps.connections.portal(&caller.tenant).await.map_err(|failure| unavailable(&failure))?;
    let unreadable = |error: SettingsError| Refused::new(StatusCode::CONFLICT, UNREADABLE_SETTINGS, error.to_string());
    let settings = portal.settings_as::<Settings>().map_err(unreadable)?;
    let databases = &settings.notion.databases;
    if databases.is_empty() {
        let text = "no database is synced with Notion; the settings name them under notion.databases";
        return Err(Refused::new(StatusCode::CONFLICT, "nothing_to_sync", text));
    }
    match (asked.all || asked.database.is_some(), asked.records.is_empty()) {
        (true, false) => return Err(bad_field("records", "give records, or all or database, not both")),
        (false, true) => return Err(bad_field("records", "is empty; name records like \"deal 42\", or say all: true")),
        _ => {}
    }
    let now = deps.backend.clock.now();
    let mut job = StoredRun { began_at: now, runs: Vec::new(), records: Vec::new() };
    if asked.records.is_empty() {
        let named: Vec<&str> = match &asked.database {
            Some(name) if databases.iter().any(|known| known.name == *name) => vec![name],
            Some(name) => return Err(bad_field("database", format!("there is no database {name:?} in the settings"))),
            None => databases.iter().map(|known| known.name.as_str()).collect(),
        };
        let by = told_by(&caller.key);
        let latest = deps.mirror.runs.latest(&caller.tenant, 100).await.map_err(|error| unavailable(&error.into()))?;
        for name in named {
            // A run that already continues is as good.
            let running = latest.iter().find(|run| run.database == name && !run.has_ended() && run.dry == asked.dry);
            job.runs.push(match running {
                Some(run) => run.id.clone(),
                None => {
                    let wanted = RunRequest { dry: asked.dry, since: None, by: &by };
                    let begun = deps.mirror.start(&caller.tenant, name, &wanted).await;
                    begun.map_err(|failure| unavailable(&failure))?
                }
            });
        }
    } else {
        some(deps, caller, &settings, &asked, &mut job).await?;
    }
    let id = TraceId::new(now).to_string();
    let write =
        StoreWrite::new(key(caller, &id), &job, WriteCondition::Absent).map_err(|error| unavailable(&error.into()))?;
    let kept = deps.backend.store.put(write.expiring(runtime::clock::later(now, RUN_TTL))).await;
    kept.map_err(|error| unavailable(&error.into()))?;
    tracing::info!(tenant = %caller.tenant, key = caller.key.id, job = id, "a sync was begun by the API");
    Ok(accepted(&json!({"job": id, "progress": format!("{}/{}/jobs/{id}", crate::PATH, caller.tenant)})))
}

async fn some(
    deps: &Deps,
    caller: &Caller,
    settings: &Settings,
    asked: &SyncQuery,
    job: &mut StoredRun,
) -> Result<(), Refused> {
    if asked.dry {
        return Err(bad_field("dry", "a dry run is over a whole database; say all: true"));
    }
    if asked.records.len() > MAX_RECORDS {
        return Err(bad_field("records", format!("there are {}; at most {MAX_RECORDS} at once", asked.records.len())));
    }
    let mut messages = Vec::new();
    for (index, named) in asked.records.iter().enumerate() {
        let field = || format!("records[{index}]");
        let record = record(named)
            .ok_or_else(|| bad_field(&field(), format!("{named:?} is no record; write \"deal 42\" or \"task 7\"")))?;
        let kind = record.kind().to_string();
        let mut of_kind =
            settings.notion.databases.iter().filter(|known| known.records.kind().to_string() == kind).peekable();
        if of_kind.peek().is_none() {
            return Err(bad_field(&field(), format!("no database of the settings holds a {kind}")));
        }
        for database in of_kind {
            let trace = TraceId::new(deps.backend.clock.now());
            let signal = Signal::both("api");
            let work = SyncJob::Record { database: database.name.clone(), record, signal };
            let message = notion_sync::message(&work, &caller.tenant, trace, &trace.to_string());
            messages.push(message.map_err(|failure| unavailable(&failure))?);
            job.records.push((record.to_string(), trace));
        }
    }
    deps.mirror.send(messages).await.map_err(|failure| unavailable(&failure))
}

fn record(named: &str) -> Option<Record> {
    let (kind, id) = named.trim().split_once([' ', ':', '#'])?;
    let id = id.trim().parse().ok()?;
    match kind.to_lowercase().as_str() {
        "deal" => Some(Record::item(EntityType::DEAL, id)),
        "task" => Some(Record::Task(id)),
        _ => None,
    }
}

pub(crate) async fn progress(deps: &Deps, caller: &Caller, id: &str) -> ApiAnswer {
    let gone = || Refused::new(StatusCode::NOT_FOUND, "no_job", "there is no such job, or it is older than seven days");
    if TraceId::parse(id).is_none() {
        return Err(gone());
    }
    let item = deps.backend.store.get(&key(caller, id)).await.map_err(|error| unavailable(&error.into()))?;
    let job: StoredRun = item.ok_or_else(gone)?.decode().map_err(|error| unavailable(&error.into()))?;
    let (mut parts, mut done) = (Vec::new(), true);
    for run in &job.runs {
        let found = deps.mirror.runs.get(&caller.tenant, run).await.map_err(|error| unavailable(&error.into()))?;
        if let Some((run, _)) = found {
            done &= run.has_ended();
            parts.push(shown(&run));
        }
    }
    for (name, trace) in &job.records {
        let line = deps.ledger.event(&caller.tenant, *trace).await.map_err(|error| unavailable(&error.into()))?;
        let (status, text) = match line.map(|line| (line.status, line.changes)) {
            None => ("queued", String::new()),
            Some((EventStatus::Routed, changes)) => ("done", changes.join("; ")),
            Some((EventStatus::Skipped { reason }, _)) => ("done", reason),
            Some((EventStatus::Waiting { cause }, _)) => ("waiting", cause),
            Some((EventStatus::Dead { reason, .. }, _)) => ("dead", reason),
            Some((EventStatus::Other(other), _)) => ("waiting", other.to_string()),
        };
        done &= ["done", "dead"].contains(&status);
        parts.push(json!({"record": name, "status": status, "text": text, "trace": trace.to_string()}));
    }
    Ok(ok(&json!({"job": id, "began_at": job.began_at.to_string(), "done": done, "parts": parts})))
}

fn shown(run: &SyncRun) -> Value {
    let phase = match &run.phase {
        Phase::Rows { .. } => "reading rows",
        Phase::Numbers { .. } | Phase::Keys { .. } => "comparing numbers and keys",
        Phase::Records { .. } => "going through records",
        Phase::Done => "done",
        Phase::Stopped { .. } => "stopped",
    };
    let why = match &run.phase {
        Phase::Stopped { why } => Some(why.clone()),
        _ => run.waits_for.clone(),
    };
    json!({
        "database": run.database, "dry": run.dry, "status": phase, "text": why, "counts": run.counts, "examples": run.examples,
    })
}
