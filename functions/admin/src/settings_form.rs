//! How a page saves settings: the whole document is checked, refused if something is wrong, written only if nobody
//! changed it since the page was shown, and noted in the audit log. And what forms that edit settings share.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

use clients::Failure;
use locale::texts;
use maud::{Markup, html};
use runtime::DeliveryId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use settings::problems::Problem;
use settings::{Settings, document};
use tenants::portals::Portal;
use web::components::{Tone, message};

use crate::{PageAnswer, Visit};

/// A mark that identifies the settings from which a page was made.
pub(crate) fn mark(settings: &Settings) -> String {
    DeliveryId::of(&[&serde_json::to_string(settings).unwrap_or_default()]).to_string()
}

/// The mark in a form.
pub(crate) fn marked(visit: &Visit<'_>) -> Markup {
    html! { input type="hidden" name="seen" value=(mark(&visit.settings)); }
}

/// The outcome of a change.
pub(crate) enum Saved {
    /// It is in force.
    Done,
    /// Something is wrong with it.
    Wrong(Vec<Problem>),
    /// Someone else changed the settings since the page was made.
    Stale,
    /// It changes nothing.
    Same,
}

/// Puts settings into force, if they are valid and nobody has changed the ones from which they were made.
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
    // The page's settings may be a minute old: the latest version counts.
    let portals = visit.deps.context.connections.portals();
    let now = portals.fresh(&visit.id).await?;
    let readable = now.as_ref().and_then(|portal| portal.settings_as::<Settings>().ok());
    let is_readable = readable.is_some();
    let before = readable.unwrap_or_default();
    if mark(&before) != seen {
        return Ok(Saved::Stale);
    }
    // Settings that cannot be read can be replaced, also by what was shown instead of them.
    if is_readable && *before == after {
        return Ok(Saved::Same);
    }
    let stored = now.as_ref().map(|portal| Value::clone(&portal.settings)).unwrap_or_default();
    let value = document::replacing(&stored, &after)
        .map_err(|error| Failure::permanent("unwritable_settings", error.to_string()))?;
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

/// The differences, each with its old and its new value.
fn differing(differences: &[String]) -> (String, String) {
    let side = |sign: char| {
        let lines = differences.iter().filter(|line| line.starts_with(sign)).map(String::as_str);
        lines.collect::<Vec<_>>().join("\n")
    };
    // A changed order shows in no line of its own.
    if differences.is_empty() { (String::new(), "the order changed".into()) } else { (side('-'), side('+')) }
}

/// The redirect to a list, after a change to one of its entries.
pub(crate) fn back_to(visit: &Visit<'_>, place: &str, saved: Saved, done: String) -> PageAnswer {
    match saved {
        Saved::Done => PageAnswer::to(place, done),
        Saved::Same => PageAnswer::to(place, visit.language.text(texts::configuration::NOTHING_CHANGED)),
        Saved::Stale => PageAnswer::to(place, visit.language.text(texts::configuration::SETTINGS_ARE_NEWER)),
        Saved::Wrong(wrong) => PageAnswer::to(place, wrong.first().map(ToString::to_string).unwrap_or_default()),
    }
}

/// Why nothing was saved: someone else changed the settings since the page was made.
pub(crate) fn stale(visit: &Visit<'_>) -> Markup {
    message(Tone::Problem, visit.language.text(texts::configuration::SETTINGS_ARE_NEWER))
}

/// Why nothing was saved: everything that is wrong with the settings.
pub(crate) fn problems<T: Display>(visit: &Visit<'_>, problems: &[T]) -> Markup {
    let language = visit.language;
    html! {
        div.problem role="alert" {
            p {
                strong { (language.text(texts::configuration::NOT_SAVED)) } " "
                (language.text(texts::configuration::FIX_FIRST))
            }
            ul { @for problem in problems { li { (problem.to_string()) } } }
        }
    }
}

/// A choice: values as the document writes them, each with its words.
pub(crate) fn choice(name: &str, label: &str, chosen: &str, options: &[(&str, &str)]) -> Markup {
    html! {
        label for=(name) { (label) }
        select id=(name) name=(name) { (choices(chosen, options)) }
    }
}

/// The values that can be chosen.
pub(crate) fn choices(chosen: &str, options: &[(&str, &str)]) -> Markup {
    html! { @for (value, words) in options { option value=(value) selected[*value == chosen] { (words) } } }
}

/// The word that stands for a value in the document.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The value that this word stands for in the document.
pub(crate) fn named<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::from(word)).ok()
}

/// A text of a form, unless it is empty.
pub(crate) fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
