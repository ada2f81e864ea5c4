//! Each tenant's access to its providers: renewed before it expires; operators are notified once when a provider
//! rejects it, and once when it works again.

use std::time::Duration;

use clients::{Connections, Failure, Standing, Trouble};
use jiff::Timestamp;
use runtime::clock::until;
use runtime::{Ports, TenantId};
use tenants::portals::Portal;

use crate::alert;
use crate::alert::Alert;

/// Lasting trouble is reported again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Looks after the tokens and the troubles of a tenant. Returns whether the portal itself can be called. `public_url` is
/// where people reach us.
pub async fn keep(
    ports: &Ports,
    connections: &Connections,
    public_url: Option<&str>,
    portal: &Portal,
) -> Result<bool, Failure> {
    let tenant = &portal.tenant;
    for standing in connections.token_standings(tenant).await? {
        match connections.renew_if_idle(tenant, standing.slot).await {
            Ok(true) => tracing::info!(%tenant, slot = standing.slot.name(), "a token that nobody used was renewed"),
            Ok(false) => {}
            Err(failure) => {
                tracing::warn!(%tenant, slot = standing.slot.name(), %failure, "a token could not be renewed");
            }
        }
    }
    // An address that an earlier version stored in plain text is sealed on this way.
    if let Err(failure) = connections.notion_address(tenant).await {
        tracing::warn!(%tenant, %failure, "the address of the Notion webhooks could not be sealed");
    }
    let mut is_open = true;
    for trouble in connections.troubles(tenant).await? {
        if connections.try_again(tenant, trouble.side).await? {
            tell(ports, public_url, portal, &trouble, false).await?;
        } else {
            tell(ports, public_url, portal, &trouble, true).await?;
            is_open &= trouble.side != clients::Side::Bitrix24;
        }
    }
    Ok(is_open)
}

/// A token that was not renewed for so long is near its end: Bitrix24's refresh tokens die after 180 days.
const OLD: Duration = Duration::from_secs(150 * 24 * 60 * 60);

/// How many tokens of a tenant are near their end, and how many of its sides are in trouble.
pub async fn standing(connections: &Connections, tenant: &TenantId, now: Timestamp) -> Result<(usize, usize), Failure> {
    let standings = connections.token_standings(tenant).await?;
    let is_ending = |standing: &&Standing| standing.dead.is_some() || until(standing.renewed_at, now) > OLD;
    let ending = standings.iter().filter(is_ending).count();
    Ok((ending, connections.troubles(tenant).await?.len()))
}

/// Once for each trouble: that it began, and that it is over.
async fn tell(
    ports: &Ports,
    public_url: Option<&str>,
    portal: &Portal,
    trouble: &Trouble,
    began: bool,
) -> Result<(), Failure> {
    let side = trouble.side.name();
    let since = trouble.since.strftime("%Y-%m-%d %H:%M UTC");
    let (kind, head, line) = if began {
        let line = match public_url {
            Some(url) => {
                format!("Connect it again at {url}/install. Nothing is lost: what is for it waits, and goes out then.")
            }
            None => {
                "Connect it again at /install. Nothing is lost: what is for it waits, and goes out then.".to_owned()
            }
        };
        ports.metrics.count("access_ended", side);
        ("access_ended", format!("{side} does not take our access any more ({since}): {}", trouble.why), line)
    } else {
        (
            "access_back",
            format!("{side} takes our access again"),
            format!("It did not since {since}. What waited goes out now."),
        )
    };
    let once = format!("{side}#{}", trouble.since);
    let alert = Alert { kind, once: &once, again_after: AGAIN_AFTER, what: side, head: &head, lines: &[line] };
    alert::raise(ports, portal, &alert).await
}
