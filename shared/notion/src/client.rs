//! The client: one call, one answer, every failure with a kind. It neither retries nor limits.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wire::time_limits::MAX_CALL;
use wire::{Http, Instant, NoAnswer, Observer, OutgoingRequest, SeenAnswer, Unread, parse_retry_after};

use crate::VERSION;
use crate::error::{DEFAULT_WAIT, Error};
use crate::page::NotionPage;
use crate::schema::DataSource;

const MAX_ANSWER: usize = 32 * 1024 * 1024;

#[derive(Debug, Clone)]
pub struct NotionApiBase(String);

impl Default for NotionApiBase {
    fn default() -> Self {
        Self("https://api.notion.com".into())
    }
}

impl NotionApiBase {
    /// Another address, for a simulator on this very machine; anything else must be https.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self(wire::api_url("Notion", url).map_err(Error::Address)?))
    }

    /// The address, if it is not Notion's own.
    pub fn another(&self) -> Option<&str> {
        (self.0 != Self::default().0).then_some(self.0.as_str())
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// Calls one workspace.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    base: NotionApiBase,
    token: SecretString,
    observer: Option<Arc<dyn Observer>>,
    limit: Duration,
}

/// Who a token belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotionIdentity {
    /// The bot user that what we write is signed with.
    pub bot_id: String,
    /// The connection's name, as people see it when they share a page with it.
    pub name: String,
    pub workspace_id: String,
    /// The workspace's name.
    pub workspace: String,
}

/// A person of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotionPerson {
    pub id: String,
    #[serde(default)]
    pub name: String,
    /// Their e-mail; none without the capability to read it.
    #[serde(default)]
    pub email: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotionList<T> {
    pub items: Vec<T>,
    /// Where the next one starts.
    pub cursor: Option<String>,
    /// Whether Notion stopped at its cap of 10,000 rows: there are more that this query does not give.
    pub capped: bool,
}

impl Client {
    /// A client. The token is a secret of the workspace.
    pub fn new(http: Http, base: NotionApiBase, token: SecretString) -> Self {
        Self { http, base, token, observer: None, limit: MAX_CALL }
    }

    /// The same client with an observer of each call.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// The same client, which waits so long for an answer instead of [`MAX_CALL`].
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The token that it works with.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// Who the token belongs to.
    pub async fn me(&self) -> Result<NotionIdentity, Error> {
        let me = self.call(Method::GET, "/v1/users/me", None).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(NotionIdentity {
            bot_id: text(&me["id"]),
            name: text(&me["name"]),
            workspace_id: text(&me["bot"]["workspace_id"]),
            workspace: text(&me["bot"]["workspace_name"]),
        })
    }

    /// A page of the workspace's people; bots are left out.
    pub async fn people(&self, cursor: Option<&str>) -> Result<NotionList<NotionPerson>, Error> {
        let path = format!(
            "/v1/users?page_size=100{}",
            cursor.map(|cursor| format!("&start_cursor={cursor}")).unwrap_or_default()
        );
        let mut list = self.list(Method::GET, &path, None).await?;
        list.items.retain(|user| user["type"] == "person");
        let person = |user: &Value| NotionPerson {
            id: user["id"].as_str().unwrap_or_default().to_owned(),
            name: user["name"].as_str().unwrap_or_default().to_owned(),
            email: user["person"]["email"].as_str().map(str::to_lowercase),
        };
        Ok(NotionList { items: list.items.iter().map(person).collect(), cursor: list.cursor, capped: list.capped })
    }

    /// The data sources of a database: id and name.
    pub async fn database(&self, id: &str) -> Result<Vec<(String, String)>, Error> {
        let database = self.call(Method::GET, &format!("/v1/databases/{id}"), None).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sources = database["data_sources"].as_array().into_iter().flatten();
        Ok(sources.map(|source| (text(&source["id"]), text(&source["name"]))).collect())
    }

    /// A data source with its schema.
    pub async fn data_source(&self, id: &str) -> Result<DataSource, Error> {
        let path = format!("/v1/data_sources/{id}");
        let value = self.call(Method::GET, &path, None).await?;
        DataSource::read(&value).ok_or_else(|| shape(&path, "a data source without an id"))
    }

    /// Adds or changes properties of a data source.
    pub async fn change_schema(&self, id: &str, properties: &Map<String, Value>) -> Result<DataSource, Error> {
        let path = format!("/v1/data_sources/{id}");
        let value = self.call(Method::PATCH, &path, Some(&json!({"properties": properties}))).await?;
        DataSource::read(&value).ok_or_else(|| shape(&path, "a data source without an id"))
    }

