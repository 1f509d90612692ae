//! Group `path`: can packets from the Internet reach this router at all? By the line's verdict;
//! where nobody was asked it rests on the WAN's protocol and address alone.

use super::{Answers, Check, Facts, known};
use crate::model::address::{class, is_global};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};
use crate::model::forward::Forward;
use crate::model::known::Known;
use crate::model::line::{Certainty, Line, PortSet};
use crate::model::name::Family;
use crate::model::snapshot::LineOf;

pub const CHECKS: &[Check] = &[
    Check {
        id: "path.wan.down",
        severity: Severity::Critical,
        axis: Axis::Reach,
        title: "there is no way to the Internet",
        what: "No network with a default route is up.",
        next: "Look at the modem and at: ifstatus wan",
        trap: "At boot a WAN takes minutes.",
        source: "netifd, the kernel's routes",
        after: &[],
        run: down,
    },
    Check {
        id: "path.wan.class",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "the WAN's address is special",
        what: "Addresses outside ordinary global space cannot be reached from the Internet as \
               they are.",
        next: "See the finding on the line.",
        trap: "",
        source: "IANA's special-purpose registries",
        after: &[
            "path.cgnat",
            "path.double_nat",
            "path.upstream",
            "path.dslite",
            "path.464xlat",
            "path.mobile",
        ],
        run: special,
    },
    Check {
        id: "path.cgnat",
        severity: Severity::Critical,
        axis: Axis::Reach,
        title: "the provider shares the address (CGNAT)",
        what: "The WAN's IPv4 address is one that carriers use behind their own NAT (RFC 6598, \
               100.64.0.0/10), or the router above is behind such a one. Nobody out there can \
               address this router over IPv4.",
        next: "Ask the provider for a public IPv4 address, use IPv6, or a tunnel.",
        trap: "Some VPNs use the same range: only the WAN's own address counts here.",
        source: "RFC 6598, RFC 6888",
        after: &["path.wan.down"],
        run: cgnat,
    },
    Check {
        id: "path.double_nat",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "behind another router of yours",
        what: "The WAN's address is private: another router stands above and gets the packets \
               first.",
        next: "Forward the same ports there to this router, or put it into bridge mode.",
        trap: "A provider may use private addresses as well; then nothing can be done there.",
        source: "RFC 1918",
        after: &["path.wan.down"],
        run: double_nat,
    },
    Check {
        id: "path.dslite",
        severity: Severity::Critical,
        axis: Axis::Reach,
        title: "DS-Lite: no IPv4 from outside",
        what: "IPv4 goes through IPv6 to the provider, which translates there (RFC 6333).",
        next: "Use IPv6, or ask for real dual stack.",
        trap: "",
        source: "netifd's protocol",
        after: &["path.wan.down"],
        run: dslite,
    },
    Check {
        id: "path.464xlat",
        severity: Severity::Critical,
        axis: Axis::Reach,
        title: "464XLAT: no IPv4 from outside",
        what: "The line is IPv6 only; IPv4 is translated twice (RFC 6877).",
        next: "Use IPv6.",
        trap: "",
        source: "netifd's protocol",
        after: &["path.wan.down"],
        run: xlat,
    },
    Check {
        id: "path.mobile",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the mobile carrier's NAT",
        what: "Mobile networks translate as a rule: nobody can address this router over IPv4.",
        next: "Ask for an APN with a public address, use IPv6, or a tunnel.",
        trap: "",
        source: "netifd's protocol and the address",
        after: &["path.wan.down"],
        run: mobile,
    },
    Check {
        id: "path.map.portset",
        severity: Severity::Critical,
        axis: Axis::Reach,
        title: "this external port is not ours",
        what: "On a MAP or lw4o6 line several customers share one public address, and each has \
               some ports. A forward of any other port can never work.",
        next: "Use one of the ports that are named.",
        trap: "The address looks public to every other test.",
        source: "RFC 7597; netifd",
        after: &["path.wan.down"],
        run: portset,
    },
    Check {
        id: "path.vpn",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "the default way out is a VPN",
        what: "Packets to the Internet leave through a VPN: answers to visitors may go the same \
               way and be lost.",
        next: "Send answers of forwards back by the WAN (mwan3, pbr).",
        trap: "",
        source: "the kernel's routes",
        after: &[],
        run: vpn,
    },
];

pub fn lines<'a>(facts: &Facts<'a>, out: &mut Answers) -> &'a [LineOf] {
    known(&facts.snapshot.line, out).map(|all| &all[..]).unwrap_or_default()
}

