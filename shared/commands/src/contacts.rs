//! Phone numbers, e-mails and web addresses in the text of a lead. Sums, dates and order numbers do not count as
//! phones.

use crate::people::email;
use crate::reader::{TextToken, TokenUnit, simple};

/// How a lead can be reached, according to its text; each once, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contacts {
    /// Phone numbers as they were typed, with simple blanks.
    pub phones: Vec<String>,
    /// E-mails, in small letters.
    pub emails: Vec<String>,
    /// Web addresses with their scheme.
    pub web: Vec<String>,
}

/// The most of each kind.
const MAX_CONTACTS: usize = 10;
/// The most digits of a phone number, and the fewest.
const DIGITS: std::ops::RangeInclusive<usize> = 6..=15;

impl Contacts {
    /// Those of a text. The address behind a link with words of its own counts if `with_labelled`.
    pub fn of(tokens: &[TextToken<'_>], with_labelled: bool) -> Self {
        let mut contacts = Self::default();
        let mut words: Vec<String> = Vec::new();
        for token in tokens {
            match (&token.unit, email(token)) {
                (_, Some(email)) => put(&mut contacts.emails, email),
                (TokenUnit::Word, None) => {
                    if let Some(web) = web_address(&token.typed()) {
                        put(&mut contacts.web, web);
                    } else {
                        words.push(simple(&token.typed()));
                    }
                    continue;
                }
                (TokenUnit::Link { url, .. }, None) => {
                    if let Some(number) = url.strip_prefix("tel:") {
                        contacts.phones_in(&words);
                        words.clear();
                        let shown = simple(&token.typed());
                        let is_number = shown.bytes().filter(u8::is_ascii_digit).count() >= 3;
                        put_phone(&mut contacts.phones, if is_number { shown } else { simple(number) });
                    } else if is_web(url) && (with_labelled || token.address().is_none()) {
                        put(&mut contacts.web, url.clone());
                    }
                }
                (TokenUnit::Blank, None) => continue,
                _ => {}
            }
            contacts.phones_in(&words);
            words.clear();
        }
        contacts.phones_in(&words);
        contacts
    }

    /// The contacts of this text and of another one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        other.phones.into_iter().for_each(|phone| put_phone(&mut self.phones, phone));
        other.emails.into_iter().for_each(|email| put(&mut self.emails, email));
        other.web.into_iter().for_each(|web| put(&mut self.web, web));
        self
    }

    /// Finds the phones among words that follow each other.
    fn phones_in(&mut self, words: &[String]) {
        let mut at = 0;
        while at < words.len() {
            let length = phone_at(words, at);
            if length > 0 {
                let number = words[at..at + length].iter().map(|word| bare(word)).collect::<Vec<_>>().join(" ");
                put_phone(&mut self.phones, number);
            }
            // If the whole is not a phone, its parts are not either.
            at += length.max(numeric_run(words, at)).max(1);
        }
    }
}

fn put(list: &mut Vec<String>, value: String) {
    if list.len() < MAX_CONTACTS && !list.contains(&value) {
        list.push(value);
    }
}

fn put_phone(list: &mut Vec<String>, phone: String) {
    let digits = |phone: &str| phone.chars().filter(char::is_ascii_digit).collect::<String>();
    if !list.iter().any(|known| digits(known) == digits(&phone)) {
        put(list, phone);
    }
}

fn is_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// The web address that a word is: with a scheme, or with `www.`.
fn web_address(word: &str) -> Option<String> {
    let word =
        word.trim_matches(|c: char| matches!(c, ',' | ';' | '(' | ')' | '"' | '\'' | '!')).trim_end_matches(['.', ':']);
    let lower = word.to_lowercase();
    if is_web(&lower) && lower.len() > 8 {
        return Some(word.to_owned());
    }
    (lower.starts_with("www.") && lower[4..].contains('.')).then(|| format!("http://{word}"))
}

fn is_of_phone(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '+' | '(' | ')' | '-' | '/' | '.')
}

/// A word without the punctuation that ends a sentence.
fn bare(word: &str) -> &str {
    word.trim_matches(|c| matches!(c, ',' | ';' | ':' | '"' | '!' | '?')).trim_end_matches('.')
}

/// Whether a number ends with this word.
fn ends(word: &str) -> bool {
    word.ends_with([',', ';', ':', '!', '?', '.'])
}

/// How many words from here on are digits and punctuation of phone numbers.
fn numeric_run(words: &[String], at: usize) -> usize {
    let mut length = 0;
    steps::add(1);
    while let Some(word) = words.get(at + length) {
        let bare = bare(word);
        if bare.is_empty() || !bare.chars().all(is_of_phone) || (length > 0 && bare.starts_with('+')) {
            break;
        }
        length += 1;
        steps::add(word.len());
        if ends(word) {
            break;
        }
    }
    length
}

