//! One deal, carried through the built Lambda binaries: API Gateway's event in, a card in Slack out.
//!
//! The binaries are those of `cargo lambda build --release`, in the folder that `LAMBDA_DIR` names (or
//! `target/lambda`).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clients::{ConnectionCredentials, Connections, PortalAccess};
use cloud::runtime::{Function, form_post};
use cloud::{Cloud, bootstrap};
use jiff::{SignedDuration, Timestamp};
use jobs::queues;
use runtime::seal::KeyRing;
use runtime::secrets::KEY_RING;
use runtime::{Backend, Clock, SystemClock};
use serde_json::json;
use settings::Settings;
use simulators::Sandbox;
use simulators::fault::{Fault, When};
use simulators::portal::PhoneCall;
use slack::SlackApiBase;

const WEBHOOK: &str = "/webhooks/bitrix24";

/// The deployment: AWS, the functions, the providers.
struct Deployment {
    cloud: Cloud,
    sandbox: Sandbox,
    webhook: Function,
    events: Function,
    delivery: Function,
    sweep: Function,
    upkeep: Function,
}

/// A clock that is behind by a while.
struct Behind(Duration);

#[async_trait::async_trait]
impl Clock for Behind {
    fn now(&self) -> Timestamp {
        Timestamp::now() - SignedDuration::try_from(self.0).unwrap_or_default()
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration).await;
    }
}

impl Deployment {
    async fn start() -> anyhow::Result<Self> {
        Self::start_behind(Duration::ZERO).await
    }

    /// The same with a portal whose clock is behind, and which was connected well before that.
    async fn start_behind(behind: Duration) -> anyhow::Result<Self> {
        let cloud = Cloud::start().await?;
        let sandbox = Sandbox::start(Arc::new(SystemClock)).await?;
        sandbox.portal.be_behind(behind);
        let backend = aws::ports_over(&cloud.config, cloud.names.clone(), Arc::new(Behind(behind * 2)));
        connect(&backend, &sandbox).await?;
        let slack_api = sandbox.slack.api_url();
        let start = async |name: &str| Function::start(name, &bootstrap(name), &cloud, &slack_api).await;
        Ok(Self {
            webhook: start("bitrix24-webhook").await?,
            events: start("bitrix24-events").await?,
            delivery: start("slack-delivery").await?,
            sweep: start("portal-sweep").await?,
            upkeep: start("upkeep").await?,
            cloud,
            sandbox,
        })
    }

    /// Feeds the queues' functions until all that is ready is worked.
    async fn work(&self) -> anyhow::Result<()> {
        loop {
            let decided = self.events.feed(&self.cloud, queues::BITRIX24_EVENTS).await?;
            let delivered = self.delivery.feed(&self.cloud, queues::SLACK_DELIVERY).await?;
            if decided + delivered == 0 {
                return Ok(());
            }
        }
    }

    async fn hint(&self, event: &str, deal: u64) -> anyhow::Result<serde_json::Value> {
        self.webhook.invoke(form_post(WEBHOOK, &self.sandbox.portal.event_body(event, deal))).await
    }
}

fn identity(workspace: &simulators::SlackSimulator) -> slack::client::SlackIdentity {
    let (team, user, bot) = workspace.identity();
    slack::client::SlackIdentity { team_id: team, team: "Sandbox".into(), user_id: user.into(), bot_id: bot.into() }
}

