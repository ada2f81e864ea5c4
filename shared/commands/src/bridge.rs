//! `/b24-bridge`: bridges a channel with a chat, or ends their bridge.

use locale::Language;

use crate::misuse::Misuse;
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandHelp, CommandSpec, WithoutText};
use crate::typed::CommandContext;

/// The command.
pub struct BridgeCommand;

impl Acknowledge for BridgeCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-bridge",
        description: "Bridge this channel with a Bitrix24 chat",
        usage: "[chat57 or off]",
        documentation: (
            "`/b24-bridge chat57`, `/b24-bridge off`",
            "bridges this channel with a chat, removes the bridge; without text it shows the bridge of this channel",
        ),
        help,
        without_text: WithoutText::Run,
        shortcut: None,
        names_people: false,
        can_be_public: false,
    };
}

fn help(language: Language) -> CommandHelp {
    CommandHelp {
        does: language.pick(
            "bridges this channel with a Bitrix24 chat: what is written in one can be read in both.",
            "соединяет этот канал с чатом Битрикс24: написанное в одном видно в обоих.",
        ),
        examples: &["/b24-bridge chat57", "/b24-bridge off"],
    }
}

/// What `/b24-bridge` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BridgeAct {
    /// Shows the bridge of the channel.
    Show,
    /// Bridges the channel with this chat.
    Join(String),
    /// Removes the bridge.
    Part,
}

