//! A backfill: existing records and existing rows brought together.
//!
//! First the rows are read and put down by their number and by their title; then the records are gone through by rising
//! number. Each step is written down before the next, so that a run goes on where it was, whatever happens. It asks Notion
//! for nothing but the rows, a hundred at a time, and for the pages that it makes: its pace is the limit's.

use std::time::Duration;

use connect::Failure;
use futures::StreamExt;
use futures::stream::iter;
use jiff::{SignedDuration, Timestamp};
use mirror::link::{link_write, owner_write};
use mirror::runs::Phase;
use mirror::{Link, Open, Opened, Run, Signal, Standing, SyncJob};
use notion::Page;
use platform::clock::{later, until};
use platform::job::Job;
use platform::store::{Condition, Key, MOST_WRITES, Version, Write};
use platform::{Kind, TraceId};
use records::pages::{Listing, PAGE};
use rules::sync::{Merged, Policy, merge};
use rules::{Record, State};
use serde_json::json;

mod rows;

use self::rows::{Row, by_title, index, row, row_key};
use crate::record::Work;
use crate::{Deps, Settled, Told, make, read};

/// Pages that are made side by side: more would only wait for each other's answers.
const AT_ONCE: usize = 8;
/// A run hands itself back to the queue after this: a function does not live forever.
const BUDGET: SignedDuration = SignedDuration::from_secs(30);
/// What was put down of the rows is kept this long.
const KEEPS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What became of a record.
enum Became {
    LinkedBefore,
    LinkedById,
    LinkedByTitle,
    Created,
    LeftOut,
    Failed(String),
}

/// Goes on with a run for a while.
pub(crate) async fn go_on(deps: &Deps, job: &Job<SyncJob>, name: &str, id: &str) -> Result<Settled, Failure> {
    let Some((mut run, mut version)) = deps.mirror.runs.get(&job.tenant, id).await? else {
        return Ok(Settled::skip("the run is not kept any more"));
    };
    if run.has_ended() {
        return Ok(Settled::skip("the run has ended"));
    }
    let opened = match deps.mirror.open(&job.tenant, name).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return stop(deps, job, run, version, closed.text).await,
    };
    let began = deps.now();
    loop {
        let step = match run.phase.clone() {
            Phase::Rows { .. } => rows(deps, job, &opened, &mut run).await,
            Phase::Records { after } => records(deps, job, &opened, &mut run, after).await,
            Phase::Done | Phase::Stopped { .. } => Ok(()),
        };
        run.touched_at = deps.now();
        run.waits_for = step.as_ref().err().map(|failure| failure.text.clone());
        let ended = run.phase == Phase::Done;
        if ended {
            run.ended_at = Some(deps.now());
        }
        version = deps.mirror.runs.put(&job.tenant, &run, Some(version)).await?;
        match step {
            Err(failure) if is_final(&failure) => return stop(deps, job, run, version, failure.text).await,
            Err(failure) => {
                // To wait for the limit is the ordinary course of a run, and no failure.
                let Kind::Throttled { until: moment } = failure.kind else { return Err(failure) };
                return Ok(Settled::wait(until(deps.now(), moment), failure.text));
            }
            Ok(()) if ended => return Ok(done(&run)),
            Ok(()) if deps.now().duration_since(began) >= BUDGET => {
                return Ok(Settled::wait(Duration::ZERO, "the run goes on"));
            }
            Ok(()) => {}
        }
    }
}

/// Whether a run cannot go on without a person.
fn is_final(failure: &Failure) -> bool {
    matches!(&failure.kind, Kind::Permanent { .. })
}

async fn stop(
    deps: &Deps,
    job: &Job<SyncJob>,
    mut run: Run,
    version: Version,
    why: String,
) -> Result<Settled, Failure> {
    run.phase = Phase::Stopped { why: why.clone() };
    run.ended_at = Some(deps.now());
    deps.mirror.runs.put(&job.tenant, &run, Some(version)).await?;
    Ok(Settled::skip(format!("the run stopped: {why}")))
}

fn done(run: &Run) -> Settled {
    let counts = &run.counts;
    let text = format!(
        "{} rows, {} records: {} made, {} linked by number, {} by title, {} brought into step, {} failed",
        counts.rows,
        counts.records,
        counts.created,
        counts.linked_by_id,
        counts.linked_by_title,
        counts.changed,
        counts.failed
    );
    if run.dry {
        Settled::skip(format!("dry run: {text}"))
    } else {
        Settled { told: Told::Done { changes: vec![text], place: run.id.clone() }, writes: Vec::new() }
    }
}

