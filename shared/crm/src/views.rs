//! Records for people: one with the names of what it mentions, a search of deals by title, a person's day.

use std::collections::BTreeMap;

use bitrix24::batch::BatchAnswer;
use bitrix24::crm::StatusRow;
use bitrix24::{Batch, CrmItem, EntityType, Task};
use clients::{ErrorClass, Failure, PortalClient};
use jiff::tz::TimeZone;
use locale::Language;
use records::names;
use records::names::{CachedName, Nameable};
use records::words::{RecordFacts, Word};
use records::{CardContext, CardText, Change, Names, Record, RecordState};
use serde_json::{Value, json};
use user_mapping::rights::{PersonRights, Reach};
use user_mapping::{OpenTenant, TenantContext};

use crate::names::NamesCache;

/// Pages of fifty deals that are counted.
const MAX_DEAL_PAGES: u64 = 5;
/// Deals offered when a search matches several.
const MAX_OFFERED: usize = 5;
/// The statuses of tasks that are not done.
const OPEN: [u64; 5] = [1, 2, 3, 4, 6];

/// Deals that match a search.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundDeals {
    /// Those that are offered: number, title, address.
    pub deals: Vec<(u64, String, String)>,
    /// How many more there are, at least.
    pub more: u64,
}

/// A record as it is now, with the names of what it mentions. Cards show a change of one by the same words.
#[derive(Debug, Clone)]
pub struct RecordView {
    change: Change,
    names: Names,
    domain: String,
}

impl RecordView {
    /// A record of the portal at `domain`.
    pub fn new(record: Record, state: RecordState, names: Names, domain: &str) -> Self {
        Self { change: Change::whole(record, state), names, domain: domain.to_owned() }
    }

    /// What its words show.
    pub fn words(&self, language: Language) -> CardContext<'_> {
        CardContext { change: &self.change, names: &self.names, domain: &self.domain, language }
    }

    /// What is shown of it: the facts of its cards, and its client if there is one and its name is known.
    pub fn facts(&self, language: Language) -> Vec<(&'static str, CardText)> {
        let noun = self.change.kind.noun();
        let client = RecordFacts::of(noun).more.iter().filter(|word| **word == Word::Client && self.has_client());
        RecordFacts::of(noun).main.iter().chain(client).map(|word| self.fact(*word, language)).collect()
    }

    /// One word with its label.
    pub fn fact(&self, word: Word, language: Language) -> (&'static str, CardText) {
        (language.text(word.label()), self.words(language).shown(word))
    }

    fn has_client(&self) -> bool {
        let client = self.change.state.as_item().and_then(CrmItem::client);
        client.is_some_and(|(entity, id)| self.names.entry(Nameable::Item(entity, id)).is_some())
    }
}

/// A deal with what can be done with it.
#[derive(Debug, Clone)]
pub struct DealView {
    /// The deal.
    pub record: RecordView,
    /// Its number.
    pub id: u64,
    /// Its page.
    pub url: String,
    /// Its stage, by the portal's code.
    pub stage_id: String,
    /// The stages of its funnel, in order: code and name.
    pub stages: Vec<(String, String)>,
    /// Its next activity, and when.
    pub next: Option<(String, Option<jiff::Timestamp>)>,
}

impl DealView {
    /// Its stage, in words.
    pub fn stage(&self, language: Language) -> String {
        self.record.words(language).shown(Word::Stage).visible()
    }
}

/// A person's day in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaySummary {
    /// Leads that were created today.
    pub leads: Option<u64>,
    /// Whether only leads were counted that the person is responsible for.
    pub only_own: bool,
    /// Open tasks.
    pub tasks: Vec<TaskLine>,
    /// How many open tasks there are in all.
    pub open: Option<u64>,
    /// How many of them are late.
    pub overdue: Option<u64>,
    /// Calls that the person missed today.
    pub missed: Option<u64>,
    /// Deals in progress by stage, in the order of the funnel: the stage's name and the number.
    pub deals: Vec<(String, u64)>,
    /// How many deals in progress there are in all.
    pub deals_in_all: Option<u64>,
}

