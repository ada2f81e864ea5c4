//! `/b24-me`: which Bitrix24 user a person in Slack is, and with whose rights they work.

use locale::texts;

use crate::misuse::Misuse;
use crate::people;
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandSpec, WithoutText};

pub struct MeCommand;

impl Acknowledge for MeCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-me",
        description: texts::commands::COMMAND_ME,
        usage: texts::commands::COMMAND_ME_USAGE,
        documentation: (
            "`/b24-me`",
            "shows who I am in Bitrix24 and with whose rights I work; with an e-mail it sends a code there, with the code it links me, with `allow` it leads to the page where I let Switchboard act as me, with `off` it removes both",
        ),
        help: texts::commands::COMMAND_ME_HELP,
        examples: texts::commands::COMMAND_ME_EXAMPLES,
        without_text: WithoutText::Run,
        shortcut: None,
        names_people: false,
        can_be_public: false,
    };

    fn only_reads(tokens: &[TextToken<'_>]) -> bool {
        matches!(parse(tokens), Ok(MeAct::Show) | Err(_))
    }
}

/// The actions of `/b24-me`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeAct {
    /// Shows who the person is.
    Show,
    /// Asks for a code, sent to the user of the portal with this e-mail.
    Ask(String),
    /// Links the person with the code that they received.
    Prove(String),
    /// Leads to the page where the person lets us work with their own rights.
    Allow,
    /// Removes the link and the permission.
    Forget,
}

