//! What commands answer: short, in the reader's language, with what to do next.

use bitrix24::EntityType;
use slack::block::{Block, Element};
use slack::{Message, Mrkdwn};

use super::deadline::Unread;
use super::{Misuse, Name};
use locale::language::Language;
use locale::money;

/// A message of one sentence.
pub fn say(text: &Mrkdwn) -> Message {
    Message::new(text.clone(), [Block::section(text.clone())])
}

/// The same from plain words.
pub fn tell(text: &str) -> Message {
    say(&Mrkdwn::text(text))
}

/// What a command does and how it is typed.
pub fn help(name: Name, language: Language) -> Message {
    let (does, examples): (&str, &[&str]) = match name {
        Name::Lead => (
            language.pick(
                "creates a lead. Phone numbers, e-mails and web addresses in the text become its fields. Without text it opens a form.",
                "создаёт лид. Телефоны, почта и адреса сайтов из текста попадают в его поля. Без текста открывается форма.",
            ),
            &["/b24-lead ACME | asked for a price list, +49 30 1234567, ann@acme.example", "/b24-lead acme.example --public"],
        ),
        Name::Task => (
            language.pick(
                "creates a task. Description, assignee and deadline are optional. People and a deadline can be in any part, or at the end of the name; further people become accomplices. Without text it opens a form.",
                "создаёт задачу. Описание, исполнителя и срок можно опустить, человек и срок могут стоять где угодно; второй человек будет соисполнителем. Без текста открывается форма.",
            ),
            match language {
                Language::En => &["/b24-task Call ACME | about the roof | @ann | tomorrow 15:00", "/b24-task Send the offer @ann @bob friday 5pm", "/b24-task Send the offer | ann@example.com | in 2 hours --public"],
                Language::Ru => &["/b24-task Позвонить в АКМЕ | о крыше | @anna | завтра в 15:00", "/b24-task Отправить предложение @anna @boris до пятницы", "/b24-task Отправить предложение | anna@example.com | через 2 часа --public"],
            },
        ),
        Name::Deal => (
            language.pick(
                "shows a deal: stage, sum, responsible, next activity, and buttons to work on it.",
                "показывает сделку: стадию, сумму, ответственного, следующее дело и кнопки.",
            ),
            &["/b24-deal 42", "/b24-deal roof for ACME", "/b24-deal 42 --public"],
        ),
        Name::Status => (
            language.pick(
                "shows today's leads, your open and overdue tasks, your missed calls and your deals by stage.",
                "показывает лиды за сегодня, ваши открытые и просроченные задачи, пропущенные звонки и сделки по стадиям.",
            ),
            &["/b24-status", "/b24-status --public"],
        ),
        Name::Me => (
            language.pick(
                "shows who you are in Bitrix24. With an e-mail it sends a code there, with the code it links you.",
                "показывает, кто вы в Битрикс24. С адресом почты отправит туда код, с кодом свяжет вас.",
            ),
            &["/b24-me", "/b24-me ann@example.com", "/b24-me K7M2QX4P", "/b24-me allow", "/b24-me off"],
        ),
        Name::Bridge => (
            language.pick(
                "joins this channel with a Bitrix24 chat: what is written in one is read in both.",
                "соединяет этот канал с чатом Битрикс24: написанное в одном видно в обоих.",
            ),
            &["/b24-bridge chat57", "/b24-bridge off"],
        ),
    };
    let head = Mrkdwn::bold(name.typed()).then(&Mrkdwn::text(" ")).then(&Mrkdwn::text(does));
    let usage = Mrkdwn::text(&format!("{} {}", name.typed(), name.usage()));
    let public = language.pick(
        "Only you see the answer; everybody in the channel with --public, or when you press Share to channel.",
        "Ответ видите только вы; с --public или по кнопке «Показать в канале» его увидят все в канале.",
    );
    let examples =
        examples.iter().fold(Mrkdwn::text("\n"), |text, example| text.then(&Mrkdwn::text(&format!("\n• {example}"))));
    let mut blocks = vec![Block::section(head.clone().then(&Mrkdwn::text("\n")).then(&usage).then(&examples))];
    if !matches!(name, Name::Me | Name::Bridge) {
        blocks.push(Block::context([Mrkdwn::text(public)]));
    }
    Message::new(head, blocks)
}

