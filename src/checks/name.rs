//! Group `name`: does the name lead here? By what its zone's name servers say; what resolvers say
//! beside that tells of caches, and the router's own what hosts at home are told. Where nobody was
//! asked nothing is said.

use super::named::{self, Named, State, all, evidence, list};
use super::{Answers, Check, Facts, known};
use crate::model::address::is_global;
use crate::model::answer::{Answer, Told, Who};
use crate::model::finding::{Axis, Effect, Finding, Means, Severity, Where};
use crate::model::forward::{Origin, Target};
use crate::model::known::Known;
use crate::model::name::Family;
use crate::wire::names::MOST_ALIASES;
use std::net::IpAddr;

/// Without an address that can be published there is nothing to find fault with.
const LINE: &[&str] = &[
    "path.wan.down",
    "path.cgnat",
    "path.double_nat",
    "path.dslite",
    "path.464xlat",
    "path.mobile",
];

const DNS: &str = "the zone's name servers, asked directly";

pub const CHECKS: &[Check] = &[
    Check {
        id: "name.nx",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the name is not in the DNS",
        what: "The name servers of its zone know no such name, or no address at it, although there \
               is one to publish.",
        next: "See reachd why NAME: what was published, and what failed.",
        trap: "A new name may take a minute to reach all servers of the zone.",
        source: DNS,
        after: LINE,
        run: nx,
    },
    Check {
        id: "name.a",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the name leads elsewhere",
        what: "The A record holds no address of this router's WANs: visitors go to somebody else.",
        next: "See reachd why NAME; correct the record.",
        trap: "On a line that shares its address ours is not known here, and not judged. With MAP \
               the shared address is right; with several WANs any of theirs.",
        source: DNS,
        after: LINE,
        run: a,
    },
    Check {
        id: "name.private",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the name leads to an address that the Internet does not have",
        what: "Public DNS holds an address from a range for private or special use.",
        next: "Publish the public address, or remove the record.",
        trap: "Wanted with option shared_line 'wan': then nothing is said.",
        source: "the zone's name servers; IANA's special-purpose registries",
        after: LINE,
        run: private,
    },
    Check {
        id: "name.extra",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "the name leads here and elsewhere",
        what: "Beside ours the A record holds other addresses: each visitor takes one of them.",
        next: "Remove the others.",
        trap: "Right where several routers serve the same.",
        source: DNS,
        after: &["name.private"],
        run: extra,
    },
    Check {
        id: "name.cache",
        severity: Severity::Low,
        axis: Axis::Reach,
        title: "some are still told the old address",
        what: "The zone is right, but a resolver, or another of its name servers, has not heard yet.",
        next: "Wait as long as is told.",
        trap: "A provider that answers in place of others never changes: then compare from another \
               line.",
        source: "well-known resolvers (option resolver of config lookup), and the router's own",
        after: &[],
        run: cache,
    },
    Check {
        id: "name.ttl",
        severity: Severity::Low,
        axis: Axis::Hygiene,
        title: "a change will take long to be seen",
        what: "The line's address can change, and resolvers keep the old one for over an hour.",
        next: "Write option ttl '300' in the name's section.",
        trap: "Some services have a least TTL.",
        source: DNS,
        after: &[],
        run: ttl,
    },
    Check {
        id: "name.cname",
        severity: Severity::Info,
        axis: Axis::Reach,
        title: "the name is an alias",
        what: "It is followed up to eight times. What reachd publishes must stand at the end.",
        next: "Keep the name at its end, or remove the alias.",
        trap: "",
        source: "the zone's name servers, resolvers",
        after: &[],
        run: cname,
    },
    Check {
        id: "name.proxied",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "a proxy answers, and takes web pages alone",
        what: "The name leads to Cloudflare's proxy. It passes HTTP and HTTPS on its own list of \
               ports; SSH, games and VPNs do not come through.",
        next: "Switch the proxy off for this record (grey cloud), or use another name.",
        trap: "Spectrum and origin rules pass other ports as well: those are not seen here.",
        source: "cloudflare.com/ips; its list of network ports",
        after: &[],
        run: proxied,
    },
    Check {
        id: "name.aaaa.stale",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "IPv6 visitors are led astray",
        what: "The AAAA record is of no network of this router, or the firewall closes by IPv6 what \
               is open by IPv4. Most programs try IPv6 first, and hang.",
        next: "Remove the AAAA record, or open the port for IPv6.",
        trap: "Whether the host itself is up is not asked.",
        source: "the zone's name servers; netifd; nft -j list ruleset, walked as the kernel does",
        after: &["path.wan.down"],
        run: stale,
    },
    Check {
        id: "name.aaaa.router",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "by IPv6 the name is the router, by IPv4 a host behind it",
        what: "Forwards lead IPv4 to a host. IPv6 is not translated: the name must hold the host's \
               own address.",
        next: "Name the host (list host) in the name's section, and allow its port by IPv6.",
        trap: "Right for what runs on the router itself.",
        source: "the zone's name servers; the kernel's addresses",
        after: &[],
        run: router,
    },
    Check {
        id: "name.rebind",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "the router's own resolver drops the answer",
        what: "dnsmasq leaves out private addresses that come from outside (rebind protection), so \
               at home the name has no address.",
        next: "Write list rebind_domain in config dnsmasq.",
        trap: "",
        source: "127.0.0.1 port 53; /etc/config/dhcp",
        after: &["name.private"],
        run: rebind,
    },
    Check {
        id: "name.split",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "at home the name is another one",
        what: "The router's own resolver says something else than the zone. That is well where it \
               is the host that a forward leads to.",
        next: "Look for the name in /etc/config/dhcp and /etc/hosts.",
        trap: "",
        source: "127.0.0.1 port 53",
        after: &["name.rebind"],
        run: split,
    },
    Check {
        id: "name.reflect",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "from home the name ends at the router",
        what: "At home the name is the WAN's address, and no reflection is made for this forward: \
               it leads to the router instead of the host.",
        next: "Write option reflection '1', or give the name the host's address at home.",
        trap: "Reflection is made for one zone (reflection_zone); a guest network still ends at the \
               router. That is not looked at.",
        source: "127.0.0.1 port 53; /etc/config/firewall",
        after: &["zone.no_masq_wan", "rule.skipped"],
        run: reflect,
    },
];

