//! The rest of a long page body, call by call. Each call is noted in the store before and after it, so a worker that
//! crashes neither loses a block nor writes one twice.

use std::collections::BTreeMap;

use clients::Failure;
use notion::block::Append;
use runtime::TenantId;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::work::LinkWork;

/// The progress of a page body.
#[derive(Debug, Serialize, Deserialize)]
struct PageBody {
    /// The calls: into which block, and with which content.
    calls: Vec<(Vec<usize>, Vec<Value>)>,
    next: usize,
    /// How many blocks there were where the next one goes, if it was begun.
    #[serde(default)]
    begun_at: Option<usize>,
    /// The blocks that something goes into, by their place.
    #[serde(default)]
    ids: BTreeMap<String, String>,
}

/// The write that begins a body whose first call goes with the page.
pub(super) fn begin(tenant: &TenantId, page: &str, calls: Vec<Append>) -> Result<StoreWrite, Failure> {
    let calls = calls.into_iter().map(|call| (call.into, call.blocks)).collect();
    let body = PageBody { calls, next: 1, begun_at: None, ids: BTreeMap::new() };
    Ok(StoreWrite::new(key(tenant, page), &body, WriteCondition::Always)?)
}

/// Writes what is missing of a page's body, if something is. The link is to be saved afterwards.
pub(super) async fn complete(work: &mut LinkWork<'_>) -> Result<(), Failure> {
    if !work.link.body_open {
        return Ok(());
    }
    let (store, tenant) = (work.sync.backend.store.clone(), work.job.tenant.clone());
    let Some(page) = work.link.page.clone() else { return Ok(()) };
    let key = key(&tenant, &page);
    let Some(item) = store.get(&key).await? else {
        work.link.body_open = false;
        return Ok(());
    };
    let mut body: PageBody = item.decode()?;
    let notion = &work.opened.notion;
    while let Some((into, blocks)) = body.calls.get(body.next).cloned() {
        let parent = parent(work, &mut body, &page, &into).await?;
        let there = notion.children(&parent).await?.len();
        // A call's blocks are all written or none; if there are fewer, a person removed some.
        let done = body.begun_at.is_some_and(|before| there >= before + blocks.len());
        if !done {
            body.begun_at = Some(there);
            store.put(StoreWrite::new(key.clone(), &body, WriteCondition::Always)?).await?;
            notion.append(&parent, &blocks).await?;
        }
        body.next += 1;
        body.begun_at = None;
        store.put(StoreWrite::new(key.clone(), &body, WriteCondition::Always)?).await?;
    }
    store.delete(&key).await?;
    work.link.body_open = false;
    Ok(())
}

/// The block that a call goes into, found by its place.
async fn parent(work: &LinkWork<'_>, body: &mut PageBody, page: &str, into: &[usize]) -> Result<String, Failure> {
    let mut parent = page.to_owned();
    for depth in 1..=into.len() {
        let place = into[..depth].iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
        if let Some(id) = body.ids.get(&place) {
            parent.clone_from(id);
            continue;
        }
        let children = work.opened.notion.children(&parent).await?;
        let missing = || Failure::transient(format!("the body of page {page} has no block at {place} yet"));
        let (id, _) = into.get(depth - 1).and_then(|n| children.get(*n)).ok_or_else(missing)?;
        parent.clone_from(id);
        body.ids.insert(place, id.clone());
    }
    Ok(parent)
}

fn key(tenant: &TenantId, page: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#body"), page)
}
