//! The rows of a database as a run stored them, and which of them belongs to a record.

use std::time::Duration;

use clients::Failure;
use notion::NotionPage;
use records::Record;
use runtime::TenantId;
use runtime::clock::later;
use runtime::store::{ItemKey as StoreKey, MAX_WRITES, Query, StoreWrite, StoredItem, Table, WriteCondition};
use serde::Serialize;
use serde_json::json;
use settings::databases::RowKey;

use super::RunningBackfill;
use crate::database::OpenedDatabase;
use crate::fields::matching::Traits;
use crate::fields::page::Context;
use crate::runs::Phase;
use crate::work::matching::{self, RowMatch};

/// How long the stored rows are kept.
const ROWS_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A value is stored by its beginning and its length; rows that are found by it are compared in full.
const MAX_VALUE: usize = 80;

/// Reads a page of rows and stores them.
pub(super) async fn read(running: &mut RunningBackfill<'_>) -> Result<(), Failure> {
    let Phase::Rows { cursor, since } = running.run.phase.clone() else { return Ok(()) };
    let (sync, opened) = (running.sync, running.opened);
    let mut query = json!({"sorts": [{"timestamp": "created_time", "direction": "ascending"}], "page_size": 100});
    if let Some(since) = since {
        query["filter"] = json!({"timestamp": "created_time", "created_time": {"on_or_after": since.to_string()}});
    }
    let list = opened.notion.query(&opened.source.id, &query, cursor.as_deref()).await?;
    let mut writes = Vec::new();
    for page in &list.items {
        // A query that begins again at a moment returns some rows again.
        if since.is_some() && running.row(&page.id).await?.is_some() {
            continue;
        }
        running.run.counts.rows += 1;
        running.put(&mut writes, &format!("page#{}", page.id), page)?;
        if let Some(number) = matching::number(opened, page) {
            running.put(&mut writes, &format!("{}{}", by_number(number), page.id), &page.id)?;
            continue;
        }
        running.run.counts.unnumbered += 1;
        if matching::is_set_aside(opened, page) {
            continue;
        }
        let context = matching::page_context(sync, opened, page).await?;
        let traits = matching::of_page(opened, page, &context);
        for key in matching::keys(opened) {
            for value in traits.of(key.name()) {
                running.put(&mut writes, &format!("{}{}", by_key("row", &key, value), page.id), &page.id)?;
            }
        }
    }
    running.write(writes).await?;
    // Notion stops after 10,000 rows, and only this says so: the next query begins where the last row was created.
    let last = list.items.last().and_then(|page| page.created_time);
    running.run.phase = match (list.cursor, list.capped, last) {
        (_, true, Some(last)) if since != Some(last) => Phase::Rows { cursor: None, since: Some(last) },
        // Rows that are not read may carry numbers: continuing would create second pages.
        (None, true, _) => {
            let text =
                "more than 10,000 rows were made within one minute, and Notion does not list the rest; no page is made";
            return Err(Failure::permanent("rows_unread", text));
        }
        (Some(cursor), _, _) => Phase::Rows { cursor: Some(cursor), since },
        _ => Phase::Numbers { after: None },
    };
    Ok(())
}

/// The row of a record, among those without a record.
pub(super) async fn of(running: &RunningBackfill<'_>, record: Record, traits: &Traits) -> Result<RowMatch, Failure> {
    let (sync, opened) = (running.sync, running.opened);
    let mut numbered = Vec::new();
    for item in running.list(&by_number(record.id())).await? {
        let id: String = item.decode()?;
        let Some(page) = running.row(&id).await? else { continue };
        match opened.known_owner(sync.links.owner(running.tenant(), &id).await?) {
            None => numbered.push(page),
            Some(owner) if owner.record == record && owner.database == opened.database.name => {}
            // Its own line says what to do; another page would only be a second row with this number.
            Some(owner) => return Ok(matching::taken(record, owner.record, page)),
        }
    }
    match numbered.len() {
        0 => {}
        1 => return Ok(numbered.pop().map_or(RowMatch::None, |page| RowMatch::One(Box::new(page), RowKey::Number))),
        _ => return Ok(matching::doubled(opened, record, numbered)),
    }
    let mut rows: Vec<(Traits, NotionPage)> = Vec::new();
    for key in matching::keys(opened) {
        for value in traits.of(key.name()) {
            for page in running.free(&by_key("row", &key, value)).await? {
                if rows.iter().all(|(_, known)| known.id != page.id) {
                    let context = matching::page_context(sync, opened, &page).await?;
                    rows.push((matching::of_page(opened, &page, &context), page));
                }
            }
        }
    }
    match matching::best(opened, record, traits, rows) {
        RowMatch::One(page, key) => {
            let context = matching::page_context(sync, opened, &page).await?;
            let rivals = rivals(running, record, traits, &key, &page, &context).await?;
            Ok(matching::among(opened, record, &key, *page, &context, &rivals))
        }
        row => Ok(row),
    }
}

