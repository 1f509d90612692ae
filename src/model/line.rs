//! What the ISP gives on one WAN: the facts that can tell, and the verdict they lead to.
//! Gathering the facts is `lookup`'s and `observe`'s work, weighing them is `line`'s.

use super::address::Prefix;
use super::known::Known;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// By what means somebody outside told us our address. They fail in different ways: a transparent
/// proxy deceives HTTP, not HTTPS, DNS or STUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Means {
    Https,
    /// Without TLS: anybody on the way may answer in its place.
    Http,
    /// The address that a DNS server was asked from (whoami names).
    Dns,
    /// A Binding request over UDP (RFC 8489).
    Stun,
    /// The upstream router's own word on its outside address.
    Gateway,
}

impl Means {
    pub const ALL: [Means; 5] =
        [Means::Https, Means::Http, Means::Dns, Means::Stun, Means::Gateway];
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Means::Https => "HTTPS",
            Means::Http => "HTTP",
            Means::Dns => "DNS",
            Means::Stun => "STUN",
            Means::Gateway => "gateway",
        })
    }
}

/// One service's word on the address that the Internet sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// As written in the config: `https://...`, `stun:HOST`, `dns:NAME@SERVER/TYPE`, `gateway:`.
    pub service: String,
    pub means: Means,
    pub answer: Result<IpAddr, String>,
}

/// What the upstream router said when it was asked for its outside address. Each part may have
/// stayed without an answer, which proves nothing: most routers have these switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The default gateway that was asked.
    pub address: IpAddr,
    /// NAT-PMP (RFC 6886 3.2): result code, and its outside address if it named one.
    pub natpmp: Known<(u16, Option<Ipv4Addr>)>,
    /// PCP ANNOUNCE (RFC 6887 14.1): the result code.
    pub pcp_announce: Known<u8>,
    /// PCP MAP for a short while, deleted at once: the result code and the outside address.
    /// Unknown as "not asked" unless the owner allowed it.
    pub pcp_map: Known<(u8, Option<IpAddr>)>,
    /// UPnP IGD: the device's friendly name and its outside address; `None`: it has none.
    pub upnp: Known<(String, Option<IpAddr>)>,
}

/// One router on the way out that answered a packet whose TTL ran out there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The TTL that ended here: 1 is the default gateway.
    pub ttl: u8,
    /// `None`: nobody answered, which proves nothing.
    pub from: Option<IpAddr>,
}

/// Which external ports of a shared address are ours (RFC 7597 5.1): inclusive, sorted, disjoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet(pub Vec<(u16, u16)>);

impl PortSet {
    /// More ranges than any ISP hands out; what claims more is not read.
    pub const MOST_RANGES: usize = 4096;

    /// The ports that a PSID stands for (RFC 7597 5.1 and appendix B): `offset` is a, `psid_len`
    /// is k, m = 16 - a - k is what remains. Port P is ours if its k bits after the first a are
    /// the PSID, and its first a bits are not all zero (unless a = 0). A PSID of no bits shares
    /// nothing: all ports. `None`: no such numbers can be.
    pub fn of_psid(offset: u8, psid_len: u8, psid: u16) -> Option<PortSet> {
        let m = 16u32.checked_sub(u32::from(offset) + u32::from(psid_len))?;
        if u32::from(psid) >> psid_len != 0 || 1usize << offset > Self::MOST_RANGES {
            return None;
        }
        if psid_len == 0 {
            return Some(PortSet(vec![(0, u16::MAX)]));
        }
        let first = u32::from(offset != 0);
        let ranges = (first..1 << offset).map(|high| {
            let low = (high << (16 - u32::from(offset))) + (u32::from(psid) << m);
            (low as u16, (low + (1 << m) - 1) as u16)
        });
        Some(Self::of_ranges(ranges.collect()))
    }

