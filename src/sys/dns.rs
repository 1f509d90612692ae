//! DNS messages over UDP and TCP (RFC 1035 4.2): one out, one in. What they mean is for others.

use super::socket::{error, ready, tcp, udp, would_block};
use crate::world::{DnsTransport, NetError, NetErrorKind};
use nix::poll::PollFlags;
use ring::rand::{SecureRandom, SystemRandom};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// Largest reply by UDP: EDNS never promised more than this here.
const LONGEST_UDP: usize = 4096;

/// An id that cannot be guessed.
pub fn id() -> u16 {
    random() as u16
}

/// A random number from the kernel.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // Only a kernel without any random source fails; then ids are guessable, nothing else.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Sends `message` and returns the first reply that `read` takes. `read` sees replies from that
/// server alone, with the id that was asked.
pub fn exchange<T>(
    server: SocketAddr,
    message: &[u8],
    over: DnsTransport,
    device: Option<&str>,
    until: Instant,
    read: &dyn Fn(&[u8]) -> Option<T>,
) -> Result<T, NetError> {
    match over {
        DnsTransport::Udp => by_udp(server, message, device, until, read),
        DnsTransport::Tcp => by_tcp(server, message, device, until, read),
    }
}

fn by_udp<T>(
    server: SocketAddr,
    message: &[u8],
    device: Option<&str>,
    until: Instant,
    read: &dyn Fn(&[u8]) -> Option<T>,
) -> Result<T, NetError> {
    let mut socket = udp(server, None, device)?;
    let half = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
    let mut buffer = vec![0; LONGEST_UDP];
    let mut garbage = false;
    // The request and one resend. A lost datagram is common; a third one would be impatience.
    for (turn, turn_until) in [half, until].into_iter().enumerate() {
        match socket.send(message) {
            // The own address may be gone with which we asked first: ask from the new one.
            Err(error) if turn > 0 && !would_block(&error) => {
                socket = udp(server, None, device).map_err(sent)?;
                socket.send(message).map_err(|error| sent(broken(&error, true)))?;
            }
            // A full queue loses it, as the way may.
            Err(error) if !would_block(&error) => return Err(broken(&error, false)),
            _ => {}
        }
        loop {
            match ready(&socket, PollFlags::POLLIN, turn_until) {
                Ok(()) => {}
                Err(error) if error.kind == NetErrorKind::Deadline => break,
                Err(error) => return Err(NetError { sent: true, ..error }),
            }
            match socket.recv(&mut buffer) {
                Ok(len) => {
                    let reply = buffer.get(..len).unwrap_or_default();
                    if is_reply(message, reply) {
                        match read(reply) {
                            Some(value) => return Ok(value),
                            None => garbage = true,
                        }
                    }
                }
                Err(error) if would_block(&error) => {}
                Err(error) => return Err(broken(&error, true)),
            }
        }
    }
    let (kind, text) = match garbage {
        true => (NetErrorKind::Garbage, "what it answered could not be read"),
        false => (NetErrorKind::Deadline, "no answer in time"),
    };
    Err(NetError { kind, text: text.into(), sent: true })
}

fn by_tcp<T>(
    server: SocketAddr,
    message: &[u8],
    device: Option<&str>,
    until: Instant,
    read: &dyn Fn(&[u8]) -> Option<T>,
) -> Result<T, NetError> {
    let len = u16::try_from(message.len())
        .map_err(|_| error(NetErrorKind::Config, "the message is too long for DNS".into()))?;
    let mut stream = tcp(server, device, until)?;
    let mut framed = len.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    write(&mut stream, &framed, until)?;
    let mut head = [0; 2];
    fill(&mut stream, &mut head, until)?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(head))];
    fill(&mut stream, &mut reply, until)?;
    is_reply(message, &reply).then(|| read(&reply)).flatten().ok_or(NetError {
        kind: NetErrorKind::Garbage,
        text: "what it answered could not be read".into(),
        sent: true,
    })
}

/// The id that was asked, and the bit of an answer.
fn is_reply(message: &[u8], reply: &[u8]) -> bool {
    reply.get(..2) == message.get(..2) && reply.get(2).is_some_and(|flags| flags & 0x80 != 0)
}

fn write(stream: &mut TcpStream, mut bytes: &[u8], until: Instant) -> Result<(), NetError> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(error) if would_block(&error) => {
                ready(&*stream, PollFlags::POLLOUT, until).map_err(sent)?;
            }
            Err(error) => return Err(broken(&error, true)),
        }
    }
    Ok(())
}

fn fill(stream: &mut TcpStream, mut buffer: &mut [u8], until: Instant) -> Result<(), NetError> {
    while !buffer.is_empty() {
        match stream.read(buffer) {
            Ok(0) => {
                let text = "the connection was closed before the answer".to_string();
                return Err(NetError { kind: NetErrorKind::Cut, text, sent: true });
            }
            Ok(len) => buffer = buffer.get_mut(len..).unwrap_or_default(),
            Err(error) if would_block(&error) => {
                ready(&*stream, PollFlags::POLLIN, until).map_err(sent)?;
            }
            Err(error) => return Err(broken(&error, true)),
        }
    }
    Ok(())
}

fn sent(error: NetError) -> NetError {
    NetError { sent: true, ..error }
}

/// What an error of a socket means for the request.
pub fn broken(error: &std::io::Error, sent: bool) -> NetError {
    let (kind, text) = match error.kind() {
        // The answer to a datagram that nobody wanted (ICMP port unreachable).
        std::io::ErrorKind::ConnectionRefused => {
            (NetErrorKind::Connect, "nobody listens there".into())
        }
        std::io::ErrorKind::NetworkUnreachable | std::io::ErrorKind::NetworkDown => {
            (NetErrorKind::Connect, "no route to it".into())
        }
        std::io::ErrorKind::HostUnreachable => {
            (NetErrorKind::Connect, "the host or the way to it is down".into())
        }
        std::io::ErrorKind::ConnectionReset => {
            (NetErrorKind::Cut, "the connection was closed before the answer".into())
        }
        _ => (NetErrorKind::Cut, format!("the connection broke: {error}")),
    };
    let sent = sent && kind != NetErrorKind::Connect;
    NetError { kind, text, sent }
}
