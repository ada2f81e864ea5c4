//! Many records changed at once: one listing of all that changed serves every job that waits.
//!
//! One worker of a portal lists at a time; the others wait briefly for its result. A batch carries 50 pages of 50, so
//! ten thousand changed deals cost about five requests. While hints keep arriving, a listing is made every few seconds,
//! and what arrived since the last one waits for the next.

use std::time::Duration;

use clients::{Failure, PortalClient};
use jiff::{SignedDuration, Timestamp};
use records::{Record, RecordState};
use runtime::clock::{is_ahead, is_recent, later, until};
use runtime::snapshots::{ReadAhead, ReadMoment};
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use settings::Settings;
use tenants::portals::Portal;

use crate::Crm;
use crate::pages::{Listing, PAGE};

use super::requests::is_unanswered;
use super::{ReadRecords, Wanted, kinds};

/// The portal's clock and the order in which it saves are not exact to the second. Longer than the margin within
/// which a read is not believed to have seen a hint, so that such a hint's record is in the next listing.
const OVERLAP: SignedDuration = SignedDuration::from_secs(15);
/// How long before its hint a record may have been saved.
const HINT_DELAY: SignedDuration = SignedDuration::from_secs(120);
/// A listing takes no longer than this.
const LEASE: Duration = Duration::from_secs(60);
/// From this many records to read in one portal, many more are likely to wait: SQS hands out ten at most.
const MANY: usize = 8;
/// For this long after a listing, the next few records still count as part of the burst.
const GOES_ON: Duration = Duration::from_secs(30);
/// The time from the beginning of one listing to the next: what arrives in between is served together.
const BETWEEN_LISTINGS: Duration = Duration::from_secs(5);
/// How long to wait for another worker's listing, and how often to look.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(150);
/// After a listing that got no answer, records are read by ids for so long.
const AFTER_NO_ANSWER: Duration = Duration::from_secs(10 * 60);
/// The time for one listing, without its last request: shorter than the lease. What is left over is read by ids.
const MAX_LISTING: Duration = Duration::from_secs(30);
/// Batches of one listing; what is left over is read by ids.
const MAX_BATCHES: usize = 8;

/// What is remembered of the listings of a portal and kind.
#[derive(Serialize, Deserialize)]
struct ListingMemory {
    /// Until when a worker lists.
    lease_until: Option<Timestamp>,
    /// Everything saved before this moment, by the portal's clock, has been listed.
    complete_until: Option<Timestamp>,
    /// When the last listing began, by our clock.
    #[serde(default)]
    began_at: Option<Timestamp>,
    /// Until when nothing is listed, because the last listing got no answer.
    #[serde(default)]
    not_before: Option<Timestamp>,
}

