//! Slack for several workspaces at one address, as in reality: one page that asks for the workspace, one API that finds
//! the workspace by the token. Tokens may rotate: then they expire after twelve hours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use runtime::clock::Clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{AppCard, escaped, fields, page, redirect};
use crate::http::{HttpAnswer, Server, answer as json_answer};
use crate::ids::SecretSource;
use crate::slack;
use crate::slack::{SlackShared, SlackSimulator};

const CODE_TTL: i64 = 600;
const ROTATED_TTL: i64 = 12 * 3600;

/// Slack's address.
pub struct SlackHub {
    inner: Arc<HubInner>,
    server: Server,
}

struct Code {
    team: String,
    redirect: String,
    challenge: Option<String>,
    scope: String,
    until: Timestamp,
}

struct HubState {
    card: AppCard,
    workspaces: BTreeMap<String, Arc<SlackShared>>,
    codes: BTreeMap<String, Code>,
    refresh: BTreeMap<String, String>,
    rotates: bool,
    enterprise: bool,
    /// What is given, whatever is asked for.
    only: Option<String>,
    refreshes: u64,
    /// Who may sign in with a code: redirect, workspace, person, and until when.
    sign_ins: BTreeMap<String, (String, String, String, Timestamp)>,
    /// Whose a token of "Sign in with Slack" is.
    identities: BTreeMap<String, (String, String)>,
}

struct HubInner {
    state: Mutex<HubState>,
    clock: Arc<dyn Clock>,
    source: SecretSource,
}

impl SlackHub {
    /// Starts it with an app, for these workspaces.
    pub async fn start(clock: Arc<dyn Clock>, card: AppCard, workspaces: &[&SlackSimulator]) -> std::io::Result<Self> {
        let known = workspaces.iter().map(|workspace| (workspace.team_id(), workspace.shared().clone()));
        let state = HubState {
            card,
            workspaces: known.collect(),
            codes: BTreeMap::new(),
            refresh: BTreeMap::new(),
            rotates: false,
            enterprise: false,
            only: None,
            refreshes: 0,
            sign_ins: BTreeMap::new(),
            identities: BTreeMap::new(),
        };
        let inner = Arc::new(HubInner { state: Mutex::new(state), clock, source: SecretSource::labelled("slack hub") });
        let serving = inner.clone();
        let server = Server::start(0, move |request| answer(serving.clone(), request)).await?;
        for shared in inner.lock().workspaces.values() {
            shared.join(server.url());
        }
        Ok(Self { inner, server })
    }

    /// The replacement for `https://slack.com/api/`.
    pub fn api_url(&self) -> String {
        format!("{}/api/", self.server.url())
    }

    /// Whether tokens rotate from now on.
    pub fn rotate(&self, rotates: bool) {
        self.inner.lock().rotates = rotates;
    }

    /// Whether the app is installed for a whole organisation from now on.
    pub fn install_for_organisation(&self, enterprise: bool) {
        let mut state = self.inner.lock();
        state.enterprise = enterprise;
        state.workspaces.values().for_each(|workspace| workspace.be_of_organisation(enterprise));
    }

    /// Gives only these scopes from now on, whatever is asked for.
    pub fn give_only(&self, scopes: &str) {
        self.inner.lock().only = Some(scopes.to_owned());
    }

    /// Where a person comes back to.
    pub fn redirect_to(&self, url: &str) {
        url.clone_into(&mut self.inner.lock().card.redirect);
    }

    /// A person allows the app for a workspace, at the address where they were sent; where their browser is sent.
    pub fn allow(&self, authorize_url: &str, team: &str) -> String {
        let query = authorize_url.split_once('?').map_or("", |(_, query)| query);
        self.inner.allow(&fields(query.as_bytes()), team).unwrap_or_default()
    }

    /// A person signs in with Slack, at the address where they were sent; where their browser is sent.
    pub fn sign_in(&self, authorize_url: &str, team: &str, user: &str) -> String {
        let query = authorize_url.split_once('?').map_or("", |(_, query)| query);
        self.inner.sign_in(&fields(query.as_bytes()), team, user).unwrap_or_default()
    }

    /// Takes the app out of a workspace: every token of it is revoked.
    pub fn uninstall(&self, team: &str) {
        let mut state = self.inner.lock();
        state.refresh.retain(|_, of| of != team);
        if let Some(shared) = state.workspaces.get(team) {
            shared.revoke_all();
        }
    }

    /// Refresh tokens that were traded so far.
    pub fn refreshes(&self) -> u64 {
        self.inner.lock().refreshes
    }

    /// Every secret that was given out.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.inner.lock();
        let tokens = state.workspaces.values().flat_map(|shared| shared.granted());
        tokens.chain(state.refresh.keys().cloned()).chain([state.card.secret.clone()]).collect()
    }
}

