//! Deadlines in words: `tomorrow 15:00`, `5pm`, `in 2 hours`, `friday`, `25.12.`, `end of month`. The words of all
//! languages together are understood; they are in `locales/<language>/dates.toml`.
//!
//! They are read in the person's own time zone. Each word must be understood, or the whole is not a deadline. A day
//! without a time ends at 19:00. A named weekday is the next one, never today; `next friday` is that of the next
//! calendar week. A day without a year is the next one; a written year counts.

use jiff::civil::{Date, DateTime, Time, Weekday, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};
use locale::{Dates, Language, Numbered, Words};

use crate::reader::simple;

/// The end of a working day: when a deadline without a time is over.
const END_OF_DAY: Time = time(19, 0, 0, 0);
/// The end of a day whose working hours are over.
const LATE: Time = time(23, 59, 0, 0);
/// From this hour on, a part of a day counts as evening.
const EVENING: i8 = 18;
/// A deadline never has more words.
pub const MAX_WORDS: usize = 12;
/// The longest text that is read as a deadline.
const MAX_LENGTH: usize = 100;
/// The most of any unit that is counted ahead.
const MAX_AHEAD: i64 = 3650;

/// Why words are not a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadlineProblem {
    /// They are not understood, or name no moment that there is.
    Unknown,
    /// The moment is over.
    Past(Timestamp),
    /// They may mean the one day or the other.
    Ambiguous(Date, Date),
}

/// A deadline that was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    pub at: Timestamp,
    /// Whether the words can hardly mean anything else: `tomorrow`, `by 25.12`; not `sun` or `1.3`.
    pub is_plain: bool,
    /// Whether they begin with `by` or `until`.
    pub is_by: bool,
}

/// Reads a deadline that a person writes at the moment `now` of their zone.
pub fn parse(words: &str, now: &Zoned, language: Language) -> Result<Deadline, DeadlineProblem> {
    if words.len() > 4 * MAX_LENGTH {
        return Err(DeadlineProblem::Unknown);
    }
    let words = simple(words).to_lowercase();
    if words.len() > MAX_LENGTH {
        return Err(DeadlineProblem::Unknown);
    }
    if let Some(at) = instant(&words, now) {
        return not_past(at, now).map(|at| Deadline { at, is_plain: true, is_by: false });
    }
    let tokens: Vec<&str> = words.split(' ').map(bare).filter(|word| !word.is_empty()).collect();
    if tokens.is_empty() || tokens.len() > MAX_WORDS {
        return Err(DeadlineProblem::Unknown);
    }
    let mut reading = DeadlineReading::new(now, language);
    let mut rest = tokens.as_slice();
    while !rest.is_empty() {
        let taken = reading.take(rest)?;
        rest = &rest[taken..];
    }
    reading.moment()
}

/// When a day without a time is over.
pub fn end_of(day: Date, zone: &TimeZone, now: &Zoned) -> Option<Timestamp> {
    let is_late = day == now.date() && now.time() >= END_OF_DAY;
    at_local(day.to_datetime(if is_late { LATE } else { END_OF_DAY }), zone)
}

/// A local time as a moment: a time that a clock change skips is an hour later; of a time that occurs twice, it is the
/// first.
fn at_local(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_zoned(local).compatible().ok().map(|zoned| zoned.timestamp())
}

fn not_past(at: Timestamp, now: &Zoned) -> Result<Timestamp, DeadlineProblem> {
    if at <= now.timestamp() { Err(DeadlineProblem::Past(at)) } else { Ok(at) }
}

/// `2026-12-25T15:00:00Z`, `2026-12-25 15:00+01:00`, `2026-12-25T15:00`.
fn instant(words: &str, now: &Zoned) -> Option<Timestamp> {
    let has_date = words.len() >= 16 && words.as_bytes()[4] == b'-' && words.as_bytes()[7] == b'-';
    if !has_date {
        return None;
    }
    let upper = words.to_uppercase();
    let local = || upper.parse::<DateTime>().ok().and_then(|local| at_local(local, now.time_zone()));
    upper.parse::<Timestamp>().ok().or_else(local)
}

