//! Forms that other pages send in an administrator's name.

use std::collections::BTreeSet;

use journeys::estate::Estate;
use journeys::{Stage, World};
use reqwest::Method;
use runtime::{Backend, TenantId};
use serde_json::json;

use super::{Administrator, FORM, client, form, sent, stored, waiting};

/// The forms that only who is signed in may send.
const DOORS: [&str; 35] = [
    "/admin/dead/redrive",
    "/admin/dead/discard",
    "/admin/doctor",
    "/admin/routes/preview",
    "/admin/routes/try",
    "/admin/routes/save",
    "/admin/routes/move",
    "/admin/routes/delete",
    "/admin/settings",
    "/admin/people/link",
    "/admin/people/unlink",
    "/admin/people/list",
    "/admin/bridges/join",
    "/admin/bridges/part",
    "/admin/notion/save",
    "/admin/notion/forget",
    "/admin/notion/webhook",
    "/admin/notion/webhook/close",
    "/admin/notion/backfill",
    "/admin/notion/undo",
    "/admin/notion/attention/try",
    "/admin/notion/attention/take",
    "/admin/notion/attention/forget",
    "/admin/notion/join",
    "/admin/keys",
    "/admin/keys/revoke",
    "/admin/audit/revoke",
    "/admin/sign-out",
    "/install/webhook",
    "/install/slack",
    "/install/notion",
    "/install/notion/token",
    "/install/settle",
    "/install/leave",
    "/install/sign-out",
];

/// The forms that begin something, which no session is needed for.
const BEGINNINGS: [&str; 3] = ["/admin/sign-in", "/install/bitrix24", "/install/give"];

/// Something for each of them to do, if they were let in.
fn fields(estate: &Estate) -> Vec<(&'static str, String)> {
    let portal = &estate.sandbox.portals[0];
    let own = |text: &str| text.to_owned();
    vec![
        ("name", own("others")),
        ("domain", portal.host()),
        ("text", own("routes: []")),
        ("act", own("save")),
        ("why", own("no reason")),
        ("slack", estate.sandbox.workspaces[0].person("user6@example.com")),
        ("user", own("9")),
        ("list", own("user6@example.com, 9")),
        ("channel", own("#general")),
        ("chat", own("chat1")),
        ("read", own("1")),
        ("intake", own("1")),
        ("route", own("new deals")),
        ("webhook_url", portal.webhook_url()),
        ("application_token", own("evil")),
        ("secret", own("ntn_evil")),
    ]
}

