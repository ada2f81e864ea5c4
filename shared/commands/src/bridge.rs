//! `/b24-bridge`: bridges a channel with a chat, or ends their bridge.

use locale::texts;

use crate::misuse::Misuse;
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandSpec, WithoutText};
use crate::typed::CommandContext;

pub struct BridgeCommand;

impl Acknowledge for BridgeCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-bridge",
        description: texts::commands::COMMAND_BRIDGE,
        usage: texts::commands::COMMAND_BRIDGE_USAGE,
        documentation: (
            "`/b24-bridge chat57`, `/b24-bridge off`",
            "bridges this channel with a chat, removes the bridge; without text it shows the bridge of this channel",
        ),
        help: texts::commands::COMMAND_BRIDGE_HELP,
        examples: texts::commands::COMMAND_BRIDGE_EXAMPLES,
        without_text: WithoutText::Run,
        shortcut: None,
        names_people: false,
        can_be_public: false,
    };

    fn only_reads(tokens: &[TextToken<'_>]) -> bool {
        tokens.is_empty()
    }
}

/// The actions of `/b24-bridge`.
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
    use locale::{Fixed, texts};
    use runtime::store::StoreError;
    use settings::schema::WhoBridges;
    use slack::Mrkdwn;
    use tenants::bridges::Bridge;

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
        let found =
            chat_bridge::bridges::bridge_of_channel(&request.deps.context, &request.tenant, &request.channel).await?;
        Ok(match found {
            Some(bridge) => CommandAnswer::to_one(answers::say(&bridged(request, &bridge))),
            None => say(request, texts::commands::NOT_BRIDGED_YET),
        })
    }

    fn say(request: &CommandRequest<'_>, text: Fixed) -> CommandAnswer {
        CommandAnswer::to_one(answers::plain(request.language.text(text)))
    }

    fn bridged(request: &CommandRequest<'_>, bridge: &Bridge) -> Mrkdwn {
        let name = if bridge.dialog_name.is_empty() { &bridge.dialog } else { &bridge.dialog_name };
        let chat = Mrkdwn::link(&request.tenant.chat_url(&bridge.dialog), name);
        answers::marked_up(&texts::commands::Bridged { chat }, request.language)
    }

    /// Why the person cannot change bridges; `None` if they can.
    async fn refusal(request: &CommandRequest<'_>) -> Result<Option<CommandAnswer>, Failure> {
        let who = request.tenant.settings.chats.who_bridges;
        let is_admin = who == WhoBridges::Admins && is_admin(request).await?;
        Ok(why_not(who, is_admin).map(|text| say(request, text)))
    }

    async fn is_admin(request: &CommandRequest<'_>) -> Result<bool, Failure> {
        let profile = request.deps.context.slack_profile(&request.tenant, &request.user).await?;
        // An administrator of another organisation's workspace does not administer this one.
        Ok(profile.is_some_and(|user| user.is_admin && request.tenant.slack.is_member(&user)))
    }

    /// Why a person cannot change bridges, by what the settings say and whether they administer the workspace.
    fn why_not(who: WhoBridges, is_admin: bool) -> Option<Fixed> {
        match who {
            WhoBridges::Everyone => None,
            WhoBridges::Admins if is_admin => None,
            WhoBridges::Admins => Some(texts::commands::ONLY_ADMINISTRATORS_BRIDGE),
            WhoBridges::Nobody => Some(texts::commands::NOBODY_BRIDGES),
        }
    }

    async fn join(request: &CommandRequest<'_>, dialog: &str) -> Result<CommandAnswer, Failure> {
        if let Some(refusal) = refusal(request).await? {
            return Ok(refusal);
        }
        let context = &request.deps.context;
        if let Some(bridge) =
            chat_bridge::bridges::bridge_of_channel(context, &request.tenant, &request.channel).await?
        {
            return Ok(CommandAnswer::to_one(answers::say(&bridged(request, &bridge))));
        }
        let Some(url) = &request.deps.public_url else {
            return Ok(say(request, texts::commands::BRIDGE_NEEDS_ADDRESS));
        };
        if chat_bridge::bridges::bridge_of_dialog(context, &request.tenant, dialog).await?.is_some() {
            return Ok(say(request, texts::commands::CHAT_IS_TAKEN));
        }
        let bot = chat_bridge::registration::ensure_bot(context, &request.tenant, url).await?;
        let dialog_name = match request.tenant.bitrix24.ask(&bot.chat(dialog)).await {
            Ok(answer) => {
                let chat = if answer.result["chat"].is_object() { &answer.result["chat"] } else { &answer.result };
                chat["name"].as_str().unwrap_or_default().to_owned()
            }
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {
                let text = request.language.text(texts::commands::BotNotInChat { chat: dialog });
                return Ok(CommandAnswer::to_one(answers::plain(&text)));
            }
            Err(failure) => return Err(failure),
        };
        let channel = request.tenant.slack.channel_info(&request.channel).await?;
        if !channel.is_member {
            match request.tenant.slack.join(&slack::ChannelId::from(request.channel.as_str())).await {
                Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => {
                    return Ok(say(request, texts::commands::INVITE_BOT));
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
        match context.conversations.join(&request.tenant.id, &bridge).await {
            Ok(()) => {
                let mut said = bridged(request, &bridge);
                if !chat_bridge::sweep::is_readable(context, &request.tenant, &bridge).await? {
                    let note = request.language.text(texts::commands::BRIDGED_CHAT_UNREAD);
                    said = said.then(&Mrkdwn::text(&format!("\n{note}")));
                }
                let message = answers::say(&said);
                Ok(CommandAnswer::done(message, "bridge.joined", format!("#{} and {dialog}", bridge.channel_name))
                    .seen_by_all())
            }
            Err(StoreError::Conflict(_)) => Ok(say(request, texts::commands::CHAT_IS_TAKEN)),
            Err(error) => Err(error.into()),
        }
    }

    async fn part(request: &CommandRequest<'_>) -> Result<CommandAnswer, Failure> {
        if let Some(refusal) = refusal(request).await? {
            return Ok(refusal);
        }
        let context = &request.deps.context;
        if let Some(bridge) = context.conversations.of_channel(&request.tenant.id, &request.channel).await? {
            context.conversations.part(&request.tenant.id, &bridge).await?;
            let text = request.language.text(texts::commands::NO_LONGER_BRIDGED);
            return Ok(CommandAnswer::done(answers::plain(text), "bridge.parted", bridge.dialog).seen_by_all());
        }
        let found = chat_bridge::bridges::bridge_of_channel(context, &request.tenant, &request.channel).await?;
        let is_in_settings = found.is_some();
        let text = if is_in_settings { texts::commands::BRIDGE_IN_SETTINGS } else { texts::commands::NOT_BRIDGED };
        Ok(say(request, text))
    }

    #[cfg(test)]
    mod tests {
        use locale::Language;
        use settings::schema::WhoBridges;

        use super::why_not;

        #[test]
        fn who_can_change_bridges_is_what_the_settings_say() {
            let said = |who, is_admin| why_not(who, is_admin).map(|text| Language::default().text(text));
            for is_admin in [false, true] {
                assert_eq!(said(WhoBridges::Everyone, is_admin), None);
                let nobody = said(WhoBridges::Nobody, is_admin).unwrap();
                assert!(nobody.contains("who_bridges: nobody") && !nobody.contains("administrators of"), "{nobody}");
            }
            assert_eq!(said(WhoBridges::Admins, true), None);
            assert!(said(WhoBridges::Admins, false).unwrap().starts_with("Only administrators of this workspace can"));
        }
    }
}
