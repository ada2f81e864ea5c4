//! Dead letters of a tenant: grouped by cause; retried or discarded one by one, by group or by filter.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jobs::queues;
use runtime::ledger::{DeliveryStatus, EventStatus, Ledger};
use runtime::queue::{Buried, DeadLetter, Fate, QueueError, QueueName};
use runtime::store::StoreError;
use runtime::{Backend, DeliveryId, TenantId, TraceId};
use serde::Serialize;
use serde_json::Value;
use tenants::audit::{Audit, AuditEntry};

/// The most dead letters of a queue that are read; more need another run.
pub const MAX_LETTERS: usize = 1_000;

/// A dead letter with its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// The queue that its job was on.
    pub queue: QueueName,
    /// The dead letter.
    #[serde(flatten)]
    pub buried: Buried,
}

impl Letter {
    /// Its name: its queue and its id there.
    pub fn name(&self) -> String {
        format!("{}/{}", self.queue.name(), self.buried.id)
    }

    /// What its job is about, as far as the job says: a record and a destination.
    pub fn about(&self) -> String {
        let Ok(job) = serde_json::from_str::<Value>(&self.buried.letter.body) else { return String::new() };
        let body = &job["body"];
        let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let record = text("record").or_else(|| text("event")).or_else(|| text("database"));
        let place = text("channel").or_else(|| text("dialog"));
        [record, place].into_iter().flatten().collect::<Vec<_>>().join(" → ")
    }
}

/// Dead letters with the same cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterGroup {
    pub queue: QueueName,
    pub code: String,
    /// The reason of the newest one.
    pub reason: String,
    /// When the first of them was given up.
    pub oldest: Timestamp,
    /// When the last one was.
    pub newest: Timestamp,
    /// The dead letters, oldest first.
    pub letters: Vec<Letter>,
}

/// Which dead letters are meant. All conditions have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    pub queue: Option<QueueName>,
    pub code: Option<String>,
    /// This one: `slack-delivery/17`.
    pub name: Option<String>,
    /// With these words in reason, trace or job.
    pub text: String,
}

impl Which {
    /// Whether a dead letter is meant.
    pub fn means(&self, letter: &Letter) -> bool {
        let own = &letter.buried.letter;
        let words = || format!("{} {} {} {}", own.code, own.reason, own.trace, own.body).to_lowercase();
        self.queue.is_none_or(|queue| queue == letter.queue)
            && self.code.as_ref().is_none_or(|code| *code == own.code)
            && self.name.as_ref().is_none_or(|name| *name == letter.name())
            && self.text.to_lowercase().split_whitespace().all(|word| words().contains(word))
    }
}

/// The result of redriving or discarding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RedriveOutcome {
    /// The dead letters that were redriven or discarded.
    pub letters: Vec<Letter>,
}

/// Lists, redrives and discards dead letters.
#[derive(Clone)]
pub struct Letters<'a> {
    /// The engine.
    pub backend: &'a Backend,
    /// The tenant whose dead letters are shown and changed. `None` for the operator of the deployment: all of them,
    /// including those without a known tenant.
    pub tenant: Option<&'a TenantId>,
}

