//! What kind of address is it? The IANA special-purpose registries as one dated table, and CIDR
//! prefixes. What a class means for a line or a record is decided elsewhere.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A CIDR prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    pub ip: IpAddr,
    pub len: u8,
}

impl Prefix {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or one bare address (full length). Host bits are
    /// cleared: `192.0.2.9/24` is `192.0.2.0/24`.
    pub fn parse(text: &str) -> Option<Prefix> {
        let (ip, len) = match text.split_once('/') {
            Some((ip, len)) => (ip.parse::<IpAddr>().ok()?, Some(len)),
            None => (text.parse().ok()?, None),
        };
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let len = match len {
            None => longest,
            // `u8::from_str` would take a plus sign.
            Some(len) if len.bytes().all(|byte| byte.is_ascii_digit()) => len.parse().ok()?,
            Some(_) => return None,
        };
        Prefix::of(ip, len)
    }

    /// The network of this length that holds `ip`.
    pub fn of(ip: IpAddr, len: u8) -> Option<Prefix> {
        if len > if ip.is_ipv4() { 32 } else { 128 } {
            return None;
        }
        let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
        let kept = bits(ip) & mask;
        let ip = match ip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits((kept >> 96) as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(kept)),
        };
        Some(Prefix { ip, len })
    }

    /// Whether `ip` lies in it. An IPv4 address is never in an IPv6 prefix, also not as mapped.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.ip.is_ipv4() == ip.is_ipv4()
            && (bits(self.ip) ^ bits(ip)).leading_zeros() >= u32::from(self.len)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.len)
    }
}

/// The address from the highest bit on, whatever its family.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// What a class means for somebody who wants to be reached. Several registry rows share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In no row: ordinary global unicast.
    Public,
    /// RFC 1918.
    Private,
    /// RFC 6598, 100.64.0.0/10: the ISP shares one public address among customers.
    SharedAddressSpace,
    /// RFC 7335, 192.0.0.0/29: DS-Lite or 464XLAT, the ISP translates IPv4 further on.
    ServiceContinuity,
    LinkLocal,
    /// RFC 4193.
    UniqueLocal,
    Documentation,
    Benchmarking,
    Loopback,
    /// 0.0.0.0/8 and `::`.
    Unspecified,
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// An IPv4 address in an IPv6 one: mapped, NAT64, 6to4, Teredo.
    Embedded,
    /// Protocol assignments, anycast services, reserved space.
    Other,
}

impl Kind {
    /// Names one host to somebody else, so it could stand in a record at all: not loopback,
    /// link-local, unspecified, multicast or broadcast.
    pub fn fits_a_record(self) -> bool {
        !matches!(
            self,
            Kind::Loopback
                | Kind::LinkLocal
                | Kind::Unspecified
                | Kind::Multicast
                | Kind::Broadcast
        )
    }

    /// Means something in one house or one ISP only, and something else in the next.
    pub fn is_local(self) -> bool {
        matches!(
            self,
            Kind::Private | Kind::SharedAddressSpace | Kind::ServiceContinuity | Kind::UniqueLocal
        )
    }
}

/// The class of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub kind: Kind,
    /// As the registry calls it: `Shared Address Space`.
    pub name: &'static str,
    /// Where it is from: `RFC 6598`.
    pub rfc: &'static str,
    /// "Globally Reachable" in the registry. N/A (Teredo, 6to4) and empty (withdrawn
    /// assignments) count as no.
    pub global: bool,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.rfc)
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub prefix: Prefix,
    pub class: Class,
}

/// The "Last Updated" day of both registries that the table was taken from. Registries change:
/// compare the rows when this is older than a year or two.
pub const REGISTRY_DATE: &str = "2025-10-09";

