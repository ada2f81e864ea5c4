//! The queue port on SQS FIFO.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message as SqsMessage,
    MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use runtime::queue::{Buried, DeadLetter, Depth, Fate, Judge, Queue, QueueError, QueueMessage, QueueName, Received};

use crate::{Clients, ResourceNames};

/// What a batch call of SQS takes.
const MAX_IN_BATCH: usize = 10;
/// The longest id of a group or for deduplication.
const MAX_ID: usize = 128;

/// Carries jobs on SQS.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    clients: Arc<Clients>,
    names: Arc<ResourceNames>,
}

impl SqsQueue {
    /// The queues behind `clients`.
    pub fn new(clients: Arc<Clients>, names: Arc<ResourceNames>) -> Self {
        Self { clients, names }
    }

    fn url(&self, queue: QueueName) -> Result<&str, QueueError> {
        self.names.queue(queue).map_err(|cause| QueueError { queue: queue.name(), cause })
    }

    fn dead_url(&self, queue: QueueName) -> Result<&str, QueueError> {
        self.names.dead(queue).map_err(|cause| QueueError { queue: queue.name(), cause })
    }

    async fn waiting(&self, queue: QueueName, url: &str) -> Result<u64, QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let ask = self
            .clients
            .get()
            .await
            .sqs
            .get_queue_attributes()
            .queue_url(url)
            .set_attribute_names(Some(names.to_vec()));
        let answer = ask.send().await.map_err(|error| failed(queue, error))?;
        let count = |name| answer.attributes()?.get(&name)?.parse::<u64>().ok();
        Ok(names.into_iter().filter_map(count).sum())
    }
}

/// How long a letter that is looked at stays away from others who look.
const LOOKED_AT: i32 = 60;

impl SqsQueue {
    /// Takes up to ten dead letters in hand.
    async fn exhume(&self, queue: QueueName, most: usize) -> Result<Vec<(String, Buried)>, QueueError> {
        let ask = self
            .clients
            .get()
            .await
            .sqs
            .receive_message()
            .queue_url(self.dead_url(queue)?)
            .max_number_of_messages(i32::try_from(most.clamp(1, MAX_IN_BATCH)).unwrap_or(1))
            .visibility_timeout(LOOKED_AT)
            // Without a wait SQS asks only some of its servers, and an empty answer means nothing.
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = ask.send().await.map_err(|error| failed(queue, error))?;
        let buried = |message: SqsMessage| {
            let sent = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
            let sent = sent.and_then(|millis| jiff::Timestamp::from_millisecond(millis.parse().ok()?).ok());
            let Received { id, receipt, group, body, attempt } = received(message)?;
            let letter = DeadLetter::of_text(&body)
                .unwrap_or_else(|| DeadLetter::unexplained(body, group, attempt, sent.unwrap_or_default()));
            Some((receipt, Buried { id, letter }))
        };
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(buried).collect())
    }

    /// Lets go of letters that were looked at, so that they are there for the next who looks.
    async fn put_back(&self, queue: QueueName, receipts: &[String]) -> Result<(), QueueError> {
        for some in receipts.chunks(MAX_IN_BATCH) {
            let client = &self.clients.get().await.sqs;
            let mut batch = client.change_message_visibility_batch().queue_url(self.dead_url(queue)?);
            for (index, receipt) in some.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                let entry = entry.receipt_handle(receipt).visibility_timeout(0).build();
                batch = batch.entries(entry.map_err(|error| failed(queue, error))?);
            }
            batch.send().await.map_err(|error| failed(queue, error))?;
        }
        Ok(())
    }
}

fn failed(queue: QueueName, error: impl std::error::Error) -> QueueError {
    QueueError { queue: queue.name(), cause: DisplayErrorContext(error).to_string() }
}

