//! Makes a record's page, once.
//!
//! Notion does not recognise a repeated request, and a query finds a new row only after a while. So the link notes a
//! call before it is made; a worker that finds such a note waits until the row can be found, searches for the record's
//! number, and only then makes another. The number and the other keys are searched before any page is made: a row that
//! already belongs to the record is linked.

use std::time::Duration;

use clients::{ErrorClass, Failure};
use jiff::{SignedDuration, Timestamp};
use jobs::sync::{Signal, SyncJob, SyncSide};
use locale::{Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use notion::NotionPage;
use records::{Change, Record, RecordState};
use runtime::clock::is_ahead;
use runtime::job::ReceivedJob;
use serde_json::json;
use settings::databases::RowKey;

use crate::NotionSync;
use crate::database::OpenedDatabase;
use crate::fields::Cell;
use crate::link::{LinkState, PageLink, link_write, owner_write};
use crate::work::matching::RowMatch;
use crate::work::outcome::NewPage;
use crate::work::read::{PageRead, Reads, RecordRead, misplaced};
use crate::work::related::{MAX_WAITS, request_pages};
use crate::work::{LinkWork, Next, SyncDecision, body, matching, read, write};

/// After this time, a query certainly finds a row that was created.
const FINDABLE: SignedDuration = SignedDuration::from_secs(75);
/// Why nothing is made.
const NO_RECORD: &str = "the record is gone, and had no page";
/// What a page waits for after a restore.
const BEFORE_RESTORE: &str = "a page may have been made before the restore; it is looked for once it can be found";

/// A record without a link: begins one and returns its next step, or why it gets no page.
pub(super) async fn first<'a>(
    sync: &'a NotionSync,
    job: &'a ReceivedJob<SyncJob>,
    opened: &'a OpenedDatabase,
    record: Record,
    signal: &'a Signal,
) -> Result<Result<(LinkWork<'a>, Next), SyncDecision>, Failure> {
    let arrived = (signal.side == Some(SyncSide::Bitrix24)).then(|| job.arrived_by());
    let Some(read) = read::record(sync, opened, record, arrived).await? else {
        return Ok(Err(SyncDecision::skip(NO_RECORD)));
    };
    if let Some(reason) = matching::left_out(opened, record, &read.state)? {
        return Ok(Err(SyncDecision::skip(reason)));
    }
    if job.attempt <= MAX_WAITS && request_pages(sync, job, opened, record, &read.state).await? {
        let cause = "the pages that it leads to are made first";
        return Ok(Err(SyncDecision::wait(Duration::from_secs(3), cause)));
    }
    if let Some(wait) = until_findable(sync).await? {
        return Ok(Err(SyncDecision::wait(wait, BEFORE_RESTORE)));
    }
    let Some(read) = with_addresses(sync, opened, record, read).await? else {
        return Ok(Err(SyncDecision::skip(NO_RECORD)));
    };
    let context = sync.context(opened, record, Some(&read.state), None).await?;
    let row = matching::find(sync, opened, record, &read.state, &context).await?;
    if let RowMatch::Refused { why, .. } = &row {
        return Ok(Err(refuse(sync, opened, record, &read.state, why).await?));
    }
    let link = PageLink::making(&opened.database.name, record, sync.now());
    let version = sync.begin(link_write(&job.tenant, &link, None)?).await?;
    let reads = Reads { context: Some(context), ..Reads::default() };
    let mut work = LinkWork { sync, job, opened, signal, link, version, reads };
    let next = match row {
        RowMatch::One(page, key) => take(&mut work, read, &page, &key).await?,
        RowMatch::None | RowMatch::Refused { .. } => create(&mut work, &read).await?,
    };
    Ok(Ok((work, next)))
}

/// How long it takes until a query certainly finds every page that was made before what we know was restored.
async fn until_findable(sync: &NotionSync) -> Result<Option<Duration>, Failure> {
    let Some(mark) = sync.connections.generation().restored().await? else { return Ok(None) };
    let wait = runtime::clock::until(sync.now(), mark.restored_at + FINDABLE);
    Ok((!wait.is_zero()).then_some(wait))
}

