//! Notes each call to a provider and its answer for the ledger line of the current job.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use runtime::calls;
use runtime::calls::Call;
use runtime::clock::Clock;
use serde_json::Value;

/// Notes calls.
#[derive(Clone)]
pub(crate) struct Noting(pub(crate) Arc<dyn Clock>);

impl fmt::Debug for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noting")
    }
}

impl Noting {
    fn note<E: Display>(
        &self,
        provider: &str,
        method: &str,
        asked: &dyn Display,
        answer: Result<&Value, &E>,
        took: Duration,
    ) {
        if !calls::are_noted() {
            return;
        }
        let answer: Result<&dyn Display, &dyn Display> = match &answer {
            Ok(value) => Ok(*value),
            Err(error) => Err(*error),
        };
        calls::note(Call::new(self.0.now(), format!("{provider} {method}"), took, asked, answer));
    }
}

impl bitrix24::client::Observer for Noting {
    fn called(&self, method: &str, asked: &Value, answer: Result<&Value, &bitrix24::Error>, took: Duration) {
        self.note("bitrix24", method, asked, answer, took);
    }
}

impl slack::client::Observer for Noting {
    fn called(&self, method: &str, asked: &str, answer: Result<&Value, &slack::Error>, took: Duration) {
        self.note("slack", method, &asked, answer, took);
    }
}

impl notion::client::Observer for Noting {
    fn called(&self, method: &str, asked: &Value, answer: Result<&Value, &notion::Error>, took: Duration) {
        self.note("notion", method, asked, answer, took);
    }
}
