//! Secrets: on no disk, in no log, and sealed for one tenant and one use.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use journeys::Stage;
use journeys::estate::Estate;
use runtime::seal::{KeyRing, Sealed};
use runtime::secrets::KEY_RING;
use runtime::{SystemClock, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use standalone::engine::Engine;
use tenants::secret_names::SLACK_SIGNING;

use super::{Administrator, FORM, client, form, sent};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_that_is_typed_or_sent_is_on_the_disk_or_in_the_log() {
    let estate = Estate::start_on(Stage::Sockets, 1).await;
    let browser = estate.install(0).await;
    let (tenant, portal) = (estate.tenant(0), &estate.sandbox.portals[0]);
    let own = Administrator::of_company(&estate, 0).await;
    let mut secrets = Vec::new();
    let mut planted = |name: &str| {
        let secret = format!("planted-{name}-{}", tenants::one_time_secrets::secret());
        secrets.push(secret.clone());
        secret
    };

    // Typed on pages: taken, refused, and half of what is needed.
    let (app, webhook, token, notion, code, connect) = (
        planted("client-secret"),
        planted("webhook"),
        planted("token"),
        planted("notion"),
        planted("code"),
        planted("connect"),
    );
    let domain = portal.host();
    browser.post("/install/bitrix24", &[("portal", &domain), ("client_id", "local.1"), ("client_secret", &app)]).await;
    browser
        .post(
            "/install/bitrix24",
            &[("portal", "no portal"), ("client_id", "local.2"), ("client_secret", &planted("half"))],
        )
        .await;
    let address = format!("{}/rest/1/{webhook}/", portal.url());
    own.submit("/install/webhook", &[("webhook_url", &address), ("application_token", &token)]).await;
    own.submit("/install/webhook", &[("webhook_url", &planted("no-url")), ("application_token", &planted("second"))])
        .await;
    own.submit("/install/notion/token", &[("secret", &notion)]).await;
    estate.browser().post("/admin/sign-in", &[("code", &code)]).await;
    let fields = [
        ("code", connect.as_str()),
        ("member_id", tenant.as_str()),
        ("webhook_url", &address),
        ("application_token", &token),
    ];
    estate.browser().post("/install/webhook", &fields).await;
    estate.browser().post("/install/give", &[("ticket", &planted("ticket"))]).await;
    estate
        .browser()
        .get(&format!("/install/bitrix24/callback?state={}&code={}", planted("state"), planted("oauth-code")))
        .await;
    own.get(&format!("/install/slack/callback?state={}&code={}", planted("state"), planted("oauth-code"))).await;

    // Sent by programs, with the right keys and wrong ones.
    let page = own.submit("/admin/keys", &[("name", "held"), ("read", "1")]).await.text;
    let key = format!("swb_{}", page.split("<code>swb_").nth(1).unwrap().split('<').next().unwrap());
    let hook = estate.connections.hook_url(&tenant, "").await.unwrap().split("key=").nth(1).unwrap().to_owned();
    for key in [key.clone(), planted("api-key"), format!("swb_{tenant}.x.{}", planted("api-secret"))] {
        sent(client().get(format!("{}/api/v1/{tenant}/events", estate.url)).bearer_auth(key)).await;
    }
    for key in [hook.clone(), planted("hook")] {
        let body = form(&[
            ("event", "ONCRMDEALADD"),
            ("data[FIELDS][ID]", "1"),
            ("auth[member_id]", tenant.as_str()),
            ("auth[application_token]", &planted("application-token")),
            ("auth[access_token]", &planted("access-token")),
            ("auth[refresh_token]", &planted("refresh-token")),
        ]);
        for path in [
            format!("/webhooks/{tenant}/bitrix24?key={key}"),
            "/webhooks/bitrix24".into(),
            "/install/bitrix24/app".into(),
        ] {
            let request = client().post(format!("{}{path}", estate.url)).header("content-type", FORM);
            sent(request.body(body.clone())).await;
        }
    }
    let opened = form(&[
        ("AUTH_ID", &planted("auth-id")),
        ("REFRESH_ID", &planted("refresh-id")),
        ("member_id", tenant.as_str()),
    ]);
    sent(client().post(format!("{}/install/bitrix24/app", estate.url)).header("content-type", FORM).body(opened)).await;
    for path in ["/webhooks/slack".to_owned(), format!("/webhooks/notion/{}", planted("notion-key"))] {
        let body = json!({"token": planted("verification"), "verification_token": planted("notion-token")}).to_string();
        let request = client().post(format!("{}{path}", estate.url)).header("x-slack-signature", planted("signature"));
        sent(request.header("x-notion-signature", planted("signature")).body(body)).await;
    }
    estate.settle().await;

    // What opens something for its holder.
    secrets.extend([key, hook, own.cookie.split('=').nth(1).unwrap().to_owned()]);
    secrets.push(::admin::new_code(&estate.engine.backend, &tenant).await.unwrap());
    secrets.push(tenants::tickets::make(&estate.engine.backend, &tenant, 6).await.unwrap());
    let disk = estate.everything_on_disk();
    assert!(disk.len() > 10_000 && secrets.len() > 30, "{} {}", disk.len(), secrets.len());
    for secret in &secrets {
        journeys::secrecy::nothing_leaked(std::slice::from_ref(secret), &disk);
        // Nor the part of it that nobody could guess.
        let rest = secret.rsplit(['-', '.']).next().unwrap().to_owned();
        journeys::secrecy::nothing_leaked(&[rest], &disk);
    }
}

/// A seal with one of its parts changed.
fn changed(sealed: &Sealed, name: &str, value: &str) -> Sealed {
    let mut json = serde_json::to_value(sealed).unwrap();
    json[name] = value.into();
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_seal_opens_for_its_tenant_its_use_and_its_ring_only() {
    let text = KeyRing::generate();
    let (ring, other) = (KeyRing::parse(&text).unwrap(), KeyRing::parse(&KeyRing::generate()).unwrap());
    let tenant = |id: &str| TenantId::new(id).unwrap();
    let (own, secret): (_, SecretString) = (tenant("abc"), "planted-secret".to_owned().into());
    let sealed = ring.seal(&own, "slack-bot-token", &secret).unwrap();
    let shown = serde_json::to_value(&sealed).unwrap();
    let (nonce, cipher) = (shown["nonce"].as_str().unwrap(), shown["text"].as_str().unwrap());
    assert_eq!(ring.open(&own, "slack-bot-token", &sealed).unwrap().expose_secret(), "planted-secret");
    for (what, id, field) in [
        ("a longer tenant", "abcd", "slack-bot-token"),
        ("a shorter tenant", "ab", "slack-bot-token"),
        ("another tenant", "xyz", "slack-bot-token"),
        ("another use", "abc", "portal-webhook"),
        ("a use that takes from the tenant's name", "ab", "cslack-bot-token"),
        ("a use that gives to the tenant's name", "abcslack", "-bot-token"),
    ] {
        assert!(ring.open(&tenant(id), field, &sealed).is_err(), "{what}");
    }
    assert!(other.open(&own, "slack-bot-token", &sealed).is_err(), "another ring");
    let twin: Value = serde_json::to_value(ring.seal(&own, "slack-bot-token", &secret).unwrap()).unwrap();
    let flipped = |text: &str| {
        let first = if text.starts_with('A') { 'B' } else { 'A' };
        format!("{first}{}", &text[1..])
    };
    for (name, value) in [
        ("text", flipped(cipher)),
        ("text", cipher[..cipher.len() - 4].to_owned()),
        ("text", String::new()),
        ("text", twin["text"].as_str().unwrap().to_owned()),
        ("nonce", flipped(nonce)),
        ("nonce", String::new()),
        ("nonce", nonce[..nonce.len() - 4].to_owned()),
        ("nonce", twin["nonce"].as_str().unwrap().to_owned()),
        ("key", "k2".to_owned()),
        ("key", String::new()),
    ] {
        assert!(ring.open(&own, "slack-bot-token", &changed(&sealed, name, &value)).is_err(), "{name} is {value:?}");
    }
    // The same secret is never sealed alike.
    let nonces: BTreeSet<String> = (0..1_000)
        .map(|_| {
            serde_json::to_value(ring.seal(&own, "slack-bot-token", &secret).unwrap()).unwrap()["nonce"].to_string()
        })
        .collect();
    assert_eq!(nonces.len(), 1_000);
    assert!(!format!("{ring:?}{sealed:?}{shown}").contains("planted-secret"));
    assert!(!format!("{ring:?}").contains(&text.expose_secret()[20..40]), "a ring does not show its keys");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn key_files_are_their_owners_alone_from_the_first_and_after_each_change() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("held.db");
    let engine = Engine::open(&database, Arc::new(SystemClock)).await.unwrap();
    let secrets = &engine.backend.secrets;
    for round in 0..3 {
        secrets.put(SLACK_SIGNING, format!("planted-signing-{round}").into()).await.unwrap();
        secrets.put(KEY_RING, KeyRing::generate()).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(database.with_extension("secrets")).unwrap().flatten().collect();
        assert_eq!(files.len(), 2, "nothing is left beside them");
        for file in files {
            assert_eq!(mode(&file.path()), 0o600, "{}", file.path().display());
        }
    }
}

/// The lines of the template, without what forbids, and without the policies of keys and secrets, which speak of themselves.
fn template() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let depth = |line: &str| line.len() - line.trim_start().len();
    let (mut kept, mut policy) = (Vec::new(), None);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if policy.is_some_and(|of| depth(line) > of) {
            continue;
        }
        let speaks_of_itself = ["KeyPolicy:", "ResourcePolicy:"].iter().any(|name| line.trim_start().starts_with(name));
        policy = speaks_of_itself.then(|| depth(line));
        if !line.contains("Effect: Deny") {
            kept.push(line.to_owned());
        }
    }
    kept
}

