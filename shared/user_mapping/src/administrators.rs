//! Whether a person administers a tenant, as a provider says now.

use std::sync::Arc;

use clients::{ErrorClass, Failure, PortalClient};
use runtime::TenantId;
use runtime::limiter::Priority;
use serde_json::{Value, json};
use settings::Settings;
use slack::event::SlackUser;
use tenants::administrators::{AdministratorRights, SignInProof};
use tenants::portals::Portal;

use crate::TenantContext;
use crate::profiles::is_nobody;

impl TenantContext {
    /// Whether a person who proved that they administer a tenant still does. If nobody can be asked, it is unknown, and
    /// logged.
    pub async fn still_administers(&self, tenant: &TenantId, proof: &SignInProof) -> AdministratorRights {
        let asked = match proof {
            SignInProof::Slack { user, organisation } => self.by_slack(tenant, user, organisation.as_deref()).await,
            SignInProof::Portal { user } => self.by_portal(tenant, *user).await,
            SignInProof::Operator | SignInProof::Once => Ok(AdministratorRights::Unknown),
        };
        asked.unwrap_or_else(|failure| {
            tracing::warn!(%tenant, %failure, "it could not be asked whether somebody still administers the tenant");
            AdministratorRights::Unknown
        })
    }

    async fn by_slack(
        &self,
        tenant: &TenantId,
        user: &str,
        organisation: Option<&str>,
    ) -> Result<AdministratorRights, Failure> {
        let portal = self.connections.portal(tenant).await?;
        match self.connections.slack(&portal).await?.user(user).await {
            Ok(person) => Ok(rights(self.may_administer(&portal, &person, organisation)?)),
            Err(Failure { class: ErrorClass::Permanent { code }, .. }) if is_nobody(&code) => {
                Ok(AdministratorRights::Ended)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether a person in Slack administers a tenant. If the settings cannot be read, administrators of the workspace
    /// still do; for others it is unknown.
    pub fn may_administer(
        &self,
        portal: &Portal,
        person: &SlackUser,
        organisation: Option<&str>,
    ) -> Result<bool, Failure> {
        match portal.settings_as::<Settings>() {
            Ok(settings) => Ok(administers(person, organisation, &settings)),
            Err(_) if administers(person, organisation, &Settings::default()) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks as the person, or as the connection if it is theirs: the portal answers this only about the caller.
    async fn by_portal(&self, tenant: &TenantId, user: u64) -> Result<AdministratorRights, Failure> {
        let portal = self.connections.portal(tenant).await?;
        let client = self.client_of(&portal, user).await?;
        let profile = client.in_lane(Priority::Person).call("profile", &json!({})).await?.result;
        match bitrix24::tolerant::whole(&profile["ID"]) {
            Some(asked) if asked == user => Ok(rights(is_true(&profile["ADMIN"]))),
            _ => Ok(AdministratorRights::Unknown),
        }
    }

    async fn client_of(&self, portal: &Arc<Portal>, user: u64) -> Result<PortalClient, Failure> {
        match self.connections.bitrix24_as(portal, user).await {
            Ok(Some(own)) => Ok(own),
            _ => self.connections.bitrix24(portal).await,
        }
    }
}

/// Whether a person in Slack administers a tenant: they administer the connected workspace, or the settings name their
/// id or e-mail. If the app is installed for a whole `organisation`, administering one of its workspaces is not enough:
/// they have to own or administer the organisation.
pub fn administers(person: &SlackUser, organisation: Option<&str>, settings: &Settings) -> bool {
    let is_named = settings.admins.iter().any(|named| {
        *named == person.id || person.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(named))
    });
    let is_admin = match organisation {
        Some(organisation) => person.administers_organisation.as_deref() == Some(organisation),
        None => person.is_admin,
    };
    !person.deleted && !person.is_bot && (is_admin || is_named)
}

fn rights(held: bool) -> AdministratorRights {
    if held { AdministratorRights::Held } else { AdministratorRights::Ended }
}

fn is_true(value: &Value) -> bool {
    value == true || value == "Y" || value == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(user: &Value) -> SlackUser {
        SlackUser::read(user)
    }

    #[test]
    fn an_organisation_is_administered_by_its_own_administrators() {
        let settings = Settings { admins: vec!["U9".into(), "Ann@x.example".into()], ..Settings::default() };
        let of_workspace = person(&json!({"id": "U1", "is_admin": true, "is_owner": true}));
        assert!(administers(&of_workspace, None, &settings));
        assert!(!administers(&of_workspace, Some("E1"), &settings));
        for role in ["is_admin", "is_owner"] {
            let enterprise = json!({"enterprise_id": "E1", role: true});
            let of_organisation = person(&json!({"id": "U2", "enterprise_user": enterprise}));
            assert!(administers(&of_organisation, Some("E1"), &settings), "{role}");
            assert!(!administers(&of_organisation, Some("E2"), &settings), "another organisation's");
            assert!(!administers(&of_organisation, None, &settings), "of no workspace");
        }
        let member = json!({"enterprise_id": "E1", "is_admin": false, "is_owner": false});
        assert!(!administers(&person(&json!({"id": "U2", "enterprise_user": member})), Some("E1"), &settings));
        for organisation in [None, Some("E1")] {
            assert!(administers(&person(&json!({"id": "U9"})), organisation, &settings), "named by id");
            let named = json!({"id": "U8", "profile": {"email": "ann@X.example"}});
            assert!(administers(&person(&named), organisation, &settings), "named by e-mail");
            assert!(!administers(&person(&json!({"id": "U9", "deleted": true})), organisation, &settings));
        }
    }
}
