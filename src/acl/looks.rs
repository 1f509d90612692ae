//! What one comparison of a rule says of a piece: which part of it matches, which does not, and
//! which may. A piece is only ever cut, never lost.

use super::space::{Dim, PORTED, Span, bits, masked, meet};
use super::walk::{RuleId, TooComplex};
use super::walker::{DNAT, Frag, Item, UNTRACKED, Walker};
use crate::model::name::Family;
use crate::model::ruleset::{Expr, Field, Match, Op, Part, Table};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Yes,
    No,
    /// Cannot be told.
    Maybe,
}

/// A TCP packet is a SYN.
const SYN: u128 = 2;
/// `ct state`.
const INVALID: u128 = 1;
const NEW: u128 = 8;
const STATE_UNTRACKED: u128 = 64;
/// `ct status`.
const STATUS_DNAT: u128 = 32;
/// `fib daddr type`.
const LOCAL: u128 = 2;

/// What a field is for a piece.
enum Seen<'a> {
    /// A range that can be cut; compared after a mask and this many bits to the right.
    Range(Dim, u32, u128),
    /// The same number for the whole piece.
    Number(u128),
    Device(&'a str),
    Unknown,
}

impl<'a> Walker<'a> {
    /// Whether a rule surely has nothing to do with a piece, so that it need not be cut for it: one
    /// of its conditions is all beside the piece.
    pub fn misses(&self, home: &Table, exprs: &[Expr], frag: &Frag) -> bool {
        for expr in exprs {
            let test = match expr {
                Expr::Match(test) => test,
                Expr::Limit { .. } | Expr::Sometimes(_) => continue,
                // From here on it may have done something.
                _ => return false,
            };
            for part in &test.key {
                let protocol = part.protocol.map(u128::from);
                if part.family.is_some_and(|family| family != self.family)
                    || protocol
                        .is_some_and(|one| meet(frag.now.get(Dim::Protocol), (one, one)).is_none())
                {
                    return true;
                }
            }
            let [part] = test.key.as_slice() else { continue };
            let named = test.values.set.as_ref();
            let values = match named.map(|name| home.sets.iter().find(|set| set.name == *name)) {
                None => &test.values,
                Some(Some(set)) if !set.changing => &set.values,
                _ => continue,
            };
            if test.op != Op::Is || values.unknown.is_some() {
                continue;
            }
            if let Seen::Range(dim, 0, u128::MAX) = self.seen(part, frag)
                && (part.protocol.is_some() || !matches!(dim, Dim::SourcePort | Dim::DestPort))
                && !meets(&values.spans, frag.now.get(dim))
            {
                return true;
            }
        }
        false
    }

    /// Cuts an item by a comparison. What does not match goes to `no` as it was.
    pub fn test(
        &mut self,
        home: &Table,
        id: RuleId,
        test: &Match,
        item: Item,
        yes: &mut Vec<Item>,
        no: &mut Vec<Frag>,
    ) -> Result<(), TooComplex> {
        let mut values = &test.values;
        let mut lost = values.unknown.as_deref();
        if let Some(name) = &values.set {
            match home.sets.iter().find(|set| set.name == *name) {
                Some(set) if set.changing => lost = Some("a set that rules fill"),
                Some(set) => {
                    values = &set.values;
                    lost = set.values.unknown.as_deref();
                }
                None => lost = Some("a set that is not in the listing"),
            }
        }
        let mut pieces = Vec::with_capacity(2);
        self.needs(&test.key, item.0, &mut pieces, no)?;
        let mut out: Vec<(Frag, Is)> = Vec::with_capacity(2);
        for (frag, is) in pieces {
            let before = out.len();
            match test.key.as_slice() {
                [part] => self.look(part, &values.spans, &values.names, test.op, frag, &mut out)?,
                key => self.concat(key, &values.spans, &values.names, frag, &mut out)?,
            }
            for (_, found) in out.iter_mut().skip(before) {
                *found = match (*found, lost) {
                    (_, _) if is == Is::Maybe => Is::Maybe,
                    (Is::No, Some(_)) => Is::Maybe,
                    // A changing set says nothing at all: its values are not looked at.
                    (found, _) => found,
                };
                if test.op == Op::IsNot {
                    *found = match *found {
                        Is::Yes => Is::No,
                        Is::No => Is::Yes,
                        Is::Maybe => Is::Maybe,
                    };
                }
            }
        }
        for (frag, is) in out {
            match is {
                Is::Yes => yes.push((frag, item.1)),
                Is::No => no.push(frag),
                Is::Maybe => {
                    let why = reason(&test.key).or(lost).unwrap_or(UNSORTED);
                    let doubt = self.doubt(Some(id), why);
                    yes.push((frag, if item.1 == 0 { doubt } else { item.1 }));
                }
            }
        }
        Ok(())
    }

