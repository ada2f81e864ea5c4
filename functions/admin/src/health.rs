//! The page of checks. The checks themselves are `operations::doctor`; here each is shown with its fix.

use clients::Failure;
use locale::{Language, texts};
use maud::{Markup, html};
use operations::doctor::{Check, CheckVerdict, Doctor};
use web::components::{Column, Tone, message, table};

use crate::page::{Page, signed_in, token};
use crate::{PageAnswer, Visit};

fn begin(visit: &Visit<'_>) -> Markup {
    html! {
        p { (visit.language.text(texts::admin::CHECKS_EXPLAINED)) }
        form method="post" action="/admin/doctor" {
            (token(visit)) button.main { (visit.language.text(texts::admin::RUN_THE_CHECKS)) }
        }
    }
}

pub(crate) fn show(visit: &Visit<'_>) -> PageAnswer {
    PageAnswer::Page(signed_in(visit, Page::Checks, "", &begin(visit)))
}

pub(crate) async fn examine(visit: &Visit<'_>) -> Result<PageAnswer, Failure> {
    let connections = &visit.deps.context.connections;
    // Rare and large: the future of every page would carry it.
    let doctor = Box::new(Doctor::new(visit.backend(), connections, visit.public_url.as_deref()));
    let mut checks = Vec::new();
    doctor.examine_deployment(&mut |check| checks.push(check)).await;
    Box::pin(doctor.examine(&visit.id, &mut |check| checks.push(check))).await;
    let body = html! { (result(visit.language, checks)) (begin(visit)) };
    Ok(PageAnswer::Page(signed_in(visit, Page::Checks, "", &body)))
}

pub(crate) fn result(language: Language, mut checks: Vec<Check>) -> Markup {
    let wrong = checks.iter().filter(|check| check.verdict == CheckVerdict::Wrong).count() as u64;
    // Problems come first.
    checks.sort_by_key(|check| match check.verdict {
        CheckVerdict::Wrong => 0,
        CheckVerdict::Notice => 1,
        CheckVerdict::Fine => 2,
    });
    let columns = [
        Column::untitled(),
        Column::text(language.text(texts::admin::CHECK)),
        Column::text(language.text(texts::admin::CHECK_RESULT)),
        Column::text(language.text(texts::admin::CHECK_FIX)),
    ];
    let rows = checks.iter().map(|check| {
        [
            badge(language, check.verdict),
            html! { (check.what.text(language)) },
            html! { (check.seen.text(language)) },
            html! { (check.fix.text(language)) },
        ]
    });
    html! {
        @if wrong == 0 { (message(Tone::Done, language.text(texts::admin::NO_PROBLEMS_FOUND))) }
        @else { (message(Tone::Problem, language.text(texts::admin::ProblemsFound { count: wrong }))) }
        (table(Page::Checks.title(language), columns, rows))
    }
}

fn badge(language: Language, verdict: CheckVerdict) -> Markup {
    let (class, word) = match verdict {
        CheckVerdict::Fine => ("delivered", texts::admin::VERDICT_FINE),
        CheckVerdict::Notice => ("waiting", texts::admin::VERDICT_NOTICE),
        CheckVerdict::Wrong => ("dead", texts::admin::VERDICT_PROBLEM),
    };
    html! { span class={ "badge " (class) } { (language.text(word)) } }
}
