//! What was found, as hints on the queue.

use bitrix24::Subject;
use clients::Failure;
use jiff::Timestamp;
use jobs::{Hint, Origin};
use runtime::job::message;
use runtime::{QueueName, TraceId};

use crate::Sweep;

/// Something that no event seems to have told.
pub(crate) struct Found {
    /// What it is.
    pub(crate) subject: Subject,
    /// When it happened, by the portal's clock.
    pub(crate) at: Option<Timestamp>,
    /// What tells it from the same thing at another time: a sweep that finds it again sends it again only later.
    pub(crate) once: String,
    /// How it came to light.
    pub(crate) origin: Origin,
    /// The name that the ledger shows.
    pub(crate) event: String,
}

impl Sweep<'_> {
    /// Sends the hints.
    pub(crate) async fn send(&mut self, found: Vec<Found>) -> Result<(), Failure> {
        let mut messages = Vec::with_capacity(found.len());
        for one in found {
            let hint = Hint::found(&one.event, one.at.map(Timestamp::as_second), one.subject, one.origin);
            let (tenant, trace) = (self.tenant(), TraceId::new(self.deps.clock.now()));
            let (group, once) = (format!("{tenant}#{}", hint.group()), format!("{tenant}#{}", one.once));
            let job = message(tenant, trace, group, once, &hint)
                .map_err(|error| Failure::permanent("bad_job", error.to_string()))?;
            messages.push(job);
        }
        self.hints += messages.len() as u64;
        if messages.is_empty() {
            return Ok(());
        }
        let sent = self.deps.ports.queue.send(QueueName::Bitrix24Events, messages).await;
        sent.map_err(|error| Failure::transient(error.to_string()))
    }
}
