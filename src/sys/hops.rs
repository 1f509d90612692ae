//! The routers on the way out: datagrams whose TTL runs out one router further each (as
//! tracepath(8) does it), all at once. Who answers is read from the sockets' error queues
//! (ip(7), IP_RECVERR), so no raw socket and no privilege is needed. What a hop proves is
//! for others.

use super::netlink::somewhere;
use super::signals::{Waited, wait_any};
use super::socket;
use crate::model::line::Hop;
use crate::model::name::Family;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

/// Routers answer within a round trip or not at all; many limit how often they do.
const DEADLINE: Duration = Duration::from_millis(1000);

/// Once the first hop and one behind it are known, the silent ones get so much longer.
const PATIENCE: Duration = Duration::from_millis(300);

/// Nobody listens there; the ports that traceroute(8) made customary.
const PORT: u16 = 33434;

/// See `Sys::hops`.
pub fn hops(device: &str, source: IpAddr, most: u8) -> Result<Vec<Hop>, String> {
    let to = somewhere(Family::of(source)).ok_or("no address to send to")?;
    let failed = |why: String| format!("could not ask the routers on the way: {why}");
    let mut probes = Vec::new();
    for ttl in 1..=most.min(32) {
        let at = SocketAddr::new(to, PORT + u16::from(ttl));
        let socket = socket::udp(at, Some(source), Some(device)).map_err(|why| failed(why.text))?;
        prepare(&socket, source.is_ipv4(), ttl)
            .map_err(|errno| failed(socket::unreachable(errno, None).text))?;
        // A full queue or an error is one silent hop.
        let _ = socket.send(&[0; 16]);
        probes.push((Hop { ttl, from: None }, socket, false));
    }
    let mut until = Instant::now() + DEADLINE;
    loop {
        let mut news = false;
        for (hop, socket, end) in &mut probes {
            if hop.from.is_none()
                && let Some((from, arrived)) = answer(socket)
            {
                (hop.from, *end, news) = (Some(from), arrived, true);
            }
        }
        // Nothing comes from behind the destination.
        let end = probes.iter().position(|(_, _, end)| *end).map_or(probes.len(), |at| at + 1);
        probes.truncate(end);
        if probes.iter().all(|(hop, ..)| hop.from.is_some()) {
            break;
        }
        if news {
            until = until.min(Instant::now() + PATIENCE);
        }
        let silent = probes.iter().filter(|(hop, ..)| hop.from.is_none());
        // An error queue that is not empty is POLLERR, which is always waited for.
        let mut files: Vec<PollFd<'_>> =
            silent.map(|(_, socket, _)| PollFd::new(socket.as_fd(), PollFlags::empty())).collect();
        match wait_any(&mut files, until) {
            Waited::Ready => {}
            Waited::Deadline => break,
            Waited::Stop => return Err("interrupted".into()),
        }
    }
    Ok(probes.into_iter().map(|(hop, ..)| hop).collect())
}

fn prepare(socket: &UdpSocket, v4: bool, ttl: u8) -> nix::Result<()> {
    if v4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
        setsockopt(socket, sockopt::Ipv4Ttl, &i32::from(ttl))
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
        setsockopt(socket, sockopt::Ipv6Ttl, &i32::from(ttl))
    }
}

/// Who sent an error about this probe, and whether it is the destination (it arrived).
fn answer(socket: &UdpSocket) -> Option<(IpAddr, bool)> {
    // Until the queue is empty; each error is at most a few hundred bytes, of which none is read.
    for _ in 0..8 {
        let mut room = [0; 64];
        let mut space = [IoSliceMut::new(&mut room)];
        let mut control = nix::cmsg_space!([u8; 128]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let fd = socket.as_raw_fd();
        let message = match recvmsg::<SockaddrStorage>(fd, &mut space, Some(&mut control), flags) {
            Ok(message) => message,
            // An error that is pending on the socket itself is told once, then the queue is read.
            Err(Errno::EAGAIN) => return None,
            Err(_) => continue,
        };
        let Ok(messages) = message.cmsgs() else { continue };
        for message in messages {
            let (error, from) = match message {
                ControlMessageOwned::Ipv4RecvErr(error, Some(from)) => {
                    let from = Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr));
                    (error, IpAddr::from(from))
                }
                ControlMessageOwned::Ipv6RecvErr(error, Some(from)) => {
                    (error, IpAddr::from(Ipv6Addr::from(from.sin6_addr.s6_addr)))
                }
                _ => continue,
            };
            // linux/errqueue.h: SO_EE_ORIGIN_ICMP with time exceeded (11) or unreachable (3),
            // SO_EE_ORIGIN_ICMP6 with 3 and 1.
            let arrived = match (error.ee_origin, error.ee_type) {
                (2, 11) | (3, 3) => false,
                (2, 3) | (3, 1) => true,
                _ => continue,
            };
            if !from.is_unspecified() {
                return Some((from, arrived));
            }
        }
    }
    None
}
