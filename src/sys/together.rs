//! Questions in flight together: names being resolved, datagrams waiting for answers, connections
//! being opened and TLS being set up, all on one poll with one deadline. What the answers mean is
//! for others, and so is what is said over the connections.

use super::dns;
use super::http::{Ready, no_line, place, say_tls};
use super::resolve::{self, Resolver};
use super::signals::{Waited, wait_any};
use super::socket::{self, begin_tcp, error, would_block};
use super::world::host_port;
use crate::model::name::Family;
use crate::wire::dns::{Answer, answer, question};
use crate::world::{Ask, Datagram, NetError, NetErrorKind, Via};
use nix::poll::{PollFd, PollFlags};
use rustls::ClientConnection;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// When a datagram leaves, counted from the first time. A lost one is common; more than these
/// would be impatience.
const SENDS: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(1500)];

/// So long a connection is waited for before the host's next address is tried beside it.
const STAGGER: Duration = Duration::from_millis(600);

/// Addresses of one host that are tried.
const TRIES: usize = 3;

/// Datagrams that are read of one question before the others get their turn.
const MOST_AT_ONCE: usize = 32;

/// Largest answer by UDP.
const LONGEST: usize = 4096;

/// What came of one question.
pub enum Landed {
    Reply(Vec<u8>),
    /// To an HTTP host: the connection stands, and TLS where it is wanted.
    Line(Ready),
}

type Result<T> = std::result::Result<T, NetError>;

/// Gets all of these through, or says why not, until `until` or TERM. `secure` begins TLS with a
/// host.
pub fn fly(
    asks: &[Ask],
    via: &Via,
    names: &Resolver,
    secure: &dyn Fn(&str) -> Result<ClientConnection>,
    until: Instant,
) -> Vec<Result<Landed>> {
    let mut flights: Vec<Flight<'_>> =
        asks.iter().map(|ask| Flight::begin(ask, via, names, secure)).collect();
    let mut buffer = vec![0; LONGEST];
    let late = loop {
        let now = Instant::now();
        for flight in &mut flights {
            flight.go_on(now, via, &mut buffer);
        }
        let mut files = Vec::new();
        let mut wake = until;
        for flight in &flights {
            wake = wake.min(flight.files(&mut files).unwrap_or(until));
        }
        if flights.iter().all(|flight| matches!(flight.step, Step::Done(_))) {
            break error(NetErrorKind::Deadline, String::new());
        }
        match wait_any(&mut files, wake) {
            Waited::Stop => break error(NetErrorKind::Interrupted, "interrupted".into()),
            _ if Instant::now() >= until => {
                break error(NetErrorKind::Deadline, "no answer in time".into());
            }
            _ => {}
        }
    };
    flights.into_iter().map(|flight| flight.end(&late)).collect()
}

/// One question on its way.
struct Flight<'a> {
    ask: &'a Ask,
    host: String,
    port: u16,
    /// For https: TLS that has not begun to speak.
    tls: Option<Box<ClientConnection>>,
    step: Step,
}

enum Step {
    /// The name is asked for at the nameservers.
    Resolving(Exchange),
    Asking(Exchange),
    Connecting {
        /// Not yet tried.
        addresses: Vec<SocketAddr>,
        begun: Vec<(SocketAddr, TcpStream)>,
        /// When the next one is tried beside those begun.
        next: Instant,
        trouble: Option<NetError>,
    },
    Securing(SocketAddr, TcpStream, Box<ClientConnection>),
    Done(Result<Landed>),
}

