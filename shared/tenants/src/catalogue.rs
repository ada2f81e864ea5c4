//! What is kept where: every kind of item that a tenant has, how to list it without reading whole tables, and what
//! happens to it when a person's data is deleted.
//!
//! This is the only list. The journeys compare every written key with it, so a new kind of item is added here first.

use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::{earlier, later};
use runtime::store::{ItemKey, Query, Store, StoreError, Table, Version, written_by};

/// What happens to an item in which a person is found, when their data is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is deleted: it is about the person, or is made again when needed.
    Delete,
    /// Their words in it are replaced; ids, statuses and times remain, so that nothing happens twice.
    Blank,
    /// Deleted once a record and its page are no longer synced; until then it follows both.
    SyncState,
    /// It remains, for this reason.
    Keep(&'static str),
}

/// A kind of item.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredKind {
    pub table: Table,
    /// What follows the tenant in the partition; empty for the tenant's own, with `#` for items in partitions that
    /// tenants share.
    pub partition: &'static str,
    /// The prefix of the sort key.
    pub sort: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What happens to it.
    pub treatment: Treatment,
}

const SETTINGS: &str = "settings are written by administrators; take the name or e-mail out on the page Settings, or change the connection";
const NO_WORDS: &str = "it holds ids, digests and times only";
const AUDIT: &str =
    "the audit says who changed what, for a year: the person who runs Switchboard has to be able to show it";
const API_KEY: &str = "the name of an API key; revoke the key on the page API keys";

const fn kind(
    table: Table,
    partition: &'static str,
    sort: &'static str,
    name: &'static str,
    treatment: Treatment,
) -> StoredKind {
    StoredKind { table, partition, sort, name, treatment }
}

/// All kinds. If several match a key, the first counts.
pub const KINDS: &[StoredKind] = {
    use Table::{Ledger, Limits, Links, Portals};
    use Treatment::{Blank, Delete, Keep, SyncState};
    &[
        kind(Portals, "", "portal", "connection and settings", Keep(SETTINGS)),
        kind(Portals, "", "token#person#", "own access to Bitrix24", Delete),
        kind(Portals, "", "token#", "access of the connection", Keep(NO_WORDS)),
        kind(Portals, "", "hook-key", "key of the address", Keep(NO_WORDS)),
        kind(Portals, "", "notion-hook", "address of Notion's webhooks", Keep(NO_WORDS)),
        kind(Portals, "", "trouble#", "trouble of a connection", Blank),
        kind(Portals, "", "api-key#", "API key", Keep(API_KEY)),
        kind(Portals, "apps", "token#person#", "own access to Bitrix24", Delete),
        kind(Portals, "apps", "", "keys of the portal's own application", Keep(NO_WORDS)),
        kind(Portals, "session", "", "session", Delete),
        kind(Portals, "#admin", "", "session", Delete),
        kind(Portals, "#tenants", "", "list of tenants", Keep(NO_WORDS)),
        kind(Portals, "#workspaces", "", "whose a workspace is", Keep(NO_WORDS)),
        kind(Portals, "#notion-hooks", "", "address of Notion's webhooks", Keep(NO_WORDS)),
        kind(Portals, "#hooks", "", "address of Notion's webhooks", Keep(NO_WORDS)),
        kind(Portals, "#apps", "", "keys of an application", Keep(NO_WORDS)),
        kind(Portals, "#rounds", "", "whose turn is next", Keep(NO_WORDS)),
        kind(Portals, "#generation", "", "when the data was restored from a backup", Keep(NO_WORDS)),
        kind(Portals, "#departed", "", "a tenant that left", Keep(NO_WORDS)),
        kind(Portals, "learned", "", "a portal's id", Keep(NO_WORDS)),
        kind(Links, "record", "", "last state of a record", Blank),
        kind(Links, "reading", "", "state read meanwhile", Delete),
        kind(Links, "names", "", "name, for cards", Delete),
        kind(Links, "channel", "", "channel by its name", Delete),
        kind(Links, "direct", "", "direct messages of a person", Delete),
        kind(Links, "claim", "", "what was handled once", Keep(NO_WORDS)),
        kind(Links, "card", "", "first card of a record", Keep(NO_WORDS)),
        kind(Links, "hold", "", "line of a digest", Blank),
        kind(Links, "errand", "", "digest to be made", Blank),
        kind(Links, "sighting", "", "when events came last", Keep(NO_WORDS)),
        kind(Links, "sweep", "", "how far the sweep is", Blank),
        kind(Links, "baseline", "", "how far the baseline is", Keep(NO_WORDS)),
        kind(Links, "counts", "", "counts of a day", Keep(NO_WORDS)),
        kind(Links, "listing", "", "how far a listing is", Keep(NO_WORDS)),
        kind(Links, "person", "", "user mapping", Delete),
        kind(Links, "person-code", "", "code that links a person", Delete),
        kind(Links, "draft", "", "command text to be corrected, for a day", Delete),
        kind(Links, "waiting", "", "command that had to wait, for two weeks", Delete),
        kind(Links, "profile", "", "profile", Delete),
        kind(Links, "bridge", "", "channel bridged with a chat", Blank),
        kind(Links, "message", "", "which message is which", Keep(NO_WORDS)),
        kind(Links, "bot", "", "our bot", Keep(NO_WORDS)),
        kind(Links, "alert", "", "what operators were notified of", Blank),
        kind(Links, "intake", "", "what the API has made", Blank),
        kind(Links, "api-job", "", "job of the API", Blank),
        kind(Links, "backfill", "", "run over a database", Blank),
        kind(Links, "rows", "", "row that a run has read", Delete),
        kind(Links, "plan", "", "what a run would change", Delete),
        kind(Links, "body", "", "rest of a page's body", Blank),
        kind(Links, "conflict", "", "conflict", Delete),
        kind(Links, "attention", "", "value that could not be synced", Delete),
        kind(
            Links,
            "database",
            "",
            "schema of a database",
            Keep("what the database shows in Notion; it is read again every ten minutes"),
        ),
        kind(Links, "page", "", "sync state", SyncState),
        kind(Links, "notion", "", "who is who in Notion", Delete),
        kind(Ledger, "audit", "", "audit entry", Keep(AUDIT)),
        kind(Ledger, "day", "", "line of the log", Blank),
        kind(Limits, "", "", "limits of a provider", Keep(NO_WORDS)),
    ]
};

