//! The address under which providers and browsers reach the deployed API: on AWS a domain of its own, here a port that is
//! known before the stack is.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use reqwest::redirect::Policy;
use simulators::http::{HangUp, HttpAnswer, Server, answer};

/// A running gateway; it stops when dropped.
pub(crate) struct Gateway {
    server: Server,
    target: Arc<OnceLock<Target>>,
}

struct Target {
    /// The emulator's address.
    url: String,
    /// By this name the emulator knows the API.
    host: HeaderValue,
}

impl Gateway {
    /// Starts one that leads nowhere yet.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let target = Arc::<OnceLock<Target>>::default();
        let (known, http) = (target.clone(), reqwest::Client::builder().redirect(Policy::none()).build()?);
        let server = Server::start(0, move |request| {
            let (known, http) = (known.clone(), http.clone());
            async move {
                match known.get() {
                    Some(target) => pass_on(target, &http, request).await,
                    None => Ok(answer(404, &serde_json::json!({"message": "Not Found"}))),
                }
            }
        })
        .await?;
        Ok(Self { server, target })
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Leads to the API with this id in the emulator at this port.
    pub(crate) fn lead_to(&self, api: &str, port: u16) -> anyhow::Result<()> {
        let host = HeaderValue::try_from(format!("{api}.execute-api.localhost:{port}"))?;
        let _ = self.target.set(Target { url: format!("http://127.0.0.1:{port}"), host });
        Ok(())
    }
}

async fn pass_on(target: &Target, http: &reqwest::Client, request: Request<Bytes>) -> HttpAnswer {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", target.url);
    head.headers.insert(header::HOST, target.host.clone());
    let sent =
        http.request(head.method, url).headers(head.headers).body(body).send().await.map_err(|_| HangUp::Breaks)?;
    let (status, headers) = (sent.status(), sent.headers().clone());
    let mut response = Response::new(sent.bytes().await.map_err(|_| HangUp::Breaks)?);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    // This server frames the body by itself.
    for framing in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::CONNECTION] {
        response.headers_mut().remove(framing);
    }
    Ok(response)
}