fn names<'a>(facts: &Facts<'a>, out: &mut Answers) -> Vec<Named<'a>> {
    known(&facts.snapshot.names, out);
    all(facts)
}

impl Finding {
    fn dns(&mut self, best: Option<(&Told, &Answer)>, family: Family) -> &mut Finding {
        self.evidence.extend(best.map(|(told, answer)| evidence(told, answer, family)));
        self
    }

    /// Forwards that nobody finds by a name are blocked there.
    fn ends(&mut self, facts: &Facts) -> &mut Finding {
        let lost = named::lost(facts);
        if !lost.is_empty() {
            self.forwards = lost;
            self.effect(Effect::Blocked(Where::Name));
        }
        self
    }
}

fn why(name: &Named) -> String {
    format!("See what became of it: reachd why {}", name.asked.fqdn)
}

fn nx(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let wants = |family: &&Family| named::wants(facts, name.asked, **family);
        let wanted: Vec<Family> = name.asked.families.iter().filter(wants).copied().collect();
        let state = |family: Family| name.of(family).state;
        let lacks = |family: Family| matches!(state(family), State::None | State::NoName);
        let missing: Vec<Family> = wanted.iter().filter(|one| lacks(**one)).copied().collect();
        if !wanted.is_empty() && wanted.iter().all(|one| state(*one) == State::Unknown) {
            out.untold();
        }
        let Some(first) = missing.first().copied() else {
            out.pass_if(wanted.iter().any(|one| state(*one) != State::Unknown));
            continue;
        };
        let fqdn = &name.asked.fqdn;
        let gone = state(first) == State::NoName;
        let found = |family: &Family| state(*family) >= State::Elsewhere;
        let whole = gone || !Family::BOTH.iter().any(found);
        // Who finds an A record does without the other.
        if !whole && first == Family::Ipv6 {
            out.pass();
            continue;
        }
        let zone = name.asked.zone.known().map_or("", String::as_str);
        let text = match (gone, whole) {
            (true, _) => format!("Zone {zone} has no name {fqdn}."),
            (_, true) => format!("Zone {zone} has no address at {fqdn}."),
            _ => format!("{fqdn} has no A record: who has IPv4 alone does not find it."),
        };
        let finding = out.about(fqdn, text, why(&name)).dns(name.of(first).best, first);
        match whole {
            true => finding.ends(facts),
            false => finding.severity(Severity::Medium),
        };
    }
}

