//! Our chatbot on the portal: registered when a bridge needs it, found again afterwards, told where we are.
//!
//! Its address carries a key of our own. What application token the events of a bot carry that an incoming webhook
//! registered is in no document, and the key does not depend on it.

use bitrix24::bot::{Bot, BotApi};
use connect::Failure;
use platform::Kind;
use platform::portals::TokenDigest;
use platform::store::{Condition, Item, Key, StoreError, Table, Write};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Talk, Tenant};

/// The field of the sealed key in the bot's address.
const BOT_KEY: &str = "bot-key";
/// What people see as the bot's name.
const NAME: &str = "Switchboard";

/// The bot as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    bot: Bot,
    /// The address that it was last given, without its key.
    base: String,
}

impl Talk {
    /// The bot, if there is one.
    pub async fn bot(&self, tenant: &Tenant) -> Result<Option<Bot>, Failure> {
        let item = self.ports.store.get(&key(tenant)).await?;
        Ok(item.map(|item| item.decode::<Kept>()).transpose()?.map(|kept| kept.bot))
    }

    /// The bot; registered if there is none, and moved to `public_url` if it was told to be elsewhere.
    pub async fn ensure_bot(&self, tenant: &Tenant, public_url: &str) -> Result<Bot, Failure> {
        let item = self.ports.store.get(&key(tenant)).await?;
        let kept = item.as_ref().map(Item::decode::<Kept>).transpose()?;
        if let Some(kept) = &kept
            && kept.base == public_url
        {
            return Ok(kept.bot.clone());
        }
        // The key first: an event that comes at once must be taken.
        let secret = self.bot_secret(tenant).await?;
        let url = format!("{}/webhooks/bitrix24?key={}", public_url.trim_end_matches('/'), secret.expose_secret());
        self.connections.portals().set_bot_key(&tenant.id, TokenDigest::of(secret.expose_secret())).await?;
        let bot = match kept {
            Some(kept) => {
                tenant.bitrix24.ask(&kept.bot.update(&url)).await?;
                kept.bot
            }
            None => self.register(tenant, &url).await?,
        };
        let kept = Kept { bot: bot.clone(), base: public_url.to_owned() };
        self.ports.store.put(Write::new(key(tenant), &kept, Condition::Always)?).await?;
        Ok(bot)
    }

    /// The key in the bot's address: the same for whoever registers it, also for two at once.
    async fn bot_secret(&self, tenant: &Tenant) -> Result<SecretString, Failure> {
        let place = Key::new(Table::Links, format!("{}#bot", tenant.id), "key");
        if let Some(item) = self.ports.store.get(&place).await? {
            return self.connections.open_sealed(&tenant.portal, BOT_KEY, &item.decode()?).await;
        }
        let secret = SecretString::from(uuid::Uuid::new_v4().simple().to_string());
        let sealed = self.connections.key_ring().await?.seal(&tenant.id, BOT_KEY, &secret);
        let sealed = sealed.map_err(|error| Failure::transient(error.to_string()))?;
        match self.ports.store.put(Write::new(place, &sealed, Condition::Absent)?).await {
            Ok(_) => Ok(secret),
            // Somebody else was first; the next try finds theirs.
            Err(StoreError::Conflict(_)) => Err(Failure::transient("the bot is being registered by another worker")),
            Err(error) => Err(error.into()),
        }
    }

    async fn register(&self, tenant: &Tenant, url: &str) -> Result<Bot, Failure> {
        let api = match tenant.bitrix24.call("imbot.v2.Revision.get", &json!({})).await {
            Ok(_) => BotApi::V2,
            Err(Failure { kind: Kind::Permanent { code }, .. }) if code == "error_method_not_found" => BotApi::V1,
            Err(failure) => return Err(failure),
        };
        // An application is known by its token; an incoming webhook says by a key of ours that the bot is its own.
        let own_key = (!tenant.bitrix24.is_application())
            .then(|| platform::DeliveryId::of(&[tenant.id.as_str(), "bot"]).as_str().to_owned());
        let request = api.register(NAME, url, own_key.as_deref());
        let answer = tenant.bitrix24.ask(&request).await?;
        let id = api.registered(&answer.result).ok_or_else(|| {
            Failure::permanent("no_bot", format!("{} answered without the bot's number", request.method))
        })?;
        let bot = Bot { id, api, key: own_key };
        // A bot that was there before keeps the address that it had.
        if api == BotApi::V2 {
            tenant.bitrix24.ask(&bot.update(url)).await?;
        }
        tracing::info!(tenant = %tenant.id, bot = id, ?api, "bot registered");
        Ok(bot)
    }

    /// Forgets the bot: the portal has deleted it.
    pub async fn forget_bot(&self, tenant: &Tenant) -> Result<(), Failure> {
        Ok(self.ports.store.delete(&key(tenant)).await?)
    }
}

fn key(tenant: &Tenant) -> Key {
    Key::new(Table::Links, format!("{}#bot", tenant.id), "bot")
}
