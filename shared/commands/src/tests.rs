//! The whole table of commands against what people type and fill in.

use jiff::{Timestamp, Zoned};
use locale::Language;
use proptest::prelude::*;

use crate::bridge::{self, BridgeAct};
use crate::deal::{self, DEAL_COMMENT, DealQuery};
use crate::forms::{FormOrigin, MAX_NAME, SubmittedForm};
use crate::lead::{self, LeadCommand, LeadDraft, NEW_LEAD};
use crate::me::{self, MeAct};
use crate::misuse::Misuse;
use crate::people::{self, Assignee, Directory, KnownPerson};
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandSpec, WithoutText};
use crate::status::{self, StatusCommand};
use crate::task::{self, NEW_TASK, TaskForm};
use crate::typed::{CommandAim, CommandContext, TypedCommand, acknowledgement};

fn now() -> Zoned {
    "2026-11-21T10:00:00+01:00[Europe/Berlin]".parse().unwrap()
}

fn directory() -> Directory {
    let person = |id, name: &str, email: &str| KnownPerson::new(Assignee::Portal(id), name, [email.to_owned()]);
    Directory::new([
        person(1, "Дмитрий Соколова", "dmitri@corp.example"),
        person(2, "Ann Lee", "ann@corp.example"),
        person(3, "Ann Ray", "ray@corp.example"),
    ])
}

/// Reads what follows a command as the command does.
fn with<T>(text: &str, read: impl FnOnce(&[TextToken<'_>], &CommandContext<'_>) -> T) -> T {
    let (now, directory) = (now(), directory());
    let context =
        CommandContext { now: &now, language: Language::En, portal: "acme.bitrix24.com", directory: &directory };
    let (tokens, _) = reader::without_public(reader::tokens(text));
    read(reader::trim(&tokens), &context)
}

fn aim(typed: &str, text: &str) -> CommandAim {
    TypedCommand::read(typed, text).unwrap().aim
}

fn lead_of(text: &str) -> Result<LeadDraft, Misuse> {
    with(text, |tokens, _| lead::parse(tokens))
}

fn deal_of(text: &str) -> Result<DealQuery, Misuse> {
    with(text, deal::parse)
}

fn me_of(text: &str) -> Result<MeAct, Misuse> {
    with(text, |tokens, _| me::parse(tokens))
}

/// Ways to type nothing, for people and for keyboards.
const NOTHING: [&str; 14] = [
    "",
    " ",
    "\u{a0}",
    "\u{200b}\u{a0}",
    "--public",
    " --public ",
    "\u{200b}--public",
    "—public",
    "–Public",
    "--PUBLIC",
    "−−public",
    "--публично",
    "--public --public",
    "| --public",
];

#[test]
fn what_is_acknowledged_is_what_opens() {
    for spec in crate::ALL {
        for text in NOTHING {
            for typed in [spec.typed.to_owned(), spec.typed.to_uppercase(), format!(" {} ", spec.typed)] {
                let is_acknowledged = acknowledgement(&typed, text, Language::En).is_some();
                let opens = aim(&typed, text) == CommandAim::Form;
                assert_ne!(is_acknowledged, opens, "{typed} {text:?}");
            }
        }
        // A word is text, even the word of the switch.
        for text in ["public", "x", "help", "x --public"] {
            assert!(acknowledgement(spec.typed, text, Language::En).is_some(), "{} {text:?}", spec.typed);
        }
        let opens = NOTHING.iter().filter(|text| aim(spec.typed, text) == CommandAim::Form).count();
        let form = matches!(spec.without_text, WithoutText::Form(_));
        // What is left of a bar and the switch is nothing, too.
        assert_eq!(opens, if form { NOTHING.len() } else { 0 }, "{}", spec.typed);
    }
    assert_eq!(acknowledgement("/b24-nonsense", "", Language::En), Some("Working on it …"));
}

#[test]
fn each_command_is_itself() {
    let mut ids: Vec<&str> = crate::ALL.iter().map(|spec| spec.typed).collect();
    ids.extend(crate::ALL.iter().filter_map(|spec| Some(spec.shortcut?.callback_id)));
    ids.extend(crate::ALL.iter().filter_map(|spec| match spec.without_text {
        WithoutText::Form(callback_id) => Some(callback_id),
        WithoutText::Help | WithoutText::Run => None,
    }));
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "{ids:?}");
    for spec in crate::ALL {
        assert_eq!(CommandSpec::find(spec.typed), Some(*spec));
        assert!(spec.documentation.0.starts_with(&format!("`{}", spec.typed)), "{:?}", spec.documentation);
        for language in Language::ALL {
            for example in language.text(spec.examples).lines() {
                let rest = example.strip_prefix(spec.typed);
                assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')), "{example}");
            }
        }
    }
}