/// A word without surrounding punctuation.
fn bare(word: &str) -> &str {
    let word = word.trim_matches(|c| matches!(c, '"' | '(' | ')' | ',' | ';' | '!'));
    word.strip_suffix('.').unwrap_or(word)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NamedDay {
    Date(Date),
    Weekday(Weekday),
    NextWeekday(Weekday),
    ThisWeekday(Weekday),
}

/// What has been understood so far.
#[allow(clippy::struct_excessive_bools)] // each is said, or not
struct DeadlineReading<'a> {
    now: &'a Zoned,
    language: Language,
    day: Option<NamedDay>,
    weekday: Option<Weekday>,
    time: Option<Time>,
    /// The end of the day, if the text names it.
    ends_day: bool,
    /// Midnight at the end of the day.
    is_midnight: bool,
    /// Counted from now, to the second.
    exact: Option<Timestamp>,
    is_vague: bool,
    is_by: bool,
    is_first: bool,
}

/// A group of a language's words.
type WordsOf = fn(&'static Dates) -> Words;

/// The words of dates of every language.
fn dates() -> impl Iterator<Item = &'static Dates> {
    Language::ALL.into_iter().map(Language::dates)
}

/// Whether a word is one of these in some language.
fn is_one(word: &str, words: WordsOf) -> bool {
    dates().any(|dates| words(dates).contains(&word))
}

/// How many words at the beginning are one of these in some language.
fn begins_with(rest: &[&str], words: WordsOf) -> Option<usize> {
    let found = dates().find_map(|dates| words(dates).iter().find(|words| starts(rest, words)))?;
    Some(found.split(' ').count())
}

