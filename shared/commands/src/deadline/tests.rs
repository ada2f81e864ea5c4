//! Which words are a deadline, and which moment they mean.

use jiff::ToSpan;
use proptest::prelude::*;

use super::*;

/// A Saturday, ten in the morning in Berlin.
fn now() -> Zoned {
    "2026-11-21T10:00:00+01:00[Europe/Berlin]".parse().unwrap()
}

fn read(words: &str, language: Language) -> Result<String, DeadlineProblem> {
    let zone = now().time_zone().clone();
    parse(words, &now(), language).map(|found| found.at.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string())
}

#[test]
fn what_people_say_is_understood() {
    for (words, expected) in [
        ("today", "2026-11-21 19:00"),
        ("Tomorrow", "2026-11-22 19:00"),
        ("“tomorrow”", "2026-11-22 19:00"),
        ("day after tomorrow", "2026-11-23 19:00"),
        ("the day after tomorrow", "2026-11-23 19:00"),
        ("tomorrow 15:00", "2026-11-22 15:00"),
        ("tomorrow\u{a0}15:00", "2026-11-22 15:00"),
        ("tomorrow\u{202f}\u{200b}15:00", "2026-11-22 15:00"),
        ("tomorrow, 15:00", "2026-11-22 15:00"),
        ("tomorrow at 15:00", "2026-11-22 15:00"),
        ("15:00 tomorrow", "2026-11-22 15:00"),
        ("tomorrow 5pm", "2026-11-22 17:00"),
        ("5pm tomorrow", "2026-11-22 17:00"),
        ("tomorrow 5 pm", "2026-11-22 17:00"),
        ("tomorrow 5 p.m.", "2026-11-22 17:00"),
        ("tomorrow at 5:30 pm", "2026-11-22 17:30"),
        ("tomorrow 5.30pm", "2026-11-22 17:30"),
        ("tomorrow at 17", "2026-11-22 17:00"),
        ("tomorrow 17h", "2026-11-22 17:00"),
        ("17h", "2026-11-21 17:00"),
        ("17h30", "2026-11-21 17:30"),
        ("at 17", "2026-11-21 17:00"),
        ("5pm", "2026-11-21 17:00"),
        ("5:30 pm", "2026-11-21 17:30"),
        ("12pm", "2026-11-21 12:00"),
        ("tomorrow 12am", "2026-11-22 00:00"),
        ("18:00", "2026-11-21 18:00"),
        ("noon", "2026-11-21 12:00"),
        ("tomorrow at noon", "2026-11-22 12:00"),
        ("midnight", "2026-11-22 00:00"),
        ("24:00", "2026-11-22 00:00"),
        ("tonight", "2026-11-21 21:00"),
        ("tonight at 8", "2026-11-21 20:00"),
        ("tonight 22:00", "2026-11-21 22:00"),
        ("this evening", "2026-11-21 19:00"),
        ("tomorrow morning", "2026-11-22 09:00"),
        ("monday afternoon", "2026-11-23 15:00"),
        ("eod", "2026-11-21 19:00"),
        ("EOD", "2026-11-21 19:00"),
        ("by eod", "2026-11-21 19:00"),
        ("by the end of the day", "2026-11-21 19:00"),
        ("eod friday", "2026-11-27 19:00"),
        ("tomorrow eod", "2026-11-22 19:00"),
        ("eow", "2026-11-27 19:00"),
        ("end of week", "2026-11-27 19:00"),
        ("next week", "2026-11-27 19:00"),
        ("end of month", "2026-11-30 19:00"),
        ("end of the month", "2026-11-30 19:00"),
        ("end of next month", "2026-12-31 19:00"),
        ("end of quarter", "2026-12-31 19:00"),
        ("eoy", "2026-12-31 19:00"),
        ("in 2 hours", "2026-11-21 12:00"),
        ("in 30 min", "2026-11-21 10:30"),
        ("in 30 minutes", "2026-11-21 10:30"),
        ("in an hour", "2026-11-21 11:00"),
        ("in half an hour", "2026-11-21 10:30"),
        ("in 1.5 hours", "2026-11-21 11:30"),
        ("in 2h", "2026-11-21 12:00"),
        ("in 3 days", "2026-11-24 19:00"),
        ("in three days", "2026-11-24 19:00"),
        ("in 3 days at 15:00", "2026-11-24 15:00"),
        ("in 2 weeks", "2026-12-05 19:00"),
        ("in a week", "2026-11-28 19:00"),
        ("in 1 month", "2026-12-21 19:00"),
        ("friday", "2026-11-27 19:00"),
        ("on friday at 9:00", "2026-11-27 09:00"),
        ("by friday", "2026-11-27 19:00"),
        ("friday 3pm", "2026-11-27 15:00"),
        ("saturday", "2026-11-28 19:00"),
        ("this saturday", "2026-11-21 19:00"),
        ("monday", "2026-11-23 19:00"),
        ("next monday", "2026-11-23 19:00"),
        ("next mon", "2026-11-23 19:00"),
        ("next saturday", "2026-11-28 19:00"),
        ("25th", "2026-11-25 19:00"),
        ("the 25th", "2026-11-25 19:00"),
        ("on the 20th", "2026-12-20 19:00"),
        ("31st", "2026-12-31 19:00"),
        ("25 Dec", "2026-12-25 19:00"),
        ("Dec 25", "2026-12-25 19:00"),
        ("dec 25th", "2026-12-25 19:00"),
        ("25th of december", "2026-12-25 19:00"),
        ("December 25, 2027", "2027-12-25 19:00"),
        ("25 dec 2027 15:00", "2027-12-25 15:00"),
        ("friday, 25 dec", "2026-12-25 19:00"),
        ("12/25", "2026-12-25 19:00"),
        ("25/12", "2026-12-25 19:00"),
        ("12/12", "2026-12-12 19:00"),
        ("12/25/2027", "2027-12-25 19:00"),
        ("25.12", "2026-12-25 19:00"),
        ("25.12.", "2026-12-25 19:00"),
        ("1.3.", "2027-03-01 19:00"),
        ("25.12.27", "2027-12-25 19:00"),
        ("25.12.2026 15:00", "2026-12-25 15:00"),
        ("29.2", "2028-02-29 19:00"),
        ("2026-12-25", "2026-12-25 19:00"),
        ("2026‑12‑25", "2026-12-25 19:00"),
        ("2026/12/25", "2026-12-25 19:00"),
        ("2026-12-25 15:00", "2026-12-25 15:00"),
        ("2026-12-25T15:00", "2026-12-25 15:00"),
        ("2026-12-25T15:00:00Z", "2026-12-25 16:00"),
        ("2026-12-25T15:00:00+03:00", "2026-12-25 13:00"),
    ] {
        assert_eq!(read(words, Language::En).as_deref(), Ok(expected), "{words}");
    }
}

