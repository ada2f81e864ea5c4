//! Webhooks: signed, without values, told together within a minute, sent again when they were not taken.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use platform::clock::later;
use serde_json::{Value, json};

use super::{INTEGRATION, Shared, State, WORKSPACE};

/// Edits of a page within a minute of one that was told are told together when the minute is over.
const TOGETHER: Duration = Duration::from_secs(60);
/// How often an event is tried.
const ATTEMPTS: u32 = 8;

/// How webhooks travel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Each so-many-th is lost; 0 for none.
    pub drop_every: u64,
    /// Each so-many-th is sent twice; 0 for none.
    pub double_every: u64,
    /// Whether later ones overtake earlier ones.
    pub reversed: bool,
}

/// An event that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) due: Timestamp,
    pub(crate) event: Value,
    attempt: u32,
}

impl State {
    /// Notes an event about a row. `delay` is whether it may be told together with others.
    pub(super) fn tell_row(&mut self, now: Timestamp, kind: &str, row: &str, author: &str, properties: &[String]) {
        let Some(stored) = self.rows.get(row) else { return };
        let Some(source) = self.sources.get(&stored.source) else { return };
        if !self.databases.get(&source.database).is_some_and(|database| database.shared) {
            return;
        }
        let data = json!({"parent": {"id": source.database, "type": "database", "data_source_id": source.id}});
        if kind == "page.deleted" || kind == "page.undeleted" {
            // The one right after the other comes to nothing.
            let opposite = if kind == "page.deleted" { "page.undeleted" } else { "page.deleted" };
            let place = self.waiting.iter().position(|waiting| {
                waiting.attempt == 1 && waiting.event["type"] == opposite && waiting.event["entity"]["id"] == row
            });
            if let Some(place) = place {
                self.waiting.remove(place);
                return;
            }
        }
        if kind != "page.properties_updated" {
            let event = self.event(now, kind, row, "page", &data, author);
            self.wait(now, event);
            return;
        }
        let merged = self.waiting.iter_mut().find(|waiting| {
            waiting.attempt == 1
                && waiting.event["type"] == kind
                && waiting.event["entity"]["id"] == row
                && waiting.due > now
        });
        if let Some(waiting) = merged {
            union(&mut waiting.event["data"]["updated_properties"], properties.iter().map(|id| json!(id)).collect());
            union(&mut waiting.event["authors"], vec![who(author)]);
            waiting.event["timestamp"] = json!(moment(now));
            return;
        }
        let mut data = data;
        data["updated_properties"] = json!(properties);
        let event = self.event(now, kind, row, "page", &data, author);
        // The first is told at once, what follows within the minute together at its end.
        let told = self.told.get(row).copied().filter(|told| later(*told, TOGETHER) > now);
        let due = told.map_or(now, |told| later(told, TOGETHER));
        self.told.insert(row.to_owned(), due);
        self.wait(due, event);
    }

    /// Notes an event about a data source.
    pub(super) fn tell_source(&mut self, now: Timestamp, kind: &str, source: &str, changes: &[Value]) {
        let database = self.sources.get(source).map(|source| source.database.clone()).unwrap_or_default();
        let data = json!({"parent": {"id": database, "type": "database"}, "updated_properties": changes});
        let event = self.event(now, kind, source, "data_source", &data, super::SOMEBODY);
        self.wait(now, event);
    }

    fn event(&mut self, now: Timestamp, kind: &str, id: &str, entity: &str, data: &Value, author: &str) -> Value {
        json!({
            "id": self.id(), "timestamp": moment(now), "workspace_id": WORKSPACE, "workspace_name": "Sandbox",
            "subscription_id": "29d75c0d-5546-4414-8459-7b7a92f1fc4b", "integration_id": INTEGRATION, "type": kind,
            "authors": [who(author)], "attempt_number": 1, "api_version": notion_wire::VERSION,
            "entity": {"id": id, "type": entity}, "data": data,
        })
    }

    fn wait(&mut self, due: Timestamp, event: Value) {
        if self.hook.is_none() {
            return;
        }
        let number = self.last;
        if self.delivery.drop_every > 0 && number.is_multiple_of(self.delivery.drop_every) {
            return;
        }
        let doubled = self.delivery.double_every > 0 && number.is_multiple_of(self.delivery.double_every);
        if doubled {
            self.waiting.push_back(Waiting {
                due: later(due, Duration::from_secs(2)),
                event: event.clone(),
                attempt: 2,
            });
        }
        self.waiting.push_back(Waiting { due, event, attempt: 1 });
    }
}

fn who(author: &str) -> Value {
    json!({"id": author, "type": if author == super::BOT { "bot" } else { "person" }})
}

fn moment(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn union(list: &mut Value, more: Vec<Value>) {
    if let Some(list) = list.as_array_mut() {
        for one in more {
            if !list.contains(&one) {
                list.push(one);
            }
        }
    }
}

/// Sends what is due.
pub(super) fn send_due(shared: &Arc<Shared>) {
    let now = shared.clock.now();
    let (mut due, hook) = {
        let mut state = shared.lock();
        let Some(hook) = state.hook.clone() else { return };
        let (due, rest): (Vec<_>, Vec<_>) = state.waiting.drain(..).partition(|waiting| waiting.due <= now);
        state.waiting = rest.into();
        let reversed = state.delivery.reversed;
        let mut due = due;
        if reversed {
            due.reverse();
        }
        (due, hook)
    };
    if due.is_empty() {
        return;
    }
    shared.on_the_way.fetch_add(1, Ordering::SeqCst);
    let shared = shared.clone();
    tokio::spawn(async move {
        for waiting in &mut due {
            waiting.event["attempt_number"] = json!(waiting.attempt);
            let status = post(&shared, &hook.0, &hook.1, &waiting.event.to_string()).await;
            if !(200..300).contains(&status) && waiting.attempt < ATTEMPTS {
                let pause = Duration::from_secs(60 << waiting.attempt);
                let again =
                    Waiting { due: later(shared.clock.now(), pause), attempt: waiting.attempt + 1, ..waiting.clone() };
                shared.lock().waiting.push_back(again);
            }
        }
        shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
    });
}

async fn post(shared: &Shared, url: &str, token: &str, body: &str) -> u16 {
    let signature = notion_wire::signature::sign(&token.to_owned().into(), body.as_bytes());
    let request =
        shared.http.post(url).header("content-type", "application/json").header("X-Notion-Signature", signature);
    match request.body(body.to_owned()).send().await {
        Ok(response) => response.status().as_u16(),
        Err(_) => 0,
    }
}

/// A subscription is made: its token goes to the address, signed with itself. From now on events go there.
pub(super) async fn subscribe(shared: &Arc<Shared>, url: &str) -> (String, u16) {
    let token = {
        let mut state = shared.lock();
        state.last += 1;
        format!("secret_sandboxverification{:020}", state.last)
    };
    let status = post(shared, url, &token, &json!({"verification_token": token}).to_string()).await;
    if (200..300).contains(&status) {
        shared.lock().hook = Some((url.to_owned(), token.clone()));
    }
    (token, status)
}