impl<'a> Flight<'a> {
    fn begin(
        ask: &'a Ask,
        via: &Via,
        names: &Resolver,
        secure: &dyn Fn(&str) -> Result<ClientConnection>,
    ) -> Flight<'a> {
        let mut flight = Flight {
            ask,
            host: String::new(),
            port: 0,
            tls: None,
            step: Step::Done(resolve::none("", via.family)),
        };
        if let Err(why) = flight.try_begin(via, names, secure) {
            flight.step = Step::Done(Err(why));
        }
        flight
    }

    fn try_begin(
        &mut self,
        via: &Via,
        names: &Resolver,
        secure: &dyn Fn(&str) -> Result<ClientConnection>,
    ) -> Result<()> {
        let (host, port) = match self.ask {
            Ask::Datagram(one) => {
                let (host, port) = host_port(&one.to, one.port);
                (host.to_string(), port)
            }
            Ask::Http(request) => {
                let (host, port, tls) = place(&request.url, via.allow_http)?;
                if tls {
                    self.tls = Some(Box::new(secure(&host)?));
                }
                (host, port)
            }
        };
        self.host = host.trim_start_matches('[').trim_end_matches(']').to_string();
        self.port = port;
        match names.known(&self.host, via.family)? {
            Some(found) => self.found(found, via),
            None => self.step = self.resolve(via, names),
        }
        Ok(())
    }

    fn resolve(&self, via: &Via, names: &Resolver) -> Step {
        let servers = names.servers();
        let family = via.family.unwrap_or(Family::Ipv4);
        let Some(question) = question(&self.host, family, dns::id()) else {
            return Step::Done(resolve::failed(&self.host, "that is no domain name".into()));
        };
        if servers.is_empty() {
            let why = format!("{} names no nameserver", names.resolv_conf);
            return Step::Done(resolve::failed(&self.host, why));
        }
        // A resolver on this machine (dnsmasq) is not behind the WAN device.
        let device = |to: &SocketAddr| via.device.clone().filter(|_| !to.ip().is_loopback());
        let targets = servers.iter().map(|to| Target::new(*to, device(to)));
        Step::Resolving(Exchange::new(question, None, targets.collect()))
    }

    /// Its addresses are known.
    fn found(&mut self, found: Vec<IpAddr>, via: &Via) {
        let addresses = found.into_iter().take(TRIES).map(|ip| SocketAddr::new(ip, self.port));
        self.step = match self.ask {
            Ask::Datagram(Datagram { payload, source, .. }) => {
                let targets = addresses.map(|to| Target::new(to, via.device.clone()));
                Step::Asking(Exchange::new(payload.clone(), *source, targets.collect()))
            }
            Ask::Http(_) => Step::Connecting {
                addresses: addresses.collect(),
                begun: Vec::new(),
                next: Instant::now(),
                trouble: None,
            },
        };
    }

    /// Takes in what has arrived, and sends what is due.
    fn go_on(&mut self, now: Instant, via: &Via, buffer: &mut [u8]) {
        if let Step::Resolving(exchange) = &mut self.step {
            let family = via.family.unwrap_or(Family::Ipv4);
            let asked = exchange.payload.clone();
            let mut found = None;
            let mut read = |reply: &[u8]| match answer(&asked, reply, family) {
                None => Heard::Nothing,
                Some(Answer::Failed(why)) => Heard::Refusal(why),
                Some(Answer::Truncated) => Heard::Refusal("its answer is cut off".into()),
                Some(answer) => {
                    found = Some(answer);
                    Heard::Answer
                }
            };
            let over = exchange.go_on(now, &mut read, buffer);
            match (found, over) {
                (Some(Answer::Addresses(found)), _) if !found.is_empty() => self.found(found, via),
                (Some(Answer::Addresses(_)), _) => {
                    self.step = Step::Done(resolve::none(&self.host, via.family));
                }
                (Some(_), _) => {
                    let why = "there is no such name".into();
                    self.step = Step::Done(resolve::failed(&self.host, why));
                }
                (None, Some(why)) => {
                    self.step = Step::Done(resolve::failed(&self.host, why.text));
                }
                (None, None) => {}
            }
        }
        match (&mut self.step, self.ask) {
            (Step::Asking(exchange), Ask::Datagram(one)) => {
                let mut reply = None;
                let mut read = |bytes: &[u8]| match (one.is_reply)(&one.payload, bytes) {
                    true => {
                        reply = Some(bytes.to_vec());
                        Heard::Answer
                    }
                    false => Heard::Nothing,
                };
                let over = exchange.go_on(now, &mut read, buffer);
                if let Some(reply) = reply {
                    self.step = Step::Done(Ok(Landed::Reply(reply)));
                } else if let Some(why) = over {
                    self.step = Step::Done(Err(why));
                }
            }
            (Step::Connecting { addresses, begun, next, trouble }, _) => {
                let device = via.device.as_deref();
                let mut failed = |address, why| {
                    *trouble = Some(no_line(&self.host, address, why));
                    *next = now;
                };
                let mut stands = None;
                for (address, stream) in std::mem::take(begun) {
                    match socket::outcome(&stream, device) {
                        Some(Ok(())) => stands = Some((address, stream)),
                        Some(Err(why)) => failed(address, why),
                        None => begun.push((address, stream)),
                    }
                }
                while stands.is_none() && !addresses.is_empty() && now >= *next {
                    let address = addresses.remove(0);
                    match begin_tcp(address, device) {
                        Ok(stream) => {
                            begun.push((address, stream));
                            *next = now + STAGGER;
                        }
                        Err(why) => *trouble = Some(no_line(&self.host, address, why)),
                    }
                }
                if let Some((address, stream)) = stands {
                    self.step = match self.tls.take() {
                        Some(tls) => Step::Securing(address, stream, tls),
                        None => Step::Done(Ok(Landed::Line((address, stream, None)))),
                    };
                } else if begun.is_empty() && addresses.is_empty() {
                    let none = || error(NetErrorKind::Connect, "it has no address".into());
                    self.step = Step::Done(Err(trouble.take().unwrap_or_else(none)));
                }
            }
            _ => {}
        }
        if let Step::Securing(_, stream, tls) = &mut self.step {
            let over = loop {
                match tls.complete_io(stream) {
                    Ok(_) if tls.is_handshaking() => {}
                    Ok(_) => break Ok(()),
                    Err(error) if would_block(&error) => return,
                    Err(error) => break Err(say_tls(&error, &self.host)),
                }
            };
            let none = Step::Done(resolve::none(&self.host, via.family));
            if let Step::Securing(address, stream, tls) = std::mem::replace(&mut self.step, none) {
                self.step = Step::Done(over.map(|()| Landed::Line((address, stream, Some(tls)))));
            }
        }
    }

    /// What to wait for, and until when at most.
    fn files<'f>(&'f self, files: &mut Vec<PollFd<'f>>) -> Option<Instant> {
        match &self.step {
            Step::Resolving(exchange) | Step::Asking(exchange) => {
                let sockets = exchange.targets.iter().filter_map(|one| one.socket.as_ref());
                files.extend(sockets.map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN)));
                exchange.next()
            }
            Step::Connecting { addresses, begun, next, .. } => {
                let begun = begun.iter().map(|(_, stream)| stream.as_fd());
                files.extend(begun.map(|fd| PollFd::new(fd, PollFlags::POLLOUT)));
                (!addresses.is_empty()).then_some(*next)
            }
            Step::Securing(_, stream, tls) => {
                let mut interest = PollFlags::POLLIN;
                interest.set(PollFlags::POLLOUT, tls.wants_write());
                files.push(PollFd::new(stream.as_fd(), interest));
                None
            }
            Step::Done(_) => None,
        }
    }

    /// Its result; `late` is why waiting ended.
    fn end(self, late: &NetError) -> Result<Landed> {
        let why = match self.step {
            Step::Done(result) => return result,
            Step::Resolving(exchange) => {
                let why = exchange.trouble.as_ref().unwrap_or(late);
                return match late.kind {
                    NetErrorKind::Interrupted => Err(late.clone()),
                    _ => resolve::failed(&self.host, why.text.clone()),
                };
            }
            Step::Asking(exchange) => NetError { sent: exchange.sent > 0, ..late.clone() },
            Step::Securing(..) => {
                NetError { text: format!("{}: {}", self.host, late.text), ..late.clone() }
            }
            Step::Connecting { mut begun, .. } => match begun.pop() {
                Some((address, _)) if late.kind == NetErrorKind::Deadline => {
                    no_line(&self.host, address, late.clone())
                }
                _ => late.clone(),
            },
        };
        Err(why)
    }
}

