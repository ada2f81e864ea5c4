//! A deal: shown, moved, taken, commented.

use bitrix24::EntityType;
use clients::Failure;
use commands::DealQuery;
use commands::answers;
use jiff::Timestamp;
use serde_json::{Value, json};
use slack::Mrkdwn;
use tenants::people::Link;
use text::Document;
use user_mapping::rights::Rights;

use crate::ask::{Answer, Request, SKEW};

pub(crate) async fn show(request: &Request<'_>, query: &DealQuery) -> Result<Answer, Failure> {
    let (_, rights) = match request.ready().await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    let id = match query {
        DealQuery::Id(id) => *id,
        DealQuery::Words(words) => {
            let found = commands::records::find_deals(&request.tenant, &rights, words).await?;
            match found.deals.as_slice() {
                [(id, ..)] => *id,
                several => {
                    return Ok(Answer::to_one(answers::which_deal(several, found.more, words, request.language)));
                }
            }
        }
    };
    card(request, &rights, id, None).await
}

async fn card(request: &Request<'_>, rights: &Rights, id: u64, note: Option<&Mrkdwn>) -> Result<Answer, Failure> {
    match commands::records::deal(&request.deps.talk, &request.tenant, rights, id).await? {
        Some(deal) => {
            let mut answer = Answer::to_one(deal.card(request.language, note));
            answer.record = Some(format!("deal {id}"));
            answer.share = Some(format!("deal {id}"));
            Ok(answer)
        }
        None => Ok(not_found(request)),
    }
}

/// The same for a deal that is not there and for one that the person may not see.
pub(crate) fn not_found(request: &Request<'_>) -> Answer {
    Answer::private(answers::refused("not_found", "", request.language))
}

/// Who asked and their rights, if the deal is within their reach; else what to tell them.
async fn reach(request: &Request<'_>, id: u64) -> Result<Result<(Link, Rights), Answer>, Failure> {
    let (person, rights) = match request.ready().await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(Err(answer)),
    };
    let deal = rights.item(EntityType::DEAL, id).await?;
    Ok(if deal.is_some() { Ok((person, rights)) } else { Err(not_found(request)) })
}

pub(crate) async fn set_stage(request: &Request<'_>, id: u64, stage: &str) -> Result<Answer, Failure> {
    let (person, rights) = match reach(request, id).await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    change(request, &rights, id, &json!({"stageId": stage})).await?;
    let deal = commands::records::deal(&request.deps.talk, &request.tenant, &rights, id).await?;
    // The portal may say yes and mean no: what it has now decides.
    let Some(deal) = deal else { return Ok(not_found(request)) };
    if deal.stage_id != stage {
        let text = request.language.pick(
            "Bitrix24 left the deal in its stage: a required field may be empty, or the stage is of another funnel.",
            "Битрикс24 оставил сделку на её стадии: может быть, пусто обязательное поле или стадия из другой воронки.",
        );
        return Ok(Answer::to_one(deal.card(request.language, Some(&Mrkdwn::text(text)))));
    }
    named(request, &rights, &person, id, &format!("{} → {}", request.language.label("stage"), deal.stage)).await?;
    let note = Mrkdwn::text(&format!("{} {}", request.language.pick("Moved to", "Перенесена:"), deal.stage));
    Ok(Answer::done(deal.card(request.language, Some(&note)), "deal.moved_from_slack", format!("deal {id}")))
}

pub(crate) async fn take(request: &Request<'_>, id: u64) -> Result<Answer, Failure> {
    let (person, rights) = match reach(request, id).await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    change(request, &rights, id, &json!({"assignedById": person.user})).await?;
    let text = request.language.pick("It is yours now.", "Теперь она ваша.");
    let answer = card(request, &rights, id, Some(&Mrkdwn::text(text))).await?;
    Ok(Answer { did: Some("deal.taken_from_slack".into()), ..answer })
}

pub(crate) async fn comment(request: &Request<'_>, id: u64, text: &str) -> Result<Answer, Failure> {
    let (person, rights) = match reach(request, id).await? {
        Ok(ready) => ready,
        Err(answer) => return Ok(answer),
    };
    let mut said = Document::from_mrkdwn(text).to_bbcode(false);
    if !rights.are_own() {
        said = format!("{said}\n{}", Document::plain(&behalf(request, &person)).to_bbcode(false));
    }
    add_comment(request, &rights, id, &said).await?;
    let done = request.language.pick("Comment added.", "Комментарий добавлен.");
    let answer = card(request, &rights, id, Some(&Mrkdwn::text(done))).await?;
    Ok(Answer { did: Some("deal.commented_from_slack".into()), ..answer })
}

async fn change(request: &Request<'_>, rights: &Rights, id: u64, fields: &Value) -> Result<(), Failure> {
    tracing::debug!(tenant = %request.tenant.id, id, "changing a deal");
    let params = json!({"entityTypeId": EntityType::DEAL.0, "id": id, "fields": fields});
    rights.client.call("crm.item.update", &params).await.map(|_| ())
}

fn behalf(request: &Request<'_>, person: &Link) -> String {
    answers::on_behalf(&person.name, EntityType::DEAL, request.language)
}

/// Where the connection did it, the deal says for whom.
async fn named(request: &Request<'_>, rights: &Rights, person: &Link, id: u64, what: &str) -> Result<(), Failure> {
    if rights.are_own() {
        return Ok(());
    }
    let said = Document::plain(&format!("{what}. {}", behalf(request, person))).to_bbcode(false);
    match add_comment(request, rights, id, &said).await {
        // The right to comment may be missing; what was asked for is done.
        Err(Failure { kind: runtime::Kind::Permanent { .. }, .. }) => Ok(()),
        added => added,
    }
}

/// Comments once: what another try has written is found by its text, for a comment has no id of ours.
async fn add_comment(request: &Request<'_>, rights: &Rights, id: u64, text: &str) -> Result<(), Failure> {
    if request.is_retry && was_said(request, rights, id, text).await? {
        return Ok(());
    }
    let fields = json!({"ENTITY_ID": id, "ENTITY_TYPE": "deal", "COMMENT": text});
    rights.client.call("crm.timeline.comment.add", &json!({"fields": fields})).await.map(|_| ())
}

/// Whether this very request has written it: the same words from another day are not these.
async fn was_said(request: &Request<'_>, rights: &Rights, id: u64, text: &str) -> Result<bool, Failure> {
    let params = json!({
        "filter": {"ENTITY_ID": id, "ENTITY_TYPE": "deal"}, "order": {"ID": "DESC"},
        "select": ["ID", "COMMENT", "CREATED"],
    });
    match rights.client.call("crm.timeline.comment.list", &params).await {
        Ok(answer) => {
            let rows = answer.result.as_array().cloned().unwrap_or_default();
            let since = request.arrived_at - SKEW;
            let recent = |row: &Value| {
                let at = row["CREATED"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
                at.is_none_or(|at| at >= since)
            };
            Ok(rows.iter().take(5).any(|row| row["COMMENT"] == text && recent(row)))
        }
        Err(Failure { kind: runtime::Kind::Permanent { .. }, .. }) => Ok(false),
        Err(failure) => Err(failure),
    }
}
