//! `serve`: the host against real portals and workspaces.
//!
//! It listens before it does anything else, needs no provider to start, and answers until its work has ended.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use command_line::config::{self, Config};
use runtime::SystemClock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::beats::Beats;
use crate::credentials::{ConfiguredTenant, CredentialStates};
use crate::engine::Engine;
use crate::front::Front;
use crate::functions::Functions;
use crate::health::{self, Health};
use crate::host_metrics::HostMetrics;
use crate::metrics::{self, Exporter};
use crate::schedule::Schedule;
use crate::systemd::ServiceManager;
use crate::work::Work;
use crate::{http, page, server};

/// How long moving the database's log into it can take at the end.
const CLOSING: Duration = Duration::from_secs(1);
/// How long the first event of a portal can take to be stored.
const MAX_LEARNING: Duration = Duration::from_secs(2);

/// How long the last moment of work can take to be kept.
const MAX_LAST_BEAT: Duration = Duration::from_millis(500);

/// A host whose database is open.
#[derive(Clone)]
struct Host {
    engine: Engine,
    beats: Beats,
    functions: Functions,
    health: Health,
    credentials: CredentialStates,
    /// The tenant that the configuration names, if it names one.
    tenant: Option<ConfiguredTenant>,
}

/// Runs until `stop` becomes true, and then as long as it takes to end what is in hand, but less than 8 s.
pub async fn serve(file: &Path, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    metrics::started();
    let service = ServiceManager::from_env();
    let config = Config::read(file)?;
    let measures = HostMetrics::default();
    let (close, closed) = watch::channel(false);
    let mut addresses = Addresses::listen(&config, &measures, &closed).await?;
    let host = tokio::select! {
        host = Host::open(&config, measures) => host?,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    addresses.open(&host, &config);
    let mut work = Work::start(&host.engine, &host.functions, Schedule::default(), &stop);
    work.beside(service.clone().keep_alive(closed.clone()));
    work.beside(host.health.clone().keep_checking(closed.clone()));
    work.beside(host.beats.clone().keep_beating());
    let watched = host.health.clone();
    work.beside(async move { watched.clock().keep_watching(closed).await });
    if let Some(tenant) = &host.tenant {
        work.beside(tenant.clone().keep_verifying());
        work.beside(tenant.clone().keep_filling_the_baseline());
    }
    announce(&config, &host);
    service.ready();
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        ended = &mut addresses.served => return ended.context("HTTP ended early")?.context("HTTP ended early"),
    }
    service.stopping();
    // Webhooks are durable once they are answered, so they are accepted until the work has ended.
    work.finish().await;
    // A database that does not answer keeps nobody from stopping.
    let _ = timeout(MAX_LAST_BEAT, host.beats.beat_or_warn()).await;
    close.send_replace(true);
    let served = addresses.served.await.context("HTTP did not end");
    if timeout(CLOSING, host.engine.close()).await.is_err() {
        tracing::warn!("the database could not be closed in time; the next start checks it");
    }
    served?.context("HTTP ended early")
}

/// The addresses, which answer from the first moment.
struct Addresses {
    public: Front,
    private: Front,
    served: JoinHandle<std::io::Result<()>>,
}

impl Addresses {
    async fn listen(config: &Config, measures: &HostMetrics, closed: &watch::Receiver<bool>) -> anyhow::Result<Self> {
        let (listen, status) = (http::listen(config.listen).await?, http::listen(config.status).await?);
        let (public, private) = (Front::default(), Front::default());
        let limits = server::Options::of(config, measures.counters());
        let serve = |listener: TcpListener, front: &Front, options| {
            server::serve(listener, front.router(), options, closed.clone())
        };
        let both = (serve(listen, &public, limits), serve(status, &private, page::options()));
        let served = tokio::spawn(async move {
            let (public, private) = tokio::join!(both.0, both.1);
            public.and(private)
        });
        Ok(Self { public, private, served })
    }

    /// From now on, the host answers.
    fn open(&self, host: &Host, config: &Config) {
        self.public.open(host.public());
        self.private.open(host.private(&config.status_names));
    }
}

