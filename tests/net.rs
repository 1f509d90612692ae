//! HTTP and TLS against servers that behave and servers that do not, with the words that an owner
//! reads. All on loopback.

mod support;

use reachd::model::name::Family;
use reachd::sys::World;
use reachd::world::{HttpReply, HttpRequest, Net, NetError, NetErrorKind as Kind, Via};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use support::dns::{DnsServer, Say};
use support::world::{world, world_with};
use support::{Act, Dir, Front, NAME, Reply, Server, ca_file, ca_pem};

const SHORT: Duration = Duration::from_millis(400);
/// How much later than its deadline a call may end on a busy machine.
const GRACE: Duration = Duration::from_millis(300);

fn via() -> Via {
    Via { ca_file: Some(ca_file()), deadline: Duration::from_secs(10), ..Via::default() }
}

fn short() -> Via {
    Via { deadline: SHORT, ..via() }
}

fn get(server: &Server, via: &Via) -> Result<HttpReply, NetError> {
    World::new().http(&HttpRequest::new("GET", server.url("/")), via)
}

/// The text with what differs from run to run taken out.
fn words(error: &NetError, server: &Server) -> String {
    error.text.replace(&format!(":{}", server.address.port()), ":PORT")
}

fn ok() -> Reply {
    Reply::new(200, "fine")
}

#[test]
fn a_reply_comes_as_it_is() {
    for front in [Front::Plain, Front::Good, Front::Tls12] {
        let server = Server::start(front, |request| match request.path.as_str() {
            "/none" => Reply::new(204, "").into(),
            "/chunked" => Act::Chunked(Reply::new(200, "nineteen bytes long")),
            "/moved" => Reply::new(302, "over there").header("Location", "https://x.test/").into(),
            "/wrong" => Reply::new(500, "{}").header("X-Why", "because").into(),
            "/until" => Act::ReplyAndClose(Reply::new(200, "then closed")),
            _ => ok().into(),
        });
        let via = Via { allow_http: true, ..via() };
        let mut world = World::new();
        for (path, status, body) in [
            ("/", 200, "fine"),
            ("/none", 204, ""),
            ("/chunked", 200, "nineteen bytes long"),
            ("/moved", 302, "over there"),
            ("/wrong", 500, "{}"),
            ("/until", 200, "then closed"),
            ("/again?a=b&c=%20", 200, "fine"),
        ] {
            let reply = world.http(&HttpRequest::new("GET", server.url(path)), &via).unwrap();
            assert_eq!(reply.status, status, "{path}");
            assert_eq!(String::from_utf8_lossy(&reply.body), body, "{path}");
            match path {
                "/moved" => assert_eq!(reply.header("location"), Some("https://x.test/")),
                "/wrong" => assert_eq!(reply.header("x-why"), Some("because")),
                _ => {}
            }
        }
        assert_eq!(server.requests(), 7);
        let last = server.seen().pop().unwrap();
        assert_eq!(last.path, "/again?a=b&c=%20");
        assert!(last.header("user-agent").unwrap().starts_with("reachd/"));
        assert_eq!(last.header("host").unwrap(), server.address.to_string());
    }
}

#[test]
fn bodies_and_headers_arrive() {
    let server = Server::fixed(Front::Good, ok());
    let mut world = World::new();
    let mut request = HttpRequest::new("POST", server.url("/zones"))
        .header("authorization", "Bearer abc")
        .json(&serde_json::json!({"ttl": 60}));
    world.http(&request, &via()).unwrap();
    // Larger than every buffer on the way.
    request.method = "PUT";
    request.body = Some(vec![b'y'; 300_000]);
    world.http(&request, &via()).unwrap();
    request.method = "DELETE";
    request.body = None;
    world.http(&request, &via()).unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].method, "POST");
    assert_eq!(seen[0].text(), r#"{"ttl":60}"#);
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("authorization"), Some("Bearer abc"));
    assert_eq!(seen[1].method, "PUT");
    assert!(seen[1].body.len() == 300_000 && seen[1].body.iter().all(|byte| *byte == b'y'));
    assert_eq!((seen[2].method.as_str(), seen[2].body.len()), ("DELETE", 0));
}

