//! A record and its page: what changed on either side since they last agreed is written to the other.

use std::collections::BTreeMap;
use std::time::Duration;

use clients::Failure;
use jiff::{SignedDuration, Timestamp};
use jobs::sync::Side;
use jobs::sync::{Signal, SyncJob};
use locale::{Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use notion::Page;
use notion_sync::conflicts;
use notion_sync::conflicts::Kept;
use notion_sync::database::{Open, Opened};
use notion_sync::fields::page::Context;
use notion_sync::fields::written::{Held, Retry, set_aside};
use notion_sync::fields::{Base, Cell, Merged, Policy, Sides, meet, recover};
use notion_sync::link::{Apart, Link, Standing};
use notion_sync::link::{Resting, Seen, Written, link_write};
use records::{Record, State};
use runtime::job::ReceivedJob;
use runtime::store::{Version, Write};

use crate::attention::rest_until;
use crate::outcome::{Both, Made};
use crate::read::Known;
use crate::{Deps, Settled, attention, body, gone, make, read, write};

/// A change that is younger is left to come to rest: somebody may still be typing, and Notion saves each pause.
const REST: SignedDuration = SignedDuration::from_secs(3);
/// But no longer than this.
const MAX_REST: SignedDuration = SignedDuration::from_secs(90);
/// Notion's times are whole minutes.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// The same value written to the same field so often within an hour …
const MAX_FLIPS: usize = 6;
/// … means that something writes against us: the link rests until the hour is over.
const FLIPS_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// Writes that are remembered.
const MAX_WRITTEN: usize = 60;

/// A link that is being worked on.
pub(crate) struct Work<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) job: &'a ReceivedJob<SyncJob>,
    pub(crate) opened: &'a Opened,
    pub(crate) signal: &'a Signal,
    pub(crate) link: Link,
    pub(crate) version: Version,
}

/// Syncs a record and its page.
pub(crate) async fn sync(
    deps: &Deps,
    job: &ReceivedJob<SyncJob>,
    database: &str,
    record: Record,
    signal: &Signal,
) -> Result<Settled, Failure> {
    let opened = match deps.mirror.open(&job.tenant, database).await? {
        Open::Ready(opened) => opened,
        Open::Closed(closed) => return Ok(Settled::skip(format!("{}: {}", closed.code, closed.text))),
    };
    let found = deps.mirror.links.get(&job.tenant, database, record).await?;
    let Some((link, version)) = found else { return Box::pin(make::first(deps, job, &opened, record, signal)).await };
    let standing = link.standing.clone();
    let work = Work { deps, job, opened: &opened, signal, link, version };
    match standing {
        Standing::Making { since, open } => Box::pin(make::again(work, since, open)).await,
        Standing::Together => work.together(true).await,
        Standing::Apart { why, .. } => gone::look_again(work, why).await,
    }
}

