//! The one-machine host with a hurried clock, to be killed. Takes one JSON argument.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::Arc;

use axum::routing::get;
use clients::{ConnectionCredentials, Connections, PortalAccess};
use jobs::queues;
use journeys::hurry::HurriedClock;
use serde_json::Value;
use slack::SlackApiBase;
use standalone::engine::Engine;
use standalone::functions::Functions;
use standalone::{http, workers};
use tokio::sync::watch;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let told: Value = serde_json::from_str(&std::env::args().nth(1).unwrap_or_default())?;
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let clock =
        Arc::new(HurriedClock::since(text("began").parse()?, u32::try_from(told["factor"].as_u64().unwrap_or(1))?));
    let engine = Engine::open(&PathBuf::from(text("database")), clock).await?;
    let connections = Connections::new(&engine.backend, SlackApiBase::new(&text("slack_api"))?);
    let connections = connections.allowing(clients::Network::this_machine());
    let connections = match told["notion_api"].as_str() {
        Some(url) => connections.with_notion(notion::NotionApiBase::new(url)?),
        None => connections,
    };
    let functions = Functions::new(&engine.backend, &connections, None);
    let access = ConnectionCredentials {
        member_id: text("member_id"),
        portal: PortalAccess::Webhook(text("webhook_url").into()),
        application_token: text("application_token").into(),
        bot_token: text("bot_token").into(),
        workspace: Some(slack::client::SlackIdentity {
            team_id: text("team_id"),
            ..slack::client::SlackIdentity::default()
        }),
        signing_secret: None,
        notion: match told["notion_token"].as_str() {
            Some(token) => Some(connections.verify_notion_token(&token.to_owned().into()).await?),
            None => None,
        },
        settings: match &told["settings"] {
            Value::Null => Some(serde_json::to_value(journeys::each_alone())?),
            settings => Some(settings.clone()),
        },
    };
    connections.join(access).await?;
    let (_stop, stopped) = watch::channel(false);
    let workers = workers::start(&engine, &functions, &stopped);
    let listener = http::listen(text("listen").parse()?).await?;
    let router = http::webhooks(functions).route("/waiting", get(move || waiting(engine.clone())));
    http::serve(listener, router, stopped).await?;
    workers.join_all().await;
    Ok(())
}

/// How many messages wait in all queues.
async fn waiting(engine: Engine) -> String {
    let mut waiting = 0;
    for queue in queues::ALL {
        waiting += engine.backend.queue.depth(queue).await.unwrap().waiting;
    }
    waiting.to_string()
}
