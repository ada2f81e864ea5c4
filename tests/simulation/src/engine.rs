//! The engine as a process sees it: each call takes a moment, may fail before or after its effect, and does nothing once
//! the process has crashed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use memory::Memory;
use runtime::queue::{Buried, DeadLetter, Depth, Judge, Queue, QueueError, QueueMessage, QueueName, Received};
use runtime::secrets::{Secrets, SecretsError};
use runtime::store::{Belongings, ItemKey, ItemPage, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version};
use runtime::{TenantId, TenantPlaces};
use secrecy::SecretString;

use crate::life::Life;
use crate::plant::PlantedBug;
use crate::sim::Sim;

/// A call of the engine takes at most so many milliseconds, as long as nothing is wrong.
const MAX_LATENCY_MS: u64 = 4;
/// After how long the lease of a job ends that is to end early.
const EARLY_ENDS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(4));

/// How long a job is held back that others overtake.
const OVERTAKEN_FOR: Duration = Duration::from_secs(90);

/// The ports of a process.
#[derive(Clone)]
pub struct ProcessEngine {
    sim: Arc<Sim>,
    life: Arc<Life>,
    memory: Memory,
}

/// Whether a call that fails has its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EngineFault {
    Before,
    After,
}

impl ProcessEngine {
    /// The engine for a process.
    pub fn new(sim: Arc<Sim>, life: Arc<Life>, memory: Memory) -> Self {
        Self { sim, life, memory }
    }

    async fn hand_out(
        &self,
        queue: QueueName,
        received: impl Future<Output = Result<Vec<Received>, QueueError>>,
    ) -> Result<Vec<Received>, QueueError> {
        let received = self
            .life
            .within(async {
                self.pause().await;
                while self.sim.has(PlantedBug::ShareTrouble) && self.sim.weather.is_any_down() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                received.await
            })
            .await?;
        for message in &received {
            let head = format!("p{} take   {} {} {}", self.life.number, queue.name(), message.group, message.id);
            self.sim.trace.note(head);
        }
        self.end_a_lease(queue, &received);
        Ok(received)
    }

    async fn pause(&self) {
        let millis = self.sim.schedule.below(MAX_LATENCY_MS + 1);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    fn fault(&self, call: &str) -> Option<EngineFault> {
        let rate = self.sim.weather.rates().engine;
        if rate == 0 || !self.sim.faults.happens(rate) {
            return None;
        }
        if self.sim.faults.happens(500) {
            self.sim.fault("engine: failed before its effect", call);
            Some(EngineFault::Before)
        } else {
            self.sim.fault("engine: failed after its effect", call);
            Some(EngineFault::After)
        }
    }

    /// Makes a call: a moment later, and with an answer another moment later.
    async fn call<T, E>(
        &self,
        name: &str,
        failed: impl Fn(&str) -> E,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let work = async {
            self.pause().await;
            let fault = self.fault(name);
            if fault == Some(EngineFault::Before) {
                return Err(failed("it could not be reached"));
            }
            let answer = call.await;
            self.pause().await;
            if fault == Some(EngineFault::After) { Err(failed("the connection broke")) } else { answer }
        };
        self.life.within(work).await
    }

    async fn on_store<T>(
        &self,
        name: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.call(name, |cause| StoreError::Unavailable(cause.to_owned()), call).await
    }

    async fn on_queue<T>(
        &self,
        name: &str,
        queue: QueueName,
        call: impl Future<Output = Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        self.call(name, |cause| QueueError { queue: queue.name(), cause: cause.to_owned() }, call).await
    }

    fn note_write(&self, write: &StoreWrite) {
        let StoreWrite { key, value, .. } = write;
        let shown = if key.table == Table::Ledger { value.as_str() } else { "" };
        // What is not shown counts for the hash by its length: seals and lists are long.
        self.sim.trace.note_with(
            format!("p{} put    {}/{}/{} {}", self.life.number, key.table.name(), key.partition, key.sort, value.len()),
            shown,
        );
    }

    /// A write that the planted bug leaves out.
    fn is_left_out(&self, write: &StoreWrite) -> bool {
        let is_end = write.key.table == Table::Ledger
            && ["\"delivered\"", "\"routed\"", "\"skipped\""].iter().any(|status| write.value.contains(status));
        let is_limit = write.key.table == Table::Limits;
        if write.key.partition.ends_with("#attention") && self.sim.has(PlantedBug::LeavePage) {
            return true;
        }
        (is_end && self.sim.shows(PlantedBug::ForgetEnd, 10)) || (is_limit && self.sim.has(PlantedBug::IgnoreLimits))
    }

    /// The lease of a job that was just handed out ends early.
    fn end_a_lease(&self, queue: QueueName, received: &[Received]) {
        let rate = self.sim.weather.rates().lease;
        for message in received {
            if rate == 0 || !self.sim.faults.happens(rate) {
                continue;
            }
            self.sim.fault("queue: a lease ended during the work", &format!("{} {}", queue.name(), message.id));
            let wait = self.sim.faults.duration(EARLY_ENDS.0, EARLY_ENDS.1);
            let (memory, receipt) = (self.memory.clone(), message.receipt.clone());
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                // A process that has crashed meanwhile has no leases.
                let _ = memory.delay(queue, &receipt, Duration::ZERO).await;
            });
        }
    }

    fn spoilt(&self, queue: QueueName, mut messages: Vec<QueueMessage>) -> Vec<QueueMessage> {
        messages.retain(|message| {
            let is_lost = self.sim.shows(PlantedBug::LoseJob, 25);
            if is_lost {
                self.sim.trace.note(format!("planted: a job was lost: {} {}", queue.name(), message.group));
            }
            !is_lost
        });
        messages
    }
}