/// The index of the entry at the beginning, and its number of words, if it is among these in some language.
fn numbered(rest: &[&str], words: fn(&'static Dates) -> Numbered) -> Option<(i64, usize)> {
    let (found, number) = dates().find_map(|dates| words(dates).iter().find(|(words, _)| starts(rest, words)))?;
    Some((*number, found.split(' ').count()))
}

fn is_by(word: &str) -> bool {
    is_one(word, |dates| dates.by)
}

fn is_at(word: &str) -> bool {
    is_one(word, |dates| dates.at)
}

fn is_filler(word: &str) -> bool {
    is_one(word, |dates| dates.fillers)
}

impl<'a> DeadlineReading<'a> {
    fn new(now: &'a Zoned, language: Language) -> Self {
        Self {
            now,
            language,
            day: None,
            weekday: None,
            time: None,
            ends_day: false,
            is_midnight: false,
            exact: None,
            is_vague: false,
            is_by: false,
            is_first: true,
        }
    }

    fn today(&self) -> Date {
        self.now.date()
    }

    /// Reads the next words; returns how many were understood.
    fn take(&mut self, rest: &[&str]) -> Result<usize, DeadlineProblem> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        let skipped = self.skip(rest, is_first);
        let (before, rest) = rest.split_at(skipped);
        let said_at = before.last().is_some_and(|word| is_at(word) || (self.day.is_some() && is_by(word)));
        if rest.is_empty() {
            return Err(DeadlineProblem::Unknown);
        }
        let readers: [fn(&mut Self, &[&str], bool) -> Result<usize, DeadlineProblem>; 7] =
            [Self::ahead, Self::period_end, Self::named_day, Self::weekday, Self::clock, Self::date, Self::nth];
        for reader in readers {
            match reader(self, rest, said_at)? {
                0 => {}
                taken => return Ok(skipped + taken),
            }
        }
        Err(DeadlineProblem::Unknown)
    }

    /// The small words before the deadline itself.
    fn skip(&mut self, rest: &[&str], is_first: bool) -> usize {
        let mut skipped = 0;
        if let Some(taken) = begins_with(rest, |dates| dates.no_later_than).filter(|_| is_first) {
            self.is_by = true;
            return taken;
        }
        while let Some(word) = rest.get(skipped).filter(|_| skipped < 3) {
            self.is_by |= is_first && is_by(word);
            let is_by = if is_first { is_by(word) } else { is_one(word, |dates| dates.by_before_time) };
            let is_small = is_at(word) || is_filler(word) || is_by;
            if !is_small {
                break;
            }
            skipped += 1;
        }
        skipped
    }

    fn set_day(&mut self, day: NamedDay) -> Result<(), DeadlineProblem> {
        match (self.day, day) {
            (None, day) => self.day = Some(day),
            // `friday, 25 december`: both must be the same.
            (Some(NamedDay::Weekday(weekday)), NamedDay::Date(_)) if self.weekday.is_none() => {
                self.weekday = Some(weekday);
                self.day = Some(day);
            }
            (Some(NamedDay::Date(_)), NamedDay::Weekday(weekday)) if self.weekday.is_none() => {
                self.weekday = Some(weekday);
            }
            _ => return Err(DeadlineProblem::Unknown),
        }
        Ok(())
    }

    fn set_time(&mut self, time: Time) -> Result<(), DeadlineProblem> {
        if self.time.is_some() || self.ends_day || self.is_midnight {
            return Err(DeadlineProblem::Unknown);
        }
        self.time = Some(time);
        Ok(())
    }

    fn days_ahead(&self, days: i64) -> Result<Date, DeadlineProblem> {
        let span = Span::new().try_days(days).map_err(|_| DeadlineProblem::Unknown)?;
        self.today().checked_add(span).map_err(|_| DeadlineProblem::Unknown)
    }

    /// `in 2 hours`, `in a week`, `через полчаса`.
    fn ahead(&mut self, rest: &[&str], _: bool) -> Result<usize, DeadlineProblem> {
        if !is_one(rest[0], |dates| dates.ahead) {
            return Ok(0);
        }
        let Some((minutes, span, taken)) = span(&rest[1..]) else { return Err(DeadlineProblem::Unknown) };
        match minutes {
            Some(minutes) if self.exact.is_none() => {
                let at = self.now.timestamp().checked_add(SignedDuration::from_mins(minutes));
                self.exact = Some(at.map_err(|_| DeadlineProblem::Unknown)?);
            }
            Some(_) => return Err(DeadlineProblem::Unknown),
            None => {
                self.set_day(NamedDay::Date(self.today().checked_add(span).map_err(|_| DeadlineProblem::Unknown)?))?;
            }
        }
        Ok(1 + taken)
    }

    /// `eod`, `end of the month`, `конец недели`, `next week`.
    fn period_end(&mut self, rest: &[&str], _: bool) -> Result<usize, DeadlineProblem> {
        let found = PERIODS.iter().find_map(|(period, names)| Some((*period, begins_with(rest, *names)?)));
        let Some((period, taken)) = found else { return Ok(0) };
        if period == Period::Day {
            // `eod friday` and `tomorrow eod` are the end of that day.
            self.end_day()?;
        } else {
            let last = last_day(period, self.today()).ok_or(DeadlineProblem::Unknown)?;
            self.set_day(NamedDay::Date(last))?;
        }
        Ok(taken)
    }

    fn end_day(&mut self) -> Result<(), DeadlineProblem> {
        if self.time.is_some() || self.ends_day || self.is_midnight {
            return Err(DeadlineProblem::Unknown);
        }
        self.ends_day = true;
        Ok(())
    }

    /// `today`, `tomorrow`, `tonight`, `послезавтра`.
    fn named_day(&mut self, rest: &[&str], _: bool) -> Result<usize, DeadlineProblem> {
        if let Some((ahead, taken)) = numbered(rest, |dates| dates.days) {
            self.set_day(NamedDay::Date(self.days_ahead(ahead)?))?;
            return Ok(taken);
        }
        let Some(taken) = begins_with(rest, |dates| dates.tonight) else { return Ok(0) };
        self.set_day(NamedDay::Date(self.today()))?;
        let part = part_of_day(rest[taken - 1]).map(|(part, _)| part);
        // `tonight at 8` has a time of its own; in `tonight 22:00` it follows.
        let is_evening = part.is_some_and(|part| part.hour() >= EVENING);
        if let Some((hour, more)) = evening_hour(&rest[taken..]).filter(|_| is_evening) {
            self.set_time(hour)?;
            return Ok(taken + more);
        }
        // `tonight at 12` may be noon or midnight.
        let hour = rest[taken..].iter().find(|word| !is_at(word)).and_then(|word| word.parse::<i8>().ok());
        if part.is_none_or(|part| part.hour() >= 12) && hour.is_some_and(|hour| hour <= 12) {
            return Err(DeadlineProblem::Unknown);
        }
        let has_time = self.time.is_some() || rest[taken..].iter().any(|word| has_digit(word));
        if let Some(time) = part.filter(|_| !has_time) {
            self.set_time(time)?;
        }
        Ok(taken)
    }

    /// `friday`, `next monday`, `в следующую пятницу`.
    fn weekday(&mut self, rest: &[&str], _: bool) -> Result<usize, DeadlineProblem> {
        let is_next = is_one(rest[0], |dates| dates.next);
        let is_this = is_one(rest[0], |dates| dates.this);
        let is_after = is_next || is_this;
        let Some(found) = rest.get(usize::from(is_after)).and_then(|word| weekday(word)) else { return Ok(0) };
        let (weekday, is_short) = found;
        self.set_day(match () {
            () if is_next => NamedDay::NextWeekday(weekday),
            () if is_this => NamedDay::ThisWeekday(weekday),
            () => NamedDay::Weekday(weekday),
        })?;
        self.is_vague |= is_short && !is_after;
        Ok(1 + usize::from(is_after))
    }

    /// `15:00`, `5pm`, `5:30 pm`, `17h`, `at 17`, `noon`, `в 5 вечера`, `утром`.
    fn clock(&mut self, rest: &[&str], said_at: bool) -> Result<usize, DeadlineProblem> {
        if rest[0] == "24:00" || is_one(rest[0], |dates| dates.midnight) {
            if self.time.is_some() || self.ends_day {
                return Err(DeadlineProblem::Unknown);
            }
            self.is_midnight = true;
            return Ok(1);
        }
        if let Some((time, is_said_alone)) = part_of_day(rest[0]) {
            // `morning` alone: of which day?
            if self.day.is_none() && !is_said_alone {
                return Err(DeadlineProblem::Unknown);
            }
            self.set_time(time)?;
            return Ok(1);
        }
        match clock(rest, said_at, self.day.is_some()) {
            ClockReading::Time(time, taken) => {
                self.set_time(time)?;
                Ok(taken)
            }
            ClockReading::No => Ok(0),
            ClockReading::Wrong => Err(DeadlineProblem::Unknown),
        }
    }

    /// `2026-12-25`, `25.12.`, `12/25`, `25 dec 2027`, `dec 25th`.
    fn date(&mut self, rest: &[&str], _: bool) -> Result<usize, DeadlineProblem> {
        let today = self.today();
        if let Some((day, taken)) = with_month(rest, today)? {
            self.set_day(NamedDay::Date(day))?;
            return Ok(taken);
        }
        let Some(read) = numeric(rest[0], today, self.language) else { return Ok(0) };
        let (day, is_vague) = read?;
        self.is_vague |= is_vague;
        self.set_day(NamedDay::Date(day))?;
        let has_year_word = rest.get(1).is_some_and(|word| is_one(word, |dates| dates.years));
        Ok(1 + usize::from(has_year_word))
    }

    /// `25th`, `25-го`, `25 числа`.
    fn nth(&mut self, rest: &[&str], _: bool) -> Result<usize, DeadlineProblem> {
        let (number, taken) = match rest {
            [number, word, ..] if is_one(word, |dates| dates.day_of_month) => (ordinal(number).unwrap_or(number), 2),
            [word, ..] => match ordinal(word) {
                Some(number) => (number, 1),
                None => return Ok(0),
            },
            [] => return Ok(0),
        };
        let Ok(day) = number.parse::<i8>() else { return Ok(0) };
        let found = next_day_of_month(day, self.today()).ok_or(DeadlineProblem::Unknown)?;
        self.set_day(NamedDay::Date(found))?;
        self.is_vague |= taken == 1;
        Ok(taken)
    }

    /// The moment that results from all of it.
    fn moment(self) -> Result<Deadline, DeadlineProblem> {
        let deadline =
            |at| Deadline { at, is_plain: self.is_by || !self.is_vague || self.time.is_some(), is_by: self.is_by };
        let says_day = self.day.is_some() || self.time.is_some() || self.ends_day || self.is_midnight;
        if let Some(at) = self.exact {
            return if says_day { Err(DeadlineProblem::Unknown) } else { not_past(at, self.now).map(deadline) };
        }
        if !says_day {
            return Err(DeadlineProblem::Unknown);
        }
        let day = self.resolved()?;
        if self.weekday.is_some_and(|weekday| weekday != day.weekday()) {
            return Err(DeadlineProblem::Unknown);
        }
        let zone = self.now.time_zone();
        let at = match self.time {
            Some(time) => at_local(day.to_datetime(time), zone),
            None if self.is_midnight => {
                day.tomorrow().ok().and_then(|day| at_local(day.to_datetime(Time::midnight()), zone))
            }
            None => end_of(day, zone, self.now),
        };
        not_past(at.ok_or(DeadlineProblem::Unknown)?, self.now).map(deadline)
    }

    fn resolved(&self) -> Result<Date, DeadlineProblem> {
        let today = self.today();
        let next = |weekday: Weekday| {
            (1..=7).filter_map(|days| self.days_ahead(days).ok()).find(|day| day.weekday() == weekday)
        };
        match self.day {
            None => Ok(today),
            Some(NamedDay::Date(day)) => Ok(day),
            Some(NamedDay::ThisWeekday(weekday)) if weekday == today.weekday() => Ok(today),
            Some(NamedDay::Weekday(weekday) | NamedDay::ThisWeekday(weekday)) => {
                next(weekday).ok_or(DeadlineProblem::Unknown)
            }
            Some(NamedDay::NextWeekday(weekday)) => {
                let monday = 7 - i64::from(today.weekday().to_monday_zero_offset());
                self.days_ahead(monday + i64::from(weekday.to_monday_zero_offset()))
            }
        }
    }
}

