//! Events of a bridged chat, as deliveries to its channel. What people write to the bot itself is in `bot_answers`.

use bitrix24::chat::{ChatAct, ChatEvent, ChatMessage};
use clients::Failure;
use jiff::Timestamp;
use jobs::Hint;
use jobs::chat::{InSlack, SlackJob, ToSlack, text_digest};
use runtime::clock::MAX_PROVIDER_SKEW;
use runtime::job::ReceivedJob;
use runtime::ledger::{DeliveryLine, DeliveryStatus};
use runtime::reasons;
use runtime::{Decision, DeliveryId, Verdict, claims};
use tenants::bridges::{Bridge, ChatSide};
use text::reaction_to_slack;
use user_mapping::{OpenTenant, TenantContext};

use crate::reasons::EDITED_FIRST;
use crate::sweep::CarriedSpan;
use crate::{bot_answers, bridges, late, registration, texts};

/// Adds what follows from an event of a chat: copies of a message, or an answer of the bot.
pub async fn decide(
    context: &TenantContext,
    job: &ReceivedJob<Hint>,
    tenant: &OpenTenant,
    event: &ChatEvent,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    match &event.act {
        ChatAct::BotDeleted => {
            registration::forget_bot(context, tenant).await?;
            return Ok(Verdict::skip("the bot was deleted; the upkeep registers it again while there are bridges"));
        }
        ChatAct::Joined => return bot_answers::welcome(context, job, tenant, event, decision).await,
        ChatAct::Asked { .. } => return bot_answers::command(context, job, tenant, event, decision).await,
        // It arrives as a command as well, and is answered then.
        ChatAct::Posted(message) | ChatAct::Edited(message) if bot_answers::is_command(&message.text) => {
            return Ok(Verdict::skip("a command to the bot"));
        }
        ChatAct::Posted(message) if event.is_private() => {
            return bot_answers::answer(context, job, tenant, event, message, decision).await;
        }
        _ => {}
    }
    // In a group, only messages to the bot are for it, and those are copied like all others.
    let said = match &event.act {
        ChatAct::Posted(message) => bot_answers::said_to_it(context, job, tenant, event, message).await?,
        _ => None,
    };
    let Some(bridge) = bridges::bridge_of_dialog(context, tenant, &event.dialog).await? else {
        if let Some(said) = said {
            return said.claim(job, "bot.answered", decision);
        }
        return Ok(Verdict::skip(reasons::NOT_BRIDGED));
    };
    if let Some(why) = echo(context, tenant, event).await? {
        return Ok(Verdict::skip(why));
    }
    let act = carried_act(context, tenant, event, &bridge).await?;
    let is_edited_first = act != event.act;
    let event = &ChatEvent { act, ..event.clone() };
    let remark = is_edited_first.then(|| EDITED_FIRST.to_owned()).or_else(|| late::remark_of_hint(job));
    decision.line.remark = remark.or(decision.line.remark.take());
    let mut copies = CopiesToSlack::of(job, &bridge, &event.act, decision);
    match &event.act {
        ChatAct::Posted(message) => {
            let author = texts::author_for_slack(context, tenant, &event.author).await?;
            let overtaken_at = if is_edited_first {
                late::overtaken_at(context, &job.tenant, &bridge, message.written_at, job.arrived_at()).await?
            } else {
                job.body.sent_at().filter(|_| job.body.is_overtaken)
            };
            let parts = texts::for_slack(context, tenant, message, overtaken_at).await?;
            for (index, part) in parts.into_iter().enumerate() {
                let act = InSlack::Post { part, author: author.clone(), answers: message.answers };
                copies.deliver(message.id, &format!("part {index}"), act)?;
            }
            for file in &message.files {
                let act = InSlack::Share { file: file.clone(), author: author.clone(), answers: message.answers };
                copies.deliver(message.id, &format!("file {}", file.id), act)?;
            }
        }
        ChatAct::Edited(message) => {
            let author = texts::author_for_slack(context, tenant, &event.author).await?;
            let parts = texts::for_slack(context, tenant, message, None).await?;
            copies.deliver(message.id, &cause("edit", job, message), InSlack::Edit { parts, author })?;
        }
        ChatAct::Deleted { message } => {
            copies.deliver(*message, "delete", InSlack::Delete)?;
        }
        ChatAct::Reacted { message, reaction, added } => {
            let Some(name) = reaction_to_slack(reaction) else {
                return Ok(Verdict::skip(format!("Slack has no reaction like {reaction:?}")));
            };
            let act = InSlack::React { name: name.into(), by: event.author.id.to_string(), added: *added };
            copies.deliver(*message, &format!("reaction {}", job.trace), act)?;
        }
        ChatAct::Asked { .. } | ChatAct::Joined | ChatAct::BotDeleted => {}
    }
    if decision.outbox.is_empty() {
        return Ok(Verdict::skip("it has no text and no files"));
    }
    if let Some(said) = said {
        said.add_to(decision)?;
    }
    decision.line.changes = vec![change_of(&event.act).to_owned()];
    decision.claims.extend(event.identity());
    Ok(Verdict::Commit)
}

