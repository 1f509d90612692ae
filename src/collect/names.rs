//! Asks what the owner's names lead to: the name servers of their zones (found by the NS records
//! above each name; asked without recursion, by UDP up to 1232 bytes, then by TCP), resolvers that
//! anybody may ask, and the router's own. All of one step are asked at once, so that silent servers
//! cost their time once. What was told can be written to a folder and read back from there.

use super::Place;
use crate::model::answer::{Answer, Asked, Told, Who};
use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::name::{Family, Name, SharedLine};
use crate::model::snapshot::Snapshot;
use crate::providers;
use crate::wire::dns::is_reply;
use crate::wire::names::{Kind, MOST_ALIASES, Records, question, records};
use crate::world::{self, Ask, Datagram, DnsTransport, NetError, Sys, Via};
use std::time::Duration;

/// In a folder that stands for a router.
pub const FILE: &str = "cmd/reachd-names.txt";

/// Who is asked where the owner named none: two that answer everywhere but in China, two that
/// answer there.
pub const RESOLVERS: [&str; 4] = ["1.1.1.1", "9.9.9.9", "223.5.5.5", "119.29.29.29"];

/// The router's own resolver.
const LOCAL: &str = "127.0.0.1";

/// Names that are asked for, and name servers of one zone.
const MOST: usize = 24;
const MOST_SERVERS: usize = 4;
/// More names than anybody keeps.
const LONGEST_FILE: usize = 1000;

/// For all of it, and for one step.
const DEADLINE: Duration = Duration::from_secs(8);
const STEP: Duration = Duration::from_millis(2500);

/// Asks for all names, where there are any.
pub fn ask(place: &mut Place, snapshot: &mut Snapshot, config: &Config) {
    let mut all = wanted(config);
    if !all.is_empty() {
        look(place.sys, &mut all, &config.lookup.resolvers);
    }
    snapshot.names = Known::Known(all);
}

/// Names in public DNS, each once. Of a daemon that was switched off none.
pub fn wanted(config: &Config) -> Vec<Asked> {
    let mut all: Vec<Asked> = Vec::new();
    let local = |name: &&Name| {
        let account = config.account(&name.account);
        let provider = account.and_then(|account| providers::find(&account.provider));
        provider.is_some_and(|provider| provider.local)
    };
    for name in config.names.iter().filter(|name| config.enabled && !local(name)) {
        // One that is kept at two services is still one.
        if all.iter().any(|one| one.fqdn == name.fqdn) {
            continue;
        }
        all.push(Asked {
            fqdn: name.fqdn.clone(),
            section: name.section.clone(),
            families: name.families.clone(),
            hosts: name.has_hosts(),
            shared_line: name.shared_line,
            zone: Known::unknown("too many names to ask for all at once"),
            told: Vec::new(),
        });
    }
    all
}

/// Questions of one step: server, name, what; and what came of them, in their order.
#[derive(Default)]
struct Step<'s> {
    asked: Vec<(&'s str, &'s str, Kind)>,
    heard: Vec<Known<Records>>,
}

impl<'s> Step<'s> {
    fn add(&mut self, server: &'s str, name: &'s str, kind: Kind) {
        if !self.asked.contains(&(server, name, kind)) {
            self.asked.push((server, name, kind));
        }
    }

    fn get(&self, server: &str, name: &str, kind: Kind) -> Option<&Known<Records>> {
        self.heard.get(self.asked.iter().position(|one| *one == (server, name, kind))?)
    }

    fn records(&self, server: &str, name: &str, kind: Kind) -> Option<&Records> {
        self.get(server, name, kind)?.known()
    }