    /// A page of rows. `query` is the body but for its cursor.
    pub async fn query(
        &self,
        data_source: &str,
        query: &Value,
        cursor: Option<&str>,
    ) -> Result<NotionList<NotionPage>, Error> {
        let path = format!("/v1/data_sources/{data_source}/query");
        let mut body = query.clone();
        body["result_type"] = json!("page");
        if let Some(cursor) = cursor {
            body["start_cursor"] = json!(cursor);
        }
        let list = self.list(Method::POST, &path, Some(&body)).await?;
        let items: Result<Vec<_>, _> = list.items.into_iter().map(NotionPage::read).collect();
        let items = items.map_err(|error| shape(&path, &error.to_string()))?;
        Ok(NotionList { items, cursor: list.cursor, capped: list.capped })
    }

    /// A page. One in the trash comes as such; one that was deleted for good, or is not shared, is refused.
    pub async fn page(&self, id: &str) -> Result<NotionPage, Error> {
        let path = format!("/v1/pages/{id}");
        let value = self.call(Method::GET, &path, None).await?;
        NotionPage::read(value).map_err(|error| shape(&path, &error.to_string()))
    }

    /// The ids that a relation holds: a page shows only the first 25.
    pub async fn related(&self, page: &str, property: &str, cursor: Option<&str>) -> Result<NotionList<String>, Error> {
        let next = cursor.map(|cursor| format!("&start_cursor={cursor}")).unwrap_or_default();
        // The id comes percent-encoded, and is encoded once in a path.
        let path = format!("/v1/pages/{page}/properties/{}?page_size=100{next}", encoded(property));
        let list = self.list(Method::GET, &path, None).await?;
        let id = |item: &Value| item["relation"]["id"].as_str().map(str::to_owned);
        Ok(NotionList { items: list.items.iter().filter_map(id).collect(), cursor: list.cursor, capped: list.capped })
    }

    /// Creates a row of a data source, with the first blocks of its body (a hundred at most).
    pub async fn create(
        &self,
        data_source: &str,
        properties: &Map<String, Value>,
        children: &[Value],
    ) -> Result<NotionPage, Error> {
        let mut body = json!({
            "parent": {"type": "data_source_id", "data_source_id": data_source}, "properties": properties,
        });
        if !children.is_empty() {
            body["children"] = json!(children);
        }
        let value = self.call(Method::POST, "/v1/pages", Some(&body)).await?;
        NotionPage::read(value).map_err(|error| shape("/v1/pages", &error.to_string()))
    }

    /// Changes properties of a page, and nothing else of it.
    pub async fn update(&self, page: &str, properties: &Map<String, Value>) -> Result<NotionPage, Error> {
        self.change(page, &json!({"properties": properties})).await
    }

    /// Puts a page into the trash or takes it out.
    pub async fn trash(&self, page: &str, in_trash: bool) -> Result<NotionPage, Error> {
        self.change(page, &json!({"in_trash": in_trash})).await
    }

    async fn change(&self, page: &str, body: &Value) -> Result<NotionPage, Error> {
        let path = format!("/v1/pages/{page}");
        let value = self.call(Method::PATCH, &path, Some(body)).await?;
        NotionPage::read(value).map_err(|error| shape(&path, &error.to_string()))
    }

    /// Appends blocks at the end; returns the ids of those of the first level, in order.
    pub async fn append(&self, block: &str, children: &[Value]) -> Result<Vec<String>, Error> {
        let path = format!("/v1/blocks/{block}/children");
        let body = json!({"children": children, "position": {"type": "end"}});
        let list = self.list(Method::PATCH, &path, Some(&body)).await?;
        Ok(list.items.iter().filter_map(|block| block["id"].as_str().map(str::to_owned)).collect())
    }

    /// The blocks of a page or block, a hundred at most: id and type.
    pub async fn children(&self, block: &str, cursor: Option<&str>) -> Result<NotionList<(String, String)>, Error> {
        let next = cursor.map(|cursor| format!("&start_cursor={cursor}")).unwrap_or_default();
        let list = self.list(Method::GET, &format!("/v1/blocks/{block}/children?page_size=100{next}"), None).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = list.items.iter().map(|block| (text(&block["id"]), text(&block["type"]))).collect();
        Ok(NotionList { items, cursor: list.cursor, capped: list.capped })
    }

    async fn list(&self, method: Method, path: &str, body: Option<&Value>) -> Result<NotionList<Value>, Error> {
        let mut value = self.call(method, path, body).await?;
        let Value::Array(items) = value["results"].take() else { return Err(shape(path, "a list without results")) };
        let capped = value["request_status"]["type"] == "incomplete";
        let has_more = value["has_more"] == true;
        let cursor = value["next_cursor"].as_str().filter(|_| has_more).map(str::to_owned);
        Ok(NotionList { items, cursor, capped })
    }

    /// Makes one call.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        // A query is a read, although it is posted.
        let reads = method == Method::GET || path.ends_with("/query");
        let call = format!("{method} {}", path.split('?').next().unwrap_or(path));
        let mut request = self.http.request(method, self.base.at(path)).timeout(self.limit).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let (began, name) = (Instant::now(), call.clone());
        let answer = ask(call, request, reads).await;
        if let Some(observer) = &self.observer {
            observer.saw(&name, body.unwrap_or(&Value::Null), answer.as_ref(), began.elapsed());
        }
        answer
    }
}