/// One datagram and the addresses it goes to, one after another, until one of them answers.
struct Exchange {
    payload: Vec<u8>,
    source: Option<IpAddr>,
    targets: Vec<Target>,
    begun: Instant,
    sent: usize,
    /// An address has failed: do not wait for the next turn.
    hurry: bool,
    trouble: Option<NetError>,
}

struct Target {
    to: SocketAddr,
    device: Option<String>,
    /// Opened when it is asked first.
    socket: Option<UdpSocket>,
}

impl Target {
    fn new(to: SocketAddr, device: Option<String>) -> Target {
        Target { to, device, socket: None }
    }
}

/// What a datagram from the right address turned out to be.
enum Heard {
    Answer,
    /// Somebody else's, or a forgery: waiting goes on.
    Nothing,
    /// This address will not do; the next one may.
    Refusal(String),
}

impl Exchange {
    fn new(payload: Vec<u8>, source: Option<IpAddr>, targets: Vec<Target>) -> Exchange {
        let begun = Instant::now();
        Exchange { payload, source, targets, begun, sent: 0, hurry: false, trouble: None }
    }

    fn next(&self) -> Option<Instant> {
        SENDS.get(self.sent).map(|after| if self.hurry { self.begun } else { self.begun + *after })
    }

    /// Hands what has arrived to `read` until it is an answer, and sends what is due. The reason
    /// if nobody is left to ask.
    fn go_on(
        &mut self,
        now: Instant,
        read: &mut dyn FnMut(&[u8]) -> Heard,
        buffer: &mut [u8],
    ) -> Option<NetError> {
        let mut at = 0;
        // Who floods us gets a look at the clock and at signals in between.
        let mut heard = 0;
        while let Some(target) = self.targets.get(at).filter(|_| heard < MOST_AT_ONCE) {
            heard += 1;
            let failed = match target.socket.as_ref().map(|socket| socket.recv(buffer)) {
                Some(Ok(len)) => match read(buffer.get(..len).unwrap_or_default()) {
                    Heard::Answer => return None,
                    Heard::Nothing => continue,
                    Heard::Refusal(why) => error(NetErrorKind::Garbage, why),
                },
                Some(Err(broken)) if !would_block(&broken) => dns::broken(&broken, true),
                _ => {
                    at += 1;
                    continue;
                }
            };
            self.drop(at, failed);
        }
        while self.next().is_some_and(|next| now >= next) && !self.targets.is_empty() {
            self.hurry = false;
            let at = self.sent % self.targets.len();
            match self.send(at) {
                Ok(()) => self.sent += 1,
                Err(why) => self.drop(at, why),
            }
        }
        if self.targets.is_empty() {
            let none = || error(NetErrorKind::Connect, "it has no address".into());
            return Some(self.trouble.take().unwrap_or_else(none));
        }
        None
    }

    fn send(&mut self, at: usize) -> Result<()> {
        let Some(target) = self.targets.get_mut(at) else { return Ok(()) };
        let socket = match target.socket.take() {
            Some(socket) => socket,
            None => socket::udp(target.to, self.source, target.device.as_deref())?,
        };
        match socket.send(&self.payload) {
            // A full queue loses it, as the way may.
            Err(broken) if !would_block(&broken) => {
                return Err(dns::broken(&broken, self.sent > 0));
            }
            _ => target.socket = Some(socket),
        }
        Ok(())
    }

    fn drop(&mut self, at: usize, why: NetError) {
        let target = self.targets.remove(at);
        let text = format!("{}: {}", resolve::place(target.to), why.text);
        self.trouble = Some(NetError { text, ..why });
        self.hurry = self.sent < SENDS.len();
    }
}
