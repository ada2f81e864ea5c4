//! Bitrix24's authorization servers, one for each region: codes of 30 seconds, access tokens of an hour, refresh tokens
//! of 180 days that are replaced at each use. An unknown application gets `wrong_client` with HTTP 200.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use runtime::clock::Clock;
use serde_json::{Value, json};

use super::{AppCard, escaped, fields, page, redirect};
use crate::fault::{Fault, Faults, Rule, wait_if_slow};
use crate::http::{HttpAnswer, Server, answer as json_answer, params, spoil};
use crate::ids::SecretSource;
use crate::portal::{PortalShared, portal_time, span};

const CODE_TTL: i64 = 30;
const ACCESS_TTL: i64 = 3600;
const REFRESH_TTL: i64 = 180 * 24 * 3600;

/// Where a portal's authorization server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// `oauth.bitrix.info`.
    West,
    /// `oauth.bitrix24.tech`.
    East,
}

impl Region {
    /// What portals call it.
    pub fn host(self) -> &'static str {
        match self {
            Self::West => "oauth.bitrix.info",
            Self::East => "oauth.bitrix24.tech",
        }
    }
}

/// What a token gives access to.
#[derive(Debug, Clone)]
struct GrantState {
    client: String,
    member: String,
    user: u64,
    until: Timestamp,
}

struct Member {
    shared: Weak<PortalShared>,
    region: Region,
    application_tokens: BTreeMap<String, String>,
}

#[derive(Default)]
struct OauthState {
    cards: BTreeMap<String, AppCard>,
    members: BTreeMap<String, Member>,
    codes: BTreeMap<String, GrantState>,
    access: BTreeMap<String, GrantState>,
    refresh: BTreeMap<String, GrantState>,
    refreshes: u64,
    refreshes_asked: u64,
    /// Whether a refresh token that was used is good for another time: nobody documents it.
    old_refresh_lives: bool,
    unpaid: Vec<String>,
    fired: Vec<(String, u64)>,
    faults: Faults,
}

/// Both servers over one memory.
pub struct OauthServers {
    inner: Arc<OauthServersInner>,
    west: Server,
    east: Server,
}

pub(crate) struct OauthServersInner {
    state: Mutex<OauthState>,
    clock: Arc<dyn Clock>,
    source: SecretSource,
}

/// A refusal: HTTP status and code.
pub(crate) type OauthRefusal = (u16, &'static str, &'static str);

impl OauthServers {
    /// Starts both servers.
    pub async fn start(clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let waits_by = clock.clone();
        let inner = Arc::new(OauthServersInner {
            state: Mutex::default(),
            clock,
            source: SecretSource::labelled("bitrix24 authority"),
        });
        let serve = |region: Region| {
            let inner = inner.clone();
            move |request| answer(inner.clone(), region, request)
        };
        let (west, east) = (
            Server::start_by(waits_by.clone(), 0, serve(Region::West)).await?,
            Server::start_by(waits_by, 0, serve(Region::East)).await?,
        );
        Ok(Self { inner, west, east })
    }

    /// Where a region's server is.
    pub fn url(&self, region: Region) -> String {
        match region {
            Region::West => self.west.url(),
            Region::East => self.east.url(),
        }
    }

    /// Adds an application.
    pub fn add_card(&self, card: AppCard) {
        self.inner.lock().cards.insert(card.id.clone(), card);
    }

    /// Sets where an application's people come back to.
    pub fn redirect_to(&self, id: &str, url: &str) {
        if let Some(card) = self.inner.lock().cards.get_mut(id) {
            url.clone_into(&mut card.redirect);
        }
    }

    /// Deletes an application: its tokens are of nothing.
    pub fn delete_card(&self, id: &str) {
        self.inner.lock().cards.remove(id);
    }

    /// Makes a portal one of a region's.
    pub fn admit(&self, portal: &crate::PortalSimulator, region: Region) {
        let shared = portal.shared();
        let member = Member { shared: Arc::downgrade(shared), region, application_tokens: BTreeMap::new() };
        self.inner.lock().members.insert(portal.credentials().member_id, member);
        shared.set_authority(self.inner.clone());
    }

