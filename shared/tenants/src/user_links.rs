//! User mapping as it is stored: links between people in Slack and users of the portal.
//!
//! A Slack account acts as one user of the portal; several accounts may be one user, and a user's accounts are found
//! from them. A link that an e-mail made is trusted for a day and then looked up again; one made by hand remains until
//! the user is dismissed or the Slack account is deactivated. Who may be linked is decided in `user_mapping`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::{is_recent, later};
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};

/// How long a link by e-mail is trusted.
const BY_EMAIL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is remembered that a person has no counterpart.
const NOBODY: Duration = Duration::from_secs(15 * 60);
/// How long a person without a counterpart is listed.
const LISTED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What made a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkOrigin {
    /// The same e-mail on both sides.
    Email,
    /// An administrator, on the page or by a file.
    Hand,
    /// The person themselves.
    Own,
    /// The settings document.
    Settings,
}

/// A link between two accounts of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLink {
    /// The account in Slack.
    pub slack: String,
    /// The number on the portal.
    pub user: u64,
    /// What made it.
    pub origin: LinkOrigin,
    /// The name on the portal, for lists.
    #[serde(default)]
    pub name: String,
    /// When it was made.
    pub at: Timestamp,
}

/// A person in Slack without a counterpart on the portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmapped {
    /// The account in Slack.
    pub slack: String,
    #[serde(default)]
    pub name: String,
    /// Their e-mail there.
    #[serde(default)]
    pub email: Option<String>,
    /// When they were last looked for.
    pub at: Timestamp,
}

/// Why a link ended automatically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The person is no longer active on the portal: dismissed, or deleted there.
    Dismissed,
    /// The account in Slack was deactivated.
    Deactivated,
    /// An e-mail made the link, and the account in Slack is a guest's, a bot's or of another organisation.
    NotMember,
    /// An e-mail made the link, and the person of the portal is not an employee but an extranet user.
    NotEmployee,
}

/// A link that ended automatically. It is listed for a while, and its person gets the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLink {
    pub link: UserLink,
    pub reason: EndReason,
    /// When that was noticed.
    pub at: Timestamp,
}

/// Reads and writes links.
#[derive(Clone)]
pub struct UserLinks {
    store: Arc<dyn Store>,
}

impl UserLinks {
    /// The people in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The link of a Slack account.
    pub async fn of_slack(&self, tenant: &TenantId, slack: &str) -> Result<Option<UserLink>, StoreError> {
        self.store.get(&slack_key(tenant, slack)).await?.map(|item| item.decode()).transpose()
    }

    /// The Slack accounts of a person of the portal: those linked by hand before those found by e-mail.
    pub async fn of_user(&self, tenant: &TenantId, user: u64) -> Result<Vec<UserLink>, StoreError> {
        let mut links = self.listed(tenant, format!("user#{user}#")).await?;
        links.sort_by_key(|link: &UserLink| (link.origin == LinkOrigin::Email, link.at));
        Ok(links)
    }

    /// All links, by Slack account.
    pub async fn all(&self, tenant: &TenantId) -> Result<Vec<UserLink>, StoreError> {
        self.listed(tenant, "user#".into()).await
    }

    /// Links two accounts. From now on the one in Slack acts as this person.
    pub async fn link(&self, tenant: &TenantId, link: &UserLink) -> Result<(), StoreError> {
        let ends = (link.origin == LinkOrigin::Email).then(|| later(link.at, BY_EMAIL));
        let mut writes = Vec::new();
        for key in [slack_key(tenant, &link.slack), user_key(tenant, link.user, &link.slack)] {
            let write = StoreWrite::new(key, link, WriteCondition::Always)?;
            writes.push(match ends {
                Some(end) => write.expiring(end),
                None => write,
            });
        }
        self.store.put_all(writes).await?;
        self.store.delete(&ended_key(tenant, &link.slack, link.user)).await?;
        self.store.delete(&unmapped_key(tenant, &link.slack)).await
    }

