//! The page of checks. The checks themselves are `operations::doctor`; here each is shown with its fix.

use clients::Failure;
use maud::{Markup, html};
use operations::doctor::{Check, Doctor, Verdict};

use crate::page::{Page, count, heads, signed_in, token};
use crate::{Answer, Visit};

fn begin(visit: &Visit<'_>) -> Markup {
    html! {
        p { "Asks Bitrix24, Slack and Notion about everything that the settings need, and changes nothing. It takes some seconds." }
        form method="post" action="/admin/doctor" { (token(visit)) button.main { "Run the checks" } }
    }
}

pub(crate) fn show(visit: &Visit<'_>) -> Answer {
    Answer::Page(signed_in(visit, Page::Checks, "", &begin(visit)))
}

pub(crate) async fn examine(visit: &Visit<'_>) -> Result<Answer, Failure> {
    let doctor = Doctor {
        ports: visit.ports(),
        connections: &visit.deps.talk.connections,
        mirror: &visit.deps.mirror,
        public_url: visit.public_url.as_deref(),
    };
    let mut checks = Vec::new();
    doctor.examine_deployment(&mut |check| checks.push(check)).await;
    doctor.examine(&visit.id, &mut |check| checks.push(check)).await;
    let wrong = checks.iter().filter(|check| check.verdict == Verdict::Wrong).count();
    // What is wrong first.
    checks.sort_by_key(|check| match check.verdict {
        Verdict::Wrong => 0,
        Verdict::Notice => 1,
        Verdict::Fine => 2,
    });
    let body = html! {
        @if wrong == 0 { p.done role="status" { "Nothing is wrong." } }
        @else { p.problem role="alert" { (count(wrong, "thing")) " to mend." } }
        table {
            (heads(&["", "What", "Seen", "To do"]))
            tbody { @for check in &checks { (row(check)) } }
        }
        (begin(visit))
    };
    Ok(Answer::Page(signed_in(visit, Page::Checks, "", &body)))
}

fn row(check: &Check) -> Markup {
    let (word, class) = match check.verdict {
        Verdict::Fine => ("fine", "delivered"),
        Verdict::Notice => ("notice", "waiting"),
        Verdict::Wrong => ("wrong", "dead"),
    };
    html! {
        tr {
            td { span class={ "badge " (class) } { (word) } }
            td data-label="What" { (check.what) }
            td data-label="Seen" { (check.seen) }
            td data-label="To do" { (check.fix) }
        }
    }
}
