//! One opening from the Internet to a host or to the router: a firewall redirect, a rule, or a
//! mapping that a program asked for. As written and as meant by the firewall, not yet judged.

use super::address::Prefix;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `config redirect`.
    Redirect,
    /// `config rule` that accepts.
    Rule,
    /// Firewall data of a netifd network or a procd service.
    Service,
    /// A lease of miniupnpd.
    Upnp,
    /// Found in the live ruleset, written by none of the above.
    Ruleset,
}

impl Origin {
    /// As it stands in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Redirect => "uci",
            Origin::Rule => "rule",
            Origin::Service => "ubus",
            Origin::Upnp => "upnp",
            Origin::Ruleset => "nft",
        }
    }
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    pub first: u16,
    pub last: u16,
}

impl Ports {
    pub const ALL: Ports = Ports { first: 0, last: u16::MAX };

    pub fn one(port: u16) -> Ports {
        Ports { first: port, last: port }
    }

    pub fn count(self) -> u32 {
        u32::from(self.last.saturating_sub(self.first)) + 1
    }

    pub fn has(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    pub fn covers(self, other: Ports) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    pub fn meets(self, other: Ports) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.last != self.first {
            write!(f, "-{}", self.last)?;
        }
        Ok(())
    }
}

/// A transport protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proto {
    Tcp,
    Udp,
    /// Every protocol (`proto all`).
    Any,
    /// Lower case, without ports: `esp`, `41`.
    Other(String),
}

impl Proto {
    pub fn word(&self) -> &str {
        match self {
            Proto::Tcp => "tcp",
            Proto::Udp => "udp",
            Proto::Any => "all",
            Proto::Other(name) => name,
        }
    }

    pub fn covers(&self, other: &Proto) -> bool {
        *self == Proto::Any || self == other
    }
}

/// Where its packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the router itself: a redirect without `dest_ip`, a rule without `dest`.
    Router,
    Host(IpAddr),
    /// Hosts whose address has these bits: `::10/::ffff:ffff:ffff:ffff`.
    Suffix(Ipv6Addr, Ipv6Addr),
    Net(Prefix),
    /// Every host of the zone.
    Zone(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Router => f.write_str("(router itself)"),
            Target::Host(ip) => ip.fmt(f),
            Target::Suffix(ip, mask) => write!(f, "{ip}/{mask}"),
            Target::Net(net) => net.fmt(f),
            Target::Zone(zone) => write!(f, "any host in {zone}"),
        }
    }
}

/// Who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `src_ip`; none: everybody (or who the set names).
    pub nets: Vec<Prefix>,
    /// Addresses that could not be put as a prefix: ranges, negations, masks; as written.
    pub odd: Vec<String>,
    /// An ipset that must match.
    pub set: Option<String>,
    /// Bound to MAC addresses, which only neighbours on the WAN have.
    pub macs: bool,
    /// `src_port`, as written.
    pub port: Option<String>,
}

impl Source {
    /// Nothing keeps anybody out.
    pub fn is_anybody(&self) -> bool {
        self.odd.is_empty()
            && self.set.is_none()
            && !self.macs
            && (self.nets.is_empty() || self.nets.iter().any(|net| net.len == 0))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_anybody() {
            return f.write_str("the whole Internet");
        }
        let mut parts: Vec<String> = self.nets.iter().map(Prefix::to_string).collect();
        parts.extend(self.odd.iter().cloned());
        if let Some(set) = &self.set {
            parts.push(format!("set {set}"));
        }
        if self.macs {
            parts.push("named MAC addresses".into());
        }
        f.write_str(&parts.join(", "))
    }
}

/// Whether the firewall takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Active,
    /// `enabled 0`.
    Disabled,
    /// Passed over by the firewall, and why, in its words.
    Skipped(String),
}