/// What happened, as it is carried: an edit of a message of which nothing is known yet is carried as the message, so that
/// what arrives of it later is known then.
async fn carried_act(
    context: &TenantContext,
    tenant: &OpenTenant,
    event: &ChatEvent,
    bridge: &Bridge,
) -> Result<ChatAct, Failure> {
    let ChatAct::Edited(message) = &event.act else { return Ok(event.act.clone()) };
    let posted = ChatAct::Posted(message.clone());
    let identity = ChatEvent { act: posted.clone(), ..event.clone() }.identity().unwrap_or_default();
    let is_known = claims::find(context.backend.store.as_ref(), &tenant.id, &identity).await?.is_some()
        || context.conversations.of_chat_message(&tenant.id, message.id).await?.is_some();
    if is_known || !CarriedSpan::of(context, &tenant.id, bridge).await?.has_in_chat(message) {
        return Ok(event.act.clone());
    }
    Ok(posted)
}

fn change_of(act: &ChatAct) -> &'static str {
    match act {
        ChatAct::Posted(_) => "chat.posted",
        ChatAct::Edited(_) => "chat.edited",
        ChatAct::Deleted { .. } => "chat.deleted",
        ChatAct::Reacted { .. } => "chat.reacted",
        ChatAct::Asked { .. } | ChatAct::Joined | ChatAct::BotDeleted => "",
    }
}

/// The digest of the text that is copied, if one is.
fn digest_of(act: &ChatAct) -> String {
    match act {
        ChatAct::Posted(message) | ChatAct::Edited(message) => text_digest(&message.text),
        _ => String::new(),
    }
}

/// The copies of a message that go to Slack.
struct CopiesToSlack<'a> {
    job: &'a ReceivedJob<Hint>,
    bridge: &'a Bridge,
    change: &'static str,
    digest: String,
    /// When the message was written, or else when the event was sent.
    caused_at: Option<Timestamp>,
    decision: &'a mut Decision,
}

/// Two edits are two deliveries, even in one second; an edit that is sent twice changes nothing the second time.
fn cause(word: &str, job: &ReceivedJob<Hint>, message: &ChatMessage) -> String {
    format!("{word} {} {}", job.trace, message.id)
}

/// Why this is an echo of our own message, if it is.
async fn echo(
    context: &TenantContext,
    tenant: &OpenTenant,
    event: &ChatEvent,
) -> Result<Option<&'static str>, Failure> {
    if event.author.id == event.bot {
        return Ok(Some(reasons::OWN_MESSAGE));
    }
    let message = match &event.act {
        ChatAct::Posted(message) | ChatAct::Edited(message) => {
            if message.is_system {
                return Ok(Some("a system message"));
            }
            message.id
        }
        ChatAct::Deleted { message } => *message,
        _ => return Ok(None),
    };
    let link = context.conversations.of_chat_message(&tenant.id, message).await?;
    if link.is_some_and(|(link, _)| link.written_in == ChatSide::Slack) {
        return Ok(Some("echo: it is a copy from Slack"));
    }
    let is_bots = event.author.is_bot && !tenant.settings.chats.bots;
    Ok(is_bots.then_some(reasons::OTHER_BOT))
}

impl<'a> CopiesToSlack<'a> {
    fn of(job: &'a ReceivedJob<Hint>, bridge: &'a Bridge, act: &ChatAct, decision: &'a mut Decision) -> Self {
        let written_at = match act {
            ChatAct::Posted(message) => message.written_at,
            _ => None,
        };
        let caused_at = written_at.or(job.body.sent_at());
        Self { job, bridge, change: change_of(act), digest: digest_of(act), caused_at, decision }
    }

    fn deliver(&mut self, message: u64, cause: &str, act: InSlack) -> Result<(), Failure> {
        let tenant = &self.job.tenant;
        let is_copy = matches!(act, InSlack::Post { .. } | InSlack::Share { .. });
        let id = DeliveryId::of(&[tenant.as_str(), "to-slack", &self.bridge.dialog, &message.to_string(), cause]);
        let body = SlackJob::Chat(Box::new(ToSlack {
            delivery: id.as_str().to_owned(),
            channel: self.bridge.channel.clone(),
            dialog: self.bridge.dialog.clone(),
            message,
            digest: self.digest.clone(),
            in_slack: act,
        }));
        let name = &self.bridge.channel_name;
        let line = DeliveryLine {
            record: format!("message {message} in {}", self.bridge.dialog),
            change: self.change.into(),
            route: "bridge".into(),
            destination: if name.is_empty() { self.bridge.channel.clone() } else { format!("#{name}") },
            caused_at: self.caused_at.filter(|_| is_copy).map(|at| at - MAX_PROVIDER_SKEW),
            ..DeliveryLine::new(id, self.job.trace, self.job.arrived_at(), DeliveryStatus::Queued)
        };
        Ok(self.decision.deliver(line, &body)?)
    }
}
