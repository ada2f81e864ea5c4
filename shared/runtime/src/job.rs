//! What lies on a queue, and what a handler says of it.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::calls;
use crate::queue::{Message, Received};
use crate::{TenantId, TraceId};

/// The schema of jobs that this code writes. It reads this one and all before it.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u32,
    tenant: TenantId,
    trace: TraceId,
    body: T,
}

/// A job as its handler gets it.
#[derive(Debug, Clone)]
pub struct Job<T> {
    /// The message's id on its queue.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// The way of the event that caused it.
    pub trace: TraceId,
    /// What keeps its order; jobs of one group are worked one after the other.
    pub group: String,
    /// How often it was handed out, this time included.
    pub attempt: u32,
    /// What to do.
    pub body: T,
}

impl<T> Job<T> {
    /// When the event that caused the job arrived, to the millisecond.
    pub fn arrived_at(&self) -> Timestamp {
        self.trace.arrived_at()
    }
}

impl<T: DeserializeOwned> Job<T> {
    /// Reads a received message.
    pub fn parse(received: &Received) -> Result<Self, String> {
        let envelope: Envelope<T> = serde_json::from_str(&received.body).map_err(|error| error.to_string())?;
        if envelope.v > SCHEMA {
            return Err(format!("a job of schema {}, newer than the {SCHEMA} that this code reads", envelope.v));
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

/// Whose a job is, and the trace of its event, from its text; `None` if it is no job.
pub fn origin(text: &str) -> Option<(String, String)> {
    let envelope: Envelope<serde::de::IgnoredAny> = serde_json::from_str(text).ok()?;
    Some((envelope.tenant.to_string(), envelope.trace.to_string()))
}

/// When the event behind a job arrived, from the job's text.
pub fn arrival(text: &str) -> Option<Timestamp> {
    let envelope: Envelope<serde::de::IgnoredAny> = serde_json::from_str(text).ok()?;
    Some(envelope.trace.arrived_at())
}

/// A message that carries `body`. `deduplication` is what makes a second send of the same job harmless.
pub fn message<T: Serialize>(
    tenant: &TenantId,
    trace: TraceId,
    group: String,
    deduplication: String,
    body: &T,
) -> Result<Message, serde_json::Error> {
    let envelope = Envelope { v: SCHEMA, tenant: tenant.clone(), trace, body };
    Ok(Message { group, deduplication, body: serde_json::to_string(&envelope)? })
}

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
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
    /// Given up: to the dead letters. The jobs behind it go on.
    Dead {
        /// For grouping: the provider's code or ours.
        code: String,
        /// What happened, where, and what to do.
        reason: String,
    },
}

/// What became of each job of a batch, by message id.
#[derive(Debug, Default)]
pub struct Outcomes(pub HashMap<String, Outcome>);

/// The jobs received together, by group and in order.
#[derive(Debug)]
pub struct Jobs<T> {
    groups: Vec<Vec<Job<T>>>,
}

impl<T> Jobs<T> {
    /// Sorts jobs into their groups; each group keeps the order in which its jobs came.
    pub fn new(jobs: Vec<Job<T>>) -> Self {
        let mut places = HashMap::new();
        let mut groups: Vec<Vec<Job<T>>> = Vec::new();
        for job in jobs {
            let place = *places.entry(job.group.clone()).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push(job);
        }
        Self { groups }
    }

    /// All jobs, group by group.
    pub fn iter(&self) -> impl Iterator<Item = &Job<T>> {
        self.groups.iter().flatten()
    }

    /// Works the groups side by side and the jobs of each in order. Once a job is to be tried again, the
    /// rest of its group is not worked: it would overtake.
    pub async fn each<F>(self, work: impl Fn(Job<T>) -> F) -> Outcomes
    where
        F: Future<Output = Outcome>,
    {
        let work = &work;
        let groups = self.groups.into_iter().map(|group| async move {
            let mut outcomes: Vec<(String, Outcome)> = Vec::with_capacity(group.len());
            let mut blocked: Option<Duration> = None;
            for job in group {
                let id = job.id.clone();
                let outcome = match blocked {
                    Some(after) => Outcome::Retry { after, cause: "behind a job of its group that waits".into() },
                    None => {
                        // Every line that is logged for a job says whose it is and which way it came.
                        let span = tracing::info_span!("job", trace = %job.trace, tenant = %job.tenant);
                        calls::scope(work(job)).instrument(span).await
                    }
                };
                if let Outcome::Retry { after, .. } = outcome {
                    blocked = Some(after);
                }
                outcomes.push((id, outcome));
            }
            outcomes
        });
        Outcomes(join_all(groups).await.into_iter().flatten().collect())
    }
}