/// The records that may claim a row by a key, including this one.
async fn rivals(
    running: &RunningBackfill<'_>,
    record: Record,
    traits: &Traits,
    key: &RowKey,
    page: &NotionPage,
    context: &Context,
) -> Result<Vec<(Record, Traits)>, Failure> {
    let mut rivals = vec![(record, traits.clone())];
    for value in matching::of_page(running.opened, page, context).of(key.name()) {
        for item in running.list(&by_key("record", key, value)).await? {
            let (other, traits): (Record, Traits) = item.decode()?;
            let is_new = rivals.iter().all(|(known, _)| *known != other);
            if is_new && running.link(other).await?.is_none() {
                rivals.push((other, traits));
            }
        }
    }
    Ok(rivals)
}

/// Stores which rows match a record, so that another record can see it.
pub(super) async fn note_record(running: &RunningBackfill<'_>, record: Record, traits: &Traits) -> Result<(), Failure> {
    let mut writes = Vec::new();
    for key in matching::keys(running.opened) {
        for value in traits.of(key.name()) {
            if !running.list_some(&by_key("row", &key, value), 1).await?.is_empty() {
                let sort = format!("{}{:020}", by_key("record", &key, value), record.id());
                running.put(&mut writes, &sort, &(record, traits))?;
            }
        }
    }
    running.write(writes).await
}

impl RunningBackfill<'_> {
    /// A stored row.
    pub(super) async fn row(&self, page: &str) -> Result<Option<NotionPage>, Failure> {
        let key = self.key(&format!("page#{page}"));
        Ok(self.sync.backend.store.get(&key).await?.map(|item| item.decode()).transpose()?)
    }

    /// The rows stored under a prefix that have no record yet.
    pub(super) async fn free(&self, prefix: &str) -> Result<Vec<NotionPage>, Failure> {
        let mut pages = Vec::new();
        for item in self.list(prefix).await? {
            let id: String = item.decode()?;
            if self.sync.links.owner(self.tenant(), &id).await?.is_none() {
                pages.extend(self.row(&id).await?);
            }
        }
        Ok(pages)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoredItem>, Failure> {
        self.list_some(prefix, 100).await
    }

    async fn list_some(&self, prefix: &str, limit: usize) -> Result<Vec<StoredItem>, Failure> {
        let query = Query { limit, ..Query::prefix(Table::Links, self.partition(), prefix) };
        Ok(self.sync.backend.store.list(&query).await?.items)
    }

    pub(super) fn partition(&self) -> String {
        format!("{}#rows#{}", self.tenant(), self.run.id)
    }

    fn key(&self, sort: &str) -> StoreKey {
        StoreKey::new(Table::Links, self.partition(), sort)
    }

    pub(super) fn tenant(&self) -> &TenantId {
        &self.job.tenant
    }

    fn put<T: Serialize>(&self, writes: &mut Vec<StoreWrite>, sort: &str, value: &T) -> Result<(), Failure> {
        let write = StoreWrite::new(self.key(sort), value, WriteCondition::Always)?;
        writes.push(write.expiring(later(self.sync.now(), ROWS_TTL)));
        Ok(())
    }

    /// Writes many items, in batches.
    pub(super) async fn write(&self, writes: Vec<StoreWrite>) -> Result<(), Failure> {
        for some in writes.chunks(MAX_WRITES) {
            self.sync.backend.store.put_all(some.to_vec()).await?;
        }
        Ok(())
    }
}

/// The prefix of all rows with numbers, in their order.
pub(super) const NUMBERS: &str = "number#";

/// The prefix of rows with a number.
fn by_number(number: u64) -> String {
    format!("{NUMBERS}{number:020}#")
}

/// The number of an entry in the order of numbers, and its page.
pub(super) fn number_of(sort: &str) -> Option<(u64, &str)> {
    let (number, page) = sort.strip_prefix(NUMBERS)?.split_once('#')?;
    Some((number.parse().ok()?, page))
}

/// The prefix of rows or records that have a value of a key.
fn by_key(what: &str, key: &RowKey, value: &str) -> String {
    format!("{what}#{}#{}#{}#", key.name(), value.len(), value.chars().take(MAX_VALUE).collect::<String>())
}

/// Whether anything besides numbers is compared.
pub(super) fn are_compared(opened: &OpenedDatabase, unnumbered: u64) -> bool {
    unnumbered > 0 && !matching::keys(opened).is_empty()
}
