//! What is read of a conversation against what is known of it: which messages are missing on the other side, which were
//! edited or deleted since they were copied. Pure.

use std::collections::BTreeSet;

use bitrix24::chat_page::ChatRow;
use jiff::Timestamp;
use slack::event::{File, MessageChange, MessageEdit, MessageEvent};
use slack::history::HistoryEntry;
use tenants::bridges::{ChatSide, MessageLink, RecentLink};

use crate::bot_answers::is_command;

/// Whose messages are carried from a chat.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChatWriters {
    /// Our own bot, whose are copies and answers.
    pub(super) bot: u64,
    /// Whether other bots' are carried.
    pub(super) are_bots_carried: bool,
}

impl ChatWriters {
    /// Whether a message is one that people would miss on the other side.
    pub(super) fn is_carried(self, row: &ChatRow) -> bool {
        let (message, author) = (&row.message, &row.author);
        let is_by_bot = author.id == self.bot || (author.is_bot && !self.are_bots_carried);
        let is_empty = message.text.trim().is_empty() && message.files.is_empty();
        !message.is_system && !row.is_deleted && !is_by_bot && !is_empty && !is_command(&message.text)
    }
}

/// Whose messages are carried from a channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelWriters<'a> {
    /// Our own app's bot.
    pub(super) bot: &'a str,
    /// The user that it is.
    pub(super) bot_user: &'a str,
    /// Whether other apps' are carried.
    pub(super) are_bots_carried: bool,
}

impl ChannelWriters<'_> {
    /// Whether a message is one that people would miss on the other side.
    pub(super) fn is_carried(self, message: &MessageEvent) -> bool {
        let (bot, user) = (message.bot_id.as_deref(), message.user.as_deref());
        let is_own = bot.is_some_and(|bot| bot == self.bot) || user.is_some_and(|user| user == self.bot_user);
        let is_other_bot = bot.is_some() && !self.are_bots_carried;
        let has_words = !message.text.is_empty() || !message.blocks.is_empty() || message.huddle.is_some();
        let is_empty = !has_words && message.files.is_empty() && message.attachments.is_empty();
        message.change == MessageChange::Posted && !is_own && !is_other_bot && !is_empty && message.left_out().is_none()
    }
}

/// The last message before which all have had time to arrive.
pub(super) fn settled_in_chat(rows: &[ChatRow], settled_until: Timestamp) -> Option<u64> {
    rows.iter().take_while(|row| row.written_at <= settled_until).last().map(|row| row.message.id)
}

/// The messages of a chat whose copies are known and that the chat no longer has. `seen_from` is the first message that
/// a look at the chat would show, and `is_newest` says whether it showed all that follow.
pub(super) fn deleted_in_chat(
    links: &[(String, RecentLink)],
    rows: &[ChatRow],
    seen_from: u64,
    is_newest: bool,
) -> Vec<u64> {
    let there: BTreeSet<u64> = rows.iter().filter(|row| !row.is_deleted).map(|row| row.message.id).collect();
    let last = if is_newest { u64::MAX } else { there.last().copied().unwrap_or_default() };
    let copied = links.iter().filter_map(|(_, link)| match link {
        RecentLink::CopyOf { message } => Some(*message),
        RecentLink::Written(_) => None,
    });
    let missing: BTreeSet<u64> =
        copied.filter(|message| (seen_from..=last).contains(message) && !there.contains(message)).collect();
    missing.into_iter().collect()
}

/// The messages of a channel, or of a thread of it, whose copies are known and that it no longer has, among those from
/// `from` to `until`.
pub(super) fn deleted_in_channel(
    links: &[(String, RecentLink)],
    entries: &[HistoryEntry],
    thread: Option<&str>,
    (from, until): (&str, &str),
) -> Vec<String> {
    let is_there =
        |ts: &str| entries.iter().any(|entry| entry.message.ts == ts && entry.message.change != MessageChange::Deleted);
    let is_gone = |(ts, link): &&(String, RecentLink)| {
        let RecentLink::Written(link) = link else { return false };
        let is_here = link.thread.as_deref() == thread && from <= ts.as_str() && ts.as_str() <= until;
        is_here && !link.deleted && !is_there(ts)
    };
    // They come newest first.
    links.iter().rev().filter(is_gone).map(|(ts, _)| ts.clone()).collect()
}

