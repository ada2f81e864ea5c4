//! What is shown within the portal's own page, where the application is opened.

use bytes::Bytes;
use http::{Response, StatusCode};
use locale::{Fixed, Language, texts};
use maud::{DOCTYPE, Markup, html};
use web::components;
use web::components::Tone;
use web::page::STYLE;

use crate::PATH;

/// The page as an answer: only the portal at this domain can show it. The one script that is not ours is the vendor's,
/// which finishes the installation.
pub(crate) fn answer(page: String, domain: &str) -> Response<Bytes> {
    let origin = bitrix24::crm::origin(domain);
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self' https://api.bitrix24.com; frame-ancestors {origin}; base-uri 'none'; form-action 'none'"
    );
    web::page::page_with(StatusCode::OK, page, &policy)
}

/// The page of an opened application.
pub(crate) fn opened(language: Language, domain: &str, url: &str, has_slack: bool) -> String {
    let next = language.text(texts::install::NEXT);
    let body = html! {
        p { (language.text(texts::install::PortalConnected { portal: domain })) }
        @if !has_slack { p { strong { (next) } " " (language.text(texts::install::NEXT_SLACK_ELSEWHERE)) } }
        p { a href={ (url) (PATH) } target="_blank" rel="noopener" { (language.text(texts::install::OPEN_SWITCHBOARD)) } }
    };
    within(language, &body)
}

/// The page for an application that does not belong to the portal's connection.
pub(crate) fn not_admitted(language: Language, domain: &str, why: Fixed) -> String {
    within(language, &components::message(Tone::Problem, html! { (domain) ": " (language.text(why)) }))
}

/// The page for a person who cannot connect the application.
pub(crate) fn opened_by_other(language: Language, domain: &str) -> String {
    let first = language.text(texts::install::AdministratorOpensFirst { portal: domain });
    within(language, &html! { p { (first) } })
}

fn within(language: Language, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang=(language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Switchboard" }
                link rel="stylesheet" href=(STYLE);
                script src="https://api.bitrix24.com/api/v1/" {}
                script src="/install/finish.js" {}
            }
            body { main { h1 { "Switchboard" } (body) } }
        }
    }
    .into_string()
}

/// Finishes the installation at the portal: until then it sends no events.
pub(crate) const FINISH: &str = "BX24.init(function () { BX24.install(function () { BX24.installFinish(); }); });\n";
