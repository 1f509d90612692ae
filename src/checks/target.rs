//! Group `target`: is somebody home? On the router itself its list of listeners tells; other hosts
//! were tried, from near and from far (`collect::targets`), or nothing is said of them. A host that
//! answers proves that it is there, not that the Internet gets to it.

use super::{Answers, Check, Facts, known};
use crate::model::finding::{Axis, Effect, Evidence, Means, Severity, Where};
use crate::model::forward::{Forward, Proto, Target};
use crate::model::known::Known;
use crate::model::snapshot::Listener;
use crate::model::target::{Heard, Try};

pub const CHECKS: &[Check] = &[
    Check {
        id: "target.refused",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "nothing listens there",
        what: "The port is open up to the host, but no program waits on it, or one for the host's \
               own use only (127.0.0.1). Of the router itself its list of sockets tells this; \
               another host refused a connection.",
        next: "Start the program, or remove the forward.",
        trap: "WireGuard listens inside the kernel and is in no list of sockets: UDP on the router \
               is not judged. A host's firewall may refuse as if nothing listened.",
        source: "/proc/net/tcp; a connection from the router",
        after: &["rule.proto_mismatch", "rule.to_router", "rule.listener", "rule.dmz.steals"],
        run: refused,
    },
    Check {
        id: "target.return_path",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "it answers its own network only",
        what: "The host answers the router's address in the LAN, and leaves the router's outside \
               address without an answer. To it that is a stranger, as everybody on the Internet \
               is.",
        next: "Set the host's default gateway to this router, or let its firewall accept the port \
               from everywhere.",
        trap: "If the firewall masquerades into the LAN, the Internet looks local to the host, and \
               this is no obstacle.",
        source: "two connections from the router, one from each address, both by the LAN",
        after: &["rule.dest.offnet"],
        run: return_path,
    },
    Check {
        id: "target.host_acl",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the host's firewall refuses strangers",
        what: "The host answers the router's address in the LAN, and refuses the router's outside \
               address: its firewall, or the program, lets only the own network in.",
        next: "Allow the port from everywhere in the host's firewall, or in the program's settings.",
        trap: "Who wants it for the LAN only should remove the forward.",
        source: "two connections from the router, one from each address, both by the LAN",
        after: &["rule.dest.offnet"],
        run: host_acl,
    },
    Check {
        id: "target.filtered",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the host lets nobody in",
        what: "The host is there, and leaves even its own network without an answer, or forbids \
               it: its firewall is closed for this port.",
        next: "Allow the port in the host's firewall.",
        trap: "A host that was overloaded for 4 s looks the same.",
        source: "connections from the router",
        after: &["rule.dest.offnet", "rule.dest.noarp"],
        run: filtered,
    },
    Check {
        id: "target.udp",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "nothing listens there (UDP)",
        what: "The host answered a datagram with port unreachable. Silence is no answer: WireGuard \
               and many others say nothing to strangers, and are unknown then.",
        next: "Start the program, or remove the forward.",
        trap: "Some firewalls refuse as if nothing listened.",
        source: "an empty datagram from the router",
        after: &["rule.proto_mismatch", "rule.dest.offnet"],
        run: udp,
    },
];

/// What the tries at one forward's host came to, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Home {
    /// It answers near and far.
    Open,
    /// It answers near, and far not at all.
    Deaf,
    /// It answers near, and refuses far.
    Wary,
    /// Nothing that tells.
    Untold,
    Filtered,
    Refused,
    /// Only UDP was tried, and refused.
    UdpRefused,
    Absent,
}

/// The tries at this forward's ports.
fn tries<'a>(facts: &Facts<'a>, forward: &Forward) -> Vec<&'a Try> {
    let Target::Host(ip) = forward.target else { return Vec::new() };
    let ports = forward.inside_ports();
    let all = facts.snapshot.targets.known().map(|all| &all[..]).unwrap_or_default();
    let fits = |one: &&Try| {
        let proto = if one.tcp { Proto::Tcp } else { Proto::Udp };
        one.to.ip() == ip
            && forward.protos.contains(&proto)
            && ports.iter().any(|ports| ports.has(one.to.port()))
    };
    if forward.every_port() { Vec::new() } else { all.iter().filter(fits).collect() }
}

