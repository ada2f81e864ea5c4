//! The trait of a command's second half: what it does after it was acknowledged.

use clients::Failure;
use serde_json::Value;
use slack::View;

use crate::drafts::FormDraft;
use crate::forms::{FormOrigin, SubmittedForm};
use crate::reader::TextToken;
use crate::request::{CommandAnswer, CommandRequest};
use crate::spec::Acknowledge;
use crate::typed::CommandContext;

/// The result of a submitted form.
pub(crate) struct Submitted {
    pub(crate) answer: CommandAnswer,
    /// What was filled in, so that the form can be opened again if something is wrong.
    pub(crate) draft: Option<FormDraft>,
}

impl From<CommandAnswer> for Submitted {
    fn from(answer: CommandAnswer) -> Self {
        Self { answer, draft: None }
    }
}

/// The half of a command that acts. Only [`Perform::run`] must be there; the rest is for commands that have forms, buttons
/// or entries in a message's menu. `None` says that something belongs to another command.
pub(crate) trait Perform: Acknowledge {
    /// Does what was typed.
    async fn run(
        request: &CommandRequest<'_>,
        tokens: &[TextToken<'_>],
        context: &CommandContext<'_>,
    ) -> Result<CommandAnswer, Failure>;

    /// The command's form, filled in with what was typed, right or wrong.
    fn filled_in(_tokens: &[TextToken<'_>], _context: &CommandContext<'_>) -> Option<Value> {
        None
    }

    /// The command's form, empty except for what is known of the person.
    fn empty_form(_user: &str) -> Option<Value> {
        None
    }

    /// The command's form, filled in with the message from whose menu it was opened.
    fn of_message(_user: &str, _text: &str) -> Option<Value> {
        None
    }

    /// The view of the command's form.
    fn view(_form: &Value, _origin: &FormOrigin, _problem: Option<&str>) -> Option<View> {
        None
    }

    /// What was filled in, as text that can be typed.
    fn as_typed(_form: &SubmittedForm<'_>) -> Option<String> {
        None
    }

    /// Handles a pressed button, or a choice from a menu.
    async fn pressed(
        _request: &CommandRequest<'_>,
        _action_id: &str,
        _value: &str,
    ) -> Result<Option<CommandAnswer>, Failure> {
        Ok(None)
    }

    /// Handles a submitted form.
    async fn submitted(_request: &CommandRequest<'_>, _form: &SubmittedForm<'_>) -> Result<Option<Submitted>, Failure> {
        Ok(None)
    }

    /// What the command answered, once more: `deal 42`, `status`.
    async fn again(_request: &CommandRequest<'_>, _what: &str) -> Result<Option<CommandAnswer>, Failure> {
        Ok(None)
    }
}
