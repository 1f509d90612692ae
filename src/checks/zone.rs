//! Group `zone`: what holds for all packets from the Internet, whatever the forwards say.

use super::{Answers, Check, Facts, translates};
use crate::model::address::{Kind, Prefix, class};
use crate::model::finding::{Axis, Evidence, Finding, Means, Severity};
use crate::model::forward::{Proto, Target};
use crate::model::snapshot::{Policy, Zone};

pub const CHECKS: &[Check] = &[
    Check {
        id: "zone.default_forward",
        severity: Severity::Critical,
        axis: Axis::Expose,
        title: "the firewall forwards by default",
        what: "config defaults has forward ACCEPT. It is the policy for every packet that no zone \
               decided: from the Internet to each host behind the router, at once with IPv6.",
        next: "Write option forward 'REJECT' in config defaults.",
        trap: "",
        source: "measured with firewall4's rules, Linux 6.18",
        after: &[],
        run: default_forward,
    },
    Check {
        id: "zone.wan_to_lan",
        severity: Severity::Critical,
        axis: Axis::Expose,
        title: "everything from the Internet is forwarded",
        what: "A config forwarding with src wan lets every packet from the Internet to the other \
               zone. Port forwards do not need it.",
        next: "Remove that section.",
        trap: "",
        source: "measured with firewall4's rules, Linux 6.18",
        after: &[],
        run: wan_to_lan,
    },
    Check {
        id: "zone.wan_input",
        severity: Severity::Critical,
        axis: Axis::Expose,
        title: "the router answers the Internet",
        what: "The zone has input ACCEPT: everything that listens on the router is open to \
               everybody, LuCI, SSH and DNS first of all.",
        next: "Write option input 'REJECT' in the zone; open single ports by rules.",
        trap: "Right only where another firewall stands in front.",
        source: "firewall4",
        after: &[],
        run: wan_input,
    },
    Check {
        id: "zone.wan_forward",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "forward ACCEPT on the WAN is harmless",
        what: "A zone's forward policy is about packets between its own networks. It opens \
               nothing towards the LAN.",
        next: "Nothing; REJECT is tidier.",
        trap: "",
        source: "measured with firewall4's rules, Linux 6.18",
        after: &[],
        run: wan_forward,
    },
    Check {
        id: "zone.lan_masq",
        severity: Severity::Medium,
        axis: Axis::Hygiene,
        title: "every visitor looks like the router",
        what: "masq on the target's zone rewrites the source of all that goes in. Logs, bans and \
               access lists on the host then see the router alone.",
        next: "Remove masq from the zone.",
        trap: "It makes forwards work to hosts without a default gateway.",
        source: "measured with nftables, Linux 6.18",
        after: &[],
        run: lan_masq,
    },
    Check {
        id: "zone.no_masq_wan",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "no masquerading on the WAN",
        what: "Hosts with private addresses cannot get out, and reflection is not made.",
        next: "Write option masq '1' in the zone.",
        trap: "Right with routed public addresses, DS-Lite, MAP or an own NAT rule.",
        source: "firewall4",
        after: &[],
        run: no_masq_wan,
    },
    Check {
        id: "zone.v6_open",
        severity: Severity::Critical,
        axis: Axis::Expose,
        title: "every host is open over IPv6",
        what: "A rule accepts from the Internet to a whole zone, and names neither a host nor a \
               port. With IPv6 each host has a public address.",
        next: "Name the host (dest_ip '::10/-64') and the port.",
        trap: "",
        source: "firewall4",
        after: &["zone.wan_to_lan"],
        run: v6_open,
    },
];

fn at(finding: &mut Finding, line: u32, summary: String) -> &mut Finding {
    let source = format!("/etc/config/firewall:{line}");
    finding.evidence.push(Evidence { means: Means::Config, source, summary });
    finding
}

fn wans<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Zone> + use<'a> {
    facts.zones().iter().filter(|zone| zone.wan)
}

fn default_forward(facts: &Facts, out: &mut Answers) {
    let Some(firewall) = facts.firewall() else { return };
    if !out.pass_if(!firewall.forward_accept) {
        let text = "Packets from the Internet that no zone decided on are forwarded.";
        let finding =
            out.about("defaults", text, "Write option forward 'REJECT' in config defaults.");
        at(finding, firewall.defaults_line, "forward ACCEPT".into());
        finding.snippet = "config defaults\n\toption forward 'REJECT'".into();
    }
}

