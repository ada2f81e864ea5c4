//! The database of a host as a process: whose it is, what happens when its files disappear, backup and restore.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Providers, Serving, switchboard, until};

/// The status of the answer to an event, and how long it took.
async fn posted(serving: &Serving, body: &str) -> (Option<u16>, Duration) {
    let began = Instant::now();
    (serving.post(body).await, began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_a_host_is_its_own_and_is_backed_up_and_restored() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let database = async |arguments: &[&str]| {
        let output = switchboard(&[&["database"], arguments].concat(), folder.path()).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    };
    let config = providers.config();
    let serving = Serving::start(folder.path(), &config).await;
    let pid = serving.process.id().unwrap();
    let second = Serving::begin(folder.path(), &config, &[]).process.wait_with_output().await.unwrap();
    let refused = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && refused.contains(&format!("the process {pid} works on it")), "{refused}");

    // Beside the host: a check and a backup, but nothing that needs it stopped.
    let (good, said) = database(&["check"]).await;
    assert!(good && said.contains("is whole") && said.contains("the key ring opens all of them"), "{said}");
    let (good, said) = database(&["backup", "saved"]).await;
    assert!(good && said.contains("Backed up into saved") && said.contains("keep it as safe"), "{said}");
    let (good, said) = database(&["backup", "saved"]).await;
    assert!(!good && said.contains("is there already"), "{said}");
    for command in [&["compact"][..], &["restore", "saved"], &["new-keys", "--yes"]] {
        let (good, said) = database(command).await;
        assert!(!good && (said.contains(&pid.to_string()) || said.contains("keys rotate")), "{command:?}: {said}");
    }

    // Files that disappear are not written to.
    let body = providers.sandbox.portal.event_body("ONCRMDEALADD", providers.sandbox.portal.add_deal("Roof", 1, "EUR"));
    assert_eq!(serving.post(&body).await, Some(200));
    let (file, aside) = (folder.path().join("switchboard.db"), folder.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    let (status, took) = posted(&serving, &body).await;
    assert!(status == Some(503) && took < Duration::from_secs(2), "{status:?} after {took:?}");
    std::fs::rename(&aside, &file).unwrap();
    until(async || serving.post(&body).await == Some(200)).await;
    serving.stop().await;

    let log = std::fs::metadata(folder.path().join("switchboard.db-wal"));
    assert_eq!(log.map_or(0, |log| log.len()), 0, "the log is empty after the end");
    let (good, said) = database(&["compact"]).await;
    assert!(good && said.contains("before,"), "{said}");

    // A backup that was cut off is not restored, and nothing is touched.
    let before = std::fs::read(&file).unwrap();
    let saved = folder.path().join("saved/switchboard.db");
    let whole = std::fs::read(&saved).unwrap();
    std::fs::write(&saved, &whole[..whole.len() / 2]).unwrap();
    let (good, said) = database(&["restore", "saved"]).await;
    assert!(!good && said.contains("is damaged"), "{said}");
    assert!(std::fs::read(&file).unwrap() == before);
    std::fs::write(&saved, &whole).unwrap();
    let (good, said) = database(&["restore", "saved", "--dry-run"]).await;
    assert!(good && said.contains("can be restored"), "{said}");
    let (good, said) = database(&["restore", "saved"]).await;
    assert!(good && said.contains("Restored switchboard.db") && said.contains("replaced-"), "{said}");
    let kept: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("replaced-") && !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    assert_eq!(kept.len(), 2, "the database and the secrets: {kept:?}");

    let backend = standalone::database::open(&file).unwrap();
    let mark = runtime::generation::find(backend.store.as_ref()).await.unwrap().unwrap();
    assert!(mark.backup_at.unwrap() < mark.restored_at);
    drop(backend);
    let serving = Serving::start(folder.path(), &config).await;
    assert_eq!(serving.post(&body).await, Some(200));
    serving.stop().await;
    let backend = standalone::database::open(&file).unwrap();
    let again = runtime::generation::find(backend.store.as_ref()).await.unwrap();
    assert_eq!(again, Some(mark), "a start does not restore");
    drop(backend);

    // Copied back by hand: noticed at the next start.
    std::fs::copy(&saved, &file).unwrap();
    let serving = Serving::start(folder.path(), &config).await;
    serving.stop().await;
    let backend = standalone::database::open(&file).unwrap();
    let by_hand = runtime::generation::find(backend.store.as_ref()).await.unwrap().unwrap();
    assert!(by_hand.restored_at > mark.restored_at, "{by_hand:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_secrets_are_not_replaced_unless_an_operator_gives_them_up() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = providers.config();
    let new_keys = async |arguments: &[&str]| {
        let output =
            switchboard(&[&["database", "new-keys"], arguments].concat(), folder.path()).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    };
    let serving = Serving::start(folder.path(), &config).await;
    providers.new_deal(&serving, "Roof").await;
    providers.each_has_one_card(&["Roof".to_owned()]).await;
    serving.stop().await;
    let secrets = folder.path().join("switchboard.secrets");
    std::fs::remove_dir_all(&secrets).unwrap();

    let refused = Serving::begin(folder.path(), &config, &[]).process.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("the key ring is missing in switchboard.secrets") && said.contains("new-keys"), "{said}");
    assert!(!secrets.exists(), "nothing was made");
    let (good, said) = new_keys(&[]).await;
    assert!(!good && said.contains("run this with --yes") && !secrets.exists(), "{said}");
    let (good, said) = new_keys(&["--yes"]).await;
    assert!(good && said.contains("Made a new key ring"), "{said}");
    // The portal of the configuration is sealed again at the start.
    let serving = Serving::start(folder.path(), &config).await;
    providers.new_deal(&serving, "Gutter").await;
    providers.each_has_one_card(&["Roof".to_owned(), "Gutter".to_owned()]).await;
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_killed_starts_again_with_all_that_it_accepted() {
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &providers.config()).await;
    let titles: Vec<_> = (0..20).map(|number| format!("Roof {number}")).collect();
    for title in &titles {
        providers.new_deal(&serving, title).await;
    }
    serving.kill().await;
    let serving = Serving::start(folder.path(), &providers.config()).await;
    providers.each_has_one_card(&titles).await;
    let said = serving.kill().await;
    assert!(said.contains("the last host did not close the database"), "{said}");
}

/// The bytes of a file; none if it is not there.
fn bytes(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

/// Not a part of the gate: `docs/reliability.md` has what it prints.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes"]
async fn the_log_under_two_hundred_events_a_second() {
    const A_SECOND: u32 = 200;
    const SECONDS: u32 = 60;
    let providers = Providers::start().await;
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &providers.config()).await;
    let database = folder.path().join("switchboard.db");
    let log = folder.path().join("switchboard.db-wal");
    let deals: Vec<_> =
        (0..500).map(|number| providers.sandbox.portal.add_deal(&number.to_string(), 1, "EUR")).collect();
    let events: Vec<_> =
        deals.iter().map(|deal| providers.sandbox.portal.event_body("ONCRMDEALUPDATE", *deal)).collect();
    let http = reqwest::Client::new();
    let (mut posts, mut most, began) = (tokio::task::JoinSet::new(), 0, Instant::now());
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / A_SECOND);
    for number in 0..A_SECOND * SECONDS {
        ticks.tick().await;
        let body = events[number as usize % events.len()].clone();
        let request = http.post(&serving.events).header("content-type", "application/x-www-form-urlencoded").body(body);
        posts.spawn(async move {
            let asked = Instant::now();
            (request.send().await.map(|answer| answer.status().as_u16()).ok(), asked.elapsed())
        });
        most = most.max(bytes(&log));
    }
    let mut answers = posts.join_all().await;
    let took = began.elapsed();
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        most = most.max(bytes(&log));
    }
    answers.sort_by_key(|(_, took)| *took);
    let accepted = answers.iter().filter(|(status, _)| *status == Some(200)).count();
    println!(
        "{accepted} of {} accepted in {took:.0?}, p50 {:.0?}, p99 {:.0?}; the log at most {} kB, the database {} kB",
        answers.len(),
        answers[answers.len() / 2].1,
        answers[answers.len() * 99 / 100].1,
        most / 1_000,
        bytes(&database) / 1_000,
    );
    let stopped = serving.terminate().await;
    println!("stopped in {stopped:.1?}; the log {} bytes", bytes(&log));
    assert!(most < sqlite::MAX_LOG_BYTES && bytes(&log) == 0);
}
