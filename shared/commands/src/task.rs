//! `/b24-task`: a task with its people and its deadline. How its text is read: [`crate::task_reader`].

use jiff::{Timestamp, Zoned};
use locale::{Language, texts};
use serde::{Deserialize, Serialize};

use crate::deadline;
use crate::forms::{self, FormProblems, SubmittedForm, within_name};
use crate::misuse::Misuse;
use crate::people::Assignee;
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandSpec, MessageShortcut, WithoutText};
use crate::task_reader::{self, TaskReading};
use crate::typed::CommandContext;

pub struct TaskCommand;

/// The `callback_id` of the form for a new task.
pub const NEW_TASK: &str = "new_task";
/// The menus of people in that form.
const PEOPLE_FIELDS: [&str; 2] = ["assignee", "accomplices"];
/// The most people of a field that are checked at once.
const MAX_CHECKED: usize = 10;

impl Acknowledge for TaskCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-task",
        description: texts::commands::COMMAND_TASK,
        usage: texts::commands::COMMAND_TASK_USAGE,
        documentation: (
            "`/b24-task Name \\| Description \\| @assignee \\| deadline`",
            "creates a task; everything but the name is optional; without text it opens a form",
        ),
        help: texts::commands::COMMAND_TASK_HELP,
        examples: texts::commands::COMMAND_TASK_EXAMPLES,
        without_text: WithoutText::Form(NEW_TASK),
        shortcut: Some(MessageShortcut {
            callback_id: "message_to_task",
            name: "Create a task",
            description: "Create a task in Bitrix24 from this message",
        }),
        names_people: true,
        can_be_public: true,
    };

    fn form_problems(form: &SubmittedForm<'_>, now: Timestamp) -> Option<FormProblems> {
        if form.callback_id != NEW_TASK {
            return None;
        }
        let (task, language) = (TaskForm::of(form), form.origin.language);
        let mut problems = FormProblems::new();
        if task.name.is_empty() {
            problems.insert("name".into(), Misuse::NoTaskName.words(language));
        }
        if let Err((field, misuse)) = task.until(&form.origin.local(now), language) {
            problems.insert(field.into(), misuse.words(language));
        }
        Some(problems)
    }

    fn chosen_people(form: &SubmittedForm<'_>) -> Vec<(&'static str, String)> {
        let fields = PEOPLE_FIELDS.into_iter().filter(|_| form.callback_id == NEW_TASK);
        let people = |field| form.people(field).into_iter().take(MAX_CHECKED).map(move |person| (field, person));
        fields.flat_map(people).collect()
    }
}

/// A task to create.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskDraft {
    /// Its name, as people see it.
    pub name: String,
    /// The description, as Slack sent it.
    pub description: String,
    /// The assignee, then the others; the person who typed it, if nobody is named.
    pub people: Vec<Assignee>,
    /// The deadline.
    pub deadline: Option<Timestamp>,
}

/// Reads what was typed.
pub fn parse(tokens: &[TextToken<'_>], context: &CommandContext<'_>) -> Result<TaskDraft, Misuse> {
    let TaskReading { name, description, people, deadline, problem, .. } = task_reader::read(tokens, context);
    match problem {
        Some(problem) => Err(problem),
        None => Ok(TaskDraft { name, description, people, deadline: deadline.map(|(at, _)| at) }),
    }
}

/// A task as its form shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskForm {
    pub name: String,
    pub description: String,
    /// The assignee, by their id in Slack.
    pub assignee: String,
    /// The others, by their ids in Slack.
    pub accomplices: Vec<String>,
    /// The day, as `2026-12-25`.
    pub day: String,
    /// The deadline, in words.
    pub deadline: String,
}

impl TaskForm {
    /// What was filled in.
    pub fn of(form: &SubmittedForm<'_>) -> Self {
        Self {
            name: form.field("name"),
            description: form.long("description"),
            assignee: form.field("assignee"),
            accomplices: form.people("accomplices"),
            day: form.field("deadline"),
            deadline: form.field("deadline_words"),
        }
    }