fn a(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let v4 = &name.v4;
        match v4.state {
            _ if !name.asked.families.contains(&Family::Ipv4) => {}
            State::Here | State::Partly => out.pass(),
            State::Unknown | State::Untold => out.untold(),
            State::Elsewhere => {
                let here = named::here(facts, name.asked);
                let (to, ours) = (list(v4.addresses()), list(&here.ours));
                let text = match here.ours.is_empty() {
                    true => format!(
                        "{} leads to {to}, and this router has no address to publish.",
                        name.asked.fqdn
                    ),
                    false => {
                        format!("{} leads to {to}; this router is {ours}.", name.asked.fqdn)
                    }
                };
                let finding = out.about(&name.asked.fqdn, text, why(&name));
                finding.dns(v4.best, Family::Ipv4);
                if !here.ours.is_empty() {
                    finding.ends(facts);
                }
            }
            _ => {}
        }
    }
}

fn private(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        for family in Family::BOTH {
            let judged = name.of(family);
            // A resolver's word counts where the zone's cannot be had.
            let said = judged.best.or_else(|| public(&name, family).next());
            let here = named::here(facts, name.asked);
            let bad = |ip: &&IpAddr| {
                !is_global(**ip, facts.assume_public)
                    && !(judged.state == State::Here || here.ours.contains(ip))
            };
            let Some((told, answer)) = said else {
                out.untold();
                continue;
            };
            let bad: Vec<IpAddr> = answer.addresses.iter().filter(bad).copied().collect();
            if out.pass_if(bad.is_empty()) {
                continue;
            }
            let fqdn = &name.asked.fqdn;
            let text = format!("{fqdn} leads to {}, which the Internet cannot reach.", list(&bad));
            let finding = out.about(fqdn, text, "Publish the public address, or remove this one.");
            finding.dns(Some((told, answer)), family);
            if family == Family::Ipv4 {
                finding.ends(facts);
            }
        }
    }
}

/// What resolvers of others say.
fn public<'a>(
    name: &Named<'a>,
    family: Family,
) -> impl Iterator<Item = (&'a Told, &'a Answer)> + use<'a> {
    let public = name.asked.told.iter().filter(|told| told.who == Who::Public);
    public.filter_map(move |told| Some((told, told.answer(family).known()?)))
}

fn extra(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        match name.v4.state {
            State::Here => out.pass(),
            State::Partly => {
                let here = named::here(facts, name.asked);
                let other = |ip: &&IpAddr| !here.ours.contains(ip);
                let others: Vec<IpAddr> =
                    name.v4.addresses().iter().filter(other).copied().collect();
                let text = format!(
                    "{} leads here and to {}: visitors take either.",
                    name.asked.fqdn,
                    list(&others)
                );
                out.about(&name.asked.fqdn, text, "Remove the other addresses, if they are old.")
                    .dns(name.v4.best, Family::Ipv4);
            }
            State::Unknown | State::Untold => out.untold(),
            _ => {}
        }
    }
}

