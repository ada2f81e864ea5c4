//! The overview: connections, queues, alarms, and a chart of the last day. Counting is in `operations`.

use clients::Failure;
use maud::{Markup, html};
use operations::hours::{Day, Hour};
use operations::overview::{self, Alarm, Connection, Overview};

use crate::page::{ago, count, heads, lasting, moment, signed_in};
use crate::{Answer, Visit};

pub(crate) async fn show(visit: &Visit<'_>, done: &str) -> Result<Answer, Failure> {
    // The part asks for itself again; without scripts one loads the page again.
    let body = html! {
        div hx-get="/admin/overview" hx-trigger="every 30s" { (look(visit).await?) }
    };
    Ok(Answer::Page(signed_in(visit, "Overview", done, &body)))
}

pub(crate) async fn part(visit: &Visit<'_>) -> Result<Answer, Failure> {
    Ok(Answer::Part(look(visit).await?.into_string()))
}

async fn look(visit: &Visit<'_>) -> Result<Markup, Failure> {
    let (ports, connections) = (visit.ports(), &visit.deps.talk.connections);
    let overview = overview::look(ports, connections, &visit.deps.mirror, &visit.portal).await?;
    let now = ports.clock.now();
    Ok(html! {
        (alarms(&overview.alarms))
        h2 { "Connections" }
        div.tiles { @for connection in &overview.connections { (tile(connection)) } }
        h2 { "Deliveries of the last 24 hours" }
        (chart(&overview.day))
        (numbers(&overview, now))
        h2 { "Queues" }
        p.hint { "Of the whole deployment, all portals together." }
        (queues(&overview, now))
        p.hint { "Looked at " (moment(now)) " UTC." }
    })
}

fn alarms(alarms: &[Alarm]) -> Markup {
    html! {
        @if alarms.is_empty() {
            p.done role="status" { strong { "All is well." } " Everything is connected, nothing is dead, nothing is late." }
        }
        @else {
            h2 { "To look at" }
            ul.alarms {
                @for alarm in alarms {
                    li class=(if alarm.is_urgent { "problem" } else { "notice" }) {
                        a href=(alarm.page) { (alarm.what) }
                        " " span { (alarm.fix) }
                    }
                }
            }
        }
    }
}

fn tile(connection: &Connection) -> Markup {
    html! {
        section.tile {
            h3 { (connection.side.name()) }
            @match (&connection.to, &connection.trouble) {
                (_, Some(_)) => p { span.badge.dead { "not taken" } },
                (Some(_), None) => p { span.badge.delivered { "connected" } },
                (None, None) => p { span.badge.skipped { "not connected" } },
            }
            @if let Some(to) = &connection.to { p { (to) } }
            @if let Some(usage) = &connection.usage {
                p.hint {
                    (usage.used) " of " (usage.of) " calls used"
                    @if let Some(until) = usage.parked_until { ", paused until " (moment(until)) }
                }
            }
            @if let Some(ends) = connection.token_ends { p.hint { "Token is renewed at " (moment(ends)) } }
            @if !connection.lacks.is_empty() { p.hint { (connection.lacks.len()) " rights were not given" } }
        }
    }
}

fn numbers(overview: &Overview, now: jiff::Timestamp) -> Markup {
    let all: u32 = overview.day.hours.iter().map(Hour::all).sum();
    html! {
        dl.numbers {
            div { dt { "Deliveries" } dd { (all) @if overview.day.is_cut { " or more" } } }
            div { dt { "From arrival to delivery" } dd {
                @match overview.day.lag_ms {
                    Some((middle, most)) => { (lasting(middle)) ", 95 % below " (lasting(most)) }
                    None => "–",
                }
            } }
            div { dt { "Oldest that waits" } dd {
                @match &overview.day.oldest {
                    Some((trace, at)) => a href={ "/admin/events/" (trace) } { (ago(now, *at)) },
                    None => "nothing waits",
                }
            } }
            div { dt { "Dead letters" } dd { a href="/admin/dead" { (overview.dead) } } }
            div { dt { "Lost by Bitrix24 today, found by the sweep" } dd { (overview.lost.lost) " of " (overview.lost.swept) " looked at" } }
            div { dt { "Last sweep" } dd { @match overview.swept_at { Some(at) => (ago(now, at)), None => "none yet" } } }
            @if let Some(at) = overview.polled_at { div { dt { "Last poll of Notion" } dd { (ago(now, at)) } } }
            div { dt { "Events bound" } dd {
                @if overview.subscriptions.by_hand { "ticked by hand" }
                @else { (overview.subscriptions.wanted.len()) " wanted, " (overview.subscriptions.refused.len()) " refused" }
            } }
        }
    }
}

