//! The envelope of a job's text: its schema, its tenant, the trace of its event.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{TenantId, TraceId};

/// The schema of jobs that this code writes. It reads this one and all before it.
pub(crate) const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    pub(crate) v: u32,
    pub(crate) tenant: TenantId,
    pub(crate) trace: TraceId,
    pub(crate) body: T,
}

/// The tenant of a job, and the trace of its event, from its text; `None` if the text is not a job.
pub fn origin(text: &str) -> Option<(String, String)> {
    let envelope: Envelope<serde::de::IgnoredAny> = serde_json::from_str(text).ok()?;
    Some((envelope.tenant.to_string(), envelope.trace.to_string()))
}

/// When the event behind a job arrived, from the job's text.
pub fn arrival(text: &str) -> Option<Timestamp> {
    let envelope: Envelope<serde::de::IgnoredAny> = serde_json::from_str(text).ok()?;
    Some(envelope.trace.arrived_at())
}
