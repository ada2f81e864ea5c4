//! Searches a channel or a thread for a delivery's message, before it is posted again.
//!
//! All deliveries that wait for a place share one reading of it: what one of them has read serves the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jobs::card_delivery::{delivery_marked, saying_marked};
use runtime::clock::{MAX_PROVIDER_SKEW, later};
use serde_json::Value;
use slack::client::{HistoryMessage, SlackPage};
use slack::{Posted, Ts};
use wire::ErrorClass;

use crate::history::{HistoryClass, HistoryPlace, HistoryUse, moment_of, slack_moment};
use crate::{Doubt, Failure, WorkspaceClient};

/// The most pages that one search reads: 10,000 messages where pages are long.
const MAX_PAGES: u32 = 50;
/// More readings than this are not kept at once.
const MAX_READINGS: usize = 200;
/// How long a reading is kept: one that was begun after a restore shows all that was posted before.
const READING_TTL: Duration = Duration::from_secs(60 * 60);

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUp<T> {
    /// It was made, and this is it.
    Found(T),
    /// It was not made.
    Absent,
    /// It cannot be said, now or later, for this reason.
    Unknowable(String),
    /// The provider lets so little be read that it takes long.
    Later {
        /// Until when, and why.
        failure: Failure,
        /// Since when look-ups in this place have waited.
        waits_since: Timestamp,
    },
}

impl<T> LookUp<T> {
    /// The same with what was found turned into something else.
    pub fn map<U>(self, turned: impl FnOnce(T) -> U) -> LookUp<U> {
        match self {
            Self::Found(found) => LookUp::Found(turned(found)),
            Self::Absent => LookUp::Absent,
            Self::Unknowable(why) => LookUp::Unknowable(why),
            Self::Later { failure, waits_since } => LookUp::Later { failure, waits_since },
        }
    }
}

/// A message that may have been posted.
#[derive(Debug, Clone, Copy)]
pub struct SoughtMessage<'a> {
    /// Where it would be.
    pub place: &'a HistoryPlace,
    /// The delivery that it is marked with, unless another message may carry the same mark.
    pub mark: Option<&'a str>,
    /// The digest of what it says, if any message that says the same is as good.
    pub saying: Option<&'a str>,
    pub doubt: &'a Doubt,
}

/// What was read of places, for the moment. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct HistoryReadings(Arc<Mutex<HashMap<(String, HistoryPlace), HistoryReading>>>);

/// What was read of a place.
#[derive(Debug, Clone)]
struct HistoryReading {
    /// When its first request began: it shows what was posted before.
    began_at: Timestamp,
    /// How far it reaches back once it is complete.
    oldest: Timestamp,
    /// How far it has come, newest first.
    reached: Timestamp,
    /// The messages found, by the deliveries that they are marked with.
    found: HashMap<String, Ts>,
    /// The same by what they say.
    said: HashMap<String, Ts>,
    /// Files that an app shared: they carry no mark.
    files: Vec<SharedFile>,
    cursor: Option<String>,
    pages: u32,
    is_complete: bool,
}

/// A file in a message of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SharedFile {
    ts: Ts,
    name: String,
    size: Option<u64>,
}

impl HistoryReading {
    fn new(began_at: Timestamp, oldest: Timestamp) -> Self {
        let (found, said, files, cursor) = (HashMap::new(), HashMap::new(), Vec::new(), None);
        Self { began_at, oldest, reached: began_at, found, said, files, cursor, pages: 0, is_complete: false }
    }

    /// Whether it can show what is sought: it began late enough, and reaches back far enough.
    fn serves(&self, settled_at: Timestamp, since: Timestamp) -> bool {
        self.began_at >= settled_at && self.oldest <= since
    }

    /// Whether everything since then was read.
    fn covers(&self, since: Timestamp) -> bool {
        self.is_complete || self.reached < since
    }

    /// Adds a page. The messages of a thread come oldest first: only the last page completes it.
    fn add(&mut self, page: SlackPage<HistoryMessage>, is_thread: bool) {
        if let Some(last) = page.items.last().and_then(|message| moment_of(&message.ts.0)).filter(|_| !is_thread) {
            self.reached = last;
        }
        for message in page.items {
            self.files.extend(files_of_app(&message));
            let Some(metadata) = &message.metadata else { continue };
            if let Some(saying) = saying_marked(metadata) {
                self.said.entry(saying.to_owned()).or_insert_with(|| message.ts.clone());
            }
            if let Some(delivery) = delivery_marked(metadata) {
                self.found.entry(delivery.to_owned()).or_insert(message.ts);
            }
        }
        self.pages += 1;
        self.is_complete = page.cursor.is_none();
        self.cursor = page.cursor;
    }
}

/// The files of a message, if an app posted it.
fn files_of_app(message: &HistoryMessage) -> Vec<SharedFile> {
    let files = message.shown["files"].as_array().filter(|_| message.shown["bot_id"].is_string());
    let file = |file: &Value| SharedFile {
        ts: message.ts.clone(),
        name: file["name"].as_str().unwrap_or_default().to_owned(),
        size: file["size"].as_u64(),
    };
    files.into_iter().flatten().map(file).collect()
}

