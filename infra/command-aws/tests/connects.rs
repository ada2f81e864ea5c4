//! The command against an emulated AWS and the simulators.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};
use std::sync::Arc;

use cloud::Services;
use runtime::store::Table;
use runtime::{SystemClock, TenantId};
use simulators::Sandbox;
use tenants::portals::{Portals, TokenDigest};

fn run(cloud: &Services, config: &str) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_switchboard-aws"))
        .arg("--config")
        .arg(file.path())
        .env("AWS_ENDPOINT_URL", cloud.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("TABLE_PORTALS", &cloud.names.tables[&Table::Portals])
        .env("SECRET_PREFIX", &cloud.names.secret_prefix)
        .output()
        .unwrap()
}

/// The configuration of `serve` for the simulators.
fn config(sandbox: &Sandbox) -> String {
    let credentials = sandbox.portal.credentials();
    format!(
        "[portal]\nwebhook_url = '{}'\napplication_token = '{}'\nmember_id = '{}'\n[slack]\nbot_token = '{}'\napi_url = '{}'\nsigning_secret = '{}'\n",
        sandbox.portal.webhook_url(),
        credentials.application_token,
        credentials.member_id,
        sandbox.slack.token(),
        sandbox.slack.api_url(),
        sandbox.slack.signing_secret(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_is_connected_and_wrong_credentials_are_named() {
    let cloud = Services::start().await.unwrap();
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
    let credentials = sandbox.portal.credentials();
    let config = config(&sandbox);
    let wrong = run(&cloud, &config.replace("xoxb-", "xoxb-wrong-"));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && said.contains("Slack rejected the bot token"), "{said}");

    for _ in 0..2 {
        let done = run(&cloud, &config);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let backend = aws::ports_over(&cloud.config, cloud.names.clone(), Arc::new(SystemClock));
    let tenant = TenantId::new(credentials.member_id).unwrap();
    let token = TokenDigest::of(&credentials.application_token);
    let portals = Portals::new(backend.store, backend.clock);
    let portal = portals.verify(&tenant, &token).await.unwrap().unwrap();
    assert_eq!(portal.slack.as_ref().unwrap().team_id, sandbox.slack.team_id());
    let workspace = portals.workspace(&sandbox.slack.team_id()).await.unwrap().unwrap();
    assert_eq!((workspace.tenant, workspace.signing), (tenant, TokenDigest::of(sandbox.slack.signing_secret())));
    let known = backend.secrets.get(tenants::secret_names::SLACK_SIGNING).await.unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&known), sandbox.slack.signing_secret());
}

/// Runs a command of operators with what the output `Environment` of the stack says.
fn operate(cloud: &Services, slack_api: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard-aws"));
    let variable = |kind: &str, name: &str| format!("{kind}_{}", name.to_uppercase().replace('-', "_"));
    for (table, name) in &cloud.names.tables {
        command.env(variable("TABLE", table.name()), name);
    }
    for (queues, kind) in [(&cloud.names.queues, "QUEUE"), (&cloud.names.dead, "DEAD")] {
        for (queue, url) in queues {
            command.env(variable(kind, queue.name()), url);
        }
    }
    let output = command
        .args(arguments)
        .env("AWS_ENDPOINT_URL", cloud.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("SECRET_PREFIX", &cloud.names.secret_prefix)
        .env("SLACK_API_URL", slack_api)
        .env("ALLOWED_NETWORKS", "127.0.0.1")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_operated_from_the_command_line() {
    let cloud = Services::start().await.unwrap();
    let sandbox = Sandbox::start(Arc::new(SystemClock)).await.unwrap();
    let config = config(&sandbox);
    assert!(run(&cloud, &config).status.success());
    let operate = |arguments: &[&str]| operate(&cloud, &sandbox.slack.api_url(), arguments);
    let (well, told) = operate(&["queues", "--json"]);
    let queues: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(well && queues.as_array().unwrap().len() == 7, "{told}");
    let (_, told) = operate(&["doctor"]);
    assert!(told.contains("ok     Keys") && told.contains("Slack: Sandbox: answers"), "{told}");
    assert!(operate(&["dead", "list"]).1.contains("There are none."));
    // The same document as on the pages.
    let (_, document) = operate(&["settings", "show"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document.replace("time_zone: UTC", "time_zone: Europe/Berlin")).unwrap();
    let (well, told) = operate(&["settings", "apply", file.path().to_str().unwrap()]);
    assert!(well && told.contains("Europe/Berlin"), "{told}");
    assert!(operate(&["audit"]).1.contains("settings applied"));
    assert!(operate(&["settings", "show"]).1.contains("Europe/Berlin"));
}
