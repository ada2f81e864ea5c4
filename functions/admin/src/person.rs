//! One person's data: found, downloaded, deleted on request.
//!
//! The search words are sent in a form's body, never in an address: addresses are kept in logs and histories.

use clients::Failure;
use locale::{Language, texts};
use maud::{Markup, html};
use tenants::person;
use tenants::person::{Ask, PersonError, PersonReport};
use web::components::{Column, Confirm, Tone, empty, message, table};
use web::page::Form;

use crate::page::{Page, signed_in, token};
use crate::{PageAnswer, Visit};

/// The most items that a page searches on one machine; more take longer than a request may.
const MAX_ITEMS: usize = 100_000;
/// The same in a function, which has less time.
const MAX_ITEMS_OF_FUNCTION: usize = 10_000;
/// The most places that are listed on the page.
const MAX_SHOWN: usize = 100;
/// The largest document that a page returns: the limit of Lambda's answers.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

pub(crate) fn show(visit: &Visit<'_>, done: &str) -> PageAnswer {
    PageAnswer::Page(signed_in(visit, Page::People, done, &search_form(visit, "", "")))
}

fn search_form(visit: &Visit<'_>, who: &str, problem: &str) -> Markup {
    let language = visit.language;
    html! {
        h2 { (language.text(texts::admin::ONE_PERSONS_DATA)) }
        p { (language.text(texts::admin::ONE_PERSONS_DATA_EXPLAINED)) }
        @if !problem.is_empty() { (message(Tone::Problem, problem)) }
        form method="post" action="/admin/person" {
            (token(visit))
            label for="who" { (language.text(texts::admin::WHO_LABEL)) }
            textarea id="who" name="who" rows="4" required placeholder=(language.text(texts::admin::WHO_EXAMPLE)) { (who) }
            button.main { (language.text(texts::admin::SEARCH)) }
        }
    }
}

fn most(visit: &Visit<'_>) -> usize {
    if visit.deps.by_host { MAX_ITEMS } else { MAX_ITEMS_OF_FUNCTION }
}

/// What was typed, or what is wrong with it.
fn asked(language: Language, form: &Form) -> Result<Vec<Ask>, String> {
    let lines = form.get("who").lines().map(str::trim).filter(|line| !line.is_empty());
    let asked: Vec<Ask> =
        lines.map(str::parse).collect::<Result<_, _>>().map_err(|bad: person::BadAsk| bad.to_string())?;
    if asked.is_empty() { Err(language.text(texts::admin::WHO_IS_NEEDED).into()) } else { Ok(asked) }
}

/// Why a search has no result, for the page; an engine that does not answer is a failure.
fn problem(error: PersonError) -> Result<String, Failure> {
    match error {
        PersonError::Store(error) => Err(error.into()),
        PersonError::Queue(error) => Err(Failure::transient(error.to_string())),
        other => Ok(other.to_string()),
    }
}

fn again(visit: &Visit<'_>, form: &Form, problem: &str) -> PageAnswer {
    PageAnswer::Page(signed_in(visit, Page::People, "", &search_form(visit, form.get("who"), problem)))
}

pub(crate) async fn search(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let asked = match asked(visit.language, form) {
        Ok(asked) => asked,
        Err(problem) => return Ok(again(visit, form, &problem)),
    };
    let finding = match person::find(visit.backend(), &visit.id, &asked, most(visit)).await {
        Ok(finding) => finding,
        Err(error) => return Ok(again(visit, form, &problem(error)?)),
    };
    let body = html! {
        (search_form(visit, form.get("who"), ""))
        (result(visit, form.get("who"), &finding))
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::People, "", &body)))
}

fn result(visit: &Visit<'_>, who: &str, finding: &PersonReport) -> Markup {
    let language = visit.language;
    html! {
        h2 { (language.text(texts::admin::WHAT_WAS_FOUND)) }
        p { (searched_for(language, finding)) }
        @if !finding.person.left_out().is_empty() {
            p.hint { (language.text(texts::admin::NotSearchedFor { words: finding.person.left_out().join(", ") })) }
        }
        @if finding.is_empty() { (empty(language.text(texts::admin::NOTHING_IS_STORED))) }
        @else {
            (count_table(language, finding))
            (places(language, finding))
            (button_form(visit, "/admin/person/export", who, language.text(texts::admin::DOWNLOAD_AS_JSON)))
            (button_form(visit, "/admin/person/forget", who, language.text(texts::admin::DELETE_AFTER_ASKING)))
        }
        (stays(language, finding))
    }
}

