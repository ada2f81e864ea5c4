//! Pages of CRM items: 50 a page, up to 50 pages a request.

use bitrix24::client::shaped;
use bitrix24::crm;
use bitrix24::{Batch, EntityType, Item};
use connect::{Failure, PortalClient};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Items on a page of any list.
pub(crate) const PAGE: usize = 50;

/// The parameters of one page; `start` -1 does not count, which is much faster for the portal.
pub(crate) fn page(entity: EntityType, filter: &Value, start: i64) -> Value {
    json!({"entityTypeId": entity, "filter": filter, "order": {"id": "ASC"}, "select": crm::FIELDS, "start": start})
}

/// Items out of a result; one that has no id is no item.
pub(crate) fn items(client: &PortalClient, value: Value) -> Result<Vec<Item>, Failure> {
    shaped("crm.item.list", value).map_err(|error| client.failure(&error))
}

/// The items behind the id `after` that pass `filter`: `count` pages in one request, by rising id. Each page
/// starts where the one before it ended, so that nothing is missed while rows come and go. Also when the read began,
/// by the portal's clock.
pub(crate) async fn after(
    client: &PortalClient,
    entity: EntityType,
    filter: &Value,
    after: u64,
    count: usize,
) -> Result<(Vec<Item>, Option<Timestamp>), Failure> {
    let mut batch = Batch::new().halting();
    for place in 0..count {
        let mut filter = filter.clone();
        filter[">id"] = match place {
            0 => json!(after),
            place => json!(format!("$result[p{}][items][{}][id]", place - 1, PAGE - 1)),
        };
        // At most 50 pages are asked for, and 50 fit.
        let _ = batch.add(format!("p{place}"), "crm.item.list", &page(entity, &filter, -1));
    }
    let (mut answers, answer) = client.batch(&batch).await?;
    let mut listed: Vec<Item> = Vec::new();
    for place in 0..count {
        let Some(page) = answers.take(&format!("p{place}")) else { break };
        let mut page = page.map_err(|error| client.failure(&error))?;
        let page = items(client, page["items"].take())?;
        let (full, newer) = (page.len() == PAGE, page.first().map(|item| item.id) > listed.last().map(|item| item.id));
        // Behind a short page the reference leads nowhere, and the portal starts over.
        if newer {
            listed.extend(page);
        }
        if !full || !newer {
            break;
        }
    }
    Ok((listed, answer.started_at))
}
