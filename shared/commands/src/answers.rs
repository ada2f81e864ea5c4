//! What commands answer: short, in the reader's language, with the next step.

use bitrix24::EntityType;
#[cfg(feature = "act")]
use crm::views::RecordView;
use locale::{Fixed, Language, Piece, texts};
use slack::block::{Block, Element};
use slack::{Mrkdwn, SlackMessage};

use crate::misuse::{CreatedKind, Misuse};
use crate::spec::CommandSpec;

/// A message of one sentence.
pub fn say(text: &Mrkdwn) -> SlackMessage {
    SlackMessage::new(text.clone(), [Block::section(text.clone())])
}

/// The same from plain words.
pub fn plain(text: &str) -> SlackMessage {
    say(&Mrkdwn::text(text))
}

/// A message of the catalogues whose variables are markup.
pub(crate) fn marked_up<M: locale::Message<Value = Mrkdwn>>(message: &M, language: Language) -> Mrkdwn {
    language.pieces(message).into_iter().fold(Mrkdwn::default(), |text, piece| match piece {
        Piece::Text(own) => text.then(&Mrkdwn::text(&own)),
        Piece::Value(value) => text.then(value),
    })
}

/// A value after its label.
pub(crate) fn labelled(label: &str, value: Mrkdwn, language: Language) -> Mrkdwn {
    marked_up(&texts::commands::Labelled { label: Mrkdwn::text(label), value }, language)
}

/// A record by kind and number, and its title as a link.
#[cfg(feature = "act")]
pub(crate) fn headline(record: &RecordView, language: Language) -> Mrkdwn {
    let words = record.words(language);
    labelled(&words.about(), words.link().to_mrkdwn(), language)
}

/// The description of a command and its usage.
pub(crate) fn help(spec: &CommandSpec, language: Language) -> SlackMessage {
    let head = Mrkdwn::bold(spec.typed).then(&Mrkdwn::text(&format!(" {}", language.text(spec.help))));
    let usage = Mrkdwn::text(&format!("\n{}\n", spec.usage_line(language)));
    let examples = language.text(spec.examples).lines();
    let examples = examples.fold(usage, |text, example| text.then(&Mrkdwn::text(&format!("\n• {example}"))));
    let mut blocks = vec![Block::section(head.clone().then(&examples))];
    if spec.can_be_public {
        blocks.push(Block::context([Mrkdwn::text(language.text(texts::commands::HELP_PUBLIC))]));
    }
    SlackMessage::new(head, blocks)
}

/// Why a command cannot be run, with its usage if that helps.
pub(crate) fn misuse(misuse: &Misuse, spec: &CommandSpec, language: Language) -> SlackMessage {
    let mut message = plain(&misuse.words(language));
    if misuse.needs_usage() {
        message.blocks.push(Block::context([Mrkdwn::text(&spec.usage_line(language))]));
    }
    message
}

/// The person is not linked to a user of the portal: how to link them. The e-mail counts only if it was looked up.
pub fn unmapped(email: Option<&str>, by_email: bool, language: Language) -> SlackMessage {
    let why = match email.filter(|_| by_email) {
        Some(email) => language.text(texts::commands::EmailUnknown { email }),
        None if by_email => language.text(texts::commands::EMAIL_HIDDEN).to_owned(),
        None => language.text(texts::commands::NOT_LINKED_YET).to_owned(),
    };
    plain(&format!("{why} {}", language.text(texts::commands::HOW_TO_LINK)))
}

/// The `action_id` of the button that asks for the link by which a person lets us work with their own rights.
pub const PERSON_ALLOW: &str = "person_allow";

/// Asks for a person's own permission, with the button that leads to it, and repeats what they typed. `is_again` if
/// Bitrix24 rejects the permission that they gave.
pub fn allow(link: Option<&str>, is_again: bool, typed: &str, language: Language) -> SlackMessage {
    let why = if is_again { texts::commands::WHY_ALLOW_AGAIN } else { texts::commands::WHY_ALLOW };
    let why = Mrkdwn::text(language.text(why));
    let label = language.text(texts::commands::ALLOW);
    let how = match link.and_then(|link| Element::open(label, link, "open_permission")) {
        Some(button) => Block::actions([button]),
        None => Block::section(Mrkdwn::text(language.text(texts::commands::ALLOW_NEEDS_ADDRESS))),
    };
    let then = if typed.is_empty() {
        language.text(texts::commands::THEN_AGAIN).to_owned()
    } else {
        language.text(texts::commands::ThenTypeAgain { words: typed })
    };
    SlackMessage::new(why.clone(), [Block::section(why), how, Block::context([Mrkdwn::text(&then)])])
}

