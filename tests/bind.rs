//! rfc2136 against a real BIND on loopback: what it answers is what the provider must make of it,
//! and what `dig` finds in the zone afterwards is the proof.
//!
//! Needs Debian's `named` and `dig`; without them each test says SKIPPED and shows nothing.

#[path = "support/nameserver.rs"]
mod nameserver;

use nameserver::{Plain, SECRET_256, SECRET_512, Server, ZONE, assert_fix, publish, want};
use reachd::model::account::{Account, Setting};
use reachd::model::outcome::Outcome;
use reachd::world::Net;
use std::net::Ipv4Addr;

/// A `named` of our own.
struct Bind(Server);

impl std::ops::Deref for Bind {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl Bind {
    /// `None` if the machine has no BIND.
    fn start() -> Option<Bind> {
        let server = Server::new("bind", &["named", "dig"])?;
        server.write("db", ZONE);
        let (here, port) = (server.path(""), server.port);
        let config = server.write(
            "named.conf",
            &format!(
                r#"key "ddns-key" {{ algorithm hmac-sha256; secret "{SECRET_256}"; }};
key "ddns512" {{ algorithm hmac-sha512; secret "{SECRET_512}"; }};
controls {{ }};
options {{ directory "{here}"; pid-file "named.pid"; session-keyfile "session.key";
  managed-keys-directory "."; lock-file none;
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; dnssec-validation no; notify no; empty-zones-enable no;
  allow-query {{ 127.0.0.0/8; }}; }};
zone "example.test" {{ type primary; file "db"; update-policy {{
  grant ddns-key. name home.example.test. A AAAA; grant ddns-key. name nas.example.test. A AAAA;
  grant ddns512. zonesub A AAAA TXT; }}; }};
"#
            ),
        );
        Some(Bind(server.start("named", &["-g", "-n", "1", "-c", &config])))
    }

    fn key_512(&self) -> Account {
        self.account(&[
            ("key_name", "ddns512"),
            ("key_algorithm", "hmac-sha512"),
            ("key_secret", SECRET_512),
        ])
    }
}

#[test]
fn both_families_with_both_algorithms() {
    let Some(bind) = Bind::start() else { return };
    let mut net = Plain::default();
    for (account, v4) in [(bind.key_256(), "203.0.113.9"), (bind.key_512(), "203.0.113.10")] {
        let wants = [
            want("home", Some(60), &[v4]),
            want("home", Some(90), &["2001:db8::9", "2001:db8::a"]),
        ];
        assert_eq!(publish(&mut net, &account, &wants), [Outcome::Updated, Outcome::Updated]);
        assert_eq!(bind.dig("home", "A"), [format!("60 {v4}")]);
        assert_eq!(bind.dig("home", "AAAA"), ["90 2001:db8::9", "90 2001:db8::a"]);
    }
    assert_eq!(bind.dig("home", "TXT"), ["77 \"keep me\""]);
    assert_eq!((net.updates, net.udp, net.tcp), (2, 2, 0));
}

#[test]
fn ttl_and_what_is_right_stay() {
    let Some(bind) = Bind::start() else { return };
    let mut net = Plain::default();
    let account = bind.key_256();
    // Unchanged: read, nothing sent.
    assert_eq!(
        publish(&mut net, &account, &[want("home", None, &["192.0.2.1"])]),
        [Outcome::AlreadyRight]
    );
    assert_eq!(net.updates, 0);
    // Changed: the record's own TTL is kept, the new one of the other family gets ours.
    let wants = [want("home", None, &["192.0.2.2"]), want("home", None, &["2001:db8::2"])];
    assert_eq!(publish(&mut net, &account, &wants), [Outcome::Updated, Outcome::Updated]);
    assert_eq!(bind.dig("home", "A"), ["1234 192.0.2.2"]);
    assert_eq!(bind.dig("home", "AAAA"), ["60 2001:db8::2"]);
    // One family alone: the other is not touched.
    assert_eq!(
        publish(&mut net, &account, &[want("home", Some(30), &["192.0.2.3"])]),
        [Outcome::Updated]
    );
    assert_eq!(bind.dig("home", "A"), ["30 192.0.2.3"]);
    assert_eq!(bind.dig("home", "AAAA"), ["60 2001:db8::2"]);
    assert_eq!(bind.dig("home", "TXT"), ["77 \"keep me\""]);
    assert_eq!(net.updates, 2);
}

#[test]
fn a_hundred_names_are_few_messages() {
    let Some(bind) = Bind::start() else { return };
    let mut net = Plain::default();
    let mut wants = Vec::new();
    for i in 0..100 {
        wants.push(want(&format!("h{i}"), Some(60), &[&Ipv4Addr::new(203, 0, 113, i).to_string()]));
        wants.push(want(&format!("h{i}"), Some(60), &[&format!("2001:db8::{i:x}")]));
    }
    wants.push(want("*.wild", Some(60), &["203.0.113.200"]));
    let outcomes = publish(&mut net, &bind.key_512(), &wants);
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Updated), "{outcomes:?}");
    assert!(net.updates <= 2, "{} messages", net.updates);
    assert_eq!(bind.dig("h0", "A"), ["60 203.0.113.0"]);
    assert_eq!(bind.dig("h99", "A"), ["60 203.0.113.99"]);
    assert_eq!(bind.dig("h99", "AAAA"), ["60 2001:db8::63"]);
    assert_eq!(bind.dig("any.wild", "A"), ["60 203.0.113.200"]);
}

