//! `/b24-deal`: shows a deal's card, with buttons that move it, assign it to oneself and comment on it.

use jiff::Timestamp;
use locale::texts;

use crate::forms::{FormProblems, SubmittedForm};
use crate::misuse::Misuse;
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandSpec, WithoutText};
use crate::typed::CommandContext;

pub struct DealCommand;

/// The `callback_id` of the form for a comment, and the `action_id` of the button that opens it.
pub const DEAL_COMMENT: &str = "deal_comment";
/// The `action_id` of the menu that moves a deal.
const DEAL_STAGE: &str = "deal_stage";
/// The `action_id` of the button that assigns a deal to the person who presses it.
const DEAL_TAKE: &str = "deal_take";

impl Acknowledge for DealCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-deal",
        description: texts::commands::COMMAND_DEAL,
        usage: texts::commands::COMMAND_DEAL_USAGE,
        documentation: (
            "`/b24-deal 42`",
            "shows a deal: stage, sum, responsible, next activity; with buttons to move it, take it, comment on it, open it. It is named by its number (`42`, `#42`, `deal 42`), by a link to it, or by words of its title; a deal with exactly that title comes first",
        ),
        help: texts::commands::COMMAND_DEAL_HELP,
        examples: texts::commands::COMMAND_DEAL_EXAMPLES,
        without_text: WithoutText::Help,
        shortcut: None,
        names_people: false,
        can_be_public: true,
    };

    fn only_reads(_tokens: &[TextToken<'_>]) -> bool {
        true
    }

    fn changes_when_pressed(action_id: &str) -> bool {
        [DEAL_STAGE, DEAL_TAKE].contains(&action_id)
    }

    fn form_problems(form: &SubmittedForm<'_>, _now: Timestamp) -> Option<FormProblems> {
        let problem = form.long("comment").is_empty().then(|| {
            let words = form.origin.language.text(texts::commands::WRITE_SOMETHING);
            ("comment".to_owned(), words.to_owned())
        });
        (form.callback_id == DEAL_COMMENT).then(|| problem.into_iter().collect())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DealQuery {
    /// By its number.
    Id(u64),
    /// By words of its title.
    Words(String),
}

/// Reads what was typed.
pub fn parse(tokens: &[TextToken<'_>], context: &CommandContext<'_>) -> Result<DealQuery, Misuse> {
    let is_record =
        |token: &&TextToken<'_>| reader::host_and_path(token).is_some_and(|(_, path)| path.starts_with("crm/"));
    if let Some(link) = tokens.iter().find(is_record) {
        let others: Vec<_> = tokens.iter().filter(|token| *token != link).cloned().collect();
        let others = reader::line(&others, false);
        return match linked_deal(link, context)? {
            id if without_deal_word(&others).is_empty() => Ok(DealQuery::Id(id)),
            _ => Err(Misuse::LeftOver(others)),
        };
    }
    let words = reader::line(tokens, false);
    let number = without_deal_word(&words);
    match number.parse() {
        Ok(id) if id > 0 && number.bytes().all(|b| b.is_ascii_digit()) => Ok(DealQuery::Id(id)),
        _ => Ok(DealQuery::Words(words)),
    }
}

/// The words without `deal`, `#`, `№` before them.
fn without_deal_word(words: &str) -> String {
    let words = reader::simple(words).to_lowercase();
    let mut rest = words.as_str();
    for word in ["deal", "сделка", "сделку", "сделки", "id"] {
        let behind = rest.strip_prefix(word).filter(|rest| !rest.starts_with(char::is_alphabetic));
        rest = behind.unwrap_or(rest).trim_start();
    }
    rest.trim_start_matches(['#', '№', ':', ' ']).trim_end_matches(['.', ',', ' ']).to_owned()
}

fn linked_deal(link: &TextToken<'_>, context: &CommandContext<'_>) -> Result<u64, Misuse> {
    let (host, path) = reader::host_and_path(link).unwrap_or_default();
    if !host.eq_ignore_ascii_case(context.portal) {
        return Err(Misuse::OtherPortal(host, context.portal.to_owned()));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let id = match parts.as_slice() {
        ["crm", "deal", "details" | "show" | "edit", id, ..] | ["crm", "type", "2", "details", id, ..] => {
            id.parse().ok()
        }
        _ => None,
    };
    id.filter(|id| *id > 0).ok_or_else(|| Misuse::NotADeal(format!("{host}/{path}")))
}

#[cfg(feature = "act")]
pub(crate) mod act {
    //! The card of a deal, and what its buttons do.

    use bitrix24::EntityType;
    use clients::{ErrorClass, Failure};
    use crm::views::{DealView, FoundDeals};
    use jiff::Timestamp;
    use locale::{Language, texts};
    use records::{CardText, Record, RecordRef};
    use serde_json::{Value, json};
    use slack::block::{Block, Element};
    use slack::{Mrkdwn, SlackMessage, View};
    use tenants::user_links::UserLink;
    use text::Document;
    use user_mapping::rights::PersonRights;

    use super::{DEAL_COMMENT, DEAL_STAGE, DEAL_TAKE, DealCommand, DealQuery, parse};
    use crate::answers;
    use crate::creating;
    use crate::forms::{FormOrigin, MAX_FIELD, SubmittedForm};
    use crate::perform::{Perform, Submitted};
    use crate::reader::{self, TextToken};
    use crate::request::{CommandAnswer, CommandRequest};
    use crate::spec::Acknowledge;
    use crate::typed::CommandContext;
    use crate::views;

    /// The `action_id` of the button that shows a deal.
    pub(crate) const DEAL_SHOW: &str = "deal_show";
    /// The most comments, the latest first, that are searched for one that an earlier try wrote.
    const MAX_COMMENTS: usize = 5;

    impl Perform for DealCommand {
        async fn run(
            request: &CommandRequest<'_>,
            tokens: &[TextToken<'_>],
            context: &CommandContext<'_>,
        ) -> Result<CommandAnswer, Failure> {
            match parse(tokens, context) {
                Ok(query) => show(request, &query).await,
                Err(misuse) => Ok(CommandAnswer::misuse(misuse, &Self::SPEC, request.language)),
            }
        }

        fn as_typed(form: &SubmittedForm<'_>) -> Option<String> {
            (form.callback_id == DEAL_COMMENT).then(|| form.long("comment"))
        }

        async fn pressed(
            request: &CommandRequest<'_>,
            action_id: &str,
            value: &str,
        ) -> Result<Option<CommandAnswer>, Failure> {
            let (id, stage) = value.split_once(' ').unwrap_or((value, ""));
            let Ok(id) = id.parse() else { return Ok(None) };
            Ok(Some(match action_id {
                DEAL_SHOW => show(request, &DealQuery::Id(id)).await?,
                DEAL_STAGE => set_stage(request, id, stage).await?,
                DEAL_TAKE => take(request, id).await?,
                DEAL_COMMENT => ask_for_comment(request, id).await?,
                _ => return Ok(None),
            }))
        }

        async fn submitted(
            request: &CommandRequest<'_>,
            form: &SubmittedForm<'_>,
        ) -> Result<Option<Submitted>, Failure> {
            if form.callback_id != DEAL_COMMENT {
                return Ok(None);
            }
            let text = reader::from_form(&form.long("comment"));
            Ok(Some(comment(request, form.origin.id.unwrap_or_default(), &text).await?.into()))
        }

        async fn again(request: &CommandRequest<'_>, what: &str) -> Result<Option<CommandAnswer>, Failure> {
            match RecordRef::from(what).record() {
                Some(Record::Item { entity: EntityType::DEAL, id }) => {
                    show(request, &DealQuery::Id(id)).await.map(Some)
                }
                _ => Ok(None),
            }
        }
    }

    async fn show(request: &CommandRequest<'_>, query: &DealQuery) -> Result<CommandAnswer, Failure> {
        let (_, rights) = match request.ready().await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(answer),
        };
        let id = match query {
            DealQuery::Id(id) => *id,
            DealQuery::Words(words) => {
                let found = crm::views::find_deals(&request.tenant, &rights, words).await?;
                match found.deals.as_slice() {
                    [(id, ..)] => *id,
                    _ => return Ok(CommandAnswer::to_one(which(&found, words, request.language))),
                }
            }
        };
        show_card(request, &rights, id, None).await
    }

    async fn show_card(
        request: &CommandRequest<'_>,
        rights: &PersonRights,
        id: u64,
        note: Option<&str>,
    ) -> Result<CommandAnswer, Failure> {
        Ok(match request.deps.views.deal(&request.tenant, rights, id).await? {
            Some(deal) => CommandAnswer::shown(card(&deal, request.language, note), Record::item(EntityType::DEAL, id)),
            None => request.not_found(),
        })
    }

    /// The person who asked, and their rights, if they can reach the deal; else the answer.
    async fn reach(
        request: &CommandRequest<'_>,
        id: u64,
    ) -> Result<Result<(UserLink, PersonRights), CommandAnswer>, Failure> {
        let (person, rights) = match request.ready().await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(Err(answer)),
        };
        let deal = rights.item(EntityType::DEAL, id).await?;
        Ok(if deal.is_some() { Ok((person, rights)) } else { Err(request.not_found()) })
    }

    async fn set_stage(request: &CommandRequest<'_>, id: u64, stage: &str) -> Result<CommandAnswer, Failure> {
        let (person, rights) = match reach(request, id).await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(answer),
        };
        change(request, &rights, id, &json!({"stageId": stage})).await?;
        let deal = request.deps.views.deal(&request.tenant, &rights, id).await?;
        // The portal may say yes and change nothing: what it has now decides.
        let Some(deal) = deal else { return Ok(request.not_found()) };
        if deal.stage_id != stage {
            let text = request.language.text(texts::commands::STAGE_KEPT);
            return Ok(CommandAnswer::to_one(card(&deal, request.language, Some(text))));
        }
        let stage = deal.stage(request.language);
        let moved = request.language.text(texts::commands::StageChanged { stage: &stage });
        name_person(request, &rights, &person, id, &moved).await?;
        let note = request.language.text(texts::commands::MovedTo { stage: &stage });
        let card = card(&deal, request.language, Some(&note));
        Ok(CommandAnswer::done(card, "deal.moved_from_slack", Record::item(EntityType::DEAL, id)))
    }

    async fn take(request: &CommandRequest<'_>, id: u64) -> Result<CommandAnswer, Failure> {
        let (person, rights) = match reach(request, id).await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(answer),
        };
        change(request, &rights, id, &json!({"assignedById": person.user})).await?;
        let text = request.language.text(texts::commands::IS_YOURS);
        let answer = show_card(request, &rights, id, Some(text)).await?;
        Ok(CommandAnswer { did: Some("deal.taken_from_slack".into()), ..answer })
    }

    async fn ask_for_comment(request: &CommandRequest<'_>, id: u64) -> Result<CommandAnswer, Failure> {
        if let Err(answer) = request.ready().await? {
            return Ok(answer);
        }
        let view = comment_view(&FormOrigin { id: Some(id), ..request.here() });
        request.open_view(&view, &DealCommand::SPEC).await
    }

    pub(crate) fn comment_view(origin: &FormOrigin) -> View {
        let language = origin.language;
        let label = language.text(texts::commands::COMMENT);
        View::modal(
            DEAL_COMMENT,
            language.text(texts::commands::ADD_COMMENT),
            Some(language.text(texts::commands::ADD)),
            views::cancel(language),
            &origin.text(),
            [Block::input("comment", label, Element::text_input("comment", true, MAX_FIELD, None), None, false)],
        )
    }

    async fn comment(request: &CommandRequest<'_>, id: u64, text: &str) -> Result<CommandAnswer, Failure> {
        let (person, rights) = match reach(request, id).await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(answer),
        };
        let mut said = Document::from_mrkdwn(text).to_bbcode(false);
        if !rights.are_own() {
            said = format!("{said}\n{}", Document::plain(&behalf(request, &person)).to_bbcode(false));
        }
        add_comment(request, &rights, id, &said).await?;
        let done = request.language.text(texts::commands::COMMENT_ADDED);
        let answer = show_card(request, &rights, id, Some(done)).await?;
        Ok(CommandAnswer { did: Some("deal.commented_from_slack".into()), ..answer })
    }

    async fn change(
        request: &CommandRequest<'_>,
        rights: &PersonRights,
        id: u64,
        fields: &Value,
    ) -> Result<(), Failure> {
        tracing::debug!(tenant = %request.tenant.id, id, "changing a deal");
        let params = json!({"entityTypeId": EntityType::DEAL.0, "id": id, "fields": fields});
        rights.client.call("crm.item.update", &params).await.map(|_| ())
    }

    fn behalf(request: &CommandRequest<'_>, person: &UserLink) -> String {
        answers::on_behalf(&person.name, EntityType::DEAL, request.language)
    }

    /// If the connection made the change, a comment on the deal names the person for whom it was made.
    async fn name_person(
        request: &CommandRequest<'_>,
        rights: &PersonRights,
        person: &UserLink,
        id: u64,
        what: &str,
    ) -> Result<(), Failure> {
        if rights.are_own() {
            return Ok(());
        }
        let said = Document::plain(&format!("{what}. {}", behalf(request, person))).to_bbcode(false);
        match add_comment(request, rights, id, &said).await {
            // The right to comment may be missing; the change itself is done.
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Ok(()),
            added => added,
        }
    }

    /// Comments once: a comment does not carry our id, so one that an earlier try wrote is found by its text.
    async fn add_comment(
        request: &CommandRequest<'_>,
        rights: &PersonRights,
        id: u64,
        text: &str,
    ) -> Result<(), Failure> {
        if request.is_retry && was_written(request, rights, id, text).await? {
            return Ok(());
        }
        let fields = json!({"ENTITY_ID": id, "ENTITY_TYPE": "deal", "COMMENT": text});
        let params = json!({"fields": fields});
        creating::create(request, &rights.client, "crm.timeline.comment.add", &params).await.map(|_| ())
    }

    /// Whether this very request wrote it: the same words from another day do not count.
    async fn was_written(
        request: &CommandRequest<'_>,
        rights: &PersonRights,
        id: u64,
        text: &str,
    ) -> Result<bool, Failure> {
        let params = json!({
            "filter": {"ENTITY_ID": id, "ENTITY_TYPE": "deal"}, "order": {"ID": "DESC"},
            "select": ["ID", "COMMENT", "CREATED"],
        });
        match rights.client.call("crm.timeline.comment.list", &params).await {
            Ok(answer) => {
                let rows = answer.result.as_array().cloned().unwrap_or_default();
                let is_recent = |row: &Value| {
                    let at = row["CREATED"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
                    at.is_none_or(|at| at >= request.not_before())
                };
                Ok(rows.iter().take(MAX_COMMENTS).any(|row| row["COMMENT"] == text && is_recent(row)))
            }
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The card of a deal, with its buttons.
    pub(crate) fn card(deal: &DealView, language: Language, note: Option<&str>) -> SlackMessage {
        let text = answers::headline(&deal.record, language);
        let mut blocks = vec![Block::section(text.clone()), fields(deal, language)];
        blocks.extend(note.map(|note| Block::context([Mrkdwn::text(note)])));
        let id = deal.id.to_string();
        let choices: Vec<(String, &str)> =
            deal.stages.iter().map(|(code, words)| (format!("{id} {code}"), words.as_str())).collect();
        let now = format!("{id} {}", deal.stage_id);
        let placeholder = language.text(texts::commands::CHANGE_STAGE);
        let choices = choices.iter().map(|(value, words)| (value.as_str(), *words));
        let mut elements: Vec<Element> =
            Element::menu(placeholder, DEAL_STAGE, choices, Some(&now)).into_iter().collect();
        elements.push(Element::press(language.text(texts::commands::TAKE), DEAL_TAKE, &id));
        elements.push(Element::press(language.text(texts::commands::ADD_COMMENT), DEAL_COMMENT, &id));
        elements.extend(Element::open(language.text(texts::cards::OPEN), &deal.url, "open_record"));
        blocks.push(Block::actions(elements));
        SlackMessage::new(text, blocks)
    }

    /// The fields of a deal, in its card and below a link to it.
    pub(crate) fn fields(deal: &DealView, language: Language) -> Block {
        let mut fields = deal.record.facts(language);
        let next = deal.next.as_ref().map(|(what, when)| {
            let what = CardText::text(what);
            when.map_or(what.clone(), |when| what.then(CardText::text(" · ")).then(CardText::moment(when)))
        });
        let next = next.unwrap_or_else(|| CardText::text(language.text(texts::records::NONE)));
        fields.push((language.text(texts::commands::NEXT_ACTIVITY), next));
        Block::fields(fields.into_iter().map(|(label, value)| (label, value.to_mrkdwn())))
    }

    /// The words match several deals, or none: asks which one.
    pub(crate) fn which(found: &FoundDeals, words: &str, language: Language) -> SlackMessage {
        if found.deals.is_empty() {
            return answers::plain(&language.text(texts::commands::NoSuchDeal { words }));
        }
        let head = Mrkdwn::text(language.text(texts::commands::WHICH_DEAL));
        let mut blocks = vec![Block::section(head.clone())];
        blocks.extend(found.deals.iter().flat_map(|(id, title, url)| listed(*id, title, url, language)));
        if found.more > 0 {
            let text = language.text(texts::commands::MoreDeals { count: found.more });
            blocks.push(Block::context([Mrkdwn::text(&text)]));
        }
        SlackMessage::new(head, blocks)
    }

    /// A deal in a list, with the button that shows it.
    pub(crate) fn listed(id: u64, title: &str, url: &str, language: Language) -> [Block; 2] {
        [
            Block::section(Mrkdwn::text(&format!("{id} · ")).then(&Mrkdwn::link(url, title))),
            Block::actions([Element::press(language.text(texts::commands::SHOW), DEAL_SHOW, &id.to_string())]),
        ]
    }
}
