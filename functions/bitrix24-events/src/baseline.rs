//! The silent baseline of a newly connected portal: every lead and deal gets a snapshot, and nobody is told.
//!
//! It makes later hints cheap. Right it is not needed: a record that was never seen is judged by its creation
//! time and its stage history.

use bitrix24::{EntityType, Item};
use connect::Failure;
use jiff::Timestamp;
use platform::TenantId;
use platform::links::{ReadMoment, Snapshot};
use platform::store::{Condition, Key, Table, Write};
use rules::Record;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Deps;
use crate::pages::{self, PAGE};

/// Pages in one request.
const PAGES: usize = 20;

/// How far the baseline of one type has come.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct Progress {
    /// All items up to this id have a snapshot.
    last_id: u64,
    done: bool,
}

/// Fills in the snapshots that are missing and returns how many records were read. It goes on where an
/// earlier run stopped, and returns at once when there is nothing left to do.
pub async fn fill(deps: &Deps, tenant: &TenantId) -> Result<usize, Failure> {
    let portal = deps.connections.portal(tenant).await?;
    let client = deps.connections.bitrix24(&portal).await?;
    let mut read = 0;
    for entity in [EntityType::LEAD, EntityType::DEAL] {
        let key = Key::new(Table::Links, format!("{tenant}#baseline"), entity.to_string());
        let mut progress: Progress =
            deps.store.get(&key).await?.map(|item| item.decode()).transpose()?.unwrap_or_default();
        while !progress.done {
            let here = deps.clock.now();
            let (listed, there) = pages::after(&client, entity, &json!({}), progress.last_id, PAGES).await?;
            progress.done = listed.len() < PAGES * PAGE;
            progress.last_id = listed.last().map_or(progress.last_id, |item| item.id);
            read += listed.len();
            let old = listed.into_iter().filter(|item| is_old(entity, item, portal.connected_at));
            let snapshots = old.map(|state| {
                (
                    Record { entity, id: state.id }.key(),
                    Snapshot { state, read: ReadMoment { here, there }, revision: 1 },
                )
            });
            deps.records.fill(tenant, snapshots.collect()).await?;
            deps.store.put(Write::new(key.clone(), &progress, Condition::Always)?).await?;
        }
    }
    Ok(read)
}

/// Whether nothing that happened to the item since the connection could be news. What could be is left
/// unseen, to be judged when its hint comes.
fn is_old(entity: EntityType, item: &Item, connected_at: Timestamp) -> bool {
    let was_before = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment < connected_at);
    was_before(item.created_time) && (entity == EntityType::LEAD || was_before(item.moved_time))
}
