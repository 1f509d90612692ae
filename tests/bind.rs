//! rfc2136 against a real BIND on loopback: what it answers is what the provider must make of it,
//! and what `dig` finds in the zone afterwards is the proof.
//!
//! Needs Debian's `named` and `dig`; without them each test says SKIPPED and shows nothing.

use reachd::model::account::{Account, Setting};
use reachd::model::name::{Family, Want};
use reachd::model::outcome::Outcome;
use reachd::model::secret::Secret;
use reachd::providers::rfc2136::PROVIDER;
use reachd::world::{DnsTransport, HttpReply, HttpRequest, Net, NetError, NetErrorKind, Via};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

const SECRET_256: &str = "c2hhMjU2LXNlY3JldC1vZi10aGUtdGVzdC1sYWItMzI=";
const SECRET_512: &str = "c2hhNTEyLXNlY3JldC1vZi10aGUtdGVzdC1sYWItc29tZXdoYXQtbG9uZ2VyLTY0";

/// A `named` of our own, ended with the test however that ends.
struct Bind {
    child: Child,
    dir: std::path::PathBuf,
    port: u16,
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Bind {
    /// `None` if the machine has no BIND.
    fn start() -> Option<Bind> {
        for tool in ["named", "dig"] {
            let mut command = Command::new(tool);
            command.arg("-v").stdout(Stdio::null()).stderr(Stdio::null());
            let found = command.status().is_ok();
            if !found {
                // Not eprintln!, which the test harness swallows.
                let line = format!("\nSKIPPED: {tool} not installed\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
                return None;
            }
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("reachd-bind-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        // Free for TCP is nearly always free for UDP; if not, named says so and the test fails.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        std::fs::write(
            dir.join("db"),
            "$TTL 300\n@ IN SOA ns1 host ( 1 3600 600 86400 60 )\n@ IN NS ns1\nns1 IN A 127.0.0.1\n\
             home 1234 IN A 192.0.2.1\nhome 77 IN TXT \"keep me\"\nalias IN CNAME home\n",
        )
        .unwrap();
        let here = dir.display();
        std::fs::write(
            dir.join("named.conf"),
            format!(
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
        )
        .unwrap();
        let log = std::fs::File::create(dir.join("named.log")).unwrap();
        let child = Command::new("named")
            .args(["-g", "-n", "1", "-c"])
            .arg(dir.join("named.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut bind = Bind { child, dir, port };
        let until = Instant::now() + Duration::from_secs(20);
        while bind.dig("ns1", "A").is_empty() {
            let log = || std::fs::read_to_string(bind.dir.join("named.log")).unwrap_or_default();
            assert!(bind.child.try_wait().unwrap().is_none(), "named ended: {}", log());
            assert!(Instant::now() < until, "named does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(bind)
    }

    /// The records of a name below example.test, each as `TTL DATA`, sorted.
    fn dig(&self, host: &str, rtype: &str) -> Vec<String> {
        let out = Command::new("dig")
            .args(["@127.0.0.1", "-p", &self.port.to_string(), "+tries=1", "+time=2", "+noall"])
            .args(["+answer", &format!("{host}.example.test"), rtype])
            .output()
            .unwrap();
        let mut records: Vec<String> = String::from_utf8(out.stdout)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with(';'))
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                Some(format!("{} {}", words.get(1)?, words.get(4..)?.join(" ")))
            })
            .collect();
        records.sort();
        records
    }

    fn account(&self, options: &[(&str, &str)]) -> Account {
        let server = format!("127.0.0.1:{}", self.port);
        let mut all = vec![("server", server.as_str()), ("zone", "example.test")];
        all.extend(options);
        let options = all
            .into_iter()
            .map(|(name, value)| match name {
                "key_secret" => (name.to_string(), Setting::Secret(Secret::new(value))),
                _ => (name.to_string(), Setting::Text(value.to_string())),
            })
            .collect();
        Account {
            id: "lab".into(),
            provider: "rfc2136".into(),
            options,
            fingerprint: 0,
            wan: None,
            ca_file: None,
            allow_http: false,
        }
    }

    fn key_256(&self) -> Account {
        self.account(&[("key_name", "ddns-key"), ("key_secret", SECRET_256)])
    }

    fn key_512(&self) -> Account {
        self.account(&[
            ("key_name", "ddns512"),
            ("key_algorithm", "hmac-sha512"),
            ("key_secret", SECRET_512),
        ])
    }
}

/// A plain blocking network with a clock that may be wrong; counts what it sends.
#[derive(Default)]
struct Plain {
    clock_off: i64,
    udp: u32,
    tcp: u32,
    updates: u32,
}

impl Plain {
    fn talk(&mut self, to: &str, message: &[u8], over: DnsTransport) -> std::io::Result<Vec<u8>> {
        let limit = Some(Duration::from_secs(5));
        match over {
            DnsTransport::Udp => {
                self.udp += 1;
                let socket = UdpSocket::bind(("127.0.0.1", 0))?;
                socket.set_read_timeout(limit)?;
                socket.connect(to)?;
                socket.send(message)?;
                let mut reply = vec![0; 65535];
                let length = socket.recv(&mut reply)?;
                reply.truncate(length);
                Ok(reply)
            }
            DnsTransport::Tcp => {
                self.tcp += 1;
                let mut stream = TcpStream::connect(to)?;
                stream.set_read_timeout(limit)?;
                stream.write_all(&(message.len() as u16).to_be_bytes())?;
                stream.write_all(message)?;
                let mut length = [0; 2];
                stream.read_exact(&mut length)?;
                let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut reply)?;
                Ok(reply)
            }
        }
    }
}

impl Net for Plain {
    fn http(&mut self, request: &HttpRequest, _: &Via) -> Result<HttpReply, NetError> {
        panic!("no HTTP here: {request:?}")
    }

    fn dns(
        &mut self,
        server: &str,
        message: &[u8],
        over: DnsTransport,
        _: &Via,
    ) -> Result<Vec<u8>, NetError> {
        self.updates += u32::from(message[2] >> 3 == 5);
        self.talk(server, message, over).map_err(|error| NetError {
            kind: NetErrorKind::Deadline,
            text: error.to_string(),
            sent: true,
        })
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        panic!("no files here: {path}")
    }

    fn replace_file(&mut self, path: &str, _: &[u8], _: u32) -> Result<(), String> {
        panic!("no files here: {path}")
    }

    fn wall_clock(&self) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        now.saturating_add_signed(self.clock_off)
    }

    fn chance(&mut self) -> u64 {
        u64::from(self.udp * 7919 + self.tcp * 104_729 + 4242)
    }

    fn done(&mut self) {}
}

fn want(host: &str, ttl: Option<u32>, addresses: &[&str]) -> Want {
    let mut addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    addresses.sort();
    let fqdn = format!("{host}.example.test");
    Want { fqdn, family: Family::of(addresses[0]), addresses, ttl }
}

fn publish(net: &mut Plain, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    (PROVIDER.publish)(net, account, wants)
}

#[track_caller]
fn assert_fix(outcome: &Outcome, says: &str) {
    let Outcome::FixConfig(text) = outcome else { panic!("{outcome:?} is not FixConfig") };
    assert!(text.contains(says), "'{text}' does not say '{says}'");
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
    assert_fix(&outcomes[1], "does not let key 'ddns-key' change A of other.example.test");
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