/// Whether words begin with these.
fn starts(rest: &[&str], words: &str) -> bool {
    let mut wanted = 0;
    words.split(' ').all(|word| {
        wanted += 1;
        rest.get(wanted - 1) == Some(&word)
    })
}

fn has_digit(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_digit())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Day,
    Week,
    NextWeek,
    Month,
    NextMonth,
    Quarter,
    Year,
}

/// Periods, by the names of their ends.
const PERIODS: [(Period, WordsOf); 7] = [
    (Period::Day, |dates| dates.period_ends.day),
    (Period::Week, |dates| dates.period_ends.week),
    (Period::NextWeek, |dates| dates.period_ends.next_week),
    (Period::Month, |dates| dates.period_ends.month),
    (Period::NextMonth, |dates| dates.period_ends.next_month),
    (Period::Quarter, |dates| dates.period_ends.quarter),
    (Period::Year, |dates| dates.period_ends.year),
];

/// The last day of a period; of a week, its Friday.
fn last_day(period: Period, today: Date) -> Option<Date> {
    let ahead = |days: i64| today.checked_add(Span::new().try_days(days).ok()?).ok();
    let from_monday = i64::from(today.weekday().to_monday_zero_offset());
    match period {
        Period::Day => Some(today),
        // At the weekend, the coming week is meant.
        Period::Week if from_monday > 4 => ahead(11 - from_monday),
        Period::Week => ahead(4 - from_monday),
        Period::NextWeek => ahead(11 - from_monday),
        Period::Month => Some(today.last_of_month()),
        Period::NextMonth => today.first_of_month().checked_add(Span::new().months(1)).ok().map(Date::last_of_month),
        Period::Quarter => {
            let month = (today.month() + 2) / 3 * 3;
            Date::new(today.year(), month, 1).ok().map(Date::last_of_month)
        }
        Period::Year => Date::new(today.year(), 12, 31).ok(),
    }
}

