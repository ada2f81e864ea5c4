//! Where a deployment may call: the open internet, and what its own configuration names. A tenant cannot add to it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use futures::future::BoxFuture;
use url::{Host, Url};

use crate::address::{is_metadata, is_public, plain, starts_with};

/// A longer host is not shown in full.
const MAX_SHOWN: usize = 100;

/// Finds the addresses of a host name.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Why a request was not made. Nothing was sent, and the text does not distinguish one private address from another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The host is, or its name leads to, an address that is not public.
    #[error(
        "{host} leads to an address in a private network, and Switchboard only calls public addresses. If this is your \
         own on-premise portal, whoever runs Switchboard allows it: [network] allow in the configuration, AllowedNetworks on AWS"
    )]
    Private {
        /// The host.
        host: String,
    },
    /// Plain HTTP to a host that the configuration does not name.
    #[error("{host} is called by https only; use an address that begins with https://")]
    Plain {
        /// The host.
        host: String,
    },
    /// The configuration names the host at another port.
    #[error("the deployment's configuration allows {host} at another port only")]
    Port {
        /// The host.
        host: String,
    },
    /// Something that is not `https://HOST…`.
    #[error("an address must look like https://HOST/, without a user name and a password")]
    Form,
}

/// What the deployment's configuration allows beside the open internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// A range of addresses, at any port.
    Range {
        /// The first address.
        first: IpAddr,
        /// How many bits all of them share.
        length: u8,
    },
    /// One address, at any port or at one.
    Address {
        /// The address.
        address: IpAddr,
        /// The port, if only one.
        port: Option<u16>,
    },
    /// A host by its name, whatever its addresses are, at any port or at one.
    Host {
        /// The name, in lower case.
        name: String,
        /// The port, if only one.
        port: Option<u16>,
    },
}

/// An entry of the configuration that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{entry:?} is not a network, an address or a host: {why}. Write a network (10.1.2.0/24), an address (10.1.2.3, 10.1.2.3:8443, \
     [fd00::1]:8443) or a host (portal.corp.example, portal.corp.example:8443)"
)]
pub struct BadEntry {
    entry: String,
    why: String,
}

impl FromStr for Allowed {
    type Err = BadEntry;

    fn from_str(entry: &str) -> Result<Self, BadEntry> {
        let entry = entry.trim();
        let bad = |why: String| BadEntry { entry: entry.to_owned(), why };
        if let Some((address, length)) = entry.split_once('/') {
            return range(address, length).map_err(bad);
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return Ok(Self::Address { address: plain(address), port: None });
        }
        if let Ok(socket) = entry.parse::<SocketAddr>() {
            return Ok(Self::Address { address: plain(socket.ip()), port: Some(socket.port()) });
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => {
                let port = port.parse::<u16>().ok().filter(|port| *port > 0);
                (name, Some(port.ok_or_else(|| bad("the port is not a number from 1 to 65535".into()))?))
            }
            None => (entry, None),
        };
        match Host::parse(name) {
            Ok(Host::Domain(host)) if is_name(&host) => Ok(Self::Host { name: normal(&host), port }),
            // Spelled in another way than the usual one: a number, hexadecimal, octal.
            Ok(Host::Ipv4(address)) => Err(bad(format!("write the address as {address}"))),
            Ok(_) if name.contains('*') => Err(bad("wildcards are not supported; name each host, or a network".into())),
            _ => Err(bad("it cannot be read".into())),
        }
    }
}

fn range(address: &str, length: &str) -> Result<Allowed, String> {
    let first: IpAddr = address.parse().map_err(|_| "the part before / is not an IP address".to_owned())?;
    let most = if first.is_ipv4() { 32 } else { 128 };
    let length: u8 = length
        .parse()
        .ok()
        .filter(|length| *length <= most)
        .ok_or_else(|| format!("the part after / is not a number from 0 to {most}"))?;
    let masked = masked(first, length);
    if masked != first {
        return Err(format!("{first} is not the first address of /{length}; that is {masked}"));
    }
    Ok(Allowed::Range { first, length })
}

/// The first address of the range that an address is in.
fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or_default();
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or_default();
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.trim_end_matches('.').split('.').all(is_label)
}

