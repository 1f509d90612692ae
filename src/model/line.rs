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
