//! The chats of bridges: what people wrote, edited and deleted there while no event of it arrived.

use std::collections::BTreeSet;

use bitrix24::batch::MAX_COMMANDS;
use bitrix24::bot::{Bot, Request};
use bitrix24::chat::ChatAuthor;
use bitrix24::chat_page::{self, ChatPage, ChatRow, PAGE};
use bitrix24::{Batch, ChatAct, ChatEvent, Subject};
use clients::{ErrorClass, Failure};
use jiff::Timestamp;
use jobs::chat::text_digest;
use jobs::{Hint, HintOrigin};
use runtime::TraceId;
use runtime::job::message_once;
use runtime::queue::QueuedMessage;
use tenants::bridges::{ChatSide, MessageLink, RecentLink};

use super::compare::{ChatWriters, deleted_in_chat, settled_in_chat};
use super::progress::{DELETED, HandedOn};
use super::{ChatSweep, SweptBridge};

/// The most further pages of a chat in one run.
const MAX_PAGES: usize = 10;

/// What could be read of a chat at its newest end, or around an anchor.
enum ReadChat {
    Page(ChatPage),
    /// Neither the connection's user nor the bot may read it.
    Refused(String),
    /// It could not be read now.
    Failed(Failure),
}

/// The messages of a chat that were read, oldest first.
struct ChatRows {
    rows: Vec<ChatRow>,
    /// Whether these are the newest.
    is_newest: bool,
    /// Whether the chat shows nothing before them.
    is_whole: bool,
}

