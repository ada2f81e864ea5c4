//! A thousand portals, each swept every five minutes by one machine, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use clients::{ConnectionCredentials, Connections, Network, PortalAccess};
use crm::sweeps::{SWEEP, Sweeps};
use futures::StreamExt;
use jiff::Timestamp;
use memory::Memory;
use portal_sweep::MAX_AT_ONCE;
use runtime::clock::until;
use runtime::metrics::Counters;
use runtime::{Backend, Clock, TenantId};
use serde_json::{Value, json};
use slack::SlackApiBase;
use slack::client::SlackIdentity;
use standalone::schedule::{Schedule, sweep_in_turn};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::{Body, SendError, Transport};

use crate::virtual_time::{SlowNetwork, VirtualClock};

const PORTALS: usize = 1_000;
const EVERY: Duration = Duration::from_secs(5 * 60);

/// Portals on which nothing happens.
#[derive(Debug)]
struct QuietPortals;

#[async_trait]
impl Transport for QuietPortals {
    async fn send(&self, request: http::Request<Body>, _: &Network) -> Result<http::Response<Body>, SendError> {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let (mut pieces, mut body) = (request.into_body().into_pieces(), BytesMut::new());
        while let Some(Ok(piece)) = pieces.next().await {
            body.extend_from_slice(&piece);
        }
        let params: Value = serde_json::from_slice(&body).unwrap_or_default();
        let result = if method == "batch" { batch(&params) } else { empty(&method) };
        let answer = json!({"result": result, "time": {"operating": 0.1}}).to_string();
        Ok(http::Response::new(Bytes::from(answer).into()))
    }
}

fn batch(params: &Value) -> Value {
    let commands = params["cmd"].as_object().cloned().unwrap_or_default();
    let results: BTreeMap<_, _> = commands
        .iter()
        .map(|(name, command)| {
            (name, empty(command.as_str().unwrap_or_default().split('?').next().unwrap_or_default()))
        })
        .collect();
    json!({"result": results, "result_error": [], "result_total": [], "result_next": []})
}

fn empty(method: &str) -> Value {
    match method {
        "crm.item.list" => json!({"items": []}),
        "tasks.task.list" => json!({"tasks": []}),
        _ => json!([]),
    }
}

/// A machine that sweeps the portals.
struct Fleet {
    clock: Arc<VirtualClock>,
    backend: Backend,
    network: Arc<SlowNetwork<QuietPortals>>,
    connections: Connections,
    tenants: Vec<TenantId>,
    machine: Option<(JoinHandle<()>, watch::Sender<bool>)>,
}

impl Fleet {
    async fn start() -> Self {
        let clock = VirtualClock::start();
        let backend = Memory::new(clock.clone()).backend(Arc::new(Counters::default()));
        let network = SlowNetwork::new(QuietPortals);
        let slack_api = SlackApiBase::default();
        let connections = Connections::new(&backend, slack_api).over(network.clone());
        let mut tenants = Vec::new();
        for number in 0..PORTALS {
            let access = ConnectionCredentials {
                member_id: format!("company{number:04}"),
                portal: PortalAccess::Webhook(format!("https://company{number:04}.bitrix24.com/rest/1/secret/").into()),
                application_token: "token".into(),
                bot_token: "xoxb-1".into(),
                workspace: Some(SlackIdentity {
                    team_id: format!("T{number}"),
                    team: "Company".into(),
                    user_id: "U1".into(),
                    bot_id: "B1".into(),
                }),
                notion: None,
                signing_secret: None,
                settings: None,
            };
            tenants.push(connections.join(access).await.unwrap());
        }
        Self { clock, backend, network, connections, tenants, machine: None }
    }

    /// Starts the machine, as after a restart.
    fn run(&mut self) {
        let (stop, stopped) = watch::channel(false);
        let sweep = portal_sweep::Deps::new(&self.backend, self.connections.clone());
        let machine = sweep_in_turn(sweep, self.clock.clone(), Schedule::default(), stopped, |_| {});
        self.machine = Some((tokio::spawn(machine), stop));
    }

    /// Kills it, whatever it is at.
    async fn kill(&mut self) {
        let (machine, _stop) = self.machine.take().unwrap();
        machine.abort();
        let _ = machine.await;
    }

    /// When the last sweep of each portal began.
    async fn began(&self) -> Vec<Option<Timestamp>> {
        let sweeps = Sweeps::new(self.backend.store.clone());
        let mut began = Vec::new();
        for tenant in &self.tenants {
            began.push(sweeps.lease(tenant, SWEEP).await.unwrap().and_then(|lease| lease.began_at));
        }
        began
    }

