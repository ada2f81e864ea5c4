//! What needs a person's attention, in their words: for the index that the page shows, and for the operators' channel,
//! once for each reason.

use std::time::Duration;

use clients::Failure;
use jiff::Timestamp;
use jobs::sync::SyncSide;
use locale::{Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use records::names::Nameable;
use runtime::store::StoreWrite;
use runtime::{DeliveryId, clock};

use crate::attention::{AttentionEntry, replace, shortened};
use crate::database::OpenedDatabase;
use crate::fields::first::is_undecided;
use crate::fields::page::Context;
use crate::fields::{Cell, Fit, MappedField, PortalKind, Stuck};
use crate::work::LinkWork;
use crate::work::read::BothSides;

/// A reason that lasts is notified again after this.
const NOTIFY_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

impl LinkWork<'_> {
    /// Sets what cannot be carried over, and returns the writes that update the index.
    pub(super) async fn set_stuck(
        &mut self,
        stuck: Vec<Stuck>,
        now: &BothSides,
        context: &Context,
    ) -> Result<Vec<StoreWrite>, Failure> {
        let is_new = |stuck: &&Stuck| !self.link.stuck.contains(stuck);
        let new: Vec<Stuck> = stuck.iter().filter(is_new).cloned().collect();
        // The page of a new relation often does not exist yet: the operators are alerted only after a wait.
        let looks_again = self.leads_to_missing(&new) && !self.is_second_look();
        if looks_again && self.link.page.is_some() {
            self.sync_again().await?;
        }
        self.link.stuck = stuck;
        let entries: Vec<AttentionEntry> =
            self.link.all_stuck().iter().filter_map(|stuck| self.entry(stuck, now, context)).collect();
        for entry in &entries {
            let is_known =
                |known: &AttentionEntry| known.id() == entry.id() && known.why == entry.why && known.of == entry.of;
            let is_waited_for = looks_again && self.leads_to_missing(&[stuck_of(entry)]);
            if !is_waited_for && (!self.link.attention.iter().any(is_known) || self.is_second_look()) {
                notify(self, entry).await?;
            }
        }
        Ok(replace(&self.job.tenant, &mut self.link.attention, entries)?)
    }

    /// The link rests because something keeps undoing our writes.
    pub(super) fn set_resting(
        &mut self,
        (to, field): (SyncSide, &str),
        until: Timestamp,
        now: &BothSides,
        context: &Context,
    ) -> Result<Vec<StoreWrite>, Failure> {
        let time = until.strftime("%H:%M UTC").to_string();
        let why = Localized::of(|language| texts::sync::ChangedBack { side: to.title(language), until: &time });
        let stuck = Stuck { field: field.to_owned(), of: to.other(), why };
        let entry = self.entry(&stuck, now, context);
        let entry = entry.map(|entry| AttentionEntry { rests_until: Some(until), can_take: Vec::new(), ..entry });
        let others = self.link.attention.iter().filter(|known| known.field != *field).cloned();
        let entries = others.chain(entry).collect();
        Ok(replace(&self.job.tenant, &mut self.link.attention, entries)?)
    }

    /// Removes all entries of a link that is no longer synced.
    pub(super) fn clear_attention(&mut self) -> Result<Vec<StoreWrite>, Failure> {
        Ok(replace(&self.job.tenant, &mut self.link.attention, Vec::new())?)
    }

    fn entry(&self, stuck: &Stuck, now: &BothSides, context: &Context) -> Option<AttentionEntry> {
        let field = self.opened.field(&stuck.field)?;
        let read = |side: SyncSide| shortened(&as_read(field, &now.cell(side, field.key()), context));
        let entry = AttentionEntry {
            database: self.link.database.clone(),
            record: self.link.record,
            title: self.link.title.clone(),
            page: self.link.page.clone(),
            field: field.key().to_owned(),
            property: field.property.name.clone(),
            of: stuck.of,
            bitrix24: read(SyncSide::Bitrix24),
            notion: read(SyncSide::Notion),
            why: stuck.why.clone(),
            since: self.sync.now(),
            tried_at: None,
            rests_until: None,
            can_take: can_take(field, stuck, now),
        };
        let known = self.link.attention.iter().find(|known| known.id() == entry.id() && known.of == entry.of);
        let Some(known) = known else { return Some(entry) };
        let tried_at = if self.signal.side.is_none() { Some(self.sync.now()) } else { known.tried_at };
        Some(AttentionEntry { since: known.since, tried_at, ..entry })
    }
}

fn stuck_of(entry: &AttentionEntry) -> Stuck {
    Stuck { field: entry.field.clone(), of: entry.of, why: entry.why.clone() }
}

/// The sides whose value can be written to the other: the one that was not refused, or either if nobody has decided
/// yet.
fn can_take(field: &MappedField, stuck: &Stuck, now: &BothSides) -> Vec<SyncSide> {
    let asked = if is_undecided(stuck) { vec![SyncSide::Bitrix24, SyncSide::Notion] } else { vec![stuck.of.other()] };
    asked.into_iter().filter(|side| is_writable(field, *side, now)).collect()
}

fn is_writable(field: &MappedField, side: SyncSide, now: &BothSides) -> bool {
    let (sides, fits) = match side {
        SyncSide::Bitrix24 => (&now.bitrix24, true),
        SyncSide::Notion => (&now.notion, field.fit != Fit::Shown && !field.portal.read_only),
    };
    let reading = sides.fields.get(field.key());
    fits && reading.is_some_and(|reading| reading.cannot.is_none() && !matches!(reading.cell, Cell::Foreign(_)))
}

