//! The page of what needs attention: values that could not be synced, links that pause, mappings and databases that are
//! paused. Each row shows both values, the reason, and what can be done.

use bitrix24::crm::origin;
use clients::Failure;
use jiff::Timestamp;
use jobs::sync::Side;
use jobs::sync::{Signal, SyncJob};
use maud::{Markup, html};
use notion_sync::attention::Entry;
use notion_sync::paused::{Paused, paused};
use records::Record;
use runtime::TraceId;
use web::page::Form;

use crate::page::{ago, count, heads, signed_in, token};
use crate::{Answer, Visit};

/// The page's name in the list of pages.
pub(crate) const TITLE: &str = "Needs attention";
/// Where it is, behind `/admin`.
const PLACE: &str = "/notion/attention";
/// Entries on a page.
const PAGE: usize = 50;

pub(crate) async fn show(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let (mirror, tenant) = (&visit.deps.mirror, &visit.id);
    let after = Some(query.get("after")).filter(|after| !after.is_empty());
    let (entries, next) = mirror.attention.list(tenant, after, PAGE).await?;
    let mut known = Vec::new();
    for database in &visit.settings.notion.databases {
        known.extend(mirror.stored(tenant, &database.name).await?.map(|known| (database.name.clone(), known)));
    }
    let paused = if after.is_none() { paused(&visit.settings.notion.databases, &known) } else { Vec::new() };
    let now = visit.ports().clock.now();
    let body = html! {
        p {
            "Values that one side did not accept, and what else keeps records and pages from being synced. "
            "Both sides stay as they are; everything else of the record is synced. "
            "An entry disappears once both sides show the same value."
        }
        @if entries.is_empty() && paused.is_empty() {
            @if after.is_some() { p.hint { "There are no more." } }
            @else { p.done role="status" { strong { "Nothing needs attention." } " Every value that was written is shown on the other side." } }
        }
        @if !paused.is_empty() { (paused_table(&paused, now)) }
        @if !entries.is_empty() { (entry_table(visit, &entries, now)) }
        p.buttons {
            @if after.is_some() { a.button href={ "/admin" (PLACE) } { "From the beginning" } " " }
            @if let Some(next) = &next { a.button href={ "/admin" (PLACE) "?after=" (web::page::encoded(next)) } { "Next page" } }
        }
    };
    Ok(Answer::Page(signed_in(visit, TITLE, query.get("done"), &body)))
}

fn paused_table(paused: &[Paused], now: Timestamp) -> Markup {
    html! {
        h2 { "Paused" }
        table {
            (heads(&["Database", "Field", "Reason", "Since"]))
            tbody {
                @for one in paused {
                    tr {
                        td data-label="Database" { a href={ "/admin/notion/edit?database=" (web::page::encoded(&one.database)) } { (one.database) } }
                        td data-label="Field" { @match &one.field { Some(field) => (field), None => "all" } }
                        td data-label="Reason" { (one.why) }
                        td data-label="Since" { (ago(now, one.since)) }
                    }
                }
            }
        }
    }
}

fn entry_table(visit: &Visit<'_>, entries: &[Entry], now: Timestamp) -> Markup {
    html! {
        h2 { "Values" }
        div.wide tabindex="0" role="region" aria-label="Values" {
            table {
                (heads(&["Record", "Field", "Bitrix24", "Notion", "Reason", "Since", ""]))
                tbody { @for entry in entries { (row(visit, entry, now)) } }
            }
        }
    }
}

fn row(visit: &Visit<'_>, entry: &Entry, now: Timestamp) -> Markup {
    let name = if entry.title.is_empty() { entry.record.to_string() } else { entry.title.clone() };
    html! {
        tr {
            td data-label="Record" {
                a href=(record_link(&visit.portal.domain, entry.record)) { (name) }
                " " span.hint { (entry.record.to_string()) ", " (entry.database) }
                @if let Some(page) = &entry.page { " " a href={ "https://www.notion.so/" (page.replace('-', "")) } { "Notion page" } }
            }
            td data-label="Field" { (entry.name()) }
            td data-label="Bitrix24" { (entry.bitrix24) }
            td data-label="Notion" { (entry.notion) }
            td data-label="Reason" {
                span.hint { (entry.of) "’s value could not be carried over. " }
                (entry.why)
            }
            td data-label="Since" {
                (ago(now, entry.since))
                @if let Some(tried) = entry.tried_at { " " span.hint { "tried again " (ago(now, tried)) ", with the same result" } }
            }
            td { (buttons(visit, entry)) }
        }
    }
}

fn record_link(domain: &str, record: Record) -> String {
    match record {
        Record::Item { entity, id } => entity.link(domain, id),
        // The address of a task wants a user; the portal shows it to anyone who may see it.
        Record::Task(id) => format!("{}/company/personal/user/1/tasks/task/view/{id}/", origin(domain)),
    }
}