/// The edit of a message in Slack that its copy does not have yet.
pub(super) fn edit_in_channel(link: &MessageLink, entry: &HistoryEntry) -> Option<MessageEvent> {
    if link.deleted || link.written_in != ChatSide::Slack || entry.message.change != MessageChange::Posted {
        return None;
    }
    let had = &link.in_slack.files;
    let is_here = |id: &str| entry.message.files.iter().any(|file| file.id == id && !file.is_taken_back());
    let gone = had.keys().filter(|id| !is_here(id) && !link.in_slack.taken.contains(*id));
    let taken: Vec<File> = gone.map(|id| File { id: id.clone(), name: "file".into(), ..File::default() }).collect();
    let words = !entry.edited_at.is_empty() && entry.edited_at > link.in_slack.edited;
    if !words && taken.is_empty() {
        return None;
    }
    let at = if words { entry.edited_at.clone() } else { String::new() };
    let edit = MessageEdit { at, words, taken, had: had.keys().cloned().collect() };
    Some(MessageEvent { change: MessageChange::Edited, edit: Some(edit), ..entry.message.clone() })
}

/// The moment of the newest message in Slack of which there is a copy, as Slack writes it.
pub(super) fn newest_written(links: &[(String, RecentLink)]) -> Option<&str> {
    links.iter().find(|(_, link)| matches!(link, RecentLink::Written(_))).map(|(ts, _)| ts.as_str())
}

#[cfg(test)]
mod tests {
    use bitrix24::chat_page::ChatPage;
    use serde_json::{Value, json};

    use super::*;

    fn rows(ids: &[u64]) -> Vec<ChatRow> {
        let message =
            |id: &u64| json!({"id": id, "author_id": 1, "date": format!("2026-11-28T12:00:{id:02}Z"), "text": "x"});
        ChatPage::read(&json!({"messages": ids.iter().map(message).collect::<Vec<_>>()})).rows
    }

    fn row(more: &Value) -> ChatRow {
        let mut message = json!({"id": 1, "author_id": 1, "date": "2026-11-28T12:00:00Z", "text": "x"});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let users = json!([{"id": 7, "bot": true}, {"id": 8, "bot": true}]);
        ChatPage::read(&json!({"messages": [message], "users": users})).rows.remove(0)
    }

    fn entry(more: &Value) -> HistoryEntry {
        let mut shown = json!({"ts": "100.000000", "user": "U1", "text": "x"});
        shown.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        HistoryEntry::read("C1", &shown).unwrap()
    }

    fn written(ts: &str, more: &Value) -> (String, RecentLink) {
        let mut link =
            json!({"written_in": "slack", "channel": "C1", "slack": [ts], "dialog": "chat1", "bitrix24": [5]});
        link.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (ts.to_owned(), RecentLink::Written(Box::new(serde_json::from_value(link).unwrap())))
    }

    fn copy(ts: &str, message: u64) -> (String, RecentLink) {
        (ts.to_owned(), RecentLink::CopyOf { message })
    }

    #[test]
    fn what_people_wrote_is_carried_and_nothing_else() {
        let carried = |more: &Value, are_bots_carried| ChatWriters { bot: 7, are_bots_carried }.is_carried(&row(more));
        assert!(carried(&json!({}), false));
        assert!(carried(&json!({"text": "", "params": {"FILE_ID": [5]}}), false));
        for left in [
            json!({"author_id": 7}),
            json!({"author_id": 0}),
            json!({"text": " "}),
            json!({"text": "/status"}),
            json!({"params": {"IS_DELETED": "Y"}}),
        ] {
            assert!(!carried(&left, true), "{left}");
        }
        assert!(carried(&json!({"author_id": 8}), true) && !carried(&json!({"author_id": 8}), false));

        let said = |more: &Value, are_bots_carried| {
            ChannelWriters { bot: "B1", bot_user: "U9", are_bots_carried }.is_carried(&entry(more).message)
        };
        assert!(said(&json!({}), false));
        assert!(said(&json!({"text": "", "files": [{"id": "F1"}], "subtype": "file_share"}), false));
        for left in [
            json!({"bot_id": "B1"}),
            json!({"user": "U9"}),
            json!({"subtype": "channel_join"}),
            json!({"subtype": "tombstone"}),
            json!({"text": ""}),
        ] {
            assert!(!said(&left, true), "{left}");
        }
        assert!(said(&json!({"bot_id": "B2"}), true) && !said(&json!({"bot_id": "B2"}), false));
    }

