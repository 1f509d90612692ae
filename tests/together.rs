//! Questions in flight together, against servers that answer, refuse, forge and say nothing. All
//! on loopback.

mod support;

use reachd::model::name::Family;
use reachd::sys::World;
use reachd::sys::resolve::Resolver;
use reachd::wire::stun;
use reachd::world::{Answer, Ask, Datagram, HttpRequest, Net, NetError, NetErrorKind as Kind, Via};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};
use support::dns::{DnsServer, Say};
use support::world::{world, world_with};
use support::{Act, Dir, Front, NAME, Reply, Server, ca_file};

/// How much later than its deadline a call may end on a busy machine.
const GRACE: Duration = Duration::from_millis(400);

fn via(millis: u64) -> Via {
    Via {
        ca_file: Some(ca_file()),
        family: Some(Family::Ipv4),
        deadline: Duration::from_millis(millis),
        allow_http: true,
        ..Via::default()
    }
}

/// A STUN server that answers the datagrams for which `answers` is true, counted from 0, after
/// one with a foreign transaction id.
fn stun_server(answers: fn(usize) -> bool) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut buffer = [0; 512];
        for nth in 0.. {
            let Ok((len, from)) = socket.recv_from(&mut buffer) else { return };
            if answers(nth) {
                let mut reply = buffer[..len].to_vec();
                (reply[0], reply[3]) = (1, 12);
                reply.extend([0, 1, 0, 8, 0, 1, 0x80, 0, 203, 0, 113, 9]);
                let mut forged = reply.clone();
                forged[9] ^= 1;
                forged[31] = 66;
                let _ = socket.send_to(&forged, from);
                let _ = socket.send_to(&reply, from);
            }
        }
    });
    address
}

fn ask(to: impl ToString) -> Ask {
    let payload = stun::question(u128::from(to.to_string().len() as u64) << 64 | 7 << 32);
    Ask::Datagram(Datagram {
        to: to.to_string(),
        port: stun::PORT,
        source: None,
        payload,
        is_reply: stun::is_reply,
    })
}

fn told(answer: &Result<Answer, NetError>) -> Result<String, (Kind, String)> {
    match answer {
        Ok(Answer::Datagram(reply)) => Ok(stun::address(reply).unwrap().to_string()),
        Ok(Answer::Http(reply)) => Ok(String::from_utf8_lossy(&reply.body).into_owned()),
        Err(why) => Err((why.kind, why.text.clone())),
    }
}

#[test]
fn silent_ones_cost_their_time_once() {
    let live = stun_server(|_| true);
    let silent: Vec<UdpSocket> = (0..5).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let refused = {
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap()
    };
    let server = Server::start(Front::Good, |_| Reply::new(200, "fine").into());
    let mut asks: Vec<Ask> = silent.iter().map(|one| ask(one.local_addr().unwrap())).collect();
    asks.extend([ask(live), ask(refused)]);
    asks.push(Ask::Http(HttpRequest::new("GET", server.url("/"))));
    let begin = Instant::now();
    let answers = World::new().together(&asks, &via(2000));
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(1500), "{took:?}");
    assert!(took < Duration::from_millis(1500) + GRACE, "three quarters, once: {took:?}");
    for answer in &answers[..5] {
        assert_eq!(told(answer), Err((Kind::Deadline, "no answer in time".into())));
        assert!(answer.as_ref().is_err_and(|why| why.sent));
    }
    assert_eq!(told(&answers[5]).as_deref(), Ok("203.0.113.9"));
    let want = format!("{refused}: nobody listens there");
    assert_eq!(told(&answers[6]), Err((Kind::Connect, want)));
    assert_eq!(told(&answers[7]).as_deref(), Ok("fine"));
    assert_eq!((server.connections(), server.requests()), (1, 1));
}

#[test]
fn all_that_answer_are_there_at_once() {
    let begin = Instant::now();
    let asks: Vec<Ask> = (0..8).map(|_| ask(stun_server(|_| true))).collect();
    let answers = World::new().together(&asks, &via(5000));
    assert!(answers.iter().all(|answer| told(answer).as_deref() == Ok("203.0.113.9")));
    assert!(begin.elapsed() < GRACE, "{:?}", begin.elapsed());
    assert!(World::new().together(&[], &via(5000)).is_empty());
}