    /// How many portals have been swept whole since a moment.
    async fn swept_since(&self, since: Timestamp) -> usize {
        let sweeps = Sweeps::new(self.backend.store.clone());
        let mut swept = 0;
        for tenant in &self.tenants {
            let lease = sweeps.lease(tenant, SWEEP).await.unwrap().unwrap_or_default();
            swept += usize::from(lease.complete_from.is_some_and(|from| from >= since));
        }
        swept
    }

    /// Watches for some time: the longest that any of these portals waited from one sweep to the next.
    async fn longest_period(&self, portals: std::ops::Range<usize>, time: Duration) -> Duration {
        let (mut last, end) = (self.began().await, self.clock.now() + time);
        let mut longest = Duration::ZERO;
        while self.clock.now() < end {
            self.clock.sleep(Duration::from_secs(5)).await;
            for (last, now) in last[portals.clone()].iter_mut().zip(&self.began().await[portals.clone()]) {
                if now != last {
                    longest = longest.max(until(last.unwrap(), now.unwrap()));
                    *last = *now;
                }
            }
        }
        let now = self.clock.now();
        last[portals].iter().fold(longest, |longest, last| longest.max(until(last.unwrap(), now)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_portals_are_each_swept_every_five_minutes_although_some_never_answer() {
    let mut fleet = Fleet::start().await;
    let began = fleet.clock.now();
    fleet.run();
    // The first sweep also fills the baselines.
    while fleet.swept_since(began).await < PORTALS {
        fleet.clock.sleep(Duration::from_secs(1)).await;
    }
    let first = until(began, fleet.clock.now());
    assert!(first <= Duration::from_secs(120), "the first sweeps took {first:?}");

    let before = fleet.network.calls();
    let longest = fleet.longest_period(0..PORTALS, EVERY * 2).await;
    let calls = fleet.network.calls() - before;
    assert!(longest <= EVERY, "{longest:?} from one sweep to the next");
    assert!(calls <= PORTALS * 23 / 10, "{calls} calls in ten minutes: a sweep of a quiet portal is one request");

    // One in twenty does not answer: each takes only its place, and then one of those for such portals.
    let silent = PORTALS / 20;
    fleet.network.hang(move |url, _| {
        let host = url.trim_start_matches("https://company");
        host.get(..4).and_then(|number| number.parse::<usize>().ok()).is_some_and(|number| number < silent)
    });
    let longest = fleet.longest_period(silent..PORTALS, EVERY * 2).await;
    assert!(longest <= EVERY, "{longest:?} beside {silent} portals that do not answer, with {MAX_AT_ONCE} places");
}

#[tokio::test(start_paused = true)]
async fn sweeps_that_a_kill_interrupted_come_at_once_after_the_restart() {
    let mut fleet = Fleet::start().await;
    fleet.run();
    fleet.clock.sleep(Duration::from_secs(5)).await;
    fleet.kill().await;
    let interrupted = fleet.began().await.iter().flatten().count() - fleet.swept_since(Timestamp::MIN).await;
    assert!(interrupted > 0 && fleet.swept_since(Timestamp::MIN).await < PORTALS, "it was killed in the middle");
    fleet.clock.sleep(Duration::from_secs(2)).await;
    let restarted = fleet.clock.now();
    fleet.run();
    while fleet.swept_since(restarted).await < PORTALS {
        fleet.clock.sleep(Duration::from_secs(1)).await;
    }
    let took = until(restarted, fleet.clock.now());
    assert!(took <= Duration::from_secs(120), "all are swept {took:?} after the restart");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_asked_for_comes_before_those_that_are_due() {
    let mut fleet = Fleet::start().await;
    let began = fleet.clock.now();
    fleet.run();
    while fleet.swept_since(began).await < PORTALS {
        fleet.clock.sleep(Duration::from_secs(1)).await;
    }
    let asked = fleet.clock.now();
    let tenant = &fleet.tenants[PORTALS / 2];
    let requests = tenants::sweep_requests::SweepRequests::new(fleet.backend.store.clone());
    requests.ask(tenant, asked).await.unwrap();
    while fleet.swept_since(asked).await == 0 {
        fleet.clock.sleep(Duration::from_millis(100)).await;
    }
    let took = until(asked, fleet.clock.now());
    assert!(took <= Duration::from_secs(16), "{took:?}");
    assert_eq!(fleet.swept_since(asked).await, 1, "only the one that was asked for");
}
