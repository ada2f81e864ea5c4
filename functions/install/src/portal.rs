//! Portals: by an application that their administrator allows, or by an incoming webhook that they paste.

use bitrix24::oauth::authorize_url;
use bytes::Bytes;
use connect::{AppKeys, Installation, PortalAccess, Unproven};
use http::{Request, StatusCode};
use pages::{Form, Session, once, sessions, with_cookie};
use platform::TenantId;
use platform::administrators::Proof;
use secrecy::SecretString;
use tenancy::departure;

use crate::started::{self, Flow};
use crate::{Answer, Deps, Refusal, give, to_state};

impl From<Unproven> for Refusal {
    fn from(error: Unproven) -> Self {
        match error {
            Unproven::Engine(failure) => failure.into(),
            Unproven::Refused(why) => {
                let text =
                    format!("Bitrix24 did not take it: {why}. A code lives for 30 seconds; begin again at /install.");
                Self::new(StatusCode::BAD_REQUEST, text)
            }
            other => Self::new(StatusCode::BAD_REQUEST, format!("{other}.")),
        }
    }
}

fn bad(error: &bitrix24::Error) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, format!("{error}."))
}

/// Asks a portal's administrator: by our application, or by one of the portal's own whose keys are given.
pub(crate) async fn begin(deps: &Deps, form: &Form) -> Answer {
    let own = AppKeys { client_id: form.get("client_id").into(), client_secret: form.get("client_secret").into() };
    let (client_id, own) = match (own.client_id.is_empty(), form.get("client_secret").is_empty()) {
        (false, false) => {
            // The portal itself may tell of the installation first.
            deps.connections.register_app(&own).await?;
            (own.client_id.clone(), Some(deps.connections.seal_app(&own).await?))
        }
        (true, true) => match deps.connections.apps().await?.bitrix24 {
            Some(app) => (app.client_id, None),
            None => {
                let text = "There is no application for all portals here. Make a local application in your portal and enter its client_id and client_secret.";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
            }
        },
        _ => {
            let text = "A local application has both a client_id and a client_secret; enter both, or none.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
        }
    };
    let portal = form.get("portal").to_owned();
    let flow = Flow::Portal { client_id: client_id.clone(), own };
    started::begin(deps, flow, |state| authorize_url(&portal, &client_id, state).map_err(|error| bad(&error))).await
}

/// A person comes back from their portal.
pub(crate) async fn come_back(deps: &Deps, request: &Request<Bytes>, query: &Form) -> Answer {
    let flow = started::end(deps, request, query).await?;
    let (Flow::Portal { client_id, own } | Flow::Give { client_id, own, .. }) = &flow else {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "This was begun for another provider. Begin again at /install.",
        ));
    };
    let own = match own {
        Some(sealed) => Some(deps.connections.open_app(client_id, sealed).await?),
        None => None,
    };
    let installation = deps.connections.prove_code(query.get("server_domain"), own, query.get("code")).await?;
    if let Flow::Give { tenant, user, .. } = &flow {
        return give::end(deps, &installation, tenant, *user).await;
    }
    connect(deps, &installation).await?;
    let who = format!("{} (administrator of the portal)", installation.name);
    let proof = Proof::Portal { user: installation.user };
    let cookie = sessions::start_with(&deps.ports, installation.tenant.clone(), &who, proof).await?;
    let word = format!("{} is connected.", installation.domain);
    Ok(with_cookie(to_state(&word), &cookie))
}

/// Connects what was proven, if an administrator did it: another person's rights would not reach everything, and they
/// have no say in it.
pub(crate) async fn connect(deps: &Deps, installation: &Installation) -> Result<(), Refusal> {
    if !installation.is_admin {
        let text = format!(
            "{} does not administer {}. Ask an administrator of the portal to connect it.",
            installation.name, installation.domain
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    departure::forget(&deps.ports, &installation.tenant).await?;
    Ok(deps.connections.connect_portal(installation).await?)
}

/// Connects a portal by an incoming webhook. It does not prove whose it is, so whoever runs Switchboard gives a code for
/// it; who is signed in to the portal's pages may replace its webhook.
pub(crate) async fn by_webhook(deps: &Deps, form: &Form, session: Option<&Session>) -> Answer {
    let member_id = match (form.get("member_id"), session) {
        ("", Some(session)) => session.tenant.to_string(),
        (given, _) => given.to_owned(),
    };
    let tenant = TenantId::new(member_id).map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("{error}. It is auth[member_id] of any event of the portal."))
    })?;
    let is_own = session.is_some_and(|session| session.tenant == tenant);
    if !is_own && once::take::<bool>(&deps.ports, "connect", form.get("code")).await?.is_none() {
        let text = "The code is wrong, too old or was used before. Whoever runs Switchboard makes one with: switchboard admin-code --connect";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, text));
    }
    let known = deps.connections.portals().fresh(&tenant).await?;
    if known.is_some() && !is_own {
        let text = "This portal is connected already. Sign in to its pages to change its webhook.";
        return Err(Refusal::new(StatusCode::CONFLICT, text));
    }
    let url = SecretString::from(form.get("webhook_url").to_owned());
    let token = SecretString::from(form.get("application_token").to_owned());
    if form.get("application_token").is_empty() {
        let text = "The application token is missing: the outgoing webhook shows it when it is made.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    }
    let refused = |error: connect::JoinError| Refusal::new(StatusCode::BAD_REQUEST, format!("{error}."));
    deps.connections.connect_webhook(&tenant, &PortalAccess::Webhook(url), &token).await.map_err(refused)?;
    departure::forget(&deps.ports, &tenant).await?;
    let done = to_state("The portal is connected.");
    if is_own {
        return Ok(done);
    }
    let who = "whoever connected the portal by its webhooks";
    let cookie = sessions::start_with(&deps.ports, tenant, who, Proof::Operator).await?;
    Ok(with_cookie(done, &cookie))
}

/// Takes everything of the tenant out, if its administrator has typed its name.
pub(crate) async fn leave(deps: &Deps, session: &Session, form: &Form) -> Answer {
    let portal = deps.connections.portal(&session.tenant).await?;
    if form.get("domain") != portal.domain {
        let text =
            format!("Nothing was deleted: type the portal's address, {}, to delete everything of it.", portal.domain);
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    }
    crate::settle::unsettle(deps, &session.tenant).await;
    let departure = departure::depart(&deps.ports, &session.tenant).await?;
    Ok(pages::page(StatusCode::OK, crate::page::departed(&portal.domain, &departure)))
}