/// Reads by listing, if many records wait; returns whether it did. What it does not find is left to be read by ids.
pub(crate) async fn read(
    crm: &Crm,
    portal: &Portal,
    client: &PortalClient,
    wanted: &[Wanted],
    settings: &Settings,
    found: &mut ReadRecords,
) -> Result<bool, Failure> {
    let mut listed_any = false;
    for (kind, of_type) in kinds(wanted) {
        let key = ItemKey::new(Table::Links, format!("{}#listing", portal.tenant), kind.to_string());
        let listing = Listing { kind, custom_fields: settings.fields_of(kind) };
        let (is_going_on, may_list) = state(crm, &key).await?;
        let many = of_type.len() >= MANY || (!of_type.is_empty() && is_going_on);
        if !many || !may_list {
            continue;
        }
        listed_any = true;
        let Some((memory, version)) = take_lease(crm, &key).await? else {
            wait_for_other(crm, &key).await?;
            continue;
        };
        let began_at = crm.backend.clock.now();
        let listed = list_changed(crm, portal, client, &listing, &of_type, &memory, found).await;
        let complete_until = match &listed {
            Ok(complete_until) => complete_until.or(memory.complete_until),
            Err(_) => memory.complete_until,
        };
        let unanswered = listed.as_ref().is_err_and(is_unanswered);
        let not_before = unanswered.then(|| later(crm.backend.clock.now(), AFTER_NO_ANSWER));
        let done = ListingMemory { lease_until: None, complete_until, began_at: Some(began_at), not_before };
        match crm.backend.store.put(StoreWrite::new(key, &done, WriteCondition::Version(version))?).await {
            Ok(_) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match listed {
            // One record that cannot be read may have kept the whole list back: what is wanted is read by ids.
            Err(failure) if unanswered => tracing::warn!(%failure, "a listing got no answer; records are read by ids"),
            listed => _ = listed?,
        }
    }
    Ok(listed_any)
}

/// Whether the last listing was recent, and whether another one may be made.
async fn state(crm: &Crm, key: &ItemKey) -> Result<(bool, bool), Failure> {
    let now = crm.backend.clock.now();
    let Some(listing) = crm.backend.store.get(key).await?.map(|item| item.decode::<ListingMemory>()).transpose()?
    else {
        return Ok((false, true));
    };
    let is_going_on = listing.began_at.is_some_and(|began_at| is_recent(now, began_at, GOES_ON));
    let may_list = listing.not_before.is_none_or(|not_before| !is_ahead(now, not_before, AFTER_NO_ANSWER));
    Ok((is_going_on, may_list))
}

/// The lease to list, unless another worker holds it.
async fn take_lease(crm: &Crm, key: &ItemKey) -> Result<Option<(ListingMemory, u64)>, Failure> {
    let now = crm.backend.clock.now();
    let (listing, condition) = match crm.backend.store.get(key).await? {
        Some(item) => (item.decode::<ListingMemory>()?, WriteCondition::Version(item.version)),
        None => {
            let first = ListingMemory { lease_until: None, complete_until: None, began_at: None, not_before: None };
            (first, WriteCondition::Absent)
        }
    };
    let next = listing.began_at.map(|began_at| later(began_at, BETWEEN_LISTINGS));
    if let Some(next) = next.filter(|next| is_ahead(now, *next, BETWEEN_LISTINGS)) {
        return Err(Failure::wait(next, "many records change; they are read together in a few seconds"));
    }
    if listing.lease_until.is_some_and(|until| is_ahead(now, until, LEASE)) {
        return Ok(None);
    }
    let taken = ListingMemory { lease_until: Some(later(now, LEASE)), ..listing };
    match crm.backend.store.put(StoreWrite::new(key.clone(), &taken, condition)?).await {
        Ok(version) => Ok(Some((taken, version))),
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn wait_for_other(crm: &Crm, key: &ItemKey) -> Result<(), Failure> {
    for _ in 0..LOOKS {
        crm.backend.clock.sleep(BETWEEN_LOOKS).await;
        let listing = crm.backend.store.get(key).await?.map(|item| item.decode::<ListingMemory>()).transpose()?;
        let lease_until = listing.and_then(|listing| listing.lease_until);
        if lease_until.is_none_or(|until| !is_ahead(crm.backend.clock.now(), until, LEASE)) {
            break;
        }
    }
    Ok(())
}

/// Lists what changed since the last complete listing (or a little before the earliest hint). Returns until
/// when the listings are complete now, if this one reached its end.
async fn list_changed(
    crm: &Crm,
    portal: &Portal,
    client: &PortalClient,
    listing: &Listing,
    wanted: &[Wanted],
    memory: &ListingMemory,
    found: &mut ReadRecords,
) -> Result<Option<Timestamp>, Failure> {
    let sent_at = wanted.iter().filter_map(|wanted| wanted.hints.sent).map(|(earliest, _)| earliest).min();
    let since = sent_at.unwrap_or_else(|| crm.backend.clock.now()) - HINT_DELAY;
    let since = memory.complete_until.map_or(since, |complete| since.max(complete - OVERLAP));
    let filter = listing.changed_since(since);

    let here = crm.backend.clock.now();
    let first = client.clone().within(crm.with_limits(|limits| limits.together(client.tenant())));
    let (listed, answer) = listing.first(&first, &filter).await?;
    let started_at = answer.started_at;
    let total = answer.total.unwrap_or_default();
    let mut last = listed.last().map(|(record, _)| record.id());
    keep(crm, portal, wanted, listed, ReadMoment { here, there: started_at }, found).await?;

    let mut pages = usize::try_from(total).unwrap_or_default().div_ceil(PAGE).saturating_sub(1);
    for _ in 0..MAX_BATCHES {
        let Some(after) = last.filter(|_| pages > 0) else { return Ok(started_at) };
        let read_at = crm.backend.clock.now();
        if until(here, read_at) >= MAX_LISTING {
            return Ok(None);
        }
        let count = pages.min(bitrix24::batch::MAX_COMMANDS);
        let read = match listing.after(client, &filter, after, count).await {
            // The next listing asks for fewer pages at once.
            Err(failure) if is_unanswered(&failure) && client.at_once(count) > 1 => {
                tracing::warn!(%failure, "pages of a listing got no answer; what they hold is read by ids");
                return Ok(None);
            }
            read => read?,
        };
        let (listed, there) = (read.records, read.started_at);
        last = listed.last().map(|(record, _)| record.id());
        pages = if read.is_last { 0 } else { pages.saturating_sub(listed.len() / PAGE) };
        keep(crm, portal, wanted, listed, ReadMoment { here: read_at, there }, found).await?;
    }
    Ok(None)
}

/// Keeps what this batch of jobs needs and leaves the rest for the jobs behind it.
async fn keep(
    crm: &Crm,
    portal: &Portal,
    wanted: &[Wanted],
    listed: Vec<(Record, RecordState)>,
    read: ReadMoment,
    found: &mut ReadRecords,
) -> Result<(), Failure> {
    let mut left = Vec::new();
    for (record, state) in listed {
        let reading = ReadAhead { state: Ok(state), read };
        if wanted.iter().any(|wanted| wanted.record == record) {
            found.insert(record, reading);
        } else {
            left.push((record.key(), reading));
        }
    }
    Ok(crm.records.leave_readings(&portal.tenant, &left).await?)
}
