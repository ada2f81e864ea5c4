//! Which command answers a request. All kinds of requests (typed, pressed, submitted) arrive here.

use clients::{ErrorClass, Failure};
use jobs::slack_request::SlackRequest;
use locale::texts;
use slack::block::Block;
use slack::interaction::{Act, Interaction};
use slack::{Mrkdwn, View};

use crate::answers::{self, SHARE};
use crate::deal::DealCommand;
use crate::deal::act::DEAL_SHOW;
use crate::drafts::{self, DraftContent, FormDraft};
use crate::forms::{FormOrigin, SubmittedForm};
use crate::misuse::Misuse;
use crate::reader;
use crate::request::{CommandAnswer, CommandRequest};
use crate::spec::{Acknowledge, CommandSpec};
use crate::typed::{CommandAim, CommandContext, TypedCommand};
use crate::views::{self, EDIT, OPEN_DIALOG, RETYPE};
use crate::waiting::CANCEL;
use crate::{lookup, permission, reply, table, waiting};

/// Acts on a request; what cannot be done at all is the answer.
///
/// # Errors
/// If it has to be tried again, or the portal is not connected.
pub async fn answer(request: &CommandRequest<'_>, asked: &SlackRequest) -> Result<CommandAnswer, Failure> {
    let answer = match act(request, asked).await {
        Ok(answer) => answer,
        // The person is answered at once; nothing has to be stored for later.
        Err(Failure { class: ErrorClass::Permanent { code }, text, .. }) if code != "portal_not_connected" => {
            tracing::warn!(tenant = %request.tenant.id, code, text, "a request was refused");
            let answer = if crm::views::needs_permission(&code) {
                permission::ask_to_allow(request, code == "grant_expired", &typed_again(asked)).await?
            } else {
                CommandAnswer::private(answers::refused(&code, &text, request.language))
            };
            CommandAnswer { did: Some(format!("refused: {code}")), ..answer }
        }
        Err(failure) => return Err(failure),
    };
    Ok(with_share_button(request, answer))
}

/// Sends an answer to where the person asked; to the person alone, if that is no longer possible.
///
/// # Errors
/// If it has to be tried again.
pub async fn send(request: &CommandRequest<'_>, answer: &CommandAnswer) -> Result<(), Failure> {
    match &answer.message {
        Some(message) => reply::send(request, message, answer.shown, answer.is_private).await,
        None => Ok(()),
    }
}

async fn act(request: &CommandRequest<'_>, asked: &SlackRequest) -> Result<CommandAnswer, Failure> {
    match asked {
        SlackRequest::Command(command) => typed(request, &command.command, &command.text).await,
        SlackRequest::Interaction(interaction) => match &interaction.act {
            Act::Chosen { action_id, value, .. } => pressed(request, action_id, value).await,
            Act::Sent { .. } => match form_of(interaction) {
                Some(form) => submitted(request, &form).await,
                None => Ok(CommandAnswer::silent("nothing to do")),
            },
            Act::Shortcut { callback_id, ts, thread, text, .. } => {
                let origin = FormOrigin { thread: Some(thread.as_ref().unwrap_or(ts).clone()), ..request.here() };
                of_message(request, callback_id, &origin, text).await
            }
            Act::Other { .. } => Ok(CommandAnswer::silent("nothing to do")),
        },
    }
}

fn form_of(interaction: &Interaction) -> Option<SubmittedForm<'_>> {
    match &interaction.act {
        Act::Sent { callback_id, values, private_metadata, .. } => {
            Some(SubmittedForm { callback_id, values, origin: FormOrigin::read(private_metadata) })
        }
        _ => None,
    }
}

/// What the person would have to type again, if it can be typed.
fn typed_again(asked: &SlackRequest) -> String {
    match asked {
        // Slack escapes three letters of what is typed.
        SlackRequest::Command(command) => {
            format!("{} {}", command.command, reader::decoded(&command.text)).trim().to_owned()
        }
        SlackRequest::Interaction(interaction) => match &interaction.act {
            Act::Chosen { action_id, value, .. } if action_id == DEAL_SHOW => {
                format!("{} {value}", DealCommand::SPEC.typed)
            }
            _ => {
                let form = form_of(interaction);
                form.map(|form| table::as_typed(&form).unwrap_or_else(|| form.long("text"))).unwrap_or_default()
            }
        },
    }
}

