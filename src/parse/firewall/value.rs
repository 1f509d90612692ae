//! Single values of `/etc/config/firewall`, as firewall4 reads them (fw4.uc, 2025-03). A value
//! it refuses makes it pass over the whole section.

use crate::model::address::Prefix;
use crate::model::forward::{Ports, Proto};
use std::net::{IpAddr, Ipv6Addr};

/// Only these words: `enabled 'disabled'` is refused.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "on" | "true" | "yes" => Some(true),
        "0" | "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// The first choice that begins with the text, in any case: `acc` is ACCEPT.
pub fn choice(text: &str, choices: &[&'static str]) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    choices.iter().copied().find(|choice| choice.starts_with(&text))
}

/// 0: both, 4, 6.
pub fn family(text: &str) -> Option<u8> {
    match text {
        "any" | "all" | "*" => Some(0),
        "inet" => Some(4),
        _ if text.contains('4') => Some(4),
        _ if text.contains('6') => Some(6),
        _ => None,
    }
}

/// `!` in front, and what follows; `None` if nothing does.
pub fn negated(text: &str) -> Option<(bool, &str)> {
    let text = text.trim_start_matches([' ', '\t']);
    let (negated, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    Some((negated, rest.trim())).filter(|(_, rest)| !rest.is_empty())
}

/// `N`, `A-B`, `A:B`.
pub fn ports(text: &str) -> Option<Ports> {
    let number = |text: &str| {
        let digits = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    match text.split_once(['-', ':']) {
        Some((first, last)) => {
            let ports = Ports { first: number(first)?, last: number(last)? };
            (ports.first <= ports.last).then_some(ports)
        }
        None => number(text).map(Ports::one),
    }
}

/// One word of `proto`; `tcpudp` is two.
pub fn protos(text: &str) -> Vec<Proto> {
    match &text.to_ascii_lowercase()[..] {
        "all" | "any" | "*" => vec![Proto::Any],
        "tcpudp" => vec![Proto::Tcp, Proto::Udp],
        "tcp" | "6" => vec![Proto::Tcp],
        "udp" | "17" => vec![Proto::Udp],
        "1" | "icmp" => vec![Proto::Other("icmp".into())],
        "58" | "icmpv6" | "ipv6-icmp" => vec![Proto::Other("ipv6-icmp".into())],
        other => vec![Proto::Other(other.into())],
    }
}

/// What an address option may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// As written, host bits and all, with the length of the prefix.
    Net(IpAddr, u8),
    Range(IpAddr, IpAddr),
    /// Address and mask, already applied, where the mask is no prefix: `::10/::ffff`.
    Masked(IpAddr, IpAddr),
}

impl Addresses {
    pub fn is_v6(&self) -> bool {
        let (Addresses::Net(ip, _) | Addresses::Range(ip, _) | Addresses::Masked(ip, _)) = self;
        ip.is_ipv6()
    }

    /// The address that a `dest_ip` stands for: fw4 drops the host bits of a prefix.
    pub fn host(&self) -> Option<IpAddr> {
        match self {
            Addresses::Net(..) => self.prefix().map(|net| net.ip),
            Addresses::Range(first, _) => Some(*first),
            Addresses::Masked(..) => None,
        }
    }

    pub fn prefix(&self) -> Option<Prefix> {
        match self {
            Addresses::Net(ip, len) => Prefix::of(*ip, *len),
            _ => None,
        }
    }
}

/// `IP`, `IP/BITS`, `IP/MASK`, `A-B`; names of networks are the caller's.
pub fn addresses(text: &str) -> Option<Addresses> {
    if let Some((ip, mask)) = text.split_once('/') {
        let ip: IpAddr = ip.parse().ok()?;
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        return match mask.parse::<IpAddr>() {
            Ok(mask) => masked(ip, mask),
            Err(_) => {
                let bits: i32 = mask.parse().ok()?;
                // Counted from the low end: ::10/-64 is ::10/::ffff:ffff:ffff:ffff.
                if bits < 0 {
                    let low = u128::MAX.checked_shr(128 - bits.unsigned_abs()).unwrap_or(u128::MAX);
                    let IpAddr::V6(ip) = ip else { return None };
                    let mask = Ipv6Addr::from_bits(low);
                    return masked(IpAddr::V6(ip), IpAddr::V6(mask));
                }
                (bits <= longest).then_some(Addresses::Net(ip, bits as u8))
            }
        };
    }
    if let Some((first, last)) = text.split_once('-') {
        let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
        return (first.is_ipv4() == last.is_ipv4()).then_some(Addresses::Range(first, last));
    }
    let ip: IpAddr = text.parse().ok()?;
    Some(Addresses::Net(ip, if ip.is_ipv4() { 32 } else { 128 }))
}

fn masked(ip: IpAddr, mask: IpAddr) -> Option<Addresses> {
    let (bits, width, and) = match (ip, mask) {
        (IpAddr::V4(ip), IpAddr::V4(mask)) => {
            let bits = u128::from(mask.to_bits()) << 96;
            (bits, 32, IpAddr::from((ip.to_bits() & mask.to_bits()).to_be_bytes()))
        }
        (IpAddr::V6(ip), IpAddr::V6(mask)) => {
            (mask.to_bits(), 128, IpAddr::from((ip.to_bits() & mask.to_bits()).to_be_bytes()))
        }
        _ => return None,
    };
    let ones = bits.leading_ones().min(width);
    if bits.checked_shl(ones).unwrap_or(0) == 0 {
        return Some(Addresses::Net(ip, ones as u8));
    }
    Some(Addresses::Masked(and, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_as_fw4_reads_them() {
        for (text, want) in [
            ("80", Some((80, 80))),
            ("80-90", Some((80, 90))),
            ("80:90", Some((80, 90))),
            ("0", Some((0, 0))),
            ("70000", None),
            ("80 443", None),
            ("90-80", None),
            ("80-", None),
            ("+80", None),
            ("000080", None),
            ("", None),
        ] {
            assert_eq!(ports(text).map(|p| (p.first, p.last)), want, "{text}");
        }
    }

    #[test]
    fn addresses_as_fw4_reads_them() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (text, want) in [
            ("192.168.1.50", Some(Addresses::Net(ip("192.168.1.50"), 32))),
            ("192.168.1.5/24", Some(Addresses::Net(ip("192.168.1.5"), 24))),
            ("192.168.1.5/255.255.255.0", Some(Addresses::Net(ip("192.168.1.5"), 24))),
            ("10.0.0.1-10.0.0.9", Some(Addresses::Range(ip("10.0.0.1"), ip("10.0.0.9")))),
            ("::50/::ffff", Some(Addresses::Masked(ip("::50"), ip("::ffff")))),
            ("::10/-64", Some(Addresses::Masked(ip("::10"), ip("::ffff:ffff:ffff:ffff")))),
            ("10.0.0.9/255.0.0.255", Some(Addresses::Masked(ip("10.0.0.9"), ip("255.0.0.255")))),
            ("::/::", Some(Addresses::Net(ip("::"), 0))),
            ("192.168.1.500", None),
            ("192.168.1.1/33", None),
            ("192.168.1.1/ffff::", None),
            ("lan", None),
        ] {
            assert_eq!(addresses(text), want, "{text}");
        }
        assert_eq!(addresses("10.0.0.7/8").unwrap().host(), Some(ip("10.0.0.0")));
    }

    #[test]
    fn words() {
        assert_eq!((boolean("yes"), boolean("disabled")), (Some(true), None));
        assert_eq!(choice("ACC", &["accept", "reject"]), Some("accept"));
        assert_eq!((family("ipv6"), family("any"), family("x")), (Some(6), Some(0), None));
        assert_eq!(negated(" ! 80"), Some((true, "80")));
        assert_eq!(negated("!"), None);
    }
}
