//! One person's data: found, downloaded, deleted on request.
//!
//! The search words are sent in a form's body, never in an address: addresses are kept in logs and histories.

use clients::Failure;
use maud::{Markup, html};
use tenants::person;
use tenants::person::{Ask, Finding, PersonError};
use web::page::Form;

use crate::page::{Page, heads, signed_in, token};
use crate::{Answer, Visit};

/// So many items a page searches on one machine; more take longer than a request may.
const MAX_ITEMS: usize = 100_000;
/// The same in a function, which has less time.
const MAX_ITEMS_OF_FUNCTION: usize = 10_000;
/// So many places are listed on the page.
const MAX_SHOWN: usize = 100;
/// The largest document that a page hands out: what Lambda can answer.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

pub(crate) fn show(visit: &Visit<'_>, done: &str) -> Answer {
    Answer::Page(signed_in(visit, Page::People, done, &search_form(visit, "", "")))
}

fn search_form(visit: &Visit<'_>, who: &str, problem: &str) -> Markup {
    html! {
        h2 { "One person's data" }
        p { "For a person who asks what is stored of them, or that it is deleted: customers, people of the portal, people in Slack." }
        @if !problem.is_empty() { p.problem role="alert" { (problem) } }
        form method="post" action="/admin/person" {
            (token(visit))
            label for="who" { "Who, by all that you know, one a line: contact 42, user 15, a Slack id, an e-mail, a phone number, words of a name" }
            textarea id="who" name="who" rows="4" required placeholder="contact 42\nann@corp.example" { (who) }
            button.main { "Search" }
        }
    }
}

fn most(visit: &Visit<'_>) -> usize {
    if visit.deps.by_host { MAX_ITEMS } else { MAX_ITEMS_OF_FUNCTION }
}

/// What was typed, or what is wrong with it.
fn asked(form: &Form) -> Result<Vec<Ask>, String> {
    let lines = form.get("who").lines().map(str::trim).filter(|line| !line.is_empty());
    let asked: Vec<Ask> =
        lines.map(str::parse).collect::<Result<_, _>>().map_err(|bad: person::BadAsk| bad.to_string())?;
    if asked.is_empty() { Err("Say who is meant.".into()) } else { Ok(asked) }
}

/// Why a search came to nothing, for the page; an engine that does not answer is a failure.
fn problem(error: PersonError) -> Result<String, Failure> {
    match error {
        PersonError::Store(error) => Err(error.into()),
        PersonError::Queue(error) => Err(Failure::transient(error.to_string())),
        other => Ok(other.to_string()),
    }
}

fn again(visit: &Visit<'_>, form: &Form, problem: &str) -> Answer {
    Answer::Page(signed_in(visit, Page::People, "", &search_form(visit, form.get("who"), problem)))
}

pub(crate) async fn search(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let asked = match asked(form) {
        Ok(asked) => asked,
        Err(problem) => return Ok(again(visit, form, &problem)),
    };
    let finding = match person::find(visit.ports(), &visit.id, &asked, most(visit)).await {
        Ok(finding) => finding,
        Err(error) => return Ok(again(visit, form, &problem(error)?)),
    };
    let body = html! {
        (search_form(visit, form.get("who"), ""))
        (result(visit, form.get("who"), &finding))
    };
    Ok(Answer::Page(signed_in(visit, Page::People, "", &body)))
}

