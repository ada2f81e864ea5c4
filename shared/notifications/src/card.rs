//! Cards: Slack messages made from a change, its route and its texts. Also lines of digests and notices.

use locale::Language;
use locale::texts;
use records::words::{CardContext, Word};
use settings::schema::{CardDesign, CardField, Density};
use settings::template::{Piece, Template};
use slack::block::Element;
use slack::{Block, Message, Mrkdwn};

use crate::design::own_design;

/// The card of a change, as its route designs it.
pub fn render(telling: &CardContext<'_>, design: Option<&CardDesign>) -> Message {
    let own = own_design(telling.change);
    let none = CardDesign::default();
    let design = design.unwrap_or(&none);
    let density = design.density.unwrap_or_default();
    let headline = match &design.title {
        Some(title) => fill(telling, title),
        None => Mrkdwn::text(own.mark).then(&Mrkdwn::text(" ")).then(&fill(telling, telling.language.text(own.head))),
    };
    let fallback = match &design.title {
        Some(title) => fill(telling, title),
        None => fill(telling, telling.language.text(own.notification)),
    };
    let body = match &design.text {
        Some(text) => Some(fill(telling, text)),
        None => own.body.map(|word| telling.shown(word)),
    };
    let fields: Vec<_> = match &design.fields {
        Some(fields) => fields.iter().map(|field| field_of(telling, field)).collect(),
        None => {
            let more: &[Word] = if density == Density::Full { own.more } else { &[] };
            own.fields.iter().chain(more).map(|word| labelled(telling, *word)).collect()
        }
    };
    Message::new(fallback, blocks(telling, density, design.button.unwrap_or(true), headline, body, fields))
}

fn blocks(
    telling: &CardContext<'_>,
    density: Density,
    button: bool,
    headline: Mrkdwn,
    body: Option<Mrkdwn>,
    fields: Vec<(String, Mrkdwn)>,
) -> Vec<Block> {
    if density == Density::Compact {
        let parts = fields.into_iter().map(|(label, value)| Mrkdwn::text(&format!("{label}: ")).then(&value));
        let mut line = body.map_or(headline.clone(), |body| headline.then(&Mrkdwn::text("\n")).then(&body));
        for (place, part) in parts.enumerate() {
            line = line.then(&Mrkdwn::text(if place == 0 { "\n" } else { " · " })).then(&part);
        }
        return vec![Block::section(line)];
    }
    let mut blocks = vec![Block::section(headline)];
    blocks.extend(body.map(Block::section));
    if !fields.is_empty() {
        blocks.push(Block::fields(fields));
    }
    let open = telling
        .url()
        .filter(|_| button)
        .and_then(|url| Element::open(telling.language.text(texts::cards::OPEN), &url, "open_record"));
    blocks.extend(open.map(|open| Block::actions([open])));
    blocks.push(Block::context([Mrkdwn::text(&format!("{} · {}", telling.about(), telling.domain))]));
    blocks
}

/// The change in one line, for digests and threads.
pub fn line(telling: &CardContext<'_>) -> Mrkdwn {
    let own = own_design(telling.change);
    let headline =
        Mrkdwn::text(own.mark).then(&Mrkdwn::text(" ")).then(&fill(telling, telling.language.text(own.head)));
    match own.fields.first() {
        Some(word) => headline.then(&Mrkdwn::text(" · ")).then(&telling.shown(*word)),
        None => headline,
    }
}

/// A digest of cards that waited: a line each.
pub fn digest(lines: &[Mrkdwn], left: usize, language: Language, title: &str) -> Message {
    let head = language.text(texts::cards::Digest { title, count: (lines.len() + left) as u64 });
    let mut blocks = vec![Block::header(&head)];
    let mut section = Mrkdwn::default();
    for line in lines {
        let line = line.clone().cut(slack::block::SECTION_TEXT - 1);
        let room = slack::block::SECTION_TEXT - 1;
        if section.as_str().encode_utf16().count() + line.as_str().encode_utf16().count() > room {
            blocks.push(Block::section(std::mem::take(&mut section)));
        }
        section = section.then(&line).then(&Mrkdwn::text("\n"));
    }
    blocks.push(Block::section(section));
    if left > 0 {
        let words = language.text(texts::cards::AndMore { count: left as u64 });
        blocks.push(Block::context([Mrkdwn::text(&words)]));
    }
    Message::new(Mrkdwn::text(&head), blocks)
}

/// A notice to operators.
pub fn notice(head: &str, lines: &[&str]) -> Message {
    let text: Vec<_> = lines.iter().map(|line| format!("• {line}")).collect();
    let mut blocks = vec![Block::section(Mrkdwn::bold(head))];
    if !text.is_empty() {
        blocks.push(Block::section(Mrkdwn::text(&text.join("\n"))));
    }
    Message::new(Mrkdwn::text(head), blocks)
}

fn field_of(telling: &CardContext<'_>, field: &CardField) -> (String, Mrkdwn) {
    match field {
        CardField::Own { label, value } => (label.clone(), fill(telling, value)),
        CardField::Word(name) => match Word::parse(name) {
            Some(word) => labelled(telling, word),
            // A field of the record, by the portal's name of it.
            None => (name.rsplit('.').next().unwrap_or(name).to_owned(), telling.word(name)),
        },
    }
}