/// The kind of the item at a key; `None` if the list does not know it.
pub fn kind_of(key: &ItemKey) -> Option<&'static StoredKind> {
    let partition = match (key.table, key.partition.as_str()) {
        (Table::Limits, _) => "",
        (_, shared) if shared.starts_with('#') => shared,
        (Table::Portals, "learned") => "learned",
        (table, own) => {
            let within = own.split_once('#').map_or("", |(_, within)| within);
            let first = within.split('#').next().unwrap_or_default();
            let is_day = table == Table::Ledger && first.parse::<jiff::civil::Date>().is_ok();
            if is_day { "day" } else { first }
        }
    };
    KINDS.iter().find(|kind| kind.table == key.table && kind.partition == partition && key.sort.starts_with(kind.sort))
}

/// How long log lines are kept, and a day more for clocks that differ.
const LOG_DAYS: u64 = 31;
/// How long a run's rows and plan can be there, counted from its beginning: their own ages are shorter.
const RUN_TTL: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// The partitions that hold a tenant's own items, each to be listed separately. `#admin` is shared by all tenants: only
/// items that name the tenant belong to it.
pub async fn partitions(
    store: &dyn Store,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Vec<(Table, String)>, StoreError> {
    let mut all = fixed_partitions(tenant, now);
    all.push((Table::Portals, "#admin".to_owned()));
    all.extend(named_partitions(store, tenant, now).await?.into_iter().map(|partition| (Table::Links, partition)));
    Ok(all)
}

/// Those of the tenant alone whose names follow from the tenant and the day.
pub(crate) fn fixed_partitions(tenant: &TenantId, now: Timestamp) -> Vec<(Table, String)> {
    let mut all: Vec<(Table, String)> = Vec::new();
    for kind in KINDS {
        let partition = match (kind.table, kind.partition) {
            (Table::Limits, _) | (_, "day" | "hold" | "rows" | "plan" | "learned") => continue,
            (_, "") => tenant.to_string(),
            (_, shared) if shared.starts_with('#') => continue,
            (_, within) => format!("{tenant}#{within}"),
        };
        let place = (kind.table, partition);
        if !all.contains(&place) {
            all.push(place);
        }
    }
    let day = Duration::from_secs(24 * 60 * 60);
    for back in 0..=LOG_DAYS + 1 {
        let moment = later(now, day).checked_sub(day * u32::try_from(back).unwrap_or_default());
        let moment = moment.unwrap_or(Timestamp::UNIX_EPOCH);
        all.push((Table::Ledger, format!("{tenant}#{}", runtime::ledger::today(moment))));
    }
    all
}

/// Those of the links that other items name: the items of a digest are listed by the digest's own entry, rows and plans
/// by their run.
pub(crate) async fn named_partitions(
    store: &dyn Store,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let digests = entries(store, format!("{tenant}#errand")).await?.into_iter().map(|(digest, _)| digest);
    let mut all: Vec<String> = digests.filter(|digest| digest.starts_with(&format!("{tenant}#hold#"))).collect();
    // A version is no older than the item's last write from nothing.
    let oldest = written_by(earlier(now, RUN_TTL));
    for (run, _) in entries(store, format!("{tenant}#backfill")).await?.into_iter().filter(|(_, at)| *at >= oldest) {
        all.extend(["rows", "plan"].map(|kind| format!("{tenant}#{kind}#{run}")));
    }
    Ok(all)
}

/// The sort and the version of each item of a partition of the links.
async fn entries(store: &dyn Store, partition: String) -> Result<Vec<(String, Version)>, StoreError> {
    let (mut query, mut found) = (Query::prefix(Table::Links, partition, ""), Vec::new());
    loop {
        let page = store.list(&query).await?;
        found.extend(page.items.into_iter().map(|item| (item.key.sort, item.version)));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_kind_that_its_partition_and_sort_say() {
        let name =
            |table, partition: &str, sort: &str| kind_of(&ItemKey::new(table, partition, sort)).map(|kind| kind.name);
        assert_eq!(name(Table::Portals, "t", "portal"), Some("connection and settings"));
        assert_eq!(name(Table::Portals, "t", "token#person#15"), Some("own access to Bitrix24"));
        assert_eq!(name(Table::Portals, "t", "token#slack"), Some("access of the connection"));
        assert_eq!(name(Table::Portals, "t", "something new"), None);
        assert_eq!(name(Table::Portals, "#admin", "session#1"), Some("session"));
        assert_eq!(name(Table::Links, "t#rows#run", "page#1"), Some("row that a run has read"));
        assert_eq!(name(Table::Links, "t#unknown", "x"), None);
        assert_eq!(name(Table::Ledger, "t#2026-11-21", "x"), Some("line of the log"));
        assert_eq!(name(Table::Ledger, "t#audit", "x"), Some("audit entry"));
    }
}
