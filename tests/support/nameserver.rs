//! Real name servers for tests: one process each, on a loopback port and in a directory of its
//! own, ended with the test however that ends; and what is asked of them.

#![allow(dead_code)]

use reachd::model::account::{Account, Setting};
use reachd::model::name::{Family, Want};
use reachd::model::outcome::Outcome;
use reachd::model::secret::Secret;
use reachd::providers::rfc2136::PROVIDER;
use reachd::world::{DnsTransport, HttpReply, HttpRequest, Net, NetError, NetErrorKind, Via};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

pub const SECRET_256: &str = "c2hhMjU2LXNlY3JldC1vZi10aGUtdGVzdC1sYWItMzI=";
pub const SECRET_512: &str = "c2hhNTEyLXNlY3JldC1vZi10aGUtdGVzdC1sYWItc29tZXdoYXQtbG9uZ2VyLTY0";
/// What example.test holds at first.
pub const ZONE: &str = "$TTL 300\n@ IN SOA ns1 host ( 1 3600 600 86400 60 )\n@ IN NS ns1\n\
                        ns1 IN A 127.0.0.1\nhome 1234 IN A 192.0.2.1\n\
                        home 77 IN TXT \"keep me\"\nalias IN CNAME home\n";

pub struct Server {
    child: Option<Child>,
    dir: PathBuf,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A port that was free a moment ago. Free for TCP is nearly always free for UDP; if not, the
/// server says so and the test fails.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Not running yet. `None` if the machine lacks one of these programs, which is said.
    pub fn new(name: &str, programs: &[&str]) -> Option<Server> {
        for program in programs {
            if !there(program) {
                // Not eprintln!, which the test harness swallows.
                let line = format!("\nSKIPPED: {program} not installed\n");
                let _ = std::io::stderr().write_all(line.as_bytes());
                return None;
            }
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("reachd-{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Some(Server { child: None, dir, port: free_port() })
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.dir.join(name), text).unwrap();
        self.path(name)
    }

    /// Runs it, and waits until it answers for example.test.
    pub fn start(mut self, program: &str, words: &[&str]) -> Server {
        let log = fs::File::create(self.dir.join("log")).unwrap();
        let child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(20);
        while self.dig("ns1", "A").is_empty() {
            self.alive(program, until);
        }
        self
    }

    /// Fails the test if the server has ended, or does not answer for too long.
    pub fn alive(&mut self, program: &str, until: Instant) {
        let log = || fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
        assert!(ended.is_none(), "{program} ended: {}", log());
        assert!(Instant::now() < until, "{program} does not answer: {}", log());
        std::thread::sleep(Duration::from_millis(50));
    }

    /// The records of a name below example.test, each as `TTL DATA`, sorted.
    pub fn dig(&self, host: &str, rtype: &str) -> Vec<String> {
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

    pub fn account(&self, options: &[(&str, &str)]) -> Account {
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

    pub fn key_256(&self) -> Account {
        self.account(&[("key_name", "ddns-key"), ("key_secret", SECRET_256)])
    }
}

fn there(program: &str) -> bool {
    let dirs = std::env::var("PATH").unwrap_or_default();
    dirs.split(':').chain(["/usr/sbin"]).any(|dir| PathBuf::from(dir).join(program).exists())
}

/// A plain blocking network with a clock that may be wrong; counts what it sends.
#[derive(Default)]
pub struct Plain {
    pub clock_off: i64,
    pub udp: u32,
    pub tcp: u32,
    pub updates: u32,
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

pub fn want(host: &str, ttl: Option<u32>, addresses: &[&str]) -> Want {
    let mut addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    addresses.sort();
    let fqdn = format!("{host}.example.test");
    Want { fqdn, family: Family::of(addresses[0]), addresses, ttl }
}

pub fn publish(net: &mut Plain, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    (PROVIDER.publish)(net, account, wants)
}

#[track_caller]
pub fn assert_fix(outcome: &Outcome, says: &str) {
    let Outcome::FixConfig(text) = outcome else { panic!("{outcome:?} is not FixConfig") };
    assert!(text.contains(says), "'{text}' does not say '{says}'");
}
