//! The channels of bridges: what people wrote, edited and deleted there while no event of it arrived. Slack sends an event
//! again three times within six minutes; after that only the channel's history has it.

use std::collections::BTreeMap;

use clients::{ErrorClass, Failure, HistoryPlace, HistoryUse};
use jobs::job_impls::SlackEvent;
use runtime::TraceId;
use runtime::clock::earlier;
use runtime::job::message;
use runtime::queue::QueuedMessage;
use slack::event::{EventCallback, FoundInHistory, MessageChange, MessageEdit, MessageEvent, WorkspaceEvent};
use slack::history::HistoryEntry;
use slack::{ChannelId, Ts};
use tenants::bridges::{ChatSide, MessageLink, RecentLink};

use super::compare::{ChannelWriters, deleted_in_channel, edit_in_channel};
use super::progress::PageMark;
use super::{ChatSweep, FIRST_LOOK, SweptBridge, slack_moment};
use crate::late;

/// The most reads of channels and threads in one run of a tenant.
const MAX_READS: usize = 40;
/// The most pages of a channel in one run.
const MAX_PAGES: usize = 10;
/// The most threads of a channel in one run.
const MAX_THREADS: usize = 10;

/// The largest message that a queue certainly accepts, as a job.
const MAX_MESSAGE: usize = 190 * 1024;

/// What one run has read of a channel, oldest first.
struct ChannelEntries {
    entries: Vec<HistoryEntry>,
    /// Whether these are the newest.
    is_newest: bool,
}

/// What threads are searched for, and how far each was read: kept once what was found is on its way.
struct ThreadFinds<'a> {
    missing: &'a mut Vec<HistoryEntry>,
    found: &'a mut Vec<MessageEvent>,
    marks: &'a mut BTreeMap<String, String>,
}

