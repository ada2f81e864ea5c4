//! Joins rows that carry the same record number: one remains the record's page, the others lose the number, get a note
//! that names it, and go to the trash if that was asked for. Their other contents are not changed.

use clients::Failure;
use jobs::sync::{Others, Signal, SyncJob};
use locale::texts;
use notion::Page;
use notion_sync::database::{Open, Opened};
use notion_sync::fields::Base;
use notion_sync::link::{Link, Standing};
use notion_sync::link::{Seen, link_write, owner_write};
use records::Record;
use runtime::job::ReceivedJob;
use serde_json::{Map, json};

use crate::matching::{number, with_number, write_number};
use crate::record::{Work, misplaced};
use crate::{Deps, Settled, SyncOutcome, read};

/// What is wanted.
pub(crate) struct Wanted<'a> {
    /// The record.
    pub(crate) record: Record,
    /// The page that stays.
    pub(crate) keep: &'a str,
    /// What becomes of the others.
    pub(crate) others: Others,
    /// Who wants it.
    pub(crate) by: &'a str,
}

pub(crate) async fn join(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
    database: &str,
    wanted: &Wanted<'_>,
) -> Result<Settled, Failure> {
    let opened = match deps.mirror.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(Settled::skip(closed.text.to_string())),
    };
    let record = wanted.record;
    let Some(keep) = read::page(&opened, wanted.keep).await?.filter(|page| misplaced(&opened, page).is_none()) else {
        return Ok(Settled::skip(format!("page {} is not in database {database:?} any more", wanted.keep)));
    };
    let found = deps.mirror.links.get(&job.tenant, database, record).await?;
    let linked = found.as_ref().and_then(|(link, _)| link.page.clone());
    if let Some(why) = unfit(deps, job, &opened, wanted, &keep, linked.as_deref()).await? {
        return Ok(Settled::skip(why));
    }
    if read::record(deps, &opened, record, None).await?.is_none() {
        return Ok(Settled::skip(format!("{record} is not in Bitrix24, or hidden from the connection")));
    }
    let mut changes = vec![format!("{} is the page of {record} now, by {}", keep.url, wanted.by)];
    for page in others(&opened, record, linked.as_deref(), &keep).await? {
        set_aside(&opened, record, &keep, &page, wanted.others).await?;
        if deps.mirror.links.owner(&job.tenant, &page.id).await?.is_some_and(|owner| owner.record == record) {
            deps.mirror.links.disown(&job.tenant, &page.id).await?;
        }
        changes.push(match wanted.others {
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
            let link = Link::making(database, record, deps.now());
            let version = deps.begin(link_write(&job.tenant, &link, None)?).await?;
            (link, version)
        }
    };
    let mut work = Work { deps, job, opened: &opened, signal: &signal, link, version };
    if work.link.page.as_deref() != Some(&keep.id) {
        // What was agreed on with another page says nothing of this one.
        work.link = Link {
            page: Some(keep.id.clone()),
            base: Base::new(),
            intents: Vec::new(),
            resting: None,
            seen: Seen::default(),
            stuck: Vec::new(),
            held: Vec::new(),
            body_open: false,
            ..work.link
        };
    }
    work.link.standing = Standing::Together;
    let owner = owner_write(&job.tenant, &keep.id, &work.link)?;
    work.save(vec![owner]).await?;
    let settled = work.together(false).await?;
    let outcome = match settled.outcome {
        SyncOutcome::Done { changes: more, place } => SyncOutcome::Done { changes: [changes, more].concat(), place },
        SyncOutcome::Skip(_) => SyncOutcome::Done { changes, place: keep.url.clone() },
        other => other,
    };
    Ok(Settled { outcome, ..settled })
}

/// Why a page cannot become the record's.
async fn unfit(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
    opened: &Opened,
    wanted: &Wanted<'_>,
    keep: &Page,
    linked: Option<&str>,
) -> Result<Option<String>, Failure> {
    let record = wanted.record;
    let owner = opened.known_owner(deps.mirror.links.owner(&job.tenant, &keep.id).await?);
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
async fn others(opened: &Opened, record: Record, linked: Option<&str>, keep: &Page) -> Result<Vec<Page>, Failure> {
    let mut ids: Vec<String> = with_number(opened, record).await?.into_iter().map(|page| page.id).collect();
    ids.extend(linked.map(str::to_owned));
    let mut pages: Vec<Page> = Vec::new();
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

async fn set_aside(opened: &Opened, record: Record, keep: &Page, page: &Page, others: Others) -> Result<(), Failure> {
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