/// The IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), and the rows
/// marked "space" from the IPv4, IPv6 and multicast address space registries. By address, then
/// length; the longest match counts.
#[rustfmt::skip]
pub const SPECIAL: &[Row] = &[
    row(v4(0, 0, 0, 0, 8), Kind::Unspecified, "This network", "RFC 791", false),
    row(v4(0, 0, 0, 0, 32), Kind::Unspecified, "This host on this network", "RFC 1122", false),
    row(v4(10, 0, 0, 0, 8), Kind::Private, "Private-Use", "RFC 1918", false),
    row(v4(100, 64, 0, 0, 10), Kind::SharedAddressSpace, "Shared Address Space", "RFC 6598", false),
    row(v4(127, 0, 0, 0, 8), Kind::Loopback, "Loopback", "RFC 1122", false),
    row(v4(169, 254, 0, 0, 16), Kind::LinkLocal, "Link Local", "RFC 3927", false),
    row(v4(172, 16, 0, 0, 12), Kind::Private, "Private-Use", "RFC 1918", false),
    row(v4(192, 0, 0, 0, 24), Kind::Other, "IETF Protocol Assignments", "RFC 6890", false),
    row(v4(192, 0, 0, 0, 29), Kind::ServiceContinuity, "IPv4 Service Continuity Prefix", "RFC 7335", false),
    row(v4(192, 0, 0, 8, 32), Kind::Other, "IPv4 dummy address", "RFC 7600", false),
    row(v4(192, 0, 0, 9, 32), Kind::Other, "Port Control Protocol Anycast", "RFC 7723", true),
    row(v4(192, 0, 0, 10, 32), Kind::Other, "Traversal Using Relays around NAT Anycast", "RFC 8155", true),
    // The registry's one row for .170/32 and .171/32.
    row(v4(192, 0, 0, 170, 31), Kind::Other, "NAT64/DNS64 Discovery", "RFC 8880", false),
    row(v4(192, 0, 2, 0, 24), Kind::Documentation, "Documentation (TEST-NET-1)", "RFC 5737", false),
    row(v4(192, 31, 196, 0, 24), Kind::Other, "AS112-v4", "RFC 7535", true),
    row(v4(192, 52, 193, 0, 24), Kind::Other, "AMT", "RFC 7450", true),
    row(v4(192, 88, 99, 0, 24), Kind::Other, "Deprecated (6to4 Relay Anycast)", "RFC 7526", false),
    row(v4(192, 88, 99, 2, 32), Kind::Other, "6a44-relay anycast address", "RFC 6751", false),
    row(v4(192, 168, 0, 0, 16), Kind::Private, "Private-Use", "RFC 1918", false),
    row(v4(192, 175, 48, 0, 24), Kind::Other, "Direct Delegation AS112 Service", "RFC 7534", true),
    row(v4(198, 18, 0, 0, 15), Kind::Benchmarking, "Benchmarking", "RFC 2544", false),
    row(v4(198, 51, 100, 0, 24), Kind::Documentation, "Documentation (TEST-NET-2)", "RFC 5737", false),
    row(v4(203, 0, 113, 0, 24), Kind::Documentation, "Documentation (TEST-NET-3)", "RFC 5737", false),
    row(v4(224, 0, 0, 0, 4), Kind::Multicast, "Multicast", "RFC 5771", false), // space
    row(v4(240, 0, 0, 0, 4), Kind::Other, "Reserved", "RFC 1112", false),
    row(v4(255, 255, 255, 255, 32), Kind::Broadcast, "Limited Broadcast", "RFC 919", false),

    row(v6([0, 0, 0, 0, 0, 0, 0, 0], 128), Kind::Unspecified, "Unspecified Address", "RFC 4291", false),
    row(v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Kind::Loopback, "Loopback Address", "RFC 4291", false),
    row(v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), Kind::Embedded, "IPv4-mapped Address", "RFC 4291", false),
    row(v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), Kind::Embedded, "IPv4-IPv6 Translat.", "RFC 6052", true),
    row(v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Kind::Embedded, "IPv4-IPv6 Translat.", "RFC 8215", false),
    row(v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), Kind::Other, "Discard-Only Address Block", "RFC 6666", false),
    row(v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64), Kind::Other, "Dummy IPv6 Prefix", "RFC 9780", false),
    row(v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Kind::Other, "IETF Protocol Assignments", "RFC 2928", false),
    row(v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Kind::Embedded, "TEREDO", "RFC 4380", false),
    row(v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128), Kind::Other, "Port Control Protocol Anycast", "RFC 7723", true),
    row(v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128), Kind::Other, "Traversal Using Relays around NAT Anycast", "RFC 8155", true),
    row(v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128), Kind::Other, "DNS-SD Service Registration Protocol Anycast", "RFC 9665", true),
    row(v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), Kind::Benchmarking, "Benchmarking", "RFC 5180", false),
    row(v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32), Kind::Other, "AMT", "RFC 7450", true),
    row(v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48), Kind::Other, "AS112-v6", "RFC 7535", true),
    row(v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28), Kind::Other, "Deprecated (previously ORCHID)", "RFC 4843", false),
    row(v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), Kind::Other, "ORCHIDv2", "RFC 7343", true),
    row(v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28), Kind::Other, "Drone Remote ID Protocol Entity Tags (DETs) Prefix", "RFC 9374", true),
    row(v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Kind::Documentation, "Documentation", "RFC 3849", false),
    row(v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Kind::Embedded, "6to4", "RFC 3056", false),
    row(v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), Kind::Other, "Direct Delegation AS112 Service", "RFC 7534", true),
    row(v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Kind::Documentation, "Documentation", "RFC 9637", false),
    row(v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), Kind::Other, "Segment Routing (SRv6) SIDs", "RFC 9602", false),
    row(v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Kind::UniqueLocal, "Unique-Local", "RFC 4193", false),
    row(v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Kind::LinkLocal, "Link-Local Unicast", "RFC 4291", false),
    row(v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Kind::Other, "Site-Local Unicast (withdrawn)", "RFC 3879", false), // space
    row(v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Kind::Multicast, "Multicast", "RFC 4291", false), // space
];

