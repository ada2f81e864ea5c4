//! The product as it is deployed: one process with its engine beside it, or several side by side over one engine.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use clients::Connections;
use futures::future::BoxFuture;
use http::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use jiff::SignedDuration;
use memory::Memory;
use runtime::metrics::Counters;
use runtime::{Backend, ClientAddress};
use serde_json::json;
use simulators::Region;
use simulators::direct::{DirectHandler, ListedServer, next_address};
use simulators::estate::{BITRIX24_APP, Estate, NOTION_APP, SLACK_APP};
use simulators::http::{HangUp, HttpAnswer};
use slack::SlackApiBase;
use standalone::functions::Functions;
use standalone::schedule::{self, Schedule};
use standalone::{http as host_http, workers};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::MachineClock;
use crate::engine::ProcessEngine;
use crate::life::Life;
use crate::sim::Sim;
use crate::transport::ProcessTransport;

/// How a request to us is on its way, in milliseconds.
const LATENCY_MS: (u64, u64) = (10, 90);
/// How long a process that is stopped may take.
const MAX_STOP: Duration = Duration::from_secs(8);

/// How the product runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One process; after a crash it has its jobs back at once.
    OneMachine,
    /// Several processes side by side, as on Lambda: the jobs of one that crashes come back when their leases end.
    SideBySide(usize),
}

impl Layout {
    /// How many processes it has.
    pub fn processes(self) -> usize {
        match self {
            Self::OneMachine => 1,
            Self::SideBySide(processes) => processes,
        }
    }
}

/// A process that runs.
struct Process {
    life: Arc<Life>,
    router: Router,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinSet<()>>,
}

/// The deployment.
pub struct Deployment {
    sim: Arc<Sim>,
    /// The simulators.
    pub estate: Arc<Estate>,
    /// Where it is.
    pub url: String,
    /// How it runs.
    pub layout: Layout,
    clock: Arc<MachineClock>,
    state: Mutex<DeploymentState>,
}

struct DeploymentState {
    memory: Memory,
    processes: Vec<Option<Process>>,
    started: u64,
    /// The text and the moment of each request that was accepted.
    accepted: Vec<(Duration, String)>,
    /// Where requests to us arrive, as long as it is kept.
    listed: Option<ListedServer>,
}

impl Deployment {
    /// A deployment with an empty engine, all processes running.
    pub async fn start(sim: Arc<Sim>, estate: Arc<Estate>, layout: Layout) -> anyhow::Result<Arc<Self>> {
        let clock = Arc::new(MachineClock::new(sim.clock.clone()));
        let memory = Memory::new(clock.clone());
        let apps = json!({
            "bitrix24": {"client_id": BITRIX24_APP.0, "client_secret": BITRIX24_APP.1},
            "slack": {
                "client_id": SLACK_APP.0, "client_secret": SLACK_APP.1, "pkce": true,
                "signing_secret": estate.workspaces.first().map(|workspace| workspace.signing_secret()),
            },
            "notion": {"client_id": NOTION_APP.0, "client_secret": NOTION_APP.1},
        });
        let backend = memory.backend(Arc::new(Counters::default()));
        backend.secrets.put(tenants::secret_names::APPS, apps.to_string().into()).await?;
        let address = next_address().ok_or_else(|| anyhow::anyhow!("a simulation runs without sockets"))?;
        let state = DeploymentState {
            memory,
            processes: (0..layout.processes()).map(|_| None).collect(),
            started: 0,
            accepted: Vec::new(),
            listed: None,
        };
        let url = format!("http://{address}");
        let deployment = Arc::new(Self { sim, estate, url, layout, clock, state: Mutex::new(state) });
        let handler = handler(Arc::downgrade(&deployment));
        deployment.state().listed = Some(ListedServer::new(address, false, handler));
        deployment.estate.deploy(&deployment.url);
        for place in 0..layout.processes() {
            deployment.start_process(place)?;
        }
        Ok(deployment)
    }

    fn state(&self) -> MutexGuard<'_, DeploymentState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine without delays and faults, for those who look from outside.
    pub fn memory(&self) -> Memory {
        self.state().memory.clone()
    }

    /// The ports of an observer: no call takes time or fails.
    pub fn backend(&self) -> Backend {
        Backend { clock: self.sim.clock.clone(), ..self.memory().backend(Arc::new(Counters::default())) }
    }

    /// An observer's connections.
    pub fn connections(&self) -> anyhow::Result<Connections> {
        connections(&self.backend(), &self.estate)
    }

    /// Whether a process runs at a place.
    pub fn is_running(&self, place: usize) -> bool {
        self.state().processes.get(place).is_some_and(Option::is_some)
    }

    /// Starts a process at a place where none runs.
    pub fn start_process(&self, place: usize) -> anyhow::Result<()> {
        let (life, memory) = {
            let mut state = self.state();
            state.started += 1;
            (Arc::new(Life::new(state.started)), state.memory.clone())
        };
        self.sim.trace.note(format!("p{} starts", life.number));
        let engine = Arc::new(ProcessEngine::new(self.sim.clone(), life.clone(), memory));
        let backend = Backend {
            store: engine.clone(),
            queue: engine.clone(),
            secrets: engine,
            clock: self.clock.clone(),
            metrics: Arc::new(Counters::default()),
        };
        let transport = Arc::new(ProcessTransport::new(self.sim.clone(), life.clone()));
        let connections = connections(&backend, &self.estate)?.over(transport);
        let functions = Functions::new(&backend, &connections, Some(&self.url));
        let router = host_http::webhooks(functions.clone());
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![workers::start(&backend, &functions, &stopped)];
        // One of several is called by the schedule.
        if place == 0 {
            tasks.push(schedule::start(&functions, &backend.clock, Schedule::default(), &stopped));
        }
        self.state().processes[place] = Some(Process { life, router, stop, tasks });
        Ok(())
    }

