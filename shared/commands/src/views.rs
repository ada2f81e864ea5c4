//! Dialogs and the app's home.

use serde::{Deserialize, Serialize};
use slack::block::{Block, Element};
use slack::{Mrkdwn, View};

use jiff::{Timestamp, Zoned};

use super::Name;
use super::answers::{self, DEAL_SHOW, Day};
use super::forms::{self, Draft, LeadForm, MAX_NAME, TaskForm};
use locale::language::Language;

/// The dialog's kinds, by their `callback_id`.
pub const LEAD: &str = "new_lead";
/// A new task.
pub const TASK: &str = "new_task";
/// A comment on a deal.
pub const COMMENT: &str = "deal_comment";
/// The text of a command, to be corrected.
pub const RETYPE: &str = "retype";
/// The menus of people in the form of a task.
pub const PEOPLE: [&str; 2] = ["assignee", "accomplices"];
/// The button that opens the form with what was typed.
pub const EDIT: &str = "edit_typed";
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
    /// The time zone of who fills it in.
    #[serde(default)]
    pub zone: String,
    /// Their language.
    #[serde(default)]
    pub language: Language,
    /// The command whose text is corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
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

    /// A moment where they are.
    pub fn local(&self, at: Timestamp) -> Zoned {
        at.to_zoned(forms::zone(&self.zone))
    }
}

fn close(language: Language) -> &'static str {
    language.pick("Cancel", "Отмена")
}

fn create(language: Language) -> &'static str {
    language.pick("Create", "Создать")
}

/// The longest text that a field takes, in UTF-16 units.
const LONGEST: usize = 3000;
/// The most fields that one long text is spread over.
pub const MAX_FIELDS: usize = 5;

/// The field that holds a part of a long text.
pub fn field_of(name: &str, place: usize) -> String {
    if place == 0 { name.to_owned() } else { format!("{name}_{}", place + 1) }
}

/// A line of text, filled in.
fn line(name: &str, label: &str, text: &str) -> Block {
    let text = Some(text.to_owned()).filter(|text| !text.is_empty());
    Block::input(name, label, Element::text_input(name, false, MAX_NAME, text), None, false)
}

/// A long text, filled in: as many fields as it needs.
fn long(name: &str, label: &str, text: &str, optional: bool) -> Vec<Block> {
    let mut parts = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        if used + c.len_utf16() > LONGEST && parts.len() < MAX_FIELDS {
            parts.push(String::new());
            used = 0;
        }
        used += c.len_utf16();
        if used <= LONGEST
            && let Some(part) = parts.last_mut()
        {
            part.push(c);
        }
    }
    let fields = parts.into_iter().enumerate().map(|(place, part)| {
        let name = field_of(name, place);
        let part = Some(part).filter(|part| !part.is_empty());
        let element = Element::text_input(&name, true, LONGEST, part);
        Block::input(&name, label, element, None, optional || place > 0)
    });
    fields.collect()
}

/// What is wrong with what the form holds, above it.
fn above(problem: Option<&str>) -> Option<Block> {
    problem.map(|problem| Block::section(Mrkdwn::text(&format!("⚠️ {problem}"))))
}

/// A new lead, with what is known of it.
pub fn lead(language: Language, origin: &Origin, form: &LeadForm, problem: Option<&str>) -> View {
    let mut blocks: Vec<Block> = above(problem).into_iter().collect();
    blocks.push(line("company", language.pick("Company", "Компания"), &form.company));
    blocks.extend(long("comment", language.pick("Comment", "Комментарий"), &form.comment, true));
    View::modal(
        LEAD,
        language.pick("New lead", "Новый лид"),
        Some(create(language)),
        close(language),
        &origin.text(),
        blocks,
    )
}

