//! rtnetlink messages (rtnetlink(7), linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h, linux/if.h):
//! requests as bytes, replies as values. No sockets; hostile bytes cost themselves, never a panic.
//!
//! All integers are in the machine's own byte order. Lengths are checked before each read; a
//! message that claims more than it has ends the walk.

use crate::model::lan::Mac;
use crate::model::name::Family;
use crate::model::wan::{Address, Link, Route};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

pub const NLMSG_ERROR: u16 = 2;
pub const NLMSG_DONE: u16 = 3;
pub const RTM_NEWLINK: u16 = 16;
pub const RTM_DELLINK: u16 = 17;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_NEWADDR: u16 = 20;
pub const RTM_DELADDR: u16 = 21;
pub const RTM_GETADDR: u16 = 22;
pub const RTM_NEWROUTE: u16 = 24;
pub const RTM_DELROUTE: u16 = 25;
pub const RTM_GETROUTE: u16 = 26;
pub const RTM_NEWNEIGH: u16 = 28;
pub const RTM_GETNEIGH: u16 = 30;
pub const RTM_NEWRULE: u16 = 32;
pub const RTM_DELRULE: u16 = 33;
pub const RTM_GETRULE: u16 = 34;

const NLM_F_REQUEST: u16 = 0x01;
const NLM_F_DUMP: u16 = 0x300;
/// The dump was torn by a change: ask again.
pub const NLM_F_DUMP_INTR: u16 = 0x10;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const IFF_UP: u32 = 0x1;
const IFF_LOOPBACK: u32 = 0x8;
const IFLA_IFNAME: u16 = 3;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;

/// NUD_INCOMPLETE, NUD_FAILED, NUD_NOARP (linux/neighbour.h): nobody is known to be there.
const NUD_NOBODY: u16 = 0x01 | 0x20 | 0x40;

/// linux/fib_rules.h.
const FRA_FWMARK: u16 = 10;

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_MARK: u16 = 16;
const RTA_VIA: u16 = 18;

/// Route types that carry packets somewhere (RTN_UNICAST); blackhole and its kin do not.
const RTN_UNICAST: u8 = 1;

/// One netlink message: the header's fields and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub seq: u32,
    pub payload: &'a [u8],
}

/// The messages of one datagram, in order, up to the first that does not hold together.
pub fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = u32_at(datagram, 0)? as usize;
        let kind = u16_at(datagram, 4)?;
        let flags = u16_at(datagram, 6)?;
        let seq = u32_at(datagram, 8)?;
        let payload = datagram.get(16..len)?;
        datagram = datagram.get(align(len)..).unwrap_or(&[]);
        Some(Message { kind, flags, seq, payload })
    })
}

/// RTM_GETLINK for all links.
pub fn dump_links(seq: u32) -> Vec<u8> {
    // struct ifinfomsg: family, padding, type (u16), index (i32), flags, change.
    request(RTM_GETLINK, NLM_F_DUMP, seq, &[0; 16])
}

/// RTM_GETADDR for all addresses of one family.
pub fn dump_addresses(family: Family, seq: u32) -> Vec<u8> {
    // struct ifaddrmsg: family, prefixlen, flags, scope, index.
    request(RTM_GETADDR, NLM_F_DUMP, seq, &[af(family), 0, 0, 0, 0, 0, 0, 0])
}

