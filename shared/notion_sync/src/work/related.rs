//! The pages that a page's relations lead to: they are made first, and a pair is checked a second time if one was missing.

use clients::Failure;
use jobs::sync::{Signal, SyncJob, SyncSide};
use records::{Record, RecordState};
use runtime::TraceId;
use runtime::job::ReceivedJob;

use crate::NotionSync;
use crate::database::OpenedDatabase;
use crate::fields::Stuck;
use crate::work::LinkWork;

/// How often a record waits for the pages of its relations; after that it is synced without them.
pub(crate) const MAX_WAITS: u32 = 5;
/// The signal of a job that checks a pair once more.
const SECOND_LOOK: &str = "second-look";

/// Requests the pages that a record's relations need; returns whether some are missing.
pub(crate) async fn request_pages(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    opened: &OpenedDatabase,
    record: Record,
    state: &RecordState,
) -> Result<bool, Failure> {
    let awaited = sync.awaited(opened, record, state).await?;
    if !awaited.is_empty() {
        // Each try requests them: an earlier receipt may not have been worked, and the queue drops what it has.
        let mut messages = Vec::new();
        for (database, record) in &awaited {
            let signal = Signal::both("relation");
            let trace = TraceId::new(sync.now());
            let wanted = SyncJob::Record { database: database.clone(), record: *record, signal };
            let once = format!("awaited#{database}#{}#{}", record.key(), job.trace);
            messages.push(crate::message(&wanted, &job.tenant, trace, &once)?);
        }
        sync.send(messages).await?;
    }
    Ok(!awaited.is_empty())
}

impl LinkWork<'_> {
    /// Whether a relation leads to records that have no page yet.
    pub(super) fn leads_to_missing(&self, stuck: &[Stuck]) -> bool {
        let is_relation = |field: &str| self.opened.field(field).is_some_and(|field| field.property.kind == "relation");
        stuck.iter().any(|stuck| stuck.of == SyncSide::Bitrix24 && is_relation(&stuck.field))
    }

    /// Whether this is the check that [`Self::sync_again`] asked for.
    pub(super) fn is_second_look(&self) -> bool {
        self.signal.name == SECOND_LOOK
    }

    /// Requests another check of the pair after this time: for values that Notion refused together with others, and for
    /// relations to pages that do not exist yet.
    pub(super) async fn sync_again(&self) -> Result<(), Failure> {
        let job = SyncJob::Record {
            database: self.link.database.clone(),
            record: self.link.record,
            signal: Signal::both(SECOND_LOOK),
        };
        let once = format!("second-look#{}#{}", self.link.database, self.job.trace);
        let message = crate::message(&job, &self.job.tenant, TraceId::new(self.sync.now()), &once)?;
        self.sync.send(vec![message]).await
    }
}
