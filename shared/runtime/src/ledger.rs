//! The ledger: a line for every accepted event and every delivery, so that nothing ends in silence.
//!
//! A line's key follows from its trace, and a trace sorts by time of arrival: the lines of a day are in order, and the
//! lines of one trace are together (the event first, then its deliveries).
//!
//! The line of a decided event is also its outbox. It is written in one transaction with the snapshot, and carries the
//! jobs that the decision made. A crash between that write and the queue loses nothing: the event is received again,
//! finds its line, and sends the same jobs.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::calls;
use crate::calls::ProviderCall;
use crate::clock::later;
use crate::id::day;
use crate::job::ReceivedJob;
use crate::queue::{QueueMessage, QueuedMessage};
use crate::store::{ItemKey, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version, WriteCondition};
use crate::{DeliveryId, TenantId, TraceId};

/// How long lines are kept.
pub const LINE_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The status of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum EventStatus {
    /// Decided; its deliveries have lines of their own.
    Routed,
    /// Nothing had to be done.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Not decided yet, to be tried again.
    Waiting {
        /// What for.
        cause: String,
    },
    /// Given up.
    Dead {
        /// The provider's code or ours.
        code: String,
        /// What happened and what to do.
        reason: String,
    },
    /// One that this release does not know.
    #[serde(untagged)]
    Other(OtherStatus),
}

/// A status that another release has written: after a roll back there are lines of the newer one. It is shown by its name,
/// and written back as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherStatus {
    /// Its name.
    pub status: String,
    /// What comes with it.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl std::fmt::Display for OtherStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "another release has written the status `{}`, which this one does not know", self.status)
    }
}

/// The line of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// Its trace.
    pub trace: TraceId,
    /// The provider's name of it: `ONCRMDEALUPDATE`.
    pub event: String,
    /// The record it pointed at: `deal 42`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When this was written.
    pub decided_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// The waits after tries that failed because of this event itself, added up: it is given up when they reach a
    /// limit.
    #[serde(default)]
    pub waited: Duration,
    /// The changes found: `deal.stage_changed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// Routes for these changes that did not take them, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// Remarks on the event itself: that some of its values could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// The changes themselves, for dry runs of other routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<serde_json::Value>,
    /// The calls that deciding it took: the last ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ProviderCall>,
    /// The event's status.
    #[serde(flatten)]
    pub status: EventStatus,
    /// The jobs that the decision made, each with its queue.
    #[serde(default, rename = "jobs", skip_serializing_if = "Vec::is_empty")]
    pub outbox: Vec<QueuedMessage>,
    /// The jobs of a line that was written when a line did not name their queues.
    #[serde(flatten, skip_serializing)]
    pub earlier: EarlierOutbox,
}

/// The jobs of a line that was written when they did not name their queue: by purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EarlierOutbox {
    /// Deliveries.
    pub outbox: Vec<QueueMessage>,
    /// Follow-ups.
    pub errands: Vec<QueueMessage>,
    /// Messages of the bot.
    pub said: Vec<QueueMessage>,
    /// Records to sync.
    pub syncs: Vec<QueueMessage>,
}

impl EventLine {
    /// The line of an event whose decision begins now.
    pub fn new<T>(
        job: &ReceivedJob<T>,
        event: String,
        record: Option<String>,
        now: Timestamp,
        status: EventStatus,
    ) -> Self {
        Self { attempts: job.attempt, calls: calls::taken(), ..Self::of_trace(job.trace, event, record, now, status) }
    }

    /// Adds the calls that were made since the last time.
    pub fn note_calls(&mut self) {
        self.calls.extend(calls::taken());
        calls::shorten(&mut self.calls);
    }

    /// The line of an event that was decided at once, without a job.
    pub fn of_trace(
        trace: TraceId,
        event: String,
        record: Option<String>,
        now: Timestamp,
        status: EventStatus,
    ) -> Self {
        Self {
            trace,
            event,
            record,
            received_at: trace.arrived_at(),
            decided_at: now,
            attempts: 1,
            waited: Duration::ZERO,
            changes: Vec::new(),
            left: Vec::new(),
            remark: None,
            found: Vec::new(),
            calls: Vec::new(),
            status,
            outbox: Vec::new(),
            earlier: EarlierOutbox::default(),
        }
    }
}

