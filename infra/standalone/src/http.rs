//! HTTP for the functions: requests in, responses out, and a clean end.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::functions::Functions;

/// Where Bitrix24 posts its events.
pub const BITRIX24_WEBHOOK: &str = "/webhooks/bitrix24";
/// Where Slack posts events, commands and interactivity.
pub const SLACK_WEBHOOK: &str = "/webhooks/slack";

/// The routes that providers call.
pub fn webhooks(functions: Functions) -> Router {
    Router::new()
        .route(BITRIX24_WEBHOOK, any(bitrix24))
        .route(SLACK_WEBHOOK, any(slack))
        .route(&format!("{}/{{key}}", notion_webhook::PATH), any(notion))
        .route("/webhooks/{member_id}/bitrix24", any(bitrix24))
        .route("/webhooks/{member_id}/slack", any(slack))
        .route("/webhooks/{member_id}/notion/{key}", any(notion))
        .route(&format!("{}/{{*rest}}", api::PATH), any(programs))
        .route(install::PATH, any(installs))
        .route(&format!("{}/{{*rest}}", install::PATH), any(installs))
        .route(admin::PATH, any(admins))
        .route(&format!("{}/{{*rest}}", admin::PATH), any(admins))
        .with_state(functions)
}

async fn bitrix24(State(functions): State<Functions>, request: Request) -> Response {
    let request = collected(request, bitrix24::form::MAX_EVENT_BODY).await;
    bitrix24_webhook::handle(&functions.bitrix24_webhook, request).await.map(Body::from)
}

async fn slack(State(functions): State<Functions>, request: Request) -> Response {
    let request = collected(request, ::slack::inbound::MAX_REQUEST_BODY).await;
    slack_webhook::handle(&functions.slack_webhook, request).await.map(Body::from)
}

async fn notion(State(functions): State<Functions>, request: Request) -> Response {
    let request = collected(request, notion_webhook::LARGEST_BODY).await;
    notion_webhook::handle(&functions.notion_webhook, request).await.map(Body::from)
}

async fn admins(State(functions): State<Functions>, request: Request) -> Response {
    let request = collected(request, admin::LARGEST_BODY).await;
    admin::handle(&functions.admin, request).await.map(Body::from)
}

async fn programs(State(functions): State<Functions>, request: Request) -> Response {
    let request = collected(request, api::LARGEST_BODY).await;
    api::handle(&functions.api, request).await.map(Body::from)
}

async fn installs(State(functions): State<Functions>, request: Request) -> Response {
    let request = collected(request, install::LARGEST_BODY).await;
    install::handle(&functions.install, request).await.map(Body::from)
}

/// Reads the body, but no more of it than tells the handler that it is too large.
pub async fn collected(request: Request, most: usize) -> ::http::Request<Bytes> {
    let (head, body) = request.into_parts();
    let mut read = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        read.extend_from_slice(&chunk);
        if read.len() > most {
            break;
        }
    }
    ::http::Request::from_parts(head, read.freeze())
}

/// Serves `router` until `stop` becomes true. Open event streams do not hold up the end.
pub async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let mut stopping = stop.clone();
    let ends = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(ends) => served,
        () = async {
            let _ = stop.wait_for(|stop| *stop).await;
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        } => Ok(()),
    }
}

/// Listens, or says what to do about it.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow::anyhow!("cannot listen on {address}: {error}; is another process using it? choose another port")
    })
}
