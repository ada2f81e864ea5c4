//! Operators at work: signing in, finding a fault and its cause, redriving, changing what is told; and what others may not.

use std::time::Duration;

use jobs::queues;
use journeys::estate::{Browser, Estate};
use runtime::clock::Clock;
use serde_json::json;
use tenants::audit::Audit;

async fn signed_in(estate: &Estate, company: usize) -> Browser {
    let code = admin::new_code(&estate.engine.backend, &estate.tenant(company)).await.unwrap();
    let browser = estate.browser();
    assert_eq!(browser.post("/admin/sign-in", &[("code", &code)]).await.location.as_deref(), Some("/admin"));
    browser
}

async fn audited(estate: &Estate, company: usize) -> Vec<String> {
    let audit = Audit::new(estate.engine.backend.store.clone());
    let (entries, _) = audit.latest(&estate.tenant(company), 50, None).await.unwrap();
    entries.into_iter().rev().map(|entry| format!("{}: {} {}", entry.who, entry.what, entry.of)).collect()
}

/// Nobody can post in a channel, and a deal is to be told there; the deal.
async fn a_planted_fault(estate: &Estate, company: usize, title: &str) -> u64 {
    estate.sandbox.workspaces[company].change_channel("sales-pipeline", |channel| channel.is_archived = true);
    let deal = estate.sandbox.portals[company].add_deal(title, 150_000, "EUR");
    estate.settle().await;
    deal
}

/// The addresses that a page leads to.
fn links(page: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.map(|link| link.replace("&amp;", "&")).collect()
}

