//! What was asked for, and who does it.

use std::collections::BTreeMap;

use clients::Failure;
use commands::answers;
use commands::answers::{DEAL_COMMENT, DEAL_SHOW, DEAL_STAGE, DEAL_TAKE, PERSON_ALLOW, SHARE};
use commands::forms;
use commands::forms::{Draft, LeadForm, Sent, TaskForm};
use commands::views;
use commands::views::Origin;
use commands::{self, BridgeAct, Command, Context, DealQuery, LeadDraft, Name, TaskDraft, reader};
use jobs::asked::Asked;
use runtime::Kind;
use slack::View;
use slack::block::Block;
use slack::interaction::{Act, Interaction};

use crate::ask::{Answer, Request};
use crate::{bridge, create, deal, drafts, me, people, share};

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
    let sent = Sent(values);
    let (name, fields) = match callback_id {
        views::LEAD => (Some(Name::Lead), vec![sent.field("company"), sent.long("comment")]),
        views::TASK => {
            let form = sent.task();
            (Some(Name::Task), vec![form.name, form.description, form.day, form.deadline])
        }
        _ => (None, vec![sent.long("comment"), sent.long("text")]),
    };
    let text = fields.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" | ");
    name.map_or(text.clone(), |name| format!("{} {text}", name.typed()))
}

async fn typed(request: &Request<'_>, name: &str, text: &str) -> Result<Answer, Failure> {
    let text = people::named(request, text).await;
    let directory = people::directory(request, name, &text).await?;
    let now = request.local();
    let portal = &request.tenant.portal.domain;
    let context = Context { now: &now, language: request.language, portal, directory: &directory };
    let answer = match commands::parse(name, &text, &context) {
        Ok(parsed) => run(request, parsed.command, parsed.public).await?,
        Err(misuse) => Answer::misuse(misuse, request.language),
    };
    match Name::of(name).filter(|_| answer.problem.is_some()) {
        Some(name) => drafts::offer(request, answer, &forms::of_typed(name, &text, &context)).await,
        None => Ok(answer),
    }
}

async fn run(request: &Request<'_>, command: Command, public: bool) -> Result<Answer, Failure> {
    let answer = match command {
        Command::Help(name) => return Ok(Answer::to_one(answers::help(name, request.language))),
        Command::Dialog(name) => return open(request, name).await,
        Command::Me(act) => return me::act(request, &act).await,
        Command::Bridge(BridgeAct::Show) => return bridge::show(request).await,
        Command::Bridge(BridgeAct::Join(dialog)) => return bridge::join(request, &dialog).await,
        Command::Bridge(BridgeAct::Part) => return bridge::part(request).await,
        Command::Lead(draft) => create::lead(request, &draft).await?,
        Command::Task(draft) => create::task(request, &draft).await?,
        Command::Deal(query) => deal::show(request, &query).await?,
        Command::Status => me::day(request).await?,
    };
    Ok(shown_to(request, answer, public).await)
}

/// The answer for everybody, if that is asked for or set, and may be.
async fn shown_to(request: &Request<'_>, answer: Answer, public: bool) -> Answer {
    let everybody = public || request.tenant.settings.commands.public;
    if !everybody || answer.is_private {
        return answer;
    }
    // Strangers read along where the channel is shared: there only who asked sees a record's fields.
    if may_show_fields(request).await {
        return answer.seen_by(true);
    }
    let mut answer = Answer { share: None, ..answer };
    if let Some(message) = answer.message.as_mut().filter(|_| public) {
        let why = slack::Mrkdwn::text(answers::not_shown_here(request.language));
        message.blocks.push(Block::context([why]));
    }
    answer
}

pub(crate) async fn may_show_fields(request: &Request<'_>) -> bool {
    if request.tenant.settings.commands.fields_in_shared_channels {
        return true;
    }
    // What cannot be found out counts as shared.
    request.tenant.slack.channel_info(&request.channel).await.is_ok_and(|channel| !channel.is_shared)
}

/// Where the answer of a form that opens now goes.
pub(crate) fn here(request: &Request<'_>) -> Origin {
    Origin {
        channel: request.channel.clone(),
        response_url: request.response_url.clone(),
        zone: request.zone.iana_name().unwrap_or("UTC").to_owned(),
        language: request.language,
        ..Origin::default()
    }
}

