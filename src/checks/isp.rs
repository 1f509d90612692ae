//! Group `path`, beyond the line's verdict: what lookups, the router above, the firewall's counters
//! and the daemon's memory tell of the way from the Internet. Nobody is asked for it now.

use super::dnat::dnats;
use super::path::{blocked, lines, of};
use super::{Answers, Check, Facts, known};
use crate::model::address::{class, is_global};
use crate::model::finding::{Axis, Effect, Means, Severity, Status, Where};
use crate::model::forward::{Forward, Ports, Proto};
use crate::model::known::Known;
use crate::model::line::{Line, Means as By};
use crate::model::name::Family;
use crate::model::snapshot::{LineOf, Policy, Snapshot};
use crate::model::utc::RELEASED;
use crate::model::words::span;
use std::net::IpAddr;
use std::time::Duration;

pub const CHECKS: &[Check] = &[
    Check {
        id: "path.nat.mismatch",
        severity: Severity::Critical,
        axis: Axis::Reach,
        title: "the Internet sees another address",
        what: "The WAN's address looks public, but independent lookups that were asked from it \
               agree on another: somebody translates on the way, and uses public space inside.",
        next: "Ask the provider for an address of your own, use IPv6, or a tunnel.",
        trap: "Plain HTTP does not count, a proxy may answer it; nor does one voice alone. What \
               was learnt holds while the WAN has the same addresses. Seldom they differ each \
               time (a pool of addresses): then nothing is said.",
        source: "lookups the daemon or reachd line made before, in the journal",
        after: &["path.wan.down"],
        run: mismatch,
    },
    Check {
        id: "path.upstream",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "what the router above says of itself",
        what: "A router above may tell its own outside address (NAT-PMP, PCP, UPnP). If that is \
               public, a port forwarded there comes in here; if it is not, that router is behind a \
               NAT as well, and forwarding there is not enough.",
        next: "Forward the same ports on the router above, if its address is public.",
        trap: "That it would grant a mapping proves nothing: also behind CGNAT they do. A report \
               asks nobody; reachd line and lookups by gateway: do.",
        source: "lookups by gateway:, in the journal; RFC 6886, RFC 6887",
        after: &["path.wan.down", "path.cgnat"],
        run: upstream,
    },
    Check {
        id: "path.isp.port",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "some providers block this port",
        what: "Providers drop some ports from the Internet for all customers: mail and file \
               sharing most often, the web on cheap lines. Whether yours does, only a packet from \
               outside can tell.",
        next: "Have it tried from outside; if nothing comes, take a high port.",
        trap: "It is a list of what is common. Once packets were counted by the forward's rule, \
               nothing is said.",
        source: "published lists of Cox, Bell MTS and GVTC",
        after: &["path.wan.down", "path.cgnat", "path.nat.mismatch"],
        run: common,
    },
    Check {
        id: "path.silence",
        severity: Severity::Low,
        axis: Axis::Reach,
        title: "nobody ever knocks",
        what: "Every public address is scanned all day. If the firewall has refused nothing from \
               the Internet for hours, something above it may keep the Internet out.",
        next: "Have a port tried from outside.",
        trap: "Only a hint. Behind CGNAT something is heard at times; where the zone accepts or \
               does not count, nothing is said.",
        source: "the counter of fw4's reject_from_wan and drop_from_wan",
        after: &["path.wan.down", "path.cgnat", "path.nat.mismatch"],
        run: silence,
    },
    Check {
        id: "path.v6",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "IPv6 does not come in",
        what: "A forward for IPv6 alone needs a way to the Internet over IPv6, and a public prefix \
               for the hosts behind the router.",
        next: "Look at: ifstatus wan6; ask the provider for IPv6 with a prefix.",
        trap: "Prefixes may come minutes after the line.",
        source: "the kernel's routes, netifd",
        after: &["path.wan.down"],
        run: v6,
    },
    Check {
        id: "path.dyn",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "no name holds the WAN's address",
        what: "The address is lent (dhcp, pppoe, ...), and none of the names that reachd keeps was \
               confirmed with it.",
        next: "Run: reachd why",
        trap: "Names that another program keeps are not seen.",
        source: "netifd; the journal",
        after: &["path.wan.down"],
        run: lent,
    },
    Check {
        id: "path.flap",
        severity: Severity::Low,
        axis: Axis::Reach,
        title: "the address changes often",
        what: "The WAN got another address three times or more within a day. Each change ends all \
               connections, and names lag behind by their TTL.",
        next: "Look why the line drops (logread); keep the TTL short.",
        trap: "Providers that cut the line once a day are not meant.",
        source: "the journal",
        after: &[],
        run: flap,
    },
];

