//! Routes, each on its own form, with a preview of its card and a dry run on recent events. They are part of the same
//! document as the page Settings.

use clients::Failure;
use locale::Language;
use maud::{Markup, html};
use notifications::router::Router;
use operations::replay::{self, Told};
use records::change::Noun;
use records::{CardContext, ChangeKind};
use runtime::ledger::Ledger;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use settings::schema::{CardDesign, CardField, Density, OneOrMany, Thread};
use settings::{Destination, Route, Settings};
use web::page::{Form, encoded};

use crate::page::{count, heads, missing, moment, signed_in, token, under};
use crate::settings_form::{STALE, Saved, marked, problems, save as save_settings};
use crate::{Answer, Visit, card};

pub(crate) fn show(visit: &Visit<'_>, done: &str) -> Answer {
    let routes = &visit.settings.routes;
    let body = html! {
        p { "A route says which change is told where. All routes that fit a change are taken, each for itself." }
        p { a.button.main href="/admin/routes/edit" { "New route" } }
        @if routes.is_empty() { p.hint { "There are none: nothing is told to anybody." } }
        @else {
            table {
                (heads(&["Route", "Tells", "To", "Only if", ""]))
                tbody { @for (place, route) in routes.iter().enumerate() { (row(visit, route, place, routes.len())) } }
            }
        }
        p.hint { "All of it is also one document: " a href="/admin/settings" { "Settings" } "." }
    };
    Answer::Page(signed_in(visit, "Routes", done, &body))
}

fn row(visit: &Visit<'_>, route: &Route, place: usize, of: usize) -> Markup {
    let changes: Vec<_> = route.change.iter().map(ChangeKind::name).collect();
    let button = |path: &str, word: &str, up: &str| {
        html! {
            form.inline method="post" action=(path) {
                (token(visit)) (marked(visit))
                input type="hidden" name="route" value=(route.name); input type="hidden" name="up" value=(up);
                button aria-label={ (word) " " (route.name) } { (word) }
            }
        }
    };
    html! {
        tr {
            td data-label="Route" { a href={ "/admin/routes/edit?route=" (encoded(&route.name)) } { (route.name) } }
            td data-label="Tells" { (changes.join(", ")) }
            td data-label="To" { (destinations(route)) }
            td data-label="Only if" { @if let Some(when) = &route.when { code { (when) } } }
            td {
                @if place > 0 { (button("/admin/routes/move", "Up", "yes")) }
                @if place + 1 < of { (button("/admin/routes/move", "Down", "")) }
                (button("/admin/routes/delete", "Delete", ""))
            }
        }
    }
}

fn destinations(route: &Route) -> String {
    route.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a form says of a route, as it was typed: it is shown again as it is, right or wrong.
#[derive(Debug, Clone, Default)]
struct Draft {
    /// The route that it takes the place of; empty for a new one.
    of: String,
    name: String,
    changes: Vec<String>,
    to: String,
    when: String,
    fallback: String,
    language: String,
    thread: String,
    at_once: bool,
    density: String,
    title: String,
    text: String,
    fields: String,
    button: String,
}

/// The word by which a document knows a value.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn named<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::from(word)).ok()
}

impl Draft {
    fn of_route(route: &Route) -> Self {
        let card = route.card.clone().unwrap_or_default();
        let field = |field: &CardField| match field {
            CardField::Word(word) => word.clone(),
            CardField::Own { label, value } => format!("{label}: {value}"),
        };
        Self {
            of: route.name.clone(),
            name: route.name.clone(),
            changes: route.change.iter().map(ChangeKind::name).collect(),
            to: destinations(route),
            when: route.when.clone().unwrap_or_default(),
            fallback: route.fallback.clone().unwrap_or_default(),
            language: route.language.as_ref().map(word).unwrap_or_default(),
            thread: word(&route.thread),
            at_once: route.at_once,
            density: card.density.as_ref().map(word).unwrap_or_default(),
            title: card.title.unwrap_or_default(),
            text: card.text.unwrap_or_default(),
            fields: card.fields.iter().flatten().map(field).collect::<Vec<_>>().join("\n"),
            button: card.button.map(|shown| if shown { "yes" } else { "no" }).unwrap_or_default().to_owned(),
        }
    }

