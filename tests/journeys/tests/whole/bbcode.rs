//! BBCode and rich text, in comments, descriptions and chats.

use journeys::World;
use serde_json::{Value, json};

use crate::bridged::Bridged;

/// The last message of `#general`.
fn last(world: &World) -> Value {
    world.sandbox.slack.messages("general").pop().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_in_a_chat_reaches_the_channel_whole() {
    let bridge = Bridged::start().await;
    let world = &bridge.world;
    for (written, read) in [
        ("[list][*]one[*]two[/list]", "• one\n• two"),
        ("[list=1]\n[*]one\n[list][*]in[/list]\n[*]two\n[/list]\nend", "1. one\n    • in\n2. two\nend"),
        ("[b]bold [b]inner[/b] still bold[/b]", "*bold inner still bold*"),
        ("see [DISK FILE ID=n77]", "see 📎 file"),
        ("[disk=5]", "📎 file"),
        ("nice :f09f918d:", "nice 👍"),
        ("[icon=https://a.example/s.png size=20 title=smile]", "😄"),
        ("[p]one[/p][p]two[/p]", "one\ntwo"),
        ("[quote]said[/quote]answer", "> said\nanswer"),
        ("run [code]x_y()[/code] now", "run `x_y()` now"),
        ("[table][tr][td]a[/td][td]b[/td][/tr][/table]", "a | b"),
        ("see https://a.example/x_y_z, ok", "see <https://a.example/x_y_z|https://a.example/x_y_z>, ok"),
    ] {
        bridge.writes(1, written).await;
        let posted = last(world);
        assert_eq!(posted["text"].as_str().unwrap_or_default().replace('\u{200b}', ""), read, "{written}");
        assert!(!posted["blocks"].to_string().contains("[/"), "{written}: {posted}");
    }
    let link = last(world)["blocks"][0]["elements"][0]["elements"][1].clone();
    assert_eq!(link, json!({"type": "link", "url": "https://a.example/x_y_z", "text": "https://a.example/x_y_z"}));
    assert_eq!(world.sandbox.slack.refused_blocks(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_formatting_of_a_comment_reach_the_card() {
    let world = World::start().await;
    let portal = &world.sandbox.portal;
    let domain = "/crm/deal/details/5/";
    for old_card in [false, true] {
        portal.use_old_card(old_card);
        let task = portal.add_task(json!({"TITLE": "T", "RESPONSIBLE_ID": 6}));
        world.settle().await;
        world.clock.advance(std::time::Duration::from_secs(120));
        let text = "[b]Please[/b] read [url=https://x.example/contract.pdf]the contract[/url] and https://docs.example/spec, \
            [url=/crm/deal/details/5/]the deal[/url], run [code]x_y[/code] :f09f918d:\n[quote]said[/quote]\nsee [disk=5]";
        portal.comment(task, 1, text);
        world.settle().await;
        let said = world.direct(6).pop().unwrap_or_default().replace('\u{200b}', "");
        for shown in [
            "*Please* read <https://x.example/contract.pdf|the contract>",
            "<https://docs.example/spec|https://docs.example/spec>, ",
            &format!("{domain}|the deal>"),
            "run `x_y` 👍\n> said\nsee 📎 file",
        ] {
            assert!(said.contains(shown), "{shown:?} is missing in {said}");
        }
    }
}
