//! The silent baseline of a newly connected portal: every watched record gets a snapshot, without any card.
//!
//! It makes later hints cheap, but correctness does not need it: a record without a snapshot is judged by its creation
//! time and its stage history.

use clients::{Connections, Failure, PortalClient};
use jiff::{SignedDuration, Timestamp};
use records::{RecordKind, RecordState};
use runtime::limiter::Priority;
use runtime::snapshots::{ReadMoment, Records, Snapshot};
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use runtime::{Backend, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::{Settings, subscriptions};
use tenants::portals::Portal;

use crate::pages::{ListedPages, Listing};

/// Pages in one request.
const PAGES: usize = 20;

/// A kind that is first watched this soon after the connection counts as watched from the connection on.
const AT_ONCE: SignedDuration = SignedDuration::from_hours(1);
/// How much earlier than its event a change may have happened.
const EVENT_DELAY: SignedDuration = SignedDuration::from_mins(5);

/// The progress of one kind's baseline.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct BaselineProgress {
    /// From when on changes of this kind's records are news.
    #[serde(default)]
    since: Option<Timestamp>,
    /// All records up to this id have a snapshot.
    last_id: u64,
    done: bool,
}

/// Fills in the missing snapshots and returns how many records were read. It continues where an earlier run stopped,
/// and returns at once when nothing is left to do.
pub async fn fill(backend: &Backend, connections: &Connections, tenant: &TenantId) -> Result<usize, Failure> {
    let portal = connections.portal(tenant).await?;
    let client = connections.bitrix24(&portal).await?.in_lane(Priority::Sweep);
    let mut read = 0;
    while let Some(more) = fill_some(backend, &portal, &client).await? {
        read += more;
    }
    Ok(read)
}

/// Makes one request for the missing snapshots and returns how many records it read; `None` when nothing is left to do.
pub async fn fill_some(backend: &Backend, portal: &Portal, client: &PortalClient) -> Result<Option<usize>, Failure> {
    let tenant = &portal.tenant;
    let settings = portal.settings_as::<Settings>()?;
    for kind in subscriptions::swept(&settings) {
        let key = key(tenant, kind);
        let mut progress: BaselineProgress =
            backend.store.get(&key).await?.map(|item| item.decode()).transpose()?.unwrap_or_default();
        if progress.done {
            continue;
        }
        let since = progress.since.unwrap_or_else(|| watched_from(portal.connected_at, backend.clock.now()));
        progress.since = Some(since);
        let listing = Listing { kind, custom_fields: settings.fields_of(kind) };
        let here = backend.clock.now();
        let listed = match listing.after(client, &json!({}), progress.last_id, PAGES).await {
            Err(failure) if is_not_for_us(&failure) => {
                tracing::warn!(%tenant, %kind, %failure, "these records cannot be listed; they are left out of the baseline");
                continue;
            }
            listed => listed?,
        };
        let ListedPages { records: listed, started_at: there, is_last } = listed;
        progress.done = is_last;
        progress.last_id = listed.last().map_or(progress.last_id, |(record, _)| record.id());
        let read = listed.len();
        let old = listed.into_iter().filter(|(_, state)| is_old(kind, state, since));
        let snapshots = old.map(|(record, state)| (record.key(), Snapshot::first(state, ReadMoment { here, there })));
        Records::new(backend.store.clone()).fill(tenant, snapshots.collect()).await?;
        backend.store.put(StoreWrite::new(key, &progress, WriteCondition::Always)?).await?;
        return Ok(Some(read));
    }
    Ok(None)
}

/// From when on changes of this kind's records are news: from the connection, or from when a route first needed the
/// kind. Earlier changes are not reported, however late they are found.
pub async fn watched_since(backend: &Backend, portal: &Portal, kind: RecordKind) -> Result<Timestamp, Failure> {
    let progress = backend
        .store
        .get(&key(&portal.tenant, kind))
        .await?
        .map(|item| item.decode::<BaselineProgress>())
        .transpose()?;
    let begins_now = || watched_from(portal.connected_at, backend.clock.now());
    Ok(progress.and_then(|progress| progress.since).unwrap_or_else(begins_now))
}

/// From when on a kind is watched that is first needed now.
pub fn watched_from(connected_at: Timestamp, now: Timestamp) -> Timestamp {
    if now.duration_since(connected_at) < AT_ONCE { connected_at } else { now - EVENT_DELAY }
}

fn key(tenant: &TenantId, kind: RecordKind) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#baseline"), kind.to_string())
}

/// Whether a kind cannot be read at all: the scope is missing, or the portal does not know the method.
pub fn is_not_for_us(failure: &Failure) -> bool {
    ["access_denied", "insufficient_scope", "error_method_not_found", "not_found"].contains(&failure.code())
}

/// Whether nothing that happened to the record since it is watched can be news. A record that can have news gets no
/// snapshot, and is judged when its hint arrives.
fn is_old(kind: RecordKind, state: &RecordState, since: Timestamp) -> bool {
    let was_before = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment < since);
    let moved = match (kind, state) {
        (RecordKind::Items(entity), RecordState::Item(item)) if entity.has_stages() && item.moved_time.is_some() => {
            !was_before(item.moved_time)
        }
        _ => false,
    };
    was_before(state.created_at()) && !moved
}
