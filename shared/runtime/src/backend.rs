//! All ports of an engine in one value, as functions get them.

use std::sync::Arc;

use crate::clock::Clock;
use crate::job;
use crate::job::{BadJob, Job};
use crate::metrics::Metrics;
use crate::queue::{Queue, QueueError, QueueMessage, QueueName, QueuedMessage};
use crate::secrets::Secrets;
use crate::store::Store;
use crate::{TenantId, TraceId};

/// What a function runs on.
#[derive(Clone)]
pub struct Backend {
    /// Keeps items.
    pub store: Arc<dyn Store>,
    /// Carries jobs.
    pub queue: Arc<dyn Queue>,
    /// Reads secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Gives the time.
    pub clock: Arc<dyn Clock>,
    /// Records counts.
    pub metrics: Arc<dyn Metrics>,
}

/// A job was not put on its queue.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// It cannot be written.
    #[error(transparent)]
    BadJob(#[from] BadJob),
    /// The queue refused it.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Backend {
    /// Puts a job on its queue.
    pub async fn enqueue<T: Job>(&self, tenant: &TenantId, trace: TraceId, job: &T) -> Result<(), EnqueueError> {
        let message = job::message(tenant, trace, job)?;
        Ok(send(self.queue.as_ref(), vec![message]).await?)
    }

    /// Sends messages, each to its queue and in their order.
    pub async fn send(&self, messages: Vec<QueuedMessage>) -> Result<(), QueueError> {
        send(self.queue.as_ref(), messages).await
    }
}

/// Sends messages, each to its queue and in their order there: one call of the port a queue.
pub async fn send(queue: &dyn Queue, messages: Vec<QueuedMessage>) -> Result<(), QueueError> {
    let mut by_queue: Vec<(QueueName, Vec<QueueMessage>)> = Vec::new();
    for QueuedMessage { queue, message } in messages {
        match by_queue.iter_mut().find(|(known, _)| *known == queue) {
            Some((_, messages)) => messages.push(message),
            None => by_queue.push((queue, vec![message])),
        }
    }
    for (name, messages) in by_queue {
        queue.send(name, messages).await?;
    }
    Ok(())
}
