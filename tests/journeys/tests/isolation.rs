//! Trouble stays with whom it concerns: one record, one tenant, one person. Each story says how long the others may wait, in
//! virtual time.

use std::time::Duration;

use bitrix24::{EntityType, Subject, SubjectAction};
use futures::future::join_all;
use jobs::{Hint, HintOrigin, queues};
use runtime::clock::until;
use runtime::job::message;
use runtime::{Clock, TraceId};
use serde_json::json;

use crate::virtual_time::VirtualHost;

/// From the arrival of an event to its decision, where nothing is wrong: a request or two.
const USUAL: Duration = Duration::from_secs(2);
/// The same for those who share the first request with a record whose read hangs.
const FIRST_SPLIT: Duration = Duration::from_secs(10);

impl VirtualHost {
    /// Moves deals of a company, and queues a hint for each, as its events would.
    async fn move_deals(&self, company: usize, deals: &[u64], stage: &str) -> Vec<TraceId> {
        let (tenant, portal) = &self.companies[company];
        let mut messages = Vec::new();
        let mut traces = Vec::new();
        for deal in deals {
            portal.move_deal(*deal, stage);
            let trace = TraceId::new(self.clock.now());
            let subject = Subject::Item { entity: EntityType::DEAL, id: *deal, action: SubjectAction::Update };
            let hint = Hint::found("ONCRMDEALUPDATE", None, subject, HintOrigin::Event);
            messages.push(message(tenant, trace, &hint).unwrap());
            traces.push(trace);
        }
        self.backend.send(messages).await.unwrap();
        traces
    }

    /// Makes deals in a company's portal, and queues a hint for each.
    async fn make_deals(&self, company: usize, titles: &[&str]) {
        let (tenant, portal) = &self.companies[company];
        let hint = |title: &&str| {
            let id = portal.add_deal(title, 1, "EUR");
            let subject = Subject::Item { entity: EntityType::DEAL, id, action: SubjectAction::Add };
            let hint = Hint::found("ONCRMDEALADD", None, subject, HintOrigin::Event);
            message(tenant, TraceId::new(self.clock.now()), &hint).unwrap()
        };
        self.backend.send(titles.iter().map(hint).collect()).await.unwrap();
    }

    /// How long each event of a company takes until it is decided.
    async fn all_decided(&self, company: usize, traces: &[TraceId]) -> Duration {
        let decided = join_all(traces.iter().map(|trace| self.decided(company, *trace))).await;
        decided.into_iter().max().unwrap_or_default()
    }
}

