//! The event log: the search, and one event's way from the webhook to each delivery.

use clients::Failure;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use locale::Language;
use maud::{Markup, html};
use operations::letters::{Letters, Which};
use operations::log::{self, Filter, Status, Way, delivery_reason, event_reason};
use runtime::TraceId;
use runtime::calls::Call;
use runtime::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, Ledger};
use web::components::{duration, millis, moment};
use web::page::{Form, encoded};

use crate::page::{Page, badge, heads, missing, signed_in, under};
use crate::{Answer, Visit};

/// Ways on a page.
const A_PAGE: usize = 50;

pub(crate) async fn search(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let zone = visit.settings.zone();
    let filter = Filter {
        text: query.get("q").to_owned(),
        status: Status::named(query.get("status")),
        from: given(query.get("from"), &zone),
        to: given(query.get("to"), &zone),
    };
    let ledger = Ledger::new(visit.ports().store.clone());
    let after = Some(query.get("after")).filter(|after| !after.is_empty());
    let now = visit.ports().clock.now();
    let found = log::search(&ledger, &visit.id, &filter, after, A_PAGE, now).await?;
    if let (Ok(trace), [way]) = (query.get("q").parse::<TraceId>(), found.ways.as_slice()) {
        return Ok(Answer::Page(page(visit, trace, way, "").await?));
    }
    let body = html! {
        form.search method="get" action="/admin/events" role="search" {
            div { label for="q" { "Record, person, channel, route, trace, any word" } input id="q" name="q" type="search" value=(query.get("q")) placeholder="deal 42"; }
            div { label for="status" { "Status" } select id="status" name="status" {
                option value="" { "any" }
                @for status in Status::ALL { option value=(status.name()) selected[filter.status == Some(status)] { (status.name()) } }
            } }
            div { label for="from" { "From" } input id="from" name="from" type="datetime-local" value=(query.get("from")); }
            div { label for="to" { "To" } input id="to" name="to" type="datetime-local" value=(query.get("to")); }
            button.main { "Search" }
        }
        p.hint { "Times are those of " (visit.settings.time_zone) "; the log is kept for 30 days." }
        @if found.ways.is_empty() {
            @if filter.is_empty() && after.is_none() { p { "Nothing has happened yet. Change a deal in Bitrix24: it appears here within seconds." } }
            @else { p { "Nothing found among " (found.looked_at) " lines" @if found.next.is_some() { " so far" } "." } }
        } @else { (table(visit.language, &found.ways, &zone)) }
        @if let Some(next) = &found.next {
            p { a href={ "/admin/events?" (again(query)) "after=" (encoded(next)) } { "Older" } }
        }
    };
    Ok(Answer::Page(signed_in(visit, Page::Events, query.get("done"), &body)))
}

/// What was asked for, but for the place.
fn again(query: &Form) -> String {
    let names = ["q", "status", "from", "to"];
    names.iter().map(|name| format!("{name}={}&", encoded(query.get(name)))).collect()
}

fn given(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let local: DateTime = text.parse().ok()?;
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
}

fn table(language: Language, ways: &[Way], zone: &TimeZone) -> Markup {
    html! {
        table {
            (heads(&["Arrived", "Record", "Event", "Became", "Status"]))
            tbody {
                @for way in ways {
                    tr {
                        td data-label="Arrived" { a href={ "/admin/events/" (way.trace) } { (way.arrived_at().to_zoned(zone.clone()).strftime("%m-%d %H:%M:%S")) } }
                        td data-label="Record" { (way.record().unwrap_or("–")) }
                        td data-label="Event" { (way.event.as_ref().map_or("(its event is not written down yet)", |event| event.event.as_str())) }
                        td data-label="Became" { (became(way)) }
                        td data-label="Status" { (badge(language, way.status())) }
                    }
                }
            }
        }
    }
}

fn became(way: &Way) -> Markup {
    html! {
        @if way.deliveries.is_empty() {
            @if let Some(reason) = way.event.as_ref().and_then(event_reason) { span.hint { (short(&reason)) } }
        }
        @for line in way.deliveries.iter().take(3) {
            div { (line.destination) @if !line.change.is_empty() { ": " (line.change) }
                @if let (Some(reason), true) = (delivery_reason(line), Status::of_delivery(line) != Status::Delivered) { " " span.hint { (short(&reason)) } }
            }
        }
        @if way.deliveries.len() > 3 { div.hint { "and " (way.deliveries.len() - 3) " more" } }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= 140 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(140).collect::<String>())
    }
}

