//! The one HTTP client. It follows no redirect (what one means is the caller's to understand), uses no proxy of the
//! environment (a proxy would look names up by itself), and calls only where its [`Network`] allows.

use std::fmt;
use std::io;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Body, RequestBuilder, Response};

use crate::network::{Blocked, Network, Unresolved};

/// Connecting takes longer than this only when it will not succeed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    network: Network,
}

impl Http {
    /// A client for where `network` allows. The provider crates set a limit for each call; `patience` is for those who
    /// want to wait less between two pieces of an answer.
    pub fn new(network: Network, patience: Option<Duration>) -> Result<Self, reqwest::Error> {
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = match patience {
            Some(patience) => reqwest::Client::builder().read_timeout(patience),
            None => reqwest::Client::builder(),
        };
        let client = builder
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(Resolver(network.clone()))
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("Switchboard/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, network })
    }

    /// Where it may call.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// A GET.
    pub fn get(&self, url: impl reqwest::IntoUrl) -> Outgoing {
        self.request(Method::GET, url)
    }

    /// A POST.
    pub fn post(&self, url: impl reqwest::IntoUrl) -> Outgoing {
        self.request(Method::POST, url)
    }

    /// Any request.
    pub fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> Outgoing {
        Outgoing { request: self.client.request(method, url), network: self.network.clone() }
    }
}

/// A request that is being made.
#[derive(Debug)]
#[must_use]
pub struct Outgoing {
    request: RequestBuilder,
    network: Network,
}

impl Outgoing {
    fn with(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self { request: change(self.request), network: self.network }
    }

    /// With a header.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.with(|request| request.header(name, value))
    }

    /// With a body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| request.body(body))
    }

    /// With a limit for the whole, the answer's body included.
    pub fn timeout(self, limit: Duration) -> Self {
        self.with(|request| request.timeout(limit))
    }

    /// With a token.
    pub fn bearer_auth(self, token: impl fmt::Display) -> Self {
        self.with(|request| request.bearer_auth(token))
    }

    /// With a name and a password.
    pub fn basic_auth(self, user: impl fmt::Display, password: Option<impl fmt::Display>) -> Self {
        self.with(|request| request.basic_auth(user, password))
    }

    /// Sends it: first the address is checked, then what its host leads to, then who answered.
    pub async fn send(self) -> Result<Response, SendError> {
        let (client, request) = self.request.build_split();
        let request = request.map_err(|error| SendError::of(&error))?;
        let url = request.url().clone();
        self.network.check(&url)?;
        let response = client.execute(request).await.map_err(|error| SendError::of(&error))?;
        if let Some(peer) = response.remote_addr() {
            self.network.check_peer(&url, peer)?;
        }
        Ok(response)
    }
}

/// Gives a connection only addresses that may be called.
struct Resolver(Network);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let network = self.0.clone();
        Box::pin(async move {
            let found = network.resolve(name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may not be made; nothing was sent.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// No connection was made; the provider saw nothing.
    #[error("{0}")]
    NotConnected(Cause),
    /// The connection broke or timed out after the request may have arrived.
    #[error("{0}")]
    Lost(Cause),
}

impl SendError {
    fn of(error: &reqwest::Error) -> Self {
        match found::<Unresolved>(error) {
            Some(Unresolved::Blocked(blocked)) => Self::Blocked(blocked.clone()),
            Some(Unresolved::NotFound) => Self::NotConnected(Cause::Name),
            None if error.is_connect() || error.is_builder() => Self::NotConnected(Cause::of(error)),
            None => Self::Lost(Cause::of(error)),
        }
    }
}

/// What kind of trouble a connection had. Words of the system, of certificates and addresses are left out: whoever named
/// the host may be a stranger there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The name has no address.
    #[error("the host name was not found")]
    Name,
    /// Nothing came in time.
    #[error("it took too long")]
    Timeout,
    /// Nobody listens there.
    #[error("the connection was refused")]
    Refused,
    /// The certificate is not good.
    #[error(
        "its TLS certificate is not valid: it has to be of a known authority, for this host and not expired; self-signed ones are refused"
    )]
    Certificate,
    /// No TLS.
    #[error("no TLS connection could be made")]
    Tls,
    /// It was closed before the answer was whole.
    #[error("the connection was closed")]
    Closed,
    /// Anything else.
    #[error("the connection failed")]
    Other,
}