/// Whether a request reads this deal: by a list of ids, alone, or its history.
fn reads(body: &str, deal: u64) -> bool {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let listed = json["filter"]["@id"].as_array().is_some_and(|ids| ids.contains(&deal.into()));
    let batched = json["cmd"].as_object().into_iter().flat_map(|commands| commands.values());
    let named = [format!("&id={deal}"), format!("OWNER_ID%5D={deal}")];
    let mut batched = batched.filter_map(|command| command.as_str());
    listed || json["id"] == deal || batched.any(|command| named.iter().any(|name| command.ends_with(name)))
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_read_hangs_delays_nobody_who_shares_its_batch() {
    let host = Box::pin(VirtualHost::start(1)).await;
    let deals = host.add_deals(0, 6).await;
    let (hung, others) = deals.split_last().unwrap();
    let hung = *hung;
    host.network.hang(move |_, body| reads(body, hung));
    let first = host.move_deals(0, &deals, "WON").await;
    let took = host.all_decided(0, &first[..others.len()]).await;
    assert!(took <= FIRST_SPLIT, "the others of the first batch took {took:?}");
    // From then on it is read alone: whoever comes with it does not wait at all, and neither does what comes after.
    for stage in ["NEW", "WON", "NEW"] {
        let next = host.move_deals(0, &deals, stage).await;
        let took = host.all_decided(0, &next[..others.len()]).await;
        assert!(took <= USUAL, "the others of a later batch took {took:?}");
        host.clock.sleep(Duration::from_secs(7)).await;
    }
    let before = host.status(0, *first.last().unwrap()).await;
    assert!(matches!(before, None | Some(runtime::ledger::EventStatus::Waiting { .. })), "{before:?}");
    // Once it can be read, its events are decided, and the portal never counted as down.
    host.network.hang(|_, _| false);
    let took = host.all_decided(0, &first[others.len()..]).await;
    assert!(took <= Duration::from_secs(60), "the record took {took:?} after it could be read");
}

#[tokio::test(start_paused = true)]
async fn portals_that_never_answer_take_no_place_of_others() {
    const SILENT: usize = 30;
    let host = Box::pin(VirtualHost::start(SILENT + 3)).await;
    let mut deals = Vec::new();
    for company in 0..host.companies.len() {
        deals.push(host.add_deals(company, 8).await);
    }
    let silent: Vec<_> = host.companies[..SILENT].iter().map(|(_, portal)| portal.url()).collect();
    host.network.hang(move |url, _| silent.iter().any(|portal| url.starts_with(portal)));
    for (company, its_deals) in deals.iter().enumerate().take(SILENT) {
        for stage in ["WON", "NEW", "WON", "NEW", "WON", "NEW"] {
            host.move_deals(company, its_deals, stage).await;
        }
    }
    for stage in ["WON", "NEW", "WON"] {
        for (company, its_deals) in deals.iter().enumerate().skip(SILENT) {
            let traces = host.move_deals(company, &its_deals[..4], stage).await;
            let took = host.all_decided(company, &traces).await;
            assert!(took <= USUAL, "company {company} took {took:?} beside {SILENT} portals that do not answer");
        }
        host.clock.sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_in_which_posts_hang_delays_no_card_for_another() {
    let routes = ["stuck", "flows"].map(|channel| {
        let title = format!("record.title == '{channel}'");
        json!({"name": channel, "change": "deal.created", "to": format!("#{channel}"), "when": title})
    });
    let host = Box::pin(VirtualHost::start_with(1, &json!({"routes": routes, "group_bursts": null}))).await;
    let slack = &host.sandbox.slack;
    let (stuck, _) = (slack.add_channel("stuck"), slack.add_channel("flows"));
    host.network.hang(move |url, body| url.ends_with("chat.postMessage") && body.contains(&stuck));
    for cards in 1..=4 {
        host.make_deals(0, &["stuck", "flows"]).await;
        let began = host.clock.now();
        while slack.texts("flows").len() < cards {
            host.clock.sleep(Duration::from_millis(50)).await;
            let took = until(began, host.clock.now());
            assert!(took <= Duration::from_secs(5), "card {cards} of the other channel waits for {took:?}");
        }
    }
    assert!(slack.texts("stuck").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_several_tenants_is_settled_as_each_ends() {
    let mut host = Box::pin(VirtualHost::start(2)).await;
    let deals = [host.add_deals(0, 2).await, host.add_deals(1, 2).await];
    host.stop_workers().await;
    let silent = host.companies[0].1.url();
    host.network.hang(move |url, _| url.starts_with(&silent));
    host.move_deals(0, &deals[0], "WON").await;
    let answered = host.move_deals(1, &deals[1], "WON").await;
    // As Lambda gets it: one batch, of both.
    let queue = host.backend.queue.clone();
    let batch = queue.receive(queues::BITRIX24_EVENTS, 10, Duration::ZERO).await.unwrap();
    assert_eq!(batch.len(), 4);
    let began = host.clock.now();
    let functions = host.functions.clone();
    let work = tokio::spawn(async move { functions.work(queues::BITRIX24_EVENTS, batch).await });
    let took = host.all_decided(1, &answered).await;
    assert!(took <= USUAL, "{took:?}");
    host.clock.sleep(Duration::from_millis(100)).await;
    let left = queue.waiting(queues::BITRIX24_EVENTS, &host.companies[1].0).await.unwrap().unwrap();
    assert_eq!(
        (left.len(), work.is_finished()),
        (0, false),
        "its messages are gone while the other portal is waited for"
    );
    let report = work.await.unwrap();
    let took = until(began, host.clock.now());
    assert_eq!(
        (report.finished.len(), report.failed.len()),
        (0, 2),
        "only those of the silent portal are handed out again"
    );
    assert!(took <= Duration::from_secs(12), "a portal that does not answer holds its function for {took:?}");
}
