//! The names behind codes and numbers: stages, sources, funnels, people, companies, contacts, projects. Cached in the
//! store for all workers, and for a minute in memory. A name that cannot be read shows as unknown; it never stops a
//! card.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitrix24::batch::BatchAnswer;
use bitrix24::client::shaped;
use bitrix24::crm::StatusRow;
use bitrix24::tolerant::whole;
use bitrix24::user::PortalUser;
use bitrix24::{Batch, CrmItem, EntityType};
use clients::{Connections, Failure, PortalClient};
use futures::future::join_all;
use jiff::Timestamp;
use records::names::{CachedName, Nameable, wanted};
use records::{Change, Names};
use runtime::TenantId;
use runtime::clock::{Clock, is_ahead, is_recent, later};
use runtime::store::{ItemKey, Store, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long names in the store are used.
const STORED_NAMES_TTL: Duration = Duration::from_secs(60 * 60);
/// How long "not available to us" is remembered.
const UNAVAILABLE_TTL: Duration = Duration::from_secs(10 * 60);
/// How long names in memory are used.
const CACHED_NAMES_TTL: Duration = Duration::from_secs(60);
/// More tenants than this are not kept in memory.
const MAX_TENANTS: usize = 500;
/// Rows on a page of any list.
const PAGE: usize = 50;
/// More pages of statuses than this are not read; the rest shows as codes.
const MAX_PAGES: usize = 40;
/// The lists are read again at most this often, when a stage is not in them.
const BETWEEN_LISTS: Duration = Duration::from_secs(5 * 60);

/// Names by tenant. Cheap to clone.
#[derive(Clone)]
pub struct NamesCache {
    connections: Connections,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    memory: Arc<Mutex<HashMap<TenantId, (Arc<Names>, Timestamp)>>>,
    /// One job reads; the others of its batch find what it learned.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// The lists of a tenant, as the store keeps them.
#[derive(Default, Serialize, Deserialize)]
struct Lists {
    names: Names,
    asked_at: Option<Timestamp>,
}

impl NamesCache {
    /// An empty cache over `store`.
    pub fn new(connections: Connections, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { connections, store, clock, memory: Arc::default(), asking: Arc::default() }
    }

    /// The names that `change` mentions, as far as they can be read.
    pub async fn of(&self, tenant: &TenantId, change: &Change) -> Arc<Names> {
        let wanted = wanted(change);
        if let Some(names) = self.remembered(tenant).filter(|names| suffices(names, change, &wanted)) {
            return names;
        }
        let _asking = self.asking.lock().await;
        let mut names = match self.remembered(tenant) {
            Some(names) if suffices(&names, change, &wanted) => return names,
            Some(names) => (*names).clone(),
            None => Names::default(),
        };
        let lists = self.read_stored(tenant, &mut names, &wanted).await;
        let may_ask_lists = lists.asked_at.is_none_or(|asked| !is_recent(self.clock.now(), asked, BETWEEN_LISTS));
        let ask_lists = may_ask_lists && (!names.has_stages_of(change) || !names.has_statuses());
        let missing = names.missing(&wanted);
        if (ask_lists || !missing.is_empty())
            && let Err(failure) = self.ask(tenant, change.entity(), ask_lists, &missing, &mut names).await
        {
            tracing::warn!(%tenant, %failure, "names could not be read; the card shows codes");
        }
        let names = Arc::new(names);
        self.remember(tenant, &names);
        names
    }

    /// Learns the names that many changes mention, in one request: read one by one, each would cost its own.
    pub async fn learn_all(&self, tenant: &TenantId, changes: &[Change]) {
        let (mut asked, mut seen): (BTreeSet<Nameable>, HashMap<_, usize>) = (BTreeSet::new(), HashMap::new());
        for named in changes.iter().flat_map(wanted).collect::<BTreeSet<_>>() {
            // One request returns a page; the rest is read when it is needed.
            let of_kind = seen.entry(std::mem::discriminant(&named)).or_default();
            *of_kind += 1;
            if *of_kind <= PAGE {
                asked.insert(named);
            }
        }
        let _asking = self.asking.lock().await;
        let mut names = self.remembered(tenant).map(|names| (*names).clone()).unwrap_or_default();
        self.read_stored(tenant, &mut names, &asked).await;
        let missing = names.missing(&asked);
        let entity = changes.first().and_then(Change::entity);
        if !missing.is_empty()
            && let Err(failure) = self.ask(tenant, entity, false, &missing, &mut names).await
        {
            tracing::warn!(%tenant, %failure, "names could not be read; they are asked for one by one");
            return;
        }
        self.remember(tenant, &Arc::new(names));
    }

    /// Forgets what a schema event reports as changed: a person, or the lists.
    pub async fn forget(&self, tenant: &TenantId, named: Option<Nameable>) {
        self.lock().remove(tenant);
        let key = named.map_or_else(|| key(tenant, "all"), |named| key(tenant, &named.key()));
        if let Err(error) = self.store.delete(&key).await {
            tracing::warn!(%tenant, %error, "a name could not be forgotten; it will be by its age");
        }
    }

    /// Adds a name that was read on another occasion.
    pub async fn learn(&self, tenant: &TenantId, named: Nameable, name: String) {
        self.lock().remove(tenant);
        self.keep_entry(tenant, named, Some(&CachedName { name, ..CachedName::default() })).await;
    }

    fn remembered(&self, tenant: &TenantId) -> Option<Arc<Names>> {
        let memory = self.lock();
        memory.get(tenant).filter(|(_, until)| self.is_fresh(*until)).map(|(names, _)| names.clone())
    }

    fn remember(&self, tenant: &TenantId, names: &Arc<Names>) {
        let mut memory = self.lock();
        if memory.len() >= MAX_TENANTS {
            memory.clear();
        }
        // What was remembered keeps its age: names are read again sooner or later.
        let until = memory.get(tenant).map(|(_, until)| *until).filter(|until| self.is_fresh(*until));
        memory.insert(
            tenant.clone(),
            (names.clone(), until.unwrap_or_else(|| later(self.clock.now(), CACHED_NAMES_TTL))),
        );
    }

    fn is_fresh(&self, until: Timestamp) -> bool {
        is_ahead(self.clock.now(), until, CACHED_NAMES_TTL)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, (Arc<Names>, Timestamp)>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from the store: the lists, and each wanted name.
    async fn read_stored(&self, tenant: &TenantId, names: &mut Names, wanted: &BTreeSet<Nameable>) -> Lists {
        let stored = self.store.get(&key(tenant, "all")).await.ok().flatten();
        let lists = stored.and_then(|item| item.decode::<Lists>().ok()).unwrap_or_default();
        if !names.has_statuses() {
            names.take_lists(&lists.names);
        }
        let missing = names.missing(wanted);
        let read =
            missing.iter().map(|named| async move { (*named, self.store.get(&key(tenant, &named.key())).await) });
        for (named, item) in join_all(read).await {
            if let Ok(Some(item)) = item
                && let Ok(entry) = item.decode::<Option<CachedName>>()
            {
                names.add(named, entry);
            }
        }
        lists
    }

    /// Reads from the portal what is missing, in one request (the lists may need another).
    async fn ask(
        &self,
        tenant: &TenantId,
        entity: Option<EntityType>,
        lists: bool,
        missing: &[Nameable],
        names: &mut Names,
    ) -> Result<(), Failure> {
        let portal = self.connections.portal(tenant).await?;
        let client = self.connections.bitrix24(&portal).await?;
        let mut batch = Batch::new();
        if lists {
            let _ = batch.add("statuses", "crm.status.list", &json!({}));
            if let Some(entity) = entity {
                let _ = batch.add("funnels", "crm.category.list", &json!({"entityTypeId": entity}));
            }
        }
        for (name, method, params) in questions(missing) {
            let _ = batch.add(name, method, &params);
        }
        let (mut answers, _) = client.batch(&batch).await?;
        for named in missing {
            // That a name was not found is remembered too.
            names.add(*named, None);
        }
        take_users(names, &mut answers);
        take_items(names, &mut answers);
        take_projects(names, &mut answers);
        for named in missing {
            self.keep_entry(tenant, *named, names.entry(*named)).await;
        }
        if lists {
            take_funnels(names, entity, &mut answers);
            self.take_statuses(&client, names, &mut answers).await?;
            let lists = Lists { names: names.clone(), asked_at: Some(self.clock.now()) };
            self.keep(key(tenant, "all"), &lists, STORED_NAMES_TTL).await;
        }
        Ok(())
    }

    /// Some portals return all statuses at once, some a page.
    async fn take_statuses(
        &self,
        client: &PortalClient,
        names: &mut Names,
        answers: &mut BatchAnswer,
    ) -> Result<(), Failure> {
        let read = add_statuses(names, answers, "statuses");
        let total = answers.total("statuses").and_then(|total| usize::try_from(total).ok()).unwrap_or(read);
        if read == 0 || total <= read {
            return Ok(());
        }
        let mut batch = Batch::new();
        for start in (read..total).step_by(read).take(MAX_PAGES) {
            let _ = batch.add(start.to_string(), "crm.status.list", &json!({"start": start}));
        }
        let (mut answers, _) = client.batch(&batch).await?;
        for start in (read..total).step_by(read).take(MAX_PAGES) {
            add_statuses(names, &mut answers, &start.to_string());
        }
        Ok(())
    }

    async fn keep_entry(&self, tenant: &TenantId, named: Nameable, entry: Option<&CachedName>) {
        let keeps = if entry.is_some() { STORED_NAMES_TTL } else { UNAVAILABLE_TTL };
        self.keep(key(tenant, &named.key()), &entry, keeps).await;
    }

    async fn keep<T: Serialize>(&self, key: ItemKey, value: &T, keeps: Duration) {
        let Ok(write) = StoreWrite::new(key, value, WriteCondition::Always) else { return };
        if let Err(error) = self.store.put(write.expiring(later(self.clock.now(), keeps))).await {
            tracing::warn!(%error, "a name could not be kept");
        }
    }
}

fn key(tenant: &TenantId, name: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#names"), name)
}

fn suffices(names: &Names, change: &Change, wanted: &BTreeSet<Nameable>) -> bool {
    names.has_stages_of(change) && names.missing(wanted).is_empty()
}

/// The requests for names: one call for people, one for each type of items, one for projects.
fn questions(missing: &[Nameable]) -> Vec<(String, &'static str, Value)> {
    let mut questions = Vec::new();
    let mut users = Vec::new();
    let mut projects = Vec::new();
    let mut items: HashMap<EntityType, Vec<u64>> = HashMap::new();
    for named in missing {
        match named {
            Nameable::User(id) => users.push(*id),
            Nameable::Project(id) => projects.push(*id),
            Nameable::Item(entity, id) => items.entry(*entity).or_default().push(*id),
        }
    }
    if !users.is_empty() {
        questions.push(("users".into(), "user.get", json!({"FILTER": {"ID": users}})));
    }
    if !projects.is_empty() {
        questions.push(("projects".into(), "sonet_group.get", json!({"FILTER": {"ID": projects}})));
    }
    for (entity, ids) in items {
        let select = json!(["id", "title", "name", "lastName"]);
        let params = json!({"entityTypeId": entity, "filter": {"@id": ids}, "select": select, "start": -1});
        questions.push((format!("items{}", entity.0), "crm.item.list", params));
    }
    questions
}

fn take_users(names: &mut Names, answers: &mut BatchAnswer) {
    if let Some(Ok(rows)) = answers.take("users") {
        names.add_users(shaped::<Vec<PortalUser>>("user.get", rows).unwrap_or_default());
    }
}

fn take_items(names: &mut Names, answers: &mut BatchAnswer) {
    for entity in answers.names().filter_map(|name| name.strip_prefix("items")?.parse().ok()).collect::<Vec<u32>>() {
        let Some(Ok(mut result)) = answers.take(&format!("items{entity}")) else { continue };
        for item in shaped::<Vec<CrmItem>>("crm.item.list", result["items"].take()).unwrap_or_default() {
            if let Some(name) = item.display_title() {
                names.add(
                    Nameable::Item(EntityType(entity), item.id),
                    Some(CachedName { name, ..CachedName::default() }),
                );
            }
        }
    }
}

fn take_projects(names: &mut Names, answers: &mut BatchAnswer) {
    let Some(Ok(rows)) = answers.take("projects") else { return };
    for row in rows.as_array().into_iter().flatten() {
        if let Some((id, name)) = whole(&row["ID"]).zip(row["NAME"].as_str()) {
            names.add(Nameable::Project(id), Some(CachedName { name: name.to_owned(), ..CachedName::default() }));
        }
    }
}

fn take_funnels(names: &mut Names, entity: Option<EntityType>, answers: &mut BatchAnswer) {
    let (Some(entity), Some(Ok(result))) = (entity, answers.take("funnels")) else { return };
    for row in result["categories"].as_array().into_iter().flatten() {
        if let Some((id, name)) = whole(&row["id"]).zip(row["name"].as_str()) {
            names.add_funnel(entity, id, name.to_owned());
        }
    }
}

/// Adds a page of statuses and returns how many rows it had.
fn add_statuses(names: &mut Names, answers: &mut BatchAnswer, page: &str) -> usize {
    let Some(Ok(rows)) = answers.take(page) else { return 0 };
    let rows = shaped::<Vec<StatusRow>>("crm.status.list", rows).unwrap_or_default();
    let count = rows.len();
    names.add_statuses(rows);
    count
}