/// Reads what was typed.
pub fn parse(tokens: &[TextToken<'_>], context: &CommandContext<'_>) -> Result<BridgeAct, Misuse> {
    let words = reader::simple(&reader::line(tokens, false));
    let lower = words.to_lowercase();
    if lower.is_empty() {
        return Ok(BridgeAct::Show);
    }
    if ["off", "stop", "none", "выкл"].contains(&lower.as_str()) {
        return Ok(BridgeAct::Part);
    }
    let chat = match tokens {
        [one] => match reader::host_and_path(one) {
            Some((host, _)) if !host.eq_ignore_ascii_case(context.portal) => {
                return Err(Misuse::OtherPortal(host, context.portal.to_owned()));
            }
            Some((host, path)) => format!("{host}/{path}"),
            None => words.clone(),
        },
        _ => words.clone(),
    };
    bitrix24::chat::dialog_id(&chat).map(BridgeAct::Join).ok_or(Misuse::Chat(words))
}

#[cfg(feature = "act")]
mod act {
    use clients::{ErrorClass, Failure};
    use locale::Language;
    use runtime::store::StoreError;
    use settings::schema::WhoBridges;
    use slack::Mrkdwn;
    use tenants::conversations::Bridge;

    use super::{BridgeAct, BridgeCommand, parse};
    use crate::answers;
    use crate::perform::Perform;
    use crate::reader::TextToken;
    use crate::request::{CommandAnswer, CommandRequest};
    use crate::spec::Acknowledge;
    use crate::typed::CommandContext;

    impl Perform for BridgeCommand {
        async fn run(
            request: &CommandRequest<'_>,
            tokens: &[TextToken<'_>],
            context: &CommandContext<'_>,
        ) -> Result<CommandAnswer, Failure> {
            match parse(tokens, context) {
                Ok(BridgeAct::Show) => show(request).await,
                Ok(BridgeAct::Join(dialog)) => join(request, &dialog).await,
                Ok(BridgeAct::Part) => part(request).await,
                Err(misuse) => Ok(CommandAnswer::misuse(misuse, &Self::SPEC, request.language)),
            }
        }
    }

    async fn show(request: &CommandRequest<'_>) -> Result<CommandAnswer, Failure> {
        let text = match chat_bridge::bridges::bridge_of_channel(&request.deps.talk, &request.tenant, &request.channel).await? {
            Some(bridge) => joined(request, &bridge),
            None => Mrkdwn::text(request.language.pick(
                "This channel is not bridged. Add the bot Switchboard to the chat in Bitrix24, then type /b24-bridge chat57 with the chat's number.",
                "Этот канал не соединён с чатом. Добавьте бота Switchboard в чат Битрикс24 и наберите /b24-bridge chat57 с номером чата.",
            )),
        };
        Ok(CommandAnswer::to_one(answers::say(&text)))
    }

    fn joined(request: &CommandRequest<'_>, bridge: &Bridge) -> Mrkdwn {
        let name = if bridge.dialog_name.is_empty() { &bridge.dialog } else { &bridge.dialog_name };
        let words = request.language.pick("This channel is bridged with the chat ", "Этот канал соединён с чатом ");
        Mrkdwn::text(words).then(&Mrkdwn::link(&request.tenant.chat_url(&bridge.dialog), name))
    }

    /// Why the person cannot change bridges; `None` if they can.
    async fn refusal(request: &CommandRequest<'_>) -> Result<Option<CommandAnswer>, Failure> {
        let may = match request.tenant.settings.chats.who_bridges {
            WhoBridges::Everyone => true,
            WhoBridges::Nobody => false,
            WhoBridges::Admins => {
                let profile = request.deps.talk.slack_profile(&request.tenant, &request.user).await?;
                // An administrator of another organisation's workspace does not administer this one.
                profile.is_some_and(|user| user.is_admin && request.tenant.slack.is_member(&user))
            }
        };
        let text = request.language.pick(
            "Only administrators of this workspace can bridge channels with chats. Ask one of them to type this command.",
            "Соединять каналы с чатами могут только администраторы этого пространства. Попросите одного из них.",
        );
        Ok((!may).then(|| CommandAnswer::to_one(answers::plain(text))))
    }

    async fn join(request: &CommandRequest<'_>, dialog: &str) -> Result<CommandAnswer, Failure> {
        if let Some(refusal) = refusal(request).await? {
            return Ok(refusal);
        }
        let talk = &request.deps.talk;
        if let Some(bridge) = chat_bridge::bridges::bridge_of_channel(talk, &request.tenant, &request.channel).await? {
            return Ok(CommandAnswer::to_one(answers::say(&joined(request, &bridge))));
        }
        let Some(url) = &request.deps.public_url else {
            let text = "The public address of Switchboard is not configured. Set public_url (on one machine) or PublicUrl (on AWS), and restart.";
            return Ok(CommandAnswer::to_one(answers::plain(text)));
        };
        if chat_bridge::bridges::bridge_of_dialog(talk, &request.tenant, dialog).await?.is_some() {
            return Ok(CommandAnswer::to_one(answers::plain(taken(request.language))));
        }
        let bot = chat_bridge::registration::ensure_bot(talk, &request.tenant, url).await?;
        let dialog_name = match request.tenant.bitrix24.ask(&bot.chat(dialog)).await {
            Ok(answer) => {
                let chat = if answer.result["chat"].is_object() { &answer.result["chat"] } else { &answer.result };
                chat["name"].as_str().unwrap_or_default().to_owned()
            }
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {
                return Ok(CommandAnswer::to_one(answers::plain(&not_in_chat(dialog, request.language))));
            }
            Err(failure) => return Err(failure),
        };
        let channel = request.tenant.slack.channel_info(&request.channel).await?;
        if !channel.is_member {
            let fix = request
                .language
                .pick("Invite the bot first: /invite @Switchboard", "Сначала пригласите бота: /invite @Switchboard");
            match request.tenant.slack.join(&slack::ChannelId::from(request.channel.as_str())).await {
                Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {
                    return Ok(CommandAnswer::to_one(answers::plain(fix)));
                }
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
                Ok(CommandAnswer::done(message, "bridge.joined", format!("#{} and {dialog}", bridge.channel_name))
                    .seen_by_all())
            }
            Err(StoreError::Conflict(_)) => Ok(CommandAnswer::to_one(answers::plain(taken(request.language)))),
            Err(error) => Err(error.into()),
        }
    }

    fn taken(language: Language) -> &'static str {
        language.pick(
            "This chat is already bridged with another channel. Remove that bridge there first: /b24-bridge off",
            "Этот чат уже соединён с другим каналом. Сначала разъедините их там: /b24-bridge off",
        )
    }

    fn not_in_chat(dialog: &str, language: Language) -> String {
        match language {
            Language::En => format!(
                "The bot is not in {dialog}. Add the bot Switchboard to that chat in Bitrix24, then type this again."
            ),
            Language::Ru => {
                format!("Бот не видит {dialog}. Добавьте бота Switchboard в этот чат Битрикс24 и повторите команду.")
            }
        }
    }

    async fn part(request: &CommandRequest<'_>) -> Result<CommandAnswer, Failure> {
        if let Some(refusal) = refusal(request).await? {
            return Ok(refusal);
        }
        let talk = &request.deps.talk;
        let text = match talk.conversations.of_channel(&request.tenant.id, &request.channel).await? {
            Some(bridge) => {
                talk.conversations.part(&request.tenant.id, &bridge).await?;
                let text = request
                    .language
                    .pick("The channel is no longer bridged with the chat.", "Канал и чат снова разделены.");
                return Ok(CommandAnswer::done(answers::plain(text), "bridge.parted", bridge.dialog).seen_by_all());
            }
            None if chat_bridge::bridges::bridge_of_channel(talk, &request.tenant, &request.channel)
                .await?
                .is_some() =>
            {
                "This bridge is in the settings document, under bridges. Remove it there."
            }
            None => request.language.pick("This channel is not bridged.", "Этот канал не соединён с чатом."),
        };
        Ok(CommandAnswer::to_one(answers::plain(text)))
    }
}
