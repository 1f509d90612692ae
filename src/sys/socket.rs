//! TCP and UDP sockets that never block: every wait ends at the call's deadline or on TERM/INT.

use super::netlink;
use super::signals::{Waited, wait};
use crate::model::address::class;
use crate::model::wan::Address;
use crate::world::{NetError, NetErrorKind};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, getsockopt, setsockopt,
    socket, sockopt,
};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

/// Where mwan3 notes the bits of its marks while it runs: `0x3f00`.
const MWAN3_MASK: &str = "/var/run/mwan3/mmx_mask";

pub fn error(kind: NetErrorKind, text: String) -> NetError {
    NetError { kind, text, sent: false }
}

/// Waits, with the reason as an error. What is ready too late is too late: whoever sends without
/// end must not outlive the deadline.
pub fn ready(fd: impl AsFd, interest: PollFlags, until: Instant) -> Result<(), NetError> {
    match wait(fd.as_fd(), interest, until) {
        Waited::Ready if Instant::now() >= until => {
            Err(error(NetErrorKind::Deadline, "no answer in time".into()))
        }
        Waited::Ready => Ok(()),
        Waited::Deadline => Err(error(NetErrorKind::Deadline, "no answer in time".into())),
        Waited::Stop => Err(error(NetErrorKind::Interrupted, "interrupted".into())),
    }
}

/// A TCP connection to `to`, by `device` if given, failing closed.
pub fn tcp(to: SocketAddr, device: Option<&str>, until: Instant) -> Result<TcpStream, NetError> {
    let stream = begin_tcp(to, device)?;
    ready(&stream, PollFlags::POLLOUT, until)?;
    match outcome(&stream, device) {
        Some(Err(why)) => Err(why),
        _ => Ok(stream),
    }
}

/// As [`tcp`], but on its way: once it can be written to, [`outcome`] tells what became of it.
pub fn begin_tcp(to: SocketAddr, device: Option<&str>) -> Result<TcpStream, NetError> {
    let fd = open(SockType::Stream, to, device)?;
    match connect(fd.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => {}
        Err(errno) => return Err(unreachable(errno, device)),
    }
    let stream = TcpStream::from(fd);
    // Requests are small and complete when they are written.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Whether a connection stands or failed; `None`: it is still on its way.
pub fn outcome(stream: &TcpStream, device: Option<&str>) -> Option<Result<(), NetError>> {
    let errno = getsockopt(stream, sockopt::SocketError).unwrap_or(0);
    if errno != 0 {
        return Some(Err(unreachable(Errno::from_raw(errno), device)));
    }
    stream.peer_addr().is_ok().then_some(Ok(()))
}

/// A UDP socket that sends to and hears from `to` alone, from the own address `source` if given;
/// the kernel picks a random port.
pub fn udp(
    to: SocketAddr,
    source: Option<IpAddr>,
    device: Option<&str>,
) -> Result<UdpSocket, NetError> {
    let fd = open(SockType::Datagram, to, device)?;
    if let Some(source) = source {
        bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0)))
            .map_err(|errno| unreachable(errno, device))?;
    }
    connect(fd.as_raw_fd(), &SockaddrStorage::from(to))
        .map_err(|errno| unreachable(errno, device))?;
    Ok(UdpSocket::from(fd))
}

fn open(kind: SockType, to: SocketAddr, device: Option<&str>) -> Result<OwnedFd, NetError> {
    let fd = bound(kind, to, device)?;
    let Some(device) = device.filter(|_| to.is_ipv6()) else { return Ok(fd) };
    // The kernel looks for a source address on all devices, and then for a way from there. Where
    // the ways depend on the source (netifd's IPv6 routes, policy tables) it may miss the only
    // one. Nothing is sent by this.
    let trial = bound(SockType::Datagram, to, Some(device))?;
    if connect(trial.as_raw_fd(), &SockaddrStorage::from(to)) == Err(Errno::ENETUNREACH)
        && let Some(source) = source(device)
    {
        let _ = bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0)));
    }
    Ok(fd)
}

/// An IPv6 address of the device that a conversation can begin from.
fn source(device: &str) -> Option<IpAddr> {
    const UNFIT: u32 = Address::DADFAILED | Address::DEPRECATED | Address::TENTATIVE;
    let links = netlink::links().ok()?;
    let addresses = links.into_iter().find(|link| link.name == device)?.addresses;
    let fit = |address: &Address| address.ip.is_ipv6() && !address.has(UNFIT);
    let fit = addresses.into_iter().filter(fit).map(|address| address.ip);
    fit.min_by_key(|ip| (!class(*ip).global, !class(*ip).kind.fits_a_record()))
}

/// A socket that leaves by `device` if given, with no address of its own yet.
pub(super) fn bound(
    kind: SockType,
    to: SocketAddr,
    device: Option<&str>,
) -> Result<OwnedFd, NetError> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, kind, flags, None).map_err(|errno| unreachable(errno, None))?;
    if let Some(device) = device {
        setsockopt(&fd, sockopt::BindToDevice, &OsString::from(device))
            .map_err(|errno| unbound(errno, device))?;
        if let Some(mark) = hands_off() {
            // Without CAP_NET_ADMIN it stays as it is: then mwan3 may send it astray, and the
            // device, being bound, refuses.
            let _ = setsockopt(&fd, sockopt::Mark, &mark);
        }
    }
    Ok(fd)
}

/// mwan3 marks what has no mark yet for the WAN of its choice. What carries its whole mask it leaves
/// alone, and that is what a socket needs that is bound to another one. `None`: there is no mwan3.
fn hands_off() -> Option<u32> {
    let mask = std::fs::read_to_string(MWAN3_MASK).ok()?;
    u32::from_str_radix(mask.trim().trim_start_matches("0x"), 16).ok()
}

fn unbound(errno: Errno, device: &str) -> NetError {
    let why = match errno {
        Errno::ENODEV => "there is no such device now".to_string(),
        Errno::EPERM => "this user may not (needs CAP_NET_RAW on this kernel)".to_string(),
        errno => errno.desc().to_string(),
    };
    error(NetErrorKind::Connect, format!("could not bind to device {device}: {why}"))
}

/// What an errno of opening a socket means.
pub fn unreachable(errno: Errno, device: Option<&str>) -> NetError {
    let why = match errno {
        Errno::ECONNREFUSED => "connection refused",
        Errno::ENETUNREACH => "no route to it",
        Errno::EHOSTUNREACH => "the host or the way to it is down",
        Errno::ETIMEDOUT => "no answer",
        Errno::EADDRNOTAVAIL => "no own address of this family",
        Errno::EAFNOSUPPORT => "this machine has no such family",
        errno => errno.desc(),
    };
    let by = device.map(|device| format!(" by {device}")).unwrap_or_default();
    error(NetErrorKind::Connect, format!("{why}{by}"))
}

/// True for the errors of a non-blocking socket that mean: wait.
pub fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