    /// The process at a place is gone from one moment to the next.
    pub fn crash(&self, place: usize) {
        let mut state = self.state();
        let Some(process) = state.processes.get_mut(place).and_then(Option::take) else { return };
        self.sim.trace.note(format!("p{} crashes", process.life.number));
        process.life.end();
        if self.layout == Layout::OneMachine {
            state.memory = state.memory.crash();
        }
        drop(state);
        drop(process.tasks);
    }

    /// The process at a place is stopped, as an upgrade does; what takes too long is cut off.
    pub async fn stop(&self, place: usize) {
        let Some(mut process) = self.state().processes.get_mut(place).and_then(Option::take) else { return };
        self.sim.trace.note(format!("p{} stops", process.life.number));
        process.stop.send_replace(true);
        let all_done = async {
            for tasks in &mut process.tasks {
                while tasks.join_next().await.is_some() {}
            }
        };
        if tokio::time::timeout(MAX_STOP, all_done).await.is_err() {
            self.sim.trace.note(format!("p{} is cut off", process.life.number));
        }
        process.life.end();
        if self.layout == Layout::OneMachine {
            let mut state = self.state();
            state.memory = state.memory.crash();
        }
    }

    /// The machine's clock is off by so much.
    pub fn set_clock_error(&self, ahead: SignedDuration) {
        self.clock.set_error(ahead);
    }

    /// Whether the machine's clock is right, and every process runs.
    pub fn heal(&self) -> anyhow::Result<()> {
        self.set_clock_error(SignedDuration::ZERO);
        for place in 0..self.layout.processes() {
            if !self.is_running(place) {
                self.start_process(place)?;
            }
        }
        Ok(())
    }

    /// The requests that were accepted: when, and what was in them.
    pub fn accepted(&self) -> Vec<(Duration, String)> {
        self.state().accepted.clone()
    }

    /// A request from outside, as it is answered.
    pub async fn answer(&self, request: Request<Bytes>) -> HttpAnswer {
        let (what, text) = (format!("{} {}", request.method(), request.uri()), shown(&request));
        self.sim.trace.note_with(format!("request {what}"), &text);
        self.on_the_way().await;
        let fault = self.sim.faults.happens(self.sim.weather.rates().webhook).then(|| self.sim.faults.happens(500));
        if fault == Some(true) {
            self.sim.fault("webhook: lost before it was accepted", &what);
            return Err(HangUp::Breaks);
        }
        let Some((life, router)) = self.any_process() else {
            self.sim.trace.note(format!("request {what} → nobody listens"));
            return Err(HangUp::Breaks);
        };
        let answered = tokio::select! {
            biased;
            () = life.ended() => Err(HangUp::Breaks),
            answer = routed(router, request) => answer,
        };
        let status = answered.as_ref().map_or(0, |answer| answer.status().as_u16());
        self.sim.trace.note(format!("p{} answers {what} → {status}", life.number));
        if (200..300).contains(&status) {
            let at = self.sim.clock.passed();
            self.state().accepted.push((at, text));
            self.sim.count("requests accepted");
        }
        self.on_the_way().await;
        if fault == Some(false) {
            self.sim.fault("webhook: accepted, and the answer lost", &what);
            return Err(HangUp::Breaks);
        }
        answered
    }

    async fn on_the_way(&self) {
        tokio::time::sleep(Duration::from_millis(self.sim.schedule.between(LATENCY_MS.0, LATENCY_MS.1))).await;
    }

    fn any_process(&self) -> Option<(Arc<Life>, Router)> {
        let state = self.state();
        let running: Vec<_> = state.processes.iter().flatten().collect();
        self.sim.schedule.pick(&running).map(|process| (process.life.clone(), process.router.clone()))
    }
}

fn handler(deployment: Weak<Deployment>) -> DirectHandler {
    Arc::new(move |request| -> BoxFuture<'static, HttpAnswer> {
        let deployment = deployment.upgrade();
        Box::pin(async move {
            match deployment {
                Some(deployment) => deployment.answer(request).await,
                None => Err(HangUp::Breaks),
            }
        })
    })
}

async fn routed(router: Router, request: Request<Bytes>) -> HttpAnswer {
    let mut request = request.map(Body::from);
    request.extensions_mut().insert(ClientAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let Ok(answer) = TowerToHyperService::new(router).call(request).await;
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| HangUp::Breaks)?;
    Ok(http::Response::from_parts(head, body))
}

/// What a request says: a form's fields without their escapes, or its body.
fn shown(request: &Request<Bytes>) -> String {
    let is_form = request.headers().get("content-type").is_some_and(|kind| kind.as_bytes().ends_with(b"urlencoded"));
    if is_form {
        let fields = form_urlencoded::parse(request.body()).map(|(name, value)| format!("{name}={value}"));
        fields.collect::<Vec<_>>().join("&")
    } else {
        String::from_utf8_lossy(request.body()).into_owned()
    }
}

fn connections(backend: &Backend, estate: &Estate) -> anyhow::Result<Connections> {
    let (west, east) = (estate.authority.url(Region::West), estate.authority.url(Region::East));
    Ok(Connections::new(backend, SlackApiBase::new(&estate.hub.api_url())?)
        .with_notion(notion::NotionApiBase::new(&estate.notion.url())?)
        .with_auth_servers(bitrix24::oauth::AuthServers::new(&west, &east)?)
        .allowing(clients::Network::this_machine()))
}
