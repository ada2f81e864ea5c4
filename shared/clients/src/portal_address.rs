//! The address of a portal: as its authorization server says, never as a host answered.

use bitrix24::RestBase;
use bitrix24::oauth::TokenInfo;
use runtime::TenantId;
use secrecy::SecretString;
use serde_json::json;
use tenants::portals::{Application, Portal};
use wire::ErrorClass;

use crate::tokens::TokenSlot;
use crate::{Connections, Failure};

impl Connections {
    /// The address at which a portal's administrator is asked, if the portal may be called at all.
    pub fn portal_authorize_url(&self, portal: &str, client_id: &str, state: &str) -> Result<String, bitrix24::Error> {
        let address = bitrix24::oauth::authorize_url(portal, client_id, state)?;
        let url = address.parse().map_err(|_| bitrix24::Error::Address("the portal's address is no URL".into()))?;
        self.network().check(&url).map_err(|blocked| bitrix24::Error::Address(blocked.to_string()))?;
        Ok(address)
    }

    /// The access at the portal's present address, as its authorization server says; `None` if that is still `known`.
    pub(crate) async fn moved_access(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        known: &str,
        token: &SecretString,
    ) -> Result<Option<RestBase>, Failure> {
        let Some((info, token)) = self.token_info(tenant, slot, token).await? else { return Ok(None) };
        if info.member_id != tenant.as_str() || info.endpoint == known || !self.may_be_called(&info.endpoint) {
            return Ok(None);
        }
        self.note_endpoint(tenant, &info.endpoint).await;
        Ok(Some(RestBase::OAuth { endpoint: info.endpoint, token }))
    }

    /// What the authorization server says of a token, or of its successor if it has expired; `None` if it accepts
    /// neither.
    async fn token_info(
        &self,
        tenant: &TenantId,
        slot: TokenSlot,
        token: &SecretString,
    ) -> Result<Option<(TokenInfo, SecretString)>, Failure> {
        let Some(server) = self.token_server(tenant, slot).await? else { return Ok(None) };
        let mut token = token.clone();
        let mut asked = self.oauth()?.info(&server, &token).await;
        if matches!(asked.as_ref().map_err(bitrix24::Error::code), Err(Some("expired_token" | "invalid_token"))) {
            token = self.token_after(tenant, slot, &token).await?;
            asked = self.oauth()?.info(&server, &token).await;
        }
        match asked.map_err(|error| Failure::of_bitrix24(&error, self.clock.now()).repeatable()) {
            Ok(info) => Ok(Some((info, token))),
            Err(failure) if matches!(failure.class, ErrorClass::Reauthorise | ErrorClass::Permanent { .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Notes the address that the authorization server gave for a portal that is connected by an application. If that
    /// fails, the access to it is good all the same, and the server gives it again.
    pub(crate) async fn note_endpoint(&self, tenant: &TenantId, endpoint: &str) {
        if let Err(failure) = self.try_to_note_endpoint(tenant, endpoint).await {
            tracing::warn!(%tenant, why = failure.text, "the portal's new address could not be noted");
        }
    }

    async fn try_to_note_endpoint(&self, tenant: &TenantId, endpoint: &str) -> Result<(), Failure> {
        let Some(portal) = self.portals.get(tenant).await? else { return Ok(()) };
        let is_known = portal.application.as_ref().is_none_or(|application| application.endpoint == endpoint);
        // A self-hosted portal has a say in its endpoint.
        if is_known || !self.may_be_called(endpoint) {
            return Ok(());
        }
        let base = RestBase::OAuth { endpoint: endpoint.to_owned(), token: SecretString::default() };
        let to = base.domain();
        tracing::warn!(%tenant, from = portal.domain, to, "the portal moved, by its authorization server");
        let moved = |portal: Portal| match portal.application {
            Some(application) => {
                let application = Some(Application { endpoint: endpoint.to_owned(), ..application });
                Portal { domain: to.clone(), application, ..portal }
            }
            None => portal,
        };
        self.portals.change(tenant, moved).await?;
        Ok(())
    }

    fn may_be_called(&self, endpoint: &str) -> bool {
        endpoint.parse().is_ok_and(|url| self.network().check(&url).is_ok())
    }

    /// Whether a portal accepts our access, at any address.
    pub(crate) async fn portal_answers(&self, portal: &Portal) -> Result<bool, Failure> {
        let Ok(base) = self.rest_base(portal).await else { return Ok(false) };
        let profile = |base| async {
            let client = bitrix24::Client::new(self.http()?, base);
            Ok::<_, Failure>(client.call("profile", &json!({})).await)
        };
        match (profile(base.clone()).await?, base) {
            (Ok(_), _) => Ok(true),
            (Err(bitrix24::Error::Moved { .. }), RestBase::OAuth { endpoint, token }) => {
                match self.moved_access(&portal.tenant, TokenSlot::Portal, &endpoint, &token).await? {
                    Some(base) => Ok(profile(base).await?.is_ok()),
                    None => Ok(false),
                }
            }
            _ => Ok(false),
        }
    }
}
