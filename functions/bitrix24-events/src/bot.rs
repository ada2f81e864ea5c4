//! What our chatbot answers when people write to it: a welcome, answers to phrases, its commands.

use bitrix24::EntityType;
use bitrix24::chat::{ChatAct, ChatEvent, ChatMessage};
use chat_bridge::bot;
use chat_bridge::bot::{Command, Heard};
use clients::Failure;
use jobs::Hint;
use jobs::chat::{InBitrix24, InSlack, SlackJob, ToBitrix24, ToSlack};
use locale::Language;
use locale::texts;
use notion_sync::link::Links;
use records::Record;
use runtime::job::{Outcome, ReceivedJob};
use runtime::ledger::{DeliveryLine, DeliveryStatus};
use runtime::reasons;
use runtime::{Decision, DeliveryId};
use settings::bot::Otherwise;
use text::Document;
use user_mapping::Tenant;

use crate::Deps;
use crate::decide::{decision, skip};

/// What the bot says: its delivery, and the job that carries it.
pub(crate) struct Said {
    line: DeliveryLine,
    job: ToBitrix24,
}

impl Said {
    pub(crate) fn add_to(self, decision: &mut Decision) -> Result<(), Failure> {
        Ok(decision.deliver(self.line, &self.job)?)
    }
}

/// Whether a message is one of the bot's commands.
pub(crate) fn is_command(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    first.starts_with('/') && Command::parse(first).is_some()
}

fn language(event: &ChatEvent, tenant: &Tenant) -> Language {
    match event.language.as_str() {
        "" => tenant.settings.language,
        code => Language::of_reader(code).unwrap_or_default(),
    }
}

/// What the bot says in the dialog of an event.
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

/// Commits what was decided together with what the bot says.
pub(crate) async fn say_and_commit(
    deps: &Deps,
    mut decision: Decision,
    change: &str,
    said: Said,
) -> Result<Outcome, Failure> {
    said.add_to(&mut decision)?;
    decision.line.changes = vec![change.to_owned()];
    Ok(decision.commit(&deps.ports).await?)
}

/// A decision that claims the event, where it has an identity of its own.
pub(crate) fn claimed(deps: &Deps, job: &ReceivedJob<Hint>) -> Decision {
    let mut decision = decision(deps, job);
    decision.claims.extend(job.body.identity());
    decision
}

/// The bot came into a chat: it says what it can do.
pub(crate) async fn welcome(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    tenant: &Tenant,
    event: &ChatEvent,
) -> Result<Outcome, Failure> {
    let bridged = chat_bridge::bridges::bridge_of_dialog(&deps.talk, tenant, &event.dialog).await?.is_some();
    let text = bot::welcome(language(event, tenant), bridged);
    let said = say(job, event, "bot.welcome", text, None);
    say_and_commit(deps, claimed(deps, job), "bot.joined", said).await
}

/// Somebody writes to the bot alone.
pub(crate) async fn answer(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    tenant: &Tenant,
    event: &ChatEvent,
    message: &ChatMessage,
) -> Result<Outcome, Failure> {
    if event.author.id == event.bot || event.author.is_bot || message.is_system {
        return skip(deps, job, reasons::OWN_MESSAGE.into()).await;
    }
    let language = language(event, tenant);
    let text = match heard(deps, tenant, event, message, language).await? {
        Ok(text) => text,
        Err(other) => match tenant.settings.bot.otherwise {
            Otherwise::Help => bot::help(language),
            Otherwise::Echo if other.is_empty() => bot::help(language),
            // Their own markup must not become our buttons.
            Otherwise::Echo => Document::plain(&Document::from_bbcode(&other).visible()).to_bbcode(false),
            Otherwise::Nothing => return skip(deps, job, "the settings do not let the bot answer this".into()).await,
        },
    };
    say_and_commit(deps, claimed(deps, job), "bot.answered", say(job, event, "bot.answered", text, None)).await
}

