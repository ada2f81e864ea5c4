//! The one HTTP client for providers.

use std::time::Duration;

/// Connecting takes longer than this only when it will not succeed.
const CONNECT: Duration = Duration::from_secs(10);

/// A client that verifies certificates, follows no redirect (a renamed portal's is ours to understand) and
/// says who is calling. The wire crates set a limit for each call; `patience` is for those who want less.
pub(crate) fn client(patience: Option<Duration>) -> Result<reqwest::Client, reqwest::Error> {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = match patience {
        Some(patience) => reqwest::Client::builder().read_timeout(patience),
        None => reqwest::Client::builder(),
    };
    builder
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .user_agent(concat!("Switchboard/", env!("CARGO_PKG_VERSION")))
        .build()
}
