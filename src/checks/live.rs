//! Group `rule`, as loaded: is in force what the config says?

use super::{Answers, Check, Facts, known};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};

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
