//! Requests about records, together in one or each by itself, within the limits of their portal.

use std::sync::PoisonError;
use std::time::Duration;

use bitrix24::Batch;
use clients::{ErrorClass, Failure, PortalClient};
use futures::future::join_all;
use records::Record;
use runtime::TenantId;
use runtime::clock::until;
use runtime::snapshots::ReadMoment;
use serde_json::Value;

use crate::Crm;
use crate::pages::PAGE;

use super::limits::AloneLimit;

/// A call about one record.
pub(super) struct RecordCall {
    pub(super) record: Record,
    pub(super) method: &'static str,
    pub(super) params: Value,
}

/// What came of it: the result, or the failure, with when the portal said so if it did.
pub(super) type RecordAnswer = (Record, Result<(Value, ReadMoment), (Failure, Option<ReadMoment>)>);

/// Whether the portal did not answer, rather than refuse.
pub(super) fn is_unanswered(failure: &Failure) -> bool {
    matches!(failure.class, ErrorClass::Transient | ErrorClass::UnknownOutcome)
}

/// Whether a record is read by itself, because its read hung.
pub(super) fn is_alone(crm: &Crm, tenant: &TenantId, record: Record) -> bool {
    let now = crm.backend.clock.now();
    crm.with_limits(|limits| limits.alone(tenant, record, now)).is_some()
}

/// Makes a call about records within their limit, and remembers how it went.
pub(super) async fn timed(
    crm: &Crm,
    client: &PortalClient,
    records: &[Record],
    method: &str,
    params: &Value,
) -> Result<(Value, ReadMoment), Failure> {
    let tenant = client.tenant();
    let limit = crm.with_limits(|limits| limits.together(tenant));
    let here = crm.backend.clock.now();
    let called = client.clone().within(limit).call(method, params).await;
    let now = crm.backend.clock.now();
    match called {
        Ok(answer) => {
            crm.with_limits(|limits| limits.answered(tenant, until(here, now), now));
            Ok((answer.result, ReadMoment { here, there: answer.started_at }))
        }
        Err(failure) => {
            if let ([record], true) = (records, is_unanswered(&failure)) {
                crm.with_limits(|limits| limits.hung(tenant, *record, now));
            }
            Err(failure)
        }
    }
}

/// Makes calls about records in one request; if that gets no answer, each by itself. Calls about records that hung are
/// made by themselves from the start.
pub(super) async fn together(
    crm: &Crm,
    client: &PortalClient,
    calls: &[RecordCall],
) -> Result<Vec<RecordAnswer>, Failure> {
    let (hung, others): (Vec<_>, Vec<_>) = calls.iter().partition(|call| is_alone(crm, client.tenant(), call.record));
    let mut answers = join_all(hung.into_iter().map(|call| alone(crm, client, call))).await;
    for calls in others.chunks(PAGE) {
        let records: Vec<_> = calls.iter().map(|call| call.record).collect();
        let mut batch = Batch::new();
        for (index, call) in calls.iter().enumerate() {
            // Chunks of 50 always fit.
            let _ = batch.add(format!("r{index}"), call.method, &call.params);
        }
        match timed(crm, client, &records, "batch", &batch.params()).await {
            Ok((result, read)) => answers.extend(taken(client, calls, result, read)),
            Err(failure) if is_unanswered(&failure) && calls.len() > 1 => {
                answers.extend(split_calls(crm, client, calls).await);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(answers)
}

fn taken(client: &PortalClient, calls: &[&RecordCall], result: Value, read: ReadMoment) -> Vec<RecordAnswer> {
    let mut answers = bitrix24::batch::BatchAnswer::of_result(result);
    let answer = |(index, call): (usize, &&RecordCall)| {
        let answer = match answers.take(&format!("r{index}")) {
            Some(Ok(result)) => Ok((result, read)),
            Some(Err(error)) => Err((client.failure(&error), Some(read))),
            None => Err((Failure::transient("the portal left a command of a batch unanswered"), None)),
        };
        (call.record, answer)
    };
    calls.iter().enumerate().map(answer).collect()
}

/// Makes the calls of a request that got no answer, each by itself and in little time. If none of them is answered, the
/// portal is slow, or down; otherwise those that are not hang by themselves.
pub(super) async fn split(crm: &Crm, client: &PortalClient, calls: &[RecordCall]) -> Vec<RecordAnswer> {
    split_calls(crm, client, &calls.iter().collect::<Vec<_>>()).await
}

async fn split_calls(crm: &Crm, client: &PortalClient, calls: &[&RecordCall]) -> Vec<RecordAnswer> {
    let tenant = client.tenant();
    let limit = crm.with_limits(|limits| limits.after_split(tenant));
    // The request that got no answer has been counted.
    let alone = AloneLimit { limit, apart: true };
    let answers = join_all(calls.iter().map(|call| once(crm, client, call, alone))).await;
    let now = crm.backend.clock.now();
    let hung = |(_, answer): &&RecordAnswer| answer.as_ref().is_err_and(|(failure, _)| is_unanswered(failure));
    let unanswered: Vec<_> = answers.iter().filter(hung).map(|(record, _)| *record).collect();
    crm.with_limits(|limits| {
        if unanswered.len() == calls.len() {
            limits.is_slow(tenant);
            return;
        }
        for record in unanswered {
            limits.hung(tenant, record, now);
        }
        limits.answered(tenant, Duration::ZERO, now);
    });
    answers
}

/// Makes a call about a record that hung.
async fn alone(crm: &Crm, client: &PortalClient, call: &RecordCall) -> RecordAnswer {
    let (tenant, now) = (client.tenant(), crm.backend.clock.now());
    let known = crm.with_limits(|limits| limits.alone(tenant, call.record, now));
    let limit =
        known.unwrap_or_else(|| AloneLimit { limit: crm.with_limits(|limits| limits.together(tenant)), apart: false });
    let answer = once(crm, client, call, limit).await;
    let now = crm.backend.clock.now();
    crm.with_limits(|limits| match &answer.1 {
        Err((failure, _)) if is_unanswered(failure) => limits.hung(tenant, call.record, now),
        Err(_) => {}
        Ok(_) => limits.recovered(tenant, call.record),
    });
    answer
}

async fn once(crm: &Crm, client: &PortalClient, call: &RecordCall, alone: AloneLimit) -> RecordAnswer {
    let here = crm.backend.clock.now();
    let client = client.clone().within(alone.limit);
    let client = if alone.apart { client.apart() } else { client };
    let answer = match client.call(call.method, &call.params).await {
        Ok(answer) => Ok((answer.result, ReadMoment { here, there: answer.started_at })),
        Err(failure) => Err((failure, Some(ReadMoment { here, there: None }))),
    };
    (call.record, answer)
}

impl Crm {
    /// Asks or changes what is known of how portals answer.
    pub(super) fn with_limits<R>(&self, work: impl FnOnce(&mut super::ReadLimits) -> R) -> R {
        work(&mut self.read_limits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
