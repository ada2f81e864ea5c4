//! Input that a command cannot use, with what to type instead.

use locale::Language;

use crate::deadline::DeadlineProblem;
use crate::spec::CommandSpec;

/// What can be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatedKind {
    /// A lead.
    Lead,
    /// A task.
    Task,
}

/// What was typed and cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misuse {
    /// There is no such command here.
    Unknown(String),
    /// A lead has no company.
    NoCompany,
    /// A task has no name.
    NoTaskName,
    /// This is not a deadline, and why.
    Deadline(String, DeadlineProblem),
    /// This names nobody.
    Assignee(String),
    /// This can be one of several people: their names.
    WhichPerson(String, Vec<String>),
    /// These people are not linked to users of Bitrix24.
    Unlinked(Vec<String>),
    /// This does not belong in the command.
    LeftOver(String),
    /// The command takes no text.
    TakesNoText(&'static CommandSpec, String),
    /// This is not a chat.
    Chat(String),
    /// This link leads to another portal: its host, and ours.
    OtherPortal(String, String),
    /// This link leads to something other than a deal.
    NotADeal(String),
    /// The right to create it is missing.
    NotAllowed,
    /// Bitrix24 refused what was to be created, in its words.
    NotCreated(CreatedKind, String),
}

impl Misuse {
    /// Whether the command's usage helps to put it right.
    pub fn needs_usage(&self) -> bool {
        matches!(
            self,
            Self::NoCompany
                | Self::NoTaskName
                | Self::Deadline(..)
                | Self::Assignee(_)
                | Self::LeftOver(_)
                | Self::Chat(_)
        )
    }

    /// Why it cannot be done, and what to type instead.
    pub fn words(&self, language: Language) -> String {
        let say = |en: &str, ru: &str| language.pick(en, ru).to_owned();
        match self {
            Self::Unknown(typed) => {
                let known = crate::ALL.iter().map(|spec| spec.typed).collect::<Vec<_>>().join(", ");
                match language {
                    Language::En => format!("“{typed}”: there is no such command. These are: {known}"),
                    Language::Ru => format!("«{typed}»: такой команды нет. Есть такие: {known}"),
                }
            }
            Self::NoCompany => say(
                "Which company? Its name comes first, before the bar.",
                "Какая компания? Её название стоит первым, перед чертой.",
            ),
            Self::NoTaskName => say(
                "What is the task called? Its name comes first, before the bar.",
                "Как называется задача? Название стоит первым, перед чертой.",
            ),
            Self::Deadline(words, why) => deadline_words(words, why, language),
            Self::Assignee(words) => match language {
                Language::En => format!(
                    "I don't know who “{words}” is. To name the assignee, type an @mention, a full name or an e-mail."
                ),
                Language::Ru => format!(
                    "Не знаю, кто такой «{words}». Укажите исполнителя через @упоминание, полным именем или адресом почты."
                ),
            },
            Self::WhichPerson(words, people) => {
                let people = listed_names(people, language);
                match language {
                    Language::En => format!("“{words}” can be {people}. Type an @mention, a full name or an e-mail."),
                    Language::Ru => {
                        format!("«{words}»: это может быть {people}. Укажите @упоминание, полное имя или адрес почты.")
                    }
                }
            }
            Self::NotAllowed => not_allowed(language).to_owned(),
            Self::Unlinked(people) => {
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
                        format!(
                            "{who} нет связи с пользователем Битрикс24. Её создаёт команда /b24-me или администратор."
                        )
                    }
                }
            }
            Self::LeftOver(words) => match language {
                Language::En => {
                    format!("I don't know what to do with “{words}”. Remove it, or put it where it belongs.")
                }
                Language::Ru => format!("Не знаю, что делать с «{words}». Уберите это или поставьте на своё место."),
            },
            Self::TakesNoText(spec, words) => match language {
                Language::En => format!(
                    "{} is used without text, so I don't know what to do with “{words}”. To show the answer to everyone in the channel, type {0} --public",
                    spec.typed
                ),
                Language::Ru => format!(
                    "Команда {} вводится без текста, поэтому я не знаю, что делать с «{words}». Чтобы ответ увидели все в канале, наберите {0} --public",
                    spec.typed
                ),
            },
            Self::Chat(words) => match language {
                Language::En => {
                    format!("“{words}”: name the chat as chat57 or by its address (…/online/?IM_DIALOG=chat57)")
                }
                Language::Ru => {
                    format!("«{words}»: укажите чат как chat57 или его адресом (…/online/?IM_DIALOG=chat57)")
                }
            },
            Self::OtherPortal(host, ours) => match language {
                Language::En => {
                    format!("This link leads to {host}. Switchboard works with {ours} here, so nothing was opened.")
                }
                Language::Ru => {
                    format!(
                        "Эта ссылка ведёт на {host}. Switchboard работает здесь с {ours}, поэтому ничего не открыто."
                    )
                }
            },
            Self::NotADeal(link) => match language {
                Language::En => {
                    format!(
                        "{link} does not lead to a deal. /b24-deal shows deals, by number, link or words of the title."
                    )
                }
                Language::Ru => format!(
                    "{link} ведёт не на сделку. /b24-deal показывает сделки: по номеру, ссылке или словам названия."
                ),
            },
            Self::NotCreated(kind, text) => {
                let what = if *kind == CreatedKind::Task {
                    language.pick("task", "задачу")
                } else {
                    language.pick("lead", "лид")
                };
                match language {
                    Language::En => {
                        format!("Bitrix24 refused to create the {what}, and nothing was created. It says: {text}")
                    }
                    Language::Ru => {
                        format!("Битрикс24 отказался создать {what}, и ничего не создано. Его ответ: {text}")
                    }
                }
            }
        }
    }
}

fn deadline_words(words: &str, why: &DeadlineProblem, language: Language) -> String {
    match (why, language) {
        (DeadlineProblem::Unknown, Language::En) => format!(
            "I don't understand the deadline “{words}”. Type tomorrow 15:00, friday, 5pm, in 2 hours, end of month, 25 dec or 2026-12-25"
        ),
        (DeadlineProblem::Unknown, Language::Ru) => format!(
            "Не понимаю срок «{words}». Напишите: завтра в 15:00, в пятницу, через 2 часа, конец месяца, 25 декабря или 2026-12-25"
        ),
        (DeadlineProblem::Past(_), Language::En) => format!("The deadline “{words}” is in the past. Type a later one."),
        (DeadlineProblem::Past(_), Language::Ru) => format!("Срок «{words}» уже прошёл. Укажите более поздний."),
        (DeadlineProblem::Ambiguous(one, other), Language::En) => {
            format!("The deadline “{words}” can be {one} or {other}. Type one of these.")
        }
        (DeadlineProblem::Ambiguous(one, other), Language::Ru) => {
            format!("Срок «{words}» может значить {one} или {other}. Наберите одно из двух.")
        }
    }
}

/// Several names, cut where there are many.
fn listed_names(names: &[String], language: Language) -> String {
    const MAX_NAMES: usize = 5;
    let shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} {} {more}", language.pick("and others:", "и ещё")),
    }
}

/// The portal refused something because the person's right is missing.
pub fn not_allowed(language: Language) -> &'static str {
    language.pick(
        "Bitrix24 does not allow this. Ask an administrator of your portal for the permission, or open the record there.",
        "Битрикс24 этого не разрешает. Попросите права у администратора портала или откройте запись там.",
    )
}