    fn of_form(form: &Form) -> Self {
        let text = |name: &str| form.get(name).to_owned();
        Self {
            of: text("of"),
            name: text("name"),
            changes: form.all("change").filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            to: text("to"),
            when: text("when"),
            fallback: text("fallback"),
            language: text("language"),
            thread: text("thread"),
            at_once: !form.get("at_once").is_empty(),
            density: text("density"),
            title: text("title"),
            text: text("text"),
            fields: text("fields"),
            button: text("button"),
        }
    }

    /// The route, or everything that keeps it from being one.
    fn route(&self) -> Result<Route, Vec<String>> {
        let mut wrong = Vec::new();
        if self.name.is_empty() {
            wrong.push("The route needs a name.".to_owned());
        }
        let mut changes = Vec::new();
        for name in &self.changes {
            match ChangeKind::parse(name) {
                Some(kind) => changes.push(kind),
                None => wrong.push(format!("There is no change {name:?}.")),
            }
        }
        if changes.is_empty() {
            wrong.push("Tick at least one change that is told.".to_owned());
        }
        let mut to = Vec::new();
        for text in self.to.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match Destination::parse(text) {
                Ok(destination) => to.push(destination),
                Err(problem) => wrong.push(format!("{text:?}: {problem}.")),
            }
        }
        if to.is_empty() {
            wrong.push("Say where to: #channel, @responsible, or several with commas between.".to_owned());
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let design = CardDesign {
            title: some(&self.title),
            text: some(&self.text),
            fields: some(&self.fields).map(|fields| fields.lines().filter_map(card_field).collect()),
            density: named::<Density>(&self.density),
            button: match self.button.as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            },
        };
        Ok(Route {
            name: self.name.clone(),
            change: one_or_many(changes),
            when: some(&self.when),
            to: one_or_many(to),
            fallback: some(&self.fallback),
            card: Some(design).filter(|design| *design != CardDesign::default()),
            language: named::<Language>(&self.language),
            thread: named::<Thread>(&self.thread).unwrap_or_default(),
            at_once: self.at_once,
        })
    }

    /// The settings with this route in its place.
    fn applied(&self, settings: &Settings) -> Result<Settings, Vec<String>> {
        let route = self.route()?;
        let mut after = settings.clone();
        match after.routes.iter().position(|own| !self.of.is_empty() && own.name == self.of) {
            Some(place) => after.routes[place] = route,
            None => after.routes.push(route),
        }
        Ok(after)
    }
}

fn one_or_many<T>(mut all: Vec<T>) -> OneOrMany<T> {
    if all.len() == 1 { OneOrMany::One(all.remove(0)) } else { OneOrMany::Many(all) }
}

/// A line of the form: a word, or a label with a template.
fn card_field(line: &str) -> Option<CardField> {
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    Some(match line.split_once(':') {
        Some((label, value)) => CardField::Own { label: label.trim().to_owned(), value: value.trim().to_owned() },
        None => CardField::Word(line.to_owned()),
    })
}

pub(crate) async fn edit(visit: &Visit<'_>, query: &Form) -> Result<Answer, Failure> {
    let name = query.get("route");
    let draft = if name.is_empty() {
        Draft { changes: vec!["deal.stage_changed".into()], ..Draft::default() }
    } else {
        match visit.settings.routes.iter().find(|route| route.name == name) {
            Some(route) => Draft::of_route(route),
            None => return Ok(missing(visit, "There is no such route any more.")),
        }
    };
    page(visit, &draft, &html! {}, &html! {}).await
}