    /// Cuts an item by one element of a map.
    #[allow(clippy::too_many_arguments)]
    pub fn element(
        &mut self,
        id: RuleId,
        key: &[Part],
        element: &[Span],
        names: &[String],
        item: Item,
        yes: &mut Vec<Item>,
        no: &mut Vec<Item>,
    ) -> Result<(), TooComplex> {
        let (mut pieces, mut never) = (Vec::new(), Vec::new());
        self.needs(key, item.0, &mut pieces, &mut never)?;
        no.extend(never.into_iter().map(|frag| (frag, item.1)));
        let mut out = Vec::with_capacity(2);
        for (frag, is) in pieces {
            let before = out.len();
            self.concat(key, element, names, frag, &mut out)?;
            if is == Is::Maybe {
                out.iter_mut().skip(before).for_each(|(_, found)| *found = Is::Maybe);
            }
        }
        for (frag, is) in out {
            match is {
                Is::Yes => yes.push((frag, item.1)),
                Is::No => no.push((frag, item.1)),
                Is::Maybe => {
                    // Here, or by a later element, or behind the rule: from here on a doubt.
                    let doubt = self.doubt(Some(id), reason(key).unwrap_or(UNSORTED));
                    let doubt = if frag.doubt == 0 { doubt } else { frag.doubt };
                    let frag = Frag { doubt, ..frag };
                    yes.push((frag, 0));
                    no.push((frag, item.1));
                }
            }
        }
        Ok(())
    }

    /// What a key takes for granted: a family, a protocol. Others never match, also with `!=`.
    fn needs(
        &mut self,
        key: &[Part],
        frag: Frag,
        pieces: &mut Vec<(Frag, Is)>,
        never: &mut Vec<Frag>,
    ) -> Result<(), TooComplex> {
        let mut all = vec![(frag, Is::Yes)];
        for part in key {
            self.spend(all.len())?;
            if part.family.is_some_and(|family| family != self.family) {
                never.extend(all.drain(..).map(|(frag, _)| frag));
            }
            // Without a connection its status ends the rule; its state has a value of its own.
            if part.field == Field::CtStatus {
                let none = |frag: &Frag| !self.tracked || frag.flags & UNTRACKED != 0;
                all.retain(|(frag, _)| {
                    if none(frag) {
                        never.push(*frag);
                    }
                    !none(frag)
                });
            }
            let ports = matches!(part.field, Field::SourcePort | Field::DestPort);
            if let Some(protocol) = part.protocol {
                let one = [(u128::from(protocol), u128::from(protocol))];
                let mut left = Vec::with_capacity(1);
                for (frag, is) in all {
                    let mut out = Vec::with_capacity(2);
                    cut(&frag, Dim::Protocol, &one, &mut out);
                    for (frag, found) in out {
                        if found == Is::Yes { left.push((frag, is)) } else { never.push(frag) }
                    }
                }
                all = left;
            } else if ports {
                // `th dport`: of what has no ports it reads something else.
                let mut left = Vec::with_capacity(1);
                for (frag, is) in all {
                    let mut out = Vec::with_capacity(2);
                    cut(&frag, Dim::Protocol, PORTED, &mut out);
                    left.extend(out.into_iter().map(|(frag, found)| {
                        (frag, if found == Is::Yes { is } else { Is::Maybe })
                    }));
                }
                all = left;
            }
        }
        pieces.extend(all);
        Ok(())
    }