fn cache(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        for family in Family::BOTH {
            let judged = name.of(family);
            let Some((best, right)) = judged.best.filter(|_| judged.state == State::Here) else {
                continue;
            };
            let (mut old, mut wait) = (Vec::new(), Some(0));
            for told in name.asked.told.iter().filter(|told| *told != best) {
                let Known::Known(answer) = told.answer(family) else {
                    out.untold();
                    continue;
                };
                // A home of its own is `split`'s.
                let home = answer.addresses.iter().all(|ip| !is_global(*ip, facts.assume_public));
                if answer.addresses == right.addresses || (told.who == Who::Local && home) {
                    out.pass();
                } else {
                    wait = wait.zip(answer.ttl).map(|(a, b)| a.max(b));
                    old.push((told, answer));
                }
            }
            if old.is_empty() {
                continue;
            }
            let servers: Vec<&str> = old.iter().map(|(told, _)| &told.server[..]).collect();
            let text = format!(
                "{} has another answer than its zone's at {}.",
                name.asked.fqdn,
                servers.join(", ")
            );
            let fix = match wait {
                Some(seconds) => format!("Wait: it lasts at most {seconds} s."),
                None => "Wait: how long that lasts is the zone's choice (SOA).".into(),
            };
            let finding = out.about(&name.asked.fqdn, text, fix).dns(judged.best, family);
            for (told, answer) in old {
                finding.dns(Some((told, answer)), family);
            }
        }
    }
}

/// Whether the WAN's address may change: not with a fixed one. `None`: not to be told.
fn is_dynamic(facts: &Facts) -> Option<bool> {
    let mut wans = facts.networks()?.iter().filter(|network| network.default_route).peekable();
    wans.peek()?;
    let protos: Vec<&str> = wans.map(|network| &network.proto[..]).collect();
    match protos.contains(&"") {
        true => None,
        false => Some(protos.iter().any(|proto| *proto != "static")),
    }
}

fn ttl(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let state = |family: &Family| name.of(*family).state.leads();
        let Some(family) = Family::BOTH.into_iter().find(|family| state(family)) else { continue };
        let best = name.of(family).best;
        let seconds = best.and_then(|(_, answer)| answer.ttl);
        let (Some(seconds), Some(dynamic)) = (seconds, is_dynamic(facts)) else {
            out.untold();
            continue;
        };
        if !out.pass_if(seconds <= 3600 || !dynamic) {
            let text = format!("{} is kept for {seconds} s by resolvers.", name.asked.fqdn);
            let fix = format!("Write option ttl '300' in section '{}'.", name.asked.section);
            out.about(&name.asked.fqdn, text, fix).dns(best, family);
        }
    }
}

fn cname(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        for family in Family::BOTH {
            let judged = name.of(family);
            let Some((told, answer)) = judged.best else {
                out.untold();
                continue;
            };
            if out.pass_if(judged.state != State::Alias) {
                continue;
            }
            // The zone's own servers need not know where it ends.
            let whole = |(_, answer): &(&Told, &Answer)| !answer.addresses.is_empty();
            let other = public(&name, family).find(whole);
            let end = other.map_or(answer, |(_, answer)| answer);
            let fqdn = &name.asked.fqdn;
            let last = end.aliases.last().map_or("", String::as_str);
            let kept = facts.snapshot.names.known().into_iter().flatten();
            let kept = kept.map(|one| &one.fqdn[..]).any(|fqdn| fqdn == last);
            let here = named::here(facts, name.asked);
            let ours = end.addresses.iter().any(|ip| here.ours.contains(ip));
            let (severity, text) = if end.aliases.len() > MOST_ALIASES {
                (Severity::High, format!("The aliases of {fqdn} go round in a circle."))
            } else if end.addresses.is_empty() && !public(&name, family).any(|(_, one)| one.exists)
            {
                (Severity::High, format!("{fqdn} is an alias of {last}, which does not exist."))
            } else if family == Family::Ipv4
                && !ours
                && here.perhaps.is_none()
                && !end.addresses.is_empty()
            {
                let to = list(&end.addresses);
                (Severity::High, format!("{fqdn} is an alias of {last} ({to}), which is not here."))
            } else {
                (Severity::Info, format!("{fqdn} is an alias of {last}."))
            };
            let fix = match kept {
                true => "Nothing, if that is meant.".to_string(),
                false => format!("Keep {last} instead, or remove the alias."),
            };
            let finding = out.about(fqdn, text, fix).severity(severity);
            finding.dns(Some((told, answer)), family).dns(other, family);
            break;
        }
    }
}

