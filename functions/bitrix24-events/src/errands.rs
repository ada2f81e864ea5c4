//! Follow-ups, done after a wait: looking for the recording of a call, and sending a digest.

use std::time::Duration;

use clients::Failure;
use jiff::Timestamp;
use jobs::chat::SlackJob;
use jobs::hint::Errand;
use jobs::{Hint, SlackDelivery};
use locale::texts;
use notifications::card;
use notifications::holds::Waiting;
use records::{Change, ChangeKind, State};
use runtime::DeliveryId;
use runtime::clock::{later, until};
use runtime::job::{Outcome, ReceivedJob};
use runtime::ledger::{DeliveryLine, DeliveryStatus, delivery_write};
use runtime::store::{Condition, Write};
use slack::Mrkdwn;

use crate::Deps;
use crate::calls;
use crate::decide::{decision, finish, skip, wait};

/// A recording appears 5 to 30 seconds after its call; after the last of these it is given up.
const RECORDING_LOOKS: [u64; 9] = [5, 5, 10, 10, 15, 30, 60, 120, 300];
/// Decisions that were on their way at the end of a wait are waited for.
const GRACE: Duration = Duration::from_secs(5);
/// The most lines of a digest.
const MAX_LINES: usize = 45;

pub(crate) async fn run(deps: &Deps, job: &ReceivedJob<Hint>, errand: &Errand) -> Result<Outcome, Failure> {
    match errand {
        Errand::Recording { call_id } => recording(deps, job, call_id).await,
        Errand::Digest { place, until, quiet, language, sample } => {
            let until = Timestamp::from_second(*until).unwrap_or_else(|_| deps.clock.now());
            let waiting = Waiting { tenant: &job.tenant, place, until };
            let title = match quiet {
                true => language.text(texts::cards::AFTER_QUIET_HOURS),
                false => language.text(texts::cards::MANY_AT_ONCE),
            };
            digest(deps, job, &waiting, sample, |lines, left| card::digest(lines, left, *language, title)).await
        }
    }
}

async fn recording(deps: &Deps, job: &ReceivedJob<Hint>, call_id: &str) -> Result<Outcome, Failure> {
    // The first look is after the first wait: nothing is there at once.
    let place = usize::try_from(job.attempt).unwrap_or(usize::MAX) - 1;
    if place > 0 {
        let portal = deps.connections.portal(&job.tenant).await?;
        let client = deps.connections.bitrix24(&portal).await?;
        match calls::read(&client, call_id).await? {
            Ok(call) if call.has_recording() => {
                let client_record = calls::client_of(&call);
                let deal = calls::deal_of(&client, &call, client_record.as_ref()).await?;
                let change = Change {
                    deal,
                    client: client_record,
                    ..Change::new(ChangeKind::CallRecorded, format!("call {call_id}"), State::from(call))
                };
                return finish(deps, job, vec![change], &format!("recording#{call_id}")).await;
            }
            Ok(_) => {}
            Err(why) => return skip(deps, job, format!("the recording cannot be searched for: {why}")).await,
        }
    }
    match RECORDING_LOOKS.get(place) {
        Some(seconds) => {
            wait(deps, job, Duration::from_secs(*seconds), "the recording has not appeared yet".into()).await
        }
        None => {
            let minutes = RECORDING_LOOKS.iter().sum::<u64>() / 60;
            skip(deps, job, format!("no recording appeared within {minutes} minutes")).await
        }
    }
}

/// Tells together what waited. Every hold is marked first, in as many transactions as it takes; the last one makes
/// the delivery. A fall in between only marks again what is marked.
async fn digest(
    deps: &Deps,
    job: &ReceivedJob<Hint>,
    waiting: &Waiting<'_>,
    sample: &SlackDelivery,
    render: impl Fn(&[Mrkdwn], usize) -> slack::Message,
) -> Result<Outcome, Failure> {
    let now = deps.clock.now();
    let due = later(waiting.until, GRACE);
    if now < due {
        return wait(deps, job, until(now, due), format!("sent together at {}", waiting.until)).await;
    }
    let tenant = &job.tenant;
    let id = DeliveryId::of(&[tenant.as_str(), "digest", waiting.place, &waiting.until.to_string()]);
    let (mut lines, mut count, mut after) = (Vec::new(), 0usize, None);
    loop {
        let (holds, page) = waiting.page(deps.store.as_ref(), after).await?;
        let mut writes: Vec<Write> = Vec::new();
        for hold in &holds {
            count += 1;
            if lines.len() < MAX_LINES {
                lines.push(Mrkdwn::from_markup(&hold.line));
            }
            if hold.taken {
                continue;
            }
            writes.push(waiting.hold(&notifications::holds::Hold { taken: true, ..hold.clone() })?);
            if let Some((mut told, version)) = deps.ledger.delivery(tenant, hold.trace, &hold.delivery).await? {
                told.status = DeliveryStatus::Grouped { into: id.clone() };
                writes.push(delivery_write(tenant, told, Condition::Version(version))?);
            }
        }
        if !writes.is_empty() {
            deps.store.put_all(writes).await?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if lines.is_empty() {
        return skip(deps, job, "nothing waited to be sent together".into()).await;
    }
    let message_text = render(&lines, count - lines.len());
    let body = SlackDelivery {
        delivery: id.to_string(),
        record: format!("{count} changes"),
        change: "digest".into(),
        message: message_text,
        ..sample.clone()
    };
    let line = DeliveryLine {
        record: body.record.clone(),
        change: body.change.clone(),
        route: body.route.clone(),
        destination: body.channel.clone(),
        ..DeliveryLine::new(id, job.trace, deps.clock.now(), DeliveryStatus::Queued)
    };
    let mut decision = decision(deps, job);
    decision.deliver(line, &SlackJob::Card(Box::new(body)))?;
    Ok(decision.commit(&deps.ports).await?)
}