#[test]
fn the_documentation_lists_the_commands() {
    const BEGIN: &str = "<!-- commands: made of shared/commands -->\n";
    const END: &str = "<!-- end of commands -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/talking.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let table = crate::documentation::table();
    if std::env::var("INSTA_UPDATE").is_ok_and(|wanted| wanted == "always") {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(listed, table, "INSTA_UPDATE=always writes it");
    }
}

#[test]
fn a_lead_is_a_company_and_a_comment() {
    for (text, company, comment) in [
        ("R&amp;D &lt;ACME&gt; | called *twice*", "R&D <ACME>", "called *twice*"),
        ("<http://acme.example|acme.example> | wants a new roof", "acme.example", "wants a new roof"),
        ("<mailto:dana@acme.example|dana@acme.example> | call back", "dana@acme.example", "call back"),
        ("<https://acme.example> | x", "https://acme.example", "x"),
        ("<https://acme.example|ACME> | x", "ACME", "x"),
        ("<tel:+49301234567|+49 30 1234567> | x", "+49 30 1234567", "x"),
        ("ACME <https://acme.example|acme.example> GmbH | x", "ACME acme.example GmbH", "x"),
        ("ACME ｜ x", "ACME", "x"),
        ("ACME | a | b | c", "ACME", "a | b | c"),
        ("ACME\u{a0}\u{200b}|\u{202f}x", "ACME", "x"),
        ("ACME\nGmbH | two\nlines", "ACME GmbH", "two\nlines"),
        ("Republic", "Republic", ""),
        ("ACME | they want to go public", "ACME", "they want to go public"),
        ("<@U1|dmitri> and sons | see <#C1|sales>", "@dmitri and sons", "see <#C1|sales>"),
        (
            "Smith &amp; Sons &lt;UK&gt; | see <https://x.example/a?b=1&amp;c=2|offer> and <@U0PERSON02|dmitri> in <#C0SAND0003|sales-pipeline>",
            "Smith & Sons <UK>",
            "see <https://x.example/a?b=1&amp;c=2|offer> and <@U0PERSON02|dmitri> in <#C0SAND0003|sales-pipeline>",
        ),
    ] {
        let draft = lead_of(text).unwrap();
        assert_eq!((draft.company.as_str(), draft.comment.as_str()), (company, comment), "{text}");
    }
    assert_eq!(aim("/B24-Lead", ""), CommandAim::Form);
    assert_eq!(aim("/b24-lead", "\u{200b}\u{a0}"), CommandAim::Form);
    for text in [" | x", "\u{200b}| x", "|", "\u{3000}｜ x"] {
        assert_eq!(lead_of(text), Err(Misuse::NoCompany), "{text}");
    }
    assert_eq!(aim("/b24-lead", "help\u{200b}"), CommandAim::Help);
}

#[test]
fn a_leads_text_says_how_to_reach_it() {
    let contacts = lead_of("<http://acme.example|acme.example> | Ann Lee, +49 30 1234567, <mailto:ann@acme.example|ann@acme.example>, see <https://docs.example/1|this>; order 4711234567, 150 000 EUR").unwrap().contacts;
    assert_eq!(contacts.phones, ["+49 30 1234567"]);
    assert_eq!(contacts.emails, ["ann@acme.example"]);
    assert_eq!(contacts.web, ["http://acme.example"]);
    assert_eq!(lead_of("<https://acme.example|ACME>").unwrap().contacts.web, ["https://acme.example"]);
}

#[test]
fn only_a_switch_publishes() {
    for (typed, text) in [
        ("/b24-lead", "ACME | x --public"),
        ("/b24-task", "—public Call"),
        ("/b24-deal", "42 --public"),
        ("/b24-status", "--public"),
        ("/b24-task", "Call | x | --public | tomorrow"),
    ] {
        assert!(TypedCommand::read(typed, text).unwrap().is_public, "{typed} {text}");
    }
    for (typed, text) in [
        ("/b24-lead", "ACME | x public"),
        ("/b24-task", "Make the docs public"),
        ("/b24-task", "Salary review | keep it between us, not public"),
        ("/b24-deal", "roof public"),
        ("/b24-lead", "Публично"),
    ] {
        assert!(!TypedCommand::read(typed, text).unwrap().is_public, "{typed} {text}");
    }
    assert_eq!(lead_of("ACME | they go public").unwrap().comment, "they go public");
    let draft = with("Make the docs public", task::parse).unwrap();
    assert_eq!(draft.name, "Make the docs public");
    assert_eq!(
        with("public", |tokens, _| status::parse(tokens)),
        Err(Misuse::TakesNoText(&StatusCommand::SPEC, "public".into()))
    );
    assert_eq!(
        with("ACME", |tokens, _| status::parse(tokens)),
        Err(Misuse::TakesNoText(&StatusCommand::SPEC, "ACME".into()))
    );
}

