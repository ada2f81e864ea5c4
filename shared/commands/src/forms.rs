//! What forms hold: filled in with what was typed, so that nothing has to be typed twice; and what is wrong with one that
//! was sent.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::deadline;
use super::views::{self, Origin};
use super::{Assignee, Context, Misuse, Name, answers, reader, task};
use locale::language::Language;

/// The longest name of a task or a company in a form.
pub const MAX_NAME: usize = 250;

/// A lead as its form shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LeadForm {
    /// The company.
    pub company: String,
    /// The comment.
    pub comment: String,
}

/// A task as its form shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskForm {
    /// The name.
    pub name: String,
    /// The description.
    pub description: String,
    /// Who does it, by their id in Slack.
    pub assignee: String,
    /// Who helps, by their ids in Slack.
    pub accomplices: Vec<String>,
    /// The day, as `2026-12-25`.
    pub day: String,
    /// Until when, in words.
    pub deadline: String,
}

/// What somebody wanted and has to correct: it waits for them to press *Edit*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Draft {
    /// A lead.
    Lead(LeadForm),
    /// A task.
    Task(TaskForm),
    /// The text of a command that has no form of its own.
    Text {
        /// The command, as it is typed.
        command: String,
        /// What followed it.
        text: String,
    },
}

/// The form of a command, filled in with what was typed behind it.
pub fn of_typed(name: Name, text: &str, context: &Context<'_>) -> Draft {
    let (tokens, _) = reader::without_public(reader::tokens(text));
    let tokens = reader::trim(&tokens);
    match name {
        Name::Lead => {
            let (company, comment) = super::lead_parts(tokens);
            let (company, comment) = (reader::to_form(&reader::raw(company)), reader::to_form(&reader::raw(comment)));
            let (company, comment) = within_name(company, comment);
            Draft::Lead(LeadForm { company, comment })
        }
        Name::Task => Draft::Task(task_form(&task::read(tokens, context))),
        _ => Draft::Text { command: name.typed().to_owned(), text: reader::to_form(text) },
    }
}

fn task_form(read: &task::Reading) -> TaskForm {
    let people = read.people.iter().zip(&read.people_words);
    let mut in_slack = Vec::new();
    let mut lines = vec![reader::to_form(&read.description)];
    for (place, (person, words)) in people.enumerate() {
        match person {
            Assignee::Slack(id) => in_slack.push(id.clone()),
            Assignee::Me if place == 0 => {}
            // Who is named by e-mail cannot be chosen: the words stay for who corrects them.
            Assignee::Me | Assignee::Portal(_) | Assignee::Email(_) => lines.push(words.clone()),
        }
    }
    // What was meant for the deadline goes where it can be corrected, everything else to the description.
    let mut deadline = read.deadline.as_ref().map(|(_, words)| words.clone()).unwrap_or_default();
    for left in &read.left {
        let is_deadline = matches!(&read.problem, Some(Misuse::Deadline(words, _)) if *words == reader::line(&reader::tokens(left), true));
        if is_deadline && deadline.is_empty() && text::units(left) <= MAX_NAME {
            deadline = reader::to_form(left);
        } else {
            lines.push(reader::to_form(left));
        }
    }
    lines.retain(|line| !line.is_empty());
    let (name, description) = within_name(read.name.clone(), lines.join("\n"));
    // Whoever comes first is the assignee, also where the form cannot show them: nobody else takes their place.
    let is_first = matches!(read.people.first(), Some(Assignee::Slack(_)));
    let mut in_slack = in_slack.into_iter();
    TaskForm {
        name,
        description,
        assignee: if is_first { in_slack.next().unwrap_or_default() } else { String::new() },
        accomplices: in_slack.collect(),
        day: String::new(),
        deadline,
    }
}

/// A name that is too long for its field stands whole in the other one.
fn within_name(name: String, text: String) -> (String, String) {
    if text::units(&name) <= MAX_NAME {
        return (name, text);
    }
    let mut used = 0;
    let short = name.chars().take_while(|c| {
        used += c.len_utf16();
        used < MAX_NAME
    });
    let short = short.chain(['…']).collect();
    (short, if text.is_empty() { name } else { format!("{name}\n{text}") })
}

/// The values of a form's fields, by their names.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a>(pub &'a BTreeMap<String, String>);

impl Sent<'_> {
    /// A field, without blanks around it.
    pub fn field(&self, name: &str) -> String {
        self.0.get(name).map(|text| reader::trimmed(text).to_owned()).unwrap_or_default()
    }

    /// A long text, from its field and those that it goes on in.
    pub fn long(&self, name: &str) -> String {
        let parts = (0..views::MAX_FIELDS).filter_map(|place| self.0.get(&views::field_of(name, place)));
        reader::trimmed(&parts.map(String::as_str).collect::<String>()).to_owned()
    }

    /// The people of a field.
    pub fn people(&self, name: &str) -> Vec<String> {
        self.field(name).split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }

    /// The lead.
    pub fn lead(&self) -> LeadForm {
        LeadForm { company: self.field("company"), comment: self.long("comment") }
    }

    /// The task.
    pub fn task(&self) -> TaskForm {
        TaskForm {
            name: self.field("name"),
            description: self.long("description"),
            assignee: self.field("assignee"),
            accomplices: self.people("accomplices"),
            day: self.field("deadline"),
            deadline: self.field("deadline_words"),
        }
    }
}

