//! powerdns and rfc2136 against a real PowerDNS on loopback: its HTTP API, by our own HTTP, and
//! its DNS UPDATE, whose refusals are unsigned and say little.
//!
//! Needs Debian's `pdns_server` with `pdnsutil`, its SQLite back end, `sqlite3` and `dig`; without
//! them each test says SKIPPED and shows nothing.

mod support;

#[path = "support/nameserver.rs"]
mod nameserver;

use nameserver::{Plain, SECRET_256, SECRET_512, Server, ZONE, assert_fix, free_port, want};
use reachd::model::account::{Account, Setting};
use reachd::model::name::Want;
use reachd::model::outcome::Outcome;
use reachd::model::secret::Secret;
use reachd::providers::{powerdns, rfc2136};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::Dir;
use support::world::world;

const API_KEY: &str = "sekret-key-of-the-test";
const SCHEMA: &str = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql";

struct Pdns {
    server: Server,
    api: u16,
}

impl Pdns {
    /// `None` if the machine has no PowerDNS.
    fn start() -> Option<Pdns> {
        let server = Server::new("pdns", &["pdns_server", "pdnsutil", "sqlite3", "dig"])?;
        let (here, port, api) = (server.path(""), server.port, free_port());
        let Ok(schema) = std::fs::read_to_string(SCHEMA) else {
            use std::io::Write;
            let line = b"\nSKIPPED: pdns-backend-sqlite3 (or its schema) not installed\n";
            let _ = std::io::stderr().write_all(line);
            return None;
        };
        server.write("schema", &schema);
        server.write(
            "pdns.conf",
            &format!(
                "launch=gsqlite3\ngsqlite3-database={here}/db\nsocket-dir={here}\n\
                 local-address=127.0.0.1\nlocal-port={port}\napi=yes\napi-key={API_KEY}\n\
                 webserver=yes\nwebserver-address=127.0.0.1\nwebserver-port={api}\n\
                 webserver-allow-from=127.0.0.0/8\ndnsupdate=yes\n\
                 allow-dnsupdate-from=127.0.0.0/8\nsecurity-poll-suffix=\ncache-ttl=0\n\
                 query-cache-ttl=0\nnegquery-cache-ttl=0\n"
            ),
        );
        run("sqlite3", &[&server.path("db"), &[".read ", &server.path("schema")].concat()]);
        let config = ["--config-dir=", &here].concat();
        for zone in ["example.test", "deep.example.test"] {
            server.write("zone", &[&format!("$ORIGIN {zone}.\n"), ZONE].concat());
            run("pdnsutil", &[&config, "load-zone", zone, &server.path("zone")]);
        }
        run("pdnsutil", &[&config, "import-tsig-key", "ddns-key", "hmac-sha256", SECRET_256]);
        run("pdnsutil", &[&config, "set-meta", "example.test", "TSIG-ALLOW-DNSUPDATE", "ddns-key"]);
        let mut server = server.start("pdns_server", &[&config, "--guardian=no", "--daemon=no"]);
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", api)).is_err() {
            server.alive("pdns_server", until);
        }
        Some(Pdns { server, api })
    }

    fn account(&self, options: &[(&str, &str)]) -> Account {
        let mut account = self.server.account(&[]);
        account.provider = "powerdns".into();
        account.allow_http = true;
        let url = format!("http://127.0.0.1:{}/api/v1", self.api);
        account.options = [("url", url.as_str())]
            .iter()
            .chain(options)
            .map(|(name, value)| (name.to_string(), Setting::Text(value.to_string())))
            .collect();
        account.options.insert("api_key".into(), Setting::Secret(Secret::new(API_KEY)));
        account
    }
}

fn run(program: &str, words: &[&str]) {
    let done = Command::new(program).args(words).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{program} {words:?}: {done:?}");
}

fn publish(account: &Account, wants: &[Want]) -> Vec<Outcome> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let dir = Dir::new(&format!("pdns-{count}"));
    (powerdns::PROVIDER.publish)(&mut world(&dir), account, wants)
}

#[test]
fn api_publishes_and_keeps_what_is_there() {
    let Some(pdns) = Pdns::start() else { return };
    let (dns, account) = (&pdns.server, pdns.account(&[]));
    let right = [want("home", None, &["192.0.2.1"])];
    assert_eq!(publish(&account, &right), [Outcome::AlreadyRight]);
    // The zone is found, the closest of the two.
    let wants = [
        want("home", None, &["203.0.113.9"]),
        want("home", Some(90), &["2001:db8::9", "2001:db8::a"]),
        want("new", None, &["203.0.113.10"]),
        want("home.deep", None, &["203.0.113.11"]),
    ];
    assert_eq!(publish(&account, &wants), [const { Outcome::Updated }; 4]);
    assert_eq!(dns.dig("home", "A"), ["1234 203.0.113.9"]);
    assert_eq!(dns.dig("home", "AAAA"), ["90 2001:db8::9", "90 2001:db8::a"]);
    assert_eq!(dns.dig("home", "TXT"), ["77 \"keep me\""]);
    assert_eq!(dns.dig("new", "A"), ["60 203.0.113.10"]);
    assert_eq!(dns.dig("home.deep", "A"), ["1234 203.0.113.11"]);
    assert_eq!(publish(&account, &wants), [const { Outcome::AlreadyRight }; 4]);
    // The other family stays; the TTL alone can be changed.
    let ttl = [want("home", Some(30), &["203.0.113.9"])];
    assert_eq!(publish(&pdns.account(&[("zone", "example.test")]), &ttl), [Outcome::Updated]);
    assert_eq!(dns.dig("home", "A"), ["30 203.0.113.9"]);
    assert_eq!(dns.dig("home", "AAAA"), ["90 2001:db8::9", "90 2001:db8::a"]);
}

