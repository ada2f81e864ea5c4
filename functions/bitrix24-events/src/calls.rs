//! Telephone calls: read from the statistics, with the deal they belong to.

use bitrix24::client::shaped;
use bitrix24::tolerant::whole;
use bitrix24::{Batch, Call, EntityType, Item, Subject};
use clients::{Failure, PortalClient};
use jobs::Hint;
use records::change::Related;
use records::{Change, ChangeKind, State};
use runtime::job::{Outcome, ReceivedJob};
use serde_json::json;

use crate::Deps;
use crate::decide::{finish, skip};

/// Tells a call that is over: missed or not.
pub(crate) async fn decide(deps: &Deps, job: &ReceivedJob<Hint>) -> Result<Outcome, Failure> {
    let Subject::Call { call_id, told, .. } = &job.body.subject else {
        return skip(deps, job, "not a call".into()).await;
    };
    let portal = deps.connections.portal(&job.tenant).await?;
    let router = deps.routers.of(&portal)?;
    let wanted = [ChangeKind::CallMissed, ChangeKind::CallEnded];
    if !wanted.iter().any(|kind| router.has_route_for(kind)) {
        return skip(deps, job, "no route is about a call".into()).await;
    }
    let client = deps.connections.bitrix24(&portal).await?;
    let call = match read(&client, call_id).await? {
        Ok(call) => call,
        // The event itself has almost everything.
        Err(why) => match told {
            Some(told) => (**told).clone(),
            None => return skip(deps, job, format!("call {call_id} cannot be read: {why}")).await,
        },
    };
    let kind = if call.is_missed() { ChangeKind::CallMissed } else { ChangeKind::CallEnded };
    let about = format!("call {call_id}");
    if !router.has_route_for(&kind) {
        return finish(deps, job, vec![Change::new(kind, about, State::from(call))], call_id).await;
    }
    let client_record = client_of(&call);
    let deal = deal_of(&client, &call, client_record.as_ref()).await?;
    let change = Change { deal, client: client_record, ..Change::new(kind, about, State::from(call)) };
    finish(deps, job, vec![change], call_id).await
}

/// The call by the statistics; or why it is not there.
pub(crate) async fn read(client: &PortalClient, call_id: &str) -> Result<Result<Call, String>, Failure> {
    let params = json!({"FILTER": {"CALL_ID": call_id}});
    let rows = match client.call("voximplant.statistic.get", &params).await {
        Ok(answer) => answer.result,
        Err(failure) if matches!(failure.kind, runtime::Kind::Permanent { .. }) => {
            return Ok(Err(format!(
                "{failure}; give the webhook the right \"telephony\" and its user \"Call statistics: view\""
            )));
        }
        Err(failure) => return Err(failure),
    };
    let calls: Vec<Call> = shaped("voximplant.statistic.get", rows).map_err(|error| client.failure(&error))?;
    let found = calls.into_iter().find(|call| call.call_id.as_deref() == Some(call_id));
    Ok(found.ok_or_else(|| "it is not in the call statistics".to_owned()))
}

/// The client that the portal found by the number.
pub(crate) fn client_of(call: &Call) -> Option<Related> {
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
pub(crate) async fn deal_of(
    client: &PortalClient,
    call: &Call,
    of: Option<&Related>,
) -> Result<Option<Related>, Failure> {
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
        && let Ok(items) = shaped::<Vec<Item>>("crm.item.list", result["items"].take())
        && let Some(item) = items.first()
    {
        return Ok(deal(item.id, item.display_title()));
    }
    Ok(None)
}
