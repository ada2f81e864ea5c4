//! The queue port on SQS FIFO.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    Message as SqsMessage, MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    QueueAttributeName, SendMessageBatchRequestEntry,
};
use runtime::queue::{Buried, DeadLetter, Depth, Fate, Judge, Queue, QueueError, QueueMessage, QueueName, Received};

use crate::clients;
use crate::{Clients, ResourceNames};

/// What a batch call of SQS takes.
const MAX_IN_BATCH: usize = 10;
/// The most bytes of a batch of messages. Newer queues take a megabyte, older ones this; one message alone may be longer.
const MAX_BATCH_BYTES: usize = 256 * 1024;
/// What a message needs beside its body: the trace in its attributes.
const ATTRIBUTE_BYTES: usize = 512;
/// How often the entries of a batch that SQS could not settle are tried.
const MAX_TRIES: usize = 3;
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

/// How long a letter that is looked at stays away from others who look. It is put back as soon as all that are wanted were
/// seen; this is for a process that ends before. Letters that are looked at count as not visible.
const LOOKED_AT: i32 = 30;

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
        let url = self.dead_url(queue)?;
        settle_in_batches(queue, receipts, |some| async move {
            let mut batch = self.clients.get().await.sqs.change_message_visibility_batch().queue_url(url);
            for (index, receipt) in some.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                let entry = entry.receipt_handle(receipt).visibility_timeout(0).build();
                batch = batch.entries(entry.map_err(|error| failed(queue, error))?);
            }
            Ok(batch.send().await.map_err(|error| failed(queue, error))?.failed)
        })
        .await
    }
}

/// Settles receipts in batches with `settle`, which returns the entries that failed: those of SQS's own fault are tried
/// again. A receipt that SQS refuses is over: its message is handed out again, and nothing can be done with this receipt.
async fn settle_in_batches<F>(
    queue: QueueName,
    receipts: &[String],
    settle: impl Fn(Vec<String>) -> F,
) -> Result<(), QueueError>
where
    F: Future<Output = Result<Vec<BatchResultErrorEntry>, QueueError>>,
{
    let mut result = Ok(());
    for some in receipts.chunks(MAX_IN_BATCH) {
        let mut left = some.to_vec();
        for last in (0..MAX_TRIES).map(|number| number + 1 == MAX_TRIES) {
            let entries = settle(left.clone()).await?;
            let (refused, unsettled): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.sender_fault);
            for entry in &refused {
                tracing::warn!(queue = queue.name(), cause = %described(entry), "a receipt is over; its message comes back");
            }
            let Some(first) = unsettled.first() else { break };
            if last {
                let cause =
                    format!("{} of {} receipts were not settled: {}", unsettled.len(), some.len(), described(first));
                result = Err(QueueError { queue: queue.name(), cause });
            }
            left = unsettled.iter().filter_map(|entry| left.get(entry.id.parse::<usize>().ok()?).cloned()).collect();
        }
    }
    result
}

fn described(entry: &BatchResultErrorEntry) -> String {
    format!("{}: {}", entry.code(), entry.message().unwrap_or_default())
}

