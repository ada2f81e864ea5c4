//! The way to the providers: it takes time, calls fail on it in every way, and providers are down for a while.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response};
use simulators::direct::Direct;
use wire::{Body, Cause, Network, SendError, TimeLimit, Transport};

use crate::life::Life;
use crate::plant::PlantedBug;
use crate::sim::Sim;
use crate::weather::Outage;

/// How long a call may take for which its client sets no limit.
const USUAL_LIMIT: Duration = Duration::from_secs(60);
/// How long a request or an answer is on its way, in milliseconds.
const LATENCY_MS: (u64, u64) = (15, 120);
/// What a slow call takes longer.
const SLOWNESS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(12));

/// How one call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallFault {
    Unavailable,
    Gateway,
    Throttled(u64),
    ResetBefore,
    ResetAfter,
    GatewayAfter,
    CutAnswer,
    Hang,
    Slow,
}

impl CallFault {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Unavailable, "provider: 503"),
        (Self::Gateway, "provider: page of a gateway"),
        (Self::Throttled(3), "provider: 429"),
        (Self::ResetBefore, "provider: reset before the effect"),
        (Self::ResetAfter, "provider: reset after the effect"),
        (Self::GatewayAfter, "provider: page of a gateway after the effect"),
        (Self::CutAnswer, "provider: half an answer"),
        (Self::Hang, "provider: no answer"),
        (Self::Slow, "provider: slow"),
    ];

    fn has_effect(self) -> bool {
        matches!(self, Self::ResetAfter | Self::GatewayAfter | Self::CutAnswer | Self::Slow)
    }
}

/// The transport of a process.
pub struct ProcessTransport {
    sim: Arc<Sim>,
    life: Arc<Life>,
    direct: Direct,
}

impl std::fmt::Debug for ProcessTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessTransport").field("process", &self.life.number).finish_non_exhaustive()
    }
}

type Sent = Result<Response<Body>, SendError>;

impl ProcessTransport {
    /// The transport for a process.
    pub fn new(sim: Arc<Sim>, life: Arc<Life>) -> Self {
        let clock = sim.clock.clone();
        // It limits nothing itself: the limit is for the whole, latency included.
        Self { sim, life, direct: Direct::by(clock, Duration::from_secs(24 * 3600)) }
    }

    async fn on_the_way(&self) {
        tokio::time::sleep(Duration::from_millis(self.sim.schedule.between(LATENCY_MS.0, LATENCY_MS.1))).await;
    }

    /// The fault that this call meets.
    fn fault(&self, host: &str, what: &str) -> Option<CallFault> {
        if let Some(outage) = self.sim.weather.of(host) {
            return Some(match outage {
                Outage::Gateway => CallFault::Gateway,
                Outage::Hang => CallFault::Hang,
                Outage::Reset | Outage::Refused => CallFault::ResetBefore,
                Outage::Throttle(seconds) => CallFault::Throttled(seconds),
                Outage::Slow(_) => CallFault::Slow,
            });
        }
        let rate = self.sim.weather.rates().provider;
        if rate == 0 || !self.sim.faults.happens(rate) {
            return None;
        }
        let (fault, kind) = *self.sim.faults.pick(&CallFault::ALL)?;
        self.sim.fault(kind, what);
        Some(fault)
    }

    async fn carry(&self, request: Request<Body>, network: &Network) -> Sent {
        let (head, body) = request.into_parts();
        let body = whole(body).await?;
        let host = head.uri.authority().map(ToString::to_string).unwrap_or_default();
        let call = format!("{} {}", head.method, head.uri);
        self.sim.count("calls of providers");
        let shown = String::from_utf8_lossy(&body).into_owned();
        self.sim.trace.note_with(format!("p{} call   {call}", self.life.number), &shown);
        if self.sim.shows(PlantedBug::LogToken, 50) {
            let token = head.headers.get(AUTHORIZATION).and_then(|token| token.to_str().ok()).unwrap_or_default();
            tracing::info!(token, url = %head.uri, "calling");
        }
        self.on_the_way().await;
        let fault = self.fault(&host, &call);
        match fault {
            Some(CallFault::ResetBefore) => return Err(SendError::Lost(Cause::Closed)),
            Some(CallFault::Hang) => std::future::pending().await,
            Some(CallFault::Slow) => {
                let takes = match self.sim.weather.of(&host) {
                    Some(Outage::Slow(takes)) => takes,
                    _ => self.sim.faults.duration(SLOWNESS.0, SLOWNESS.1),
                };
                tokio::time::sleep(takes).await;
            }
            Some(fault) if !fault.has_effect() => {
                self.on_the_way().await;
                return Ok(refusal(fault, head.uri.path()));
            }
            None | Some(_) => {}
        }
        let answer = self.effect(head, body, network).await;
        self.on_the_way().await;
        match (fault, answer) {
            (Some(CallFault::ResetAfter), _) => Err(SendError::Lost(Cause::Closed)),
            (Some(CallFault::GatewayAfter), Ok(_)) => Ok(refusal(CallFault::Gateway, "")),
            (Some(CallFault::CutAnswer), Ok(answer)) => {
                let (head, body) = answer.into_parts();
                let body = whole(body).await?;
                let half = body.len() / 2;
                let mut cut = Response::from_parts(head, Body::Whole(body.slice(..half)));
                cut.headers_mut().remove(http::header::CONTENT_LENGTH);
                Ok(cut)
            }
            (_, answer) => answer,
        }
    }

