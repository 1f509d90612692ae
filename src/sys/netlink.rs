//! The kernel's own word on links, addresses and routes.
//!
//! A *look* asks for everything afresh: pnet's list of links, an address dump for each family
//! with flags and lifetimes, and, where asked, the kernel's route lookup. The *bell* is a second
//! socket, subscribed to changes; it only tells that a new look is due. So a lost message
//! (ENOBUFS) is one more ring, and no change can be missed or misapplied.

use super::signals::{Waited, wait};
use crate::model::lan::Mac;
use crate::model::name::Family;
use crate::model::wan::{Address, Link, Passage, Route};
use crate::wire::rtnetlink::{self, Message};
use crate::world::RouteQuery;
use log::debug;
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};
use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE and the 19th,
/// RTNLGRP_IPV6_RULE (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 1 << 18;

/// NFNLGRP_NFTABLES, the 7th (linux/netfilter/nfnetlink.h), as a bit.
const NFTABLES: u32 = 1 << 6;

/// The kernel answers at once; this only keeps a broken one from holding us.
const DEADLINE: Duration = Duration::from_secs(2);

/// The kernel makes dump datagrams no larger than the reader's buffer, within 8 to 32 KiB.
const BUFFER: usize = 16 * 1024;

/// Addresses in public unicast space. For a route no packet is sent there; for hops the few whose
/// TTL would let them arrive are what a resolver's address sees all day.
const SOMEWHERE: [&str; 2] = ["1.0.0.1", "2606:4700:4700::1001"];

/// All links with their addresses, as they are now.
pub fn links() -> Result<Vec<Link>, String> {
    let mut links = bare()?;
    if links.is_empty() {
        return Err("the kernel shows no network links at all".into());
    }
    for family in Family::BOTH {
        for (index, address) in addresses(family)? {
            // A link born between the two questions is in the next look: the bell has rung.
            if let Some(link) = links.iter_mut().find(|link| link.index == index) {
                link.addresses.push(address);
            }
        }
    }
    Ok(links)
}

/// The links without their addresses.
#[cfg(target_endian = "little")]
fn bare() -> Result<Vec<Link>, String> {
    let links = pnet::datalink::interfaces().into_iter().map(|link| Link {
        index: link.index,
        up: link.is_up(),
        loopback: link.is_loopback(),
        name: link.name,
        addresses: Vec::new(),
    });
    Ok(links.collect())
}

/// pnet's list is musl's getifaddrs(), which takes an attribute's length at its word and walks for
/// ever where that is 0. So it does under qemu's user mode on big-endian machines: qemu 7.2 leaves
/// an empty last attribute in the host's order, and every link ends in one since Linux 6.7.
#[cfg(target_endian = "big")]
use asked as bare;

/// The links by our own reading of the kernel's dump.
#[cfg(any(test, target_endian = "big"))]
fn asked() -> Result<Vec<Link>, String> {
    let mut found = Vec::new();
    dump("links", &rtnetlink::dump_links(1), &mut |message| match message {
        Some(message) => found.extend(rtnetlink::link(message)),
        None => found.clear(),
    })?;
    Ok(found)
}

/// The way of a packet like that; `None` where the kernel has none.
pub fn route(query: &RouteQuery) -> Result<Option<Route>, String> {
    let to = match query.to {
        Some(to) => to,
        None => somewhere(query.family).ok_or("no address to look up")?,
    };
    let mut route = None;
    let device = query.device.unwrap_or(0);
    let request = rtnetlink::lookup_route(to, device, query.source, query.mark, 1);
    match ask(&request, false, &mut |message| route = rtnetlink::route(message)) {
        Ok(()) => Ok(route),
        // Each a way of the kernel to say: no route. EACCES is RTN_PROHIBIT, EINVAL a blackhole,
        // or an address to send from that is not ours any more.
        Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL) => Ok(None),
        // The link is down or gone.
        Err(Errno::ENODEV | Errno::ENETDOWN) => Ok(None),
        // No IPv6 in this kernel.
        Err(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT) => Ok(None),
        Err(errno) => Err(format!("the kernel's route lookup failed: {}", errno.desc())),
    }
}