#[test]
fn a_deal_is_found_by_number_address_or_words() {
    for text in [
        "42",
        "#42",
        "№42",
        "№ 42",
        "deal 42",
        "Deal #42",
        "сделка 42",
        "\u{200b}42",
        "42\u{feff}",
        "\u{a0}42 ",
        "４２",
        "42.",
        "id 42",
        "<https://acme.bitrix24.com/crm/deal/details/42/>",
        "<https://acme.bitrix24.com/crm/deal/details/42/?x=1|deal>",
        "<https://ACME.bitrix24.com/crm/deal/details/42|acme.bitrix24.com/crm/deal/details/42>",
        "<https://acme.bitrix24.com/crm/deal/show/42/>",
        "<https://acme.bitrix24.com/crm/type/2/details/42/>",
        "acme.bitrix24.com/crm/deal/details/42/",
        "deal <https://acme.bitrix24.com/crm/deal/details/42/#tab>",
    ] {
        assert_eq!(deal_of(text), Ok(DealQuery::Id(42)), "{text}");
    }
    for text in ["roof for acme", "42 roofs", "deal with it", "<http://acme.example|acme.example>", "0", "dealer 42"] {
        assert!(matches!(deal_of(text), Ok(DealQuery::Words(_))), "{text}");
    }
    for (text, host) in [
        ("<https://other.bitrix24.com/crm/deal/details/61/>", "other.bitrix24.com"),
        ("<https://other.bitrix24.com/crm/deal/details/61/|our deal>", "other.bitrix24.com"),
        ("<https://acme.bitrix24.com@evil.example/crm/deal/details/61/>", "evil.example"),
        ("<https://acme.bitrix24.com.evil.example/crm/deal/details/61/>", "acme.bitrix24.com.evil.example"),
        ("other.bitrix24.com/crm/deal/details/61/", "other.bitrix24.com"),
    ] {
        assert_eq!(deal_of(text), Err(Misuse::OtherPortal(host.into(), "acme.bitrix24.com".into())), "{text}");
    }
    assert!(matches!(deal_of("<https://acme.bitrix24.com/crm/lead/details/61/>"), Err(Misuse::NotADeal(_))));
    assert_eq!(deal_of("<https://acme.bitrix24.com/crm/deal/details/61/> now"), Err(Misuse::LeftOver("now".into())));
    assert_eq!(aim("/b24-deal", ""), CommandAim::Help);
}

#[test]
fn a_chat_and_a_person_are_named_in_any_way_that_people_see_them() {
    for text in ["chat57", "57", "Chat57", "\u{200b}57", "<https://acme.bitrix24.com/online/?IM_DIALOG=chat57>"] {
        assert_eq!(with(text, bridge::parse), Ok(BridgeAct::Join("chat57".into())), "{text}");
    }
    assert_eq!(with("off", bridge::parse), Ok(BridgeAct::Part));
    assert_eq!(with("sales", bridge::parse), Err(Misuse::Chat("sales".into())));
    let other = with("<https://other.bitrix24.com/online/?IM_DIALOG=chat57>", bridge::parse);
    assert!(matches!(other, Err(Misuse::OtherPortal(..))), "{other:?}");
    assert_eq!(me_of(" Allow "), Ok(MeAct::Allow));
    assert_eq!(me_of("K7M2\u{2011}QX4P"), Ok(MeAct::Prove("K7M2-QX4P".into())));
    assert_eq!(me_of("<mailto:Ann@Corp.example|Ann@Corp.example>"), Ok(MeAct::Ask("ann@corp.example".into())));
    assert_eq!(me_of("ann@corp.example please"), Err(Misuse::LeftOver("ann@corp.example please".into())));
    assert!(TypedCommand::read("/other", "x").is_none());
}

fn filled_in(text: &str) -> TaskForm {
    with(text, TaskForm::of_typed)
}

