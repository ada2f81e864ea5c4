//! How far the two sides of a bridge have been checked.

use std::collections::BTreeMap;
use std::time::Duration;

use bitrix24::chat_page::ChatRow;
use crm::sweeps::Sweeps;
use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::earlier;
use runtime::store::{StoreError, Version};
use serde::{Deserialize, Serialize};
use tenants::bridges::Bridge;

use super::{FIRST_LOOK, slack_moment};

/// Nothing older is carried: what was copied that long ago may no longer be known as copied (claims last 14 days).
const MAX_LATE: Duration = Duration::from_secs(13 * 24 * 60 * 60);
/// How many messages are remembered whose edits or deletions have been handed on.
const MAX_HANDED_ON: usize = 200;
/// What is handed on of a message that was deleted.
pub(super) const DELETED: &str = "deleted";

/// What was handed on of messages: the digest of their text, or [`DELETED`].
pub(super) type HandedOn = BTreeMap<u64, String>;

/// How many of the last messages of a chat are remembered, for the bot to read around.
const MAX_ANCHORS: usize = 5;

/// How far a bridge has been checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct BridgeProgress {
    /// The bridge that it is about: another one of the same chat begins again.
    channel_id: String,
    made_at: Option<Timestamp>,
    /// Nothing that was written before this is carried.
    pub(super) since: Timestamp,
    pub(super) chat: ChatProgress,
    pub(super) channel: ChannelProgress,
}

/// How far a chat has been checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ChatProgress {
    /// The last message up to which all have been checked.
    pub(super) upto: Option<u64>,
    /// The last messages that were read: around one of them the bot reads the next.
    pub(super) anchors: Vec<u64>,
    /// Whether the bot reads it, for the connection's user may not.
    pub(super) is_read_by_bot: bool,
    /// The first message that was seen when the whole chat was.
    pub(super) first: Option<u64>,
    /// The edits and deletions that were handed on and that their copies do not show yet: Slack may refuse them, and once
    /// is enough.
    #[serde(skip_serializing_if = "HandedOn::is_empty")]
    handed_on: HandedOn,
    /// Why it could not be read.
    pub(super) refused: Option<String>,
}

/// How far a channel has been checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ChannelProgress {
    /// The last message up to which all have been checked.
    pub(super) upto: String,
    /// While it is caught up with in several runs: the pages that were read and not yet worked, newest first.
    pub(super) pages: Vec<PageMark>,
    /// How many of them earlier runs read.
    #[serde(skip)]
    before: usize,
    /// The cursor of the page below them.
    pub(super) below: Option<String>,
    /// While it is caught up with: the first message that was not worked yet.
    pub(super) next: String,
    /// How far each thread has been checked, of those whose first message is among the newest.
    pub(super) threads: BTreeMap<String, String>,
    pub(super) checked_at: Option<Timestamp>,
    /// When it was last tried, in vain or not.
    pub(super) tried_at: Option<Timestamp>,
    /// Why it could not be read.
    pub(super) refused: Option<String>,
}

/// A page of a channel's history that waits for those below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageMark {
    /// The cursor by which it is read; none for the newest.
    pub(super) cursor: Option<String>,
    /// Its first message.
    pub(super) first: String,
}

impl ChatProgress {
    /// Notes what was read, for the next run.
    pub(super) fn note_read(&mut self, rows: &[ChatRow], is_whole: bool) {
        let ids = || rows.iter().map(|row| row.message.id);
        // Around one that is not checked yet, what is before it might not be read.
        self.anchors.extend(ids().filter(|id| self.upto.is_none_or(|upto| *id <= upto)));
        self.anchors.sort_unstable();
        self.anchors.dedup();
        self.anchors.drain(..self.anchors.len().saturating_sub(MAX_ANCHORS));
        self.first = if is_whole { ids().next() } else { None };
    }

    /// Whether this edit, or the deletion, of a message has been handed on.
    pub(super) fn was_handed_on(&self, message: u64, what: &str) -> bool {
        self.handed_on.get(&message).is_some_and(|known| known == what)
    }

    /// Notes what is handed on of the messages that were read; of others it remains as it was.
    pub(super) fn note_handed_on(&mut self, rows: &[ChatRow], handed_on: HandedOn) {
        for row in rows {
            self.handed_on.remove(&row.message.id);
        }
        self.handed_on.extend(handed_on);
        while self.handed_on.len() > MAX_HANDED_ON {
            self.handed_on.pop_first();
        }
    }
}

impl ChannelProgress {
    /// Begins a run.
    pub(super) fn begin_run(&mut self) {
        self.before = self.pages.len();
    }

