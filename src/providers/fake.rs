//! A world for the tests of providers: answers as scripted, counts, and panics on whatever it
//! was not told of. Not for any order: an exchange is found by method and URL.

use super::*;
use crate::model::account::Setting;
use crate::model::secret::Secret;
pub use crate::wire::update::lab::{NOW, SECRET, answer, answer_with, complaint};
use crate::world::{DnsTransport, HttpRequest};
use domain::base::iana::Rcode;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub struct Exchange {
    /// `GET https://...`, or `DNS query`, `DNS update`: then the body is the exchange itself.
    pub ask: String,
    /// What must be sent with it, if that matters.
    pub send: Option<Value>,
    pub reply: Result<HttpReply, NetError>,
}

type DnsServer = Box<dyn FnMut(&[u8], DnsTransport, &Via) -> Result<Vec<u8>, NetError>>;

pub struct Fake {
    pub exchanges: Vec<Exchange>,
    /// The reply to whatever is not scripted.
    pub any: Option<HttpReply>,
    /// What becomes of whatever is not scripted, where that is no reply.
    pub fails: Option<NetError>,
    pub dns: Option<DnsServer>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub read_only: bool,
    pub clock: u64,
    /// What was asked: `GET https://...`, `dns udp`, `write /path`.
    pub log: Vec<String>,
    /// The requests themselves.
    pub sent: Vec<HttpRequest>,
    ids: u64,
}

impl Fake {
    pub fn new() -> Self {
        Fake {
            exchanges: Vec::new(),
            any: None,
            fails: None,
            dns: None,
            files: BTreeMap::new(),
            read_only: false,
            clock: NOW,
            log: Vec::new(),
            sent: Vec::new(),
            ids: 0,
        }
    }

    pub fn on(&mut self, ask: &str, status: u16, body: &Value) {
        let reply = HttpReply { status, headers: Vec::new(), body: body.to_string().into_bytes() };
        self.exchanges.push(Exchange { ask: ask.into(), send: None, reply: Ok(reply) });
    }
}

impl Net for Fake {
    fn http(&mut self, request: &HttpRequest, _: &Via) -> Result<HttpReply, NetError> {
        let ask = format!("{} {}", request.method, request.url);
        self.log.push(ask.clone());
        self.sent.push(request.clone());
        let known: Vec<&str> = self.exchanges.iter().map(|e| e.ask.as_str()).collect();
        let Some(at) = known.iter().position(|&known| known == ask) else {
            if let Some(error) = &self.fails {
                return Err(error.clone());
            }
            if let Some(reply) = &self.any {
                return Ok(reply.clone());
            }
            panic!("nobody scripted {ask}; left are {known:#?}");
        };
        let exchange = self.exchanges.remove(at);
        if let Some(send) = exchange.send {
            let body = request.body.as_deref().unwrap_or(b"null");
            let sent: Value = serde_json::from_slice(body).expect("a JSON body");
            assert_eq!(sent, send, "sent with {ask}");
        }
        exchange.reply
    }

    fn dns(
        &mut self,
        _: &str,
        message: &[u8],
        over: DnsTransport,
        via: &Via,
    ) -> Result<Vec<u8>, NetError> {
        self.log.push(format!("dns {over:?}").to_lowercase());
        if let Some(server) = &mut self.dns {
            return server(message, over, via);
        }
        let is_update = message.get(2).is_some_and(|byte| byte >> 3 & 15 == 5);
        let ask = if is_update { "DNS update" } else { "DNS query" };
        let Some(at) = self.exchanges.iter().position(|exchange| exchange.ask == ask) else {
            return Err(self.fails.clone().unwrap_or_else(|| panic!("nobody scripted {ask}")));
        };
        let spec = self.exchanges.remove(at).reply?.body;
        Ok(dns_reply(message, &serde_json::from_slice(&spec).expect("an exchange")))
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.files.get(path).cloned())
    }

    fn replace_file(&mut self, path: &str, content: &[u8], mode: u32) -> Result<(), String> {
        self.log.push(format!("write {path} {mode:o}"));
        if self.read_only {
            return Err(format!("cannot write {path}: read-only file system"));
        }
        self.files.insert(path.into(), content.into());
        Ok(())
    }

    fn wall_clock(&self) -> u64 {
        self.clock
    }

    fn chance(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn done(&mut self) {}
}

pub fn net_error(kind: NetErrorKind, sent: bool) -> NetError {
    NetError { kind, text: format!("{kind:?} happened").to_lowercase(), sent }
}