/// One opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Stable across reports: `fw:https_nas`, `fw:@redirect[3]`, `upnp:tcp:18123`.
    pub uid: String,
    pub origin: Origin,
    /// As its owner finds it: `https_nas`, `@redirect[3]`.
    pub section: String,
    /// In the config file, counted from 1; 0: not from a file.
    pub line: u32,
    /// `option name`, or the section.
    pub name: String,
    pub state: State,
    /// The zone its packets come from; empty if none is named.
    pub zone: String,
    /// Families it is for, as the firewall infers them.
    pub v4: bool,
    pub v6: bool,
    /// No `family` was written.
    pub family_default: bool,
    pub protos: Vec<Proto>,
    /// `proto` was left to its default, tcp and udp.
    pub proto_default: bool,
    /// External ports; none: every port.
    pub ext: Vec<Ports>,
    pub source: Source,
    /// `src_dip`: only packets to this address of ours.
    pub src_dip: Vec<Prefix>,
    pub target: Target,
    /// `dest_ip` was a network's name and stands for the router's address there.
    pub target_named: Option<String>,
    /// `dest_port`; none: as `ext`.
    pub to_port: Option<Ports>,
    /// LAN clients may use it by the outside address (redirects only).
    pub reflection: bool,
    /// What else must hold: `start_time`, `limit`, `mark`; option names.
    pub conditions: Vec<String>,
    /// Options the firewall does not know, with their lines.
    pub unknown: Vec<(String, u32)>,
    /// What the firewall says of it, in its own words; also while it takes it.
    pub said: Vec<String>,
}

impl Forward {
    pub fn is_active(&self) -> bool {
        self.state == State::Active
    }

    /// The options of tcp and udp matter to it.
    pub fn has_ports(&self) -> bool {
        self.protos.iter().any(|proto| matches!(proto, Proto::Tcp | Proto::Udp))
    }

    /// Every port: none named, or a protocol with which fw4 drops the port match.
    pub fn every_port(&self) -> bool {
        self.ext.is_empty() || self.protos.contains(&Proto::Any)
    }

    /// The external ports; all of them where none is named.
    pub fn ports(&self) -> &[Ports] {
        if self.every_port() { &[Ports::ALL] } else { &self.ext }
    }

    /// A packet to external port `port` arrives at this port. As the kernel does it: a range maps
    /// one to one only onto itself, otherwise all arrive at the first (measured, Linux 6.18).
    pub fn inside(&self, port: u16) -> u16 {
        let kept = |to: Ports| self.every_port() || (to.count() > 1 && to.has(port));
        match self.to_port {
            Some(to) if !kept(to) => to.first,
            _ => port,
        }
    }

    /// The ports at the target.
    pub fn inside_ports(&self) -> Vec<Ports> {
        match self.to_port {
            Some(to) if !self.every_port() => {
                vec![if self.ext.first() == Some(&to) { to } else { Ports::one(to.first) }]
            }
            _ => self.ports().to_vec(),
        }
    }

    /// `tcp+udp`.
    pub fn proto_words(&self) -> String {
        let words: Vec<&str> = self.protos.iter().map(Proto::word).collect();
        words.join("+")
    }

    /// `443`, `27000-27015`, `all`.
    pub fn ext_words(&self) -> String {
        if !self.has_ports() && !self.protos.contains(&Proto::Any) {
            return String::new();
        }
        if self.every_port() {
            return "all ports".into();
        }
        words(&self.ext)
    }

    /// What comes in: `tcp 443`, `tcp+udp 53`, `all ports`; with `v6` where it is IPv6 alone.
    pub fn external_words(&self) -> String {
        let mut words = match &self.protos[..] {
            [Proto::Any] => self.ext_words(),
            // Ports that the firewall could not read are not all of them.
            _ if self.every_port() && !self.is_active() => self.proto_words(),
            _ => format!("{} {}", self.proto_words(), self.ext_words()),
        };
        if self.v6 && !self.v4 {
            words.push_str(" v6");
        }
        words
    }

    /// Target and port: `192.168.1.50:443`, `[fd00::50]:8080`.
    pub fn target_words(&self) -> String {
        let at = match &self.target {
            Target::Router if matches!(self.state, State::Skipped(_)) => {
                return "(not made)".into();
            }
            Target::Host(IpAddr::V6(ip)) => format!("[{ip}]"),
            other => other.to_string(),
        };
        match &self.inside_ports()[..] {
            _ if self.every_port() || !self.has_ports() => at,
            ports => format!("{at}:{}", words(ports)),
        }
    }
}

fn words(ports: &[Ports]) -> String {
    let words: Vec<String> = ports.iter().map(Ports::to_string).collect();
    words.join(",")
}