/// The record with its e-mail addresses and telephone numbers, if rows are recognised by them.
async fn with_addresses(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    read: RecordRead,
) -> Result<Option<RecordRead>, Failure> {
    let lacks = |state: &RecordState| state.as_item().is_some_and(|item| !item.more.contains_key("fm"));
    if !matching::needs_addresses(opened) || !lacks(&read.state) {
        return Ok(Some(read));
    }
    read::record(sync, opened, record, None).await
}

/// It cannot be decided which row is the record's: no page is made, and operators read what to do.
async fn refuse(
    sync: &NotionSync,
    opened: &OpenedDatabase,
    record: Record,
    state: &RecordState,
    why: &Localized,
) -> Result<SyncDecision, Failure> {
    let what = record.to_string();
    let alert = Alert {
        kind: "sync_undecided",
        what: &what,
        once: &format!("{}#{}#{why}", opened.database.name, record.key()),
        again_after: Duration::from_secs(24 * 60 * 60),
        head: undecided(record, state, &opened.database.name),
        lines: vec![why.clone()],
    };
    alert::raise(&sync.backend, &opened.portal, &alert).await?;
    Ok(SyncDecision::skip(format!("not linked: {why}")))
}

fn undecided(record: Record, state: &RecordState, database: &str) -> Localized {
    Localized::of(|language| texts::alerts::SyncUndecided {
        record: record.title(language),
        title: state.title().unwrap_or_default(),
        database: database.to_owned(),
    })
}

/// Links a recognised row as the record's page.
async fn take(work: &mut LinkWork<'_>, record: RecordRead, row: &NotionPage, key: &RowKey) -> Result<Next, Failure> {
    // A query may show an earlier state.
    let read_at = work.sync.now();
    let page = read::page(work.opened, &row.id).await?.filter(|page| misplaced(work.opened, page).is_none());
    let expected = (*key == RowKey::Number).then(|| work.record().id());
    let Some(page) = page.filter(|page| matching::number(work.opened, page) == expected) else {
        let cause = "the row was changed a moment ago; it is looked up again";
        return Ok(Next::wait(FINDABLE.unsigned_abs(), cause));
    };
    if *key != RowKey::Number {
        matching::write_number(work.opened, &page.id, work.record()).await?;
    }
    work.link.title = record.state.title().unwrap_or_default();
    tracing::info!(trace = %work.job.trace, tenant = %work.job.tenant, record = %work.link.record, key = key.name(), "a row is linked");
    let id = page.id.clone();
    (work.reads.record, work.reads.page) = (Some(record), Some(PageRead { page, read_at }));
    adopt(work, &id).await
}

/// A link whose page was not recorded.
pub(super) async fn again(work: &mut LinkWork<'_>, since: Timestamp, open: bool) -> Result<Next, Failure> {
    if open {
        let findable = since + FINDABLE;
        let now = work.sync.now();
        if is_ahead(now, findable, FINDABLE.unsigned_abs()) {
            let cause = "a page may have been made; it is looked for once it can be found";
            return Ok(Next::wait(runtime::clock::until(now, findable), cause));
        }
        // Of several, the oldest: it existed, or was created, first.
        if let Some(page) = matching::with_number(work.opened, work.record()).await?.first() {
            return adopt(work, &page.id).await;
        }
    }
    let (sync, opened, record) = (work.sync, work.opened, work.record());
    if let Some(wait) = until_findable(sync).await? {
        return Ok(Next::wait(wait, BEFORE_RESTORE));
    }
    let read = match read::record(sync, opened, record, None).await? {
        Some(read) => with_addresses(sync, opened, record, read).await?,
        None => None,
    };
    let Some(read) = read else {
        sync.links.forget(&work.job.tenant, &work.link).await?;
        return Ok(Next::skip(NO_RECORD));
    };
    let context = sync.context(opened, record, Some(&read.state), None).await?;
    let row = matching::find(sync, opened, record, &read.state, &context).await?;
    work.reads.context = Some(context);
    match row {
        RowMatch::One(page, key) => take(work, read, &page, &key).await,
        RowMatch::Refused { why, .. } => {
            sync.links.forget(&work.job.tenant, &work.link).await?;
            refuse(sync, opened, record, &read.state, &why).await.map(Next::End)
        }
        RowMatch::None => {
            work.link.standing = LinkState::Making { since: sync.now(), open: false };
            create(work, &read).await
        }
    }
}

