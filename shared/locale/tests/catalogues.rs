//! What ends the build: each problem of a catalogue is found and named with its place. And what is found at run time.
#![allow(clippy::unwrap_used, missing_docs)]

// The tests need less of it than the build does.
#[allow(dead_code)]
#[path = "../build/catalogue.rs"]
mod catalogue;
#[allow(dead_code)]
#[path = "../build/check.rs"]
mod check;
#[allow(dead_code)]
#[path = "../build/facts.rs"]
mod facts;
#[allow(dead_code)]
#[path = "../build/generate.rs"]
mod generate;
#[allow(dead_code)]
#[path = "../build/pseudo.rs"]
mod pseudo;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use catalogue::Language;

const LANGUAGE: &str = "name = 'X'\ncodes = []\n[numbers]\ngroup = ','\ndecimal = '.'\n";

fn dates() -> String {
    fs::read_to_string(root().join("locales/en/dates.toml")).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn language(code: &str, cards: &str) -> Language {
    let dates = dates();
    let files = [("language.toml", LANGUAGE), ("dates.toml", dates.as_str()), ("cards.ftl", cards)];
    Language::read(code, &files.map(|(name, content)| (name.to_owned(), content.to_owned())))
}

fn problems(english: &str, russian: &str) -> Vec<String> {
    check::problems(&[language("en", english), language("ru", russian)])
}

const ENGLISH: &str =
    "open = Open\n# $count (number): how many\nmore = { $count ->\n    [one] one\n   *[other] { $count }\n}\n";
const RUSSIAN: &str = "open = Открыть\nmore = { $count ->\n    [one] { $count } раз\n    [few] { $count } раза\n   *[many] { $count } раз\n}\n";

#[test]
fn catalogues_that_have_the_same_messages_with_the_same_variables_have_no_problem() {
    assert_eq!(problems(ENGLISH, RUSSIAN), Vec::<String>::new());
}

#[test]
fn a_message_that_is_missing_or_is_not_in_english_is_named() {
    let (_, without) = RUSSIAN.split_once('\n').unwrap();
    assert_eq!(problems(ENGLISH, without), ["locales/ru/cards.ftl: open is missing"]);
    let with = format!("{RUSSIAN}close = Закрыть\n");
    assert_eq!(problems(ENGLISH, &with), ["locales/ru/cards.ftl: close is not in en"]);
}

#[test]
fn other_variables_than_in_english_are_named() {
    let other = RUSSIAN.replace("Открыть", "Открыть { $name }");
    let wanted = "locales/ru/cards.ftl: open has the variables [\"name\"], in en it has []";
    assert_eq!(problems(ENGLISH, &other), [wanted]);
}

#[test]
fn a_plural_needs_each_form_that_the_language_has() {
    let without_few = RUSSIAN.replace("    [few] { $count } раза\n", "");
    assert_eq!(problems(ENGLISH, &without_few), ["locales/ru/cards.ftl: more: $count has no variant for few"]);
    let with_other = RUSSIAN.replace("*[many]", "[many] { $count } раз\n   *[other]");
    let wanted = "locales/ru/cards.ftl: more: no whole number is [\"other\"]; there are {\"few\", \"many\", \"one\"}";
    assert_eq!(problems(ENGLISH, &with_other), [wanted]);
    let text = "# $name (text): who\nhello = { $name ->\n    [one] one\n   *[other] other\n}\n";
    let found = problems(text, text);
    assert!(found.iter().any(|text| text.ends_with("$name selects a variant, so it must be a number")), "{found:?}");
}

#[test]
fn what_is_not_declared_or_not_supported_or_does_not_parse_is_named() {
    let undeclared = "hello = Hello { $name }\n";
    let wanted =
        "locales/en/cards.ftl: hello: declare $name in a comment: `# $name (text): …`; kinds are text, number, word";
    assert_eq!(problems(undeclared, undeclared), [wanted]);
    let mixed = "# $link (word): a\n# $name (text): b\nhello = { $link } { $name }\n";
    let wanted = "locales/en/cards.ftl: hello: a message has either words of a card or other variables, not both";
    assert_eq!(problems(mixed, mixed), [wanted]);
    for (wrong, wanted) in [
        ("-brand = Slack\n", "brand: terms are not supported; write the text"),
        ("hello = { open }\n", "hello: only variables, quoted text and plurals may be in braces"),
        ("open = a\nopen = b\n", "open: there are two messages of this name"),
    ] {
        let found = problems(wrong, wrong);
        assert!(found.contains(&format!("locales/ru/cards.ftl: {wanted}")), "{found:?}");
    }
    let found = problems("open = Open\n", "open = { open\n");
    assert!(found.iter().any(|text| text.starts_with("locales/ru/cards.ftl:1: ")), "{found:?}");
}

#[test]
fn a_language_without_facts_or_plural_rules_is_named() {
    let files = [("cards.ftl".to_owned(), "open = Open\n".to_owned()), ("notes.txt".to_owned(), String::new())];
    let found = check::problems(&[language("en", "open = Open\n"), Language::read("xx-1", &files)]);
    for wanted in [
        "locales/xx-1/language.toml is missing",
        "locales/xx-1/dates.toml is missing",
        "locales/xx-1/notes.txt: only *.ftl, language.toml and dates.toml belong here",
        "locales/xx-1: its plural rules are not known",
    ] {
        assert!(found.iter().any(|text| text == wanted), "{wanted}: {found:?}");
    }
    assert_eq!(check::problems(&[]), ["locales/en is missing: it is the source of all texts"]);
}

/// The sources outside this crate, each with its path.
fn sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = ["shared", "functions", "infra"].map(|folder| root().join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !["target", "shared/locale/tests"].iter().any(|end| path.ends_with(end)) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                sources.push((path, source));
            }
        }
    }
    sources
}

