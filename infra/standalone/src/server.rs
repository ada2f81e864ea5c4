//! Connections: how many are accepted, from whom, and how long each may take.
//!
//! A stranger who sends or reads slowly costs a connection for seconds, and nothing else. TLS is left to the proxy.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use ::http::{HeaderMap, HeaderValue, StatusCode};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use command_line::config::Config;
use command_line::proxies::Proxies;
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use runtime::ClientAddress;
use runtime::metrics::{Counters, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::host_limits::HostLimits;
use crate::probes::PROBES;
use crate::refusals::{self, RefusalBudget};
use crate::timed::{Late, Progress, Timed, Watched};

/// How long open connections can continue after the listener has closed.
pub const ENDING: Duration = Duration::from_secs(2);
/// How long a client can take to read the last answer of its connection.
const PARTING: Duration = Duration::from_secs(1);
/// How long a quiet connection that is about to end can still begin a request.
const LAST_CHANCE: Duration = Duration::from_millis(50);
/// How long a client waits at most until a quiet connection has made room.
const MAKING_ROOM: Duration = Duration::from_secs(5);
/// The most clients that are refused at the same time; further ones are cut off without an answer.
const MAX_REFUSALS: usize = 64;
/// The most bytes of a request's head that the parser holds; more is a 431.
const MAX_BUFFER: usize = 128 * 1024;
/// The time between two log lines about the same trouble.
const LOG_EVERY_SECONDS: i64 = 60;

/// How a server works.
#[derive(Clone, Default)]
pub struct Options {
    /// Its limits.
    pub limits: HostLimits,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub proxies: Proxies,
    /// Where refusals are counted.
    pub counters: Arc<Counters>,
}

impl Options {
    /// The limits of the public address; refusals are counted with `counters`.
    pub fn of(config: &Config, counters: Arc<Counters>) -> Self {
        Self { limits: HostLimits::of(&config.limits), proxies: config.proxies.trusted.clone(), counters }
    }
}

/// The address that a client connected to; in the extensions of each request.
#[derive(Debug, Clone, Copy)]
pub struct LocalAddress(pub IpAddr);

/// When a request's body has to be complete; in the extensions of each request.
#[derive(Debug, Clone, Copy)]
pub struct BodyDeadline {
    /// The moment.
    pub at: Instant,
    /// The limit, for the answer to a refused client.
    pub limit: Duration,
}

/// Serves `router` until `stop` becomes true. Open event streams do not hold up the end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: Options,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let host = Arc::new(Host::new(options));
    let mut open = JoinSet::new();
    let stopping = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        while open.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => match host.admit(peer.ip()) {
                Ok(seat) => drop(open.spawn(connection(seat, stream, peer, router.clone(), stopping.clone()))),
                Err(Full::Host(_)) if host.close_a_quiet_one() => {
                    drop(open.spawn(connection_later(host.clone(), stream, peer, router.clone(), stopping.clone())));
                }
                Err(full) => host.turn_away(&mut open, stream, full),
            },
            Err(error) => host.could_not_accept(&error).await,
        }
    }
    drop(listener);
    // Those that are still open then end with the set.
    let _ = timeout(ENDING, async { while open.join_next().await.is_some() {} }).await;
    Ok(())
}

/// What all connections share.
struct Host {
    options: Options,
    seats: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    /// The progress of each connection, by its number.
    open: Mutex<HashMap<u64, Progress>>,
    numbers: AtomicU64,
    logged: AtomicI64,
    budget: RefusalBudget,
}

/// An admitted connection; it makes room when it is dropped.
struct Seat {
    host: Arc<Host>,
    network: Option<IpAddr>,
    number: u64,
    progress: Progress,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.host.open().remove(&self.number);
        let Some(network) = self.network else { return };
        let mut by_address = self.host.by_address();
        match by_address.get_mut(&network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(by_address.remove(&network)),
        }
    }
}

/// Why a connection is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    Host(usize),
    Address(usize),
}

impl Full {
    fn reason(self) -> &'static str {
        match self {
            Self::Host(_) => "too_many",
            Self::Address(_) => "too_many_of_one_address",
        }
    }

    fn text(self) -> String {
        match self {
            Self::Host(most) => format!(
                "All {most} connections are in use (limits.connections in the configuration). Try again in a few seconds.\n"
            ),
            Self::Address(most) => format!(
                "Your address has {most} connections open, which is the limit (limits.connections_per_address in the configuration). Close some. A reverse proxy belongs under proxies.trusted.\n"
            ),
        }
    }
}

