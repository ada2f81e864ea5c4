//! How fast the webhook acknowledges: each event is durably queued in SQLite before its 200.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::routing::post;
use clients::{ConnectionCredentials, Connections, PortalAccess};
use runtime::{Clock, SystemClock};
use settings::Settings;
use slack::SlackApiBase;
use standalone::engine::Engine;
use standalone::functions::Functions;
use standalone::http;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const MEMBER: &str = "d897063e1ce7c5eb9f04b9751eef5915";
/// The signing secret of the benchmark's Slack app.
const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN: &str = "jvh9y1ulvt2m6k5or90v9mg8nn32ozas";

/// Serves one side on a free port, and prints where.
pub(crate) async fn serve(side: &str) -> anyhow::Result<()> {
    let (_stop, stopped) = watch::channel(false);
    let listener = http::listen("127.0.0.1:0".parse()?).await?;
    println!("{}", listener.local_addr()?);
    if side == "bare" {
        let bare = || post(|_: String| async { "{\"ok\":true}" });
        let router = Router::new().route(http::BITRIX24_WEBHOOK, bare()).route(http::SLACK_WEBHOOK, bare());
        return Ok(http::serve(listener, router, stopped).await?);
    }
    let folder = tempfile::tempdir_in("target")?;
    let engine = Engine::open(&folder.path().join("bench.db"), Arc::new(SystemClock)).await?;
    let connections = Connections::new(&engine.backend, SlackApiBase::default());
    let access = ConnectionCredentials {
        member_id: MEMBER.into(),
        portal: PortalAccess::Webhook("https://bench.example.com/rest/1/secret/".to_owned().into()),
        application_token: TOKEN.to_owned().into(),
        bot_token: "xoxb-bench".to_owned().into(),
        workspace: Some(slack::client::SlackIdentity {
            team_id: "T0BENCH".into(),
            ..slack::client::SlackIdentity::default()
        }),
        notion: None,
        signing_secret: Some(SIGNING_SECRET.to_owned().into()),
        settings: Some(serde_json::to_value(Settings::default())?),
    };
    connections.join(access).await?;
    let router = http::webhooks(Functions::new(&engine.backend, &connections, None));
    Ok(http::serve(listener, router, stopped).await?)
}

/// What one round gave.
struct Round {
    a_second: f64,
    p50: Duration,
    p99: Duration,
}

/// Who posts.
#[derive(Clone, Copy)]
enum From {
    Bitrix24,
    /// Signed, as each of Slack's requests is.
    Slack,
}

/// Measures all in turn.
pub(crate) async fn measure() -> anyhow::Result<()> {
    let (_bare, bare) = start("bare").await?;
    let (_ours, ours) = start("webhook").await?;
    println!("{CONNECTIONS} connections, {ROUNDS} rounds of {ROUND:?} each, in turn");
    let sides = [(&bare, From::Bitrix24), (&ours, From::Bitrix24), (&bare, From::Slack), (&ours, From::Slack)];
    let mut rounds: [Vec<Round>; 4] = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (rounds, (address, from)) in rounds.iter_mut().zip(sides) {
            rounds.push(round(address, from).await?);
        }
    }
    let mut medians = Vec::new();
    let names = ["bare axum", "bitrix24-webhook", "bare axum", "slack-webhook"];
    for (name, rounds) in names.into_iter().zip(&mut rounds) {
        rounds.sort_by(|a, b| a.a_second.total_cmp(&b.a_second));
        let Round { a_second, p50, p99 } = &rounds[ROUNDS / 2];
        println!("{name:>16}: {a_second:>8.0} a second, p50 {p50:?}, p99 {p99:?}");
        medians.push(*a_second);
    }
    println!("ratio: {:.2} for Bitrix24, {:.2} for Slack", medians[1] / medians[0], medians[3] / medians[2]);
    Ok(())
}

async fn start(side: &str) -> anyhow::Result<(Child, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["serve-for-webhook", side])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("a pipe")?).read_line(&mut line).await?;
    Ok((child, line.trim().to_owned()))
}

async fn round(address: &str, from: From) -> anyhow::Result<Round> {
    // A warm-up of its own, not counted.
    load(address, from, ROUND / 8).await?;
    let (mut times, took) = load(address, from, ROUND).await?;
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    Ok(Round { a_second: times.len() as f64 / took.as_secs_f64(), p50: at(50), p99: at(99) })
}

async fn load(address: &str, from: From, duration: Duration) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let began = Instant::now();
    let ids = Arc::new(AtomicU64::new(1));
    let mut connections = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        connections.spawn(connection(address.to_owned(), from, ids.clone(), began + duration));
    }
    let mut times = Vec::new();
    while let Some(done) = connections.join_next().await {
        times.extend(done??);
    }
    Ok((times, began.elapsed()))
}

/// One keep-alive connection that posts one event after the other.
async fn connection(address: String, from: From, ids: Arc<AtomicU64>, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    let mut answer = vec![0; 4096];
    while Instant::now() < end {
        let id = ids.fetch_add(1, Ordering::Relaxed);
        let request = match from {
            From::Bitrix24 => bitrix24_event(id),
            From::Slack => slack_event(id),
        };
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let read = stream.read(&mut answer).await?;
        times.push(began.elapsed());
        anyhow::ensure!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
    }
    Ok(times)
}

fn bitrix24_event(id: u64) -> String {
    let body = format!(
        "event=ONCRMDEALUPDATE&event_handler_id=204&data%5BFIELDS%5D%5BID%5D={id}&ts=1772090363\
         &auth%5Bdomain%5D=some-domain.bitrix24.com&auth%5Bclient_endpoint%5D=https%3A%2F%2Fsome-domain.bitrix24.com%2Frest%2F\
         &auth%5Bserver_endpoint%5D=https%3A%2F%2Foauth.bitrix.info%2Frest%2F&auth%5Bmember_id%5D={MEMBER}\
         &auth%5Bapplication_token%5D={TOKEN}"
    );
    format!(
        "POST {} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        http::BITRIX24_WEBHOOK,
        body.len()
    )
}

/// A message in one of a hundred channels.
fn slack_event(id: u64) -> String {
    let channel = id % 100;
    let body = format!(
        r#"{{"token":"x","team_id":"T0BENCH","api_app_id":"A1","type":"event_callback","event_id":"Ev{id:08}","event_time":1772090363,"event":{{"type":"message","channel":"C0BENCH{channel:03}","user":"U0BENCH01","text":"message {id}","ts":"1772090363.{id:06}","team":"T0BENCH","channel_type":"channel"}},"authorizations":[{{"enterprise_id":null,"team_id":"T0BENCH","user_id":"U1","is_bot":true,"is_enterprise_install":false}}]}}"#
    );
    let at = SystemClock.now().as_second();
    let signature = slack::signature::sign(&SIGNING_SECRET.to_owned().into(), at, body.as_bytes());
    format!(
        "POST {} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nx-slack-request-timestamp: {at}\r\n\
         x-slack-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        http::SLACK_WEBHOOK,
        body.len()
    )
}
