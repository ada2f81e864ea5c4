//! `/b24-lead`: creates a lead from a company and a comment.

use jiff::Timestamp;
use locale::texts;
use serde::{Deserialize, Serialize};

use crate::contacts::Contacts;
use crate::forms::{FormProblems, SubmittedForm};
use crate::misuse::Misuse;
use crate::reader::{self, TextToken, TokenUnit};
use crate::spec::{Acknowledge, CommandSpec, MessageShortcut, WithoutText};

pub struct LeadCommand;

/// The `callback_id` of the form for a new lead.
pub const NEW_LEAD: &str = "new_lead";

impl Acknowledge for LeadCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-lead",
        description: texts::commands::COMMAND_LEAD,
        usage: texts::commands::COMMAND_LEAD_USAGE,
        documentation: ("`/b24-lead Company \\| Comment`", "creates a lead; without text it opens a form"),
        help: texts::commands::COMMAND_LEAD_HELP,
        examples: texts::commands::COMMAND_LEAD_EXAMPLES,
        without_text: WithoutText::Form(NEW_LEAD),
        shortcut: Some(MessageShortcut {
            callback_id: "message_to_lead",
            name: "Create a lead",
            description: "Create a lead in Bitrix24 from this message",
        }),
        names_people: false,
        can_be_public: true,
    };

    fn form_problems(form: &SubmittedForm<'_>, _now: Timestamp) -> Option<FormProblems> {
        let has_no_company = form.field("company").is_empty();
        let problem = has_no_company.then(|| ("company".to_owned(), Misuse::NoCompany.words(form.origin.language)));
        (form.callback_id == NEW_LEAD).then(|| problem.into_iter().collect())
    }
}

/// A lead to create.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeadDraft {
    /// The company, as people see it.
    pub company: String,
    /// What is said of it, as Slack sent it.
    pub comment: String,
    /// How it can be reached, as far as the text says.
    pub contacts: Contacts,
}

impl LeadDraft {
    /// From a company and a comment, both as Slack sends text.
    pub fn read(company: &str, comment: &str) -> Result<Self, Misuse> {
        let (company, comment) = (reader::tokens(company), reader::tokens(comment));
        let contacts = Contacts::of(&company, true).and(Contacts::of(&comment, false));
        let draft = Self { company: reader::line(&company, false), comment: reader::raw(&comment), contacts };
        if draft.company.is_empty() { Err(Misuse::NoCompany) } else { Ok(draft) }
    }
}

/// A lead as its form shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LeadForm {
    pub company: String,
    pub comment: String,
}

/// Reads what was typed.
pub fn parse(tokens: &[TextToken<'_>]) -> Result<LeadDraft, Misuse> {
    let (company, comment) = parts(tokens);
    LeadDraft::read(&reader::raw(company), &reader::raw(comment))
}

/// The company and the comment: everything behind the first bar is comment.
fn parts<'t, 'a>(tokens: &'t [TextToken<'a>]) -> (&'t [TextToken<'a>], &'t [TextToken<'a>]) {
    match tokens.iter().position(|token| token.unit == TokenUnit::Bar) {
        Some(bar) => (reader::trim(&tokens[..bar]), reader::trim(&tokens[bar + 1..])),
        None => (tokens, &[]),
    }
}

#[cfg(feature = "act")]
mod act {
    use bitrix24::{CrmItem, EntityType};
    use clients::{Failure, PortalClient};
    use locale::texts;
    use records::Record;
    use serde::Deserialize;
    use serde_json::{Value, json};
    use slack::View;
    use text::Document;

    use super::{LeadCommand, LeadDraft, LeadForm, NEW_LEAD, parse, parts};
    use crate::answers::{self, Created};
    use crate::contacts::Contacts;
    use crate::creating;
    use crate::drafts::FormDraft;
    use crate::forms::{FormOrigin, SubmittedForm, joined_with_bars, within_name};
    use crate::misuse::{CreatedKind, Misuse};
    use crate::perform::{Perform, Submitted};
    use crate::reader::{self, TextToken};
    use crate::request::{CommandAnswer, CommandRequest};
    use crate::spec::Acknowledge;
    use crate::typed::CommandContext;
    use crate::views;

    /// The name under which CRM items carry our ids.
    const ORIGINATOR: &str = "switchboard";

