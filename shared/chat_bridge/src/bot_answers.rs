//! What our chatbot answers when people write to it: a welcome, answers to phrases, its commands.

use bitrix24::chat::{ChatAct, ChatEvent, ChatMessage};
use clients::Failure;
use jobs::Hint;
use jobs::chat::{InBitrix24, InSlack, SlackJob, ToBitrix24, ToSlack};
use locale::Language;
use locale::texts;
use runtime::job::ReceivedJob;
use runtime::ledger::{DeliveryLine, DeliveryStatus};
use runtime::reasons;
use runtime::{Decision, DeliveryId, Verdict};
use settings::bot::Otherwise;
use text::Document;
use user_mapping::{OpenTenant, TenantContext};

use crate::bot;
use crate::bot::{Command, Heard};
use crate::bridges::bridge_of_dialog;
use crate::texts::{author_for_slack, for_slack};

/// What the bot says: its delivery, and the job that carries it.
pub(crate) struct Said {
    line: DeliveryLine,
    job: ToBitrix24,
}

impl Said {
    pub(crate) fn add_to(self, decision: &mut Decision) -> Result<(), Failure> {
        Ok(decision.deliver(self.line, &self.job)?)
    }

    /// Adds it to the decision, as the only result of the event; the event is claimed, if it has an identity of its
    /// own.
    pub(crate) fn claim(
        self,
        job: &ReceivedJob<Hint>,
        change: &str,
        decision: &mut Decision,
    ) -> Result<Verdict, Failure> {
        decision.claims.extend(job.body.identity());
        self.add_to(decision)?;
        decision.line.changes = vec![change.to_owned()];
        Ok(Verdict::Commit)
    }
}

/// Whether a message is one of the bot's commands.
pub(crate) fn is_command(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    first.starts_with('/') && Command::parse(first).is_some()
}

/// The author's language, as the event says; or the tenant's.
pub fn language(event: &ChatEvent, tenant: &OpenTenant) -> Language {
    match event.language.as_str() {
        "" => tenant.settings.language,
        code => Language::of_reader(code).unwrap_or_default(),
    }
}

/// A message of the bot in the dialog of an event.
fn say(job: &ReceivedJob<Hint>, event: &ChatEvent, what: &str, text: String, answers: Option<(u64, u64)>) -> Said {
    let tenant = &job.tenant;
    let id = DeliveryId::of(&[tenant.as_str(), "say", &event.dialog, &job.trace.to_string(), what]);
    let said = ToBitrix24 {
        delivery: id.as_str().to_owned(),
        channel: String::new(),
        dialog: event.dialog.clone(),
        ts: String::new(),
        act: InBitrix24::Say { text, answers },
    };
    let line = DeliveryLine {
        record: event.about(),
        change: what.to_owned(),
        route: "bot".into(),
        destination: event.dialog.clone(),
        ..DeliveryLine::new(id, job.trace, job.arrived_at(), DeliveryStatus::Queued)
    };
    Said { line, job: said }
}

/// The bot joined a chat: it says what it can do.
pub(crate) async fn welcome(
    context: &TenantContext,
    job: &ReceivedJob<Hint>,
    tenant: &OpenTenant,
    event: &ChatEvent,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    let bridged = bridge_of_dialog(context, tenant, &event.dialog).await?.is_some();
    let text = bot::welcome(language(event, tenant), bridged);
    say(job, event, "bot.welcome", text, None).claim(job, "bot.joined", decision)
}

/// A person writes to the bot directly.
pub(crate) async fn answer(
    context: &TenantContext,
    job: &ReceivedJob<Hint>,
    tenant: &OpenTenant,
    event: &ChatEvent,
    message: &ChatMessage,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    if event.author.id == event.bot || event.author.is_bot || message.is_system {
        return Ok(Verdict::skip(reasons::OWN_MESSAGE));
    }
    let language = language(event, tenant);
    let text = match heard(context, tenant, event, message, language).await? {
        Ok(text) => text,
        Err(other) => match tenant.settings.bot.otherwise {
            Otherwise::Help => bot::help(language),
            Otherwise::Echo if other.is_empty() => bot::help(language),
            // Their own markup must not become our buttons.
            Otherwise::Echo => Document::plain(&Document::from_bbcode(&other).visible()).to_bbcode(false),
            Otherwise::Nothing => return Ok(Verdict::skip("the settings do not let the bot answer this")),
        },
    };
    say(job, event, "bot.answered", text, None).claim(job, "bot.answered", decision)
}

/// The bot's answer to a message in a group, if it is mentioned and understands.
pub(crate) async fn said_to_it(
    context: &TenantContext,
    job: &ReceivedJob<Hint>,
    tenant: &OpenTenant,
    event: &ChatEvent,
    message: &ChatMessage,
) -> Result<Option<Said>, Failure> {
    let is_mentioned = message.text.to_lowercase().contains(&format!("[user={}", event.bot));
    if !is_mentioned || event.author.id == event.bot || event.author.is_bot || message.is_system {
        return Ok(None);
    }
    match heard(context, tenant, event, message, language(event, tenant)).await? {
        Ok(text) => Ok(Some(say(job, event, "bot.answered", text, None))),
        Err(_) => Ok(None),
    }
}

