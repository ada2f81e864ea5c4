//! Dead letters: grouped by cause; retried or discarded one by one, by group or by filter, after a page that shows what
//! will happen.

use clients::Failure;
use jobs::queues;
use maud::{Markup, html};
use operations::letters::{Group, Letter, Letters, Which, grouped};
use runtime::queue::QueueName;
use web::components::{ago, moment};
use web::page::{Form, encoded};

use crate::page::{Page, count, heads, signed_in, token, under};
use crate::{Answer, Visit};

/// Letters of a group that are shown.
const MAX_SHOWN: usize = 20;

fn which(form: &Form) -> Which {
    let given = |name: &str| Some(form.get(name).to_owned()).filter(|text| !text.is_empty());
    Which {
        queue: queues::ALL.into_iter().find(|queue| queue.name() == form.get("queue")),
        code: given("code"),
        name: given("name"),
        text: form.get("q").to_owned(),
    }
}

/// The same as a query, to go on with.
fn asked(which: &Which) -> String {
    let given = fields(which).into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
}

/// What a form says of them.
fn fields(which: &Which) -> [(&'static str, &str); 4] {
    [
        ("queue", which.queue.map_or("", QueueName::name)),
        ("code", which.code.as_deref().unwrap_or_default()),
        ("name", which.name.as_deref().unwrap_or_default()),
        ("q", &which.text),
    ]
}

fn letters<'a>(visit: &'a Visit<'_>) -> Letters<'a> {
    Letters { ports: visit.ports(), tenant: Some(&visit.id) }
}

async fn list(visit: &Visit<'_>, which: &Which) -> Result<Vec<Letter>, Failure> {
    letters(visit).list(which).await.map_err(|error| Failure::transient(error.to_string()))
}

pub(crate) async fn show(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let which = which(query);
    let found = list(visit, &which).await?;
    let all = found.len();
    let groups = grouped(found);
    let is_filtered = which != Which::default();
    let body = html! {
        p { "What could not be done and will not be tried again by itself. Mend the cause, then redrive: nothing that was done before is done twice." }
        form.search method="get" action="/admin/dead" role="search" {
            div { label for="q" { "Any word of reason, trace or job" } input id="q" name="q" type="search" value=(which.text); }
            div { label for="queue" { "Queue" } select id="queue" name="queue" {
                option value="" { "any" }
                @for queue in queues::ALL { option value=(queue.name()) selected[which.queue == Some(queue)] { (queue.name()) } }
            } }
            @if let Some(code) = &which.code { input type="hidden" name="code" value=(code); }
            button { "Filter" }
            @if is_filtered { " " a href="/admin/dead" { "All" } }
        }
        @if groups.is_empty() {
            p.done role="status" { @if is_filtered { "No dead letter fits." } @else { "There are no dead letters." } }
        } @else {
            p { (count(all, "letter")) " in " (count(groups.len(), "group")) ". "
                a.button href={ "/admin/dead/plan?act=redrive" (asked(&which)) } { "Redrive " @if is_filtered { "what the filter found" } @else { "all" } } " "
                a.button href={ "/admin/dead/plan?act=discard" (asked(&which)) } { "Discard " @if is_filtered { "what the filter found" } @else { "all" } }
            }
            @for group in &groups { (one_group(visit, group)) }
        }
    };
    Ok(Answer::Page(signed_in(visit, Page::FailedDeliveries, query.get("done"), &body)))
}

fn one_group(visit: &Visit<'_>, group: &Group) -> Markup {
    let now = visit.ports().clock.now();
    let own = format!("&queue={}&code={}", group.queue.name(), encoded(&group.code));
    html! {
        section.card {
            h2 { (group.letters.len()) " × " (group.code) " " span.hint { "on " (group.queue.name()) } }
            p { (group.reason) }
            p.hint { "First " (ago(visit.language, now, group.oldest)) ", last " (ago(visit.language, now, group.newest)) "." }
            p {
                a.button href={ "/admin/dead/plan?act=redrive" (own) } { "Redrive these " (group.letters.len()) } " "
                a.button href={ "/admin/dead/plan?act=discard" (own) } { "Discard these " (group.letters.len()) }
            }
            details {
                summary { "Show " (count(group.letters.len().min(MAX_SHOWN), "letter")) }
                table {
                    (heads(&["Given up", "About", "Tries", "Event", ""]))
                    tbody { @for letter in group.letters.iter().take(MAX_SHOWN) { (row(letter)) } }
                }
            }
        }
    }
}

fn row(letter: &Letter) -> Markup {
    let own = &letter.buried.letter;
    html! {
        tr {
            td data-label="Given up" { (moment(own.buried_at)) }
            td data-label="About" { (letter.about()) }
            td data-label="Tries" { (own.attempts) }
            td data-label="Event" { @if own.trace.is_empty() { "unknown" } @else { a href={ "/admin/events/" (own.trace) } { "its way" } } }
            td {
                a href={ "/admin/dead/plan?act=redrive&name=" (encoded(&letter.name())) } { "Redrive" } " "
                a href={ "/admin/dead/plan?act=discard&name=" (encoded(&letter.name())) } { "Discard" }
            }
        }
    }
}

/// What will happen, before it does.
pub(crate) async fn plan(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let which = which(query);
    let found = list(visit, &which).await?;
    let discards = query.get("act") == "discard";
    if found.is_empty() {
        return Ok(Answer::to("/dead", "There is no such dead letter any more."));
    }
    let (title, path) = if discards { ("Discard", "/admin/dead/discard") } else { ("Redrive", "/admin/dead/redrive") };
    let groups = grouped(found);
    let body = html! {
        h2 { "What will happen" }
        ul {
            @for group in &groups {
                li {
                    (count(group.letters.len(), "job")) " that died of " strong { (group.code) }
                    @if discards { " will be deleted for good; the log says by whom and why." }
                    @else { " will go back to the end of " code { (group.queue.name()) } ", each behind what waits for the same record, channel or conversation." }
                }
            }
        }
        @if !discards {
            ul {
                li { "Each is tried for up to a day again, within the providers' limits." }
                li { "What a job had done before it died is looked for first, and not done twice." }
                li { "A card shows the state of its time; what has changed since has a card of its own." }
                li { "If the cause is still there, they come back here." }
            }
        }
        details {
            summary { "Which" }
            ul { @for letter in groups.iter().flat_map(|group| &group.letters).take(MAX_SHOWN) { li { (letter.about()) " " span.hint { (letter.buried.letter.trace) } } } }
        }
        form method="post" action=(path) {
            (token(visit))
            @for (name, value) in fields(&which) {
                input type="hidden" name=(name) value=(value);
            }
            @if discards {
                label for="why" { "Why" } input id="why" name="why" required maxlength="200" placeholder="the channel is gone for good";
            }
            button.main { (title) " " (count(groups.iter().map(|group| group.letters.len()).sum(), "letter")) }
            " " a href="/admin/dead" { "Leave them" }
        }
    };
    Ok(Answer::Page(under(visit, Page::FailedDeliveries, title, "", &body)))
}

fn failed(error: &operations::letters::Trouble) -> Failure {
    Failure::transient(format!("{error}. What was done is done; do the rest again."))
}

pub(crate) async fn redrive(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let done = letters(visit).redrive(&which(form), &visit.session.who).await.map_err(|error| failed(&error))?;
    if let [one] = done.letters.as_slice()
        && !one.buried.letter.trace.is_empty()
    {
        let word = "Its job is on the queue again. Load this page again to see what becomes of it.";
        return Ok(Answer::to(&format!("/events/{}", one.buried.letter.trace), word));
    }
    Ok(Answer::to("/dead", format!("{} went back to their queues.", count(done.letters.len(), "job"))))
}

pub(crate) async fn discard(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let why = form.get("why");
    if why.is_empty() {
        return Ok(Answer::to("/dead", "Nothing was discarded: say why."));
    }
    let done = letters(visit).discard(&which(form), &visit.session.who, why).await.map_err(|error| failed(&error))?;
    Ok(Answer::to("/dead", format!("{} discarded.", count(done.letters.len(), "letter"))))
}
