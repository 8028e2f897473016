//! Which addresses may be asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use super::FetchError;
use super::ports;
use crate::config::Network;

/// A range from its address and the length of its prefix.
const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

/// A range from the first four groups of its address and the length of its prefix.
const fn v6(groups: [u16; 4], prefix: u8) -> Ipv6Net {
    let [a, b, c, d] = groups;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// What the IANA IPv4 Special-Purpose Address Registry does not call globally reachable
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>), with multicast, the two
/// anycast addresses within 192.0.0.0/24, which no web server has, and the one public address at
/// which a cloud answers its own machines.
const SPECIAL_V4: [Ipv4Net; 16] = [
    v4([0, 0, 0, 0], 8),        // this network
    v4([10, 0, 0, 0], 8),       // private use
    v4([100, 64, 0, 0], 10),    // shared by carriers
    v4([127, 0, 0, 0], 8),      // loopback
    v4([168, 63, 129, 16], 32), // Azure's metadata
    v4([169, 254, 0, 0], 16),   // link local, clouds' metadata
    v4([172, 16, 0, 0], 12),    // private use
    v4([192, 0, 0, 0], 24),     // protocol assignments
    v4([192, 0, 2, 0], 24),     // documentation
    v4([192, 88, 99, 0], 24),   // 6to4 relays, withdrawn
    v4([192, 168, 0, 0], 16),   // private use
    v4([198, 18, 0, 0], 15),    // benchmarks
    v4([198, 51, 100, 0], 24),  // documentation
    v4([203, 0, 113, 0], 24),   // documentation
    v4([224, 0, 0, 0], 4),      // multicast
    v4([240, 0, 0, 0], 4),      // reserved, broadcast
];

/// All that IANA gives out as global unicast; everything outside is loopback, local, multicast,
/// discard-only, segment routing, or unassigned
/// (<https://www.iana.org/assignments/ipv6-address-space>).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// What the IANA IPv6 Special-Purpose Address Registry does not call globally reachable within it
/// (<https://www.iana.org/assignments/iana-ipv6-special-registry>).
const SPECIAL_V6: [Ipv6Net; 3] = [
    v6([0x2001, 0, 0, 0], 23),     // protocol assignments, Teredo, ORCHID
    v6([0x2001, 0xdb8, 0, 0], 32), // documentation
    v6([0x3fff, 0, 0, 0], 20),     // documentation
];

/// Forms that carry an IPv4 address in their last 32 bits: mapped (RFC 4291), NAT64 (RFC 6052).
/// Their kin lie outside of what is global: compatible (RFC 4291), translated (RFC 2765), and
/// NAT64 within a network (RFC 8215), whose prefix may lead anywhere inside.
const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);

/// 6to4 (RFC 3056): the IPv4 address follows the first 16 bits.
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0], 16);

/// Which addresses may be asked: the public ones, and those that `network.allow` names. Cheap to
/// clone; the default permits public addresses only.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    allow: Arc<[IpNet]>,
}

impl AddressPolicy {
    /// The policy of `network`.
    pub fn new(config: &Network) -> Self {
        Self {
            allow: config.allow.clone().into(),
        }
    }

    /// Whether this address may be asked. IPv4-mapped, NAT64 and 6to4 forms are judged by the IPv4
    /// address within, ISATAP forms by both; Teredo is refused.
    pub fn permits(&self, address: IpAddr) -> bool {
        if self.allow.iter().any(|range| range.contains(&address)) {
            return true;
        }
        match address {
            IpAddr::V4(address) => !SPECIAL_V4.iter().any(|range| range.contains(&address)),
            IpAddr::V6(address) => match inner(address) {
                Some(inner) => self.permits(IpAddr::V4(inner)),
                None => {
                    let special = SPECIAL_V6.iter().any(|range| range.contains(&address));
                    let tunnelled = isatap(address);
                    GLOBAL_V6.contains(&address)
                        && !special
                        && tunnelled.is_none_or(|inner| self.permits(IpAddr::V4(inner)))
                }
            },
        }
    }