    /// What the provider does.
    async fn effect(&self, head: http::request::Parts, body: Bytes, network: &Network) -> Sent {
        let again = || {
            let mut request = Request::new(Body::Whole(body.clone()));
            (*request.method_mut(), *request.uri_mut()) = (head.method.clone(), head.uri.clone());
            *request.headers_mut() = head.headers.clone();
            request
        };
        let path = head.uri.path();
        let is_post = path.ends_with("/chat.postMessage");
        if is_post && self.sim.shows(PlantedBug::PostNothing, 4) {
            let body = r#"{"ok": true, "channel": "C0SAND0003", "ts": "1700000000.000001"}"#;
            return Ok(json(200, body));
        }
        if head.method == Method::PATCH && path.contains("/v1/pages/") && self.sim.has(PlantedBug::LeavePage) {
            let mut read = again();
            *read.method_mut() = Method::GET;
            *read.body_mut() = Body::default();
            return self.direct.send(read, network).await;
        }
        if is_post && self.sim.shows(PlantedBug::PostTwice, 4) {
            self.direct.send(again(), network).await?;
        }
        let answer = self.direct.send(again(), network).await;
        let status = match &answer {
            Ok(answer) => answer.status().as_u16().to_string(),
            Err(error) => error.to_string(),
        };
        self.sim.trace.note(format!("p{} effect {} {} → {status}", self.life.number, head.method, head.uri));
        answer
    }
}

#[async_trait]
impl Transport for ProcessTransport {
    async fn send(&self, request: Request<Body>, network: &Network) -> Sent {
        let limit = request.extensions().get().map_or(USUAL_LIMIT, |TimeLimit(limit)| *limit);
        let call = self.carry(request, network);
        let limited = async { tokio::time::timeout(limit, call).await.unwrap_or(Err(SendError::Lost(Cause::Timeout))) };
        self.life.within(limited).await
    }
}

async fn whole(body: Body) -> Result<Bytes, SendError> {
    let (mut pieces, mut whole) = (body.into_pieces(), BytesMut::new());
    while let Some(piece) = pieces.next().await {
        whole.extend_from_slice(&piece.map_err(|_| SendError::Lost(Cause::Other))?);
    }
    Ok(whole.freeze())
}

fn json(status: u16, body: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::Whole(Bytes::from_static(body.as_bytes())));
    *answer.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A provider's answer when it does nothing.
fn refusal(fault: CallFault, path: &str) -> Response<Body> {
    let is_notion = path.starts_with("/v1/");
    let is_slack = path.starts_with("/api/");
    match fault {
        CallFault::Throttled(seconds) => {
            let mut answer = match (is_notion, is_slack) {
                (true, _) => {
                    json(429, r#"{"object": "error", "status": 429, "code": "rate_limited", "message": "slow down"}"#)
                }
                (_, true) => json(429, r#"{"ok": false, "error": "ratelimited"}"#),
                _ => json(503, r#"{"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"}"#),
            };
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            answer
        }
        CallFault::Unavailable if is_notion => {
            json(503, r#"{"object": "error", "status": 503, "code": "service_unavailable", "message": "try again"}"#)
        }
        CallFault::Unavailable => json(503, r#"{"error": "INTERNAL_SERVER_ERROR", "error_description": "try again"}"#),
        _ => {
            let page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>";
            let mut answer = Response::new(Body::Whole(Bytes::from_static(page)));
            *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
            answer
        }
    }
}
