//! What a person can reach on the portal: with their own rights, with the connection's, or only what concerns them.
//!
//! Everything that reads, searches or changes a record for a person asks here. A record out of reach looks like one
//! that does not exist.

use bitrix24::{CrmItem, EntityType, Task};
use clients::{ErrorClass, Failure, PortalClient};
use serde_json::{Value, json};
use settings::schema::ActAs;
use tenants::portals::Portal;

use crate::{OpenTenant, TenantContext};

/// How far the rights reach that a person works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// With their own permission: Bitrix24 itself decides.
    Own,
    /// With the connection's rights, but only records that they are responsible for, created or observe.
    Concerned,
    /// With the connection's rights: everything that it may reach.
    Connection,
}

impl Reach {
    /// How far people reach without a permission of their own; `None` if they must give one first.
    pub fn without_permission(act_as: ActAs, portal: &Portal) -> Option<Self> {
        match act_as {
            ActAs::Connection => Some(Self::Connection),
            ActAs::PersonOnly => None,
            ActAs::Person if portal.application.is_some() => None,
            ActAs::Person => Some(Self::Concerned),
        }
    }
}

/// A person's rights, with the client to use them.
pub struct PersonRights {
    pub client: PortalClient,
    /// The person's number.
    pub user: u64,
    /// How far they reach.
    pub reach: Reach,
}

impl PersonRights {
    /// Whether they are the person's own; otherwise the record should name them.
    pub fn are_own(&self) -> bool {
        self.reach == Reach::Own
    }

    /// Whether a record that was read with these rights may be shown to the person. The read itself decides about their own
    /// rights, and about the connection's.
    pub fn may_see(&self, record: &impl Concerning) -> bool {
        self.reach != Reach::Concerned || record.concerns(self.user)
    }

    /// A CRM item; `None` if it does not exist or is out of reach.
    ///
    /// # Errors
    /// If the portal does not answer.
    pub async fn item(&self, entity: EntityType, id: u64) -> Result<Option<CrmItem>, Failure> {
        let answer = self.client.call("crm.item.get", &json!({"entityTypeId": entity.0, "id": id})).await;
        let Some(answer) = seen(answer)? else { return Ok(None) };
        let item: CrmItem = serde_json::from_value(answer.result["item"].clone()).map_err(unexpected)?;
        Ok(self.may_see(&item).then_some(item))
    }

    /// A task; `None` if it does not exist or is out of reach.
    ///
    /// # Errors
    /// If the portal does not answer.
    pub async fn task(&self, id: u64) -> Result<Option<Task>, Failure> {
        let params = json!({"taskId": id, "select": bitrix24::task::FIELDS});
        let Some(answer) = seen(self.client.call("tasks.task.get", &params).await)? else { return Ok(None) };
        // For a task that does not exist or may not be seen, the answer is empty.
        let task = Task::read(answer.result["task"].clone()).ok();
        Ok(task.filter(|task| self.may_see(task)))
    }
}

/// A missing record and a hidden one look the same: the difference would reveal something about it.
fn seen<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    const HIDDEN: [&str; 5] = ["not_found", "access_denied", "error_core", "allowed_only_intranet_user", "0"];
    match answer {
        Err(Failure { class: ErrorClass::Permanent { code }, .. }) if HIDDEN.contains(&code.as_str()) => Ok(None),
        answer => answer.map(Some),
    }
}

/// A record that names the people it concerns.
pub trait Concerning {
    /// Whether the user is responsible for it, created it, takes part in it or observes it.
    fn concerns(&self, user: u64) -> bool;
}

impl Concerning for CrmItem {
    fn concerns(&self, user: u64) -> bool {
        let observes = |list: &Value| match list {
            Value::Array(list) => list.iter().any(|id| bitrix24::tolerant::whole(id) == Some(user)),
            Value::Object(map) => map.values().any(|id| bitrix24::tolerant::whole(id) == Some(user)),
            _ => false,
        };
        [self.assigned_by_id, self.created_by].contains(&Some(user)) || self.more.get("observers").is_some_and(observes)
    }
}

