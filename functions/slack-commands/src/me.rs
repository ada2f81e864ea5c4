//! Who one is, and one's day.

use std::time::Duration;

use connect::Failure;
use platform::clock::later;
use platform::people::{Link, Origin};
use platform::portals::TokenDigest;
use platform::store::{Condition, Key, Table, Write};
use rules::commands::MeAct;
use rules::commands::answers;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::ask::{Answer, Request};

/// How long a code is good.
const LIVES: Duration = Duration::from_secs(15 * 60);
/// Tries that a code has.
const MOST_TRIES: u32 = 5;

pub(crate) async fn day(request: &Request<'_>) -> Result<Answer, Failure> {
    let person = match request.acting().await? {
        Ok(person) => person,
        Err(message) => return Ok(Answer::to_one(message)),
    };
    let hands = request.deps.talk.hands(&request.tenant, person.user).await?;
    let day = request.deps.talk.day(&request.tenant, &hands.client, person.user).await?;
    Ok(Answer::to_one(day.card(&person.name, request.language)))
}

/// A code on its way to the person that somebody says they are.
#[derive(Serialize, Deserialize)]
struct Asked {
    code: TokenDigest,
    user: u64,
    name: String,
    tries: u32,
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
async fn allow(request: &Request<'_>) -> Result<Answer, Failure> {
    let person = match request.acting().await? {
        Ok(person) => person,
        Err(message) => return Ok(Answer::to_one(message)),
    };
    let url = request.deps.public_url.as_deref().filter(|_| request.tenant.portal.application.is_some());
    let Some(url) = url else {
        return Ok(Answer::to_one(answers::tell(request.language.pick(
            "This portal is connected by webhooks; own rights need an application. An administrator can connect one.",
            "Портал подключён вебхуками, а для собственных прав нужно приложение. Его может подключить администратор.",
        ))));
    };
    let ticket = pages::tickets::make(&request.deps.talk.ports, &request.tenant.id, person.user).await?;
    let link = format!("{}{}?ticket={ticket}", url.trim_end_matches('/'), pages::tickets::GIVE);
    let text = match request.language {
        rules::language::Language::En => {
            format!("Open this within 15 minutes, and what you do from Slack is done as you in Bitrix24: {link}")
        }
        rules::language::Language::Ru => {
            format!("Откройте в течение 15 минут, и ваши действия из Slack будут в Битрикс24 от вашего имени: {link}")
        }
    };
    Ok(Answer::to_one(answers::tell(&text)))
}

async fn show(request: &Request<'_>) -> Result<Answer, Failure> {
    Ok(Answer::to_one(match request.acting().await? {
        Ok(person) => {
            let how = talk::records::known_by(&person, request.language);
            let more = request.language.pick(
                "Somebody else? Type /b24-me and their Bitrix24 e-mail.",
                "Вы другой человек? Наберите /b24-me и почту в Битрикс24.",
            );
            answers::tell(&format!("{how} {more}"))
        }
        Err(message) => message,
    }))
}

/// Sends a code to the person of the portal: only who reads their messages there can be them.
async fn ask(request: &Request<'_>, email: &str) -> Result<Answer, Failure> {
    let sent = request.language.pick(
        "If somebody in Bitrix24 has this e-mail, they have a message with a code there now. Type /b24-me and the code within 15 minutes.",
        "Если у кого-то в Битрикс24 эта почта, там сейчас сообщение с кодом. Наберите /b24-me и код в течение 15 минут.",
    );
    let answer = Answer::to_one(answers::tell(sent));
    let Some(found) = request.deps.talk.portal_user_by_email(&request.tenant, email).await? else { return Ok(answer) };
    // Random enough for five tries in a quarter of an hour.
    let code = format!("{:06}", uuid::Uuid::new_v4().as_u128() % 1_000_000);
    let asked = Asked { code: TokenDigest::of(&code), user: found.user, name: found.name.clone(), tries: 0 };
    let write = Write::new(key(request), &asked, Condition::Always)?.expiring(later(request.deps.clock.now(), LIVES));
    request.deps.talk.ports.store.put(write).await?;
    let text = match request.language {
        rules::language::Language::En => {
            format!("Somebody in Slack says to be you. If that is you, type there: /b24-me {code}\nIf not, do nothing.")
        }
        rules::language::Language::Ru => {
            format!(
                "Кто-то в Slack говорит, что это вы. Если это вы, наберите там: /b24-me {code}\nЕсли нет, ничего не делайте."
            )
        }
    };
    let params = json!({"DIALOG_ID": found.user.to_string(), "MESSAGE": text, "SYSTEM": "N", "URL_PREVIEW": "N"});
    request.tenant.bitrix24.call("im.message.add", &params).await?;
    Ok(answer)
}

async fn prove(request: &Request<'_>, code: &str) -> Result<Answer, Failure> {
    let store = &request.deps.talk.ports.store;
    let wrong = || {
        Answer::to_one(answers::tell(request.language.pick(
            "This is not the code, or it is too old. Type /b24-me and your Bitrix24 e-mail for another one.",
            "Код неверен или устарел. Наберите /b24-me и вашу почту в Битрикс24, чтобы получить новый.",
        )))
    };
    let Some(item) = store.get(&key(request)).await? else { return Ok(wrong()) };
    let asked: Asked = item.decode()?;
    if !asked.code.matches(&TokenDigest::of(code.trim())) || asked.tries >= MOST_TRIES {
        let asked = Asked { tries: asked.tries + 1, ..asked };
        if asked.tries >= MOST_TRIES {
            store.delete(&item.key).await?;
        } else {
            let write = Write::new(item.key, &asked, Condition::Version(item.version))?;
            store.put(write.expiring(later(request.deps.clock.now(), LIVES))).await?;
        }
        return Ok(wrong());
    }
    let link = Link {
        slack: request.user.clone(),
        user: asked.user,
        origin: Origin::Own,
        name: asked.name,
        at: request.deps.clock.now(),
    };
    request.deps.talk.people.link(&request.tenant.id, &link).await?;
    store.delete(&item.key).await?;
    let message = answers::tell(&talk::records::known_by(&link, request.language));
    Ok(Answer::done(message, "person.linked", format!("user {}", link.user)))
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
        "You are linked to nobody now, but by your e-mail if it is the same in both.",
        "Теперь вы ни с кем не связаны, кроме как по почте, если она одинакова.",
    );
    Ok(Answer::done(answers::tell(text), "person.unlinked", request.user.clone()))
}

fn key(request: &Request<'_>) -> Key {
    Key::new(Table::Links, format!("{}#person-code", request.tenant.id), request.user.clone())
}
