//! Addresses within addresses: where a connection to an IPv6 address ends up by mapping, translation or a tunnel. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that the system connects to when it is given this one: an IPv4 address for a mapped one (RFC 4291, section
/// 2.5.5.2), and the loopback for the unspecified one.
pub fn canonical(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The address itself, what the system makes of it, and what it may be translated to on the way.
pub fn leads_to(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let translated = match canonical(ip) {
        IpAddr::V4(_) => Vec::new(),
        IpAddr::V6(ip) => translated(ip),
    };
    [ip, canonical(ip)].into_iter().chain(translated.into_iter().map(IpAddr::V4))
}

/// The IPv4 addresses that an IPv6 address holds, in the ways that routers act on.
fn translated(ip: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = ip.octets();
    let four = |at: [usize; 4]| Ipv4Addr::from(at.map(|index| bytes[index]));
    let last = || four([12, 13, 14, 15]);
    match ip.segments() {
        // IPv4-compatible (RFC 4291, section 2.5.5.1); below it lie :: and ::1.
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => vec![last()],
        // IPv4-translated (RFC 7915), and NAT64's well-known prefix (RFC 6052).
        [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last()],
        // NAT64's local prefix (RFC 8215), in the lengths that RFC 6052, section 2.2 knows.
        [0x64, 0xff9b, 1, ..] => {
            vec![last(), four([6, 7, 9, 10]), four([7, 9, 10, 11]), four([9, 10, 11, 12])]
        }
        // 6to4 (RFC 3056).
        [0x2002, ..] => vec![four([2, 3, 4, 5])],
        // Teredo (RFC 4380): the client's address, each bit turned.
        [0x2001, 0, ..] => vec![Ipv4Addr::from([12, 13, 14, 15].map(|index| !bytes[index]))],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_address_holds_is_found() {
        for (address, held) in [
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("::10.0.0.1", "10.0.0.1"),
            ("64:ff9b::10.0.0.1", "10.0.0.1"),
            ("64:ff9b:1:0a00:0:0100::", "10.0.0.1"),
            ("64:ff9b:1::10.0.0.1", "10.0.0.1"),
            ("2002:a00:1::", "10.0.0.1"),
            ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "10.0.0.1"),
        ] {
            let found: Vec<String> = leads_to(address.parse().expect(address)).map(|ip| ip.to_string()).collect();
            assert!(found.iter().any(|ip| ip == held), "{address}: {found:?}");
        }
        let plain: Vec<String> = leads_to("::1".parse().expect("one")).map(|ip| ip.to_string()).collect();
        assert_eq!(plain, ["::1", "::1"]);
    }
}
