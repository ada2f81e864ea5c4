//! The tokenizer of a command's text: Slack's links and mentions are units, bars separate the text outside of them, and
//! blanks, dashes and quotes are read as people mean them.
//!
//! Each token keeps what was typed. Where grammar is read (a date, a number, a switch), [`simple`] gives the meaning;
//! text that people write for people is passed on as typed.

use text::Document;

/// A piece of a command's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextToken<'a> {
    pub unit: TokenUnit<'a>,
    /// As Slack sent it.
    pub raw: &'a str,
}

/// What a piece of a command's text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenUnit<'a> {
    /// Letters, digits and punctuation without a blank.
    Word,
    /// Blanks, line ends, and characters that nobody sees.
    Blank,
    /// The separator between parts.
    Bar,
    /// `<@U1|ann>`
    Person {
        /// Their id in Slack.
        id: &'a str,
        /// The name that came with it.
        name: Option<&'a str>,
    },
    /// `<#C1|sales>`
    Channel {
        id: &'a str,
        /// The name that came with it.
        name: Option<&'a str>,
    },
    /// `<!subteam^S1|@sales>`, `<!here>`
    Group,
    /// `<!date^1795795265^{date}|words>`
    Moment(i64),
    /// `<https://a.example|words>`, `<mailto:ann@a.example|ann@a.example>`
    Link {
        /// Where it leads, entities decoded.
        url: String,
        /// Its words, entities decoded, if it came with any.
        words: Option<String>,
    },
}

/// Whether it looks like a blank.
pub fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{180e}' | '\u{2800}' | '\u{3164}')
}

/// Whether it is invisible: zero-width spaces and joiners, marks of direction, soft hyphens.
pub fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}'
        | '\u{feff}' | '\u{00ad}' | '\u{034f}' | '\u{061c}')
}

fn is_bar(c: char) -> bool {
    matches!(c, '|' | '\u{ff5c}' | '\u{ffe8}')
}

/// A dash of any kind.
pub fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// A quotation mark of any kind.
pub fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '«' | '»' | '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}' | '\u{300c}'..='\u{300f}' | '\u{ff02}')
}

/// Slack's three entities decoded.
pub fn decoded(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Input without surrounding blanks and invisible characters.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| is_blank(c) || is_unseen(c))
}

/// The input with decoded entities, one kind of blank, dash and quote, full-width letters as others, and nothing
/// invisible: for reading grammar. The case stays.
pub fn simple(text: &str) -> String {
    let text = decoded(text);
    steps::add(text.len());
    let mut simple = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_unseen(*c)) {
        let c = match c {
            c if is_blank(c) => ' ',
            c if is_dash(c) => '-',
            c if is_quote(c) => '"',
            // Full-width forms, as East Asian keyboards type them.
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            c => c,
        };
        if c != ' ' || !simple.ends_with(' ') {
            simple.push(c);
        }
    }
    simple.trim().to_owned()
}

/// Reads a text into its tokens. Together they are the text.
pub fn tokens(text: &str) -> Vec<TextToken<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (unit, length) = match first {
            '<' => unit(rest).unwrap_or((TokenUnit::Word, 1)),
            c if is_bar(c) => (TokenUnit::Bar, c.len_utf8()),
            c if is_blank(c) => (TokenUnit::Blank, run(rest, |c| is_blank(c) || is_unseen(c))),
            _ => (TokenUnit::Word, run(rest, |c| c != '<' && !is_bar(c) && !is_blank(c))),
        };
        let raw = &rest[..length];
        steps::add(length);
        // Invisible signs do not make a word.
        let unit = if unit == TokenUnit::Word && trimmed(raw).is_empty() { TokenUnit::Blank } else { unit };
        tokens.push(TextToken { unit, raw });
        at += length;
    }
    tokens
}

fn run(text: &str, goes_on: impl Fn(char) -> bool) -> usize {
    text.find(|c| !goes_on(c)).unwrap_or(text.len())
}