async fn open(request: &Request<'_>, name: Name) -> Result<Answer, Failure> {
    // What is needed first is said before a form is filled in, not after it.
    if let Err(answer) = request.ready().await? {
        return Ok(answer);
    }
    let view = match name {
        Name::Task => {
            let form = TaskForm { assignee: request.user.clone(), ..TaskForm::default() };
            views::task(request.language, &here(request), &form, None)
        }
        _ => views::lead(request.language, &here(request), &LeadForm::default(), None),
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
        Act::Sent { callback_id, values, private_metadata, .. } => {
            sent(request, callback_id, &Sent(values), &Origin::read(private_metadata)).await
        }
        Act::Shortcut { .. } => shortcut(request, interaction).await,
        Act::Other { .. } => Ok(Answer::silent("nothing to do")),
    }
}

/// A form that was sent.
async fn sent(request: &Request<'_>, callback_id: &str, sent: &Sent<'_>, origin: &Origin) -> Result<Answer, Failure> {
    let (answer, draft) = match callback_id {
        views::LEAD => {
            let form = sent.lead();
            (lead_of(request, &form).await?, Draft::Lead(form))
        }
        views::TASK => {
            let form = sent.task();
            (task_of(request, &form).await?, Draft::Task(form))
        }
        views::RETYPE => {
            let command = origin.command.as_deref().unwrap_or_default();
            return typed(request, command, &reader::from_form(&sent.long("text"))).await;
        }
        views::COMMENT => {
            let text = reader::from_form(&sent.long("comment"));
            return deal::comment(request, origin.id.unwrap_or_default(), &text).await;
        }
        _ => return Ok(Answer::silent("unknown dialog")),
    };
    match &answer.problem {
        Some(problem) => {
            let problem = answers::misuse_words(problem, request.language);
            drafts::reopen(request, answer, &draft, origin, &problem).await
        }
        None => Ok(answer),
    }
}

async fn lead_of(request: &Request<'_>, form: &LeadForm) -> Result<Answer, Failure> {
    match LeadDraft::read(&reader::from_form(&form.company), &reader::from_form(&form.comment)) {
        Ok(draft) => create::lead(request, &draft).await,
        Err(misuse) => Ok(Answer::misuse(misuse, request.language)),
    }
}

async fn task_of(request: &Request<'_>, form: &TaskForm) -> Result<Answer, Failure> {
    let name = reader::line(&reader::tokens(&reader::from_form(&form.name)), true);
    let deadline = match form.until(&request.local(), request.language) {
        Ok(deadline) if !name.is_empty() => deadline,
        Ok(_) => return Ok(Answer::misuse(commands::Misuse::NoName(Name::Task), request.language)),
        Err((_, misuse)) => return Ok(Answer::misuse(misuse, request.language)),
    };
    let description = people::named(request, &reader::from_form(&form.description)).await;
    create::task(request, &TaskDraft { name, description, people: form.people(), deadline }).await
}

/// A message from which a lead or a task is to be made: its form, filled in.
async fn shortcut(request: &Request<'_>, interaction: &Interaction) -> Result<Answer, Failure> {
    let Act::Shortcut { callback_id, ts, thread, text, .. } = &interaction.act else {
        return Ok(Answer::silent("nothing to do"));
    };
    let origin = Origin { thread: Some(thread.clone().unwrap_or_else(|| ts.clone())), ..here(request) };
    if let Err(answer) = request.ready().await? {
        return Ok(answer);
    }
    let text = people::named(request, text).await;
    let said = reader::to_form(&text);
    match callback_id.as_str() {
        views::SHORTCUT_LEAD => {
            let form = LeadForm { company: String::new(), comment: said };
            show_view(request, &views::lead(request.language, &origin, &form, None), Name::Lead).await
        }
        views::SHORTCUT_TASK => {
            let seen = text::Document::from_mrkdwn(&text).visible();
            let name = seen.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            // The whole of it is the description.
            let name = name.chars().take(forms::MAX_NAME / 2).collect();
            let assignee = request.user.clone();
            let form = TaskForm { name, description: said, assignee, ..TaskForm::default() };
            show_view(request, &views::task(request.language, &origin, &form, None), Name::Task).await
        }
        _ => Ok(Answer::silent("unknown shortcut")),
    }
}

async fn chosen(request: &Request<'_>, action_id: &str, value: &str) -> Result<Answer, Failure> {
    let id = value.split(' ').next().and_then(|id| id.parse().ok());
    match (action_id, id) {
        (PERSON_ALLOW, _) => me::allow(request).await,
        (SHARE, _) => share::share(request, value).await,
        (views::EDIT, _) => drafts::edit(request, value).await,
        (name, _) if views::PEOPLE.contains(&name) => people::chosen(request, value).await,
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