#[test]
fn what_cannot_be_trusted_is_not_asked() {
    let dir = Dir::new("net-trust");
    let pem = ca_file();
    for (front, kind, text) in [
        (Front::Expired, Kind::Clock, "could not trust api.test: its certificate ended 2021-01-01 00:00:00 UTC, but here it is NOW; check this machine's clock".to_string()),
        (Front::NotYetValid, Kind::Clock, "could not trust api.test: its certificate begins 2099-01-01 00:00:00 UTC, but here it is NOW; check this machine's clock".into()),
        (Front::WrongName, Kind::Tls, "could not trust api.test: its certificate is for another name; a login page or proxy on the way may have answered instead".into()),
        (Front::UnknownIssuer, Kind::Tls, format!("could not trust api.test: its certificate is from no authority in {pem}")),
        (Front::NotTls, Kind::Tls, "could not set up TLS with api.test: what it sends is not TLS; is the port right?".into()),
        (Front::Slam, Kind::Cut, "api.test closed the connection while TLS was set up".into()),
    ] {
        let server = Server::fixed(front, ok());
        let url = server.url_at(NAME, "/secret?token=hunter2").replace("http:", "https:");
        let error = world(&dir).http(&HttpRequest::new("GET", url), &via()).unwrap_err();
        let said = match (error.text.find("here it is "), error.text.find(';')) {
            (Some(from), Some(to)) => error.text.replace(&error.text[from + 11..to], "NOW"),
            _ => error.text.clone(),
        };
        assert_eq!((error.kind, said), (kind, text), "{front:?}");
        assert!(!error.sent, "{front:?}");
        assert_eq!(server.requests(), 0);
    }
}

#[test]
fn misbehaviour_is_named() {
    let cut = "127.0.0.1: the connection was closed before the answer was complete";
    let garbage = "127.0.0.1: its answer could not be read as HTTP";
    let long = "127.0.0.1: its answer is longer than 65536 bytes";
    for front in [Front::Plain, Front::Good, Front::Tls12] {
        for (act, kind, text) in [
            (Act::Cut(Reply::new(200, "half of this")), Kind::Cut, cut),
            (Act::CutAtOnce, Kind::Cut, cut),
            (Act::Garbage, Kind::Garbage, garbage),
            (Act::Raw(b"HTTP/1.1 9999 What\r\n\r\n".to_vec()), Kind::Garbage, garbage),
            (
                Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n".to_vec()),
                Kind::Garbage,
                garbage,
            ),
            (
                Act::Raw(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a number\r\n"
                        .to_vec(),
                ),
                Kind::Garbage,
                garbage,
            ),
            (
                // More headers than ureq counts to.
                Act::Raw(format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(300)).into()),
                Kind::Garbage,
                garbage,
            ),
            (
                Act::Raw(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20_000)).into()),
                Kind::TooLarge,
                "127.0.0.1: its answer begins with too many headers",
            ),
            (
                Act::HugeHeaders,
                Kind::TooLarge,
                "127.0.0.1: its answer begins with too many headers",
            ),
            (Act::Huge, Kind::TooLarge, long),
            (Act::Chunked(Reply::new(200, vec![b'x'; 70_000])), Kind::TooLarge, long),
        ] {
            let server = Server::fixed(front, act.clone());
            let via = Via { allow_http: true, ..via() };
            let error = get(&server, &via).unwrap_err();
            assert_eq!(
                (error.kind, words(&error, &server).as_str()),
                (kind, text),
                "{front:?} {act:?}"
            );
            assert!(error.sent, "{act:?}");
            assert_eq!((server.connections(), server.requests()), (1, 1), "{front:?} {act:?}");
        }
    }
}

#[test]
fn a_body_without_length_is_whole_only_if_its_end_is_said() {
    let reply = Reply::new(200, "203.0.113.1");
    for front in [Front::Plain, Front::Good, Front::Tls12] {
        let via = Via { allow_http: true, ..via() };
        let server = Server::fixed(front, Act::UntilClose(reply.clone()));
        assert_eq!(get(&server, &via).unwrap().body, b"203.0.113.1", "{front:?}");
        if front != Front::Plain {
            let server = Server::fixed(front, Act::TornOff(reply.clone()));
            let error = get(&server, &via).unwrap_err();
            assert_eq!((error.kind, error.sent), (Kind::Cut, true), "{front:?}: {error}");
        }
    }
}

#[test]
fn a_huge_body_is_left_early() {
    for front in [Front::Plain, Front::Good] {
        let server = Server::fixed(front, Act::Huge);
        let via = Via { allow_http: true, ..via() };
        assert_eq!(get(&server, &via).unwrap_err().kind, Kind::TooLarge);
        // What the sockets hold is written, not read: loopback's buffers can be some MB, so the
        // proof is that it ends, soon after.
        std::thread::sleep(Duration::from_millis(200));
        let written = server.written();
        assert!(written < 8_000_000, "{written}");
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(server.written(), written, "it goes on");
    }
}

