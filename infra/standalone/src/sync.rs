//! `sync`: how the Notion databases stand, and what a backfill would do and does.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use connect::Connections;
use mirror::runs::{Phase, Wanted};
use mirror::{Mirror, Run};
use platform::TenantId;
use platform::clock::later;
use slack::ApiBase;

use crate::codes;

/// Who works the queue writes at least so often.
const SILENCE: Duration = Duration::from_secs(90);

/// Where.
#[derive(Debug, Args)]
pub struct Place {
    /// The database of the running host, as `--database` or `--config` names it.
    #[arg(skip)]
    database: PathBuf,
    /// Whose; may be left out where one portal is connected.
    #[arg(long)]
    tenant: Option<String>,
}

/// What is wanted.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the databases, what holds them up, and the latest runs.
    Status {
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Says what a backfill would make, link and change, and does nothing.
    Plan {
        /// The database, by its name in the settings.
        name: String,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Brings existing records and existing rows together. The host has to be running; Ctrl-C here does not stop the run.
    Run {
        /// The database, by its name in the settings.
        name: String,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Lists the latest conflicts; the page Notion of /admin can undo them.
    Conflicts {
        /// Where.
        #[command(flatten)]
        place: Place,
    },
}

/// Does what is wanted, on the database of a host.
pub async fn run(mut command: Command, database: PathBuf) -> anyhow::Result<()> {
    let (Command::Status { place }
    | Command::Plan { place, .. }
    | Command::Run { place, .. }
    | Command::Conflicts { place }) = &mut command;
    place.database = database;
    match command {
        Command::Status { place } => status(&place).await,
        Command::Plan { name, place } => backfill(&place, &name, true).await,
        Command::Run { name, place } => backfill(&place, &name, false).await,
        Command::Conflicts { place } => conflicts(&place).await,
    }
}

async fn open(place: &Place) -> anyhow::Result<(Mirror, TenantId)> {
    let ports = codes::ports(&place.database)?;
    let tenant = codes::tenant(&ports, place.tenant.clone()).await?;
    // No provider is called from here.
    Ok((Mirror::new(&ports, Connections::new(&ports, ApiBase::default())), tenant))
}

async fn status(place: &Place) -> anyhow::Result<()> {
    let (mirror, tenant) = open(place).await?;
    let portal = mirror.connections.portal(&tenant).await?;
    let settings = Mirror::settings(&portal)?;
    match &portal.notion {
        Some(notion) => println!("Notion workspace {:?}, connection {:?}", notion.workspace, notion.name),
        None => println!("No Notion workspace is connected; put [notion] into the configuration (docs/notion.md)."),
    }
    if settings.notion.databases.is_empty() {
        println!("The settings name no database; docs/notion.md shows how.");
    }
    for database in &settings.notion.databases {
        match mirror.stored(&tenant, &database.name).await? {
            None => println!("{}: not looked at yet", database.name),
            Some(known) => {
                let state = known.closed.as_ref().map_or("open", |closed| closed.text.as_str());
                println!("{}: {state} (looked at {})", database.name, known.checked_at.strftime("%H:%M:%S UTC"));
                for trouble in known.troubles.iter().chain(&known.notices) {
                    println!("  {}: {}", trouble.field, trouble.text);
                }
            }
        }
    }
    for run in mirror.runs.latest(&tenant, 5).await? {
        println!("{}", line(&run));
    }
    Ok(())
}

async fn conflicts(place: &Place) -> anyhow::Result<()> {
    let (mirror, tenant) = open(place).await?;
    let latest = mirror.conflicts.latest(&tenant, 50).await?;
    if latest.is_empty() {
        println!("There are none.");
    }
    for kept in latest {
        let undone = if kept.undone.is_some() { " (undone)" } else { "" };
        println!("{} {} {}: {}{undone}", kept.at.strftime("%Y-%m-%d %H:%M"), kept.record, kept.title, kept.line());
    }
    Ok(())
}

async fn backfill(place: &Place, name: &str, dry: bool) -> anyhow::Result<()> {
    let (mirror, tenant) = open(place).await?;
    let portal = mirror.connections.portal(&tenant).await?;
    let settings = Mirror::settings(&portal)?;
    if settings.notion.named(name).is_none() {
        let names: Vec<_> = settings.notion.databases.iter().map(|database| database.name.as_str()).collect();
        bail!("the settings have no database {name:?}; they have: {}", names.join(", "));
    }
    let id = mirror.start(&tenant, name, &Wanted { dry, since: None, by: "the command line" }).await?;
    loop {
        let Some((run, _)) = mirror.runs.get(&tenant, &id).await? else { bail!("the run is not kept any more") };
        // One line that is written over: progress for people, nothing for pipes.
        eprint!("\r\x1b[K{}", line(&run));
        std::io::stderr().flush()?;
        if run.has_ended() {
            eprintln!();
            println!("{}", line(&run));
            for example in &run.examples {
                println!("  {example}");
            }
            return match &run.phase {
                Phase::Stopped { why } => bail!("{why}"),
                _ => Ok(()),
            };
        }
        if later(run.touched_at, SILENCE) < mirror.ports.clock.now() && run.waits_for.is_none() {
            eprintln!();
            bail!(
                "nobody works on it: start the host (`switchboard serve`), and the run goes on by itself; `sync status` shows it"
            );
        }
        mirror.ports.clock.sleep(Duration::from_millis(500)).await;
    }
}

/// A run in one line.
fn line(run: &Run) -> String {
    let state = match &run.phase {
        Phase::Rows { .. } => "reading rows".to_owned(),
        Phase::Records { after } => format!("at record {after}"),
        Phase::Done => "done".into(),
        Phase::Stopped { .. } => "stopped".into(),
    };
    let counts = &run.counts;
    let waits = run.waits_for.as_deref().map(|cause| format!("; waits: {cause}")).unwrap_or_default();
    format!(
        "{} {}: {state}; {} rows, {} records, {} made, {} linked by number, {} by title, {} brought into step, {} left out, {} failed{waits}",
        if run.dry { "plan" } else { "run" },
        run.database,
        counts.rows,
        counts.records,
        counts.created,
        counts.linked_by_id,
        counts.linked_by_title,
        counts.changed,
        counts.left_out,
        counts.failed
    )
}
