//! A hundred companies at once, through the real handlers.

use std::collections::BTreeMap;
use std::sync::Arc;

use clients::{ConnectionCredentials, PortalAccess};
use jobs::queues;
use journeys::{World, access_to, each_alone};
use runtime::Clock;
use runtime::TenantId;
use runtime::ledger::{Ledger, LedgerLine, today};
use serde_json::json;
use simulators::PortalSimulator;

const TENANTS: usize = 100;
const DEALS: usize = 100;

/// Decisions alone: no card goes out, for all these companies share one simulated workspace.
fn silent() -> serde_json::Value {
    json!({"routes": [{"name": "none", "change": "deal.stage_changed", "to": "#general", "when": "false"}]})
}

async fn events_decided(world: &World, tenant: &TenantId) -> usize {
    let ledger = Ledger::new(world.engine.backend.store.clone());
    let (mut decided, mut after) = (0, None);
    loop {
        let page = ledger.day(tenant, &today(world.clock.now()), after).await.unwrap();
        let moved =
            |line: &&LedgerLine| matches!(line, LedgerLine::Event(event) if event.changes == ["deal.stage_changed"]);
        decided += page.lines.iter().filter(moved).count();
        match page.next {
            Some(next) => after = Some(next),
            None => return decided,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_changed_deals_of_a_hundred_tenants_drain_in_turn_and_within_every_limit() {
    let world = World::start().await;
    let mut portals = Vec::new();
    for number in 0..TENANTS {
        let portal = PortalSimulator::start(world.clock.clone() as Arc<dyn Clock>, 0).await.unwrap();
        portal.rename(&format!("company{number:03}"));
        let deals: Vec<_> = (0..DEALS).map(|n| portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
        portals.push((portal, deals));
    }
    world.clock.advance(std::time::Duration::from_secs(60));
    for (portal, _) in &portals {
        let credentials = portal.credentials();
        let access = ConnectionCredentials {
            member_id: credentials.member_id.clone(),
            portal: PortalAccess::Webhook(portal.webhook_url().into()),
            application_token: credentials.application_token.into(),
            settings: Some(silent()),
            ..access_to(&world.sandbox, &each_alone())
        };
        let tenant = world.connections.join(access).await.unwrap();
        crm::baseline::fill(&world.engine.backend, &world.connections, &tenant).await.unwrap();
        portal.send_events_to(&world.webhook, &["ONCRMDEALUPDATE"]);
    }
    world.clock.advance(std::time::Duration::from_secs(60));
    for (portal, deals) in &portals {
        for deal in deals {
            portal.move_deal(*deal, "WON");
        }
        // One after the other, so that no request waits too long: who is first has the longest backlog before the last.
        while portal.events_on_the_way() > 0 {
            tokio::task::yield_now().await;
        }
    }
    world.clock.advance(std::time::Duration::from_secs(1));
    // Half of the batches that are needed at most: everybody has had a turn.
    for _ in 0..TENANTS * DEALS / 20 {
        let batch =
            world.engine.backend.queue.receive(queues::BITRIX24_EVENTS, 10, std::time::Duration::ZERO).await.unwrap();
        world.functions.work(queues::BITRIX24_EVENTS, batch).await;
    }
    let mut halfway = BTreeMap::new();
    for (portal, _) in &portals {
        let tenant = TenantId::new(portal.credentials().member_id).unwrap();
        halfway.insert(tenant.clone(), events_decided(&world, &tenant).await);
    }
    let (least, most) = (halfway.values().min().unwrap(), halfway.values().max().unwrap());
    assert!(*least >= DEALS / 5 && *most <= DEALS * 4 / 5, "between {least} and {most} of {DEALS} are decided halfway");
    world.settle().await;
    for (portal, _) in &portals {
        let tenant = TenantId::new(portal.credentials().member_id).unwrap();
        assert_eq!(events_decided(&world, &tenant).await, DEALS, "{tenant}");
        assert_eq!(portal.refused_for_limits(), 0, "{tenant}");
    }
}
