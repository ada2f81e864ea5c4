//! A backfill: existing records and existing rows are matched and synced.
//!
//! It reads the rows and stores them by their number and by the keys of the settings, checks the numbers, notes which
//! records fit rows without one, and then syncs the records by rising number. Each step is stored before the next, so
//! an interrupted run continues. A plan is the same run without its writes: the same code decides both.

mod numbers;
mod rows;

use clients::{ErrorClass, Failure};
use crm::pages::{ListedPages, Listing};
use futures::StreamExt;
use futures::stream::iter;
use jiff::SignedDuration;
use jobs::sync::{Signal, SyncJob, SyncSide};
use notion::NotionPage;
use records::{Record, RecordState};
use runtime::TraceId;
use runtime::clock::until;
use runtime::job::ReceivedJob;
use runtime::store::Version;
use settings::databases::RowKey;

use crate::NotionSync;
use crate::database::{Open, OpenedDatabase};
use crate::fields::page::Context;
use crate::fields::{Merged, Policy, meet};
use crate::link::{LinkState, PageLink, link_write, owner_write};
use crate::plan::{EntryKind, FieldChange, MAX_ENTRIES, PlanLine, entry_write};
use crate::runs::{Phase, SyncRun};
use crate::work::matching::RowMatch;
use crate::work::read::{Reads, RecordRead};
use crate::work::{LinkWork, SyncDecision, make, matching, read};

/// Pages that are created in parallel: more would only wait for each other's answers.
const AT_ONCE: usize = 8;
/// After this time a job hands the run on: a function has a time-out.
const BUDGET: SignedDuration = SignedDuration::from_secs(30);
/// A job that was handed out so often hands the run on when it has to wait for the limit again: no queue hands a message
/// out for ever, and old ones count as late.
const MAX_RECEIPTS: u32 = 5;
/// Pages of records that are read at once to be compared with rows.
const PAGES_AT_ONCE: usize = 5;

/// What happened to a record.
enum Became {
    LinkedBefore,
    Linked(RowKey),
    Created,
    LeftOut,
    /// Several rows carry its number; they are listed already.
    Doubled,
    Refused(String),
    Failed(String),
}

/// A record, what happened to it, and how its sides differ.
struct RecordOutcome {
    record: Record,
    title: String,
    became: Became,
    rows: Vec<NotionPage>,
    merged: Option<Merged>,
    changes: Vec<FieldChange>,
    /// Whether the differences have to be checked, though the page could not be read here.
    unseen: bool,
}

impl RecordOutcome {
    fn new(record: Record, state: &RecordState, became: Became) -> Self {
        Self {
            record,
            title: state.title().unwrap_or_default(),
            became,
            rows: Vec::new(),
            merged: None,
            changes: Vec::new(),
            unseen: false,
        }
    }

    /// Whether one of the sides is written.
    fn is_change(&self) -> bool {
        self.unseen || self.merged.as_ref().is_some_and(|merged| !merged.is_quiet())
    }

    /// Whether the link's own job has something to write or to report.
    fn has_work(&self) -> bool {
        self.is_change() || self.merged.as_ref().is_some_and(|merged| !merged.stuck.is_empty())
    }

    /// The line that is kept of it, if any.
    fn entry(&self) -> Option<PlanLine> {
        let entry = |kind| PlanLine {
            rows: self.rows.iter().map(matching::row_ref).collect(),
            changes: self.changes.clone(),
            ..PlanLine::new(kind, self.record, self.title.clone())
        };
        Some(match &self.became {
            // Linked earlier by this run: its line was kept then.
            Became::Linked(_) if self.rows.is_empty() => return None,
            Became::Linked(key) => PlanLine { key: Some(key.words()), ..entry(EntryKind::Link) },
            Became::Created => entry(EntryKind::Make),
            Became::LinkedBefore if !self.changes.is_empty() => entry(EntryKind::Change),
            Became::Refused(why) | Became::Failed(why) => {
                PlanLine { why: Some(why.clone()), ..entry(EntryKind::Refused) }
            }
            Became::LinkedBefore | Became::LeftOut | Became::Doubled => return None,
        })
    }
}

/// A run in a worker's hands.
struct RunningBackfill<'a> {
    sync: &'a NotionSync,
    job: &'a ReceivedJob<SyncJob>,
    opened: &'a OpenedDatabase,
    run: SyncRun,
}

