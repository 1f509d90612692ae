//! What the kernel and netifd say of the networks that face the Internet.

use super::known::Known;
use super::lan::{Lan, Lease};
use super::line::Access;
use super::name::Family;
use std::net::IpAddr;
use std::time::Duration;

/// One address of one link, with what decides whether it may be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub ip: IpAddr,
    pub prefix_len: u8,
    /// IFA_FLAGS (linux/if_addr.h): see the constants below.
    pub flags: u32,
    /// Remaining preferred and valid lifetime (RFC 4862 5.5.4); `None` is forever.
    pub preferred: Option<Duration>,
    pub valid: Option<Duration>,
}

impl Address {
    /// IPv6: RFC 8981 temporary address. IPv4: a secondary address of the same subnet. One bit.
    pub const TEMPORARY_OR_SECONDARY: u32 = 0x01;
    pub const DADFAILED: u32 = 0x08;
    pub const DEPRECATED: u32 = 0x20;
    pub const TENTATIVE: u32 = 0x40;
    pub const PERMANENT: u32 = 0x80;
    pub const MANAGETEMPADDR: u32 = 0x100;
    /// Built from a stable secret (RFC 7217).
    pub const STABLE_PRIVACY: u32 = 0x800;
    pub const OPTIMISTIC: u32 = 0x04;

    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// One link with its addresses, as one look at the kernel showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub up: bool,
    pub loopback: bool,
    /// In the kernel's order.
    pub addresses: Vec<Address>,
}

/// The way the kernel would send a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index of the link.
    pub device: u32,
    /// The router it goes to first; `None`: the destination is on the link (PPP, tunnels).
    pub gateway: Option<IpAddr>,
    /// The own address it would be sent from.
    pub source: Option<IpAddr>,
}

/// What the kernel would do with a packet that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It goes on by this link.
    Out(u32),
    /// It is for the router itself.
    Here,
    Nowhere,
    /// Its addresses do not fit: the reverse path filter's word, mostly, but not its alone.
    Refused,
}

/// How we know that a device is the WAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// `option wan` of the name.
    Config,
    /// netifd's default route with the lowest metric, on this logical network.
    Netifd(String),
    /// The kernel would send packets to the Internet this way.
    KernelRoute,
    /// It would send those this way that are from the link's own address, and others nowhere.
    KernelSource,
}

/// The WAN of one family for one name, as far as it could be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wan {
    /// `option wan` of the names it is for; `None`: found.
    pub asked: Option<String>,
    pub family: Family,
    /// Device and why; `Known(None)`: there is none now (no such link, or no default route).
    pub device: Known<Option<(String, Because)>>,
    /// Addresses of `family` on the device, in the kernel's order; empty if there is no device.
    pub addresses: Vec<Address>,
    /// What else tells which kind of line it is.
    pub access: Access,
}

/// All that one look showed. What it does not hold was not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WanView {
    /// One for each (asked, family) the config needs, in the config's order.
    pub wans: Vec<Wan>,
    /// One for each (wan, lan) of the names of LAN hosts.
    pub lans: Vec<Lan>,
    /// What DHCP servers noted, if a name needs it.
    pub leases: Vec<Lease>,
    pub clock: Clock,
}

/// What speaks against the wall clock; in seconds since 1970, what it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// Nothing.
    #[default]
    Right,
    /// A time that cannot be: before this program was made.
    Unset(u64),
    /// A possible time, but where files stood when the power went: see `observe::clock`.
    Stale(u64),
}

impl WanView {
    pub fn find(&self, asked: Option<&str>, family: Family) -> Option<&Wan> {
        self.wans.iter().find(|wan| wan.asked.as_deref() == asked && wan.family == family)
    }

    pub fn lan(&self, wan: Option<&str>, asked: &str) -> Option<&Lan> {
        self.lans.iter().find(|lan| lan.wan.as_deref() == wan && lan.asked == asked)
    }
}