/// The same if a link would have expired by the time that it is opened: the button asks for a new one.
pub fn allow_later(language: Language) -> SlackMessage {
    let why = Mrkdwn::text(language.text(texts::commands::WHY_ALLOW));
    let button = Element::press(language.text(texts::commands::ALLOW), PERSON_ALLOW, "allow");
    SlackMessage::new(why.clone(), [Block::section(why), Block::actions([button])])
}

/// A lead or a task was created.
pub fn created(what: Created<'_>, language: Language) -> SlackMessage {
    let link = Mrkdwn::link(what.url, what.title);
    let (text, responsible_label) = match what.kind {
        CreatedKind::Lead => {
            (marked_up(&texts::commands::LeadCreated { link }, language), texts::records::FIELD_RESPONSIBLE)
        }
        CreatedKind::Task => {
            (marked_up(&texts::commands::TaskCreated { link }, language), texts::records::FIELD_ASSIGNEE)
        }
    };
    let part = |label: Fixed, value| labelled(language.text(label), value, language);
    let mut parts = Vec::new();
    parts.extend(what.responsible.map(|name| part(responsible_label, Mrkdwn::text(name))));
    if !what.accomplices.is_empty() {
        parts.push(part(texts::commands::ACCOMPLICES, Mrkdwn::text(&what.accomplices.join(", "))));
    }
    if let Some((deadline, zone)) = what.deadline {
        parts.push(part(texts::records::FIELD_DEADLINE, Mrkdwn::moment_in_full(deadline, zone)));
    }
    parts.extend(what.note.map(Mrkdwn::text));
    let mut blocks = vec![Block::section(text.clone())];
    if !parts.is_empty() {
        blocks.push(Block::context(parts));
    }
    let open = Element::open(language.text(texts::cards::OPEN), what.url, "open_record");
    blocks.extend(open.map(|button| Block::actions([button])));
    SlackMessage::new(text, blocks)
}

/// The parts of an answer about something that was created.
#[derive(Debug, Clone, Copy)]
pub struct Created<'a> {
    pub kind: CreatedKind,
    pub title: &'a str,
    /// Its page.
    pub url: &'a str,
    pub responsible: Option<&'a str>,
    /// Who helps.
    pub accomplices: &'a [String],
    /// Until when, and the time zone where Slack does not show the reader's.
    pub deadline: Option<(jiff::Timestamp, &'a jiff::tz::TimeZone)>,
    /// A note on what else its text led to: the contacts that were found in it.
    pub note: Option<&'a str>,
}

/// The `action_id` of the button that shows an answer to everyone in the channel.
pub const SHARE: &str = "share_answer";

/// That button, for what `what` names: `deal 42`, `task 7`, `status`.
pub fn share_button(what: &str, language: Language) -> Block {
    Block::actions([Element::press(language.text(texts::commands::SHARE), SHARE, what)])
}

/// An answer that a person shows to everyone, with their name.
pub fn shared(mut message: SlackMessage, user: &str, language: Language) -> SlackMessage {
    let by = marked_up(&texts::commands::SharedBy { person: Mrkdwn::mention(user) }, language);
    message.blocks.push(Block::context([by]));
    message
}

/// Whether a portal refused because the person lacks the right.
pub fn is_not_allowed(code: &str) -> bool {
    ["access_denied", "insufficient_scope", "user_access_error", "allowed_only_intranet_user"].contains(&code)
}

/// The message for a refused action.
pub fn refused(code: &str, reason: &str, language: Language) -> SlackMessage {
    let words = match code {
        "not_found" | "error_core" => texts::commands::NOT_FOUND,
        code if is_not_allowed(code) => texts::commands::NOT_ALLOWED,
        "dismissed" => texts::commands::DISMISSED,
        "unmapped" => texts::commands::OTHER_NOT_LINKED,
        _ => return plain(&language.text(texts::commands::Refused { reason })),
    };
    plain(language.text(words))
}

/// The line of a comment that names the person for whom the connection did something.
pub fn on_behalf(name: &str, entity: EntityType, language: Language) -> String {
    if entity == EntityType::LEAD {
        language.text(texts::commands::CreatedInSlack { name })
    } else {
        language.text(texts::commands::FromSlack { name })
    }
}
