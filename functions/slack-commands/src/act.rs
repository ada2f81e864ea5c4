//! What was asked for, and who does it.

use std::collections::BTreeMap;

use connect::Failure;
use platform::Kind;
use rules::asked::Asked;
use rules::commands::answers::{self, DEAL_COMMENT, DEAL_SHOW, DEAL_STAGE, DEAL_TAKE, PERSON_ALLOW};
use rules::commands::views::{self, Origin};
use rules::commands::{self, BridgeAct, Command, DealQuery, LeadDraft, Name, TaskDraft, deadline};
use slack::View;
use slack::interaction::{Act, Interaction};

use crate::ask::{Answer, Request};
use crate::{bridge, create, deal, me};

pub(crate) async fn act(request: &Request<'_>, asked: &Asked) -> Result<Answer, Failure> {
    match asked {
        Asked::Command(command) => typed(request, &command.command, &command.text).await,
        Asked::Interaction(interaction) => done(request, interaction).await,
    }
}

/// Where the answer of a dialog or a shortcut goes: it travelled with it.
pub(crate) fn origin_of(asked: &Asked) -> Origin {
    match asked {
        Asked::Interaction(interaction) => match &interaction.act {
            Act::Sent { private_metadata, .. } => Origin::read(private_metadata),
            _ => Origin::default(),
        },
        Asked::Command(_) => Origin::default(),
    }
}

/// What somebody would have to type again, as far as it can be typed.
pub(crate) fn typed_again(asked: &Asked) -> String {
    match asked {
        Asked::Command(command) => {
            // Slack escapes three letters of what is typed.
            let text = command.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            format!("{} {text}", command.command).trim().to_owned()
        }
        Asked::Interaction(interaction) => match &interaction.act {
            Act::Chosen { action_id, value, .. } if action_id == DEAL_SHOW => format!("{} {value}", Name::Deal.typed()),
            Act::Sent { callback_id, values, .. } => form_as_typed(callback_id, values),
            _ => String::new(),
        },
    }
}

/// What was filled in, as a command where one does the same.
fn form_as_typed(callback_id: &str, values: &BTreeMap<String, String>) -> String {
    let (name, fields): (Option<Name>, &[&str]) = match callback_id {
        views::LEAD => (Some(Name::Lead), &["company", "comment"]),
        views::TASK => (Some(Name::Task), &["name", "description"]),
        _ => (None, &["comment"]),
    };
    let filled = fields.iter().filter_map(|field| values.get(*field)).map(|text| text.trim());
    let text = filled.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" | ");
    name.map_or(text.clone(), |name| format!("{} {text}", name.typed()))
}

async fn typed(request: &Request<'_>, name: &str, text: &str) -> Result<Answer, Failure> {
    let today = request.arrived_at.to_zoned(request.tenant.settings.zone()).date();
    let parsed = match commands::parse(name, text, today) {
        Ok(parsed) => parsed,
        Err(misuse) => return Ok(Answer::to_one(answers::misuse(&misuse, request.language))),
    };
    let everybody = parsed.public || request.tenant.settings.commands.public;
    // Strangers read along where the channel is shared: there only who asked sees a record's fields.
    let everybody = everybody && may_show_fields(request).await;
    match parsed.command {
        Command::Help(name) => Ok(Answer::to_one(answers::help(name, request.language))),
        Command::Dialog(name) => open(request, name).await,
        Command::Lead(draft) => Ok(create::lead(request, &draft).await?.seen_by(everybody)),
        Command::Task(draft) => Ok(create::task(request, &draft).await?.seen_by(everybody)),
        Command::Deal(query) => Ok(deal::show(request, &query).await?.seen_by(everybody)),
        Command::Status => Ok(me::day(request).await?.seen_by(everybody)),
        Command::Me(act) => me::act(request, &act).await,
        Command::Bridge(BridgeAct::Show) => bridge::show(request).await,
        Command::Bridge(BridgeAct::Join(dialog)) => bridge::join(request, &dialog).await,
        Command::Bridge(BridgeAct::Part) => bridge::part(request).await,
    }
}

async fn may_show_fields(request: &Request<'_>) -> bool {
    if request.tenant.settings.commands.fields_in_shared_channels {
        return true;
    }
    // What cannot be found out counts as shared.
    request.tenant.slack.channel_info(&request.channel).await.is_ok_and(|channel| !channel.is_shared)
}