/// A task in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLine {
    pub title: String,
    /// Its page.
    pub url: String,
    pub deadline: Option<jiff::Timestamp>,
    /// Whether the deadline has passed.
    pub is_late: bool,
}

/// Reads records for people, with the rights that each of them has.
#[derive(Clone)]
pub struct RecordViews {
    names: NamesCache,
}

impl RecordViews {
    /// Reads through the connections of `context`.
    pub fn new(context: &TenantContext) -> Self {
        let (store, clock) = (context.backend.store.clone(), context.backend.clock.clone());
        Self { names: NamesCache::new(context.connections.clone(), store, clock) }
    }

    /// A deal; `None` if it does not exist or is out of reach.
    ///
    /// # Errors
    /// If the portal does not answer.
    pub async fn deal(&self, tenant: &OpenTenant, rights: &PersonRights, id: u64) -> Result<Option<DealView>, Failure> {
        let Some(item) = rights.item(EntityType::DEAL, id).await? else { return Ok(None) };
        let stage_id = item.stage_id.clone().unwrap_or_default();
        let list = EntityType::DEAL.stages_of(item.category_id.unwrap_or_default());
        let mut batch = Batch::new();
        let stages = json!({"filter": {"ENTITY_ID": list}, "order": {"SORT": "ASC"}});
        add(&mut batch, "stages", "crm.status.list", &stages)?;
        let activities = json!({
            "filter": {"OWNER_TYPE_ID": EntityType::DEAL.0, "OWNER_ID": id, "COMPLETED": "N"}, "order": {"DEADLINE": "ASC"},
            "select": ["ID", "SUBJECT", "DEADLINE"],
        });
        add(&mut batch, "next", "crm.activity.list", &activities)?;
        let record = Record::item(EntityType::DEAL, id);
        let (mut record, mut answers) = self.view(tenant, rights, record, item.into(), batch).await?;
        let mut part = |name: &str| answers.take(name).and_then(Result::ok).unwrap_or_default();
        let stages = part("stages");
        record.names.add_statuses(rows(&stages).into_iter().filter_map(|row| serde_json::from_value(row).ok()));
        Ok(Some(DealView {
            record,
            id,
            url: EntityType::DEAL.link(&tenant.portal.domain, id),
            stage_id,
            stages: statuses(&stages),
            next: first_activity(&part("next")),
        }))
    }

    /// A task; `None` if it does not exist or is out of reach.
    ///
    /// # Errors
    /// If the portal does not answer.
    pub async fn task(
        &self,
        tenant: &OpenTenant,
        rights: &PersonRights,
        id: u64,
    ) -> Result<Option<RecordView>, Failure> {
        let Some(task) = rights.task(id).await? else { return Ok(None) };
        let (view, _) = self.view(tenant, rights, Record::Task(id), task.into(), Batch::new()).await?;
        Ok(Some(view))
    }

    /// A record with its names, and the answers of `batch`, which is asked in the same request. Related records are
    /// records of their own: their names are shown only to people who are allowed to see them.
    async fn view(
        &self,
        tenant: &OpenTenant,
        rights: &PersonRights,
        record: Record,
        state: RecordState,
        mut batch: Batch,
    ) -> Result<(RecordView, BatchAnswer), Failure> {
        let change = Change::whole(record, state);
        let mut names = (*self.names.of(&tenant.id, &change).await).clone();
        let related = names::wanted(&change).into_iter().filter_map(|named| match named {
            Nameable::Item(entity, id) => Some((named, entity, id)),
            Nameable::User(_) | Nameable::Project(_) => None,
        });
        let related: Vec<_> = related.collect();
        for (index, (_, entity, id)) in related.iter().enumerate() {
            add(&mut batch, &format!("related{index}"), "crm.item.get", &json!({"entityTypeId": entity.0, "id": id}))?;
        }
        let mut answers = if batch.is_empty() { BatchAnswer::default() } else { rights.client.batch(&batch).await?.0 };
        for (index, (named, ..)) in related.into_iter().enumerate() {
            let read = answers.take(&format!("related{index}")).and_then(Result::ok).unwrap_or_default();
            let item = serde_json::from_value::<CrmItem>(read["item"].clone()).ok().filter(|item| rights.may_see(item));
            let name = item.and_then(|item| item.display_title());
            names.add(named, name.map(|name| CachedName { name, ..CachedName::default() }));
        }
        Ok((RecordView { change, names, domain: tenant.portal.domain.clone() }, answers))
    }
}

