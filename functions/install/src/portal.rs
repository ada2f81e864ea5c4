//! Connecting a portal: by an application that its administrator allows, or by an incoming webhook that they paste.

use std::time::Duration;

use bitrix24::oauth::portal_host;
use bytes::Bytes;
use clients::audience::{Change, Current, EnteredBy, NotAdmitted};
use clients::{AppKeys, Installation, PortalAccess, Unproven};
use http::{Request, StatusCode};
use runtime::TenantId;
use runtime::seal::Sealed;
use secrecy::SecretString;
use tenants::administrators::Proof;
use tenants::departure;
use tenants::once;
use web::cookies::with_cookie;
use web::page::Form;
use web::sessions;
use web::sessions::Session;

use crate::started::{self, Flow};
use crate::{Answer, Deps, Refusal, give, page, replaced, to_state};

/// Under which kind connection codes are kept.
const CONNECT_CODE: &str = "connect";
/// How long a code goes on living for what was begun with it.
const HELD_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a code lives that was given back.
const CODE_TTL: Duration = Duration::from_secs(15 * 60);

impl From<Unproven> for Refusal {
    fn from(error: Unproven) -> Self {
        match error {
            Unproven::Engine(failure) => failure.into(),
            Unproven::Refused(why) => {
                let text =
                    format!("Bitrix24 did not take it: {why}. A code lives for 30 seconds; begin again at /install.");
                Self::new(StatusCode::BAD_REQUEST, text)
            }
            Unproven::NotAdmitted(why) => Self::new(StatusCode::FORBIDDEN, format!("{why}.")),
            other => Self::new(StatusCode::BAD_REQUEST, format!("{other}.")),
        }
    }
}

fn bad(error: &bitrix24::Error) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, format!("{error}."))
}

/// The application that a person is asked for, and who named it.
struct Chosen {
    client_id: String,
    own: Option<Sealed>,
    by: EnteredBy,
}

/// Asks a portal's administrator: by our application, or by one of the portal's own whose keys are given.
pub(crate) async fn begin(deps: &Deps, form: &Form, session: Option<&Session>) -> Answer {
    let portal = portal_host(form.get("portal")).map_err(|error| bad(&error))?;
    let own = AppKeys { client_id: form.get("client_id").into(), client_secret: form.get("client_secret").into() };
    let chosen = match (own.client_id.is_empty(), form.get("client_secret").is_empty()) {
        (false, false) => by_entered_keys(deps, form, session, &own).await?,
        (true, true) => by_known_app(deps, &portal, session).await?,
        _ => {
            let text = "A local application has both a client_id and a client_secret; enter both, or none.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
        }
    };
    let Chosen { client_id, own, by } = chosen;
    let flow = Flow::Portal { portal: portal.clone(), client_id: client_id.clone(), own, by };
    started::begin(deps, flow, |state| {
        deps.connections.portal_authorize_url(&portal, &client_id, state).map_err(|error| bad(&error))
    })
    .await
}

/// The keys of a portal's own application. Whether it belongs to the portal is judged when the portal has answered; a code
/// that is wrong is said at once.
async fn by_entered_keys(
    deps: &Deps,
    form: &Form,
    session: Option<&Session>,
    own: &AppKeys,
) -> Result<Chosen, Refusal> {
    let by = match (session, form.get("code")) {
        (Some(session), _) => EnteredBy::Session(session.tenant.clone()),
        (None, "") => EnteredBy::Anyone,
        (None, code) => {
            let held = once::hold(&deps.ports, CONNECT_CODE, code, HELD_FOR).await?.ok_or_else(wrong_code)?;
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
        None => {
            let text = "There is no application for all portals here. Make a local application in your portal and enter its client_id and client_secret.";
            Err(Refusal::new(StatusCode::BAD_REQUEST, text))
        }
    }
}

fn wrong_code() -> Refusal {
    let text = "The code is wrong, too old or was used before. Whoever runs Switchboard makes one with: switchboard admin-code --connect";
    Refusal::new(StatusCode::UNAUTHORIZED, text)
}

/// A person comes back from their portal.
pub(crate) async fn come_back(deps: &Deps, request: &Request<Bytes>, query: &Form) -> Answer {
    let flow = started::end(deps, request, query).await?;
    let (Flow::Portal { client_id, own, .. } | Flow::Give { client_id, own, .. }) = &flow else {
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
    let (typed, by) = match &flow {
        Flow::Portal { portal, by, .. } => (portal, by),
        Flow::Give { tenant, user, .. } => return give::end(deps, &installation, tenant, *user).await,
        Flow::Slack { .. } | Flow::Notion { .. } => return Err(mixed_up()),
    };
    if !is_same_host(typed, &installation.domain) {
        return another_portal(deps, typed, &installation).await;
    }
    connect(deps, &installation, by).await?;
    let who = format!("{} (administrator of the portal)", installation.name);
    let proof = Proof::Portal { user: installation.user };
    let cookie = sessions::start_with(&deps.ports, installation.tenant.clone(), &who, proof).await?;
    let word = format!("{} is connected.", installation.domain);
    Ok(with_cookie(to_state(&word), &cookie))
}

fn mixed_up() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "This was begun for another provider. Begin again at /install.")
}

