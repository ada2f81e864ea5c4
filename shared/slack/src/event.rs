//! The Events API: Slack's events, read tolerantly and reduced to the fields that are used.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attached::{self, Attachment, AttachmentKind, Huddle, MAX_PARTS, filled, text};
use crate::carries;
use crate::text::{MAX_MESSAGE, received};

pub use crate::attached::{File, FileKind};

/// An event with its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCallback {
    /// The workspace that the app is installed in, or the organisation for an install of a whole one.
    pub team_id: String,
    /// The organisation, in Enterprise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enterprise_id: Option<String>,
    /// The app that it is sent to.
    pub api_app_id: String,
    /// The event's identity; retries carry the same.
    pub event_id: String,
    /// Whether its channel is shared with another organisation.
    #[serde(default)]
    pub is_shared_channel: bool,
    /// Slack's name of it: `message`, `reaction_added`.
    pub kind: String,
    /// What happened.
    pub event: WorkspaceEvent,
    /// Set if Slack did not send it: it was found in the channel's history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<FoundInHistory>,
}

/// How something was found of which no event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundInHistory {
    /// Whether something newer of the conversation was copied before it: then its copy says when it was written.
    #[serde(default)]
    pub is_overtaken: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WorkspaceEvent {
    /// Something about a message.
    Message(Box<MessageEvent>),
    /// A reaction was added or taken away.
    Reaction {
        /// Whether it was added.
        added: bool,
        /// Who reacted.
        user: String,
        /// The emoji's name, without colons.
        name: String,
        /// The channel of the message.
        channel: String,
        /// The message.
        ts: String,
    },
    /// Links to domains that the app unfurls were posted.
    LinkShared {
        channel: String,
        /// In which message.
        ts: String,
        /// By whom.
        user: String,
        links: Vec<String>,
    },
    /// Somebody opened the app's home.
    HomeOpened {
        user: String,
        /// Which tab: `home` or `messages`.
        tab: String,
    },
    /// A person's profile changed, or they joined.
    UserChanged(SlackUser),
    /// A channel was archived, deleted or left by the bot.
    ChannelGone { channel: String },
    /// A channel has another name.
    ChannelRenamed {
        channel: String,
        /// Its name now.
        name: String,
    },
    /// The app was removed, or its bot's tokens were revoked.
    AppRemoved,
    /// People took back the permission that they had given the app; the app itself stays.
    PeopleRevoked { users: Vec<String> },
    /// Anything else.
    Other,
}

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageChange {
    Posted,
    /// Its text or files changed.
    Edited,
    /// It is gone.
    Deleted,
}

/// A message, as an event carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEvent {
    /// What happened to it.
    pub change: MessageChange,
    pub channel: String,
    /// `channel`, `group`, `im`, `mpim`.
    #[serde(default)]
    pub channel_type: String,
    /// The message.
    pub ts: String,
    /// The first message of its thread, if it is a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The app's bot that posted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_id: Option<String>,
    /// The app that posted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The name a bot posted under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Slack's subtype: `file_share`, `channel_join`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtype: Option<String>,
    /// Its text, with markup.
    #[serde(default)]
    pub text: String,
    /// Whether not all of it is here: its text was longer than [`crate::text::MAX_MESSAGE`], or it was too large to be queued.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
    /// Its blocks: what people see in place of the text, and exacter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<Value>,
    /// What hangs on it: forwards, cards, previews of links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// The huddle that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huddle: Option<Huddle>,
    /// What an edit changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<MessageEdit>,
}

/// What an edit of a message changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEdit {
    /// When: a moment of Slack's, by which edits that arrive in the wrong order are known.
    #[serde(default)]
    pub at: String,
    /// Whether anything but its files changed: words, looks, the target of a link, what hangs on it.
    #[serde(default)]
    pub words: bool,
    /// The files that it had and has no more, as it had them.
    #[serde(default)]
    pub taken: Vec<File>,
    /// The ids of all files that it had, in their order.
    #[serde(default)]
    pub had: Vec<String>,
}

