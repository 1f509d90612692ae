//! Group `acl`: what the live ruleset does to a new packet from the Internet, worked out by
//! `acl`. For each forward the way of its packets; rules of the owner that do nothing; and what
//! is let in although no section says so.

use super::ports::{self, For};
use super::{Answers, Check, Facts, known, translates};
use crate::acl::forward::{self, Judged};
use crate::acl::rules::{self, Wrong};
use crate::acl::space::Space;
use crate::acl::walk::{Answer, By, Caps, Fate, Question, Route, RuleId, TooComplex, World, ask};
use crate::acl::words;
use crate::model::address::{Prefix, is_global};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};
use crate::model::forward::{Forward, Ports, Proto, Target};
use crate::model::known::Known;
use crate::model::name::Family;
use crate::model::ruleset::{Action, Expr, Ruleset};
use crate::model::snapshot::Snapshot;
use std::net::{IpAddr, Ipv6Addr};

pub const CHECKS: &[Check] = &[
    Check {
        id: "rule.denied",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the firewall refuses its packets",
        what: "The live ruleset was followed rule by rule, all tables and priorities: a packet \
               for this forward does not come through. Filter rules see the address and port \
               inside, and stand before the permission for forwards.",
        next: "Remove or narrow the rule that is named.",
        trap: "Sets may let some sources in: then it is told as partly open.",
        source: "nft -j list ruleset, walked as the kernel does",
        after: &[
            "rule.drift",
            "rule.drift.missing",
            "rule.shadowed",
            "rule.to_router",
            "rule.dmz.steals",
            "rule.listener",
            "rule.upnp.gone",
        ],
        run: denied,
    },
    Check {
        id: "acl.undeclared",
        severity: Severity::Critical,
        axis: Axis::Expose,
        title: "open, and no section says so",
        what: "The live ruleset lets new packets from the Internet in by a rule that stands for no \
               section of the config: an included file, another program, a policy.",
        next: "Find who made the rule, and remove it or write it as a section.",
        trap: "",
        source: "nft -j list ruleset, walked as the kernel does",
        after: &["zone.default_forward", "zone.wan_to_lan", "zone.wan_input"],
        run: undeclared,
    },
    Check {
        id: "acl.broad",
        severity: Severity::Medium,
        axis: Axis::Expose,
        title: "a rule opens more than a service needs",
        what: "A section lets the whole Internet to more than a thousand ports, or to every host \
               of a network that has public addresses.",
        next: "Name the ports and the host that are needed.",
        trap: "Redirects are rule.dmz's; private addresses that nobody can send to are not meant.",
        source: "nft -j list ruleset, walked as the kernel does; OVERBROAD in Batfish's words",
        after: &["rule.dmz", "zone.v6_open", "zone.wan_to_lan", "zone.wan_input"],
        run: broad,
    },
    Check {
        id: "acl.shadow",
        severity: Severity::High,
        axis: Axis::Hygiene,
        title: "a rule never takes effect",
        what: "Earlier rules with another outcome take every packet that it would match. The first \
               rule that matches decides. Named is the smallest move after which it would match \
               something (acl.order in other words); none where no move helps.",
        next: "Move it before the rule that is named, or remove one of the two.",
        trap: "",
        source: "nft -j list ruleset",
        after: &[],
        run: shadow,
    },
    Check {
        id: "acl.redundant",
        severity: Severity::Low,
        axis: Axis::Hygiene,
        title: "a rule changes nothing",
        what: "Without it every packet would end the same.",
        next: "Remove it.",
        trap: "",
        source: "nft -j list ruleset",
        after: &[],
        run: redundant,
    },
    Check {
        id: "acl.contradict",
        severity: Severity::Medium,
        axis: Axis::Hygiene,
        title: "two rules contradict each other",
        what: "They match packets in common, do different things, and neither is the other's \
               special case. The earlier one decides on what both match.",
        next: "Say in one of them what the other is for.",
        trap: "",
        source: "nft -j list ruleset",
        after: &[],
        run: contradict,
    },
    Check {
        id: "acl.empty",
        severity: Severity::Medium,
        axis: Axis::Hygiene,
        title: "a rule matches nothing",
        what: "Its own conditions exclude each other.",
        next: "Correct or remove it.",
        trap: "",
        source: "nft -j list ruleset",
        after: &[],
        run: empty,
    },
    Check {
        id: "acl.complex",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "the ruleset is too complex to be followed",
        what: "There is a bound to how long a ruleset is followed, so that a report ends. Past it \
               the answer is unknown.",
        next: "Use sets instead of many single rules.",
        trap: "",
        source: "nft -j list ruleset",
        after: &[],
        run: complex,
    },
];

