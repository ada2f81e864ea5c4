//! A Notion workspace: pages, databases, data sources, blocks, comments, files, people and webhooks, as strict as
//! Notion.
//!
//! Times of pages are cut to the minute, writing a page makes no option of a status, and a window of a minute allows a
//! fixed number of requests. Where Notion documents nothing (does writing the same value again make an event?), the
//! simulator does what is harder for a client. Not simulated, and refused as an invalid address: views, agents, custom
//! emoji, meeting notes and asynchronous tasks.

mod access;
mod api;
mod blocks;
mod comments;
mod computed;
mod control;
mod convert;
mod databases;
mod dates;
mod doing;
mod door;
mod events;
mod filters;
mod markdown;
mod pages;
mod query;
mod schema;
mod search;
mod templates;
mod text;
mod uploads;
mod values;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::bucket::{ExceededLimit, ExceededLimits};
use crate::direct::Courier;
use crate::fault::{Fault, Faults, Rule};
use crate::http::Server;
use crate::traffic::{Journal, SentRequest};

pub(crate) use control::help;
pub use events::NotionEventDelivery;

/// A simulated workspace. It stops when dropped.
pub struct NotionSimulator {
    shared: Arc<NotionShared>,
    server: Server,
}

pub(crate) struct NotionShared {
    state: Mutex<NotionState>,
    clock: Arc<dyn Clock>,
    courier: Courier,
    on_the_way: AtomicU64,
}

/// A database with one data source or more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // as the API shows them
pub(crate) struct SimulatedDatabase {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: String,
    /// The page that it is in; empty for the workspace itself.
    pub(crate) parent: String,
    pub(crate) sources: Vec<String>,
    /// Whether the connection was added to it.
    pub(crate) shared: bool,
    pub(crate) created: Timestamp,
    pub(crate) edited: Timestamp,
    pub(crate) in_trash: bool,
    pub(crate) is_inline: bool,
    pub(crate) is_locked: bool,
    pub(crate) icon: Value,
    pub(crate) cover: Value,
}

/// A data source.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) database: String,
    pub(crate) title: String,
    /// By name, as the API shows them.
    pub(crate) properties: Map<String, Value>,
    pub(crate) created: Timestamp,
    pub(crate) edited: Timestamp,
    pub(crate) created_by: String,
    pub(crate) edited_by: String,
    pub(crate) in_trash: bool,
    pub(crate) icon: Value,
    pub(crate) templates: Vec<templates::PageTemplate>,
    /// The number that the last row got, for properties of the type `unique_id`.
    pub(crate) numbered: u64,
}

/// A page: a row of a data source, or a page in another page or in the workspace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // as the API shows them
pub(crate) struct SimulatedPage {
    pub(crate) id: String,
    /// The data source that it is a row of; empty for other pages.
    pub(crate) source: String,
    /// The page that it is in; empty for rows and for pages of the workspace.
    pub(crate) parent: String,
    /// Whether the connection was added to this very page.
    pub(crate) shared: bool,
    pub(crate) created: Timestamp,
    pub(crate) edited: Timestamp,
    pub(crate) created_by: String,
    pub(crate) edited_by: String,
    pub(crate) in_trash: bool,
    pub(crate) is_archived: bool,
    pub(crate) is_locked: bool,
    pub(crate) icon: Value,
    pub(crate) cover: Value,
    /// Its number among the rows of its data source.
    pub(crate) number: u64,
    /// By property id: the value under its type. Options are kept by their ids.
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) children: Vec<String>,
    /// What a query shows, until the index has caught up.
    #[serde(skip)]
    pub(crate) indexed: Option<(Timestamp, Box<SimulatedPage>)>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StoredBlock {
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) kind: String,
    pub(crate) value: Value,
    pub(crate) children: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) edited: Timestamp,
    pub(crate) created_by: String,
    pub(crate) edited_by: String,
    pub(crate) in_trash: bool,
}

/// What a test may switch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Switches {
    /// Whether requests are counted.
    pub(crate) limited: bool,
    pub(crate) most_a_minute: u32,
    /// The most rows that a query gives.
    pub(crate) cap: usize,
    /// How far the index of queries is behind.
    pub(crate) lag: Duration,
    /// Each so-many-th list gives fewer items than it was asked for, with `has_more`; 1 for each, 0 for none.
    pub(crate) short_every: u64,
    pub(crate) conflicts: OverlapRule,
    /// How long every answer takes.
    pub(crate) latency: Duration,
    pub(crate) out_of_blocks: bool,
    pub(crate) largest_file: usize,
}

