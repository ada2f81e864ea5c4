//! Why a request has no answer.

use std::io;

use crate::network::{Blocked, Unresolved};

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
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        match found::<Unresolved>(error) {
            Some(unresolved) => unresolved.clone().into(),
            None if error.is_connect() || error.is_builder() => Self::NotConnected(Cause::of(error)),
            None => Self::Lost(Cause::of(error)),
        }
    }
}

impl From<Unresolved> for SendError {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::Blocked(blocked) => Self::Blocked(blocked),
            Unresolved::NotFound => Self::NotConnected(Cause::Name),
        }
    }
}

/// What went wrong with a connection. Words of the system, of certificates and addresses are left out: the person who
/// named the host may be a stranger there.
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
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        found::<io::Error>(error).map_or(Self::Other, Self::of_io)
    }

    /// Of an error of the system, or of a piece of an answer.
    pub(crate) fn of_io(cause: &io::Error) -> Self {
        if let Some(own) = cause.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return *own;
        }
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
