//! Renews a pair of tokens when a worker finds one about to end, and only then. It may read the keys of our
//! applications, which workers may not. A request names a tenant and a slot; the answer says whether a new pair is in
//! the store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clients::{Connections, RenewalAnswer, RenewalRequest};
use runtime::Backend;
use runtime::invoke::{Invoke, InvokeError};
use runtime::metrics::Metrics;

/// How long a provider can take to answer: less than the function's time-out, which is less than its callers wait.
const PATIENCE: Duration = Duration::from_secs(12);

/// What the function runs on.
#[derive(Clone)]
pub struct Deps {
    connections: Connections,
    metrics: Arc<dyn Metrics>,
}

impl Deps {
    /// The function on `backend`.
    pub fn new(backend: &Backend, connections: Connections) -> Self {
        Self { connections, metrics: backend.metrics.clone() }
    }

    /// The same with a limit for how long a provider can take.
    #[must_use]
    pub fn limited(self) -> Self {
        Self { connections: self.connections.impatient(PATIENCE), ..self }
    }
}

/// Renews the pair that was asked for, if that is needed.
pub async fn handle(deps: &Deps, request: RenewalRequest) -> RenewalAnswer {
    let answer = deps.connections.renew_pair(&request).await;
    if let Some(word) = answer.word() {
        deps.metrics.count("token_renewals", word);
    }
    answer
}

/// Called within one process, as Lambda would call it.
#[async_trait]
impl Invoke for Deps {
    async fn invoke(&self, request: String) -> Result<String, InvokeError> {
        let failed =
            |cause: serde_json::Error| InvokeError { function: "token-renewal".into(), cause: cause.to_string() };
        let request = serde_json::from_str(&request).map_err(failed)?;
        serde_json::to_string(&handle(self, request).await).map_err(failed)
    }
}
