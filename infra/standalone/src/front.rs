//! What an address answers from the first moment, before the host behind it is open.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{health, probes};

/// How long a request waits for a host that starts. A provider that sends only once is better served late than refused.
const MAX_START: Duration = Duration::from_secs(2);

/// The router of an address, once it is there.
#[derive(Debug)]
pub struct Front(watch::Sender<Option<Router>>);

impl Default for Front {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Front {
    /// Answers at once that the host is alive, everything else when it is open.
    pub fn router(&self) -> Router {
        Router::new().route(probes::LIVE, get(health::alive)).fallback(answer).with_state(self.0.subscribe())
    }

    /// From now on, `router` answers.
    pub fn open(&self, router: Router) {
        self.0.send_replace(Some(router));
    }
}

async fn answer(State(mut opened): State<watch::Receiver<Option<Router>>>, request: Request) -> Response {
    let router = match timeout(MAX_START, opened.wait_for(Option::is_some)).await {
        Ok(Ok(router)) => router.clone(),
        // It takes longer, or the host could not be opened and ends.
        Ok(Err(_)) | Err(_) => None,
    };
    match router {
        Some(router) => TowerToHyperService::new(router).call(request).await.into_response(),
        None => health::starting(),
    }
}
