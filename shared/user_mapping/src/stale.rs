//! Links that are no longer valid: found by checking both sides, and ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clients::{Failure, TokenSlot};
use runtime::clock::later;
use runtime::store::{ItemKey, StoreWrite, Table, WriteCondition};
use serde_json::json;
use slack::event::SlackUser;
use tenants::user_links::{EndReason, UserLink};

use crate::mapping::end_of;
use crate::profiles::PortalProfile;
use crate::{OpenTenant, TenantContext};

/// How often a tenant's links are checked.
const CHECK_EVERY: Duration = Duration::from_secs(60 * 60);
/// People that one `user.get` returns.
const MAX_ASKED: usize = 50;
/// Pages of people that are read from Slack.
const MAX_PAGES: usize = 20;

impl TenantContext {
    /// Ends the links of people who were dismissed, who left Slack, or whom an e-mail should not have matched; at most
    /// once an hour. Returns how many ended.
    pub async fn end_stale_links(&self, tenant: &OpenTenant) -> Result<usize, Failure> {
        let key = ItemKey::new(Table::Links, format!("{}#person", tenant.id), "checked");
        if self.backend.store.get(&key).await?.is_some() {
            return Ok(0);
        }
        let ended = self.check_links(tenant).await?;
        let now = self.backend.clock.now();
        let write = StoreWrite::new(key, &now, WriteCondition::Always)?.expiring(later(now, CHECK_EVERY));
        self.backend.store.put(write).await?;
        Ok(ended)
    }

    async fn check_links(&self, tenant: &OpenTenant) -> Result<usize, Failure> {
        let links = self.people.all(&tenant.id).await?;
        let permitted = self.permitted(tenant).await?;
        let wanted: BTreeSet<u64> = links.iter().map(|link| link.user).chain(permitted.iter().copied()).collect();
        if wanted.is_empty() {
            return Ok(0);
        }
        let on_portal = self.people_of_portal(tenant, &wanted).await?;
        if on_portal.is_empty() && wanted.len() > 1 {
            tracing::warn!(tenant = %tenant.id, asked = wanted.len(), "the portal knows none of the linked people; nothing was ended");
            return Ok(0);
        }
        let in_slack = self.people_of_slack(tenant).await?;
        let mut ended = 0;
        for link in &links {
            let reason = stale(link, &on_portal, &in_slack, |user| tenant.slack.is_member(user));
            if let Some(reason) = reason {
                self.end_link(tenant, link, reason).await?;
                ended += 1;
            }
        }
        for user in permitted {
            let is_dismissed = on_portal.get(&user).is_none_or(|person| person.is_dismissed);
            if is_dismissed || self.has_only_ended(tenant, user).await? {
                self.connections.revoke(&tenant.id, user).await?;
            }
        }
        Ok(ended)
    }

    /// Whether all links of a person ended automatically.
    async fn has_only_ended(&self, tenant: &OpenTenant, user: u64) -> Result<bool, Failure> {
        let is_linked = tenant.settings.people.map.contains_key(&user.to_string())
            || !self.people.of_user(&tenant.id, user).await?.is_empty();
        Ok(!is_linked && self.people.ended(&tenant.id).await?.iter().any(|ended| ended.link.user == user))
    }

    /// Those who have allowed us to work with their own rights.
    pub async fn permitted(&self, tenant: &OpenTenant) -> Result<BTreeSet<u64>, Failure> {
        let standings = self.connections.token_standings(&tenant.id).await?;
        let people = standings.into_iter().filter_map(|standing| match standing.slot {
            TokenSlot::Person(user) => Some(user),
            _ => None,
        });
        Ok(people.collect())
    }

    async fn people_of_portal(
        &self,
        tenant: &OpenTenant,
        wanted: &BTreeSet<u64>,
    ) -> Result<BTreeMap<u64, PortalProfile>, Failure> {
        let wanted: Vec<u64> = wanted.iter().copied().collect();
        let mut found = BTreeMap::new();
        for some in wanted.chunks(MAX_ASKED) {
            for person in self.portal_users(tenant, &json!({ "ID": some })).await? {
                self.keep_portal_profile(tenant, person.user, Some(&person)).await?;
                found.insert(person.user, person);
            }
        }
        Ok(found)
    }

    async fn people_of_slack(&self, tenant: &OpenTenant) -> Result<BTreeMap<String, SlackUser>, Failure> {
        let (mut found, mut cursor) = (BTreeMap::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let page = tenant.slack.users(cursor.as_deref()).await?;
            found.extend(page.items.into_iter().map(|user| (user.id.clone(), user)));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// Why a link is no longer valid, if it is not. For people missing from Slack's list, only the portal's side is known.
fn stale(
    link: &UserLink,
    on_portal: &BTreeMap<u64, PortalProfile>,
    in_slack: &BTreeMap<String, SlackUser>,
    is_member: impl Fn(&SlackUser) -> bool,
) -> Option<EndReason> {
    let Some(person) = on_portal.get(&link.user).filter(|person| !person.is_dismissed) else {
        return Some(EndReason::Dismissed);
    };
    let user = in_slack.get(&link.slack)?;
    end_of(link.origin, Some(user), person, is_member)
}
