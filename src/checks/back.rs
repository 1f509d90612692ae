//! Group `path`, where a router has more than one way out: does a packet from the Internet pass the
//! reverse path filter of the WAN it comes by, and does the answer leave by that WAN again? By the
//! kernel's own word on packets of which none was sent (`collect::passages`).

use super::path::{is_shut, of};
use super::{Answers, Check, Facts};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};
use crate::model::forward::{Forward, Target};
use crate::model::known::Known;
use crate::model::name::Family;
use crate::model::ruleset::{Mark, Marks};
use crate::model::snapshot::{LineOf, Passed};
use std::net::IpAddr;

pub const CHECKS: &[Check] = &[
    Check {
        id: "path.rpfilter",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the reverse path filter drops it",
        what: "With rp_filter 1 the kernel drops a packet that comes in by another device than the \
               one it would answer by. On a second WAN these are all packets from the Internet, \
               also where marks would lead the answers back. The counters of DNAT rules rise all \
               the same.",
        next: "Write net.ipv4.conf.DEVICE.rp_filter=2 in /etc/sysctl.conf; then: sysctl -p",
        trap: "With src_valid_mark a mark on the packet counts too; here it has none. 0 and 2 \
               are no hindrance; the larger of conf.all and the device's counts.",
        source: "the kernel's route lookup, /proc/sys/net/ipv4/conf; IPReversePathFilter in \
                 /proc/net/netstat counts what is dropped",
        after: &[],
        run: filtered,
    },
    Check {
        id: "path.asym",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "answers leave by another WAN",
        what: "A connection that came by one WAN must be answered by the same: the other provider \
               drops or translates what is not from its own address. The kernel was asked where an \
               answer of the host would go, without a mark and with each mark that the rules set; \
               a mark counts if some rule gives packets their connection's mark back.",
        next: "Have answers marked (mwan3, pbr, or nft: ct mark set, meta mark set ct mark), or \
               forward on the WAN that is the way out.",
        trap: "Visitors of the WAN's own subnet are answered all the same. Routing rules by port \
               are not seen.",
        source: "the kernel's route lookup; nft -j list ruleset",
        after: &[],
        run: astray,
    },
];

/// How one WAN treats a forward.
enum Treats {
    Well,
    /// What of it, and the kernel's word.
    Ill(String, String),
    /// Why it cannot be told; nothing: there is nothing to ask.
    Unknown(String),
}

fn filtered(facts: &Facts, out: &mut Answers) {
    let fix = |device: &str| {
        // A VLAN's dot stands as a slash there.
        let device = device.replace('.', "/");
        format!("Write net.ipv4.conf.{device}.rp_filter=2 in /etc/sysctl.conf; then: sysctl -p")
    };
    each(facts, out, Effect::Blocked(Where::Line), &|_, line| arrives(facts, line), &fix);
}

fn astray(facts: &Facts, out: &mut Answers) {
    let fix = |device: &str| {
        format!(
            "Mark connections of {device} and restore the mark (mwan3, pbr), or use the WAN that \
             is the way out."
        )
    };
    let how = |forward: &Forward, line: &LineOf| match forward.target {
        Target::Host(host @ IpAddr::V4(_)) => answered(facts, line, host),
        // The router's own answers are no question of this.
        _ => Treats::Unknown(String::new()),
    };
    each(facts, out, Effect::Astray, &how, &fix);
}