    /// Whether a page that begins with `first` leaves out nothing that was not checked.
    pub(super) fn reaches(&self, first: &str) -> bool {
        first <= self.upto.as_str() || (!self.next.is_empty() && first <= self.next.as_str())
    }

    /// All that this run read has been worked, up to `last`: the page above it is next.
    pub(super) fn worked(&mut self, last: Option<String>) {
        if let Some(last) = last {
            self.upto = last.max(std::mem::take(&mut self.upto));
        }
        self.pages.truncate(self.before);
        match self.pages.pop() {
            Some(page) => (self.below, self.next) = (page.cursor, page.first),
            None => (self.below, self.next) = (None, String::new()),
        }
        self.before = self.pages.len();
    }

    /// Forgets the pages that wait: they are read again.
    pub(super) fn start_over(&mut self) {
        self.pages.clear();
        (self.below, self.before) = (None, 0);
    }
}

/// What the last sweep of a bridge could read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeState {
    /// Why the chat could not be read: messages missed there are not found.
    pub chat_refused: Option<String>,
    /// Why the channel could not be read.
    pub channel_refused: Option<String>,
    /// When the channel was last read.
    pub channel_checked_at: Option<Timestamp>,
}

impl BridgeProgress {
    /// The progress of a bridge that no sweep has seen. One of the settings does not say when it was made.
    fn beginning(bridge: &Bridge, now: Timestamp) -> Self {
        let made_at = made_at(bridge);
        let since = made_at.map_or(now, |made_at| made_at.max(earlier(now, FIRST_LOOK)));
        let upto = slack_moment(since);
        let channel = ChannelProgress { upto, ..ChannelProgress::default() };
        Self { channel_id: bridge.channel.clone(), made_at, since, chat: ChatProgress::default(), channel }
    }

    /// Nothing that was written before this is carried now.
    pub(super) fn carried_since(&self, now: Timestamp) -> Timestamp {
        self.since.max(earlier(now, MAX_LATE))
    }

    fn is_of(&self, bridge: &Bridge) -> bool {
        self.channel_id == bridge.channel && self.made_at == made_at(bridge)
    }

    pub(super) fn state(&self) -> BridgeState {
        BridgeState {
            chat_refused: self.chat.refused.clone(),
            channel_refused: self.channel.refused.clone(),
            channel_checked_at: self.channel.checked_at,
        }
    }
}

fn made_at(bridge: &Bridge) -> Option<Timestamp> {
    (!crate::bridges::is_in_settings(bridge)).then_some(bridge.at)
}

/// The progress as it is stored.
pub(super) struct StoredProgress {
    pub(super) progress: BridgeProgress,
    name: String,
    version: Option<Version>,
    stored: BridgeProgress,
}

impl StoredProgress {
    pub(super) async fn of(
        sweeps: &Sweeps,
        tenant: &TenantId,
        bridge: &Bridge,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let name = format!("bridge#{}", bridge.dialog);
        let (stored, version) = match sweeps.recall::<BridgeProgress>(tenant, &name).await? {
            Some((progress, version)) => (progress, Some(version)),
            None => (BridgeProgress::default(), None),
        };
        let progress = if stored.is_of(bridge) { stored.clone() } else { BridgeProgress::beginning(bridge, now) };
        Ok(Self { progress, name, version, stored })
    }

