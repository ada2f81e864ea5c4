//! The pages that set things up in a made-up language: a text that does not come from the catalogues fails.

mod operators;

use std::sync::Arc;

use clients::Connections;
use http::HeaderMap;
use http::header::COOKIE;
use locale::{Language, in_pseudo};
use memory::Memory;
use notion_sync::plan::EntryKind;
use notion_sync::runs::{RunRequest, SyncRun};
use operations::dry_run::DryRunResult;
use runtime::metrics::Counters;
use runtime::{ManualClock, TenantId};
use secrecy::SecretString;
use serde_json::{Value, json};
use tenants::administrators::SignInProof;
use tenants::bridges::Bridge;
use tenants::portals::{PORTAL_WEBHOOK, Portal, SLACK_BOT_TOKEN, TokenDigest};
use web::page::Form;
use web::pseudo::assert_page_from_the_catalogues as assert_text;
use web::sessions;

use crate::{Deps, PageAnswer, Visit, bridges, databases, document, notion, plan, routes, runs};

/// Settings whose names are of other letters than the catalogues' English.
fn settings() -> Value {
    json!({
        "routes": [
            {"name": "Крыша", "change": "deal.created", "to": "#продажи", "when": "true",
             "card": {"title": "Крыша", "fields": [], "button": false}},
            {"name": "Стена", "change": ["task.created", "call.missed"], "to": "#стройка",
             "card": {"title": "Стена", "fields": [], "button": false}},
        ],
        "bridges": [{"channel": "#общий", "chat": "chat57"}],
        "notion": {"databases": [
            {"name": "Сделки", "database": "https://www.notion.so/0123456789abcdef0123456789abcdef",
             "records": "deal", "when": "record.id > 1"},
        ]},
    })
}

async fn deps(settings: Value, notion: bool) -> (Deps, TenantId) {
    let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
    let backend = Memory::new(clock).backend(Arc::new(Counters::default()));
    let connections = Connections::new(&backend, slack::SlackApiBase::default());
    let tenant = TenantId::new("7").unwrap();
    let sealed = async |field, secret: &str| {
        let secret = SecretString::from(secret.to_owned());
        serde_json::to_value(connections.seal(&tenant, field, &secret).await.unwrap()).unwrap()
    };
    let token = sealed(SLACK_BOT_TOKEN, "1").await;
    let mut portal = json!({
        "tenant": tenant, "domain": "127.0.0.1:9", "settings": settings, "connected_at": "2026-11-21T11:00:00Z",
        "webhook": sealed(PORTAL_WEBHOOK, "https://127.0.0.1:9/rest/1/x/").await,
        "slack": {"team_id": "1", "bot_token": token.clone()}, "application_token": TokenDigest::nobodys(),
    });
    if notion {
        portal["notion"] =
            json!({"workspace_id": "1", "workspace": "Крыша", "name": "Связь", "bot_id": "1", "token": token});
    }
    let portal: Portal = serde_json::from_value(portal).unwrap();
    connections.portals().put(&portal).await.unwrap();
    (Deps::new(&backend, connections, Some("https://127.0.0.1".into())), tenant)
}

async fn visit<'a>(deps: &'a Deps, tenant: &TenantId) -> Visit<'a> {
    let backend = deps.backend();
    let cookie = sessions::start_with(backend, tenant.clone(), "Анна", SignInProof::Operator).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, cookie.split(';').next().unwrap().parse().unwrap());
    let session = sessions::of(backend.store.as_ref(), &headers).await.unwrap().unwrap();
    let portal = deps.context.connections.portal(tenant).await.unwrap();
    let settings = portal.settings_as().unwrap_or_default();
    Visit {
        deps,
        id: tenant.clone(),
        portal,
        settings,
        session,
        language: Language::En,
        public_url: deps.public_url.clone(),
        attention: (0, false),
    }
}

/// Runs a test on this thread, in the made-up language.
fn walk(pages: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    in_pseudo(|| runtime.block_on(pages()));
}

