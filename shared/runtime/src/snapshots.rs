//! The last states of a record that we know: its snapshot and its readings.
//!
//! A *snapshot* is the state that the last decision saw, written only by the record's own job. A *reading* is a state
//! that was read meanwhile (one listing reads many records); the record's own job uses it instead of asking the
//! provider, if it began after the job's hint arrived.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TenantId;
use crate::clock::later;
use crate::store::{ItemKey, MAX_WRITES, Store, StoreError, StoreWrite, Table, Version, WriteCondition};

/// How long a reading can be used.
const READING_TTL: Duration = Duration::from_secs(15 * 60);

/// A record's state `S` when it was last acted on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot<S> {
    /// The state.
    pub state: S,
    /// When the read that saw it began.
    #[serde(flatten)]
    pub read: ReadMoment,
    /// Counts the states acted on; a change's identity.
    pub revision: u64,
    /// Whether the record is gone; the state is its last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Whether the sweep found the change: its event was lost, or will be late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub swept: bool,
}

impl<S> Snapshot<S> {
    /// The first snapshot of a record that is there.
    pub fn first(state: S, read: ReadMoment) -> Self {
        Self { state, read, revision: 1, gone: false, swept: false }
    }
}

/// The replacement for a person's words that were removed on request.
pub const REMOVED: &str = "(removed)";

impl<S: Serialize + DeserializeOwned> Snapshot<S> {
    /// The same with removed words filled in from the state just read: a removal here is not a change of the record.
    #[must_use]
    pub fn refilled(self, now: &S) -> Self {
        let (Ok(mut state), Ok(now)) = (serde_json::to_value(&self.state), serde_json::to_value(now)) else {
            return self;
        };
        if !refill(&mut state, &now) {
            return self;
        }
        match serde_json::from_value(state) {
            Ok(state) => Self { state, ..self },
            Err(_) => self,
        }
    }
}

/// Whether anything was removed, and is filled in now.
fn refill(before: &mut Value, now: &Value) -> bool {
    match before {
        Value::String(text) if text.contains(REMOVED) => {
            *before = now.clone();
            true
        }
        Value::Object(map) => map.iter_mut().fold(false, |any, (name, value)| {
            let now = now.get(name).unwrap_or(&Value::Null);
            refill(value, now) | any
        }),
        // A list's items have no names: it is taken as a whole.
        Value::Array(list) if list.iter().any(|value| value.to_string().contains(REMOVED)) => {
            *before = now.clone();
            true
        }
        _ => false,
    }
}

/// A record's state that was read for it in advance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadAhead<S> {
    /// The state, or why there is none: the provider's code.
    pub state: Result<S, String>,
    /// When the read began.
    #[serde(flatten)]
    pub read: ReadMoment,
}

/// When a read began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMoment {
    /// By our clock.
    #[serde(rename = "read_at")]
    pub here: Timestamp,
    /// By the provider's clock, if the provider gives it.
    #[serde(default, rename = "read_there_at", skip_serializing_if = "Option::is_none")]
    pub there: Option<Timestamp>,
}

/// A provider's clock that is further ahead of ours is not trusted: it would make a read look later than it was. A wait
/// for the limiter may be between our time of a read and the provider's.
const MAX_AHEAD: Duration = Duration::from_secs(5);

/// How long before a read a hint must have been sent, by the provider's clock. More than a trusted clock can be wrong:
/// the hint may have been stamped by another of the provider's machines, and times are whole seconds.
const PROVIDER_MARGIN: Duration = Duration::from_secs(10);

impl ReadMoment {
    /// Whether the read saw the change of a hint: it began after the hint arrived, or, by the provider's own clock,
    /// after the hint was sent (which is never before the change).
    pub fn sees(&self, arrived_at: Timestamp, sent_at: Option<Timestamp>) -> bool {
        let there = self.there.filter(|there| *there <= later(self.here, MAX_AHEAD));
        let there = there.zip(sent_at).is_some_and(|(read, sent)| read > later(sent, PROVIDER_MARGIN));
        self.here > arrived_at || there
    }
}

