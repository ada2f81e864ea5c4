//! Who is who: by the settings, by hand, by the person's own word, else by the same e-mail.

use connect::{Failure, PortalClient};
use platform::people::{Link, Origin, Unmapped};
use rules::settings::ActAs;
use serde_json::json;
use slack::event::User as SlackUser;

use crate::profiles::PortalProfile;
use crate::{Talk, Tenant};

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
        Ok(self.people.of_user(&tenant.id, user).await?.into_iter().next().map(|link| link.slack))
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
