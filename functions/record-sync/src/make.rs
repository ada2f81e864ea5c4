//! Makes a record's page, once.
//!
//! Notion does not recognise a repeated request, and a query finds a new row only after a while. So the link notes a
//! call before it is made; a worker that finds such a note waits until the row can be found, searches for the record's
//! number, and only then makes another. The number and the other keys are searched before any page is made: a row that
//! already belongs to the record is linked.

use std::collections::BTreeMap;
use std::time::Duration;

use clients::Failure;
use jiff::{SignedDuration, Timestamp};
use jobs::sync::Side;
use jobs::sync::{Signal, SyncJob};
use locale::{Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use notion::Page;
use notion_sync::database::Opened;
use notion_sync::fields::Cell;
use notion_sync::link::{Link, Standing};
use notion_sync::link::{link_write, owner_write};
use records::{Record, State};
use runtime::Kind;
use runtime::job::ReceivedJob;
use serde_json::json;
use settings::condition::Condition;
use settings::databases::Key;

use crate::matching::{self, Row};
use crate::record::{Work, misplaced};
use crate::{Deps, Settled, body, read, write};

/// After so long a row that was made is surely found by a query.
const FINDABLE: SignedDuration = SignedDuration::from_secs(75);
/// How often a record waits for the pages that it leads to; then it does without.
pub(crate) const MAX_WAITS: u32 = 5;

/// A record that has no link yet.
pub(crate) async fn first(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
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
    if job.attempt <= MAX_WAITS && waits_for_others(deps, job, opened, record, &known.state).await? {
        return Ok(Settled::wait(Duration::from_secs(3), "the pages that it leads to are made first"));
    }
    let Some(state) = with_addresses(deps, opened, record, known.state).await? else {
        return Ok(Settled::skip("the record is gone, and had no page"));
    };
    let row = matching::find(deps, opened, record, &state).await?;
    if let Row::Refused { why, .. } = &row {
        return refuse(deps, opened, record, &state, why).await;
    }
    let link = Link::making(&opened.database.name, record, deps.now());
    let version = deps.begin(link_write(&job.tenant, &link, None)?).await?;
    let work = Work { deps, job, opened, signal, link, version };
    match row {
        Row::One(page, key) => Box::pin(take(work, &state, *page, &key)).await,
        Row::None | Row::Refused { .. } => create(work, state).await,
    }
}

/// The record with its e-mail addresses and telephone numbers, if rows are recognised by them.
async fn with_addresses(deps: &Deps, opened: &Opened, record: Record, state: State) -> Result<Option<State>, Failure> {
    let lacks = |state: &State| state.as_item().is_some_and(|item| !item.more.contains_key("fm"));
    if !matching::needs_addresses(opened) || !lacks(&state) {
        return Ok(Some(state));
    }
    Ok(read::record(deps, opened, record, None).await?.map(|known| known.state))
}

/// It cannot be decided which row is the record's: no page is made, and operators read what to do.
async fn refuse(
    deps: &Deps,
    opened: &Opened,
    record: Record,
    state: &State,
    why: &Localized,
) -> Result<Settled, Failure> {
    let what = record.to_string();
    let alert = Alert {
        kind: "sync_undecided",
        what: &what,
        once: &format!("{}#{}#{why}", opened.database.name, record.key()),
        again_after: Duration::from_secs(24 * 60 * 60),
        head: undecided(record, state, &opened.database.name),
        lines: vec![why.clone()],
    };
    alert::raise(&deps.ports, &opened.portal, &alert).await?;
    Ok(Settled::skip(format!("not linked: {why}")))
}

fn undecided(record: Record, state: &State, database: &str) -> Localized {
    Localized::of(|language| texts::alerts::SyncUndecided {
        record: record.title(language),
        title: state.title().unwrap_or_default(),
        database: database.to_owned(),
    })
}

/// Takes a row that was recognised for the record's page.
async fn take(mut work: Work<'_>, state: &State, page: Page, key: &Key) -> Result<Settled, Failure> {
    // A query may show what was a moment ago.
    let now = work.opened.notion.page(&page.id).await?.filter(|page| misplaced(work.opened, page).is_none());
    let carries = now.as_ref().map(|page| matching::number(work.opened, page));
    let expected = (*key == Key::Number).then(|| work.record().id());
    if carries != Some(expected) {
        return Ok(Settled::wait(FINDABLE.unsigned_abs(), "the row was changed a moment ago; it is looked up again"));
    }
    if *key != Key::Number {
        matching::write_number(work.opened, &page.id, work.record()).await?;
    }
    work.link.title = state.title().unwrap_or_default();
    tracing::info!(trace = %work.job.trace, tenant = %work.job.tenant, record = %work.link.record, key = key.name(), "a row is linked");
    adopt(work, page).await
}

/// Why a record gets no page, if it gets none.
pub(crate) fn left_out(opened: &Opened, record: Record, state: &State) -> Result<Option<String>, Failure> {
    let Some(when) = &opened.database.when else { return Ok(None) };
    let bad = |error: &dyn std::fmt::Display| {
        Failure::permanent("bad_condition", format!("the condition of database {:?}: {error}", opened.database.name))
    };
    let condition = Condition::parse(when).map_err(|error| bad(&error))?;
    let holds = condition.holds(&notion_sync::context::telling(record, state)).map_err(|error| bad(&error))?;
    Ok((!holds).then(|| format!("the condition of database {:?} does not hold", opened.database.name)))
}

/// Sees to it that the pages are made that this one's relations lead to.
pub(crate) async fn waits_for_others(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
    opened: &Opened,
    record: Record,
    state: &State,
) -> Result<bool, Failure> {
    let awaited = deps.mirror.awaited(opened, record, state).await?;
    if job.attempt == 1 && !awaited.is_empty() {
        let mut messages = Vec::new();
        for (database, record) in &awaited {
            let signal = Signal::both("relation");
            let trace = runtime::TraceId::new(deps.now());
            let wanted = SyncJob::Record { database: database.clone(), record: *record, signal };
            let once = format!("awaited#{database}#{}#{}", record.key(), job.trace);
            messages.push(notion_sync::message(&wanted, &job.tenant, trace, &once)?);
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
                runtime::clock::until(now, findable),
                "a page may have been made; it is looked for once it can be found",
            ));
        }
        // Of several the oldest: it was there, or was made, first.
        if let Some(page) = matching::with_number(work.opened, work.record()).await?.into_iter().next() {
            return adopt(work, page).await;
        }
    }
    let Some(known) = read::record(work.deps, work.opened, work.record(), None).await? else {
        work.deps.mirror.links.forget(&work.job.tenant, &work.link).await?;
        return Ok(Settled::skip("the record is gone, and had no page"));
    };
    let (deps, opened, record) = (work.deps, work.opened, work.record());
    let Some(state) = with_addresses(deps, opened, record, known.state).await? else {
        deps.mirror.links.forget(&work.job.tenant, &work.link).await?;
        return Ok(Settled::skip("the record is gone, and had no page"));
    };
    match matching::find(deps, opened, record, &state).await? {
        Row::One(page, key) => Box::pin(take(work, &state, *page, &key)).await,
        Row::Refused { why, .. } => {
            deps.mirror.links.forget(&work.job.tenant, &work.link).await?;
            refuse(deps, opened, record, &state, &why).await
        }
        Row::None => {
            work.link.standing = Standing::Making { since: deps.now(), open: false };
            create(work, state).await
        }
    }
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
    pub(crate) context: notion_sync::fields::page::Context,
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
    let telling = notion_sync::context::telling(record, state);
    let blocks = notion_sync::fields::body::blocks(
        &opened.database.parts(),
        &records::CardContext {
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
    // The page exists: the next try has to look for it.
    let unknown = |failure: Failure| Failure { kind: Kind::UnknownOutcome, ..failure };
    let mut also = work.page_made(&page, state, &cells, is_partial).await.map_err(unknown)?;
    also.push(owner_write(&work.job.tenant, &page.id, &work.link)?);
    if work.link.body_open {
        also.push(body::begin(&work.job.tenant, &page.id, calls)?);
    }
    work.save(also).await.map_err(unknown)?;
    deps.metrics.count("sync_pages_made", "notion");
    Ok(page)
}