impl Letters<'_> {
    fn is_own(&self, letter: &DeadLetter) -> bool {
        self.tenant.is_none_or(|tenant| letter.tenant == tenant.as_str())
    }

    /// Those that are meant, oldest first.
    pub async fn list(&self, which: &Which) -> Result<Vec<Letter>, QueueError> {
        let mut letters = Vec::new();
        for queue in queues(which) {
            for buried in self.backend.queue.dead_letters(queue, MAX_LETTERS).await? {
                let letter = Letter { queue, buried };
                if self.is_own(&letter.buried.letter) && which.means(&letter) {
                    letters.push(letter);
                }
            }
        }
        letters.sort_by_key(|letter| letter.buried.letter.buried_at);
        Ok(letters)
    }

    /// Sends jobs again. Doing it twice is safe: a dead letter is in its queue once, and a finished job is recognised.
    pub async fn redrive(&self, which: &Which, who: &str) -> Result<RedriveOutcome, DeadLetterError> {
        let done = self.sift(which, Fate::Redrive).await?;
        if !done.letters.is_empty() {
            self.note(who, "dead letters redriven", which, &done).await?;
        }
        Ok(done)
    }

    /// Removes dead letters for good, and writes the reason into their lines.
    pub async fn discard(&self, which: &Which, who: &str, why: &str) -> Result<RedriveOutcome, DeadLetterError> {
        let ledger = Ledger::new(self.backend.store.clone());
        // First the log, then the letter: a crash in between leaves a letter whose line is ahead of it, and discarding
        // it again fixes that.
        for letter in self.list(which).await? {
            self.write_off(&ledger, &letter, &format!("discarded by {who}: {why}")).await?;
        }
        let done = self.sift(which, Fate::Discard).await?;
        if !done.letters.is_empty() {
            self.note(who, &format!("dead letters discarded: {why}"), which, &done).await?;
        }
        Ok(done)
    }

    async fn sift(&self, which: &Which, fate: Fate) -> Result<RedriveOutcome, QueueError> {
        let mut done = RedriveOutcome::default();
        for queue in queues(which) {
            let mut judge = |buried: &Buried| {
                let letter = Letter { queue, buried: buried.clone() };
                if self.is_own(&buried.letter) && which.means(&letter) { fate } else { Fate::Keep }
            };
            let moved = self.backend.queue.sift(queue, MAX_LETTERS, &mut judge).await?;
            done.letters.extend(moved.into_iter().map(|buried| Letter { queue, buried }));
        }
        Ok(done)
    }

    async fn note(&self, who: &str, what: &str, which: &Which, done: &RedriveOutcome) -> Result<(), StoreError> {
        let count = done.letters.len();
        let of = match (&which.name, &which.code) {
            (Some(name), _) => name.clone(),
            (None, Some(code)) => format!("{count} × {code}"),
            (None, None) => format!("{count} letters"),
        };
        let audit = Audit::new(self.backend.store.clone());
        let mut traces: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for letter in &done.letters {
            traces.entry(&letter.buried.letter.tenant).or_default().push(&letter.buried.letter.trace);
        }
        for (tenant, traces) in traces {
            // The tenant of a job that cannot be read is unknown.
            let Ok(tenant) = TenantId::new(tenant) else { continue };
            let some: Vec<_> = traces.into_iter().take(20).collect();
            let entry = AuditEntry::new(self.backend.clock.now(), who, what, &of).changed(&some.join(" "), "");
            audit.note(&tenant, &entry).await?;
        }
        Ok(())
    }

    /// Writes the end of a discarded job into its line.
    async fn write_off(&self, ledger: &Ledger, letter: &Letter, reason: &str) -> Result<(), StoreError> {
        let Ok(trace) = letter.buried.letter.trace.parse::<TraceId>() else { return Ok(()) };
        let Ok(tenant) = TenantId::new(letter.buried.letter.tenant.as_str()) else { return Ok(()) };
        let job: Value = serde_json::from_str(&letter.buried.letter.body).unwrap_or_default();
        if let Some(id) = job["body"]["delivery"].as_str() {
            let found = ledger.delivery(&tenant, trace, &DeliveryId::from_text(id)).await?;
            let Some((mut line, version)) = found else { return Ok(()) };
            if matches!(line.status, DeliveryStatus::Dead { .. }) {
                line.status = DeliveryStatus::Skipped { reason: reason.to_owned() };
                match ledger.record_delivery(&tenant, line, version).await {
                    Err(StoreError::Conflict(_)) | Ok(_) => {}
                    Err(error) => return Err(error),
                }
            }
        } else if let Some(mut event) = ledger.event(&tenant, trace).await?
            && matches!(event.status, EventStatus::Dead { .. })
        {
            event.status = EventStatus::Skipped { reason: reason.to_owned() };
            ledger.record_event(&tenant, event).await?;
        }
        Ok(())
    }
}

/// Why dead letters could not be listed or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterError {
    Queue(QueueError),
    Store(StoreError),
}

impl From<QueueError> for DeadLetterError {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl From<StoreError> for DeadLetterError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl std::error::Error for DeadLetterError {}

impl std::fmt::Display for DeadLetterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Queue(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

fn queues(which: &Which) -> impl Iterator<Item = QueueName> {
    let named = which.name.as_ref().and_then(|name| name.split_once('/')).map(|(queue, _)| queue.to_owned());
    let only = which.queue;
    queues::ALL.into_iter().filter(move |queue| {
        only.is_none_or(|only| only == *queue) && named.as_ref().is_none_or(|named| named == queue.name())
    })
}

/// The dead letters by cause, the largest group first.
pub fn grouped(letters: Vec<Letter>) -> Vec<DeadLetterGroup> {
    let mut groups: BTreeMap<(QueueName, String), DeadLetterGroup> = BTreeMap::new();
    for letter in letters {
        let own = &letter.buried.letter;
        let group = groups.entry((letter.queue, own.code.clone())).or_insert_with(|| DeadLetterGroup {
            queue: letter.queue,
            code: own.code.clone(),
            reason: String::new(),
            oldest: own.buried_at,
            newest: own.buried_at,
            letters: Vec::new(),
        });
        group.oldest = group.oldest.min(own.buried_at);
        if own.buried_at >= group.newest {
            group.newest = own.buried_at;
            group.reason.clone_from(&own.reason);
        }
        group.letters.push(letter);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.letters.len()));
    groups
}
