//! Operators are alerted to a channel that cannot be posted to: once, not for each card.

use std::time::Duration;

use clients::{Connections, Failure};
use jobs::card_delivery::SlackDelivery;
use locale::{Fixed, Localized, texts};
use runtime::{Backend, TenantId};

use crate::alert;
use crate::alert::Alert;

/// Lasting trouble is reported again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether every card to the channel will fail in the same way.
pub(crate) fn is_of_the_channel(code: &str) -> bool {
    ["channel_not_found", "is_archived", "not_in_channel", "restricted_action"].contains(&code)
}

/// Alerts the operators, unless they were alerted before.
pub(crate) async fn notify(
    backend: &Backend,
    connections: &Connections,
    tenant: &TenantId,
    body: &SlackDelivery,
    failure: &Failure,
) -> Result<(), Failure> {
    let portal = connections.portal(tenant).await?;
    let channel = body.destination.name();
    let channel = channel.as_str();
    if alert::is_operators(&portal, channel) {
        return Ok(());
    }
    let (route, reason) = (body.route.as_str(), failure.text.as_str());
    let mut lines = vec![Localized::of(|_| texts::alerts::ChannelReason { route, reason })];
    lines.extend(fix(failure.code()).map(Localized::from));
    lines.push(texts::alerts::CARDS_CAN_BE_RETRIED.into());
    let alert = Alert {
        kind: "channel_trouble",
        what: channel,
        once: channel.trim_start_matches('#'),
        again_after: AGAIN_AFTER,
        head: Localized::of(|_| texts::alerts::ChannelTrouble { channel }),
        lines,
    };
    alert::raise(backend, &portal, &alert).await
}

fn fix(code: &str) -> Option<Fixed> {
    Some(match code {
        "channel_not_found" => texts::alerts::CHANNEL_NOT_FOUND,
        "is_archived" => texts::alerts::CHANNEL_ARCHIVED,
        "not_in_channel" => texts::alerts::CHANNEL_NEEDS_INVITATION,
        "restricted_action" => texts::alerts::CHANNEL_RESTRICTED,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_of_a_channel_has_a_fix() {
        let codes = ["channel_not_found", "is_archived", "not_in_channel", "restricted_action"];
        assert!(codes.iter().all(|code| is_of_the_channel(code) && fix(code).is_some()));
        assert!(!is_of_the_channel("ratelimited") && fix("ratelimited").is_none());
    }
}