#[test]
fn the_deployments_own_logs_and_rights_leave_secrets_out() {
    let lines = template();
    let format = lines.iter().find(|line| line.trim_start().starts_with("Format:")).unwrap();
    let allowed = [
        "requestTime",
        "requestId",
        "identity.sourceIp",
        "domainName",
        // Never the path: addresses of Notion's webhooks and of sign-ins are secrets.
        "routeKey",
        "status",
        "responseLength",
        "responseLatency",
        "integrationLatency",
        "integrationStatus",
        "error.message",
        "integrationErrorMessage",
    ];
    let logged: Vec<_> = format.split("$context.").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(logged.len() >= 3 && logged.iter().all(|name| allowed.contains(name)), "{format}");
    let mut is_resource = false;
    for (index, line) in lines.iter().enumerate() {
        let text = line.trim();
        is_resource = text.starts_with("Resource:") || (is_resource && text.starts_with('-'));
        let all = ["\"*\"", "'*'", "Resource: *", "- *"].iter().any(|all| text.contains(all) && !text.contains('&'));
        assert!(!(is_resource && all), "line {}: {line}", index + 1);
        assert!(!(text.starts_with("Action") && text.contains(":*")), "line {}: {line}", index + 1);
    }
    assert!(lines.iter().filter(|line| line.trim().starts_with("Resource:")).count() > 20);
}
