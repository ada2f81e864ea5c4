//! What follows when a portal is connected: an entry in the audit, and the end of access by another application.

use std::time::Duration;

use clients::audience::{AudienceChange, Current};
use locale::{Language, Localized, texts};
use notifications::alert;
use notifications::alert::Alert;
use runtime::TenantId;
use settings::{Destination, Settings};
use tenants::api_keys::ApiKeys;
use tenants::audit::{Audit, AuditEntry};
use web::sessions;

use crate::{Deps, Refusal};

/// How long a replacement is not reported again.
const REPORT_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of the connection of a portal, in words.
fn named(current: &Current, language: Language) -> String {
    match current {
        Current::Nothing => String::new(),
        Current::Webhook => language.text(texts::install::AN_INCOMING_WEBHOOK).to_owned(),
        Current::Application(client_id) if client_id.is_empty() => {
            language.text(texts::install::AN_APPLICATION).to_owned()
        }
        Current::Application(client_id) => language.text(texts::install::TheApplication { client_id }),
    }
}

/// Ends all sessions and API keys of a tenant: they may belong to someone who had only the replaced application.
pub(crate) async fn end_access(deps: &Deps, tenant: &TenantId) -> Result<(), Refusal> {
    sessions::end_all(deps.backend.store.as_ref(), tenant).await?;
    let keys = ApiKeys::new(deps.backend.store.clone());
    for key in keys.all(tenant).await? {
        keys.revoke(tenant, &key.id).await?;
    }
    Ok(())
}

/// Notes who connected a portal, and reports it in Slack if it replaced another application.
pub(crate) async fn note(
    deps: &Deps,
    tenant: &TenantId,
    who: &str,
    change: AudienceChange,
    before: &Current,
    after: &Current,
) -> Result<(), Refusal> {
    let what = match change {
        AudienceChange::New | AudienceChange::NewByCode => "portal connected",
        AudienceChange::Renewal => "connection renewed",
        AudienceChange::Replacement => "connection replaced; all sessions and API keys ended",
    };
    let now = deps.backend.clock.now();
    // The audit log is in English.
    let (was, is) = (named(before, Language::default()), named(after, Language::default()));
    let entry = AuditEntry::new(now, who, what, "Bitrix24").changed(&was, &is);
    Audit::new(deps.backend.store.clone()).note(tenant, &entry).await?;
    if change != AudienceChange::Replacement {
        return Ok(());
    }
    let portal = deps.connections.portal(tenant).await?;
    let lines = vec![
        Localized::of(|_| texts::install::ReplacedBy { name: who }),
        Localized::of(|language| texts::install::ReplacedWith {
            before: named(before, language),
            after: named(after, language),
        }),
        texts::install::REPLACED_ENDED.into(),
        texts::install::REPLACED_UNPLANNED.into(),
    ];
    let alert = Alert {
        kind: "connection_replaced",
        what: "Bitrix24",
        once: &now.to_string(),
        again_after: REPORT_TTL,
        head: texts::install::CONNECTION_REPLACED.into(),
        lines,
    };
    // If the settings cannot be read, the operators' channel may still be known.
    let channel = portal.settings_as().ok().and_then(|settings| channel(&settings));
    Ok(alert::raise_in(&deps.backend, &portal, &alert, channel.as_deref()).await?)
}

/// Where it is reported: the operators' channel, else a person who administers these pages, else the channel of the
/// first route. That people see it matters more than that it is the best place.
fn channel(settings: &Settings) -> Option<String> {
    let named = settings.operators.channel.clone();
    let person = || settings.admins.iter().find(|admin| admin.starts_with(['U', 'W']) && !admin.contains('@')).cloned();
    let plain = |to: &Destination| match to {
        Destination::Channel(name) => Some(name.clone()),
        _ => None,
    };
    let routed = || settings.routes.iter().flat_map(|route| route.to.iter()).find_map(plain);
    named.or_else(person).or_else(routed)
}
