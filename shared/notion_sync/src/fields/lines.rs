//! Values as lines of text: each reads back to exactly the value that it was written from.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use locale::{Localized, texts};

use super::cell::{Cell, canonical};
use super::portal_field::PortalKind;

/// A value as a line.
pub fn line(cell: &Cell, zone: &TimeZone) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Moment(moment) => {
            let local = moment.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
            // An hour that occurs twice when clocks are set back is written unambiguously.
            if read_moment(&local, zone) == *cell { local } else { moment.strftime("%Y-%m-%dT%H:%MZ").to_string() }
        }
        other => other.to_string(),
    }
}

/// Values as lines.
pub fn text(cell: &Cell, zone: &TimeZone) -> String {
    match cell {
        Cell::List(cells) => cells.iter().map(|cell| line(cell, zone)).collect::<Vec<_>>().join("\n"),
        cell => line(cell, zone),
    }
}

/// The values of a text; an error names the line that is not a value, by its number. `now` are the values that the
/// portal has: a line that shows one of them is that one.
pub fn read(kind: &PortalKind, text: &str, now: &[Cell], zone: &TimeZone) -> Result<Vec<Cell>, Localized> {
    steps::add(text.len());
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown: HashMap<String, &Cell> = now.iter().rev().map(|cell| (line(cell, zone), cell)).collect();
    let value = |(at, written): (usize, &str)| {
        if let Some(same) = shown.get(written) {
            return Ok((*same).clone());
        }
        // The value at this place before, if only this one was edited: otherwise nobody can say which it was.
        let was = now.get(at).filter(|was| lines.len() == now.len() && !lines.contains(&line(was, zone).as_str()));
        value(kind, written, was, now, zone).map_err(|why| in_line(at, &why))
    };
    lines.iter().copied().enumerate().map(value).collect()
}

/// What is wrong with the line at a place.
pub(super) fn in_line(place: usize, why: &Localized) -> Localized {
    Localized::of(|language| texts::sync::Line { number: place as u64 + 1, reason: why.text(language).to_owned() })
}

fn value(kind: &PortalKind, line: &str, was: Option<&Cell>, now: &[Cell], zone: &TimeZone) -> Result<Cell, Localized> {
    match kind {
        PortalKind::Number(scale) => match Cell::decimal(line) {
            Cell::Empty => Err(Localized::of(|_| texts::sync::NotANumber { line })),
            number => holds(*scale, &number).map(|()| number),
        },
        PortalKind::Money => money(line, was, now),
        PortalKind::Flag => match line.to_lowercase().as_str() {
            "yes" => Ok(Cell::Flag(true)),
            "no" => Ok(Cell::Flag(false)),
            _ => Err(Localized::of(|_| texts::sync::NeitherYesNorNo { line })),
        },
        PortalKind::Day => line.parse().map(Cell::Day).map_err(|_| Localized::of(|_| texts::sync::NotADate { line })),
        PortalKind::Moment => match read_moment(line, zone) {
            Cell::Empty => Err(Localized::of(|_| texts::sync::NotAMoment { line })),
            moment => Ok(moment),
        },
        _ => Ok(Cell::line(line)),
    }
}

/// Whether a field with this many digits after the point can hold a number.
pub fn holds(scale: usize, number: &Cell) -> Result<(), Localized> {
    let Cell::Number(text) = number else { return Ok(()) };
    let number = text.as_str();
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
    match scale {
        0 if digits > 0 => Err(Localized::of(|_| texts::sync::HasAFraction { number })),
        1..=3 if digits > scale => {
            Err(Localized::of(|_| texts::sync::TooManyDecimals { number, digits: scale as u64 }))
        }
        _ => Ok(()),
    }
}

fn money(line: &str, was: Option<&Cell>, now: &[Cell]) -> Result<Cell, Localized> {
    let mut words = line.split_whitespace();
    let (amount, currency, more) = (words.next().unwrap_or_default(), words.next(), words.next());
    let unclear = || Localized::of(|_| texts::sync::NotASum { line });
    let amount = canonical(amount).filter(|_| more.is_none()).ok_or_else(unclear)?;
    if let Some(currency) = currency {
        let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_alphabetic());
        let known = now.iter().any(|cell| matches!(cell, Cell::Money(_, known) if known == currency));
        let currency = if known { currency.to_owned() } else { currency.to_uppercase() };
        return (is_code || known).then_some(Cell::Money(amount, currency)).ok_or_else(unclear);
    }
    match was {
        Some(Cell::Money(_, currency)) => Ok(Cell::Money(amount, currency.clone())),
        _ => Err(Localized::of(|_| texts::sync::LacksCurrency { line, amount: amount.as_str() })),
    }
}

fn read_moment(line: &str, zone: &TimeZone) -> Cell {
    if let Ok(moment) = line.parse::<Timestamp>() {
        return Cell::moment(moment);
    }
    let local: Option<DateTime> = line.contains(':').then(|| line.parse().ok()).flatten();
    let moment = local.and_then(|local| local.to_zoned(zone.clone()).ok());
    moment.map_or(Cell::Empty, |zoned| Cell::moment(zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    #[test]
    fn a_sum_says_its_currency_or_keeps_the_one_that_it_had() {
        let now = [Cell::Money("10".into(), "EUR".into()), Cell::Money("20".into(), "USD".into())];
        let read = |text: &str| read(&PortalKind::Money, text, &now, &berlin());
        let money = |amount: &str, currency: &str| Cell::Money(amount.into(), currency.into());
        assert_eq!(read("10 EUR\n21.50 usd\n"), Ok(vec![money("10", "EUR"), money("21.5", "USD")]));
        assert_eq!(read("11\n20 USD"), Ok(vec![money("11", "EUR"), money("20", "USD")]));
        for moved in ["25", "5\n10 EUR\n20 USD", "20 USD\n11"] {
            assert!(read(moved).unwrap_err().to_string().contains("lacks its currency"), "{moved}");
        }
        assert!(read("10 EUR\n20 USD\n30").unwrap_err().to_string().starts_with("line 3: \"30\" lacks its currency"));
        for wrong in ["10,50 EUR", "EUR", "10 EURO", "10 EUR 5", "1 000 EUR", "ten EUR"] {
            assert!(read(wrong).unwrap_err().to_string().starts_with("line 1: "), "{wrong}");
        }
    }

    #[test]
    fn a_line_that_is_no_value_is_refused_with_its_number() {
        let refused = |kind: PortalKind, text: &str| read(&kind, text, &[], &berlin()).unwrap_err().to_string();
        assert!(refused(PortalKind::Number(0), "1\n2.5").starts_with("line 2: 2.5 has a fraction"));
        assert!(refused(PortalKind::Number(2), "1.255").contains("more than the 2 digits"));
        assert!(refused(PortalKind::Number(4), "1\n\nx").starts_with("line 2: "));
        assert!(refused(PortalKind::Day, "2026-02-30").contains("not a date"));
        assert!(refused(PortalKind::Moment, "2026-02-03").contains("15:30"));
        assert!(refused(PortalKind::Flag, "maybe").contains("neither"));
    }

    proptest! {
        #[test]
        fn every_moment_reads_back_from_its_line(minute in -60_000_000i64..60_000_000, place in 0usize..4) {
            let zone = TimeZone::get(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"][place]).unwrap();
            let cell = Cell::moment(Timestamp::from_second(minute * 60).unwrap());
            prop_assert_eq!(read(&PortalKind::Moment, &line(&cell, &zone), &[], &zone), Ok(vec![cell]));
        }
    }
}