/// A part of a day, as an hour; and whether it can be used without a day, like `noon`.
fn part_of_day(word: &str) -> Option<(Time, bool)> {
    dates().find_map(|dates| {
        let (_, hour) = dates.parts_of_day.iter().find(|(name, _)| *name == word)?;
        let time = Time::new(i8::try_from(*hour).ok()?, 0, 0, 0).ok()?;
        Some((time, *hour == 12 || dates.parts_of_day_alone))
    })
}

/// `at 8`, or `8` after `tonight`.
fn evening_hour(rest: &[&str]) -> Option<(Time, usize)> {
    let skipped = usize::from(rest.first().is_some_and(|word| is_at(word)));
    let [word] = rest.get(skipped..)? else { return None };
    let hour: i8 = word.parse().ok().filter(|hour| (5..=11).contains(hour))?;
    Some((Time::new(hour + 12, 0, 0, 0).ok()?, skipped + 1))
}

/// The hours before the half of the day that a word after an hour names: `pm` is 12.
fn half_of_day(word: &str, hour: i8) -> Option<i8> {
    let word = word.replace('.', "");
    let names = |halves: &[(&str, &[i64])]| {
        halves.iter().any(|(name, hours)| *name == word && hours.contains(&i64::from(hour)))
    };
    dates().find_map(|dates| match () {
        () if names(dates.before_noon) => Some(0),
        () if names(dates.after_noon) => Some(12),
        () => None,
    })
}

