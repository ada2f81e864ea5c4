//! Which jobs the process falls on, so that a job that kills it costs itself and no other.
//!
//! A panic is caught, and a job that takes too long is cut off: both are known when they happen. A process that ends (out
//! of memory, out of time, a crash) says nothing. So a job that is handed out again notes that it begins, and a job that
//! ends with a retry notes that as well; a note without an end is a fall. How often a message was received says less: an
//! engine also counts receipts that nobody worked.
//!
//! To note costs one write before the work and one after a retry, and a read. A first try costs nothing, nor does a job
//! that is younger than the time after which a lost message comes back, nor one of which an end was noted within that
//! time: on AWS, where that is six minutes, a job that is refused every few seconds makes two writes in six minutes. The
//! first fall is therefore not counted, and the second makes the job a suspect, which is worked alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, is_recent, later, until};
use crate::job::{Fall, JobOutcome, ReceivedJob};
use crate::queue::{QueueName, after_a_fall};
use crate::retry::GIVE_UP_AFTER;
use crate::store::{ItemKey, Store, StoreError, StoreWrite, Table, WriteCondition};
use crate::{Backend, TenantId};

/// A job is given up after so many falls in a row that were counted.
pub(crate) const MAX_FALLS: u32 = 4;
/// A job that was cut off is given up after a day, but not before so many tries.
const MIN_CUT_OFFS: u32 = 5;
/// The longest wait of a job that was cut off.
const MAX_WAIT: Duration = Duration::from_secs(15 * 60);
/// How long falls are remembered after the last one: longer than a job is ever held back.
const FALLS_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a suspect waits while another one is worked.
const UNTIL_TURN: Duration = Duration::from_secs(5);

/// What is kept of a job's tries that had no end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FallRecord {
    /// A try has begun, and its end was not seen.
    began: bool,
    /// Tries in a row that ended with the process, or in a panic.
    falls: u32,
    /// Tries in a row that were cut off.
    cut_offs: u32,
    /// When the first of them was noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// What was said of the last one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cause: String,
    /// When this was written.
    at: Timestamp,
}

/// What a job's falls ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is worked like others.
    Clear,
    /// It is worked alone in its batch; with `needs_turn` no other suspect is worked in the same process meanwhile.
    Suspect {
        /// Whether the process may fall.
        needs_turn: bool,
    },
    /// It is given up.
    Hopeless { code: &'static str, reason: String },
}

impl FallRecord {
    /// The record when the job is received: a try of which no end was seen has fallen.
    fn received(mut self, now: Timestamp) -> Self {
        if std::mem::take(&mut self.began) {
            self.fall(now, "the process ended while the job was worked: out of memory, out of time, or a crash".into());
        }
        self
    }

    fn fall(&mut self, now: Timestamp, cause: String) {
        self.falls += 1;
        self.since.get_or_insert(now);
        self.cause = cause;
    }

    /// The record after a fall that was seen.
    fn after(mut self, fall: &Fall, now: Timestamp) -> Self {
        self.began = false;
        match fall {
            Fall::Panicked(message) => self.fall(now, format!("its code panicked: {message}")),
            Fall::CutOff(limit) => {
                self.cut_offs += 1;
                self.since.get_or_insert(now);
                self.cause = format!("it did not end within {} seconds", limit.as_secs());
            }
        }
        self
    }

    fn is_clear(&self) -> bool {
        !self.began && self.falls == 0 && self.cut_offs == 0
    }

    fn standing(&self, now: Timestamp) -> Standing {
        let since = self.since.map_or(Duration::ZERO, |since| until(since, now));
        if self.falls >= MAX_FALLS {
            let reason = format!(
                "{} tries in a row had no end, the last ones alone; {}. Look into the log for its trace, correct what it \
                 fails on or update Switchboard, then redrive it",
                self.falls, self.cause
            );
            return Standing::Hopeless { code: "job_fell", reason };
        }
        if self.cut_offs >= MIN_CUT_OFFS && since >= GIVE_UP_AFTER {
            let reason = format!(
                "it was cut off {} times within a day; {}. Look into the log for what it waits for, then redrive it",
                self.cut_offs, self.cause
            );
            return Standing::Hopeless { code: "job_too_long", reason };
        }
        if self.falls > 0 || self.cut_offs > 0 {
            return Standing::Suspect { needs_turn: self.falls > 0 };
        }
        Standing::Clear
    }