fn labelled(telling: &CardContext<'_>, word: Word) -> (String, Mrkdwn) {
    (telling.language.text(word.label()).to_owned(), telling.shown(word))
}

/// A template filled in. One that cannot be read, although it was checked when it was saved, is shown unchanged.
fn fill(telling: &CardContext<'_>, template: &str) -> Mrkdwn {
    let Ok(template) = Template::parse(template) else { return Mrkdwn::text(template) };
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => Mrkdwn::text(text),
        Piece::Word(word) => telling.word(word),
    };
    template.pieces().iter().map(piece).fold(Mrkdwn::default(), |all, piece| all.then(&piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitrix24::crm::Status;
    use bitrix24::task::Comment;
    use bitrix24::{Call, EntityType};
    use proptest::prelude::*;
    use records::change::{Change, ChangeKind, Noun, Related};
    use records::names::{Entry, Named, Names};
    use records::record::State;
    use serde_json::{Value, json};

    fn deal(title: &str) -> Change {
        let state: State = serde_json::from_value(json!({
            "id": 42, "title": title, "stageId": "WON", "stageSemanticId": "S", "categoryId": 0,
            "opportunity": 150_000, "currencyId": "EUR", "assignedById": 6, "companyId": 4, "sourceId": "WEB",
            "createdTime": "2026-11-20T10:00:00Z", "createdBy": 6,
        }))
        .unwrap();
        let before: State = serde_json::from_value(json!({"id": 42, "categoryId": 1, "assignedById": 7})).unwrap();
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
            comment: Some(Comment {
                author: 7,
                text: "[b]Please[/b] hurry, [USER=6]Ann[/USER] <!channel>".into(),
                ..Comment::default()
            }),
            ..Change::new(ChangeKind::TaskCreated, "task 7", serde_json::from_value(task).unwrap())
        }
    }

    fn call() -> Change {
        let call: Call = serde_json::from_value(json!({
            "CALL_ID": "x.1", "CALL_TYPE": "2", "PHONE_NUMBER": "+49 30 1234567", "PORTAL_USER_ID": "6", "CALL_DURATION": "75",
            "CALL_START_DATE": "2026-11-21T09:00:00Z", "CALL_FAILED_CODE": "304", "CALL_FAILED_REASON": "Missed",
            "CALL_RECORD_URL": "https://storage.example/rec.mp3",
        }))
        .unwrap();
        Change {
            deal: Some(Related { entity: EntityType::DEAL, id: 42, title: Some("Roof".into()) }),
            client: Some(Related { entity: EntityType::CONTACT, id: 9, title: None }),
            ..Change::new(ChangeKind::CallMissed, "call x.1", State::from(call))
        }
    }

    fn names() -> Names {
        let mut names = Names::default();
        names.add_statuses(
            serde_json::from_value::<Vec<Status>>(json!([
                {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "NEW", "NAME": "New"},
                {"ENTITY_ID": "DEAL_STAGE", "STATUS_ID": "WON", "NAME": "Won & paid"},
                {"ENTITY_ID": "SOURCE", "STATUS_ID": "WEB", "NAME": "Web site"},
            ]))
            .unwrap(),
        );
        for (id, name) in [(6, "Ann Lee"), (7, "Bob Ray")] {
            names.add(Named::User(id), Some(Entry { name: name.into(), ..Entry::default() }));
        }
        names.add(Named::Item(EntityType::COMPANY, 4), Some(Entry { name: "ACME".into(), ..Entry::default() }));
        names.add_funnel(EntityType::DEAL, 0, "Sales".into());
        names
    }

    fn telling<'a>(change: &'a Change, names: &'a Names) -> CardContext<'a> {
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
                    let custom = State::Custom { custom: custom.as_object().unwrap().clone() };
                    Change::new(kind.clone(), "order_paid 17", custom)
                }
                Noun::Staged | Noun::Client => deal("Roof for ACME"),
            };
            let about = match kind.name().split('.').next().unwrap() {
                "lead" => "lead 42".into(),
                "contact" => "contact 42".into(),
                "company" => "company 42".into(),
                "item" => "item-1220 42".into(),
                _ => like.about.clone(),
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
                    let telling = CardContext { language, ..telling(&change, &names) };
                    let design = CardDesign { density: Some(density), ..CardDesign::default() };
                    let card = serde_json::to_value(render(&telling, Some(&design))).unwrap();
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
        let message = render(&telling(&change, &Names::default()), None);
        assert_eq!(message.text.as_str(), "Deal won (no title): NEW → WON");
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
        let card = render(&telling(&change, &names), Some(&design));
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
        let lines: Vec<_> = (0..60).map(|_| line(&telling(&change, &names))).collect();
        let digest = serde_json::to_value(digest(&lines, 7, Language::En, "While it was quiet")).unwrap();
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
            let spoken = Change { comment: Some(Comment { author: 7, text: text.clone(), ..Comment::default() }), kind: ChangeKind::TaskCommented, ..task() };
            for change in [deal(&text), spoken] {
                let message = render(&telling(&change, &names), None);
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
