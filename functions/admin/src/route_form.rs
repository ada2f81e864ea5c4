//! The fields of a route's form: its changes, its destinations, how it meets earlier cards, how its card looks.

use locale::{Language, texts};
use maud::{Markup, html};
use records::ChangeKind;
use records::change::Noun;
use web::language::rich;

use crate::Visit;
use crate::route_draft::Draft;
use crate::settings_form::choice;

pub(crate) fn fields(visit: &Visit<'_>, draft: &Draft) -> Markup {
    let language = visit.language;
    let to_help = texts::configuration::ToHelp {
        sales: html! { code { "#sales" } },
        responsible: html! { code { "@responsible" } },
        creator: html! { code { "@creator" } },
        project: html! { code { "#project-{project}" } },
    };
    let thread = [
        ("none", language.text(texts::configuration::THREAD_NONE)),
        ("reply", language.text(texts::configuration::THREAD_REPLY)),
        ("live", language.text(texts::configuration::THREAD_LIVE)),
        ("only_reply", language.text(texts::configuration::THREAD_ONLY_REPLY)),
    ];
    html! {
        input type="hidden" name="of" value=(draft.replaces);
        label for="name" { (language.text(texts::configuration::NAME)) }
        input id="name" name="name" value=(draft.name) required maxlength="80";
        (changes_fields(language, draft))
        label for="to" { (language.text(texts::configuration::TO)) }
        input id="to" name="to" value=(draft.to) required placeholder="#sales-pipeline, @responsible" aria-describedby="to-hint";
        p.hint id="to-hint" { (rich(language, &to_help)) }
        label for="when" { (language.text(texts::configuration::ONLY_IF_CONDITION)) }
        input id="when" name="when" value=(draft.when) placeholder="record.opportunity > 100000";
        label for="fallback" { (language.text(texts::configuration::FALLBACK)) }
        input id="fallback" name="fallback" value=(draft.fallback) placeholder="#general";
        (choice("thread", language.text(texts::configuration::THREAD), &draft.thread, &thread))
        label.tick {
            input type="checkbox" name="at_once" value="yes" checked[draft.at_once];
            " " (language.text(texts::configuration::AT_ONCE))
        }
        (card_fields(visit, draft))
    }
}

/// A checkbox for each change, grouped by what it is about.
fn changes_fields(language: Language, draft: &Draft) -> Markup {
    let is_chosen = |name: &str| draft.changes.iter().any(|chosen| chosen == name);
    html! {
        fieldset {
            legend { (language.text(texts::configuration::CHANGES)) }
            @for noun in Noun::ALL.into_iter().filter(|noun| *noun != Noun::Custom) {
                @let kinds: Vec<_> = ChangeKind::ALL.iter().filter(|(kind, ..)| kind.noun() == noun).collect();
                details open[kinds.iter().any(|(_, name, _)| is_chosen(name))] {
                    summary { (language.text(noun.title())) }
                    @for (kind, name, _) in kinds {
                        label.tick {
                            input type="checkbox" name="change" value=(name) checked[is_chosen(name)];
                            " " code { (name) } " " span.hint { (language.text(kind.verb().words())) }
                        }
                    }
                }
            }
            @for custom in draft.changes.iter().filter(|name| name.starts_with("custom.")) {
                label.tick { input type="checkbox" name="change" value=(custom) checked; " " code { (custom) } }
            }
        }
    }
}

/// The fields for the look of the card.
fn card_fields(visit: &Visit<'_>, draft: &Draft) -> Markup {
    let language = visit.language;
    let is_designed = [&draft.title, &draft.text, &draft.fields, &draft.density].iter().any(|text| !text.is_empty());
    let by_default = language.text(texts::configuration::BY_DEFAULT);
    let density = [
        ("", by_default),
        ("compact", language.text(texts::configuration::DENSITY_COMPACT)),
        ("normal", language.text(texts::configuration::DENSITY_NORMAL)),
        ("full", language.text(texts::configuration::DENSITY_FULL)),
    ];
    let mut languages = vec![("", language.text(texts::configuration::LANGUAGE_OF_PORTAL))];
    languages.extend(Language::ALL.map(|language| (language.code(), language.name())));
    let button = [
        ("", by_default),
        ("yes", language.text(texts::configuration::YES)),
        ("no", language.text(texts::configuration::NO)),
    ];
    let words = texts::configuration::WordsForChanges { words: html! { code { (words(visit, draft)) } } };
    html! {
        details open[is_designed] {
            summary { (language.text(texts::configuration::THE_CARD)) }
            (choice("density", language.text(texts::configuration::DENSITY), &draft.density, &density))
            (choice("language", language.text(texts::configuration::LANGUAGE), &draft.language, &languages))
            label for="title" { (language.text(texts::configuration::HEADLINE)) }
            input id="title" name="title" value=(draft.title) placeholder=(language.text(texts::configuration::EXAMPLE_HEADLINE));
            label for="text" { (language.text(texts::configuration::TEXT)) }
            textarea id="text" name="text" rows="2" { (draft.text) }
            label for="fields" { (language.text(texts::configuration::FIELDS_ONE_PER_LINE)) }
            textarea id="fields" name="fields" rows="4" placeholder=(language.text(texts::configuration::EXAMPLE_FIELDS)) { (draft.fields) }
            (choice("button", language.text(texts::configuration::BUTTON_THAT_OPENS), &draft.button, &button))
            p.hint { (rich(language, &words)) }
        }
    }
}

/// The words that templates can use for the selected changes.
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
