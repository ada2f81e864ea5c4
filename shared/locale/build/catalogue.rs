//! Reads the files of a language into messages. Only what is used here of Fluent is understood: text, variables, and
//! plurals of numbers; anything else is a problem with its place.

use std::collections::BTreeMap;

use fluent_syntax::ast::{self, Entry, Expression, InlineExpression, PatternElement, VariantKey};

use crate::facts::{Dates, Facts};

/// A language as its folder describes it.
#[derive(Debug, Default)]
pub(crate) struct Language {
    /// The folder's name: `en`, `pt-BR`.
    pub(crate) code: String,
    /// What is known of the language besides its texts.
    pub(crate) facts: Facts,
    /// The words of dates and times.
    pub(crate) dates: Dates,
    /// The messages, by file (without `.ftl`) and id.
    pub(crate) files: BTreeMap<String, BTreeMap<String, Message>>,
    /// What could not be read.
    pub(crate) problems: Vec<String>,
}

/// A message, or an attribute of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) pieces: Vec<Piece>,
    /// What the comments say about variables, by name.
    pub(crate) declared: BTreeMap<String, Variable>,
}

/// A variable as a comment declares it: `$count (number): how many there are`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) kind: String,
    pub(crate) about: String,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Variable(String),
    /// Variants of a number, and the one for all other numbers.
    Plural {
        variable: String,
        variants: Vec<(Key, Vec<Piece>)>,
        otherwise: (Key, Vec<Piece>),
    },
}

/// What a variant is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A number, exactly.
    Exactly(u64),
    /// A plural category: `one`, `few`.
    Category(String),
}

impl Message {
    /// The names of its variables, each once, sorted.
    pub(crate) fn variables(&self) -> Vec<&str> {
        let mut all = Vec::new();
        collect(&self.pieces, &mut all);
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn collect<'a>(pieces: &'a [Piece], all: &mut Vec<&'a str>) {
    for piece in pieces {
        match piece {
            Piece::Text(_) => {}
            Piece::Variable(name) => all.push(name),
            Piece::Plural { variable, variants, otherwise } => {
                all.push(variable);
                variants.iter().chain([otherwise]).for_each(|(_, pieces)| collect(pieces, all));
            }
        }
    }
}

impl Language {
    /// Reads the files of a folder, each with its name and content.
    pub(crate) fn read(code: &str, files: &[(String, String)]) -> Self {
        let mut language = Self { code: code.to_owned(), ..Self::default() };
        let content = |wanted: &str| files.iter().find(|(name, _)| name == wanted).map(|(_, content)| content.as_str());
        let mut kept = |problem| {
            language.problems.push(format!("locales/{code}/{problem}"));
        };
        language.facts = Facts::read(content("language.toml")).map_err(&mut kept).unwrap_or_default();
        language.dates = Dates::read(content("dates.toml")).map_err(&mut kept).unwrap_or_default();
        for (name, content) in files {
            let at = format!("locales/{code}/{name}");
            match name.strip_suffix(".ftl") {
                Some(feature) => {
                    let messages = read_file(content, &at, &mut language.problems);
                    language.files.insert(feature.to_owned(), messages);
                }
                None if ["language.toml", "dates.toml"].contains(&name.as_str()) => {}
                None => language.problems.push(format!("{at}: only *.ftl, language.toml and dates.toml belong here")),
            }
        }
        language
    }
}

fn read_file(source: &str, at: &str, problems: &mut Vec<String>) -> BTreeMap<String, Message> {
    let resource = match fluent_syntax::parser::parse(source) {
        Ok(resource) => resource,
        Err((resource, errors)) => {
            for error in errors {
                let line = source[..error.pos.start.min(source.len())].lines().count().max(1);
                problems.push(format!("{at}:{line}: {}", error.kind));
            }
            resource
        }
    };
    let mut reader = Reader { at, problems, file: BTreeMap::new(), group: BTreeMap::new(), messages: BTreeMap::new() };
    for entry in &resource.body {
        reader.entry(entry);
    }
    reader.messages
}

struct Reader<'a> {
    at: &'a str,
    problems: &'a mut Vec<String>,
    file: BTreeMap<String, Variable>,
    group: BTreeMap<String, Variable>,
    messages: BTreeMap<String, Message>,
}