#[test]
fn a_body_may_be_as_long_as_allowed_and_no_longer() {
    let server = Server::fixed(Front::Good, Reply::new(200, "12345"));
    assert_eq!(get(&server, &Via { max_body: 5, ..via() }).unwrap().body, b"12345");
    let error = get(&server, &Via { max_body: 4, ..via() }).unwrap_err();
    assert_eq!(error.kind, Kind::TooLarge);
    assert_eq!(error.text, "127.0.0.1: its answer is longer than 4 bytes");
}

#[test]
fn the_deadline_holds() {
    let long = Reply::new(200, vec![b'x'; 1000]);
    for (front, act, sent) in [
        (Front::Plain, Act::Hang, true),
        (Front::Good, Act::Hang, true),
        (Front::Plain, Act::Drip(long.clone()), true),
        (Front::Good, Act::Drip(long.clone()), true),
        (Front::Good, Act::DripHeaders, true),
        (Front::Plain, Act::DripHeaders, true),
        (Front::Mute, Act::Hang, false),
    ] {
        let server = Server::fixed(front, act.clone());
        let start = Instant::now();
        let error = get(&server, &Via { allow_http: true, ..short() }).unwrap_err();
        let took = start.elapsed();
        assert_eq!(error.kind, Kind::Deadline, "{front:?} {act:?}: {error}");
        assert_eq!(error.text, "127.0.0.1: no answer in time");
        assert_eq!(error.sent, sent, "{front:?} {act:?}");
        assert!(took >= SHORT && took < SHORT + GRACE, "{front:?} {act:?}: {took:?}");
    }
}

#[test]
fn the_deadline_holds_where_there_is_always_a_byte() {
    let server = Server::fixed(Front::Plain, Act::Torrent);
    let start = Instant::now();
    let via = Via { allow_http: true, max_body: 8_000_000, ..short() };
    let error = get(&server, &via).unwrap_err();
    assert_eq!(error.kind, Kind::Deadline, "{error}");
    assert!(start.elapsed() < SHORT + GRACE, "{:?}", start.elapsed());
}

#[test]
fn connections_are_kept_until_done() {
    let server = Server::fixed(Front::Good, ok());
    let mut world = World::new();
    let request = HttpRequest::new("GET", server.url("/"));
    for _ in 0..3 {
        world.http(&request, &via()).unwrap();
    }
    assert_eq!((server.connections(), server.handshakes(), server.requests()), (1, 1, 3));
    world.done();
    world.http(&request, &via()).unwrap();
    assert_eq!((server.connections(), server.handshakes(), server.requests()), (2, 2, 4));
    // Another way out is another connection.
    world.http(&request, &Via { device: Some("lo".into()), ..via() }).unwrap();
    assert_eq!(server.connections(), 3);
}

#[test]
fn one_batch_asks_for_the_name_once() {
    let dir = Dir::new("net-once");
    let dns = DnsServer::fixed(Say::Addresses(vec![[127, 0, 0, 1].into()]));
    let server = Server::fixed(Front::Good, ok());
    let mut world = world_with(&dir, &[&dns]);
    world.names.hosts = dir.write("no-hosts", "");
    let request = HttpRequest::new("GET", server.url_at(NAME, "/"));
    for _ in 0..3 {
        world.http(&request, &via()).unwrap();
    }
    assert_eq!(dns.seen().len(), 2, "one A, one AAAA: {:?}", dns.seen());
    world.done();
    world.http(&request, &via()).unwrap();
    assert_eq!(dns.seen().len(), 4);
}

