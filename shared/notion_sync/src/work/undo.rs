//! A person's decision on the page: the value that lost a conflict is written to both sides again, or one side's value
//! is copied to the other.

use std::collections::BTreeMap;

use clients::Failure;
use jobs::sync::{Signal, SyncJob, SyncSide};
use records::Record;
use runtime::job::ReceivedJob;
use runtime::store::StoreWrite;
use settings::databases::Master;

use crate::NotionSync;
use crate::conflicts;
use crate::conflicts::StoredConflict;
use crate::database::{Open, OpenedDatabase};
use crate::fields::merge::Why;
use crate::fields::{Agreed, Cell, Conflict, Fit, MappedField};
use crate::link::Apart;
use crate::work::read::{BothSides, PairRead, Reads};
use crate::work::record::PairWritten;
use crate::work::{LinkWork, SyncDecision, attention};

/// A pair with what both sides show now, or why nothing can be done.
async fn read_pair<'a>(
    sync: &'a NotionSync,
    job: &'a ReceivedJob<SyncJob>,
    opened: &'a OpenedDatabase,
    signal: &'a Signal,
    record: Record,
) -> Result<Result<(LinkWork<'a>, PairRead), &'static str>, Failure> {
    let Some((link, version)) = sync.links.get(&job.tenant, &opened.database.name, record).await? else {
        return Ok(Err("the record and its page are not linked any more"));
    };
    if !link.is_together() {
        return Ok(Err("the record and its page are not synced now; the page Notion says why"));
    }
    let mut work = LinkWork { sync, job, opened, signal, link, version, reads: Reads::default() };
    Ok(match work.read_both().await? {
        Ok(pair) => Ok((work, pair)),
        Err(Apart::RecordGone) => Err("the record was deleted in Bitrix24"),
        Err(Apart::PageTrashed | Apart::PageGone | Apart::PageMoved) => Err("the page is not in its database any more"),
    })
}

/// Whether the sync never writes a field on the portal.
fn is_shown_only(field: &MappedField) -> bool {
    field.fit == Fit::Shown || field.portal.read_only
}

/// Writes the value that lost to both sides.
pub(crate) async fn undo(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    (database, record): (&str, Record),
    conflict: &str,
    by: &str,
) -> Result<SyncDecision, Failure> {
    let Some(kept) = sync.conflicts.get(&job.tenant, conflict).await? else {
        return Ok(SyncDecision::skip("the conflict is not kept any more"));
    };
    if !kept.can_be_undone() {
        return Ok(SyncDecision::skip("the conflict was undone before, or its value cannot be written"));
    }
    let opened = match sync.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(SyncDecision::skip(closed.text.to_string())),
    };
    let Some(field) = opened.field(&kept.conflict.field) else {
        return Ok(SyncDecision::skip("the field is not mapped any more, or its mapping is paused"));
    };
    let signal = Signal::both("undo");
    let (mut work, pair) = match read_pair(sync, job, &opened, &signal, record).await? {
        Ok(read) => read,
        Err(reason) => return Ok(SyncDecision::skip(reason)),
    };
    let cells = BTreeMap::from([(field.key().to_owned(), kept.conflict.lost().clone())]);
    let stays = is_shown_only(field) || field.master() == Master::Bitrix24Only;
    let to_bitrix24 = if stays { BTreeMap::new() } else { cells.clone() };
    let done = work.write(pair, &to_bitrix24, &cells).await?;
    let now = sync.now();
    let word = format!("{}: {:?} written again, by {by}", field.key(), kept.conflict.lost().to_string());
    let undone = StoredConflict { undone: Some((now, by.to_owned())), ..kept };
    let line = conflicts::conflict_write(&job.tenant, &undone)?;
    finish(work, field, done, word, line).await
}

