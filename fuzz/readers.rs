//! Whatever reads foreign bytes, as functions of bytes, each with what must hold whatever they
//! are: no panic, no endless loop, bounds kept, nothing foreign past its escape, no secret told.
//! In groups; the first byte of an input picks the reader. The same functions are run by
//! cargo-fuzz (fuzz/run) and, over the corpus in the tree and mutations of it, by `cargo test`
//! (tests/foreign.rs).

use reachd::acl::forward::{broad, surface};
use reachd::acl::space::Space;
use reachd::acl::walk::{Caps, Fate, Question, Route, World, ask};
use reachd::acl::{rules, words};
use reachd::collect::{self, Place, passages, targets};
use reachd::config::{self, SecretFile, import_ddns, import_inadyn};
use reachd::journal::Journal;
use reachd::last::Said;
use reachd::lookup::{gateway, http, service};
use reachd::model::address::Prefix;
use reachd::model::finding::Severity;
use reachd::model::forward::Proto;
use reachd::model::lan::Mac;
use reachd::model::name::{Family, Want};
use reachd::model::wan::Link;
use reachd::parse::{
    firewall, leases, map_rules, netifd, networks, nft, services, sockets, tables, uci,
};
use reachd::providers::{self, Kind, Provider};
use reachd::render::{report_html, report_json, report_text};
use reachd::report::judge;
use reachd::wire::{der, dns, igd, names, natpmp, rtnetlink, stun, ubus, update, xml};
use reachd::world::{
    Answer, Ask, DnsTransport, Event, HttpReply, HttpRequest, Net, NetError, NetErrorKind, Sys, Via,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

pub struct Reader {
    pub name: &'static str,
    pub read: fn(&str, &[u8]),
    /// Files of the tree to begin with; a `*` stands for any part of one name.
    pub seeds: &'static [&'static str],
}

pub type Group = (&'static str, fn() -> Vec<Reader>);

/// One fuzz target each.
pub const GROUPS: &[Group] = &[
    ("uci", config_files),
    ("wire", wire),
    ("files", files),
    ("nft", rulesets),
    ("providers", replies),
    ("house", house),
];

/// Of a group, what the first byte picks.
#[allow(dead_code)]
pub fn run(group: fn() -> Vec<Reader>, bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let readers = group();
    let reader = &readers[usize::from(*which) % readers.len()];
    (reader.read)(reader.name, bytes);
}

fn top() -> &'static Path {
    // Of the fuzz package or of the tree.
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    if home.ends_with("fuzz") { home.parent().unwrap() } else { home }
}

