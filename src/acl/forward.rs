//! The questions of a report: does one forward lead where its owner thinks, which rule takes the
//! rest, and what else can the Internet reach.

use super::space::{Packet, Space, bits, span_of, without};
use super::walk::{Answer, By, Caps, End, Fate, Question, TooComplex, World, ask};
use crate::model::address::Prefix;
use crate::model::name::Family;
use std::net::IpAddr;

/// One opening, as its owner means it.
#[derive(Clone, Debug)]
pub struct Forward<'a> {
    /// Where the Internet comes in.
    pub device: &'a str,
    pub protocol: u8,
    /// The ports that are asked for from outside; of a protocol without ports, whatever.
    pub ports: (u16, u16),
    /// Addresses that are asked for: the WAN's, or the host's own for an IPv6 pinhole.
    pub dest: &'a [IpAddr],
    /// Who may come; absent: anybody.
    pub source: Option<Prefix>,
    pub target: IpAddr,
    /// Absent: the port that was asked for.
    pub target_ports: Option<(u16, u16)>,
}

/// A part of a forward, and how it ends.
#[derive(Clone, Debug)]
pub struct Part {
    pub space: Space,
    /// One packet of it, as it comes in.
    pub witness: Packet,
    /// A place in [`Answer::ends`].
    pub end: usize,
}

/// What becomes of a forward.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What surely comes to the target.
    pub arrives: Vec<Space>,
    /// What surely does not: dropped, rejected, or let in to somebody else.
    pub lost: Vec<Part>,
    /// What a doubt decides, both ways.
    pub unsure: Vec<Part>,
    pub answer: Answer,
}

impl Judged {
    /// All of it arrives, whatever a doubt comes to.
    pub fn open(&self) -> bool {
        self.lost.is_empty() && self.unsure.is_empty() && !self.arrives.is_empty()
    }

    /// None of it arrives, whatever a doubt comes to.
    pub fn closed(&self) -> bool {
        self.arrives.is_empty() && self.unsure.is_empty()
    }
}

/// Asks for one forward. `calm` as in [`Question`].
pub fn judge(
    world: World,
    forward: &Forward,
    calm: bool,
    caps: Caps,
) -> Result<Judged, TooComplex> {
    let family = Family::of(forward.target);
    let source = forward.source.map_or((0, u128::MAX), span_of);
    let dest = forward.dest.iter().filter(|ip| Family::of(**ip) == family);
    let spaces = dest.map(|ip| Space {
        protocol: (forward.protocol, forward.protocol),
        source,
        dest: (bits(*ip), bits(*ip)),
        dest_port: forward.ports,
        // A client's port is never a low one (RFC 6335 6).
        source_port: if matches!(forward.protocol, 6 | 17) { (1024, 65535) } else { (0, 65535) },
    });
    let question = Question { device: forward.device, family, spaces: spaces.collect(), calm };
    let answer = ask(world, &question, caps)?;
    let target = bits(forward.target);
    let arrives = |end: &End| {
        let there = matches!(end.fate, Fate::Router | Fate::Forwarded(_));
        let ports = match forward.target_ports {
            Some((low, high)) => end.now.dest_port.0 >= low && end.now.dest_port.1 <= high,
            None => end.now.dest_port == end.asked.dest_port,
        };
        there && ports && end.now.dest == (target, target)
    };
    let (sure, _) = answer.parts(caps, arrives)?;
    let (missed, _) = answer.parts(caps, |end| !arrives(end))?;
    let inside = |list: &[Space], space: &Space| list.iter().any(|one| one.contains(space));
    let (mut lost, mut unsure) = (Vec::new(), Vec::new());
    for (place, end) in answer.ends.iter().enumerate() {
        let part = Part { space: end.asked, witness: end.asked.witness(), end: place };
        match (arrives(end), end.doubt) {
            (true, 0) => {}
            (true, _) if inside(&sure, &end.asked) => {}
            (false, 0) => lost.push(part),
            (false, _) if inside(&missed, &end.asked) => lost.push(part),
            _ => unsure.push(part),
        }
    }
    Ok(Judged { arrives: sure, lost, unsure, answer })
}

/// What somebody can reach by the same rule, and nobody declared.
#[derive(Clone, Debug)]
pub struct Opening {
    /// As they come in.
    pub spaces: Vec<Space>,
    /// Gets in if [`Opening::sure`]; otherwise only one to try.
    pub witness: Packet,
    /// A place in [`Answer::ends`]: the first of them.
    pub end: usize,
    /// No doubt hangs on it.
    pub sure: bool,
}

/// What an answer lets in, without what is declared; by rule, in the order of the walk.
pub fn surface(
    answer: &Answer,
    declared: &[Space],
    caps: Caps,
) -> Result<Vec<Opening>, TooComplex> {
    let mut found: Vec<(By, u32, Opening)> = Vec::new();
    let mut work = 0;
    for (place, end) in answer.ends.iter().enumerate() {
        if matches!(end.fate, Fate::Dropped | Fate::Rejected(_)) {
            continue;
        }
        let mut left = vec![end.asked];
        for space in declared {
            work += left.len() as u64;
            if work > caps.work {
                return Err(TooComplex);
            }
            left = without(left, space);
        }
        let Some(first) = left.first() else { continue };
        let sure = end.doubt == 0 && !matches!(end.fate, Fate::Unknown(_));
        match found.iter_mut().find(|(by, nat, _)| (*by, *nat) == (end.by, end.nat)) {
            Some((.., opening)) => {
                opening.spaces.append(&mut left);
                opening.sure |= sure;
            }
            None => {
                let witness = first.witness();
                let opening = Opening { spaces: left, witness, end: place, sure };
                found.push((end.by, end.nat, opening));
            }
        }
    }
    Ok(found.into_iter().map(|(.., opening)| opening).collect())
}

/// Ports beyond this number at once are more than a service needs.
const MANY_PORTS: u16 = 1_000;

/// How an end is broader than a service needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broad {
    /// A place in [`Answer::ends`].
    pub end: usize,
    /// More than a thousand ports.
    pub ports: bool,
    /// More than one host behind the router.
    pub hosts: bool,
}

/// What is surely let in from (nearly) anywhere to many ports, or to many hosts at once.
pub fn broad(answer: &Answer) -> Vec<Broad> {
    let half = if answer.family == Family::Ipv4 { 1 << 31 } else { 1u128 << 127 };
    let judged = answer.ends.iter().enumerate().filter_map(|(place, end)| {
        let let_in = matches!(end.fate, Fate::Router | Fate::Forwarded(_));
        let anybody = end.asked.source.1 - end.asked.source.0 >= half - 1;
        let ports = matches!(end.asked.protocol, (6, 6) | (17, 17))
            && end.asked.dest_port.1 - end.asked.dest_port.0 > MANY_PORTS;
        let hosts = matches!(end.fate, Fate::Forwarded(_)) && end.now.dest.0 != end.now.dest.1;
        (let_in && end.doubt == 0 && anybody && (ports || hosts)).then_some(Broad {
            end: place,
            ports,
            hosts,
        })
    });
    judged.collect()
}