    /// Judges a URL: its scheme, that it has a host, its literal address, if it has one (no
    /// resolver is asked for those), and its port. Decimal, octal, hexadecimal and short forms of an
    /// IPv4 address are one address by the time that a `Url` is parsed.
    ///
    /// A user name and a password are refused: they would go out as a header, to whomever the page
    /// that named them chose.
    pub fn check_url(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::BadUrl(url.to_string()));
        }
        let literal = match url.host() {
            None => return Err(FetchError::BadUrl(url.to_string())),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        };
        if let Some(refused) = literal.filter(|literal| !self.permits(*literal)) {
            return Err(FetchError::AddressRefused(refused.to_string()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Err(FetchError::Credentials(host));
        }
        match url.port().filter(|port| ports::is_bad(*port)) {
            Some(port) => Err(FetchError::BadPort(port)),
            None => Ok(()),
        }
    }
}

/// The IPv4 address that an IPv6 form carries.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, _, a, b, c, d, _, _, _, _, _, _, w, x, y, z] = address.octets();
    if MAPPED.contains(&address) || NAT64.contains(&address) {
        Some(Ipv4Addr::new(w, x, y, z))
    } else if SIX_TO_FOUR.contains(&address) {
        Some(Ipv4Addr::new(a, b, c, d))
    } else {
        None
    }
}

/// The IPv4 address that an ISATAP interface's identifier carries (RFC 5214, 6.1): whoever has the
/// prefix hands what comes there on to that address.
fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.octets() {
        [.., 0 | 2, 0, 0x5e, 0xfe, w, x, y, z] => Some(Ipv4Addr::new(w, x, y, z)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(allow: &[&str], address: &str) -> bool {
        let allow = allow.iter().map(|range| range.parse().expect("a range"));
        let policy = AddressPolicy::new(&Network {
            allow: allow.collect(),
        });
        policy.permits(address.parse().expect("an address"))
    }

    #[test]
    fn the_edges_of_every_range_are_where_the_registries_have_them() {
        for refused in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:a00::1",
            "2001:1ff:ffff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:169.254.169.254",
            "fe80::5efe:8.8.8.8",
            "fd00:ec2::254",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!permits(&[], refused), "{refused}");
        }
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2606:4700::5efe:8.8.8.8",
            "2606:4700::5eff:10.0.0.1",
        ] {
            assert!(permits(&[], public), "{public}");
        }
    }

    #[test]
    fn allowed_ranges_open_only_themselves() {
        let allow = ["127.0.0.0/8", "fd00:1::/32"];
        for open in [
            "127.0.0.1",
            "127.9.9.9",
            "::ffff:127.0.0.1",
            "fd00:1::5",
            "8.8.8.8",
        ] {
            assert!(permits(&allow, open), "{open}");
        }
        for shut in ["10.0.0.1", "::1", "169.254.169.254", "fd00:2::5"] {
            assert!(!permits(&allow, shut), "{shut}");
        }
    }

    #[test]
    fn every_way_to_write_a_literal_is_judged() {
        let policy = AddressPolicy::default();
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://0/",
            "http://[::1]:8080/",
            "http://[::ffff:7f00:1]/",
            "http://１２７.０.０.１/",
            "http://127。0。0。1/",
            "http://%31%32%37.0.0.1/",
            "https://user@169.254.169.254/x",
        ] {
            let parsed = Url::parse(url).expect(url);
            let error = policy.check_url(&parsed).expect_err(url);
            assert_eq!(error.reason(), "address_refused", "{url}");
            assert!(!error.is_transient());
        }
        for url in [
            "ftp://example.org/",
            "file:///etc/passwd",
            "data:text/plain,x",
        ] {
            let parsed = Url::parse(url).expect(url);
            let error = policy.check_url(&parsed).expect_err(url);
            assert_eq!(error.reason(), "bad_url", "{url}");
        }
        for url in [
            "http://8.8.8.8/",
            "https://example.org/",
            "http://[2606:4700::1]/",
        ] {
            policy.check_url(&Url::parse(url).expect(url)).expect(url);
        }
    }
}
