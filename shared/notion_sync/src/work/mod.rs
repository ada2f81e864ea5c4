//! Syncs a record and its Notion page: reads both, merges them with what they last agreed on, writes what is missing on
//! either side.
//!
//! Every signal ends here and none is trusted: only what both sides show now counts. An echo of our own write equals
//! the base, and ends here.
//!
//! A step never calls the next one: it returns it, and one loop carries the steps out ([`LinkWork::carry_out`]).

mod attention;
mod body;
mod gone;
pub(crate) mod join;
pub(crate) mod make;
pub(crate) mod matching;
mod outcome;
pub(crate) mod owner;
pub(crate) mod read;
mod record;
mod related;
pub(crate) mod undo;
mod write;

use std::time::Duration;

use clients::Failure;
use jiff::Timestamp;
use jobs::sync::{Signal, SyncJob, SyncSide};
use records::Record;
use runtime::job::ReceivedJob;
use runtime::queue::QueuedMessage;
use runtime::store::{StoreWrite, Version};

use crate::NotionSync;
use crate::database::{Open, OpenedDatabase};
use crate::link::{Apart, LinkState, PageLink, link_write};
use crate::work::read::Reads;

/// The result of a job.
pub(crate) enum SyncOutcome {
    /// Something was written.
    Done {
        /// The changes in words: `stageId → Notion`.
        changes: Vec<String>,
        /// Where it can be found.
        place: String,
    },
    /// Nothing had to be written, for this reason.
    Skip(String),
    /// Another job continues it, under the same trace and in the same line of the ledger.
    HandedOn,
    /// It is to be checked again after this time, for this reason.
    Wait(Duration, String),
}

/// The result of a job, with what is written in the same transaction as its line in the ledger.
pub(crate) struct SyncDecision {
    pub(crate) outcome: SyncOutcome,
    pub(crate) writes: Vec<StoreWrite>,
    /// What happens only once and is decided by this.
    pub(crate) claims: Vec<String>,
    /// The jobs that continue it.
    pub(crate) outbox: Vec<QueuedMessage>,
}

impl SyncDecision {
    pub(crate) fn skip(reason: impl Into<String>) -> Self {
        Self::of(SyncOutcome::Skip(reason.into()), Vec::new())
    }

    pub(crate) fn wait(after: Duration, cause: impl Into<String>) -> Self {
        Self::of(SyncOutcome::Wait(after, cause.into()), Vec::new())
    }

    pub(crate) fn done(changes: Vec<String>, place: String, writes: Vec<StoreWrite>) -> Self {
        Self::of(SyncOutcome::Done { changes, place }, writes)
    }

    pub(crate) fn handed_on(claims: Vec<String>, outbox: Vec<QueuedMessage>) -> Self {
        Self { claims, outbox, ..Self::of(SyncOutcome::HandedOn, Vec::new()) }
    }

    fn of(outcome: SyncOutcome, writes: Vec<StoreWrite>) -> Self {
        Self { outcome, writes, claims: Vec::new(), outbox: Vec::new() }
    }
}

/// The result of a step: the next step, or the end.
pub(crate) enum Next {
    /// The end of the job.
    End(SyncDecision),
    /// The side of the signal is read: if it shows what was agreed, nothing has to be done.
    Check,
    /// Both sides are read, merged and written.
    Merge,
    /// One of the two is gone.
    Part(Apart),
    /// A signal about a pair of which one was gone: it may be back.
    Recheck(Apart),
    /// The page was not recorded. `open`: a call may have created it.
    MakeAgain {
        /// Since when it is being made.
        since: Timestamp,
        open: bool,
    },
}

impl Next {
    fn skip(reason: impl Into<String>) -> Self {
        Self::End(SyncDecision::skip(reason))
    }

    fn wait(after: Duration, cause: impl Into<String>) -> Self {
        Self::End(SyncDecision::wait(after, cause))
    }

    /// The first step for a link.
    fn first(standing: &LinkState) -> Self {
        match standing {
            LinkState::Making { since, open } => Self::MakeAgain { since: *since, open: *open },
            LinkState::Together => Self::Check,
            LinkState::Apart { why, .. } => Self::Recheck(*why),
        }
    }
}

/// A link that is being worked on.
pub(crate) struct LinkWork<'a> {
    pub(crate) sync: &'a NotionSync,
    pub(crate) job: &'a ReceivedJob<SyncJob>,
    pub(crate) opened: &'a OpenedDatabase,
    pub(crate) signal: &'a Signal,
    pub(crate) link: PageLink,
    pub(crate) version: Version,
    pub(crate) reads: Reads,
}

/// Syncs a record and its page.
pub(crate) async fn sync(
    sync: &NotionSync,
    job: &ReceivedJob<SyncJob>,
    database: &str,
    record: Record,
    signal: &Signal,
) -> Result<SyncDecision, Failure> {
    let opened = match sync.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(SyncDecision::skip(format!("{}: {}", closed.code, closed.text))),
    };
    let (mut work, next) = match sync.links.get(&job.tenant, database, record).await? {
        Some((link, version)) => {
            let next = Next::first(&link.standing);
            (LinkWork { sync, job, opened: &opened, signal, link, version, reads: Reads::default() }, next)
        }
        None => match make::first(sync, job, &opened, record, signal).await? {
            Ok(begun) => begun,
            Err(decision) => return Ok(decision),
        },
    };
    work.carry_out(next).await
}

impl LinkWork<'_> {
    /// Carries out a step, and those that it leads to.
    pub(crate) async fn carry_out(&mut self, first: Next) -> Result<SyncDecision, Failure> {
        let mut next = first;
        loop {
            next = match next {
                Next::End(decision) => return Ok(decision),
                Next::Check => self.check().await?,
                Next::Merge => self.merge().await?,
                Next::Part(why) => gone::part(self, why).await?,
                Next::Recheck(why) => gone::recheck(self, why).await?,
                Next::MakeAgain { since, open } => make::again(self, since, open).await?,
            };
        }
    }

    pub(crate) fn record(&self) -> Record {
        self.link.record
    }

    fn page_id(&self) -> Result<String, Failure> {
        let missing = || Failure::permanent("no_page", format!("the link of {} has no page", self.link.record));
        self.link.page.clone().ok_or_else(missing)
    }

    /// When the signal arrived, if it is about Bitrix24.
    fn arrived(&self) -> Option<Timestamp> {
        (self.signal.side == Some(SyncSide::Bitrix24)).then(|| self.job.arrived_by())
    }

    /// Writes the link now; its next reader sees that this worker has it.
    pub(crate) async fn save(&mut self, also: Vec<StoreWrite>) -> Result<(), Failure> {
        let write = link_write(&self.job.tenant, &self.link, Some(self.version))?;
        self.sync.put([vec![write], also].concat()).await?;
        self.version += 1;
        Ok(())
    }

    /// The link's write, to go with the line in the ledger.
    fn last_write(&self) -> Result<StoreWrite, Failure> {
        Ok(link_write(&self.job.tenant, &self.link, Some(self.version))?)
    }
}
