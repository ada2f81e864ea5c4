//! A message in a bridged channel, as deliveries to its chat.

use clients::{Failure, moment_of};
use jobs::chat::{InBitrix24, ToBitrix24};
use runtime::clock::MAX_PROVIDER_SKEW;
use runtime::job::ReceivedJob;
use runtime::ledger::{DeliveryLine, DeliveryStatus};
use runtime::reasons;
use runtime::{Decision, DeliveryId, Verdict, claims};
use slack::event::{EventCallback, File, MessageChange, MessageEdit, MessageEvent};
use tenants::bridges::{Bridge, ChatSide};
use text::reaction_from_slack;
use user_mapping::{OpenTenant, TenantContext};

use crate::bridges::bridge_of_channel;
use crate::late;
use crate::reasons::EDITED_FIRST;
use crate::sweep::CarriedSpan;
use crate::texts::{author_in_slack, for_bitrix24};

/// The most deliveries of one event: what fits into a transaction of DynamoDB, besides the event's own line.
const MAX_DELIVERIES: usize = 90;

/// Adds the copies of a new, edited or deleted message.
pub async fn message(
    context: &TenantContext,
    job: &ReceivedJob<EventCallback>,
    tenant: &OpenTenant,
    message: &MessageEvent,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    if let Some(why) = echo(job, tenant, message) {
        return Ok(Verdict::skip(why));
    }
    let Some(bridge) = bridge_of_channel(context, tenant, &message.channel).await? else {
        return Ok(Verdict::skip(reasons::NOT_BRIDGED));
    };
    let link = context.conversations.of_slack_message(&job.tenant, &message.channel, &message.ts).await?;
    if link.as_ref().is_some_and(|(link, _)| link.written_in == ChatSide::Bitrix24) {
        return Ok(Verdict::skip("echo: it is a copy from Bitrix24"));
    }
    if let Some(row) = message.left_out() {
        return Ok(Verdict::skip(format!("{} is not copied: {}", row.what, row.how)));
    }
    let is_bot = message.bot_id.is_some() && message.user.as_deref() != Some(tenant_bot(tenant));
    if is_bot && !tenant.settings.chats.bots {
        return Ok(Verdict::skip(reasons::OTHER_BOT));
    }
    decision.line.record = Some(format!("message in #{}", name_of(&bridge)));
    decision.line.remark = late::remark_of_event(job, message);
    let mut copies = CopiesToBitrix24 { job, bridge: &bridge, decision };
    match message.change {
        MessageChange::Posted => posted(context, tenant, message, &mut copies).await,
        MessageChange::Edited if message.is_the_same() => {
            Ok(Verdict::skip("nothing that is copied changed, for example only the preview of a link"))
        }
        MessageChange::Edited if link.is_none() && is_first_known(context, job, &bridge, message).await? => {
            copies.decision.line.remark = Some(EDITED_FIRST.to_owned());
            let files = message.files.iter().filter(|file| !file.is_taken_back()).cloned().collect();
            posted(context, tenant, &MessageEvent { files, ..message.clone() }, &mut copies).await
        }
        MessageChange::Edited => edited(context, tenant, message, &mut copies).await,
        MessageChange::Deleted => {
            copies.are("chat.deleted");
            // The sweep may have found it before its event arrived.
            copies.decision.claims.push(format!("{}#deleted", identity(message)));
            copies.add(&message.ts, "delete", InBitrix24::Delete)?;
            Ok(Verdict::Commit)
        }
    }
}

/// What is claimed by who copies a message first. Slack sometimes sends one message under several event ids.
fn identity(message: &MessageEvent) -> String {
    format!("slack-message#{}#{}", message.channel, message.ts)
}

/// Whether nothing is known yet of a message that is carried: its edit is carried in its place, and what arrives later is
/// known then.
async fn is_first_known(
    context: &TenantContext,
    job: &ReceivedJob<EventCallback>,
    bridge: &Bridge,
    message: &MessageEvent,
) -> Result<bool, Failure> {
    if claims::find(context.backend.store.as_ref(), &job.tenant, &identity(message)).await?.is_some() {
        return Ok(false);
    }
    Ok(CarriedSpan::of(context, &job.tenant, bridge).await?.has_in_channel(&message.ts))
}