    /// A person allows an application on a portal, as on its page; where their browser is sent.
    pub fn allow(&self, portal: &crate::PortalSimulator, client: &str, state: &str, user: u64) -> String {
        self.inner.allow(&portal.credentials().member_id, client, state, user).unwrap_or_default()
    }

    /// The tokens of an application on a portal, as `ONAPPINSTALL` brings them.
    pub fn tokens(&self, portal: &crate::PortalSimulator, client: &str, user: u64) -> Value {
        self.inner.pair(&portal.credentials().member_id, client, user)
    }

    /// The application token of an application on a portal.
    pub fn application_token(&self, portal: &crate::PortalSimulator, client: &str) -> String {
        self.inner.application_token(&portal.credentials().member_id, client)
    }

    /// The portal reports that an application was installed, where the application's card says.
    pub fn install(&self, portal: &crate::PortalSimulator, client: &str, handler: &str, user: u64) {
        self.send_event(portal, "ONAPPINSTALL", client, handler, user);
    }

    /// The application is updated: it has another application token, and everything that it had bound is gone.
    pub fn update(&self, portal: &crate::PortalSimulator, client: &str, handler: &str, user: u64) {
        self.inner.renew_application_token(&portal.credentials().member_id, client);
        portal.forget_bound_events();
        self.send_event(portal, "ONAPPUPDATE", client, handler, user);
    }

    fn send_event(&self, portal: &crate::PortalSimulator, event: &str, client: &str, handler: &str, user: u64) {
        let mut auth = self.tokens(portal, client, user);
        auth["application_token"] = self.application_token(portal, client).into();
        auth["domain"] = portal.host().into();
        let data = json!({"VERSION": "1", "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"});
        let now = self.inner.clock.now().as_second();
        let parts = [json!({"event": event, "data": data}), json!({"ts": now, "auth": auth})];
        let body = parts.iter().map(bitrix24::form::build).collect::<Vec<_>>().join("&");
        portal.post_to(handler, &body);
    }

    /// The application is removed: its tokens are dead, what it had bound goes, and it is told so for the last time.
    pub fn uninstall(&self, portal: &crate::PortalSimulator, client: &str, clean: bool) {
        let token = self.application_token(portal, client);
        self.inner.revoke(&portal.credentials().member_id);
        let auth = json!({
            "domain": portal.host(), "client_endpoint": portal.client_endpoint(),
            "server_endpoint": "https://oauth.bitrix.info/rest/", "member_id": portal.credentials().member_id,
            "application_token": token,
        });
        let data = json!({"LANGUAGE_ID": "en", "CLEAN": if clean { "1" } else { "0" }});
        let now = self.inner.clock.now().as_second();
        let parts = [json!({"event": "ONAPPUNINSTALL", "data": data}), json!({"ts": now, "auth": auth})];
        let body = parts.iter().map(bitrix24::form::build).collect::<Vec<_>>().join("&");
        let handlers: Vec<String> = portal
            .bound_events()
            .into_iter()
            .filter(|(event, _)| event == "ONAPPUNINSTALL")
            .map(|(_, url)| url)
            .collect();
        portal.forget_bound_events();
        portal.forget_bots();
        for handler in handlers {
            portal.post_to(&handler, &body);
        }
    }

    /// Ends an access token before its time: as if its hour were over.
    pub fn expire_all(&self) {
        let now = self.inner.clock.now();
        self.inner.lock().access.values_mut().for_each(|standing| standing.until = now);
    }

    /// Takes all tokens of a portal away, as removing the application does.
    pub fn revoke(&self, portal: &crate::PortalSimulator) {
        self.inner.revoke(&portal.credentials().member_id);
    }

    /// Whether a used refresh token is good for another time.
    pub fn keep_old_refresh_tokens(&self, keep: bool) {
        self.inner.lock().old_refresh_lives = keep;
    }

