//! Who asks: by the name of a key, or else by address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::HeaderName;
use ipnet::IpNet;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whose connection a request came by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// The key of this position in the configuration.
    Key(usize),
    /// An address; of IPv6, whose holders have 2⁶⁴ of them, the network.
    Address(IpAddr),
    /// Some of the addresses beyond those that are counted singly.
    Crowd(u16),
}

/// The address that a request came from. `X-Forwarded-For` is believed as far as trusted proxies wrote it: the
/// rightmost address that is none of theirs, since everything to the left of it can be made up.
pub(crate) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut address = peer.to_canonical();
    let hops = headers.get_all(FORWARDED).iter().rev();
    let hops = hops.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops {
        if !is_trusted(&address) {
            break;
        }
        // What is no address ends the chain: a proxy of ours that wrote it vouches for nothing more.
        let Some(before) = std::str::from_utf8(hop).ok().and_then(hop_address) else {
            break;
        };
        address = before;
    }
    address
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` or `[::1]:5`.
fn hop_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address: Option<IpAddr> = bare.unwrap_or(text).parse().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// The address as it is counted: of IPv6 its /64.
pub(crate) fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED, value.parse().expect("a value"));
        }
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        let peer = peer.parse().expect("an address");
        address(peer, &headers, &trusted).to_string()
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let claimed = ["1.1.1.1, 9.9.9.9"];
        assert_eq!(asked("8.8.8.8", &claimed), "8.8.8.8");
        assert_eq!(asked("10.0.0.1", &claimed), "9.9.9.9");
        assert_eq!(asked("::ffff:10.0.0.1", &claimed), "9.9.9.9");
        assert_eq!(asked("10.0.0.1", &[]), "10.0.0.1");
        // Two proxies in a row, in one header or in two.
        assert_eq!(
            asked("10.0.0.1", &["1.1.1.1, 9.9.9.9, 10.0.0.2"]),
            "9.9.9.9"
        );
        assert_eq!(
            asked("10.0.0.1", &["1.1.1.1, 9.9.9.9", "10.0.0.2"]),
            "9.9.9.9"
        );
        // All of them ours: the first of the chain.
        assert_eq!(asked("10.0.0.1", &["10.0.0.3,10.0.0.2"]), "10.0.0.3");
        // A port or brackets, as some proxies write them.
        assert_eq!(asked("fd00::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(asked("fd00::1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(asked("10.0.0.1", &["9.9.9.9:80"]), "9.9.9.9");
        // What is no address ends the chain.
        for junk in ["unknown", "", "1.1.1.1, _hidden", "1.1.1.1,,"] {
            assert_eq!(asked("10.0.0.1", &[junk]), "10.0.0.1", "{junk}");
        }
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let network = address("2001:db8:1:2::");
        assert_eq!(counted(address("2001:db8:1:2:3:4:5:6")), network);
        assert_ne!(counted(address("2001:db8:1:3::1")), network);
        assert_eq!(counted(address("192.0.2.7")), address("192.0.2.7"));
    }
}
