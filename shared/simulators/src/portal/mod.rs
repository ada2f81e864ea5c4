//! A Bitrix24 portal: REST by incoming webhook or access token, and events by outgoing webhook.

mod bots;
mod calls;
mod chats;
mod classic;
mod crm;
mod directory;
mod events;
mod fields;
#[cfg(test)]
mod fuzz;
mod operating;
mod query;
mod quirks;
mod rest;
mod rights;
mod seed;
mod seed_fields;
mod subscriptions;
mod tasks;
#[cfg(test)]
mod tests;
mod userfields;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::Clock;
use serde_json::{Map, Value, json};

use crate::bucket::{Bucket, ExceededLimit, ExceededLimits};
use crate::direct::Courier;
use crate::fault::{Fault, Faults, Rule};
use crate::http::Server;
use crate::traffic::{Journal, Road, SentRequest};

pub use calls::PhoneCall;
pub use chats::Chat;
pub use events::{OutgoingWebhook, PortalEventDelivery};
pub use operating::PortalPlan;
pub use quirks::Quirk;
pub(crate) use rest::span;
pub use userfields::NewField;

pub const DEAL: u32 = 2;
pub const LEAD: u32 = 1;

pub const CONTACT: u32 = 3;
/// Companies.
pub const COMPANY: u32 = 4;

/// A simulated portal. It stops when dropped.
pub struct PortalSimulator {
    shared: Arc<PortalShared>,
    server: Server,
}

pub(crate) struct PortalShared {
    state: Mutex<SimulatorState>,
    /// Where the portal answers, and its host after a rename. They lie beside the state: the
    /// authorization server asks for them under its own lock, which the portal, under the state's,
    /// asks about tokens.
    address: std::sync::OnceLock<String>,
    is_secure: std::sync::OnceLock<bool>,
    moved_to: Mutex<Option<String>>,
    /// Who gives out its tokens, once it was made known there.
    authority: std::sync::OnceLock<Arc<crate::oauth::OauthServersInner>>,
    clock: OwnClock,
    courier: Courier,
    /// Events on their way.
    on_the_way: AtomicU64,
    /// Bitrix24's queue service has so many requests open at a time.
    senders: tokio::sync::Semaphore,
}

/// The portal's clock: the world's, or some time behind it.
pub(crate) struct OwnClock {
    world: Arc<dyn Clock>,
    behind: AtomicI64,
}

