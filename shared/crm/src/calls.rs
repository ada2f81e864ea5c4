//! Telephone calls: read from the statistics, with the deal they belong to.

use std::sync::Arc;
use std::time::Duration;

use bitrix24::client::shaped;
use bitrix24::tolerant::whole;
use bitrix24::{Batch, CrmItem, EntityType, FinishedCall};
use clients::{Failure, PortalClient};
use jiff::Timestamp;
use jobs::Hint;
use records::change::Related;
use records::{Change, ChangeKind, RecordRef, RecordState};
use runtime::clock::{MAX_OWN_SKEW, later, until};
use runtime::job::ReceivedJob;
use serde_json::json;
use settings::Settings;
use settings::subscriptions::has_route_for;
use tenants::portals::Portal;

use crate::Crm;
use crate::hints::{Judged, without_snapshot};

/// When a recording is looked for: it appears 5 to 30 seconds after its call; after the last of these it is given up.
const RECORDING_LOOKS: [u64; 9] = [5, 5, 10, 10, 15, 30, 60, 120, 300];

/// The result of the hint of a call that ended. `from_event` is what the event itself says of the call.
pub async fn judge(
    crm: &Crm,
    portal: &Arc<Portal>,
    settings: &Settings,
    job: &ReceivedJob<Hint>,
    call_id: &str,
    from_event: Option<&FinishedCall>,
) -> Result<Judged, Failure> {
    let wanted = [ChangeKind::CallMissed, ChangeKind::CallEnded];
    if !wanted.iter().any(|kind| has_route_for(settings, kind)) {
        return Ok(Judged::skip("no route is about a call"));
    }
    let client = crm.connections.bitrix24(portal).await?;
    let call = match read(&client, call_id).await? {
        Ok(call) => call,
        // The event itself has almost everything.
        Err(why) => match from_event {
            Some(call) => call.clone(),
            None => return Ok(Judged::skip(format!("call {call_id} cannot be read: {why}"))),
        },
    };
    let kind = if call.is_missed() { ChangeKind::CallMissed } else { ChangeKind::CallEnded };
    let change = if has_route_for(settings, &kind) {
        change(&client, kind, call_id, call).await?
    } else {
        Change::new(kind, about(call_id), RecordState::from(call))
    };
    without_snapshot(crm, job, vec![change], call_id).await
}

/// The result of looking for the recording of a call.
pub async fn judge_recording(
    crm: &Crm,
    portal: &Arc<Portal>,
    job: &ReceivedJob<Hint>,
    call_id: &str,
) -> Result<Judged, Failure> {
    let (is_due, next) = recording_look(job.arrived_at(), crm.backend.clock.now());
    if is_due {
        let client = crm.connections.bitrix24(portal).await?;
        match read(&client, call_id).await? {
            Ok(call) if call.has_recording() => {
                let change = change(&client, ChangeKind::CallRecorded, call_id, call).await?;
                return without_snapshot(crm, job, vec![change], &format!("recording#{call_id}")).await;
            }
            Ok(_) => {}
            Err(why) => return Ok(Judged::skip(format!("the recording cannot be searched for: {why}"))),
        }
    }
    Ok(match next {
        Some(wait) => Judged::wait(wait, "the recording has not appeared yet"),
        None => {
            let minutes = RECORDING_LOOKS.iter().sum::<u64>() / 60;
            Judged::skip(format!("no recording appeared within {minutes} minutes"))
        }
    })
}

/// Whether a recording that is expected since a moment is looked for now, and in how long the next time; `None` if this
/// is the last time. Nothing is there at once, so that the first look is after the first wait. How often the job was
/// received says nothing: it may not have been worked.
fn recording_look(since: Timestamp, now: Timestamp) -> (bool, Option<Duration>) {
    // A clock that was set back would look for hours.
    let passed = if since > later(now, MAX_OWN_SKEW) { Duration::MAX } else { until(since, now) };
    let moments = RECORDING_LOOKS.iter().scan(Duration::ZERO, |sum, seconds| {
        *sum += Duration::from_secs(*seconds);
        Some(*sum)
    });
    let moments: Vec<Duration> = moments.collect();
    let is_due = moments.first().is_none_or(|first| passed >= *first);
    (is_due, moments.into_iter().find(|moment| *moment > passed).map(|moment| moment.saturating_sub(passed)))
}

fn about(call_id: &str) -> RecordRef {
    RecordRef::Call(call_id.to_owned())
}

