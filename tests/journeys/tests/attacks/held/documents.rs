//! Documents, forms and JSON that are small and would become large or deep.

use std::time::Duration;

use jobs::queues;
use journeys::estate::{Estate, json_of};
use journeys::{Stage, World};
use runtime::clock::Clock;
use secrecy::SecretString;
use settings::document;
use tenants::api_keys::{ApiKeys, Scope};

use super::{Administrator, FORM, client, sent};

/// Ten levels of ten times the one before.
fn billion_laughs() -> String {
    let mut text = "l0: &l0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n".to_owned();
    for level in 1..10 {
        let ten = vec![format!("*l{}", level - 1); 10].join(",");
        text.extend([format!("l{level}: &l{level} [{ten}]\n")]);
    }
    text
}

/// Documents that are refused: what they are, and their text.
fn bombs() -> Vec<(&'static str, String)> {
    let deep_map = |depth: usize| (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
    let routes = |count: usize| {
        let one = |place: usize| format!("- {{name: r{place}, change: deal.created, to: '#a'}}\n");
        format!("routes:\n{}", (0..count).map(one).collect::<String>())
    };
    vec![
        ("a billion laughs", billion_laughs()),
        (
            "one long text, named many times",
            format!("a: &a \"\\n{}\"\nroutes: [{}]\n", "x".repeat(2_000), vec!["*a"; 2_000].join(",")),
        ),
        (
            "one alias",
            "time_zone: &zone Europe/Berlin\nroutes: [{name: *zone, change: deal.created, to: '#a'}]\n".into(),
        ),
        ("an alias of nothing", "routes: *nothing\n".into()),
        ("an alias of itself", "routes: &a [*a]\n".into()),
        ("an anchor as a merge", "a: &a {x: 1}\nb:\n  <<: *a\n".into()),
        ("200 KB of [", "[".repeat(200_000)),
        ("200 KB of {", "{".repeat(200_000)),
        ("200 KB of {a:", "{a: ".repeat(50_000)),
        ("100,000 lists in each other, closed", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("100,000 lists in each other on a line", "- ".repeat(100_000)),
        ("100,000 questions in each other", "? ".repeat(100_000)),
        ("600 names in each other", deep_map(600)),
        ("100,000 words in quotes", "'".repeat(200_001)),
        ("200 KB of line ends and a bracket", format!("{}[", "\n".repeat(200_000))),
        ("200 KB of tags", "!a ".repeat(66_000)),
        ("200 KB of anchors", "&a ".repeat(66_000)),
        ("a tag of Python", "!!python/object/apply:os.system [id]\n".into()),
        ("a tag of another kind", "routes: !!binary aGVsbG8=\n".into()),
        ("two documents", "routes: []\n---\nroutes: []\n".into()),
        ("a list as a name", "? [a, b]\n: x\n".into()),
        ("a name twice", "time_zone: UTC\ntime_zone: Europe/Berlin\n".into()),
        ("not a number", "group_bursts: .nan\n".into()),
        ("a number beyond numbers", "group_bursts: 1e999\n".into()),
        ("a whole number beyond numbers", format!("group_bursts: {}\n", "9".repeat(400))),
        ("a zero byte", "time_zone: \"\\0\"\n".into()),
        ("a list", "- routes\n".into()),
        ("a word", "routes\n".into()),
        ("markup", "<html><script>alert(1)</script></html>".into()),
        ("3,500 routes", routes(3_500)),
        ("41 routes", routes(41)),
        ("300 KB", format!("# {}\n", "x".repeat(300_000))),
    ]
}

#[test]
fn a_document_that_would_grow_or_sink_is_refused_as_it_is_read() {
    let mut taken = Vec::new();
    for (what, text) in bombs() {
        let Err(findings) = document::read(&text) else {
            taken.push(what);
            continue;
        };
        let told = findings.iter().map(|finding| finding.to_string().len()).sum::<usize>();
        assert!(!findings.is_empty() && told < 1_000_000, "{what}: {} findings of {told} bytes", findings.len());
    }
    assert_eq!(taken, Vec::<&str>::new(), "these were taken");
    // Which of them it was is said.
    for (what, said) in [
        ("3,500 routes", "more than 20,000 names and values"),
        ("41 routes", "at most 40 are allowed"),
        ("one alias", "not used here"),
        ("100,000 lists in each other on a line", "deeper than"),
        ("two documents", "second document"),
    ] {
        let (_, text) = bombs().into_iter().find(|(name, _)| *name == what).unwrap();
        let findings: Vec<_> = document::read(&text).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(
            findings.iter().any(|finding| finding.contains(said)),
            "{what}: {:?}",
            &findings[..findings.len().min(3)]
        );
    }
    assert!(document::read("routes: []\n").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settings_page_that_is_given_such_a_document_keeps_the_settings_and_goes_on() {
    let world = World::start_on(Stage::Sockets).await;
    let own = Administrator::of_world(&world).await;
    let before = world.connections.portals().fresh(&world.tenant).await.unwrap().unwrap().settings.clone();
    for (what, text) in bombs() {
        let seen = super::hidden(&own.get("/admin/settings").await.text, "seen").unwrap();
        for act in ["check", "try", "save"] {
            let reply = own.submit("/admin/settings", &[("text", &text), ("act", act), ("seen", &seen)]).await;
            assert!(reply.status < 500, "{act} {what}: {}", reply.status);
        }
        let after = world.connections.portals().fresh(&world.tenant).await.unwrap().unwrap().settings.clone();
        assert_eq!(after, before, "{what}");
    }
    let large = own.submit("/admin/settings", &[("text", &"x".repeat(600_000)), ("act", "check")]).await;
    assert_eq!(large.status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_nests_too_deep_is_refused_wherever_it_is_read() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let (_, key) = ApiKeys::new(estate.engine.backend.store.clone())
        .make(&estate.tenant(0), "deep", &Scope::ALL, estate.clock.now())
        .await
        .unwrap();
    let signing: SecretString = estate.sandbox.workspaces[0].signing_secret().to_owned().into();
    let team = estate.sandbox.workspaces[0].team_id();
    let now = estate.clock.now().as_second();
    for depth in [200, 1_000, 20_000] {
        let nested = deep(depth);
        for (place, body) in [
            ("deals", format!("{{\"title\": \"x\", \"fields\": {{\"utmSource\": {nested}}}}}")),
            ("contacts", format!("{{\"first_name\": \"x\", \"fields\": {nested}}}")),
            ("sync", format!("{{\"records\": {nested}}}")),
            ("deals", nested.clone()),
            ("deals", "{\"a\":".repeat(depth)),
        ] {
            let url = format!("{}/api/v1/{}/{place}", estate.url, estate.tenant(0));
            let request = client().post(url).bearer_auth(&key).header("idempotency-key", format!("{place}{depth}"));
            let (status, told) = json_of(request.body(body).send().await.unwrap()).await;
            assert_eq!(status, 400, "{place} {depth}: {told}");
            estate.clock.advance(Duration::from_secs(1));
        }
        let event = format!(
            "{{\"type\":\"event_callback\",\"team_id\":\"{team}\",\"event_id\":\"E\",\"event\":{{\"type\":\"message\",\"blocks\":{nested}}}}}"
        );
        let payload: String = form_urlencoded::byte_serialize(
            format!("{{\"type\":\"block_actions\",\"team\":{{\"id\":\"{team}\"}},\"user\":{{\"id\":\"U\"}},\"actions\":{nested}}}").as_bytes(),
        )
        .collect();
        for body in [event, nested.clone(), format!("payload={payload}")] {
            let now = estate.clock.now().as_second().max(now);
            let request = client().post(format!("{}/webhooks/slack", estate.url));
            let request = request.header("x-slack-signature", slack::signature::sign(&signing, now, body.as_bytes()));
            let reply = sent(request.header("x-slack-request-timestamp", now.to_string()).body(body)).await;
            assert_eq!(reply.status, 400, "{depth}: {}", reply.text);
        }
        let told = format!("{{\"verification_token\": {nested}}}");
        assert!(notion::event::NotionInbound::parse(told.as_bytes()).is_err(), "{depth}");
    }
}

#[tokio::test]
async fn a_forms_names_that_nest_too_deep_bring_nothing_in() {
    let world = World::start_on(Stage::Sockets).await;
    let good = world.sandbox.portal.event_body("ONCRMDEALADD", 1);
    let deep = [
        format!("data{}", "[a]".repeat(33)),
        format!("data{}", "[a]".repeat(1_000)),
        format!("data{}", "[]".repeat(10_000)),
        format!("auth{}", "[member_id]".repeat(1_000)),
    ];
    let odd = [
        "[".repeat(10_000),
        format!("x{}", "[".repeat(10_000)),
        format!("x{}", "]".repeat(10_000)),
        format!("x{}a{}", "[".repeat(5_000), "]".repeat(5_000)),
    ];
    let names: Vec<_> =
        deep.iter().map(|name| (name, "deep-marker")).chain(odd.iter().map(|name| (name, "odd"))).collect();
    for (name, value) in &names {
        let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        for body in [format!("{good}&{name}={value}"), format!("{encoded}={value}&{good}"), format!("{name}={value}")] {
            let shown: String = name.chars().take(20).collect();
            let (status, answer) = world.post(body).await;
            assert!([200, 400, 401, 413].contains(&status), "{shown}: {status} {answer}");
        }
    }
    // An event may be taken without what was too deep; that is in no job.
    let queue = world.engine.backend.queue.clone();
    let mut accepted = 0;
    loop {
        let batch = queue.receive(queues::BITRIX24_EVENTS, 10, Duration::ZERO).await.unwrap();
        if batch.is_empty() {
            break;
        }
        accepted += batch.len();
        for message in &batch {
            assert!(!message.body.contains("deep-marker"), "{}", message.body);
        }
        let receipts = batch.into_iter().map(|message| message.receipt).collect();
        queue.delete(queues::BITRIX24_EVENTS, receipts).await.unwrap();
    }
    assert!(accepted > 0, "no event was accepted");
    assert_eq!(world.post(good).await.0, 200);
    // The same at the address where applications are installed; the server that it names is none of Bitrix24's.
    let url = format!("{}{}", super::base(&world), install::BITRIX24_APP);
    for (name, value) in names {
        let body = format!("event=ONAPPINSTALL&auth[server_endpoint]=https://evil.example/rest/&{name}={value}");
        let reply = sent(client().post(&url).header("content-type", FORM).body(body)).await;
        assert!([400, 401, 413].contains(&reply.status), "{}: {}", reply.status, reply.text);
    }
}
