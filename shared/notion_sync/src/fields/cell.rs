//! A field's value in the form in which both sides are compared.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A longer text is kept in a base by its digest.
const MAX_KEPT: usize = 1_000;

/// A value, in the portal's terms. Two cells are equal if a person would say that both sides show the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Nothing.
    #[default]
    Empty,
    /// A text, without trailing spaces.
    Text(String),
    /// A decimal number, rounded as its field is: `-12.5`.
    Number(String),
    /// Yes or no.
    Flag(bool),
    /// A day, in no time zone.
    Day(Date),
    /// A moment, to the minute.
    Moment(Timestamp),
    /// One of a list, by the portal's code.
    Option(String),
    /// Several of a list, by the portal's codes.
    Options(BTreeSet<String>),
    /// People, by their numbers on the portal.
    Users(BTreeSet<u64>),
    /// Records, by their numbers on the portal.
    Records(BTreeSet<u64>),
    /// Links to files: names and addresses.
    Files(Vec<(String, String)>),
    /// Something on Notion's side without a counterpart on the portal, as people see it.
    Foreign(String),
    /// A text that is too long to be kept twice, by its digest.
    Long(String),
    /// A sum: its amount as a decimal number, and its currency; none if the portal names none.
    Money(String, String),
    /// Several values, in their order.
    List(Vec<Cell>),
}

impl Cell {
    /// A text: line ends are one character; spaces at the ends of lines and of the text are removed.
    pub fn text(text: &str) -> Self {
        let lines = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        match lines.trim_end() {
            "" => Self::Empty,
            text => Self::Text(text.to_owned()),
        }
    }

