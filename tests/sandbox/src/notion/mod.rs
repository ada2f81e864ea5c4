//! A Notion workspace: databases, their rows, blocks, people and webhooks, as strict as Notion is.
//!
//! Times of pages are cut to the minute, options of a status are not made by writing a page, a window of a minute takes so
//! many requests and no more. What the real service has not told anybody (does writing the same again make an event?) is
//! done in the way that is harder for a client.

mod api;
mod blocks;
mod doing;
mod door;
mod events;
mod query;
mod schema;
mod values;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use platform::clock::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fault::{Fault, Faults};
use crate::http::Server;

pub use events::Delivery;

/// A simulated workspace. It stops when dropped.
pub struct Notion {
    shared: Arc<Shared>,
    server: Server,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    http: reqwest::Client,
    on_the_way: AtomicU64,
}

/// A database with one data source or more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Database {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) sources: Vec<String>,
    /// Whether the connection was added to it.
    pub(crate) shared: bool,
    pub(crate) created: Timestamp,
}

/// A data source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) id: String,
    pub(crate) database: String,
    pub(crate) title: String,
    /// By name, as the API shows them.
    pub(crate) properties: Map<String, Value>,
    pub(crate) created: Timestamp,
    pub(crate) edited: Timestamp,
    pub(crate) in_trash: bool,
}

impl Source {
    /// One without properties.
    fn new(id: &str, database: &str, title: &str, now: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            database: database.to_owned(),
            title: title.to_owned(),
            properties: Map::new(),
            created: now,
            edited: now,
            in_trash: false,
        }
    }
}

/// A row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) created: Timestamp,
    pub(crate) edited: Timestamp,
    pub(crate) created_by: String,
    pub(crate) edited_by: String,
    pub(crate) in_trash: bool,
    /// By property id: the value under its type.
    pub(crate) values: BTreeMap<String, Value>,
    pub(crate) children: Vec<String>,
    /// What a query shows, until the index has caught up.
    #[serde(skip)]
    pub(crate) indexed: Option<(Timestamp, Box<Row>)>,
}

/// A block.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredBlock {
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) kind: String,
    pub(crate) value: Value,
    pub(crate) children: Vec<String>,
}

