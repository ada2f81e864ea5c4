//! Which person in Notion is which user of the portal: by the same e-mail, or as the settings say.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bitrix24::client::shaped;
use bitrix24::user::PortalUser;
use clients::{Failure, NotionClient, PortalClient};
use runtime::TenantId;
use runtime::clock::is_recent;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use serde_json::json;
use settings::Settings;

use crate::NotionSync;

/// How long the mapping is cached.
const MAPPING_TTL: Duration = Duration::from_secs(60 * 60);
/// How long, if a person is missing from it.
const INCOMPLETE_MAPPING_TTL: Duration = Duration::from_secs(5 * 60);
/// E-mails in one request to the portal.
const AT_ONCE: usize = 50;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeopleMapping {
    /// People in Notion by their number on the portal.
    pub to_notion: BTreeMap<u64, String>,
    /// When it was read.
    pub at: jiff::Timestamp,
}

impl PeopleMapping {
    /// The other direction.
    pub fn to_portal(&self) -> HashMap<String, u64> {
        self.to_notion.iter().map(|(user, id)| (id.clone(), *user)).collect()
    }

    fn knows(&self, users: &[u64], ids: &[String]) -> bool {
        let there: Vec<_> = self.to_notion.values().collect();
        users.iter().all(|user| self.to_notion.contains_key(user)) && ids.iter().all(|id| there.contains(&id))
    }
}

impl NotionSync {
    /// The mapping, read again if it is old, or if a person is missing and it is not quite new.
    pub async fn people(
        &self,
        tenant: &TenantId,
        settings: &Settings,
        notion: &NotionClient,
        portal: &PortalClient,
        users: &[u64],
        ids: &[String],
    ) -> Result<Arc<PeopleMapping>, Failure> {
        let now = self.backend.clock.now();
        let remembered = self.people.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned();
        let stored = match remembered {
            Some(map) => Some(map),
            None => self
                .backend
                .store
                .get(&key(tenant))
                .await?
                .map(|item| item.decode::<PeopleMapping>())
                .transpose()?
                .map(Arc::new),
        };
        if let Some(map) = stored {
            let keeps = if map.knows(users, ids) { MAPPING_TTL } else { INCOMPLETE_MAPPING_TTL };
            if is_recent(now, map.at, keeps) {
                self.remember_people(tenant, &map);
                return Ok(map);
            }
        }
        let map = Arc::new(read_people(settings, notion, portal, now).await?);
        self.backend.store.put(StoreWrite::new(key(tenant), map.as_ref(), WriteCondition::Always)?).await?;
        self.remember_people(tenant, &map);
        Ok(map)
    }

    fn remember_people(&self, tenant: &TenantId, map: &Arc<PeopleMapping>) {
        self.people.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), map.clone());
    }
}

async fn read_people(
    settings: &Settings,
    notion: &NotionClient,
    portal: &PortalClient,
    now: jiff::Timestamp,
) -> Result<PeopleMapping, Failure> {
    let mut by_email: BTreeMap<String, String> = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = match notion.people(cursor.as_deref()).await {
            // Without the capability nobody is known by e-mail; people in the settings are.
            Err(failure) if failure.code() == "restricted_resource" => {
                tracing::warn!(%failure, "the connection may not read people; allow user information with e-mail");
                break;
            }
            page => page?,
        };
        by_email.extend(page.items.into_iter().filter_map(|person| Some((person.email?, person.id))));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut to_notion = BTreeMap::new();
    let emails: Vec<_> = by_email.keys().cloned().collect();
    for some in emails.chunks(AT_ONCE) {
        let answer = portal.call("user.get", &json!({"FILTER": {"EMAIL": some}})).await?;
        let users = shaped::<Vec<PortalUser>>("user.get", answer.result).map_err(|error| portal.failure(&error))?;
        for user in users {
            let id = user.email.and_then(|email| by_email.get(&email.to_lowercase()));
            to_notion.extend(user.id.zip(id.cloned()));
        }
    }
    for (user, id) in &settings.notion.people {
        if let (Ok(user), Some(id)) = (user.parse(), notion::object_id(id)) {
            to_notion.retain(|_, known| *known != id);
            to_notion.insert(user, id);
        }
    }
    Ok(PeopleMapping { to_notion, at: now })
}

fn key(tenant: &TenantId) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#notion"), "people")
}