/// What the live ruleset does with a forward's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Some of them: what becomes of the others.
    Partly(String),
    Closed(String),
    /// It depends on something that cannot be seen.
    Perhaps(String),
}

/// What is around the ruleset, for [`World`].
pub struct Around<'a> {
    rules: &'a Ruleset,
    local: Vec<IpAddr>,
    routes: Vec<Route>,
    first: Vec<(String, IpAddr)>,
}

impl<'a> Around<'a> {
    pub fn of(snapshot: &'a Snapshot) -> Known<Around<'a>> {
        let rules = match &snapshot.live {
            Known::Known(rules) => rules,
            Known::Unknown(why) => return Known::Unknown(why.clone()),
        };
        let networks = match &snapshot.networks {
            Known::Known(networks) => networks,
            Known::Unknown(why) => return Known::Unknown(why.clone()),
        };
        let (mut local, mut routes, mut first) = (Vec::new(), Vec::new(), Vec::new());
        for network in networks.iter().filter(|network| network.up) {
            let Some(device) = &network.device else { continue };
            let mut to = network.routes.clone();
            for (ip, len) in &network.addresses {
                local.push(*ip);
                to.extend(Prefix::of(*ip, *len));
                let known =
                    |(at, own): &(String, IpAddr)| at == device && own.is_ipv4() == ip.is_ipv4();
                if !first.iter().any(known) {
                    first.push((device.clone(), *ip));
                }
            }
            if network.default_route {
                to.extend(["0.0.0.0/0", "::/0"].into_iter().filter_map(Prefix::parse));
            }
            routes.extend(to.into_iter().map(|to| Route { to, device: device.clone() }));
        }
        Known::Known(Around { rules, local, routes, first })
    }

    fn world(&self) -> World<'_> {
        World { rules: self.rules, local: &self.local, routes: &self.routes, first: &self.first }
    }
}