#[test]
fn keys_that_do_not_fit() {
    let Some(bind) = Bind::start() else { return };
    let with_ttl = [want("home", Some(60), &["203.0.113.9"])];
    let without = [want("home", None, &["203.0.113.9"])];
    // The secret of the other key, in its right form.
    let bad = bind.account(&[("key_name", "ddns-key"), ("key_secret", SECRET_512)]);
    let unknown = bind.account(&[("key_name", "nobody"), ("key_secret", SECRET_256)]);
    let other_algorithm = bind.account(&[
        ("key_name", "ddns-key"),
        ("key_algorithm", "hmac-sha512"),
        ("key_secret", SECRET_256),
    ]);
    let cases = [
        (&bad, "check key_secret"),
        (&unknown, "does not know key 'nobody'"),
        (&other_algorithm, "check key_name and key_algorithm"),
    ];
    for (account, says) in cases {
        for wants in [&with_ttl, &without] {
            let mut net = Plain::default();
            assert_fix(&publish(&mut net, account, wants)[0], says);
            assert_eq!(net.udp + net.tcp, 1, "one request, not a stream");
        }
    }
    let mut net = Plain::default();
    assert_fix(&publish(&mut net, &bind.account(&[]), &with_ttl)[0], "without a key");
    assert_eq!(net.udp + net.tcp, 1);
    assert_eq!(bind.dig("home", "A"), ["1234 192.0.2.1"]);
}

#[test]
fn names_and_zones_it_will_not_take() {
    let Some(bind) = Bind::start() else { return };
    let mut net = Plain::default();
    // One name the policy does not allow must not keep the others from being right.
    let wants = [
        want("home", Some(60), &["203.0.113.9"]),
        want("other", Some(60), &["203.0.113.9"]),
        want("nas", Some(60), &["203.0.113.9"]),
    ];
    let outcomes = publish(&mut net, &bind.key_256(), &wants);
    assert_eq!(outcomes[0], Outcome::Updated);
    assert_fix(&outcomes[1], "do not let key 'ddns-key' change A of other.example.test");
    assert_eq!(outcomes[2], Outcome::Updated);
    assert_eq!(bind.dig("nas", "A"), ["60 203.0.113.9"]);
    assert!(bind.dig("other", "A").is_empty());

    // A server says yes to an address beside a CNAME and drops it; we must not say Updated.
    let outcomes = publish(
        &mut net,
        &bind.key_512(),
        &[want("alias", Some(60), &["203.0.113.9"]), want("nas", Some(60), &["203.0.113.8"])],
    );
    assert_fix(&outcomes[0], "a CNAME stands at this name");
    assert_eq!(outcomes[1], Outcome::Updated);
    assert_eq!(bind.dig("nas", "A"), ["60 203.0.113.8"]);

    let mut foreign = bind.key_512();
    foreign.options.insert("zone".into(), Setting::Text("example.com".into()));
    let mut want = want("home", Some(60), &["203.0.113.9"]);
    assert_fix(&publish(&mut net, &foreign, &[want.clone()])[0], "does not lie in zone");
    want.fqdn = "home.example.com".into();
    assert_fix(&publish(&mut net, &foreign, &[want])[0], "does not serve zone example.com");
}

#[test]
fn a_clock_that_is_wrong() {
    let Some(bind) = Bind::start() else { return };
    let long_ago = -(Plain::default().wall_clock() as i64) + 300;
    for (round, clock_off) in [-4000, 4000, long_ago].into_iter().enumerate() {
        let mut net = Plain { clock_off, ..Plain::default() };
        let address = format!("203.0.113.{round}");
        // The server's time is signed, so it is believed for the second try.
        assert_eq!(
            publish(&mut net, &bind.key_256(), &[want("home", Some(60), &[&address])]),
            [Outcome::Updated]
        );
        assert_eq!(bind.dig("home", "A"), [format!("60 {address}")]);
        assert_eq!(net.updates, 2);
    }
}

#[test]
fn nobody_listens() {
    let Some(bind) = Bind::start() else { return };
    let account = bind.key_256();
    drop(bind);
    let mut net = Plain::default();
    let outcomes = publish(&mut net, &account, &[want("home", Some(60), &["203.0.113.9"])]);
    assert!(matches!(outcomes[0], Outcome::NotConfirmed(_)), "{outcomes:?}");
}
