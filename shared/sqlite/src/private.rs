//! Files and folders that only their owner may read, for customers' data and secrets.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// How a new file is opened for writing: readable by its owner only, from its first byte on.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a file if there is none, and closes one that others may read.
pub fn file(path: &Path) -> io::Result<()> {
    options().create(true).truncate(false).open(path)?;
    tighten(path);
    Ok(())
}

/// Makes a folder with those above it if there is none, and closes one that others may read.
pub fn folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)?;
    tighten(path);
    Ok(())
}

/// Takes away what others may do with a file or a folder, and logs it. Nothing is done where it is not there.
#[cfg(unix)]
pub fn tighten(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    let Ok(found) = fs::metadata(path) else { return };
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return;
    }
    let tightened = fs::set_permissions(path, fs::Permissions::from_mode(mode & !OTHERS));
    let path = path.display();
    match tightened {
        Ok(()) => tracing::warn!(%path, "others could read this ({mode:o}); now only its owner can"),
        Err(error) => {
            tracing::error!(%path, %error, "others can read this ({mode:o}): take it away from them with chmod go=");
        }
    }
}

/// Elsewhere folders inherit who may read them.
#[cfg(not(unix))]
pub fn tighten(_path: &Path) {}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{Database, FileSecrets};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn open(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The database with the files beside it.
    fn files(database: &Path) -> Vec<std::path::PathBuf> {
        ["", "-wal", "-shm"].iter().map(|end| format!("{}{end}", database.display()).into()).collect()
    }

    #[test]
    fn a_database_is_its_owners_alone_and_one_that_was_not_becomes_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("switchboard.db");
        let first = Database::open(&path).unwrap();
        for file in files(&path) {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
            open(&file, 0o644);
        }
        let second = Database::open(&path).unwrap();
        for file in files(&path) {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        drop((first, second));
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
}
