//! A record and its page: what changed on either side since they last agreed is written to the other.

use std::collections::BTreeMap;
use std::time::Duration;

use clients::Failure;
use jiff::{SignedDuration, Timestamp};
use jobs::sync::SyncSide;
use locale::{Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use runtime::store::StoreWrite;

use crate::conflicts;
use crate::conflicts::StoredConflict;
use crate::fields::page::Context;
use crate::fields::written::{Held, Retry, set_aside};
use crate::fields::{Base, Cell, Merged, Policy, Sides, meet, recover};
use crate::link::{PageLink, RecordedWrite, Resting};
use crate::work::attention::rest_until;
use crate::work::outcome::WrittenFields;
use crate::work::read::{BothSides, PairRead};
use crate::work::related::MAX_WAITS;
use crate::work::{LinkWork, Next, SyncDecision, attention, body, read, related, write};

/// A younger change waits: a person may still be typing, and Notion saves each pause.
const REST: SignedDuration = SignedDuration::from_secs(3);
/// The longest wait.
const MAX_REST: SignedDuration = SignedDuration::from_secs(90);
/// Notion's times are whole minutes.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// The same value written to the same field so often within an hour …
const MAX_FLIPS: usize = 6;
/// … means that something keeps undoing our writes: the link rests until the hour is over.
const FLIPS_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// The most writes that are remembered.
const MAX_WRITTEN: usize = 60;

impl LinkWork<'_> {
    /// Whether a merge since the signal arrived has seen its change.
    fn is_satisfied(&self) -> bool {
        let arrived = self.job.arrived_by();
        let seen = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment > arrived);
        match self.signal.side {
            Some(SyncSide::Bitrix24) => seen(self.link.seen.bitrix24),
            Some(SyncSide::Notion) => seen(self.link.seen.notion),
            None => false,
        }
    }

    /// Reads the side that reported a change: mostly it is an echo, and then the other side need not be read.
    pub(super) async fn check(&mut self) -> Result<Next, Failure> {
        body::complete(self).await?;
        if self.link.resting.is_some() {
            return Ok(Next::Merge);
        }
        if self.is_satisfied() && self.link.intents.is_empty() {
            return Ok(Next::skip("already covered by a later read"));
        }
        let Some(side) = self.signal.side else { return Ok(Next::Merge) };
        let gone = match side {
            SyncSide::Bitrix24 => self.read_record().await?,
            SyncSide::Notion => self.read_page().await?,
        };
        if let Some(why) = gone {
            return Ok(Next::Part(why));
        }
        let sides = self.side_alone(side).await?;
        if read::is_base(&self.link, &sides, side) {
            return Ok(Next::skip("an echo: it shows what both last agreed on"));
        }
        Ok(Next::Merge)
    }

    /// Reads both sides, merges them and writes what is missing on either.
    pub(super) async fn merge(&mut self) -> Result<Next, Failure> {
        body::complete(self).await?;
        let pair = match self.read_both().await? {
            Ok(pair) => pair,
            Err(why) => return Ok(Next::Part(why)),
        };
        let (base, held, merged) = self.merged(&pair.shown);
        if self.is_second_look() && self.leads_to_missing(&merged.stuck) && self.job.attempt <= MAX_WAITS {
            related::request_pages(self.sync, self.job, self.opened, self.record(), &pair.record.state).await?;
            return Ok(Next::wait(Duration::from_secs(3), "the pages that it leads to are made first"));
        }
        if !merged.to_bitrix24.is_empty() && !pair.record.fresh {
            // The portal is about to be written: what an event's decision read may be outdated.
            self.read_record_again(pair);
            return Ok(Next::Merge);
        }
        (self.link.base, self.link.held) = (base, held);
        Ok(Next::End(self.settle(pair, merged).await?))
    }

    /// The merge, with the values that a provider did not keep: they are written again only if a side changed or a
    /// person asked for it; those that were refused with an error also if something else is written.
    fn merged(&self, both: &BothSides) -> (Base, Vec<Held>, Merged) {
        let mut base = self.link.base.clone();
        recover(&mut base, &self.link.intents, &both.bitrix24, &both.notion);
        let policy = self.policy();
        let merged = |retry: Retry| {
            let (mut base, mut bitrix24, mut notion) = (base.clone(), both.bitrix24.clone(), both.notion.clone());
            let held = set_aside(&mut base, &self.link.held, &mut bitrix24, &mut notion, retry);
            let merged = meet(&base, &bitrix24, &notion, &policy, self.opened.database.first);
            (base, held, merged)
        };
        if self.signal.side.is_none() {
            return merged(Retry::All);
        }
        let first = merged(Retry::Never);
        if first.2.is_quiet() || !first.1.iter().any(|held| held.refused) { first } else { merged(Retry::Refused) }
    }

    fn policy(&self) -> Policy {
        self.opened.fields.iter().map(|field| (field.key().to_owned(), field.master())).collect()
    }

    /// Writes the result of a merge, or says why it waits.
    async fn settle(&mut self, pair: PairRead, merged: Merged) -> Result<SyncDecision, Failure> {
        let (now, seen) = (self.sync.now(), pair.seen());
        self.link.title = pair.record.state.title().unwrap_or_default();
        if merged.is_quiet() {
            return self.quiet(merged, &pair).await;
        }
        if let Some(wait) = self.rest(&merged, &pair.shown, now) {
            let write = self.last_write()?;
            return Ok(SyncDecision {
                writes: vec![write],
                ..SyncDecision::wait(wait, "someone may still be editing")
            });
        }
        if let Some((to, field, until)) = self.writes_against_us(&merged, now).await? {
            let mut writes = self.set_resting((to, &field), until, &pair.shown, &pair.context)?;
            writes.push(self.last_write()?);
            let wait = SyncDecision::wait(rest_until(now, until), "something keeps undoing the sync; it pauses");
            return Ok(SyncDecision { writes, ..wait });
        }
        let kept = self.kept(&merged, now);
        for conflict in &kept {
            tracing::warn!(trace = %self.job.trace, tenant = %self.job.tenant, record = %self.link.record, line = conflict.line(), "conflict");
            self.sync.backend.metrics.count("sync_conflicts", "notion");
        }
        // Before any write: what will be written, and what will be overwritten.
        self.link.resting = None;
        self.link.intents = merged.intents(&pair.shown.bitrix24, &pair.shown.notion);
        let lines: Result<Vec<_>, _> =
            kept.iter().map(|kept| conflicts::conflict_write(&self.job.tenant, kept)).collect();
        self.save(lines?).await?;
        let done = self.write(pair, &merged.to_bitrix24, &merged.to_notion).await?;
        self.link.base.extend(merged.agreed);
        let mut changes = done.changes.clone();
        self.link.intents.clear();
        self.link.sync_source = Some(if merged.to_bitrix24.is_empty() { SyncSide::Bitrix24 } else { SyncSide::Notion });
        self.link.synced_at = Some(now);
        self.link.seen = seen;
        let mut writes = self.set_stuck(merged.stuck, &done.now, &done.context).await?;
        for conflict in kept {
            if self.link.held.iter().any(|held| held.field == conflict.conflict.field) {
                writes.push(conflicts::removal(&self.job.tenant, &conflict.id));
            } else {
                changes.push(conflict.line());
            }
        }
        writes.push(self.last_write()?);
        Ok(self.settled(changes, done.place, writes))
    }

    /// Writes to both sides, and takes the outcome into the link.
    pub(super) async fn write(
        &mut self,
        pair: PairRead,
        to_bitrix24: &BTreeMap<String, Cell>,
        to_notion: &BTreeMap<String, Cell>,
    ) -> Result<PairWritten, Failure> {
        let (record, at) = (self.record(), self.sync.now());
        let (mut state, mut page, mut refused) = (pair.record.state, pair.page.page, Vec::new());
        if !to_bitrix24.is_empty() {
            let written = write::to_portal(self.sync, self.opened, record, &state, to_bitrix24).await?;
            (state, refused) = (written.now, written.refused);
        }
        if !to_notion.is_empty() {
            let written = write::to_page(self.opened, &page, to_notion, &pair.context).await?;
            page = written.now;
            refused.extend(written.refused);
        }
        self.sync.backend.metrics.count("sync_writes", "notion");
        let context = self.sync.extend(Some(pair.context), self.opened, record, Some(&state), Some(&page)).await?;
        let now = BothSides {
            bitrix24: read::portal_side(self.opened, record, &state, &context),
            notion: read::page_side_after(self.opened, &self.link, to_notion, &page, &context),
        };
        let (before, refused) = (&pair.shown, &refused);
        let written = WrittenFields { to_bitrix24, to_notion, before, now: &now, refused, context: &context, at };
        let changes = written.take_into(&mut self.link, self.opened);
        let surplus = self.link.written.len().saturating_sub(MAX_WRITTEN);
        self.link.written.drain(..surplus);
        self.link.written.retain(|written| at.duration_since(written.at) < FLIPS_WITHIN);
        Ok(PairWritten { changes, now, context, place: page.url })
    }

    /// The result of a job: what was changed and what could not be; a change that only one side shows does not count as
    /// delivered.
    pub(crate) fn settled(&self, mut changes: Vec<String>, place: String, writes: Vec<StoreWrite>) -> SyncDecision {
        let stuck = self.link.all_stuck();
        if changes.is_empty() {
            return SyncDecision { writes, ..SyncDecision::skip(attention::line(self.opened, &stuck)) };
        }
        if !stuck.is_empty() {
            changes.push(attention::line(self.opened, &stuck));
        }
        SyncDecision::done(changes, place, writes)
    }

    /// Nothing has to be written, but more may be known of the link.
    async fn quiet(&mut self, merged: Merged, pair: &PairRead) -> Result<SyncDecision, Failure> {
        let before = self.link.clone();
        self.link.base.extend(merged.agreed);
        self.link.intents.clear();
        self.link.resting = None;
        self.link.seen = pair.seen();
        let writes = self.set_stuck(merged.stuck, &pair.shown, &pair.context).await?;
        let stuck = self.link.all_stuck();
        let reason =
            if stuck.is_empty() { "both sides agree".to_owned() } else { attention::line(self.opened, &stuck) };
        let mut settled = SyncDecision { writes, ..SyncDecision::skip(reason) };
        let is_news = |link: &PageLink| PageLink { seen: before.seen.clone(), ..link.clone() } != before;
        // Other jobs may wait behind this one with older signals; they need not read again.
        if is_news(&self.link) || self.job.attempt > 1 {
            self.link.synced_at = Some(self.sync.now());
            settled.writes.push(self.last_write()?);
        }
        Ok(settled)
    }

    fn kept(&self, merged: &Merged, at: Timestamp) -> Vec<StoredConflict> {
        let kept = |conflict: &crate::fields::Conflict| StoredConflict {
            id: conflicts::id(self.job.trace, &self.link.database, &conflict.field),
            at,
            trace: self.job.trace,
            database: self.link.database.clone(),
            record: self.link.record,
            title: self.link.title.clone(),
            property: self
                .opened
                .field(&conflict.field)
                .map_or_else(|| conflict.field.clone(), |field| field.property.name.clone()),
            conflict: conflict.clone(),
            undone: None,
        };
        merged.conflicts.iter().map(kept).collect()
    }

    /// How long a change still waits: until it looks the same after a pause.
    fn rest(&mut self, merged: &Merged, both: &BothSides, now: Timestamp) -> Option<Duration> {
        // A person or a run asked for it: at once.
        self.signal.side?;
        let young = |edited: Option<Timestamp>, exact: SignedDuration| {
            edited.is_some_and(|edited| now.duration_since(edited) < exact + REST)
        };
        let is_young = (!merged.to_notion.is_empty() && young(both.bitrix24.edited_at, SignedDuration::ZERO))
            || (!merged.to_bitrix24.is_empty() && young(both.notion.edited_at, MINUTE));
        let shown = shown(both);
        match &self.link.resting {
            Some(resting) if resting.shown == shown || now.duration_since(resting.since) >= MAX_REST => None,
            None if !is_young => None,
            before => {
                let since = before.as_ref().map_or(now, |before| before.since);
                self.link.resting = Some(Resting { since, shown });
                Some(REST.unsigned_abs())
            }
        }
    }

    /// How long the link rests because what it writes is undone again and again: by a robot of the portal, by an
    /// automation in Notion.
    async fn writes_against_us(
        &self,
        merged: &Merged,
        now: Timestamp,
    ) -> Result<Option<(SyncSide, String, Timestamp)>, Failure> {
        let recent = |to: SyncSide, field: &str, cell: &Cell| {
            let same = |written: &&RecordedWrite| {
                written.to == to
                    && written.field == field
                    && cell.is(&written.cell)
                    && now.duration_since(written.at) < FLIPS_WITHIN
            };
            self.link.written.iter().filter(same).map(|written| written.at).collect::<Vec<_>>()
        };
        for (to, cells) in [(SyncSide::Bitrix24, &merged.to_bitrix24), (SyncSide::Notion, &merged.to_notion)] {
            for (field, cell) in cells {
                let flips = recent(to, field, cell);
                let Some(first) = flips.first().filter(|_| flips.len() >= MAX_FLIPS) else { continue };
                let what = self.link.record.to_string();
                let until = runtime::clock::later(*first, FLIPS_WITHIN.unsigned_abs());
                let alert = Alert {
                    kind: "sync_loop",
                    what: &what,
                    once: &format!("{}#{}#{field}", self.link.database, self.link.record.key()),
                    again_after: Duration::from_secs(6 * 60 * 60),
                    head: loop_head(&self.link),
                    lines: vec![loop_line(field, cell, to, until)],
                };
                alert::raise(&self.sync.backend, &self.opened.portal, &alert).await?;
                return Ok(Some((to, field.clone(), until)));
            }
        }
        Ok(None)
    }
}

