//! A person's decision on the page: the value that lost a conflict is written to both sides again, or one side's value
//! is copied to the other.

use std::collections::BTreeMap;

use clients::Failure;
use jobs::sync::Side;
use jobs::sync::{Signal, SyncJob};
use notion::Page;
use notion_sync::conflicts;
use notion_sync::conflicts::Kept;
use notion_sync::database::{Open, Opened};
use notion_sync::fields::merge::Why;
use notion_sync::fields::page::Context;
use notion_sync::fields::{Agreed, Cell, Conflict, Field, Fit};
use records::Record;
use runtime::job::ReceivedJob;
use settings::databases::Master;

use crate::outcome::Both;
use crate::read::Known;
use crate::record::{Done, Work, misplaced};
use crate::{Deps, Settled, attention, read};

/// A pair with what both sides show now.
struct Looked<'a> {
    work: Work<'a>,
    known: Known,
    page: Page,
    context: Context,
    both: Both,
}

/// Both sides of a pair, or why there is nothing to be done.
async fn look<'a>(
    deps: &'a Deps,
    job: &'a ReceivedJob<SyncJob>,
    opened: &'a Opened,
    signal: &'a Signal,
    record: Record,
) -> Result<Result<Looked<'a>, &'static str>, Failure> {
    let database = &opened.database.name;
    let Some((link, version)) = deps.mirror.links.get(&job.tenant, database, record).await? else {
        return Ok(Err("the record and its page are not linked any more"));
    };
    if !link.is_together() {
        return Ok(Err("the record and its page are not synced now; the page Notion says why"));
    }
    let work = Work { deps, job, opened, signal, link, version };
    let Some(known) = read::record(deps, opened, record, None).await? else {
        return Ok(Err("the record was deleted in Bitrix24"));
    };
    let page = read::page(opened, work.link.page.as_deref().unwrap_or_default()).await?;
    let Some(page) = page.filter(|page| misplaced(opened, page).is_none()) else {
        return Ok(Err("the page is not in its database any more"));
    };
    let context = deps.mirror.context(opened, record, Some(&known.state), Some(&page)).await?;
    let bitrix24 = read::portal_side(opened, record, &known.state, &context);
    let notion = read::page_side(opened, &work.link, &page, None, &context);
    Ok(Ok(Looked { work, known, page, context, both: Both { bitrix24, notion } }))
}

/// Whether nobody writes a field on the portal.
fn is_shown_only(field: &Field) -> bool {
    field.fit == Fit::Shown || field.portal.read_only
}

/// Writes the value that lost to both sides.
pub(crate) async fn undo(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
    (database, record): (&str, Record),
    conflict: &str,
    by: &str,
) -> Result<Settled, Failure> {
    let Some(kept) = deps.mirror.conflicts.get(&job.tenant, conflict).await? else {
        return Ok(Settled::skip("the conflict is not kept any more"));
    };
    if !kept.can_be_undone() {
        return Ok(Settled::skip("the conflict was undone before, or its value cannot be written"));
    }
    let opened = match deps.mirror.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(Settled::skip(closed.text.to_string())),
    };
    let Some(field) = opened.field(&kept.conflict.field) else {
        return Ok(Settled::skip("the field is not mapped any more, or its mapping is paused"));
    };
    let signal = Signal::both("undo");
    let mut looked = match look(deps, job, &opened, &signal, record).await? {
        Ok(looked) => looked,
        Err(reason) => return Ok(Settled::skip(reason)),
    };
    let cells = BTreeMap::from([(field.key().to_owned(), kept.conflict.lost().clone())]);
    let stays = is_shown_only(field) || field.master() == Master::Bitrix24Only;
    let to_bitrix24 = if stays { BTreeMap::new() } else { cells.clone() };
    let Looked { work, known, page, context, both } = &mut looked;
    let done = work.write(known.state.clone(), page.clone(), context, both, &to_bitrix24, &cells).await?;
    let now = deps.now();
    let word = format!("{}: {:?} written again, by {by}", field.key(), kept.conflict.lost().to_string());
    let undone = Kept { undone: Some((now, by.to_owned())), ..kept };
    let line = conflicts::conflict_write(&job.tenant, &undone)?;
    finish(looked.work, field, done, word, line).await
}