/// Why what was typed cannot be done, and what to type instead.
pub fn misuse_words(misuse: &Misuse, language: Language) -> String {
    let say = |en: &str, ru: &str| language.pick(en, ru).to_owned();
    match misuse {
        Misuse::Unknown(typed) => {
            let known = Name::ALL.map(Name::typed).join(", ");
            match language {
                Language::En => format!("“{typed}”: there is no such command. These are: {known}"),
                Language::Ru => format!("«{typed}»: такой команды нет. Есть такие: {known}"),
            }
        }
        Misuse::NoName(Name::Lead) => say(
            "Which company? Its name comes first, before the bar.",
            "Какая компания? Её название стоит первым, перед чертой.",
        ),
        Misuse::NoName(_) => say(
            "What is the task called? Its name comes first, before the bar.",
            "Как называется задача? Название стоит первым, перед чертой.",
        ),
        Misuse::Deadline(words, why) => deadline_words(words, why, language),
        Misuse::Assignee(words) => match language {
            Language::En => format!(
                "I don't know who “{words}” is. To name the assignee, type an @mention, a full name or an e-mail."
            ),
            Language::Ru => format!(
                "Не знаю, кто такой «{words}». Укажите исполнителя через @упоминание, полным именем или адресом почты."
            ),
        },
        Misuse::WhichPerson(words, people) => {
            let people = listed_names(people, language);
            match language {
                Language::En => format!("“{words}” can be {people}. Type an @mention, a full name or an e-mail."),
                Language::Ru => {
                    format!("«{words}»: это может быть {people}. Укажите @упоминание, полное имя или адрес почты.")
                }
            }
        }
        Misuse::NotAllowed => not_allowed(language).to_owned(),
        Misuse::Unlinked(people) => {
            let who = match (people.as_slice(), language) {
                ([], Language::En) => "This Slack account isn't".to_owned(),
                ([one], Language::En) => format!("{one} isn't"),
                (several, Language::En) => format!("{} aren't", several.join(", ")),
                ([], Language::Ru) => "У этой учётной записи Slack".to_owned(),
                (people, Language::Ru) => format!("{}:", people.join(", ")),
            };
            match language {
                Language::En => format!(
                    "{who} linked to a Bitrix24 user yet. Type /b24-me to link an account, or ask an administrator."
                ),
                Language::Ru => {
                    format!("{who} нет связи с пользователем Битрикс24. Её создаёт команда /b24-me или администратор.")
                }
            }
        }
        Misuse::LeftOver(words) => match language {
            Language::En => format!("I don't know what to do with “{words}”. Remove it, or put it where it belongs."),
            Language::Ru => format!("Не знаю, что делать с «{words}». Уберите это или поставьте на своё место."),
        },
        Misuse::TakesNoText(name, words) => match language {
            Language::En => format!(
                "{} is used without text, so I don't know what to do with “{words}”. To show the answer to everyone in the channel, type {0} --public",
                name.typed()
            ),
            Language::Ru => format!(
                "Команда {} вводится без текста, поэтому я не знаю, что делать с «{words}». Чтобы ответ увидели все в канале, наберите {0} --public",
                name.typed()
            ),
        },
        Misuse::Chat(words) => match language {
            Language::En => {
                format!("“{words}”: name the chat as chat57 or by its address (…/online/?IM_DIALOG=chat57)")
            }
            Language::Ru => format!("«{words}»: укажите чат как chat57 или его адресом (…/online/?IM_DIALOG=chat57)"),
        },
        Misuse::OtherPortal(host, ours) => match language {
            Language::En => {
                format!("This link leads to {host}. Switchboard works with {ours} here, so nothing was opened.")
            }
            Language::Ru => {
                format!("Эта ссылка ведёт на {host}. Switchboard работает здесь с {ours}, поэтому ничего не открыто.")
            }
        },
        Misuse::NotADeal(link) => match language {
            Language::En => {
                format!("{link} does not lead to a deal. /b24-deal shows deals, by number, link or words of the title.")
            }
            Language::Ru => format!(
                "{link} ведёт не на сделку. /b24-deal показывает сделки: по номеру, ссылке или словам названия."
            ),
        },
        Misuse::NotCreated(name, text) => {
            let what = if *name == Name::Task {
                language.pick("task", "задачу")
            } else {
                language.pick("lead", "лид")
            };
            match language {
                Language::En => {
                    format!("Bitrix24 refused to create the {what}, and nothing was created. It says: {text}")
                }
                Language::Ru => format!("Битрикс24 отказался создать {what}, и ничего не создано. Его ответ: {text}"),
            }
        }
    }
}

