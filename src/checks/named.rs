//! Where a name leads: what its zone's name servers say, beside what this router has. For group
//! `name`, and for the lines on names in a report.

use super::{Facts, acl};
use crate::model::address::{Prefix, is_global};
use crate::model::answer::{Answer, Asked, Told, Who};
use crate::model::finding::{Evidence, Means};
use crate::model::forward::{Forward, Origin, Proto, Target};
use crate::model::known::Known;
use crate::model::line::{Certainty, Line};
use crate::model::name::{Family, SharedLine};
use std::net::IpAddr;

/// Of several name servers the one counts that stands last here: others may lag behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No name server told.
    Unknown,
    NoName,
    /// No record of this type.
    None,
    /// Not to this router.
    Elsewhere,
    /// There is a record, but whether it leads here is not known.
    Untold,
    /// To an address that the Internet does not have.
    Private,
    /// To a proxy (Cloudflare), which may lead here.
    Proxied,
    /// It is another name for something; followed apart.
    Alias,
    /// Here, and to others as well.
    Partly,
    Here,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::NoName => "no such name",
            State::None => "none",
            State::Elsewhere => "not here",
            State::Untold => "not known to be ours",
            State::Private => "private",
            State::Proxied => "proxied",
            State::Alias => "alias",
            State::Partly => "here and elsewhere",
            State::Here => "ok",
        }
    }

    pub fn leads(self) -> bool {
        matches!(self, State::Here | State::Partly)
    }

    pub fn is_told(self) -> bool {
        !matches!(self, State::Unknown | State::Untold)
    }
}

/// The records of one type.
#[derive(Debug)]
pub struct Judged<'a> {
    pub state: State,
    /// Who says so, and what.
    pub best: Option<(&'a Told, &'a Answer)>,
    /// Why it is not known.
    pub why: &'a str,
}

impl<'a> Judged<'a> {
    pub fn addresses(&self) -> &'a [IpAddr] {
        self.best.map(|(_, answer)| &answer.addresses[..]).unwrap_or_default()
    }
}

/// One name, in both families.
#[derive(Debug)]
pub struct Named<'a> {
    pub asked: &'a Asked,
    pub here: Here,
    pub v4: Judged<'a>,
    pub v6: Judged<'a>,
}

pub fn all<'a>(facts: &Facts<'a>) -> Vec<Named<'a>> {
    let names = facts.snapshot.names.known().map(|all| &all[..]).unwrap_or_default();
    let mut all = Vec::with_capacity(names.len());
    for asked in names {
        let here = here(facts, asked);
        let v4 = judge(facts, &here, asked, Family::Ipv4);
        let v6 = judge(facts, &here, asked, Family::Ipv6);
        all.push(Named { asked, here, v4, v6 });
    }
    all
}

impl<'a> Named<'a> {
    pub fn of(&self, family: Family) -> &Judged<'a> {
        if family == Family::Ipv4 { &self.v4 } else { &self.v6 }
    }

    /// What a server of this kind says, the first that says anything.
    pub fn said(&self, who: Who, family: Family) -> Option<(&'a Told, &'a Answer)> {
        let mut told = self.asked.told.iter().filter(|told| told.who == who);
        told.find_map(|told| Some((told, told.answer(family).known()?)))
    }

    pub fn shown(&self) -> Shown {
        let record = |judged: &Judged| Record {
            state: judged.state,
            addresses: judged.addresses().to_vec(),
            ttl: judged.best.and_then(|(_, answer)| answer.ttl),
            why: if judged.state.is_told() { String::new() } else { judged.why.to_string() },
        };
        Shown {
            fqdn: self.asked.fqdn.clone(),
            section: self.asked.section.clone(),
            records: [record(&self.v4), record(&self.v6)],
        }
    }
}

/// A name as a report shows it.
#[derive(Debug)]
pub struct Shown {
    pub fqdn: String,
    pub section: String,
    /// A, AAAA.
    pub records: [Record; 2],
}

#[derive(Debug)]
pub struct Record {
    pub state: State,
    pub addresses: Vec<IpAddr>,
    pub ttl: Option<u32>,
    /// Why it is not known.
    pub why: String,
}

impl Shown {
    /// In one word.
    pub fn verdict(&self) -> &'static str {
        let [v4, v6] = [&self.records[0], &self.records[1]].map(|record| record.state);
        let any = |fits: &dyn Fn(State) -> bool| fits(v4) || fits(v6);
        let wrong = [State::NoName, State::Elsewhere, State::Private, State::Partly];
        match () {
            () if any(&|state| wrong.contains(&state)) => "wrong",
            () if any(&State::leads) => "ok",
            () if any(&|state| state == State::Proxied) => "proxied",
            () if any(&|state| state == State::Alias) => "alias",
            () if any(&|state| !state.is_told()) => "unknown",
            () => "none",
        }
    }

    /// `nas.example.net A 93.184.7.20 ttl 300 ok | AAAA none`.
    pub fn words(&self) -> String {
        let mut text = self.fqdn.clone();
        let [v4, v6] = &self.records;
        if v4.state == State::Unknown && v6.state == v4.state && v4.why == v6.why {
            text.extend([" unknown (", &v4.why, ")"]);
            return text;
        }
        for (record, between) in self.records.iter().zip([" A ", " | AAAA "]) {
            text.push_str(between);
            if !record.addresses.is_empty() {
                text.push_str(&list(&record.addresses));
                if let Some(ttl) = record.ttl {
                    text.push_str(&format!(" ttl {ttl}"));
                }
                text.push(' ');
            }
            text.push_str(record.state.word());
            if !record.why.is_empty() {
                text.extend([" (", &record.why, ")"]);
            }
        }
        text
    }
}