    /// Whether a portal's plan has run out.
    pub fn unpaid(&self, portal: &crate::PortalSimulator, unpaid: bool) {
        let member = portal.credentials().member_id;
        let mut state = self.inner.lock();
        state.unpaid.retain(|known| *known != member);
        if unpaid {
            state.unpaid.push(member);
        }
    }

    /// Fires an employee.
    pub fn fire(&self, portal: &crate::PortalSimulator, user: u64) {
        self.inner.lock().fired.push((portal.credentials().member_id, user));
    }

    /// Makes the next request fail: `token` or `app.info`.
    pub fn fail_next(&self, method: &str, fault: Fault) {
        self.inner.lock().faults.next(method, fault);
    }

    /// Makes requests fail by a rule: `token`, `app.info`, or `*`.
    pub fn fail(&self, rule: Rule) {
        let now = self.inner.clock.now();
        self.inner.lock().faults.add(rule, now);
    }

    /// The rules that wait for their requests.
    pub fn faults(&self) -> Vec<Rule> {
        let now = self.inner.clock.now();
        self.inner.lock().faults.waiting(now)
    }

    pub(crate) fn servers(&self) -> [&Server; 2] {
        [&self.west, &self.east]
    }

    /// Forgets the failures that wait.
    pub fn forget_faults(&self) {
        self.inner.lock().faults.forget();
    }

    /// Refresh tokens that were traded so far.
    pub fn refreshes(&self) -> u64 {
        self.inner.lock().refreshes
    }

    /// How often somebody wanted to trade a refresh token, a bad one included.
    pub fn refreshes_asked(&self) -> u64 {
        self.inner.lock().refreshes_asked
    }

    /// Every secret that was given out.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.inner.lock();
        let tokens = state.members.values().flat_map(|member| member.application_tokens.values());
        let cards = state.cards.values().map(|card| &card.secret);
        state.access.keys().chain(state.refresh.keys()).chain(tokens).chain(cards).cloned().collect()
    }
}