    /// How long it waits before its next try.
    fn wait(&self) -> Duration {
        let doubled = Duration::from_secs(5 << self.cut_offs.min(10)).min(MAX_WAIT);
        if self.cut_offs > 0 { doubled } else { after_a_fall(self.falls) }
    }
}

/// Lets a process work one suspect at a time: if it falls, it is known on which.
#[derive(Debug, Clone, Default)]
pub struct SuspectTurn(Arc<AtomicBool>);

/// The turn of a suspect, which ends with this.
pub(crate) struct Turn(Arc<AtomicBool>);

impl SuspectTurn {
    /// The turn, if no suspect has it.
    pub(crate) fn take(&self) -> Option<Turn> {
        let is_free = self.0.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        is_free.then(|| Turn(self.0.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A job of the batch.
struct WatchedJob {
    key: ItemKey,
    record: FallRecord,
    /// Whether its record was looked for.
    is_known: bool,
    /// Whether its next try is noted.
    is_noted: bool,
    /// Whether this try has been noted.
    has_begun: bool,
}

/// The falls of the jobs of a batch.
pub(crate) struct Falls {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    jobs: Mutex<HashMap<String, WatchedJob>>,
}

impl Falls {
    /// Reads what is kept of these jobs. A store that fails is no reason not to work: then nothing is known.
    pub(crate) async fn of<T>(backend: &Backend, queue: QueueName, jobs: &[ReceivedJob<T>]) -> Self {
        let (now, returns_after) = (backend.clock.now(), backend.queue.returns_after(queue));
        let watched = join_all(jobs.iter().map(|job| async move {
            let key = key(&job.tenant, queue, &job.id);
            // Younger ones cannot have been lost, and first tries have not.
            let may_have_fallen = job.attempt > 1 && !is_recent(now, job.arrived_at(), returns_after);
            let found = if may_have_fallen { find(backend.store.as_ref(), &key).await } else { None };
            let was_clear_lately =
                found.as_ref().is_some_and(|found| found.is_clear() && is_recent(now, found.at, returns_after));
            let watched = WatchedJob {
                key,
                record: found.unwrap_or_default().received(now),
                is_known: may_have_fallen,
                is_noted: may_have_fallen && !was_clear_lately,
                has_begun: false,
            };
            (job.id.clone(), watched)
        }));
        let jobs = Mutex::new(watched.await.into_iter().collect());
        Self { store: backend.store.clone(), clock: backend.clock.clone(), jobs }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<String, WatchedJob>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn standing(&self, id: &str) -> Standing {
        self.jobs().get(id).map_or(Standing::Clear, |job| job.record.standing(self.clock.now()))
    }

    /// Notes that a job begins, if its falls are counted.
    pub(crate) async fn begin(&self, id: &str) {
        let beginning = self.jobs().get_mut(id).filter(|job| job.is_noted && !job.has_begun).map(|job| {
            job.has_begun = true;
            (job.key.clone(), FallRecord { began: true, ..job.record.clone() })
        });
        if let Some((key, record)) = beginning {
            self.keep(&key, record).await;
        }
    }

    /// What becomes of a job that ended so; its record follows.
    pub(crate) async fn ended(&self, id: &str, outcome: JobOutcome) -> JobOutcome {
        let known = self.jobs().get(id).map(|job| (job.key.clone(), job.record.clone(), job.is_known, job.has_begun));
        let Some((key, record, is_known, has_begun)) = known else { return outcome };
        match outcome {
            // Its message is gone, and the record is forgotten in a day.
            JobOutcome::Done | JobOutcome::Skip(_) | JobOutcome::Dead { .. } => outcome,
            JobOutcome::Retry { .. } => {
                if has_begun {
                    self.keep(&key, FallRecord::default()).await;
                }
                outcome
            }
            JobOutcome::Returned { .. } => {
                if has_begun {
                    self.keep(&key, record).await;
                }
                outcome
            }
            JobOutcome::Fell(fall) => {
                let found = if is_known { None } else { find(self.store.as_ref(), &key).await };
                let now = self.clock.now();
                let record = found.unwrap_or(record).after(&fall, now);
                let outcome = match record.standing(now) {
                    Standing::Hopeless { code, reason } => JobOutcome::Dead { code: code.into(), reason },
                    _ => JobOutcome::Retry { after: record.wait(), cause: record.cause.clone() },
                };
                self.keep(&key, record).await;
                outcome
            }
        }
    }

    async fn keep(&self, key: &ItemKey, record: FallRecord) {
        let now = self.clock.now();
        let write = StoreWrite::new(key.clone(), &FallRecord { at: now, ..record }, WriteCondition::Always);
        let kept = match write {
            Ok(write) => self.store.put(write.expiring(later(now, FALLS_TTL))).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "whether a job ends could not be noted");
        }
    }
}

/// The outcome of a suspect while another one is worked.
pub(crate) fn until_its_turn() -> JobOutcome {
    JobOutcome::Retry { after: UNTIL_TURN, cause: "another job on which the process may fall is worked".into() }
}

fn key(tenant: &TenantId, queue: QueueName, id: &str) -> ItemKey {
    ItemKey::new(Table::Limits, format!("{tenant}#falls"), format!("{}#{id}", queue.name()))
}

async fn find(store: &dyn Store, key: &ItemKey) -> Option<FallRecord> {
    let found = store.get(key).await.and_then(|item| item.map(|item| item.decode()).transpose());
    found.unwrap_or_else(|error: StoreError| {
        tracing::warn!(%error, "whether a job has ended before is not known");
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn begun(record: FallRecord) -> FallRecord {
        FallRecord { began: true, ..record }
    }

    #[test]
    fn tries_without_an_end_make_a_suspect_and_four_in_a_row_a_dead_letter() {
        let mut record = FallRecord::default().received(at(0));
        assert_eq!(record.standing(at(0)), Standing::Clear);
        for _ in 1..MAX_FALLS {
            record = begun(record).received(at(0));
            assert_eq!(record.standing(at(0)), Standing::Suspect { needs_turn: true });
        }
        let Standing::Hopeless { code, reason } = begun(record).received(at(0)).standing(at(0)) else {
            panic!("it is given up")
        };
        assert_eq!(code, "job_fell");
        assert!(reason.starts_with("4 tries in a row had no end") && reason.contains("redrive"), "{reason}");
    }

    #[test]
    fn a_panic_counts_and_its_message_is_the_cause() {
        let record = FallRecord::default().after(&Fall::Panicked("index 7".into()), at(0));
        assert_eq!(record.standing(at(0)), Standing::Suspect { needs_turn: true });
        assert_eq!((record.cause.as_str(), record.wait()), ("its code panicked: index 7", Duration::from_secs(5)));
        assert_eq!(record.received(at(9)).falls, 1, "it has ended: it is not counted twice");
    }

    #[test]
    fn what_is_cut_off_is_tried_for_a_day_at_growing_intervals() {
        let cut_off = Fall::CutOff(Duration::from_secs(55));
        let mut record = FallRecord::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            record = record.after(&cut_off, at(0));
            waits.push(record.wait().as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900, 900]);
        assert_eq!(record.standing(at(86_399)), Standing::Suspect { needs_turn: false });
        assert!(matches!(record.standing(at(86_400)), Standing::Hopeless { code: "job_too_long", .. }));
        let late = FallRecord { cut_offs: 1, since: Some(at(0)), ..FallRecord::default() };
        assert_eq!(late.standing(at(90_000)), Standing::Suspect { needs_turn: false }, "a few tries at least");
    }

    #[test]
    fn one_suspect_has_the_turn_at_a_time() {
        let (turn, other) = (SuspectTurn::default(), SuspectTurn::default());
        let taken = turn.clone().take();
        assert!(taken.is_some() && turn.take().is_none() && other.take().is_some());
        drop(taken);
        assert!(turn.take().is_some());
    }
}
