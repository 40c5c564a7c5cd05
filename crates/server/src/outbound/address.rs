//! Which addresses the service connects to by itself: public ones, and those of networks an operator allowed.
//!
//! Closed networks of emergency services are private ones, so there is one explicit list
//! (`server.private_networks_allowed`); what is not on it cannot be reached through a name or an address that somebody
//! else controls.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses, written `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

/// Not a range of addresses.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a network; write it as 10.0.0.0/8 or fd00::/8, no bit set behind the prefix")]
pub struct NetworkError(String);

impl Network {
    /// Whether the address lies in it. An IPv4 address written as an IPv6 one is the IPv4 address.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                masked(base.to_bits().into(), 32, self.prefix) == masked(ip.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                masked(base.to_bits(), 128, self.prefix) == masked(ip.to_bits(), 128, self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The first `prefix` of `width` bits.
fn masked(bits: u128, width: u8, prefix: u8) -> u128 {
    bits.checked_shr(u32::from(width.saturating_sub(prefix))).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let refused = || NetworkError(text.to_owned());
        let (base, prefix) = text.split_once('/').ok_or_else(refused)?;
        let base: IpAddr = base.parse().map_err(|_| refused())?;
        let prefix: u8 = prefix.parse().map_err(|_| refused())?;
        let (bits, width) = match base {
            IpAddr::V4(ip) => (ip.to_bits().into(), 32),
            IpAddr::V6(ip) => (ip.to_bits(), 128),
        };
        let behind =
            masked(bits, width, prefix).checked_shl(u32::from(width.saturating_sub(prefix))).unwrap_or(0) ^ bits;
        if prefix > width || behind != 0 { Err(refused()) } else { Ok(Self { base, prefix }) }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// Whether the service may connect to the address.
#[must_use]
pub fn allowed(ip: IpAddr, networks: &[Network]) -> bool {
    is_public(ip) || networks.iter().any(|network| network.contains(ip))
}

/// Whether the address is a public one. What IANA's registries of special addresses hold is none.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match (a, b, c) {
        // This network, private, loopback, multicast and everything behind it.
        (0 | 10 | 127 | 224..=255, _, _) => true,
        // Carriers, link-local, private.
        (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _) => true,
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match segments {
        // NAT64 and 6to4 carry an IPv4 address, which is where they lead.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Protocol assignments with Teredo, documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // The rest of what is given out; everything else is special or not given out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_public_addresses_are_public() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(!is_public(ip(inside)), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::",
            "2001:200::1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(is_public(ip(outside)), "{outside}");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("127.0.0.1/32", "127.0.0.1", true),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("192.168.128.0/17", "192.168.127.255", false),
            ("0.0.0.0/0", "10.1.1.1", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fc00::1", false),
            ("::1/128", "::1", true),
            ("::/0", "fe80::1", true),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(ip(address)), inside, "{network} {address}");
            assert_eq!(parsed.to_string(), network);
            assert_eq!(allowed(ip(address), &[parsed]), inside || is_public(ip(address)));
        }
        for refused in
            ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "::/129", "fd00::1/8", "host/8", "10.0.0.0/-1", "0.0.0.1/0"]
        {
            assert!(refused.parse::<Network>().is_err(), "{refused}");
        }
    }
}
