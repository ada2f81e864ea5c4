//! Deadlines in words: `tomorrow`, `friday 15:00`, `in 3 days`, `25.12.`, `2026-12-25`; in English and Russian.

use jiff::civil::{Date, Time, Weekday, time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// The end of a working day: when a day alone is over.
const END_OF_DAY: Time = time(19, 0, 0, 0);

/// A day, and perhaps a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The day.
    pub day: Date,
    /// The time, if one was said.
    pub time: Option<Time>,
}

impl Deadline {
    /// The moment that it is in a time zone; a day alone is over at 19:00.
    pub fn moment(self, zone: &TimeZone) -> Timestamp {
        let at = self.day.to_datetime(self.time.unwrap_or(END_OF_DAY));
        zone.to_ambiguous_zoned(at).compatible().map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
    }
}

/// Reads a deadline; `None` for what is none.
pub fn parse(words: &str, today: Date) -> Option<Deadline> {
    let words = words.trim().trim_end_matches('.').to_lowercase();
    let words = words.strip_prefix("by ").or_else(|| words.strip_prefix("до ")).unwrap_or(&words);
    let (day_words, time) = match words.rsplit_once(' ') {
        Some((before, last)) => match clock(last) {
            Some(time) => (before.trim_end_matches(" at").trim_end_matches(" в").trim_end_matches(','), Some(time)),
            None => (words, None),
        },
        None => match clock(words) {
            Some(time) => return Some(Deadline { day: today, time: Some(time) }),
            None => (words, None),
        },
    };
    day(day_words.trim(), today).map(|day| Deadline { day, time })
}