/// RTM_GETNEIGH for all IPv6 neighbours.
pub fn dump_neighbours(seq: u32) -> Vec<u8> {
    // struct ndmsg: family, padding (3 bytes), index (i32), state (u16), flags, type.
    request(RTM_GETNEIGH, NLM_F_DUMP, seq, &[AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// RTM_GETRULE for all policy rules of one family.
pub fn dump_rules(family: Family, seq: u32) -> Vec<u8> {
    // struct fib_rule_hdr: family, lengths, tos, table, two reserved, action, flags (u32).
    request(RTM_GETRULE, NLM_F_DUMP, seq, &[af(family), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// RTM_GETROUTE: which way would the kernel send a packet to `to`, by `device` if that is not 0,
/// from `source`, with this mark if it is not 0?
pub fn lookup_route(
    to: IpAddr,
    device: u32,
    source: Option<IpAddr>,
    mark: u32,
    seq: u32,
) -> Vec<u8> {
    lookup(to, source, &[(RTA_OIF, device), (RTA_MARK, mark)], seq)
}

/// RTM_GETROUTE: what would the kernel do with a packet that comes in by link `by`?
pub fn lookup_passage(from: IpAddr, to: IpAddr, by: u32, mark: u32, seq: u32) -> Vec<u8> {
    lookup(to, Some(from), &[(RTA_IIF, by), (RTA_MARK, mark)], seq)
}

fn lookup(to: IpAddr, source: Option<IpAddr>, numbers: &[(u16, u32)], seq: u32) -> Vec<u8> {
    let to = octets(to);
    let source = source.map(octets).unwrap_or_default();
    // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags (u32).
    let family = if to.len() == 4 { AF_INET } else { AF_INET6 };
    let mut body = vec![family, to.len() as u8 * 8, source.len() as u8 * 8, 0];
    body.resize(12, 0);
    attribute(&mut body, RTA_DST, &to);
    if !source.is_empty() {
        attribute(&mut body, RTA_SRC, &source);
    }
    for (kind, value) in numbers {
        if *value != 0 {
            attribute(&mut body, *kind, &value.to_ne_bytes());
        }
    }
    request(RTM_GETROUTE, 0, seq, &body)
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
}

/// The link of a RTM_NEWLINK message, without its addresses.
pub fn link(message: &Message<'_>) -> Option<Link> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let (index, flags) = (u32_at(message.payload, 4)?, u32_at(message.payload, 8)?);
    let mut attributes = attributes(message.payload.get(16..)?);
    let (_, name) = attributes.find(|(kind, _)| *kind == IFLA_IFNAME)?;
    Some(Link {
        index,
        name: String::from_utf8_lossy(name.strip_suffix(&[0])?).into_owned(),
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        addresses: Vec::new(),
    })
}

/// The interface index and the address of a RTM_NEWADDR message.
pub fn address(message: &Message<'_>) -> Option<(u32, Address)> {
    if message.kind != RTM_NEWADDR {
        return None;
    }
    let body = message.payload;
    let family = *body.first()?;
    let prefix_len = *body.get(1)?;
    let mut flags = u32::from(*body.get(2)?);
    let index = u32_at(body, 4)?;
    let (mut peer, mut local) = (None, None);
    let (mut preferred, mut valid) = (None, None);
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            IFA_ADDRESS => peer = ip(family, value),
            IFA_LOCAL => local = ip(family, value),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            IFA_CACHEINFO => {
                preferred = lifetime(u32_at(value, 0)?);
                valid = lifetime(u32_at(value, 4)?);
            }
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL, where present, is ours.
    let ip = local.or(peer)?;
    Some((index, Address { ip, prefix_len, flags, preferred, valid }))
}

/// The link's index, MAC and address of a RTM_NEWNEIGH message for an Ethernet neighbour that was
/// heard of.
pub fn neighbour(message: &Message<'_>) -> Option<(u32, Mac, Ipv6Addr)> {
    let body = message.payload;
    if message.kind != RTM_NEWNEIGH || *body.first()? != AF_INET6 {
        return None;
    }
    let (index, state) = (u32_at(body, 4)?, u16_at(body, 8)?);
    if state == 0 || state & NUD_NOBODY != 0 {
        return None;
    }
    let (mut to, mut mac) = (None, None);
    for (kind, value) in attributes(body.get(12..)?) {
        match kind {
            NDA_DST => to = <[u8; 16]>::try_from(value).ok().map(Ipv6Addr::from),
            NDA_LLADDR => mac = <[u8; 6]>::try_from(value).ok().map(Mac),
            _ => {}
        }
    }
    Some((index, mac?, to?))
}

/// The mark that a RTM_NEWRULE message's rule looks for.
pub fn mark(message: &Message<'_>) -> Option<u32> {
    if message.kind != RTM_NEWRULE {
        return None;
    }
    let mut attributes = attributes(message.payload.get(12..)?);
    let (_, value) = attributes.find(|(kind, _)| *kind == FRA_FWMARK)?;
    u32_at(value, 0)
}

/// The reply to [`lookup_route`]; `None` where packets go nowhere.
pub fn route(message: &Message<'_>) -> Option<Route> {
    let family = *message.payload.first()?;
    if message.kind != RTM_NEWROUTE || *message.payload.get(7)? != RTN_UNICAST {
        return None;
    }
    let (mut device, mut gateway, mut source) = (None, None, None);
    for (kind, value) in attributes(message.payload.get(12..)?) {
        match kind {
            RTA_OIF => device = u32_at(value, 0),
            RTA_GATEWAY => gateway = ip(family, value),
            RTA_PREFSRC => source = ip(family, value),
            // struct rtvia: an IPv6 router for IPv4 (RFC 5549).
            RTA_VIA => gateway = ip(u16_at(value, 0)? as u8, value.get(2..)?),
            _ => {}
        }
    }
    Some(Route { device: device?, gateway, source })
}

/// The errno of a NLMSG_ERROR message; 0 is an acknowledgement.
pub fn error(message: &Message<'_>) -> Option<i32> {
    if message.kind != NLMSG_ERROR {
        return None;
    }
    u32_at(message.payload, 0).map(|code| (code as i32).wrapping_neg())
}

/// Can this change what we publish? Addresses, links and rules: yes. Routes: only default ones, so
/// that a router with a full table does not keep us awake.
pub fn is_news(message: &Message<'_>) -> bool {
    match message.kind {
        RTM_NEWLINK | RTM_DELLINK | RTM_NEWADDR | RTM_DELADDR | RTM_NEWRULE | RTM_DELRULE => true,
        RTM_NEWROUTE | RTM_DELROUTE => message.payload.get(1) == Some(&0),
        _ => false,
    }
}

fn request(kind: u16, flags: u16, seq: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + body.len());
    bytes.extend_from_slice(&(16 + body.len() as u32).to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
    bytes.extend_from_slice(&seq.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(body);
    bytes
}

/// Attributes (struct rtattr) as (type without its flag bits, value).
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = u16_at(bytes, 0)? as usize;
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..len)?;
        bytes = bytes.get(align(len)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(value).ok().map(|o| Ipv4Addr::from(o).into()),
        AF_INET6 => <[u8; 16]>::try_from(value).ok().map(|o| Ipv6Addr::from(o).into()),
        _ => None,
    }
}

fn lifetime(seconds: u32) -> Option<Duration> {
    (seconds != u32::MAX).then(|| Duration::from_secs(seconds.into()))
}

fn af(family: Family) -> u8 {
    match family {
        Family::Ipv4 => AF_INET,
        Family::Ipv6 => AF_INET6,
    }
}

fn align(len: usize) -> usize {
    len.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(align(bytes.len()), 0);
        bytes
    }

    /// An address message as the kernel sends it for a PPPoE link.
    fn pppoe() -> Vec<u8> {
        let mut body = vec![AF_INET, 32, 0x80, 0, 7, 0, 0, 0];
        if cfg!(target_endian = "big") {
            body[4..8].reverse();
        }
        body.extend(attribute(IFA_ADDRESS, &[62, 52, 0, 1]));
        body.extend(attribute(IFA_LOCAL, &[203, 0, 113, 9]));
        body.extend(attribute(3, b"pppoe-wan\0"));
        body.extend(attribute(IFA_FLAGS, &0x280u32.to_ne_bytes()));
        let mut cache = 3600u32.to_ne_bytes().to_vec();
        cache.extend(u32::MAX.to_ne_bytes());
        cache.extend([0; 8]);
        body.extend(attribute(IFA_CACHEINFO, &cache));
        request(RTM_NEWADDR, 2, 5, &body)
    }

    #[test]
    fn our_end_of_a_point_to_point_link() {
        let bytes = pppoe();
        let message = messages(&bytes).next().unwrap();
        let (index, address) = address(&message).unwrap();
        assert_eq!((index, message.seq), (7, 5));
        assert_eq!(address.ip.to_string(), "203.0.113.9");
        assert_eq!((address.prefix_len, address.flags), (32, 0x280));
        assert_eq!(address.preferred, Some(Duration::from_secs(3600)));
        assert_eq!(address.valid, None);
    }

    /// A link message whose last attribute, an empty one, claims `len` bytes; qemu's user mode says
    /// 0x400 for 4 on big-endian machines.
    fn link_message(len: u16) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 0];
        body.extend(7u32.to_ne_bytes());
        body.extend(0x11043u32.to_ne_bytes());
        body.extend([0; 4]);
        body.extend(attribute(IFLA_IFNAME, b"wan0\0"));
        body.extend(attribute(13, &1000u32.to_ne_bytes()));
        body.extend(len.to_ne_bytes());
        body.extend(0x8041u16.to_ne_bytes());
        request(RTM_NEWLINK, 2, 1, &body)
    }

    #[test]
    fn a_link_whatever_follows_its_name() {
        for len in [4, 0x400, 0, 1, u16::MAX] {
            let bytes = link_message(len);
            let link = link(&messages(&bytes).next().unwrap()).unwrap();
            assert_eq!((link.index, &*link.name, link.up, link.loopback), (7, "wan0", true, false));
        }
        assert_eq!(messages(&pppoe()).filter_map(|m| link(&m)).count(), 0);
        let asked = dump_links(3);
        assert_eq!(messages(&asked).next().unwrap().kind, RTM_GETLINK);
    }

    #[test]
    fn two_messages_in_one_datagram() {
        let mut bytes = pppoe();
        bytes.extend(pppoe());
        assert_eq!(messages(&bytes).filter_map(|m| address(&m)).count(), 2);
    }

    #[test]
    fn a_torn_datagram_costs_only_what_is_missing() {
        let mut bytes = pppoe();
        bytes.extend(pppoe());
        for len in 0..bytes.len() {
            let found = messages(&bytes[..len]).filter_map(|m| address(&m)).count();
            assert_eq!(found, usize::from(len >= pppoe().len()), "cut at {len}");
        }
    }

    #[test]
    fn hostile_bytes_never_panic_and_always_end() {
        let good = pppoe();
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..50_000 {
            let mut bytes = good.clone();
            for _ in 0..4 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let at = seed as usize % bytes.len();
                bytes[at] = (seed >> 32) as u8;
            }
            for message in messages(&bytes).take(1000) {
                let _ = (address(&message), route(&message), error(&message));
                let _ = (is_news(&message), neighbour(&message), mark(&message), link(&message));
            }
        }
    }

    #[test]
    fn a_neighbour_is_known_by_its_mac() {
        let message = |state: u16, mac: &[u8]| {
            let mut body = vec![AF_INET6, 0, 0, 0];
            body.extend(3u32.to_ne_bytes());
            body.extend(state.to_ne_bytes());
            body.extend([0, 1]);
            let ip: Ipv6Addr = "2001:db8:1::10".parse().unwrap();
            body.extend(attribute(NDA_DST, &ip.octets()));
            body.extend(attribute(NDA_LLADDR, mac));
            request(RTM_NEWNEIGH, 2, 1, &body)
        };
        let read = |bytes: Vec<u8>| neighbour(&messages(&bytes).next().unwrap());
        let mac = [2, 0, 0, 0, 0, 1];
        for state in [0x02, 0x04, 0x08, 0x10, 0x80] {
            let found = read(message(state, &mac));
            assert_eq!(found, Some((3, Mac(mac), "2001:db8:1::10".parse().unwrap())), "{state}");
        }
        for state in [0, 0x01, 0x20, 0x40] {
            assert_eq!(read(message(state, &mac)), None, "nobody was heard there: {state}");
        }
        assert_eq!(read(message(2, &[0; 8])), None, "no Ethernet");
        let good = message(2, &mac);
        for len in 0..good.len() {
            assert_eq!(messages(&good[..len]).filter_map(|m| neighbour(&m)).count(), 0);
        }
    }

    #[test]
    fn a_message_of_length_zero_ends_the_walk() {
        assert_eq!(messages(&[0; 64]).count(), 0);
    }

    #[test]
    fn a_way_out_with_its_router() {
        let to: IpAddr = "1.0.0.1".parse().unwrap();
        let own: IpAddr = "203.0.113.9".parse().unwrap();
        let bytes = lookup_route(to, 7, Some(own), 0x100, 4);
        let asked = messages(&bytes).next().unwrap();
        assert_eq!((asked.kind, asked.flags, asked.seq), (RTM_GETROUTE, 1, 4));
        assert_eq!(asked.payload[..4], [AF_INET, 32, 32, 0]);
        let got: Vec<_> = attributes(&asked.payload[12..]).collect();
        let want = [
            (RTA_DST, vec![1, 0, 0, 1]),
            (RTA_SRC, vec![203, 0, 113, 9]),
            (RTA_OIF, 7u32.to_ne_bytes().to_vec()),
            (RTA_MARK, 0x100u32.to_ne_bytes().to_vec()),
        ];
        assert!(got.iter().zip(&want).all(|(a, b)| a.0 == b.0 && a.1 == b.1), "{got:?}");
        assert_eq!(got.len(), want.len());
        // The kernel's answer, and one with an IPv6 router for IPv4.
        for (router, gateway) in [
            (attribute(RTA_GATEWAY, &[203, 0, 113, 1]), "203.0.113.1"),
            (
                attribute(
                    RTA_VIA,
                    &[&10u16.to_ne_bytes()[..], &[0xfe, 0x80], &[0; 13], &[1]].concat(),
                ),
                "fe80::1",
            ),
        ] {
            let mut body = vec![AF_INET, 32, 0, 0, 254, 0, 0, RTN_UNICAST, 0, 2, 0, 0];
            body.extend(attribute(RTA_DST, &[1, 0, 0, 1]));
            body.extend(router);
            body.extend(attribute(RTA_OIF, &7u32.to_ne_bytes()));
            body.extend(attribute(RTA_PREFSRC, &[203, 0, 113, 9]));
            let bytes = request(RTM_NEWROUTE, 0, 4, &body);
            let gateway = gateway.parse().ok();
            let want = Route { device: 7, gateway, source: Some(own) };
            assert_eq!(route(&messages(&bytes).next().unwrap()), Some(want));
        }
    }

    #[test]
    fn a_rule_looks_for_a_mark() {
        // `fwmark 0x100/0x3f00 lookup 1`, as the kernel tells it.
        let mut body = vec![AF_INET, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0];
        body.extend(attribute(15, &1u32.to_ne_bytes()));
        body.extend(attribute(6, &2001u32.to_ne_bytes()));
        body.extend(attribute(FRA_FWMARK, &0x100u32.to_ne_bytes()));
        body.extend(attribute(16, &0x3f00u32.to_ne_bytes()));
        let bytes = request(RTM_NEWRULE, 2, 1, &body);
        assert_eq!(mark(&messages(&bytes).next().unwrap()), Some(0x100));
        for len in 0..bytes.len() {
            assert_eq!(messages(&bytes[..len]).filter_map(|m| mark(&m)).count(), 0);
        }
        let without = request(RTM_NEWRULE, 2, 1, &body[..12]);
        assert_eq!(mark(&messages(&without).next().unwrap()), None);
        let asked = dump_rules(Family::Ipv6, 3);
        let asked = messages(&asked).next().unwrap();
        assert_eq!((asked.kind, asked.payload.len(), asked.payload[0]), (34, 12, AF_INET6));
    }

    #[test]
    fn a_blackhole_is_no_way_out() {
        let mut body = vec![AF_INET, 32, 0, 0, 254, 0, 0, RTN_UNICAST, 0, 0, 0, 0];
        body.extend(attribute(RTA_OIF, &3u32.to_ne_bytes()));
        let bytes = request(RTM_NEWROUTE, 0, 1, &body);
        let want = Route { device: 3, gateway: None, source: None };
        assert_eq!(route(&messages(&bytes).next().unwrap()), Some(want));
        body[7] = 6;
        let bytes = request(RTM_NEWROUTE, 0, 1, &body);
        assert_eq!(route(&messages(&bytes).next().unwrap()), None);
    }

    #[test]
    fn only_default_routes_are_news() {
        let with_len = |len| request(RTM_NEWROUTE, 0, 0, &[AF_INET, len, 0, 0, 0, 0, 0, 1]);
        assert!(is_news(&messages(&with_len(0)).next().unwrap()));
        assert!(!is_news(&messages(&with_len(24)).next().unwrap()));
    }
}
