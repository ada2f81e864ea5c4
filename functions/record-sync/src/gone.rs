//! A record or a page that was deleted or restored. The other side is never deleted beyond what the settings allow.

use std::time::Duration;

use clients::Failure;
use locale::{Language, Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use notion_sync::link::{Apart, Link, Standing};
use records::Record;
use runtime::Kind;
use serde_json::{Map, Value, json};
use settings::databases::Gone;
use text::Document;

use crate::record::{Work, misplaced};
use crate::{Settled, read};

/// One of the two is gone: done what the settings say, and written down.
pub(crate) async fn part(mut work: Work<'_>, why: Apart) -> Result<Settled, Failure> {
    let setting = match why {
        Apart::RecordGone => work.opened.database.deleted_records,
        Apart::PageTrashed | Apart::PageGone | Apart::PageMoved => work.opened.database.trashed_pages,
    };
    let now = work.deps.now();
    if why == Apart::PageTrashed && setting == Gone::Restore {
        let page = page_of(&work)?;
        let restored = work.opened.notion.trash(&page, false).await?;
        return Ok(done(vec!["page taken out of the trash".into()], restored.url, Vec::new()));
    }
    let mut changes = vec![format!("apart: {}", why.words(Language::En))];
    // What can be done twice is done first.
    match (why, setting) {
        (Apart::RecordGone, Gone::Mark | Gone::Restore) => {
            let text = texts::sync::NoteDeleted { day: now.strftime("%Y-%m-%d").to_string() };
            changes.extend(note(&work, Some(&language(&work).text(text))).await?);
        }
        (Apart::RecordGone, Gone::Delete) => {
            if let Some(page) = &work.link.page {
                match work.opened.notion.trash(page, true).await {
                    Err(failure) if failure.code() == "object_not_found" => {}
                    trashed => changes.push(format!("page put into Notion's trash: {}", trashed?.url)),
                }
            }
        }
        // A page that is not there for us may only be shared no longer: nothing is deleted for that.
        (Apart::PageTrashed, Gone::Delete) => {
            delete_record(&work).await?;
            changes.push("record put into the portal's recycle bin".into());
        }
        _ => {}
    }
    work.link.standing = Standing::Apart { why, since: now };
    work.link.resting = None;
    work.link.intents.clear();
    // Nobody can do anything about a field of a pair that is not synced; if it comes back, the merge says it again.
    let cleared = work.clear_attention()?;
    work.save(cleared).await?;
    // What would be seen twice comes after: better once too few than again and again.
    let is_marked = matches!(setting, Gone::Mark | Gone::Restore) || why == Apart::PageGone && setting == Gone::Delete;
    if is_marked && why != Apart::RecordGone {
        changes.extend(mark_record(&work, why).await?);
    }
    if setting != Gone::Keep {
        tell(&work, why).await?;
    }
    let write = work.last_write()?;
    let place = work.link.page.clone().unwrap_or_default();
    Ok(done(changes, place, vec![write]))
}

/// Something was heard of a record or page that stood apart: it may be back.
pub(crate) async fn look_again(mut work: Work<'_>, why: Apart) -> Result<Settled, Failure> {
    let record = read::record(work.deps, work.opened, work.record(), None).await?;
    let page = read::page(work.opened, &page_of(&work)?).await?;
    let Some(page) = page else { return Ok(Settled::skip(still(why))) };
    if record.is_none() {
        return Ok(Settled::skip(still(if why == Apart::RecordGone { why } else { Apart::RecordGone })));
    }
    if why == Apart::RecordGone && page.in_trash && work.opened.database.deleted_records == Gone::Delete {
        // It went with the record, and comes back with it.
        work.opened.notion.trash(&page.id, false).await?;
    } else if misplaced(work.opened, &page).is_some() {
        return Ok(Settled::skip(still(why)));
    }
    note(&work, None).await?;
    work.link.standing = Standing::Together;
    work.save(Vec::new()).await?;
    tracing::info!(tenant = %work.job.tenant, record = %work.link.record, "together again");
    work.together(false).await
}

fn still(why: Apart) -> String {
    format!("not synced: {}", why.words(Language::En))
}

fn done(changes: Vec<String>, place: String, writes: Vec<runtime::store::Write>) -> Settled {
    Settled::done(changes, place, writes)
}

fn page_of(work: &Work<'_>) -> Result<String, Failure> {
    let missing = || Failure::permanent("no_page", format!("the link of {} has no page", work.link.record));
    work.link.page.clone().ok_or_else(missing)
}

/// The language of what is written on pages and records.
fn language(work: &Work<'_>) -> Language {
    work.opened.settings.language
}

/// Writes the page's note, or clears it.
async fn note(work: &Work<'_>, text: Option<&str>) -> Result<Option<String>, Failure> {
    let (Some(property), Some(page)) = (&work.opened.note, &work.link.page) else { return Ok(None) };
    let runs = notion::text::runs(text.unwrap_or_default());
    let properties: Map<String, Value> = Map::from_iter([(property.id.clone(), json!({"rich_text": runs}))]);
    match work.opened.notion.update(page, &properties).await {
        Ok(_) => Ok(Some("noted on the page".into())),
        // A page that cannot be written must not hold up independent work.
        Err(failure) if matches!(failure.kind, Kind::Permanent { .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A comment on the record's timeline.
async fn mark_record(work: &Work<'_>, why: Apart) -> Result<Option<String>, Failure> {
    let Record::Item { entity, id } = work.record() else { return Ok(None) };
    let language = language(work);
    let database = work.opened.database.name.as_str();
    let text = language.text(texts::sync::CommentApart { database, reason: why.words(language) });
    let fields =
        json!({"ENTITY_ID": id, "ENTITY_TYPE": entity.to_string(), "COMMENT": Document::plain(&text).to_bbcode(false)});
    match work.opened.bitrix24.call("crm.timeline.comment.add", &json!({"fields": fields})).await {
        Ok(_) => Ok(Some("commented on the record".into())),
        Err(failure) if matches!(failure.kind, Kind::Permanent { .. } | Kind::UnknownOutcome) => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn delete_record(work: &Work<'_>) -> Result<(), Failure> {
    let (method, params) = match work.record() {
        Record::Item { entity, id } => ("crm.item.delete", json!({"entityTypeId": entity, "id": id})),
        Record::Task(id) => ("tasks.task.delete", json!({"taskId": id})),
    };
    match work.opened.bitrix24.call(method, &params).await {
        Err(failure) if failure.code() == "not_found" => Ok(()),
        answer => answer.map(|_| ()).map_err(Failure::repeatable),
    }
}

async fn tell(work: &Work<'_>, why: Apart) -> Result<(), Failure> {
    let what = work.link.record.to_string();
    let alert = Alert {
        kind: "sync_apart",
        what: &what,
        once: &format!("{}#{}#{}", work.link.database, work.link.record.key(), work.deps.now()),
        again_after: Duration::from_secs(24 * 60 * 60),
        head: head(&work.link),
        lines: lines(&work.link.database, why),
    };
    alert::raise(&work.deps.ports, &work.opened.portal, &alert).await
}

fn head(link: &Link) -> Localized {
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
        let link = Link::making("Сделки", Record::Task(7), "2026-11-23T09:00:00Z".parse().unwrap());
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
