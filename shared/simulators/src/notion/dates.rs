//! Dates as properties carry them, and the relative dates of filters.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde_json::{Value, json};

use super::text::{NotionRefusal, invalid, should};

/// Checks a date as requests write it. It comes back with milliseconds and an offset, and without the name of a time zone.
pub(super) fn checked(path: &str, given: &Value) -> Result<Value, NotionRefusal> {
    if given.is_null() {
        return Ok(Value::Null);
    }
    if !given.is_object() {
        return Err(should(path, "an object or `null`", Some(given)));
    }
    let zone = match given.get("time_zone").filter(|zone| !zone.is_null()) {
        None => None,
        Some(name) => {
            let zone = name.as_str().and_then(|name| TimeZone::get(name).ok());
            Some(zone.ok_or_else(|| should(&format!("{path}.time_zone"), "a valid IANA time zone", Some(name)))?)
        }
    };
    let read = |name: &str| -> Result<Value, NotionRefusal> {
        let Some(value) = given.get(name).filter(|value| !value.is_null()) else { return Ok(Value::Null) };
        let shown = value.as_str().and_then(|text| shown(text, zone.as_ref()));
        shown.map(Value::String).ok_or_else(|| {
            let what = if zone.is_some() {
                "a valid ISO 8601 date-time string without an offset, for `time_zone` is given"
            } else {
                "a valid ISO 8601 date string"
            };
            should(&format!("{path}.{name}"), what, Some(value))
        })
    };
    let (start, end) = (read("start")?, read("end")?);
    let Some(from) = start.as_str() else {
        return Err(should(&format!("{path}.start"), "defined", given.get("start")));
    };
    if let Some(to) = end.as_str() {
        if (from.len() == 10) != (to.len() == 10) {
            return Err(invalid(format!(
                "body failed validation: body.{path}.start and body.{path}.end should both have a time, or neither."
            )));
        }
        if moment(to) < moment(from) {
            return Err(invalid(format!(
                "body failed validation: body.{path}.end should be on or after the start date."
            )));
        }
    }
    Ok(json!({"start": start, "end": end, "time_zone": null}))
}

fn shown(text: &str, zone: Option<&TimeZone>) -> Option<String> {
    if text.len() == 10 {
        let day: Date = text.parse().ok()?;
        return zone.is_none().then(|| day.to_string());
    }
    let time = text.get(10..)?;
    if !time.starts_with(['T', ' ', 't']) {
        return None;
    }
    let local: jiff::civil::DateTime = text.trim_end_matches(['Z', 'z']).parse().ok()?;
    let has_offset = text.ends_with(['Z', 'z']) || time.contains(['+', '-']);
    if !has_offset {
        let zone = zone.cloned().unwrap_or(TimeZone::UTC);
        return Some(local.to_zoned(zone).ok()?.strftime("%Y-%m-%dT%H:%M:%S.000%:z").to_string());
    }
    let _: Timestamp = text.parse().ok().filter(|_| zone.is_none())?;
    let offset = if text.ends_with(['Z', 'z']) { "+00:00" } else { text.get(text.len().checked_sub(6)?..)? };
    Some(format!("{}{offset}", local.strftime("%Y-%m-%dT%H:%M:%S.000")))
}

/// The moment of a date or date-time; days begin at midnight in UTC, as does what has no offset.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    if text.len() == 10 {
        return text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    }
    let in_utc = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse::<Timestamp>().ok().or_else(|| in_utc().map(|zoned| zoned.timestamp()))
}

/// What a filter compares with: a moment, and whether it stands for a whole day.
pub(super) fn wanted(path: &str, value: &Value, now: Timestamp) -> Result<(Timestamp, bool), NotionRefusal> {
    let text = value.as_str().unwrap_or_default();
    let today = now.to_zoned(TimeZone::UTC);
    let day = match text {
        "today" => Ok(today),
        "tomorrow" => today.checked_add(1.day()),
        "yesterday" => today.checked_sub(1.day()),
        "one_week_ago" => today.checked_sub(1.week()),
        "one_week_from_now" => today.checked_add(1.week()),
        "one_month_ago" => today.checked_sub(1.month()),
        "one_month_from_now" => today.checked_add(1.month()),
        _ => {
            let found = moment(text).map(|moment| (moment, text.len() == 10));
            return found.ok_or_else(|| should(path, "a valid ISO 8601 date string", Some(value)));
        }
    };
    let start = day.and_then(|day| day.start_of_day()).map_err(|_| should(path, "a date", Some(value)))?;
    Ok((start.timestamp(), true))
}

/// The span that a filter's word means: from, and to (not included).
pub(super) fn span(word: &str, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let here = now.to_zoned(TimeZone::UTC);
    let today = here.start_of_day().ok()?;
    let tomorrow = today.checked_add(1.day()).ok()?;
    let between = |from: Zoned, to: Zoned| Some((from.timestamp(), to.timestamp()));
    match word {
        "this_week" => {
            let monday = today.checked_sub(i64::from(today.weekday().to_monday_zero_offset()).days()).ok()?;
            let next = monday.checked_add(1.week()).ok()?;
            between(monday, next)
        }
        "past_week" => between(today.checked_sub(1.week()).ok()?, tomorrow),
        "past_month" => between(today.checked_sub(1.month()).ok()?, tomorrow),
        "past_year" => between(today.checked_sub(1.year()).ok()?, tomorrow),
        "next_week" => between(today.clone(), tomorrow.checked_add(1.week()).ok()?),
        "next_month" => between(today.clone(), tomorrow.checked_add(1.month()).ok()?),
        "next_year" => between(today.clone(), tomorrow.checked_add(1.year()).ok()?),
        _ => None,
    }
}