impl OwnClock {
    fn now(&self) -> Timestamp {
        self.world.now() - jiff::SignedDuration::from_secs(self.behind.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        self.world.sleep(duration).await;
    }
}

/// The portal's ids and secrets.
#[derive(Debug, Clone)]
pub struct PortalCredentials {
    /// The portal's lasting id.
    pub member_id: String,
    /// The user of the incoming webhook.
    pub user: u64,
    /// The secret of the incoming webhook.
    pub secret: String,
    /// What the outgoing webhook's events carry.
    pub application_token: String,
    /// An application's access token, for clients that work with one.
    pub access_token: String,
}

#[allow(clippy::struct_excessive_bools)] // switches of the tests
pub(crate) struct SimulatorState {
    credentials: PortalCredentials,
    host: String,
    users: Vec<Value>,
    categories: Vec<Value>,
    statuses: Vec<Value>,
    /// By type, then id.
    items: BTreeMap<u32, BTreeMap<u64, Map<String, Value>>>,
    stage_history: Vec<Value>,
    /// The customer's own fields, by type.
    /// What becomes of values that applications write.
    quirks: quirks::Quirks,
    own_fields: BTreeMap<u32, Vec<userfields::OwnField>>,
    last_field: u64,
    last_way: u64,
    /// What was deleted and can be restored, by type and id; tasks under 0.
    trash: BTreeMap<(u32, u64), Map<String, Value>>,
    /// The contents of files in fields: name and bytes.
    documents: BTreeMap<u64, (String, bytes::Bytes)>,
    currencies: Vec<Value>,
    departments: Vec<Value>,
    /// How the portal is reached: `http`, or `https` behind a certificate.
    scheme: &'static str,
    tasks: BTreeMap<u64, Map<String, Value>>,
    /// Whether tasks have the old card, in which comments are not messages.
    old_card: bool,
    comments: BTreeMap<u64, Vec<Value>>,
    chats: BTreeMap<u64, Vec<Value>>,
    context: chats::ChatState,
    last_message: u64,
    projects: Vec<Value>,
    telephony: Vec<Value>,
    activities: BTreeMap<u64, Value>,
    bindings: BTreeMap<u64, Vec<Value>>,
    /// Methods that the webhook's or application's rights do not reach.
    denied: BTreeSet<String>,
    /// Scopes that were taken away.
    removed_scopes: BTreeSet<String>,
    /// What the portal makes of its webhook and its tokens.
    access: rest::PortalState,
    /// What the plan has.
    features: BTreeSet<String>,
    /// Whether the application's installation is finished.
    installed: bool,
    /// Whether the first person is not an administrator any more.
    demoted: bool,
    offline: Vec<subscriptions::OfflineEvent>,
    offline_rows: u64,
    offline_bound: Vec<subscriptions::Binding>,
    last_handler: u64,
    handlers: Vec<OutgoingWebhook>,
    delivery: PortalEventDelivery,
    paces: events::Paces,
    held: Vec<events::PortalParcel>,
    road: Road<events::PortalParcel>,
    journal: Journal,
    faults: Faults,
    bucket: Bucket,
    limited: bool,
    exceeded: ExceededLimits,
    operating: operating::OperatingTime,
    hidden: BTreeSet<(u32, u64)>,
    /// Whose role reads and changes every CRM item.
    reach_all: BTreeSet<u64>,
    requests: u64,
    calls: BTreeMap<String, u64>,
    refused_for_limits: u64,
    events_sent: u64,
    revision: u64,
}

impl PortalSimulator {
    /// Starts a portal with the demonstration company's data, on `port` (0 for a free one).
    pub async fn start(clock: Arc<dyn Clock>, port: u16) -> std::io::Result<Self> {
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let waits_by = clock.clone();
        let shared = Arc::new(PortalShared {
            state: Mutex::new(seed::state(clock.now())),
            address: std::sync::OnceLock::new(),
            is_secure: std::sync::OnceLock::new(),
            moved_to: Mutex::default(),
            authority: std::sync::OnceLock::new(),
            clock: OwnClock { world: clock, behind: AtomicI64::new(0) },
            courier: Courier::default(),
            on_the_way: AtomicU64::new(0),
            senders: tokio::sync::Semaphore::new(32),
        });
        let serving = shared.clone();
        let server = Server::start_by(waits_by, port, move |request| rest::answer(serving.clone(), request)).await?;
        {
            let _ = shared.is_secure.set(server.scheme() == "https");
            let mut state = shared.lock();
            state.scheme = server.scheme();
            state.host.clone_from(shared.address.get_or_init(|| server.host()));
            seed::files(&mut state);
        }
        Ok(Self { shared, server })
    }

    pub(crate) fn shared(&self) -> &Arc<PortalShared> {
        &self.shared
    }

    /// The portal's server, for what happens on the way.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Sets the portal's own clock back.
    pub fn be_behind(&self, by: Duration) {
        let by = i64::try_from(by.as_secs()).unwrap_or_default();
        self.shared.clock.behind.store(by, Ordering::SeqCst);
    }

