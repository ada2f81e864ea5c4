//! What has to be read in Slack once, soon, and what commands were to do.

use std::time::Duration;

use runtime::Clock;
use runtime::clock::{earlier, until};
use simulators::portal::LEAD;

use super::{Broken, Checked, Shown, moment_of};
use crate::company::{Company, News};
use crate::storms::Climate;

/// The longest time from something new to its message, where nothing goes wrong for its company.
const MAX_DELAY: Duration = Duration::from_secs(60);

impl Checked<'_> {
    /// Each lead, missed call and comment is read once; soon, unless something went wrong.
    pub(super) fn news_is_read_once(&self, company: &Company, shown: &[Shown]) -> Vec<Broken> {
        let news = company.deeds().news.clone();
        let is_spared = match self.climate {
            Climate::Calm => true,
            // The trouble is that of the first company alone.
            Climate::OnePortal => company.number > 0,
            _ => false,
        };
        let mut broken = Vec::new();
        for news in news {
            let found: Vec<&Shown> =
                shown.iter().filter(|message| message.to == news.to && message.text.contains(&news.word)).collect();
            if found.len() != 1 {
                let texts: Vec<&str> = found.iter().map(|message| message.text.as_str()).collect();
                let what = format!(
                    "company {}: {} {} is read {} times in {}: {texts:?}",
                    company.number,
                    news.kind,
                    news.word,
                    found.len(),
                    news.to
                );
                broken.push(Broken::new("what is new is read exactly once", what, [news.word.clone()]));
            }
            if is_spared
                && let Some(delay) = found.first().and_then(|message| self.delay(&news, &message.ts))
                && delay > MAX_DELAY
            {
                let what = format!("company {}: {} {} came after {delay:?}", company.number, news.kind, news.word);
                broken.push(Broken::new("nobody waits for another's trouble", what, [news.word.clone()]));
            }
        }
        broken
    }

    fn delay(&self, news: &News, ts: &str) -> Option<Duration> {
        let began = earlier(self.sim.clock.now(), self.sim.clock.passed());
        Some(until(began, moment_of(ts)?).saturating_sub(news.at))
    }

    /// A command that was accepted is done once and answered; one that was not, at most once.
    pub(super) fn commands_are_done_once(company: &Company) -> Vec<Broken> {
        let commands = company.deeds().commands.clone();
        let titles = |found: Vec<Option<serde_json::Value>>| -> Vec<String> {
            found.into_iter().flatten().filter_map(|item| item["title"].as_str().map(str::to_owned)).collect()
        };
        let leads = titles(company.portal.ids(LEAD).into_iter().map(|id| company.portal.item(LEAD, id)).collect());
        let tasks = titles(company.portal.task_ids().into_iter().map(|id| company.portal.task(id)).collect());
        let mut broken = Vec::new();
        for typed in commands {
            let made = match typed.command {
                "/b24-lead" => Some(leads.iter().filter(|title| title.contains(&typed.word)).count()),
                "/b24-task" => Some(tasks.iter().filter(|title| title.contains(&typed.word)).count()),
                _ => None,
            };
            let is_wrong = made.is_some_and(|made| made > 1 || (made == 0 && typed.is_accepted));
            if is_wrong {
                let what = format!(
                    "company {}: {} {} made {made:?} of them (accepted: {})",
                    company.number, typed.command, typed.word, typed.is_accepted
                );
                broken.push(Broken::new("a command is done exactly once", what, [typed.word.clone()]));
            }
            let whispers = company.workspace.whispers(&typed.user);
            let is_answered = whispers.iter().any(|whisper| whisper.to_string().contains(&typed.word));
            if typed.is_accepted && !is_answered {
                let what = format!("company {}: {} {} has no answer", company.number, typed.command, typed.word);
                broken.push(Broken::new("a command is answered", what, [typed.word.clone()]));
            }
        }
        broken
    }
}
