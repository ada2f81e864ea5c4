//! A message in a bridged channel, as deliveries to its chat.

use clients::Failure;
use jobs::chat::{InBitrix24, ToBitrix24};
use runtime::DeliveryId;
use runtime::job::ReceivedJob;
use runtime::ledger::{DeliveryLine, DeliveryStatus};
use runtime::reasons;
use slack::event::{Edit, EventCallback, File, MessageChange, MessageEvent};
use tenants::conversations::{Bridge, Side};
use text::reaction_from_slack;
use user_mapping::Tenant;

use crate::Deps;
use crate::decide::Understood;

/// Deliveries of one event: what DynamoDB takes in a transaction, less the event's own.
const MOST: usize = 90;

pub(crate) async fn message(
    deps: &Deps,
    job: &ReceivedJob<EventCallback>,
    tenant: &Tenant,
    message: &MessageEvent,
) -> Result<Understood, Failure> {
    if let Some(why) = echo(job, tenant, message) {
        return Ok(Understood::skip(why));
    }
    let Some(bridge) = chat_bridge::bridges::bridge_of_channel(&deps.talk, tenant, &message.channel).await? else {
        return Ok(Understood::skip(reasons::NOT_BRIDGED));
    };
    let link = deps.talk.conversations.of_slack_message(&job.tenant, &message.channel, &message.ts).await?;
    if link.as_ref().is_some_and(|(link, _)| link.written_in == Side::Bitrix24) {
        return Ok(Understood::skip("echo: it is a copy from Bitrix24"));
    }
    if let Some(row) = message.left_out() {
        return Ok(Understood::skip(format!("{} is not copied: {}", row.what, row.how)));
    }
    let is_bot = message.bot_id.is_some() && message.user.as_deref() != Some(tenant_bot(tenant));
    if is_bot && !tenant.settings.chats.bots {
        return Ok(Understood::skip(reasons::OTHER_BOT));
    }
    let record = Some(format!("message in #{}", name_of(&bridge)));
    let decided = match message.change {
        MessageChange::Posted => posted(deps, job, tenant, &bridge, message).await?,
        MessageChange::Edited if message.is_the_same() => {
            Understood::skip("nothing that is copied changed, for example only the preview of a link")
        }
        MessageChange::Edited => edited(deps, job, tenant, &bridge, message).await?,
        MessageChange::Deleted => {
            let mut understood = Understood::did("chat.deleted");
            add(&mut understood, job, &bridge, message, "delete", InBitrix24::Delete)?;
            understood
        }
    };
    Ok(Understood { record, ..decided })
}

fn tenant_bot(tenant: &Tenant) -> &str {
    tenant.portal.slack.as_ref().map(|slack| slack.bot_user.as_str()).unwrap_or_default()
}

/// Why this is our own message coming back, if it is.
fn echo(job: &ReceivedJob<EventCallback>, tenant: &Tenant, message: &MessageEvent) -> Option<&'static str> {
    let own = tenant.portal.slack.as_ref()?;
    let by_bot = message.bot_id.as_deref().is_some_and(|bot| !own.bot_id.is_empty() && bot == own.bot_id);
    let by_app = message.app_id.as_deref().is_some_and(|app| !app.is_empty() && app == job.body.api_app_id);
    let by_user = message.user.as_deref().is_some_and(|user| !own.bot_user.is_empty() && user == own.bot_user);
    (by_bot || by_app || by_user).then_some(reasons::OWN_MESSAGE)
}

async fn posted(
    deps: &Deps,
    job: &ReceivedJob<EventCallback>,
    tenant: &Tenant,
    bridge: &Bridge,
    message: &MessageEvent,
) -> Result<Understood, Failure> {
    let author = chat_bridge::texts::author_in_slack(&deps.talk, tenant, message).await?;
    let parts = chat_bridge::texts::for_bitrix24(&deps.talk, tenant, message, &author).await?;
    let mut understood = Understood::did("chat.posted");
    // One Slack message comes under several event ids at times.
    understood.identity = Some(format!("slack-message#{}#{}", message.channel, message.ts));
    for (place, text) in parts.into_iter().enumerate() {
        let act = InBitrix24::Post { text, thread: message.thread.clone() };
        add(&mut understood, job, bridge, message, &format!("part {place}"), act)?;
    }
    share(&mut understood, job, bridge, message, &author, |_| true)?;
    if understood.deliveries.is_empty() {
        understood.skipped = Some("it is empty: no text, no blocks, no attachments, no files".into());
    }
    Ok(understood)
}

