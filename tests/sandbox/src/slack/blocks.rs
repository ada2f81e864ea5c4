//! Block Kit as strictly as Slack takes it. Written from Slack's limits, not from our builder.

use serde_json::Value;

/// What is wrong with the blocks of a message, in Slack's manner.
pub(super) fn check(blocks: &Value) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    match blocks.as_array() {
        None => problems.push("[ERROR] must be an array [json-pointer:/blocks]".into()),
        Some(blocks) => {
            if blocks.len() > 50 {
                problems.push("[ERROR] no more than 50 items allowed [json-pointer:/blocks]".into());
            }
            for (place, block) in blocks.iter().enumerate() {
                check_block(block, &format!("/blocks/{place}"), &mut problems);
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn check_block(block: &Value, at: &str, problems: &mut Vec<String>) {
    let mut wrong = |what: &str, at: String| problems.push(format!("[ERROR] {what} [json-pointer:{at}]"));
    if block["block_id"].as_str().is_some_and(|id| id.len() > 255) {
        wrong("must be less than 256 characters", format!("{at}/block_id"));
    }
    match block["type"].as_str() {
        Some("header") => {
            if block["text"]["type"] != "plain_text" {
                wrong("must be plain_text", format!("{at}/text/type"));
            }
            check_text(&block["text"], 150, &format!("{at}/text"), problems);
        }
        Some("section") => {
            let fields = block["fields"].as_array();
            if block["text"].is_null() && fields.is_none_or(Vec::is_empty) {
                wrong("missing required field: text or fields", at.to_owned());
            }
            if fields.is_some_and(|fields| fields.is_empty() || fields.len() > 10) {
                wrong("1 to 10 items allowed", format!("{at}/fields"));
            }
            if !block["text"].is_null() {
                check_text(&block["text"], 3000, &format!("{at}/text"), problems);
            }
            for (place, field) in fields.into_iter().flatten().enumerate() {
                check_text(field, 2000, &format!("{at}/fields/{place}"), problems);
            }
        }
        Some("context") => {
            let elements = block["elements"].as_array().cloned().unwrap_or_default();
            if elements.is_empty() || elements.len() > 10 {
                wrong("1 to 10 items allowed", format!("{at}/elements"));
            }
            for (place, element) in elements.iter().enumerate() {
                if element["type"] != "image" {
                    check_text(element, 3000, &format!("{at}/elements/{place}"), problems);
                }
            }
        }
        Some("actions") => {
            let elements = block["elements"].as_array().cloned().unwrap_or_default();
            if elements.is_empty() || elements.len() > 25 {
                wrong("1 to 25 items allowed", format!("{at}/elements"));
            }
            let mut ids: Vec<&Value> = elements.iter().map(|element| &element["action_id"]).collect();
            ids.sort_by_key(ToString::to_string);
            if ids.windows(2).any(|pair| pair[0] == pair[1] && !pair[0].is_null()) {
                wrong("`action_id` already exists", format!("{at}/elements"));
            }
            for (place, element) in elements.iter().enumerate() {
                check_button(element, &format!("{at}/elements/{place}"), problems);
            }
        }
        Some("divider" | "rich_text" | "image" | "markdown" | "table") => {}
        _ => wrong("unsupported type", format!("{at}/type")),
    }
}

fn check_button(element: &Value, at: &str, problems: &mut Vec<String>) {
    let mut wrong = |what: &str, at: String| problems.push(format!("[ERROR] {what} [json-pointer:{at}]"));
    if element["type"] != "button" {
        return;
    }
    if element["text"]["type"] != "plain_text" {
        wrong("must be plain_text", format!("{at}/text/type"));
    }
    for (name, most) in [("value", 2000), ("url", 3000), ("action_id", 255)] {
        if element[name].as_str().is_some_and(|text| text.chars().count() > most) {
            wrong(&format!("must be less than {} characters", most + 1), format!("{at}/{name}"));
        }
    }
    check_text(&element["text"], 75, &format!("{at}/text"), problems);
}

fn check_text(text: &Value, most: usize, at: &str, problems: &mut Vec<String>) {
    let mut wrong = |what: String| problems.push(format!("[ERROR] {what} [json-pointer:{at}]"));
    if !matches!(text["type"].as_str(), Some("mrkdwn" | "plain_text")) {
        wrong("must be a text object".into());
    }
    let Some(content) = text["text"].as_str() else {
        wrong("missing required field: text".into());
        return;
    };
    if content.is_empty() {
        wrong("must be more than 0 characters".into());
    }
    // The stricter of the two ways to count.
    if content.encode_utf16().count() > most {
        wrong(format!("must be less than {} characters", most + 1));
    }
    for (name, only) in [("verbatim", "mrkdwn"), ("emoji", "plain_text")] {
        if !text[name].is_null() && text["type"] != only {
            wrong(format!("{name} belongs to {only}"));
        }
    }
}