/// The devices on which the Internet comes in.
fn devices(snapshot: &Snapshot) -> Vec<&str> {
    let networks = snapshot.networks.known().into_iter().flatten();
    let mut devices: Vec<&str> = networks
        .filter(|network| network.default_route)
        .filter_map(|network| network.device.as_deref())
        .collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

/// The way of each forward, in their order.
pub fn ways(snapshot: &Snapshot, forwards: &[Forward]) -> Vec<Known<Way>> {
    let around = Around::of(snapshot);
    let devices = devices(snapshot);
    let one = |forward: &Forward| match &around {
        Known::Unknown(why) => Known::Unknown(why.clone()),
        Known::Known(_) if !forward.is_active() => Known::Unknown("it is not in force".into()),
        Known::Known(around) => way(around, &devices, snapshot, forward),
    };
    forwards.iter().map(one).collect()
}

fn way(around: &Around, devices: &[&str], snapshot: &Snapshot, forward: &Forward) -> Known<Way> {
    let (mut open, mut closed, mut perhaps) = (false, None, None);
    for device in devices {
        for family in Family::BOTH {
            if !(if family == Family::Ipv4 { forward.v4 } else { forward.v6 }) {
                continue;
            }
            for (dest, target) in pairs(around, device, snapshot, forward, family) {
                for protocol in protocols(forward) {
                    for ports in forward.ports() {
                        let asked = forward::Forward {
                            device,
                            protocol,
                            ports: (ports.first, ports.last),
                            dest: &[dest],
                            source: forward
                                .source
                                .nets
                                .iter()
                                .find(|net| net.ip.is_ipv4() == dest.is_ipv4())
                                .copied(),
                            target,
                            target_ports: forward
                                .to_port
                                .filter(|_| !forward.every_port())
                                .map(|to| (to.first, to.last)),
                        };
                        let Ok(judged) =
                            forward::judge(around.world(), &asked, true, Caps::default())
                        else {
                            return Known::Unknown(TooComplex.to_string());
                        };
                        open |= !judged.arrives.is_empty();
                        closed = closed.or_else(|| told(around, &judged, &judged.lost));
                        perhaps = perhaps.or_else(|| told(around, &judged, &judged.unsure));
                    }
                }
            }
        }
    }
    match (open, closed, perhaps) {
        (true, None, None) => Known::Known(Way::Open),
        (true, Some(rest), _) => Known::Known(Way::Partly(rest)),
        (_, _, Some(doubt)) => Known::Known(Way::Perhaps(doubt)),
        (false, Some(rest), None) => Known::Known(Way::Closed(rest)),
        (false, None, None) => Known::Unknown("there is no WAN address to ask for".into()),
    }
}

fn told(around: &Around, judged: &Judged, parts: &[forward::Part]) -> Option<String> {
    let part = parts.first()?;
    let end = judged.answer.ends.get(part.end)?;
    let packet = &part.witness;
    Some(format!(
        "a packet to {} port {} {}",
        packet.dest,
        packet.dest_port,
        words::sentence(around.rules, &judged.answer, end)
    ))
}

fn protocols(forward: &Forward) -> Vec<u8> {
    let number = |proto: &Proto| match proto {
        Proto::Tcp => vec![6],
        Proto::Udp => vec![17],
        Proto::Any => vec![6, 17],
        Proto::Other(_) => vec![],
    };
    forward.protos.iter().flat_map(number).collect()
}

/// Which address somebody outside asks for, and where it should arrive.
fn pairs(
    around: &Around,
    device: &str,
    snapshot: &Snapshot,
    forward: &Forward,
    family: Family,
) -> Vec<(IpAddr, IpAddr)> {
    let networks = snapshot.networks.known().into_iter().flatten();
    let own = networks
        .clone()
        .filter(|network| network.device.as_deref() == Some(device))
        .flat_map(|network| &network.addresses)
        .map(|(ip, _)| *ip)
        .filter(|ip| Family::of(*ip) == family)
        .filter(|ip| {
            forward.src_dip.is_empty() || forward.src_dip.iter().any(|net| net.contains(*ip))
        });
    // The subnets behind, for rules that name no single host.
    let inside = networks
        .filter(|network| !network.default_route && network.device.as_deref() != Some("lo"))
        .flat_map(|network| &network.addresses)
        .filter(|(ip, _)| Family::of(*ip) == family);
    match &forward.target {
        Target::Host(target) if translates(forward) => own.map(|dest| (dest, *target)).collect(),
        Target::Router if translates(forward) => {
            let to = around.first.iter().find(|(at, ip)| at == device && Family::of(*ip) == family);
            own.filter_map(|dest| Some((dest, to?.1))).collect()
        }
        Target::Router => own.map(|dest| (dest, dest)).collect(),
        Target::Host(target) => vec![(*target, *target)],
        Target::Net(net) => vec![(net.ip, net.ip)],
        Target::Suffix(suffix, mask) => inside
            .filter_map(|(ip, _)| match ip {
                IpAddr::V6(ip) => {
                    let bits = ip.to_bits() & !mask.to_bits() | suffix.to_bits();
                    Some(IpAddr::from(Ipv6Addr::from_bits(bits)))
                }
                IpAddr::V4(_) => None,
            })
            .map(|ip| (ip, ip))
            .collect(),
        // Some host there stands for all.
        Target::Zone(_) => inside
            .filter_map(|(ip, _)| match ip {
                IpAddr::V6(ip) => Some(IpAddr::from(Ipv6Addr::from_bits(ip.to_bits() ^ 0x77))),
                IpAddr::V4(_) => None,
            })
            .map(|ip| (ip, ip))
            .collect(),
    }
}

fn denied(facts: &Facts, out: &mut Answers) {
    for (index, _) in facts.active() {
        match facts.ways.get(index) {
            Some(Known::Known(Way::Closed(why))) => {
                let text = format!("From the Internet {why}.");
                out.forward(facts, index, text, "Remove or narrow the rule that is named.")
                    .effect(Effect::Blocked(Where::Acl))
                    .seen(Means::Nft, "nft -j list ruleset", why.clone());
            }
            Some(Known::Known(Way::Partly(why))) => {
                let text = format!("Only part of it comes through: {why}.");
                out.forward(facts, index, text, "Remove or narrow the rule that is named.")
                    .severity(Severity::Medium)
                    .effect(Effect::Partial);
            }
            Some(Known::Known(Way::Open)) => out.pass(),
            _ => out.untold(),
        }
    }
}

fn undeclared(facts: &Facts, out: &mut Answers) {
    let Some(_) = known(&facts.snapshot.live, out) else { return };
    // Without a config of zones and sections nothing is declared, or everything.
    let Some(_) = known(&facts.snapshot.firewall, out) else { return };
    let mut told: Vec<String> = Vec::new();
    from_outside(facts, out, &mut |around, device, answer, out| {
        let family = answer.family;
        let Ok(openings) = forward::surface(answer, &[], Caps::default()) else {
            out.untold();
            return;
        };
        for opening in openings.iter().filter(|opening| opening.sure) {
            let Some(end) = answer.ends.get(opening.end) else { continue };
            // ICMP and its kin are no service.
            if !matches!(opening.witness.protocol, 6 | 17) {
                continue;
            }
            let by = words::owner(around.rules, answer, end.by);
            let nat = answer.nats.get(end.nat as usize).filter(|_| end.nat != 0);
            let named = |id: RuleId| words::section(around.rules, id).is_some();
            let declared = by.is_some_and(named)
                || nat.is_some_and(|(id, _)| listed(facts, around.rules, *id));
            if out.pass_if(declared) {
                continue;
            }
            let text = format!(
                "A packet to {} port {} {}.",
                opening.witness.dest,
                opening.witness.dest_port,
                words::sentence(around.rules, answer, end)
            );
            // The same rule in both families, or on two devices, is one finding.
            let subject = match end.by {
                By::Rule(id, _) => words::rule(around.rules, by.unwrap_or(id)),
                _ => "the ruleset".into(),
            };
            if told.contains(&subject) {
                continue;
            }
            told.push(subject.clone());
            out.about(
                &subject,
                text,
                "Find who made the rule; remove it, or write it as a section.",
            )
            .seen(
                Means::Nft,
                "nft -j list ruleset",
                format!("from {device}, new, {family}"),
            );
        }
    });
}

/// What becomes of all packets from the Internet, by device, in each family; `None`: that is too
/// complex. Asked for once.
pub type Outside<'a> = Known<Vec<(&'a str, Option<Answer>)>>;