/// The best that any of them tells: of a range only some ports may be in use, and of `tcp udp`
/// only one. The try that tells it comes along.
fn home<'a>(tries: &[&'a Try]) -> (Home, Option<&'a Try>) {
    let one = |one: &&'a Try| {
        let far = one.far.known();
        let home = match (one.near.known(), one.tcp) {
            (None, _) => Home::Untold,
            (Some(Heard::Open), true) => match far {
                Some(Heard::Open) => Home::Open,
                Some(Heard::Silent) => Home::Deaf,
                Some(Heard::Refused | Heard::Forbidden | Heard::Absent) => Home::Wary,
                None => Home::Untold,
            },
            (Some(Heard::Open), false) if far == Some(&Heard::Open) => Home::Open,
            (Some(Heard::Refused), true) => Home::Refused,
            (Some(Heard::Refused), false) => Home::UdpRefused,
            (Some(Heard::Absent), _) => Home::Absent,
            (Some(Heard::Silent | Heard::Forbidden), true) => Home::Filtered,
            // UDP: silence is no answer, and strangers may be left without one.
            (_, false) => Home::Untold,
        };
        (home, *one)
    };
    let best = tries.iter().map(one).min_by_key(|(home, _)| *home);
    best.map_or((Home::Untold, None), |(home, one)| (home, Some(one)))
}

fn words(heard: &Known<Heard>) -> &str {
    match heard {
        Known::Known(Heard::Open) => "it answers",
        Known::Known(Heard::Refused) => "it refuses",
        Known::Known(Heard::Forbidden) => "forbidden by its firewall",
        Known::Known(Heard::Absent) => "nobody has the address",
        Known::Known(Heard::Silent) => "no answer",
        Known::Unknown(why) => why,
    }
}

fn evidence(one: &Try) -> Evidence {
    let source = format!("{} {} tried from here", if one.tcp { "tcp" } else { "udp" }, one.to);
    let (near, far) = (words(&one.near), words(&one.far));
    let summary = format!("from its own network: {near}; as a stranger: {far}");
    Evidence { means: Means::Probe, source, summary }
}

/// Its host answers near and far (`target.ok`): not a finding, but part of what a verdict rests on.
pub fn answers(facts: &Facts, forward: &Forward) -> Option<Evidence> {
    match home(&tries(facts, forward)) {
        (Home::Open, Some(one)) => Some(evidence(one)),
        _ => None,
    }
}

/// Nobody had the address when it was tried.
pub fn absent(facts: &Facts, forward: &Forward) -> Option<Evidence> {
    match home(&tries(facts, forward)) {
        (Home::Absent, Some(one)) => Some(evidence(one)),
        _ => None,
    }
}

/// Active forwards to other hosts that have ports of this kind.
fn others<'a>(facts: &Facts<'a>, tcp: bool) -> impl Iterator<Item = (usize, &'a Forward)> {
    let proto = if tcp { Proto::Tcp } else { Proto::Udp };
    facts.active().filter(move |(_, forward)| {
        matches!(forward.target, Target::Host(_))
            && !facts.to_router(forward)
            && !forward.every_port()
            && forward.protos.contains(&proto)
    })
}

/// Fails each forward whose tries came to `bad`.
fn each(
    facts: &Facts,
    out: &mut Answers,
    bad: Home,
    effect: Effect,
    text: &dyn Fn(&str) -> String,
    fix: &str,
) {
    for (index, forward) in others(facts, bad != Home::UdpRefused) {
        match home(&tries(facts, forward)) {
            (Home::Untold | Home::Absent, _) | (_, None) => out.untold(),
            // Of those who may come in we are none: what the host says to us is not for them.
            (Home::Deaf | Home::Wary, _) if !forward.source.is_anybody() => out.untold(),
            (found, Some(one)) if found == bad => {
                let finding = out.forward(facts, index, text(&one.to.to_string()), fix);
                finding.effect(effect).evidence.push(evidence(one));
            }
            _ => out.pass(),
        }
    }
}

