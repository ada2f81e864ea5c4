//! One delivery to Bitrix24, from its ledger line to its message in the chat.
//!
//! The ledger notes the open call before it is made. A delivery that is found with one has an unknown outcome: then the
//! chat's last messages are searched for it, by the uuid that travels with it or by its text, before it is sent again.

mod edit;
mod files;

use bitrix24::bot::{self, Bot};
use clients::{ConnectionSide, DeliveryAttempt, Doubt, ErrorClass, Failure, LookUp};
use jiff::Timestamp;
use jobs::chat::{InBitrix24, ToBitrix24};
use runtime::DeliveryId;
use runtime::clock::MAX_PROVIDER_SKEW;
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::reasons;
use runtime::store::{StoreWrite, Version};
use serde_json::Value;
use tenants::bridges::{ChatSide, Conversations, MessageLink, SlackState};
use user_mapping::{OpenTenant, TenantContext};

use crate::registration;

/// How a quotation begins.
const QUOTE: &str = ">>";

/// Delivers a message, an edit, a deletion or a reaction, once. `public_url` is the address at which the portal reaches
/// us.
pub async fn deliver(context: &TenantContext, public_url: Option<&str>, job: ReceivedJob<ToBitrix24>) -> JobOutcome {
    let mut line = match DeliveryAttempt::take(
        &context.backend,
        &context.connections,
        &job,
        (&job.body.delivery, ConnectionSide::Bitrix24),
    )
    .await
    {
        Ok(line) => line,
        Err(outcome) => return outcome,
    };
    match run(context, public_url, &job, &mut line).await {
        Ok(outcome) => outcome,
        Err(failure) => line.fail(&failure, &explain(&job.body, &failure)).await,
    }
}

/// A delivery with all that it needs.
struct MessageDelivery<'a> {
    context: &'a TenantContext,
    job: &'a ReceivedJob<ToBitrix24>,
    tenant: OpenTenant,
    bot: Bot,
    /// What is known of the message: its copies so far.
    link: Option<(MessageLink, Version)>,
}

async fn run(
    context: &TenantContext,
    public_url: Option<&str>,
    job: &ReceivedJob<ToBitrix24>,
    line: &mut DeliveryAttempt,
) -> Result<JobOutcome, Failure> {
    let tenant = context.tenant(&job.tenant).await?;
    let bot = bot_of(context, public_url, &tenant).await?;
    let link = context.conversations.of_slack_message(&job.tenant, &job.body.channel, &job.body.ts).await?;
    let delivery = MessageDelivery { context, job, tenant, bot, link };
    match &job.body.act {
        InBitrix24::Post { text, thread, .. } => delivery.post(line, text, thread.as_deref()).await,
        InBitrix24::Say { text, answers } => delivery.say(line, text, *answers).await,
        InBitrix24::Share { file, author } => files::share(&delivery, line, file, author).await,
        InBitrix24::Edit { parts, at } => edit::edit(&delivery, line, parts, at).await,
        InBitrix24::TakeBack { files, had } => edit::take_back(&delivery, line, files, had).await,
        InBitrix24::Delete => delivery.delete(line).await,
        InBitrix24::React { reaction, by, added } => delivery.react(line, reaction, by, *added).await,
    }
}

async fn bot_of(context: &TenantContext, public_url: Option<&str>, tenant: &OpenTenant) -> Result<Bot, Failure> {
    if let Some(bot) = registration::bot(context, tenant).await? {
        return Ok(bot);
    }
    match public_url {
        Some(url) => registration::ensure_bot(context, tenant, url).await,
        None => Err(Failure::permanent(
            "no_bot",
            "there is no bot on the portal, and none can be registered without the public address (public_url)",
        )),
    }
}

