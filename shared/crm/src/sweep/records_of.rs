//! Records of one kind that changed since the last sweep and differ from our snapshots.

use bitrix24::{Subject, SubjectAction};
use clients::Failure;
use jiff::Timestamp;
use jobs::HintOrigin;
use records::{Before, Record, RecordKind, RecordState, diff};
use runtime::snapshots::{ReadAhead, ReadMoment};
use runtime::store::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::FirstAnswer;
use super::hints::MissedChange;
use super::{OVERLAP, Sweep};
use crate::baseline;
use crate::pages::{ListedPages, Listing, PAGE};

/// Pages in one request.
const PAGES: usize = 20;

/// The progress of a kind's sweep.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct RecordsProgress {
    /// Everything that changed before this has been checked.
    complete_until: Option<Timestamp>,
    /// A pass that is under way.
    #[serde(default)]
    pass: Option<Pass>,
}

/// A pass through the changes of a period, by rising id.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Pass {
    since: Timestamp,
    until: Timestamp,
    last_id: u64,
}

/// What is swept of a kind, and from where on.
pub(super) struct RecordsPart {
    name: String,
    listing: Listing,
    progress: RecordsProgress,
    version: Option<Version>,
    pass: Pass,
}

impl RecordsPart {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What its first page is read with.
    pub(super) fn first(&self) -> (&'static str, Value) {
        let filter = self.listing.changed_since(self.pass.since);
        (self.listing.method(), self.listing.page_after(&filter, self.pass.last_id))
    }
}

/// Some of what changed, and whether that is all of it.
struct ListedChanges {
    records: Vec<(Record, RecordState)>,
    read: ReadMoment,
    is_last: bool,
}

impl Sweep<'_> {
    /// How far the records of a kind are.
    pub(super) async fn records_part(&self, kind: RecordKind) -> Result<RecordsPart, Failure> {
        let name = kind.to_string();
        let listing = Listing { kind, custom_fields: self.settings.fields_of(kind) };
        let (progress, version) = match self.crm.sweeps.recall::<RecordsProgress>(self.tenant(), &name).await? {
            Some((progress, version)) => (progress, Some(version)),
            None => (RecordsProgress::default(), None),
        };
        let watched = baseline::watched_since(&self.crm.backend, &self.portal, kind).await?;
        let begun = || {
            let since = progress.complete_until.map_or(watched, |complete| (complete - OVERLAP).max(watched));
            Pass { since, until: self.until(), last_id: 0 }
        };
        let pass = progress.pass.unwrap_or_else(begun);
        Ok(RecordsPart { name, listing, progress, version, pass })
    }

    /// Sweeps the records of a kind.
    pub(super) async fn records_of(
        &mut self,
        part: RecordsPart,
        mut first: Option<FirstAnswer>,
    ) -> Result<(), Failure> {
        let RecordsPart { name, listing, progress, mut version, mut pass } = part;
        let tenant = self.tenant().clone();
        loop {
            self.stay().await?;
            let changes = match first.take() {
                Some(first) => self.first_page(&listing, first)?,
                None => self.next_pages(&listing, pass).await?,
            };
            pass.until = pass.until.min(self.until());
            pass.last_id = changes.records.last().map_or(pass.last_id, |(record, _)| record.id());
            self.swept += changes.records.len() as u64;
            self.compare(changes.records, pass.until, changes.read).await?;
            let next = if changes.is_last {
                RecordsProgress { complete_until: Some(pass.until), pass: None }
            } else {
                RecordsProgress { pass: Some(pass), ..progress }
            };
            version = Some(self.crm.sweeps.remember(&tenant, &name, &next, version).await?);
            if changes.is_last || self.gives_way() {
                return Ok(());
            }
        }
    }

    fn first_page(&self, listing: &Listing, first: FirstAnswer) -> Result<ListedChanges, Failure> {
        let records = listing.states(&self.client, &mut first.result?)?;
        Ok(ListedChanges { is_last: records.len() < PAGE, records, read: first.read })
    }

    async fn next_pages(&mut self, listing: &Listing, pass: Pass) -> Result<ListedChanges, Failure> {
        let here = self.crm.backend.clock.now();
        let filter = listing.changed_since(pass.since);
        let ListedPages { records, started_at: there, is_last } =
            listing.after(&self.client, &filter, pass.last_id, PAGES).await?;
        self.note_time(there);
        Ok(ListedChanges { is_last, records, read: ReadMoment { here, there } })
    }

    async fn compare(
        &mut self,
        listed: Vec<(Record, RecordState)>,
        until: Timestamp,
        read: ReadMoment,
    ) -> Result<(), Failure> {
        let tenant = self.tenant().clone();
        let (mut found, mut readings) = (Vec::new(), Vec::new());
        for (record, state) in listed {
            let Some(at) = state.changed_at().filter(|at| *at <= until) else { continue };
            let known = self.crm.records.snapshot::<RecordState>(&tenant, &record.key()).await?;
            // A field that is synced with Notion may be one that no card shows.
            let is_mirrored = self.settings.notion.of(record.kind()).next().is_some();
            let is_news = known.as_ref().is_none_or(|(snapshot, _)| {
                snapshot.gone
                    || (is_mirrored && snapshot.state != state)
                    || !diff(record, Before::Known(&snapshot.state), &state).is_empty()
            });
            if !is_news {
                if self.awaits_older(&record.key(), &state).await? {
                    readings.push((record.key(), ReadAhead { state: Ok(state), read }));
                }
                continue;
            }
            found.push(MissedChange {
                subject: subject(record),
                at: Some(at),
                once: format!("sweep#{}#{}", record.key(), at.as_second()),
                origin: HintOrigin::Sweep,
                event: "sweep".into(),
            });
            readings.push((record.key(), ReadAhead { state: Ok(state), read }));
        }
        // The jobs of the hints use what was read here.
        self.crm.records.leave_readings(&tenant, &readings).await?;
        self.send(found).await
    }

    /// Whether a job may still use an older reading of a record. The record may be again as our snapshot has it, and would
    /// then go on as it was in between: nothing would tell of the way back.
    async fn awaits_older(&self, record: &str, state: &RecordState) -> Result<bool, Failure> {
        let left = self.crm.records.reading::<RecordState>(self.tenant(), record).await?;
        Ok(left.is_some_and(|left| left.state.as_ref() != Ok(state)))
    }
}

fn subject(record: Record) -> Subject {
    match record {
        Record::Item { entity, id } => Subject::Item { entity, id, action: SubjectAction::Update },
        Record::Task(id) => Subject::Task { id, action: SubjectAction::Update },
    }
}
