//! Block Kit's checks, as strict as Slack's. Written from Slack's limits, not from our builder.

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
            for (index, block) in blocks.iter().enumerate() {
                check_block(block, &format!("/blocks/{index}"), &mut problems);
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
            for (index, field) in fields.into_iter().flatten().enumerate() {
                check_text(field, 2000, &format!("{at}/fields/{index}"), problems);
            }
        }
        Some("context") => {
            let elements = block["elements"].as_array().cloned().unwrap_or_default();
            if elements.is_empty() || elements.len() > 10 {
                wrong("1 to 10 items allowed", format!("{at}/elements"));
            }
            for (index, element) in elements.iter().enumerate() {
                if element["type"] != "image" {
                    check_text(element, 3000, &format!("{at}/elements/{index}"), problems);
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
            for (index, element) in elements.iter().enumerate() {
                check_button(element, &format!("{at}/elements/{index}"), problems);
                check_menu(element, &format!("{at}/elements/{index}"), problems);
            }
        }
        Some("rich_text") => {
            let elements = block["elements"].as_array().cloned().unwrap_or_default();
            if elements.is_empty() {
                wrong("missing required field: elements", at.to_owned());
            }
            for (index, element) in elements.iter().enumerate() {
                check_rich_text(element, &format!("{at}/elements/{index}"), problems);
            }
        }
        Some("input") => {
            if block["label"]["type"] != "plain_text" {
                wrong("must be plain_text", format!("{at}/label/type"));
            }
            check_text(&block["label"], 2000, &format!("{at}/label"), problems);
            if !block["hint"].is_null() {
                check_text(&block["hint"], 2000, &format!("{at}/hint"), problems);
            }
            check_field(&block["element"], &format!("{at}/element"), problems);
        }
        Some("divider" | "image" | "markdown" | "table") => {}
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

fn check_menu(element: &Value, at: &str, problems: &mut Vec<String>) {
    if element["type"] != "static_select" {
        return;
    }
    let mut wrong = |what: &str, at: String| problems.push(format!("[ERROR] {what} [json-pointer:{at}]"));
    let options = element["options"].as_array().cloned().unwrap_or_default();
    if options.is_empty() || options.len() > 100 {
        wrong("1 to 100 items allowed", format!("{at}/options"));
    }
    let initial = &element["initial_option"];
    if !initial.is_null() && !options.contains(initial) {
        wrong("initial option is none of the options", format!("{at}/initial_option"));
    }
    for (index, option) in options.iter().enumerate() {
        let value = option["value"].as_str().unwrap_or_default();
        if value.is_empty() || value.chars().count() > 150 {
            wrong("must be 1 to 150 characters", format!("{at}/options/{index}/value"));
        }
    }
    for (index, option) in options.iter().enumerate() {
        check_text(&option["text"], 75, &format!("{at}/options/{index}/text"), problems);
    }
    check_text(&element["placeholder"], 150, &format!("{at}/placeholder"), problems);
}

fn check_field(element: &Value, at: &str, problems: &mut Vec<String>) {
    let mut wrong = |what: &str, at: String| problems.push(format!("[ERROR] {what} [json-pointer:{at}]"));
    match element["type"].as_str() {
        Some("plain_text_input") => {
            let most = element["max_length"].as_u64().unwrap_or(3000);
            if most == 0 || most > 3000 {
                wrong("must be 1 to 3000", format!("{at}/max_length"));
            }
            if element["initial_value"].as_str().is_some_and(|text| text.chars().count() as u64 > most) {
                wrong("longer than max_length", format!("{at}/initial_value"));
            }
        }
        Some("users_select" | "multi_users_select" | "datepicker") => {}
        Some("static_select") => check_menu(element, at, problems),
        _ => wrong("unsupported type", format!("{at}/type")),
    }
}

fn check_rich_text(element: &Value, at: &str, problems: &mut Vec<String>) {
    let mut wrong = |what: &str, at: String| problems.push(format!("[ERROR] {what} [json-pointer:{at}]"));
    let inner = element["elements"].as_array().cloned().unwrap_or_default();
    if inner.is_empty() {
        wrong("1 or more items needed", format!("{at}/elements"));
    }
    match element["type"].as_str() {
        Some("rich_text_list") => {
            if !["bullet", "ordered"].iter().any(|style| element["style"] == *style) {
                wrong("must be bullet or ordered", format!("{at}/style"));
            }
            if element["indent"].as_u64().is_some_and(|indent| indent > 8) {
                wrong("must be 8 at most", format!("{at}/indent"));
            }
            for (index, item) in inner.iter().enumerate() {
                check_rich_text(item, &format!("{at}/elements/{index}"), problems);
            }
        }
        Some("rich_text_section" | "rich_text_quote" | "rich_text_preformatted") => {
            for (index, leaf) in inner.iter().enumerate() {
                let needs: &[&str] = match leaf["type"].as_str() {
                    Some("text") => &["text"],
                    Some("link") => &["url"],
                    Some("user") => &["user_id"],
                    Some("channel") => &["channel_id"],
                    Some("emoji") => &["name"],
                    Some("broadcast") => &["range"],
                    Some("date") => &["format"],
                    _ => {
                        wrong("unsupported type", format!("{at}/elements/{index}/type"));
                        &[]
                    }
                };
                for name in needs {
                    if leaf[*name].as_str().is_none_or(str::is_empty) {
                        wrong(&format!("missing required field: {name}"), format!("{at}/elements/{index}"));
                    }
                }
            }
        }
        _ => wrong("unsupported type", format!("{at}/type")),
    }
}

/// What is wrong with a view.
pub(super) fn check_view(view: &Value) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    let blocks = view["blocks"].as_array().cloned().unwrap_or_default();
    if blocks.is_empty() || blocks.len() > 100 {
        problems.push("[ERROR] 1 to 100 items allowed [json-pointer:/view/blocks]".into());
    }
    for (index, block) in blocks.iter().enumerate() {
        check_block(block, &format!("/view/blocks/{index}"), &mut problems);
    }
    match view["type"].as_str() {
        Some("modal") => {
            for name in ["title", "submit", "close"] {
                if name == "title" || !view[name].is_null() {
                    check_text(&view[name], 24, &format!("/view/{name}"), &mut problems);
                }
            }
            let has_input = blocks.iter().any(|block| block["type"] == "input");
            if has_input && view["submit"].is_null() {
                problems.push("[ERROR] submit is needed where there are inputs [json-pointer:/view/submit]".into());
            }
            if view["private_metadata"].as_str().is_some_and(|text| text.chars().count() > 3000) {
                problems.push("[ERROR] must be less than 3001 characters [json-pointer:/view/private_metadata]".into());
            }
        }
        Some("home") => {}
        _ => problems.push("[ERROR] must be modal or home [json-pointer:/view/type]".into()),
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}
