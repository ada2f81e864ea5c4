use super::*;
use crate::people::Known;
use proptest::prelude::*;

fn now() -> Zoned {
    "2026-11-21T10:00:00+01:00[Europe/Berlin]".parse().unwrap()
}

fn directory() -> Directory {
    let person = |id, name: &str, email: &str| Known::new(Assignee::Portal(id), name, [email.to_owned()]);
    Directory::new([
        person(1, "Дмитрий Соколова", "dmitri@corp.example"),
        person(2, "Ann Lee", "ann@corp.example"),
        person(3, "Ann Ray", "ray@corp.example"),
    ])
}

fn parsed(typed: &str, text: &str) -> Result<Parsed, Misuse> {
    let (now, directory) = (now(), directory());
    parse(
        typed,
        text,
        &Context { now: &now, language: Language::En, portal: "acme.bitrix24.com", directory: &directory },
    )
}

fn command(typed: &str, text: &str) -> Result<Command, Misuse> {
    parsed(typed, text).map(|parsed| parsed.command)
}

fn lead_of(text: &str) -> LeadDraft {
    match command("/b24-lead", text) {
        Ok(Command::Lead(draft)) => draft,
        other => panic!("{text}: {other:?}"),
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
        let draft = lead_of(text);
        assert_eq!((draft.company.as_str(), draft.comment.as_str()), (company, comment), "{text}");
    }
    assert_eq!(command("/B24-Lead", ""), Ok(Command::Dialog(Name::Lead)));
    assert_eq!(command("/b24-lead", "\u{200b}\u{a0}"), Ok(Command::Dialog(Name::Lead)));
    for text in [" | x", "\u{200b}| x", "|", "\u{3000}｜ x"] {
        assert_eq!(command("/b24-lead", text), Err(Misuse::NoName(Name::Lead)), "{text}");
    }
    assert_eq!(command("/b24-lead", "help\u{200b}"), Ok(Command::Help(Name::Lead)));
}

#[test]
fn a_leads_text_says_how_to_reach_it() {
    let contacts = lead_of("<http://acme.example|acme.example> | Ann Lee, +49 30 1234567, <mailto:ann@acme.example|ann@acme.example>, see <https://docs.example/1|this>; order 4711234567, 150 000 EUR").contacts;
    assert_eq!(contacts.phones, ["+49 30 1234567"]);
    assert_eq!(contacts.emails, ["ann@acme.example"]);
    assert_eq!(contacts.web, ["http://acme.example"]);
    assert_eq!(lead_of("<https://acme.example|ACME>").contacts.web, ["https://acme.example"]);
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
        assert!(parsed(typed, text).unwrap().public, "{typed} {text}");
    }
    for (typed, text) in [
        ("/b24-lead", "ACME | x public"),
        ("/b24-task", "Make the docs public"),
        ("/b24-task", "Salary review | keep it between us, not public"),
        ("/b24-deal", "roof public"),
        ("/b24-lead", "Публично"),
    ] {
        assert!(!parsed(typed, text).unwrap().public, "{typed} {text}");
    }
    assert_eq!(lead_of("ACME | they go public").comment, "they go public");
    let Ok(Command::Task(draft)) = command("/b24-task", "Make the docs public") else { panic!() };
    assert_eq!(draft.name, "Make the docs public");
    assert_eq!(command("/b24-status", "public"), Err(Misuse::TakesNoText(Name::Status, "public".into())));
    assert_eq!(command("/b24-status", "ACME"), Err(Misuse::TakesNoText(Name::Status, "ACME".into())));
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
        assert_eq!(command("/b24-deal", text), Ok(Command::Deal(DealQuery::Id(42))), "{text}");
    }
    for text in ["roof for acme", "42 roofs", "deal with it", "<http://acme.example|acme.example>", "0", "dealer 42"] {
        assert!(matches!(command("/b24-deal", text), Ok(Command::Deal(DealQuery::Words(_)))), "{text}");
    }
    for (text, host) in [
        ("<https://other.bitrix24.com/crm/deal/details/61/>", "other.bitrix24.com"),
        ("<https://other.bitrix24.com/crm/deal/details/61/|our deal>", "other.bitrix24.com"),
        ("<https://acme.bitrix24.com@evil.example/crm/deal/details/61/>", "evil.example"),
        ("<https://acme.bitrix24.com.evil.example/crm/deal/details/61/>", "acme.bitrix24.com.evil.example"),
        ("other.bitrix24.com/crm/deal/details/61/", "other.bitrix24.com"),
    ] {
        assert_eq!(
            command("/b24-deal", text),
            Err(Misuse::OtherPortal(host.into(), "acme.bitrix24.com".into())),
            "{text}"
        );
    }
    assert!(matches!(
        command("/b24-deal", "<https://acme.bitrix24.com/crm/lead/details/61/>"),
        Err(Misuse::NotADeal(_))
    ));
    assert_eq!(
        command("/b24-deal", "<https://acme.bitrix24.com/crm/deal/details/61/> now"),
        Err(Misuse::LeftOver("now".into()))
    );
    assert_eq!(command("/b24-deal", ""), Ok(Command::Help(Name::Deal)));
}

