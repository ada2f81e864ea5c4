//! `/b24-bridge`: a channel and a chat become one conversation, or two again.

use clients::Failure;
use commands::answers;
use locale::language::Language;
use runtime::Kind;
use runtime::store::StoreError;
use settings::schema::WhoBridges;
use slack::Mrkdwn;
use tenants::conversations::Bridge;

use crate::ask::{Answer, Request};

pub(crate) async fn show(request: &Request<'_>) -> Result<Answer, Failure> {
    let text = match chat_bridge::bridges::bridge_of_channel(&request.deps.talk, &request.tenant, &request.channel).await? {
        Some(bridge) => joined(request, &bridge),
        None => Mrkdwn::text(request.language.pick(
            "This channel is joined with no chat. Add the bot Switchboard to the chat in Bitrix24, then type /b24-bridge chat57 with the chat's number.",
            "Этот канал не соединён с чатом. Добавьте бота Switchboard в чат Битрикс24 и наберите /b24-bridge chat57 с номером чата.",
        )),
    };
    Ok(Answer::to_one(answers::say(&text)))
}

fn joined(request: &Request<'_>, bridge: &Bridge) -> Mrkdwn {
    let name = if bridge.dialog_name.is_empty() { &bridge.dialog } else { &bridge.dialog_name };
    let words = request.language.pick("This channel is one with the chat ", "Этот канал соединён с чатом ");
    Mrkdwn::text(words).then(&Mrkdwn::link(&request.tenant.chat_url(&bridge.dialog), name))
}

/// Who may not is told so; `None` for who may.
async fn refusal(request: &Request<'_>) -> Result<Option<Answer>, Failure> {
    let may = match request.tenant.settings.chats.who_bridges {
        WhoBridges::Everyone => true,
        WhoBridges::Nobody => false,
        WhoBridges::Admins => {
            let profile = request.deps.talk.slack_profile(&request.tenant, &request.user).await?;
            // Who administers another organisation's workspace administers nothing here.
            profile.is_some_and(|user| user.is_admin && request.tenant.slack.is_member(&user))
        }
    };
    let text = request.language.pick(
        "Only administrators of this workspace join channels with chats. Ask one of them to type it.",
        "Соединять каналы с чатами могут только администраторы этого пространства. Попросите одного из них.",
    );
    Ok((!may).then(|| Answer::to_one(answers::tell(text))))
}

pub(crate) async fn join(request: &Request<'_>, dialog: &str) -> Result<Answer, Failure> {
    if let Some(refusal) = refusal(request).await? {
        return Ok(refusal);
    }
    let talk = &request.deps.talk;
    if let Some(bridge) = chat_bridge::bridges::bridge_of_channel(talk, &request.tenant, &request.channel).await? {
        return Ok(Answer::to_one(answers::say(&joined(request, &bridge))));
    }
    let Some(url) = &request.deps.public_url else {
        let text = "Switchboard does not know its public address yet: set public_url (on one machine) or PublicUrl (on AWS), and start it again.";
        return Ok(Answer::to_one(answers::tell(text)));
    };
    if chat_bridge::bridges::bridge_of_dialog(talk, &request.tenant, dialog).await?.is_some() {
        return Ok(Answer::to_one(answers::tell(taken(request.language))));
    }
    let bot = chat_bridge::registration::ensure_bot(talk, &request.tenant, url).await?;
    let dialog_name = match request.tenant.bitrix24.ask(&bot.chat(dialog)).await {
        Ok(answer) => {
            let chat = if answer.result["chat"].is_object() { &answer.result["chat"] } else { &answer.result };
            chat["name"].as_str().unwrap_or_default().to_owned()
        }
        Err(Failure { kind: Kind::Permanent { .. }, .. }) => {
            return Ok(Answer::to_one(answers::tell(&not_in_chat(dialog, request.language))));
        }
        Err(failure) => return Err(failure),
    };
    let channel = request.tenant.slack.channel_info(&request.channel).await?;
    if !channel.is_member {
        let fix = request
            .language
            .pick("Invite the bot first: /invite @Switchboard", "Сначала пригласите бота: /invite @Switchboard");
        match request.tenant.slack.join(&slack::ChannelId::from(request.channel.as_str())).await {
            Err(Failure { kind: Kind::Permanent { .. }, .. }) => return Ok(Answer::to_one(answers::tell(fix))),
            joined => joined?,
        }
    }
    let bridge = Bridge {
        channel: request.channel.clone(),
        dialog: dialog.to_owned(),
        channel_name: channel.name,
        dialog_name,
        by: request.user.clone(),
        at: request.deps.clock.now(),
    };
    match talk.conversations.join(&request.tenant.id, &bridge).await {
        Ok(()) => {
            let message = answers::say(&joined(request, &bridge));
            Ok(Answer::done(message, "bridge.joined", format!("#{} and {dialog}", bridge.channel_name)).seen_by(true))
        }
        Err(StoreError::Conflict(_)) => Ok(Answer::to_one(answers::tell(taken(request.language)))),
        Err(error) => Err(error.into()),
    }
}

fn taken(language: Language) -> &'static str {
    language.pick(
        "This chat is joined with another channel already. Part them there first: /b24-bridge off",
        "Этот чат уже соединён с другим каналом. Сначала разъедините их там: /b24-bridge off",
    )
}

fn not_in_chat(dialog: &str, language: Language) -> String {
    match language {
        Language::En => format!(
            "The bot does not see {dialog}. Add the bot Switchboard to that chat in Bitrix24, then type this again."
        ),
        Language::Ru => {
            format!("Бот не видит {dialog}. Добавьте бота Switchboard в этот чат Битрикс24 и повторите команду.")
        }
    }
}

pub(crate) async fn part(request: &Request<'_>) -> Result<Answer, Failure> {
    if let Some(refusal) = refusal(request).await? {
        return Ok(refusal);
    }
    let talk = &request.deps.talk;
    let text = match talk.conversations.of_channel(&request.tenant.id, &request.channel).await? {
        Some(bridge) => {
            talk.conversations.part(&request.tenant.id, &bridge).await?;
            let text = request.language.pick("Channel and chat are two again.", "Канал и чат снова разделены.");
            return Ok(Answer::done(answers::tell(text), "bridge.parted", bridge.dialog).seen_by(true));
        }
        None if chat_bridge::bridges::bridge_of_channel(talk, &request.tenant, &request.channel).await?.is_some() => {
            "This bridge stands in the settings document, under bridges; take it out there."
        }
        None => request.language.pick("This channel is joined with no chat.", "Этот канал не соединён с чатом."),
    };
    Ok(Answer::to_one(answers::tell(text)))
}
