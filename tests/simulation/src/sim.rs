//! What every part of a history shares: its seed, time, trace, streams of random numbers, and what goes wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::VirtualClock;
use crate::dice::Dice;
use crate::plant::PlantedBug;
use crate::trace::Trace;
use crate::weather::Weather;

/// The world of one history.
pub struct Sim {
    /// Where everything follows from.
    pub seed: u64,
    /// True time.
    pub clock: Arc<VirtualClock>,
    /// What happened.
    pub trace: Trace,
    /// What people do, and when.
    pub people: Dice,
    /// What they write.
    pub data: Dice,
    /// How long everything takes: it decides which task is ready first.
    pub schedule: Dice,
    /// What goes wrong, and when.
    pub faults: Dice,
    /// What goes wrong now.
    pub weather: Weather,
    /// The bug that the invariants have to find, if one is planted.
    pub planted: Option<PlantedBug>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    jobs: Mutex<SeenJobs>,
}

/// What was put on queues.
#[derive(Debug, Default, Clone)]
pub struct SeenJobs {
    /// The traces of events, with their tenants and queues.
    pub traces: BTreeMap<(String, String), &'static str>,
    /// Which job was the first about a message with a word, by queue: an edit that arrives first is copied as the message.
    pub words: BTreeMap<(&'static str, String), usize>,
    number: usize,
}

impl Sim {
    /// A new world; time begins with it.
    pub fn new(seed: u64, clock: Arc<VirtualClock>, weather: Weather, planted: Option<PlantedBug>) -> Self {
        Self {
            seed,
            trace: Trace::new(clock.clone()),
            clock,
            people: Dice::new(seed, "people"),
            data: Dice::new(seed, "data"),
            schedule: Dice::new(seed, "schedule"),
            faults: Dice::new(seed, "faults"),
            weather,
            planted,
            counts: Mutex::default(),
            jobs: Mutex::default(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a job that is put on a queue and that the queue keeps.
    pub fn saw_job(&self, queue: &'static str, body: &str) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        self.count("jobs");
        jobs.number += 1;
        let number = jobs.number;
        if let Some((tenant, trace)) = runtime::envelope::origin(body) {
            jobs.traces.entry((tenant, trace)).or_insert(queue);
        }
        for word in words_in(body) {
            jobs.words.entry((queue, word.to_owned())).or_insert(number);
        }
    }

    /// What was put on queues so far.
    pub fn jobs(&self) -> SeenJobs {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts something for the summary.
    pub fn count(&self, what: &'static str) {
        *self.counts().entry(what).or_default() += 1;
    }

    /// Counts a fault, and notes it.
    pub fn fault(&self, kind: &'static str, what: &str) {
        self.count(kind);
        self.trace.note(format!("fault   {kind}: {what}"));
    }

    /// What was counted so far.
    pub fn counted(&self) -> BTreeMap<&'static str, u64> {
        self.counts().clone()
    }

    /// Whether this bug is planted.
    pub fn has(&self, bug: PlantedBug) -> bool {
        self.planted == Some(bug)
    }

    /// Whether this bug is planted and shows now: it does every so many times.
    pub fn shows(&self, bug: PlantedBug, every: u64) -> bool {
        if !self.has(bug) {
            return false;
        }
        let mut counts = self.counts();
        let count = counts.entry("chances of the planted bug").or_default();
        *count += 1;
        count.is_multiple_of(every)
    }
}

/// The words of our people in a text.
pub fn words_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('w').filter_map(move |(at, _)| {
        let word = text.get(at..at + 8)?;
        let is_word = word.ends_with('x') && word[1..7].bytes().all(|byte| byte.is_ascii_hexdigit());
        is_word.then_some(word)
    })
}
