//! `demo`: everything in one process, with simulators for the providers and a page to play with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::routing::post;
use connect::{Access, Connections};
use platform::{SystemClock, TenantId};
use rules::Settings;
use sandbox::Sandbox;
use sandbox::portal::DEAL;
use serde::Deserialize;
use serde_json::{Value, json};
use slack::ApiBase;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::functions::Functions;
use crate::{http, page, workers};

/// The events that the demonstration portal sends.
pub const EVENTS: [&str; 6] =
    ["ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE", "ONCRMLEADADD", "ONCRMLEADUPDATE", "ONCRMLEADDELETE"];

/// How often the simulators' data is saved while it changes.
const SAVE: Duration = Duration::from_millis(500);
/// Messages shown of a channel.
const MOST_MESSAGES: usize = 50;

/// Where and with what the demonstration runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the page is.
    pub listen: SocketAddr,
    /// Whether another port will do if that one is taken.
    pub any_port: bool,
    /// The folder of the database and of the simulators' data.
    pub data: PathBuf,
}

/// What the page's routes work on.
#[derive(Clone)]
struct Demo {
    engine: Engine,
    sandbox: Arc<Sandbox>,
    tenant: TenantId,
}

/// Runs until `stop` becomes true. `started` is told the page's address.
pub async fn demo(options: Options, stop: watch::Receiver<bool>, started: impl FnOnce(&str)) -> anyhow::Result<()> {
    std::fs::create_dir_all(&options.data)
        .with_context(|| format!("the folder {} cannot be made", options.data.display()))?;
    let clock = Arc::new(SystemClock);
    let engine = Engine::open(&options.data.join("demo.db"), clock.clone()).await?;
    let sandbox = Arc::new(Sandbox::start(clock).await?);
    let saved = options.data.join("simulators.json");
    restore(&sandbox, &saved)?;

    let connections = Connections::new(&engine.ports, ApiBase::new(&sandbox.slack.api_url())?);
    let functions = Functions::new(&engine.ports, &connections);
    let tenant = join(&connections, &sandbox).await?;
    bitrix24_events::baseline::fill(&functions.bitrix24_events, &tenant).await?;

    let listener = match http::listen(options.listen).await {
        Err(_) if options.any_port => http::listen(SocketAddr::new(options.listen.ip(), 0)).await?,
        listener => listener?,
    };
    let address = format!("http://{}", listener.local_addr()?);
    sandbox.portal.send_events_to(&format!("{address}{}", http::BITRIX24_WEBHOOK), &EVENTS);

    let demo = Demo { engine: engine.clone(), sandbox: sandbox.clone(), tenant };
    let looking = demo.clone();
    let look: page::Look = Arc::new(move || {
        let demo = looking.clone();
        Box::pin(async move { demo.state().await })
    });
    let router = http::webhooks(functions.clone()).merge(page::router(look)).merge(actions(demo));
    let workers = workers::start(&engine, &functions, &stop);
    let saving = tokio::spawn(keep_saving(sandbox.clone(), saved.clone()));
    started(&address);
    http::serve(listener, router, stop).await.context("HTTP ended early")?;
    workers.join_all().await;
    saving.abort();
    save(&sandbox, &saved)
}

async fn join(connections: &Connections, sandbox: &Sandbox) -> anyhow::Result<TenantId> {
    let credentials = sandbox.portal.credentials();
    let (webhook_url, bot_token) = (sandbox.portal.webhook_url().into(), sandbox.slack.token().into());
    let access = Access {
        member_id: credentials.member_id,
        application_token: credentials.application_token.into(),
        team_id: connections.look_at(&webhook_url, &bot_token).await?,
        webhook_url,
        bot_token,
        settings: serde_json::to_value(Settings::default())?,
    };
    Ok(connections.join(access).await?)
}

fn actions(demo: Demo) -> Router {
    Router::new()
        .route("/api/deals", post(add_deal))
        .route("/api/leads", post(add_lead))
        .route("/api/deals/{id}/stage", post(move_deal))
        .with_state(demo)
}

#[derive(Deserialize)]
struct NewDeal {
    title: String,
    #[serde(default)]
    amount: u64,
    #[serde(default)]
    currency: String,
}

async fn add_deal(State(demo): State<Demo>, axum::Json(deal): axum::Json<NewDeal>) -> axum::Json<Value> {
    let currency = if deal.currency.is_empty() { "EUR" } else { &deal.currency };
    axum::Json(json!({"id": demo.sandbox.portal.add_deal(&deal.title, deal.amount, currency)}))
}

async fn add_lead(State(demo): State<Demo>, axum::Json(lead): axum::Json<NewDeal>) -> axum::Json<Value> {
    axum::Json(json!({"id": demo.sandbox.portal.add_lead(&lead.title)}))
}

#[derive(Deserialize)]
struct Move {
    stage: String,
}

async fn move_deal(
    State(demo): State<Demo>,
    Segment(id): Segment<u64>,
    axum::Json(to): axum::Json<Move>,
) -> StatusCode {
    let known = demo.sandbox.portal.stages().iter().any(|stage| stage["STATUS_ID"] == to.stage.as_str());
    if !known || demo.sandbox.portal.item(DEAL, id).is_none() {
        return StatusCode::NOT_FOUND;
    }
    demo.sandbox.portal.move_deal(id, &to.stage);
    StatusCode::NO_CONTENT
}

impl Demo {
    async fn state(&self) -> Value {
        let mut state = match page::engine_state(&self.engine, Some(&self.tenant)).await {
            Ok(state) => state,
            Err(error) => json!({"error": error.to_string()}),
        };
        let portal = &self.sandbox.portal;
        let deals = portal.ids(DEAL).into_iter().filter_map(|id| portal.item(DEAL, id));
        let in_first_funnel = |deal: &Value| deal["categoryId"] == 0;
        state["board"] = json!({
            "stages": portal.stages(),
            "deals": deals.filter(in_first_funnel).collect::<Vec<_>>(),
            "users": portal.users(),
        });
        let channels = self.sandbox.slack.channels().into_iter().map(|channel| {
            let skip = channel.messages.len().saturating_sub(MOST_MESSAGES);
            json!({"name": channel.name, "count": channel.messages.len(), "messages": channel.messages[skip..]})
        });
        state["channels"] = Value::Array(channels.collect());
        state
    }
}

/// The simulators go on with the data that they had.
fn restore(sandbox: &Sandbox, file: &Path) -> anyhow::Result<()> {
    let Ok(text) = std::fs::read(file) else { return Ok(()) };
    let saved: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} cannot be read; start with --fresh to begin anew", file.display()))?;
    sandbox.restore(&saved);
    Ok(())
}

fn save(sandbox: &Sandbox, file: &Path) -> anyhow::Result<()> {
    let beside = file.with_extension("new");
    std::fs::write(&beside, sandbox.save().to_string())?;
    Ok(std::fs::rename(beside, file)?)
}

async fn keep_saving(sandbox: Arc<Sandbox>, file: PathBuf) {
    let mut saved = sandbox.revision();
    loop {
        tokio::time::sleep(SAVE).await;
        let now = sandbox.revision();
        if now != saved {
            if let Err(error) = save(&sandbox, &file) {
                tracing::warn!(%error, "the simulators' data could not be saved");
            }
            saved = now;
        }
    }
}
