//! Chat bridges as they are stored: which channel and chat are one conversation, and which of their messages are one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::later;
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version, WriteCondition};
use serde::{Deserialize, Serialize};

/// How long the links of messages are kept: as long as people may edit, answer or delete a message.
const MESSAGE_LINK_TTL: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A channel and a chat that are one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// The channel's id in Slack.
    pub channel: String,
    /// The chat on the portal: `chat57`.
    pub dialog: String,
    /// The names of both, for lists.
    #[serde(default)]
    pub channel_name: String,
    /// The chat's name.
    #[serde(default)]
    pub dialog_name: String,
    /// Who made it: a Slack account, or the page.
    #[serde(default)]
    pub by: String,
    /// When it was made.
    pub at: Timestamp,
}

/// The side where a message was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatSide {
    Slack,
    Bitrix24,
}

/// A message and its copy. A long one, or one with files, has several copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLink {
    pub written_in: ChatSide,
    pub channel: String,
    /// The messages in Slack; the first is the one to answer.
    pub slack: Vec<String>,
    /// The thread that they are in, if they are replies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The chat.
    pub dialog: String,
    /// The messages in Bitrix24; the first is the one to answer.
    pub bitrix24: Vec<u64>,
    /// How many of the copies are parts of its text; they come first, followed by copies of its files.
    #[serde(default)]
    pub texts: usize,
    /// Who has reacted with what: a copied reaction is removed when the last of them removes theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reactions: BTreeMap<String, BTreeSet<String>>,
    /// Whether the message was deleted where it was written.
    #[serde(default)]
    pub deleted: bool,
    /// A digest of the text that a message written in Bitrix24 had when it was last copied; empty if that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// More about a message that was written in Slack.
    #[serde(default, skip_serializing_if = "SlackState::is_empty")]
    pub in_slack: SlackState,
}

/// What is known of a message that was written in Slack, besides its copies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SlackState {
    /// Which message in Bitrix24 is the copy of which file.
    pub files: BTreeMap<String, u64>,
    /// The files that their author deleted.
    pub taken: BTreeSet<String>,
    /// The moment of the last edit that was copied, by Slack's clock.
    pub edited: String,
    /// Whether its copy shows only an edit: the message is older than the bridge.
    pub is_older: bool,
}

impl SlackState {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an edit at `at` is older than one that was already copied: Slack promises no order.
    pub fn is_outdated(&self, at: &str) -> bool {
        let moment = |at: &str| {
            let (seconds, rest) = at.split_once('.')?;
            Some((seconds.parse::<u64>().ok()?, rest.parse::<u64>().ok()?))
        };
        matches!((moment(at), moment(&self.edited)), (Some(at), Some(last)) if at < last)
    }
}

impl MessageLink {
    /// Notes who reacts with what, or no longer does; returns whether the copy has to change: with the first person and
    /// with the last. `reaction` is named `<side>:<name>`.
    pub fn note_reaction(&mut self, reaction: String, by: &str, added: bool) -> bool {
        let who = self.reactions.entry(reaction).or_default();
        let was_empty = who.is_empty();
        if added {
            who.insert(by.to_owned());
        } else {
            who.remove(by);
        }
        was_empty != who.is_empty()
    }
}

/// Reads and writes bridges and links.
#[derive(Clone)]
pub struct Conversations {
    store: Arc<dyn Store>,
}

