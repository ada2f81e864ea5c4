//! Parts that forms share, and the form in which a typed command is corrected.

use locale::{Language, texts};
use slack::block::{Block, Element};
use slack::{Mrkdwn, View};

use crate::forms::{FormOrigin, MAX_FIELD, MAX_FIELDS, MAX_NAME, field_of};
use crate::spec::CommandSpec;

/// The `callback_id` of the form in which the text of a command is corrected.
pub(crate) const RETYPE: &str = "retype";
/// The `action_id` of the button that opens the form with what was typed.
pub(crate) const EDIT: &str = "edit_typed";
/// The `action_id` of the button that opens a form again whose three seconds were over.
pub(crate) const OPEN_DIALOG: &str = "open_dialog";

/// A form whose button says *Create*.
pub(crate) fn creating(callback_id: &str, title: &str, origin: &FormOrigin, blocks: Vec<Block>) -> View {
    let create = origin.language.text(texts::commands::CREATE);
    View::modal(callback_id, title, Some(create), cancel(origin.language), &origin.text(), blocks)
}

pub(crate) fn cancel(language: Language) -> &'static str {
    language.text(texts::commands::CANCEL)
}

/// A line of text, filled in.
pub(crate) fn line(name: &str, label: &str, text: &str) -> Block {
    Block::input(name, label, Element::text_input(name, false, MAX_NAME, filled(text)), None, false)
}

pub(crate) fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// A long text, filled in: as many fields as it needs.
pub(crate) fn long(name: &str, label: &str, text: &str, optional: bool) -> Vec<Block> {
    let mut parts = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        if used + c.len_utf16() > MAX_FIELD && parts.len() < MAX_FIELDS {
            parts.push(String::new());
            used = 0;
        }
        used += c.len_utf16();
        if used <= MAX_FIELD
            && let Some(part) = parts.last_mut()
        {
            part.push(c);
        }
    }
    let fields = parts.into_iter().enumerate().map(|(index, part)| {
        let name = field_of(name, index);
        let element = Element::text_input(&name, true, MAX_FIELD, filled(&part));
        Block::input(&name, label, element, None, optional || index > 0)
    });
    fields.collect()
}

/// What is wrong with the form's input, above it.
pub(crate) fn above(problem: Option<&str>) -> Vec<Block> {
    problem.map(|problem| Block::section(Mrkdwn::text(&format!("⚠️ {problem}")))).into_iter().collect()
}

/// The text of a command that was not understood.
pub(crate) fn retype(origin: &FormOrigin, command: &str, text: &str, problem: Option<&str>) -> View {
    let language = origin.language;
    let origin = FormOrigin { command: Some(command.to_owned()), ..origin.clone() };
    let mut blocks = above(problem);
    blocks.extend(long("text", command, text, true));
    let run = language.text(texts::commands::RUN);
    View::modal(RETYPE, command, Some(run), cancel(language), &origin.text(), blocks)
}

/// The button that opens the form with what was typed, kept under `draft`.
pub(crate) fn edit_button(draft: &str, language: Language) -> Block {
    Block::actions([Element::press(language.text(texts::commands::EDIT), EDIT, draft)])
}

/// A button for a form whose three seconds were over.
pub(crate) fn open_dialog(spec: &CommandSpec, language: Language) -> slack::SlackMessage {
    let text = Mrkdwn::text(language.text(texts::commands::FORM_TOO_SLOW));
    let button = Element::press(language.text(texts::commands::OPEN_FORM), OPEN_DIALOG, spec.typed);
    slack::SlackMessage::new(text.clone(), [Block::section(text), Block::actions([button])])
}

/// The same for a form that was filled in.
pub(crate) fn open_draft(draft: &str, language: Language) -> slack::SlackMessage {
    let text = Mrkdwn::text(language.text(texts::commands::DRAFT_TOO_SLOW));
    slack::SlackMessage::new(text.clone(), [Block::section(text), edit_button(draft, language)])
}