    fn go(&mut self, sys: &mut dyn Sys, recursive: bool, until: Duration) {
        let left = |sys: &dyn Sys| until.saturating_sub(sys.now()).min(STEP);
        let mut asks = Vec::new();
        for (server, name, kind) in &self.asked {
            let id = sys.chance() as u16;
            asks.push(Ask::Datagram(Datagram {
                to: server.to_string(),
                port: 53,
                source: None,
                payload: question(name, *kind, id, recursive).unwrap_or_default(),
                is_reply,
            }));
        }
        let mut via = Via { deadline: left(sys), ..Via::default() };
        if asks.is_empty() || via.deadline.is_zero() {
            return;
        }
        for (ask, answer) in asks.iter().zip(sys.together(&asks, &via)) {
            let Ask::Datagram(ask) = ask else { continue };
            let mut heard = match answer {
                Ok(world::Answer::Datagram(reply)) => read(&ask.payload, Ok(reply)),
                Ok(_) => Known::unknown("what it answered is no DNS"),
                Err(why) => read(&ask.payload, Err(why)),
            };
            via.deadline = left(sys);
            if heard.known().is_some_and(|told| told.cut) && !via.deadline.is_zero() {
                let reply = sys.dns(&ask.to, &ask.payload, DnsTransport::Tcp, &via);
                heard = read(&ask.payload, reply);
            }
            self.heard.push(heard);
        }
    }
}

fn read(asked: &[u8], reply: Result<Vec<u8>, NetError>) -> Known<Records> {
    let reply = match reply {
        Ok(reply) => reply,
        Err(why) => return Known::Unknown(why.text),
    };
    let Some(told) = records(asked, &reply) else {
        return Known::unknown("what it answered could not be read");
    };
    match told.rcode {
        0 | 3 => Known::Known(told),
        // Of a circle BIND says so, and shows it.
        _ if told.aliases.len() > MOST_ALIASES => Known::Known(told),
        2 => Known::unknown("it says SERVFAIL"),
        5 => Known::unknown("it says REFUSED"),
        other => Known::Unknown(format!("it says error {other}")),
    }
}

/// The name and every name above it. A wildcard is no zone.
fn above(fqdn: &str) -> impl Iterator<Item = &str> {
    let first = fqdn.trim_start_matches("*.");
    std::iter::successors(Some(first), |name| Some(name.split_once('.')?.1))
}

const ADDRESSES: [Kind; 2] = [Kind::Address(Family::Ipv4), Kind::Address(Family::Ipv6)];

fn look(sys: &mut dyn Sys, all: &mut [Asked], resolvers: &[String]) {
    let until = sys.now() + DEADLINE;
    let mut servers: Vec<&str> = resolvers.iter().map(String::as_str).collect();
    if servers.is_empty() {
        servers.extend(RESOLVERS);
    }
    servers.push(LOCAL);
    let fqdns: Vec<String> = all.iter().take(MOST).map(|one| one.fqdn.clone()).collect();
    // What resolvers say, and which names have name servers.
    let mut first = Step::default();
    for fqdn in &fqdns {
        for server in &servers {
            ADDRESSES.iter().for_each(|kind| first.add(server, fqdn, *kind));
            above(fqdn).for_each(|zone| first.add(server, zone, Kind::NameServers));
        }
    }
    first.go(sys, true, until);
    // Where those are, by the first resolver that knew of them.
    let cut = |fqdn| {
        above(fqdn).find_map(|zone| {
            servers.iter().find_map(|server| {
                let told = first.records(server, zone, Kind::NameServers)?;
                let names = told.servers.get(..told.servers.len().min(MOST_SERVERS))?;
                (!names.is_empty()).then_some((zone, names, *server))
            })
        })
    };
    let mut second = Step::default();
    for (_, names, server) in fqdns.iter().filter_map(|fqdn| cut(fqdn)) {
        for name in names {
            ADDRESSES.iter().for_each(|kind| second.add(server, name, *kind));
        }
    }
    second.go(sys, true, until);
    // One address of each: of IPv4 where it has one.
    let place = |name: &str, server: &str| {
        let told = |kind| second.records(server, name, kind)?.addresses.first();
        ADDRESSES.into_iter().find_map(told).map(|ip| ip.to_string())
    };
    // Name server, its address, and whom it was asked for.
    let mut third: Vec<(&str, String, &str)> = Vec::new();
    for fqdn in &fqdns {
        let Some((_, names, server)) = cut(fqdn) else { continue };
        for name in names {
            third.extend(place(name, server).map(|ip| (&name[..], ip, &fqdn[..])));
        }
    }
    let mut last = Step::default();
    for (_, ip, fqdn) in &third {
        ADDRESSES.iter().for_each(|kind| last.add(ip, fqdn, *kind));
    }
    last.go(sys, false, until);
    for (one, fqdn) in all.iter_mut().zip(&fqdns) {
        one.zone = match cut(fqdn) {
            None => Known::unknown("no resolver tells its zone's name servers"),
            Some((zone, ..)) => Known::Known(zone.to_string()),
        };
        for (name, ip, _) in third.iter().filter(|(.., of)| of == fqdn) {
            one.told.push(told(Who::Authority, [name, " ", ip].concat(), &last, ip, fqdn));
        }
        for server in &servers {
            let who = if *server == LOCAL { Who::Local } else { Who::Public };
            one.told.push(told(who, server.to_string(), &first, server, fqdn));
        }
    }
}

