//! What remains of a person after a deletion, and why.

use serde::Serialize;

use super::{ForgetAction, PersonReport};

/// Something that remains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remains {
    pub what: String,
    /// Why, for how long, and what ends it.
    pub why: String,
}

impl Remains {
    fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }

    pub fn line(&self) -> String {
        format!("{}: {}.", self.what, self.why)
    }
}

/// What remains: items that were found and are kept, and data that is not stored here.
pub fn remains(finding: &PersonReport) -> Vec<Remains> {
    let mut kept: Vec<(&'static str, &'static str, usize)> = Vec::new();
    for found in &finding.items {
        let ForgetAction::Keep(why) = found.action else { continue };
        match kept.iter_mut().find(|(name, known, _)| *name == found.kind.name && *known == why) {
            Some((_, _, count)) => *count += 1,
            None => kept.push((found.kind.name, why, 1)),
        }
    }
    let mut all: Vec<Remains> =
        kept.into_iter().map(|(name, why, count)| Remains::new(format!("{count} × {name}"), why)).collect();
    all.extend(jobs(finding));
    all.extend([
        Remains::new(
            "Ids, statuses and times",
            "numbers of records, people and messages stay in the log for 30 days and with the records, so that nothing is delivered twice; they name nobody by themselves",
        ),
        Remains::new(
            "Bitrix24, Slack and Notion",
            "what is stored there is deleted there, first: as long as a record holds the person's data, its next change brings it here again",
        ),
        Remains::new(
            "Backups, log files, earlier exports",
            "they are not changed; log files hold ids and reasons and end by their own retention, a backup that is restored brings the data back until this is run again",
        ),
        Remains::new(
            "On one machine, the free space of the database file",
            "deleted text can stand there until it is written over; stop the host and run `sqlite3 FILE VACUUM` to end that at once",
        ),
    ]);
    all
}

fn jobs(finding: &PersonReport) -> Option<Remains> {
    match &finding.waiting {
        Some(jobs) if jobs.is_empty() => None,
        Some(jobs) => Some(Remains::new(
            format!("{} × job that waits", jobs.len()),
            "what is under way is finished, within a day at most; run this again then",
        )),
        None => Some(Remains::new(
            "Jobs that wait on queues",
            "the queues do not show them; each is finished or given up within a day: run this again then",
        )),
    }
}
