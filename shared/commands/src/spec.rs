//! A command's name, usage and help; the trait of its first half; and the macro that makes the one table of commands.

use jiff::Timestamp;
use locale::{Fixed, Language};

use crate::forms::{FormProblems, SubmittedForm};
use crate::reader::TextToken;

/// What is known of a command without running it: for Slack's list, its help, the documentation and its
/// acknowledgement.
#[derive(Debug)]
pub struct CommandSpec {
    /// As it is typed: `/b24-lead`.
    pub typed: &'static str,
    /// What it does, for lists of commands.
    pub description: Fixed,
    /// Its arguments.
    pub usage: Fixed,
    /// Its row in `docs/talking.md`, in Markdown: how it is typed, and what it does.
    pub documentation: (&'static str, &'static str),
    /// Its help's description; the command's name comes before it.
    pub help: Fixed,
    /// How it is typed, an example a line.
    pub examples: Fixed,
    /// What happens if nothing follows it.
    pub without_text: WithoutText,
    /// The entry in a message's menu that does the same for the message.
    pub shortcut: Option<MessageShortcut>,
    /// Whether names in its text are looked up before the text is read.
    pub names_people: bool,
    /// Whether its answer can be shown to the whole channel, with `--public`.
    pub can_be_public: bool,
}

/// What happens if nothing follows a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutText {
    /// It opens the form with this `callback_id`.
    Form(&'static str),
    /// It shows its help.
    Help,
    Run,
}

/// An entry in a message's menu. Its texts are only in the manifest of the app, which has one language.
#[derive(Debug, Clone, Copy)]
pub struct MessageShortcut {
    /// Its id in Slack.
    pub callback_id: &'static str,
    /// Its title.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
}

/// The half of a command that acknowledging needs. It makes no calls.
pub trait Acknowledge {
    const SPEC: CommandSpec;

    /// What is wrong with a submitted form, as far as it can be checked at once; `None` if it is another command's
    /// form.
    fn form_problems(_form: &SubmittedForm<'_>, _now: Timestamp) -> Option<FormProblems> {
        None
    }

