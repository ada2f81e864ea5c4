//! A request that has to wait, because Bitrix24 does not answer: what the person reads of it in direct messages, and how
//! they cancel it.
//!
//! The message is in direct messages, where it can be changed when the wait is over; an answer in a channel that only one
//! person sees cannot. What is kept of the request says who may cancel it, and where it is: a try begins and ends with a
//! write, so that a cancellation either comes before the try, or is found at its end.

use std::time::Duration;

use clients::{ErrorClass, Failure};
use jiff::Timestamp;
use jobs::card_delivery::marked_as;
use jobs::slack_request::SlackRequest;
use locale::{Fixed, Language, texts};
use runtime::clock::{is_recent, later, until};
use runtime::store::{ItemKey, Store, StoreError, StoreWrite, Table, Version, WriteCondition};
use runtime::{TenantId, TraceId};
use serde::{Deserialize, Serialize};
use slack::answers::Shown;
use slack::block::{Block, Element};
use slack::message::Posted;
use slack::{Mrkdwn, SlackMessage};

use crate::lead::LeadCommand;
use crate::request::{CommandAnswer, CommandRequest};
use crate::spec::{Acknowledge, CommandSpec, WithoutText};
use crate::task::TaskCommand;
use crate::{answers, reply};

/// The `action_id` of the button that cancels a request that waits.
pub const CANCEL: &str = "cancel_request";
/// How long it is known what became of a request: as long as its queue keeps it.
const WAITING_TTL: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How long a try may still be under way after it began: longer than it takes unless a provider hangs. Meanwhile nobody
/// else tries it, as after the early end of a lease; after a crash it waits for as long.
const MAX_TRY: Duration = Duration::from_secs(60);

/// Where a request is that has had to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WaitState {
    /// It is tried.
    Trying,
    /// It is tried, and not again if that fails.
    LastTry,
    /// It waits for its next try.
    Waiting,
    Cancelled,
    /// It is done, or given up.
    Ended,
}

/// What is kept of a request that has had to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WaitingRequest {
    /// Who asked, by their id in Slack.
    user: String,
    state: WaitState,
    /// The message about the wait: its channel and its time there.
    notice: Option<(String, String)>,
    /// Whether a try may have reached Bitrix24.
    is_unsure: bool,
    /// Until when Bitrix24 may still do what a try asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    late_until: Option<Timestamp>,
    /// When the try began that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tried_at: Option<Timestamp>,
}

/// How a wait goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextTry {
    /// It is tried. Until then, what an earlier try asked for may still be done.
    Go {
        /// If a try got no answer for long.
        late_until: Option<Timestamp>,
    },
    /// An earlier try may be under way for this long.
    InHand(Duration),
    /// The person has cancelled it.
    Cancelled,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy)]
pub enum WaitEnd<'a> {
    /// It was done.
    Done,
    /// It was given up, for this reason.
    Failed(&'a str),
}

/// The longest wait before the next try of what a person waits for, by how long they have waited.
pub fn max_wait(asked_at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_secs(match until(asked_at, now).as_secs() {
        0..600 => 20,
        600..3_600 => 60,
        _ => 300,
    })
}

impl WaitState {
    /// The state when a try begins; `None` if it must not.
    fn tried(self) -> Option<Self> {
        match self {
            // A try that was cancelled, and whose end nobody saw, is not repeated.
            Self::LastTry | Self::Cancelled => None,
            // One that has ended was given up, and a person has sent it again.
            Self::Trying | Self::Waiting | Self::Ended => Some(Self::Trying),
        }
    }

    /// The state after a try that failed.
    fn failed(self) -> Self {
        match self {
            Self::LastTry | Self::Cancelled => Self::Cancelled,
            Self::Trying | Self::Waiting | Self::Ended => Self::Waiting,
        }
    }