impl TaskForm {
    /// Everybody who is chosen, the assignee first.
    pub fn people(&self) -> Vec<Assignee> {
        let all = std::iter::once(&self.assignee).chain(&self.accomplices).filter(|id| !id.is_empty());
        let mut people: Vec<Assignee> = Vec::new();
        if self.assignee.is_empty() && !self.accomplices.is_empty() {
            people.push(Assignee::Me);
        }
        for id in all {
            let person = Assignee::Slack(id.clone());
            if !people.contains(&person) {
                people.push(person);
            }
        }
        people
    }

    /// The deadline, or why it is none; with the field that says so.
    pub fn until(&self, now: &Zoned, language: Language) -> Result<Option<Timestamp>, (&'static str, Misuse)> {
        let (field, words) = match (self.day.is_empty(), self.deadline.is_empty()) {
            (true, true) => return Ok(None),
            (false, _) => ("deadline", &self.day),
            (true, false) => ("deadline_words", &self.deadline),
        };
        if !self.day.is_empty() && !self.deadline.is_empty() {
            return Err(("deadline_words", Misuse::LeftOver(self.deadline.clone())));
        }
        let read = deadline::parse(words, now, language);
        read.map(|deadline| Some(deadline.at)).map_err(|why| (field, Misuse::Deadline(words.clone(), why)))
    }
}

/// What is wrong with a form that was sent, by field: what can be said at once, without asking anybody.
pub fn problems(
    callback_id: &str,
    origin: &Origin,
    values: &BTreeMap<String, String>,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let sent = Sent(values);
    let language = origin.language;
    let mut problems = BTreeMap::new();
    let mut wrong = |field: &str, misuse: &Misuse| {
        problems.insert(field.to_owned(), answers::misuse_words(misuse, language));
    };
    match callback_id {
        views::LEAD if sent.field("company").is_empty() => wrong("company", &Misuse::NoName(Name::Lead)),
        views::TASK => {
            let form = sent.task();
            if form.name.is_empty() {
                wrong("name", &Misuse::NoName(Name::Task));
            }
            if let Err((field, misuse)) = form.until(&origin.local(now), language) {
                wrong(field, &misuse);
            }
        }
        views::COMMENT if sent.long("comment").is_empty() => {
            problems.insert("comment".into(), language.pick("Write something.", "Напишите что-нибудь.").into());
        }
        _ => {}
    }
    problems
}

/// The zone of that name; UTC for what is none.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::Directory;

    fn form_of(name: Name, text: &str) -> Draft {
        let now: Zoned = "2026-11-21T10:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let directory = Directory::default();
        of_typed(name, text, &Context { now: &now, language: Language::En, portal: "p.example", directory: &directory })
    }

    #[test]
    fn a_form_is_filled_in_with_all_that_was_typed() {
        let Draft::Task(form) = form_of(
            Name::Task,
            "Call <https://a.example|them> &amp; co | *now* <@U9|eva> | <@U2|dmitri> <@U3|elena> | tomorrow maybe",
        ) else {
            panic!()
        };
        let expected = TaskForm {
            name: "Call them (https://a.example) & co".into(),
            description: "*now* <@U9|eva>".into(),
            assignee: "U2".into(),
            accomplices: vec!["U3".into()],
            deadline: "tomorrow maybe".into(),
            ..TaskForm::default()
        };
        assert_eq!(form, expected);
        let Draft::Task(form) = form_of(Name::Task, "Call | x | Ann | tomorrow | and more") else { panic!() };
        assert_eq!((form.description.as_str(), form.deadline.as_str()), ("x\nAnn\nand more", "tomorrow"));
        assert_eq!(
            form_of(Name::Lead, " | only &lt;this&gt;"),
            Draft::Lead(LeadForm { company: String::new(), comment: "only <this>".into() })
        );
        assert_eq!(form_of(Name::Status, "ACME"), Draft::Text { command: "/b24-status".into(), text: "ACME".into() });
    }

    #[test]
    fn a_long_name_loses_nothing() {
        let long = "word ".repeat(100);
        let Draft::Task(form) = form_of(Name::Task, &format!("{long} | x | Ann")) else { panic!() };
        assert!(
            form.name.chars().count() <= MAX_NAME
                && form.description.starts_with(long.trim())
                && form.description.ends_with("x\nAnn")
        );
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let now: Timestamp = "2026-11-21T09:00:00Z".parse().unwrap();
        let origin = Origin { zone: "Europe/Berlin".into(), ..Origin::default() };
        let fields = |callback: &str, values: &[(&str, &str)]| {
            let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            problems(callback, &origin, &values, now).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(fields(views::LEAD, &[("company", " \u{200b}\u{a0}")]), ["company"]);
        assert_eq!(fields(views::LEAD, &[("company", "ACME")]), Vec::<String>::new());
        assert_eq!(fields(views::TASK, &[("name", " "), ("deadline", "2020-01-01")]), ["deadline", "name"]);
        assert_eq!(fields(views::TASK, &[("name", "x"), ("deadline", "2026-11-21")]), Vec::<String>::new());
        for words in ["yesterday", "tomorrow maybe", "9:59", "5/6"] {
            assert_eq!(fields(views::TASK, &[("name", "x"), ("deadline_words", words)]), ["deadline_words"], "{words}");
        }
        assert_eq!(fields(views::TASK, &[("name", "x"), ("deadline_words", "10:30")]), Vec::<String>::new());
        assert_eq!(
            fields(views::TASK, &[("name", "x"), ("deadline", "2026-12-01"), ("deadline_words", "friday")]),
            ["deadline_words"]
        );
        assert_eq!(fields(views::COMMENT, &[]), ["comment"]);
    }
}
