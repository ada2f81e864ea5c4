//! The generation of what we keep: whether the store was restored from a backup, and when.
//!
//! After a restore the store knows less than was done: what was sent between the backup and the restore has no trace in
//! it. So every effect whose cause is older than the restore may have been made already, and is looked up at its provider
//! before it is made (`RestoreMark::is_doubtful`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, earlier, later};
use crate::store::{ItemKey, Store, StoreError, StoreWrite, Table, WriteCondition};

/// How long a reading of the mark is used. The store is restored while nothing runs, or, on AWS, before the functions
/// use it.
const READING_TTL: Duration = Duration::from_secs(60);
/// How long a restore matters: longer than a queue keeps a job and the ledger its lines.
const MARK_TTL: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// How long the moment of the last beat is kept: a host that rests for longer is not recognised.
const BEAT_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What happened later than this before the work on the lost store ended may not have been acted on any more.
const LAST_WORK: Duration = Duration::from_secs(5 * 60);

/// A restore of the store from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreMark {
    /// When it was restored: nothing that is known here to have happened later is in doubt.
    pub restored_at: Timestamp,
    /// When the backup was made, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_at: Option<Timestamp>,
    /// Until when work was done on the store that was lost, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_until: Option<Timestamp>,
}

impl RestoreMark {
    /// A restore of which nothing is known but its time.
    pub fn at(restored_at: Timestamp) -> Self {
        Self { restored_at, backup_at: None, worked_until: None }
    }

    /// Whether an effect may have been made without a trace here, if its cause may be as old as `caused_at`.
    pub fn is_doubtful(&self, caused_at: Timestamp) -> bool {
        caused_at <= self.restored_at
    }

    /// Whether what happened at a moment was certainly acted on, without a trace here: long enough before the work ended.
    pub fn was_acted_on(&self, happened_at: Timestamp) -> bool {
        let last = earlier(self.worked_until.unwrap_or(self.restored_at), LAST_WORK);
        self.backup_at.is_none_or(|backup| backup < happened_at) && happened_at < last
    }

    /// The earliest moment at which an effect of such a cause can have been made without a trace here.
    pub fn earliest_effect(&self, caused_at: Timestamp) -> Timestamp {
        self.backup_at.map_or(caused_at, |backup| backup.max(caused_at))
    }
}

/// Reads the mark, at most once a minute. Cheap to clone; clones share what they read.
#[derive(Clone)]
pub struct Generation {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    seen: Arc<Mutex<Option<(Option<RestoreMark>, Timestamp)>>>,
}

impl Generation {
    /// The generation of what `store` keeps.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, seen: Arc::default() }
    }

    /// The last restore, if there was one that still matters.
    pub async fn restored(&self) -> Result<Option<RestoreMark>, StoreError> {
        let now = self.clock.now();
        if let Some((mark, read_at)) = *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
            && read_at <= now
            && now < later(read_at, READING_TTL)
        {
            return Ok(mark);
        }
        let mark = find(self.store.as_ref()).await?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((mark, now));
        Ok(mark)
    }

    /// Whether something may have been done already without a trace here, if its cause may be as old as `caused_at`.
    pub async fn is_doubtful(&self, caused_at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.restored().await?.is_some_and(|mark| mark.is_doubtful(caused_at)))
    }
}

/// The last restore, read from the store.
pub async fn find(store: &dyn Store) -> Result<Option<RestoreMark>, StoreError> {
    store.get(&mark_key()).await?.map(|item| item.decode()).transpose()
}

/// Marks that the store was restored at `restored_at`. Call it before anything works on what was restored.
pub async fn mark_restored(store: &dyn Store, mark: RestoreMark) -> Result<(), StoreError> {
    let write = StoreWrite::new(mark_key(), &mark, WriteCondition::Always)?;
    store.put(write.expiring(later(mark.restored_at, MARK_TTL))).await.map(|_| ())
}

/// Notes in the store that a host works on it now. The host keeps the same moment outside of the store, after this
/// returned: a store that knows only an earlier moment was put in place of the one that the host worked on.
pub async fn beat(store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    let write = StoreWrite::new(beat_key(), &now, WriteCondition::Always)?;
    store.put(write.expiring(later(now, BEAT_TTL))).await.map(|_| ())
}

/// When a host last noted that it works on the store.
pub async fn last_beat(store: &dyn Store) -> Result<Option<Timestamp>, StoreError> {
    store.get(&beat_key()).await?.map(|item| item.decode()).transpose()
}

/// Marks the store as restored if it is older than what the host last worked on: `beat_outside` is the moment that the
/// host kept. Returns the mark if it made one. Call it at start, before anything works on the store.
pub async fn notice_restore(
    store: &dyn Store,
    beat_outside: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<RestoreMark>, StoreError> {
    let Some(mark) = put_in_place(last_beat(store).await?, beat_outside, now) else { return Ok(None) };
    mark_restored(store, mark).await?;
    Ok(Some(mark))
}

/// The restore that the two moments of the last beat show, if they show one.
fn put_in_place(inside: Option<Timestamp>, outside: Option<Timestamp>, now: Timestamp) -> Option<RestoreMark> {
    let outside = outside?;
    let is_older = inside.is_none_or(|inside| inside < outside);
    // A clock that was set back since does not make the restore earlier than what was done before it.
    is_older.then(|| RestoreMark { restored_at: outside.max(now), backup_at: inside, worked_until: Some(outside) })
}

fn mark_key() -> ItemKey {
    ItemKey::new(Table::Portals, "#generation", "restored")
}

fn beat_key() -> ItemKey {
    ItemKey::new(Table::Portals, "#generation", "beat")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_what_was_caused_before_the_restore_is_doubtful() {
        let mark = RestoreMark { backup_at: Some(at(50)), ..RestoreMark::at(at(100)) };
        assert_eq!([at(99), at(100), at(101)].map(|moment| mark.is_doubtful(moment)), [true, true, false]);
        assert_eq!([at(40), at(60)].map(|moment| mark.earliest_effect(moment)), [at(50), at(60)]);
        let unknown = RestoreMark { backup_at: None, ..mark };
        assert_eq!(unknown.earliest_effect(at(40)), at(40));
    }
    #[test]
    fn what_happened_shortly_before_the_end_of_the_work_may_not_have_been_acted_on() {
        let mark =
            RestoreMark { backup_at: Some(at(1_000)), worked_until: Some(at(5_000)), ..RestoreMark::at(at(9_000)) };
        assert_eq!(
            [900, 1_001, 4_699, 4_700, 6_000].map(|moment| mark.was_acted_on(at(moment))),
            [false, true, true, false, false]
        );
    }

    #[test]
    fn a_store_that_is_older_than_the_last_beat_was_put_in_place() {
        let restored = |restored_at, backup_at| {
            Some(RestoreMark { backup_at, worked_until: Some(at(90)), ..RestoreMark::at(at(restored_at)) })
        };
        assert_eq!(put_in_place(Some(at(50)), Some(at(90)), at(100)), restored(100, Some(at(50))));
        assert_eq!(put_in_place(None, Some(at(90)), at(100)), restored(100, None));
        assert_eq!(put_in_place(Some(at(50)), Some(at(90)), at(70)), restored(90, Some(at(50))));
        // A host that ended between the two notes, and one that begins.
        assert_eq!(put_in_place(Some(at(90)), Some(at(50)), at(100)), None);
        assert_eq!(put_in_place(Some(at(90)), Some(at(90)), at(100)), None);
        assert_eq!(put_in_place(Some(at(90)), None, at(100)), None);
    }
}