/// Which writes that overlap conflict: all but the first are answered 409.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapRule {
    None,
    /// Those of one page and its blocks, as Notion always refuses them.
    Pages,
    /// Those of one page, and those that add rows to one data source or change it: Notion refuses some of them.
    All,
}

/// Notion may give fewer items than it was asked for at any time.
const SHORT_EVERY: u64 = 5;

impl Default for Switches {
    fn default() -> Self {
        Self {
            limited: true,
            most_a_minute: 180,
            cap: 10_000,
            lag: Duration::ZERO,
            short_every: SHORT_EVERY,
            conflicts: OverlapRule::Pages,
            latency: Duration::ZERO,
            out_of_blocks: false,
            largest_file: 5 * 1024 * 1024,
        }
    }
}

pub(crate) struct NotionState {
    /// The time of the request or deed that holds the lock.
    pub(crate) now: Timestamp,
    pub(crate) databases: BTreeMap<String, SimulatedDatabase>,
    pub(crate) sources: BTreeMap<String, Source>,
    pub(crate) pages: BTreeMap<String, SimulatedPage>,
    pub(crate) blocks: BTreeMap<String, StoredBlock>,
    pub(crate) comments: BTreeMap<String, comments::PageComment>,
    pub(crate) uploads: BTreeMap<String, uploads::Upload>,
    pub(crate) people: Vec<Value>,
    pub(crate) capabilities: BTreeSet<&'static str>,
    pub(crate) faults: Faults,
    pub(crate) door: door::ConnectionGrants,
    pub(crate) switches: Switches,
    /// Requests in the minute that began then.
    pub(crate) window: (i64, u32),
    /// What is being written to, while overlapping writes conflict.
    pub(crate) busy: BTreeSet<String>,
    /// Writes that were refused because of one that they overlapped.
    pub(crate) conflicts: u64,
    /// Lists that had more than they gave.
    pub(crate) long_lists: AtomicU64,
    pub(crate) exceeded: ExceededLimits,
    pub(crate) journal: Journal,
    pub(crate) hook: Option<(String, String)>,
    /// The types of events that the subscription has; all if it is empty.
    pub(crate) subscribed: BTreeSet<String>,
    pub(crate) delivery: NotionEventDelivery,
    pub(crate) waiting: VecDeque<events::WaitingEvent>,
    /// Events that were noted, whether they were sent or not: the last thousand.
    pub(crate) noted: VecDeque<Value>,
    pub(crate) told: BTreeMap<String, Timestamp>,
    /// Templates that are applied a moment after the request.
    pub(crate) applying: Vec<templates::Applying>,
    pub(crate) last: u64,
    pub(crate) calls: BTreeMap<String, u64>,
    pub(crate) requests: u64,
    pub(crate) refused_for_limits: u64,
    /// Changes that the API made to pages: the writes.
    pub(crate) writes: u64,
    pub(crate) revision: u64,
}

/// The bot user of the connection.
pub(crate) const BOT: &str = "7775f3a3-893f-43fa-b625-460c61094c78";
pub(crate) const INTEGRATION: &str = "0ef2e755-4912-8096-91c1-00376a88a5ca";
pub(crate) const WORKSPACE: &str = "13950b26-c203-4f3b-b97d-93ec06319565";
const TOKEN: &str = "ntn_sandbox00000000000000000000000000000000000";
const NAME: &str = "Switchboard";
/// What a connection may be allowed to do: read, insert and update content; see people, and their e-mail addresses; read
/// and insert comments.
pub const CAPABILITIES: [&str; 7] =
    ["read", "insert", "update", "people", "people_emails", "read_comments", "insert_comments"];
/// The person as whom people edit who are not named.
pub(crate) const SOMEBODY: &str = "c7c11cca-1d73-471d-9b6e-bdef51470190";

impl NotionSimulator {
    /// Starts an empty workspace on `port` (0 for a free one).
    pub async fn start(clock: Arc<dyn Clock>, port: u16) -> std::io::Result<Self> {
        let shared = Arc::new(NotionShared::new(clock.clone()));
        let serving = shared.clone();
        let server = Server::start_by(clock, port, move |request| api::answer(serving.clone(), request)).await?;
        Ok(Self { shared, server })
    }

