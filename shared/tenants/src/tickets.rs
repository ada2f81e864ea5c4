//! Tickets: links that work once and bring a person from Slack or Bitrix24 to one of our pages as a known user.

use std::time::Duration;

use runtime::store::StoreError;
use runtime::{Backend, TenantId};
use serde::{Deserialize, Serialize};

use crate::one_time_secrets;
use crate::user_links::UserLink;

/// How long a ticket is valid.
const TICKET_TTL: Duration = Duration::from_secs(15 * 60);
/// The address at which a person with a ticket lets us work with their own rights.
pub const GIVE: &str = "/install/give";

/// How long a person can undo the link of a Slack account to them.
const UNLINK_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The address at which a person with a ticket undoes it.
pub const UNLINK: &str = "/install/unlink";

/// The person whom a ticket identifies.
#[derive(Serialize, Deserialize)]
pub struct Ticket {
    pub tenant: TenantId,
    /// Their number there.
    pub user: u64,
}

/// Makes a ticket for a person of a portal; it is valid once, for 15 minutes, at [`GIVE`]`?ticket=…`.
pub async fn make(backend: &Backend, tenant: &TenantId, user: u64) -> Result<String, StoreError> {
    let ticket = one_time_secrets::secret();
    one_time_secrets::put(backend, "give", &ticket, &Ticket { tenant: tenant.clone(), user }, TICKET_TTL).await?;
    Ok(ticket)
}

/// The person of a ticket, which is used up by this.
pub async fn take(backend: &Backend, ticket: &str) -> Result<Option<Ticket>, StoreError> {
    one_time_secrets::take(backend, "give", ticket).await
}

/// A link that its ticket undoes.
#[derive(Serialize, Deserialize)]
pub struct Unlink {
    pub tenant: TenantId,
    pub link: UserLink,
}

/// Makes a ticket that undoes a link; it is valid once, for seven days, at [`UNLINK`]`?ticket=…`.
pub async fn make_unlink(backend: &Backend, tenant: &TenantId, link: &UserLink) -> Result<String, StoreError> {
    let ticket = one_time_secrets::secret();
    let unlink = Unlink { tenant: tenant.clone(), link: link.clone() };
    one_time_secrets::put(backend, "unlink", &ticket, &unlink, UNLINK_TTL).await?;
    Ok(ticket)
}

/// The link that a ticket undoes; the ticket is used up by this.
pub async fn take_unlink(backend: &Backend, ticket: &str) -> Result<Option<Unlink>, StoreError> {
    one_time_secrets::take(backend, "unlink", ticket).await
}