/// Deals within reach whose title contains these words: number, title, address. Exact titles come first, then the
/// latest changed.
pub async fn find_deals(tenant: &OpenTenant, rights: &PersonRights, words: &str) -> Result<FoundDeals, Failure> {
    // A deal with exactly this title is found, however old it is.
    let mut found = items(&rights.client.call("crm.item.list", &called_so(words)).await?.result);
    found.extend(match rights.reach {
        Reach::Own | Reach::Connection => {
            items(&rights.client.call("crm.item.list", &titled_so(words, None)).await?.result)
        }
        Reach::Concerned => find_concerning(rights, words).await?,
    });
    let is_exact =
        |deal: &CrmItem| deal.display_title().is_some_and(|title| title.to_lowercase() == words.to_lowercase());
    let mut known = std::collections::BTreeSet::new();
    found.retain(|deal| rights.may_see(deal) && known.insert(deal.id));
    found.sort_by_key(|deal| !is_exact(deal));
    let more = found.len().saturating_sub(MAX_OFFERED) as u64;
    found.truncate(MAX_OFFERED);
    Ok(FoundDeals { deals: titled(tenant, found), more })
}

/// Deals that a person is responsible for or created, at any age; and those that they observe, which no filter finds,
/// among the latest changed.
async fn find_concerning(rights: &PersonRights, words: &str) -> Result<Vec<CrmItem>, Failure> {
    let mut batch = Batch::new();
    for of in ["assignedById", "createdBy"] {
        add(&mut batch, of, "crm.item.list", &titled_so(words, Some((of, rights.user))))?;
    }
    for page in 0..MAX_DEAL_PAGES {
        let mut params = titled_so(words, None);
        params["start"] = (page * 50).into();
        add(&mut batch, &format!("page{page}"), "crm.item.list", &params)?;
    }
    let (mut answers, _) = rights.client.batch(&batch).await?;
    let names = ["assignedById".to_owned(), "createdBy".to_owned()];
    let names = names.into_iter().chain((0..MAX_DEAL_PAGES).map(|page| format!("page{page}")));
    let mut found: Vec<CrmItem> = Vec::new();
    for name in names {
        let rows = answers.take(&name).and_then(Result::ok).unwrap_or_default();
        found.extend(items(&rows).into_iter().filter(|deal| rights.may_see(deal)));
    }
    found.sort_by_key(|deal| (std::cmp::Reverse(deal.updated_time), deal.id));
    found.dedup_by_key(|deal| deal.id);
    Ok(found)
}

