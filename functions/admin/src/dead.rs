//! Failed deliveries: grouped by cause; retried or discarded one by one, by group or by filter, after a page that shows
//! what will happen.

use clients::Failure;
use jiff::Timestamp;
use jobs::queues;
use locale::{Language, texts};
use maud::{Markup, html};
use operations::dead_letters::{DeadLetterGroup, Letter, Letters, Which, grouped};
use runtime::queue::QueueName;
use web::components::{Column, Tone, ago, message, moment, table};
use web::language::rich;
use web::page::{Form, encoded};

use crate::page::{Page, signed_in, token, under};
use crate::{PageAnswer, Visit};

/// Dead letters of a group that are shown.
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

/// The same as a query, for the next page.
fn asked(which: &Which) -> String {
    let given = fields(which).into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
}

/// The filter in the fields of a form.
fn fields(which: &Which) -> [(&'static str, &str); 4] {
    [
        ("queue", which.queue.map_or("", QueueName::name)),
        ("code", which.code.as_deref().unwrap_or_default()),
        ("name", which.name.as_deref().unwrap_or_default()),
        ("q", &which.text),
    ]
}

fn letters<'a>(visit: &'a Visit<'_>) -> Letters<'a> {
    Letters { backend: visit.backend(), tenant: Some(&visit.id) }
}

async fn list(visit: &Visit<'_>, which: &Which) -> Result<Vec<Letter>, Failure> {
    letters(visit).list(which).await.map_err(|error| Failure::transient(error.to_string()))
}

pub(crate) async fn show(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let which = which(query);
    let found = list(visit, &which).await?;
    let count = found.len() as u64;
    let groups = grouped(found);
    let is_filtered = which != Which::default();
    let language = visit.language;
    let body = html! {
        p { (language.text(texts::admin::FAILED_EXPLAINED)) }
        (search_form(language, &which, is_filtered))
        @if groups.is_empty() {
            (message(Tone::Done, language.text(if is_filtered { texts::admin::NO_FAILED_FOUND } else { texts::admin::NO_FAILED })))
        } @else {
            p {
                (language.text(texts::admin::FailedInGroups { count, groups: groups.len() as u64 })) " "
                (plan_links(language, &asked(&which), is_filtered))
            }
            @for group in &groups { (one_group(language, group, visit.backend().clock.now())) }
        }
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::FailedDeliveries, query.get("done"), &body)))
}

fn search_form(language: Language, which: &Which, is_filtered: bool) -> Markup {
    html! {
        form.search method="get" action="/admin/dead" role="search" {
            div {
                label for="q" { (language.text(texts::admin::FAILED_SEARCH_LABEL)) }
                input id="q" name="q" type="search" value=(which.text);
            }
            div {
                label for="queue" { (language.text(texts::admin::QUEUE)) }
                select id="queue" name="queue" {
                    option value="" { (language.text(texts::admin::ANY)) }
                    @for queue in queues::ALL { option value=(queue.name()) selected[which.queue == Some(queue)] { (queue.name()) } }
                }
            }
            @if let Some(code) = &which.code { input type="hidden" name="code" value=(code); }
            button { (language.text(texts::admin::FILTER)) }
            @if is_filtered { " " a href="/admin/dead" { (language.text(texts::admin::SHOW_ALL)) } }
        }
    }
}

fn plan_links(language: Language, asked: &str, is_filtered: bool) -> Markup {
    let (retry, discard) = if is_filtered {
        (texts::admin::RETRY_FOUND, texts::admin::DISCARD_FOUND)
    } else {
        (texts::admin::RETRY_ALL, texts::admin::DISCARD_ALL)
    };
    html! {
        a.button href={ "/admin/dead/plan?act=redrive" (asked) } { (language.text(retry)) } " "
        a.button href={ "/admin/dead/plan?act=discard" (asked) } { (language.text(discard)) }
    }
}

fn one_group(language: Language, group: &DeadLetterGroup, now: Timestamp) -> Markup {
    let own = format!("&queue={}&code={}", group.queue.name(), encoded(&group.code));
    let count = group.letters.len() as u64;
    let times =
        texts::admin::FirstAndLast { first: ago(language, now, group.oldest), last: ago(language, now, group.newest) };
    html! {
        section.card {
            h2 { (language.number(count)) " × " (group.code) " " span.hint { (language.text(texts::admin::InQueue { queue: group.queue.name() })) } }
            p { (group.reason) }
            p.hint { (rich(language, &times)) }
            p {
                a.button href={ "/admin/dead/plan?act=redrive" (own) } { (language.text(texts::admin::RetryThese { count })) } " "
                a.button href={ "/admin/dead/plan?act=discard" (own) } { (language.text(texts::admin::DiscardThese { count })) }
            }
            details {
                summary { (language.text(texts::admin::ShowFailed { count: count.min(MAX_SHOWN as u64) })) }
                (letter_table(language, group))
            }
        }
    }
}