/// The status of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// On its queue.
    Queued,
    /// The provider is being called, or was when the worker crashed.
    Started {
        /// When the call began.
        at: Timestamp,
    },
    /// It was not done, and will be tried again.
    Retrying {
        /// Why it was not done.
        cause: String,
    },
    /// Done.
    Delivered {
        /// When.
        at: Timestamp,
        /// The provider's id of it: `C024BE91L/1763710000.000100`.
        provider_id: String,
    },
    /// Waits for a digest.
    Held {
        /// Until when.
        until: Timestamp,
    },
    /// Sent as part of a digest.
    Grouped {
        /// The digest's delivery.
        into: DeliveryId,
    },
    /// Did not have to be done.
    Skipped {
        /// Why.
        reason: String,
    },
    /// Given up.
    Dead {
        /// The provider's code or ours.
        code: String,
        /// What happened and what to do.
        reason: String,
    },
    /// One that this release does not know.
    #[serde(untagged)]
    Other(OtherStatus),
}

/// The line of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryLine {
    /// Its id.
    pub id: DeliveryId,
    /// Its trace: its event's.
    pub trace: TraceId,
    /// What it is about: `deal 42`.
    pub record: String,
    /// The change that it reports: `deal.stage_changed`.
    pub change: String,
    /// The route that sends it.
    pub route: String,
    /// The destination, as the route writes it: `#sales-pipeline`.
    pub destination: String,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// The earliest moment at which its cause can have happened, where that is before its event arrived: a sweep finds
    /// changes that are older than itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caused_at: Option<Timestamp>,
    /// Whether its id may have been given to another change before a restore: only a message that says the same is it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_ambiguous: bool,
    /// When it was last looked for at its provider, and not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_at: Option<Timestamp>,
    /// Since when it waits to be looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sought_since: Option<Timestamp>,
    /// What a reader should know besides the status: that it was found, that it may be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Tries that called the provider.
    #[serde(default)]
    pub attempts: u32,
    /// The waits after tries that failed because of this delivery itself, added up: it is given up when they reach a
    /// limit.
    #[serde(default)]
    pub waited: Duration,
    /// A call that was begun and may have had its effect, whatever happened to the delivery since: it is looked for
    /// before another is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_call: Option<OpenCall>,
    /// The calls that it took: the last ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ProviderCall>,
    /// The delivery's status.
    #[serde(flatten)]
    pub status: DeliveryStatus,
}

impl DeliveryLine {
    /// The line of a delivery that was just decided.
    pub fn new(id: DeliveryId, trace: TraceId, queued_at: Timestamp, status: DeliveryStatus) -> Self {
        Self {
            id,
            trace,
            record: String::new(),
            change: String::new(),
            route: String::new(),
            destination: String::new(),
            queued_at,
            caused_at: None,
            is_ambiguous: false,
            missed_at: None,
            sought_since: None,
            remark: None,
            attempts: 0,
            waited: Duration::ZERO,
            open_call: None,
            calls: Vec::new(),
            status,
        }
    }

    /// The earliest moment at which it can have been made for its cause.
    pub fn earliest(&self) -> Timestamp {
        let queued = self.queued_at.min(self.trace.arrived_at());
        self.caused_at.map_or(queued, |caused| caused.min(queued))
    }
}

/// A call that may have had its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// When it began.
    pub began_at: Timestamp,
    /// Where the effect would be found: the provider's id of the channel or chat.
    pub place: String,
    /// Until when it may still have its effect: the provider was slow to answer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_until: Option<Timestamp>,
}

/// One line of either kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum LedgerLine {
    /// An event's.
    Event(EventLine),
    /// A delivery's.
    Delivery(DeliveryLine),
}

/// Some lines, newest first, and where to go on.
#[derive(Debug, Clone, Default)]
pub struct LedgerPage {
    /// The lines.
    pub lines: Vec<LedgerLine>,
    /// The position for [`Ledger::day`] to continue from.
    pub next: Option<String>,
}

/// Reads and writes lines.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
}