    /// Stores it, if it changed. After a conflict another worker's run counts.
    pub(super) async fn keep(&mut self, sweeps: &Sweeps, tenant: &TenantId) -> Result<(), StoreError> {
        if self.progress == self.stored {
            return Ok(());
        }
        match sweeps.remember(tenant, &self.name, &self.progress, self.version).await {
            Ok(version) => {
                self.version = Some(version);
                self.stored = self.progress.clone();
                Ok(())
            }
            Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use bitrix24::chat_page::ChatPage;
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn bridge(by: &str, made: &str) -> Bridge {
        Bridge {
            channel: "C1".into(),
            dialog: "chat1".into(),
            channel_name: "general".into(),
            dialog_name: "Support".into(),
            by: by.into(),
            at: at(made),
        }
    }

    #[test]
    fn a_bridge_begins_when_it_was_made_or_first_seen() {
        let now = at("2026-11-28T12:00:00Z");
        let since = |by: &str, made: &str| BridgeProgress::beginning(&bridge(by, made), now).since;
        assert_eq!(since("U1", "2026-11-28T11:59:00Z"), at("2026-11-28T11:59:00Z"));
        assert_eq!(
            since("U1", "2026-01-01T00:00:00Z"),
            at("2026-11-27T12:00:00Z"),
            "one that is older than its first sweep"
        );
        assert_eq!(since("settings", "2026-01-01T00:00:00Z"), now);
    }

    /// Runs that may read one page of three each, of a channel with messages 1 to `last`; what is worked, in order.
    fn caught_up(last: u64) -> Vec<u64> {
        let ts = |n: u64| format!("{n:03}");
        let mut progress = ChannelProgress { upto: ts(0), ..ChannelProgress::default() };
        let mut worked = Vec::new();
        for _ in 0..50 {
            progress.begin_run();
            // A cursor says before which message the page ends.
            let end = progress.below.as_ref().map_or(last + 1, |cursor| cursor.parse().unwrap());
            let page: Vec<u64> = (end.saturating_sub(3).max(1)..end).collect();
            let (first, has_more) = (ts(page[0]), page[0] > 1);
            if has_more && !progress.reaches(&first) {
                progress.pages.push(PageMark { cursor: progress.below.clone(), first: first.clone() });
                progress.below = Some(first);
                continue;
            }
            let new: Vec<u64> = page.into_iter().filter(|n| ts(*n) > progress.upto).collect();
            progress.worked(new.last().map(|n| ts(*n)));
            worked.extend(new);
        }
        assert_eq!((progress.pages.len(), &progress.below), (0, &None));
        worked
    }

    #[test]
    fn a_channel_that_may_be_read_a_page_at_a_time_is_worked_in_order_and_whole() {
        for last in [1, 2, 3, 4, 7, 9, 20] {
            assert_eq!(caught_up(last), (1..=last).collect::<Vec<_>>(), "{last}");
        }
    }

    #[test]
    fn the_bot_reads_around_a_message_that_was_checked() {
        let mut chat = ChatProgress { upto: Some(7), ..ChatProgress::default() };
        let row = |id: u64| json!({"id": id, "author_id": 1, "date": "2026-11-28T12:00:00Z", "text": "x"});
        let rows =
            |ids: &[u64]| ChatPage::read(&json!({"messages": ids.iter().map(|id| row(*id)).collect::<Vec<_>>()})).rows;
        chat.note_read(&rows(&[1, 2, 3, 5, 6, 7, 9]), true);
        assert_eq!((chat.anchors.as_slice(), chat.first), (&[2, 3, 5, 6, 7][..], Some(1)));
        chat.note_read(&rows(&[7]), false);
        assert_eq!((chat.anchors.as_slice(), chat.first), (&[2, 3, 5, 6, 7][..], None));
    }

    #[test]
    fn an_edit_is_handed_on_once_until_its_copy_shows_it() {
        let mut chat = ChatProgress::default();
        let row = |id: u64| json!({"id": id, "author_id": 1, "date": "2026-11-28T12:00:00Z", "text": "x"});
        let rows =
            |ids: &[u64]| ChatPage::read(&json!({"messages": ids.iter().map(|id| row(*id)).collect::<Vec<_>>()})).rows;
        chat.note_handed_on(&rows(&[5, 6]), HandedOn::from([(5, "first".into()), (4, DELETED.into())]));
        assert!(chat.was_handed_on(5, "first") && chat.was_handed_on(4, DELETED));
        assert!(!chat.was_handed_on(5, "second") && !chat.was_handed_on(6, "first"));
        chat.note_handed_on(&rows(&[6]), HandedOn::from([(4, DELETED.into())]));
        assert!(chat.was_handed_on(5, "first"), "it was not read this time");
        chat.note_handed_on(&rows(&[5, 6]), HandedOn::new());
        assert!(!chat.was_handed_on(5, "first") && chat.was_handed_on(4, DELETED));
        chat.note_handed_on(&[], (0..500).map(|id| (id, DELETED.to_owned())).collect());
        assert_eq!(chat.handed_on.keys().next(), Some(&300));
    }

    #[test]
    fn another_bridge_of_the_same_chat_begins_again() {
        let now = at("2026-11-28T12:00:00Z");
        let first = bridge("U1", "2026-11-28T11:00:00Z");
        let progress = BridgeProgress::beginning(&first, now);
        assert!(progress.is_of(&first));
        assert!(!progress.is_of(&bridge("U1", "2026-11-28T11:30:00Z")), "made again");
        assert!(!progress.is_of(&Bridge { channel: "C2".into(), ..first }));
        let in_settings = BridgeProgress::beginning(&bridge("settings", "2026-11-28T11:00:00Z"), now);
        assert!(in_settings.is_of(&bridge("settings", "2026-11-28T12:00:00Z")), "it has no time of its own");
    }
}