    /// Gives the portal another lasting id, for a world of many.
    pub fn rename(&self, member_id: &str) {
        member_id.clone_into(&mut self.shared.lock().credentials.member_id);
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Its host with port: the replacement for `acme.bitrix24.com`.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// Its ids and secrets.
    pub fn credentials(&self) -> PortalCredentials {
        self.shared.lock().credentials.clone()
    }

    /// The incoming webhook's URL.
    pub fn webhook_url(&self) -> String {
        let PortalCredentials { user, secret, .. } = self.credentials();
        format!("{}/rest/{user}/{secret}/", self.url())
    }

    /// Creates an outgoing webhook: `events` are posted to `url`.
    pub fn send_events_to(&self, url: &str, events: &[&str]) {
        self.shared.lock().add_handler(url, events);
    }

    /// Sets how events travel from now on.
    pub fn deliver(&self, delivery: PortalEventDelivery) {
        self.shared.lock().delivery = delivery;
    }

    /// How events travel now.
    pub fn delivery(&self) -> PortalEventDelivery {
        self.shared.lock().delivery.clone()
    }

    /// Sends the events that were held back for reordering, newest first.
    pub fn release_held(&self) {
        events::release(&self.shared);
    }

    /// Takes the rights of an administrator from the first person, or gives them back.
    pub fn demote(&self, demoted: bool) {
        self.shared.lock().demoted = demoted;
    }

    /// Makes the next call of `method` fail; a batch fails as `batch`.
    pub fn fail_next(&self, method: &str, fault: Fault) {
        self.shared.lock().faults.next(method, fault);
    }

    /// Makes requests fail by a rule.
    pub fn fail(&self, rule: Rule) {
        let now = self.shared.clock.world.now();
        self.shared.lock().faults.add(rule, now);
    }

    /// The rules that wait for their requests.
    pub fn faults(&self) -> Vec<Rule> {
        let now = self.shared.clock.world.now();
        self.shared.lock().faults.waiting(now)
    }

    /// Lets every request whose address has `part` in it (`*` is any) wait so long by the clock; zero for no longer.
    pub fn slow_down(&self, part: &str, pause: Duration) {
        self.server.slow_down(part, pause);
    }

    /// Forgets the failures that wait.
    pub fn forget_faults(&self) {
        self.shared.lock().faults.forget();
    }

    /// Whether calls are counted against the limits; they are by default.
    pub fn limit_calls(&self, limited: bool) {
        self.shared.lock().limited = limited;
    }

    /// Sets what a call of `method` costs in seconds of operating time.
    pub fn set_cost(&self, method: &str, seconds: f64) {
        self.shared.lock().operating.set_cost(method, seconds);
    }

    /// Gives the portal the limits of a plan.
    pub fn be_of_plan(&self, plan: PortalPlan) {
        self.shared.lock().bucket = plan.bucket();
    }

    /// Which limits were exceeded so far, and how often.
    pub fn exceeded_limits(&self) -> Vec<ExceededLimit> {
        let state = self.shared.lock();
        state.exceeded.of(&state.credentials.member_id)
    }

    /// Hides an item from the webhook's user.
    pub fn hide(&self, entity: u32, id: u64) {
        self.shared.lock().hidden.insert((entity, id));
    }

    /// For how long the next event for a handler waits, because its last answers were slow.
    pub fn pause_of(&self, url: &str) -> Duration {
        events::pause(&self.shared.lock().paces, url)
    }

    /// Renames the portal: this address answers 302 to `host` from now on.
    pub fn move_to(&self, host: &str) {
        *self.shared.moved_to.lock().unwrap_or_else(PoisonError::into_inner) = Some(host.to_owned());
    }

    /// Adds an item as a person would in the browser; returns its id.
    pub fn add_item(&self, entity: u32, fields: Value) -> u64 {
        let Value::Object(fields) = fields else { return 0 };
        let added = crm::add(&self.shared, entity, fields, self.as_person());
        added.ok().and_then(|item| item["id"].as_u64()).unwrap_or_default()
    }

    pub fn add_deal(&self, title: &str, amount: u64, currency: &str) -> u64 {
        self.add_item(DEAL, json!({"title": title, "opportunity": amount, "currencyId": currency}))
    }

    pub fn add_lead(&self, title: &str) -> u64 {
        self.add_item(LEAD, json!({"title": title, "sourceId": "WEB"}))
    }

    /// Changes an item as a person would in the browser. Nothing happens if nothing changes.
    pub fn change_item(&self, entity: u32, id: u64, fields: Value) {
        if let Value::Object(fields) = fields {
            let _ = crm::update(&self.shared, entity, id, fields, self.as_person());
        }
    }

    /// Whoever the Rust tests act as in the browser.
    fn as_person(&self) -> crm::ItemAuthor {
        crm::ItemAuthor { user: self.shared.lock().credentials.user, writer: values::ValueWriter::Person }
    }

    pub fn move_deal(&self, id: u64, stage: &str) {
        self.change_item(DEAL, id, json!({"stageId": stage}));
    }

    /// Adds an item as someone in the browser does: what the type does not have is refused. Returns its number.
    pub fn add_as(&self, user: u64, entity: u32, fields: Map<String, Value>) -> Result<u64, String> {
        self.known_fields(entity, &fields)?;
        let added = crm::add(&self.shared, entity, fields, crm::ItemAuthor { user, writer: values::ValueWriter::Rest });
        added.map(|item| item["id"].as_u64().unwrap_or_default()).map_err(in_words)
    }

    /// Changes an item as someone in the browser does; returns it.
    pub fn edit_as(&self, user: u64, entity: u32, id: u64, fields: Map<String, Value>) -> Result<Value, String> {
        self.known_fields(entity, &fields)?;
        crm::update(&self.shared, entity, id, fields, crm::ItemAuthor { user, writer: values::ValueWriter::Rest })
            .map_err(in_words)
    }

    fn known_fields(&self, entity: u32, fields: &Map<String, Value>) -> Result<(), String> {
        let state = self.shared.lock();
        let unknown = fields.keys().find(|name| {
            let described = state.described_field(entity, name);
            described.is_none_or(|field| field["isReadOnly"] == true)
        });
        unknown.map_or(Ok(()), |name| {
            Err(format!("the record has no field {name} that can be written; crm.item.fields lists them"))
        })
    }

    /// Adds a task as someone in the browser does; the names of the fields are those of `tasks.task.add`.
    pub fn add_task_as(&self, user: u64, mut fields: Map<String, Value>) -> Result<u64, String> {
        fields.entry("CREATED_BY").or_insert_with(|| json!(user.to_string()));
        tasks::add(&self.shared, &fields).map_err(in_words)
    }

    /// Changes a task as someone in the browser does; returns it.
    pub fn edit_task_as(&self, id: u64, fields: &Map<String, Value>) -> Result<Value, String> {
        tasks::update(&self.shared, id, fields).map_err(in_words)?;
        Ok(self.task(id).unwrap_or_default())
    }

    /// Whether the portal has a type of items.
    pub fn has_type(&self, entity: u32) -> bool {
        self.shared.lock().items.contains_key(&entity)
    }

    /// Takes an item out of the bin, with its number; false if it is not there.
    pub fn restore_item(&self, entity: u32, id: u64) -> bool {
        crm::restore(&self.shared, entity, id)
    }

    /// Deletes an item: it goes into the bin.
    pub fn delete_item(&self, entity: u32, id: u64) {
        let _ = crm::delete(&self.shared, entity, id);
    }

    /// Adds a task as a person would; the names of the fields are those of `tasks.task.add`. Returns its id.
    pub fn add_task(&self, fields: Value) -> u64 {
        tasks::add(&self.shared, &tasks::object(fields)).unwrap_or_default()
    }

    pub fn change_task(&self, id: u64, fields: Value) {
        let _ = tasks::update(&self.shared, id, &tasks::object(fields));
    }

    pub fn delete_task(&self, id: u64) {
        let _ = tasks::delete(&self.shared, id);
    }

    /// Takes a task out of the bin, with its number; false if it is not there.
    pub fn restore_task(&self, id: u64) -> bool {
        tasks::restore(&self.shared, id)
    }

    /// Comments on a task; returns the id of the message or, in the old card, of the comment.
    pub fn comment(&self, task: u64, author: u64, text: &str) -> u64 {
        tasks::comment(&self.shared, task, author, text, &[])
    }

    /// The same with files, by their numbers.
    pub fn comment_with(&self, task: u64, author: u64, text: &str, files: &[u64]) -> u64 {
        tasks::comment(&self.shared, task, author, text, files)
    }

    /// Whether tasks made from now on have the old card.
    pub fn use_old_card(&self, old: bool) {
        self.shared.lock().old_card = old;
    }

    /// A task as REST gives it.
    pub fn task(&self, id: u64) -> Option<Value> {
        self.shared.lock().tasks.get(&id).map(|task| Value::Object(task.clone()))
    }

    pub fn task_ids(&self) -> Vec<u64> {
        self.shared.lock().tasks.keys().copied().collect()
    }

    /// Adds a project; returns its id.
    pub fn add_project(&self, name: &str) -> u64 {
        let mut state = self.shared.lock();
        let id = state.projects.len() as u64 + 1;
        state.projects.push(json!({"ID": id.to_string(), "NAME": name, "ACTIVE": "Y", "OPENED": "Y"}));
        state.revision += 1;
        id
    }

    pub fn projects(&self) -> Vec<Value> {
        self.shared.lock().projects.clone()
    }

    /// A call comes to its end; returns its id.
    pub fn end_call(&self, call: &PhoneCall) -> String {
        calls::end(&self.shared, call)
    }

    /// The recording of a call appears.
    pub fn record_call(&self, call_id: &str, url: &str) {
        calls::record(&self.shared, call_id, url);
    }

    /// Creates a smart process with one funnel of three stages.
    pub fn add_smart_process(&self, entity: u32) {
        let mut state = self.shared.lock();
        state.items.entry(entity).or_default();
        state.categories.push(json!({"id": 1, "name": "Main", "sort": 10, "entityTypeId": entity, "isDefault": "Y"}));
        for (code, name, meaning) in
            [("NEW", "Fresh", Value::Null), ("WORK", "In work", Value::Null), ("SUCCESS", "Done", json!("S"))]
        {
            state.statuses.push(json!({
                "ID": "9000", "ENTITY_ID": format!("DYNAMIC_{entity}_STAGE_1"), "STATUS_ID": format!("DT{entity}_1:{code}"),
                "NAME": name, "SORT": "10", "SEMANTICS": meaning,
            }));
        }
    }

    /// Takes a right away: calls of methods that begin so are refused.
    pub fn deny(&self, methods: &str) {
        self.shared.lock().denied.insert(methods.to_lowercase());
    }

    /// Gives a denied right back.
    pub fn allow(&self, methods: &str) {
        self.shared.lock().denied.remove(&methods.to_lowercase());
    }

    /// Takes a scope away from the webhook and the application, or gives it back.
    pub fn allow_scope(&self, scope: &str, allowed: bool) {
        let mut state = self.shared.lock();
        if allowed {
            state.removed_scopes.remove(scope);
        } else {
            state.removed_scopes.insert(scope.to_owned());
        }
    }

    /// The scopes that the portal has.
    pub fn scopes(&self) -> Vec<&'static str> {
        directory::scopes()
    }

