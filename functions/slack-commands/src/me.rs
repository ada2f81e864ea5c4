//! Who one is, and one's day.

use std::time::Duration;

use clients::Failure;
use commands::MeAct;
use commands::answers;
use commands::records::needs_permission;
use jiff::Timestamp;
use locale::language::Language;
use runtime::Kind;
use runtime::clock::{later, until};
use runtime::limiter::{Account, Reservation, Window};
use runtime::store::{Condition, Key, Table, Version, Write};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tenants::audit::{Audit, Entry};
use tenants::people::{Link, Origin};
use tenants::portals::TokenDigest;
use text::Document;
use user_mapping::rights::Reach;

use crate::ask::{Answer, Request};

/// How long a code is good.
const CODE_TTL: Duration = Duration::from_secs(15 * 60);
/// Wrong codes that somebody may type while a code of theirs is good; asking for another gives no more.
const MAX_TRIES: u32 = 5;
/// Codes that somebody in Slack may ask for within [`ASKS_WINDOW`], and that one person of the portal is sent.
const MAX_ASKS: u32 = 3;
const ASKS_WINDOW: Duration = Duration::from_secs(60 * 60);
/// Letters and digits of a code: none that looks like another.
const CODE_ALPHABET: [u8; 31] = *b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";
const CODE_LENGTH: usize = 8;

pub(crate) async fn day(request: &Request<'_>) -> Result<Answer, Failure> {
    let (person, rights) = match request.ready().await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    let day = commands::records::day(&request.deps.talk, &request.tenant, &rights).await?;
    let answer = Answer::to_one(day.card(&person.name, request.language));
    Ok(Answer { share: Some("status".into()), ..answer })
}

/// A code on its way to the person that somebody says they are.
#[derive(Serialize, Deserialize)]
struct Asked {
    code: TokenDigest,
    user: u64,
    name: String,
    tries: u32,
    until: Timestamp,
}

pub(crate) async fn act(request: &Request<'_>, act: &MeAct) -> Result<Answer, Failure> {
    match act {
        MeAct::Show => show(request).await,
        MeAct::Ask(email) => ask(request, email).await,
        MeAct::Prove(code) => prove(request, code).await,
        MeAct::Allow => allow(request).await,
        MeAct::Forget => forget(request).await,
    }
}

/// Leads to the portal, where they allow it: only who is signed in there as this person can.
pub(crate) async fn allow(request: &Request<'_>) -> Result<Answer, Failure> {
    let person = match request.acting().await? {
        Ok(person) => person,
        Err(message) => return Ok(Answer::private(message)),
    };
    if request.tenant.portal.application.is_none() {
        return Ok(no_application(request));
    }
    let link = permission_link(request, person.user).await?;
    Ok(Answer::private(answers::allow(link.as_deref(), false, "", request.language)))
}

/// The answer to something that takes a permission of the person's own: one button, and what they typed.
pub(crate) async fn ask_to_allow(request: &Request<'_>, is_again: bool, typed: &str) -> Result<Answer, Failure> {
    let person = match request.acting().await? {
        Ok(person) => person,
        Err(message) => return Ok(Answer::private(message)),
    };
    match (request.tenant.portal.application.is_none(), is_again) {
        (true, false) => return Ok(no_application(request)),
        // It is from the time of an application: without it they reach what concerns them.
        (true, true) => {
            request.deps.talk.connections.revoke(&request.tenant.id, person.user).await?;
            let text = request.language.pick(
                "Bitrix24 no longer accepts the permission that you gave, so Switchboard dropped it. Do this again:",
                "Битрикс24 больше не принимает данное вами разрешение, поэтому Switchboard его удалил. Повторите:",
            );
            return Ok(Answer::private(answers::tell(&format!("{text} {typed}"))));
        }
        (false, _) => {}
    }
    let link = permission_link(request, person.user).await?;
    Ok(Answer::private(answers::allow(link.as_deref(), is_again, typed, request.language)))
}

fn no_application(request: &Request<'_>) -> Answer {
    Answer::private(answers::tell(request.language.pick(
        "Bitrix24 is connected by an incoming webhook here. Working with your own rights needs an application; an administrator can connect one at /install.",
        "Битрикс24 подключён здесь входящим вебхуком. Для работы с собственными правами нужно приложение; администратор может подключить его на странице /install.",
    )))
}