/// A person's day. If only what concerns them is within reach, only their own leads are counted.
pub async fn day(context: &TenantContext, tenant: &OpenTenant, rights: &PersonRights) -> Result<DaySummary, Failure> {
    let (client, user) = (&rights.client, rights.user);
    let only_own = rights.reach == Reach::Concerned;
    let (zone, now) = (tenant.settings.zone(), context.backend.clock.now());
    let today = start_of_day(now, &zone);
    let mut batch = Batch::new();
    let mut leads = json!({
        "entityTypeId": EntityType::LEAD.0, "select": ["id"], "filter": {">=createdTime": today.to_string()},
    });
    if only_own {
        leads["filter"]["assignedById"] = user.into();
    }
    add(&mut batch, "leads", "crm.item.list", &leads)?;
    let tasks = json!({
        "filter": {"RESPONSIBLE_ID": user, "REAL_STATUS": OPEN}, "order": {"DEADLINE": "ASC"},
        "select": ["ID", "TITLE", "DEADLINE", "RESPONSIBLE_ID", "STATUS"],
    });
    add(&mut batch, "tasks", "tasks.task.list", &tasks)?;
    let overdue = json!({
        "filter": {"RESPONSIBLE_ID": user, "REAL_STATUS": OPEN, "<DEADLINE": now.to_string()}, "select": ["ID"],
    });
    add(&mut batch, "overdue", "tasks.task.list", &overdue)?;
    let missed = json!({"FILTER": {
        "PORTAL_USER_ID": user.to_string(), "CALL_FAILED_CODE": "304", ">=CALL_START_DATE": today.to_string(),
    }});
    add(&mut batch, "missed", "voximplant.statistic.get", &missed)?;
    for page in 0..MAX_DEAL_PAGES {
        let deals = json!({
            "entityTypeId": EntityType::DEAL.0, "select": ["id", "stageId", "categoryId"],
            "filter": {"assignedById": user, "stageSemanticId": "P"}, "order": {"id": "ASC"}, "start": page * 50,
        });
        add(&mut batch, &format!("deals{page}"), "crm.item.list", &deals)?;
    }
    let (mut answers, _) = client.batch(&batch).await?;
    let total = |name: &str| answers.total(name);
    let (leads, open, overdue, deals_in_all) = (total("leads"), total("tasks"), total("overdue"), total("deals0"));
    let mut part = |name: &str| answers.take(name).and_then(Result::ok);
    let tasks = part("tasks").map(|rows| task_lines(context, tenant, &rows)).unwrap_or_default();
    let missed = part("missed").map(|rows| missed_calls(&rows));
    let mut stages: BTreeMap<(u64, String), u64> = BTreeMap::new();
    for page in 0..MAX_DEAL_PAGES {
        for row in rows(&part(&format!("deals{page}")).unwrap_or_default()["items"]) {
            if let Ok(item) = serde_json::from_value::<CrmItem>(row) {
                let key = (item.category_id.unwrap_or_default(), item.stage_id.unwrap_or_default());
                *stages.entry(key).or_default() += 1;
            }
        }
    }
    let deals = stages_in_order(client, stages).await?;
    Ok(DaySummary { leads, only_own, tasks, open, overdue, missed, deals, deals_in_all })
}

fn task_lines(context: &TenantContext, tenant: &OpenTenant, rows_of: &Value) -> Vec<TaskLine> {
    let now = context.backend.clock.now();
    let tasks = rows(&rows_of["tasks"]).into_iter().filter_map(|row| Task::read(row).ok());
    tasks
        .map(|task| TaskLine {
            url: task.link(&tenant.portal.domain),
            is_late: task.deadline.is_some_and(|deadline| deadline < now),
            deadline: task.deadline,
            title: task.title.clone().unwrap_or_else(|| task.id.to_string()),
        })
        .collect()
}

/// Deals in progress that a person is responsible for: number, title, address.
pub async fn latest_deals(tenant: &OpenTenant, rights: &PersonRights) -> Result<Vec<(u64, String, String)>, Failure> {
    let params = json!({
        "entityTypeId": EntityType::DEAL.0, "select": CONCERNED,
        "filter": {"assignedById": rights.user, "stageSemanticId": "P"}, "order": {"updatedTime": "DESC"},
    });
    let mut found = match rights.client.call("crm.item.list", &params).await {
        Ok(answer) => items(&answer.result),
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Vec::new(),
        Err(failure) => return Err(failure),
    };
    found.retain(|deal| rights.may_see(deal));
    found.truncate(MAX_OFFERED);
    Ok(titled(tenant, found))
}

/// Whether a failure says that a person must allow work with their own rights, for the first time or again.
pub fn needs_permission(code: &str) -> bool {
    ["grant_needed", "grant_expired"].contains(&code)
}

