//! `switchboard database …`: checks, compacts, backs up and restores the database of a host, with its key ring.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use command_line::terminal::{progress, spinning};
use jiff::Timestamp;
use runtime::generation::{self, RestoreMark};
use runtime::secrets::KEY_RING;
use runtime::{Clock, SystemClock, private_files};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlite::maintenance::{self, DatabaseReport, SealReport};
use sqlite::{FileSecrets, HostLock, SCHEMA_VERSION, SqliteFile, SqliteStore};
use tokio::task::spawn_blocking;

use crate::beats::Beats;
use crate::database;

/// What a backup consists of.
const DATABASE: &str = "switchboard.db";
const SECRETS: &str = "secrets";
const DESCRIPTION: &str = "backup.json";

/// What can be done with the database of a host.
#[derive(Debug, Subcommand)]
pub enum DatabaseCommand {
    /// Reads the whole database and opens everything sealed in it. Changes nothing; the host may be running.
    Check,
    /// Deletes what has expired and gives free space back to the disk. Stop the host first; it needs as much free space
    /// as the database holds.
    Compact,
    /// Copies the database as it is at one moment, and its secrets, into a new folder. The host may be running.
    ///
    /// The copy holds customers' data and the keys that open all tokens in it: keep it as safe as the server itself.
    Backup {
        /// The folder, which must not exist yet.
        to: PathBuf,
    },
    /// Puts a backup in place of the database and its secrets. Stop the host first.
    ///
    /// The backup is checked before anything is changed, and what it replaces is kept beside it. What was sent after the
    /// backup was made is not sent again: it is looked up first.
    Restore {
        /// The folder that `database backup` made.
        from: PathBuf,
        /// Only checks the backup.
        #[arg(long)]
        dry_run: bool,
    },
    /// Makes a new key ring when the old one is lost for good and no backup has it. Stop the host first.
    ///
    /// Nothing that the lost key ring sealed can be opened: every portal and workspace has to be connected again.
    NewKeys {
        /// Confirms that the old key ring is lost.
        #[arg(long)]
        yes: bool,
    },
}

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct BackupDescription {
    made_at: Timestamp,
    schema_version: u32,
    program: String,
}

/// Runs a command on the database at `path`; returns what to print.
pub async fn run(command: DatabaseCommand, path: &Path, json: bool) -> anyhow::Result<String> {
    match command {
        DatabaseCommand::Check => check(path, json).await,
        DatabaseCommand::Compact => compact(path).await,
        DatabaseCommand::Backup { to } => back_up(path, &to).await,
        DatabaseCommand::Restore { from, dry_run } => restore(path, &from, dry_run).await,
        DatabaseCommand::NewKeys { yes } => new_keys(path, yes).await,
    }
}

/// The folder of a database's secrets.
fn secrets_of(path: &Path) -> PathBuf {
    path.with_extension("secrets")
}

fn key_ring(folder: &Path) -> anyhow::Result<SecretString> {
    let file = folder.join(KEY_RING);
    let text = fs::read_to_string(&file).with_context(|| format!("the key ring {} cannot be read", file.display()))?;
    Ok(text.into())
}

/// Everything that can be known of a database and the key ring in `secrets`.
async fn examined(path: &Path, secrets: &Path) -> anyhow::Result<(DatabaseReport, SealReport)> {
    let (path, secrets) = (path.to_owned(), secrets.to_owned());
    let examine = move || -> anyhow::Result<_> {
        maintenance::check_version(&path)?;
        let report = maintenance::check(&path)?;
        if !report.problems.is_empty() {
            return Ok((report, SealReport::default()));
        }
        let seals = match maintenance::sealed_items(&path)? {
            0 => SealReport::default(),
            _ => maintenance::check_seals(&path, &key_ring(&secrets)?)?,
        };
        Ok((report, seals))
    };
    spinning("Checking the database", spawn_blocking(examine)).await?
}

/// Refuses a database that is not whole, or whose secrets are not those that it was sealed with.
fn refuse_problems(path: &Path, report: &DatabaseReport, seals: &SealReport) -> anyhow::Result<()> {
    if !report.problems.is_empty() {
        bail!(
            "the database {} is damaged:\n  {}\nRestore a backup with `switchboard database restore`",
            path.display(),
            report.problems.join("\n  ")
        );
    }
    if !seals.closed.is_empty() {
        let items: Vec<_> = seals.closed.iter().map(String::as_str).collect();
        bail!(
            "the key ring beside {} does not open what is sealed in it:\n  {}\nPut back the folder of secrets that belongs to it",
            path.display(),
            items.join("\n  ")
        );
    }
    Ok(())
}

