//! Cards: what a change, its route and the texts make of it, before a provider's markup. Slack's is in `blocks`.

use locale::texts;
use records::CardText;
use records::words::{CardContext, Word};
use settings::schema::{CardDesign, CardField, Density};
use settings::template::{TemplatePiece, TextTemplate};

use crate::design::own_design;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// What happened.
    pub headline: CardText,
    /// The text of its notification.
    pub notification: CardText,
    /// A text below the headline.
    pub body: Option<CardText>,
    /// Its fields.
    pub facts: Vec<CardFact>,
    /// The button that opens the record.
    pub button: Option<CardButton>,
    /// The line that names the record and the portal.
    pub footer: Option<String>,
    /// Whether it is as short as possible: without button and footer, its facts on one line.
    pub is_compact: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFact {
    /// Its label.
    pub label: String,
    /// Its value.
    pub value: CardText,
}

/// A button that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardButton {
    pub words: String,
    /// Where it leads.
    pub url: String,
}

impl Card {
    /// The card of a change, as its route designs it.
    pub fn of(context: &CardContext<'_>, design: Option<&CardDesign>) -> Self {
        let own = own_design(context.change);
        let none = CardDesign::default();
        let design = design.unwrap_or(&none);
        let density = design.density.unwrap_or_default();
        let is_compact = density == Density::Compact;
        let title = design.title.as_ref().map(|title| fill(context, title));
        let facts = match &design.fields {
            Some(fields) => fields.iter().map(|field| fact(context, field)).collect(),
            None => {
                let more: &[Word] = if density == Density::Full { own.more } else { &[] };
                own.fields.iter().chain(more).map(|word| labelled(context, *word)).collect()
            }
        };
        let button = context.url().filter(|_| design.button.unwrap_or(true) && !is_compact);
        Self {
            headline: title.clone().unwrap_or_else(|| own_headline(context)),
            notification: title.unwrap_or_else(|| fill(context, context.language.text(own.notification))),
            body: match &design.text {
                Some(text) => Some(fill(context, text)),
                None => own.body.map(|word| context.shown(word)),
            },
            facts,
            button: button.map(|url| CardButton { words: context.language.text(texts::cards::OPEN).to_owned(), url }),
            footer: (!is_compact).then(|| format!("{} · {}", context.about(), context.domain)),
            is_compact,
        }
    }
}

/// The change in one line, for digests and threads.
pub fn line(context: &CardContext<'_>) -> CardText {
    let headline = own_headline(context);
    match own_design(context.change).fields.first() {
        Some(word) => headline.then(CardText::text(" · ")).then(context.shown(*word)),
        None => headline,
    }
}

fn own_headline(context: &CardContext<'_>) -> CardText {
    let own = own_design(context.change);
    CardText::text(own.mark).then(CardText::text(" ")).then(fill(context, context.language.text(own.head)))
}

fn fact(context: &CardContext<'_>, field: &CardField) -> CardFact {
    match field {
        CardField::Own { label, value } => CardFact { label: label.clone(), value: fill(context, value) },
        CardField::Word(name) => match Word::parse(name) {
            Some(word) => labelled(context, word),
            // A field of the record, by the portal's name of it.
            None => {
                let label = name.rsplit('.').next().unwrap_or(name).to_owned();
                CardFact { label, value: context.word(name) }
            }
        },
    }
}

fn labelled(context: &CardContext<'_>, word: Word) -> CardFact {
    CardFact { label: context.language.text(word.label()).to_owned(), value: context.shown(word) }
}