impl HistoryReadings {
    fn of(&self, key: &(String, HistoryPlace)) -> Option<HistoryReading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn forget(&self, key: &(String, HistoryPlace)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn keep(&self, key: &(String, HistoryPlace), reading: HistoryReading, now: Timestamp) {
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readings.retain(|_, known| now < later(known.began_at, READING_TTL));
        if readings.len() >= MAX_READINGS {
            readings.clear();
        }
        readings.insert(key.clone(), reading);
    }
}

/// Looks for the message of a delivery. `Err` is a failure of the look-up itself, to be tried again.
pub async fn find_posted(workspace: &WorkspaceClient, sought: SoughtMessage<'_>) -> Result<LookUp<Posted>, Failure> {
    let SoughtMessage { place, mark, saying, doubt } = sought;
    look_up(workspace, place, doubt, |reading| {
        let marked = mark.and_then(|mark| reading.found.get(mark));
        marked.or_else(|| reading.said.get(saying?)).cloned()
    })
    .await
}

/// Looks for a file that we may have shared without knowing its id, by its name and size; not in the messages `known`.
pub async fn find_shared(
    workspace: &WorkspaceClient,
    place: &HistoryPlace,
    doubt: &Doubt,
    (name, size): (&str, Option<u64>),
    known: &[String],
) -> Result<LookUp<Posted>, Failure> {
    let is_it =
        |file: &&SharedFile| file.name == name && (size.is_none() || file.size == size) && !known.contains(&file.ts.0);
    look_up(workspace, place, doubt, |reading| reading.files.iter().rev().find(is_it).map(|file| file.ts.clone())).await
}

/// Reads a place until `found` finds something in it, or everything was read that could show it.
async fn look_up(
    workspace: &WorkspaceClient,
    place: &HistoryPlace,
    doubt: &Doubt,
    found: impl Fn(&HistoryReading) -> Option<Ts>,
) -> Result<LookUp<Posted>, Failure> {
    let (since, readings) = (doubt.since - MAX_PROVIDER_SKEW, &workspace.connections.readings);
    let key = (workspace.team.clone(), place.clone());
    let now = workspace.connections.clock.now();
    let known = readings.of(&key).filter(|reading| reading.serves(doubt.settled_at, since));
    let mut reading = known.unwrap_or_else(|| HistoryReading::new(now, since));
    loop {
        if let Some(ts) = found(&reading) {
            return Ok(LookUp::Found(Posted { channel: place.channel.clone(), ts }));
        }
        if reading.covers(since) {
            return Ok(LookUp::Absent);
        }
        if reading.pages >= MAX_PAGES {
            return Ok(LookUp::Unknowable("the channel has too many messages since then".into()));
        }
        let oldest = slack_moment(reading.oldest);
        let page = workspace.read_history(place, &oldest, reading.cursor.as_deref(), HistoryUse::LookUp).await;
        let page = match page {
            Ok(page) => page,
            Err(failure) if failure.code() == "invalid_cursor" => {
                readings.forget(&key);
                let text = "Slack no longer knows how far the channel was read; it is read again from its end";
                return Err(Failure::transient(text));
            }
            Err(failure) => {
                let waits_since = reading.began_at;
                readings.keep(&key, reading, now);
                return unread(workspace, failure, waits_since).await;
            }
        };
        reading.add(page, place.thread.is_some());
        readings.keep(&key, reading.clone(), now);
    }
}

/// What follows for a look-up from a page that could not be read.
async fn unread(
    workspace: &WorkspaceClient,
    failure: Failure,
    waits_since: Timestamp,
) -> Result<LookUp<Posted>, Failure> {
    match &failure.class {
        // With its parent the whole thread is gone.
        ErrorClass::Permanent { code } if code == "thread_not_found" => Ok(LookUp::Absent),
        ErrorClass::Throttled { .. } if workspace.history_class().await? == HistoryClass::Scarce => {
            Ok(LookUp::Later { failure, waits_since })
        }
        _ => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jobs::card_delivery::marked_as;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn page(messages: &[(i64, &str)], cursor: Option<&str>) -> SlackPage<HistoryMessage> {
        let message = |(second, mark): &(i64, &str)| HistoryMessage {
            ts: Ts(format!("{second}.000100")),
            metadata: Some(marked_as(mark)),
            shown: Value::Null,
        };
        SlackPage { items: messages.iter().map(message).collect(), cursor: cursor.map(str::to_owned) }
    }

    #[test]
    fn a_reading_serves_what_was_settled_before_it_and_is_no_older() {
        let reading = HistoryReading::new(at(100), at(50));
        assert!(reading.serves(at(100), at(50)));
        assert!(!reading.serves(at(101), at(50)) && !reading.serves(at(100), at(49)));
    }

    #[test]
    fn a_channel_is_covered_as_far_as_its_pages_reach_and_a_thread_by_its_last() {
        let mut channel = HistoryReading::new(at(100), at(10));
        channel.add(page(&[(90, "c"), (60, "b")], Some("more")), false);
        assert!(channel.covers(at(61)) && !channel.covers(at(60)));
        channel.add(page(&[(20, "a")], None), false);
        assert!(channel.covers(at(10)));
        assert_eq!(channel.found.len(), 3);
        let mut thread = HistoryReading::new(at(100), at(10));
        thread.add(page(&[(20, "a"), (60, "b")], Some("more")), true);
        assert!(!thread.covers(at(61)));
        thread.add(page(&[(90, "c")], None), true);
        assert!(thread.covers(at(10)));
    }
}
