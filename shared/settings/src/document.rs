//! The settings document as text (YAML, and so JSON): read with errors that name line, place and fix; written;
//! compared; its JSON Schema.

use locale::{Localized, texts};
use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData, YamlEmitter};
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

use crate::problems::Problem;
use crate::schema::Settings;
use crate::unknown;

/// A longer text is not read as settings.
pub const MAX_SETTINGS: usize = 256 * 1024;
/// No settings nest lists and names deeper than this.
const MAX_DEPTH: usize = 16;
/// No settings have more values than this.
const MAX_VALUES: usize = 20_000;

/// The most columns before the words of a line, and the most `-` and `?` in it: each may open a list or a map. The
/// parser calls itself for each, and thousands of them would overflow the stack.
const MAX_COLUMNS: usize = 200;

/// A problem with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedProblem {
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is wrong, and where.
    pub problem: Problem,
}

impl std::fmt::Display for LocatedProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}", self.problem)
    }
}

/// Reads a document, or returns everything that is wrong with it.
pub fn read(text: &str) -> Result<Settings, Vec<LocatedProblem>> {
    let alone = |line, text: Localized| vec![LocatedProblem { line, problem: Problem { path: String::new(), text } }];
    if text.len() > MAX_SETTINGS {
        let most = MAX_SETTINGS as u64;
        return Err(alone(None, Localized::of(|_| texts::settings::DocumentTooLong { most })));
    }
    if let Some(line) = too_deep(text) {
        return Err(alone(Some(line), nests_too_deep()));
    }
    small(text).map_err(|(line, text)| alone(Some(line), text))?;
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let reason = error.info();
        alone(Some(error.marker().line()), Localized::of(|_| texts::settings::NotYaml { reason }))
    })?;
    let Some(document) = documents.first() else { return Ok(Settings::default()) };
    if documents.len() > 1 {
        let line = documents[1].span.start.line();
        return Err(alone(Some(line), texts::settings::SECOND_DOCUMENT.into()));
    }
    let value = value(document).map_err(|(line, text)| alone(Some(line), text))?;
    if value.is_null() {
        return Ok(Settings::default());
    }
    let found = |problem: Problem| LocatedProblem { line: line_of(document, &problem.path), problem };
    // Stored documents may have names that this release does not know; what a person saves may not: they are misspelt.
    let unknown: Vec<_> = unknown::names(&schema(), &value)
        .into_iter()
        .map(|unknown| found(Problem { path: unknown.path, text: Localized::data(unknown.text) }))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let settings: Settings = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            whole if whole == "." => String::new(),
            path => path,
        };
        vec![found(Problem { path, text: Localized::data(error.inner()) })]
    })?;
    let problems: Vec<_> = settings.problems().into_iter().map(found).collect();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// The first line that may nest deeper than the parser can handle. A level of blocks needs a column of its own, or an
/// indicator beside others on one line; nested brackets are counted by the parser itself.
fn too_deep(text: &str) -> Option<usize> {
    let is_deep = |line: &str| {
        let columns = line.bytes().take_while(|byte| b" \t-?:".contains(byte)).count();
        let bytes = line.as_bytes();
        let opens =
            |at: usize| matches!(bytes[at], b'-' | b'?') && bytes.get(at + 1).is_none_or(|next| b" \t".contains(next));
        // A rule of dashes has as many columns, but opens nothing.
        let is_rule = line.trim().bytes().all(|byte| byte == b'-');
        steps::add(line.len());
        (columns > MAX_COLUMNS && !is_rule) || (0..bytes.len()).filter(|at| opens(*at)).count() > MAX_COLUMNS
    };
    text.split('\n').position(|line| line.split('\r').any(is_deep)).map(|at| at + 1)
}