pub fn outside(snapshot: &Snapshot) -> Outside<'_> {
    Around::of(snapshot).map(|around| {
        let mut all = Vec::new();
        for device in devices(snapshot) {
            for family in Family::BOTH {
                let question = Question { device, family, spaces: vec![Space::ALL], calm: true };
                all.push((device, ask(around.world(), &question, Caps::default()).ok()));
            }
        }
        all
    })
}

fn from_outside(
    facts: &Facts,
    out: &mut Answers,
    each: &mut dyn FnMut(&Around, &str, &Answer, &mut Answers),
) {
    let (Known::Known(around), Known::Known(all)) = (Around::of(facts.snapshot), facts.outside)
    else {
        out.untold();
        return;
    };
    for (device, answer) in all {
        match answer {
            Some(answer) => each(&around, device, answer, out),
            None => out.untold(),
        }
    }
}

fn broad(facts: &Facts, out: &mut Answers) {
    if known(&facts.snapshot.live, out).is_none() {
        return;
    }
    let mut told: Vec<String> = Vec::new();
    from_outside(facts, out, &mut |around, _, answer, out| {
        for one in forward::broad(answer) {
            let Some(end) = answer.ends.get(one.end) else { continue };
            let (low, high) = end.asked.protocol;
            let ported = [6, 17].iter().any(|number| (low..=high).contains(number));
            // Somebody out there can send to it.
            let there = match end.fate {
                Fate::Router => one.ports,
                _ => is_global(end.now.witness().dest, facts.assume_public),
            };
            let id = words::owner(around.rules, answer, end.by).filter(|_| end.nat == 0);
            let section = id.and_then(|id| words::section(around.rules, id));
            let Some(name) = section.filter(|_| ported && there) else { continue };
            let made = facts.active().find(|(_, forward)| forward.name == name);
            let (low, high) = end.now.dest_port;
            let ports = Ports { first: low, last: high };
            // A VPN's server may be any host (IKE, stock in OpenWrt): the lock is its own.
            let served = ports::services(&[Proto::Udp], &[ports]);
            let vpn = low == high && served.iter().any(|service| service.meant == For::Vpn);
            if vpn || told.iter().any(|one| one == name) {
                continue;
            }
            told.push(name.to_string());
            let at = match ports.count() {
                1 => format!("port {low}"),
                many if many > 65_000 => "every port".into(),
                _ => format!("ports {ports}"),
            };
            let whose = match end.fate {
                Fate::Router => "the router".into(),
                _ if one.hosts => "every host behind the router".to_string(),
                _ => end.now.witness().dest.to_string(),
            };
            let text = format!("Section \"{name}\" lets anybody to {at} of {whose}.");
            let fix = "Name the ports and the host that are needed.";
            let finding = match made {
                Some((index, _)) => out.forward(facts, index, text, fix),
                None => out.about(name, text, fix),
            };
            let seen = words::sentence(around.rules, answer, end);
            finding.seen(Means::Nft, "nft -j list ruleset", format!("a packet {seen}"));
        }
        out.pass();
    });
}

