//! Which application may connect which portal.
//!
//! A token proves that its person administers a portal *for the application that it was issued to*. Any application
//! that the portal has installed holds such tokens, so the proof counts only for an application that belongs here: the
//! one that the portal is connected with, the deployment's own, or one that an entitled person has entered.

use runtime::TenantId;
use serde::{Deserialize, Serialize};

/// Who named the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnteredBy {
    /// Nobody: the portal itself posted an event or opened the application.
    Portal,
    /// A person in a browser who has proven nothing yet.
    Anyone,
    /// A person with a session of this tenant.
    Session(TenantId),
    /// A person with a connection code, which is held under this name until it is used.
    Code(String),
}

/// A tenant's present connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current {
    /// It is not connected.
    Nothing,
    /// An incoming webhook.
    Webhook,
    /// The application with this `client_id`.
    Application(String),
}

/// What connecting would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceChange {
    /// The portal is new here.
    New,
    /// The portal is new here, and the code that allows it is to be used up.
    NewByCode,
    /// The same application renews its access.
    Renewal,
    /// Another application, or one instead of a webhook: access by the old one ends.
    Replacement,
}

/// Why an application may not connect a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The portal is connected in another way.
    #[error(
        "This portal is connected with another application, and a proof made for this one does not count. To change the application, sign in to the portal's pages at /admin, open Connections, and enter the new keys there"
    )]
    Connected,
    /// The session belongs to another tenant.
    #[error("You are signed in to the pages of another portal than the one that answered. Sign out, and begin again")]
    OtherTenant,
    /// A new portal with its own application.
    #[error(
        "A new portal with an application of its own needs a connection code. Whoever runs Switchboard makes one with: switchboard admin-code --connect"
    )]
    NeedsCode,
}

/// What it would mean to connect `tenant`, which is connected by `current`, through an application.
///
/// # Errors
/// If the application does not belong here.
pub fn judge(
    tenant: &TenantId,
    current: &Current,
    client_id: &str,
    is_deployments: bool,
    by: &EnteredBy,
) -> Result<AudienceChange, NotAdmitted> {
    match current {
        Current::Nothing => match by {
            _ if is_deployments => Ok(AudienceChange::New),
            EnteredBy::Code(_) => Ok(AudienceChange::NewByCode),
            EnteredBy::Session(_) => Err(NotAdmitted::OtherTenant),
            EnteredBy::Portal | EnteredBy::Anyone => Err(NotAdmitted::NeedsCode),
        },
        Current::Application(known) if known == client_id && !known.is_empty() => Ok(AudienceChange::Renewal),
        // What a portal posts never replaces an application: any administrator's token of any application could be in it.
        Current::Application(_) if *by == EnteredBy::Portal => Err(NotAdmitted::Connected),
        Current::Application(_) | Current::Webhook => match by {
            _ if is_deployments => Ok(AudienceChange::Replacement),
            EnteredBy::Session(own) if own == tenant => Ok(AudienceChange::Replacement),
            EnteredBy::Session(_) => Err(NotAdmitted::OtherTenant),
            EnteredBy::Portal | EnteredBy::Anyone | EnteredBy::Code(_) => Err(NotAdmitted::Connected),
        },
    }
}

/// What it would mean to connect a tenant, which is connected by `current`, through an incoming webhook.
pub fn by_webhook(current: &Current) -> AudienceChange {
    match current {
        Current::Nothing => AudienceChange::New,
        Current::Webhook => AudienceChange::Renewal,
        Current::Application(_) => AudienceChange::Replacement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn judged(current: &str, client_id: &str, by: &EnteredBy) -> Result<AudienceChange, NotAdmitted> {
        let current = match current {
            "" => Current::Nothing,
            "webhook" => Current::Webhook,
            other => Current::Application(other.trim_start_matches('=').into()),
        };
        judge(&tenant("ours"), &current, client_id, client_id == "app.ours", by)
    }

    #[test]
    fn an_application_connects_only_where_it_belongs() {
        use AudienceChange::{New, NewByCode, Renewal, Replacement};
        use EnteredBy::{Anyone, Code, Portal, Session};
        use NotAdmitted::{Connected, NeedsCode, OtherTenant};
        let (own, other, code) = (Session(tenant("ours")), Session(tenant("theirs")), Code("held".into()));
        let by = [&Portal, &Anyone, &own, &other, &code];
        let rows = [
            // connected with, application, then who entered it: the portal, anyone, own session, other session, a code
            ("", "app.ours", [Ok(New); 5]),
            ("", "local.1", [Err(NeedsCode), Err(NeedsCode), Err(OtherTenant), Err(OtherTenant), Ok(NewByCode)]),
            ("local.1", "local.1", [Ok(Renewal); 5]),
            ("local.1", "local.2", [Err(Connected), Err(Connected), Ok(Replacement), Err(OtherTenant), Err(Connected)]),
            (
                "local.1",
                "app.ours",
                [Err(Connected), Ok(Replacement), Ok(Replacement), Ok(Replacement), Ok(Replacement)],
            ),
            (
                "app.ours",
                "local.2",
                [Err(Connected), Err(Connected), Ok(Replacement), Err(OtherTenant), Err(Connected)],
            ),
            ("webhook", "local.2", [Err(Connected), Err(Connected), Ok(Replacement), Err(OtherTenant), Err(Connected)]),
            ("webhook", "app.ours", [Ok(Replacement); 5]),
            // A connection with an unknown application admits no application.
            ("=", "", [Err(Connected), Err(Connected), Ok(Replacement), Err(OtherTenant), Err(Connected)]),
        ];
        for (current, client_id, wanted) in rows {
            for (by, wanted) in by.iter().zip(wanted) {
                assert_eq!(judged(current, client_id, by), wanted, "{current:?} by {client_id:?} of {by:?}");
            }
        }
    }
}
