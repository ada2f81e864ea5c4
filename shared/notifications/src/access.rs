//! Each tenant's access to its providers: renewed before it expires; operators are notified once when a provider
//! rejects it, and once when it works again.

use std::time::Duration;

use clients::{ConnectionTrouble, Connections, Failure, TokenState};
use jiff::Timestamp;
use locale::{Localized, texts};
use runtime::clock::until;
use runtime::{Backend, TenantId};
use tenants::portals::Portal;

use crate::alert;
use crate::alert::Alert;

/// Lasting trouble is reported again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Looks after the tokens and the troubles of a tenant. Returns whether the portal itself can be called. `public_url` is
/// where people reach us.
pub async fn keep(
    backend: &Backend,
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
            notify(backend, public_url, portal, &trouble, false).await?;
        } else {
            notify(backend, public_url, portal, &trouble, true).await?;
            is_open &= trouble.side != clients::ConnectionSide::Bitrix24;
        }
    }
    Ok(is_open)
}

/// A token that was not renewed for this long is near its end: Bitrix24's refresh tokens expire after 180 days.
const OLD: Duration = Duration::from_secs(150 * 24 * 60 * 60);

/// How many tokens of a tenant are near their end, and how many of its sides are in trouble.
pub async fn standing(connections: &Connections, tenant: &TenantId, now: Timestamp) -> Result<(usize, usize), Failure> {
    let standings = connections.token_standings(tenant).await?;
    let is_ending = |standing: &&TokenState| standing.dead.is_some() || until(standing.renewed_at, now) > OLD;
    let ending = standings.iter().filter(is_ending).count();
    Ok((ending, connections.troubles(tenant).await?.len()))
}

/// Alerts the operators once for each trouble: when it begins, and when it is over.
async fn notify(
    backend: &Backend,
    public_url: Option<&str>,
    portal: &Portal,
    trouble: &ConnectionTrouble,
    began: bool,
) -> Result<(), Failure> {
    let side = trouble.side.name();
    if began {
        backend.metrics.count("access_ended", side);
    }
    let alert = Alert {
        kind: if began { "access_ended" } else { "access_back" },
        once: &format!("{side}#{}", trouble.since),
        again_after: AGAIN_AFTER,
        what: side,
        head: head(trouble, began),
        lines: vec![detail(public_url, trouble, began)],
    };
    alert::raise(backend, portal, &alert).await
}

fn since(trouble: &ConnectionTrouble) -> String {
    trouble.since.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn head(trouble: &ConnectionTrouble, began: bool) -> Localized {
    if began {
        let (since, reason) = (since(trouble), trouble.why.as_str());
        return Localized::of(|language| texts::alerts::AccessRejected {
            provider: trouble.side.title(language),
            since: since.as_str(),
            reason,
        });
    }
    Localized::of(|language| texts::alerts::AccessWorksAgain { provider: trouble.side.title(language) })
}

fn detail(public_url: Option<&str>, trouble: &ConnectionTrouble, began: bool) -> Localized {
    if began {
        let address = format!("{}/install", public_url.unwrap_or_default());
        return Localized::of(|_| texts::alerts::Reconnect { address: address.as_str() });
    }
    let since = since(trouble);
    Localized::of(|_| texts::alerts::AccessWasRejected { since: since.as_str() })
}

#[cfg(test)]
mod tests {
    use locale::{Language, assert_from_the_catalogues, in_pseudo};

    use super::*;

    fn trouble() -> ConnectionTrouble {
        let since = "2026-11-23T09:00:00Z".parse().unwrap();
        ConnectionTrouble { side: clients::ConnectionSide::Bitrix24, since, why: "—".into() }
    }

    #[test]
    fn an_alert_names_the_provider_since_when_and_the_fix() {
        let texts = [head(&trouble(), true), detail(Some("https://switchboard.example"), &trouble(), true)];
        assert_eq!(
            texts.each_ref().map(|text| text.text(Language::En)),
            [
                "Bitrix24 has rejected our token since 2026-11-23 09:00 UTC: —",
                "Reconnect it at https://switchboard.example/install. Nothing is lost: everything for it waits and is sent then.",
            ]
        );
        assert_eq!(texts[0].text(Language::Ru), "Битрикс24 не принимает наш токен с 2026-11-23 09:00 UTC: —");
    }

    #[test]
    fn both_alerts_come_from_the_catalogues() {
        let url = Some("—");
        let all = in_pseudo(|| [true, false].map(|began| [head(&trouble(), began), detail(url, &trouble(), began)]));
        for text in all.iter().flatten() {
            assert_from_the_catalogues(&text.text(Language::En).replace("/install", ""));
        }
    }
}
