//! The schema of a database, by version: older files are brought up to date, newer ones are refused.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::fault::{OpenError, SqliteFault, beside};

/// The version that this program makes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// What makes a schema of each version from the one before; the first from an empty file, and from all those that were
/// made before files had a version.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = ["
    CREATE TABLE IF NOT EXISTS items (
        tbl TEXT NOT NULL, part TEXT NOT NULL, sort TEXT NOT NULL,
        value TEXT NOT NULL, version INTEGER NOT NULL, expires_at INTEGER,
        PRIMARY KEY (tbl, part, sort)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS items_expiring ON items (expires_at) WHERE expires_at IS NOT NULL;

    CREATE TABLE IF NOT EXISTS messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, grp TEXT NOT NULL, body TEXT NOT NULL,
        visible_at INTEGER NOT NULL, receives INTEGER NOT NULL DEFAULT 0, lease TEXT
    );
    CREATE INDEX IF NOT EXISTS messages_by_group ON messages (queue, grp, seq);
    CREATE INDEX IF NOT EXISTS messages_leased ON messages (queue, grp) WHERE lease IS NOT NULL;

    -- One row for each group that has messages: when its next message may be handed out. A group's name begins
    -- with its tenant: tenants take turns.
    CREATE TABLE IF NOT EXISTS groups (
        queue TEXT NOT NULL, grp TEXT NOT NULL, ready_at INTEGER NOT NULL, PRIMARY KEY (queue, grp)
    ) WITHOUT ROWID;
    DROP INDEX IF EXISTS groups_ready;
    DROP INDEX IF EXISTS groups_due;
    CREATE INDEX IF NOT EXISTS groups_in_turn ON groups (queue, substr(grp, 1, instr(grp || '#', '#') - 1), ready_at);

    CREATE TABLE IF NOT EXISTS deduplications (
        queue TEXT NOT NULL, id TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (queue, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS deduplications_old ON deduplications (until);

    CREATE TABLE IF NOT EXISTS dead_letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, letter TEXT NOT NULL
    );
"];

/// What a file is to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaState {
    /// It has no tables yet.
    Empty,
    /// It can be used as it is.
    Current,
    /// It has to be migrated from this version.
    Older(u32),
    /// A newer program made it.
    Newer(u32),
}

pub(crate) fn state(connection: &Connection) -> rusqlite::Result<SchemaState> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match version {
        version if version > SCHEMA_VERSION => SchemaState::Newer(version),
        SCHEMA_VERSION => SchemaState::Current,
        0 if tables == 0 => SchemaState::Empty,
        version => SchemaState::Older(version),
    })
}

/// The words about a file of a newer version.
pub(crate) fn newer(version: u32) -> String {
    format!(
        "a newer Switchboard wrote it: its schema has version {version}, and this program knows versions up to \
         {SCHEMA_VERSION}. Use the newer program, or restore the copy that it made before it changed the schema"
    )
}

/// Brings the schema up to date, a transaction for each version. What an older program wrote is copied first.
pub(crate) fn migrate(connection: &mut Connection, path: &Path, from: SchemaState) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::from(SqliteFault::of(&error, path));
    let version = match from {
        SchemaState::Current => return Ok(()),
        SchemaState::Newer(version) => return Err(OpenError::new(path, newer(version))),
        SchemaState::Empty => 0,
        SchemaState::Older(version) => {
            let copy = copy_before_migration(connection, path, version)?;
            tracing::warn!(
                from = version, to = SCHEMA_VERSION, copy = %copy.display(),
                "the database of an earlier version is brought up to date; a copy of it is kept"
            );
            version
        }
    };
    for (next, migration) in (1_u32..).zip(MIGRATIONS).skip(version as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction.execute_batch(migration).map_err(failed)?;
        transaction.pragma_update(None, "user_version", next).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// Copies the database beside itself.
fn copy_before_migration(connection: &Connection, path: &Path, version: u32) -> Result<PathBuf, OpenError> {
    let kept = beside(path, &format!(".before-version-{}", version + 1));
    let new = beside(&kept, ".new");
    let _ = fs::remove_file(&new);
    let copied = crate::maintenance::copy(connection, path, &new, &mut |_| {});
    copied.and_then(|()| fs::rename(&new, &kept).map_err(|error| OpenError::new(&kept, error.to_string()))).map_err(
        |cause| {
            OpenError::new(
                path,
                format!("its schema was not changed, because no copy of it could be made before: {cause}"),
            )
        },
    )?;
    Ok(kept)
}
