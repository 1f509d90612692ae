//! Group `name`: does the name lead here? By what its zone's name servers say; what resolvers say
//! beside that tells of caches, and the router's own what hosts at home are told. Where nobody was
//! asked nothing is said.

use super::acl::Way;
use super::named::{self, Named, State, evidence, list};
use super::{Answers, Check, Facts, known};
use crate::model::address::is_global;
use crate::model::answer::{Answer, Told, Who};
use crate::model::finding::{Axis, Effect, Finding, Means, Severity, Where};
use crate::model::forward::{Forward, Origin, Target};
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

fn names<'a>(facts: &Facts<'a>, out: &mut Answers) -> &'a [Named<'a>] {
    known(&facts.snapshot.names, out);
    facts.names
}

/// What a server told.
type Word<'a> = Option<(&'a Told, &'a Answer)>;

impl Finding {
    fn dns(&mut self, word: Word, family: Family) -> &mut Finding {
        self.evidence.extend(word.map(|(told, answer)| evidence(told, answer, family)));
        self
    }

    /// Forwards that nobody finds by a name are blocked there.
    fn ends(&mut self, facts: &Facts) {
        let lost = named::lost(facts);
        if !lost.is_empty() {
            self.forwards = lost;
            self.effect(Effect::Blocked(Where::Name));
        }
    }
}

/// The name fails, by what its zone says.
fn tell<'o>(
    out: &'o mut Answers,
    name: &Named,
    family: Family,
    text: String,
    fix: &str,
) -> &'o mut Finding {
    let fix = match fix {
        WHY => [WHY, &name.asked.fqdn].concat(),
        fix => fix.replace("{section}", &name.asked.section),
    };
    out.about(&name.asked.fqdn, text, fix).dns(name.of(family).best, family)
}

const WHY: &str = "See what became of it: reachd why ";

fn nx(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let state = |family: Family| name.of(family).state;
        let (mut told, mut silent, mut missing) = (false, false, None);
        for family in Family::BOTH {
            if name.asked.families.contains(&family) && named::wants(facts, name, family) {
                match state(family) {
                    State::Unknown => silent = true,
                    State::None | State::NoName => missing = missing.or(Some(family)),
                    _ => told = true,
                }
            }
        }
        let has = |family: &Family| state(*family) >= State::Elsewhere;
        let other = Family::BOTH.iter().any(has);
        let Some(family) = missing.filter(|one| !other || *one == Family::Ipv4) else {
            // Who finds an A record does without the other.
            let fine = out.pass_if(told || missing.is_some());
            // Whether there is something to publish may be what is not known.
            if silent || (!fine && name.here.perhaps.is_some()) {
                out.untold();
            }
            continue;
        };
        let (fqdn, zone) = (&name.asked.fqdn[..], name.asked.zone.known());
        let zone = zone.map_or("", String::as_str);
        let text = match (state(family), other) {
            (State::NoName, _) => ["Zone ", zone, " has no name ", fqdn, "."],
            (_, false) => ["Zone ", zone, " has no address at ", fqdn, "."],
            _ => [fqdn, " has no A record: ", "who has IPv4 alone ", "does not find it.", ""],
        };
        let finding = tell(out, name, family, text.concat(), WHY);
        match other {
            false => finding.ends(facts),
            true => finding.severity = Severity::Medium,
        }
    }
}

fn a(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        match name.v4.state {
            _ if !name.asked.families.contains(&Family::Ipv4) => {}
            State::Here | State::Partly => out.pass(),
            State::Unknown | State::Untold => out.untold(),
            State::Elsewhere => {
                let (to, ours) = (list(name.v4.addresses()), list(&name.here.ours));
                let fqdn = &name.asked.fqdn[..];
                let text = match &ours[..] {
                    "" => [fqdn, " leads to ", &to, "; this router has no address to publish", ""],
                    ours => [fqdn, " leads to ", &to, "; this router is ", ours],
                };
                let finding = tell(out, name, Family::Ipv4, text.concat() + ".", WHY);
                if !ours.is_empty() {
                    finding.ends(facts);
                }
            }
            _ => {}
        }
    }
}

fn special(facts: &Facts, ip: IpAddr) -> bool {
    !is_global(ip, facts.assume_public)
}