/// Writes one side's value to the other; what is overwritten is kept among the conflicts.
pub(crate) async fn take(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
    (database, record): (&str, Record),
    (key, side): (&str, Side),
    by: &str,
) -> Result<Settled, Failure> {
    let opened = match deps.mirror.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(Settled::skip(closed.text.to_string())),
    };
    let Some(field) = opened.field(key) else {
        return Ok(Settled::skip("the field is not mapped any more, or its mapping is paused"));
    };
    let signal = Signal::both("take");
    let mut looked = match look(deps, job, &opened, &signal, record).await? {
        Ok(looked) => looked,
        Err(reason) => return Ok(Settled::skip(reason)),
    };
    let Looked { work, known, page, context, both } = &mut looked;
    if let Some(why) = cannot_take(field, side, both) {
        return Ok(Settled::skip(why));
    }
    let cell = both.carried(side, key);
    let (b, n) = (both.cell(Side::Bitrix24, key), both.cell(Side::Notion, key));
    if b == n {
        work.link.base.insert(key.to_owned(), Agreed::new(&b, &n));
        work.link.held.retain(|held| held.field != key);
        let stuck = work.link.stuck.iter().filter(|stuck| stuck.field != key).cloned().collect();
        let mut writes = work.set_stuck(stuck, both, context).await?;
        writes.push(work.last_write()?);
        return Ok(Settled { writes, ..Settled::skip("both sides show the same already") });
    }
    let cells = BTreeMap::from([(key.to_owned(), cell.clone())]);
    let none = BTreeMap::new();
    let (to_bitrix24, to_notion) = match side {
        Side::Bitrix24 => (&none, &cells),
        Side::Notion => (&cells, &none),
    };
    let word = format!("{key} → {}: {side}'s value taken by {by}", side.other());
    let kept = Kept {
        id: conflicts::id(job.trace, database, key),
        at: deps.now(),
        trace: job.trace,
        database: database.to_owned(),
        record,
        title: work.link.title.clone(),
        property: field.property.name.clone(),
        conflict: Conflict { field: key.to_owned(), bitrix24: b, notion: n, winner: side, why: Why::Chosen },
        undone: None,
    };
    let line = conflicts::conflict_write(&job.tenant, &kept)?;
    let done = work.write(known.state.clone(), page.clone(), context, both, to_bitrix24, to_notion).await?;
    finish(looked.work, field, done, word, line).await
}

/// Why a side's value cannot be written to the other.
fn cannot_take(field: &Field, side: Side, both: &Both) -> Option<String> {
    let sides = match side {
        Side::Bitrix24 => &both.bitrix24,
        Side::Notion => &both.notion,
    };
    let reading = sides.fields.get(field.key())?;
    if side == Side::Notion && is_shown_only(field) {
        return Some(format!("{:?} is read-only in Bitrix24", field.property.name));
    }
    if matches!(reading.cell, Cell::Foreign(_)) && reading.cannot.is_none() {
        return Some(format!("{side}'s value has no counterpart"));
    }
    reading.cannot.as_ref().map(ToString::to_string)
}

/// Says what became of it. `line` is written if the value is there now.
async fn finish(
    mut work: Work<'_>,
    field: &Field,
    done: Done,
    word: String,
    line: runtime::store::Write,
) -> Result<Settled, Failure> {
    work.link.synced_at = Some(work.deps.now());
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
            return Ok(Settled { writes, ..Settled::skip(attention::line(work.opened, &[held.stuck()])) });
        }
        Some(held) => vec![done.changes.join(", "), attention::line(work.opened, &[held.stuck()])],
    };
    Ok(Settled::done(changes, done.place, writes))
}