/// Reads a page of rows and puts them down.
async fn rows(deps: &Deps, job: &Job<SyncJob>, opened: &Opened, run: &mut Run) -> Result<(), Failure> {
    let Phase::Rows { cursor, since } = run.phase.clone() else { return Ok(()) };
    let mut query = json!({"sorts": [{"timestamp": "created_time", "direction": "ascending"}], "page_size": 100});
    if let Some(since) = since {
        query["filter"] = json!({"timestamp": "created_time", "created_time": {"on_or_after": since.to_string()}});
    }
    let list = opened.notion.query(&opened.source.id, &query, cursor.as_deref()).await?;
    let (tenant, mut writes) = (&job.tenant, Vec::new());
    for page in &list.items {
        // A query that begins anew at a moment gives some rows again.
        if since.is_some() && deps.ports.store.get(&row_key(tenant, &run.id, &page.id)).await?.is_some() {
            continue;
        }
        run.counts.rows += 1;
        let expires = later(deps.now(), KEEPS);
        let mut put = |key: Key, value: &serde_json::Value| {
            writes.push(Write::new(key, value, Condition::Always).map(|write| write.expiring(expires)));
        };
        put(row_key(tenant, &run.id, &page.id), &serde_json::to_value(page).unwrap_or_default());
        match page.property(&opened.id.id).and_then(|value| value["number"].as_u64()) {
            Some(number) => put(index(tenant, &run.id, &format!("number#{number}#{}", page.id)), &json!(page.id)),
            None => put(index(tenant, &run.id, &format!("{}{}", by_title(&page.title()), page.id)), &json!(page.id)),
        }
    }
    let writes: Result<Vec<_>, _> = writes.into_iter().collect();
    for some in writes?.chunks(MOST_WRITES) {
        deps.ports.store.put_all(some.to_vec()).await?;
    }
    // Notion stops after 10,000 rows, and only this tells: the rest begins where the last one was made.
    let last = list.items.last().and_then(|page| page.created_time);
    run.phase = match (list.cursor, list.capped, last) {
        (_, true, Some(last)) if since != Some(last) => Phase::Rows { cursor: None, since: Some(last) },
        (Some(cursor), _, _) => Phase::Rows { cursor: Some(cursor), since },
        _ => Phase::Records { after: 0 },
    };
    Ok(())
}

/// Goes through a page of records.
async fn records(deps: &Deps, job: &Job<SyncJob>, opened: &Opened, run: &mut Run, after: u64) -> Result<(), Failure> {
    let listing = Listing { kind: opened.kind(), custom_fields: opened.settings.fields_of(opened.kind()) };
    let (listed, _) = listing.after(&opened.bitrix24, &json!({}), after, 1).await?;
    let is_last = listed.len() < PAGE;
    deps.mirror.learn_names(opened, &listed).await;
    let ids: Vec<_> = listed.iter().map(|(record, _)| record.id()).collect();
    let (run_id, dry, since) = (run.id.clone(), run.dry, run.since);
    let work = listed.into_iter().map(|(record, state)| {
        let run_id = &run_id;
        async move { (record, one(deps, job, opened, run_id, dry, since, record, &state).await) }
    });
    // In order, so that what is done can be told by the last number.
    let mut working = iter(work).buffered(AT_ONCE);
    let mut first = Ok(());
    let mut done = after;
    while let Some((record, became)) = working.next().await {
        match became {
            Ok((became, changed)) if first.is_ok() => {
                note(run, record, became, changed);
                done = record.id();
            }
            Err(failure) if first.is_ok() => first = Err(failure),
            // What is done behind a failure is counted when the run comes by again: its link says who made it.
            Ok(_) | Err(_) => {}
        }
    }
    run.phase = if is_last && first.is_ok() { Phase::Done } else { Phase::Records { after: done.max(after) } };
    debug_assert!(first.is_err() || ids.last().is_none_or(|last| *last == done));
    first
}

fn note(run: &mut Run, record: Record, became: Became, changed: bool) {
    run.counts.records += 1;
    run.counts.changed += u64::from(changed);
    let would = if run.dry { "would be " } else { "" };
    match became {
        Became::LinkedBefore => run.counts.linked_before += 1,
        Became::LinkedById => {
            run.counts.linked_by_id += 1;
            run.note(format!("{record}: {would}linked to the row with its number"));
        }
        Became::LinkedByTitle => {
            run.counts.linked_by_title += 1;
            run.note(format!("{record}: {would}linked to the row with its title"));
        }
        Became::Created => {
            run.counts.created += 1;
            if run.dry {
                run.note(format!("{record}: a page would be made"));
            }
        }
        Became::LeftOut => run.counts.left_out += 1,
        Became::Failed(why) => {
            run.counts.failed += 1;
            run.note(format!("{record}: {why}"));
        }
    }
}

