//! HTTP for the functions: which address goes to which function, and how requests and answers are converted.

use std::net::SocketAddr;
use std::time::Duration;

use ::http::StatusCode;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};
use web::answer::Refused;
use web::doors;

use crate::functions::Functions;
use crate::server::{self, BodyDeadline, refusal};

/// Where Bitrix24 posts its events.
pub const BITRIX24_WEBHOOK: &str = "/webhooks/bitrix24";
/// Where Slack posts events, commands and interactivity.
pub const SLACK_WEBHOOK: &str = "/webhooks/slack";

/// How long a provider's request can take once it has arrived. Slack waits three seconds.
const MAX_ACKNOWLEDGEMENT: Duration = Duration::from_secs(2);

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
    let deps = &functions.bitrix24_webhook;
    acknowledged(&functions, request, bitrix24::form::MAX_EVENT_BODY, "events_refused", async |request| {
        bitrix24_webhook::handle(deps, request).await
    })
    .await
}

async fn slack(State(functions): State<Functions>, request: Request) -> Response {
    let deps = &functions.slack_webhook;
    acknowledged(&functions, request, ::slack::inbound::MAX_REQUEST_BODY, "slack_refused", async |request| {
        slack_webhook::handle(deps, request).await
    })
    .await
}

async fn notion(State(functions): State<Functions>, request: Request) -> Response {
    let deps = &functions.notion_webhook;
    acknowledged(&functions, request, notion_webhook::MAX_BODY, "notion_refused", async |request| {
        notion_webhook::handle(deps, request).await
    })
    .await
}

/// The answer to a provider: 503 if the store takes longer than a provider waits, so that it sends again. What was being
/// written may be stored all the same; events with an identity are then recognised, hints are harmless twice.
async fn acknowledged(
    functions: &Functions,
    request: Request,
    most: usize,
    counter: &'static str,
    handle: impl AsyncFnOnce(::http::Request<Bytes>) -> ::http::Response<Bytes>,
) -> Response {
    let metrics = functions.metrics();
    answered(request, most, async |request| match timeout(MAX_ACKNOWLEDGEMENT, handle(request)).await {
        Ok(answer) => answer,
        Err(_) => {
            let cause = format!("the store did not answer within {} s", MAX_ACKNOWLEDGEMENT.as_secs());
            Refused::unavailable(&cause).answer(metrics, counter)
        }
    })
    .await
}

async fn admins(State(functions): State<Functions>, request: Request) -> Response {
    let most = doors::limit(admin::DOORS, request.uri().path());
    answered(request, most, async |request| admin::handle(&functions.admin, request).await).await
}

async fn programs(State(functions): State<Functions>, request: Request) -> Response {
    let most = doors::limit(api::DOORS, request.uri().path());
    answered(request, most, async |request| api::handle(&functions.api, request).await).await
}

async fn installs(State(functions): State<Functions>, request: Request) -> Response {
    let most = doors::limit(install::DOORS, request.uri().path());
    answered(request, most, async |request| install::handle(&functions.install, request).await).await
}

/// The answer of a function, or the refusal of its request.
async fn answered(
    request: Request,
    most: usize,
    handle: impl AsyncFnOnce(::http::Request<Bytes>) -> ::http::Response<Bytes>,
) -> Response {
    match collected(request, most).await {
        Ok(request) => handle(request).await.map(Body::from),
        Err(refused) => refused,
    }
}

/// Reads the body, but not more of it than shows the handler that it is too large. A late body is refused, and so is
/// one that was cut off: half a request means something else than a whole one.
pub async fn collected(request: Request, most: usize) -> Result<::http::Request<Bytes>, Response> {
    let (head, body) = request.into_parts();
    let read = body_of(body, most);
    let read = match head.extensions.get::<BodyDeadline>().copied() {
        None => read.await,
        Some(deadline) => timeout_at(deadline.at, read).await.map_err(|_| too_late(deadline.limit))?,
    };
    match read {
        Ok(body) => Ok(::http::Request::from_parts(head, body)),
        Err(_) => Err(refusal(StatusCode::BAD_REQUEST, "The body of the request was cut off.\n".to_owned())),
    }
}

async fn body_of(body: Body, most: usize) -> Result<Bytes, axum::Error> {
    let mut read = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        read.extend_from_slice(&chunk?);
        if read.len() > most {
            break;
        }
    }
    Ok(read.freeze())
}

fn too_late(limit: Duration) -> Response {
    let text = format!("The body of the request did not arrive within {} s.\n", limit.as_secs_f32());
    refusal(StatusCode::REQUEST_TIMEOUT, text)
}

/// Serves `router` until `stop` becomes true, with the default limits and without trusted proxies.
pub async fn serve(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) -> std::io::Result<()> {
    server::serve(listener, router, server::Options::default(), stop).await
}

/// Listens on an address; an error says what to do about it.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow::anyhow!("cannot listen on {address}: {error}; is another process using it? choose another port")
    })
}