fn deadline_words(words: &str, why: &Unread, language: Language) -> String {
    match (why, language) {
        (Unread::Unknown, Language::En) => format!(
            "I don't understand the deadline “{words}”. Type tomorrow 15:00, friday, 5pm, in 2 hours, end of month, 25 dec or 2026-12-25"
        ),
        (Unread::Unknown, Language::Ru) => format!(
            "Не понимаю срок «{words}». Напишите: завтра в 15:00, в пятницу, через 2 часа, конец месяца, 25 декабря или 2026-12-25"
        ),
        (Unread::Past(_), Language::En) => format!("The deadline “{words}” is in the past. Type a later one."),
        (Unread::Past(_), Language::Ru) => format!("Срок «{words}» уже прошёл. Укажите более поздний."),
        (Unread::Ambiguous(one, other), Language::En) => {
            format!("The deadline “{words}” can be {one} or {other}. Type one of these.")
        }
        (Unread::Ambiguous(one, other), Language::Ru) => {
            format!("Срок «{words}» может значить {one} или {other}. Наберите одно из двух.")
        }
    }
}

/// Several names, cut where there are many.
fn listed_names(names: &[String], language: Language) -> String {
    const MOST: usize = 5;
    let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} {} {more}", language.pick("and others:", "и ещё")),
    }
}

/// The command whose usage helps.
fn helped(misuse: &Misuse) -> Option<Name> {
    match misuse {
        Misuse::NoName(name) => Some(*name),
        Misuse::Deadline(..) | Misuse::Assignee(_) | Misuse::LeftOver(_) => Some(Name::Task),
        Misuse::Chat(_) => Some(Name::Bridge),
        _ => None,
    }
}

/// The same as a message, with the command's usage where that helps.
pub fn misuse(misuse: &Misuse, language: Language) -> Message {
    let mut message = tell(&misuse_words(misuse, language));
    if let Some(name) = helped(misuse) {
        let usage = format!("{} {}", name.typed(), name.usage());
        message.blocks.push(Block::context([Mrkdwn::text(&usage)]));
    }
    message
}

/// Somebody has no counterpart on the portal: how to get one. The e-mail counts only where it was looked for.
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
    tell(&format!("{known}{fix}"))
}

/// Somebody was dismissed on the portal.
pub fn dismissed(language: Language) -> &'static str {
    language.pick(
        "Your Bitrix24 account is not active any more. If that is a mistake, ask an administrator of your portal.",
        "Ваша учётная запись в Битрикс24 больше не активна. Если это ошибка, обратитесь к администратору портала.",
    )
}

/// The `action_id` of the button that asks for the link by which somebody lets us work with their own rights.
pub const PERSON_ALLOW: &str = "person_allow";