/// Fills in a template. One that cannot be read, although it was checked when it was saved, is shown unchanged.
fn fill(context: &CardContext<'_>, template: &str) -> CardText {
    let Ok(template) = TextTemplate::parse(template) else { return CardText::text(template) };
    let piece = |piece: &TemplatePiece| match piece {
        TemplatePiece::Text(text) => CardText::text(text),
        TemplatePiece::Word(word) => context.word(word),
    };
    template.pieces().iter().map(piece).fold(CardText::default(), CardText::then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks;
    use bitrix24::crm::StatusRow;
    use bitrix24::task::TaskComment;
    use bitrix24::{EntityType, FinishedCall};
    use locale::Language;
    use proptest::prelude::*;
    use records::change::{Change, ChangeKind, Noun, Related};
    use records::names::{CachedName, Nameable, Names};
    use records::record::RecordState;
    use serde_json::{Value, json};
    use slack::SlackMessage;

    fn deal(title: &str) -> Change {
        let state: RecordState = serde_json::from_value(json!({
            "id": 42, "title": title, "stageId": "WON", "stageSemanticId": "S", "categoryId": 0,
            "opportunity": 150_000, "currencyId": "EUR", "assignedById": 6, "companyId": 4, "sourceId": "WEB",
            "createdTime": "2026-11-20T10:00:00Z", "createdBy": 6,
        }))
        .unwrap();
        let before: RecordState =
            serde_json::from_value(json!({"id": 42, "categoryId": 1, "assignedById": 7})).unwrap();
        Change {
            before: Some(before),
            from_stage: Some("NEW".into()),
            fields: vec!["title".into()],
            ..Change::new(ChangeKind::DealStageChanged, "deal 42", state)
        }
    }

    fn task() -> Change {
        let task = json!({"task": {
            "id": "7", "title": "Pack the boxes", "status": "2", "deadline": "2026-11-25T16:00:00+01:00",
            "responsibleId": "6", "createdBy": "7", "groupId": "3", "group": {"id": "3", "name": "Move: Office №2"},
        }});
        let before = json!({"task": {"id": "7", "status": "3", "responsibleId": "7"}});
        Change {
            before: Some(serde_json::from_value(before).unwrap()),
            comment: Some(TaskComment {
                author: 7,
                text: "[b]Please[/b] hurry, [USER=6]Ann[/USER] <!channel>".into(),
                ..TaskComment::default()
            }),
            ..Change::new(ChangeKind::TaskCreated, "task 7", serde_json::from_value(task).unwrap())
        }
    }

    fn call() -> Change {
        let call: FinishedCall = serde_json::from_value(json!({
            "CALL_ID": "x.1", "CALL_TYPE": "2", "PHONE_NUMBER": "+49 30 1234567", "PORTAL_USER_ID": "6", "CALL_DURATION": "75",
            "CALL_START_DATE": "2026-11-21T09:00:00Z", "CALL_FAILED_CODE": "304", "CALL_FAILED_REASON": "Missed",
            "CALL_RECORD_URL": "https://storage.example/rec.mp3",
        }))
        .unwrap();
        Change {
            deal: Some(Related { entity: EntityType::DEAL, id: 42, title: Some("Roof".into()) }),
            client: Some(Related { entity: EntityType::CONTACT, id: 9, title: None }),
            ..Change::new(ChangeKind::CallMissed, "call x.1", RecordState::from(call))
        }
    }

    fn names() -> Names {
        let mut names = Names::default();
        names.add_statuses(
            serde_json::from_value::<Vec<StatusRow>>(json!([
                {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "NEW", "NAME": "New"},
                {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "WON", "NAME": "Won & paid"},
                {"ENTITY_ID": "SOURCE", "STATUS_ID": "WEB", "NAME": "Web site"},
            ]))
            .unwrap(),
        );
        for (id, name) in [(6, "Ann Lee"), (7, "Bob Ray")] {
            names.add(Nameable::User(id), Some(CachedName { name: name.into(), ..CachedName::default() }));
        }
        names.add(
            Nameable::Item(EntityType::COMPANY, 4),
            Some(CachedName { name: "ACME".into(), ..CachedName::default() }),
        );
        names.add_funnel(EntityType::DEAL, 0, "Sales".into());
        names
    }

    fn drawn(context: &CardContext<'_>, design: Option<&CardDesign>) -> SlackMessage {
        blocks::message(&Card::of(context, design))
    }

    fn context_of<'a>(change: &'a Change, names: &'a Names) -> CardContext<'a> {
        CardContext { change, names, domain: "acme.bitrix24.com", language: Language::En }
    }

    /// A change of every kind.
    fn gallery() -> Vec<Change> {
        let kinds =
            ChangeKind::ALL.iter().map(|(kind, ..)| kind.clone()).chain([ChangeKind::Custom("order_paid".into())]);
        let change = |kind: ChangeKind| {
            let like = match kind.noun() {
                Noun::Task => task(),
                Noun::Call => call(),
                Noun::Custom => {
                    let custom = json!({"title": "Order 17", "url": "https://acme.bitrix24.com/shop/17/"});
                    let custom = RecordState::Custom { custom: custom.as_object().unwrap().clone() };
                    Change::new(kind.clone(), "order_paid 17", custom)
                }
                Noun::Lead | Noun::Deal | Noun::Contact | Noun::Company | Noun::Item => deal("Roof for ACME"),
            };
            let about = match kind.noun() {
                Noun::Lead => "lead 42".into(),
                Noun::Contact => "contact 42".into(),
                Noun::Company => "company 42".into(),
                Noun::Item => "item-1220 42".into(),
                Noun::Deal | Noun::Task | Noun::Call | Noun::Custom => like.about.clone(),
            };
            Change { kind, about, ..like }
        };
        kinds.map(change).collect()
    }

    /// The cards that `tests/clients` holds against Slack's published types.
    #[test]
    fn the_cards_of_every_change_are_these() {
        let names = names();
        let mut cards = serde_json::Map::new();
        for change in gallery() {
            for language in [Language::En, Language::Ru] {
                for density in [Density::Compact, Density::Normal, Density::Full] {
                    let context = CardContext { language, ..context_of(&change, &names) };
                    let design = CardDesign { density: Some(density), ..CardDesign::default() };
                    let card = serde_json::to_value(drawn(&context, Some(&design))).unwrap();
                    if density == Density::Normal || language == Language::En {
                        cards.insert(format!("{} {language:?} {density:?}", change.kind), card);
                    }
                }
            }
        }
        insta::assert_json_snapshot!("cards", Value::Object(cards));
    }

    #[test]
    fn a_card_without_names_still_tells_what_it_can() {
        let change = deal("");
        let message = drawn(&context_of(&change, &Names::default()), None);
        assert_eq!(message.text.as_str(), "Deal won: (no title) (NEW → WON)");
        assert!(serde_json::to_string(&message).unwrap().contains("unknown"));
    }

    #[test]
    fn a_route_can_design_its_own_card() {
        let design: CardDesign = serde_json::from_value(json!({
            "title": "*{company}* pays {sum}",
            "fields": ["responsible", "record.stageId", {"label": "Both", "value": "{stage} / {record.id}"}],
            "button": false,
        }))
        .unwrap();
        let (change, names) = (deal("Roof"), names());
        let card = drawn(&context_of(&change, &names), Some(&design));
        assert_eq!(card.text.as_str(), "*<https://acme.bitrix24.com/crm/company/details/4/|ACME>* pays 150,000 EUR");
        let card = serde_json::to_value(card).unwrap();
        let fields: Vec<_> = card["blocks"][1]["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["text"].as_str().unwrap())
            .collect();
        assert_eq!(fields, ["*Responsible*\nAnn Lee", "*stageId*\nWON", "*Both*\nWon &amp; paid / 42"]);
        assert_eq!(card["blocks"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_digest_has_a_line_for_each_and_fits() {
        let (change, names) = (deal("Roof"), names());
        let lines: Vec<_> = (0..60).map(|_| line(&context_of(&change, &names)).to_mrkdwn()).collect();
        let digest = serde_json::to_value(blocks::digest(&lines, 7, Language::En, "While it was quiet")).unwrap();
        assert_eq!(digest["text"], "While it was quiet: 67 changes");
        let sections = digest["blocks"].as_array().unwrap();
        let lines: usize = sections
            .iter()
            .filter_map(|block| block["text"]["text"].as_str())
            .map(|text| text.matches("Deal won").count())
            .sum();
        assert_eq!(lines, 60);
        assert!(
            sections
                .iter()
                .all(|block| block["text"]["text"].as_str().is_none_or(|text| text.encode_utf16().count() <= 3000))
        );
    }

    proptest! {
        /// Whatever people write into a title or a comment, the card mentions nobody and links only to the portal.
        #[test]
        fn no_text_makes_markup(text in "[<>!@#&|*_~`a-z \\n]{0,40}") {
            let names = names();
            let spoken = Change { comment: Some(TaskComment { author: 7, text: text.clone(), ..TaskComment::default() }), kind: ChangeKind::TaskCommented, ..task() };
            for change in [deal(&text), spoken] {
                let message = drawn(&context_of(&change, &names), None);
                for shown in [message.text.as_str(), &serde_json::to_string(&message.blocks).unwrap()] {
                    for (at, _) in shown.match_indices('<') {
                        let rest = &shown[at..];
                        prop_assert!(rest.starts_with("<https://acme.bitrix24.com/") || rest.starts_with("<!date^"), "{}", rest);
                    }
                }
            }
        }
    }
}