#[test]
fn what_people_say_in_russian_is_understood() {
    for (words, expected) in [
        ("сегодня", "2026-11-21 19:00"),
        ("завтра", "2026-11-22 19:00"),
        ("послезавтра", "2026-11-23 19:00"),
        ("завтра в 15:00", "2026-11-22 15:00"),
        ("завтра в 15.00", "2026-11-22 15:00"),
        ("завтра к 15", "2026-11-22 15:00"),
        ("в 15:00 завтра", "2026-11-22 15:00"),
        ("завтра в 5 вечера", "2026-11-22 17:00"),
        ("завтра в 9 утра", "2026-11-22 09:00"),
        ("завтра утром", "2026-11-22 09:00"),
        ("сегодня вечером", "2026-11-21 19:00"),
        ("завтра в полдень", "2026-11-22 12:00"),
        ("в 17 часов", "2026-11-21 17:00"),
        ("17ч", "2026-11-21 17:00"),
        ("через 2 часа", "2026-11-21 12:00"),
        ("через час", "2026-11-21 11:00"),
        ("через полчаса", "2026-11-21 10:30"),
        ("через 30 минут", "2026-11-21 10:30"),
        ("через 3 дня", "2026-11-24 19:00"),
        ("через три дня", "2026-11-24 19:00"),
        ("через неделю", "2026-11-28 19:00"),
        ("через месяц", "2026-12-21 19:00"),
        ("конец дня", "2026-11-21 19:00"),
        ("до конца дня", "2026-11-21 19:00"),
        ("до конца недели", "2026-11-27 19:00"),
        ("к концу месяца", "2026-11-30 19:00"),
        ("конец года", "2026-12-31 19:00"),
        ("пятница", "2026-11-27 19:00"),
        ("в пятницу", "2026-11-27 19:00"),
        ("во вторник в 10:00", "2026-11-24 10:00"),
        ("до пятницы", "2026-11-27 19:00"),
        ("пт", "2026-11-27 19:00"),
        ("в следующий понедельник", "2026-11-23 19:00"),
        ("на следующей неделе", "2026-11-27 19:00"),
        ("25-го", "2026-11-25 19:00"),
        ("25 числа", "2026-11-25 19:00"),
        ("25 декабря", "2026-12-25 19:00"),
        ("25 декабря 2027 г.", "2027-12-25 19:00"),
        ("до 25 декабря", "2026-12-25 19:00"),
        ("не позднее 25.12", "2026-12-25 19:00"),
        ("3 марта", "2027-03-03 19:00"),
        ("05/06", "2027-06-05 19:00"),
    ] {
        assert_eq!(read(words, Language::Ru).as_deref(), Ok(expected), "{words}");
    }
}

