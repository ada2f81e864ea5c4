//! Many companies at once: each with its own portal and Slack workspace, all reached through the providers' shared
//! addresses, where people allow the same applications.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use runtime::clock::Clock;
use serde_json::{Value, json};

use crate::bucket::ExceededLimit;
use crate::control::accounts::{SteeredSide, SteeredSides};
use crate::http::{Server, answer, not_found};
use crate::notion::NotionSimulator;
use crate::oauth::{AppCard, OauthServers, Region, SlackHub};
use crate::portal::PortalSimulator;
use crate::slack::SlackSimulator;

/// The Bitrix24 application that all portals may install.
pub const BITRIX24_APP: (&str, &str) = ("app.sandbox.00000001", "planted-bitrix24-client-secret");
pub const SLACK_APP: (&str, &str) = ("1111111111.2222222222", "planted-slack-client-secret");
/// The public Notion connection.
pub const NOTION_APP: (&str, &str) = ("11111111-2222-3333-4444-555555555555", "planted-notion-client-secret");

/// The simulators, running. They stop when dropped.
pub struct Estate {
    pub portals: Vec<Arc<PortalSimulator>>,
    /// The workspaces, one a portal.
    pub workspaces: Vec<Arc<SlackSimulator>>,
    /// Bitrix24's authorization servers.
    pub authority: Arc<OauthServers>,
    /// Slack's address.
    pub hub: Arc<SlackHub>,
    /// One Notion workspace.
    pub notion: Arc<NotionSimulator>,
    control: Server,
}

impl Estate {
    /// Starts so many companies; every second portal is one of the eastern region.
    pub async fn start(clock: Arc<dyn Clock>, companies: usize) -> std::io::Result<Self> {
        let authority = Arc::new(OauthServers::start(clock.clone()).await?);
        let (mut portals, mut workspaces) = (Vec::new(), Vec::new());
        for number in 1..=companies {
            let portal = PortalSimulator::start(clock.clone(), 0).await?;
            portal.rename(&format!("{number:032x}"));
            authority.admit(&portal, if number % 2 == 0 { Region::East } else { Region::West });
            portals.push(Arc::new(portal));
            let (team, name) = (format!("T0SANDBOX{number}"), format!("Company {number}"));
            workspaces.push(Arc::new(SlackSimulator::start_as(clock.clone(), 0, &team, &name).await?));
        }
        let card = |(id, secret): (&str, &str), scope: &str| AppCard {
            id: id.into(),
            secret: secret.into(),
            redirect: String::new(),
            scope: scope.into(),
        };
        authority.add_card(card(BITRIX24_APP, "crm,user_basic,task,im,imbot,telephony,sonet_group"));
        let known: Vec<&SlackSimulator> = workspaces.iter().map(AsRef::as_ref).collect();
        let hub = Arc::new(SlackHub::start(clock.clone(), card(SLACK_APP, "chat:write,commands"), &known).await?);
        let notion = Arc::new(NotionSimulator::start(clock, 0).await?);
        notion.publish(NOTION_APP.0, NOTION_APP.1);
        let steered = SteeredEstate {
            portals: portals.clone(),
            workspaces: workspaces.clone(),
            authority: authority.clone(),
            hub: hub.clone(),
            notion: notion.clone(),
        };
        let control = Server::start(0, move |request| {
            let steered = steered.clone();
            async move { Ok(steered.steer(&request)) }
        });
        // Whoever steers needs no certificate.
        let control = crate::tls::plainly(control).await?;
        Ok(Self { portals, workspaces, authority, hub, notion, control })
    }

    /// Which limits were exceeded so far, by account and method.
    pub fn exceeded_limits(&self) -> Vec<ExceededLimit> {
        let portals = self.portals.iter().flat_map(|portal| portal.exceeded_limits());
        let workspaces = self.workspaces.iter().flat_map(|workspace| workspace.exceeded_limits());
        portals.chain(workspaces).chain(self.notion.exceeded_limits()).collect()
    }

    /// Tells the providers where the deployment under test is.
    pub fn deploy(&self, url: &str) {
        deploy(&self.workspaces, &self.authority, &self.hub, url);
    }

    /// Everything that a client needs to know, as one JSON object.
    pub fn describe(&self) -> Value {
        json!({
            "control": self.control.url(),
            "bitrix24": {
                "portals": self.portals.iter().map(|portal| portal.host()).collect::<Vec<_>>(),
                "client_id": BITRIX24_APP.0, "client_secret": BITRIX24_APP.1,
                "west": self.authority.url(Region::West), "east": self.authority.url(Region::East),
            },
            "slack": {
                "api_url": self.hub.api_url(), "client_id": SLACK_APP.0, "client_secret": SLACK_APP.1,
                "signing_secret": self.workspaces.first().map(|workspace| workspace.signing_secret()),
                "teams": self.workspaces.iter().map(|workspace| workspace.team_id()).collect::<Vec<_>>(),
            },
            "notion": {"api_url": self.notion.url(), "client_id": NOTION_APP.0, "client_secret": NOTION_APP.1},
        })
    }

