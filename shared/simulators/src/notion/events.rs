//! Webhooks: signed, without values, grouped within a minute, sent again if they were not accepted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::later;
use serde_json::{Value, json};

use super::{INTEGRATION, NotionShared, NotionState, WORKSPACE};
use crate::direct::{Outgoing, Reply};
use crate::traffic::{Disorder, SentOutcome, SentRequest};

/// Edits of a page within a minute of one that was sent are sent together when the minute is over.
const TOGETHER: Duration = Duration::from_secs(60);
/// Events that are kept to be looked at.
const MAX_NOTED: usize = 1_000;
/// How much later the second of two comes.
const SECOND_COPY: Duration = Duration::from_secs(2);
/// How often an event is tried.
const ATTEMPTS: u32 = 8;

/// How webhooks travel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotionEventDelivery {
    /// Each so-many-th is lost; 0 for none.
    pub drop_every: u64,
    /// Each so-many-th is sent twice; 0 for none.
    pub double_every: u64,
    /// Whether later ones overtake earlier ones.
    pub reversed: bool,
    /// What else happens to them on their way.
    pub disorder: Disorder,
}

impl NotionEventDelivery {
    fn loses(&self, number: u64) -> bool {
        (self.drop_every > 0 && number.is_multiple_of(self.drop_every)) || self.disorder.is_lost(number)
    }

    fn doubles(&self, number: u64) -> bool {
        (self.double_every > 0 && number.is_multiple_of(self.double_every)) || self.disorder.is_doubled(number)
    }
}

/// An event that waits.
#[derive(Debug, Clone)]
pub(crate) struct WaitingEvent {
    pub(crate) due: Timestamp,
    pub(crate) event: Value,
    attempt: u32,
}

impl NotionState {
    /// Notes an event about a page. Edits of properties may be sent together with others.
    pub(super) fn note_page(&mut self, kind: &str, page: &str, author: &str, properties: &[String]) {
        let Some(data) = self.page_data(page) else { return };
        if kind == "page.deleted" || kind == "page.undeleted" {
            // The one right after the other comes to nothing.
            let opposite = if kind == "page.deleted" { "page.undeleted" } else { "page.deleted" };
            let index = self.waiting.iter().position(|waiting| {
                waiting.attempt == 1 && waiting.event["type"] == opposite && waiting.event["entity"]["id"] == page
            });
            if let Some(index) = index {
                self.waiting.remove(index);
                return;
            }
        }
        if kind == "page.properties_updated" {
            let properties = properties.iter().map(|id| json!(id)).collect();
            self.note_together(kind, page, data, ("updated_properties", properties), author);
            return;
        }
        let event = self.event(kind, page, "page", &data, author);
        self.wait(self.now, event);
    }

    /// Notes that blocks of a page's body were edited.
    pub(super) fn note_content(&mut self, page: &str, author: &str, blocks: &[String]) {
        let Some(data) = self.page_data(page) else { return };
        let blocks = blocks.iter().map(|id| json!({"id": id, "type": "block"})).collect();
        self.note_together("page.content_updated", page, data, ("updated_blocks", blocks), author);
    }

    /// Notes an event that may be sent together with others of its kind: the first at once, what follows within the
    /// minute together at its end.
    fn note_together(&mut self, kind: &str, page: &str, data: Value, changed: (&str, Vec<Value>), author: &str) {
        let now = self.now;
        let (name, items) = changed;
        let merged = self.waiting.iter_mut().find(|waiting| {
            waiting.attempt == 1
                && waiting.event["type"] == kind
                && waiting.event["entity"]["id"] == page
                && waiting.due > now
        });
        if let Some(waiting) = merged {
            union(&mut waiting.event["data"][name], items);
            union(&mut waiting.event["authors"], vec![who(author)]);
            waiting.event["timestamp"] = json!(moment(now));
            return;
        }
        let mut data = data;
        data[name] = json!(items);
        let event = self.event(kind, page, "page", &data, author);
        let key = format!("{kind} {page}");
        let told = self.told.get(&key).copied().filter(|told| later(*told, TOGETHER) > now);
        let due = told.map_or(now, |told| later(told, TOGETHER));
        self.told.insert(key, due);
        self.wait(due, event);
    }

    /// Where a page is, for its events; `None` if the connection does not see it.
    fn page_data(&self, id: &str) -> Option<Value> {
        let page = self.page(id).filter(|_| self.capabilities.contains("read"))?;
        Some(match self.sources.get(&page.source) {
            Some(source) => json!({"parent": {"id": source.database, "type": "database", "data_source_id": source.id}}),
            None => json!({"parent": above(&page.parent)}),
        })
    }

    /// Notes an event about a data source, with the properties that changed.
    pub(super) fn note_source(&mut self, kind: &str, source: &str, author: &str, changes: Option<&[Value]>) {
        let Some(found) = self.source(source).filter(|_| self.capabilities.contains("read")) else { return };
        let mut data = json!({"parent": {"id": found.database, "type": "database"}});
        if let Some(changes) = changes {
            data["updated_properties"] = json!(changes);
        }
        let event = self.event(kind, source, "data_source", &data, author);
        self.wait(self.now, event);
    }

    /// Notes an event about a database.
    pub(super) fn note_database(&mut self, kind: &str, database: &str, author: &str) {
        let Some(found) = self.database(database).filter(|_| self.capabilities.contains("read")) else { return };
        let data = json!({"parent": above(&found.parent)});
        let event = self.event(kind, database, "database", &data, author);
        self.wait(self.now, event);
    }

