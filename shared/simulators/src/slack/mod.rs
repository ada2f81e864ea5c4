//! A Slack workspace: the Web API methods that are used, with Slack's limits and strictness.

mod api;
mod blocks;
mod doing;
mod editor;
mod events;
mod files;
mod gestures;
mod limits;
mod messages;
mod people;
mod scopes;
mod steer;
#[cfg(test)]
mod tests;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::clock::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::direct::Courier;
use crate::fault::{Fault, Faults, Rule};
use crate::http::Server;
use crate::ids::SecretSource;
use crate::traffic::{Disorder, Journal, Road};

pub use doing::Whisper;
pub use events::{EventReply, Release};
pub use people::Profile;

/// A simulated workspace. It stops when dropped.
pub struct SlackSimulator {
    shared: Arc<SlackShared>,
    server: Server,
}

pub(crate) struct SlackShared {
    /// The workspace's id, and its name.
    team: (String, String),
    /// Slack's common address, where there is one.
    hub: std::sync::OnceLock<String>,
    state: Mutex<WorkspaceState>,
    clock: Arc<dyn Clock>,
    courier: Courier,
    /// Events on their way.
    on_the_way: AtomicU64,
}

/// A channel with what was posted there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // Slack's own flags
pub struct SimulatedChannel {
    pub id: String,
    /// Its name, without `#`.
    pub name: String,
    /// Whether only members see it.
    pub is_private: bool,
    /// Whether nobody can post there any more.
    pub is_archived: bool,
    /// Whether the bot is in it.
    pub is_member: bool,
    /// The person, if these are direct messages with one.
    #[serde(default)]
    pub person: Option<String>,
    /// Whether people of another organisation read it.
    #[serde(default)]
    pub is_shared: bool,
    /// Its messages, oldest first, as the API shows them.
    pub messages: Vec<Value>,
}

/// A message as tests compare it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PostedMessage {
    /// The channel's id, and its name.
    pub channel: String,
    pub channel_name: String,
    pub ts: String,
    /// The first message of its thread, if it is in one.
    pub thread_ts: Option<String>,
    /// Whether the app wrote it.
    pub is_ours: bool,
    /// Who wrote it.
    pub user: Option<String>,
    pub text: String,
    /// The type of its metadata, and what they say: the app's own id of the message among them.
    pub event_type: Option<String>,
    pub metadata: Value,
}

impl PostedMessage {
    fn of(channel: &SimulatedChannel, message: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            channel: channel.id.clone(),
            channel_name: channel.name.clone(),
            ts: text(&message["ts"]).unwrap_or_default(),
            thread_ts: text(&message["thread_ts"]).filter(|parent| message["ts"] != parent.as_str()),
            is_ours: message["bot_id"] == BOT,
            user: text(&message["user"]),
            text: text(&message["text"]).unwrap_or_default(),
            event_type: text(&message["metadata"]["event_type"]),
            metadata: message["metadata"]["event_payload"].clone(),
        }
    }
}

#[allow(clippy::struct_excessive_bools)] // what a test may switch
pub(crate) struct WorkspaceState {
    token: String,
    /// Tokens that were given by OAuth, with when they end.
    granted: BTreeMap<String, Option<jiff::Timestamp>>,
    /// Whether the bot may post in public channels that it is not in.
    writes_public: bool,
    channels: BTreeMap<String, SimulatedChannel>,
    /// Who is in the workspace: id by e-mail.
    people: BTreeMap<String, String>,
    profiles: BTreeMap<String, Profile>,
    /// Whether the bot may create channels (`channels:manage`).
    creates_channels: bool,
    /// Whether it may fetch files (`files:read`).
    reads_files: bool,
    files: BTreeMap<String, files::StoredFile>,
    /// Where the app listens.
    requests_to: Option<String>,
    last_event: u64,
    double_every: u64,
    /// Every n-th event comes a second time under another id; 0 for none.
    double_as_new_every: u64,
    /// Events that are held back, if any are.
    held: Option<Vec<Value>>,
    /// What the app may do.
    scopes: BTreeSet<String>,
    /// Handle and name of each user group.
    groups: BTreeMap<String, (String, String)>,
    is_enterprise: bool,
    /// Triggers that were not used yet: whose, and since when.
    triggers: BTreeMap<String, (String, jiff::Timestamp)>,
    /// Response URLs: whose, where, since when, how often used.
    responses: BTreeMap<String, (String, String, jiff::Timestamp, u32)>,
    last_id: u64,
    whispers: Vec<Whisper>,
    dialogs: BTreeMap<String, Value>,
    homes: BTreeMap<String, Value>,
    faults: Faults,
    limits: limits::MethodLimits,
    limited: bool,
    disorder: Disorder,
    road: Road<events::SlackParcel>,
    journal: Journal,
    subscription: events::Subscription,
    response_ids: SecretSource,
    last_ts: i64,
    calls: BTreeMap<String, u64>,
    refused_for_limits: u64,
    refused_blocks: u64,
    revision: u64,
}