#[test]
fn a_chat_and_a_person_are_named_in_any_way_that_people_see_them() {
    for text in ["chat57", "57", "Chat57", "\u{200b}57", "<https://acme.bitrix24.com/online/?IM_DIALOG=chat57>"] {
        assert_eq!(command("/b24-bridge", text), Ok(Command::Bridge(BridgeAct::Join("chat57".into()))), "{text}");
    }
    assert_eq!(command("/b24-bridge", "off"), Ok(Command::Bridge(BridgeAct::Part)));
    assert_eq!(command("/b24-bridge", "sales"), Err(Misuse::Chat("sales".into())));
    let other = command("/b24-bridge", "<https://other.bitrix24.com/online/?IM_DIALOG=chat57>");
    assert!(matches!(other, Err(Misuse::OtherPortal(..))), "{other:?}");
    assert_eq!(command("/b24-me", " Allow "), Ok(Command::Me(MeAct::Allow)));
    assert_eq!(command("/b24-me", "K7M2\u{2011}QX4P"), Ok(Command::Me(MeAct::Prove("K7M2-QX4P".into()))));
    assert_eq!(
        command("/b24-me", "<mailto:Ann@Corp.example|Ann@Corp.example>"),
        Ok(Command::Me(MeAct::Ask("ann@corp.example".into())))
    );
    assert_eq!(command("/b24-me", "ann@corp.example please"), Err(Misuse::LeftOver("ann@corp.example please".into())));
    assert_eq!(command("/other", "x"), Err(Misuse::Unknown("/other".into())));
    assert!(
        opens_a_form("/B24-TASK", "\u{200b}\u{a0}")
            && !opens_a_form("/b24-task", "x")
            && !opens_a_form("/b24-deal", "")
    );
}

proptest! {
    #[test]
    fn nothing_that_is_typed_makes_it_fall(
        text in "(\\PC{0,4}|[|｜<>@#&; ]|<@U1\\|a>|<#C1>|<https://acme.bitrix24.com/crm/deal/details/1/\\|x>|--public|tomorrow|me|@ann|in 2 hours){0,14}",
        which in 0usize..6,
    ) {
        let name = Name::ALL[which];
        let _ = parsed(name.typed(), &text);
        let (now, directory) = (now(), directory());
        let context = Context { now: &now, language: Language::Ru, portal: "acme.bitrix24.com", directory: &directory };
        let _ = forms::of_typed(name, &text, &context);
        let _ = people::to_look_up(&text);
    }

    #[test]
    fn a_lead_keeps_every_word(words in proptest::collection::vec("[a-zA-Zа-я0-9]{1,8}|\\|", 1..12)) {
        let text = words.join(" ");
        if let Ok(Command::Lead(draft)) = command("/b24-lead", &text) {
            let kept = format!("{} {}", draft.company, draft.comment);
            for word in words.iter().filter(|word| *word != "|") {
                prop_assert!(kept.split(' ').any(|kept| kept == word), "{}: {}", word, kept);
            }
        }
    }
}
