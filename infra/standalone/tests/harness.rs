//! A host as a process of its own, and providers that fail on demand.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use runtime::SystemClock;
use serde_json::Value;
use simulators::Sandbox;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// No condition is waited for longer than this.
const MAX_WAIT: Duration = Duration::from_secs(60);

pub(crate) fn switchboard(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(arguments).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

pub(crate) async fn until(holds: impl AsyncFnMut() -> bool) {
    until_within(MAX_WAIT, holds).await;
}

pub(crate) async fn until_within(limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(limit, waiting).await.expect("it did not happen in time");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The ports of a host that keeps them when it is started again.
pub(crate) struct Ports {
    listen: u16,
    status: u16,
}

impl Ports {
    pub(crate) fn free() -> Self {
        Self { listen: free_port(), status: free_port() }
    }

    /// `http://` and the public address.
    pub(crate) fn public(&self) -> String {
        format!("http://127.0.0.1:{}", self.listen)
    }
}

/// A host that runs `serve`.
pub(crate) struct Serving {
    pub(crate) process: Child,
    /// `http://` and the public address.
    pub(crate) public: String,
    /// Where Bitrix24 posts its events.
    pub(crate) events: String,
    /// `http://` and the private address.
    pub(crate) status: String,
}

impl Serving {
    /// Starts a host, and waits until it says where its status page is.
    pub(crate) async fn start(folder: &Path, config: &str) -> Self {
        Self::start_at(&Ports::free(), folder, config).await
    }

    /// The same at these ports.
    pub(crate) async fn start_at(ports: &Ports, folder: &Path, config: &str) -> Self {
        let mut serving = Self::begin_at(ports, folder, config, &[]);
        let mut lines = BufReader::new(serving.process.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("Status:") {
                break;
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        serving
    }

    /// Starts a host, and does not wait for anything.
    pub(crate) fn begin(folder: &Path, config: &str, environment: &[(&str, &str)]) -> Self {
        Self::begin_at(&Ports::free(), folder, config, environment)
    }

    fn begin_at(ports: &Ports, folder: &Path, config: &str, environment: &[(&str, &str)]) -> Self {
        let Ports { listen, status } = ports;
        let config = format!("listen = '127.0.0.1:{listen}'\nstatus = '127.0.0.1:{status}'\n{config}");
        std::fs::write(folder.join("serve.toml"), config).unwrap();
        let mut command = switchboard(&["serve", "--config", "serve.toml"], folder);
        let process = command.envs(environment.iter().copied()).spawn().unwrap();
        let (public, status) = (ports.public(), format!("http://127.0.0.1:{status}"));
        Self { process, events: format!("{public}/webhooks/bitrix24"), public, status }
    }

    pub(crate) async fn state(&self) -> Value {
        let answer = reqwest::get(format!("{}/api/state", self.status)).await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// What the status page says of a provider's credentials: the state, and its text.
    pub(crate) async fn credentials(&self, provider: &str) -> (String, String) {
        let state = self.state().await;
        let found = state["credentials"].as_array().unwrap().iter().find(|side| side["provider"] == provider).cloned();
        let word = |name: &str| found.as_ref().unwrap()[name].as_str().unwrap_or_default().to_owned();
        (word("state"), word("text"))
    }

    /// Posts an event as Bitrix24 does; the status of the answer, if there is one.
    pub(crate) async fn post(&self, body: &str) -> Option<u16> {
        let request = reqwest::Client::new().post(&self.events).timeout(Duration::from_secs(10));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned());
        request.send().await.ok().map(|answer| answer.status().as_u16())
    }

    /// Waits until the host can be connected to; the moment of the first connection.
    pub(crate) async fn listens(&self) -> Instant {
        let address = self.public.trim_start_matches("http://").to_owned();
        until(async || TcpStream::connect(&address).await.is_ok()).await;
        Instant::now()
    }

    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().await.unwrap().success());
    }

    /// Stops it as a person does.
    pub(crate) async fn stop(mut self) {
        self.signal("-INT").await;
        assert!(self.process.wait().await.unwrap().success(), "Ctrl-C ends cleanly");
    }

    /// Stops it as a service manager does; how long that took.
    pub(crate) async fn terminate(mut self) -> Duration {
        let asked = Instant::now();
        self.signal("-TERM").await;
        assert!(self.process.wait().await.unwrap().success(), "SIGTERM ends cleanly");
        asked.elapsed()
    }

    /// Adds what it logs from now on to a file.
    pub(crate) fn log_to(&mut self, path: &Path) {
        let mut log = self.process.stderr.take().unwrap();
        let file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        tokio::spawn(async move { tokio::io::copy(&mut log, &mut tokio::fs::File::from_std(file)).await });
    }

    /// Ends it without a warning, and returns what it has logged, unless that went to a file.
    pub(crate) async fn kill(mut self) -> String {
        let log = self.process.stderr.take();
        self.process.kill().await.unwrap();
        let mut logged = String::new();
        if let Some(mut log) = log {
            log.read_to_string(&mut logged).await.unwrap();
        }
        logged
    }
}

/// How a provider fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    No,
    Status503,
    Html,
    Reset,
    Hang,
}

impl Failing {
    pub(crate) const ALL: [Self; 4] = [Self::Status503, Self::Html, Self::Reset, Self::Hang];

    fn answer(self) -> Option<&'static str> {
        match self {
            Self::Status503 => {
                Some("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            }
            Self::Html => Some(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<h1>Sorry</h1>\r\n",
            ),
            Self::No | Self::Reset | Self::Hang => None,
        }
    }
}

/// A proxy before a provider, which fails on demand. It ends with the test.
pub(crate) struct Proxy {
    address: String,
    failing: watch::Sender<Failing>,
    failed: Arc<AtomicU64>,
}

impl Proxy {
    async fn before(provider: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, failing) = (listener.local_addr().unwrap().to_string(), watch::Sender::new(Failing::No));
        let (failed, provider) = (Arc::new(AtomicU64::new(0)), provider.to_owned());
        let (current, counted) = (failing.subscribe(), failed.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, provider.clone(), current.clone(), counted.clone()));
            }
        });
        Self { address, failing, failed }
    }

    /// From now on, requests fail like that; open connections end.
    pub(crate) fn fail(&self, failing: Failing) {
        self.failed.store(0, Ordering::Relaxed);
        self.failing.send_replace(failing);
    }

    /// How many requests have met the failure.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits until a request has met the failure.
    pub(crate) async fn has_failed(&self) {
        until(async || self.failed.load(Ordering::Relaxed) > 0).await;
    }
}

