//! A changed record's Notion databases: one sync job for each that has a page of it.

use clients::Failure;
use jiff::Timestamp;
use jobs::Hint;
use jobs::sync::{Signal, SyncJob, SyncSide};
use records::Record;
use runtime::job::ReceivedJob;
use runtime::ledger::{DeliveryLine, DeliveryStatus};
use runtime::{Decision, DeliveryId};
use settings::Settings;
use tenants::portals::Portal;

/// Adds the syncs of the state of a record that was decided on as the `revision`th.
pub fn add(
    portal: &Portal,
    settings: &Settings,
    job: &ReceivedJob<Hint>,
    decision: &mut Decision,
    record: Record,
    revision: u64,
    now: Timestamp,
) -> Result<(), Failure> {
    if portal.notion.is_none() {
        return Ok(());
    }
    for database in settings.notion.of(record.kind()) {
        let cause = [job.tenant.as_str(), &record.key(), &revision.to_string(), "sync", &database.name];
        let id = DeliveryId::of(&cause);
        let signal = Signal { delivery: Some(id.to_string()), ..Signal::of(SyncSide::Bitrix24, &job.body.event) };
        let line = DeliveryLine {
            record: record.to_string(),
            change: "sync".into(),
            route: "sync".into(),
            destination: format!("Notion: {}", database.name),
            ..DeliveryLine::new(id, job.trace, now, DeliveryStatus::Queued)
        };
        decision.deliver(line, &SyncJob::Record { database: database.name.clone(), record, signal })?;
    }
    Ok(())
}
