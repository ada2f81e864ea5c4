//! `serve`: the host against real portals and workspaces.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use clients::{ConnectionCredentials, Connections, PortalAccess};
use command_line::config::{self, Config, PortalConfig, SlackConfig};
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{SystemClock, TenantId};
use secrecy::ExposeSecret;
use tenants::portals::TokenDigest;
use tokio::sync::watch;

use crate::beats::Beats;
use crate::engine::Engine;
use crate::functions::Functions;
use crate::schedule::{self, Schedule};
use crate::{http, names, page, server, workers};

/// A connection that waits for its `member_id`, or has it.
#[derive(Clone)]
struct Host {
    engine: Engine,
    connections: Connections,
    functions: Functions,
    /// The tenant's credentials, which wait for the first event that names its id.
    pending: Arc<Mutex<Option<ConnectionCredentials>>>,
    tenant: Arc<Mutex<Option<TenantId>>>,
}

/// Runs until `stop` becomes true.
pub async fn serve(file: &Path, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let config = Config::read(file)?;
    let engine = Engine::open(&config.database, Arc::new(SystemClock)).await?;
    let beats = Beats::of(&engine.backend, &config.database);
    beats.notice().await?;
    if let Some(apps) = &config.apps {
        config::store_apps(apps, engine.backend.secrets.as_ref()).await?;
    }
    let connections = config.connections(&engine.backend)?;
    let functions = Functions::new(&engine.backend, &connections, config.public_url.as_deref());
    let host = Host { engine, connections, functions, pending: Arc::default(), tenant: Arc::default() };

    if let (Some(portal), Some(slack)) = (&config.portal, &config.slack) {
        let access = host.access(&config, portal, slack).await?;
        if let Some(member_id) = host.member_id(portal).await? {
            host.connect(ConnectionCredentials { member_id, ..access }).await?;
        } else {
            println!(
                "The portal's member_id is not known yet. The first event with the right application token names it."
            );
            *host.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(access);
        }
    }
    let public = http::webhooks(host.functions.clone())
        .layer(from_fn_with_state(host.clone(), learn))
        .route(names::PROBE, get(|| async { "ok\n" }));
    let listener = http::listen(config.listen).await?;
    let status = http::listen(config.status).await?;
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
    let counters = host.engine.counters.clone();
    let workers = workers::start(&host.engine, &host.functions, &stop);
    let scheduled = schedule::start(&host.functions, &host.engine.backend.clock, Schedule::default(), &stop);
    let beats = beats.start(stop.clone());
    let watching = host.clone();
    let look: page::Look = Arc::new(move || {
        let host = watching.clone();
        Box::pin(async move { host.state().await })
    });
    let (public, status) = tokio::join!(
        server::serve(listener, public, server::Options::of(&config, counters), stop.clone()),
        server::serve(status, page::private(look, &config.status_names), page::options(), stop),
    );
    workers.join_all().await;
    scheduled.join_all().await;
    beats.await.context("the moments of the database ended early")?;
    public.and(status).context("HTTP ended early")
}

impl Host {
    /// Checks the credentials with the providers; an error says what is wrong with which.
    async fn access(
        &self,
        config: &Config,
        named: &PortalConfig,
        slack: &SlackConfig,
    ) -> anyhow::Result<ConnectionCredentials> {
        let portal = PortalAccess::Webhook(named.webhook_url.clone());
        let workspace = self.connections.verify_credentials(&portal, &slack.bot_token).await?;
        Ok(ConnectionCredentials {
            member_id: String::new(),
            portal,
            application_token: named.application_token.clone(),
            bot_token: slack.bot_token.clone(),
            workspace,
            notion: match &config.notion {
                Some(notion) => Some(self.connections.verify_notion_token(&notion.token).await?),
                None => None,
            },
            signing_secret: slack.signing_secret.clone(),
            settings: config.named_settings().map(serde_json::to_value).transpose()?,
        })
    }

    /// The id from the configuration, or the one that an earlier event with this application token named.
    async fn member_id(&self, portal: &PortalConfig) -> anyhow::Result<Option<String>> {
        if portal.member_id.is_some() {
            return Ok(portal.member_id.clone());
        }
        let learned = self.engine.backend.store.get(&learned_key(&portal.application_token)?).await?;
        Ok(learned.map(|item| item.decode()).transpose()?)
    }

    async fn connect(&self, access: ConnectionCredentials) -> anyhow::Result<()> {
        let tenant = self.connections.join(access).await?;
        *self.tenant.lock().unwrap_or_else(PoisonError::into_inner) = Some(tenant.clone());
        println!("Connected portal {tenant}.");
        let (backend, connections) = (self.engine.backend.clone(), self.connections.clone());
        tokio::spawn(async move {
            match crm::baseline::fill(&backend, &connections, &tenant).await {
                Ok(0) => {}
                Ok(read) => tracing::info!(%tenant, read, "baseline filled"),
                // Without it, records are judged by their history, one by one.
                Err(failure) => tracing::warn!(%tenant, %failure, "the baseline stopped; it goes on at the next start"),
            }
        });
        Ok(())
    }

    /// Connects the portal if this event is the first that carries its application token.
    async fn learn(&self, body: &[u8]) -> anyhow::Result<()> {
        let Some(access) = self.pending.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return Ok(()) };
        let sender = bitrix24::event::SenderProof::find(body)?;
        let given = TokenDigest::of(sender.application_token.expose_secret());
        if !TokenDigest::of(access.application_token.expose_secret()).matches(&given) {
            bail!("another application token");
        }
        let key = learned_key(&access.application_token)?;
        let member_id = sender.member_id;
        self.engine.backend.store.put(StoreWrite::new(key, &member_id, WriteCondition::Always)?).await?;
        self.connect(ConnectionCredentials { member_id, ..access }).await?;
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }

    async fn state(&self) -> serde_json::Value {
        let tenant = self.tenant.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = page::engine_state(&self.engine, tenant.as_ref()).await;
        state.unwrap_or_else(|error| serde_json::json!({"error": error.to_string()}))
    }
}

fn learned_key(token: &secrecy::SecretString) -> anyhow::Result<ItemKey> {
    let digest = serde_json::to_string(&TokenDigest::of(token.expose_secret()))?;
    Ok(ItemKey::new(Table::Portals, "learned", digest))
}

/// This comes before the handler: an event may name the missing `member_id`.
async fn learn(State(host): State<Host>, request: Request, next: Next) -> Response {
    let waits = host.pending.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    if !waits {
        return next.run(request).await;
    }
    let request = match http::collected(request, bitrix24::form::MAX_EVENT_BODY).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    if let Err(error) = host.learn(request.body()).await {
        tracing::info!(%error, "an event did not name the member_id");
    }
    next.run(request.map(axum::body::Body::from)).await
}
