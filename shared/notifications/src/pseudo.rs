//! A test that renders every card and digest in a made-up language with foreign letters, so that a text that does not
//! come from the catalogues shows.

use bitrix24::crm::StatusRow;
use bitrix24::task::TaskComment;
use bitrix24::{EntityType, FinishedCall};
use locale::{Language, assert_from_the_catalogues};
use records::change::{Change, ChangeKind, Noun, Related};
use records::names::{CachedName, Nameable, Names};
use records::record::{Record, RecordRef, RecordState};
use records::words;
use records::words::{CardContext, Word};
use serde_json::{Value, json};
use settings::schema::{CardDesign, CardField, Density};
use slack::Mrkdwn;
use text::Document;

use crate::blocks;
use crate::card::Card;

#[track_caller]
fn assert_card(card: &slack::SlackMessage) {
    let visible = |markup: &str| Document::from_mrkdwn(markup).visible();
    assert_from_the_catalogues(&visible(card.text.as_str()));
    let mut left = vec![serde_json::to_value(&card.blocks).unwrap()];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(fields) => {
                match (fields.get("type").and_then(Value::as_str), fields.get("text").and_then(Value::as_str)) {
                    (Some("mrkdwn"), Some(text)) => assert_from_the_catalogues(&visible(text)),
                    (Some("plain_text"), Some(text)) => assert_from_the_catalogues(text),
                    _ => {}
                }
                left.extend(fields.into_iter().map(|(_, value)| value));
            }
            Value::Array(all) => left.extend(all),
            _ => {}
        }
    }
}

fn item(meaning: &str) -> Change {
    let state = json!({
        "id": 42, "title": "Крыша", "stageId": "2", "stageSemanticId": meaning, "categoryId": 0, "opportunity": 1500,
        "currencyId": "₽", "assignedById": 6, "companyId": 4, "contactId": 5, "sourceId": "3",
        "createdTime": "2026-11-20T10:00:00Z", "createdBy": 6,
    });
    let before = json!({"id": 42, "categoryId": 1, "assignedById": 7});
    Change {
        before: Some(serde_json::from_value(before).unwrap()),
        from_stage: Some("1".into()),
        fields: vec!["название".into()],
        ..Change::new(ChangeKind::DealCreated, "deal 42", serde_json::from_value::<RecordState>(state).unwrap())
    }
}

fn task() -> Change {
    let task = json!({"task": {
        "id": "7", "title": "Коробки", "status": "2", "deadline": "2026-11-25T16:00:00+01:00", "responsibleId": "6",
        "createdBy": "7", "groupId": "3", "group": {"id": "3", "name": "Переезд"},
    }});
    let before = json!({"task": {"id": "7", "status": "3", "responsibleId": "7"}});
    Change {
        before: Some(serde_json::from_value(before).unwrap()),
        comment: Some(TaskComment { author: 7, text: "Скорее".into(), ..TaskComment::default() }),
        fields: vec!["название".into()],
        ..Change::new(ChangeKind::TaskCreated, "task 7", serde_json::from_value::<RecordState>(task).unwrap())
    }
}

fn call() -> Change {
    let call: FinishedCall = serde_json::from_value(json!({
        "CALL_ID": "1.1", "CALL_TYPE": "2", "PHONE_NUMBER": "+49 30 1234567", "PORTAL_USER_ID": "6",
        "CALL_DURATION": "75", "CALL_START_DATE": "2026-11-21T09:00:00Z", "CALL_FAILED_CODE": "304",
        "CALL_FAILED_REASON": "Занято", "CALL_RECORD_URL": "https://storage.example/rec.mp3",
    }))
    .unwrap();
    Change {
        deal: Some(Related { entity: EntityType::DEAL, id: 42, title: Some("Крыша".into()) }),
        client: Some(Related { entity: EntityType::CONTACT, id: 5, title: None }),
        ..Change::new(ChangeKind::CallMissed, "call 1.1", RecordState::from(call))
    }
}