    /// The form filled in with the typed text: everything has a place in it, right or wrong.
    pub fn of_typed(tokens: &[TextToken<'_>], context: &CommandContext<'_>) -> Self {
        let read = task_reader::read(tokens, context);
        let mut in_slack = Vec::new();
        let mut lines = vec![reader::to_form(&read.description)];
        for (index, (person, words)) in read.people.iter().zip(&read.people_words).enumerate() {
            match person {
                Assignee::Slack(id) => in_slack.push(id.clone()),
                Assignee::Me if index == 0 => {}
                // A person who is named by e-mail cannot be selected: the words remain for the person to correct.
                Assignee::Me | Assignee::Portal(_) | Assignee::Email(_) => lines.push(words.clone()),
            }
        }
        let deadline = of_left(&read, &mut lines);
        lines.retain(|line| !line.is_empty());
        let (name, description) = within_name(read.name, lines.join("\n"));
        // The first person is the assignee, even if the form cannot show them: nobody else takes their place.
        let is_first = matches!(read.people.first(), Some(Assignee::Slack(_)));
        let mut in_slack = in_slack.into_iter();
        let assignee = if is_first { in_slack.next().unwrap_or_default() } else { String::new() };
        Self { name, description, assignee, accomplices: in_slack.collect(), day: String::new(), deadline }
    }

    /// Everyone who is selected, the assignee first.
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

    /// The deadline; or the wrong field, and why.
    pub fn until(&self, now: &Zoned, language: Language) -> Result<Option<Timestamp>, (&'static str, Misuse)> {
        let (field, words) = match (self.day.is_empty(), self.deadline.is_empty()) {
            (true, true) => return Ok(None),
            (false, false) => return Err(("deadline_words", Misuse::LeftOver(self.deadline.clone()))),
            (false, true) => ("deadline", &self.day),
            (true, false) => ("deadline_words", &self.deadline),
        };
        let read = deadline::parse(words, now, language);
        read.map(|deadline| Some(deadline.at)).map_err(|why| (field, Misuse::Deadline(words.clone(), why)))
    }
}

/// Text without a place in a task: what was meant as the deadline is its field's value, everything else becomes a line.
fn of_left(read: &TaskReading, lines: &mut Vec<String>) -> String {
    let mut deadline = read.deadline.as_ref().map(|(_, words)| words.clone()).unwrap_or_default();
    for left in &read.left {
        let typed = reader::line(&reader::tokens(left), true);
        let is_deadline = matches!(&read.problem, Some(Misuse::Deadline(words, _)) if *words == typed);
        if is_deadline && deadline.is_empty() && text::units(left) <= forms::MAX_NAME {
            deadline = reader::to_form(left);
        } else {
            lines.push(reader::to_form(left));
        }
    }
    deadline
}

#[cfg(feature = "act")]
mod act {
    use bitrix24::Task;
    use clients::{Failure, PortalClient};
    use locale::{Language, texts};
    use records::Record;
    use serde::Deserialize;
    use serde_json::{Value, json};
    use slack::View;
    use slack::block::{Block, Element};
    use tenants::user_links::UserLink;
    use text::Document;
    use user_mapping::mapping::Acting;

    use super::{NEW_TASK, PEOPLE_FIELDS, TaskCommand, TaskDraft, TaskForm, parse};
    use crate::answers::{self, Created};
    use crate::drafts::FormDraft;
    use crate::forms::{FormOrigin, MAX_NAME, SubmittedForm, joined_with_bars};
    use crate::misuse::{CreatedKind, Misuse};
    use crate::people::Assignee;
    use crate::perform::{Perform, Submitted};
    use crate::reader::{self, TextToken};
    use crate::request::{CommandAnswer, CommandRequest};
    use crate::spec::Acknowledge;
    use crate::typed::CommandContext;
    use crate::{creating, lookup, views};

