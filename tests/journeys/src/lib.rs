//! A world for stories: an engine, the real handlers, the simulators, and a clock that only moves when everybody waits.
//! [`Stage`] says which engine, and how they reach each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

pub mod estate;
pub mod hurry;
pub mod random;
mod refusing;
pub mod secrecy;
mod stage;
mod traffic;
pub mod watched;

use std::sync::Arc;
use std::time::Duration;

use ::secrecy::ExposeSecret;
use clients::{ConnectionCredentials, Connections, PortalAccess};
use jiff::Timestamp;
use jobs::queues;
use runtime::clock::Clock;
use runtime::ledger::{Ledger, LedgerLine, today};
use runtime::queue::DeadLetter;
use runtime::{ManualClock, QueueName, RestoreMark, TenantId};
use serde_json::json;
use settings::{Route, Settings};
use simulators::Sandbox;
use simulators::direct::ListedServer;
use slack::SlackApiBase;
use slack::client::SlackIdentity;
use standalone::demo::events;
use standalone::functions::Functions;
use standalone::http;
use tokio::sync::watch;

pub use refusing::Refusing;
pub use stage::{Engine, Stage};
pub use traffic::EventOrder;

/// How long a provider may take to answer in a story: short, for stories in which it never does.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same where the simulators have much to do.
const MUCH_PATIENCE: Duration = Duration::from_secs(120);

/// The world.
pub struct World {
    /// Time. It moves when all wait for it.
    pub clock: Arc<ManualClock>,
    /// What keeps things.
    pub engine: Engine,
    /// The handlers.
    pub functions: Box<Functions>,
    /// The connections.
    pub connections: Connections,
    /// The providers.
    pub sandbox: Sandbox,
    /// The portal's tenant.
    pub tenant: TenantId,
    /// Where the webhook is.
    pub webhook: String,
    /// Where Slack's requests go.
    pub slack_webhook: String,
    /// Whoever calls it.
    pub http: reqwest::Client,
    _stop: watch::Sender<bool>,
    _listed: Option<ListedServer>,
}

impl World {
    /// A company with the default routes, connected, its baseline filled. Cards are not grouped, that each can be
    /// counted.
    pub async fn start() -> Self {
        Self::start_on(Stage::usual()).await
    }

    /// The same on this stage.
    pub async fn start_on(stage: Stage) -> Self {
        Box::pin(Self::start_with(stage, each_alone(), PATIENCE, |_| {})).await
    }

    /// The same with these settings.
    pub async fn start_with_settings(settings: serde_json::Value) -> Self {
        Box::pin(Self::start_with(Stage::usual(), serde_json::from_value(settings).unwrap(), PATIENCE, |_| {})).await
    }

    /// The same on this stage.
    pub async fn start_with_settings_on(stage: Stage, settings: serde_json::Value) -> Self {
        Box::pin(Self::start_with(stage, serde_json::from_value(settings).unwrap(), PATIENCE, |_| {})).await
    }

    /// The same, after `prepare` has changed the providers' data.
    pub async fn start_after(prepare: impl FnOnce(&Sandbox)) -> Self {
        Box::pin(Self::start_with(Stage::usual(), each_alone(), MUCH_PATIENCE, prepare)).await
    }

    /// The same with these routes.
    pub async fn start_with_routes(routes: Vec<Route>) -> Self {
        Box::pin(Self::start_with(Stage::usual(), Settings { routes, ..each_alone() }, PATIENCE, |_| {})).await
    }

    /// A company whose records are synced with Notion databases: `prepare` makes the databases and returns the
    /// settings' `notion`. With `webhooks`, Notion tells of its changes; without, only the poll finds them.
    pub async fn start_mirrored(webhooks: bool, prepare: impl FnOnce(&Sandbox) -> serde_json::Value) -> Self {
        Self::start_mirrored_on(Stage::usual(), webhooks, prepare).await
    }

    /// The same on this stage.
    pub async fn start_mirrored_on(
        stage: Stage,
        webhooks: bool,
        prepare: impl FnOnce(&Sandbox) -> serde_json::Value,
    ) -> Self {
        let mut notion = serde_json::Value::Null;
        // Cards are not what is looked at here; operators' words are.
        let base = json!({"routes": [], "group_bursts": null, "operators": {"channel": "#ops", "watch": []}});
        let first: Settings = serde_json::from_value(base.clone()).unwrap();
        let world = Box::pin(Self::start_with(stage, first, MUCH_PATIENCE, |sandbox| notion = prepare(sandbox))).await;
        let mut settings = base;
        settings["notion"] = notion;
        let settings: Settings = serde_json::from_value(settings).unwrap();
        assert_eq!(settings.problems(), []);
        let notion = &world.sandbox.notion;
        let token = notion.token().to_owned().into();
        let access = ConnectionCredentials {
            notion: Some(world.connections.verify_notion_token(&token).await.unwrap()),
            ..access_to(&world.sandbox, &settings)
        };
        world.connections.join(access).await.unwrap();
        world.sandbox.portal.send_events_to(&world.webhook, &events(&settings));
        if webhooks {
            world.subscribe().await;
        }
        world.clock.advance(Duration::from_secs(1));
        world
    }