#[test]
fn half_of_a_day_is_never_guessed() {
    for words in ["tomorrow 2h", "friday 3 hours", "tonight at 12", "this afternoon at 4", "tomorrow 13pm"] {
        assert!(read(words, Language::En).is_err(), "{words}: {:?}", read(words, Language::En));
    }
    for words in ["завтра в 3 часа", "завтра в 12 вечера", "завтра в 11 дня", "завтра в 5 ночи"]
    {
        assert!(read(words, Language::Ru).is_err(), "{words}: {:?}", read(words, Language::Ru));
    }
    for (words, expected) in [
        ("завтра в 11 ночи", "2026-11-22 23:00"),
        ("завтра в 12 ночи", "2026-11-22 00:00"),
        ("завтра в 12 дня", "2026-11-22 12:00"),
        ("завтра в 2 ночи", "2026-11-22 02:00"),
    ] {
        assert_eq!(read(words, Language::Ru).as_deref(), Ok(expected), "{words}");
    }
    assert_eq!(read("this evening at 9", Language::En).as_deref(), Ok("2026-11-21 21:00"));
}

#[test]
fn what_is_not_wholly_understood_is_no_deadline() {
    for words in [
        "",
        "someday",
        "soon",
        "asap",
        "tomorrow maybe",
        "maybe tomorrow",
        "tomorrow or friday",
        "tomorrow friday",
        "31.02",
        "32.01",
        "Feb 30",
        "30 feb 2027",
        "in many days",
        "25:00",
        "12:60",
        "13pm",
        "0pm",
        "2026-13-01",
        "tomorrow 25:61",
        "in -3 days",
        "in days",
        "in 2",
        "99999999999",
        "17",
        "at 5",
        "tomorrow at",
        "at",
        "by",
        "monday 25 dec",
        "10-12",
        "15:00-16:00",
        "15:00 17:00",
        "5pm UTC",
        "in 2 hours tomorrow",
        "marmalade 5",
        "the",
        "q4",
        "next",
        "1.2.3.4",
        "завтра наверное",
        "через пару дней",
        "в 5",
        "morning",
        "0th",
        "32nd",
        "12/13/14/15",
        "2026",
        "0000-00-00",
        "in 3 working days",
        "tomorrow tomorrow",
        "noon midnight",
        "eod 15:00",
        "\u{200b}",
        "tomorrow 15:00 please",
    ] {
        assert_eq!(read(words, Language::En), Err(DeadlineProblem::Unknown), "{words}");
    }
}