    /// Sorts, and joins what touches.
    pub fn of_ranges(mut ranges: Vec<(u16, u16)>) -> PortSet {
        ranges.retain(|(low, high)| low <= high);
        ranges.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match joined.last_mut() {
                Some(last) if u32::from(low) <= u32::from(last.1) + 1 => last.1 = last.1.max(high),
                _ => joined.push((low, high)),
            }
        }
        PortSet(joined)
    }

    /// Whether a forward of this external port can work.
    pub fn usable(&self, port: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&port))
    }

    /// Of our ports the one nearest to `port` that is not in `taken`; the lower of two.
    pub fn nearest_free(&self, port: u16, taken: &[u16]) -> Option<u16> {
        let free = |one: &u16| !taken.contains(one);
        self.0
            .iter()
            .flat_map(|(low, high)| {
                // In each range the nearest stands at, or on either side of, the wanted one.
                let at = port.clamp(*low, *high);
                [(*low..=at).rev().find(free), (at..=*high).find(free)]
            })
            .flatten()
            .min_by_key(|one| (one.abs_diff(port), *one))
    }

    /// How many ports there are.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|(low, high)| u32::from(*high) - u32::from(*low) + 1).sum()
    }
}

/// What the ISP gives on one WAN, for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The WAN's own address is what the Internet sees.
    Public,
    /// Carrier-grade NAT (RFC 6888); `behind`: the customer's own router in between.
    Cgnat { behind: Option<Upstream> },
    /// Behind another router of the owner's, which must forward too.
    DoubleNat { upstream: Upstream },
    /// IPv4 in IPv6 to the ISP's AFTR, which translates (RFC 6333).
    DsLite,
    /// A public address shared port-wise: MAP-E (RFC 7597), MAP-T (RFC 7599), lw4o6 (RFC 7596).
    Map { kind: MapKind, ports: Known<PortSet> },
    /// IPv4 translated to IPv6 here and back at the ISP (RFC 6877).
    Xlat464,
    /// Packets to the Internet leave through a VPN; the address seen is the VPN's.
    VpnEgress,
    /// Mobile network with the carrier's own NAT, the normal case there.
    MobileCarrier,
    /// No usable way to the Internet.
    Down,
    /// The evidence does not tell.
    Unknown,
}

/// What a MAP line's own papers say (`/tmp/map-NETWORK.rules`, or netifd's firewall rules).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRule {
    /// `None`: it is not written down.
    pub kind: Option<MapKind>,
    /// The shared address.
    pub address: Option<Ipv4Addr>,
    pub ports: Known<PortSet>,
}

/// What the router shows of one WAN beside its device and addresses. Each part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// netifd's logical network.
    pub network: Option<String>,
    /// netifd's protocol (`dhcp`, `pppoe`, `dslite`); without netifd the kernel's word on the
    /// device (`wireguard`, `tun`, `wwan`, `ip6tnl`).
    pub proto: Option<String>,
    /// With proto `map`.
    pub map: Option<MapRule>,
    /// Next router of the default route over this device.
    pub gateway: Option<IpAddr>,
    /// The device by which the kernel sends our own packets to the Internet, if it is another.
    pub egress: Option<String>,
    /// The device by which answers from the WAN's own address would leave, if it is another.
    pub astray: Option<Astray>,
    /// Prefixes delegated to us over this device.
    pub delegated: Vec<Prefix>,
    /// netifd's complaints: `pppoe: AUTH_FAILED`.
    pub errors: Vec<String>,
}

/// Where answers go that do not leave by the WAN whose address they bear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Astray {
    pub device: String,
    /// With this mark they leave by the WAN; `None`: with none that the kernel's rules know.
    pub back_by: Known<Option<u32>>,
}

/// Which way packets go by, as far as the protocol alone tells it. What is not listed (dhcp,
/// static, ipip6, 6in4, ...) tells nothing by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    DsLite,
    Map,
    Xlat464,
    Mobile,
    Ppp,
    /// A tunnel of IPv4 in IPv6 to nobody knows whom.
    FourInSix,
    Vpn,
}

/// netifd's protocols, and the kernel's words on links where there is no netifd.
const WAYS: &[(&str, Way)] = &[
    ("dslite", Way::DsLite),
    ("map", Way::Map),
    ("464xlat", Way::Xlat464),
    ("qmi", Way::Mobile),
    ("mbim", Way::Mobile),
    ("ncm", Way::Mobile),
    ("modemmanager", Way::Mobile),
    ("3g", Way::Mobile),
    ("directip", Way::Mobile),
    ("wwan", Way::Mobile),
    ("pppoe", Way::Ppp),
    ("pppoa", Way::Ppp),
    ("ipip6", Way::FourInSix),
    ("ip6tnl", Way::FourInSix),
    ("wireguard", Way::Vpn),
    ("amneziawg", Way::Vpn),
    ("openvpn", Way::Vpn),
    ("openconnect", Way::Vpn),
    ("openfortivpn", Way::Vpn),
    ("vpnc", Way::Vpn),
    ("sstp", Way::Vpn),
    ("xfrm", Way::Vpn),
    ("vti", Way::Vpn),
    ("tun", Way::Vpn),
];