async fn connect(backend: &Backend, sandbox: &Sandbox) -> anyhow::Result<()> {
    backend.secrets.put(KEY_RING, KeyRing::generate()).await?;
    let connections = Connections::new(backend, SlackApiBase::new(&sandbox.slack.api_url())?)
        .allowing(clients::Network::this_machine());
    let credentials = sandbox.portal.credentials();
    let access = ConnectionCredentials {
        member_id: credentials.member_id,
        portal: PortalAccess::Webhook(sandbox.portal.webhook_url().into()),
        application_token: credentials.application_token.into(),
        bot_token: sandbox.slack.token().into(),
        workspace: Some(identity(&sandbox.slack)),
        notion: None,
        signing_secret: Some(sandbox.slack.signing_secret().to_owned().into()),
        settings: Some(serde_json::to_value(Settings::default())?),
    };
    connections.join(access).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_goes_through_the_built_binaries() -> anyhow::Result<()> {
    let deployment = Deployment::start().await?;
    let deal = deployment.sandbox.portal.add_deal("Roof for ACME", 150_000, "EUR");
    let answer = deployment.hint("ONCRMDEALADD", deal).await?;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    deployment.work().await?;
    deployment.sandbox.portal.move_deal(deal, "WON");
    // An answer that is lost after the card was posted: the second try must find it.
    deployment.sandbox.slack.fail_next("chat.postMessage", Fault::Reset { when: When::AfterEffect });
    deployment.hint("ONCRMDEALUPDATE", deal).await?;
    let cards = || deployment.sandbox.slack.texts("sales-pipeline");
    while !deployment.sandbox.slack.calls().contains_key("conversations.history") {
        deployment.work().await?;
    }
    deployment.work().await?;
    assert_eq!(cards(), ["New deal: Roof for ACME", "Deal won: Roof for ACME (Новая → Сделка успешна)"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_goes_to_the_dead_letters_and_the_rest_goes_on() -> anyhow::Result<()> {
    let deployment = Deployment::start().await?;
    deployment.sandbox.slack.change_channel("sales-pipeline", |channel| channel.is_archived = true);
    let deal = deployment.sandbox.portal.add_deal("Roof", 1, "EUR");
    let lead = deployment.sandbox.portal.add_lead("Request");
    deployment.hint("ONCRMDEALADD", deal).await?;
    deployment.hint("ONCRMLEADADD", lead).await?;
    deployment.work().await?;
    assert_eq!(deployment.sandbox.slack.texts("sales-leads"), ["New lead: Request"]);
    let backend = aws::ports_over(&deployment.cloud.config, deployment.cloud.names.clone(), Arc::new(SystemClock));
    let letters = backend.queue.dead_letters(queues::SLACK_DELIVERY, 10).await?;
    assert_eq!(letters.iter().map(|buried| buried.letter.code.as_str()).collect::<Vec<_>>(), ["channel_not_found"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_event_told_is_found_and_told_by_the_built_binaries() -> anyhow::Result<()> {
    let deployment = Deployment::start_behind(Duration::from_secs(180)).await?;
    let portal = &deployment.sandbox.portal;
    let project = portal.add_project("Move");
    deployment.sandbox.slack.add_channel("project-move");
    let deal = portal.add_deal("Lost", 1, "EUR");
    let task = portal.add_task(json!({"TITLE": "Pack", "RESPONSIBLE_ID": 6, "GROUP_ID": project}));
    portal.comment(task, 1, "Please hurry");
    portal.end_call(&PhoneCall {
        kind: 2,
        phone: "+49301".into(),
        user: 6,
        code: "304".into(),
        deal: Some(deal),
        ..PhoneCall::default()
    });
    // All of this is three minutes ago now: long enough that no event for it can still be on its way.
    portal.be_behind(Duration::ZERO);
    let report = deployment.sweep.invoke(json!({})).await?;
    assert_eq!(
        (&report["tenants"], &report["hints"], &report["stopped"]),
        (&json!(1), &json!(4), &json!([])),
        "{report}"
    );
    deployment.work().await?;
    let read = |channel: &str| deployment.sandbox.slack.texts(channel);
    assert_eq!(read("sales-pipeline"), ["New deal: Lost"]);
    assert_eq!(read("project-move"), ["New task: Pack"]);
    assert_eq!(read("calls"), ["Missed call from +49301"]);
    assert_eq!(read("@user6"), ["Анна Титов commented on Pack: Please hurry"]);
    let again = deployment.sweep.invoke(json!({})).await?;
    // Its next sweep is due five minutes after this one began.
    assert_eq!((&again["tenants"], &again["left"]), (&json!(0), &json!(0)), "{again}");
    let kept = deployment.upkeep.invoke(json!({})).await?;
    assert_eq!((&kept["tenants"], &kept["failed"]), (&json!(1), &json!([])), "{kept}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_event_is_answered_by_the_built_binary() -> anyhow::Result<()> {
    let deployment = Deployment::start().await?;
    let body = deployment.sandbox.portal.event_body("ONCRMDEALADD", 1);
    let wrong = body.replace(&deployment.sandbox.portal.credentials().application_token, "wrong");
    let answer = deployment.webhook.invoke(form_post(WEBHOOK, &wrong)).await?;
    assert_eq!(answer["statusCode"], 401, "{answer}");
    // API Gateway hands over what is no text in base64.
    let mut encoded = form_post(WEBHOOK, "");
    encoded["body"] = "ZXZlbnQ9WA==".into(); // event=X
    encoded["isBase64Encoded"] = true.into();
    let answer = deployment.webhook.invoke(encoded).await?;
    assert_eq!(answer["statusCode"], 401, "{answer}");
    Ok(())
}

/// The files in `events/` are for `cargo lambda invoke` and `sam local invoke`; each must be understood.
#[tokio::test(flavor = "multi_thread")]
async fn the_sample_events_are_understood() -> anyhow::Result<()> {
    let deployment = Deployment::start().await?;
    let sample = |name: &str| -> anyhow::Result<serde_json::Value> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name);
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    };
    let answer = deployment.webhook.invoke(sample("bitrix24-webhook.json")?).await?;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    // The record is not there, and the delivery was never decided: both are finished, not tried again.
    let answer = deployment.events.invoke(sample("bitrix24-events.json")?).await?;
    assert_eq!(answer, serde_json::json!({"batchItemFailures": []}));
    let answer = deployment.delivery.invoke(sample("slack-delivery.json")?).await?;
    assert_eq!(answer, serde_json::json!({"batchItemFailures": []}));
    for (function, name) in [(&deployment.sweep, "portal-sweep.json"), (&deployment.upkeep, "upkeep.json")] {
        let report = function.invoke(sample(name)?).await?;
        assert_eq!(report["tenants"], 1, "{report}");
    }
    let backend = aws::ports_over(&deployment.cloud.config, deployment.cloud.names.clone(), Arc::new(SystemClock));
    let letters = backend.queue.dead_letters(queues::SLACK_DELIVERY, 10).await?;
    assert_eq!(letters[0].letter.code, "no_ledger_line", "the delivery was read, and given up for what it is");
    Ok(())
}
