//! The request to renew a pair of tokens. That needs the keys of an application, which only few functions may read: a
//! worker names the tenant and the slot to one of those, and reads the new pair from the store.

use std::sync::Arc;

use runtime::store::Version;
use runtime::{Invoke, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Connections, Failure, TokenSlot};

/// The pair to renew. It carries no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalRequest {
    pub tenant: TenantId,
    /// The pair's slot.
    pub slot: TokenSlot,
    /// The pair as the worker has seen it: any other one in the store is newer.
    pub version: Version,
    /// Whether the provider has rejected its access token. If not, it is renewed only near its end.
    pub refused: bool,
}

/// The result. It carries no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewalAnswer {
    /// The pair in the store is current.
    Good,
    /// The pair in the store is not the one that the worker has seen: it reads again.
    Changed,
    /// Another worker is renewing it.
    Busy,
    /// It could not be renewed.
    Failed(Failure),
}

impl RenewalAnswer {
    /// The result in one word, for counters; `None` if another worker renews or has renewed it.
    pub fn word(&self) -> Option<&'static str> {
        match self {
            Self::Good => Some("renewed"),
            Self::Changed | Self::Busy => None,
            Self::Failed(failure) if failure.class == wire::ErrorClass::Reauthorise => Some("ended"),
            Self::Failed(_) => Some("failed"),
        }
    }
}

impl Connections {
    /// The same with tokens renewed by another function, which may read the keys of our applications.
    #[must_use]
    pub fn renewing_through(self, function: Arc<dyn Invoke>) -> Self {
        Self { renewal: Some(function), ..self }
    }

    /// Has a pair renewed: by the function for that, or here if there is none.
    pub(crate) async fn ask_to_renew(&self, request: &RenewalRequest) -> RenewalAnswer {
        let Some(function) = &self.renewal else { return self.renew_pair(request).await };
        let asked = match serde_json::to_string(request) {
            Ok(text) => function.invoke(text).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let answer = asked.and_then(|text| {
            serde_json::from_str(&text).map_err(|error| format!("its answer cannot be read: {error}"))
        });
        answer.unwrap_or_else(|cause| {
            let text = format!("the token of {} could not be renewed: {cause}", request.slot.name());
            RenewalAnswer::Failed(Failure::transient(text))
        })
    }
}