#[test]
fn a_lost_datagram_is_sent_again() {
    let begin = Instant::now();
    let answers = World::new().together(&[ask(stun_server(|nth| nth == 1))], &via(3000));
    assert_eq!(told(&answers[0]).as_deref(), Ok("203.0.113.9"));
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_millis(500) + GRACE);
}

#[test]
fn names_are_resolved_together_too() {
    let dir = Dir::new("together-names");
    let port = stun_server(|_| true).port();
    let silent = DnsServer::fixed(Say::Silence);
    let dns = DnsServer::start(|question| match &question.name[..] {
        "slow.test" => Say::Silence,
        "gone.test" => Say::Code(3),
        "bare.test" => Say::Addresses(Vec::new()),
        "ill.test" => Say::Code(2),
        _ => Say::ForgedFirst(vec!["127.0.0.1".parse().unwrap()]),
    });
    let names = ["a.test", "slow.test", "b.test", "gone.test", "bare.test", "ill.test"];
    let asks: Vec<Ask> = names.iter().map(|name| ask(format!("{name}:{port}"))).collect();
    let begin = Instant::now();
    let answers = world_with(&dir, &[&dns]).together(&asks, &via(900));
    assert!(begin.elapsed() < Duration::from_millis(900) + GRACE, "{:?}", begin.elapsed());
    let place = dns.address;
    let failed =
        |name: &str, why: &str| Err((Kind::Resolve, format!("could not resolve {name}: {why}")));
    let want = [
        Ok("203.0.113.9".to_string()),
        failed("slow.test", "no answer in time"),
        Ok("203.0.113.9".to_string()),
        failed("gone.test", "there is no such name"),
        failed("bare.test", "it has no IPv4 address"),
        failed("ill.test", &format!("{place}: SERVFAIL")),
    ];
    for (answer, want) in answers.iter().zip(want) {
        assert_eq!(told(answer), want);
    }
    // The first nameserver says nothing: the next one is asked half a second later.
    let begin = Instant::now();
    let answers = world_with(&dir, &[&silent, &dns]).together(&asks[..1], &via(3000));
    assert_eq!(told(&answers[0]).as_deref(), Ok("203.0.113.9"));
    assert!(begin.elapsed() < Duration::from_millis(500) + GRACE, "{:?}", begin.elapsed());
}

#[test]
fn a_flood_ends_at_the_deadline() {
    let dir = Dir::new("together-flood");
    let dns = DnsServer::fixed(Say::Flood);
    let live = stun_server(|_| true);
    let begin = Instant::now();
    let asks = [ask("a.test"), ask(live)];
    let answers = world_with(&dir, &[&dns]).together(&asks, &via(600));
    assert!(begin.elapsed() < Duration::from_millis(600) + GRACE, "{:?}", begin.elapsed());
    assert!(matches!(told(&answers[0]), Err((Kind::Resolve, _))));
    assert_eq!(told(&answers[1]).as_deref(), Ok("203.0.113.9"));
}

#[test]
fn a_hosts_other_addresses_are_tried() {
    let dir = Dir::new("together-addresses");
    let server = Server::start(Front::Plain, |_| Reply::new(200, "fine").into());
    let mut world = World::new();
    world.names = Resolver {
        resolv_conf: dir.write("resolv.conf", ""),
        hosts: dir.write("hosts", "127.0.0.9 two.test\n127.0.0.1 two.test\n"),
    };
    let url = server.url_at("two.test", "/");
    let url = Ask::Http(HttpRequest::new("GET", url));
    let stun = ask(format!("two.test:{}", stun_server(|_| true).port()));
    let begin = Instant::now();
    let answers = world.together(&[url, stun], &via(3000));
    assert_eq!(told(&answers[0]).as_deref(), Ok("fine"));
    assert_eq!(told(&answers[1]).as_deref(), Ok("203.0.113.9"));
    assert!(begin.elapsed() < GRACE, "{:?}", begin.elapsed());
}