    /// Every secret that the providers know: none of them may appear anywhere.
    pub fn secrets(&self) -> Vec<String> {
        let own = [BITRIX24_APP.1, SLACK_APP.1, NOTION_APP.1].map(str::to_owned);
        let portals = self.portals.iter().flat_map(|portal| {
            let known = portal.credentials();
            [known.secret, known.application_token, known.access_token]
        });
        let signing = self.workspaces.iter().map(|workspace| workspace.signing_secret().to_owned());
        own.into_iter()
            .chain(self.authority.secrets())
            .chain(self.hub.secrets())
            .chain(self.notion.secrets())
            .chain(portals)
            .chain(signing)
            .collect()
    }
}

fn deploy(workspaces: &[Arc<SlackSimulator>], authority: &OauthServers, hub: &SlackHub, url: &str) {
    let url = url.trim_end_matches('/');
    authority.redirect_to(BITRIX24_APP.0, &format!("{url}/install/bitrix24/callback"));
    hub.redirect_to(&format!("{url}/install/slack/callback"));
    for workspace in workspaces {
        workspace.send_requests_to(&format!("{url}/webhooks/slack"));
    }
}

/// What the control address acts on.
#[derive(Clone)]
struct SteeredEstate {
    portals: Vec<Arc<PortalSimulator>>,
    workspaces: Vec<Arc<SlackSimulator>>,
    authority: Arc<OauthServers>,
    hub: Arc<SlackHub>,
    notion: Arc<NotionSimulator>,
}

impl SteeredEstate {
    fn steer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let given = if request.body().is_empty() { Ok(json!({})) } else { serde_json::from_slice(request.body()) };
        let done = match given {
            Ok(body) => self.act(request, &body),
            Err(error) => Some(Err(format!("the body is not JSON: {error}"))),
        };
        match done {
            Some(Ok(done)) => answer(200, &done),
            Some(Err(error)) => answer(400, &json!({"error": error})),
            None => not_found(),
        }
    }

    /// Does what the address says; `None` for an address or a company that is not there.
    fn act(&self, request: &Request<Bytes>, body: &Value) -> Option<Result<Value, String>> {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let company = usize::try_from(body["company"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX);
        let (portal, workspace) = (|| self.portals.get(company), || self.workspaces.get(company));
        let (method, path) = (request.method(), request.uri().path());
        let query = request.uri().query().unwrap_or_default();
        Some(match (method, path) {
            (&Method::GET, "/") => Ok(help()),
            (&Method::POST, "/deploy") => {
                deploy(&self.workspaces, &self.authority, &self.hub, text("url"));
                Ok(json!({"ok": true}))
            }
            (&Method::POST, "/deals") => Ok(json!({"id": portal()?.add_deal(text("title"), 100, "EUR")})),
            (&Method::POST, "/tokens") => change_tokens(&self.authority, portal()?, body).map(|()| json!({"ok": true})),
            (&Method::POST, "/messages") => Ok(json!(workspace()?.texts(text("channel")))),
            (_, path) if path.starts_with("/bitrix24/") => {
                let mut body = body.clone();
                if let Some(body) = body.as_object_mut() {
                    body.remove("company");
                }
                crate::control::portal::steer(portal()?, method, path, query, &body)?
            }
            (&Method::POST, path) if path.starts_with("/slack/") => Ok(crate::slack::steer(workspace()?, path, body)?),
            _ => self.sides().steer(method, path, query, body)?,
        })
    }

    fn sides(&self) -> SteeredSides<'_> {
        let portals = self.portals.iter().enumerate().map(|(at, portal)| (Some(at), SteeredSide::Portal(portal)));
        let workspaces =
            self.workspaces.iter().enumerate().map(|(at, workspace)| (Some(at), SteeredSide::Workspace(workspace)));
        let shared = [(None, SteeredSide::Notion(&self.notion)), (None, SteeredSide::Authority(&self.authority))];
        SteeredSides(portals.chain(workspaces).chain(shared).collect())
    }
}

/// All addresses, each with an example.
fn help() -> Value {
    let mut all = json!({
        "POST /deploy": {"url": "http://127.0.0.1/…"},
        "POST /deals": {"company": 0, "title": "Roof"},
        "POST /messages": {"company": 0, "channel": "sales-pipeline"},
        "POST /tokens": {"company": 0, "do": "expire | revoke | keep old refresh tokens | unpaid | paid | fire", "user": 6},
        "POST /bitrix24/…": "as for one company, with \"company\": 0",
        "POST /slack/…": "as for one company, with \"company\": 0",
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), crate::control::accounts::help()) {
        all.extend(more);
    }
    all
}

/// What happens to the tokens of a portal's application.
fn change_tokens(authority: &OauthServers, portal: &PortalSimulator, body: &Value) -> Result<(), String> {
    match body["do"].as_str().unwrap_or_default() {
        "expire" => authority.expire_all(),
        "revoke" => authority.revoke(portal),
        "keep old refresh tokens" => authority.keep_old_refresh_tokens(true),
        "unpaid" => authority.unpaid(portal, true),
        "paid" => authority.unpaid(portal, false),
        "fire" => authority.fire(portal, body["user"].as_u64().ok_or("\"user\" has to be a whole number")?),
        other => return Err(format!("there is nothing called {other:?} here; GET / shows what there is")),
    }
    Ok(())
}
