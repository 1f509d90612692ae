//! The two doors through which everything else meets the outside: [`Net`] for providers and
//! lookups, [`Sys`] for looking at the router itself. `sys` builds the real ones. Plain values in, plain values out, so that
//! a test can hand in its own. No sockets, files or clocks are named here.

use crate::model::known::Known;
use crate::model::lan::Mac;
use crate::model::line::Hop;
use crate::model::name::Family;
use crate::model::target::{Heard, Knock};
use crate::model::utc::read_date;
use crate::model::wan::{Link, Passage, Route};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// How a request leaves the router. Every call has one total deadline, one size limit, at most
/// one device and one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Bind to this device (SO_BINDTODEVICE), failing closed; `None`: the routing table decides.
    pub device: Option<String>,
    /// Use only this family for transport; `None`: either, IPv6 first where the name has both.
    pub family: Option<Family>,
    /// For the whole call: resolving, connecting, TLS, sending, receiving.
    pub deadline: Duration,
    /// Longest reply body accepted, bytes.
    pub max_body: usize,
    /// PEM file of trust roots instead of the system's bundle.
    pub ca_file: Option<String>,
    /// http:// is refused unless the owner opted in.
    pub allow_http: bool,
}

impl Default for Via {
    fn default() -> Self {
        Via {
            device: None,
            family: None,
            deadline: Duration::from_secs(20),
            max_body: 64 * 1024,
            ca_file: None,
            allow_http: false,
        }
    }
}

/// An HTTP/1.1 request. Redirects are not followed; a 3xx comes back as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`.
    pub method: &'static str,
    pub url: String,
    /// Without Host, Content-Length and User-Agent, which are added; User-Agent may be given.
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub body: Option<Vec<u8>>,
}

impl HttpRequest {
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        HttpRequest { method, url: url.into(), headers: Vec::new(), body: None }
    }

    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn json(mut self, value: &serde_json::Value) -> Self {
        self.headers.push(("content-type".into(), "application/json".into()));
        self.body = Some(value.to_string().into_bytes());
        self
    }
}

impl fmt::Debug for HttpRequest {
    /// Headers and body may hold secrets and are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url.split('?').next().unwrap_or(""))
    }
}

/// A complete reply, whatever its status. Only a transport failure is a [`NetError`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpReply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpReply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How long `Retry-After` asks to wait (RFC 9110 10.2.3). Its date form is measured from the
    /// reply's own `Date`: a router's clock may be wrong, or the server's.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        let seconds = text.parse().ok().or_else(|| {
            let from = read_date(self.header("date")?.trim())?;
            Some(read_date(text)?.saturating_sub(from))
        });
        seconds.map(Duration::from_secs)
    }
}

/// What went wrong on the way, in the owner's words, and what that allows us to conclude.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetError {
    pub kind: NetErrorKind,
    /// One clause, lower case, no full stop: `could not resolve api.example: no answer from ...`.
    pub text: String,
    /// The request may have reached the server: nobody knows whether it took effect.
    pub sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetErrorKind {
    /// TERM or INT arrived; stop at once and report nothing as failed.
    Interrupted,
    /// The deadline passed.
    Deadline,
    /// The server's name could not be resolved.
    Resolve,
    /// No connection: refused, unreachable, device missing.
    Connect,
    /// TLS failed for a reason that is not the clock: wrong name, unknown issuer, no trust roots.
    Tls,
    /// The certificate is not yet or no longer valid by our clock, which may be wrong.
    Clock,
    /// The connection broke before the reply was complete.
    Cut,
    /// The reply is larger than `Via::max_body`, or its head is absurd.
    TooLarge,
    /// The reply is not HTTP or not DNS.
    Garbage,
    /// The owner's own words are wrong: an URL that is none, http:// without the opt-in,
    /// a missing ca_file. Trying again does not help.
    Config,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for NetError {}

/// How a DNS message travels (RFC 1035 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsTransport {
    Udp,
    /// With the two-byte length in front, added and taken off by the implementation.
    Tcp,
}

/// One question of several that are in flight together, see [`Net::together`].
#[derive(Clone, Debug)]
pub enum Ask {
    Datagram(Datagram),
    Http(HttpRequest),
}

