//! Disconnecting a portal: its administrator asks for it, and follows how everything about it is deleted.

use http::StatusCode;
use locale::{Language, texts};
use maud::{Markup, html};
use runtime::TenantId;
use tenants::departure;
use tenants::departure::Departure;
use tenants::one_time_secrets;
use web::components;
use web::components::{Tone, moment};
use web::language::rich;
use web::sessions::Session;

use crate::{InstallAnswer, InstallVisit, LEFT, Refusal, page, settle};

/// Cuts the tenant off and deletes all its data, if its administrator has typed its name.
pub(crate) async fn leave(visit: &InstallVisit<'_>, session: &Session) -> InstallAnswer {
    let deps = visit.deps;
    let portal = deps.connections.portal(&session.tenant).await?;
    if visit.form.get("domain") != portal.domain {
        return Err(Refusal::bad_request(texts::install::NothingDeleted { portal: portal.domain.clone() }));
    }
    settle::unsettle(deps, &session.tenant).await;
    let receipt = one_time_secrets::secret();
    let departure = departure::begin(&deps.backend, &session.tenant, Some(&receipt)).await?;
    let follow = format!("{}?portal={}&receipt={receipt}", LEFT, web::page::encoded(session.tenant.as_str()));
    Ok(page::ok(departed(visit.language, &portal.domain, &departure, &follow)))
}

/// The progress of the deletion, for the person who asked for it.
pub(crate) async fn left(visit: &InstallVisit<'_>) -> InstallAnswer {
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, texts::install::NO_SUCH_DELETION);
    let tenant = TenantId::new(visit.query.get("portal")).map_err(|_| unknown())?;
    let found = departure::by_receipt(&visit.deps.backend, &tenant, visit.query.get("receipt")).await?;
    Ok(page::ok(progress(visit.language, &found.ok_or_else(unknown)?)))
}

/// The tenant is cut off, and everything about it will be deleted.
fn departed(language: Language, domain: &str, departure: &Departure, follow: &str) -> String {
    let progress = html! { a href=(follow) { (language.text(texts::install::SEE_PROGRESS)) } };
    let departed = language.text(texts::install::Departed { portal: domain });
    let body = html! {
        (components::message(Tone::Done, departed))
        (deleted_so_far(language, departure))
        p { (rich(language, &texts::install::FollowDeletion { progress })) }
        (to_finish(language))
    };
    page::titled(language, texts::install::DISCONNECTED, &body)
}

fn progress(language: Language, departure: &Departure) -> String {
    let body = html! { (deleted_so_far(language, departure)) (to_finish(language)) };
    page::titled(language, texts::install::DELETION, &body)
}

fn deleted_so_far(language: Language, departure: &Departure) -> Markup {
    let (began, items) = (moment(departure.began_at), departure.total());
    let state = match departure.done_at {
        Some(done) => {
            let (tenant, done) = (html! { code { (departure.tenant) } }, moment(done));
            rich(language, &texts::install::Deleted { tenant, items, began, done })
        }
        None => rich(language, &texts::install::Deleting { items, began }),
    };
    html! {
        p { (state) }
        @if !departure.deleted.is_empty() {
            ul { @for (table, count) in &departure.deleted { li { code { (table) } ": " (count) } } }
        }
    }
}

fn to_finish(language: Language) -> Markup {
    html! {
        p { (language.text(texts::install::DELETION_REST)) }
        p { (language.text(texts::install::DELETION_PROVIDERS)) }
    }
}