/// Reads and writes snapshots and readings.
#[derive(Clone)]
pub struct Records {
    store: Arc<dyn Store>,
}

impl Records {
    /// The records in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The snapshot of `record` (`deal#42`) and the version that [`snapshot_write`] takes.
    pub async fn snapshot<S: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        record: &str,
    ) -> Result<Option<(Snapshot<S>, Version)>, StoreError> {
        match self.store.get(&snapshot_key(tenant, record)).await? {
            Some(item) => Ok(Some((item.decode()?, item.version))),
            None => Ok(None),
        }
    }

    /// The latest reading of `record`.
    pub async fn reading<S: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        record: &str,
    ) -> Result<Option<ReadAhead<S>>, StoreError> {
        match self.store.get(&reading_key(tenant, record)).await? {
            Some(item) => Ok(Some(item.decode()?)),
            None => Ok(None),
        }
    }

    /// Leaves readings for the jobs of their records.
    pub async fn leave_readings<S: Serialize>(
        &self,
        tenant: &TenantId,
        readings: &[(String, ReadAhead<S>)],
    ) -> Result<(), StoreError> {
        for some in readings.chunks(MAX_WRITES) {
            let writes = some.iter().map(|(record, reading)| {
                Ok(StoreWrite::new(reading_key(tenant, record), reading, WriteCondition::Always)?
                    .expiring(later(reading.read.here, READING_TTL)))
            });
            self.store.put_all(writes.collect::<Result<_, StoreError>>()?).await?;
        }
        Ok(())
    }

    /// Fills in snapshots of records that have none, without touching those that have one. For a baseline.
    pub async fn fill<S: Serialize>(
        &self,
        tenant: &TenantId,
        snapshots: Vec<(String, Snapshot<S>)>,
    ) -> Result<(), StoreError> {
        for (record, snapshot) in snapshots {
            match self.store.put(snapshot_write(tenant, &record, &snapshot, None)?).await {
                Ok(_) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The write of a snapshot, to go with the ledger's lines in one transaction. `version` is the one that was
/// read; `None` if there was no snapshot.
pub fn snapshot_write<S: Serialize>(
    tenant: &TenantId,
    record: &str,
    snapshot: &Snapshot<S>,
    version: Option<Version>,
) -> Result<StoreWrite, StoreError> {
    StoreWrite::new(
        snapshot_key(tenant, record),
        snapshot,
        version.map_or(WriteCondition::Absent, WriteCondition::Version),
    )
}

fn snapshot_key(tenant: &TenantId, record: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#record"), record)
}

fn reading_key(tenant: &TenantId, record: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#reading"), record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_removed_is_no_change() {
        let snapshot = |state: Value| Snapshot::first(state, ReadMoment { here: at(1), there: None });
        let removed =
            snapshot(serde_json::json!({"title": "Order of (removed)", "sum": 5, "fm": [{"value": "(removed)"}]}));
        let now = serde_json::json!({"title": "Order of Ann", "sum": 6, "fm": [{"value": "a@example.com"}]});
        let refilled = serde_json::json!({"title": "Order of Ann", "sum": 5, "fm": [{"value": "a@example.com"}]});
        assert_eq!(removed.refilled(&now).state, refilled);
        let whole = snapshot(serde_json::json!({"title": "Order"}));
        assert_eq!(whole.clone().refilled(&now), whole);
    }

    #[test]
    fn a_read_sees_a_hint_that_arrived_before_it_or_was_sent_well_before_it() {
        let here_only = ReadMoment { here: at(100), there: None };
        assert!(here_only.sees(at(99), None));
        assert!(!here_only.sees(at(100), Some(at(10))), "the same moment is not before");
        let both = ReadMoment { here: at(100), there: Some(at(101)) };
        assert!(both.sees(at(170), Some(at(90))), "it came late, but tells of something older than the read");
        assert!(!both.sees(at(170), Some(at(91))), "within the margin it is not believed");
        assert!(!both.sees(at(170), None));
        let ahead = ReadMoment { here: at(100), there: Some(at(160)) };
        assert!(!ahead.sees(at(170), Some(at(120))), "a clock that is a minute ahead is not believed");
    }
}