fn wan_to_lan(facts: &Facts, out: &mut Answers) {
    let Some(firewall) = facts.firewall() else { return };
    for forwarding in &firewall.forwardings {
        let is_wan = |name: &str| firewall.zone(name).is_some_and(|zone| zone.wan);
        let open = (is_wan(&forwarding.src) || forwarding.src == "*") && !is_wan(&forwarding.dest);
        if !out.pass_if(!open) {
            let text = format!(
                "Everything from zone {} is let to zone {}.",
                forwarding.src, forwarding.dest
            );
            let finding = out.about(
                &forwarding.section,
                text,
                "Remove that section: port forwards do not need it.",
            );
            at(
                finding,
                forwarding.line,
                format!("src {} dest {}", forwarding.src, forwarding.dest),
            );
        }
    }
}

fn wan_input(facts: &Facts, out: &mut Answers) {
    for zone in wans(facts) {
        if out.pass_if(zone.input != Policy::Accept) {
            continue;
        }
        let mut open: Vec<String> = Vec::new();
        for listener in facts.snapshot.listeners.known().into_iter().flatten() {
            let words = format!("{} {}", listener.proto.word(), listener.port);
            if let Err(at) = open.binary_search(&words)
                && listener.ip.is_none_or(|ip| !ip.is_loopback())
            {
                open.insert(at, words);
            }
        }
        let more = open.len().saturating_sub(12);
        open.truncate(12);
        let what = match (&open[..], more) {
            ([], _) => "whatever listens there".to_string(),
            (open, 0) => open.join(", "),
            (open, more) => format!("{} and {more} more", open.join(", ")),
        };
        let text = format!("The router takes every packet from zone {}: {what}.", zone.name);
        let finding = out.about(&zone.name, text, "Write option input 'REJECT' in the zone.");
        at(finding, zone.line, "input ACCEPT".into());
        finding.snippet =
            format!("config zone\n\toption name '{}'\n\toption input 'REJECT'", zone.name);
    }
}

fn wan_forward(facts: &Facts, out: &mut Answers) {
    for zone in wans(facts) {
        if !out.pass_if(zone.forward != Policy::Accept) {
            let text =
                format!("forward ACCEPT on zone {} is about its own networks only.", zone.name);
            at(
                out.about(&zone.name, text, "Nothing; REJECT is tidier."),
                zone.line,
                "forward ACCEPT".into(),
            );
        }
    }
}

fn lan_masq(facts: &Facts, out: &mut Answers) {
    for zone in facts.zones().iter().filter(|zone| !zone.wan) {
        let holds = |target: &Target| match target {
            Target::Host(ip) => {
                zone.subnets.iter().any(|(own, len)| Prefix { ip: *own, len: *len }.contains(*ip))
            }
            _ => false,
        };
        let inside: Vec<usize> = facts
            .redirects()
            .filter(|(_, forward)| holds(&forward.target))
            .map(|(index, _)| index)
            .collect();
        if inside.is_empty() {
            continue;
        }
        if !out.pass_if(!zone.masq || zone.masq_limited) {
            let text = format!(
                "Zone {} masquerades: its hosts see every visitor as the router.",
                zone.name
            );
            let finding = out.about(&zone.name, text, "Remove masq from the zone.");
            at(finding, zone.line, "masq 1".into()).forwards = inside;
        }
    }
}

fn no_masq_wan(facts: &Facts, out: &mut Answers) {
    let private = facts.zones().iter().filter(|zone| !zone.wan).any(|zone| {
        zone.subnets.iter().any(|(ip, _)| ip.is_ipv4() && class(*ip).kind == Kind::Private)
    });
    for zone in wans(facts).filter(|_| private) {
        // Without IPv4 of its own there is nothing to masquerade as; tunnels are NATed elsewhere.
        let tunnel = |name: &String| {
            let networks = facts.networks().unwrap_or_default();
            networks
                .iter()
                .any(|n| n.name == *name && matches!(&n.proto[..], "dslite" | "map" | "464xlat"))
        };
        if !zone.subnets.iter().any(|(ip, _)| ip.is_ipv4()) || zone.networks.iter().any(tunnel) {
            continue;
        }
        if !out.pass_if(zone.masq) {
            let text = format!(
                "Zone {} does not masquerade: hosts with private addresses cannot get out.",
                zone.name
            );
            at(
                out.about(&zone.name, text, "Write option masq '1' in the zone."),
                zone.line,
                "no masq".into(),
            );
        }
    }
}

fn v6_open(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active().filter(|(_, forward)| !translates(forward)) {
        let Target::Zone(zone) = &forward.target else { continue };
        let wide = forward.every_port()
            && forward.protos.iter().any(|p| matches!(p, Proto::Any | Proto::Tcp));
        if !out.pass_if(!(wide && forward.v6)) {
            let text = format!(
                "Every port of every host in {zone} is open over IPv6 to {}.",
                forward.source
            );
            let severity = Severity::Critical.lower(super::expose::weight(forward));
            out.forward(facts, index, text, "Name the host and the port.")
                .severity(severity)
                .snippet = "\toption dest_ip '::10/-64'\n\toption dest_port '443'".into();
        }
    }
}
