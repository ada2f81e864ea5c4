//! The event log: the search, and one event's way from the webhook to each delivery.

use clients::Failure;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use locale::{Language, texts};
use maud::{Markup, html};
use operations::dead_letters::{Letter, Letters, Which};
use operations::log;
use operations::log::{EventTrail, LogFilter, LogStatus, SearchResult, delivery_reason, event_reason};
use runtime::TraceId;
use runtime::calls::ProviderCall;
use runtime::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, Ledger};
use web::components::{Column, Tone, duration, empty, message, millis, moment, table};
use web::language::rich;
use web::page::{Form, encoded};

use crate::page::{Page, badge, missing, signed_in, status_word, under};
use crate::{PageAnswer, Visit};

/// Events on a page.
const A_PAGE: usize = 50;

pub(crate) async fn search(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let zone = visit.settings.zone();
    let filter = LogFilter {
        text: query.get("q").to_owned(),
        status: LogStatus::named(query.get("status")),
        from: given(query.get("from"), &zone),
        to: given(query.get("to"), &zone),
    };
    let ledger = Ledger::new(visit.backend().store.clone());
    let after = Some(query.get("after")).filter(|after| !after.is_empty());
    let now = visit.backend().clock.now();
    let found = log::search(&ledger, &visit.id, &filter, after, A_PAGE, now).await?;
    if let (Ok(trace), [way]) = (query.get("q").parse::<TraceId>(), found.ways.as_slice()) {
        return Ok(PageAnswer::Page(page(visit, trace, way, "").await?));
    }
    let language = visit.language;
    let body = html! {
        (search_form(language, query, filter.status))
        p.hint { (language.text(texts::admin::LogExplained { zone: &visit.settings.time_zone })) }
        @if found.ways.is_empty() { (nothing(language, &found, filter.is_empty() && after.is_none())) }
        @else { (found_table(language, &found.ways, &zone)) }
        @if let Some(next) = &found.next {
            p { a href={ "/admin/events?" (again(query)) "after=" (encoded(next)) } { (language.text(texts::admin::OLDER)) } }
        }
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::Events, query.get("done"), &body)))
}

fn search_form(language: Language, query: &Form, status: Option<LogStatus>) -> Markup {
    let moment = |name: &str, label: &str| {
        html! { div { label for=(name) { (label) } input id=(name) name=(name) type="datetime-local" value=(query.get(name)); } }
    };
    html! {
        form.search method="get" action="/admin/events" role="search" {
            div {
                label for="q" { (language.text(texts::admin::SEARCH_LABEL)) }
                input id="q" name="q" type="search" value=(query.get("q")) placeholder=(language.text(texts::admin::SEARCH_EXAMPLE));
            }
            div {
                label for="status" { (language.text(texts::admin::STATUS)) }
                select id="status" name="status" {
                    option value="" { (language.text(texts::admin::ANY)) }
                    @for known in LogStatus::ALL {
                        option value=(known.name()) selected[status == Some(known)] { (status_word(language, known)) }
                    }
                }
            }
            (moment("from", language.text(texts::admin::FROM)))
            (moment("to", language.text(texts::admin::TO)))
            button.main { (language.text(texts::admin::SEARCH)) }
        }
    }
}

fn nothing(language: Language, found: &SearchResult, is_everything: bool) -> Markup {
    let lines = found.looked_at as u64;
    if is_everything {
        empty(language.text(texts::admin::NOTHING_HAPPENED_YET))
    } else if found.next.is_some() {
        empty(language.text(texts::admin::NothingFoundYet { lines }))
    } else {
        empty(language.text(texts::admin::NothingFound { lines }))
    }
}

/// The query without the place where to continue.
fn again(query: &Form) -> String {
    let names = ["q", "status", "from", "to"];
    names.iter().map(|name| format!("{name}={}&", encoded(query.get(name)))).collect()
}

fn given(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let local: DateTime = text.parse().ok()?;
    Some(local.to_zoned(zone.clone()).ok()?.timestamp())
}

