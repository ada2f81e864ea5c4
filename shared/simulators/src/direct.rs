//! Requests to servers of this process, without sockets.
//!
//! A server is known by the address at which it also listens, so a URL means the same both ways. Addresses are unique
//! within a process: stories that run in parallel do not meet. [`isolate`] goes further: servers that are started on a
//! thread then have no sockets at all, and the same addresses in each run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::{BoxFuture, Either, select};
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use runtime::clock::Clock;
use url::{Host, Url};
use wire::{Body, Cause, Network, Peer, SendError, TimeLimit, Transport};

use crate::http::{HangUp, HttpAnswer};

/// How long a provider waits in real time for an answer where its clock does not move.
const REAL_PATIENCE: Duration = Duration::from_secs(10);
/// The longest, in real time, that a request over the network is on its way.
const MAX_ARRIVAL: Duration = Duration::from_secs(60);
/// How often it looks at the clock meanwhile.
const LOOK_AT_CLOCK: Duration = Duration::from_millis(50);
/// The port of the first server of an isolated thread.
const FIRST_PORT: u16 = 20_001;

/// What answers the requests of a server.
pub type DirectHandler = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, HttpAnswer> + Send + Sync>;

/// Servers by their addresses, and whether they speak https.
#[derive(Default)]
struct ServerDirectory {
    servers: BTreeMap<SocketAddr, (bool, DirectHandler)>,
    given: u16,
}

type SharedServers = Arc<Mutex<ServerDirectory>>;

static OF_PROCESS: OnceLock<SharedServers> = OnceLock::new();

thread_local! {
    static OF_THREAD: RefCell<Option<SharedServers>> = const { RefCell::new(None) };
}

/// The servers that this thread reaches.
fn directory() -> SharedServers {
    let own = OF_THREAD.with_borrow(Clone::clone);
    own.unwrap_or_else(|| OF_PROCESS.get_or_init(SharedServers::default).clone())
}

fn locked(directory: &SharedServers) -> MutexGuard<'_, ServerDirectory> {
    directory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, this thread is isolated: see [`isolate`].
#[derive(Debug)]
pub struct Isolated {
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

/// Isolates this thread, for histories that repeat to the last byte.
///
/// The servers that it starts open no sockets. Their addresses are 127.0.0.1:20001, 20002 and so on, in the order in
/// which they start, and only this thread reaches them and they only each other. What simulators wait for, they wait for
/// by the clock that they were given: it must let a sleeper wait until its time has come, as
/// [`runtime::ManualClock::automatic`] does not.
#[must_use = "the thread is isolated for as long as this lives"]
pub fn isolate() -> Isolated {
    OF_THREAD.set(Some(SharedServers::default()));
    Isolated { _thread: PhantomData }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        OF_THREAD.set(None);
    }
}

fn is_isolated() -> bool {
    OF_THREAD.with_borrow(Option::is_some)
}

/// An address for a server on an isolated thread; `None` on others, where the system gives one.
pub fn next_address() -> Option<SocketAddr> {
    let own = OF_THREAD.with_borrow(Clone::clone)?;
    let mut directory = locked(&own);
    directory.given += 1;
    Some((Ipv4Addr::LOCALHOST, FIRST_PORT - 1 + directory.given).into())
}

/// A server that can be reached without sockets until this is dropped.
pub struct ListedServer {
    address: SocketAddr,
    directory: SharedServers,
}

impl std::fmt::Debug for ListedServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ListedServer").field(&self.address).finish()
    }
}

impl ListedServer {
    /// Lets `handler` answer what is sent to `address`, by https if `is_secure`.
    pub fn new(address: SocketAddr, is_secure: bool, handler: DirectHandler) -> Self {
        let directory = directory();
        let replaced = locked(&directory).servers.insert(address, (is_secure, handler));
        drop(replaced);
        Self { address, directory }
    }
}

impl Drop for ListedServer {
    fn drop(&mut self) {
        let removed = locked(&self.directory).servers.remove(&self.address);
        // Only now, without the lock: a handler may hold the last of another server.
        drop(removed);
    }
}

/// The transport of stories: it reaches the servers of this process, and nothing else.
pub struct Direct {
    patience: Duration,
    clock: Option<Arc<dyn Clock>>,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Direct").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Direct {
    /// A transport on which a call takes at most `patience` of real time, and a server that never answers none.
    pub fn new(patience: Duration) -> Self {
        Self { patience, clock: None }
    }

    /// A transport on which a call takes at most `patience` by a clock on which sleepers wait, and a server that never
    /// answers takes all of it.
    pub fn by(clock: Arc<dyn Clock>, patience: Duration) -> Self {
        Self { patience, clock: Some(clock) }
    }
}

