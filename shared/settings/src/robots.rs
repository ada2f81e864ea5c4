//! Schedules: a named action at the moments of a cron expression, in the tenant's time zone.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use locale::{Localized, texts};
use serde::{Deserialize, Serialize};

/// What a robot does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScheduleAction {
    /// Tells in a channel what has changed since it last did.
    Digest,
    /// Compares the databases with the portal, and makes and links what is missing.
    Sync,
    /// Tells in a channel how everything stands.
    Status,
}

/// Something that is done by the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "document", schemars(deny_unknown_fields))]
pub struct Robot {
    /// What people call it; unique.
    pub name: String,
    /// When: minute, hour, day, month, day of the week, in the tenant's time zone: `0 9 * * 1-5`.
    pub at: String,
    /// What is done.
    pub run: ScheduleAction,
    /// The channel, for what is told; the operators' if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The Notion database, for a sync; all of them if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

/// The most schedules of a tenant.
pub const MAX_ROBOTS: usize = 20;

/// The longest name of a schedule.
const MAX_ROBOT_NAME: usize = 60;

/// The longest expression: each of its five parts may name every value it has.
const MAX_AT: usize = 500;

fn parse(at: &str) -> Result<Cron, Localized> {
    if at.len() > MAX_AT {
        let (count, most) = (at.len() as u64, MAX_AT as u64);
        return Err(Localized::of(|_| texts::settings::TimeTooLong { count, most }));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(at).map_err(|error| {
        let reason = error.to_string();
        Localized::of(|_| texts::settings::NotASchedule { time: at, reason: &reason })
    })
}

impl Robot {
    /// The first of its moments after `moment`, in a time zone; none if there is none within the next years.
    pub fn next_after(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let next = parse(&self.at).ok()?.find_next_occurrence(&moment.to_zoned(zone.clone()), false).ok()?;
        Some(next.timestamp())
    }

    pub(crate) fn problem(&self) -> Option<(&'static str, Localized)> {
        if self.name.trim().is_empty() || self.name.len() > MAX_ROBOT_NAME {
            let most = MAX_ROBOT_NAME as u64;
            return Some(("name", Localized::of(|_| texts::settings::RobotName { most })));
        }
        parse(&self.at).err().map(|error| ("at", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(at: &str, after: &str) -> String {
        let robot =
            Robot { name: "x".into(), at: at.into(), run: ScheduleAction::Status, channel: None, database: None };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        robot.next_after(after.parse().unwrap(), &zone).map(|next| next.to_string()).unwrap_or_default()
    }

    #[test]
    fn moments_are_those_of_the_tenants_clock() {
        // A Saturday; Monday at nine in Berlin is eight in UTC.
        assert_eq!(next("0 9 * * 1-5", "2026-11-21T12:00:00Z"), "2026-11-23T08:00:00Z");
        assert_eq!(next("*/15 * * * *", "2026-11-21T12:00:00Z"), "2026-11-21T12:15:00Z");
        // Summer time begins: nine stays nine.
        assert_eq!(next("0 9 * * *", "2027-03-27T09:00:00Z"), "2027-03-28T07:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_named() {
        let robot = |at: &str| Robot {
            name: "x".into(),
            at: at.into(),
            run: ScheduleAction::Sync,
            channel: None,
            database: None,
        };
        for bad in ["", "9", "61 * * * *", "0 0 9 * * 1", "every day"] {
            let (place, text) = robot(bad).problem().unwrap();
            assert!(place == "at" && text.to_string().contains("is not a time"), "{bad}: {text}");
        }
        assert_eq!(robot("0 9 1 * *").problem(), None);
        let (place, text) = robot(&"0,".repeat(5_000)).problem().unwrap();
        assert_eq!(
            (place, text.to_string()),
            ("at", "the time has 10,000 characters; write it in at most 500, with ranges like 1-5".to_owned())
        );
    }
}
