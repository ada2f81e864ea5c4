//! The card of a link to the portal: a deal or a task.

use bitrix24::Task;
use clients::Failure;
use locale::{Fixed, Language, texts};
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
        Linked::Task(id) => {
            rights.task(id).await?.map(|task| task_card(&task, &tenant.portal.domain, language, for_strangers))
        }
    })
}

pub(crate) fn task_card(task: &Task, domain: &str, language: Language, for_strangers: bool) -> Message {
    let name = language.text(texts::records::Task { id: task.id });
    if for_strangers {
        return answers::plain(&name);
    }
    let title = task.title.clone().unwrap_or_else(|| task.id.to_string());
    let text = answers::labelled(&name, Mrkdwn::link(&task.link(domain), &title), language);
    let part = |label: Fixed, value| answers::labelled(language.text(label), value, language);
    let status = task.status.and_then(records::words::task_status).unwrap_or(texts::records::UNKNOWN);
    let mut parts = vec![part(texts::records::FIELD_STATUS, Mrkdwn::text(language.text(status)))];
    parts.extend(task.deadline.map(|deadline| part(texts::records::FIELD_DEADLINE, Mrkdwn::moment(deadline))));
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
