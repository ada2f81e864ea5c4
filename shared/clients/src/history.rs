//! Reading a channel's messages within what Slack allows this workspace: one budget for all who read.
//!
//! Slack lets an app that is distributed outside of its Marketplace read a channel once a minute and 15 messages at a
//! time; all others 50 times a minute. It does not say which of them an app is, so that is learned from its answers and
//! remembered for the workspace.

use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::{later, until};
use runtime::limiter::{Priority, RateBucket};
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use slack::client::{HistoryMessage, SlackPage};
use slack::{ChannelId, MessageRef, Ts};
use wire::ErrorClass;

use crate::failure::Failure;
use crate::rate_buckets;
use crate::workspace::WorkspaceClient;

/// The messages of a page where Slack allows a few only.
const SCARCE_PAGE: usize = 15;
/// The messages of a page elsewhere.
const USUAL_PAGE: usize = 200;
/// How long a class that a page has shown is remembered.
const SHOWN_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a class that only a refusal suggests is remembered.
const SUGGESTED_TTL: Duration = Duration::from_secs(60 * 60);
/// Where an app may call 50 times a minute, Slack refuses none of so few calls in a row.
const NEVER_REFUSED: u32 = 5;
/// Where an app may call 50 times a minute and we are a little too fast, there is room again after less than this. Where it
/// may call once, a refusal asks to wait for what is left of the minute, which may be anything.
const USUAL_REFUSAL: Duration = Duration::from_secs(5);

/// How much of its history a workspace lets our app read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryClass {
    /// 50 calls a minute.
    #[default]
    Usual,
    /// One call a minute, 15 messages each.
    Scarce,
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryUse {
    /// A delivery waits: was it made?
    LookUp,
    /// Messages that did not reach us are searched for. Where the budget is scarce, this leaves half of it to look-ups.
    GapFilling,
}

/// What is read: a channel without its replies, or a thread.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HistoryPlace {
    pub channel: ChannelId,
    /// The thread's first message.
    pub thread: Option<Ts>,
}

impl HistoryPlace {
    pub fn channel(channel: ChannelId) -> Self {
        Self { channel, thread: None }
    }

    /// The place of a message; `None` for a file, which is found by its id.
    pub fn of(place: &str) -> Option<Self> {
        match MessageRef::from(place) {
            MessageRef::Channel(channel) => Some(Self { channel, thread: None }),
            MessageRef::Thread(parent) => Some(Self { channel: parent.channel, thread: Some(parent.ts) }),
            MessageRef::File(_) => None,
        }
    }

    fn method(&self) -> &'static str {
        if self.thread.is_some() { "conversations.replies" } else { "conversations.history" }
    }
}

/// What is known of a workspace's class.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct LearnedClass {
    class: HistoryClass,
    /// Whether a page showed it; a refusal only suggests it.
    shown: bool,
}

impl LearnedClass {
    fn page(self) -> usize {
        // A suggestion is tested: a longer page refutes it.
        if self.class == HistoryClass::Scarce && self.shown { SCARCE_PAGE } else { USUAL_PAGE }
    }
}

/// What a page of an answer shows of the class, if it shows anything.
fn shown_by_page(asked: usize, got: usize, has_more: bool) -> Option<HistoryClass> {
    if got > SCARCE_PAGE {
        return Some(HistoryClass::Usual);
    }
    (asked > SCARCE_PAGE && got == SCARCE_PAGE && has_more).then_some(HistoryClass::Scarce)
}

/// Whether a refusal suggests the scarce class: Slack asks for more than a moment, although there were only `calls` calls.
fn is_suggested_by_refusal(calls: u32, wait: Duration) -> bool {
    calls <= NEVER_REFUSED && wait >= USUAL_REFUSAL
}

impl WorkspaceClient {
    /// A page of a channel's messages since `oldest` (a message's time), newest first; of a thread's, oldest first.
    ///
    /// A bot that is not in a public channel joins it. Where the budget is used up, the failure says until when.
    pub async fn read_history(
        &self,
        place: &HistoryPlace,
        oldest: &str,
        cursor: Option<&str>,
        purpose: HistoryUse,
    ) -> Result<SlackPage<HistoryMessage>, Failure> {
        match self.read_page(place, oldest, cursor, purpose).await {
            Err(failure) if failure.code() == "not_in_channel" => {
                self.join_after(failure, &place.channel).await?;
                self.read_page(place, oldest, cursor, purpose).await
            }
            page => page,
        }
    }

    /// How much of its history the workspace lets us read, as far as we have learned.
    pub async fn history_class(&self) -> Result<HistoryClass, Failure> {
        Ok(self.learned_class().await?.class)
    }