    /// The state after the person pressed *Cancel*, and what they are answered.
    fn cancelled(self, is_unsure: bool) -> (Self, Fixed) {
        match self {
            Self::Waiting => (Self::Cancelled, cancelled_text(is_unsure)),
            Self::Cancelled => (self, cancelled_text(is_unsure)),
            Self::Trying | Self::LastTry => (Self::LastTry, texts::commands::BEING_TRIED),
            Self::Ended => (self, texts::commands::CANCELLED_TOO_LATE),
        }
    }
}

fn cancelled_text(is_unsure: bool) -> Fixed {
    if is_unsure { texts::commands::CANCELLED_UNSURE } else { texts::commands::CANCELLED }
}

/// Notes that a request is tried again at `now`. A first try, which nothing but its claim tells of, began when it was
/// claimed.
///
/// # Errors
/// If the store does not answer.
pub async fn try_again(
    store: &dyn Store,
    tenant: &TenantId,
    trace: TraceId,
    claimed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<NextTry, Failure> {
    let (id, mut in_hand_for) = (trace.to_string(), in_hand(now, claimed_at));
    let known = change(store, tenant, &id, |waiting| {
        in_hand_for = in_hand(now, waiting.tried_at);
        if in_hand_for.is_some() {
            return waiting;
        }
        let state = waiting.state.tried().unwrap_or(WaitState::Cancelled);
        WaitingRequest { state, tried_at: Some(now), ..waiting }
    });
    let known = known.await?;
    Ok(match (in_hand_for, known) {
        (Some(wait), _) => NextTry::InHand(wait),
        (None, Some(waiting)) if waiting.state == WaitState::Cancelled => NextTry::Cancelled,
        (None, known) => NextTry::Go { late_until: known.and_then(|waiting| waiting.late_until) },
    })
}

/// For how long a try that began then may still be under way.
fn in_hand(now: Timestamp, began_at: Option<Timestamp>) -> Option<Duration> {
    let began_at = began_at.filter(|began_at| is_recent(now, *began_at, MAX_TRY))?;
    Some(until(now, later(began_at, MAX_TRY)))
}

/// Notes that a try failed and the request waits for the next; the first time, the person reads what for, with a button
/// that cancels it. Returns whether it is cancelled by now.
///
/// # Errors
/// If the store or Slack does not answer.
pub async fn wait(
    request: &CommandRequest<'_>,
    trace: TraceId,
    asked: &SlackRequest,
    failure: &Failure,
) -> Result<NextTry, Failure> {
    let (store, tenant) = (request.deps.context.backend.store.as_ref(), &request.tenant.id);
    let (id, is_unsure) = (trace.to_string(), failure.class == ErrorClass::UnknownOutcome);
    let late_until = request.late_until();
    let known = change(store, tenant, &id, |waiting| {
        let is_unsure = waiting.is_unsure || is_unsure;
        WaitingRequest { state: waiting.state.failed(), is_unsure, late_until, tried_at: None, ..waiting }
    });
    if let Some(waiting) = known.await? {
        if waiting.state != WaitState::Cancelled {
            return Ok(NextTry::Go { late_until });
        }
        show(request, &waiting, request.language.text(cancelled_text(waiting.is_unsure))).await;
        return Ok(NextTry::Cancelled);
    }
    let notice = notify(request, trace, asked, failure).await?;
    let notice = notice.map(|posted| (posted.channel.to_string(), posted.ts.to_string()));
    let waiting = WaitingRequest {
        user: request.user.clone(),
        state: WaitState::Waiting,
        notice,
        is_unsure,
        late_until,
        tried_at: None,
    };
    let write = StoreWrite::new(key(tenant, &id), &waiting, WriteCondition::Absent)?;
    match store.put(write.expiring(later(request.deps.clock.now(), WAITING_TTL))).await {
        Ok(_) | Err(StoreError::Conflict(_)) => Ok(NextTry::Go { late_until }),
        Err(error) => Err(error.into()),
    }
}

/// Notes that a request that had to wait has ended, and changes the message about it.
///
/// # Errors
/// If the store does not answer.
pub async fn end(request: &CommandRequest<'_>, trace: TraceId, end: WaitEnd<'_>) -> Result<(), Failure> {
    let (store, tenant) = (request.deps.context.backend.store.as_ref(), &request.tenant.id);
    let id = trace.to_string();
    let ended = change(store, tenant, &id, |waiting| WaitingRequest { state: WaitState::Ended, ..waiting });
    if let Some(waiting) = ended.await? {
        let text = match end {
            WaitEnd::Done => request.language.text(texts::commands::WAITED_AND_DONE).to_owned(),
            WaitEnd::Failed(reason) => request.language.text(texts::commands::WaitedAndFailed { reason }),
        };
        show(request, &waiting, &text).await;
    }
    Ok(())
}

/// Handles *Cancel*.
pub(crate) async fn cancel(request: &CommandRequest<'_>, trace: &str) -> Result<CommandAnswer, Failure> {
    let (store, tenant) = (request.deps.context.backend.store.as_ref(), &request.tenant.id);
    let Some((waiting, _)) = find(store, tenant, trace).await? else {
        return Ok(said(request, texts::commands::CANCELLED_TOO_LATE, None));
    };
    if waiting.user != request.user {
        return Ok(said(request, texts::commands::CANCELLED_BY_OTHER, Some("refused: not_yours")));
    }
    let mut text = texts::commands::CANCELLED_TOO_LATE;
    let changed = change(store, tenant, trace, |waiting| {
        let (state, answer) = waiting.state.cancelled(waiting.is_unsure);
        text = answer;
        WaitingRequest { state, ..waiting }
    });
    let did = match changed.await? {
        Some(waiting) if waiting.state == WaitState::Cancelled => {
            show(request, &waiting, request.language.text(text)).await;
            // What the person asks for next is behind it, and would wait for its next try.
            if let Err(error) = request.deps.context.backend.queue.wake(tenant).await {
                tracing::warn!(%tenant, %error, "what waits behind a cancelled request could not be woken; it comes by itself");
            }
            Some("request.cancelled")
        }
        _ => None,
    };
    Ok(said(request, text, did))
}

fn said(request: &CommandRequest<'_>, text: Fixed, did: Option<&str>) -> CommandAnswer {
    let answer = CommandAnswer::private(answers::plain(request.language.text(text)));
    CommandAnswer { did: did.map(str::to_owned), ..answer }
}

/// Says what a request waits for; in the place where it was asked, if the person has no direct messages with us.
async fn notify(
    request: &CommandRequest<'_>,
    trace: TraceId,
    asked: &SlackRequest,
    failure: &Failure,
) -> Result<Option<Posted>, Failure> {
    let message = notice(request.language, asked, failure, &trace.to_string());
    let slack = &request.tenant.slack;
    if let Some(direct) = slack.direct(0, Some(&request.user), None).await? {
        slack.admit_post(&direct).await?;
        return slack.post(&direct, &message, &marked_as(&format!("waits-{}", request.id.as_str()))).await.map(Some);
    }
    reply::send(request, &message, Shown::ToOne, true).await?;
    Ok(None)
}

/// The message about a wait.
pub(crate) fn notice(language: Language, asked: &SlackRequest, failure: &Failure, trace: &str) -> SlackMessage {
    let why = match failure.class {
        ErrorClass::Reauthorise => texts::commands::WAITS_FOR_ACCESS,
        ErrorClass::Throttled { .. } => texts::commands::WAITS_FOR_LIMIT,
        _ => texts::commands::WAITS_FOR_ANSWER,
    };
    let spec = spec_of(asked);
    let what = if spec == Some(&LeadCommand::SPEC) {
        texts::commands::WAITING_LEAD
    } else if spec == Some(&TaskCommand::SPEC) {
        texts::commands::WAITING_TASK
    } else {
        texts::commands::WAITING_OTHER
    };
    let sentences = [why, what, texts::commands::WAITING_TRIES].map(|text| language.text(text));
    let text = Mrkdwn::text(&sentences.join(" "));
    let button = Element::press(language.text(texts::commands::CANCEL), CANCEL, trace);
    SlackMessage::new(text.clone(), [Block::section(text), Block::actions([button])])
}

/// The command that a request is of.
fn spec_of(asked: &SlackRequest) -> Option<&'static CommandSpec> {
    match asked {
        SlackRequest::Command(command) => CommandSpec::find(&command.command),
        SlackRequest::Interaction(interaction) => match &interaction.act {
            slack::interaction::Act::Sent { callback_id, .. } => {
                let is_its =
                    |spec: &&CommandSpec| matches!(spec.without_text, WithoutText::Form(id) if id == callback_id);
                crate::ALL.iter().copied().find(is_its)
            }
            _ => None,
        },
    }
}

