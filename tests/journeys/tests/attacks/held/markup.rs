//! Markup from elsewhere: put in by addresses, forms, providers and names, it is text on every page.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use journeys::estate::{Estate, field};
use journeys::{Stage, World};
use reqwest::Method;
use serde_json::json;
use simulators::estate::BITRIX24_APP;
use simulators::{Fault, When};

use super::{Administrator, FORM, Reply, client, form, sent};

/// The pages that an administrator can open.
pub(super) const PAGES: [&str; 16] = [
    "/admin",
    "/admin/overview",
    "/admin/events",
    "/admin/dead",
    "/admin/doctor",
    "/admin/routes",
    "/admin/routes/edit",
    "/admin/settings",
    "/admin/people",
    "/admin/bridges",
    "/admin/notion",
    "/admin/notion/runs",
    "/admin/notion/edit",
    "/admin/keys",
    "/admin/audit",
    "/install",
];

const PAYLOADS: [&str; 18] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><img src=x onerror=alert(1)>",
    "'><x-evil>",
    "\" autofocus onfocus=alert(1) x=\"",
    "' onmouseover='alert(1)",
    "</title><svg/onload=alert(1)>",
    "</textarea><script>alert(1)</script>",
    "</pre></code><x-evil>",
    "--><script>alert(1)</script><!--",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example>",
    "<form action=//evil.example><button>x",
    "javascript:alert(1)",
    "\" hx-get=\"//evil.example\" hx-trigger=\"load",
    "\u{202e}<iframe srcdoc=x>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "&lt;x-evil&gt;&#60;x-evil&#62;",
];

/// Tags that no page of ours has, whatever stands in them.
const FOREIGN: [&str; 13] = [
    "img", "iframe", "object", "embed", "base", "video", "audio", "math", "style", "noscript", "template", "frame",
    "x-evil",
];
const SCRIPTS: [&str; 2] = ["/admin/htmx.js", "/install/finish.js"];

/// A tag's attributes and what is behind it; `None` if it was not written as ours are.
fn attributes(tag: &str) -> Option<(Vec<(String, String)>, &str)> {
    let (mut found, mut rest) = (Vec::new(), tag);
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix('>') {
            return Some((found, behind));
        }
        let end = rest.find(|letter: char| letter.is_whitespace() || "=>\"'<`".contains(letter))?;
        let (name, behind) = rest.split_at(end);
        if name.is_empty() {
            return None;
        }
        rest = behind;
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (inner, behind) = quoted.split_once('"')?;
            inner.clone_into(&mut value);
            rest = behind;
        } else if rest.starts_with('=') {
            return None;
        }
        found.push((name.to_lowercase(), value));
    }
}

/// What of a page is not our own markup.
fn foreign(page: &str) -> Option<String> {
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let shown = || tag.chars().take(80).collect::<String>();
        if tag.starts_with("!DOCTYPE html>") {
            rest = tag;
            continue;
        }
        let tag_name = tag.trim_start_matches('/');
        let end = tag_name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(0);
        let (name, behind) = tag_name.split_at(end);
        if name.is_empty() || FOREIGN.contains(&name.to_lowercase().as_str()) {
            return Some(shown());
        }
        let Some((attributes, after)) = attributes(behind) else { return Some(shown()) };
        for (attribute, value) in &attributes {
            let is_address =
                ["href", "src", "action", "formaction", "content", "xlink:href"].contains(&attribute.as_str());
            let target = value.trim().to_lowercase();
            let runs = ["javascript:", "vbscript:", "//"].iter().any(|scheme| target.starts_with(scheme));
            let is_data = target.starts_with("data:") && target != "data:,";
            let asks = attribute.starts_with("hx-") && value.contains("//");
            let is_style = attribute == "style" || attribute == "srcdoc";
            if attribute.starts_with("on") || is_style || asks || (is_address && (runs || is_data)) {
                return Some(shown());
            }
        }
        let src = attributes.iter().find(|(name, _)| name == "src");
        let is_ours =
            src.is_some_and(|(_, src)| SCRIPTS.contains(&src.as_str()) || src == "https://api.bitrix24.com/api/v1/");
        if name == "script" && !tag.starts_with('/') && !(is_ours && after.starts_with("</script>")) {
            return Some(shown());
        }
        rest = after;
    }
    None
}

