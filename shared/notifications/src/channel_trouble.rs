//! Operators are alerted to a channel that cannot be posted to: once, not for each card.

use std::time::Duration;

use clients::{Connections, Failure};
use runtime::{Ports, TenantId};

use crate::alert;
use crate::alert::Alert;

/// Lasting trouble is reported again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether every card to the channel will meet the same.
pub(crate) fn is_of_the_channel(code: &str) -> bool {
    ["channel_not_found", "is_archived", "not_in_channel", "restricted_action"].contains(&code)
}

/// Tells the operators, unless they know.
pub(crate) async fn tell(
    ports: &Ports,
    connections: &Connections,
    tenant: &TenantId,
    channel: &str,
    what: &str,
) -> Result<(), Failure> {
    let portal = connections.portal(tenant).await?;
    if alert::is_operators(&portal, channel) {
        return Ok(());
    }
    let head = format!("Cards to {channel} do not arrive");
    let lines =
        [what.to_owned(), "They lie among the dead letters and can be sent again once it is mended.".to_owned()];
    let alert = Alert {
        kind: "channel_trouble",
        what: channel,
        once: channel.trim_start_matches('#'),
        again_after: AGAIN_AFTER,
        head: &head,
        lines: &lines,
    };
    alert::raise(ports, &portal, &alert).await
}
