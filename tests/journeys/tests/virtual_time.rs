//! A host in virtual time: its own workers, and providers that take as long to answer as a test says. Time passes when
//! everybody waits for it, and then to the next moment at which somebody wakes: latencies are exact, and cost nothing.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use clients::{ConnectionCredentials, Connections, Network, PortalAccess};
use futures::StreamExt;
use jiff::Timestamp;
use journeys::{access_to, each_alone};
use memory::Memory;
use runtime::clock::{later, until};
use runtime::ledger::{EventStatus, Ledger};
use runtime::metrics::Counters;
use runtime::{Backend, Clock, TenantId, TraceId};
use serde_json::json;
use simulators::direct::Direct;
use simulators::{PortalSimulator, Sandbox};
use slack::SlackApiBase;
use standalone::functions::Functions;
use standalone::workers;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire::{Body, Cause, SendError, TimeLimit, Transport};

/// How long every provider takes to answer.
pub(crate) const LATENCY: Duration = Duration::from_millis(300);
/// Longer than any of our limits.
const NEVER: Duration = Duration::from_secs(3_600);

/// The time of tokio, which a test pauses, as a clock.
#[derive(Debug)]
pub(crate) struct VirtualClock(Instant);

impl VirtualClock {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        later("2026-11-21T12:00:00Z".parse().unwrap(), self.0.elapsed())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Whether a request, by its address and its body, is never answered.
pub(crate) type Hangs = Box<dyn Fn(&str, &str) -> bool + Send>;

/// A network on which every answer takes [`LATENCY`], or never comes.
pub(crate) struct SlowNetwork<T> {
    to: T,
    hangs: Mutex<Hangs>,
    calls: AtomicUsize,
}

impl<T> fmt::Debug for SlowNetwork<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a slow network")
    }
}

impl<T> SlowNetwork<T> {
    pub(crate) fn new(to: T) -> Arc<Self> {
        Arc::new(Self { to, hangs: Mutex::new(Box::new(|_, _| false)), calls: AtomicUsize::new(0) })
    }

    pub(crate) fn hang(&self, hangs: impl Fn(&str, &str) -> bool + Send + 'static) {
        *self.hangs.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(hangs);
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn hangs(&self, url: &str, body: &str) -> bool {
        (self.hangs.lock().unwrap_or_else(PoisonError::into_inner))(url, body)
    }
}

#[async_trait]
impl<T: Transport> Transport for SlowNetwork<T> {
    async fn send(&self, request: http::Request<Body>, network: &Network) -> Result<http::Response<Body>, SendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let limit = request.extensions().get().map_or(NEVER, |TimeLimit(limit)| *limit);
        let answered = async {
            let (head, body) = request.into_parts();
            let (mut pieces, mut whole) = (body.into_pieces(), BytesMut::new());
            while let Some(Ok(piece)) = pieces.next().await {
                whole.extend_from_slice(&piece);
            }
            tokio::time::sleep(LATENCY).await;
            if self.hangs(&head.uri.to_string(), &String::from_utf8_lossy(&whole)) {
                std::future::pending::<()>().await;
            }
            self.to.send(http::Request::from_parts(head, whole.freeze().into()), network).await
        };
        tokio::time::timeout(limit, answered).await.unwrap_or(Err(SendError::Lost(Cause::Timeout)))
    }
}

/// Companies, and a host that works for them.
pub(crate) struct VirtualHost {
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) backend: Backend,
    pub(crate) network: Arc<SlowNetwork<Direct>>,
    pub(crate) connections: Connections,
    pub(crate) functions: Functions,
    pub(crate) companies: Vec<(TenantId, PortalSimulator)>,
    pub(crate) sandbox: Sandbox,
    stop: watch::Sender<bool>,
    workers: JoinSet<()>,
}

impl VirtualHost {
    /// So many companies whose deals are watched, without cards: they share one workspace.
    pub(crate) async fn start(companies: usize) -> Self {
        let route = json!({"name": "none", "change": "deal.stage_changed", "to": "#general", "when": "false"});
        Box::pin(Self::start_with(companies, &json!({"routes": [route]}))).await
    }

    /// The same with these settings.
    pub(crate) async fn start_with(companies: usize, settings: &serde_json::Value) -> Self {
        let clock = VirtualClock::start();
        let sandbox = Sandbox::start(clock.clone()).await.unwrap();
        let backend = Memory::new(clock.clone()).backend(Arc::new(Counters::default()));
        let network = SlowNetwork::new(Direct::new(NEVER));
        let slack_api = SlackApiBase::new(&sandbox.slack.api_url()).unwrap();
        let connections = Connections::new(&backend, slack_api).allowing(journeys::network()).over(network.clone());
        let functions = Functions::new(&backend, &connections, None);
        let mut joined = Vec::new();
        for number in 0..companies {
            let portal = PortalSimulator::start(clock.clone() as Arc<dyn Clock>, 0).await.unwrap();
            portal.rename(&format!("company{number:03}"));
            let credentials = portal.credentials();
            let access = ConnectionCredentials {
                member_id: credentials.member_id.clone(),
                portal: PortalAccess::Webhook(portal.webhook_url().into()),
                application_token: credentials.application_token.into(),
                settings: Some(settings.clone()),
                ..access_to(&sandbox, &each_alone())
            };
            joined.push((connections.join(access).await.unwrap(), portal));
        }
        let (stop, stopped) = watch::channel(false);
        let workers = workers::start(&backend, &functions, &stopped);
        Self { clock, backend, network, connections, functions, companies: joined, sandbox, stop, workers }
    }

    /// Adds deals to a company's portal, and lets time pass until they are old.
    pub(crate) async fn add_deals(&self, company: usize, count: usize) -> Vec<u64> {
        let (tenant, portal) = &self.companies[company];
        let deals = (0..count).map(|n| portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
        crm::baseline::fill(&self.backend, &self.connections, tenant).await.unwrap();
        deals
    }

    /// Stops the workers, so that a test works the queues itself.
    pub(crate) async fn stop_workers(&mut self) {
        self.stop.send_replace(true);
        std::mem::take(&mut self.workers).join_all().await;
    }

    /// What became of an event.
    pub(crate) async fn status(&self, company: usize, trace: TraceId) -> Option<EventStatus> {
        let ledger = Ledger::new(self.backend.store.clone());
        ledger.event(&self.companies[company].0, trace).await.unwrap().map(|line| line.status)
    }

    /// How long it takes from now until an event is decided.
    pub(crate) async fn decided(&self, company: usize, trace: TraceId) -> Duration {
        let began = self.clock.now();
        loop {
            match self.status(company, trace).await {
                None | Some(EventStatus::Waiting { .. }) => self.clock.sleep(Duration::from_millis(20)).await,
                Some(_) => return until(began, self.clock.now()),
            }
            assert!(until(began, self.clock.now()) < NEVER, "company {company}: {trace} is never decided");
        }
    }
}
