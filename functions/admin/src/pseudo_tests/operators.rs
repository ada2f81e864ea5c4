//! The pages for operators: overview, events, failed deliveries, checks, people, keys, audit, signing in.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use clients::Connections;
use http::{Request, StatusCode};
use jiff::Timestamp;
use jobs::queues;
use jobs::sync::SyncSide;
use locale::{Language, Localized, in_pseudo};
use maud::Markup;
use memory::Memory;
use operations::doctor::{Check, CheckVerdict};
use records::Record;
use runtime::calls::ProviderCall;
use runtime::ledger::{DeliveryLine, DeliveryStatus, EventLine, EventStatus, Ledger, delivery_write};
use runtime::metrics::Counters;
use runtime::queue::DeadLetter;
use runtime::store::WriteCondition;
use runtime::{Backend, DeliveryId, ManualClock, QueueName, TenantId, TraceId};
use serde_json::json;
use settings::Settings;
use tenants::administrators::SignInProof;
use tenants::api_keys::{ApiKeys, Scope};
use tenants::audit::{Audit, AuditEntry};
use tenants::portals::{Portal, Portals};
use tenants::user_links::{EndReason, EndedLink, LinkOrigin, UserLink};
use user_mapping::profiles::PortalProfile;
use user_mapping::rights::Reach;
use web::pseudo::assert_page_from_the_catalogues;
use web::sessions;

use super::{visit, walk};
use crate::{Deps, Visit, attention, handle, health, people};

/// Names that are the same in every language.
const NAMES: [&str; 3] = ["Bitrix24", "Slack", "Notion"];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_753_200 + second).unwrap()
}

#[track_caller]
fn assert_page(page: &str) {
    let queues = queues::ALL.into_iter().map(QueueName::name);
    let page = queues.chain(NAMES).fold(without_alarms(page), |page, name| page.replace(name, ""));
    assert_page_from_the_catalogues(&page);
}

/// Alarms are worded in `operations`.
fn without_alarms(page: &str) -> String {
    let Some((before, rest)) = page.split_once(r#"<ul class="alarms">"#) else { return page.to_owned() };
    format!("{before}{}", rest.split_once("</ul>").unwrap().1)
}

struct Office {
    deps: Deps,
    tenant: TenantId,
    cookie: String,
}

impl Office {
    async fn open() -> Self {
        let memory = Memory::new(Arc::new(ManualClock::at(at(0))));
        let backend = memory.backend(Arc::new(Counters::default()));
        let tenant = TenantId::new("member1").unwrap();
        let settings = json!({"time_zone": "UTC", "routes": []});
        let portal = Portal {
            settings: settings.into(),
            ..Portal::new(tenant.clone(), "портал.рф".into(), at(-1_000_000))
        };
        Portals::new(backend.store.clone(), backend.clock.clone()).put(&portal).await.unwrap();
        let cookie = sessions::start_with(&backend, tenant.clone(), "Анна", SignInProof::Operator).await.unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let connections = Connections::new(&backend, slack::SlackApiBase::default());
        Self { deps: Deps::new(&backend, connections, Some("http://localhost".into())), tenant, cookie }
    }

    fn backend(&self) -> &Backend {
        self.deps.backend()
    }

    /// A page, or where a form leads to.
    async fn ask(&self, path: &str, form: Option<&str>, cookie: &str) -> (StatusCode, String) {
        let request = Request::builder().uri(path).header("host", "localhost").header("cookie", cookie);
        let request = match form {
            Some(form) => request
                .method("POST")
                .header("sec-fetch-site", "same-origin")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Bytes::from(form.to_owned())),
            None => request.body(Bytes::new()),
        };
        let mut answer = handle(&self.deps, request.unwrap()).await;
        if let Some(to) = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()) {
            return Box::pin(self.ask(&to, None, cookie)).await;
        }
        (answer.status(), String::from_utf8(std::mem::take(answer.body_mut()).to_vec()).unwrap())
    }

    async fn visit(&self) -> Visit<'_> {
        visit(&self.deps, &self.tenant).await
    }

    async fn bury(&self, trace: TraceId) {
        let letter = DeadLetter {
            code: "нет_канала".into(),
            reason: "Канал в архиве".into(),
            attempts: 3,
            trace: trace.to_string(),
            tenant: self.tenant.to_string(),
            buried_at: at(-60),
            body: json!({"body": {"record": "сделка 42", "channel": "продажи"}}).to_string(),
            group: "1".into(),
        };
        self.backend().queue.bury(queues::SLACK_DELIVERY, &trace.to_string(), letter).await.unwrap();
    }

    /// An event with deliveries in every state.
    async fn note_event(&self) -> TraceId {
        let trace = TraceId::new(at(-3_600));
        let call = |ok| ProviderCall {
            at: at(-3_500),
            to: "портал".into(),
            ms: 80,
            request: "вопрос".into(),
            answer: "ответ".into(),
            ok,
        };
        let ledger = Ledger::new(self.backend().store.clone());
        let event = EventLine {
            attempts: 2,
            changes: vec!["этап".into()],
            left: vec!["маршрут: условие".into()],
            remark: Some("замечание".into()),
            calls: vec![call(true), call(false)],
            ..EventLine::of_trace(trace, "СДЕЛКА".into(), Some("сделка 42".into()), at(-3_590), EventStatus::Routed)
        };
        ledger.record_event(&self.tenant, event).await.unwrap();
        let states = [
            DeliveryStatus::Queued,
            DeliveryStatus::Started { at: at(-3_000) },
            DeliveryStatus::Delivered { at: at(-3_580), provider_id: "C1/1".into() },
            DeliveryStatus::Dead { code: "нет_канала".into(), reason: "Канал в архиве".into() },
        ];
        for (number, status) in states.into_iter().enumerate() {
            let line = DeliveryLine {
                record: "сделка 42".into(),
                change: "этап".into(),
                route: "маршрут".into(),
                destination: "#продажи".into(),
                attempts: u32::try_from(number).unwrap(),
                ..DeliveryLine::new(DeliveryId::of(&[&number.to_string()]), trace, at(-3_585), status)
            };
            let write = delivery_write(&self.tenant, line, WriteCondition::Absent).unwrap();
            self.backend().store.put(write).await.unwrap();
        }
        trace
    }

    async fn note_others(&self) {
        let store = self.backend().store.clone();
        let entry = AuditEntry::new(at(-100), "Борис", "изменено", "маршрут").changed("до", "после");
        Audit::new(store.clone()).note(&self.tenant, &entry).await.unwrap();
        ApiKeys::new(store).make(&self.tenant, "Лавка", &Scope::ALL, at(-100)).await.unwrap();
    }
}