/// An account as the config would hand it over: the provider's defaults filled in.
pub fn account(provider: &Provider, options: &[(&str, &str)]) -> Account {
    let defaults = provider.options.iter().filter_map(|doc| Some((doc.name, doc.default?)));
    let options = defaults
        .chain(options.iter().copied())
        .map(|(name, value)| {
            let doc = provider.options.iter().find(|doc| doc.name == name);
            let doc = doc.unwrap_or_else(|| panic!("{} has no option {name}", provider.id));
            let setting = match doc.kind {
                Kind::Secret => Setting::Secret(Secret::new(value)),
                Kind::List | Kind::Tests => {
                    Setting::List(value.lines().map(str::to_string).collect())
                }
                _ => Setting::Text(value.into()),
            };
            (name.to_string(), setting)
        })
        .collect();
    Account {
        id: "test".into(),
        provider: provider.id.into(),
        options,
        fingerprint: 1,
        wan: None,
        ca_file: None,
        allow_http: false,
    }
}

/// `home.example.test 192.0.2.1 192.0.2.2 ttl=60`
pub fn want(text: &str) -> Want {
    let mut words = text.split(' ');
    let fqdn = words.next().expect("a name").to_string();
    let (mut addresses, mut ttl) = (Vec::new(), None);
    for word in words {
        match word.strip_prefix("ttl=") {
            Some(seconds) => ttl = Some(seconds.parse().expect("seconds")),
            None => addresses.push(word.parse::<IpAddr>().expect("an address")),
        }
    }
    addresses.sort();
    Want { fqdn, family: Family::of(addresses[0]), addresses, ttl }
}

/// How outcomes are written in tests: `Updated`, `FixConfig: the text`.
pub fn show(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Updated => "Updated".into(),
        Outcome::AlreadyRight => "AlreadyRight".into(),
        Outcome::FixConfig(text) => format!("FixConfig: {text}"),
        Outcome::WaitUntil { after, why } => format!("WaitUntil {}: {why}", after.as_secs()),
        Outcome::TryLater(text) => format!("TryLater: {text}"),
        Outcome::NotConfirmed(text) => format!("NotConfirmed: {text}"),
        Outcome::Bug(text) => format!("Bug: {text}"),
    }
}

/// All cases of `tests/providers/FOLDER/`, with what stands for several written out.
pub fn cases(folder: &str) -> Vec<Value> {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(files) = std::fs::read_dir(top.join("tests/providers").join(folder)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let text = std::fs::read_to_string(path).expect("a file of cases");
        let cases: Vec<Value> =
            serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        all.extend(cases);
    }
    for case in &mut all {
        if let Some(times) = case["times"].as_u64() {
            write_out(case, times);
        }
    }
    all
}

/// Each item of a list that holds `#` becomes `times` items, with a number in its place.
fn write_out(value: &mut Value, times: u64) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| write_out(field, times)),
        Value::Array(items) => {
            for mut item in std::mem::take(items) {
                write_out(&mut item, times);
                let text = item.to_string();
                match text.contains('#') {
                    true => items.extend((0..times).map(|i| {
                        serde_json::from_str::<Value>(&text.replace('#', &i.to_string())).unwrap()
                    })),
                    false => items.push(item),
                }
            }
        }
        _ => {}
    }
}

/// The text at this place of a case.
fn text<'v>(case: &'v Value, value: &'v Value) -> &'v str {
    value.as_str().unwrap_or_else(|| panic!("{}: {value} is no text", case["about"]))
}

fn list<'v>(case: &'v Value, name: &str) -> &'v [Value] {
    case[name].as_array().unwrap_or_else(|| panic!("{}: {name}", case["about"]))
}

/// The account, the wants and the world of a case.
pub fn scene(provider: &Provider, case: &Value) -> (Account, Vec<Want>, Fake) {
    let fields = |name: &str| case[name].as_object().into_iter().flatten();
    let options: Vec<(&str, &str)> =
        fields("account").map(|(name, value)| (name.as_str(), text(case, value))).collect();
    let wants = list(case, "wants").iter().map(|line| want(text(case, line))).collect();
    let mut fake = Fake::new();
    fake.exchanges = list(case, "exchanges")
        .iter()
        .map(|exchange| read(exchange, text(case, &case["about"])))
        .collect();
    fake.files = fields("files")
        .map(|(path, content)| (path.clone(), text(case, content).as_bytes().to_vec()))
        .collect();
    (account(provider, &options), wants, fake)
}

