//! Messages of bridged conversations, posted in Slack under the name of their author in Bitrix24.

use bitrix24::chat::ChatFile;
use clients::{
    ConnectionSide, DeliveryAttempt, Doubt, Download, ErrorClass, Failure, HistoryPlace, LookUp, SoughtMessage,
    find_posted, find_shared,
};
use jobs::card_delivery::marked_as;
use jobs::chat::{InSlack, SlackPart, ToSlack};
use locale::texts;
use runtime::job::{JobOutcome, ReceivedJob};
use runtime::reasons;
use runtime::store::{StoreWrite, Version};
use slack::{Author, Block, ChannelId, MessageRef, Mrkdwn, Posted, SlackMessage, Ts};
use tenants::bridges::{ChatSide, Conversations, MessageLink};
use user_mapping::{OpenTenant, TenantContext};

use crate::registration;

/// The largest file that is copied into Slack, whatever the settings say: it has to be downloaded and uploaded within a
/// function's time.
const MAX_FILE: u64 = 300 * 1024 * 1024;

/// Delivers a message, an edit, a deletion or a reaction, once.
pub async fn deliver(context: &TenantContext, job: ReceivedJob<ToSlack>) -> JobOutcome {
    let mut line = match DeliveryAttempt::take(
        &context.backend,
        &context.connections,
        &job,
        (&job.body.delivery, ConnectionSide::Slack),
    )
    .await
    {
        Ok(line) => line,
        Err(outcome) => return outcome,
    };
    match run(context, &job, &mut line).await {
        Ok(outcome) => outcome,
        Err(failure) => line.fail(&failure, &explain(&job.body, &failure)).await,
    }
}

struct CopyDelivery<'a> {
    context: &'a TenantContext,
    job: &'a ReceivedJob<ToSlack>,
    tenant: OpenTenant,
    channel: ChannelId,
    /// What is known of the message: its copies so far.
    link: Option<(MessageLink, Version)>,
}

async fn run(
    context: &TenantContext,
    job: &ReceivedJob<ToSlack>,
    line: &mut DeliveryAttempt,
) -> Result<JobOutcome, Failure> {
    let tenant = context.tenant(&job.tenant).await?;
    let link = context.conversations.of_chat_message(&job.tenant, job.body.message).await?;
    let channel = ChannelId::from(job.body.channel.as_str());
    let delivery = CopyDelivery { context, job, tenant, channel, link };
    match &job.body.in_slack {
        InSlack::Post { part, author, answers } => delivery.post(line, part, author, *answers).await,
        InSlack::Share { file, author, answers } => delivery.share(line, file, author, *answers).await,
        InSlack::Edit { parts, author } => delivery.edit(line, parts, author).await,
        InSlack::Delete => delivery.delete(line).await,
        InSlack::React { name, by, added } => delivery.react(line, name, by, *added).await,
    }
}

fn name_of(file: &ChatFile) -> String {
    if file.name.is_empty() { format!("file-{}", file.id) } else { file.name.clone() }
}

fn message(part: &SlackPart) -> SlackMessage {
    SlackMessage::new(Mrkdwn::from_markup(&part.text), [Block::rich_text(&part.block)])
}