/// `15:00`, `9.30`? no: only with a colon, for `9.12` is a day.
fn clock(word: &str) -> Option<Time> {
    let (hour, minute) = word.split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn day(words: &str, today: Date) -> Option<Date> {
    let ahead = |days: i64| today.checked_add(Span::new().try_days(days).ok()?).ok();
    match words {
        "today" | "сегодня" => return Some(today),
        "tomorrow" | "завтра" => return ahead(1),
        "day after tomorrow" | "послезавтра" => return ahead(2),
        "next week" | "на следующей неделе" => return ahead(7),
        _ => {}
    }
    if let Some(wanted) = weekday(
        words.trim_start_matches("next ").trim_start_matches("on ").trim_start_matches("в ").trim_start_matches("во "),
    ) {
        // Always ahead: "friday" on a Friday is the next one.
        return (1..=7).filter_map(ahead).find(|day| day.weekday() == wanted);
    }
    if let Some(rest) = words.strip_prefix("in ").or_else(|| words.strip_prefix("через ")) {
        let (count, unit) = rest.split_once(' ').unwrap_or(("1", rest));
        let count: i64 = count.parse().ok().filter(|count| (0..=3650).contains(count))?;
        let unit = unit.trim();
        return if unit.starts_with("day") || unit.starts_with("ден") || unit.starts_with("дн") {
            ahead(count)
        } else if unit.starts_with("week") || unit.starts_with("недел") {
            ahead(count * 7)
        } else if unit.starts_with("month") || unit.starts_with("месяц") {
            today.checked_add(Span::new().try_months(count).ok()?).ok()
        } else {
            None
        };
    }
    iso(words).or_else(|| dotted(words, today)).or_else(|| with_month(words, today))
}

fn weekday(word: &str) -> Option<Weekday> {
    const DAYS: [(Weekday, [&str; 4]); 7] = [
        (Weekday::Monday, ["monday", "mon", "понедельник", "пн"]),
        (Weekday::Tuesday, ["tuesday", "tue", "вторник", "вт"]),
        (Weekday::Wednesday, ["wednesday", "wed", "среду", "среда"]),
        (Weekday::Thursday, ["thursday", "thu", "четверг", "чт"]),
        (Weekday::Friday, ["friday", "fri", "пятницу", "пятница"]),
        (Weekday::Saturday, ["saturday", "sat", "субботу", "суббота"]),
        (Weekday::Sunday, ["sunday", "sun", "воскресенье", "вс"]),
    ];
    DAYS.iter().find(|(_, names)| names.contains(&word)).map(|(day, _)| *day)
}

fn iso(words: &str) -> Option<Date> {
    let mut parts = words.split(['-', '/']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let is_year = year.len() == 4 && parts.next().is_none();
    is_year.then(|| Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok())?
}

/// `25.12`, `25.12.2026`, `25.12.26`: a day without a year is the next one.
fn dotted(words: &str, today: Date) -> Option<Date> {
    let mut parts = words.split('.').map(str::trim);
    let (day, month): (i8, i8) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    match parts.next().filter(|year| !year.is_empty()) {
        Some(year) => {
            let year: i16 = year.parse().ok()?;
            Date::new(if year < 100 { 2000 + year } else { year }, month, day).ok()
        }
        None => next_of(month, day, today),
    }
}

/// The months, by how their names begin.
const MONTHS: [[&str; 2]; 12] = [
    ["jan", "янв"],
    ["feb", "фев"],
    ["mar", "мар"],
    ["apr", "апр"],
    ["may", "мая"],
    ["jun", "июн"],
    ["jul", "июл"],
    ["aug", "авг"],
    ["sep", "сен"],
    ["oct", "окт"],
    ["nov", "ноя"],
    ["dec", "дек"],
];

/// `25 dec`, `dec 25`, `25 декабря`.
fn with_month(words: &str, today: Date) -> Option<Date> {
    let (first, second) = words.split_once(' ')?;
    let number = |word: &str| word.trim_end_matches(|c: char| c.is_alphabetic()).parse::<i8>().ok();
    let (day, name) = number(first).map(|day| (day, second)).or_else(|| number(second).map(|day| (day, first)))?;
    let month = MONTHS.iter().position(|names| names.iter().any(|known| name.trim().starts_with(known)))?;
    next_of(i8::try_from(month).ok()? + 1, day, today)
}

fn next_of(month: i8, day: i8, today: Date) -> Option<Date> {
    let of_year = |year: i16| Date::new(year, month, day).ok();
    // The 29th of February may be years away.
    (today.year()..=today.year().saturating_add(8)).filter_map(of_year).find(|found| *found >= today)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const SATURDAY: Date = date(2026, 11, 21);

    #[test]
    fn what_people_say_is_understood() {
        for (words, expected) in [
            ("today", "2026-11-21"),
            ("Tomorrow", "2026-11-22"),
            ("завтра", "2026-11-22"),
            ("послезавтра", "2026-11-23"),
            ("friday", "2026-11-27"),
            ("saturday", "2026-11-28"),
            ("next mon", "2026-11-23"),
            ("в пятницу", "2026-11-27"),
            ("in 3 days", "2026-11-24"),
            ("in 2 weeks", "2026-12-05"),
            ("через неделю", "2026-11-28"),
            ("in 1 month", "2026-12-21"),
            ("2026-12-25", "2026-12-25"),
            ("25.12", "2026-12-25"),
            ("1.3.", "2027-03-01"),
            ("25.12.27", "2027-12-25"),
            ("25 Dec", "2026-12-25"),
            ("dec 25th", "2026-12-25"),
            ("3 марта", "2027-03-03"),
            ("29.2", "2028-02-29"),
            ("by friday", "2026-11-27"),
        ] {
            assert_eq!(parse(words, SATURDAY).map(|d| d.day.to_string()), Some(expected.to_owned()), "{words}");
        }
        let at = |words: &str| parse(words, SATURDAY).unwrap();
        assert_eq!(at("tomorrow 15:30").time, Some(time(15, 30, 0, 0)));
        assert_eq!(at("friday at 9:00").day, date(2026, 11, 27));
        assert_eq!(at("18:00"), Deadline { day: SATURDAY, time: Some(time(18, 0, 0, 0)) });
    }

    #[test]
    fn what_is_none_is_none() {
        for words in [
            "",
            "someday",
            "31.02",
            "in many days",
            "25:00",
            "2026-13-01",
            "tomorrow 25:61",
            "in -3 days",
            "99999999999",
        ] {
            assert_eq!(parse(words, SATURDAY), None, "{words}");
        }
    }

    #[test]
    fn a_day_ends_at_the_office_and_in_its_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(parse("tomorrow", SATURDAY).unwrap().moment(&berlin).to_string(), "2026-11-22T18:00:00Z");
        assert_eq!(
            parse("tomorrow 9:00", SATURDAY).unwrap().moment(&TimeZone::UTC).to_string(),
            "2026-11-22T09:00:00Z"
        );
    }
}
