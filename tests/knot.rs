//! rfc2136 against a real Knot on loopback, whose refusals are not BIND's: no key and a zone it
//! does not serve are both NOTAUTH, the latter unsigned.
//!
//! Needs Debian's `knotd` and `dig`; without them each test says SKIPPED and shows nothing.

#[path = "support/nameserver.rs"]
mod nameserver;

use nameserver::{Plain, SECRET_256, SECRET_512, Server, ZONE, assert_fix, publish, want};
use reachd::model::account::Setting;
use reachd::model::outcome::Outcome;
use reachd::world::Net;

/// `None` if the machine has no Knot.
fn knot() -> Option<Server> {
    let server = Server::new("knot", &["knotd", "dig"])?;
    server.write("db", &["$ORIGIN example.test.\n", ZONE].concat());
    let (here, port) = (server.path(""), server.port);
    let config = server.write(
        "knot.conf",
        &format!(
            r#"server:
    rundir: {here}
    listen: 127.0.0.1@{port}
    background-workers: 1
    udp-workers: 1
    tcp-workers: 1
database:
    storage: {here}
key:
  - id: ddns-key.
    algorithm: hmac-sha256
    secret: {SECRET_256}
acl:
  - id: upd
    key: ddns-key.
    action: update
    update-owner: name
    update-owner-match: equal
    update-owner-name: [home.example.test., nas.example.test., alias.example.test.]
zone:
  - domain: example.test
    file: {here}/db
    acl: upd
"#
        ),
    );
    Some(server.start("knotd", &["-c", &config]))
}

#[test]
fn both_families_and_what_is_there_stays() {
    let Some(knot) = knot() else { return };
    let mut net = Plain::default();
    let account = knot.key_256();
    let right = [want("home", None, &["192.0.2.1"])];
    assert_eq!(publish(&mut net, &account, &right), [Outcome::AlreadyRight]);
    assert_eq!(net.updates, 0);
    let wants = [want("home", None, &["203.0.113.9"]), want("home", Some(90), &["2001:db8::9"])];
    assert_eq!(publish(&mut net, &account, &wants), [Outcome::Updated, Outcome::Updated]);
    assert_eq!(knot.dig("home", "A"), ["1234 203.0.113.9"]);
    assert_eq!(knot.dig("home", "AAAA"), ["90 2001:db8::9"]);
    assert_eq!(knot.dig("home", "TXT"), ["77 \"keep me\""]);
    assert_eq!(net.updates, 1);
}

#[test]
fn keys_and_zones_that_do_not_fit() {
    let Some(knot) = knot() else { return };
    let wants = [want("home", Some(60), &["203.0.113.9"])];
    let bad = knot.account(&[("key_name", "ddns-key"), ("key_secret", SECRET_512)]);
    let unknown = knot.account(&[("key_name", "nobody"), ("key_secret", SECRET_256)]);
    for (account, says) in [
        (&bad, "check key_secret"),
        (&unknown, "does not know key 'nobody'"),
        (&knot.account(&[]), "not without a key"),
    ] {
        let mut net = Plain::default();
        assert_fix(&publish(&mut net, account, &wants)[0], says);
        assert_eq!(net.udp + net.tcp, 1, "one request, not a stream");
    }
    let mut foreign = knot.key_256();
    foreign.options.insert("zone".into(), Setting::Text("example.com".into()));
    let mut elsewhere = want("home", Some(60), &["203.0.113.9"]);
    elsewhere.fqdn = "home.example.com".into();
    let got = publish(&mut Plain::default(), &foreign, &[elsewhere]);
    assert_fix(&got[0], "does not serve zone example.com");
    assert_eq!(knot.dig("home", "A"), ["1234 192.0.2.1"]);
}

#[test]
fn one_name_in_the_way_does_not_hold_up_the_others() {
    let Some(knot) = knot() else { return };
    let wants = [
        want("home", Some(60), &["203.0.113.9"]),
        want("other", Some(60), &["203.0.113.9"]),
        want("alias", Some(60), &["203.0.113.9"]),
        want("nas", Some(60), &["203.0.113.9"]),
    ];
    let got = publish(&mut Plain::default(), &knot.key_256(), &wants);
    assert_eq!((&got[0], &got[3]), (&Outcome::Updated, &Outcome::Updated), "{got:?}");
    assert_fix(&got[1], "do not let key 'ddns-key' change A of other.example.test");
    assert_fix(&got[2], "a CNAME stands at this name");
    assert_eq!(knot.dig("nas", "A"), ["60 203.0.113.9"]);
    assert!(knot.dig("other", "A").is_empty());
}

#[test]
fn a_clock_that_is_wrong() {
    let Some(knot) = knot() else { return };
    let long_ago = -(Plain::default().wall_clock() as i64) + 300;
    for (round, clock_off) in [-4000, 4000, long_ago].into_iter().enumerate() {
        let mut net = Plain { clock_off, ..Plain::default() };
        let address = format!("203.0.113.{round}");
        let wants = [want("home", Some(60), &[&address])];
        assert_eq!(publish(&mut net, &knot.key_256(), &wants), [Outcome::Updated]);
        assert_eq!(knot.dig("home", "A"), [format!("60 {address}")]);
    }
}
