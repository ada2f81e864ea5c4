//! Whose page it is that a webhook told of, and what became of a schema.

use std::time::Duration;

use connect::Failure;
use mirror::{Open, Signal, SyncJob};
use platform::claims::{self, Claim};
use platform::job::Job;
use serde_json::json;

use crate::{Deps, Settled};

/// A page that was just made by us may not be written down yet.
const WRITTEN_DOWN: Duration = Duration::from_secs(5);

/// What an event tells besides its page.
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
    job: &Job<SyncJob>,
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
        return Ok(Settled::skip("an echo: nobody but we edited it"));
    }
    let told = format!("notion#{identity}");
    if let Some(claim) = claims::find(deps.ports.store.as_ref(), &job.tenant, &told).await? {
        return Ok(Settled::skip(format!("already taken, trace {}", claim.trace)));
    }
    let claim = claims::write(&job.tenant, &told, &Claim { trace: job.trace, swept: false }, deps.now())?;
    let Some(owner) = deps.mirror.links.owner(&job.tenant, page).await? else {
        if job.attempt == 1 {
            return Ok(Settled::wait(WRITTEN_DOWN, "nobody's page yet; it may be one that is being made"));
        }
        let reason = stranger(deps, job, page).await?;
        return Ok(Settled { writes: vec![claim], ..Settled::skip(reason) });
    };
    let next = SyncJob::Record { database: owner.database, record: owner.record, signal: signal.clone() };
    hand_on(deps, job, &next, identity).await?;
    Ok(Settled { told: crate::Told::HandedOn, writes: vec![claim] })
}

async fn hand_on(deps: &Deps, job: &Job<SyncJob>, next: &SyncJob, identity: &str) -> Result<(), Failure> {
    let message = mirror::message(next, &job.tenant, job.trace, &format!("signal#{identity}"))?;
    deps.mirror.send(vec![message]).await
}

/// A page that no link knows: of another database, a row that somebody added, or a copy of a linked one.
async fn stranger(deps: &Deps, job: &Job<SyncJob>, id: &str) -> Result<String, Failure> {
    let portal = deps.mirror.connections.portal(&job.tenant).await?;
    let settings = mirror::Mirror::settings(&portal)?;
    let notion = deps.mirror.notion(&portal, &settings).await?;
    let Some(page) = notion.page(id).await? else { return Ok("no page of ours, and gone".into()) };
    for database in &settings.notion.databases {
        let known = deps.mirror.stored(&job.tenant, &database.name).await?;
        let Some(source) = known.and_then(|known| known.source).filter(|source| page.is_in(&source.id)) else {
            continue;
        };
        let Open::Ready(opened) = deps.mirror.open(&job.tenant, &database.name).await? else { continue };
        let number = page.property(&opened.id.id).and_then(|value| value["number"].as_u64());
        let Some(number) = number else {
            return Ok(format!(
                "a row that somebody added to {:?}; a backfill can link it to a record of the same title",
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
                    (note.id.clone(), json!({"rich_text": notion::text::runs("A copy: not kept alike with Bitrix24")})),
                ]);
                opened.notion.update(&page.id, &properties).await?;
            }
            return Ok(format!("a copy of the page of {record}: it is marked, and not kept alike"));
        }
        return Ok(format!("it carries the number of {record}, and a backfill links it"));
    }
    Ok("a page of no database that is kept alike".into())
}

/// Holds the settings against the schemas again: a webhook said that one changed.
pub(crate) async fn look_at_schemas(deps: &Deps, job: &Job<SyncJob>) -> Result<Settled, Failure> {
    let portal = deps.mirror.connections.portal(&job.tenant).await?;
    let settings = mirror::Mirror::settings(&portal)?;
    let mut found = Vec::new();
    for database in &settings.notion.databases {
        let Some(known) = deps.mirror.look_at(&job.tenant, &database.name).await? else { continue };
        found.extend(known.closed.map(|closed| format!("{}: {}", database.name, closed.code)));
        found.extend(known.troubles.iter().map(|trouble| format!("{}: {} pauses", database.name, trouble.field)));
    }
    Ok(if found.is_empty() {
        Settled::skip("the schemas fit the settings")
    } else {
        Settled { told: crate::Told::Done { changes: found, place: "schemas".into() }, writes: Vec::new() }
    })
}
