//! How much the host gives to those who connect.

use std::time::Duration;

use command_line::config::LimitsConfig;

/// The most connections that a host can be configured to keep.
const MAX_CONNECTIONS: usize = 100_000;

/// How much a host allows its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostLimits {
    /// How long the head of a request can take to arrive.
    pub head: Duration,
    /// How long its body can take after that.
    pub body: Duration,
    /// How long a connection can wait for its next request.
    pub idle: Duration,
    /// How long we can take to make an answer.
    pub answer: Duration,
    /// How long a client can make us wait, in all, while it reads an answer.
    pub reading: Duration,
    /// The most bytes of an address with its query.
    pub address_bytes: usize,
    /// The most bytes of all headers.
    pub header_bytes: usize,
    /// The most connections at once.
    pub connections: usize,
    /// The most connections at once from one address, or from one /64 of IPv6. Trusted proxies and this machine can
    /// have more.
    pub connections_per_address: usize,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            answer: Duration::from_secs(120),
            reading: Duration::from_secs(60),
            address_bytes: 16 * 1024,
            header_bytes: 32 * 1024,
            connections: 512,
            connections_per_address: 100,
        }
    }
}

impl HostLimits {
    /// The limits that a configuration names; the defaults for those that it leaves out.
    pub(crate) fn of(config: &LimitsConfig) -> Self {
        let usual = Self::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, |seconds| Duration::from_secs(seconds.max(1)));
        let count = |given: Option<usize>, usual| given.map_or(usual, |count| count.clamp(1, MAX_CONNECTIONS));
        Self {
            connections: count(config.connections, usual.connections),
            connections_per_address: count(config.connections_per_address, usual.connections_per_address),
            head: seconds(config.head_seconds, usual.head),
            body: seconds(config.body_seconds, usual.body),
            idle: seconds(config.idle_seconds, usual.idle),
            ..usual
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_configurations_or_the_usual_ones() {
        let config = LimitsConfig { connections: Some(7), head_seconds: Some(3), ..LimitsConfig::default() };
        let expected = HostLimits { connections: 7, head: Duration::from_secs(3), ..HostLimits::default() };
        assert_eq!(HostLimits::of(&config), expected);
    }
}
