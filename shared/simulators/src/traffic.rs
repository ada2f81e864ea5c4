//! What a provider sends to us: when it arrives, how often, and what became of it.
//!
//! No provider promises an order. Requests travel in parallel; with a [`Disorder`] they also overtake each other, come
//! twice or get lost, and a seed repeats all of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use runtime::clock::later;
use serde::{Deserialize, Serialize};

use crate::direct::Reply;
use crate::ids::mixed;

/// Requests that are remembered.
const MAX_REMEMBERED: usize = 100_000;

/// How requests travel. Each choice follows from the seed and the number of the request alone: one more request leaves
/// the others as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Disorder {
    pub seed: u64,
    /// The longest time that a request is on its way, in milliseconds. Each takes a time of its own, so that they
    /// overtake each other; with 0 none waits.
    pub max_delay_ms: u64,
    /// How many of a thousand come twice.
    pub doubled: u16,
    /// How many of a thousand never come. Slack never loses one: it sends three times more.
    pub lost: u16,
}

/// What is decided about a request.
#[derive(Debug, Clone, Copy)]
enum TravelChoice {
    Delay,
    DelayOfCopy,
    Doubled,
    Lost,
}

impl Disorder {
    fn draw(&self, number: u64, choice: TravelChoice) -> u64 {
        mixed(mixed(self.seed, choice as u64), number)
    }

    fn of_a_thousand(&self, number: u64, choice: TravelChoice, share: u16) -> bool {
        self.draw(number, choice) % 1_000 < u64::from(share)
    }

    /// How long a request is on its way.
    pub(crate) fn delay(&self, number: u64) -> Duration {
        self.delay_of(number, TravelChoice::Delay)
    }

    /// How long its copy is on its way.
    pub(crate) fn delay_of_copy(&self, number: u64) -> Duration {
        self.delay_of(number, TravelChoice::DelayOfCopy)
    }

    fn delay_of(&self, number: u64, choice: TravelChoice) -> Duration {
        match self.max_delay_ms {
            0 => Duration::ZERO,
            longest => Duration::from_millis(self.draw(number, choice) % longest.saturating_add(1)),
        }
    }

    pub(crate) fn is_doubled(&self, number: u64) -> bool {
        self.of_a_thousand(number, TravelChoice::Doubled, self.doubled)
    }

    pub(crate) fn is_lost(&self, number: u64) -> bool {
        self.of_a_thousand(number, TravelChoice::Lost, self.lost)
    }
}

/// What is on its way, by when it arrives.
#[derive(Debug)]
pub(crate) struct Road<T> {
    by_arrival: BTreeMap<(Timestamp, u64), T>,
    entered: u64,
    /// Whether each waits for the answer to the one before it, which no provider does.
    pub(crate) keeps_order: bool,
    line: VecDeque<T>,
    is_served: bool,
}

impl<T> Default for Road<T> {
    fn default() -> Self {
        Self { by_arrival: BTreeMap::new(), entered: 0, keeps_order: false, line: VecDeque::new(), is_served: false }
    }
}

impl<T> Road<T> {
    /// Something sets out that takes so long.
    pub(crate) fn enter(&mut self, now: Timestamp, takes: Duration, what: T) {
        self.entered += 1;
        self.by_arrival.insert((later(now, takes), self.entered), what);
    }