    impl Perform for LeadCommand {
        async fn run(
            request: &CommandRequest<'_>,
            tokens: &[TextToken<'_>],
            _context: &CommandContext<'_>,
        ) -> Result<CommandAnswer, Failure> {
            create(request, parse(tokens)).await
        }

        fn filled_in(tokens: &[TextToken<'_>], _context: &CommandContext<'_>) -> Option<Value> {
            let (company, comment) = parts(tokens);
            let (company, comment) = (reader::to_form(&reader::raw(company)), reader::to_form(&reader::raw(comment)));
            let (company, comment) = within_name(company, comment);
            Some(json!(LeadForm { company, comment }))
        }

        fn empty_form(_user: &str) -> Option<Value> {
            Some(json!(LeadForm::default()))
        }

        fn of_message(_user: &str, text: &str) -> Option<Value> {
            Some(json!(LeadForm { company: String::new(), comment: reader::to_form(text) }))
        }

        fn view(form: &Value, origin: &FormOrigin, problem: Option<&str>) -> Option<View> {
            let (form, language) = (LeadForm::deserialize(form).ok()?, origin.language);
            let mut blocks = views::above(problem);
            blocks.push(views::line("company", language.text(texts::records::FIELD_COMPANY), &form.company));
            blocks.extend(views::long("comment", language.text(texts::commands::COMMENT), &form.comment, true));
            Some(views::creating(NEW_LEAD, language.text(texts::commands::NEW_LEAD), origin, blocks))
        }

        fn as_typed(form: &SubmittedForm<'_>) -> Option<String> {
            let fields = [form.field("company"), form.long("comment")];
            (form.callback_id == NEW_LEAD).then(|| joined_with_bars(Self::SPEC.typed, fields))
        }

        async fn submitted(
            request: &CommandRequest<'_>,
            form: &SubmittedForm<'_>,
        ) -> Result<Option<Submitted>, Failure> {
            if form.callback_id != NEW_LEAD {
                return Ok(None);
            }
            let form = LeadForm { company: form.field("company"), comment: form.long("comment") };
            let draft = LeadDraft::read(&reader::from_form(&form.company), &reader::from_form(&form.comment));
            Ok(Some(Submitted {
                answer: create(request, draft).await?,
                draft: Some(FormDraft::form(&Self::SPEC, json!(form))),
            }))
        }

        async fn again(request: &CommandRequest<'_>, what: &str) -> Result<Option<CommandAnswer>, Failure> {
            let Some(id) = what.strip_prefix("lead ").and_then(|id| id.parse().ok()) else { return Ok(None) };
            let (_, rights) = match request.ready().await? {
                Ok(ready) => ready,
                Err(answer) => return Ok(Some(answer)),
            };
            let Some(lead) = rights.item(EntityType::LEAD, id).await? else { return Ok(Some(request.not_found())) };
            let message = answers::created(
                Created {
                    responsible: creating::name_of(request, lead.assigned_by_id).await?.as_deref(),
                    ..created(
                        &lead.display_title().unwrap_or_else(|| id.to_string()),
                        &request.link(EntityType::LEAD, id),
                    )
                },
                request.language,
            );
            Ok(Some(CommandAnswer::to_one(message)))
        }
    }

    async fn create(request: &CommandRequest<'_>, draft: Result<LeadDraft, Misuse>) -> Result<CommandAnswer, Failure> {
        let draft = match draft {
            Ok(draft) => draft,
            Err(misuse) => return Ok(CommandAnswer::misuse(misuse, &LeadCommand::SPEC, request.language)),
        };
        let (person, rights) = match request.ready().await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(answer),
        };
        let found = if request.is_retry { find(request, &rights.client).await? } else { None };
        let item = match found {
            Some(item) => item,
            None => {
                let behalf =
                    (!rights.are_own()).then(|| answers::on_behalf(&person.name, EntityType::LEAD, request.language));
                let fields = fields(request, &draft, person.user, behalf.as_deref());
                let params = json!({"entityTypeId": EntityType::LEAD.0, "fields": fields});
                match creating::create(request, &rights.client, "crm.item.add", &params).await {
                    Ok(answer) => item(answer.result["item"].clone())?,
                    Err(failure) => {
                        return creating::refused(request, CreatedKind::Lead, &LeadCommand::SPEC, failure);
                    }
                }
            }
        };
        let Contacts { phones, emails, web } = &draft.contacts;
        let note = [phones.as_slice(), emails, web].concat().join(" · ");
        let message = answers::created(
            Created {
                responsible: Some(&person.name),
                note: Some(note.as_str()).filter(|note| !note.is_empty()),
                ..created(
                    &item.display_title().unwrap_or_else(|| draft.company.clone()),
                    &request.link(EntityType::LEAD, item.id),
                )
            },
            request.language,
        );
        Ok(CommandAnswer::done(message, "lead.created_from_slack", Record::item(EntityType::LEAD, item.id)))
    }

    fn created<'a>(title: &'a str, url: &'a str) -> Created<'a> {
        let kind = CreatedKind::Lead;
        Created { kind, title, url, responsible: None, accomplices: &[], deadline: None, note: None }
    }

    /// The fields of a new lead. Where the connection creates it, the comment names the person that it is created for.
    fn fields(request: &CommandRequest<'_>, draft: &LeadDraft, user: u64, behalf: Option<&str>) -> Value {
        let said = Document::from_mrkdwn(&draft.comment).to_bbcode(false);
        let behalf = behalf.map(|behalf| Document::plain(behalf).to_bbcode(false)).unwrap_or_default();
        let comments = format!("{said}\n{behalf}").trim().to_owned();
        let mut fields = json!({
            "title": draft.company, "companyTitle": draft.company, "comments": comments, "assignedById": user,
            "originatorId": ORIGINATOR, "originId": request.id.as_str(),
        });
        let reached_by = multifields(&draft.contacts);
        if !reached_by.is_empty() {
            fields["fm"] = reached_by.into();
        }
        fields
    }

    /// The lead that an earlier try created.
    async fn find(request: &CommandRequest<'_>, client: &PortalClient) -> Result<Option<CrmItem>, Failure> {
        let params = json!({
            "entityTypeId": EntityType::LEAD.0, "select": ["id", "title"],
            "filter": {"originatorId": ORIGINATOR, "originId": request.id.as_str()},
        });
        let answer = client.call("crm.item.list", &params).await?;
        answer.result["items"].get(0).cloned().map(item).transpose()
    }

    fn item(value: Value) -> Result<CrmItem, Failure> {
        serde_json::from_value(value).map_err(creating::unexpected)
    }

    /// How a lead can be reached, as `crm.item.add` expects it.
    fn multifields(contacts: &Contacts) -> Vec<Value> {
        let fields_of = |kind: &str, values: &[String]| -> Vec<Value> {
            let field = |value: &String| json!({"typeId": kind, "valueType": "WORK", "value": value});
            values.iter().map(field).collect()
        };
        [fields_of("PHONE", &contacts.phones), fields_of("EMAIL", &contacts.emails), fields_of("WEB", &contacts.web)]
            .concat()
    }
}
