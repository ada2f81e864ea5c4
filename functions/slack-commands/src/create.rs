//! New leads and tasks, each created once.

use bitrix24::{EntityType, Item, Task};
use connect::{Failure, PortalClient};
use platform::people::Link;
use rules::commands::answers::{self, Created, Kind};
use rules::commands::{Assignee, LeadDraft, Misuse, Name, TaskDraft};
use rules::text::Document;
use serde_json::{Value, json};
use talk::people::Acting;

use crate::ask::{Answer, Request, SKEW};

/// Under this name our ids stand on CRM items.
const ORIGINATOR: &str = "switchboard";

pub(crate) async fn lead(request: &Request<'_>, draft: &LeadDraft) -> Result<Answer, Failure> {
    if draft.company.is_empty() {
        return Ok(Answer::to_one(answers::misuse(&Misuse::NoName(Name::Lead), request.language)));
    }
    let (person, rights) = match request.ready().await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    let found = if request.is_retry { find_lead(request, &rights.client).await? } else { None };
    let item = match found {
        Some(item) => item,
        None => {
            let said = Document::from_mrkdwn(&draft.comment).to_bbcode(false);
            let comments = if rights.are_own() {
                said
            } else {
                let named = answers::on_behalf(&person.name, EntityType::LEAD, request.language);
                format!("{said}\n{}", Document::plain(&named).to_bbcode(false)).trim().to_owned()
            };
            let fields = json!({
                "title": draft.company, "companyTitle": draft.company, "comments": comments, "assignedById": person.user,
                "originatorId": ORIGINATOR, "originId": request.id.as_str(),
            });
            let params = json!({"entityTypeId": EntityType::LEAD.0, "fields": fields});
            let answer = rights.client.call("crm.item.add", &params).await?;
            shaped(answer.result["item"].clone())?
        }
    };
    let title = item.display_title().unwrap_or_else(|| draft.company.clone());
    let message = answers::created(
        Created {
            kind: Kind::Lead,
            title: &title,
            url: &EntityType::LEAD.link(&request.tenant.portal.domain, item.id),
            responsible: Some(&person.name),
            deadline: None,
            note: None,
        },
        request.language,
    );
    Ok(Answer::done(message, "lead.created_from_slack", format!("lead {}", item.id)))
}

/// The lead that an earlier try has created.
async fn find_lead(request: &Request<'_>, client: &PortalClient) -> Result<Option<Item>, Failure> {
    let params = json!({
        "entityTypeId": EntityType::LEAD.0, "select": ["id", "title"],
        "filter": {"originatorId": ORIGINATOR, "originId": request.id.as_str()},
    });
    let answer = client.call("crm.item.list", &params).await?;
    answer.result["items"].get(0).cloned().map(shaped).transpose()
}

pub(crate) async fn task(request: &Request<'_>, draft: &TaskDraft) -> Result<Answer, Failure> {
    if draft.name.is_empty() {
        return Ok(Answer::to_one(answers::misuse(&Misuse::NoName(Name::Task), request.language)));
    }
    let (person, rights) = match request.ready().await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    let Some(assignee) = assignee(request, draft.assignee.as_ref(), &person).await? else {
        return Ok(Answer::private(answers::refused("unmapped", "", request.language)));
    };
    let deadline = draft.deadline.map(|deadline| deadline.moment(&request.tenant.settings.zone()));
    let found = if request.is_retry { find_task(request, &rights.client, &draft.name).await? } else { None };
    let task = match found {
        Some(task) => task,
        None => {
            let mut fields = json!({
                "TITLE": draft.name, "DESCRIPTION": Document::from_mrkdwn(&draft.description).to_bbcode(false),
                "RESPONSIBLE_ID": assignee.0, "CREATED_BY": person.user, "XML_ID": request.id.as_str(),
            });
            if let Some(deadline) = deadline {
                fields["DEADLINE"] = deadline.to_string().into();
            }
            let answer = rights.client.call("tasks.task.add", &json!({"fields": fields})).await?;
            Task::read(answer.result["task"].clone()).map_err(unexpected)?
        }
    };
    let message = answers::created(
        Created {
            kind: Kind::Task,
            title: &draft.name,
            url: &task.link(&request.tenant.portal.domain),
            responsible: Some(&assignee.1),
            deadline,
            note: None,
        },
        request.language,
    );
    Ok(Answer::done(message, "task.created_from_slack", format!("task {}", task.id)))
}

/// The number and name of who is to do it; `None` if they are nobody on the portal.
async fn assignee(
    request: &Request<'_>,
    wanted: Option<&Assignee>,
    person: &Link,
) -> Result<Option<(u64, String)>, Failure> {
    let talk = &request.deps.talk;
    Ok(match wanted {
        None => Some((person.user, person.name.clone())),
        Some(Assignee::Slack(id)) if *id == request.user => Some((person.user, person.name.clone())),
        Some(Assignee::Slack(id)) => match talk.acting(&request.tenant, id).await? {
            Acting::As(link) => Some((link.user, link.name)),
            Acting::Dismissed | Acting::Nobody { .. } => None,
        },
        Some(Assignee::Email(email)) => {
            talk.portal_user_by_email(&request.tenant, email).await?.map(|found| (found.user, found.name))
        }
    })
}

/// The task that an earlier try has created: it carries our id. A portal that does not keep the id is believed by the
/// name and the moment.
async fn find_task(request: &Request<'_>, client: &PortalClient, name: &str) -> Result<Option<Task>, Failure> {
    let since = (request.arrived_at - SKEW).to_string();
    let params = json!({
        "filter": {"TITLE": name, ">=CREATED_DATE": since}, "order": {"ID": "DESC"},
        "select": ["ID", "TITLE", "XML_ID", "RESPONSIBLE_ID", "CREATED_BY"],
    });
    let answer = client.call("tasks.task.list", &params).await?;
    let rows = answer.result["tasks"].as_array().cloned().unwrap_or_default();
    let is_ours = |row: &Value| match row["xmlId"].as_str().filter(|id| !id.is_empty()) {
        Some(id) => id == request.id.as_str(),
        None => row["title"] == name,
    };
    rows.into_iter().find(is_ours).map(Task::read).transpose().map_err(unexpected)
}

fn shaped(value: Value) -> Result<Item, Failure> {
    serde_json::from_value(value).map_err(unexpected)
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn unexpected(error: serde_json::Error) -> Failure {
    Failure::permanent("unexpected_answer", format!("the portal answered something unexpected: {error}"))
}
