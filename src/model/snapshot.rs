//! All that one look for a report found, each part known or with the reason why not. No
//! judgement: that is `checks`.

use super::address::Prefix;
use super::answer::Asked;
use super::forward::{Forward, Proto};
use super::known::Known;
use super::line;
use super::name::Family;
use super::ruleset::Ruleset;
use super::target::Try;
use std::net::IpAddr;
use std::time::Duration;

/// One logical network as netifd, or the firewall's own state, tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    pub name: String,
    pub up: bool,
    pub proto: String,
    /// The device that carries its addresses.
    pub device: Option<String>,
    /// Each with the length of its prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Prefixes delegated to us on it (IPv6).
    pub delegated: Vec<Prefix>,
    /// Other routes by it in the main table.
    pub routes: Vec<Prefix>,
    /// It has a default route in the main table.
    pub default_route: bool,
    /// The zone it asked to be in (`data.zone`).
    pub zone: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Accept,
    Reject,
    Drop,
}

/// `config zone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    pub section: String,
    pub line: u32,
    pub name: String,
    pub networks: Vec<String>,
    /// Devices it matches: of its networks, and those named.
    pub devices: Vec<String>,
    /// Addresses of the router in it, with the length of their prefix.
    pub subnets: Vec<(IpAddr, u8)>,
    pub input: Policy,
    pub forward: Policy,
    pub masq: bool,
    /// `masq` is on for some sources or destinations only.
    pub masq_limited: bool,
    pub masq6: bool,
    /// Families it is for.
    pub v4: bool,
    pub v6: bool,
    /// Faces the Internet: holds a network with a default route, or is called wan.
    pub wan: bool,
}

/// `config forwarding`, as far as the firewall takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    pub section: String,
    pub line: u32,
    /// `*`: any zone.
    pub src: String,
    pub dest: String,
}

/// `/etc/config/firewall` as the firewall means it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// `config defaults`: section's line, `forward ACCEPT`, `input ACCEPT`.
    pub defaults_line: u32,
    pub forward_accept: bool,
    pub input_accept: bool,
    pub flow_offloading: bool,
    pub zones: Vec<Zone>,
    pub forwardings: Vec<Forwarding>,
    /// In the order in which the firewall applies them: of services first.
    pub forwards: Vec<Forward>,
    /// What the firewall says of sections that are no forward, in its words.
    pub said: Vec<String>,
}

impl Firewall {
    pub fn zone(&self, name: &str) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.name == name)
    }

    /// Addresses of the router itself, by its zones.
    pub fn is_router(&self, ip: IpAddr) -> bool {
        self.zones.iter().any(|zone| zone.subnets.iter().any(|(own, _)| *own == ip))
    }
}

/// A lease of miniupnpd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub proto: Proto,
    pub port: u16,
    pub ip: IpAddr,
    pub to: u16,
    /// Seconds since 1970; `None`: for ever.
    pub expires: Option<u64>,
    pub description: String,
}

/// `config upnpd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upnpd {
    pub enabled: bool,
    /// A host may ask for itself only.
    pub secure: bool,
    pub leases: String,
}

/// `/etc/config/dhcp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp {
    /// Network, offset of the first address, number of addresses.
    pub pools: Vec<(String, u32, u32)>,
    pub hosts: Vec<StaticHost>,
    pub rebind_protection: bool,
    pub rebind_domains: Vec<String>,
}

/// `config host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticHost {
    pub section: String,
    pub name: String,
    /// Lower case.
    pub macs: Vec<String>,
    pub ip: Option<IpAddr>,
}

/// A dynamic lease of dnsmasq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub mac: String,
    pub ip: IpAddr,
    pub name: Option<String>,
}

/// A row of the neighbour table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub ip: IpAddr,
    /// Lower case; `None`: it does not answer.
    pub mac: Option<String>,
    pub device: String,
}

/// A socket of the router that waits for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub proto: Proto,
    /// `None`: any address.
    pub ip: Option<IpAddr>,
    /// Listens on `::`, and so for IPv4 as well, or on `0.0.0.0` alone.
    pub v6: bool,
    pub port: u16,
}

/// A tracked connection that was translated on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub proto: Proto,
    pub from: IpAddr,
    pub to: IpAddr,
    pub port: u16,
    /// Who answers.
    pub host: IpAddr,
    pub host_port: u16,
    /// Both sides have spoken.
    pub assured: bool,
}

/// `config dropbear`: whether passwords are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    pub section: String,
    pub port: u16,
    pub passwords: bool,
}

/// The line of one WAN in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOf {
    /// The logical network, or the device where there is none.
    pub network: String,
    pub device: Option<String>,
    pub family: Family,
    pub addresses: Vec<IpAddr>,
    pub verdict: line::Verdict,
    /// What the daemon remembers of it.
    pub told: Known<Told>,
}

/// What lookups said of a WAN while it had these addresses, and how it fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub seen: Vec<line::Seen>,
    /// Enough of them agree that the Internet sees this address and none of the WAN's own.
    pub another: Option<IpAddr>,
    /// How often it got another address within a day.
    pub moves: usize,
}

/// A record that the daemon keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub family: Family,
    /// What its provider confirmed last.
    pub addresses: Vec<IpAddr>,
    pub age: Duration,
}

/// What the kernel would do with an IPv4 packet that comes in by a device; none was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// `None`: some address on the Internet.
    pub from: Option<IpAddr>,
    pub to: Option<IpAddr>,
    pub by: String,
    pub mark: u32,
    /// The device that it leaves by; `None`: it does not.
    pub out: Option<String>,
    /// The kernel drops it; one from the Internet: by its reverse path filter.
    pub refused: bool,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub host: Known<String>,
    /// Wall clock when it was taken; unknown for a folder that does not tell.
    pub at: Known<u64>,
    pub forwarding: Known<bool>,
    pub firewall: Known<Firewall>,
    pub networks: Known<Vec<Network>>,
    /// `/var/run/fw4.state`; `Known(None)`: the firewall is not loaded.
    pub loaded: Known<Option<Vec<Network>>>,
    /// `fw4 print` on stderr: `[!]` lines without the mark.
    pub warnings: Known<Vec<String>>,
    /// The firewall as it is in force.
    pub live: Known<Ruleset>,
    pub upnpd: Known<Option<Upnpd>>,
    pub mappings: Known<Vec<Mapping>>,
    pub dhcp: Known<Dhcp>,
    pub leases: Known<Vec<Lease>>,
    pub neighbours: Known<Vec<Neighbour>>,
    pub listeners: Known<Vec<Listener>>,
    pub flows: Known<Vec<Flow>>,
    pub ssh: Known<Vec<Ssh>>,
    /// Each WAN in each family; nobody outside was asked for it.
    pub line: Known<Vec<LineOf>>,
    /// The names that the daemon keeps; unknown where it has no journal.
    pub records: Known<Vec<Record>>,
    /// Packets from the Internet to each WAN, and answers of the hosts that forwards lead to.
    pub passed: Known<Vec<Passed>>,
    /// When the firewall's rules, and so their counters, were made.
    pub loaded_at: Known<u64>,
    /// Hosts that forwards lead to, as they answered the router.
    pub targets: Known<Vec<Try>>,
    /// The names that point here, as DNS servers tell them.
    pub names: Known<Vec<Asked>>,
    /// By the daemon's last report: what somebody outside made use of, and when.
    pub seen: Vec<(String, u64)>,
}