pub(crate) async fn trace(visit: &Visit<'_>, trace: &str, done: &str) -> Result<Answer, Failure> {
    let Ok(trace) = trace.parse::<TraceId>() else { return Ok(missing(visit, "That is no trace.")) };
    let ledger = Ledger::new(visit.ports().store.clone());
    match log::way(&ledger, &visit.id, trace).await? {
        Some(way) => Ok(Answer::Page(page(visit, trace, &way, done).await?)),
        None => Ok(missing(visit, "There is no event with this trace. The log is kept for 30 days.")),
    }
}

async fn page(visit: &Visit<'_>, trace: TraceId, way: &Way, done: &str) -> Result<String, Failure> {
    let letters = if way.status() == Status::Dead {
        let which = Which { text: trace.to_string(), ..Which::default() };
        let letters = Letters { ports: visit.ports(), tenant: Some(&visit.id) };
        letters.list(&which).await.map_err(|error| Failure::transient(error.to_string()))?
    } else {
        Vec::new()
    };
    let language = visit.language;
    let title = way.record().unwrap_or("Event").to_owned();
    let body = html! {
        p { (badge(language, way.status())) " arrived " (moment(way.arrived_at())) ", trace " code { (trace) } }
        @for letter in &letters {
            p.problem role="alert" {
                strong { (letter.buried.letter.code) } " " (letter.buried.letter.reason) " "
                a.button href={ "/admin/dead/plan?act=redrive&name=" (encoded(&letter.name())) } { "Redrive" } " "
                a href={ "/admin/dead?code=" (encoded(&letter.buried.letter.code)) } { "All that died of this" }
            }
        }
        ol.way {
            li { h2 { "Received" } p { (moment(way.arrived_at())) @if let Some(event) = &way.event { " as " code { (event.event) } } } }
            @if let Some(event) = &way.event { (decided(language, event)) }
            @else { li { h2 { "Not decided yet" } p.hint { "Its job is on the queue, or its line has expired." } } }
            @for line in &way.deliveries { (delivered(language, line)) }
        }
    };
    Ok(under(visit, Page::Events, &title, done, &body))
}

fn after(language: Language, from: Timestamp, to: Timestamp) -> String {
    duration(language, millis(from, to))
}

fn decided(language: Language, event: &EventLine) -> Markup {
    html! {
        li {
            h2 { "Decided " @if event.status == EventStatus::Routed { span.badge.delivered { "routed" } } @else { (badge(language, Status::of_event(event))) } }
            p {
                (after(language, event.received_at, event.decided_at)) " after it arrived"
                @if event.attempts > 1 { ", at try " (event.attempts) }
            }
            @if let Some(reason) = event_reason(event) { p { (reason) } }
            @if !event.changes.is_empty() { p { "Found: " (event.changes.join(", ")) } }
            @if let Some(remark) = &event.remark { p.hint { (remark) } }
            @for left in &event.left { p.hint { "Left: " (left) } }
            (calls(&event.calls))
        }
    }
}

fn delivered(language: Language, line: &DeliveryLine) -> Markup {
    let arrived = line.trace.arrived_at();
    html! {
        li {
            h2 { (line.destination) " " (badge(language, Status::of_delivery(line))) }
            p {
                @if !line.change.is_empty() { (line.change) " " }
                @if !line.route.is_empty() { "by " (line.route) ". " }
                "Queued " (after(language, arrived, line.queued_at)) " after arrival"
                @if line.attempts > 0 { ", " (line.attempts) @if line.attempts == 1 { " call" } @else { " calls" } }
                @match &line.status {
                    DeliveryStatus::Delivered { at, provider_id } => { ", delivered after " (after(language, arrived, *at)) " as " code { (provider_id) } }
                    DeliveryStatus::Started { at } => { ", being called since " (moment(*at)) }
                    DeliveryStatus::Queued => ", on its queue",
                    _ => {}
                }
                "."
            }
            @if let Some(reason) = delivery_reason(line) { p { (reason) } }
            (calls(&line.calls))
        }
    }
}

fn calls(calls: &[Call]) -> Markup {
    html! {
        @for call in calls {
            details.call {
                summary { @if call.ok { span.badge.delivered { "answered" } } @else { span.badge.dead { "failed" } } " " (call.to) ", " (call.ms) " ms, " (moment(call.at)) }
                p.hint { "Asked" } pre tabindex="0" { (call.request) }
                p.hint { "Answered" } pre tabindex="0" { (call.answer) }
            }
        }
    }
}
