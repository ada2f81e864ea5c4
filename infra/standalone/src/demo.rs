//! `demo`: everything in one process, with simulators for the providers and a page to play with.

mod conversations;
mod notion;

use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Path as Segment, State};
use axum::http::StatusCode;
use axum::routing::{delete, post};
use clients::{ConnectionCredentials, Connections, PortalAccess};
use runtime::{Clock, SystemClock, TenantId, private_files};
use serde::Deserialize;
use serde_json::{Value, json};
use settings::Settings;
use settings::schema::{ActAs, BridgeSetting, MissingChannel};
use simulators::Sandbox;
use simulators::portal::{DEAL, PortalEventDelivery};
use slack::SlackApiBase;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::functions::Functions;
use crate::schedule::Schedule;
use crate::work::Work;
use crate::{http, names, page};

/// The events that the demonstration portal sends.
pub fn events(settings: &Settings) -> Vec<&'static str> {
    settings::subscriptions::wanted(settings).iter().map(|event| event.code).collect()
}

/// The address of the page, if the command names none.
const USUAL_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// How often the demonstration sweeps: often enough to watch how lost events are found.
const SCHEDULE: Schedule = Schedule {
    sweep: Duration::from_secs(10),
    sweeps_all: true,
    upkeep: Duration::from_secs(60),
    departures: Duration::from_secs(10),
    poll: Duration::from_secs(30),
    schedules: Duration::from_secs(60),
};
/// When the recording of a call appears.
const RECORDING: Duration = Duration::from_secs(6);
/// The channel for deals.
const PIPELINE: &str = "sales-pipeline";
/// The demonstration's project, and the person who gets its tasks.
const PROJECT: &str = "Office move";
const ASSIGNEE: u64 = 6;

/// How often the simulators' data is saved while it changes.
const SAVE: Duration = Duration::from_millis(500);
/// Messages shown of a channel.
const MAX_MESSAGES: usize = 50;
/// Tasks shown.
const MAX_TASKS: usize = 4;

/// Where and with what the demonstration runs.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where the page is. If the usual port is not free, another is used.
    #[arg(long, default_value_t = USUAL_ADDRESS)]
    listen: SocketAddr,
    /// Where the demonstration keeps its data.
    #[arg(long, default_value = "switchboard-demo")]
    data: PathBuf,
    /// Deletes what an earlier demonstration left.
    #[arg(long)]
    fresh: bool,
}

/// What the page's routes work with.
#[derive(Clone)]
struct Demo {
    engine: Engine,
    sandbox: Arc<Sandbox>,
    connections: Connections,
    tenant: TenantId,
}

/// Prints the page's address, and runs until `stop` becomes true.
pub async fn run(options: Options, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    if options.fresh {
        forget(&options.data)?;
    }
    private_files::folder(&options.data)
        .with_context(|| format!("the folder {} cannot be made", options.data.display()))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let engine = Engine::open(&options.data.join("demo.db"), clock.clone()).await?;
    let sandbox = Arc::new(Sandbox::start(clock).await?);
    let saved = options.data.join("simulators.json");
    restore(&sandbox, &saved)?;

    let connections = Connections::new(&engine.backend, SlackApiBase::new(&sandbox.slack.api_url())?)
        .with_notion(::notion::NotionApiBase::new(&sandbox.notion.url())?)
        // The simulators are here.
        .allowing(clients::Network::this_machine());
    conversations::prepare(&sandbox);
    notion::prepare(&sandbox);
    let tenant = join(&connections, &sandbox).await?;
    crm::baseline::fill(&engine.backend, &connections, &tenant).await?;
    if sandbox.portal.projects().is_empty() {
        sandbox.portal.add_project(PROJECT);
    }

    let listener = match http::listen(options.listen).await {
        Err(_) if options.listen.port() == USUAL_ADDRESS.port() => {
            http::listen(SocketAddr::new(options.listen.ip(), 0)).await?
        }
        listener => listener?,
    };
    let address = format!("http://{}", listener.local_addr()?);
    let functions = Functions::new(&engine.backend, &connections, Some(&address));
    sandbox.slack.send_requests_to(&format!("{address}{}", http::SLACK_WEBHOOK));
    sandbox.portal.send_events_to(&format!("{address}{}", http::BITRIX24_WEBHOOK), &events(&settings(&sandbox)));

    let demo = Demo { engine: engine.clone(), sandbox: sandbox.clone(), connections: connections.clone(), tenant };
    let looking = demo.clone();
    let look: page::Look = Arc::new(move || {
        let demo = looking.clone();
        Box::pin(async move { demo.state().await })
    });
    let shown = page::router(look)
        .merge(actions(demo.clone()))
        .merge(notion::routes(demo.clone()))
        .merge(conversations::routes(demo.clone()));
    // A page that is open to others has host names that we do not know.
    let shown = if options.listen.ip().is_loopback() { names::only(shown, &[]) } else { shown };
    let router = http::webhooks(functions.clone()).merge(shown);
    let work = Work::start(&engine, &functions, SCHEDULE, &stop);
    let inviting = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { conversations::let_the_bot_in(&sandbox).await }
    });
    let saving = tokio::spawn(keep_saving(sandbox.clone(), saved.clone()));
    let telling = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.notion.keep_sending().await }
    });
    println!("{address}");
    let subscribing = tokio::spawn(async move {
        if let Err(error) = notion::subscribe(&demo, &address).await {
            tracing::warn!(%error, "edits in Notion are found by the poll alone");
        }
    });
    http::serve(listener, router, stop).await.context("HTTP ended early")?;
    work.finish().await;
    engine.close().await;
    inviting.abort();
    subscribing.abort();
    telling.abort();
    saving.abort();
    save(&sandbox, &saved)
}