/// Ports that more than one provider blocks from outside: first, last, transport.
#[rustfmt::skip]
const COMMON: &[(u16, u16, u8)] = &[
    (25, 25, b't'), (80, 80, b't'), (135, 139, b'b'), (143, 143, b't'), (445, 445, b't'),
    (1433, 1434, b'b'), (1900, 1900, b'u'),
];

/// So long without a knock is odd.
const QUIET: u64 = 6 * 3600;

/// So many changes within a day are.
const OFTEN: usize = 3;

/// The WAN's address that is, or looks, public.
fn global(facts: &Facts, line: &LineOf) -> Option<IpAddr> {
    line.addresses.iter().copied().find(|ip| is_global(*ip, facts.assume_public))
}

/// Lookups agree that the Internet sees another address than the one that looks public.
pub fn another(facts: &Facts, line: &LineOf) -> Option<(IpAddr, IpAddr)> {
    let told = line.told.known().filter(|_| line.family == Family::Ipv4)?;
    global(facts, line).zip(told.another).filter(|_| line.verdict.line != Line::VpnEgress)
}

/// The outside address that the router above a WAN told of itself.
pub fn above(line: &LineOf) -> Option<IpAddr> {
    let told = line.told.known().map(|told| &told.seen[..]).unwrap_or_default();
    let told = told.iter().filter(|one| one.means == By::Gateway);
    told.filter_map(|one| one.answer.as_ref().ok()).next().copied()
}

fn v4<'a>(facts: &Facts<'a>, out: &mut Answers) -> Vec<&'a LineOf> {
    lines(facts, out).iter().filter(|line| line.family == Family::Ipv4).collect()
}

fn mismatch(facts: &Facts, out: &mut Answers) {
    for line in v4(facts, out) {
        let Some(ip) = global(facts, line) else { continue };
        if let Some((own, seen)) = another(facts, line) {
            let text = format!(
                "{} has {own}, but the Internet sees {seen}: IPv4 forwards cannot work.",
                line.network
            );
            let fix = "Ask for an address of your own, or publish over IPv6.";
            blocked(facts, out, line, &|other| another(facts, other).is_some(), text, fix);
            continue;
        }
        let counts = |by: By| matches!(by, By::Https | By::Dns | By::Stun);
        match line.told.known() {
            Some(told) if told.seen.iter().any(|one| counts(one.means) && one.answer == Ok(ip)) => {
                out.pass();
            }
            _ => out.untold(),
        }
    }
}