/// The unit in angle brackets that a text begins with, and its length.
fn unit(rest: &str) -> Option<(TokenUnit<'_>, usize)> {
    let end = 1 + steps::find(&rest[1..], &['>', '<', '\n'])?;
    if !rest[end..].starts_with('>') {
        return None;
    }
    let inside = &rest[1..end];
    let (target, words) = inside.split_once('|').map_or((inside, None), |(target, words)| (target, Some(words)));
    let name = words.filter(|words| !trimmed(words).is_empty());
    let unit = match target.chars().next()? {
        '@' => TokenUnit::Person { id: &target[1..], name },
        '#' => TokenUnit::Channel { id: &target[1..], name },
        '!' => {
            let mut parts = target[1..].split('^');
            match (parts.next(), parts.next().and_then(|at| at.parse().ok())) {
                (Some("date"), Some(at)) => TokenUnit::Moment(at),
                _ => TokenUnit::Group,
            }
        }
        _ => {
            let is_scheme = |scheme: &str| {
                scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            };
            target.split_once(':').filter(|(scheme, _)| is_scheme(scheme))?;
            TokenUnit::Link { url: decoded(target), words: name.map(decoded) }
        }
    };
    Some((unit, end + 1))
}

impl TextToken<'_> {
    /// Whether it is empty.
    pub fn is_blank(&self) -> bool {
        self.unit == TokenUnit::Blank
    }

    /// Its meaning, in lower case.
    pub fn meant(&self) -> String {
        simple(&self.typed()).to_lowercase()
    }

    /// What people see of it; for a link that Slack made of typed text, the typed text.
    pub fn typed(&self) -> String {
        match &self.unit {
            TokenUnit::Link { url, words } => words.clone().unwrap_or_else(|| bare(url).to_owned()),
            TokenUnit::Person { id, name } => format!("@{}", decoded(name.unwrap_or(id))),
            TokenUnit::Channel { id, name } => format!("#{}", decoded(name.unwrap_or(id))),
            TokenUnit::Word | TokenUnit::Blank | TokenUnit::Bar => decoded(self.raw),
            TokenUnit::Group | TokenUnit::Moment(_) => Document::from_mrkdwn(self.raw).visible(),
        }
    }

    /// A link's address, if its words say something else.
    pub fn address(&self) -> Option<&str> {
        match &self.unit {
            TokenUnit::Link { url, words: Some(words) } if !is_same_address(url, words) => Some(bare(url)),
            _ => None,
        }
    }
}

/// An address as people type it.
fn bare(url: &str) -> &str {
    url.strip_prefix("mailto:").or_else(|| url.strip_prefix("tel:")).unwrap_or(url)
}

/// Whether words are the address of a link as a person typed it: Slack adds the scheme.
fn is_same_address(url: &str, words: &str) -> bool {
    let plain = |text: &str| {
        let text = simple(text).to_lowercase();
        let text = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
        bare(text).trim_start_matches("www.").trim_end_matches('/').replace(' ', "")
    };
    plain(url) == plain(words)
}

/// A web address: its host and its path.
pub fn host_and_path(token: &TextToken<'_>) -> Option<(String, String)> {
    let url = match &token.unit {
        TokenUnit::Link { url, .. } => url.clone(),
        TokenUnit::Word => token.typed(),
        _ => return None,
    };
    let url = simple(&url);
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let (host, path) = rest.split_once('/')?;
    // What comes before an @ is not the host.
    let host = host.rsplit('@').next().unwrap_or_default().to_lowercase();
    Some((host, path.to_owned()))
}

/// The tokens without the blanks around them.
pub fn trim<'t, 'a>(mut tokens: &'t [TextToken<'a>]) -> &'t [TextToken<'a>] {
    while let Some((_, rest)) = tokens.split_first().filter(|(first, _)| first.is_blank()) {
        tokens = rest;
    }
    while let Some((_, rest)) = tokens.split_last().filter(|(last, _)| last.is_blank()) {
        tokens = rest;
    }
    tokens
}