/// The change, with the client and the deal that the call belongs to.
async fn change(client: &PortalClient, kind: ChangeKind, call_id: &str, call: FinishedCall) -> Result<Change, Failure> {
    let caller = client_of(&call);
    let deal = deal_of(client, &call, caller.as_ref()).await?;
    Ok(Change { deal, client: caller, ..Change::new(kind, about(call_id), RecordState::from(call)) })
}

/// The call as the statistics have it; or why it is missing there.
async fn read(client: &PortalClient, call_id: &str) -> Result<Result<FinishedCall, String>, Failure> {
    let params = json!({"FILTER": {"CALL_ID": call_id}});
    let rows = match client.call("voximplant.statistic.get", &params).await {
        Ok(answer) => answer.result,
        Err(failure) if matches!(failure.class, clients::ErrorClass::Permanent { .. }) => {
            return Ok(Err(format!(
                "{failure}; give the webhook the right \"telephony\" and its user \"Call statistics: view\""
            )));
        }
        Err(failure) => return Err(failure),
    };
    let calls: Vec<FinishedCall> = shaped("voximplant.statistic.get", rows).map_err(|error| client.failure(&error))?;
    let found = calls.into_iter().find(|call| call.call_id.as_deref() == Some(call_id));
    Ok(found.ok_or_else(|| "it is not in the call statistics".to_owned()))
}

/// The client that the portal found by the number.
fn client_of(call: &FinishedCall) -> Option<Related> {
    let entity = match call.crm_entity_type.as_deref()? {
        "CONTACT" => EntityType::CONTACT,
        "COMPANY" => EntityType::COMPANY,
        "LEAD" => EntityType::LEAD,
        _ => return None,
    };
    Some(Related { entity, id: call.crm_entity_id.filter(|id| *id != 0)?, title: None })
}

/// The deal: the owner of the call's activity, or one it is bound to, or the client's latest open one. The statistics
/// never name a deal. What cannot be read is left out.
async fn deal_of(client: &PortalClient, call: &FinishedCall, of: Option<&Related>) -> Result<Option<Related>, Failure> {
    let mut batch = Batch::new();
    if let Some(activity) = call.crm_activity_id.filter(|id| *id != 0) {
        let _ = batch.add("activity", "crm.activity.get", &json!({"id": activity}));
        let _ = batch.add("bindings", "crm.activity.binding.list", &json!({"activityId": activity}));
    }
    let by = match of.map(|of| (of.entity, of.id)) {
        Some((EntityType::CONTACT, id)) => Some(json!({"contactId": id, "stageSemanticId": "P"})),
        Some((EntityType::COMPANY, id)) => Some(json!({"companyId": id, "stageSemanticId": "P"})),
        _ => None,
    };
    if let Some(filter) = by {
        let params = json!({
            "entityTypeId": EntityType::DEAL, "filter": filter, "order": {"id": "DESC"}, "select": ["id", "title"], "start": -1,
        });
        let _ = batch.add("deals", "crm.item.list", &params);
    }
    if batch.is_empty() {
        return Ok(None);
    }
    let (mut answers, _) = client.batch(&batch).await?;
    let deal = |id, title| Some(Related { entity: EntityType::DEAL, id, title });
    if let Some(Ok(activity)) = answers.take("activity")
        && whole(&activity["OWNER_TYPE_ID"]) == Some(2)
        && let Some(id) = whole(&activity["OWNER_ID"])
    {
        return Ok(deal(id, None));
    }
    if let Some(Ok(bindings)) = answers.take("bindings") {
        let mut bound = bindings.as_array().into_iter().flatten();
        if let Some(id) =
            bound.find(|row| whole(&row["entityTypeId"]) == Some(2)).and_then(|row| whole(&row["entityId"]))
        {
            return Ok(deal(id, None));
        }
    }
    if let Some(Ok(mut result)) = answers.take("deals")
        && let Ok(items) = shaped::<Vec<CrmItem>>("crm.item.list", result["items"].take())
        && let Some(item) = items.first()
    {
        return Ok(deal(item.id, item.display_title()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_looked_for_at_its_moments_however_often_its_job_was_received() {
        let since: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |seconds| recording_look(since, later(since, Duration::from_secs(seconds)));
        let next = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(at(0), (false, next(5)));
        assert_eq!(at(3), (false, next(2)));
        assert_eq!(at(5), (true, next(5)));
        assert_eq!(at(100), (true, next(35)), "it had to wait for others");
        assert_eq!([at(554), at(555), at(9_999)], [(true, next(1)), (true, None), (true, None)]);
        // A clock that was set back by an hour.
        assert_eq!(recording_look(later(since, Duration::from_secs(3600)), since), (true, None));
    }
}
