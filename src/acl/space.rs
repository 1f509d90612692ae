//! Boxes of packets: a range in each of five numbers of a header, and exact set operations on
//! them. Both families are the same here: an IPv4 address is a small number.

use crate::model::address::Prefix;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Both ends included.
pub type Span = (u128, u128);

/// What a box has a range of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    Protocol,
    Source,
    Dest,
    /// Of ICMP: the type.
    SourcePort,
    /// Of ICMP: the code.
    DestPort,
}

pub const DIMS: [Dim; 5] = [Dim::Protocol, Dim::Source, Dim::Dest, Dim::SourcePort, Dim::DestPort];

/// Packets of one family. Ranges include both ends and are never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub protocol: (u8, u8),
    pub source: Span,
    pub dest: Span,
    pub source_port: (u16, u16),
    pub dest_port: (u16, u16),
}

/// The protocols whose header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
pub const PORTED: &[Span] = &[(6, 6), (17, 17), (33, 33), (132, 132), (136, 136)];

impl Space {
    pub const ALL: Space = Space {
        protocol: (0, 255),
        source: (0, u128::MAX),
        dest: (0, u128::MAX),
        source_port: (0, u16::MAX),
        dest_port: (0, u16::MAX),
    };

    pub fn get(&self, dim: Dim) -> Span {
        let short = |(low, high): (u16, u16)| (u128::from(low), u128::from(high));
        match dim {
            Dim::Protocol => (u128::from(self.protocol.0), u128::from(self.protocol.1)),
            Dim::Source => self.source,
            Dim::Dest => self.dest,
            Dim::SourcePort => short(self.source_port),
            Dim::DestPort => short(self.dest_port),
        }
    }

    /// `span` lies inside the range that was there, so nothing is lost.
    pub fn with(mut self, dim: Dim, span: Span) -> Space {
        let short = || (span.0 as u16, span.1 as u16);
        match dim {
            Dim::Protocol => self.protocol = (span.0 as u8, span.1 as u8),
            Dim::Source => self.source = span,
            Dim::Dest => self.dest = span,
            Dim::SourcePort => self.source_port = short(),
            Dim::DestPort => self.dest_port = short(),
        }
        self
    }

    /// What is in both.
    pub fn meet(&self, other: &Space) -> Option<Space> {
        let mut both = *self;
        for dim in DIMS {
            both = both.with(dim, meet(self.get(dim), other.get(dim))?);
        }
        Some(both)
    }

    /// Appends what is in `self` and not in `other`, in at most ten boxes that are apart.
    pub fn minus(&self, other: &Space, out: &mut Vec<Space>) {
        let Some(both) = self.meet(other) else {
            out.push(*self);
            return;
        };
        let mut left = *self;
        for dim in DIMS {
            let ((low, high), (from, to)) = (left.get(dim), both.get(dim));
            if low < from {
                out.push(left.with(dim, (low, from - 1)));
            }
            if to < high {
                out.push(left.with(dim, (to + 1, high)));
            }
            left = left.with(dim, (from, to));
        }
    }

    pub fn contains(&self, other: &Space) -> bool {
        self.meet(other) == Some(*other)
    }

    /// How many packets, about.
    pub fn volume(&self) -> f64 {
        DIMS.iter().map(|dim| self.get(*dim)).map(|(low, high)| (high - low) as f64 + 1.0).product()
    }

    /// One packet of it that could really come: a usual protocol, an ordinary sender and port,
    /// where the box has them.
    pub fn witness(&self) -> Packet {
        let pick = |(low, high): Span, liked: &[u128]| {
            liked.iter().copied().find(|one| (low..=high).contains(one)).unwrap_or(low)
        };
        let v4 = self.source.1 <= u128::from(u32::MAX) && self.dest.1 <= u128::from(u32::MAX);
        let address = |value: u128| match u32::try_from(value) {
            Ok(value) if v4 => IpAddr::V4(Ipv4Addr::from_bits(value)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(value)),
        };
        // Documentation addresses (RFC 5737, RFC 3849), then any public ones.
        let liked: &[u128] = match v4 {
            true => &[0xcb00_7109, 0xc633_6409, 0xc000_0209, 0x0808_0808],
            false => &[0x2001_0db8_0000_0000_0000_0000_0000_0009, 0x2000 << 112],
        };
        let protocol = pick(self.get(Dim::Protocol), &[6, 17, 1, 58]) as u8;
        let ported = PORTED.iter().any(|(one, _)| *one == u128::from(protocol));
        let liked_port: &[u128] = if ported { &[40_000, 1_024] } else { &[8, 128] };
        Packet {
            protocol,
            source: address(pick(self.source, liked)),
            dest: address(self.dest.0),
            source_port: pick(self.get(Dim::SourcePort), liked_port) as u16,
            dest_port: self.dest_port.0,
        }
    }
}

/// One packet. Of ICMP, the ports are type and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub protocol: u8,
    pub source: IpAddr,
    pub dest: IpAddr,
    pub source_port: u16,
    pub dest_port: u16,
}