/// One record: what it becomes, and whether its two sides differ.
#[allow(clippy::too_many_arguments)] // a run's own things, and the record
async fn one(
    deps: &Deps,
    job: &Job<SyncJob>,
    opened: &Opened,
    run: &str,
    dry: bool,
    since: Option<Timestamp>,
    record: Record,
    state: &State,
) -> Result<(Became, bool), Failure> {
    let found = deps.mirror.links.get(&job.tenant, &opened.database.name, record).await?;
    if let Some((link, _)) = found {
        return known(deps, job, opened, run, dry, &link, state).await;
    }
    let is_old = since.is_some_and(|since| state.changed_at().is_none_or(|at| at < since));
    if is_old || make::left_out(opened, record, state)?.is_some() {
        return Ok((Became::LeftOut, false));
    }
    let (page, became) = match row(deps, job, opened, run, record, state).await? {
        Row::Numbered(page) => (page, Became::LinkedById),
        Row::Titled(page) => (page, Became::LinkedByTitle),
        Row::Several(count) => {
            return Ok((
                Became::Failed(format!(
                    "{count} rows have its title and company; write its number into the right one's {:?}",
                    opened.id.name
                )),
                false,
            ));
        }
        Row::None if dry => return Ok((Became::Created, false)),
        Row::None => return create(deps, job, opened, run, record, state).await,
    };
    let mut link = Link::making(&opened.database.name, record, deps.now());
    link.page = Some(page.id.clone());
    link.standing = Standing::Together;
    link.title = state.title().unwrap_or_default();
    link.made_by = Some(run.to_owned());
    let merged = compare(deps, opened, &link, state, &page).await?;
    let changed = !merged.is_quiet();
    if !dry {
        link.base = merged.agreed;
        link.synced_at = Some(deps.now());
        let owner = owner_write(&job.tenant, &page.id, &link)?;
        deps.put(vec![link_write(&job.tenant, &link, None)?, owner]).await?;
        if matches!(became, Became::LinkedByTitle) {
            let number = serde_json::Map::from_iter([(opened.id.id.clone(), json!({"number": record.id()}))]);
            opened.notion.update(&page.id, &number).await?;
        }
        if changed {
            hand_on(deps, job, run, record).await?;
        }
    }
    Ok((became, changed))
}

/// A record that is linked: whether its sides differ.
async fn known(
    deps: &Deps,
    job: &Job<SyncJob>,
    opened: &Opened,
    run: &str,
    dry: bool,
    link: &Link,
    state: &State,
) -> Result<(Became, bool), Failure> {
    let by_this = link.made_by.as_deref() == Some(run);
    let became = if by_this { Became::Created } else { Became::LinkedBefore };
    if let Standing::Making { .. } = link.standing {
        // Its own job finds out what became of the call.
        if !dry {
            hand_on(deps, job, run, link.record).await?;
        }
        return Ok((became, false));
    }
    if by_this || !link.is_together() {
        return Ok((became, false));
    }
    let row = match &link.page {
        Some(page) => deps.ports.store.get(&row_key(&job.tenant, run, page)).await?,
        None => None,
    };
    let changed = match row {
        Some(row) => !compare(deps, opened, link, state, &row.decode()?).await?.is_quiet(),
        // The row is not in the database any more: its own job finds out why.
        None => true,
    };
    if changed && !dry {
        hand_on(deps, job, run, link.record).await?;
    }
    Ok((became, changed))
}

async fn compare(deps: &Deps, opened: &Opened, link: &Link, state: &State, page: &Page) -> Result<Merged, Failure> {
    let context = deps.mirror.context(opened, link.record, Some(state), Some(page)).await?;
    let bitrix24 = read::portal_side(opened, link.record, state, &context);
    let notion = read::page_side(opened, link, page, None, &context);
    let policy: Policy = opened.fields.iter().map(|field| (field.key().to_owned(), field.master())).collect();
    Ok(merge(&link.base, &bitrix24, &notion, &policy))
}

/// The link's own job goes on.
async fn hand_on(deps: &Deps, job: &Job<SyncJob>, run: &str, record: Record) -> Result<(), Failure> {
    let SyncJob::Backfill { database, .. } = &job.body else { return Ok(()) };
    let next = SyncJob::Record { database: database.clone(), record, signal: Signal::both("backfill") };
    let once = format!("backfill#{run}#{}", record.key());
    deps.mirror.send(vec![mirror::message(&next, &job.tenant, TraceId::new(deps.now()), &once)?]).await
}

async fn create(
    deps: &Deps,
    job: &Job<SyncJob>,
    opened: &Opened,
    run: &str,
    record: Record,
    state: &State,
) -> Result<(Became, bool), Failure> {
    if !deps.mirror.awaited(opened, record, state).await?.is_empty() {
        hand_on(deps, job, run, record).await?;
        return Ok((Became::Created, false));
    }
    let mut link = Link::making(&opened.database.name, record, deps.now());
    link.made_by = Some(run.to_owned());
    let version = deps.begin(link_write(&job.tenant, &link, None)?).await?;
    let signal = Signal::both("backfill");
    let mut work = Work { deps, job, opened, signal: &signal, link, version };
    match make::make_page(&mut work, state).await {
        Ok(_) => {
            if work.link.body_open {
                hand_on(deps, job, run, record).await?;
            }
            Ok((Became::Created, false))
        }
        // Whether it was made, its own job finds out.
        Err(failure) if failure.kind == Kind::UnknownOutcome => {
            hand_on(deps, job, run, record).await?;
            Ok((Became::Created, false))
        }
        Err(failure) => {
            // Surely nothing was made: the run comes by again.
            deps.mirror.links.forget(&job.tenant, &work.link).await?;
            match &failure.kind {
                Kind::Permanent { code }
                    if !["block_limit", "object_not_found", "restricted_resource"].contains(&code.as_str()) =>
                {
                    Ok((Became::Failed(failure.text), false))
                }
                _ => Err(failure),
            }
        }
    }
}