/// How many words from here on are a phone number; 0 if they are none.
fn phone_at(words: &[String], at: usize) -> usize {
    let length = numeric_run(words, at);
    if length == 0 {
        return 0;
    }
    let before = at.checked_sub(1).map(|at| words[at].to_lowercase()).unwrap_or_default();
    let after = words
        .get(at + length)
        .filter(|_| !ends(&words[at + length - 1]))
        .map(|word| word.to_lowercase())
        .unwrap_or_default();
    let parts: Vec<&str> = words[at..at + length].iter().map(|word| bare(word)).collect();
    if is_money(&before) || is_money(&after) || counts(&after) || is_numbered(&before) {
        return 0;
    }
    let said = [
        "tel",
        "phone",
        "fax",
        "mobile",
        "mob",
        "cell",
        "call",
        "whatsapp",
        "тел",
        "телефон",
        "факс",
        "моб",
        "мобильный",
        "т",
    ];
    let is_said = said.contains(&before.trim_matches(|c: char| !c.is_alphanumeric()));
    if is_phone(&parts, is_said) { length } else { 0 }
}

/// Whether digits and punctuation, in words, are a phone number.
fn is_phone(parts: &[&str], is_said: bool) -> bool {
    let number = parts.join(" ");
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let is_long = DIGITS.contains(&digits.len());
    if !is_long || number.matches('+').count() > 1 || looks_like_a_date(&number) || !has_pairs(&number) {
        return is_said
            && (3..=15).contains(&digits.len())
            && !looks_like_a_date(&number)
            && has_pairs(&number)
            && !number.contains('.');
    }
    if let Some(rest) = number.strip_prefix('+') {
        return rest.starts_with(|c: char| c.is_ascii_digit() || c == '(') && digits.len() >= 7;
    }
    let groups: Vec<&str> = number.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let in_thousands = groups.len() > 1 && groups[1..].iter().all(|group| group.len() == 3);
    let shape: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    match () {
        () if is_said => true,
        () if number.starts_with('(') => true,
        // `0.123456` is a number, `030 1234567` a phone.
        () if number.starts_with('0') => {
            !number.starts_with("0.") && (groups.len() > 1 || digits.len() >= 9) && !number.contains(".0")
        }
        // Russian numbers with their trunk code, and North American ones.
        () if number.starts_with('8') && digits.len() == 11 => !in_thousands,
        () => shape == [3, 3, 4] || shape == [1, 3, 3, 4],
    }
}

/// Whether brackets come in pairs, and no sign follows itself.
fn has_pairs(number: &str) -> bool {
    let opened = number.matches('(').count();
    let doubled = ["--", "//", "..", "((", "))"].iter().any(|double| number.contains(double));
    opened == number.matches(')').count() && opened <= 1 && !doubled
}

/// `25.12.2026`, `2026-12-25`, `05/06/26`, or several of them.
fn looks_like_a_date(number: &str) -> bool {
    number.split(' ').any(|word| {
        let parts: Vec<&str> = word.split(['.', '-', '/']).collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let small = |at: usize, most: u32| parts[at].parse::<u32>().is_ok_and(|number| (1..=most).contains(&number));
        match lengths.as_slice() {
            [1 | 2, 1 | 2, 2 | 4] => small(0, 31) && small(1, 31),
            [4, 1 | 2, 1 | 2] => small(1, 12) && small(2, 31),
            _ => false,
        }
    })
}

/// Whether a word makes the number beside it a sum.
fn is_money(word: &str) -> bool {
    const CURRENCIES: [&str; 22] = [
        "€",
        "$",
        "£",
        "₽",
        "eur",
        "usd",
        "rub",
        "gbp",
        "chf",
        "uah",
        "kzt",
        "pln",
        "byn",
        "euro",
        "euros",
        "dollars",
        "руб",
        "рублей",
        "рубля",
        "р",
        "тенге",
        "тыс",
    ];
    let word = word.trim_matches(|c: char| matches!(c, '.' | ',' | ';' | '(' | ')' | ':' | '"'));
    CURRENCIES.contains(&word)
}

/// Whether a word makes the number before it an amount.
fn counts(word: &str) -> bool {
    let word = word.trim_matches(|c: char| matches!(c, '.' | ',' | ';' | ')' | '!'));
    ["%", "pcs", "pieces", "units", "kg", "km", "m2", "m²", "шт", "кг", "км", "million", "mio", "млн", "thousand"]
        .contains(&word)
}

