//! `sync`: the state of the Notion databases, and backfills: planned, run, followed.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use clients::Connections;
use command_line::codes;
use jobs::sync::{Others, SyncJob};
use notion_sync::NotionSync;
use notion_sync::plan;
use notion_sync::plan::{EntryKind, PlanLine};
use notion_sync::runs::SyncRun;
use notion_sync::runs::{Phase, RunRequest};
use runtime::clock::later;
use runtime::{Backend, TenantId, TraceId};
use settings::Settings;
use slack::SlackApiBase;

/// A worker of the queue writes at least this often.
const SILENCE: Duration = Duration::from_secs(90);

/// A command and its tenant.
#[derive(Debug, Args)]
pub struct SyncArguments {
    /// The tenant. Needed if several portals are connected.
    #[arg(long, global = true)]
    tenant: Option<String>,
    #[command(subcommand)]
    command: SyncCommand,
}

/// What to do with the Notion databases.
#[derive(Debug, Subcommand)]
pub enum SyncCommand {
    /// Shows the databases, what blocks them, and the latest runs.
    Status,
    /// Shows what a backfill would create, link and change, and changes nothing.
    Plan {
        /// The database, by its name in the settings.
        name: String,
    },
    /// Shows what a plan would do or a run did, record by record and field by field.
    Lines {
        /// The run, as `sync plan` and `sync run` print it. Without it, the latest.
        #[arg(long)]
        run: Option<String>,
        /// Only one kind of lines: double, refused, stray, change, link, make.
        #[arg(long)]
        kind: Option<String>,
        /// Writes them to a CSV file instead of showing them.
        #[arg(long)]
        csv: Option<PathBuf>,
    },
    /// Joins rows that have the number of the same record: one stays its page, the others lose the number and get a note.
    Join {
        /// The database, by its name in the settings.
        name: String,
        /// The record: "deal 5", or its number alone.
        record: String,
        /// The row that stays: its address or id.
        #[arg(long)]
        keep: String,
        /// Puts the other rows into Notion's trash as well.
        #[arg(long)]
        trash: bool,
    },
    /// Brings existing records and existing rows together. The host has to be running; Ctrl-C here does not stop the run.
    Run {
        /// The database, by its name in the settings.
        name: String,
    },
    /// Lists the values that could not be synced, with the reason, and what is paused.
    Attention,
    /// Lists the latest conflicts. The page *Notion* of /admin can undo them.
    Conflicts,
}

/// Runs a command on the database of a host, and prints as it goes.
pub async fn run(arguments: SyncArguments, backend: &Backend) -> anyhow::Result<()> {
    let tenant = &codes::tenant(backend, arguments.tenant).await?;
    // No provider is called from here.
    let sync = &NotionSync::new(backend, Connections::new(backend, SlackApiBase::default()));
    match arguments.command {
        SyncCommand::Status => status(sync, tenant).await,
        SyncCommand::Plan { name } => backfill(sync, tenant, &name, true).await,
        SyncCommand::Run { name } => backfill(sync, tenant, &name, false).await,
        SyncCommand::Attention => attention(sync, tenant).await,
        SyncCommand::Conflicts => conflicts(sync, tenant).await,
        SyncCommand::Lines { run, kind, csv } => lines(sync, tenant, run, kind.as_deref(), csv.as_deref()).await,
        SyncCommand::Join { name, record, keep, trash } => join(sync, tenant, &name, &record, &keep, trash).await,
    }
}

async fn status(sync: &NotionSync, tenant: &TenantId) -> anyhow::Result<()> {
    let portal = sync.connections.portal(tenant).await?;
    let settings = NotionSync::settings(&portal)?;
    match &portal.notion {
        Some(notion) => println!("Notion workspace {:?}, connection {:?}", notion.workspace, notion.name),
        None => println!("No Notion workspace is connected; put [notion] into the configuration (docs/notion.md)."),
    }
    if settings.notion.databases.is_empty() {
        println!("The settings name no database; docs/notion.md shows how.");
    }
    for database in &settings.notion.databases {
        match sync.stored(tenant, &database.name).await? {
            None => println!("{}: not checked yet", database.name),
            Some(known) => {
                let state = known.closed.as_ref().map_or_else(|| "open".to_owned(), |closed| closed.text.to_string());
                println!("{}: {state} (checked at {})", database.name, known.checked_at.strftime("%H:%M:%S UTC"));
                for trouble in known.troubles.iter().chain(&known.notices) {
                    println!("  {}: {}", trouble.field, trouble.text);
                }
            }
        }
    }
    for run in sync.runs.latest(tenant, 5).await? {
        println!("{}", line(&run));
    }
    Ok(())
}