/// Plays one case. It holds
/// - `about`: what it shows;
/// - `account`: options; their secrets must never come back in a message, nor must `secret`;
/// - `wants`: see [`want`];
/// - `exchanges`: each `ask`, `send` (optional), and either `error` (a [`NetErrorKind`], with
///   `sent`) or `status`, `headers` and `reply` (JSON) or `text`; for DNS instead `rcode`,
///   `signed`, `found`, or `tsig`, see [`dns_reply`]. All must be used;
/// - `files` (optional): path and content before; `files_after`: what must be there then;
/// - `outcomes`: see [`show`]; a text may be cut short with `...`. One stands for all;
/// - `times` (optional): how often each item of a list that holds `#` is written, with a number
///   in its place.
pub fn play(provider: &Provider, case: &Value) {
    let about = format!("{}: {}", provider.id, text(case, &case["about"]));
    let (account, wants, mut fake) = scene(provider, case);

    let got = (provider.publish)(&mut fake, &account, &wants);

    let left: Vec<&str> = fake.exchanges.iter().map(|e| e.ask.as_str()).collect();
    assert!(left.is_empty(), "{about}: never asked {left:#?}");
    let got: Vec<String> = got.iter().map(show).collect();
    let mut expected: Vec<&str> =
        list(case, "outcomes").iter().map(|line| text(case, line)).collect();
    if let [one] = expected[..] {
        expected = vec![one; wants.len()];
    }
    let same = got.len() == expected.len()
        && got.iter().zip(&expected).all(|(got, expected)| match expected.strip_suffix("...") {
            Some(start) => got.starts_with(start),
            None => got == expected,
        });
    assert!(same, "{about}: got {got:#?}, expected {expected:#?}");
    for (path, content) in case["files_after"].as_object().into_iter().flatten() {
        let held = fake.files.get(path).map(|bytes| String::from_utf8_lossy(bytes));
        assert_eq!(held.as_deref(), content.as_str(), "{about}: {path}");
    }
    for told in &got {
        assert!(!holds_secret(told, &account), "{about}: shows a secret: {told}");
        let secret = case["secret"].as_str();
        assert!(!secret.is_some_and(|secret| told.contains(secret)), "{about}: shows a secret");
    }
}

/// A secret of the account stands in the text. Those that could be a word are not looked for.
pub fn holds_secret(text: &str, account: &Account) -> bool {
    account.options.values().any(|setting| match setting {
        Setting::Secret(secret) => secret.expose().len() > 3 && text.contains(secret.expose()),
        _ => false,
    })
}

/// What a name server with the lab's key answers: `rcode` (a number, 0 if absent), `signed`,
/// `found` (IPv4 addresses, TTL 1234), or an error about the signature by its number (`tsig`,
/// RFC 8945 3).
fn dns_reply(sent: &[u8], exchange: &Value) -> Vec<u8> {
    if let Some(error) = exchange["tsig"].as_u64() {
        return complaint(sent, error as u16, b"");
    }
    let found: Vec<[u8; 4]> = exchange["found"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|ip| ip.as_str().unwrap().parse::<std::net::Ipv4Addr>().unwrap().octets())
        .collect();
    let rcode = Rcode::masked_from_int(exchange["rcode"].as_u64().unwrap_or(0) as u8);
    answer_with(sent, rcode, exchange["signed"] == true, &found)
}

fn read(exchange: &Value, about: &str) -> Exchange {
    let reply = match exchange["error"].as_str() {
        Some(kind) => Err(net_error(
            match kind {
                "Interrupted" => NetErrorKind::Interrupted,
                "Deadline" => NetErrorKind::Deadline,
                "Resolve" => NetErrorKind::Resolve,
                "Connect" => NetErrorKind::Connect,
                "Tls" => NetErrorKind::Tls,
                "Clock" => NetErrorKind::Clock,
                "Cut" => NetErrorKind::Cut,
                "TooLarge" => NetErrorKind::TooLarge,
                "Garbage" => NetErrorKind::Garbage,
                "Config" => NetErrorKind::Config,
                other => panic!("{about}: no such error {other}"),
            },
            exchange["sent"].as_bool().unwrap_or(false),
        )),
        None if exchange["ask"].as_str().is_some_and(|ask| ask.starts_with("DNS ")) => {
            Ok(HttpReply { body: exchange.to_string().into_bytes(), ..HttpReply::default() })
        }
        None => {
            let headers = exchange["headers"].as_object().into_iter().flatten();
            Ok(HttpReply {
                status: exchange["status"].as_u64().expect(about) as u16,
                headers: headers
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().into()))
                    .collect(),
                body: match &exchange["text"] {
                    Value::String(text) => text.clone().into_bytes(),
                    _ => exchange["reply"].to_string().into_bytes(),
                },
            })
        }
    };
    Exchange {
        ask: exchange["ask"].as_str().expect(about).into(),
        send: exchange.get("send").cloned(),
        reply,
    }
}
