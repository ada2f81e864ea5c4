//! People as commands name them: by mention, by e-mail, by name, or as oneself.

use serde::{Deserialize, Serialize};

use crate::reader::{self, TextToken, TokenUnit, simple};

/// The assignee of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignee {
    /// The person who typed the command.
    Me,
    /// A person in Slack, by their id.
    Slack(String),
    /// A user of the portal, by their number.
    Portal(u64),
    /// A person by their e-mail.
    Email(String),
}

/// A person that a name in a command can mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPerson {
    pub who: Assignee,
    /// Their name, for people.
    pub name: String,
    /// Their full names: both ways round, their name in Slack, their e-mail.
    pub aliases: Vec<String>,
}

impl KnownPerson {
    /// A person by their name, in the order that it is written and the other way round.
    pub fn new(who: Assignee, name: &str, others: impl IntoIterator<Item = String>) -> Self {
        let mut aliases = vec![folded(name)];
        if let Some((first, last)) = folded(name).split_once(' ') {
            aliases.push(format!("{last} {first}"));
        }
        aliases.extend(others.into_iter().map(|other| folded(&other)).filter(|other| !other.is_empty()));
        Self { who, name: name.to_owned(), aliases }
    }

    /// Whether one part of their name is this word.
    fn has_part(&self, word: &str) -> bool {
        let parts = self.aliases.iter().map(|alias| alias.split_once('@').map_or(alias.as_str(), |(name, _)| name));
        parts.flat_map(|alias| alias.split(' ')).any(|part| part == word)
    }
}

/// The people that a command's text may mean, looked up before.
#[derive(Debug, Clone, Default)]
pub struct Directory(Vec<KnownPerson>);

/// The people whom words can mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonMatch {
    Nobody,
    /// One person.
    One(Assignee),
    /// One of several, by their names.
    Several(Vec<String>),
}

impl Directory {
    /// Of these people; each counts once.
    pub fn new(people: impl IntoIterator<Item = KnownPerson>) -> Self {
        let mut directory = Self::default();
        for person in people {
            match directory.0.iter_mut().find(|known| known.who == person.who) {
                Some(known) => known.aliases.extend(person.aliases),
                None => directory.0.push(person),
            }
        }
        directory
    }

    /// The person with this full name.
    pub fn in_full(&self, words: &str) -> PersonMatch {
        let wanted = folded(words);
        Self::found(self.0.iter().filter(|known| !wanted.is_empty() && known.aliases.contains(&wanted)))
    }

    /// The same, else the person with this as a part of their name.
    pub fn by_name(&self, words: &str) -> PersonMatch {
        match self.in_full(words) {
            PersonMatch::Nobody => {
                let wanted = folded(words);
                Self::found(self.0.iter().filter(|known| !wanted.is_empty() && known.has_part(&wanted)))
            }
            found => found,
        }
    }

    fn found<'a>(people: impl Iterator<Item = &'a KnownPerson>) -> PersonMatch {
        let people: Vec<&KnownPerson> = people.collect();
        match people.as_slice() {
            [] => PersonMatch::Nobody,
            [one] => PersonMatch::One(one.who.clone()),
            several => PersonMatch::Several(several.iter().map(|known| known.label()).collect()),
        }
    }
}

impl KnownPerson {
    /// The name with what distinguishes them from others of that name.
    fn label(&self) -> String {
        match self.aliases.iter().find(|alias| alias.contains('@')) {
            Some(email) => format!("{} ({email})", self.name),
            None => self.name.clone(),
        }
    }
}

/// A name as it is compared.
fn folded(name: &str) -> String {
    simple(name).to_lowercase().replace('ё', "е").trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}

/// Words for oneself.
const ME: [&str; 12] =
    ["me", "myself", "to me", "for me", "i", "я", "мне", "меня", "на меня", "себе", "на себя", "сам"];

/// Whether words are those for oneself.
pub fn is_me(words: &str) -> bool {
    let words = simple(words).to_lowercase();
    ME.contains(&words.trim_start_matches('@').trim_matches(|c: char| !c.is_alphanumeric()))
}

/// The e-mail that a token is, in small letters.
pub fn email(token: &TextToken<'_>) -> Option<String> {
    let words = match &token.unit {
        TokenUnit::Link { url, .. } => url.strip_prefix("mailto:")?.split('?').next()?.to_owned(),
        TokenUnit::Word => token.typed(),
        _ => return None,
    };
    is_email(&words)
}

/// The e-mail that words are.
pub fn is_email(words: &str) -> Option<String> {
    let words = simple(words).to_lowercase();
    let words = words.trim_matches(|c: char| matches!(c, '"' | ',' | ';' | '(' | ')' | '<' | '>' | '.' | ':'));
    let (who, host) = words.split_once('@')?;
    let is_host = host.contains('.') && host.split('.').all(|part| !part.is_empty()) && !host.contains('@');
    let is_clean = |text: &str| text.chars().all(|c| c.is_alphanumeric() || "._%+-'".contains(c));
    (!who.is_empty() && is_host && is_clean(who) && is_clean(host)).then(|| words.to_owned())
}