/// The minutes after an hour's unit: `h30`.
fn minutes_behind_unit(suffix: &str) -> Option<i8> {
    let mut units = dates().flat_map(|dates| dates.units.hour);
    units.find_map(|unit| suffix.strip_prefix(unit)?.parse().ok())
}

enum ClockReading {
    Time(Time, usize),
    /// It is not a time.
    No,
    /// It is written as a time, but is not one.
    Wrong,
}

/// A time of the day. `said_at`: it follows `at`; `has_day`: it follows a day, so that a number with a dot cannot be a date.
fn clock(rest: &[&str], said_at: bool, has_day: bool) -> ClockReading {
    let word = rest[0];
    let next = rest.get(1).copied().unwrap_or_default();
    let (digits, suffix) =
        word.split_at(word.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(word.len()));
    let digits = digits.trim_end_matches('.');
    let has_colon = digits.contains(':');
    let Some((hour, minute)) = hour_and_minute(digits) else {
        return if has_colon { ClockReading::Wrong } else { ClockReading::No };
    };
    let is_hours = |word: &str| is_one(word, |dates| dates.units.hour);
    let (half, taken) = match (suffix, half_of_day(suffix, hour), half_of_day(next, hour)) {
        ("", _, Some(half)) => (Some(half), 2),
        ("", _, None) => (None, 1),
        (_, Some(half), _) => (Some(half), 1),
        (suffix, ..) if is_hours(suffix) => return of_hours(hour, minute, 1),
        // `17h30`
        (suffix, ..) => {
            return match minutes_behind_unit(suffix) {
                Some(minute) if !digits.contains([':', '.']) => made(hour, minute, 1),
                _ if has_colon => ClockReading::Wrong,
                _ => ClockReading::No,
            };
        }
    };
    if let Some(half) = half {
        let in_half = (1..=12).contains(&hour);
        return if in_half { made(hour % 12 + half, minute, taken) } else { ClockReading::Wrong };
    }
    if has_colon {
        return made(hour, minute, 1);
    }
    let is_letter = next.chars().count() == 1;
    if is_hours(next) && (said_at || has_day || is_letter) && !digits.contains('.') {
        return of_hours(hour, 0, 2);
    }
    if digits.contains('.') {
        let is_time = digits.rsplit('.').next().is_some_and(|minutes| minutes.len() == 2);
        let is_said = said_at || (has_day && !(1..=12).contains(&minute));
        let is_time = is_time && is_said && digits.matches('.').count() == 1;
        return if is_time { made(hour, minute, 1) } else { ClockReading::No };
    }
    // `at 17`; `at 5` may be in the morning or in the afternoon.
    match hour {
        _ if !said_at || digits.len() > 2 => ClockReading::No,
        0 | 7..=24 => made(hour, 0, 1),
        _ => ClockReading::Wrong,
    }
}

fn made(hour: i8, minute: i8, taken: usize) -> ClockReading {
    Time::new(hour, minute, 0, 0).map_or(ClockReading::Wrong, |time| ClockReading::Time(time, taken))
}

/// `17h`; `2h` may be a duration, and `3 hours` in the morning or in the afternoon.
fn of_hours(hour: i8, minute: i8, taken: usize) -> ClockReading {
    if (1..=6).contains(&hour) { ClockReading::Wrong } else { made(hour, minute, taken) }
}