fn return_path(facts: &Facts, out: &mut Answers) {
    let text = |to: &str| {
        format!(
            "{to} answers the router's own address in the LAN, but not its outside address: \
                 the host has no default gateway or another one, or its firewall drops what is \
                 not local."
        )
    };
    let fix = "Set the host's default gateway to this router; if it is, open its firewall.";
    each(facts, out, Home::Deaf, Effect::Blocked(Where::Host), &text, fix);
}

fn host_acl(facts: &Facts, out: &mut Answers) {
    let text = |to: &str| {
        format!(
            "{to} answers the router's own address in the LAN, but refuses its outside address."
        )
    };
    let fix = "Allow the port from everywhere in the host's firewall.";
    each(facts, out, Home::Wary, Effect::Blocked(Where::Host), &text, fix);
}

fn filtered(facts: &Facts, out: &mut Answers) {
    let text = |to: &str| format!("{to} does not even let the router's LAN address in.");
    let fix = "Allow the port in the host's firewall.";
    each(facts, out, Home::Filtered, Effect::Blocked(Where::Host), &text, fix);
}

fn udp(facts: &Facts, out: &mut Answers) {
    let text = |to: &str| format!("No program waits on udp {to}: the host said so.");
    let fix = "Start the program, or remove the forward.";
    each(facts, out, Home::UdpRefused, Effect::Blocked(Where::Service), &text, fix);
}

fn refused(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active().filter(|(_, forward)| facts.to_router(forward)) {
        if forward.protos != [Proto::Tcp] || forward.every_port() {
            continue;
        }
        let Some(all) = known(&facts.snapshot.listeners, out) else { break };
        let ports = forward.inside_ports();
        let open = |listener: &Listener| {
            listener.proto == Proto::Tcp
                && ports.iter().any(|ports| ports.has(listener.port))
                && listener.ip.is_none_or(|ip| !ip.is_loopback())
        };
        if !out.pass_if(all.iter().any(open)) {
            let text = format!("Nothing on the router waits on {}.", forward.target_words());
            out.forward(facts, index, text, "Start the program, or remove the forward.")
                .effect(Effect::Blocked(Where::Service))
                .seen(Means::Kernel, "/proc/net/tcp", "no such listener");
        }
    }
    let text = |to: &str| format!("{to} refuses: no program waits there.");
    let fix = "Start the program, or remove the forward.";
    each(facts, out, Home::Refused, Effect::Blocked(Where::Service), &text, fix);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(tcp: bool, near: Heard, far: Heard) -> Try {
        let to = "192.168.1.50:80".parse().unwrap();
        Try { to, tcp, near: Known::Known(near), far: Known::Known(far) }
    }

    #[test]
    fn two_tries_tell_what_one_would_not() {
        use Heard::{Absent, Forbidden, Open, Refused, Silent};
        for (near, far, tcp, udp) in [
            (Open, Open, Home::Open, Home::Open),
            (Open, Silent, Home::Deaf, Home::Untold),
            (Open, Refused, Home::Wary, Home::Untold),
            (Open, Forbidden, Home::Wary, Home::Untold),
            (Refused, Refused, Home::Refused, Home::UdpRefused),
            (Refused, Silent, Home::Refused, Home::UdpRefused),
            (Silent, Silent, Home::Filtered, Home::Untold),
            (Forbidden, Forbidden, Home::Filtered, Home::Untold),
            (Absent, Absent, Home::Absent, Home::Absent),
        ] {
            assert_eq!(home(&[&one(true, near, far)]).0, tcp, "tcp {near:?} {far:?}");
            assert_eq!(home(&[&one(false, near, far)]).0, udp, "udp {near:?} {far:?}");
        }
        assert_eq!(home(&[]).0, Home::Untold);
    }

    #[test]
    fn of_several_the_best_counts_and_silence_of_udp_is_no_answer() {
        let (open, closed) =
            (one(true, Heard::Open, Heard::Open), one(true, Heard::Refused, Heard::Refused));
        let (mute, shut) =
            (one(false, Heard::Silent, Heard::Silent), one(false, Heard::Refused, Heard::Refused));
        assert_eq!(home(&[&closed, &open]).0, Home::Open);
        assert_eq!(home(&[&closed, &mute]).0, Home::Untold);
        assert_eq!(home(&[&closed, &shut]).0, Home::Refused);
    }
}
