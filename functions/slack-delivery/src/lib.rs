//! Delivers cards to Slack, each exactly once.