    /// Makes the subscription to Notion's webhooks, as an operator does.
    pub async fn subscribe(&self) {
        let key = self.connections.open_notion_window(&self.tenant, false).await.unwrap();
        let (_, status) = self.sandbox.notion.subscribe(&self.notion_webhook(key.expose_secret())).await;
        assert_eq!(status, 200);
    }

    /// Where Notion's webhooks go.
    pub fn notion_webhook(&self, key: &str) -> String {
        self.webhook.replace(http::BITRIX24_WEBHOOK, &format!("{}/{key}", notion_webhook::PATH))
    }

    /// Polls Notion as its schedule would, and works what it found.
    pub async fn poll(&self) -> notion_poll::PollReport {
        let report = notion_poll::poll(&self.functions.notion_poll).await;
        self.settle().await;
        report
    }

    /// Passes time as the schedules see it: a poll each half minute, a sweep each five.
    pub async fn pass(&self, minutes: u64) {
        for half in 0..minutes * 2 {
            self.clock.advance(Duration::from_secs(30));
            self.settle().await;
            notion_poll::poll(&self.functions.notion_poll).await;
            if half % 10 == 9 {
                portal_sweep::handle(&self.functions.portal_sweep, self.clock.now()).await;
            }
            self.settle().await;
        }
    }

    async fn start_with(stage: Stage, settings: Settings, patience: Duration, prepare: impl FnOnce(&Sandbox)) -> Self {
        secrecy::listen();
        let clock = Arc::new(ManualClock::automatic("2026-11-21T12:00:00Z".parse().unwrap()));
        let sandbox = Sandbox::start(clock.clone()).await.unwrap();
        prepare(&sandbox);
        clock.advance(Duration::from_secs(10));
        let engine = Engine::start(stage, clock.clone()).await;
        let slack_api = SlackApiBase::new(&sandbox.slack.api_url()).unwrap();
        let notion_api = notion::NotionApiBase::new(&sandbox.notion.url()).unwrap();
        let connections = Connections::new(&engine.backend, slack_api).with_notion(notion_api);
        let connections = stage.connect(connections.allowing(network()), patience);
        let (stop, stopped) = watch::channel(false);
        let listener = http::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let public_url = format!("http://{address}");
        let webhook = format!("{public_url}{}", http::BITRIX24_WEBHOOK);
        let slack_webhook = format!("{public_url}{}", http::SLACK_WEBHOOK);
        let functions = Box::new(watched::functions(&engine.backend, &connections, Some(&public_url)));

        let tenant = connections.join(access_to(&sandbox, &settings)).await.unwrap();
        crm::baseline::fill(&engine.backend, &connections, &tenant).await.unwrap();
        let router = http::webhooks(*functions.clone());
        let listed = stage.list(address, router.clone());
        tokio::spawn(http::serve(listener, router, stopped));
        sandbox.portal.send_events_to(&webhook, &events(&settings));
        sandbox.slack.send_requests_to(&slack_webhook);
        EventOrder::usual().apply(&sandbox.portal, &sandbox.slack);
        clock.advance(Duration::from_secs(1));
        Self {
            clock,
            engine,
            functions,
            connections,
            sandbox,
            tenant,
            webhook,
            slack_webhook,
            http: reqwest::Client::new(),
            _stop: stop,
            _listed: listed,
        }
    }

    /// Until no event is on its way, nothing is queued and nothing is due, however long that takes by the
    /// world's clock.
    pub async fn settle(&self) {
        loop {
            self.none_is_on_the_way().await;
            if self.work_what_is_ready().await == 0 && !self.pass_to_what_is_due().await {
                return;
            }
        }
    }

    /// Runs the sweep as its schedule would, a little later, so that nothing counts as still on its way; and works what
    /// it found.
    pub async fn sweep(&self) -> portal_sweep::SweepReport {
        self.clock.advance(Duration::from_secs(90));
        portal_sweep::ask_for_all(&self.functions.portal_sweep).await;
        let report = portal_sweep::handle(&self.functions.portal_sweep, self.clock.now()).await;
        self.settle().await;
        report
    }

