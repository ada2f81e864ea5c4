//! `/b24-deal`: shows a deal's card, with buttons that move it, assign it to oneself and comment on it.

use jiff::Timestamp;
use locale::Language;

use crate::forms::{FormProblems, SubmittedForm};
use crate::misuse::Misuse;
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandHelp, CommandSpec, WithoutText};
use crate::typed::CommandContext;

/// The command.
pub struct DealCommand;

/// The `callback_id` of the form for a comment, and the `action_id` of the button that opens it.
pub const DEAL_COMMENT: &str = "deal_comment";

impl Acknowledge for DealCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-deal",
        description: "Show a deal",
        usage: "ID, link or words of its title [--public]",
        documentation: (
            "`/b24-deal 42`",
            "shows a deal: stage, sum, responsible, next activity; with buttons to move it, take it, comment on it, open it. It is named by its number (`42`, `#42`, `deal 42`), by a link to it, or by words of its title; a deal with exactly that title comes first",
        ),
        help,
        without_text: WithoutText::Help,
        shortcut: None,
        names_people: false,
        can_be_public: true,
    };

    fn form_problems(form: &SubmittedForm<'_>, _now: Timestamp) -> Option<FormProblems> {
        let problem = form.long("comment").is_empty().then(|| {
            let words = form.origin.language.pick("Write something.", "Напишите что-нибудь.");
            ("comment".to_owned(), words.to_owned())
        });
        (form.callback_id == DEAL_COMMENT).then(|| problem.into_iter().collect())
    }
}

fn help(language: Language) -> CommandHelp {
    CommandHelp {
        does: language.pick(
            "shows a deal: stage, sum, responsible, next activity, and buttons to work on it.",
            "показывает сделку: стадию, сумму, ответственного, следующее дело и кнопки.",
        ),
        examples: &["/b24-deal 42", "/b24-deal roof for ACME", "/b24-deal 42 --public"],
    }
}

