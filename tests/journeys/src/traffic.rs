//! In which order the providers' events reach us.

use simulators::portal::PortalEventDelivery;
use simulators::{Disorder, PortalSimulator, SlackSimulator};

/// The variable that says in which order events come in stories that do not choose: `kept`, or a seed.
const VARIABLE: &str = "JOURNEYS_ORDER";
/// The longest that an event is on its way, in milliseconds. Stories count seconds.
const MAX_DELAY_MS: u64 = 40;

/// In which order events come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOrder {
    /// As they happened, one after the other, which no provider promises.
    Kept,
    /// They overtake each other as this seed says.
    Seed(u64),
}

impl EventOrder {
    /// The order of a story that does not choose.
    pub fn usual() -> Self {
        let chosen = std::env::var(VARIABLE).ok();
        match chosen.as_deref() {
            Some("kept") => Self::Kept,
            Some(seed) => {
                Self::Seed(seed.parse().unwrap_or_else(|_| panic!("{VARIABLE}={seed} is neither kept nor a seed")))
            }
            None => Self::Seed(1),
        }
    }

    /// Lets the events of a portal and a workspace come in this order.
    pub fn apply(self, portal: &PortalSimulator, workspace: &SlackSimulator) {
        let disorder = match self {
            Self::Kept => Disorder::default(),
            Self::Seed(seed) => Disorder { seed, max_delay_ms: MAX_DELAY_MS, ..Disorder::default() },
        };
        portal.keep_order(self == Self::Kept);
        workspace.keep_order(self == Self::Kept);
        portal.deliver(PortalEventDelivery { disorder, ..portal.delivery() });
        workspace.deliver(disorder);
    }
}
