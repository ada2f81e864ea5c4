//! Slack's Web API through the real client over real HTTP.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use runtime::SystemClock;
use serde_json::json;
use simulators::SlackSimulator;
use simulators::fault::{Fault, When};
use slack::block::Element;
use slack::{Block, ChannelId, Client, Metadata, Mrkdwn, SlackApiBase, SlackMessage};
use wire::ErrorClass;

async fn workspace() -> (SlackSimulator, Client, ChannelId) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let workspace = SlackSimulator::start(Arc::new(SystemClock), 0).await.unwrap();
    let base = SlackApiBase::new(&workspace.api_url()).unwrap();
    let client =
        Client::new(wire::Http::new(wire::Network::this_machine(), None).unwrap(), base, workspace.token().into());
    let channel = workspace.add_channel("cards").as_str().into();
    (workspace, client, channel)
}

fn message(text: &str) -> SlackMessage {
    SlackMessage::new(Mrkdwn::text(text), [Block::section(Mrkdwn::text(text))])
}

#[tokio::test]
async fn a_message_is_posted_with_metadata_found_by_it_and_updated() {
    let (workspace, client, channel) = workspace().await;
    let metadata = Metadata { event_type: "test".into(), event_payload: json!({"id": 7}) };
    let posted = client.post_message(&channel, &message("one"), Some(&metadata)).await.unwrap();
    client.post_message(&channel, &message("two"), None).await.unwrap();
    let page = client.history(&channel, "0", None, 200).await.unwrap();
    let found: Vec<_> = page.items.iter().filter(|message| message.metadata.as_ref() == Some(&metadata)).collect();
    assert_eq!(found.iter().map(|message| &message.ts).collect::<Vec<_>>(), [&posted.ts]);
    client.update_message(&posted, &message("one, corrected"), Some(&metadata)).await.unwrap();
    assert_eq!(workspace.texts("cards"), ["one, corrected", "two"]);
    let missing = slack::Posted { ts: "1.000000".into(), ..posted };
    let error = client.update_message(&missing, &message("x"), None).await.unwrap_err();
    assert_eq!(error.class(Timestamp::UNIX_EPOCH), ErrorClass::permanent("message_not_found"));
}

#[tokio::test]
async fn who_the_token_belongs_to_is_told_and_a_wrong_one_asks_for_another() {
    let (workspace, client, _) = workspace().await;
    assert_eq!(client.auth_test().await.unwrap().team_id, workspace.team_id());
    workspace.rotate_token("xoxb-new");
    assert_eq!(client.auth_test().await.unwrap_err().class(Timestamp::UNIX_EPOCH), ErrorClass::Reauthorise);
}

#[tokio::test]
async fn retry_after_is_understood_and_so_is_what_is_no_answer() {
    let (workspace, client, channel) = workspace().await;
    let post =
        async || client.post_message(&channel, &message("x"), None).await.unwrap_err().class(Timestamp::UNIX_EPOCH);
    workspace.fail_next("chat.postMessage", Fault::TooMany { seconds: 17 });
    assert_eq!(post().await, ErrorClass::wait(Timestamp::UNIX_EPOCH, Duration::from_secs(17)));
    for fault in [
        Fault::Html { status: 200, when: When::AfterEffect },
        Fault::CutJson { when: When::AfterEffect },
        Fault::Reset { when: When::AfterEffect },
    ] {
        workspace.fail_next("chat.postMessage", fault);
        assert_eq!(post().await, ErrorClass::UnknownOutcome);
    }
}

#[tokio::test]
async fn the_channels_own_limit_is_kept_by_the_simulator() {
    let (workspace, client, channel) = workspace().await;
    let mut refused = 0;
    for _ in 0..8 {
        refused += u32::from(client.post_message(&channel, &message("x"), None).await.is_err());
    }
    assert!(refused >= 3, "{refused} of 8 posts at once were refused");
    assert_eq!(workspace.texts("cards").len(), 8 - usize::try_from(refused).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is put into a message, Slack does not refuse it.
    #[test]
    fn no_message_is_refused_for_its_content(
        texts in prop::collection::vec("\\PC{0,400}", 0..70),
        long in 0usize..9_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (workspace, client, channel) = workspace().await;
            workspace.limit_calls(false);
            let long = "ж&<".repeat(long);
            let mut blocks = vec![
                Block::header(&long),
                Block::section(Mrkdwn::text(&long)),
                Block::fields([("Sum", Mrkdwn::text(&long)), ("Stage", Mrkdwn::text(""))]),
                Block::context([Mrkdwn::link("https://a/b", &long)]),
                Block::actions(Element::open(&long, "https://a/b", "open")),
                Block::Divider,
            ];
            blocks.extend(texts.iter().map(|text| Block::section(Mrkdwn::bold(text))));
            let message = SlackMessage::new(Mrkdwn::text(&format!("x{long}")), blocks);
            client.post_message(&channel, &message, None).await.unwrap();
            assert_eq!(workspace.refused_blocks(), 0);
        });
    }
}