/// Carries one connection until it ends or the provider begins to fail.
async fn carry(mut stream: TcpStream, provider: String, mut failing: watch::Receiver<Failing>, failed: Arc<AtomicU64>) {
    // Which failure counts is decided when the request is there.
    if stream.readable().await.is_err() {
        return;
    }
    let now = *failing.borrow_and_update();
    if now == Failing::No {
        let Ok(mut upstream) = TcpStream::connect(&provider).await else { return };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream) => {}
            _ = failing.changed() => {}
        }
        return;
    }
    failed.fetch_add(1, Ordering::Relaxed);
    match now.answer() {
        Some(answer) => {
            let mut request = [0; 16 * 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        None if now == Failing::Hang => drop(failing.changed().await),
        // What was sent is not read, so that closing resets the connection.
        None => {}
    }
}

/// The simulators behind proxies.
pub(crate) struct Providers {
    pub(crate) sandbox: Sandbox,
    pub bitrix24: Proxy,
    pub(crate) slack: Proxy,
    pub(crate) notion: Proxy,
}

impl Providers {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
        let bitrix24 = Proxy::before(&host_of(&sandbox.portal.webhook_url())).await;
        let slack = Proxy::before(&host_of(&sandbox.slack.api_url())).await;
        let notion = Proxy::before(&host_of(&sandbox.notion.url())).await;
        Self { sandbox, bitrix24, slack, notion }
    }

    pub(crate) fn proxy(&self, provider: &str) -> &Proxy {
        match provider {
            "Bitrix24" => &self.bitrix24,
            "Slack" => &self.slack,
            _ => &self.notion,
        }
    }

    /// The configuration of a host that reaches the providers through the proxies.
    pub(crate) fn config(&self) -> String {
        let credentials = self.sandbox.portal.credentials();
        let through = |url: &str, proxy: &Proxy| url.replace(&host_of(url), &proxy.address);
        format!(
            "[portal]\nwebhook_url = '{}'\napplication_token = '{}'\nmember_id = '{}'\n[slack]\nbot_token = '{}'\napi_url = '{}'\n[notion]\ntoken = '{}'\napi_url = '{}'\n",
            through(&self.sandbox.portal.webhook_url(), &self.bitrix24),
            credentials.application_token,
            credentials.member_id,
            self.sandbox.slack.token(),
            through(&self.sandbox.slack.api_url(), &self.slack),
            self.sandbox.notion.token(),
            through(&self.sandbox.notion.url(), &self.notion),
        )
    }

    /// The same of a host that accepts requests of Slack.
    pub(crate) fn config_with_signing(&self) -> String {
        let signing = format!("[slack]\nsigning_secret = '{}'", self.sandbox.slack.signing_secret());
        self.config().replacen("[slack]", &signing, 1)
    }

    /// Creates a deal and posts its event until it is accepted.
    pub(crate) async fn new_deal(&self, serving: &Serving, title: &str) {
        let deal = self.sandbox.portal.add_deal(title, 1, "EUR");
        let body = self.sandbox.portal.event_body("ONCRMDEALADD", deal);
        until(async || serving.post(&body).await == Some(200)).await;
    }

    /// How many cards there are of a new deal.
    pub(crate) fn cards(&self, title: &str) -> usize {
        let card = format!("New deal: {title}");
        self.sandbox.slack.texts("sales-pipeline").iter().filter(|text| **text == card).count()
    }

    /// Waits for the card of each deal, and checks that there is one of each.
    pub(crate) async fn each_has_one_card(&self, titles: &[String]) {
        until(async || titles.iter().all(|title| self.cards(title) > 0)).await;
        for title in titles {
            assert_eq!(self.cards(title), 1, "{title}");
        }
    }
}

/// `host:port` of an address.
fn host_of(url: &str) -> String {
    url.split('/').nth(2).unwrap().to_owned()
}