async fn ask(call: String, request: OutgoingRequest, reads: bool) -> Result<Value, Error> {
    let answer = send(&call, request, reads).await?;
    understand(call, answer, reads)
}

/// What an answer says.
pub(crate) fn understand(call: String, answer: Raw, reads: bool) -> Result<Value, Error> {
    let (status, wait) = (answer.seen.status, answer.wait);
    match answer.body {
        Some(value) if (200..300).contains(&status) && value["object"] != "error" => Ok(value),
        Some(value) if value["object"] == "error" => Err(refused(call, status, &value, wait, reads)),
        _ if matches!(status, 429 | 529) => Err(Error::Throttled { call, wait: wait.unwrap_or(DEFAULT_WAIT) }),
        _ => Err(Error::NoAnswer { call, why: NoAnswer::Garbage(answer.seen), reads }),
    }
}

/// An answer before it is understood.
pub(crate) struct Raw {
    /// What may be said of it, whatever it is.
    pub(crate) seen: SeenAnswer,
    /// Its JSON, if it is that.
    pub(crate) body: Option<Value>,
    /// `Retry-After`.
    pub(crate) wait: Option<Duration>,
}

/// Sends a request and reads its answer.
pub(crate) async fn send(call: &str, request: OutgoingRequest, reads: bool) -> Result<Raw, Error> {
    let no_answer = |why: NoAnswer| Error::NoAnswer { call: call.to_owned(), why, reads };
    let request = request.header("Notion-Version", VERSION);
    let response = request.send().await.map_err(|error| no_answer(error.into()))?;
    let wait = response.retry_after();
    let (seen, read) = response.read(MAX_ANSWER).await.map_err(|unread| match unread {
        Unread::TooLarge(_) => shape(call, "an answer of more than 32 MiB"),
        lost @ Unread::Lost(_) => no_answer(lost.into()),
    })?;
    Ok(Raw { seen, body: serde_json::from_slice(&read).ok(), wait })
}

fn refused(call: String, status: u16, body: &Value, wait: Option<Duration>, reads: bool) -> Error {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (code, data) = (text(&body["code"]), &body["additional_data"]);
    let blocked = data["rate_limit_reason"] == "public_api_request_blocked";
    if (matches!(status, 429 | 529) || code == "rate_limited" || code == "service_overload") && !blocked {
        let in_body = || match &data["retry_after"] {
            Value::String(text) => parse_retry_after(text, None),
            Value::Number(seconds) => parse_retry_after(&seconds.to_string(), None),
            _ => None,
        };
        return Error::Throttled { call, wait: wait.or_else(in_body).unwrap_or(DEFAULT_WAIT) };
    }
    let message = text(&body["message"]);
    let resource = data["committed_resource_id"].as_str().map(str::to_owned);
    if status == 503 && (resource.is_some() || message.starts_with("The change was saved")) {
        let children = data["committed_child_ids"].as_array().into_iter().flatten();
        return Error::Saved { call, resource, children: children.map(text).collect() };
    }
    Error::Refused {
        call,
        status,
        code,
        message,
        out_of_blocks: data.get("block_limit").is_some(),
        request_id: text(&body["request_id"]),
        reads,
    }
}

fn shape(path: &str, cause: &str) -> Error {
    Error::Shape { call: path.to_owned(), cause: cause.to_owned() }
}

/// An id as a part of a path: decoded first, for it may come encoded, and then encoded once.
fn encoded(id: &str) -> String {
    let plain = percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned();
    percent_encoding::utf8_percent_encode(&plain, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use wire::ErrorClass;

    use super::*;

    fn documented(text: &str) -> Error {
        let file: Value = serde_json::from_str(text).unwrap();
        let wait = file["headers"]["Retry-After"].as_str().and_then(|wait| wait.parse().ok()).map(Duration::from_secs);
        refused("x".into(), u16::try_from(file["status"].as_u64().unwrap()).unwrap(), &file["body"], wait, false)
    }

    #[test]
    fn documented_errors_ask_for_the_right_thing() {
        let now = Timestamp::UNIX_EPOCH;
        let limited = documented(include_str!("../tests/fixtures/errors/429_connection.json"));
        assert_eq!(limited.class(now), ErrorClass::wait(now, Duration::from_secs(49)));
        let full = documented(include_str!("../tests/fixtures/errors/403_block_limit.json"));
        assert_eq!(full.class(now), ErrorClass::permanent("block_limit"));
        let appended = documented(include_str!("../tests/fixtures/errors/503_append_was_saved.json"));
        let Error::Saved { resource: Some(_), children, .. } = appended else { unreachable!("{appended:?}") };
        assert_eq!(children.len(), 2);
        let created = documented(include_str!("../tests/fixtures/errors/503_page_create_was_saved.json"));
        assert_eq!(created.class(now), ErrorClass::UnknownOutcome);
    }
}
