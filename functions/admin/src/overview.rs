//! The overview: connections, queues, alarms, and a chart of the last day. Counting is in `operations`.

use clients::Failure;
use jiff::{SignedDuration, Timestamp};
use locale::{Language, texts};
use maud::{Markup, html};
use operations::hours::{Hour, LastDay};
use operations::log::LogStatus;
use operations::overview::{self, Alarm, Connection, Overview};
use runtime::limiter::Usage;
use web::components::{Column, Tone, ago, duration, empty, message, moment, table};
use web::language::rich;

use crate::page::{Page, badge, signed_in, status_word};
use crate::{PageAnswer, Visit};

pub(crate) async fn show(visit: &Visit<'_>, done: &str) -> Result<PageAnswer, Failure> {
    // This part reloads itself; without scripts, people reload the page.
    let body = html! {
        div hx-get="/admin/overview" hx-trigger="every 30s" { (content(visit).await?) }
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::Overview, done, &body)))
}

pub(crate) async fn part(visit: &Visit<'_>) -> Result<PageAnswer, Failure> {
    Ok(PageAnswer::Part(content(visit).await?.into_string()))
}

async fn content(visit: &Visit<'_>) -> Result<Markup, Failure> {
    let (backend, connections) = (visit.backend(), &visit.deps.context.connections);
    let overview = overview::read(backend, connections, &visit.deps.mirror, &visit.portal).await?;
    Ok(all(visit.language, &overview, backend.clock.now()))
}

fn all(language: Language, overview: &Overview, now: Timestamp) -> Markup {
    html! {
        (alarms(language, &overview.alarms))
        h2 { (language.text(texts::pages::PAGE_CONNECTIONS)) }
        div.tiles { @for connection in &overview.connections { (tile(language, connection)) } }
        h2 { (language.text(texts::admin::DELIVERIES_OF_THE_DAY)) }
        (chart(language, &overview.day))
        (numbers(language, overview, now))
        h2 { (language.text(texts::admin::QUEUES)) }
        p.hint { (language.text(texts::admin::QUEUES_OF_ALL)) }
        (queues(language, overview, now))
        p.hint { (rich(language, &texts::admin::AsOf { moment: moment(now) })) }
    }
}

fn alarms(language: Language, alarms: &[Alarm]) -> Markup {
    if alarms.is_empty() {
        let text = html! {
            strong { (language.text(texts::admin::ALL_IS_WELL)) } " " (language.text(texts::admin::ALL_IS_WELL_MEANS))
        };
        return message(Tone::Done, text);
    }
    html! {
        h2 { (language.text(texts::admin::PROBLEMS)) }
        ul.alarms {
            @for alarm in alarms {
                li class=(if alarm.is_urgent { "problem" } else { "notice" }) {
                    a href=(alarm.page) { (alarm.what.text(language)) }
                    " " span { (alarm.fix.text(language)) }
                }
            }
        }
    }
}

fn tile(language: Language, connection: &Connection) -> Markup {
    let (class, word) = match (&connection.to, &connection.trouble) {
        (_, Some(_)) => ("dead", texts::admin::CONNECTION_REJECTED),
        (Some(_), None) => ("delivered", texts::admin::CONNECTED),
        (None, None) => ("skipped", texts::admin::NOT_CONNECTED),
    };
    let missing = connection.lacks.len() as u64;
    html! {
        section.tile {
            h3 { (connection.side.name()) }
            p { span class={ "badge " (class) } { (language.text(word)) } }
            @if let Some(to) = &connection.to { p { (to) } }
            @if let Some(usage) = &connection.usage { (calls_used(language, usage)) }
            @if let Some(ends) = connection.token_ends {
                p.hint { (rich(language, &texts::admin::TokenRenewal { moment: moment(ends) })) }
            }
            @if missing > 0 {
                p.hint { (language.text(texts::admin::PermissionsMissing { count: missing })) }
            }
        }
    }
}

fn calls_used(language: Language, usage: &Usage) -> Markup {
    let calls = texts::admin::CallsUsed { used: u64::from(usage.used), limit: u64::from(usage.of) };
    html! {
        p.hint { (language.text(calls)) }
        @if let Some(until) = usage.parked_until {
            p.hint { (rich(language, &texts::admin::PausedUntil { moment: moment(until) })) }
        }
    }
}

fn numbers(language: Language, overview: &Overview, now: Timestamp) -> Markup {
    let count = overview.day.hours.iter().map(|hour| u64::from(hour.all())).sum();
    let number = |term: &str, value: &Markup| html! { div { dt { (term) } dd { (value) } } };
    let age = |at: Option<Timestamp>| match at {
        Some(at) => ago(language, now, at),
        None => html! { (language.text(texts::admin::NOT_YET)) },
    };
    let deliveries = html! {
        @if overview.day.is_cut { (language.text(texts::admin::OrMore { count })) } @else { (language.number(count)) }
    };
    let oldest = html! {
        @match &overview.day.oldest {
            Some((trace, at)) => a href={ "/admin/events/" (trace) } { (ago(language, now, *at)) },
            None => (language.text(texts::admin::NOTHING_WAITS)),
        }
    };
    let failed = html! { a href="/admin/dead" { (language.number(overview.dead as u64)) } };
    html! {
        dl.numbers {
            (number(language.text(texts::admin::DELIVERIES), &deliveries))
            (number(language.text(texts::admin::TIME_TO_DELIVERY), &lag(language, &overview.day)))
            (number(language.text(texts::admin::OLDEST_WAITING), &oldest))
            (number(language.text(texts::pages::PAGE_FAILED_DELIVERIES), &failed))
            (number(language.text(texts::admin::LOST_EVENTS_FOUND), &lost(language, overview)))
            (number(language.text(texts::admin::LAST_SWEEP), &age(overview.swept_at)))
            @if overview.polled_at.is_some() {
                (number(language.text(texts::admin::LAST_POLL), &age(overview.polled_at)))
            }
            (number(language.text(texts::admin::EVENTS_SUBSCRIBED), &subscribed(language, overview)))
        }
    }
}

