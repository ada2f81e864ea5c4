//! The page of what needs attention: values that could not be synced, links that pause, mappings and databases that are
//! paused. Each row shows both values, the reason, and what can be done.

use bitrix24::crm::origin;
use clients::Failure;
use jiff::Timestamp;
use jobs::sync::SyncSide;
use jobs::sync::{Signal, SyncJob};
use locale::{Language, texts};
use maud::{Markup, html};
use notion_sync::attention::AttentionEntry;
use notion_sync::paused::{Paused, paused};
use records::Record;
use runtime::TraceId;
use web::components::{Column, Tone, ago, empty, message, table, wide};
use web::language::rich;
use web::page::{Form, encoded};

use crate::page::{Page, signed_in, token};
use crate::{PageAnswer, Visit};

/// The page's address below `/admin`.
const PLACE: &str = "/notion/attention";
/// Entries on a page.
const PAGE: usize = 50;

pub(crate) async fn show(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let (mirror, tenant) = (&visit.deps.mirror, &visit.id);
    let after = Some(query.get("after")).filter(|after| !after.is_empty());
    let (entries, next) = mirror.attention.list(tenant, after, PAGE).await?;
    let mut known = Vec::new();
    for database in &visit.settings.notion.databases {
        known.extend(mirror.stored(tenant, &database.name).await?.map(|known| (database.name.clone(), known)));
    }
    let paused = if after.is_none() { paused(&visit.settings.notion.databases, &known) } else { Vec::new() };
    let (language, now) = (visit.language, visit.backend().clock.now());
    let body = html! {
        p { (language.text(texts::admin::ATTENTION_EXPLAINED)) }
        @if entries.is_empty() && paused.is_empty() { (nothing(language, after.is_some())) }
        @if !paused.is_empty() { (paused_table(language, &paused, now)) }
        @if !entries.is_empty() { (entry_table(visit, &entries, now)) }
        p.buttons {
            @if after.is_some() { a.button href={ "/admin" (PLACE) } { (language.text(texts::admin::FIRST_PAGE)) } " " }
            @if let Some(next) = &next {
                a.button href={ "/admin" (PLACE) "?after=" (encoded(next)) } { (language.text(texts::admin::NEXT_PAGE)) }
            }
        }
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::NeedsAttention, query.get("done"), &body)))
}

fn nothing(language: Language, is_later_page: bool) -> Markup {
    if is_later_page {
        return empty(language.text(texts::admin::NO_MORE_ENTRIES));
    }
    let text = html! {
        strong { (language.text(texts::admin::NOTHING_NEEDS_ATTENTION)) } " "
        (language.text(texts::admin::NOTHING_NEEDS_ATTENTION_MEANS))
    };
    message(Tone::Done, text)
}

pub(crate) fn paused_table(language: Language, paused: &[Paused], now: Timestamp) -> Markup {
    let columns = [
        Column::text(language.text(texts::admin::DATABASE)),
        Column::text(language.text(texts::admin::FIELD)),
        Column::text(language.text(texts::admin::REASON)),
        Column::text(language.text(texts::admin::SINCE)),
    ];
    let rows = paused.iter().map(|one| {
        [
            html! { a href={ "/admin/notion/edit?database=" (encoded(&one.database)) } { (one.database) } },
            html! { (one.field.as_deref().unwrap_or(language.text(texts::admin::ALL_FIELDS))) },
            html! { (one.why.text(language)) },
            ago(language, now, one.since),
        ]
    });
    html! {
        h2 { (language.text(texts::admin::PAUSED)) }
        (table(language.text(texts::admin::PAUSED), columns, rows))
    }
}

pub(crate) fn entry_table(visit: &Visit<'_>, entries: &[AttentionEntry], now: Timestamp) -> Markup {
    let language = visit.language;
    let values = language.text(texts::admin::VALUES);
    let columns = [
        Column::text(language.text(texts::admin::RECORD)),
        Column::text(language.text(texts::admin::FIELD)),
        Column::text(language.text(texts::pages::BITRIX24)),
        Column::text(language.text(texts::pages::NOTION)),
        Column::text(language.text(texts::admin::REASON)),
        Column::text(language.text(texts::admin::SINCE)),
        Column::untitled(),
    ];
    let rows = entries.iter().map(|entry| row(visit, entry, now));
    html! {
        h2 { (values) }
        (wide(values, &table(values, columns, rows)))
    }
}

