//! The page of chat bridges: the list, a form for a new one, a button that ends one.

use clients::{ErrorClass, Failure};
use maud::html;
use runtime::store::StoreError;
use tenants::conversations::Bridge;
use web::page::Form;

use crate::page::{Page, heads, signed_in, token};
use crate::{Answer, Opened};

pub(crate) async fn show(visit: &Opened<'_>, done: &str) -> Result<Answer, Failure> {
    let bridges = visit.deps.talk.conversations.bridges(&visit.tenant.id).await?;
    let bot = chat_bridge::registration::bot(&visit.deps.talk, &visit.tenant).await?;
    let settings = &visit.tenant.settings.bridges;
    let body = html! {
        p { "What is written in a channel is read in its chat, and what is written in the chat is read in the channel." }
        @match &bot {
            Some(bot) => p.hint { "The bot on the portal is user " (bot.id) ". It has to be in every chat that is joined." },
            None => p.hint { "There is no bot on the portal yet; the first conversation that is joined registers it." },
        }
        @if bridges.is_empty() && settings.is_empty() { p.hint { "No channel is joined with a chat yet." } }
        @else {
            table {
                (heads(&["Channel", "Chat", "By", ""]))
                tbody {
                    @for bridge in &bridges {
                        tr {
                            td data-label="Channel" { "#" (bridge.channel_name) " " code { (bridge.channel) } }
                            td data-label="Chat" { a href=(visit.tenant.chat_url(&bridge.dialog)) { (if bridge.dialog_name.is_empty() { &bridge.dialog } else { &bridge.dialog_name }) } }
                            td data-label="By" { (bridge.by) }
                            td {
                                form.inline method="post" action="/admin/bridges/part" {
                                    (token(visit)) input type="hidden" name="channel" value=(bridge.channel);
                                    button { "Part" }
                                }
                            }
                        }
                    }
                    @for bridge in settings {
                        tr {
                            td data-label="Channel" { (bridge.channel) }
                            td data-label="Chat" { (bridge.chat) }
                            td data-label="By" { "the settings" }
                            td { span.hint { "changed there" } }
                        }
                    }
                }
            }
        }
        h2 { "Join two" }
        form method="post" action="/admin/bridges/join" {
            (token(visit))
            label for="channel" { "Channel" } input id="channel" name="channel" placeholder="#support" required;
            label for="chat" { "Chat, by its number or address" } input id="chat" name="chat" placeholder="chat57" required;
            button.main { "Join" }
        }
    };
    Ok(Answer::Page(signed_in(visit, Page::Conversations, done, &body)))
}

pub(crate) async fn join(visit: &Opened<'_>, form: &Form) -> Result<Answer, Failure> {
    Ok(Answer::to("/bridges", joined(visit, form.get("channel"), form.get("chat")).await?))
}

async fn joined(visit: &Opened<'_>, named: &str, chat: &str) -> Result<String, Failure> {
    let talk = &visit.deps.talk;
    let Some(dialog) = bitrix24::chat::dialog_id(chat) else {
        return Ok(format!("“{chat}” is no chat: name it as chat57, or by its address."));
    };
    let Some(url) = &visit.public_url else {
        return Ok("Switchboard does not know its public address: set public_url, or the parameter PublicUrl.".into());
    };
    let channel = match visit.tenant.slack.channel(named, true).await {
        Err(Failure { class: ErrorClass::Permanent { .. }, text, .. }) => return Ok(format!("{named}: {text}.")),
        channel => channel?,
    };
    if let Some(bridge) = chat_bridge::bridges::bridge_of_dialog(talk, &visit.tenant, &dialog).await? {
        return Ok(format!("{dialog} is joined with #{} already; part those first.", bridge.channel_name));
    }
    let bot = chat_bridge::registration::ensure_bot(talk, &visit.tenant, url).await?;
    let dialog_name = match visit.tenant.bitrix24.ask(&bot.chat(&dialog)).await {
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {
            return Ok(format!(
                "The bot does not see {dialog}. Add the bot Switchboard to that chat in Bitrix24, then join them."
            ));
        }
        answer => {
            let result = answer?.result;
            let chat = if result["chat"].is_object() { &result["chat"] } else { &result };
            chat["name"].as_str().unwrap_or_default().to_owned()
        }
    };
    let info = visit.tenant.slack.channel_info(&channel.0).await?;
    if !info.is_member
        && let Err(failure) = visit.tenant.slack.join(&channel).await
    {
        return Ok(format!("The bot cannot join #{}: {}. Invite it: /invite @Switchboard", info.name, failure.code()));
    }
    let bridge = Bridge {
        channel: channel.0,
        dialog,
        channel_name: info.name,
        dialog_name,
        by: visit.session.who.clone(),
        at: talk.ports.clock.now(),
    };
    match talk.conversations.join(&visit.tenant.id, &bridge).await {
        Ok(()) => {
            visit.note("joined", &format!("#{} and {}", bridge.channel_name, bridge.dialog), "", "").await?;
            Ok(format!("#{} and {} are one conversation now.", bridge.channel_name, bridge.dialog))
        }
        Err(StoreError::Conflict(_)) => Ok("One of them is joined with another already; part those first.".into()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn part(visit: &Opened<'_>, form: &Form) -> Result<Answer, Failure> {
    let talk = &visit.deps.talk;
    if let Some(bridge) = talk.conversations.of_channel(&visit.tenant.id, form.get("channel")).await? {
        talk.conversations.part(&visit.tenant.id, &bridge).await?;
        visit.note("parted", &format!("#{} and {}", bridge.channel_name, bridge.dialog), "", "").await?;
    }
    Ok(Answer::to("/bridges", "They are two again."))
}
