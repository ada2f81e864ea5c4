//! Jobs: their envelope, how they are put on a queue, and the outcomes that a handler reports.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::later;
use crate::envelope::{Envelope, SCHEMA};
use crate::queue::{QueueMessage, QueueName, QueuedMessage, Received};
use crate::{TenantId, TraceId};

/// Something to do. Its queue, its group and its deduplication follow from what it is.
pub trait Job: Serialize + DeserializeOwned {
    /// The queue that carries jobs of this type.
    const QUEUE: QueueName;

    /// What orders it among the tenant's other jobs.
    fn group(&self) -> GroupKey;

    /// What makes a second send of the same job within five minutes harmless; `None` if two equal jobs may be two: then
    /// each trace has its own.
    fn deduplication(&self) -> Option<String> {
        None
    }
}

/// What orders the jobs of one tenant: jobs with the same key are worked one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey(String);

impl GroupKey {
    /// The key of the thing with these parts.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(parts.into_iter().collect::<Vec<_>>().join("#"))
    }

    fn of_tenant(&self, tenant: &TenantId) -> String {
        format!("{tenant}#{self}")
    }
}

impl Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job that cannot be written as text.
#[derive(Debug, thiserror::Error)]
#[error("a job for {queue} cannot be written: {cause}")]
pub struct BadJob {
    /// The queue that it was for.
    pub queue: &'static str,
    /// What cannot be written.
    pub cause: serde_json::Error,
}

/// The code of [`BadJob`], wherever it is shown.
pub const BAD_JOB: &str = "bad_job";

/// A tenant's job as a message, with the trace of its event.
pub fn message<T: Job>(tenant: &TenantId, trace: TraceId, job: &T) -> Result<QueuedMessage, BadJob> {
    written(tenant, trace, job, job.deduplication().map(|own| format!("{tenant}#{own}")))
}

/// The same in another group than the job's own, so that it waits for other jobs than those.
pub fn message_in<T: Job>(
    tenant: &TenantId,
    trace: TraceId,
    job: &T,
    group: &GroupKey,
) -> Result<QueuedMessage, BadJob> {
    let mut message = message(tenant, trace, job)?;
    message.message.group = group.of_tenant(tenant);
    Ok(message)
}

/// The same for a thing that may be found twice, in different ways: `once` identifies it within the tenant.
pub fn message_once<T: Job>(tenant: &TenantId, trace: TraceId, job: &T, once: &str) -> Result<QueuedMessage, BadJob> {
    written(tenant, trace, job, Some(format!("{tenant}#{once}")))
}

fn written<T: Job>(
    tenant: &TenantId,
    trace: TraceId,
    job: &T,
    deduplication: Option<String>,
) -> Result<QueuedMessage, BadJob> {
    let envelope = Envelope { v: SCHEMA, tenant: tenant.clone(), trace, body: job };
    let body = serde_json::to_string(&envelope).map_err(|cause| BadJob { queue: T::QUEUE.name(), cause })?;
    let message = QueueMessage {
        group: job.group().of_tenant(tenant),
        deduplication: deduplication.unwrap_or_else(|| trace.to_string()),
        body,
    };
    Ok(QueuedMessage { queue: T::QUEUE, message })
}

/// A job as its handler gets it.
#[derive(Debug, Clone)]
pub struct ReceivedJob<T> {
    /// The message's id on its queue.
    pub id: String,
    /// The tenant that it belongs to.
    pub tenant: TenantId,
    /// The trace of the event that caused it.
    pub trace: TraceId,
    /// Its group: jobs of one group are worked one after the other.
    pub group: String,
    /// How often it was handed out, this time included.
    pub attempt: u32,
    /// What to do.
    pub body: T,
}

impl<T> ReceivedJob<T> {
    /// When the event that caused the job arrived, to the millisecond.
    pub fn arrived_at(&self) -> Timestamp {
        self.trace.arrived_at()
    }

    /// When the event had certainly arrived: the end of the millisecond of [`Self::arrived_at`]. What was read before this
    /// moment may be older than the event.
    pub fn arrived_by(&self) -> Timestamp {
        later(self.arrived_at(), Duration::from_millis(1))
    }

    /// The same job with its body converted.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> ReceivedJob<U> {
        let (job, body) = self.split();
        job.with(make(body))
    }

    /// The job without its body, and the body.
    pub fn split(self) -> (ReceivedJob<()>, T) {
        let Self { id, tenant, trace, group, attempt, body } = self;
        (ReceivedJob { id, tenant, trace, group, attempt, body: () }, body)
    }
}

impl ReceivedJob<()> {
    /// The job with this body.
    pub fn with<T>(self, body: T) -> ReceivedJob<T> {
        let Self { id, tenant, trace, group, attempt, body: () } = self;
        ReceivedJob { id, tenant, trace, group, attempt, body }
    }
}

impl<T: DeserializeOwned> ReceivedJob<T> {
    /// Reads a received message. An error names the field that cannot be read.
    pub fn parse(received: &Received) -> Result<Self, String> {
        let envelope: Envelope<T> = read(&received.body).map_err(|error| newer(&received.body).unwrap_or(error))?;
        if envelope.v > SCHEMA {
            return Err(of_newer_schema(envelope.v));
        }
        Ok(Self {
            id: received.id.clone(),
            tenant: envelope.tenant,
            trace: envelope.trace,
            group: received.group.clone(),
            attempt: received.attempt,
            body: envelope.body,
        })
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| error.to_string())
}

/// The explanation for a job whose body cannot be read because newer code wrote it.
fn newer(text: &str) -> Option<String> {
    let envelope: Envelope<serde::de::IgnoredAny> = serde_json::from_str(text).ok()?;
    (envelope.v > SCHEMA).then(|| of_newer_schema(envelope.v))
}

fn of_newer_schema(schema: u32) -> String {
    format!("a job of schema {schema}, newer than the {SCHEMA} that this code reads")
}

/// The outcome of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// Done.
    Done,
    /// Nothing had to be done, for this reason.
    Skip(String),
    /// To be tried again. The jobs behind it in its group wait with it.
    Retry {
        /// In how long.
        after: Duration,
        /// Why.
        cause: String,
    },
    /// Given up: moved to the dead letters. The jobs behind it go on.
    Dead {
        /// For grouping: the provider's code or ours.
        code: String,
        /// What happened, where, and what to do.
        reason: String,
    },
    /// Not worked at all, and back on the queue at once. This is not a try.
    Returned {
        /// Why.
        cause: String,
    },
    /// Its work ended without an outcome. The runner makes a retry or a dead letter of it.
    Fell(Fall),
}

/// How the work on a job ended without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fall {
    /// Its code panicked with this message.
    Panicked(String),
    /// It did not end within this time, and was given up: what it began may have happened.
    CutOff(Duration),
}

impl JobOutcome {
    /// What becomes of the jobs behind one with this outcome in its group; `None` if they are worked.
    pub(crate) fn of_those_behind(&self) -> Option<Self> {
        let cause = "behind a job of its group that waits".to_owned();
        match self {
            Self::Done | Self::Skip(_) | Self::Dead { .. } => None,
            Self::Retry { after, .. } => Some(Self::Retry { after: *after, cause }),
            // Their group waits for the one before them.
            Self::Returned { .. } | Self::Fell(_) => Some(Self::Returned { cause }),
        }
    }
}

/// The outcome of each job of a batch, by message id.
#[derive(Debug, Default)]
pub struct Outcomes(pub HashMap<String, JobOutcome>);
