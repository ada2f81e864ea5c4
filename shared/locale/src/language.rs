//! The languages of cards: labels, headlines, small words.

use serde::{Deserialize, Serialize};

/// A language that cards are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "document", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Russian.
    Ru,
}

impl Language {
    /// One of two texts.
    pub fn pick<'a>(self, en: &'a str, ru: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Ru => ru,
        }
    }

    /// The label of a word on a card.
    pub fn label(self, word: &str) -> &'static str {
        let (en, ru) = match word {
            "responsible" => ("Responsible", "Ответственный"),
            "assignee" => ("Assignee", "Исполнитель"),
            "previous_responsible" => ("Before", "Раньше"),
            "creator" => ("Created by", "Создал"),
            "sum" => ("Sum", "Сумма"),
            "stage" | "move" => ("Stage", "Стадия"),
            "from_stage" => ("From stage", "Прежняя стадия"),
            "funnel" | "funnel_move" => ("Funnel", "Воронка"),
            "from_funnel" => ("From funnel", "Прежняя воронка"),
            "source" => ("Source", "Источник"),
            "company" => ("Company", "Компания"),
            "contact" => ("Contact", "Контакт"),
            "client" => ("Client", "Клиент"),
            "created" => ("Created", "Создано"),
            "changed_fields" => ("Changed", "Изменено"),
            "project" => ("Project", "Проект"),
            "deadline" => ("Deadline", "Крайний срок"),
            "from_deadline" => ("Deadline before", "Прежний срок"),
            "status" => ("Status", "Статус"),
            "from_status" => ("Status before", "Прежний статус"),
            "author" => ("Author", "Автор"),
            "text" => ("Text", "Текст"),
            "phone" => ("Phone", "Телефон"),
            "time" => ("Time", "Время"),
            "duration" => ("Duration", "Длительность"),
            "deal" => ("Deal", "Сделка"),
            "reason" => ("Reason", "Причина"),
            "callback" => ("Call back", "Перезвонить"),
            "recording" => ("Recording", "Запись"),
            "type" => ("Type", "Тип"),
            "id" => ("ID", "ID"),
            "title" | "link" => ("Title", "Название"),
            _ => ("Field", "Поле"),
        };
        self.choose(en, ru)
    }

    /// What stands where nothing is known.
    pub fn unknown(self) -> &'static str {
        self.choose("unknown", "неизвестно")
    }

    /// What stands where there is nothing.
    pub fn none(self) -> &'static str {
        self.choose("none", "нет")
    }

    /// A task's status by its number.
    pub fn task_status(self, status: u64) -> Option<&'static str> {
        Some(match status {
            2 => self.choose("waiting", "ждёт выполнения"),
            3 => self.choose("in progress", "выполняется"),
            4 => self.choose("awaiting control", "ждёт контроля"),
            5 => self.choose("completed", "завершена"),
            6 => self.choose("deferred", "отложена"),
            _ => return None,
        })
    }

    /// The words on the button that opens a record.
    pub fn open(self) -> &'static str {
        self.choose("Open in Bitrix24", "Открыть в Битрикс24")
    }

    /// What stands at the end of a message that is longer than either side takes.
    pub fn shortened(self, characters: usize) -> String {
        match self {
            Self::En => format!("… (shortened: only the first {characters} characters are shown)"),
            Self::Ru => format!("… (сокращено: показаны только первые {characters} знаков)"),
        }
    }

    /// The same for one whose markup makes too many messages of it.
    pub fn shortened_to_parts(self, parts: usize) -> String {
        match self {
            Self::En => format!("… (shortened: only the first {parts} parts are shown)"),
            Self::Ru => format!("… (сокращено: показаны только первые {parts} частей)"),
        }
    }

    fn choose(self, en: &'static str, ru: &'static str) -> &'static str {
        match self {
            Self::En => en,
            Self::Ru => ru,
        }
    }
}