async fn join(connections: &Connections, sandbox: &Sandbox) -> anyhow::Result<TenantId> {
    let credentials = sandbox.portal.credentials();
    let portal = PortalAccess::Webhook(sandbox.portal.webhook_url().into());
    let bot_token = sandbox.slack.token().into();
    let access = ConnectionCredentials {
        member_id: credentials.member_id,
        application_token: credentials.application_token.into(),
        workspace: Some(connections.verify_credentials(&portal, &bot_token).await?),
        notion: Some(connections.verify_notion_token(&sandbox.notion.token().to_owned().into()).await?),
        signing_secret: Some(sandbox.slack.signing_secret().to_owned().into()),
        portal,
        bot_token,
        settings: Some(serde_json::to_value(settings(sandbox))?),
    };
    Ok(connections.join(access).await?)
}

/// The default routes; a missing channel for a project is created, and operators have a channel.
fn settings(sandbox: &Sandbox) -> Settings {
    let mut settings = Settings { missing_channels: MissingChannel::Create, ..Settings::default() };
    settings.operators.channel = Some("#ops".into());
    settings.bridges =
        vec![BridgeSetting { channel: format!("#{}", conversations::CHANNEL), chat: conversations::CHAT.into() }];
    settings.notion = notion::settings(sandbox);
    // The person who tries the demonstration is the administrator who owns the webhook.
    settings.people.act_as = ActAs::Connection;
    settings
}

