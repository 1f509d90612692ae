//! Servers for tests, on loopback and real threads: HTTP with and without TLS here, DNS in
//! `dns`. They behave or misbehave as told and count what they saw. What is right is for the
//! tests to say.

#![allow(dead_code)]

pub mod dns;
pub mod world;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// The name in every good certificate, beside `localhost`, `127.0.0.1` and `::1`.
pub const NAME: &str = "api.test";

/// What a client meets before HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    Plain,
    /// TLS, the certificate by an intermediate of the local authority.
    Good,
    /// As Good, TLS 1.2 at most.
    Tls12,
    /// Ended in 2021.
    Expired,
    /// Begins in 2099.
    NotYetValid,
    /// Good, but for `other.test`.
    WrongName,
    /// From an authority that is not in `ca_file`.
    UnknownIssuer,
    /// Takes the connection and says nothing.
    Mute,
    /// Answers a TLS hello in plain text.
    NotTls,
    /// Closes as soon as it has the TLS hello.
    Slam,
}

#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Without Content-Length, which is added.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: Vec::new(), body: body.into() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What a handler has the server do with a request.
#[derive(Clone, Debug)]
pub enum Act {
    Reply(Reply),
    /// The body in chunks of seven bytes.
    Chunked(Reply),
    /// The whole reply, then the connection is closed without having said so.
    ReplyAndClose(Reply),
    /// Without length: the end of the connection is the end of the body.
    UntilClose(Reply),
    /// The same, but over TLS the end is not said (no close_notify).
    TornOff(Reply),
    /// Never answers.
    Hang,
    /// Complete headers, then one byte of the body each 50 ms.
    Drip(Reply),
    /// One byte of the headers each 50 ms, without end.
    DripHeaders,
    /// A body in chunks of one byte, written faster than anybody can read it, without end.
    Torrent,
    /// A body of 100 MB, as far as the client takes it.
    Huge,
    /// The headers and half of the body, then the end.
    Cut(Reply),
    /// Reads the request and closes.
    CutAtOnce,
    /// Bytes that are not HTTP, then the end.
    Garbage,
    /// 1 MB of headers.
    HugeHeaders,
    /// These bytes as they are, then keeps the connection.
    Raw(Vec<u8>),
}

impl From<Reply> for Act {
    fn from(reply: Reply) -> Act {
        Act::Reply(reply)
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    connections: AtomicUsize,
    handshakes: AtomicUsize,
    requests: AtomicUsize,
    written: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    seen: Mutex<Vec<Request>>,
}

/// Serves until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    front: Front,
    shared: Arc<Shared>,
}

type Handler = dyn Fn(&Request) -> Act + Send + Sync;

