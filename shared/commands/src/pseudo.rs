//! Tests that render what commands answer, their forms and the home tab in a made-up language with foreign letters, so
//! that a text that does not come from the catalogues shows.

use bitrix24::EntityType;
use crm::views::{DaySummary, DealView, FoundDeals, RecordView, TaskLine};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use locale::{Language, assert_from_the_catalogues, in_pseudo};
use records::Record;
use records::names::{CachedName, Nameable, Names};
use serde::Serialize;
use serde_json::{Value, json};
use slack::SlackMessage;
use tenants::user_links::{LinkOrigin, UserLink};
use text::Document;

use crate::answers::{self, Created};
use crate::deadline::DeadlineProblem;
use crate::deal::DealCommand;
use crate::deal::act::{card, comment_view, fields as fields_of, which};
use crate::forms::{FormOrigin, SubmittedForm};
use crate::lead::LeadForm;
use crate::me::act::known_by;
use crate::misuse::{CreatedKind, Misuse};
use crate::spec::{Acknowledge, CommandSpec};
use crate::task::TaskForm;
use crate::typed::acknowledgement;
use crate::{status, table, unfurl, views};

const LANGUAGE: Language = Language::ALL[0];

/// Fails if a text is not from the catalogues. Commands are typed in the same way in every language.
#[track_caller]
fn assert_text(text: &str) {
    let text = crate::ALL.iter().fold(text.to_owned(), |text, spec| text.replace(spec.typed, ""));
    assert_from_the_catalogues(&text);
}

/// The same for all texts of a view or of blocks. Buttons, menus and fields carry names that nobody sees.
#[track_caller]
pub(crate) fn assert_shown(shown: &impl Serialize) {
    let mut left = vec![serde_json::to_value(shown).unwrap()];
    let mut texts = 0;
    while let Some(value) = left.pop() {
        match value {
            Value::Object(fields) => {
                match (fields.get("type").and_then(Value::as_str), fields.get("text").and_then(Value::as_str)) {
                    (Some("mrkdwn"), Some(text)) => assert_text(&Document::from_mrkdwn(text).visible()),
                    (Some("plain_text"), Some(text)) => assert_text(text),
                    _ => texts -= 1,
                }
                texts += 1;
                left.extend(fields.into_iter().map(|(_, value)| value));
            }
            Value::Array(all) => left.extend(all),
            _ => {}
        }
    }
    assert!(texts > 0, "nothing is shown");
}

#[track_caller]
fn assert_answer(message: &SlackMessage) {
    assert_text(&Document::from_mrkdwn(message.text.as_str()).visible());
    assert_shown(&message.blocks);
}