impl Concerning for Task {
    fn concerns(&self, user: u64) -> bool {
        [self.created_by, self.responsible_id].contains(&Some(user))
            || self.accomplices.contains(&user)
            || self.auditors.contains(&user)
    }
}

impl TenantContext {
    /// The rights with which a person's request is done.
    ///
    /// # Errors
    /// `grant_needed` if it needs the person's own permission and they have given none; `grant_expired` if Bitrix24 no
    /// longer accepts the one that they gave.
    pub async fn rights(&self, tenant: &OpenTenant, user: u64) -> Result<PersonRights, Failure> {
        match self.rights_given(tenant, user).await? {
            Some(rights) => Ok(rights),
            None => Err(Failure::permanent("grant_needed", "this needs the person's own permission")),
        }
    }

    /// The same if nobody can be asked for a permission: without one, only what concerns them.
    ///
    /// # Errors
    /// If the store or the portal does not answer.
    pub async fn rights_unasked(&self, tenant: &OpenTenant, user: u64) -> Result<PersonRights, Failure> {
        let given = match self.rights_given(tenant, user).await {
            Err(failure) if failure.code() == "grant_expired" => None,
            given => given?,
        };
        match given {
            // Extranet users write in the portal's chats too: they do not share the connection's rights.
            Some(rights) if rights.reach != Reach::Connection || self.is_employee(tenant, user).await? => Ok(rights),
            _ => self.as_connection(tenant, user, Reach::Concerned).await,
        }
    }

    async fn is_employee(&self, tenant: &OpenTenant, user: u64) -> Result<bool, Failure> {
        let profile = self.portal_profile(tenant, user).await?;
        Ok(profile.is_some_and(|profile| !profile.is_dismissed && !profile.is_outsider))
    }

    async fn rights_given(&self, tenant: &OpenTenant, user: u64) -> Result<Option<PersonRights>, Failure> {
        let act_as = tenant.settings.people.act_as;
        let without = Reach::without_permission(act_as, &tenant.portal);
        if act_as != ActAs::Connection {
            match self.connections.bitrix24_as(&tenant.portal, user).await {
                Ok(Some(client)) => return Ok(Some(PersonRights { client, user, reach: Reach::Own })),
                Ok(None) => {}
                // A permission that was given to an application does not matter if an incoming webhook is connected
                // now.
                Err(failure) if failure.code() == "grant_expired" && without.is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
        match without {
            Some(reach) => Ok(Some(self.as_connection(tenant, user, reach).await?)),
            None => Ok(None),
        }
    }

    async fn as_connection(&self, tenant: &OpenTenant, user: u64, reach: Reach) -> Result<PersonRights, Failure> {
        Ok(PersonRights { client: self.connections.bitrix24(&tenant.portal).await?, user, reach })
    }
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn unexpected(error: serde_json::Error) -> Failure {
    Failure::permanent("unexpected_answer", format!("the portal answered something unexpected: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(fields: Value) -> CrmItem {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn a_deal_concerns_its_responsible_its_creator_and_its_observers() {
        let deal = item(json!({"id": 1, "assignedById": 6, "createdBy": "9", "observers": [12, "15"]}));
        for user in [6, 9, 12, 15] {
            assert!(deal.concerns(user), "{user}");
        }
        assert!(!deal.concerns(1) && !deal.concerns(0));
        // PHP writes some lists as maps.
        assert!(item(json!({"id": 1, "observers": {"3": "12"}})).concerns(12));
        assert!(!item(json!({"id": 1})).concerns(6));
    }

    #[test]
    fn a_task_concerns_all_who_take_part_in_it() {
        let task =
            json!({"id": "7", "createdBy": "6", "responsibleId": "9", "accomplices": ["12"], "auditors": ["15"]});
        let task = Task::read(task).unwrap();
        for user in [6, 9, 12, 15] {
            assert!(task.concerns(user), "{user}");
        }
        assert!(!task.concerns(1));
    }
}