fn lag(language: Language, day: &LastDay) -> Markup {
    html! {
        @match day.lag_ms {
            Some((median, most)) => (language.text(texts::admin::Lag {
                median: duration(language, median),
                most: duration(language, most),
            })),
            None => "–",
        }
    }
}

fn lost(language: Language, overview: &Overview) -> Markup {
    let counts = texts::admin::LostOfChecked { lost: overview.lost.lost, checked: overview.lost.swept };
    html! { (language.text(counts)) }
}

fn subscribed(language: Language, overview: &Overview) -> Markup {
    let (wanted, refused) = (overview.subscriptions.wanted.len() as u64, overview.subscriptions.refused.len() as u64);
    html! {
        @if overview.subscriptions.by_hand { (language.text(texts::admin::SUBSCRIBED_BY_HAND)) }
        @else { (language.text(texts::admin::SubscribedAndRefused { wanted, refused })) }
    }
}

fn queues(language: Language, overview: &Overview, now: Timestamp) -> Markup {
    let rows = overview.queues.iter().map(|(queue, depth)| {
        [
            html! { (queue.name()) },
            html! { (language.number(depth.waiting)) },
            depth.oldest.map_or_else(|| html! { "–" }, |at| ago(language, now, at)),
            html! { (language.number(depth.dead)) },
        ]
    });
    let columns = [
        Column::text(language.text(texts::admin::QUEUE)),
        Column::number(language.text(texts::admin::WAITING)),
        Column::text(language.text(texts::admin::OLDEST)),
        Column::number(language.text(texts::admin::FAILED)),
    ];
    table(language.text(texts::admin::QUEUES), columns, rows)
}

const WIDTH: u32 = 720;
const HEIGHT: u32 = 140;

/// Bars by the hour, and the same numbers as a table for readers who cannot see the bars.
fn chart(language: Language, day: &LastDay) -> Markup {
    let most = day.hours.iter().map(Hour::all).max().unwrap_or_default();
    if most == 0 {
        return empty(language.text(texts::admin::NO_DELIVERIES_YET));
    }
    let slot = WIDTH / u32::try_from(day.hours.len().max(1)).unwrap_or(24);
    let label = language.text(texts::admin::ChartLabel { most: u64::from(most) });
    let view_box = format!("0 0 {WIDTH} {HEIGHT}");
    html! {
        svg.chart role="img" aria-label=(label) viewBox=(view_box) preserveAspectRatio="none" {
            @for (index, hour) in day.hours.iter().enumerate() {
                @let x = u32::try_from(index).unwrap_or_default() * slot;
                (bar(hour, most, x + 2, slot - 4, &title(language, day, index, hour)))
            }
        }
        // Outside of the picture, which is stretched to the width of the page.
        p.axis aria-hidden="true" { @for index in [0, 6, 12, 18] { span { (begin(day, index).strftime("%H:00")) } } }
        p.legend { @for status in LogStatus::ALL { (badge(language, status)) " " } }
        details {
            summary { (language.text(texts::admin::AS_A_TABLE)) }
            (chart_table(language, day))
        }
    }
}

/// The beginning of an hour.
fn begin(day: &LastDay, index: usize) -> Timestamp {
    day.from + SignedDuration::from_hours(i64::try_from(index).unwrap_or_default())
}

fn title(language: Language, day: &LastDay, index: usize, hour: &Hour) -> String {
    let deliveries = language.text(texts::admin::CountOfDeliveries { count: u64::from(hour.all()) });
    format!("{}: {deliveries}", begin(day, index).strftime("%H:00"))
}

fn chart_table(language: Language, day: &LastDay) -> Markup {
    let number = |count: u32| html! { (language.number(u64::from(count))) };
    let rows = day.hours.iter().enumerate().filter(|(_, hour)| hour.all() > 0).map(|(index, hour)| {
        [
            html! { (begin(day, index).strftime("%Y-%m-%d %H:00")) },
            number(hour.delivered),
            number(hour.waiting),
            number(hour.skipped),
            number(hour.dead),
        ]
    });
    let [delivered, waiting, skipped, dead] = LogStatus::ALL.map(|status| status_word(language, status));
    let columns = [
        Column::text(language.text(texts::admin::HOUR)),
        Column::number(delivered),
        Column::number(waiting),
        Column::number(skipped),
        Column::number(dead),
    ];
    table(language.text(texts::admin::DELIVERIES_OF_THE_DAY), columns, rows)
}

fn bar(hour: &Hour, most: u32, x: u32, width: u32, title: &str) -> Markup {
    let parts = [
        (hour.delivered, LogStatus::Delivered),
        (hour.waiting, LogStatus::Waiting),
        (hour.skipped, LogStatus::Skipped),
        (hour.dead, LogStatus::Dead),
    ];
    let mut below = 0;
    html! {
        g {
            title { (title) }
            @for (number, status) in parts {
                @if number > 0 {
                    // A small number still shows.
                    @let height = (number * HEIGHT / most).max(2);
                    rect class=(status.name()) x=(x) y=(HEIGHT.saturating_sub(below + height)) width=(width) height=(height) {}
                    @let () = below += height;
                }
            }
        }
    }
}
