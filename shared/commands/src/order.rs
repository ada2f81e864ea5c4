//! Which requests wait for each other. What a person changes is done in the order in which they asked for it; what they
//! want to see waits for nothing, so that a change that Bitrix24 does not answer holds up no answer.

use jobs::slack_request::SlackRequest;
use runtime::{GroupKey, Job};
use slack::interaction::Act;

use crate::typed::{CommandAim, TypedCommand};

/// What orders a request among the tenant's others.
pub fn group(asked: &SlackRequest) -> GroupKey {
    if only_reads(asked) { GroupKey::new([asked.user(), "read", &asked.identity()]) } else { asked.group() }
}

/// Whether a request changes nothing in Bitrix24: it shows something, or opens a form.
pub fn only_reads(asked: &SlackRequest) -> bool {
    match asked {
        SlackRequest::Command(command) => match TypedCommand::read(&command.command, &command.text) {
            Some(typed) => typed.aim != CommandAim::Run || crate::only_reads(typed.spec, typed.tokens()),
            // The answer is that there is none.
            None => true,
        },
        SlackRequest::Interaction(interaction) => match &interaction.act {
            Act::Chosen { action_id, .. } => !crate::changes_when_pressed(action_id),
            Act::Sent { .. } => false,
            Act::Shortcut { .. } | Act::Other { .. } => true,
        },
    }
}
