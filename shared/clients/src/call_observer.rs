//! Notes each call to a provider and its answer for the ledger line of the current job.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use runtime::calls;
use runtime::calls::ProviderCall;
use runtime::clock::Clock;
use wire::Observer;

/// Notes the calls to one provider.
pub(crate) struct Noting {
    pub(crate) provider: &'static str,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Noting({})", self.provider)
    }
}

impl Observer for Noting {
    fn called(&self, method: &str, asked: &dyn Display, answer: Result<&dyn Display, &dyn Display>, took: Duration) {
        if calls::are_noted() {
            let call = format!("{} {method}", self.provider);
            calls::note(ProviderCall::new(self.clock.now(), call, took, asked, answer));
        }
    }
}
