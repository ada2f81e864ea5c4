//! The settings as one document: checked, compared, tried on recent events, saved; and downloaded as a file.

use clients::Failure;
use locale::texts;
use maud::{Markup, html};
use settings::{Settings, document};
use web::components::{Tone, message};
use web::language::rich;
use web::page::Form;

use crate::page::{Page, signed_in, token};
use crate::routes::{outcome, tried};
use crate::settings_form::{Saved, back_to, marked, problems, save, stale};
use crate::{PageAnswer, Visit};

pub(crate) fn show(visit: &Visit<'_>, done: &str) -> PageAnswer {
    let broken = visit.portal.settings_as::<Settings>().err();
    let said = html! {
        @if let Some(error) = broken {
            @let unreadable = visit.language.text(texts::configuration::SettingsUnreadable { reason: error.0 });
            (message(Tone::Problem, unreadable))
        }
    };
    PageAnswer::Page(page(visit, done, &document::write(&visit.settings), &said, &html! {}))
}

fn page(visit: &Visit<'_>, done: &str, text: &str, said: &Markup, below: &Markup) -> String {
    let language = visit.language;
    let link = |address: &str, name: &str| html! { a href=(address) { (name) } };
    let help = texts::configuration::DocumentHelp {
        command: html! { code { "switchboard settings apply" } },
        routes: link("/admin/routes", Page::Routes.title(language)),
        databases: link("/admin/notion", language.text(texts::configuration::DATABASES)),
        people: link("/admin/people", Page::People.title(language)),
        bridges: link("/admin/bridges", Page::Conversations.title(language)),
    };
    let body = html! {
        p { (rich(language, &help)) }
        p { a.button href="/admin/settings/settings.yaml" { (language.text(texts::configuration::DOWNLOAD)) } }
        (said)
        form method="post" action="/admin/settings" {
            (token(visit)) (marked(visit))
            label for="text" { (language.text(texts::configuration::DOCUMENT)) }
            textarea.document id="text" name="text" rows="28" spellcheck="false" autocomplete="off" { (text) }
            p.buttons {
                button.main name="act" value="save" { (language.text(texts::configuration::SAVE)) } " "
                button name="act" value="check" { (language.text(texts::configuration::CHECK_AND_COMPARE)) } " "
                button name="act" value="try" { (language.text(texts::configuration::TRY_ON_LAST_CHANGES)) }
            }
        }
        (below)
    };
    signed_in(visit, Page::Settings, done, &body)
}

pub(crate) fn download(visit: &Visit<'_>) -> PageAnswer {
    PageAnswer::File("switchboard-settings.yaml", document::write(&visit.settings))
}

pub(crate) async fn work(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let language = visit.language;
    let text = form.get("text");
    let shown = |said: &Markup, below: &Markup| PageAnswer::Page(page(visit, "", text, said, below));
    let after = match document::read(text) {
        Ok(after) => after,
        Err(findings) => return Ok(shown(&problems(visit, &findings), &html! {})),
    };
    let differences = document::diff(&visit.settings, &after);
    let compared = html! {
        h2 { (language.text(texts::configuration::WHAT_WOULD_CHANGE)) }
        @if differences.is_empty() { p.hint { (language.text(texts::configuration::ONLY_THE_ORDER)) } }
        @else { pre tabindex="0" { (differences.join("\n")) } }
    };
    match form.get("act") {
        "check" => {
            let fine = message(Tone::Done, language.text(texts::configuration::DOCUMENT_IS_FINE));
            Ok(shown(&fine, &compared))
        }
        "try" => {
            let tried = tried(visit, &after).await?;
            Ok(shown(&html! {}, &html! { (compared) (outcome(visit, &tried, None)) }))
        }
        _ => Ok(match save(visit, form.get("seen"), "settings changed", "", after).await? {
            Saved::Stale => shown(&stale(visit), &compared),
            Saved::Wrong(wrong) => shown(&problems(visit, &wrong), &html! {}),
            saved => {
                let done = language.text(texts::configuration::DOCUMENT_IS_SAVED);
                back_to(visit, "/settings", saved, done.to_owned())
            }
        }),
    }
}
