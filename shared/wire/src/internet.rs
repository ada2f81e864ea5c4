//! The transport of production: reqwest. It uses no proxy of the environment (a proxy would resolve names by itself)
//! and connects only to addresses that were checked.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use http::Request;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::error::{Cause, SendError};
use crate::network::Network;
use crate::transport::{Body, Peer, TimeLimit, Transport};

/// Connecting takes longer than this only when it will not succeed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to where a network allows.
#[derive(Debug)]
pub(crate) struct Internet(reqwest::Client);

impl Internet {
    pub(crate) fn new(network: &Network, patience: Option<Duration>) -> Result<Self, reqwest::Error> {
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
            .build()?;
        Ok(Self(client))
    }
}

#[async_trait]
impl Transport for Internet {
    async fn send(&self, request: Request<Body>, _: &Network) -> Result<http::Response<Body>, SendError> {
        let limit = request.extensions().get::<TimeLimit>().copied();
        let mut request = reqwest::Request::try_from(request.map(sent)).map_err(|error| SendError::of(&error))?;
        *request.timeout_mut() = limit.map(|TimeLimit(limit)| limit);
        let response = self.0.execute(request).await.map_err(|error| SendError::of(&error))?;
        let peer = response.remote_addr();
        let (mut head, body) = http::Response::from(response).into_parts();
        if let Some(peer) = peer {
            head.extensions.insert(Peer(peer));
        }
        let pieces = http_body_util::BodyDataStream::new(body);
        let pieces = pieces.map(|piece| piece.map_err(|error| io::Error::other(Cause::of(&error)))).boxed();
        Ok(http::Response::from_parts(head, Body::Pieces(pieces)))
    }
}

fn sent(body: Body) -> reqwest::Body {
    match body {
        Body::Whole(bytes) => bytes.into(),
        Body::Pieces(pieces) => reqwest::Body::wrap_stream(pieces),
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