/// Continues a run for a while.
pub(crate) async fn go_on(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    name: &str,
    id: &str,
    slice: u64,
) -> Result<SyncDecision, Failure> {
    let Some((run, mut version)) = sync.runs.get(&job.tenant, id).await? else {
        return Ok(SyncDecision::skip("the run is not kept any more"));
    };
    if run.has_ended() {
        return Ok(SyncDecision::skip("the run has ended"));
    }
    if run.slices != slice {
        // Whoever did it may have been cut off before the next job was sent.
        return handed_on(sync, job, &run);
    }
    let opened = match sync.open(&job.tenant, name).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return stop(sync, job, run, version, closed.text.to_string()).await,
    };
    let began = sync.now();
    let mut running = RunningBackfill { sync, job, opened: &opened, run };
    loop {
        let step = match running.run.phase.clone() {
            Phase::Rows { .. } => rows::read(&mut running).await,
            Phase::Numbers { after } => numbers::read(&mut running, after).await,
            Phase::Keys { after } => running.keys(after).await,
            Phase::Records { after } => running.records(after).await,
            Phase::Done | Phase::Stopped { .. } => Ok(()),
        };
        let run = &mut running.run;
        run.touched_at = sync.now();
        run.waits_for = step.as_ref().err().map(|failure| failure.text.clone());
        let ended = run.phase == Phase::Done;
        if ended {
            run.ended_at = Some(sync.now());
        }
        version = sync.runs.put(&job.tenant, run, Some(version)).await?;
        match step {
            Err(failure) if is_final(&failure) => return stop(sync, job, running.run, version, failure.text).await,
            Err(failure) => {
                // Waiting for the limit is normal for a run, and not a failure.
                let ErrorClass::Throttled { until: moment } = failure.class else { return Err(failure) };
                if job.attempt >= MAX_RECEIPTS {
                    return hand_on(sync, job, running.run, version).await;
                }
                return Ok(SyncDecision::wait(until(sync.now(), moment), failure.text));
            }
            Ok(()) if ended => return Ok(done(&running.run)),
            Ok(()) if sync.now().duration_since(began) >= BUDGET => {
                return hand_on(sync, job, running.run, version).await;
            }
            Ok(()) => {}
        }
    }
}

/// Lets the next job continue.
async fn hand_on(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    mut run: SyncRun,
    version: Version,
) -> Result<SyncDecision, Failure> {
    run.slices += 1;
    sync.runs.put(&job.tenant, &run, Some(version)).await?;
    handed_on(sync, job, &run)
}

fn handed_on(sync: &NotionSync, job: &ReceivedJob<SyncJob>, run: &SyncRun) -> Result<SyncDecision, Failure> {
    Ok(SyncDecision::handed_on(Vec::new(), vec![run.next_job(&job.tenant, TraceId::new(sync.now()))?]))
}

/// Whether a run cannot go on without a person.
fn is_final(failure: &Failure) -> bool {
    matches!(&failure.class, ErrorClass::Permanent { .. })
}

async fn stop(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    mut run: SyncRun,
    version: Version,
    why: String,
) -> Result<SyncDecision, Failure> {
    run.phase = Phase::Stopped { why: why.clone() };
    run.ended_at = Some(sync.now());
    sync.runs.put(&job.tenant, &run, Some(version)).await?;
    Ok(SyncDecision::skip(format!("the run stopped: {why}")))
}

fn done(run: &SyncRun) -> SyncDecision {
    let text = summary(run);
    if run.dry {
        SyncDecision::skip(format!("dry run: {text}"))
    } else {
        SyncDecision::done(vec![text], run.id.clone(), Vec::new())
    }
}

fn summary(run: &SyncRun) -> String {
    let counts = &run.counts;
    format!(
        "{} rows, {} records: {} made, {} linked by number, {} by title or name, {} by another key, {} brought into step, {} failed; {} records with several rows, {} rows whose number fits no record",
        counts.rows,
        counts.records,
        counts.created,
        counts.linked_by_id,
        counts.linked_by_title,
        counts.linked_by_key,
        counts.changed,
        counts.failed,
        counts.doubles,
        counts.strays
    )
}