/// Changes the message about a wait. That is for the reader only: if it fails, the request goes on.
async fn show(request: &CommandRequest<'_>, waiting: &WaitingRequest, text: &str) {
    let Some((channel, ts)) = &waiting.notice else { return };
    let posted = Posted { channel: channel.as_str().into(), ts: ts.as_str().into() };
    if let Err(error) = request.tenant.slack.update(&posted, &answers::plain(text)).await {
        tracing::warn!(tenant = %request.tenant.id, %error, "the message about a wait could not be changed");
    }
}

async fn find(
    store: &dyn Store,
    tenant: &TenantId,
    trace: &str,
) -> Result<Option<(WaitingRequest, Version)>, StoreError> {
    let item = store.get(&key(tenant, trace)).await?;
    item.map(|item| Ok((item.decode()?, item.version))).transpose()
}

/// Changes what is kept of a request, whoever else changes it meanwhile; `None` if it never had to wait.
async fn change(
    store: &dyn Store,
    tenant: &TenantId,
    trace: &str,
    mut change: impl FnMut(WaitingRequest) -> WaitingRequest,
) -> Result<Option<WaitingRequest>, StoreError> {
    while let Some((before, version)) = find(store, tenant, trace).await? {
        let after = change(before.clone());
        if after == before {
            return Ok(Some(after));
        }
        match store.put(StoreWrite::new(key(tenant, trace), &after, WriteCondition::Version(version))?).await {
            Ok(_) => return Ok(Some(after)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn key(tenant: &TenantId, trace: &str) -> ItemKey {
    ItemKey::new(Table::Links, format!("{tenant}#waiting"), trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_comes_before_a_try_or_is_found_at_its_end() {
        let cancel = |state: WaitState| state.cancelled(false).0;
        assert_eq!(cancel(WaitState::Waiting).tried(), None, "before a try");
        let during = cancel(WaitState::Trying);
        assert_eq!((during, during.failed()), (WaitState::LastTry, WaitState::Cancelled), "during a try that fails");
        assert_eq!(during.tried(), None, "during a try whose end nobody saw");
        assert_eq!(cancel(WaitState::Ended), WaitState::Ended, "after it was done");
        for state in [WaitState::Trying, WaitState::Waiting, WaitState::Ended] {
            assert_eq!(cancel(cancel(state)), cancel(state), "twice is once");
        }
    }

    #[test]
    fn a_try_is_in_hand_for_a_minute_whatever_the_clock_does() {
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        let wait = |began, now| in_hand(at(now), Some(at(began))).map(|wait| wait.as_secs());
        assert_eq!([wait(100, 100), wait(100, 159), wait(100, 160)], [Some(60), Some(1), None]);
        assert_eq!(wait(100_000, 100), None, "before the clock was set back");
        assert_eq!(in_hand(at(100), None), None);
    }

    #[test]
    fn tries_come_less_often_the_longer_a_person_has_waited() {
        let at = |second| Timestamp::from_second(second).unwrap_or_default();
        let waits = [0, 599, 600, 3_599, 3_600, 80_000].map(|now| max_wait(at(0), at(now)).as_secs());
        assert_eq!(waits, [20, 20, 60, 60, 300, 300]);
    }
}
