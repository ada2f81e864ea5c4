//! `restored`: marks that the data was restored from a backup.

use anyhow::ensure;
use clap::Args;
use jiff::Timestamp;
use runtime::Backend;
use runtime::generation::{self, RestoreMark};

/// What is known of the restore.
#[derive(Debug, Args)]
pub struct RestoredArguments {
    /// When the backup was made, such as 2026-11-21T03:00:00Z. Without it, more of each channel is read.
    #[arg(long, value_name = "MOMENT")]
    backup_at: Option<Timestamp>,
}

/// Marks the restore; returns what to print.
pub async fn run(backend: &Backend, arguments: RestoredArguments) -> anyhow::Result<String> {
    let mark = mark(backend.clock.now(), arguments.backup_at)?;
    generation::mark_restored(backend.store.as_ref(), mark).await?;
    Ok(format!(
        "Marked: the data was restored at {}. What is older is looked up at its provider before it is sent again.",
        mark.restored_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    ))
}

fn mark(now: Timestamp, backup_at: Option<Timestamp>) -> anyhow::Result<RestoreMark> {
    if let Some(backup_at) = backup_at {
        ensure!(backup_at <= now, "--backup-at {backup_at} is in the future; give the moment of the backup in UTC");
    }
    Ok(RestoreMark { backup_at, ..RestoreMark::at(now) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_backup_from_the_future_is_refused() {
        let (earlier, now) = (Timestamp::from_second(100).unwrap(), Timestamp::from_second(200).unwrap());
        assert_eq!(mark(now, Some(earlier)).unwrap().backup_at, Some(earlier));
        let refused = mark(earlier, Some(now)).unwrap_err().to_string();
        assert!(refused.starts_with("--backup-at 1970-01-01T00:03:20Z is in the future"), "{refused}");
    }
}
