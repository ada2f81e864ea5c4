//! A browser that people use to connect their companies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Request;
use simulators::estate::BITRIX24_APP;

use crate::deployment::Deployment;

/// How often a person tries a page again that does not answer.
const TRIES: usize = 8;

/// The browser of one person.
pub struct PersonBrowser {
    deployment: Arc<Deployment>,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// A page: its status, where it leads, and its text.
struct ShownPage {
    status: u16,
    location: Option<String>,
    text: String,
}

impl PersonBrowser {
    /// A browser that nobody has used yet.
    pub fn new(deployment: Arc<Deployment>) -> Self {
        Self { deployment, cookies: Mutex::default() }
    }

    /// Connects a company's portal and its workspace, as its administrator does; tried again where something fails.
    pub async fn install(&self, company: usize) -> anyhow::Result<()> {
        self.again_and_again("the portal", || self.install_portal(company)).await?;
        self.again_and_again("the workspace", || self.install_workspace(company)).await
    }

    /// Connects Notion.
    pub async fn install_notion(&self) -> anyhow::Result<()> {
        self.again_and_again("Notion", || async {
            let page = self.submit("/install", "/install/notion", &[]).await?;
            let page = self.follow(&self.deployment.estate.notion.consent(&leads_to(&page)?)).await?;
            anyhow::ensure!(page.text.contains(" is connected."), "Notion is not connected: {}", words(&page.text));
            Ok(())
        })
        .await
    }

    /// Removes the company from Switchboard.
    pub async fn leave(&self, company: usize) -> anyhow::Result<()> {
        let host = self.deployment.estate.portals[company].host();
        self.again_and_again("nothing any more", || async {
            let page = match self.submit("/install", "/install/leave", &[("domain", &host)]).await {
                Ok(page) => page,
                // The answer to an earlier try was lost: the session has ended with it.
                Err(_) if self.get("/install").await?.text.contains("Address of your portal") => return Ok(()),
                Err(error) => return Err(error),
            };
            anyhow::ensure!(page.status < 400, "HTTP {}: {}", page.status, words(&page.text));
            Ok(())
        })
        .await
    }

    async fn again_and_again<F: Future<Output = anyhow::Result<()>>>(
        &self,
        what: &str,
        attempt: impl Fn() -> F,
    ) -> anyhow::Result<()> {
        let mut last = None;
        for number in 0..TRIES {
            match attempt().await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(std::time::Duration::from_secs(20 << number.min(4))).await;
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("it was not tried"))).with_context(|| format!("connecting {what}"))
    }

    async fn install_portal(&self, company: usize) -> anyhow::Result<()> {
        let estate = &self.deployment.estate;
        let portal = &estate.portals[company];
        let page = self.post("/install/bitrix24", &[("portal", &portal.host())]).await?;
        let asked = leads_to(&page)?;
        let back = estate.authority.allow(portal, BITRIX24_APP.0, &field(&asked, "state"), 1);
        let page = self.follow(&back).await?;
        if page.text.contains("Everything is connected.") || page.text.contains("/install/slack") {
            return Ok(());
        }
        bail!("the portal is not connected: {}", words(&page.text))
    }

    async fn install_workspace(&self, company: usize) -> anyhow::Result<()> {
        let estate = &self.deployment.estate;
        let page = self.submit("/install", "/install/slack", &[]).await?;
        let asked = leads_to(&page)?;
        let back = estate.hub.allow(&asked, &estate.workspaces[company].team_id());
        let page = self.follow(&back).await?;
        if page.text.contains(" is connected.") {
            return Ok(());
        }
        bail!("the workspace is not connected: {}", words(&page.text))
    }

    async fn get(&self, path: &str) -> anyhow::Result<ShownPage> {
        let path = path.strip_prefix(&self.deployment.url).unwrap_or(path);
        self.send(Request::get(path), String::new()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<ShownPage> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path)
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request, body).await
    }

    /// Sends the form that leads to `action` on the page at `path`, with these fields filled in.
    async fn submit(&self, path: &str, action: &str, filled: &[(&str, &str)]) -> anyhow::Result<ShownPage> {
        let page = self.get(path).await?;
        let form = page.text.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.with_context(|| format!("{path} has no form to {action}: {}", words(&page.text)))?;
        let form = form.split("</form>").next().unwrap_or_default();
        let hidden: Vec<(String, String)> = form
            .split("<input type=\"hidden\" name=\"")
            .skip(1)
            .filter_map(|input| {
                let (name, rest) = input.split_once("\" value=\"")?;
                Some((name.to_owned(), rest.split('"').next()?.replace("&quot;", "\"").replace("&amp;", "&")))
            })
            .collect();
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<_> = hidden.chain(filled.iter().copied()).collect();
        self.post(action, &fields).await
    }

    async fn follow(&self, to: &str) -> anyhow::Result<ShownPage> {
        let mut page = self.get(to).await?;
        for _ in 0..10 {
            let Some(location) = page.location.clone() else { break };
            page = self.get(&location).await?;
        }
        Ok(page)
    }

    async fn send(&self, request: http::request::Builder, body: String) -> anyhow::Result<ShownPage> {
        let host = self.deployment.url.trim_start_matches("http://");
        let cookies = {
            let kept = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
            kept.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
        };
        let request = request.header("host", host).header("cookie", cookies).body(Bytes::from(body))?;
        let answer = self.deployment.answer(request).await?;
        for given in answer.headers().get_all("set-cookie") {
            if let Some((name, value)) = given.to_str()?.split(';').next().and_then(|pair| pair.split_once('=')) {
                self.cookies.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), value.into());
            }
        }
        let status = answer.status().as_u16();
        let location = answer.headers().get("location").and_then(|to| to.to_str().ok()).map(str::to_owned);
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        if status >= 500 {
            bail!("HTTP {status}: {}", words(&text));
        }
        Ok(ShownPage { status, location, text })
    }
}

/// A field of an address.
fn field(url: &str, name: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let found = form_urlencoded::parse(query.as_bytes()).find(|(given, _)| given == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Where a page leads by itself.
fn leads_to(page: &ShownPage) -> anyhow::Result<String> {
    let to = page.text.split("content=\"0; url=").nth(1).and_then(|rest| rest.split('"').next());
    let to = to.with_context(|| format!("HTTP {}: the page leads nowhere: {}", page.status, words(&page.text)))?;
    Ok(to.replace("&amp;", "&"))
}

/// What a page says, without its markup.
fn words(page: &str) -> String {
    let body = page.split("<main").nth(1).unwrap_or(page);
    let (mut text, mut is_markup) = (String::new(), false);
    for letter in body.chars() {
        match letter {
            '<' => is_markup = true,
            '>' => is_markup = false,
            letter if !is_markup => text.push(letter),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}