const fn row(
    prefix: Prefix,
    kind: Kind,
    name: &'static str,
    rfc: &'static str,
    global: bool,
) -> Row {
    Row { prefix, class: Class { kind, name, rfc, global } }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, len: u8) -> Prefix {
    Prefix { ip: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), len }
}

const fn v6(s: [u16; 8], len: u8) -> Prefix {
    let ip = Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
    Prefix { ip: IpAddr::V6(ip), len }
}

/// The class of an address: the longest row that holds it, or ordinary unicast.
pub fn class(ip: IpAddr) -> Class {
    let longest = SPECIAL
        .iter()
        .filter(|row| row.prefix.contains(ip))
        .max_by_key(|row| row.prefix.len)
        .map(|row| row.class);
    longest.unwrap_or(match ip {
        IpAddr::V4(_) => {
            Class { kind: Kind::Public, name: "Global Unicast", rfc: "RFC 791", global: true }
        }
        // IANA assigns unicast addresses from 2000::/3 alone.
        IpAddr::V6(ip) if ip.segments()[0] >> 13 == 1 => {
            Class { kind: Kind::Public, name: "Global Unicast", rfc: "RFC 4291", global: true }
        }
        IpAddr::V6(_) => {
            Class { kind: Kind::Other, name: "Reserved by IETF", rfc: "RFC 4291", global: false }
        }
    })
}

