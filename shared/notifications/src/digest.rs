//! Sends what waited for a destination, together.

use std::time::Duration;

use clients::Failure;
use jiff::Timestamp;
use jobs::chat::SlackJob;
use jobs::{Hint, SlackDelivery};
use locale::{Language, texts};
use runtime::clock::{later, until};
use runtime::job::ReceivedJob;
use runtime::ledger::{DeliveryLine, DeliveryStatus, Ledger, delivery_write};
use runtime::store::{StoreWrite, WriteCondition};
use runtime::{Backend, Decision, DeliveryId, Verdict};
use slack::Mrkdwn;

use crate::blocks;
use crate::digest_items::{DigestItem, DigestWindow};

/// Decisions that were on their way at the end of a wait are waited for.
const GRACE: Duration = Duration::from_secs(5);
/// The most lines of a digest.
const MAX_LINES: usize = 45;

/// A digest to send: what waited for a destination until a moment.
pub struct Digest<'a> {
    /// The destination, as in the items' windows.
    pub place: &'a str,
    /// Until when, in Unix seconds.
    pub until: i64,
    /// Whether it waited for the end of quiet hours, rather than because of their number.
    pub quiet: bool,
    pub language: Language,
    /// The digest's delivery, except for its id and its message.
    pub sample: &'a SlackDelivery,
}

impl Digest<'_> {
    fn render(&self, lines: &[Mrkdwn], left: usize) -> slack::SlackMessage {
        let title = if self.quiet { texts::cards::AFTER_QUIET_HOURS } else { texts::cards::MANY_AT_ONCE };
        blocks::digest(lines, left, self.language, self.language.text(title))
    }
}

/// Adds what waited to the decision, as one card. Every item is marked first, in as many transactions as needed; the
/// last one makes the delivery. A crash in between only marks again what is marked.
pub async fn send(
    backend: &Backend,
    job: &ReceivedJob<Hint>,
    decision: &mut Decision,
    digest: &Digest<'_>,
) -> Result<Verdict, Failure> {
    let now = backend.clock.now();
    let until_moment = Timestamp::from_second(digest.until).unwrap_or(now);
    let waiting = DigestWindow { tenant: &job.tenant, place: digest.place, until: until_moment };
    let due = later(waiting.until, GRACE);
    if now < due {
        return Ok(Verdict::Wait { after: until(now, due), cause: format!("sent together at {}", waiting.until) });
    }
    let tenant = &job.tenant;
    let id = DeliveryId::of(&[tenant.as_str(), "digest", waiting.place, &waiting.until.to_string()]);
    let ledger = Ledger::new(backend.store.clone());
    let (mut lines, mut count, mut after) = (Vec::new(), 0usize, None);
    loop {
        let (holds, page) = waiting.page(backend.store.as_ref(), after).await?;
        let mut writes: Vec<StoreWrite> = Vec::new();
        for hold in &holds {
            count += 1;
            if lines.len() < MAX_LINES {
                lines.push(Mrkdwn::from_markup(&hold.line));
            }
            if hold.taken {
                continue;
            }
            writes.push(waiting.hold(&DigestItem { taken: true, ..hold.clone() })?);
            if let Some((mut told, version)) = ledger.delivery(tenant, hold.trace, &hold.delivery).await? {
                told.status = DeliveryStatus::Grouped { into: id.clone() };
                writes.push(delivery_write(tenant, told, WriteCondition::Version(version))?);
            }
        }
        if !writes.is_empty() {
            backend.store.put_all(writes).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if lines.is_empty() {
        return Ok(Verdict::skip("nothing waited to be sent together"));
    }
    let body = SlackDelivery {
        delivery: id.to_string(),
        record: format!("{count} changes").into(),
        change: "digest".into(),
        message: digest.render(&lines, count - lines.len()),
        ..digest.sample.clone()
    };
    let line = DeliveryLine {
        record: body.record.to_string(),
        change: body.change.clone(),
        route: body.route.clone(),
        destination: body.destination.name(),
        ..DeliveryLine::new(id, job.trace, backend.clock.now(), DeliveryStatus::Queued)
    };
    decision.deliver(line, &SlackJob::Card(Box::new(body)))?;
    Ok(Verdict::Commit)
}