fn tenant_bot(tenant: &OpenTenant) -> &str {
    tenant.portal.slack.as_ref().map(|slack| slack.bot_user.as_str()).unwrap_or_default()
}

/// Why this is an echo of our own message, if it is.
fn echo(job: &ReceivedJob<EventCallback>, tenant: &OpenTenant, message: &MessageEvent) -> Option<&'static str> {
    let own = tenant.portal.slack.as_ref()?;
    let by_bot = message.bot_id.as_deref().is_some_and(|bot| !own.bot_id.is_empty() && bot == own.bot_id);
    let by_app = message.app_id.as_deref().is_some_and(|app| !app.is_empty() && app == job.body.api_app_id);
    let by_user = message.user.as_deref().is_some_and(|user| !own.bot_user.is_empty() && user == own.bot_user);
    (by_bot || by_app || by_user).then_some(reasons::OWN_MESSAGE)
}

async fn posted(
    context: &TenantContext,
    tenant: &OpenTenant,
    message: &MessageEvent,
    copies: &mut CopiesToBitrix24<'_>,
) -> Result<Verdict, Failure> {
    let author = author_in_slack(context, tenant, message).await?;
    let (job, written_at) = (copies.job, late::written_at(&message.ts));
    let overtaken_at = match job.body.found {
        Some(found) => written_at.filter(|_| found.is_overtaken),
        None => late::overtaken_at(context, &job.tenant, copies.bridge, written_at, job.arrived_at()).await?,
    };
    let parts = for_bitrix24(context, tenant, message, &author, overtaken_at).await?;
    copies.are("chat.posted");
    copies.decision.claims.push(identity(message));
    for (index, text) in parts.into_iter().enumerate() {
        let edited = message.edit.as_ref().map(|edit| edit.at.clone()).unwrap_or_default();
        let act = InBitrix24::Post { text, thread: message.thread.clone(), edited };
        copies.add(&message.ts, &format!("part {index}"), act)?;
    }
    copies.share(message, &author, |_| true)?;
    if copies.decision.outbox.is_empty() {
        return Ok(Verdict::skip("it is empty: no text, no blocks, no attachments, no files"));
    }
    Ok(Verdict::Commit)
}

async fn edited(
    context: &TenantContext,
    tenant: &OpenTenant,
    message: &MessageEvent,
    copies: &mut CopiesToBitrix24<'_>,
) -> Result<Verdict, Failure> {
    let author = author_in_slack(context, tenant, message).await?;
    copies.are("chat.edited");
    // Of an edit that an earlier version queued, only that it is an edit is known.
    let edit = message.edit.clone().unwrap_or_else(|| MessageEdit { words: true, ..MessageEdit::default() });
    let event = &copies.job.body.event_id;
    let of_event = |what: &str| format!("{what} {event}");
    if edit.words {
        let parts = for_bitrix24(context, tenant, message, &author, None).await?;
        let act = InBitrix24::Edit { parts, at: edit.at };
        copies.add(&message.ts, &of_event("edit"), act)?;
    }
    if !edit.taken.is_empty() {
        let files = edit.taken.into_iter().map(|file| (file.id, file.name)).collect();
        let act = InBitrix24::TakeBack { files, had: edit.had.clone() };
        copies.add(&message.ts, &of_event("taken"), act)?;
    }
    if message.edit.is_some() {
        let is_new = |file: &File| !file.is_taken_back() && !edit.had.contains(&file.id);
        copies.share(message, &author, is_new)?;
    }
    Ok(Verdict::Commit)
}

/// A reaction, as the event carries it.
#[derive(Clone, Copy)]
pub struct Reaction<'a> {
    /// Whether it was added, rather than removed.
    pub added: bool,
    /// Who reacted.
    pub user: &'a str,
    /// Its name in Slack.
    pub name: &'a str,
    /// The channel of the message.
    pub channel: &'a str,
    /// The message.
    pub ts: &'a str,
}

