//! Dialogs and the app's home.

use serde::{Deserialize, Serialize};
use slack::block::{Block, Element};
use slack::{Mrkdwn, View};

use super::Name;
use super::answers::{self, DEAL_SHOW, Day};
use crate::language::Language;

/// The dialog's kinds, by their `callback_id`.
pub const LEAD: &str = "new_lead";
/// A new task.
pub const TASK: &str = "new_task";
/// A comment on a deal.
pub const COMMENT: &str = "deal_comment";
/// The shortcut of a message that makes a lead of it.
pub const SHORTCUT_LEAD: &str = "message_to_lead";
/// The shortcut of a message that makes a task of it.
pub const SHORTCUT_TASK: &str = "message_to_task";
/// The button that opens a dialog whose moment had passed.
pub const OPEN_DIALOG: &str = "open_dialog";

/// What travels with a dialog: where its answer goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Where it was asked for.
    #[serde(default)]
    pub channel: String,
    /// Where the answer goes.
    #[serde(default)]
    pub response_url: String,
    /// The thread to answer in, if it came from a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The record that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
}

impl Origin {
    /// As it travels.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From what travelled; an empty one from what is none.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

fn close(language: Language) -> &'static str {
    language.pick("Cancel", "Отмена")
}

fn create(language: Language) -> &'static str {
    language.pick("Create", "Создать")
}

/// The longest text that a field takes.
const LONGEST: usize = 3000;

fn filled(element: Element, text: &str) -> Element {
    match element {
        Element::PlainTextInput { multiline, max_length, action_id, .. } => Element::PlainTextInput {
            multiline,
            initial_value: Some(text.chars().take(max_length).collect::<String>()).filter(|text| !text.is_empty()),
            max_length,
            action_id,
        },
        other => other,
    }
}

/// A new lead, with what is known of it.
pub fn lead(language: Language, origin: &Origin, comment: &str) -> View {
    let company = Element::text_input("company", false, 250);
    let said = filled(Element::text_input("comment", true, LONGEST), comment);
    View::modal(
        LEAD,
        language.pick("New lead", "Новый лид"),
        Some(create(language)),
        close(language),
        &origin.text(),
        [
            Block::input(language.pick("Company", "Компания"), company, None, false),
            Block::input(language.pick("Comment", "Комментарий"), said, None, true),
        ],
    )
}

/// A new task, with what is known of it.
pub fn task(language: Language, origin: &Origin, name: &str, description: &str, user: &str) -> View {
    let title = filled(Element::text_input("name", false, 250), name);
    let text = filled(Element::text_input("description", true, LONGEST), description);
    let assignee = Element::UsersSelect {
        initial_user: Some(user.to_owned()).filter(|user| !user.is_empty()),
        action_id: "assignee".into(),
    };
    let deadline = Element::Datepicker { action_id: "deadline".into() };
    View::modal(
        TASK,
        language.pick("New task", "Новая задача"),
        Some(create(language)),
        close(language),
        &origin.text(),
        [
            Block::input(language.pick("Name", "Название"), title, None, false),
            Block::input(language.pick("Description", "Описание"), text, None, true),
            Block::input(language.label("assignee"), assignee, None, true),
            Block::input(language.label("deadline"), deadline, None, true),
        ],
    )
}

/// A comment on a deal.
pub fn comment(language: Language, origin: &Origin) -> View {
    let text = Element::text_input("comment", true, LONGEST);
    let title = language.pick("Add comment", "Комментарий");
    View::modal(
        COMMENT,
        title,
        Some(language.pick("Add", "Добавить")),
        close(language),
        &origin.text(),
        [Block::input(language.pick("Comment", "Комментарий"), text, None, false)],
    )
}

/// A button for a dialog whose three seconds were over.
pub fn open_dialog(name: Name, language: Language) -> slack::Message {
    let text = Mrkdwn::text(language.pick("The form took too long to open.", "Форма открывалась слишком долго."));
    let button = Element::press(language.pick("Open it", "Открыть"), OPEN_DIALOG, name.typed());
    slack::Message::new(text.clone(), [Block::section(text), Block::actions([button])])
}

/// Somebody's home: their day, their deals, who they are.
pub struct Home<'a> {
    /// Who they are on the portal.
    pub name: Option<&'a str>,
    /// How that is known, in words.
    pub known_by: &'a str,
    /// Their day; nothing for who is nobody there.
    pub day: Option<&'a Day>,
    /// Some of their deals: number, title, address.
    pub deals: &'a [(u64, String, String)],
    /// The portal's address.
    pub portal: &'a str,
    /// Whether they must first let us work with their own rights.
    pub must_allow: bool,
}

impl Home<'_> {
    /// The view.
    pub fn view(&self, language: Language) -> View {
        let mut blocks = Vec::new();
        match (self.name, self.day) {
            (Some(name), Some(day)) => {
                blocks.push(Block::header(&match language {
                    Language::En => format!("{name} in Bitrix24"),
                    Language::Ru => format!("{name} в Битрикс24"),
                }));
                blocks.extend(day.blocks(language));
                for (id, title, url) in self.deals {
                    blocks.push(Block::section(Mrkdwn::text(&format!("{id} · ")).then(&Mrkdwn::link(url, title))));
                    blocks.push(Block::actions([Element::press(
                        language.pick("Show", "Показать"),
                        DEAL_SHOW,
                        &id.to_string(),
                    )]));
                }
            }
            (Some(_), None) if self.must_allow => {
                blocks.push(Block::header(language.pick("Welcome to Switchboard", "Добро пожаловать в Switchboard")));
                blocks.extend(answers::allow_later(language).blocks);
            }
            _ => {
                blocks.push(Block::header(language.pick("Welcome to Switchboard", "Добро пожаловать в Switchboard")));
                let text = language.pick(
                    "You are nobody we know in Bitrix24 yet. Type /b24-me with your Bitrix24 e-mail in any channel, or ask an administrator to link you.",
                    "Мы пока не знаем вас в Битрикс24. Наберите /b24-me с вашей почтой в Битрикс24 в любом канале или попросите администратора связать вас.",
                );
                blocks.push(Block::section(Mrkdwn::text(text)));
            }
        }
        blocks.push(Block::Divider);
        blocks.push(Block::section(Mrkdwn::bold(language.pick("My settings", "Мои настройки"))));
        blocks.push(Block::section(Mrkdwn::text(self.known_by)));
        let commands = Name::ALL.iter().fold(Mrkdwn::default(), |text, name| {
            text.then(&Mrkdwn::text(&format!("{} {} – {}\n", name.typed(), name.usage(), name.description())))
        });
        blocks.push(Block::context([
            commands,
            Mrkdwn::link(self.portal, language.pick("Open Bitrix24", "Открыть Битрикс24")),
        ]));
        View::home(blocks)
    }
}
