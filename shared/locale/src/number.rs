//! Numbers as people read them in a language.

use crate::Language;

impl Language {
    /// A whole number, its thousands grouped: `1,234`.
    pub fn number(self, number: u64) -> String {
        self.grouped(&number.to_string())
    }

    /// A decimal number that is written with a point, as `150,000` or `150 000,50`: at least two decimals where there are
    /// any. `None` for what is not a decimal number.
    pub fn decimal(self, written: &str) -> Option<String> {
        let (sign, digits) = written.strip_prefix('-').map_or(("", written), |digits| ("-", digits));
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
            return None;
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0".to_owned(),
            whole => self.grouped(whole),
        };
        let point = self.facts().numbers.decimal;
        Some(match decimals.trim_end_matches('0') {
            "" => format!("{sign}{whole}"),
            decimals => format!("{sign}{whole}{point}{decimals:0<2}"),
        })
    }

    fn grouped(self, digits: &str) -> String {
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push_str(self.facts().numbers.group);
            }
            grouped.push(digit);
        }
        grouped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_have_two_decimals_or_none() {
        let en = |written: &str| Language::En.decimal(written);
        assert_eq!(en("150000").as_deref(), Some("150,000"));
        assert_eq!(en("2222000.00").as_deref(), Some("2,222,000"));
        assert_eq!(en("200.5").as_deref(), Some("200.50"));
        assert_eq!(en("-1234.567").as_deref(), Some("-1,234.567"));
        assert_eq!(en("000").as_deref(), Some("0"));
        assert_eq!(en("1e6"), None);
        assert_eq!(en("."), None);
        assert_eq!(Language::Ru.decimal("1234.5").as_deref(), Some("1\u{a0}234,50"));
        assert_eq!(Language::Ru.number(1_000_000), "1\u{a0}000\u{a0}000");
        assert_eq!(Language::En.number(999), "999");
    }
}
