//! The rows of a database that were edited since the last poll, and those that were moved to the trash.

use clients::Failure;
use jiff::{SignedDuration, Timestamp};
use jobs::sync::SyncSide;
use jobs::sync::{Signal, SyncJob};
use notion::NotionPage;
use records::RecordState;
use runtime::TraceId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::NotionSync;
use crate::database::OpenedDatabase;
use crate::fields::page;

/// How far before the latest minute seen a poll begins: a row may be edited later in its minute, a clock may be off, and
/// Notion's index may lag.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);
/// Rows in one answer.
const PAGE_SIZE: u32 = 100;
/// The most pages of rows in one poll; the next one continues there.
const MAX_PAGES: usize = 20;
/// How often the trash is read: webhooks report it at once, and only lost ones are found here.
const TRASH_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// The progress of the polls of a database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct PollProgress {
    /// The latest minute in which a row was edited that a complete poll has seen.
    watermark: Option<Timestamp>,
    /// A pass that is under way.
    #[serde(default)]
    pass: Option<PollPass>,
    /// When the trash was last read.
    #[serde(default)]
    trash_at: Option<Timestamp>,
}

/// A pass through what was edited since a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PollPass {
    since: Timestamp,
    #[serde(default)]
    cursor: Option<String>,
    /// The latest minute in it so far.
    latest: Timestamp,
}

/// Polls a database; returns how many rows were checked and how many signals were sent.
pub(crate) async fn poll(sync: &NotionSync, opened: &OpenedDatabase) -> Result<(usize, usize), Failure> {
    let (tenant, name) = (opened.tenant(), format!("notion-poll#{}", opened.database.name));
    let (mut progress, mut version) = match sync.sweeps.recall::<PollProgress>(tenant, &name).await? {
        Some((progress, version)) => (progress, Some(version)),
        None => (PollProgress::default(), None),
    };
    let now = sync.now();
    let began = progress.watermark.unwrap_or(opened.portal.connected_at);
    let (mut rows, mut signals) = (0, 0);
    for _ in 0..MAX_PAGES {
        let since = began - OVERLAP;
        let pass = progress.pass.get_or_insert(PollPass { since, cursor: None, latest: began });
        let query = query(&pass.since);
        let list = opened.notion.query(&opened.source.id, &query, pass.cursor.as_deref()).await?;
        rows += list.items.len();
        signals += compare(sync, opened, &list.items, "notion-poll").await?;
        let latest = list.items.iter().filter_map(|page| page.last_edited_time).max();
        pass.latest = latest.unwrap_or(pass.latest).max(pass.latest);
        let ends = match (&list.cursor, list.capped) {
            // The limit of 10,000 rows: the next query begins where this one ended.
            (_, true) if pass.latest > pass.since => {
                *pass = PollPass { since: pass.latest, cursor: None, latest: pass.latest };
                false
            }
            (Some(cursor), _) => {
                pass.cursor = Some(cursor.clone());
                false
            }
            (None, capped) => {
                if capped {
                    let (at, database) = (pass.latest, &opened.database.name);
                    tracing::warn!(%tenant, database, %at, "more rows than a query gives were edited in one minute; a backfill finds the rest");
                }
                true
            }
        };
        if ends {
            progress.watermark = Some(pass.latest);
            progress.pass = None;
        }
        // Each page's signals are sent before the cursor moves: after a crash here it is read again.
        version = Some(sync.sweeps.remember(tenant, &name, &progress, version).await?);
        if ends {
            break;
        }
    }
    if progress.trash_at.is_none_or(|at| now.duration_since(at) >= TRASH_EVERY) {
        signals += trash(sync, opened, began).await?;
        progress.trash_at = Some(now);
        sync.sweeps.remember(tenant, &name, &progress, version).await?;
    }
    Ok((rows, signals))
}

fn query(since: &Timestamp) -> Value {
    json!({
        "filter": {"timestamp": "last_edited_time", "last_edited_time": {"on_or_after": since.to_string()}},
        "sorts": [{"timestamp": "last_edited_time", "direction": "ascending"}], "page_size": PAGE_SIZE,
    })
}

/// Sends a signal for every row that does not show what both sides last agreed on.
async fn compare(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    pages: &[NotionPage],
    name: &str,
) -> Result<usize, Failure> {
    let (tenant, mut messages) = (opened.tenant(), Vec::new());
    for page in pages {
        let Some(owner) = sync.links.owner(tenant, &page.id).await? else { continue };
        if owner.database != opened.database.name {
            continue;
        }
        let Some((link, _)) = sync.links.get(tenant, &owner.database, owner.record).await? else { continue };
        if link.is_together() && !page.in_trash && is_agreed(sync, opened, &link, page).await? {
            continue;
        }
        if !link.is_together() && page.in_trash {
            continue;
        }
        let signal =
            Signal { told: page::edited_at(page.last_edited_time, None), ..Signal::of(SyncSide::Notion, name) };
        let job = SyncJob::Record { database: owner.database, record: owner.record, signal };
        // While its job waits, the same row does not make a second one. Once the job is done, the same values are news:
        // a person may have changed them back.
        let shown = serde_json::to_string(&page.properties).unwrap_or_default();
        let synced = link.synced_at.map(|at| at.to_string()).unwrap_or_default();
        let place = if page.in_trash { "trash" } else { "" };
        let once = runtime::DeliveryId::of(&["poll", &page.id, &shown, place, &synced]);
        messages.push(crate::message(&job, tenant, TraceId::new(sync.now()), &once.to_string())?);
    }
    let count = messages.len();
    sync.send(messages).await?;
    Ok(count)
}

async fn is_agreed(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    link: &crate::link::PageLink,
    row: &NotionPage,
) -> Result<bool, Failure> {
    let snapshot = sync.records.snapshot::<RecordState>(opened.tenant(), &link.record.key()).await?;
    let state = snapshot.map(|(snapshot, _)| snapshot.state);
    let context = sync.context(opened, link.record, state.as_ref(), Some(row)).await?;
    let same = |field: &crate::fields::MappedField| {
        let Some(agreed) = link.base.get(field.key()) else { return false };
        let value = row.property(&field.property.id);
        // What a query cuts off cannot be compared here.
        let cut = value.is_some_and(|value| value["has_more"] == true);
        cut || page::read(field, value, Some(agreed.of(SyncSide::Bitrix24)), &context)
            .cell
            .is(agreed.of(SyncSide::Notion))
    };
    Ok(opened.fields.iter().all(same))
}

/// Rows in the trash disappear from an ordinary query; a query for the trash returns them, as far as we know. If it
/// returns other rows, no harm is done: they are compared like all.
async fn trash(sync: &NotionSync, opened: &OpenedDatabase, since: Timestamp) -> Result<usize, Failure> {
    let mut query = query(&(since - OVERLAP - TRASH_EVERY));
    query["in_trash"] = json!(true);
    match opened.notion.query(&opened.source.id, &query, None).await {
        Ok(list) => {
            let trashed: Vec<_> = list.items.into_iter().filter(|page| page.in_trash).collect();
            compare(sync, opened, &trashed, "notion-poll").await
        }
        Err(failure) if failure.code() == "validation_error" => Ok(0),
        Err(failure) => Err(failure),
    }
}
