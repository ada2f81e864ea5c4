//! Making a page for a record, once.
//!
//! Notion knows no request twice, and finds a new row by a query only after a while. So the link says that a call is
//! begun before it is made; whoever finds it like that waits for the row to be findable, looks for the record's number,
//! and only then makes another.

use std::collections::BTreeMap;
use std::time::Duration;

use connect::Failure;
use jiff::{SignedDuration, Timestamp};
use mirror::link::{link_write, owner_write};
use mirror::{Link, Opened, Signal, Standing, SyncJob};
use notion::Page;
use platform::Kind;
use platform::job::Job;
use rules::condition::Condition;
use rules::sync::{Cell, Side};
use rules::{Record, State};
use serde_json::json;

use crate::record::Work;
use crate::{Deps, Settled, body, read, write};

/// After so long a row that was made is surely found by a query.
const FINDABLE: SignedDuration = SignedDuration::from_secs(75);
/// How often a record waits for the pages that it leads to; then it does without.
pub(crate) const MOST_WAITS: u32 = 5;

/// A record that has no link yet.
pub(crate) async fn first(
    deps: &Deps,
    job: &Job<SyncJob>,
    opened: &Opened,
    record: Record,
    signal: &Signal,
) -> Result<Settled, Failure> {
    let arrived = (signal.side == Some(Side::Bitrix24)).then(|| job.arrived_at());
    let Some(known) = read::record(deps, opened, record, arrived).await? else {
        return Ok(Settled::skip("the record is gone, and had no page"));
    };
    if let Some(reason) = left_out(opened, record, &known.state)? {
        return Ok(Settled::skip(reason));
    }
    if job.attempt <= MOST_WAITS && waits_for_others(deps, job, opened, record, &known.state).await? {
        return Ok(Settled::wait(Duration::from_secs(3), "the pages that it leads to are made first"));
    }
    let link = Link::making(&opened.database.name, record, deps.now());
    let version = deps.begin(link_write(&job.tenant, &link, None)?).await?;
    let work = Work { deps, job, opened, signal, link, version };
    create(work, known.state).await
}

/// Why a record gets no page, if it gets none.
pub(crate) fn left_out(opened: &Opened, record: Record, state: &State) -> Result<Option<String>, Failure> {
    let Some(when) = &opened.database.when else { return Ok(None) };
    let bad = |error: &dyn std::fmt::Display| {
        Failure::permanent("bad_condition", format!("the condition of database {:?}: {error}", opened.database.name))
    };
    let condition = Condition::parse(when).map_err(|error| bad(&error))?;
    let holds = condition.holds(&mirror::context::telling(record, state)).map_err(|error| bad(&error))?;
    Ok((!holds).then(|| format!("the condition of database {:?} does not hold", opened.database.name)))
}

/// Sees to it that the pages are made that this one's relations lead to.
pub(crate) async fn waits_for_others(
    deps: &Deps,
    job: &Job<SyncJob>,
    opened: &Opened,
    record: Record,
    state: &State,
) -> Result<bool, Failure> {
    let awaited = deps.mirror.awaited(opened, record, state).await?;
    if job.attempt == 1 && !awaited.is_empty() {
        let mut messages = Vec::new();
        for (database, record) in &awaited {
            let signal = Signal::both("relation");
            let trace = platform::TraceId::new(deps.now());
            let wanted = SyncJob::Record { database: database.clone(), record: *record, signal };
            let once = format!("awaited#{database}#{}#{}", record.key(), job.trace);
            messages.push(mirror::message(&wanted, &job.tenant, trace, &once)?);
        }
        deps.mirror.send(messages).await?;
    }
    Ok(!awaited.is_empty())
}

/// A link whose page was not written down.
pub(crate) async fn again(mut work: Work<'_>, since: Timestamp, open: bool) -> Result<Settled, Failure> {
    if open {
        let findable = since + FINDABLE;
        let now = work.deps.now();
        if now < findable {
            return Ok(Settled::wait(
                platform::clock::until(now, findable),
                "a page may have been made; it is looked for once it can be found",
            ));
        }
        if let Some(page) = find(work.opened, work.record()).await? {
            return adopt(work, page).await;
        }
    }
    let Some(known) = read::record(work.deps, work.opened, work.record(), None).await? else {
        work.deps.mirror.links.forget(&work.job.tenant, &work.link).await?;
        return Ok(Settled::skip("the record is gone, and had no page"));
    };
    work.link.standing = Standing::Making { since: work.deps.now(), open: false };
    create(work, known.state).await
}

