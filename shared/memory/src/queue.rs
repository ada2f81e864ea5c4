//! The queue port, with the full FIFO promise: order in a group, one receipt of a group at a time, tenants in turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use runtime::clock::{is_ahead, later, until};
use runtime::queue::{
    Buried, DeadLetter, Depth, Fate, Judge, Queue, QueueError, QueueMessage, QueueName, Received, after_a_fall,
    tenant_of,
};
use runtime::{TenantId, TenantPlaces};

use crate::{DurableState, Memory};

/// How long a deduplication id is remembered, as on SQS.
const DEDUPLICATION: Duration = Duration::from_secs(5 * 60);

/// A queue with its dead letters.
#[derive(Clone, Default)]
pub(crate) struct Lane {
    groups: BTreeMap<String, QueuedGroup>,
    /// When each group of a tenant may be handed out next.
    ready: BTreeMap<String, BTreeSet<(Timestamp, String)>>,
    /// The group of each message.
    group_of: BTreeMap<u64, String>,
    /// Until when each deduplication id is remembered.
    deduplications: BTreeMap<String, Timestamp>,
    /// The same in the order in which they were sent.
    forgotten_at: VecDeque<(Timestamp, String)>,
    dead: BTreeMap<u64, DeadLetter>,
    /// The tenant that was served last; the one after it is served next. A restart forgets it.
    served: String,
    /// What a tenant's messages of smaller leases waited for is there.
    woken: BTreeMap<String, u64>,
}

#[derive(Clone, Default)]
struct QueuedGroup {
    ready_at: Timestamp,
    messages: BTreeMap<u64, QueuedMessageState>,
}

#[derive(Clone)]
struct QueuedMessageState {
    body: String,
    visible_at: Timestamp,
    receives: u32,
    lease: Option<u64>,
}