#[test]
fn a_connection_that_the_server_left_is_made_again() {
    for front in [Front::Plain, Front::Good, Front::Tls12] {
        let server = Server::fixed(front, ok());
        let via = Via { allow_http: true, ..via() };
        let mut world = World::new();
        for (at, method) in ["GET", "POST", "PATCH"].into_iter().enumerate() {
            let mut request = HttpRequest::new(method, server.url("/"));
            if method != "GET" {
                request.body = Some(b"{}".to_vec());
            }
            world.http(&request, &via).unwrap();
            assert_eq!(server.connections(), at + 1, "{front:?} {method}");
            server.hang_up();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn what_is_lost_on_a_kept_connection_goes_once_more_if_it_may() {
    for front in [Front::Plain, Front::Good] {
        // Every second request finds the connection just closed.
        let count = std::sync::atomic::AtomicUsize::new(0);
        let server = Server::start(front, move |_| {
            match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 2 {
                0 => ok().into(),
                _ => Act::CutAtOnce,
            }
        });
        let via = Via { allow_http: true, ..via() };
        let mut world = World::new();
        let request = |method| {
            let mut request = HttpRequest::new(method, server.url("/"));
            request.body = matches!(method, "PUT" | "POST").then(|| b"body".to_vec());
            request
        };
        world.http(&request("GET"), &via).unwrap();
        assert_eq!(world.http(&request("PUT"), &via).unwrap().status, 200);
        assert_eq!((server.connections(), server.requests()), (2, 3));
        assert_eq!(server.seen()[2].text(), "body");
        // A POST may have taken effect: said, not repeated.
        let error = world.http(&request("POST"), &via).unwrap_err();
        assert_eq!(error.kind, Kind::Cut);
        assert!(error.sent);
        assert_eq!(server.requests(), 4);
    }
}

#[test]
fn urls_that_may_not_be_asked() {
    let server = Server::fixed(Front::Plain, ok());
    for (url, text) in [
        (
            server.url_at("me:hunter2@127.0.0.1", "/x?token=hunter2"),
            "127.0.0.1 is asked by http://, which anybody on the way can read and change; use https://, or set option allow_http '1'",
        ),
        (
            "ftp://api.test/hunter2".into(),
            "the URL for api.test begins with neither https:// nor http://",
        ),
        ("/hunter2".into(), "the URL names no host"),
        ("https://api.test /hunter2".into(), "that is no URL"),
        ("https://".into(), "that is no URL"),
        ("".into(), "that is no URL"),
    ] {
        let error = World::new().http(&HttpRequest::new("GET", &url), &via()).unwrap_err();
        assert_eq!(
            (error.kind, error.text.as_str(), error.sent),
            (Kind::Config, text, false),
            "{url}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn errors_hold_nothing_of_a_url_but_its_host() {
    let dir = Dir::new("net-secret");
    let dns = DnsServer::fixed(Say::Code(2));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let garbage = Server::fixed(Front::Good, Act::Garbage);
    for host in [closed.to_string(), garbage.address.to_string(), "nowhere.test".into()] {
        let url = format!("https://me:hunter2@{host}/hunter2?key=hunter2#hunter2");
        let request = HttpRequest::new("GET", url).header("authorization", "hunter2");
        let error = world_with(&dir, &[&dns]).http(&request, &via()).unwrap_err();
        assert!(!error.text.contains("hunter2"), "{error}");
        assert!(!format!("{request:?}").contains("key"), "{request:?}");
    }
}

#[test]
fn a_header_that_cannot_be_written() {
    let server = Server::fixed(Front::Good, ok());
    let request = HttpRequest::new("GET", server.url("/")).header("authorization", "a\r\nb: c");
    let error = World::new().http(&request, &via()).unwrap_err();
    assert_eq!((error.kind, error.sent), (Kind::Config, false));
    assert_eq!(error.text, "127.0.0.1: the request cannot be written as HTTP");
}

#[test]
fn a_line_that_is_too_long_is_not_blamed_on_the_server() {
    let server = Server::fixed(Front::Good, ok());
    let request = HttpRequest::new("GET", server.url("/")).header("X-Long", "x".repeat(20_000));
    let error = World::new().http(&request, &via()).unwrap_err();
    assert_eq!(error.kind, Kind::Config, "{error}");
    assert_eq!(error.text, "127.0.0.1: a line of the request is too long");
    assert_eq!(server.requests(), 0);
}

#[test]
fn nobody_there() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let request = HttpRequest::new("GET", format!("https://127.0.0.1:{port}/"));
    let error = World::new().http(&request, &via()).unwrap_err();
    assert_eq!((error.kind, error.sent), (Kind::Connect, false));
    let text = format!("could not connect to 127.0.0.1:{port}: connection refused");
    assert_eq!(error.text, text);
    let dir = Dir::new("net-nobody");
    let request = HttpRequest::new("GET", format!("https://{NAME}:{port}/"));
    let error = world(&dir).http(&request, &via()).unwrap_err();
    let text = format!("could not connect to {NAME} (127.0.0.1:{port}): connection refused");
    assert_eq!(error.text, text);
}

#[test]
fn the_second_address_is_tried() {
    let dir = Dir::new("net-second");
    let server = Server::fixed(Front::Good, ok());
    let mut world = world(&dir);
    // Nobody listens at the first two on that port; one of them may have no route.
    world.names.hosts =
        dir.write("hosts", format!("127.0.0.9 {NAME}\n::1 {NAME}\n127.0.0.1 {NAME}\n"));
    let request = HttpRequest::new("GET", server.url_at(NAME, "/"));
    assert_eq!(world.http(&request, &via()).unwrap().status, 200);
}

#[test]
fn a_family_is_kept_to() {
    let dir = Dir::new("net-family");
    let server = Server::fixed(Front::Good, ok());
    let four = Via { family: Some(Family::Ipv4), ..via() };
    let six = Via { family: Some(Family::Ipv6), ..via() };
    assert!(get(&server, &four).is_ok());
    let error = get(&server, &six).unwrap_err();
    assert_eq!((error.kind, error.sent), (Kind::Resolve, false));
    assert_eq!(error.text, "could not resolve 127.0.0.1: it has no IPv6 address");
    let request = HttpRequest::new("GET", server.url_at(NAME, "/"));
    let mut world = world(&dir);
    world.names.hosts = dir.write("hosts", format!("::1 {NAME}\n127.0.0.1 {NAME}\n"));
    assert!(world.http(&request, &four).is_ok());
    let error = world.http(&request, &six).unwrap_err();
    assert_eq!(error.kind, Kind::Connect);
    assert!(error.text.contains("([::1]:"), "{error}");
    assert_eq!(server.requests(), 2);
}

#[test]
fn a_device_is_kept_to() {
    let server = Server::fixed(Front::Good, ok());
    assert!(get(&server, &Via { device: Some("lo".into()), ..via() }).is_ok());
    let error = get(&server, &Via { device: Some("pppoe-wan".into()), ..via() }).unwrap_err();
    assert_eq!((error.kind, error.sent), (Kind::Connect, false));
    assert_eq!(
        words(&error, &server),
        "could not connect to 127.0.0.1:PORT: could not bind to device pppoe-wan: there is no \
         such device now"
    );
    assert_eq!(server.connections(), 1);
}

#[test]
fn trust_roots_are_read_from_what_there_is() {
    let dir = Dir::new("net-roots");
    let server = Server::fixed(Front::Good, ok());
    // A bundle as distributions have it, ours last.
    let system = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let broken = "-----BEGIN CERTIFICATE-----\n!!!not base64!!!\n-----END CERTIFICATE-----\n\
                  -----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n\
                  # text between\n-----BEGIN X509 CRL-----\nMAAA\n-----END X509 CRL-----\n\
                  -----BEGIN CERT\n\u{1F600}\n";
    for (name, text) in [
        ("full", format!("{system}{}", ca_pem())),
        ("first", format!("{}{system}", ca_pem())),
        ("broken", format!("{broken}{}{broken}", ca_pem())),
        ("crlf", ca_pem().replace('\n', "\r\n")),
        ("unended", ca_pem().trim_end().to_string()),
    ] {
        let file = dir.write(name, text);
        let reply = get(&server, &Via { ca_file: Some(file), ..via() });
        assert!(reply.is_ok(), "{name}: {reply:?}");
    }
    for (name, text) in [
        ("empty", ""),
        ("prose", "hello"),
        ("broken-only", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
    ] {
        let file = dir.write(name, text);
        let error = get(&server, &Via { ca_file: Some(file.clone()), ..via() }).unwrap_err();
        let text = format!("could not trust 127.0.0.1: no certificate in PEM form is in {file}");
        assert_eq!((error.kind, error.text, error.sent), (Kind::Config, text, false));
    }
    for (file, why) in
        [(dir.path("missing"), "there is no such file"), (dir.path(""), "it is a directory")]
    {
        let error = get(&server, &Via { ca_file: Some(file.clone()), ..via() }).unwrap_err();
        assert_eq!((error.kind, error.sent), (Kind::Config, false), "{error}");
        let text = format!("could not read the trust roots {file}: {why}");
        assert!(error.text.ends_with(&text), "{error}");
    }
    if !system.is_empty() {
        let file = dir.write("theirs", &system);
        let error = get(&server, &Via { ca_file: Some(file), ..via() }).unwrap_err();
        assert_eq!(error.kind, Kind::Tls, "{error}");
        assert!(error.text.contains("from no authority in"), "{error}");
    }
}
