//! A record or a page that was deleted or restored. The other side is never deleted beyond what the settings allow.

use std::time::Duration;

use clients::{ErrorClass, Failure};
use locale::{Language, Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use records::Record;
use serde_json::{Map, Value, json};
use settings::databases::Gone;
use text::Document;

use crate::link::{Apart, LinkState, PageLink};
use crate::work::{LinkWork, Next, SyncDecision};

/// One of the two is gone: applies what the settings say, and records it.
pub(super) async fn part(work: &mut LinkWork<'_>, why: Apart) -> Result<Next, Failure> {
    let setting = match why {
        Apart::RecordGone => work.opened.database.deleted_records,
        Apart::PageTrashed | Apart::PageGone | Apart::PageMoved => work.opened.database.trashed_pages,
    };
    let now = work.sync.now();
    if why == Apart::PageTrashed && setting == Gone::Restore {
        let restored = work.opened.notion.trash(&work.page_id()?, false).await?;
        return Ok(done(vec!["page taken out of the trash".into()], restored.url, Vec::new()));
    }
    let mut changes = vec![format!("apart: {}", why.words(Language::default()))];
    // What is harmless to repeat comes first.
    match (why, setting) {
        (Apart::RecordGone, Gone::Mark | Gone::Restore) => {
            let text = texts::sync::NoteDeleted { day: now.strftime("%Y-%m-%d").to_string() };
            changes.extend(note(work, Some(&language(work).text(text))).await?);
        }
        (Apart::RecordGone, Gone::Delete) => {
            if let Some(page) = &work.link.page {
                match work.opened.notion.trash(page, true).await {
                    Err(failure) if failure.code() == "object_not_found" => {}
                    trashed => changes.push(format!("page put into Notion's trash: {}", trashed?.url)),
                }
            }
        }
        // A page that we cannot see may just no longer be shared: nothing is deleted for that.
        (Apart::PageTrashed, Gone::Delete) => {
            delete_record(work).await?;
            changes.push("record put into the portal's recycle bin".into());
        }
        _ => {}
    }
    work.link.standing = LinkState::Apart { why, since: now };
    work.link.resting = None;
    work.link.intents.clear();
    // Nobody can fix a field of a pair that is not synced; if it comes back, the merge reports it again.
    let cleared = work.clear_attention()?;
    work.save(cleared).await?;
    // What people would see twice comes last: better once too few than again and again.
    let is_marked = matches!(setting, Gone::Mark | Gone::Restore) || why == Apart::PageGone && setting == Gone::Delete;
    if is_marked && why != Apart::RecordGone {
        changes.extend(mark_record(work, why).await?);
    }
    if setting != Gone::Keep {
        notify(work, why).await?;
    }
    let write = work.last_write()?;
    let place = work.link.page.clone().unwrap_or_default();
    Ok(done(changes, place, vec![write]))
}

/// A signal about a pair of which one was gone: it may be back.
pub(super) async fn recheck(work: &mut LinkWork<'_>, why: Apart) -> Result<Next, Failure> {
    work.reads.is_fresh_wanted = true;
    let record_gone = work.read_record().await?;
    let misplaced = work.read_page().await?;
    let Some(page) = &work.reads.page else { return Ok(still(why)) };
    if let Some(gone) = record_gone {
        return Ok(still(gone));
    }
    if why == Apart::RecordGone && page.page.in_trash && work.opened.database.deleted_records == Gone::Delete {
        // It was deleted with the record, and comes back with it.
        work.opened.notion.trash(&page.page.id, false).await?;
        work.reads.page = None;
    } else if misplaced.is_some() {
        return Ok(still(why));
    }
    note(work, None).await?;
    work.link.standing = LinkState::Together;
    work.save(Vec::new()).await?;
    tracing::info!(tenant = %work.job.tenant, record = %work.link.record, "together again");
    Ok(Next::Merge)
}

fn still(why: Apart) -> Next {
    Next::skip(format!("not synced: {}", why.words(Language::default())))
}

fn done(changes: Vec<String>, place: String, writes: Vec<runtime::store::StoreWrite>) -> Next {
    Next::End(SyncDecision::done(changes, place, writes))
}

/// The language of what is written on pages and records.
fn language(work: &LinkWork<'_>) -> Language {
    work.opened.settings.language
}

/// Writes the page's note, or clears it.
async fn note(work: &LinkWork<'_>, text: Option<&str>) -> Result<Option<String>, Failure> {
    let (Some(property), Some(page)) = (&work.opened.note, &work.link.page) else { return Ok(None) };
    let runs = notion::text::runs(text.unwrap_or_default());
    let properties: Map<String, Value> = Map::from_iter([(property.id.clone(), json!({"rich_text": runs}))]);
    match work.opened.notion.update(page, &properties).await {
        Ok(_) => Ok(Some("noted on the page".into())),
        // A page that cannot be written must not hold up independent work.
        Err(failure) if matches!(failure.class, ErrorClass::Permanent { .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A comment on the record's timeline.
async fn mark_record(work: &LinkWork<'_>, why: Apart) -> Result<Option<String>, Failure> {
    let Record::Item { entity, id } = work.record() else { return Ok(None) };
    let language = language(work);
    let database = work.opened.database.name.as_str();
    let text = language.text(texts::sync::CommentApart { database, reason: why.words(language) });
    let fields =
        json!({"ENTITY_ID": id, "ENTITY_TYPE": entity.to_string(), "COMMENT": Document::plain(&text).to_bbcode(false)});
    match work.opened.bitrix24.call("crm.timeline.comment.add", &json!({"fields": fields})).await {
        Ok(_) => Ok(Some("commented on the record".into())),
        Err(failure) if matches!(failure.class, ErrorClass::Permanent { .. } | ErrorClass::UnknownOutcome) => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn delete_record(work: &LinkWork<'_>) -> Result<(), Failure> {
    let (method, params) = match work.record() {
        Record::Item { entity, id } => ("crm.item.delete", json!({"entityTypeId": entity, "id": id})),
        Record::Task(id) => ("tasks.task.delete", json!({"taskId": id})),
    };
    match work.opened.bitrix24.call(method, &params).await {
        Err(failure) if failure.code() == "not_found" => Ok(()),
        answer => answer.map(|_| ()).map_err(Failure::repeatable),
    }
}

async fn notify(work: &LinkWork<'_>, why: Apart) -> Result<(), Failure> {
    let what = work.link.record.to_string();
    let alert = Alert {
        kind: "sync_apart",
        what: &what,
        once: &format!("{}#{}#{}", work.link.database, work.link.record.key(), work.sync.now()),
        again_after: Duration::from_secs(24 * 60 * 60),
        head: head(&work.link),
        lines: lines(&work.link.database, why),
    };
    alert::raise(&work.sync.backend, &work.opened.portal, &alert).await
}

fn head(link: &PageLink) -> Localized {
    Localized::of(|language| texts::alerts::SyncApart {
        record: link.record.title(language),
        title: link.title.clone(),
    })
}

fn lines(database: &str, why: Apart) -> Vec<Localized> {
    let next = match why {
        Apart::RecordGone => texts::alerts::SYNC_APART_RECORD_GONE,
        Apart::PageTrashed => texts::alerts::SYNC_APART_PAGE_TRASHED,
        Apart::PageGone => texts::alerts::SYNC_APART_PAGE_GONE,
        Apart::PageMoved => texts::alerts::SYNC_APART_PAGE_MOVED,
    };
    let reason = Localized::of(|language| texts::alerts::SyncApartDatabase { database, reason: why.words(language) });
    vec![reason, next.into()]
}

#[cfg(test)]
mod tests {
    use locale::{assert_from_the_catalogues, in_pseudo};

    use super::*;

    #[test]
    fn alerts_and_notes_about_what_is_gone_come_from_the_catalogues() {
        let link = PageLink::making("Сделки", Record::Task(7), "2026-11-23T09:00:00Z".parse().unwrap());
        let all = in_pseudo(|| {
            let mut all = vec![head(&link)];
            for why in [Apart::RecordGone, Apart::PageTrashed, Apart::PageGone, Apart::PageMoved] {
                all.extend(lines("Сделки", why));
                let reason =
                    |language| texts::sync::CommentApart { database: "Сделки", reason: why.words(language) };
                all.push(Localized::of(reason));
            }
            all.push(Localized::of(|_| texts::sync::NoteDeleted { day: "2026-11-23" }));
            all
        });
        for text in &all {
            assert_from_the_catalogues(text.text(Language::En));
        }
    }
}
