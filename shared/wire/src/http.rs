//! The one HTTP client. It calls only where its [`Network`] allows, whatever carries the request, and follows no
//! redirect: each caller decides what one means.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::app_keys::AppKeys;
use crate::error::{Cause, SendError};
use crate::internet::Internet;
use crate::limit::CallLimit;
use crate::network::Network;
use crate::transport::{Body, Peer, Response, TimeLimit, Transport};

/// How we name ourselves.
const PRODUCT: &str = concat!("Switchboard/", env!("CARGO_PKG_VERSION"));

/// Makes requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Http {
    transport: Arc<dyn Transport>,
    network: Network,
    limit: CallLimit,
}

impl Http {
    /// A client for where `network` allows. The provider crates set a limit for each call; `patience` is for those who
    /// want to wait less between two pieces of an answer.
    pub fn new(network: Network, patience: Option<Duration>) -> Result<Self, reqwest::Error> {
        Ok(Self::over(Arc::new(Internet::new(&network, patience)?), network))
    }

    /// The same over another transport.
    pub fn over(transport: Arc<dyn Transport>, network: Network) -> Self {
        Self { transport, network, limit: CallLimit::default() }
    }

    /// The same client, whose calls also keep to `limit`.
    #[must_use]
    pub fn within(self, limit: CallLimit) -> Self {
        Self { limit, ..self }
    }

    /// Where it may call.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// A GET.
    pub fn get(&self, url: impl AsRef<str>) -> OutgoingRequest {
        self.request(Method::GET, url)
    }

    /// A POST.
    pub fn post(&self, url: impl AsRef<str>) -> OutgoingRequest {
        self.request(Method::POST, url)
    }

    /// Any request.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> OutgoingRequest {
        let made = Url::parse(url.as_ref()).ok().and_then(|url| {
            // A fragment is not sent.
            let request = Request::builder().method(method).uri(url.as_str()).header(USER_AGENT, PRODUCT);
            Some((url, request.body(Body::default()).ok()?))
        });
        OutgoingRequest { made, http: self.clone() }
    }
}

/// A request that is being made.
#[derive(Debug)]
#[must_use]
pub struct OutgoingRequest {
    /// Nothing where the address or a header cannot be sent.
    made: Option<(Url, Request<Body>)>,
    http: Http,
}

impl OutgoingRequest {
    fn with(mut self, change: impl FnOnce(&mut Request<Body>)) -> Self {
        if let Some((_, request)) = &mut self.made {
            change(request);
        }
        self
    }

    /// With a header.
    pub fn header<K, V>(mut self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        HeaderValue: TryFrom<V>,
    {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => self.with(|request| {
                request.headers_mut().insert(name, value);
            }),
            _ => {
                self.made = None;
                self
            }
        }
    }

    /// With a body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| *request.body_mut() = body.into())
    }

    /// With a JSON body.
    pub fn json(self, value: &Value) -> Self {
        self.header(CONTENT_TYPE, "application/json").body(value.to_string())
    }

    /// With a form as the body.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
    }

    /// With a limit for the whole, the answer's body included.
    pub fn timeout(self, limit: Duration) -> Self {
        let limit = self.http.limit.shorten(limit);
        self.with(|request| {
            request.extensions_mut().insert(TimeLimit(limit));
        })
    }

    /// With a token.
    pub fn bearer_auth(self, token: &SecretString) -> Self {
        self.authorized(format!("Bearer {}", token.expose_secret()))
    }

    /// With the keys of an application.
    pub fn app_auth(self, app: &AppKeys) -> Self {
        let pair = format!("{}:{}", app.client_id, app.client_secret.expose_secret());
        self.authorized(format!("Basic {}", STANDARD.encode(pair)))
    }

    fn authorized(mut self, credentials: String) -> Self {
        let Ok(mut value) = HeaderValue::try_from(credentials) else {
            self.made = None;
            return self;
        };
        value.set_sensitive(true);
        self.header(AUTHORIZATION, value)
    }

    /// Sends it: first the address is checked, then what its host leads to, then who answered.
    pub async fn send(self) -> Result<Response, SendError> {
        let Self { made, http: Http { transport, network, limit } } = self;
        let (url, request) = made.ok_or(SendError::NotConnected(Cause::Other))?;
        network.check(&url)?;
        let response = tokio::select! {
            biased;
            response = transport.send(request, &network) => response?,
            () = limit.given_up() => return Err(SendError::Lost(Cause::Timeout)),
        };
        if let Some(Peer(peer)) = response.extensions().get() {
            network.check_peer(&url, *peer)?;
        }
        Ok(Response::of(response))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::network::Blocked;

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