/// The lines that a forward's packets can come by, in a family.
pub fn of<'a>(facts: &Facts<'a>, forward: &Forward, family: Family) -> Vec<&'a LineOf> {
    let all = facts.snapshot.line.known().into_iter().flatten();
    let zone = facts.zone_of(forward);
    let serves = |line: &&LineOf| match (&line.device, zone) {
        (Some(device), Some(zone)) => zone.devices.contains(device),
        _ => true,
    };
    all.filter(|line| line.family == family).filter(serves).collect()
}

/// No packet comes in by it over IPv4.
pub fn is_shut(line: &Line) -> bool {
    matches!(
        line,
        Line::Cgnat { .. } | Line::DsLite | Line::Xlat464 | Line::MobileCarrier | Line::Down
    )
}

/// Forwards that no line lets through, in none of their families.
fn shut(facts: &Facts, which: &dyn Fn(&LineOf) -> bool) -> Vec<usize> {
    let mut all = Vec::new();
    for (index, forward) in facts.active() {
        let (mut fits, mut open) = (false, false);
        for (family, meant) in [(Family::Ipv4, forward.v4), (Family::Ipv6, forward.v6)] {
            let lines = of(facts, forward, family);
            fits |= lines.iter().any(|line| which(line));
            let dead = !lines.is_empty() && lines.iter().all(|line| is_shut(&line.verdict.line));
            open |= meant && !dead;
        }
        if fits && !open && (forward.v4 || forward.v6) {
            all.push(index);
        }
    }
    all
}

/// One finding for each line of this kind, about the forwards that it ends.
fn about(
    facts: &Facts,
    out: &mut Answers,
    which: &dyn Fn(&LineOf) -> bool,
    text: &dyn Fn(&LineOf) -> String,
    fix: &str,
) {
    for line in lines(facts, out) {
        if !out.pass_if(!which(line)) {
            blocked(facts, out, line, which, text(line), fix);
        }
    }
}

/// One line of this kind lets nothing in.
pub fn blocked(
    facts: &Facts,
    out: &mut Answers,
    line: &LineOf,
    which: &dyn Fn(&LineOf) -> bool,
    text: String,
    fix: &str,
) {
    let finding = out.about(&line.network, text, fix);
    finding.forwards = shut(facts, which);
    finding.effect(Effect::Blocked(Where::Line));
    for sentence in &line.verdict.evidence {
        finding.seen(Means::Kernel, &line.network, sentence.clone());
    }
    // What is only likely is no proof that nobody gets in.
    if line.verdict.certainty != Certainty::Proved {
        finding.severity = finding.severity.lower(1);
    }
}

fn down(facts: &Facts, out: &mut Answers) {
    let all = lines(facts, out);
    let is_down = |line: &&LineOf| matches!(line.verdict.line, Line::Down);
    if all.is_empty() || !out.pass_if(!all.iter().all(|line| is_down(&line))) {
        if all.is_empty() {
            return;
        }
        let finding = out.about(
            "wan",
            "There is no way to the Internet now.",
            "Look at the modem and at: ifstatus wan",
        );
        finding.forwards = facts.active().map(|(index, _)| index).collect();
        finding.effect(Effect::Blocked(Where::Line));
    }
}

fn special(facts: &Facts, out: &mut Answers) {
    let Some(networks) = known(&facts.snapshot.networks, out) else { return };
    for network in networks.iter().filter(|network| network.default_route) {
        for (ip, _) in network.addresses.iter().filter(|(ip, _)| ip.is_ipv4()) {
            if !out.pass_if(is_global(*ip, facts.assume_public)) {
                let text = format!("{ip} is {}.", class(*ip));
                out.about(&network.name, text, "See the finding on the line.");
            }
        }
    }
}

fn address(line: &LineOf) -> String {
    line.addresses.first().map(|ip| format!(" ({ip})")).unwrap_or_default()
}

fn cgnat(facts: &Facts, out: &mut Answers) {
    let text = |line: &LineOf| {
        format!(
            "On {}{} your provider shares the address: IPv4 forwards cannot work.",
            line.network,
            address(line)
        )
    };
    about(
        facts,
        out,
        // Of an address that only looks public, path.nat.mismatch tells.
        &|line| {
            let shared = matches!(line.verdict.line, Line::Cgnat { .. });
            shared && super::isp::another(facts, line).is_none()
        },
        &text,
        "Ask for a public IPv4 address, or publish over IPv6.",
    );
}

