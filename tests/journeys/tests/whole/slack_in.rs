//! Everything that a Slack message can carry.
