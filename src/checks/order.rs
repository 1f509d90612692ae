//! Group `rule`, several at once: which forward gets the packet. The first redirect that matches
//! takes it, in firewall4's order: services', then the config's, then UPnP's.

use super::{Answers, Check, Facts};
use crate::model::finding::{Axis, Effect, Severity, Where};
use crate::model::forward::{Forward, Origin, Ports, Proto};

pub const CHECKS: &[Check] = &[
    Check {
        id: "rule.dup",
        severity: Severity::Low,
        axis: Axis::Hygiene,
        title: "written twice",
        what: "An earlier section does the same.",
        next: "Remove one of the two.",
        trap: "",
        source: "firewall4's order",
        after: &[],
        run: dup,
    },
    Check {
        id: "rule.shadowed",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "an earlier forward takes all its packets",
        what: "The first redirect that matches takes the packet; later ones for the same port \
               never see it. firewall4 says nothing about it.",
        next: "Move it up, use another port, or remove one.",
        trap: "",
        source: "measured with nftables, Linux 6.18",
        after: &["rule.dup"],
        run: shadowed,
    },
    Check {
        id: "rule.partial",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "an earlier forward takes some of its packets",
        what: "Ranges overlap: the earlier redirect gets what both match.",
        next: "Make the ranges apart.",
        trap: "",
        source: "measured with nftables, Linux 6.18",
        after: &[],
        run: partial,
    },
];

fn same(a: &Forward, b: &Forward) -> bool {
    a.target == b.target
        && a.protos == b.protos
        && a.ext == b.ext
        && a.inside_ports() == b.inside_ports()
        && a.source == b.source
        && a.src_dip == b.src_dip
        && (a.v4, a.v6) == (b.v4, b.v6)
        && a.conditions == b.conditions
}

/// The config's redirects; of UPnP's mappings `upnp` tells.
fn written<'a>(facts: &Facts<'a>) -> Vec<(usize, &'a Forward)> {
    facts.redirects().filter(|(_, forward)| forward.origin != Origin::Upnp).collect()
}

fn dup(facts: &Facts, out: &mut Answers) {
    let all = written(facts);
    for (at, (index, forward)) in all.iter().enumerate() {
        let earlier = all.iter().take(at).find(|(_, e)| e.zone == forward.zone && same(e, forward));
        match earlier {
            None => out.pass(),
            Some((_, earlier)) => {
                let text = format!("Section {} does the same before it.", earlier.section);
                out.forward(facts, *index, text, "Remove one of the two.");
            }
        }
    }
}

/// What earlier redirects leave of a forward.
struct Left<'a> {
    /// Nothing of any protocol and family.
    all_gone: bool,
    some_gone: bool,
    /// Earlier ones that take something, in order.
    takers: Vec<&'a Forward>,
}

fn left<'a>(forward: &Forward, earlier: &[(usize, &'a Forward)]) -> Left<'a> {
    let mut left = Left { all_gone: true, some_gone: false, takers: Vec::new() };
    for proto in &forward.protos {
        for v6 in [false, true] {
            if !(if v6 { forward.v6 } else { forward.v4 }) {
                continue;
            }
            let mut ports: Vec<Ports> = forward.ports().to_vec();
            for (_, taker) in earlier {
                if !takes(taker, forward, proto, v6) {
                    continue;
                }
                let before = ports.clone();
                for taken in taker.ports() {
                    ports = ports.iter().flat_map(|ports| without(*ports, *taken)).collect();
                }
                if ports != before {
                    left.some_gone = true;
                    if !left.takers.iter().any(|known| known.uid == taker.uid) {
                        left.takers.push(taker);
                    }
                }
            }
            left.all_gone &= ports.is_empty();
        }
    }
    left
}

/// It takes this forward's packets of one protocol and family wherever their ports meet.
fn takes(taker: &Forward, forward: &Forward, proto: &Proto, v6: bool) -> bool {
    let source = taker.source.is_anybody() || taker.source == forward.source;
    let address = taker.src_dip.is_empty() || taker.src_dip == forward.src_dip;
    taker.zone == forward.zone
        && (if v6 { taker.v6 } else { taker.v4 })
        && taker.protos.iter().any(|known| known.covers(proto))
        && source
        && address
        && taker.source.port.is_none()
        && taker.conditions.is_empty()
}

fn without(ports: Ports, taken: Ports) -> Vec<Ports> {
    if !ports.meets(taken) {
        return vec![ports];
    }
    let mut rest = Vec::new();
    if taken.first > ports.first {
        rest.push(Ports { first: ports.first, last: taken.first - 1 });
    }
    if taken.last < ports.last {
        rest.push(Ports { first: taken.last + 1, last: ports.last });
    }
    rest
}

fn shadowed(facts: &Facts, out: &mut Answers) {
    look(facts, out, true);
}

fn partial(facts: &Facts, out: &mut Answers) {
    look(facts, out, false);
}

fn look(facts: &Facts, out: &mut Answers, whole: bool) {
    let all = written(facts);
    for (at, (index, forward)) in all.iter().enumerate() {
        let left = left(forward, all.get(..at).unwrap_or_default());
        if !left.some_gone || left.all_gone != whole {
            out.pass();
            continue;
        }
        let elsewhere = left.takers.iter().any(|taker| taker.target != forward.target);
        let names: Vec<&str> = left.takers.iter().map(|taker| &taker.section[..]).collect();
        let how = if whole { "all" } else { "some of" };
        let text = format!("Section {} comes first and takes {how} its packets.", names.join(", "));
        let fix = match (whole, elsewhere) {
            (_, false) => "Remove it, or make the other one narrower.",
            (true, true) => "Move it above, use another external port, or remove one.",
            (false, true) => "Make their ports or sources apart.",
        };
        let finding = out.forward(facts, *index, text, fix);
        match (elsewhere, whole) {
            (false, _) => finding.severity(Severity::Low).axis(Axis::Hygiene),
            (true, true) => finding.effect(Effect::Blocked(Where::Rule)),
            (true, false) => finding.effect(Effect::Partial),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_ports_away() {
        let p = |first, last| Ports { first, last };
        assert_eq!(without(p(10, 20), p(30, 40)), [p(10, 20)]);
        assert_eq!(without(p(10, 20), p(12, 13)), [p(10, 11), p(14, 20)]);
        assert_eq!(without(p(10, 20), p(0, 15)), [p(16, 20)]);
        assert_eq!(without(p(10, 20), Ports::ALL), []);
        assert_eq!(without(Ports::ALL, p(0, 65535)), []);
    }
}
