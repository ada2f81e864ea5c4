//! Calls that ended and of which no event arrived.

use bitrix24::client::shaped;
use bitrix24::{FinishedCall, Subject};
use clients::Failure;
use jiff::{SignedDuration, Timestamp};
use jobs::HintOrigin;
use runtime::claims;
use runtime::store::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Sweep;
use super::answers::{FirstAnswer, in_filter};
use super::hints::MissedChange;

/// The longest call: the statistics know only when a call began.
const MAX_CALL: SignedDuration = SignedDuration::from_hours(2);
/// The most pages in one run; the rest is for the next.
const MAX_PAGES: usize = 20;

#[derive(Debug, Default, Serialize, Deserialize)]
struct CallsProgress {
    complete_until: Option<Timestamp>,
}

/// From where on the calls are swept.
pub(super) struct CallsPart {
    version: Option<Version>,
    since: Timestamp,
}

impl CallsPart {
    /// What the page that begins at `start` is read with.
    pub(super) fn page(&self, start: u64) -> (&'static str, Value) {
        let since = in_filter(self.since);
        let params = json!({
            "FILTER": {">=CALL_START_DATE": since}, "SORT": "CALL_START_DATE", "ORDER": "ASC", "start": start,
        });
        ("voximplant.statistic.get", params)
    }
}

impl Sweep<'_> {
    /// How far the calls are.
    pub(super) async fn calls_part(&self) -> Result<CallsPart, Failure> {
        let (progress, version) = match self.crm.sweeps.recall::<CallsProgress>(self.tenant(), "calls").await? {
            Some((progress, version)) => (progress, Some(version)),
            None => (CallsProgress::default(), None),
        };
        Ok(CallsPart { version, since: self.since(progress.complete_until, MAX_CALL) })
    }

    /// Sweeps the call statistics.
    pub(super) async fn calls(&mut self, part: CallsPart, mut first: Option<FirstAnswer>) -> Result<(), Failure> {
        let tenant = self.tenant().clone();
        let until = self.until();
        let mut complete = until;
        let mut start = 0;
        for page in 0.. {
            let (method, params) = part.page(start);
            let (result, next) = match first.take() {
                Some(first) => (first.result?, first.next),
                None => {
                    let answer = self.client.call(method, &params).await?;
                    (answer.result, answer.next)
                }
            };
            let calls: Vec<FinishedCall> = shaped(method, result).map_err(|error| self.client.failure(&error))?;
            self.swept += calls.len() as u64;
            let latest = calls.last().and_then(|call| call.call_start_date);
            self.send_missed_calls(calls, until).await?;
            match next {
                Some(next) if page + 1 < MAX_PAGES => start = next,
                Some(_) => {
                    complete = latest.unwrap_or(until).min(until);
                    break;
                }
                None => break,
            }
            self.stay().await?;
        }
        let progress = CallsProgress { complete_until: Some(complete) };
        self.crm.sweeps.remember(&tenant, "calls", &progress, part.version).await?;
        Ok(())
    }

    async fn send_missed_calls(&mut self, calls: Vec<FinishedCall>, until: Timestamp) -> Result<(), Failure> {
        let mut found = Vec::new();
        for call in calls {
            let (Some(call_id), Some(began)) = (call.call_id.clone(), call.call_start_date) else { continue };
            let lasted = i64::try_from(call.call_duration.unwrap_or_default()).unwrap_or_default();
            let ended = began + SignedDuration::from_secs(lasted);
            if ended > until || ended < self.portal.connected_at {
                continue;
            }
            let identity = format!("call#{call_id}");
            if claims::find(self.crm.backend.store.as_ref(), self.tenant(), &identity).await?.is_some() {
                continue;
            }
            found.push(MissedChange {
                once: format!("sweep#call#{}", runtime::DeliveryId::of(&[&call_id])),
                subject: Subject::Call { call_id, stage: "end".into(), told: Some(Box::new(call)) },
                at: Some(ended),
                origin: HintOrigin::Sweep,
                event: "sweep".into(),
            });
        }
        self.send(found).await
    }
}