fn buttons(visit: &Visit<'_>, entry: &Entry) -> Markup {
    let form = |action: &str, side: Option<Side>, words: &str| {
        html! {
            form.inline method="post" action={ "/admin" (PLACE) (action) } {
                (token(visit)) input type="hidden" name="entry" value=(entry.id());
                @if let Some(side) = side { input type="hidden" name="side" value=(side); }
                button { (words) }
            }
        }
    };
    if visit.settings.notion.named(&entry.database).is_none() {
        return html! {
            span.hint { "The settings have no such database any more." }
            (form("/forget", None, "Remove from the list"))
        };
    }
    html! {
        @if let Some(until) = entry.rests_until { span.hint { "resumes at " (until.strftime("%H:%M UTC")) } }
        @if entry.can_be_tried() { (form("/try", None, "Try again")) }
        @for side in &entry.can_take { (form("/take", Some(*side), &format!("Take {side}’s value"))) }
    }
}

/// The entry of a form, if it is still there.
async fn entry_of(visit: &Visit<'_>, form: &Form) -> Result<Result<Entry, Answer>, Failure> {
    let found = visit.deps.mirror.attention.get(&visit.id, form.get("entry")).await?;
    let gone =
        || Answer::to(PLACE, "This value needs no attention any more: both sides agree, or the pair is not synced.");
    Ok(found.ok_or_else(gone))
}

fn described(entry: &Entry) -> String {
    format!("{} of {} in {}", entry.name(), entry.record, entry.database)
}

async fn send(visit: &Visit<'_>, job: &SyncJob, once: &str) -> Result<(), Failure> {
    let mirror = &visit.deps.mirror;
    let trace = TraceId::new(visit.ports().clock.now());
    mirror.send(vec![notion_sync::message(job, &visit.id, trace, &format!("{once}#{trace}"))?]).await
}

pub(crate) async fn try_again(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let entry = match entry_of(visit, form).await? {
        Ok(entry) => entry,
        Err(gone) => return Ok(gone),
    };
    let link = visit.deps.mirror.links.get(&visit.id, &entry.database, entry.record).await?;
    if link.is_none() {
        visit.deps.mirror.attention.forget(&visit.id, &entry.id()).await?;
        return Ok(Answer::to(PLACE, format!("{} has no page any more; it was removed from the list.", entry.record)));
    }
    let (database, record) = (entry.database.clone(), entry.record);
    send(visit, &SyncJob::Record { database, record, signal: Signal::both("try again") }, "try").await?;
    visit.note("value tried again", &described(&entry), "", "").await?;
    let word = format!(
        "{} is being tried again. Reload this page: the entry disappears if it worked; otherwise the reason says why not.",
        described(&entry)
    );
    Ok(Answer::to(PLACE, word))
}

pub(crate) async fn take(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let entry = match entry_of(visit, form).await? {
        Ok(entry) => entry,
        Err(gone) => return Ok(gone),
    };
    let side = [Side::Bitrix24, Side::Notion].into_iter().find(|side| side.to_string() == form.get("side"));
    let Some(side) = side.filter(|side| entry.can_take.contains(side)) else {
        return Ok(Answer::to(PLACE, "This side’s value cannot be written to the other."));
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
        Side::Bitrix24 => (&entry.notion, &entry.bitrix24),
        Side::Notion => (&entry.bitrix24, &entry.notion),
    };
    visit.note(&format!("{side}'s value taken"), &described(&entry), before, after).await?;
    let word = format!(
        "{side}’s value of {} is being written to {}. Reload this page: the entry disappears once both sides show it. The other value is kept under Conflicts on the page Notion.",
        described(&entry),
        side.other()
    );
    Ok(Answer::to(PLACE, word))
}

pub(crate) async fn forget(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let entry = match entry_of(visit, form).await? {
        Ok(entry) => entry,
        Err(gone) => return Ok(gone),
    };
    if visit.settings.notion.named(&entry.database).is_some() {
        return Ok(Answer::to(PLACE, "This database is synced: the entry disappears once both sides agree."));
    }
    visit.deps.mirror.attention.forget(&visit.id, &entry.id()).await?;
    visit.note("entry removed from what needs attention", &described(&entry), "", "").await?;
    Ok(Answer::to(PLACE, format!("{} was removed from the list. Both sides stay as they are.", described(&entry))))
}

/// How many there are, for the list of pages: `3`, `100+`.
pub(crate) fn shown_count((number, more): (usize, bool)) -> Option<String> {
    match (number, more) {
        (0, _) => None,
        (number, true) => Some(format!("{number}+")),
        (number, false) => Some(number.to_string()),
    }
}

/// A word on the page Notion, where there is something.
pub(crate) fn hint(counted: (usize, bool)) -> Markup {
    html! {
        @if let Some(number) = shown_count(counted) {
            p.problem role="alert" {
                a href={ "/admin" (PLACE) } { (if counted.0 == 1 { count(1, "value") } else { format!("{number} values") }) " could not be synced" }
                ". Both sides stay as they are until someone decides."
            }
        }
    }
}
