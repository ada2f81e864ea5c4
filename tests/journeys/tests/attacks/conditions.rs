//! Conditions that would take forever, or all memory.

use journeys::Stage;
use journeys::estate::{Browser, Estate, Page};
use runtime::Clock;
use runtime::ledger::{Ledger, LedgerLine, today};
use serde_json::json;
use simulators::portal::DEAL;

const TOO_MANY_STEPS: &str = "the condition takes more than 10,000 steps on this record; use fewer exists, all, map and \
    filter within each other, or shorter lists";
const TOO_MANY_BYTES: &str = "the condition makes more than 1 MB of texts and lists on this record; join fewer texts and \
    lists with +";

/// Constants only: each level multiplies the work by ten.
fn literals(depth: usize) -> String {
    format!("{}x < 0{}", "[0,1,2,3,4,5,6,7,8,9].exists(x, ".repeat(depth), ")".repeat(depth))
}

/// A field of thirty values, within itself.
fn values(depth: usize) -> String {
    let open: String = (0..depth).map(|level| format!("record.ufCrm_1.exists(v{level}, ")).collect();
    format!("{open}v0 == 'none'{}", ")".repeat(depth))
}

/// A text that doubles at each level.
fn doubled(depth: usize) -> String {
    let open: String = (0..depth).map(|level| format!("[v{level}+v{level}].exists(v{},", level + 1)).collect();
    format!("[record.title].exists(v0,{open}size(v{depth})<0{}", ")".repeat(depth + 1))
}

/// The fields of a route's form, with this condition.
async fn form(browser: &Browser, when: &str) -> Vec<(&'static str, String)> {
    let page = browser.get("/admin/routes/edit").await.text;
    let hidden = |name: &str| {
        let value = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().to_owned()
    };
    vec![
        ("token", hidden("token")),
        ("seen", hidden("seen")),
        ("of", String::new()),
        ("name", "expensive".to_owned()),
        ("change", "deal.created".to_owned()),
        ("to", "#general".to_owned()),
        ("when", when.to_owned()),
    ]
}

async fn send(browser: &Browser, path: &str, when: &str) -> Page {
    let fields = form(browser, when).await;
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(path, &fields).await
}

/// Companies whose deals have a field of many values, and a route that tells of each new deal.
async fn companies(count: usize) -> (Estate, Vec<Browser>) {
    let estate = Estate::start_on(Stage::Sockets, count).await;
    let mut browsers = Vec::new();
    for company in 0..count {
        browsers.push(estate.install(company).await);
        let settings = json!({
            "group_bursts": null, "operators": {"channel": "#ops", "watch": []},
            "routes": [{"name": "all", "change": "deal.created", "to": "#general", "card": {"fields": ["record.ufCrm_1"]}}],
        });
        estate.connections.portals().set_settings(&estate.tenant(company), settings).await.unwrap();
        estate.sandbox.portals[company].add_field(DEAL, "ufCrm_1", "string", true, &[]);
    }
    (estate, browsers)
}

fn add_deal(estate: &Estate, company: usize, title: &str) {
    let values: Vec<_> = (0..30).map(|number| format!("value {number}")).collect();
    estate.sandbox.portals[company].add_item(DEAL, json!({"title": title, "ufCrm_1": values}));
}

/// Why routes did not take the changes of a company, as its ledger says of each event.
async fn left(estate: &Estate, company: usize) -> Vec<String> {
    let ledger = Ledger::new(estate.engine.backend.store.clone());
    let day = ledger.day(&estate.tenant(company), &today(estate.clock.now()), None).await.unwrap();
    let events = day.lines.into_iter().filter_map(|line| match line {
        LedgerLine::Event(event) => Some(event.left),
        LedgerLine::Delivery(_) => None,
    });
    events.flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_and_the_try_say_that_a_condition_takes_too_much() {
    let (estate, browsers) = companies(1).await;
    let browser = &browsers[0];
    // Without a deal yet: over the example.
    let page = send(browser, "/admin/routes/preview", &literals(10)).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains(TOO_MANY_STEPS), "{}", page.text);

    add_deal(&estate, 0, &"Roof for ACME ".repeat(14));
    estate.settle().await;
    for (condition, said) in [
        (literals(8), TOO_MANY_STEPS),
        (literals(22), TOO_MANY_STEPS),
        (values(3), TOO_MANY_STEPS),
        (values(5), TOO_MANY_STEPS),
        (doubled(20), TOO_MANY_BYTES),
        (doubled(22), TOO_MANY_BYTES),
    ] {
        for path in ["/admin/routes/preview", "/admin/routes/try"] {
            let page = send(browser, path, &condition).await;
            assert_eq!(page.status, 200, "{condition}");
            assert!(page.text.contains(said), "{path} {condition}: {}", page.text);
        }
    }
    // What is honest is told, also where it looks at each value for each value.
    let page = send(browser, "/admin/routes/preview", &format!("!{}", values(2))).await;
    assert!(page.text.contains("To <strong>#general</strong>"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nests_deeper_than_anybody_reads_is_refused_by_the_form() {
    let (_estate, browsers) = companies(1).await;
    for condition in ["(".repeat(900), "[".repeat(900), "f(".repeat(400), "-!".repeat(499), "1+".repeat(499) + "1"] {
        let page = send(&browsers[0], "/admin/routes/preview", &condition).await;
        assert_eq!(page.status, 200);
        let refused = page.text.contains("more than 24 brackets within brackets")
            || page.text.contains("nests its expressions more than 150 deep");
        assert!(refused, "{condition}: {}", page.text);
        let page = send(&browsers[0], "/admin/routes/save", &condition).await;
        assert!(page.text.contains("Not saved"), "{condition}: {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_route_that_takes_too_much_stops_no_other_route_and_no_other_company() {
    let (estate, browsers) = companies(2).await;
    for condition in [literals(10), values(5), doubled(22)] {
        let saved = send(&browsers[0], "/admin/routes/save", &condition).await;
        assert_eq!(saved.status, 303, "{}", saved.text);
        for company in [0, 1] {
            add_deal(&estate, company, "Roof for ACME, and a second roof, and a third one");
        }
        estate.settle().await;
        // Away with it, for the next one.
        let fields = form(&browsers[0], "").await;
        let fields = [("token", fields[0].1.as_str()), ("seen", fields[1].1.as_str()), ("route", "expensive")];
        assert_eq!(browsers[0].post("/admin/routes/delete", &fields).await.status, 303);
    }
    for company in [0, 1] {
        let told = "New deal: Roof for ACME, and a second roof, and a third one";
        assert_eq!(estate.channel(company, "general"), [told; 3]);
    }
    let mut expected =
        [TOO_MANY_STEPS, TOO_MANY_STEPS, TOO_MANY_BYTES].map(|said| format!("route \"expensive\": {said}"));
    expected.sort();
    let mut said = left(&estate, 0).await;
    said.sort();
    assert_eq!(said, expected);
    assert_eq!(left(&estate, 1).await, Vec::<String>::new());
}
