//! Sums of money as people read them.

use crate::{Language, texts};

/// A decimal text and its currency, as `150,000 EUR` or `150 000,50 EUR`. Cents are shown when there are any. What
/// is not a decimal number is shown as it is.
pub fn format(amount: &str, currency: Option<&str>, language: Language) -> String {
    let amount = amount.trim();
    let number = language.decimal(amount).unwrap_or_else(|| amount.to_owned());
    match currency {
        Some(currency) => language.text(texts::records::Money { amount: number.as_str(), currency }),
        None => number,
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, format};

    #[test]
    fn sums_are_grouped_and_show_cents_only_when_there_are_any() {
        assert_eq!(format("150000", Some("EUR"), Language::En), "150,000 EUR");
        assert_eq!(format(" 200.5", Some("USD"), Language::En), "200.50 USD");
        assert_eq!(format("0", None, Language::En), "0");
        assert_eq!(format("1e6", Some("EUR"), Language::En), "1e6 EUR");
        assert_eq!(format("1234.5", Some("RUB"), Language::Ru), "1\u{a0}234,50 RUB");
    }
}
