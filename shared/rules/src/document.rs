//! The settings document as text (YAML, and so JSON): read with errors that name line, place and fix; written;
//! compared; its JSON Schema.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData, YamlEmitter};
use serde_json::{Map, Value};

use crate::problems::Problem;
use crate::settings::Settings;

/// More text than this is no settings document.
pub const MAX_SETTINGS: usize = 256 * 1024;

/// How deep the document may nest. Settings nest six deep.
const MAX_DEPTH: usize = 32;

/// The most columns before the words of a line, and the most `-` and `?` in it: each may open a list or a map. The parser
/// calls itself for each, and some thousands end the process.
const MAX_COLUMNS: usize = 200;

/// A problem with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is wrong, and where.
    pub problem: Problem,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}", self.problem)
    }
}

/// Reads a document, or says everything that is wrong with it.
pub fn read(text: &str) -> Result<Settings, Vec<Finding>> {
    let alone = |line, text: String| vec![Finding { line, problem: Problem { path: String::new(), text } }];
    if text.len() > MAX_SETTINGS {
        return Err(alone(None, format!("the document is longer than {MAX_SETTINGS} bytes")));
    }
    if let Some(line) = too_deep(text) {
        let text = format!("the line opens more than {MAX_COLUMNS} levels; settings nest six deep");
        return Err(alone(Some(line), text));
    }
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|error| alone(Some(error.marker().line()), format!("this is no YAML: {}", error.info())))?;
    let Some(document) = documents.first() else { return Ok(Settings::default()) };
    if documents.len() > 1 {
        return Err(alone(Some(documents[1].span.start.line()), "there is a second document; write one only".into()));
    }
    let mut lines = Lines::default();
    let value = value(document, 0, &mut lines).map_err(|(line, text)| alone(Some(line), text))?;
    if value.is_null() {
        return Ok(Settings::default());
    }
    let found = |problem: Problem| Finding { line: Some(lines.of(&problem.path)), problem };
    let settings: Settings = serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string() {
            whole if whole == "." => String::new(),
            path => path,
        };
        vec![found(Problem { path, text: error.inner().to_string() })]
    })?;
    let problems: Vec<_> = settings.problems().into_iter().map(found).collect();
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

/// The first line that may nest deeper than the parser bears. A level of blocks takes a column of its own, or an indicator
/// beside others on one line; brackets within brackets the parser counts itself.
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

/// The line of a node, and the lines of what is in it by its name. Paths are looked up here, and written out nowhere: in
/// a document of many names each would be as long as all those around it.
#[derive(Default)]
struct Lines {
    line: usize,
    inner: BTreeMap<String, Lines>,
}

impl Lines {
    /// The line of a place, or of the nearest around it.
    fn of(&self, path: &str) -> usize {
        let rest = path.strip_prefix('.').unwrap_or(path);
        let ends = rest.char_indices().skip(1).filter(|(_, c)| ['.', '['].contains(c)).map(|(at, _)| at);
        let found = ends.chain([rest.len()]).find_map(|end| Some((self.inner.get(&rest[..end])?, end)));
        found.map_or(self.line, |(inner, end)| inner.of(&rest[end..]))
    }

    /// A value may stand below its name; people look for the name.
    fn inner(&mut self, name: String, line: usize) -> &mut Self {
        let inner = self.inner.entry(name).or_default();
        inner.line = line;
        inner
    }
}

/// The node as JSON, and the lines of everything in it.
fn value(node: &MarkedYaml<'_>, depth: usize, lines: &mut Lines) -> Result<Value, (usize, String)> {
    let line = node.span.start.line();
    steps::add(1);
    if lines.line == 0 {
        lines.line = line;
    }
    if depth > MAX_DEPTH {
        return Err((line, format!("the document nests deeper than {MAX_DEPTH} levels; settings nest six deep")));
    }
    Ok(match &node.data {
        YamlData::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(bool) => Value::Bool(*bool),
            Scalar::Integer(number) => Value::from(*number),
            Scalar::FloatingPoint(number) => Value::from(number.into_inner()),
            Scalar::String(text) => {
                steps::add(text.len());
                Value::from(text.as_ref())
            }
        },
        YamlData::Sequence(list) => {
            let mut values = Vec::with_capacity(list.len());
            for (place, one) in list.iter().enumerate() {
                let inner = lines.inner(format!("[{place}]"), one.span.start.line());
                values.push(value(one, depth + 1, inner)?);
            }
            Value::Array(values)
        }
        YamlData::Mapping(map) => {
            let mut object = Map::new();
            for (key, one) in map {
                let name = match &key.data {
                    YamlData::Value(Scalar::String(name)) => name.to_string(),
                    YamlData::Value(Scalar::Integer(number)) => number.to_string(),
                    _ => return Err((key.span.start.line(), "a name has to be a text".into())),
                };
                steps::add(name.len());
                let inner = lines.inner(name.clone(), key.span.start.line());
                let one = value(one, depth + 1, inner)?;
                object.insert(name, one);
            }
            Value::Object(object)
        }
        _ => return Err((line, "tags, aliases and anchors are not used here".into())),
    })
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

/// What differs between two settings, a line each: `+` only in the second, `-` only in the first.
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

/// The parts of a value by name; routes by theirs, so that a route more does not change all behind it.
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
        assert!(findings("routes: [")[0].contains("this is no YAML"));
        assert!(findings("a: 1\n---\nb: 1")[0].starts_with("line 3: there is a second document"));
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
        let deep = (0..60).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
        assert_eq!(findings(&deep)[0], "line 34: the document nests deeper than 32 levels; settings nest six deep");
        for opener in ["- ", "? ", "-\t", "- ? "] {
            let line = opener.repeat(MAX_SETTINGS / 2 / opener.len());
            let said = "line 2: the line opens more than 200 levels; settings nest six deep";
            assert_eq!(findings(&format!("a:\n{line}"))[0], said, "{opener:?}");
        }
        assert!(findings(&"x".repeat(MAX_SETTINGS + 1))[0].contains("longer than 262144 bytes"));
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