impl Work<'_> {
    pub(crate) fn record(&self) -> Record {
        self.link.record
    }

    fn page_id(&self) -> Result<String, Failure> {
        let missing = || Failure::permanent("no_page", format!("the link of {} has no page", self.link.record));
        self.link.page.clone().ok_or_else(missing)
    }

    /// Writes the link now; its next reader sees that this worker has it.
    pub(crate) async fn save(&mut self, also: Vec<Write>) -> Result<(), Failure> {
        let write = link_write(&self.job.tenant, &self.link, Some(self.version))?;
        self.deps.put([vec![write], also].concat()).await?;
        self.version += 1;
        Ok(())
    }

    /// The link's write, to go with the line in the ledger.
    pub(crate) fn last_write(&self) -> Result<Write, Failure> {
        Ok(link_write(&self.job.tenant, &self.link, Some(self.version))?)
    }

    /// Whether a merge since the signal arrived has seen its change.
    fn is_satisfied(&self) -> bool {
        let arrived = self.job.arrived_at();
        let seen = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment > arrived);
        match self.signal.side {
            Some(Side::Bitrix24) => seen(self.link.seen.bitrix24),
            Some(Side::Notion) => seen(self.link.seen.notion),
            None => false,
        }
    }

    /// Brings both sides into step. `quickly`: a side that shows what was agreed is not looked at any further.
    pub(crate) async fn together(mut self, quickly: bool) -> Result<Settled, Failure> {
        if self.link.body_open {
            body::complete(&mut self).await?;
        }
        if quickly && self.is_satisfied() && self.link.resting.is_none() && self.link.intents.is_empty() {
            return Ok(Settled::skip("already covered by a later read"));
        }
        let arrived = (self.signal.side == Some(Side::Bitrix24)).then(|| self.job.arrived_at());
        // The side that reported a change first: mostly it is an echo, and then the other need not be asked.
        if let Some(side) = self.signal.side.filter(|_| quickly && self.link.resting.is_none()) {
            match self.is_an_echo(side, arrived).await? {
                Looked::Echo => return Ok(Settled::skip("an echo: it shows what both last agreed on")),
                Looked::Gone(why) => return gone::part(self, why).await,
                Looked::Changed => {}
            }
        }
        let Some(known) = read::record(self.deps, self.opened, self.record(), arrived).await? else {
            return gone::part(self, Apart::RecordGone).await;
        };
        let notion_read_at = self.deps.now();
        let Some(page) = read::page(self.opened, &self.page_id()?).await? else {
            return gone::part(self, Apart::PageGone).await;
        };
        if let Some(why) = misplaced(self.opened, &page) {
            return gone::part(self, why).await;
        }
        let seen = Seen { bitrix24: Some(known.read_at), notion: Some(notion_read_at) };
        self.merge(known, page, seen).await
    }

    async fn is_an_echo(&self, side: Side, arrived: Option<Timestamp>) -> Result<Looked, Failure> {
        let (record, mirror) = (self.record(), &self.deps.mirror);
        let sides = match side {
            Side::Bitrix24 => {
                let Some(known) = read::record(self.deps, self.opened, record, arrived).await? else {
                    return Ok(Looked::Gone(Apart::RecordGone));
                };
                let context = mirror.context(self.opened, record, Some(&known.state), None).await?;
                read::portal_side(self.opened, record, &known.state, &context)
            }
            Side::Notion => {
                let Some(page) = read::page(self.opened, &self.page_id()?).await? else {
                    return Ok(Looked::Gone(Apart::PageGone));
                };
                if let Some(why) = misplaced(self.opened, &page) {
                    return Ok(Looked::Gone(why));
                }
                let snapshot = self.deps.records.snapshot::<records::State>(&self.job.tenant, &record.key()).await?;
                let state = snapshot.map(|(snapshot, _)| snapshot.state);
                let context = mirror.context(self.opened, record, state.as_ref(), Some(&page)).await?;
                read::page_side(self.opened, &self.link, &page, self.signal.told, &context)
            }
        };
        Ok(if read::is_base(&self.link, &sides, side) { Looked::Echo } else { Looked::Changed })
    }

    async fn merge(mut self, mut known: Known, page: Page, mut seen: Seen) -> Result<Settled, Failure> {
        let record = self.record();
        loop {
            let context = self.deps.mirror.context(self.opened, record, Some(&known.state), Some(&page)).await?;
            let bitrix24 = read::portal_side(self.opened, record, &known.state, &context);
            let notion = read::page_side(self.opened, &self.link, &page, self.signal.told, &context);
            let both = Both { bitrix24, notion };
            let mut base = self.link.base.clone();
            recover(&mut base, &self.link.intents, &both.bitrix24, &both.notion);
            let (base, held, merged) = self.merged(&base, &both);
            if self.is_second_look() && self.leads_to_missing(&merged.stuck) && self.job.attempt <= make::MAX_WAITS {
                make::waits_for_others(self.deps, self.job, self.opened, record, &known.state).await?;
                return Ok(Settled::wait(Duration::from_secs(3), "the pages that it leads to are made first"));
            }
            if merged.to_bitrix24.is_empty() || known.fresh {
                (self.link.base, self.link.held) = (base, held);
                return self.carry_out(known, page, context, both, merged, seen).await;
            }
            // The portal is about to be written: what an event's decision read may be old by now.
            let Some(fresh) = read::record(self.deps, self.opened, record, None).await? else {
                return gone::part(self, Apart::RecordGone).await;
            };
            seen.bitrix24 = Some(fresh.read_at);
            known = fresh;
        }
    }

    /// The merge, with the values that a provider did not keep: they are written again only if a side changed or somebody
    /// asked for it; what was refused with an error also if something else is written.
    fn merged(&self, base: &Base, both: &Both) -> (Base, Vec<Held>, Merged) {
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

    async fn carry_out(
        mut self,
        known: Known,
        page: Page,
        context: Context,
        both: Both,
        merged: Merged,
        seen: Seen,
    ) -> Result<Settled, Failure> {
        let now = self.deps.now();
        self.link.title = known.state.title().unwrap_or_default();
        if merged.is_quiet() {
            return self.quiet(merged, &both, &context, seen).await;
        }
        if let Some(wait) = self.rest(&merged, &both.bitrix24, &both.notion, now) {
            let write = self.last_write()?;
            return Ok(Settled { writes: vec![write], ..Settled::wait(wait, "someone may still be editing") });
        }
        if let Some((to, field, until)) = self.writes_against_us(&merged, now).await? {
            let mut writes = self.set_resting((to, &field), until, &both, &context)?;
            writes.push(self.last_write()?);
            let wait = Settled::wait(rest_until(now, until), "something keeps undoing the sync; it pauses");
            return Ok(Settled { writes, ..wait });
        }
        let kept = self.kept(&merged, now);
        for conflict in &kept {
            tracing::warn!(trace = %self.job.trace, tenant = %self.job.tenant, record = %self.link.record, line = conflict.line(), "conflict");
            self.deps.metrics.count("sync_conflicts", "notion");
        }
        // Before anything is written: what is written, and what is lost by it.
        self.link.resting = None;
        self.link.intents = merged.intents(&both.bitrix24, &both.notion);
        let lines: Result<Vec<_>, _> =
            kept.iter().map(|kept| conflicts::conflict_write(&self.job.tenant, kept)).collect();
        self.save(lines?).await?;
        let done = self.write(known.state, page, &context, &both, &merged.to_bitrix24, &merged.to_notion).await?;
        self.link.base.extend(merged.agreed.clone());
        let mut changes = done.changes.clone();
        self.link.intents.clear();
        self.link.sync_source = Some(if merged.to_bitrix24.is_empty() { Side::Bitrix24 } else { Side::Notion });
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

    /// Writes to both sides, and takes what became of it into the link.
    pub(crate) async fn write(
        &mut self,
        state: State,
        page: Page,
        context: &Context,
        before: &Both,
        to_bitrix24: &BTreeMap<String, Cell>,
        to_notion: &BTreeMap<String, Cell>,
    ) -> Result<Done, Failure> {
        let (record, at) = (self.record(), self.deps.now());
        let (mut state, mut page, mut refused) = (state, page, Vec::new());
        if !to_bitrix24.is_empty() {
            let written = write::to_portal(self.deps, self.opened, record, &state, to_bitrix24).await?;
            (state, refused) = (written.now, written.refused);
        }
        if !to_notion.is_empty() {
            let written = write::to_page(self.opened, &page, to_notion, context).await?;
            page = written.now;
            refused.extend(written.refused);
        }
        self.deps.metrics.count("sync_writes", "notion");
        let context = self.deps.mirror.context(self.opened, record, Some(&state), Some(&page)).await?;
        let now = Both {
            bitrix24: read::portal_side(self.opened, record, &state, &context),
            notion: read::page_side_after(self.opened, &self.link, to_notion, &page, &context),
        };
        let made = Made { to_bitrix24, to_notion, before, now: &now, refused: &refused, context: &context, at };
        let changes = made.take_into(&mut self.link, self.opened);
        let surplus = self.link.written.len().saturating_sub(MAX_WRITTEN);
        self.link.written.drain(..surplus);
        self.link.written.retain(|written| at.duration_since(written.at) < FLIPS_WITHIN);
        Ok(Done { changes, now, context, place: page.url })
    }

    /// What is said of a job: what was changed and what could not be; nothing counts as delivered that only one side shows.
    pub(crate) fn settled(&self, mut changes: Vec<String>, place: String, writes: Vec<Write>) -> Settled {
        let stuck = self.link.all_stuck();
        if changes.is_empty() {
            return Settled { writes, ..Settled::skip(attention::line(self.opened, &stuck)) };
        }
        if !stuck.is_empty() {
            changes.push(attention::line(self.opened, &stuck));
        }
        Settled::done(changes, place, writes)
    }

    /// Nothing is to be written; what is known of the link may have become more.
    async fn quiet(mut self, merged: Merged, both: &Both, context: &Context, seen: Seen) -> Result<Settled, Failure> {
        let before = self.link.clone();
        self.link.base.extend(merged.agreed);
        self.link.intents.clear();
        self.link.resting = None;
        self.link.seen = seen;
        let writes = self.set_stuck(merged.stuck, both, context).await?;
        let stuck = self.link.all_stuck();
        let reason =
            if stuck.is_empty() { "both sides agree".to_owned() } else { attention::line(self.opened, &stuck) };
        let mut settled = Settled { writes, ..Settled::skip(reason) };
        let is_news = |link: &Link| Link { seen: before.seen.clone(), ..link.clone() } != before;
        // Others may wait behind this job with older signals; they need not read again.
        if is_news(&self.link) || self.job.attempt > 1 {
            self.link.synced_at = Some(self.deps.now());
            settled.writes.push(self.last_write()?);
        }
        Ok(settled)
    }

    fn kept(&self, merged: &Merged, at: Timestamp) -> Vec<Kept> {
        let kept = |conflict: &notion_sync::fields::Conflict| Kept {
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

    /// How long a change is still left to come to rest: until it looks the same after a pause.
    fn rest(&mut self, merged: &Merged, bitrix24: &Sides, notion: &Sides, now: Timestamp) -> Option<Duration> {
        // Asked for by a person or a run: at once.
        self.signal.side?;
        let young = |edited: Option<Timestamp>, exact: SignedDuration| {
            edited.is_some_and(|edited| now.duration_since(edited) < exact + REST)
        };
        let is_young = (!merged.to_notion.is_empty() && young(bitrix24.edited_at, SignedDuration::ZERO))
            || (!merged.to_bitrix24.is_empty() && young(notion.edited_at, MINUTE));
        let shown = shown(bitrix24, notion);
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

    /// How long the link rests because what it writes is taken back again and again: by a robot of the portal, by an
    /// automation in Notion.
    async fn writes_against_us(
        &self,
        merged: &Merged,
        now: Timestamp,
    ) -> Result<Option<(Side, String, Timestamp)>, Failure> {
        let recent = |to: Side, field: &str, cell: &Cell| {
            let same = |written: &&Written| {
                written.to == to
                    && written.field == field
                    && cell.is(&written.cell)
                    && now.duration_since(written.at) < FLIPS_WITHIN
            };
            self.link.written.iter().filter(same).map(|written| written.at).collect::<Vec<_>>()
        };
        for (to, cells) in [(Side::Bitrix24, &merged.to_bitrix24), (Side::Notion, &merged.to_notion)] {
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
                alert::raise(&self.deps.ports, &self.opened.portal, &alert).await?;
                return Ok(Some((to, field.clone(), until)));
            }
        }
        Ok(None)
    }
}

fn loop_head(link: &Link) -> Localized {
    Localized::of(|language| texts::alerts::SyncLoop { record: link.record.title(language), title: link.title.clone() })
}

fn loop_line(field: &str, cell: &Cell, to: Side, until: Timestamp) -> Localized {
    Localized::of(|language| texts::alerts::SyncLoopField {
        field: field.to_owned(),
        value: cell.to_string(),
        side: to.title(language).to_owned(),
        times: MAX_FLIPS as u64,
        until: until.strftime("%H:%M UTC").to_string(),
    })
}

/// What became of writing to both sides.
pub(crate) struct Done {
    /// What was changed, in words: `stageId → Notion`.
    pub(crate) changes: Vec<String>,
    /// What both sides show now.
    pub(crate) now: Both,
    pub(crate) context: Context,
    /// The page's address.
    pub(crate) place: String,
}

/// The result of reading the side that a signal names.
enum Looked {
    Echo,
    Changed,
    Gone(Apart),
}

/// Why a page that is there is not in its place.
pub(crate) fn misplaced(opened: &Opened, page: &Page) -> Option<Apart> {
    if page.in_trash {
        return Some(Apart::PageTrashed);
    }
    // An answer without the place says nothing.
    (page.parent.data_source_id.is_some() && !page.is_in(&opened.source.id)).then_some(Apart::PageMoved)
}

/// What both sides show, to see whether it is still the same a moment later.
fn shown(bitrix24: &Sides, notion: &Sides) -> String {
    let cells = |sides: &Sides| {
        serde_json::to_string(&sides.fields.values().map(|reading| reading.cell.kept()).collect::<Vec<_>>())
    };
    [cells(bitrix24), cells(notion)].into_iter().map(Result::unwrap_or_default).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use locale::{Language, assert_from_the_catalogues, in_pseudo};

    use super::*;

    #[test]
    fn the_alert_about_what_undoes_the_sync_comes_from_the_catalogues() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let link = Link::making("Сделки", Record::Task(7), now);
        let all = in_pseudo(|| [loop_head(&link), loop_line("поле", &Cell::Number("5".into()), Side::Notion, now)]);
        for text in &all {
            assert_from_the_catalogues(text.text(Language::En));
        }
    }
}