/// What a page tells browsers to allow.
fn policy(reply: &Reply) -> BTreeMap<String, String> {
    let parts = reply.header("content-security-policy").split(';').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.split_once(' ').unwrap_or((part, ""))).map(|(name, of)| (name.into(), of.into())).collect()
}

/// That an answer is a page of ours and nothing else, or goes to one.
fn is_ours(reply: &Reply, what: &str) {
    assert!(reply.status < 500 || reply.status == 502, "{what}: {} {}", reply.status, reply.text);
    if (300..400).contains(&reply.status) {
        let to = reply.header("location");
        assert!(to.starts_with('/') && !to.starts_with("//") && !to.contains('<'), "{what} leads to {to}");
        return;
    }
    let kind = reply.header("content-type");
    if !kind.starts_with("text/html") {
        let is_data = ["application/json", "application/yaml", "text/css", "text/javascript"]
            .iter()
            .any(|one| kind.starts_with(one));
        assert!(is_data || reply.text.is_empty(), "{what} is {kind}");
        return;
    }
    assert_eq!(kind, "text/html; charset=utf-8", "{what}");
    assert_eq!(foreign(&reply.text), None, "{what}: {}", reply.text);
    let policy = policy(reply);
    let of = |name: &str| policy.get(name).map_or("", String::as_str);
    assert_eq!(
        (of("default-src"), of("base-uri"), of("frame-ancestors")),
        ("'none'", "'none'", "'none'"),
        "{what}: {policy:?}"
    );
    assert!(["'self'", "'none'"].contains(&of("form-action")), "{what}: {policy:?}");
    assert!(
        ["", "'self'"].contains(&of("script-src")) && ["", "'self'"].contains(&of("connect-src")),
        "{what}: {policy:?}"
    );
    let loose =
        policy.values().any(|allowed| allowed.contains("unsafe") || allowed.contains('*') || allowed.contains("http"));
    assert!(!loose, "{what}: {policy:?}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(reply.header("cache-control"), "no-store", "{what}");
    assert!(["no-referrer", "same-origin"].contains(&reply.header("referrer-policy")), "{what}");
}

/// Goes where an answer leads, and looks at that page as well.
async fn follow(own: &Administrator, reply: Reply, what: &str) -> Reply {
    is_ours(&reply, what);
    match reply.header("location") {
        "" => reply,
        place => {
            let page = own.get(place).await;
            is_ours(&page, &format!("{what}, then {place}"));
            page
        }
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A text as a part of a path.
fn in_path(text: &str) -> String {
    encoded(text).replace('+', "%20")
}

const QUERY: [&str; 17] = [
    "done",
    "q",
    "code",
    "queue",
    "status",
    "from",
    "to",
    "after",
    "name",
    "act",
    "route",
    "database",
    "ticket",
    "error",
    "state",
    "server_domain",
    "domain",
];

#[test]
fn the_check_itself_finds_markup_that_is_not_ours() {
    for page in [
        "<p><img src=\"x\"></p>",
        "<p><script>alert(1)</script></p>",
        "<script src=\"/admin/htmx.js\">alert(1)</script>",
        "<p><a href=\"javascript:alert(1)\">x</a>",
        "<p onclick=\"x\">",
        "<p class=x>",
        "<input value=\"\" autofocus onfocus=alert(1) x=\"\">",
        "<svg/onload=alert(1)>",
        "<div hx-get=\"//evil.example\">",
        "<!-- x -->",
        "<p title='x'>",
    ] {
        assert!(foreign(page).is_some(), "{page}");
    }
    assert_eq!(
        foreign("<!DOCTYPE html><p class=\"a\">&lt;img src=x onerror=alert(1)&gt;<br><input required></p>"),
        None
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_an_address_is_text_on_every_page() {
    let world = World::start_on(Stage::Sockets).await;
    let own = Administrator::of_world(&world).await;
    for payload in PAYLOADS {
        let text = encoded(payload);
        let query: String = QUERY.iter().map(|name| format!("{name}={text}&")).collect();
        for path in PAGES {
            let reply = own.get(&format!("{path}?{query}")).await;
            follow(&own, reply, &format!("{path}?…={payload}")).await;
        }
        for path in [
            format!("/admin/{}", in_path(payload)),
            format!("/admin/events/{}", in_path(payload)),
            format!("/admin/events/{}?done={text}", world.tenant),
            format!("/admin/routes/edit?route={text}"),
            format!("/admin/notion/edit?database={text}"),
            format!("/admin/dead/plan?act=redrive&name={text}&code={text}"),
            format!("/admin/sign-in/{}?{query}", in_path(payload)),
            format!("/install/{}", in_path(payload)),
            format!("/install/slack/callback?{query}"),
            format!("/install/notion/callback?{query}"),
        ] {
            follow(&own, own.get(&path).await, &path).await;
        }
        // Without a session.
        for path in [
            format!("/admin?{query}"),
            format!("/admin/{}", in_path(payload)),
            format!("/admin/sign-in?{query}"),
            format!("/admin/sign-in/slack/back?{query}"),
            format!("/install?{query}"),
            format!("/install/{}?{query}", in_path(payload)),
            format!("/install/give?{query}"),
            format!("/install/bitrix24/callback?{query}"),
        ] {
            is_ours(&sent(client().get(format!("{}{path}", own.base))).await, &format!("{path} without a session"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_is_said_as_text_and_scripts_may_evaluate_nothing() {
    let world = World::start_on(Stage::Sockets).await;
    let own = Administrator::of_world(&world).await;
    for path in [
        "/admin",
        "/admin/routes",
        "/admin/settings",
        "/admin/people",
        "/admin/bridges",
        "/admin/notion",
        "/admin/keys",
        "/install",
    ] {
        let page = own.get(&format!("{path}?done={}", encoded("<img src=x onerror=alert(1)>"))).await;
        is_ours(&page, path);
        assert!(page.text.contains("role=\"status\">&lt;img src=x onerror=alert(1)&gt;<"), "{path}: {}", page.text);
        if page.text.contains(SCRIPTS[0]) {
            let has = |setting: &str| page.text.contains(setting);
            let is_tame = has("&quot;allowEval&quot;:false") && has("&quot;selfRequestsOnly&quot;:true");
            assert!(is_tame, "{path}: {}", page.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_typed_into_a_form_is_text_when_it_is_shown_again() {
    let world = World::start_on(Stage::Sockets).await;
    let own = Administrator::of_world(&world).await;
    let names = [
        "of",
        "name",
        "change",
        "to",
        "when",
        "fallback",
        "language",
        "thread",
        "density",
        "title",
        "text",
        "fields",
        "button",
        "database",
        "records",
        "deleted_records",
        "trashed_pages",
        "q",
        "queue",
        "why",
        "route",
        "slack",
        "user",
        "list",
        "channel",
        "chat",
        "conflict",
        "id",
        "seen",
        "webhook_url",
        "application_token",
        "secret",
        "member_id",
        "domain",
        "portal",
        "ticket",
        "client_id",
        "client_secret",
    ];
    for payload in PAYLOADS {
        let fields: Vec<_> = names.iter().map(|name| (*name, payload)).collect();
        for path in [
            "/admin/dead/redrive",
            "/admin/dead/discard",
            "/admin/routes/preview",
            "/admin/routes/try",
            "/admin/routes/save",
            "/admin/routes/move",
            "/admin/routes/delete",
            "/admin/people/link",
            "/admin/people/unlink",
            "/admin/people/list",
            "/admin/bridges/join",
            "/admin/bridges/part",
            "/admin/notion/save",
            "/admin/notion/forget",
            "/admin/notion/backfill",
            "/admin/notion/undo",
            "/admin/notion/attention/try",
            "/admin/notion/attention/take",
            "/admin/notion/attention/forget",
            "/admin/notion/join",
            "/admin/keys/revoke",
            "/admin/audit/revoke",
            "/install/webhook",
            "/install/notion/token",
            "/install/leave",
            "/install/bitrix24",
            "/install/give",
        ] {
            follow(&own, own.submit(path, &fields).await, &format!("{path} with {payload}")).await;
        }
        for act in ["check", "try", "save"] {
            let reply = own.submit("/admin/settings", &[("text", payload), ("act", act)]).await;
            follow(&own, reply, &format!("/admin/settings {act} with {payload}")).await;
        }
        let short: String = payload.chars().take(60).collect();
        let made = own.submit("/admin/keys", &[("name", &short), ("read", "1")]).await;
        follow(&own, made, &format!("a key called {short}")).await;
        let stranger = client().post(format!("{}/admin/sign-in", own.base)).header("sec-fetch-site", "same-origin");
        let stranger = stranger.header("content-type", FORM).body(form(&[("code", payload)]));
        is_ours(&sent(stranger).await, &format!("the code {payload}"));
    }
    // Their names stand on the pages, as text.
    for path in ["/admin/keys", "/admin/audit"] {
        let page = own.get(path).await;
        is_ours(&page, path);
        assert!(page.text.contains("&lt;img src=x onerror=alert(1)&gt;"), "{path}: {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_that_a_provider_sends_back_with_the_browser_are_text() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let (browser, _) = estate.install_portal(0).await;
    let portal = &estate.sandbox.portals[0];
    for payload in PAYLOADS {
        let page = browser.post("/install/bitrix24", &[("portal", &portal.host())]).await;
        let state = field(&browser.leads_to(&page.text), "state");
        let back = format!("/install/bitrix24/callback?state={state}&error={}", encoded(payload));
        let page = browser.get(&back).await;
        assert_eq!((page.status, foreign(&page.text)), (400, None), "{payload}: {}", page.text);
        let page = browser.submit("/install", "/install/slack", &[]).await;
        let state = field(&browser.leads_to(&page.text), "state");
        let page = browser.get(&format!("/install/slack/callback?state={state}&error={}", encoded(payload))).await;
        assert_eq!((page.status, foreign(&page.text)), (400, None), "{payload}: {}", page.text);
    }
    // What the authorization server itself answers.
    for payload in PAYLOADS {
        let page = browser.post("/install/bitrix24", &[("portal", &portal.host())]).await;
        let state = field(&browser.leads_to(&page.text), "state");
        let back = estate.sandbox.authority.allow(portal, BITRIX24_APP.0, &state, 1);
        estate.sandbox.authority.fail_next("token", Fault::Code { status: 400, code: payload.into() });
        let page = browser.get(&back).await;
        assert!((400..500).contains(&page.status) || page.status == 502, "{payload}: {} {}", page.status, page.text);
        assert_eq!(foreign(&page.text), None, "{payload}: {}", page.text);
    }
}

/// The addresses of our pages that a page leads to.
fn links(page: &str) -> Vec<String> {
    let found = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    found
        .filter(|to| to.starts_with("/admin") || to.starts_with("/install"))
        .map(|to| to.replace("&amp;", "&"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_titles_and_errors_from_elsewhere_are_text_on_every_page() {
    let world = World::start_on(Stage::Sockets).await;
    let (portal, slack) = (&world.sandbox.portal, &world.sandbox.slack);
    let evil = "\"><img src=x onerror=alert(1)>";
    world
        .apply(json!({
            "group_bursts": null, "admins": [evil],
            "routes": [
                {"name": evil, "change": "deal.created", "to": "#general", "card": {"title": format!("{evil} {{title}}")}},
                {"name": "lost", "change": "deal.created", "to": "#nowhere-at-all"},
            ],
            "operators": {"channel": "#ops", "watch": []},
        }))
        .await;
    world.clock.advance(std::time::Duration::from_secs(61));
    let second = slack.add_person("second@elsewhere.example");
    slack.change_person(&second, |profile| profile.name = evil.into());
    let chat = portal.add_chat(evil, &[1, 6]);
    // A provider that answers with markup, once for good and once as a page.
    slack.fail_next("chat.postMessage", Fault::Code { status: 200, code: "<img_src=x_onerror=alert(1)>".into() });
    portal.add_deal(evil, 1, "EUR");
    world.settle().await;
    slack.fail_next("chat.postMessage", Fault::Html { status: 502, when: When::BeforeEffect });
    portal.add_deal(&format!("{evil} again"), 1, "EUR");
    portal.add_task(json!({"TITLE": evil, "DESCRIPTION": evil, "RESPONSIBLE_ID": 6, "CREATED_BY": 1}));
    world.settle().await;

    let own = Administrator::of_world(&world).await;
    own.submit("/admin/keys", &[("name", evil), ("read", "1")]).await;
    own.submit("/admin/people/link", &[("slack", &second), ("user", "9")]).await;
    own.submit("/admin/bridges/join", &[("channel", "#general"), ("chat", &chat)]).await;
    portal.invite_bots(&chat);
    world.settle().await;
    own.submit("/admin/bridges/join", &[("channel", "#general"), ("chat", &chat)]).await;
    world.settle().await;
    portal.fail_next("profile", Fault::Code { status: 400, code: evil.into() });
    let checks = own.submit("/admin/doctor", &[]).await;
    is_ours(&checks, "the checks");

    let mut to_see: VecDeque<String> = PAGES.iter().map(|path| (*path).to_owned()).collect();
    let (mut seen, mut shows) = (BTreeSet::new(), BTreeSet::new());
    while let Some(path) = to_see.pop_front() {
        if seen.len() >= 150 || path == web::page::STYLE || !seen.insert(path.clone()) {
            continue;
        }
        let page = follow(&own, own.get(&path).await, &path).await;
        if page.header("content-type").starts_with("text/html") {
            to_see.extend(links(&page.text));
        }
        if page.text.contains("&lt;img") {
            shows.insert(path.split('?').next().unwrap().split("/events/").next().unwrap().to_owned());
        }
    }
    for path in [
        "/admin/events",
        "/admin/dead",
        "/admin/routes",
        "/admin/routes/edit",
        "/admin/settings",
        "/admin/people",
        "/admin/bridges",
        "/admin/keys",
        "/admin/audit",
    ] {
        assert!(shows.contains(path), "{path} shows nothing of it; these do: {shows:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_portal_itself_may_show_the_page_that_it_opens() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let portal = &estate.sandbox.portals[0];
    let tokens = estate.sandbox.authority.tokens(portal, BITRIX24_APP.0, 1);
    let evil = "evil.example; script-src *";
    let body = form(&[
        ("AUTH_ID", tokens["access_token"].as_str().unwrap()),
        ("REFRESH_ID", tokens["refresh_token"].as_str().unwrap()),
        ("member_id", estate.tenant(0).as_str()),
        ("DOMAIN", evil),
        ("domain", evil),
        ("PLACEMENT", "\"><img src=x onerror=alert(1)>"),
    ]);
    let url = format!("{}{}?DOMAIN={}&APP_SID=<x-evil>", estate.url, install::BITRIX24_APP, encoded(evil));
    let request = client().request(Method::POST, url).header("content-type", FORM).body(body);
    let page = sent(request).await;
    assert_eq!((page.status, foreign(&page.text)), (200, None), "{}", page.text);
    let policy = policy(&page);
    assert_eq!(policy["frame-ancestors"], portal.url());
    assert_eq!(policy["script-src"], "'self' https://api.bitrix24.com");
    assert_eq!((policy["default-src"].as_str(), policy["base-uri"].as_str()), ("'none'", "'none'"));
    assert!(!page.header("content-security-policy").contains("evil"), "{policy:?}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(!page.text.contains("evil.example"), "{}", page.text);
}
