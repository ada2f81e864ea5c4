//! The card of a link to the portal: a deal or a task.

use bitrix24::Task;
use clients::Failure;
use locale::Language;
use slack::block::Block;
use slack::{Message, Mrkdwn};
use user_mapping::rights::Rights;
use user_mapping::{Talk, Tenant};

use crate::answers;
use crate::deal::act::unfurled;

/// What a link to the portal leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// A deal.
    Deal(u64),
    /// A task.
    Task(u64),
}

impl Linked {
    /// What a link leads to, if it is one of this portal's.
    pub fn read(link: &str, domain: &str) -> Option<Self> {
        let rest = link.split_once("://").map(|(_, rest)| rest)?;
        let path = rest.strip_prefix(domain)?.strip_prefix('/')?;
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["crm", "deal", "details" | "show", id, ..] => id.parse().ok().map(Self::Deal),
            [.., "tasks", "task", "view", id] => id.parse().ok().map(Self::Task),
            _ => None,
        }
    }
}

/// The card below a link, as a user of the portal is allowed to see it; `None` if they are not.
///
/// # Errors
/// If the portal does not answer.
pub async fn linked_card(
    talk: &Talk,
    tenant: &Tenant,
    rights: &Rights,
    linked: Linked,
    for_strangers: bool,
) -> Result<Option<Message>, Failure> {
    let language = tenant.settings.language;
    Ok(match linked {
        Linked::Deal(id) => {
            crm::views::deal(talk, tenant, rights, id).await?.map(|deal| unfurled(&deal, language, for_strangers))
        }
        Linked::Task(id) => rights.task(id).await?.map(|task| task_card(tenant, &task, language, for_strangers)),
    })
}

fn task_card(tenant: &Tenant, task: &Task, language: Language, for_strangers: bool) -> Message {
    let word = language.pick("Task", "Задача");
    if for_strangers {
        return answers::plain(&format!("{word} {}", task.id));
    }
    let title = task.title.clone().unwrap_or_else(|| task.id.to_string());
    let text =
        Mrkdwn::text(&format!("{word} {}: ", task.id)).then(&Mrkdwn::link(&task.link(&tenant.portal.domain), &title));
    let status =
        language.text(task.status.and_then(records::words::task_status).unwrap_or(locale::texts::records::UNKNOWN));
    let mut parts = vec![Mrkdwn::text(&format!("{}: {status}", language.label("status")))];
    if let Some(deadline) = task.deadline {
        parts.push(Mrkdwn::text(&format!("{}: ", language.label("deadline"))).then(&Mrkdwn::moment(deadline)));
    }
    Message::new(text.clone(), [Block::section(text), Block::context(parts)])
}

#[cfg(test)]
mod tests {
    use super::Linked;

    #[test]
    fn only_this_portals_links_lead_somewhere() {
        let read = |link: &str| Linked::read(link, "acme.bitrix24.com");
        assert_eq!(read("https://acme.bitrix24.com/crm/deal/details/42/?a=1"), Some(Linked::Deal(42)));
        assert_eq!(read("https://acme.bitrix24.com/company/personal/user/5/tasks/task/view/7/"), Some(Linked::Task(7)));
        assert_eq!(read("https://acme.bitrix24.com/workgroups/group/3/tasks/task/view/7/"), Some(Linked::Task(7)));
        assert_eq!(read("https://acme.bitrix24.com.evil.example/crm/deal/details/42/"), None);
        assert_eq!(read("https://other.bitrix24.com/crm/deal/details/42/"), None);
        assert_eq!(read("https://acme.bitrix24.com/crm/deal/details/x/"), None);
    }
}