#[test]
fn a_form_is_filled_in_with_all_that_was_typed() {
    let expected = TaskForm {
        name: "Call them (https://a.example) & co".into(),
        description: "*now* <@U9|eva>".into(),
        assignee: "U2".into(),
        accomplices: vec!["U3".into()],
        deadline: "tomorrow maybe".into(),
        ..TaskForm::default()
    };
    assert_eq!(
        filled_in(
            "Call <https://a.example|them> &amp; co | *now* <@U9|eva> | <@U2|dmitri> <@U3|elena> | tomorrow maybe"
        ),
        expected
    );
    let form = filled_in("Call | x | Ann | tomorrow | and more");
    assert_eq!((form.description.as_str(), form.deadline.as_str()), ("x\nAnn\nand more", "tomorrow"));
    #[cfg(feature = "act")]
    {
        let form = |spec, text| with(text, |tokens, context| crate::table::filled_in(spec, tokens, context));
        let lead = serde_json::json!({"company": "", "comment": "only <this>"});
        assert_eq!(form(&LeadCommand::SPEC, " | only &lt;this&gt;"), Some(lead));
        assert_eq!(form(&StatusCommand::SPEC, "ACME"), None);
    }
}

#[test]
fn a_long_name_loses_nothing() {
    let long = "word ".repeat(100);
    let form = filled_in(&format!("{long} | x | Ann"));
    assert!(
        form.name.chars().count() <= MAX_NAME
            && form.description.starts_with(long.trim())
            && form.description.ends_with("x\nAnn")
    );
}

#[test]
fn what_is_wrong_is_said_at_its_field() {
    let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
    let fields = |callback_id: &str, values: &[(&str, &str)]| {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let origin = FormOrigin { zone: "Europe/Berlin".into(), ..FormOrigin::default() };
        let form = SubmittedForm { callback_id, origin, values: &values };
        crate::form_problems(&form, now).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(fields(NEW_LEAD, &[("company", " \u{200b}\u{a0}")]), ["company"]);
    assert_eq!(fields(NEW_LEAD, &[("company", "ACME")]), Vec::<String>::new());
    assert_eq!(fields(NEW_TASK, &[("name", " "), ("deadline", "2020-01-01")]), ["deadline", "name"]);
    assert_eq!(fields(NEW_TASK, &[("name", "x"), ("deadline", "2026-11-21")]), Vec::<String>::new());
    for words in ["yesterday", "tomorrow maybe", "9:59", "5/6"] {
        assert_eq!(fields(NEW_TASK, &[("name", "x"), ("deadline_words", words)]), ["deadline_words"], "{words}");
    }
    assert_eq!(fields(NEW_TASK, &[("name", "x"), ("deadline_words", "10:30")]), Vec::<String>::new());
    assert_eq!(
        fields(NEW_TASK, &[("name", "x"), ("deadline", "2026-12-01"), ("deadline_words", "friday")]),
        ["deadline_words"]
    );
    assert_eq!(fields(DEAL_COMMENT, &[]), ["comment"]);
    assert_eq!(fields("unknown", &[]), Vec::<String>::new());
}

#[test]
fn only_people_chosen_for_a_task_must_be_linked() {
    let values = [("assignee", "U1"), ("accomplices", "U2,U3")].map(|(name, ids)| (name.to_owned(), ids.to_owned()));
    let values = values.into_iter().collect();
    let chosen = |callback_id| {
        crate::chosen_people(&SubmittedForm { callback_id, origin: FormOrigin::default(), values: &values })
    };
    let all = [("assignee", "U1"), ("accomplices", "U2"), ("accomplices", "U3")];
    assert_eq!(chosen(NEW_TASK), all.map(|(field, id)| (field, id.to_owned())));
    assert!(chosen(NEW_LEAD).is_empty());
}

proptest! {
    #[test]
    fn nothing_that_is_typed_makes_it_fall(
        text in "(\\PC{0,4}|[|｜<>@#&; ]|<@U1\\|a>|<#C1>|<https://acme.bitrix24.com/crm/deal/details/1/\\|x>|--public|tomorrow|me|@ann|in 2 hours){0,14}",
        which in 0usize..crate::ALL.len(),
    ) {
        let _ = TypedCommand::read(crate::ALL[which].typed, &text);
        let _ = (lead_of(&text), deal_of(&text), me_of(&text), with(&text, bridge::parse));
        let _ = (with(&text, task::parse), with(&text, TaskForm::of_typed), people::to_look_up(&text));
    }

    #[test]
    fn a_lead_keeps_every_word(words in proptest::collection::vec("[a-zA-Zа-я0-9]{1,8}|\\|", 1..12)) {
        let text = words.join(" ");
        if let Ok(draft) = lead_of(&text) {
            let kept = format!("{} {}", draft.company, draft.comment);
            for word in words.iter().filter(|word| *word != "|") {
                prop_assert!(kept.split(' ').any(|kept| kept == word), "{}: {}", word, kept);
            }
        }
    }
}