/// A new task, with what is known of it.
pub fn task(language: Language, origin: &Origin, form: &TaskForm, problem: Option<&str>) -> View {
    let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let assignee = Element::UsersSelect { initial_user: filled(&form.assignee), action_id: "assignee".into() };
    let accomplices =
        Element::MultiUsersSelect { initial_users: form.accomplices.clone(), action_id: "accomplices".into() };
    let deadline = Element::Datepicker { initial_date: filled(&form.day), action_id: "deadline".into() };
    let words = Element::text_input("deadline_words", false, MAX_NAME, filled(&form.deadline));
    let hint = match language {
        Language::En => format!("tomorrow 15:00, friday, in 2 hours, end of month; in your time zone, {}", origin.zone),
        Language::Ru => {
            format!("завтра в 15:00, пятница, через 2 часа, конец месяца; в вашем часовом поясе, {}", origin.zone)
        }
    };
    let in_words = language.pick("Or the deadline in words", "Или срок словами");
    let mut blocks: Vec<Block> = above(problem).into_iter().collect();
    blocks.push(line("name", language.pick("Name", "Название"), &form.name));
    blocks.extend(long("description", language.pick("Description", "Описание"), &form.description, true));
    blocks.push(Block::input("assignee", language.label("assignee"), assignee, None, true).telling_choices());
    let helpers = language.pick("Accomplices", "Соисполнители");
    blocks.push(Block::input("accomplices", helpers, accomplices, None, true).telling_choices());
    blocks.push(Block::input("deadline", language.label("deadline"), deadline, None, true));
    blocks.push(Block::input("deadline_words", in_words, words, Some(&hint), true));
    View::modal(
        TASK,
        language.pick("New task", "Новая задача"),
        Some(create(language)),
        close(language),
        &origin.text(),
        blocks,
    )
}

/// The text of a command that was not understood.
pub fn retype(language: Language, origin: &Origin, command: &str, text: &str, problem: Option<&str>) -> View {
    let origin = Origin { command: Some(command.to_owned()), ..origin.clone() };
    let mut blocks: Vec<Block> = above(problem).into_iter().collect();
    blocks.extend(long("text", command, text, true));
    let run = language.pick("Run", "Выполнить");
    View::modal(RETYPE, command, Some(run), close(language), &origin.text(), blocks)
}

/// The form of a draft.
pub fn of_draft(draft: &Draft, language: Language, origin: &Origin, problem: Option<&str>) -> View {
    match draft {
        Draft::Lead(form) => lead(language, origin, form, problem),
        Draft::Task(form) => task(language, origin, form, problem),
        Draft::Text { command, text } => retype(language, origin, command, text, problem),
    }
}

/// A comment on a deal.
pub fn comment(language: Language, origin: &Origin) -> View {
    let label = language.pick("Comment", "Комментарий");
    View::modal(
        COMMENT,
        language.pick("Add comment", "Комментарий"),
        Some(language.pick("Add", "Добавить")),
        close(language),
        &origin.text(),
        [Block::input("comment", label, Element::text_input("comment", true, LONGEST, None), None, false)],
    )
}

/// The button that opens the form with what was typed, kept under `draft`.
pub fn edit_button(draft: &str, language: Language) -> Block {
    Block::actions([Element::press(language.pick("Edit", "Изменить"), EDIT, draft)])
}

/// A button for a dialog whose three seconds were over.
pub fn open_dialog(name: Name, language: Language) -> slack::Message {
    let text = Mrkdwn::text(language.pick("The form took too long to open.", "Форма открывалась слишком долго."));
    let button = Element::press(language.pick("Open it", "Открыть"), OPEN_DIALOG, name.typed());
    slack::Message::new(text.clone(), [Block::section(text), Block::actions([button])])
}

/// The same for a form that was filled in.
pub fn open_draft(draft: &str, language: Language) -> slack::Message {
    let text = Mrkdwn::text(language.pick(
        "The form took too long to open. What you typed is kept.",
        "Форма открывалась слишком долго. Набранное вами сохранено.",
    ));
    slack::Message::new(text.clone(), [Block::section(text), edit_button(draft, language)])
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
                    "Your Slack account isn't linked to a Bitrix24 user yet. Type /b24-me with your Bitrix24 e-mail in any channel, or ask an administrator to link you.",
                    "Ваша учётная запись Slack ещё не связана с пользователем Битрикс24. Наберите /b24-me с вашей почтой в Битрикс24 в любом канале или попросите администратора связать вас.",
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