/// The marks of the kernel's policy rules; none where it has no such rules.
pub fn marks(family: Family) -> Result<Vec<u32>, String> {
    let mut found = Vec::new();
    dump("rules", &rtnetlink::dump_rules(family, 1), &mut |message| match message {
        Some(message) => found.extend(rtnetlink::mark(message)),
        None => found.clear(),
    })?;
    Ok(found)
}

/// What becomes of an IPv4 packet that comes in by link `by`.
pub fn passage(
    from: Option<IpAddr>,
    to: Option<IpAddr>,
    by: u32,
    mark: u32,
) -> Result<Passage, String> {
    let far = somewhere(Family::Ipv4).ok_or("no address to look up")?;
    let (from, to) = (from.unwrap_or(far), to.unwrap_or(far));
    let mut route = None;
    let request = rtnetlink::lookup_passage(from, to, by, mark, 1);
    match ask(&request, false, &mut |message| route = rtnetlink::route(message)) {
        Ok(()) => Ok(route.map_or(Passage::Here, |route| Passage::Out(route.device))),
        // What fib_validate_source() says of a sender that is not to be expected there; since
        // Linux 6.13 EINVAL, as for any other that is wrong.
        Err(Errno::EXDEV | Errno::EINVAL) => Ok(Passage::Refused),
        Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES) => Ok(Passage::Nowhere),
        Err(errno) => Err(format!("the kernel's route lookup failed: {}", errno.desc())),
    }
}

/// The IPv6 neighbours that were heard of: the link's index, MAC, address.
pub fn neighbours() -> Result<Vec<(u32, Mac, Ipv6Addr)>, String> {
    let mut found = Vec::new();
    dump("neighbours", &rtnetlink::dump_neighbours(1), &mut |message| match message {
        Some(message) => found.extend(rtnetlink::neighbour(message)),
        None => found.clear(),
    })?;
    Ok(found)
}

/// Some address on the Internet.
pub fn somewhere(family: Family) -> Option<IpAddr> {
    SOMEWHERE.iter().filter_map(|ip| ip.parse().ok()).find(|ip| Family::of(*ip) == family)
}

fn addresses(family: Family) -> Result<Vec<(u32, Address)>, String> {
    let mut found = Vec::new();
    dump("addresses", &rtnetlink::dump_addresses(family, 1), &mut |message| match message {
        Some(message) => found.extend(rtnetlink::address(message)),
        None => found.clear(),
    })?;
    Ok(found)
}