impl Packet {
    /// The box that holds only it.
    pub fn space(&self) -> Space {
        Space {
            protocol: (self.protocol, self.protocol),
            source: (bits(self.source), bits(self.source)),
            dest: (bits(self.dest), bits(self.dest)),
            source_port: (self.source_port, self.source_port),
            dest_port: (self.dest_port, self.dest_port),
        }
    }
}

pub fn meet(a: Span, b: Span) -> Option<Span> {
    let both = (a.0.max(b.0), a.1.min(b.1));
    (both.0 <= both.1).then_some(both)
}

/// What remains of `spaces` without `taken`.
pub fn without(spaces: Vec<Space>, taken: &Space) -> Vec<Space> {
    let mut left = Vec::with_capacity(spaces.len());
    for space in spaces {
        space.minus(taken, &mut left);
    }
    left
}

pub fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

pub fn span_of(prefix: Prefix) -> Span {
    let width = if prefix.ip.is_ipv4() { 32 } else { 128 };
    let rest = width - u32::from(prefix.len).min(width);
    let low = bits(prefix.ip);
    (low, low | u128::MAX.checked_shr(128 - rest).unwrap_or(0))
}

/// The numbers `x` of `span` with `x & mask == value`, as ranges; `None` if those are too many.
pub fn masked(span: Span, mask: u128, value: u128, out: &mut Vec<Span>) -> Option<()> {
    let (low, high) = span;
    if value & !mask != 0 {
        return Some(());
    }
    // The highest bits that are the same all over the range need no look.
    let free = 128 - (low ^ high).leading_zeros();
    let moving = if free == 128 { u128::MAX } else { (1u128 << free) - 1 };
    if (low ^ value) & mask & !moving != 0 {
        return Some(());
    }
    let asked = mask & moving;
    // The lowest run of bits that nobody asks for.
    let run = if asked == 0 { free } else { asked.trailing_zeros() };
    let below = if run >= 128 { u128::MAX } else { (1u128 << run) - 1 };
    // Bits that move, are not asked for, and lie above that run: each doubles the ranges.
    let between = moving & !asked & !below;
    if between.count_ones() > 6 {
        return None;
    }
    let base = (low & !moving) | (value & moving & mask);
    let mut choice = 0;
    loop {
        let start = base | choice;
        out.extend(meet(span, (start, start | below)));
        // The next pattern of the bits in `between`.
        choice = (choice | !between).wrapping_add(1) & between;
        if choice == 0 {
            return Some(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        }
    }

    #[test]
    fn what_is_taken_away_and_what_remains_are_the_whole() {
        let mut random = sample(7);
        for _ in 0..2_000 {
            let mut any = || {
                let mut space = Space::ALL;
                for dim in DIMS {
                    let (a, b) = (random(6), random(6));
                    space = space.with(dim, (u128::from(a.min(b)), u128::from(a.max(b))));
                }
                space
            };
            let (a, b) = (any(), any());
            let mut left = Vec::new();
            a.minus(&b, &mut left);
            let both = a.meet(&b).map_or(0.0, |both| both.volume());
            assert_eq!(left.iter().map(Space::volume).sum::<f64>() + both, a.volume());
            assert!(left.len() <= 10);
            for (at, one) in left.iter().enumerate() {
                assert!(one.meet(&b).is_none() && a.contains(one));
                assert!(left.iter().skip(at + 1).all(|other| one.meet(other).is_none()));
            }
        }
    }

    #[test]
    fn a_mask_is_solved_exactly_or_not_at_all() {
        let mut random = sample(11);
        for _ in 0..2_000 {
            let (a, b) = (random(300), random(300));
            let span = (u128::from(a.min(b)), u128::from(a.max(b)));
            let (mask, value) = (u128::from(random(512)), u128::from(random(512)));
            let mut found = Vec::new();
            let solved = masked(span, mask, value, &mut found);
            let right: Vec<u128> = (span.0..=span.1).filter(|x| x & mask == value).collect();
            let ours: Vec<u128> = found.iter().flat_map(|(low, high)| *low..=*high).collect();
            if solved.is_some() {
                assert_eq!(ours, right, "{span:?} & {mask:x} == {value:x}");
            }
        }
        // A suffix in a delegated /64 is one address, in the whole Internet too many.
        let lan = span_of(Prefix::parse("2001:db8:1:2::/64").unwrap());
        let mut found = Vec::new();
        assert_eq!(masked(lan, u128::from(u64::MAX), 0x50, &mut found), Some(()));
        assert_eq!(found, [(lan.0 + 0x50, lan.0 + 0x50)]);
        assert_eq!(masked((0, u128::MAX), u128::from(u64::MAX), 0x50, &mut found), None);
    }

    #[test]
    fn a_witness_is_in_its_box() {
        let space = Space { source: (1 << 24, 2 << 24), dest: (5, 9), ..Space::ALL };
        let packet = space.witness();
        assert!(space.contains(&packet.space()), "{packet:?}");
        assert_eq!((packet.protocol, packet.source_port), (6, 40_000));
    }
}
