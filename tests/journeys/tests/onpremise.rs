//! The handler for on-premise portals, run by PHP with a stand-in for the portal's own classes.

use std::path::Path;
use std::process::{Command, Output};

use journeys::World;
use serde_json::json;

/// Stands in for the portal: keeps the handlers, and fires the events that the test names.
const PORTAL: &str = r"<?php
namespace Bitrix\Main {
    class Event {
        public function __construct(private array $parameters) {}
        public function getParameters(): array { return $this->parameters; }
    }
    class EventManager {
        public array $handlers = [];
        private static ?self $one = null;
        public static function getInstance(): self { return self::$one ??= new self(); }
        public function addEventHandler($module, $event, $handler) { $this->handlers[$event] = $handler; }
        public function addEventHandlerCompatible($module, $event, $handler) { $this->handlers[$event] = $handler; }
    }
}
namespace {
    require getenv('HANDLER');
    $handlers = \Bitrix\Main\EventManager::getInstance()->handlers;
    $deal = ['ID' => 7, 'TITLE' => 'Крыша & <b>', 'OPPORTUNITY' => 5];
    $handlers['OnBeforeCrmDealUpdate']($deal);
    foreach ([1, 2] as $again) {
        $order = ['ID' => 17, 'number' => '17', 'sum' => 500, 'paid' => true, 'at' => new DateTimeImmutable('2026-11-21T12:00:00+01:00')];
        $handlers['onOrderPaid'](new \Bitrix\Main\Event($order));
    }
    echo 'saved';
}
";

/// A portal that runs jobs after its answer is out, and a job whose fields cannot be turned into a form.
const LATER: &str = r"<?php
namespace Bitrix\Main {
    class Application {
        public array $jobs = [];
        private static ?self $one = null;
        public static function getInstance(): self { return self::$one ??= new self(); }
        public function addBackgroundJob(callable $job) { $this->jobs[] = $job; }
    }
    class EventManager {
        private static ?self $one = null;
        public static function getInstance(): self { return self::$one ??= new self(); }
        public function addEventHandler($module, $event, $handler) {}
        public function addEventHandlerCompatible($module, $event, $handler) {}
    }
}
namespace {
    require getenv('HANDLER');
    class Broken { public function __toString(): string { throw new RuntimeException('cannot be written'); } }
    $switchboard->forward('order_paid', ['broken' => new Broken(), 'number' => '17']);
    $switchboard->forward('order_paid', ['number' => '18', 'sum' => 1, 'at' => 'now']);
    echo 'saved,';
    foreach (\Bitrix\Main\Application::getInstance()->jobs as $job) { $job(); echo 'next,'; }
    if (true) { function AddMessage2Log(string $line, string $module): void { throw new RuntimeException('the log is full'); } }
    $switchboard->forward('order_paid', ['broken' => new Broken()]);
    \Bitrix\Main\Application::getInstance()->jobs[2]();
    echo 'done';
}
";

async fn php(url: &str, member_id: &str, token: &str) -> Output {
    run(PORTAL, url, member_id, token).await
}

async fn run(portal: &str, url: &str, member_id: &str, token: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("portal.php");
    std::fs::write(&script, portal).unwrap();
    let handler = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/bitrix24-onpremise/init.php");
    let mut command = Command::new("php");
    command.arg(&script).env("HANDLER", handler).env("SWITCHBOARD_URL", url);
    command.env("SWITCHBOARD_MEMBER_ID", member_id).env("SWITCHBOARD_TOKEN", token);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    ran.expect("php is needed for this test: install the package php-cli")
}

#[tokio::test(flavor = "multi_thread")]
async fn module_events_become_cards_and_a_repeated_one_only_once() {
    let orders = json!({
        "name": "orders", "change": "custom.order_paid", "to": "#general",
        "card": {"title": "Order {record.number} paid: {record.sum} at {record.at}"},
    });
    let before = json!({"name": "before", "change": "custom.deal_before_update", "to": "#ops"});
    let world = World::start_with_settings(json!({"routes": [orders, before], "group_bursts": null})).await;
    let credentials = world.sandbox.portal.credentials();
    let ran = php(&world.webhook, &credentials.member_id, &credentials.application_token).await;
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "saved", "{ran:?}");
    world.settle().await;
    assert_eq!(world.channel("general"), ["Order 17 paid: 500 at 2026-11-21T12:00:00+01:00"]);
    let told = world.channel("ops");
    assert!(told.len() == 1 && told[0].starts_with("deal_before_update: Крыша &amp; &lt;b&gt;"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_portal_goes_on_and_its_log_says_so() {
    let world = World::start().await;
    let credentials = world.sandbox.portal.credentials();
    let refused = php(&world.webhook, &credentials.member_id, "wrong").await;
    assert_eq!(String::from_utf8_lossy(&refused.stdout), "saved");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("was not accepted: HTTP 401"), "{refused:?}");
    let nobody = php("http://127.0.0.1:9/webhooks/bitrix24", "m", "t").await;
    assert_eq!(String::from_utf8_lossy(&nobody.stdout), "saved");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("was not accepted: HTTP 0"), "{nobody:?}");
    assert!(world.ledger().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_after_the_answer_lets_no_error_out_either() {
    let orders = json!({"name": "orders", "change": "custom.order_paid", "to": "#general", "card": {"title": "Order {record.number}"}});
    let world = World::start_with_settings(json!({"routes": [orders], "group_bursts": null})).await;
    let credentials = world.sandbox.portal.credentials();
    let ran = run(LATER, &world.webhook, &credentials.member_id, &credentials.application_token).await;
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "saved,next,next,done", "{ran:?}");
    assert!(ran.status.success(), "{ran:?}");
    let log = String::from_utf8_lossy(&ran.stderr);
    let lines: Vec<_> = log.lines().filter(|line| line.contains("order_paid was not forwarded")).collect();
    assert!(lines.len() == 2 && lines[0].contains("cannot be written"), "{ran:?}");
    world.settle().await;
    assert_eq!(world.channel("general"), ["Order 18"]);
}