#[async_trait]
impl Store for ProcessEngine {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        self.on_store("get", Store::get(&self.memory, key)).await
    }

    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        self.on_store("put", async {
            if self.is_left_out(&write) {
                return Ok(1);
            }
            self.note_write(&write);
            Store::put(&self.memory, write).await
        })
        .await
    }

    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        self.on_store("put_all", async {
            let writes: Vec<_> = writes.into_iter().filter(|write| !self.is_left_out(write)).collect();
            for write in &writes {
                self.note_write(write);
            }
            self.memory.put_all(writes).await
        })
        .await
    }

    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.on_store("delete", Store::delete(&self.memory, key)).await
    }

    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        self.on_store("erase", async {
            // What is kept once only is removed by the next pass.
            if key.partition.ends_with("#baseline") && self.sim.has(PlantedBug::KeepItem) {
                return Ok(true);
            }
            self.memory.erase(key, version).await
        })
        .await
    }

    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        self.on_store("list", self.memory.list(query)).await
    }

    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        self.on_store("belonging", self.memory.belonging(table, owner, after)).await
    }
}

#[async_trait]
impl Queue for ProcessEngine {
    async fn send(&self, queue: QueueName, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        let messages = self.spoilt(queue, messages);
        if queue.name().ends_with("-events") && self.sim.shows(PlantedBug::Overtake, 5) {
            let (memory, sim) = (self.memory.clone(), self.sim.clone());
            for message in &messages {
                sim.saw_job(queue.name(), &message.body);
            }
            tokio::spawn(async move {
                tokio::time::sleep(OVERTAKEN_FOR).await;
                // A process that has crashed meanwhile has lost it.
                let _ = memory.send(queue, messages).await;
            });
            return Ok(());
        }
        self.on_queue("send", queue, async {
            for message in &messages {
                let head = format!("p{} send   {} {}", self.life.number, queue.name(), message.group);
                self.sim.trace.note_with(head, &message.body);
                // A repetition within five minutes, by the engine's own clock, is dropped.
                if !self.memory.remembers(queue, &message.deduplication)? {
                    self.sim.saw_job(queue.name(), &message.body);
                }
            }
            self.memory.send(queue, messages).await
        })
        .await
    }

