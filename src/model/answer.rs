//! What DNS servers said of the names that the owner keeps, asked for a report. No judgement:
//! that is `checks::name`.

use super::known::Known;
use super::name::{Family, SharedLine};
use std::net::IpAddr;

/// Why there is nothing, where nobody wanted to know.
pub const UNASKED: &str = "nobody was asked";

/// In whose name a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A name server of the zone: what holds.
    Authority,
    /// A resolver that anybody may ask: what others are told.
    Public,
    /// The router's own: what hosts at home are told.
    Local,
}

impl Who {
    pub const ALL: [Who; 3] = [Who::Authority, Who::Public, Who::Local];

    /// As in the file of a folder that stands for a router.
    pub fn word(self) -> &'static str {
        match self {
            Who::Authority => "authority",
            Who::Public => "public",
            Who::Local => "local",
        }
    }
}

/// The records of one type at one name, as one server tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// False: NXDOMAIN, at the name or at the end of its aliases.
    pub exists: bool,
    /// CNAMEs in their order, without the name itself.
    pub aliases: Vec<String>,
    /// Sorted.
    pub addresses: Vec<IpAddr>,
    /// Seconds; the shortest of all records on the way.
    pub ttl: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub who: Who,
    /// `1.1.1.1`, `ns1.example.org 192.0.2.53`.
    pub server: String,
    /// IPv4, IPv6.
    pub answers: [Known<Answer>; 2],
}

impl Told {
    pub fn answer(&self, family: Family) -> &Known<Answer> {
        let [v4, v6] = &self.answers;
        if family == Family::Ipv4 { v4 } else { v6 }
    }
}

/// One name: what its owner wants of it, and what was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub fqdn: String,
    /// Of the config.
    pub section: String,
    pub families: Vec<Family>,
    /// Its IPv6 addresses are those of LAN hosts.
    pub hosts: bool,
    pub shared_line: SharedLine,
    /// The zone it is in, or why its name servers were not found.
    pub zone: Known<String>,
    pub told: Vec<Told>,
}