impl Ledger {
    /// The ledger in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The line of an event, if it was written.
    pub async fn event(&self, tenant: &TenantId, trace: TraceId) -> Result<Option<EventLine>, StoreError> {
        Ok(self.event_with_version(tenant, trace).await?.map(|(line, _)| line))
    }

    /// The same with its version for [`Ledger::record_event_over`].
    pub async fn event_with_version(
        &self,
        tenant: &TenantId,
        trace: TraceId,
    ) -> Result<Option<(EventLine, Version)>, StoreError> {
        match self.store.get(&event_key(tenant, trace)).await? {
            Some(item) => Ok(Some(match item.decode()? {
                LedgerLine::Event(line) => (line, item.version),
                LedgerLine::Delivery(_) => return Err(wrong_kind(&item.key)),
            })),
            None => Ok(None),
        }
    }

    /// Writes an event's line.
    pub async fn record_event(&self, tenant: &TenantId, line: EventLine) -> Result<(), StoreError> {
        self.store.put(event_write(tenant, line)?).await.map(|_| ())
    }

    /// Writes an event's line if nobody else did since `version` was read, or since there was none.
    pub async fn record_event_over(
        &self,
        tenant: &TenantId,
        line: EventLine,
        version: Option<Version>,
    ) -> Result<(), StoreError> {
        let condition = version.map_or(WriteCondition::Absent, WriteCondition::Version);
        self.store.put(StoreWrite { condition, ..event_write(tenant, line)? }).await.map(|_| ())
    }

    /// The line of a delivery, with its version for [`Ledger::record_delivery`].
    pub async fn delivery(
        &self,
        tenant: &TenantId,
        trace: TraceId,
        id: &DeliveryId,
    ) -> Result<Option<(DeliveryLine, Version)>, StoreError> {
        match self.store.get(&delivery_key(tenant, trace, id)).await? {
            Some(item) => Ok(Some(match item.decode()? {
                LedgerLine::Delivery(line) => (line, item.version),
                LedgerLine::Event(_) => return Err(wrong_kind(&item.key)),
            })),
            None => Ok(None),
        }
    }

    /// Writes a delivery's line if nobody else did since `version` was read, and returns the new version.
    pub async fn record_delivery(
        &self,
        tenant: &TenantId,
        line: DeliveryLine,
        version: Version,
    ) -> Result<Version, StoreError> {
        self.store.put(delivery_write(tenant, line, WriteCondition::Version(version))?).await
    }

    /// The lines of a UTC day (`2026-11-21`), newest arrival first, up to 200, continuing from `after`.
    pub async fn day(&self, tenant: &TenantId, day: &str, after: Option<String>) -> Result<LedgerPage, StoreError> {
        let (lines, next) = self.day_lines(tenant, day, after, 200).await?;
        Ok(LedgerPage { lines: lines.into_iter().map(|(_, line)| line).collect(), next })
    }

    /// The same, up to `most` lines, each with its position in the day: continuing from `after` leaves out that
    /// position and everything newer.
    pub async fn day_lines(
        &self,
        tenant: &TenantId,
        day: &str,
        after: Option<String>,
        most: usize,
    ) -> Result<(Vec<(String, LedgerLine)>, Option<String>), StoreError> {
        let mut query = Query::prefix(Table::Ledger, partition(tenant, day), "");
        query.after = after;
        query.newest_first = true;
        query.limit = most;
        let page = self.store.list(&query).await?;
        let lines = page.items.iter().filter_map(|item| Some(known(item)?.map(|line| (item.key.sort.clone(), line))));
        Ok((lines.collect::<Result<_, StoreError>>()?, page.next))
    }

    /// All lines of one trace: the event's first, then its deliveries'.
    pub async fn trace(&self, tenant: &TenantId, trace: TraceId) -> Result<Vec<LedgerLine>, StoreError> {
        let query = Query::prefix(Table::Ledger, partition(tenant, &trace.day()), trace.to_string());
        self.store.list(&query).await?.items.iter().filter_map(known).collect()
    }
}