async fn attention(sync: &NotionSync, tenant: &TenantId) -> anyhow::Result<()> {
    let portal = sync.connections.portal(tenant).await?;
    let databases = NotionSync::settings(&portal)?.notion.databases.clone();
    let (mut known, mut lines) = (Vec::new(), 0);
    for database in &databases {
        known.extend(sync.stored(tenant, &database.name).await?.map(|known| (database.name.clone(), known)));
    }
    for one in notion_sync::paused::paused(&databases, &known) {
        let what = one.field.map_or_else(|| one.database.clone(), |field| format!("{}, {field}", one.database));
        println!("{} {what} is paused: {}", one.since.strftime("%Y-%m-%d %H:%M"), one.why);
        lines += 1;
    }
    let mut after = None;
    loop {
        let (entries, next) = sync.attention.list(tenant, after.as_deref(), 100).await?;
        for entry in &entries {
            println!("{} {}: {}", entry.since.strftime("%Y-%m-%d %H:%M"), entry.database, entry.line());
        }
        lines += entries.len();
        after = next;
        if after.is_none() {
            break;
        }
    }
    match lines {
        0 => println!("Nothing needs attention."),
        _ => println!("The page *Needs attention* of /admin retries a value, or uses the other side's."),
    }
    Ok(())
}

async fn conflicts(sync: &NotionSync, tenant: &TenantId) -> anyhow::Result<()> {
    let latest = sync.conflicts.latest(tenant, 50).await?;
    if latest.is_empty() {
        println!("There are none.");
    }
    for kept in latest {
        let undone = if kept.undone.is_some() { " (undone)" } else { "" };
        println!("{} {} {}: {}{undone}", kept.at.strftime("%Y-%m-%d %H:%M"), kept.record, kept.title, kept.line());
    }
    Ok(())
}