/// The files that a pattern stands for, sorted.
pub fn find(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![top().to_path_buf()];
    for part in pattern.split('/') {
        let Some((start, end)) = part.split_once('*') else {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        let inside = found.iter().filter_map(|path| path.read_dir().ok()).flatten().flatten();
        let fits = |name: &str| name.starts_with(start) && name.ends_with(end);
        let inside = inside.filter(|one| one.file_name().to_str().is_some_and(fits));
        found = inside.map(|one| one.path()).collect();
    }
    found.retain(|path| path.is_file());
    found.sort();
    found
}

/// What a reader begins with: its files, and for a provider the exchanges of its tests.
#[allow(dead_code)]
pub fn seeds(group: &str, reader: &Reader) -> Vec<Vec<u8>> {
    let read = |pattern: &str| -> Vec<Vec<u8>> {
        find(pattern).into_iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    if group != "providers" {
        return reader.seeds.iter().flat_map(|pattern| read(pattern)).collect();
    }
    let mut cases = read(&format!("tests/providers/{}/*.json", reader.name));
    if cases.is_empty() {
        // The services of the table have theirs together.
        cases = read("tests/providers/services/*.json");
        cases.extend(read("tests/providers/dyndns2/*.json"));
    }
    let mut seeds: Vec<Vec<u8>> = cases.iter().flat_map(|text| exchanges(text)).collect();
    if reader.name == "rfc2136" {
        seeds.extend(
            read("fuzz/seeds/update-*")
                .iter()
                .map(|reply| [reply, reply].map(Vec::as_slice).join(&NEXT)),
        );
    }
    seeds
}

pub fn config_files() -> Vec<Reader> {
    const UCI: &[&str] = &[
        "tests/data/uci-parser-cases.txt",
        "tests/data/ddns/*",
        "tests/data/report/etc-config-*",
        "tests/report/*/root/etc/config/*",
        "examples/*",
        "openwrt/files/reachd.config",
    ];
    vec![
        Reader { name: "config", read: config_file, seeds: UCI },
        Reader { name: "import", read: import, seeds: UCI },
        Reader { name: "inadyn", read: inadyn, seeds: &["tests/data/inadyn/everything"] },
        Reader { name: "firewall", read: firewall_file, seeds: UCI },
    ]
}

fn config_file(_: &str, bytes: &[u8]) {
    let lines = bytes.split(|&byte| byte == b'\n').count() as u32;
    match uci::parse(bytes) {
        Ok(package) => {
            for (index, section) in package.sections.iter().enumerate() {
                assert!((1..=lines).contains(&section.line));
                assert!(!package.id(index).is_empty());
                for option in &section.options {
                    let _ = config::may_show(section, option);
                }
            }
        }
        Err(error) => {
            assert!((1..=lines).contains(&error.line));
            assert!(error.byte <= bytes.len());
            assert!(!error.uci().is_empty());
        }
    }
    let _ = uci::quoted(bytes);
    let mut files = |_: &str| Ok(SecretFile { bytes: bytes.to_vec(), mode: 0o644 });
    let (config, complaints) = config::read("reachd", bytes, 0o644, &mut files);
    let refused = complaints.iter().any(|one| one.severity == config::Severity::Error);
    assert_eq!(config.is_none(), refused);
    for complaint in &complaints {
        assert!(!complaint.to_string().chars().any(char::is_control), "{complaint:?}");
    }
}

/// Whatever it makes of a ddns config, `reachd` can at least parse.
fn import(_: &str, bytes: &[u8]) {
    if let Ok(made) = import_ddns::import(bytes) {
        assert!(uci::parse(made.as_bytes()).is_ok(), "{made}");
    }
}

/// What is read as inadyn's makes a config that is not refused.
fn inadyn(_: &str, bytes: &[u8]) {
    if let Ok(made) = import_inadyn::import(bytes) {
        let no_files = &mut |_: &str| Err("none".into());
        let (config, _) = config::read("imported", made.as_bytes(), 0o600, no_files);
        assert!(config.is_some(), "{made}");
    }
}

fn firewall_file(_: &str, bytes: &[u8]) {
    let Ok(package) = uci::parse(bytes) else { return };
    for networks in [services::networks(&package), Vec::new()] {
        let firewall = firewall::read(&package, &networks, &[]);
        assert!(firewall.forwards.len() <= 4 * package.sections.len());
        for forward in &firewall.forwards {
            assert!(forward.ports().iter().all(|ports| ports.first <= ports.last));
            let _ = (forward.external_words(), forward.target_words());
        }
    }
    let _ = (services::dhcp(&package), services::upnpd(&package), services::dropbear(&package));
}

pub fn wire() -> Vec<Reader> {
    let reader = |name, read, seeds| Reader { name, read, seeds };
    vec![
        reader("rtnetlink", netlink_messages, &["fuzz/seeds/rtnetlink-*"]),
        reader("dns", dns_reply, &["fuzz/seeds/dns-*"]),
        reader(
            "names",
            names_reply,
            &["fuzz/seeds/dns-*", "tests/report/*/root/cmd/reachd-names.txt"],
        ),
        reader("update", update_reply, &["fuzz/seeds/update-*", "fuzz/seeds/dns-*"]),
        reader("der", certificate, &["fuzz/seeds/der-*"]),
        reader("ubus", ubus_message, &["fuzz/seeds/ubus-*"]),
        reader("stun", stun_reply, &["fuzz/seeds/stun-*"]),
        reader("pcp", pcp_reply, &["fuzz/seeds/pcp-*"]),
        reader("upnp", upnp_page, &["fuzz/seeds/upnp-*"]),
        reader("lookup", lookup_answer, &["fuzz/seeds/lookup-*", "fuzz/seeds/dns-*"]),
        reader("gateway", gateway_answers, &["fuzz/seeds/gateway-*"]),
    ]
}

fn netlink_messages(_: &str, bytes: &[u8]) {
    // A message is at least 16 bytes, so their number is bounded.
    let messages: Vec<_> = rtnetlink::messages(bytes).collect();
    assert!(messages.len() <= bytes.len() / 16 + 1);
    for message in &messages {
        let _ = (rtnetlink::address(message), rtnetlink::route(message));
        let _ = (rtnetlink::error(message), rtnetlink::is_news(message));
        let _ = rtnetlink::neighbour(message);
    }
}

/// A reply with the id of its question, as a forger would send it who saw that.
fn to_question(question: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut reply = bytes.to_vec();
    reply.iter_mut().zip(question).take(2).for_each(|(to, from)| *to = *from);
    reply
}

fn dns_reply(_: &str, bytes: &[u8]) {
    for family in Family::BOTH {
        let Some(question) = dns::question("api.example.org", family, 0x4142) else { continue };
        let reply = to_question(&question, bytes);
        if dns::is_reply(&question, &reply) {
            let _ = dns::answer(&question, &reply, family);
        }
        let _ = dns::answer(&question, bytes, family);
    }
    for kind in [dns::Kind::Text, dns::Kind::ChaosText, dns::Kind::Address(Family::Ipv4)] {
        let _ = dns::told(bytes, kind);
    }
}

/// As an answer to a question of the report's, so that most are read to their end; and what
/// `reachd collect` writes of them.
fn names_reply(_: &str, bytes: &[u8]) {
    for kind in [names::Kind::NameServers, names::Kind::Address(Family::Ipv4)] {
        let Some(question) = names::question("nas.example.org", kind, 0x4142, true) else {
            continue;
        };
        let mut reply = question[..question.len() - 11].to_vec();
        reply[2] |= 0x80;
        (reply[7], reply[11]) = (4, 0);
        reply.extend(bytes);
        if let Some(told) = names::records(&question, &reply) {
            assert!(told.answer.aliases.len() <= names::MOST_ALIASES + 1);
            let words = told.answer.aliases.iter().chain(&told.servers);
            assert!(words.flat_map(|word| word.chars()).all(|c| c.is_ascii_graphic()));
        }
        let _ = names::records(&question, bytes);
    }
}

fn update_reply(_: &str, bytes: &[u8]) {
    let key = update::Key::new("ddns-key", "hmac-sha256", SECRET).ok();
    let address = [IpAddr::from([203, 0, 113, 7])];
    let change = update::Change {
        fqdn: "home.example.org",
        family: Family::Ipv4,
        ttl: 60,
        addresses: &address,
    };
    let changes = [change];
    for ask in [
        update::Ask::Update { zone: "example.org", changes: &changes },
        update::Ask::Query { fqdn: "home.example.org", family: Family::Ipv4 },
    ] {
        for key in [None, key.as_ref()] {
            let Ok(request) = update::build(0x4142, &ask, key, 1_800_000_000) else { continue };
            let Ok(reply) = request.read(to_question(&[0x41, 0x42], bytes)) else { continue };
            let _ = (reply.no_such_name(), reply.addresses("home.example.org", Family::Ipv4));
            // Nobody can sign who does not know the key.
            let signed = reply.proof == update::Proof::Signed;
            assert!(!(signed && key.is_none()));
        }
    }
    let _ = update::describe(bytes);
}

fn certificate(_: &str, bytes: &[u8]) {
    let _ = der::names(bytes);
}

fn ubus_message(_: &str, bytes: &[u8]) {
    let _ = ubus::whole(bytes);
    let Some(message) = ubus::read(bytes) else { return };
    for id in 0..12 {
        let _ = (message.number(id), message.text(id));
    }
    if let Some(dump) = message.data() {
        netifd_answers(&dump);
    }
}

/// What ubus may say, with whatever is made of it.
fn netifd_answers(dump: &Value) {
    let _ = leases::ubus(dump);
    if let Ok(interfaces) = netifd::interfaces(dump) {
        for family in Family::BOTH {
            if let Some(wan) = netifd::wan(&interfaces, family) {
                let _ = (wan.default_route(family), wan.best(family), wan.leads_out(family));
            }
            let _ = netifd::on_device(&interfaces, "eth1", family);
        }
    }
    let _ = (firewall::service_rules(dump), firewall::netifd_rules(dump));
    let _ = (networks::fw4_state(dump), networks::netifd(dump));
}

fn stun_reply(_: &str, bytes: &[u8]) {
    let question = stun::question(0x42);
    if stun::is_reply(&question, bytes) {
        let _ = stun::address(bytes);
    }
    let _ = stun::address(bytes);
}

fn pcp_reply(_: &str, bytes: &[u8]) {
    let asked = natpmp::announce(Ipv4Addr::LOCALHOST.into());
    let _ = (natpmp::is_natpmp_reply(&asked, bytes), natpmp::is_pcp_reply(&asked, bytes));
    let _ = (natpmp::natpmp_answer(bytes), natpmp::pcp_result(bytes), natpmp::map_answer(bytes));
}

fn upnp_page(_: &str, bytes: &[u8]) {
    let gateway = Ipv4Addr::new(192, 168, 77, 1);
    let url = "http://192.168.77.1:5431/rootDesc.xml";
    let _ = (xml::elements(bytes), xml::read(bytes), igd::answer(bytes));
    let _ = igd::is_reply(b"", bytes);
    if let Some(url) = igd::location(bytes) {
        let _ = igd::is_at(url, gateway);
    }
    if let Ok(device) = igd::device(bytes, url, gateway) {
        assert!(device.services.iter().all(|(url, _)| igd::is_at(url, gateway)));
    }
}

fn lookup_answer(_: &str, bytes: &[u8]) {
    for url in [
        "https://api.example/ip",
        "stun:stun.example",
        "dns:who.example@192.0.2.53/A",
        "dns:who.example@192.0.2.53/CH-TXT",
    ] {
        let mut page = reply_of(bytes, &[]).unwrap_or_default();
        page.body = bytes.to_vec();
        for answer in [Answer::Datagram(bytes.to_vec()), Answer::Http(page)] {
            for family in Family::BOTH {
                match service::read(url, &answer, family, &[]) {
                    Ok(ip) => assert_eq!(Family::of(ip), family),
                    Err(why) => assert!(!why.chars().any(char::is_control), "{why:?}"),
                }
            }
        }
    }
    for family in Family::BOTH {
        if let Ok(ip) = http::read_answer(bytes, family, "api.example") {
            assert_eq!(Family::of(ip), family);
        }
    }
}

/// Three datagrams and then pages.
fn gateway_answers(_: &str, bytes: &[u8]) {
    let router =
        gateway::Router { address: [192, 168, 77, 1].into(), own: [192, 168, 77, 2].into() };
    let mut talk = Talk::new(bytes);
    let asks = gateway::questions(router);
    let replies: Vec<_> = asks.iter().map(|_| Ok(Answer::Datagram(talk.next().to_vec()))).collect();
    let found = gateway::read(&mut talk, router, Some("wan0"), &replies);
    let _ = gateway::outside(&found);
    let found = gateway::ask(&mut Talk::new(bytes), router, Some("wan0"), true);
    let _ = gateway::outside(&found);
}

fn names_file(_: &str, bytes: &[u8]) {
    if let Ok(all) = collect::names::from_file(&String::from_utf8_lossy(bytes)) {
        // What was written once stays as it is.
        let again = |text: &str| {
            collect::names::from_file(text).map(|all| collect::names::write(&all)).unwrap()
        };
        let text = again(&again(&collect::names::write(&all)));
        assert_eq!(again(&text), text);
    }
}

fn passages_file(_: &str, bytes: &[u8]) {
    if let Ok(passed) = passages::read(&String::from_utf8_lossy(bytes)) {
        assert_eq!(passages::read(&passages::write(&passed)), Ok(passed));
    }
}

pub fn files() -> Vec<Reader> {
    let reader = |name, read, seeds| Reader { name, read, seeds };
    vec![
        reader("journal", journal, &["fuzz/seeds/journal-*"]),
        reader("last", last, &["fuzz/seeds/last-*"]),
        reader(
            "leases",
            lease_files,
            &["tests/data/leases/*", "tests/report/*/root/tmp/dhcp.leases"],
        ),
        reader("map rules", map_files, &["tests/data/map-wan4.rules"]),
        reader(
            "tables",
            table_files,
            &[
                "tests/report/*/root/proc/net/*",
                "tests/report/*/root/var/run/miniupnpd.leases",
                "tests/report/*/root/cmd/fw4-print.stderr.txt",
                "tests/data/report/fw4-bad-redirects.result.txt",
            ],
        ),
        reader("names", names_file, &["tests/report/*/root/cmd/reachd-names.txt"]),
        reader("passages", passages_file, &["tests/report/*/root/cmd/reachd-passages.txt"]),
        reader(
            "ubus json",
            ubus_json,
            &[
                "tests/data/netifd/*",
                "tests/data/leases/ubus-*",
                "tests/report/*/root/cmd/ubus-*",
                "tests/report/*/root/var/run/fw4.state",
            ],
        ),
        reader("targets", target_file, &["tests/report/*/root/cmd/reachd-targets.json"]),
    ]
}

/// As it is, and with a sum at its end that fits.
fn journal(_: &str, bytes: &[u8]) {
    let now = Duration::from_secs(1);
    let end = bytes.windows(4).rposition(|word| word == b"end ").unwrap_or(bytes.len());
    let mut fitting = bytes[..end].to_vec();
    let sum = fitting.iter().fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
    });
    fitting.extend(format!("end {sum:016x}\n").into_bytes());
    for text in [bytes, &fitting] {
        if let Ok(journal) = Journal::from_text(text, "boot", now) {
            // What was written once stays as it is.
            let again = |journal: &Journal| {
                let text = journal.to_text("boot", now);
                Journal::from_text(text.as_bytes(), "boot", now).unwrap()
            };
            let journal = again(&again(&journal));
            assert_eq!(again(&journal), journal);
        }
    }
}