/// Checks a text before anything is built from it: a short text may name a long one many times, or nest so deep that
/// reading it overflows the stack. A text that is not YAML is left to the reader.
fn small(text: &str) -> Result<(), (usize, Localized)> {
    let (mut depth, mut values) = (0_usize, 0_usize);
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        let refused = |text: Localized| Err((span.start.line(), text));
        steps::add(1 + span.end.index().saturating_sub(span.start.index()));
        match event {
            Event::Alias(_) => {
                return refused(texts::settings::NO_ALIASES.into());
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => (depth, values) = (depth + 1, values + 1),
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            Event::Scalar(..) => values += 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return refused(nests_too_deep());
        }
        if values > MAX_VALUES {
            let most = MAX_VALUES as u64;
            return refused(Localized::of(|_| texts::settings::TooManyValues { most }));
        }
    }
    Ok(())
}

fn nests_too_deep() -> Localized {
    Localized::of(|_| texts::settings::NestsTooDeep { most: MAX_DEPTH as u64 })
}

/// The line of a place, or of the nearest place around it.
fn line_of(document: &MarkedYaml<'_>, path: &str) -> Option<usize> {
    let (mut node, mut path, mut line) = (document, path, None);
    while !path.is_empty() {
        let Some((place, inner, rest)) = step(node, path) else { return line };
        (node, path, line) = (inner, rest, Some(place));
    }
    line.or_else(|| Some(document.span.start.line()))
}

/// Goes one name or number of `path` down from `node`: the line, the node there, and the rest of the path.
fn step<'a, 'input, 'path>(
    node: &'a MarkedYaml<'input>,
    path: &'path str,
) -> Option<(usize, &'a MarkedYaml<'input>, &'path str)> {
    match &node.data {
        YamlData::Sequence(list) => {
            let (place, rest) = path.strip_prefix('[')?.split_once(']')?;
            let one = list.get(place.parse::<usize>().ok()?)?;
            Some((one.span.start.line(), one, rest))
        }
        YamlData::Mapping(map) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let fits = map.iter().filter_map(|(key, one)| {
                let rest = path.strip_prefix(name(key)?.as_str())?;
                // A value may be below its name; people look for the name.
                (rest.is_empty() || rest.starts_with(['.', '['])).then(|| (key.span.start.line(), one, rest))
            });
            // A name may itself have dots in it.
            fits.min_by_key(|(.., rest)| rest.len())
        }
        _ => None,
    }
}

/// A name of a mapping, if it is one.
fn name(key: &MarkedYaml<'_>) -> Option<String> {
    match &key.data {
        YamlData::Value(Scalar::String(name)) => Some(name.to_string()),
        YamlData::Value(Scalar::Integer(number)) => Some(number.to_string()),
        _ => None,
    }
}

/// The node as JSON.
fn value(node: &MarkedYaml<'_>) -> Result<Value, (usize, Localized)> {
    Ok(match &node.data {
        YamlData::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(bool) => Value::Bool(*bool),
            Scalar::Integer(number) => Value::from(*number),
            Scalar::FloatingPoint(number) if number.is_finite() => Value::from(number.into_inner()),
            Scalar::FloatingPoint(_) => {
                return Err((node.span.start.line(), texts::settings::NOT_A_NUMBER.into()));
            }
            Scalar::String(text) => Value::from(text.as_ref()),
        },
        YamlData::Sequence(list) => Value::Array(list.iter().map(value).collect::<Result<_, _>>()?),
        YamlData::Mapping(map) => {
            let mut object = Map::new();
            for (key, one) in map {
                let Some(name) = name(key) else {
                    return Err((key.span.start.line(), texts::settings::NAME_IS_TEXT.into()));
                };
                object.insert(name, value(one)?);
            }
            Value::Object(object)
        }
        _ => return Err((node.span.start.line(), texts::settings::NO_TAGS.into())),
    })
}

/// The document to be stored for settings, in place of a stored one: with what that has under names that this release does
/// not know. A newer release may have written them before it was rolled back.
pub fn replacing(stored: &Value, settings: &Settings) -> serde_json::Result<Value> {
    let alone = serde_json::to_value(settings)?;
    let mut kept = alone.clone();
    unknown::keep(&schema(), stored, &mut kept);
    let means_the_same = serde_json::from_value::<Settings>(kept.clone()).is_ok_and(|read| read == *settings);
    Ok(if means_the_same { kept } else { alone })
}

