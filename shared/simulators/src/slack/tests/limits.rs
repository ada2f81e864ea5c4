//! What Slack counts, and what it refuses.

use super::*;
use crate::slack::limits::tier;
use crate::testing::VirtualTime;

async fn asked(workspace: &SlackSimulator, method: &str, params: Value) -> (u16, Option<u64>) {
    let answer = ask(workspace, &format!("/api/{method}"), "application/json", params.to_string()).await;
    let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    (answer.status().as_u16(), wait)
}

/// How many calls are answered before one is refused, and after how many seconds that one may be repeated.
async fn until_refused(workspace: &SlackSimulator, method: &str, params: Value) -> (u32, u64) {
    for calls in 0..1_000 {
        if let (429, Some(wait)) = asked(workspace, method, params.clone()).await {
            return (calls, wait);
        }
    }
    unreachable!("{method} has no limit")
}

#[tokio::test]
async fn every_method_that_there_is_has_a_limit_and_no_other_is_answered() {
    let time = VirtualTime::start();
    let workspace = SlackSimulator::start(time.clock.clone(), 0).await.unwrap();
    for method in METHODS.into_iter().filter(|method| *method != "no.such.method") {
        assert!(tier(method).is_some(), "{method}");
        let (calls, wait) = until_refused(&workspace, method, json!({"channel": "C0SAND0001"})).await;
        assert!((4..=100).contains(&calls) && (1..=3).contains(&wait), "{method}: {calls}, then {wait} s");
    }
    assert_eq!(call(&workspace, "no.such.method", json!({})).await["error"], "unknown_method");
    let exceeded = workspace.exceeded_limits();
    assert_eq!(exceeded.len(), METHODS.len() - 1);
    assert!(exceeded.iter().all(|limit| limit.account == "T0SANDBOX" && limit.times == 1), "{exceeded:?}");
    let history = exceeded.iter().find(|limit| limit.method == "conversations.history").unwrap();
    assert_eq!(history.limit, "tier 3");
}

#[tokio::test]
async fn a_channel_takes_a_post_a_second_and_others_do_not_wait_for_it() {
    let time = VirtualTime::start();
    let workspace = SlackSimulator::start(time.clock.clone(), 0).await.unwrap();
    let post = |channel: &str| json!({"channel": channel, "text": "x"});
    assert_eq!(until_refused(&workspace, "chat.postMessage", post("general")).await, (4, 1));
    assert_eq!(asked(&workspace, "chat.postMessage", post("ops")).await.0, 200);
    time.pass(1).await;
    assert_eq!(asked(&workspace, "chat.postMessage", post("general")).await.0, 200);
    assert_eq!(asked(&workspace, "chat.postMessage", post("general")).await.0, 429);
}

#[tokio::test]
async fn an_app_from_outside_the_marketplace_reads_fifteen_messages_a_minute() {
    let time = VirtualTime::start();
    let workspace = SlackSimulator::start(time.clock.clone(), 0).await.unwrap();
    let first = workspace.say("U0PERSON01", "C0SAND0001", "first", None, &[]);
    for number in 0..20 {
        workspace.say("U0PERSON01", "C0SAND0001", &number.to_string(), None, &[]);
        workspace.say("U0PERSON01", "C0SAND0001", &number.to_string(), Some(&first), &[]);
    }
    workspace.be_distributed(true);
    for (method, params) in [
        ("conversations.history", json!({"channel": "C0SAND0001", "limit": 200})),
        ("conversations.replies", json!({"channel": "C0SAND0001", "ts": first, "limit": 200})),
    ] {
        let page = call(&workspace, method, params.clone()).await;
        assert_eq!((page["messages"].as_array().unwrap().len(), &page["has_more"]), (15, &json!(true)), "{method}");
        let cursor = page["response_metadata"]["next_cursor"].clone();
        assert_eq!(asked(&workspace, method, params.clone()).await, (429, Some(60)), "{method}");
        time.pass(60).await;
        let mut next = params;
        next["cursor"] = cursor;
        let page = call(&workspace, method, next).await;
        assert_eq!((page["messages"].as_array().unwrap().len(), &page["has_more"]), (6, &json!(false)), "{method}");
        time.pass(60).await;
    }
    assert!(workspace.exceeded_limits().iter().all(|limit| limit.limit == "1 a minute outside the Marketplace"));
    workspace.be_distributed(false);
    let page = call(&workspace, "conversations.history", json!({"channel": "C0SAND0001", "limit": 200})).await;
    assert_eq!(page["messages"].as_array().unwrap().len(), 21);
}

#[tokio::test]
async fn the_moments_themselves_belong_to_a_window_only_if_the_caller_says_so() {
    let time = VirtualTime::start();
    let workspace = SlackSimulator::start(time.clock.clone(), 0).await.unwrap();
    let said: Vec<_> =
        ["a", "b", "c", "d"].iter().map(|text| workspace.say("U0PERSON01", "C0SAND0001", text, None, &[])).collect();
    let read = async |inclusive: bool| {
        let window = json!({"channel": "C0SAND0001", "oldest": said[0], "latest": said[2], "inclusive": inclusive});
        let page = call(&workspace, "conversations.history", window).await;
        page["messages"].as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
    };
    let (open, closed): (Vec<String>, Vec<String>) = (read(false).await, read(true).await);
    assert_eq!((open, closed), (vec!["b".to_owned()], vec!["c".to_owned(), "b".into(), "a".into()]));
}

#[tokio::test]
async fn calls_fail_for_as_long_as_a_rule_says_and_wait_by_the_clock() {
    let time = VirtualTime::start();
    let workspace = SlackSimulator::start(time.clock.clone(), 0).await.unwrap();
    let throttled = Fault::Throttled { status: 429, retry_after: crate::RetryAfterForm::Milliseconds(1_500) };
    workspace.fail(Rule::every("auth.test", throttled).lasting(30));
    let test = async || ask(&workspace, "/api/auth.test", "application/json", "{}").await;
    let refused = test().await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "1.500"));
    time.pass(30).await;
    assert_eq!(test().await.status().as_u16(), 200);
    assert_eq!(workspace.exceeded_limits(), [], "what a test asked for exceeds no limit");
    workspace.fail(Rule { count: Some(1), ..Rule::every("auth.test", Fault::Slow { milliseconds: 5_000 }) });
    let (answer, ()) = tokio::join!(test(), time.pass(6));
    assert_eq!((answer.status().as_u16(), time.seconds()), (200, 36));
    let parts: Vec<&str> = std::str::from_utf8(answer.body()).unwrap().split("\"ok\":true").collect();
    assert_eq!(parts.len(), 2, "it is the right answer");
}