fn last(_: &str, bytes: &[u8]) {
    let Some(said) = Said::from_text(bytes) else { return };
    // What was written once stays as it is.
    let again = |said: &Said| Said::from_text(said.to_text().as_bytes()).unwrap();
    let said = again(&again(&said));
    assert_eq!(again(&said), said);
    assert!(said.changes(&said).is_empty());
    // What cannot be told now ends nothing.
    let blind = Said { missing: vec!["a part".into()], ..Said::default() };
    let kept = blind.after(&said.clone().first());
    assert_eq!(kept.facts, said.first().facts);
}

fn lease_files(_: &str, bytes: &[u8]) {
    // A lease is a line of some bytes, so their number is bounded.
    assert!(leases::file(bytes).len() <= bytes.len() / 8 + 1);
    let text = String::from_utf8_lossy(bytes);
    assert!(tables::leases(&text).len() <= bytes.len() / 8 + 1);
}

fn map_files(_: &str, bytes: &[u8]) {
    let _ = map_rules::rule(bytes);
    let text = String::from_utf8_lossy(bytes);
    if let Some((first, last)) = map_rules::port_range(&text) {
        assert!(first <= last);
    }
}

fn table_files(_: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count();
    assert!(tables::arp(&text).len() <= lines && tables::conntrack(&text).len() <= lines);
    assert!(tables::mappings(&text).len() <= lines && tables::fw4_warnings(&text).len() <= lines);
    for proto in [Proto::Tcp, Proto::Udp] {
        assert!(sockets::listeners(&text, proto).len() <= lines);
    }
}

