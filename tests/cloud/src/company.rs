//! A company with a portal, a workspace and Notion, connected to a deployed stack as an operator connects it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clients::{ConnectionCredentials, Connections, PortalAccess};
use jiff::{SignedDuration, Timestamp};
use notion::NotionApiBase;
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use runtime::{Backend, Clock, SystemClock, TenantId};
use serde_json::{Value, json};
use simulators::{Sandbox, SlackSimulator};
use slack::SlackApiBase;
use slack::client::SlackIdentity;

use crate::Stack;

/// The portal's events that are sent to the stack.
const EVENTS: [&str; 6] =
    ["ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMLEADADD", "ONTASKADD", "ONTASKCOMMENTADD", "ONVOXIMPLANTCALLEND"];

/// A sweep looks for changes that are older than the events of which may still be on their way.
const SWEPT_AFTER: Duration = Duration::from_secs(180);

/// A stack and the company that uses it.
pub struct Company {
    /// What is deployed.
    pub stack: Stack,
    /// The providers.
    pub sandbox: Sandbox,
    /// The ports of the deployment, as an operator has them.
    pub backend: Backend,
    /// The company.
    pub tenant: TenantId,
}

impl Company {
    /// Deploys the stack, and connects a company with these settings. They may refer to Notion's database "Deals", whose id
    /// they are given.
    pub async fn connect(settings: impl FnOnce(&str) -> Value) -> anyhow::Result<Self> {
        Self::connect_before(|_| (), settings).await
    }

    /// The same with a company that was connected six minutes ago, and three minutes ago did this without an event of it
    /// arriving: long enough for a sweep to look for it.
    pub async fn connect_before(
        did: impl FnOnce(&Sandbox),
        settings: impl FnOnce(&str) -> Value,
    ) -> anyhow::Result<Self> {
        let sandbox = Sandbox::start(Arc::new(SystemClock)).await?;
        sandbox.portal.be_behind(SWEPT_AFTER);
        did(&sandbox);
        sandbox.portal.be_behind(Duration::ZERO);
        let parameters = parameters(&sandbox);
        let stack = Stack::deploy(&parameters.each_ref().map(|(name, value)| (*name, value.as_str()))).await?;
        Self::connect_to(stack, sandbox, settings).await
    }

    /// Connects to a stack that is deployed with the parameters of this sandbox.
    pub async fn connect_to(
        stack: Stack,
        sandbox: Sandbox,
        settings: impl FnOnce(&str) -> Value,
    ) -> anyhow::Result<Self> {
        let backend = stack.backend();
        backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
        let earlier = Backend { clock: Arc::new(Behind(SWEPT_AFTER * 2)), ..backend.clone() };
        let connections = Connections::new(&earlier, SlackApiBase::new(&sandbox.slack.api_url())?)
            .with_notion(NotionApiBase::new(&sandbox.notion.url())?)
            .allowing(clients::Network::this_machine());
        let (database, _) = sandbox.notion.add_database("Deals", &json!({}));
        let credentials = sandbox.portal.credentials();
        let access = ConnectionCredentials {
            member_id: credentials.member_id,
            portal: PortalAccess::Webhook(sandbox.portal.webhook_url().into()),
            application_token: credentials.application_token.into(),
            bot_token: sandbox.slack.token().into(),
            workspace: Some(identity(&sandbox.slack)),
            notion: Some(connections.verify_notion_token(&sandbox.notion.token().to_owned().into()).await?),
            signing_secret: Some(sandbox.slack.signing_secret().to_owned().into()),
            settings: Some(settings(&database)),
        };
        let tenant = connections.join(access).await?;
        sandbox.portal.send_events_to(&format!("{}/webhooks/bitrix24", stack.url()), &EVENTS);
        sandbox.slack.send_requests_to(&format!("{}/webhooks/slack", stack.url()));
        Ok(Self { stack, sandbox, backend, tenant })
    }
}

/// The stack's parameters that name the simulators.
pub fn parameters(sandbox: &Sandbox) -> [(&'static str, String); 2] {
    [("SlackApiUrl", sandbox.slack.api_url()), ("NotionApiUrl", sandbox.notion.url())]
}

/// A clock that is behind by a while.
struct Behind(Duration);

#[async_trait]
impl Clock for Behind {
    fn now(&self) -> Timestamp {
        Timestamp::now() - SignedDuration::try_from(self.0).unwrap_or_default()
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}

fn identity(workspace: &SlackSimulator) -> SlackIdentity {
    let (team, user, bot) = workspace.identity();
    SlackIdentity { team_id: team, team: "Sandbox".into(), user_id: user.into(), bot_id: bot.into() }
}