impl Host {
    fn new(options: Options) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(options.limits.connections)),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            by_address: Mutex::default(),
            open: Mutex::default(),
            numbers: AtomicU64::default(),
            logged: AtomicI64::new(i64::MIN),
            budget: RefusalBudget::default(),
            options,
        }
    }

    fn by_address(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Progress>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection that has been quiet the longest; returns whether there was one. So holding connections open
    /// locks nobody out.
    fn close_a_quiet_one(&self) -> bool {
        let mut open = self.open();
        let quiet = open.iter().filter_map(|(number, progress)| Some((progress.quiet_since()?, *number)));
        let Some((_, number)) = quiet.min() else { return false };
        // It leaves the list, so that the next client does not wait for the same one.
        if let Some(progress) = open.remove(&number) {
            progress.close();
        }
        true
    }

    /// Waits for room for one more connection. If another client takes the freed room, another connection is ended.
    async fn room(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(Ok(permit)) = timeout(LAST_CHANCE * 2, self.seats.clone().acquire_owned()).await {
                return permit;
            }
            self.close_a_quiet_one();
        }
    }

    /// A seat for a connection, or why it is not admitted.
    fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Seat, Full> {
        let full = Full::Host(self.options.limits.connections);
        self.seat(peer, || self.seats.clone().try_acquire_owned().map_err(|_| full))
    }

    fn seat(
        self: &Arc<Self>,
        peer: IpAddr,
        permit: impl FnOnce() -> Result<OwnedSemaphorePermit, Full>,
    ) -> Result<Seat, Full> {
        let limits = self.options.limits;
        let network = self.counted(peer);
        let mut by_address = self.by_address();
        let used = network.and_then(|network| by_address.get(&network).copied()).unwrap_or_default();
        if network.is_some() && used >= limits.connections_per_address {
            return Err(Full::Address(limits.connections_per_address));
        }
        let permit = permit()?;
        if let Some(network) = network {
            by_address.insert(network, used + 1);
        }
        let (number, progress) = (self.numbers.fetch_add(1, Ordering::Relaxed), Progress::new(limits));
        self.open().insert(number, progress.clone());
        Ok(Seat { host: self.clone(), network, number, progress, _permit: permit })
    }

    /// The address that a connection counts for; `None` for trusted proxies, which many people share, and for programs
    /// of this machine.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let is_known = peer.is_loopback() || self.options.proxies.trusts(peer);
        (!is_known).then(|| ClientAddress(peer).network())
    }

    /// Answers 503 to a client that is not admitted.
    fn turn_away(self: &Arc<Self>, open: &mut JoinSet<()>, stream: TcpStream, full: Full) {
        self.refused("connections_refused", full.reason());
        let Ok(permit) = self.refusals.clone().try_acquire_owned() else { return };
        open.spawn(async move {
            let _permit = permit;
            part(stream, Some(&plain_text(StatusCode::SERVICE_UNAVAILABLE, &full.text()))).await;
        });
    }

    /// Counts a refusal, and logs it from time to time.
    fn refused(&self, what: &'static str, reason: &'static str) {
        self.options.counters.count(what, reason);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let logged = self.logged.load(Ordering::Relaxed);
        if now.saturating_sub(logged) >= LOG_EVERY_SECONDS {
            self.logged.store(now, Ordering::Relaxed);
            tracing::warn!(what, reason, "refused; more of it is only counted for a minute");
        }
    }

    /// A client that has left is harmless; if file handles have run out, some have to be closed first.
    async fn could_not_accept(&self, error: &std::io::Error) {
        use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            self.refused("connections_refused", "cannot_accept");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Why a request is refused before a handler sees it.
    fn unfit(&self, head: &::http::request::Parts) -> Option<(StatusCode, &'static str, String)> {
        let limits = self.options.limits;
        let address = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
        if address > limits.address_bytes {
            let text = format!("The address is longer than {} bytes. Send less in it.\n", limits.address_bytes);
            return Some((StatusCode::URI_TOO_LONG, "address_too_long", text));
        }
        if size(&head.headers) > limits.header_bytes {
            let text = format!("The headers are larger than {} bytes. Send fewer cookies.\n", limits.header_bytes);
            return Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", text));
        }
        None
    }
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// The same for a client that waits until a quiet connection has ended.
async fn connection_later(
    host: Arc<Host>,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: watch::Receiver<bool>,
) {
    let freed = timeout(MAKING_ROOM, host.room()).await;
    let full = Full::Host(host.options.limits.connections);
    let permit = || freed.ok().ok_or(full);
    match host.seat(peer.ip(), permit) {
        Ok(seat) => connection(seat, stream, peer, router, stop).await,
        Err(full) => {
            host.refused("connections_refused", full.reason());
            part(stream, Some(&plain_text(StatusCode::SERVICE_UNAVAILABLE, &full.text()))).await;
        }
    }
}

/// Serves a connection until it ends.
async fn connection(seat: Seat, stream: TcpStream, peer: SocketAddr, router: Router, mut stop: watch::Receiver<bool>) {
    let host = seat.host.clone();
    // This fails only if the client has left.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().map_or(peer.ip(), |local| local.ip()).to_canonical();
    let progress = seat.progress.clone();
    let io = TokioIo::new(Timed::new(stream, progress.clone()));
    let visit = Visit { host: host.clone(), peer: peer.ip(), local, progress: progress.clone() };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| Box::pin(visit.clone().answer(router.clone(), request)));
    let mut served = http1::Builder::new()
        // `Timed` measures the time: the parser's own clock cannot distinguish a head from a quiet connection.
        .header_read_timeout(None)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(io, service);
    let stopped = tokio::select! {
        // An error means that the client left or was late.
        _ = poll_fn(|cx| served.poll_without_shutdown(cx)) => false,
        _ = stop.wait_for(|stop| *stop) => true,
        () = progress.closed() => true,
    };
    if stopped {
        Pin::new(&mut served).graceful_shutdown();
        let end = poll_fn(|cx| served.poll_without_shutdown(cx));
        // A client that has never sent a request would be waited for as long as a slow one.
        let _ = if progress.quiet_since().is_some() { timeout(LAST_CHANCE, end).await.ok() } else { Some(end.await) };
    }
    let stream = served.into_parts().io.into_inner().into_stream();
    // A client that waits for room need not wait for the last words.
    drop(seat);
    let last = progress.late().and_then(|late| host.too_late(late));
    part(stream, last.as_deref()).await;
}