/// One finding for each WAN that treats forwards ill.
fn each(
    facts: &Facts,
    out: &mut Answers,
    effect: Effect,
    how: &dyn Fn(&Forward, &LineOf) -> Treats,
    fix: &dyn Fn(&str) -> String,
) {
    // An older bundle does not tell; with one way out there is one way back.
    if facts.snapshot.passed.known().is_none() && !several(facts) {
        return;
    }
    // WAN; whether some come by another WAN; what of it, and by what; forwards.
    let mut found: Vec<(&LineOf, bool, String, String, Vec<usize>)> = Vec::new();
    for (index, forward) in facts.active().filter(|(_, forward)| forward.v4) {
        let lines = lines(facts, forward);
        let treats: Vec<Treats> = lines.iter().map(|line| how(forward, line)).collect();
        let well = treats.iter().any(|one| !matches!(one, Treats::Ill(..)));
        for (line, one) in lines.into_iter().zip(treats) {
            match one {
                Treats::Well => out.pass(),
                Treats::Unknown(why) if why.is_empty() => {}
                Treats::Unknown(_) => out.untold(),
                Treats::Ill(what, seen) => {
                    let same = found.iter_mut().find(|(at, partly, why, ..)| {
                        at.device == line.device && *partly == well && *why == what
                    });
                    match same {
                        Some((.., forwards)) => forwards.push(index),
                        None => found.push((line, well, what, seen, vec![index])),
                    }
                }
            }
        }
    }
    for (line, partly, what, seen, forwards) in found {
        let device = line.device.as_deref().unwrap_or_default();
        let (subject, effect) = match partly {
            true => (line.network.clone(), Effect::Partial),
            false => ([&line.network, " alone"].concat(), effect),
        };
        let finding = out.about(&subject, what, fix(device));
        finding.forwards = forwards;
        finding.effect(effect).seen(Means::Kernel, "the kernel's route lookup", seen);
    }
}

/// Those that a forward's packets can come by over IPv4.
fn lines<'a>(facts: &Facts<'a>, forward: &Forward) -> Vec<&'a LineOf> {
    let mut lines = of(facts, forward, Family::Ipv4);
    lines.retain(|line| {
        let ours = |ip: &IpAddr| {
            forward.src_dip.is_empty() || forward.src_dip.iter().any(|net| net.contains(*ip))
        };
        line.device.is_some() && !is_shut(&line.verdict.line) && line.addresses.iter().any(ours)
    });
    lines
}

/// Whether packets from the Internet to a WAN's address get past its reverse path filter.
fn arrives(facts: &Facts, line: &LineOf) -> Treats {
    let passed = match &facts.snapshot.passed {
        Known::Known(passed) => passed,
        Known::Unknown(why) => return Treats::Unknown(why.clone()),
    };
    let here = |one: &&Passed| {
        one.from.is_none()
            && Some(&one.by) == line.device.as_ref()
            && one.to.is_some_and(|to| line.addresses.contains(&to))
    };
    match passed.iter().find(here) {
        Some(one @ Passed { refused: true, to: Some(to), .. }) => Treats::Ill(
            format!(
                "The kernel drops what comes by {} from the Internet: its reverse path filter is \
                 strict, and the way back is another.",
                one.by
            ),
            format!("a packet to {to} by {} is refused", one.by),
        ),
        Some(_) => Treats::Well,
        None => Treats::Unknown("the kernel did not tell".into()),
    }
}

/// Whether answers of a host leave by the WAN that the question came by.
fn answered(facts: &Facts, line: &LineOf, host: IpAddr) -> Treats {
    let (passed, device) = match (&facts.snapshot.passed, &line.device) {
        (Known::Known(passed), Some(device)) => (passed, device),
        (Known::Unknown(why), _) => return Treats::Unknown(why.clone()),
        _ => return Treats::Unknown("the line has no device".into()),
    };
    let answers = |mark: u32| {
        passed.iter().find(|one| one.from == Some(host) && one.to.is_none() && one.mark == mark)
    };
    let Some(plain) = answers(0).filter(|one| !one.refused) else {
        return Treats::Unknown("the kernel did not tell".into());
    };
    if plain.out.as_ref() == Some(device) {
        return Treats::Well;
    }
    let marks = match &facts.snapshot.live {
        Known::Known(live) => &live.marks,
        Known::Unknown(why) => return Treats::Unknown(why.clone()),
    };
    let leads = |mark: &Mark| Some(answers(mark.value)?.out.as_ref() == Some(device));
    match by_mark(marks, &leads, &plain.by) {
        Some(true) => Treats::Well,
        Some(false) => {
            let where_to = match &plain.out {
                Some(out) => format!("by {out}"),
                None => "nowhere".into(),
            };
            let why = if marks.restored { "no mark of the rules leads" } else { "no rule leads" };
            Treats::Ill(
                format!("Answers to what comes by {device} leave {where_to}: {why} them back."),
                format!("from {host} by {}: {where_to}", plain.by),
            )
        }
        None => Treats::Unknown("whether rules mark the answers is not told".into()),
    }
}