fn actions(demo: Demo) -> Router {
    Router::new()
        .route("/api/tasks", post(add_task))
        .route("/api/tasks/{id}/comments", post(comment))
        .route("/api/calls", post(miss_call))
        .route("/api/deals/{id}", delete(delete_deal))
        .route("/api/lose", post(lose))
        .route("/api/archive", post(archive))
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

async fn add_task(State(demo): State<Demo>, axum::Json(task): axum::Json<NewDeal>) -> axum::Json<Value> {
    let portal = &demo.sandbox.portal;
    let project =
        portal.projects().iter().find(|project| project["NAME"] == PROJECT).map(|project| project["ID"].clone());
    let deadline = runtime::clock::later(demo.engine.backend.clock.now(), Duration::from_secs(2 * 24 * 60 * 60));
    let fields = json!({
        "TITLE": task.title, "RESPONSIBLE_ID": ASSIGNEE, "GROUP_ID": project, "DEADLINE": deadline.to_string(),
    });
    axum::Json(json!({"id": portal.add_task(fields)}))
}

#[derive(Deserialize)]
struct NewComment {
    text: String,
}

/// The director comments; the assignee is notified.
async fn comment(
    State(demo): State<Demo>,
    Segment(task): Segment<u64>,
    axum::Json(comment): axum::Json<NewComment>,
) -> StatusCode {
    match demo.sandbox.portal.comment(task, 1, &comment.text) {
        0 => StatusCode::NOT_FOUND,
        _ => StatusCode::NO_CONTENT,
    }
}

#[derive(Deserialize)]
struct MissedCall {
    phone: String,
}

/// A client calls about their deal and nobody answers; some seconds later the recording appears.
async fn miss_call(State(demo): State<Demo>, axum::Json(call): axum::Json<MissedCall>) -> axum::Json<Value> {
    let portal = &demo.sandbox.portal;
    let deals = portal.ids(DEAL);
    let open = deals.iter().rev().find(|id| portal.item(DEAL, **id).is_some_and(|deal| deal["closed"] == "N"));
    let ended = simulators::portal::PhoneCall {
        kind: 2,
        phone: call.phone,
        user: ASSIGNEE,
        code: "304".into(),
        deal: open.copied(),
        ..simulators::portal::PhoneCall::default()
    };
    let id = portal.end_call(&ended);
    let (sandbox, call_id) = (demo.sandbox.clone(), id.clone());
    tokio::spawn(async move {
        tokio::time::sleep(RECORDING).await;
        let url = format!(
            "{}/telephony/recording/{}.mp3",
            sandbox.portal.url(),
            call_id.rsplit('.').next().unwrap_or_default()
        );
        sandbox.portal.record_call(&call_id, &url);
    });
    axum::Json(json!({"id": id}))
}

async fn delete_deal(State(demo): State<Demo>, Segment(id): Segment<u64>) -> StatusCode {
    demo.sandbox.portal.delete_item(DEAL, id);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Lose {
    lose: bool,
}

/// Sets whether the portal's events get lost on their way.
async fn lose(State(demo): State<Demo>, axum::Json(lose): axum::Json<Lose>) -> StatusCode {
    demo.sandbox
        .portal
        .deliver(PortalEventDelivery { drop_every: u64::from(lose.lose), ..PortalEventDelivery::default() });
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Archive {
    archived: bool,
}

/// Sets whether nobody can post in the channel for deals: the cards become dead letters, to be found and redriven.
async fn archive(State(demo): State<Demo>, axum::Json(archive): axum::Json<Archive>) -> StatusCode {
    demo.sandbox.slack.change_channel(PIPELINE, |channel| channel.is_archived = archive.archived);
    StatusCode::NO_CONTENT
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
            "tasks": portal.task_ids().into_iter().rev().take(MAX_TASKS).filter_map(|id| portal.task(id)).collect::<Vec<_>>(),
        });
        let channels = self.sandbox.slack.channels().into_iter().map(|channel| {
            let skip = channel.messages.len().saturating_sub(MAX_MESSAGES);
            json!({"name": channel.name, "count": channel.messages.len(), "messages": channel.messages[skip..]})
        });
        // The simulators' other functions, which the page does not offer.
        state["control"] = self.sandbox.control_url().into();
        let is_pipeline =
            |channel: &simulators::slack::SimulatedChannel| channel.name == PIPELINE && channel.is_archived;
        state["archived"] = self.sandbox.slack.channels().iter().any(is_pipeline).into();
        state["talk"] = conversations::state(&self.sandbox);
        state["notion"] = notion::state(&self.sandbox);
        state["channels"] = Value::Array(channels.collect());
        state
    }
}

/// Deletes what an earlier demonstration made, and nothing else in its folder.
fn forget(data: &Path) -> anyhow::Result<()> {
    for name in ["demo.db", "demo.db-wal", "demo.db-shm", "demo.db.lock", "simulators.json"] {
        match std::fs::remove_file(data.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Restores the simulators' earlier data.
fn restore(sandbox: &Sandbox, file: &Path) -> anyhow::Result<()> {
    let Ok(text) = std::fs::read(file) else { return Ok(()) };
    let saved: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} cannot be read; start with --fresh to begin again", file.display()))?;
    sandbox.restore(&saved);
    Ok(())
}

fn save(sandbox: &Sandbox, file: &Path) -> anyhow::Result<()> {
    let beside = file.with_extension("new");
    let mut new = private_files::options().create(true).truncate(true).open(&beside)?;
    new.write_all(sandbox.save().to_string().as_bytes())?;
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
