//! Requests that would go where they should not: to the network behind the host, or with credentials to another host.
//!
//! The simulators are on 127.0.0.1, which the stories allow. 127.0.0.2 stands for the network behind the host: a real
//! socket listens there, and counts who comes.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use clients::{ConnectionCredentials, ErrorClass, PortalAccess};
use http::{Request, Response};
use journeys::estate::{Browser, Estate, Page};
use journeys::{Stage, World, access_to, each_alone, secrecy};
use runtime::clock::Clock;
use serde_json::json;
use simulators::http::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MARKER: &str = "INTERNAL-SECRET-ADMIN-PANEL";

/// A service that only its own network should reach.
struct Internal {
    port: u16,
    came: Arc<AtomicUsize>,
}

impl Internal {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let (port, came) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let counted = came.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{MARKER}", MARKER.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { port, came }
    }

    fn host(&self) -> String {
        format!("127.0.0.2:{}", self.port)
    }

    fn nobody_came(&self) {
        assert_eq!(self.came.load(Ordering::SeqCst), 0, "somebody came to the internal service");
    }
}

/// What a server was asked, each as its head.
type Asked = Arc<Mutex<Vec<http::request::Parts>>>;

/// A server of a tenant's own that answers everything so, at an address that may be called.
async fn server(status: u16, headers: &[(&'static str, String)], body: &str) -> (Server, Asked) {
    let asked = Asked::default();
    let (kept, headers, body) = (asked.clone(), headers.to_vec(), Bytes::from(body.to_owned()));
    let server = Server::start(0, move |request: Request<Bytes>| {
        kept.lock().unwrap().push(request.into_parts().0);
        let mut response = Response::builder().status(status);
        for (name, value) in &headers {
            response = response.header(*name, value);
        }
        let response = response.body(body.clone()).unwrap();
        async move { Ok(response) }
    });
    (server.await.unwrap(), asked)
}

async fn leading_to(status: u16, location: String) -> (Server, Asked) {
    server(status, &[("location", location)], MARKER).await
}

async fn enter_webhook(browser: &Browser, url: &str) -> Page {
    let fields = [("webhook_url", url), ("application_token", "0123456789abcdef")];
    browser.submit("/install", "/install/webhook", &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_webhook_leads_behind_the_host() {
    let (world, internal) = (World::start_on(Stage::Sockets).await, Internal::start().await);
    let browser = Browser::administrator(&world).await;
    let before = world.connections.portals().fresh(&world.tenant).await.unwrap();
    let port = internal.port;
    for url in [
        format!("http://127.0.0.2:{port}/rest/1/x/"),
        format!("https://127.0.0.2:{port}/rest/1/x/"),
        "http://127.0.0.2:22/rest/1/x/".into(),
        format!("http://2130706434:{port}/rest/1/x/"),
        format!("http://0x7f000002:{port}/rest/1/x/"),
        format!("http://0177.0.0.2:{port}/rest/1/x/"),
        format!("https://[::ffff:127.0.0.2]:{port}/rest/1/x/"),
        format!("https://crm.inside.example:{port}/rest/1/x/"),
        "https://10.0.0.1/rest/1/x/".into(),
        "https://169.254.169.254/rest/1/x/".into(),
        "https://[fd00:ec2::254]/rest/1/x/".into(),
        "https://[64:ff9b::a9fe:a9fe]/rest/1/x/".into(),
    ] {
        let page = enter_webhook(&browser, &url).await;
        assert_eq!(page.status, 400, "{url}: {}", page.text);
        // One text for all of them: it says neither who listens nor what was answered.
        assert!(
            page.text.contains("in a private network, and Switchboard only calls public addresses"),
            "{url}: {}",
            page.text
        );
        assert!(page.text.contains("[network] allow"), "{url}: {}", page.text);
        for word in [MARKER, "refused", "certificate", "HTTP 200"] {
            assert!(!page.text.contains(word), "{url} shows {word}: {}", page.text);
        }
    }
    internal.nobody_came();
    assert_eq!(world.connections.portals().fresh(&world.tenant).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_has_the_form_of_one_and_is_called_by_https() {
    let world = World::start_on(Stage::Sockets).await;
    let browser = Browser::administrator(&world).await;
    let (own, asked) = server(200, &[], r#"{"result":{}}"#).await;
    for (url, why) in [
        (format!("{}/api/state/rest/1/x/", own.url()), "looks like https://PORTAL/rest/USER/SECRET/"),
        (format!("{}/rest/1/x/?to=/api/state", own.url()), "has no ? and no #"),
        (own.url().replace("http://", "http://a:b@") + "/rest/1/x/", "no user name and no password"),
        ("http://acme.bitrix24.com/rest/1/x/".into(), "is called by https only"),
        ("ftp://acme.bitrix24.com/rest/1/x/".into(), "is called by https"),
    ] {
        let page = enter_webhook(&browser, &url).await;
        assert_eq!(page.status, 400, "{url}");
        assert!(page.text.contains(why), "{url}: {}", page.text);
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_redirects_is_not_followed_and_moves_nothing() {
    let (world, internal) = (World::start_on(Stage::Sockets).await, Internal::start().await);
    let own = world.sandbox.portal.host();
    world.sandbox.portal.move_to(&internal.host());
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.none_left_to_work_now().await;
    internal.nobody_came();
    let portal = world.connections.portals().fresh(&world.tenant).await.unwrap().unwrap();
    assert_eq!(portal.domain, own);
    let troubles = world.connections.troubles(&world.tenant).await.unwrap();
    assert!(troubles[0].why.contains("it seems to have been renamed"), "{troubles:?}");
    upkeep::handle(&world.functions.upkeep, world.clock.now()).await;
    internal.nobody_came();
    // The redirect was the provider's mistake: nothing is lost.
    world.sandbox.portal.move_to(&own);
    world.upkeep().await;
    world.settle().await;
    assert_eq!(world.channel("sales-pipeline"), ["New deal: Roof"]);
    assert!(world.connections.troubles(&world.tenant).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kind_of_redirect_takes_the_credentials_along() {
    let world = World::start_on(Stage::Sockets).await;
    let browser = Browser::administrator(&world).await;
    let (elsewhere, asked) = server(200, &[], r#"{"result":{}}"#).await;
    for status in [301, 302, 303, 307, 308] {
        let (portal, _) = leading_to(status, format!("{}/rest/1/x/profile", elsewhere.url())).await;
        let page = enter_webhook(&browser, &format!("{}/rest/1/s3cretkey/", portal.url())).await;
        assert_eq!(page.status, 400, "{status}");
        assert!(page.text.contains("the portal redirects to 127.0.0.1"), "{status}: {}", page.text);
        assert!(!page.text.contains("s3cretkey") && !page.text.contains(MARKER), "{status}: {}", page.text);
    }
    assert!(asked.lock().unwrap().is_empty(), "a redirect was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_behind_the_host_is_not_called_whoever_names_it() {
    let (estate, internal) = (Estate::start_on(Stage::Sockets, 1).await, Internal::start().await);
    let browser = estate.browser();
    for typed in [internal.host(), format!("https://{}", internal.host()), "10.0.0.1".into()] {
        let page = browser.post("/install/bitrix24", &[("portal", &typed)]).await;
        assert_eq!(page.status, 400, "{typed}: {}", page.text);
        assert!(!page.text.contains("content=\"0; url="), "{typed}: {}", page.text);
    }
    internal.nobody_came();
    // One that is connected already, and hosts itself, has the authorization server say that it has moved there.
    estate.install(0).await;
    let (portal, own) = (&estate.sandbox.portals[0], estate.sandbox.portals[0].host());
    portal.move_to(&internal.host());
    estate.clock.advance(std::time::Duration::from_secs(2 * 60 * 60));
    let deal = portal.add_deal("Roof", 1, "EUR");
    portal.move_deal(deal, "EXECUTING");
    estate.all_have_arrived().await;
    estate.work_what_is_ready().await;
    internal.nobody_came();
    let known = estate.connections.portals().fresh(&estate.tenant(0)).await.unwrap().unwrap();
    assert_eq!(known.domain, own);
    assert!(known.application.as_ref().unwrap().endpoint.contains(&own));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_followed_through_the_same_check_and_without_credentials() {
    let (world, internal) = (World::start_on(Stage::Sockets).await, Internal::start().await);
    let portal = world.connections.portal(&world.tenant).await.unwrap();
    let client = world.connections.bitrix24(&portal).await.unwrap();
    let fetched = |address: String| {
        let client = &client;
        async move { client.fetch(&address, None).await.map(|download| download.mime_type) }
    };
    let refused = |code: &str| ErrorClass::Permanent { code: code.into() };

    for behind in [
        format!("http://{}/api/state", internal.host()),
        format!("https://files.inside.example:{}/x.png", internal.port),
        "https://169.254.169.254/latest/meta-data/".into(),
    ] {
        assert_eq!(fetched(behind.clone()).await.unwrap_err().class, refused("file_not_found"), "{behind}");
        let (first, _) = leading_to(302, behind.clone()).await;
        let (second, asked) = leading_to(307, format!("{}/on", first.url())).await;
        let failure = fetched(format!("{}/x", second.url())).await.unwrap_err();
        assert_eq!(failure.class, refused("file_not_found"), "{behind}");
        assert!(!failure.text.contains(MARKER) && failure.text.contains("private network"), "{failure}");
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
    internal.nobody_came();

    // A storage beside the portal is where files honestly are.
    let (storage, asked) = server(200, &[("content-type", "image/png".into())], "png").await;
    let (portal, _) = leading_to(302, format!("{}/b/x.png?auth=t0ken&sign=1", storage.url())).await;
    assert_eq!(fetched(format!("{}/x", portal.url())).await.unwrap(), "image/png");
    let asked = asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked.uri.query(), Some("sign=1"));
    for name in ["authorization", "cookie", "referer"] {
        assert!(!asked.headers.contains_key(name), "{name}");
    }
    let (round, _) = leading_to(302, "/again".into()).await;
    assert_eq!(fetched(format!("{}/x", round.url())).await.unwrap_err().class, refused("file_not_found"));

    // An error or a page in the place of a file is none; a file of that kind says that it is an attachment.
    for kind in ["application/json", "text/html; charset=utf-8", "application/problem+json"] {
        let (state, _) = server(200, &[("content-type", kind.into())], MARKER).await;
        let failure = fetched(format!("{}/api/state", state.url())).await.unwrap_err();
        assert_eq!(failure.class, refused("not_visible"), "{kind}");
        let attached = ("content-disposition", "attachment; filename=\"a.json\"".to_owned());
        let (file, _) = server(200, &[("content-type", kind.into()), attached], "{}").await;
        assert!(fetched(format!("{}/x", file.url())).await.is_ok(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn not_a_byte_of_a_foreign_answer_is_shown_noted_or_logged() {
    let world = World::start_on(Stage::Sockets).await;
    let browser = Browser::administrator(&world).await;
    let bodies = [
        format!("{MARKER} token=abcdef0123456789"),
        format!("<html>{MARKER}</html>"),
        format!("{{\"{MARKER}\": \"{MARKER}\"}}"),
        format!("[\"{MARKER}\"]"),
        format!("{{\"result\": \"{MARKER}"),
    ];
    let mut calls = 0;
    for body in &bodies {
        let (foreign, asked) = server(200, &[("content-type", "text/plain".into())], body).await;
        let url = format!("{}/rest/1/x/", foreign.url());
        let page = enter_webhook(&browser, &url).await;
        assert_eq!(page.status, 400);
        assert!(page.text.contains(&format!("HTTP 200, text/plain, {} bytes", body.len())), "{}", page.text);
        assert!(!page.text.contains(MARKER), "{}", page.text);

        // The same where it was connected before.
        let access = ConnectionCredentials {
            portal: PortalAccess::Webhook(url.into()),
            ..access_to(&world.sandbox, &each_alone())
        };
        world.connections.join(access).await.unwrap();
        world.sandbox.portal.add_deal("Roof", 1, "EUR");
        world.none_left_to_work_now().await;
        calls += asked.lock().unwrap().len() - 1;
        for path in ["/admin/doctor", "/admin/log", "/admin", "/install"] {
            let page = browser.get(path).await;
            assert!(!page.text.contains(MARKER), "{path}: {}", page.text);
        }
        world.clock.sleep(std::time::Duration::from_secs(60)).await;
    }
    assert!(calls > 0, "no event led to a call");
    assert!(memchr::memmem::find(&world.everything_on_disk(), MARKER.as_bytes()).is_none(), "it lies in the database");
    assert!(!secrecy::logged().contains(MARKER), "it is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_answered_at_slacks_own_addresses_only() {
    let (world, internal) = (World::start_on(Stage::Sockets).await, Internal::start().await);
    let (foreign, asked) = server(200, &[], "ok").await;
    let channel = world.sandbox.slack.add_channel("desk").as_str().to_owned();
    for to in [
        format!("http://{}/x", internal.host()),
        format!("{}/x", foreign.url()),
        "https://hooks.slack.com.evil.example/x".into(),
    ] {
        let fields = json!({
            "command": "/b24-me", "text": "", "team_id": world.sandbox.slack.team_id(), "user_id": "U1",
            "channel_id": channel, "response_url": to, "trigger_id": "1.2",
        });
        let fields: Vec<_> = fields
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned()))
            .collect();
        let body = simulators::http::encoded(&fields);
        let at = world.clock.now().as_second();
        let signature =
            slack::signature::sign(&world.sandbox.slack.signing_secret().to_owned().into(), at, body.as_bytes());
        let request = world.http.post(&world.slack_webhook).header("x-slack-signature", signature);
        let request = request.header("x-slack-request-timestamp", at.to_string());
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        assert_eq!(request.send().await.unwrap().status(), 200);
        world.none_left_to_work_now().await;
    }
    internal.nobody_came();
    assert!(asked.lock().unwrap().is_empty());
}