fn proxied(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let families = Family::BOTH.into_iter();
        let mut proxied = families.filter(|family| name.of(*family).state == State::Proxied);
        let Some(family) = proxied.next() else {
            match name.v4.state.is_told() {
                true => out.pass(),
                false => out.untold(),
            }
            continue;
        };
        let shut = |index: &usize| {
            let forward = facts.forwards.get(*index);
            forward.is_some_and(|one| one.origin != Origin::Upnp && !named::is_web(one))
        };
        let shut: Vec<usize> = facts.active().map(|(index, _)| index).filter(shut).collect();
        if out.pass_if(shut.is_empty()) {
            continue;
        }
        let fqdn = &name.asked.fqdn;
        let text = format!("{fqdn} is Cloudflare's proxy, which does not pass these ports on.");
        let fix = "Switch the proxy off for it (grey cloud), or use another name for these.";
        let finding = out.about(fqdn, text, fix).dns(name.of(family).best, family);
        let lost = named::lost(facts);
        // Another name may lead here.
        match shut.iter().all(|index| lost.contains(index)) {
            true => finding.effect(Effect::Blocked(Where::Name)),
            false => finding.severity(Severity::Medium),
        };
        finding.forwards = shut;
    }
}

fn stale(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let v6 = &name.v6;
        let fqdn = &name.asked.fqdn;
        match v6.state {
            State::Elsewhere | State::Partly => {
                let which = match v6.state {
                    State::Partly => "not all of which are",
                    _ => "which is not",
                };
                let to = list(v6.addresses());
                let text = format!("{fqdn} has AAAA {to}, {which} in a network of this router.");
                let fix = match name.asked.families.contains(&Family::Ipv6) {
                    true => why(&name),
                    false => "Remove the AAAA record where you made it.".into(),
                };
                out.about(fqdn, text, fix).dns(v6.best, Family::Ipv6);
                continue;
            }
            State::Here => {}
            State::Unknown | State::Untold => {
                out.untold();
                continue;
            }
            _ => continue,
        }
        // An address of a host, and what is open to it by IPv4.
        let mut shut: Vec<(usize, IpAddr, String)> = Vec::new();
        let hosts = v6.addresses().iter().filter(|ip| !named::is_router(facts, **ip));
        for ip in hosts.filter(|_| name.v4.state.leads()) {
            for (index, way) in named::by_ipv6(facts, *ip) {
                match way {
                    Known::Known(super::acl::Way::Closed(how)) => shut.push((index, *ip, how)),
                    Known::Known(super::acl::Way::Open) => out.pass(),
                    _ => out.untold(),
                }
            }
        }
        let Some((_, ip, how)) = shut.first() else {
            out.pass();
            continue;
        };
        let text = format!(
            "Who comes by IPv6 goes to {ip}, where the firewall closes what is open by IPv4."
        );
        let fix = "Open the same port for that address (family 'ipv6'), or remove the AAAA record.";
        let finding = out.about(fqdn, text, fix).dns(v6.best, Family::Ipv6);
        finding.seen(Means::Nft, "nft -j list ruleset", how.clone());
        finding.forwards = shut.iter().map(|(index, ..)| *index).collect();
    }
}

fn router(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let own = |ip: &&IpAddr| named::is_router(facts, **ip);
        if !name.v6.state.is_told() {
            out.untold();
        }
        let own = name.v6.addresses().iter().find(own).filter(|_| name.v4.state.leads());
        let Some(own) = own else { continue };
        let host = |index: &usize| {
            let forward = facts.forwards.get(*index);
            forward.is_some_and(|one| {
                let host = matches!(one.target, Target::Host(_)) && !facts.to_router(one);
                host && one.v4 && one.origin != Origin::Upnp
            })
        };
        let forwards: Vec<usize> = facts.redirects().map(|(index, _)| index).filter(host).collect();
        if out.pass_if(forwards.is_empty()) {
            continue;
        }
        let fqdn = &name.asked.fqdn;
        let text =
            format!("{fqdn} leads IPv4 to hosts behind, but IPv6 ({own}) to the router itself.");
        let fix = format!(
            "In section '{}': list host for one host, or option family 'ipv4'.",
            name.asked.section
        );
        let finding = out.about(fqdn, text, fix).dns(name.v6.best, Family::Ipv6);
        finding.forwards = forwards;
    }
}

