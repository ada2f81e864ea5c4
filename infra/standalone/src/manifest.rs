//! The Slack app's manifest, made from the table of commands and the addresses, so that none is missing.
//! Fields: <https://docs.slack.dev/reference/app-manifest/>.

use clients::scopes::SLACK as SCOPES;
use serde_json::{Value, json};

/// The events that the app subscribes to.
pub const EVENTS: [&str; 17] = [
    "message.channels",
    "message.groups",
    "reaction_added",
    "reaction_removed",
    "link_shared",
    "app_home_opened",
    "user_change",
    "team_join",
    "channel_rename",
    "channel_archive",
    "channel_deleted",
    "channel_left",
    "group_rename",
    "group_archive",
    "group_left",
    "app_uninstalled",
    "tokens_revoked",
];

/// The manifest for an address; `portal` is the host whose links unfold.
pub fn manifest(url: &str, portal: Option<&str>) -> Value {
    let webhook = format!("{}{}", url.trim_end_matches('/'), crate::http::SLACK_WEBHOOK);
    // Slack shows one manifest to people of all languages: it is in English.
    let language = locale::Language::default();
    let slash_commands = commands::ALL.iter().map(|spec| {
        json!({
            "command": spec.typed, "url": webhook, "description": language.text(spec.description),
            "usage_hint": language.text(spec.usage), "should_escape": true,
        })
    });
    let shortcuts = commands::ALL.iter().filter_map(|spec| spec.shortcut).map(|shortcut| {
        json!({
            "name": shortcut.name, "type": "message", "callback_id": shortcut.callback_id,
            "description": shortcut.description,
        })
    });
    let mut features = json!({
        "app_home": {"home_tab_enabled": true, "messages_tab_enabled": true, "messages_tab_read_only_enabled": true},
        "bot_user": {"display_name": "Switchboard", "always_online": true},
        "shortcuts": shortcuts.collect::<Vec<_>>(),
        "slash_commands": slash_commands.collect::<Vec<_>>(),
    });
    if let Some(portal) = portal {
        features["unfurl_domains"] = json!([portal]);
    }
    let redirects =
        [install::SLACK_CALLBACK, admin::SLACK_CALLBACK].map(|path| format!("{}{path}", url.trim_end_matches('/')));
    json!({
        "display_information": {
            "name": "Switchboard", "description": "Bitrix24 and Slack, joined", "background_color": "#4a154b",
            "long_description": "Switchboard brings what changes in Bitrix24 to the right channel or person in Slack, lets you work on leads, deals and tasks from Slack, and joins Slack channels with Bitrix24 chats. It is run by your own company.",
        },
        "features": features,
        "oauth_config": {"redirect_urls": redirects, "scopes": {"bot": SCOPES.iter().map(|(scope, _)| *scope).collect::<Vec<_>>()}},
        "settings": {
            "event_subscriptions": {"request_url": webhook, "bot_events": EVENTS},
            "interactivity": {"is_enabled": true, "request_url": webhook},
            "org_deploy_enabled": false, "socket_mode_enabled": false, "token_rotation_enabled": false,
        },
    })
}

/// The same as YAML, each scope with its reason.
pub fn yaml(url: &str, portal: Option<&str>) -> String {
    let mut text = settings::document::to_yaml(&manifest(url, portal));
    for (scope, why) in SCOPES {
        let why = locale::Language::default().text(why);
        for line in [format!("- {scope}\n"), format!("- \"{scope}\"\n")] {
            text = text.replace(&line, &format!("{}  # {why}\n", line.trim_end()));
        }
    }
    format!("# Made by `switchboard manifest`; paste it where Slack asks for an app's manifest.\n{}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_keeps_slacks_limits() {
        let made = manifest("https://switchboard.example/", Some("acme.bitrix24.com"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert!(text(&made["display_information"]["name"]).len() <= 35);
        assert!(text(&made["display_information"]["description"]).len() <= 140);
        let long = text(&made["display_information"]["long_description"]).len();
        assert!((174..=4000).contains(&long), "{long}");
        let commands = made["features"]["slash_commands"].as_array().unwrap();
        assert!(commands.len() <= 50);
        for command in commands {
            let name = text(&command["command"]);
            assert!(name.starts_with('/') && name.len() <= 32 && name.to_lowercase() == name, "{name}");
            assert!(text(&command["description"]).len() <= 2000 && text(&command["usage_hint"]).len() <= 1000);
            assert_eq!(command["url"], "https://switchboard.example/webhooks/slack");
        }
        for shortcut in made["features"]["shortcuts"].as_array().unwrap() {
            assert!(text(&shortcut["name"]).len() <= 24 && text(&shortcut["description"]).len() <= 150);
        }
        let mut scopes: Vec<_> = SCOPES.iter().map(|(scope, _)| scope).collect();
        scopes.sort();
        scopes.dedup();
        assert_eq!(scopes.len(), SCOPES.len());
    }

    #[test]
    fn the_file_is_what_the_command_prints() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../slack/manifest.yaml");
        let made = yaml("https://switchboard.example", Some("acme.bitrix24.com"));
        if std::env::var("INSTA_UPDATE").is_ok_and(|wanted| wanted == "always") {
            std::fs::write(path, made).unwrap();
        } else {
            assert_eq!(std::fs::read_to_string(path).unwrap(), made, "INSTA_UPDATE=always writes it");
        }
    }
}
