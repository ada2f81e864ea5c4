//! What happens to callers, messages and files when something is wrong with the disk.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use runtime::queue::{Queue, QueueMessage, QueueName, Received};
use runtime::seal::KeyRing;
use runtime::secrets::{KEY_RING, Secrets};
use runtime::store::{ItemKey, Query, Store, StoreError, StoreWrite, Table, WriteCondition};
use runtime::{ManualClock, SystemClock, TenantId};
use rusqlite::Connection;
use secrecy::SecretString;

use crate::database::MAX_WAITING_WRITES;
use crate::fault::FaultKind;
use crate::fault::beside;
use crate::files::log_bytes;
use crate::{FileSecrets, HostLock, MAX_LOG_BYTES, OpenError, SCHEMA_VERSION, SqliteFault, SqliteFile, SqliteQueue};
use crate::{SqliteStore, maintenance};

const QUEUE: QueueName = QueueName::new("slack-delivery");
/// A fault is noticed, and its end is, within this time; twice as long on a busy machine.
const NOTICED: Duration = Duration::from_secs(2);
/// Callers wait no longer.
const ANSWERED: Duration = Duration::from_secs(2);

/// A database of a host in a folder of its own.
struct Desk {
    folder: tempfile::TempDir,
    database: SqliteFile,
    store: SqliteStore,
    queue: SqliteQueue,
    clock: Arc<ManualClock>,
}

impl Desk {
    fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    fn within(folder: tempfile::TempDir) -> Self {
        let path = folder.path().join("switchboard.db");
        let database = host(&path).unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-28T12:00:00Z".parse().unwrap()));
        let store = SqliteStore::new(database.clone(), clock.clone());
        let queue = SqliteQueue::new(database.clone(), clock.clone());
        Self { folder, database, store, queue, clock }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("switchboard.db")
    }

    /// The fault that is noticed without anybody writing.
    async fn noticed(&self) -> SqliteFault {
        self.until(Option::is_some).await.unwrap()
    }

    async fn is_well_again(&self) {
        self.until(Option::is_none).await;
    }

