//! Many companies on one deployment: each installs by itself, as a person with a browser does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clients::Connections;
use runtime::clock::Clock;
use runtime::{Backend, ManualClock, TenantId};
use secrecy::SecretString;
use serde_json::{Value, json};
use simulators::Region;
use simulators::direct::ListedServer;
use simulators::estate::{BITRIX24_APP, Estate as Sandbox, NOTION_APP, SLACK_APP};
use slack::SlackApiBase;
use standalone::functions::Functions;
use standalone::http;
use tokio::sync::watch;

use crate::{Engine, EventOrder, Stage, World, work_what_is_ready};

const START: &str = "2026-11-21T12:00:00Z";

/// The deployment and the companies.
pub struct Estate {
    /// Time. It moves when all wait for it.
    pub clock: Arc<ManualClock>,
    /// What keeps things.
    pub engine: Engine,
    /// The handlers.
    pub functions: Box<Functions>,
    /// The connections.
    pub connections: Connections,
    /// The providers.
    pub sandbox: Sandbox,
    /// Where the deployment is.
    pub url: String,
    stage: Stage,
    stop: watch::Sender<bool>,
    _listed: Option<ListedServer>,
}

impl Estate {
    /// A deployment that nobody has installed yet, and so many companies.
    pub async fn start(companies: usize) -> Self {
        Self::start_on(Stage::usual(), companies).await
    }

    /// The same on this stage.
    pub async fn start_on(stage: Stage, companies: usize) -> Self {
        Self::start_at(stage, ManualClock::automatic(START.parse().unwrap()), companies).await
    }

    /// The same where time passes as for everybody: for many workers that wait for a provider's answer.
    pub async fn start_flowing(companies: usize) -> Self {
        Self::start_at(Stage::usual(), ManualClock::flowing(START.parse().unwrap()), companies).await
    }