    impl Perform for TaskCommand {
        async fn run(
            request: &CommandRequest<'_>,
            tokens: &[TextToken<'_>],
            context: &CommandContext<'_>,
        ) -> Result<CommandAnswer, Failure> {
            create(request, parse(tokens, context)).await
        }

        fn filled_in(tokens: &[TextToken<'_>], context: &CommandContext<'_>) -> Option<Value> {
            Some(json!(TaskForm::of_typed(tokens, context)))
        }

        fn empty_form(user: &str) -> Option<Value> {
            Some(json!(TaskForm { assignee: user.to_owned(), ..TaskForm::default() }))
        }

        fn of_message(user: &str, text: &str) -> Option<Value> {
            let seen = Document::from_mrkdwn(text).visible();
            let first = seen.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            Some(json!(TaskForm {
                // The whole text is the description.
                name: first.chars().take(MAX_NAME / 2).collect(),
                description: reader::to_form(text),
                assignee: user.to_owned(),
                ..TaskForm::default()
            }))
        }

        fn view(form: &Value, origin: &FormOrigin, problem: Option<&str>) -> Option<View> {
            let (form, language) = (TaskForm::deserialize(form).ok()?, origin.language);
            let mut blocks = views::above(problem);
            blocks.push(views::line("name", language.text(texts::commands::TASK_NAME), &form.name));
            let description = language.text(texts::commands::DESCRIPTION);
            blocks.extend(views::long("description", description, &form.description, true));
            blocks.extend(people_fields(&form, language));
            blocks.extend(deadline_fields(&form, origin));
            Some(views::creating(NEW_TASK, language.text(texts::commands::NEW_TASK), origin, blocks))
        }

        fn as_typed(form: &SubmittedForm<'_>) -> Option<String> {
            let TaskForm { name, description, day, deadline, .. } = TaskForm::of(form);
            let fields = [name, description, day, deadline];
            (form.callback_id == NEW_TASK).then(|| joined_with_bars(Self::SPEC.typed, fields))
        }

        /// People were selected in the form: they are looked up now, so that the form can say at once who is not
        /// linked.
        async fn pressed(
            request: &CommandRequest<'_>,
            action_id: &str,
            value: &str,
        ) -> Result<Option<CommandAnswer>, Failure> {
            if !PEOPLE_FIELDS.contains(&action_id) {
                return Ok(None);
            }
            for id in value.split(',').filter(|id| !id.is_empty()).take(lookup::MAX_NAMED) {
                request.deps.context.acting(&request.tenant, id).await?;
            }
            Ok(Some(CommandAnswer::silent("person.looked_up")))
        }

        async fn submitted(
            request: &CommandRequest<'_>,
            form: &SubmittedForm<'_>,
        ) -> Result<Option<Submitted>, Failure> {
            if form.callback_id != NEW_TASK {
                return Ok(None);
            }
            let form = TaskForm::of(form);
            let draft = draft_of(request, &form).await;
            Ok(Some(Submitted {
                answer: create(request, draft).await?,
                draft: Some(FormDraft::form(&Self::SPEC, json!(form))),
            }))
        }

        async fn again(request: &CommandRequest<'_>, what: &str) -> Result<Option<CommandAnswer>, Failure> {
            let Some(id) = what.strip_prefix("task ").and_then(|id| id.parse().ok()) else { return Ok(None) };
            let (_, rights) = match request.ready().await? {
                Ok(ready) => ready,
                Err(answer) => return Ok(Some(answer)),
            };
            let Some(task) = rights.task(id).await? else { return Ok(Some(request.not_found())) };
            let mut accomplices = Vec::new();
            for user in &task.accomplices {
                accomplices.extend(creating::name_of(request, Some(*user)).await?);
            }
            let message = answers::created(
                Created {
                    kind: CreatedKind::Task,
                    title: &task.title.clone().unwrap_or_else(|| id.to_string()),
                    url: &task.link(&request.tenant.portal.domain),
                    responsible: creating::name_of(request, task.responsible_id).await?.as_deref(),
                    accomplices: &accomplices,
                    deadline: task.deadline.map(|deadline| (deadline, &request.zone)),
                    note: None,
                },
                request.language,
            );
            Ok(Some(CommandAnswer::to_one(message)))
        }
    }

    fn people_fields(form: &TaskForm, language: Language) -> [Block; 2] {
        let assignee =
            Element::UsersSelect { initial_user: views::filled(&form.assignee), action_id: PEOPLE_FIELDS[0].into() };
        let accomplices =
            Element::MultiUsersSelect { initial_users: form.accomplices.clone(), action_id: PEOPLE_FIELDS[1].into() };
        let labels = [texts::records::FIELD_ASSIGNEE, texts::commands::ACCOMPLICES].map(|label| language.text(label));
        [
            Block::input(PEOPLE_FIELDS[0], labels[0], assignee, None, true).telling_choices(),
            Block::input(PEOPLE_FIELDS[1], labels[1], accomplices, None, true).telling_choices(),
        ]
    }

    fn deadline_fields(form: &TaskForm, origin: &FormOrigin) -> [Block; 2] {
        let (language, zone) = (origin.language, &origin.zone);
        let day = Element::Datepicker { initial_date: views::filled(&form.day), action_id: "deadline".into() };
        let words = Element::text_input("deadline_words", false, MAX_NAME, views::filled(&form.deadline));
        let hint = language.text(texts::commands::DeadlineHint { zone });
        let in_words = language.text(texts::commands::DEADLINE_IN_WORDS);
        [
            Block::input("deadline", language.text(texts::records::FIELD_DEADLINE), day, None, true),
            Block::input("deadline_words", in_words, words, Some(&hint), true),
        ]
    }

    async fn draft_of(request: &CommandRequest<'_>, form: &TaskForm) -> Result<TaskDraft, Misuse> {
        let name = reader::line(&reader::tokens(&reader::from_form(&form.name)), true);
        let deadline = form.until(&request.local(), request.language).map_err(|(_, misuse)| misuse)?;
        if name.is_empty() {
            return Err(Misuse::NoTaskName);
        }
        let description = lookup::named(request, &reader::from_form(&form.description)).await;
        Ok(TaskDraft { name, description, people: form.people(), deadline })
    }

    async fn create(request: &CommandRequest<'_>, draft: Result<TaskDraft, Misuse>) -> Result<CommandAnswer, Failure> {
        let misuse = |misuse| CommandAnswer::misuse(misuse, &TaskCommand::SPEC, request.language);
        let draft = match draft {
            Ok(draft) => draft,
            Err(wrong) => return Ok(misuse(wrong)),
        };
        let (person, rights) = match request.ready().await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(answer),
        };
        let doers = match doers(request, &draft.people, &person).await? {
            Ok(doers) => doers,
            Err(wrong) => return Ok(misuse(wrong)),
        };
        let (assignee, accomplices) = doers.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
        let assignee = assignee.cloned().unwrap_or((person.user, person.name.clone()));
        let found = if request.is_retry { find(request, &rights.client, &draft.name).await? } else { None };
        let task = match found {
            Some(task) => task,
            None => {
                let fields = fields(request, &draft, person.user, assignee.0, accomplices);
                let params = json!({"fields": fields});
                match creating::create(request, &rights.client, "tasks.task.add", &params).await {
                    Ok(answer) => Task::read(answer.result["task"].clone()).map_err(creating::unexpected)?,
                    Err(failure) => {
                        return creating::refused(request, CreatedKind::Task, &TaskCommand::SPEC, failure);
                    }
                }
            }
        };
        let names: Vec<String> = accomplices.iter().map(|(_, name)| name.clone()).collect();
        let message = answers::created(
            Created {
                kind: CreatedKind::Task,
                title: &draft.name,
                url: &task.link(&request.tenant.portal.domain),
                responsible: Some(&assignee.1),
                accomplices: &names,
                deadline: draft.deadline.map(|deadline| (deadline, &request.zone)),
                note: None,
            },
            request.language,
        );
        Ok(CommandAnswer::done(message, "task.created_from_slack", Record::Task(task.id)))
    }