fn result(visit: &Visit<'_>, who: &str, finding: &Finding) -> Markup {
    let left_out = finding.person.left_out();
    html! {
        h2 { "What was found" }
        p { "Looked for: " (finding.person.looked_for().words().join(", ")) "." }
        @if !left_out.is_empty() {
            p.hint { "Not looked for by themselves, as they could be others’: " (left_out.join(", ")) ". Name them as well if they are certain." }
        }
        @if finding.is_empty() { p { "Nothing is stored of them here." } }
        @else {
            table {
                (heads(&["What", "How many", "On deletion"]))
                tbody { @for (kind, action, count) in finding.counts() {
                    tr { td data-label="What" { (kind) } td data-label="How many" { (count) } td data-label="On deletion" { (action) } }
                } }
            }
            (places(finding))
            form.inline method="post" action="/admin/person/export" {
                (token(visit)) input type="hidden" name="who" value=(who); button { "Download as JSON" }
            }
            form.inline method="post" action="/admin/person/forget" {
                (token(visit)) input type="hidden" name="who" value=(who); button { "Delete…" }
            }
        }
        (stays(finding))
    }
}

fn places(finding: &Finding) -> Markup {
    html! {
        details {
            summary { "Where" }
            ul { @for found in finding.items.iter().take(MAX_SHOWN) { li { (found.kind.name) ": " (found.excerpt) } } }
            @if finding.items.len() > MAX_SHOWN { p.hint { "And " (finding.items.len() - MAX_SHOWN) " more: the download lists all." } }
        }
    }
}

fn stays(finding: &Finding) -> Markup {
    html! {
        h3 { "What stays, and why" }
        ul { @for remains in person::remains(finding) { li { strong { (remains.what) } ": " (remains.why) "." } } }
    }
}

pub(crate) async fn export(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let asked = match asked(form) {
        Ok(asked) => asked,
        Err(problem) => return Ok(again(visit, form, &problem)),
    };
    let finding = match person::find(visit.ports(), &visit.id, &asked, most(visit)).await {
        Ok(finding) => finding,
        Err(error) => return Ok(again(visit, form, &problem(error)?)),
    };
    let document = person::export(&finding, &visit.id, visit.ports().clock.now());
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    if text.len() > MAX_DOCUMENT {
        let problem = "It is too much for a page; `switchboard person export` writes it to a file.";
        return Ok(again(visit, form, problem));
    }
    person::note_export(visit.ports(), &visit.id, &asked, &visit.session.who).await?;
    Ok(Answer::File("person.json", text))
}

pub(crate) async fn forget(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let asked = match asked(form) {
        Ok(asked) => asked,
        Err(problem) => return Ok(again(visit, form, &problem)),
    };
    if form.get("sure") != "yes" {
        return confirm(visit, form, &asked).await;
    }
    match person::forget(visit.ports(), &visit.id, &asked, &visit.session.who, most(visit)).await {
        Ok(done) => {
            let body = html! {
                p.done role="status" {
                    (done.deleted) " items deleted, " (done.blanked) " items without the person’s words, " (done.discarded) " failed deliveries discarded."
                }
                (stays(&done.left))
                p { a href="/admin/person" { "Search again" } }
            };
            Ok(Answer::Page(signed_in(visit, Page::People, "", &body)))
        }
        Err(error) => Ok(again(visit, form, &problem(error)?)),
    }
}

async fn confirm(visit: &Visit<'_>, form: &Form, asked: &[Ask]) -> Result<Answer, Failure> {
    let finding = match person::find(visit.ports(), &visit.id, asked, most(visit)).await {
        Ok(finding) => finding,
        Err(error) => return Ok(again(visit, form, &problem(error)?)),
    };
    let body = html! {
        h2 { "Delete this person’s data?" }
        p { "Looked for: " (finding.person.looked_for().words().join(", ")) ". It cannot be undone. Delete the person in Bitrix24, Slack and Notion first: what is there comes here again." }
        ul { @for (kind, action, count) in finding.counts() { li { (count) " × " (kind) ": " (action) } } }
        form.inline method="post" action="/admin/person/forget" {
            (token(visit)) input type="hidden" name="who" value=(form.get("who")); input type="hidden" name="sure" value="yes";
            button.main { "Delete it" }
        }
        p { a href="/admin/person" { "Keep it" } }
        (stays(&finding))
    };
    Ok(Answer::Page(signed_in(visit, Page::People, "", &body)))
}
