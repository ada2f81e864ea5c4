//! Slack talks back through the built binaries: a command, a bridge, the administrators' page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clients::{ConnectionCredentials, Connections, PortalAccess};
use cloud::{Cloud, Function, Gateway, bootstrap};
use jobs::queues;
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use runtime::{Backend, QueueName, SystemClock};
use settings::Settings;
use simulators::Sandbox;
use simulators::portal::LEAD;
use slack::SlackApiBase;
use slack::client::SlackIdentity;

struct Deployment {
    cloud: Cloud,
    sandbox: Sandbox,
    gateway: Gateway,
    queues: Vec<(QueueName, Arc<Function>)>,
    backend: Backend,
    tenant: runtime::TenantId,
}

impl Deployment {
    async fn start() -> anyhow::Result<Self> {
        let gateway = Gateway::start().await?;
        let mut cloud = Cloud::start().await?;
        cloud.reach_at(&gateway.url());
        let sandbox = Sandbox::start(Arc::new(SystemClock)).await?;
        let backend = aws::ports_over(&cloud.config, cloud.names.clone(), Arc::new(SystemClock));
        let tenant = connect(&backend, &sandbox).await?;
        let slack_api = sandbox.slack.api_url();
        let start =
            async |name: &str| anyhow::Ok(Arc::new(Function::start(name, &bootstrap(name), &cloud, &slack_api).await?));
        let of_the_portal = format!("/webhooks/{tenant}/bitrix24");
        for (path, name) in
            [("/webhooks/slack", "slack-webhook"), (&of_the_portal, "bitrix24-webhook"), ("/admin", "admin")]
        {
            gateway.route(path, &start(name).await?);
        }
        let mut queues = Vec::new();
        for queue in queues::ALL {
            queues.push((queue, start(queue.name()).await?));
        }
        sandbox.slack.send_requests_to(&format!("{}/webhooks/slack", gateway.url()));
        Ok(Self { cloud, sandbox, gateway, queues, backend, tenant })
    }

    /// Feeds the functions until `done`; gives up after a minute.
    async fn work_until(&self, what: &str, done: impl Fn() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !done() {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(60), "{what} did not come");
            for (queue, function) in &self.queues {
                function.feed(&self.cloud, *queue).await?;
            }
        }
        Ok(())
    }
}

async fn connect(backend: &Backend, sandbox: &Sandbox) -> anyhow::Result<runtime::TenantId> {
    backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
    let connections = Connections::new(backend, SlackApiBase::new(&sandbox.slack.api_url())?)
        .allowing(clients::Network::this_machine());
    let credentials = sandbox.portal.credentials();
    let (team, user, bot) = sandbox.slack.identity();
    let access = ConnectionCredentials {
        member_id: credentials.member_id,
        portal: PortalAccess::Webhook(sandbox.portal.webhook_url().into()),
        application_token: credentials.application_token.into(),
        bot_token: sandbox.slack.token().into(),
        workspace: Some(SlackIdentity {
            team_id: team,
            team: "Sandbox".into(),
            user_id: user.into(),
            bot_id: bot.into(),
        }),
        notion: None,
        signing_secret: Some(sandbox.slack.signing_secret().to_owned().into()),
        settings: Some(serde_json::to_value(Settings::default())?),
    };
    Ok(connections.join(access).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_and_a_bridge_go_through_the_built_binaries() -> anyhow::Result<()> {
    let deployment = Deployment::start().await?;
    let (slack, portal) = (&deployment.sandbox.slack, &deployment.sandbox.portal);
    let admin = slack.person("user1@example.com");
    let channel = slack.channel_id("general");
    let leads = portal.ids(LEAD).len();
    let reply = slack.command(&admin, &channel, "/b24-lead", "ACME | from the cloud").await;
    assert_eq!((reply.status, reply.body["text"].as_str()), (200, Some("Working on it …")), "{reply:?}");
    deployment.work_until("the lead", || portal.ids(LEAD).len() > leads && slack.whispers(&admin).len() > 1).await?;

    let chat = portal.add_chat("Support", &[1, 6]);
    slack.command(&admin, &channel, "/b24-bridge", &chat).await;
    deployment.work_until("the bot", || !portal.bots().is_empty() && slack.whispers(&admin).len() > 3).await?;
    portal.invite_bots(&chat);
    slack.command(&admin, &channel, "/b24-bridge", &chat).await;
    let joined = || slack.texts("general").iter().any(|text| text.contains("is bridged with the chat"));
    deployment.work_until("the bridge", joined).await?;
    let file = slack.attach(&admin, "plan.png", vec![7; 200_000]);
    slack.say(&admin, &channel, "hello", None, &[&file]);
    deployment.work_until("the file", || portal.shared_files(&chat).len() == 1).await?;
    assert_eq!(portal.shared_files(&chat)[0].1.len(), 200_000);
    portal.write(1, &chat, "hello yourself", None, &[]);
    let answered = || slack.texts("general").iter().any(|text| text == "hello yourself");
    deployment.work_until("the answer", answered).await?;

    let code = admin::new_code(&deployment.backend, &deployment.tenant).await?;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let signed_in = http
        .post(format!("{}/admin/sign-in", deployment.gateway.url()))
        .header("sec-fetch-site", "same-origin")
        .body(format!("code={code}"))
        .send()
        .await?;
    assert_eq!(signed_in.status(), 303);
    let cookie = signed_in.headers()["set-cookie"].to_str()?.split(';').next().unwrap().to_owned();
    let page = http.get(format!("{}/admin/bridges", deployment.gateway.url())).header("cookie", cookie).send().await?;
    assert!(page.text().await?.contains("#general"));
    Ok(())
}