impl ChatSweep<'_> {
    /// Sweeps the chats of all bridges, which are read together.
    pub(super) async fn sweep_chats(&mut self, bridges: &mut [SweptBridge]) -> Result<(), Failure> {
        // Without a bot there are no events of chats, and no copies.
        let Some(bot) = self.bot.clone() else { return Ok(()) };
        let mut first = Ok(());
        for some in bridges.chunks_mut(MAX_COMMANDS) {
            let pages = self.read_chats(&bot, some).await?;
            for (bridge, read) in some.iter_mut().zip(pages) {
                let swept = match read {
                    ReadChat::Page(page) => self.sweep_chat(&bot, bridge, page).await,
                    ReadChat::Refused(code) => {
                        bridge.progress.progress.chat.refused = Some(code);
                        Ok(())
                    }
                    ReadChat::Failed(failure) => Err(failure),
                };
                if let Err(failure) = swept
                    && first.is_ok()
                {
                    first = Err(failure);
                }
                self.keep(bridge).await?;
            }
        }
        first
    }

    /// Reads each chat as it was last read; where that is refused now, the other way.
    async fn read_chats(&self, bot: &Bot, bridges: &mut [SweptBridge]) -> Result<Vec<ReadChat>, Failure> {
        let wanted = bridges.iter().map(|bridge| bridge.request(bot)).collect();
        let mut read: Vec<Option<ReadChat>> = self.read_together(wanted).await?;
        let mut again: Vec<Option<Request>> = Vec::new();
        for (bridge, read) in bridges.iter_mut().zip(&read) {
            let refused = match read {
                Some(ReadChat::Page(_) | ReadChat::Failed(_)) => None,
                Some(ReadChat::Refused(code)) => Some(code.as_str()),
                None => Some("not_asked"),
            };
            again.push(refused.and_then(|code| bridge.other_request(bot, code)));
        }
        for (read, other) in read.iter_mut().zip(self.read_together(again).await?) {
            *read = other.or(read.take());
        }
        Ok(read.into_iter().map(|read| read.unwrap_or_else(|| ReadChat::Refused("no_message_known".into()))).collect())
    }

    /// Makes the requests in one; the answers in the same order.
    async fn read_together(&self, wanted: Vec<Option<Request>>) -> Result<Vec<Option<ReadChat>>, Failure> {
        let mut batch = Batch::new();
        for (index, request) in wanted.iter().enumerate() {
            if let Some(request) = request {
                // They are as many as a batch takes.
                let _ = batch.add(index.to_string(), request.method, &request.params);
            }
        }
        if batch.is_empty() {
            return Ok(wanted.iter().map(|_| None).collect());
        }
        let (mut answers, _) = self.tenant.bitrix24.batch(&batch).await?;
        let mut read = Vec::with_capacity(wanted.len());
        for index in 0..wanted.len() {
            read.push(match answers.take(&index.to_string()) {
                None => None,
                Some(Ok(result)) => Some(ReadChat::Page(ChatPage::read(&result))),
                Some(Err(error)) => match self.tenant.bitrix24.failure(&error) {
                    Failure { class: ErrorClass::Permanent { code }, .. } => Some(ReadChat::Refused(code)),
                    failure => Some(ReadChat::Failed(failure)),
                },
            });
        }
        Ok(read)
    }

    async fn sweep_chat(&mut self, bot: &Bot, bridge: &mut SweptBridge, page: ChatPage) -> Result<(), Failure> {
        let read = self.rows_of(bot, bridge, page).await?;
        let since = self.carried_since(&bridge.progress.progress);
        let settled_until = self.settled_until();
        let upto = bridge.progress.progress.chat.upto;
        let settled = settled_in_chat(&read.rows, settled_until);
        let writers = ChatWriters { bot: bot.id, are_bots_carried: self.tenant.settings.chats.bots };
        let mut missing = Vec::new();
        for row in read.rows.iter().filter(|row| writers.is_carried(row)) {
            let is_new = upto.is_none_or(|upto| row.message.id > upto) && row.written_at >= since;
            if !is_new || self.is_known_of_chat(bridge, row.message.id).await? {
                bridge.known.note_in_chat(row.message.id, row.written_at);
            } else if settled.is_some_and(|settled| row.message.id <= settled) {
                missing.push(row);
            }
        }
        let mut found = Vec::new();
        for row in missing {
            let (act, once) = (ChatAct::Posted(row.message.clone()), format!("sweep#chat#{}", row.message.id));
            found.push(self.found(bot, bridge, &row.author, act, Some(row.written_at), &once)?);
        }
        let mut handed_on = HandedOn::new();
        for row in read.rows.iter().filter(|row| row.is_edited && writers.is_carried(row)) {
            if !self.is_outdated(row).await? {
                continue;
            }
            let digest = text_digest(&row.message.text);
            let once = format!("sweep#chat#{}#{digest}", row.message.id);
            if !bridge.progress.progress.chat.was_handed_on(row.message.id, &digest) {
                let act = ChatAct::Edited(row.message.clone());
                found.push(self.found(bot, bridge, &row.author, act, None, &once)?);
            }
            handed_on.insert(row.message.id, digest);
        }
        for message in self.deleted(bridge, &read).await? {
            if !bridge.progress.progress.chat.was_handed_on(message, DELETED) {
                let (act, once) = (ChatAct::Deleted { message }, format!("sweep#chat#{message}#deleted"));
                found.push(self.found(bot, bridge, &ChatAuthor::default(), act, None, &once)?);
            }
            handed_on.insert(message, DELETED.to_owned());
        }
        self.found += found.len() as u64;
        self.context.backend.send(found).await?;
        let chat = &mut bridge.progress.progress.chat;
        chat.upto = settled.max(upto);
        chat.refused = None;
        chat.note_read(&read.rows, read.is_whole);
        chat.note_handed_on(&read.rows, handed_on);
        Ok(())
    }

    /// All messages since the last one that was checked, as far as this run may read.
    async fn rows_of(&self, bot: &Bot, bridge: &SweptBridge, page: ChatPage) -> Result<ChatRows, Failure> {
        let progress = &bridge.progress.progress;
        if progress.chat.is_read_by_bot {
            let from = page.last();
            let is_newest = page.has_later == Some(false);
            let rows = ChatRows { rows: page.rows, is_newest, is_whole: false };
            return self.with_later(bot, bridge, rows, from).await;
        }
        let page = page.newest();
        let is_whole = page.rows.len() < PAGE;
        let Some(upto) = progress.chat.upto else { return self.with_earlier(bridge, page).await };
        if is_whole || page.first().is_some_and(|first| first <= upto) {
            return Ok(ChatRows { rows: page.rows, is_newest: true, is_whole });
        }
        let rows = ChatRows { rows: Vec::new(), is_newest: false, is_whole: false };
        self.with_later(bot, bridge, rows, Some(upto)).await
    }

    /// Reads on from a message, page by page.
    async fn with_later(
        &self,
        bot: &Bot,
        bridge: &SweptBridge,
        mut read: ChatRows,
        mut from: Option<u64>,
    ) -> Result<ChatRows, Failure> {
        for _ in 0..MAX_PAGES {
            let Some(last) = from.filter(|_| !read.is_newest && self.has_time()) else { break };
            let is_bots = bridge.progress.progress.chat.is_read_by_bot;
            let around = bot.messages_around(last).filter(|_| is_bots);
            let request = around.unwrap_or_else(|| chat_page::after(&bridge.bridge.dialog, last));
            let page = ChatPage::read(&self.tenant.bitrix24.ask(&request).await?.result).following(last);
            read.is_newest = page.has_later.map_or(page.rows.len() < PAGE, |has_later| !has_later);
            from = page.last();
            read.rows.extend(page.rows);
        }
        Ok(read)
    }

    /// A chat that was never checked: back to the time from which messages are carried.
    async fn with_earlier(&self, bridge: &SweptBridge, page: ChatPage) -> Result<ChatRows, Failure> {
        let since = self.carried_since(&bridge.progress.progress);
        let mut is_whole = page.rows.len() < PAGE;
        let mut rows = page.rows;
        for _ in 0..MAX_PAGES {
            let Some(first) = rows.first().filter(|row| !is_whole && row.written_at >= since) else { break };
            let first = first.message.id;
            let request = chat_page::before(&bridge.bridge.dialog, first);
            let page = ChatPage::read(&self.tenant.bitrix24.ask(&request).await?.result).preceding(first);
            is_whole = page.rows.len() < PAGE;
            rows.splice(0..0, page.rows);
        }
        Ok(ChatRows { rows, is_newest: true, is_whole })
    }

    /// Whether a message was decided on, or is in a link.
    async fn is_known_of_chat(&self, bridge: &SweptBridge, message: u64) -> Result<bool, Failure> {
        let is_copied = |(_, link): &(String, RecentLink)| *link == RecentLink::CopyOf { message };
        if bridge.links.iter().any(is_copied) || self.is_claimed(&format!("chat#{message}")).await? {
            return Ok(true);
        }
        Ok(self.link_of_chat(message).await?.is_some())
    }

    async fn link_of_chat(&self, message: u64) -> Result<Option<MessageLink>, Failure> {
        let link = self.context.conversations.of_chat_message(&self.tenant.id, message).await?;
        Ok(link.map(|(link, _)| link))
    }

    /// Whether the copy of an edited message shows another text.
    async fn is_outdated(&self, row: &ChatRow) -> Result<bool, Failure> {
        let Some(link) = self.link_of_chat(row.message.id).await? else { return Ok(false) };
        let is_original = link.written_in == ChatSide::Bitrix24 && !link.deleted;
        Ok(is_original && !link.digest.is_empty() && link.digest != text_digest(&row.message.text))
    }

    async fn deleted(&self, bridge: &SweptBridge, read: &ChatRows) -> Result<Vec<u64>, Failure> {
        let chat = &bridge.progress.progress.chat;
        let first = read.rows.first().map(|row| row.message.id);
        // What an earlier run saw at the beginning of the same chat was there.
        let seen_from = [first, chat.first.filter(|_| read.is_whole)].into_iter().flatten().min();
        let Some(seen_from) = seen_from else { return Ok(Vec::new()) };
        let mut deleted = Vec::new();
        for message in deleted_in_chat(&bridge.links, &read.rows, seen_from, read.is_newest) {
            let link = self.link_of_chat(message).await?;
            if link.is_some_and(|link| !link.deleted && link.written_in == ChatSide::Bitrix24) {
                deleted.push(message);
            }
        }
        Ok(deleted)
    }

    /// A hint of what was found, as its event would have made it.
    fn found(
        &self,
        bot: &Bot,
        bridge: &SweptBridge,
        author: &ChatAuthor,
        act: ChatAct,
        written_at: Option<Timestamp>,
        once: &str,
    ) -> Result<QueuedMessage, Failure> {
        let event = ChatEvent {
            bot: bot.id,
            dialog: bridge.bridge.dialog.clone(),
            author: author.clone(),
            language: String::new(),
            act,
        };
        let is_overtaken = match (&event.act, written_at) {
            (ChatAct::Posted(message), Some(at)) => bridge.known.overtakes_in_chat(message.id, at),
            _ => false,
        };
        let subject = Subject::Chat(Box::new(event));
        let mut hint = Hint::found("sweep", written_at.map(Timestamp::as_second), subject, HintOrigin::Sweep);
        hint.is_overtaken = is_overtaken;
        Ok(message_once(&self.tenant.id, TraceId::new(self.now()), &hint, once)?)
    }
}

