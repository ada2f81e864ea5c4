//! What the sweep found, as hints on the queue.

use bitrix24::Subject;
use clients::Failure;
use jiff::Timestamp;
use jobs::{Hint, HintOrigin};
use runtime::TraceId;
use runtime::job::message_once;

use super::Sweep;

/// A change of which no event seems to have arrived.
pub(super) struct MissedChange {
    pub(super) subject: Subject,
    /// When it happened, by the portal's clock.
    pub(super) at: Option<Timestamp>,
    /// What distinguishes it from the same thing at another time: within five minutes it is not sent twice.
    pub(super) once: String,
    /// How it was found.
    pub(super) origin: HintOrigin,
    /// The name that the ledger shows.
    pub(super) event: String,
}

impl Sweep<'_> {
    /// Sends the hints.
    pub(super) async fn send(&mut self, found: Vec<MissedChange>) -> Result<(), Failure> {
        let mut messages = Vec::with_capacity(found.len());
        for one in found {
            let hint = Hint::found(&one.event, one.at.map(Timestamp::as_second), one.subject, one.origin);
            let trace = TraceId::new(self.crm.backend.clock.now());
            messages.push(message_once(self.tenant(), trace, &hint, &one.once)?);
        }
        self.hints += messages.len() as u64;
        Ok(self.crm.backend.send(messages).await?)
    }
}
