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
use crate::wire::names::{Kind, Records, question, records};
use crate::world::{self, Ask, Datagram, DnsTransport, Sys, Via};
use serde_json::{Value, json};
use std::time::Duration;

/// In a folder that stands for a router.
pub const FILE: &str = "cmd/reachd-names.json";

/// Who is asked where the owner named none: two that answer everywhere but in China, two that
/// answer there.
pub const RESOLVERS: [&str; 4] = ["1.1.1.1", "9.9.9.9", "223.5.5.5", "119.29.29.29"];

/// The router's own resolver.
const LOCAL: &str = "127.0.0.1";

/// Names that are asked for, and name servers of one zone.
const MOST: usize = 24;
const MOST_SERVERS: usize = 4;

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
        match all.iter_mut().find(|one| one.fqdn == name.fqdn) {
            // At two services at once.
            Some(one) => {
                let more = name.families.iter().filter(|family| !one.families.contains(family));
                let more: Vec<Family> = more.copied().collect();
                one.families.extend(more);
                one.hosts |= name.has_hosts();
            }
            None => all.push(Asked {
                fqdn: name.fqdn.clone(),
                section: name.section.clone(),
                families: name.families.clone(),
                hosts: name.has_hosts(),
                shared_line: name.shared_line,
                ttl: name.ttl,
                zone: Known::unknown(format!("only {MOST} names are asked for at once")),
                told: Vec::new(),
            }),
        }
    }
    all
}

/// Questions of one step: server, name, what; and what came of them, in their order.
#[derive(Default)]
struct Step {
    asked: Vec<(String, String, Kind)>,
    heard: Vec<Known<Records>>,
}

impl Step {
    fn add(&mut self, server: &str, name: &str, kind: Kind) {
        if self.get(server, name, kind).is_none() {
            self.asked.push((server.into(), name.into(), kind));
            self.heard.push(Known::unknown("there was no time to ask it"));
        }
    }

    fn get(&self, server: &str, name: &str, kind: Kind) -> Option<&Known<Records>> {
        let is = |one: &(String, String, Kind)| one.0 == server && one.1 == name && one.2 == kind;
        self.heard.get(self.asked.iter().position(is)?)
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
                to: server.clone(),
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
        let answers = sys.together(&asks, &via);
        for (at, (ask, answer)) in asks.iter().zip(answers).enumerate() {
            let Ask::Datagram(ask) = ask else { continue };
            let (Some(heard), Some((server, ..))) = (self.heard.get_mut(at), self.asked.get(at))
            else {
                continue;
            };
            *heard = match answer {
                Ok(world::Answer::Datagram(reply)) => read(&ask.payload, &reply),
                Ok(_) => Known::unknown("what it answered is no DNS"),
                Err(why) => Known::Unknown(why.text),
            };
            via.deadline = left(sys);
            if heard.known().is_some_and(|told| told.cut) && !via.deadline.is_zero() {
                *heard = match sys.dns(server, &ask.payload, DnsTransport::Tcp, &via) {
                    Ok(reply) => read(&ask.payload, &reply),
                    Err(why) => Known::Unknown(why.text),
                };
            }
        }
    }
}

fn read(asked: &[u8], reply: &[u8]) -> Known<Records> {
    match records(asked, reply) {
        None => Known::unknown("what it answered could not be read"),
        Some(Records { failed: Some(why), .. }) => Known::Unknown(format!("it says {why}")),
        Some(told) => Known::Known(told),
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
    let mut servers: Vec<(Who, String)> = match resolvers {
        [] => RESOLVERS.iter().map(|server| (Who::Public, server.to_string())).collect(),
        own => own.iter().map(|server| (Who::Public, server.clone())).collect(),
    };
    servers.push((Who::Local, LOCAL.into()));
    // What resolvers say, and which names have name servers.
    let mut first = Step::default();
    for one in all.iter().take(MOST) {
        for (_, server) in &servers {
            ADDRESSES.iter().for_each(|kind| first.add(server, &one.fqdn, *kind));
            above(&one.fqdn).for_each(|zone| first.add(server, zone, Kind::NameServers));
        }
    }
    first.go(sys, true, until);
    // Where those are, by the first resolver that knew of them.
    let cut = |fqdn: &str| -> Option<(String, Vec<String>, String)> {
        above(fqdn).find_map(|zone| {
            servers.iter().find_map(|(_, server)| {
                let told = first.records(server, zone, Kind::NameServers)?;
                let names = told.servers.iter().take(MOST_SERVERS).cloned().collect();
                (!told.servers.is_empty()).then(|| (zone.to_string(), names, server.clone()))
            })
        })
    };
    let cuts: Vec<_> = all.iter().take(MOST).map(|one| cut(&one.fqdn)).collect();
    let mut second = Step::default();
    for (_, names, server) in cuts.iter().flatten() {
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
    let mut third = Step::default();
    for (one, cut) in all.iter().zip(&cuts) {
        let Some((_, names, server)) = cut else { continue };
        for ip in names.iter().filter_map(|name| place(name, server)) {
            ADDRESSES.iter().for_each(|kind| third.add(&ip, &one.fqdn, *kind));
        }
    }
    third.go(sys, false, until);
    for (one, cut) in all.iter_mut().zip(&cuts) {
        one.zone = match cut {
            None => Known::unknown("no resolver tells its zone's name servers"),
            Some((zone, names, server)) => {
                for name in names {
                    let Some(ip) = place(name, server) else { continue };
                    let label = format!("{name} {ip}");
                    one.told.push(told(Who::Authority, label, &third, &ip, &one.fqdn));
                }
                Known::Known(zone.clone())
            }
        };
        for (who, server) in &servers {
            one.told.push(told(*who, server.clone(), &first, server, &one.fqdn));
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
            exists: !told.no_such_name,
            aliases: told.aliases.clone(),
            addresses: told.addresses.clone(),
            ttl: told.ttl,
        }),
    });
    Told { who, server: label, answers }
}