async fn edited(
    deps: &Deps,
    job: &ReceivedJob<EventCallback>,
    tenant: &Tenant,
    bridge: &Bridge,
    message: &MessageEvent,
) -> Result<Understood, Failure> {
    let author = chat_bridge::texts::author_in_slack(&deps.talk, tenant, message).await?;
    let mut understood = Understood::did("chat.edited");
    // Of an edit that was queued before all was compared, nothing is known but that it is one.
    let edit = message.edit.clone().unwrap_or_else(|| Edit { words: true, ..Edit::default() });
    let of_event = |what: &str| format!("{what} {}", job.body.event_id);
    if edit.words {
        let parts = chat_bridge::texts::for_bitrix24(&deps.talk, tenant, message, &author).await?;
        let act = InBitrix24::Edit { parts, at: edit.at };
        add(&mut understood, job, bridge, message, &of_event("edit"), act)?;
    }
    if !edit.taken.is_empty() {
        let files = edit.taken.into_iter().map(|file| (file.id, file.name)).collect();
        let act = InBitrix24::TakeBack { files, had: edit.had.clone() };
        add(&mut understood, job, bridge, message, &of_event("taken"), act)?;
    }
    if message.edit.is_some() {
        let is_new = |file: &File| !file.is_taken_back() && !edit.had.contains(&file.id);
        share(&mut understood, job, bridge, message, &author, is_new)?;
    }
    Ok(understood)
}

/// Shares the message's files: of one, `which` says whether.
fn share(
    understood: &mut Understood,
    job: &ReceivedJob<EventCallback>,
    bridge: &Bridge,
    message: &MessageEvent,
    author: &str,
    which: impl Fn(&File) -> bool,
) -> Result<(), Failure> {
    for file in message.files.iter().filter(|file| which(file)) {
        let act = InBitrix24::Share { file: Box::new(file.clone()), author: author.to_owned() };
        add(understood, job, bridge, message, &format!("file {}", file.id), act)?;
    }
    Ok(())
}

/// A reaction, as the event carries it.
#[derive(Clone, Copy)]
pub(crate) struct Reaction<'a> {
    pub(crate) added: bool,
    pub(crate) user: &'a str,
    pub(crate) name: &'a str,
    pub(crate) channel: &'a str,
    pub(crate) ts: &'a str,
}

pub(crate) async fn reaction(
    deps: &Deps,
    job: &ReceivedJob<EventCallback>,
    tenant: &Tenant,
    told: Reaction<'_>,
) -> Result<Understood, Failure> {
    if told.user == tenant_bot(tenant) {
        return Ok(Understood::skip(reasons::OWN_REACTION));
    }
    let Some(bridge) = chat_bridge::bridges::bridge_of_channel(&deps.talk, tenant, told.channel).await? else {
        return Ok(Understood::skip(reasons::NOT_BRIDGED));
    };
    let Some(reaction) = reaction_from_slack(told.name) else {
        return Ok(Understood::skip(format!("Bitrix24 has no reaction like :{}:", told.name)));
    };
    let mut understood = Understood::did("chat.reacted");
    understood.record = Some(format!("reaction in #{}", name_of(&bridge)));
    let act =
        InBitrix24::React { reaction: reaction.into(), by: format!("{}:{}", told.user, told.name), added: told.added };
    let cause = format!("reaction {}", job.body.event_id);
    deliver(&mut understood, job, &bridge, told.ts, &cause, act)?;
    Ok(understood)
}

fn add(
    understood: &mut Understood,
    job: &ReceivedJob<EventCallback>,
    bridge: &Bridge,
    message: &MessageEvent,
    cause: &str,
    act: InBitrix24,
) -> Result<(), Failure> {
    deliver(understood, job, bridge, &message.ts, cause, act)
}

fn deliver(
    understood: &mut Understood,
    job: &ReceivedJob<EventCallback>,
    bridge: &Bridge,
    ts: &str,
    cause: &str,
    act: InBitrix24,
) -> Result<(), Failure> {
    if understood.deliveries.len() >= MOST {
        return Err(Failure::permanent(
            "too_many_deliveries",
            format!("one message would make over {MOST} deliveries"),
        ));
    }
    let tenant = &job.tenant;
    let id = DeliveryId::of(&[tenant.as_str(), "to-bitrix24", &bridge.channel, ts, cause]);
    let body = ToBitrix24 {
        delivery: id.as_str().to_owned(),
        channel: bridge.channel.clone(),
        dialog: bridge.dialog.clone(),
        ts: ts.to_owned(),
        act,
    };
    // Queued in the millisecond in which it arrived: the same again writes the same.
    let line = DeliveryLine {
        record: format!("message {ts} in #{}", name_of(bridge)),
        change: understood.changes.first().cloned().unwrap_or_default(),
        route: "bridge".into(),
        destination: bridge.dialog.clone(),
        ..DeliveryLine::new(id, job.trace, job.arrived_at(), DeliveryStatus::Queued)
    };
    understood.deliveries.push((line, body));
    Ok(())
}

fn name_of(bridge: &Bridge) -> &str {
    if bridge.channel_name.is_empty() { &bridge.channel } else { &bridge.channel_name }
}
