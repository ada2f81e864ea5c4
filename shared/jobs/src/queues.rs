//! The names of Switchboard's queues.

use runtime::QueueName;

/// Hints from Bitrix24, waiting for a decision.
pub const BITRIX24_EVENTS: QueueName = QueueName::new("bitrix24-events");
/// Cards and messages, waiting to go to Slack.
pub const SLACK_DELIVERY: QueueName = QueueName::new("slack-delivery");
/// Events from Slack, waiting for a decision.
pub const SLACK_EVENTS: QueueName = QueueName::new("slack-events");
/// Commands and clicks in Slack, waiting to be done.
pub const SLACK_COMMANDS: QueueName = QueueName::new("slack-commands");
/// Messages, waiting to go to Bitrix24.
pub const BITRIX24_DELIVERY: QueueName = QueueName::new("bitrix24-delivery");
/// Records and pages that are to be synced.
pub const RECORD_SYNC: QueueName = QueueName::new("record-sync");
/// Long work for a tenant, a slice at a time.
pub const TENANT_JOBS: QueueName = QueueName::new("tenant-jobs");

/// All queues, for set-up.
pub const ALL: [QueueName; 7] =
    [BITRIX24_EVENTS, SLACK_DELIVERY, SLACK_EVENTS, SLACK_COMMANDS, BITRIX24_DELIVERY, RECORD_SYNC, TENANT_JOBS];
