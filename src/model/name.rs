//! A name the owner wants to point here, and the records it stands for.

use super::lan::Host;
use std::fmt;
use std::net::IpAddr;

/// Address family of a record or of a transport. The two are never assumed to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub const BOTH: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// The record type that holds addresses of this family (RFC 1035, RFC 3596).
    pub fn record_type(self) -> &'static str {
        match self {
            Family::Ipv4 => "A",
            Family::Ipv6 => "AAAA",
        }
    }
}

impl fmt::Display for Family {
    /// As it is written in the config.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        })
    }
}

/// What to do where the WAN's own address is not globally reachable (`option shared_line`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedLine {
    /// Publish nothing and say why. The default.
    Skip,
    /// Publish what the Internet sees, as told by lookups.
    Outside,
    /// Publish the WAN's address as it is: hosts files, private DNS, labs.
    Wan,
}

impl SharedLine {
    /// As it is written in the config.
    pub const WORDS: [(&str, SharedLine); 3] =
        [("skip", SharedLine::Skip), ("outside", SharedLine::Outside), ("wan", SharedLine::Wan)];

    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }
}

/// `config name 'SECTION'`.
#[derive(Clone, Debug)]
pub struct Name {
    /// The section's name, for messages.
    pub section: String,
    /// Lower case, no trailing dot, A-labels (RFC 5890). May start with `*.`.
    pub fqdn: String,
    /// Id of its account, which exists.
    pub account: String,
    /// Logical network or device; absent: found.
    pub wan: Option<String>,
    /// Which records it has; not empty, no repeats.
    pub families: Vec<Family>,
    /// Seconds; absent: the record's own TTL is kept, or the provider's default for a new one.
    pub ttl: Option<u32>,
    pub shared_line: SharedLine,
    /// IPv6: the LAN hosts it stands for; empty: the router itself.
    pub hosts: Vec<Host>,
    /// Logical network or device that the hosts are on.
    pub lan: String,
    /// Changes whenever anything in the section changes.
    pub fingerprint: u64,
}

impl Name {
    /// Its IPv6 addresses are those of LAN hosts.
    pub fn has_hosts(&self) -> bool {
        !self.hosts.is_empty() && self.families.contains(&Family::Ipv6)
    }
}

/// What one record should hold, as handed to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// As in [`Name::fqdn`].
    pub fqdn: String,
    pub family: Family,
    /// Not empty, all of `family`, sorted.
    pub addresses: Vec<IpAddr>,
    /// Seconds; absent: leave it as it is.
    pub ttl: Option<u32>,
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.fqdn, self.family.record_type())?;
        for address in &self.addresses {
            write!(f, " {address}")?;
        }
        Ok(())
    }
}