impl Conversations {
    /// The conversations in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    pub async fn of_channel(&self, tenant: &TenantId, channel: &str) -> Result<Option<Bridge>, StoreError> {
        self.store.get(&bridge_key(tenant, "slack", channel)).await?.map(|item| item.decode()).transpose()
    }

    /// The bridge of a chat.
    pub async fn of_dialog(&self, tenant: &TenantId, dialog: &str) -> Result<Option<Bridge>, StoreError> {
        self.store.get(&bridge_key(tenant, "chat", dialog)).await?.map(|item| item.decode()).transpose()
    }

    /// All bridges, by channel.
    pub async fn bridges(&self, tenant: &TenantId) -> Result<Vec<Bridge>, StoreError> {
        let mut query = Query::prefix(Table::Links, bridge_partition(tenant), "slack#");
        query.limit = 1000;
        self.store.list(&query).await?.items.iter().map(StoredItem::decode).collect()
    }

    /// Joins a channel and a chat; [`StoreError::Conflict`] if either is in another bridge.
    pub async fn join(&self, tenant: &TenantId, bridge: &Bridge) -> Result<(), StoreError> {
        let keys = [bridge_key(tenant, "slack", &bridge.channel), bridge_key(tenant, "chat", &bridge.dialog)];
        let writes = keys
            .into_iter()
            .map(|key| StoreWrite::new(key, bridge, WriteCondition::Absent))
            .collect::<Result<_, _>>()?;
        self.store.put_all(writes).await
    }

    /// Ends a bridge; fine if there is none.
    pub async fn part(&self, tenant: &TenantId, bridge: &Bridge) -> Result<(), StoreError> {
        self.store.delete(&bridge_key(tenant, "slack", &bridge.channel)).await?;
        self.store.delete(&bridge_key(tenant, "chat", &bridge.dialog)).await
    }

    /// The link of a message in Slack, with its version.
    pub async fn of_slack_message(
        &self,
        tenant: &TenantId,
        channel: &str,
        ts: &str,
    ) -> Result<Option<(MessageLink, Version)>, StoreError> {
        self.link_at(slack_message_key(tenant, channel, ts)).await
    }

    /// The link of a message in Bitrix24, with its version.
    pub async fn of_chat_message(
        &self,
        tenant: &TenantId,
        message: u64,
    ) -> Result<Option<(MessageLink, Version)>, StoreError> {
        self.link_at(chat_message_key(tenant, message)).await
    }

    /// The last messages of a channel that are in a link, with their times in Slack, newest first; [`MAX_RECENT`] at
    /// most.
    pub async fn recent(&self, tenant: &TenantId, channel: &str) -> Result<Vec<(String, RecentLink)>, StoreError> {
        let prefix = slack_message_key(tenant, channel, "").sort;
        let mut query = Query::prefix(Table::Links, message_partition(tenant), prefix.clone());
        query.newest_first = true;
        query.limit = MAX_RECENT;
        let page = self.store.list(&query).await?;
        let named = |item: &StoredItem| Ok((item.key.sort[prefix.len()..].to_owned(), RecentLink::read(item)?));
        page.items.iter().map(named).collect()
    }

    /// Each message of a link points to the one item that holds it.
    async fn link_at(&self, key: ItemKey) -> Result<Option<(MessageLink, Version)>, StoreError> {
        let Some(item) = self.store.get(&key).await? else { return Ok(None) };
        let Ok(Pointer { at }) = item.decode::<Pointer>() else {
            return Ok(Some((item.decode()?, item.version)));
        };
        let home = ItemKey::new(Table::Links, key.partition, at);
        match self.store.get(&home).await? {
            Some(item) => Ok(Some((item.decode()?, item.version))),
            None => Ok(None),
        }
    }

    /// The writes that store a link, over `version` of it if it existed: to go with others in one transaction.
    pub fn link_writes(
        tenant: &TenantId,
        link: &MessageLink,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<Vec<StoreWrite>, StoreError> {
        let slack = link.slack.iter().map(|ts| slack_message_key(tenant, &link.channel, ts));
        let chat = link.bitrix24.iter().map(|message| chat_message_key(tenant, *message));
        // On the side where it was written it has one message, which does not change.
        let keys: Vec<ItemKey> = match link.written_in {
            ChatSide::Slack => slack.chain(chat).collect(),
            ChatSide::Bitrix24 => chat.chain(slack).collect(),
        };
        let Some(home) = keys.first().cloned() else { return Ok(Vec::new()) };
        let end = later(now, MESSAGE_LINK_TTL);
        let condition = version.map_or(WriteCondition::Always, WriteCondition::Version);
        let mut writes = vec![StoreWrite::new(home.clone(), link, condition)?.expiring(end)];
        for key in keys.into_iter().skip(1) {
            writes
                .push(StoreWrite::new(key, &Pointer { at: home.sort.clone() }, WriteCondition::Always)?.expiring(end));
        }
        Ok(writes)
    }

    /// Stores a link.
    pub async fn keep(
        &self,
        tenant: &TenantId,
        link: &MessageLink,
        version: Option<Version>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.put_all(Self::link_writes(tenant, link, version, now)?).await
    }
}

/// The most links that [`Conversations::recent`] reads.
pub const MAX_RECENT: usize = 100;

/// A message in Slack that is in a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecentLink {
    /// It was written there.
    Written(Box<MessageLink>),
    /// It is a copy of a message in Bitrix24.
    CopyOf {
        /// The number of the message in Bitrix24.
        message: u64,
    },
}

impl RecentLink {
    fn read(item: &StoredItem) -> Result<Self, StoreError> {
        if let Ok(link) = item.decode::<MessageLink>() {
            return Ok(Self::Written(Box::new(link)));
        }
        let Pointer { at } = item.decode()?;
        let message = at.strip_prefix("chat#").and_then(|id| id.parse().ok());
        let cause = format!("it points at {at}, which is not a message in Bitrix24");
        let message = message.ok_or_else(|| StoreError::Unreadable { key: item.key.clone(), cause })?;
        Ok(Self::CopyOf { message })
    }
}

#[derive(Serialize, Deserialize)]
struct Pointer {
    at: String,
}

fn bridge_partition(tenant: &TenantId) -> String {
    format!("{tenant}#bridge")
}

fn bridge_key(tenant: &TenantId, side: &str, id: &str) -> ItemKey {
    ItemKey::new(Table::Links, bridge_partition(tenant), format!("{side}#{id}"))
}

fn message_partition(tenant: &TenantId) -> String {
    format!("{tenant}#message")
}

fn slack_message_key(tenant: &TenantId, channel: &str, ts: &str) -> ItemKey {
    ItemKey::new(Table::Links, message_partition(tenant), format!("slack#{channel}#{ts}"))
}

fn chat_message_key(tenant: &TenantId, message: u64) -> ItemKey {
    ItemKey::new(Table::Links, message_partition(tenant), format!("chat#{message}"))
}