/// Hosts in any spelling of their letters; a port counts, for an on-premise server may hold several portals.
fn is_same_host(typed: &str, answered: &str) -> bool {
    let plain = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    plain(typed) == plain(answered)
}

/// The answer came from another portal than the one that was typed. Nothing is connected by it and nobody is signed in:
/// somebody may have led the browser here. If it is a portal that we know under the name that was typed, it was renamed,
/// and the person is asked.
async fn another_portal(deps: &Deps, typed: &str, installation: &Installation) -> Answer {
    let known = deps.connections.portals().fresh(&installation.tenant).await?;
    if known.is_some_and(|portal| is_same_host(typed, &portal.domain)) {
        return Ok(web::page::page(StatusCode::OK, page::renamed(typed, &installation.domain)));
    }
    let text = format!(
        "You typed {typed}, and {} answered. Nothing was connected. If your portal was renamed or has a second address, begin again with {}.",
        installation.domain, installation.domain
    );
    Err(Refusal::new(StatusCode::BAD_REQUEST, text))
}

/// Connects what was proven, if an administrator did it by an application that belongs here: another person's rights
/// would not reach everything, and they have no say in it.
pub(crate) async fn connect(deps: &Deps, installation: &Installation, by: &EnteredBy) -> Result<(), Refusal> {
    if !installation.is_admin {
        let text = format!(
            "{} does not administer {}. Ask an administrator of the portal to connect it.",
            installation.name, installation.domain
        );
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    let before = deps.connections.current_app(&installation.tenant).await?;
    let change = deps.connections.admit(installation, by).await?;
    if let (Change::NewByCode, EnteredBy::Code(held)) = (change, by)
        && once::take_held::<bool>(&deps.ports, held).await?.is_none()
    {
        return Err(Unproven::from(NotAdmitted::NeedsCode).into());
    }
    if change == Change::Replacement {
        replaced::end_access(deps, &installation.tenant).await?;
    }
    departure::forget(&deps.ports, &installation.tenant).await?;
    deps.connections.connect_portal(installation, change).await?;
    let after = replaced::application(&installation.client_id);
    replaced::note(deps, &installation.tenant, &installation.who(), change, &replaced::named(&before), &after).await
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
    // The code is looked at before anything is said about the portal.
    if !is_own && once::hold(&deps.ports, CONNECT_CODE, form.get("code"), CODE_TTL).await?.is_none() {
        return Err(wrong_code());
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
    if !is_own && once::take::<bool>(&deps.ports, CONNECT_CODE, form.get("code")).await?.is_none() {
        return Err(wrong_code());
    }
    let before = deps.connections.current_app(&tenant).await?;
    if let Err(error) = deps.connections.connect_webhook(&tenant, &PortalAccess::Webhook(url), &token).await {
        if !is_own {
            // Nothing was connected by it, so it is good for another try.
            once::put(&deps.ports, CONNECT_CODE, form.get("code"), &true, CODE_TTL).await?;
        }
        return Err(Refusal::new(StatusCode::BAD_REQUEST, format!("{error}.")));
    }
    let change = match before {
        Current::Nothing => Change::New,
        Current::Webhook => Change::Renewal,
        Current::Application(_) => Change::Replacement,
    };
    let who = session.map_or("the person who connected the portal by its webhooks", |session| session.who.as_str());
    if change == Change::Replacement {
        replaced::end_access(deps, &tenant).await?;
    }
    replaced::note(deps, &tenant, who, change, &replaced::named(&before), "an incoming webhook").await?;
    departure::forget(&deps.ports, &tenant).await?;
    let done = to_state("The portal is connected.");
    if is_own && change != Change::Replacement {
        return Ok(done);
    }
    let cookie = {
        let proof = session.map_or(Proof::Operator, |session| session.proof.clone());
        sessions::start_with(&deps.ports, tenant, who, proof).await?
    };
    Ok(with_cookie(done, &cookie))
}

/// Cuts the tenant off and has everything of it deleted, if its administrator has typed its name.
pub(crate) async fn leave(deps: &Deps, session: &Session, form: &Form) -> Answer {
    let portal = deps.connections.portal(&session.tenant).await?;
    if form.get("domain") != portal.domain {
        let text =
            format!("Nothing was deleted: type the portal's address, {}, to delete everything of it.", portal.domain);
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    }
    crate::settle::unsettle(deps, &session.tenant).await;
    let receipt = once::secret();
    let departure = departure::begin(&deps.ports, &session.tenant, Some(&receipt)).await?;
    let follow = format!("{}?portal={}&receipt={receipt}", crate::LEFT, web::page::encoded(session.tenant.as_str()));
    Ok(web::page::page(StatusCode::OK, crate::page::departed(&portal.domain, &departure, &follow)))
}

/// How far the deletion is, for who asked for it.
pub(crate) async fn left(deps: &Deps, query: &Form) -> Answer {
    let unknown = || {
        let text = "There is no such deletion. It is shown for 30 days, to who has the whole address of the page, and until the portal is connected again.";
        Refusal::new(StatusCode::NOT_FOUND, text)
    };
    let tenant = TenantId::new(query.get("portal")).map_err(|_| unknown())?;
    let found = departure::by_receipt(&deps.ports, &tenant, query.get("receipt")).await?;
    Ok(web::page::page(StatusCode::OK, crate::page::left(&found.ok_or_else(unknown)?)))
}
