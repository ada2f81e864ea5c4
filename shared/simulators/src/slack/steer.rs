//! What the control address offers for Slack besides typing and pressing.

use serde_json::{Value, json};

use super::{Release, SlackSimulator};

/// What can be done, with an example of each body.
pub(crate) fn help() -> Value {
    json!({
        "POST /slack/post": {"email": "…", "channel": "general", "message": {"text": "", "blocks": [], "attachments": []}},
        "POST /slack/post_as_app": {"channel": "general", "bot": "B0OTHER", "message": {"text": "", "attachments": [{"title": "…"}]}},
        "POST /slack/me": {"email": "…", "channel": "general", "text": "waves"},
        "POST /slack/edit": {"channel": "general", "ts": "…", "text": "…"},
        "POST /slack/edit_raw": {"channel": "general", "ts": "…", "message": {"blocks": []}},
        "POST /slack/delete": {"channel": "general", "ts": "…"},
        "POST /slack/forward": {"email": "…", "from": "ops", "ts": "…", "channel": "general", "text": "with words or without"},
        "POST /slack/unfold": {"channel": "general", "ts": "…"},
        "POST /slack/notice": {"email": "…", "channel": "general", "subtype": "channel_topic", "text": "…"},
        "POST /slack/huddle": {"email": "…", "channel": "general"},
        "POST /slack/end_huddle": {"channel": "general", "ts": "…", "people": ["user6@example.com"]},
        "POST /slack/attach": {"email": "…", "name": "a.txt", "content": "…", "fields": {"mode": "external", "url_private": "https://…"}},
        "POST /slack/share": {"email": "…", "channel": "general", "text": "…", "files": ["F…"], "thread": null},
        "POST /slack/take_out_file": {"channel": "general", "ts": "…", "file": "F…"},
        "POST /slack/add_file": {"channel": "general", "ts": "…", "file": "F…"},
        "POST /slack/group": {"handle": "sales", "name": "Sales"},
        "POST /slack/scope": {"scope": "usergroups:read", "given": false},
        "POST /slack/revoke_person": {"email": "…"},
        "POST /slack/say": {"email": "…", "channel": "general", "text": "hello", "thread": null},
        "POST /slack/limits": {"distributed": true, "counted": true},
        "POST /slack/events": {"on": true, "double_every": 0, "double_under_other_ids": 0, "hold": true, "release": "in_order | reversed"},
    })
}

/// Does it; `None` for an address that is not one of these.
pub(crate) fn steer(slack: &SlackSimulator, path: &str, body: &Value) -> Option<Value> {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let user = || slack.person(text("email"));
    let channel = || slack.channel_id(text("channel"));
    let done = || json!({"ok": true});
    Some(match path.strip_prefix("/slack/")? {
        "say" => json!({"ts": slack.say(&user(), &channel(), text("text"), body["thread"].as_str(), &[])}),
        "post" => json!({"ts": slack.post_raw(&user(), &channel(), &body["message"])}),
        "post_as_app" => match slack.post_as_app(&channel(), text("bot"), &body["message"]) {
            Ok(ts) => json!({"ts": ts}),
            Err(error) => json!({"ok": false, "error": error}),
        },
        "me" => json!({"ts": slack.say_me(&user(), &channel(), text("text"))}),
        "edit" => {
            slack.edit(&channel(), text("ts"), text("text"));
            done()
        }
        "edit_raw" => {
            slack.edit_raw(&channel(), text("ts"), &body["message"]);
            done()
        }
        "delete" => {
            slack.delete(&channel(), text("ts"));
            done()
        }
        "forward" => {
            let from = slack.channel_id(text("from"));
            json!({"ts": slack.forward(&user(), (&from, text("ts")), &channel(), text("text"))})
        }
        "unfold" => {
            slack.unfold(&channel(), text("ts"));
            done()
        }
        "notice" => json!({"ts": slack.notice(&user(), &channel(), text("subtype"), text("text"))}),
        "huddle" => json!({"ts": slack.huddle(&user(), &channel())}),
        "end_huddle" => {
            let people: Vec<String> = words(&body["people"]).into_iter().map(|email| slack.person(email)).collect();
            slack.end_huddle(&channel(), text("ts"), &people.iter().map(String::as_str).collect::<Vec<_>>());
            done()
        }
        "attach" => {
            json!({"file": slack.attach_as(&user(), text("name"), text("content").to_owned(), &body["fields"])})
        }
        "share" => {
            let thread = body["thread"].as_str();
            json!({"ts": slack.say(&user(), &channel(), text("text"), thread, &words(&body["files"]))})
        }
        "take_out_file" => {
            slack.take_out_file(&channel(), text("ts"), text("file"));
            done()
        }
        "add_file" => {
            slack.add_file(&channel(), text("ts"), text("file"));
            done()
        }
        "group" => json!({"id": slack.add_group(text("handle"), text("name"))}),
        "scope" => {
            let given = body["given"] == true;
            if given {
                slack.give_scope(text("scope"));
            } else {
                slack.take_scope(text("scope"));
            }
            done()
        }
        "revoke_person" => {
            slack.revoke_person(&user());
            done()
        }
        "limits" => {
            if let Some(is_distributed) = body["distributed"].as_bool() {
                slack.be_distributed(is_distributed);
            }
            if let Some(counted) = body["counted"].as_bool() {
                slack.limit_calls(counted);
            }
            done()
        }
        "events" => {
            disturb(slack, body);
            done()
        }
        _ => return None,
    })
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn disturb(slack: &SlackSimulator, body: &Value) {
    if body["on"] == true {
        slack.switch_events_on();
    }
    if let Some(every) = body["double_every"].as_u64() {
        slack.double_events(every);
    }
    if let Some(every) = body["double_under_other_ids"].as_u64() {
        slack.double_under_other_ids(every);
    }
    match body["release"].as_str() {
        Some("reversed") => slack.release_events(Release::Reversed),
        Some(_) => slack.release_events(Release::InOrder),
        None => {}
    }
    if body["hold"] == true {
        slack.hold_events();
    }
}