async fn page(visit: &Visit<'_>, draft: &Draft, said: &Markup, below: &Markup) -> Result<Answer, Failure> {
    let title = if draft.of.is_empty() { "New route".to_owned() } else { format!("Route: {}", draft.of) };
    let body = html! {
        (said)
        div.columns {
            form id="route" method="post" action="/admin/routes/save"
                hx-post="/admin/routes/preview" hx-trigger="input delay:400ms, change delay:100ms" hx-target="#preview" hx-swap="innerHTML" {
                (token(visit)) (marked(visit))
                (fields(visit, draft))
                p.buttons {
                    button.main { "Save" } " "
                    button formaction="/admin/routes/try" { "Try on the last " (replay::MAX_EVENTS) " changes" } " "
                    a href="/admin/routes" { "Leave it as it is" }
                }
            }
            section aria-label="Preview" {
                h2 { "What people will see" }
                div id="preview" aria-live="polite" { (look(visit, draft).await?) }
            }
        }
        (below)
    };
    Ok(Answer::Page(under(visit, "Routes", &title, "", &body)))
}

fn fields(visit: &Visit<'_>, draft: &Draft) -> Markup {
    let choice = |name: &str, label: &str, chosen: &str, options: &[(&str, &str)]| {
        html! {
            label for=(name) { (label) }
            select id=(name) name=(name) { @for (value, words) in options { option value=(value) selected[*value == chosen] { (words) } } }
        }
    };
    let languages = Language::ALL.map(|language| (language.code(), language.name()));
    let languages: Vec<_> = [("", "the portal's")].into_iter().chain(languages).collect();
    let nouns = Noun::ALL.into_iter().filter(|noun| *noun != Noun::Custom);
    html! {
        input type="hidden" name="of" value=(draft.of);
        label for="name" { "Name" } input id="name" name="name" value=(draft.name) required maxlength="80";
        fieldset {
            legend { "Told" }
            @for noun in nouns {
                @let own: Vec<_> = ChangeKind::ALL.iter().filter(|(kind, ..)| kind.noun() == noun).collect();
                @let is_used = own.iter().any(|(_, name, _)| draft.changes.iter().any(|chosen| chosen == name));
                details open[is_used] {
                    summary { (noun.name()) }
                    @for (_, name, meaning) in own {
                        label.tick { input type="checkbox" name="change" value=(name) checked[draft.changes.iter().any(|chosen| chosen == name)]; " " code { (name) } " " span.hint { (meaning) } }
                    }
                }
            }
            @for custom in draft.changes.iter().filter(|name| name.starts_with("custom.")) {
                label.tick { input type="checkbox" name="change" value=(custom) checked; " " code { (custom) } }
            }
        }
        label for="to" { "To" } input id="to" name="to" value=(draft.to) required placeholder="#sales-pipeline, @responsible" aria-describedby="to-hint";
        p.hint id="to-hint" { "Channels as " code { "#sales" } ", people as " code { "@responsible" } ", " code { "@creator" } ", a channel of the record as " code { "#project-{project}" } "." }
        label for="when" { "Only if (CEL)" } input id="when" name="when" value=(draft.when) placeholder="record.opportunity > 100000";
        label for="fallback" { "Channel for what cannot go there" } input id="fallback" name="fallback" value=(draft.fallback) placeholder="#general";
        (choice("thread", "Beside earlier cards of the same record", &draft.thread, &[
            ("none", "a card of its own"), ("reply", "a reply under the first card"),
            ("live", "the first card is updated, with a line in its thread"), ("only_reply", "a reply; nothing where there is no card"),
        ]))
        label.tick { input type="checkbox" name="at_once" value="yes" checked[draft.at_once]; " At once, also in quiet hours and in a burst" }
        details open[!(draft.title.is_empty() && draft.text.is_empty() && draft.fields.is_empty() && draft.density.is_empty())] {
            summary { "The card" }
            (choice("density", "How much it shows", &draft.density, &[("", "as usual"), ("compact", "two lines"), ("normal", "headline, fields, button"), ("full", "more fields")]))
            (choice("language", "Language", &draft.language, &languages))
            label for="title" { "Headline" } input id="title" name="title" value=(draft.title) placeholder="{company} pays {sum}";
            label for="text" { "Text" } textarea id="text" name="text" rows="2" { (draft.text) }
            label for="fields" { "Fields, one a line" }
            textarea id="fields" name="fields" rows="4" placeholder="responsible\nBoth: {stage} / {sum}" { (draft.fields) }
            (choice("button", "Button that opens the record", &draft.button, &[("", "as usual"), ("yes", "yes"), ("no", "no")]))
            p.hint { "Words for these changes: " (words(visit, draft)) }
        }
    }
}