fn seconds(duration: Duration) -> i32 {
    // Rounded up: never earlier than asked.
    i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

/// A message as SQS hands it out, here or to Lambda.
pub(crate) fn received(message: SqsMessage) -> Option<Received> {
    let attribute = |name| message.attributes()?.get(&name);
    let attempt = attribute(MessageSystemAttributeName::ApproximateReceiveCount).and_then(|count| count.parse().ok());
    let group = attribute(MessageSystemAttributeName::MessageGroupId).cloned();
    Some(Received {
        attempt: attempt.unwrap_or(1),
        group: group.unwrap_or_default(),
        id: message.message_id?,
        receipt: message.receipt_handle?,
        body: message.body?,
    })
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, queue: QueueName, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        let url = self.url(queue)?;
        for some in messages.chunks(MAX_IN_BATCH) {
            let mut batch = self.clients.get().await.sqs.send_message_batch().queue_url(url);
            for (index, message) in some.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_group_id(id(&message.group))
                    .message_deduplication_id(id(&message.deduplication))
                    .set_message_system_attributes(trace_header())
                    .message_body(&message.body);
                batch = batch.entries(entry.build().map_err(|error| failed(queue, error))?);
            }
            let sent = batch.send().await.map_err(|error| failed(queue, error))?;
            if let Some(first) = sent.failed().first() {
                let cause = format!("{}: {}", first.code(), first.message().unwrap_or_default());
                return Err(QueueError { queue: queue.name(), cause });
            }
        }
        Ok(())
    }

    async fn receive(&self, queue: QueueName, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError> {
        let ask = self
            .clients
            .get()
            .await
            .sqs
            .receive_message()
            .queue_url(self.url(queue)?)
            .max_number_of_messages(i32::try_from(most.clamp(1, MAX_IN_BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(wait).min(20))
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = ask.send().await.map_err(|error| failed(queue, error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    async fn delete(&self, queue: QueueName, receipts: Vec<String>) -> Result<(), QueueError> {
        for some in receipts.chunks(MAX_IN_BATCH) {
            let mut batch = self.clients.get().await.sqs.delete_message_batch().queue_url(self.url(queue)?);
            for (index, receipt) in some.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(receipt);
                batch = batch.entries(entry.build().map_err(|error| failed(queue, error))?);
            }
            batch.send().await.map_err(|error| failed(queue, error))?;
        }
        Ok(())
    }

    async fn delay(&self, queue: QueueName, receipt: &str, after: Duration) -> Result<(), QueueError> {
        let change = self
            .clients
            .get()
            .await
            .sqs
            .change_message_visibility()
            .queue_url(self.url(queue)?)
            .receipt_handle(receipt)
            .visibility_timeout(seconds(after));
        change.send().await.map(|_| ()).map_err(|error| failed(queue, error))
    }

    async fn bury(&self, queue: QueueName, letter: DeadLetter) -> Result<(), QueueError> {
        let text = serde_json::to_string(&letter).map_err(|error| failed(queue, error))?;
        let fingerprint = fingerprint(&letter.body);
        let send = self
            .clients
            .get()
            .await
            .sqs
            .send_message()
            .queue_url(self.dead_url(queue)?)
            // A group for each: of one group SQS would only ever hand out the first ten.
            .message_group_id(&fingerprint)
            // A job that is buried twice is one letter.
            .message_deduplication_id(&fingerprint)
            .set_message_system_attributes(trace_header())
            .message_body(text);
        send.send().await.map(|_| ()).map_err(|error| failed(queue, error))
    }

    async fn sift(&self, queue: QueueName, most: usize, judge: Judge<'_>) -> Result<Vec<Buried>, QueueError> {
        let mut seen = 0;
        let (mut settled, mut kept) = (Vec::new(), Vec::new());
        // Whatever goes wrong, what was looked at is put back.
        let sifted = async {
            while seen < most {
                let some = self.exhume(queue, most - seen).await?;
                if some.is_empty() {
                    break;
                }
                seen += some.len();
                for (receipt, buried) in some {
                    match judge(&buried) {
                        Fate::Keep => kept.push(receipt),
                        fate => {
                            if fate == Fate::Redrive {
                                self.send(queue, vec![buried.job()]).await?;
                            }
                            let delete = self.clients.get().await.sqs.delete_message().queue_url(self.dead_url(queue)?);
                            let deleted = delete.receipt_handle(receipt).send().await;
                            deleted.map_err(|error| failed(queue, error))?;
                            settled.push(buried);
                        }
                    }
                }
            }
            Ok(())
        }
        .await;
        let put_back = self.put_back(queue, &kept).await;
        sifted.and(put_back).map(|()| settled)
    }

    async fn depth(&self, queue: QueueName) -> Result<Depth, QueueError> {
        Ok(Depth {
            waiting: self.waiting(queue, self.url(queue)?).await?,
            dead: self.waiting(queue, self.dead_url(queue)?).await?,
            // SQS reports that only to CloudWatch.
            oldest: None,
        })
    }
}

/// The X-Ray trace of this invocation, so that the one which works the message belongs to it.
fn trace_header() -> Option<HashMap<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>> {
    let header = std::env::var("_X_AMZN_TRACE_ID").ok().filter(|header| !header.is_empty())?;
    let value = MessageSystemAttributeValue::builder().data_type("String").string_value(header).build().ok()?;
    Some(HashMap::from([(MessageSystemAttributeNameForSends::AwsTraceHeader, value)]))
}

fn fingerprint(body: &str) -> String {
    runtime::DeliveryId::of(&[body]).to_string()
}

/// SQS takes ids of 128 letters, digits and marks of ASCII. A channel's name may have others: then its fingerprint
/// stands for it, behind what of it SQS takes, so that people still see whose it is.
fn id(text: &str) -> String {
    if text.len() <= MAX_ID && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    let readable: String = text.chars().filter(char::is_ascii_graphic).take(MAX_ID / 2).collect();
    format!("{readable}#{}", fingerprint(text))
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn an_id_that_sqs_would_refuse_is_one_that_it_takes() {
        assert_eq!(id("tenant#deal#42"), "tenant#deal#42");
        let (forest, field) = (id("tenant#project-тёмный-лес"), id("tenant#project-тёмное-поле"));
        assert!(forest.starts_with("tenant#project-") && forest.is_ascii() && forest != field);
        assert_eq!(forest, id("tenant#project-тёмный-лес"), "the same group every time");
        let long = id(&"x".repeat(300));
        assert!(long.len() <= 128, "{long}");
    }
}