/// Whether a word makes the number after it that of an order, an account, a house.
fn is_numbered(word: &str) -> bool {
    const NUMBERED: [&str; 26] = [
        "order",
        "invoice",
        "no",
        "nr",
        "number",
        "id",
        "ref",
        "account",
        "contract",
        "deal",
        "lead",
        "ticket",
        "case",
        "iban",
        "vat",
        "isbn",
        "item",
        "заказ",
        "заказа",
        "счёт",
        "счет",
        "договор",
        "артикул",
        "инн",
        "номер",
        "сделка",
    ];
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '#' && c != '№');
    word.ends_with(['#', '№']) || NUMBERED.contains(&bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::tokens;
    use proptest::prelude::*;

    fn phones(text: &str) -> Vec<String> {
        Contacts::of(&tokens(text), false).phones
    }

    #[test]
    fn phones_are_found_as_people_write_them() {
        for (text, phone) in [
            ("Ann Lee, +49 30 1234567, ann", "+49 30 1234567"),
            ("call (030) 12 34 today", "(030) 12 34"),
            ("+49\u{a0}30\u{202f}1234567", "+49 30 1234567"),
            ("+49 (0)30 123-45-67", "+49 (0)30 123-45-67"),
            ("+49(30)1234567.", "+49(30)1234567"),
            ("+4930123456", "+4930123456"),
            ("030 1234567", "030 1234567"),
            ("030/1234567", "030/1234567"),
            ("0301234567", "0301234567"),
            ("0049 30 1234567", "0049 30 1234567"),
            ("8 (495) 123-45-67", "8 (495) 123-45-67"),
            ("8-800-555-35-35", "8-800-555-35-35"),
            ("89161234567", "89161234567"),
            ("8 916 123 45 67", "8 916 123 45 67"),
            ("555-123-4567", "555-123-4567"),
            ("(555) 123-4567", "(555) 123-4567"),
            ("1-555-123-4567", "1-555-123-4567"),
            ("tel. 12345", "12345"),
            ("тел: 123-45-67", "123-45-67"),
            ("phone 4711234", "4711234"),
            ("+49‑30‑1234567", "+49-30-1234567"),
            ("<tel:+49301234567|+49 30 1234567>", "+49 30 1234567"),
            ("<tel:+49301234567>", "+49301234567"),
            ("<tel:+49301234567|call us>", "+49301234567"),
            ("２ ＋49 30 1234567", "+49 30 1234567"),
        ] {
            assert_eq!(phones(text), [phone], "{text}");
        }
        assert_eq!(phones("+49 30 1234567, +49 30 7654321; +49301234567"), ["+49 30 1234567", "+49 30 7654321"]);
        assert_eq!(phones("+49 30 1234567 +49 30 7654321"), ["+49 30 1234567", "+49 30 7654321"]);
    }

    #[test]
    fn other_numbers_are_no_phones() {
        for text in [
            "1 000 000 EUR",
            "sum 150000",
            "€ 1 500 000",
            "0.123456",
            "2026-12-25",
            "25.12.2026",
            "01.02.2026",
            "05/06/2026",
            "2026/01/02",
            "order 0301234567",
            "No. 0301234567",
            "#0301234567",
            "invoice 4711-0815-42",
            "заказ 89161234567",
            "№ 89161234567",
            "4711234567",
            "10:30 12:45",
            "IBAN DE89 3704 0044 0532 0130 00",
            "+5%",
            "+49",
            "+1 000 000 EUR",
            "89 161 234 567 руб",
            "12 345 678",
            "3 x 4",
            "192.168.100.200",
            "01.02.2026 03.04.2026",
            "in 2026",
            "000",
            "007",
            "100 %",
            "",
            "(2026)",
            "89 161 234 567",
            "123456789",
        ] {
            assert_eq!(phones(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn mails_and_pages_are_found_in_links_and_in_words() {
        let text = "see <http://acme.example|acme.example>, <https://acme.example/offer|the offer>, <mailto:Dana@acme.example|Dana@acme.example> or bob@acme.example; www.other.example.";
        let found = Contacts::of(&tokens(text), false);
        assert_eq!(found.web, ["http://acme.example", "http://www.other.example"]);
        assert_eq!(found.emails, ["dana@acme.example", "bob@acme.example"]);
        assert_eq!(Contacts::of(&tokens(text), true).web.len(), 3);
        assert_eq!(Contacts::of(&tokens("<@U1|ann> <#C1|x> a.b v1.2"), true), Contacts::default());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fall(text in "([0-9+()./ -]|[a-z#@€,;:|<>]|\\PC){0,60}") {
            let found = Contacts::of(&tokens(&text), true);
            for phone in found.phones {
                prop_assert!(phone.chars().filter(char::is_ascii_digit).count() >= 3, "{phone}");
            }
        }
    }

    #[test]
    fn looking_is_linear() {
        let work = |text: &str| steps::of(|| Contacts::of(&tokens(text), true)).1;
        for piece in ["+49 30 1234567 ", "1 ", "( ", "0 "] {
            let (short, long) = (work(&piece.repeat(500)), work(&piece.repeat(1000)));
            assert!(long <= short * 5 / 2, "{piece}");
        }
    }
}