async fn stages_in_order(
    client: &PortalClient,
    counted: BTreeMap<(u64, String), u64>,
) -> Result<Vec<(String, u64)>, Failure> {
    let mut funnels: Vec<u64> = counted.keys().map(|(category, _)| *category).collect();
    funnels.dedup();
    if funnels.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::new();
    for funnel in funnels.iter().take(bitrix24::batch::MAX_COMMANDS) {
        let list = EntityType::DEAL.stages_of(*funnel);
        add(
            &mut batch,
            &funnel.to_string(),
            "crm.status.list",
            &json!({"filter": {"ENTITY_ID": list}, "order": {"SORT": "ASC"}}),
        )?;
    }
    let (mut answers, _) = client.batch(&batch).await?;
    let mut lines = Vec::new();
    for funnel in funnels {
        let stages = answers.take(&funnel.to_string()).and_then(Result::ok).as_ref().map(statuses).unwrap_or_default();
        let of_funnel = counted.iter().filter(|((category, _), _)| *category == funnel);
        let mut of_funnel: Vec<_> = of_funnel
            .map(|((_, stage), count)| {
                let place = stages.iter().position(|(code, _)| code == stage).unwrap_or(usize::MAX);
                let words = stages.get(place).map_or_else(|| stage.clone(), |(_, words)| words.clone());
                (place, words, *count)
            })
            .collect();
        of_funnel.sort();
        lines.extend(of_funnel.into_iter().map(|(_, words, count)| (words, count)));
    }
    Ok(lines)
}

fn add(batch: &mut Batch, name: &str, method: &str, params: &Value) -> Result<(), Failure> {
    batch.add(name, method, params).map_err(|full| Failure::permanent("batch_full", full.to_string()))
}

fn rows(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn statuses(value: &Value) -> Vec<(String, String)> {
    let mut found: Vec<(u64, String, String)> = rows(value)
        .into_iter()
        .filter_map(|row| {
            let sort = row["SORT"].as_str().and_then(|sort| sort.parse().ok()).or_else(|| row["SORT"].as_u64());
            let status: StatusRow = serde_json::from_value(row).ok()?;
            Some((sort.unwrap_or(u64::MAX), status.status_id?, status.name?))
        })
        .collect();
    found.sort_by_key(|(sort, ..)| *sort);
    found.into_iter().map(|(_, code, words)| (code, words)).collect()
}

/// The first activity by deadline; those without a deadline come last, whatever the portal's order.
fn first_activity(value: &Value) -> Option<(String, Option<jiff::Timestamp>)> {
    let mut found: Vec<_> = rows(value)
        .into_iter()
        .map(|row| {
            let deadline: Option<jiff::Timestamp> = row["DEADLINE"].as_str().and_then(|text| text.parse().ok());
            (row["SUBJECT"].as_str().unwrap_or("…").to_owned(), deadline)
        })
        .collect();
    found.sort_by_key(|(_, deadline)| (deadline.is_none(), *deadline));
    found.into_iter().next()
}

/// Incoming calls that nobody answered.
fn missed_calls(value: &Value) -> u64 {
    let incoming = |row: &&Value| {
        ["2", "3"].iter().any(|kind| row["CALL_TYPE"] == *kind) || [2, 3].iter().any(|kind| row["CALL_TYPE"] == *kind)
    };
    value.as_array().into_iter().flatten().filter(incoming).count() as u64
}

/// The fields that say whom a deal concerns, and its title.
const CONCERNED: [&str; 6] = ["id", "title", "assignedById", "createdBy", "observers", "updatedTime"];

/// A search for deals by words of their title, and by person if one is given.
fn titled_so(words: &str, of: Option<(&str, u64)>) -> Value {
    let mut params = json!({
        "entityTypeId": EntityType::DEAL.0, "select": CONCERNED, "filter": {"%title": words}, "order": {"updatedTime": "DESC"},
    });
    if let Some((field, user)) = of {
        params["filter"][field] = user.into();
    }
    params
}

/// A search for deals by their whole title.
fn called_so(title: &str) -> Value {
    let mut params = titled_so(title, None);
    params["filter"] = json!({"=title": title});
    params
}

fn items(answer: &Value) -> Vec<CrmItem> {
    rows(&answer["items"]).into_iter().filter_map(|row| serde_json::from_value(row).ok()).collect()
}

fn titled(tenant: &OpenTenant, items: Vec<CrmItem>) -> Vec<(u64, String, String)> {
    let titled = items.into_iter().map(|item| {
        let title = item.display_title().unwrap_or_else(|| item.id.to_string());
        (item.id, title, EntityType::DEAL.link(&tenant.portal.domain, item.id))
    });
    titled.collect()
}

fn start_of_day(now: jiff::Timestamp, zone: &TimeZone) -> jiff::Timestamp {
    now.to_zoned(zone.clone()).start_of_day().map_or(now, |start| start.timestamp())
}
