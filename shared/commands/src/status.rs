//! `/b24-status`: a person's day in numbers.

use locale::Language;

use crate::misuse::Misuse;
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandHelp, CommandSpec, WithoutText};

/// The command.
pub struct StatusCommand;

impl Acknowledge for StatusCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-status",
        description: "Show my day in Bitrix24",
        usage: "[--public]",
        documentation: (
            "`/b24-status`",
            "shows today's leads, my open and overdue tasks, my missed calls, my deals by stage",
        ),
        help,
        without_text: WithoutText::Run,
        shortcut: None,
        names_people: false,
        can_be_public: true,
    };
}

fn help(language: Language) -> CommandHelp {
    CommandHelp {
        does: language.pick(
            "shows today's leads, your open and overdue tasks, your missed calls and your deals by stage.",
            "показывает лиды за сегодня, ваши открытые и просроченные задачи, пропущенные звонки и сделки по стадиям.",
        ),
        examples: &["/b24-status", "/b24-status --public"],
    }
}

/// Reads what was typed: nothing.
pub fn parse(tokens: &[TextToken<'_>]) -> Result<(), Misuse> {
    match reader::line(tokens, false) {
        text if text.is_empty() => Ok(()),
        text => Err(Misuse::TakesNoText(&StatusCommand::SPEC, text)),
    }
}

#[cfg(feature = "act")]
pub(crate) mod act {
    //! The day, read and shown.

    use clients::Failure;
    use crm::views::DaySummary;
    use locale::Language;
    use slack::block::Block;
    use slack::{Message, Mrkdwn};

    use super::{StatusCommand, parse};
    use crate::perform::Perform;
    use crate::reader::TextToken;
    use crate::request::{CommandAnswer, CommandRequest};
    use crate::spec::Acknowledge;
    use crate::typed::CommandContext;

    /// Tasks shown of many.
    const MAX_TASKS: usize = 5;
    /// What the button that shows the day to everybody carries.
    const SHARE: &str = "status";

    impl Perform for StatusCommand {
        async fn run(
            request: &CommandRequest<'_>,
            tokens: &[TextToken<'_>],
            _context: &CommandContext<'_>,
        ) -> Result<CommandAnswer, Failure> {
            match parse(tokens) {
                Ok(()) => show(request).await,
                Err(misuse) => Ok(CommandAnswer::misuse(misuse, &Self::SPEC, request.language)),
            }
        }

        async fn again(request: &CommandRequest<'_>, what: &str) -> Result<Option<CommandAnswer>, Failure> {
            if what == SHARE { show(request).await.map(Some) } else { Ok(None) }
        }
    }

    async fn show(request: &CommandRequest<'_>) -> Result<CommandAnswer, Failure> {
        let (person, rights) = match request.ready().await? {
            Ok(ready) => ready,
            Err(answer) => return Ok(answer),
        };
        let day = crm::views::day(&request.deps.talk, &request.tenant, &rights).await?;
        let answer = CommandAnswer::to_one(card(&day, &person.name, request.language));
        Ok(CommandAnswer { share: Some(SHARE.into()), ..answer })
    }

    fn card(day: &DaySummary, name: &str, language: Language) -> Message {
        let head = Mrkdwn::text(&match language {
            Language::En => format!("Today in Bitrix24: {name}"),
            Language::Ru => format!("Сегодня в Битрикс24: {name}"),
        });
        Message::new(head.clone(), [vec![Block::section(head)], blocks(day, language)].concat())
    }

    /// The day without its headline.
    pub(crate) fn blocks(day: &DaySummary, language: Language) -> Vec<Block> {
        let lines = day.tasks.iter().take(MAX_TASKS).map(|task| {
            let mark = if task.is_late { "⚠️ " } else { "• " };
            let line = Mrkdwn::text(mark).then(&Mrkdwn::link(&task.url, &task.title));
            task.deadline
                .map_or(line.clone(), |deadline| line.then(&Mrkdwn::text(" · ")).then(&Mrkdwn::moment(deadline)))
        });
        let deals = day.deals.iter().map(|(stage, count)| Mrkdwn::text(&format!("• {stage}: {count}")));
        let all = day.deals_in_all.map_or_else(|| unseen(language).to_owned(), |count| count.to_string());
        let title = format!("{}: {all}", language.pick("My deals", "Мои сделки"));
        let mut blocks = vec![numbers(day, language)];
        blocks.extend(listed(lines));
        blocks.push(Block::section(Mrkdwn::bold(&title)));
        blocks.extend(listed(deals));
        blocks
    }

    fn numbers(day: &DaySummary, language: Language) -> Block {
        let count = |count: Option<u64>| {
            count.map_or_else(|| Mrkdwn::text(unseen(language)), |count| Mrkdwn::text(&count.to_string()))
        };
        let leads = if day.only_own {
            language.pick("My leads today", "Мои лиды сегодня")
        } else {
            language.pick("Leads today", "Лиды сегодня")
        };
        Block::fields([
            (leads, count(day.leads)),
            (language.pick("My missed calls today", "Мои пропущенные звонки сегодня"), count(day.missed)),
            (language.pick("My open tasks", "Мои открытые задачи"), count(day.open)),
            (language.pick("Overdue", "Просрочено"), count(day.overdue)),
        ])
    }

    /// A number that the person is not allowed to see.
    fn unseen(language: Language) -> &'static str {
        language.pick("not visible to you", "не видно")
    }

    fn listed(lines: impl Iterator<Item = Mrkdwn>) -> Option<Block> {
        let end = Mrkdwn::text("\n");
        let text = lines.reduce(|text, line| text.then(&end).then(&line))?;
        Some(Block::section(text))
    }
}
