//! New leads and tasks, each created once.

use bitrix24::{EntityType, Item, Task};
use clients::{Failure, PortalClient};
use commands::answers;
use commands::answers::{Created, Kind};
use commands::contacts::Contacts;
use commands::{Assignee, LeadDraft, Misuse, Name, TaskDraft};
use serde_json::{Value, json};
use tenants::people::Link;
use text::Document;
use user_mapping::mapping::Acting;

use crate::ask::{Answer, Request, SKEW};

/// Under this name our ids stand on CRM items.
const ORIGINATOR: &str = "switchboard";

pub(crate) async fn lead(request: &Request<'_>, draft: &LeadDraft) -> Result<Answer, Failure> {
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
            let mut fields = json!({
                "title": draft.company, "companyTitle": draft.company, "comments": comments, "assignedById": person.user,
                "originatorId": ORIGINATOR, "originId": request.id.as_str(),
            });
            let reached_by = multifields(&draft.contacts);
            if !reached_by.is_empty() {
                fields["fm"] = reached_by.into();
            }
            let params = json!({"entityTypeId": EntityType::LEAD.0, "fields": fields});
            match rights.client.call("crm.item.add", &params).await {
                Ok(answer) => shaped(answer.result["item"].clone())?,
                Err(failure) => return not_created(request, Name::Lead, failure),
            }
        }
    };
    let title = item.display_title().unwrap_or_else(|| draft.company.clone());
    let Contacts { phones, emails, web } = &draft.contacts;
    let note = [phones.as_slice(), emails, web].concat().join(" · ");
    let message = answers::created(
        Created {
            kind: Kind::Lead,
            title: &title,
            url: &EntityType::LEAD.link(&request.tenant.portal.domain, item.id),
            responsible: Some(&person.name),
            accomplices: &[],
            deadline: None,
            note: Some(note.as_str()).filter(|note| !note.is_empty()),
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

/// How a lead can be reached, as `crm.item.add` takes it.
fn multifields(contacts: &Contacts) -> Vec<Value> {
    let of = |kind: &str, values: &[String]| -> Vec<Value> {
        let field = |value: &String| json!({"typeId": kind, "valueType": "WORK", "value": value});
        values.iter().map(field).collect()
    };
    [of("PHONE", &contacts.phones), of("EMAIL", &contacts.emails), of("WEB", &contacts.web)].concat()
}

/// What the portal refused to create: in its words, unless a permission is missing, which has an answer of its own.
fn not_created(request: &Request<'_>, name: Name, failure: Failure) -> Result<Answer, Failure> {
    let code = failure.code().to_owned();
    let is_ours = code.is_empty() || code == "portal_not_connected" || commands::records::needs_permission(&code);
    if !matches!(failure.kind, runtime::Kind::Permanent { .. }) || is_ours {
        return Err(failure);
    }
    let misuse = if answers::is_not_allowed(&code) {
        Misuse::NotAllowed
    } else {
        // The portal ends its lines in HTML.
        let text = failure.text.replace("<br />", " ").replace("<br>", " ");
        Misuse::NotCreated(name, text.trim().to_owned())
    };
    tracing::warn!(tenant = %request.tenant.id, code, text = failure.text, "the portal refused to create a record");
    Ok(Answer { did: Some(format!("refused: {code}")), ..Answer::misuse(misuse, request.language) })
}

pub(crate) async fn task(request: &Request<'_>, draft: &TaskDraft) -> Result<Answer, Failure> {
    let (person, rights) = match request.ready().await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    let doers = match doers(request, &draft.people, &person).await? {
        Ok(doers) => doers,
        Err(misuse) => return Ok(Answer::misuse(misuse, request.language)),
    };
    let (assignee, accomplices) = doers.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    let assignee = assignee.cloned().unwrap_or((person.user, person.name.clone()));
    let found = if request.is_retry { find_task(request, &rights.client, &draft.name).await? } else { None };
    let task = match found {
        Some(task) => task,
        None => {
            let mut fields = json!({
                "TITLE": draft.name, "DESCRIPTION": Document::from_mrkdwn(&draft.description).to_bbcode(false),
                "RESPONSIBLE_ID": assignee.0, "CREATED_BY": person.user, "XML_ID": request.id.as_str(),
            });
            if !accomplices.is_empty() {
                fields["ACCOMPLICES"] = accomplices.iter().map(|(user, _)| *user).collect();
            }
            if let Some(deadline) = draft.deadline {
                fields["DEADLINE"] = deadline.to_string().into();
            }
            match rights.client.call("tasks.task.add", &json!({"fields": fields})).await {
                Ok(answer) => Task::read(answer.result["task"].clone()).map_err(unexpected)?,
                Err(failure) => return not_created(request, Name::Task, failure),
            }
        }
    };
    let names: Vec<String> = accomplices.iter().map(|(_, name)| name.clone()).collect();
    let message = answers::created(
        Created {
            kind: Kind::Task,
            title: &draft.name,
            url: &task.link(&request.tenant.portal.domain),
            responsible: Some(&assignee.1),
            accomplices: &names,
            deadline: draft.deadline.map(|deadline| (deadline, &request.zone)),
            note: None,
        },
        request.language,
    );
    Ok(Answer::done(message, "task.created_from_slack", format!("task {}", task.id)))
}

/// The numbers and names of who is to do it, each once; or whom nobody on the portal is.
async fn doers(
    request: &Request<'_>,
    wanted: &[Assignee],
    person: &Link,
) -> Result<Result<Vec<(u64, String)>, Misuse>, Failure> {
    let mut doers: Vec<(u64, String)> = Vec::new();
    let mut unlinked = Vec::new();
    for wanted in wanted {
        match doer(request, wanted, person).await? {
            Some(doer) if doers.iter().any(|known| known.0 == doer.0) => {}
            Some(doer) => doers.push(doer),
            None => match wanted {
                Assignee::Slack(id) => {
                    let profile = request.deps.talk.slack_profile(&request.tenant, id).await?;
                    let name = profile.map(|profile| profile.name).filter(|name| !name.is_empty() && name != id);
                    let outside = || request.language.pick("someone outside", "кто-то извне").to_owned();
                    unlinked.push(name.map_or_else(outside, |name| format!("@{name}")));
                }
                Assignee::Email(email) => return Ok(Err(Misuse::Assignee(email.clone()))),
                Assignee::Portal(user) => return Ok(Err(Misuse::Assignee(user.to_string()))),
                Assignee::Me => {}
            },
        }
    }
    Ok(if unlinked.is_empty() { Ok(doers) } else { Err(Misuse::Unlinked(unlinked)) })
}

/// Somebody's number and name on the portal; `None` if they are nobody there.
async fn doer(request: &Request<'_>, wanted: &Assignee, person: &Link) -> Result<Option<(u64, String)>, Failure> {
    let talk = &request.deps.talk;
    Ok(match wanted {
        Assignee::Me => Some((person.user, person.name.clone())),
        Assignee::Slack(id) if *id == request.user => Some((person.user, person.name.clone())),
        Assignee::Slack(id) => match talk.acting(&request.tenant, id).await? {
            Acting::As(link) => Some((link.user, link.name)),
            Acting::Dismissed | Acting::Nobody { .. } => None,
        },
        Assignee::Portal(user) => {
            let profile = talk.portal_profile(&request.tenant, *user).await?;
            profile.filter(|profile| !profile.is_dismissed).map(|profile| (profile.user, profile.name))
        }
        Assignee::Email(email) => {
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