/// Whether a mark leads answers back that come in by device `lan`; `None`: that cannot be told.
fn by_mark(marks: &Marks, leads: &dyn Fn(&Mark) -> Option<bool>, lan: &str) -> Option<bool> {
    let leading = marks.set.iter().filter(|mark| leads(mark) != Some(false));
    let leading: Vec<(&Mark, bool)> = leading.map(|mark| (mark, leads(mark).is_some())).collect();
    if marks.restored && leading.iter().any(|(_, sure)| *sure) {
        return Some(true);
    }
    // Without that a mark may still be set on the answers themselves.
    let is_lan = |by: &String| match by.strip_suffix('*') {
        Some(start) => lan.starts_with(start),
        None => by == lan,
    };
    let perhaps = |(mark, _): &(&Mark, bool)| {
        marks.restored || (mark.packet && (mark.by.is_empty() || mark.by.iter().any(is_lan)))
    };
    if marks.unread || leading.iter().any(perhaps) { None } else { Some(false) }
}

/// Packets leave for the IPv4 Internet by more than one device.
fn several(facts: &Facts) -> bool {
    let lines = facts.snapshot.line.known().into_iter().flatten();
    let mut devices =
        lines.filter(|line| line.family == Family::Ipv4).filter_map(|line| line.device.as_ref());
    let first = devices.next();
    devices.any(|device| Some(device) != first)
}

/// Why nobody can tell whether a forward's answers find their way, if that is so on all its lines.
pub fn doubt(facts: &Facts, forward: &Forward) -> Option<String> {
    let Target::Host(host @ IpAddr::V4(_)) = forward.target else { return None };
    if !several(facts) {
        return None;
    }
    let lines = lines(facts, forward);
    let why = |line: &&LineOf| match answered(facts, line, host) {
        Treats::Unknown(why) => Some(why),
        _ => None,
    };
    let whys: Vec<String> = lines.iter().filter_map(why).collect();
    whys.first().filter(|_| whys.len() == lines.len()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `value`, on packets or connections, by which devices; and whether marks are restored.
    fn told(set: &[(u32, bool, &[&str])], restored: bool, unread: bool) -> Option<bool> {
        let mark = |(value, packet, by): &(u32, bool, &[&str])| Mark {
            value: *value,
            packet: *packet,
            by: by.iter().map(|by| by.to_string()).collect(),
        };
        let marks = Marks { restored, set: set.iter().map(mark).collect(), unread };
        // Mark 2 leads back; of mark 9 the kernel did not tell.
        by_mark(&marks, &|mark| (mark.value != 9).then_some(mark.value == 2), "br-lan")
    }

    #[test]
    fn marks_that_lead_back_and_that_do_not() {
        // Nobody marks anything.
        assert_eq!(told(&[], false, false), Some(false));
        assert_eq!(told(&[], false, true), None);
        // Saved and given back; saved only; given back, but another one.
        assert_eq!(told(&[(2, false, &["wanb"])], true, false), Some(true));
        assert_eq!(told(&[(2, false, &["wanb"])], false, false), Some(false));
        assert_eq!(told(&[(1, false, &["wanb"])], true, false), Some(false));
        assert_eq!(told(&[(1, false, &["wanb"])], true, true), None);
        assert_eq!(told(&[(9, false, &["wanb"])], true, false), None);
        assert_eq!(told(&[(9, false, &["wanb"])], false, false), Some(false));
        // On the packets that come in alone; on whatever; on those of the LAN.
        assert_eq!(told(&[(2, true, &["wanb"])], false, false), Some(false));
        assert_eq!(told(&[(2, true, &[])], false, false), None);
        assert_eq!(told(&[(2, true, &["wanb", "br-*"])], false, false), None);
    }
}