fn ubus_json(_: &str, bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice(bytes) {
        netifd_answers(&value);
    }
}

fn target_file(_: &str, bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    if let Ok(tries) = targets::read(&value) {
        let text = targets::write(&tries);
        let again = targets::read(&serde_json::from_str(&text).unwrap());
        assert_eq!(again.unwrap(), tries);
    }
}

pub fn rulesets() -> Vec<Reader> {
    let seeds = &[
        "tests/data/nft/bad-redirects.json",
        "tests/data/nft/expressions.json",
        "tests/data/nft/fw4*.json",
        "tests/data/nft/odd-rules.json",
    ];
    vec![Reader { name: "ruleset", read: ruleset, seeds }]
}

/// A firewall, packets through it, and its rules judged: within the caps, and what is sure of one
/// end is not sure of another.
fn ruleset(_: &str, bytes: &[u8]) {
    let (rules, complaints) = nft::ruleset(bytes);
    assert!(complaints.len() <= 20);
    let local: [IpAddr; 2] = [IpAddr::from([198, 51, 100, 2]), "2001:db8::2".parse().unwrap()];
    let routes = ["192.168.1.0/24", "2001:db8:1::/64"]
        .map(|to| Route { to: Prefix::parse(to).unwrap(), device: "br-lan".to_string() });
    let first = [("wan0".to_string(), local[0])];
    let world = World { rules: &rules, local: &local, routes: &routes, first: &first };
    let caps = Caps { pieces: 1_000, work: 20_000 };
    for (family, calm) in [(Family::Ipv4, true), (Family::Ipv6, false)] {
        let question = Question { device: "wan0", family, spaces: vec![Space::ALL], calm };
        let Ok(answer) = ask(world, &question, caps) else { continue };
        assert!(answer.work <= caps.work && answer.pieces <= caps.pieces);
        for end in &answer.ends {
            let said = words::sentence(&rules, &answer, end);
            assert!(!said.is_empty() && !said.chars().any(char::is_control));
        }
        let _ = (surface(&answer, &[], caps), broad(&answer));
        let dropped = answer.parts(caps, |end| end.fate == Fate::Dropped);
        let others = answer.parts(caps, |end| end.fate != Fate::Dropped);
        if let (Ok((dropped, _)), Ok((others, _))) = (dropped, others) {
            for one in dropped.iter().take(50) {
                assert!(others.iter().all(|other| one.meet(other).is_none()));
            }
        }
    }
    let _ = rules::judge(world, &["wan0"], caps);
}

