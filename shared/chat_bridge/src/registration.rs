//! Our chatbot on the portal: registered when a bridge needs it, found again later, updated when our address changes.
//!
//! Its address carries a key of our own. Which application token the events of a bot carry that an incoming webhook
//! registered is not documented, and the key does not depend on it.

use std::time::Duration;

use bitrix24::bot::{Bot, BotApi};
use clients::{ErrorClass, Failure};
use jiff::Timestamp;
use locale::Language;
use runtime::DeliveryId;
use runtime::clock::is_recent;
use runtime::seal::Sealed;
use runtime::store::{ItemKey, StoreError, StoreWrite, Table, WriteCondition};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use user_mapping::{OpenTenant, TenantContext};

use crate::bot::Command;

/// The field under which a bot's key is sealed.
const BOT_KEY: &str = "bot-key";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredBot {
    /// The bot, stored without its key. Earlier versions kept the key here.
    bot: Bot,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Sealed>,
    /// A digest of the address that it last got: an address with another key is another address.
    base: String,
    /// The commands that were registered for it.
    #[serde(default)]
    commands: Vec<String>,
    /// When it was last confirmed to exist.
    #[serde(default)]
    seen_at: Option<Timestamp>,
}

/// How often it is checked whether the bot exists.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// The bot, if there is one.
pub async fn bot(context: &TenantContext, tenant: &OpenTenant) -> Result<Option<Bot>, Failure> {
    Ok(kept(context, tenant).await?.map(|kept| kept.bot))
}

/// The bot; registered if there is none, and moved to `public_url` if it has another address.
pub async fn ensure_bot(context: &TenantContext, tenant: &OpenTenant, public_url: &str) -> Result<Bot, Failure> {
    let base = address_of(context, tenant, public_url).await?.1;
    match kept(context, tenant).await? {
        Some(kept) if kept.base == base => Ok(kept.bot),
        kept => Ok(renew_bot(context, tenant, public_url, kept).await?.bot),
    }
}

/// The same, with a check that it and its commands still exist: a missing one is registered again.
pub async fn look_after_bot(context: &TenantContext, tenant: &OpenTenant, public_url: &str) -> Result<Bot, Failure> {
    let kept = kept(context, tenant).await?;
    let now = context.backend.clock.now();
    let base = address_of(context, tenant, public_url).await?.1;
    if let Some(kept) = &kept
        && kept.base == base
        && kept.commands.len() == Command::ALL.len()
        && kept.seen_at.is_some_and(|at| is_recent(now, at, LOOK))
    {
        return Ok(kept.bot.clone());
    }
    let mut kept = renew_bot(context, tenant, public_url, kept).await?;
    register_commands(context, tenant, public_url, &mut kept).await?;
    remember_bot(context, tenant, &kept).await?;
    Ok(kept.bot)
}

/// The bot's address with its key, and its digest for the store, which does not reveal the key.
async fn address_of(
    context: &TenantContext,
    tenant: &OpenTenant,
    public_url: &str,
) -> Result<(String, String), Failure> {
    let url = context.connections.hook_url(&tenant.id, public_url).await?;
    let base = format!("{public_url}#{}", DeliveryId::of(&["hook", &url]));
    Ok((url, base))
}

async fn kept(context: &TenantContext, tenant: &OpenTenant) -> Result<Option<StoredBot>, Failure> {
    let Some(item) = context.backend.store.get(&key(tenant)).await? else { return Ok(None) };
    let mut kept: StoredBot = item.decode()?;
    if let Some(sealed) = kept.key.take() {
        let opened = context.connections.open_for(&tenant.id, BOT_KEY, &sealed).await?;
        kept.bot.key = Some(opened.expose_secret().to_owned());
    }
    Ok(Some(kept))
}

async fn remember_bot(context: &TenantContext, tenant: &OpenTenant, kept: &StoredBot) -> Result<(), Failure> {
    let sealed = match &kept.bot.key {
        Some(own) => Some(context.connections.seal(&tenant.id, BOT_KEY, &own.clone().into()).await?),
        None => None,
    };
    let stored = StoredBot { bot: Bot { key: None, ..kept.bot.clone() }, key: sealed, ..kept.clone() };
    context.backend.store.put(StoreWrite::new(key(tenant), &stored, WriteCondition::Always)?).await?;
    Ok(())
}