    /// Gives the plan a feature.
    pub fn add_feature(&self, code: &str) {
        self.shared.lock().features.insert(code.to_owned());
    }

    /// Whether the application's installation is finished.
    pub fn finish_installation(&self, finished: bool) {
        self.shared.lock().installed = finished;
    }

    /// The events that an application has bound, with their addresses.
    pub fn bound_events(&self) -> Vec<(String, String)> {
        let state = self.shared.lock();
        let apps = state.handlers.iter().filter(|handler| handler.is_app());
        apps.flat_map(OutgoingWebhook::bound).map(|(event, url)| (event.to_owned(), url.to_owned())).collect()
    }

    /// Takes away what an application has bound, as an update of it would.
    pub fn forget_bound_events(&self) {
        self.shared.lock().handlers.retain(|handler| !handler.is_app());
    }

    /// How many rows lie in the offline queue.
    pub fn offline_rows(&self) -> usize {
        self.shared.lock().offline.len()
    }

    /// A person's own access token: what is done with it is done with their rights.
    pub fn token_of(&self, user: u64) -> String {
        format!("token-of-user-{user}")
    }

    /// Where applications call: `client_endpoint`.
    pub fn client_endpoint(&self) -> String {
        format!("{}/rest/", self.url())
    }

    /// An item as REST gives it.
    pub fn item(&self, entity: u32, id: u64) -> Option<Value> {
        self.shared.lock().items.get(&entity)?.get(&id).map(|item| Value::Object(item.clone()))
    }