impl ChatSweep<'_> {
    /// Sweeps the channels of the bridges, as many as Slack lets us read.
    pub(super) async fn sweep_channels(&mut self, bridges: &mut [SweptBridge]) -> Result<(), Failure> {
        let mut reads = MAX_READS;
        let mut first = Ok(());
        for bridge in bridges {
            if reads == 0 || !self.has_time() {
                break;
            }
            let swept = self.sweep_channel(bridge, &mut reads).await;
            let now = self.now();
            let channel = &mut bridge.progress.progress.channel;
            let stopped = match swept {
                Ok(()) => {
                    (channel.refused, channel.checked_at) = (None, Some(now));
                    None
                }
                Err(Failure { class: ErrorClass::Permanent { code }, .. }) => {
                    (channel.refused, channel.checked_at) = (Some(code), Some(now));
                    None
                }
                Err(failure) => Some(failure),
            };
            // What Slack allows is used up: the next run begins with this channel.
            let is_used_up =
                stopped.as_ref().is_some_and(|failure| matches!(failure.class, ErrorClass::Throttled { .. }));
            if !is_used_up {
                channel.tried_at = Some(now);
            }
            self.keep(bridge).await?;
            match stopped {
                None => {}
                Some(_) if is_used_up => return first,
                Some(failure) if failure.whole_account => return first.and(Err(failure)),
                Some(failure) => first = first.and(Err(failure)),
            }
        }
        first
    }

    async fn sweep_channel(&mut self, bridge: &mut SweptBridge, reads: &mut usize) -> Result<(), Failure> {
        let Some(read) = self.read_channel(bridge, reads).await? else { return Ok(()) };
        let settled = slack_moment(self.settled_until());
        let since = slack_moment(self.carried_since(&bridge.progress.progress));
        let upto = bridge.progress.progress.channel.upto.clone().max(since.clone());
        let is_new = |ts: &str| upto.as_str() < ts && ts <= settled.as_str();
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for entry in &read.entries {
            if self.is_missing(bridge, entry, is_new(&entry.message.ts)).await? {
                missing.push(entry.clone());
            }
        }
        let last = read.entries.iter().map(|entry| entry.message.ts.as_str()).filter(|ts| is_new(ts)).max();
        let last = last.map(str::to_owned);
        if let Some(first) = read.entries.first() {
            let until = if read.is_newest { &settled } else { &read.entries[read.entries.len() - 1].message.ts };
            let range = (first.message.ts.as_str().max(since.as_str()), until.as_str());
            self.find_changes(bridge, &read.entries, None, range, &mut found).await?;
        }
        let mut marks = BTreeMap::new();
        let threads = if read.is_newest {
            let mut threads = ThreadFinds { missing: &mut missing, found: &mut found, marks: &mut marks };
            self.read_threads(bridge, &read.entries, (&since, &settled), reads, &mut threads).await
        } else {
            Ok(())
        };
        missing.sort_by(|one, other| one.message.ts.cmp(&other.message.ts));
        let posted: Vec<_> = missing.into_iter().map(as_posted).collect();
        let mut jobs = Vec::new();
        for event in posted.into_iter().chain(found) {
            jobs.push(self.found_in_channel(bridge, event)?);
        }
        self.found += jobs.len() as u64;
        self.context.backend.send(jobs).await?;
        let channel = &mut bridge.progress.progress.channel;
        channel.worked(last);
        channel.threads.extend(marks);
        // What was found before it is on its way.
        threads
    }

    /// Reads the channel back to what was checked; `None` if that takes further runs.
    async fn read_channel(
        &self,
        bridge: &mut SweptBridge,
        reads: &mut usize,
    ) -> Result<Option<ChannelEntries>, Failure> {
        let place = HistoryPlace::channel(ChannelId::from(bridge.bridge.channel.as_str()));
        let channel = &mut bridge.progress.progress.channel;
        // Edits and deletions are found as far back.
        let oldest = late::written_at(&channel.upto).map(|at| earlier(at, FIRST_LOOK)).map(slack_moment);
        let is_newest = channel.pages.is_empty();
        let mut entries: Vec<HistoryEntry> = Vec::new();
        channel.begin_run();
        for _ in 0..MAX_PAGES {
            if *reads == 0 || self.now() >= self.until {
                return Ok(None);
            }
            *reads -= 1;
            let from = channel.below.clone();
            let oldest = oldest.as_deref().unwrap_or("0");
            let page = self.tenant.slack.read_history(&place, oldest, from.as_deref(), HistoryUse::GapFilling).await;
            let page = match page {
                // The place in the history has been forgotten there: it is read from its newest end again.
                Err(failure) if failure.code() == "invalid_cursor" => {
                    channel.start_over();
                    return Ok(None);
                }
                page => page?,
            };
            let mut read = read_entries(&bridge.bridge.channel, page.items.iter().map(|item| &item.shown));
            let first = read.first().map(|entry| entry.message.ts.clone());
            read.append(&mut entries);
            entries = read;
            match (page.cursor, first) {
                (Some(cursor), Some(first)) if !channel.reaches(&first) => {
                    channel.pages.push(PageMark { cursor: from, first });
                    channel.below = Some(cursor);
                }
                _ => return Ok(Some(ChannelEntries { entries, is_newest })),
            }
        }
        Ok(None)
    }

    /// Reads the threads to which something was added, and compares them like the channel. Those that Slack does not let
    /// us read now are left for the next run.
    async fn read_threads(
        &self,
        bridge: &mut SweptBridge,
        entries: &[HistoryEntry],
        (since, settled): (&str, &str),
        reads: &mut usize,
        finds: &mut ThreadFinds<'_>,
    ) -> Result<(), Failure> {
        let threads = &mut bridge.progress.progress.channel.threads;
        threads.retain(|parent, _| entries.iter().any(|entry| entry.message.ts == *parent));
        let checked = |bridge: &SweptBridge, parent: &HistoryEntry| {
            let mark = bridge.progress.progress.channel.threads.get(&parent.message.ts).cloned();
            mark.unwrap_or_else(|| parent.message.ts.as_str().max(since).to_owned())
        };
        let is_changed = |entry: &&HistoryEntry| {
            !entry.latest_reply.is_empty()
                && entry.latest_reply.as_str() > since
                && checked(bridge, entry) != entry.latest_reply
        };
        let mut changed: Vec<&HistoryEntry> = entries.iter().filter(is_changed).collect();
        changed.sort_by(|one, other| one.latest_reply.cmp(&other.latest_reply));
        for parent in changed.into_iter().take(MAX_THREADS) {
            if *reads == 0 || !self.has_time() {
                break;
            }
            *reads -= 1;
            let mark = checked(bridge, parent);
            // The last reply was deleted: which of them is seen by reading all.
            let is_shorter = parent.latest_reply < mark;
            let after = if is_shorter { parent.message.ts.as_str().max(since).to_owned() } else { mark };
            let thread = Some(Ts(parent.message.ts.clone()));
            let place = HistoryPlace { channel: ChannelId::from(bridge.bridge.channel.as_str()), thread };
            let page = match self.tenant.slack.read_history(&place, &after, None, HistoryUse::GapFilling).await {
                Ok(page) => page,
                Err(Failure { class: ErrorClass::Throttled { .. }, .. }) => break,
                // Its first message was deleted meanwhile.
                Err(failure) if failure.code() == "thread_not_found" => continue,
                Err(failure) => return Err(failure),
            };
            let mut replies = read_entries(&bridge.bridge.channel, page.items.iter().map(|item| &item.shown));
            replies.retain(|reply| reply.message.ts != parent.message.ts);
            for reply in &replies {
                let ts = reply.message.ts.as_str();
                let is_new = after.as_str() < ts && ts <= settled;
                if self.is_missing(bridge, reply, is_new).await? {
                    finds.missing.push(reply.clone());
                }
            }
            let last = replies.last().map(|reply| reply.message.ts.as_str());
            let until = last.filter(|_| page.cursor.is_some()).unwrap_or(settled);
            self.find_changes(bridge, &replies, Some(&parent.message.ts), (&after, until), finds.found).await?;
            let checked_upto = last.unwrap_or(&after).min(settled).to_owned();
            finds.marks.insert(parent.message.ts.clone(), checked_upto);
        }
        Ok(())
    }

    /// Whether a message has to be carried. One that is on both sides already is noted.
    async fn is_missing(&self, bridge: &mut SweptBridge, entry: &HistoryEntry, is_new: bool) -> Result<bool, Failure> {
        let own = self.tenant.portal.slack.as_ref();
        let writers = ChannelWriters {
            bot: own.map(|own| own.bot_id.as_str()).unwrap_or_default(),
            bot_user: own.map(|own| own.bot_user.as_str()).unwrap_or_default(),
            are_bots_carried: self.tenant.settings.chats.bots,
        };
        if !is_new || !writers.is_carried(&entry.message) {
            return Ok(false);
        }
        let ts = &entry.message.ts;
        let identity = format!("slack-message#{}#{ts}", bridge.bridge.channel);
        let is_known = bridge.links.iter().any(|(known, _)| known == ts)
            || self.is_claimed(&identity).await?
            || self.link_in_channel(bridge, ts).await?.is_some();
        if is_known {
            bridge.known.note_in_channel(ts);
        }
        Ok(!is_known)
    }

    async fn link_in_channel(&self, bridge: &SweptBridge, ts: &str) -> Result<Option<MessageLink>, Failure> {
        let of_message = self.context.conversations.of_slack_message(&self.tenant.id, &bridge.bridge.channel, ts);
        Ok(of_message.await?.map(|(link, _)| link))
    }

    /// Adds the edits and deletions of messages that are copied. Each is looked at once more: an event of it may have
    /// been worked since the links were listed.
    async fn find_changes(
        &self,
        bridge: &SweptBridge,
        entries: &[HistoryEntry],
        thread: Option<&str>,
        range: (&str, &str),
        found: &mut Vec<MessageEvent>,
    ) -> Result<(), Failure> {
        let listed = |ts: &str| {
            bridge.links.iter().find_map(|(known, link)| match link {
                RecentLink::Written(link) if known == ts => Some(link),
                _ => None,
            })
        };
        for entry in entries {
            let Some(link) = listed(&entry.message.ts) else { continue };
            if edit_in_channel(link, entry).is_none() {
                continue;
            }
            let link = self.link_in_channel(bridge, &entry.message.ts).await?;
            self.find_once(link.and_then(|link| edit_in_channel(&link, entry)), found).await?;
        }
        for ts in deleted_in_channel(&bridge.links, entries, thread, range) {
            let link = self.link_in_channel(bridge, &ts).await?;
            if link.is_some_and(|link| !link.deleted && link.written_in == ChatSide::Slack) {
                self.find_once(MessageEvent::deleted(&bridge.bridge.channel, &ts), found).await?;
            }
        }
        Ok(())
    }

    /// Adds a change to those that were found, unless an earlier run found it: a chat may refuse it, and once is enough.
    async fn find_once(&self, change: Option<MessageEvent>, found: &mut Vec<MessageEvent>) -> Result<(), Failure> {
        if let Some(change) = change
            && !self.is_claimed(&claim_of(&found_id(&change))).await?
        {
            found.push(change);
        }
        Ok(())
    }

    /// A job of what was found, as its event would have made it.
    fn found_in_channel(&self, bridge: &SweptBridge, event: MessageEvent) -> Result<QueuedMessage, Failure> {
        let is_overtaken = event.change == MessageChange::Posted && bridge.known.overtakes_in_channel(&event.ts);
        let event_id = found_id(&event);
        let mut job = SlackEvent(Box::new(EventCallback {
            team_id: self.tenant.portal.slack.as_ref().map(|own| own.team_id.clone()).unwrap_or_default(),
            enterprise_id: None,
            api_app_id: String::new(),
            event_id,
            is_shared_channel: false,
            kind: "message".into(),
            event: WorkspaceEvent::Message(Box::new(event)),
            found: Some(FoundInHistory { is_overtaken }),
        }));
        if let WorkspaceEvent::Message(written) = &mut job.0.event {
            written.lighten(|message| serde_json::to_string(message).is_ok_and(|text| text.len() <= MAX_MESSAGE));
        }
        Ok(message(&self.tenant.id, TraceId::new(self.now()), &job)?)
    }
}