fn found_table(language: Language, ways: &[EventTrail], zone: &TimeZone) -> Markup {
    let columns = [
        Column::text(language.text(texts::admin::ARRIVED)),
        Column::text(language.text(texts::admin::RECORD)),
        Column::text(language.text(texts::admin::EVENT)),
        Column::text(language.text(texts::admin::RESULT)),
        Column::text(language.text(texts::admin::STATUS)),
    ];
    let rows = ways.iter().map(|way| {
        let arrived = way.arrived_at().to_zoned(zone.clone()).strftime("%m-%d %H:%M:%S").to_string();
        let event = way.event.as_ref().map(|event| event.event.as_str());
        [
            html! { a href={ "/admin/events/" (way.trace) } { (arrived) } },
            html! { (way.record().unwrap_or("–")) },
            html! { (event.unwrap_or(language.text(texts::admin::EVENT_NOT_IN_THE_LOG))) },
            became(language, way),
            badge(language, way.status()),
        ]
    });
    table(language.text(texts::pages::PAGE_EVENTS), columns, rows)
}

fn became(language: Language, way: &EventTrail) -> Markup {
    html! {
        @if way.deliveries.is_empty() {
            @if let Some(reason) = way.event.as_ref().and_then(event_reason) { span.hint { (short(&reason)) } }
        }
        @for line in way.deliveries.iter().take(3) {
            div { (line.destination) @if !line.change.is_empty() { ": " (line.change) }
                @if let (Some(reason), true) = (delivery_reason(line), LogStatus::of_delivery(line) != LogStatus::Delivered) { " " span.hint { (short(&reason)) } }
            }
        }
        @if way.deliveries.len() > 3 {
            div.hint { (language.text(texts::admin::AndMore { count: (way.deliveries.len() - 3) as u64 })) }
        }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= 140 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(140).collect::<String>())
    }
}

pub(crate) async fn trace(visit: &Visit<'_>, trace: &str, done: &str) -> Result<PageAnswer, Failure> {
    let Ok(trace) = trace.parse::<TraceId>() else {
        return Ok(missing(visit, visit.language.text(texts::admin::NOT_A_TRACE)));
    };
    let ledger = Ledger::new(visit.backend().store.clone());
    match log::way(&ledger, &visit.id, trace).await? {
        Some(way) => Ok(PageAnswer::Page(page(visit, trace, &way, done).await?)),
        None => Ok(missing(visit, visit.language.text(texts::admin::UNKNOWN_TRACE))),
    }
}

async fn page(visit: &Visit<'_>, trace: TraceId, way: &EventTrail, done: &str) -> Result<String, Failure> {
    let letters = if way.status() == LogStatus::Dead {
        let which = Which { text: trace.to_string(), ..Which::default() };
        let letters = Letters { backend: visit.backend(), tenant: Some(&visit.id) };
        letters.list(&which).await.map_err(|error| Failure::transient(error.to_string()))?
    } else {
        Vec::new()
    };
    let language = visit.language;
    let title = way.record().unwrap_or(language.text(texts::admin::EVENT)).to_owned();
    let arrived =
        texts::admin::ArrivedWithTrace { moment: moment(way.arrived_at()), trace: html! { code { (trace) } } };
    let body = html! {
        p { (badge(language, way.status())) " " (rich(language, &arrived)) }
        @for letter in &letters { (failed(language, letter)) }
        ol.way {
            (received(language, way))
            @match &way.event {
                Some(event) => (processed(language, event)),
                None => li {
                    h2 { (language.text(texts::admin::NOT_PROCESSED)) }
                    p.hint { (language.text(texts::admin::NOT_PROCESSED_EXPLAINED)) }
                },
            }
            @for line in &way.deliveries { (delivered(language, line)) }
        }
    };
    Ok(under(visit, Page::Events, &title, done, &body))
}

fn failed(language: Language, letter: &Letter) -> Markup {
    let own = &letter.buried.letter;
    let text = html! {
        strong { (own.code) } " " (own.reason) " "
        a.button href={ "/admin/dead/plan?act=redrive&name=" (encoded(&letter.name())) } { (language.text(texts::admin::RETRY)) } " "
        a href={ "/admin/dead?code=" (encoded(&own.code)) } { (language.text(texts::admin::ALL_WITH_THIS_CAUSE)) }
    };
    message(Tone::Problem, text)
}