fn queues(overview: &Overview, now: jiff::Timestamp) -> Markup {
    html! {
        table {
            (heads(&["Queue", "Waiting", "Oldest", "Dead"]))
            tbody {
                @for (queue, depth) in &overview.queues {
                    tr {
                        td data-label="Queue" { (queue.name()) }
                        td data-label="Waiting" { (depth.waiting) }
                        td data-label="Oldest" { @match depth.oldest { Some(at) => (ago(now, at)), None => "–" } }
                        td data-label="Dead" { (depth.dead) }
                    }
                }
            }
        }
    }
}

const WIDTH: u32 = 720;
const HEIGHT: u32 = 140;

/// Bars by the hour; the same numbers as a table for who cannot see them.
fn chart(day: &Day) -> Markup {
    let most = day.hours.iter().map(Hour::all).max().unwrap_or_default();
    if most == 0 {
        return html! { p.hint { "Nothing was to be delivered. Change a deal in Bitrix24, and look here again." } };
    }
    let slot = WIDTH / u32::try_from(day.hours.len().max(1)).unwrap_or(24);
    let of = |hour: usize| day.from + jiff::SignedDuration::from_hours(i64::try_from(hour).unwrap_or_default());
    html! {
        svg.chart role="img" aria-label={ "Deliveries an hour; at most " (most) } viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
            @for (place, hour) in day.hours.iter().enumerate() {
                @let x = u32::try_from(place).unwrap_or_default() * slot;
                (bar(hour, most, x + 2, slot - 4, &of(place).strftime("%H:00").to_string()))
            }
        }
        // Outside of the picture, which is stretched to the width of the page.
        p.axis aria-hidden="true" { @for place in [0, 6, 12, 18] { span { (of(place).strftime("%H:00")) } } }
        p.legend { @for word in ["delivered", "waiting", "skipped", "dead"] { span class={ "badge " (word) } { (word) } " " } }
        details {
            summary { "As a table" }
            table {
                (heads(&["Hour (UTC)", "Delivered", "Waiting", "Skipped", "Dead"]))
                tbody {
                    @for (place, hour) in day.hours.iter().enumerate().filter(|(_, hour)| hour.all() > 0) {
                        tr {
                            td data-label="Hour" { (of(place).strftime("%Y-%m-%d %H:00")) }
                            td data-label="Delivered" { (hour.delivered) }
                            td data-label="Waiting" { (hour.waiting) }
                            td data-label="Skipped" { (hour.skipped) }
                            td data-label="Dead" { (hour.dead) }
                        }
                    }
                }
            }
        }
    }
}

fn bar(hour: &Hour, most: u32, x: u32, width: u32, at: &str) -> Markup {
    let parts =
        [(hour.delivered, "delivered"), (hour.waiting, "waiting"), (hour.skipped, "skipped"), (hour.dead, "dead")];
    let mut below = 0;
    html! {
        g {
            title { (at) ": " (count(hour.all() as usize, "delivery").replace("deliverys", "deliveries")) }
            @for (number, name) in parts {
                @if number > 0 {
                    // Something that is there is seen, however little it is.
                    @let height = (number * HEIGHT / most).max(2);
                    rect class=(name) x=(x) y=(HEIGHT.saturating_sub(below + height)) width=(width) height=(height) {}
                    @let () = below += height;
                }
            }
        }
    }
}