fn moment() -> Timestamp {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

/// Every problem that input can have.
fn misuses() -> Vec<Misuse> {
    let words = || "слово".to_owned();
    let day = moment().to_zoned(TimeZone::UTC).date();
    let mut all = vec![
        Misuse::Unknown(words()),
        Misuse::NoCompany,
        Misuse::NoTaskName,
        Misuse::Assignee(words()),
        Misuse::LeftOver(words()),
        Misuse::TakesNoText(&status::StatusCommand::SPEC, words()),
        Misuse::Chat(words()),
        Misuse::OtherPortal("чужой.рф".into(), "портал.рф".into()),
        Misuse::NotADeal("портал.рф".into()),
        Misuse::NotAllowed,
    ];
    for problem in [DeadlineProblem::Unknown, DeadlineProblem::Past(moment()), DeadlineProblem::Ambiguous(day, day)] {
        all.push(Misuse::Deadline(words(), problem));
    }
    for kind in [CreatedKind::Lead, CreatedKind::Task] {
        all.push(Misuse::NotCreated(kind, words()));
    }
    for count in [0, 1, 2, 7] {
        all.push(Misuse::Unlinked(vec!["Анна".into(); count]));
        all.push(Misuse::WhichPerson(words(), vec!["Анна".into(); count]));
    }
    all
}

#[test]
fn what_is_wrong_is_said_from_the_catalogues() {
    for misuse in misuses() {
        for spec in crate::ALL {
            assert_answer(&in_pseudo(|| answers::misuse(&misuse, spec, LANGUAGE)));
        }
    }
}

#[test]
fn help_and_acknowledgements_come_from_the_catalogues() {
    for spec in crate::ALL {
        assert_answer(&in_pseudo(|| answers::help(spec, LANGUAGE)));
        assert_text(in_pseudo(|| acknowledgement(spec.typed, "x", LANGUAGE)).unwrap());
    }
}

#[test]
fn answers_come_from_the_catalogues() {
    let helpers = ["Вера".to_owned(), "Борис".to_owned()];
    for kind in [CreatedKind::Lead, CreatedKind::Task] {
        let all = Created {
            kind,
            title: "Крыша",
            url: "https://портал.рф/1",
            responsible: Some("Анна"),
            accomplices: &helpers,
            deadline: Some((moment(), &TimeZone::UTC)),
            note: Some("+49 30 1234567"),
        };
        assert_answer(&in_pseudo(|| answers::created(all, LANGUAGE)));
    }
    for (email, by_email) in [(None, true), (None, false), (Some("анна@пример.рф"), true)] {
        assert_answer(&in_pseudo(|| answers::unmapped(email, by_email, LANGUAGE)));
    }
    for (link, typed) in [(None, ""), (Some("https://портал.рф"), "/b24-deal 42")] {
        for is_again in [false, true] {
            assert_answer(&in_pseudo(|| answers::allow(link, is_again, typed, LANGUAGE)));
        }
    }
    assert_answer(&in_pseudo(|| answers::allow_later(LANGUAGE)));
    for code in ["not_found", "access_denied", "dismissed", "unmapped", "any"] {
        assert_answer(&in_pseudo(|| answers::refused(code, "причина", LANGUAGE)));
    }
    let shared = || {
        let message = answers::shared(answers::plain("1"), "Анна", LANGUAGE);
        SlackMessage { blocks: [message.blocks, vec![answers::share_button("42", LANGUAGE)]].concat(), ..message }
    };
    assert_answer(&in_pseudo(shared));
    for entity in [EntityType::LEAD, EntityType::DEAL] {
        assert_text(&in_pseudo(|| answers::on_behalf("Анна", entity, LANGUAGE)));
    }
    for origin in [LinkOrigin::Email, LinkOrigin::Hand, LinkOrigin::Own, LinkOrigin::Settings] {
        let link = UserLink { slack: "U1".into(), user: 6, origin, name: "Анна".into(), at: moment() };
        assert_text(&in_pseudo(|| known_by(&link, LANGUAGE)));
    }
}

#[test]
fn the_card_of_a_deal_comes_from_the_catalogues() {
    let mut names = Names::default();
    names.add(Nameable::User(6), Some(CachedName { name: "Анна".into(), ..CachedName::default() }));
    names
        .add(Nameable::Item(EntityType::COMPANY, 4), Some(CachedName { name: "АКМЕ".into(), ..CachedName::default() }));
    let view = |fields: Value, names: &Names| {
        let state = serde_json::from_value(fields).unwrap();
        RecordView::new(Record::item(EntityType::DEAL, 42), state, names.clone(), "портал.рф")
    };
    let url = "https://портал.рф/42".to_owned();
    let bare = DealView {
        record: view(json!({"id": 42, "title": "Крыша"}), &Names::default()),
        id: 42,
        url: url.clone(),
        stage_id: String::new(),
        stages: Vec::new(),
        next: None,
    };
    let fields = json!({
        "id": 42, "title": "Крыша", "stageId": "1", "opportunity": "1500", "currencyId": "₽", "assignedById": 6, "companyId": 4,
    });
    let full = DealView {
        record: view(fields, &names),
        stage_id: "1".into(),
        stages: vec![("1".into(), "Новая".into()), ("2".into(), "Готова".into())],
        next: Some(("Звонок".into(), Some(moment()))),
        ..bare.clone()
    };
    for deal in [bare, full] {
        assert_answer(&in_pseudo(|| card(&deal, LANGUAGE, None)));
        for for_strangers in [false, true] {
            assert_answer(&in_pseudo(|| {
                unfurl::below(&deal.record, fields_of(&deal, LANGUAGE), LANGUAGE, for_strangers)
            }));
        }
    }
    for (count, more) in [(0, 0), (2, 0), (5, 1), (5, 7)] {
        let found =
            FoundDeals { deals: vec![(42, "Крыша".into(), "https://портал.рф/42".into()); count], more };
        assert_answer(&in_pseudo(|| which(&found, "крыша", LANGUAGE)));
    }
    let form = SubmittedForm { callback_id: crate::deal::DEAL_COMMENT, origin: origin(), values: &[].into() };
    for problem in in_pseudo(|| DealCommand::form_problems(&form, moment())).unwrap().values() {
        assert_text(problem);
    }
}

#[test]
fn the_card_of_a_task_comes_from_the_catalogues() {
    let task = json!({"id": "7", "title": "Коробки", "status": "2", "deadline": "2026-11-25T16:00:00+01:00"});
    for fields in [task, json!({"id": "7"})] {
        let state = bitrix24::Task::read(fields).unwrap().into();
        let task = RecordView::new(Record::Task(7), state, Names::default(), "портал.рф");
        for for_strangers in [false, true] {
            assert_answer(&in_pseudo(|| {
                unfurl::below(&task, unfurl::state_of_task(&task, LANGUAGE), LANGUAGE, for_strangers)
            }));
        }
    }
}

pub(crate) fn days() -> [DaySummary; 2] {
    let task = |deadline| TaskLine {
        title: "Коробки".into(),
        url: "https://портал.рф/7".into(),
        deadline,
        is_late: deadline.is_some(),
    };
    let busy = DaySummary {
        leads: Some(1),
        tasks: vec![task(None), task(Some(moment()))],
        open: Some(2),
        overdue: Some(1),
        missed: Some(1_000),
        deals: vec![("Новая".into(), 3)],
        deals_in_all: Some(3),
        ..DaySummary::default()
    };
    [busy, DaySummary { only_own: true, ..DaySummary::default() }]
}

#[test]
fn the_day_comes_from_the_catalogues() {
    for day in days() {
        assert_answer(&in_pseudo(|| status::act::card(&day, "Анна", LANGUAGE)));
    }
}

fn origin() -> FormOrigin {
    FormOrigin { zone: "Город".into(), language: LANGUAGE, ..FormOrigin::default() }
}

#[test]
fn forms_come_from_the_catalogues() {
    let lead = LeadForm { company: "АКМЕ".into(), comment: "о крыше".into() };
    let task = TaskForm { name: "Коробки".into(), ..TaskForm::default() };
    let forms = |spec: &CommandSpec| match spec.typed {
        "/b24-lead" => Some(json!(lead)),
        "/b24-task" => Some(json!(task)),
        _ => None,
    };
    for spec in crate::ALL {
        for form in [table::empty_form(spec, "U1"), forms(spec)].into_iter().flatten() {
            for problem in [None, Some("ошибка")] {
                assert_shown(&in_pseudo(|| table::view(spec, &form, &origin(), problem)).unwrap());
            }
        }
        assert_shown(&in_pseudo(|| views::retype(&origin(), spec.typed, "слова", Some("ошибка"))));
        assert_answer(&in_pseudo(|| views::open_dialog(spec, LANGUAGE)));
    }
    assert_shown(&in_pseudo(|| comment_view(&origin())));
    assert_answer(&in_pseudo(|| views::open_draft("1", LANGUAGE)));
}
