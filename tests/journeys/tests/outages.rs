//! When a provider is down as a whole: how much is asked of it meanwhile, and how soon everything is out once it is back.
//! Time is the world's: an outage of two hours passes in a moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use jobs::queues;
use journeys::{Stage, World};
use operations::doctor::{CheckVerdict, Doctor};
use records::ChangeKind;
use runtime::clock::{Clock, later};
use runtime::ledger::{Ledger, LedgerLine, today};
use serde_json::{Value, json};
use settings::{Destination, Route};
use simulators::direct::Direct;
use wire::{Body, Cause, Network, SendError, TimeLimit, Transport};

/// How a provider is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Down {
    /// It answers 503.
    Errors,
    /// It takes every call and never answers.
    Hangs,
    /// It does what it is asked after this time, and says so to nobody who has stopped waiting.
    Late(Duration),
}

/// A provider that is down for a while, with the calls that it got meanwhile.
#[derive(Debug)]
struct Weather {
    clock: Arc<runtime::ManualClock>,
    inner: Direct,
    outage: Mutex<Option<(String, Down, Timestamp)>>,
    calls: Mutex<Vec<Timestamp>>,
    /// How long the portal works on each command of a batch.
    batch_pace: Mutex<Duration>,
    /// The calls that were answered, with their address.
    answered: Mutex<Vec<(Timestamp, String)>>,
    /// How many calls wait for an answer that never comes.
    hanging: AtomicUsize,
}

/// A call that hangs.
struct Hanging(Arc<Weather>);

impl Hanging {
    fn begin(weather: &Arc<Weather>) -> Self {
        weather.hanging.fetch_add(1, Ordering::SeqCst);
        Self(weather.clone())
    }

