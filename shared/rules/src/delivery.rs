//! A delivery to Slack, as it lies on its queue.

use serde::{Deserialize, Serialize};
use slack::Message;

/// The metadata type under which a delivery's id travels with its message.
pub const METADATA_EVENT: &str = "switchboard_delivery";

/// A card on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackDelivery {
    /// Its id, which follows from its cause.
    pub delivery: String,
    /// The route that sends it.
    pub route: String,
    /// Where to, as the route says it.
    pub channel: String,
    /// What it tells of: `deal 42`.
    pub record: String,
    /// The change it tells.
    pub change: String,
    /// The card.
    pub message: Message,
}
