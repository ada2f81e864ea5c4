//! How long messages waited for a worker, which alarms watch. The age of a queue's oldest message does not say that: cards that
//! are held until morning, a backfill and the jobs of a connection that broke are old on purpose.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use jiff::Timestamp;
use runtime::metrics::{Metrics, Unit};
use runtime::queue::QueueName;

/// Measures the longest wait of the messages that are handed out for the first time.
pub(crate) fn measure(queue: QueueName, batch: &[SqsMessage], now: Timestamp, metrics: &dyn Metrics) {
    if let Some(longest) = batch.iter().filter_map(|message| first_wait(message, now)).max() {
        // A person waits for the answer to a command.
        let name = if queue.name() == "slack-commands" { "command_lag" } else { "queue_lag" };
        metrics.measure(name, longest.as_secs_f64(), Unit::Seconds);
    }
}

/// How long a message waited, unless it was handed out before.
fn first_wait(message: &SqsMessage, now: Timestamp) -> Option<Duration> {
    let attribute = |name: &str| message.attributes.get(name)?.parse::<i64>().ok();
    let sent = attribute("SentTimestamp").filter(|_| attribute("ApproximateReceiveCount") == Some(1))?;
    // The clocks of SQS and of the function differ a little.
    Some(Duration::from_millis(u64::try_from(now.as_millisecond() - sent).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use runtime::metrics::Counters;

    use super::*;

    fn message(sent: i64, received: u32) -> SqsMessage {
        let mut message = SqsMessage::default();
        let attributes = [("SentTimestamp", sent.to_string()), ("ApproximateReceiveCount", received.to_string())];
        message.attributes = attributes.map(|(name, value)| (name.to_owned(), value)).into();
        message
    }

    #[test]
    fn only_the_first_wait_of_a_message_counts() {
        let now = Timestamp::from_millisecond(10_000_000).unwrap();
        let measured = |queue: &str, batch: &[SqsMessage]| {
            let metrics = Counters::default();
            measure(QueueName::read(queue), batch, now, &metrics);
            metrics.measures()
        };
        // A digest that is held until morning comes back again and again.
        assert!(measured("bitrix24-events", &[message(0, 2), message(0, 40)]).is_empty());
        let batch = [message(9_940_000, 1), message(9_100_000, 1), message(0, 3), SqsMessage::default()];
        assert_eq!(measured("bitrix24-events", &batch), [("queue_lag", 900.0)].into());
        assert_eq!(measured("slack-commands", &batch), [("command_lag", 900.0)].into());
        assert_eq!(measured("record-sync", &[message(10_000_005, 1)]), [("queue_lag", 0.0)].into());
    }
}
