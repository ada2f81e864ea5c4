//! A record that changed, and the Notion databases that have a page of it: a job for each, and its line in the ledger.

use clients::Failure;
use jobs::Hint;
use jobs::sync::{Side, Signal, SyncJob};
use records::Record;
use runtime::DeliveryId;
use runtime::job::{Job, message};
use runtime::ledger::{DeliveryLine, DeliveryStatus, delivery_write};
use runtime::queue::Message;
use runtime::store::{Condition, Write};

use crate::Deps;

/// A job for a page, with its line.
pub(crate) struct Mirrored {
    pub(crate) job: Message,
    pub(crate) line: Write,
}

/// The jobs that this state of a record makes, the `revision`th that was acted on.
pub(crate) async fn jobs(
    deps: &Deps,
    job: &Job<Hint>,
    record: Record,
    revision: u64,
) -> Result<Vec<Mirrored>, Failure> {
    let portal = deps.connections.portal(&job.tenant).await?;
    if portal.notion.is_none() {
        return Ok(Vec::new());
    }
    let router = deps.routers.of(&portal)?;
    let now = deps.clock.now();
    let mirrored = router.settings().notion.of(record.kind()).map(|database| {
        let cause = [job.tenant.as_str(), &record.key(), &revision.to_string(), "sync", &database.name];
        let id = DeliveryId::of(&cause);
        let signal = Signal { delivery: Some(id.to_string()), ..Signal::of(Side::Bitrix24, &job.body.event) };
        let body = SyncJob::Record { database: database.name.clone(), record, signal };
        let queued = message(&job.tenant, job.trace, body.group(&job.tenant), id.to_string(), &body);
        let line = DeliveryLine {
            record: record.to_string(),
            change: "sync".into(),
            route: "sync".into(),
            destination: format!("Notion: {}", database.name),
            ..DeliveryLine::new(id, job.trace, now, DeliveryStatus::Queued)
        };
        let queued = queued.map_err(|error| Failure::permanent("bad_job", error.to_string()))?;
        Ok(Mirrored { job: queued, line: delivery_write(&job.tenant, line, Condition::Absent)? })
    });
    mirrored.collect()
}
