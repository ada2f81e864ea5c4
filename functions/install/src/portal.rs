//! Connecting a portal: by an application that its administrator allows, or by an incoming webhook that they paste.

use bitrix24::oauth::portal_host;
use clients::audience;
use clients::audience::{AudienceChange, Current, EnteredBy, NotAdmitted};
use clients::{AppKeys, Installation, PortalAccess};
use http::StatusCode;
use locale::texts;
use runtime::TenantId;
use runtime::seal::Sealed;
use secrecy::SecretString;
use tenants::administrators::SignInProof;
use tenants::connection_codes;
use tenants::departure;
use web::cookies::with_cookie;
use web::sessions;
use web::sessions::Session;

use crate::refusal::{another_provider, bad_address};
use crate::started::{self, Flow};
use crate::{Deps, InstallAnswer, InstallVisit, Refusal, give, page, replaced, to_state};

/// The application through which a portal is connected, and who named it.
struct Chosen {
    client_id: String,
    own: Option<Sealed>,
    by: EnteredBy,
}

/// Asks a portal's administrator: through our application, or through the portal's own, whose keys were entered.
pub(crate) async fn begin(visit: &InstallVisit<'_>, session: Option<&Session>) -> InstallAnswer {
    let (deps, form) = (visit.deps, &visit.form);
    let portal = portal_host(form.get("portal")).map_err(|_| bad_address())?;
    let own = AppKeys { client_id: form.get("client_id").into(), client_secret: form.get("client_secret").into() };
    let chosen = match (own.client_id.is_empty(), form.get("client_secret").is_empty()) {
        (false, false) => by_entered_keys(deps, form.get("code"), session, &own).await?,
        (true, true) => by_known_app(deps, &portal, session).await?,
        _ => return Err(Refusal::bad_request(texts::install::BOTH_OR_NONE)),
    };
    let Chosen { client_id, own, by } = chosen;
    let flow = Flow::Portal { portal: portal.clone(), client_id: client_id.clone(), own, by };
    started::begin(visit, flow, |state| {
        deps.connections.portal_authorize_url(&portal, &client_id, state).map_err(|_| bad_address())
    })
    .await
}

/// The keys of a portal's own application. Whether it belongs to the portal is checked when the portal has answered; a
/// wrong code is reported at once.
async fn by_entered_keys(deps: &Deps, code: &str, session: Option<&Session>, own: &AppKeys) -> Result<Chosen, Refusal> {
    let by = match (session, code) {
        (Some(session), _) => EnteredBy::Session(session.tenant.clone()),
        (None, "") => EnteredBy::Anyone,
        (None, code) => {
            let held = connection_codes::hold(&deps.backend, code).await?.ok_or_else(wrong_code)?;
            // The portal itself may report the installation first.
            deps.connections.register_app(own, &held).await?;
            EnteredBy::Code(held)
        }
    };
    let sealed = deps.connections.seal_app(own).await?;
    Ok(Chosen { client_id: own.client_id.clone(), own: Some(sealed), by })
}

/// The application that the signed-in person's portal is connected with, or else the deployment's.
async fn by_known_app(deps: &Deps, portal: &str, session: Option<&Session>) -> Result<Chosen, Refusal> {
    if let Some(session) = session {
        let by = EnteredBy::Session(session.tenant.clone());
        let is_own = deps.connections.portal(&session.tenant).await?.domain.eq_ignore_ascii_case(portal);
        if is_own && let Some((client_id, own)) = deps.connections.app_of(&session.tenant).await? {
            return Ok(Chosen { client_id, own, by });
        }
    }
    match deps.connections.apps().await?.bitrix24 {
        Some(app) => Ok(Chosen { client_id: app.client_id, own: None, by: EnteredBy::Anyone }),
        None => Err(Refusal::bad_request(texts::install::NO_SHARED_APPLICATION)),
    }
}

fn wrong_code() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, texts::install::WRONG_CODE)
}

/// A person comes back from their portal.
pub(crate) async fn come_back(visit: &InstallVisit<'_>) -> InstallAnswer {
    let (deps, query) = (visit.deps, &visit.query);
    let flow = started::end(visit).await?;
    let (Flow::Portal { client_id, own, .. } | Flow::Give { client_id, own, .. }) = &flow else {
        return Err(another_provider());
    };
    let own = match own {
        Some(sealed) => Some(deps.connections.open_app(client_id, sealed).await?),
        None => None,
    };
    let installation = deps.connections.prove_code(query.get("server_domain"), own, query.get("code")).await?;
    let (typed, by) = match &flow {
        Flow::Portal { portal, by, .. } => (portal, by),
        Flow::Give { tenant, user, .. } => return give::end(visit, &installation, tenant, *user).await,
        Flow::Slack { .. } | Flow::Notion { .. } => return Err(another_provider()),
    };
    if !is_same_host(typed, &installation.domain) {
        return another_portal(visit, typed, &installation).await;
    }
    connect(deps, &installation, by).await?;
    let who = visit.text(texts::install::Administrator { name: &installation.name });
    let proof = SignInProof::Portal { user: installation.user };
    let cookie = sessions::start_with(&deps.backend, installation.tenant.clone(), &who, proof).await?;
    let done = visit.text(texts::install::PortalIsConnected { portal: installation.domain });
    Ok(with_cookie(to_state(&done), &cookie))
}