/// It is base64, as a TSIG key must be, and no word.
const SECRET: &str = "UXo5U2VjcmV0WnE5UXo5U2VjcmV0";

/// Between the replies of one input.
const NEXT: u8 = 0x1E;

/// In a reply: what was asked, as a service might repeat it.
const ECHO: u8 = 0x05;

pub fn replies() -> Vec<Reader> {
    let reader = |one: &Provider| Reader { name: one.id, read: provider, seeds: &[] };
    providers::all().iter().map(reader).collect()
}

/// `STATUS [HEADER: VALUE]`, then the body; `None`: the connection broke.
fn reply_of(bytes: &[u8], asked: &[u8]) -> Option<HttpReply> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(end);
    let head = String::from_utf8_lossy(head);
    let (status, header) = head.split_once(' ').unwrap_or((&head, ""));
    let status = status.parse().ok().filter(|status| (100..1000).contains(status))?;
    let header = header.split_once(": ").map(|(name, value)| (name.to_string(), value.to_string()));
    let mut told = Vec::new();
    for byte in body.iter().skip(1) {
        match *byte {
            ECHO => told.extend_from_slice(asked),
            byte => told.push(byte),
        }
    }
    told.truncate(64 * 1024);
    Some(HttpReply { status, headers: header.into_iter().collect(), body: told })
}

