//! What commands answer: short, in the reader's language, with the next step.

use bitrix24::EntityType;
use locale::Language;
use slack::block::{Block, Element};
use slack::{Message, Mrkdwn};

use crate::misuse::{CreatedKind, Misuse, not_allowed};
use crate::spec::{CommandHelp, CommandSpec};

/// A message of one sentence.
pub fn say(text: &Mrkdwn) -> Message {
    Message::new(text.clone(), [Block::section(text.clone())])
}

/// The same from plain words.
pub fn plain(text: &str) -> Message {
    say(&Mrkdwn::text(text))
}

/// What a command does and how it is typed.
pub(crate) fn help(spec: &CommandSpec, language: Language) -> Message {
    let CommandHelp { does, examples } = (spec.help)(language);
    let head = Mrkdwn::bold(spec.typed).then(&Mrkdwn::text(" ")).then(&Mrkdwn::text(does));
    let usage = Mrkdwn::text(&spec.usage_line());
    let examples =
        examples.iter().fold(Mrkdwn::text("\n"), |text, example| text.then(&Mrkdwn::text(&format!("\n• {example}"))));
    let mut blocks = vec![Block::section(head.clone().then(&Mrkdwn::text("\n")).then(&usage).then(&examples))];
    if spec.can_be_public {
        let public = language.pick(
            "Only you see the answer; everybody in the channel with --public, or when you press Share to channel.",
            "Ответ видите только вы; с --public или по кнопке «Показать в канале» его увидят все в канале.",
        );
        blocks.push(Block::context([Mrkdwn::text(public)]));
    }
    Message::new(head, blocks)
}

/// Why what was typed cannot be done, with the command's usage where that helps.
pub(crate) fn misuse(misuse: &Misuse, spec: &CommandSpec, language: Language) -> Message {
    let mut message = plain(&misuse.words(language));
    if misuse.needs_usage() {
        message.blocks.push(Block::context([Mrkdwn::text(&spec.usage_line())]));
    }
    message
}

/// A person is not linked to a user of the portal: how to link them. The e-mail counts only where it was looked for.
pub fn unmapped(email: Option<&str>, by_email: bool, language: Language) -> Message {
    let known = match (email.filter(|_| by_email), language) {
        (Some(email), Language::En) => format!("Nobody in Bitrix24 has your e-mail {email}. "),
        (Some(email), Language::Ru) => format!("Ни у кого в Битрикс24 нет вашей почты {email}. "),
        (None, Language::En) if !by_email => "Your Slack account isn't linked to a Bitrix24 user yet. ".into(),
        (None, Language::Ru) if !by_email => {
            "Ваша учётная запись Slack ещё не связана с пользователем Битрикс24. ".into()
        }
        (None, Language::En) => "I cannot see your e-mail in Slack. ".into(),
        (None, Language::Ru) => "Я не вижу вашей почты в Slack. ".into(),
    };
    let fix = language.pick(
        "Type /b24-me and your Bitrix24 e-mail to link yourself, or ask an administrator to link you on the people page.",
        "Наберите /b24-me и вашу почту в Битрикс24, чтобы связать себя, или попросите администратора сделать это на странице людей.",
    );
    plain(&format!("{known}{fix}"))
}

/// A user was dismissed on the portal.
pub fn dismissed(language: Language) -> &'static str {
    language.pick(
        "Your Bitrix24 account is no longer active. If that is a mistake, ask an administrator of your portal.",
        "Ваша учётная запись в Битрикс24 больше не активна. Если это ошибка, обратитесь к администратору портала.",
    )
}

/// The `action_id` of the button that asks for the link by which a person lets us work with their own rights.
pub const PERSON_ALLOW: &str = "person_allow";

/// Why a person's own permission is needed: the first one, or another one where Bitrix24 rejects the last.
pub fn why_allow(is_again: bool, language: Language) -> &'static str {
    if is_again {
        language.pick(
            "Your Bitrix24 authorization has expired. Allow Switchboard again, and what you do here is done as you.",
            "Битрикс24 больше не принимает разрешение, которое вы дали Switchboard. Дайте его снова, и всё будет делаться от вашего имени.",
        )
    } else {
        language.pick(
            "Switchboard works in Bitrix24 with your own rights: you see and change here what you may see and change there. Allow that once.",
            "Switchboard работает в Битрикс24 с вашими правами: здесь вы видите и меняете то же, что и там. Разрешите это один раз.",
        )
    }
}

fn allow_words(language: Language) -> &'static str {
    language.pick("Allow Switchboard to act as you", "Разрешить действовать за вас")
}

/// Asks for a person's own permission, with the button that leads to it, and repeats what they typed.
pub fn allow(link: Option<&str>, is_again: bool, typed: &str, language: Language) -> Message {
    let why = Mrkdwn::text(why_allow(is_again, language));
    let mut blocks = vec![Block::section(why.clone())];
    match link.and_then(|link| Element::open(allow_words(language), link, "open_permission")) {
        Some(button) => blocks.push(Block::actions([button])),
        None => blocks.push(Block::section(Mrkdwn::text(language.pick(
            "Ask an administrator to make this possible: the public address of Switchboard is not configured.",
            "Попросите администратора сделать это возможным: Switchboard не знает своего публичного адреса.",
        )))),
    }
    let kept = if typed.is_empty() {
        language.pick("Then do it again.", "Потом повторите.").to_owned()
    } else {
        format!("{} {typed}", language.pick("Then do this again:", "Потом повторите:"))
    };
    blocks.push(Block::context([Mrkdwn::text(&kept)]));
    Message::new(why, blocks)
}

