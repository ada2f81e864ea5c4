//! Bodies and texts whose work would grow with the square of their length.

use bitrix24::form::{MAX_EVENT_BODY, MAX_PAIRS};
use jobs::queues;
use journeys::estate::Estate;
use journeys::{Stage, World};
use runtime::clock::Clock;
use runtime::ledger::{Ledger, LedgerLine, today};

use crate::bridged::Bridged;

/// Many values, as large as a door lets through.
fn flood(shape: &str, bytes: usize) -> String {
    shape.repeat(bytes / shape.len())
}

const SHAPES: [&str; 8] =
    ["a[]=1&", "a[", "a[0][1][2][3][4]=1&", "%", "flag&", "auth[x]=1&", "auth[member_id]=m&", "a[b]c[]=&"];

async fn waiting(world: &World) -> u64 {
    runtime::Queue::depth(world.engine.queue.as_ref(), queues::BITRIX24_EVENTS).await.unwrap().waiting
}

/// What the ledger says about each event besides.
async fn remarks(world: &World) -> Vec<Option<String>> {
    let ledger = Ledger::new(world.engine.backend.store.clone());
    let lines = ledger.day(&world.tenant, &today(world.clock.now()), None).await.unwrap().lines;
    let events = lines.into_iter().rev().filter_map(|line| match line {
        LedgerLine::Event(event) => Some(event.remark),
        LedgerLine::Delivery(_) => None,
    });
    events.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_values_without_a_token_is_looked_at_once_and_refused() {
    let world = World::start_on(Stage::Sockets).await;
    for shape in SHAPES {
        let (status, answer) = world.post(flood(shape, MAX_EVENT_BODY - 8)).await;
        // `%` alone is no form at all.
        let wanted = if shape.contains('=') { (401, "wrong_token") } else { (400, "not_an_event") };
        assert_eq!((status, answer["error"].as_str().unwrap()), wanted, "{shape}: {answer}");
        let (status, answer) = world.post(flood(shape, MAX_EVENT_BODY + 100)).await;
        assert_eq!((status, answer["error"].as_str()), (413, Some("too_large")), "{shape}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains("786432 bytes"), "{answer}");
    }
    assert_eq!(waiting(&world).await, 0);
    let counted = world.engine.counters.all();
    assert_eq!(counted[&("events_refused", "too_large")], SHAPES.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_price_of_an_unknown_senders_body_is_one_look_at_it() {
    let world = World::start_on(Stage::Sockets).await;
    let deps = bitrix24_webhook::Deps::from(world.engine.backend.clone());
    for shape in SHAPES {
        let body = flood(shape, MAX_EVENT_BODY - 8);
        let bytes = body.len() as u64;
        let before = steps::taken();
        let request = http::Request::post("/webhooks/bitrix24").body(bytes::Bytes::from(body)).unwrap();
        // On one thread, so that all of its steps are this thread's.
        let response = futures::FutureExt::now_or_never(bitrix24_webhook::handle(&deps, request));
        let taken = steps::taken() - before;
        assert!(taken <= 6 * bytes, "{shape}: {taken} steps for {bytes} bytes");
        assert!(response.is_none_or(|response| response.status().is_client_error()), "{shape}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_flood_where_an_application_is_installed_is_refused() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let http = reqwest::Client::new();
    let post = |body: String| {
        let request = http.post(format!("{}/install/bitrix24/app", estate.url));
        request.header("content-type", "application/x-www-form-urlencoded").body(body).send()
    };
    let (too_many, unread) = ("more than 2000", "no AUTH_ID");
    for (body, status, says) in [
        (flood("a[]=1&", 32 * 1024 - 8), 413, too_many),
        (flood("event=ONAPPINSTALL&a[]=1&", 30_000), 413, too_many),
        (flood("a[]=1&", MAX_PAIRS * 6), 400, unread),
        (flood("a[", 30_000) + "=1", 400, unread),
        (flood("a[]=1&", 64 * 1024 + 100), 413, "larger"),
    ] {
        let begins: String = body.chars().take(30).collect();
        let answer = post(body).await.unwrap();
        let found = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert!(found == status && text.contains(says), "{begins}: {found} {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_value_costs_only_itself_and_the_ledger_says_so() {
    let world = World::start_on(Stage::Sockets).await;
    let good = world.sandbox.portal.event_body("ONCRMDEALADD", 1);
    let deep = format!("x{}=1", "[a]".repeat(60));
    for broken in ["flag", "x=%ff", "x%ff=1", "=1", &deep, &format!("flag&{deep}&x=%c3%28")] {
        let (status, answer) = world.post(format!("{broken}&{good}&{broken}")).await;
        assert_eq!((status, answer["ok"].as_bool()), (200, Some(true)), "{broken:.40}: {answer}");
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    let raw = [b"x=\xff\xfe&", good.as_bytes()].concat();
    assert_eq!(world.post(raw).await.0, 200, "bytes that are no UTF-8 and not encoded either");
    world.clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(world.post(format!("{good}&{}", flood("a[]=1&", 30_000))).await.0, 200, "more values than are read");
    world.settle().await;
    let many = |count: usize| Some(format!("{count} values of the event could not be read"));
    let values = good.split('&').count() + 30_000 / 6;
    let one = Some("1 value of the event could not be read".to_owned());
    assert_eq!(
        remarks(&world).await,
        [many(2), many(2), many(2), many(2), many(2), many(6), one, many(values - MAX_PAIRS)],
    );
    // The deal itself was read as ever.
    assert!(world.ledger().await.iter().all(|line| !line.contains("no data[FIELDS]")), "{:?}", world.ledger().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_proof_is_refused_for_that() {
    let world = World::start_on(Stage::Sockets).await;
    let good = world.sandbox.portal.event_body("ONCRMDEALADD", 1);
    let token = world.sandbox.portal.credentials().application_token;
    let (status, answer) = world.post(good.replace(&token, "%ff%fe")).await;
    let text = "auth[application_token] is not UTF-8";
    assert_eq!((status, answer["message"].as_str()), (400, Some(text)), "{answer}");
    for body in [format!("{good}&auth=x"), format!("{good}&auth%5Bapplication_token%5D[x]=1")] {
        assert_eq!(world.post(body).await.0, 401, "the last value of a name counts");
    }
}

fn joined(parts: &[String]) -> String {
    parts.concat().replace('\u{200b}', "")
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_that_never_closes_goes_through_the_whole_product() {
    let bridge = Bridged::start().await;
    for shape in ["[url]", "[img]", "[call]", "[user=1]", "[b]", "["] {
        let parts = bridge.after_writing(&format!("begins {} ends", flood(shape, 19_000))).await;
        let text = joined(&parts);
        assert!(text.contains("begins") && text.contains("ends"), "{shape}: {} parts", parts.len());
    }
    for shape in ["***", "___", "~a~ ", "`", "```", "<<<", "*a_b~c "] {
        let parts = bridge.after_saying(&format!("*begins* {} ends", flood(shape, 19_000))).await;
        let text = joined(&parts);
        assert!(text.contains("begins") && text.contains("ends"), "{shape}: {} parts", parts.len());
    }
    bridge.nothing_is_stuck().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_longer_than_any_arrives_shortened_and_says_so() {
    let bridge = Bridged::start().await;
    // Slack cuts what people type at 40,000; what is longer comes from elsewhere, or from a Slack that changed its mind.
    let text = format!("*begins* {} ends", "word ".repeat(10_000));
    let before = bridge.world.sandbox.portal.conversation(&bridge.chat).len();
    let event = serde_json::json!({
        "type": "message", "user": bridge.ann, "text": text, "ts": "1795795200.000777", "channel": bridge.channel,
        "channel_type": "channel",
    });
    bridge.world.post_slack_event("EvLONG", &event).await;
    let text = joined(&bridge.world.sandbox.portal.conversation(&bridge.chat).split_off(before));
    assert!(text.contains("begins") && !text.contains("ends"), "{}", text.len());
    assert!(text.contains("shortened: only the first 40,000 characters are shown"), "{}", &text[text.len() - 100..]);

    // A portal of somebody's own making: Bitrix24 itself cuts its messages at 20,000.
    let text = format!("begins {} ends", "[b]x ".repeat(5_000)).replace(' ', "+");
    let event = format!(
        "{}&data[bot][id]=999&data[chat][dialogId]={}&data[message][id]=990001&data[message][authorId]=6&data[user][id]=6&data[user][name]=Ann&data[message][text]={text}",
        bridge.world.sandbox.portal.event_body("ONIMBOTV2MESSAGEADD", 1),
        bridge.chat,
    );
    let before = bridge.world.channel("general").len();
    assert_eq!(bridge.world.post(event).await.0, 200);
    bridge.world.settle().await;
    let text = joined(&bridge.world.channel("general").split_off(before));
    assert!(text.contains("begins") && !text.contains("ends"), "{}", text.len());
    assert!(text.contains("shortened: only the first 20,000 characters are shown"), "{text:.300}");
    bridge.nothing_is_stuck().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_does_not_turn_the_words_around_it() {
    let world = World::start_on(Stage::Sockets).await;
    world.sandbox.portal.add_deal("\u{202e}cod.exe\u{202c} \u{2067}deal\u{2069} שלום\u{200f}", 100, "EUR");
    world.settle().await;
    let said = world.channel("sales-leads").concat()
        + &world.channel("sales-pipeline").concat()
        + &world.channel("general").concat();
    assert!(said.contains("cod.exe deal שלום\u{200f}"), "{said}");
    assert!(!said.contains(['\u{202e}', '\u{202c}', '\u{2067}', '\u{2069}']), "{said:?}");
}