/// What the router's own resolver says.
fn local<'a>(name: &Named<'a>, family: Family) -> Option<(&'a Told, &'a Answer)> {
    let told = name.asked.told.iter().find(|told| told.who == Who::Local)?;
    Some((told, told.answer(family).known()?))
}

fn rebind(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        for family in Family::BOTH {
            let judged = name.of(family);
            let special = |ip: &IpAddr| !is_global(*ip, facts.assume_public);
            if !judged.addresses().iter().any(special) {
                continue;
            }
            let Some((told, answer)) = local(&name, family) else {
                out.untold();
                continue;
            };
            let protected = facts.snapshot.dhcp.known().map(|dhcp| dhcp.rebind_protection);
            if out.pass_if(!answer.addresses.is_empty() || protected == Some(false)) {
                continue;
            }
            let fqdn = &name.asked.fqdn;
            let text = match protected {
                Some(_) => format!("At home {fqdn} has no address: rebind protection drops it."),
                None => format!("At home {fqdn} has no address: most likely rebind protection."),
            };
            let fix = format!("In config dnsmasq: list rebind_domain '{fqdn}'");
            out.about(fqdn, text, fix).dns(judged.best, family).dns(Some((told, answer)), family);
        }
    }
}

fn split(facts: &Facts, out: &mut Answers) {
    let host = |ip: &IpAddr| facts.active().any(|(_, one)| one.target == Target::Host(*ip));
    for name in names(facts, out) {
        for family in Family::BOTH {
            let judged = name.of(family);
            let right = judged.addresses();
            if right.is_empty() {
                continue;
            }
            let Some((told, answer)) = local(&name, family) else {
                out.untold();
                continue;
            };
            // Old answers are `cache`'s.
            let global = |ip: &IpAddr| is_global(*ip, facts.assume_public);
            let inside = &answer.addresses;
            let fine = if inside.is_empty() {
                !right.iter().all(global)
            } else {
                inside == right || inside.iter().all(global) || inside.iter().all(host)
            };
            if out.pass_if(fine) {
                continue;
            }
            let fqdn = &name.asked.fqdn;
            let (severity, text) = match inside.is_empty() {
                true => (Severity::Medium, format!("At home {fqdn} has no address.")),
                false => {
                    let to = list(inside);
                    (Severity::Info, format!("At home {fqdn} is {to}, where no forward leads."))
                }
            };
            let fix = "Look for the name in /etc/config/dhcp and /etc/hosts.";
            let finding = out.about(fqdn, text, fix).severity(severity);
            finding.dns(judged.best, family).dns(Some((told, answer)), family);
        }
    }
}

fn reflect(facts: &Facts, out: &mut Answers) {
    let names = names(facts, out);
    let here = |name: &&Named| {
        let here = named::here(facts, name.asked);
        let told = local(name, Family::Ipv4);
        told.is_some_and(|(_, answer)| answer.addresses.iter().any(|ip| here.ours.contains(ip)))
    };
    let leads = |name: &&Named| name.v4.state.leads();
    if names.iter().any(|name| leads(&name) && local(name, Family::Ipv4).is_none()) {
        out.untold();
    }
    let Some(name) = names.iter().filter(leads).find(here) else { return };
    let Some((told, answer)) = local(name, Family::Ipv4) else { return };
    for (index, forward) in facts.redirects() {
        let host = matches!(forward.target, Target::Host(_)) && !facts.to_router(forward);
        if forward.origin != Origin::Redirect || !forward.v4 || !host {
            continue;
        }
        let masq = facts.zone_of(forward).is_none_or(|zone| zone.masq);
        if out.pass_if(forward.reflection && masq) {
            continue;
        }
        let text = format!("At home {} leads to the router, not to this host.", name.asked.fqdn);
        let fix = match masq {
            true => "Write option reflection '1' in the section.",
            false => {
                "Reflection needs option masq '1' in the zone; or name the host in config domain."
            }
        };
        out.forward(facts, index, text, fix).dns(Some((told, answer)), Family::Ipv4);
    }
}