impl Host {
    /// The answer to a client that was too slow, if one can be sent.
    fn too_late(&self, late: Late) -> Option<String> {
        self.refused("requests_refused", late.reason());
        let limit = self.options.limits.head.as_secs_f32();
        let text = format!("The head of the request did not arrive within {limit} s.\n");
        (late == Late::Head).then(|| plain_text(StatusCode::REQUEST_TIMEOUT, &text))
    }
}

/// Sends a last answer and closes a connection so that the client can read it: what it still sends is read for a
/// moment.
async fn part(mut stream: TcpStream, word: Option<&str>) {
    let parting = async {
        if let Some(word) = word {
            stream.write_all(word.as_bytes()).await?;
        }
        stream.shutdown().await?;
        let mut rest = [0; 8 * 1024];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // The client has left, or reads too slowly.
    let _ = timeout(PARTING, parting).await;
}

/// An answer as bytes, for a connection that no parser has read from.
fn plain_text(status: StatusCode, text: &str) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        status.as_u16(),
        text.len()
    )
}

/// The same as a handler's answer: the connection ends with it.
pub fn refusal(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What the requests of one connection share.
#[derive(Clone)]
struct Visit {
    host: Arc<Host>,
    peer: IpAddr,
    local: IpAddr,
    progress: Progress,
}

impl Visit {
    async fn answer(
        self,
        router: TowerToHyperService<Router>,
        request: ::http::Request<Incoming>,
    ) -> Result<::http::Response<Watched>, Infallible> {
        self.progress.answering();
        let (head, body) = request.into_parts();
        let is_probe = PROBES.contains(&head.uri.path());
        let response = match self.host.unfit(&head) {
            Some((status, reason, text)) => {
                self.host.refused("requests_refused", reason);
                refusal(status, text)
            }
            None => self.routed(router, ::http::Request::from_parts(head, Body::new(body))).await,
        };
        if !is_probe {
            self.host.options.counters.count("http_responses", class_of(response.status()));
        }
        Ok(response.map(|body| Watched::new(body, self.progress)))
    }

    /// The answer, unless the client's address has been refused too often.
    async fn routed(&self, router: TowerToHyperService<Router>, request: ::http::Request<Body>) -> Response {
        let client = self.host.options.proxies.client(self.peer, request.headers());
        let counted = self.host.counted(client).filter(|_| refusals::is_counted(request.uri().path()));
        if let Some(wait) = counted.and_then(|network| self.host.budget.wait(network, std::time::Instant::now())) {
            self.host.refused("requests_refused", "refused_too_often");
            return refused_too_often(wait);
        }
        let response = self.handled(client, router, request).await;
        if let Some(network) = counted.filter(|_| response.status().is_client_error()) {
            self.host.budget.spend(network, std::time::Instant::now());
        }
        response
    }

    async fn handled(
        &self,
        client: IpAddr,
        router: TowerToHyperService<Router>,
        mut request: ::http::Request<Body>,
    ) -> Response {
        let limits = self.host.options.limits;
        let extensions = request.extensions_mut();
        extensions.insert(ClientAddress(client));
        extensions.insert(LocalAddress(self.local));
        extensions.insert(BodyDeadline { at: Instant::now() + limits.body, limit: limits.body });
        let answered = AssertUnwindSafe(timeout(limits.answer, router.call(request))).catch_unwind().await;
        match answered {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Err(_) => {
                self.host.options.counters.count("function_failures", "http");
                tracing::error!("a handler fell");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Something failed here. Try again.\n".to_owned())
            }
            Ok(Err(_)) => {
                self.host.refused("requests_refused", "answer_late");
                let text = format!("The answer took longer than {} s. Try again.\n", limits.answer.as_secs());
                refusal(StatusCode::SERVICE_UNAVAILABLE, text)
            }
        }
    }
}

fn refused_too_often(wait: Duration) -> Response {
    let seconds = wait.as_secs().max(1);
    let text = format!("Too many requests from your address were refused. Try again in {seconds} s.\n");
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, text);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The class of a status, as counters name it.
fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        5 => "5xx",
        4 => "4xx",
        3 => "3xx",
        _ => "2xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(limits: HostLimits) -> Arc<Host> {
        let proxies = Proxies::read(&["192.0.2.1".to_owned()]).unwrap();
        Arc::new(Host::new(Options { limits, proxies, ..Options::default() }))
    }

    #[test]
    fn one_address_has_so_many_connections_and_a_proxy_and_this_machine_more() {
        let host = host(HostLimits { connections: 9, connections_per_address: 2, ..HostLimits::default() });
        let admit = |address: &str| host.admit(address.parse().unwrap());
        let first = admit("203.0.113.7").unwrap();
        let _second = admit("::ffff:203.0.113.7").unwrap();
        assert_eq!(admit("203.0.113.7").err(), Some(Full::Address(2)));
        let _other = admit("203.0.113.8").unwrap();
        let _network = (admit("2001:db8::1").unwrap(), admit("2001:db8::2").unwrap());
        assert_eq!(admit("2001:db8::3").err(), Some(Full::Address(2)));
        drop(first);
        let _again = admit("203.0.113.7").unwrap();
        let _many = ["192.0.2.1", "192.0.2.1", "127.0.0.1"].map(|address| admit(address).unwrap());
        assert_eq!(host.by_address().len(), 3);
        let _last = admit("192.0.2.1").unwrap();
        assert_eq!(admit("192.0.2.1").err(), Some(Full::Host(9)));
        assert_eq!(admit("198.51.100.1").err(), Some(Full::Host(9)));
        assert_eq!(host.by_address().len(), 3, "who was refused is not counted");
    }

    #[tokio::test]
    async fn an_address_that_is_refused_too_often_waits_and_others_and_webhooks_do_not() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let refuse = || async { StatusCode::UNAUTHORIZED };
        let fall = || async {
            assert_eq!(1, 2, "a handler that falls");
            StatusCode::OK
        };
        let router = Router::new()
            .route("/api/v1/x", axum::routing::get(refuse))
            .route("/webhooks/slack", axum::routing::get(refuse))
            .route("/falls", axum::routing::get(fall));
        let options = Options { proxies: Proxies::read(&["127.0.0.1".to_owned()]).unwrap(), ..Options::default() };
        let counters = options.counters.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, router, options, stopped));
        let client = reqwest::Client::new();
        let ask = async |path: &str, from: &str| {
            let request = client.get(format!("http://{address}{path}")).header("x-forwarded-for", from);
            request.send().await.unwrap()
        };
        let mut refused = 0;
        while ask("/api/v1/x", "203.0.113.7").await.status() == 401 {
            refused += 1;
            assert!(refused < 500, "it is never too often");
        }
        assert!(refused >= 100, "{refused}");
        let waits = ask("/api/v1/x", "203.0.113.7").await;
        assert_eq!((waits.status().as_u16(), waits.headers().contains_key("retry-after")), (429, true));
        assert_eq!(ask("/api/v1/x", "203.0.113.8").await.status(), 401);
        assert_eq!(ask("/webhooks/slack", "203.0.113.7").await.status(), 401);
        assert!(counters.all()[&("requests_refused", "refused_too_often")] > 0);
        // A handler that falls costs its request.
        assert_eq!(ask("/falls", "203.0.113.8").await.status(), 500);
        assert_eq!(ask("/api/v1/x", "203.0.113.8").await.status(), 401);
        assert_eq!(counters.all()[&("function_failures", "http")], 1);
        assert!(counters.all()[&("http_responses", "5xx")] == 1 && counters.all()[&("http_responses", "4xx")] > 100);
    }
}
