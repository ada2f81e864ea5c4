//! The command as a user runs it: `serve` against the simulators, `replay`, `sandbox`.
use std::path::Path;
use std::sync::Arc;

use runtime::SystemClock;
use serde_json::Value;
use simulators::Sandbox;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::harness::{Serving, switchboard, until};

fn config(sandbox: &Sandbox) -> String {
    format!(
        "[portal]\nwebhook_url = '{}'\napplication_token = '{}'\n[slack]\nbot_token = '{}'\napi_url = '{}'\n",
        sandbox.portal.webhook_url(),
        sandbox.portal.credentials().application_token,
        sandbox.slack.token(),
        sandbox.slack.api_url(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_learns_its_portal_from_the_first_event_and_goes_on_after_a_restart() {
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &config(&sandbox)).await;
    assert_eq!(serving.state().await["tenant"], Value::Null);

    let deal = sandbox.portal.add_deal("Too early", 1, "EUR");
    let body = sandbox.portal.event_body("ONCRMDEALADD", deal);
    std::fs::write(folder.path().join("wrong.form"), body.replace("jvh9", "XXXX")).unwrap();
    let wrong = switchboard(&["replay", "wrong.form", "--to", &serving.events], folder.path()).output().await.unwrap();
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("401"), "{}", String::from_utf8_lossy(&wrong.stderr));

    std::fs::write(folder.path().join("event.form"), format!("{body}\n")).unwrap();
    let replay = switchboard(&["replay", "event.form", "--to", &serving.events], folder.path()).output().await.unwrap();
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    until(async || serving.state().await["trail"][0]["status"] != Value::Null).await;
    assert_eq!(serving.state().await["tenant"], sandbox.portal.credentials().member_id);

    sandbox.portal.send_events_to(&serving.events, &["ONCRMDEALADD", "ONCRMDEALUPDATE"]);
    sandbox.portal.add_deal("Roof", 1, "EUR");
    until(async || sandbox.slack.texts("sales-pipeline").contains(&"New deal: Roof".to_owned())).await;
    serving.stop().await;

    let serving = Serving::start(folder.path(), &config(&sandbox)).await;
    assert_eq!(serving.state().await["tenant"], sandbox.portal.credentials().member_id, "it was kept");
    sandbox.portal.send_events_to(&serving.events, &["ONCRMDEALADD"]);
    sandbox.portal.add_deal("Gutter", 1, "EUR");
    until(async || sandbox.slack.texts("sales-pipeline").contains(&"New deal: Gutter".to_owned())).await;
    serving.stop().await;
}

/// What a page answers to a browser that was led there by this name.
async fn by_name(url: &str, host: &str) -> (u16, String) {
    let answer = reqwest::Client::new().get(url).header("host", host).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn serve_keeps_its_files_and_its_status_page_to_itself() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // What an earlier version left.
    std::fs::create_dir(path("switchboard.secrets")).unwrap();
    std::fs::write(path("switchboard.db"), "").unwrap();
    for (name, mode) in [("switchboard.secrets", 0o755), ("switchboard.db", 0o644)] {
        std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut serving = Serving::start(folder.path(), &config(&sandbox)).await;
    let files = ["switchboard.db", "switchboard.db-wal", "switchboard.db-shm", "switchboard.secrets/key-ring"];
    for (name, mode) in files.map(|name| (name, 0o600)).into_iter().chain([("switchboard.secrets", 0o700)]) {
        assert_eq!(std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }

    let state = format!("{}/api/state", serving.status);
    let (status, text) = by_name(&state, "evil.example").await;
    assert!(status == 421 && text.contains("status_names"), "{status} {text}");
    assert_eq!(by_name(&state, "localhost").await.0, 200);
    assert_eq!(by_name(&format!("{}/livez", serving.status), "evil.example").await, (200, "ok\n".into()));
    assert_eq!(by_name(&format!("{}/healthz", serving.status), "evil.example").await.0, 200);

    let mut log = BufReader::new(serving.process.stderr.take().unwrap());
    serving.stop().await;
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut log, &mut said).await.unwrap();
    for closed in ["switchboard.secrets", "switchboard.db"] {
        let line = said.lines().find(|line| line.contains("others could read this") && line.contains(closed));
        assert!(line.is_some(), "{closed}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_without_a_public_address_are_refused_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let apps = "[apps.notion]\nclient_id = 'x'\nclient_secret = 'y'\n";
    std::fs::write(folder.path().join("serve.toml"), apps).unwrap();
    let output = switchboard(&["serve", "--config", "serve.toml"], folder.path()).output().await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("public_url = \"https://YOUR.SERVER\""), "{error}");
    assert!(!folder.path().join("switchboard.db").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_is_signed_in_to_without_tls_and_by_its_own_names() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let mut process =
        switchboard(&["demo", "--listen", "127.0.0.1:0", "--data", "demo"], folder.path()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).await.unwrap();
    let address = address.trim();
    assert_eq!(by_name(address, "localhost:8080").await.0, 200);
    assert_eq!(by_name(&format!("{address}/api/state"), "evil.example").await.0, 421);
    let code = switchboard(&["admin-code", "--database", "demo/demo.db"], folder.path()).output().await.unwrap();
    let code = String::from_utf8_lossy(&code.stdout).lines().next().unwrap().to_owned();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = http.post(format!("{address}/admin/sign-in")).header("sec-fetch-site", "same-origin");
    let signed_in = request.body(format!("code={code}")).send().await.unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("switchboard_session=") && !cookie.contains("Secure"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_checked_compared_and_applied_beside_a_serve_that_runs() {
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = async |arguments: &[&str]| {
        let output = switchboard(&[&["settings"], arguments].concat(), folder.path()).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let document = "routes:\n  - name: every deal\n    change: deal.created\n    to: \"#general\"\n";
    std::fs::write(folder.path().join("good.yaml"), document).unwrap();
    std::fs::write(folder.path().join("bad.yaml"), document.replace("deal.created", "deal.made")).unwrap();

    let (good, said, _) = settings(&["check", "good.yaml"]).await;
    assert!(good && said.contains("1 routes, nothing wrong"), "{said}");
    let (good, _, said) = settings(&["check", "bad.yaml"]).await;
    assert!(!good && said.contains("bad.yaml: line 3: routes[0].change: there is no change \"deal.made\""), "{said}");
    let (good, _, said) = settings(&["show", "--config", "serve.toml"]).await;
    assert!(!good && said.contains("cannot read serve.toml"), "{said}");

    let member = format!("member_id = '{}'\n[slack]", sandbox.portal.credentials().member_id);
    let serving = Serving::start(folder.path(), &config(&sandbox).replace("[slack]", &member)).await;
    let (good, said, _) = settings(&["diff", "good.yaml", "--config", "serve.toml"]).await;
    assert!(good && said.contains("- routes.\"new leads\"") && said.contains("+ routes.\"every deal\""), "{said}");
    let (good, _, said) = settings(&["apply", "bad.yaml", "--config", "serve.toml"]).await;
    assert!(!good && said.contains("line 3"), "{said}");
    let (good, said, error) = settings(&["apply", "good.yaml", "--config", "serve.toml"]).await;
    assert!(good && said.contains("in force for"), "{said}{error}");
    let (_, shown, _) = settings(&["show", "--config", "serve.toml"]).await;
    assert!(shown.contains("every deal") && !shown.contains("new leads"), "{shown}");
    serving.stop().await;

    // A start changes nothing of what was applied, for the configuration names no settings.
    let serving = Serving::start(folder.path(), &config(&sandbox).replace("[slack]", &member)).await;
    sandbox.portal.send_events_to(&serving.events, &["ONCRMDEALADD"]);
    sandbox.portal.add_deal("Roof", 1, "EUR");
    until(async || sandbox.slack.texts("general").contains(&"New deal: Roof".to_owned())).await;
    serving.stop().await;

    let own = format!("settings = 'good.yaml'\n{}", config(&sandbox));
    std::fs::write(folder.path().join("own.toml"), own).unwrap();
    let (good, _, said) = settings(&["apply", "good.yaml", "--config", "own.toml"]).await;
    assert!(!good && said.contains("names settings itself"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_tells_all_that_a_client_needs_in_one_line() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let mut process = switchboard(&["sandbox"], folder.path()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    for name in
        ["webhook_url", "rest_url", "application_token", "access_token", "client_id", "client_secret", "member_id"]
    {
        assert!(told["bitrix24"][name].is_string(), "{name}");
    }
    for name in ["api_url", "bot_token", "signing_secret", "client_id", "client_secret", "team_id"] {
        assert!(told["slack"][name].is_string(), "{name}");
    }
    let control = told["control"].as_str().unwrap();
    assert!(reqwest::get(format!("{control}/counts")).await.unwrap().status().is_success());
}

#[test]
fn the_published_schema_is_what_the_command_prints() {
    let printed =
        std::process::Command::new(env!("CARGO_BIN_EXE_switchboard")).args(["settings", "schema"]).output().unwrap();
    let published = include_str!("../../../docs/settings.schema.json");
    assert!(
        String::from_utf8(printed.stdout).unwrap() == published,
        "docs/settings.schema.json is old: cargo run -- settings schema > docs/settings.schema.json"
    );
}

#[test]
fn the_settings_page_names_every_change_and_every_word() {
    let page = include_str!("../../../docs/settings.md");
    for (kind, name, meaning) in records::ChangeKind::ALL {
        assert!(page.contains(&format!("| `{name}` | {meaning} |")), "docs/settings.md does not tell of {name}");
        for word in records::words::known(kind) {
            assert!(page.contains(&format!("`{word}`")), "docs/settings.md does not tell of {{{word}}}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_is_planned_and_run_beside_a_serve_that_runs() {
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sync = async |arguments: &[&str]| {
        let output = switchboard(&[&["sync"], arguments].concat(), folder.path()).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (good, _, said) = sync(&["status"]).await;
    assert!(!good && said.contains("there is no database switchboard.db"), "{said}");

    let (database, source) = sandbox.notion.add_database("Deals", &serde_json::json!({}));
    let settings = format!("notion:\n  databases:\n    - {{ name: Deals, database: {database}, records: deal }}\n");
    std::fs::write(folder.path().join("settings.yaml"), settings).unwrap();
    let notion = format!("[notion]\ntoken = '{}'\napi_url = '{}'\n", sandbox.notion.token(), sandbox.notion.url());
    let config = config(&sandbox)
        .replace("[slack]", &format!("member_id = '{}'\n[slack]", sandbox.portal.credentials().member_id));
    let serving = Serving::start(folder.path(), &format!("settings = 'settings.yaml'\n{config}{notion}")).await;

    until(async || serving.credentials("Notion").await.0 == "accepted").await;
    let (good, _, said) = sync(&["plan", "Customers"]).await;
    assert!(!good && said.contains("no database \"Customers\"; they have: Deals"), "{said}");
    let (good, said, error) = sync(&["plan", "Deals"]).await;
    assert!(good && said.contains("plan Deals: done") && said.contains("60 made"), "{said}{error}");
    assert!(sandbox.notion.rows(&source).is_empty(), "a plan makes nothing");
    let (good, said, error) = sync(&["run", "Deals"]).await;
    assert!(good && said.contains("run Deals: done") && said.contains("60 made"), "{said}{error}");
    assert_eq!(sandbox.notion.rows(&source).len(), 60);
    let (good, said, _) = sync(&["status"]).await;
    assert!(good && said.contains("Deals: open") && said.contains("connection \"Switchboard\""), "{said}");
    let (good, said, _) = sync(&["conflicts"]).await;
    assert!(good && said.contains("There are none"), "{said}");
    let (good, said, _) = sync(&["attention"]).await;
    assert!(good && said.contains("Nothing needs attention"), "{said}");
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_uses_the_database_of_the_configuration_that_is_named() {
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let member = format!("member_id = '{}'\n[slack]", sandbox.portal.credentials().member_id);
    let config = format!("database = 'other.db'\n{}", config(&sandbox).replace("[slack]", &member));
    let serving = Serving::start(folder.path(), &config).await;
    assert!(folder.path().join("other.db").exists() && !folder.path().join("switchboard.db").exists());
    for command in [
        &["sync", "status"][..],
        &["sync", "conflicts"],
        &["sync", "attention"],
        &["tenants", "list"],
        &["api-key", "list"],
        &["admin-code"],
        &["settings", "show"],
        &["audit"],
        &["queues"],
    ] {
        for place in [&["--config", "serve.toml"], &["--database", "other.db"]] {
            for arguments in [[place, command].concat(), [command, place].concat()] {
                let output = switchboard(&arguments, folder.path()).output().await.unwrap();
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{arguments:?}: {error}");
            }
        }
        let output = switchboard(command, folder.path()).output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let shows_defaults = command[0] == "settings";
        assert!(
            shows_defaults || error.contains("--database, or its configuration with --config"),
            "{command:?}: {error}"
        );
    }
    serving.stop().await;
    let output = switchboard(&["serve"], folder.path()).output().await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("name the configuration with --config"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_answers_https_with_a_certificate_of_its_own_authority() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--companies", "1"]] {
        let mut process = switchboard(&[&["sandbox", "--tls"], more].concat(), folder.path()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let file = told["certificate_authority"].as_str().unwrap();
        let certificate = reqwest::Certificate::from_pem(&std::fs::read(file).unwrap()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
        let url = match told["bitrix24"]["webhook_url"].as_str() {
            Some(webhook) => format!("{webhook}server.time"),
            None => format!("https://{}/rest/server.time", told["bitrix24"]["portals"][0].as_str().unwrap()),
        };
        assert!(url.starts_with("https://localhost:"), "{url}");
        let answer = client.get(&url).send().await.unwrap();
        assert!([200, 401].contains(&answer.status().as_u16()), "{url}");
        let control = told["control"].as_str().unwrap();
        assert!(reqwest::get(format!("{control}/")).await.unwrap().status().is_success());
        let pid = process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        assert!(process.wait().await.unwrap().success());
        assert!(!Path::new(file).exists(), "the authority ends with its sandbox");
    }
}