/// What the bot says to a message in a group, if it is mentioned and understands.
pub(crate) async fn said_to_it(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    tenant: &Tenant,
    event: &ChatEvent,
    message: &ChatMessage,
) -> Result<Option<Said>, Failure> {
    let is_mentioned = message.text.to_lowercase().contains(&format!("[user={}", event.bot));
    if !is_mentioned || event.author.id == event.bot || event.author.is_bot || message.is_system {
        return Ok(None);
    }
    match heard(deps, tenant, event, message, language(event, tenant)).await? {
        Ok(text) => Ok(Some(say(job, event, "bot.answered", text, None))),
        Err(_) => Ok(None),
    }
}

/// What the bot answers, or what it did not understand.
async fn heard(
    deps: &Deps,
    tenant: &Tenant,
    event: &ChatEvent,
    message: &ChatMessage,
    language: Language,
) -> Result<Result<String, String>, Failure> {
    Ok(match bot::hear(&tenant.settings.bot, event.bot, &message.text) {
        Heard::Phrase(answer) => Ok(answer),
        Heard::Hello => {
            let bridged = chat_bridge::bridges::bridge_of_dialog(&deps.talk, tenant, &event.dialog).await?.is_some();
            Ok(bot::welcome(language, bridged))
        }
        Heard::Help => Ok(bot::help(language)),
        Heard::Status => Ok(status(deps, tenant, event, language).await?),
        Heard::Other(other) => Err(other),
    })
}

/// A command of the bot's.
pub(crate) async fn command(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    tenant: &Tenant,
    event: &ChatEvent,
) -> Result<Outcome, Failure> {
    let ChatAct::Asked { id, command, params, message } = &event.act else {
        return skip(deps, job, "not a command".into()).await;
    };
    let (language, answers) = (language(event, tenant), Some((*id, *message)));
    let tell = |text: String| say(job, event, "bot.answered", text, answers);
    let said = match Command::parse(command) {
        None => tell(bot::help(language)),
        Some(Command::Status) => tell(status(deps, tenant, event, language).await?),
        Some(Command::Notion) => tell(find_page(deps, tenant, event.author.id, params.trim(), language).await?),
        Some(Command::Slack) => return to_slack(deps, job, tenant, event, params.trim()).await,
    };
    say_and_commit(deps, claimed(deps, job), "bot.asked", said).await
}

