//! Trouble with a channel is told to the operators once, not once a card.

use std::time::Duration;

use connect::Failure;
use platform::TenantId;
use platform::clock::later;
use platform::store::{Condition, Key, StoreError, Table, Write};
use records::alert;
use rules::Settings;

use crate::Deps;

/// As long as it lasts, trouble is told again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether every card to the channel will meet the same.
pub(crate) fn is_of_the_channel(code: &str) -> bool {
    ["channel_not_found", "is_archived", "not_in_channel", "restricted_action"].contains(&code)
}

/// Tells the operators, unless they know.
pub(crate) async fn tell(deps: &Deps, tenant: &TenantId, channel: &str, what: &str) -> Result<(), Failure> {
    let portal = deps.connections.portal(tenant).await?;
    let settings: Settings = serde_json::from_value(portal.settings.clone()).unwrap_or_default();
    if alert::is_operators(&settings, channel) {
        return Ok(());
    }
    let key = Key::new(Table::Links, format!("{tenant}#trouble"), channel.trim_start_matches('#'));
    let until = later(deps.clock.now(), AGAIN_AFTER);
    match deps.ports.store.put(Write::new(key, &what, Condition::Absent)?.expiring(until)).await {
        Ok(_) => {}
        Err(StoreError::Conflict(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let head = format!("Cards to {channel} do not arrive");
    let lines =
        [what.to_owned(), "They lie among the dead letters and can be sent again once it is mended.".to_owned()];
    alert::raise(&deps.ports, &portal, "channel_trouble", channel, &head, &lines).await.map(|_| ())
}
