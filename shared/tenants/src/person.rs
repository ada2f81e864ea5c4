//! One person's data in one tenant: found, exported, deleted.
//!
//! A person is a user of the portal, a member of Slack, or a customer. A request names them by a number, an id, a
//! record, an e-mail, a phone number or words; what else names them (the name of a contact, the e-mail of a profile) is
//! read from what is stored. Then every kind of item of the catalogue is listed, partition by partition, and searched.
//!
//! Deleting keeps ids, statuses and times, so that nothing is delivered a second time. What remains is listed with the
//! reason.

mod found;
mod remains;
mod who;
mod words;

use jiff::Timestamp;
use jobs::queues;
use runtime::queue::{Buried, Fate, QueueError};
use runtime::store::{Query, StoreError, StoreWrite, StoredItem, WriteCondition};
use runtime::{Backend, QueueName, TenantId};
use serde_json::{Value, json};

use crate::audit::{Audit, AuditEntry};
use crate::catalogue;
use crate::catalogue::kind_of;

pub use found::{ForgetAction, FoundItem};
pub use remains::{Remains, remains};
pub use who::{Ask, BadAsk, PersonIdentity};

/// The version of the document that [`export`] writes.
const VERSION: u32 = 1;
/// How often an item is read again that changes meanwhile.
const MAX_TRIES: usize = 5;
/// The most dead letters of a queue that are read.
const MAX_LETTERS: usize = 10_000;