fn told(who: Who, label: String, step: &Step, server: &str, fqdn: &str) -> Told {
    let answers = ADDRESSES.map(|kind| match step.get(server, fqdn, kind) {
        None => Known::unknown("it was not asked"),
        Some(Known::Unknown(why)) => Known::Unknown(why.clone()),
        Some(Known::Known(told)) if who == Who::Authority && !told.authoritative => {
            Known::unknown("it does not speak for the zone")
        }
        Some(Known::Known(told)) => Known::Known(Answer {
            exists: told.rcode != 3,
            aliases: told.aliases.clone(),
            addresses: told.addresses.clone(),
            ttl: told.ttl,
        }),
    });
    Told { who, server: label, answers }
}

/// As it stands in [`FILE`]: a line for each name, and below it one for each server, their fields
/// parted by tabs. Of an answer the words are its TTL, `>` before an alias, addresses, and `nx`
/// where there is no such name, or `-` for no record; what is not known is its reason after a question mark.
pub fn write(all: &[Asked]) -> String {
    let mut out = String::new();
    let mut line = |fields: &[&str]| out.extend([&fields.join("\t")[..], "\n"]);
    for one in all {
        let families: Vec<&str> = one.families.iter().map(|family| family.record_type()).collect();
        let zone = match &one.zone {
            Known::Known(zone) => zone.clone(),
            Known::Unknown(why) => ["?", why].concat(),
        };
        let hosts = if one.hosts { "hosts" } else { "router" };
        let shared_line = one.shared_line.word();
        line(&["name", &one.fqdn, &one.section, &families.join(" "), hosts, shared_line, &zone]);
        for told in &one.told {
            let [v4, v6] = &told.answers;
            line(&[told.who.word(), &told.server, &words(v4), &words(v6)]);
        }
    }
    out
}

fn words(answer: &Known<Answer>) -> String {
    let answer = match answer {
        Known::Unknown(why) => return ["?", why].concat(),
        Known::Known(answer) => answer,
    };
    let mut words: Vec<String> = answer.ttl.iter().map(|ttl| ttl.to_string()).collect();
    words.extend(answer.aliases.iter().map(|alias| [">", alias].concat()));
    words.extend(answer.addresses.iter().map(|ip| ip.to_string()));
    if !answer.exists {
        words.push("nx".into());
    }
    if words.is_empty() {
        words.push("-".into());
    }
    words.join(" ")
}

/// What [`write`] wrote, or somebody by hand. A line that is none is an error: half of it would be
/// read as the whole.
pub fn from_file(text: &str) -> Result<Vec<Asked>, String> {
    let mut all = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        if all.len() > LONGEST_FILE || read_line(&fields, &mut all).is_none() {
            return Err(format!("line {} is not understood", at + 1));
        }
    }
    Ok(all)
}

