//! Workers: for each queue, batches are received, and each tenant's part of a batch is worked by the queue's function, until
//! they are stopped.
//!
//! A tenant may have a few batches worked at a time, and there is room for many tenants: one whose provider is slow, or
//! does not answer, fills its own places, and its messages wait for them; the others' do not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jobs::queues;
use runtime::queue::Received;
use runtime::{Backend, QueueName, TenantPlaces};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::functions::Functions;

/// Batches of one tenant that are worked in parallel, for each queue.
const MAX_OF_TENANT: usize = 4;
/// The same for what people ask for: nobody waits because others wait for a provider.
const MAX_COMMANDS_OF_TENANT: usize = 32;
/// Batches of all tenants, for each queue: so many that thirty tenants can be without an answer at once. They wait for
/// providers most of the time.
const MAX_BATCHES: usize = 128;
/// A batch, as on SQS.
const BATCH: usize = 10;
/// How long to wait for a message before checking whether to stop.
const WAIT: Duration = Duration::from_secs(20);
/// After an engine's error.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the workers of all queues. When `stop` becomes true, they finish their batches.
pub fn start(backend: &Backend, functions: &Functions, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    for queue in queues::ALL {
        workers.spawn(work(backend.clone(), functions.clone(), queue, stop.clone()));
    }
    workers
}

async fn work(backend: Backend, functions: Functions, queue: QueueName, mut stop: watch::Receiver<bool>) {
    let places =
        TenantPlaces::new(if queue == queues::SLACK_COMMANDS { MAX_COMMANDS_OF_TENANT } else { MAX_OF_TENANT });
    let mut batches = JoinSet::new();
    while !*stop.borrow() {
        while let Some(ended) = batches.try_join_next() {
            note_fall(&backend, queue, &ended);
        }
        if batches.len() >= MAX_BATCHES {
            if let Some(ended) = batches.join_next().await {
                note_fall(&backend, queue, &ended);
            }
            continue;
        }
        let received = tokio::select! {
            biased;
            _ = stop.changed() => break,
            received = backend.queue.receive_sparing(queue, BATCH, WAIT, &places) => received,
        };
        match received {
            Ok(batch) => start_batches(&mut batches, &functions, queue, batch, &places),
            Err(error) => {
                tracing::error!(%error, "the queue cannot be read");
                backend.clock.sleep(PAUSE).await;
            }
        }
    }
    while let Some(ended) = batches.join_next().await {
        note_fall(&backend, queue, &ended);
    }
}

/// Begins to work each tenant's part of a batch. Each is a task of its own: a handler that panics must not end the others.
fn start_batches(
    batches: &mut JoinSet<()>,
    functions: &Functions,
    queue: QueueName,
    batch: Vec<Received>,
    places: &Arc<TenantPlaces>,
) {
    for (tenant, batch) in by_tenant(batch) {
        let (functions, place) = (functions.clone(), places.take(&tenant));
        batches.spawn(async move {
            functions.work(queue, batch).await;
            drop(place);
        });
    }
}

fn by_tenant(batch: Vec<Received>) -> BTreeMap<String, Vec<Received>> {
    let mut tenants: BTreeMap<String, Vec<Received>> = BTreeMap::new();
    for received in batch {
        tenants.entry(received.tenant().to_owned()).or_default().push(received);
    }
    tenants
}

/// The messages of a batch whose handler fell are handed out again when their lease ends.
fn note_fall(backend: &Backend, queue: QueueName, ended: &Result<(), JoinError>) {
    if let Err(error) = ended {
        backend.metrics.count("function_failures", queue.name());
        tracing::error!(queue = queue.name(), %error, "a handler fell");
    }
}