impl Cause {
    /// Of an error of the client.
    pub fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        let Some(cause) = found::<io::Error>(error) else { return Self::Other };
        match of_tls(cause) {
            Some(rustls::Error::InvalidCertificate(_)) => return Self::Certificate,
            Some(_) => return Self::Tls,
            None => {}
        }
        match cause.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Other,
        }
    }
}

/// The error of TLS that an error of the system was made of, perhaps more than once.
fn of_tls(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().or_else(|| of_tls(inner.downcast_ref::<io::Error>()?))
}

/// The first error of a type in the chain of causes.
fn found<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers each connection once; how many came.
    async fn server(host: &str) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let (port, came) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let counted = came.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            }
        });
        (port, came)
    }

    async fn get(network: Network, url: String) -> Result<u16, SendError> {
        let answer = Http::new(network, None).unwrap().get(url).send().await;
        answer.map(|response| response.status().as_u16())
    }

    fn looking_up(answers: &[&str]) -> (crate::Lookup, Arc<AtomicUsize>) {
        let answers: Vec<IpAddr> = answers.iter().map(|text| text.parse().unwrap()).collect();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let lookup: crate::Lookup = Arc::new(move |_| {
            let turn = counted.fetch_add(1, Ordering::SeqCst);
            let answer = answers[turn.min(answers.len() - 1)];
            Box::pin(async move { Ok(vec![answer]) })
        });
        (lookup, asked)
    }

    #[tokio::test]
    async fn nothing_is_sent_to_an_address_that_is_not_allowed() {
        let (port, came) = server("127.0.0.2").await;
        for host in ["127.0.0.2", "2130706434", "[::ffff:127.0.0.2]"] {
            let error = get(Network::this_machine(), format!("https://{host}:{port}/")).await.unwrap_err();
            assert!(matches!(error, SendError::Blocked(Blocked::Private { .. })), "{host}: {error}");
        }
        assert_eq!(came.load(Ordering::SeqCst), 0);
        let allowed = Network::allowing([format!("127.0.0.2:{port}")]).unwrap();
        assert_eq!(get(allowed, format!("http://127.0.0.2:{port}/")).await, Ok(200));
    }

    #[tokio::test]
    async fn a_name_is_connected_to_what_was_looked_up_and_checked() {
        let (port, came) = server("127.0.0.2").await;
        let (lookup, asked) = looking_up(&["127.0.0.2"]);
        let error =
            get(Network::default().looking_up(lookup), format!("https://in.example:{port}/")).await.unwrap_err();
        assert!(matches!(error, SendError::Blocked(Blocked::Private { .. })), "{error}");
        assert_eq!((asked.load(Ordering::SeqCst), came.load(Ordering::SeqCst)), (1, 0));
    }

    #[tokio::test]
    async fn a_name_that_changes_its_address_is_checked_again_at_each_connection() {
        let (port, came) = server("127.0.0.3").await;
        let (lookup, asked) = looking_up(&["127.0.0.3", "127.0.0.2"]);
        let network = Network::allowing(["127.0.0.3"]).unwrap().looking_up(lookup);
        let http = Http::new(network, None).unwrap();
        // Not named itself, so by https only; the server speaks none, which is enough to see that it was connected to.
        let first = http.get(format!("https://rebound.example:{port}/")).send().await.unwrap_err();
        assert!(matches!(first, SendError::NotConnected(_)), "{first}");
        let second = http.get(format!("https://rebound.example:{port}/")).send().await.unwrap_err();
        assert!(matches!(second, SendError::Blocked(_)), "{second}");
        assert_eq!((asked.load(Ordering::SeqCst), came.load(Ordering::SeqCst)), (2, 1));
    }

    #[tokio::test]
    async fn an_error_tells_its_kind_and_nothing_of_the_host() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = get(Network::this_machine(), format!("http://127.0.0.1:{port}/x?secret")).await.unwrap_err();
        assert_eq!(error, SendError::NotConnected(Cause::Refused));
        assert_eq!(error.to_string(), "the connection was refused");
        let (port, _) = server("127.0.0.1").await;
        let error = get(Network::this_machine(), format!("https://127.0.0.1:{port}/")).await.unwrap_err();
        assert_eq!(error, SendError::NotConnected(Cause::Tls));
    }
}