/// Whether two hosts are the same, whatever their case; a port counts, for an on-premise server may hold several
/// portals.
fn is_same_host(typed: &str, answered: &str) -> bool {
    let plain = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    plain(typed) == plain(answered)
}

/// The answer came from another portal than the one that was typed. Nothing is connected by it and nobody is signed in:
/// someone may have led the browser here. If we know the portal under the name that was typed, it was renamed, and the
/// person is asked.
async fn another_portal(visit: &InstallVisit<'_>, typed: &str, installation: &Installation) -> InstallAnswer {
    let known = visit.deps.connections.portals().fresh(&installation.tenant).await?;
    if known.is_some_and(|portal| is_same_host(typed, &portal.domain)) {
        return Ok(page::ok(page::renamed(visit.language, typed, &installation.domain)));
    }
    let message = texts::install::AnotherPortal { typed: typed.to_owned(), portal: installation.domain.clone() };
    Err(Refusal::bad_request(message))
}

/// Connects a proven portal, if an administrator did it with an application that belongs here: another person's rights
/// would not reach everything, and they may not decide this.
pub(crate) async fn connect(deps: &Deps, installation: &Installation, by: &EnteredBy) -> Result<(), Refusal> {
    if !installation.is_admin {
        let (name, portal) = (installation.name.clone(), installation.domain.clone());
        return Err(Refusal::new(StatusCode::FORBIDDEN, texts::install::NotAnAdministrator { name, portal }));
    }
    let before = deps.connections.current_app(&installation.tenant).await?;
    let change = deps.connections.admit(installation, by).await?;
    if let (AudienceChange::NewByCode, EnteredBy::Code(held)) = (change, by)
        && !connection_codes::take_held(&deps.backend, held).await?
    {
        return Err(NotAdmitted::NeedsCode.into());
    }
    if change == AudienceChange::Replacement {
        replaced::end_access(deps, &installation.tenant).await?;
    }
    departure::forget(&deps.backend, &installation.tenant).await?;
    deps.connections.connect_portal(installation, change).await?;
    let after = Current::Application(installation.client_id.clone());
    replaced::note(deps, &installation.tenant, &installation.who(), change, &before, &after).await
}

/// Connects a portal by an incoming webhook. The webhook does not prove who owns it, so the person needs a code from
/// the operator of the deployment; a person who is signed in to the portal's pages can replace its webhook.
pub(crate) async fn by_webhook(visit: &InstallVisit<'_>, session: Option<&Session>) -> InstallAnswer {
    let (deps, form) = (visit.deps, &visit.form);
    let member_id = match (form.get("member_id"), session) {
        ("", Some(session)) => session.tenant.to_string(),
        (given, _) => given.to_owned(),
    };
    let tenant = TenantId::new(member_id).map_err(|_| Refusal::bad_request(texts::install::BAD_MEMBER_ID))?;
    let is_own = session.is_some_and(|session| session.tenant == tenant);
    // The code is checked before the answer says anything about the portal.
    if !is_own && !connection_codes::is_valid(&deps.backend, form.get("code")).await? {
        return Err(wrong_code());
    }
    let known = deps.connections.portals().fresh(&tenant).await?;
    if known.is_some() && !is_own {
        return Err(Refusal::new(StatusCode::CONFLICT, texts::install::ALREADY_CONNECTED_PORTAL));
    }
    let url = SecretString::from(form.get("webhook_url").to_owned());
    let token = SecretString::from(form.get("application_token").to_owned());
    if form.get("application_token").is_empty() {
        return Err(Refusal::bad_request(texts::install::NO_APPLICATION_TOKEN));
    }
    if !is_own && !connection_codes::take(&deps.backend, form.get("code")).await? {
        return Err(wrong_code());
    }
    let before = deps.connections.current_app(&tenant).await?;
    if let Err(error) = deps.connections.connect_webhook(&tenant, &PortalAccess::Webhook(url), &token).await {
        if !is_own {
            // Nothing was connected with the code, so it is valid for another try.
            connection_codes::put_back(&deps.backend, form.get("code")).await?;
        }
        return Err(error.into());
    }
    let change = audience::by_webhook(&before);
    let who = session.map_or(visit.text(texts::install::BY_ITS_WEBHOOKS), |session| session.who.as_str());
    if change == AudienceChange::Replacement {
        replaced::end_access(deps, &tenant).await?;
    }
    replaced::note(deps, &tenant, who, change, &before, &Current::Webhook).await?;
    departure::forget(&deps.backend, &tenant).await?;
    let done = to_state(visit.text(texts::install::WEBHOOKS_CONNECTED));
    if is_own && change != AudienceChange::Replacement {
        return Ok(done);
    }
    let proof = session.map_or(SignInProof::Operator, |session| session.proof.clone());
    let cookie = sessions::start_with(&deps.backend, tenant, who, proof).await?;
    Ok(with_cookie(done, &cookie))
}
