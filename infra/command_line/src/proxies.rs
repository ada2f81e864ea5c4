//! Whose `X-Forwarded-For` is believed: only that of proxies that the configuration names.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use http::HeaderMap;
use ipnet::IpNet;
use serde::Deserialize;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The networks of trusted proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Proxies(Vec<IpNet>);

impl TryFrom<Vec<String>> for Proxies {
    type Error = anyhow::Error;

    fn try_from(networks: Vec<String>) -> anyhow::Result<Self> {
        Self::read(&networks)
    }
}

impl Proxies {
    /// Reads addresses and networks: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
    pub fn read(networks: &[String]) -> anyhow::Result<Self> {
        let read = |network: &String| {
            let address = network.parse::<IpAddr>().map(IpNet::from);
            address.or_else(|_| network.parse()).with_context(|| {
                format!(
                    "proxies.trusted: {network:?} is neither an address like 127.0.0.1 nor a network like 10.0.0.0/8"
                )
            })
        };
        Ok(Self(networks.iter().map(read).collect::<anyhow::Result<_>>()?))
    }

    /// Whether an address is a trusted proxy's.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request. Each proxy appends the address from which it was called: read from the end, they count
    /// as long as trusted proxies wrote them.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        for named in values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')) {
            let Some(named) = address(named).filter(|_| self.trusts(client)) else { break };
            client = named;
        }
        client
    }
}

/// An address in the header. Some proxies add a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let address = bare.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = Proxies::read(&trusted.iter().map(|network| (*network).to_owned()).collect::<Vec<_>>()).unwrap();
        let headers = forwarded.iter().map(|value| (FORWARDED_FOR.parse().unwrap(), value.parse().unwrap()));
        proxies.client(peer.parse().unwrap(), &headers.collect()).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_as_far_as_they_go() {
        let forwarded = ["198.51.100.1, 203.0.113.7"];
        assert_eq!(client(&[], "127.0.0.1", &forwarded), "127.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "127.0.0.1", &forwarded), "127.0.0.1");
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &forwarded), "203.0.113.7");
        assert_eq!(client(&["127.0.0.1"], "::ffff:127.0.0.1", &forwarded), "203.0.113.7");
        assert_eq!(client(&["127.0.0.1", "203.0.113.0/24"], "127.0.0.1", &forwarded), "198.51.100.1");
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &["198.51.100.1", "203.0.113.7"]), "203.0.113.7");
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &["203.0.113.7:4711"]), "203.0.113.7");
        assert_eq!(client(&["::1"], "::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client(&["::1"], "::1", &["2001:db8::1"]), "2001:db8::1");
        for nonsense in ["", "unknown", "203.0.113.7, nonsense", "203.0.113.7,"] {
            assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &[nonsense]), "127.0.0.1", "{nonsense}");
        }
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_named() {
        let error = Proxies::read(&["proxy.example".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("proxies.trusted") && error.contains("proxy.example"), "{error}");
    }
}
