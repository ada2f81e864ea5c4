//! To which record a page from a webhook belongs, and what to do after a database's schema changed.

use std::time::Duration;

use clients::Failure;
use jobs::sync::{Signal, SyncJob};
use locale::texts;
use notion::NotionPage;
use records::Record;
use runtime::claims;
use runtime::clock::{is_ahead, later, until};
use runtime::decision::already_decided;
use runtime::job::ReceivedJob;
use runtime::store::Version;
use serde_json::json;
use tenants::portals::Portal;

use crate::NotionSync;
use crate::database::{Open, OpenedDatabase};
use crate::link::{LinkState, PageLink, link_write, owner_write};
use crate::work::matching::{self, RowMatch};
use crate::work::{SyncDecision, read};

/// How long a page that we just created may not be recorded yet, from when an event of it arrives.
const WRITTEN_DOWN: Duration = Duration::from_secs(5);

/// The contents of an event of a page.
pub(crate) struct PageEvent<'a> {
    pub(crate) page: &'a str,
    pub(crate) identity: &'a str,
    /// Who edited.
    pub(crate) authors: &'a [String],
    pub(crate) signal: &'a Signal,
}

/// Hands the signal on to the link's own group. The same event is not handed on twice; and what we alone have written
/// was read when it was written.
///
/// That is a second job on the same queue, and has to be: an event names only its page, so that this job's group is the
/// page, and which record it belongs to is known no sooner than here. Worked at once, it would run beside the jobs of the
/// record's own group, and the link would have two writers.
pub(crate) async fn find(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    PageEvent { page, identity, authors, signal }: &PageEvent<'_>,
) -> Result<SyncDecision, Failure> {
    let portal = sync.connections.portal(&job.tenant).await?;
    if let Some(address) = sync.hooks.address(&job.tenant).await? {
        sync.hooks.note_seen(&address.place(), sync.now()).await?;
    }
    let us = portal.notion.as_ref().map(|notion| notion.bot_id.as_str()).unwrap_or_default();
    if !authors.is_empty() && authors.iter().all(|author| notion::id::same(author, us)) {
        // If that is wrong, the poll finds a row that does not show what was agreed.
        return Ok(SyncDecision::skip("an echo: only Switchboard edited it"));
    }
    let claimed = format!("notion#{identity}");
    if let Some(claim) = claims::find(sync.backend.store.as_ref(), &job.tenant, &claimed).await? {
        if claim.trace == job.trace {
            // An earlier try handed it on; the line belongs to the other job now.
            return Ok(SyncDecision::handed_on(Vec::new(), Vec::new()));
        }
        return Ok(SyncDecision::skip(already_decided(&claim)));
    }
    let Some(owner) = sync.links.owner(&job.tenant, page).await? else {
        let (now, recorded_at) = (sync.now(), later(job.arrived_by(), WRITTEN_DOWN));
        if is_ahead(now, recorded_at, WRITTEN_DOWN) {
            let cause = "the page belongs to no record yet; it may be in creation";
            return Ok(SyncDecision::wait(until(now, recorded_at), cause));
        }
        let reason = stranger(sync, job, &portal, page).await?;
        return Ok(SyncDecision { claims: vec![claimed], ..SyncDecision::skip(reason) });
    };
    let next = SyncJob::Record { database: owner.database, record: owner.record, signal: (*signal).clone() };
    let message = crate::message(&next, &job.tenant, job.trace, &format!("signal#{identity}"))?;
    Ok(SyncDecision::handed_on(vec![claimed], vec![message]))
}

