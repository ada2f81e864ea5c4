//! Routes, each on its own form, with a preview of its card and a dry run on recent events. They are part of the same
//! document as the page Settings.

use clients::Failure;
use locale::{Fixed, Language, texts};
use maud::{Markup, html};
use notifications::router::Router;
use operations::dry_run;
use operations::dry_run::DryRunResult;
use records::CardContext;
use runtime::ledger::Ledger;
use settings::{Route, Settings};
use web::components::{Column, empty, moment, table};
use web::language::rich;
use web::page::{Form, encoded};

use crate::page::{Page, missing, signed_in, token, under};
use crate::route_draft::{Draft, destinations};
use crate::settings_form::{Saved, back_to, marked, problems, save as save_settings, stale};
use crate::{PageAnswer, Visit, card, route_form};

pub(crate) fn show(visit: &Visit<'_>, done: &str) -> PageAnswer {
    let (language, routes) = (visit.language, &visit.settings.routes);
    let settings = html! { a href="/admin/settings" { (Page::Settings.title(language)) } };
    let body = html! {
        p { (language.text(texts::configuration::ROUTES_HELP)) }
        p { a.button.main href="/admin/routes/edit" { (language.text(texts::configuration::NEW_ROUTE)) } }
        @if routes.is_empty() { (empty(language.text(texts::configuration::NO_ROUTES))) }
        @else { (list(visit, routes)) }
        p.hint { (rich(language, &texts::configuration::OneDocument { settings })) }
    };
    PageAnswer::Page(signed_in(visit, Page::Routes, done, &body))
}

fn list(visit: &Visit<'_>, routes: &[Route]) -> Markup {
    let language = visit.language;
    let columns = [
        Column::text(language.text(texts::configuration::ROUTE)),
        Column::text(language.text(texts::configuration::CHANGES)),
        Column::text(language.text(texts::configuration::TO)),
        Column::text(language.text(texts::configuration::ONLY_IF)),
        Column::untitled(),
    ];
    let rows = routes.iter().enumerate().map(|(index, route)| {
        [
            html! { a href={ "/admin/routes/edit?route=" (encoded(&route.name)) } { (route.name) } },
            html! { @for change in route.change.iter() { code { (change.name()) } " " } },
            html! { (destinations(route)) },
            html! { @if let Some(when) = &route.when { code { (when) } } },
            buttons(visit, &route.name, index > 0, index + 1 < routes.len()),
        ]
    });
    table(Page::Routes.title(language), columns, rows)
}

fn buttons(visit: &Visit<'_>, route: &str, can_go_up: bool, can_go_down: bool) -> Markup {
    let language = visit.language;
    let button = |path: &str, words: Fixed, label: &str, up: &str| {
        html! {
            form.inline method="post" action=(path) {
                (token(visit)) (marked(visit))
                input type="hidden" name="route" value=(route); input type="hidden" name="up" value=(up);
                button aria-label=(label) { (language.text(words)) }
            }
        }
    };
    let (up, down) = (texts::configuration::MoveUp { route }, texts::configuration::MoveDown { route });
    let delete = texts::configuration::DeleteRoute { route };
    html! {
        @if can_go_up { (button("/admin/routes/move", texts::configuration::UP, &language.text(up), "yes")) }
        @if can_go_down { (button("/admin/routes/move", texts::configuration::DOWN, &language.text(down), "")) }
        (button("/admin/routes/delete", texts::configuration::DELETE, &language.text(delete), ""))
    }
}

pub(crate) async fn edit(visit: &Visit<'_>, query: &Form) -> Result<PageAnswer, Failure> {
    let name = query.get("route");
    let draft = if name.is_empty() {
        Draft { changes: vec!["deal.stage_changed".into()], ..Draft::default() }
    } else {
        match visit.settings.routes.iter().find(|route| route.name == name) {
            Some(route) => Draft::of_route(route),
            None => return Ok(missing(visit, visit.language.text(texts::configuration::ROUTE_IS_GONE))),
        }
    };
    page(visit, &draft, &html! {}, &html! {}).await
}