impl HubInner {
    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allow(&self, given: &BTreeMap<String, String>, team: &str) -> Option<String> {
        let until = self.clock.now() + jiff::SignedDuration::from_secs(CODE_TTL);
        let mut state = self.lock();
        let redirect = given.get("redirect_uri")?.clone();
        if *given.get("client_id")? != state.card.id || redirect != state.card.redirect {
            return None;
        }
        let code = self.source.secret("code");
        let challenge = given.get("code_challenge").cloned();
        let asked = given.get("scope").cloned().unwrap_or_default();
        let scope = state.only.clone().unwrap_or(asked);
        let kept = Code { team: team.into(), redirect: redirect.clone(), challenge, scope, until };
        state.codes.insert(code.clone(), kept);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code).append_pair("state", given.get("state").map_or("", String::as_str));
        Some(format!("{redirect}?{}", query.finish()))
    }

    fn authorize(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let given = fields(request.uri().query().unwrap_or_default().as_bytes());
        if request.method() == Method::POST {
            let chosen = fields(request.body());
            let team = chosen.get("team").cloned().unwrap_or_default();
            if team == "cancel" {
                let back = format!("{}?error=access_denied", given.get("redirect_uri").cloned().unwrap_or_default());
                return redirect(&format!("{back}&state={}", given.get("state").cloned().unwrap_or_default()));
            }
            return match self.allow(&given, &team) {
                Some(to) => redirect(&to),
                None => page("Slack", "<p role=alert>Something went wrong: the app or its redirect is not right."),
            };
        }
        let state = self.lock();
        let options = state.workspaces.keys().map(|team| format!("<option>{}", escaped(team))).collect::<String>();
        let asked = escaped(given.get("scope").map_or("", String::as_str));
        let body = format!(
            "<p>Switchboard asks for: {asked}<form method=post><label>Workspace <select name=team>{options}<option value=cancel>None: cancel</select></label> <button>Allow</button></form>"
        );
        page("Slack of the sandbox", &body)
    }

    /// The page of "Sign in with Slack": a person says who they are, which the real one knows.
    fn ask_who(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let given = fields(request.uri().query().unwrap_or_default().as_bytes());
        if request.method() == Method::POST {
            let chosen = fields(request.body());
            let field = |name: &str| chosen.get(name).cloned().unwrap_or_default();
            return match self.sign_in(&given, &field("team"), &field("user")) {
                Some(to) => redirect(&to),
                None => page(
                    "Slack",
                    "<p role=alert>Something went wrong: the app, its redirect or its scopes are not right.",
                ),
            };
        }
        let state = self.lock();
        let options = state.workspaces.keys().map(|team| format!("<option>{}", escaped(team))).collect::<String>();
        let body = format!(
            "<form method=post><label>Workspace <select name=team>{options}</select></label> <label>You are <input name=user value=U0PERSON01></label> <button>Sign in</button></form>"
        );
        page("Sign in with Slack", &body)
    }

    fn sign_in(&self, given: &BTreeMap<String, String>, team: &str, user: &str) -> Option<String> {
        let until = self.clock.now() + jiff::SignedDuration::from_secs(CODE_TTL);
        let mut state = self.lock();
        let redirect = given.get("redirect_uri")?.clone();
        let is_ours = *given.get("client_id")? == state.card.id && redirect.starts_with(&origin(&state.card.redirect));
        let is_openid =
            given.get("scope")?.split(' ').any(|scope| scope == "openid") && given.get("response_type")? == "code";
        if !is_ours || !is_openid {
            return None;
        }
        let code = self.source.secret("code");
        state.sign_ins.insert(code.clone(), (redirect.clone(), team.to_owned(), user.to_owned(), until));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code).append_pair("state", given.get("state").map_or("", String::as_str));
        Some(format!("{redirect}?{}", query.finish()))
    }

    fn identify(&self, request: &Request<Bytes>) -> Value {
        let given = fields(request.body());
        let field = |name: &str| given.get(name).map_or("", String::as_str);
        let now = self.clock.now();
        let mut state = self.lock();
        let refused = |code: &str| json!({"ok": false, "error": code});
        if field("client_id") != state.card.id {
            return refused("invalid_client_id");
        }
        if field("client_secret") != state.card.secret {
            return refused("bad_client_secret");
        }
        let known = state.sign_ins.remove(field("code")).filter(|(.., until)| now < *until);
        let Some((redirect, team, user, _)) = known else { return refused("invalid_code") };
        if redirect != field("redirect_uri") {
            return refused("bad_redirect_uri");
        }
        let token = self.source.secret("xoxp-");
        state.identities.insert(token.clone(), (team, user));
        json!({"ok": true, "access_token": token, "token_type": "Bearer", "id_token": "e30.e30.c2ln"})
    }

    fn who(&self, request: &Request<Bytes>) -> Value {
        let bearer = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let state = self.lock();
        let found = bearer.and_then(|bearer| state.identities.get(bearer.strip_prefix("Bearer ")?));
        match found {
            Some((team, user)) => {
                let mut person = json!({
                    "ok": true, "sub": user, "name": user, "https://slack.com/user_id": user,
                    "https://slack.com/team_id": team,
                });
                if state.enterprise {
                    person["https://slack.com/enterprise_id"] = slack::ENTERPRISE.into();
                }
                person
            }
            None => json!({"ok": false, "error": "invalid_auth"}),
        }
    }

    fn access(&self, request: &Request<Bytes>) -> Value {
        match self.exchange(request) {
            Ok(answer) => answer,
            Err(code) => json!({"ok": false, "error": code}),
        }
    }

    fn exchange(&self, request: &Request<Bytes>) -> Result<Value, &'static str> {
        let given = fields(request.body());
        let field = |name: &str| given.get(name).map_or("", String::as_str);
        let basic = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let basic = basic.and_then(|value| value.strip_prefix("Basic ")).and_then(|text| STANDARD.decode(text).ok());
        let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok());
        let keys = basic.and_then(|text| text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned())));
        let (id, given_secret) =
            keys.unwrap_or_else(|| (field("client_id").to_owned(), field("client_secret").to_owned()));
        let now = self.clock.now();
        let mut state = self.lock();
        if id != state.card.id {
            return Err("invalid_client_id");
        }
        if given_secret != state.card.secret {
            return Err("bad_client_secret");
        }
        let (team, scope) = if field("grant_type") == "refresh_token" {
            state.refreshes += 1;
            let team = state.refresh.remove(field("refresh_token")).ok_or("invalid_refresh_token")?;
            (team, state.card.scope.clone())
        } else {
            let code = state.codes.remove(field("code")).filter(|code| now < code.until).ok_or("invalid_code")?;
            if code.redirect != field("redirect_uri") {
                return Err("bad_redirect_uri");
            }
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
            if code.challenge.is_some_and(|expected| expected != challenge) {
                return Err("invalid_code_verifier");
            }
            (code.team, code.scope)
        };
        let shared = state.workspaces.get(&team).cloned().ok_or("invalid_team_for_non_distributed_app")?;
        let token = self.source.secret(if state.rotates { "xoxe.xoxb-1-" } else { "xoxb-" });
        let until = state.rotates.then(|| now + jiff::SignedDuration::from_secs(ROTATED_TTL));
        shared.grant(&token, until);
        let mut answer = json!({
            "ok": true, "access_token": token, "token_type": "bot", "scope": scope, "bot_user_id": slack::BOT_USER,
            "app_id": slack::APP, "team": {"id": team, "name": shared.name()}, "enterprise": null, "is_enterprise_install": false,
            "authed_user": {"id": "U0PERSON01"},
        });
        if state.enterprise {
            answer["enterprise"] = json!({"id": slack::ENTERPRISE, "name": "Sandbox Organisation"});
            answer["is_enterprise_install"] = true.into();
            answer["team"] = Value::Null;
        }
        if state.rotates {
            let refresh = self.source.secret("xoxe-1-");
            answer["refresh_token"] = refresh.clone().into();
            answer["expires_in"] = ROTATED_TTL.into();
            state.refresh.insert(refresh, team);
        }
        Ok(answer)
    }

    /// The workspace of a request, by its token.
    fn whose(&self, request: &Request<Bytes>) -> Option<Arc<SlackShared>> {
        if let Some(response) = request.uri().path().strip_prefix("/response/") {
            return self.lock().workspaces.values().find(|shared| shared.waits_at(response)).cloned();
        }
        let bearer = request.headers().get(http::header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let state = self.lock();
        state.workspaces.values().find(|shared| shared.knows(bearer)).cloned()
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

async fn answer(inner: Arc<HubInner>, request: Request<Bytes>) -> HttpAnswer {
    match request.uri().path() {
        "/oauth/v2/authorize" => Ok(inner.authorize(&request)),
        "/openid/connect/authorize" => Ok(inner.ask_who(&request)),
        "/api/openid.connect.token" => Ok(json_answer(200, &inner.identify(&request))),
        "/api/openid.connect.userInfo" => Ok(json_answer(200, &inner.who(&request))),
        "/api/oauth.v2.access" => Ok(json_answer(200, &inner.access(&request))),
        _ => match inner.whose(&request) {
            Some(shared) => slack::answer(shared, request).await,
            None => Ok(json_answer(200, &json!({"ok": false, "error": "invalid_auth"}))),
        },
    }
}