impl Lane {
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        let jobs = self.groups.values().flat_map(|group| group.messages.values()).map(|message| message.body.clone());
        jobs.chain(self.dead.values().map(|letter| format!("{} {}", letter.reason, letter.body)))
    }

    /// Puts received messages back.
    pub(crate) fn recover(&mut self) {
        self.served.clear();
        let groups: Vec<_> = self.groups.keys().cloned().collect();
        for name in groups {
            if let Some(group) = self.groups.get_mut(&name) {
                group.messages.values_mut().for_each(|message| message.lease = None);
            }
            self.settle_group(&name);
        }
    }

    /// Whether nothing was sent with this deduplication id within five minutes. From now on something was.
    fn is_first(&mut self, id: &str, now: Timestamp) -> bool {
        while self.forgotten_at.front().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, id)) = self.forgotten_at.pop_front() {
                self.deduplications.remove(&id);
            }
        }
        if self.remembers(id, now) {
            return false;
        }
        self.deduplications.insert(id.to_owned(), later(now, DEDUPLICATION));
        self.forgotten_at.push_back((later(now, DEDUPLICATION), id.to_owned()));
        true
    }

    fn bury(&mut self, number: u64, burial: &str, letter: DeadLetter, now: Timestamp) {
        if self.is_first(&format!("buried#{burial}"), now) {
            self.dead.insert(number, letter);
        }
    }

    fn send(&mut self, number: u64, message: QueueMessage, now: Timestamp) {
        if !self.is_first(&message.deduplication, now) {
            return;
        }
        self.group_of.insert(number, message.group.clone());
        let waiting = QueuedMessageState { body: message.body, visible_at: now, receives: 0, lease: None };
        let is_new = !self.groups.contains_key(&message.group);
        self.groups.entry(message.group.clone()).or_default().messages.insert(number, waiting);
        // A group that is there already keeps its time: it waits for its head.
        if is_new {
            self.ready_from(&message.group, now);
        }
    }

    fn remembers(&self, deduplication: &str, now: Timestamp) -> bool {
        self.deduplications.get(deduplication).is_some_and(|end| is_ahead(now, *end, DEDUPLICATION))
    }

    /// Sets when a group may be handed out next.
    fn ready_from(&mut self, name: &str, at: Timestamp) {
        let Some(group) = self.groups.get_mut(name) else { return };
        let ready = self.ready.entry(tenant_of(name).to_owned()).or_default();
        ready.remove(&(group.ready_at, name.to_owned()));
        group.ready_at = at;
        ready.insert((at, name.to_owned()));
    }

    /// If no message of a group is out, the group is ready when its first message is; an empty group is removed.
    fn settle_group(&mut self, name: &str) {
        let Some(group) = self.groups.get(name) else { return };
        if group.messages.values().any(|message| message.lease.is_some()) {
            return;
        }
        if let Some(head) = group.messages.values().next() {
            self.ready_from(name, head.visible_at);
            return;
        }
        if let (Some(group), Some(ready)) = (self.groups.remove(name), self.ready.get_mut(tenant_of(name))) {
            ready.remove(&(group.ready_at, name.to_owned()));
            if ready.is_empty() {
                self.ready.remove(tenant_of(name));
            }
        }
    }

    fn next_due(&self, places: Option<&TenantPlaces>) -> Option<Timestamp> {
        let open = self.ready.iter().filter(|(tenant, _)| !places.is_some_and(|places| places.are_full(tenant)));
        open.filter_map(|(_, ready)| ready.first()).map(|(at, _)| *at).min()
    }

    /// The first tenant after `served` that has a ready group and a free place.
    fn next_tenant(&self, served: &str, now: Timestamp, places: Option<&TenantPlaces>) -> Option<&str> {
        let mut after = self.ready.range::<str, _>((Bound::Excluded(served), Bound::Unbounded));
        let is_ready = |ready: &BTreeSet<(Timestamp, String)>| ready.first().is_some_and(|(at, _)| *at <= now);
        let is_open = |tenant: &str| !places.is_some_and(|places| places.are_full(tenant));
        after.find(|(tenant, ready)| is_ready(ready) && is_open(tenant)).map(|(tenant, _)| tenant.as_str())
    }

    /// The ready groups, tenant by tenant in turn: a batch is filled from the next tenant as far as possible, so that
    /// nobody waits behind another tenant's backlog.
    fn groups_in_turn(&mut self, max: usize, now: Timestamp, places: Option<&TenantPlaces>) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        let first = self.served.clone();
        let mut from_the_start = false;
        while groups.len() < max {
            let Some(tenant) = self.next_tenant(&self.served, now, places).map(str::to_owned) else {
                if from_the_start {
                    break;
                }
                from_the_start = true;
                self.served.clear();
                continue;
            };
            // Once around.
            if from_the_start && tenant > first {
                break;
            }
            let ready = self.ready.get(&tenant).into_iter().flatten().take_while(|(at, _)| *at <= now);
            groups.extend(ready.take(max - groups.len()).map(|(_, group)| group.clone()));
            self.served = tenant;
        }
        groups
    }

    fn receive(
        &mut self,
        lease: u64,
        max: usize,
        visibility: Duration,
        now: Timestamp,
        places: Option<&TenantPlaces>,
    ) -> Vec<Received> {
        let max = max.clamp(1, 10);
        let mut received = Vec::new();
        for name in self.groups_in_turn(max, now, places) {
            let room = max - received.len();
            let Some(group) = self.groups.get_mut(&name).filter(|_| room > 0) else { break };
            // A ready group with leases is one whose lease ran out: all of it may go out again.
            group.messages.values_mut().for_each(|message| message.lease = None);
            let heads = group.messages.iter_mut().take(room).take_while(|(_, message)| message.visible_at <= now);
            for (number, message) in heads {
                message.lease = Some(lease);
                message.receives += 1;
                received.push(Received {
                    id: number.to_string(),
                    receipt: format!("{number}:{lease}"),
                    group: name.clone(),
                    body: message.body.clone(),
                    attempt: message.receives,
                });
            }
            self.ready_from(&name, later(now, visibility));
        }
        received
    }

    /// Makes due at `now` what waits for later, of `tenant` or of all. A group of which a message is out waits for that,
    /// but not for longer than a lease.
    fn hurry(&mut self, tenant: Option<&str>, visibility: Duration, now: Timestamp) {
        let groups = self.groups.keys().filter(|name| tenant.is_none_or(|tenant| tenant_of(name) == tenant));
        for name in groups.cloned().collect::<Vec<_>>() {
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.messages.values_mut().for_each(|message| message.visible_at = message.visible_at.min(now));
            if group.messages.values().any(|message| message.lease.is_some()) {
                let lease_ends = group.ready_at.min(later(now, visibility));
                self.ready_from(&name, lease_ends);
            } else {
                self.settle_group(&name);
            }
        }
    }

    /// Hands out now what waits of a tenant. What is out with a lease before `lease` comes at once when it is put back.
    fn wake(&mut self, tenant: &str, lease: u64, visibility: Duration, now: Timestamp) {
        self.woken.insert(tenant.to_owned(), lease);
        self.hurry(Some(tenant), visibility, now);
    }

    /// Puts back a message that was not worked: this receipt does not count.
    fn return_unworked(&mut self, receipt: &str, now: Timestamp) {
        let parts =
            receipt.split_once(':').and_then(|(number, lease)| Some((number.parse().ok()?, lease.parse().ok()?)));
        let Some((number, lease)): Option<(u64, u64)> = parts else { return };
        let group = self.group_of.get(&number).and_then(|name| self.groups.get_mut(name));
        let message = group.and_then(|group| group.messages.get_mut(&number));
        if let Some(message) = message.filter(|message| message.lease == Some(lease)) {
            message.receives = message.receives.saturating_sub(1);
        }
        self.settle(receipt, Some(now), now);
    }

    /// Puts back a message that is still out.
    fn give_back(&mut self, receipt: &str, now: Timestamp) {
        let receives = self.receives(receipt);
        self.settle(receipt, Some(later(now, after_a_fall(receives))), now);
    }

    /// How often the message of a receipt was handed out.
    fn receives(&self, receipt: &str) -> u32 {
        let number = receipt.split_once(':').and_then(|(number, _)| number.parse().ok());
        let found = number.and_then(|number: u64| self.groups.get(self.group_of.get(&number)?)?.messages.get(&number));
        found.map_or(0, |message| message.receives)
    }

    /// Deletes a received message, or puts it back until a moment. A receipt whose lease ran out changes nothing.
    fn settle(&mut self, receipt: &str, back_at: Option<Timestamp>, now: Timestamp) {
        let Some((number, lease)) = receipt.split_once(':') else { return };
        let (Ok(number), Ok(lease)) = (number.parse::<u64>(), lease.parse::<u64>()) else { return };
        let Some(name) = self.group_of.get(&number).cloned() else { return };
        let Some(group) = self.groups.get_mut(&name) else { return };
        let Some(message) = group.messages.get_mut(&number).filter(|message| message.lease == Some(lease)) else {
            return;
        };
        let is_woken = self.woken.get(tenant_of(&name)).is_some_and(|woken| lease < *woken);
        match back_at {
            Some(moment) => {
                let moment = if is_woken { moment.min(now) } else { moment };
                (message.lease, message.visible_at) = (None, moment);
            }
            None => {
                group.messages.remove(&number);
                self.group_of.remove(&number);
            }
        }
        self.settle_group(&name);
    }

    fn body(&self, number: u64) -> Option<&str> {
        let group = self.groups.get(self.group_of.get(&number)?)?;
        group.messages.get(&number).map(|message| message.body.as_str())
    }
}