/// One UDP datagram that wants an answer.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// `HOST[:PORT]` or `[V6]:PORT`.
    pub to: String,
    /// Where `to` names none.
    pub port: u16,
    /// The own address to ask from; `None`: the kernel picks one.
    pub source: Option<IpAddr>,
    pub payload: Vec<u8>,
    /// Tells from payload and reply whether they belong together; what does not is passed over,
    /// and waiting goes on.
    pub is_reply: fn(&[u8], &[u8]) -> bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Datagram(Vec<u8>),
    Http(HttpReply),
}

/// What providers and lookups may do. Calls end at their deadline or on TERM/INT.
pub trait Net {
    /// One request, one reply. Connections are kept between calls until [`Net::done`].
    fn http(&mut self, request: &HttpRequest, via: &Via) -> Result<HttpReply, NetError>;

    /// Sends one DNS message to `server` (`HOST[:PORT]`, `[V6]:PORT`; port 53 if absent) and
    /// returns the first reply whose id and source match; one UDP resend at half the deadline.
    fn dns(
        &mut self,
        server: &str,
        message: &[u8],
        over: DnsTransport,
        via: &Via,
    ) -> Result<Vec<u8>, NetError>;

    /// Asks all of these at once; their answers, in their order. `via.deadline` is for all of
    /// them: names, datagrams, connections and TLS are in flight together, so a dead host costs
    /// its time once, however many there are. HTTP replies are then read one after another;
    /// where there are any, three quarters of the time are for getting through to them. Datagrams are sent
    /// three times at most. Names are resolved to `via.family`, IPv4 if it is not given.
    /// Datagrams to literal addresses leave even when TERM has arrived, so that what was begun
    /// can be taken back; nobody waits for their answers then.
    ///
    /// An implementation without sockets of its own asks HTTP in series, and no datagrams.
    fn together(&mut self, asks: &[Ask], via: &Via) -> Vec<Result<Answer, NetError>> {
        let one = |ask: &Ask| match ask {
            Ask::Http(request) => self.http(request, via).map(Answer::Http),
            Ask::Datagram(_) => Err(NetError {
                kind: NetErrorKind::Connect,
                text: "no datagrams here".into(),
                sent: false,
            }),
        };
        asks.iter().map(one).collect()
    }

    /// A file's bytes; `Ok(None)` if there is none. Refuses more than 8 MiB.
    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String>;

    /// Writes a file whole or not at all: temporary beside it, fsync, rename. Keeps the mode of
    /// a file that exists; a new one gets `mode`.
    fn replace_file(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), String>;

    /// Seconds since 1970 by the wall clock, which may be wrong by decades.
    fn wall_clock(&self) -> u64;

    /// A random number, for ids and jitter.
    fn chance(&mut self) -> u64;

    /// Closes kept connections and gives their memory back.
    fn done(&mut self);
}

/// What packet the kernel is asked about. Nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteQuery {
    /// Of `to`, if that is `None`: then it is some address on the Internet.
    pub family: Family,
    pub to: Option<IpAddr>,
    /// Index of the link that it must leave by.
    pub device: Option<u32>,
    /// The own address that it is sent from.
    pub source: Option<IpAddr>,
    /// Its mark, as mwan3 and pbr set it; 0: none.
    pub mark: u32,
}

/// What the router says of itself. A look never fails as a whole: each part is there or says why.
pub trait Sys: Net {
    /// All links with their addresses, as they are now.
    fn links(&mut self) -> Result<Vec<Link>, String>;

    /// Index of the link by which the kernel would send a packet to the Internet; `None`: none.
    fn route_device(&mut self, family: Family) -> Result<Option<u32>, String>;

    /// The way by which the kernel would send a packet like that; `None`: none.
    fn route(&mut self, query: &RouteQuery) -> Result<Option<Route>, String> {
        let _ = query;
        Err("no routes here".into())
    }

    /// Marks by which the kernel's rules send packets other ways.
    fn marks(&mut self, family: Family) -> Result<Vec<u32>, String> {
        let _ = family;
        Err("no rules here".into())
    }