async fn assert_pages(office: &Office, pages: &[(StatusCode, String)], cookie: &str) {
    for (expected, path) in pages {
        let (status, page) = office.ask(path, None, cookie).await;
        assert_eq!(status, *expected, "{path}: {page}");
        assert_page(&page);
    }
}

#[test]
fn the_pages_come_from_the_catalogues() {
    walk(async || {
        let office = Office::open().await;
        let found = |paths: &[&str]| paths.iter().map(|path| (StatusCode::OK, (*path).to_owned())).collect::<Vec<_>>();
        let empty = found(&["/admin", "/admin/events", "/admin/events?q=ы", "/admin/dead", "/admin/dead?q=ы"]);
        assert_pages(&office, &empty, &office.cookie).await;
        let trace = office.note_event().await;
        office.bury(trace).await;
        office.note_others().await;
        let full = found(&[
            "/admin",
            "/admin/overview",
            "/admin/events",
            &format!("/admin/events/{trace}"),
            "/admin/dead",
            "/admin/dead?q=42",
            "/admin/dead/plan?act=redrive",
            "/admin/dead/plan?act=discard",
            "/admin/doctor",
            "/admin/notion/attention",
            "/admin/notion/attention?after=z",
            "/admin/person",
            "/admin/keys",
            "/admin/audit",
        ]);
        assert_pages(&office, &full, &office.cookie).await;
        let missing = ["/admin/events/1", &format!("/admin/events/{}", TraceId::new(at(-1))), "/admin/nowhere"];
        let missing = missing.map(|path| (StatusCode::NOT_FOUND, path.to_owned()));
        assert_pages(&office, &missing, &office.cookie).await;
        assert_pages(&office, &found(&["/admin", "/admin/sign-in"]), "").await;
    });
}

#[test]
fn what_forms_lead_to_comes_from_the_catalogues() {
    walk(async || {
        let office = Office::open().await;
        let token = office.visit().await.session.token;
        for (path, fields) in [
            ("/admin/sign-in", "&code=guess"),
            // What the audit lists is worded where it is noted, so it is still empty here.
            ("/admin/audit/revoke", "&name=1"),
            ("/admin/dead/redrive", ""),
            ("/admin/dead/discard", ""),
            ("/admin/dead/discard", "&why=1"),
            ("/admin/notion/attention/try", "&entry=1"),
            ("/admin/notion/attention/take", "&entry=1"),
            ("/admin/notion/attention/forget", "&entry=1"),
            ("/admin/person", ""),
            ("/admin/person", "&who=contact+42"),
            ("/admin/person/forget", ""),
            ("/admin/keys", ""),
            ("/admin/keys", "&name=1&read=1"),
            ("/admin/keys/revoke", "&id=1"),
            ("/admin/keys/revoke", "&id=-"),
        ] {
            let form = format!("token={token}{fields}");
            let (_, page) = office.ask(path, Some(&form), &office.cookie).await;
            assert_page(&if path == "/admin/person" { without_findings(&page) } else { page });
        }
        let (status, page) = office.ask("/admin/keys", Some("token=wrong"), &office.cookie).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_page(&page);
    });
}

/// Without what a person typed. What is stored about a person, and what stays of it, is worded in `tenants`.
fn without_findings(page: &str) -> String {
    page.split("<h3>").next().unwrap_or_default().replace("contact 42", "")
}