/// Every `texts::feature::NAME` in the sources outside this crate's tests.
fn used() -> BTreeSet<(String, String)> {
    sources().iter().flat_map(|(_, source)| used_in(source).collect::<Vec<_>>()).collect()
}

fn used_in(source: &str) -> impl Iterator<Item = (String, String)> {
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    source.split("texts::").skip(1).filter_map(move |rest| {
        let feature = word(rest);
        let name = word(rest[feature.len()..].strip_prefix("::")?);
        Some((feature, name))
    })
}

#[test]
fn every_message_is_used() {
    let used = used();
    let unused: Vec<_> = locale::NAMES
        .iter()
        .filter(|(feature, name)| !used.contains(&((*feature).to_owned(), (*name).to_owned())))
        .collect();
    assert!(unused.is_empty(), "nothing uses {unused:?}: write texts::feature::NAME where it is used, or remove it");
}

#[test]
fn a_use_is_found_by_its_whole_path() {
    let found: Vec<_> = used_in("language.text(texts::cards::OPEN), texts::chat::Minutes { minutes }").collect();
    assert_eq!(found, [("cards".into(), "OPEN".into()), ("chat".into(), "Minutes".into())]);
}

/// What of a source is not a test: tests are the last part of a file, or a file of their own.
fn without_tests<'a>(path: &Path, source: &'a str) -> &'a str {
    let names_tests = |part: &str| part == "pseudo" || part == "tests" || part.ends_with("_tests");
    let is_test_file = path.components().any(|part| names_tests(part.as_os_str().to_str().unwrap_or_default()))
        || path.file_stem().is_some_and(|stem| names_tests(stem.to_str().unwrap_or_default()));
    if is_test_file {
        return "";
    }
    let is_module = |at: &usize| source[*at..].lines().nth(1).is_some_and(|line| line.trim_end().ends_with('{'));
    let tests = source.match_indices("#[cfg(test)]").map(|(at, _)| at).find(is_module);
    &source[..tests.unwrap_or(source.len())]
}

/// The languages that a source names.
fn named_in(source: &str) -> Vec<String> {
    let names = locale::Language::ALL.map(|language| format!("Language::{language:?}"));
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let named = |line: &str| names.iter().filter(|name| line.contains(name.as_str())).cloned().collect::<Vec<_>>();
    source.lines().filter(is_code).flat_map(named).collect()
}

#[test]
fn no_code_depends_on_a_single_language() {
    let found: Vec<_> = sources()
        .iter()
        .filter(|(path, _)| !path.starts_with(root().join("shared/locale")))
        .map(|(path, source)| (path.display(), named_in(without_tests(path, source))))
        .filter(|(_, named)| !named.is_empty())
        .map(|(path, named)| format!("{path}: {}", named.join(", ")))
        .collect();
    assert!(found.is_empty(), "what differs between languages belongs in locales/: {found:#?}");
}

#[test]
fn code_that_names_a_language_is_found_and_tests_may_name_one() {
    let source = "// Language::Ru\nif language == Language::Ru {}\n#[cfg(test)]\nmod tests {\n    Language::En\n}\n";
    assert_eq!(named_in(without_tests(Path::new("src/a.rs"), source)), ["Language::Ru"]);
    let declared = "#[cfg(test)]\nmod pseudo;\nfn text() { Language::En }\n";
    assert_eq!(named_in(without_tests(Path::new("src/a.rs"), declared)), ["Language::En"]);
    assert_eq!(without_tests(Path::new("src/deadline/tests.rs"), source), "");
}

/// The files of a language, each with its name.
fn folder(code: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("locales").join(code)).unwrap();
    let file =
        |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
    entries.map(|entry| file(entry.unwrap())).collect()
}

/// A language is one folder: a copy of a language's folder under another code builds, and no code has to know of it
/// ([`no_code_depends_on_a_single_language`]).
#[test]
fn a_copied_folder_is_a_language() {
    let known = locale::Language::ALL.map(locale::Language::code);
    let mut languages: Vec<Language> = known.iter().map(|code| Language::read(code, &folder(code))).collect();
    languages.push(Language::read("de", &folder("en")));
    assert_eq!(check::problems(&languages), Vec::<String>::new());
    let code = generate::code(&languages, false);
    let all = format!("pub const ALL: [Self; {}]", known.len() + 1);
    for wanted in
        [all.as_str(), "Self::De => \"de\"", &format!("pub(crate) const COLUMNS: usize = {};", languages.len())]
    {
        assert!(code.contains(wanted), "{wanted}");
    }
}

#[test]
fn no_text_in_code_is_passed_off_as_data() {
    let words = |argument: &str| argument.split('"').next().unwrap_or_default().contains(char::is_alphabetic);
    for (path, source) in sources() {
        let mut arguments = without_tests(&path, &source).split("Localized::data(").skip(1);
        let literal = arguments.find_map(|rest| {
            let rest = rest.trim_start_matches("format!(").trim_start().trim_start_matches('&');
            rest.strip_prefix('"').filter(|argument| words(argument))
        });
        assert_eq!(literal.map(|rest| rest.chars().take(60).collect::<String>()), None, "{}", path.display());
    }
}
