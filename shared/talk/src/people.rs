//! Who is who: by the settings, by hand, by the person's own word, else by the same e-mail.

use std::time::Duration;

use connect::{Failure, PortalClient};
use platform::clock::later;
use platform::people::{Link, Origin, Unmapped};
use platform::store::{Condition, Key, Table, Write};
use rules::settings::ActAs;
use serde_json::json;
use slack::event::User as SlackUser;

use crate::profiles::PortalProfile;
use crate::{Talk, Tenant};

/// How long it is believed that a person of the portal is not in Slack.
const ABSENT: Duration = Duration::from_secs(15 * 60);

fn absent_key(tenant: &Tenant, user: u64) -> Key {
    Key::new(Table::Links, format!("{}#person", tenant.id), format!("absent#{user}"))
}

/// As whom somebody in Slack acts on the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acting {
    /// As this person.
    As(Link),
    /// As nobody: no counterpart is known. With the e-mail that was looked for, if there was one.
    Nobody {
        /// The e-mail.
        email: Option<String>,
    },
}

/// A client to do something with for somebody, and whether it has their own rights.
pub struct Hands {
    /// The client.
    pub client: PortalClient,
    /// Whether it works with the person's own rights; else the record is to name them.
    pub are_own: bool,
}

impl Talk {
    /// As whom somebody in Slack acts.
    pub async fn acting(&self, tenant: &Tenant, slack: &str) -> Result<Acting, Failure> {
        let now = self.ports.clock.now();
        let by_settings = tenant.settings.people.map.iter().find(|(_, id)| id.as_str() == slack);
        if let Some(user) = by_settings.and_then(|(user, _)| user.parse().ok()) {
            let name = self.portal_profile(tenant, user).await?.map(|profile| profile.name).unwrap_or_default();
            return Ok(Acting::As(Link { slack: slack.to_owned(), user, origin: Origin::Settings, name, at: now }));
        }
        if let Some(link) = self.people.of_slack(&tenant.id, slack).await? {
            return Ok(Acting::As(link));
        }
        let profile = self.slack_profile(tenant, slack).await?;
        let email = profile.as_ref().and_then(|profile| profile.email.clone());
        if tenant.settings.people.not_by_email || self.people.is_unmapped(&tenant.id, slack, now).await? {
            return Ok(Acting::Nobody { email });
        }
        self.by_email(tenant, slack, profile).await
    }

    async fn by_email(&self, tenant: &Tenant, slack: &str, profile: Option<SlackUser>) -> Result<Acting, Failure> {
        let now = self.ports.clock.now();
        let email = profile.as_ref().and_then(|profile| profile.email.clone());
        let is_person = profile.as_ref().is_some_and(|profile| !profile.is_bot && !profile.deleted);
        if let Some(email) = email.as_deref().filter(|_| is_person)
            && let Some(found) = self.portal_user_by_email(tenant, email).await?
        {
            let link =
                Link { slack: slack.to_owned(), user: found.user, origin: Origin::Email, name: found.name, at: now };
            self.people.link(&tenant.id, &link).await?;
            return Ok(Acting::As(link));
        }
        let name = profile.map(|profile| profile.name).unwrap_or_default();
        let unmapped = Unmapped { slack: slack.to_owned(), name, email: email.clone(), at: now };
        self.people.note_unmapped(&tenant.id, &unmapped).await?;
        Ok(Acting::Nobody { email })
    }

    /// The active person of the portal with this e-mail.
    pub async fn portal_user_by_email(&self, tenant: &Tenant, email: &str) -> Result<Option<PortalProfile>, Failure> {
        let found = self.portal_users(tenant, &json!({"EMAIL": email, "ACTIVE": true})).await?;
        // A filter that the portal does not know is one that it leaves out.
        let same =
            |profile: &PortalProfile| profile.email.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email));
        Ok(found.into_iter().find(same))
    }

    /// The account in Slack of a person of the portal.
    pub async fn slack_of(&self, tenant: &Tenant, user: u64) -> Result<Option<String>, Failure> {
        if let Some(id) = tenant.settings.people.map.get(&user.to_string()) {
            return Ok(Some(id.clone()));
        }
        if let Some(link) = self.people.of_user(&tenant.id, user).await?.into_iter().next() {
            return Ok(Some(link.slack));
        }
        if tenant.settings.people.not_by_email || self.is_not_in_slack(tenant, user).await? {
            return Ok(None);
        }
        let Some(profile) = self.portal_profile(tenant, user).await? else { return Ok(None) };
        let found = match &profile.email {
            Some(email) => tenant.slack.user_by_email(email).await?,
            None => None,
        };
        let now = self.ports.clock.now();
        match &found {
            Some(slack) => {
                let link = Link { slack: slack.clone(), user, origin: Origin::Email, name: profile.name, at: now };
                self.people.link(&tenant.id, &link).await?;
            }
            None => {
                let write = Write::new(absent_key(tenant, user), &now, Condition::Always)?;
                self.ports.store.put(write.expiring(later(now, ABSENT))).await?;
            }
        }
        Ok(found)
    }

    async fn is_not_in_slack(&self, tenant: &Tenant, user: u64) -> Result<bool, Failure> {
        Ok(self.ports.store.get(&absent_key(tenant, user)).await?.is_some())
    }

    /// The client with which somebody's wish is done: with their own rights where they have allowed it.
    ///
    /// # Errors
    /// `grant_needed` if the settings want their own rights and they have not allowed it.
    pub async fn hands(&self, tenant: &Tenant, user: u64) -> Result<Hands, Failure> {
        let act_as = tenant.settings.people.act_as;
        if act_as != ActAs::Connection
            && let Some(client) = self.connections.bitrix24_as(&tenant.portal, user).await?
        {
            return Ok(Hands { client, are_own: true });
        }
        if act_as == ActAs::PersonOnly {
            return Err(Failure::permanent("grant_needed", "this workspace wants your own permission for that"));
        }
        Ok(Hands { client: self.connections.bitrix24(&tenant.portal).await?, are_own: false })
    }
}