#[test]
fn api_takes_a_hundred_names_and_refuses_one() {
    let Some(pdns) = Pdns::start() else { return };
    let account = pdns.account(&[("zone", "example.test")]);
    let mut wants = Vec::new();
    for i in 0..100 {
        wants.push(want(&format!("h{i}"), Some(60), &[&format!("203.0.113.{i}")]));
        wants.push(want(&format!("h{i}"), Some(60), &[&format!("2001:db8::{i:x}")]));
    }
    wants.push(want("*.wild", Some(60), &["203.0.113.200"]));
    let got = publish(&account, &wants);
    assert!(got.iter().all(|outcome| *outcome == Outcome::Updated), "{got:?}");
    assert_eq!(pdns.server.dig("h99", "A"), ["60 203.0.113.99"]);
    assert_eq!(pdns.server.dig("any.wild", "A"), ["60 203.0.113.200"]);
    // Below a delegation, say, or beside a CNAME made meanwhile: the others go through.
    let wants = [
        want("h1", None, &["203.0.113.201"]),
        want("alias", None, &["203.0.113.202"]),
        want("a..b", None, &["203.0.113.203"]),
        want("h2", None, &["203.0.113.204"]),
    ];
    let got = publish(&account, &wants);
    assert_eq!((&got[0], &got[3]), (&Outcome::Updated, &Outcome::Updated), "{got:?}");
    assert_fix(&got[1], "is a CNAME at PowerDNS");
    assert_fix(&got[2], "it says: ");
}

#[test]
fn api_refusals() {
    let Some(pdns) = Pdns::start() else { return };
    let wants = [want("home", None, &["203.0.113.9"])];
    let mut bad = pdns.account(&[("zone", "example.test")]);
    bad.options.insert("api_key".into(), Setting::Secret(Secret::new("another")));
    assert_fix(&publish(&bad, &wants)[0], "check option api_key");
    let mut elsewhere = wants.clone();
    elsewhere[0].fqdn = "home.example.com".into();
    let foreign = pdns.account(&[("zone", "example.com")]);
    assert_fix(&publish(&foreign, &elsewhere)[0], "check options zone, server_id and url");
    assert_fix(&publish(&pdns.account(&[]), &elsewhere)[0], "PowerDNS shows no zone for it");
    let server = pdns.account(&[("zone", "example.test"), ("server_id", "other")]);
    assert_fix(&publish(&server, &wants)[0], "check options zone, server_id and url");
    assert_eq!(pdns.server.dig("home", "A"), ["1234 192.0.2.1"]);
}

#[test]
fn update_with_its_key() {
    let Some(pdns) = Pdns::start() else { return };
    let (dns, mut net) = (&pdns.server, Plain::default());
    let mut publish =
        |account: &Account, wants: &[Want]| (rfc2136::PROVIDER.publish)(&mut net, account, wants);
    let account = dns.key_256();
    let wants = [want("home", None, &["203.0.113.9"]), want("home", Some(90), &["2001:db8::9"])];
    assert_eq!(publish(&account, &wants), [Outcome::Updated, Outcome::Updated]);
    assert_eq!(dns.dig("home", "A"), ["1234 203.0.113.9"]);
    assert_eq!(dns.dig("home", "AAAA"), ["90 2001:db8::9"]);
    assert_eq!(dns.dig("home", "TXT"), ["77 \"keep me\""]);
}

#[test]
fn update_refused() {
    let Some(pdns) = Pdns::start() else { return };
    let dns = &pdns.server;
    let wants = [want("home", Some(60), &["203.0.113.9"])];
    let bad = dns.account(&[("key_name", "ddns-key"), ("key_secret", SECRET_512)]);
    let unknown = dns.account(&[("key_name", "nobody"), ("key_secret", SECRET_256)]);
    for (account, says) in [
        (&bad, "check key_secret, key_name and key_algorithm"),
        (&unknown, "check key"),
        (&dns.account(&[]), "without a key"),
    ] {
        let got = (rfc2136::PROVIDER.publish)(&mut Plain::default(), account, &wants);
        assert_fix(&got[0], says);
    }
    assert_eq!(dns.dig("home", "A"), ["1234 192.0.2.1"]);
}