    fn fields(
        request: &CommandRequest<'_>,
        draft: &TaskDraft,
        creator: u64,
        assignee: u64,
        accomplices: &[(u64, String)],
    ) -> Value {
        let mut fields = json!({
            "TITLE": draft.name, "DESCRIPTION": Document::from_mrkdwn(&draft.description).to_bbcode(false),
            "RESPONSIBLE_ID": assignee, "CREATED_BY": creator, "XML_ID": request.id.as_str(),
        });
        if !accomplices.is_empty() {
            fields["ACCOMPLICES"] = accomplices.iter().map(|(user, _)| *user).collect();
        }
        if let Some(deadline) = draft.deadline {
            fields["DEADLINE"] = deadline.to_string().into();
        }
        fields
    }

    /// The numbers and names of the task's people, each once; or who of them is not linked to a user of the portal.
    async fn doers(
        request: &CommandRequest<'_>,
        wanted: &[Assignee],
        person: &UserLink,
    ) -> Result<Result<Vec<(u64, String)>, Misuse>, Failure> {
        let mut doers: Vec<(u64, String)> = Vec::new();
        let mut unlinked = Vec::new();
        for wanted in wanted {
            match doer(request, wanted, person).await? {
                Some(doer) if doers.iter().any(|known| known.0 == doer.0) => {}
                Some(doer) => doers.push(doer),
                None => match wanted {
                    Assignee::Slack(id) => unlinked.push(called(request, id).await?),
                    Assignee::Email(email) => return Ok(Err(Misuse::Assignee(email.clone()))),
                    Assignee::Portal(user) => return Ok(Err(Misuse::Assignee(user.to_string()))),
                    Assignee::Me => {}
                },
            }
        }
        Ok(if unlinked.is_empty() { Ok(doers) } else { Err(Misuse::Unlinked(unlinked)) })
    }

