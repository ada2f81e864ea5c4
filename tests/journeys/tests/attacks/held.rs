//! Attacks that never worked, kept as cases; and what their tests share.

mod api;
mod csrf;
mod documents;
mod markup;
mod mentions;
mod oauth;
mod secrets;
mod signatures;
mod tokens;
mod wire;

use jobs::queues;
use journeys::World;
use journeys::estate::Estate;
use reqwest::{Client, Method, RequestBuilder};
use runtime::queue::Queue;
use runtime::store::Table;
use runtime::{Backend, TenantId};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const FORM: &str = "application/x-www-form-urlencoded";

/// A client that goes nowhere by itself.
fn client() -> Client {
    Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The address of a world's host.
fn base(world: &World) -> String {
    world.slack_webhook.replace("/webhooks/slack", "")
}

/// An answer, read to its end.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

async fn sent(request: RequestBuilder) -> Reply {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Reply { status, headers, text: answer.text().await.unwrap() }
}

/// An administrator's browser: a session, and the token that its forms carry.
struct Administrator {
    http: Client,
    base: String,
    cookie: String,
    token: String,
}

impl Administrator {
    /// Signs in with a one-time code.
    async fn sign_in(base: &str, backend: &Backend, tenant: &TenantId) -> Self {
        let code = ::admin::new_code(backend, tenant).await.unwrap();
        let mut administrator =
            Self { http: client(), base: base.to_owned(), cookie: String::new(), token: String::new() };
        let reply = administrator.post("/admin/sign-in", &form(&[("code", &code)])).await;
        assert_eq!(reply.status, 303, "{}", reply.text);
        reply.header("set-cookie").split(';').next().unwrap().clone_into(&mut administrator.cookie);
        let page = administrator.get("/admin/keys").await.text;
        administrator.token = hidden(&page, "token").unwrap_or_else(|| unreachable!("no form's token: {page}"));
        administrator
    }

    async fn of_world(world: &World) -> Self {
        Self::sign_in(&base(world), &world.engine.backend, &world.tenant).await
    }

    async fn of_company(estate: &Estate, company: usize) -> Self {
        Self::sign_in(&estate.url, &estate.engine.backend, &estate.tenant(company)).await
    }

    /// A request as this site's own pages make it.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = request.header("sec-fetch-site", "same-origin").header("origin", &self.base);
        request.header("cookie", &self.cookie)
    }

    async fn get(&self, path: &str) -> Reply {
        sent(self.request(Method::GET, path)).await
    }

    /// Sends a form's body as it is, without the token.
    async fn post(&self, path: &str, body: &str) -> Reply {
        sent(self.request(Method::POST, path).header("content-type", FORM).body(body.to_owned())).await
    }

    /// Sends a form with the session's token.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let all: Vec<_> = fields.iter().copied().chain([("token", self.token.as_str())]).collect();
        self.post(path, &form(&all)).await
    }
}

/// The value of a page's hidden field.
fn hidden(page: &str, name: &str) -> Option<String> {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
    Some(rest.split('"').next()?.to_owned())
}

/// Everything that is stored of an owner, but for what only counts requests.
async fn stored(backend: &Backend, owner: &str) -> Vec<String> {
    let mut kept = Vec::new();
    for table in [Table::Portals, Table::Links, Table::Ledger] {
        let mut after = None;
        loop {
            let part = backend.store.belonging(table, owner, after.as_ref()).await.unwrap();
            kept.extend(
                part.items.into_iter().map(|(item, _)| {
                    format!("{} {} {} {}", table.name(), item.key.partition, item.key.sort, item.value)
                }),
            );
            after = part.next;
            if after.is_none() {
                break;
            }
        }
    }
    kept.sort();
    kept
}

/// Messages that wait on any queue.
async fn waiting(backend: &Backend) -> u64 {
    let mut all = 0;
    for queue in queues::ALL {
        all += Queue::depth(backend.queue.as_ref(), queue).await.unwrap().waiting;
    }
    all
}

/// Sends bytes to a host as they are, and returns everything that it answers until it hangs up.
async fn raw(base: &str, request: &[u8]) -> String {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A host that has refused already may hang up while the rest is written.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of the answers in what a host sent.
fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|line| line.get(..3)?.parse().ok()).collect()
}
