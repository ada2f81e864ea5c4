//! Our chatbot on the portal: registered when a bridge needs it, found again afterwards, told where we are.
//!
//! Its address carries a key of our own. What application token the events of a bot carry that an incoming webhook
//! registered is in no document, and the key does not depend on it.

use bitrix24::bot::{Bot, BotApi};
use connect::Failure;
use platform::Kind;
use platform::store::{Condition, Item, Key, Table, Write};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Talk, Tenant};

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
        let url = self.connections.hook_url(&tenant.id, public_url).await?;
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

    /// Takes the bot away from the portal, and forgets it.
    pub async fn unregister_bot(&self, tenant: &Tenant) -> Result<(), Failure> {
        if let Some(bot) = self.bot(tenant).await? {
            match tenant.bitrix24.ask(&bot.unregister()).await {
                Err(failure) if !matches!(failure.kind, Kind::Permanent { .. }) => return Err(failure),
                _ => {}
            }
        }
        self.forget_bot(tenant).await
    }

    /// Forgets the bot: the portal has deleted it.
    pub async fn forget_bot(&self, tenant: &Tenant) -> Result<(), Failure> {
        Ok(self.ports.store.delete(&key(tenant)).await?)
    }
}

fn key(tenant: &Tenant) -> Key {
    Key::new(Table::Links, format!("{}#bot", tenant.id), "bot")
}