    /// The name of a person in Slack; no id is shown.
    async fn called(request: &CommandRequest<'_>, id: &str) -> Result<String, Failure> {
        let profile = request.deps.context.slack_profile(&request.tenant, id).await?;
        let name = profile.map(|profile| profile.name).filter(|name| !name.is_empty() && name != id);
        let outside = || request.language.text(texts::chat::SOMEONE_OUTSIDE).to_owned();
        Ok(name.map_or_else(outside, |name| format!("@{name}")))
    }

    /// A person's number and name on the portal; `None` if they are not linked to a user there.
    async fn doer(
        request: &CommandRequest<'_>,
        wanted: &Assignee,
        person: &UserLink,
    ) -> Result<Option<(u64, String)>, Failure> {
        let context = &request.deps.context;
        Ok(match wanted {
            Assignee::Me => Some((person.user, person.name.clone())),
            Assignee::Slack(id) if *id == request.user => Some((person.user, person.name.clone())),
            Assignee::Slack(id) => match context.acting(&request.tenant, id).await? {
                Acting::As(link) => Some((link.user, link.name)),
                Acting::Dismissed | Acting::Nobody { .. } => None,
            },
            Assignee::Portal(user) => {
                let profile = context.portal_profile(&request.tenant, *user).await?;
                profile.filter(|profile| !profile.is_dismissed).map(|profile| (profile.user, profile.name))
            }
            Assignee::Email(email) => {
                context.portal_user_by_email(&request.tenant, email).await?.map(|found| (found.user, found.name))
            }
        })
    }

    /// The task that an earlier try created: it carries our id. On a portal that does not keep the id, the name and the
    /// moment decide.
    async fn find(request: &CommandRequest<'_>, client: &PortalClient, name: &str) -> Result<Option<Task>, Failure> {
        let params = json!({
            "filter": {"TITLE": name, ">=CREATED_DATE": request.not_before().to_string()}, "order": {"ID": "DESC"},
            "select": ["ID", "TITLE", "XML_ID", "RESPONSIBLE_ID", "CREATED_BY"],
        });
        let answer = client.call("tasks.task.list", &params).await?;
        let rows = answer.result["tasks"].as_array().cloned().unwrap_or_default();
        let is_ours = |row: &Value| match row["xmlId"].as_str().filter(|id| !id.is_empty()) {
            Some(id) => id == request.id.as_str(),
            None => row["title"] == name,
        };
        rows.into_iter().find(is_ours).map(Task::read).transpose().map_err(creating::unexpected)
    }
}