fn read_line(fields: &[&str], all: &mut Vec<Asked>) -> Option<()> {
    match fields {
        ["name", fqdn, section, families, hosts, shared_line, zone] => all.push(Asked {
            fqdn: fqdn.to_string(),
            section: section.to_string(),
            families: Family::BOTH
                .into_iter()
                .filter(|family| families.split(' ').any(|one| one == family.record_type()))
                .collect(),
            hosts: *hosts == "hosts",
            shared_line: SharedLine::WORDS.iter().find(|(word, _)| word == shared_line)?.1,
            zone: match zone.strip_prefix('?') {
                Some(why) => Known::unknown(why),
                None => Known::Known(zone.to_string()),
            },
            told: Vec::new(),
        }),
        [who, server, v4, v6] => all.last_mut()?.told.push(Told {
            who: Who::ALL.into_iter().find(|one| one.word() == *who)?,
            server: server.to_string(),
            answers: [answer(v4)?, answer(v6)?],
        }),
        _ => return None,
    }
    Some(())
}

fn answer(text: &str) -> Option<Known<Answer>> {
    if let Some(why) = text.strip_prefix('?') {
        return Some(Known::unknown(why));
    }
    let mut one = Answer { exists: true, aliases: Vec::new(), addresses: Vec::new(), ttl: None };
    for word in text.split_whitespace() {
        match (word.strip_prefix('>'), word.parse()) {
            (Some(alias), _) => one.aliases.push(alias.to_string()),
            (_, Ok(ip)) => one.addresses.push(ip),
            _ if word == "nx" => one.exists = false,
            _ if word == "-" => {}
            _ => one.ttl = Some(word.parse().ok()?),
        }
    }
    Some(Known::Known(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let answer = Answer {
            exists: true,
            aliases: vec!["b.test".into()],
            addresses: ["203.0.113.9", "2001:db8::9"].map(|ip| ip.parse().unwrap()).to_vec(),
            ttl: Some(60),
        };
        let none = Answer { exists: false, aliases: vec![], addresses: vec![], ttl: None };
        let all = vec![
            Asked {
                fqdn: "nas.example.net".into(),
                section: "nas".into(),
                families: Family::BOTH.to_vec(),
                hosts: true,
                shared_line: SharedLine::Wan,
                zone: Known::Known("example.net".into()),
                told: vec![Told {
                    who: Who::Authority,
                    server: "ns1.example.net 192.0.2.53".into(),
                    answers: [Known::Known(answer), Known::Known(none)],
                }],
            },
            Asked {
                fqdn: "*.example.net".into(),
                section: "all".into(),
                families: vec![Family::Ipv6],
                hosts: false,
                shared_line: SharedLine::Skip,
                zone: Known::unknown("no time"),
                told: vec![Told {
                    who: Who::Local,
                    server: "127.0.0.1".into(),
                    answers: [Known::unknown("no answer"), Known::unknown("it says SERVFAIL")],
                }],
            },
        ];
        assert_eq!(from_file(&write(&all)), Ok(all));
        assert_eq!(from_file(""), Ok(vec![]));
        for bad in ["x", "local\t1\t2\t3", "name\ta\tb\tA\trouter\tperhaps\tz", "\u{1b}[2J\t\t\t"] {
            assert!(from_file(bad).is_err(), "{bad:?}");
        }
        let name = "name\ta.test\ta\tA\trouter\tskip\ttest\n";
        assert!(
            from_file(&name.repeat(LONGEST_FILE)).is_ok()
                && from_file(&name.repeat(10_000)).is_err()
        );
        assert!(from_file(&[name, "public\t9.9.9.9\t60 what\t"].concat()).is_err());
    }

    #[test]
    fn names_above() {
        let above = |fqdn| above(fqdn).collect::<Vec<&str>>().join(" ");
        assert_eq!(above("nas.example.net"), "nas.example.net example.net net");
        assert_eq!(above("*.example.net"), "example.net net");
    }
}
