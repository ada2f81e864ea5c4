//! Which files of this engine others may read: none.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{FileSecrets, HostLock, SqliteFile};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A host's database with the files beside it.
fn files(database: &Path) -> Vec<std::path::PathBuf> {
    ["", "-wal", "-shm", ".lock"].iter().map(|end| format!("{}{end}", database.display()).into()).collect()
}

#[test]
fn a_database_is_its_owners_alone_and_one_that_was_not_becomes_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switchboard.db");
    let first = SqliteFile::open_for_host(&path, HostLock::acquire(&path).unwrap()).unwrap();
    for file in files(&path) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        open(&file, 0o644);
    }
    drop(first);
    let _second = SqliteFile::open_for_host(&path, HostLock::acquire(&path).unwrap()).unwrap();
    for file in files(&path) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn so_are_secrets_and_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a").join("switchboard.secrets");
    FileSecrets::open(path.clone()).unwrap();
    let inside = || fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!((mode(&path), inside().count()), (0o700, 1));
    assert!(inside().all(|file| mode(&file) == 0o600));
    open(&path, 0o755);
    inside().for_each(|file| open(&file, 0o640));
    FileSecrets::open(path.clone()).unwrap();
    assert!(mode(&path) == 0o700 && inside().all(|file| mode(&file) == 0o600));
}