/// A service that says what is in the bytes, one reply after another and the last for ever.
struct Talk<'b> {
    replies: Vec<&'b [u8]>,
    calls: usize,
}

impl<'b> Talk<'b> {
    fn new(bytes: &'b [u8]) -> Talk<'b> {
        Talk { replies: bytes.split(|byte| *byte == NEXT).collect(), calls: 0 }
    }

    fn next(&mut self) -> &'b [u8] {
        let reply = self.replies[self.calls.min(self.replies.len() - 1)];
        self.calls += 1;
        assert!(self.calls < 2_000, "it never ends");
        reply
    }
}

impl Net for Talk<'_> {
    fn http(&mut self, request: &HttpRequest, _: &Via) -> Result<HttpReply, NetError> {
        let mut asked = format!("{} {}", request.method, request.url).into_bytes();
        for (name, value) in &request.headers {
            asked.extend(format!(" {name}: {value}").into_bytes());
        }
        asked.extend_from_slice(request.body.as_deref().unwrap_or_default());
        reply_of(self.next(), &asked).ok_or(NetError {
            kind: NetErrorKind::Cut,
            text: "the connection broke".into(),
            sent: true,
        })
    }

    fn dns(
        &mut self,
        _: &str,
        message: &[u8],
        _: DnsTransport,
        _: &Via,
    ) -> Result<Vec<u8>, NetError> {
        Ok(to_question(message, self.next()))
    }

    fn together(&mut self, asks: &[Ask], via: &Via) -> Vec<Result<Answer, NetError>> {
        let one = |ask: &Ask| match ask {
            Ask::Http(request) => self.http(request, via).map(Answer::Http),
            Ask::Datagram(datagram) => {
                Ok(Answer::Datagram(to_question(&datagram.payload, self.next())))
            }
        };
        asks.iter().map(one).collect()
    }

    fn read_file(&mut self, _: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(Some(self.next().to_vec()))
    }

    fn replace_file(&mut self, _: &str, _: &[u8], _: u32) -> Result<(), String> {
        Ok(())
    }

    fn wall_clock(&self) -> u64 {
        1_800_000_000
    }

    fn chance(&mut self) -> u64 {
        0x4142_4344_4546_4748
    }

    fn done(&mut self) {}
}

/// An account of this provider as its option table asks for it, written as an owner would.
fn account(provider: &Provider) -> String {
    let mut text =
        format!("config account 'a'\n option provider '{}'\n option allow_http '1'\n", provider.id);
    let mut given: Vec<&str> = Vec::new();
    for option in provider.options {
        let alone = option.instead.is_empty();
        let stood_in = given.contains(&option.instead);
        if alone && !option.required || stood_in || option.default.is_some() {
            continue;
        }
        let (word, value) = match option.kind {
            Kind::Text => ("option", "text"),
            Kind::Secret => ("option", SECRET),
            Kind::Url => ("option", "https://api.example/v1"),
            Kind::HostPort => ("option", "192.0.2.53"),
            Kind::Domain => ("option", "example.org"),
            Kind::Path => ("option", "/tmp/hosts"),
            Kind::OneOf(words) => ("option", words[0]),
            Kind::Template => ("option", "https://api.example/?n={fqdn}&a={ip}"),
            Kind::List => ("list", "text"),
            Kind::Tests => ("list", "line good"),
        };
        text += &format!(" {word} {} '{value}'\n", option.name);
        given.push(option.name);
    }
    text + "config name 'n'\n option fqdn 'home.example.org'\n option account 'a'\n"
}

