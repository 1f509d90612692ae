//! A world for the tests of providers: answers as scripted, counts, and panics on whatever it
//! was not told of. Not for any order: an exchange is found by method and URL.

use super::*;
use crate::model::account::Setting;
use crate::model::secret::Secret;
pub use crate::wire::update::lab::{NOW, SECRET, answer, answer_with};
use crate::world::{DnsTransport, HttpRequest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub struct Exchange {
    /// `GET https://...`
    pub ask: String,
    /// What must be sent with it, if that matters.
    pub send: Option<Value>,
    pub reply: Result<HttpReply, NetError>,
}

type DnsServer = Box<dyn FnMut(&[u8], DnsTransport, &Via) -> Result<Vec<u8>, NetError>>;

pub struct Fake {
    pub exchanges: Vec<Exchange>,
    /// The reply to whatever is not scripted.
    pub always: Option<HttpReply>,
    pub dns: Option<DnsServer>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub read_only: bool,
    pub clock: u64,
    /// What was asked: `GET https://...`, `dns udp`, `write /path`.
    pub log: Vec<String>,
    /// The requests themselves.
    pub sent: Vec<HttpRequest>,
    /// The answer to whatever is not scripted.
    pub any: Option<HttpReply>,
    ids: u64,
}

impl Fake {
    pub fn new() -> Self {
        Fake {
            exchanges: Vec::new(),
            always: None,
            dns: None,
            files: BTreeMap::new(),
            read_only: false,
            clock: NOW,
            log: Vec::new(),
            sent: Vec::new(),
            any: None,
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
            if let Some(reply) = self.any.as_ref().or(self.always.as_ref()) {
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
        let server = self.dns.as_mut().expect("nobody scripted a DNS server");
        server(message, over, via)
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

/// Plays all cases of one file of `tests/providers/`. Each case holds
/// - `about`: what it shows;
/// - `account`: options; `secret`: their text that must never come back in a message;
/// - `wants`: see [`want`];
/// - `exchanges`: each `ask`, `send` (optional), and either `error` (a [`NetErrorKind`], with
///   `sent`) or `status`, `headers` and `reply` (JSON) or `text`. All must be used;
/// - `outcomes`: see [`show`]; a text may be cut short with `...`.
pub fn play(provider: &Provider, file: &str) {
    let cases: Value = serde_json::from_str(file).expect("a file of cases");
    for case in cases.as_array().expect("a list of cases") {
        let about = case["about"].as_str().expect("about");
        let text = |value: &Value| value.as_str().expect(about).to_string();
        let list = |name: &str| case[name].as_array().expect(about).clone();
        let options = case["account"].as_object().expect(about);
        let options: Vec<(&str, &str)> =
            options.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let wants: Vec<Want> = list("wants").iter().map(|line| want(&text(line))).collect();
        let mut fake = Fake::new();
        fake.exchanges = list("exchanges").iter().map(|exchange| read(exchange, about)).collect();

        let got = (provider.publish)(&mut fake, &account(provider, &options), &wants);

        let left: Vec<&str> = fake.exchanges.iter().map(|e| e.ask.as_str()).collect();
        assert!(left.is_empty(), "{about}: never asked {left:#?}");
        let got: Vec<String> = got.iter().map(show).collect();
        let expected: Vec<String> = list("outcomes").iter().map(text).collect();
        let same = got.len() == expected.len()
            && got.iter().zip(&expected).all(|(got, expected)| {
                match expected.strip_suffix("...") {
                    Some(start) => got.starts_with(start),
                    None => got == expected,
                }
            });
        assert!(same, "{about}: got {got:#?}, expected {expected:#?}");
        if let Some(secret) = case["secret"].as_str() {
            assert!(!got.iter().any(|text| text.contains(secret)), "{about}: shows a secret");
        }
    }
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