/// A page without a link: of another database, a row that a person added, or a copy of a linked one.
async fn stranger(sync: &NotionSync, job: &ReceivedJob<SyncJob>, portal: &Portal, id: &str) -> Result<String, Failure> {
    let settings = NotionSync::settings(portal)?;
    let notion = sync.notion(portal, &settings).await?;
    let Some(page) = notion.page(id).await? else { return Ok("the page belongs to no record, and is deleted".into()) };
    for database in &settings.notion.databases {
        let known = sync.stored(&job.tenant, &database.name).await?;
        let Some(source) = known.and_then(|known| known.source).filter(|source| page.is_in(&source.id)) else {
            continue;
        };
        let Open::Ready(opened) = sync.open(&job.tenant, &database.name).await? else { continue };
        let Some(number) = matching::number(&opened, &page) else {
            return Ok(format!(
                "a row that someone added to {:?}; a backfill can link it to a record, and so does its number",
                source.title
            ));
        };
        let record = database.records.kind().record(number);
        let link = sync.links.get(&job.tenant, &database.name, record).await?;
        let other = link.as_ref().and_then(|(link, _)| link.page.as_deref());
        if other.is_some_and(|other| other != page.id) {
            // Its number is removed, or the next search might take it for the original.
            if let Some(note) = &opened.note {
                let properties = serde_json::Map::from_iter([
                    (opened.id.id.clone(), json!({"number": null})),
                    (note.id.clone(), json!({"rich_text": notion::text::runs(&note_copy(record, &opened))})),
                ]);
                opened.notion.update(&page.id, &properties).await?;
            }
            return Ok(format!("a copy of the page of {record}: it is marked, and not synced"));
        }
        return numbered(sync, job, &opened, &page, record, link).await;
    }
    Ok("the page is in no database that is synced".into())
}

fn note_copy(record: Record, opened: &OpenedDatabase) -> String {
    let language = opened.settings.language;
    language.text(texts::sync::NoteCopy { record: record.title(language) })
}

/// A row with the number of a record without a page: it is that record's. It is linked from here, for a query may not
/// show its number yet.
async fn numbered(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    opened: &OpenedDatabase,
    page: &NotionPage,
    record: Record,
    link: Option<(PageLink, Version)>,
) -> Result<String, Failure> {
    if page.in_trash {
        return Ok("a row in the trash".into());
    }
    if read::record(sync, opened, record, None).await?.is_none() {
        let text = format!("Bitrix24 has no {record}, or the connection may not see it");
        if let Some(note) = &opened.note {
            let language = opened.settings.language;
            let said = language.text(texts::sync::NoteUnknown { record: record.title(language) });
            let properties =
                serde_json::Map::from_iter([(note.id.clone(), json!({"rich_text": notion::text::runs(&said)}))]);
            opened.notion.update(&page.id, &properties).await?;
        }
        return Ok(format!("{text}; the row says so"));
    }
    let next =
        SyncJob::Record { database: opened.database.name.clone(), record, signal: Signal::both("a number on a row") };
    let message = crate::message(&next, &job.tenant, job.trace, &format!("numbered#{}#{}", page.id, record.key()))?;
    if link.is_some() {
        // Its page is being created, or was linked a moment ago: its own job determines which.
        sync.send(vec![message]).await?;
        return Ok(format!("it carries the number of {record}, whose link is checked"));
    }
    let others = matching::with_number(opened, record).await?;
    if others.iter().any(|other| !notion::id::same(&other.id, &page.id)) {
        let rows: Vec<NotionPage> =
            others.into_iter().filter(|other| other.id != page.id).chain([page.clone()]).collect();
        let RowMatch::Refused { why, .. } = matching::doubled(opened, record, rows) else { return Ok(String::new()) };
        return Ok(why.to_string());
    }
    let mut link = PageLink::making(&opened.database.name, record, sync.now());
    link.page = Some(page.id.clone());
    link.standing = LinkState::Together;
    let owner = owner_write(&job.tenant, &page.id, &link)?;
    sync.put(vec![link_write(&job.tenant, &link, None)?, owner]).await?;
    sync.send(vec![message]).await?;
    Ok(format!("it carries the number of {record} and is linked with it"))
}

/// Compares the settings with the schemas again: a webhook said that one changed.
pub(crate) async fn check_schemas(sync: &NotionSync, job: &ReceivedJob<SyncJob>) -> Result<SyncDecision, Failure> {
    let portal = sync.connections.portal(&job.tenant).await?;
    let settings = NotionSync::settings(&portal)?;
    let mut found = Vec::new();
    for database in &settings.notion.databases {
        let Some(known) = sync.validate_schema(&job.tenant, &database.name).await? else { continue };
        found.extend(known.closed.map(|closed| format!("{}: {}", database.name, closed.code)));
        found.extend(known.troubles.iter().map(|trouble| format!("{}: {} pauses", database.name, trouble.field)));
    }
    Ok(if found.is_empty() {
        SyncDecision::skip("the schemas fit the settings")
    } else {
        SyncDecision::done(found, "schemas".into(), Vec::new())
    })
}