/// Hands every message of a dump to `each`; `None`: forget those so far, it begins again.
fn dump(
    what: &str,
    request: &[u8],
    each: &mut dyn FnMut(Option<&Message<'_>>),
) -> Result<(), String> {
    // A dump that was torn by a change says so. With changes this fast the bell rings anyway.
    for _ in 0..8 {
        each(None);
        let mut torn = false;
        let answer = ask(request, true, &mut |message| {
            torn |= message.flags & rtnetlink::NLM_F_DUMP_INTR != 0;
            each(Some(message));
        });
        match answer {
            Ok(()) if torn => continue,
            // No IPv6 in this kernel: nothing to list.
            Ok(()) | Err(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT) => return Ok(()),
            Err(errno) => {
                return Err(format!("the kernel's list of {what} failed: {}", errno.desc()));
            }
        }
    }
    Err(format!("the kernel's list of {what} changed faster than it could be read"))
}

/// Sends one request and hands every message of the answer to `each`.
fn ask(request: &[u8], dump: bool, each: &mut dyn FnMut(&Message<'_>)) -> nix::Result<()> {
    let fd = open(SockProtocol::NetlinkRoute, 0)?;
    send(fd.as_raw_fd(), request, MsgFlags::empty())?;
    let until = Instant::now() + DEADLINE;
    let mut buffer = vec![0; BUFFER];
    loop {
        let len = match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(len) => len,
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => match wait(fd.as_fd(), PollFlags::POLLIN, until) {
                Waited::Ready => continue,
                Waited::Deadline => return Err(Errno::ETIMEDOUT),
                Waited::Stop => return Err(Errno::EINTR),
            },
            Err(errno) => return Err(errno),
        };
        for message in rtnetlink::messages(&buffer[..len]) {
            if let Some(errno) = rtnetlink::error(&message) {
                return if errno == 0 { Ok(()) } else { Err(Errno::from_raw(errno)) };
            }
            if message.kind == rtnetlink::NLMSG_DONE {
                each(&message);
                return Ok(());
            }
            each(&message);
            if !dump {
                return Ok(());
            }
        }
    }
}

/// Tells that something changed which may change what we publish.
#[derive(Debug)]
pub struct Bell {
    fd: OwnedFd,
}

impl Bell {
    /// Rings for every change after this call: make it before the first look.
    pub fn new() -> Result<Bell, String> {
        open(SockProtocol::NetlinkRoute, GROUPS)
            .map(|fd| Bell { fd })
            .map_err(|errno| format!("could not subscribe to network changes: {}", errno.desc()))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Reads all that has arrived; true if a new look is due.
    pub fn rang(&mut self) -> bool {
        let mut news = false;
        let mut buffer = [0; 4096];
        loop {
            match recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC) {
                // Longer than the buffer: what is missing may have been news.
                Ok(len) if len > buffer.len() => news = true,
                Ok(0) => return news,
                Ok(len) => {
                    news |= rtnetlink::messages(&buffer[..len]).any(|m| rtnetlink::is_news(&m));
                }
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => {
                    debug!("network changes came faster than they were read; looking afresh");
                    news = true;
                }
                Err(_) => return news,
            }
        }
    }
}

/// Tells that the firewall's rules changed: fw4's reload, miniupnpd, the owner's own nft.
#[derive(Debug)]
pub struct Rules {
    fd: OwnedFd,
    /// Read in advance, so that the loop does not wake for it again.
    pub heard: Cell<bool>,
}

impl Rules {
    /// `None`: the kernel has no nftables, or wants CAP_NET_ADMIN for this.
    pub fn new() -> Option<Rules> {
        match open(SockProtocol::NetlinkNetFilter, NFTABLES) {
            Ok(fd) => Some(Rules { fd, heard: Cell::new(false) }),
            Err(errno) => {
                debug!("changes of the firewall are not heard: {}", errno.desc());
                None
            }
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Reads all that has arrived; what it says does not matter.
    pub fn drain(&self) -> bool {
        let mut rang = false;
        loop {
            match recv(self.fd.as_raw_fd(), &mut [0; 64], MsgFlags::empty()) {
                Ok(1..) | Err(Errno::ENOBUFS) => rang = true,
                Err(Errno::EINTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.heard.set(self.heard.get() | rang);
        rang
    }

    /// Whether rules changed since the last call.
    pub fn rang(&mut self) -> bool {
        self.drain();
        self.heard.replace(false)
    }
}

fn open(protocol: SockProtocol, groups: u32) -> nix::Result<OwnedFd> {
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        protocol,
    )?;
    // Port 0: the kernel picks one. Only the kernel can send to it unless we are asked to
    // listen to others, which rtnetlink does not allow.
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_dump_lists_what_pnet_lists() {
        // Links may come and go between the two.
        let same = (0..20).find_map(|_| {
            let (mut asked, mut told) = (asked().unwrap(), bare().unwrap());
            asked.sort_by_key(|link| link.index);
            told.sort_by_key(|link| link.index);
            (asked == told).then_some(asked)
        });
        assert!(same.unwrap().iter().any(|link| link.loopback && link.index == 1));
    }
}