/// The settings as a document.
pub fn write(settings: &Settings) -> String {
    to_yaml(&serde_json::to_value(settings).unwrap_or_default())
}

/// Any value as YAML.
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = YamlEmitter::new(&mut text).dump(&yaml(value));
    let text = text.strip_prefix("---\n").map(str::to_owned).unwrap_or(text);
    format!("{}\n", text.trim_end())
}

fn yaml<'a>(value: &Value) -> saphyr::Yaml<'a> {
    match value {
        Value::Null => saphyr::Yaml::Value(Scalar::Null),
        Value::Bool(bool) => saphyr::Yaml::Value(Scalar::Boolean(*bool)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => saphyr::Yaml::Value(Scalar::Integer(whole)),
            None => saphyr::Yaml::Value(Scalar::FloatingPoint(number.as_f64().unwrap_or_default().into())),
        },
        Value::String(text) => saphyr::Yaml::Value(Scalar::String(text.clone().into())),
        Value::Array(list) => saphyr::Yaml::Sequence(list.iter().map(yaml).collect()),
        Value::Object(map) => saphyr::Yaml::Mapping(
            map.iter()
                .map(|(name, value)| (saphyr::Yaml::Value(Scalar::String(name.clone().into())), yaml(value)))
                .collect(),
        ),
    }
}

/// The differences between two settings, a line each: `+` only in the second, `-` only in the first.
pub fn diff(before: &Settings, after: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    let whole = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
    compare("", &whole(before), &whole(after), &mut lines);
    lines
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    if before == after {
        return;
    }
    if let (Some(a), Some(b)) = (parts(before), parts(after)) {
        let names: Vec<_> = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))).cloned().collect();
        for name in names {
            let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match (a.get(&name), b.get(&name)) {
                (Some(a), Some(b)) => compare(&place, a, b, lines),
                (Some(a), None) => lines.push(format!("- {place}: {a}")),
                (None, Some(b)) => lines.push(format!("+ {place}: {b}")),
                (None, None) => {}
            }
        }
        return;
    }
    lines.push(format!("- {path}: {before}"));
    lines.push(format!("+ {path}: {after}"));
}

/// The parts of a value by name; routes by their names, so that a new route does not change all that follow.
fn parts(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map.clone()),
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let named = list.iter().map(|one| (format!("{:?}", one["name"].as_str().unwrap_or("?")), one.clone()));
            Some(named.collect())
        }
        _ => None,
    }
}