/// Any replies at all: the provider comes to an end, answers for each want, and tells no secret.
fn provider(id: &str, bytes: &[u8]) {
    let provider = providers::find(id).unwrap();
    let text = account(provider);
    let mut files = |_: &str| Err("no files here".to_string());
    let (config, complaints) = config::read("reachd", text.as_bytes(), 0o600, &mut files);
    let config = config.unwrap_or_else(|| panic!("{id}: {complaints:?}"));
    let want = |fqdn: &str, ip: IpAddr| Want {
        fqdn: fqdn.into(),
        family: Family::of(ip),
        addresses: vec![ip],
        ttl: Some(60),
    };
    let (v4, v6) =
        (IpAddr::from([203, 0, 113, 7]), IpAddr::from([0x2001, 0xDB8, 0, 0, 0, 0, 0, 7]));
    let mut wants = vec![
        want("home.example.org", v4),
        want("home.example.org", v6),
        want("nas.example.org", v4),
    ];
    wants.retain(|want| provider.families.contains(&want.family));
    let mut talk = Talk::new(bytes);
    let outcomes = (provider.publish)(&mut talk, &config.accounts[0], &wants);
    assert_eq!(outcomes.len(), wants.len());
    // A service file that holds the secret itself is the owner's own.
    let given = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    for outcome in &outcomes {
        let told = outcome.text().contains(SECRET);
        assert!(given || !told, "{id} tells the secret: {outcome:?}");
        assert!(!outcome.text().chars().any(char::is_control), "{id}: {outcome:?}");
    }
}

/// The replies of each case of a provider's tests.
fn exchanges(text: &[u8]) -> Vec<Vec<u8>> {
    let cases: Vec<Value> = serde_json::from_slice(text).unwrap();
    let reply = |exchange: &Value| {
        let body = match &exchange["reply"] {
            Value::Null => exchange["text"].as_str().unwrap_or_default().to_string(),
            json => json.to_string(),
        };
        // Names and addresses of the tests' own.
        let body = body.replace("example.com", "example.org").replace("h#", "home");
        format!("{}\n{body}", exchange["status"]).into_bytes()
    };
    cases
        .iter()
        .map(|case| {
            let files = case["files"].as_object().into_iter().flatten();
            let files = files.map(|(_, text)| text.as_str().unwrap_or_default().into());
            let talk = case["exchanges"].as_array().into_iter().flatten().map(reply);
            files.chain(talk).collect::<Vec<Vec<u8>>>().join(&NEXT)
        })
        .collect()
}

/// Of a whole report, one reader for each file that it reads.
pub fn house() -> Vec<Reader> {
    const SEEDS: &[(&str, &[&str])] = &[
        ("etc/config/firewall", &["tests/report/*/root/etc/config/firewall"]),
        ("etc/config/network", &["tests/report/*/root/etc/config/network"]),
        ("etc/config/dhcp", &["tests/report/*/root/etc/config/dhcp"]),
        ("etc/config/dropbear", &["tests/report/*/root/etc/config/dropbear"]),
        ("etc/config/upnpd", &["tests/report/*/root/etc/config/upnpd"]),
        ("var/run/fw4.state", &["tests/report/*/root/var/run/fw4.state"]),
        ("proc/net/arp", &["tests/report/*/root/proc/net/arp"]),
        ("proc/net/nf_conntrack", &["tests/report/*/root/proc/net/nf_conntrack"]),
        ("proc/sys/kernel/hostname", &["tests/report/*/root/proc/sys/kernel/hostname"]),
        ("proc/net/tcp", &["tests/report/*/root/proc/net/tcp"]),
        ("proc/net/udp", &["tests/report/*/root/proc/net/udp"]),
        ("tmp/dhcp.leases", &["tests/report/*/root/tmp/dhcp.leases"]),
        ("var/run/miniupnpd.leases", &["tests/report/*/root/var/run/miniupnpd.leases"]),
        ("cmd/reachd-targets.json", &["tests/report/*/root/cmd/reachd-targets.json"]),
        (
            "cmd/ubus-network.interface-dump.json",
            &["tests/report/*/root/cmd/ubus-network.interface-dump.json"],
        ),
        ("cmd/ubus-service-firewall.json", &["tests/report/*/root/cmd/ubus-service-firewall.json"]),
        ("cmd/nft-j-list-ruleset.json", &["tests/report/*/root/cmd/nft-j-list-ruleset.json"]),
        ("cmd/fw4-print.stderr.txt", &["tests/report/*/root/cmd/fw4-print.stderr.txt"]),
        ("cmd/date.txt", &["tests/report/*/root/cmd/date.txt"]),
        ("cmd/fw4-loaded-at.txt", &["tests/report/*/root/cmd/fw4-loaded-at.txt"]),
        ("cmd/reachd-names.txt", &["tests/report/*/root/cmd/reachd-names.txt"]),
        ("cmd/reachd-passages.txt", &["tests/report/*/root/cmd/reachd-passages.txt"]),
        ("var/run/reachd/journal", &["tests/report/*/root/var/run/reachd/journal"]),
    ];
    SEEDS.iter().map(|(name, seeds)| Reader { name, read: whole_report, seeds }).collect()
}

