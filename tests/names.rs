//! Names of servers and DNS messages, against nameservers that answer, err, lie and are silent.
//! All on loopback.

mod support;

use reachd::sys::World;
use reachd::world::{DnsTransport, Net, NetError, NetErrorKind as Kind, Via};
use std::net::{IpAddr, TcpListener};
use std::time::{Duration, Instant};
use support::Dir;
use support::dns::{DnsServer, Say};
use support::world::{world, world_with};

const SHORT: Duration = Duration::from_millis(400);
/// How much later than its deadline a call may end on a busy machine.
const GRACE: Duration = Duration::from_millis(300);

fn via() -> Via {
    Via { deadline: Duration::from_secs(10), ..Via::default() }
}

fn short() -> Via {
    Via { deadline: SHORT, ..via() }
}

fn resolve(world: &World, host: &str, deadline: Duration) -> Result<Vec<String>, NetError> {
    let found = world.names.resolve(host, None, None, Instant::now() + deadline)?;
    Ok(found.iter().map(IpAddr::to_string).collect())
}

fn ips(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|ip| ip.parse().unwrap()).collect()
}

#[test]
fn names_are_resolved_as_they_are_told() {
    let dir = Dir::new("net-resolve");
    let both = ips(&["192.0.2.1", "2001:db8::1", "192.0.2.2"]);
    for (say, want) in [
        (Say::Addresses(both.clone()), Ok(&["2001:db8::1", "192.0.2.1", "192.0.2.2"][..])),
        (Say::Cname("edge.example.net", both), Ok(&["2001:db8::1", "192.0.2.1", "192.0.2.2"])),
        (Say::ForgedFirst(ips(&["192.0.2.1"])), Ok(&["192.0.2.1"])),
        (Say::Addresses(vec![]), Err("it has no IP address")),
        (Say::Code(3), Err("there is no such name")),
        (Say::Code(2), Err("nameserver SERVER says SERVFAIL")),
        (Say::Code(5), Err("nameserver SERVER says REFUSED")),
        (Say::Garbage, Err("nameserver SERVER: what it answered could not be read")),
        (Say::Flood, Err("nameserver SERVER: what it answered could not be read")),
        (Say::Silence, Err("nameserver SERVER: no answer in time")),
        (Say::Raw(vec![]), Err("nameserver SERVER: no answer in time")),
    ] {
        let dns = DnsServer::fixed(say.clone());
        let world = world_with(&dir, &[&dns]);
        let start = Instant::now();
        let got = resolve(&world, "api.example.org", SHORT);
        assert!(start.elapsed() < SHORT + GRACE, "{say:?}: {:?}", start.elapsed());
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{say:?}"),
            (Err(error), Err(want)) => {
                let want = want.replace("SERVER", &dns.address.to_string());
                let text = format!("could not resolve api.example.org: {want}");
                assert_eq!((error.kind, error.text), (Kind::Resolve, text), "{say:?}");
                assert!(!error.sent);
            }
            (got, want) => panic!("{say:?}: {got:?}, not {want:?}"),
        }
    }
}

#[test]
fn cut_answers_are_asked_for_by_tcp() {
    let dir = Dir::new("net-tc");
    let dns = DnsServer::start(|question| match question.tcp {
        false => Say::Truncated,
        true => Say::Addresses(ips(&["192.0.2.7"])),
    });
    let world = world_with(&dir, &[&dns]);
    assert_eq!(resolve(&world, "big.test", SHORT).unwrap(), ["192.0.2.7"]);
    for say in [Say::Hangup, Say::Truncated, Say::Garbage, Say::Silence] {
        let start = Instant::now();
        let dns = DnsServer::start(move |question| match question.tcp {
            false => Say::Truncated,
            true => say.clone(),
        });
        let error = resolve(&world_with(&dir, &[&dns]), "big.test", SHORT).unwrap_err();
        assert_eq!(error.kind, Kind::Resolve);
        assert!(start.elapsed() < SHORT + GRACE);
    }
}