/// The JSON Schema of the document.
pub fn schema() -> Value {
    let mut schema = serde_json::to_value(schemars::schema_for!(Settings)).unwrap_or_default();
    schema["$id"] = "settings.schema.json".into();
    schema["title"] = "Switchboard settings".into();
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Operators;
    use proptest::prelude::*;

    fn findings(text: &str) -> Vec<String> {
        read(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    const GOOD: &str = r##"
language: ru
time_zone: Europe/Berlin
channels:
  sales-leads: "#vertrieb"
routes:
  - name: large deals
    change: [deal.created, deal.stage_changed]
    when: record.opportunity > 100000
    to: ["#board", "@responsible"]
    thread: live
    card:
      fields: [sum, record.ufCrm_17]
"##;

    /// Settings as a newer release may have stored them: each object with a name that is not known here.
    fn newer() -> Value {
        let mut settings = serde_json::to_value(read(GOOD).unwrap()).unwrap();
        settings["notion"] = serde_json::json!({
            "databases": [{
                "name": "deals", "database": "d", "records": "deal", "match": [{"key": "a", "property": "b"}],
                "fields": [{"field": "title", "property": "Name"}],
            }],
        });
        settings["quiet_outside"] = serde_json::json!({"from": "9:00", "to": "18:00"});
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let mut stored = serde_json::to_value(Settings { operators: Operators::default(), ..settings }).unwrap();
        // As usual, and so not written, but for what is not known.
        stored["operators"] = serde_json::json!({});
        add_unknown(&schema(), &mut stored);
        stored
    }

    fn add_unknown(schema: &Value, stored: &mut Value) {
        let closed = [
            "",
            "/routes/0",
            "/operators",
            "/notion",
            "/notion/databases/0",
            "/notion/databases/0/match/0",
            "/notion/databases/0/fields/0",
            "/quiet_outside",
        ];
        for place in closed {
            let object = stored.pointer_mut(place).and_then(Value::as_object_mut);
            object
                .unwrap_or_else(|| panic!("{place}"))
                .insert("of_a_newer_release".into(), serde_json::json!({"a": [1]}));
        }
        assert_eq!(unknown::names(schema, stored).len(), closed.len());
    }

    #[test]
    fn what_a_newer_release_stored_is_read_and_kept_and_a_person_cannot_save_it() {
        let stored = newer();
        let settings: Settings = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(replacing(&stored, &settings).unwrap(), stored, "nothing of it is lost");
        let mut changed = settings.clone();
        changed.time_zone = "UTC".into();
        changed.routes.insert(0, Settings::default().routes[0].clone());
        changed.notion.databases.clear();
        let kept = replacing(&stored, &changed).unwrap();
        assert_eq!(serde_json::from_value::<Settings>(kept.clone()).unwrap(), changed);
        assert_eq!(kept["of_a_newer_release"], stored["of_a_newer_release"]);
        assert_eq!(kept["routes"][1]["of_a_newer_release"], stored["routes"][0]["of_a_newer_release"]);
        assert_eq!(kept["routes"][0]["of_a_newer_release"], Value::Null);
        let refused = findings(&to_yaml(&stored));
        assert_eq!(refused.len(), 8, "{refused:?}");
        assert!(refused.iter().any(|text| text.contains(": of_a_newer_release: unknown field `of_a_newer_release`")));
        // Where a place needs more than what is not known, what is not known goes with it.
        changed.quiet_outside = None;
        let kept = replacing(&stored, &changed).unwrap();
        assert_eq!(serde_json::from_value::<Settings>(kept).unwrap(), changed);
    }

    #[test]
    fn a_document_is_read_and_written_and_read_again() {
        let settings = read(GOOD).unwrap();
        assert_eq!(settings.routes[0].to.iter().count(), 2);
        let written = write(&settings);
        assert_eq!(read(&written).unwrap(), settings, "{written}");
        assert_eq!(read(&serde_json::to_string(&settings).unwrap()).unwrap(), settings, "JSON is YAML");
        assert_eq!(read("").unwrap(), Settings::default());
        assert_eq!(read(&write(&Settings::default())).unwrap(), Settings::default());
    }

    #[test]
    fn what_is_wrong_is_said_with_line_place_and_fix() {
        assert_eq!(
            findings(&GOOD.replace("record.opportunity", "record.oportunity"))[0],
            "line 9: routes[0].when: deal.created has no field \"oportunity\"; did you mean \"opportunity\"?"
        );
        let unknown = findings(&GOOD.replace("deal.stage_changed", "deal.sold"));
        assert!(
            unknown[0].starts_with("line 8: routes[0].change: there is no change \"deal.sold\"; did you mean"),
            "{unknown:?}"
        );
        let misspelt = findings(&GOOD.replace("thread: live", "tread: live"));
        assert!(
            misspelt[0].starts_with("line 11: routes[0].tread: unknown field `tread`, expected one of"),
            "{misspelt:?}"
        );
        let unquoted = findings("routes:\n  - name: a\n    change: deal.created\n    to: #sales\n");
        assert_eq!(
            unquoted[0],
            "line 4: routes[0].to: nothing stands here; write a channel in quotes: \"#sales-leads\""
        );
        let field = findings(&GOOD.replace("[sum, record.ufCrm_17]", "[sum, phone]"));
        assert!(
            field[0].starts_with("line 13: routes[0].card.fields[1]: deal.created has no word {phone}"),
            "{field:?}"
        );
        assert!(findings("routes: [")[0].contains("this is not YAML"));
        assert!(findings("a: 1\n---\nb: 1")[0].starts_with("line 3: there is a second document"));
    }

    #[test]
    fn a_document_that_would_become_large_or_deep_is_refused_at_its_line() {
        assert_eq!(
            findings("time_zone: &zone UTC\nroutes: [*zone]\n"),
            ["line 2: aliases (*name) are not used here; write the value where it is needed"]
        );
        for deep in ["- ".repeat(17), "? ".repeat(17), "{a: ".repeat(17), "- ".repeat(100_000)] {
            assert_eq!(findings(&deep), ["line 1: the document nests deeper than 16 levels"]);
        }
        for number in [".nan", ".inf", "-.inf", "1e999"] {
            let text = format!("a: 1\nb: {number}\n");
            assert_eq!(findings(&text), ["line 2: this is not a number, or it is too large"], "{number}");
        }
        let many = format!("routes: [{}]", "1,".repeat(MAX_VALUES));
        assert_eq!(findings(&many), ["line 1: the document has more than 20,000 names and values"]);
    }

    #[test]
    fn a_document_is_read_in_one_pass_whatever_its_shape() {
        let long_name = |bytes: usize| {
            format!(
                "? {}\n:\n{}",
                "k".repeat(bytes / 2),
                (0..bytes / 14).map(|at| format!("  a{at}: 1\n")).collect::<String>()
            )
        };
        let list = |bytes: usize| format!("[{}]", "1,".repeat(bytes / 2 - 1));
        let shapes: [(&str, &dyn Fn(usize) -> String); 2] = [("a long name", &long_name), ("a list", &list)];
        for (shape, of) in shapes {
            let cost = |bytes: usize| {
                let text = of(bytes);
                steps::of(|| read(&text).is_err()).1
            };
            let (once, twice) = (cost(10_000), cost(20_000));
            assert!(once > 0 && twice * 10 <= once * 22 && twice <= 100_000, "{shape}: {once} steps, then {twice}");
        }
        for opener in ["- ", "? ", "-\t", "- ? "] {
            let line = opener.repeat(MAX_SETTINGS / 2 / opener.len());
            let said = "line 2: the document nests deeper than 16 levels";
            assert_eq!(findings(&format!("a:\n{line}"))[0], said, "{opener:?}");
        }
        assert!(findings(&"x".repeat(MAX_SETTINGS + 1))[0].contains("longer than 262,144 bytes"));
    }

    #[test]
    fn a_name_with_dots_has_a_line_of_its_own() {
        let documents = MarkedYaml::load_from_str("a:\n  b: 1\na.b:\n  - x\n  - y: 1\n").unwrap();
        for (path, line) in [("a", 1), ("a.c", 1), ("a.b", 3), ("a.b[1].y", 5), ("a.b[9]", 3), ("", 1)] {
            assert_eq!(line_of(&documents[0], path), Some(line), "{path}");
        }
        assert_eq!(line_of(&documents[0], "unknown"), None);
    }

    #[test]
    fn several_problems_are_said_at_once() {
        let text = GOOD.replace("Europe/Berlin", "Europe/Berln").replace("record.opportunity", "deal.x");
        assert_eq!(findings(&text).len(), 2, "{:?}", findings(&text));
    }

    #[test]
    fn a_difference_names_the_route_not_its_number() {
        let (before, mut after) = (read(GOOD).unwrap(), read(GOOD).unwrap());
        after.routes[0].when = None;
        after.routes.insert(0, Settings::default().routes[0].clone());
        let lines = diff(&before, &after);
        assert!(
            lines.contains(&"- routes.\"large deals\".when: \"record.opportunity > 100000\"".to_owned()),
            "{lines:?}"
        );
        assert!(lines.iter().any(|line| line.starts_with("+ routes.\"new leads\": ")), "{lines:?}");
        assert!(diff(&before, &before).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[a-z:#\\[\\]{}\"&*!|> \\n-]{0,80}") {
            let _ = read(&text);
        }
    }
}
