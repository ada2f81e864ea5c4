//! The store port on DynamoDB.
//!
//! An item has the attributes `pk`, `sk`, `value`, `version`, and, if it expires, `expires_ms` and `ttl`. The first
//! decides, for DynamoDB deletes by `ttl` (in seconds) only within days.
//!
//! A deletion writes an item that has expired: functions that read what outsiders send need no right to delete.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, Put, TransactWriteItem};
use jiff::Timestamp;
use runtime::clock::Clock;
use runtime::store::{
    Belongings, ItemKey, ItemPage, MAX_WRITES, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version,
    WriteCondition,
};

use crate::{Clients, ResourceNames};

type Attributes = HashMap<String, AttributeValue>;

/// Keeps items in DynamoDB.
#[derive(Clone)]
pub struct DynamoStore {
    clients: Arc<Clients>,
    names: Arc<ResourceNames>,
    clock: Arc<dyn Clock>,
}

impl DynamoStore {
    /// The store behind `clients`; `clock` decides what has expired.
    pub fn new(clients: Arc<Clients>, names: Arc<ResourceNames>, clock: Arc<dyn Clock>) -> Self {
        Self { clients, names, clock }
    }

    fn table(&self, key: &ItemKey) -> Result<&str, StoreError> {
        self.names.table(key.table).map_err(StoreError::Unavailable)
    }
}

fn unavailable(error: impl std::error::Error) -> StoreError {
    StoreError::Unavailable(DisplayErrorContext(error).to_string())
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

fn key_of(key: &ItemKey) -> Attributes {
    HashMap::from([("pk".into(), text(&key.partition)), ("sk".into(), text(&key.sort))])
}

/// The item in the attributes, unless it has expired.
fn item_of(table: runtime::store::Table, attributes: &Attributes, now: Timestamp) -> Option<StoredItem> {
    let text = |name: &str| attributes.get(name)?.as_s().ok().cloned();
    let number = |name: &str| attributes.get(name)?.as_n().ok()?.parse::<i64>().ok();
    if number("expires_ms").is_some_and(|expires| expires <= now.as_millisecond()) {
        return None;
    }
    let key = ItemKey::new(table, text("pk")?, text("sk")?);
    let expires_at = number("expires_ms").and_then(|millis| Timestamp::from_millisecond(millis).ok());
    Some(StoredItem { key, value: text("value")?, version: number("version")?.unsigned_abs(), expires_at })
}

/// A write as DynamoDB takes it.
struct Prepared {
    item: Attributes,
    version: Version,
    condition: Option<&'static str>,
    values: Attributes,
}

fn prepare(write: &StoreWrite, now: Timestamp) -> Prepared {
    // A write that does not follow a version begins at the present microsecond, so that a version read before
    // a deletion never fits again.
    let beginning = runtime::store::written_by(now);
    let version = match write.condition {
        WriteCondition::Version(version) => version + 1,
        WriteCondition::Always | WriteCondition::Absent => beginning,
    };
    let mut item = key_of(&write.key);
    item.insert("value".into(), text(&write.value));
    item.insert("version".into(), number(version));
    if let Some(expires) = write.expires_at {
        item.insert("expires_ms".into(), number(expires.as_millisecond()));
        // DynamoDB ignores items that expired years ago.
        item.insert("ttl".into(), number(expires.max(now).as_second() + 1));
    }
    let now = (":now".to_owned(), number(now.as_millisecond()));
    let (condition, values) = match write.condition {
        WriteCondition::Always => (None, HashMap::new()),
        WriteCondition::Absent => (Some("attribute_not_exists(pk) OR expires_ms <= :now"), HashMap::from([now])),
        WriteCondition::Version(version) => (
            Some("version = :version AND (attribute_not_exists(expires_ms) OR expires_ms > :now)"),
            HashMap::from([now, (":version".to_owned(), number(version))]),
        ),
    };
    Prepared { item, version, condition, values }
}

/// Why a transaction was cancelled.
#[derive(Debug, PartialEq, Eq)]
enum Cancelled {
    /// An item is not as its condition says, or another transaction is writing it: it has to be read again.
    Conflict(ItemKey),
    /// DynamoDB refused some of it for now; the same can be written again.
    Busy,
    /// For another reason.
    Unavailable,
}

/// Whether a write that met another transaction can only be decided again: without a condition it can be repeated.
fn needs_reading(write: &StoreWrite) -> bool {
    !matches!(write.condition, WriteCondition::Always)
}

/// Why a transaction with these writes was cancelled, by the code for each.
fn cancelled_because<'a>(codes: impl Iterator<Item = Option<&'a str>>, writes: &[StoreWrite]) -> Cancelled {
    const BUSY: [&str; 3] = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    let reasons: Vec<_> = codes.zip(writes).filter_map(|(code, write)| Some((code?, write))).collect();
    let conflict = reasons.iter().find(|(code, write)| match *code {
        "ConditionalCheckFailed" => true,
        "TransactionConflict" => needs_reading(write),
        _ => false,
    });
    match conflict {
        Some((_, write)) => Cancelled::Conflict(write.key.clone()),
        None if reasons.iter().any(|(code, _)| BUSY.contains(code)) => Cancelled::Busy,
        None => Cancelled::Unavailable,
    }
}