/// A person, or a bot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // as Slack has them
pub struct SlackUser {
    pub id: String,
    /// The name that people see.
    pub name: String,
    /// Their e-mail, where the app may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Their language: `en-US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Their time zone: `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whether they left.
    #[serde(default)]
    pub deleted: bool,
    /// Whether it is a bot.
    #[serde(default)]
    pub is_bot: bool,
    /// Whether they administer the workspace.
    #[serde(default)]
    pub is_admin: bool,
    /// Whether they are a guest: of some channels, or of one.
    #[serde(default)]
    pub is_guest: bool,
    /// Whether they belong to another organisation, and are seen through a shared channel.
    #[serde(default)]
    pub is_stranger: bool,
    /// The workspaces and the organisation that they belong to; empty where Slack did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
    /// The Enterprise organisation that they own or administer as a whole, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub administers_organisation: Option<String>,
}

impl EventCallback {
    /// Reads the outer object of an `event_callback`; says what is missing.
    pub fn read(outer: &Value) -> Result<Self, &'static str> {
        let installed = &outer["authorizations"][0];
        let whole_organisation = installed["is_enterprise_install"] == true;
        let enterprise_id = filled(&installed["enterprise_id"]).or_else(|| filled(&outer["enterprise_id"]));
        let team = filled(&installed["team_id"]).or_else(|| filled(&outer["team_id"]));
        let team_id = if whole_organisation { enterprise_id.clone().or(team) } else { team }.ok_or("team_id")?;
        let kind = filled(&outer["event"]["type"]).ok_or("event.type")?;
        Ok(Self {
            team_id,
            enterprise_id,
            api_app_id: text(&outer["api_app_id"]),
            event_id: filled(&outer["event_id"]).ok_or("event_id")?,
            is_shared_channel: outer["is_ext_shared_channel"] == true,
            event: WorkspaceEvent::read(&kind, &outer["event"]),
            kind,
            found: None,
        })
    }
}

impl WorkspaceEvent {
    fn read(kind: &str, event: &Value) -> Self {
        let channel = || filled(&event["channel"]).or_else(|| filled(&event["channel"]["id"])).unwrap_or_default();
        match kind {
            "message" => MessageEvent::read(event).map_or(Self::Other, |message| Self::Message(Box::new(message))),
            "reaction_added" | "reaction_removed" if event["item"]["type"] == "message" => Self::Reaction {
                added: kind == "reaction_added",
                user: text(&event["user"]),
                name: text(&event["reaction"]),
                channel: text(&event["item"]["channel"]),
                ts: text(&event["item"]["ts"]),
            },
            "link_shared" => Self::LinkShared {
                channel: channel(),
                ts: text(&event["message_ts"]),
                user: text(&event["user"]),
                links: event["links"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .take(MAX_PARTS)
                    .map(|link| text(&link["url"]))
                    .collect(),
            },
            "app_home_opened" => Self::HomeOpened { user: text(&event["user"]), tab: text(&event["tab"]) },
            "user_change" | "team_join" => Self::UserChanged(SlackUser::read(&event["user"])),
            "channel_archive" | "channel_deleted" | "channel_left" | "group_archive" | "group_left"
            | "group_deleted" => Self::ChannelGone { channel: channel() },
            "channel_rename" | "group_rename" => {
                Self::ChannelRenamed { channel: channel(), name: text(&event["channel"]["name"]) }
            }
            "tokens_revoked" => revoked(&event["tokens"]),
            "app_uninstalled" => Self::AppRemoved,
            _ => Self::Other,
        }
    }

    /// What keeps its order with others: a channel, a person.
    pub fn group(&self) -> String {
        match self {
            Self::Message(message) => message.channel.clone(),
            Self::Reaction { channel, .. }
            | Self::LinkShared { channel, .. }
            | Self::ChannelGone { channel }
            | Self::ChannelRenamed { channel, .. } => channel.clone(),
            Self::HomeOpened { user, .. } => user.clone(),
            Self::UserChanged(user) => user.id.clone(),
            Self::AppRemoved | Self::PeopleRevoked { .. } | Self::Other => "other".into(),
        }
    }
}

/// Whose tokens are gone: people's alone, or the bot's.
fn revoked(tokens: &Value) -> WorkspaceEvent {
    let of = |kind: &str| tokens[kind].as_array().into_iter().flatten().take(MAX_PARTS).filter_map(filled).collect();
    let (users, bots): (Vec<String>, Vec<String>) = (of("oauth"), of("bot"));
    if bots.is_empty() && !users.is_empty() {
        WorkspaceEvent::PeopleRevoked { users }
    } else {
        WorkspaceEvent::AppRemoved
    }
}

impl MessageEvent {
    /// `None` for what has no channel or no time.
    pub(crate) fn read(event: &Value) -> Option<Self> {
        let subtype = filled(&event["subtype"]);
        let (change, message) = match subtype.as_deref() {
            Some("message_changed") => {
                // A parent that was deleted with replies below it stays as a tombstone.
                let gone = event["message"]["subtype"] == "tombstone";
                (if gone { MessageChange::Deleted } else { MessageChange::Edited }, &event["message"])
            }
            Some("message_deleted") => (MessageChange::Deleted, &event["previous_message"]),
            _ => (MessageChange::Posted, event),
        };
        let ts = filled(&event["deleted_ts"]).or_else(|| filled(&message["ts"]))?;
        let author = if message["user"].is_string() { message } else { &event["previous_message"] };
        let Content { text: said, is_cut, blocks, attachments, files, huddle } = Content::read(message);
        let mut read = Self {
            change,
            channel: filled(&event["channel"])?,
            channel_type: text(&event["channel_type"]),
            thread: filled(&message["thread_ts"]).filter(|thread| *thread != ts),
            ts,
            user: filled(&author["user"]),
            bot_id: filled(&message["bot_id"]),
            app_id: filled(&message["app_id"]).or_else(|| filled(&message["bot_profile"]["app_id"])),
            username: filled(&message["username"]).or_else(|| filled(&message["bot_profile"]["name"])),
            subtype: if change == MessageChange::Posted { subtype } else { filled(&message["subtype"]) },
            text: said,
            shortened: is_cut,
            blocks,
            attachments,
            files,
            huddle,
            edit: None,
        };
        if change == MessageChange::Edited {
            read.edit = Some(read.edit_since(&event["previous_message"], event));
        }
        Some(read)
    }