    async fn start_at(stage: Stage, clock: ManualClock, companies: usize) -> Self {
        crate::secrecy::listen();
        let clock = Arc::new(clock);
        let sandbox = Sandbox::start(clock.clone(), companies).await.unwrap();
        clock.advance(Duration::from_secs(10));
        let engine = Engine::start(stage, clock.clone()).await;
        let apps = json!({
            "bitrix24": {"client_id": BITRIX24_APP.0, "client_secret": BITRIX24_APP.1},
            "slack": {
                "client_id": SLACK_APP.0, "client_secret": SLACK_APP.1, "pkce": true,
                "signing_secret": sandbox.workspaces[0].signing_secret(),
            },
            "notion": {"client_id": NOTION_APP.0, "client_secret": NOTION_APP.1},
        });
        engine.backend.secrets.put(tenants::secret_names::APPS, apps.to_string().into()).await.unwrap();
        let connections = connections(stage, &engine.backend, &sandbox);
        let listener = http::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}");
        let functions = Box::new(crate::watched::functions(&engine.backend, &connections, Some(&url)));
        let (stop, stopped) = watch::channel(false);
        let router = http::webhooks(*functions.clone());
        let listed = stage.list(address, router.clone());
        tokio::spawn(http::serve(listener, router, stopped));
        sandbox.deploy(&url);
        for (portal, workspace) in sandbox.portals.iter().zip(&sandbox.workspaces) {
            EventOrder::usual().apply(portal, workspace);
        }
        Self { clock, engine, functions, connections, sandbox, url, stage, stop, _listed: listed }
    }

    /// The tenant of a company.
    pub fn tenant(&self, company: usize) -> TenantId {
        TenantId::new(self.sandbox.portals[company].credentials().member_id).unwrap()
    }

    /// More workers over the same store: each has caches of its own, as processes have.
    pub fn another_worker(&self) -> Connections {
        connections(self.stage, &self.engine.backend, &self.sandbox)
    }

    /// Connections to the same providers over these ports.
    pub fn connections_on(&self, backend: &Backend) -> Connections {
        connections(self.stage, backend, &self.sandbox)
    }

    /// Connections to the same providers over another engine.
    pub fn connections_over(&self, engine: &standalone::engine::Engine) -> Connections {
        connections(self.stage, &engine.backend, &self.sandbox)
    }

    /// A browser that nobody has used yet.
    pub fn browser(&self) -> Browser {
        Browser::at(&self.url)
    }

    /// An administrator connects a company's portal; their browser, and the page that they end on.
    pub async fn install_portal(&self, company: usize) -> (Browser, String) {
        let (browser, portal) = (self.browser(), &self.sandbox.portals[company]);
        let page = browser.post("/install/bitrix24", &[("portal", &portal.host())]).await;
        let asked = browser.leads_to(&page.text);
        assert!(asked.starts_with(&portal.url()), "{}", page.text);
        let back = self.sandbox.authority.allow(portal, BITRIX24_APP.0, &field(&asked, "state"), 1);
        let page = browser.follow(&back).await;
        (browser, page.text)
    }

    /// They add Slack; the page that they end on.
    pub async fn install_slack(&self, company: usize, browser: &Browser) -> String {
        let page = browser.submit("/install", "/install/slack", &[]).await;
        let asked = browser.leads_to(&page.text);
        let back = self.sandbox.hub.allow(&asked, &self.sandbox.workspaces[company].team_id());
        browser.follow(&back).await.text
    }

    /// Both, and a moment later.
    pub async fn install(&self, company: usize) -> Browser {
        let browser = self.connect(company).await;
        self.begin(company).await;
        browser
    }

    /// They click through all pages. No time passes, so that several companies can do it at once.
    pub async fn connect(&self, company: usize) -> Browser {
        let (browser, _) = self.install_portal(company).await;
        let page = self.install_slack(company, &browser).await;
        assert!(page.contains(" is connected.") && !page.contains("Not done yet"), "{page}");
        browser
    }

    /// What was there before is read, and each later change can be counted by its card.
    pub async fn begin(&self, company: usize) {
        let settings = json!({"group_bursts": null, "operators": {"channel": "#ops", "watch": []}});
        self.connections.portals().set_settings(&self.tenant(company), settings).await.unwrap();
        self.sweep().await;
        // What is done from now on is news, by the second.
        self.clock.advance(Duration::from_secs(1));
    }

    /// Until nothing is on its way, nothing is queued and nothing is due.
    pub async fn settle(&self) {
        loop {
            self.all_have_arrived().await;
            if self.work_what_is_ready().await == 0 && !self.pass_to_what_is_due().await {
                return;
            }
        }
    }

    /// Until every event has arrived.
    pub async fn all_have_arrived(&self) {
        let on_the_way = || {
            let portals = self.sandbox.portals.iter().map(|portal| portal.events_on_the_way()).sum::<u64>();
            portals + self.sandbox.workspaces.iter().map(|workspace| workspace.on_the_way()).sum::<u64>()
        };
        while on_the_way() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Works every batch that is ready now; returns how many there were.
    pub async fn work_what_is_ready(&self) -> usize {
        work_what_is_ready(&self.engine, &self.functions).await
    }

    async fn pass_to_what_is_due(&self) -> bool {
        let next = self.engine.next_due().await;
        if let Some(moment) = next {
            self.clock.advance_to(moment);
        }
        next.is_some()
    }

    /// Runs the sweep as its schedule would, and works what it found.
    pub async fn sweep(&self) {
        self.clock.advance(Duration::from_secs(90));
        portal_sweep::ask_for_all(&self.functions.portal_sweep).await;
        portal_sweep::handle(&self.functions.portal_sweep, self.clock.now()).await;
        self.settle().await;
    }

    /// Runs the upkeep as its schedule would.
    pub async fn upkeep(&self) -> upkeep::UpkeepReport {
        let report = upkeep::handle(&self.functions.upkeep, self.clock.now()).await;
        self.settle().await;
        report
    }

    /// What people of a company read in a channel.
    pub fn channel(&self, company: usize, name: &str) -> Vec<String> {
        self.sandbox.workspaces[company].texts(name)
    }

    /// Everything that the engine keeps readable, as bytes.
    pub fn everything_on_disk(&self) -> Vec<u8> {
        self.engine.everything()
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        crate::watched::keep();
        // A test that has failed already says why.
        if !std::thread::panicking() {
            crate::watched::all_are_listed();
            crate::secrecy::nothing_leaked(&self.sandbox.secrets(), &self.everything_on_disk());
        }
    }
}

fn connections(stage: Stage, backend: &Backend, sandbox: &Sandbox) -> Connections {
    let auth =
        bitrix24::oauth::AuthServers::new(&sandbox.authority.url(Region::West), &sandbox.authority.url(Region::East));
    let connections = Connections::new(backend, SlackApiBase::new(&sandbox.hub.api_url()).unwrap())
        .with_notion(notion::NotionApiBase::new(&sandbox.notion.url()).unwrap())
        .with_auth_servers(auth.unwrap())
        .allowing(crate::network());
    stage.connect(connections, Duration::from_secs(60))
}