/// Uses an existing row as the record's page. The differences are merged next.
async fn adopt(work: &mut LinkWork<'_>, page: &str) -> Result<Next, Failure> {
    work.link.page = Some(page.to_owned());
    work.link.standing = LinkState::Together;
    let owner = owner_write(&work.job.tenant, page, &work.link)?;
    work.save(vec![owner]).await?;
    Ok(Next::Merge)
}

/// The values of a record that can be written to a new page.
async fn new_page(work: &mut LinkWork<'_>, state: &RecordState) -> Result<NewPage, Failure> {
    let (known, opened, record) = (work.reads.context.take(), work.opened, work.record());
    let context = work.sync.extend(known, opened, record, Some(state), None).await?;
    let side = read::portal_side(opened, record, state, &context);
    let sayable =
        side.fields.into_iter().filter(|(_, reading)| reading.cannot.is_none() && reading.cell != Cell::Empty);
    Ok(NewPage { cells: sayable.map(|(field, reading)| (field, reading.cell)).collect(), context })
}

async fn create(work: &mut LinkWork<'_>, record: &RecordRead) -> Result<Next, Failure> {
    let page = match make_page(work, record).await {
        Ok(page) => page,
        Err(failure) => {
            // Certainly nothing was created: the next try need not search for it.
            if failure.class != ErrorClass::UnknownOutcome
                && matches!(work.link.standing, LinkState::Making { open: true, .. })
            {
                work.link.standing = LinkState::Making { since: work.sync.now(), open: false };
                work.save(Vec::new()).await?;
            }
            return Err(failure);
        }
    };
    body::complete(work).await?;
    let changes = vec![format!("page made in {}", work.opened.database.name)];
    let write = work.last_write()?;
    Ok(Next::End(work.settled(changes, page.url, vec![write])))
}

/// Creates the page and records the link.
pub(crate) async fn make_page(work: &mut LinkWork<'_>, read: &RecordRead) -> Result<NotionPage, Failure> {
    let (sync, opened, record, state) = (work.sync, work.opened, work.record(), &read.state);
    let new = new_page(work, state).await?;
    write::make_options(opened, &new.cells).await?;
    let mut properties = write::properties(opened, &new.cells, None, &new.context);
    properties.insert(opened.id.id.clone(), json!({"number": record.id()}));
    let telling = Change::whole(record, state.clone());
    let blocks = crate::fields::body::blocks(
        &opened.database.parts(),
        &records::CardContext {
            change: &telling,
            names: &new.context.names,
            domain: &opened.portal.domain,
            language: opened.settings.language,
        },
    );
    let calls = notion::block::appends(&blocks);
    let first = calls.first().map(|call| call.blocks.clone()).unwrap_or_default();
    work.link.title = state.title().unwrap_or_default();
    work.link.standing = LinkState::Making { since: sync.now(), open: true };
    work.save(Vec::new()).await?;
    let (page, is_partial) = write::create_page(opened, &properties, &first).await?;

    work.link.page = Some(page.id.clone());
    work.link.standing = LinkState::Together;
    work.link.sync_source = Some(SyncSide::Bitrix24);
    work.link.synced_at = Some(sync.now());
    work.link.seen.bitrix24 = Some(read.read_at);
    work.link.body_open = calls.len() > 1;
    // The page exists: the next try has to find it.
    let unknown = |failure: Failure| Failure { class: ErrorClass::UnknownOutcome, ..failure };
    let mut also = work.page_made(&page, state, new, is_partial).await.map_err(unknown)?;
    also.push(owner_write(&work.job.tenant, &page.id, &work.link)?);
    if work.link.body_open {
        also.push(body::begin(&work.job.tenant, &page.id, calls)?);
    }
    work.save(also).await.map_err(unknown)?;
    sync.backend.metrics.count("sync_pages_made", "notion");
    Ok(page)
}
