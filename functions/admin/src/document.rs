//! The settings as one document: checked, compared, tried on recent events, saved; and downloaded as a file.

use clients::Failure;
use maud::{Markup, html};
use settings::{Settings, document};
use web::page::Form;

use crate::page::{Page, signed_in, token};
use crate::routes::{outcome, tried};
use crate::settings_form::{STALE, Saved, mark, problems, save};
use crate::{Answer, Visit};

pub(crate) fn show(visit: &Visit<'_>, done: &str) -> Answer {
    let broken = visit.portal.settings_as::<Settings>().err();
    let said = html! {
        @if let Some(error) = broken {
            p.problem role="alert" { "The settings in force cannot be read (" (error.0) "); the usual ones are shown. Save what should be in force." }
        }
    };
    Answer::Page(page(visit, done, &document::write(&visit.settings), &said, &html! {}))
}

fn page(visit: &Visit<'_>, done: &str, text: &str, said: &Markup, below: &Markup) -> String {
    let body = html! {
        p {
            "Everything that can be set, in one document: the same that "
            code { "switchboard settings apply" } " takes. "
            a href="/admin/routes" { "Routes" } ", " a href="/admin/notion" { "databases" } ", " a href="/admin/people" { "people" } " and " a href="/admin/bridges" { "conversations" }
            " have pages of their own."
        }
        p { a.button href="/admin/settings/settings.yaml" { "Download it" } }
        (said)
        form method="post" action="/admin/settings" {
            (token(visit))
            input type="hidden" name="seen" value=(mark(&visit.settings));
            label for="text" { "Document (YAML)" }
            textarea.document id="text" name="text" rows="28" spellcheck="false" autocomplete="off" { (text) }
            p.buttons {
                button.main name="act" value="save" { "Save" } " "
                button name="act" value="check" { "Check and compare" } " "
                button name="act" value="try" { "Try on the last changes" }
            }
        }
        (below)
    };
    signed_in(visit, Page::Settings, done, &body)
}

pub(crate) fn download(visit: &Visit<'_>) -> Answer {
    Answer::File("switchboard-settings.yaml", document::write(&visit.settings))
}

pub(crate) async fn work(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let text = form.get("text");
    let after = match document::read(text) {
        Ok(after) => after,
        Err(findings) => {
            let said = html! {
                div.problem role="alert" { p { strong { "Not saved." } " This has to be mended first:" } ul { @for finding in &findings { li { (finding.to_string()) } } } }
            };
            return Ok(Answer::Page(page(visit, "", text, &said, &html! {})));
        }
    };
    let differences = document::diff(&visit.settings, &after);
    let compared = html! {
        h2 { "What would change" }
        @if differences.is_empty() { p.hint { "Nothing, but perhaps the order." } }
        @else { pre tabindex="0" { (differences.join("\n")) } }
    };
    match form.get("act") {
        "check" => {
            let said = html! { p.done role="status" { "Nothing is wrong with it. It is not saved yet." } };
            Ok(Answer::Page(page(visit, "", text, &said, &compared)))
        }
        "try" => {
            let told = tried(visit, &after).await?;
            let below = html! { (compared) (outcome(&told, None)) };
            Ok(Answer::Page(page(visit, "", text, &html! {}, &below)))
        }
        _ => Ok(match save(visit, form.get("seen"), "settings changed", "", after).await? {
            Saved::Done => Answer::to("/settings", "In force within a minute."),
            Saved::Same => Answer::to("/settings", "Nothing changed."),
            Saved::Stale => {
                let said = html! { p.problem role="alert" { (STALE) } };
                Answer::Page(page(visit, "", text, &said, &compared))
            }
            Saved::Wrong(wrong) => Answer::Page(page(visit, "", text, &problems(&wrong), &html! {})),
        }),
    }
}