#[track_caller]
fn assert_answer(answer: PageAnswer) {
    match answer {
        PageAnswer::Page(page) | PageAnswer::Part(page) | PageAnswer::Missing(page) | PageAnswer::To(_, page) => {
            assert_text(&page);
        }
        PageAnswer::File(..) => panic!("a file is not a page"),
    }
}

fn form(fields: &[(&str, &str)]) -> Form {
    Form::of_fields(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

/// The page without the card of its preview, whose example has a customer's words.
fn without_card(page: &str) -> String {
    let Some((before, rest)) = page.split_once("<div class=\"slack-card\">") else { return page.to_owned() };
    let (section, after) = rest.split_once("</section>").unwrap();
    let below = section.rsplit_once("</div><p").map_or("", |(_, below)| below);
    format!("{before}<p{below}</section>{after}")
}

#[test]
fn the_pages_of_routes_come_from_the_catalogues() {
    walk(async || {
        let (deps, tenant) = deps(settings(), true).await;
        let visit = visit(&deps, &tenant).await;
        assert_answer(routes::show(&visit, ""));
        for route in ["Крыша", "Стена", "7"] {
            let answer = routes::edit(&visit, &form(&[("route", route)])).await.unwrap();
            let (PageAnswer::Page(page) | PageAnswer::Missing(page)) = answer else { panic!("it is a page") };
            assert_text(&without_card(&page));
        }
        for wrong in [form(&[]), form(&[("name", "Дом"), ("change", "1"), ("to", "#дом")])] {
            assert_answer(routes::preview(&visit, &wrong).await.unwrap());
            assert_answer(routes::save(&visit, &wrong).await.unwrap());
        }
        let tried = DryRunResult {
            at: deps.backend().clock.now(),
            trace: "1".into(),
            about: "7".into(),
            change: "1".into(),
            cards: Vec::new(),
            left: vec![("Крыша".into(), "почему".into())],
        };
        for tried in [vec![], vec![tried.clone(), DryRunResult { left: Vec::new(), ..tried }]] {
            assert_text(&routes::outcome(&visit, &tried, None).into_string());
        }
        let seen = crate::settings_form::mark(&visit.settings);
        for up in ["", "yes"] {
            let moved = form(&[("route", "Стена"), ("seen", &seen), ("up", up)]);
            assert_answer(routes::shift(&visit, &moved).await.unwrap());
        }
        assert_answer(routes::delete(&visit, &form(&[("route", "Стена")])).await.unwrap());
    });
    walk(async || {
        let (deps, tenant) = deps(json!({"routes": []}), true).await;
        assert_answer(routes::show(&visit(&deps, &tenant).await, "7"));
    });
}

#[test]
fn the_page_of_settings_comes_from_the_catalogues() {
    walk(async || {
        let (deps, tenant) = deps(settings(), true).await;
        let visit = visit(&deps, &tenant).await;
        // The document itself is the customer's.
        let without_document = |answer: PageAnswer| {
            let PageAnswer::Page(page) = answer else { panic!("it is a page") };
            let (before, rest) = page.split_once("<textarea").unwrap();
            let (_, after) = rest.split_once("</textarea>").unwrap();
            let (before_diff, rest) = after.split_once("<pre").unwrap_or((after, ""));
            format!("{before}{before_diff}{}", rest.split_once("</pre>").map_or("", |(_, after)| after))
        };
        assert_text(&without_document(document::show(&visit, "")));
        let PageAnswer::File(_, text) = document::download(&visit) else { panic!("it is a file") };
        for (act, text) in [("check", text.as_str()), ("check", "routes: []"), ("try", text.as_str())] {
            let answer = document::work(&visit, &form(&[("act", act), ("text", text)])).await.unwrap();
            assert_text(&without_document(answer));
        }
        let seen = crate::settings_form::mark(&visit.settings);
        for text in [text.as_str(), "routes: []"] {
            let saved = form(&[("act", "save"), ("text", text), ("seen", &seen)]);
            assert_answer(document::work(&visit, &saved).await.unwrap());
        }
    });
}

#[test]
fn the_page_of_bridges_comes_from_the_catalogues() {
    walk(async || {
        let (deps, tenant) = deps(settings(), false).await;
        let visit = visit(&deps, &tenant).await;
        let opened = visit.opened().await.unwrap();
        assert_answer(bridges::show(&opened, "").await.unwrap());
        let bridge = Bridge {
            channel: "1".into(),
            dialog: "7".into(),
            channel_name: "крыша".into(),
            dialog_name: "Крыша".into(),
            by: "Анна".into(),
            at: deps.backend().clock.now(),
        };
        deps.context.conversations.join(&tenant, &bridge).await.unwrap();
        assert_answer(bridges::show(&opened, "").await.unwrap());
        assert_answer(bridges::join(&opened, &form(&[("channel", "#крыша"), ("chat", "крыша")])).await.unwrap());
        assert_answer(bridges::part(&opened, &form(&[("channel", "1")])).await.unwrap());
    });
}

#[test]
fn the_pages_of_notion_come_from_the_catalogues() {
    walk(async || {
        let (deps, tenant) = deps(settings(), true).await;
        let visit = visit(&deps, &tenant).await;
        assert_answer(notion::show(&visit, "").await.unwrap());
        for name in ["", "Сделки", "7"] {
            assert_answer(databases::edit(&visit, &form(&[("database", name)])).await.unwrap());
        }
        let unknown = form(&[("database", "7")]);
        assert_answer(databases::forget(&visit, &unknown).await.unwrap());
        assert_answer(runs::begin(&visit, &unknown).await.unwrap());
        assert_answer(notion::undo(&visit, &form(&[("conflict", "7")])).await.unwrap());
        assert_answer(plan::show(&visit, &form(&[("run", "7")])).await.unwrap());
        assert_answer(notion::open_window(&visit, &form(&[])).await.unwrap());
        assert_answer(notion::close_old(&visit).await.unwrap());
        for dry in [true, false] {
            deps.mirror.start(&tenant, "Сделки", &RunRequest { dry, since: None, by: "Анна" }).await.unwrap();
        }
        assert_answer(notion::show(&visit, "").await.unwrap());
        for run in deps.mirror.runs.latest(&tenant, 2).await.unwrap() {
            assert_answer(plan::show(&visit, &form(&[("run", &run.id)])).await.unwrap());
            assert_answer(plan::show(&visit, &form(&[("run", &run.id), ("kind", "double")])).await.unwrap());
            lines(&visit, &run);
        }
        conflicts(&visit);
    });
    walk(async || {
        let (deps, tenant) = deps(json!({}), false).await;
        assert_answer(notion::show(&visit(&deps, &tenant).await, "").await.unwrap());
    });
}

/// A line of each kind.
fn lines(visit: &Visit<'_>, run: &SyncRun) {
    for kind in EntryKind::ALL {
        let change = |to: Value, why: Value| json!({"field": "1", "property": "Сумма", "bitrix24": "1", "notion": "2", "to": to, "why": why});
        let entry = json!({
            "kind": kind, "record": {"Task": 7}, "why": "почему",
            "rows": [{"page": "1", "url": "https://www.notion.so/1", "title": ""}],
            "changes": [change(json!("notion"), Value::Null), change(Value::Null, json!("почему")), change(Value::Null, Value::Null)],
        });
        let entry = serde_json::from_value(entry).unwrap();
        assert_text(&plan::line(visit, run, &entry).into_string());
    }
}

/// A conflict that can be undone, and one that was.
fn conflicts(visit: &Visit<'_>) {
    let kept = |undone: Value| {
        let kept = json!({
            "id": "1", "at": "2026-11-21T11:00:00Z", "trace": "00000000-0000-7000-8000-000000000000", "database": "Сделки",
            "record": {"Task": 7}, "title": "Крыша", "property": "Сумма", "field": "1",
            "bitrix24": {"text": "1"}, "notion": {"text": "2"}, "winner": "bitrix24", "why": "later", "undone": undone,
        });
        serde_json::from_value(kept).unwrap()
    };
    let conflicts = [kept(Value::Null), kept(json!(["2026-11-21T11:00:00Z", "Анна"]))];
    assert_text(&notion::conflict_table(visit, &conflicts).into_string());
}
