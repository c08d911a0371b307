//! An address or subnet of WSGITrustedProxies, read as APR reads it (spec/directives.md §11).

use crate::error::ConfigError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that agree in their leading bits (or, for a netmask, in the bits of the mask).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subnet {
    /// IPv4 network and mask.
    V4 {
        /// Network, bits outside the mask are zero.
        network: u32,
        /// Mask.
        mask: u32,
    },
    /// IPv6 network and mask.
    V6 {
        /// Network, bits outside the mask are zero.
        network: u128,
        /// Mask.
        mask: u128,
    },
}

const BAD_ADDRESS: &str = "The specified IP address is invalid.";
const BAD_MASK: &str = "The specified network mask is invalid.";

impl Subnet {
    /// Reads one word: address, address/prefix, address/netmask, or a truncated dotted form (`10.1.`).
    ///
    /// # Errors
    /// "Unable to parse trusted proxy IP address/subnet of …" with APR's reason.
    pub fn parse(word: &str) -> Result<Subnet, ConfigError> {
        let refuse = |reason, hint| Err(ConfigError::ParseSubnet { word: word.to_owned(), reason, hint });
        let usual = if word.contains(':') {
            word.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f' | b':' | b'/'))
        } else {
            word.bytes().all(|c| matches!(c, b'0'..=b'9' | b'.' | b'/'))
        };
        if !usual || word.is_empty() {
            return refuse(
                None,
                "Write addresses like 10.0.0.0/8 or fd00::/8 (in lower case), separated by blanks.",
            );
        }
        let (address, mask) = match word.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (word, None),
        };
        let parsed = match (address.parse::<IpAddr>(), mask) {
            (Ok(address), mask) => {
                return subnet(unmapped(address), mask).map_or_else(
                    || refuse(Some(BAD_MASK), "Write a prefix length from 1 to the number of bits."),
                    Ok,
                );
            }
            (Err(_), None) => truncated(address),
            (Err(_), Some(_)) => None,
        };
        parsed.map_or_else(|| refuse(Some(BAD_ADDRESS), "Write a complete address."), Ok)
    }

    /// Whether an address lies in it; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, unmapped(address)) {
            (Subnet::V4 { network, mask }, IpAddr::V4(v4)) => u32::from(v4) & mask == *network,
            (Subnet::V6 { network, mask }, IpAddr::V6(v6)) => u128::from(v6) & mask == *network,
            _ => false,
        }
    }
}

/// `::ffff:a.b.c.d` as IPv4.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Applies a prefix length (1 to all bits) or, for IPv4, a dotted netmask.
fn subnet(address: IpAddr, mask: Option<&str>) -> Option<Subnet> {
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let bits = match mask {
        None => whole,
        Some(text) => match text.parse::<u32>() {
            Ok(bits) if (1..=whole).contains(&bits) => bits,
            _ => return netmask(address, text),
        },
    };
    Some(match address {
        IpAddr::V4(v4) => v4_subnet(v4, u32::MAX << (32 - bits)),
        IpAddr::V6(v6) => v6_subnet(v6, u128::MAX << (128 - bits)),
    })
}

fn netmask(address: IpAddr, text: &str) -> Option<Subnet> {
    match (address, text.parse::<Ipv4Addr>()) {
        (IpAddr::V4(v4), Ok(mask)) => Some(v4_subnet(v4, u32::from(mask))),
        _ => None,
    }
}

fn v4_subnet(address: Ipv4Addr, mask: u32) -> Subnet {
    Subnet::V4 { network: u32::from(address) & mask, mask }
}

fn v6_subnet(address: Ipv6Addr, mask: u128) -> Subnet {
    Subnet::V6 { network: u128::from(address) & mask, mask }
}

/// `10`, `10.1.`: up to four decimal octets, those not written do not count.
fn truncated(text: &str) -> Option<Subnet> {
    let (mut network, mut mask) = (0_u32, 0_u32);
    let parts: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    if parts.len() > 4 || text.len() > 15 {
        return None;
    }
    for (index, part) in parts.iter().enumerate() {
        let shift = 24 - 8 * index;
        let octet: u8 = part.parse().ok()?;
        network |= u32::from(octet) << shift;
        mask |= 0xff << shift;
    }
    Some(Subnet::V4 { network, mask })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(word: &str) -> Subnet {
        Subnet::parse(word).unwrap_or_else(|error| panic!("{word}: {error}"))
    }

    fn contains(word: &str, address: &str) -> bool {
        parse(word).contains(address.parse().unwrap())
    }

    #[test]
    fn accepted_forms() {
        assert!(contains("10.0.0.1", "10.0.0.1"));
        assert!(!contains("10.0.0.1", "10.0.0.2"));
        assert!(contains("10.0.0.0/8", "10.255.1.1"));
        assert!(contains("10.1.2.3/255.255.0.0", "10.1.9.9"));
        assert!(contains("1.2.3.4/0.0.0.0", "9.9.9.9"));
        assert!(contains("10", "10.9.9.9"));
        assert!(contains("10.1.", "10.1.9.9"));
        assert!(!contains("10.1.", "10.2.0.0"));
        assert!(contains("127.", "127.0.0.1"));
        assert!(contains("010.1.1.1", "10.1.1.1"));
        assert!(contains("::1", "0:0:0:0:0:0:0:1"));
        assert!(contains("fd00::/8", "fd12::1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(contains("::ffff:a00:1", "10.0.0.1"));
        assert!(!contains("::/1", "10.0.0.1"));
    }

    #[test]
    fn refused_forms() {
        for word in [
            "",
            "*",
            "proxy",
            "[::1]",
            "::ffff:1.2.3.4",
            "0.0.0.0/0",
            "::/0",
            "1.2/16",
            "10.0.0.0/33",
            "FD00::1",
            "1.2.3.4:80",
            "1,2",
            "256.1.1.1",
            "1.2.3.4.5",
            "10.0.0.0/",
            "::1/129",
            "1.2.3.4/8/9",
            "..",
            "1..2",
            "/8",
            "4294967296",
        ] {
            assert!(Subnet::parse(word).is_err(), "{word}");
        }
        let text = Subnet::parse("0.0.0.0/0").unwrap_err().to_string();
        assert!(text.starts_with("Unable to parse trusted proxy IP address/subnet of \"0.0.0.0/0\". The specified network mask is invalid."));
        let text = Subnet::parse("a.b").unwrap_err().to_string();
        assert!(
            text.starts_with("Unable to parse trusted proxy IP address/subnet of \"a.b\". Write"),
            "{text}"
        );
    }
}