impl CopyDelivery<'_> {
    fn was_deleted(&self) -> bool {
        self.link.as_ref().is_some_and(|(link, _)| link.deleted)
    }

    async fn post(
        &self,
        line: &mut DeliveryAttempt,
        part: &SlackPart,
        author: &Author,
        answers: Option<u64>,
    ) -> Result<JobOutcome, Failure> {
        if self.was_deleted() {
            return line.skip(crate::reasons::DELETED_IN_BITRIX24).await;
        }
        let thread = self.thread(answers).await?;
        if let Some(doubt) = line.doubt().await {
            let found = self.find_copy(&doubt, thread.as_ref(), self.mark()).await?;
            if let Some(posted) = line.looked_up(found)? {
                return self.posted(line, &posted.ts.0, answers).await;
            }
        }
        let posted = self.write(line, self.mark(), &message(part), author, thread.as_ref()).await?;
        self.posted(line, &posted.ts.0, answers).await
    }

    /// Posts once, with `mark` so that it can be found; joins the channel if needed, and posts outside the thread if
    /// that is gone.
    async fn write(
        &self,
        line: &mut DeliveryAttempt,
        mark: &str,
        message: &SlackMessage,
        author: &Author,
        thread: Option<&Ts>,
    ) -> Result<Posted, Failure> {
        let slack = &self.tenant.slack;
        slack.admit_post(&self.channel).await?;
        let metadata = marked_as(mark);
        let place = |thread| MessageRef::below(&self.channel, thread);
        let post = |thread| slack.post_as(author, &self.channel, thread, message, &metadata);
        let failure = match line.call(place(thread), post(thread)).await {
            Ok(posted) => return Ok(posted),
            Err(failure) => failure,
        };
        match failure.code() {
            "not_in_channel" => {
                slack.join_after(failure, &self.channel).await?;
                line.call(place(thread), post(thread)).await
            }
            "thread_not_found" => line.call(place(None), post(None)).await,
            _ => Err(failure),
        }
    }

    /// What the delivery's message is marked with.
    fn mark(&self) -> &str {
        &self.job.body.delivery
    }

    /// The copy with this mark, where the open call says, or else where it would be posted now.
    async fn find_copy(&self, doubt: &Doubt, thread: Option<&Ts>, mark: &str) -> Result<LookUp<Posted>, Failure> {
        let called_at = doubt.place.as_deref().and_then(HistoryPlace::of);
        let place = called_at.unwrap_or_else(|| self.place(thread));
        find_posted(&self.tenant.slack, SoughtMessage { place: &place, mark: Some(mark), saying: None, doubt }).await
    }

    fn place(&self, thread: Option<&Ts>) -> HistoryPlace {
        HistoryPlace { channel: self.channel.clone(), thread: thread.cloned() }
    }

    /// The thread of the message that is answered: the one that it is in, or the one that it begins.
    async fn thread(&self, answers: Option<u64>) -> Result<Option<Ts>, Failure> {
        let Some(answers) = answers else { return Ok(None) };
        let answered = self.context.conversations.of_chat_message(&self.job.tenant, answers).await?;
        Ok(answered.and_then(|(link, _)| link.thread.or_else(|| link.slack.first().cloned())).map(Ts))
    }

    async fn posted(&self, line: &mut DeliveryAttempt, ts: &str, answers: Option<u64>) -> Result<JobOutcome, Failure> {
        let writes = self.linked(ts, self.thread(answers).await?)?;
        line.done(self.copy(ts).to_string(), writes).await
    }

    fn linked(&self, ts: &str, thread: Option<Ts>) -> Result<Vec<StoreWrite>, Failure> {
        let (mut link, version) = self.link_or_new(thread);
        if !ts.is_empty() && !link.slack.iter().any(|known| known == ts) {
            link.slack.push(ts.to_owned());
            link.texts += usize::from(matches!(self.job.body.in_slack, InSlack::Post { .. }));
        }
        self.note_text(&mut link);
        self.kept(&link, version)
    }

    /// The message's link, or one without copies.
    fn link_or_new(&self, thread: Option<Ts>) -> (MessageLink, Option<Version>) {
        if let Some((link, version)) = self.link.clone() {
            return (link, Some(version));
        }
        let body = &self.job.body;
        let link = MessageLink {
            written_in: ChatSide::Bitrix24,
            channel: body.channel.clone(),
            slack: Vec::new(),
            thread: thread.map(|thread| thread.0),
            dialog: body.dialog.clone(),
            bitrix24: vec![body.message],
            texts: 0,
            reactions: std::collections::BTreeMap::new(),
            deleted: false,
            digest: String::new(),
            in_slack: tenants::bridges::SlackState::default(),
        };
        (link, None)
    }

    /// Notes in the link which text the copy shows now.
    fn note_text(&self, link: &mut MessageLink) {
        if !self.job.body.digest.is_empty() {
            self.job.body.digest.clone_into(&mut link.digest);
        }
    }

    fn kept(&self, link: &MessageLink, version: Option<Version>) -> Result<Vec<StoreWrite>, Failure> {
        Ok(Conversations::link_writes(&self.job.tenant, link, version, self.context.backend.clock.now())?)
    }

    async fn edit(
        &self,
        line: &mut DeliveryAttempt,
        parts: &[SlackPart],
        author: &Author,
    ) -> Result<JobOutcome, Failure> {
        let Some((link, version)) = self.link.clone() else {
            return line.skip("it was never copied: it is older than the bridge, or its copy failed").await;
        };
        if link.deleted {
            return line.skip(reasons::DELETED_MEANWHILE).await;
        }
        let mut link = link;
        let doubt = line.doubt_of_parts().await;
        let thread = link.thread.clone().map(Ts);
        for (index, part) in parts.iter().enumerate() {
            if index < link.texts {
                let (copy, message) = (self.copy(&link.slack[index]), message(part));
                match line.repeatable(self.tenant.slack.update(&copy, &message)).await {
                    Err(failure) if failure.code() == "message_not_found" => {
                        return line.skip("its copy was deleted in Slack").await;
                    }
                    updated => updated?,
                };
                continue;
            }
            // The delivery may have added several parts before an answer was lost; each has a mark of its own.
            let mark = format!("{}/{index}", self.mark());
            let earlier = match &doubt {
                Some(doubt) => line.looked_up_part(self.find_copy(doubt, thread.as_ref(), &mark).await?)?,
                None => None,
            };
            let posted = match earlier {
                Some(posted) => posted,
                None => self.write(line, &mark, &message(part), author, thread.as_ref()).await?,
            };
            link.slack.insert(index.min(link.slack.len()), posted.ts.0);
            link.texts += 1;
        }
        while link.texts > parts.len() {
            link.texts -= 1;
            let ts = link.slack.remove(link.texts);
            line.repeatable(self.tenant.slack.delete(&self.copy(&ts))).await?;
        }
        self.note_text(&mut link);
        let writes = self.kept(&link, Some(version))?;
        let first = link.slack.first().cloned().unwrap_or_default();
        line.done(self.copy(&first).to_string(), writes).await
    }

    async fn delete(&self, line: &mut DeliveryAttempt) -> Result<JobOutcome, Failure> {
        let (link, version) = self.link_or_new(None);
        if link.deleted {
            return line.skip(reasons::DELETED_MEANWHILE).await;
        }
        for ts in &link.slack {
            match line.repeatable(self.tenant.slack.delete(&self.copy(ts))).await {
                // Someone deleted the copy by hand, or an earlier try did.
                Err(failure) if failure.code() == "message_not_found" => {}
                deleted => deleted?,
            }
        }
        let link = MessageLink { deleted: true, ..link };
        let writes = self.kept(&link, version)?;
        if version.is_none() {
            // If it arrives after its deletion, it is not copied.
            return line.skip_with(reasons::NEVER_COPIED.to_owned(), writes).await;
        }
        line.done(format!("{} deleted", self.channel), writes).await
    }

    fn copy(&self, ts: &str) -> Posted {
        Posted { channel: self.channel.clone(), ts: Ts(ts.to_owned()) }
    }

    async fn react(
        &self,
        line: &mut DeliveryAttempt,
        name: &str,
        by: &str,
        added: bool,
    ) -> Result<JobOutcome, Failure> {
        let Some((mut link, version)) = self.link.clone() else {
            return line.skip(reasons::NEVER_COPIED).await;
        };
        // Of one that was deleted before it was copied only that is known.
        let Some(ts) = link.slack.first().cloned() else {
            return line.skip(reasons::NEVER_COPIED).await;
        };
        let first_or_last = link.note_reaction(format!("bitrix24:{name}"), by, added);
        if first_or_last {
            line.repeatable(self.tenant.slack.react(&self.channel.0, &ts, name, added)).await?;
        }
        let writes = self.kept(&link, Some(version))?;
        line.done(format!("{} :{name}:", self.copy(&ts)), writes).await
    }

    async fn share(
        &self,
        line: &mut DeliveryAttempt,
        file: &ChatFile,
        author: &Author,
        answers: Option<u64>,
    ) -> Result<JobOutcome, Failure> {
        if self.was_deleted() {
            return line.skip(crate::reasons::DELETED_IN_BITRIX24).await;
        }
        let thread = self.thread(answers).await?;
        let file = &self.named(file).await?;
        if let Some(doubt) = line.doubt().await {
            let found = self.find_share(&doubt, thread.as_ref(), file).await?;
            if let Some(ts) = line.looked_up(found)? {
                return self.posted(line, &ts, answers).await;
            }
        }
        let language = self.tenant.settings.language;
        let chats = &self.tenant.settings.chats;
        let most = (u64::from(chats.largest_file_mb) * 1024 * 1024).min(MAX_FILE);
        let too_large = language.text(texts::chat::FILE_TOO_LARGE);
        let gone = language.text(texts::chat::FILE_REFUSED_BY_BITRIX24);
        if !chats.files {
            let why = language.text(texts::chat::FILES_OFF);
            return self.note(line, file, author, why, thread.as_ref(), answers).await;
        }
        if file.size.is_some_and(|size| size > most) {
            return self.note(line, file, author, too_large, thread.as_ref(), answers).await;
        }
        let download = match self.fetch(file).await {
            Err(Failure { class: ErrorClass::Permanent { code }, text, .. }) => {
                tracing::warn!(trace = %self.job.trace, file = file.id, code, text, "a file could not be fetched from Bitrix24");
                return self.note(line, file, author, gone, thread.as_ref(), answers).await;
            }
            download => download?,
        };
        // Slack needs the length before the first byte.
        let Some(length) = download.length.or(file.size).filter(|length| *length > 0) else {
            return self.note(line, file, author, gone, thread.as_ref(), answers).await;
        };
        if length > most {
            return self.note(line, file, author, too_large, thread.as_ref(), answers).await;
        }
        let name = name_of(file);
        let id = self.tenant.slack.upload(&name, length, download).await?;
        let comment = text::Document::default().by(&author.name).to_mrkdwn(false);
        let thread_ts = thread.as_ref().map(|thread| thread.0.as_str());
        let share = self.tenant.slack.share_file(&id, &name, &self.channel.0, thread_ts, &comment);
        line.call(MessageRef::File(id.clone()), share).await?;
        // The message of the share is known a moment later, if at all; without it the file cannot be deleted later.
        let ts =
            self.tenant.slack.file(&id, &self.channel.0).await.ok().and_then(|(_, shares)| shares.first().cloned());
        self.posted(line, &ts.unwrap_or_default(), answers).await
    }

    /// The message of a file that may have been shared, or of the note instead of it.
    async fn find_share(&self, doubt: &Doubt, thread: Option<&Ts>, file: &ChatFile) -> Result<LookUp<String>, Failure> {
        let slack = &self.tenant.slack;
        let ts = |found: LookUp<Posted>| found.map(|posted| posted.ts.0);
        match doubt.place.as_deref().map(MessageRef::from) {
            // It was uploaded; the file itself shows whether it was shared.
            Some(MessageRef::File(id)) => {
                let (_, shares) = slack.file(&id, &self.channel.0).await?;
                Ok(shares.into_iter().next().map_or(LookUp::Absent, LookUp::Found))
            }
            Some(MessageRef::Channel(_) | MessageRef::Thread(_)) => {
                Ok(ts(self.find_copy(doubt, thread, self.mark()).await?))
            }
            None => match self.find_copy(doubt, thread, self.mark()).await? {
                LookUp::Absent => {
                    let known = self.link.as_ref().map(|(link, _)| link.slack.clone()).unwrap_or_default();
                    let (place, name) = (self.place(thread), name_of(file));
                    Ok(ts(find_shared(slack, &place, doubt, (&name, file.size), &known).await?))
                }
                found => Ok(ts(found)),
            },
        }
    }

    /// The file with its name and size: the event may only have its number.
    async fn named(&self, file: &ChatFile) -> Result<ChatFile, Failure> {
        if !file.name.is_empty() {
            return Ok(file.clone());
        }
        let answer = self.tenant.bitrix24.ask(&bitrix24::bot::last_messages(&self.job.body.dialog)).await;
        let listed = match answer {
            Ok(answer) => answer.result["files"].as_array().cloned().unwrap_or_default(),
            // The connection's user may not read the chat; the bot may still fetch the file.
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let number = |row: &serde_json::Value, name: &str| bitrix24::tolerant::whole(&row[name]);
        let found = listed.iter().find(|row| number(row, "id") == Some(file.id));
        Ok(found.map_or_else(
            || file.clone(),
            |row| ChatFile {
                id: file.id,
                name: row["name"].as_str().unwrap_or_default().to_owned(),
                size: number(row, "size").or(file.size),
            },
        ))
    }

    async fn fetch(&self, file: &ChatFile) -> Result<Download, Failure> {
        let missing = || Failure::permanent("no_bot", "there is no bot on the portal");
        let bot = registration::bot(self.context, &self.tenant).await?.ok_or_else(missing)?;
        let answer = self.tenant.bitrix24.ask(&bot.download(&self.job.body.dialog, file.id)).await?;
        let address = answer.result["downloadUrl"].as_str().unwrap_or_default();
        self.tenant.bitrix24.fetch(address, file.size).await
    }

    /// Posts a note in the channel that there is a file, and where. The link opens for people who can see the chat; it
    /// holds no token.
    async fn note(
        &self,
        line: &mut DeliveryAttempt,
        file: &ChatFile,
        author: &Author,
        why: &str,
        thread: Option<&Ts>,
        answers: Option<u64>,
    ) -> Result<JobOutcome, Failure> {
        let language = self.tenant.settings.language;
        let words = language.text(texts::chat::OPEN_IN_BITRIX24);
        let unnamed = || language.text(texts::chat::FileNumber { id: file.id.to_string() });
        let name = if file.name.is_empty() { unnamed() } else { file.name.clone() };
        let text = Mrkdwn::text(&format!("📎 {name}: {why} "))
            .then(&Mrkdwn::link(&self.tenant.chat_url(&self.job.body.dialog), words));
        let message = SlackMessage::new(text.clone(), [Block::section(text)]);
        let posted = self.write(line, self.mark(), &message, author, thread).await?;
        self.posted(line, &posted.ts.0, answers).await
    }
}

fn explain(body: &ToSlack, failure: &Failure) -> String {
    let fix = match failure.code() {
        "channel_not_found" | "is_archived" => "unarchive the channel, or end the bridge with /b24-bridge off",
        "not_in_channel" => "invite the bot to the channel: /invite @Switchboard",
        "edit_window_closed" | "cant_update_message" => "the workspace lets messages be changed for a while only",
        "missing_scope" => "install the app again with the scope it names",
        "slack_not_connected" => "connect a workspace",
        _ => "see the text of Slack's error",
    };
    format!(
        "message {} of {} for {}: {}: {}; {fix}",
        body.message,
        body.dialog,
        body.channel,
        failure.code(),
        failure.text
    )
}
