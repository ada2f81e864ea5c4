//! The port through which requests leave: it carries a request to its address and brings the answer back.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use http::header::{CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use url::Url;

use crate::error::{Cause, SendError};
use crate::network::Network;
use crate::retry_after::{date, parse_retry_after};
use crate::seen::SeenAnswer;

/// Carries requests. In production that is the internet; in tests, simulators in the same process.
///
/// Addresses were checked before; a transport that looks host names up uses only addresses that `network` allows. It sends
/// each request once and follows no redirect. [`TimeLimit`] in the request's extensions limits the whole call; [`Peer`] in
/// the answer's says who answered.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends a request. The error says whether it may have arrived.
    async fn send(&self, request: Request<Body>, network: &Network) -> Result<http::Response<Body>, SendError>;
}

/// How long a call may take, the answer's body included; in a request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimit(pub Duration);

/// Who answered, where a connection was made; in an answer's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Bytes that come in pieces.
pub type Pieces = BoxStream<'static, Result<Bytes, io::Error>>;

/// The body of a request or an answer.
pub enum Body {
    /// All of it: JSON, a form.
    Whole(Bytes),
    /// A piece after the other, so that a file is never whole in memory.
    Pieces(Pieces),
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Whole(text.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl From<Pieces> for Body {
    fn from(pieces: Pieces) -> Self {
        Self::Pieces(pieces)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is sent may be a secret.
        match self {
            Self::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Pieces(_) => f.write_str("pieces"),
        }
    }
}

impl Body {
    /// The bytes in pieces.
    pub fn into_pieces(self) -> Pieces {
        match self {
            Self::Whole(bytes) => stream::once(async move { Ok(bytes) }).boxed(),
            Self::Pieces(pieces) => pieces,
        }
    }
}

/// An answer whose body may still be on its way.
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

/// Why an answer could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It broke off.
    Lost(Cause),
    /// It is larger than allowed.
    TooLarge(SeenAnswer),
}

impl Response {
    pub(crate) fn of(response: http::Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, headers: head.headers, body }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// What may be said of it before its body is read.
    pub fn seen(&self) -> SeenAnswer {
        SeenAnswer::new(self.status.as_u16(), self.header(CONTENT_TYPE))
    }

    /// A header's text; empty if there is none.
    pub fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The MIME type, in lower case and without parameters; empty if there is none.
    pub fn mime_type(&self) -> String {
        self.header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// How long the provider asks to wait (`Retry-After`).
    pub fn retry_after(&self) -> Option<Duration> {
        parse_retry_after(self.header(RETRY_AFTER), date(self.header(DATE)))
    }

    /// Where the answer to a request to `url` redirects, if it names that.
    pub fn location(&self, url: &Url) -> Option<Url> {
        Some(self.header(LOCATION)).filter(|location| !location.is_empty()).and_then(|location| url.join(location).ok())
    }

    /// The body as it comes.
    pub fn into_pieces(self) -> Pieces {
        self.body.into_pieces()
    }

    /// The whole body, if it is at most `max` bytes long; and what may be said of it.
    pub async fn read(self, max: usize) -> Result<(SeenAnswer, Bytes), Unread> {
        let (seen, mut pieces, mut read) = (self.seen(), self.into_pieces(), BytesMut::new());
        while let Some(piece) = pieces.next().await {
            read.extend_from_slice(&piece.map_err(|error| Unread::Lost(Cause::of_io(&error)))?);
            if read.len() > max {
                return Err(Unread::TooLarge(seen.with_length(read.len())));
            }
        }
        Ok((seen.with_length(read.len()), read.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(pieces: Vec<Result<Bytes, io::Error>>) -> Response {
        Response::of(http::Response::new(Body::Pieces(stream::iter(pieces).boxed())))
    }

    #[test]
    fn the_head_of_an_answer_says_what_it_holds_how_long_to_wait_and_where_to_go() {
        let head = |headers: &[(HeaderName, &str)]| {
            let mut response = http::Response::new(Body::default());
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            Response::of(response)
        };
        let url = Url::parse("https://acme.example/rest/x").unwrap();
        let full = head(&[(CONTENT_TYPE, "Text/HTML; charset=x"), (RETRY_AFTER, " 17 "), (LOCATION, "/y")]);
        assert_eq!((full.mime_type().as_str(), full.retry_after()), ("text/html", Some(Duration::from_secs(17))));
        assert_eq!(full.location(&url).unwrap().as_str(), "https://acme.example/y");
        let moments = [(RETRY_AFTER, "Sat, 21 Nov 2026 12:00:17 GMT"), (DATE, "Sat, 21 Nov 2026 12:00:00 GMT")];
        assert_eq!(head(&moments).retry_after(), Some(Duration::from_secs(17)));
        let empty = head(&[(RETRY_AFTER, "soon")]);
        assert_eq!((empty.mime_type().as_str(), empty.retry_after(), empty.location(&url)), ("", None, None));
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_end_or_to_its_limit() {
        let pieces = || vec![Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"cd"))];
        assert_eq!(response(pieces()).read(4).await.unwrap().1, "abcd");
        assert!(
            matches!(response(pieces()).read(3).await, Err(Unread::TooLarge(seen)) if seen.to_string().contains("4 bytes"))
        );
        let broken = vec![Ok(Bytes::from_static(b"ab")), Err(io::Error::other(Cause::Timeout))];
        assert_eq!(response(broken).read(4).await, Err(Unread::Lost(Cause::Timeout)));
    }
}
