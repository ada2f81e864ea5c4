//! Text for Slack: escaped, and cut to size without breaking an entity, a link or a mention.
//!
//! Only `&`, `<` and `>` are escaped; that is all Slack needs to show a CRM's text as text, so that `<!channel>` in a
//! deal's title notifies nobody. Lengths are counted in UTF-16 units: Slack counts in one of two ways, and these are
//! never fewer.

use std::fmt;

use bidi::without_overrides;
use serde::{Deserialize, Serialize};

/// Text with Slack's markup. Made from parts that are escaped on the way in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mrkdwn(String);

/// Text without markup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plain(String);

/// The longest message, in characters. Slack cuts its own there; what comes longer is cut here, and says so.
pub const MAX_MESSAGE: usize = 40_000;

/// The most bytes of a message: with all else that is known of it, it still fits into a queue.
const MAX_BYTES: usize = 4 * MAX_MESSAGE;

const ELLIPSIS: char = '…';

impl Mrkdwn {
    /// Someone's text, escaped.
    pub fn text(text: &str) -> Self {
        Self(escape(text))
    }

    /// Someone's text in bold. Marks in the text that would end the bold are set apart by a zero-width space,
    /// and line ends, which end it too, become spaces.
    pub fn bold(text: &str) -> Self {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if flat.is_empty() {
            Self::default()
        } else {
            Self(format!("*{}*", escape(&flat).replace('*', "\u{200b}*\u{200b}")))
        }
    }

    /// A link with its words. The words are escaped; a bar or bracket in the URL is percent-encoded.
    pub fn link(url: &str, words: &str) -> Self {
        let url = url.replace('|', "%7C").replace('<', "%3C").replace('>', "%3E").replace(' ', "%20");
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.is_empty() { Self(format!("<{url}>")) } else { Self(format!("<{url}|{}>", escape(&words))) }
    }

    /// A moment, shown by Slack in the reader's own time zone; in UTC where it cannot be.
    pub fn moment(moment: jiff::Timestamp) -> Self {
        let (second, fallback) = (moment.as_second(), moment.strftime("%Y-%m-%d %H:%M UTC"));
        Self(format!("<!date^{second}^{{date_short_pretty}} {{time}}|{fallback}>"))
    }

    /// A moment with its weekday and year, in the reader's own time zone; where Slack cannot show it, in `zone`.
    pub fn moment_in_full(moment: jiff::Timestamp, zone: &jiff::tz::TimeZone) -> Self {
        let local = moment.to_zoned(zone.clone());
        let name = zone.iana_name().unwrap_or("UTC");
        let fallback = escape(&format!("{} ({name})", local.strftime("%Y-%m-%d %H:%M")));
        Self(format!("<!date^{}^{{date_long}}, {{time}}|{fallback}>", moment.as_second()))
    }

    /// The mention of a person by their Slack id; anything else is text.
    pub fn mention(user: &str) -> Self {
        let is_id = user.starts_with(['U', 'W']) && user.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if is_id { Self(format!("<@{user}>")) } else { Self::text(user) }
    }

    /// Markup that was made here before and kept.
    pub fn from_markup(markup: &str) -> Self {
        Self(markup.to_owned())
    }

    /// Both, one after the other.
    #[must_use]
    pub fn then(mut self, next: &Self) -> Self {
        self.0.push_str(&next.0);
        self
    }

    /// The markup.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Cut to `most` UTF-16 units, an ellipsis at the end, never inside an entity or a link.
    #[must_use]
    pub fn cut(self, most: usize) -> Self {
        if units(&self.0) <= most {
            return self;
        }
        let room = most.saturating_sub(1);
        let mut kept = String::new();
        let mut rest = self.0.as_str();
        let mut used = 0;
        while let Some(piece) = first_piece(rest) {
            used += units(piece);
            if used > room {
                break;
            }
            kept.push_str(piece);
            rest = &rest[piece.len()..];
        }
        kept.push(ELLIPSIS);
        Self(kept)
    }
}