async fn check(path: &Path, json: bool) -> anyhow::Result<String> {
    let (report, seals) = examined(path, &secrets_of(path)).await?;
    refuse_problems(path, &report, &seals)?;
    if json {
        let shown = serde_json::json!({
            "schema_version": report.schema_version, "bytes": report.bytes, "log_bytes": report.log_bytes,
            "free_bytes": report.free_bytes, "items": report.items, "messages": report.messages,
            "dead_letters": report.dead_letters, "sealed_values": seals.opened,
        });
        return Ok(serde_json::to_string_pretty(&shown)?);
    }
    let mut text = format!("The database {} is whole.\n", path.display());
    writeln!(text, "  schema      version {} of {SCHEMA_VERSION}", report.schema_version)?;
    writeln!(
        text,
        "  size        {}, of which {} are free; its log {}",
        size(report.bytes),
        size(report.free_bytes),
        size(report.log_bytes)
    )?;
    writeln!(
        text,
        "  holds       {} items, {} messages, {} dead letters",
        report.items, report.messages, report.dead_letters
    )?;
    writeln!(text, "  sealed      {} values; the key ring opens all of them", seals.opened)?;
    Ok(text)
}

async fn compact(path: &Path) -> anyhow::Result<String> {
    let database = opened_alone(path).await?;
    let expired = SqliteStore::new(database.clone(), Arc::new(SystemClock)).delete_expired().await?;
    database.close().await;
    drop(database);
    let file = path.to_owned();
    let compact = move || maintenance::compact(&file, &HostLock::acquire(&file)?);
    let (before, after) = spinning("Compacting the database", spawn_blocking(compact)).await??;
    Ok(format!("{} before, {} after; {expired} expired items were deleted.", size(before), size(after)))
}

/// The database of a host that is stopped.
async fn opened_alone(path: &Path) -> anyhow::Result<SqliteFile> {
    if !path.exists() {
        bail!("no database at {}; name it with --database, or its configuration with --config", path.display());
    }
    let file = path.to_owned();
    Ok(spawn_blocking(move || SqliteFile::open_for_host(&file, HostLock::acquire(&file)?)).await??)
}

async fn back_up(path: &Path, to: &Path) -> anyhow::Result<String> {
    if to.exists() {
        bail!("{} is there already; name a new folder, so that no other backup is lost", to.display());
    }
    // What has its name is whole.
    let partial = ending(to, "partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("{} cannot be removed", partial.display()))?;
    }
    private_files::folder(&partial).with_context(|| format!("the folder {} cannot be made", partial.display()))?;
    let made_at = SystemClock.now();
    let bar = progress(1, "Copying the database");
    let (source, copy, shown) = (path.to_owned(), partial.join(DATABASE), bar.clone());
    spawn_blocking(move || {
        maintenance::back_up(&source, &copy, &mut |copied| {
            shown.set_length(copied.all);
            shown.set_position(copied.done);
        })
    })
    .await??;
    bar.finish_and_clear();
    // After the database: a key ring only gets more keys while things are sealed again.
    copy_secrets(&secrets_of(path), &partial.join(SECRETS))?;
    let (report, seals) = examined(&partial.join(DATABASE), &partial.join(SECRETS)).await?;
    refuse_problems(&partial.join(DATABASE), &report, &seals)?;
    let description = BackupDescription {
        made_at,
        schema_version: report.schema_version,
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    private_files::create(&partial.join(DESCRIPTION))
        .and_then(|mut file| {
            std::io::Write::write_all(&mut file, serde_json::to_string_pretty(&description)?.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&partial, to))
        .with_context(|| format!("the backup {} cannot be finished", to.display()))?;
    Ok(format!(
        "Backed up into {}: {}, {} items, {} sealed values, all of them readable.\n\
         It holds customers' data and the keys that open all tokens in it: keep it as safe as the server.",
        to.display(),
        size(report.bytes),
        report.items,
        seals.opened
    ))
}

/// Copies the files of a folder of secrets.
fn copy_secrets(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copy = || -> std::io::Result<()> {
        private_files::folder(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            // A name that begins with a dot is being written.
            if entry.file_type()?.is_file() && !entry.file_name().to_string_lossy().starts_with('.') {
                let text = fs::read(entry.path())?;
                let mut file = private_files::create(&to.join(entry.file_name()))?;
                std::io::Write::write_all(&mut file, &text)?;
                file.sync_all()?;
            }
        }
        Ok(())
    };
    copy().with_context(|| format!("the secrets in {} cannot be copied into {}", from.display(), to.display()))
}

async fn restore(path: &Path, from: &Path, dry_run: bool) -> anyhow::Result<String> {
    let description = described(from)?;
    let (database, secrets) = (from.join(DATABASE), from.join(SECRETS));
    let (report, seals) = examined(&database, &secrets).await?;
    refuse_problems(&database, &report, &seals)?;
    let backup = format!(
        "the backup of {}: {}, {} items, {} sealed values",
        description.made_at,
        size(report.bytes),
        report.items,
        seals.opened
    );
    if dry_run {
        return Ok(format!("{} can be restored: {backup}.", from.display()));
    }
    let file = path.to_owned();
    let host = spawn_blocking(move || HostLock::acquire(&file)).await??;
    let now = SystemClock.now();
    let new = Beside::prepare(path, &database, &secrets)?;
    let replaced = new.put_in_place(path, now)?;
    mark(path, RestoreMark { backup_at: Some(description.made_at), ..RestoreMark::at(now) }).await?;
    host.closed().context("the lock file cannot be written")?;
    let mut text = format!("Restored {}, {backup}.\n", path.display());
    for aside in replaced {
        writeln!(text, "What was there is kept as {}; delete it when everything works.", aside.display())?;
    }
    text.push_str(
        "Start the host now. What it had sent after the backup is looked up before anything is sent again; a sweep and a \
         poll find what happened since.",
    );
    Ok(text)
}

fn described(from: &Path) -> anyhow::Result<BackupDescription> {
    let file = from.join(DESCRIPTION);
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "{} is not a backup that `switchboard database backup` made: {} is missing",
            from.display(),
            DESCRIPTION
        )
    })?;
    serde_json::from_str(&text).with_context(|| format!("{} cannot be read", file.display()))
}