/// The bot's answer, or what it did not understand.
async fn heard(
    context: &TenantContext,
    tenant: &OpenTenant,
    event: &ChatEvent,
    message: &ChatMessage,
    language: Language,
) -> Result<Result<String, String>, Failure> {
    Ok(match bot::hear(&tenant.settings.bot, event.bot, &message.text) {
        Heard::Phrase(answer) => Ok(answer),
        Heard::Hello => {
            let bridged = bridge_of_dialog(context, tenant, &event.dialog).await?.is_some();
            Ok(bot::welcome(language, bridged))
        }
        Heard::Help => Ok(bot::help(language)),
        Heard::Status => Ok(status(context, tenant, event, language).await?),
        Heard::Other(other) => Err(other),
    })
}

/// Runs a command of the bot. `/notion` is answered by [`say_to`]: the pages are found elsewhere.
pub(crate) async fn command(
    context: &TenantContext,
    job: &ReceivedJob<Hint>,
    tenant: &OpenTenant,
    event: &ChatEvent,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    let ChatAct::Asked { command, params, .. } = &event.act else { return Ok(Verdict::skip("not a command")) };
    let language = language(event, tenant);
    let text = match Command::parse(command) {
        None | Some(Command::Notion) => bot::help(language),
        Some(Command::Status) => status(context, tenant, event, language).await?,
        Some(Command::Slack) => return to_slack(context, job, tenant, event, params.trim(), decision).await,
    };
    say_to(job, event, text, decision)
}

/// The words after `/notion`, if an event is that command.
pub fn searched_page(event: &ChatEvent) -> Option<&str> {
    match &event.act {
        ChatAct::Asked { command, params, .. } if Command::parse(command) == Some(Command::Notion) => {
            Some(params.trim())
        }
        _ => None,
    }
}

/// Adds the bot's answer to a command.
pub fn say_to(
    job: &ReceivedJob<Hint>,
    event: &ChatEvent,
    text: String,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    let answers = match event.act {
        ChatAct::Asked { id, message, .. } => Some((id, message)),
        _ => None,
    };
    say(job, event, "bot.answered", text, answers).claim(job, "bot.asked", decision)
}

/// `/slack text`: posts to the channel that the chat is bridged with, under the name of the person who typed it.
async fn to_slack(
    context: &TenantContext,
    job: &ReceivedJob<Hint>,
    tenant: &OpenTenant,
    event: &ChatEvent,
    words: &str,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    let ChatAct::Asked { id, message, .. } = event.act else { return Ok(Verdict::skip("not a command")) };
    let language = language(event, tenant);
    if words.is_empty() {
        let text = language.text(texts::bot::SLACK_NEEDS_TEXT);
        return say_to(job, event, text.into(), decision);
    }
    let Some(bridge) = bridge_of_dialog(context, tenant, &event.dialog).await? else {
        let text = language.text(texts::bot::CHAT_IS_NOT_BRIDGED);
        return say_to(job, event, text.into(), decision);
    };
    let author = author_for_slack(context, tenant, &event.author).await?;
    let written = ChatMessage {
        id: message,
        text: words.to_owned(),
        shortened: false,
        answers: None,
        files: Vec::new(),
        is_system: false,
        written_at: None,
    };
    for (index, part) in for_slack(context, tenant, &written, None).await?.into_iter().enumerate() {
        let cause = [job.tenant.as_str(), "to-slack", &bridge.dialog, &message.to_string(), &format!("asked {index}")];
        let delivery = DeliveryId::of(&cause);
        let body = SlackJob::Chat(Box::new(ToSlack {
            digest: String::new(),
            delivery: delivery.as_str().to_owned(),
            channel: bridge.channel.clone(),
            dialog: bridge.dialog.clone(),
            message,
            in_slack: InSlack::Post { part, author: author.clone(), answers: None },
        }));
        let line = DeliveryLine {
            record: event.about(),
            change: "bot.posted".into(),
            route: "bot".into(),
            destination: format!("#{}", bridge.channel_name),
            ..DeliveryLine::new(delivery, job.trace, job.arrived_at(), DeliveryStatus::Queued)
        };
        decision.deliver(line, &body)?;
    }
    let text = language.text(texts::bot::Posted { channel: &bridge.channel_name });
    say(job, event, "bot.answered", text, Some((id, message))).claim(job, "bot.posted", decision)
}

/// The status for the person who asks.
async fn status(
    context: &TenantContext,
    tenant: &OpenTenant,
    event: &ChatEvent,
    language: Language,
) -> Result<String, Failure> {
    let mut lines = Vec::new();
    for trouble in context.connections.troubles(&tenant.id).await? {
        lines.push(language.text(texts::bot::AccessRefused { provider: trouble.side.name() }));
    }
    if lines.is_empty() {
        let mut names = vec!["Bitrix24"];
        names.extend(tenant.portal.slack.as_ref().map(|_| "Slack"));
        names.extend(tenant.portal.notion.as_ref().map(|_| "Notion"));
        lines.push(language.text(texts::bot::Connected { providers: names.join(", ") }));
    }
    if let Some(bridge) = bridge_of_dialog(context, tenant, &event.dialog).await? {
        lines.push(language.text(texts::bot::BridgedWith { channel: &bridge.channel_name }));
    }
    let rights = context.rights_unasked(tenant, event.author.id).await?;
    let day = crm::views::day(context, tenant, &rights).await?;
    let number = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    lines.push(language.text(texts::bot::OpenWork {
        open: number(day.open),
        late: number(day.overdue),
        deals: number(day.deals_in_all),
        calls: number(day.missed),
    }));
    Ok(lines.join("\n"))
}