    /// One part against ranges that are sorted and apart.
    fn look(
        &mut self,
        part: &Part,
        spans: &[Span],
        names: &[String],
        op: Op,
        frag: Frag,
        out: &mut Vec<(Frag, Is)>,
    ) -> Result<(), TooComplex> {
        self.spend(1)?;
        let whole = match self.seen(part, &frag) {
            Seen::Unknown => Is::Maybe,
            Seen::Device(device) => {
                let one = |name: &String| match name.strip_suffix('*') {
                    Some(start) => device.starts_with(start),
                    None => device == name,
                };
                let mut found = spans.iter().flat_map(|(low, high)| {
                    let low = usize::try_from(*low).unwrap_or(usize::MAX);
                    let high = usize::try_from(*high).unwrap_or(usize::MAX);
                    names.iter().skip(low).take(high.saturating_sub(low).saturating_add(1))
                });
                if found.any(one) { Is::Yes } else { Is::No }
            }
            Seen::Number(number) => {
                let number = number & part.mask;
                let inside =
                    |one: u128| spans.iter().any(|(low, high)| (*low..=*high).contains(&one));
                let bit = spans.iter().any(|(low, _)| low & number != 0);
                let found = match op {
                    Op::Is | Op::IsNot => inside(number),
                    Op::AnyBit => bit,
                    Op::NoBit => !bit,
                };
                if found { Is::Yes } else { Is::No }
            }
            Seen::Range(dim, 0, u128::MAX) => {
                self.spend(cut(&frag, dim, spans, out))?;
                return Ok(());
            }
            Seen::Range(dim, shift, mask) => {
                let range = frag.now.get(dim);
                let mut found = Vec::new();
                let mut all = true;
                for (low, high) in spans {
                    let value = low.checked_shl(shift).filter(|value| value >> shift == *low);
                    all &= low == high
                        && value
                            .is_some_and(|value| masked(range, mask, value, &mut found).is_some());
                }
                found.sort_unstable();
                if !all {
                    Is::Maybe
                } else {
                    self.spend(cut(&frag, dim, &found, out))?;
                    return Ok(());
                }
            }
        };
        out.push((frag, whole));
        Ok(())
    }

    /// Elements with a range for each part: the first that matches a packet takes it.
    fn concat(
        &mut self,
        key: &[Part],
        spans: &[Span],
        names: &[String],
        frag: Frag,
        out: &mut Vec<(Frag, Is)>,
    ) -> Result<(), TooComplex> {
        let mut rest = vec![(frag, Is::No)];
        for element in spans.chunks(key.len().max(1)) {
            let mut next = Vec::with_capacity(rest.len());
            for (frag, before) in rest {
                let beside = key.iter().zip(element).any(|(part, span)| {
                    matches!(self.seen(part, &frag), Seen::Range(dim, 0, u128::MAX)
                        if meet(frag.now.get(dim), *span).is_none())
                });
                if beside {
                    self.spend(1)?;
                    next.push((frag, before));
                    continue;
                }
                let mut inside = vec![(frag, Is::Yes)];
                for (part, span) in key.iter().zip(element) {
                    let mut left = Vec::with_capacity(1);
                    for (frag, so_far) in inside {
                        let mut cut = Vec::with_capacity(2);
                        self.look(part, &[*span], names, Op::Is, frag, &mut cut)?;
                        for (frag, found) in cut {
                            match found {
                                Is::Yes => left.push((frag, so_far)),
                                Is::Maybe => left.push((frag, Is::Maybe)),
                                Is::No => next.push((frag, before)),
                            }
                        }
                    }
                    inside = left;
                }
                for (frag, found) in inside {
                    match found {
                        Is::Yes => out.push((frag, Is::Yes)),
                        // Another element may take it yet.
                        _ => next.push((frag, Is::Maybe)),
                    }
                }
            }
            rest = next;
        }
        out.extend(rest);
        Ok(())
    }