impl RunningBackfill<'_> {
    fn listing(&self) -> Listing {
        Listing { kind: self.opened.kind(), custom_fields: matching::extra_fields(self.opened) }
    }

    /// The link of a record, if it has one.
    async fn link(&self, record: Record) -> Result<Option<PageLink>, Failure> {
        let found = self.sync.links.get(self.tenant(), &self.opened.database.name, record).await?;
        Ok(found.map(|(link, _)| link))
    }

    /// Stores lines, up to the limit of a run.
    async fn note(&mut self, entries: Vec<PlanLine>) -> Result<(), Failure> {
        let mut writes = Vec::new();
        for entry in entries {
            if self.run.counts.entries >= MAX_ENTRIES {
                break;
            }
            self.run.counts.entries += 1;
            writes.push(entry_write(self.tenant(), &self.run.id, &entry, self.sync.now())?);
            if self.run.dry || entry.kind != EntryKind::Make {
                self.run.note(in_words(&entry, self.run.dry));
            }
        }
        self.write(writes).await
    }

    /// Notes which records fit rows without a number.
    async fn keys(&mut self, after: u64) -> Result<(), Failure> {
        let (sync, opened) = (self.sync, self.opened);
        if !rows::are_compared(opened, self.run.counts.unnumbered) {
            self.run.phase = Phase::Records { after: 0 };
            return Ok(());
        }
        let ListedPages { records: listed, is_last, .. } =
            self.listing().after(&opened.bitrix24, &serde_json::json!({}), after, PAGES_AT_ONCE).await?;
        sync.learn_names(opened, &listed).await;
        for (record, state) in &listed {
            if self.link(*record).await?.is_some() || matching::left_out(opened, *record, state)?.is_some() {
                continue;
            }
            let context = sync.context(opened, *record, Some(state), None).await?;
            rows::note_record(self, *record, &matching::of_record(opened, *record, state, &context)).await?;
        }
        self.run.phase = match listed.last() {
            Some((last, _)) if !is_last => Phase::Keys { after: last.id() },
            _ => Phase::Records { after: 0 },
        };
        Ok(())
    }

    /// Processes a page of records.
    async fn records(&mut self, after: u64) -> Result<(), Failure> {
        let (sync, opened) = (self.sync, self.opened);
        let read_at = sync.now();
        let ListedPages { records: listed, is_last, .. } =
            self.listing().after(&opened.bitrix24, &serde_json::json!({}), after, 1).await?;
        sync.learn_names(opened, &listed).await;
        let ids: Vec<_> = listed.iter().map(|(record, _)| record.id()).collect();
        let mut outcomes = Vec::new();
        let mut first = Ok(());
        {
            let this = &*self;
            let work = listed.into_iter().map(|(record, state)| async move {
                let read = RecordRead { state, read_at, fresh: true };
                this.one(record, &read).await
            });
            // In order, so that the last number says how far the run is.
            let mut working = iter(work).buffered(AT_ONCE);
            while let Some(outcome) = working.next().await {
                match outcome {
                    Ok(outcome) if first.is_ok() => outcomes.push(outcome),
                    Err(failure) if first.is_ok() => first = Err(failure),
                    // What was done after a failure is counted when the run reaches it again: its link says who made
                    // it.
                    Ok(_) | Err(_) => {}
                }
            }
        }
        let done = outcomes.last().map_or(after, |outcome| outcome.record.id());
        for outcome in &outcomes {
            count(&mut self.run, outcome);
        }
        self.note(outcomes.iter().filter_map(RecordOutcome::entry).collect()).await?;
        self.run.phase = if is_last && first.is_ok() { Phase::Done } else { Phase::Records { after: done.max(after) } };
        debug_assert!(first.is_err() || ids.last().is_none_or(|last| *last == done));
        first
    }

    /// Processes a record: what happens to it, and how its two sides differ.
    async fn one(&self, record: Record, read: &RecordRead) -> Result<RecordOutcome, Failure> {
        let (sync, opened, state) = (self.sync, self.opened, &read.state);
        if let Some(link) = self.link(record).await? {
            return self.known(&link, state).await;
        }
        let context = sync.context(opened, record, Some(state), None).await?;
        let traits = matching::of_record(opened, record, state, &context);
        let row = rows::of(self, record, &traits).await?;
        // A number on a row makes it that record's row, whatever the condition of the database says.
        if !matches!(&row, RowMatch::One(_, RowKey::Number)) {
            let is_old = self.run.since.is_some_and(|since| state.changed_at().is_none_or(|at| at < since));
            if is_old || matching::left_out(opened, record, state)?.is_some() {
                return Ok(RecordOutcome::new(record, state, Became::LeftOut));
            }
        }
        match row {
            RowMatch::One(page, key) => self.link_with(record, state, *page, key).await,
            RowMatch::Refused { rows, .. } if rows.iter().any(|page| matching::number(opened, page).is_some()) => {
                Ok(RecordOutcome::new(record, state, Became::Doubled))
            }
            RowMatch::Refused { why, rows } => {
                let why = why.text(opened.settings.language).to_owned();
                Ok(RecordOutcome { rows, ..RecordOutcome::new(record, state, Became::Refused(why)) })
            }
            RowMatch::None if self.run.dry => Ok(RecordOutcome::new(record, state, Became::Created)),
            RowMatch::None => self.create(record, read, context).await,
        }
    }

    /// Links a record with an existing row.
    async fn link_with(
        &self,
        record: Record,
        state: &RecordState,
        page: NotionPage,
        key: RowKey,
    ) -> Result<RecordOutcome, Failure> {
        let (sync, opened) = (self.sync, self.opened);
        let mut link = PageLink::making(&opened.database.name, record, sync.now());
        link.page = Some(page.id.clone());
        link.standing = LinkState::Together;
        link.title = state.title().unwrap_or_default();
        link.made_by = Some(self.run.id.clone());
        let (merged, changes) = self.compare(&link, state, &page).await?;
        let is_numbered = key == RowKey::Number;
        let mut outcome = RecordOutcome { changes, ..RecordOutcome::new(record, state, Became::Linked(key)) };
        if !self.run.dry {
            if !is_numbered && let Err(failure) = matching::write_number(opened, &page.id, record).await {
                let ErrorClass::Permanent { code } = &failure.class else { return Err(failure) };
                if stops_all(code) {
                    return Err(failure);
                }
                return Ok(RecordOutcome {
                    rows: vec![page],
                    ..RecordOutcome::new(record, state, Became::Failed(failure.text))
                });
            }
            link.base = merged.agreed.clone();
            link.synced_at = Some(sync.now());
            let owner = owner_write(self.tenant(), &page.id, &link)?;
            sync.put(vec![link_write(self.tenant(), &link, None)?, owner]).await?;
        }
        outcome.rows = vec![page];
        outcome.merged = Some(merged);
        if !self.run.dry && outcome.has_work() {
            self.hand_on(record).await?;
        }
        Ok(outcome)
    }

    /// Processes a linked record: whether its sides differ.
    async fn known(&self, link: &PageLink, state: &RecordState) -> Result<RecordOutcome, Failure> {
        let by_this = link.made_by.as_deref() == Some(self.run.id.as_str());
        let made = by_this && link.sync_source == Some(SyncSide::Bitrix24);
        let became = match (by_this, made) {
            (false, _) => Became::LinkedBefore,
            (true, true) => Became::Created,
            // By which key is in its line, which was kept when it was linked.
            (true, false) => Became::Linked(RowKey::Number),
        };
        let mut outcome = RecordOutcome::new(link.record, state, became);
        if let LinkState::Making { .. } = link.standing {
            // Its own job determines whether the call succeeded.
            if !self.run.dry {
                self.hand_on(link.record).await?;
            }
            return Ok(outcome);
        }
        if by_this || !link.is_together() {
            return Ok(outcome);
        }
        let row = match &link.page {
            Some(page) => self.row(page).await?,
            None => None,
        };
        match row {
            Some(row) => {
                let (merged, changes) = self.compare(link, state, &row).await?;
                (outcome.merged, outcome.changes, outcome.rows) = (Some(merged), changes, vec![row]);
            }
            // The row is no longer in the database: its own job determines why.
            None => outcome.unseen = true,
        }
        if outcome.is_change() && !self.run.dry {
            self.hand_on(link.record).await?;
        }
        Ok(outcome)
    }

    async fn compare(
        &self,
        link: &PageLink,
        state: &RecordState,
        page: &NotionPage,
    ) -> Result<(Merged, Vec<FieldChange>), Failure> {
        let opened = self.opened;
        let context = self.sync.context(opened, link.record, Some(state), Some(page)).await?;
        let bitrix24 = read::portal_side(opened, link.record, state, &context);
        let notion = read::page_side(opened, link, page, None, &context);
        let policy: Policy = opened.fields.iter().map(|field| (field.key().to_owned(), field.master())).collect();
        let merged = meet(&link.base, &bitrix24, &notion, &policy, opened.database.first);
        let changes = matching::changes(opened, &merged, &bitrix24, &notion, &context);
        Ok((merged, changes))
    }

    /// Hands the record over to the link's own job.
    async fn hand_on(&self, record: Record) -> Result<(), Failure> {
        let SyncJob::Backfill { database, .. } = &self.job.body else { return Ok(()) };
        let next = SyncJob::Record { database: database.clone(), record, signal: Signal::both("backfill") };
        let once = format!("backfill#{}#{}", self.run.id, record.key());
        let mirror = self.sync;
        mirror.send(vec![crate::message(&next, self.tenant(), TraceId::new(self.sync.now()), &once)?]).await
    }

    async fn create(&self, record: Record, read: &RecordRead, context: Context) -> Result<RecordOutcome, Failure> {
        let (sync, opened, state) = (self.sync, self.opened, &read.state);
        let created = || RecordOutcome::new(record, state, Became::Created);
        // The rows that this run has read may lack what was created before a restore: the record's own job searches.
        let may_exist = sync.connections.generation().is_doubtful(self.run.began_at).await?;
        if may_exist || !sync.awaited(opened, record, state).await?.is_empty() {
            self.hand_on(record).await?;
            return Ok(created());
        }
        let mut link = PageLink::making(&opened.database.name, record, sync.now());
        link.made_by = Some(self.run.id.clone());
        link.sync_source = Some(SyncSide::Bitrix24);
        let version = sync.begin(link_write(self.tenant(), &link, None)?).await?;
        let signal = Signal::both("backfill");
        let reads = Reads { context: Some(context), ..Reads::default() };
        let mut work = LinkWork { sync, job: self.job, opened, signal: &signal, link, version, reads };
        match make::make_page(&mut work, read).await {
            Ok(_) => {
                if work.link.body_open {
                    self.hand_on(record).await?;
                }
                Ok(created())
            }
            // Its own job determines whether it was created.
            Err(failure) if failure.class == ErrorClass::UnknownOutcome => {
                self.hand_on(record).await?;
                Ok(created())
            }
            Err(failure) => {
                // Certainly nothing was created: the run reaches it again.
                sync.links.forget(self.tenant(), &work.link).await?;
                match &failure.class {
                    ErrorClass::Permanent { code } if !stops_all(code) => {
                        Ok(RecordOutcome::new(record, state, Became::Failed(failure.text)))
                    }
                    _ => Err(failure),
                }
            }
        }
    }
}