/// The line in an item; `None` if it is of a kind that only another release knows.
fn known(item: &StoredItem) -> Option<Result<LedgerLine, StoreError>> {
    #[derive(Deserialize)]
    struct Kind {
        line: String,
    }
    let read = item.decode::<LedgerLine>();
    let is_foreign = || item.decode::<Kind>().is_ok_and(|kind| !["event", "delivery"].contains(&kind.line.as_str()));
    if read.is_err() && is_foreign() { None } else { Some(read) }
}

/// The write of an event's line, to go with others in one transaction.
pub fn event_write(tenant: &TenantId, line: EventLine) -> Result<StoreWrite, StoreError> {
    let (key, expires) = (event_key(tenant, line.trace), later(line.received_at, LINE_TTL));
    Ok(StoreWrite::new(key, &LedgerLine::Event(line), WriteCondition::Always)?.expiring(expires))
}

/// The write of a delivery's line, to go with others in one transaction.
pub fn delivery_write(
    tenant: &TenantId,
    line: DeliveryLine,
    condition: WriteCondition,
) -> Result<StoreWrite, StoreError> {
    let (key, expires) = (delivery_key(tenant, line.trace, &line.id), later(line.trace.arrived_at(), LINE_TTL));
    Ok(StoreWrite::new(key, &LedgerLine::Delivery(line), condition)?.expiring(expires))
}

/// Today's partition name part, for readers that want the newest lines.
pub fn today(now: Timestamp) -> String {
    day(now)
}

fn partition(tenant: &TenantId, day: &str) -> String {
    format!("{tenant}#{day}")
}

fn event_key(tenant: &TenantId, trace: TraceId) -> ItemKey {
    ItemKey::new(Table::Ledger, partition(tenant, &trace.day()), trace.to_string())
}

fn delivery_key(tenant: &TenantId, trace: TraceId, id: &DeliveryId) -> ItemKey {
    ItemKey::new(Table::Ledger, partition(tenant, &trace.day()), format!("{trace}#{id}"))
}

fn wrong_kind(key: &ItemKey) -> StoreError {
    StoreError::Unreadable { key: key.clone(), cause: "a line of the other kind".into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(value: &Value) -> StoredItem {
        let key = ItemKey::new(Table::Ledger, "t#2026-11-28", "x");
        StoredItem { key, value: value.to_string(), version: 1, expires_at: None }
    }

    fn lines() -> [Value; 2] {
        let at: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let trace = TraceId::new(at);
        let event = EventLine::of_trace(trace, "ONCRMDEALUPDATE".into(), None, at, EventStatus::Routed);
        let status = DeliveryStatus::Delivered { at, provider_id: "C1/1.1".into() };
        let delivery = DeliveryLine::new(DeliveryId::of(&["d"]), trace, at, status);
        [LedgerLine::Event(event), LedgerLine::Delivery(delivery)].map(|line| serde_json::to_value(line).unwrap())
    }

    #[test]
    fn a_status_of_another_release_is_read_shown_and_written_back() {
        for mut line in lines() {
            line["status"] = json!("parked");
            line["parked_until"] = json!({"at": [1, 2]});
            let read: LedgerLine = item(&line).decode().unwrap();
            let shown = match &read {
                LedgerLine::Event(EventLine { status: EventStatus::Other(other), .. })
                | LedgerLine::Delivery(DeliveryLine { status: DeliveryStatus::Other(other), .. }) => other.to_string(),
                known => panic!("{known:?}"),
            };
            assert_eq!(shown, "another release has written the status `parked`, which this one does not know");
            let written = serde_json::to_value(&read).unwrap();
            assert_eq!(written, line);
        }
    }

    #[test]
    fn names_that_another_release_added_to_a_line_do_no_harm() {
        for line in lines() {
            let mut newer = line.clone();
            newer["added"] = json!({"by": "another release"});
            assert_eq!(item(&newer).decode::<LedgerLine>(), item(&line).decode());
        }
    }

    #[test]
    fn a_line_of_a_kind_that_only_another_release_knows_is_left_out_and_a_broken_one_is_not() {
        let [mut event, _] = lines();
        event["attempts"] = json!("many");
        assert!(known(&item(&event)).unwrap().is_err());
        event["line"] = json!("report");
        assert_eq!(known(&item(&event)), None);
        assert!(known(&item(&json!({"no": "line"}))).unwrap().is_err());
    }
}