    fn seen(&self, part: &Part, frag: &Frag) -> Seen<'a> {
        let plain = |dim| Seen::Range(dim, 0, part.mask);
        match &part.field {
            Field::Source => plain(Dim::Source),
            Field::Dest => plain(Dim::Dest),
            Field::SourcePort | Field::IcmpType => plain(Dim::SourcePort),
            Field::DestPort | Field::IcmpCode => plain(Dim::DestPort),
            Field::Protocol => plain(Dim::Protocol),
            Field::Nfproto => Seen::Number(if self.family == Family::Ipv4 { 2 } else { 10 }),
            Field::InDevice => Seen::Device(self.device),
            Field::OutDevice => match (self.out_device, self.hook) {
                (Some(device), _) => Seen::Device(device),
                // Before the route is chosen there is none, and no name is that.
                (None, "prerouting" | "input") => Seen::Device(""),
                (None, _) => Seen::Unknown,
            },
            Field::CtState if frag.flags & UNTRACKED != 0 => Seen::Number(STATE_UNTRACKED),
            Field::CtState => Seen::Number(if self.tracked { NEW } else { INVALID }),
            Field::CtStatus => Seen::Number(if frag.flags & DNAT != 0 { STATUS_DNAT } else { 0 }),
            Field::TcpFlags => Seen::Number(SYN),
            Field::DestKind => match self.is_local(frag) {
                Some(true) => Seen::Number(LOCAL),
                Some(false) => Seen::Number(1),
                None => Seen::Unknown,
            },
            Field::NetworkHeader { offset, len } => self.header(*offset, *len),
            Field::Unknown(_) => Seen::Unknown,
        }
    }

    /// Whether a piece goes to one of the router's own addresses; a piece that is not all of one
    /// kind cannot be told.
    fn is_local(&self, frag: &Frag) -> Option<bool> {
        let own = |ip: &&std::net::IpAddr| Family::of(**ip) == self.family;
        let mut among = self.world.local.iter().filter(own);
        let one = |ip| meet(frag.now.dest, (bits(ip), bits(ip))).is_some();
        let met = among.any(|ip| one(*ip));
        match met {
            false => Some(false),
            true => (frag.now.dest.0 == frag.now.dest.1).then_some(true),
        }
    }

    /// `@nh,OFFSET,LEN` (RFC 791 3.1, RFC 8200 3), as far as it is protocol or addresses.
    fn header(&self, offset: u32, len: u32) -> Seen<'a> {
        let (protocol, source, dest, width) = match self.family {
            Family::Ipv4 => (72, 96, 128, 32),
            Family::Ipv6 => (48, 64, 192, 128),
        };
        let end = offset + len;
        let part = |dim, start: u32| {
            let mask = if len >= 128 { u128::MAX } else { (1u128 << len) - 1 };
            let shift = start + width - end;
            let mask = mask << shift;
            let full = len == width;
            Seen::Range(dim, shift, if full { u128::MAX } else { mask })
        };
        if (offset, len) == (protocol, 8) {
            Seen::Range(Dim::Protocol, 0, u128::MAX)
        } else if offset >= source && end <= source + width {
            part(Dim::Source, source)
        } else if offset >= dest && end <= dest + width {
            part(Dim::Dest, dest)
        } else {
            Seen::Unknown
        }
    }
}

/// Why a key could not be decided, where nothing better is known.
const UNSORTED: &str = "bits that we cannot sort out";

/// What of a key could not be decided.
fn reason(key: &[Part]) -> Option<&str> {
    key.iter().find_map(|part| match &part.field {
        Field::Unknown(what) => Some(match what.as_str() {
            "meta hour" => "the time of day",
            "meta day" => "the day of the week",
            "meta time" => "the date",
            what => what,
        }),
        Field::OutDevice => Some("where it goes out"),
        _ => None,
    })
}

/// Whether any of the ranges, sorted and apart, has part of this one.
fn meets(spans: &[Span], range: Span) -> bool {
    let first = spans.partition_point(|(_, to)| *to < range.0);
    spans.get(first).is_some_and(|span| meet(*span, range).is_some())
}

/// Cuts a piece by ranges that are sorted and apart; the number of looks that took.
fn cut(frag: &Frag, dim: Dim, spans: &[Span], out: &mut Vec<(Frag, Is)>) -> usize {
    let (low, high) = frag.now.get(dim);
    let mut from = low;
    let first = spans.partition_point(|(_, to)| *to < low);
    let before = out.len();
    for span in spans.iter().skip(first) {
        let Some(both) = meet((from, high), *span) else { break };
        if from < both.0 {
            out.push((frag.with(dim, (from, both.0 - 1)), Is::No));
        }
        out.push((frag.with(dim, both), Is::Yes));
        if both.1 == high {
            return out.len() - before;
        }
        from = both.1 + 1;
    }
    out.push((frag.with(dim, (from, high)), Is::No));
    out.len() - before
}