impl Way {
    pub fn of(proto: &str) -> Option<Way> {
        WAYS.iter().find(|(name, _)| *name == proto).map(|(_, way)| *way)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    MapE,
    MapT,
    Lw4o6,
}

/// The router above ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Its address on our side: the default gateway.
    pub address: Option<IpAddr>,
    /// Its own outside address, as it said.
    pub outside: Option<IpAddr>,
    /// What it calls itself (UPnP friendly name), control characters taken out.
    pub name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    Unknown,
    Likely,
    Proved,
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Certainty::Unknown => "unknown",
            Certainty::Likely => "likely",
            Certainty::Proved => "proved",
        })
    }
}

/// The verdict on one line, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub line: Line,
    pub certainty: Certainty,
    /// Each a sentence of what was seen and where: `the WAN address 100.64.7.9 is Shared Address
    /// Space (RFC 6598)`.
    pub evidence: Vec<String>,
    /// IPv6: the prefixes delegated to us.
    pub delegated: Vec<Prefix>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From mapcalc, a real JPNE line, and RFC 7597 5.1.
    #[test]
    fn port_sets_of_real_lines() {
        type Case<'a> = (u8, u8, u16, &'a [(u16, u16)], (u16, u16), usize, u32);
        let cases: &[Case] = &[
            (6, 6, 0x11, &[(1296, 1311), (2320, 2335)], (64784, 64799), 63, 1008),
            (4, 8, 100, &[(5696, 5711), (9792, 9807)], (63040, 63055), 15, 240),
            (4, 8, 0xff, &[(8176, 8191), (12272, 12287)], (65520, 65535), 15, 240),
            (0, 2, 3, &[(49152, 65535)], (49152, 65535), 1, 16384),
            (0, 0, 0, &[(0, 65535)], (0, 65535), 1, 65536),
            (6, 0, 0, &[(0, 65535)], (0, 65535), 1, 65536),
            (0, 16, 443, &[(443, 443)], (443, 443), 1, 1),
        ];
        for (offset, len, psid, first, last, ranges, count) in cases {
            let set = PortSet::of_psid(*offset, *len, *psid).unwrap();
            assert_eq!(&set.0[..first.len()], *first, "{offset} {len} {psid}");
            assert_eq!((set.0.last(), set.0.len()), (Some(last), *ranges));
            assert_eq!(set.count(), *count);
            // The rule for one port, written the other way round.
            let m = 16 - offset - len;
            for port in 0..=u16::MAX {
                let ours = *len == 0
                    || ((*offset == 0 || port >> (16 - offset) != 0)
                        && (u32::from(port) >> m) & ((1 << len) - 1) == u32::from(*psid));
                assert_eq!(set.usable(port), ours, "{offset} {len} {psid}: {port}");
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be() {
        for (offset, len, psid) in [(17, 0, 0), (8, 9, 0), (255, 255, 1), (4, 2, 4), (15, 1, 0)] {
            assert_eq!(PortSet::of_psid(offset, len, psid), None, "{offset} {len} {psid}");
        }
    }

    #[test]
    fn the_nearest_free_port() {
        let set = PortSet(vec![(1296, 1311), (2320, 2335), (64784, 64799)]);
        for (port, taken, want) in [
            (443, &[][..], Some(1296)),
            (443, &[1296, 1297], Some(1298)),
            (1300, &[], Some(1300)),
            (1300, &[1300], Some(1299)),
            (1300, &[1299, 1300], Some(1301)),
            (1815, &[], Some(1311)),
            (1816, &[], Some(2320)),
            (65535, &[], Some(64799)),
        ] {
            assert_eq!(set.nearest_free(port, taken), want, "{port} {taken:?}");
        }
        assert_eq!(PortSet::default().nearest_free(80, &[]), None);
        let one = PortSet(vec![(80, 80)]);
        assert_eq!(one.nearest_free(80, &[80]), None);
    }

    #[test]
    fn ranges_are_sorted_and_joined() {
        let set =
            PortSet::of_ranges(vec![(9, 3), (20, 30), (1, 4), (5, 6), (65535, 65535), (28, 40)]);
        assert_eq!(set.0, [(1, 6), (20, 40), (65535, 65535)]);
    }
}
