//! Sums of money as people read them.

/// A decimal text and its currency, as `150,000 EUR`. Cents are shown when there are any. What is no decimal
/// number is shown as it is.
pub fn format(amount: &str, currency: Option<&str>) -> String {
    let number = readable(amount.trim()).unwrap_or_else(|| amount.trim().to_owned());
    match currency {
        Some(currency) => format!("{number} {currency}"),
        None => number,
    }
}

fn readable(amount: &str) -> Option<String> {
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
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if grouped.is_empty() {
        grouped.push('0');
    }
    let cents = cents.trim_end_matches('0');
    Some(if cents.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{cents:0<2}") })
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn sums_are_grouped_and_show_cents_only_when_there_are_any() {
        assert_eq!(format("150000", Some("EUR")), "150,000 EUR");
        assert_eq!(format("2222000.00", Some("RUB")), "2,222,000 RUB");
        assert_eq!(format("200.5", Some("USD")), "200.50 USD");
        assert_eq!(format("-1234.567", None), "-1,234.567");
        assert_eq!(format("0", None), "0");
        assert_eq!(format("1e6", Some("EUR")), "1e6 EUR");
    }
}