fn row(visit: &Visit<'_>, entry: &AttentionEntry, now: Timestamp) -> [Markup; 7] {
    let language = visit.language;
    let name = if entry.title.is_empty() { entry.record.to_string() } else { entry.title.clone() };
    let not_carried_over = match entry.of {
        SyncSide::Bitrix24 => texts::admin::BITRIX24_VALUE_NOT_CARRIED_OVER,
        SyncSide::Notion => texts::admin::NOTION_VALUE_NOT_CARRIED_OVER,
    };
    [
        html! {
            a href=(record_link(&visit.portal.domain, entry.record)) { (name) }
            " " span.hint { (entry.record.to_string()) ", " (entry.database) }
            @if let Some(page) = &entry.page {
                " " a href={ "https://www.notion.so/" (page.replace('-', "")) } { (language.text(texts::admin::NOTION_PAGE)) }
            }
        },
        html! { (entry.name()) },
        html! { (entry.bitrix24) },
        html! { (entry.notion) },
        html! { span.hint { (language.text(not_carried_over)) } " " (entry.why.text(language)) },
        html! {
            (ago(language, now, entry.since))
            @if let Some(tried) = entry.tried_at {
                " " span.hint { (rich(language, &texts::admin::TriedAgain { ago: ago(language, now, tried) })) }
            }
        },
        buttons(visit, entry),
    ]
}

fn record_link(domain: &str, record: Record) -> String {
    match record {
        Record::Item { entity, id } => entity.link(domain, id),
        // The address of a task needs a user; the portal shows the task to anyone who may see it.
        Record::Task(id) => format!("{}/company/personal/user/1/tasks/task/view/{id}/", origin(domain)),
    }
}

fn buttons(visit: &Visit<'_>, entry: &AttentionEntry) -> Markup {
    let form = |action: &str, side: Option<SyncSide>, words: &str| {
        html! {
            form.inline method="post" action={ "/admin" (PLACE) (action) } {
                (token(visit)) input type="hidden" name="entry" value=(entry.id());
                @if let Some(side) = side { input type="hidden" name="side" value=(side); }
                button { (words) }
            }
        }
    };
    let language = visit.language;
    if visit.settings.notion.named(&entry.database).is_none() {
        return html! {
            span.hint { (language.text(texts::admin::DATABASE_NOT_IN_SETTINGS)) }
            (form("/forget", None, language.text(texts::admin::REMOVE_FROM_LIST)))
        };
    }
    html! {
        @if let Some(until) = entry.rests_until {
            span.hint { (language.text(texts::admin::ResumesAt { time: until.strftime("%H:%M UTC") })) }
        }
        @if entry.can_be_tried() { (form("/try", None, language.text(texts::admin::TRY_AGAIN))) }
        @for side in &entry.can_take {
            (form("/take", Some(*side), language.text(match side {
                SyncSide::Bitrix24 => texts::admin::TAKE_BITRIX24_VALUE,
                SyncSide::Notion => texts::admin::TAKE_NOTION_VALUE,
            })))
        }
    }
}

/// The entry that a form names, if it still exists.
async fn entry_of(visit: &Visit<'_>, form: &Form) -> Result<Result<AttentionEntry, PageAnswer>, Failure> {
    let found = visit.deps.mirror.attention.get(&visit.id, form.get("entry")).await?;
    Ok(found.ok_or_else(|| PageAnswer::to(PLACE, visit.language.text(texts::admin::VALUE_NEEDS_NO_ATTENTION))))
}

/// Which value it is, for the page.
fn value_of(language: Language, entry: &AttentionEntry) -> String {
    language.text(texts::admin::ValueOf {
        field: entry.name(),
        record: entry.record.to_string(),
        database: entry.database.clone(),
    })
}

