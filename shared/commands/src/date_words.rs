//! A test: deadlines understand the catalogues' words for dates.

use jiff::civil::DateTime;
use jiff::{ToSpan, Zoned};
use locale::Language;

use crate::deadline;

fn now() -> Zoned {
    "2026-11-21T10:00:00[UTC]".parse().unwrap()
}

#[track_caller]
fn read(words: &str, language: Language) -> DateTime {
    match deadline::parse(words, &now(), language) {
        Ok(found) => found.at.to_zoned(now().time_zone().clone()).datetime(),
        Err(error) => panic!("{words}: {error:?}"),
    }
}

/// Until deadlines read their words from the catalogues, both must know the same.
#[test]
fn deadlines_understand_the_words_of_dates_of_every_language() {
    for language in Language::ALL {
        let dates = language.dates();
        let (ahead, at) = (dates.ahead[0], dates.at[0]);
        let tomorrow = dates.days.iter().find(|(_, days)| *days == 1).unwrap().0;
        let read = |words: String| read(&words, language);
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
            assert_eq!(read((*words).to_owned()).date(), now().date() + days.days(), "{words}");
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
            assert_eq!(found, now().datetime() + number.hours(), "{words}");
        }
        for (words, minutes) in dates.minutes {
            assert_eq!(read(format!("{ahead} {words}")), now().datetime() + minutes.minutes(), "{words}");
        }
        let (day, moment) = (now().date(), now().datetime());
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
        let slashed = deadline::parse("5/6", &now(), language);
        assert_eq!(slashed.is_ok(), dates.day_before_month);
    }
}