    /// The first that has arrived.
    pub(crate) fn leave(&mut self, now: Timestamp) -> Option<T> {
        let first = self.by_arrival.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Puts what has arrived into a line; whether the caller is to serve it.
    pub(crate) fn line_up(&mut self, now: Timestamp) -> bool {
        while let Some(arrived) = self.leave(now) {
            self.line.push_back(arrived);
        }
        let is_wanted = !self.is_served && !self.line.is_empty();
        self.is_served |= is_wanted;
        is_wanted
    }

    /// The next of the line. With `None` the line is served no longer.
    pub(crate) fn serve(&mut self) -> Option<T> {
        let next = self.line.pop_front();
        self.is_served = next.is_some();
        next
    }

    /// When the first of those that are on their way arrives.
    pub(crate) fn next_arrival(&self) -> Option<Timestamp> {
        self.by_arrival.keys().next().map(|(due, _)| *due)
    }
}

/// A request that a provider made to us, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentRequest {
    /// When it was sent, by the simulators' clock.
    pub at: Timestamp,
    /// The event's name, the command, or the type of the interaction.
    pub kind: String,
    /// The provider's id of the event; for Bitrix24, which has none, the number of the record, message or call.
    pub id: String,
    /// 1 for the first time.
    pub attempt: u32,
    pub outcome: SentOutcome,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SentOutcome {
    /// It was answered in time, with this status.
    Answered(u16),
    /// The provider had stopped waiting.
    Late,
    /// Nobody was there, or the connection broke.
    NotConnected,
    /// It never left: the provider lost it.
    Lost,
    /// It never left: the provider has stopped sending events.
    Stopped,
}

impl SentOutcome {
    /// Whether the provider counts it as delivered.
    pub fn is_delivered(self) -> bool {
        matches!(self, Self::Answered(200..300))
    }
}

impl From<&Reply> for SentOutcome {
    fn from(reply: &Reply) -> Self {
        match reply {
            Reply::Answer { status, .. } => Self::Answered(*status),
            Reply::Late => Self::Late,
            Reply::NotConnected => Self::NotConnected,
        }
    }
}

/// The requests that were sent, oldest first, and no more than the last hundred thousand.
#[derive(Debug, Default)]
pub(crate) struct Journal(VecDeque<SentRequest>);

impl Journal {
    pub(crate) fn note(&mut self, request: SentRequest) {
        if self.0.len() == MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(request);
    }

    pub(crate) fn all(&self) -> Vec<SentRequest> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_seed_repeats_every_choice_and_another_seed_makes_others() {
        let disorder = |seed| Disorder { seed, max_delay_ms: 5_000, doubled: 200, lost: 100 };
        let choices = |seed| {
            let disorder: Disorder = disorder(seed);
            let of = |number| {
                (
                    disorder.delay(number),
                    disorder.delay_of_copy(number),
                    disorder.is_doubled(number),
                    disorder.is_lost(number),
                )
            };
            (0..1_000).map(of).collect::<Vec<_>>()
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
        let (doubled, lost) = (
            choices(7).iter().filter(|(_, _, doubled, _)| *doubled).count(),
            choices(7).iter().filter(|(.., lost)| *lost).count(),
        );
        assert!((150..250).contains(&doubled) && (60..140).contains(&lost), "{doubled} {lost}");
        assert!(choices(7).iter().any(|(delay, ..)| *delay > Duration::from_millis(4_900)));
        assert_eq!(Disorder { seed: 7, ..Disorder::default() }.delay(3), Duration::ZERO);
    }

    #[test]
    fn what_takes_less_time_arrives_before_what_set_out_earlier() {
        let now = Timestamp::UNIX_EPOCH;
        let mut road = Road::default();
        for (takes, what) in [(5, "slow"), (2, "quick"), (2, "as quick, but after")] {
            road.enter(now, Duration::from_secs(takes), what);
        }
        assert_eq!(road.next_arrival(), Some(later(now, Duration::from_secs(2))));
        assert_eq!(road.leave(now), None);
        let later = later(now, Duration::from_secs(9));
        let mut line = Road { keeps_order: true, ..Road::default() };
        line.enter(now, Duration::ZERO, 1);
        line.enter(now, Duration::ZERO, 2);
        assert!(line.line_up(now));
        line.enter(now, Duration::ZERO, 3);
        assert!(!line.line_up(now), "somebody serves it");
        assert_eq!([line.serve(), line.serve(), line.serve(), line.serve()], [Some(1), Some(2), Some(3), None]);
        line.enter(now, Duration::ZERO, 4);
        assert!(line.line_up(now));
        let arrived: Vec<_> = std::iter::from_fn(|| road.leave(later)).collect();
        assert_eq!(arrived, ["quick", "as quick, but after", "slow"]);
    }
}