/// A version-4 uuid that follows from the delivery's id: the same for every try.
fn uuid_of(delivery: &str) -> String {
    let hex = format!("{}{}", delivery, DeliveryId::of(&[delivery, "uuid"]));
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("000");
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

impl MessageDelivery<'_> {
    fn now(&self) -> Timestamp {
        self.context.backend.clock.now()
    }

    async fn post(&self, line: &mut DeliveryAttempt, text: &str, thread: Option<&str>) -> Result<JobOutcome, Failure> {
        if self.link.as_ref().is_some_and(|(link, _)| link.deleted) {
            return line.skip(crate::reasons::DELETED_IN_SLACK).await;
        }
        if self.link.as_ref().is_some_and(|(link, _)| link.in_slack.is_older) {
            return line.skip("an edit of it arrived first, and its text is in the chat").await;
        }
        let body = &self.job.body;
        let uuid = uuid_of(&body.delivery);
        if let Some(doubt) = line.doubt().await {
            let found = self.find_posted(&doubt, &uuid, text, self.copies()).await?;
            if let Some(message) = line.looked_up(found)? {
                return self.posted(line, message, thread).await;
            }
        }
        let answers = self.answered(thread).await?;
        let text = match answers {
            Some(parent) if self.may_be_quoted() => format!("{}{text}", self.quote(parent).await),
            _ => text.to_owned(),
        };
        let request = self.bot.send(&body.dialog, &text, answers, &uuid);
        let sent = match line.call(body.dialog.as_str(), self.tenant.bitrix24.ask(&request)).await {
            // The message that it answers is gone: it is sent without it.
            Err(failure) if answers.is_some() && failure.code().starts_with("reply_") => {
                let request = self.bot.send(&body.dialog, &text, None, &uuid);
                line.call(body.dialog.as_str(), self.tenant.bitrix24.ask(&request)).await
            }
            sent => sent,
        }?;
        self.posted(line, self.number(&sent.result)?, thread).await
    }

    /// Sends a message of the bot itself: it is not a copy, and no link is stored.
    async fn say(
        &self,
        line: &mut DeliveryAttempt,
        text: &str,
        answers: Option<(u64, u64)>,
    ) -> Result<JobOutcome, Failure> {
        let body = &self.job.body;
        let uuid = uuid_of(&body.delivery);
        if let Some(doubt) = line.doubt().await {
            let found = self.find_posted(&doubt, &uuid, text, &[]).await?;
            if let Some(message) = line.looked_up(found)? {
                return line.done(format!("{}/{message}", body.dialog), Vec::new()).await;
            }
        }
        let request = match answers {
            Some((command, message)) => self.bot.answer(command, message, &body.dialog, text),
            None => self.bot.send(&body.dialog, text, None, &uuid),
        };
        let sent = line.call(body.dialog.as_str(), self.tenant.bitrix24.ask(&request)).await?;
        let message = self.bot.sent(&sent.result).map(|message| format!("/{message}")).unwrap_or_default();
        line.done(format!("{}{message}", body.dialog), Vec::new()).await
    }

    /// The number that the portal gave a message.
    fn number(&self, sent: &Value) -> Result<u64, Failure> {
        let missing = || Failure::permanent("no_message_id", "the portal took the message and did not say its number");
        self.bot.sent(sent).ok_or_else(missing)
    }

    async fn posted(
        &self,
        line: &mut DeliveryAttempt,
        message: u64,
        thread: Option<&str>,
    ) -> Result<JobOutcome, Failure> {
        let writes = self.linked(message, thread)?;
        line.done(format!("{}/{message}", self.job.body.dialog), writes).await
    }

    /// The writes that add a copy to the message's link.
    fn linked(&self, message: u64, thread: Option<&str>) -> Result<Vec<StoreWrite>, Failure> {
        let (mut link, version) = self.link_or_new(thread);
        if !link.bitrix24.contains(&message) {
            link.bitrix24.push(message);
            link.texts += usize::from(matches!(self.job.body.act, InBitrix24::Post { .. }));
        }
        match &self.job.body.act {
            InBitrix24::Share { file, .. } => {
                link.in_slack.files.insert(file.id.clone(), message);
            }
            InBitrix24::Post { edited, .. } if !edited.is_empty() => edited.clone_into(&mut link.in_slack.edited),
            _ => {}
        }
        self.keeping(&link, version)
    }

    /// The message's link, or one without copies.
    fn link_or_new(&self, thread: Option<&str>) -> (MessageLink, Option<Version>) {
        if let Some((link, version)) = self.link.clone() {
            return (link, Some(version));
        }
        let body = &self.job.body;
        let link = MessageLink {
            written_in: ChatSide::Slack,
            channel: body.channel.clone(),
            slack: vec![body.ts.clone()],
            thread: thread.map(str::to_owned),
            dialog: body.dialog.clone(),
            bitrix24: Vec::new(),
            texts: 0,
            reactions: std::collections::BTreeMap::new(),
            deleted: false,
            digest: String::new(),
            in_slack: SlackState::default(),
        };
        (link, None)
    }

    /// The writes that keep a link.
    fn keeping(&self, link: &MessageLink, version: Option<Version>) -> Result<Vec<StoreWrite>, Failure> {
        Ok(Conversations::link_writes(&self.job.tenant, link, version, self.now())?)
    }

    /// The message in the chat that a reply's thread began with.
    async fn answered(&self, thread: Option<&str>) -> Result<Option<u64>, Failure> {
        let Some(thread) = thread else { return Ok(None) };
        let parent =
            self.context.conversations.of_slack_message(&self.job.tenant, &self.job.body.channel, thread).await?;
        Ok(parent.and_then(|(link, _)| link.bitrix24.first().copied()))
    }

    /// The beginning of a message, quoted; nothing if it cannot be read.
    async fn quote(&self, message: u64) -> String {
        let found = self.last_messages().await.ok().flatten().unwrap_or_default();
        let text =
            found.iter().find(|row| row["id"] == message).and_then(|row| row["text"].as_str()).unwrap_or_default();
        let visible = text::Document::from_bbcode(text).visible();
        let first: String = visible.lines().next().unwrap_or_default().chars().take(120).collect();
        if first.is_empty() { String::new() } else { format!("{QUOTE}{first}\n") }
    }

    /// Whether it may be posted below a quotation: where a message cannot be an answer, the beginning of its thread is
    /// quoted.
    fn may_be_quoted(&self) -> bool {
        let is_answer = matches!(&self.job.body.act, InBitrix24::Post { thread: Some(_), .. });
        is_answer && self.bot.api == bitrix24::BotApi::V1
    }

    fn copies(&self) -> &[u64] {
        self.link.as_ref().map(|(link, _)| link.bitrix24.as_slice()).unwrap_or_default()
    }

    /// Our message that may have been written and that is not yet `known`: by its uuid, or else by its text.
    async fn find_posted(&self, doubt: &Doubt, uuid: &str, text: &str, known: &[u64]) -> Result<LookUp<u64>, Failure> {
        let Some(chat) = self.tenant.bitrix24.chat_since(&self.job.body.dialog, doubt).await? else {
            // Then only the uuid keeps Bitrix24 from posting a message twice.
            return Ok(LookUp::Unknowable(UNREADABLE_CHAT.into()));
        };
        let earliest = doubt.since - MAX_PROVIDER_SKEW;
        let below_a_quote = format!("\n{text}");
        let says_it = |said: &str| {
            said == text || (self.may_be_quoted() && said.starts_with(QUOTE) && said.ends_with(&below_a_quote))
        };
        let is_ours = |row: &&Value| {
            let by_uuid = row["uuid"] == uuid;
            let at = row["date"].as_str().and_then(|date| date.parse::<Timestamp>().ok());
            let recent = at.is_none_or(|at| at >= earliest);
            let says_it = row["text"].as_str().is_some_and(says_it);
            by_uuid || (row["uuid"].is_null() && recent && row["author_id"] == self.bot.id && says_it)
        };
        let mut ids = chat.messages.iter().filter(is_ours).filter_map(|row| row["id"].as_u64());
        Ok(found_in(ids.find(|id| !known.contains(id)), chat.is_cut))
    }

    /// The chat's last messages; `None` if the connection's user may not read the chat.
    async fn last_messages(&self) -> Result<Option<Vec<Value>>, Failure> {
        match self.tenant.bitrix24.ask(&bot::last_messages(&self.job.body.dialog)).await {
            Ok(answer) => Ok(Some(answer.result["messages"].as_array().cloned().unwrap_or_default())),
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn delete(&self, line: &mut DeliveryAttempt) -> Result<JobOutcome, Failure> {
        let (link, version) = self.link_or_new(None);
        for message in &link.bitrix24 {
            self.remove(line, *message).await?;
        }
        let was_copied = version.is_some();
        let link = MessageLink { deleted: true, ..link };
        let writes = self.keeping(&link, version)?;
        if was_copied {
            return line.done(format!("{} deleted", link.dialog), writes).await;
        }
        // If it arrives after its deletion, it is not copied.
        self.context.backend.store.put_all(writes).await?;
        line.skip("it was never copied").await
    }

    /// Deletes a copy; fine if it is gone already.
    async fn remove(&self, line: &mut DeliveryAttempt, message: u64) -> Result<(), Failure> {
        match line.repeatable(self.tenant.bitrix24.ask(&self.bot.delete(message))).await {
            Err(failure) if is_gone(&failure) => Ok(()),
            deleted => deleted.map(|_| ()),
        }
    }

    async fn react(
        &self,
        line: &mut DeliveryAttempt,
        reaction: &str,
        by: &str,
        added: bool,
    ) -> Result<JobOutcome, Failure> {
        let Some((link, version)) = &self.link else {
            return line.skip(reasons::NEVER_COPIED).await;
        };
        // Of one that was deleted before it was copied only that is known.
        let Some(message) = link.bitrix24.first().copied() else {
            return line.skip(reasons::NEVER_COPIED).await;
        };
        let mut link = link.clone();
        let first_or_last = link.note_reaction(format!("slack:{reaction}"), by, added);
        if first_or_last {
            let Some(request) = self.bot.react(message, reaction, added) else {
                return line.skip("this portal's bots cannot react").await;
            };
            line.repeatable(self.tenant.bitrix24.ask(&request)).await?;
        }
        let writes = Conversations::link_writes(&self.job.tenant, &link, Some(*version), self.now())?;
        line.done(format!("{}/{message} {reaction}", link.dialog), writes).await
    }
}

/// Why it cannot be said whether a message is in a chat.
const UNREADABLE_CHAT: &str = "the user of the connection is not a member of the chat";

/// The result of a search through a chat's messages, of which there may be more than were read.
fn found_in(found: Option<u64>, is_cut: bool) -> LookUp<u64> {
    match found {
        Some(message) => LookUp::Found(message),
        None if is_cut => LookUp::Unknowable("the chat has too many messages since then".into()),
        None => LookUp::Absent,
    }
}

fn is_gone(failure: &Failure) -> bool {
    matches!(&failure.class, ErrorClass::Permanent { code } if ["message_not_found", "message_id_error", "not_found"].contains(&code.as_str()))
}

fn explain(body: &ToBitrix24, failure: &Failure) -> String {
    let fix = match failure.code() {
        "access_denied" | "access_error" | "bot_not_in_chat" => {
            "add the bot Switchboard to the chat, or end the bridge with /b24-bridge off"
        }
        "bot_not_found" | "bot_ownership_error" | "bot_id_error" => {
            "the bot was removed from the portal; it is registered again with the next upkeep"
        }
        "cant_edit_message" => "Bitrix24 lets messages be changed for three days",
        "insufficient_scope" => "give the connection the rights imbot and im",
        "file_too_large" => "send it another way, or lower chats.largest_file_mb",
        "no_bot" => "set public_url, or the parameter PublicUrl",
        _ => "see the text of Bitrix24's error",
    };
    let what = if body.ts.is_empty() { "the bot's word".to_owned() } else { format!("message {}", body.ts) };
    format!("{what} for {}: {}: {}; {fix}", body.dialog, failure.code(), failure.text)
}