fn upstream(facts: &Facts, out: &mut Answers) {
    for line in v4(facts, out) {
        let Some(own) = line.addresses.first().filter(|_| global(facts, line).is_none()) else {
            continue;
        };
        let Some(above) = above(line) else {
            if matches!(line.verdict.line, Line::DoubleNat { .. }) {
                out.untold();
            }
            continue;
        };
        let lead = format!("The router above {} says that it has {above} outside", line.network);
        let public = is_global(above, facts.assume_public);
        let (text, fix) = match public {
            true => (
                format!("{lead}: ports that it forwards to {own} come in here."),
                format!("Forward the same ports there to {own}."),
            ),
            false => (
                format!("{lead}, {}: it is behind a NAT itself.", class(above)),
                "Ask the provider for a public IPv4 address, or use IPv6.".into(),
            ),
        };
        let only = |forward: &Forward| {
            let lines = of(facts, forward, Family::Ipv4);
            !forward.v6 && forward.v4 && lines.iter().all(|one| one.network == line.network)
        };
        let finding = out.about(&line.network, text, fix);
        finding.seen(Means::State, "the journal", format!("gateway: {above}"));
        match public {
            true => finding.severity = Severity::Info,
            false => {
                finding.forwards =
                    facts.active().filter(|(_, f)| only(f)).map(|(index, _)| index).collect();
                finding.effect = Effect::Blocked(Where::Line);
            }
        }
    }
}

fn common(facts: &Facts, out: &mut Answers) {
    let live = facts.snapshot.live.known().map(dnats).unwrap_or_default();
    for (index, forward) in facts.active().filter(|(_, forward)| forward.v4) {
        let public = |line: &&LineOf| matches!(line.verdict.line, Line::Public);
        if forward.every_port() || !of(facts, forward, Family::Ipv4).iter().any(public) {
            continue;
        }
        let hit = |(first, last, by): &&(u16, u16, u8)| {
            let row = Ports { first: *first, last: *last };
            let proto = |proto: &Proto| match proto {
                Proto::Tcp => *by != b'u',
                Proto::Udp => *by != b't',
                _ => false,
            };
            forward.ext.iter().any(|ports| ports.meets(row)) && forward.protos.iter().any(proto)
        };
        let came = live.iter().any(|dnat| dnat.is(forward) && dnat.packets.unwrap_or(0) > 0);
        if came {
            out.pass();
        } else if let Some((first, last, _)) = COMMON.iter().find(hit) {
            let row = Ports { first: *first, last: *last };
            let text = format!(
                "Some providers let nothing in on {} {row}; whether yours does is not known.",
                forward.proto_words()
            );
            let fix = "Have it tried from outside; if nothing comes, take a high port.";
            let finding = out.forward(facts, index, text, fix);
            finding.severity = Severity::Info;
            finding.status = Status::Unknown;
        } else {
            out.pass();
        }
    }
}

/// How long the firewall's rules, and so their counters, are there.
pub fn loaded_for(snapshot: &Snapshot) -> Option<Duration> {
    let (now, then) = (snapshot.at.known()?, snapshot.loaded_at.known()?);
    // Before the clock was set there is no telling.
    now.checked_sub(*then).filter(|_| *then > RELEASED).map(Duration::from_secs)
}

fn silence(facts: &Facts, out: &mut Answers) {
    for line in v4(facts, out) {
        let Some(ip) = global(facts, line).filter(|_| line.verdict.line == Line::Public) else {
            continue;
        };
        let holds = |device: &String| Some(device) == line.device.as_ref();
        let zone = facts.zones().iter().find(|zone| zone.devices.iter().any(holds));
        let Some(zone) = zone.filter(|zone| zone.input != Policy::Accept) else { continue };
        let Some(live) = known(&facts.snapshot.live, out) else { return };
        let mut most = None;
        for chain in live.tables.iter().flat_map(|table| &table.chains) {
            let of = chain.name.strip_prefix("reject_from_");
            if of.or(chain.name.strip_prefix("drop_from_")) == Some(&zone.name) {
                for rule in &chain.rules {
                    most = most.max(rule.packets);
                }
            }
        }
        let Some(most) = most else { continue };
        let knocked = most > 0 || dnats(live).iter().any(|dnat| dnat.packets.unwrap_or(0) > 0);
        match loaded_for(facts.snapshot) {
            _ if knocked => out.pass(),
            Some(age) if age.as_secs() >= QUIET => {
                let text = format!(
                    "Since the firewall was loaded {} ago, it has refused not one packet from the \
                     Internet on {} ({ip}).",
                    span(age),
                    line.network
                );
                out.about(&line.network, text, "Have a port tried from outside.").seen(
                    Means::Nft,
                    "nft -j list ruleset",
                    format!("0 packets refused from zone {}", zone.name),
                );
            }
            _ => out.untold(),
        }
    }
}

