//! Each function's ports watched: what it asks the engine for, in the words of AWS's rights, is noted for the test that holds
//! it against the policies of `template.yaml` (`tests/cloud/tests/grants.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clients::Connections;
use runtime::invoke::{Invoke, InvokeError};
use runtime::queue::{Buried, DeadLetter, Depth, Fate, Judge, Queue, QueueError, QueueMessage, QueueName, Received};
use runtime::secrets::{Secrets, SecretsError};
use runtime::store::{Belongings, ItemKey, ItemPage, Query, Store, StoreError, StoreWrite, StoredItem, Table, Version};
use runtime::{Backend, TenantId, TenantPlaces, secrets};
use secrecy::SecretString;
use serde_json::{Value, json};
use standalone::functions::Functions;
use tenants::secret_names;

/// A function, what it does, and to what.
pub type Grant = (&'static str, &'static str, String);

/// The functions that touched the keys of portals' own applications.
static KEYED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Keys that were written and are in no list of what is kept where.
static UNLISTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Fails if a key was written that the catalogue does not know: nobody could find a person's data in it.
pub fn all_are_listed() {
    let unlisted = UNLISTED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(unlisted.is_empty(), "name these in shared/tenants/src/catalogue.rs: {unlisted:?}");
}

fn note_read(key: &ItemKey) {
    if tenants::catalogue::kind_of(key).is_none() {
        let name = format!("{} {} {}", key.table.name(), key.partition, key.sort);
        UNLISTED.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
    }
}

/// Whether what is read is as a newer release would have stored it: asked for by a story, or for all of them.
static NEWER: LazyLock<AtomicBool> =
    LazyLock::new(|| std::env::var("JOURNEYS_STORED").is_ok_and(|stored| stored == "newer").into());

/// The kinds of items that were read as a newer release would have stored them.
static READ_AS_NEWER: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// From now on, every stored object that a function reads has a name that this release does not know.
pub fn let_a_newer_release_have_stored() {
    NEWER.store(true, Ordering::Relaxed);
}

/// The kinds of items that were read in this way.
pub fn read_as_newer() -> BTreeSet<&'static str> {
    READ_AS_NEWER.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The kinds whose items are names without an object around them: every name in them is data.
const NAMES_ARE_DATA: [&str; 1] = ["name, for cards"];

fn as_stored(mut item: StoredItem) -> StoredItem {
    let kind = tenants::catalogue::kind_of(&item.key).map(|kind| kind.name);
    if let (true, Some(kind)) = (NEWER.load(Ordering::Relaxed), kind.filter(|kind| !NAMES_ARE_DATA.contains(kind)))
        && let Ok(Value::Object(mut object)) = serde_json::from_str(&item.value)
    {
        object.insert("of_a_newer_release".into(), json!({"a": [1, null]}));
        item.value = Value::Object(object).to_string();
        READ_AS_NEWER.lock().unwrap_or_else(PoisonError::into_inner).insert(kind);
    }
    item
}

static USED: Mutex<BTreeSet<Grant>> = Mutex::new(BTreeSet::new());

/// How often each key was read, by partition and sort.
static READS: Mutex<BTreeMap<(String, String), usize>> = Mutex::new(BTreeMap::new());

/// How often an item was read so far.
pub fn reads(partition: &str, sort: &str) -> usize {
    let reads = READS.lock().unwrap_or_else(PoisonError::into_inner);
    reads.get(&(partition.to_owned(), sort.to_owned())).copied().unwrap_or_default()
}

/// The functions, each over ports of its own that note what it asks for.
pub fn functions(backend: &Backend, connections: &Connections, public_url: Option<&str>) -> Functions {
    let of = |function: &'static str| {
        let watched = Backend {
            store: Arc::new(Watched { function, inner: backend.store.clone() }),
            queue: Arc::new(Watched { function, inner: backend.queue.clone() }),
            secrets: Arc::new(Watched { function, inner: backend.secrets.clone() }),
            ..backend.clone()
        };
        let connections = connections.on(&watched);
        (watched, connections)
    };
    let called =
        |function: &'static str, inner: Arc<dyn Invoke>| -> Arc<dyn Invoke> { Arc::new(Watched { function, inner }) };
    Functions::with(of, called, public_url)
}