/// A value as people read it: with the names of list values, people and records.
fn as_read(field: &MappedField, cell: &Cell, context: &Context) -> String {
    let option = |code: &String| {
        let named = field.setting.values.get(code).or_else(|| {
            field.portal.options.iter().find(|(known, name)| known == code && !name.is_empty()).map(|(_, name)| name)
        });
        named.unwrap_or(code).clone()
    };
    let record = |id: &u64| match field.portal.kind {
        PortalKind::Item(entity) | PortalKind::Binding(entity) => {
            let known = context.names.entry(Nameable::Item(entity, *id));
            known.map_or_else(|| format!("#{id}"), |known| known.name.clone())
        }
        _ => format!("#{id}"),
    };
    let user = |id: &u64| context.names.user(Some(*id)).map_or_else(|| format!("user {id}"), str::to_owned);
    match cell {
        Cell::Option(code) => option(code),
        Cell::Options(codes) => codes.iter().map(option).collect::<Vec<_>>().join(", "),
        Cell::Users(ids) => ids.iter().map(user).collect::<Vec<_>>().join(", "),
        Cell::Records(ids) => ids.iter().map(record).collect::<Vec<_>>().join(", "),
        Cell::Moment(moment) => moment.to_zoned(context.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
        Cell::List(cells) => cells.iter().map(|cell| as_read(field, cell, context)).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

/// Notifies the operators: which field, which value, why, and what to do. Once for each reason, not for each record.
async fn notify(work: &LinkWork<'_>, entry: &AttentionEntry) -> Result<(), Failure> {
    let what = entry.record.to_string();
    let once = reason_id(entry);
    let (head, lines) = (head(entry), lines(entry));
    let alert = Alert { kind: "sync_stuck", what: &what, once: &once, again_after: NOTIFY_AGAIN, head, lines };
    alert::raise(&work.sync.backend, &work.opened.portal, &alert).await
}

fn head(entry: &AttentionEntry) -> Localized {
    Localized::of(|language| texts::alerts::SyncStuck {
        record: entry.record.title(language),
        title: entry.title.clone(),
        field: entry.name(),
        side: entry.of.title(language).to_owned(),
    })
}

fn lines(entry: &AttentionEntry) -> Vec<Localized> {
    let values = texts::alerts::SyncStuckValues { bitrix24: &short(&entry.bitrix24), notion: &short(&entry.notion) };
    vec![Localized::of(|_| values), entry.why.clone(), texts::alerts::SYNC_STUCK_NEXT.into()]
}

/// What makes a reason the same for every record: its words, without the numbers in them.
fn reason_id(entry: &AttentionEntry) -> String {
    let words: String = entry.why.to_string().chars().filter(|c| !c.is_ascii_digit() && *c != ',').collect();
    let side = entry.of.to_string();
    DeliveryId::of(&[&entry.database, &entry.field, &side, &words]).to_string()
}

fn short(value: &str) -> String {
    if value.chars().count() <= 120 {
        return value.to_owned();
    }
    value.chars().take(119).chain(['…']).collect()
}

/// How long a link rests from now, a minute at least.
pub(super) fn rest_until(now: Timestamp, until: Timestamp) -> Duration {
    clock::until(now, until).max(Duration::from_secs(60))
}

/// The line of the ledger for what could not be carried over.
pub(super) fn line(opened: &OpenedDatabase, stuck: &[Stuck]) -> String {
    let line = |stuck: &Stuck| {
        let name = opened.field(&stuck.field).map_or(stuck.field.as_str(), |field| field.property.name.as_str());
        format!("{name} of {}: {}", stuck.of, stuck.why)
    };
    format!("could not be synced: {}", stuck.iter().map(line).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use locale::{Language, assert_from_the_catalogues, in_pseudo};
    use records::Record;

    use super::*;

    fn entry(why: Localized) -> AttentionEntry {
        AttentionEntry {
            database: "Сделки".into(),
            record: Record::Task(7),
            title: "Крыша".into(),
            page: None,
            field: "поле".into(),
            property: "Свойство".into(),
            of: SyncSide::Notion,
            bitrix24: "1".into(),
            notion: "2".into(),
            why,
            since: "2026-11-23T09:00:00Z".parse().unwrap(),
            tried_at: None,
            rests_until: None,
            can_take: Vec::new(),
        }
    }

    #[test]
    fn a_value_that_could_not_be_synced_is_explained_in_the_operators_language() {
        let entry = entry(texts::sync::ONE_VALUE.into());
        let head = head(&entry);
        assert_eq!(head.text(Language::En), "Task 7 (Крыша): Свойство (поле) of Notion could not be synced");
        assert_eq!(
            head.text(Language::Ru),
            "Задача 7 (Крыша): не удалось синхронизировать поле Свойство (поле), значение из Notion"
        );
        let read = lines(&entry).iter().take(2).map(|line| line.text(Language::Ru).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            read,
            ["В Битрикс24: «1», в Notion: «2».", "поле портала хранит одно значение; оставьте одно в Notion"]
        );
    }

    #[test]
    fn the_alert_comes_from_the_catalogues() {
        let all = in_pseudo(|| {
            let entry = entry(texts::sync::ONE_VALUE.into());
            [vec![head(&entry)], lines(&entry)].concat()
        });
        for text in &all {
            assert_from_the_catalogues(text.text(Language::En));
        }
    }

    #[test]
    fn a_reason_is_the_same_for_every_record_and_whatever_numbers_are_in_it() {
        let long =
            |count| entry(Localized::of(|_| texts::sync::TooLong { property: "Свойство", count, most: 200 }));
        assert_eq!(reason_id(&long(201)), reason_id(&AttentionEntry { record: Record::Task(8), ..long(3_000) }));
        assert_ne!(reason_id(&long(201)), reason_id(&entry(texts::sync::ONE_VALUE.into())));
    }
}