fn names() -> Names {
    let mut names = Names::default();
    let status = |entity: &str, id: &str| json!({"ENTITY_ID": entity, "STATUS_ID": id, "NAME": format!("№{id}")});
    let statuses = json!([status("DEAL_STAGE", "1"), status("DEAL_STAGE", "2"), status("SOURCE", "3")]);
    names.add_statuses(serde_json::from_value::<Vec<StatusRow>>(statuses).unwrap());
    let entry = |name: &str| Some(CachedName { name: name.into(), ..CachedName::default() });
    names.add(Nameable::User(6), entry("Анна"));
    names.add(Nameable::User(7), entry("Борис"));
    names.add(Nameable::Item(EntityType::COMPANY, 4), entry("АКМЕ"));
    names.add(Nameable::Item(EntityType::CONTACT, 5), entry("Вера"));
    names.add_funnel(EntityType::DEAL, 0, "Продажи".into());
    names
}

/// A change of every kind, of deals also one that is won and one that is lost.
fn changes() -> Vec<Change> {
    let kinds = ChangeKind::ALL.iter().map(|(kind, ..)| kind.clone()).chain([ChangeKind::Custom("оплата".into())]);
    let of_kind = |kind: ChangeKind| {
        let like = match kind.noun() {
            Noun::Task => vec![task()],
            Noun::Call => vec![call()],
            Noun::Custom => {
                let custom =
                    RecordState::Custom { custom: json!({"title": "Заказ"}).as_object().unwrap().clone() };
                vec![Change::new(kind.clone(), "оплата 17", custom)]
            }
            Noun::Lead | Noun::Deal | Noun::Contact | Noun::Company | Noun::Item => ["P", "S", "F"].map(item).into(),
        };
        let entity = match kind.noun() {
            Noun::Lead => Some(EntityType::LEAD),
            Noun::Contact => Some(EntityType::CONTACT),
            Noun::Company => Some(EntityType::COMPANY),
            Noun::Item => Some(EntityType(1220)),
            Noun::Deal | Noun::Task | Noun::Call | Noun::Custom => None,
        };
        let about = entity.map(|entity| RecordRef::Record(Record::item(entity, 42)));
        like.into_iter().map(move |change| Change {
            kind: kind.clone(),
            about: about.clone().unwrap_or_else(|| change.about.clone()),
            ..change
        })
    };
    kinds.flat_map(of_kind).collect()
}

#[test]
fn the_cards_of_every_change_come_from_the_catalogues() {
    // An address and the portal's name of a kind are not texts.
    let is_text = |word: &&str| ![Word::Url.name(), Word::Type.name()].contains(word);
    for names in [names(), Names::default()] {
        for change in changes() {
            let telling =
                CardContext { change: &change, names: &names, domain: "портал.рф", language: Language::En };
            let fields = words::known(&change.kind).into_iter().filter(is_text);
            let all = CardDesign {
                fields: Some(fields.map(|word| CardField::Word(word.to_owned())).collect()),
                ..CardDesign::default()
            };
            let full = CardDesign { density: Some(Density::Full), ..CardDesign::default() };
            for design in [all, full] {
                assert_card(&locale::in_pseudo(|| blocks::message(&Card::of(&telling, Some(&design)))));
            }
        }
    }
    let bare =
        Change::new(ChangeKind::TaskCreated, "task 7", serde_json::from_value(json!({"task": {"id": "7"}})).unwrap());
    let names = Names::default();
    let telling = CardContext { change: &bare, names: &names, domain: "портал.рф", language: Language::En };
    assert_card(&locale::in_pseudo(|| blocks::message(&Card::of(&telling, None))));
}

#[test]
fn a_digest_comes_from_the_catalogues() {
    let lines = vec![Mrkdwn::text("1"); 3];
    assert_card(&locale::in_pseudo(|| blocks::digest(&lines, 7, Language::En, "2")));
}
