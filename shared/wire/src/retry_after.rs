//! How long a provider asks to wait: `Retry-After`, as seconds, with a fraction or not, or as a date.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// No longer wait is believed. What pauses an account has a shorter limit of its own.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait that `text` names, a day at most; nothing if it is missing, negative or no wait at all.
///
/// A date counts from `now`, the provider's own date: its clock and ours may differ.
pub fn parse_retry_after(text: &str, now: Option<Timestamp>) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with(|first: char| first.is_ascii_digit()) { seconds(text) } else { until(text, now?) }
}

fn seconds(text: &str) -> Option<Duration> {
    // Neither an exponent nor a name of a number.
    if !text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let seconds: f64 = text.parse().ok()?;
    Some(Duration::try_from_secs_f64(seconds).map_or(MAX_WAIT, |wait| wait.min(MAX_WAIT)))
}

fn until(text: &str, now: Timestamp) -> Option<Duration> {
    let moment = date(text)?;
    // A moment that has passed means now.
    Some(Duration::try_from(moment.duration_since(now)).unwrap_or_default().min(MAX_WAIT))
}

/// A date as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    let parser = DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "Sat, 21 Nov 2026 12:00:00 GMT";

    fn parsed(text: &str) -> Option<f64> {
        parse_retry_after(text, date(NOW)).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn a_wait_is_seconds_fractions_of_them_or_a_date() {
        for (text, wait) in [
            ("17", Some(17.0)),
            (" 17 ", Some(17.0)),
            ("0", Some(0.0)),
            ("0.25", Some(0.25)),
            ("1.5", Some(1.5)),
            ("Sat, 21 Nov 2026 12:00:30 GMT", Some(30.0)),
            ("Sat, 21 Nov 2026 11:00:00 GMT", Some(0.0)),
            ("Sun, 22 Nov 2026 13:00:00 GMT", Some(86_400.0)),
            ("Thu, 31 Dec 9998 23:59:59 GMT", Some(86_400.0)),
            ("99999999999999999999999999", Some(86_400.0)),
            ("86401", Some(86_400.0)),
        ] {
            assert_eq!(parsed(text), wait, "{text}");
        }
    }

    #[test]
    fn what_is_no_wait_says_nothing() {
        for text in [
            "",
            " ",
            "soon",
            "-5",
            "-0",
            "+5",
            "1e3",
            "inf",
            "NaN",
            "1.2.3",
            ".",
            ".5",
            "1,5",
            "12:00",
            "0x10",
            "Sat, 99 Nov 2026",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
        assert_eq!(parse_retry_after("Sat, 21 Nov 2026 12:00:30 GMT", None), None, "whose clock it is, is not known");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,60}") {
            prop_assert!(parsed(&text).is_none_or(|wait| (0.0..=86_400.0).contains(&wait)));
        }

        #[test]
        fn any_number_is_a_wait_of_a_day_at_most(number in "[0-9]{1,40}(\\.[0-9]{1,40})?") {
            prop_assert!(parsed(&number).is_some_and(|wait| (0.0..=86_400.0).contains(&wait)), "{number}");
        }
    }
}