impl SlackSimulator {
    /// Starts a workspace with the channels of the default routes, on `port` (0 for a free one).
    pub async fn start(clock: Arc<dyn Clock>, port: u16) -> std::io::Result<Self> {
        Self::start_as(clock, port, TEAM, "Sandbox").await
    }

    /// The same under another id and name, for a world of many.
    pub async fn start_as(clock: Arc<dyn Clock>, port: u16, team: &str, name: &str) -> std::io::Result<Self> {
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let waits_by = clock.clone();
        let shared = Arc::new(SlackShared {
            team: (team.to_owned(), name.to_owned()),
            hub: std::sync::OnceLock::new(),
            state: Mutex::new(WorkspaceState {
                token: "xoxb-sandbox-bot-token".into(),
                granted: BTreeMap::new(),
                writes_public: true,
                channels: BTreeMap::new(),
                people: BTreeMap::new(),
                profiles: BTreeMap::new(),
                creates_channels: true,
                reads_files: true,
                files: BTreeMap::new(),
                requests_to: None,
                last_event: 0,
                double_every: 0,
                double_as_new_every: 0,
                held: None,
                scopes: scopes::given(),
                groups: BTreeMap::new(),
                is_enterprise: false,
                triggers: BTreeMap::new(),
                responses: BTreeMap::new(),
                last_id: 0,
                whispers: Vec::new(),
                dialogs: BTreeMap::new(),
                homes: BTreeMap::new(),
                faults: Faults::default(),
                limits: limits::MethodLimits::default(),
                limited: true,
                disorder: Disorder::default(),
                road: Road::default(),
                journal: Journal::default(),
                subscription: events::Subscription::default(),
                response_ids: SecretSource::labelled(team),
                last_ts: 0,
                calls: BTreeMap::new(),
                refused_for_limits: 0,
                refused_blocks: 0,
                revision: 0,
            }),
            clock,
            courier: Courier::default(),
            on_the_way: AtomicU64::new(0),
        });
        let serving = shared.clone();
        let server = Server::start_by(waits_by, port, move |request| api::answer(serving.clone(), request)).await?;
        let workspace = Self { shared, server };
        for name in ["general", "sales-leads", "sales-pipeline", "calls", "ops"] {
            workspace.add_channel(name);
        }
        for number in [1, 6, 9, 12, 15] {
            workspace.add_person(&format!("user{number}@example.com"));
        }
        Ok(workspace)
    }

    /// The Web API's address: the replacement for `https://slack.com/api/`.
    pub fn api_url(&self) -> String {
        format!("{}/api/", self.server.url())
    }

    /// The bot and its workspace, as `auth.test` returns them.
    pub fn identity(&self) -> (String, &'static str, &'static str) {
        (self.team_id(), BOT_USER, BOT)
    }

    /// The bot token.
    pub fn token(&self) -> String {
        self.shared.lock().token.clone()
    }