fn private(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        for family in Family::BOTH {
            let judged = name.of(family);
            // A resolver's word counts where the zone's cannot be had.
            let Some(word) = judged.best.or_else(|| name.said(Who::Public, family)) else {
                out.untold();
                continue;
            };
            let mut bad = word.1.addresses.clone();
            bad.retain(|ip| special(facts, *ip) && !name.here.ours.contains(ip));
            if out.pass_if(bad.is_empty() || judged.state == State::Here) {
                continue;
            }
            let fqdn = &name.asked.fqdn[..];
            let text = [fqdn, " leads to ", &list(&bad), ", which the Internet cannot reach."];
            let fix = "Publish the public address, or remove this one.";
            let finding = tell(out, name, family, text.concat(), fix);
            if finding.evidence.is_empty() {
                finding.dns(Some(word), family);
            }
            if family == Family::Ipv4 {
                finding.ends(facts);
            }
        }
    }
}

fn extra(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        match name.v4.state {
            State::Here => out.pass(),
            State::Unknown | State::Untold => out.untold(),
            State::Partly => {
                let mut others = name.v4.addresses().to_vec();
                others.retain(|ip| !name.here.ours.contains(ip));
                let (fqdn, to) = (&name.asked.fqdn[..], list(&others));
                let text = [fqdn, " leads here and to ", &to, ": visitors take either."].concat();
                tell(out, name, Family::Ipv4, text, "Remove the other addresses, if they are old.");
            }
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
                let home = answer.addresses.iter().all(|ip| special(facts, *ip));
                if answer.addresses == right.addresses || (told.who == Who::Local && home) {
                    out.pass();
                    continue;
                }
                wait = wait.zip(answer.ttl).map(|(most, ttl)| most.max(ttl));
                old.push((told, answer));
            }
            if old.is_empty() {
                continue;
            }
            let text =
                ["Some are told something else of ", &name.asked.fqdn, " than its zone says."];
            let fix = match wait {
                Some(seconds) => format!("Wait: it lasts at most {seconds} s."),
                None => "Wait: how long that lasts is the zone's choice (SOA).".into(),
            };
            let finding = tell(out, name, family, text.concat(), &fix);
            for word in old {
                finding.dns(Some(word), family);
            }
        }
    }
}

/// Whether a WAN's address may change: not a fixed one. `None`: not to be told.
fn is_dynamic(facts: &Facts) -> Option<bool> {
    let mut dynamic = None;
    for network in facts.networks()?.iter().filter(|network| network.default_route) {
        match &network.proto[..] {
            "" => return None,
            proto => dynamic = Some(dynamic == Some(true) || proto != "static"),
        }
    }
    dynamic
}

fn ttl(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let leads = |family: &Family| name.of(*family).state.leads();
        let Some(family) = Family::BOTH.into_iter().find(leads) else { continue };
        let seconds = name.of(family).best.and_then(|(_, answer)| answer.ttl);
        let (Some(seconds), Some(dynamic)) = (seconds, is_dynamic(facts)) else {
            out.untold();
            continue;
        };
        if !out.pass_if(seconds <= 3600 || !dynamic) {
            let text = format!("Resolvers keep {} for {seconds} s.", name.asked.fqdn);
            tell(out, name, family, text, "Write option ttl '300' in section '{section}'.");
        }
    }
}

fn cname(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        for family in Family::BOTH {
            let judged = name.of(family);
            let Some((_, answer)) = judged.best else {
                out.untold();
                continue;
            };
            if out.pass_if(judged.state != State::Alias) {
                continue;
            }
            // The zone's own servers need not know where it ends.
            let word = name.said(Who::Public, family);
            let end = word.map_or(answer, |(_, answer)| answer);
            let end = if end.aliases.is_empty() { answer } else { end };
            let last = end.aliases.last().map_or("", String::as_str);
            let (fqdn, to) = (&name.asked.fqdn[..], list(&end.addresses));
            let ours = end.addresses.iter().any(|ip| name.here.ours.contains(ip));
            let unclear = family == Family::Ipv6 || name.here.perhaps.is_some() || to.is_empty();
            let (severity, text) = if end.aliases.len() > MOST_ALIASES {
                (Severity::High, ["The aliases of ", fqdn, " go round in a circle", "", ""])
            } else if !end.exists {
                (Severity::High, [fqdn, " is an alias of ", last, ", which does not exist", ""])
            } else if !ours && !unclear {
                (Severity::High, [fqdn, " is an alias of ", last, ", which is not here but ", &to])
            } else {
                (Severity::Info, [fqdn, " is an alias of ", last, "", ""])
            };
            let fix = match facts.names.iter().any(|one| one.asked.fqdn == last) {
                true => "Nothing, if that is meant.".to_string(),
                false => ["Keep ", last, " instead, or remove the alias."].concat(),
            };
            let finding = tell(out, name, family, text.concat() + ".", &fix);
            finding.severity(severity).dns(word, family);
            break;
        }
    }
}