/// The words that can be a person's name, typed after an `@`, without it.
pub fn called(token: &TextToken<'_>) -> Option<String> {
    if token.unit != TokenUnit::Word {
        return None;
    }
    let words = token.meant();
    let name = words.trim_matches(|c: char| matches!(c, '"' | ',' | ';' | '(' | ')' | ':')).strip_prefix('@')?;
    let name = name.trim_end_matches(['.', '!', '?']);
    (!name.is_empty() && !name.contains('@')).then(|| name.to_owned())
}

/// Whether words look like a full name: two to four words of letters.
pub fn looks_like_a_name(words: &str) -> bool {
    let words = simple(words);
    let is_name = |word: &str| {
        word.starts_with(char::is_alphabetic) && word.chars().all(|c| c.is_alphabetic() || "-.'\"".contains(c))
    };
    let count = words.split(' ').count();
    (2..=4).contains(&count) && words.split(' ').all(is_name)
}

/// The names in words: `Ann, Bob and Eva`.
pub fn several(words: &str) -> impl Iterator<Item = &str> {
    let names = words.split([',', ';', '+', '&']).flat_map(|words| words.split(" and "));
    names.flat_map(|words| words.split(" и ")).map(reader::trimmed).filter(|name| !name.is_empty())
}

/// The parts of a text that must be looked up to know whom it means: names typed after an `@`, e-mails, and words that
/// look like a full name.
pub fn to_look_up(text: &str) -> Vec<String> {
    const MAX_LOOKED_UP: usize = 6;
    let tokens = reader::tokens(text);
    let mut wanted: Vec<String> = Vec::new();
    for token in &tokens {
        wanted.extend(called(token).filter(|name| !is_me(name)));
        wanted.extend(email(token));
    }
    for (index, part) in reader::parts(&tokens).into_iter().enumerate().skip(1) {
        let words = reader::line(part, false);
        // A name in the index of the description counts if it is written as one.
        let is_asked = |name: &str| {
            looks_like_a_name(name)
                && (index > 1 || simple(name).split(' ').all(|word| word.starts_with(char::is_uppercase)))
        };
        wanted.extend(several(&words).filter(|name| is_asked(name)).map(simple));
    }
    wanted.dedup();
    wanted.truncate(MAX_LOOKED_UP);
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let person = |id, name: &str, email: &str| KnownPerson::new(Assignee::Portal(id), name, [email.to_owned()]);
        Directory::new([
            person(1, "Дмитрий Соколова", "dmitri@corp.example"),
            person(2, "Ann Lee", "ann@corp.example"),
            person(3, "Ann Ray", "ray@corp.example"),
            person(4, "Пётр Чёрный", "petr@corp.example"),
            person(5, "Bob Ray", "bob@corp.example"),
            person(6, "Bob Ray", "bob2@corp.example"),
        ])
    }

    #[test]
    fn a_name_means_one_person_or_says_who_it_may_be() {
        let directory = directory();
        for (name, who) in [
            ("Дмитрий Соколова", 1),
            ("соколова ДМИТРИЙ", 1),
            ("дмитрий", 1),
            ("dmitri", 1),
            ("ann lee", 2),
            ("Lee\u{a0}Ann", 2),
            ("петр черный", 4),
            ("ray@corp.example", 3),
        ] {
            assert_eq!(directory.by_name(name), PersonMatch::One(Assignee::Portal(who)), "{name}");
        }
        let several =
            PersonMatch::Several(vec!["Ann Lee (ann@corp.example)".into(), "Ann Ray (ray@corp.example)".into()]);
        assert_eq!(directory.by_name("ann"), several);
        assert!(matches!(directory.by_name("Bob Ray"), PersonMatch::Several(names) if names.len() == 2));
        assert_eq!(directory.in_full("Lee"), PersonMatch::Nobody);
        assert_eq!(directory.by_name("Zoe"), PersonMatch::Nobody);
        assert_eq!(directory.by_name(""), PersonMatch::Nobody);
    }

    #[test]
    fn only_a_name_is_looked_up() {
        assert_eq!(to_look_up("Call ACME @Дмитрий Соколова tomorrow"), ["дмитрий"]);
        assert_eq!(to_look_up("Call | about it, please do | Ann Lee and Bob Ray"), ["Ann Lee", "Bob Ray"]);
        assert_eq!(to_look_up("Ask <mailto:ann@corp.example|ann@corp.example>"), ["ann@corp.example"]);
        assert_eq!(to_look_up("Call @me | @я"), Vec::<String>::new());
    }

    #[test]
    fn an_email_is_one_word_with_a_host() {
        for (words, email) in [
            ("Ann@Corp.example", Some("ann@corp.example")),
            ("(a+b@c.de),", Some("a+b@c.de")),
            ("a@b", None),
            ("@ann", None),
            ("a@@b.c", None),
            ("a@b..c", None),
            ("a b@c.de", None),
        ] {
            assert_eq!(is_email(words).as_deref(), email, "{words}");
        }
    }

    #[test]
    fn oneself_is_somebody() {
        for words in ["me", "Me", "@me", "я", "мне", "“me”", "to me"] {
            assert!(is_me(words), "{words}");
        }
        assert!(!is_me("mean") && !is_me("") && !is_me("menu"));
    }
}