    /// What changed since the message was as `before`.
    fn edit_since(&self, before: &Value, event: &Value) -> MessageEdit {
        let was = Content::read(before);
        let has = |id: &str| self.files.iter().any(|file| file.id == id && !file.is_taken_back());
        let is_gone = |file: &&File| !file.is_taken_back() && !has(&file.id);
        let mut taken: Vec<File> = was.files.iter().filter(is_gone).cloned().collect();
        if before.is_null() {
            taken.extend(self.files.iter().filter(|file| file.is_taken_back()).cloned());
        }
        let moment = [&Self::edited_at(event), &event["event_ts"], &event["ts"]].into_iter().find_map(filled);
        MessageEdit {
            at: moment.unwrap_or_default(),
            words: before.is_null() || !self.says_the_same(&was),
            taken,
            had: was.files.into_iter().map(|file| file.id).collect(),
        }
    }

    /// When its author edited it; an event of a preview carries the time of an earlier edit, so the event's own counts there.
    fn edited_at(event: &Value) -> Value {
        let (now, before) = (&event["message"]["edited"]["ts"], &event["previous_message"]["edited"]["ts"]);
        if now == before { Value::Null } else { now.clone() }
    }

    fn says_the_same(&self, was: &Content) -> bool {
        let shown = |list: &[Attachment]| -> Vec<Attachment> {
            list.iter().filter(|one| one.kind != AttachmentKind::Unfurl).cloned().collect()
        };
        // Where one of both has no blocks and the other one only the text as blocks, the texts are compared.
        let are_text = |list: &[Value]| list.iter().all(|block| block["type"] == "rich_text");
        let only_text =
            (self.blocks.is_empty() || was.blocks.is_empty()) && are_text(&self.blocks) && are_text(&was.blocks);
        let same_blocks = self.blocks == was.blocks || only_text;
        self.text == was.text
            && same_blocks
            && self.huddle == was.huddle
            && shown(&self.attachments) == shown(&was.attachments)
    }