/// The messages in batches that SQS takes, by their number and by their bytes.
fn batches(messages: &[QueueMessage]) -> Vec<&[QueueMessage]> {
    let (mut batches, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (index, message) in messages.iter().enumerate() {
        let own = message.body.len() + ATTRIBUTE_BYTES;
        if index > from && (index - from == MAX_IN_BATCH || bytes + own > MAX_BATCH_BYTES) {
            batches.push(&messages[from..index]);
            (from, bytes) = (index, 0);
        }
        bytes += own;
    }
    batches.extend(Some(&messages[from..]).filter(|last| !last.is_empty()));
    batches
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
        for some in batches(&messages) {
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
                let (failed, all) = (sent.failed().len(), some.len());
                let cause = format!("{failed} of {all} messages were not accepted: {}", described(first));
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
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .customize()
            .config_override(clients::waiting_for(wait));
        let answer = ask.send().await.map_err(|error| failed(queue, error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    async fn delete(&self, queue: QueueName, receipts: Vec<String>) -> Result<(), QueueError> {
        let url = self.url(queue)?;
        settle_in_batches(queue, &receipts, |some| async move {
            let mut batch = self.clients.get().await.sqs.delete_message_batch().queue_url(url);
            for (index, receipt) in some.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(receipt);
                batch = batch.entries(entry.build().map_err(|error| failed(queue, error))?);
            }
            Ok(batch.send().await.map_err(|error| failed(queue, error))?.failed)
        })
        .await
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

    /// A message that nobody settled is out until its visibility ends.
    fn returns_after(&self, queue: QueueName) -> Duration {
        queue.visibility()
    }

    async fn bury(&self, queue: QueueName, burial: &str, letter: DeadLetter) -> Result<(), QueueError> {
        let text = serde_json::to_string(&letter).map_err(|error| failed(queue, error))?;
        let burial = id(burial);
        let send = self
            .clients
            .get()
            .await
            .sqs
            .send_message()
            .queue_url(self.dead_url(queue)?)
            // A group for each: of one group SQS would only ever hand out the first ten.
            .message_group_id(&burial)
            // Not by what it says: SQS remembers an id for five minutes, also of a letter that was redriven meanwhile, and
            // would drop the next letter of the same job.
            .message_deduplication_id(&burial)
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
    use std::sync::Mutex;

    use super::*;

    fn messages(lengths: &[usize]) -> Vec<QueueMessage> {
        let message =
            |length: &usize| QueueMessage { group: "g".into(), deduplication: "d".into(), body: "x".repeat(*length) };
        lengths.iter().map(message).collect()
    }

    #[test]
    fn messages_are_sent_in_batches_of_ten_and_of_what_sqs_takes() {
        let lengths = |of: &[usize]| batches(&messages(of)).iter().map(|batch| batch.len()).collect::<Vec<_>>();
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&[10; 25]), [10, 10, 5]);
        let long = 200 * 1024;
        assert_eq!(lengths(&[long; 3]), [1, 1, 1]);
        assert_eq!(lengths(&[100, 100, long, 40_000, 40_000]), [4, 1], "in their order");
        assert_eq!(lengths(&[300 * 1024, 5]), [1, 1], "one that is too long alone is refused by itself");
    }

    fn entry(index: usize, sender_fault: bool) -> BatchResultErrorEntry {
        let entry = BatchResultErrorEntry::builder().id(index.to_string()).code("Unavailable");
        entry.sender_fault(sender_fault).build().unwrap()
    }

    #[tokio::test]
    async fn what_a_batch_could_not_settle_is_tried_again_and_then_an_error() {
        let (queue, receipts) = (QueueName::new("q"), ["a", "b", "c"].map(str::to_owned));
        let tried = Mutex::new(Vec::new());
        let settle = |answers: fn(usize) -> Vec<BatchResultErrorEntry>| {
            let tried = &tried;
            let settle = move |some: Vec<String>| {
                let mut tried = tried.lock().unwrap();
                tried.push(some.concat());
                std::future::ready(Ok(answers(tried.len())))
            };
            settle_in_batches(queue, &receipts, settle)
        };
        // The second fails once by SQS's fault; the third is over.
        settle(|number| if number == 1 { vec![entry(1, false), entry(2, true)] } else { Vec::new() }).await.unwrap();
        assert_eq!(std::mem::take(&mut *tried.lock().unwrap()), ["abc", "b"]);
        let error = settle(|_| vec![entry(0, false)]).await.unwrap_err();
        assert_eq!(*tried.lock().unwrap(), ["abc", "a", "a"]);
        assert_eq!(error.cause, "1 of 3 receipts were not settled: Unavailable: ");
    }

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
