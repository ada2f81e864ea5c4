//! To which record a page from a webhook belongs, and what to do after a database's schema changed.

use std::time::Duration;

use clients::Failure;
use jobs::sync::{Signal, SyncJob};
use locale::texts;
use notion::Page;
use notion_sync::database::{Open, Opened};
use notion_sync::link::{Link, Standing};
use notion_sync::link::{link_write, owner_write};
use records::Record;
use runtime::claims;
use runtime::decision::already_decided;
use runtime::job::ReceivedJob;
use runtime::store::Version;
use serde_json::json;

use crate::matching::{self, Row};
use crate::{Deps, Settled, read};

/// A page that was just made by us may not be written down yet.
const WRITTEN_DOWN: Duration = Duration::from_secs(5);

/// What an event says besides its page.
pub(crate) struct Told<'a> {
    /// Its identity.
    pub(crate) identity: &'a str,
    /// Who edited.
    pub(crate) authors: &'a [String],
}

/// Hands the signal on to the link's own group. The same event is not handed on twice; and what we alone have written was
/// read when it was written.
pub(crate) async fn find(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
    page: &str,
    Told { identity, authors }: &Told<'_>,
    signal: &Signal,
) -> Result<Settled, Failure> {
    let portal = deps.mirror.connections.portal(&job.tenant).await?;
    if job.attempt == 1
        && let Some(address) = deps.hooks.address(&job.tenant).await?
    {
        deps.hooks.note_seen(&address.place(), deps.now()).await?;
    }
    let us = portal.notion.as_ref().map(|notion| notion.bot_id.as_str()).unwrap_or_default();
    if !authors.is_empty() && authors.iter().all(|author| notion::id::same(author, us)) {
        // Were it not so, the poll would find a row that does not show what was agreed.
        return Ok(Settled::skip("an echo: only Switchboard edited it"));
    }
    let told = format!("notion#{identity}");
    if let Some(claim) = claims::find(deps.ports.store.as_ref(), &job.tenant, &told).await? {
        if claim.trace == job.trace {
            // An earlier try handed it on; the line is the other job's now.
            return Ok(Settled::handed_on(Vec::new(), Vec::new()));
        }
        return Ok(Settled::skip(already_decided(&claim)));
    }
    let Some(owner) = deps.mirror.links.owner(&job.tenant, page).await? else {
        if job.attempt == 1 {
            return Ok(Settled::wait(WRITTEN_DOWN, "the page belongs to no record yet; it may be in creation"));
        }
        let reason = stranger(deps, job, page).await?;
        return Ok(Settled { claims: vec![told], ..Settled::skip(reason) });
    };
    let next = SyncJob::Record { database: owner.database, record: owner.record, signal: signal.clone() };
    let message = notion_sync::message(&next, &job.tenant, job.trace, &format!("signal#{identity}"))?;
    Ok(Settled::handed_on(vec![told], vec![message]))
}

/// A page that no link knows: of another database, a row that somebody added, or a copy of a linked one.
async fn stranger(deps: &Deps, job: &ReceivedJob<SyncJob>, id: &str) -> Result<String, Failure> {
    let portal = deps.mirror.connections.portal(&job.tenant).await?;
    let settings = notion_sync::NotionSync::settings(&portal)?;
    let notion = deps.mirror.notion(&portal, &settings).await?;
    let Some(page) = notion.page(id).await? else { return Ok("the page belongs to no record, and is deleted".into()) };
    for database in &settings.notion.databases {
        let known = deps.mirror.stored(&job.tenant, &database.name).await?;
        let Some(source) = known.and_then(|known| known.source).filter(|source| page.is_in(&source.id)) else {
            continue;
        };
        let Open::Ready(opened) = deps.mirror.open(&job.tenant, &database.name).await? else { continue };
        let Some(number) = matching::number(&opened, &page) else {
            return Ok(format!(
                "a row that someone added to {:?}; a backfill can link it to a record, and so does its number",
                source.title
            ));
        };
        let record = database.records.kind().record(number);
        let link = deps.mirror.links.get(&job.tenant, &database.name, record).await?;
        let other = link.as_ref().and_then(|(link, _)| link.page.as_deref());
        if other.is_some_and(|other| other != page.id) {
            // Its number is taken away, or the next look-up might take it for the original.
            if let Some(note) = &opened.note {
                let properties = serde_json::Map::from_iter([
                    (opened.id.id.clone(), json!({"number": null})),
                    (note.id.clone(), json!({"rich_text": notion::text::runs(&note_copy(record, &opened))})),
                ]);
                opened.notion.update(&page.id, &properties).await?;
            }
            return Ok(format!("a copy of the page of {record}: it is marked, and not synced"));
        }
        return numbered(deps, job, &opened, &page, record, link).await;
    }
    Ok("the page is in no database that is synced".into())
}

fn note_copy(record: Record, opened: &Opened) -> String {
    let language = opened.settings.language;
    language.text(texts::sync::NoteCopy { record: record.title(language) })
}

/// A row that carries the number of a record without a page: it is that record's. It is linked from here, for a query may not
/// show its number yet.
async fn numbered(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
    opened: &Opened,
    page: &Page,
    record: Record,
    link: Option<(Link, Version)>,
) -> Result<String, Failure> {
    if page.in_trash {
        return Ok("a row in the trash".into());
    }
    if read::record(deps, opened, record, None).await?.is_none() {
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
    let message =
        notion_sync::message(&next, &job.tenant, job.trace, &format!("numbered#{}#{}", page.id, record.key()))?;
    if link.is_some() {
        // Its page is being made, or was linked a moment ago: its own job finds out.
        deps.mirror.send(vec![message]).await?;
        return Ok(format!("it carries the number of {record}, whose link is checked"));
    }
    let others = matching::with_number(opened, record).await?;
    if others.iter().any(|other| !notion::id::same(&other.id, &page.id)) {
        let rows: Vec<Page> = others.into_iter().filter(|other| other.id != page.id).chain([page.clone()]).collect();
        let Row::Refused { why, .. } = matching::doubled(opened, record, rows) else { return Ok(String::new()) };
        return Ok(why.to_string());
    }
    let mut link = Link::making(&opened.database.name, record, deps.now());
    link.page = Some(page.id.clone());
    link.standing = Standing::Together;
    let owner = owner_write(&job.tenant, &page.id, &link)?;
    deps.put(vec![link_write(&job.tenant, &link, None)?, owner]).await?;
    deps.mirror.send(vec![message]).await?;
    Ok(format!("it carries the number of {record} and is linked with it"))
}

/// Holds the settings against the schemas again: a webhook said that one changed.
pub(crate) async fn look_at_schemas(deps: &Deps, job: &ReceivedJob<SyncJob>) -> Result<Settled, Failure> {
    let portal = deps.mirror.connections.portal(&job.tenant).await?;
    let settings = notion_sync::NotionSync::settings(&portal)?;
    let mut found = Vec::new();
    for database in &settings.notion.databases {
        let Some(known) = deps.mirror.look_at(&job.tenant, &database.name).await? else { continue };
        found.extend(known.closed.map(|closed| format!("{}: {}", database.name, closed.code)));
        found.extend(known.troubles.iter().map(|trouble| format!("{}: {} pauses", database.name, trouble.field)));
    }
    Ok(if found.is_empty() {
        Settled::skip("the schemas fit the settings")
    } else {
        Settled::done(found, "schemas".into(), Vec::new())
    })
}