    /// The same on one line.
    pub fn line(text: &str) -> Self {
        Self::text(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// A number with at most `scale` digits after the point.
    pub fn number(number: f64, scale: usize) -> Self {
        if !number.is_finite() {
            return Self::Empty;
        }
        // Half a digit is rounded away from zero, as people round; the smallest step makes up for what binary loses.
        let step = 10f64.powi(i32::try_from(scale).unwrap_or(i32::MAX).min(12));
        let scaled = number * step;
        let rounded = (scaled + scaled.signum() * scaled.abs().mul_add(1e-15, 1e-9)).round() / step;
        let text = format!("{rounded:.scale$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        Self::Number(if text == "-0" { "0".into() } else { text.to_owned() })
    }

    /// The same from a text; no value if it is not a number.
    pub fn number_of(text: &str, scale: usize) -> Self {
        text.trim().parse().map_or(Self::Empty, |number| Self::number(number, scale))
    }

    /// A decimal number as it is written, digit for digit; no value if it is not a number.
    pub fn decimal(text: &str) -> Self {
        canonical(text).map_or(Self::Empty, Self::Number)
    }

    /// A number of JSON: digits after the fifteenth, which come from its binary form, are left out.
    pub fn double(number: f64) -> Self {
        if !number.is_finite() {
            return Self::Empty;
        }
        let is_whole = number.fract() == 0.0;
        let rounded = if is_whole { number } else { format!("{number:.14e}").parse().unwrap_or(number) };
        Self::decimal(&rounded.to_string())
    }

    /// Several values; none means no value.
    pub fn list(cells: impl IntoIterator<Item = Self>) -> Self {
        let cells: Vec<_> = cells.into_iter().filter(|cell| *cell != Self::Empty).collect();
        if cells.is_empty() { Self::Empty } else { Self::List(cells) }
    }

    /// A moment, cut to the minute: Notion's editor has no seconds.
    pub fn moment(moment: Timestamp) -> Self {
        let seconds = moment.as_second();
        Self::Moment(Timestamp::from_second(seconds - seconds.rem_euclid(60)).unwrap_or(moment))
    }

    /// People; nobody means no value.
    pub fn users(users: impl IntoIterator<Item = u64>) -> Self {
        let users: BTreeSet<_> = users.into_iter().filter(|user| *user != 0).collect();
        if users.is_empty() { Self::Empty } else { Self::Users(users) }
    }

    /// Records; none means no value.
    pub fn records(records: impl IntoIterator<Item = u64>) -> Self {
        let records: BTreeSet<_> = records.into_iter().filter(|record| *record != 0).collect();
        if records.is_empty() { Self::Empty } else { Self::Records(records) }
    }

    /// Several of a list; none means no value.
    pub fn options(codes: impl IntoIterator<Item = String>) -> Self {
        let codes: BTreeSet<_> = codes.into_iter().filter(|code| !code.is_empty()).collect();
        if codes.is_empty() { Self::Empty } else { Self::Options(codes) }
    }

    /// Whether it is empty or equivalent: an unticked box compared with one that was never seen.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty | Self::Flag(false)) || matches!(self, Self::Number(number) if number == "0")
    }

    /// The cell as a base keeps it.
    #[must_use]
    pub fn kept(&self) -> Self {
        match self {
            Self::Text(text) | Self::Foreign(text) if text.len() > MAX_KEPT => Self::Long(digest(text)),
            Self::List(_) => {
                let text = serde_json::to_string(self).unwrap_or_default();
                if text.len() > MAX_KEPT { Self::Long(digest(&text)) } else { self.clone() }
            }
            other => other.clone(),
        }
    }

    /// Whether a base's cell equals this one.
    pub fn is(&self, kept: &Self) -> bool {
        self == kept || self.kept() == *kept
    }
}

/// A decimal number without redundant signs and zeros.
pub fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.contains(['e', 'E']) {
        let number: f64 = text.parse().ok()?;
        return number.is_finite().then(|| canonical(&number.to_string())).flatten();
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let number = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Some(if is_negative && number != "0" { format!("-{number}") } else { number })
}

fn digest(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As people read it in a list of conflicts.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: Vec<String>| f.write_str(&items.join(", "));
        match self {
            Self::Empty => f.write_str("—"),
            Self::Text(text) | Self::Number(text) | Self::Option(text) | Self::Foreign(text) => f.write_str(text),
            Self::Flag(yes) => f.write_str(if *yes { "yes" } else { "no" }),
            Self::Day(day) => write!(f, "{day}"),
            Self::Moment(moment) => write!(f, "{}", moment.strftime("%Y-%m-%d %H:%M UTC")),
            Self::Options(codes) => list(f, codes.iter().cloned().collect()),
            Self::Users(users) => list(f, users.iter().map(|user| format!("user {user}")).collect()),
            Self::Records(records) => list(f, records.iter().map(|record| format!("#{record}")).collect()),
            Self::Files(files) => list(f, files.iter().map(|(name, _)| name.clone()).collect()),
            Self::Long(_) => f.write_str("(a long text)"),
            Self::Money(amount, currency) if currency.is_empty() => f.write_str(amount),
            Self::Money(amount, currency) => write!(f, "{amount} {currency}"),
            Self::List(cells) => f.write_str(&cells.iter().map(Self::to_string).collect::<Vec<_>>().join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        assert_eq!(Cell::text("a \r\nb  \n\n"), Cell::text("a\nb"));
        assert_eq!(Cell::line(" Roof\nfor  ACME "), Cell::Text("Roof for ACME".into()));
        assert_eq!(Cell::number_of("+0", 2), Cell::number(-0.0, 2));
        assert_eq!(Cell::number_of("150000.50", 2), Cell::Number("150000.5".into()));
        assert_eq!(Cell::number(1.005, 2), Cell::Number("1.01".into()));
        assert_eq!(Cell::number_of("100", 0), Cell::Number("100".into()));
        assert_eq!(Cell::number_of("much", 2), Cell::Empty);
        let moment = |text: &str| Cell::moment(text.parse().unwrap());
        assert_eq!(moment("2026-11-25T10:00:59+03:00"), moment("2026-11-25T07:00:00Z"));
        assert_eq!(Cell::users([0]), Cell::Empty);
    }

    #[test]
    fn a_number_is_kept_digit_for_digit() {
        let same = [("10", "10"), ("+010.50", "10.5"), ("-0.0", "0"), (".5", "0.5"), ("5.", "5"), ("1e3", "1000")];
        for (text, number) in same {
            assert_eq!(Cell::decimal(text), Cell::Number(number.into()), "{text}");
        }
        assert_eq!(Cell::decimal("9007199254740993"), Cell::Number("9007199254740993".into()));
        assert_eq!(Cell::decimal("3.141593"), Cell::Number("3.141593".into()));
        assert_eq!(Cell::double(0.1 + 0.2), Cell::Number("0.3".into()));
        for text in ["", ".", "-", "1,5", "1 0", "0x1", "1e999", "NaN", "ten"] {
            assert_eq!(Cell::decimal(text), Cell::Empty, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_rounded_once_stays(number in -1e9f64..1e9, scale in 0usize..5) {
            let once = Cell::number(number, scale);
            let Cell::Number(text) = &once else { return Ok(()) };
            prop_assert_eq!(Cell::number_of(text, scale), once);
        }

        #[test]
        fn a_kept_text_is_known_again(text in ".{0,1500}") {
            let cell = Cell::text(&text);
            prop_assert!(cell.is(&cell.kept()));
            let longer = Cell::text(&[text.as_str(), "x"].concat());
            prop_assert!(!longer.is(&cell.kept()));
        }
    }
}