impl DurableState {
    fn lane(&mut self, queue: QueueName) -> &mut Lane {
        self.queues.entry(queue).or_default()
    }

    fn send(&mut self, queue: QueueName, message: QueueMessage, now: Timestamp) {
        let number = self.number();
        self.lane(queue).send(number, message, now);
    }
}

impl Memory {
    /// When the next delayed message of `queue` is due; `None` if none is delayed.
    pub fn next_due(&self, queue: QueueName) -> Result<Option<Timestamp>, QueueError> {
        self.lane(queue, |kept| kept.lane(queue).next_due(None))
    }

    /// Whether `queue` drops a message with this deduplication id, because it was sent one not long ago.
    pub fn remembers(&self, queue: QueueName, deduplication: &str) -> Result<bool, QueueError> {
        let now = self.clock.now();
        self.lane(queue, |kept| kept.lane(queue).remembers(deduplication, now))
    }

    async fn hand_out(
        &self,
        queue: QueueName,
        most: usize,
        wait: Duration,
        places: Option<&TenantPlaces>,
    ) -> Result<Vec<Received>, QueueError> {
        let end = later(self.clock.now(), wait);
        loop {
            // Listen before looking: what is sent in between is not missed.
            let sent = self.shared.sent.notified();
            let now = self.clock.now();
            let (received, due) = self.lane(queue, |kept| {
                let lease = kept.number();
                if self.shared.watch.see(now).is_some() {
                    kept.queues.iter_mut().for_each(|(queue, lane)| lane.hurry(None, queue.visibility(), now));
                }
                let lane = kept.lane(queue);
                (lane.receive(lease, most, queue.visibility(), now, places), lane.next_due(places))
            })?;
            if !received.is_empty() || now >= end {
                return Ok(received);
            }
            let wake = due.filter(|due| *due > now).map_or(end, |due| due.min(end));
            tokio::select! {
                biased;
                () = sent => {}
                () = freed(places) => {}
                () = self.clock.sleep(until(now, wake)) => {}
            }
        }
    }

    fn lane<R>(&self, queue: QueueName, work: impl FnOnce(&mut DurableState) -> R) -> Result<R, QueueError> {
        let mut kept = self.kept().map_err(|cause| QueueError { queue: queue.name(), cause })?;
        Ok(work(&mut kept))
    }
}

/// Returns when a tenant has a place again.
async fn freed(places: Option<&TenantPlaces>) {
    match places {
        Some(places) => places.freed().await,
        None => std::future::pending().await,
    }
}