/// Which value it is, for the audit.
fn described(entry: &AttentionEntry) -> String {
    format!("{} of {} in {}", entry.name(), entry.record, entry.database)
}

async fn send(visit: &Visit<'_>, job: &SyncJob, once: &str) -> Result<(), Failure> {
    let mirror = &visit.deps.mirror;
    let trace = TraceId::new(visit.backend().clock.now());
    mirror.send(vec![notion_sync::message(job, &visit.id, trace, &format!("{once}#{trace}"))?]).await
}

pub(crate) async fn try_again(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let entry = match entry_of(visit, form).await? {
        Ok(entry) => entry,
        Err(gone) => return Ok(gone),
    };
    let link = visit.deps.mirror.links.get(&visit.id, &entry.database, entry.record).await?;
    if link.is_none() {
        visit.deps.mirror.attention.forget(&visit.id, &entry.id()).await?;
        let word = visit.language.text(texts::admin::EntryHasNoPage { record: entry.record });
        return Ok(PageAnswer::to(PLACE, word));
    }
    let (database, record) = (entry.database.clone(), entry.record);
    send(visit, &SyncJob::Record { database, record, signal: Signal::both("try again") }, "try").await?;
    visit.note("value tried again", &described(&entry), "", "").await?;
    let word = visit.language.text(texts::admin::ValueBeingTried { value: value_of(visit.language, &entry) });
    Ok(PageAnswer::to(PLACE, word))
}

pub(crate) async fn take(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let entry = match entry_of(visit, form).await? {
        Ok(entry) => entry,
        Err(gone) => return Ok(gone),
    };
    let side = [SyncSide::Bitrix24, SyncSide::Notion].into_iter().find(|side| side.to_string() == form.get("side"));
    let Some(side) = side.filter(|side| entry.can_take.contains(side)) else {
        return Ok(PageAnswer::to(PLACE, visit.language.text(texts::admin::CANNOT_TAKE_VALUE)));
    };
    let job = SyncJob::Take {
        database: entry.database.clone(),
        record: entry.record,
        field: entry.field.clone(),
        side,
        by: visit.session.who.clone(),
    };
    send(visit, &job, "take").await?;
    let (before, after) = match side {
        SyncSide::Bitrix24 => (&entry.notion, &entry.bitrix24),
        SyncSide::Notion => (&entry.bitrix24, &entry.notion),
    };
    visit.note(&format!("{side}'s value taken"), &described(&entry), before, after).await?;
    let value = value_of(visit.language, &entry);
    let word = match side {
        SyncSide::Bitrix24 => visit.language.text(texts::admin::TakingBitrix24Value { value }),
        SyncSide::Notion => visit.language.text(texts::admin::TakingNotionValue { value }),
    };
    Ok(PageAnswer::to(PLACE, word))
}

pub(crate) async fn forget(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let entry = match entry_of(visit, form).await? {
        Ok(entry) => entry,
        Err(gone) => return Ok(gone),
    };
    if visit.settings.notion.named(&entry.database).is_some() {
        return Ok(PageAnswer::to(PLACE, visit.language.text(texts::admin::DATABASE_IS_SYNCED)));
    }
    visit.deps.mirror.attention.forget(&visit.id, &entry.id()).await?;
    visit.note("entry removed from what needs attention", &described(&entry), "", "").await?;
    let word = visit.language.text(texts::admin::EntryRemoved { value: value_of(visit.language, &entry) });
    Ok(PageAnswer::to(PLACE, word))
}

/// A note on the page Notion, if something needs attention.
pub(crate) fn hint(visit: &Visit<'_>) -> Markup {
    let language = visit.language;
    let (count, has_more) = (visit.attention.0 as u64, visit.attention.1);
    if count == 0 {
        return html! {};
    }
    let values = if has_more {
        language.text(texts::admin::MoreValuesNotSynced { count })
    } else {
        language.text(texts::admin::ValuesNotSynced { count })
    };
    let text = html! {
        a href={ "/admin" (PLACE) } { (values) } " " (language.text(texts::admin::VALUES_NOT_SYNCED_MEANS))
    };
    message(Tone::Problem, text)
}
