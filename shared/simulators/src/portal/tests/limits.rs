//! What a portal counts, and what it refuses.

use http::Request;
use serde_json::{Value, json};

use super::super::{PortalPlan, PortalSimulator, rest};
use crate::testing::VirtualTime;
use crate::{Fault, RetryAfterForm, Rule};

async fn asked(portal: &PortalSimulator, method: &str) -> (u16, Value) {
    let address = format!("/rest/1/{}/{method}", portal.credentials().secret);
    let request = Request::post(address).body(bytes::Bytes::new()).unwrap();
    let answer = rest::answer(portal.shared().clone(), request).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

#[tokio::test]
async fn each_plan_has_its_own_bucket() {
    for (plan, at_once, a_second) in [(PortalPlan::Usual, 50, 2), (PortalPlan::Enterprise, 250, 5)] {
        let time = VirtualTime::start();
        let portal = PortalSimulator::start(time.clock.clone(), 0).await.unwrap();
        portal.be_of_plan(plan);
        for calls in [at_once, a_second] {
            for _ in 0..calls {
                assert_eq!(asked(&portal, "server.time").await.0, 200, "{plan:?}");
            }
            let (status, refused) = asked(&portal, "server.time").await;
            assert_eq!((status, &refused["error"]), (503, &json!("QUERY_LIMIT_EXCEEDED")), "{plan:?}");
            time.pass(1).await;
        }
        let exceeded = portal.exceeded_limits();
        assert_eq!((exceeded.len(), exceeded[0].times, exceeded[0].method.as_str()), (1, 2, "server.time"));
        assert_eq!(exceeded[0].account, portal.credentials().member_id);
    }
}

#[tokio::test]
async fn a_method_that_worked_for_eight_minutes_is_stopped_until_a_basket_leaves() {
    let time = VirtualTime::start();
    let portal = PortalSimulator::start(time.clock.clone(), 0).await.unwrap();
    portal.set_cost("crm.category.list", 240.0);
    assert_eq!(asked(&portal, "crm.category.list?entityTypeId=2").await.1["time"]["operating"], 240.0);
    time.pass(60).await;
    assert_eq!(asked(&portal, "crm.category.list?entityTypeId=2").await.0, 200, "the call that crosses is worked");
    let (status, refused) = asked(&portal, "crm.category.list?entityTypeId=2").await;
    assert_eq!((status, &refused["error"]), (429, &json!("OPERATION_TIME_LIMIT")));
    let reset = refused["time"]["operating_reset_at"].as_u64().unwrap();
    assert_eq!(reset, 1_795_262_400 + 600, "when the first basket leaves");
    assert_eq!(asked(&portal, "server.time").await.0, 200, "other methods go on");
    time.pass(540).await;
    assert_eq!(asked(&portal, "crm.category.list?entityTypeId=2").await.0, 200);
    assert_eq!(asked(&portal, "crm.category.list?entityTypeId=2").await.0, 429, "only a part was free");
    assert_eq!(portal.exceeded_limits().iter().map(|limit| limit.times).sum::<u64>(), 2);
}

#[tokio::test]
async fn requests_fail_for_as_long_as_a_rule_says() {
    let time = VirtualTime::start();
    let portal = PortalSimulator::start(time.clock.clone(), 0).await.unwrap();
    let date = Fault::Throttled { status: 503, retry_after: RetryAfterForm::Date(30) };
    portal.fail(Rule::every("crm.*", date).lasting(60));
    assert_eq!(asked(&portal, "crm.category.list?entityTypeId=2").await.0, 503);
    assert_eq!(asked(&portal, "server.time").await.0, 200);
    time.pass(60).await;
    assert_eq!(asked(&portal, "crm.category.list?entityTypeId=2").await.0, 200);
    assert_eq!(portal.exceeded_limits(), []);
}