fn searched_for(language: Language, finding: &PersonReport) -> String {
    language.text(texts::admin::SearchedFor { words: finding.person.looked_for().words().join(", ") })
}

fn count_table(language: Language, finding: &PersonReport) -> Markup {
    let columns = [
        Column::text(language.text(texts::admin::WHAT)),
        Column::number(language.text(texts::admin::HOW_MANY)),
        Column::text(language.text(texts::admin::ON_DELETION)),
    ];
    let counts = finding.counts();
    let rows = counts.iter().map(|(kind, action, count)| [html! { (kind) }, html! { (count) }, html! { (action) }]);
    table(language.text(texts::admin::WHAT_WAS_FOUND), columns, rows)
}

fn button_form(visit: &Visit<'_>, action: &str, who: &str, words: &str) -> Markup {
    html! {
        form.inline method="post" action=(action) {
            (token(visit)) input type="hidden" name="who" value=(who); button { (words) }
        }
    }
}

fn places(language: Language, finding: &PersonReport) -> Markup {
    let more = finding.items.len().saturating_sub(MAX_SHOWN) as u64;
    html! {
        details {
            summary { (language.text(texts::admin::WHERE_FOUND)) }
            ul { @for found in finding.items.iter().take(MAX_SHOWN) { li { (found.kind.name) ": " (found.excerpt) } } }
            @if more > 0 { p.hint { (language.text(texts::admin::MoreInDownload { count: more })) } }
        }
    }
}

fn stays(language: Language, finding: &PersonReport) -> Markup {
    html! {
        h3 { (language.text(texts::admin::WHAT_STAYS)) }
        ul { @for remains in person::remains(finding) { li { strong { (remains.what) } ": " (remains.why) "." } } }
    }
}

pub(crate) async fn export(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let asked = match asked(visit.language, form) {
        Ok(asked) => asked,
        Err(problem) => return Ok(again(visit, form, &problem)),
    };
    let finding = match person::find(visit.backend(), &visit.id, &asked, most(visit)).await {
        Ok(finding) => finding,
        Err(error) => return Ok(again(visit, form, &problem(error)?)),
    };
    let document = person::export(&finding, &visit.id, visit.backend().clock.now());
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    if text.len() > MAX_DOCUMENT {
        return Ok(again(visit, form, visit.language.text(texts::admin::TOO_LARGE_TO_DOWNLOAD)));
    }
    person::note_export(visit.backend(), &visit.id, &asked, &visit.session.who).await?;
    Ok(PageAnswer::File("person.json", text))
}

pub(crate) async fn forget(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let asked = match asked(visit.language, form) {
        Ok(asked) => asked,
        Err(problem) => return Ok(again(visit, form, &problem)),
    };
    if form.get("sure") != "yes" {
        return confirm(visit, form, &asked).await;
    }
    match person::forget(visit.backend(), &visit.id, &asked, &visit.session.who, most(visit)).await {
        Ok(done) => {
            let language = visit.language;
            let counts = texts::admin::PersonDeleted {
                deleted: done.deleted as u64,
                blanked: done.blanked as u64,
                discarded: done.discarded as u64,
            };
            let body = html! {
                (message(Tone::Done, language.text(counts)))
                (stays(language, &done.left))
                p { a href="/admin/person" { (language.text(texts::admin::SEARCH_AGAIN)) } }
            };
            Ok(PageAnswer::Page(signed_in(visit, Page::People, "", &body)))
        }
        Err(error) => Ok(again(visit, form, &problem(error)?)),
    }
}

async fn confirm(visit: &Visit<'_>, form: &Form, asked: &[Ask]) -> Result<PageAnswer, Failure> {
    let finding = match person::find(visit.backend(), &visit.id, asked, most(visit)).await {
        Ok(finding) => finding,
        Err(error) => return Ok(again(visit, form, &problem(error)?)),
    };
    let language = visit.language;
    let confirm = Confirm {
        action: "/admin/person/forget",
        token: &visit.session.token,
        fields: &[("who", form.get("who")), ("sure", "yes")],
        question: language.text(texts::admin::DELETE_PERSON_EXPLAINED),
        button: language.text(texts::admin::DELETE),
    };
    let body = html! {
        h2 { (language.text(texts::admin::DELETE_PERSON_QUESTION)) }
        p { (searched_for(language, &finding)) }
        ul { @for (kind, action, count) in finding.counts() { li { (count) " × " (kind) ": " (action) } } }
        (confirm.on_page(language, "/admin/person"))
        (stays(language, &finding))
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::People, "", &body)))
}