async fn typed(request: &CommandRequest<'_>, name: &str, text: &str) -> Result<CommandAnswer, Failure> {
    let Some(typed) = TypedCommand::read(name, text) else {
        let unknown = Misuse::Unknown(name.chars().take(40).collect());
        return Ok(CommandAnswer::private(answers::plain(&unknown.words(request.language))));
    };
    match typed.aim {
        CommandAim::Help => Ok(CommandAnswer::to_one(answers::help(typed.spec, request.language))),
        CommandAim::Form => open(request, typed.spec).await,
        CommandAim::Run => {
            let text = lookup::named(request, text).await;
            run(request, &typed.with_text(&text), &text).await
        }
    }
}

async fn run(request: &CommandRequest<'_>, typed: &TypedCommand<'_>, text: &str) -> Result<CommandAnswer, Failure> {
    let directory = lookup::directory(request, typed.spec, text).await?;
    let (now, portal) = (request.local(), request.tenant.portal.domain.as_str());
    let context = CommandContext { now: &now, language: request.language, portal, directory: &directory };
    let answer = table::run(typed.spec, request, typed.tokens(), &context).await?;
    if answer.problem.is_some() {
        let content = match table::filled_in(typed.spec, typed.tokens(), &context) {
            Some(form) => DraftContent::Form(form),
            None => DraftContent::Text(reader::to_form(text)),
        };
        return drafts::offer(request, answer, &FormDraft { command: typed.spec.typed.to_owned(), content }).await;
    }
    if typed.spec.can_be_public { Ok(shown_to(request, answer, typed.is_public).await) } else { Ok(answer) }
}

/// The answer for everyone, if that is requested or set, and allowed.
async fn shown_to(request: &CommandRequest<'_>, answer: CommandAnswer, is_public: bool) -> CommandAnswer {
    let everybody = is_public || request.tenant.settings.commands.public;
    if !everybody || answer.is_private {
        return answer;
    }
    // If the channel is shared with outsiders, only the person who asked sees a record's fields.
    if request.may_show_fields().await {
        return answer.seen_by_all();
    }
    let mut answer = CommandAnswer { share: None, ..answer };
    if let Some(message) = answer.message.as_mut().filter(|_| is_public) {
        message.blocks.push(Block::context([Mrkdwn::text(request.language.text(texts::commands::NOT_SHOWN_HERE))]));
    }
    answer
}

/// Opens a command's empty form.
async fn open(request: &CommandRequest<'_>, spec: &CommandSpec) -> Result<CommandAnswer, Failure> {
    // A problem is reported before a form is filled in, not after it.
    if let Err(answer) = request.ready().await? {
        return Ok(answer);
    }
    let form = table::empty_form(spec, &request.user);
    match form.and_then(|form| table::view(spec, &form, &request.here(), None)) {
        Some(view) => request.open_view(&view, spec).await,
        None => Ok(CommandAnswer::silent("nothing to do")),
    }
}

/// Opens the form of an entry in a message's menu, filled in with the message.
async fn of_message(
    request: &CommandRequest<'_>,
    callback_id: &str,
    origin: &FormOrigin,
    text: &str,
) -> Result<CommandAnswer, Failure> {
    if let Err(answer) = request.ready().await? {
        return Ok(answer);
    }
    let is_it = |spec: &&&CommandSpec| spec.shortcut.is_some_and(|shortcut| shortcut.callback_id == callback_id);
    let Some(spec) = crate::ALL.iter().find(is_it) else { return Ok(CommandAnswer::silent("unknown shortcut")) };
    let text = lookup::named(request, text).await;
    let form = table::of_message(spec, &request.user, &text);
    match form.and_then(|form| table::view(spec, &form, origin, None)) {
        Some(view) => request.open_view(&view, spec).await,
        None => Ok(CommandAnswer::silent("nothing to do")),
    }
}

/// Handles a submitted form.
async fn submitted(request: &CommandRequest<'_>, form: &SubmittedForm<'_>) -> Result<CommandAnswer, Failure> {
    if form.callback_id == RETYPE {
        let command = form.origin.command.as_deref().unwrap_or_default();
        return Box::pin(typed(request, command, &reader::from_form(&form.long("text")))).await;
    }
    let Some(submitted) = table::submitted(request, form).await? else {
        return Ok(CommandAnswer::silent("unknown dialog"));
    };
    let answer = submitted.answer;
    match (&answer.problem, submitted.draft) {
        (Some(problem), Some(draft)) => {
            let problem = problem.words(request.language);
            reopen(request, answer, &draft, &problem).await
        }
        _ => Ok(answer),
    }
}