/// Adds the copy of a reaction.
pub async fn reaction(
    context: &TenantContext,
    job: &ReceivedJob<EventCallback>,
    tenant: &OpenTenant,
    reacted: Reaction<'_>,
    decision: &mut Decision,
) -> Result<Verdict, Failure> {
    if reacted.user == tenant_bot(tenant) {
        return Ok(Verdict::skip(reasons::OWN_REACTION));
    }
    let Some(bridge) = bridge_of_channel(context, tenant, reacted.channel).await? else {
        return Ok(Verdict::skip(reasons::NOT_BRIDGED));
    };
    let Some(reaction) = reaction_from_slack(reacted.name) else {
        return Ok(Verdict::skip(format!("Bitrix24 has no reaction like :{}:", reacted.name)));
    };
    decision.line.record = Some(format!("reaction in #{}", name_of(&bridge)));
    let by = format!("{}:{}", reacted.user, reacted.name);
    let act = InBitrix24::React { reaction: reaction.into(), by, added: reacted.added };
    let mut copies = CopiesToBitrix24 { job, bridge: &bridge, decision };
    copies.are("chat.reacted");
    copies.add(reacted.ts, &format!("reaction {}", job.body.event_id), act)?;
    Ok(Verdict::Commit)
}

/// The copies that go to Bitrix24.
struct CopiesToBitrix24<'a> {
    job: &'a ReceivedJob<EventCallback>,
    bridge: &'a Bridge,
    decision: &'a mut Decision,
}

impl CopiesToBitrix24<'_> {
    /// Sets what they are copies of.
    fn are(&mut self, change: &str) {
        self.decision.line.changes = vec![change.to_owned()];
    }

    /// Shares those of the message's files that `which` accepts.
    fn share(&mut self, message: &MessageEvent, author: &str, which: impl Fn(&File) -> bool) -> Result<(), Failure> {
        for file in message.files.iter().filter(|file| which(file)) {
            let act = InBitrix24::Share { file: Box::new(file.clone()), author: author.to_owned() };
            self.add(&message.ts, &format!("file {}", file.id), act)?;
        }
        Ok(())
    }

    /// Adds the delivery of what happened to the message of this time.
    fn add(&mut self, ts: &str, cause: &str, act: InBitrix24) -> Result<(), Failure> {
        if self.decision.outbox.len() >= MAX_DELIVERIES {
            return Err(Failure::permanent(
                "too_many_deliveries",
                format!("one message would make over {MAX_DELIVERIES} deliveries"),
            ));
        }
        let (job, bridge) = (self.job, self.bridge);
        let is_copy = matches!(act, InBitrix24::Post { .. } | InBitrix24::Share { .. });
        let id = DeliveryId::of(&[job.tenant.as_str(), "to-bitrix24", &bridge.channel, ts, cause]);
        let body = ToBitrix24 {
            delivery: id.as_str().to_owned(),
            channel: bridge.channel.clone(),
            dialog: bridge.dialog.clone(),
            ts: ts.to_owned(),
            act,
        };
        // It is queued in the millisecond in which the event arrived: the same event writes the same again.
        let line = DeliveryLine {
            record: format!("message {ts} in #{}", name_of(bridge)),
            change: self.decision.line.changes.first().cloned().unwrap_or_default(),
            route: "bridge".into(),
            destination: bridge.dialog.clone(),
            caused_at: moment_of(ts).filter(|_| is_copy).map(|at| at - MAX_PROVIDER_SKEW),
            ..DeliveryLine::new(id, job.trace, job.arrived_at(), DeliveryStatus::Queued)
        };
        Ok(self.decision.deliver(line, &body)?)
    }
}

fn name_of(bridge: &Bridge) -> &str {
    if bridge.channel_name.is_empty() { &bridge.channel } else { &bridge.channel_name }
}