/// Reads what was typed.
pub fn parse(tokens: &[TextToken<'_>]) -> Result<MeAct, Misuse> {
    let words = reader::simple(&reader::line(tokens, false));
    let lower = words.to_lowercase();
    Ok(match lower.as_str() {
        "" => MeAct::Show,
        "allow" | "разрешить" => MeAct::Allow,
        "off" | "forget" | "unlink" | "забыть" => MeAct::Forget,
        _ => match people::is_email(&lower) {
            Some(email) if !email.contains(' ') => MeAct::Ask(email),
            _ if lower.contains('@') => return Err(Misuse::LeftOver(words)),
            _ => MeAct::Prove(words),
        },
    })
}

#[cfg(feature = "act")]
pub(crate) mod act {
    //! Linking oneself by a code, and removing the link.

    use std::time::Duration;

    use clients::{ErrorClass, Failure};
    use crm::views::needs_permission;
    use jiff::Timestamp;
    use locale::{Fixed, Language, texts};
    use runtime::clock::{is_ahead, later, until};
    use runtime::limiter::{RateBucket, Reservation, Window};
    use runtime::store::{ItemKey, StoreWrite, Table, Version, WriteCondition};
    use serde::{Deserialize, Serialize};
    use serde_json::json;
    use tenants::audit::{Audit, AuditEntry};
    use tenants::portals::TokenDigest;
    use tenants::user_links::{LinkOrigin, UserLink};
    use text::Document;
    use user_mapping::rights::Reach;

    use super::{MeAct, MeCommand, parse};
    use crate::perform::Perform;
    use crate::reader::TextToken;
    use crate::request::{CommandAnswer, CommandRequest};
    use crate::spec::Acknowledge;
    use crate::typed::CommandContext;
    use crate::{answers, permission};

    /// How long a code is valid.
    const CODE_TTL: Duration = Duration::from_secs(15 * 60);
    /// The most wrong codes while a code is valid; asking for another code gives no more tries.
    const MAX_TRIES: u32 = 5;
    /// The most codes that a person in Slack can ask for within [`ASKS_WINDOW`], and that a user of the portal is sent.
    const MAX_ASKS: u32 = 3;
    const ASKS_WINDOW: Duration = Duration::from_secs(60 * 60);
    /// Letters and digits of a code: none that looks like another.
    const CODE_ALPHABET: [u8; 31] = *b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
    const CODE_LENGTH: usize = 8;

    impl Perform for MeCommand {
        async fn run(
            request: &CommandRequest<'_>,
            tokens: &[TextToken<'_>],
            _context: &CommandContext<'_>,
        ) -> Result<CommandAnswer, Failure> {
            match parse(tokens) {
                Ok(wanted) => act(request, &wanted).await,
                Err(misuse) => Ok(CommandAnswer::misuse(misuse, &Self::SPEC, request.language)),
            }
        }

        async fn pressed(
            request: &CommandRequest<'_>,
            action_id: &str,
            _value: &str,
        ) -> Result<Option<CommandAnswer>, Failure> {
            if action_id == answers::PERSON_ALLOW { permission::allow(request).await.map(Some) } else { Ok(None) }
        }
    }

    /// A code on its way to the user of the portal that the person wants to be linked to.
    #[derive(Serialize, Deserialize)]
    struct PendingCode {
        code: TokenDigest,
        user: u64,
        name: String,
        tries: u32,
        until: Timestamp,
    }

    async fn act(request: &CommandRequest<'_>, act: &MeAct) -> Result<CommandAnswer, Failure> {
        match act {
            MeAct::Show => show(request).await,
            MeAct::Ask(email) => ask(request, email).await,
            MeAct::Prove(code) => prove(request, code).await,
            MeAct::Allow => permission::allow(request).await,
            MeAct::Forget => forget(request).await,
        }
    }

    async fn show(request: &CommandRequest<'_>) -> Result<CommandAnswer, Failure> {
        Ok(CommandAnswer::to_one(match request.acting().await? {
            Ok(person) => {
                let how = known_by(&person, request.language);
                let rights = request.language.text(rights_words(request, &person).await?);
                let more = request.language.text(texts::commands::IF_WRONG);
                answers::plain(&format!("{how} {rights} {more}"))
            }
            Err(message) => message,
        }))
    }

    /// The user that a person is linked to, and how they were linked.
    pub(crate) fn known_by(link: &UserLink, language: Language) -> String {
        let (name, user) = (link.name.as_str(), link.user.to_string());
        let user = user.as_str();
        match link.origin {
            LinkOrigin::Email => language.text(texts::commands::LinkedByEmail { name, user }),
            LinkOrigin::Hand => language.text(texts::commands::LinkedByAdministrator { name, user }),
            LinkOrigin::Own => language.text(texts::commands::LinkedByYourself { name, user }),
            LinkOrigin::Settings => language.text(texts::commands::LinkedBySettings { name, user }),
        }
    }

    /// With whose rights a person works.
    async fn rights_words(request: &CommandRequest<'_>, person: &UserLink) -> Result<Fixed, Failure> {
        let reach = match request.deps.context.rights(&request.tenant, person.user).await {
            Err(Failure { class: ErrorClass::Permanent { code }, .. }) if needs_permission(&code) => {
                return Ok(texts::commands::HOW_TO_ALLOW);
            }
            rights => rights?.reach,
        };
        Ok(match reach {
            Reach::Own => texts::commands::OWN_RIGHTS,
            Reach::Concerned => texts::commands::CONCERNED_RIGHTS,
            Reach::Connection => texts::commands::CONNECTION_RIGHTS,
        })
    }

    fn private(request: &CommandRequest<'_>, text: Fixed) -> CommandAnswer {
        CommandAnswer::private(answers::plain(request.language.text(text)))
    }

    /// Uses one of the requests of an hour; returns the minutes to wait if none is left.
    async fn too_many_asks(request: &CommandRequest<'_>, whose: &str) -> Result<Option<u64>, Failure> {
        // The same request again, after a failure, does not count twice.
        if request.is_retry {
            return Ok(None);
        }
        let window = Window { length: ASKS_WINDOW, most: MAX_ASKS };
        let account = RateBucket::windowed(format!("person-code#{}#{whose}", request.tenant.id), window).for_a_person();
        Ok(match request.deps.limiter.reserve(&account, Duration::ZERO).await? {
            Reservation::Granted(_) => None,
            Reservation::Wait { wait, .. } => Some(wait.as_secs().div_ceil(60).max(1)),
        })
    }

    /// Sends a code to the user of the portal: only they can read it there. The answer does not reveal whether there is
    /// such a user.
    async fn ask(request: &CommandRequest<'_>, email: &str) -> Result<CommandAnswer, Failure> {
        if let Some(refusal) = may_not_ask(request).await? {
            return Ok(CommandAnswer::private(refusal));
        }
        let answer = private(request, texts::commands::CODE_SENT);
        let Some(found) = request.deps.context.portal_user_by_email(&request.tenant, email).await? else {
            return Ok(answer);
        };
        if too_many_asks(request, &format!("user#{}", found.user)).await?.is_some() {
            return Ok(answer);
        }
        let (code, now) = (new_code(runtime::random::uuid().as_u128()), request.deps.clock.now());
        let tries = living(request).await?.map_or(0, |(asked, _)| asked.tries);
        let asked = PendingCode {
            code: TokenDigest::of(&code),
            user: found.user,
            name: found.name.clone(),
            tries,
            until: later(now, CODE_TTL),
        };
        let write = StoreWrite::new(key(request), &asked, WriteCondition::Always)?.expiring(asked.until);
        request.deps.context.backend.store.put(write).await?;
        let who = asker(request).await?;
        let text = request.language.text(texts::commands::CodeForYou { person: who, code });
        write_to(request, found.user, &text).await?;
        Ok(answer)
    }

    /// Why a person cannot ask for a code now; `None` if they can.
    async fn may_not_ask(request: &CommandRequest<'_>) -> Result<Option<slack::SlackMessage>, Failure> {
        let profile = request.deps.context.slack_profile(&request.tenant, &request.user).await?;
        if profile.is_some_and(|user| user.is_stranger || user.is_bot || user.deleted) {
            return Ok(Some(answers::plain(request.language.text(texts::commands::ONLY_MEMBERS))));
        }
        let used_up = living(request).await?.filter(|(asked, _)| asked.tries >= MAX_TRIES);
        let wait = match used_up {
            Some((asked, _)) => Some(until(request.deps.clock.now(), asked.until).as_secs().div_ceil(60).max(1)),
            None => too_many_asks(request, &format!("slack#{}", request.user)).await?,
        };
        Ok(wait.map(|minutes| answers::plain(&request.language.text(texts::commands::TooManyCodes { minutes }))))
    }

    /// A code made of a random number.
    fn new_code(mut random: u128) -> String {
        let base = CODE_ALPHABET.len() as u128;
        let mut code = String::new();
        for _ in 0..CODE_LENGTH {
            let index = usize::try_from(random % base).unwrap_or_default();
            code.push(char::from(CODE_ALPHABET[index]));
            random /= base;
        }
        code
    }

    /// A code as it was typed: also in small letters, and in groups.
    fn typed_code(text: &str) -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase()
    }

    /// The person who asks, as Slack names them: their name and e-mail.
    async fn asker(request: &CommandRequest<'_>) -> Result<String, Failure> {
        let profile = request.deps.context.slack_profile(&request.tenant, &request.user).await?;
        let name = profile.as_ref().map_or(request.user.as_str(), |user| user.name.as_str());
        let email = profile.as_ref().and_then(|user| user.email.as_ref()).map(|email| format!(" ({email})"));
        // They choose their name: in the message it is plain text.
        let who = format!("{name}{}", email.unwrap_or_default()).replace(['\n', '\r'], " ");
        Ok(Document::plain(&who).to_bbcode(false))
    }

    async fn write_to(request: &CommandRequest<'_>, user: u64, text: &str) -> Result<(), Failure> {
        let params = json!({"DIALOG_ID": user.to_string(), "MESSAGE": text, "SYSTEM": "N", "URL_PREVIEW": "N"});
        request.tenant.bitrix24.call("im.message.add", &params).await.map(|_| ())
    }

    /// The code that a person waits for, while it is valid, with its stored version.
    async fn living(request: &CommandRequest<'_>) -> Result<Option<(PendingCode, Version)>, Failure> {
        let Some(item) = request.deps.context.backend.store.get(&key(request)).await? else { return Ok(None) };
        // One that cannot be read does not count: the person asks for another.
        let Ok(asked) = item.decode::<PendingCode>() else { return Ok(None) };
        Ok(is_ahead(request.deps.clock.now(), asked.until, CODE_TTL).then_some((asked, item.version)))
    }

    async fn prove(request: &CommandRequest<'_>, code: &str) -> Result<CommandAnswer, Failure> {
        let store = &request.deps.context.backend.store;
        let wrong = || private(request, texts::commands::WRONG_CODE);
        let Some((asked, version)) = living(request).await?.filter(|(asked, _)| asked.tries < MAX_TRIES) else {
            return Ok(wrong());
        };
        if !asked.code.matches(&TokenDigest::of(&typed_code(code))) {
            // It remains until it expires, so that another code has no more tries.
            let asked = PendingCode { tries: asked.tries + 1, ..asked };
            let write = StoreWrite::new(key(request), &asked, WriteCondition::Version(version))?.expiring(asked.until);
            store.put(write).await?;
            return Ok(wrong());
        }
        let Some(person) = request.deps.context.portal_profile_now(&request.tenant, asked.user).await? else {
            return Ok(wrong());
        };
        if person.is_dismissed {
            return Ok(private(request, texts::commands::DISMISSED));
        }
        let link = UserLink {
            slack: request.user.clone(),
            user: asked.user,
            origin: LinkOrigin::Own,
            name: person.name,
            at: request.deps.clock.now(),
        };
        request.deps.context.people.link(&request.tenant.id, &link).await?;
        let entry = AuditEntry::new(
            link.at,
            format!("{} in Slack", link.slack),
            "linked by a code",
            format!("user {}", link.user),
        );
        Audit::new(store.clone()).note(&request.tenant.id, &entry).await?;
        notify_linked(request, &link).await?;
        store.delete(&key(request)).await?;
        let undo = request.language.text(texts::commands::HOW_TO_UNDO);
        let message = answers::plain(&format!("{} {undo}", known_by(&link, request.language)));
        Ok(CommandAnswer {
            is_private: true,
            share: None,
            ..CommandAnswer::done(message, "person.linked", format!("user {}", link.user))
        })
    }

    /// Notifies the user of the portal who is linked to them now, and how they undo it.
    async fn notify_linked(request: &CommandRequest<'_>, link: &UserLink) -> Result<(), Failure> {
        let who = asker(request).await?;
        let undo = match request.deps.public_url.as_deref() {
            Some(url) => {
                let ticket =
                    tenants::tickets::make_unlink(&request.deps.context.backend, &request.tenant.id, link).await?;
                let address = format!("{}{}?ticket={ticket}", url.trim_end_matches('/'), tenants::tickets::UNLINK);
                request.language.text(texts::commands::UndoWithinDays { address })
            }
            None => request.language.text(texts::commands::UNDO_BY_ADMINISTRATOR).to_owned(),
        };
        let linked = request.language.text(texts::commands::NowLinked { person: who });
        write_to(request, link.user, &format!("{linked}\n{undo}")).await
    }

    async fn forget(request: &CommandRequest<'_>) -> Result<CommandAnswer, Failure> {
        let people = &request.deps.context.people;
        if let Ok(person) = request.acting().await? {
            request.deps.context.connections.revoke(&request.tenant.id, person.user).await?;
        }
        if let Some(link) = people.of_slack(&request.tenant.id, &request.user).await? {
            people.unlink(&request.tenant.id, &request.user, link.user).await?;
        }
        let text = request.language.text(texts::commands::UNLINKED);
        Ok(CommandAnswer {
            share: None,
            ..CommandAnswer::done(answers::plain(text), "person.unlinked", request.user.clone())
        })
    }

    fn key(request: &CommandRequest<'_>) -> ItemKey {
        ItemKey::new(Table::Links, format!("{}#person-code", request.tenant.id), request.user.clone())
    }

    #[cfg(test)]
    mod tests {
        use super::{new_code, typed_code};

        #[test]
        fn a_code_has_eight_letters_and_digits_that_look_like_no_others() {
            for random in [0, 1, u128::MAX, 0x1234_5678_9abc_def0_1234_5678_9abc_def0] {
                let code = new_code(random);
                assert_eq!(code.len(), 8);
                assert!(
                    code.chars().all(|letter| letter.is_ascii_alphanumeric() && !"0O1IL".contains(letter)),
                    "{code}"
                );
                assert_eq!(typed_code(&format!(" {}-{} ", &code[..4].to_lowercase(), &code[4..])), code);
            }
            assert_ne!(new_code(1), new_code(2));
        }
    }
}
