//! The workspace's people.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::api::{SlackRefusal, number, refusal, text};
use super::{BOT, BOT_USER, ENTERPRISE, TEAM, WorkspaceState};

/// A person's profile.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // as Slack has them
pub struct Profile {
    pub id: String,
    pub name: String,
    /// Their e-mail.
    pub email: String,
    /// Whether they administer the workspace.
    pub is_admin: bool,
    /// Whether they left.
    pub deleted: bool,
    /// Their language.
    pub locale: String,
    /// Their time zone; Berlin's, if none is named.
    #[serde(default)]
    pub tz: Option<String>,
    /// Their workspace.
    pub team: String,
    /// Whether they are a guest of several channels.
    #[serde(default)]
    pub is_restricted: bool,
    /// Whether they are a guest of one channel.
    #[serde(default)]
    pub is_ultra_restricted: bool,
    /// Whether they are of another organisation, and seen through a shared channel.
    #[serde(default)]
    pub is_stranger: bool,
    /// The organisation, and its workspaces that they belong to.
    #[serde(default)]
    pub organisation: Option<(String, Vec<String>)>,
    /// Whether they administer the Enterprise organisation, if they are in one.
    #[serde(default)]
    pub organisation_admin: Option<bool>,
}

impl Profile {
    pub(super) fn show(&self) -> Value {
        let mut shown = json!({
            "id": self.id, "team_id": self.team, "name": self.name.to_lowercase().replace(' ', "."), "deleted": self.deleted,
            "real_name": self.name, "tz": self.tz.as_deref().unwrap_or("Europe/Berlin"), "tz_offset": 3600, "locale": self.locale, "is_admin": self.is_admin,
            "is_owner": false, "is_bot": false, "is_restricted": self.is_restricted || self.is_ultra_restricted,
            "is_ultra_restricted": self.is_ultra_restricted, "updated": 1_700_000_000,
            "profile": {
                "real_name": self.name, "display_name": self.name, "email": self.email, "team": self.team,
                "image_48": format!("https://avatars.example/{}_48.png", self.id),
                "image_72": format!("https://avatars.example/{}_72.png", self.id),
            },
        });
        if self.is_stranger {
            shown["is_stranger"] = true.into();
        }
        if let Some((organisation, teams)) = &self.organisation {
            shown["enterprise_user"] =
                json!({"id": format!("W{}", self.id), "enterprise_id": organisation, "teams": teams});
        }
        if let Some(is_admin) = self.organisation_admin {
            shown["enterprise_user"] = json!({
                "id": self.id, "enterprise_id": ENTERPRISE, "enterprise_name": "Sandbox Organisation", "is_admin": is_admin,
                "is_owner": false, "teams": [self.team],
            });
        }
        shown
    }
}

fn bot() -> Value {
    json!({
        "id": BOT_USER, "team_id": TEAM, "name": "switchboard", "deleted": false, "real_name": "Switchboard", "is_bot": true,
        "profile": {"real_name": "Switchboard", "display_name": "", "bot_id": BOT, "image_72": "https://avatars.example/bot.png"},
    })
}

impl WorkspaceState {
    pub(super) fn user_info(&self, params: &Map<String, Value>) -> Result<Value, SlackRefusal> {
        let id = text(params, "user");
        if id == BOT_USER {
            return Ok(json!({"user": bot()}));
        }
        let profile = self.profiles.get(id).ok_or_else(|| refusal("user_not_found"))?;
        Ok(json!({"user": self.shown_to_app(profile)}))
    }

    /// An e-mail is shown only to who may see it.
    fn shown_to_app(&self, profile: &Profile) -> Value {
        let mut shown = profile.show();
        if !self.scopes.contains("users:read.email") {
            shown["profile"].as_object_mut().map(|profile| profile.remove("email"));
        }
        shown
    }

    pub(super) fn group_list(&self, params: &Map<String, Value>) -> Value {
        let group = |(id, (handle, name)): (&String, &(String, String))| {
            let mut group = json!({
                "id": id, "team_id": TEAM, "is_usergroup": true, "is_subteam": true, "name": name, "handle": handle,
                "description": "", "is_external": false, "date_create": 1_700_000_000, "date_update": 1_700_000_000,
                "date_delete": 0, "auto_type": null, "created_by": BOT_USER, "prefs": {"channels": [], "groups": []},
            });
            if super::api::is_set(params, "include_users") {
                group["users"] = json!([]);
            }
            group
        };
        json!({"usergroups": self.groups.iter().map(group).collect::<Vec<_>>()})
    }

    pub(super) fn user_list(&self, params: &Map<String, Value>) -> Value {
        let start = text(params, "cursor").parse::<usize>().unwrap_or_default();
        let limit = number(params, "limit").unwrap_or(100).clamp(1, 1000);
        let all: Vec<Value> =
            std::iter::once(bot()).chain(self.profiles.values().map(|profile| self.shown_to_app(profile))).collect();
        let page: Vec<_> = all.iter().skip(start).take(limit).cloned().collect();
        let next = start + page.len();
        let cursor = if next < all.len() { next.to_string() } else { String::new() };
        json!({"members": page, "response_metadata": {"next_cursor": cursor}})
    }
}