    /// Whether an edit changed nothing that is carried: the preview of a link also comes as a change.
    pub fn is_the_same(&self) -> bool {
        let is_new = |edit: &MessageEdit| self.files.iter().any(|file| !edit.had.contains(&file.id));
        self.edit.as_ref().is_some_and(|edit| !edit.words && edit.taken.is_empty() && !is_new(edit))
    }

    /// Drops what says the same in fewer ways, then what says the least, until `fits`; whatever is lost is said.
    pub fn lighten(&mut self, fits: impl Fn(&Self) -> bool) {
        let steps: [fn(&mut Self); 4] = [
            // The same words are in its text, if it is what people write.
            |message| {
                let only_text = message.blocks.iter().all(|block| block["type"] == "rich_text");
                if !message.text.is_empty() {
                    message.shortened |= !only_text;
                    message.blocks.clear();
                }
            },
            |message| {
                for attachment in message.attachments.iter_mut().filter(|one| !one.text.is_empty()) {
                    attachment.blocks.clear();
                    attachment.attachments.clear();
                }
                message.shortened = true;
            },
            |message| message.attachments.clear(),
            |message| {
                message.blocks.clear();
                message.text = message.text.chars().take(MAX_MESSAGE / 2).collect();
                message.files.iter_mut().for_each(|file| file.content.clear());
                message.files.truncate(MAX_PARTS / 4);
            },
        ];
        for step in steps {
            if fits(self) {
                return;
            }
            step(self);
        }
    }

    /// The reason for which it is left out by its subtype, if it is.
    pub fn left_out(&self) -> Option<&'static carries::CarriedRow> {
        carries::left_out(self.subtype.as_deref().unwrap_or_default()).filter(|_| self.change != MessageChange::Deleted)
    }
}

/// What a message carries.
struct Content {
    text: String,
    is_cut: bool,
    blocks: Vec<Value>,
    attachments: Vec<Attachment>,
    files: Vec<File>,
    huddle: Option<Huddle>,
}

impl Content {
    fn read(message: &Value) -> Self {
        let (text, is_cut) = received(message["text"].as_str().unwrap_or_default());
        let blocks = attached::blocks(&message["blocks"]);
        let shown = attached::shown_by(&text, &blocks);
        let mut files = attached::files(&message["files"]);
        // Older messages have just one.
        if files.is_empty() && message["file"].is_object() {
            files.push(File::read(&message["file"]));
        }
        Self {
            attachments: attached::attachments(&message["attachments"], &shown),
            huddle: Huddle::read(&message["room"]),
            text,
            is_cut,
            blocks,
            files,
        }
    }
}

impl SlackUser {
    /// Reads a user object.
    pub fn read(user: &Value) -> Self {
        let profile = &user["profile"];
        let names = [&profile["display_name"], &profile["real_name"], &user["real_name"], &user["name"]];
        Self {
            id: text(&user["id"]),
            name: names.into_iter().find_map(filled).unwrap_or_else(|| text(&user["id"])),
            email: filled(&profile["email"]),
            picture: filled(&profile["image_72"]).or_else(|| filled(&profile["image_48"])),
            locale: filled(&user["locale"]),
            time_zone: filled(&user["tz"]),
            deleted: user["deleted"] == true,
            is_bot: user["is_bot"] == true,
            is_admin: user["is_admin"] == true || user["is_owner"] == true,
            is_guest: user["is_restricted"] == true || user["is_ultra_restricted"] == true,
            is_stranger: user["is_stranger"] == true,
            teams: teams(user),
            administers_organisation: administered(&user["enterprise_user"]),
        }
    }

    /// Whether they are a full member of the workspace or organisation `home`: no bot, no guest, nobody of another
    /// organisation, and not deactivated. Only of them does an e-mail say who they are.
    pub fn is_member_of(&self, home: &str) -> bool {
        let is_other = self.deleted || self.is_bot || self.is_guest || self.is_stranger;
        !is_other && (self.teams.is_empty() || self.teams.iter().any(|team| team == home))
    }
}

