//! What happens while a page is made is not missed: the page of a relation is made, the record changes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use jobs::sync::{Signal, SyncJob};
use journeys::World;
use notion_sync::NotionSync;
use records::Record;
use runtime::job::ReceivedJob;
use runtime::{Clock, TraceId};
use serde_json::{Value, json};
use simulators::Sandbox;
use simulators::direct::Direct;
use simulators::portal::{COMPANY, DEAL, PortalEventDelivery};
use tokio::sync::oneshot;
use wire::{Body, Network, SendError, Transport};

/// Carries requests; right before the first one to `path` that is about `source`, something else happens.
struct Meanwhile {
    direct: Direct,
    path: String,
    source: String,
    before: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meanwhile").finish_non_exhaustive()
    }
}

impl Meanwhile {
    fn new(path: String, source: String, before: impl Future<Output = ()> + Send + 'static) -> Arc<Self> {
        let before = Mutex::new(Some(before.boxed()));
        Arc::new(Self { direct: Direct::new(Duration::from_secs(60)), path, source, before })
    }

    fn is_it(&self, request: &Request<Body>) -> bool {
        let Body::Whole(body) = request.body() else { return false };
        let is_about = |text: &str| text.contains(&self.source);
        request.method() == "POST"
            && request.uri().path() == self.path
            && (is_about(&self.path) || is_about(&String::from_utf8_lossy(body)))
    }

    fn has_happened(&self) -> bool {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

#[async_trait]
impl Transport for Meanwhile {
    async fn send(&self, request: Request<Body>, network: &Network) -> Result<http::Response<Body>, SendError> {
        if self.is_it(&request) {
            let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(before) = before {
                before.await;
            }
        }
        self.direct.send(request, network).await
    }
}

fn deals_of_companies(sandbox: &Sandbox) -> Value {
    let (companies, _) = sandbox.notion.add_database("Companies", &json!({}));
    let (deals, _) = sandbox.notion.add_database("Deals", &json!({}));
    json!({"databases": [
        {"name": "Companies", "database": companies, "records": "company", "page": []},
        {"name": "Deals", "database": deals, "records": "deal", "page": [], "fields": [
            {"field": "title", "property": "Name"}, {"field": "companyId", "property": "Company"},
        ]},
    ]})
}

/// A job that syncs a record, which arrives now. It waits no longer for the pages of relations.
fn job(world: &World, database: &str, record: Record) -> ReceivedJob<SyncJob> {
    ReceivedJob {
        id: database.to_owned(),
        tenant: world.tenant.clone(),
        trace: TraceId::new(world.clock.now()),
        group: database.to_owned(),
        attempt: 6,
        body: SyncJob::Record { database: database.to_owned(), record, signal: Signal::both("try again") },
    }
}

/// Works the job of a deal, with something that happens meanwhile.
async fn work(world: &World, deal: u64, meanwhile: &Arc<Meanwhile>) {
    let connections = world.connections.clone().over(meanwhile.clone());
    let sync = NotionSync::new(&world.engine.backend, connections);
    notion_sync::work(&sync, job(world, "Deals", Record::item(bitrix24::EntityType::DEAL, deal))).await;
    assert!(meanwhile.has_happened());
}

fn row(world: &World, database: &str, title: &str) -> Value {
    let notion = &world.sandbox.notion;
    let rows = notion.rows(&notion.database(database).unwrap().1);
    let is_it = |row: &Value| notion.shown(row["id"].as_str().unwrap(), "Name") == title;
    rows.into_iter().find(is_it).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relation_is_written_whose_page_is_made_while_the_page_that_leads_to_it_is_made() {
    let world = World::start_mirrored(false, deals_of_companies).await;
    let portal = &world.sandbox.portal;
    portal.deliver(PortalEventDelivery { hold: true, ..portal.delivery() });
    let company = |title: &str| portal.add_item(COMPANY, json!({"title": title}));
    let of_company = |id: u64| job(&world, "Companies", Record::item(bitrix24::EntityType::COMPANY, id));
    let (first, second) = (company("First"), company("Second"));
    let deal = portal.add_item(DEAL, json!({"title": "Roof", "companyId": second}));
    let sync = NotionSync::new(&world.engine.backend, world.connections.clone());
    // The database of companies is known.
    notion_sync::work(&sync, of_company(first)).await;
    let of_second = of_company(second);
    let before = async move {
        notion_sync::work(&sync, of_second).await;
    };
    let source = world.sandbox.notion.database("Deals").unwrap().1;
    Box::pin(work(&world, deal, &Meanwhile::new("/v1/pages".into(), source, before))).await;
    world.settle().await;
    let related = &row(&world, "Deals", "Roof")["properties"]["Company"]["relation"];
    assert_eq!(related[0]["id"], row(&world, "Companies", "Second")["id"], "{related}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_arrives_while_the_page_is_made_is_not_lost() {
    let world = World::start_mirrored(false, deals_of_companies).await;
    let portal = &world.sandbox.portal;
    portal.deliver(PortalEventDelivery { hold: true, ..portal.delivery() });
    let deal = portal.add_item(DEAL, json!({"title": "Roof"}));
    portal.deliver(PortalEventDelivery { hold: false, ..portal.delivery() });
    let (asked, is_asked) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let before = async move {
        asked.send(()).unwrap();
        is_done.await.unwrap();
    };
    let change = async {
        is_asked.await.unwrap();
        portal.change_item(DEAL, deal, json!({"title": "Roof!"}));
        world.all_have_arrived().await;
        done.send(()).unwrap();
    };
    let source = world.sandbox.notion.database("Deals").unwrap().1;
    let path = format!("/v1/data_sources/{source}/query");
    let meanwhile = Meanwhile::new(path, source, before);
    tokio::join!(work(&world, deal, &meanwhile), change);
    world.settle().await;
    let notion = &world.sandbox.notion;
    assert_eq!(notion.titles(&notion.database("Deals").unwrap().1), ["Roof!"]);
}