    /// The ids of all items of a type.
    pub fn ids(&self, entity: u32) -> Vec<u64> {
        self.shared.lock().items.get(&entity).map(|items| items.keys().copied().collect()).unwrap_or_default()
    }

    /// The stages of the first funnel, in order: code, name, colour, meaning.
    pub fn stages(&self) -> Vec<Value> {
        let state = self.shared.lock();
        let mut stages: Vec<_> =
            state.statuses.iter().filter(|row| row["ENTITY_ID"] == "DEAL_STAGE").cloned().collect();
        stages.sort_by_key(|row| row["SORT"].as_str().and_then(|sort| sort.parse::<u64>().ok()));
        stages
    }

    pub fn users(&self) -> Vec<Value> {
        self.shared.lock().users.clone()
    }

    /// The data, to be restored later.
    pub fn save(&self) -> Value {
        let state = self.shared.lock();
        json!({
            "items": state.items, "stage_history": state.stage_history, "tasks": state.tasks, "chats": state.chats,
            "comments": state.comments, "projects": state.projects, "telephony": state.telephony, "activities": state.activities,
            "bindings": state.bindings, "last_message": state.last_message, "rooms": state.context.chats,
            "own_fields": state.own_fields, "statuses": state.statuses,
        })
    }

    /// Goes on with saved data.
    pub fn restore(&self, saved: &Value) {
        let mut state = self.shared.lock();
        take(&saved["items"], &mut state.items);
        take(&saved["stage_history"], &mut state.stage_history);
        take(&saved["tasks"], &mut state.tasks);
        take(&saved["chats"], &mut state.chats);
        take(&saved["comments"], &mut state.comments);
        take(&saved["projects"], &mut state.projects);
        take(&saved["telephony"], &mut state.telephony);
        take(&saved["activities"], &mut state.activities);
        take(&saved["bindings"], &mut state.bindings);
        take(&saved["last_message"], &mut state.last_message);
        take(&saved["rooms"], &mut state.context.chats);
        take(&saved["own_fields"], &mut state.own_fields);
        take(&saved["statuses"], &mut state.statuses);
        take(&saved["bots"], &mut state.context.bots);
    }