/// The row that carries a record's number.
pub(crate) async fn find(opened: &Opened, record: Record) -> Result<Option<Page>, Failure> {
    let query = json!({
        "filter": {"property": opened.id.id, "number": {"equals": record.id()}},
        "sorts": [{"timestamp": "created_time", "direction": "ascending"}], "page_size": 2,
    });
    let found = opened.notion.query(&opened.source.id, &query, None).await?;
    Ok(found.items.into_iter().find(|page| !page.in_trash))
}

/// Takes a row that is there for the record's page. What differs is merged next.
pub(crate) async fn adopt(mut work: Work<'_>, page: Page) -> Result<Settled, Failure> {
    work.link.page = Some(page.id.clone());
    work.link.standing = Standing::Together;
    let owner = owner_write(&work.job.tenant, &page.id, &work.link)?;
    work.save(vec![owner]).await?;
    work.together(false).await
}

/// What a new page says.
pub(crate) struct Fresh {
    pub(crate) cells: BTreeMap<String, Cell>,
    pub(crate) context: rules::sync::page::Context,
}

/// The values of a record that can be written to a new page.
pub(crate) async fn fresh(deps: &Deps, opened: &Opened, record: Record, state: &State) -> Result<Fresh, Failure> {
    let context = deps.mirror.context(opened, record, Some(state), None).await?;
    let side = read::portal_side(opened, record, state, &context);
    let sayable =
        side.fields.into_iter().filter(|(_, reading)| reading.cannot.is_none() && reading.cell != Cell::Empty);
    Ok(Fresh { cells: sayable.map(|(field, reading)| (field, reading.cell)).collect(), context })
}

async fn create(mut work: Work<'_>, state: State) -> Result<Settled, Failure> {
    let page = match make_page(&mut work, &state).await {
        Ok(page) => page,
        Err(failure) => {
            // Surely nothing was made: the next try need not look for it.
            if failure.kind != Kind::UnknownOutcome && matches!(work.link.standing, Standing::Making { open: true, .. })
            {
                work.link.standing = Standing::Making { since: work.deps.now(), open: false };
                work.save(Vec::new()).await?;
            }
            return Err(failure);
        }
    };
    if work.link.body_open {
        body::complete(&mut work).await?;
    }
    let changes = vec![format!("page made in {}", work.opened.database.name)];
    let write = work.last_write()?;
    Ok(work.settled(changes, page.url, vec![write]))
}

/// Makes the page and writes the link down.
pub(crate) async fn make_page(work: &mut Work<'_>, state: &State) -> Result<Page, Failure> {
    let (deps, opened, record) = (work.deps, work.opened, work.record());
    let Fresh { cells, context } = fresh(deps, opened, record, state).await?;
    write::make_options(opened, &cells).await?;
    let mut properties = write::properties(opened, &cells, None, &context);
    properties.insert(opened.id.id.clone(), json!({"number": record.id()}));
    let telling = mirror::context::telling(record, state);
    let blocks = rules::sync::body::blocks(
        &opened.database.parts(),
        &rules::Telling {
            change: &telling,
            names: &context.names,
            domain: &opened.portal.domain,
            language: opened.settings.language,
        },
    );
    let calls = notion::block::appends(&blocks);
    let first = calls.first().map(|call| call.blocks.clone()).unwrap_or_default();
    let read_at = deps.now();
    work.link.title = state.title().unwrap_or_default();
    work.link.standing = Standing::Making { since: read_at, open: true };
    work.save(Vec::new()).await?;
    let (page, is_partial) = write::create_page(opened, &properties, &first).await?;

    work.link.page = Some(page.id.clone());
    work.link.standing = Standing::Together;
    work.link.sync_source = Some(Side::Bitrix24);
    work.link.synced_at = Some(deps.now());
    work.link.seen.bitrix24 = Some(read_at);
    work.link.body_open = calls.len() > 1;
    let mut also = work.page_made(&page, state, &cells, is_partial).await?;
    also.push(owner_write(&work.job.tenant, &page.id, &work.link)?);
    if work.link.body_open {
        also.push(body::begin(&work.job.tenant, &page.id, calls)?);
    }
    work.save(also).await?;
    deps.metrics.count("sync_pages_made", "notion");
    Ok(page)
}