/// As it stands in [`FILE`].
pub fn write(all: &[Asked]) -> String {
    let answer = |answer: &Known<Answer>| match answer {
        Known::Unknown(why) => json!({ "unknown": why }),
        Known::Known(one) => {
            let addresses: Vec<String> = one.addresses.iter().map(|ip| ip.to_string()).collect();
            json!({
                "exists": one.exists, "aliases": one.aliases, "addresses": addresses,
                "ttl": one.ttl,
            })
        }
    };
    let told = |one: &Told| {
        let [v4, v6] = &one.answers;
        json!({
            "who": one.who.word(), "server": one.server, "a": answer(v4), "aaaa": answer(v6),
        })
    };
    let one = |one: &Asked| {
        let families: Vec<String> = one.families.iter().map(|one| one.to_string()).collect();
        let zone = match &one.zone {
            Known::Known(zone) => json!(zone),
            Known::Unknown(why) => json!({ "unknown": why }),
        };
        json!({
            "fqdn": one.fqdn, "section": one.section, "families": families, "hosts": one.hosts,
            "shared_line": one.shared_line.word(), "ttl": one.ttl, "zone": zone,
            "told": one.told.iter().map(told).collect::<Vec<Value>>(),
        })
    };
    json!({ "names": all.iter().map(one).collect::<Vec<Value>>() }).to_string()
}

/// What [`write`] wrote, or somebody by hand. Entries that are none are an error: half of it
/// would be read as the whole.
pub fn from_file(value: &Value) -> Result<Vec<Asked>, String> {
    let all = value.get("names").and_then(Value::as_array).ok_or("it has no list of names")?;
    all.iter().map(|one| asked(one).ok_or_else(|| format!("no name: {one}"))).collect()
}

fn asked(one: &Value) -> Option<Asked> {
    let families = one.get("families")?.as_array()?;
    let has = |family: &Family| families.iter().any(|one| *one == family.to_string());
    let told = one.get("told")?.as_array()?;
    let word = one.get("shared_line")?.as_str()?;
    Some(Asked {
        fqdn: one.get("fqdn")?.as_str()?.into(),
        section: one.get("section")?.as_str()?.into(),
        families: Family::BOTH.into_iter().filter(has).collect(),
        hosts: one.get("hosts")?.as_bool()?,
        shared_line: SharedLine::WORDS.iter().find(|(text, _)| *text == word)?.1,
        ttl: number(one.get("ttl")),
        zone: match one.get("zone")?.as_str() {
            Some(zone) => Known::Known(zone.into()),
            None => unknown(one.get("zone")?),
        },
        told: told.iter().map(server).collect::<Option<Vec<Told>>>()?,
    })
}

fn server(one: &Value) -> Option<Told> {
    let word = one.get("who")?.as_str()?;
    Some(Told {
        who: Who::ALL.into_iter().find(|who| who.word() == word)?,
        server: one.get("server")?.as_str()?.into(),
        answers: [answer(one.get("a")?)?, answer(one.get("aaaa")?)?],
    })
}

fn answer(one: &Value) -> Option<Known<Answer>> {
    let Some(exists) = one.get("exists") else { return Some(unknown(one)) };
    let texts = |key: &str| one.get(key)?.as_array()?.iter().map(Value::as_str).collect();
    let (aliases, addresses): (Option<Vec<&str>>, Option<Vec<&str>>) =
        (texts("aliases"), texts("addresses"));
    let addresses = addresses?.into_iter().map(|ip| ip.parse().ok());
    Some(Known::Known(Answer {
        exists: exists.as_bool()?,
        aliases: aliases?.into_iter().map(str::to_string).collect(),
        addresses: addresses.collect::<Option<Vec<_>>>()?,
        ttl: number(one.get("ttl")),
    }))
}

fn number(value: Option<&Value>) -> Option<u32> {
    u32::try_from(value?.as_u64()?).ok()
}

fn unknown<T>(value: &Value) -> Known<T> {
    Known::unknown(value.get("unknown").and_then(Value::as_str).unwrap_or("it is not told"))
}