/// The same where a link would have expired when it is opened: the button asks for one.
pub fn allow_later(language: Language) -> Message {
    let why = Mrkdwn::text(why_allow(false, language));
    Message::new(why.clone(), [Block::section(why), Block::actions([allow_button(language)])])
}

/// The button that asks for the link.
pub fn allow_button(language: Language) -> Element {
    Element::press(allow_words(language), PERSON_ALLOW, "allow")
}

/// A lead or a task was created.
pub fn created(what: Created<'_>, language: Language) -> Message {
    let head = match what.kind {
        CreatedKind::Lead => language.pick("New lead", "Новый лид"),
        CreatedKind::Task => language.pick("New task", "Новая задача"),
    };
    let link = Mrkdwn::link(what.url, what.title);
    let text = Mrkdwn::text(&format!("{head}: ")).then(&link);
    let mut parts = Vec::new();
    if let Some(responsible) = what.responsible {
        parts.push(Mrkdwn::text(&format!(
            "{}: {responsible}",
            language.label(if what.kind == CreatedKind::Task { "assignee" } else { "responsible" })
        )));
    }
    if !what.accomplices.is_empty() {
        let accomplices = what.accomplices.join(", ");
        parts.push(Mrkdwn::text(&format!("{}: {accomplices}", accomplices_label(language))));
    }
    if let Some((deadline, zone)) = what.deadline {
        let label = Mrkdwn::text(&format!("{}: ", language.label("deadline")));
        parts.push(label.then(&Mrkdwn::moment_in_full(deadline, zone)));
    }
    parts.extend(what.note.map(Mrkdwn::text));
    let mut blocks = vec![Block::section(text.clone())];
    if !parts.is_empty() {
        blocks.push(Block::context(parts));
    }
    blocks.extend(Element::open(language.open(), what.url, "open_record").map(|button| Block::actions([button])));
    Message::new(text, blocks)
}

/// What the people are called who help with a task.
pub(crate) fn accomplices_label(language: Language) -> &'static str {
    language.pick("Accomplices", "Соисполнители")
}

/// What is said of something that was created.
#[derive(Debug, Clone, Copy)]
pub struct Created<'a> {
    /// What it is.
    pub kind: CreatedKind,
    /// Its title.
    pub title: &'a str,
    /// Where it opens.
    pub url: &'a str,
    /// Who is responsible for it.
    pub responsible: Option<&'a str>,
    /// Who helps.
    pub accomplices: &'a [String],
    /// Until when, and the time zone where Slack does not show the reader's.
    pub deadline: Option<(jiff::Timestamp, &'a jiff::tz::TimeZone)>,
    /// What else its text led to: contacts that were found in it.
    pub note: Option<&'a str>,
}

/// The `action_id` of the button that shows an answer to everybody in the channel.
pub const SHARE: &str = "share_answer";

/// That button, for what `what` names: `deal 42`, `task 7`, `status`.
pub fn share_button(what: &str, language: Language) -> Block {
    Block::actions([Element::press(language.pick("Share to channel", "Показать в канале"), SHARE, what)])
}

/// An answer that a person shows to everybody, with their name.
pub fn shared(mut message: Message, user: &str, language: Language) -> Message {
    let by = Mrkdwn::text(language.pick("Shared by ", "Показал(а) ")).then(&Mrkdwn::mention(user));
    message.blocks.push(Block::context([by]));
    message
}

/// Why an answer is not shown in a channel that is shared with another organisation.
pub fn not_shown_here(language: Language) -> &'static str {
    language.pick(
        "People of another organisation read this channel, so only you see this. An administrator can allow it in the settings (commands.fields_in_shared_channels).",
        "Этот канал читают люди другой организации, поэтому ответ видите только вы. Администратор может разрешить это в настройках (commands.fields_in_shared_channels).",
    )
}

/// Whether a portal refused because the person's right is missing.
pub fn is_not_allowed(code: &str) -> bool {
    ["access_denied", "insufficient_scope", "user_access_error", "allowed_only_intranet_user"].contains(&code)
}

/// The words for what was refused.
pub fn refused(code: &str, text: &str, language: Language) -> Message {
    let words = match code {
        "not_found" | "error_core" => language.pick(
            "Bitrix24 does not find it, or you are not allowed to see it. Open it in Bitrix24, or ask to become its observer.",
            "Битрикс24 не находит запись, или вам её не видно. Откройте её в Битрикс24 или попросите сделать вас наблюдателем.",
        ),
        code if is_not_allowed(code) => not_allowed(language),
        "dismissed" => dismissed(language),
        "unmapped" => language.pick(
            "This person isn't linked to a Bitrix24 user yet. They can type /b24-me, or an administrator can link them.",
            "Этот человек ещё не связан с пользователем Битрикс24. Он может набрать /b24-me, или его свяжет администратор.",
        ),
        _ => language.pick("Bitrix24 refused this:", "Битрикс24 не принял это:"),
    };
    let known = !words.ends_with(':');
    if known { plain(words) } else { plain(&format!("{words} {text}")) }
}

/// Bitrix24 does not answer for now.
pub fn unavailable(language: Language) -> Message {
    plain(language.pick(
        "Bitrix24 is not answering right now. Nothing is lost: I keep trying and will answer here.",
        "Битрикс24 сейчас не отвечает. Ничего не потеряно: я попробую ещё и отвечу здесь.",
    ))
}

/// The line of a comment that names the person for whom the connection did something.
pub fn on_behalf(name: &str, entity: EntityType, language: Language) -> String {
    match (entity, language) {
        (EntityType::LEAD, Language::Ru) => format!("Создано в Slack: {name}"),
        (_, Language::Ru) => format!("Из Slack: {name}"),
        (EntityType::LEAD, Language::En) => format!("Created in Slack by {name}"),
        (_, Language::En) => format!("From Slack, by {name}"),
    }
}