async fn page(visit: &Visit<'_>, draft: &Draft, said: &Markup, below: &Markup) -> Result<PageAnswer, Failure> {
    let language = visit.language;
    let title = if draft.replaces.is_empty() {
        language.text(texts::configuration::NEW_ROUTE).to_owned()
    } else {
        language.text(texts::configuration::TheRoute { route: &draft.replaces })
    };
    let try_on = language.text(texts::configuration::TryOnChanges { count: dry_run::MAX_EVENTS as u64 });
    let body = html! {
        (said)
        div.columns {
            form id="route" method="post" action="/admin/routes/save"
                hx-post="/admin/routes/preview" hx-trigger="input delay:400ms, change delay:100ms" hx-target="#preview" hx-swap="innerHTML" {
                (token(visit)) (marked(visit))
                (route_form::fields(visit, draft))
                p.buttons {
                    button.main { (language.text(texts::configuration::SAVE)) } " "
                    button formaction="/admin/routes/try" { (try_on) } " "
                    a href="/admin/routes" { (language.text(texts::pages::CANCEL)) }
                }
            }
            section aria-label=(language.text(texts::configuration::PREVIEW)) {
                h2 { (language.text(texts::configuration::WHAT_PEOPLE_WILL_SEE)) }
                div id="preview" aria-live="polite" { (preview_of(visit, draft).await?) }
            }
        }
        (below)
    };
    Ok(PageAnswer::Page(under(visit, Page::Routes, &title, "", &body)))
}

/// The card of a draft, or what is wrong with the draft.
async fn preview_of(visit: &Visit<'_>, draft: &Draft) -> Result<Markup, Failure> {
    let language = visit.language;
    let after = match draft.applied(&visit.settings, visit.language) {
        Ok(after) => after,
        Err(wrong) => return Ok(html! { ul.problem { @for problem in wrong { li { (problem) } } } }),
    };
    let (before, wrong) = (visit.settings.problems(), after.problems());
    let wrong: Vec<_> = wrong.into_iter().filter(|problem| !before.contains(problem)).collect();
    let router = Router::new(after);
    let route = router.settings().routes.iter().find(|route| route.name == draft.name);
    let Some(route) = route else { return Ok(html! {}) };
    let ledger = Ledger::new(visit.backend().store.clone());
    let now = visit.backend().clock.now();
    let (change, happened) = dry_run::sample(&ledger, &visit.id, &router, route, now).await?;
    // The portal is asked for names; if it does not answer, the card shows numbers, as it would then.
    let names = visit.deps.names.of(&visit.id, &change).await;
    let context =
        CardContext { change: &change, names: &names, domain: &visit.portal.domain, language: visit.settings.language };
    let (taken, left) = router.destinations(route, &context);
    let (asked, not_taken) = router.asked(&change);
    let record = CardContext { language, ..context }.about();
    let is_taken = asked.iter().any(|asked| asked.name == route.name);
    Ok(html! {
        @if !wrong.is_empty() { ul.problem { @for problem in &wrong { li { (problem.to_string()) } } } }
        p.hint {
            @if happened { (language.text(texts::configuration::ChangeThatHappened { record })) }
            @else { (language.text(texts::configuration::EXAMPLE_CHANGE)) }
        }
        (card::show(&taken.card(&context)))
        @if is_taken {
            @for destination in &taken.destinations {
                @let destination = html! { strong { (destination.name()) } };
                p { (rich(language, &texts::configuration::GoesTo { destination })) }
            }
            @for left in &left { p.hint { (left.reason) } }
        } @else {
            @for left in not_taken.iter().filter(|left| left.route == route.name) {
                @let words = language.text(texts::configuration::WouldNotBePosted { reason: &left.reason });
                p.hint[!left.failed].problem[left.failed] { (words) }
            }
        }
    })
}

pub(crate) async fn preview(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    Ok(PageAnswer::Part(preview_of(visit, &Draft::of_form(form)).await?.into_string()))
}

pub(crate) async fn try_out(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let draft = Draft::of_form(form);
    let after = match draft.applied(&visit.settings, visit.language) {
        Ok(after) => after,
        Err(wrong) => return page(visit, &draft, &problems(visit, &wrong), &html! {}).await,
    };
    // Only this route is evaluated: it may use all steps of the dry run.
    let alone =
        Settings { routes: after.routes.iter().filter(|route| route.name == draft.name).cloned().collect(), ..after };
    let tried = tried(visit, &alone).await?;
    page(visit, &draft, &html! {}, &outcome(visit, &tried, Some(&draft.name))).await
}