impl SweptBridge {
    /// The request that reads the chat as it was last read.
    fn request(&self, bot: &Bot) -> Option<Request> {
        let chat = &self.progress.progress.chat;
        if chat.is_read_by_bot {
            return self.anchor(None).and_then(|anchor| bot.messages_around(anchor));
        }
        Some(chat_page::newest(&self.bridge.dialog))
    }

    /// Another request, after one was refused with this code.
    fn other_request(&mut self, bot: &Bot, code: &str) -> Option<Request> {
        let was_by_bot = self.progress.progress.chat.is_read_by_bot;
        if was_by_bot && code == "message_not_found" {
            let gone = self.anchor(None);
            self.progress.progress.chat.anchors.retain(|anchor| Some(*anchor) != gone);
            return self.anchor(gone).and_then(|anchor| bot.messages_around(anchor));
        }
        let chat = &mut self.progress.progress.chat;
        chat.is_read_by_bot = !was_by_bot;
        // Each sees another part of the chat.
        chat.first = None;
        self.request(bot)
    }

    /// The last message that is known in the chat, other than one that is gone.
    fn anchor(&self, gone: Option<u64>) -> Option<u64> {
        let linked = self.links.iter().filter_map(|(_, link)| match link {
            RecentLink::CopyOf { message } => Some(*message),
            RecentLink::Written(link) => link.bitrix24.last().copied(),
        });
        let anchors: BTreeSet<u64> = self.progress.progress.chat.anchors.iter().copied().collect();
        anchors.into_iter().rev().chain(linked).find(|message| Some(*message) != gone)
    }
}
