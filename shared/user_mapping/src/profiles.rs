//! Names, pictures and languages of people, cached: each message needs them.

use std::time::Duration;

use bitrix24::user::PortalUser;
use clients::{ErrorClass, Failure};
use runtime::clock::later;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slack::event::SlackUser;

use crate::{OpenTenant, TenantContext};

/// How long a profile is cached.
const PROFILE_TTL: Duration = Duration::from_secs(60 * 60);

/// A person of the portal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PortalProfile {
    /// Their number.
    pub user: u64,
    pub name: String,
    /// Their e-mail, if the connection may see it.
    #[serde(default)]
    pub email: Option<String>,
    /// Their picture, if everyone can see it.
    #[serde(default)]
    pub picture: Option<String>,
    /// Whether they were dismissed.
    #[serde(default)]
    pub is_dismissed: bool,
    /// Whether they are not an employee, for example an extranet user.
    #[serde(default)]
    pub is_outsider: bool,
}

impl TenantContext {
    /// A person in Slack; `None` if the id is unknown.
    pub async fn slack_profile(&self, tenant: &OpenTenant, id: &str) -> Result<Option<SlackUser>, Failure> {
        let key = ItemKey::new(Table::Links, format!("{}#profile", tenant.id), format!("slack#{id}"));
        if let Some(item) = self.backend.store.get(&key).await? {
            return Ok(item.decode()?);
        }
        let found = match tenant.slack.user(id).await {
            Err(Failure { class: ErrorClass::Permanent { code }, .. }) if is_nobody(&code) => None,
            found => Some(found?),
        };
        self.keep(key, &found).await?;
        Ok(found)
    }

    /// Forgets a profile: it has changed.
    pub async fn forget_slack_profile(&self, tenant: &OpenTenant, id: &str) -> Result<(), Failure> {
        let key = ItemKey::new(Table::Links, format!("{}#profile", tenant.id), format!("slack#{id}"));
        Ok(self.backend.store.delete(&key).await?)
    }

    /// A user of the portal; `None` if the number is unknown.
    pub async fn portal_profile(&self, tenant: &OpenTenant, user: u64) -> Result<Option<PortalProfile>, Failure> {
        let key = portal_key(tenant, user);
        if let Some(item) = self.backend.store.get(&key).await? {
            return Ok(item.decode()?);
        }
        self.portal_profile_now(tenant, user).await
    }

    /// The same as the portal has it now, without the cache.
    pub async fn portal_profile_now(&self, tenant: &OpenTenant, user: u64) -> Result<Option<PortalProfile>, Failure> {
        let found = self.portal_users(tenant, &json!({"ID": user})).await?.into_iter().find(|found| found.user == user);
        self.keep_portal_profile(tenant, user, found.as_ref()).await?;
        Ok(found)
    }

    /// Caches a user of the portal for an hour.
    pub async fn keep_portal_profile(
        &self,
        tenant: &OpenTenant,
        user: u64,
        found: Option<&PortalProfile>,
    ) -> Result<(), Failure> {
        self.keep(portal_key(tenant, user), &found).await
    }

    /// People of the portal by a filter of `user.get`.
    pub async fn portal_users(&self, tenant: &OpenTenant, filter: &Value) -> Result<Vec<PortalProfile>, Failure> {
        let answer = tenant.bitrix24.call("user.get", &json!({"FILTER": filter})).await?;
        Ok(read(&answer.result))
    }

    /// Caches what a provider said of a person for an hour.
    pub async fn keep<T: Serialize>(&self, key: ItemKey, value: &T) -> Result<(), Failure> {
        let write =
            StoreWrite::new(key, value, WriteCondition::Always)?.expiring(later(self.backend.clock.now(), PROFILE_TTL));
        self.backend.store.put(write).await?;
        Ok(())
    }
}

fn portal_key(tenant: &OpenTenant, user: u64) -> ItemKey {
    ItemKey::new(Table::Links, format!("{}#profile", tenant.id), format!("portal#{user}"))
}

/// The people in an answer of `user.get`.
pub fn read(rows: &Value) -> Vec<PortalProfile> {
    rows.as_array().cloned().unwrap_or_default().into_iter().filter_map(profile).collect()
}

pub(crate) fn is_nobody(code: &str) -> bool {
    ["user_not_found", "user_not_visible"].contains(&code)
}

fn profile(row: Value) -> Option<PortalProfile> {
    let picture = row["PERSONAL_PHOTO"].as_str().filter(|url| url.starts_with("https://")).map(str::to_owned);
    let user: PortalUser = serde_json::from_value(row).ok()?;
    Some(PortalProfile {
        user: user.id?,
        name: user.display_name().unwrap_or_default(),
        is_dismissed: !user.is_active(),
        is_outsider: !user.is_employee(),
        email: user.email,
        picture,
    })
}