/// Forwards that this holds of, UPnP's aside: no name is used for those.
fn which(facts: &Facts, fits: &dyn Fn(&Forward) -> bool) -> Vec<usize> {
    let all = facts.active().filter(|(_, one)| one.origin != Origin::Upnp && fits(one));
    all.map(|(index, _)| index).collect()
}

fn proxied(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let proxied = |family: &Family| name.of(*family).state == State::Proxied;
        let Some(family) = Family::BOTH.into_iter().find(proxied) else {
            match name.v4.state.is_told() {
                true => out.pass(),
                false => out.untold(),
            }
            continue;
        };
        let shut = which(facts, &|forward| !named::is_web(forward));
        if out.pass_if(shut.is_empty()) {
            continue;
        }
        let text =
            [&name.asked.fqdn, " is Cloudflare's proxy, which does not pass these ports on."];
        let fix = "Switch the proxy off for it (grey cloud), or use another name for these.";
        let finding = tell(out, name, family, text.concat(), fix);
        let lost = named::lost(facts);
        // Another name may lead here.
        match shut.iter().all(|index| lost.contains(index)) {
            true => finding.effect = Effect::Blocked(Where::Name),
            false => finding.severity = Severity::Medium,
        }
        finding.forwards = shut;
    }
}

fn stale(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        let fqdn = &name.asked.fqdn[..];
        let addresses = name.v6.addresses();
        match name.v6.state {
            State::Elsewhere | State::Partly => {
                let which = match name.v6.state {
                    State::Partly => ", not all of which are",
                    _ => ", which is not",
                };
                let to = list(addresses);
                let text = [fqdn, " has AAAA ", &to, which, " in a network of this router."];
                let fix = match name.asked.families.contains(&Family::Ipv6) {
                    true => WHY,
                    false => "Remove the AAAA record where you made it.",
                };
                tell(out, name, Family::Ipv6, text.concat(), fix);
            }
            State::Here => {
                let hosts = addresses.iter().filter(|ip| !named::is_router(facts, **ip));
                hosts.for_each(|ip| shut(facts, out, name, *ip));
                out.pass();
            }
            State::Unknown | State::Untold => out.untold(),
            _ => {}
        }
    }
}

/// What is open by IPv4 and closed by IPv6, where the name leads to a host.
fn shut(facts: &Facts, out: &mut Answers, name: &Named, ip: IpAddr) {
    let (mut shut, mut first) = (Vec::new(), None);
    for (index, forward) in facts.redirects().filter(|_| name.v4.state.leads()) {
        match named::by_ipv6(facts, index, forward, ip) {
            None | Some(Known::Known(Way::Open)) => {}
            Some(Known::Known(Way::Closed(how))) => {
                shut.push(index);
                first.get_or_insert(how);
            }
            Some(_) => out.untold(),
        }
    }
    let Some(how) = first else { return };
    let text =
        format!("Who comes by IPv6 goes to {ip}, where the firewall closes what is open by IPv4.");
    let fix = "Open the same port for that address (family 'ipv6'), or remove the AAAA record.";
    let finding = tell(out, name, Family::Ipv6, text, fix);
    finding.seen(Means::Nft, "nft -j list ruleset", how).forwards = shut;
}

/// It leads IPv4 to a host behind.
fn behind(facts: &Facts, forward: &Forward) -> bool {
    matches!(forward.target, Target::Host(_)) && !facts.to_router(forward) && forward.v4
}