/// The tries of a write that DynamoDB refuses for now. The SDK does not repeat these by itself.
#[derive(Default)]
struct Tries(u32);

impl Tries {
    /// Waits for another try, if there may be one.
    async fn another(&mut self, clock: &dyn Clock) -> bool {
        const MAX: u32 = 4;
        self.0 += 1;
        if self.0 < MAX {
            clock.sleep(runtime::retry::spread(Duration::from_millis(50 << self.0))).await;
        }
        self.0 < MAX
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        let get = self
            .clients
            .get()
            .await
            .dynamodb
            .get_item()
            .table_name(self.table(key)?)
            .set_key(Some(key_of(key)))
            .consistent_read(true);
        let found = get.send().await.map_err(unavailable)?;
        Ok(found.item.and_then(|item| item_of(key.table, &item, self.clock.now())))
    }

    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        let mut tries = Tries::default();
        loop {
            let Prepared { item, version, condition, values } = prepare(&write, self.clock.now());
            let put = self
                .clients
                .get()
                .await
                .dynamodb
                .put_item()
                .table_name(self.table(&write.key)?)
                .set_item(Some(item))
                .set_condition_expression(condition.map(str::to_owned))
                .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()));
            let Err(error) = put.send().await else { return Ok(version) };
            let is_in_transaction =
                error.as_service_error().is_some_and(PutItemError::is_transaction_conflict_exception);
            if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception)
                || (is_in_transaction && needs_reading(&write))
            {
                return Err(StoreError::Conflict(write.key));
            }
            if !(is_in_transaction && tries.another(self.clock.as_ref()).await) {
                return Err(unavailable(error));
            }
        }
    }

    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        if writes.len() > MAX_WRITES {
            return Err(StoreError::Unavailable(format!("{} writes at once; at most {MAX_WRITES}", writes.len())));
        }
        let mut tries = Tries::default();
        loop {
            let now = self.clock.now();
            let mut transaction = self.clients.get().await.dynamodb.transact_write_items();
            for write in &writes {
                let Prepared { item, condition, values, .. } = prepare(write, now);
                let put = Put::builder()
                    .table_name(self.table(&write.key)?)
                    .set_item(Some(item))
                    .set_condition_expression(condition.map(str::to_owned))
                    .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()));
                transaction = transaction
                    .transact_items(TransactWriteItem::builder().put(put.build().map_err(unavailable)?).build());
            }
            let Err(error) = transaction.send().await else { return Ok(()) };
            let cancelled = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled_because(cancelled.cancellation_reasons().iter().map(CancellationReason::code), &writes)
                }
                _ => Cancelled::Unavailable,
            };
            match cancelled {
                Cancelled::Conflict(key) => return Err(StoreError::Conflict(key)),
                // A cancelled transaction has written nothing.
                Cancelled::Busy if tries.another(self.clock.as_ref()).await => {}
                Cancelled::Busy | Cancelled::Unavailable => return Err(unavailable(error)),
            }
        }
    }

    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.put(StoreWrite::removal(key.clone())).await.map(|_| ())
    }

    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        let delete =
            self.clients.get().await.dynamodb.delete_item().table_name(self.table(key)?).set_key(Some(key_of(key)));
        let delete =
            delete.condition_expression("version = :version").expression_attribute_values(":version", number(version));
        match delete.send().await {
            Ok(_) => Ok(true),
            // What a transaction is writing is not as it was seen.
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_conditional_check_failed_exception() || error.is_transaction_conflict_exception()
                }) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        let limit = query.limit.clamp(1, 1000);
        let table = self.names.table(query.table).map_err(StoreError::Unavailable)?;
        let mut start =
            query.after.as_ref().map(|after| key_of(&ItemKey::new(query.table, query.partition.clone(), after)));
        let mut page = ItemPage::default();
        loop {
            let mut ask = self
                .clients
                .get()
                .await
                .dynamodb
                .query()
                .table_name(table)
                .consistent_read(true)
                .scan_index_forward(!query.newest_first)
                .expression_attribute_values(":partition", text(&query.partition))
                // One more than wanted shows whether there is another page.
                .limit(i32::try_from(limit + 1 - page.items.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.take());
            ask = if query.prefix.is_empty() {
                ask.key_condition_expression("pk = :partition")
            } else {
                ask.key_condition_expression("pk = :partition AND begins_with(sk, :prefix)")
                    .expression_attribute_values(":prefix", text(&query.prefix))
            };
            let found = ask.send().await.map_err(unavailable)?;
            let now = self.clock.now();
            page.items.extend(found.items().iter().filter_map(|item| item_of(query.table, item, now)));
            start = found.last_evaluated_key;
            if page.items.len() > limit || start.is_none() {
                break;
            }
        }
        if page.items.len() > limit {
            page.items.truncate(limit);
            page.next = page.items.last().map(|item| item.key.sort.clone());
        }
        Ok(page)
    }

    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        let name = self.names.table(table).map_err(StoreError::Unavailable)?;
        let scan = self.clients.get().await.dynamodb.scan().table_name(name).consistent_read(true);
        let scan = scan
            .filter_expression("pk = :owner OR begins_with(pk, :within)")
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":within", text(&format!("{owner}#")))
            .set_exclusive_start_key(after.map(key_of));
        let found = scan.send().await.map_err(unavailable)?;
        let now = self.clock.now();
        let expiry = |attributes: &Attributes| {
            let millis = attributes.get("expires_ms")?.as_n().ok()?.parse().ok()?;
            Timestamp::from_millisecond(millis).ok()
        };
        let items = found.items().iter().filter_map(|item| Some((item_of(table, item, now)?, expiry(item)))).collect();
        let text = |key: &Attributes, name: &str| key.get(name)?.as_s().ok().cloned();
        let next = found.last_evaluated_key.as_ref();
        let next = next.and_then(|key| Some(ItemKey::new(table, text(key, "pk")?, text(key, "sk")?)));
        Ok(Belongings { items, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(sort: &str, condition: WriteCondition) -> StoreWrite {
        StoreWrite::new(ItemKey::new(Table::Links, "tenant#things", sort), &sort, condition).unwrap()
    }

    #[test]
    fn a_transaction_that_met_another_is_decided_again_and_one_that_was_throttled_is_repeated() {
        let writes = [write("plain", WriteCondition::Always), write("absent", WriteCondition::Absent)];
        let because = |codes: [&'static str; 2]| cancelled_because(codes.into_iter().map(Some), &writes);
        let conflict = || Cancelled::Conflict(writes[1].key.clone());
        assert_eq!(because(["None", "ConditionalCheckFailed"]), conflict());
        assert_eq!(because(["None", "TransactionConflict"]), conflict());
        assert_eq!(because(["ThrottlingError", "ConditionalCheckFailed"]), conflict());
        // What is written whatever is there need not be read.
        assert_eq!(because(["TransactionConflict", "None"]), Cancelled::Busy);
        assert_eq!(because(["ThrottlingError", "None"]), Cancelled::Busy);
        assert_eq!(because(["None", "ProvisionedThroughputExceeded"]), Cancelled::Busy);
        assert_eq!(because(["ValidationError", "None"]), Cancelled::Unavailable);
    }
}