#[test]
fn a_host_that_hangs_leaves_time_for_the_next() {
    let dir = Dir::new("together-hang");
    let hanging = Server::fixed(Front::Good, Act::Hang);
    let good = Server::start(Front::Good, |_| Reply::new(200, "fine").into());
    let get = |server: &Server| Ask::Http(HttpRequest::new("GET", server.url_at(NAME, "/")));
    let begin = Instant::now();
    let answers = world(&dir).together(&[get(&hanging), get(&good)], &via(2000));
    let took = begin.elapsed();
    assert_eq!(told(&answers[0]), Err((Kind::Deadline, format!("{NAME}: no answer in time"))));
    assert_eq!(told(&answers[1]).as_deref(), Ok("fine"));
    assert!(took < Duration::from_millis(1000) + GRACE, "{took:?}");
}

#[test]
fn hosts_without_tls_cost_their_time_once() {
    let dir = Dir::new("together-mute");
    // Taken by the kernel, and nobody speaks.
    let mute: Vec<TcpListener> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let foreign = Server::start(Front::Good, |_| Reply::new(200, "fine").into());
    let good = Server::start(Front::Good, |_| Reply::new(200, "fine").into());
    let get = |url: String| Ask::Http(HttpRequest::new("GET", url));
    let port = |one: &TcpListener| one.local_addr().unwrap().port();
    let mut asks: Vec<Ask> =
        mute.iter().map(|one| get(format!("https://{NAME}:{}/", port(one)))).collect();
    // A certificate for another name, and one that is right.
    asks.extend([get(foreign.url_at("x", "/")), get(good.url_at(NAME, "/"))]);
    let begin = Instant::now();
    let answers = world(&dir).together(&asks, &via(1600));
    let took = begin.elapsed();
    assert!(took < Duration::from_millis(1200) + GRACE, "{took:?}");
    for answer in &answers[..3] {
        assert_eq!(told(answer), Err((Kind::Deadline, format!("{NAME}: no answer in time"))));
    }
    assert!(matches!(told(&answers[3]), Err((Kind::Tls, _))), "{:?}", answers[3]);
    assert_eq!((foreign.requests(), told(&answers[4]).as_deref()), (0, Ok("fine")));
}

#[test]
fn by_ipv6_too() {
    let Ok(socket) = UdpSocket::bind("[::1]:0") else {
        eprintln!("SKIPPED: no IPv6 here");
        return;
    };
    let at = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        let mut reply = buffer[..len].to_vec();
        (reply[0], reply[3]) = (1, 24);
        reply.extend([0, 1, 0, 20, 0, 2, 0x80, 0, 0x2a, 0, 0, 1]);
        reply.extend([0; 11]);
        reply.push(5);
        let _ = socket.send_to(&reply, from);
    });
    let via = Via { family: Some(Family::Ipv6), ..via(2000) };
    let answers = World::new().together(&[ask(at), ask("127.0.0.1:9")], &via);
    assert_eq!(told(&answers[0]).as_deref(), Ok("2a00:1::5"));
    assert!(told(&answers[1]).is_err_and(|(_, why)| why.contains("no IPv6 address")));
}

#[test]
fn what_cannot_be_asked_says_why() {
    let dir = Dir::new("together-wrong");
    let strict = Via { allow_http: false, ..via(1000) };
    let get = |url: &str| Ask::Http(HttpRequest::new("GET", url));
    let asks = [get("http://a.test/"), get("nonsense"), ask("a.test"), ask("[::1]:3478")];
    let answers = world(&dir).together(&asks, &strict);
    for (answer, says) in answers.iter().zip([
        "a.test is asked by http://",
        "begins with neither",
        "names no nameserver",
        "it has no IPv4 address",
    ]) {
        assert!(told(answer).is_err_and(|(_, why)| why.contains(says)), "{says}: {answer:?}");
    }
    let lost = Via { device: Some("no-such-dev".into()), ..via(1000) };
    let answers = World::new().together(&[ask("127.0.0.1:9"), get("https://127.0.0.1:9/")], &lost);
    for answer in &answers {
        let (kind, why) = told(answer).unwrap_err();
        assert!(kind == Kind::Connect && why.contains("no-such-dev"), "{why}");
    }
}