/// A field of an address.
pub fn field(url: &str, name: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let found = form_urlencoded::parse(query.as_bytes()).find(|(given, _)| given == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A page as a browser has it.
#[derive(Debug)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Its text.
    pub text: String,
    /// Where it sends the browser.
    pub location: Option<String>,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
}

impl Page {
    /// A header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A browser of one person: it keeps cookies and fills in forms.
pub struct Browser {
    http: reqwest::Client,
    url: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    /// A browser for a deployment.
    pub fn at(url: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, url: url.to_owned(), cookies: Mutex::default() }
    }

    /// A browser for a world.
    pub fn of(world: &World) -> Self {
        Self::at(world.slack_webhook.trim_end_matches(http::SLACK_WEBHOOK))
    }

    /// The browser of a world's administrator, signed in with a one-time code.
    pub async fn administrator(world: &World) -> Self {
        let browser = Self::of(world);
        let code = admin::new_code(&world.engine.backend, &world.tenant).await.unwrap();
        let page = browser.post("/admin/sign-in", &[("code", &code)]).await;
        assert_eq!(page.status, 303, "{}", page.text);
        browser
    }

    /// Sends fields to an address of the administrators' pages with the session's token, and follows to the page that
    /// it leads to.
    pub async fn press(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.get("/admin/people").await;
        let token = page.text.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let token = token.unwrap_or_else(|| unreachable!("the page has no token: {}", page.text));
        let fields: Vec<_> = fields.iter().copied().chain([("token", token)]).collect();
        let answer = self.post(path, &fields).await;
        match &answer.location {
            Some(location) => self.follow(location).await,
            None => answer,
        }
    }

    /// One of our pages.
    pub async fn get(&self, path: &str) -> Page {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.send(self.http.get(url)).await
    }

    /// Sends fields to an address of ours.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(format!("{}{path}", self.url)).header("sec-fetch-site", "same-origin");
        self.send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }

    /// Sends the form that leads to `action` on the page at `path`, with these fields filled in.
    pub async fn submit(&self, path: &str, action: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.get(path).await.text;
        let form = page.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.unwrap_or_else(|| unreachable!("{path} has no form to {action}: {page}"));
        let form = form.split("</form>").next().unwrap_or_default();
        // What the form carries unseen, unless it is told otherwise.
        let hidden = form.split("<input type=\"hidden\" name=\"").skip(1).filter_map(|input| {
            let (name, rest) = input.split_once("\" value=\"")?;
            Some((name.to_owned(), unescaped(rest.split('"').next()?)))
        });
        let hidden: Vec<_> = hidden.filter(|(name, _)| fields.iter().all(|(given, _)| given != name)).collect();
        let all: Vec<_> =
            hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(fields.iter().copied()).collect();
        self.post(action, &all).await
    }

    /// Goes where it is sent, until a page comes.
    pub async fn follow(&self, to: &str) -> Page {
        let mut page = self.get(to).await;
        while let Some(location) = page.location.clone() {
            page = self.get(&location).await;
        }
        page
    }

    /// Where one of our pages leads to by itself.
    pub fn leads_to(&self, page: &str) -> String {
        let to = page.split("content=\"0; url=").nth(1).and_then(|rest| rest.split('"').next());
        to.unwrap_or_else(|| unreachable!("the page leads nowhere: {page}")).replace("&amp;", "&")
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let cookies = {
            let kept = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
        };
        let response = request.header("cookie", cookies).send().await.unwrap();
        for given in response.headers().get_all("set-cookie") {
            let given = given.to_str().unwrap();
            assert!(given.contains("HttpOnly") && given.contains("SameSite=Lax"), "{given}");
            if let Some((name, value)) = given.split(';').next().and_then(|pair| pair.split_once('=')) {
                self.cookies.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), value.into());
            }
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let location = headers.get("location").and_then(|to| to.to_str().ok()).map(str::to_owned);
        Page { status, location, headers, text: response.text().await.unwrap() }
    }
}

/// A value as it stood before it was put into a page.
fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The body of an answer as JSON.
pub async fn json_of(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

/// A secret text.
pub fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}