    /// HTTP requests answered so far.
    pub fn requests(&self) -> u64 {
        self.shared.lock().requests
    }

    /// Calls so far by method, those within batches too.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.lock().calls.clone()
    }

    /// Requests refused for a limit so far.
    pub fn refused_for_limits(&self) -> u64 {
        self.shared.lock().refused_for_limits
    }

    /// The events that were sent so far, those that were lost too, and what became of each.
    pub fn sent(&self) -> Vec<SentRequest> {
        self.shared.lock().journal.all()
    }

    /// Whether each event waits for the answer to the one before it. Bitrix24 never does that: it is for stories that are
    /// about something else, and cannot do without.
    pub fn keep_order(&self, keeps: bool) {
        self.shared.lock().road.keeps_order = keeps;
    }

    /// When the next event arrives that is on its way.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.shared.lock().road.next_arrival()
    }

    /// Events that have been sent or dropped so far.
    pub fn events_sent(&self) -> u64 {
        self.shared.lock().events_sent
    }

    /// Events that are on their way now.
    pub fn events_on_the_way(&self) -> u64 {
        self.shared.on_the_way.load(Ordering::SeqCst)
    }

    /// Requests that have not been answered, whether or not the answer is still waited for.
    pub fn arriving(&self) -> u64 {
        self.shared.courier.arriving()
    }

    /// Counts every change of the data; a page sees by it whether to load again.
    pub fn revision(&self) -> u64 {
        self.shared.lock().revision
    }

    /// Posts an event body to one address, once.
    pub fn post_to(&self, url: &str, body: &str) {
        events::post(&self.shared, url, body.to_owned());
    }

    /// Takes all bots away, as removing their application does.
    pub fn forget_bots(&self) {
        self.shared.lock().context.bots.clear();
    }

    /// Posts an event body to every handler, as the portal would.
    pub fn post_raw(&self, body: &str) {
        events::post_raw(&self.shared, body);
    }

    /// The body of an event that points at a CRM item, as the outgoing webhook sends it.
    pub fn event_body(&self, event: &str, id: u64) -> String {
        let now = self.shared.clock.now();
        events::body(&self.shared.lock(), event, 1, &json!({"FIELDS": {"ID": id}}), now)
    }
}

impl SimulatorState {
    /// Keeps the contents of a file that a field holds; returns its number.
    pub(crate) fn keep_document(&mut self, name: &str, bytes: bytes::Bytes) -> u64 {
        let id = self.documents.keys().last().copied().unwrap_or(1066) + 1;
        self.documents.insert(id, (name.to_owned(), bytes));
        id
    }

    /// A number for a phone or an address.
    pub(crate) fn next_way(&mut self) -> u64 {
        self.last_way += 1;
        self.last_way
    }
}

impl PortalShared {
    pub(crate) fn set_authority(&self, authority: Arc<crate::oauth::OauthServersInner>) {
        let _ = self.authority.set(authority);
    }

    /// How the portal is reached: `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_secure.get().is_some_and(|secure| *secure) { "https" } else { "http" }
    }

    /// The portal's host, after a rename the new one.
    pub(crate) fn present_host(&self) -> String {
        self.moved_to().or_else(|| self.address.get().cloned()).unwrap_or_default()
    }

    /// The host that the portal was renamed to.
    pub(crate) fn moved_to(&self) -> Option<String> {
        self.moved_to.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SimulatorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_words((_, code, text): crm::RestRefusal) -> String {
    if code.is_empty() { text } else { format!("{code}: {text}") }
}

/// A moment as the portal writes it: to the second, with an offset.
pub(crate) fn portal_time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn take<T: serde::de::DeserializeOwned>(from: &Value, to: &mut T) {
    if let Ok(value) = serde_json::from_value(from.clone()) {
        *to = value;
    }
}