    pub fn signing_secret(&self) -> &'static str {
        SIGNING_SECRET
    }

    /// The workspace's id.
    pub fn team_id(&self) -> String {
        self.shared.team.0.clone()
    }

    pub(crate) fn shared(&self) -> &Arc<SlackShared> {
        &self.shared
    }

    /// Creates a public channel with the bot in it; returns its id.
    pub fn add_channel(&self, name: &str) -> String {
        let mut state = self.shared.lock();
        let id = format!("C0SAND{:04}", state.channels.len() + 1);
        let channel = SimulatedChannel {
            id: id.clone(),
            name: name.to_owned(),
            is_private: false,
            is_archived: false,
            is_member: true,
            person: None,
            is_shared: false,
            messages: Vec::new(),
        };
        state.channels.insert(id.clone(), channel);
        state.revision += 1;
        id
    }

    /// Adds a person; returns their id.
    pub fn add_person(&self, email: &str) -> String {
        let mut state = self.shared.lock();
        let id = format!("U0PERSON{:02}", state.profiles.len() + 1);
        state.people.insert(email.to_lowercase(), id.clone());
        let name = email.split('@').next().unwrap_or_default().to_owned();
        let is_admin = state.profiles.is_empty();
        let profile = Profile {
            id: id.clone(),
            name,
            email: email.to_lowercase(),
            is_admin,
            deleted: false,
            locale: "en-US".into(),
            tz: None,
            team: self.shared.team.0.clone(),
            is_restricted: false,
            is_ultra_restricted: false,
            is_stranger: false,
            organisation: state.is_enterprise.then(|| (ENTERPRISE.to_owned(), vec![self.shared.team.0.clone()])),
            organisation_admin: None,
        };
        state.profiles.insert(id.clone(), profile);
        state.revision += 1;
        id
    }

    /// What a person reads in the direct messages with the bot, by their e-mail.
    pub fn direct(&self, email: &str) -> Vec<String> {
        self.texts(&format!("@{}", email.split('@').next().unwrap_or_default()))
    }

    /// Removes a channel, as its deletion would.
    pub fn remove_channel(&self, name: &str) {
        let mut state = self.shared.lock();
        state.channels.retain(|_, channel| channel.name != name);
        state.revision += 1;
    }

    /// Whether the bot may create channels.
    pub fn create_channels(&self, may: bool) {
        self.shared.lock().creates_channels = may;
    }

    /// Changes a channel by name: archive it, take the bot out, rename it.
    pub fn change_channel(&self, name: &str, change: impl FnOnce(&mut SimulatedChannel)) {
        let mut state = self.shared.lock();
        if let Some(channel) = state.channels.values_mut().find(|channel| channel.name == name) {
            change(channel);
        }
        state.revision += 1;
    }

    /// Whether the bot may post in public channels that it is not in (`chat:write.public`).
    pub fn write_public(&self, may: bool) {
        self.shared.lock().writes_public = may;
    }

    /// Gives the bot another token; the old one is revoked.
    pub fn rotate_token(&self, token: &str) {
        token.clone_into(&mut self.shared.lock().token);
    }

    /// Makes the next call of `method` fail.
    pub fn fail_next(&self, method: &str, fault: Fault) {
        self.shared.lock().faults.next(method, fault);
    }

    /// Makes requests fail by a rule.
    pub fn fail(&self, rule: Rule) {
        let now = self.shared.clock.now();
        self.shared.lock().faults.add(rule, now);
    }

    /// The rules that wait for their requests.
    pub fn faults(&self) -> Vec<Rule> {
        let now = self.shared.clock.now();
        self.shared.lock().faults.waiting(now)
    }

    /// Forgets the failures that wait.
    pub fn forget_faults(&self) {
        self.shared.lock().faults.forget();
    }

    /// Sets how events travel from now on.
    pub fn deliver(&self, disorder: Disorder) {
        self.shared.lock().disorder = disorder;
    }

    /// Lets every request whose address has `part` in it (`*` is any) wait so long by the clock; zero for no longer.
    pub fn slow_down(&self, part: &str, pause: std::time::Duration) {
        self.server.slow_down(part, pause);
    }

    /// Its server, for what happens on the way.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Whether calls are counted against the limits; they are by default.
    pub fn limit_calls(&self, limited: bool) {
        self.shared.lock().limited = limited;
    }

    pub fn channels(&self) -> Vec<SimulatedChannel> {
        self.shared.lock().channels.values().cloned().collect()
    }

    /// The messages of a channel by name, oldest first.
    pub fn messages(&self, name: &str) -> Vec<Value> {
        let state = self.shared.lock();
        state
            .channels
            .values()
            .find(|channel| channel.name == name)
            .map(|channel| channel.messages.clone())
            .unwrap_or_default()
    }

    /// What people read in a channel, a line a message: its fallback text.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.messages(name).iter().map(|message| message["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Every message that can be read, by channel and time.
    pub fn posted(&self) -> Vec<PostedMessage> {
        let state = self.shared.lock();
        let of = |channel: &SimulatedChannel| {
            let messages = channel.messages.iter().map(|message| PostedMessage::of(channel, message));
            messages.collect::<Vec<_>>()
        };
        state.channels.values().flat_map(of).collect()
    }

    /// The channels with their messages, to be restored later.
    pub fn save(&self) -> Value {
        json!(self.shared.lock().channels)
    }

    /// Goes on with saved channels.
    pub fn restore(&self, saved: &Value) {
        if let Ok(channels) = serde_json::from_value(saved.clone()) {
            self.shared.lock().channels = channels;
        }
    }

    /// Calls so far by method.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.lock().calls.clone()
    }

    /// Calls refused for a limit so far.
    pub fn refused_for_limits(&self) -> u64 {
        self.shared.lock().refused_for_limits
    }

    /// Messages refused for their blocks so far.
    pub fn refused_blocks(&self) -> u64 {
        self.shared.lock().refused_blocks
    }

    /// Counts every change; a page sees by it whether to load again.
    pub fn revision(&self) -> u64 {
        self.shared.lock().revision
    }
}