fn here(request: &Request<'_>) -> Origin {
    Origin { channel: request.channel.clone(), response_url: request.response_url.clone(), ..Origin::default() }
}

async fn open(request: &Request<'_>, name: Name) -> Result<Answer, Failure> {
    // What is needed first is said before a form is filled in, not after it.
    if let Err(answer) = request.ready().await? {
        return Ok(answer);
    }
    let view = match name {
        Name::Task => views::task(request.language, &here(request), "", "", &request.user),
        _ => views::lead(request.language, &here(request), ""),
    };
    show_view(request, &view, name).await
}

/// Opens a dialog; if its three seconds are over, offers it on a button.
async fn show_view(request: &Request<'_>, view: &View, name: Name) -> Result<Answer, Failure> {
    match request.tenant.slack.open_view(&request.trigger_id, view).await {
        Ok(()) => Ok(Answer::silent("dialog.opened")),
        Err(Failure { kind: Kind::Permanent { code }, .. }) if code.contains("trigger") => {
            Ok(Answer::to_one(views::open_dialog(name, request.language)))
        }
        Err(failure) => Err(failure),
    }
}

async fn done(request: &Request<'_>, interaction: &Interaction) -> Result<Answer, Failure> {
    match &interaction.act {
        Act::Chosen { action_id, value, .. } => chosen(request, action_id, value).await,
        Act::Sent { callback_id, values, .. } => {
            let field = |name: &str| values.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
            match callback_id.as_str() {
                views::LEAD => {
                    create::lead(request, &LeadDraft { company: field("company"), comment: field("comment") }).await
                }
                views::TASK => {
                    let today = request.arrived_at.to_zoned(request.tenant.settings.zone()).date();
                    let assignee = Some(field("assignee")).filter(|id| !id.is_empty());
                    let draft = TaskDraft {
                        name: field("name"),
                        description: field("description"),
                        assignee: assignee.map(commands::Assignee::Slack),
                        deadline: deadline::parse(&field("deadline"), today),
                    };
                    create::task(request, &draft).await
                }
                views::COMMENT => {
                    let origin = origin_of(&Asked::Interaction(Box::new(interaction.clone())));
                    deal::comment(request, origin.id.unwrap_or_default(), &field("comment")).await
                }
                _ => Ok(Answer::silent("unknown dialog")),
            }
        }
        Act::Shortcut { callback_id, ts, thread, text, .. } => {
            let origin = Origin {
                channel: interaction.channel.clone(),
                response_url: interaction.response_url.clone(),
                thread: Some(thread.clone().unwrap_or_else(|| ts.clone())),
                id: None,
            };
            let words = rules::text::Document::from_mrkdwn(text).visible();
            let first = words.lines().next().unwrap_or_default();
            if let Err(answer) = request.ready().await? {
                return Ok(answer);
            }
            match callback_id.as_str() {
                views::SHORTCUT_LEAD => {
                    show_view(request, &views::lead(request.language, &origin, &words), Name::Lead).await
                }
                views::SHORTCUT_TASK => {
                    let view = views::task(request.language, &origin, first, &words, &request.user);
                    show_view(request, &view, Name::Task).await
                }
                _ => Ok(Answer::silent("unknown shortcut")),
            }
        }
        Act::Other { .. } => Ok(Answer::silent("nothing to do")),
    }
}

async fn chosen(request: &Request<'_>, action_id: &str, value: &str) -> Result<Answer, Failure> {
    let id = value.split(' ').next().and_then(|id| id.parse().ok());
    match (action_id, id) {
        (PERSON_ALLOW, _) => me::allow(request).await,
        (views::OPEN_DIALOG, _) => open(request, Name::of(value).unwrap_or(Name::Lead)).await,
        (DEAL_SHOW, Some(id)) => deal::show(request, &DealQuery::Id(id)).await,
        (DEAL_STAGE, Some(id)) => {
            deal::set_stage(request, id, value.split_once(' ').map_or("", |(_, stage)| stage)).await
        }
        (DEAL_TAKE, Some(id)) => deal::take(request, id).await,
        (DEAL_COMMENT, Some(id)) => {
            if let Err(answer) = request.ready().await? {
                return Ok(answer);
            }
            let origin = Origin { id: Some(id), ..here(request) };
            show_view(request, &views::comment(request.language, &origin), Name::Deal).await
        }
        // Buttons that only open a page tell us, too.
        _ => Ok(Answer::silent("nothing to do")),
    }
}