fn received(language: Language, way: &EventTrail) -> Markup {
    let at = moment(way.arrived_at());
    html! {
        li {
            h2 { (language.text(texts::admin::RECEIVED)) }
            p {
                @match &way.event {
                    Some(event) => (rich(language, &texts::admin::ReceivedAs { moment: at, event: html! { code { (event.event) } } })),
                    None => (at),
                }
            }
        }
    }
}

fn after(language: Language, from: Timestamp, to: Timestamp) -> String {
    duration(language, millis(from, to))
}

fn processed(language: Language, event: &EventLine) -> Markup {
    let duration = after(language, event.received_at, event.decided_at);
    html! {
        li {
            h2 {
                (language.text(texts::admin::PROCESSED)) " "
                @if event.status == EventStatus::Routed { span.badge.delivered { (language.text(texts::admin::ROUTED)) } }
                @else { (badge(language, LogStatus::of_event(event))) }
            }
            p {
                (language.text(texts::admin::ProcessedAfter { duration }))
                @if event.attempts > 1 { " " (language.text(texts::admin::Tries { count: u64::from(event.attempts) })) }
            }
            @if let Some(reason) = event_reason(event) { p { (reason) } }
            @if !event.changes.is_empty() {
                p { (language.text(texts::admin::ChangesFound { changes: event.changes.join(", ") })) }
            }
            @if let Some(remark) = &event.remark { p.hint { (remark) } }
            @for route in &event.left { p.hint { (language.text(texts::admin::RouteNotApplied { route })) } }
            (calls(language, &event.calls))
        }
    }
}

fn delivered(language: Language, line: &DeliveryLine) -> Markup {
    let queued = after(language, line.trace.arrived_at(), line.queued_at);
    html! {
        li {
            h2 { (line.destination) " " (badge(language, LogStatus::of_delivery(line))) }
            @if !line.change.is_empty() { p { (line.change) } }
            @if !line.route.is_empty() { p { (language.text(texts::admin::ByRoute { route: &line.route })) } }
            p {
                (language.text(texts::admin::QueuedAfter { duration: queued }))
                @if line.attempts > 0 { " " (language.text(texts::admin::CallsMade { count: u64::from(line.attempts) })) }
                @if let Some(state) = state(language, line) { " " (state) }
            }
            @if let Some(reason) = delivery_reason(line) { p { (reason) } }
            (calls(language, &line.calls))
        }
    }
}

/// The outcome of a delivery, where there is more to say than its status.
fn state(language: Language, line: &DeliveryLine) -> Option<Markup> {
    match &line.status {
        DeliveryStatus::Delivered { at, provider_id } => {
            let duration = html! { (after(language, line.trace.arrived_at(), *at)) };
            let id = html! { code { (provider_id) } };
            Some(rich(language, &texts::admin::DeliveredAfter { duration, id }))
        }
        DeliveryStatus::Started { at } => Some(rich(language, &texts::admin::CallSince { moment: moment(*at) })),
        DeliveryStatus::Queued => Some(html! { (language.text(texts::admin::IN_ITS_QUEUE)) }),
        _ => None,
    }
}

fn calls(language: Language, calls: &[ProviderCall]) -> Markup {
    html! {
        @for call in calls {
            details.call {
                summary {
                    @if call.ok { span.badge.delivered { (language.text(texts::admin::CALL_ANSWERED)) } }
                    @else { span.badge.dead { (language.text(texts::admin::CALL_FAILED)) } }
                    " " (call.to) ", " (language.text(texts::pages::Milliseconds { count: call.ms })) ", " (moment(call.at))
                }
                p.hint { (language.text(texts::admin::CALL_REQUEST)) } pre tabindex="0" { (call.request) }
                p.hint { (language.text(texts::admin::CALL_RESPONSE)) } pre tabindex="0" { (call.answer) }
            }
        }
    }
}