    async fn read_page(
        &self,
        place: &HistoryPlace,
        oldest: &str,
        cursor: Option<&str>,
        purpose: HistoryUse,
    ) -> Result<SlackPage<HistoryMessage>, Failure> {
        let learned = self.learned_class().await?;
        let (asked, method) = (learned.page(), place.method());
        let account = self.admit_history(learned.class, method, purpose).await?;
        let answer = match &place.thread {
            Some(parent) => self.client.replies(&place.channel, parent, oldest, cursor, asked).await,
            None => self.client.history(&place.channel, oldest, cursor, asked).await,
        };
        match self.note(&account, answer).await {
            Ok(page) => {
                if let Some(class) = shown_by_page(asked, page.items.len(), page.cursor.is_some()) {
                    self.learn(learned, LearnedClass { class, shown: true }, SHOWN_TTL).await?;
                }
                Ok(page)
            }
            Err(failure) => {
                self.learn_from_refusal(learned, &account, &failure).await?;
                Err(failure)
            }
        }
    }

    /// Waits for a slot of the class's budget.
    async fn admit_history(
        &self,
        class: HistoryClass,
        method: &str,
        purpose: HistoryUse,
    ) -> Result<RateBucket, Failure> {
        let account = match class {
            HistoryClass::Usual => rate_buckets::tier_3(&self.team, method),
            HistoryClass::Scarce => rate_buckets::scarce_history(&self.team, method),
        };
        let lane = match purpose {
            HistoryUse::LookUp => Priority::Event,
            HistoryUse::GapFilling => Priority::Sweep,
        };
        if class == HistoryClass::Scarce && purpose == HistoryUse::GapFilling {
            self.admit(&rate_buckets::scarce_gaps(&self.team, method)).await?;
        }
        let account = RateBucket { lane, ..account };
        self.admit(&account).await?;
        Ok(account)
    }

    async fn learn_from_refusal(
        &self,
        learned: LearnedClass,
        account: &RateBucket,
        failure: &Failure,
    ) -> Result<(), Failure> {
        // An answer that longer pages are not allowed says it plainly.
        let is_too_long = ["invalid_limit", "invalid_arguments"].contains(&failure.code());
        if is_too_long && learned.page() > SCARCE_PAGE {
            return self.learn(learned, LearnedClass { class: HistoryClass::Scarce, shown: true }, SHOWN_TTL).await;
        }
        let ErrorClass::Throttled { until: moment } = failure.class else { return Ok(()) };
        let calls = self.connections.limiter.usage(&account.name, account).await?.used;
        if learned.class == HistoryClass::Usual
            && is_suggested_by_refusal(calls, until(self.connections.clock.now(), moment))
        {
            let suggested = LearnedClass { class: HistoryClass::Scarce, shown: false };
            return self.learn(learned, suggested, SUGGESTED_TTL).await;
        }
        Ok(())
    }

    async fn learned_class(&self) -> Result<LearnedClass, Failure> {
        let item = self.connections.store.get(&self.class_key()).await?;
        Ok(item.map(|item| item.decode()).transpose()?.unwrap_or_default())
    }

    async fn learn(&self, before: LearnedClass, now: LearnedClass, ttl: Duration) -> Result<(), Failure> {
        let (store, key) = (&self.connections.store, self.class_key());
        if now.class == HistoryClass::Usual {
            if before.class == HistoryClass::Scarce {
                store.delete(&key).await?;
            }
            return Ok(());
        }
        if before.class == HistoryClass::Usual {
            tracing::info!(
                team = self.team,
                "Slack lets this workspace's history be read once a minute, 15 messages each"
            );
        }
        let expires = later(self.connections.clock.now(), ttl);
        store.put(StoreWrite::new(key, &now, WriteCondition::Always)?.expiring(expires)).await?;
        Ok(())
    }

    fn class_key(&self) -> ItemKey {
        ItemKey::new(Table::Limits, format!("slack#{}#history", self.team), "class")
    }
}

/// A moment as Slack writes it.
pub fn slack_moment(moment: Timestamp) -> String {
    format!("{}.000000", moment.as_second())
}

/// The moment of a message, by its time as Slack writes it.
pub fn moment_of(ts: &str) -> Option<Timestamp> {
    let seconds = ts.split('.').next()?.parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_the_class_or_nothing() {
        assert_eq!(shown_by_page(200, 16, false), Some(HistoryClass::Usual));
        assert_eq!(shown_by_page(200, 15, true), Some(HistoryClass::Scarce));
        // A channel of 15 messages, or of fewer; and a page that was asked to be short.
        assert_eq!(shown_by_page(200, 15, false), None);
        assert_eq!(shown_by_page(200, 3, false), None);
        assert_eq!(shown_by_page(15, 15, true), None);
    }

    #[test]
    fn a_refusal_suggests_the_scarce_class_only_after_few_calls() {
        let seconds = Duration::from_secs;
        assert!(is_suggested_by_refusal(2, seconds(60)));
        assert!(is_suggested_by_refusal(1, seconds(15)), "the call before was 45 seconds ago");
        assert!(!is_suggested_by_refusal(9, seconds(60)));
        assert!(!is_suggested_by_refusal(1, seconds(2)));
    }
}