fn dslite(facts: &Facts, out: &mut Answers) {
    let text = |line: &LineOf| format!("{} is DS-Lite: IPv4 forwards cannot work.", line.network);
    about(
        facts,
        out,
        &|line| matches!(line.verdict.line, Line::DsLite),
        &text,
        "Use IPv6, or ask for real dual stack.",
    );
}

fn xlat(facts: &Facts, out: &mut Answers) {
    let text = |line: &LineOf| format!("{} is 464XLAT: IPv4 forwards cannot work.", line.network);
    about(facts, out, &|line| matches!(line.verdict.line, Line::Xlat464), &text, "Use IPv6.");
}

fn mobile(facts: &Facts, out: &mut Answers) {
    let text = |line: &LineOf| {
        format!(
            "{}{} is behind the carrier's NAT: IPv4 forwards cannot work.",
            line.network,
            address(line)
        )
    };
    about(
        facts,
        out,
        &|line| matches!(line.verdict.line, Line::MobileCarrier),
        &text,
        "Ask for an APN with a public address, or use IPv6.",
    );
}

fn double_nat(facts: &Facts, out: &mut Answers) {
    for line in lines(facts, out) {
        let Line::DoubleNat { upstream } = &line.verdict.line else {
            out.pass();
            continue;
        };
        // Forwarding there would not be enough: path.upstream tells.
        if super::isp::above(line).is_some_and(|ip| !is_global(ip, facts.assume_public)) {
            continue;
        }
        let who = upstream.address.map(|ip| format!(" ({ip})")).unwrap_or_default();
        let text = format!(
            "{}{} is private: the router above{who} gets the packets first.",
            line.network,
            address(line)
        );
        let to = line.addresses.first().map(|ip| format!(" to {ip}")).unwrap_or_default();
        let fix = format!("Forward the same ports there{to}, or put it into bridge mode.");
        let finding = out.about(&line.network, text, fix);
        for sentence in &line.verdict.evidence {
            finding.seen(Means::Kernel, &line.network, sentence.clone());
        }
    }
}

fn portset(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active().filter(|(_, forward)| forward.v4) {
        for line in of(facts, forward, Family::Ipv4) {
            let Line::Map { ports, .. } = &line.verdict.line else { continue };
            let Known::Known(PortSet(ours)) = ports else {
                out.untold();
                continue;
            };
            let within = |ports: &crate::model::forward::Ports| {
                ours.iter().any(|(low, high)| *low <= ports.first && ports.last <= *high)
            };
            if !out.pass_if(forward.ports().iter().all(within)) {
                let some: Vec<String> =
                    ours.iter().take(4).map(|(low, high)| format!("{low}-{high}")).collect();
                let text = format!(
                    "External port {} is not ours on {}; ours are {} ...",
                    forward.ext_words(),
                    line.network,
                    some.join(" ")
                );
                let free = ours.first().map_or(0, |(low, _)| *low);
                out.forward(
                    facts,
                    index,
                    text,
                    format!("Use one of ours: option src_dport '{free}'"),
                )
                .effect(Effect::Blocked(Where::Line))
                .seen(Means::Kernel, "netifd", "the port set of the MAP rule");
            }
        }
    }
}

fn vpn(facts: &Facts, out: &mut Answers) {
    for line in lines(facts, out) {
        if !out.pass_if(!matches!(line.verdict.line, Line::VpnEgress)) {
            let text = format!("Packets to the Internet leave by a VPN ({}).", line.network);
            out.about(
                &line.network,
                text,
                "Send answers of forwards back by the WAN (mwan3, pbr).",
            );
        }
    }
}

/// What the line says of a forward against which nothing else speaks: `None` if it may work.
pub fn doubt(facts: &Facts, forward: &Forward) -> Option<String> {
    if forward.v6 || !forward.v4 {
        return None;
    }
    let lines = of(facts, forward, Family::Ipv4);
    let above = |line: &&&LineOf| matches!(line.verdict.line, Line::DoubleNat { .. });
    if !lines.is_empty() && lines.iter().filter(above).count() == lines.len() {
        return Some("the router above must forward it too".into());
    }
    let public = |line: &&LineOf| {
        matches!(line.verdict.line, Line::Public | Line::Map { .. } | Line::VpnEgress)
    };
    match lines.iter().any(public) {
        true => None,
        false => Some("whether the line brings IPv4 in is not known".into()),
    }
}
