//! Requests to servers of this process, without sockets.
//!
//! A server is known by the address at which it also listens, so a URL means the same both ways. Addresses are unique
//! within a process: stories that run in parallel do not meet.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};
use url::{Host, Url};
use wire::{Body, Cause, Network, Peer, SendError, TimeLimit, Transport};

use crate::http::{HangUp, HttpAnswer};

/// How long a provider waits for a handler's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What answers the requests of a server.
pub type DirectHandler = Arc<dyn Fn(Request<Bytes>) -> BoxFuture<'static, HttpAnswer> + Send + Sync>;

/// Servers by their address: whether they speak https, and what answers.
type ListedServers = BTreeMap<SocketAddr, (bool, DirectHandler)>;

static SERVERS: Mutex<ListedServers> = Mutex::new(BTreeMap::new());

thread_local! {
    /// The servers of a thread that has its own.
    static OWN_SERVERS: RefCell<Option<OwnServers>> = const { RefCell::new(None) };
}

struct OwnServers {
    listed: ListedServers,
    next_port: u16,
}

/// Servers that this thread starts listen on no socket until this is dropped: they answer in process only, at addresses
/// that count up, and no other thread sees them. Two runs then have the same addresses.
#[derive(Debug)]
pub struct Isolated(PhantomData<*const ()>);

/// Isolates this thread: run everything on a runtime of the current thread alone.
#[must_use = "the thread is isolated for as long as this lives"]
pub fn isolate() -> Isolated {
    OWN_SERVERS.set(Some(OwnServers { listed: BTreeMap::new(), next_port: 20_001 }));
    Isolated(PhantomData)
}

impl Drop for Isolated {
    fn drop(&mut self) {
        let own = OWN_SERVERS.take();
        // Only now: a handler may hold the last of another server.
        drop(own);
    }
}

/// The next address of this thread's own servers, if it has any.
pub fn next_address() -> Option<SocketAddr> {
    OWN_SERVERS.with_borrow_mut(|own| {
        let own = own.as_mut()?;
        own.next_port += 1;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, own.next_port - 1)))
    })
}

fn with_servers<T>(work: impl FnOnce(&mut ListedServers) -> T) -> T {
    OWN_SERVERS.with_borrow_mut(|own| match own {
        Some(own) => work(&mut own.listed),
        None => work(&mut SERVERS.lock().unwrap_or_else(PoisonError::into_inner)),
    })
}

/// A server that can be reached without sockets until this is dropped.
#[derive(Debug)]
pub struct ListedServer(SocketAddr);

impl ListedServer {
    /// Lets `handler` answer what is sent to `address`, by https if `is_secure`.
    pub fn new(address: SocketAddr, is_secure: bool, handler: DirectHandler) -> Self {
        let replaced = with_servers(|servers| servers.insert(address, (is_secure, handler)));
        drop(replaced);
        Self(address)
    }
}

impl Drop for ListedServer {
    fn drop(&mut self) {
        let removed = with_servers(|servers| servers.remove(&self.0));
        // Only now, without the lock: a handler may hold the last of another server.
        drop(removed);
    }
}

/// The transport of stories: it reaches the servers of this process, and nothing else.
#[derive(Debug)]
pub struct Direct {
    patience: Duration,
}

impl Direct {
    /// A transport on which a call takes at most `patience` of real time.
    pub fn new(patience: Duration) -> Self {
        Self { patience }
    }
}

#[async_trait]
impl Transport for Direct {
    async fn send(&self, request: Request<Body>, network: &Network) -> Result<Response<Body>, SendError> {
        let limit = request.extensions().get().map_or(self.patience, |TimeLimit(limit)| self.patience.min(*limit));
        let call = call(request, network);
        tokio::time::timeout(limit, call).await.unwrap_or(Err(SendError::Lost(Cause::Timeout)))
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
    with_servers(|servers| match servers.get(&address) {
        None => Err(SendError::NotConnected(Cause::Refused)),
        Some((is_secure, _)) if *is_secure != (url.scheme() == "https") => Err(SendError::NotConnected(Cause::Tls)),
        Some((_, handler)) => Ok(handler.clone()),
    })
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

/// Sends requests as a provider does: to the servers of this process directly, to others over the network.
#[derive(Debug, Default)]
pub(crate) struct Courier(OnceLock<reqwest::Client>);

impl Courier {
    /// Posts a body; the answer's status and body, or nothing if none came.
    pub(crate) async fn post(&self, url: &str, headers: &[(&str, &str)], body: String) -> Option<(u16, Bytes)> {
        match listed(url) {
            Some((url, handler)) => post_directly(&url, handler, headers, body).await,
            None => self.post_over_the_network(url, headers, body).await,
        }
    }

    async fn post_over_the_network(&self, url: &str, headers: &[(&str, &str)], body: String) -> Option<(u16, Bytes)> {
        let client = self.0.get_or_init(|| reqwest::Client::builder().timeout(PATIENCE).build().unwrap_or_default());
        let request = headers.iter().fold(client.post(url), |request, (name, value)| request.header(*name, *value));
        let response = request.body(body).send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.bytes().await.ok()?))
    }
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

async fn post_directly(
    url: &Url,
    handler: DirectHandler,
    headers: &[(&str, &str)],
    body: String,
) -> Option<(u16, Bytes)> {
    let request =
        headers.iter().fold(Request::post(url.as_str()), |request, (name, value)| request.header(*name, *value));
    let request = arriving(url, request.body(Bytes::from(body)).ok()?);
    let answer = tokio::time::timeout(PATIENCE, handler(request)).await.ok()?.ok()?;
    Some((answer.status().as_u16(), answer.into_body()))
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
