//! What became of tries to reach the hosts that forwards lead to, from the router itself. No
//! judgement: that is `checks::target`.

use super::known::Known;
use std::net::{IpAddr, SocketAddr};

/// Why there are none, where nobody asked for them.
pub const UNTRIED: &str = "nobody tried the targets";

/// What one try heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// TCP: the connection stands. UDP: it answered.
    Open,
    /// TCP: reset; UDP: ICMP port unreachable.
    Refused,
    /// An ICMP error came at once: something on the way, mostly the host's own firewall, forbids it.
    Forbidden,
    /// Nobody has the address: no answer to ARP or neighbour discovery.
    Absent,
    /// Nothing until the deadline.
    Silent,
}

impl Heard {
    pub const ALL: [Heard; 5] =
        [Heard::Open, Heard::Refused, Heard::Forbidden, Heard::Absent, Heard::Silent];

    /// As in the file of a folder that stands for a router.
    pub fn word(self) -> &'static str {
        match self {
            Heard::Open => "open",
            Heard::Refused => "refused",
            Heard::Forbidden => "forbidden",
            Heard::Absent => "absent",
            Heard::Silent => "silent",
        }
    }
}

/// One port of one host, tried twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    pub to: SocketAddr,
    /// Else UDP.
    pub tcp: bool,
    /// From the router's address in the host's network.
    pub near: Known<Heard>,
    /// From an address outside of that network, by the same device: what the host answers to
    /// strangers.
    pub far: Known<Heard>,
}

/// One packet exchange to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    pub to: SocketAddr,
    pub tcp: bool,
    /// An own address.
    pub source: IpAddr,
    pub device: String,
}
