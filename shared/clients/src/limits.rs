//! The limiter around each call: a slot before it, and what its failure means for the account after it.

use std::time::Duration;

use runtime::TenantId;
use runtime::clock::later;
use runtime::limiter::{RateBucket, Reservation};
use wire::ErrorClass;

use crate::failure::UNTIL_REAUTHORISED;
use crate::{ConnectionSide, Connections, Failure};

/// A wait up to this is slept; a longer one sends the job back to its queue.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

impl Connections {
    /// Waits for a slot of a bucket. If that takes too long, the failure says until when, and why: the bucket is
    /// `paused`, or its rate is `used_up`.
    pub(crate) async fn wait_for_slot(&self, account: &RateBucket, paused: &str, used_up: &str) -> Result<(), Failure> {
        match self.limiter.admit(account, PATIENCE).await? {
            Ok(()) | Err(Reservation::Granted(_)) => Ok(()),
            Err(Reservation::Wait { wait, parked }) => {
                Err(Failure::wait(later(self.clock.now(), wait), if parked { paused } else { used_up }))
            }
        }
    }

    /// Records in the limiter that a call was answered. If that fails, the provider has done its work all the same.
    pub(crate) async fn call_answered(&self, account: &RateBucket) {
        if let Err(error) = self.limiter.provider_answered(account).await {
            tracing::warn!(%error, "an answer could not be recorded in the limiter");
        }
    }

    /// Records in the limiter that a call failed, and reports credentials that no longer work. The returned failure
    /// says whether the whole account is down.
    pub(crate) async fn call_failed(
        &self,
        tenant: &TenantId,
        side: ConnectionSide,
        account: &RateBucket,
        mut failure: Failure,
    ) -> Failure {
        let noted = match &failure.class {
            ErrorClass::Throttled { until } => self.limiter.park(account, *until).await,
            ErrorClass::Reauthorise => {
                failure = self.in_trouble(tenant, side, failure).await;
                self.limiter.park(account, later(self.clock.now(), UNTIL_REAUTHORISED)).await
            }
            ErrorClass::Transient | ErrorClass::UnknownOutcome => {
                self.limiter.provider_failed(account).await.map(|down| failure.whole_account = down)
            }
            ErrorClass::Permanent { .. } => self.limiter.provider_answered(account).await,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "a failure could not be recorded in the limiter");
        }
        failure
    }
}