/// The words that templates may use for what is ticked.
fn words(visit: &Visit<'_>, draft: &Draft) -> String {
    let kinds: Vec<_> = draft.changes.iter().filter_map(|name| ChangeKind::parse(name)).collect();
    let mut words: Vec<String> = kinds
        .first()
        .map(|kind| records::words::known(kind).iter().map(|word| format!("{{{word}}}")).collect())
        .unwrap_or_default();
    words.extend(
        visit
            .settings
            .fields_of(records::RecordKind::Items(bitrix24::EntityType::DEAL))
            .iter()
            .map(|field| format!("{{record.{field}}}")),
    );
    words.join(" ")
}

/// The card of a draft, or what keeps it from being one.
async fn look(visit: &Visit<'_>, draft: &Draft) -> Result<Markup, Failure> {
    let after = match draft.applied(&visit.settings) {
        Ok(after) => after,
        Err(wrong) => return Ok(html! { ul.problem { @for one in wrong { li { (one) } } } }),
    };
    let (before, wrong) = (visit.settings.problems(), after.problems());
    let wrong: Vec<_> = wrong.into_iter().filter(|problem| !before.contains(problem)).collect();
    let router = Router::new(after);
    let route = router.settings().routes.iter().find(|route| route.name == draft.name);
    let Some(route) = route else { return Ok(html! {}) };
    let ledger = Ledger::new(visit.ports().store.clone());
    let now = visit.ports().clock.now();
    let (change, happened) = replay::sample(&ledger, &visit.id, &router, route, now).await?;
    // Names are asked of the portal; where it does not answer the card shows numbers, as it would then.
    let names = visit.deps.names.of(&visit.id, &change).await;
    let telling =
        CardContext { change: &change, names: &names, domain: &visit.portal.domain, language: visit.settings.language };
    let (taken, left) = router.destinations(route, &telling);
    let (asked, not_taken) = router.asked(&change);
    let is_taken = asked.iter().any(|asked| asked.name == route.name);
    Ok(html! {
        @if !wrong.is_empty() { ul.problem { @for problem in &wrong { li { (problem.to_string()) } } } }
        p.hint { @if happened { "A change that happened: " (change.about.to_string()) } @else { "An example; no such change has happened yet" } }
        (card::show(&taken.card(&telling)))
        @if is_taken {
            @for destination in &taken.destinations { p { "To " strong { (destination.name()) } } }
            @for left in &left { p.hint { (left.reason) } }
        } @else {
            @for left in not_taken.iter().filter(|left| left.route == route.name) {
                p.hint[!left.failed].problem[left.failed] { "It would not be told: " (left.reason) }
            }
        }
    })
}

pub(crate) async fn preview(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    Ok(Answer::Part(look(visit, &Draft::of_form(form)).await?.into_string()))
}

pub(crate) async fn try_out(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let draft = Draft::of_form(form);
    let after = match draft.applied(&visit.settings) {
        Ok(after) => after,
        Err(wrong) => return page(visit, &draft, &said(&wrong), &html! {}).await,
    };
    // Only this route is asked: the steps that a try may take are all its own.
    let alone =
        Settings { routes: after.routes.iter().filter(|route| route.name == draft.name).cloned().collect(), ..after };
    let told = tried(visit, &alone).await?;
    page(visit, &draft, &html! {}, &outcome(&told, Some(&draft.name))).await
}

