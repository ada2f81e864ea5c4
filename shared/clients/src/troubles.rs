//! Credentials that a provider rejects: noted once, reported once, and tried again until they work.

use std::time::Duration;

use jiff::Timestamp;
use locale::{Language, texts};
use runtime::TenantId;
use runtime::store::{ItemKey, Query, StoreError, StoreWrite, Table, WriteCondition};
use serde::{Deserialize, Serialize};
use wire::time_limits::{NOTION_WORKS_FOR, PORTAL_WORKS_FOR, SLACK_WORKS_FOR};

use crate::{Connections, Failure, rate_buckets};

/// A side of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionSide {
    /// The portal.
    Bitrix24,
    /// The Slack workspace.
    Slack,
    /// The Notion workspace.
    Notion,
}

impl ConnectionSide {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bitrix24, Self::Slack, Self::Notion];

    /// Its name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bitrix24 => "Bitrix24",
            Self::Slack => "Slack",
            Self::Notion => "Notion",
        }
    }

    /// What it is called in texts of a language.
    pub fn title(self, language: Language) -> &'static str {
        language.text(match self {
            Self::Bitrix24 => texts::providers::BITRIX24,
            Self::Slack => texts::providers::SLACK,
            Self::Notion => texts::providers::NOTION,
        })
    }

    /// How long it may work on a call whose answer it does not give.
    pub fn works_for(self) -> Duration {
        match self {
            Self::Bitrix24 => PORTAL_WORKS_FOR,
            Self::Slack => SLACK_WORKS_FOR,
            Self::Notion => NOTION_WORKS_FOR,
        }
    }

    fn key(self, tenant: &TenantId) -> ItemKey {
        ItemKey::new(Table::Portals, tenant.as_str(), format!("{PREFIX}{}", self.name().to_lowercase()))
    }
}

const PREFIX: &str = "trouble#";

/// A side whose credentials are rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTrouble {
    pub side: ConnectionSide,
    pub since: Timestamp,
    /// What the provider said.
    pub why: String,
}

impl Connections {
    /// Notes that a side's credentials are rejected; true if it was not noted yet.
    pub(crate) async fn note_trouble(
        &self,
        tenant: &TenantId,
        side: ConnectionSide,
        why: &str,
    ) -> Result<bool, Failure> {
        let trouble = ConnectionTrouble { side, since: self.clock.now(), why: why.to_owned() };
        match self.store.put(StoreWrite::new(side.key(tenant), &trouble, WriteCondition::Absent)?).await {
            Ok(_) => {
                let provider = side.name();
                tracing::error!(%tenant, side = provider, why, "{provider} rejected our credentials; connect it again");
                Ok(true)
            }
            Err(StoreError::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The sides of a tenant whose credentials are rejected.
    pub async fn troubles(&self, tenant: &TenantId) -> Result<Vec<ConnectionTrouble>, Failure> {
        let page = self.store.list(&Query::prefix(Table::Portals, tenant.as_str(), PREFIX)).await?;
        Ok(page.items.iter().map(runtime::store::StoredItem::decode).collect::<Result<_, _>>()?)
    }

    /// Ends a side's trouble and the pause of its account; what waits for it goes on.
    pub async fn end_trouble(&self, tenant: &TenantId, side: ConnectionSide) -> Result<(), Failure> {
        self.store.delete(&side.key(tenant)).await?;
        self.resume(tenant, side).await
    }

    /// Ends the pause of a side's account; what waits for it goes on.
    pub(crate) async fn resume(&self, tenant: &TenantId, side: ConnectionSide) -> Result<(), Failure> {
        let Some(portal) = self.portals.fresh(tenant).await? else { return Ok(()) };
        if let Some((account, bucket)) = rate_buckets::of(side, &portal, 1) {
            self.limiter.release(&account, &bucket).await?;
        }
        self.wake(tenant).await;
        Ok(())
    }

    /// Tries a side's credentials again; true if they work.
    pub async fn try_again(&self, tenant: &TenantId, side: ConnectionSide) -> Result<bool, Failure> {
        let portal = self.portal(tenant).await?;
        // Without the limiter, which is paused for this very reason.
        let works = match side {
            ConnectionSide::Bitrix24 => self.portal_answers(&portal).await?,
            ConnectionSide::Slack => match self.slack_token(&portal).await {
                Ok(token) => slack::Client::new(self.http()?, self.slack_api.clone(), token).auth_test().await.is_ok(),
                Err(_) => false,
            },
            ConnectionSide::Notion => match self.notion_token(&portal).await {
                Ok(token) => notion::Client::new(self.http()?, self.notion_api.clone(), token).me().await.is_ok(),
                Err(_) => false,
            },
        };
        if works {
            self.end_trouble(tenant, side).await?;
        }
        Ok(works)
    }
}