/// `15:00`, `15.00`, `15`.
fn hour_and_minute(digits: &str) -> Option<(i8, i8)> {
    let mut parts = digits.split([':', '.']);
    let hour = parts.next()?;
    let minute = parts.next();
    let seconds = parts.next();
    if parts.next().is_some() || hour.is_empty() || hour.len() > 2 {
        return None;
    }
    let zero = seconds.is_none_or(|seconds| digits.contains(':') && seconds == "00");
    let minute = match minute {
        None => 0,
        Some(minute) if minute.len() == 2 && zero => minute.parse().ok()?,
        Some(_) => return None,
    };
    Some((hour.parse().ok()?, minute))
}

/// `2 hours`, `a week`, `half an hour`, `3d`, `полтора часа`: minutes, or a span of days, and how many words they are.
fn span(rest: &[&str]) -> Option<(Option<i64>, Span, usize)> {
    let minutes = |minutes: i64, taken: usize| Some((Some(minutes), Span::new(), taken));
    if let Some((amount, taken)) = numbered(rest, |dates| dates.minutes) {
        return minutes(amount, taken);
    }
    let first = *rest.first()?;
    let (number, unit, taken) = match count(first) {
        Some(number) => (number, *rest.get(1)?, 2),
        None if first.starts_with(|c: char| c.is_ascii_digit()) => {
            let end = first.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
            (count(&first[..end])?, &first[end..], 1)
        }
        None if is_one(first, |dates| dates.units_alone) => (10, first, 1),
        None => return None,
    };
    let unit = unit_of(unit)?;
    if let Some(each) = unit.minutes() {
        return minutes(number * each / 10, taken);
    }
    let whole = (number % 10 == 0).then_some(number / 10)?;
    let span = match unit {
        Counted::Day => Span::new().try_days(whole),
        Counted::Week => Span::new().try_weeks(whole),
        Counted::Month => Span::new().try_months(whole),
        _ => Span::new().try_years(whole),
    };
    Some((None, span.ok()?, taken))
}