    async fn until(&self, holds: impl Fn(&Option<SqliteFault>) -> bool) -> Option<SqliteFault> {
        let began = Instant::now();
        loop {
            let fault = self.database.health().fault();
            if holds(&fault) {
                return fault;
            }
            assert!(began.elapsed() < NOTICED, "after {:?}: {fault:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn receive(&self) -> Vec<String> {
        let received = self.queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
        received.into_iter().map(|received| received.body).collect()
    }
}

fn host(path: &Path) -> Result<SqliteFile, OpenError> {
    SqliteFile::open_for_host(path, HostLock::acquire(path)?)
}

fn item(sort: &str, value: &str) -> StoreWrite {
    StoreWrite::new(ItemKey::new(Table::Links, "acme#names", sort), &value, WriteCondition::Always).unwrap()
}

fn message(group: &str, body: &str) -> QueueMessage {
    QueueMessage { group: group.into(), deduplication: format!("{group}/{body}"), body: body.into() }
}

fn receipts(received: &[Received]) -> Vec<String> {
    received.iter().map(|received| received.receipt.clone()).collect()
}

/// Another process in the middle of a write.
fn locking(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// Keeps the writer busy until something is sent.
fn hold(database: &SqliteFile) -> (tokio::task::JoinHandle<Result<(), SqliteFault>>, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let (holds, held) = mpsc::channel::<()>();
    let write = move |_: &Connection| {
        let _ = holds.send(());
        let _ = wait.recv();
        Ok(Ok::<_, SqliteFault>(()))
    };
    let database = database.clone();
    let first = tokio::spawn(async move { database.write(0, write).await });
    held.recv().unwrap();
    (first, go)
}

/// Limits the file to the size that it has, as a full disk would.
async fn fill(database: &SqliteFile, pages_more: i64) {
    let limit = move |connection: &Connection| {
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        connection.query_row(&format!("PRAGMA max_page_count = {}", pages + pages_more), [], |_| Ok(()))?;
        Ok(Ok::<_, SqliteFault>(()))
    };
    database.write(0, limit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_undoes_only_itself() {
    let desk = Desk::new();
    let (first, go) = hold(&desk.database);
    // All of these wait together, and are one batch.
    let writes: Vec<_> = (0..20)
        .map(|number| {
            let database = desk.database.clone();
            tokio::spawn(async move {
                let write = move |connection: &Connection| {
                    connection.execute(
                        "INSERT INTO items VALUES ('links', 'acme', ?1, '1', 1, NULL)",
                        [format!("{number:02}")],
                    )?;
                    if number == 7 {
                        connection.execute("INSERT INTO nothing_that_exists VALUES (1)", [])?;
                    }
                    Ok(Ok::<_, SqliteFault>(()))
                };
                database.write(0, write).await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    for (number, write) in writes.into_iter().enumerate() {
        let outcome = write.await.unwrap();
        assert_eq!(outcome.is_err(), number == 7, "{number}: {outcome:?}");
        if let Err(fault) = outcome {
            assert_eq!(fault.kind, FaultKind::Statement);
            assert!(fault.to_string().contains("nothing_that_exists"), "{fault}");
        }
    }
    let kept = desk.store.list(&Query::prefix(Table::Links, "acme", "")).await.unwrap();
    assert_eq!(kept.items.len(), 19);
    assert_eq!(desk.database.health().fault(), None, "a statement of one caller is not a fault of the database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_does_not_fit_and_work_goes_on_once_there_is_space() {
    let desk = Desk::new();
    desk.queue.send(QUEUE, vec![message("acme#c", "1")]).await.unwrap();
    fill(&desk.database, 0).await;
    let large = "x".repeat(100_000);
    // What fits beside one that does not is written.
    let (refused, fits) = tokio::join!(desk.store.put(item("large", &large)), desk.store.put(item("small", "y")));
    let StoreError::Unavailable(words) = refused.unwrap_err() else { panic!("another error") };
    assert!(words.contains("switchboard.db") && words.contains("full") && words.contains("Free space"), "{words}");
    fits.unwrap();
    fill(&desk.database, 1_000).await;
    desk.store.put(item("large", &large)).await.unwrap();
    desk.is_well_again().await;
    assert_eq!(desk.receive().await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_that_locks_the_file_is_named_within_two_seconds_and_its_end_is_noticed() {
    let desk = Desk::new();
    desk.queue.send(QUEUE, vec![message("acme#c", "1")]).await.unwrap();
    let other = locking(&desk.path());
    let began = Instant::now();
    let sends = (0..50).map(|number| {
        let queue = desk.queue.clone();
        tokio::spawn(async move { queue.send(QUEUE, vec![message("acme#d", &number.to_string())]).await })
    });
    for sent in sends.collect::<Vec<_>>() {
        let refused = sent.await.unwrap().unwrap_err().to_string();
        assert!(refused.contains("another process has locked it") && refused.contains("sqlite3"), "{refused}");
    }
    assert!(began.elapsed() < ANSWERED, "{:?}", began.elapsed());
    assert_eq!(desk.database.health().fault().map(|fault| fault.kind), Some(FaultKind::Locked));
    // Reads do not wait behind writes.
    assert_eq!(desk.queue.depth(QUEUE).await.unwrap().waiting, 1);
    other.execute_batch("ROLLBACK").unwrap();
    desk.is_well_again().await;
    desk.store.put(item("a", "x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_could_not_be_settled_are_settled_when_writing_works_again() {
    let desk = Desk::new();
    desk.queue.send(QUEUE, vec![message("acme#c", "done"), message("acme#d", "again")]).await.unwrap();
    let received = desk.queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
    let receipt = |body: &str| received.iter().find(|received| received.body == body).unwrap().receipt.clone();
    let other = locking(&desk.path());
    assert!(desk.queue.delete(QUEUE, vec![receipt("done")]).await.is_err());
    assert!(desk.queue.delay(QUEUE, &receipt("again"), Duration::from_secs(1)).await.is_err());
    other.execute_batch("ROLLBACK").unwrap();
    desk.is_well_again().await;
    desk.clock.advance(Duration::from_secs(1));
    assert_eq!(desk.receive().await, ["again"], "at its time, not when its lease would have ended");
    desk.clock.advance(QUEUE.visibility());
    assert_eq!(desk.receive().await, ["again"], "what was finished does not come back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_leaves_is_handed_out_again_soon() {
    let desk = Desk::new();
    desk.queue.send(QUEUE, vec![message("acme#c", "fell"), message("acme#d", "done")]).await.unwrap();
    let received = desk.queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
    desk.queue.delete(QUEUE, vec![received[1].receipt.clone()]).await.unwrap();
    desk.queue.give_back(QUEUE, receipts(&received)).await;
    assert!(desk.receive().await.is_empty());
    desk.clock.advance(Duration::from_secs(5));
    assert_eq!(desk.receive().await, ["fell"]);
    // Twice is not sooner.
    desk.queue.give_back(QUEUE, receipts(&received)).await;
    assert!(desk.receive().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_receiver_that_went_away_are_given_back() {
    let desk = Desk::new();
    desk.queue.send(QUEUE, vec![message("acme#c", "1")]).await.unwrap();
    let (first, go) = hold(&desk.database);
    let queue = desk.queue.clone();
    let receiver = tokio::spawn(async move { queue.receive(QUEUE, 10, Duration::ZERO).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    receiver.abort();
    assert!(receiver.await.unwrap_err().is_cancelled());
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(desk.receive().await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_or_replaced_file_is_noticed_and_nothing_is_accepted_into_it() {
    for ending in ["", "-wal", "-shm"] {
        let desk = Desk::new();
        desk.store.put(item("a", "x")).await.unwrap();
        let (file, aside) = (beside(&desk.path(), ending), desk.folder.path().join("aside"));
        fs::rename(&file, &aside).unwrap();
        // The very next write, before anything was noticed.
        let refused = desk.store.put(item("b", "x")).await.unwrap_err().to_string();
        assert!(refused.contains("is gone") && refused.contains(&file.display().to_string()), "{refused}");
        assert_eq!(desk.noticed().await.kind, FaultKind::Gone);
        fs::copy(&aside, &file).unwrap();
        desk.until(|fault| fault.as_ref().is_some_and(|fault| fault.kind == FaultKind::Replaced)).await;
        let refused = desk.store.put(item("b", "x")).await.unwrap_err().to_string();
        assert!(refused.contains("was replaced") && refused.contains("database restore"), "{refused}");
        // The same file again.
        fs::rename(&aside, &file).unwrap();
        desk.is_well_again().await;
        desk.store.put(item("b", "x")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_at_the_start_is_not_begun_again() {
    let desk = Desk::new();
    let path = desk.path();
    desk.database.close().await;
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(beside(&path, ending));
    }
    for _ in 0..2 {
        let refused = host(&path).err().unwrap().to_string();
        assert!(refused.contains("a host has worked on it") && refused.contains("switchboard.db.lock"), "{refused}");
        // An empty file is as good as none.
        fs::write(&path, "").unwrap();
    }
    fs::remove_file(HostLock::path(&path)).unwrap();
    host(&path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_host_is_refused_by_the_process_of_the_first_and_commands_are_not() {
    let desk = Desk::new();
    let refused = host(&desk.path()).err().unwrap().to_string();
    assert!(refused.contains(&format!("the process {}", std::process::id())), "{refused}");
    let beside_it = SqliteFile::open(&desk.path()).unwrap();
    SqliteStore::new(beside_it, desk.clock.clone()).put(item("a", "x")).await.unwrap();
    assert!(desk.store.get(&item("a", "").key).await.unwrap().is_some());
    desk.database.close().await;
    host(&desk.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_below_its_limit_under_load_and_is_empty_after_the_end() {
    let desk = Desk::new();
    let text = "x".repeat(200_000);
    let writers = (0..8).map(|writer| {
        let (store, text) = (desk.store.clone(), text.clone());
        tokio::spawn(async move {
            for number in 0..80 {
                store.put(item(&format!("{writer}-{}", number % 4), &text)).await.unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut most = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        most = most.max(log_bytes(&desk.path()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(most < MAX_LOG_BYTES, "{most}");
    desk.store.put(item("last", "x")).await.unwrap();
    desk.database.close().await;
    assert_eq!(log_bytes(&desk.path()), 0);
    assert!(desk.store.put(item("later", "x")).await.unwrap_err().to_string().contains("is closed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_a_process_that_was_killed_is_empty_after_the_next_start() {
    let desk = Desk::new();
    for number in 0..50 {
        desk.store.put(item(&number.to_string(), &"x".repeat(50_000))).await.unwrap();
    }
    let copied = tempfile::tempdir().unwrap();
    let path = copied.path().join("switchboard.db");
    for ending in ["", "-wal", ".lock"] {
        fs::copy(beside(&desk.path(), ending), beside(&path, ending)).unwrap();
    }
    assert!(log_bytes(&path) > 0);
    let database = host(&path).unwrap();
    assert!(database.host().unwrap().ended_uncleanly());
    assert_eq!(log_bytes(&path), 0);
    let store = SqliteStore::new(database, desk.clock.clone());
    assert_eq!(store.list(&Query::prefix(Table::Links, "acme#names", "")).await.unwrap().items.len(), 50);
}

/// Overwrites pages in the middle of a file, where items are.
fn damage(path: &Path) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    for page in 30..60 {
        file.write_all_at(&[0xA5; 4096], page * 4096).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found_after_an_unclean_end_and_by_a_reader() {
    let desk = Desk::new();
    for number in 0..200 {
        desk.store.put(item(&number.to_string(), &"x".repeat(2_000))).await.unwrap();
    }
    let path = desk.path();
    desk.database.close().await;
    damage(&path);
    // A clean end is not followed by a check: the damage is met by a reader.
    let database = host(&path).unwrap();
    let store = SqliteStore::new(database.clone(), desk.clock.clone());
    let met = store.list(&Query { limit: 1_000, ..Query::prefix(Table::Links, "acme#names", "") }).await;
    let met = met.map(|page| page.items.len()).unwrap_err().to_string();
    assert!(met.contains("is damaged") && met.contains("database restore"), "{met}");
    assert_eq!(database.health().fault().unwrap().kind, FaultKind::Damaged);
    assert!(!maintenance::check(&path).unwrap().problems.is_empty());
    database.close().await;
    HostLock::acquire(&path).unwrap().begin().unwrap();
    let refused = host(&path).err().unwrap().to_string();
    assert!(refused.contains("is damaged") && refused.contains("database restore"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_cut_off_or_no_database_is_named_at_the_start() {
    let desk = Desk::new();
    desk.store.put(item("a", &"x".repeat(200_000))).await.unwrap();
    let path = desk.path();
    desk.database.close().await;
    drop(desk.database);
    let whole = fs::read(&path).unwrap();
    for broken in
        [&whole[..whole.len() / 2], b"this was something else, and long enough to be looked at ".repeat(100).as_slice()]
    {
        fs::write(&path, broken).unwrap();
        let refused = host(&path).err().unwrap().to_string();
        assert!(refused.contains("is damaged") && refused.contains(&path.display().to_string()), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_takes_too_long_is_ended_and_lets_the_log_go() {
    let desk = Desk::new();
    let endless = |connection: &Connection| {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0))
    };
    let began = Instant::now();
    let late = desk.database.read(endless).await.unwrap_err();
    assert_eq!(late.kind, FaultKind::Slow);
    assert!(began.elapsed() < ANSWERED, "{:?}", began.elapsed());
    // Its connection is free again, and reads.
    assert_eq!(desk.queue.depth(QUEUE).await.unwrap().waiting, 0);
}

/// Each shape that a file has had: what made it, and whether it is older than this program.
const VERSIONS: [(&str, bool); 4] = [
    (include_str!("versions/first-cards.sql"), true),
    (include_str!("versions/two-indexes.sql"), true),
    (include_str!("versions/before-versions.sql"), true),
    (include_str!("versions/version-1.sql"), false),
];

/// What a schema consists of.
fn shape(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut select = connection.prepare("SELECT type || ' ' || name FROM sqlite_schema ORDER BY 1").unwrap();
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_every_version_is_opened_with_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh.db");
    host(&fresh).unwrap().close().await;
    for (number, (schema, is_older)) in VERSIONS.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        let made = Connection::open(&path).unwrap();
        made.execute_batch(schema).unwrap();
        made.execute_batch(include_str!("versions/rows.sql")).unwrap();
        drop(made);
        let copy = beside(&path, ".before-version-1");
        let database = host(&path).unwrap();
        assert_eq!(copy.exists(), is_older, "{schema}");
        let clock = Arc::new(SystemClock);
        let store = SqliteStore::new(database.clone(), clock.clone());
        let names = store.list(&Query::prefix(Table::Links, "acme#names", "")).await.unwrap().items;
        assert_eq!(names.iter().map(|item| item.value.as_str()).collect::<Vec<_>>(), ["\"Anna\""]);
        let queue = SqliteQueue::new(database.clone(), clock);
        queue.recover().await.unwrap();
        let received = queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
        assert_eq!(received.iter().map(|received| received.body.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(queue.dead_letters(QUEUE, 10).await.unwrap()[0].letter.code, "c");
        database.close().await;
        assert_eq!(shape(&path), shape(&fresh), "{schema}");
        if is_older {
            let connection = Connection::open(&copy).unwrap();
            let rows: i64 = connection.query_row("SELECT COUNT(*) FROM items", [], |row| row.get(0)).unwrap();
            assert_eq!(rows, 2, "the copy has what the file had");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_a_newer_program_is_refused_by_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switchboard.db");
    host(&path).unwrap().close().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for refused in [host(&path).err(), SqliteFile::open(&path).err(), maintenance::check_version(&path).err()] {
        let refused = refused.unwrap().to_string();
        assert!(refused.contains("99") && refused.contains(&format!("up to {SCHEMA_VERSION}")), "{refused}");
    }
    let version: u32 = Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_does_not_change_the_schema_below_a_running_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switchboard.db");
    Connection::open(&path).unwrap().execute_batch(VERSIONS[0].0).unwrap();
    let running = HostLock::acquire(&path).unwrap();
    running.begin().unwrap();
    let refused = SqliteFile::open(&path).err().unwrap().to_string();
    assert!(refused.contains(&format!("the process {}", std::process::id())), "{refused}");
    drop(running);
    SqliteFile::open(&path).unwrap();
}

fn sealed(ring: &SecretString) -> StoreWrite {
    let tenant = TenantId::new("acme").unwrap();
    let sealed = KeyRing::parse(ring).unwrap().seal(&tenant, "token", &"xoxb-1".to_owned().into()).unwrap();
    let key = ItemKey::new(Table::Portals, "acme", "portal");
    StoreWrite::new(key, &serde_json::json!({"token": sealed}), WriteCondition::Always).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_ring_is_not_made_beside_values_that_another_sealed() {
    let desk = Desk::new();
    let folder = desk.folder.path().join("switchboard.secrets");
    let secrets = FileSecrets::open_for(folder.clone(), &desk.database).unwrap();
    let ring = secrets.get(KEY_RING).await.unwrap();
    desk.store.put(sealed(&ring)).await.unwrap();
    let seals = |ring: &SecretString| maintenance::check_seals(&desk.path(), ring).unwrap();
    assert_eq!((seals(&ring).opened, seals(&ring).closed.len()), (1, 0));
    assert_eq!(seals(&KeyRing::generate()).closed.into_iter().collect::<Vec<_>>(), ["portals acme"]);
    // Lost while the host runs.
    let aside = desk.folder.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    assert_eq!(desk.noticed().await.kind, FaultKind::SecretsLost);
    let refused = FileSecrets::open_for(folder.clone(), &desk.database).unwrap_err().to_string();
    assert!(refused.contains("switchboard.secrets") && refused.contains("database new-keys"), "{refused}");
    assert!(!folder.exists());
    fs::rename(&aside, &folder).unwrap();
    desk.is_well_again().await;
    FileSecrets::open_for(folder, &desk.database).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_items_go_by_themselves_and_their_space_is_used_again() {
    let desk = Desk::new();
    let end = "2026-11-28T12:00:10Z".parse::<Timestamp>().unwrap();
    let fill = |round: usize| {
        let store = desk.store.clone();
        async move {
            for number in 0..600 {
                store.put(item(&format!("{round}-{number}"), &"x".repeat(500)).expiring(end)).await.unwrap();
            }
        }
    };
    fill(0).await;
    assert_eq!(desk.store.delete_expired().await.unwrap(), 0);
    desk.clock.advance_to(end);
    assert_eq!(desk.store.delete_expired().await.unwrap(), 600);
    desk.database.close().await;
    let report = maintenance::check(&desk.path()).unwrap();
    assert_eq!((report.items, report.problems.len()), (0, 0));
    assert!(report.free_bytes > 300_000, "{report:?}");
    let path = desk.path();
    drop((desk.database, desk.store, desk.queue));
    let host = HostLock::acquire(&path).unwrap();
    let (before, after) = maintenance::compact(&path, &host).unwrap();
    assert!(before == report.bytes && after < before - 300_000, "{before} {after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_command_reads_is_not_compacted() {
    let desk = Desk::new();
    for number in 0..50 {
        desk.store.put(item(&format!("{number}"), &"x".repeat(500))).await.unwrap();
    }
    let path = desk.path();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT COUNT(*) FROM items;").unwrap();
    for number in 0..50 {
        desk.store.put(item(&format!("later {number}"), &"x".repeat(500))).await.unwrap();
    }
    desk.database.close().await;
    drop((desk.database, desk.store, desk.queue));
    let host = HostLock::acquire(&path).unwrap();
    let identity = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = identity(&path);
    for is_reading in [true, false] {
        let refused = maintenance::compact(&path, &host).unwrap_err().to_string();
        assert!(refused.contains("another command has it open"), "{is_reading}: {refused}");
        if is_reading {
            reader.execute_batch("COMMIT").unwrap();
        }
    }
    assert_eq!(identity(&path), before);
    drop(reader);
    maintenance::compact(&path, &host).unwrap();
    let report = maintenance::check(&path).unwrap();
    assert_eq!((report.items, report.problems.len(), report.log_bytes), (100, 0, 0));
    assert_ne!(identity(&path), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_would_wait_behind_thousands_are_refused_at_once() {
    let desk = Desk::new();
    let (held, go) = hold(&desk.database);
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..MAX_WAITING_WRITES + 50 {
        let store = desk.store.clone();
        writes.spawn(async move { store.put(item(&format!("{number}"), "x")).await });
    }
    for _ in 0..50 {
        match writes.join_next().await.unwrap().unwrap() {
            Err(StoreError::Unavailable(cause)) => assert!(cause.contains("writes wait already"), "{cause}"),
            other => panic!("{other:?}"),
        }
    }
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    writes.join_all().await;
    desk.store.put(item("after", "x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_touches_only_the_groups_of_which_a_message_was_out() {
    let desk = Desk::new();
    for group in ["acme#c1", "acme#c2"] {
        desk.queue.send(QUEUE, vec![message(group, "1")]).await.unwrap();
    }
    let received = desk.queue.receive(QUEUE, 1, Duration::ZERO).await.unwrap();
    assert_eq!(received.len(), 1);
    let ready = || {
        let other = Connection::open(desk.path()).unwrap();
        let mut select = other.prepare("SELECT grp, ready_at FROM groups ORDER BY ready_at").unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<Vec<(String, i64)>, _>>().unwrap()
    };
    let [left, out] = ready().try_into().unwrap();
    // A mark that only a write of the group would remove.
    let other = Connection::open(desk.path()).unwrap();
    other.execute("UPDATE groups SET ready_at = ready_at - 7 WHERE grp = ?1", [&left.0]).unwrap();
    desk.queue.recover().await.unwrap();
    assert_eq!(ready(), [(left.0, left.1 - 7), (out.0, left.1)]);
    assert_eq!(desk.queue.receive(QUEUE, 10, Duration::ZERO).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_of_one_moment_while_others_write() {
    let desk = Desk::new();
    for number in 0..200 {
        desk.store.put(item(&format!("{number:03}"), &"x".repeat(20_000))).await.unwrap();
    }
    let (store, to) = (desk.store.clone(), desk.folder.path().join("copy.db"));
    let (runtime, path, target) = (tokio::runtime::Handle::current(), desk.path(), to.clone());
    let backup = move || {
        let mut steps = 0;
        let copied = maintenance::back_up(&path, &target, &mut |progress| {
            steps += 1;
            assert!(progress.done <= progress.all);
            runtime.block_on(store.put(item(&format!("during {steps}"), "x"))).unwrap();
        });
        copied.map(|()| steps)
    };
    assert!(tokio::task::spawn_blocking(backup).await.unwrap().unwrap() >= 1);
    let copied = maintenance::check(&to).unwrap();
    assert_eq!((copied.items, copied.problems.len(), copied.log_bytes), (200, 0, 0));
    let again = maintenance::back_up(&desk.path(), &to, &mut |_| {}).unwrap_err().to_string();
    assert!(again.contains("copy.db"), "what is there is not overwritten: {again}");
}

/// A small file system of its own, if this process may mount one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(kilobytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "none"])
            .arg(folder.path())
            .output();
        match done {
            Ok(done) if done.status.success() => Some(Self(folder)),
            refused => {
                println!("skipped: a file system cannot be mounted here: {refused:?}");
                None
            }
        }
    }

    fn remount(&self, mode: &str) {
        let options = format!("remount,{mode}");
        let remounted =
            || std::process::Command::new("mount").args(["-o", &options]).arg(self.0.path()).output().unwrap();
        // Files of a database that was closed are let go a moment later.
        let began = Instant::now();
        while !remounted().status.success() {
            assert!(began.elapsed() < NOTICED, "{:?}", remounted());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_or_read_only_is_noticed_without_a_write_and_so_is_its_end() {
    let Some(disk) = Disk::mount(4_096) else { return };
    let desk = Desk::within(tempfile::tempdir_in(disk.0.path()).unwrap());
    desk.store.put(item("a", "x")).await.unwrap();
    let ballast = disk.0.path().join("ballast");
    let _ = fs::write(&ballast, vec![0; 4_096 * 1_024]);
    assert_eq!(desk.noticed().await.kind, FaultKind::DiskFull);
    let began = Instant::now();
    let mut refused = None;
    for number in 0..40 {
        refused = desk.store.put(item(&number.to_string(), &"x".repeat(20_000))).await.err().or(refused);
    }
    let refused = refused.unwrap().to_string();
    assert!(refused.contains("disk is full") && refused.contains("os error 28"), "{refused}");
    assert!(began.elapsed() < ANSWERED * 2);
    fs::remove_file(&ballast).unwrap();
    desk.is_well_again().await;
    desk.store.put(item("b", "x")).await.unwrap();

    desk.database.close().await;
    let path = desk.path();
    drop((desk.database, desk.store, desk.queue));
    disk.remount("ro");
    let refused = host(&path).err().unwrap().to_string();
    assert!(refused.contains("os error 30") && refused.contains("writable"), "{refused}");
    disk.remount("rw");
    host(&path).unwrap();
}
