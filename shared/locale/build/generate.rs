//! Writes the catalogues as Rust: `Language` with a variant for each folder, and `texts` with a module for each file.

use std::fmt::Write as _;

use crate::catalogue::{Key, Language, Message, Piece};
use crate::pseudo;

/// All of the generated code. `languages` are checked: what English has, all have.
pub(crate) fn code(languages: &[Language], with_pseudo: bool) -> String {
    let mut code = String::new();
    language(&mut code, languages);
    let columns = languages.len() + usize::from(with_pseudo);
    line(&mut code, &format!("/// How many texts each message has.\npub(crate) const COLUMNS: usize = {columns};"));
    line(&mut code, "/// The texts, a module for each file of the catalogues.\npub mod texts {");
    let mut ids = Vec::new();
    let Some((source, others)) = languages.split_first() else { return code };
    for (file, messages) in &source.files {
        line(&mut code, &format!("/// `locales/*/{file}.ftl`\npub mod {} {{", file.replace('-', "_")));
        line(&mut code, "#[allow(unused_imports)]\nuse crate::message as m;");
        for (id, message) in messages {
            let mut columns = vec![message.clone()];
            columns.extend(others.iter().filter_map(|language| language.files.get(file)?.get(id)).cloned());
            columns.extend(with_pseudo.then(|| pseudo::message(message)));
            let name = if is_fixed(message) { upper(id) } else { camel(id) };
            ids.push(format!("({file:?}, {name:?})"));
            if is_fixed(message) { fixed(&mut code, id, &columns) } else { composed(&mut code, id, message, &columns) }
        }
        line(&mut code, "}");
    }
    line(&mut code, "}");
    line(&mut code, "/// Every message: its module and its name there.");
    line(&mut code, &format!("pub const NAMES: &[(&str, &str)] = &[{}];", ids.join(", ")));
    code
}

fn line(code: &mut String, text: &str) {
    code.push_str(text);
    code.push('\n');
}

fn language(code: &mut String, languages: &[Language]) {
    let variants: Vec<String> = languages.iter().map(|language| camel(&language.code)).collect();
    let arms = |value: &dyn Fn(&Language) -> String| {
        let arm = |(variant, language)| format!("Self::{variant} => {},", value(language));
        variants.iter().zip(languages).map(arm).collect::<Vec<_>>().join("\n")
    };
    line(code, "/// A language of texts: each folder of `locales/` is one.");
    line(code, "#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]\npub enum Language {");
    for (index, (variant, language)) in variants.iter().zip(languages).enumerate() {
        let default = if index == 0 { "#[default]\n" } else { "" };
        line(code, &format!("/// {}.\n{default}{variant},", language.facts.name));
    }
    line(code, "}\n\nimpl Language {");
    let all = variants.iter().map(|variant| format!("Self::{variant}")).collect::<Vec<_>>().join(", ");
    line(code, &format!("/// All languages, English first.\npub const ALL: [Self; {}] = [{all}];", languages.len()));
    line(
        code,
        "/// Its code, as the settings name it: the folder's name.\npub const fn code(self) -> &'static str { match self {",
    );
    line(code, &arms(&|language| format!("{:?}", language.code)));
    line(code, "}}\npub(crate) const fn facts(self) -> &'static crate::facts::Facts { match self {");
    line(code, &arms(&|language| format!("const {{ &{} }}", language.facts.code())));
    line(code, "}}\n/// The words of dates and times, as people type them.");
    line(code, "pub const fn dates(self) -> &'static crate::facts::Dates { match self {");
    line(code, &arms(&|language| format!("const {{ &{} }}", language.dates.code())));
    line(code, "}}\n}");
}

/// Whether the text is the same each time; words of cards are filled in later.
fn is_fixed(message: &Message) -> bool {
    message.variables().iter().all(|name| kind(message, name) == "word")
}

fn kind<'a>(message: &'a Message, name: &str) -> &'a str {
    message.declared.get(name).map_or("text", |variable| variable.kind.as_str())
}

fn fixed(code: &mut String, id: &str, columns: &[Message]) {
    let has_words = columns.iter().any(|message| !message.variables().is_empty());
    let text = |message: &Message| {
        let piece = |piece: &Piece| match piece {
            // In a template a brace is written twice.
            Piece::Text(text) if has_words => text.replace('{', "{{"),
            Piece::Text(text) => text.clone(),
            Piece::Variable(name) => format!("{{{name}}}"),
            Piece::Plural { .. } => String::new(),
        };
        message.pieces.iter().map(piece).collect::<String>()
    };
    let texts: Vec<String> = columns.iter().map(text).collect();
    doc(code, texts.first().map_or("", String::as_str));
    line(code, &format!("pub const {}: m::Fixed = m::Fixed(&{texts:?});", upper(id)));
}