/// What a name may hold of IPv4.
#[derive(Debug, Default)]
pub struct Here {
    pub ours: Vec<IpAddr>,
    /// Why another one may be right as well.
    pub perhaps: Option<&'static str>,
}

/// Any WAN's address is right: which one a name has is its owner's choice.
fn here(facts: &Facts, asked: &Asked) -> Here {
    let mut here = Here::default();
    let Known::Known(lines) = &facts.snapshot.line else {
        here.perhaps = Some("the line could not be told");
        return here;
    };
    let outside = asked.shared_line == SharedLine::Outside;
    let wan = asked.shared_line == SharedLine::Wan;
    for line in lines.iter().filter(|line| line.family == Family::Ipv4) {
        let blind = matches!(line.verdict.line, Line::Down | Line::Unknown);
        let own = matches!(line.verdict.line, Line::Public | Line::Map { .. } | Line::VpnEgress);
        let shared = !blind && !own && !wan;
        for ip in line.addresses.iter().filter(|_| !shared) {
            if wan || is_global(*ip, facts.assume_public) {
                here.ours.push(*ip);
            }
        }
        let sure = line.verdict.certainty == Certainty::Proved;
        if blind {
            here.perhaps = Some("a line is down, or not known");
        } else if outside && (shared || !sure) {
            here.perhaps = Some("nobody was asked which address the Internet sees");
        }
    }
    here
}

/// Whether an IPv6 address is of the router, or of a network behind it. `None`: not to be told.
fn is_ours(facts: &Facts, ip: IpAddr) -> Option<bool> {
    let networks = facts.networks()?;
    let mut near = false;
    for network in networks {
        if network.delegated.iter().any(|net| net.contains(ip)) {
            return Some(true);
        }
        for (own, len) in &network.addresses {
            let holds = Prefix { ip: *own, len: *len }.contains(ip);
            if *own == ip || (holds && !network.default_route) {
                return Some(true);
            }
            // A neighbour on the WAN: the provider's, or one of ours where the LAN is bridged to it.
            near |= holds;
        }
    }
    (!near).then_some(false)
}

/// It is an address of the router itself.
pub fn is_router(facts: &Facts, ip: IpAddr) -> bool {
    let networks = facts.networks().unwrap_or_default();
    networks.iter().any(|network| network.addresses.iter().any(|(own, _)| *own == ip))
}

/// There is an address to publish.
pub fn wants(facts: &Facts, name: &Named, family: Family) -> bool {
    match family {
        Family::Ipv4 => !name.here.ours.is_empty(),
        Family::Ipv6 => {
            let global =
                |(ip, _): &(IpAddr, u8)| ip.is_ipv6() && is_global(*ip, facts.assume_public);
            let networks = facts.networks().unwrap_or_default();
            !name.asked.hosts && networks.iter().any(|network| network.addresses.iter().any(global))
        }
    }
}

fn judge<'a>(facts: &Facts, here: &Here, asked: &'a Asked, family: Family) -> Judged<'a> {
    let none = match &asked.zone {
        Known::Known(_) => "its name servers were not found",
        Known::Unknown(why) => why,
    };
    let mut judged = Judged { state: State::Unknown, best: None, why: none };
    for told in asked.told.iter().filter(|told| told.who == Who::Authority) {
        match told.answer(family) {
            Known::Known(answer) => {
                let state = state(facts, here, family, answer);
                if judged.best.is_none() || state > judged.state {
                    judged.state = state;
                    judged.best = Some((told, answer));
                    judged.why = match family {
                        Family::Ipv4 => here.perhaps.unwrap_or_default(),
                        Family::Ipv6 => "it is in the network of the WAN",
                    };
                }
            }
            Known::Unknown(why) if judged.best.is_none() => judged.why = why,
            Known::Unknown(_) => {}
        }
    }
    judged
}

