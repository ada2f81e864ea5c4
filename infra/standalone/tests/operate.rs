//! What operators do on the command line, beside a host that ran: checks, dead letters, one event's way.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use command_line::config::Config;
use jobs::queues;
use runtime::queue::{DeadLetter, Queue};
use runtime::{Clock, SystemClock, TraceId};
use serde_json::Value;
use simulators::Sandbox;
use standalone::engine::Engine;

/// Runs the command; whether it went well, and what it printed.
fn run(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    let output = command.args(["--config", "serve.toml"]).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_looks_redrives_and_is_told_what_is_wrong() {
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let credentials = sandbox.portal.credentials();
    let config = format!(
        "listen = '127.0.0.1:0'\nstatus = '127.0.0.1:0'\n[portal]\nwebhook_url = '{}'\napplication_token = '{}'\nmember_id = '{}'\n[slack]\nbot_token = '{}'\napi_url = '{}'\n",
        sandbox.portal.webhook_url(),
        credentials.application_token,
        credentials.member_id,
        sandbox.slack.token(),
        sandbox.slack.api_url(),
    );
    std::fs::write(folder.path().join("serve.toml"), config).unwrap();
    let (well, _, said) = run(folder.path(), &["queues"]);
    assert!(!well && said.contains("there is no database"), "{said}");

    // The host ran for a moment, and left a job that could not be done.
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let file = folder.path().join("serve.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replacen("listen", &format!("database = '{}'\nlisten", folder.path().join("host.db").display()), 1),
    )
    .unwrap();
    let serving = tokio::spawn(async move { Box::pin(standalone::serve::serve(&file, stopped)).await });
    let database = folder.path().join("host.db");
    let until_connected = async {
        while !(database.exists()
            && run(folder.path(), &["tenants", "--database", database.to_str().unwrap(), "list"])
                .1
                .contains("webhooks  T0SANDBOX"))
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), until_connected).await.unwrap();
    stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
    let config = Config::read(&folder.path().join("serve.toml")).unwrap();
    let engine = Engine::open(&config.database, Arc::new(SystemClock)).await.unwrap();
    let trace = TraceId::new(SystemClock.now());
    let body = serde_json::json!({"v": 1, "tenant": credentials.member_id, "trace": trace, "body": {"record": "deal 7", "channel": "#x"}});
    let letter = DeadLetter {
        code: "is_archived".into(),
        reason: "unarchive the channel".into(),
        attempts: 1,
        trace: trace.to_string(),
        tenant: credentials.member_id.clone(),
        buried_at: SystemClock.now(),
        body: body.to_string(),
        group: format!("{}#x", credentials.member_id),
    };
    engine.queue.bury(queues::SLACK_DELIVERY, "m#1", letter).await.unwrap();
    drop(engine);

    let (well, printed, _) = run(folder.path(), &["queues"]);
    assert!(well && printed.contains("slack-delivery"), "{printed}");
    let (well, printed, _) = run(folder.path(), &["doctor"]);
    assert!(well && !printed.contains("not confirmed"), "{printed}");
    // Another token is written down, and the host has not tried it yet.
    let text = std::fs::read_to_string(folder.path().join("serve.toml")).unwrap();
    let other = text.replace(sandbox.slack.token().as_str(), "xoxb-another");
    assert_ne!(other, text);
    std::fs::write(folder.path().join("serve.toml"), other).unwrap();
    let (well, printed, _) = run(folder.path(), &["doctor"]);
    assert!(well && printed.contains("Slack has not confirmed the token of the configuration yet"), "{printed}");
    std::fs::write(folder.path().join("serve.toml"), text).unwrap();
    sandbox.slack.change_channel("calls", |channel| channel.is_archived = true);
    let (well, printed, said) = run(folder.path(), &["--json", "doctor"]);
    assert!(!well && said.contains("1 thing is wrong"), "{said}");
    let checks: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let clock = checks.iter().find(|check| check["what"] == "Clock").unwrap();
    assert_eq!(clock["verdict"], "fine", "{clock}");
    assert!(checks.iter().all(|check| check["verdict"] != "wrong" || !check["fix"].as_str().unwrap().is_empty()));

    let (_, printed, _) = run(folder.path(), &["dead", "list"]);
    assert!(
        printed.contains("1 × is_archived on slack-delivery: unarchive the channel") && printed.contains("deal 7 → #x"),
        "{printed}"
    );
    let (_, printed, _) = run(folder.path(), &["dead", "show", "slack-delivery/1"]);
    assert!(printed.contains(&trace.to_string()), "{printed}");
    let (well, _, said) = run(folder.path(), &["dead", "redrive"]);
    assert!(!well && said.contains("--all"), "{said}");
    let (_, printed, _) = run(folder.path(), &["dead", "redrive", "--code", "is_archived", "--dry-run"]);
    assert!(printed.contains("nothing was done"), "{printed}");
    let (_, printed, _) = run(folder.path(), &["dead", "redrive", "--code", "is_archived"]);
    assert!(printed.contains("1 of 1"), "{printed}");
    let (_, printed, _) = run(folder.path(), &["dead", "list", "--json"]);
    assert_eq!(printed.trim(), "[]");
    let (_, printed, _) = run(folder.path(), &["audit"]);
    assert!(printed.contains("dead letters redriven: 1 × is_archived"), "{printed}");
    let (well, _, said) = run(folder.path(), &["trace", &trace.to_string()]);
    assert!(!well && said.contains("30 days"), "{said}");
    let (well, printed, _) = run(folder.path(), &["events", "deal", "7"]);
    assert!(well && printed.contains("Nothing found"), "{printed}");
    let (well, printed, _) = run(folder.path(), &["completions", "bash"]);
    assert!(well && printed.contains("redrive"), "the shell knows the words");
}