/// Handles a pressed button, or a choice from a menu.
async fn pressed(request: &CommandRequest<'_>, action_id: &str, value: &str) -> Result<CommandAnswer, Failure> {
    match action_id {
        SHARE => share(request, value).await,
        EDIT => edit(request, value).await,
        CANCEL => waiting::cancel(request, value).await,
        OPEN_DIALOG => match CommandSpec::find(value) {
            Some(spec) => open(request, spec).await,
            None => Ok(CommandAnswer::silent("nothing to do")),
        },
        // Slack also reports buttons that only open a page.
        _ => Ok(table::pressed(request, action_id, value)
            .await?
            .unwrap_or_else(|| CommandAnswer::silent("nothing to do"))),
    }
}

/// *Share to channel*: reads again what one person was shown, with their rights, and shows it to everyone in the
/// channel.
async fn share(request: &CommandRequest<'_>, what: &str) -> Result<CommandAnswer, Failure> {
    if !request.may_show_fields().await {
        let text = request.language.text(texts::commands::NOT_SHOWN_HERE);
        return Ok(CommandAnswer::private(answers::plain(text)));
    }
    let Some(answer) = table::again(request, what).await? else { return Ok(CommandAnswer::silent("nothing to do")) };
    if answer.is_private {
        return Ok(answer);
    }
    let message = answer.message.map(|message| answers::shared(message, &request.user, request.language));
    Ok(CommandAnswer { message, did: Some("answer.shared".into()), ..answer }.seen_by_all())
}

/// Adds the button that shows an answer to everyone, if only the person who asked sees it and others are in the
/// channel.
fn with_share_button(request: &CommandRequest<'_>, mut answer: CommandAnswer) -> CommandAnswer {
    // A direct message has no other readers.
    let has_others = request.channel.starts_with(['C', 'G']) && request.origin.thread.is_none();
    let is_for_one = answer.shown == slack::answers::Shown::ToOne && !answer.is_private;
    if let (Some(message), Some(what), true) = (&mut answer.message, &answer.share, has_others && is_for_one) {
        message.blocks.push(answers::share_button(what, request.language));
    }
    answer
}

/// Handles *Edit*: opens the form with what the person typed.
async fn edit(request: &CommandRequest<'_>, id: &str) -> Result<CommandAnswer, Failure> {
    let Some(draft) = drafts::find(request, id).await? else {
        let text = request.language.text(texts::commands::DRAFT_GONE);
        return Ok(CommandAnswer::private(answers::plain(text)));
    };
    let view = view_of(&draft, &request.here(), None);
    match request.tenant.slack.open_view(&request.trigger_id, &view).await {
        Ok(()) => Ok(CommandAnswer::silent("dialog.opened")),
        Err(Failure { class: ErrorClass::Permanent { code }, .. }) if code.contains("trigger") => {
            Ok(CommandAnswer::private(views::open_draft(id, request.language)))
        }
        Err(failure) => Err(failure),
    }
}

/// Opens a submitted form with a problem again; if its three seconds are over, offers it on a button.
async fn reopen(
    request: &CommandRequest<'_>,
    answer: CommandAnswer,
    draft: &FormDraft,
    problem: &str,
) -> Result<CommandAnswer, Failure> {
    let view = view_of(draft, &request.origin, Some(problem));
    match request.tenant.slack.open_view(&request.trigger_id, &view).await {
        Ok(()) => Ok(CommandAnswer { message: None, ..answer }),
        Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => drafts::offer(request, answer, draft).await,
        Err(failure) => Err(failure),
    }
}

/// The form of a draft; of one without a form of its own, its text.
fn view_of(draft: &FormDraft, origin: &FormOrigin, problem: Option<&str>) -> View {
    let spec = CommandSpec::find(&draft.command);
    match (&draft.content, spec) {
        (DraftContent::Form(form), Some(spec)) => table::view(spec, form, origin, problem),
        (DraftContent::Text(text), _) => Some(views::retype(origin, &draft.command, text, problem)),
        (DraftContent::Form(_), None) => None,
    }
    .unwrap_or_else(|| views::retype(origin, &draft.command, "", problem))
}