/// Whether a refusal for one record will be the same for all.
fn stops_all(code: &str) -> bool {
    ["block_limit", "object_not_found", "restricted_resource"].contains(&code)
}

/// A line as a sentence.
fn in_words(entry: &PlanLine, dry: bool) -> String {
    let would = if dry { "would be " } else { "" };
    let what = match entry.record {
        Some(record) => record.to_string(),
        None => entry.rows.first().map_or_else(String::new, |row| format!("row {}", row.url)),
    };
    match (entry.kind, &entry.key, &entry.why) {
        (EntryKind::Link, Some(key), _) => format!("{what}: {would}linked to the row with its {key}"),
        (EntryKind::Make, ..) => format!("{what}: a page would be made"),
        (_, _, Some(why)) => format!("{what}: {why}"),
        _ => format!("{what}: {} fields differ", entry.changes.len()),
    }
}

fn count(run: &mut SyncRun, outcome: &RecordOutcome) {
    let counts = &mut run.counts;
    counts.records += 1;
    counts.changed += u64::from(outcome.is_change());
    counts.undecided += outcome.merged.as_ref().map_or(0, |merged| merged.stuck.len() as u64);
    match &outcome.became {
        Became::LinkedBefore => counts.linked_before += 1,
        Became::Linked(RowKey::Number) => counts.linked_by_id += 1,
        Became::Linked(RowKey::Title | RowKey::FullName) => counts.linked_by_title += 1,
        Became::Linked(_) => counts.linked_by_key += 1,
        Became::Created => counts.created += 1,
        Became::LeftOut => counts.left_out += 1,
        Became::Failed(_) => counts.failed += 1,
        Became::Refused(_) | Became::Doubled => {
            counts.failed += 1;
            counts.refused += 1;
        }
    }
}