/// A restored database and its secrets, beside those that they replace.
struct Beside {
    database: PathBuf,
    secrets: PathBuf,
}

impl Beside {
    /// Copies the backup, so that putting it in place is only a change of names.
    fn prepare(path: &Path, database: &Path, secrets: &Path) -> anyhow::Result<Self> {
        let new = Self { database: ending(path, "restoring"), secrets: ending(&secrets_of(path), "restoring") };
        let _ = fs::remove_file(&new.database);
        let _ = fs::remove_dir_all(&new.secrets);
        maintenance::back_up(database, &new.database, &mut |_| {})?;
        copy_secrets(secrets, &new.secrets)?;
        Ok(new)
    }

    /// Moves what is there aside and these into its place; returns the names of what was there. If it ends in between,
    /// everything is still there under one of the names.
    fn put_in_place(&self, path: &Path, now: Timestamp) -> anyhow::Result<Vec<PathBuf>> {
        let when = format!("replaced-{}", now.strftime("%Y%m%dT%H%M%SZ"));
        let mut replaced = Vec::new();
        if path.exists() {
            replaced.push(maintenance::set_aside(path, &format!(".{when}"))?);
        }
        let secrets = secrets_of(path);
        if secrets.exists() {
            let aside = ending(&secrets, &when);
            fs::rename(&secrets, &aside).with_context(|| format!("{} cannot be moved aside", secrets.display()))?;
            replaced.push(aside);
        }
        for (new, place) in [(&self.secrets, secrets.as_path()), (&self.database, path)] {
            fs::rename(new, place)
                .with_context(|| format!("{} cannot be put in place; rename it by hand", new.display()))?;
        }
        Ok(replaced)
    }
}

/// Notes in the restored database that it was restored. What the host keeps beside it says until when it had worked; on
/// another machine there is nothing beside it.
async fn mark(path: &Path, mark: RestoreMark) -> anyhow::Result<()> {
    let backend = database::open(path)?;
    if Beats::of(&backend, path).notice().await?.is_none() {
        generation::mark_restored(backend.store.as_ref(), mark).await?;
    }
    Ok(())
}

async fn new_keys(path: &Path, yes: bool) -> anyhow::Result<String> {
    let folder = secrets_of(path);
    if folder.join(KEY_RING).exists() {
        bail!("there is a key ring in {}; to change its key, use `switchboard keys rotate`", folder.display());
    }
    let database = opened_alone(path).await?;
    let sealed = maintenance::sealed_items(path)?;
    if !yes {
        bail!(
            "{sealed} items hold values that the lost key ring sealed, and nothing will open them: every portal and \
             workspace has to be connected again. Look for the folder {} in your backups first; if it is lost for good, \
             run this with --yes",
            folder.display()
        );
    }
    FileSecrets::open(folder.clone())?;
    database.close().await;
    Ok(format!(
        "Made a new key ring in {}. Start the host, then connect every portal and workspace again; `switchboard doctor` \
         names those that are left. {sealed} items still hold values of the lost key ring.",
        folder.display()
    ))
}

/// The path with an ending after its name.
fn ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

#[allow(clippy::cast_precision_loss)] // shown with one digit after the point
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
