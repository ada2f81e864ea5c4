//! The queue port: FIFO by group, at least once, with a dead-letter queue for each queue.
//!
//! Messages of one group arrive in the order they were sent, and a group waits while one of its messages is out. Groups
//! do not wait for each other. This is what SQS FIFO promises; the other engines promise the same.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::TenantId;
use crate::tenant_places::TenantPlaces;

/// The name of a queue. Which queues exist is defined outside of this module: an engine carries any name that it is
/// given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct QueueName(&'static str);

impl QueueName {
    /// A name that the code knows.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// A name that was read: from the environment, or from a stored decision.
    pub fn read(name: &str) -> Self {
        static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return Self(known);
        }
        // Each name is kept once, as long as the process runs. There are few.
        let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
        names.insert(kept);
        Self(kept)
    }

    /// The name by which engines and logs know the queue.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// How long a received message is out before the queue delivers it again by itself. On AWS six times the function's
    /// time-out, as AWS advises.
    pub fn visibility(self) -> Duration {
        Duration::from_secs(360)
    }
}

impl<'de> Deserialize<'de> for QueueName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer).map(|name| Self::read(&name))
    }
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMessage {
    /// Messages of one group keep their order.
    pub group: String,
    /// The queue drops a second message with the same id within five minutes. Every hint has its own.
    pub deduplication: String,
    /// The job's text.
    pub body: String,
}

/// A message with the queue that it goes to, as a decision keeps it until it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedMessage {
    /// Where it goes.
    pub queue: QueueName,
    /// The message.
    #[serde(flatten)]
    pub message: QueueMessage,
}

/// A message that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message's id on this queue.
    pub id: String,
    /// What settles this receipt.
    pub receipt: String,
    /// Its group. Empty if the engine does not report it.
    pub group: String,
    /// The job's text.
    pub body: String,
    /// How often it was handed out, this time included.
    pub attempt: u32,
}

impl Received {
    /// Whose it is: every group begins with its tenant.
    pub fn tenant(&self) -> &str {
        tenant_of(&self.group)
    }

    /// What identifies the burial of this message after this receipt: the same burial repeated is one letter, and
    /// another one is another letter, also if the job's text is the same.
    pub fn burial(&self) -> String {
        format!("{}#{}", self.id, self.attempt)
    }
}

/// The tenant that a group begins with.
pub fn tenant_of(group: &str) -> &str {
    group.split('#').next().unwrap_or(group)
}

/// A job that was given up, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The provider's code or ours, for grouping: `channel_not_found`.
    pub code: String,
    /// What happened, where, and what to do.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The trace of its event.
    pub trace: String,
    /// Its tenant.
    pub tenant: String,
    /// When it was given up.
    pub buried_at: Timestamp,
    /// The job's text, as it was on the queue.
    pub body: String,
    /// Its group, so that a redrive keeps the order.
    pub group: String,
}

/// The code of a dead letter that SQS itself moved because it had been handed out too often.
pub const HANDED_OUT_TOO_OFTEN: &str = "handed_out_too_often";

impl DeadLetter {
    /// The dead letter in a message's text, if it is one: it was moved back without being opened.
    pub fn of_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The dead letter of a job that the engine gave up, without a reason from its handler.
    pub fn unexplained(body: String, group: String, attempts: u32, buried_at: Timestamp) -> Self {
        let (tenant, trace) = crate::envelope::origin(&body).unwrap_or_default();
        let reason = format!(
            "it was handed out {attempts} times and never finished; look into the function's log for its trace, then redrive it"
        );
        Self { code: HANDED_OUT_TOO_OFTEN.into(), reason, attempts, trace, tenant, buried_at, body, group }
    }

    /// The group that its job goes back to.
    pub fn way_back(&self) -> String {
        [&self.group, &self.tenant]
            .into_iter()
            .find(|name| !name.is_empty())
            .map_or_else(|| "unknown".into(), Clone::clone)
    }
}

/// A dead letter in its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Buried {
    /// Its id in its dead-letter queue.
    pub id: String,
    /// The dead letter itself.
    #[serde(flatten)]
    pub letter: DeadLetter,
}

impl Buried {
    /// Its job, ready to be sent again. The same dead letter sent again twice within five minutes is one job.
    pub fn job(&self) -> QueueMessage {
        let deduplication = format!("redrive#{}#{}", self.id, self.letter.buried_at.as_millisecond());
        QueueMessage { group: self.letter.way_back(), deduplication, body: self.letter.body.clone() }
    }
}

/// What to do with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays where it is.
    Keep,
    /// Its job goes back to the end of its group.
    Redrive,
    /// It is taken away for good.
    Discard,
}

/// Decides what to do with each dead letter.
pub type Judge<'a> = &'a mut (dyn for<'b> FnMut(&'b Buried) -> Fate + Send);

