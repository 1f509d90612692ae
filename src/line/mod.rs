//! What the ISP gives on one WAN, judged from evidence. Pure: what the router shows, what lookups
//! and the upstream router said go in; a verdict with its certainty and its reasons comes out.
//! Gathering is `observe`'s and `lookup`'s work, what to publish is `decide`'s.
//!
//! The protocol of the WAN counts first, then the class of its address, then what others say. A
//! fact that is missing lowers the certainty and never turns a verdict into another; words that
//! anybody on the way could have spoken (HTTP) turn none either.

use crate::model::address::{Kind, Prefix, class, is_global};
use crate::model::known::Known;
use crate::model::line::{
    Certainty, Gateway, Hop, Line, MapKind, Means, Seen, Upstream, Verdict, Way,
};
use crate::model::name::Family;
use crate::model::wan::{Because, Wan};
use std::net::IpAddr;

mod words;

pub use words::{key, meaning, summary, title};

/// NAT-PMP (RFC 6886 3.5): the gateway has no Internet address itself.
const PMP_NETWORK_FAILURE: u16 = 3;
/// PCP (RFC 6887 7.4): what miniupnpd says behind another NAT.
const PCP_NO_RESOURCES: u8 = 8;

/// Everything there is to judge by.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub wan: &'a Wan,
    /// Answers of lookups that were bound to this WAN, while it had these addresses.
    pub seen: &'a [Seen],
    pub gateway: Option<&'a Gateway>,
    pub hops: &'a [Hop],
    pub assume_public: &'a [Prefix],
}

/// Judges one WAN in one family.
pub fn verdict(facts: &Facts) -> Verdict {
    let mut judge = Judge { facts, evidence: Vec::new() };
    let access = &facts.wan.access;
    let (line, certainty) = match &facts.wan.device {
        Known::Unknown(why) => {
            judge.say(why.clone());
            (Line::Unknown, Certainty::Unknown)
        }
        Known::Known(None) => {
            judge.say(match &facts.wan.asked {
                Some(asked) => format!("'{asked}' is down or does not exist"),
                None => format!("there is no {} way to the Internet", label(facts.wan.family)),
            });
            (Line::Down, Certainty::Proved)
        }
        Known::Known(Some((device, because))) => {
            let judged = match facts.wan.family {
                Family::Ipv4 => judge.ipv4(device),
                Family::Ipv6 => judge.ipv6(device),
            };
            judge.outside();
            if let Some(egress) =
                access.egress.as_ref().filter(|_| *because != Because::KernelRoute)
            {
                judge.say(format!("the router's own packets leave by {egress}"));
            }
            judged
        }
    };
    for error in &access.errors {
        judge.say(format!("netifd complains: {error}"));
    }
    let mut evidence = judge.evidence;
    for sentence in &mut evidence {
        if sentence.contains(char::is_control) {
            *sentence = sentence.replace(char::is_control, " ");
        }
    }
    Verdict { line, certainty, evidence, delegated: access.delegated.clone() }
}

/// Whether the Internet is known to see none of the WAN's own addresses, though one of them looks
/// public: enough lookups that cannot be deceived on the way agree on another.
pub fn sees_another(wan: &Wan, seen: &[Seen], assume_public: &[Prefix]) -> Option<IpAddr> {
    let facts = Facts { wan, seen, gateway: None, hops: &[], assume_public };
    match outside(&facts) {
        Outside::Another(ip) => Some(ip),
        _ => None,
    }
}

/// `IPv4`, `IPv6`: the family in a sentence.
fn label(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

/// What those who cannot be deceived on the way (HTTPS, DNS, STUN) say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    /// Nobody, or nobody who counts.
    Silent,
    /// One of our own addresses.
    Ours,
    /// One of ours, and others.
    OursAndOthers,
    /// At least two services say this one.
    Another(IpAddr),
    /// One service says it, alone.
    OneVoice(IpAddr),
    /// Different addresses, none of them ours.
    Others,
}

