//! A relation whose page is made at the same moment as the page that leads to it.

use std::fmt;
use std::sync::{Mutex, PoisonError};
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
use simulators::portal::{COMPANY, DEAL, Delivery};
use wire::{Body, Network, SendError, Transport};

/// Carries requests; before it makes a row of `source`, something else happens.
struct Meanwhile {
    direct: Direct,
    source: String,
    before: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meanwhile").finish_non_exhaustive()
    }
}

impl Meanwhile {
    fn makes_row(&self, request: &Request<Body>) -> bool {
        let Body::Whole(body) = request.body() else { return false };
        request.method() == "POST"
            && request.uri().path() == "/v1/pages"
            && String::from_utf8_lossy(body).contains(&self.source)
    }
}

#[async_trait]
impl Transport for Meanwhile {
    async fn send(&self, request: Request<Body>, network: &Network) -> Result<http::Response<Body>, SendError> {
        if self.makes_row(&request) {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_relation_is_written_whose_page_is_made_while_the_page_that_leads_to_it_is_made() {
    let world = World::start_mirrored(false, deals_of_companies).await;
    let (portal, notion) = (&world.sandbox.portal, &world.sandbox.notion);
    portal.deliver(Delivery { hold: true, ..portal.delivery() });
    let company = portal.add_item(COMPANY, json!({"title": "ACME"}));
    let deal = portal.add_item(DEAL, json!({"title": "Roof", "companyId": company}));
    let job = |database: &str, record: Record| ReceivedJob {
        id: database.to_owned(),
        tenant: world.tenant.clone(),
        trace: TraceId::new(world.clock.now()),
        group: database.to_owned(),
        attempt: 1,
        body: SyncJob::Record { database: database.to_owned(), record, signal: Signal::both("try again") },
    };
    let sync = NotionSync::new(&world.engine.ports, world.connections.clone());
    let of_company = job("Companies", Record::item(bitrix24::EntityType::COMPANY, company));
    let before = async move {
        notion_sync::work(&sync, of_company).await;
    };
    let meanwhile = Meanwhile {
        direct: Direct::new(Duration::from_secs(60)),
        source: notion.database("Deals").unwrap().1,
        before: Mutex::new(Some(before.boxed())),
    };
    let connections = world.connections.clone().over(std::sync::Arc::new(meanwhile));
    let of_deal = job("Deals", Record::item(bitrix24::EntityType::DEAL, deal));
    notion_sync::work(&NotionSync::new(&world.engine.ports, connections), of_deal).await;
    world.settle().await;
    let row = |database: &str| notion.rows(&notion.database(database).unwrap().1).remove(0);
    let related = &row("Deals")["properties"]["Company"]["relation"];
    assert_eq!(related[0]["id"], row("Companies")["id"], "{related}");
}
