//! OAuth of a public connection: a consent page, codes that work once, pairs of tokens that are replaced at each
//! renewal.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::{BOT, NotionShared, NotionSimulator, TOKEN, WORKSPACE};
use crate::http::answer as json_answer;
use crate::ids::SecretSource;
use crate::oauth::{fields, page, redirect};

/// What the public connection has given out.
pub(crate) struct ConnectionGrants {
    keys: Option<(String, String)>,
    /// With where they lead.
    codes: BTreeMap<String, String>,
    /// By refresh token.
    pairs: BTreeMap<String, String>,
    pub(crate) access: BTreeSet<String>,
    source: SecretSource,
}

impl Default for ConnectionGrants {
    fn default() -> Self {
        Self {
            keys: None,
            codes: BTreeMap::new(),
            pairs: BTreeMap::new(),
            access: BTreeSet::new(),
            source: SecretSource::labelled("notion"),
        }
    }
}

impl NotionSimulator {
    /// Makes the connection a public one.
    pub fn publish(&self, client_id: &str, client_secret: &str) {
        self.shared.lock().door.keys = Some((client_id.into(), client_secret.into()));
    }

    /// A person allows the connection at the address where they were sent; where their browser is sent.
    pub fn consent(&self, authorize_url: &str) -> String {
        let query = authorize_url.split_once('?').map_or("", |(_, query)| query);
        consent(&self.shared, &fields(query.as_bytes())).unwrap_or_default()
    }

    /// Ends all access tokens; refresh tokens stay good.
    pub fn expire_all(&self) {
        self.shared.lock().door.access.clear();
    }

    /// Every secret that was given out.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.shared.lock();
        let given = state.door.access.iter().chain(state.door.pairs.keys());
        given.cloned().chain([TOKEN.to_owned()]).collect()
    }
}

fn consent(shared: &NotionShared, given: &BTreeMap<String, String>) -> Option<String> {
    let mut state = shared.lock();
    let (id, _) = state.door.keys.clone()?;
    let to = given.get("redirect_uri")?.clone();
    if *given.get("client_id")? != id || given.get("response_type")? != "code" || given.get("owner")? != "user" {
        return None;
    }
    let code = state.door.source.secret("code");
    state.door.codes.insert(code.clone(), to.clone());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("code", &code).append_pair("state", given.get("state").map_or("", String::as_str));
    Some(format!("{to}?{}", query.finish()))
}

/// Whether a token is good.
pub(super) fn is_good(shared: &NotionShared, token: &str) -> bool {
    token == TOKEN || shared.lock().door.access.contains(token)
}

/// Answers what belongs to the door; `None` for everything else.
pub(super) fn answer(shared: &NotionShared, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    match request.uri().path() {
        "/v1/oauth/authorize" => {
            let given = fields(request.uri().query().unwrap_or_default().as_bytes());
            if request.method() != Method::POST {
                return Some(page("Notion of the sandbox", "<form method=post><button>Allow access</button></form>"));
            }
            Some(match consent(shared, &given) {
                Some(to) => redirect(&to),
                None => page("Notion", "<p role=alert>Missing or invalid client_id."),
            })
        }
        "/v1/oauth/token" => Some(match token(shared, request) {
            Ok(good) => json_answer(200, &good),
            Err((status, code)) => json_answer(status, &json!({"error": code, "request_id": "door"})),
        }),
        "/v1/oauth/introspect" => Some(known_token(
            shared,
            request,
            |shared, token| json!({"active": is_good(shared, token), "request_id": "door"}),
        )),
        "/v1/oauth/revoke" => Some(known_token(shared, request, |shared, token| {
            shared.lock().door.access.remove(token);
            json!({"request_id": "door"})
        })),
        _ => None,
    }
}

/// Answers about a token, to who knows the connection's keys.
fn known_token(
    shared: &NotionShared,
    request: &Request<Bytes>,
    answer: impl FnOnce(&NotionShared, &str) -> Value,
) -> Response<Bytes> {
    let refused = |status, code| json_answer(status, &json!({"error": code, "request_id": "door"}));
    if !has_keys(shared, request) {
        return refused(401, "invalid_client");
    }
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    match body["token"].as_str() {
        Some(token) => json_answer(200, &answer(shared, token)),
        None => refused(400, "invalid_request"),
    }
}

/// Whether a request carries the connection's keys.
fn has_keys(shared: &NotionShared, request: &Request<Bytes>) -> bool {
    let basic = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = basic.and_then(|value| value.strip_prefix("Basic ")).and_then(|text| STANDARD.decode(text).ok());
    let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    shared.lock().door.keys.as_ref().is_some_and(|(id, secret)| format!("{id}:{secret}") == basic)
}

fn token(shared: &NotionShared, request: &Request<Bytes>) -> Result<Value, (u16, &'static str)> {
    let body: Value = serde_json::from_slice(request.body()).map_err(|_| (400, "invalid_request"))?;
    if !has_keys(shared, request) {
        return Err((401, "invalid_client"));
    }
    let mut state = shared.lock();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    match text("grant_type") {
        "authorization_code" => {
            let to = state.door.codes.remove(text("code")).ok_or((400, "invalid_grant"))?;
            if to != text("redirect_uri") {
                return Err((400, "invalid_grant"));
            }
        }
        "refresh_token" => {
            let old = state.door.pairs.remove(text("refresh_token")).ok_or((400, "invalid_grant"))?;
            state.door.access.remove(&old);
        }
        _ => return Err((400, "unsupported_grant_type")),
    }
    let (access, refresh) = (state.door.source.secret("ntn_"), state.door.source.secret("nrt_"));
    state.door.access.insert(access.clone());
    state.door.pairs.insert(refresh.clone(), access.clone());
    Ok(json!({
        "access_token": access, "token_type": "bearer", "refresh_token": refresh, "bot_id": BOT, "workspace_id": WORKSPACE,
        "workspace_name": "Sandbox", "workspace_icon": null, "owner": {"type": "user"}, "duplicated_template_id": null,
        "request_id": "door",
    }))
}