fn outside(facts: &Facts) -> Outside {
    let trusted = facts.seen.iter().filter(|one| {
        matches!(one.means, Means::Https | Means::Dns | Means::Stun) && one.answer.is_ok()
    });
    let (mut ours, mut others): (usize, Vec<IpAddr>) = (0, Vec::new());
    for ip in trusted.filter_map(|one| one.answer.as_ref().ok()) {
        if is_ours(facts.wan, *ip) {
            ours += 1;
        } else {
            others.push(*ip);
        }
    }
    match (ours, &others[..]) {
        (0, []) => Outside::Silent,
        (_, []) => Outside::Ours,
        (0, [one]) => Outside::OneVoice(*one),
        (0, [one, rest @ ..]) if rest.iter().all(|ip| ip == one) => Outside::Another(*one),
        (0, _) => Outside::Others,
        _ => Outside::OursAndOthers,
    }
}

/// One of the WAN's own; for IPv6 also another address of the same /64 or of a delegated prefix.
fn is_ours(wan: &Wan, ip: IpAddr) -> bool {
    wan.access.delegated.iter().any(|prefix| prefix.contains(ip))
        || wan.addresses.iter().any(|own| {
            let len = if ip.is_ipv4() { 32 } else { 64 };
            own.ip == ip || (!ip.is_ipv4() && Prefix { ip: own.ip, len }.contains(ip))
        })
}

struct Judge<'a> {
    facts: &'a Facts<'a>,
    evidence: Vec<String>,
}

type Judged = (Line, Certainty);