    /// Ends a link automatically, and lists it as ended for 30 days.
    pub async fn end(
        &self,
        tenant: &TenantId,
        link: &UserLink,
        reason: EndReason,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let ended = EndedLink { link: link.clone(), reason, at };
        let write = StoreWrite::new(ended_key(tenant, &link.slack, link.user), &ended, WriteCondition::Always)?;
        self.store.put(write.expiring(later(at, LISTED))).await?;
        self.unlink(tenant, &link.slack, link.user).await
    }

    /// The links that ended automatically in the last 30 days.
    pub async fn ended(&self, tenant: &TenantId) -> Result<Vec<EndedLink>, StoreError> {
        self.listed(tenant, "ended#".into()).await
    }

    /// The links of a Slack account that ended automatically in the last 30 days, the latest first.
    pub async fn ended_of(&self, tenant: &TenantId, slack: &str) -> Result<Vec<EndedLink>, StoreError> {
        let mut ended: Vec<EndedLink> = self.listed(tenant, format!("ended#{slack}#")).await?;
        ended.sort_by_key(|ended| std::cmp::Reverse(ended.at));
        Ok(ended)
    }

    /// Removes a link; fine if there is none.
    pub async fn unlink(&self, tenant: &TenantId, slack: &str, user: u64) -> Result<(), StoreError> {
        self.store.delete(&user_key(tenant, user, slack)).await?;
        if self.of_slack(tenant, slack).await?.is_some_and(|link| link.user == user) {
            self.store.delete(&slack_key(tenant, slack)).await?;
            // The account may have another link as well.
            if let Some(other) = self.all(tenant).await?.into_iter().find(|link| link.slack == slack) {
                self.link(tenant, &other).await?;
            }
        }
        Ok(())
    }

    /// Forgets a link by e-mail of a Slack account: the e-mail has changed.
    pub async fn forget_email(&self, tenant: &TenantId, slack: &str) -> Result<(), StoreError> {
        if let Some(link) = self.of_slack(tenant, slack).await?.filter(|link| link.origin == LinkOrigin::Email) {
            self.unlink(tenant, slack, link.user).await?;
        }
        self.store.delete(&unmapped_key(tenant, slack)).await
    }

    /// Notes that a person has no counterpart.
    pub async fn note_unmapped(&self, tenant: &TenantId, somebody: &Unmapped) -> Result<(), StoreError> {
        let write = StoreWrite::new(unmapped_key(tenant, &somebody.slack), somebody, WriteCondition::Always)?;
        self.store.put(write.expiring(later(somebody.at, LISTED))).await.map(|_| ())
    }

    /// Whether it was found shortly before `now` that a person has no counterpart.
    pub async fn is_unmapped(&self, tenant: &TenantId, slack: &str, now: Timestamp) -> Result<bool, StoreError> {
        let found: Option<Unmapped> =
            self.store.get(&unmapped_key(tenant, slack)).await?.map(|item| item.decode()).transpose()?;
        Ok(found.is_some_and(|found| is_recent(now, found.at, NOBODY)))
    }

    /// People in Slack who were looked for and have no counterpart.
    pub async fn unmapped(&self, tenant: &TenantId) -> Result<Vec<Unmapped>, StoreError> {
        self.listed(tenant, "nobody#".into()).await
    }

    async fn listed<T: serde::de::DeserializeOwned>(
        &self,
        tenant: &TenantId,
        prefix: String,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut query = Query::prefix(Table::Links, partition(tenant), prefix);
        loop {
            let page = self.store.list(&query).await?;
            for item in &page.items {
                found.push(item.decode()?);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(found),
            }
        }
    }
}

fn partition(tenant: &TenantId) -> String {
    format!("{tenant}#person")
}

fn slack_key(tenant: &TenantId, slack: &str) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), format!("slack#{slack}"))
}

fn user_key(tenant: &TenantId, user: u64, slack: &str) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), format!("user#{user}#{slack}"))
}

fn ended_key(tenant: &TenantId, slack: &str, user: u64) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), format!("ended#{slack}#{user}"))
}

fn unmapped_key(tenant: &TenantId, slack: &str) -> ItemKey {
    ItemKey::new(Table::Links, partition(tenant), format!("nobody#{slack}"))
}
