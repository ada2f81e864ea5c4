//! `/b24-status`: a person's day in numbers.

use locale::texts;

use crate::misuse::Misuse;
use crate::reader::{self, TextToken};
use crate::spec::{Acknowledge, CommandSpec, WithoutText};

pub struct StatusCommand;

impl Acknowledge for StatusCommand {
    const SPEC: CommandSpec = CommandSpec {
        typed: "/b24-status",
        description: texts::commands::COMMAND_STATUS,
        usage: texts::commands::COMMAND_STATUS_USAGE,
        documentation: (
            "`/b24-status`",
            "shows today's leads, my open and overdue tasks, my missed calls, my deals by stage",
        ),
        help: texts::commands::COMMAND_STATUS_HELP,
        examples: texts::commands::COMMAND_STATUS_EXAMPLES,
        without_text: WithoutText::Run,
        shortcut: None,
        names_people: false,
        can_be_public: true,
    };

    fn only_reads(_tokens: &[TextToken<'_>]) -> bool {
        true
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
    use locale::{Language, texts};
    use slack::block::Block;
    use slack::{Mrkdwn, SlackMessage};

    use super::{StatusCommand, parse};
    use crate::perform::Perform;
    use crate::reader::TextToken;
    use crate::request::{CommandAnswer, CommandRequest};
    use crate::spec::Acknowledge;
    use crate::typed::CommandContext;

    /// The most tasks that are shown.
    const MAX_TASKS: usize = 5;
    /// What the button that shows the day to everyone carries.
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
        let day = crm::views::day(&request.deps.context, &request.tenant, &rights).await?;
        let answer = CommandAnswer::to_one(card(&day, &person.name, request.language));
        Ok(CommandAnswer { share: Some(SHARE.into()), ..answer })
    }

    pub(crate) fn card(day: &DaySummary, name: &str, language: Language) -> SlackMessage {
        let head = Mrkdwn::text(&language.text(texts::commands::Today { name }));
        SlackMessage::new(head.clone(), [vec![Block::section(head)], blocks(day, language)].concat())
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
        let title = language.text(texts::commands::MyDeals { count: number(day.deals_in_all, language) });
        let mut blocks = vec![numbers(day, language)];
        blocks.extend(listed(lines));
        blocks.push(Block::section(Mrkdwn::bold(&title)));
        blocks.extend(listed(deals));
        blocks
    }

    fn numbers(day: &DaySummary, language: Language) -> Block {
        let leads = if day.only_own { texts::commands::MY_LEADS_TODAY } else { texts::commands::LEADS_TODAY };
        let numbers = [
            (leads, day.leads),
            (texts::commands::MISSED_CALLS_TODAY, day.missed),
            (texts::commands::OPEN_TASKS, day.open),
            (texts::commands::OVERDUE, day.overdue),
        ];
        Block::fields(numbers.map(|(label, count)| (language.text(label), Mrkdwn::text(&number(count, language)))))
    }

    /// A number; `None` is one that the person is not allowed to see.
    fn number(count: Option<u64>, language: Language) -> String {
        count.map_or_else(|| language.text(texts::commands::NOT_VISIBLE).to_owned(), |count| language.number(count))
    }

    fn listed(lines: impl Iterator<Item = Mrkdwn>) -> Option<Block> {
        let end = Mrkdwn::text("\n");
        let text = lines.reduce(|text, line| text.then(&end).then(&line))?;
        Some(Block::section(text))
    }
}