#[async_trait]
impl Queue for Memory {
    async fn send(&self, queue: QueueName, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        let now = self.clock.now();
        self.lane(queue, |kept| messages.into_iter().for_each(|message| kept.send(queue, message, now)))?;
        self.shared.sent.notify_waiters();
        Ok(())
    }

    async fn receive(&self, queue: QueueName, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError> {
        self.hand_out(queue, most, wait, None).await
    }

    async fn receive_sparing(
        &self,
        queue: QueueName,
        most: usize,
        wait: Duration,
        places: &Arc<TenantPlaces>,
    ) -> Result<Vec<Received>, QueueError> {
        self.hand_out(queue, most, wait, Some(places)).await
    }

    async fn delete(&self, queue: QueueName, receipts: Vec<String>) -> Result<(), QueueError> {
        let now = self.clock.now();
        self.lane(queue, |kept| receipts.iter().for_each(|receipt| kept.lane(queue).settle(receipt, None, now)))?;
        self.shared.sent.notify_waiters();
        Ok(())
    }

    async fn delay(&self, queue: QueueName, receipt: &str, after: Duration) -> Result<(), QueueError> {
        let now = self.clock.now();
        self.lane(queue, |kept| kept.lane(queue).settle(receipt, Some(later(now, after)), now))?;
        self.shared.sent.notify_waiters();
        Ok(())
    }

    async fn return_unworked(&self, queue: QueueName, receipt: &str) -> Result<(), QueueError> {
        let now = self.clock.now();
        self.lane(queue, |kept| kept.lane(queue).return_unworked(receipt, now))?;
        self.shared.sent.notify_waiters();
        Ok(())
    }

    async fn wake(&self, tenant: &TenantId) -> Result<(), QueueError> {
        let now = self.clock.now();
        let mut kept = self.kept().map_err(|cause| QueueError { queue: "all", cause })?;
        let lease = kept.number();
        kept.queues.iter_mut().for_each(|(queue, lane)| lane.wake(tenant.as_str(), lease, queue.visibility(), now));
        drop(kept);
        self.shared.sent.notify_waiters();
        Ok(())
    }

    fn can_wake(&self) -> bool {
        true
    }

    async fn give_back(&self, queue: QueueName, receipts: Vec<String>) {
        let now = self.clock.now();
        let given_back =
            self.lane(queue, |kept| receipts.iter().for_each(|receipt| kept.lane(queue).give_back(receipt, now)));
        if given_back.is_ok() {
            self.shared.sent.notify_waiters();
        }
    }

    async fn bury(&self, queue: QueueName, burial: &str, letter: DeadLetter) -> Result<(), QueueError> {
        let now = self.clock.now();
        self.lane(queue, |kept| {
            let number = kept.number();
            kept.lane(queue).bury(number, burial, letter, now);
        })
    }

    async fn sift(&self, queue: QueueName, most: usize, judge: Judge<'_>) -> Result<Vec<Buried>, QueueError> {
        let letters = self.lane(queue, |kept| {
            let dead = kept.lane(queue).dead.iter().take(most);
            dead.map(|(number, letter)| (*number, letter.clone())).collect::<Vec<_>>()
        })?;
        let mut settled = Vec::new();
        for (number, letter) in letters {
            let buried = Buried { id: number.to_string(), letter };
            match judge(&buried) {
                Fate::Keep => {}
                fate => settled.push((number, fate, buried)),
            }
        }
        let now = self.clock.now();
        let moved = self.lane(queue, |kept| {
            // Another may have settled it since it was read.
            settled.retain(|(number, ..)| kept.lane(queue).dead.remove(number).is_some());
            for (_, fate, buried) in &settled {
                if *fate == Fate::Redrive {
                    kept.send(queue, buried.job(), now);
                }
            }
            settled.into_iter().map(|(.., buried)| buried).collect::<Vec<_>>()
        })?;
        self.shared.sent.notify_waiters();
        Ok(moved)
    }

    async fn waiting(&self, queue: QueueName, tenant: &TenantId) -> Result<Option<Vec<String>>, QueueError> {
        let tenant = tenant.to_string();
        self.lane(queue, |kept| {
            let lane = kept.lane(queue);
            let own = lane.group_of.iter().filter(|(_, group)| tenant_of(group) == tenant);
            Some(own.filter_map(|(number, _)| lane.body(*number)).map(str::to_owned).collect())
        })
    }

    async fn depth(&self, queue: QueueName) -> Result<Depth, QueueError> {
        self.lane(queue, |kept| {
            let lane = kept.lane(queue);
            let oldest = lane.group_of.keys().next().and_then(|number| lane.body(*number));
            Depth {
                waiting: lane.group_of.len() as u64,
                dead: lane.dead.len() as u64,
                oldest: oldest.and_then(runtime::envelope::arrival),
            }
        })
    }
}