fn router(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        if !name.v6.state.is_told() {
            out.untold();
        }
        let own = name.v6.addresses().iter().find(|ip| named::is_router(facts, **ip));
        let Some(own) = own.filter(|_| name.v4.state.leads()) else { continue };
        let forwards = which(facts, &|one| behind(facts, one) && super::translates(one));
        if out.pass_if(forwards.is_empty()) {
            continue;
        }
        let fqdn = &name.asked.fqdn;
        let text =
            format!("{fqdn} leads IPv4 to hosts behind, but IPv6 ({own}) to the router itself.");
        let fix = "In section '{section}': list host for one host, or option family 'ipv4'.";
        tell(out, name, Family::Ipv6, text, fix).forwards = forwards;
    }
}

fn rebind(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        for family in Family::BOTH {
            if !name.of(family).addresses().iter().any(|ip| special(facts, *ip)) {
                continue;
            }
            let Some(word) = name.said(Who::Local, family) else {
                out.untold();
                continue;
            };
            let protected = facts.snapshot.dhcp.known().map(|dhcp| dhcp.rebind_protection);
            if out.pass_if(!word.1.addresses.is_empty() || protected == Some(false)) {
                continue;
            }
            let why = match protected {
                Some(_) => " has no address: rebind protection drops it.",
                None => " has no address: most likely rebind protection.",
            };
            let fqdn = &name.asked.fqdn[..];
            let fix = ["In config dnsmasq: list rebind_domain '", fqdn, "'"].concat();
            let text = ["At home ", fqdn, why].concat();
            tell(out, name, family, text, &fix).dns(Some(word), family);
        }
    }
}

fn split(facts: &Facts, out: &mut Answers) {
    for name in names(facts, out) {
        for family in Family::BOTH {
            let right = name.of(family).addresses();
            if right.is_empty() {
                continue;
            }
            let Some(word) = name.said(Who::Local, family) else {
                out.untold();
                continue;
            };
            let inside = &word.1.addresses;
            // Old answers are `cache`'s, private ones that are left out `rebind`'s.
            let home = inside.iter().any(|ip| special(facts, *ip));
            let host = |ip: &IpAddr| facts.active().any(|(_, one)| one.target == Target::Host(*ip));
            let fine = match inside.is_empty() {
                true => right.iter().any(|ip| special(facts, *ip)),
                false => inside == right || !home || inside.iter().all(host),
            };
            if out.pass_if(fine) {
                continue;
            }
            let (fqdn, to) = (&name.asked.fqdn[..], list(inside));
            let text = match &to[..] {
                "" => ["At home ", fqdn, " has no ", family.record_type(), " record."],
                to => ["At home ", fqdn, " is ", to, ", where no forward leads."],
            };
            let fix = "Look for the name in /etc/config/dhcp and /etc/hosts.";
            let finding = tell(out, name, family, text.concat(), fix).dns(Some(word), family);
            if inside.is_empty() {
                finding.severity = Severity::Medium;
            }
        }
    }
}

fn reflect(facts: &Facts, out: &mut Answers) {
    let mut home = None;
    for name in names(facts, out).iter().filter(|name| name.v4.state.leads()) {
        match name.said(Who::Local, Family::Ipv4) {
            None => out.untold(),
            Some((_, answer)) if !answer.addresses.iter().any(|ip| name.here.ours.contains(ip)) => {
            }
            word => home = home.or(Some((name, word))),
        }
    }
    let Some((name, word)) = home else { return };
    for (index, forward) in facts.redirects() {
        if forward.origin != Origin::Redirect || !behind(facts, forward) {
            continue;
        }
        let masq = facts.zone_of(forward).is_none_or(|zone| zone.masq);
        if out.pass_if(forward.reflection && masq) {
            continue;
        }
        let fqdn = &name.asked.fqdn[..];
        let text = ["At home ", fqdn, " leads to the router, not to this host."].concat();
        let fix = match masq {
            true => "Write option reflection '1' in the section.",
            false => "Reflection needs option masq '1' in the zone.",
        };
        out.forward(facts, index, text, fix.to_string()).dns(word, Family::Ipv4);
    }
}