fn announce(config: &Config, host: &Host) {
    if host.tenant.as_ref().is_some_and(ConfiguredTenant::is_unnamed) {
        println!("The portal's member_id is not known yet. The first event with the right application token names it.");
    }
    println!("Events:  http://{}{}  (give Bitrix24 its https address)", config.listen, http::BITRIX24_WEBHOOK);
    if config.apps.is_some() {
        println!("Connect: http://{}{}  (portals and workspaces, by a click)", config.listen, install::PATH);
    }
    match config.slack.as_ref().map(|slack| &slack.signing_secret) {
        None => {}
        Some(Some(_)) => {
            println!("Slack:   http://{}{}  (give Slack its https address)", config.listen, http::SLACK_WEBHOOK);
        }
        Some(None) => {
            println!(
                "Slack:   cannot send requests: [slack] has no signing_secret; docs/connecting.md says where it is"
            );
        }
    }
    println!("Status:  http://{}/", config.status);
}

impl Host {
    /// Opens the database and connects what is known. No provider is asked.
    async fn open(config: &Config, measures: HostMetrics) -> anyhow::Result<Self> {
        let engine = Engine::open_with(&config.database, Arc::new(SystemClock), measures).await?;
        let beats = Beats::of(&engine.backend, &config.database);
        beats.notice().await?;
        if let Some(apps) = &config.apps {
            config::store_apps(apps, engine.backend.secrets.as_ref()).await?;
        }
        let connections = config.connections(&engine.backend)?;
        let functions = Functions::new(&engine.backend, &connections, config.public_url.as_deref());
        let credentials = CredentialStates::default();
        let tenant = ConfiguredTenant::open(config, &engine.backend, &connections, &credentials).await?;
        let health = Health::of(&engine).await;
        Ok(Self { engine, beats, functions, health, credentials, tenant })
    }

    /// What strangers reach.
    fn public(&self) -> Router {
        http::webhooks(self.functions.clone())
            .layer(from_fn_with_state(self.clone(), learn))
            .merge(health::routes(self.health.clone(), false))
    }

    /// What operators reach.
    fn private(&self, names: &[String]) -> Router {
        let watched = self.clone();
        let look: page::Look = Arc::new(move || {
            let host = watched.clone();
            Box::pin(async move { host.state().await })
        });
        let exporter = Exporter {
            engine: self.engine.clone(),
            health: self.health.clone(),
            credentials: self.credentials.clone(),
        };
        let metrics = get(move || async move { exporter.answer().await });
        let routes = page::router(look).route("/metrics", metrics).merge(health::routes(self.health.clone(), true));
        page::private(routes, names)
    }

    async fn state(&self) -> serde_json::Value {
        let tenant = self.tenant.as_ref().and_then(ConfiguredTenant::tenant);
        let state = page::engine_state(&self.engine, tenant.as_ref()).await;
        let mut state = state.unwrap_or_else(|error| json!({"error": error.to_string()}));
        let credentials = self.credentials.all();
        state["credentials"] = credentials
            .iter()
            .map(|(side, state)| {
                let mut shown = json!(state);
                shown["provider"] = side.name().into();
                shown
            })
            .collect();
        state
    }
}

/// This comes before the handler: an event may name the portal's missing `member_id`.
async fn learn(State(host): State<Host>, request: Request, next: Next) -> Response {
    let Some(tenant) = host.tenant.filter(ConfiguredTenant::is_unnamed) else { return next.run(request).await };
    let request = match http::collected(request, bitrix24::form::MAX_EVENT_BODY).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    let problem = match timeout(MAX_LEARNING, tenant.learn(request.body())).await {
        Ok(Ok(_)) => return next.run(request.map(axum::body::Body::from)).await,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("the store did not answer within {} s", MAX_LEARNING.as_secs()),
    };
    web::answer::Refused::unavailable(&problem)
        .answer(host.engine.backend.metrics.as_ref(), "events_refused")
        .map(axum::body::Body::from)
}
