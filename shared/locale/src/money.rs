//! Sums of money as people read them.

use crate::language::Language;

/// A decimal text and its currency, as `150,000 EUR` or `150 000,50 EUR`. Cents are shown when there are any. What
/// is no decimal number is shown as it is.
pub fn format(amount: &str, currency: Option<&str>, language: Language) -> String {
    let number = readable(amount.trim(), language).unwrap_or_else(|| amount.trim().to_owned());
    match currency {
        Some(currency) => format!("{number} {currency}"),
        None => number,
    }
}

fn readable(amount: &str, language: Language) -> Option<String> {
    let (sign, digits) = amount.strip_prefix('-').map_or(("", amount), |digits| ("-", digits));
    let (whole, cents) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(cents) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push_str(language.pick(",", "\u{a0}"));
        }
        grouped.push(digit);
    }
    if grouped.is_empty() {
        grouped.push('0');
    }
    let cents = cents.trim_end_matches('0');
    let point = language.pick(".", ",");
    Some(if cents.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}{point}{cents:0<2}") })
}

#[cfg(test)]
mod tests {
    use super::{Language, format};

    #[test]
    fn sums_are_grouped_and_show_cents_only_when_there_are_any() {
        assert_eq!(format("150000", Some("EUR"), Language::En), "150,000 EUR");
        assert_eq!(format("2222000.00", Some("RUB"), Language::En), "2,222,000 RUB");
        assert_eq!(format("200.5", Some("USD"), Language::En), "200.50 USD");
        assert_eq!(format("-1234.567", None, Language::En), "-1,234.567");
        assert_eq!(format("0", None, Language::En), "0");
        assert_eq!(format("1e6", Some("EUR"), Language::En), "1e6 EUR");
        assert_eq!(format("1234.5", Some("RUB"), Language::Ru), "1\u{a0}234,50 RUB");
    }
}