impl Server {
    pub fn start(
        front: Front,
        handler: impl Fn(&Request) -> Act + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let server = Server { address, front, shared: shared.clone() };
        let tls = tls_config(front);
        let handler: Arc<Handler> = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                shared.connections.fetch_add(1, Ordering::SeqCst);
                shared.open.lock().unwrap().extend(stream.try_clone());
                let (shared, tls, handler) = (shared.clone(), tls.clone(), handler.clone());
                thread::spawn(move || {
                    // Its clone in `open` keeps the socket: closed is what is shut down.
                    let ear = stream.try_clone();
                    let _ = connection(stream, front, tls, &shared, &*handler);
                    let _ = ear.map(|ear| ear.shutdown(Shutdown::Both));
                });
            }
        });
        server
    }

    /// One reply to everything.
    pub fn fixed(front: Front, act: impl Into<Act>) -> Server {
        let act = act.into();
        Server::start(front, move |_| act.clone())
    }

    /// `http[s]://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        self.url_at("127.0.0.1", path)
    }

    pub fn url_at(&self, host: &str, path: &str) -> String {
        let scheme = if self.front == Front::Plain { "http" } else { "https" };
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn handshakes(&self) -> usize {
        self.shared.handshakes.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Bytes of Huge and Torrent bodies that the client's side took.
    pub fn written(&self) -> usize {
        self.shared.written.load(Ordering::SeqCst)
    }

    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Ends all connections, as a server does with idle ones.
    pub fn hang_up(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.hang_up();
        let _ = TcpStream::connect(self.address);
    }
}

trait Both: Read + Write {
    /// Says that nothing more comes.
    fn goodbye(&mut self) {}
}

impl Both for TcpStream {}

impl Both for StreamOwned<ServerConnection, TcpStream> {
    fn goodbye(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

fn connection(
    mut stream: TcpStream,
    front: Front,
    tls: Option<Arc<ServerConfig>>,
    shared: &Shared,
    handler: &Handler,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match front {
        Front::Mute => return io::copy(&mut stream, &mut io::sink()).map(drop),
        Front::NotTls => {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
            return io::copy(&mut stream, &mut io::sink()).map(drop);
        }
        Front::Slam => return stream.read(&mut [0; 16]).map(drop),
        _ => {}
    }
    let mut stream: Box<dyn Both> = match tls {
        None => Box::new(stream),
        Some(config) => {
            let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
            while tls.is_handshaking() {
                tls.complete_io(&mut stream)?;
            }
            shared.handshakes.fetch_add(1, Ordering::SeqCst);
            Box::new(StreamOwned::new(tls, stream))
        }
    };
    while let Some(request) = read_request(&mut *stream)? {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        shared.seen.lock().unwrap().push(request.clone());
        if !perform(&mut *stream, handler(&request), shared)? {
            break;
        }
    }
    Ok(())
}

/// `None`: the client has closed between two requests.
fn read_request(stream: &mut dyn Both) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(0) if head.is_empty() => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => head.push(byte[0]),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut request = Request {
        method: first.next().unwrap_or_default().into(),
        path: first.next().unwrap_or_default().into(),
        ..Request::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request.headers.push((name.to_ascii_lowercase(), value.trim().into()));
    }
    let len = request.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    request.body = vec![0; len];
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}

fn head(reply: &Reply, framing: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Whatever\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += framing;
    head += "\r\n";
    head.into_bytes()
}

fn whole(reply: &Reply) -> Vec<u8> {
    // RFC 9110 8.6: no length where there can be no body.
    let framing = match reply.status {
        204 | 304 => String::new(),
        _ => format!("Content-Length: {}\r\n", reply.body.len()),
    };
    let mut bytes = head(reply, &framing);
    bytes.extend(&reply.body);
    bytes
}

/// True: the connection is kept.
fn perform(stream: &mut dyn Both, act: Act, shared: &Shared) -> io::Result<bool> {
    let mut send = |bytes: &[u8]| stream.write_all(bytes).and_then(|()| stream.flush());
    let stopped = || shared.stop.load(Ordering::SeqCst);
    match act {
        Act::Reply(reply) => {
            send(&whole(&reply))?;
            return Ok(true);
        }
        Act::ReplyAndClose(reply) => send(&whole(&reply))?,
        Act::UntilClose(reply) => {
            send(&head(&reply, "Connection: close\r\n"))?;
            send(&reply.body)?;
            stream.goodbye();
        }
        Act::TornOff(reply) => {
            send(&head(&reply, "Connection: close\r\n"))?;
            send(&reply.body)?;
        }
        Act::Chunked(reply) => {
            send(&head(&reply, "Transfer-Encoding: chunked\r\n"))?;
            for part in reply.body.chunks(7) {
                send(format!("{:x}\r\n", part.len()).as_bytes())?;
                send(part)?;
                send(b"\r\n")?;
            }
            send(b"0\r\n\r\n")?;
            return Ok(true);
        }
        Act::Hang => {
            while !stopped() {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Act::Drip(reply) => {
            send(&head(&reply, &format!("Content-Length: {}\r\n", reply.body.len())))?;
            for byte in reply.body {
                thread::sleep(Duration::from_millis(50));
                send(&[byte])?;
            }
            return Ok(true);
        }
        Act::DripHeaders => {
            send(b"HTTP/1.1 200 OK\r\nX-Long: ")?;
            while !stopped() {
                thread::sleep(Duration::from_millis(50));
                send(b"x")?;
            }
        }
        Act::Torrent => {
            let block = b"1\r\nx\r\n".repeat(10_000);
            send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            while !stopped() {
                send(&block)?;
                shared.written.fetch_add(block.len(), Ordering::SeqCst);
            }
        }
        Act::Huge => {
            let block = [b'x'; 4096];
            send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")?;
            for _ in 0..100_000_000 / block.len() {
                send(&block)?;
                shared.written.fetch_add(block.len(), Ordering::SeqCst);
            }
        }
        Act::Cut(reply) => {
            send(&head(&reply, &format!("Content-Length: {}\r\n", reply.body.len())))?;
            send(&reply.body[..reply.body.len() / 2])?;
        }
        Act::CutAtOnce => {}
        Act::Garbage => send(b"SSH-2.0-dropbear\r\nwhat do you want here?\r\n\r\n")?,
        Act::HugeHeaders => {
            send(b"HTTP/1.1 200 OK\r\n")?;
            for at in 0..1_000 {
                send(format!("X-{at}: {}\r\n", "x".repeat(990)).as_bytes())?;
            }
            send(b"Content-Length: 0\r\n\r\n")?;
        }
        Act::Raw(bytes) => {
            send(&bytes)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// A local authority with an intermediate.
struct Authority {
    pem: String,
    intermediate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let ca = |name: String| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let root_key = KeyPair::generate().unwrap();
    let root_params = ca(format!("{name} root"));
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, root_key);
    let key = KeyPair::generate().unwrap();
    let params = ca(format!("{name} intermediate"));
    let intermediate = params.signed_by(&key, &root_issuer).unwrap();
    Authority {
        pem: root.pem(),
        intermediate: intermediate.der().clone(),
        issuer: Issuer::new(params, key),
    }
}

fn trusted() -> &'static Authority {
    static ONE: OnceLock<Authority> = OnceLock::new();
    ONE.get_or_init(|| authority("reachd test"))
}

/// The local authority's root certificate.
pub fn ca_pem() -> &'static str {
    &trusted().pem
}

/// A file with [`ca_pem`], for `Via::ca_file` and `option ca_file`.
pub fn ca_file() -> String {
    static ONE: OnceLock<String> = OnceLock::new();
    ONE.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("test-ca-{}.pem", std::process::id()));
        fs::write(&path, ca_pem()).unwrap();
        path.display().to_string()
    })
    .clone()
}

fn tls_config(front: Front) -> Option<Arc<ServerConfig>> {
    let stranger;
    let authority = match front {
        Front::Plain | Front::Mute | Front::NotTls | Front::Slam => return None,
        Front::UnknownIssuer => {
            stranger = authority("stranger");
            &stranger
        }
        _ => trusted(),
    };
    let names = match front {
        Front::WrongName => vec!["other.test".to_string()],
        _ => [NAME, "localhost", "127.0.0.1", "::1"].map(String::from).to_vec(),
    };
    let mut params = CertificateParams::new(names).unwrap();
    (params.not_before, params.not_after) = match front {
        Front::Expired => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
        Front::NotYetValid => (date_time_ymd(2099, 1, 1), date_time_ymd(2100, 1, 1)),
        _ => (params.not_before, params.not_after),
    };
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &authority.issuer).unwrap();
    let versions: &[&rustls::SupportedProtocolVersion] = match front {
        Front::Tls12 => &[&rustls::version::TLS12],
        _ => rustls::ALL_VERSIONS,
    };
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone(), authority.intermediate.clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
    Some(Arc::new(config))
}

/// An own directory for one test, gone afterwards.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new(name: &str) -> Dir {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
