//! Slow and cut connections, foreign host names, readable files.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use journeys::Stage;
use journeys::estate::Estate;
use standalone::host_limits::HostLimits;
use standalone::server::Options;
use standalone::{http, page, probes, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// Longer than every limit of these tests: what is still open then hangs.
const HANGS: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// A host of its own, until it is dropped.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Served {
    pub(super) async fn start(router: Router, options: Options) -> Self {
        let listener = http::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server::serve(listener, router, options, stopped));
        Self { address, _stop: stop }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that is answered to these bytes until the connection ends.
    async fn send(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A client that is refused while it still sends may find the connection reset after the answer.
    let _ = timeout(HANGS, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn short() -> HostLimits {
    HostLimits { head: SHORT, body: SHORT, idle: SHORT, reading: SHORT, ..HostLimits::default() }
}

fn options(limits: HostLimits) -> Options {
    Options { limits, ..Options::default() }
}

async fn host(estate: &Estate, limits: HostLimits) -> Served {
    Served::start(http::webhooks(*estate.functions.clone()), options(limits)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_head_is_refused_and_a_silent_connection_closed() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let host = host(&estate, short()).await;
    assert_eq!(host.send("").await, "", "nothing was asked");
    let late = host.send("GET /admin HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    assert!(status(&late) == "408" && late.contains("The head of the request did not arrive within 0.2 s."), "{late}");
    // A byte now and then does not help.
    let mut stream = host.connect().await;
    let (mut read, mut write) = stream.split();
    let trickle = async {
        let mut sent = write.write_all(b"GET /admin HTTP/1.1\r\nx: ").await;
        while sent.is_ok() {
            tokio::time::sleep(SHORT / 20).await;
            sent = write.write_all(b"x").await;
        }
    };
    let mut answer = Vec::new();
    let ended = async {
        tokio::select! {
            () = trickle => {}
            _ = read.read_to_end(&mut answer) => {}
        }
    };
    timeout(HANGS, ended).await.unwrap();
    assert_eq!(status(&String::from_utf8_lossy(&answer)), "408");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_body_is_refused_at_every_door() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let host = host(&estate, short()).await;
    let doors = [
        "/webhooks/bitrix24",
        "/webhooks/slack",
        "/webhooks/notion/key",
        "/webhooks/member/bitrix24",
        "/webhooks/member/slack",
        "/webhooks/member/notion/key",
        "/api/v1/member/deals",
        "/install/bitrix24",
        "/install/bitrix24/app",
        "/admin/sign-in",
    ];
    for door in doors {
        for framing in ["content-length: 100\r\n\r\nevent=", "transfer-encoding: chunked\r\n\r\n6\r\nevent=\r\n"] {
            let late = host.send(&format!("POST {door} HTTP/1.1\r\nhost: x\r\n{framing}")).await;
            assert_eq!(status(&late), "408", "{door}: {late}");
            assert!(late.contains("The body of the request did not arrive within 0.2 s."), "{door}: {late}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_cut_off_does_nothing() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let host = host(&estate, HostLimits::default()).await;
    let code = admin::new_code(&estate.engine.backend, &estate.tenant(0)).await.unwrap();
    let body = format!("code={code}");
    let mut stream = host.connect().await;
    let head = format!("POST /admin/sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len() + 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(matches!(status(&answer), "" | "400"), "{answer}");
    let page = estate.browser().post("/admin/sign-in", &[("code", &code)]).await;
    assert_eq!(page.status, 303, "the code is still good: {}", page.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_takes_several_requests_and_is_closed_when_it_is_idle() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let host = host(&estate, short()).await;
    let mut stream = host.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET /admin/style.css HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(one_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(rest(&mut stream).await, "", "it ends without a word");
}

/// One answer of a connection that stays open.
async fn one_answer(stream: &mut TcpStream) -> String {
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = timeout(HANGS, stream.read(&mut piece)).await.unwrap().unwrap();
        assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&answer);
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
        let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        if length.is_some_and(|length: usize| body >= length) {
            return text.into_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_counted_and_make_room_when_they_end() {
    let (begun, mut begins) = tokio::sync::mpsc::channel(2);
    let endless = get(async move || {
        begun.send(()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let router = Router::new().route("/endless", endless).route("/", get(|| async { "here" }));
    let limits = HostLimits { connections: 2, ..HostLimits::default() };
    let host = Served::start(router, Options { limits, ..Options::default() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = host.connect().await;
        stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        begins.recv().await.unwrap();
        held.push(stream);
    }
    let ask = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let full = host.send(ask).await;
    assert!(status(&full) == "503" && full.contains("All 2 connections are in use (limits.connections"), "{full}");
    drop(held);
    let again = async {
        while status(&host.send(ask).await) != "200" {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANGS, again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_only_wait_give_way() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let host = host(&estate, HostLimits { connections: 2, ..HostLimits::default() }).await;
    let ask = "GET /admin/style.css HTTP/1.1\r\nhost: x\r\n\r\n";
    let open = |_| async {
        let mut stream = host.connect().await;
        stream.write_all(ask.as_bytes()).await.unwrap();
        assert_eq!(status(&one_answer(&mut stream).await), "200");
        stream
    };
    let (mut first, mut second) = (open(1).await, open(2).await);
    let mut third = open(3).await;
    let mut rest = Vec::new();
    timeout(HANGS, first.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty(), "the one that waited longest was closed");
    for stream in [&mut second, &mut third] {
        stream.write_all(ask.as_bytes()).await.unwrap();
        assert_eq!(status(&one_answer(stream).await), "200");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_with_its_limit() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let host = host(&estate, HostLimits::default()).await;
    let get =
        |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    let long = |bytes: usize| format!("/admin?{}", "x".repeat(bytes));
    for bytes in [17 * 1024, 64 * 1024] {
        assert_eq!(status(&host.send(&get(&long(bytes), "")).await), "414", "{bytes}");
    }
    assert!(host.send(&get(&long(17 * 1024), "")).await.contains("longer than 16384 bytes"));
    for bytes in [40 * 1024, 1024 * 1024] {
        let header = format!("x-large: {}\r\n", "x".repeat(bytes));
        assert_eq!(status(&host.send(&get("/admin", &header)).await), "431", "{bytes}");
    }
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    assert_eq!(status(&host.send(&get("/admin", &many)).await), "431");
    for (door, most) in [("/admin/sign-in", admin::DOORS), ("/install/bitrix24", install::DOORS)] {
        let most = web::doors::limit(most, door);
        let body = "x".repeat(most + 1);
        let head = format!("POST {door} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 100 * most);
        assert_eq!(status(&host.send(&(head + &body)).await), "413", "{door}");
    }
    // One request is one request.
    let twice = "POST /admin/sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx";
    assert_eq!(status(&host.send(twice).await), "400");
    let smuggled = "POST /admin/sign-in HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(host.send(smuggled).await.matches("HTTP/1.1 ").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_an_answer_is_cut_off() {
    let endless = || async {
        let pieces = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 64 * 1024])));
        Body::from_stream(pieces)
    };
    let options = options(short());
    let counters = options.counters.clone();
    let host = Served::start(Router::new().route("/", get(endless)), options).await;
    let mut stream = host.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let cut_off = async {
        while !counters.all().contains_key(&("requests_refused", "not_read")) {
            tokio::time::sleep(SHORT / 20).await;
        }
    };
    timeout(HANGS, cut_off).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_page_answers_to_its_own_names_only() {
    let look: page::Look = std::sync::Arc::new(|| Box::pin(async { serde_json::json!({"tenant": "secret"}) }));
    let routes = page::router(look).route(probes::PROBE, axum::routing::get(|| async { "ok\n" }));
    let host = Served::start(page::private(routes, &["ops.internal".into()]), page::options()).await;
    let ask = async |line: &str, hosts: &str| {
        host.send(&format!("{line} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n")).await
    };
    let port = host.address.port();
    for own in ["localhost", &format!("localhost:{port}"), &format!("127.0.0.1:{port}"), "[::1]", "ops.internal:80"] {
        let answer = ask("GET /api/state", &format!("host: {own}\r\n")).await;
        assert!(status(&answer) == "200" && answer.contains("secret"), "{own}: {answer}");
    }
    let foreign = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "evil.example:8081"];
    for foreign in foreign {
        for path in ["/", "/api/state", "/api/changes", "/page.js", "/nothing"] {
            let answer = ask(&format!("GET {path}"), &format!("host: {foreign}\r\n")).await;
            assert!(status(&answer) == "421" && !answer.contains("secret"), "{foreign} {path}: {answer}");
            assert!(answer.contains("status_names"), "{answer}");
        }
        assert_eq!(status(&ask("GET /healthz", &format!("host: {foreign}\r\n")).await), "200");
    }
    // Without a name, with two, and with another one in the address.
    assert!(["421", "400"].contains(&status(&ask("GET /api/state", "").await)));
    assert!(
        ["421", "400"].contains(&status(&ask("GET /api/state", "host: localhost\r\nhost: evil.example\r\n").await))
    );
    assert_eq!(status(&ask("GET http://evil.example/api/state", "host: localhost\r\n").await), "421");
    assert_eq!(probes::PROBE, "/healthz");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("host.db");
    let _engine = standalone::engine::Engine::open(&database, estate.clock.clone()).await.unwrap();
    assert_eq!(mode(&folder.path().join("host.secrets")), 0o700);
    let to = folder.path().join("acme.export");
    let export = command_line::tenants::TenantsCommand::Export { tenant: None, to: to.clone() };
    command_line::tenants::run(&estate.engine.backend, export).await.unwrap();
    let inside = std::fs::read_dir(folder.path().join("host.secrets")).unwrap().map(|file| file.unwrap().path());
    for file in ["host.db", "host.db-wal", "host.db-shm"].map(|name| folder.path().join(name)).into_iter().chain(inside)
    {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&to), 0o600);
}

/// A deployment that is reached at `public_url`.
async fn reached(estate: &Estate, public_url: &str) -> Served {
    let functions = journeys::watched::functions(&estate.engine.backend, &estate.connections, Some(public_url));
    Served::start(http::webhooks(functions), Options::default()).await
}

async fn sign_in(estate: &Estate, host: &Served) -> reqwest::Response {
    let code = admin::new_code(&estate.engine.backend, &estate.tenant(0)).await.unwrap();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = http.post(format!("{}/admin/sign-in", host.url())).header("sec-fetch-site", "same-origin");
    request.body(format!("code={code}")).send().await.unwrap()
}

fn cookie_of(response: &reqwest::Response) -> String {
    response.headers()["set-cookie"].to_str().unwrap().to_owned()
}

async fn is_signed_in(host: &Served, cookie: &str) -> bool {
    let request = reqwest::Client::new().get(format!("{}/admin", host.url())).header("cookie", cookie);
    request.send().await.unwrap().text().await.unwrap().contains("Overview")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_https_cookies_are_of_this_host_alone_and_browsers_are_bound_to_it() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let host = reached(&estate, "https://switchboard.example").await;
    let answer = sign_in(&estate, &host).await;
    assert_eq!(answer.status(), 303);
    let cookie = cookie_of(&answer);
    assert!(cookie.starts_with("__Host-switchboard_session="), "{cookie}");
    for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/;"] {
        assert!(cookie.contains(part) && !cookie.contains("Domain"), "{cookie}");
    }
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    let pair = cookie.split(';').next().unwrap();
    assert!(is_signed_in(&host, pair).await);
    assert!(!is_signed_in(&host, pair.strip_prefix("__Host-").unwrap()).await, "one that anybody on the way may set");

    let http = reqwest::Client::new();
    for path in ["/admin", "/admin/style.css", "/admin/sign-in/slack", "/install", "/install/give", "/install/nothing"]
    {
        let answer = http.get(format!("{}{path}", host.url())).send().await.unwrap();
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000", "{path}");
    }
    let begun = http.get(format!("{}/admin/sign-in/slack", host.url())).send().await.unwrap();
    assert!(cookie_of(&begun).starts_with("__Host-switchboard_sign_in="), "{}", cookie_of(&begun));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_this_machine_cookies_travel_without_tls_whatever_host_is_named() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let host = reached(&estate, "http://127.0.0.1:8080").await;
    let answer = sign_in(&estate, &host).await;
    let cookie = cookie_of(&answer);
    assert!(cookie.starts_with("switchboard_session=") && !cookie.contains("Secure"), "{cookie}");
    assert!(!answer.headers().contains_key("strict-transport-security"));
    assert!(is_signed_in(&host, cookie.split(';').next().unwrap()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_is_made_of_what_a_request_calls_its_host() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    estate.install(0).await;
    let functions = journeys::watched::functions(&estate.engine.backend, &estate.connections, None);
    let host = Served::start(http::webhooks(functions), Options::default()).await;
    let http = reqwest::Client::new();
    let ask = async |post: bool, path: &str| {
        let url = format!("{}{path}", host.url());
        let request = if post { http.post(url).body("portal=a.bitrix24.com") } else { http.get(url) };
        let answer =
            request.header("host", "evil.example").header("sec-fetch-site", "same-origin").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (post, path, status) in [
        (false, "/admin/sign-in/slack", 404),
        (true, "/install/bitrix24", 503),
        (false, "/install/bitrix24/callback?code=x&state=y", 503),
        (true, "/install/bitrix24/app", 503),
        (true, "/install/slack", 503),
        (true, "/install/notion", 503),
        (true, "/install/settle", 503),
        (false, "/install", 200),
    ] {
        let (answered, page) = ask(post, path).await;
        assert!(answered == status && !page.contains("evil.example"), "{path}: {answered} {page}");
        assert!(status == 200 || page.contains("public_url"), "{path}: {page}");
    }
}
