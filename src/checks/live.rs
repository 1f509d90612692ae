//! Group `rule`, as loaded: is in force what the config says?

use super::dnat::dnats;
use super::{Answers, Check, Facts, known};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};
use crate::model::forward::Origin;

pub const CHECKS: &[Check] = &[
    Check {
        id: "rule.drift",
        severity: Severity::Critical,
        axis: Axis::Reach,
        title: "the firewall is not loaded",
        what: "firewall4 writes /var/run/fw4.state when it loads its rules. Without it, nothing \
               of the config is in force.",
        next: "Run: fw4 check; /etc/init.d/firewall restart",
        trap: "",
        source: "firewall4",
        after: &[],
        run: drift,
    },
    Check {
        id: "rule.drift.missing",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "not in the live firewall",
        what: "The config has the section, but the rules in force have nothing like it: they were \
               made before it was written, or the firewall refused them.",
        next: "Run: fw4 check; fw4 reload",
        trap: "",
        source: "nft -j list ruleset",
        after: &["rule.drift", "rule.src_zone"],
        run: missing,
    },
    Check {
        id: "rule.upnp.gone",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "the mapping is no longer in the firewall",
        what: "Each reload of the firewall, and so each new WAN address, empties miniupnpd's \
               chains. Its list of leases still shows the mapping.",
        next: "Restart the program that asked, or run: /etc/init.d/miniupnpd restart",
        trap: "",
        source: "seen with firewall4 and miniupnpd 2.3",
        after: &[],
        run: gone,
    },
    Check {
        id: "rule.drift.addr",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "made for an older address",
        what: "Reflection rules hold the addresses that the networks had when the firewall was \
               loaded. They have others now.",
        next: "Run: fw4 reload",
        trap: "A reload may be on its way at this moment.",
        source: "/var/run/fw4.state",
        after: &["rule.drift"],
        run: drift_addr,
    },
    Check {
        id: "rule.nf_offload",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "counters see first packets only",
        what: "With flow offloading a connection leaves the firewall's sight once it is \
               established: its counters tell of new connections alone.",
        next: "Nothing; it makes the router faster.",
        trap: "",
        source: "firewall4",
        after: &[],
        run: offload,
    },
];

fn drift(facts: &Facts, out: &mut Answers) {
    if facts.firewall().is_none() {
        return;
    }
    let Some(loaded) = known(&facts.snapshot.loaded, out) else { return };
    if !out.pass_if(loaded.is_some()) {
        let finding = out.about(
            "firewall",
            "The firewall is not loaded: none of the sections is in force.",
            "Run: fw4 check; /etc/init.d/firewall restart",
        );
        finding.forwards = (0..facts.forwards.len()).collect();
        finding.effect(Effect::Blocked(Where::Rule));
        finding.seen(Means::State, "/var/run/fw4.state", "there is no such file");
    }
}

fn missing(facts: &Facts, out: &mut Answers) {
    look(facts, out, false);
}

fn gone(facts: &Facts, out: &mut Answers) {
    look(facts, out, true);
}

fn look(facts: &Facts, out: &mut Answers, upnp: bool) {
    for (index, forward) in facts.redirects().filter(|(_, f)| (f.origin == Origin::Upnp) == upnp) {
        let Some(live) = known(&facts.snapshot.live, out) else { return };
        if !out.pass_if(dnats(live).iter().any(|dnat| dnat.is(forward))) {
            let (text, fix) = match upnp {
                true => (
                    "miniupnpd lists it, but the firewall has no such rule any more.",
                    "Restart the program that asked, or run: /etc/init.d/miniupnpd restart",
                ),
                false => ("The rules in force have nothing like it.", "Run: fw4 check; fw4 reload"),
            };
            out.forward(facts, index, text, fix).effect(Effect::Blocked(Where::Rule)).seen(
                Means::Nft,
                "nft -j list ruleset",
                "no such dnat",
            );
        }
    }
}

fn drift_addr(facts: &Facts, out: &mut Answers) {
    let (Some(loaded), Some(now)) =
        (known(&facts.snapshot.loaded, out), known(&facts.snapshot.networks, out))
    else {
        return;
    };
    let Some(loaded) = loaded else { return };
    for then in loaded {
        let Some(network) = now.iter().find(|network| network.name == then.name && network.up)
        else {
            continue;
        };
        let mut old: Vec<_> = then.addresses.clone();
        let mut new: Vec<_> = network.addresses.clone();
        old.sort();
        new.sort();
        if !out.pass_if(old == new) {
            let show = |all: &[(std::net::IpAddr, u8)]| {
                let words: Vec<String> = all.iter().map(|(ip, _)| ip.to_string()).collect();
                if words.is_empty() { "none".to_string() } else { words.join(" ") }
            };
            let text = format!(
                "The rules were made when network {} had {}; it has {} now. Reflection fails.",
                then.name,
                show(&old),
                show(&new)
            );
            out.about(&then.name, text, "Run: fw4 reload")
                .severity(Severity::Medium)
                .axis(Axis::Hygiene)
                .seen(Means::State, "/var/run/fw4.state", show(&old));
        }
    }
}

fn offload(facts: &Facts, out: &mut Answers) {
    if let Some(firewall) = facts.firewall()
        && !out.pass_if(!firewall.flow_offloading)
    {
        out.about(
            "defaults",
            "Flow offloading is on: counters see only new connections.",
            "Nothing; it makes the router faster.",
        );
    }
}