    async fn receive(&self, queue: QueueName, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError> {
        self.hand_out(queue, self.memory.receive(queue, most, wait)).await
    }

    async fn receive_sparing(
        &self,
        queue: QueueName,
        most: usize,
        wait: Duration,
        places: &Arc<TenantPlaces>,
    ) -> Result<Vec<Received>, QueueError> {
        self.hand_out(queue, self.memory.receive_sparing(queue, most, wait, places)).await
    }

    async fn delete(&self, queue: QueueName, receipts: Vec<String>) -> Result<(), QueueError> {
        if receipts.is_empty() {
            return Ok(());
        }
        self.on_queue("delete", queue, async {
            self.sim.trace.note(format!("p{} done   {} {}", self.life.number, queue.name(), receipts.join(" ")));
            Queue::delete(&self.memory, queue, receipts).await
        })
        .await
    }

    async fn delay(&self, queue: QueueName, receipt: &str, after: Duration) -> Result<(), QueueError> {
        let after = if self.sim.has(PlantedBug::WaitLong) { after * 30 } else { after };
        self.on_queue("delay", queue, async {
            self.sim.trace.note(format!("p{} back   {} {receipt} {after:?}", self.life.number, queue.name()));
            self.memory.delay(queue, receipt, after).await
        })
        .await
    }

    async fn return_unworked(&self, queue: QueueName, receipt: &str) -> Result<(), QueueError> {
        self.on_queue("unwork", queue, async {
            self.sim.trace.note(format!("p{} unwork {} {receipt}", self.life.number, queue.name()));
            self.memory.return_unworked(queue, receipt).await
        })
        .await
    }

    fn returns_after(&self, queue: QueueName) -> Duration {
        self.memory.returns_after(queue)
    }

    async fn wake(&self, tenant: &TenantId) -> Result<(), QueueError> {
        let woken = async {
            self.sim.trace.note(format!("p{} wake   {tenant}", self.life.number));
            self.memory.wake(tenant).await
        };
        self.call("wake", |cause| QueueError { queue: "all", cause: cause.to_owned() }, woken).await
    }

    fn can_wake(&self) -> bool {
        self.memory.can_wake()
    }

    async fn give_back(&self, queue: QueueName, receipts: Vec<String>) {
        let work = async {
            self.pause().await;
            self.sim.trace.note(format!("p{} return {} {}", self.life.number, queue.name(), receipts.join(" ")));
            self.memory.give_back(queue, receipts).await;
        };
        self.life.within(work).await;
    }

    async fn bury(&self, queue: QueueName, burial: &str, letter: DeadLetter) -> Result<(), QueueError> {
        self.on_queue("bury", queue, async {
            let head = format!("p{} bury   {} {}: {}", self.life.number, queue.name(), letter.code, letter.reason);
            self.sim.trace.note_with(head, &letter.body);
            self.memory.bury(queue, burial, letter).await
        })
        .await
    }

    async fn sift(&self, queue: QueueName, most: usize, judge: Judge<'_>) -> Result<Vec<Buried>, QueueError> {
        self.on_queue("sift", queue, self.memory.sift(queue, most, judge)).await
    }

    async fn waiting(&self, queue: QueueName, tenant: &TenantId) -> Result<Option<Vec<String>>, QueueError> {
        self.on_queue("waiting", queue, self.memory.waiting(queue, tenant)).await
    }

    async fn depth(&self, queue: QueueName) -> Result<Depth, QueueError> {
        self.on_queue("depth", queue, self.memory.depth(queue)).await
    }
}

/// Secrets are read under a lock that all processes of this program share: a crash must not keep it.
#[async_trait]
impl Secrets for ProcessEngine {
    async fn get(&self, name: &str) -> Result<SecretString, SecretsError> {
        Secrets::get(&self.memory, name).await
    }

    async fn put(&self, name: &str, text: SecretString) -> Result<(), SecretsError> {
        Secrets::put(&self.memory, name, text).await
    }
}