/// Why a person's data could not be found or deleted.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// The tenant does not exist.
    #[error("no portal {0} is connected")]
    NoTenant(TenantId),
    /// There is more to search than the caller has time for.
    #[error("there are more than {0} items to search; run `switchboard person` instead, which takes the time it needs")]
    TooMuch(usize),
    /// An item kept changing.
    #[error("{0} is being changed by others all the time; try again in a minute")]
    Busy(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Everything that was found of a person.
#[derive(Debug)]
pub struct PersonReport {
    /// Who was looked for, and by what.
    pub person: PersonIdentity,
    pub items: Vec<FoundItem>,
    /// The dead letters.
    pub letters: Vec<(QueueName, Buried)>,
    /// The jobs that wait; `None` if the engine does not show them.
    pub waiting: Option<Vec<(QueueName, String)>>,
    /// How many items were searched.
    pub searched: usize,
}

impl PersonReport {
    /// How many items of each kind there are, and what happens to them.
    pub fn counts(&self) -> Vec<(&'static str, &'static str, usize)> {
        let mut counts: Vec<(&'static str, &'static str, usize)> = Vec::new();
        let items = self.items.iter().map(|found| (found.kind.name, found.action.words()));
        let letters = self.letters.iter().map(|_| ("failed delivery", ForgetAction::Delete.words()));
        for (name, action) in items.chain(letters) {
            match counts.iter_mut().find(|(known, what, _)| *known == name && *what == action) {
                Some((_, _, count)) => *count += 1,
                None => counts.push((name, action, 1)),
            }
        }
        counts
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.letters.is_empty() && self.waiting.as_ref().is_none_or(Vec::is_empty)
    }
}

/// What a deletion did.
#[derive(Debug)]
pub struct Forgotten {
    /// Items that were deleted.
    pub deleted: usize,
    /// Items in which words were replaced.
    pub blanked: usize,
    /// Failed deliveries that were discarded.
    pub discarded: usize,
    /// What is found afterwards.
    pub left: PersonReport,
}

/// Finds a person's data; at most `most` items are searched.
pub async fn find(
    backend: &Backend,
    tenant: &TenantId,
    asked: &[Ask],
    most: usize,
) -> Result<PersonReport, PersonError> {
    let person = who::known(backend, tenant, asked).await?;
    search(backend, tenant, person, most).await
}

async fn search(
    backend: &Backend,
    tenant: &TenantId,
    person: PersonIdentity,
    most: usize,
) -> Result<PersonReport, PersonError> {
    let mut finding = PersonReport { person, items: Vec::new(), letters: Vec::new(), waiting: None, searched: 0 };
    for (table, partition) in catalogue::partitions(backend.store.as_ref(), tenant, backend.clock.now()).await? {
        let mut query = Query::prefix(table, partition, "");
        loop {
            let page = backend.store.list(&query).await?;
            finding.searched += page.items.len();
            if finding.searched > most {
                return Err(PersonError::TooMuch(most));
            }
            let found = page.items.into_iter().filter_map(|item| FoundItem::of(&finding.person, tenant, item));
            finding.items.extend(found);
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    for queue in queues::ALL {
        finding.letters.extend(
            letters(backend, tenant, &finding.person, queue, Fate::Keep).await?.into_iter().map(|one| (queue, one)),
        );
        if let Some(bodies) = backend.queue.waiting(queue, tenant).await? {
            let theirs = bodies.into_iter().filter(|body| finding.person.is_in_text(body)).map(|body| (queue, body));
            finding.waiting.get_or_insert_default().extend(theirs);
        }
    }
    Ok(finding)
}

/// The dead letters that are about a person; `fate` is what happens to them.
async fn letters(
    backend: &Backend,
    tenant: &TenantId,
    person: &PersonIdentity,
    queue: QueueName,
    fate: Fate,
) -> Result<Vec<Buried>, QueueError> {
    let mut theirs = Vec::new();
    let mut judge = |buried: &Buried| {
        let letter = &buried.letter;
        let is_theirs = letter.tenant == tenant.as_str()
            && (person.is_in_text(&letter.body)
                || person.is_in_text(&letter.reason)
                || person.is_in_text(&letter.group));
        if !is_theirs {
            return Fate::Keep;
        }
        theirs.push(buried.clone());
        fate
    };
    backend.queue.sift(queue, MAX_LETTERS, &mut judge).await?;
    Ok(theirs)
}

/// What was found, as a document for the person: where each item is, and its content. Secrets are masked.
pub fn export(finding: &PersonReport, tenant: &TenantId, now: Timestamp) -> Value {
    let items: Vec<Value> = finding.items.iter().map(FoundItem::shown).collect();
    let letters: Vec<Value> = finding
        .letters
        .iter()
        .map(|(queue, buried)| {
            let letter = serde_json::to_value(&buried.letter).unwrap_or_default();
            json!({"queue": queue.name(), "id": buried.id, "kind": "failed delivery", "value": found::masked(letter)})
        })
        .collect();
    let waiting: Option<Vec<Value>> = finding.waiting.as_ref().map(|jobs| {
        let shown = |(queue, body): &(QueueName, String)| {
            let job = serde_json::from_str(body).unwrap_or(Value::String(body.clone()));
            json!({"queue": queue.name(), "kind": "waiting job", "value": found::masked(job)})
        };
        jobs.iter().map(shown).collect()
    });
    json!({
        "switchboard_person_export": VERSION,
        "tenant": tenant.as_str(),
        "at": now.to_string(),
        "looked_for": finding.person.looked_for(),
        "not_looked_for": finding.person.left_out(),
        "items": items,
        "failed_deliveries": letters,
        "waiting_jobs": waiting,
        "remains_after_deletion": remains(finding),
    })
}

/// Notes that a person's data was exported, and by whom, without repeating it.
pub async fn note_export(backend: &Backend, tenant: &TenantId, asked: &[Ask], who: &str) -> Result<(), StoreError> {
    note(backend, tenant, "a person's data exported", asked, who, "").await
}

async fn note(
    backend: &Backend,
    tenant: &TenantId,
    what: &str,
    asked: &[Ask],
    who: &str,
    after: &str,
) -> Result<(), StoreError> {
    let asked: Vec<String> = asked.iter().map(Ask::for_audit).collect();
    let entry = AuditEntry::new(backend.clock.now(), who, what, asked.join(", ")).changed("", after);
    Audit::new(backend.store.clone()).note(tenant, &entry).await
}

/// Deletes what was found, or replaces the person's words in it, and searches again.
pub async fn forget(
    backend: &Backend,
    tenant: &TenantId,
    asked: &[Ask],
    who: &str,
    most: usize,
) -> Result<Forgotten, PersonError> {
    let finding = find(backend, tenant, asked, most).await?;
    let (mut deleted, mut blanked, mut discarded) = (0, 0, 0);
    for found in &finding.items {
        match found.action {
            ForgetAction::Delete => {
                backend.store.delete(&found.item.key).await?;
                deleted += 1;
            }
            ForgetAction::Blank => blanked += usize::from(blank(backend, tenant, &finding.person, &found.item).await?),
            ForgetAction::Keep(_) => {}
        }
    }
    let queues: std::collections::BTreeSet<QueueName> = finding.letters.iter().map(|(queue, _)| *queue).collect();
    for queue in queues {
        discarded += letters(backend, tenant, &finding.person, queue, Fate::Discard).await?.len();
    }
    let counts = format!(
        "{deleted} items deleted, {blanked} without the person's words, {discarded} failed deliveries discarded"
    );
    note(backend, tenant, "a person's data deleted", asked, who, &counts).await?;
    tracing::info!(%tenant, deleted, blanked, discarded, "a person's data was deleted on request");
    let left = search(backend, tenant, finding.person, most).await?;
    Ok(Forgotten { deleted, blanked, discarded, left })
}

/// Replaces a person's words in an item, also while others write it; returns whether there were any.
async fn blank(
    backend: &Backend,
    tenant: &TenantId,
    person: &PersonIdentity,
    item: &StoredItem,
) -> Result<bool, PersonError> {
    let mut item = item.clone();
    for _ in 0..MAX_TRIES {
        let Some(value) = found::without(person, &item)? else { return Ok(false) };
        let mut write = StoreWrite::new(item.key.clone(), &value, WriteCondition::Version(item.version))?;
        write.expires_at = item.expires_at;
        match backend.store.put(write).await {
            Ok(_) => return Ok(true),
            Err(StoreError::Conflict(_)) => match backend.store.get(&item.key).await? {
                Some(newer) => item = newer,
                None => return Ok(false),
            },
            Err(error) => return Err(error.into()),
        }
    }
    let name = kind_of(&item.key).map_or("an item", |kind| kind.name);
    Err(PersonError::Busy(format!("a {name} of {tenant}")))
}