    /// The replacement for `https://api.notion.com`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The connection's token.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// Who the token belongs to: bot, name, workspace.
    pub fn identity(&self) -> (&'static str, &'static str, &'static str) {
        (BOT, NAME, WORKSPACE)
    }

    /// Makes the next call of `method` fail: `GET /v1/pages`, or `*`.
    pub fn fail_next(&self, method: &str, fault: Fault) {
        self.shared.lock().faults.next(method, fault);
    }

    /// Makes requests fail by a rule: `GET /v1/pages/`, or `*`.
    pub fn fail(&self, rule: Rule) {
        let mut state = self.shared.lock();
        let now = state.now;
        state.faults.add(rule, now);
    }

    /// The rules that wait for their requests.
    pub fn faults(&self) -> Vec<Rule> {
        let state = self.shared.lock();
        state.faults.waiting(state.now)
    }

    /// Its server, for what happens on the way.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Forgets the failures that wait.
    pub fn forget_faults(&self) {
        self.shared.lock().faults.forget();
    }

    /// Whether requests are counted; they are by default.
    pub fn limit_calls(&self, limited: bool) {
        self.shared.lock().switches.limited = limited;
    }

    /// Sets the most rows that a query gives; Notion's is 10,000.
    pub fn cap_queries(&self, rows: usize) {
        self.shared.lock().switches.cap = rows;
    }

    /// Lets queries show rows as they were so long ago.
    pub fn lag_queries(&self, lag: Duration) {
        self.shared.lock().switches.lag = lag;
    }

    /// Uses up the free plan's blocks.
    pub fn use_up_blocks(&self, used: bool) {
        self.shared.lock().switches.out_of_blocks = used;
    }

    /// Whether each list gives fewer items than it was asked for while there are more, or none does; by default each fifth
    /// does.
    pub fn short_pages(&self, short: bool) {
        self.shared.lock().switches.short_every = u64::from(short);
    }

    /// Sets which writes that overlap conflict; those of one page do by default.
    pub fn conflict(&self, which: OverlapRule) {
        self.shared.lock().switches.conflicts = which;
    }

    /// Writes that were answered 409 so far.
    pub fn conflicts(&self) -> u64 {
        self.shared.lock().conflicts
    }

    /// Which limits were exceeded so far, and how often.
    pub fn exceeded_limits(&self) -> Vec<ExceededLimit> {
        self.shared.lock().exceeded.of(WORKSPACE)
    }

    /// The webhooks that were sent so far, and what became of each.
    pub fn sent(&self) -> Vec<SentRequest> {
        self.shared.lock().journal.all()
    }

    /// Lets every answer take so long by the clock.
    pub fn slow_down(&self, latency: Duration) {
        self.shared.lock().switches.latency = latency;
    }

    /// Takes a capability of the connection away, or gives it back: one of [`CAPABILITIES`]. Says whether there is such a
    /// one.
    pub fn allow(&self, capability: &str, allowed: bool) -> bool {
        let Some(capability) = CAPABILITIES.iter().find(|known| **known == capability) else { return false };
        let mut state = self.shared.lock();
        if allowed {
            state.capabilities.insert(capability);
        } else {
            state.capabilities.remove(capability);
        }
        true
    }

    /// Sets how webhooks travel from now on.
    pub fn deliver(&self, delivery: NotionEventDelivery) {
        self.shared.lock().delivery = delivery;
    }

    /// How webhooks travel now.
    pub fn delivery(&self) -> NotionEventDelivery {
        self.shared.lock().delivery.clone()
    }

    /// Webhooks that are on their way now.
    pub fn on_the_way(&self) -> u64 {
        self.shared.on_the_way.load(Ordering::SeqCst)
    }

    /// Requests that have not been answered, whether or not the answer is still waited for.
    pub fn arriving(&self) -> u64 {
        self.shared.courier.arriving()
    }

    /// When the next webhook is due that waits to be sent together with others, or again; or the next template.
    pub fn next_due(&self) -> Option<Timestamp> {
        let state = self.shared.lock();
        let templates = state.applying.iter().map(|applying| applying.due);
        state.waiting.iter().map(|waiting| waiting.due).chain(templates).min()
    }

