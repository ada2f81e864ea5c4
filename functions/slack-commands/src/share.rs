//! The button *Share to channel*: what one person was answered, read again with their rights, for everybody in the channel.

use bitrix24::EntityType;
use clients::Failure;
use commands::DealQuery;
use commands::answers;
use commands::answers::{Created, Kind};
use slack::Message;

use crate::act::may_show_fields;
use crate::ask::{Answer, Request};
use crate::{deal, me};

pub(crate) async fn share(request: &Request<'_>, what: &str) -> Result<Answer, Failure> {
    if !may_show_fields(request).await {
        return Ok(Answer::private(answers::tell(answers::not_shown_here(request.language))));
    }
    let (kind, id) = what.split_once(' ').unwrap_or((what, ""));
    let answer = match (kind, id.parse()) {
        ("status", _) => me::day(request).await?,
        ("deal", Ok(id)) => deal::show(request, &DealQuery::Id(id)).await?,
        ("lead", Ok(id)) => created(request, Kind::Lead, id).await?,
        ("task", Ok(id)) => created(request, Kind::Task, id).await?,
        _ => return Ok(Answer::silent("nothing to do")),
    };
    if answer.is_private {
        return Ok(answer);
    }
    let message = answer.message.map(|message| answers::shared(message, &request.user, request.language));
    Ok(Answer { message, did: Some("answer.shared".into()), ..answer }.seen_by(true))
}

/// A lead or a task as it was answered when it was created.
async fn created(request: &Request<'_>, kind: Kind, id: u64) -> Result<Answer, Failure> {
    let (_, rights) = match request.ready().await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    let domain = &request.tenant.portal.domain;
    let message = match kind {
        Kind::Lead => match rights.item(EntityType::LEAD, id).await? {
            Some(lead) => {
                let title = lead.display_title().unwrap_or_else(|| id.to_string());
                let url = EntityType::LEAD.link(domain, id);
                let responsible = name_of(request, lead.assigned_by_id).await?;
                message(request, kind, (&title, &url), responsible.as_deref(), &[], None)
            }
            None => return Ok(deal::not_found(request)),
        },
        Kind::Task => match rights.task(id).await? {
            Some(task) => {
                let title = task.title.clone().unwrap_or_else(|| id.to_string());
                let responsible = name_of(request, task.responsible_id).await?;
                let mut accomplices = Vec::new();
                for user in &task.accomplices {
                    accomplices.extend(name_of(request, Some(*user)).await?);
                }
                let link = (title.as_str(), task.link(domain));
                message(request, kind, (link.0, &link.1), responsible.as_deref(), &accomplices, task.deadline)
            }
            None => return Ok(deal::not_found(request)),
        },
    };
    Ok(Answer::to_one(message))
}

fn message(
    request: &Request<'_>,
    kind: Kind,
    (title, url): (&str, &str),
    responsible: Option<&str>,
    accomplices: &[String],
    deadline: Option<jiff::Timestamp>,
) -> Message {
    let deadline = deadline.map(|deadline| (deadline, &request.zone));
    answers::created(Created { kind, title, url, responsible, accomplices, deadline, note: None }, request.language)
}

async fn name_of(request: &Request<'_>, user: Option<u64>) -> Result<Option<String>, Failure> {
    match user.filter(|user| *user > 0) {
        Some(user) => Ok(request.deps.talk.portal_profile(&request.tenant, user).await?.map(|person| person.name)),
        None => Ok(None),
    }
}