async fn lines(
    sync: &NotionSync,
    tenant: &TenantId,
    run: Option<String>,
    kind: Option<&str>,
    file: Option<&std::path::Path>,
) -> anyhow::Result<()> {
    let kind = match kind {
        None => None,
        Some(name) => match EntryKind::named(name) {
            Some(kind) => Some(kind),
            None => {
                bail!("unknown kind {name:?}; choose one of {}", EntryKind::ALL.map(EntryKind::name).join(", "))
            }
        },
    };
    let run = match run {
        Some(run) => run,
        None => match sync.runs.latest(tenant, 1).await?.pop() {
            Some(run) => run.id,
            None => bail!("there is no plan and no run yet; start one with `switchboard sync plan NAME`"),
        },
    };
    if sync.runs.get(tenant, &run).await?.is_none() {
        bail!("there is no run {run:?}; `switchboard sync status` shows the latest");
    }
    let (mut text, mut after) = (plan::csv(&[], true), None);
    loop {
        let (entries, next) = sync.plans.page(tenant, &run, kind, after, 500).await?;
        match file {
            Some(_) => text.push_str(&plan::csv(&entries, false)),
            None => entries.iter().for_each(show),
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    if let Some(file) = file {
        std::fs::write(file, text)?;
        println!("{} written", file.display());
    }
    Ok(())
}

/// A line for the terminal.
fn show(entry: &PlanLine) {
    let record = entry.record.map(|record| record.to_string()).unwrap_or_default();
    let about = [entry.kind.name(), &record, &entry.title].into_iter().filter(|word| !word.is_empty());
    let key = entry.key.as_ref().map(|key| format!(", by its {key}")).unwrap_or_default();
    let why = entry.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    println!("{}{key}{why}", about.collect::<Vec<_>>().join(" "));
    for row in &entry.rows {
        println!("  row {}", row.url);
    }
    for change in &entry.changes {
        let to = change.to.map_or_else(|| "both stay".to_owned(), |side| format!("written to {side}"));
        println!("  {}: Bitrix24 {:?}, Notion {:?}; {to}", change.property, change.bitrix24, change.notion);
    }
}

async fn join(
    sync: &NotionSync,
    tenant: &TenantId,
    name: &str,
    record: &str,
    keep: &str,
    trash: bool,
) -> anyhow::Result<()> {
    let portal = sync.connections.portal(tenant).await?;
    let settings = NotionSync::settings(&portal)?;
    let Some(database) = settings.notion.named(name) else { bail!(unknown(&settings, name)) };
    let kind = database.records.kind();
    let number = record.trim().strip_prefix(&kind.to_string()).unwrap_or(record).trim().parse::<u64>();
    let Ok(number) = number else { bail!("{record:?} does not name a {kind}; write its number, or \"{kind} 42\"") };
    let Some(keep) = notion::object_id(keep) else {
        bail!("{keep:?} is not the address or id of a page; copy the address of the row that stays")
    };
    let others = if trash { Others::Trash } else { Others::Note };
    let record = kind.record(number);
    let job = SyncJob::Join { database: name.to_owned(), record, keep, others, by: "the command line".into() };
    let trace = TraceId::new(sync.backend.clock.now());
    sync.send(vec![notion_sync::message(&job, tenant, trace, &format!("join#{trace}"))?]).await?;
    println!("The rows of {record} will be joined by the running host, under trace {trace}.");
    Ok(())
}

fn unknown(settings: &Settings, name: &str) -> String {
    let names: Vec<_> = settings.notion.databases.iter().map(|database| database.name.as_str()).collect();
    format!("the settings have no database {name:?}; they have: {}", names.join(", "))
}

async fn backfill(sync: &NotionSync, tenant: &TenantId, name: &str, dry: bool) -> anyhow::Result<()> {
    let portal = sync.connections.portal(tenant).await?;
    let settings = NotionSync::settings(&portal)?;
    if settings.notion.named(name).is_none() {
        bail!(unknown(&settings, name));
    }
    let id = sync.start(tenant, name, &RunRequest { dry, since: None, by: "the command line" }).await?;
    loop {
        let Some((run, _)) = sync.runs.get(tenant, &id).await? else { bail!("the run is no longer stored") };
        // One line that is overwritten: progress for people, nothing for pipes.
        eprint!("\r\x1b[K{}", line(&run));
        std::io::stderr().flush()?;
        if run.has_ended() {
            eprintln!();
            println!("{}", line(&run));
            for example in &run.examples {
                println!("  {example}");
            }
            if run.counts.entries > 0 {
                println!(
                    "All {} lines, with every field that differs: switchboard sync lines --run {id}",
                    run.counts.entries
                );
            }
            return match &run.phase {
                Phase::Stopped { why } => bail!("{why}"),
                _ => Ok(()),
            };
        }
        if later(run.touched_at, SILENCE) < sync.backend.clock.now() && run.waits_for.is_none() {
            eprintln!();
            bail!(
                "no host is working on it. Start one (`switchboard serve`): the run then continues by itself, and `sync status` shows it"
            );
        }
        sync.backend.clock.sleep(Duration::from_millis(500)).await;
    }
}

/// A run in one line.
fn line(run: &SyncRun) -> String {
    let state = match &run.phase {
        Phase::Rows { .. } => "reading rows".to_owned(),
        Phase::Numbers { .. } | Phase::Keys { .. } => "comparing rows and records".to_owned(),
        Phase::Records { after } => format!("at record {after}"),
        Phase::Done => "done".into(),
        Phase::Stopped { .. } => "stopped".into(),
    };
    let counts = &run.counts;
    let waits = run.waits_for.as_deref().map(|cause| format!("; waiting: {cause}")).unwrap_or_default();
    format!(
        "{} {}: {state}; {} rows, {} records, {} made, {} linked by number, {} by title or name, {} by another key, {} updated, {} left out, {} failed, {} records with several rows, {} rows whose number matches no record{waits}",
        if run.dry { "plan" } else { "run" },
        run.database,
        counts.rows,
        counts.records,
        counts.created,
        counts.linked_by_id,
        counts.linked_by_title,
        counts.linked_by_key,
        counts.changed,
        counts.left_out,
        counts.failed,
        counts.doubles,
        counts.strays
    )
}
