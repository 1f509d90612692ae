//! The words nft writes for numbers, one table for all kinds.

use super::expr::Kind::{self, *};

/// Names may come again in another kind. Protocols are as in Debian's and OpenWrt's
/// /etc/protocols; the others are nft's own symbol tables.
#[rustfmt::skip]
const NAMES: &[(Kind, &str, u16)] = &[
    (Protocol, "icmp", 1), (Protocol, "igmp", 2), (Protocol, "ipencap", 4), (Protocol, "ipip", 4),
    (Protocol, "tcp", 6), (Protocol, "egp", 8), (Protocol, "igp", 9), (Protocol, "udp", 17),
    (Protocol, "dccp", 33), (Protocol, "ipv6", 41), (Protocol, "rsvp", 46), (Protocol, "gre", 47),
    (Protocol, "esp", 50), (Protocol, "ah", 51), (Protocol, "ipv6-icmp", 58),
    (Protocol, "icmpv6", 58), (Protocol, "ospf", 89), (Protocol, "pim", 103),
    (Protocol, "comp", 108), (Protocol, "ipcomp", 108), (Protocol, "vrrp", 112),
    (Protocol, "l2tp", 115), (Protocol, "sctp", 132), (Protocol, "udplite", 136),
    (Nfproto, "ipv4", 2), (Nfproto, "ip", 2), (Nfproto, "ipv6", 10), (Nfproto, "ip6", 10),
    (Nfproto, "arp", 3), (Nfproto, "vlan", 0),
    (CtState, "invalid", 1), (CtState, "established", 2), (CtState, "related", 4),
    (CtState, "new", 8), (CtState, "untracked", 64),
    (CtStatus, "expected", 1), (CtStatus, "seen-reply", 2), (CtStatus, "assured", 4),
    (CtStatus, "confirmed", 8), (CtStatus, "snat", 16), (CtStatus, "dnat", 32),
    (CtStatus, "dying", 512),
    (TcpFlags, "fin", 1), (TcpFlags, "syn", 2), (TcpFlags, "rst", 4), (TcpFlags, "psh", 8),
    (TcpFlags, "ack", 16), (TcpFlags, "urg", 32), (TcpFlags, "ecn", 64), (TcpFlags, "cwr", 128),
    (RouteType, "unicast", 1), (RouteType, "local", 2), (RouteType, "broadcast", 3),
    (RouteType, "anycast", 4), (RouteType, "multicast", 5), (RouteType, "blackhole", 6),
    (RouteType, "unreachable", 7), (RouteType, "prohibit", 8),
    (IcmpType, "echo-reply", 0), (IcmpType, "destination-unreachable", 3),
    (IcmpType, "source-quench", 4), (IcmpType, "redirect", 5), (IcmpType, "echo-request", 8),
    (IcmpType, "router-advertisement", 9), (IcmpType, "router-solicitation", 10),
    (IcmpType, "time-exceeded", 11), (IcmpType, "parameter-problem", 12),
    (IcmpType, "timestamp-request", 13), (IcmpType, "timestamp-reply", 14),
    (IcmpType, "info-request", 15), (IcmpType, "info-reply", 16),
    (IcmpType, "address-mask-request", 17), (IcmpType, "address-mask-reply", 18),
    (Icmp6Type, "destination-unreachable", 1), (Icmp6Type, "packet-too-big", 2),
    (Icmp6Type, "time-exceeded", 3), (Icmp6Type, "parameter-problem", 4),
    (Icmp6Type, "echo-request", 128), (Icmp6Type, "echo-reply", 129),
    (Icmp6Type, "mld-listener-query", 130), (Icmp6Type, "mld-listener-report", 131),
    (Icmp6Type, "mld-listener-done", 132), (Icmp6Type, "mld-listener-reduction", 132),
    (Icmp6Type, "nd-router-solicit", 133), (Icmp6Type, "nd-router-advert", 134),
    (Icmp6Type, "nd-neighbor-solicit", 135), (Icmp6Type, "nd-neighbor-advert", 136),
    (Icmp6Type, "nd-redirect", 137), (Icmp6Type, "router-renumbering", 138),
    (Icmp6Type, "ind-neighbor-solicit", 141), (Icmp6Type, "ind-neighbor-advert", 142),
    (Icmp6Type, "mld2-listener-report", 143),
    (IcmpCode, "net-unreachable", 0), (IcmpCode, "host-unreachable", 1),
    (IcmpCode, "prot-unreachable", 2), (IcmpCode, "port-unreachable", 3),
    (IcmpCode, "frag-needed", 4), (IcmpCode, "net-prohibited", 9),
    (IcmpCode, "host-prohibited", 10), (IcmpCode, "admin-prohibited", 13),
    (Icmp6Code, "no-route", 0), (Icmp6Code, "admin-prohibited", 1),
    (Icmp6Code, "addr-unreachable", 3), (Icmp6Code, "port-unreachable", 4),
    (Icmp6Code, "policy-fail", 5), (Icmp6Code, "reject-route", 6),
];

pub fn number(kind: Kind, name: &str) -> Option<u128> {
    let found = NAMES.iter().find(|(of, known, _)| *of == kind && *known == name)?;
    Some(u128::from(found.2))
}