/// Where the person allows it, for the next 15 minutes; `None` if we do not know where we are reached.
async fn permission_link(request: &Request<'_>, user: u64) -> Result<Option<String>, Failure> {
    let Some(url) = request.deps.public_url.as_deref() else { return Ok(None) };
    let ticket = tenants::tickets::make(&request.deps.talk.ports, &request.tenant.id, user).await?;
    Ok(Some(format!("{}{}?ticket={ticket}", url.trim_end_matches('/'), tenants::tickets::GIVE)))
}

async fn show(request: &Request<'_>) -> Result<Answer, Failure> {
    Ok(Answer::to_one(match request.acting().await? {
        Ok(person) => {
            let how = commands::records::known_by(&person, request.language);
            let rights = rights_words(request, &person).await?;
            let more = request.language.pick(
                "Somebody else? Type /b24-me and their Bitrix24 e-mail.",
                "Вы другой человек? Наберите /b24-me и почту в Битрикс24.",
            );
            answers::tell(&format!("{how} {rights} {more}"))
        }
        Err(message) => message,
    }))
}

/// With whose rights somebody works, in words.
async fn rights_words(request: &Request<'_>, person: &Link) -> Result<&'static str, Failure> {
    let language = request.language;
    let reach = match request.deps.talk.rights(&request.tenant, person.user).await {
        Err(Failure { kind: Kind::Permanent { code }, .. }) if needs_permission(&code) => {
            return Ok(language.pick(
                "Type /b24-me allow to work with your own rights.",
                "Наберите /b24-me allow, чтобы работать с собственными правами.",
            ));
        }
        rights => rights?.reach,
    };
    Ok(match reach {
        Reach::Own => language.pick("You work with your own rights.", "Вы работаете с собственными правами."),
        Reach::Concerned => language.pick(
            "You reach the records that you are responsible for, created or observe.",
            "Вам доступны записи, где вы ответственный, создатель или наблюдатель.",
        ),
        Reach::Connection => {
            language.pick("You work with the rights of the connection.", "Вы работаете с правами подключения.")
        }
    })
}

/// Takes one of the asks of an hour; the minutes to wait, if none is left.
async fn too_many_asks(request: &Request<'_>, whose: &str) -> Result<Option<u64>, Failure> {
    // The same ask again, after something failed, is no other.
    if request.is_retry {
        return Ok(None);
    }
    let window = Window { length: ASKS_WINDOW, most: MAX_ASKS };
    let account = Account::windowed(format!("person-code#{}#{whose}", request.tenant.id), window).for_a_person();
    Ok(match request.deps.limiter.reserve(&account, Duration::ZERO).await? {
        Reservation::Granted(_) => None,
        Reservation::Wait { wait, .. } => Some(wait.as_secs().div_ceil(60).max(1)),
    })
}

/// Sends a code to the person of the portal: only who reads their messages there can be them. Whether there is such a
/// person is not said.
async fn ask(request: &Request<'_>, email: &str) -> Result<Answer, Failure> {
    if let Some(refusal) = may_not_ask(request).await? {
        return Ok(Answer::private(refusal));
    }
    let sent = request.language.pick(
        "If somebody in Bitrix24 has this e-mail, they have a message with a code there now. Type /b24-me and the code within 15 minutes. One person is sent at most three codes an hour.",
        "Если у кого-то в Битрикс24 эта почта, там сейчас сообщение с кодом. Наберите /b24-me и код в течение 15 минут. Одному человеку отправляется не больше трёх кодов в час.",
    );
    let answer = Answer::private(answers::tell(sent));
    let Some(found) = request.deps.talk.portal_user_by_email(&request.tenant, email).await? else { return Ok(answer) };
    if too_many_asks(request, &format!("user#{}", found.user)).await?.is_some() {
        return Ok(answer);
    }
    let (code, now) = (new_code(uuid::Uuid::new_v4().as_u128()), request.deps.clock.now());
    let tries = living(request).await?.map_or(0, |(asked, _)| asked.tries);
    let asked = Asked {
        code: TokenDigest::of(&code),
        user: found.user,
        name: found.name.clone(),
        tries,
        until: later(now, CODE_TTL),
    };
    let write = Write::new(key(request), &asked, Condition::Always)?.expiring(asked.until);
    request.deps.talk.ports.store.put(write).await?;
    let who = asker(request).await?;
    let text = match request.language {
        Language::En => format!(
            "{who} in Slack asked to be linked to you. If that is you, type there: /b24-me {code}\nIf not, do nothing, and give the code to nobody."
        ),
        Language::Ru => format!(
            "{who} в Slack просит связать себя с вами. Если это вы, наберите там: /b24-me {code}\nЕсли нет, ничего не делайте и никому не сообщайте код."
        ),
    };
    write_to(request, found.user, &text).await?;
    Ok(answer)
}

/// Why somebody may not ask for a code now, if they may not.
async fn may_not_ask(request: &Request<'_>) -> Result<Option<slack::Message>, Failure> {
    let profile = request.deps.talk.slack_profile(&request.tenant, &request.user).await?;
    if profile.is_some_and(|user| user.is_stranger || user.is_bot || user.deleted) {
        return Ok(Some(answers::tell(request.language.pick(
            "Only people of this workspace can be linked.",
            "Связать можно только людей этого рабочего пространства.",
        ))));
    }
    let used_up = living(request).await?.filter(|(asked, _)| asked.tries >= MAX_TRIES);
    let wait = match used_up {
        Some((asked, _)) => Some(until(request.deps.clock.now(), asked.until).as_secs().div_ceil(60).max(1)),
        None => too_many_asks(request, &format!("slack#{}", request.user)).await?,
    };
    Ok(wait.map(|minutes| {
        answers::tell(&match request.language {
            Language::En => {
                format!("That is three codes within an hour, or five wrong ones. Try again in {minutes} min.")
            }
            Language::Ru => format!("Это три кода за час или пять неверных. Попробуйте снова через {minutes} мин."),
        })
    }))
}

/// A code out of a random number.
fn new_code(mut random: u128) -> String {
    let base = CODE_ALPHABET.len() as u128;
    let mut code = String::new();
    for _ in 0..CODE_LENGTH {
        let place = usize::try_from(random % base).unwrap_or_default();
        code.push(char::from(CODE_ALPHABET[place]));
        random /= base;
    }
    code
}

/// A code as it was typed: in small letters too, and in groups.
fn typed_code(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase()
}

/// Who asks, as Slack knows them: their name and e-mail.
async fn asker(request: &Request<'_>) -> Result<String, Failure> {
    let profile = request.deps.talk.slack_profile(&request.tenant, &request.user).await?;
    let name = profile.as_ref().map_or(request.user.as_str(), |user| user.name.as_str());
    let email = profile.as_ref().and_then(|user| user.email.as_ref()).map(|email| format!(" ({email})"));
    // Their name is theirs to choose: it is text in the message, whatever it looks like.
    let who = format!("{name}{}", email.unwrap_or_default()).replace(['\n', '\r'], " ");
    Ok(Document::plain(&who).to_bbcode(false))
}

async fn write_to(request: &Request<'_>, user: u64, text: &str) -> Result<(), Failure> {
    let params = json!({"DIALOG_ID": user.to_string(), "MESSAGE": text, "SYSTEM": "N", "URL_PREVIEW": "N"});
    request.tenant.bitrix24.call("im.message.add", &params).await.map(|_| ())
}

/// The code that somebody waits for, while it is good, with the version that is stored.
async fn living(request: &Request<'_>) -> Result<Option<(Asked, Version)>, Failure> {
    let Some(item) = request.deps.talk.ports.store.get(&key(request)).await? else { return Ok(None) };
    // One of an older form is none: they ask for another.
    let Ok(asked) = item.decode::<Asked>() else { return Ok(None) };
    Ok((request.deps.clock.now() < asked.until).then_some((asked, item.version)))
}

async fn prove(request: &Request<'_>, code: &str) -> Result<Answer, Failure> {
    let store = &request.deps.talk.ports.store;
    let wrong = || {
        Answer::private(answers::tell(request.language.pick(
            "This is not the code, or it is too old. Type /b24-me and your Bitrix24 e-mail for another one.",
            "Код неверен или устарел. Наберите /b24-me и вашу почту в Битрикс24, чтобы получить новый.",
        )))
    };
    let Some((asked, version)) = living(request).await?.filter(|(asked, _)| asked.tries < MAX_TRIES) else {
        return Ok(wrong());
    };
    if !asked.code.matches(&TokenDigest::of(&typed_code(code))) {
        // It stays until its end, so that another code has no more tries.
        let asked = Asked { tries: asked.tries + 1, ..asked };
        let write = Write::new(key(request), &asked, Condition::Version(version))?.expiring(asked.until);
        store.put(write).await?;
        return Ok(wrong());
    }
    let Some(person) = request.deps.talk.portal_profile_now(&request.tenant, asked.user).await? else {
        return Ok(wrong());
    };
    if person.is_dismissed {
        return Ok(Answer::private(answers::tell(answers::dismissed(request.language))));
    }
    let link = Link {
        slack: request.user.clone(),
        user: asked.user,
        origin: Origin::Own,
        name: person.name,
        at: request.deps.clock.now(),
    };
    request.deps.talk.people.link(&request.tenant.id, &link).await?;
    let entry =
        Entry::new(link.at, format!("{} in Slack", link.slack), "linked by a code", format!("user {}", link.user));
    Audit::new(store.clone()).note(&request.tenant.id, &entry).await?;
    tell_linked(request, &link).await?;
    store.delete(&key(request)).await?;
    let undo = request.language.pick(
        "They were told so in Bitrix24. /b24-me off undoes it.",
        "Об этом сообщено в Битрикс24. Отменить можно командой /b24-me off.",
    );
    let message = answers::tell(&format!("{} {undo}", commands::records::known_by(&link, request.language)));
    Ok(Answer {
        is_private: true,
        share: None,
        ..Answer::done(message, "person.linked", format!("user {}", link.user))
    })
}

/// Tells the person of the portal who is linked to them now, and how they undo it.
async fn tell_linked(request: &Request<'_>, link: &Link) -> Result<(), Failure> {
    let who = asker(request).await?;
    let undo = match request.deps.public_url.as_deref() {
        Some(url) => {
            let ticket = tenants::tickets::make_unlink(&request.deps.talk.ports, &request.tenant.id, link).await?;
            let link = format!("{}{}?ticket={ticket}", url.trim_end_matches('/'), tenants::tickets::UNLINK);
            match request.language {
                Language::En => format!("If that was not you, undo it within seven days: {link}"),
                Language::Ru => format!("Если это были не вы, отмените это в течение семи дней: {link}"),
            }
        }
        None => request
            .language
            .pick(
                "If that was not you, ask an administrator to undo it on the page People.",
                "Если это были не вы, попросите администратора отменить это на странице «People».",
            )
            .to_owned(),
    };
    let text = match request.language {
        Language::En => format!("{who} in Slack is linked to you now, and works in Bitrix24 as you.\n{undo}"),
        Language::Ru => format!("{who} в Slack теперь связан с вами и работает в Битрикс24 от вашего имени.\n{undo}"),
    };
    write_to(request, link.user, &text).await
}

async fn forget(request: &Request<'_>) -> Result<Answer, Failure> {
    let people = &request.deps.talk.people;
    if let Ok(person) = request.acting().await? {
        request.deps.talk.connections.revoke(&request.tenant.id, person.user).await?;
    }
    if let Some(link) = people.of_slack(&request.tenant.id, &request.user).await? {
        people.unlink(&request.tenant.id, &request.user, link.user).await?;
    }
    let text = request.language.pick(
        "You are not linked any more, except by your e-mail if it is the same in both.",
        "Теперь вы ни с кем не связаны, кроме как по почте, если она одинакова.",
    );
    Ok(Answer { share: None, ..Answer::done(answers::tell(text), "person.unlinked", request.user.clone()) })
}

fn key(request: &Request<'_>) -> Key {
    Key::new(Table::Links, format!("{}#person-code", request.tenant.id), request.user.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eight_letters_and_digits_that_look_like_no_others() {
        for random in [0, 1, u128::MAX, 0x1234_5678_9abc_def0_1234_5678_9abc_def0] {
            let code = new_code(random);
            assert_eq!(code.len(), 8);
            assert!(code.chars().all(|letter| letter.is_ascii_alphanumeric() && !"0O1IL".contains(letter)), "{code}");
            assert_eq!(typed_code(&format!(" {}-{} ", &code[..4].to_lowercase(), &code[4..])), code);
        }
        assert_ne!(new_code(1), new_code(2));
    }
}
