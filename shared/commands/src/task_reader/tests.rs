//! How tasks are read from what people type.

use jiff::Zoned;
use locale::Language;
use proptest::prelude::*;

use super::*;
use crate::people::{Directory, KnownPerson};

fn now() -> Zoned {
    "2026-11-21T10:00:00+01:00[Europe/Berlin]".parse().unwrap()
}

fn directory() -> Directory {
    let person = |id, name: &str, email: &str| KnownPerson::new(Assignee::Portal(id), name, [email.to_owned()]);
    Directory::new([
        person(1, "Дмитрий Соколова", "dmitri@corp.example"),
        person(2, "Ann Lee", "ann@corp.example"),
        person(3, "Ann Ray", "ray@corp.example"),
        person(4, "Bob Hill", "bob@corp.example"),
    ])
}

fn reading(text: &str) -> TaskReading {
    let (now, directory) = (now(), directory());
    let context = CommandContext { now: &now, language: Language::En, portal: "p", directory: &directory };
    let tokens = reader::tokens(text);
    read(reader::trim(&tokens), &context)
}

/// A task as one line: name, description, people, deadline.
fn shown(text: &str) -> Result<String, Misuse> {
    let read = reading(text);
    if let Some(problem) = read.problem {
        return Err(problem);
    }
    let people: Vec<String> = read
        .people
        .iter()
        .map(|person| match person {
            Assignee::Me => "me".into(),
            Assignee::Slack(id) | Assignee::Email(id) => id.clone(),
            Assignee::Portal(id) => format!("#{id}"),
        })
        .collect();
    let deadline =
        read.deadline.map(|(at, _)| at.to_zoned(now().time_zone().clone()).strftime("%m-%d %H:%M").to_string());
    Ok(format!("{} / {} / {} / {}", read.name, read.description, people.join(" "), deadline.unwrap_or_default()))
}