fn link<'a>(links: &'a [String], begins: &str) -> &'a str {
    links.iter().find(|link| link.starts_with(begins)).unwrap_or_else(|| unreachable!("{begins}: {links:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_fault_is_found_from_the_overview_mended_and_redriven() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let browser = signed_in(&estate, 0).await;
    assert!(browser.get("/admin").await.text.contains("All is well."));
    let deal = a_planted_fault(&estate, 0, "Roof for ACME").await;

    // One click from the overview to the dead letters, one to the event's way, one to what redriving will do, one to do it.
    let page = browser.get("/admin").await.text;
    assert!(page.contains("1 failed delivery"), "{page}");
    let page = browser.get(link(&links(&page), "/admin/dead")).await.text;
    assert!(page.contains("1 × channel_not_found") && page.contains("create the channel"), "{page}");
    let way = browser.get(link(&links(&page), "/admin/events/")).await.text;
    assert!(way.contains(&format!("deal {deal}")) && way.contains("ONCRMDEALADD"), "{way}");
    // What was asked and answered on the way: the deal's read.
    assert!(way.contains("bitrix24 crm.item.list") && way.contains("Roof for ACME"), "{way}");
    let plan = link(&links(&way), "/admin/dead/plan").to_owned();
    let page = browser.get(&plan).await.text;
    assert!(page.contains("will go back to the end of") && page.contains("not done twice"), "{page}");

    estate.sandbox.workspaces[0].change_channel("sales-pipeline", |channel| channel.is_archived = false);
    // A channel that was not there is looked for again after a while.
    estate.clock.advance(Duration::from_secs(3600));
    let done = browser.submit(&plan, "/admin/dead/redrive", &[]).await;
    estate.settle().await;
    let way = browser.get(done.location.as_deref().unwrap()).await.text;
    assert!(way.contains("Delivered after"), "{way}");
    assert_eq!(estate.channel(0, "sales-pipeline"), ["New deal: Roof for ACME"]);
    estate.sweep().await;
    assert!(browser.get("/admin").await.text.contains("All is well."));
    // Doing it once more finds nothing.
    assert!(browser.get(&plan).await.location.unwrap().contains("no+longer+exist"));
    let audited = audited(&estate, 0).await;
    assert!(
        audited.iter().any(|line| line.starts_with("a one-time code: dead letters redriven slack-delivery/")),
        "{audited:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_redriven_at_once_and_what_is_discarded_says_why() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let browser = signed_in(&estate, 0).await;
    for name in ["Alpha", "Bravo", "Carol", "Delta", "Echo", "Fox", "Golf", "Hotel", "India", "Julia", "Kilo", "Lima"] {
        a_planted_fault(&estate, 0, name).await;
    }
    let page = browser.get("/admin/dead?q=Delta").await.text;
    let plan = link(&links(&page), "/admin/dead/plan?act=discard&queue").to_owned();
    let filtered = link(&links(&page), "/admin/dead/plan?act=discard&q=Delta").to_owned();
    assert!(plan.contains("code=channel_not_found"));
    let refused = browser.submit(&filtered, "/admin/dead/discard", &[]).await;
    assert!(refused.location.unwrap().contains("a+reason+is+needed"));
    let done = browser.submit(&filtered, "/admin/dead/discard", &[("why", "a test of ours")]).await;
    assert!(done.location.unwrap().contains("1+delivery+was+discarded"));
    let found = browser.get("/admin/events?q=discarded&status=skipped").await.text;
    assert!(found.contains("discarded by a one-time code: a test of ours"), "{found}");

    estate.sandbox.workspaces[0].change_channel("sales-pipeline", |channel| channel.is_archived = false);
    estate.clock.advance(Duration::from_secs(3600));
    let group = "/admin/dead/plan?act=redrive&queue=slack-delivery&code=channel_not_found";
    let done = browser.submit(group, "/admin/dead/redrive", &[]).await;
    assert!(done.location.unwrap().contains("11+deliveries+are+in+their+queues"));
    estate.settle().await;
    assert_eq!(estate.channel(0, "sales-pipeline").len(), 11);
    assert!(!estate.channel(0, "sales-pipeline").iter().any(|card| card.contains("Delta")));
    assert!(browser.get("/admin/dead").await.text.contains("There are no failed deliveries."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_was_given_up_has_its_whole_patience_again() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let slack = &estate.sandbox.workspaces[0];
    slack.fail_next("chat.postMessage", simulators::Fault::Code { code: "message_limit_exceeded".into(), status: 200 });
    estate.sandbox.portals[0].add_deal("Roof", 1, "EUR");
    estate.settle().await;
    let letters = estate.engine.queue.dead_letters(queues::SLACK_DELIVERY, 10).await.unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let browser = signed_in(&estate, 0).await;
    // Slack is busy when it is redriven: it is tried again, not given up at once.
    for _ in 0..3 {
        slack.fail_next("chat.postMessage", simulators::Fault::Code { code: "internal_error".into(), status: 200 });
    }
    browser.submit("/admin/dead/plan?act=redrive", "/admin/dead/redrive", &[]).await;
    estate.settle().await;
    assert_eq!(estate.channel(0, "sales-pipeline"), ["New deal: Roof"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_or_touches_what_is_another_tenants() {
    let estate = Estate::start(2).await;
    estate.install(0).await;
    estate.install(1).await;
    a_planted_fault(&estate, 0, "Secret roof").await;
    let (own, other) = (signed_in(&estate, 0).await, signed_in(&estate, 1).await);
    let page = own.get("/admin/dead").await.text;
    let way = link(&links(&page), "/admin/events/").to_owned();
    let plan = link(&links(&page), "/admin/dead/plan?act=redrive&name").to_owned();
    let name = plan.split("name=").nth(1).unwrap().replace("%2F", "/");

    assert_eq!(other.get(&way).await.status, 404);
    for path in ["/admin", "/admin/dead", "/admin/events", "/admin/events?q=Secret", "/admin/audit"] {
        let page = other.get(path).await.text;
        assert!(!page.contains("Secret roof") && !page.contains("channel_not_found"), "{path}: {page}");
    }
    assert!(other.get(&plan).await.location.unwrap().contains("no+longer+exist"));
    let token = other.get("/admin/keys").await.text;
    let token = token.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for act in ["redrive", "discard"] {
        other.post(&format!("/admin/dead/{act}"), &[("token", &token), ("name", &name), ("why", "mine")]).await;
    }
    estate.settle().await;
    assert!(own.get("/admin/dead").await.text.contains("1 × channel_not_found"));
    // A session is taken back by its own tenant only.
    let sessions = web::sessions::list(estate.engine.backend.store.as_ref(), &estate.tenant(0)).await.unwrap();
    for session in &sessions {
        web::sessions::revoke(estate.engine.backend.store.as_ref(), &estate.tenant(1), &session.name).await.unwrap();
    }
    assert!(own.get("/admin").await.text.contains("Overview"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_administers_the_workspace_signs_in_with_slack_and_nobody_else() {
    let estate = Estate::start(2).await;
    estate.install(0).await;
    let (workspace, team) = (&estate.sandbox.workspaces[0], estate.sandbox.workspaces[0].team_id());
    let administrator = workspace.people().into_iter().find(|person| person.is_admin).unwrap();
    let other = workspace.people().into_iter().find(|person| !person.is_admin).unwrap();
    let come = async |browser: &Browser, team: &str, user: &str| {
        let asked = browser.leads_to(&browser.get("/admin/sign-in/slack").await.text);
        assert!(asked.contains("openid") && asked.contains("/openid/connect/authorize"), "{asked}");
        browser.get(&estate.sandbox.hub.sign_in(&asked, team, user)).await
    };
    let browser = estate.browser();
    assert!(browser.get("/admin").await.text.contains("Sign in with Slack"));
    let page = come(&browser, &team, &administrator.id).await;
    assert_eq!(page.location.as_deref(), Some("/admin"), "{}", page.text);
    assert!(browser.get("/admin").await.text.contains(&administrator.id));
    assert!(
        audited(&estate, 0).await.iter().any(|line| line.contains(&administrator.id) && line.contains("signed in"))
    );

    let refused = come(&estate.browser(), &team, &other.id).await;
    assert!(refused.status == 403 && refused.text.contains("neither administers"), "{}", refused.text);
    // Unless the settings name them, by id or by e-mail.
    let settings = json!({"admins": [other.email.to_uppercase()], "operators": {"channel": "#ops", "watch": []}});
    estate.connections.portals().set_settings(&estate.tenant(0), settings).await.unwrap();
    estate.clock.advance(Duration::from_secs(61));
    assert_eq!(come(&estate.browser(), &team, &other.id).await.status, 303);

    // A workspace that nobody connected; a state of another browser; the same state twice; a code that is made up.
    let strange = come(&estate.browser(), &estate.sandbox.workspaces[1].team_id(), &administrator.id).await;
    assert!(strange.status == 403 && strange.text.contains("not connected"), "{}", strange.text);
    let (victim, thief) = (estate.browser(), estate.browser());
    let asked = victim.leads_to(&victim.get("/admin/sign-in/slack").await.text);
    let back = estate.sandbox.hub.sign_in(&asked, &team, &administrator.id);
    assert_eq!(thief.get(&back).await.status, 400);
    assert_eq!(victim.get(&back).await.status, 303, "a stranger's try takes nothing from who began");
    assert_eq!(victim.get(&back).await.status, 400, "it was used by that");
    let asked = victim.leads_to(&victim.get("/admin/sign-in/slack").await.text);
    let state = journeys::estate::field(&asked, "state");
    let made_up = victim.get(&format!("/admin/sign-in/slack/back?code=guess&state={state}")).await;
    assert!(made_up.status == 502 && made_up.text.contains("invalid_code"), "{}", made_up.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_and_taken_back() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let (one, two) = (signed_in(&estate, 0).await, signed_in(&estate, 0).await);
    let page = one.get("/admin/audit").await.text;
    assert!(page.contains("(this is you)") && page.contains("Sign out everyone else"), "{page}");
    one.submit("/admin/audit", "/admin/audit/revoke", &[("name", "others")]).await;
    assert!(two.get("/admin").await.text.contains("One-time code"));
    assert!(one.get("/admin").await.text.contains("Overview"));
    // A session ends by itself.
    estate.clock.advance(Duration::from_secs(9 * 60 * 60));
    assert!(one.get("/admin").await.text.contains("One-time code"));
}

/// The form of a route, filled in.
fn route<'a>(name: &'a str, change: &'a str, to: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("name", name), ("change", change), ("to", to), ("thread", "none")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_is_made_tried_shown_saved_and_undone_on_its_page() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let browser = signed_in(&estate, 0).await;
    estate.sandbox.portals[0].add_deal("Small", 10, "EUR");
    estate.sandbox.portals[0].add_deal("Large", 500_000, "EUR");
    estate.settle().await;
    let posted = estate.channel(0, "general").len();
    let mut fields = route("large deals", "deal.created", "#general");
    fields.extend([("when", "record.opportunity > 1000"), ("title", "Big one: {title}")]);

    // The card, as people will see it, and what it would have told of what happened. Nothing is sent by that.
    let shown = browser.submit("/admin/routes/edit", "/admin/routes/save", &fields).await;
    assert!(shown.location.unwrap().starts_with("/admin/routes?done=large"));
    let mut changed = fields.clone();
    changed.push(("of", "large deals"));
    let token = browser.get("/admin/keys").await.text;
    let token = token.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    changed.push(("token", &token));
    let preview = browser.post("/admin/routes/preview", &changed).await.text;
    assert!(preview.contains("Big one: ") && preview.contains("Large") && preview.contains("#general"), "{preview}");
    let tried = browser.post("/admin/routes/try", &changed).await.text;
    assert!(
        tried.contains("1 card would have been posted") && tried.contains("its condition does not hold"),
        "{tried}"
    );
    assert_eq!(estate.channel(0, "general").len(), posted);

    estate.clock.advance(Duration::from_secs(61));
    estate.sandbox.portals[0].add_deal("Larger", 900_000, "EUR");
    estate.settle().await;
    assert_eq!(estate.channel(0, "general").last().unwrap(), "Big one: Larger");
    // What is wrong is said, and what was typed is still there.
    changed.retain(|(name, _)| *name != "when");
    changed.extend([("when", "record.nonsense(("), ("seen", "whatever")]);
    let wrong = browser.post("/admin/routes/save", &changed).await.text;
    assert!(wrong.contains("Not saved.") && wrong.contains("record.nonsense(("), "{wrong}");
    // Someone else was quicker.
    let mut late = fields.clone();
    late.extend([("of", "large deals"), ("seen", "of another day")]);
    let stale = browser.submit("/admin/routes/edit?route=large+deals", "/admin/routes/save", &late).await.text;
    assert!(stale.contains("Someone else changed the settings"), "{stale}");

    browser.submit("/admin/routes", "/admin/routes/delete", &[("route", "large deals")]).await;
    assert!(!browser.get("/admin/routes").await.text.contains("large deals"));
    let audited = audited(&estate, 0).await;
    assert!(audited.contains(&"a one-time code: route made large deals".to_owned()), "{audited:?}");
    assert!(audited.contains(&"a one-time code: route deleted large deals".to_owned()), "{audited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_on_its_page_is_the_one_of_the_command_line() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let browser = signed_in(&estate, 0).await;
    let document = browser.get("/admin/settings/settings.yaml").await.text;
    let read = settings::document::read(&document).unwrap();
    assert_eq!(read.operators.channel.as_deref(), Some("#ops"));
    let wrong = browser
        .submit(
            "/admin/settings",
            "/admin/settings",
            &[("text", "routes:\n- name: x\n  change: nonsense\n  to: \"#x\"\n"), ("act", "save")],
        )
        .await;
    assert!(wrong.text.contains("line 3"), "{}", wrong.text);
    let longer = format!("{document}\ntime_zone: Europe/Berlin\n").replace("time_zone: UTC\n", "");
    let checked = browser.submit("/admin/settings", "/admin/settings", &[("text", &longer), ("act", "check")]).await;
    assert!(checked.text.contains("+ time_zone: &quot;Europe/Berlin&quot;"), "{}", checked.text);
    let saved = browser.submit("/admin/settings", "/admin/settings", &[("text", &longer), ("act", "save")]).await;
    assert!(saved.location.unwrap().contains("It+takes+effect"));
    let portal = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert_eq!(portal.settings["time_zone"], "Europe/Berlin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_searched_by_record_channel_status_time_and_trace() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let browser = signed_in(&estate, 0).await;
    let portal = &estate.sandbox.portals[0];
    let deals: Vec<u64> = (0..70).map(|n| portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
    estate.settle().await;
    let lead = portal.add_lead("Request");
    estate.settle().await;
    let rows = |page: &str| page.matches("data-label=\"Arrived\"").count();
    let record = browser.get(&format!("/admin/events?q=deal+{}", deals[1])).await.text;
    assert_eq!(rows(&record), 1, "{record}");
    assert_eq!(rows(&browser.get("/admin/events?q=%23sales-leads").await.text), 1);
    assert_eq!(rows(&browser.get("/admin/events?status=dead").await.text), 0);
    let later = estate.clock.now() + jiff::SignedDuration::from_hours(1);
    assert_eq!(rows(&browser.get(&format!("/admin/events?from={}", later.strftime("%Y-%m-%dT%H:%M"))).await.text), 0);
    // A page at a time, each event once.
    let (mut seen, mut next) = (std::collections::BTreeSet::new(), Some("/admin/events?q=ONCRMDEALADD".to_owned()));
    while let Some(path) = next.take() {
        let page = browser.get(&path).await.text;
        for way in links(&page).into_iter().filter(|link| link.starts_with("/admin/events/")) {
            assert!(seen.insert(way), "twice on two pages");
        }
        next = links(&page).into_iter().find(|link| link.contains("after="));
    }
    assert_eq!(seen.len(), deals.len());
    let trace = seen.first().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(browser.get(&format!("/admin/events?q={trace}")).await.text.contains("Received"));
    assert!(browser.get(&format!("/admin/events?q=lead+{lead}")).await.text.contains("#sales-leads"));
    assert_eq!(browser.get("/admin/events/00000000-0000-7000-8000-000000000000").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checks_name_what_is_wrong_and_the_fix() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let browser = signed_in(&estate, 0).await;
    let settings = json!({"routes": [
        {"name": "gone", "change": "deal.created", "to": "#no-such-channel"},
        {"name": "shut", "change": "deal.created", "to": "#calls"},
    ], "operators": {"watch": []}});
    estate.connections.portals().set_settings(&estate.tenant(0), settings).await.unwrap();
    estate.sandbox.workspaces[0].change_channel("calls", |channel| channel.is_archived = true);
    estate.sandbox.portals[0].forget_bound_events();
    estate.clock.advance(Duration::from_secs(61));
    let page = browser.submit("/admin/doctor", "/admin/doctor", &[]).await.text;
    for seen in [
        "#no-such-channel",
        "Create it, invite the bot",
        "#calls",
        "not subscribed: ONCRMDEALADD",
        "They are subscribed within 15 minutes",
    ] {
        assert!(page.contains(seen), "{seen}: {page}");
    }
    estate.upkeep().await;
    estate.sandbox.workspaces[0].change_channel("calls", |channel| channel.is_archived = false);
    let settings =
        json!({"routes": [{"name": "x", "change": "deal.created", "to": "#calls"}], "operators": {"watch": []}});
    estate.connections.portals().set_settings(&estate.tenant(0), settings).await.unwrap();
    estate.upkeep().await;
    estate.clock.advance(Duration::from_secs(61));
    let page = browser.submit("/admin/doctor", "/admin/doctor", &[]).await.text;
    assert!(page.contains("No problems found."), "{page}");
    assert_eq!(estate.sandbox.workspaces[0].texts("calls").len(), 0, "the checks change nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_stand_when_nothing_is_connected_any_more_and_settings_cannot_be_read() {
    let estate = Estate::start(1).await;
    estate.install(0).await;
    let browser = signed_in(&estate, 0).await;
    estate.connections.portals().set_settings(&estate.tenant(0), json!({"routes": 7})).await.unwrap();
    estate.sandbox.hub.uninstall(&estate.sandbox.workspaces[0].team_id());
    estate.clock.advance(Duration::from_secs(61));
    for path in
        ["/admin", "/admin/events", "/admin/dead", "/admin/settings", "/admin/keys", "/admin/audit", "/admin/doctor"]
    {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
    assert!(browser.get("/admin").await.text.contains("The settings cannot be read"));
    // A part of them is neither shown nor saved: the rest would be lost.
    for path in ["/admin/routes", "/admin/notion"] {
        let page = browser.get(path).await;
        assert_eq!((page.status, page.text.contains("routes: invalid type")), (409, true), "{path}");
    }
    assert!(browser.get("/admin/settings").await.text.contains("cannot be read"));
    // What asks the workspace says that it cannot.
    assert_eq!(browser.get("/admin/people").await.status, 502);
    let text = settings::document::write(&settings::Settings::default());
    browser.submit("/admin/settings", "/admin/settings", &[("text", &text), ("act", "save")]).await;
    estate.clock.advance(Duration::from_secs(61));
    assert!(!browser.get("/admin").await.text.contains("The settings cannot be read"));
}