pub(crate) const TEAM: &str = "T0SANDBOX";
pub(crate) const ENTERPRISE: &str = "E0SANDBOX";
/// The one of Slack's published example.
pub(crate) const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(crate) const BOT_USER: &str = "U0SANDBOT";
pub(crate) const BOT: &str = "B0SANDBOX";
pub(crate) const APP: &str = "A0SANDBOX";

pub(crate) use api::answer;
pub(crate) use steer::{help, steer};

impl SlackShared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, WorkspaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The workspace's id.
    pub(crate) fn team(&self) -> &str {
        &self.team.0
    }

    pub(crate) fn name(&self) -> &str {
        &self.team.1
    }

    /// Whether its people belong to an organisation.
    pub(crate) fn be_of_organisation(&self, is: bool) {
        for profile in self.lock().profiles.values_mut() {
            profile.organisation = is.then(|| (ENTERPRISE.to_owned(), vec![self.team.0.clone()]));
        }
    }

    /// Gives the app a token, until a moment where it rotates.
    pub(crate) fn grant(&self, token: &str, until: Option<jiff::Timestamp>) {
        self.lock().granted.insert(token.to_owned(), until);
    }

    /// Takes every token away that was given.
    pub(crate) fn revoke_all(&self) {
        self.lock().granted.clear();
    }

    /// The tokens that were given.
    pub(crate) fn granted(&self) -> Vec<String> {
        self.lock().granted.keys().cloned().collect()
    }

    /// Whether a token is or was this workspace's.
    pub(crate) fn knows(&self, token: &str) -> bool {
        let state = self.lock();
        state.token == token || state.granted.contains_key(token)
    }

    /// Is reached at a common address from now on. An app that many workspaces install there is a distributed one.
    pub(crate) fn join(&self, hub: String) {
        let _ = self.hub.set(hub);
        self.lock().limits.distribute(true);
    }

    /// Whether it waits for an answer at this address.
    pub(crate) fn waits_at(&self, response: &str) -> bool {
        self.lock().responses.contains_key(response)
    }

    /// Why a token is not taken, if it is not.
    pub(crate) fn refusal(&self, token: Option<&str>) -> Option<&'static str> {
        let state = self.lock();
        let Some(token) = token else { return Some("not_authed") };
        match state.granted.get(token) {
            Some(Some(until)) if *until <= self.clock.now() => Some("token_expired"),
            Some(_) => None,
            None if token == state.token => None,
            None => Some("invalid_auth"),
        }
    }
}

impl SimulatedChannel {
    pub(crate) fn show(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "name_normalized": self.name, "is_channel": !self.is_private,
            "is_group": self.is_private, "is_im": self.person.is_some(), "is_mpim": false, "is_private": self.is_private,
            "is_archived": self.is_archived, "is_member": self.is_member, "is_general": self.name == "general",
            "is_shared": self.is_shared, "is_ext_shared": self.is_shared, "created": 1_700_000_000, "creator": "U0SANDOWN",
            "topic": {"value": "", "creator": "", "last_set": 0}, "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": 3,
        })
    }
}