/// tests/report/house with another file in one place.
struct House<'b> {
    path: &'b str,
    bytes: &'b [u8],
}

static FILES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let root = top().join("tests/report/house/root");
    let names = house().into_iter().map(|reader| reader.name.to_string());
    names.filter_map(|name| Some((name.clone(), std::fs::read(root.join(name)).ok()?))).collect()
});

impl Net for House<'_> {
    fn http(&mut self, _: &HttpRequest, _: &Via) -> Result<HttpReply, NetError> {
        unreachable!("a report asks nobody")
    }

    fn dns(&mut self, _: &str, _: &[u8], _: DnsTransport, _: &Via) -> Result<Vec<u8>, NetError> {
        unreachable!("a report asks nobody")
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let path = path.trim_start_matches('/');
        Ok(if path == self.path { Some(self.bytes.to_vec()) } else { FILES.get(path).cloned() })
    }

    fn replace_file(&mut self, _: &str, _: &[u8], _: u32) -> Result<(), String> {
        unreachable!("a report writes nothing")
    }

    fn wall_clock(&self) -> u64 {
        1_800_000_000
    }

    fn chance(&mut self) -> u64 {
        4
    }

    fn done(&mut self) {}
}

/// Only the files of a folder are asked for.
impl Sys for House<'_> {
    fn links(&mut self) -> Result<Vec<Link>, String> {
        Err("no links here".into())
    }

    fn route_device(&mut self, _: Family) -> Result<Option<u32>, String> {
        Err("no routes here".into())
    }

    fn netifd(&mut self) -> Option<Result<Value, String>> {
        None
    }

    fn neighbours(&mut self) -> Result<Vec<(u32, Mac, Ipv6Addr)>, String> {
        Err("no neighbours here".into())
    }

    fn ipv6_leases(&mut self) -> Option<Value> {
        None
    }

    fn file_mode(&mut self, _: &str) -> Option<u32> {
        None
    }

    fn progress(&mut self, _: &str) {}

    fn wait(&mut self, _: Option<Duration>) -> Event {
        Event::Stop
    }

    fn stopping(&self) -> bool {
        false
    }

    fn now(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn boot_id(&self) -> String {
        String::new()
    }
}

/// In every format: nothing foreign controls the terminal or is taken for markup, and what is for
/// programs can be read by them.
fn whole_report(path: &str, bytes: &[u8]) {
    let mut house = House { path, bytes };
    let mut place = Place { sys: &mut house, root: Some("") };
    let snapshot = collect::collect(&mut place, &config::none());
    let report = judge(snapshot, &[], &[], 1_800_000_000);
    assert_eq!(report.verdicts.len(), report.forwards.len());
    let run = report_json::Run { started: 0, millis: 0, code: report.code(Severity::Low, true) };
    let lines = report.said().to_text();
    let text = report_text::text(&report, 0, true, false);
    for text in [&text, &lines] {
        let odd = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!text.chars().any(odd), "{text:?}");
    }
    // Kept and read back it says that nothing changed.
    let kept = Said::from_text(lines.as_bytes()).unwrap().first();
    assert_eq!(report.said().after(&kept).changes(&kept), [""; 0], "{lines:?}");
    let html = report_html::text(&report, 0);
    assert!(!html.chars().any(|c| c.is_control() && c != '\n'), "{html:?}");
    // Each tag is one of ours; what is foreign has none.
    for tag in html.split('<').skip(1) {
        let word = tag.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| !word.is_empty());
        let ours = [
            "doctype", "html", "head", "meta", "style", "title", "body", "h1", "h2", "p",
            "section", "details", "summary", "b", "i", "span", "div", "pre", "svg", "rect", "text",
            "path",
        ];
        assert!(word.is_some_and(|word| ours.contains(&word)), "<{tag}");
    }
    for json in [report_json::text(&report, run), report_json::sarif(&report)] {
        assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json}");
    }
    for line in report_json::prometheus(&report, run).lines() {
        let number = line.rsplit_once(' ').and_then(|(_, number)| number.parse::<f64>().ok());
        assert!(line.starts_with('#') || number.is_some(), "{line:?}");
    }
}