#[async_trait]
impl Transport for Direct {
    async fn send(&self, request: Request<Body>, network: &Network) -> Result<Response<Body>, SendError> {
        let limit = request.extensions().get().map_or(self.patience, |TimeLimit(limit)| self.patience.min(*limit));
        let call = call(request, network);
        let too_late = Err(SendError::Lost(Cause::Timeout));
        let Some(clock) = &self.clock else { return tokio::time::timeout(limit, call).await.unwrap_or(too_late) };
        match select(pin!(call), clock.sleep(limit)).await {
            Either::Left((Err(SendError::Lost(Cause::Timeout)), the_rest)) => {
                the_rest.await;
                too_late
            }
            Either::Left((answer, _)) => answer,
            Either::Right(_) => too_late,
        }
    }
}

async fn call(request: Request<Body>, network: &Network) -> Result<Response<Body>, SendError> {
    let url = Url::parse(&request.uri().to_string()).map_err(|_| SendError::NotConnected(Cause::Other))?;
    let address = address_of(&url, network).await?;
    let handler = handler_at(address, &url)?;
    let (head, body) = request.into_parts();
    let body = whole(body, head.headers.get(CONTENT_LENGTH)).await?;
    let answer = handler(arriving(&url, Request::from_parts(head, body))).await.map_err(|hang_up| {
        SendError::Lost(match hang_up {
            HangUp::Breaks => Cause::Closed,
            HangUp::Silence => Cause::Timeout,
        })
    })?;
    let mut answer = leaving(answer).map(Body::Whole);
    answer.extensions_mut().insert(Peer(address));
    Ok(answer)
}

/// What a URL's host leads to.
async fn address_of(url: &Url, network: &Network) -> Result<SocketAddr, SendError> {
    let nowhere = || SendError::NotConnected(Cause::Name);
    let port = url.port_or_known_default().unwrap_or_default();
    let ip = match url.host().ok_or_else(nowhere)? {
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.to_canonical(),
        Host::Domain(name) => network.resolve(name).await?.first().ok_or_else(nowhere)?.ip(),
    };
    Ok(SocketAddr::new(ip, port))
}

fn handler_at(address: SocketAddr, url: &Url) -> Result<DirectHandler, SendError> {
    match locked(&directory()).servers.get(&address) {
        None => Err(SendError::NotConnected(Cause::Refused)),
        Some((is_secure, _)) if *is_secure != (url.scheme() == "https") => Err(SendError::NotConnected(Cause::Tls)),
        Some((_, handler)) => Ok(handler.clone()),
    }
}

/// The whole body, if it is as long as was said: a connection with another length breaks.
async fn whole(body: Body, said: Option<&HeaderValue>) -> Result<Bytes, SendError> {
    let broken = || SendError::Lost(Cause::Other);
    let (mut pieces, mut whole) = (body.into_pieces(), BytesMut::new());
    while let Some(piece) = pieces.next().await {
        whole.extend_from_slice(&piece.map_err(|_| broken())?);
    }
    let fits = said.is_none_or(|said| said.as_bytes() == whole.len().to_string().as_bytes());
    if fits { Ok(whole.freeze()) } else { Err(broken()) }
}

/// A request as it arrives over a connection.
fn arriving(url: &Url, mut request: Request<Bytes>) -> Request<Bytes> {
    let host = url.host_str().unwrap_or_default();
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if let Ok(authority) = HeaderValue::try_from(authority) {
        request.headers_mut().insert(HOST, authority);
    }
    let length = request.body().len();
    if length > 0 {
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    request
}

/// An answer as it comes over a connection.
fn leaving(mut answer: Response<Bytes>) -> Response<Bytes> {
    let length = answer.body().len();
    answer.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    answer
}

/// What a provider makes of a request that it sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: HeaderMap,
        body: Bytes,
    },
    /// It has stopped waiting. The request may still be worked.
    Late,
    /// Nobody was there, or the connection broke.
    NotConnected,
}

/// A request that a provider sends.
pub(crate) struct Outgoing<'a> {
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: String,
    /// How long it waits for the answer, by its clock.
    pub(crate) patience: Duration,
}

/// Sends requests as a provider does: to the servers of this process directly, to others over the network.
#[derive(Debug, Default)]
pub(crate) struct Courier {
    client: OnceLock<reqwest::Client>,
    arriving: Arc<AtomicU64>,
}

/// A request over the network that has no answer yet.
struct Arriving(Arc<AtomicU64>);

