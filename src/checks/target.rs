//! Group `target`, without asking anybody: is somebody home on the router itself? Other hosts
//! would have to be tried.

use super::{Answers, Check, Facts, known};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};
use crate::model::forward::Proto;
use crate::model::snapshot::Listener;

pub const CHECKS: &[Check] = &[Check {
    id: "target.refused",
    severity: Severity::High,
    axis: Axis::Reach,
    title: "nothing listens there",
    what: "The port is open up to the router, but no program waits on it, or one for the router's \
           own use only (127.0.0.1).",
    next: "Start the program, or remove the forward.",
    trap: "WireGuard listens inside the kernel and is in no list of sockets: UDP is not judged.",
    source: "/proc/net/tcp",
    after: &["rule.proto_mismatch", "rule.to_router", "rule.listener", "rule.dmz.steals"],
    run: refused,
}];

fn refused(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active().filter(|(_, forward)| facts.to_router(forward)) {
        if forward.protos != [Proto::Tcp] || forward.every_port() {
            continue;
        }
        let Some(all) = known(&facts.snapshot.listeners, out) else { return };
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
}
