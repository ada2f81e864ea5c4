//! Messages that are late, or were found because no event of them had arrived: how late they are, and whether newer ones
//! were copied before.

use std::time::Duration;

use clients::Failure;
use jiff::Timestamp;
use jobs::{Hint, HintOrigin};
use runtime::TenantId;
use runtime::clock::until;
use runtime::job::ReceivedJob;
use slack::event::{EventCallback, MessageChange, MessageEvent};
use tenants::bridges::Bridge;
use user_mapping::TenantContext;

/// The remark for the line of a hint that the sweep made of a chat's message.
pub(crate) fn remark_of_hint(job: &ReceivedJob<Hint>) -> Option<String> {
    (job.body.origin == HintOrigin::Sweep).then(|| remark(job.body.sent_at().map(|at| until(at, job.arrived_at()))))
}

/// The remark for the line of a message that was found in a channel's history.
pub(crate) fn remark_of_event(job: &ReceivedJob<EventCallback>, message: &MessageEvent) -> Option<String> {
    job.body.found?;
    let happened_at = match message.change {
        MessageChange::Posted => written_at(&message.ts),
        MessageChange::Edited => message.edit.as_ref().and_then(|edit| written_at(&edit.at)),
        // The history does not say when.
        MessageChange::Deleted => None,
    };
    Some(remark(happened_at.map(|at| until(at, job.arrived_at()))))
}

/// Messages that arrive within this time are copied as they come.
const IN_TIME: Duration = Duration::from_secs(20);

/// The moment at which a message was written, if it arrived late and something newer of the conversation was copied
/// before it: then its copy says so.
pub(crate) async fn overtaken_at(
    context: &TenantContext,
    tenant: &TenantId,
    bridge: &Bridge,
    written_at: Option<Timestamp>,
    arrived_at: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    let Some(written_at) = written_at.filter(|at| until(*at, arrived_at) > IN_TIME) else { return Ok(None) };
    let copied = context.conversations.recent(tenant, &bridge.channel).await?;
    let newest = copied.first().and_then(|(ts, _)| self::written_at(ts));
    Ok(Some(written_at).filter(|at| newest.is_some_and(|newest| *at < newest)))
}

/// When a message in Slack was written, to the second.
pub(crate) fn written_at(ts: &str) -> Option<Timestamp> {
    Timestamp::from_second(ts.split('.').next()?.parse().ok()?).ok()
}

fn remark(late: Option<Duration>) -> String {
    let Some(late) = late else { return "found by the sweep".to_owned() };
    let number = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    let late = match late.as_secs() {
        seconds @ 0..60 => number(seconds, "second"),
        seconds @ 60..7_200 => number(seconds / 60, "minute"),
        seconds => number(seconds / 3_600, "hour"),
    };
    format!("found by the sweep, {late} late")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_late() {
        for (seconds, late) in
            [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (270, "4 minutes"), (7_200, "2 hours")]
        {
            assert_eq!(remark(Some(Duration::from_secs(seconds))), format!("found by the sweep, {late} late"));
        }
        assert_eq!(remark(None), "found by the sweep");
        assert_eq!(written_at("1700000001.000100").map(Timestamp::as_second), Some(1_700_000_001));
        assert_eq!((written_at("x"), written_at("")), (None, None));
    }
}
