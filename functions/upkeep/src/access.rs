//! Each tenant's access to its providers: renewed before it dies of age, told once when it is not taken any more, and once
//! when it is again.

use connect::{Failure, Trouble};
use platform::portals::Portal;
use records::alert::{self, Alert};

use crate::{DAY, Deps};

/// Looks after the tokens and the troubles of a tenant. Returns whether the portal itself can be called.
pub(crate) async fn keep(deps: &Deps, portal: &Portal) -> Result<bool, Failure> {
    let tenant = &portal.tenant;
    for standing in deps.connections.token_standings(tenant).await? {
        match deps.connections.renew_if_idle(tenant, standing.slot).await {
            Ok(true) => tracing::info!(%tenant, slot = standing.slot.name(), "a token that nobody used was renewed"),
            Ok(false) => {}
            Err(failure) => {
                tracing::warn!(%tenant, slot = standing.slot.name(), %failure, "a token could not be renewed");
            }
        }
    }
    let mut is_open = true;
    for trouble in deps.connections.troubles(tenant).await? {
        if deps.connections.try_again(tenant, trouble.side).await? {
            tell(deps, portal, &trouble, false).await?;
        } else {
            tell(deps, portal, &trouble, true).await?;
            is_open &= trouble.side != connect::Side::Bitrix24;
        }
    }
    Ok(is_open)
}

/// Once for each trouble: that it began, and that it is over.
async fn tell(deps: &Deps, portal: &Portal, trouble: &Trouble, began: bool) -> Result<(), Failure> {
    let side = trouble.side.name();
    let since = trouble.since.strftime("%Y-%m-%d %H:%M UTC");
    let (kind, head, line) = if began {
        let line = match &deps.public_url {
            Some(url) => {
                format!("Connect it again at {url}/install. Nothing is lost: what is for it waits, and goes out then.")
            }
            None => {
                "Connect it again at /install. Nothing is lost: what is for it waits, and goes out then.".to_owned()
            }
        };
        deps.ports.metrics.count("access_ended", side);
        ("access_ended", format!("{side} does not take our access any more ({since}): {}", trouble.why), line)
    } else {
        (
            "access_back",
            format!("{side} takes our access again"),
            format!("It did not since {since}. What waited goes out now."),
        )
    };
    let once = format!("{side}#{}", trouble.since);
    let alert = Alert { kind, once: &once, again_after: DAY * 30, what: side, head: &head, lines: &[line] };
    alert::raise(&deps.ports, portal, &alert).await
}
