//! The card of a link to the portal: a deal or a task.

use clients::Failure;
use crm::views::{RecordView, RecordViews};
use locale::Language;
use records::words::Word;
use slack::SlackMessage;
use slack::block::Block;
use user_mapping::rights::PersonRights;
use user_mapping::{OpenTenant, TenantContext};

use crate::answers;
use crate::deal::act::fields;

/// The target of a link to the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    Deal(u64),
    Task(u64),
}

impl Linked {
    /// The target of a link, if the link leads to this portal.
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
    context: &TenantContext,
    tenant: &OpenTenant,
    rights: &PersonRights,
    linked: Linked,
    for_strangers: bool,
) -> Result<Option<SlackMessage>, Failure> {
    let (views, language) = (RecordViews::new(context), tenant.settings.language);
    Ok(match linked {
        Linked::Deal(id) => {
            let deal = views.deal(tenant, rights, id).await?;
            deal.map(|deal| below(&deal.record, fields(&deal, language), language, for_strangers))
        }
        Linked::Task(id) => {
            let task = views.task(tenant, rights, id).await?;
            task.map(|task| below(&task, state_of_task(&task, language), language, for_strangers))
        }
    })
}

/// The title of a record, and its fields; if outsiders read the channel, only its kind and number.
pub(crate) fn below(record: &RecordView, shown: Block, language: Language, for_strangers: bool) -> SlackMessage {
    if for_strangers {
        return answers::plain(&record.words(language).about());
    }
    let text = answers::headline(record, language);
    SlackMessage::new(text.clone(), [Block::section(text), shown])
}

pub(crate) fn state_of_task(task: &RecordView, language: Language) -> Block {
    let has_deadline = task.words(language).change.state.as_task().is_some_and(|task| task.deadline.is_some());
    let words = [Some(Word::Status), has_deadline.then_some(Word::Deadline)].into_iter().flatten();
    Block::context(words.map(|word| {
        let (label, value) = task.fact(word, language);
        answers::labelled(label, value.to_mrkdwn(), language)
    }))
}

#[cfg(test)]
mod tests {
    use locale::Language;
    use records::{Names, Record, RecordState};
    use serde_json::json;

    use super::{Linked, RecordView, below, state_of_task};

    #[test]
    fn the_card_of_a_task_names_what_it_shows_and_strangers_read_its_number() {
        let state = json!({"task": {"id": 7, "title": "Pack", "status": "3", "deadline": "2026-11-25T16:00:00Z"}});
        let state: RecordState = serde_json::from_value(state).unwrap();
        let task = RecordView::new(Record::Task(7), state, Names::default(), "acme.bitrix24.com");
        let language = Language::default();
        let card = |for_strangers| below(&task, state_of_task(&task, language), language, for_strangers);
        let blocks = serde_json::to_value(card(false).blocks).unwrap();
        let shown = [0, 1].map(|part| blocks[1]["elements"][part]["text"].as_str().unwrap());
        assert_eq!(shown[0], "Status: in progress");
        assert!(shown[1].starts_with("Deadline: <!date^"), "{}", shown[1]);
        assert_eq!(card(true).text.as_str(), "Task 7");
    }

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