/// Writes one side's value to the other; what is overwritten is kept among the conflicts.
pub(crate) async fn take(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    (database, record): (&str, Record),
    (key, side): (&str, SyncSide),
    by: &str,
) -> Result<SyncDecision, Failure> {
    let opened = match sync.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(SyncDecision::skip(closed.text.to_string())),
    };
    let Some(field) = opened.field(key) else {
        return Ok(SyncDecision::skip("the field is not mapped any more, or its mapping is paused"));
    };
    let signal = Signal::both("take");
    let (mut work, pair) = match read_pair(sync, job, &opened, &signal, record).await? {
        Ok(read) => read,
        Err(reason) => return Ok(SyncDecision::skip(reason)),
    };
    let both = &pair.shown;
    if let Some(why) = cannot_take(field, side, both) {
        return Ok(SyncDecision::skip(why));
    }
    let cell = both.carried(side, key);
    let (b, n) = (both.cell(SyncSide::Bitrix24, key), both.cell(SyncSide::Notion, key));
    if b == n {
        work.link.base.insert(key.to_owned(), Agreed::new(&b, &n));
        work.link.held.retain(|held| held.field != key);
        let stuck = work.link.stuck.iter().filter(|stuck| stuck.field != key).cloned().collect();
        let mut writes = work.set_stuck(stuck, both, &pair.context).await?;
        writes.push(work.last_write()?);
        return Ok(SyncDecision { writes, ..SyncDecision::skip("both sides show the same already") });
    }
    let cells = BTreeMap::from([(key.to_owned(), cell.clone())]);
    let none = BTreeMap::new();
    let (to_bitrix24, to_notion) = match side {
        SyncSide::Bitrix24 => (&none, &cells),
        SyncSide::Notion => (&cells, &none),
    };
    let word = format!("{key} → {}: {side}'s value taken by {by}", side.other());
    let kept = StoredConflict {
        id: conflicts::id(job.trace, database, key),
        at: sync.now(),
        trace: job.trace,
        database: database.to_owned(),
        record,
        title: work.link.title.clone(),
        property: field.property.name.clone(),
        conflict: Conflict { field: key.to_owned(), bitrix24: b, notion: n, winner: side, why: Why::Chosen },
        undone: None,
    };
    let line = conflicts::conflict_write(&job.tenant, &kept)?;
    let done = work.write(pair, to_bitrix24, to_notion).await?;
    finish(work, field, done, word, line).await
}

/// Why a side's value cannot be written to the other.
fn cannot_take(field: &MappedField, side: SyncSide, both: &BothSides) -> Option<String> {
    let reading = both.of(side).fields.get(field.key())?;
    if side == SyncSide::Notion && is_shown_only(field) {
        return Some(format!("{:?} is read-only in Bitrix24", field.property.name));
    }
    if matches!(reading.cell, Cell::Foreign(_)) && reading.cannot.is_none() {
        return Some(format!("{side}'s value has no counterpart"));
    }
    reading.cannot.as_ref().map(ToString::to_string)
}

/// Writes the outcome. `line` is written if the value is there now.
async fn finish(
    mut work: LinkWork<'_>,
    field: &MappedField,
    done: PairWritten,
    word: String,
    line: StoreWrite,
) -> Result<SyncDecision, Failure> {
    work.link.synced_at = Some(work.sync.now());
    work.link.intents.clear();
    let stuck = work.link.stuck.iter().filter(|stuck| stuck.field != field.key()).cloned().collect();
    let mut writes = work.set_stuck(stuck, &done.now, &done.context).await?;
    writes.push(work.last_write()?);
    let held = work.link.held.iter().find(|held| held.field == field.key());
    let changes = match held {
        None => {
            writes.push(line);
            vec![word]
        }
        Some(held) if done.changes.is_empty() => {
            return Ok(SyncDecision { writes, ..SyncDecision::skip(attention::line(work.opened, &[held.stuck()])) });
        }
        Some(held) => vec![done.changes.join(", "), attention::line(work.opened, &[held.stuck()])],
    };
    Ok(SyncDecision::done(changes, done.place, writes))
}