/// What settings would have sent for recent events.
pub(crate) async fn tried(visit: &Visit<'_>, settings: &Settings) -> Result<Vec<DryRunResult>, Failure> {
    let ledger = Ledger::new(visit.backend().store.clone());
    dry_run::dry_run(&ledger, &visit.deps.names, &visit.portal, settings, visit.backend().clock.now()).await
}

/// The outcome of a dry run, for one route or for all.
pub(crate) fn outcome(visit: &Visit<'_>, tried: &[DryRunResult], route: Option<&str>) -> Markup {
    let language = visit.language;
    let is_meant = |name: &str| route.is_none_or(|route| route == name);
    let cards = |change: &DryRunResult| change.cards.iter().filter(|(name, ..)| is_meant(name)).count();
    let sent: usize = tried.iter().map(cards).sum();
    let title = language.text(texts::configuration::OnTheLastChanges { count: tried.len() as u64 });
    let columns = [
        Column::text(language.text(texts::configuration::WHEN_UTC)),
        Column::text(language.text(texts::configuration::WHAT)),
        Column::text(language.text(texts::configuration::WOULD_BE_POSTED)),
    ];
    let rows = tried.iter().map(|change| {
        [
            html! { a href={ "/admin/events/" (change.trace) } { (moment(change.at)) } },
            html! { (change.about) " " code { (change.change) } },
            html! {
                @for (name, destination, message) in change.cards.iter().filter(|(name, ..)| is_meant(name)) {
                    details {
                        summary {
                            @if route.is_some() { (destination) }
                            @else { (language.text(texts::configuration::ByRoute { destination, route: name })) }
                        }
                        (card::show(message))
                    }
                }
                @if cards(change) == 0 { (reasons(language, change, &is_meant)) }
            },
        ]
    });
    html! {
        h2 id="tried" { (title) }
        @if tried.is_empty() { (empty(language.text(texts::configuration::NO_CHANGES_STORED))) }
        @else {
            p { (language.text(texts::configuration::WouldHaveBeenPosted { count: sent as u64 })) }
            (table(&title, columns, rows))
        }
    }
}

/// Why no card would have been posted.
fn reasons(language: Language, change: &DryRunResult, is_meant: &dyn Fn(&str) -> bool) -> Markup {
    let reasons: Vec<_> = change.left.iter().filter(|(name, _)| is_meant(name)).collect();
    html! {
        @if reasons.is_empty() { span.hint { (language.text(texts::configuration::NO_ROUTE_FITS)) } }
        @for (name, reason) in reasons { div.hint { (name) ": " (reason) } }
    }
}

pub(crate) async fn save(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let draft = Draft::of_form(form);
    let after = match draft.applied(&visit.settings, visit.language) {
        Ok(after) => after,
        Err(wrong) => return page(visit, &draft, &problems(visit, &wrong), &html! {}).await,
    };
    let what = if draft.replaces.is_empty() { "route made" } else { "route changed" };
    match save_settings(visit, form.get("seen"), what, &draft.name, after).await? {
        Saved::Stale => page(visit, &draft, &stale(visit), &html! {}).await,
        Saved::Wrong(wrong) => page(visit, &draft, &problems(visit, &wrong), &html! {}).await,
        saved => {
            let done = visit.language.text(texts::configuration::RouteIsSaved { route: &draft.name });
            Ok(back_to(visit, "/routes", saved, done))
        }
    }
}

pub(crate) async fn shift(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let name = form.get("route");
    let mut after = Settings::clone(&visit.settings);
    if let Some(index) = after.routes.iter().position(|route| route.name == name) {
        let other = if form.get("up").is_empty() { index + 1 } else { index.saturating_sub(1) };
        if other < after.routes.len() {
            after.routes.swap(index, other);
        }
    }
    let saved = save_settings(visit, form.get("seen"), "route moved", name, after).await?;
    let done = visit.language.text(texts::configuration::RouteIsMoved { route: name });
    Ok(back_to(visit, "/routes", saved, done))
}

pub(crate) async fn delete(visit: &Visit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let name = form.get("route");
    let mut after = Settings::clone(&visit.settings);
    after.routes.retain(|route| route.name != name);
    let saved = save_settings(visit, form.get("seen"), "route deleted", name, after).await?;
    let done = visit.language.text(texts::configuration::RouteIsDeleted { route: name });
    Ok(back_to(visit, "/routes", saved, done))
}