/// What settings would have sent about recent events.
pub(crate) async fn tried(visit: &Visit<'_>, settings: &Settings) -> Result<Vec<Told>, Failure> {
    let ledger = Ledger::new(visit.ports().store.clone());
    replay::dry_run(&ledger, &visit.deps.names, &visit.portal, settings, visit.ports().clock.now()).await
}

/// The outcome of a try; of one route, or of all.
pub(crate) fn outcome(told: &[Told], route: Option<&str>) -> Markup {
    let is_meant = |name: &str| route.is_none_or(|route| route == name);
    let cards = |one: &Told| one.cards.iter().filter(|(name, ..)| is_meant(name)).count();
    let (changes, all): (usize, usize) = (told.len(), told.iter().map(cards).sum());
    html! {
        h2 id="tried" { "On the last " (count(changes, "change")) }
        @if told.is_empty() { p.hint { "Nothing has changed since this is kept. Change a deal in Bitrix24, and try again." } }
        @else {
            p { (count(all, "card")) " would have been sent. Nothing was sent by this try." }
            table {
                (heads(&["When (UTC)", "What", "Would be told"]))
                tbody {
                    @for one in told {
                        tr {
                            td data-label="When" { a href={ "/admin/events/" (one.trace) } { (moment(one.at)) } }
                            td data-label="What" { (one.about) " " code { (one.change) } }
                            td data-label="Would be told" {
                                @for (name, place, card) in one.cards.iter().filter(|(name, ..)| is_meant(name)) {
                                    details { summary { (place) @if route.is_none() { " by " (name) } } (card::show(card)) }
                                }
                                @if cards(one) == 0 {
                                    @let reasons: Vec<_> = one.left.iter().filter(|(name, _)| is_meant(name)).collect();
                                    @if reasons.is_empty() { span.hint { "no, it is about something else" } }
                                    @for (name, reason) in reasons { div.hint { (name) ": " (reason) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn said(wrong: &[String]) -> Markup {
    html! { div.problem role="alert" { p { strong { "Not saved." } } ul { @for one in wrong { li { (one) } } } } }
}

pub(crate) async fn save(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let draft = Draft::of_form(form);
    let after = match draft.applied(&visit.settings) {
        Ok(after) => after,
        Err(wrong) => return page(visit, &draft, &said(&wrong), &html! {}).await,
    };
    let what = if draft.of.is_empty() { "route made" } else { "route changed" };
    match save_settings(visit, form.get("seen"), what, &draft.name, after).await? {
        Saved::Done => Ok(Answer::to("/routes", format!("{} is in force within a minute.", draft.name))),
        Saved::Same => Ok(Answer::to("/routes", "Nothing changed.")),
        Saved::Stale => page(visit, &draft, &said(&[STALE.to_owned()]), &html! {}).await,
        Saved::Wrong(wrong) => page(visit, &draft, &problems(&wrong), &html! {}).await,
    }
}

async fn changed(visit: &Visit<'_>, form: &Form, what: &str, after: Settings) -> Result<Answer, Failure> {
    let name = form.get("route");
    Ok(match save_settings(visit, form.get("seen"), what, name, after).await? {
        Saved::Done => Answer::to("/routes", format!("{what}: {name}.")),
        Saved::Same => Answer::to("/routes", "Nothing changed."),
        Saved::Stale => Answer::to("/routes", STALE),
        Saved::Wrong(wrong) => Answer::to("/routes", wrong.first().map(ToString::to_string).unwrap_or_default()),
    })
}

pub(crate) async fn shift(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let mut after = Settings::clone(&visit.settings);
    if let Some(place) = after.routes.iter().position(|route| route.name == form.get("route")) {
        let other = if form.get("up").is_empty() { place + 1 } else { place.saturating_sub(1) };
        if other < after.routes.len() {
            after.routes.swap(place, other);
        }
    }
    changed(visit, form, "route moved", after).await
}

pub(crate) async fn delete(visit: &Visit<'_>, form: &Form) -> Result<Answer, Failure> {
    let mut after = Settings::clone(&visit.settings);
    after.routes.retain(|route| route.name != form.get("route"));
    changed(visit, form, "route deleted", after).await
}