impl OauthServersInner {
    fn lock(&self) -> MutexGuard<'_, OauthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn application_token(&self, member: &str, client: &str) -> String {
        let mut state = self.lock();
        let Some(member) = state.members.get_mut(member) else { return String::new() };
        member.application_tokens.entry(client.to_owned()).or_insert_with(|| self.source.secret("at")).clone()
    }

    /// What the events of an installed application carry: the token of the one that is installed, if one is.
    pub(crate) fn token_of_events(&self, member: &str) -> Option<String> {
        let client = {
            let state = self.lock();
            let standing = state.access.values().find(|standing| standing.member == member)?;
            standing.client.clone()
        };
        Some(self.application_token(member, &client))
    }

    /// Gives an application another application token, as its update does.
    pub(crate) fn renew_application_token(&self, member: &str, client: &str) {
        if let Some(member) = self.lock().members.get_mut(member) {
            member.application_tokens.remove(client);
        }
    }

    pub(crate) fn revoke(&self, member: &str) {
        let mut state = self.lock();
        state.access.retain(|_, standing| standing.member != member);
        state.refresh.retain(|_, standing| standing.member != member);
    }

    /// Whose a token is on a portal, or why it is nobody's.
    pub(crate) fn check(&self, member: &str, token: &str) -> Result<u64, OauthRefusal> {
        let state = self.lock();
        let standing = state.access.get(token).filter(|standing| standing.member == member);
        let standing = standing.ok_or((401, "invalid_token", "Unable to get application by token"))?;
        if standing.until <= self.clock.now() {
            return Err((401, "expired_token", "The access token provided has expired."));
        }
        state.usable(standing).map(|()| standing.user)
    }

    /// Whether a portal's plan has not run out.
    pub(crate) fn is_paid(&self, member: &str) -> bool {
        !self.lock().unpaid.iter().any(|unpaid| unpaid == member)
    }

    pub(crate) fn is_known(&self, client: &str) -> bool {
        self.lock().cards.contains_key(client)
    }

    fn allow(&self, member: &str, client: &str, given: &str, user: u64) -> Option<String> {
        let until = self.clock.now() + jiff::SignedDuration::from_secs(CODE_TTL);
        let mut state = self.lock();
        let region = state.members.get(member)?.region;
        let host = state.host(member)?;
        let card = state.cards.get(client)?.clone();
        let code = self.source.secret("code");
        state.codes.insert(code.clone(), GrantState { client: client.into(), member: member.into(), user, until });
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code).append_pair("state", given).append_pair("domain", &host);
        query.append_pair("member_id", member).append_pair("scope", &card.scope);
        query.append_pair("server_domain", region.host());
        Some(format!("{}?{}", card.redirect, query.finish()))
    }

    /// A portal's page that asks a person, and what follows when they allow.
    pub(crate) fn portal_page(&self, member: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let given = fields(request.uri().query().unwrap_or_default().as_bytes());
        let field = |name: &str| given.get(name).map_or("", String::as_str);
        if !self.is_known(field("client_id")) {
            return page("Bitrix24", "<p role=alert>Application not found.");
        }
        if request.method() == Method::POST {
            let user = fields(request.body()).get("user").and_then(|user| user.parse().ok()).unwrap_or(1);
            return match self.allow(member, field("client_id"), field("state"), user) {
                Some(to) => redirect(&to),
                None => page("Bitrix24", "<p role=alert>Something went wrong."),
            };
        }
        let body = format!(
            "<p>{} asks for: {}<form method=post><label>As <select name=user><option value=1>an administrator<option value=6>an employee</select></label> <button>Allow</button></form>",
            escaped(field("client_id")),
            escaped(&self.lock().cards.get(field("client_id")).map(|card| card.scope.clone()).unwrap_or_default()),
        );
        page("Bitrix24 of the sandbox", &body)
    }

    fn pair(&self, member: &str, client: &str, user: u64) -> Value {
        let now = self.clock.now();
        let after = |seconds: i64| now + jiff::SignedDuration::from_secs(seconds);
        let mut state = self.lock();
        let (Some(address), Some(region)) =
            (state.address(member), state.members.get(member).map(|known| known.region))
        else {
            return Value::Null;
        };
        let (access, refresh) = (self.source.secret("acc"), self.source.secret("ref"));
        let standing = |until| GrantState { client: client.to_owned(), member: member.to_owned(), user, until };
        state.access.insert(access.clone(), standing(after(ACCESS_TTL)));
        state.refresh.insert(refresh.clone(), standing(after(REFRESH_TTL)));
        let scope = state.cards.get(client).map(|card| card.scope.clone()).unwrap_or_default();
        json!({
            "access_token": access, "client_endpoint": format!("{address}/rest/"), "domain": region.host(),
            "expires": after(ACCESS_TTL).as_second(), "expires_in": ACCESS_TTL, "member_id": member, "refresh_token": refresh,
            "scope": scope, "server_endpoint": format!("https://{}/rest/", region.host()), "status": "L", "user_id": user,
        })
    }

    fn token(&self, region: Region, given: &serde_json::Map<String, Value>) -> Result<Value, OauthRefusal> {
        let field = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
        let now = self.clock.now();
        let standing = {
            let mut state = self.lock();
            // An unknown application gets its refusal with 200.
            let card = state.cards.get(field("client_id")).ok_or((200, "wrong_client", ""))?;
            if card.secret != field("client_secret") {
                return Err((400, "invalid_client", "Invalid client"));
            }
            let invalid = (400, "invalid_grant", "Invalid grant");
            let standing = match field("grant_type") {
                "authorization_code" => state.codes.remove(field("code")).ok_or(invalid)?,
                "refresh_token" => {
                    state.refreshes_asked += 1;
                    let standing = state.refresh.get(field("refresh_token")).cloned().ok_or(invalid)?;
                    state.refreshes += 1;
                    if !state.old_refresh_lives {
                        state.refresh.remove(field("refresh_token"));
                    }
                    standing
                }
                _ => return Err((400, "invalid_request", "grant_type")),
            };
            // A region's server knows its own portals only.
            let here = state.members.get(&standing.member).is_some_and(|member| member.region == region);
            if standing.until < now || standing.client != field("client_id") || !here {
                return Err(invalid);
            }
            state.usable(&standing)?;
            standing
        };
        Ok(self.pair(&standing.member, &standing.client, standing.user))
    }

    fn info(&self, region: Region, given: &serde_json::Map<String, Value>) -> Result<Value, OauthRefusal> {
        let token = given.get("auth").and_then(Value::as_str).unwrap_or_default();
        let state = self.lock();
        let refused = (401, "NO_AUTH_FOUND", "Wrong authorization data");
        let standing = state.access.get(token).ok_or(refused)?;
        let member = state.members.get(&standing.member).filter(|member| member.region == region).ok_or(refused)?;
        let now = self.clock.now();
        if standing.until <= now {
            return Err((401, "expired_token", "The access token provided has expired."));
        }
        state.usable(standing)?;
        let (host, address, scope) = (
            state.host(&standing.member).unwrap_or_default(),
            state.address(&standing.member).unwrap_or_default(),
            state.cards.get(&standing.client).map(|card| card.scope.clone()).unwrap_or_default(),
        );
        Ok(json!({"result": {
            "client_id": standing.client, "scope": scope, "expires": portal_time(standing.until), "user_id": standing.user,
            "install": {
                "installed": true, "version": "1", "status": "L", "scope": scope, "domain": host,
                "uri": address, "client_endpoint": format!("{address}/rest/"), "member_id": standing.member,
                "member_type": if member.region == Region::West { "com" } else { "ru" },
            },
        }, "time": span(now, now)}))
    }
}

