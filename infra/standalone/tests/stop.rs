//! Stopping, whatever is in hand: in time, with nothing lost and nothing doubled, and answering to the end.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Failing, Providers, Serving, until};

/// Docker ends a process after ten seconds.
const MAX_STOP: Duration = Duration::from_secs(8);

/// A host that is connected, and that has nothing to do.
async fn ready(providers: &Providers, folder: &std::path::Path) -> Serving {
    let serving = Serving::start(folder, &providers.config()).await;
    until(async || serving.credentials("Slack").await.0 == "accepted").await;
    serving
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_host_ends_at_once_and_half_a_request_does_not_hold_it_up() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = ready(&providers, folder.path()).await;
    let address = serving.public.trim_start_matches("http://").to_owned();
    let mut head = TcpStream::connect(&address).await.unwrap();
    head.write_all(b"POST /webhooks/bitrix24 HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut body = TcpStream::connect(&address).await.unwrap();
    body.write_all(b"POST /webhooks/bitrix24 HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    let took = serving.terminate().await;
    println!("half-sent requests: {took:?}");
    assert!(took < MAX_STOP, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_in_hand_is_finished_or_continued_by_the_next_start() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = ready(&providers, folder.path()).await;
    let titles: Vec<_> = (0..20).map(|n| format!("Deal {n}")).collect();
    for title in &titles {
        providers.new_deal(&serving, title).await;
    }
    let took = serving.terminate().await;
    println!("work in hand: {took:?}");
    assert!(took < MAX_STOP, "{took:?}");
    let serving = ready(&providers, folder.path()).await;
    providers.each_has_one_card(&titles).await;
    serving.stop().await;
}

/// Waits until a worker has a message of a queue in hand.
async fn in_hand(serving: &Serving, queue: &str) {
    let none = format!("switchboard_queue_leased_messages{{queue=\"{queue}\"}} 0");
    let metrics = format!("{}/metrics", serving.status);
    until(async || !reqwest::get(&metrics).await.unwrap().text().await.unwrap().contains(&none)).await;
}

/// Stops a host while calls to a provider hang, and starts it again once they do not.
async fn stopped_while_hanging(provider: &str, queue: &str) {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = ready(&providers, folder.path()).await;
    providers.proxy(provider).fail(Failing::Hang);
    providers.new_deal(&serving, "First").await;
    providers.proxy(provider).has_failed().await;
    // The call that hangs may be one of a sweep, which a stop drops at once.
    in_hand(&serving, queue).await;

    let asked = Instant::now();
    serving.signal("-TERM").await;
    // It answers while it ends what is in hand.
    until(async || serving.state().await["credentials"].is_array()).await;
    providers.new_deal(&serving, "While stopping").await;
    let mut process = serving.process;
    assert!(process.wait().await.unwrap().success());
    let took = asked.elapsed();
    println!("{provider} hangs: {took:?}");
    assert!(took < MAX_STOP, "{provider}: {took:?}");

    providers.proxy(provider).fail(Failing::No);
    let began = Instant::now();
    let serving = ready(&providers, folder.path()).await;
    providers.each_has_one_card(&["First".to_owned(), "While stopping".to_owned()]).await;
    println!("{provider} hung: continued after {:?}", began.elapsed());
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_hangs_is_abandoned_and_continued_by_the_next_start() {
    stopped_while_hanging("Bitrix24", "bitrix24-events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_hangs_is_abandoned_and_made_once_by_the_next_start() {
    stopped_while_hanging("Slack", "slack-delivery").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_hangs_is_abandoned() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    ready(&providers, folder.path()).await.stop().await;
    // The first sweep is made as soon as the host has started.
    providers.bitrix24.fail(Failing::Hang);
    let serving = ready(&providers, folder.path()).await;
    providers.bitrix24.has_failed().await;
    let took = serving.terminate().await;
    println!("the sweep hangs: {took:?}");
    assert!(took < MAX_STOP, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut serving = ready(&providers, folder.path()).await;
    providers.bitrix24.fail(Failing::Hang);
    providers.new_deal(&serving, "First").await;
    providers.bitrix24.has_failed().await;
    serving.signal("-TERM").await;
    // The first signal was seen: the host still answers.
    until(async || serving.state().await["credentials"].is_array()).await;
    serving.signal("-TERM").await;
    assert_eq!(serving.process.wait().await.unwrap().code(), Some(130));
}
