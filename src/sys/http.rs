//! HTTP/1.1 by ureq over our own lines: bound to a device and a family, ended by one deadline or
//! a signal, verified by `tls`, resolved by `resolve`. Statuses and bodies are for others.
//!
//! ureq asks the resolver, then the connector, then moves bytes through the [`Line`]. Its own
//! errors are too coarse for an owner, so whoever fails first leaves the real reason in
//! [`Call`], which the caller reads.

use super::resolve::Resolver as Names;
use super::socket::{self, error, ready, would_block};
use super::{clock, tls};
use crate::model::name::Family;
use crate::world::{HttpReply, HttpRequest, NetError, NetErrorKind, Via};
use nix::poll::PollFlags;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Error};

/// A name with more addresses than this is tried no further.
const TRIES: usize = 4;

/// Longest status line with headers, bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// Requests with the same way out, sharing connections.
#[derive(Debug)]
pub struct Session {
    device: Option<String>,
    family: Option<Family>,
    agent: Agent,
    call: Arc<Mutex<Call>>,
    tls: Secure,
}

/// A connection that stands, with its TLS if that is wanted.
pub type Ready = (SocketAddr, TcpStream, Option<Box<ClientConnection>>);

/// TLS as one way out has it; the trust roots are read when they are wanted first.
#[derive(Clone, Debug)]
struct Secure {
    ca_file: Option<String>,
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

/// What the running call may use and what became of it.
#[derive(Debug)]
struct Call {
    until: Instant,
    /// A connection was made for it; else it got one that was kept.
    fresh: bool,
    /// Request bytes have left.
    sent: bool,
    /// Reply bytes have come.
    answered: bool,
    failed: Option<NetError>,
    /// The last host with its addresses, so that a batch asks the nameserver once.
    known: Option<(String, Vec<IpAddr>)>,
    /// A connection that stands already, for this call alone.
    line: Option<Ready>,
}

impl Call {
    /// Forgets the last call, but not where its host was.
    fn begin(&mut self, until: Instant, line: Option<Ready>) {
        let known = self.known.take();
        *self = Call { known, line, ..Call::new(until) };
    }

    fn new(until: Instant) -> Call {
        Call {
            until,
            fresh: false,
            sent: false,
            answered: false,
            failed: None,
            known: None,
            line: None,
        }
    }

    /// The server closed a kept connection at the moment we used it: nothing came back, and
    /// nobody else failed. What is idempotent may go once more (RFC 9110 9.2.2).
    fn was_stale(&self, method: &str) -> bool {
        let untold = self.failed.is_none() && !self.answered;
        !self.fresh && untold && !matches!(method, "POST" | "PATCH")
    }
}

impl Session {
    pub fn new(via: &Via, names: &Names) -> Session {
        let call = Arc::new(Mutex::new(Call::new(Instant::now())));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("reachd/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(LONGEST_HEAD)
            // One more, or a head that fills the buffer would look like an end.
            .input_buffer_size(LONGEST_HEAD + 1)
            .output_buffer_size(4 * 1024)
            .max_idle_connections(1)
            .build();
        let way = Way { device: via.device.clone(), family: via.family, call: call.clone() };
        let tls = Secure { ca_file: via.ca_file.clone(), config: Arc::default() };
        let lines = Lines { way: way.clone(), tls: tls.clone() };
        let names = Resolving { names: names.clone(), way };
        Session {
            device: via.device.clone(),
            family: via.family,
            agent: Agent::with_parts(config, lines, names),
            call,
            tls,
        }
    }

    /// Another call may use this session's connections.
    pub fn fits(&self, via: &Via) -> bool {
        self.device == via.device && self.family == via.family && self.tls.ca_file == via.ca_file
    }

    /// The beginning of TLS with a host. Before any byte moves: the owner's own file of trust
    /// roots may be missing.
    pub fn secure(&self, host: &str) -> Result<ClientConnection, NetError> {
        self.tls.begin(host)
    }

    /// `line`: a connection to the host that stands already.
    pub fn request(
        &self,
        request: &HttpRequest,
        via: &Via,
        line: Option<Ready>,
    ) -> Result<HttpReply, NetError> {
        let (host, ..) = place(&request.url, via.allow_http)?;
        lock(&self.call).begin(Instant::now() + via.deadline, line);
        let mut result = self.transfer(request, via.max_body);
        if result.is_err() && lock(&self.call).was_stale(request.method) {
            result = self.transfer(request, via.max_body);
        }
        result.map_err(|failed| {
            let mut call = lock(&self.call);
            let answered = call.answered;
            let mut told =
                call.failed.take().unwrap_or_else(|| say(failed, &host, via.max_body, answered));
            told.sent = call.sent;
            // Its addresses may be part of the trouble.
            call.known = None;
            // The host once: what the resolver and the connector say names it already.
            if !told.text.contains(&host) {
                told.text = format!("{host}: {}", told.text);
            }
            told
        })
    }

    fn transfer(&self, request: &HttpRequest, max_body: usize) -> Result<HttpReply, Error> {
        let mut head =
            ureq::http::Request::builder().method(request.method).uri(request.url.as_str());
        for (name, value) in &request.headers {
            head = head.header(&**name, value);
        }
        let response = match &request.body {
            Some(body) => self.agent.run(head.body(&body[..])?)?,
            None => self.agent.run(head.body(())?)?,
        };
        let mut reply = HttpReply { status: response.status().as_u16(), ..HttpReply::default() };
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            reply.headers.push((name.as_str().to_string(), value));
        }
        let mut body = response.into_body();
        // One more than allowed, to tell "just fits" from "too long".
        body.as_reader().take(max_body as u64 + 1).read_to_end(&mut reply.body)?;
        if reply.body.len() > max_body {
            return Err(Error::BodyExceedsLimit(max_body as u64));
        }
        Ok(reply)
    }
}

/// Host and port of an URL that may be asked, and whether over TLS; never its userinfo, path or
/// query.
pub fn place(url: &str, allow_http: bool) -> Result<(String, u16, bool), NetError> {
    let wrong = |text: String| Err(error(NetErrorKind::Config, text));
    let Ok(uri) = url.parse::<Uri>() else {
        return wrong("that is no URL".into());
    };
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        return wrong("the URL names no host".into());
    };
    match uri.scheme_str() {
        Some("https") => Ok((host.to_string(), uri.port_u16().unwrap_or(443), true)),
        Some("http") if allow_http => Ok((host.to_string(), uri.port_u16().unwrap_or(80), false)),
        Some("http") => wrong(format!(
            "{host} is asked by http://, which anybody on the way can read and change; use \
             https://, or set option allow_http '1'"
        )),
        _ => wrong(format!("the URL for {host} begins with neither https:// nor http://")),
    }
}