/// How long a message waits whose handler did not say what becomes of it, when it was handed out `attempt` times: 5 s,
/// 10 s, 20 s … 320 s.
pub fn after_a_fall(attempt: u32) -> Duration {
    Duration::from_secs(5 << attempt.saturating_sub(1).min(6))
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Depth {
    /// Messages waiting or out.
    pub waiting: u64,
    /// Messages in its dead-letter queue.
    pub dead: u64,
    /// When the event behind the oldest message arrived, if the engine reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
}

/// The queue failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("queue {queue}: {cause}")]
pub struct QueueError {
    /// Which queue.
    pub queue: &'static str,
    /// What it said.
    pub cause: String,
}

/// Carries jobs. A send that returned is durable.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Sends the messages in order. On an error some of them may have been sent; sending all again is safe,
    /// as the deduplication ids are the same.
    async fn send(&self, queue: QueueName, messages: Vec<QueueMessage>) -> Result<(), QueueError>;

    /// Hands out up to `most` messages (1 to 10) that are ready, waiting up to `wait` for the first.
    async fn receive(&self, queue: QueueName, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError>;

    /// The same, except for messages of tenants that have all the `places` that they may have. It also wakes when a place
    /// is given back. An engine that cannot choose hands out any.
    async fn receive_sparing(
        &self,
        queue: QueueName,
        most: usize,
        wait: Duration,
        places: &Arc<TenantPlaces>,
    ) -> Result<Vec<Received>, QueueError> {
        let _ = places;
        self.receive(queue, most, wait).await
    }

    /// Removes finished messages from the queue.
    async fn delete(&self, queue: QueueName, receipts: Vec<String>) -> Result<(), QueueError>;

    /// Puts a received message back, to be handed out again `after` that time (at most 12 hours). Its group
    /// waits with it.
    async fn delay(&self, queue: QueueName, receipt: &str, after: Duration) -> Result<(), QueueError>;

    /// Puts back at once a received message that was not worked. Where the engine can, the receipt counts as none.
    async fn return_unworked(&self, queue: QueueName, receipt: &str) -> Result<(), QueueError> {
        self.delay(queue, receipt, Duration::ZERO).await
    }

    /// The least time after which a message is handed out again that nobody settled.
    fn returns_after(&self, queue: QueueName) -> Duration {
        let _ = queue;
        after_a_fall(1)
    }

    /// Hands out now what was put back for later of a tenant's messages, on every queue: what they waited for is there.
    /// Messages that are out, and are put back after this, come at once too. An engine that cannot do this does nothing.
    async fn wake(&self, tenant: &TenantId) -> Result<(), QueueError> {
        let _ = tenant;
        Ok(())
    }

    /// Whether [`Queue::wake`] does what it says. Where it does not, nothing may rely on being woken.
    fn can_wake(&self) -> bool {
        false
    }

    /// Ends the work on received messages: those that are still out, because their handler fell or because settling them
    /// failed, are handed out again [`after_a_fall`], and not only when their lease ends. On AWS, Lambda does this.
    async fn give_back(&self, queue: QueueName, receipts: Vec<String>) {
        let _ = (queue, receipts);
    }

    /// Sends a dead letter to the dead-letter queue of `queue`. The message itself is then deleted like a finished one.
    /// A second letter with the same `burial` ([`Received::burial`]) within five minutes is the same letter.
    async fn bury(&self, queue: QueueName, burial: &str, letter: DeadLetter) -> Result<(), QueueError>;

    /// Reads up to `most` dead letters and treats each as `judge` says; returns those that were redriven or discarded.
    ///
    /// A letter is in one hand at a time: letters that another caller reads meanwhile may be left out. If the process
    /// crashes between sending a job and removing its letter, both exist; redriving it again is safe, for handlers know
    /// what they have done.
    async fn sift(&self, queue: QueueName, most: usize, judge: Judge<'_>) -> Result<Vec<Buried>, QueueError>;

    /// Up to `most` dead letters, oldest first, without removing them.
    async fn dead_letters(&self, queue: QueueName, most: usize) -> Result<Vec<Buried>, QueueError> {
        let mut letters = Vec::new();
        let mut look = |buried: &Buried| {
            letters.push(buried.clone());
            Fate::Keep
        };
        self.sift(queue, most, &mut look).await?;
        letters.sort_by_key(|buried: &Buried| buried.letter.buried_at);
        Ok(letters)
    }

    /// The texts of a tenant's jobs that wait or are out, without removing them; `None` if an engine cannot show them.
    async fn waiting(&self, queue: QueueName, tenant: &TenantId) -> Result<Option<Vec<String>>, QueueError> {
        let _ = (queue, tenant);
        Ok(None)
    }

    /// How full it is, approximately.
    async fn depth(&self, queue: QueueName) -> Result<Depth, QueueError>;
}
