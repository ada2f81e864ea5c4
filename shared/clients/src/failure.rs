//! A failure of a connection, and what it asks of the job that met it: retry, wait or give up.

use std::time::Duration;

use jiff::Timestamp;
use runtime::backend::EnqueueError;
use runtime::clock::until;
use runtime::job::{BAD_JOB, BadJob, JobOutcome};
use runtime::outage::Outage;
use runtime::queue::QueueError;
use runtime::retry::jittered;
use runtime::store::StoreError;
use runtime::{DecisionError, SettingsError, UNREADABLE_SETTINGS};
use serde::{Deserialize, Serialize};
use wire::ErrorClass;

/// How often a job checks whether its tenant was authorised again.
pub(crate) const UNTIL_REAUTHORISED: Duration = Duration::from_secs(15 * 60);

/// The code of work for a tenant that is no longer connected. Its jobs are dropped without a trace.
pub(crate) const GONE: &str = "portal_not_connected";

/// A call to a provider, or our own store, failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What it asks of the caller.
    pub class: ErrorClass,
    /// What happened, where, and what to do.
    pub text: String,
    /// Whether the account as a whole is down or paused: then waiting does not count towards giving up.
    pub whole_account: bool,
    /// The outage of the account that the call met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage: Option<Box<MetOutage>>,
}

/// An outage that a call met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetOutage {
    outage: Outage,
    /// Whether its end wakes the job.
    is_woken: bool,
}

impl Failure {
    fn new(class: ErrorClass, text: impl Into<String>) -> Self {
        let whole_account = matches!(class, ErrorClass::Throttled { .. } | ErrorClass::Reauthorise);
        Self { class, text: text.into(), whole_account, outage: None }
    }

    /// The same, which is a part of an outage of its account.
    pub(crate) fn in_outage(self, outage: Outage, now: Timestamp, is_woken: bool) -> Self {
        Self { whole_account: outage.excuses(now), outage: Some(Box::new(MetOutage { outage, is_woken })), ..self }
    }

    /// Nothing was done; it may work later.
    pub fn transient(text: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, text)
    }

    /// It will never work.
    pub fn permanent(code: &str, text: impl Into<String>) -> Self {
        Self::new(ErrorClass::permanent(code), text)
    }

    /// For a call that may be repeated without harm: if its outcome is unknown, it is repeated.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        if self.class == ErrorClass::UnknownOutcome {
            self.class = ErrorClass::Transient;
        }
        self
    }

    /// A person has to renew the credentials.
    pub fn reauthorise(text: impl Into<String>) -> Self {
        Self::new(ErrorClass::Reauthorise, text)
    }

    /// Try again then.
    pub fn wait(until: Timestamp, text: impl Into<String>) -> Self {
        Self::new(ErrorClass::Throttled { until }, text)
    }

    /// A portal's error at `now`.
    pub(crate) fn of_bitrix24(error: &bitrix24::Error, now: Timestamp) -> Self {
        Self::new(error.class(now), format!("Bitrix24: {error}"))
    }

    /// A workspace's error at `now`.
    pub(crate) fn of_slack(error: &slack::Error, now: Timestamp) -> Self {
        Self::new(error.class(now), format!("Slack: {error}"))
    }

    /// A Notion workspace's error at `now`.
    pub(crate) fn of_notion(error: &notion::Error, now: Timestamp) -> Self {
        Self::new(error.class(now), format!("Notion: {error}"))
    }

    /// The provider's or our code, for grouping.
    pub fn code(&self) -> &str {
        match &self.class {
            ErrorClass::Permanent { code } => code,
            ErrorClass::Throttled { .. } => "throttled",
            ErrorClass::Transient => "transient",
            ErrorClass::Reauthorise => "reauthorise",
            ErrorClass::UnknownOutcome => "unknown_outcome",
        }
    }

    /// How long a job that failed so, `failures` times in a row, should wait; `None` if waiting is useless.
    pub fn retry_after(&self, now: Timestamp, failures: u32) -> Option<Duration> {
        match &self.class {
            // Spread over a second, or all that waited would come at once.
            ErrorClass::Throttled { until: moment } => Some(until(now, *moment) + jittered(0)),
            ErrorClass::Transient | ErrorClass::UnknownOutcome => {
                let own = jittered(failures);
                let wait = self.outage.as_ref().map_or(own, |met| met.outage.retry_after(now, own, met.is_woken));
                Some(wait.max(Duration::from_millis(200)))
            }
            ErrorClass::Reauthorise => Some(UNTIL_REAUTHORISED),
            ErrorClass::Permanent { .. } => None,
        }
    }

    /// The outcome of a job that met this and keeps nothing of it.
    pub fn outcome(&self, now: Timestamp, failures: u32) -> JobOutcome {
        if self.code() == GONE {
            return JobOutcome::Skip(self.text.clone());
        }
        match self.retry_after(now, failures) {
            Some(after) => JobOutcome::Retry { after, cause: self.text.clone() },
            None => JobOutcome::Dead { code: self.code().to_owned(), reason: self.text.clone() },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreadable { .. } => Self::permanent("unreadable_record", error.to_string()),
            StoreError::Conflict(_) | StoreError::Unavailable(_) => Self::transient(error.to_string()),
        }
    }
}

impl From<BadJob> for Failure {
    fn from(error: BadJob) -> Self {
        Self::permanent(BAD_JOB, error.to_string())
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::transient(error.to_string())
    }
}

impl From<EnqueueError> for Failure {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::BadJob(error) => error.into(),
            EnqueueError::Queue(error) => error.into(),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::permanent(UNREADABLE_SETTINGS, error.to_string())
    }
}

impl From<DecisionError> for Failure {
    fn from(error: DecisionError) -> Self {
        match error {
            DecisionError::TooManyWrites(_) => Self::permanent("too_many_deliveries", error.to_string()),
            DecisionError::LostRace(_) => Self::transient(error.to_string()),
            DecisionError::BadJob(error) => error.into(),
            DecisionError::Store(error) => error.into(),
            DecisionError::Queue(error) => error.into(),
        }
    }
}
