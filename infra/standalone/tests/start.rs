//! Starting while providers are down, or reject what the configuration names.

use std::time::{Duration, Instant};

use crate::harness::{Failing, Providers, Serving, until};

/// Slack waits as long for an answer. (A host that is not slowed down by a busy machine takes a tenth of a second.)
const MAX_FIRST_ANSWER: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_provider_is_down_the_host_starts_and_stores_what_arrives() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let known = providers.sandbox.portal.event_body("ONCRMDEALUPDATE", 1);
    let mut titles = Vec::new();
    for provider in ["Bitrix24", "Notion", "Slack"] {
        for failing in Failing::ALL {
            providers.proxy(provider).fail(failing);
            let serving = Serving::begin(folder.path(), &providers.config(), &[]);
            let connected = serving.listens().await;
            assert_eq!(serving.post(&known).await, Some(200), "{provider} {failing:?}");
            let took = connected.elapsed();
            assert!(took < MAX_FIRST_ANSWER, "{provider} {failing:?}: {took:?}");
            let title = format!("{provider} {failing:?}");
            providers.new_deal(&serving, &title).await;
            providers.proxy(provider).has_failed().await;
            if failing != Failing::Hang {
                until(async || serving.credentials(provider).await.0 == "unanswered").await;
                let (_, text) = serving.credentials(provider).await;
                assert!(text.contains("nothing is known to be wrong"), "{provider} {failing:?}: {text}");
            }
            if titles.is_empty() {
                until(async || serving.credentials("Slack").await.0 == "accepted").await;
            }
            println!("{title}: first answer after {took:?}");
            titles.push(title);
            let log = serving.kill().await;
            assert!(failing == Failing::Hang || log.contains("trying again in 1 s"), "{provider} {failing:?}: {log}");
            providers.proxy(provider).fail(Failing::No);
        }
    }
    let serving = Serving::start(folder.path(), &providers.config()).await;
    providers.each_has_one_card(&titles).await;
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_workspace_that_was_never_reached_goes_out_once_it_answers() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    providers.slack.fail(Failing::Status503);
    let serving = Serving::start(folder.path(), &providers.config()).await;
    providers.new_deal(&serving, "Roof").await;
    // No workspace is known yet: the card would be tried again in a quarter of an hour.
    until(async || serving.state().await["trail"][0]["deliveries"][0]["status"] == "retrying").await;
    providers.slack.fail(Failing::No);
    providers.each_has_one_card(&["Roof".to_owned()]).await;
    assert_eq!(serving.credentials("Slack").await.0, "accepted");
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_is_not_known_yet_is_named_by_its_first_event_though_everything_is_down() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let member_id = providers.sandbox.portal.credentials().member_id;
    let config = providers.config().replace(&format!("member_id = '{member_id}'\n"), "");
    for proxy in [&providers.bitrix24, &providers.slack, &providers.notion] {
        proxy.fail(Failing::Status503);
    }
    let serving = Serving::start(folder.path(), &config).await;
    let deal = providers.sandbox.portal.add_deal("Roof", 1, "EUR");
    let body = providers.sandbox.portal.event_body("ONCRMDEALADD", deal);
    assert_eq!(serving.post(&body.replace("jvh9", "XXXX")).await, Some(401), "another application token");
    assert!(serving.state().await["tenant"].is_null());
    assert_eq!(serving.post(&body).await, Some(200));
    assert_eq!(serving.state().await["tenant"], member_id.as_str());
    let waiting = |state: &serde_json::Value| state["queues"][0]["waiting"].as_u64();
    assert_eq!(waiting(&serving.state().await), Some(1), "it is stored");
    serving.kill().await;

    let serving = Serving::start(folder.path(), &config).await;
    assert_eq!(serving.state().await["tenant"], member_id.as_str(), "it was kept");
    serving.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_credentials_are_named_with_the_fix_and_leave_the_other_sides_working() {
    let providers = Providers::start().await;
    for (provider, wrong, right, says, works) in [
        ("Bitrix24", "/rest/1/no/", "/rest/1/s4ndb0xw3bh00k/", "the portal rejected the incoming webhook", "Slack"),
        ("Slack", "xoxb-no", "xoxb-sandbox-bot-token", "Slack rejected the bot token", "Bitrix24"),
        ("Notion", "ntn-no", providers.sandbox.notion.token(), "Notion rejected the token", "Bitrix24"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let serving = Serving::start(folder.path(), &providers.config().replace(right, wrong)).await;
        until(async || serving.credentials(provider).await.0 == "rejected").await;
        until(async || serving.credentials(works).await.0 == "accepted").await;
        let (_, text) = serving.credentials(provider).await;
        assert!(text.starts_with(says), "{text}");
        providers.new_deal(&serving, provider).await;
        if provider == "Notion" {
            providers.each_has_one_card(&[provider.to_owned()]).await;
        }
        if provider == "Slack" {
            // Bitrix24 is read and the card decided; it waits for Slack.
            until(async || serving.state().await["trail"][0]["deliveries"][0]["status"] == "retrying").await;
        }
        let log = serving.kill().await;
        assert!(log.contains(says) && log.contains("The other connections work"), "{log}");
        assert!(!log.contains(wrong) && !text.contains(wrong), "a secret, even a wrong one, is not shown: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_comes_into_force_once_slack_confirms_it_and_the_old_one_works_until_then() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &providers.config()).await;
    until(async || serving.credentials("Slack").await.0 == "accepted").await;
    serving.stop().await;

    let wrong = providers.config().replace(&providers.sandbox.slack.token(), "xoxb-wrong");
    let serving = Serving::start(folder.path(), &wrong).await;
    until(async || serving.credentials("Slack").await.0 == "rejected").await;
    providers.new_deal(&serving, "Roof").await;
    providers.each_has_one_card(&["Roof".to_owned()]).await;
    serving.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn systemd_learns_that_the_host_is_ready_alive_and_stopping() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let heard = async || {
        let mut message = [0; 64];
        let length = tokio::time::timeout(Duration::from_secs(30), socket.recv(&mut message)).await.unwrap().unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let serving = Serving::begin(folder.path(), &providers.config(), &environment);
    let mut messages = Vec::new();
    let began = Instant::now();
    while messages.iter().filter(|message| *message == "WATCHDOG=1").count() < 3 {
        messages.push(heard().await);
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(messages.iter().filter(|message| *message == "READY=1").count(), 1, "{messages:?}");
    assert_eq!(serving.post(&providers.sandbox.portal.event_body("ONCRMDEALUPDATE", 1)).await, Some(200));
    let stopped = tokio::spawn(serving.terminate());
    while heard().await != "STOPPING=1" {}
    stopped.await.unwrap();
}
