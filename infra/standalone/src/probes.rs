//! The addresses at which probes ask. Any host name is accepted there; under a name that is not ours the answers contain
//! nothing but yes or no, and the names of checks.

/// Whether the process answers.
pub const LIVE: &str = "/livez";
/// Whether it can work.
pub const READY: &str = "/readyz";
/// The same as [`READY`].
pub const PROBE: &str = "/healthz";
/// All of them.
pub const PROBES: [&str; 3] = [LIVE, READY, PROBE];