    /// Notes an event about a comment.
    pub(super) fn note_comment(&mut self, kind: &str, comment: &str, author: &str) {
        let Some(on) = self.comments.get(comment).map(|comment| comment.on.clone()) else { return };
        let Some(page) = self.page_of(&on).filter(|page| self.page(page).is_some()) else { return };
        if !self.capabilities.contains("read_comments") {
            return;
        }
        let parent = json!({"id": on, "type": if self.pages.contains_key(&on) { "page" } else { "block" }});
        let event = self.event(kind, comment, "comment", &json!({"page_id": page, "parent": parent}), author);
        self.wait(self.now, event);
    }

    /// Notes an event about a file upload.
    pub(super) fn note_upload(&mut self, kind: &str, upload: &str) {
        let data = json!({"parent": {"id": WORKSPACE, "type": "space"}});
        let event = self.event(kind, upload, "file_upload", &data, super::BOT);
        self.wait(self.now, event);
    }

    fn event(&mut self, kind: &str, id: &str, entity: &str, data: &Value, author: &str) -> Value {
        json!({
            "id": self.id(), "timestamp": moment(self.now), "workspace_id": WORKSPACE, "workspace_name": "Sandbox",
            "subscription_id": "29d75c0d-5546-4414-8459-7b7a92f1fc4b", "integration_id": INTEGRATION, "type": kind,
            "authors": [who(author)], "attempt_number": 1, "api_version": notion_wire::VERSION,
            "entity": {"id": id, "type": entity}, "data": data,
        })
    }

    fn wait(&mut self, due: Timestamp, event: Value) {
        if self.noted.len() == MAX_NOTED {
            self.noted.pop_front();
        }
        self.noted.push_back(event.clone());
        let kind = event["type"].as_str().unwrap_or_default();
        if self.hook.is_none() || !(self.subscribed.is_empty() || self.subscribed.contains(kind)) {
            return;
        }
        let (number, disorder) = (self.last, self.delivery.disorder);
        if self.delivery.loses(number) {
            self.journal.note(noted(&event, self.now, 1, SentOutcome::Lost));
            return;
        }
        if self.delivery.doubles(number) {
            self.waiting.push_back(WaitingEvent {
                due: later(due, SECOND_COPY + disorder.delay_of_copy(number)),
                event: event.clone(),
                attempt: 2,
            });
        }
        self.waiting.push_back(WaitingEvent { due: later(due, disorder.delay(number)), event, attempt: 1 });
    }
}

/// A page or the workspace, as events name a parent.
fn above(page: &str) -> Value {
    if page.is_empty() { json!({"id": WORKSPACE, "type": "space"}) } else { json!({"id": page, "type": "page"}) }
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

pub(super) fn send_due(shared: &Arc<NotionShared>) {
    let now = shared.clock.now();
    let (mut due, hook) = {
        let mut state = shared.lock();
        state.apply_due();
        let Some(hook) = state.hook.clone() else { return };
        let (due, rest): (Vec<_>, Vec<_>) = state.waiting.drain(..).partition(|waiting| waiting.due <= now);
        state.waiting = rest.into();
        let reversed = state.delivery.reversed;
        let mut due = due;
        due.sort_by_key(|waiting| waiting.due);
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
            let reply = post(&shared, &hook.0, &hook.1, &waiting.event.to_string()).await;
            let status = status(&reply);
            let sent = noted(&waiting.event, shared.clock.now(), waiting.attempt, SentOutcome::from(&reply));
            shared.lock().journal.note(sent);
            if !(200..300).contains(&status) && waiting.attempt < ATTEMPTS {
                let pause = Duration::from_secs(60 << waiting.attempt);
                let again = WaitingEvent {
                    due: later(shared.clock.now(), pause),
                    attempt: waiting.attempt + 1,
                    ..waiting.clone()
                };
                shared.lock().waiting.push_back(again);
            }
        }
        shared.on_the_way.fetch_sub(1, Ordering::SeqCst);
    });
}

fn noted(event: &Value, at: Timestamp, attempt: u32, outcome: SentOutcome) -> SentRequest {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    SentRequest { at, kind: text("type"), id: text("id"), attempt, outcome }
}

/// How long Notion waits for an answer. It names no number of seconds.
const PATIENCE: Duration = Duration::from_secs(10);

async fn post(shared: &NotionShared, url: &str, token: &str, body: &str) -> Reply {
    let signature = notion_wire::signature::sign(&token.to_owned().into(), body.as_bytes());
    let headers = [("content-type", "application/json"), ("x-notion-signature", signature.as_str())];
    let outgoing = Outgoing { url, headers: &headers, body: body.to_owned(), patience: PATIENCE };
    shared.courier.post(shared.clock.as_ref(), outgoing).await
}

/// The status of an answer; 0 if none came.
fn status(reply: &Reply) -> u16 {
    match reply {
        Reply::Answer { status, .. } => *status,
        Reply::Late | Reply::NotConnected => 0,
    }
}

/// A subscription is made: its token goes to the address, signed with itself. From now on events go there.
pub(super) async fn subscribe(shared: &Arc<NotionShared>, url: &str) -> (String, u16) {
    let token = {
        let mut state = shared.lock();
        state.last += 1;
        format!("secret_sandboxverification{:020}", state.last)
    };
    let status = status(&post(shared, url, &token, &json!({"verification_token": token}).to_string()).await);
    if (200..300).contains(&status) {
        shared.lock().hook = Some((url.to_owned(), token.clone()));
    }
    (token, status)
}