    /// What the kernel would do with an IPv4 packet that comes in by link `by`. `None`: some
    /// address on the Internet. Nothing is sent.
    fn passage(
        &mut self,
        from: Option<IpAddr>,
        to: Option<IpAddr>,
        by: u32,
        mark: u32,
    ) -> Result<Passage, String> {
        let _ = (from, to, by, mark);
        Err("no routes here".into())
    }

    /// The routers on the way from `source`, a usable address of `device`, towards the Internet:
    /// one entry for each TTL up to `most`, ending early where the way ends. All are asked at
    /// once and waited for about a second; TERM ends it.
    fn hops(&mut self, device: &str, source: IpAddr, most: u8) -> Known<Vec<Hop>> {
        let _ = (device, source, most);
        Known::unknown("no packets here")
    }

    /// Tries ports of hosts behind the router, at most 8 at a time, 4 s each and 32 s in all;
    /// what each heard, in their order. TERM ends it.
    fn knock(&mut self, knocks: &[Knock]) -> Vec<Known<Heard>> {
        knocks.iter().map(|_| Known::unknown("no packets here")).collect()
    }

    /// netifd's `network.interface dump`; `None` where there is no ubus socket.
    fn netifd(&mut self) -> Option<Result<serde_json::Value, String>>;

    /// IPv6 neighbours that were heard of, with the index of their link.
    fn neighbours(&mut self) -> Result<Vec<(u32, Mac, Ipv6Addr)>, String>;

    /// odhcpd's `dhcp ipv6leases`; `None` where nobody tells.
    fn ipv6_leases(&mut self) -> Option<serde_json::Value>;

    /// Permission bits of a file, to tell who can read a secret.
    fn file_mode(&mut self, path: &str) -> Option<u32>;

    /// Runs a program by its argv, without a shell, bounded in time and output. Without an
    /// implementation there are no programs.
    fn run(&mut self, argv: &[&str]) -> Result<Ran, String> {
        Err(format!("there is no {} here", argv.first().unwrap_or(&"program")))
    }

    /// The files of a folder of programs, sorted. Without an implementation there are none.
    fn programs(&mut self, folder: &str) -> Result<Vec<Program>, String> {
        let _ = folder;
        Ok(Vec::new())
    }

    /// Runs a program of the owner's as [`Sys::run`] does, with PATH as its whole environment and
    /// `input`, at most a few kilobytes, on its stdin.
    fn tell(&mut self, argv: &[&str], input: &[u8], deadline: Duration) -> Result<Ran, String> {
        let _ = (input, deadline);
        self.run(argv)
    }

    /// The firewall changed since the last call, or somebody said so (WINCH).
    fn firewall_rang(&mut self) -> bool {
        false
    }

    /// Something slow begins: shown to a person at a terminal, nowhere else.
    fn progress(&mut self, what: &str);

    /// Sleeps until something happens, at most until the moment (since boot).
    fn wait(&mut self, until: Option<Duration>) -> Event;

    /// TERM or INT has arrived: end now, blame nobody.
    fn stopping(&self) -> bool;

    /// Time since boot (CLOCK_BOOTTIME): never jumps, survives our own restarts.
    fn now(&self) -> Duration;

    /// The kernel says that nobody keeps its wall clock right.
    fn unsynchronised(&self) -> bool {
        false
    }

    /// When the files of a folder were last written, seconds since 1970; empty if it is none.
    fn written(&self, folder: &str) -> Vec<u64> {
        let _ = folder;
        Vec::new()
    }

    /// Tells one boot from another (`/proc/sys/kernel/random/boot_id`); empty if unknown.
    fn boot_id(&self) -> String;
}

/// A file in a folder of programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Without its folder.
    pub name: String,
    /// Why it may not be run: `is not executable`.
    pub wrong: Option<String>,
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// It said so by its exit code.
    pub fine: bool,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// What the daemon wakes up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The kernel told of a change, or netifd, or WINCH.
    News,
    /// The moment that was waited for.
    Timer,
    /// HUP: read the config again.
    Reload,
    /// USR1: look again now, and take nothing for granted.
    Recheck,
    /// The wall clock was set, or somebody says so (USR2).
    Clock,
    /// TERM or INT.
    Stop,
}