/// What was used so far, by function.
pub fn used() -> BTreeSet<Grant> {
    USED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The functions that touched the keys of portals' own applications so far.
pub fn keyed() -> BTreeSet<&'static str> {
    KEYED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Writes down what was used so far, for the test that comes after all others.
pub fn keep() {
    let used = used();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/grants");
    let name = format!("journeys-{}.json", std::process::id());
    if std::fs::create_dir_all(&folder).is_ok()
        && let Ok(text) = serde_json::to_string(&used)
    {
        // A note that is missing shows as a grant that is not used.
        let _ = std::fs::write(folder.join(name), text);
    }
}

struct Watched<T: ?Sized> {
    function: &'static str,
    inner: Arc<T>,
}

impl<T: ?Sized> Watched<T> {
    /// Those that a policy keeps from the keys of portals' own applications are found where they touch them.
    fn touch(&self, key: &ItemKey) {
        self.touch_partition(&key.partition);
    }

    fn touch_partition(&self, partition: &str) {
        if partition.ends_with("#apps") {
            KEYED.lock().unwrap_or_else(PoisonError::into_inner).insert(self.function);
        }
    }

    fn note(&self, action: &'static str, resource: String) {
        USED.lock().unwrap_or_else(PoisonError::into_inner).insert((self.function, action, resource));
    }
}

/// `slack-delivery` → `SlackDelivery`: how the template calls it.
fn pascal(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(capital).collect()
}

fn dead(queue: QueueName) -> String {
    format!("{}Dead", pascal(queue.name()))
}

#[async_trait]
impl Store for Watched<dyn Store> {
    async fn get(&self, key: &ItemKey) -> Result<Option<StoredItem>, StoreError> {
        self.touch(key);
        self.note("dynamodb:GetItem", pascal(key.table.name()));
        let read = (key.partition.clone(), key.sort.clone());
        *READS.lock().unwrap_or_else(PoisonError::into_inner).entry(read).or_default() += 1;
        Ok(self.inner.get(key).await?.map(as_stored))
    }

    async fn put(&self, write: StoreWrite) -> Result<Version, StoreError> {
        self.touch(&write.key);
        self.note("dynamodb:PutItem", pascal(write.key.table.name()));
        note_read(&write.key);
        self.inner.put(write).await
    }

    async fn put_all(&self, writes: Vec<StoreWrite>) -> Result<(), StoreError> {
        for write in &writes {
            self.touch(&write.key);
            self.note("dynamodb:PutItem", pascal(write.key.table.name()));
            note_read(&write.key);
        }
        self.inner.put_all(writes).await
    }

    async fn delete(&self, key: &ItemKey) -> Result<(), StoreError> {
        self.touch(key);
        // On AWS to delete is to write what has expired.
        self.note("dynamodb:PutItem", pascal(key.table.name()));
        self.inner.delete(key).await
    }

    async fn erase(&self, key: &ItemKey, version: Version) -> Result<bool, StoreError> {
        self.note("dynamodb:DeleteItem", pascal(key.table.name()));
        self.inner.erase(key, version).await
    }

    async fn list(&self, query: &Query) -> Result<ItemPage, StoreError> {
        self.touch_partition(&query.partition);
        self.note("dynamodb:Query", pascal(query.table.name()));
        let page = self.inner.list(query).await?;
        Ok(ItemPage { items: page.items.into_iter().map(as_stored).collect(), ..page })
    }

    async fn belonging(&self, table: Table, owner: &str, after: Option<&ItemKey>) -> Result<Belongings, StoreError> {
        self.note("dynamodb:Scan", pascal(table.name()));
        self.inner.belonging(table, owner, after).await
    }
}

#[async_trait]
impl Queue for Watched<dyn Queue> {
    async fn send(&self, queue: QueueName, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        if !messages.is_empty() {
            self.note("sqs:SendMessage", pascal(queue.name()));
        }
        self.inner.send(queue, messages).await
    }

    async fn receive(&self, queue: QueueName, most: usize, wait: Duration) -> Result<Vec<Received>, QueueError> {
        self.note("sqs:ReceiveMessage", pascal(queue.name()));
        self.inner.receive(queue, most, wait).await
    }

    async fn receive_sparing(
        &self,
        queue: QueueName,
        most: usize,
        wait: Duration,
        places: &Arc<TenantPlaces>,
    ) -> Result<Vec<Received>, QueueError> {
        self.note("sqs:ReceiveMessage", pascal(queue.name()));
        self.inner.receive_sparing(queue, most, wait, places).await
    }

    async fn delete(&self, queue: QueueName, receipts: Vec<String>) -> Result<(), QueueError> {
        self.note("sqs:DeleteMessage", pascal(queue.name()));
        self.inner.delete(queue, receipts).await
    }

    async fn delay(&self, queue: QueueName, receipt: &str, after: Duration) -> Result<(), QueueError> {
        self.note("sqs:ChangeMessageVisibility", pascal(queue.name()));
        self.inner.delay(queue, receipt, after).await
    }

    async fn return_unworked(&self, queue: QueueName, receipt: &str) -> Result<(), QueueError> {
        self.note("sqs:ChangeMessageVisibility", pascal(queue.name()));
        self.inner.return_unworked(queue, receipt).await
    }

    fn returns_after(&self, queue: QueueName) -> Duration {
        self.inner.returns_after(queue)
    }

    async fn wake(&self, tenant: &TenantId) -> Result<(), QueueError> {
        self.inner.wake(tenant).await
    }

    fn can_wake(&self) -> bool {
        self.inner.can_wake()
    }

    async fn bury(&self, queue: QueueName, burial: &str, letter: DeadLetter) -> Result<(), QueueError> {
        self.note("sqs:SendMessage", dead(queue));
        self.inner.bury(queue, burial, letter).await
    }

    async fn sift(&self, queue: QueueName, most: usize, judge: Judge<'_>) -> Result<Vec<Buried>, QueueError> {
        self.note("sqs:ReceiveMessage", dead(queue));
        let mut watching = |buried: &Buried| {
            let fate = judge(buried);
            match fate {
                Fate::Keep => self.note("sqs:ChangeMessageVisibility", dead(queue)),
                Fate::Redrive => {
                    self.note("sqs:SendMessage", pascal(queue.name()));
                    self.note("sqs:DeleteMessage", dead(queue));
                }
                Fate::Discard => self.note("sqs:DeleteMessage", dead(queue)),
            }
            fate
        };
        self.inner.sift(queue, most, &mut watching).await
    }

    async fn waiting(&self, queue: QueueName, tenant: &TenantId) -> Result<Option<Vec<String>>, QueueError> {
        self.inner.waiting(queue, tenant).await
    }

    async fn depth(&self, queue: QueueName) -> Result<Depth, QueueError> {
        self.note("sqs:GetQueueAttributes", pascal(queue.name()));
        self.note("sqs:GetQueueAttributes", dead(queue));
        self.inner.depth(queue).await
    }
}

#[async_trait]
impl Secrets for Watched<dyn Secrets> {
    async fn get(&self, name: &str) -> Result<SecretString, SecretsError> {
        self.note("secretsmanager:GetSecretValue", secret(name));
        self.inner.get(name).await
    }

    async fn put(&self, name: &str, text: SecretString) -> Result<(), SecretsError> {
        self.note("secretsmanager:PutSecretValue", secret(name));
        self.inner.put(name, text).await
    }
}

#[async_trait]
impl Invoke for Watched<dyn Invoke> {
    async fn invoke(&self, request: String) -> Result<String, InvokeError> {
        self.note("lambda:InvokeFunction", "TokenRenewalFunction".to_owned());
        self.inner.invoke(request).await
    }
}

fn secret(name: &str) -> String {
    match name {
        secrets::KEY_RING => "KeyRing",
        secret_names::APPS => "OAuthApps",
        secret_names::SLACK_SIGNING => "SlackSigning",
        other => other,
    }
    .to_owned()
}
