//! The secrets port: one file for each secret, readable only by its owner, beside the database and never in it.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use runtime::private_files;
use runtime::seal::KeyRing;
use runtime::secrets::{KEY_RING, Secrets, SecretsError};
use secrecy::{ExposeSecret, SecretString};

use crate::database::SqliteFile;
use crate::maintenance;

fn key_ring_is_lost(folder: &Path, database: &Path) -> String {
    format!(
        "the key ring is missing in {}, but {} holds values that are sealed with one. Put the folder back from a backup. If \
         it is lost for good, `switchboard database new-keys` makes a new one: then every portal and workspace has to be \
         connected again",
        folder.display(),
        database.display()
    )
}

/// Secrets in a folder.
#[derive(Debug, Clone)]
pub struct FileSecrets {
    folder: PathBuf,
}

impl FileSecrets {
    /// The secrets in `folder`, for `database`. On the first start, when the key ring is missing, one is made, but not
    /// beside values that were sealed with another.
    pub fn open_for(folder: PathBuf, database: &SqliteFile) -> Result<Self, SecretsError> {
        let key_ring = folder.join(KEY_RING);
        if !key_ring.exists() {
            let unavailable = |cause| SecretsError::Unavailable { name: KEY_RING.to_owned(), cause };
            let sealed = maintenance::sealed_items(database.path());
            if sealed.map_err(|error| unavailable(error.to_string()))? > 0 {
                return Err(unavailable(key_ring_is_lost(&folder, database.path())));
            }
        }
        let secrets = Self::open(folder)?;
        database.watch_key_ring(key_ring);
        Ok(secrets)
    }

    /// The secrets in `folder`. When the key ring is missing, one is made.
    pub fn open(folder: PathBuf) -> Result<Self, SecretsError> {
        let unavailable = |error: std::io::Error| SecretsError::Unavailable {
            name: folder.display().to_string(),
            cause: error.to_string(),
        };
        private_files::folder(&folder).map_err(unavailable)?;
        for entry in fs::read_dir(&folder).map_err(unavailable)?.flatten() {
            private_files::tighten(&entry.path());
        }
        let secrets = Self { folder };
        if let Err(SecretsError::Missing(_)) = secrets.read(KEY_RING) {
            secrets.write(KEY_RING, &KeyRing::generate())?;
        }
        Ok(secrets)
    }

    fn read(&self, name: &str) -> Result<SecretString, SecretsError> {
        fs::read_to_string(self.folder.join(name)).map(SecretString::from).map_err(|error| match error.kind() {
            ErrorKind::NotFound => SecretsError::Missing(name.to_owned()),
            _ => SecretsError::Unavailable { name: name.to_owned(), cause: error.to_string() },
        })
    }

    /// Writes beside and renames, so that a crash leaves the old text or the new.
    fn write(&self, name: &str, text: &SecretString) -> Result<(), SecretsError> {
        // A file of its own: another may be writing the same secret.
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let place = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join(format!(".{name}.{}-{place}.new", std::process::id()));
        let written = private_files::options().create(true).truncate(true).open(&beside).and_then(|mut file| {
            file.write_all(text.expose_secret().as_bytes())?;
            file.sync_all()
        });
        written
            .and_then(|()| fs::rename(&beside, self.folder.join(name)))
            .map_err(|error| SecretsError::Unavailable { name: name.to_owned(), cause: error.to_string() })
    }
}

#[async_trait]
impl Secrets for FileSecrets {
    async fn get(&self, name: &str) -> Result<SecretString, SecretsError> {
        self.read(name)
    }

    async fn put(&self, name: &str, text: SecretString) -> Result<(), SecretsError> {
        self.write(name, &text)
    }
}
