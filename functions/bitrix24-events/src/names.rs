//! The names behind codes and numbers: stages, sources, people. Kept in the store for all workers, and for a
//! minute in memory. What cannot be read shows as unknown; it never stops a card.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitrix24::Batch;
use bitrix24::batch::BatchAnswer;
use bitrix24::client::shaped;
use bitrix24::crm::Status;
use bitrix24::user::User;
use connect::Failure;
use jiff::Timestamp;
use platform::TenantId;
use platform::clock::{Clock, later};
use platform::store::{Condition, Key, Store, Table, Write};
use rules::{Change, Names};
use serde_json::json;

use crate::Deps;

/// How long names in the store are believed.
const KEEPS: Duration = Duration::from_secs(60 * 60);
/// How long names in memory are believed.
const FRESH: Duration = Duration::from_secs(60);
/// More tenants than this are not kept in memory.
const MOST_TENANTS: usize = 500;

/// More pages of statuses than this are not read; the rest shows as codes.
const MOST_PAGES: usize = 50;

#[derive(Clone)]
pub(crate) struct Cache {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    memory: Arc<Mutex<HashMap<TenantId, (Arc<Names>, Timestamp)>>>,
    /// One job asks; the others of its batch find what it learned.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl Cache {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, memory: Arc::default(), asking: Arc::default() }
    }

    /// Names that know what `change` speaks of, as far as that can be found out.
    pub(crate) async fn of(&self, deps: &Deps, tenant: &TenantId, change: &Change) -> Arc<Names> {
        if let Some(names) = self.kept(tenant).await.filter(|names| suffices(names, change)) {
            return names;
        }
        let _asking = self.asking.lock().await;
        let kept = self.kept(tenant).await;
        if let Some(names) = kept.as_ref().filter(|names| suffices(names, change)) {
            return names.clone();
        }
        let mut names = kept.map(|names| (*names).clone()).unwrap_or_default();
        if let Err(failure) = ask(deps, tenant, change, &mut names).await {
            tracing::warn!(%tenant, %failure, "names could not be read; the card shows codes");
        }
        let names = Arc::new(names);
        self.keep(tenant, &names).await;
        names
    }

    async fn kept(&self, tenant: &TenantId) -> Option<Arc<Names>> {
        let remembered = {
            let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.get(tenant).filter(|(_, until)| *until > self.clock.now()).map(|(names, _)| names.clone())
        };
        if remembered.is_some() {
            return remembered;
        }
        let item = self.store.get(&key(tenant)).await.ok()??;
        let names = Arc::new(item.decode::<Names>().ok()?);
        self.remember(tenant, &names);
        Some(names)
    }

    async fn keep(&self, tenant: &TenantId, names: &Arc<Names>) {
        self.remember(tenant, names);
        let until = later(self.clock.now(), KEEPS);
        let Ok(write) = Write::new(key(tenant), names.as_ref(), Condition::Always) else { return };
        if let Err(error) = self.store.put(write.expiring(until)).await {
            tracing::warn!(%tenant, %error, "names could not be kept");
        }
    }

    fn remember(&self, tenant: &TenantId, names: &Arc<Names>) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MOST_TENANTS {
            memory.clear();
        }
        memory.insert(tenant.clone(), (names.clone(), later(self.clock.now(), FRESH)));
    }
}

fn key(tenant: &TenantId) -> Key {
    Key::new(Table::Links, format!("{tenant}#names"), "all")
}

fn stages_of(change: &Change) -> impl Iterator<Item = &str> {
    change.item.stage_id.as_deref().into_iter().chain(change.from_stage.as_deref())
}

fn suffices(names: &Names, change: &Change) -> bool {
    let (entity, category) = (change.record.entity, change.item.category_id);
    stages_of(change).all(|stage| names.has_stage(entity, category, stage))
        && change.item.assigned_by_id.is_none_or(|user| names.has_user(user))
}

/// Asks the portal for what is missing: the statuses, and the person, in one request.
async fn ask(deps: &Deps, tenant: &TenantId, change: &Change, names: &mut Names) -> Result<(), Failure> {
    let portal = deps.connections.portal(tenant).await?;
    let client = deps.connections.bitrix24(&portal).await?;
    let (entity, category) = (change.record.entity, change.item.category_id);
    let stages_known = stages_of(change).all(|stage| names.has_stage(entity, category, stage));
    let user = change.item.assigned_by_id.filter(|user| !names.has_user(*user));

    let mut batch = Batch::new();
    if !stages_known {
        let _ = batch.add("0", "crm.status.list", &json!({}));
    }
    if let Some(user) = user {
        let _ = batch.add("user", "user.get", &json!({"FILTER": {"ID": user}}));
    }
    let (mut answers, _) = client.batch(&batch).await?;
    if let Some(Ok(rows)) = answers.take("user") {
        names.add_users(shaped::<Vec<User>>("user.get", rows).unwrap_or_default());
    }
    let read = add_statuses(names, &mut answers, "0");
    // Some portals give all statuses at once, some a page.
    let total = answers.total("0").and_then(|total| usize::try_from(total).ok()).unwrap_or(read);
    if read > 0 && total > read {
        let mut batch = Batch::new();
        for start in (read..total).step_by(read).take(MOST_PAGES) {
            let _ = batch.add(start.to_string(), "crm.status.list", &json!({"start": start}));
        }
        let (mut answers, _) = client.batch(&batch).await?;
        for start in (read..total).step_by(read).take(MOST_PAGES) {
            add_statuses(names, &mut answers, &start.to_string());
        }
    }
    Ok(())
}

/// Takes in a page of statuses and returns how many rows it had.
fn add_statuses(names: &mut Names, answers: &mut BatchAnswer, page: &str) -> usize {
    let Some(Ok(rows)) = answers.take(page) else { return 0 };
    let rows = shaped::<Vec<Status>>("crm.status.list", rows).unwrap_or_default();
    let count = rows.len();
    names.add_statuses(rows);
    count
}