fn directory_people() -> [slack::event::SlackUser; 3] {
    ["1", "2", "3"].map(|id| slack::event::SlackUser {
        id: id.into(),
        name: "Вера".into(),
        ..slack::event::SlackUser::default()
    })
}

#[test]
fn the_page_of_people_comes_from_the_catalogues() {
    let [first, second, third] = directory_people();
    let profile = PortalProfile {
        user: 7,
        name: "Вера".into(),
        email: None,
        picture: None,
        is_dismissed: false,
        is_outsider: false,
    };
    let link = |origin| UserLink { slack: "1".into(), user: 7, origin, name: "Вера".into(), at: at(-100) };
    let links = [LinkOrigin::Email, LinkOrigin::Hand, LinkOrigin::Own, LinkOrigin::Settings].map(link);
    let profiles = [profile];
    walk(async || {
        let office = Office::open().await;
        let visit = office.visit().await;
        for reach in [None, Some(Reach::Concerned), Some(Reach::Connection)] {
            let row = |user, links, email| people::PersonRow { user, links, settings: None, email };
            let directory = people::PeopleDirectory {
                linked: vec![
                    people::PersonRow { settings: Some("7".into()), ..row(&first, links.iter().collect(), None) },
                    row(&second, Vec::new(), Some(&profiles[0])),
                ],
                open: vec![row(&third, Vec::new(), None)],
                on_portal: &profiles,
                permitted: BTreeSet::from([7]),
                ended: Vec::new(),
                reach,
            };
            assert_page(&people::content(&visit, &directory).into_string());
        }
        let directory = people::PeopleDirectory {
            linked: Vec::new(),
            open: Vec::new(),
            on_portal: &[],
            permitted: BTreeSet::new(),
            ended: Vec::new(),
            reach: None,
        };
        assert_page(&people::content(&visit, &directory).into_string());
        // Why a link ended is worded in `user_mapping`.
        let ended = EndedLink { link: link(LinkOrigin::Hand), reason: EndReason::Dismissed, at: at(-10) };
        let page = people::ended_links(Language::En, &[ended]).into_string();
        let reason = user_mapping::mapping::reason_words(EndReason::Dismissed);
        assert_page(&page.replace(reason, ""));
    });
}

#[test]
fn the_page_of_what_needs_attention_comes_from_the_catalogues() {
    let entry = notion_sync::attention::AttentionEntry {
        database: "База".into(),
        record: Record::Task(7),
        title: "Крыша".into(),
        page: Some("1".into()),
        field: "поле".into(),
        property: "поле".into(),
        of: SyncSide::Bitrix24,
        bitrix24: "да".into(),
        notion: "нет".into(),
        why: Localized::data("причина"),
        since: at(-3_600),
        tried_at: Some(at(-60)),
        rests_until: Some(at(60)),
        can_take: vec![SyncSide::Bitrix24, SyncSide::Notion],
    };
    let paused = notion_sync::paused::Paused {
        database: "База".into(),
        field: None,
        why: Localized::data("причина"),
        since: at(-3_600),
    };
    walk(async || {
        let office = Office::open().await;
        let without_database = Visit { attention: (100, true), ..office.visit().await };
        let databases = json!({"notion": {"databases": [{"name": "База", "database": "1", "records": "task"}]}});
        let settings = Arc::new(serde_json::from_value::<Settings>(databases).unwrap());
        let visit = Visit { settings, attention: (1, false), ..office.visit().await };
        for visit in [&visit, &without_database] {
            // The name of a record is worded in `records`.
            let table = attention::entry_table(visit, std::slice::from_ref(&entry), at(0)).into_string();
            assert_page(&table.replace(&entry.record.to_string(), ""));
            assert_page(&attention::hint(visit).into_string());
        }
        assert_page(&attention::paused_table(Language::En, &[paused], at(0)).into_string());
    });
}

#[test]
fn the_checks_come_from_the_catalogues() {
    let check = |verdict| Check {
        what: Localized::data("канал"),
        verdict,
        seen: Localized::data("есть"),
        fix: Localized::data("ничего"),
    };
    for verdicts in [vec![CheckVerdict::Fine], vec![CheckVerdict::Fine, CheckVerdict::Notice, CheckVerdict::Wrong]] {
        let page: Markup = in_pseudo(|| health::result(Language::En, verdicts.into_iter().map(check).collect()));
        assert_page(&page.into_string());
    }
}

#[test]
fn a_page_is_in_the_language_that_the_browser_asks_for() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let office = Office::open().await;
        for (wanted, language, words) in
            [("ru-RU,ru;q=0.9,en;q=0.8", "ru", "Одноразовый код"), ("de", "en", "One-time code")]
        {
            let request = Request::builder().uri("/admin").header("accept-language", wanted).body(Bytes::new());
            let answer = handle(&office.deps, request.unwrap()).await;
            assert_eq!(answer.headers()["vary"], "accept-language");
            let page = String::from_utf8(answer.into_body().to_vec()).unwrap();
            assert!(page.contains(&format!("<html lang=\"{language}\">")) && page.contains(words), "{page}");
        }
    });
}
