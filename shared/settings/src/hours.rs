//! Hours of the week: working hours and quiet hours.

use std::time::Duration;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use locale::{Localized, texts};
use serde::{Deserialize, Serialize};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn of(date: Date) -> Self {
        match date.weekday() {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// Working hours: some days, from one time of the day to another, except on holidays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct Hours {
    /// The days; Monday to Friday if not said.
    #[serde(default = "working_days")]
    pub days: Vec<Day>,
    /// From this time of the day: `09:00`.
    #[serde(default = "nine")]
    pub from: String,
    /// Until this time of the day: `18:00`. Not after midnight.
    #[serde(default = "six")]
    pub to: String,
    /// Days off: `2026-12-25`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<String>,
}

impl Default for Hours {
    fn default() -> Self {
        Self { days: working_days(), from: nine(), to: six(), holidays: Vec::new() }
    }
}

fn working_days() -> Vec<Day> {
    vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri]
}

fn nine() -> String {
    "09:00".into()
}

fn six() -> String {
    "18:00".into()
}

/// The longest stretch that is searched: holidays do not last longer.
const MAX_DAYS: i32 = 60;

impl Hours {
    /// What is wrong with them: where (`from`, `holidays[0]`), and what.
    pub fn problem(&self) -> Option<(String, Localized)> {
        for (name, text) in [("from", &self.from), ("to", &self.to)] {
            if time(text).is_none() {
                return Some((name.into(), Localized::of(|_| texts::settings::NotATime { time: text })));
            }
        }
        if time(&self.from) >= time(&self.to) {
            let text = texts::settings::HoursEndFirst { to: &self.to, from: &self.from };
            return Some(("to".into(), Localized::of(|_| text)));
        }
        if self.days.is_empty() {
            return Some(("days".into(), texts::settings::HOURS_WITHOUT_DAY.into()));
        }
        let wrong = self.holidays.iter().position(|day| day.parse::<Date>().is_err());
        wrong.map(|place| {
            let date = &self.holidays[place];
            (format!("holidays[{place}]"), Localized::of(|_| texts::settings::NotADate { date }))
        })
    }

    /// Whether a moment is within them.
    pub fn contains(&self, moment: Timestamp, zone: &TimeZone) -> bool {
        let local = moment.to_zoned(zone.clone());
        self.of_day(local.date(), zone).is_some_and(|(from, to)| from <= moment && moment < to)
    }

    /// When they begin next, from a moment that is outside them; the moment itself if it is within.
    pub fn next_beginning(&self, moment: Timestamp, zone: &TimeZone) -> Timestamp {
        let today = moment.to_zoned(zone.clone()).date();
        for ahead in 0..MAX_DAYS {
            let Some((from, to)) = today.checked_add(ahead.days()).ok().and_then(|date| self.of_day(date, zone)) else {
                continue;
            };
            if moment < to {
                return moment.max(from);
            }
        }
        moment
    }

    /// How much of them is between two moments.
    pub fn between(&self, from: Timestamp, to: Timestamp, zone: &TimeZone) -> Duration {
        let mut total = SignedDuration::ZERO;
        let mut date =
            from.max(to - SignedDuration::from_hours(24 * i64::from(MAX_DAYS))).to_zoned(zone.clone()).date();
        let last = to.to_zoned(zone.clone()).date();
        while date <= last {
            if let Some((begins, ends)) = self.of_day(date, zone) {
                let (begins, ends) = (begins.max(from), ends.min(to));
                if begins < ends {
                    total += ends.duration_since(begins);
                }
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        total.unsigned_abs()
    }

    fn of_day(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let off = self.holidays.iter().any(|day| day.parse::<Date>().is_ok_and(|day| day == date));
        if off || !self.days.contains(&Day::of(date)) {
            return None;
        }
        let at = |text: &str| Some(date.to_datetime(time(text)?).to_zoned(zone.clone()).ok()?.timestamp());
        Some((at(&self.from)?, at(&self.to)?))
    }
}

fn time(text: &str) -> Option<Time> {
    if text == "24:00" {
        return Some(Time::MAX);
    }
    Time::strptime("%H:%M", text).ok()
}

/// The time zone of that name; UTC if there is none.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin() -> TimeZone {
        zone("Europe/Berlin")
    }

    #[test]
    fn hours_are_the_places_own_in_summer_and_winter() {
        let hours = Hours::default();
        assert!(hours.contains(at("2026-07-01T07:00:00Z"), &berlin()), "09:00 in summer");
        assert!(!hours.contains(at("2026-12-01T07:00:00Z"), &berlin()), "08:00 in winter");
        assert!(!hours.contains(at("2026-11-21T10:00:00Z"), &berlin()), "a Saturday");
    }

    #[test]
    fn after_friday_evening_comes_monday_morning_and_a_holiday_is_skipped() {
        let mut hours = Hours::default();
        assert_eq!(hours.next_beginning(at("2026-11-20T20:00:00Z"), &berlin()), at("2026-11-23T08:00:00Z"));
        hours.holidays = vec!["2026-11-23".into()];
        assert_eq!(hours.next_beginning(at("2026-11-20T20:00:00Z"), &berlin()), at("2026-11-24T08:00:00Z"));
        let within = at("2026-11-24T10:00:00Z");
        assert_eq!(hours.next_beginning(within, &berlin()), within);
    }

    #[test]
    fn only_working_time_counts() {
        let hours = Hours::default();
        let (friday, monday) = (at("2026-11-20T16:30:00Z"), at("2026-11-23T08:15:00Z"));
        assert_eq!(hours.between(friday, monday, &berlin()), Duration::from_secs(45 * 60));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let hours = Hours { from: "9".into(), ..Hours::default() };
        assert_eq!(hours.problem().unwrap().0, "from");
        let hours = Hours { from: "20:00".into(), to: "08:00".into(), ..Hours::default() };
        assert_eq!(hours.problem().unwrap().0, "to");
        let hours = Hours { holidays: vec!["25.12.2026".into()], ..Hours::default() };
        assert_eq!(hours.problem().unwrap().0, "holidays[0]");
    }

    proptest! {
        #[test]
        fn what_begins_next_is_within(minutes in 0i64..200_000) {
            let hours = Hours { holidays: vec!["2026-12-25".into(), "2027-01-01".into()], ..Hours::default() };
            let moment = at("2026-11-21T00:00:00Z") + SignedDuration::from_mins(minutes);
            let next = hours.next_beginning(moment, &berlin());
            prop_assert!(next >= moment && hours.contains(next, &berlin()));
            prop_assert_eq!(hours.between(moment, next, &berlin()), Duration::ZERO);
        }
    }
}
