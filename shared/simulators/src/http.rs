//! A small HTTP server on loopback that can also fail to answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use runtime::clock::{Clock, SystemClock};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::direct::{self, DirectHandler, ListedServer};
use crate::fault::Fault;
use crate::tls;

/// What happens instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUp {
    /// The connection breaks.
    Breaks,
    /// The client waits in vain.
    Silence,
}

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Breaks => "the connection is to break",
            Self::Silence => "no answer is to come",
        })
    }
}

impl std::error::Error for HangUp {}

/// What a request comes to.
pub type HttpAnswer = Result<Response<Bytes>, HangUp>;

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    is_secure: bool,
    slow: Arc<Mutex<Vec<(String, Duration)>>>,
    /// None on an isolated thread: there are no sockets to accept at.
    task: Option<JoinHandle<()>>,
    _listed: ListedServer,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Server {
    /// Serves requests on a port of 127.0.0.1 (0 for a free one) with `handle`, and those that come without sockets.
    pub async fn start<F>(
        port: u16,
        handle: impl Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    ) -> std::io::Result<Self>
    where
        F: Future<Output = HttpAnswer> + Send + 'static,
    {
        Self::start_by(Arc::new(SystemClock), port, handle).await
    }

    /// The same, where requests that are slowed down wait by `clock`.
    pub async fn start_by<F>(
        clock: Arc<dyn Clock>,
        port: u16,
        handle: impl Fn(Request<Bytes>) -> F + Clone + Send + Sync + 'static,
    ) -> std::io::Result<Self>
    where
        F: Future<Output = HttpAnswer> + Send + 'static,
    {
        let acceptor = tls::wanted();
        let is_secure = acceptor.is_some();
        let slow: Arc<Mutex<Vec<(String, Duration)>>> = Arc::default();
        let waits = slow.clone();
        let handler: DirectHandler = Arc::new(move |request| {
            let (handle, pause, clock) = (handle.clone(), latency(&waits, request.uri().path()), clock.clone());
            Box::pin(async move {
                if !pause.is_zero() {
                    clock.sleep(pause).await;
                }
                handle(request).await
            })
        });
        let (address, task) = match direct::next_address() {
            Some(address) => (address, None),
            None => {
                let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?;
                (listener.local_addr()?, Some(tokio::spawn(accept(listener, handler.clone(), acceptor))))
            }
        };
        Ok(Self { address, is_secure, slow, task, _listed: ListedServer::new(address, is_secure, handler) })
    }

    /// `http`, or `https` where certificates are wanted.
    pub fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    /// Its host with port.
    pub fn host(&self) -> String {
        // Clients compare the certificate with a name more readily than with an address.
        if self.is_secure { format!("localhost:{}", self.address.port()) } else { self.address.to_string() }
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.host())
    }

    /// Lets every request whose path has `part` in it (`*` is any) wait so long before it is worked; zero for no longer.
    pub fn slow_down(&self, part: &str, pause: Duration) {
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        slow.retain(|(known, _)| known != part);
        if !pause.is_zero() {
            slow.push((part.to_lowercase(), pause));
        }
    }

    /// No request waits any longer.
    pub fn hurry_up(&self) {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Serves each connection in a task of its own.
async fn accept(listener: TcpListener, handler: DirectHandler, acceptor: Option<TlsAcceptor>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (handler, acceptor) = (handler.clone(), acceptor.clone());
        let service = service_fn(move |request: Request<Incoming>| answer_over_socket(handler.clone(), request));
        connections.spawn(async move {
            let _ = stream.set_nodelay(true);
            let http1 = hyper::server::conn::http1::Builder::new();
            match acceptor {
                None => drop(http1.serve_connection(TokioIo::new(stream), service).await),
                Some(acceptor) => {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let _ = http1.serve_connection(TokioIo::new(stream), service).await;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer_over_socket(
    handler: DirectHandler,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, HangUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HangUp::Breaks)?.to_bytes();
    match handler(Request::from_parts(head, body)).await {
        Err(HangUp::Silence) => std::future::pending().await,
        answer => answer.map(|answer| answer.map(Full::new)),
    }
}

/// How long a request waits: the longest of what it matches.
fn latency(slow: &Mutex<Vec<(String, Duration)>>, path: &str) -> Duration {
    let slow = slow.lock().unwrap_or_else(PoisonError::into_inner);
    let path = if slow.is_empty() { String::new() } else { path.to_lowercase() };
    let matching = slow.iter().filter(|(part, _)| part == "*" || path.contains(part.as_str()));
    matching.map(|(_, pause)| *pause).max().unwrap_or_default()
}

/// A JSON answer.
pub fn answer(status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// Turns a good answer into the fault's.
pub fn spoil(fault: &Fault, good: Response<Bytes>) -> HttpAnswer {
    match fault {
        Fault::Timeout { .. } => Err(HangUp::Silence),
        Fault::Reset { .. } => Err(HangUp::Breaks),
        Fault::Html { status, .. } => {
            let mut page = Response::new(Bytes::from_static(
                b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center>nginx</center></body>\r\n</html>",
            ));
            *page.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            page.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/html"));
            Ok(page)
        }
        Fault::CutJson { .. } => Ok(good.map(|body| body.slice(..body.len() / 2))),
        // The provider's own form of these is the provider's to make.
        Fault::TooMany { .. }
        | Fault::Throttled { .. }
        | Fault::Slow { .. }
        | Fault::Code { .. }
        | Fault::Saved { .. } => Ok(good),
    }
}

/// The parameters of a request as providers take them: query, form or JSON body together, brackets unfolded.
pub fn params(request: &Request<Bytes>) -> Map<String, Value> {
    let mut params = Map::new();
    let mut add_form = |text: &[u8]| {
        if let Ok(tree) = bitrix24::form::parse(text)
            && let Ok(Value::Object(map)) = serde_json::to_value(tree)
        {
            params.extend(map);
        }
    };
    add_form(request.uri().query().unwrap_or_default().as_bytes());
    let kind =
        request.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        if let Ok(Value::Object(map)) = serde_json::from_slice(request.body()) {
            params.extend(map);
        }
    } else {
        add_form(request.body());
    }
    params
}

/// A JSON answer of 404 for what is not there.
pub fn not_found() -> Response<Bytes> {
    answer(404, &json!({"error": "not_found"}))
}

/// Fields as a form.
pub fn encoded(fields: &[(&str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