#[test]
fn what_is_over_is_refused_and_a_written_year_counts() {
    for words in [
        "2020-01-01",
        "25 dec 2020",
        "25.12.2025",
        "yesterday",
        "вчера",
        "9:00",
        "today 9am",
        "2026-11-21",
        "12/25/2020",
        "2026-11-21T08:59:59Z",
    ] {
        let now =
            if words == "2026-11-21" { "2026-11-22T10:00:00+01:00[Europe/Berlin]".parse().unwrap() } else { now() };
        assert!(matches!(parse(words, &now, Language::En), Err(DeadlineProblem::Past(_))), "{words}");
    }
}

#[test]
fn a_day_that_may_be_two_is_refused_with_both() {
    let Err(DeadlineProblem::Ambiguous(one, other)) = read("5/6", Language::En) else { panic!() };
    assert_eq!((one.to_string().as_str(), other.to_string().as_str()), ("2027-06-05", "2027-05-06"));
    assert!(matches!(read("05-06-2027", Language::En), Err(DeadlineProblem::Ambiguous(..))));
}

#[test]
fn a_day_ends_at_the_office_in_the_zone_of_who_says_it() {
    let moment = |words: &str, now: &str| parse(words, &now.parse().unwrap(), Language::En).unwrap().at.to_string();
    assert_eq!(moment("tomorrow", "2026-11-21T10:00:00+01:00[Europe/Berlin]"), "2026-11-22T18:00:00Z");
    assert_eq!(moment("tomorrow 9:00", "2026-11-21T10:00:00+03:00[Europe/Moscow]"), "2026-11-22T06:00:00Z");
    // Late at night in UTC it is tomorrow already elsewhere.
    assert_eq!(moment("tomorrow 9:00", "2026-11-22T08:30:00+09:00[Asia/Tokyo]"), "2026-11-23T00:00:00Z");
    // When the office is closed, today ends with the day.
    assert_eq!(moment("today", "2026-11-21T20:00:00+00:00[UTC]"), "2026-11-21T23:59:00Z");
    assert_eq!(moment("eod", "2026-11-21T20:00:00+00:00[UTC]"), "2026-11-21T23:59:00Z");
}

#[test]
fn clock_changes_are_stepped_over() {
    let moment = |words: &str, now: &str| parse(words, &now.parse().unwrap(), Language::En).unwrap().at.to_string();
    // 2:30 does not exist on the day: 3:30. 2:30 comes twice: the first.
    assert_eq!(moment("tomorrow 2:30", "2027-03-27T10:00:00+01:00[Europe/Berlin]"), "2027-03-28T01:30:00Z");
    assert_eq!(moment("tomorrow 2:30", "2026-10-24T10:00:00+02:00[Europe/Berlin]"), "2026-10-25T00:30:00Z");
    assert_eq!(moment("in 24 hours", "2027-03-27T10:00:00+01:00[Europe/Berlin]"), "2027-03-28T09:00:00Z");
    assert_eq!(moment("tomorrow 10:00", "2027-03-27T10:00:00+01:00[Europe/Berlin]"), "2027-03-28T08:00:00Z");
}

#[test]
fn weekdays_are_the_next_ones_and_never_today() {
    let day = |words: &str, now: &str| {
        let now: Zoned = now.parse().unwrap();
        parse(words, &now, Language::En).unwrap().at.to_zoned(now.time_zone().clone()).date().to_string()
    };
    let monday = "2026-11-23T10:00:00+00:00[UTC]";
    for (words, expected) in [
        ("friday", "2026-11-27"),
        ("next friday", "2026-12-04"),
        ("this friday", "2026-11-27"),
        ("monday", "2026-11-30"),
        ("next monday", "2026-11-30"),
        ("this monday", "2026-11-23"),
        ("eow", "2026-11-27"),
        ("next week", "2026-12-04"),
    ] {
        assert_eq!(day(words, monday), expected, "{words}");
    }
}

