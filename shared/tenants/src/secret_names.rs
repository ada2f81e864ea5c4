//! The names of the secrets that features keep. The key ring's own is in [`runtime::secrets`].

/// The secret that holds the signing secrets of the Slack apps that are connected, one a line.
pub const SLACK_SIGNING: &str = "slack-signing-secrets";
/// The secret that holds the keys of our applications at the providers, see `clients::Apps`.
pub const APPS: &str = "oauth-apps";
