//! A tenant as a file: all its data, with its secrets sealed by a separate key that is given to the operator, not
//! written into the file. One item a line, as JSON, after a first line that describes the file. Any engine can import
//! it.

use std::io::BufRead;

use jiff::Timestamp;
use runtime::seal::{KeyRing, SealError, Sealed};
use runtime::secrets::{KEY_RING, SecretsError, add_line};
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{Backend, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::portals::{Portal, Portals, TokenDigest, Workspace};
use crate::secret_names::SLACK_SIGNING;
use crate::{departure, each_of, shared_keys};

/// The version of the file that is written; others are refused.
const VERSION: u32 = 1;
const SIGNING: &str = "slack-signing-secret";
/// The partitions that tenants share and that hold items of a tenant.
const SHARED_PARTITIONS: [&str; 3] =
    [crate::portals::WORKSPACES, crate::hooks::PARTITION, crate::hooks::PLAIN_PARTITION];

/// Why a tenant could not be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The tenant does not exist.
    #[error("no portal {0} is connected")]
    NoTenant(TenantId),
    /// The tenant already exists here.
    #[error("portal {0} is connected here already; take it out first, or import with --replace")]
    IsThere(TenantId),
    /// The file is not an export, or has another version.
    #[error("line {line}: {what}")]
    Format {
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The key is not the file's.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A secret could not be read or written.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be read or written.
    #[error("the file: {0}")]
    File(#[from] std::io::Error),
}

#[derive(Serialize, Deserialize)]
struct Head {
    switchboard_export: u32,
    tenant: TenantId,
    at: Timestamp,
    /// The signing secret of the Slack app, if the tenant has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slack_signing: Option<Sealed>,
}

#[derive(Serialize, Deserialize)]
struct ExportLine {
    table: String,
    partition: String,
    sort: String,
    value: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// The result of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub tenant: TenantId,
    /// How many items.
    pub items: u64,
}

/// Writes a tenant to `file`; returns how many items, and the key that opens its secrets.
pub async fn export(
    backend: &Backend,
    tenant: &TenantId,
    mut file: impl std::io::Write,
) -> Result<(u64, SecretString), ExportError> {
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    let portal = portals.fresh(tenant).await?.ok_or_else(|| ExportError::NoTenant(tenant.clone()))?;
    let own = KeyRing::parse(&backend.secrets.get(KEY_RING).await?)?;
    let key = KeyRing::generate();
    let ring = KeyRing::parse(&key)?;
    let head = Head {
        switchboard_export: VERSION,
        tenant: tenant.clone(),
        at: backend.clock.now(),
        slack_signing: match signing_of(backend, &portals, &portal).await? {
            Some(secret) => Some(ring.seal(tenant, SIGNING, &secret)?),
            None => None,
        },
    };
    writeln!(file, "{}", json(&head)?)?;
    let mut lines: Vec<ExportLine> = Vec::new();
    let collected = std::sync::Mutex::new(&mut lines);
    for table in [Table::Links, Table::Ledger, Table::Portals] {
        each_of(backend, table, tenant.as_str(), |item, expires_at| {
            let line = item.decode().map(|value| ExportLine {
                table: table.name().to_owned(),
                partition: item.key.partition.clone(),
                sort: item.key.sort.clone(),
                value,
                expires_at,
            });
            if let Ok(line) = line {
                collected.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
            }
            async { Ok::<_, StoreError>(()) }
        })
        .await?;
    }
    for key in shared_keys(backend, tenant).await? {
        if let Some(item) = backend.store.get(&key).await? {
            let value = item.decode()?;
            let (table, ItemKey { partition, sort, .. }) = (key.table.name().to_owned(), key);
            lines.push(ExportLine { table, partition, sort, value, expires_at: None });
        }
    }
    for line in &mut lines {
        ring.reseal(&own, tenant, &mut line.value)?;
        writeln!(file, "{}", json(line)?)?;
    }
    file.flush()?;
    Ok((lines.len() as u64, key))
}

fn json<T: Serialize>(value: &T) -> std::io::Result<String> {
    serde_json::to_string(value).map_err(std::io::Error::other)
}

async fn signing_of(
    backend: &Backend,
    portals: &Portals,
    portal: &Portal,
) -> Result<Option<SecretString>, ExportError> {
    let Some(slack) = &portal.slack else { return Ok(None) };
    let Some(Workspace { signing, .. }) = portals.workspace(&slack.team_id).await? else { return Ok(None) };
    let known = match backend.secrets.get(SLACK_SIGNING).await {
        Ok(known) => known,
        Err(SecretsError::Missing(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut lines = known.expose_secret().lines().map(str::trim);
    Ok(lines.find(|line| TokenDigest::of(line).matches(&signing)).map(SecretString::from))
}

/// Imports a tenant. Its connection comes last: nothing is worked for it before everything is there.
pub async fn import(
    backend: &Backend,
    file: impl BufRead,
    key: &SecretString,
    replace: bool,
) -> Result<Imported, ExportError> {
    let ring = KeyRing::parse(key)?;
    let own = KeyRing::parse(&backend.secrets.get(KEY_RING).await?)?;
    let mut lines = file.lines().enumerate();
    let format = |line: usize, what: &str| ExportError::Format { line: line + 1, what: what.to_owned() };
    let (_, first) = lines.next().ok_or_else(|| format(0, "the file is empty"))?;
    let head: Head = serde_json::from_str(&first?)
        .map_err(|_| format(0, "this is no export of a tenant; `switchboard tenants export` makes one"))?;
    if head.switchboard_export != VERSION {
        return Err(format(0, "this export was written by another version of Switchboard"));
    }
    let tenant = head.tenant;
    let portals = Portals::new(backend.store.clone(), backend.clock.clone());
    let is_there = portals.fresh(&tenant).await?.is_some();
    if is_there && !replace {
        return Err(ExportError::IsThere(tenant));
    }
    let is_leaving = departure::of(backend, &tenant).await?.is_some_and(|departure| departure.done_at.is_none());
    if is_there || is_leaving {
        departure::depart(backend, &tenant).await?;
    }
    departure::forget(backend, &tenant).await?;
    let mut portal: Option<Portal> = None;
    let mut items = 0;
    for (number, line) in lines {
        let mut line: ExportLine =
            serde_json::from_str(&line?).map_err(|error| format(number, &format!("not an item: {error}")))?;
        let table = Table::ALL.into_iter().find(|table| table.name() == line.table);
        let table = table.ok_or_else(|| format(number, "an unknown table"))?;
        // A file can only bring the tenant's own items.
        let is_own = line.partition == tenant.as_str() || line.partition.starts_with(&format!("{tenant}#"));
        let is_shared = line.value["tenant"] == tenant.as_str() && SHARED_PARTITIONS.contains(&line.partition.as_str());
        if !is_own && !is_shared {
            return Err(format(number, "an item of another tenant"));
        }
        own.reseal(&ring, &tenant, &mut line.value)?;
        items += 1;
        if table == Table::Portals && line.partition == tenant.as_str() && line.sort == "portal" {
            let read = serde_json::from_value(line.value);
            portal = Some(read.map_err(|error| format(number, &format!("the connection: {error}")))?);
            continue;
        }
        let mut write =
            StoreWrite::new(ItemKey::new(table, line.partition, line.sort), &line.value, WriteCondition::Always)?;
        write.expires_at = line.expires_at;
        backend.store.put(write).await?;
    }
    let portal = portal.ok_or_else(|| format(0, "the file ends without the tenant's connection; it was cut"))?;
    if let Some(sealed) = &head.slack_signing {
        add_line(backend.secrets.as_ref(), SLACK_SIGNING, &ring.open(&tenant, SIGNING, sealed)?).await?;
    }
    portals.put(&portal).await?;
    Ok(Imported { tenant, items })
}