fn composed(code: &mut String, id: &str, message: &Message, columns: &[Message]) {
    let variables = message.variables();
    let (numbers, values): (Vec<&str>, Vec<&str>) =
        variables.into_iter().partition(|name| kind(message, name) == "number");
    let name = camel(id);
    let (generics, value) = if values.is_empty() { ("", "std::convert::Infallible") } else { ("<V>", "V") };
    doc(code, &shown(&message.pieces));
    line(code, &format!("#[derive(Debug, Clone, Copy)]\npub struct {name}{generics} {{"));
    for (variables, kind) in [(&values, "V"), (&numbers, "u64")] {
        for variable in variables {
            let about = message.declared.get(*variable).map_or("", |variable| variable.about.as_str());
            line(code, &format!("/// `${variable}`: {about}\npub {}: {kind},", field(variable)));
        }
    }
    line(code, &format!("}}\nimpl{generics} m::Message for {name}{generics} {{\ntype Value = {value};"));
    line(code, "const PATTERNS: &'static [&'static [m::Item]; crate::COLUMNS] = &[");
    let places = Places { values: &values, numbers: &numbers };
    for column in columns {
        line(code, &format!("{},", places.items(&column.pieces)));
    }
    line(code, "];");
    let list = |names: &[&str], borrow: &str| {
        names.iter().map(|name| format!("{borrow}self.{}", field(name))).collect::<Vec<_>>().join(", ")
    };
    line(
        code,
        &format!(
            "fn values(&self) -> impl AsRef<[&{value}]> {{ let all: [&{value}; {}] = [{}]; all }}",
            values.len(),
            list(&values, "&")
        ),
    );
    line(
        code,
        &format!(
            "fn numbers(&self) -> impl AsRef<[u64]> {{ let all: [u64; {}] = [{}]; all }}\n}}",
            numbers.len(),
            list(&numbers, "")
        ),
    );
}

struct Places<'a> {
    values: &'a [&'a str],
    numbers: &'a [&'a str],
}

impl Places<'_> {
    fn items(&self, pieces: &[Piece]) -> String {
        let mut items = String::from("&[");
        for piece in pieces {
            // Writing to a text cannot fail.
            let _ = match piece {
                Piece::Text(text) => write!(items, "m::Item::Text({text:?}), "),
                Piece::Variable(name) => match place(self.values, name) {
                    Some(place) => write!(items, "m::Item::Value({place}), "),
                    None => write!(items, "m::Item::Number({}), ", place(self.numbers, name).unwrap_or_default()),
                },
                Piece::Plural { variable, variants, otherwise } => {
                    let number = place(self.numbers, variable).unwrap_or_default();
                    let variants: String = variants
                        .iter()
                        .map(|(key, pieces)| format!("({}, {}), ", key.literal(), self.items(pieces)))
                        .collect();
                    write!(items, "m::Item::Plural({number}, &[{variants}], {}), ", self.items(&otherwise.1))
                }
            };
        }
        items.push(']');
        items
    }
}

fn place(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|known| *known == name)
}

impl Key {
    fn literal(&self) -> String {
        match self {
            Self::Exactly(number) => format!("m::Key::Exactly({number})"),
            Self::Category(name) => format!("m::Key::Category(icu_plurals::PluralCategory::{})", camel(name)),
        }
    }
}

/// The text as its documentation shows it.
fn shown(pieces: &[Piece]) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Variable(name) => format!("{{{name}}}"),
        Piece::Plural { otherwise, .. } => shown(&otherwise.1),
    };
    pieces.iter().map(piece).collect()
}

fn doc(code: &mut String, text: &str) {
    line(code, &format!("#[doc = {:?}]", format!("“{text}”")));
}

/// `deal-won` as a constant: `DEAL_WON`.
fn upper(id: &str) -> String {
    id.replace('-', "_").to_uppercase()
}

/// `deal-won` as a type: `DealWon`.
fn camel(id: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    id.split(['-', '_']).map(word).collect()
}

fn field(variable: &str) -> String {
    variable.replace('-', "_")
}
