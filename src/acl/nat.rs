//! Where packets go: DNAT and redirects, and the choice between the router itself and what is behind
//! it, by its addresses and routes.

use super::space::{Dim, Span, bits, meet, span_of};
use super::walk::{By, Fate, Route, RuleId};
use super::walker::{DECIDED, DNAT, Frag, Left, MOVED_DEST, MOVED_PORT, Walker, keep};
use crate::model::name::Family;
use crate::model::ruleset::Target;

impl<'a> Walker<'a> {
    /// To the first address of the device where it came in.
    pub fn redirect(
        &mut self,
        id: RuleId,
        trail: u32,
        frags: Vec<Frag>,
        target: Target,
        left: &mut Left,
    ) {
        let first = self
            .world
            .first
            .iter()
            .find(|(device, ip)| device == self.device && Family::of(*ip) == self.family);
        for mut frag in frags {
            match first {
                Some((_, ip)) => {
                    let target = Target { addr: Some((*ip, *ip)), ..target };
                    self.dnat(id, trail, frag, target, left);
                }
                None => {
                    let why = "which address the router redirects to";
                    let doubt = self.doubt(Some(id), why);
                    frag.doubt = if frag.doubt == 0 { doubt } else { frag.doubt };
                    self.end(&frag, Fate::Unknown(why.to_string()), By::Rule(id, trail));
                    self.dnat(id, trail, frag, target, left);
                }
            }
        }
    }

    /// Gives a piece its new target. What keeps its target and port is no DNAT for `ct status`.
    pub fn dnat(&mut self, id: RuleId, trail: u32, frag: Frag, target: Target, left: &mut Left) {
        if !self.in_nat || self.hook != "prerouting" {
            self.end(&frag, Fate::Unknown("dnat elsewhere".to_string()), By::Rule(id, trail));
            return;
        }
        if self.answer.nats.last() != Some(&(id, trail)) {
            self.answer.nats.push((id, trail));
        }
        let nat = (self.answer.nats.len() - 1) as u32;
        let mut frag = Frag { flags: frag.flags | DECIDED, nat, ..frag };
        let mut dest = frag.now.dest;
        if let Some((low, high)) = target.addr {
            dest = (bits(low), bits(high));
            if low != high {
                let doubt = self.doubt(Some(id), "which of several addresses it leads to");
                frag.doubt = if frag.doubt == 0 { doubt } else { frag.doubt };
            }
        }
        let port = target
            .port
            .map_or(frag.now.get(Dim::DestPort), |(low, high)| (u128::from(low), u128::from(high)));
        for (piece, kept_port) in cut(&frag, Dim::DestPort, port) {
            for (mut piece, kept_dest) in cut(&piece, Dim::Dest, dest) {
                if !kept_port {
                    piece.was_port = piece.asked().dest_port;
                    piece.flags |= MOVED_PORT;
                    piece.now = piece.now.with(Dim::DestPort, (port.0, port.0));
                }
                let one = dest.0 == dest.1 || target.addr.is_none();
                if !kept_dest || !one {
                    piece.was_dest = piece.asked().dest;
                    piece.flags |= MOVED_DEST;
                    piece.now = piece.now.with(Dim::Dest, dest);
                }
                if !(kept_port && kept_dest && one) {
                    piece.flags |= DNAT;
                }
                keep(&mut left.accepted, piece);
            }
        }
    }

    /// The router's own, and by which device the rest goes out.
    #[allow(clippy::type_complexity)]
    pub fn route(&mut self, frags: Vec<Frag>) -> (Vec<Frag>, Vec<(Option<&'a str>, Vec<Frag>)>) {
        let v4 = self.family == Family::Ipv4;
        // Loopback from outside is dropped; multicast is taken by whoever joined.
        let ones = u128::MAX;
        let (loopback, multicast): (Span, Span) = match v4 {
            true => ((0x7f00_0000, 0x7fff_ffff), (0xe000_0000, 0xffff_ffff)),
            false => ((1, 1), (0xff << 120, ones)),
        };
        let (martian, frags) = pick(frags, loopback);
        for frag in martian {
            self.end(&frag, Fate::Dropped, By::Routing);
        }
        let (joined, mut frags) = pick(frags, multicast);
        for frag in joined {
            self.end(&frag, Fate::Unknown("multicast".to_string()), By::Routing);
        }
        let mut own = Vec::new();
        for ip in self.world.local.iter().filter(|ip| Family::of(**ip) == self.family) {
            let (found, others) = pick(frags, (bits(*ip), bits(*ip)));
            own.extend(found);
            frags = others;
        }
        let world = self.world;
        let mut routes: Vec<&'a Route> = Vec::new();
        for route in world.routes.iter().filter(|one| Family::of(one.to.ip) == self.family) {
            let shorter = |other: &&Route| other.to.len < route.to.len;
            routes.insert(routes.iter().position(shorter).unwrap_or(routes.len()), route);
        }
        let mut onward: Vec<(Option<&'a str>, Vec<Frag>)> = Vec::new();
        for route in routes {
            let (found, others) = pick(frags, span_of(route.to));
            frags = others;
            let device = Some(route.device.as_str());
            match onward.iter_mut().find(|(known, _)| *known == device) {
                Some((_, list)) => list.extend(found),
                None => onward.push((device, found)),
            }
        }
        onward.push((None, frags));
        onward.retain(|(_, list)| !list.is_empty());
        (own, onward)
    }
}

/// Pieces inside the span of a dimension and outside, at most three.
fn cut(frag: &Frag, dim: Dim, span: Span) -> Vec<(Frag, bool)> {
    let (low, high) = frag.now.get(dim);
    let Some(both) = meet((low, high), span) else { return vec![(*frag, false)] };
    let mut out = vec![(frag.with(dim, both), true)];
    if low < both.0 {
        out.push((frag.with(dim, (low, both.0 - 1)), false));
    }
    if both.1 < high {
        out.push((frag.with(dim, (both.1 + 1, high)), false));
    }
    out
}

/// Those with a target in the span, and the others.
fn pick(frags: Vec<Frag>, span: Span) -> (Vec<Frag>, Vec<Frag>) {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for frag in frags {
        for (piece, found) in cut(&frag, Dim::Dest, span) {
            if found { inside.push(piece) } else { outside.push(piece) }
        }
    }
    (inside, outside)
}