impl Plain {
    /// Someone's text, cut to `most` UTF-16 units with an ellipsis.
    pub fn cut(text: &str, most: usize) -> Self {
        let text = &*without_overrides(text);
        if units(text) <= most {
            return Self(text.to_owned());
        }
        let room = most.saturating_sub(1);
        let mut used = 0;
        let kept = text.chars().take_while(|c| {
            used += c.len_utf16();
            used <= room
        });
        Self(kept.chain([ELLIPSIS]).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mrkdwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> FromIterator<&'a Mrkdwn> for Mrkdwn {
    fn from_iter<I: IntoIterator<Item = &'a Mrkdwn>>(parts: I) -> Self {
        parts.into_iter().fold(Self::default(), Self::then)
    }
}

/// Escapes what Slack would read as markup of its own.
///
/// What would turn the direction of the text around it goes as well: no title makes another one's words read backwards.
pub fn escape(text: &str) -> String {
    without_overrides(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text from outside, cut to [`MAX_MESSAGE`]; whether anything is missing now.
pub(crate) fn received(text: &str) -> (String, bool) {
    steps::add(text.len());
    let (mut rest, mut characters) = (text, 0);
    while let Some(first) = rest.chars().next() {
        // What Slack escapes is one character to its author.
        let escaped = ["&amp;", "&lt;", "&gt;"].into_iter().find(|escaped| rest.starts_with(escaped));
        let bytes = escaped.map_or(first.len_utf8(), str::len);
        let end = text.len() - rest.len();
        if characters == MAX_MESSAGE || end + bytes > MAX_BYTES {
            return (text[..end].to_owned(), true);
        }
        (rest, characters) = (&rest[bytes..], characters + 1);
    }
    (text.to_owned(), false)
}

/// The same where nothing else can say that it was cut.
pub(crate) fn received_with_mark(text: &str) -> String {
    match received(text) {
        (text, true) => format!("{text}… (shortened to {MAX_MESSAGE} characters)"),
        (text, false) => text,
    }
}

fn units(text: &str) -> usize {
    steps::add(text.len());
    text.encode_utf16().count()
}

/// What must stay whole: a link or mention in angle brackets, an entity, else one character.
fn first_piece(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    steps::add(1);
    let end = match first {
        // No link holds another: the search ends where the next one begins.
        '<' => steps::find(&text[1..], &['>', '<'])
            .map(|end| end + 1)
            .filter(|end| text[*end..].starts_with('>'))
            .map(|end| end + 1),
        '&' => text.bytes().take(6).position(|byte| byte == b';').map(|end| end + 1),
        _ => None,
    };
    Some(&text[..end.unwrap_or(first.len_utf8())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_deals_title_notifies_nobody() {
        assert_eq!(Mrkdwn::text("<!channel> R&D").as_str(), "&lt;!channel&gt; R&amp;D");
        assert_eq!(Mrkdwn::link("https://a/b", "<!here>|x").as_str(), "<https://a/b|&lt;!here&gt;|x>");
    }

    #[test]
    fn bold_survives_stars_and_line_ends() {
        assert_eq!(Mrkdwn::bold("a*b\nc").as_str(), "*a\u{200b}*\u{200b}b c*");
        assert_eq!(Mrkdwn::bold("  ").as_str(), "");
    }

    #[test]
    fn a_cut_never_leaves_half_a_link() {
        let text = Mrkdwn::text("see ").then(&Mrkdwn::link("https://portal/crm/deal/details/1/", "Deal"));
        assert_eq!(text.cut(20).as_str(), "see …");
        assert_eq!(Mrkdwn::text("a&b").cut(4).as_str(), "a…");
    }

    #[test]
    fn no_title_turns_the_words_around_it() {
        let title = "\u{202e}cod.exe\u{202c} \u{2066}x\u{2069}";
        assert_eq!(Mrkdwn::text(title).as_str(), "cod.exe x");
        assert_eq!(Mrkdwn::bold(title).as_str(), "*cod.exe x*");
        assert_eq!(Mrkdwn::link("https://a/", title).as_str(), "<https://a/|cod.exe x>");
        assert_eq!(Plain::cut(title, 20).as_str(), "cod.exe x");
        assert_eq!(
            Mrkdwn::text("שלום\u{200f}. می\u{200c}خواهم").as_str(),
            "שלום\u{200f}. می\u{200c}خواهم",
            "honest text is whole"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(received(&"ж".repeat(MAX_MESSAGE)), ("ж".repeat(MAX_MESSAGE), false));
        let escaped = "&amp;".repeat(MAX_MESSAGE / 2) + &"x".repeat(MAX_MESSAGE / 2);
        assert_eq!(received(&escaped), (escaped.clone(), false), "an escape is one character");
        assert_eq!(received(&"&amp;".repeat(MAX_MESSAGE)), ("&amp;".repeat(MAX_BYTES / 5), true));
        assert!(received_with_mark(&"ж".repeat(MAX_MESSAGE + 1)).ends_with("ж… (shortened to 40000 characters)"));
        assert_eq!(received_with_mark("x"), "x");
    }

    #[test]
    fn work_grows_with_the_text_and_no_faster() {
        for shape in ["<", "&", "<a", "&a;", ";", "<a>", "&amp", "ж<"] {
            let cost = |bytes: usize| {
                let text = Mrkdwn::from_markup(&shape.repeat(bytes / shape.len()));
                steps::of(|| text.cut(bytes - 10)).1
            };
            let (once, twice) = (cost(20_000), cost(40_000));
            assert!(once > 0 && twice * 10 <= once * 22 && twice <= 400_000, "{shape}: {once} steps, then {twice}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_fits_and_stays_escaped(text in "\\PC{0,60}", most in 1usize..40) {
            let cut = Mrkdwn::text(&text).cut(most);
            prop_assert!(cut.as_str().encode_utf16().count() <= most);
            prop_assert!(!cut.as_str().contains(['<', '>']));
            for (at, _) in cut.as_str().match_indices('&') {
                let rest = &cut.as_str()[at..];
                prop_assert!(["&amp;", "&lt;", "&gt;"].iter().any(|entity| rest.starts_with(entity)));
            }
        }

        #[test]
        fn a_plain_cut_fits(text in "\\PC{0,60}", most in 1usize..40) {
            prop_assert!(Plain::cut(&text, most).as_str().encode_utf16().count() <= most);
        }
    }
}
