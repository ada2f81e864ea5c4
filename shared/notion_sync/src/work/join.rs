//! Joins rows that carry the same record number: one remains the record's page, the others lose the number, get a note
//! that names it, and go to the trash if that was asked for. Their other contents are not changed.

use clients::Failure;
use jobs::sync::{Others, Signal, SyncJob};
use locale::texts;
use notion::NotionPage;
use records::Record;
use runtime::job::ReceivedJob;
use serde_json::{Map, json};

use crate::NotionSync;
use crate::database::{Open, OpenedDatabase};
use crate::fields::Base;
use crate::link::{LinkState, PageLink, ReadMoments, link_write, owner_write};
use crate::work::matching::{number, with_number, write_number};
use crate::work::read::{PageRead, Reads, misplaced};
use crate::work::{LinkWork, Next, SyncDecision, SyncOutcome, read};

/// What a person asks for.
pub(crate) struct JoinRequest<'a> {
    pub(crate) record: Record,
    /// The page that stays.
    pub(crate) keep: &'a str,
    /// What becomes of the others.
    pub(crate) others: Others,
    /// Who asked for it.
    pub(crate) by: &'a str,
}

pub(crate) async fn join(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    database: &str,
    request: &JoinRequest<'_>,
) -> Result<SyncDecision, Failure> {
    let opened = match sync.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(SyncDecision::skip(closed.text.to_string())),
    };
    let record = request.record;
    let read_at = sync.now();
    let Some(keep) = read::page(&opened, request.keep).await?.filter(|page| misplaced(&opened, page).is_none()) else {
        return Ok(SyncDecision::skip(format!("page {} is not in database {database:?} any more", request.keep)));
    };
    let found = sync.links.get(&job.tenant, database, record).await?;
    let linked = found.as_ref().and_then(|(link, _)| link.page.clone());
    if let Some(why) = unfit(sync, job, &opened, request, &keep, linked.as_deref()).await? {
        return Ok(SyncDecision::skip(why));
    }
    let Some(read) = read::record(sync, &opened, record, None).await? else {
        return Ok(SyncDecision::skip(format!("{record} is not in Bitrix24, or hidden from the connection")));
    };
    let mut changes = vec![format!("{} is the page of {record} now, by {}", keep.url, request.by)];
    for page in others(&opened, record, linked.as_deref(), &keep).await? {
        set_aside(&opened, record, &keep, &page, request.others).await?;
        if sync.links.owner(&job.tenant, &page.id).await?.is_some_and(|owner| owner.record == record) {
            sync.links.disown(&job.tenant, &page.id).await?;
        }
        changes.push(match request.others {
            Others::Note => format!("{} lost its number", page.url),
            Others::Trash => format!("{} lost its number and is in Notion's trash", page.url),
        });
    }
    if number(&opened, &keep) != Some(record.id()) {
        write_number(&opened, &keep.id, record).await?;
    }
    let signal = Signal::both("join");
    let (link, version) = match found {
        Some(found) => found,
        None => {
            let link = PageLink::making(database, record, sync.now());
            let version = sync.begin(link_write(&job.tenant, &link, None)?).await?;
            (link, version)
        }
    };
    let mut work = LinkWork { sync, job, opened: &opened, signal: &signal, link, version, reads: Reads::default() };
    if work.link.page.as_deref() != Some(&keep.id) {
        // What was agreed on with another page does not count for this one.
        work.link = PageLink {
            page: Some(keep.id.clone()),
            base: Base::new(),
            intents: Vec::new(),
            resting: None,
            seen: ReadMoments::default(),
            stuck: Vec::new(),
            held: Vec::new(),
            body_open: false,
            ..work.link
        };
    }
    work.link.standing = LinkState::Together;
    let owner = owner_write(&job.tenant, &keep.id, &work.link)?;
    work.save(vec![owner]).await?;
    let url = keep.url.clone();
    work.reads.record = Some(read);
    work.reads.page = Some(PageRead { page: keep, read_at });
    let decision = work.carry_out(Next::Merge).await?;
    let outcome = match decision.outcome {
        SyncOutcome::Done { changes: more, place } => SyncOutcome::Done { changes: [changes, more].concat(), place },
        SyncOutcome::Skip(_) => SyncOutcome::Done { changes, place: url },
        other => other,
    };
    Ok(SyncDecision { outcome, ..decision })
}

/// Why a page cannot become the record's.
async fn unfit(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    opened: &OpenedDatabase,
    request: &JoinRequest<'_>,
    keep: &NotionPage,
    linked: Option<&str>,
) -> Result<Option<String>, Failure> {
    let record = request.record;
    let owner = opened.known_owner(sync.links.owner(&job.tenant, &keep.id).await?);
    if let Some(owner) = owner.filter(|owner| owner.record != record || owner.database != opened.database.name) {
        return Ok(Some(format!("{} is linked with {}", keep.url, owner.record)));
    }
    let carries = number(opened, keep) == Some(record.id());
    let is_linked = linked.is_some_and(|page| notion::id::same(page, &keep.id));
    Ok((!carries && !is_linked).then(|| {
        format!("{} does not carry the number {}; write it into {:?} first", keep.url, record.id(), opened.id.name)
    }))
}

/// The other rows that carry the record's number, and the one that is linked.
async fn others(
    opened: &OpenedDatabase,
    record: Record,
    linked: Option<&str>,
    keep: &NotionPage,
) -> Result<Vec<NotionPage>, Failure> {
    let mut ids: Vec<String> = with_number(opened, record).await?.into_iter().map(|page| page.id).collect();
    ids.extend(linked.map(str::to_owned));
    let mut pages: Vec<NotionPage> = Vec::new();
    for id in ids {
        let is_known = pages.iter().any(|page| notion::id::same(&page.id, &id)) || notion::id::same(&keep.id, &id);
        if is_known {
            continue;
        }
        // A query may show what was a moment ago.
        let Some(page) = opened.notion.page(&id).await?.filter(|page| misplaced(opened, page).is_none()) else {
            continue;
        };
        if number(opened, &page) == Some(record.id()) || linked.is_some_and(|linked| notion::id::same(linked, &id)) {
            pages.push(page);
        }
    }
    Ok(pages)
}

async fn set_aside(
    opened: &OpenedDatabase,
    record: Record,
    keep: &NotionPage,
    page: &NotionPage,
    others: Others,
) -> Result<(), Failure> {
    let mut properties = Map::from_iter([(opened.id.id.clone(), json!({"number": null}))]);
    if let Some(note) = &opened.note {
        let language = opened.settings.language;
        let text = language.text(texts::sync::NoteDouble { record: record.title(language), page: keep.url.clone() });
        properties.insert(note.id.clone(), json!({"rich_text": notion::text::runs(&text)}));
    }
    opened.notion.update(&page.id, &properties).await.map_err(Failure::repeatable)?;
    if others == Others::Trash {
        opened.notion.trash(&page.id, true).await.map_err(Failure::repeatable)?;
    }
    Ok(())
}
