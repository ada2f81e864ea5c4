//! The page of chat bridges: the list, a form for a new one, a button that ends one.

use chat_bridge::sweep;
use chat_bridge::sweep::BridgeState;
use clients::{ErrorClass, Failure};
use locale::texts;
use maud::{Markup, html};
use runtime::store::StoreError;
use settings::schema::BridgeSetting;
use tenants::bridges::Bridge;
use web::components::{Column, empty, table};
use web::page::Form;

use crate::page::{Page, signed_in, token};
use crate::{ConnectedVisit, PageAnswer};

pub(crate) async fn show(visit: &ConnectedVisit<'_>, done: &str) -> Result<PageAnswer, Failure> {
    let language = visit.language;
    let bridges = visit.deps.context.conversations.bridges(&visit.tenant.id).await?;
    let bot = chat_bridge::registration::bot(&visit.deps.context, &visit.tenant).await?;
    let in_settings = &visit.tenant.settings.bridges;
    let mut states = Vec::new();
    for bridge in &bridges {
        states.push(sweep::state(&visit.deps.context, &visit.tenant.id, bridge).await?);
    }
    let body = html! {
        p { (language.text(texts::configuration::BRIDGES_HELP)) }
        p.hint { (language.text(texts::configuration::BRIDGES_MISSED_HELP)) }
        p.hint {
            @match &bot {
                Some(bot) => (language.text(texts::configuration::BotIsUser { id: bot.id })),
                None => (language.text(texts::configuration::NO_BOT_YET)),
            }
        }
        @if bridges.is_empty() && in_settings.is_empty() { (empty(language.text(texts::configuration::NO_BRIDGES))) }
        @else { (list(visit, &bridges, &states, in_settings)) }
        h2 { (language.text(texts::configuration::NEW_BRIDGE)) }
        form method="post" action="/admin/bridges/join" {
            (token(visit))
            label for="channel" { (language.text(texts::configuration::CHANNEL)) }
            input id="channel" name="channel" placeholder="#support" required;
            label for="chat" { (language.text(texts::configuration::CHAT_BY_NUMBER)) }
            input id="chat" name="chat" placeholder="chat57" required;
            button.main { (language.text(texts::configuration::BRIDGE)) }
        }
    };
    Ok(PageAnswer::Page(signed_in(visit, Page::Conversations, done, &body)))
}

fn list(
    visit: &ConnectedVisit<'_>,
    bridges: &[Bridge],
    states: &[BridgeState],
    in_settings: &[BridgeSetting],
) -> Markup {
    let language = visit.language;
    let columns = [
        Column::text(language.text(texts::configuration::CHANNEL)),
        Column::text(language.text(texts::configuration::CHAT)),
        Column::text(language.text(texts::configuration::MADE_BY)),
        Column::untitled(),
    ];
    let made_here = bridges.iter().zip(states).map(|(bridge, state)| {
        let chat = if bridge.dialog_name.is_empty() { &bridge.dialog } else { &bridge.dialog_name };
        let name = language.text(texts::configuration::UnbridgeChannel { channel: &bridge.channel_name });
        [
            html! {
                "#" (bridge.channel_name) " " code { (bridge.channel) }
                @if let Some(code) = &state.channel_refused {
                    p.hint { (language.text(texts::configuration::ChannelUnread { code })) }
                }
            },
            html! {
                a href=(visit.tenant.chat_url(&bridge.dialog)) { (chat) }
                @if state.chat_refused.is_some() { p.hint { (language.text(texts::configuration::CHAT_UNREAD)) } }
            },
            html! { (bridge.by) },
            html! {
                form.inline method="post" action="/admin/bridges/part" {
                    (token(visit)) input type="hidden" name="channel" value=(bridge.channel);
                    button aria-label=(name) { (language.text(texts::configuration::UNBRIDGE)) }
                }
            },
        ]
    });
    let made_there = in_settings.iter().map(|bridge| {
        [
            html! { (bridge.channel) },
            html! { code { (bridge.chat) } },
            html! { (language.text(texts::configuration::BY_SETTINGS)) },
            html! { span.hint { (language.text(texts::configuration::CHANGED_IN_SETTINGS)) } },
        ]
    });
    table(language.text(texts::configuration::BRIDGES), columns, made_here.chain(made_there))
}

pub(crate) async fn join(visit: &ConnectedVisit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    Ok(PageAnswer::to("/bridges", joined(visit, form.get("channel"), form.get("chat")).await?))
}

/// Bridges a channel with a chat; returns the outcome.
async fn joined(visit: &ConnectedVisit<'_>, named: &str, chat: &str) -> Result<String, Failure> {
    let (context, language) = (&visit.deps.context, visit.language);
    let Some(dialog) = bitrix24::chat::dialog_id(chat) else {
        return Ok(language.text(texts::configuration::NotAChat { chat }));
    };
    let Some(url) = &visit.public_url else {
        return Ok(language.text(texts::configuration::ADDRESS_UNKNOWN).to_owned());
    };
    let channel = match visit.tenant.slack.channel(named, true).await {
        Err(Failure { class: ErrorClass::Permanent { .. }, text, .. }) => {
            return Ok(language.text(texts::configuration::ChannelRefused { channel: named, reason: &text }));
        }
        channel => channel?,
    };
    if let Some(bridge) = chat_bridge::bridges::bridge_of_dialog(context, &visit.tenant, &dialog).await? {
        let channel = bridge.channel_name;
        return Ok(language.text(texts::configuration::ChatIsBridged { chat: dialog, channel }));
    }
    let bot = chat_bridge::registration::ensure_bot(context, &visit.tenant, url).await?;
    let dialog_name = match visit.tenant.bitrix24.ask(&bot.chat(&dialog)).await {
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {
            return Ok(language.text(texts::configuration::BotNotInChat { chat: dialog }));
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
        let reason = failure.code().to_string();
        return Ok(language.text(texts::configuration::BotCannotJoin { channel: info.name, reason }));
    }
    let bridge = Bridge {
        channel: channel.0,
        dialog,
        channel_name: info.name,
        dialog_name,
        by: visit.session.who.clone(),
        at: context.backend.clock.now(),
    };
    match context.conversations.join(&visit.tenant.id, &bridge).await {
        Ok(()) => {
            visit.note("joined", &format!("#{} and {}", bridge.channel_name, bridge.dialog), "", "").await?;
            let is_readable = sweep::is_readable(context, &visit.tenant, &bridge).await?;
            let (channel, chat) = (bridge.channel_name, bridge.dialog);
            let done = language.text(texts::configuration::AreBridged { channel, chat });
            Ok(if is_readable { done } else { format!("{done} {}", language.text(texts::configuration::CHAT_UNREAD)) })
        }
        Err(StoreError::Conflict(_)) => Ok(language.text(texts::configuration::ONE_IS_BRIDGED).to_owned()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn part(visit: &ConnectedVisit<'_>, form: &Form) -> Result<PageAnswer, Failure> {
    let context = &visit.deps.context;
    if let Some(bridge) = context.conversations.of_channel(&visit.tenant.id, form.get("channel")).await? {
        context.conversations.part(&visit.tenant.id, &bridge).await?;
        visit.note("parted", &format!("#{} and {}", bridge.channel_name, bridge.dialog), "", "").await?;
    }
    Ok(PageAnswer::to("/bridges", visit.language.text(texts::configuration::ARE_UNBRIDGED)))
}