/// The workspace of a user object, and on Enterprise Grid all workspaces and the organisation.
fn teams(user: &Value) -> Vec<String> {
    let grid = &user["enterprise_user"];
    let listed = grid["teams"].as_array().into_iter().flatten();
    let all = listed.chain([&user["team_id"], &grid["enterprise_id"]]).filter_map(filled);
    let mut all: Vec<String> = all.collect();
    all.sort();
    all.dedup();
    all
}

fn administered(enterprise: &Value) -> Option<String> {
    let administers = enterprise["is_admin"] == true || enterprise["is_owner"] == true;
    filled(&enterprise["enterprise_id"]).filter(|_| administers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[allow(clippy::needless_pass_by_value)] // written where it is read
    fn read(event: Value) -> WorkspaceEvent {
        let outer = json!({"team_id": "T1", "api_app_id": "A1", "event_id": "Ev1", "event": event});
        EventCallback::read(&outer).unwrap().event
    }

    fn message(event: Value) -> MessageEvent {
        match read(event) {
            WorkspaceEvent::Message(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_full_members_are_members() {
        let member = |more: Value| {
            let mut user = json!({"id": "U1", "team_id": "T1", "name": "ann"});
            user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            SlackUser::read(&user).is_member_of("T1")
        };
        assert!(member(json!({})));
        for flag in ["deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger"] {
            assert!(!member(json!({ flag: true })), "{flag}");
        }
        assert!(!member(json!({"team_id": "T2"})));
        // Another workspace of the organisation is the home of a member of this one.
        let grid = json!({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1", "teams": ["T1", "T2"]}});
        assert!(member(grid.clone()));
        assert!(SlackUser::read(&grid).is_member_of("E1") && !SlackUser::read(&grid).is_member_of("E2"));
    }

    #[test]
    fn a_deleted_parent_with_replies_is_deleted() {
        let gone = message(json!({
            "type": "message", "subtype": "message_changed", "channel": "C1",
            "message": {"subtype": "tombstone", "ts": "1.1", "thread_ts": "1.1", "text": "This message was deleted."},
            "previous_message": {"ts": "1.1", "user": "U1", "text": "hello"},
        }));
        assert_eq!((gone.change, gone.ts.as_str(), gone.user.as_deref()), (MessageChange::Deleted, "1.1", Some("U1")));
    }

    #[allow(clippy::needless_pass_by_value)] // reads better
    fn edited(before: Value, after: Value) -> MessageEvent {
        message(json!({
            "type": "message", "subtype": "message_changed", "channel": "C1", "event_ts": "9.9",
            "message": after, "previous_message": before,
        }))
    }

    #[test]
    fn a_preview_is_no_edit() {
        let plain = json!({"ts": "1.1", "user": "U1", "text": "see https://a.example"});
        for preview in [
            json!({"title": "A", "from_url": "https://a.example"}),
            json!({"title": "A", "from_url": "https://www.a.example/home", "original_url": "https://a.example"}),
            json!({"is_app_unfurl": true, "app_unfurl_url": "https://a.example/"}),
        ] {
            let mut with = plain.clone();
            with["attachments"] = json!([preview]);
            assert!(edited(plain.clone(), with.clone()).is_the_same(), "{preview}");
            // It is taken away again.
            assert!(edited(with, plain.clone()).is_the_same(), "{preview}");
        }
        assert!(!edited(plain.clone(), json!({"ts": "1.1", "user": "U1", "text": "see https://b"})).is_the_same());
        // Blocks have ids that change by themselves.
        let typed = |id: &str| json!({"ts": "1.1", "text": "a", "blocks": [{"type": "rich_text", "block_id": id, "elements": []}]});
        assert!(edited(typed("a"), typed("b")).is_the_same());
    }

    #[test]
    fn all_that_is_carried_is_compared() {
        let base = json!({
            "ts": "1.1", "user": "U1", "text": "look", "files": [{"id": "F1", "name": "a.pdf"}],
            "blocks": [{"type": "rich_text", "elements": [{"type": "link", "url": "https://a.example", "text": "look"}]}],
            "attachments": [{"is_share": true, "text": "old"}], "room": {"has_ended": false},
        });
        for (name, value) in [
            ("text", json!("look!")),
            (
                "blocks",
                json!([{"type": "rich_text", "elements": [{"type": "link", "url": "https://b.example", "text": "look"}]}]),
            ),
            ("attachments", json!([{"is_share": true, "text": "new"}])),
            ("attachments", json!([])),
            ("room", json!({"has_ended": true})),
        ] {
            let mut after = base.clone();
            after[name] = value;
            let edit = edited(base.clone(), after).edit.unwrap();
            assert!(edit.words && edit.taken.is_empty() && edit.at == "9.9", "{name}");
        }
        for files in [json!([]), json!([{"id": "F1", "mode": "tombstone"}]), json!([{"id": "F2"}])] {
            let mut after = base.clone();
            after["files"] = files;
            let changed = edited(base.clone(), after);
            let edit = changed.edit.clone().unwrap();
            assert_eq!((edit.words, edit.taken[0].name.as_str()), (false, "a.pdf"));
            assert!(!changed.is_the_same());
        }
        let mut more = base.clone();
        more["files"] = json!([{"id": "F1"}, {"id": "F2"}]);
        let added = edited(base.clone(), more);
        assert!(!added.is_the_same() && added.edit.unwrap().had == ["F1"]);
        assert!(edited(base.clone(), base).is_the_same());
    }

    #[test]
    fn notices_say_why_they_are_left_out_and_others_are_read() {
        let notice = |subtype: &str| {
            message(
                json!({"type": "message", "subtype": subtype, "channel": "C1", "ts": "1.1", "text": "x", "user": "U1"}),
            )
        };
        assert!(notice("channel_join").left_out().is_some());
        for subtype in ["channel_topic", "pinned_item", "something_new", "me_message"] {
            assert_eq!(notice(subtype).left_out(), None, "{subtype}");
        }
    }

    #[test]
    fn a_persons_token_is_not_the_apps() {
        let revoked = |tokens: Value| read(json!({"type": "tokens_revoked", "tokens": tokens}));
        let people = WorkspaceEvent::PeopleRevoked { users: vec!["U1".into()] };
        assert_eq!(revoked(json!({"oauth": ["U1"], "bot": []})), people);
        assert_eq!(revoked(json!({"oauth": ["U1"]})), people);
        for all in
            [json!({"oauth": [], "bot": ["U9"]}), json!({"oauth": ["U1"], "bot": ["U9"]}), json!({}), Value::Null]
        {
            assert_eq!(revoked(all), WorkspaceEvent::AppRemoved);
        }
    }

    #[test]
    fn a_message_too_large_for_a_queue_keeps_its_words_and_says_what_it_lost() {
        let cell = json!({"type": "raw_text", "text": "x".repeat(1_000)});
        let mut large = message(json!({
            "type": "message", "channel": "C1", "ts": "1.1", "user": "U1", "text": "y".repeat(1_000),
            "blocks": [{"type": "table", "rows": vec![vec![cell]; 300]}],
            "attachments": [{"is_share": true, "text": "z".repeat(1_000)}],
        }));
        let fits = |message: &MessageEvent| serde_json::to_string(message).unwrap().len() < 100_000;
        large.lighten(fits);
        assert!(fits(&large) && large.shortened && large.text.len() == 1_000 && large.attachments.len() == 1);
    }

    #[test]
    fn an_organisations_install_is_known_by_the_organisation() {
        let outer = json!({
            "team_id": "T1", "enterprise_id": "E1", "event_id": "Ev1", "event": {"type": "app_uninstalled"},
            "authorizations": [{"enterprise_id": "E1", "team_id": null, "is_enterprise_install": true}],
        });
        assert_eq!(EventCallback::read(&outer).unwrap().team_id, "E1");
    }

    #[test]
    fn every_documented_event_is_read_without_a_fall() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        let mut read = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|kind| kind != "json") {
                continue;
            }
            let mut outer: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            // The skeletons have every text empty; an identity is what every real one has.
            outer["team_id"] = "T1".into();
            outer["event_id"] = "Ev1".into();
            if outer["event"].is_object() {
                EventCallback::read(&outer).unwrap_or_else(|missing| panic!("{}: {missing}", path.display()));
                read += 1;
            }
        }
        assert!(read > 15, "{read}");
    }
}