#[test]
fn the_next_nameserver_is_asked() {
    let dir = Dir::new("net-next");
    let right = DnsServer::fixed(Say::Addresses(ips(&["192.0.2.8"])));
    for say in [Say::Silence, Say::Code(2), Say::Code(5), Say::Garbage] {
        let wrong = DnsServer::fixed(say.clone());
        let world = world_with(&dir, &[&wrong, &right]);
        let start = Instant::now();
        let got = resolve(&world, "api.test", Duration::from_millis(900));
        assert_eq!(got.unwrap(), ["192.0.2.8"], "{say:?}");
        assert!(start.elapsed() < Duration::from_millis(600), "nothing is left for the call");
    }
    // Nobody listens there.
    let gone = DnsServer::fixed(Say::Silence);
    let gone_at = gone.address;
    drop(gone);
    let mut world = world_with(&dir, &[&right]);
    std::thread::sleep(Duration::from_millis(120));
    world.names.resolv_conf = dir.write(
        "gone.conf",
        format!("nameserver {gone_at}\nnameserver nonsense\nnameserver {}\n", right.address),
    );
    assert_eq!(resolve(&world, "api.test", SHORT).unwrap(), ["192.0.2.8"]);
    world.names.resolv_conf = dir.write("gone.conf", format!("nameserver {gone_at}\n"));
    let error = resolve(&world, "api.test", SHORT).unwrap_err();
    let text = format!("could not resolve api.test: nameserver {gone_at}: nobody listens there");
    assert_eq!(error.text, text);
}

#[test]
fn no_such_name_for_one_family_does_not_lose_the_other() {
    let dir = Dir::new("net-half");
    for code in [2, 3] {
        let dns = DnsServer::start(move |question| match question.rtype {
            1 => Say::Addresses(ips(&["192.0.2.9"])),
            _ => Say::Code(code),
        });
        let world = world_with(&dir, &[&dns]);
        assert_eq!(resolve(&world, "api.test", SHORT).unwrap(), ["192.0.2.9"], "{code}");
    }
}

#[test]
fn the_hosts_file_and_literals_ask_nobody() {
    let dir = Dir::new("net-hosts");
    let dns = DnsServer::fixed(Say::Code(3));
    let mut world = world_with(&dir, &[&dns]);
    world.names.hosts = dir.write(
        "hosts",
        b"# 192.0.2.3 api.test\n192.0.2.1\tother Api.Test # api.example\n2001:db8::1 api.test\n\xff\xfe\nx api.test\n",
    );
    assert_eq!(resolve(&world, "API.test", SHORT).unwrap(), ["2001:db8::1", "192.0.2.1"]);
    assert_eq!(resolve(&world, "192.0.2.9", SHORT).unwrap(), ["192.0.2.9"]);
    assert_eq!(resolve(&world, "[2001:db8::9]", SHORT).unwrap(), ["2001:db8::9"]);
    assert_eq!(dns.seen(), []);
    assert!(resolve(&world, "api.example", SHORT).is_err());
    assert_eq!(dns.seen().len(), 1, "no such name: not asked again for AAAA");
    assert_eq!(dns.seen()[0].name, "api.example");
}

#[test]
fn without_a_nameserver() {
    let dir = Dir::new("net-none");
    let mut world = world(&dir);
    let error = resolve(&world, "api.example", SHORT).unwrap_err();
    let conf = &world.names.resolv_conf;
    let text = format!("could not resolve api.example: {conf} names no nameserver");
    assert_eq!((error.kind, error.text), (Kind::Resolve, text));
    world.names.resolv_conf = dir.path("missing");
    assert!(
        resolve(&world, "api.example", SHORT).unwrap_err().text.ends_with("names no nameserver")
    );
    let error = resolve(&world_with(&dir, &[]), "no..name", SHORT).unwrap_err();
    assert!(error.text.starts_with("could not resolve no..name: "), "{error}");
}

/// A message with this id; what follows is for the script.
fn message(id: u16) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 4, b't', b'e', b's', b't', 0, 0, 1, 0, 1]);
    bytes
}

fn dns(server: &str, over: DnsTransport, via: &Via) -> Result<Vec<u8>, NetError> {
    World::new().dns(server, &message(0x1234), over, via)
}

