//! Notices a database that was put in place of the one that the host worked on. A moment is kept in the database and in a
//! file beside it: a database that knows only an earlier one is a backup.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use runtime::generation::{self, RestoreMark};
use runtime::{Backend, private_files};

/// A backup that is put in place within this time of when it was made may not be noticed.
const EVERY: Duration = Duration::from_secs(60);

/// The moments of a database.
#[derive(Clone)]
pub struct Beats {
    backend: Backend,
    file: PathBuf,
}

impl Beats {
    /// Those of the database at `path`.
    pub fn of(backend: &Backend, path: &Path) -> Self {
        Self { backend: backend.clone(), file: path.with_extension("beat") }
    }

    /// Marks the database as restored if it is a backup. Call it before anything works on it.
    pub async fn notice(&self) -> anyhow::Result<Option<RestoreMark>> {
        let (store, now) = (self.backend.store.as_ref(), self.backend.clock.now());
        let mark = generation::notice_restore(store, self.kept_beside()?, now).await?;
        if let Some(mark) = &mark {
            let backup = mark.backup_at.map_or_else(|| "unknown time".to_owned(), |backup| backup.to_string());
            tracing::warn!(
                backup,
                "the database was restored from a backup; what may have been sent since is looked up before it is sent again"
            );
        }
        self.beat().await?;
        Ok(mark)
    }

    /// Keeps the present moment in the database and beside it, each minute.
    pub async fn keep_beating(self) {
        loop {
            self.backend.clock.sleep(EVERY).await;
            self.beat_or_warn().await;
        }
    }

    /// Keeps the present moment, if it can.
    pub async fn beat_or_warn(&self) {
        if let Err(error) = self.beat().await {
            tracing::warn!(%error, "the moment of the last work could not be kept");
        }
    }

    async fn beat(&self) -> anyhow::Result<()> {
        let now = self.backend.clock.now();
        // The database first: a process that ends in between leaves no moment beside it that it does not know.
        generation::beat(self.backend.store.as_ref(), now).await?;
        let unwritable =
            || format!("{} cannot be written; it says when the database was last used", self.file.display());
        let fresh = self.file.with_extension("beat.new");
        // One that a process left that ended in between.
        let _ = std::fs::remove_file(&fresh);
        let mut file = private_files::create(&fresh).with_context(unwritable)?;
        file.write_all(now.to_string().as_bytes()).with_context(unwritable)?;
        drop(file);
        std::fs::rename(&fresh, &self.file).with_context(unwritable)
    }

    fn kept_beside(&self) -> anyhow::Result<Option<Timestamp>> {
        let name = self.file.display();
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{name} cannot be read")),
        };
        let moment = text.trim().parse();
        moment.map(Some).with_context(|| {
            format!("{name} holds no moment; delete it, and run `switchboard restored` if the database is a backup")
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use runtime::ManualClock;

    use super::*;
    use crate::engine::Engine;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Copies the database, which nobody uses.
    fn copy(from: &Path, to: &Path) {
        for name in ["host.db", "host.db-wal"] {
            let _ = std::fs::remove_file(to.join(name));
            if from.join(name).exists() {
                std::fs::copy(from.join(name), to.join(name)).unwrap();
            }
        }
        let _ = std::fs::remove_file(to.join("host.db-shm"));
    }

    #[tokio::test]
    async fn a_backup_that_was_put_in_place_is_noticed_and_a_restart_is_not() {
        let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join("host.db");
        let clock = Arc::new(ManualClock::at(at(1_000)));
        let start = async || {
            let engine = Engine::open(&path, clock.clone()).await.unwrap();
            let mark = Beats::of(&engine.backend, &path).notice().await.unwrap();
            engine.close().await;
            mark
        };
        assert_eq!(start().await, None);
        copy(folder.path(), backup.path());
        clock.advance(Duration::from_secs(500));
        assert_eq!(start().await, None, "the host starts again");
        clock.advance(Duration::from_secs(500));
        copy(backup.path(), folder.path());
        let mark =
            RestoreMark { backup_at: Some(at(1_000)), worked_until: Some(at(1_500)), ..RestoreMark::at(at(2_000)) };
        assert_eq!(start().await, Some(mark));
        assert_eq!(start().await, None, "it is noticed once");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_for_us_alone_from_its_first_moment() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.db");
        // Left by a process that ended before it was renamed.
        std::fs::write(folder.path().join("host.beat.new"), "x").unwrap();
        let engine = Engine::open(&path, Arc::new(ManualClock::at(at(1_000)))).await.unwrap();
        let beats = Beats::of(&engine.backend, &path);
        for _ in 0..2 {
            beats.beat().await.unwrap();
            let mode = std::fs::metadata(folder.path().join("host.beat")).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{mode:o}");
        }
        assert!(!folder.path().join("host.beat.new").exists());
    }

    #[tokio::test]
    async fn a_file_that_holds_no_moment_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.db");
        std::fs::write(path.with_extension("beat"), "yesterday").unwrap();
        let engine = Engine::open(&path, Arc::new(ManualClock::at(at(1_000)))).await.unwrap();
        let refused = Beats::of(&engine.backend, &path).notice().await.unwrap_err().to_string();
        assert!(refused.contains("host.beat holds no moment; delete it"), "{refused}");
    }
}