/// The outcome of writing to both sides.
pub(crate) struct PairWritten {
    /// The changes in words: `stageId → Notion`.
    pub(crate) changes: Vec<String>,
    /// What both sides show now.
    pub(crate) now: BothSides,
    pub(crate) context: Context,
    /// The page's address.
    pub(crate) place: String,
}

/// What both sides show, to check a moment later whether it is still the same.
fn shown(both: &BothSides) -> String {
    let cells = |sides: &Sides| {
        serde_json::to_string(&sides.fields.values().map(|reading| reading.cell.kept()).collect::<Vec<_>>())
    };
    [cells(&both.bitrix24), cells(&both.notion)]
        .into_iter()
        .map(Result::unwrap_or_default)
        .collect::<Vec<_>>()
        .join("|")
}

fn loop_head(link: &PageLink) -> Localized {
    Localized::of(|language| texts::alerts::SyncLoop { record: link.record.title(language), title: link.title.clone() })
}

fn loop_line(field: &str, cell: &Cell, to: SyncSide, until: Timestamp) -> Localized {
    Localized::of(|language| texts::alerts::SyncLoopField {
        field: field.to_owned(),
        value: cell.to_string(),
        side: to.title(language).to_owned(),
        times: MAX_FLIPS as u64,
        until: until.strftime("%H:%M UTC").to_string(),
    })
}

#[cfg(test)]
mod tests {
    use locale::{Language, assert_from_the_catalogues, in_pseudo};

    use super::*;

    #[test]
    fn the_alert_about_what_undoes_the_sync_comes_from_the_catalogues() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let link = PageLink::making("Сделки", records::Record::Task(7), now);
        let all = in_pseudo(|| [loop_head(&link), loop_line("поле", &Cell::Number("5".into()), SyncSide::Notion, now)]);
        for text in &all {
            assert_from_the_catalogues(text.text(Language::En));
        }
    }
}