/// What ureq found wrong by itself: the reply's form.
fn say(failed: Error, host: &str, max_body: usize, answered: bool) -> NetError {
    let (kind, text) = match failed {
        Error::BodyExceedsLimit(_) => {
            (NetErrorKind::TooLarge, format!("its answer is longer than {max_body} bytes"))
        }
        Error::LargeResponseHeader(..) => {
            (NetErrorKind::TooLarge, "its answer begins with too many headers".into())
        }
        Error::Protocol(_) if !answered => {
            (NetErrorKind::Config, "a line of the request is too long".into())
        }
        Error::Http(_) | Error::BadUri(_) => {
            (NetErrorKind::Config, "the request cannot be written as HTTP".into())
        }
        Error::Io(error) if inner::<Error>(&error).is_some() => {
            (NetErrorKind::Garbage, "its answer could not be read as HTTP".into())
        }
        Error::Io(error) => match inner::<rustls::Error>(&error) {
            Some(why) => tls::say(why, host, clock::wall()),
            None => (NetErrorKind::Cut, broken(&error)),
        },
        Error::BodyStalled => (NetErrorKind::Deadline, "no answer in time".into()),
        _ => (NetErrorKind::Garbage, "its answer could not be read as HTTP".into()),
    };
    error(kind, text)
}

fn inner<E: std::error::Error + 'static>(error: &io::Error) -> Option<&E> {
    error.get_ref()?.downcast_ref()
}

fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => {
            "the connection was closed before the answer was complete".into()
        }
        _ => format!("the connection broke: {error}"),
    }
}

/// ureq takes a broken connection for the end of a body without a length. Over TLS, where the
/// end is said (RFC 8446 6.1), anybody on the way could so cut 203.0.113.12 to 203.0.113.1.
fn unfinished(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => io::ErrorKind::BrokenPipe.into(),
        _ => error,
    }
}

/// The way out that resolver and connector share.
#[derive(Clone, Debug)]
struct Way {
    device: Option<String>,
    family: Option<Family>,
    call: Arc<Mutex<Call>>,
}

impl Way {
    fn until(&self) -> Instant {
        lock(&self.call).until
    }

    /// Leaves the reason for the caller, and gives ureq something to stop with.
    fn fail(&self, why: NetError) -> Error {
        let text = why.text.clone();
        lock(&self.call).failed.get_or_insert(why);
        Error::Io(io::Error::other(text))
    }
}

#[derive(Debug)]
struct Resolving {
    names: Names,
    way: Way,
}

impl Resolver for Resolving {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let Way { device, family, .. } = &self.way;
        let host = uri.host().unwrap_or_default();
        let port =
            uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let mut addresses = self.empty();
        let mut call = lock(&self.way.call);
        if let Some((address, ..)) = &call.line {
            addresses.push(*address);
            return Ok(addresses);
        }
        let known = call.known.take().filter(|(name, _)| name == host);
        drop(call);
        let found = match known {
            Some((_, found)) => found,
            None => self
                .names
                .resolve(host, *family, device.as_deref(), self.way.until())
                .map_err(|why| self.way.fail(why))?,
        };
        for ip in found.iter().take(TRIES) {
            addresses.push(SocketAddr::new(*ip, port));
        }
        lock(&self.way.call).known = Some((host.to_string(), found));
        Ok(addresses)
    }
}

#[derive(Debug)]
struct Lines {
    way: Way,
    tls: Secure,
}

