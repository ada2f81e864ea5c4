//! The language of a page: what the reader's browser asks for, among the languages of the catalogues.

use std::cmp::Reverse;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use locale::Language;
use locale::Message;
use locale::Piece;
use maud::{Markup, html};

/// How much a browser wants a language at most, in thousandths.
const FULL_QUALITY: u16 = 1_000;

/// The known language that the browser wants most; English if it names none.
pub fn of(headers: &HeaderMap) -> Language {
    let lists = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|list| list.to_str().ok());
    let mut wanted: Vec<(u16, Language)> = lists.flat_map(|list| list.split(',')).filter_map(range).collect();
    // Of the same quality the first one counts: the sort is stable.
    wanted.sort_by_key(|(quality, _)| Reverse(*quality));
    wanted.first().map(|(_, language)| *language).unwrap_or_default()
}

/// One language of the header with its quality, as `ru-RU;q=0.9`. `*` is any language, so English.
fn range(range: &str) -> Option<(u16, Language)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next()?;
    let quality = parts.next().map_or(Some(FULL_QUALITY), quality)?;
    let language = if name == "*" { Some(Language::default()) } else { Language::of_reader(name) }?;
    (quality > 0).then_some((quality, language))
}

/// `q=0.25` in thousandths. `None` for what the standard does not allow: such a language is ignored.
fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    let (whole, decimals) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let is_number = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !name.trim().eq_ignore_ascii_case("q") || !is_number {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(FULL_QUALITY),
        _ => None,
    }
}

/// A message whose variables are markup: links, code, emphasis.
pub fn rich<M: Message<Value = Markup>>(language: Language, message: &M) -> Markup {
    html! {
        @for piece in language.pieces(message) {
            @match piece {
                Piece::Text(text) => (text),
                Piece::Value(markup) => (markup),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(lists: &[&str]) -> Language {
        let value = |list: &&str| (ACCEPT_LANGUAGE, HeaderValue::from_str(list).unwrap());
        of(&lists.iter().map(value).collect())
    }

    #[test]
    fn the_known_language_of_the_highest_quality_is_chosen() {
        for list in [
            "ru",
            "ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7",
            "de, en;q=0.5, ru;q=0.8",
            "en;q=0.25,ru;q=0.251",
            "en;q=0,ru;q=0.001",
            "RU-ru ; Q=1.000, en;q=0.999",
            "de,ru;q=0.4,*;q=0.1",
        ] {
            assert_eq!(chosen(&[list]), Language::Ru, "{list}");
        }
        for list in ["en-GB,ru;q=0.9", "en,ru", "ru;q=0.1,en;q=0.2", "*, ru;q=0.5"] {
            assert_eq!(chosen(&[list]), Language::En, "{list}");
        }
        assert_eq!(chosen(&["de", "ru"]), Language::Ru, "the header may be repeated");
    }

    #[test]
    fn without_a_known_language_it_is_english() {
        assert_eq!(of(&HeaderMap::new()), Language::En);
        for list in
            ["", "de-DE,fr;q=0.5", "ru;q=0", "ru;q=2", "ru;q=-1", "ru;q=0.1234", "ru;q=x", "ru;x=1", ",;,", "rune"]
        {
            assert_eq!(chosen(&[list]), Language::En, "{list}");
        }
    }
}
