//! How a page saves settings: the whole document is checked, refused if something is wrong, written only if nobody
//! changed it since the page was shown, and noted in the audit.

use std::sync::atomic::{AtomicBool, Ordering};

use clients::Failure;
use maud::{Markup, html};
use runtime::DeliveryId;
use settings::problems::Problem;
use settings::{Settings, document};
use tenants::portals::Portal;

use crate::Visit;

/// What names the settings that a page was made of.
pub(crate) fn mark(settings: &Settings) -> String {
    DeliveryId::of(&[&serde_json::to_string(settings).unwrap_or_default()]).to_string()
}

/// A form says of which settings it was made.
pub(crate) fn marked(visit: &Visit<'_>) -> Markup {
    html! { input type="hidden" name="seen" value=(mark(&visit.settings)); }
}

/// What came of a change.
pub(crate) enum Saved {
    /// It is in force.
    Done,
    /// Something is wrong with it.
    Wrong(Vec<Problem>),
    /// Somebody else changed the settings since the page was made.
    Stale,
    /// It says what is there already.
    Same,
}

/// What to say to who made a change from a page that somebody else had overtaken.
pub(crate) const STALE: &str =
    "Somebody else has changed the settings since this page was made. Nothing was saved; look at them as they are now.";

/// Puts settings into force, if they hold up and are made of what is in force now.
pub(crate) async fn save(
    visit: &Visit<'_>,
    seen: &str,
    what: &str,
    of: &str,
    after: Settings,
) -> Result<Saved, Failure> {
    let problems = after.problems();
    if !problems.is_empty() {
        return Ok(Saved::Wrong(problems));
    }
    // The page's settings may be a minute old: the newest count.
    let portals = visit.deps.talk.connections.portals();
    let now = portals.fresh(&visit.id).await?;
    let readable = now.and_then(|portal| portal.settings_as::<Settings>().ok());
    let is_readable = readable.is_some();
    let before = readable.unwrap_or_default();
    if mark(&before) != seen {
        return Ok(Saved::Stale);
    }
    // What cannot be read is replaced, also by what was shown in its place.
    if is_readable && *before == after {
        return Ok(Saved::Same);
    }
    let value =
        serde_json::to_value(&after).map_err(|error| Failure::permanent("unwritable_settings", error.to_string()))?;
    let is_stale = AtomicBool::new(false);
    let replace = |portal: Portal| {
        let current = portal.settings_as::<Settings>().unwrap_or_default();
        is_stale.store(mark(&current) != seen, Ordering::Relaxed);
        if is_stale.load(Ordering::Relaxed) { portal } else { Portal { settings: value.clone().into(), ..portal } }
    };
    portals.change(&visit.id, replace).await?;
    if is_stale.load(Ordering::Relaxed) {
        return Ok(Saved::Stale);
    }
    let (was, is) = differing(&document::diff(&before, &after));
    visit.note(what, of, &was, &is).await?;
    Ok(Saved::Done)
}

/// The differences as what was and what is.
fn differing(differences: &[String]) -> (String, String) {
    let side = |sign: char| {
        let lines = differences.iter().filter(|line| line.starts_with(sign)).map(String::as_str);
        lines.collect::<Vec<_>>().join("\n")
    };
    // An order has no lines of its own.
    if differences.is_empty() { (String::new(), "the order changed".into()) } else { (side('-'), side('+')) }
}

/// What is wrong, for people.
pub(crate) fn problems(problems: &[Problem]) -> Markup {
    html! {
        div.problem role="alert" {
            p { strong { "Not saved." } " This has to be mended first:" }
            ul { @for problem in problems { li { (problem.to_string()) } } }
        }
    }
}