#[test]
fn messages_go_and_come() {
    for over in [DnsTransport::Udp, DnsTransport::Tcp] {
        let answer = vec![0x80, 0, 1, 2, 3];
        let server = DnsServer::fixed(Say::Raw(answer.clone()));
        let reply = dns(&server.address.to_string(), over, &via()).unwrap();
        assert_eq!(reply, [&[0x12, 0x34][..], &answer].concat());
        let server = DnsServer::fixed(Say::ForgedFirst(ips(&["192.0.2.1"])));
        let reply = dns(&server.address.to_string(), over, &via());
        match over {
            DnsTransport::Udp => assert_eq!(reply.unwrap()[..2], [0x12, 0x34]),
            DnsTransport::Tcp => assert_eq!(reply.unwrap_err().kind, Kind::Garbage),
        }
        let device = Via { device: Some("lo".into()), ..via() };
        assert!(dns(&server.address.to_string(), DnsTransport::Udp, &device).is_ok());
    }
    // 64 KiB by TCP.
    let long = vec![0x80; 65_533];
    let server = DnsServer::fixed(Say::Raw(long));
    let reply = dns(&server.address.to_string(), DnsTransport::Tcp, &via()).unwrap();
    assert_eq!(reply.len(), 65_535);
}

#[test]
fn a_lost_datagram_is_sent_again_at_half_time() {
    let server = DnsServer::start(|question| match question.nth {
        0 => Say::Silence,
        _ => Say::Raw(vec![0x80, 0]),
    });
    let start = Instant::now();
    assert!(dns(&server.address.to_string(), DnsTransport::Udp, &short()).is_ok());
    assert!(start.elapsed() >= SHORT / 2 && start.elapsed() < SHORT);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn messages_that_get_no_answer() {
    for (say, over, kind, sent, text) in [
        (Say::Silence, DnsTransport::Udp, Kind::Deadline, true, "no answer in time"),
        (Say::Silence, DnsTransport::Tcp, Kind::Deadline, true, "no answer in time"),
        (
            Say::Hangup,
            DnsTransport::Tcp,
            Kind::Cut,
            true,
            "the connection was closed before the answer",
        ),
        (Say::Raw(vec![0, 0]), DnsTransport::Udp, Kind::Deadline, true, "no answer in time"),
        (
            Say::Raw(vec![0, 0]),
            DnsTransport::Tcp,
            Kind::Garbage,
            true,
            "what it answered could not be read",
        ),
    ] {
        let server = DnsServer::fixed(say.clone());
        let start = Instant::now();
        let error = dns(&server.address.to_string(), over, &short()).unwrap_err();
        let want = format!("{}: {text}", server.address);
        assert_eq!((error.kind, error.sent, error.text), (kind, sent, want), "{say:?} {over:?}");
        assert!(start.elapsed() < SHORT + GRACE);
    }
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (over, text) in
        [(DnsTransport::Udp, "nobody listens there"), (DnsTransport::Tcp, "connection refused")]
    {
        let error = dns(&gone, over, &short()).unwrap_err();
        let want = format!("{gone}: {text}");
        assert_eq!((error.kind, error.sent, error.text), (Kind::Connect, false, want), "{over:?}");
    }
    let device = Via { device: Some("pppoe-wan".into()), ..short() };
    let error = dns("127.0.0.1", DnsTransport::Udp, &device).unwrap_err();
    assert_eq!((error.kind, error.sent), (Kind::Connect, false));
    assert_eq!(
        error.text,
        "127.0.0.1:53: could not bind to device pppoe-wan: there is no such device now"
    );
}

#[test]
fn silence_by_udp_is_asked_at_the_next_address() {
    let dir = Dir::new("net-dual");
    let server = DnsServer::fixed(Say::Raw(vec![0x80, 0]));
    // The same port at another address: there, nobody answers.
    let port = server.address.port();
    let _deaf = std::net::UdpSocket::bind(("127.0.0.2", port)).unwrap();
    let mut world = world(&dir);
    world.names.hosts = dir.write("hosts", "127.0.0.2 ns.test\n127.0.0.1 ns.test\n");
    let got = world.dns(&format!("ns.test:{port}"), &message(7), DnsTransport::Udp, &short());
    assert!(got.is_ok(), "{got:?}");
}
