//! The record numbers that rows carry: several rows with one number, numbers without a record, another row's number.

use std::collections::{BTreeMap, BTreeSet};

use clients::Failure;
use crm::pages::{Listing, PAGE};
use locale::texts;
use records::Record;
use runtime::store::{Query, Table};

use super::RunningBackfill;
use super::rows::{NUMBERS, number_of};
use crate::plan::{EntryKind, PlanLine, RowRef};
use crate::runs::Phase;
use crate::work::matching::{self, row_ref};

/// Rows that are checked in one step.
const ROWS: usize = 500;

/// Checks some numbers.
pub(super) async fn read(running: &mut RunningBackfill<'_>, after: Option<String>) -> Result<(), Failure> {
    let query = Query { after, limit: ROWS, ..Query::prefix(Table::Links, running.partition(), NUMBERS) };
    let page = running.sync.backend.store.list(&query).await?;
    let mut groups: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (number, page) in page.items.iter().filter_map(|item| number_of(&item.key.sort)) {
        groups.entry(number).or_default().push(page.to_owned());
    }
    let mut next = page.next;
    // The last number may continue after the end of the page.
    if next.is_some()
        && groups.len() > 1
        && let Some((number, _)) = groups.pop_last()
    {
        next = page
            .items
            .iter()
            .rev()
            .map(|item| &item.key.sort)
            .find(|sort| number_of(sort).is_some_and(|(own, _)| own != number))
            .cloned();
    }
    let mut unknown = BTreeMap::new();
    let mut entries = Vec::new();
    for (number, pages) in groups {
        let record = running.opened.kind().record(number);
        let rows = own_rows(running, record, &pages, &mut entries).await?;
        if let Some(rows) = check_record(running, record, rows, &mut entries).await? {
            unknown.insert(number, rows);
        }
    }
    missing(running, unknown, &mut entries).await?;
    running.note(entries).await?;
    running.run.phase = match next {
        Some(after) => Phase::Numbers { after: Some(after) },
        None => Phase::Keys { after: 0 },
    };
    Ok(())
}

/// The rows of a number without those that are linked with another record: those get a line.
async fn own_rows(
    running: &mut RunningBackfill<'_>,
    record: Record,
    pages: &[String],
    entries: &mut Vec<PlanLine>,
) -> Result<Vec<RowRef>, Failure> {
    let language = running.opened.settings.language;
    let mut rows = Vec::new();
    for id in pages {
        let Some(page) = running.row(id).await? else { continue };
        let owner = running.opened.known_owner(running.sync.links.owner(running.tenant(), id).await?);
        match owner.filter(|owner| owner.record != record || owner.database != running.opened.database.name) {
            None => rows.push(row_ref(&page)),
            Some(owner) => {
                running.run.counts.strays += 1;
                entries.push(PlanLine {
                    title: page.title(),
                    rows: vec![row_ref(&page)],
                    why: Some(language.text(texts::sync::StrayOfAnother {
                        record: record.title(language),
                        owner: owner.record.title(language),
                        number: owner.record.id().to_string(),
                        property: running.opened.id.name.clone(),
                    })),
                    ..PlanLine::about(EntryKind::Stray)
                });
            }
        }
    }
    Ok(rows)
}

/// Notes duplicates; returns the rows of a number of which it is not known whether it is a record's.
async fn check_record(
    running: &mut RunningBackfill<'_>,
    record: Record,
    mut rows: Vec<RowRef>,
    entries: &mut Vec<PlanLine>,
) -> Result<Option<Vec<RowRef>>, Failure> {
    let link = running.link(record).await?;
    let linked = link.as_ref().and_then(|link| link.page.clone());
    if let Some(linked) = &linked {
        if let Some(place) = rows.iter().position(|row| notion::id::same(&row.page, linked)) {
            rows.swap(0, place);
        } else if !rows.is_empty() {
            // The linked page lost its number, or is no longer in the database.
            rows.splice(0..0, running.row(linked).await?.as_ref().map(row_ref));
            double(running, record, link.map(|link| link.title), rows, entries);
            return Ok(None);
        }
    }
    if rows.len() > 1 {
        double(running, record, link.map(|link| link.title), rows, entries);
        return Ok(None);
    }
    Ok((linked.is_none() && !rows.is_empty()).then_some(rows))
}

fn double(
    running: &mut RunningBackfill<'_>,
    record: Record,
    title: Option<String>,
    rows: Vec<RowRef>,
    entries: &mut Vec<PlanLine>,
) {
    running.run.counts.doubles += 1;
    let title = title.unwrap_or_else(|| rows.first().map(|row| row.title.clone()).unwrap_or_default());
    let why = Some(matching::doubles(running.opened, record, &rows).text(running.opened.settings.language).to_owned());
    entries.push(PlanLine { rows, why, ..PlanLine::new(EntryKind::Double, record, title) });
}

/// Writes a line for each row whose number belongs to no record.
async fn missing(
    running: &mut RunningBackfill<'_>,
    unknown: BTreeMap<u64, Vec<RowRef>>,
    entries: &mut Vec<PlanLine>,
) -> Result<(), Failure> {
    let opened = running.opened;
    let language = opened.settings.language;
    let listing = Listing { kind: opened.kind(), custom_fields: Vec::new() };
    let numbers: Vec<u64> = unknown.keys().copied().collect();
    let mut there = BTreeSet::new();
    for some in numbers.chunks(PAGE) {
        let found = listing.after(&opened.bitrix24, &listing.by_ids(some), 0, 1).await?.records;
        there.extend(found.iter().map(|(record, _)| record.id()));
    }
    for (number, rows) in unknown.into_iter().filter(|(number, _)| !there.contains(number)) {
        let record = opened.kind().record(number);
        for row in rows {
            running.run.counts.strays += 1;
            let why =
                language.text(texts::sync::StrayNumber { number: number.to_string(), record: record.title(language) });
            entries.push(PlanLine {
                title: row.title.clone(),
                rows: vec![row],
                why: Some(why),
                ..PlanLine::about(EntryKind::Stray)
            });
        }
    }
    Ok(())
}
