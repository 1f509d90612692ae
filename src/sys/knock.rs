//! Tries ports of hosts behind the router: a TCP connection that is closed at once, or an empty
//! datagram; a few at a time. What the answers mean is for others.

use super::signals::{Waited, wait_any};
use super::socket::bound;
use crate::model::known::Known;
use crate::model::target::{Heard, Knock};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{
    MsgFlags, SockType, SockaddrStorage, bind, connect, getsockopt, recv, send, sockopt,
};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// In flight at once: a host must not take it for an attack.
const AT_ONCE: usize = 8;

/// For each. The kernel gives up asking for a hardware address after 3.1 s.
const EACH: Duration = Duration::from_secs(4);

/// For all. What has no turn until then is unknown.
const ALL: Duration = Duration::from_secs(32);

/// The kernel asks three times for a hardware address, a second apart; what says unreachable
/// sooner is an ICMP message.
const ARP: Duration = Duration::from_millis(900);

struct Flight {
    at: usize,
    begun: Instant,
    tcp: bool,
    fd: OwnedFd,
}

/// What each heard, in their order.
pub fn knock(knocks: &[Knock]) -> Vec<Known<Heard>> {
    let end = Instant::now() + ALL;
    let mut heard = vec![Known::unknown("there was no time left to try it"); knocks.len()];
    let mut waiting = knocks.iter().enumerate();
    let mut flights: Vec<Flight> = Vec::new();
    loop {
        while flights.len() < AT_ONCE && Instant::now() < end {
            let Some((at, one)) = waiting.next() else { break };
            match begin(one) {
                Ok(fd) => flights.push(Flight { at, begun: Instant::now(), tcp: one.tcp, fd }),
                Err(why) => put(&mut heard, at, why),
            }
        }
        let Some(first) = flights.iter().map(|flight| flight.begun).min() else { break };
        let interest = |tcp| if tcp { PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let mut fds: Vec<PollFd<'_>> =
            flights.iter().map(|one| PollFd::new(one.fd.as_fd(), interest(one.tcp))).collect();
        if wait_any(&mut fds, first + EACH) == Waited::Stop {
            break;
        }
        drop(fds);
        flights.retain(|flight| match flight.heard() {
            None => true,
            Some(what) => {
                put(&mut heard, flight.at, what);
                false
            }
        });
    }
    heard
}

fn put(heard: &mut [Known<Heard>], at: usize, what: Known<Heard>) {
    if let Some(slot) = heard.get_mut(at) {
        *slot = what;
    }
}

/// On its way, or what stopped it.
fn begin(one: &Knock) -> Result<OwnedFd, Known<Heard>> {
    let kind = if one.tcp { SockType::Stream } else { SockType::Datagram };
    let fd = bound(kind, one.to, Some(&one.device)).map_err(Known::unknown)?;
    let own = SockaddrStorage::from(SocketAddr::new(one.source, 0));
    bind(fd.as_raw_fd(), &own).map_err(|errno| Known::unknown(errno.desc()))?;
    match connect(fd.as_raw_fd(), &SockaddrStorage::from(one.to)) {
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => {}
        // None of these came from the host: nothing has been waited for.
        Err(errno) => return Err(Known::unknown(errno.desc())),
    }
    if !one.tcp {
        send(fd.as_raw_fd(), &[], MsgFlags::empty())
            .map_err(|errno| Known::unknown(errno.desc()))?;
    }
    Ok(fd)
}

impl Flight {
    /// What came of it; `None`: it is still on its way.
    fn heard(&self) -> Option<Known<Heard>> {
        let errno = match self.tcp {
            true => match getsockopt(&self.fd, sockopt::SocketError) {
                Ok(0) if connected(&self.fd) => return Some(Known::Known(Heard::Open)),
                Ok(errno) => Errno::from_raw(errno),
                Err(errno) => errno,
            },
            false => match recv(self.fd.as_raw_fd(), &mut [0; 16], MsgFlags::empty()) {
                Ok(_) => return Some(Known::Known(Heard::Open)),
                Err(Errno::EAGAIN | Errno::EINTR) => Errno::from_raw(0),
                Err(errno) => errno,
            },
        };
        let took = self.begun.elapsed();
        Some(match errno {
            Errno::ECONNREFUSED | Errno::ECONNRESET => Known::Known(Heard::Refused),
            Errno::EHOSTUNREACH if took >= ARP => Known::Known(Heard::Absent),
            Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES => {
                Known::Known(Heard::Forbidden)
            }
            Errno::ETIMEDOUT => Known::Known(Heard::Silent),
            errno if errno as i32 != 0 => Known::unknown(errno.desc()),
            _ if took >= EACH => Known::Known(Heard::Silent),
            _ => return None,
        })
    }
}

fn connected(fd: &OwnedFd) -> bool {
    nix::sys::socket::getpeername::<SockaddrStorage>(fd.as_raw_fd()).is_ok()
}