impl Arriving {
    fn counted_in(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Courier {
    /// Requests over the network that have no answer yet, whether or not their sender still waits for it.
    pub(crate) fn arriving(&self) -> u64 {
        self.arriving.load(Ordering::SeqCst)
    }

    /// Posts a body.
    pub(crate) async fn post(&self, clock: &dyn Clock, request: Outgoing<'_>) -> Reply {
        let patience = request.patience;
        let arrived = match listed(request.url) {
            Some((url, handler)) => in_time(clock, patience, post_directly(&url, handler, request)).await,
            None if is_isolated() => Some(None),
            None => in_time(clock, patience, self.post_over_the_network(request)).await,
        };
        match arrived {
            None => Reply::Late,
            Some(None) => Reply::NotConnected,
            Some(Some(answer)) => {
                let (head, body) = answer.into_parts();
                Reply::Answer { status: head.status.as_u16(), headers: head.headers, body }
            }
        }
    }

    async fn post_over_the_network(&self, request: Outgoing<'_>) -> Option<Response<Bytes>> {
        let post = self.client.get_or_init(reqwest::Client::default).post(request.url).timeout(MAX_ARRIVAL);
        let post = request.headers.iter().fold(post, |post, (name, value)| post.header(*name, *value));
        let post = post.body(request.body);
        // What is sent arrives although the sender has stopped waiting, as it does without sockets.
        let counted = Arriving::counted_in(&self.arriving);
        let arriving = tokio::spawn(async move {
            let _counted = counted;
            let response = post.send().await.ok()?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut answer = Response::new(response.bytes().await.ok()?);
            (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
            Some(answer)
        });
        arriving.await.ok().flatten()
    }
}

/// An answer, if it comes before the patience is at its end. By the clock alone on an isolated thread; elsewhere the
/// clock may be one that never moves, or one that a sleeper moves, so that it is looked at now and then.
async fn in_time<T>(clock: &dyn Clock, patience: Duration, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    if is_isolated() {
        return match select(answer, clock.sleep(patience)).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => None,
        };
    }
    let began = clock.now();
    let is_late = || Duration::try_from(clock.now().duration_since(began)).is_ok_and(|passed| passed > patience);
    for _ in 0..REAL_PATIENCE.as_millis() / LOOK_AT_CLOCK.as_millis() {
        match tokio::time::timeout(LOOK_AT_CLOCK, &mut answer).await {
            Ok(answer) => return (!is_late()).then_some(answer),
            Err(_) if is_late() => return None,
            Err(_) => {}
        }
    }
    None
}

fn listed(url: &str) -> Option<(Url, DirectHandler)> {
    let url = Url::parse(url).ok()?;
    let ip = match url.host()? {
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
        Host::Domain(_) => return None,
    };
    let handler = handler_at(SocketAddr::new(ip, url.port_or_known_default()?), &url).ok()?;
    Some((url, handler))
}

async fn post_directly(url: &Url, handler: DirectHandler, sent: Outgoing<'_>) -> Option<Response<Bytes>> {
    let request =
        sent.headers.iter().fold(Request::post(url.as_str()), |request, (name, value)| request.header(*name, *value));
    let request = arriving(url, request.body(Bytes::from(sent.body)).ok()?);
    // A server goes on with its work when the caller has stopped waiting.
    match tokio::spawn(handler(request)).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(HangUp::Silence)) => std::future::pending().await,
        Ok(Err(HangUp::Breaks)) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::IpAddr;

    use wire::{Blocked, Http};

    use super::*;
    use crate::http::{Server, answer};

    async fn server() -> Server {
        Server::start(0, |request: Request<Bytes>| async move {
            let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            match request.uri().path() {
                "/breaks" => Err(HangUp::Breaks),
                "/silence" => Err(HangUp::Silence),
                "/late" => std::future::pending().await,
                path => Ok(answer(
                    200,
                    &serde_json::json!({
                        "path": path, "query": request.uri().query(), "host": header("host"), "length": header("content-length"),
                        "body": String::from_utf8_lossy(request.body()),
                    }),
                )),
            }
        })
        .await
        .unwrap()
    }

    fn http(network: Network) -> Http {
        Http::over(Arc::new(Direct::new(Duration::from_millis(50))), network)
    }

    /// What a server saw and how it answered, over both ways.
    async fn both(url: &str, body: &str) -> [(u16, serde_json::Value, Option<HeaderValue>); 2] {
        let network = Network::this_machine();
        let ways = [http(network.clone()), Http::new(network, None).unwrap()];
        let mut seen = Vec::new();
        for way in ways {
            let response = way.post(url).body(body.to_owned()).send().await.unwrap();
            let (status, length) = (response.status().as_u16(), response.headers().get(CONTENT_LENGTH).cloned());
            let (_, body) = response.read(10_000).await.unwrap();
            seen.push((status, serde_json::from_slice(&body).unwrap(), length));
        }
        seen.try_into().unwrap()
    }

    #[tokio::test]
    async fn a_request_arrives_as_over_a_socket_and_so_does_its_answer() {
        let server = server().await;
        for url in ["/", "/a/b?c=d%20e&f", "/x#fragment"] {
            let [direct, socket] = both(&format!("{}{url}", server.url()), "text").await;
            assert_eq!(direct, socket);
        }
    }

    async fn error(network: Network, url: &str) -> SendError {
        http(network).get(url).send().await.unwrap_err()
    }

    #[tokio::test]
    async fn what_goes_wrong_has_the_same_names() {
        let server = server().await;
        let own = Network::this_machine;
        let at = |path: &str| format!("{}{path}", server.url());
        assert_eq!(error(own(), &at("/breaks")).await, SendError::Lost(Cause::Closed));
        assert_eq!(error(own(), &at("/silence")).await, SendError::Lost(Cause::Timeout));
        assert_eq!(error(own(), &at("/late")).await, SendError::Lost(Cause::Timeout));
        let secure = at("/").replace("http://", "https://");
        assert_eq!(error(own(), &secure).await, SendError::NotConnected(Cause::Tls));
        let cut = http(own()).post(at("/")).header(CONTENT_LENGTH, 5).body("four".to_owned()).send().await;
        assert_eq!(cut.unwrap_err(), SendError::Lost(Cause::Other));
        let url = at("/");
        drop(server);
        assert_eq!(error(own(), &url).await, SendError::NotConnected(Cause::Refused));
    }

    #[tokio::test]
    async fn an_isolated_thread_has_no_sockets_and_the_same_addresses_each_time() {
        let outside = server().await;
        for _ in 0..2 {
            let isolated = isolate();
            let (first, second) = (server().await, server().await);
            assert_eq!(
                (first.url().as_str(), second.url().as_str()),
                ("http://127.0.0.1:20001", "http://127.0.0.1:20002")
            );
            assert_eq!(next_address(), Some(([127, 0, 0, 1], 20_003).into()));
            let reached = http(Network::this_machine()).post(format!("{}/", first.url())).send().await.unwrap();
            assert_eq!(reached.status().as_u16(), 200);
            let refused = SendError::NotConnected(Cause::Refused);
            assert_eq!(error(Network::this_machine(), &format!("{}/", outside.url())).await, refused);
            let sent = |url: String| async move {
                let clock = runtime::SystemClock;
                let outgoing = Outgoing { url: &url, headers: &[], body: String::new(), patience: REAL_PATIENCE };
                Courier::default().post(&clock, outgoing).await
            };
            assert!(matches!(sent(first.url()).await, Reply::Answer { status: 200, .. }));
            assert_eq!(sent(outside.url()).await, Reply::NotConnected);
            drop(isolated);
            assert_eq!(error(Network::this_machine(), &format!("{}/", first.url())).await, refused);
        }
        assert_eq!(next_address(), None);
        assert!(tokio::net::TcpStream::connect("127.0.0.1:20001").await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_never_answers_costs_all_the_patience_by_the_clock() {
        let time = crate::testing::VirtualTime::start();
        let server = server().await;
        let direct = Arc::new(Direct::by(time.clock.clone(), Duration::from_secs(60)));
        let http = Http::over(direct, Network::this_machine());
        for path in ["/silence", "/late"] {
            let began = time.seconds();
            let asked = http.get(format!("{}{path}", server.url()));
            let asked = async { (asked.send().await.unwrap_err(), time.seconds() - began) };
            let (answer, ()) = tokio::join!(asked, time.pass(61));
            assert_eq!(answer, (SendError::Lost(Cause::Timeout), 60), "{path}");
        }
    }

    #[tokio::test]
    async fn a_server_that_holds_the_last_of_another_can_stop() {
        let inner = Arc::new(server().await);
        let held = inner.clone();
        let outer = Server::start(0, move |_| {
            let held = held.clone();
            async move { Ok(answer(200, &held.url().into())) }
        });
        let outer = outer.await.unwrap();
        drop(inner);
        drop(outer);
    }

    #[tokio::test]
    async fn addresses_are_checked_as_on_the_internet() {
        let server = server().await;
        let private = |error: &SendError| matches!(error, SendError::Blocked(Blocked::Private { .. }));
        assert!(private(&error(Network::default(), &server.url().replace("http:", "https:")).await));
        // A name that leads there is refused as well, when it is looked up.
        let leads_here =
            Network::default().looking_up(Arc::new(|_| Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })));
        let named = format!("https://portal.example:{}/", server.address.port());
        assert!(private(&error(leads_here, &named).await));
        let nowhere = Network::default().looking_up(Arc::new(|_| Box::pin(async { Ok(Vec::new()) })));
        assert_eq!(error(nowhere, &named).await, SendError::NotConnected(Cause::Name));
    }
}