/// A name in the one spelling in which names are compared.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl Allowed {
    fn is_address(&self, address: IpAddr, at: Option<u16>) -> bool {
        match self {
            Self::Range { first, length } => match (first, address) {
                // The whole of link-local would open the credentials of the machine; that takes their own address.
                _ if is_metadata(address) => false,
                (IpAddr::V4(first), IpAddr::V4(address)) => {
                    starts_with(u32::from(address).into(), u32::from(*first).into(), 96 + u32::from(*length))
                }
                (IpAddr::V6(first), IpAddr::V6(address)) => {
                    starts_with(address.into(), (*first).into(), (*length).into())
                }
                _ => false,
            },
            Self::Address { address: own, port } => *own == address && (port.is_none() || *port == at),
            Self::Host { .. } => false,
        }
    }

    fn is_host(&self, host: &str) -> bool {
        matches!(self, Self::Host { name, .. } if name == host)
    }

    fn is_host_at(&self, host: &str, at: Option<u16>) -> bool {
        matches!(self, Self::Host { name, port } if name == host && (port.is_none() || *port == at))
    }
}

/// Where requests may go.
#[derive(Clone, Default)]
pub struct Network {
    allowed: Arc<[Allowed]>,
    lookup: Option<Lookup>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

/// How a URL's host is seen.
enum HostTarget {
    /// The configuration names it.
    Named,
    /// It is in the open internet, or a name that is still to be looked up.
    Open,
}

impl Network {
    /// The open internet and what these entries name.
    pub fn allowing<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, BadEntry> {
        let allowed: Result<Vec<_>, _> = entries.into_iter().map(|entry| entry.as_ref().parse()).collect();
        Ok(Self { allowed: allowed?.into(), lookup: None })
    }

    /// The same from one text: entries between commas or spaces.
    pub fn parse(text: &str) -> Result<Self, BadEntry> {
        Self::allowing(text.split([',', ' ', '\n']).filter(|entry| !entry.is_empty()))
    }

    /// The open internet and this very machine, for a demonstration with simulators.
    pub fn this_machine() -> Self {
        let address = |address: IpAddr| Allowed::Address { address, port: None };
        let localhost = Allowed::Host { name: "localhost".into(), port: None };
        let v4 = address(std::net::Ipv4Addr::LOCALHOST.into());
        let v6 = address(std::net::Ipv6Addr::LOCALHOST.into());
        Self { allowed: [v4, v6, localhost].into(), lookup: None }
    }

    /// The same and one more host at its port: the address of a provider that the configuration names.
    #[must_use]
    pub fn naming(&self, address: &str) -> Self {
        let url = Url::parse(address).ok();
        let port = url.as_ref().and_then(Url::port_or_known_default);
        let named = match url.as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => Allowed::Host { name: normal(name), port },
            Some(Host::Ipv4(v4)) => Allowed::Address { address: v4.into(), port },
            Some(Host::Ipv6(v6)) => Allowed::Address { address: plain(v6.into()), port },
            None => return self.clone(),
        };
        let allowed = self.allowed.iter().cloned().chain([named]).collect();
        Self { allowed, lookup: self.lookup.clone() }
    }

    /// The same with another way to look names up.
    #[must_use]
    pub fn looking_up(self, lookup: Lookup) -> Self {
        Self { lookup: Some(lookup), ..self }
    }

    /// Whether a request to this address may be made, as far as that can be known before its host is looked up.
    pub fn check(&self, url: &Url) -> Result<(), Blocked> {
        let host = shown(url);
        match (self.target(url)?, url.scheme()) {
            (_, "https") | (HostTarget::Named, "http") => Ok(()),
            _ => Err(Blocked::Plain { host }),
        }
    }

    fn target(&self, url: &Url) -> Result<HostTarget, Blocked> {
        let host = url.host().ok_or(Blocked::Form)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Blocked::Form);
        }
        let port = url.port_or_known_default();
        let address: IpAddr = match host {
            Host::Domain(name) => return self.target_by_name(&normal(name), port),
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => plain(address.into()),
        };
        if self.names_address(address, port) {
            return Ok(HostTarget::Named);
        }
        if is_public(address) { Ok(HostTarget::Open) } else { Err(Blocked::Private { host: shown(url) }) }
    }

    fn target_by_name(&self, name: &str, port: Option<u16>) -> Result<HostTarget, Blocked> {
        if !self.names_host(name) {
            return Ok(HostTarget::Open);
        }
        // Its addresses are not looked at, so its port has to fit.
        let fits = self.allowed.iter().any(|allowed| allowed.is_host_at(name, port));
        if fits { Ok(HostTarget::Named) } else { Err(Blocked::Port { host: cut(name) }) }
    }

    fn names_address(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.allowed.iter().any(|allowed| allowed.is_address(address, port))
    }

    fn names_host(&self, name: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.is_host(name))
    }

    /// Whether an answer to a request to `url` may come from `peer`.
    pub(crate) fn check_peer(&self, url: &Url, peer: SocketAddr) -> Result<(), Blocked> {
        let is_named = url.domain().is_some_and(|name| self.names_host(&normal(name)));
        let address = plain(peer.ip());
        if is_named || is_public(address) || self.names_address(address, Some(peer.port())) {
            return Ok(());
        }
        Err(Blocked::Private { host: shown(url) })
    }

    /// The addresses of a name to which a connection may be made. The connection is made to one of exactly these, so a
    /// name that answers differently a moment later changes nothing.
    pub async fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, Unresolved> {
        let found = match &self.lookup {
            Some(lookup) => lookup(name.to_owned()).await,
            None => resolve_name(name).await,
        };
        let found = found.map_err(|_| Unresolved::NotFound)?;
        if found.is_empty() {
            return Err(Unresolved::NotFound);
        }
        let is_named = self.names_host(&normal(name));
        let permitted = |address: &IpAddr| {
            let address = plain(*address);
            is_named || is_public(address) || self.names_address(address, None)
        };
        // Port 0 means the URL's.
        let addresses: Vec<_> =
            found.into_iter().filter(permitted).map(|address| SocketAddr::new(address, 0)).collect();
        if addresses.is_empty() {
            return Err(Unresolved::Blocked(Blocked::Private { host: cut(name) }));
        }
        Ok(addresses)
    }
}