/// `/slack text`: posts to the channel that the chat is bridged with, under the name of who asked.
async fn to_slack(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    tenant: &Tenant,
    event: &ChatEvent,
    words: &str,
) -> Result<Outcome, Failure> {
    let ChatAct::Asked { id, message, .. } = event.act else { return skip(deps, job, "not a command".into()).await };
    let language = language(event, tenant);
    let tell = |text: String| say(job, event, "bot.answered", text, Some((id, message)));
    if words.is_empty() {
        let text = language.text(texts::bot::SLACK_NEEDS_TEXT);
        return say_and_commit(deps, claimed(deps, job), "bot.asked", tell(text.into())).await;
    }
    let Some(bridge) = chat_bridge::bridges::bridge_of_dialog(&deps.talk, tenant, &event.dialog).await? else {
        let text = language.text(texts::bot::CHAT_IS_NOT_BRIDGED);
        return say_and_commit(deps, claimed(deps, job), "bot.asked", tell(text.into())).await;
    };
    let author = chat_bridge::texts::author_for_slack(&deps.talk, tenant, &event.author).await?;
    let written = ChatMessage {
        id: message,
        text: words.to_owned(),
        shortened: false,
        answers: None,
        files: Vec::new(),
        is_system: false,
    };
    let mut decision = claimed(deps, job);
    for (place, part) in chat_bridge::texts::for_slack(&deps.talk, tenant, &written).await?.into_iter().enumerate() {
        let cause = [job.tenant.as_str(), "to-slack", &bridge.dialog, &message.to_string(), &format!("asked {place}")];
        let delivery = DeliveryId::of(&cause);
        let body = SlackJob::Chat(Box::new(ToSlack {
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
    say_and_commit(deps, decision, "bot.posted", tell(text)).await
}

/// `/notion name or number`: the pages of the deals that fit.
async fn find_page(
    deps: &Deps,
    tenant: &Tenant,
    user: u64,
    words: &str,
    language: Language,
) -> Result<String, Failure> {
    let databases = &tenant.settings.notion.databases;
    if databases.is_empty() || tenant.portal.notion.is_none() {
        let text = language.text(texts::bot::NOTION_IS_NOT_SET_UP);
        return Ok(text.to_owned());
    }
    if words.is_empty() {
        let text = language.text(texts::bot::NOTION_NEEDS_WORDS);
        return Ok(text.to_owned());
    }
    let records = found_for(deps, tenant, user, words).await?;
    let links = Links::new(deps.store.clone());
    let mut lines = Vec::new();
    for (record, title) in &records {
        for database in databases.iter().filter(|known| known.records.kind() == record.kind()) {
            let link = links.get(&tenant.id, &database.name, *record).await?;
            if let Some(page) = link.and_then(|(link, _)| link.page) {
                let title = Document::plain(title).to_bbcode(false);
                lines.push(format!(
                    "[url=https://www.notion.so/{}]{title}[/url] ({})",
                    page.replace('-', ""),
                    database.name
                ));
            }
        }
    }
    if lines.is_empty() {
        return Ok(language.text(texts::bot::NoPage { words: Document::plain(words).to_bbcode(false) }));
    }
    Ok(lines.join("\n"))
}

/// The deals and tasks that words or a number name, as far as who asks may see them.
async fn found_for(deps: &Deps, tenant: &Tenant, user: u64, words: &str) -> Result<Vec<(Record, String)>, Failure> {
    let rights = deps.talk.rights_unasked(tenant, user).await?;
    let Ok(id) = words.trim_start_matches('#').parse::<u64>() else {
        let found = crm::views::find_deals(tenant, &rights, words).await?;
        return Ok(found.deals.into_iter().map(|(id, title, _)| (Record::item(EntityType::DEAL, id), title)).collect());
    };
    let mut records = Vec::new();
    if rights.item(EntityType::DEAL, id).await?.is_some() {
        records.push((Record::item(EntityType::DEAL, id), words.to_owned()));
    }
    if rights.task(id).await?.is_some() {
        records.push((Record::Task(id), words.to_owned()));
    }
    Ok(records)
}

/// The status for the person who asks.
async fn status(deps: &Deps, tenant: &Tenant, event: &ChatEvent, language: Language) -> Result<String, Failure> {
    let mut lines = Vec::new();
    for trouble in deps.connections.troubles(&tenant.id).await? {
        lines.push(language.text(texts::bot::AccessRefused { provider: trouble.side.name() }));
    }
    if lines.is_empty() {
        let mut names = vec!["Bitrix24"];
        names.extend(tenant.portal.slack.as_ref().map(|_| "Slack"));
        names.extend(tenant.portal.notion.as_ref().map(|_| "Notion"));
        lines.push(language.text(texts::bot::Connected { providers: names.join(", ") }));
    }
    if let Some(bridge) = chat_bridge::bridges::bridge_of_dialog(&deps.talk, tenant, &event.dialog).await? {
        lines.push(language.text(texts::bot::BridgedWith { channel: &bridge.channel_name }));
    }
    let rights = deps.talk.rights_unasked(tenant, event.author.id).await?;
    let day = crm::views::day(&deps.talk, tenant, &rights).await?;
    let number = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    lines.push(language.text(texts::bot::OpenWork {
        open: number(day.open),
        late: number(day.overdue),
        deals: number(day.deals_in_all),
        calls: number(day.missed),
    }));
    Ok(lines.join("\n"))
}
