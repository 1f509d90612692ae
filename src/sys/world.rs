//! The real outside world, as [`Net`]: every call bound, bounded and ended by a signal.

use super::clock::{self, Steps};
use super::http::Session;
use super::netlink::{Bell, Rules};
use super::resolve::Resolver;
use super::together::{self, Landed};
use super::ubus::Ubus;
use super::{dns, files};
use crate::world::{
    Answer, Ask, DnsTransport, HttpReply, HttpRequest, Net, NetError, NetErrorKind, Via,
};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Where a DNS server listens unless told otherwise.
const DNS_PORT: u16 = 53;

/// Holds what is kept between calls: connections until [`Net::done`].
#[derive(Debug, Default)]
pub struct World {
    pub(super) progress: bool,
    pub names: Resolver,
    session: Option<Session>,
    pub(super) bell: Option<Bell>,
    /// Absent where the kernel does not let us listen, or has no nftables.
    pub(super) rules: Option<Rules>,
    pub(super) steps: Option<Steps>,
    pub ubus: Ubus,
}

impl World {
    pub fn new() -> World {
        World::default()
    }

    /// The connections kept for this way out; those of another are closed.
    fn session(&mut self, via: &Via) -> &Session {
        if !self.session.as_ref().is_some_and(|session| session.fits(via)) {
            self.session = None;
        }
        self.session.get_or_insert_with(|| Session::new(via, &self.names))
    }

    /// Slow parts are told on stderr, if that is a terminal.
    pub fn show_progress(&mut self) {
        self.progress = true;
    }
}

impl Net for World {
    fn http(&mut self, request: &HttpRequest, via: &Via) -> Result<HttpReply, NetError> {
        self.session(via).request(request, via, None)
    }

    fn together(&mut self, asks: &[Ask], via: &Via) -> Vec<Result<Answer, NetError>> {
        let until = Instant::now() + via.deadline;
        let is_http = |ask: &&Ask| matches!(ask, Ask::Http(_));
        let mut left = asks.iter().filter(is_http).count() as u32;
        // What gets through late must leave time for the replies.
        let flying = if left > 0 { via.deadline * 3 / 4 } else { via.deadline };
        let names = self.names.clone();
        let session = self.session(via);
        let secure = |host: &str| session.secure(host);
        let landed = together::fly(asks, via, &names, &secure, until - (via.deadline - flying));
        let mut answers = Vec::new();
        for (ask, landed) in asks.iter().zip(landed) {
            answers.push(match (ask, landed) {
                (Ask::Http(request), Ok(Landed::Line(line))) => {
                    // What hangs must leave time for the others.
                    let share = until.saturating_duration_since(Instant::now()) / left.max(1);
                    let via = Via { deadline: share, ..via.clone() };
                    self.session(&via).request(request, &via, Some(line)).map(Answer::Http)
                }
                (_, Ok(Landed::Reply(reply))) => Ok(Answer::Datagram(reply)),
                (_, Ok(Landed::Line(_))) => Err(NetError {
                    kind: NetErrorKind::Garbage,
                    text: "a connection where a reply was due".into(),
                    sent: false,
                }),
                (_, Err(why)) => Err(why),
            });
            left = left.saturating_sub(u32::from(is_http(&ask)));
        }
        answers
    }

    fn dns(
        &mut self,
        server: &str,
        message: &[u8],
        over: DnsTransport,
        via: &Via,
    ) -> Result<Vec<u8>, NetError> {
        let until = Instant::now() + via.deadline;
        let (host, port) = host_port(server, DNS_PORT);
        let device = via.device.as_deref();
        let addresses = self.names.resolve(host, via.family, device, until)?;
        let mut left = addresses.len() as u32;
        let mut last: Option<NetError> = None;
        for ip in addresses {
            let share = until.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            let address = SocketAddr::new(ip, port);
            let all = |reply: &[u8]| Some(reply.to_vec());
            match dns::exchange(address, message, over, device, Instant::now() + share, &all) {
                Ok(reply) => return Ok(reply),
                Err(why) => {
                    // Silence by UDP is asked at the next address, as it is asked again at the same.
                    let silent = over == DnsTransport::Udp && why.kind == NetErrorKind::Deadline;
                    let stop = why.kind == NetErrorKind::Interrupted || (why.sent && !silent);
                    let sent = why.sent || last.as_ref().is_some_and(|last| last.sent);
                    let at = if ip.to_string() == host {
                        address.to_string()
                    } else {
                        format!("{host} ({address})")
                    };
                    last = Some(NetError { text: format!("{at}: {}", why.text), sent, ..why });
                    if stop {
                        break;
                    }
                }
            }
        }
        Err(last.unwrap_or(NetError {
            kind: NetErrorKind::Resolve,
            text: format!("{host} has no address"),
            sent: false,
        }))
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        files::read(path)
    }

    fn replace_file(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), String> {
        files::replace(path, content, mode)
    }

    fn wall_clock(&self) -> u64 {
        clock::wall()
    }

    fn chance(&mut self) -> u64 {
        dns::random()
    }

    fn done(&mut self) {
        self.session = None;
    }
}

/// `HOST`, `HOST:PORT`, `V6`, `[V6]`, `[V6]:PORT`.
pub(super) fn host_port(server: &str, default: u16) -> (&str, u16) {
    if server.parse::<IpAddr>().is_ok() {
        return (server, default);
    }
    match server.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() => match port.parse() {
            Ok(port) => (host.trim_start_matches('[').trim_end_matches(']'), port),
            Err(_) => (server.trim_start_matches('[').trim_end_matches(']'), default),
        },
        _ => (server.trim_start_matches('[').trim_end_matches(']'), default),
    }
}

#[cfg(test)]
mod tests {
    use super::host_port;

    #[test]
    fn hosts_with_and_without_ports() {
        for (text, host, port) in [
            ("192.0.2.53", "192.0.2.53", 53),
            ("192.0.2.53:5353", "192.0.2.53", 5353),
            ("ns.example.org:54", "ns.example.org", 54),
            ("ns.example.org", "ns.example.org", 53),
            ("2001:db8::53", "2001:db8::53", 53),
            ("[2001:db8::53]", "2001:db8::53", 53),
            ("[2001:db8::53]:54", "2001:db8::53", 54),
        ] {
            assert_eq!(host_port(text, 53), (host, port), "{text}");
        }
    }
}