impl Reader<'_> {
    fn entry(&mut self, entry: &Entry<&str>) {
        match entry {
            Entry::ResourceComment(comment) => self.file.extend(declared(comment)),
            Entry::GroupComment(comment) => self.group = declared(comment),
            Entry::Message(message) => {
                let own = message.comment.as_ref().map(declared).unwrap_or_default();
                if let Some(pattern) = &message.value {
                    self.add(message.id.name, pattern, &own);
                }
                for attribute in &message.attributes {
                    self.add(&format!("{}-{}", message.id.name, attribute.id.name), &attribute.value, &own);
                }
            }
            Entry::Term(term) => self.problem(term.id.name, "terms are not supported; write the text"),
            // What cannot be parsed is a problem already.
            Entry::Comment(_) | Entry::Junk { .. } => {}
        }
    }

    fn add(&mut self, id: &str, pattern: &ast::Pattern<&str>, own: &BTreeMap<String, Variable>) {
        let mut declared = self.file.clone();
        declared.extend(self.group.clone());
        declared.extend(own.clone());
        let pieces = self.pieces(id, pattern);
        if self.messages.insert(id.to_owned(), Message { pieces, declared }).is_some() {
            self.problem(id, "there are two messages of this name");
        }
    }

    fn pieces(&mut self, id: &str, pattern: &ast::Pattern<&str>) -> Vec<Piece> {
        let mut all: Vec<Piece> = Vec::new();
        for element in &pattern.elements {
            let piece = match element {
                PatternElement::TextElement { value } => Some(Piece::Text((*value).to_owned())),
                PatternElement::Placeable { expression } => self.placeable(id, expression),
            };
            match (all.last_mut(), piece) {
                (Some(Piece::Text(before)), Some(Piece::Text(text))) => before.push_str(&text),
                (_, piece) => all.extend(piece),
            }
        }
        all
    }

    fn placeable(&mut self, id: &str, expression: &Expression<&str>) -> Option<Piece> {
        match expression {
            Expression::Inline(InlineExpression::StringLiteral { value }) => {
                Some(Piece::Text(fluent_syntax::unicode::unescape_unicode_to_string(value).into_owned()))
            }
            Expression::Inline(InlineExpression::VariableReference { id }) => Some(Piece::Variable(id.name.to_owned())),
            Expression::Select { selector: InlineExpression::VariableReference { id: variable }, variants } => {
                self.plural(id, variable.name, variants)
            }
            _ => {
                self.problem(id, "only variables, quoted text and plurals may be in braces");
                None
            }
        }
    }

    fn plural(&mut self, id: &str, variable: &str, all: &[ast::Variant<&str>]) -> Option<Piece> {
        let (mut variants, mut otherwise) = (Vec::new(), None);
        for variant in all {
            let key = match &variant.key {
                VariantKey::NumberLiteral { value } => value.parse().ok().map(Key::Exactly),
                VariantKey::Identifier { name } => Some(Key::Category((*name).to_owned())),
            };
            let Some(key) = key else {
                self.problem(id, "a variant is for a whole number or a plural category");
                continue;
            };
            let pieces = self.pieces(id, &variant.value);
            if variant.default { otherwise = Some((key, pieces)) } else { variants.push((key, pieces)) }
        }
        // Without a default variant it does not parse.
        Some(Piece::Plural { variable: variable.to_owned(), variants, otherwise: otherwise? })
    }

    fn problem(&mut self, id: &str, what: &str) {
        self.problems.push(format!("{}: {id}: {what}", self.at));
    }
}

/// The variables that a comment declares, one a line: `$count (number): how many there are`.
fn declared(comment: &ast::Comment<&str>) -> BTreeMap<String, Variable> {
    let line = |line: &&str| {
        let (name, rest) = line.trim().strip_prefix('$')?.split_once(" (")?;
        let (kind, about) = rest.split_once(')')?;
        let about = about.trim_start_matches(':').trim().to_owned();
        Some((name.to_owned(), Variable { kind: kind.to_owned(), about }))
    };
    comment.content.iter().filter_map(line).collect()
}