async fn resolve_name(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
}

/// Why a name has no address to connect to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The name does not exist.
    #[error("the host name was not found")]
    NotFound,
    /// None of its addresses may be called.
    #[error(transparent)]
    Blocked(Blocked),
}

/// A URL's host for a text.
fn shown(url: &Url) -> String {
    cut(url.host_str().unwrap_or_default())
}

fn cut(host: &str) -> String {
    host.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(entries: &[&str]) -> Network {
        Network::allowing(entries).unwrap()
    }

    fn check(network: &Network, url: &str) -> Result<(), Blocked> {
        network.check(&Url::parse(url).unwrap())
    }

    fn is_private(network: &Network, url: &str) -> bool {
        matches!(check(network, url), Err(Blocked::Private { .. }))
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused() {
        let open = Network::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "%31%32%37.0.0.1",
            "１２７.０.０.１",
            "①②⑦.0.0.1",
            "127。0。0。1",
            "0",
            "10.0.0.1",
            "169.254.169.254",
            "2852039166",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[fd00:ec2::254]",
            "[fe80::1]",
        ] {
            assert!(is_private(&open, &format!("https://{host}/rest/")), "{host}");
            assert!(is_private(&open, &format!("http://{host}:22/rest/")), "{host}");
        }
        assert!(Url::parse("https://[fe80::1%25eth0]/").is_err(), "a zone is no part of a URL");
    }

    #[test]
    fn the_open_internet_is_called_by_https_at_any_port() {
        let open = Network::default();
        for url in
            ["https://acme.bitrix24.com/", "https://acme.example:8443/", "https://1.1.1.1/", "https://[2606:4700::1]/"]
        {
            assert_eq!(check(&open, url), Ok(()), "{url}");
        }
        for url in ["http://acme.bitrix24.com/", "http://1.1.1.1/", "ftp://acme.example/", "ws://acme.example/"] {
            assert!(matches!(check(&open, url), Err(Blocked::Plain { .. })), "{url}");
        }
        for url in
            ["https://user@acme.example/", "https://a:b@acme.example/", "file:///etc/passwd", "data:text/plain,x"]
        {
            assert_eq!(check(&open, url), Err(Blocked::Form), "{url}");
        }
    }

    #[test]
    fn what_the_configuration_names_is_called() {
        let own =
            network(&["10.1.2.0/24", "127.0.0.1:4711", "portal.corp.example", "old.corp.example:8443", "fd00:1::/32"]);
        for url in [
            "https://10.1.2.3/",
            "http://10.1.2.255:8080/",
            "http://127.0.0.1:4711/",
            "http://2130706433:4711/",
            "http://[::ffff:127.0.0.1]:4711/",
            "http://PORTAL.corp.example./",
            "https://portal.corp.example:9000/",
            "https://old.corp.example:8443/",
            "https://[fd00:1::7]/",
        ] {
            assert_eq!(check(&own, url), Ok(()), "{url}");
        }
        for url in [
            "https://10.1.3.1/",
            "http://127.0.0.1/",
            "http://127.0.0.1:4712/",
            "https://[fd00:2::7]/",
            "https://127.0.0.2:4711/",
        ] {
            assert!(is_private(&own, url), "{url}");
        }
        assert!(matches!(check(&own, "https://old.corp.example/"), Err(Blocked::Port { .. })));
        assert!(matches!(check(&own, "http://x.portal.corp.example/"), Err(Blocked::Plain { .. })));
    }

    #[test]
    fn a_wide_range_has_to_be_written_and_never_opens_a_clouds_credentials() {
        let wide = network(&["0.0.0.0/0", "::/0"]);
        assert_eq!(check(&wide, "http://10.0.0.1/"), Ok(()));
        for url in ["http://169.254.169.254/", "https://168.63.129.16/", "http://[fd00:ec2::254]/"] {
            assert!(is_private(&wide, url), "{url}");
        }
        assert_eq!(check(&network(&["169.254.169.254"]), "http://169.254.169.254/"), Ok(()));
    }

    #[test]
    fn an_entry_that_is_wrong_says_what_to_write() {
        for (entry, why) in [
            ("10.1.2.3/24", "that is 10.1.2.0"),
            ("10.0.0.0/0", "that is 0.0.0.0"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("portal.example/24", "not an IP address"),
            ("https://portal.example", "not an IP address"),
            ("portal.example:0", "from 1 to 65535"),
            ("portal.example:x", "from 1 to 65535"),
            ("*.example", "wildcards"),
            ("2130706433", "write the address as 127.0.0.1"),
            ("", "cannot be read"),
            ("a b", "cannot be read"),
        ] {
            let error = entry.parse::<Allowed>().unwrap_err().to_string();
            assert!(error.contains(why), "{entry}: {error}");
        }
        assert_eq!(Network::parse(" 10.0.0.0/8, portal.example\n[fd00::1]:80 ").unwrap().allowed.len(), 3);
        assert!(Network::parse("").unwrap().allowed.is_empty());
    }

    fn answering(answer: Result<&[&str], io::ErrorKind>) -> Lookup {
        let answer = answer.map(|found| found.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>());
        Arc::new(move |_| {
            let answer = answer.clone();
            Box::pin(async move { answer.map_err(io::Error::from) })
        })
    }

    async fn resolved(network: Network, name: &str) -> Result<Vec<String>, Unresolved> {
        let found = network.resolve(name).await?;
        Ok(found.iter().map(|address| address.ip().to_string()).collect())
    }

    #[tokio::test]
    async fn a_names_private_addresses_are_dropped() {
        let mixed = Network::default().looking_up(answering(Ok(&["10.0.0.1", "1.1.1.1", "::ffff:127.0.0.1", "::1"])));
        assert_eq!(resolved(mixed, "mixed.example").await.unwrap(), ["1.1.1.1"]);
        let private = Network::default().looking_up(answering(Ok(&["169.254.169.254", "fd00::1"])));
        let error = resolved(private, "rebound.example").await.unwrap_err();
        assert_eq!(error, Unresolved::Blocked(Blocked::Private { host: "rebound.example".into() }));
        assert!(!error.to_string().contains("169.254"), "{error}");
        let nowhere = Network::default().looking_up(answering(Err(io::ErrorKind::NotFound)));
        assert_eq!(resolved(nowhere, "nowhere.example").await, Err(Unresolved::NotFound));
    }

    #[tokio::test]
    async fn a_named_host_may_be_anywhere_and_a_named_port_is_for_addresses_only() {
        let lookup = answering(Ok(&["10.1.2.3"]));
        let named = network(&["portal.corp.example"]).looking_up(lookup.clone());
        assert_eq!(resolved(named, "Portal.corp.example.").await.unwrap(), ["10.1.2.3"]);
        let by_range = network(&["10.1.2.0/24"]).looking_up(lookup.clone());
        assert_eq!(resolved(by_range, "another.example").await.unwrap(), ["10.1.2.3"]);
        // The resolver does not know the port: a name cannot lead to what is allowed at one port.
        let by_port = network(&["10.1.2.3:443"]).looking_up(lookup);
        assert!(resolved(by_port, "another.example").await.is_err());
    }

    #[test]
    fn an_answer_from_elsewhere_is_not_taken() {
        let own = network(&["127.0.0.1:4711", "portal.corp.example"]);
        let peer = |url: &str, peer: &str| own.check_peer(&Url::parse(url).unwrap(), peer.parse().unwrap()).is_ok();
        assert!(peer("https://acme.example/", "1.1.1.1:443"));
        assert!(peer("https://portal.corp.example/", "10.0.0.1:443"));
        assert!(peer("http://127.0.0.1:4711/", "127.0.0.1:4711"));
        assert!(!peer("https://acme.example/", "10.0.0.1:443"));
        assert!(!peer("https://acme.example/", "127.0.0.1:443"));
    }

    #[test]
    fn a_configured_provider_is_allowed_by_itself_at_its_port() {
        let own = Network::default().naming("http://127.0.0.1:9000/api").naming("https://slack.corp.example/api");
        assert_eq!(check(&own, "http://127.0.0.1:9000/x"), Ok(()));
        assert!(is_private(&own, "http://127.0.0.1:9001/x"));
        assert_eq!(check(&own, "https://slack.corp.example/x"), Ok(()));
        assert!(check(&own, "https://slack.corp.example:444/x").is_err());
    }
}
