//! What takes minutes, in real time: chats while the host is killed, an outage, and the pages meanwhile. They are ignored by
//! default; `docs/reliability.md` has the commands and the numbers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use standalone::demo::events;

use crate::harness::{Failing, Ports, Providers, Serving, until_within};

/// How long a host that was killed is away.
const AWAY: Duration = Duration::from_millis(300);

/// A company with a bridge between `#general` and a chat, at a host that always has the same address.
struct Company {
    providers: Providers,
    folder: tempfile::TempDir,
    ports: Ports,
    config: String,
    chat: String,
    ann: String,
}

impl Company {
    async fn start() -> (Self, Serving) {
        let providers = Providers::start().await;
        let ports = Ports::free();
        let public = ports.public();
        let config = format!("public_url = '{public}'\n{}", providers.config_with_signing());
        let folder = tempfile::tempdir().unwrap();
        let mut serving = Serving::start_at(&ports, folder.path(), &config).await;
        serving.log_to(&folder.path().join("host.log"));
        let sandbox = &providers.sandbox;
        sandbox.slack.send_requests_to(&format!("{public}/webhooks/slack"));
        sandbox.portal.send_events_to(&serving.events, &events(&settings::Settings::default()));
        let (chat, ann) = (sandbox.portal.add_chat("Support", &[1, 6]), sandbox.slack.person("user6@example.com"));
        let company = Self { folder, ports, config, chat, ann, providers };
        company.bridge().await;
        (company, serving)
    }

    /// Bridges the channel and the chat: the first try registers the bot, which the chat's people then let in.
    async fn bridge(&self) {
        let (slack, portal) = (&self.providers.sandbox.slack, &self.providers.sandbox.portal);
        let (admin, channel) = (slack.person("user1@example.com"), slack.channel_id("general"));
        let says = |message: &serde_json::Value| {
            message["text"].as_str().is_some_and(|text| text.contains("This channel is bridged with"))
        };
        let is_bridged = || slack.whispers(&admin).iter().any(says);
        for _ in 0..20 {
            slack.command(&admin, &channel, "/b24-bridge", &self.chat).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            portal.invite_bots(&self.chat);
            if is_bridged() {
                return;
            }
        }
        panic!("the channel is not bridged: {:?}", slack.whispers(&admin));
    }

    async fn restart(&self) -> Serving {
        let mut serving = Serving::start_at(&self.ports, self.folder.path(), &self.config).await;
        serving.log_to(&self.folder.path().join("host.log"));
        serving
    }

    /// How often each of the numbered messages is there, by what it begins with.
    fn copies(texts: &[String], word: &str) -> BTreeMap<usize, usize> {
        let mut found = BTreeMap::new();
        for number in texts.iter().filter_map(|text| number_after(text, word)) {
            *found.entry(number).or_default() += 1;
        }
        found
    }

    fn in_chat(&self) -> Vec<String> {
        let rows = self.providers.sandbox.portal.messages(&self.chat);
        rows.iter().map(|row| row["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn in_channel(&self) -> Vec<String> {
        self.providers.sandbox.slack.texts("general")
    }
}

/// The number behind a word.
fn number_after(text: &str, word: &str) -> Option<usize> {
    let rest = text.split_once(word)?.1;
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// How many of the numbers come after a greater one.
fn overtaken(texts: &[String], word: &str) -> usize {
    let numbers: Vec<_> = texts.iter().filter_map(|text| number_after(text, word)).collect();
    numbers.iter().enumerate().filter(|(at, number)| numbers[..*at].iter().any(|before| before > number)).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes up to ten minutes"]
async fn every_message_of_a_chat_is_copied_once_while_the_host_is_killed() {
    const MESSAGES: usize = 60;
    const KILLS: usize = 15;
    let (company, mut serving) = Company::start().await;
    let (sandbox, chat, began) = (&company.providers.sandbox, &company.chat, Instant::now());
    for number in 0..MESSAGES {
        sandbox.slack.say(&company.ann, &sandbox.slack.channel_id("general"), &format!("slack-{number}"), None, &[]);
        sandbox.portal.write(6, chat, &format!("portal-{number}"), None, &[]);
        tokio::time::sleep(Duration::from_millis(700)).await;
        if number % (MESSAGES / KILLS) == 0 {
            serving.kill().await;
            tokio::time::sleep(AWAY).await;
            serving = company.restart().await;
        }
    }
    let written = began.elapsed();
    let whole = |texts: &[String], word: &str| Company::copies(texts, word).len() == MESSAGES;
    let both = || whole(&company.in_chat(), "slack-") && whole(&company.in_channel(), "portal-");
    until_within(Duration::from_secs(600), async || both()).await;
    let complete = began.elapsed();
    // What would be copied twice comes with the next sweeps.
    tokio::time::sleep(Duration::from_secs(60)).await;
    for (texts, word) in [(company.in_chat(), "slack-"), (company.in_channel(), "portal-")] {
        let copies = Company::copies(&texts, word);
        let doubled: Vec<_> = copies.iter().filter(|(_, count)| **count != 1).collect();
        println!("{word}: {} copied, {} twice, {} overtaken", copies.len(), doubled.len(), overtaken(&texts, word));
        assert!(doubled.is_empty() && copies.len() == MESSAGES, "{word} {doubled:?}");
    }
    println!("{MESSAGES} messages each way in {written:?} with {KILLS} kills; all copied after {complete:?}");
    serving.stop().await;
}

/// How long the outage lasts, in seconds.
fn outage() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(600))
}

/// Deals are made all through an outage of Slack.
async fn outage_of_slack(failing: Failing) {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(folder.path(), &providers.config()).await;
    serving.log_to(&folder.path().join("host.log"));
    providers.new_deal(&serving, "Before").await;
    until_within(Duration::from_secs(60), async || providers.cards("Before") == 1).await;
    providers.slack.fail(failing);
    let (began, mut titles) = (Instant::now(), Vec::new());
    while began.elapsed() < outage() {
        let title = format!("Deal {}", titles.len());
        providers.new_deal(&serving, &title).await;
        titles.push(title);
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let ready = reqwest::get(format!("{}/readyz", serving.status)).await.unwrap().status().as_u16();
    let calls = providers.slack.failures();
    providers.slack.fail(Failing::No);
    let back = Instant::now();
    until_within(Duration::from_secs(300), async || titles.iter().all(|title| providers.cards(title) > 0)).await;
    let last_after = back.elapsed();
    println!(
        "Slack {failing:?} for {} s: {} cards, {calls} requests, ready: {ready}, last card {last_after:?} after it was back",
        outage().as_secs(),
        titles.len()
    );
    providers.each_has_one_card(&titles).await;
    assert_eq!(ready, 200, "a provider's outage makes no host unready");
    // After five minutes the account is asked each minute; a channel takes a card a second.
    let cards = Duration::from_secs(titles.len() as u64);
    assert!(last_after < Duration::from_secs(60 + 30 + 15) + cards, "{last_after:?}");
    println!("stopped in {:?}", serving.terminate().await);
    let log = std::fs::read_to_string(folder.path().join("host.log")).unwrap();
    println!("{} lines of log, the last ones:", log.lines().count());
    log.lines().rev().take(30).for_each(|line| println!("  {line}"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes eleven minutes"]
async fn every_card_of_an_outage_is_posted_once_when_it_is_over() {
    outage_of_slack(Failing::Status503).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes eleven minutes"]
async fn every_card_of_a_hang_is_posted_once_when_it_is_over() {
    outage_of_slack(Failing::Hang).await;
}