fn letter_table(language: Language, group: &DeadLetterGroup) -> Markup {
    let columns = [
        Column::text(language.text(texts::admin::FAILED_AT)),
        Column::text(language.text(texts::admin::ABOUT)),
        Column::number(language.text(texts::admin::TRIES_MADE)),
        Column::text(language.text(texts::admin::EVENT)),
        Column::untitled(),
    ];
    let rows = group.letters.iter().take(MAX_SHOWN).map(|letter| row(language, letter));
    table(&group.code, columns, rows)
}

fn row(language: Language, letter: &Letter) -> [Markup; 5] {
    let own = &letter.buried.letter;
    let name = encoded(&letter.name());
    [
        moment(own.buried_at),
        html! { (letter.about()) },
        html! { (own.attempts) },
        html! {
            @if own.trace.is_empty() { (language.text(texts::admin::UNKNOWN)) }
            @else { a href={ "/admin/events/" (own.trace) } { (language.text(texts::admin::OPEN_THE_EVENT)) } }
        },
        html! {
            a href={ "/admin/dead/plan?act=redrive&name=" (name) } { (language.text(texts::admin::RETRY)) } " "
            a href={ "/admin/dead/plan?act=discard&name=" (name) } { (language.text(texts::admin::DISCARD)) }
        },
    ]
}

/// The page that shows what will happen, before it is done.
pub(crate) async fn plan(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let which = which(query);
    let found = list(visit, &which).await?;
    let language = visit.language;
    if found.is_empty() {
        return Ok(PageAnswer::to("/dead", language.text(texts::admin::FAILED_GONE)));
    }
    let discards = query.get("act") == "discard";
    let groups = grouped(found);
    let body = html! {
        h2 { (language.text(texts::admin::WHAT_WILL_HAPPEN)) }
        ul { @for group in &groups { li { (planned(language, group, discards)) } } }
        @if !discards {
            ul {
                @for note in [
                    texts::admin::RETRY_TAKES_A_DAY,
                    texts::admin::RETRY_CHECKS_FIRST,
                    texts::admin::RETRY_AND_CARDS,
                    texts::admin::RETRY_FAILS_AGAIN,
                ] { li { (language.text(note)) } }
            }
        }
        details {
            summary { (language.text(texts::admin::WHICH_ONES)) }
            ul { @for letter in groups.iter().flat_map(|group| &group.letters).take(MAX_SHOWN) { li { (letter.about()) " " code { (letter.buried.letter.trace) } } } }
        }
        (plan_form(visit, &which, &groups, discards))
    };
    let title = language.text(if discards { texts::admin::DISCARD } else { texts::admin::RETRY });
    Ok(PageAnswer::Page(under(visit, Page::FailedDeliveries, title, "", &body)))
}

fn planned(language: Language, group: &DeadLetterGroup, discards: bool) -> Markup {
    let count = group.letters.len() as u64;
    let code = html! { strong { (group.code) } };
    if discards {
        return rich(language, &texts::admin::DiscardPlanned { count, code });
    }
    let queue = html! { code { (group.queue.name()) } };
    rich(language, &texts::admin::RetryPlanned { count, code, queue })
}

fn plan_form(visit: &Visit<'_>, which: &Which, groups: &[DeadLetterGroup], discards: bool) -> Markup {
    let language = visit.language;
    let count = groups.iter().map(|group| group.letters.len() as u64).sum();
    let path = if discards { "/admin/dead/discard" } else { "/admin/dead/redrive" };
    html! {
        form method="post" action=(path) {
            (token(visit))
            @for (name, value) in fields(which) { input type="hidden" name=(name) value=(value); }
            @if discards {
                label for="why" { (language.text(texts::admin::REASON)) }
                input id="why" name="why" required maxlength="200" placeholder=(language.text(texts::admin::REASON_EXAMPLE));
            }
            button.main {
                @if discards { (language.text(texts::admin::DiscardCount { count })) }
                @else { (language.text(texts::admin::RetryCount { count })) }
            }
            " " a href="/admin/dead" { (language.text(texts::pages::CANCEL)) }
        }
    }
}

fn failed(language: Language, error: &operations::dead_letters::DeadLetterError) -> Failure {
    Failure::transient(language.text(texts::admin::PartlyDone { error }))
}

pub(crate) async fn redrive(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let language = visit.language;
    let done =
        letters(visit).redrive(&which(form), &visit.session.who).await.map_err(|error| failed(language, &error))?;
    if let [one] = done.letters.as_slice()
        && !one.buried.letter.trace.is_empty()
    {
        let place = format!("/events/{}", one.buried.letter.trace);
        return Ok(PageAnswer::to(&place, language.text(texts::admin::RETRIED_ONE)));
    }
    Ok(PageAnswer::to("/dead", language.text(texts::admin::Retried { count: done.letters.len() as u64 })))
}

pub(crate) async fn discard(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let (language, why) = (visit.language, form.get("why"));
    if why.is_empty() {
        return Ok(PageAnswer::to("/dead", language.text(texts::admin::REASON_IS_NEEDED)));
    }
    let discarded = letters(visit).discard(&which(form), &visit.session.who, why).await;
    let done = discarded.map_err(|error| failed(language, &error))?;
    Ok(PageAnswer::to("/dead", language.text(texts::admin::Discarded { count: done.letters.len() as u64 })))
}