    /// Hangs until then.
    async fn until(&self, moment: Timestamp) {
        while self.0.clock.now() < moment {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets time pass while calls hang: they hang at the same time.
async fn pass_time(weather: Weak<Weather>) {
    while let Some(weather) = weather.upgrade() {
        if weather.hanging.load(Ordering::SeqCst) > 0 {
            weather.clock.advance(Duration::from_millis(250));
        }
        drop(weather);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the world outside")
    }
}

#[derive(Clone)]
struct Outside(Arc<Weather>);

impl Outside {
    /// Puts this between a world and its providers.
    fn of(world: &mut World) -> Self {
        let outside = Self(Arc::new(Weather {
            clock: world.clock.clone(),
            inner: Direct::new(Duration::from_secs(120)),
            outage: Mutex::default(),
            calls: Mutex::default(),
            batch_pace: Mutex::default(),
            answered: Mutex::default(),
            hanging: AtomicUsize::new(0),
        }));
        tokio::spawn(pass_time(Arc::downgrade(&outside.0)));
        world.connections = world.connections.clone().over(Arc::new(outside.clone()));
        let functions = journeys::watched::functions(&world.engine.backend, &world.connections, None);
        *world.functions = functions;
        outside
    }

    /// The provider at this address is down for `length` from now; returns when it is back.
    fn breaks(&self, address: &str, down: Down, length: Duration) -> Timestamp {
        let back = later(self.0.clock.now(), length);
        *self.0.outage.lock().unwrap() = Some((address.to_owned(), down, back));
        back
    }

    /// Lets the portal work so long on each command of a batch.
    fn paces_batches(&self, pace: Duration) {
        *self.0.batch_pace.lock().unwrap() = pace;
    }

    /// When the last call to such an address was answered.
    fn last_answer(&self, address: &str) -> Timestamp {
        let answered = self.0.answered.lock().unwrap();
        answered.iter().rev().find(|(_, to)| to.ends_with(address)).expect("a call was answered").0
    }

    /// Passes a call on to a provider that is well, and may be slow.
    async fn pass_on(
        &self,
        request: http::Request<Body>,
        network: &Network,
    ) -> Result<http::Response<Body>, SendError> {
        let weather = &self.0;
        let to = request.uri().to_string();
        let pace = *weather.batch_pace.lock().unwrap();
        let (now, limit) = (weather.clock.now(), limit_of(&request));
        if let Body::Whole(body) = request.body()
            && to.ends_with("/batch")
            && !pace.is_zero()
        {
            let asked: Value = serde_json::from_slice(body).unwrap();
            let commands = asked["cmd"].as_object().map_or(0, serde_json::Map::len);
            let takes = pace * u32::try_from(commands).unwrap();
            Hanging::begin(weather).until(later(now, takes.min(limit))).await;
            if takes > limit {
                return Err(SendError::Lost(Cause::Timeout));
            }
        }
        let answer = weather.inner.send(request, network).await;
        weather.answered.lock().unwrap().push((weather.clock.now(), to));
        answer
    }

    /// Works what is ready at each moment until all that was asked for has come, however late, and then the rest.
    async fn settle(&self, world: &World) {
        world.none_left_to_work_now().await;
        while self.0.hanging.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            world.work_what_is_ready().await;
        }
        world.settle().await;
    }

    /// When calls were made to the provider while it was down.
    fn calls(&self) -> Vec<Timestamp> {
        self.0.calls.lock().unwrap().clone()
    }
}

fn limit_of(request: &http::Request<Body>) -> Duration {
    request.extensions().get::<TimeLimit>().expect("every call has a limit").0
}

#[async_trait]
impl Transport for Outside {
    async fn send(&self, request: http::Request<Body>, network: &Network) -> Result<http::Response<Body>, SendError> {
        let weather = &self.0;
        let now = weather.clock.now();
        let outage = weather.outage.lock().unwrap().clone();
        let to = request.uri().to_string();
        let Some((_, down, _)) = outage.filter(|(address, _, back)| now < *back && to.contains(address.as_str()))
        else {
            return self.pass_on(request, network).await;
        };
        weather.calls.lock().unwrap().push(now);
        match down {
            Down::Errors => {
                let mut answer = http::Response::new(Body::from("<html>Service Unavailable</html>".to_owned()));
                *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                Ok(answer)
            }
            Down::Hangs => {
                Hanging::begin(weather).until(later(now, limit_of(&request))).await;
                Err(SendError::Lost(Cause::Timeout))
            }
            Down::Late(after) => {
                let gives_up = later(now, limit_of(&request));
                let (outside, network) = (self.clone(), network.clone());
                tokio::spawn(async move {
                    // It is on its way until it is done.
                    let on_its_way = Hanging::begin(&outside.0);
                    on_its_way.until(later(now, after)).await;
                    let _ = outside.0.inner.send(request, &network).await;
                });
                Hanging::begin(weather).until(gives_up).await;
                Err(SendError::Lost(Cause::Timeout))
            }
        }
    }
}

/// A company with this many channels, each of which gets a card of every new deal.
async fn company(channels: usize) -> World {
    let route = |n: usize| {
        let channel = Destination::parse(&format!("#deals-{n}")).unwrap();
        Route::new(&format!("route {n}"), &[ChangeKind::DealCreated], channel)
    };
    let world = World::start_with_routes((0..channels).map(route).collect()).await;
    for n in 0..channels {
        world.sandbox.slack.add_channel(&format!("deals-{n}"));
    }
    // What is looked up once is known.
    world.sandbox.portal.add_deal("Before", 1, "EUR");
    world.settle().await;
    world
}

fn posted_at(message: &Value) -> Timestamp {
    let (seconds, micros) = message["ts"].as_str().unwrap().split_once('.').unwrap();
    let at = Timestamp::from_second(seconds.parse().unwrap()).unwrap();
    at + SignedDuration::from_micros(micros.parse().unwrap())
}

/// When each of the cards came that the channels have got since.
fn posted(world: &World, channels: usize) -> Vec<Timestamp> {
    let all = (0..channels).flat_map(|n| world.sandbox.slack.messages(&format!("deals-{n}")));
    let mut cards: Vec<_> = all.filter(|message| message["text"] != "New deal: Before").collect();
    cards.sort_by_key(posted_at);
    cards.iter().map(posted_at).collect()
}

/// How often jobs were handed out and put back.
fn put_back(world: &World) -> u64 {
    world.engine.counters.all().get(&("jobs", "retried")).copied().unwrap_or_default()
}

struct Recovery {
    /// From the end of the outage to the last card.
    last_after: SignedDuration,
    calls: usize,
    handed_out: u64,
}

/// Slack is down for `length` while a deal makes 15 cards; the deliveries meet it all at once.
async fn slack_down(down: Down, length: Duration) -> Recovery {
    const CHANNELS: usize = 15;
    let mut world = company(CHANNELS).await;
    let outside = Outside::of(&mut world);
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.all_have_arrived().await;
    let before = put_back(&world);
    let back = outside.breaks("/api/", down, length);
    // The deal is decided, and both batches of its cards are on their way at the same time.
    let batch = world.engine.queue.receive(queues::BITRIX24_EVENTS, 10, Duration::ZERO).await.unwrap();
    world.functions.work(queues::BITRIX24_EVENTS, batch).await;
    let mut batches = Vec::new();
    for _ in 0..2 {
        batches.push(world.engine.queue.receive(queues::SLACK_DELIVERY, 10, Duration::ZERO).await.unwrap());
    }
    assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), CHANNELS);
    join_all(batches.into_iter().map(|batch| world.functions.work(queues::SLACK_DELIVERY, batch))).await;
    world.settle().await;
    let cards = posted(&world, CHANNELS);
    assert_eq!(cards.len(), CHANNELS, "each card once");
    assert!(world.dead_letters(queues::SLACK_DELIVERY).await.is_empty());
    let last_after = cards.last().unwrap().duration_since(back);
    let recovery = Recovery { last_after, calls: outside.calls().len(), handed_out: put_back(&world) - before };
    println!(
        "Slack {down:?} for {} s: {} calls, {} hand-outs, last card {:.1} s after it was back",
        length.as_secs(),
        recovery.calls,
        recovery.handed_out,
        last_after.as_secs_f64()
    );
    recovery
}