/// Which deal.
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
    use locale::Language;
    use locale::money;
    use serde_json::{Value, json};
    use slack::block::{Block, Element};
    use slack::{Message, Mrkdwn, View};
    use tenants::people::Link;
    use text::Document;
    use user_mapping::rights::Rights;

    use super::{DEAL_COMMENT, DealCommand, DealQuery, parse};
    use crate::answers;
    use crate::forms::{FormOrigin, MAX_FIELD, SubmittedForm};
    use crate::perform::{Perform, Submitted};
    use crate::reader::{self, TextToken};
    use crate::request::{CommandAnswer, CommandRequest};
    use crate::spec::Acknowledge;
    use crate::typed::CommandContext;
    use crate::views;

    /// The `action_id` of the menu that moves a deal.
    const DEAL_STAGE: &str = "deal_stage";
    /// The `action_id` of the button that makes a deal one's own.
    const DEAL_TAKE: &str = "deal_take";
    /// The `action_id` of the button that shows a deal.
    pub(crate) const DEAL_SHOW: &str = "deal_show";
    /// Comments, the latest first, among which one that an earlier try wrote is looked for.
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
            match what.strip_prefix("deal ").and_then(|id| id.parse().ok()) {
                Some(id) => show(request, &DealQuery::Id(id)).await.map(Some),
                None => Ok(None),
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
        rights: &Rights,
        id: u64,
        note: Option<&str>,
    ) -> Result<CommandAnswer, Failure> {
        Ok(match crm::views::deal(&request.deps.talk, &request.tenant, rights, id).await? {
            Some(deal) => {
                let record = Some(format!("deal {id}"));
                let card = card(&deal, request.language, note);
                CommandAnswer { share: record.clone(), record, ..CommandAnswer::to_one(card) }
            }
            None => request.not_found(),
        })
    }

    /// The person who asked and their rights, if the deal is within their reach; else what to answer.
    async fn reach(request: &CommandRequest<'_>, id: u64) -> Result<Result<(Link, Rights), CommandAnswer>, Failure> {
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
        let deal = crm::views::deal(&request.deps.talk, &request.tenant, &rights, id).await?;
        // The portal can say yes and change nothing: what it has now decides.
        let Some(deal) = deal else { return Ok(request.not_found()) };
        if deal.stage_id != stage {
            let text = request.language.pick(
                "Bitrix24 left the deal in its stage: a required field may be empty, or the stage is of another funnel.",
                "Битрикс24 оставил сделку на её стадии: может быть, пусто обязательное поле или стадия из другой воронки.",
            );
            return Ok(CommandAnswer::to_one(card(&deal, request.language, Some(text))));
        }
        let moved = format!("{} → {}", request.language.label("stage"), deal.stage);
        name_person(request, &rights, &person, id, &moved).await?;
        let note = format!("{} {}", request.language.pick("Moved to", "Перенесена:"), deal.stage);
        let card = card(&deal, request.language, Some(&note));
        Ok(CommandAnswer::done(card, "deal.moved_from_slack", format!("deal {id}")))
    }

    async fn take(request: &CommandRequest<'_>, id: u64) -> Result<CommandAnswer, Failure> {
        let (person, rights) = match reach(request, id).await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(answer),
        };
        change(request, &rights, id, &json!({"assignedById": person.user})).await?;
        let text = request.language.pick("It is yours now.", "Теперь она ваша.");
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

    fn comment_view(origin: &FormOrigin) -> View {
        let language = origin.language;
        let label = language.pick("Comment", "Комментарий");
        View::modal(
            DEAL_COMMENT,
            language.pick("Add comment", "Комментарий"),
            Some(language.pick("Add", "Добавить")),
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
        let done = request.language.pick("Comment added.", "Комментарий добавлен.");
        let answer = show_card(request, &rights, id, Some(done)).await?;
        Ok(CommandAnswer { did: Some("deal.commented_from_slack".into()), ..answer })
    }

    async fn change(request: &CommandRequest<'_>, rights: &Rights, id: u64, fields: &Value) -> Result<(), Failure> {
        tracing::debug!(tenant = %request.tenant.id, id, "changing a deal");
        let params = json!({"entityTypeId": EntityType::DEAL.0, "id": id, "fields": fields});
        rights.client.call("crm.item.update", &params).await.map(|_| ())
    }

    fn behalf(request: &CommandRequest<'_>, person: &Link) -> String {
        answers::on_behalf(&person.name, EntityType::DEAL, request.language)
    }

    /// Where the connection made the change, the deal names the person that it was made for.
    async fn name_person(
        request: &CommandRequest<'_>,
        rights: &Rights,
        person: &Link,
        id: u64,
        what: &str,
    ) -> Result<(), Failure> {
        if rights.are_own() {
            return Ok(());
        }
        let said = Document::plain(&format!("{what}. {}", behalf(request, person))).to_bbcode(false);
        match add_comment(request, rights, id, &said).await {
            // The right to comment can be missing; what was asked for is done.
            Err(Failure { class: ErrorClass::Permanent { .. }, .. }) => Ok(()),
            added => added,
        }
    }

    /// Comments once: a comment does not carry our id, so one that an earlier try wrote is found by its text.
    async fn add_comment(request: &CommandRequest<'_>, rights: &Rights, id: u64, text: &str) -> Result<(), Failure> {
        if request.is_retry && was_written(request, rights, id, text).await? {
            return Ok(());
        }
        let fields = json!({"ENTITY_ID": id, "ENTITY_TYPE": "deal", "COMMENT": text});
        rights.client.call("crm.timeline.comment.add", &json!({"fields": fields})).await.map(|_| ())
    }

    /// Whether this very request wrote it: the same words from another day do not count.
    async fn was_written(request: &CommandRequest<'_>, rights: &Rights, id: u64, text: &str) -> Result<bool, Failure> {
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

    fn link(deal: &DealView) -> Mrkdwn {
        Mrkdwn::link(&deal.url, &deal.title)
    }

    fn headline(deal: &DealView, language: Language) -> Mrkdwn {
        Mrkdwn::text(&format!("{} {}: ", language.label("deal"), deal.id)).then(&link(deal))
    }

    /// The card of a deal, with its buttons.
    fn card(deal: &DealView, language: Language, note: Option<&str>) -> Message {
        let text = headline(deal, language);
        let mut blocks = vec![Block::section(text.clone()), fields(deal, language)];
        blocks.extend(note.map(|note| Block::context([Mrkdwn::text(note)])));
        let id = deal.id.to_string();
        let choices: Vec<(String, &str)> =
            deal.stages.iter().map(|(code, words)| (format!("{id} {code}"), words.as_str())).collect();
        let now = format!("{id} {}", deal.stage_id);
        let placeholder = language.pick("Change stage", "Сменить стадию");
        let choices = choices.iter().map(|(value, words)| (value.as_str(), *words));
        let mut elements: Vec<Element> =
            Element::menu(placeholder, DEAL_STAGE, choices, Some(&now)).into_iter().collect();
        elements.push(Element::press(language.pick("Take it", "Взять себе"), DEAL_TAKE, &id));
        elements.push(Element::press(language.pick("Add comment", "Комментировать"), DEAL_COMMENT, &id));
        elements.extend(Element::open(language.open(), &deal.url, "open_record"));
        blocks.push(Block::actions(elements));
        Message::new(text, blocks)
    }

    /// The card below a link: it has no buttons, and where strangers read, no fields.
    pub(crate) fn unfurled(deal: &DealView, language: Language, for_strangers: bool) -> Message {
        if for_strangers {
            return answers::plain(&format!("{} {}", language.label("deal"), deal.id));
        }
        let text = headline(deal, language);
        Message::new(text.clone(), [Block::section(text), fields(deal, language)])
    }

    fn fields(deal: &DealView, language: Language) -> Block {
        let none = || Mrkdwn::text(language.none());
        let sum = deal
            .sum
            .as_ref()
            .map(|(amount, currency)| Mrkdwn::text(&money::format(amount, currency.as_deref(), language)));
        let mut fields = vec![
            (language.label("stage"), Mrkdwn::text(&deal.stage)),
            (language.label("sum"), sum.unwrap_or_else(none)),
            (language.label("responsible"), deal.responsible.as_deref().map_or_else(none, Mrkdwn::text)),
        ];
        fields.extend(deal.client.as_deref().map(|client| (language.label("client"), Mrkdwn::text(client))));
        let next = deal.next.as_ref().map(|(what, when)| {
            let what = Mrkdwn::text(what);
            when.map_or(what.clone(), |when| what.then(&Mrkdwn::text(" · ")).then(&Mrkdwn::moment(when)))
        });
        fields.push((language.pick("Next activity", "Следующее дело"), next.unwrap_or_else(none)));
        Block::fields(fields)
    }

    /// Words fit several deals, or none: which one?
    fn which(found: &FoundDeals, words: &str, language: Language) -> Message {
        if found.deals.is_empty() {
            return answers::plain(&match language {
                Language::En => format!("No deal has “{words}” in its title. Try its number: /b24-deal 42"),
                Language::Ru => format!("Нет сделки со словами «{words}» в названии. Попробуйте номер: /b24-deal 42"),
            });
        }
        let head = Mrkdwn::text(language.pick("Which one?", "Какая из них?"));
        let mut blocks = vec![Block::section(head.clone())];
        blocks.extend(found.deals.iter().flat_map(|(id, title, url)| listed(*id, title, url, language)));
        if found.more > 0 {
            let more = found.more;
            let text = match language {
                Language::En => format!("There are {more} more. Type more of the title, or the number."),
                Language::Ru => format!("Есть ещё {more}. Наберите больше слов названия или номер."),
            };
            blocks.push(Block::context([Mrkdwn::text(&text)]));
        }
        Message::new(head, blocks)
    }

    /// A deal in a list, with the button that shows it.
    pub(crate) fn listed(id: u64, title: &str, url: &str, language: Language) -> [Block; 2] {
        [
            Block::section(Mrkdwn::text(&format!("{id} · ")).then(&Mrkdwn::link(url, title))),
            Block::actions([Element::press(language.pick("Show", "Показать"), DEAL_SHOW, &id.to_string())]),
        ]
    }
}