/// A message that is carried as it is now: with its last edit in it.
fn as_posted(entry: HistoryEntry) -> MessageEvent {
    let edit = (!entry.edited_at.is_empty()).then(|| MessageEdit { at: entry.edited_at, ..MessageEdit::default() });
    MessageEvent { edit, ..entry.message }
}

/// What is claimed of an event of Slack with its decision.
fn claim_of(event_id: &str) -> String {
    format!("slack#{event_id}")
}

/// The identity of something that was found: found again, it is the same.
fn found_id(event: &MessageEvent) -> String {
    let MessageEvent { channel, ts, .. } = event;
    match (event.change, &event.edit) {
        (MessageChange::Posted, _) => format!("found-{channel}-{ts}"),
        (MessageChange::Deleted, _) => format!("found-{channel}-{ts}-deleted"),
        (MessageChange::Edited, edit) => {
            let edit = edit.clone().unwrap_or_default();
            let taken: String = edit.taken.iter().map(|file| format!("-{}", file.id)).collect();
            format!("found-{channel}-{ts}-{}{taken}", edit.at)
        }
    }
}

fn read_entries<'a>(channel: &str, shown: impl Iterator<Item = &'a serde_json::Value>) -> Vec<HistoryEntry> {
    let mut entries: Vec<_> = shown.filter_map(|shown| HistoryEntry::read(channel, shown)).collect();
    entries.sort_by(|one, other| one.message.ts.cmp(&other.message.ts));
    entries
}