    /// Whether what follows the command only asks to be shown something: that waits for nothing that the person asked
    /// before.
    fn only_reads(_tokens: &[TextToken<'_>]) -> bool {
        false
    }

    /// Whether a button, or a choice from a menu, changes something in Bitrix24.
    fn changes_when_pressed(_action_id: &str) -> bool {
        false
    }

    /// The people who were chosen in a form, each with the field; they must be linked to users of the portal.
    fn chosen_people(_form: &SubmittedForm<'_>) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

impl PartialEq for CommandSpec {
    fn eq(&self, other: &Self) -> bool {
        self.typed == other.typed
    }
}

impl Eq for CommandSpec {}

impl CommandSpec {
    /// The command by what was typed, whatever its case.
    pub fn find(typed: &str) -> Option<&'static Self> {
        crate::ALL.iter().copied().find(|spec| spec.typed.eq_ignore_ascii_case(typed.trim()))
    }

    /// Its usage: `/b24-lead Company | Comment [--public]`.
    pub fn usage_line(&self, language: Language) -> String {
        format!("{} {}", self.typed, language.text(self.usage))
    }
}

/// Makes the table of commands, and everything that goes through all of them.
macro_rules! commands {
    ($($module:ident::$command:ident),+ $(,)?) => {
        /// All commands, in the order in which people see them.
        pub static ALL: &[&spec::CommandSpec] = &[$(&<$module::$command as spec::Acknowledge>::SPEC),+];

        /// What is wrong with a submitted form, as far as it can be checked without a call.
        pub fn form_problems(form: &forms::SubmittedForm<'_>, now: jiff::Timestamp) -> forms::FormProblems {
            let found = None;
            $(let found = found.or_else(|| <$module::$command as spec::Acknowledge>::form_problems(form, now));)+
            found.unwrap_or_default()
        }

        /// The people who were chosen in a form, each with the field that they were chosen in.
        pub fn chosen_people(form: &forms::SubmittedForm<'_>) -> Vec<(&'static str, String)> {
            [$(<$module::$command as spec::Acknowledge>::chosen_people(form)),+].concat()
        }

        /// Whether what follows a command only asks to be shown something.
        pub(crate) fn only_reads(spec: &spec::CommandSpec, tokens: &[reader::TextToken<'_>]) -> bool {
            $(if *spec == <$module::$command as spec::Acknowledge>::SPEC {
                return <$module::$command as spec::Acknowledge>::only_reads(tokens);
            })+
            false
        }

        /// Whether a button, or a choice from a menu, changes something in Bitrix24.
        pub(crate) fn changes_when_pressed(action_id: &str) -> bool {
            false $(|| <$module::$command as spec::Acknowledge>::changes_when_pressed(action_id))+
        }

        /// The same for the acting halves: each request finds the command that it belongs to.
        #[cfg(feature = "act")]
        pub(crate) mod table {
            use clients::Failure;
            use serde_json::Value;

            use crate::forms::{FormOrigin, SubmittedForm};
            use crate::perform::{Perform, Submitted};
            use crate::reader::TextToken;
            use crate::request::{CommandAnswer, CommandRequest};
            use crate::spec::{Acknowledge, CommandSpec};
            use crate::typed::CommandContext;

            /// Does what was typed.
            pub(crate) async fn run(
                spec: &CommandSpec,
                request: &CommandRequest<'_>,
                tokens: &[TextToken<'_>],
                context: &CommandContext<'_>,
            ) -> Result<CommandAnswer, Failure> {
                $(if *spec == crate::$module::$command::SPEC {
                    return Box::pin(crate::$module::$command::run(request, tokens, context)).await;
                })+
                Ok(CommandAnswer::silent("unknown command"))
            }

            /// A command's form, filled in with what was typed.
            pub(crate) fn filled_in(
                spec: &CommandSpec,
                tokens: &[TextToken<'_>],
                context: &CommandContext<'_>,
            ) -> Option<Value> {
                $(if *spec == crate::$module::$command::SPEC {
                    return crate::$module::$command::filled_in(tokens, context);
                })+
                None
            }

            /// A command's empty form for a person in Slack.
            pub(crate) fn empty_form(spec: &CommandSpec, user: &str) -> Option<Value> {
                $(if *spec == crate::$module::$command::SPEC {
                    return crate::$module::$command::empty_form(user);
                })+
                None
            }

            /// A command's form, filled in with a message.
            pub(crate) fn of_message(spec: &CommandSpec, user: &str, text: &str) -> Option<Value> {
                $(if *spec == crate::$module::$command::SPEC {
                    return crate::$module::$command::of_message(user, text);
                })+
                None
            }

            /// The view of a command's form.
            pub(crate) fn view(
                spec: &CommandSpec,
                form: &Value,
                origin: &FormOrigin,
                problem: Option<&str>,
            ) -> Option<slack::View> {
                $(if *spec == crate::$module::$command::SPEC {
                    return crate::$module::$command::view(form, origin, problem);
                })+
                None
            }

            /// What was filled in, as text that can be typed.
            pub(crate) fn as_typed(form: &SubmittedForm<'_>) -> Option<String> {
                let found = None;
                $(let found = found.or_else(|| crate::$module::$command::as_typed(form));)+
                found
            }

            /// Handles a pressed button, or a choice from a menu.
            pub(crate) async fn pressed(
                request: &CommandRequest<'_>,
                action_id: &str,
                value: &str,
            ) -> Result<Option<CommandAnswer>, Failure> {
                $(if let Some(answer) = Box::pin(crate::$module::$command::pressed(request, action_id, value)).await? {
                    return Ok(Some(answer));
                })+
                Ok(None)
            }

            /// Handles a submitted form.
            pub(crate) async fn submitted(
                request: &CommandRequest<'_>,
                form: &SubmittedForm<'_>,
            ) -> Result<Option<Submitted>, Failure> {
                $(if let Some(submitted) = Box::pin(crate::$module::$command::submitted(request, form)).await? {
                    return Ok(Some(submitted));
                })+
                Ok(None)
            }

            /// What a command answered, once more: `deal 42`, `status`.
            pub(crate) async fn again(
                request: &CommandRequest<'_>,
                what: &str,
            ) -> Result<Option<CommandAnswer>, Failure> {
                $(if let Some(answer) = Box::pin(crate::$module::$command::again(request, what)).await? {
                    return Ok(Some(answer));
                })+
                Ok(None)
            }
        }
    };
}