/// 15 cards go at four a second.
const OUT_AFTER: SignedDuration = SignedDuration::from_secs(15 + 4);

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_of_up_to_five_minutes_every_card_is_out_within_seconds() {
    for down in [Down::Errors, Down::Hangs] {
        for (seconds, most_calls) in [(45, 15 + 8), (60, 15 + 10), (300, 15 + 34)] {
            let recovery = slack_down(down, Duration::from_secs(seconds)).await;
            assert!(recovery.last_after <= OUT_AFTER, "{down:?} {seconds}: {:?}", recovery.last_after);
            assert!(recovery.calls <= most_calls, "{down:?} {seconds}: {} calls", recovery.calls);
            // Each of the waiting jobs comes back at growing intervals, and one of them probes.
            assert!(recovery.handed_out <= 15 * 20 + 34, "{down:?} {seconds}: {} hand-outs", recovery.handed_out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_two_hours_costs_a_call_a_minute() {
    let recovery = slack_down(Down::Errors, Duration::from_secs(2 * 3_600)).await;
    assert!(recovery.last_after <= SignedDuration::from_secs(60) + OUT_AFTER, "{:?}", recovery.last_after);
    assert!((100..=15 + 150).contains(&recovery.calls), "{} calls", recovery.calls);
    assert!(recovery.handed_out <= 15 * 40 + 150, "{} hand-outs", recovery.handed_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_that_met_an_outage_of_the_portal_are_decided_within_seconds() {
    for (down, seconds, most_calls) in
        [(Down::Errors, 45, 20), (Down::Hangs, 45, 20), (Down::Errors, 300, 45), (Down::Hangs, 300, 55)]
    {
        let mut world = company(1).await;
        let outside = Outside::of(&mut world);
        let host = world.sandbox.portal.host();
        for n in 0..5 {
            world.sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR");
        }
        world.all_have_arrived().await;
        let back = outside.breaks(&host, down, Duration::from_secs(seconds));
        world.settle().await;
        let cards = posted(&world, 1);
        assert_eq!(cards.len(), 5);
        let last_after = cards[4].duration_since(back);
        let calls = outside.calls().len();
        println!(
            "the portal {down:?} for {seconds} s: {calls} calls, last card {:.1} s after it was back",
            last_after.as_secs_f64()
        );
        // Five cards of a channel go at one a second. A probe that began just before the end hangs for its own limit first.
        let probe = if matches!(down, Down::Hangs) { 6 } else { 0 };
        assert!(last_after <= SignedDuration::from_secs(15 + 5 + probe), "{down:?} {seconds}: {last_after:?}");
        assert!(calls <= most_calls, "{down:?} {seconds}: {calls} calls");
    }
}

/// Deals in a database that has a title and nothing else.
fn deals_in_notion(sandbox: &simulators::Sandbox) -> Value {
    let (database, _) = sandbox.notion.add_database("Projects", &json!({}));
    json!({"databases": [{"name": "Projects", "database": database, "records": "deal"}]})
}

/// The page of each deal, as its title.
fn pages_of(world: &World) -> Vec<String> {
    let source = world.sandbox.notion.database("Projects").unwrap().1;
    let mut titles = world.sandbox.notion.titles(&source);
    titles.sort();
    titles
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_met_an_outage_of_notion_are_made_once_within_seconds() {
    for down in [Down::Errors, Down::Hangs] {
        let mut world = World::start_mirrored(true, deals_in_notion).await;
        world.sandbox.portal.add_deal("Before", 1, "EUR");
        world.settle().await;
        let outside = Outside::of(&mut world);
        for n in 0..5 {
            world.sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR");
        }
        world.all_have_arrived().await;
        let back = outside.breaks("/v1/", down, Duration::from_secs(300));
        world.settle().await;
        let expected = ["Before", "Deal 0", "Deal 1", "Deal 2", "Deal 3", "Deal 4"];
        assert_eq!(pages_of(&world), expected, "{down:?}");
        let last_after = outside.last_answer("/v1/pages").duration_since(back);
        let calls = outside.calls().len();
        println!(
            "Notion {down:?} for 300 s: {calls} calls, last page {:.1} s after it was back",
            last_after.as_secs_f64()
        );
        assert!(last_after <= SignedDuration::from_secs(15 + 5), "{down:?}: {last_after:?}");
        assert!(calls <= 60, "{down:?}: {calls} calls");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_reads_hang_holds_up_no_other() {
    let mut world = World::start_mirrored(true, deals_in_notion).await;
    let portal = &world.sandbox.portal;
    let (hung, other) = (portal.add_deal("Hung", 1, "EUR"), portal.add_deal("Other", 1, "EUR"));
    world.settle().await;
    world.clock.advance(Duration::from_secs(600));
    let outside = Outside::of(&mut world);
    let rows = world.sandbox.notion.rows(&world.sandbox.notion.database("Projects").unwrap().1);
    let row_of = |deal: u64| {
        let row = rows.iter().find(|row| row["properties"]["Bitrix24 ID"]["number"] == deal).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };
    let (hung_row, other_row) = (row_of(hung), row_of(other));
    let back = outside.breaks(&format!("/v1/pages/{hung_row}"), Down::Hangs, Duration::from_secs(120));
    let portal = &world.sandbox.portal;
    portal.change_item(simulators::portal::DEAL, hung, json!({"title": "Hung!"}));
    portal.change_item(simulators::portal::DEAL, other, json!({"title": "Other!"}));
    let began = world.clock.now();
    world.settle().await;
    assert_eq!(pages_of(&world), ["Hung!", "Other!"]);
    let other_after = outside.last_answer(&format!("/v1/pages/{other_row}")).duration_since(began);
    assert!(other_after <= SignedDuration::from_secs(10), "{other_after:?}");
    let calls = outside.calls();
    let gaps: Vec<_> = calls.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
    // The first read has 6 seconds, the next 12, those after it 20; between them the job waits.
    assert!((4..=12).contains(&calls.len()), "{gaps:?}");
    assert!(gaps[0] >= 6 && gaps[1] >= 12 && gaps.iter().all(|gap| *gap <= 60), "{gaps:?}");
    let hung_after = outside.last_answer(&format!("/v1/pages/{hung_row}")).duration_since(back);
    assert!(hung_after <= SignedDuration::from_secs(60), "{hung_after:?}");
}

/// A portal that needs 25 seconds for ten pages of deals, and half a minute for more.
#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_answers_large_requests_too_late_is_asked_for_less_and_everything_is_read() {
    const DEALS: usize = 600;
    let mut deals = Vec::new();
    let mut world = World::start_after(|sandbox| {
        deals = (0..DEALS).map(|n| sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR")).collect();
    })
    .await;
    world.clock.advance(Duration::from_secs(3_600));
    let silent = json!({"name": "none", "change": "deal.stage_changed", "to": "#general", "when": "false"});
    world.apply(json!({"routes": [silent]})).await;
    let outside = Outside::of(&mut world);
    outside.paces_batches(Duration::from_millis(2_500));
    let before = world.sandbox.portal.requests();
    for deal in &deals {
        world.sandbox.portal.move_deal(*deal, "WON");
    }
    world.all_have_arrived().await;
    let began = world.clock.now();
    world.settle().await;
    let ledger = Ledger::new(world.engine.backend.store.clone());
    let (mut decided, mut after) = (0, None);
    loop {
        let page = ledger.day(&world.tenant, &today(began), after).await.unwrap();
        let is_decided =
            |line: &&LedgerLine| matches!(line, LedgerLine::Event(event) if event.changes == ["deal.stage_changed"]);
        decided += page.lines.iter().filter(is_decided).count();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(decided, DEALS);
    let (requests, took) = (world.sandbox.portal.requests() - before, world.clock.now().duration_since(began));
    println!("{DEALS} deals of a slow portal: {requests} requests in {} s", took.as_secs());
    assert!(took <= SignedDuration::from_mins(20), "{took:?}");
    for queue in queues::ALL {
        assert!(world.dead_letters(queue).await.is_empty(), "{queue:?}");
    }
}

/// The call is given up before the provider does what it asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_slack_posts_after_we_have_stopped_waiting_is_not_posted_again() {
    let mut world = company(1).await;
    let outside = Outside::of(&mut world);
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.all_have_arrived().await;
    outside.breaks("chat.postMessage", Down::Late(Duration::from_secs(18)), Duration::from_secs(5));
    outside.settle(&world).await;
    assert_eq!((outside.calls().len(), posted(&world, 1).len()), (1, 1));
}

/// The doctor of an operator, from a place that reaches no provider, beside a host that does.
#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_that_reaches_nobody_pauses_nobody() {
    let mut world = company(1).await;
    let outside = Outside::of(&mut world);
    outside.breaks("http", Down::Errors, Duration::from_secs(600));
    for _ in 0..3 {
        let mut wrong = 0;
        let doctor = Doctor::new(&world.engine.backend, &world.connections, None);
        doctor.examine(&world.tenant, &mut |check| wrong += usize::from(check.verdict == CheckVerdict::Wrong)).await;
        assert!(wrong >= 2, "neither the portal nor Slack can be reached");
    }
    assert!(world.connections.troubles(&world.tenant).await.unwrap().is_empty());
    // The host itself reaches them, and is held up by nothing.
    outside.breaks("nobody", Down::Errors, Duration::ZERO);
    let began = world.clock.now();
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.settle().await;
    let took = posted(&world, 1)[0].duration_since(began);
    assert!(took <= SignedDuration::from_secs(5), "{took:?}");
}

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_an_hour_delays_no_card() {
    for stage in [Stage::Memory, Stage::Sockets] {
        let world = World::start_on(stage).await;
        world.sandbox.portal.add_deal("Before", 1, "EUR");
        world.settle().await;
        // The providers' clocks stay right.
        let ahead = world.http.post(format!("{}/clock", world.sandbox.control_url()));
        let answer = ahead.body(json!({"advance_seconds": 3_600}).to_string()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let now = world.clock.now();
        world.clock.set(now - SignedDuration::from_hours(1));
        let began = world.clock.now();
        for n in 0..3 {
            world.sandbox.portal.add_deal(&format!("Deal {n}"), 1, "EUR");
        }
        world.settle().await;
        assert_eq!(world.channel("sales-pipeline").len(), 4, "{stage:?}");
        // No slot, pause or lease of the hour before held anything up. (Slack's own events are refused meanwhile, for their
        // signatures are an hour ahead, and Slack sends them again: that is the time which passes.)
        assert_eq!(put_back(&world), 0, "{stage:?}");
        let took = world.clock.now().duration_since(began);
        assert!(took < SignedDuration::from_mins(30), "{stage:?}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_a_day_ahead_delays_no_card() {
    for stage in [Stage::Memory, Stage::Sockets] {
        let world = World::start_on(stage).await;
        let right = world.clock.now();
        // The portal's clock stays right.
        world.clock.advance(DAY);
        world.sandbox.portal.be_behind(DAY);
        world.sandbox.portal.add_deal("Ahead", 1, "EUR");
        world.settle().await;
        world.clock.set(right);
        world.sandbox.portal.be_behind(Duration::ZERO);
        world.sandbox.portal.add_deal("Right again", 1, "EUR");
        world.settle().await;
        assert_eq!(world.channel("sales-pipeline"), ["New deal: Ahead", "New deal: Right again"], "{stage:?}");
        let took = world.clock.now().duration_since(right);
        assert!(took <= SignedDuration::from_secs(60), "{stage:?}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_that_wait_for_a_new_token_go_out_at_once_when_slack_is_connected_again() {
    let world = company(3).await;
    let token = world.sandbox.slack.token();
    world.sandbox.slack.rotate_token("xoxb-another");
    world.sandbox.portal.add_deal("Roof", 1, "EUR");
    world.none_left_to_work_now().await;
    world.clock.advance(Duration::from_secs(120));
    world.none_left_to_work_now().await;
    assert!(posted(&world, 3).is_empty());
    world.sandbox.slack.rotate_token(&token);
    let began = world.clock.now();
    assert!(world.connections.try_again(&world.tenant, clients::ConnectionSide::Slack).await.unwrap());
    world.settle().await;
    let cards = posted(&world, 3);
    assert_eq!(cards.len(), 3);
    let took = cards[2].duration_since(began);
    assert!(took <= SignedDuration::from_secs(5), "{took:?}");
}