fn v6(facts: &Facts, out: &mut Answers) {
    let networks = facts.networks();
    let inside = networks.unwrap_or_default().iter().filter(|network| !network.default_route);
    let prefix = inside
        .flat_map(|network| &network.addresses)
        .any(|(ip, _)| ip.is_ipv6() && is_global(*ip, facts.assume_public));
    for (index, forward) in facts.active().filter(|(_, forward)| forward.v6 && !forward.v4) {
        if known(&facts.snapshot.line, out).is_none() {
            return;
        }
        let lines = of(facts, forward, Family::Ipv6);
        let is = |which: &dyn Fn(&Line) -> bool| lines.iter().any(|line| which(&line.verdict.line));
        let down = !lines.is_empty() && !is(&|line| *line != Line::Down);
        let open = is(&|line| matches!(line, Line::Public | Line::VpnEgress));
        let text = if down {
            let why = lines.iter().find_map(|line| line.verdict.evidence.first());
            format!("Over IPv6 nothing comes in: {}.", why.map_or("there is no way", |why| why))
        } else if open && networks.is_some() && !prefix && !facts.to_router(forward) {
            "No network behind the router has a public IPv6 address for its hosts.".into()
        } else {
            if open && networks.is_some() {
                out.pass()
            } else {
                out.untold()
            }
            continue;
        };
        let fix = "Look at: ifstatus wan6; ask the provider for IPv6 with a prefix.";
        out.forward(facts, index, text, fix).effect(Effect::Blocked(Where::Line));
    }
}

fn lent(facts: &Facts, out: &mut Answers) {
    let networks = facts.networks().unwrap_or_default();
    for line in v4(facts, out) {
        let Some(ip) = global(facts, line) else { continue };
        let network = networks.iter().find(|network| network.name == line.network);
        let Some(proto) = network.map(|network| &network.proto[..]) else { continue };
        let (lent, ours) = (
            !matches!(proto, "static" | "none" | ""),
            matches!(line.verdict.line, Line::Public | Line::Map { .. }),
        );
        if !(lent && ours) {
            continue;
        }
        let Some(records) = known(&facts.snapshot.records, out) else { return };
        let mut records = records.iter().filter(|record| record.family == Family::Ipv4);
        let Some(first) = records.next() else {
            // Nothing is kept, or by another program.
            out.untold();
            continue;
        };
        let right = first.addresses.contains(&ip) || records.any(|one| one.addresses.contains(&ip));
        if !out.pass_if(right) {
            let last = match first.addresses.first() {
                Some(old) => {
                    format!("{} was confirmed with {old} {} ago", first.name, span(first.age))
                }
                None => format!("{} was not confirmed yet", first.name),
            };
            let text = format!(
                "{} has {ip} by {proto}, and no name of yours holds it: {last}.",
                line.network
            );
            out.about(&line.network, text, "Run: reachd why");
        }
    }
}

fn flap(facts: &Facts, out: &mut Answers) {
    for line in v4(facts, out) {
        match &line.told {
            Known::Unknown(_) => out.untold(),
            Known::Known(told) if out.pass_if(told.moves < OFTEN) => {}
            Known::Known(told) => {
                let text = format!(
                    "{} got another address {} times within a day.",
                    line.network, told.moves
                );
                let fix = "Look why the line drops (logread); keep the TTL short.";
                out.about(&line.network, text, fix).seen(
                    Means::State,
                    "the journal",
                    format!("{} changes of its address", told.moves),
                );
            }
        }
    }
}