/// A number in tenths: `2`, `1.5`, `two`, `a`, `два`.
fn count(word: &str) -> Option<i64> {
    if let Some((number, _)) = numbered(&[word], |dates| dates.numbers) {
        return Some(number * 10);
    }
    let (whole, tenth) = word.split_once(['.', ',']).unwrap_or((word, "0"));
    let is_number =
        |text: &str, most: usize| !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole, 4) || !is_number(tenth, 1) {
        return None;
    }
    let number: i64 = whole.parse().ok().filter(|whole| *whole <= MAX_AHEAD)?;
    Some(number * 10 + tenth.parse::<i64>().ok()?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Counted {
    fn minutes(self) -> Option<i64> {
        match self {
            Self::Minute => Some(1),
            Self::Hour => Some(60),
            _ => None,
        }
    }
}

fn unit_of(word: &str) -> Option<Counted> {
    const UNITS: [(Counted, WordsOf); 6] = [
        (Counted::Minute, |dates| dates.units.minute),
        (Counted::Hour, |dates| dates.units.hour),
        (Counted::Day, |dates| dates.units.day),
        (Counted::Week, |dates| dates.units.week),
        (Counted::Month, |dates| dates.units.month),
        (Counted::Year, |dates| dates.units.year),
    ];
    UNITS.iter().find(|(_, words)| is_one(word, *words)).map(|(unit, _)| *unit)
}

/// A day of the week, and whether its name is a short one.
fn weekday(word: &str) -> Option<(Weekday, bool)> {
    let day = |days: &[Words; 7]| {
        let found = days.iter().position(|names| names.contains(&word))?;
        Weekday::from_monday_zero_offset(i8::try_from(found).ok()?).ok()
    };
    let long = dates().find_map(|dates| Some((day(&dates.weekdays)?, false)));
    long.or_else(|| dates().find_map(|dates| Some((day(&dates.weekdays_short)?, true))))
}

/// `25th`, `1st`, `25-го`, `25го`: the number.
fn ordinal(word: &str) -> Option<&str> {
    let is_number = |text: &&str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let mut ends = dates().flat_map(|dates| dates.ordinals);
    ends.find_map(|end| word.strip_suffix(end).filter(is_number))
}

fn month(word: &str) -> Option<i8> {
    let found = dates().find_map(|dates| dates.months.iter().position(|names| names.contains(&word)))?;
    i8::try_from(found + 1).ok()
}

/// `25 dec`, `25th of december 2027`, `dec 25, 2027`, `25 декабря 2027 г.`
fn with_month(rest: &[&str], today: Date) -> Result<Option<(Date, usize)>, DeadlineProblem> {
    let day_of = |word: &str| {
        let number = ordinal(word).unwrap_or(word);
        let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        if is_number { number.parse::<i8>().ok() } else { None }
    };
    let (day, month, mut taken) = match rest {
        [day, small, name, ..] if is_filler(small) && month(name).is_some() => (day_of(day), month(name), 3),
        [day, name, ..] if month(name).is_some() => (day_of(day), month(name), 2),
        [name, small, day, ..] if is_filler(small) && month(name).is_some() => (day_of(day), month(name), 3),
        [name, day, ..] if month(name).is_some() => (day_of(day), month(name), 2),
        _ => return Ok(None),
    };
    let (Some(day), Some(month)) = (day, month) else { return Ok(None) };
    let year = rest.get(taken).filter(|word| word.len() == 4).and_then(|word| word.parse::<i16>().ok());
    if year.is_some() {
        taken += 1;
        taken += usize::from(rest.get(taken).is_some_and(|word| is_one(word, |dates| dates.years)));
    }
    let found = match year {
        Some(year) => Date::new(year, month, day).ok(),
        None => next_of(month, day, today),
    };
    found.map(|day| Some((day, taken))).ok_or(DeadlineProblem::Unknown)
}

/// A day in numbers, and whether it can mean something else: a version, a fraction.
fn numeric(word: &str, today: Date, language: Language) -> Option<Result<(Date, bool), DeadlineProblem>> {
    let sign = ['-', '/', '.'].into_iter().find(|sign| word.contains(*sign))?;
    let parts: Vec<&str> = word.split(sign).collect();
    let is_number = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !parts.iter().all(is_number) {
        return None;
    }
    let number = |at: usize| parts.get(at).and_then(|part| part.parse::<i16>().ok());
    let small = |at: usize| number(at).and_then(|number| i8::try_from(number).ok()).unwrap_or(99);
    let has_year_first = parts.len() == 3 && parts[0].len() == 4;
    let year = match parts.len() {
        3 if has_year_first => number(0),
        3 => Some(written_year(parts[2])),
        2 => None,
        _ => return None,
    };
    let of = |day: i8, month: i8| match year {
        Some(year) => Date::new(year, month, day).ok(),
        None => next_of(month, day, today),
    };
    let found = match sign {
        _ if has_year_first => of(small(2), small(1)),
        // `10-12` is a range as well.
        '-' if parts.len() == 2 => return None,
        '.' => of(small(0), small(1)),
        _ => return Some(slashed(of(small(0), small(1)), of(small(1), small(0)), language)),
    };
    let is_vague = parts.len() == 2;
    Some(found.map(|day| (day, is_vague)).ok_or(DeadlineProblem::Unknown))
}

fn written_year(year: &str) -> i16 {
    let number: i16 = year.parse().unwrap_or_default();
    if year.len() == 2 { 2000 + number } else { number }
}

/// `12/25` is a day in one way only; `5/6` in two, for people write the month first or the day.
fn slashed(
    day_first: Option<Date>,
    month_first: Option<Date>,
    language: Language,
) -> Result<(Date, bool), DeadlineProblem> {
    match (day_first, month_first) {
        (Some(one), Some(other)) if one != other && !language.dates().day_before_month => {
            Err(DeadlineProblem::Ambiguous(one, other))
        }
        _ => day_first.or(month_first).map(|day| (day, true)).ok_or(DeadlineProblem::Unknown),
    }
}

fn next_of(month: i8, day: i8, today: Date) -> Option<Date> {
    let of_year = |year: i16| Date::new(year, month, day).ok();
    // The 29th of February may be years away.
    (today.year()..=today.year().saturating_add(8)).filter_map(of_year).find(|found| *found >= today)
}

/// The next day of this number: of this month, or of the next one that has it.
fn next_day_of_month(day: i8, today: Date) -> Option<Date> {
    let first = today.first_of_month();
    (0..=3)
        .filter_map(|ahead: i64| first.checked_add(Span::new().try_months(ahead).ok()?).ok())
        .filter_map(|month| Date::new(month.year(), month.month(), day).ok())
        .find(|found| *found >= today)
}

#[cfg(test)]
mod tests;
