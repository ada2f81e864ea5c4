//! What of a conversation is carried when something about it becomes known before the message itself: an edit, for
//! example, whose message's event was refused and is sent again later.

use bitrix24::chat::ChatMessage;
use clients::Failure;
use crm::sweeps::Sweeps;
use jiff::Timestamp;
use runtime::TenantId;
use runtime::clock::MAX_PROVIDER_SKEW;
use tenants::bridges::Bridge;
use user_mapping::TenantContext;

use super::progress::StoredProgress;
use super::slack_moment;

/// The messages of a bridge that the sweep would carry if nothing had been known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CarriedSpan {
    /// They were not written before this.
    since: Timestamp,
    /// Nor after this: a clock is wrong there.
    until: Timestamp,
    /// The last message of the chat that a sweep has checked.
    checked_in_chat: Option<u64>,
}

impl CarriedSpan {
    pub(crate) async fn of(context: &TenantContext, tenant: &TenantId, bridge: &Bridge) -> Result<Self, Failure> {
        let now = context.backend.clock.now();
        let sweeps = Sweeps::new(context.backend.store.clone());
        let progress = StoredProgress::of(&sweeps, tenant, bridge, now).await?.progress;
        let (since, until) = (progress.carried_since(now), now + MAX_PROVIDER_SKEW);
        Ok(Self { since, until, checked_in_chat: progress.chat.upto })
    }

    /// Whether a message of the channel is one of them.
    pub(crate) fn has_in_channel(&self, ts: &str) -> bool {
        slack_moment(self.since).as_str() < ts && ts <= slack_moment(self.until).as_str()
    }

    /// Whether a message of the chat is one of them. Of one without a time only those are known that no sweep has checked.
    pub(crate) fn has_in_chat(&self, message: &ChatMessage) -> bool {
        match message.written_at {
            Some(written_at) => (self.since..=self.until).contains(&written_at),
            None => self.checked_in_chat.is_some_and(|checked| checked < message.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u64, written_at: Option<&str>) -> ChatMessage {
        ChatMessage {
            id,
            text: "x".into(),
            shortened: false,
            answers: None,
            files: Vec::new(),
            is_system: false,
            written_at: written_at.map(|at| at.parse().unwrap()),
        }
    }

    #[test]
    fn what_was_written_since_the_bridge_began_is_carried() {
        let since = "2026-11-28T12:00:00Z".parse().unwrap();
        let until = "2026-11-28T13:00:00Z".parse().unwrap();
        let span = CarriedSpan { since, until, checked_in_chat: Some(7) };
        let in_channel = |second: i64| span.has_in_channel(&format!("{}.000100", since.as_second() + second));
        assert!(in_channel(0) && in_channel(1) && !in_channel(-1));
        assert!(in_channel(3_599) && !in_channel(3_601), "it was not written yet");
        assert!(span.has_in_chat(&message(1, Some("2026-11-28T12:00:00Z"))));
        assert!(!span.has_in_chat(&message(9, Some("2026-11-28T11:59:59Z"))));
        assert!(!span.has_in_chat(&message(9, Some("2026-11-28T13:00:01Z"))));
        assert!(span.has_in_chat(&message(8, None)) && !span.has_in_chat(&message(7, None)));
        assert!(!CarriedSpan { checked_in_chat: None, ..span }.has_in_chat(&message(8, None)), "no sweep has run");
    }
}