/// A DNAT that stands in the table of forwards: a section's, a lease's, or shown as found.
fn listed(facts: &Facts, rules: &Ruleset, id: RuleId) -> bool {
    let handle = id.find(rules).map(|(.., rule)| rule.handle);
    let known = super::dnat::dnats(rules);
    known
        .iter()
        .any(|dnat| Some(dnat.handle) == handle && facts.forwards.iter().any(|f| dnat.is(f)))
}

fn shadow(facts: &Facts, out: &mut Answers) {
    wrong(facts, out, &[Wrong::Shadowed]);
}

fn redundant(facts: &Facts, out: &mut Answers) {
    wrong(facts, out, &[Wrong::Redundant, Wrong::RedundantLater]);
}

fn contradict(facts: &Facts, out: &mut Answers) {
    wrong(facts, out, &[Wrong::Contradicts]);
}

fn empty(facts: &Facts, out: &mut Answers) {
    wrong(facts, out, &[Wrong::Empty]);
}

fn complex(facts: &Facts, out: &mut Answers) {
    let too_complex = TooComplex.to_string();
    match facts.rules {
        Known::Known((_, true)) => out.pass(),
        Known::Known((_, false)) => too_far(out),
        Known::Unknown(why) if *why == too_complex => too_far(out),
        Known::Unknown(_) => out.untold(),
    }
}

fn too_far(out: &mut Answers) {
    let text = "It was followed up to a bound, and no further.";
    out.about("ruleset", text, "Use sets instead of many single rules.");
}

/// What is wrong with the rules, and whether all were judged; asked for once.
pub type Judgement = Known<(Vec<rules::Finding>, bool)>;

pub fn judge(snapshot: &Snapshot) -> Judgement {
    Around::of(snapshot)
        .and_then(|around| rules::judge(around.world(), &devices(snapshot), Caps::default()).into())
}

fn wrong(facts: &Facts, out: &mut Answers, what: &[Wrong]) {
    let (Some((found, whole)), Some(live)) = (known(facts.rules, out), facts.snapshot.live.known())
    else {
        return;
    };
    for finding in found.iter().filter(|finding| what.contains(&finding.wrong)) {
        let Some((.., rule)) = finding.rule.find(live) else { continue };
        // Rules of fw4's own are no mistake of the owner's; of redirects group `rule` tells.
        let own = rule.comment.as_deref().is_some_and(|text| text.starts_with("!fw4: "));
        let dnat = |expr: &Expr| matches!(expr, Expr::Do(Action::Dnat(_) | Action::Redirect(_)));
        // Bare jumps too: `jump handle_reject` at the end of a chain.
        let own = own || matches!(rule.exprs[..], [Expr::Do(Action::Jump(_) | Action::Goto(_))]);
        let section = words::section(live, finding.rule);
        if (own && section.is_none()) || rule.exprs.iter().any(dnat) {
            continue;
        }
        let name = words::rule(live, finding.rule);
        let blockers: Vec<String> =
            finding.blockers.iter().take(3).map(|one| words::rule(live, one.rule)).collect();
        let blockers = blockers.join(", ");
        let text = match finding.wrong {
            Wrong::Shadowed => format!("{blockers} takes all its packets before."),
            Wrong::Redundant => format!("{blockers} does the same before."),
            Wrong::RedundantLater => "Without it all its packets would end the same.".into(),
            Wrong::Contradicts => {
                format!("{blockers} takes some of its packets, and does something else.")
            }
            _ => "Its own conditions exclude each other.".into(),
        };
        let fix = match finding.before.filter(|_| what.contains(&Wrong::Shadowed)) {
            Some(id) => {
                format!("Move it before {}, or remove one of the two.", words::rule(live, id))
            }
            None => "Correct or remove it.".into(),
        };
        let subject = section.unwrap_or(&name);
        out.about(subject, text, fix).seen(Means::Nft, "nft -j list ruleset", name.clone());
    }
    if *whole { out.pass() } else { out.untold() }
}
