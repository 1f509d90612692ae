//! Group `rule`, mappings that programs asked for by UPnP, NAT-PMP or PCP.

use super::{Answers, Check, Facts};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};
use crate::model::forward::{Forward, Origin, Target};

pub const CHECKS: &[Check] = &[
    Check {
        id: "rule.upnp",
        severity: Severity::Low,
        axis: Axis::Reach,
        title: "a section of the config has this port",
        what: "miniupnpd's rules come after those of the config: where both have the port, the \
               config wins and the program that asked does not know.",
        next: "Give the program another port, or remove the section.",
        trap: "On OpenWrt before 22.03 it was the other way round.",
        source: "firewall4 with miniupnpd 2.3",
        after: &[],
        run: loses,
    },
    Check {
        id: "rule.upnp.open",
        severity: Severity::Medium,
        axis: Axis::Expose,
        title: "opened by a program",
        what: "A program on the LAN opened it, nobody decided it. Mappings of hosts that are \
               unknown or expired are left over; without secure_mode every host can open ports \
               to every other.",
        next: "Look at the leases; keep secure_mode 1; switch UPnP off if nothing needs it.",
        trap: "Games and calls do need it.",
        source: "miniupnpd",
        after: &[],
        run: open,
    },
];

fn mappings<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (usize, &'a Forward)> {
    facts.active().filter(|(_, forward)| forward.origin == Origin::Upnp)
}

fn loses(facts: &Facts, out: &mut Answers) {
    for (index, mapping) in mappings(facts) {
        let mut winners = facts.redirects().map(|(_, f)| f).filter(|f| {
            f.origin != Origin::Upnp
                && f.v4
                && f.protos.iter().any(|proto| mapping.protos.iter().any(|m| proto.covers(m)))
                && f.ports().iter().any(|ports| mapping.ext.iter().any(|m| ports.meets(*m)))
        });
        match winners.next() {
            None => out.pass(),
            Some(winner) => {
                let text = format!("Section {} has the same port and wins.", winner.section);
                let fix = format!("Use another port, or remove section {}.", winner.section);
                let finding = out.forward(facts, index, text, fix);
                if winner.source.is_anybody() {
                    finding.effect(Effect::Blocked(Where::Rule));
                }
            }
        }
    }
}

fn open(facts: &Facts, out: &mut Answers) {
    if let Some(Some(upnpd)) = facts.snapshot.upnpd.known()
        && upnpd.enabled
        && !out.pass_if(upnpd.secure)
    {
        let text = "secure_mode is off: every host on the LAN can open ports to every other one.";
        out.about("upnpd", text, "Write option secure_mode '1' in /etc/config/upnpd.")
            .severity(Severity::High)
            .seen(Means::Config, "/etc/config/upnpd", "secure_mode 0");
    }
    let mut all = mappings(facts).peekable();
    if !matches!(facts.snapshot.upnpd.known(), Some(Some(_))) && all.peek().is_some() {
        // Somebody makes mappings, by whatever rules.
        out.untold();
    }
    for (index, mapping) in all {
        let Target::Host(ip) = mapping.target else { continue };
        let neighbours = facts.snapshot.neighbours.known().into_iter().flatten();
        let seen = neighbours.clone().any(|n| n.ip == ip && n.mac.is_some());
        let gone = mapping.said.first();
        let known = seen || facts.host_name(ip).is_some();
        if out.pass_if(known && gone.is_none()) {
            continue;
        }
        let text = match gone {
            Some(gone) => format!("{gone} It may still be open."),
            None => format!("{ip} is a host that neither DHCP nor ARP knows."),
        };
        out.forward(facts, index, text, "Restart miniupnpd, or switch it off if nothing needs it.");
    }
}
