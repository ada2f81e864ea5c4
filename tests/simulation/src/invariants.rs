//! What must hold when everything has settled. Each check returns what is wrong, with the words by which the trail of
//! the thing concerned is found.

mod bridged;
mod news;
mod pages;
mod records;
mod tenants;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jobs::queues;
use runtime::Clock;
use runtime::Queue;
use runtime::ledger::{Ledger, LedgerLine, today};
use serde_json::Value;
use simulators::{Estate, ExceededLimit};

use crate::company::Company;
use crate::deployment::Deployment;
use crate::logs::Log;
use crate::sim::Sim;
use crate::storms::Climate;

/// The longest time from healing until nothing has to be done any more.
const MAX_RECOVERY: Duration = Duration::from_secs(45 * 60);

/// How often a workspace refuses a look into its history in one simulated run.
const MAX_LEARNING: u64 = 3;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which promise.
    pub promise: &'static str,
    /// What is wrong.
    pub what: String,
    /// The words by which the trail of the thing concerned is found in the trace.
    pub keys: Vec<String>,
}

impl Broken {
    fn new(promise: &'static str, what: impl Into<String>, keys: impl IntoIterator<Item = String>) -> Self {
        Self { promise, what: what.into(), keys: keys.into_iter().collect() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// What is looked at.
pub struct Checked<'a> {
    /// The world.
    pub sim: &'a Sim,
    /// The providers.
    pub estate: &'a Estate,
    /// The deployment, settled.
    pub deployment: &'a Deployment,
    /// The companies.
    pub companies: &'a [Arc<Company>],
    /// What kind of history it was.
    pub climate: Climate,
    /// How long it took from healing until nothing had to be done any more.
    pub settled_after: Duration,
    /// What was logged.
    pub log: &'a Log,
}

/// A message in Slack.
struct Shown {
    /// The name of its channel, or whose direct message it is.
    to: String,
    ts: String,
    text: String,
    /// Everything in it.
    whole: Value,
}

impl Checked<'_> {
    /// Everything that is wrong.
    pub async fn all(&self) -> anyhow::Result<Vec<Broken>> {
        let mut broken = self.everything_ends().await?;
        broken.extend(self.limits_are_kept());
        broken.extend(self.nothing_secret_is_readable());
        for company in self.companies {
            if company.is_connected() {
                let shown = messages_of(company);
                broken.extend(self.lines_end(company, &shown).await?);
                broken.extend(Self::cards_tell_each_way(company, &shown));
                broken.extend(self.news_is_read_once(company, &shown));
                broken.extend(self.conversations_are_whole(company, &shown));
                broken.extend(Self::commands_are_done_once(company));
                broken.extend(self.pages_show_their_records(company).await?);
            } else if company.deeds().left_at.is_some() {
                broken.extend(self.nothing_is_left_of(company).await?);
            }
        }
        Ok(broken)
    }

    /// No job waits, none was given up, and the last ended soon after everything was healed.
    async fn everything_ends(&self) -> anyhow::Result<Vec<Broken>> {
        let mut broken = Vec::new();
        let memory = self.deployment.memory();
        for queue in queues::ALL {
            let depth = memory.depth(queue).await?;
            if depth.waiting > 0 {
                let what = format!("{} jobs still wait on {}", depth.waiting, queue.name());
                broken.push(Broken::new("every job ends", what, [format!(" {} ", queue.name())]));
            }
            for buried in memory.dead_letters(queue, 10).await? {
                let what = format!("{}: {} ({})", queue.name(), buried.letter.reason, buried.letter.code);
                broken.push(Broken::new("no job is given up for a trouble that passes", what, [buried.letter.trace]));
            }
        }
        if self.settled_after > MAX_RECOVERY {
            let what = format!("the last job ended {:?} after everything was healed", self.settled_after);
            broken.push(Broken::new("nothing waits longer than its bound", what, [" back ".to_owned()]));
        }
        Ok(broken)
    }

    /// No provider had to refuse a request for its limits.
    fn limits_are_kept(&self) -> Vec<Broken> {
        let exceeded = self.estate.exceeded_limits().into_iter();
        // Which of two limits Slack has for a workspace's history is known only by its refusals.
        let is_learning =
            |limit: &ExceededLimit| limit.method == "conversations.history" && limit.times <= MAX_LEARNING;
        let exceeded = exceeded.filter(|limit| !is_learning(limit));
        let broken = exceeded.map(|limit| {
            let what = format!("{}: {} exceeded {} times: {}", limit.account, limit.method, limit.times, limit.limit);
            Broken::new("no limit of a provider is exceeded", what, [limit.method.clone()])
        });
        broken.collect()
    }

    /// No secret is in the log, or readable in the store or on a queue.
    fn nothing_secret_is_readable(&self) -> Vec<Broken> {
        let (log, kept) = (self.log.text(), self.deployment.memory().texts().join("\n"));
        let mut broken = Vec::new();
        for secret in self.estate.secrets().iter().filter(|secret| secret.len() >= 12) {
            let finder = memchr::memmem::Finder::new(secret);
            for (place, text) in [("the log", log.as_slice()), ("the store or a queue", kept.as_bytes())] {
                if let Some(at) = finder.find(text) {
                    let around = String::from_utf8_lossy(&text[at.saturating_sub(200)..at]).into_owned();
                    let what = format!("{}… is in {place}, after {around:?}", &secret[..6]);
                    broken.push(Broken::new("no secret can be read", what, []));
                }
            }
        }
        broken
    }

    /// All lines of a company's log.
    async fn lines_of(&self, company: &Company) -> anyhow::Result<Vec<LedgerLine>> {
        let ledger = Ledger::new(self.deployment.backend().store);
        let (mut lines, mut day) = (Vec::new(), self.sim.clock.now());
        // A history ends on the day on which it began, or the next.
        for _ in 0..2 {
            let mut after = None;
            loop {
                let page = ledger.day(&company.tenant, &today(day), after).await?;
                lines.extend(page.lines);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            day = runtime::clock::earlier(day, Duration::from_secs(24 * 3600));
        }
        Ok(lines)
    }
}

/// Everything in a company's Slack.
fn messages_of(company: &Company) -> Vec<Shown> {
    let people = company.workspace.people();
    let mut shown = Vec::new();
    for channel in company.workspace.channels() {
        let person = channel.person.as_ref().and_then(|id| people.iter().find(|person| person.id == *id));
        let to = person.map_or(channel.name, |person| person.email.clone());
        for message in channel.messages {
            let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
            shown.push(Shown { to: to.clone(), ts: text("ts"), text: text("text"), whole: message });
        }
    }
    shown
}

/// When a message was posted, by its `ts`.
fn moment_of(ts: &str) -> Option<Timestamp> {
    let (seconds, _) = ts.split_once('.')?;
    Timestamp::from_second(seconds.parse().ok()?).ok()
}
