//! A route as a form has it: texts as they were typed, and the route that they make.

use locale::{Language, texts};
use records::ChangeKind;
use settings::schema::{CardDesign, CardField, Density, OneOrMany, Thread};
use settings::{Destination, Route, Settings};
use web::page::Form;

use crate::settings_form::{filled, named, word};

pub(crate) fn destinations(route: &Route) -> String {
    route.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A route as the form has it, texts as they were typed: it is shown again unchanged, right or wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    /// The route that it replaces; empty for a new one.
    pub(crate) replaces: String,
    pub(crate) name: String,
    pub(crate) changes: Vec<String>,
    pub(crate) to: String,
    pub(crate) when: String,
    pub(crate) fallback: String,
    pub(crate) language: String,
    pub(crate) thread: String,
    pub(crate) at_once: bool,
    pub(crate) density: String,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) fields: String,
    pub(crate) button: String,
}

impl Draft {
    pub(crate) fn of_route(route: &Route) -> Self {
        let card = route.card.clone().unwrap_or_default();
        let field = |field: &CardField| match field {
            CardField::Word(word) => word.clone(),
            CardField::Own { label, value } => format!("{label}: {value}"),
        };
        Self {
            replaces: route.name.clone(),
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

    pub(crate) fn of_form(form: &Form) -> Self {
        let text = |name: &str| form.get(name).to_owned();
        Self {
            replaces: text("of"),
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

    /// The route, or everything that is wrong with it.
    fn route(&self, language: Language) -> Result<Route, Vec<String>> {
        let mut wrong = Vec::new();
        if self.name.is_empty() {
            wrong.push(language.text(texts::configuration::ROUTE_NEEDS_NAME).to_owned());
        }
        let mut changes = Vec::new();
        for change in &self.changes {
            match ChangeKind::parse(change) {
                Some(kind) => changes.push(kind),
                None => wrong.push(language.text(texts::configuration::NoSuchChange { change })),
            }
        }
        if changes.is_empty() {
            wrong.push(language.text(texts::configuration::ROUTE_NEEDS_CHANGE).to_owned());
        }
        let mut to = Vec::new();
        for text in self.to.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            match Destination::parse(text) {
                Ok(destination) => to.push(destination),
                Err(reason) => {
                    let destination = text.to_owned();
                    let reason = reason.text(language).to_owned();
                    wrong.push(language.text(texts::configuration::BadDestination { destination, reason }));
                }
            }
        }
        if to.is_empty() {
            wrong.push(language.text(texts::configuration::ROUTE_NEEDS_DESTINATION).to_owned());
        }
        if wrong.is_empty() { Ok(self.route_of(changes, to)) } else { Err(wrong) }
    }

    fn route_of(&self, changes: Vec<ChangeKind>, to: Vec<Destination>) -> Route {
        let design = CardDesign {
            title: filled(&self.title),
            text: filled(&self.text),
            fields: filled(&self.fields).map(|fields| fields.lines().filter_map(card_field).collect()),
            density: named::<Density>(&self.density),
            button: match self.button.as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            },
        };
        Route {
            name: self.name.clone(),
            change: one_or_many(changes),
            when: filled(&self.when),
            to: one_or_many(to),
            fallback: filled(&self.fallback),
            card: Some(design).filter(|design| *design != CardDesign::default()),
            language: named::<Language>(&self.language),
            thread: named::<Thread>(&self.thread).unwrap_or_default(),
            at_once: self.at_once,
        }
    }

    /// The settings with this route in its place, or what is wrong with it, in a language.
    pub(crate) fn applied(&self, settings: &Settings, language: Language) -> Result<Settings, Vec<String>> {
        let route = self.route(language)?;
        let mut after = settings.clone();
        match after.routes.iter().position(|known| !self.replaces.is_empty() && known.name == self.replaces) {
            Some(index) => after.routes[index] = route,
            None => after.routes.push(route),
        }
        Ok(after)
    }
}

fn one_or_many<T>(mut all: Vec<T>) -> OneOrMany<T> {
    if all.len() == 1 { OneOrMany::One(all.remove(0)) } else { OneOrMany::Many(all) }
}

/// A line of the form, for a field of the card: a word, or a label with a template.
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