/// What must stay as it is: the tenant, its sessions, and who changed what.
async fn standing(backend: &Backend, tenant: &TenantId) -> (Vec<String>, Vec<String>, u64) {
    (stored(backend, tenant.as_str()).await, stored(backend, "#admin").await, waiting(backend).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_without_the_sessions_own_token_changes_nothing_at_any_door() {
    let estate = Estate::start_on(Stage::Sockets, 2).await;
    estate.install(0).await;
    estate.install(1).await;
    let own = Administrator::of_company(&estate, 0).await;
    let twin = Administrator::of_company(&estate, 0).await;
    let other = Administrator::of_company(&estate, 1).await;
    let (backend, tenant) = (&estate.engine.backend, estate.tenant(0));
    let before = standing(backend, &tenant).await;
    let fields = fields(&estate);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let with = |token: &str| form(&[fields.as_slice(), &[("token", token)]].concat());
    let good = own.token.as_str();
    for door in DOORS {
        for (what, body) in [
            ("no token", form(&fields)),
            ("an empty token", with("")),
            ("a wrong token", with("guess")),
            ("the token cut short", with(&good[1..])),
            ("a longer token", with(&format!("{good}0"))),
            ("the token in upper case", with(&good.to_uppercase())),
            ("the token of the same person's other session", with(&twin.token)),
            ("another tenant's token", with(&other.token)),
            (
                "a wrong token before the right one",
                form(&[&[("token", "x")], fields.as_slice(), &[("token", good)]].concat()),
            ),
            ("the token under another name", form(&[fields.as_slice(), &[("Token", good)]].concat())),
            ("the token in a list", form(&[fields.as_slice(), &[("token[]", good)]].concat())),
            ("no body", String::new()),
        ] {
            let reply = own.post(door, &body).await;
            assert_eq!(reply.status, 403, "{door} with {what}: {}", reply.text);
        }
        let query = format!("{door}?{}", with(good));
        assert_eq!(own.post(&query, &form(&fields)).await.status, 403, "{door} with the token in the address");
        let json = json!({"token": good}).to_string();
        for (kind, body) in [
            ("application/json", json.clone()),
            ("text/plain", json),
            (
                "multipart/form-data; boundary=b",
                format!("--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{good}\r\n--b--\r\n"),
            ),
        ] {
            let request = own.request(Method::POST, door).header("content-type", kind).body(body);
            assert_eq!(sent(request).await.status, 403, "{door} as {kind}");
        }
        let request = own.request(Method::POST, door).header("content-type", FORM);
        let request = request.header("x-csrf-token", good).header("token", good).body(form(&fields));
        assert_eq!(sent(request).await.status, 403, "{door} with the token as a header");
        // Without the cookie the token opens nothing.
        let request = client().post(format!("{}{door}", estate.url)).header("sec-fetch-site", "same-origin");
        let reply = sent(request.header("origin", &estate.url).header("content-type", FORM).body(with(good))).await;
        assert!(
            reply.header("location").is_empty() && !reply.text.contains("swb_"),
            "{door} without a cookie: {}",
            reply.text
        );
    }
    assert_eq!(standing(backend, &tenant).await, before);
    assert!(own.get("/admin/keys").await.text.contains(good), "the session is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_is_there_for_the_sessions_own_token() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let mut own = Administrator::of_company(&estate, 0).await;
    for door in DOORS.iter().filter(|door| **door != "/install/leave") {
        let status = own.submit(door, &[]).await.status;
        assert!(![403, 404, 405].contains(&status), "{door}: {status}");
        if door.ends_with("/sign-out") {
            assert!(!own.get("/admin/keys").await.text.contains("name=\"token\""), "{door} ends the session");
            own = Administrator::of_company(&estate, 0).await;
        }
    }
    let host = estate.sandbox.portals[0].host();
    assert_eq!(own.submit("/install/leave", &[("domain", &host)]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_methods_change_nothing_even_with_the_right_token() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let own = Administrator::of_company(&estate, 0).await;
    let (backend, tenant) = (&estate.engine.backend, estate.tenant(0));
    let fields = fields(&estate);
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).chain([("token", own.token.as_str())]).collect();
    let body = form(&fields);
    let disguised = form(&[fields.as_slice(), &[("_method", "POST")]].concat());
    for door in DOORS.iter().chain(&BEGINNINGS) {
        // The page itself may note whom it met.
        own.get(door).await;
        let before = standing(backend, &tenant).await;
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "post"] {
            let method: Method = method.parse().unwrap();
            let request = own.request(method.clone(), door).header("content-type", FORM).body(body.clone());
            let reply = sent(request).await;
            assert!(reply.status < 500, "{method} {door}: {} {}", reply.status, reply.text);
            assert!(!reply.text.contains("swb_"), "{method} {door}: {}", reply.text);
            assert_eq!(standing(backend, &tenant).await, before, "{method} {door}");
        }
        let request = own.request(Method::GET, &format!("{door}?{disguised}"));
        let request = request.header("x-http-method-override", "POST").header("x-method-override", "POST");
        let reply = sent(request).await;
        assert!(reply.status < 500, "GET {door}: {} {}", reply.status, reply.text);
        assert_eq!(standing(backend, &tenant).await, before, "GET {door} that says to be a POST");
    }
}

/// The forms of a page that change something: where they lead, and the rest of them.
fn forms(page: &str) -> Vec<(String, String)> {
    let forms = page.split("<form").skip(1).map(|form| form.split("</form>").next().unwrap_or_default());
    let posts = forms.filter(|form| form.contains("method=\"post\""));
    posts
        .map(|form| {
            let action = form.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
            (action.to_owned(), form.to_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_every_page_leads_to_a_door_and_carries_the_token() {
    let world = World::start_mirrored(false, |sandbox| {
        let (database, _) = sandbox.notion.add_database("Deals", &json!({}));
        json!({"databases": [{"name": "Deals", "database": database, "records": "deal", "page": []}]})
    })
    .await;
    let own = Administrator::of_world(&world).await;
    let mut seen = BTreeSet::new();
    for path in super::markup::PAGES {
        let page = own.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        for (action, form) in forms(&page.text) {
            let is_door = DOORS.contains(&action.as_str());
            assert!(
                is_door || BEGINNINGS.contains(&action.as_str()),
                "{path} has a form to {action}, which no test tries"
            );
            let carries = form.contains(&format!("name=\"token\" value=\"{}\"", own.token));
            assert!(carries || !is_door, "{path} has a form to {action} without the token");
            seen.insert(action);
        }
    }
    assert!(seen.len() >= 15, "{seen:?}");
}