/// Whether the Internet can send to it, by its class or because the owner said so
/// (`list assume_public`, for labs).
pub fn is_global(ip: IpAddr, assume_public: &[Prefix]) -> bool {
    assume_public.iter().any(|prefix| prefix.contains(ip)) || class(ip).global
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(like: IpAddr, bits: u128) -> IpAddr {
        match like {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
        }
    }

    #[test]
    fn prefixes_are_read_and_masked() {
        for (text, want) in [
            ("192.0.2.9/24", Some("192.0.2.0/24")),
            ("192.0.2.9", Some("192.0.2.9/32")),
            ("203.0.113.7/0", Some("0.0.0.0/0")),
            ("255.255.255.255/1", Some("128.0.0.0/1")),
            ("2001:db8:1:2::3/48", Some("2001:db8:1::/48")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("::1/0", Some("::/0")),
            ("192.0.2.0/33", None),
            ("2001:db8::/129", None),
            ("192.0.2.0/", None),
            ("192.0.2.0/+8", None),
            ("192.0.2.0/-1", None),
            ("192.0.2.0/256", None),
            ("192.0.2.0/8/8", None),
            ("192.0.2.0/255.255.255.0", None),
            ("192.0.2/24", None),
            ("fe80::1%eth0/64", None),
            (" 192.0.2.0/24", None),
            ("/24", None),
            ("", None),
        ] {
            let got = Prefix::parse(text).map(|prefix| prefix.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn containing_keeps_families_apart() {
        let all4 = Prefix::parse("0.0.0.0/0").unwrap();
        let all6 = Prefix::parse("::/0").unwrap();
        assert!(all4.contains(ip("255.255.255.255")) && !all4.contains(ip("::")));
        assert!(all6.contains(ip("ffff::")) && !all6.contains(ip("0.0.0.0")));
        let mapped = Prefix::parse("::ffff:192.0.2.0/120").unwrap();
        assert!(mapped.contains(ip("::ffff:192.0.2.1")) && !mapped.contains(ip("192.0.2.1")));
        let host = Prefix::parse("192.0.2.1").unwrap();
        assert!(host.contains(ip("192.0.2.1")) && !host.contains(ip("192.0.2.0")));
        // Built by hand with an impossible length: no panic.
        assert!(!Prefix { ip: ip("192.0.2.1"), len: 255 }.contains(ip("192.0.2.2")));
    }

    #[test]
    fn the_table_is_sorted_unique_and_masked() {
        for pair in SPECIAL.windows(2) {
            let key = |row: &Row| (row.prefix.ip, row.prefix.len);
            assert!(key(&pair[0]) < key(&pair[1]), "{} and {}", pair[0].prefix, pair[1].prefix);
        }
        for row in SPECIAL {
            assert_eq!(Prefix::parse(&row.prefix.to_string()), Some(row.prefix));
        }
        // 25 and 25 in the registries; 1 and 2 from the address space registries.
        assert_eq!(SPECIAL.iter().filter(|row| row.prefix.ip.is_ipv4()).count(), 25 + 1);
        assert_eq!(SPECIAL.iter().filter(|row| row.prefix.ip.is_ipv6()).count(), 25 + 2);
    }

    /// First, last, one before and one after of every row, against an oracle that knows the
    /// longest match in another way: the rows that hold the address nest, so it is the one
    /// with the fewest addresses.
    #[test]
    fn every_row_ends_where_it_ends() {
        for row in SPECIAL {
            let first = bits(row.prefix.ip);
            let step = if row.prefix.ip.is_ipv4() { 1u128 << 96 } else { 1 };
            let size = u128::MAX >> row.prefix.len.min(127);
            let last = match row.prefix.len {
                128 => first,
                _ => first | (size & !(step - 1)),
            };
            assert!(row.prefix.contains(at(row.prefix.ip, first)), "{}", row.prefix);
            assert!(row.prefix.contains(at(row.prefix.ip, last)), "{}", row.prefix);
            let outside = [first.checked_sub(step), last.checked_add(step)];
            for address in outside.into_iter().flatten() {
                let address = at(row.prefix.ip, address);
                assert!(!row.prefix.contains(address), "{address} in {}", row.prefix);
                let oracle = SPECIAL.iter().filter(|other| other.prefix.contains(address));
                match oracle.min_by_key(|other| u128::MAX >> other.prefix.len.min(127)) {
                    Some(other) => assert_eq!(class(address), other.class, "{address}"),
                    None => assert!(
                        matches!(class(address).name, "Global Unicast" | "Reserved by IETF"),
                        "{address}"
                    ),
                }
            }
            // Reached by its own network address, unless a longer row begins there too.
            let longer = SPECIAL.iter().filter(|other| other.prefix.ip == row.prefix.ip);
            let longest = longer.max_by_key(|other| other.prefix.len).unwrap();
            assert_eq!(class(row.prefix.ip), longest.class, "{}", row.prefix);
            // And its last address is its own, unless a longer row ends there too.
            let address = at(row.prefix.ip, last);
            let inner = SPECIAL
                .iter()
                .any(|other| other.prefix.len > row.prefix.len && other.prefix.contains(address));
            assert!(inner || class(address) == row.class, "{address}");
        }
    }

    /// Written out by hand, away from the table.
    #[test]
    fn classes_of_well_known_addresses() {
        for (text, kind, global) in [
            ("0.0.0.0", Kind::Unspecified, false),
            ("0.255.255.255", Kind::Unspecified, false),
            ("1.0.0.0", Kind::Public, true),
            ("9.255.255.255", Kind::Public, true),
            ("10.0.0.0", Kind::Private, false),
            ("10.255.255.255", Kind::Private, false),
            ("11.0.0.0", Kind::Public, true),
            ("100.63.255.255", Kind::Public, true),
            ("100.64.0.0", Kind::SharedAddressSpace, false),
            ("100.127.255.255", Kind::SharedAddressSpace, false),
            ("100.128.0.0", Kind::Public, true),
            ("127.0.0.1", Kind::Loopback, false),
            ("169.253.255.255", Kind::Public, true),
            ("169.254.0.0", Kind::LinkLocal, false),
            ("169.255.0.0", Kind::Public, true),
            ("172.15.255.255", Kind::Public, true),
            ("172.16.0.0", Kind::Private, false),
            ("172.31.255.255", Kind::Private, false),
            ("172.32.0.0", Kind::Public, true),
            ("191.255.255.255", Kind::Public, true),
            ("192.0.0.0", Kind::ServiceContinuity, false),
            ("192.0.0.2", Kind::ServiceContinuity, false),
            ("192.0.0.7", Kind::ServiceContinuity, false),
            ("192.0.0.8", Kind::Other, false),
            ("192.0.0.9", Kind::Other, true),
            ("192.0.0.10", Kind::Other, true),
            ("192.0.0.11", Kind::Other, false),
            ("192.0.0.170", Kind::Other, false),
            ("192.0.0.255", Kind::Other, false),
            ("192.0.1.0", Kind::Public, true),
            ("192.0.2.1", Kind::Documentation, false),
            ("192.0.3.0", Kind::Public, true),
            ("192.31.196.1", Kind::Other, true),
            ("192.88.99.1", Kind::Other, false),
            ("192.88.99.2", Kind::Other, false),
            ("192.88.100.0", Kind::Public, true),
            ("192.167.255.255", Kind::Public, true),
            ("192.168.1.1", Kind::Private, false),
            ("192.169.0.0", Kind::Public, true),
            ("198.17.255.255", Kind::Public, true),
            ("198.18.0.0", Kind::Benchmarking, false),
            ("198.19.255.255", Kind::Benchmarking, false),
            ("198.20.0.0", Kind::Public, true),
            ("198.51.100.7", Kind::Documentation, false),
            ("203.0.113.9", Kind::Documentation, false),
            ("203.0.114.0", Kind::Public, true),
            ("223.255.255.255", Kind::Public, true),
            ("224.0.0.1", Kind::Multicast, false),
            ("239.255.255.255", Kind::Multicast, false),
            ("240.0.0.1", Kind::Other, false),
            ("255.255.255.254", Kind::Other, false),
            ("255.255.255.255", Kind::Broadcast, false),
            ("::", Kind::Unspecified, false),
            ("::1", Kind::Loopback, false),
            ("::2", Kind::Other, false),
            ("::8.8.8.8", Kind::Other, false),
            ("::ffff:8.8.8.8", Kind::Embedded, false),
            ("64:ff9b::808:808", Kind::Embedded, true),
            ("64:ff9b:0:0:0:1::", Kind::Other, false),
            ("64:ff9b:1::1", Kind::Embedded, false),
            ("64:ff9b:2::", Kind::Other, false),
            ("100::1", Kind::Other, false),
            ("100:0:0:1::1", Kind::Other, false),
            ("100:0:0:2::", Kind::Other, false),
            ("1fff:ffff::", Kind::Other, false),
            ("2000::", Kind::Public, true),
            ("2001::1", Kind::Embedded, false),
            ("2001:1::", Kind::Other, false),
            ("2001:1::1", Kind::Other, true),
            ("2001:1::2", Kind::Other, true),
            ("2001:1::3", Kind::Other, true),
            ("2001:1::4", Kind::Other, false),
            ("2001:2::1", Kind::Benchmarking, false),
            ("2001:2:1::", Kind::Other, false),
            ("2001:3::1", Kind::Other, true),
            ("2001:4:111::", Kind::Other, false),
            ("2001:4:112::1", Kind::Other, true),
            ("2001:10::1", Kind::Other, false),
            ("2001:20::1", Kind::Other, true),
            ("2001:3f:ffff::", Kind::Other, true),
            ("2001:40::", Kind::Other, false),
            ("2001:1ff:ffff::", Kind::Other, false),
            ("2001:200::", Kind::Public, true),
            ("2001:db7:ffff::", Kind::Public, true),
            ("2001:db8::1", Kind::Documentation, false),
            ("2001:db9::", Kind::Public, true),
            ("2002:808:808::1", Kind::Embedded, false),
            ("2003::1", Kind::Public, true),
            ("2606:4700:4700::1111", Kind::Public, true),
            ("2620:4f:8000::1", Kind::Other, true),
            ("3ffe::1", Kind::Public, true),
            ("3fff::1", Kind::Documentation, false),
            ("3fff:fff:ffff::", Kind::Documentation, false),
            ("3fff:1000::", Kind::Public, true),
            ("4000::", Kind::Other, false),
            ("5f00::1", Kind::Other, false),
            ("fbff::", Kind::Other, false),
            ("fc00::1", Kind::UniqueLocal, false),
            ("fdff:ffff::1", Kind::UniqueLocal, false),
            ("fe00::", Kind::Other, false),
            ("fe80::1", Kind::LinkLocal, false),
            ("febf:ffff::1", Kind::LinkLocal, false),
            ("fec0::1", Kind::Other, false),
            ("ff02::1", Kind::Multicast, false),
            ("ff0e::1", Kind::Multicast, false),
        ] {
            let class = class(ip(text));
            assert_eq!((class.kind, class.global), (kind, global), "{text}: {class}");
        }
    }

    #[test]
    fn the_owner_may_declare_a_lab_public() {
        let lab = [Prefix::parse("203.0.113.0/24").unwrap()];
        assert!(!is_global(ip("203.0.113.9"), &[]));
        assert!(is_global(ip("203.0.113.9"), &lab));
        assert!(!is_global(ip("198.51.100.9"), &lab));
        assert!(is_global(ip("8.8.8.8"), &lab));
    }

    #[test]
    fn a_class_is_said_with_its_rfc() {
        assert_eq!(class(ip("100.64.0.1")).to_string(), "Shared Address Space (RFC 6598)");
    }
}