    /// The events that were noted so far, the last thousand, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.shared.lock().noted.iter().cloned().collect()
    }

    /// Sends the webhooks that are due, and applies the templates that are.
    pub fn send_due(&self) {
        events::send_due(&self.shared);
    }

    /// Sends webhooks when they are due, for as long as it is polled.
    pub async fn keep_sending(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            self.send_due();
        }
    }

    /// The subscription as somebody makes it in Notion: its token is posted to `url`. Returns the token.
    pub async fn subscribe(&self, url: &str) -> (String, u16) {
        events::subscribe(&self.shared, url).await
    }

    /// Calls so far by method and path: `PATCH /v1/pages/`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.lock().calls.clone()
    }

    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.shared.lock().requests
    }

    /// Requests refused for the limit so far.
    pub fn refused_for_limits(&self) -> u64 {
        self.shared.lock().refused_for_limits
    }

    /// How often the API was asked to change a page's properties, or to make a page, and did.
    pub fn writes(&self) -> u64 {
        self.shared.lock().writes
    }

    /// Counts every change.
    pub fn revision(&self) -> u64 {
        self.shared.lock().revision
    }

    /// The data, to be restored later.
    pub fn save(&self) -> Value {
        let state = self.shared.lock();
        json!({
            "databases": state.databases, "sources": state.sources, "rows": state.pages, "blocks": state.blocks,
            "comments": state.comments, "uploads": state.uploads, "people": state.people, "last": state.last,
            "hook": state.hook,
        })
    }

    /// Goes on with saved data.
    pub fn restore(&self, saved: &Value) {
        fn take<T: serde::de::DeserializeOwned>(from: &Value, to: &mut T) {
            if let Ok(value) = serde_json::from_value(from.clone()) {
                *to = value;
            }
        }
        let mut state = self.shared.lock();
        take(&saved["databases"], &mut state.databases);
        take(&saved["sources"], &mut state.sources);
        take(&saved["rows"], &mut state.pages);
        take(&saved["blocks"], &mut state.blocks);
        take(&saved["comments"], &mut state.comments);
        take(&saved["uploads"], &mut state.uploads);
        take(&saved["people"], &mut state.people);
        take(&saved["last"], &mut state.last);
        take(&saved["hook"], &mut state.hook);
    }
}

impl NotionShared {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            state: Mutex::new(NotionState::new(clock.now())),
            clock,
            courier: Courier::default(),
            on_the_way: AtomicU64::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, NotionState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = self.clock.now();
        state
    }
}

impl NotionState {
    fn new(now: Timestamp) -> Self {
        Self {
            now,
            databases: BTreeMap::new(),
            sources: BTreeMap::new(),
            pages: BTreeMap::new(),
            blocks: BTreeMap::new(),
            comments: BTreeMap::new(),
            uploads: BTreeMap::new(),
            people: Vec::new(),
            capabilities: BTreeSet::from(CAPABILITIES),
            faults: Faults::default(),
            door: door::ConnectionGrants::default(),
            switches: Switches::default(),
            window: (0, 0),
            busy: BTreeSet::new(),
            conflicts: 0,
            long_lists: AtomicU64::new(0),
            exceeded: ExceededLimits::default(),
            journal: Journal::default(),
            hook: None,
            subscribed: BTreeSet::new(),
            delivery: NotionEventDelivery::default(),
            waiting: VecDeque::new(),
            noted: VecDeque::new(),
            told: BTreeMap::new(),
            applying: Vec::new(),
            last: 0,
            calls: BTreeMap::new(),
            requests: 0,
            refused_for_limits: 0,
            writes: 0,
            revision: 0,
        }
    }

    /// A new id. Like Notion's, it reveals nothing.
    pub(crate) fn id(&mut self) -> String {
        self.last += 1;
        let mixed = self.last.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("{:08x}-5ab0-4{:03x}-8000-{:012x}", mixed >> 32, (mixed >> 20) & 0xfff, self.last)
    }
}

/// A moment as pages carry it: cut to the minute.
pub(crate) fn minute(moment: Timestamp) -> String {
    let seconds = moment.as_second();
    let cut = Timestamp::from_second(seconds - seconds.rem_euclid(60)).unwrap_or(moment);
    cut.strftime("%Y-%m-%dT%H:%M:00.000Z").to_string()
}

/// An id with dashes, however it was written.
pub(crate) fn normal(id: &str) -> String {
    notion_wire::object_id(id).unwrap_or_else(|| id.to_owned())
}