#[allow(clippy::struct_excessive_bools)] // what a test may switch
pub(crate) struct State {
    pub(crate) databases: BTreeMap<String, Database>,
    pub(crate) sources: BTreeMap<String, Source>,
    pub(crate) rows: BTreeMap<String, Row>,
    pub(crate) blocks: BTreeMap<String, StoredBlock>,
    pub(crate) people: Vec<Value>,
    pub(crate) capabilities: BTreeSet<&'static str>,
    pub(crate) faults: Faults,
    pub(crate) door: door::Door,
    /// Requests in the minute that began then.
    pub(crate) window: (i64, u32),
    pub(crate) most_a_minute: u32,
    pub(crate) limited: bool,
    /// The most rows that a query gives.
    pub(crate) cap: usize,
    /// How long the index of queries is behind.
    pub(crate) lag: Duration,
    pub(crate) out_of_blocks: bool,
    pub(crate) hook: Option<(String, String)>,
    pub(crate) delivery: Delivery,
    pub(crate) waiting: VecDeque<events::Waiting>,
    pub(crate) told: BTreeMap<String, Timestamp>,
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
/// Its integration.
pub(crate) const INTEGRATION: &str = "0ef2e755-4912-8096-91c1-00376a88a5ca";
/// The workspace.
pub(crate) const WORKSPACE: &str = "13950b26-c203-4f3b-b97d-93ec06319565";
const TOKEN: &str = "ntn_sandbox00000000000000000000000000000000000";
const NAME: &str = "Switchboard";
/// The person as whom people edit who are not named.
pub(crate) const SOMEBODY: &str = "c7c11cca-1d73-471d-9b6e-bdef51470190";

impl Notion {
    /// Starts an empty workspace on `port` (0 for a free one).
    pub async fn start(clock: Arc<dyn Clock>, port: u16) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new()),
            clock,
            http: reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap_or_default(),
            on_the_way: AtomicU64::new(0),
        });
        let serving = shared.clone();
        let server = Server::start(port, move |request| api::answer(serving.clone(), request)).await?;
        Ok(Self { shared, server })
    }

    /// What stands for `https://api.notion.com`.
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

    /// What is to fail.
    pub(crate) fn faults<T>(&self, with: impl FnOnce(&mut Faults) -> T) -> T {
        with(&mut self.shared.lock().faults)
    }

    /// Its server, for what happens on the way.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Forgets the failures that wait.
    pub fn forget_faults(&self) {
        self.shared.lock().faults.forget();
    }

    /// Whether requests are counted; they are, unless told otherwise.
    pub fn limit_calls(&self, limited: bool) {
        self.shared.lock().limited = limited;
    }

    /// Sets the most rows that a query gives; Notion's is 10,000.
    pub fn cap_queries(&self, rows: usize) {
        self.shared.lock().cap = rows;
    }

    /// Lets queries show rows as they were so long ago.
    pub fn lag_queries(&self, lag: Duration) {
        self.shared.lock().lag = lag;
    }

    /// Uses up the free plan's blocks.
    pub fn use_up_blocks(&self, used: bool) {
        self.shared.lock().out_of_blocks = used;
    }

    /// Takes a capability of the connection away, or gives it back: `read`, `insert`, `update`, `people`.
    pub fn allow(&self, capability: &'static str, allowed: bool) {
        let mut state = self.shared.lock();
        if allowed {
            state.capabilities.insert(capability);
        } else {
            state.capabilities.remove(capability);
        }
    }

    /// Sets how webhooks travel from now on.
    pub fn deliver(&self, delivery: Delivery) {
        self.shared.lock().delivery = delivery;
    }

    /// Webhooks that are on their way now.
    pub fn on_the_way(&self) -> u64 {
        self.shared.on_the_way.load(Ordering::SeqCst)
    }

    /// When the next webhook is due that waits to be told together with others, or again.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.shared.lock().waiting.iter().map(|waiting| waiting.due).min()
    }

    /// Sends the webhooks that are due.
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
            "databases": state.databases, "sources": state.sources, "rows": state.rows, "blocks": state.blocks,
            "people": state.people, "last": state.last, "hook": state.hook,
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
        take(&saved["rows"], &mut state.rows);
        take(&saved["blocks"], &mut state.blocks);
        take(&saved["people"], &mut state.people);
        take(&saved["last"], &mut state.last);
        take(&saved["hook"], &mut state.hook);
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new() -> Self {
        Self {
            databases: BTreeMap::new(),
            sources: BTreeMap::new(),
            rows: BTreeMap::new(),
            blocks: BTreeMap::new(),
            people: Vec::new(),
            capabilities: BTreeSet::from(["read", "insert", "update", "people"]),
            faults: Faults::default(),
            door: door::Door::default(),
            window: (0, 0),
            most_a_minute: 180,
            limited: true,
            cap: 10_000,
            lag: Duration::ZERO,
            out_of_blocks: false,
            hook: None,
            delivery: Delivery::default(),
            waiting: VecDeque::new(),
            told: BTreeMap::new(),
            last: 0,
            calls: BTreeMap::new(),
            requests: 0,
            refused_for_limits: 0,
            writes: 0,
            revision: 0,
        }
    }

    /// A new id. Like Notion's, it tells nothing.
    pub(crate) fn id(&mut self) -> String {
        self.last += 1;
        let mixed = self.last.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("{:08x}-5ab0-4{:03x}-8000-{:012x}", mixed >> 32, (mixed >> 20) & 0xfff, self.last)
    }

    /// The data source, if it is there and its database is shared.
    pub(crate) fn source(&self, id: &str) -> Option<&Source> {
        let source = self.sources.get(id)?;
        self.databases.get(&source.database).filter(|database| database.shared).map(|_| source)
    }

    /// The row, if it is there and its database is shared.
    pub(crate) fn row(&self, id: &str) -> Option<&Row> {
        let row = self.rows.get(id)?;
        self.source(&row.source).map(|_| row)
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