/// Why somebody's own permission is needed: the first one, or another one where Bitrix24 rejects the last.
pub fn why_allow(is_again: bool, language: Language) -> &'static str {
    if is_again {
        language.pick(
            "Bitrix24 no longer accepts the permission that you gave Switchboard. Give it again, and what you do here is done as you.",
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

/// Asks for somebody's own permission, with the button that leads to it, and gives back what they typed.
pub fn allow(link: Option<&str>, is_again: bool, typed: &str, language: Language) -> Message {
    let why = Mrkdwn::text(why_allow(is_again, language));
    let mut blocks = vec![Block::section(why.clone())];
    match link.and_then(|link| Element::open(allow_words(language), link, "open_permission")) {
        Some(button) => blocks.push(Block::actions([button])),
        None => blocks.push(Block::section(Mrkdwn::text(language.pick(
            "Ask an administrator to make that possible: Switchboard does not know its public address.",
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

/// The same for somewhere a link would be too old when it is pressed: the button asks for one.
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
        Kind::Lead => language.pick("New lead", "Новый лид"),
        Kind::Task => language.pick("New task", "Новая задача"),
    };
    let link = Mrkdwn::link(what.url, what.title);
    let text = Mrkdwn::text(&format!("{head}: ")).then(&link);
    let mut parts = Vec::new();
    if let Some(responsible) = what.responsible {
        parts.push(Mrkdwn::text(&format!(
            "{}: {responsible}",
            language.label(if what.kind == Kind::Task { "assignee" } else { "responsible" })
        )));
    }
    if !what.accomplices.is_empty() {
        let label = language.pick("Accomplices", "Соисполнители");
        parts.push(Mrkdwn::text(&format!("{label}: {}", what.accomplices.join(", "))));
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

/// What was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A lead.
    Lead,
    /// A task.
    Task,
}

/// What is said of something that was created.
#[derive(Debug, Clone, Copy)]
pub struct Created<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its title.
    pub title: &'a str,
    /// Where it opens.
    pub url: &'a str,
    /// Whose it is.
    pub responsible: Option<&'a str>,
    /// Who helps.
    pub accomplices: &'a [String],
    /// Until when, and the time zone where Slack does not show the reader's.
    pub deadline: Option<(jiff::Timestamp, &'a jiff::tz::TimeZone)>,
    /// What else is to be known: what became of its text.
    pub note: Option<&'a str>,
}

/// The `action_id` of the button that shows an answer to everybody in the channel.
pub const SHARE: &str = "share_answer";

/// That button, for what `what` names: `deal 42`, `task 7`, `status`.
pub fn share_button(what: &str, language: Language) -> Block {
    Block::actions([Element::press(language.pick("Share to channel", "Показать в канале"), SHARE, what)])
}

/// An answer that somebody shows to everybody, and who that is.
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

/// A deal as its card shows it.
#[derive(Debug, Clone, Default)]
pub struct DealView {
    /// Its number.
    pub id: u64,
    /// Its title.
    pub title: String,
    /// Its page.
    pub url: String,
    /// Its stage, in words.
    pub stage: String,
    /// Its stage, as the portal knows it.
    pub stage_id: String,
    /// The stages of its funnel, in order: what the portal calls them, and the words.
    pub stages: Vec<(String, String)>,
    /// Its sum and currency.
    pub sum: Option<(String, Option<String>)>,
    /// Whose it is.
    pub responsible: Option<String>,
    /// Its company or contact.
    pub client: Option<String>,
    /// What is to be done next, and when.
    pub next: Option<(String, Option<jiff::Timestamp>)>,
}

/// The `action_id` of the menu that moves a deal.
pub const DEAL_STAGE: &str = "deal_stage";
/// The `action_id` of the button that makes a deal one's own.
pub const DEAL_TAKE: &str = "deal_take";
/// The `action_id` of the button that asks for a comment.
pub const DEAL_COMMENT: &str = "deal_comment";
/// The `action_id` of the button that shows a deal.
pub const DEAL_SHOW: &str = "deal_show";

impl DealView {
    fn link(&self) -> Mrkdwn {
        Mrkdwn::link(&self.url, &self.title)
    }

    /// The card, with what can be done.
    pub fn card(&self, language: Language, note: Option<&Mrkdwn>) -> Message {
        let text = Mrkdwn::text(&format!("{} {}: ", language.label("deal"), self.id)).then(&self.link());
        let mut blocks = vec![Block::section(text.clone()), self.fields(language)];
        blocks.extend(note.map(|note| Block::context([note.clone()])));
        let id = self.id.to_string();
        let choices: Vec<(String, &str)> =
            self.stages.iter().map(|(code, words)| (format!("{id} {code}"), words.as_str())).collect();
        let now = format!("{id} {}", self.stage_id);
        let placeholder = language.pick("Change stage", "Сменить стадию");
        let choices = choices.iter().map(|(value, words)| (value.as_str(), *words));
        let mut elements: Vec<Element> =
            Element::menu(placeholder, DEAL_STAGE, choices, Some(&now)).into_iter().collect();
        elements.push(Element::press(language.pick("Take it", "Взять себе"), DEAL_TAKE, &id));
        elements.push(Element::press(language.pick("Add comment", "Комментировать"), DEAL_COMMENT, &id));
        elements.extend(Element::open(language.open(), &self.url, "open_record"));
        blocks.push(Block::actions(elements));
        Message::new(text, blocks)
    }

    /// The card below a link: nothing to press, and of a deal's fields none where strangers read.
    pub fn unfurled(&self, language: Language, for_strangers: bool) -> Message {
        let text = Mrkdwn::text(&format!("{} {}: ", language.label("deal"), self.id)).then(&self.link());
        if for_strangers {
            return say(&Mrkdwn::text(&format!("{} {}", language.label("deal"), self.id)));
        }
        Message::new(text.clone(), [Block::section(text), self.fields(language)])
    }

    fn fields(&self, language: Language) -> Block {
        let none = || Mrkdwn::text(language.none());
        let sum = self
            .sum
            .as_ref()
            .map(|(amount, currency)| Mrkdwn::text(&money::format(amount, currency.as_deref(), language)));
        let mut fields = vec![
            (language.label("stage"), Mrkdwn::text(&self.stage)),
            (language.label("sum"), sum.unwrap_or_else(none)),
            (language.label("responsible"), self.responsible.as_deref().map_or_else(none, Mrkdwn::text)),
        ];
        fields.extend(self.client.as_deref().map(|client| (language.label("client"), Mrkdwn::text(client))));
        let next = self.next.as_ref().map(|(what, when)| {
            let what = Mrkdwn::text(what);
            when.map_or(what.clone(), |when| what.then(&Mrkdwn::text(" · ")).then(&Mrkdwn::moment(when)))
        });
        fields.push((language.pick("Next activity", "Следующее дело"), next.unwrap_or_else(none)));
        Block::fields(fields)
    }
}

/// Several deals that words fit: which one?
pub fn which_deal(deals: &[(u64, String, String)], more: u64, words: &str, language: Language) -> Message {
    if deals.is_empty() {
        let text = match language {
            Language::En => format!("No deal has “{words}” in its title. Try its number: /b24-deal 42"),
            Language::Ru => format!("Нет сделки со словами «{words}» в названии. Попробуйте номер: /b24-deal 42"),
        };
        return tell(&text);
    }
    let head = Mrkdwn::text(language.pick("Which one?", "Какая из них?"));
    let mut blocks = vec![Block::section(head.clone())];
    for (id, title, url) in deals {
        let line = Mrkdwn::text(&format!("{id} · ")).then(&Mrkdwn::link(url, title));
        blocks.push(Block::section(line));
        blocks.push(Block::actions([Element::press(language.pick("Show", "Показать"), DEAL_SHOW, &id.to_string())]));
    }
    if more > 0 {
        let text = match language {
            Language::En => format!("There are {more} more. Type more of the title, or the number."),
            Language::Ru => format!("Есть ещё {more}. Наберите больше слов названия или номер."),
        };
        blocks.push(Block::context([Mrkdwn::text(&text)]));
    }
    Message::new(head, blocks)
}

/// The numbers of somebody's day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Day {
    /// Leads that were created today.
    pub leads: Option<u64>,
    /// Whether only leads were counted that the person is responsible for.
    pub only_own: bool,
    /// Open tasks.
    pub tasks: Vec<TaskLine>,
    /// How many open tasks there are in all.
    pub open: Option<u64>,
    /// How many of them are late.
    pub overdue: Option<u64>,
    /// Calls that one missed today.
    pub missed: Option<u64>,
    /// Deals in progress by stage, in the order of the funnel: the words and how many.
    pub deals: Vec<(String, u64)>,
    /// How many deals in progress there are in all.
    pub deals_in_all: Option<u64>,
}

/// A task in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLine {
    /// Its title.
    pub title: String,
    /// Its page.
    pub url: String,
    /// Until when.
    pub deadline: Option<jiff::Timestamp>,
    /// Whether that is over.
    pub is_late: bool,
}

/// Tasks shown of many.
const MOST_TASKS: usize = 5;

impl Day {
    /// The card.
    pub fn card(&self, who: &str, language: Language) -> Message {
        let head = Mrkdwn::text(&match language {
            Language::En => format!("Today in Bitrix24: {who}"),
            Language::Ru => format!("Сегодня в Битрикс24: {who}"),
        });
        Message::new(head.clone(), [vec![Block::section(head)], self.blocks(language)].concat())
    }

    /// The same without its headline.
    pub fn blocks(&self, language: Language) -> Vec<Block> {
        let count = |count: Option<u64>| {
            count.map_or_else(
                || Mrkdwn::text(language.pick("not to be seen", "не видно")),
                |count| Mrkdwn::text(&count.to_string()),
            )
        };
        let leads = if self.only_own {
            language.pick("My leads today", "Мои лиды сегодня")
        } else {
            language.pick("Leads today", "Лиды сегодня")
        };
        let fields = [
            (leads, count(self.leads)),
            (language.pick("My missed calls today", "Мои пропущенные звонки сегодня"), count(self.missed)),
            (language.pick("My open tasks", "Мои открытые задачи"), count(self.open)),
            (language.pick("Overdue", "Просрочено"), count(self.overdue)),
        ];
        let mut blocks = vec![Block::fields(fields)];
        let lines = self.tasks.iter().take(MOST_TASKS).map(|task| {
            let mark = if task.is_late { "⚠️ " } else { "• " };
            let line = Mrkdwn::text(mark).then(&Mrkdwn::link(&task.url, &task.title));
            task.deadline
                .map_or(line.clone(), |deadline| line.then(&Mrkdwn::text(" · ")).then(&Mrkdwn::moment(deadline)))
        });
        blocks.extend(listed(lines));
        let deals = self.deals.iter().map(|(stage, count)| Mrkdwn::text(&format!("• {stage}: {count}")));
        let title = match (self.deals_in_all, language) {
            (Some(all), Language::En) => format!("My deals: {all}"),
            (Some(all), Language::Ru) => format!("Мои сделки: {all}"),
            (None, Language::En) => "My deals: not to be seen".into(),
            (None, Language::Ru) => "Мои сделки: не видно".into(),
        };
        blocks.push(Block::section(Mrkdwn::bold(&title)));
        blocks.extend(listed(deals));
        blocks
    }
}

fn listed(lines: impl Iterator<Item = Mrkdwn>) -> Option<Block> {
    let end = Mrkdwn::text("\n");
    let text = lines.reduce(|text, line| text.then(&end).then(&line))?;
    Some(Block::section(text))
}

/// Whether a portal's refusal says that the person's right is missing.
pub fn is_not_allowed(code: &str) -> bool {
    ["access_denied", "insufficient_scope", "user_access_error", "allowed_only_intranet_user"].contains(&code)
}

fn not_allowed(language: Language) -> &'static str {
    language.pick(
        "Bitrix24 does not allow this. Ask an administrator of your portal for the permission, or open the record there.",
        "Битрикс24 этого не разрешает. Попросите права у администратора портала или откройте запись там.",
    )
}

/// The words for what may not be done.
pub fn refused(code: &str, text: &str, language: Language) -> Message {
    let words = match code {
        "not_found" | "error_core" => language.pick(
            "Bitrix24 does not find it, or you may not see it. Open it in Bitrix24, or ask to become its observer.",
            "Битрикс24 не находит запись, или вам её не видно. Откройте её в Битрикс24 или попросите сделать вас наблюдателем.",
        ),
        code if is_not_allowed(code) => not_allowed(language),
        "dismissed" => dismissed(language),
        "unmapped" => language.pick(
            "This person isn't linked to a Bitrix24 user yet. They can type /b24-me, or an administrator can link them.",
            "Этот человек ещё не связан с пользователем Битрикс24. Он может набрать /b24-me, или его свяжет администратор.",
        ),
        _ => language.pick("Bitrix24 refused it:", "Битрикс24 не принял это:"),
    };
    let known = !words.ends_with(':');
    if known { tell(words) } else { tell(&format!("{words} {text}")) }
}

/// Something did not work for now.
pub fn unavailable(language: Language) -> Message {
    tell(language.pick(
        "Bitrix24 does not answer just now. Nothing was lost: I keep trying and will answer here.",
        "Битрикс24 сейчас не отвечает. Ничего не потеряно: я попробую ещё и отвечу здесь.",
    ))
}

/// What a record is called in a comment that names who made it.
pub fn on_behalf(name: &str, entity: EntityType, language: Language) -> String {
    match (entity, language) {
        (EntityType::LEAD, Language::Ru) => format!("Создано в Slack: {name}"),
        (_, Language::Ru) => format!("Из Slack: {name}"),
        (EntityType::LEAD, Language::En) => format!("Created in Slack by {name}"),
        (_, Language::En) => format!("From Slack, by {name}"),
    }
}