impl Judge<'_> {
    fn say(&mut self, sentence: String) {
        self.evidence.push(sentence);
    }

    fn way(&mut self, device: &str) -> Option<Way> {
        let access = &self.facts.wan.access;
        let proto = access.proto.as_ref()?;
        let way = Way::of(proto)?;
        let sentence = match &access.network {
            Some(network) => format!("netifd runs '{network}' ({device}) by protocol {proto}"),
            None => format!("the kernel calls {device} a {proto} link"),
        };
        self.say(sentence);
        Some(way)
    }

    fn ipv4(&mut self, device: &str) -> Judged {
        let way = self.way(device);
        let own = self.own();
        if let Some(ip) = own {
            self.class_of(ip);
        }
        let kind = own.map(|ip| match is_global(ip, self.facts.assume_public) {
            true => Kind::Public,
            false => class(ip).kind,
        });
        match (way, kind) {
            (Some(Way::DsLite), _) => (Line::DsLite, Certainty::Proved),
            (Some(Way::Xlat464), _) => (Line::Xlat464, Certainty::Proved),
            (Some(Way::Map), _) => self.map(own),
            (Some(Way::FourInSix), Some(Kind::ServiceContinuity)) => {
                (Line::DsLite, Certainty::Likely)
            }
            // A translator that is a program of its own (clatd).
            (Some(Way::Vpn), Some(Kind::ServiceContinuity)) => (Line::Xlat464, Certainty::Likely),
            (_, Some(Kind::ServiceContinuity)) => {
                self.say("DS-Lite and 464XLAT both use it, and nothing tells which it is".into());
                (Line::Unknown, Certainty::Unknown)
            }
            (Some(Way::Vpn), _) => self.vpn(),
            (_, None) => self.no_address(device),
            (_, Some(Kind::Public)) => self.public(),
            (Some(Way::Mobile), Some(Kind::SharedAddressSpace)) => {
                (Line::MobileCarrier, Certainty::Proved)
            }
            (Some(Way::Mobile), Some(Kind::Private)) => (Line::MobileCarrier, Certainty::Likely),
            (_, Some(Kind::SharedAddressSpace)) => {
                (Line::Cgnat { behind: None }, Certainty::Proved)
            }
            (Some(Way::Ppp), Some(Kind::Private)) => {
                self.say("it came by PPP, which the ISP itself speaks".into());
                (Line::Cgnat { behind: None }, Certainty::Likely)
            }
            (_, Some(Kind::Private)) => self.private(own),
            _ => (Line::Unknown, Certainty::Unknown),
        }
    }

    fn ipv6(&mut self, device: &str) -> Judged {
        let way = self.way(device);
        let access = &self.facts.wan.access;
        let own = self.own();
        if let Some(ip) = own {
            self.class_of(ip);
        }
        for prefix in &access.delegated {
            self.say(format!("the prefix {prefix} is delegated to us"));
        }
        if way == Some(Way::Vpn) {
            return self.vpn();
        }
        let global = |ip: IpAddr| is_global(ip, self.facts.assume_public);
        let public = own.is_some_and(global) || access.delegated.iter().any(|one| global(one.ip));
        match (public, own, outside(self.facts)) {
            (true, _, Outside::Ours) => (Line::Public, Certainty::Proved),
            // Somebody translates IPv6. Who, nothing tells.
            (true, _, Outside::Another(_) | Outside::Others) => (Line::Unknown, Certainty::Unknown),
            (true, ..) => (Line::Public, Certainty::Likely),
            (false, None, _) => self.no_address(device),
            (false, Some(_), _) => (Line::Unknown, Certainty::Unknown),
        }
    }

    /// The address to judge: one that is public if there is any.
    fn own(&self) -> Option<IpAddr> {
        let fit = || {
            let addresses = self.facts.wan.addresses.iter().map(|address| address.ip);
            addresses.filter(|ip| class(*ip).kind.fits_a_record())
        };
        fit().find(|ip| is_global(*ip, self.facts.assume_public)).or_else(|| fit().next())
    }

    fn class_of(&mut self, ip: IpAddr) {
        let class = class(ip);
        self.say(match (class.global, is_global(ip, self.facts.assume_public)) {
            (false, true) => format!("the WAN address {ip} is public by option assume_public"),
            (true, _) if class.rfc.is_empty() => {
                format!("the WAN address {ip} is in public space")
            }
            _ => format!("the WAN address {ip} is {class}"),
        });
    }

    fn no_address(&mut self, device: &str) -> Judged {
        let family = label(self.facts.wan.family);
        match self.facts.wan.addresses.first() {
            Some(own) => self.say(format!("{device} has only {}, {}", own.ip, class(own.ip))),
            None => self.say(format!("{device} has no {family} address")),
        }
        match outside(self.facts) {
            Outside::Silent => (Line::Down, Certainty::Likely),
            _ => (Line::Unknown, Certainty::Unknown),
        }
    }

    fn vpn(&mut self) -> Judged {
        // A tun device may be anything; what netifd or the kernel calls a VPN is one.
        let access = &self.facts.wan.access;
        let sure = access.network.is_some() || access.proto.as_deref() != Some("tun");
        (Line::VpnEgress, if sure { Certainty::Proved } else { Certainty::Likely })
    }

    fn map(&mut self, own: Option<IpAddr>) -> Judged {
        let Some(rule) = &self.facts.wan.access.map else {
            let ports = Known::unknown("its rules could not be read");
            return (Line::Map { kind: MapKind::MapE, ports }, Certainty::Likely);
        };
        let mut certainty = Certainty::Proved;
        match &rule.ports {
            Known::Known(ports) => {
                let (count, ranges) = (ports.count(), ports.0.len());
                self.say(match ranges {
                    1 => format!("its rules give us {count} ports"),
                    _ => format!("its rules give us {count} ports in {ranges} ranges"),
                });
            }
            Known::Unknown(why) => {
                self.say(why.clone());
                certainty = Certainty::Likely;
            }
        }
        if rule.kind.is_none() {
            self.say("which of MAP-E, MAP-T and lw4o6 it is, is not written down".into());
            certainty = Certainty::Likely;
        }
        let told = rule.address.map(IpAddr::V4);
        if own.is_some() && told.is_some() && own != told {
            self.say("the address of its rules is another one".into());
            certainty = Certainty::Likely;
        }
        let kind = rule.kind.unwrap_or(MapKind::MapE);
        (Line::Map { kind, ports: rule.ports.clone() }, certainty)
    }

    fn public(&mut self) -> Judged {
        let private = |hop: &Hop| hop.from.is_some_and(|ip| class(ip).kind.is_local());
        if self.facts.hops.iter().any(private) {
            self.say("private routers further on mean nothing: ISPs number theirs so".into());
        }
        match outside(self.facts) {
            Outside::Ours => (Line::Public, Certainty::Proved),
            Outside::Another(ip) => {
                // Public space that the ISP or another router uses as if it were private.
                let upstream = self.upstream();
                match upstream.outside == Some(ip) {
                    true => (Line::DoubleNat { upstream }, Certainty::Proved),
                    false => (Line::Cgnat { behind: None }, Certainty::Likely),
                }
            }
            Outside::Others => (Line::Unknown, Certainty::Unknown),
            Outside::Silent | Outside::OneVoice(_) | Outside::OursAndOthers => {
                (Line::Public, Certainty::Likely)
            }
        }
    }

    /// A private address (RFC 1918): the owner's router above, or a carrier that uses such.
    fn private(&mut self, own: Option<IpAddr>) -> Judged {
        let upstream = self.upstream();
        let seen = match outside(self.facts) {
            Outside::Another(ip) | Outside::OneVoice(ip) => Some(ip),
            _ => None,
        };
        let refused = self.gateway();
        let shared = self.hop(Kind::SharedAddressSpace);
        if let Some((ttl, ip)) = shared {
            self.say(format!("hop {ttl} is {ip}, {}", class(ip)));
        }
        if let Some(outside) = upstream.outside {
            let public = is_global(outside, self.facts.assume_public);
            let cgnat = class(outside).kind == Kind::SharedAddressSpace;
            let behind = Some(upstream.clone());
            return match (public, seen) {
                (true, Some(seen)) if seen == outside => {
                    (Line::DoubleNat { upstream }, Certainty::Proved)
                }
                (true, None) => (Line::DoubleNat { upstream }, Certainty::Likely),
                // It believes to be public, and is translated once more.
                (true, Some(_)) => (Line::Cgnat { behind }, Certainty::Likely),
                (false, _) if cgnat => (Line::Cgnat { behind }, Certainty::Proved),
                (false, _) => (Line::Cgnat { behind }, Certainty::Likely),
            };
        }
        if refused > 0 {
            // One sign may also come from a router that is just starting.
            let sure = refused + usize::from(shared.is_some()) >= 2;
            let certainty = if sure { Certainty::Proved } else { Certainty::Likely };
            return (Line::Cgnat { behind: Some(upstream) }, certainty);
        }
        let from = |ttl| self.facts.hops.iter().find(|hop| hop.ttl == ttl).and_then(|hop| hop.from);
        if shared.is_some() {
            let ours = from(1).is_some_and(|ip| class(ip).kind == Kind::Private);
            let behind = ours.then_some(upstream);
            return (Line::Cgnat { behind }, Certainty::Likely);
        }
        let ten = matches!(own, Some(IpAddr::V4(ip)) if ip.octets()[0] == 10);
        match self.hop(Kind::Public) {
            Some((2, ip)) => {
                self.say(format!("one router above, then {ip}, which is public"));
                (Line::DoubleNat { upstream }, Certainty::Likely)
            }
            Some((ttl @ 3.., ip)) if ten => {
                self.say(format!("{} routers above before {ip}, which is public", ttl - 1));
                (Line::Cgnat { behind: None }, Certainty::Likely)
            }
            _ if !ten => {
                self.say("home routers hand out such addresses".into());
                (Line::DoubleNat { upstream }, Certainty::Likely)
            }
            _ => {
                self.say(
                    "carriers use 10.0.0.0/8 for their NAT, and so do home routers; nothing tells \
                     which it is"
                        .into(),
                );
                (Line::Unknown, Certainty::Unknown)
            }
        }
    }

    /// The first hop whose router has an address of this kind.
    fn hop(&self, kind: Kind) -> Option<(u8, IpAddr)> {
        let of = |ip: IpAddr| match is_global(ip, self.facts.assume_public) {
            true => Kind::Public,
            false => class(ip).kind,
        };
        let hops = self.facts.hops.iter().filter_map(|hop| Some((hop.ttl, hop.from?)));
        hops.filter(|(_, ip)| of(*ip) == kind).min_by_key(|(ttl, _)| *ttl)
    }

    /// The router above, with what it said of itself.
    fn upstream(&self) -> Upstream {
        let Some(gateway) = self.facts.gateway else {
            return Upstream { address: self.facts.wan.access.gateway, ..Upstream::default() };
        };
        let (name, upnp) = match gateway.upnp.known() {
            Some((name, ip)) => (Some(name.clone()), *ip),
            None => (None, None),
        };
        let pcp = gateway.pcp_map.known().and_then(|(code, ip)| ip.filter(|_| *code == 0));
        let pmp = gateway.natpmp.known().and_then(|(code, ip)| ip.filter(|_| *code == 0));
        let said = [pmp.map(IpAddr::V4), pcp, upnp];
        let outside = said.into_iter().flatten().find(|ip| !ip.is_unspecified());
        Upstream { address: Some(gateway.address), outside, name }
    }

    /// Tells what the gateway said; how many of its answers mean that it is behind a NAT itself.
    fn gateway(&mut self) -> usize {
        let Some(gateway) = self.facts.gateway else { return 0 };
        let at = gateway.address;
        let mut refused = 0;
        let mut tell = |by: &str, code: Option<u32>, ip: Option<IpAddr>, no: bool| {
            let ip = ip.filter(|ip| !ip.is_unspecified());
            refused += usize::from(no);
            self.evidence.push(match (ip, code) {
                (Some(ip), _) => format!("the gateway {at} says by {by} that it has {ip} outside"),
                (None, Some(code)) if no => format!(
                    "the gateway {at} has no Internet address of its own ({by} result {code})"
                ),
                (None, None) => format!("the gateway {at} names no outside address by {by}"),
                (None, Some(0)) => return,
                (None, Some(code)) => format!("the gateway {at} refuses by {by}, result {code}"),
            });
        };
        if let Known::Known((code, ip)) = gateway.natpmp {
            let no = code == PMP_NETWORK_FAILURE;
            tell("NAT-PMP", Some(code.into()), ip.map(IpAddr::V4), no);
        }
        if let Known::Known((code, ip)) = gateway.pcp_map {
            tell("PCP", Some(code.into()), ip, code == PCP_NO_RESOURCES);
        }
        if let Known::Known((_, ip)) = &gateway.upnp {
            tell("UPnP", None, *ip, ip.is_none());
        }
        let (pcp, asked) = (gateway.pcp_announce == Known::Known(0), gateway.pcp_map.known());
        if pcp && asked.is_none() && refused == 0 && self.upstream().outside.is_none() {
            self.say(format!(
                "the gateway {at} speaks PCP: with option gateway_map '1' in config lookup it is \
                 asked for its outside address"
            ));
        }
        refused
    }

    /// What the Internet sees, by whose word: one sentence for each address.
    fn outside(&mut self) {
        let mut told: Vec<IpAddr> = Vec::new();
        for one in self.facts.seen {
            let Ok(ip) = one.answer else { continue };
            if one.means == Means::Gateway || told.contains(&ip) {
                continue;
            }
            told.push(ip);
            let same = self.facts.seen.iter().filter(|other| other.answer == Ok(ip));
            let who: Vec<String> = same
                .clone()
                .map(|other| format!("{} {}", other.means, host(&other.service)))
                .collect();
            let what = match is_ours(self.facts.wan, ip) {
                true => "which is ours",
                false => "which is not ours",
            };
            let only_http = same.clone().all(|other| other.means == Means::Http);
            self.say(format!("the Internet sees {ip}, {what} ({})", who.join(", ")));
            if only_http {
                self.say(
                    "a proxy on the way may have spoken in plain HTTP; it does not count".into(),
                );
            }
        }
    }
}

/// The host of a service as it is written in the config.
pub fn host(service: &str) -> &str {
    let rest = service.split_once("://").map_or(service, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests;