    #[test]
    fn what_may_still_arrive_and_all_behind_it_is_left_for_the_next_run() {
        let until = "2026-11-28T12:00:03Z".parse().unwrap();
        assert_eq!(settled_in_chat(&rows(&[1, 2, 3, 4]), until), Some(3));
        assert_eq!(settled_in_chat(&rows(&[4, 5]), until), None);
    }

    #[test]
    fn a_copy_whose_message_is_gone_from_what_was_read_was_deleted() {
        let links = [copy("9.0", 9), written("8.0", &json!({})), copy("7.1", 6), copy("7.0", 6), copy("1.0", 1)];
        assert_eq!(deleted_in_chat(&links, &rows(&[3, 5, 8]), 3, true), [6, 9]);
        assert_eq!(deleted_in_chat(&links, &rows(&[3, 5, 8]), 3, false), [6], "what follows was not read");
        assert_eq!(deleted_in_chat(&links, &rows(&[3, 5, 8]), 1, true), [1, 6, 9], "it was seen there before");
        assert!(deleted_in_chat(&links, &rows(&[1, 6, 9]), 1, true).is_empty());

        let links = [
            written("105.0", &json!({})),
            written("104.0", &json!({"thread": "101.0"})),
            written("103.0", &json!({"deleted": true})),
            written("101.0", &json!({})),
            written("99.0", &json!({})),
        ];
        let entries = [entry(&json!({"ts": "101.0", "subtype": "tombstone"})), entry(&json!({"ts": "102.0"}))];
        assert_eq!(deleted_in_channel(&links, &entries, None, ("100.0", "110.0")), ["101.0", "105.0"]);
        assert_eq!(deleted_in_channel(&links, &[], Some("101.0"), ("100.0", "110.0")), ["104.0"]);
    }

    #[test]
    fn an_edit_is_one_that_the_copy_does_not_have() {
        let edited = |link: &Value, shown: &Value| {
            let (_, RecentLink::Written(link)) = written("100.000000", link) else { unreachable!() };
            edit_in_channel(&link, &entry(shown)).and_then(|event| event.edit)
        };
        let at = |at: &str| json!({"edited": {"ts": at}});
        assert_eq!(edited(&json!({}), &json!({})), None);
        assert!(edited(&json!({}), &at("101.000000")).is_some_and(|edit| edit.words && edit.at == "101.000000"));
        let known = json!({"in_slack": {"edited": "101.000000"}});
        assert_eq!(edited(&known, &at("101.000000")), None);
        assert!(edited(&known, &at("102.000000")).is_some());
        assert_eq!(edited(&json!({"deleted": true}), &at("101.000000")), None);
        let with_file = json!({"in_slack": {"files": {"F1": 6}}});
        let taken = edited(&with_file, &json!({"files": [{"id": "F1", "mode": "tombstone"}]})).unwrap();
        assert_eq!(
            (taken.words, taken.taken[0].id.as_str(), taken.had.as_slice()),
            (false, "F1", &["F1".to_owned()][..])
        );
        assert_eq!(edited(&with_file, &json!({"files": [{"id": "F1"}]})), None);
    }

    #[test]
    fn the_newest_message_that_is_on_both_sides_is_the_first_written_one() {
        assert_eq!(
            newest_written(&[copy("9.0", 9), written("8.0", &json!({})), written("7.0", &json!({}))]),
            Some("8.0")
        );
        assert_eq!(newest_written(&[copy("9.0", 9)]), None);
    }
}