#[test]
fn some_words_are_plainly_a_deadline_and_some_only_where_one_is_asked_for() {
    let plain = |words: &str| parse(words, &now(), Language::En).unwrap().is_plain;
    for words in
        ["tomorrow", "5pm", "friday 15:00", "25 dec", "in 2 hours", "2026-12-25", "by sun", "eod", "25.12.2026"]
    {
        assert!(plain(words), "{words}");
    }
    for words in ["sun", "1.3", "12/25", "25th", "mon"] {
        assert!(!plain(words), "{words}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_fall_and_nothing_over_is_taken(
        words in "(tomorrow|friday|next|in|[0-9]{1,5}|[0-9]{1,2}[:./-][0-9]{1,2}|pm|at|by|end of|month|dec|th|через|часа|в|числа|\\PC{1,4}| ){0,9}",
    ) {
        if let Ok(found) = parse(&words, &now(), Language::En) {
            prop_assert!(found.at > now().timestamp());
        }
    }

    #[test]
    fn any_day_ahead_is_read_back(days in 1i64..2000) {
        let day = now().date().checked_add(Span::new().days(days)).unwrap();
        for format in ["%Y-%m-%d", "%d.%m.%Y", "%d %b %Y", "%B %d, %Y", "%Y/%m/%d"] {
            let words = day.strftime(format).to_string();
            let at = parse(&words, &now(), Language::En).unwrap().at;
            prop_assert_eq!(at.to_zoned(now().time_zone().clone()).date(), day, "{}", words);
        }
    }
}

/// The date and time of a deadline that must be understood, in UTC.
#[track_caller]
fn understood(words: &str, now: &Zoned, language: Language) -> DateTime {
    match parse(words, now, language) {
        Ok(found) => found.at.to_zoned(TimeZone::UTC).datetime(),
        Err(error) => panic!("{words}: {error:?}"),
    }
}

#[test]
fn every_word_of_the_catalogues_is_understood() {
    let now: Zoned = "2026-11-21T10:00:00[UTC]".parse().unwrap();
    for language in Language::ALL {
        let dates = language.dates();
        let (ahead, at) = (dates.ahead[0], dates.at[0]);
        let tomorrow = dates.days.iter().find(|(_, days)| *days == 1).unwrap().0;
        let read = |words: String| understood(&words, &now, language);
        for (months, number) in dates.months.iter().zip(1..) {
            for month in *months {
                assert_eq!(read(format!("12 {month}")).month(), number, "{month}");
            }
        }
        for (days, number) in dates.weekdays.iter().chain(&dates.weekdays_short).zip((1..=7).cycle()) {
            for day in *days {
                assert_eq!(read((*day).to_owned()).weekday().to_monday_one_offset(), number, "{day}");
            }
        }
        for (words, days) in dates.days.iter().filter(|(_, days)| *days >= 0) {
            assert_eq!(read((*words).to_owned()).date(), now.date() + days.days(), "{words}");
        }
        for (words, hour) in dates.parts_of_day.iter().filter(|(words, _)| !dates.tonight.contains(words)) {
            assert_eq!(i64::from(read(format!("{tomorrow} {words}")).hour()), *hour, "{words}");
        }
        for (words, hours) in dates.before_noon {
            for hour in *hours {
                assert_eq!(i64::from(read(format!("{tomorrow} {at} {hour} {words}")).hour()), hour % 12);
            }
        }
        for (words, hours) in dates.after_noon {
            for hour in *hours {
                assert_eq!(i64::from(read(format!("{tomorrow} {at} {hour} {words}")).hour()), hour % 12 + 12);
            }
        }
        let units = &dates.units;
        for (words, number) in dates.numbers {
            let found = read(format!("{ahead} {words} {}", units.hour[0]));
            assert_eq!(found, now.datetime() + number.hours(), "{words}");
        }
        for (words, minutes) in dates.minutes {
            assert_eq!(read(format!("{ahead} {words}")), now.datetime() + minutes.minutes(), "{words}");
        }
        let (day, moment) = (now.date(), now.datetime());
        for word in units.minute {
            assert_eq!(read(format!("{ahead} 2 {word}")), moment + 2.minutes(), "{word}");
        }
        for word in units.hour {
            assert_eq!(read(format!("{ahead} 2 {word}")), moment + 2.hours(), "{word}");
        }
        for (words, span) in
            [(units.day, 2.days()), (units.week, 2.weeks()), (units.month, 2.months()), (units.year, 2.years())]
        {
            for word in words {
                assert_eq!(read(format!("{ahead} 2 {word}")).date(), day + span, "{word}");
            }
        }
        let ends = &dates.period_ends;
        for (all, end) in [
            (ends.day, day),
            (ends.week, day + 6.days()),
            (ends.next_week, day + 6.days()),
            (ends.month, day.last_of_month()),
            (ends.next_month, (day + 1.month()).last_of_month()),
            (ends.quarter, day.last_of_year()),
            (ends.year, day.last_of_year()),
        ] {
            for words in all {
                assert_eq!(read((*words).to_owned()).date(), end, "{words}");
            }
        }
        let before = dates.by.iter().chain(dates.no_later_than).chain(dates.fillers);
        for word in before {
            assert_eq!(read(format!("{word} {tomorrow}")).date(), day + 1.day(), "{word}");
        }
        for word in dates.ordinals {
            assert_eq!(read(format!("25{word}")).day(), 25, "{word}");
        }
        for word in dates.day_of_month {
            assert_eq!(read(format!("25 {word}")).day(), 25, "{word}");
        }
        let month = dates.months[11][0];
        for word in dates.years {
            assert_eq!(read(format!("25 {month} 2027 {word}")).year(), 2027, "{word}");
        }
        let friday = dates.weekdays[4][0];
        for (all, date) in [(dates.next, day + 6.days()), (dates.this, day + 6.days())] {
            for word in all {
                assert_eq!(read(format!("{word} {friday}")).date(), date, "{word}");
            }
        }
        for word in dates.tonight.iter().filter(|word| !word.ends_with("morning")) {
            assert_eq!(read((*word).to_owned()).date(), day, "{word}");
        }
        for word in dates.midnight {
            assert_eq!(read(format!("{tomorrow} {word}")), (day + 2.days()).at(0, 0, 0, 0), "{word}");
        }
        let slashed = parse("5/6", &now, language);
        assert_eq!(slashed.is_ok(), dates.day_before_month);
    }
}

#[test]
fn what_a_language_lets_people_leave_out_is_understood() {
    let now: Zoned = "2026-11-21T10:00:00[UTC]".parse().unwrap();
    for language in Language::ALL {
        let dates = language.dates();
        let ahead = dates.ahead[0];
        let tomorrow = dates.days.iter().find(|(_, days)| *days == 1).unwrap().0;
        let read = |words: String| understood(&words, &now, language);
        for word in dates.by_before_time {
            assert_eq!(read(format!("{tomorrow} {word} 15:00")).hour(), 15, "{word}");
        }
        for word in dates.units_alone {
            let one = dates.numbers.iter().find(|(_, number)| *number == 1).unwrap().0;
            assert_eq!(read(format!("{ahead} {word}")), read(format!("{ahead} {one} {word}")), "{word}");
        }
        let has_no_day = |(word, hour): &&(&'static str, i64)| *hour > 12 && !dates.tonight.contains(word);
        for (word, _) in dates.parts_of_day.iter().filter(has_no_day) {
            assert_eq!(parse(word, &now, language).is_ok(), dates.parts_of_day_alone, "{word}");
        }
    }
}

#[test]
fn no_word_of_a_language_is_in_the_code() {
    let code = include_str!("../deadline.rs").lines().filter(|line| !line.trim_start().starts_with("//"));
    let words: Vec<&str> = code
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(|text| text.contains(char::is_alphabetic))
        .collect();
    assert!(words.is_empty(), "words of dates belong in locales/<language>/dates.toml: {words:?}");
}