#[test]
fn each_part_has_its_place_and_what_is_plain_is_taken_anywhere() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("Call ACME | about the roof | <@U2|dmitri> | tomorrow 15:00", "Call ACME / about the roof / U2 / 11-22 15:00"),
        (
            "Prepare offer | for ACME | <@U2|dmitri> | tomorrow\u{a0}15:00",
            "Prepare offer / for ACME / U2 / 11-22 15:00",
        ),
        (
            "Prepare offer | for ACME | <@U2|dmitri> <@U3|elena> | tomorrow",
            "Prepare offer / for ACME / U2 U3 / 11-22 19:00",
        ),
        ("Prepare offer | for ACME | <@U2>, <@U3> and <@U4>", "Prepare offer / for ACME / U2 U3 U4 / "),
        ("Prepare offer | x | <@U2> <@U2>", "Prepare offer / x / U2 / "),
        ("Call ACME", "Call ACME /  /  / "),
        ("Call ACME | <@U2>", "Call ACME /  / U2 / "),
        ("Call ACME | tomorrow", "Call ACME /  /  / 11-22 19:00"),
        ("Call ACME | <@U2> | tomorrow", "Call ACME /  / U2 / 11-22 19:00"),
        ("Call ACME | tomorrow | <@U2>", "Call ACME /  / U2 / 11-22 19:00"),
        ("Call ACME | <@U2> tomorrow", "Call ACME /  / U2 / 11-22 19:00"),
        ("Call ACME | tomorrow <@U2>", "Call ACME /  / U2 / 11-22 19:00"),
        ("Call ACME | <@U2> | tomorrow | bring samples", "Call ACME / bring samples / U2 / 11-22 19:00"),
        ("Call ACME | tomorrow | bring samples", "Call ACME / bring samples /  / 11-22 19:00"),
        ("Call ACME <@U2> tomorrow", "Call ACME /  / U2 / 11-22 19:00"),
        ("Call ACME tomorrow <@U2>", "Call ACME /  / U2 / 11-22 19:00"),
        ("Call ACME, tomorrow 5pm", "Call ACME /  /  / 11-22 17:00"),
        ("Call ACME by 25.12", "Call ACME /  /  / 12-25 19:00"),
        ("Call ACME at 17", "Call ACME /  /  / 11-21 17:00"),
        ("Call Ann fri 15:00", "Call Ann /  /  / 11-27 15:00"),
        ("Call ACME 25.12 15:00", "Call ACME /  /  / 12-25 15:00"),
        ("Pay rent 25th 5pm", "Pay rent /  /  / 11-25 17:00"),
        ("Call ACME <@U2> <@U3> friday", "Call ACME /  / U2 U3 / 11-27 19:00"),
        ("<@U2> call ACME", "call ACME /  / U2 / "),
        ("<@U2>, <@U3>: call ACME | now", "call ACME / now / U2 U3 / "),
        ("Call ACME @Дмитрий Соколова tomorrow", "Call ACME /  / #1 / 11-22 19:00"),
        ("Call ACME @dmitri", "Call ACME /  / #1 / "),
        ("@Дмитрий Соколова call ACME", "call ACME /  / #1 / "),
        ("Call ACME | x | @Ann Lee", "Call ACME / x / #2 / "),
        ("Call ACME | x | ann lee and Bob Hill", "Call ACME / x / #2 #4 / "),
        ("Call ACME | Ann Lee", "Call ACME /  / #2 / "),
        ("Call ACME | x | <mailto:ann@corp.example|ann@corp.example>", "Call ACME / x / #2 / "),
        ("Call ACME | <mailto:ann@corp.example|ann@corp.example> | tomorrow", "Call ACME /  / #2 / 11-22 19:00"),
        ("Call ACME | | <mailto:zoe@corp.example|zoe@corp.example>", "Call ACME /  / zoe@corp.example / "),
        ("Call ACME ann@corp.example", "Call ACME /  / #2 / "),
        ("Call ACME | x | me", "Call ACME / x / me / "),
        ("Call ACME | x | @me", "Call ACME / x / me / "),
        ("Call ACME | x | “me”", "Call ACME / x / me / "),
        ("Call ACME | x | \"<@U2>\"", "Call ACME / x / U2 / "),
        ("Позвонить | x | мне | завтра в 15:00", "Позвонить / x / me / 11-22 15:00"),
        ("Позвонить в АКМЕ через 2 часа", "Позвонить в АКМЕ /  /  / 11-21 12:00"),
        ("Call | <!date^1796000000^{date}|later>", "Call /  /  / 11-30 01:53"),
        ("Call ACME｜x｜<@U2>", "Call ACME / x / U2 / "),
        ("Call\nACME\n| x", "Call ACME / x /  / "),
        ("Call <https://a.example|them> | now", "Call them (https://a.example) / now /  / "),
        ("Look at <http://acme.example|acme.example>", "Look at acme.example /  /  / "),
    ] {
        if shown(text).as_deref() != Ok(expected) {
            wrong.push(format!("{text}: {:?}", shown(text)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_belongs_to_the_sentence_stays_in_it() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("Ask <@U2|dmitri> about the roof", "Ask @dmitri about the roof /  /  / "),
        ("Talk with <@U2|dmitri>", "Talk with @dmitri /  /  / "),
        ("Write to <mailto:ann@corp.example|ann@corp.example>", "Write to ann@corp.example /  /  / "),
        ("Write to zoe@acme.example", "Write to zoe@acme.example /  /  / "),
        ("Ask <@U2|dmitri>", "Ask @dmitri /  / U2 / "),
        ("Offer for <@U2|dmitri>", "Offer for @dmitri /  / U2 / "),
        ("Report for tomorrow", "Report for tomorrow /  /  / "),
        ("Agenda for tomorrow 15:00", "Agenda for tomorrow 15:00 /  /  / "),
        ("Prepare report 25.12.2025 15:00", "Prepare report 25.12.2025 15:00 /  /  / "),
        ("Report from yesterday 15:00", "Report from yesterday 15:00 /  /  / "),
        ("Call Feb 30 15:00", "Call Feb 30 15:00 /  /  / "),
        ("Workshop tomorrow 2 hours", "Workshop tomorrow 2 hours /  /  / "),
        ("Invoice of 2020-01-01", "Invoice of 2020-01-01 /  /  / "),
        ("Release 1.3", "Release 1.3 /  /  / "),
        ("Enjoy the sun", "Enjoy the sun /  /  / "),
        ("Plan for May 5", "Plan for May 5 /  /  / "),
        ("Call ACME friday | x | | monday", "Call ACME friday / x /  / 11-23 19:00"),
        ("Check <@U9|eva> | x | <@U2>", "Check @eva / x / U2 / "),
        ("Call | meet <@U2|dmitri> tomorrow", "Call / meet <@U2|dmitri> tomorrow /  / "),
        ("Call | see you tomorrow", "Call / see you tomorrow /  / "),
        ("Call | *bold* &amp; <https://a.example|this>", "Call / *bold* &amp; <https://a.example|this> /  / "),
        ("Call | Ann", "Call / Ann /  / "),
    ] {
        if shown(text).as_deref() != Ok(expected) {
            wrong.push(format!("{text}: {:?}", shown(text)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_has_no_place_is_refused_by_name() {
    let deadline = |words: &str| Misuse::Deadline(words.into(), DeadlineProblem::Unknown);
    for (text, expected) in [
        ("Call | x | Ann", Misuse::Assignee("Ann".into())),
        ("Call | x | | someday", deadline("someday")),
        ("Call | x | <@U2> | tomorrow maybe", deadline("tomorrow maybe")),
        ("Call | x | tomorrow maybe", deadline("tomorrow maybe")),
        ("Call | x | <@U2> | 32.01", deadline("32.01")),
        ("Call | x | <@U2> | 25:00", deadline("25:00")),
        ("Call | x | <@U2> | tomorrow | more", Misuse::LeftOver("more".into())),
        ("Call | x | <@U2> please", Misuse::Assignee("@someone please".into())),
        ("Call | x | <!subteam^S1|@sales>", Misuse::Assignee("@sales".into())),
        ("Call | x | <#C1|sales>", Misuse::Assignee("#sales".into())),
        ("Call ACME @zoe", Misuse::Assignee("@zoe".into())),
        ("Call ACME @zoe tomorrow", Misuse::Assignee("@zoe".into())),
        ("Call | @zoe", Misuse::Assignee("@zoe".into())),
        ("Call | x | tomorrow | friday", Misuse::LeftOver("friday".into())),
        ("| x", Misuse::NoTaskName),
        ("<@U2> tomorrow", Misuse::NoTaskName),
    ] {
        assert_eq!(shown(text), Err(expected), "{text}");
    }
    for text in ["Call | x | @Ann", "Call | x | Ann Lee and @Ann", "Call ACME @ann"] {
        let Err(Misuse::WhichPerson(_, people)) = shown(text) else { panic!("{text}: {:?}", shown(text)) };
        assert_eq!(people, ["Ann Lee (ann@corp.example)", "Ann Ray (ray@corp.example)"], "{text}");
    }
    for text in ["Call | x | | 2020-01-01", "Call | yesterday", "Call | <@U2> yesterday", "Call ACME by 2020-01-01"] {
        assert!(matches!(shown(text), Err(Misuse::Deadline(_, DeadlineProblem::Past(_)))), "{text}: {:?}", shown(text));
    }
    assert!(matches!(shown("Call | x | | 5/6"), Err(Misuse::Deadline(_, DeadlineProblem::Ambiguous(..)))));
}

/// Everything that a reading holds, in words.
fn held(reading: &TaskReading) -> String {
    let deadline = reading.deadline.as_ref().map(|(_, words)| words.as_str()).unwrap_or_default();
    let all = [
        &[reading.name.as_str(), &reading.description, deadline][..],
        &reading.people_words.iter().map(String::as_str).collect::<Vec<_>>(),
        &reading.left.iter().map(String::as_str).collect::<Vec<_>>(),
    ]
    .concat();
    all.join(" ").to_lowercase()
}

proptest! {
    #[test]
    fn no_text_loses_a_word(
        units in proptest::collection::vec("[a-z]{3,8}|<@U[1-4]>|\\||tomorrow|friday|15:00|5pm|@ann lee|@zoe|@bob|me|in 2 hours|someday|5/6|yesterday|<mailto:zoe@corp\\.example\\|zoe@corp\\.example>|25\\.12\\.2027", 1..12),
    ) {
        let text = format!("name {}", units.join(" "));
        let read = reading(&text);
        let held = held(&read);
        for token in reader::tokens(&text).iter().filter(|token| !token.is_blank() && token.unit != TokenUnit::Bar) {
            let word = token.typed().to_lowercase();
            if word == "and" {
                continue;
            }
            // Somebody whom Slack does not name is "someone" in words.
            let is_id = matches!(&token.unit, TokenUnit::Person { id, .. }
                if held.contains(&id.to_lowercase()) || held.contains("@someone"));
            prop_assert!(is_id || held.contains(&word), "{}: {} is not in {} ({:?})", text, word, held, read);
        }
        // Two tries at the same text come to the same.
        prop_assert_eq!(read, reading(&text));
    }
}

#[test]
fn reading_is_linear() {
    for piece in ["tomorrow ", "<@U1> ", "@ann ", "| x ", "| tomorrow maybe ", "and ", "<"] {
        let work = |count: usize| steps::of(|| reading(&format!("name {}", piece.repeat(count)))).1;
        let (short, long) = (work(400), work(800));
        assert!(long <= short * 5 / 2, "{piece}: {short} {long}");
    }
}
