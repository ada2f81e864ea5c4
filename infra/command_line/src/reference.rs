//! The reference of the settings document, made from its JSON Schema, so that it always agrees with the code.

use std::fmt::Write;

use serde_json::{Map, Value};

const HEAD: &str = "# Settings, word by word\n\nMade from the schema of the document by `switchboard settings reference`. What they do together, with examples: \
                    [settings.md](settings.md), [notion.md](notion.md), [talking.md](talking.md).\n";

/// The page, as Markdown.
pub fn markdown(schema: &Value) -> String {
    let mut page = HEAD.to_owned();
    let empty = Map::new();
    section(&mut page, "The document", schema);
    for (name, of) in schema["$defs"].as_object().unwrap_or(&empty) {
        section(&mut page, name, of);
    }
    format!("{}\n", page.trim_end())
}

fn section(page: &mut String, name: &str, of: &Value) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "\n## {name}\n");
    if let Some(text) = of["description"].as_str() {
        let _ = writeln!(page, "{}\n", one_line(text));
    }
    if let Some(properties) = of["properties"].as_object() {
        let required: Vec<_> = of["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let _ = writeln!(page, "| name | holds | if not said | meaning |\n|---|---|---|---|");
        for (name, property) in properties {
            let default = match (&property["default"], required.contains(&name.as_str())) {
                (_, true) => "has to be said".to_owned(),
                (Value::Null, _) => String::new(),
                // The default routes are in settings.md.
                (default, _) if default.to_string().len() > 60 => "the usual ones".to_owned(),
                (default, _) => format!("`{default}`"),
            };
            let _ =
                writeln!(page, "| `{name}` | {} | {default} | {} |", kind(property), cell(&property["description"]));
        }
    }
    let choices = of["oneOf"].as_array().or_else(|| of["anyOf"].as_array());
    for choice in choices.into_iter().flatten() {
        let word = match (&choice["const"], &choice["enum"]) {
            (Value::Null, Value::Array(words)) => {
                words.iter().map(|word| format!("`{}`", plain(word))).collect::<Vec<_>>().join(", ")
            }
            (Value::Null, _) => kind(choice),
            (word, _) => format!("`{}`", plain(word)),
        };
        let _ = writeln!(page, "- {word}: {}", cell(&choice["description"]));
    }
    if let Some(words) = of["enum"].as_array() {
        let words: Vec<_> = words.iter().map(|word| format!("`{}`", plain(word))).collect();
        let _ = writeln!(page, "One of {}.", words.join(", "));
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &Value) -> String {
    one_line(text.as_str().unwrap_or_default()).replace('|', "\\|")
}

/// What a property holds, in words.
fn kind(of: &Value) -> String {
    if let Some(reference) = of["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(choices) = of["anyOf"].as_array().or_else(|| of["oneOf"].as_array()) {
        let kinds: Vec<_> = choices.iter().map(kind).filter(|kind| kind != "nothing").collect();
        return kinds.join(" or ");
    }
    let word = |named: &str| match named {
        "array" => format!("a list of {}", kind_of_items(of)),
        "object" if of["additionalProperties"].is_object() => {
            format!("names with {}", kind(&of["additionalProperties"]))
        }
        "object" => "a group of settings".into(),
        "string" => "text".into(),
        "integer" | "number" => "number".into(),
        "boolean" => "`true` or `false`".into(),
        "null" => "nothing".into(),
        other => other.to_owned(),
    };
    match &of["type"] {
        Value::String(kind) => word(kind),
        Value::Array(kinds) => {
            let kinds: Vec<_> =
                kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").map(word).collect();
            kinds.join(" or ")
        }
        _ => of["const"].as_str().map_or_else(|| "anything".into(), |word| format!("`{word}`")),
    }
}

fn kind_of_items(of: &Value) -> String {
    if of["items"].is_object() { kind(&of["items"]) } else { "anything".into() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_what_the_command_prints() {
        let page = include_str!("../../../docs/settings-reference.md");
        let made = super::markdown(&serde_json::to_value(settings::document::schema()).unwrap_or_default());
        assert_eq!(made, page, "switchboard settings reference > docs/settings-reference.md");
    }
}