impl Connector for Lines {
    type Out = Line;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Line>, Error> {
        lock(&self.way.call).fresh = true;
        let host = details.uri.host().unwrap_or_default();
        let ready = lock(&self.way.call).line.take();
        let (stream, tls) = match ready {
            Some((_, stream, tls)) => (stream, tls),
            None => {
                let tls = match details.needs_tls() {
                    true => {
                        let begun = self.tls.begin(host).map_err(|why| self.way.fail(why))?;
                        Some(Box::new(begun))
                    }
                    false => None,
                };
                (self.reach(host, &details.addrs)?, tls)
            }
        };
        let raw = Raw { stream, way: self.way.clone() };
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let mut line = Line { raw, tls, buffers };
        line.handshake(host)?;
        Ok(Some(line))
    }
}

impl Lines {
    /// The first address that takes a connection. Each but the last gets a part of the time only,
    /// so that a broken family does not use up the deadline.
    fn reach(&self, host: &str, addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
        let mut left = addresses.len() as u32;
        let mut last = error(NetErrorKind::Connect, "it has no address".into());
        for address in addresses {
            let until = self.way.until();
            let share = until.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            match socket::tcp(*address, self.way.device.as_deref(), Instant::now() + share) {
                Ok(stream) => return Ok(stream),
                Err(why) => {
                    let stop = why.kind == NetErrorKind::Interrupted;
                    last = no_line(host, *address, why);
                    if stop {
                        break;
                    }
                }
            }
        }
        Err(self.way.fail(last))
    }
}

impl Secure {
    fn begin(&self, host: &str) -> Result<ClientConnection, NetError> {
        let wrong = |(kind, text)| error(kind, text);
        let config = match self.config.get() {
            Some(config) => config.clone(),
            None => {
                let config = tls::config(self.ca_file.as_deref()).map_err(wrong)?;
                self.config.get_or_init(|| config).clone()
            }
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_string();
        let name = ServerName::try_from(bare).map_err(|_| {
            wrong((NetErrorKind::Config, format!("{host} is no name that a certificate can have")))
        })?;
        ClientConnection::new(config, name)
            .map_err(|why| wrong(tls::say(&why, host, clock::wall())))
    }
}

/// Which connection failed.
pub fn no_line(host: &str, address: SocketAddr, why: NetError) -> NetError {
    let at = match host.parse::<IpAddr>() {
        Ok(_) => address.to_string(),
        Err(_) => format!("{host} ({address})"),
    };
    NetError { text: format!("could not connect to {at}: {}", why.text), ..why }
}

/// One connection, with or without TLS.
struct Line {
    raw: Raw,
    tls: Option<Box<ClientConnection>>,
    buffers: LazyBuffers,
}

/// The socket as a blocking stream: waits for readiness, the deadline or a signal.
#[derive(Debug)]
struct Raw {
    stream: TcpStream,
    way: Way,
}

impl Line {
    fn handshake(&mut self, host: &str) -> Result<(), Error> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.is_handshaking() {
            if let Err(broken) = tls.complete_io(&mut self.raw) {
                return Err(self.raw.way.fail(say_tls(&broken, host)));
            }
        }
        Ok(())
    }
}

/// What went wrong while TLS was set up.
pub fn say_tls(broken: &io::Error, host: &str) -> NetError {
    let (kind, text) = match inner::<rustls::Error>(broken) {
        Some(why) => tls::say(why, host, clock::wall()),
        None => (NetErrorKind::Cut, format!("{host} closed the connection while TLS was set up")),
    };
    error(kind, text)
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({:?})", self.raw.stream)
    }
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        lock(&self.raw.way.call).sent = true;
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.raw).write_all(output)?,
            None => self.raw.write_all(output)?,
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let input = self.buffers.input_append_buf();
        let read = match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.raw).read(input),
            None => self.raw.read(input),
        };
        let amount = read.map_err(unfinished)?;
        self.buffers.input_appended(amount);
        lock(&self.raw.way.call).answered |= amount > 0;
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // Anything to read on an idle connection is its end, or not HTTP.
        let mut byte = [0];
        matches!(self.raw.stream.peek(&mut byte), Err(error) if would_block(&error))
    }

    fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl Raw {
    fn wait(&self, interest: PollFlags) -> io::Result<()> {
        ready(&self.stream, interest, self.way.until()).map_err(|why| {
            let text = why.text.clone();
            lock(&self.way.call).failed.get_or_insert(why);
            // Not `Interrupted`: std would try again.
            io::Error::other(text)
        })
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Asked first: a server that drips never blocks, and must not outlive the deadline.
        self.wait(PollFlags::POLLIN)?;
        loop {
            match self.stream.read(buffer) {
                Err(error) if would_block(&error) => self.wait(PollFlags::POLLIN)?,
                result => return result,
            }
        }
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.write(bytes) {
                Err(error) if would_block(&error) => self.wait(PollFlags::POLLOUT)?,
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock(call: &Mutex<Call>) -> std::sync::MutexGuard<'_, Call> {
    // One thread: never poisoned, never waited for.
    call.lock().unwrap_or_else(PoisonError::into_inner)
}