fn state(facts: &Facts, here: &Here, family: Family, answer: &Answer) -> State {
    let all = &answer.addresses;
    let special = all.iter().any(|ip| !is_global(*ip, facts.assume_public));
    match () {
        () if !answer.aliases.is_empty() => return State::Alias,
        () if !answer.exists => return State::NoName,
        () if all.is_empty() => return State::None,
        () => {}
    }
    let of = |ip: &IpAddr| match family {
        Family::Ipv4 => Some(here.ours.contains(ip)),
        Family::Ipv6 => is_ours(facts, *ip),
    };
    let ours = all.iter().filter(|ip| of(ip) == Some(true)).count();
    let unclear = match family {
        Family::Ipv4 => here.perhaps.is_some(),
        Family::Ipv6 => all.iter().any(|ip| of(ip).is_none()),
    };
    // A private address of ours is no way in, unless the owner wants just that.
    let meant = family == Family::Ipv4 && ours == all.len();
    match () {
        () if special && !meant => State::Private,
        () if ours == all.len() => State::Here,
        () if all.iter().all(|ip| is_proxy(*ip)) => State::Proxied,
        () if unclear => State::Untold,
        () if ours > 0 => State::Partly,
        () => State::Elsewhere,
    }
}

/// Cloudflare's, as it publishes them (cloudflare.com/ips).
const PROXIES: [&str; 22] = [
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "108.162.192.0/18",
    "131.0.72.0/22",
    "141.101.64.0/18",
    "162.158.0.0/15",
    "172.64.0.0/13",
    "173.245.48.0/20",
    "188.114.96.0/20",
    "190.93.240.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "2400:cb00::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2405:b500::/32",
    "2405:8100::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
];

/// Ports that it takes (its docs, "Network ports").
const PROXIED: [u16; 13] =
    [80, 8080, 8880, 2052, 2082, 2086, 2095, 443, 2053, 2083, 2087, 2096, 8443];

pub fn is_proxy(ip: IpAddr) -> bool {
    PROXIES.iter().filter_map(|net| Prefix::parse(net)).any(|net| net.contains(ip))
}

/// A proxy would carry it.
pub fn is_web(forward: &Forward) -> bool {
    let fits = |port: u16| PROXIED.contains(&port);
    forward.protos.contains(&Proto::Tcp)
        && forward
            .ports()
            .iter()
            .all(|ports| ports.count() <= 16 && (ports.first..=ports.last).all(fits))
}

/// Forwards that nobody finds by name: no name of ours leads here in a family they are for. What
/// programs asked for by UPnP has no use for names.
pub fn lost(facts: &Facts) -> Vec<usize> {
    // Of each family: whether names are meant to be found in it, and whether one may be.
    let family = |family: Family| {
        let (mut meant, mut found) = (false, false);
        for name in facts.names {
            let state = name.of(family).state;
            meant |= name.asked.families.contains(&family) || state != State::None;
            found |= state.leads() || !state.is_told() || state == State::Alias;
        }
        (meant, found)
    };
    let (v4, v6) = (family(Family::Ipv4), family(Family::Ipv6));
    let proxied = |one: &Named| one.v4.state == State::Proxied || one.v6.state == State::Proxied;
    let proxied = facts.names.iter().any(proxied);
    let lost = |(_, forward): &(usize, &Forward)| {
        let meant = (forward.v4 && v4.0) || (forward.v6 && v6.0);
        let found = (forward.v4 && v4.1) || (forward.v6 && v6.1);
        meant && !found && forward.origin != Origin::Upnp && !(proxied && is_web(forward))
    };
    facts.active().filter(lost).map(|(index, _)| index).collect()
}

/// Whether the live firewall lets IPv6 in to the same port at `ip`, where a forward of IPv4 is open.
/// `None`: that is none.
pub fn by_ipv6(
    facts: &Facts,
    index: usize,
    forward: &Forward,
    ip: IpAddr,
) -> Option<Known<acl::Way>> {
    let open = facts.ways.get(index).and_then(Known::known) == Some(&acl::Way::Open);
    let host = matches!(forward.target, Target::Host(_));
    if !(open && host && forward.v4 && forward.has_ports()) {
        return None;
    }
    let mut asked = forward.clone();
    asked.uid.clear();
    asked.src_dip.clear();
    asked.origin = Origin::Rule;
    (asked.v4, asked.v6) = (false, true);
    asked.target = Target::Host(ip);
    asked.to_port = None;
    acl::ways(facts.snapshot, &[asked]).pop()
}

/// An answer in a few words: `A 203.0.113.9, ttl 300`.
pub fn words(answer: &Answer, family: Family) -> String {
    let rtype = family.record_type();
    let mut text = String::new();
    if let Some(last) = answer.aliases.last() {
        text = format!("alias of {last}: ");
    }
    if !answer.exists {
        return text + "no such name";
    }
    if answer.addresses.is_empty() {
        return text + "no " + rtype + " record";
    }
    let ttl = answer.ttl.map(|ttl| format!(", ttl {ttl}")).unwrap_or_default();
    [&text, rtype, " ", &list(&answer.addresses), &ttl].concat()
}

pub fn list(all: &[IpAddr]) -> String {
    let mut words: Vec<String> = all.iter().take(4).map(|ip| ip.to_string()).collect();
    if all.len() > 4 {
        words.push("...".into());
    }
    words.join(" ")
}

pub fn evidence(told: &Told, answer: &Answer, family: Family) -> Evidence {
    Evidence { means: Means::Dns, source: told.server.clone(), summary: words(answer, family) }
}