/// The parts between bars.
pub fn parts<'t, 'a>(tokens: &'t [TextToken<'a>]) -> Vec<&'t [TextToken<'a>]> {
    tokens.split(|token| token.unit == TokenUnit::Bar).map(trim).collect()
}

/// The tokens as Slack sent them: markup, for those who read markup.
pub fn raw(tokens: &[TextToken<'_>]) -> String {
    tokens.iter().map(|token| token.raw).collect::<String>().trim_matches(is_blank).to_owned()
}

/// The visible text of these tokens, on one line. A link with words of its own keeps its address after them.
pub fn line(tokens: &[TextToken<'_>], with_addresses: bool) -> String {
    let mut markup = String::new();
    for token in tokens {
        markup.push_str(token.raw);
        if let Some(address) = token.address().filter(|_| with_addresses) {
            markup.push_str(&slack::text::escape(&format!(" ({address})")));
        }
    }
    let seen = Document::from_mrkdwn(&markup).visible();
    trimmed(&seen)
        .split(['\n', '\r', '\u{2028}', '\u{2029}'])
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

/// The words of the switch that shows an answer to everyone.
const PUBLIC: [&str; 2] = ["public", "публично"];

/// Whether a token is `--public`, however a keyboard writes its dashes.
fn is_public(token: &TextToken<'_>) -> bool {
    if token.unit != TokenUnit::Word {
        return false;
    }
    let text = decoded(token.raw);
    let seen: String = text.chars().filter(|c| !is_unseen(*c)).collect();
    let word = seen.trim_start_matches(is_dash);
    let dashes = &seen[..seen.len() - word.len()];
    // Phones make one long dash of two short ones.
    let is_switch = dashes.chars().count() >= 2 || dashes.chars().any(|dash| dash != '-' && dash != '\u{2010}');
    is_switch && PUBLIC.contains(&word.to_lowercase().as_str())
}

/// Removes `--public`, wherever it is a word of its own; returns whether it was there. A part with nothing else is
/// removed with it.
pub fn without_public(mut tokens: Vec<TextToken<'_>>) -> (Vec<TextToken<'_>>, bool) {
    let before = tokens.len();
    let is_end = |token: Option<&TextToken<'_>>| {
        token.is_none_or(|token| matches!(token.unit, TokenUnit::Blank | TokenUnit::Bar))
    };
    let is_mark = |c: char| is_quote(c) && !matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201b}');
    let mut marks = 0;
    let is_taken: Vec<bool> = (0..before)
        .map(|at| {
            // Quoted text is not a switch.
            let is_quoted = marks % 2 == 1;
            if tokens[at].unit == TokenUnit::Word {
                marks += decoded(tokens[at].raw).chars().filter(|c| is_mark(*c)).count();
            }
            let behind = at.checked_sub(1).and_then(|at| tokens.get(at));
            !is_quoted && is_public(&tokens[at]) && is_end(behind) && is_end(tokens.get(at + 1))
        })
        .collect();
    let mut taken = is_taken.iter();
    tokens.retain(|_| !taken.next().copied().unwrap_or_default());
    let was_there = tokens.len() < before;
    while was_there && tokens.last().is_some_and(|last| matches!(last.unit, TokenUnit::Blank | TokenUnit::Bar)) {
        tokens.pop();
    }
    (tokens, was_there)
}

/// The people and channels of a text that came without a name.
pub fn unnamed(text: &str) -> Vec<(char, String)> {
    let ids = tokens(text).into_iter().filter_map(|token| match token.unit {
        TokenUnit::Person { id, name: None } => Some(('@', id.to_owned())),
        TokenUnit::Channel { id, name: None } => Some(('#', id.to_owned())),
        _ => None,
    });
    let mut ids: Vec<_> = ids.collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The text with names for its people and channels, if they are found.
pub fn named(text: &str, name_of: impl Fn(char, &str) -> Option<String>) -> String {
    let with_name = |sign: char, id: &str| {
        let name = name_of(sign, id).map(|name| name.replace(['|', '\n', '\r'], " "))?;
        Some(format!("<{sign}{id}|{}>", slack::text::escape(&name)))
    };
    let named = tokens(text).into_iter().map(|token| {
        let found = match token.unit {
            TokenUnit::Person { id, name: None } => with_name('@', id),
            TokenUnit::Channel { id, name: None } => with_name('#', id),
            _ => None,
        };
        found.unwrap_or_else(|| token.raw.to_owned())
    });
    named.collect()
}

/// A form's text as a command's text would have come: everything except Slack's units is escaped.
pub fn from_form(text: &str) -> String {
    tokens(text)
        .into_iter()
        .map(|token| match token.unit {
            TokenUnit::Word | TokenUnit::Blank | TokenUnit::Bar => slack::text::escape(token.raw),
            _ => token.raw.to_owned(),
        })
        .collect()
}

/// A command's text for a field of a form: units stay as they are, entities are decoded.
pub fn to_form(text: &str) -> String {
    let shown = tokens(text).into_iter().map(|token| match token.unit {
        TokenUnit::Link { .. } if token.address().is_none() => token.typed(),
        TokenUnit::Word | TokenUnit::Blank | TokenUnit::Bar => decoded(token.raw),
        _ => token.raw.to_owned(),
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(text: &str) -> Vec<String> {
        tokens(text).iter().filter(|token| !token.is_blank()).map(TextToken::typed).collect()
    }

    #[test]
    fn what_is_quoted_publishes_nothing() {
        for text in
            ["Explain “b24-lead --public now” to the team", "say \"x --public y\" here", "the «a --public b» switch"]
        {
            let (left, is_public) = without_public(tokens(text));
            assert!(!is_public && line(&left, false).contains("--public"), "{text}");
        }
        for text in ["Ann's offer --public", "“quoted” words --public"] {
            assert!(without_public(tokens(text)).1, "{text}");
        }
    }

    #[test]
    fn slacks_escapes_are_units() {
        for (text, expected) in [
            ("<http://acme.example|acme.example> | new", &["acme.example", "|", "new"][..]),
            ("<https://acme.example>", &["https://acme.example"]),
            ("<https://acme.example|the contract>", &["the contract"]),
            ("<mailto:dana@acme.example|dana@acme.example>", &["dana@acme.example"]),
            ("<mailto:dana@acme.example>", &["dana@acme.example"]),
            ("<tel:+49301234567|+49 30 1234567>", &["+49 30 1234567"]),
            ("<@U1|ann><@U2>", &["@ann", "@U2"]),
            ("in <#C1|sales>, now", &["in", "#sales", ",", "now"]),
            ("<!subteam^S1|@sales> <!here>", &["@sales", "@here"]),
            ("<!date^1795795265^{date}|27 Nov>", &["27 Nov"]),
            ("R&amp;D &lt;ACME&gt;", &["R&D", "<ACME>"]),
            ("<http://a.example?q=1&amp;r=2|a | b> ｜ x", &["a | b", "｜", "x"]),
            ("a < b | c", &["a", "<", "b", "|", "c"]),
            ("<unfinished <@U1>", &["<", "unfinished", "@U1"]),
        ] {
            assert_eq!(units(text), expected, "{text}");
        }
    }

    #[test]
    fn only_words_of_their_own_keep_an_address() {
        for (text, address) in [
            ("<http://acme.example|acme.example>", None),
            ("<http://acme.example/|ACME.example>", None),
            ("<http://www.acme.example|acme.example>", None),
            ("<mailto:a@b.example|a@b.example>", None),
            ("<tel:+49301234|+49 30 1234>", None),
            ("<https://acme.example|the contract>", Some("https://acme.example")),
            ("<mailto:a@b.example|Ann>", Some("a@b.example")),
        ] {
            assert_eq!(tokens(text)[0].address(), address, "{text}");
        }
        assert_eq!(
            line(&tokens("see <https://a.example?x=1&amp;y=2|them>\n*now*"), true),
            "see them (https://a.example?x=1&y=2) now"
        );
    }

    #[test]
    fn any_blank_dash_and_quote_counts_as_what_is_meant() {
        for blank in ['\u{a0}', '\u{2009}', '\u{202f}', '\u{3000}', '\t', '\n', '\u{2028}', '\u{2003}', '\u{85}'] {
            assert_eq!(simple(&format!("tomorrow{blank}15:00")), "tomorrow 15:00", "{blank:?}");
        }
        for unseen in ['\u{200b}', '\u{feff}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{200d}', '\u{ad}'] {
            assert_eq!(simple(&format!("{unseen}61{unseen}")), "61", "{unseen:?}");
        }
        assert_eq!(simple("“１２：００” — ‘x’"), "\"12:00\" - \"x\"");
    }

    #[test]
    fn public_is_a_switch_with_dashes_and_never_a_word() {
        for text in [
            "ACME | x --public",
            "--public ACME | x",
            "ACME —public | x",
            "ACME | –public x",
            "ACME | x | --Public",
            "ACME | x \u{200b}--public",
            "ACME | x −−public",
            "ACME | x --публично",
        ] {
            let (left, public) = without_public(tokens(text));
            assert!(public, "{text}");
            assert!(raw(&left).split_whitespace().eq(["ACME", "|", "x"]), "{text}: {}", raw(&left));
        }
        for text in [
            "go public",
            "public",
            "Make the docs public",
            "re-public",
            "-public",
            "a--public",
            "`--public`",
            "Republic",
            "not for the public.",
        ] {
            assert_eq!(without_public(tokens(text)), (tokens(text), false), "{text}");
        }
    }

    #[test]
    fn names_are_put_where_slack_sent_none() {
        let text = "ask <@U1> and <@U2|bob> in <#C1>";
        assert_eq!(unnamed(text), [('#', "C1".to_owned()), ('@', "U1".to_owned())]);
        let named = named(text, |sign, _| (sign == '@').then(|| "Ann <| Lee".to_owned()));
        assert_eq!(named, "ask <@U1|Ann &lt;  Lee> and <@U2|bob> in <#C1>");
    }

    #[test]
    fn a_form_shows_what_was_typed_and_gives_it_back() {
        let text = "R&amp;D at <http://acme.example|acme.example> see <https://a.example|this> &lt;b&gt; <@U1|ann>";
        assert_eq!(to_form(text), "R&D at acme.example see <https://a.example|this> <b> <@U1|ann>");
        assert_eq!(
            from_form(&to_form(text)),
            "R&amp;D at acme.example see <https://a.example|this> &lt;b&gt; <@U1|ann>"
        );
    }

    proptest! {
        #[test]
        fn the_tokens_are_the_text(text in "([|<>@#!a-z .&;\u{200b}\u{a0}｜—]|<@U1\\|x>|<http://a.b\\|a.b>|&amp;){0,60}") {
            let read = tokens(&text);
            prop_assert_eq!(read.iter().map(|token| token.raw).collect::<String>(), text.clone());
            let _ = (simple(&text), line(&read, true), to_form(&text), without_public(read.clone()));
        }

        #[test]
        fn what_a_form_holds_means_the_same_again(text in "([a-z &<>]|<@U1\\|x>){0,40}") {
            let escaped = from_form(&text);
            prop_assert_eq!(from_form(&to_form(&escaped)), escaped);
        }
    }

    #[test]
    fn reading_is_linear() {
        let work = |text: &str| {
            steps::of(|| {
                let read = tokens(text);
                (simple(text), line(&read, true), without_public(read.clone()).1)
            })
            .1
        };
        for piece in ["<", "<@", "|", "\u{200b}", "<a:|", "&lt;", "x ", "--public "] {
            let (short, long) = (work(&piece.repeat(500)), work(&piece.repeat(1000)));
            assert!(long <= short * 5 / 2, "{piece}: {short} {long}");
        }
    }
}