/// The key of the bot of an incoming webhook: kept before the portal gets it, for a bot is registered with it once.
async fn own_key(context: &TenantContext, tenant: &OpenTenant) -> Result<String, Failure> {
    let store = context.backend.store.as_ref();
    let place = ItemKey { sort: "key".into(), ..key(tenant) };
    let new = SecretString::from(runtime::random::hex());
    let sealed = context.connections.seal(&tenant.id, BOT_KEY, &new).await?;
    let own = match store.put(StoreWrite::new(place.clone(), &sealed, WriteCondition::Absent)?).await {
        Ok(_) => new,
        Err(StoreError::Conflict(_)) => {
            let gone = || Failure::transient("the key of the bot was removed just now");
            let item = store.get(&place).await?.ok_or_else(gone)?;
            context.connections.open_for(&tenant.id, BOT_KEY, &item.decode()?).await?
        }
        Err(error) => return Err(error.into()),
    };
    Ok(own.expose_secret().to_owned())
}

/// Registering with the same code makes no second bot: it shows whether the known one exists.
async fn renew_bot(
    context: &TenantContext,
    tenant: &OpenTenant,
    public_url: &str,
    kept: Option<StoredBot>,
) -> Result<StoredBot, Failure> {
    let (url, base) = address_of(context, tenant, public_url).await?;
    // An application is known by its token; an incoming webhook shows by our own key that the bot belongs to it.
    let own_key = match kept.as_ref().and_then(|kept| kept.bot.key.clone()) {
        _ if tenant.bitrix24.is_application() => None,
        None => Some(own_key(context, tenant).await?),
        known => known,
    };
    let bot = register(tenant, &url, own_key).await?;
    let is_same = kept.as_ref().is_some_and(|kept| kept.bot.id == bot.id);
    if !is_same && kept.is_some() {
        tracing::warn!(tenant = %tenant.id, bot = bot.id, "the bot had vanished and was registered again");
    }
    let commands = kept.filter(|_| is_same).map(|kept| kept.commands).unwrap_or_default();
    let seen_at = Some(context.backend.clock.now());
    let kept = StoredBot { bot, key: None, base, commands, seen_at };
    remember_bot(context, tenant, &kept).await?;
    Ok(kept)
}

async fn register_commands(
    context: &TenantContext,
    tenant: &OpenTenant,
    public_url: &str,
    kept: &mut StoredBot,
) -> Result<(), Failure> {
    let url = context.connections.hook_url(&tenant.id, public_url).await?;
    for command in Command::ALL {
        if kept.commands.iter().any(|known| known == command.name()) {
            continue;
        }
        let words = Language::ALL.map(|language| (language.code(), command.title(language), command.params(language)));
        match tenant.bitrix24.ask(&kept.bot.command(command.name(), &words, &url)).await {
            Ok(_) => {}
            // A command that exists already is fine; which code says so is not documented.
            Err(Failure { class: ErrorClass::Permanent { code }, text, .. }) => {
                tracing::warn!(tenant = %tenant.id, command = command.name(), code, text, "a command of the bot was not registered");
            }
            Err(failure) => return Err(failure),
        }
        kept.commands.push(command.name().to_owned());
    }
    Ok(())
}

async fn register(tenant: &OpenTenant, url: &str, own_key: Option<String>) -> Result<Bot, Failure> {
    let api = match tenant.bitrix24.call("imbot.v2.Revision.get", &json!({})).await {
        Ok(_) => BotApi::V2,
        Err(Failure { class: ErrorClass::Permanent { code }, .. }) if code == "error_method_not_found" => BotApi::V1,
        Err(failure) => return Err(failure),
    };
    let request = api.register(&tenant.settings.bot.name, url, own_key.as_deref());
    let answer = tenant.bitrix24.ask(&request).await?;
    let id = api
        .registered(&answer.result)
        .ok_or_else(|| Failure::permanent("no_bot", format!("{} answered without the bot's number", request.method)))?;
    let bot = Bot { id, api, key: own_key };
    // An existing bot keeps its old address.
    tenant.bitrix24.ask(&bot.update(url)).await?;
    tracing::info!(tenant = %tenant.id, bot = id, ?api, "bot registered");
    Ok(bot)
}

/// Removes the bot from the portal and from the store.
pub async fn unregister_bot(context: &TenantContext, tenant: &OpenTenant) -> Result<(), Failure> {
    if let Some(bot) = bot(context, tenant).await? {
        match tenant.bitrix24.ask(&bot.unregister()).await {
            Err(failure) if !matches!(failure.class, ErrorClass::Permanent { .. }) => return Err(failure),
            _ => {}
        }
    }
    forget_bot(context, tenant).await
}

/// Forgets the bot: the portal has deleted it.
pub async fn forget_bot(context: &TenantContext, tenant: &OpenTenant) -> Result<(), Failure> {
    Ok(context.backend.store.delete(&key(tenant)).await?)
}

fn key(tenant: &OpenTenant) -> ItemKey {
    ItemKey::new(Table::Links, format!("{}#bot", tenant.id), "bot")
}