impl OauthState {
    /// Where the portal is now.
    fn address(&self, member: &str) -> Option<String> {
        let shared = self.members.get(member)?.shared.upgrade()?;
        Some(format!("{}://{}", shared.scheme(), shared.present_host()))
    }

    /// The portal's present host.
    fn host(&self, member: &str) -> Option<String> {
        self.members.get(member)?.shared.upgrade().map(|shared| shared.present_host())
    }

    fn usable(&self, standing: &GrantState) -> Result<(), OauthRefusal> {
        if !self.cards.contains_key(&standing.client) {
            return Err((401, "APPLICATION_NOT_FOUND", "Application not found"));
        }
        if self.unpaid.contains(&standing.member) {
            return Err((401, "PAYMENT_REQUIRED", "Subscription has been ended"));
        }
        if self.fired.contains(&(standing.member.clone(), standing.user)) {
            return Err((401, "authorization_error", "Unable to authorize user"));
        }
        Ok(())
    }
}

async fn answer(inner: Arc<OauthServersInner>, region: Region, request: Request<Bytes>) -> HttpAnswer {
    let given = params(&request);
    let method = match request.uri().path().trim_end_matches('/') {
        "/oauth/token" => "token",
        "/rest/app.info" => "app.info",
        _ => return Ok(json_answer(404, &json!({"error": "ERROR_METHOD_NOT_FOUND"}))),
    };
    let fault = inner.lock().faults.take_for(method, &request, inner.clock.now());
    let fault = wait_if_slow(inner.clock.as_ref(), fault).await;
    match &fault {
        Some(Fault::Code { status, code }) => {
            return Ok(json_answer(*status, &json!({"error": code, "error_description": "as the test wants it"})));
        }
        Some(Fault::Throttled { status, retry_after }) => {
            let refused = json_answer(*status, &json!({"error": "QUERY_LIMIT_EXCEEDED"}));
            return Ok(retry_after.on(refused, inner.clock.now()));
        }
        _ => {}
    }
    let done = match (&fault, method) {
        (Some(fault), _) if !fault.has_effect() => Ok(json!({})),
        (_, "token") => inner.token(region, &given),
        _ => inner.info(region, &given),
    };
    let good = match done {
        Ok(good) => json_answer(200, &good),
        Err((status, code, text)) => json_answer(status, &json!({"error": code, "error_description": text})),
    };
    match fault {
        Some(fault) => spoil(&fault, good),
        None => Ok(good),
    }
}
