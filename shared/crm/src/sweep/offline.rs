//! The portal's own offline queue, for portals whose plan has one and that are connected by an application.
//!
//! It is state, not a log: one row for each record, however often it changed. Rows are reserved, turned into hints, and
//! cleared once the hints are safe on our queue.

use bitrix24::{Subject, form};
use clients::{ErrorClass, Failure};
use jobs::HintOrigin;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::subscriptions::CONNECTOR;

use super::Sweep;
use super::answers::FirstAnswer;
use super::hints::MissedChange;

/// The feature of a plan that has the queue.
const FEATURE: &str = "rest_offline_extended";
/// Rows in one request, and requests in one run.
const ROWS: usize = 50;
const MAX_REQUESTS: usize = 20;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Reserved {
    /// Rows that an earlier run reserved and perhaps did not finish.
    process_id: Option<String>,
}

impl Sweep<'_> {
    /// What the portal is asked with whether it has the queue.
    pub(super) fn offline_feature() -> (&'static str, Value) {
        ("feature.get", json!({"CODE": FEATURE}))
    }

    /// Takes what is in the offline queue.
    pub(super) async fn offline(&mut self, first: Option<FirstAnswer>) -> Result<(), Failure> {
        let has_queue = match first {
            Some(FirstAnswer { result: Ok(feature), .. }) => feature["value"] == "Y",
            Some(FirstAnswer { result: Err(failure), .. }) => {
                if !matches!(failure.class, ErrorClass::Permanent { .. }) {
                    return Err(failure);
                }
                false
            }
            None => self.client.has_feature(FEATURE).await?,
        };
        if !has_queue {
            return Ok(());
        }
        let tenant = self.tenant().clone();
        let (mut reserved, mut version) = match self.crm.sweeps.recall::<Reserved>(&tenant, "offline").await? {
            Some((reserved, version)) => (reserved, Some(version)),
            None => (Reserved::default(), None),
        };
        for _ in 0..MAX_REQUESTS {
            // Without the connector only rows without a source would come.
            let mut params = json!({"clear": 0, "auth_connector": CONNECTOR, "limit": ROWS});
            if let Some(process_id) = &reserved.process_id {
                params["process_id"] = json!(process_id);
            }
            self.stay().await?;
            let answer = self.client.call("event.offline.get", &params).await?;
            let rows = answer.result["events"].as_array().cloned().unwrap_or_default();
            let process_id = answer.result["process_id"].as_str().filter(|_| !rows.is_empty());
            let was_reserved = reserved.process_id.is_some();
            if process_id.is_none() && !was_reserved {
                return Ok(());
            }
            reserved.process_id = process_id.map(str::to_owned);
            version = Some(self.crm.sweeps.remember(&tenant, "offline", &reserved, version).await?);
            let Some(process_id) = &reserved.process_id else { continue };
            self.swept += rows.len() as u64;
            self.send(rows.iter().filter_map(found).collect()).await?;
            let ids: Vec<_> = rows.iter().map(|row| row["MESSAGE_ID"].clone()).collect();
            let params = json!({"process_id": process_id, "message_id": ids, "auth_connector": CONNECTOR});
            self.client.call("event.offline.clear", &params).await?;
            reserved.process_id = None;
            version = Some(self.crm.sweeps.remember(&tenant, "offline", &reserved, version).await?);
        }
        Ok(())
    }
}

/// A row as a hint; its data is `false` where it has none.
fn found(row: &Value) -> Option<MissedChange> {
    let event = row["EVENT_NAME"].as_str()?.to_uppercase();
    let body = form::build(&json!({"data": row["EVENT_DATA"]}));
    let tree = form::parse(body.as_bytes()).ok()?;
    let subject = Subject::of(&event, tree.get("data")?);
    let at = row["TIMESTAMP_X"].as_str().and_then(|at| at.parse().ok());
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let once = format!("offline#{}#{}", text("MESSAGE_ID"), text("TIMESTAMP_X"));
    Some(MissedChange { subject, at, once, origin: HintOrigin::Offline, event })
}
