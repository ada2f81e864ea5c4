//! Which addresses are public: only the open internet is called unless the deployment allows more.
//!
//! Sources: the IANA special-purpose registries for IPv4 and IPv6, RFC 6052 and 8215 (NAT64), RFC 3056 (6to4),
//! RFC 5214 (ISATAP), and the clouds' own documents for the addresses at which machines learn their credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

/// Ranges of IPv4 that nobody in the open internet has: first address and length of the prefix.
const REFUSED_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // Azure's machines get their configuration here; the address is public by its number only.
    ([168, 63, 129, 16], 32),
    // Link-local, with the metadata services of most clouds.
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Ranges within `2000::/3`, the only global unicast range, that nobody in the open internet has.
const REFUSED_V6: [([u16; 3], u32); 3] = [
    // Protocol assignments: Teredo, benchmarking, ORCHID.
    ([0x2001, 0, 0], 23),
    ([0x2001, 0x0db8, 0], 32),
    ([0x3fff, 0, 0], 20),
];

/// Addresses at which a machine of a cloud learns its credentials.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Checks the address of a provider's API, and takes the slashes off its end. Plain HTTP is for a simulator on this machine.
pub fn api_url(provider: &str, url: &str) -> Result<String, String> {
    let parsed = Url::parse(url).map_err(|cause| format!("{provider}'s address: {cause}"))?;
    let is_local = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if parsed.scheme() == "https" || (parsed.scheme() == "http" && is_local) {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        Err(format!("{provider}'s API is called by https (by http only on this machine)"))
    }
}

/// Whether an address is one of the open internet. An IPv4 address within an IPv6 one is judged as itself.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether a machine of a cloud learns its credentials there. A range never allows it, only the address itself.
pub(crate) fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address)
}

/// The IPv4 address that an IPv6 one merely writes in another way (`::ffff:a.b.c.d`), or the address itself.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !REFUSED_V4
        .iter()
        .any(|(first, length)| starts_with(bits.into(), u32::from(Ipv4Addr::from(*first)).into(), *length + 96))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(embedded) = embedded(address) {
        return is_public_v4(embedded);
    }
    let bits = u128::from(address);
    let is_global = starts_with(bits, u128::from(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0)), 3);
    let is_refused = |([a, b, c], length): &([u16; 3], u32)| {
        starts_with(bits, u128::from(Ipv6Addr::new(*a, *b, *c, 0, 0, 0, 0, 0)), *length)
    };
    is_global && !REFUSED_V6.iter().any(is_refused) && tunnelled(address).is_none_or(is_public_v4)
}

/// The IPv4 address that an IPv6 one stands for: mapped, NAT64, 6to4. (NAT64 with a network's own prefix, `64:ff9b:1::/48`,
/// is not global unicast and so refused as a whole.)
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(joined(high, low))
        }
        _ => None,
    }
}

/// The IPv4 address at the end of an ISATAP tunnel, which any network may have.
fn tunnelled(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(joined(high, low)),
        _ => None,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

/// Whether two numbers of 128 bits agree in their first `length` bits.
pub(crate) fn starts_with(bits: u128, first: u128, length: u32) -> bool {
    length == 0 || (bits ^ first) >> (128 - length) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn an_api_is_called_by_https_or_on_this_machine() {
        assert_eq!(api_url("Slack", "http://127.0.0.1:9/api/").as_deref(), Ok("http://127.0.0.1:9/api"));
        assert!(api_url("Slack", "https://slack.corp.example/api").is_ok());
        for bad in ["http://example.com/api", "http://127.0.0.1.example.com/api", "ftp://127.0.0.1/", "example.com"] {
            assert!(api_url("Slack", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_of_the_open_internet_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001:81c::200e",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            assert!(public(text), "{text}");
        }
    }

    #[test]
    fn other_addresses_are_not() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::1.1.1.1",
            "::ffff:127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2606:4700::5efe:10.0.0.1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fe80::5efe:1.1.1.1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    proptest! {
        /// Whatever form of IPv6 carries it, an IPv4 address is as public as it is by itself.
        #[test]
        fn an_embedded_address_is_judged_as_itself(bits: u32, prefix: u64) {
            let [a, b, c, d] = Ipv4Addr::from(bits).octets();
            let v4 = is_public(IpAddr::V4(Ipv4Addr::from(bits)));
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for form in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(is_public(IpAddr::V6(form)), v4, "{}", form);
            }
            let network = u128::from(prefix) << 64;
            let isatap = Ipv6Addr::from(network | u128::from(Ipv6Addr::new(0, 0, 0, 0, 0, 0x5efe, high, low)));
            prop_assert!(v4 || !is_public(IpAddr::V6(isatap)), "{}", isatap);
        }

        /// Each address of a refused range is refused, not only its first.
        #[test]
        fn a_refused_range_is_refused_as_a_whole(which in 0..REFUSED_V4.len(), bits: u32) {
            let (first, length) = REFUSED_V4[which];
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or_default();
            let address = Ipv4Addr::from((u32::from(Ipv4Addr::from(first)) & mask) | (bits & !mask));
            prop_assert!(!is_public(IpAddr::V4(address)), "{}", address);
        }

        #[test]
        fn only_global_unicast_and_what_leads_to_it_is_public(bits: u128) {
            let address = Ipv6Addr::from(bits);
            let is_global = bits >> 125 == 1;
            prop_assert!(is_global || embedded(address).is_some() || !is_public(IpAddr::V6(address)));
        }
    }
}