    /// Runs the upkeep as its schedule would.
    pub async fn upkeep(&self) -> upkeep::UpkeepReport {
        let report = upkeep::handle(&self.functions.upkeep, self.clock.now()).await;
        self.settle().await;
        report
    }

    /// Puts settings into force.
    pub async fn apply(&self, settings: serde_json::Value) {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        assert_eq!(settings.problems(), []);
        let settings = serde_json::to_value(settings).unwrap();
        assert!(self.connections.portals().set_settings(&self.tenant, settings).await.unwrap());
    }

    /// What people of the portal read in their direct messages, by their number there.
    pub fn direct(&self, user: u64) -> Vec<String> {
        self.sandbox.slack.direct(&format!("user{user}@example.com"))
    }

    /// Until every event has arrived and what is ready now is worked; what waits for a later time is left.
    pub async fn none_left_to_work_now(&self) {
        self.none_is_on_the_way().await;
        self.work_what_is_ready().await;
    }

    /// Until every event that was sent has arrived, and a second more, so that what is read from now on is
    /// newer than all of them.
    pub async fn all_have_arrived(&self) {
        self.none_is_on_the_way().await;
        self.clock.advance(Duration::from_secs(1));
    }

    async fn none_is_on_the_way(&self) {
        let Sandbox { portal, slack, notion, .. } = &self.sandbox;
        notion.send_due();
        let sent = || portal.events_on_the_way() + slack.on_the_way() + notion.on_the_way();
        // What nobody waits for any more arrives all the same.
        let arriving = || portal.arriving() + slack.arriving() + notion.arriving();
        while sent() + arriving() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Puts a backup in place, as if the host had been stopped for it; what is older than now is in doubt.
    pub async fn restore(&self, backup: &memory::MemoryBackup, backup_at: Timestamp) {
        self.none_is_on_the_way().await;
        let now = self.clock.now();
        let mark = RestoreMark { backup_at: Some(backup_at), worked_until: Some(now), ..RestoreMark::at(now) };
        self.engine.restore(backup, mark).await;
        // What the functions remember of the time before is older than they look at.
        self.clock.advance(Duration::from_secs(10 * 60));
    }

    /// Works what is ready of one queue, and leaves the others.
    pub async fn work_only(&self, queue: QueueName) {
        self.none_is_on_the_way().await;
        work_queue(&self.engine, &self.functions, queue).await;
    }

    /// Works every batch that is ready now; returns how many there were.
    pub async fn work_what_is_ready(&self) -> usize {
        work_what_is_ready(&self.engine, &self.functions).await
    }

    /// Moves the clock to when the next message is due; false if none waits.
    async fn pass_to_what_is_due(&self) -> bool {
        let next = [self.engine.next_due().await, self.sandbox.notion.next_due()].into_iter().flatten().min();
        if let Some(moment) = next {
            self.clock.advance_to(moment);
        }
        next.is_some()
    }

    /// Posts a body to the webhook, as Bitrix24 would; returns status and answer.
    pub async fn post(&self, body: impl Into<Vec<u8>>) -> (u16, serde_json::Value) {
        self.post_as("application/x-www-form-urlencoded", body).await
    }

    /// Posts a body of some type to the webhook.
    pub async fn post_as(&self, kind: &str, body: impl Into<Vec<u8>>) -> (u16, serde_json::Value) {
        let request = self.http.post(&self.webhook).header("content-type", kind);
        let response = request.body(body.into()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    /// Posts an event as Slack would, signed, to the real address, and waits until it has been worked.
    pub async fn post_slack_event(&self, id: &str, event: &serde_json::Value) {
        let secret = self.sandbox.slack.signing_secret().to_owned();
        let at = self.clock.now().as_second();
        let outer = serde_json::json!({
            "type": "event_callback", "team_id": "T0SANDBOX", "api_app_id": "A0SANDBOX", "event_id": id, "event_time": at,
            "event": event,
        });
        let body = outer.to_string();
        let signature = slack::signature::sign(&secret.into(), at, body.as_bytes());
        let request = self.http.post(&self.slack_webhook).header("x-slack-signature", signature);
        let response = request.header("x-slack-request-timestamp", at.to_string()).body(body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        self.settle().await;
    }

    /// What people read in a channel, oldest first.
    pub fn channel(&self, name: &str) -> Vec<String> {
        self.sandbox.slack.texts(name)
    }

    /// The ledger as people would read it, oldest arrival first.
    pub async fn ledger(&self) -> Vec<String> {
        let ledger = Ledger::new(self.engine.backend.store.clone());
        let lines = ledger.day(&self.tenant, &today(self.clock.now()), None).await.unwrap().lines;
        // Newest first: an event comes after its deliveries.
        lines.iter().rev().map(tell).collect()
    }

    /// Everything that the engine keeps readable, as bytes.
    pub fn everything_on_disk(&self) -> Vec<u8> {
        self.engine.everything()
    }

    /// The dead letters of a queue.
    pub async fn dead_letters(&self, queue: QueueName) -> Vec<DeadLetter> {
        self.engine.queue.dead_letters(queue, 100).await.unwrap().into_iter().map(|buried| buried.letter).collect()
    }
}

async fn work_what_is_ready(engine: &Engine, functions: &Functions) -> usize {
    let mut batches = 0;
    for queue in queues::ALL {
        batches += work_queue(engine, functions, queue).await;
    }
    batches
}

async fn work_queue(engine: &Engine, functions: &Functions, queue: QueueName) -> usize {
    for batches in 0.. {
        let batch = engine.backend.queue.receive(queue, 10, Duration::ZERO).await.unwrap();
        if batch.is_empty() {
            return batches;
        }
        functions.work(queue, batch).await;
    }
    unreachable!("a queue ends")
}

impl Drop for World {
    fn drop(&mut self) {
        watched::keep();
        // A test that has failed already says why.
        if std::thread::panicking() {
            return;
        }
        watched::all_are_listed();
        let known = self.sandbox.portal.credentials();
        let slack = &self.sandbox.slack;
        let mut secrets = vec![known.secret, known.application_token, known.access_token];
        secrets.extend([slack.token(), slack.signing_secret().to_owned()]);
        secrets.extend(self.sandbox.notion.secrets());
        secrets.extend(self.sandbox.portal.bot_keys());
        secrecy::nothing_leaked(&secrets, &self.everything_on_disk());
    }
}

/// Where a story's requests may go: to the simulators on 127.0.0.1. 127.0.0.2 stands for the network behind the host. No
/// name of the real internet is looked up; those of `.inside.example` lead to 127.0.0.2.
pub fn network() -> clients::Network {
    clients::Network::this_machine().looking_up(Arc::new(|name: String| {
        let address: Option<std::net::IpAddr> = match name.as_str() {
            "localhost" => Some([127, 0, 0, 1].into()),
            name if name.ends_with(".inside.example") => Some([127, 0, 0, 2].into()),
            _ => None,
        };
        Box::pin(async move { address.map(|address| vec![address]).ok_or(std::io::ErrorKind::NotFound.into()) })
    }))
}

/// The default settings, but no cards are grouped.
pub fn each_alone() -> Settings {
    Settings { group_bursts: None, ..Settings::default() }
}

/// What connects a tenant to the simulators.
pub fn access_to(sandbox: &Sandbox, settings: &Settings) -> ConnectionCredentials {
    let credentials = sandbox.portal.credentials();
    ConnectionCredentials {
        member_id: credentials.member_id,
        portal: PortalAccess::Webhook(sandbox.portal.webhook_url().into()),
        application_token: credentials.application_token.into(),
        bot_token: sandbox.slack.token().into(),
        workspace: Some(identity_of(&sandbox.slack)),
        notion: None,
        signing_secret: Some(sandbox.slack.signing_secret().to_owned().into()),
        settings: Some(serde_json::to_value(settings).unwrap()),
    }
}

/// The bot and its workspace, as the simulator knows them.
pub fn identity_of(workspace: &simulators::SlackSimulator) -> SlackIdentity {
    let (team, user, bot) = workspace.identity();
    SlackIdentity { team_id: team, team: "Sandbox".into(), user_id: user.into(), bot_id: bot.into() }
}

fn tell(line: &LedgerLine) -> String {
    let text = |value: serde_json::Value, names: &[&str]| {
        let words = names.iter().filter_map(|name| match &value[*name] {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Array(list) if !list.is_empty() => {
                Some(list.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join("+"))
            }
            _ => None,
        });
        words.collect::<Vec<_>>().join(" | ")
    };
    match line {
        LedgerLine::Event(event) => {
            let names = ["event", "record", "changes", "status", "code", "reason", "cause"];
            text(serde_json::to_value(event).unwrap(), &names)
        }
        LedgerLine::Delivery(delivery) => {
            let names = ["record", "change", "destination", "status", "code", "reason", "cause"];
            format!("  → {}", text(serde_json::to_value(delivery).unwrap(), &names))
        }
    }
}
