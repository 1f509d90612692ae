//! Which of a device's addresses to publish. Pure: the addresses, what is published already and
//! the owner's policy go in; one address with the reason, or every address with why not, comes
//! out. What to do when there is none is left to `decide`.
//!
//! An address that was published stays as long as it is fit: records that hop between two good
//! addresses help nobody.

use crate::model::address::{self, Class, Kind, Prefix};
use crate::model::name::{Family, SharedLine};
use crate::model::wan::Address;
use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What came of looking at the addresses of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Use(IpAddr, Why),
    /// None is fit: all of the family with the reason, in the kernel's order. Empty: there was
    /// no address.
    None(Vec<(IpAddr, Reject)>),
}

/// Why this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is published already and still fit.
    Published,
    Only,
    /// IPv4: the first that is not secondary, in the kernel's order.
    First,
    /// IPv6: it will not change by itself, and of those it has the longest preferred lifetime.
    Stable,
    /// IPv6: none is known to be stable; it has the longest preferred lifetime.
    Longest,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Published => "already published and still good",
            Why::Only => "the only address that may be published",
            Why::First => "the first primary address of the device",
            Why::Stable => "stable, with the longest preferred lifetime",
            Why::Longest => "the longest preferred lifetime",
        })
    }
}

/// Why not this one, worded for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Its class is not allowed by policy, or not fit for any record.
    Class(Class),
    DadFailed,
    Temporary,
    Deprecated,
    Tentative,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reject::Class(class) => return say_class(class, f),
            Reject::DadFailed => "duplicate address detected: another device on the link has it",
            Reject::Temporary => "temporary (RFC 8981): it will change soon",
            Reject::Deprecated => "deprecated: its prefix or lease is running out",
            Reject::Tentative => "tentative: the kernel is still checking that nobody else has it",
        })
    }
}

fn say_class(class: &Class, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Class { kind, name, rfc, global } = class;
    match kind {
        Kind::UniqueLocal => write!(f, "unique local ({rfc}): not globally reachable"),
        Kind::LinkLocal => write!(f, "link-local ({rfc}): it means nothing beyond its link"),
        _ if *global => write!(f, "not allowed here: {name} ({rfc})"),
        _ => write!(f, "not globally reachable: {name} ({rfc})"),
    }
}

/// Whether the owner's policy lets an address of this class into a record. `wan` takes what the
/// line gives, but never an address that means nothing to anybody else.
pub fn allowed(ip: IpAddr, policy: SharedLine, assume_public: &[Prefix]) -> bool {
    policy == SharedLine::Wan || address::is_global(ip, assume_public)
}

/// Chooses among `addresses` (all of one device, in the kernel's order; other families are
/// skipped). `published` is what our journal says stands in the record; `usable` is the policy,
/// see [`allowed`].
pub fn choose(
    addresses: &[Address],
    family: Family,
    published: &[IpAddr],
    usable: &dyn Fn(IpAddr) -> bool,
) -> Choice {
    let mut best: Option<(Rank, &Address)> = None;
    let mut fit = 0;
    let mut rejects = Vec::new();
    for (order, address) in addresses.iter().enumerate() {
        if Family::of(address.ip) != family {
            continue;
        }
        if let Some(reject) = reject(address, usable) {
            rejects.push((address.ip, reject));
            continue;
        }
        fit += 1;
        let rank = rank(address, order, published.contains(&address.ip));
        if best.as_ref().is_none_or(|(least, _)| rank < *least) {
            best = Some((rank, address));
        }
    }
    let Some((rank, address)) = best else { return Choice::None(rejects) };
    let why = match family {
        _ if !rank.unpublished => Why::Published,
        _ if fit == 1 => Why::Only,
        Family::Ipv4 => Why::First,
        Family::Ipv6 if rank.lesser => Why::Longest,
        Family::Ipv6 => Why::Stable,
    };
    Choice::Use(address.ip, why)
}

/// What speaks against it; what will not pass by itself comes first.
fn reject(address: &Address, usable: &dyn Fn(IpAddr) -> bool) -> Option<Reject> {
    let class = address::class(address.ip);
    if !class.kind.fits_a_record() || !usable(address.ip) {
        return Some(Reject::Class(class));
    }
    if address.ip.is_ipv4() {
        // No duplicate address detection in the kernel, and bit 0x01 means secondary.
        return None;
    }
    if address.has(Address::DADFAILED) {
        Some(Reject::DadFailed)
    } else if address.has(Address::TEMPORARY_OR_SECONDARY) {
        Some(Reject::Temporary)
    } else if is_deprecated(address) {
        Some(Reject::Deprecated)
    } else if address.has(Address::TENTATIVE | Address::OPTIMISTIC) {
        // An optimistic address may be used by this host before the check is over, but is to be
        // treated like a deprecated one (RFC 4429 1.3), and may have to be given up a second
        // later. A record outlives that second in other people's caches.
        Some(Reject::Tentative)
    } else {
        None
    }
}

/// The flag follows the lifetime only when the kernel's timer ran; the lifetime is the truth.
fn is_deprecated(address: &Address) -> bool {
    address.has(Address::DEPRECATED)
        || address.preferred == Some(Duration::ZERO)
        || address.valid == Some(Duration::ZERO)
}

/// Smaller is better; the first difference decides.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Under the policy `wan` a private address may be used, but not while there is a better one.
    local: bool,
    /// IPv4 only: such an IPv6 address is not fit at all.
    deprecated: bool,
    unpublished: bool,
    /// IPv4: secondary. IPv6: not known to be stable.
    lesser: bool,
    /// IPv6: preferred lifetime.
    lifetime: Reverse<Duration>,
    /// IPv4: the kernel's order.
    order: usize,
    /// Makes the choice the same at every look.
    ip: IpAddr,
}

fn rank(address: &Address, order: usize, published: bool) -> Rank {
    let v4 = address.ip.is_ipv4();
    Rank {
        local: address::class(address.ip).kind.is_local(),
        deprecated: v4 && is_deprecated(address),
        unpublished: !published,
        lesser: match v4 {
            true => address.has(Address::TEMPORARY_OR_SECONDARY),
            false => !is_stable(address),
        },
        lifetime: Reverse(match v4 {
            true => Duration::ZERO,
            false => address.preferred.unwrap_or(Duration::MAX),
        }),
        order: if v4 { order } else { 0 },
        ip: address.ip,
    }
}

/// It comes back the same after its lifetime ends or the router starts again: set by hand, made
/// from the MAC (EUI-64, RFC 4291 appendix A) or from a stable secret (RFC 7217). An address
/// that temporary ones are made from (MANAGETEMPADDR) is such a base. A DHCPv6 lease may be
/// as stable, but only the server knows.
fn is_stable(address: &Address) -> bool {
    let eui64 = match address.ip {
        IpAddr::V6(ip) => matches!(ip.octets()[11..13], [0xff, 0xfe]),
        IpAddr::V4(_) => false,
    };
    eui64
        || address.preferred.is_none()
        || address.has(Address::PERMANENT | Address::STABLE_PRIVACY | Address::MANAGETEMPADDR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPORARY: u32 = Address::TEMPORARY_OR_SECONDARY;
    const SECONDARY: u32 = Address::TEMPORARY_OR_SECONDARY;
    const PERMANENT: u32 = Address::PERMANENT;
    const STABLE: u32 = Address::STABLE_PRIVACY;
    const FOREVER: u64 = u64::MAX;

    /// Address, flags, seconds preferred; valid for an hour more.
    fn address(ip: &str, flags: u32, preferred: u64) -> Address {
        let (ip, len) = ip.split_once('/').unwrap();
        let seconds = |n| (preferred != FOREVER).then(|| Duration::from_secs(n));
        Address {
            ip: ip.parse().unwrap(),
            prefix_len: len.parse().unwrap(),
            flags,
            preferred: seconds(preferred),
            valid: seconds(preferred.saturating_add(3600)),
        }
    }

    type Row<'a> = (&'a str, u32, u64);

    /// What it is about, addresses in the kernel's order, published, policy, chosen and why.
    type Case<'a> = (&'a str, &'a [Row<'a>], &'a [&'a str], SharedLine, &'a str, Why);

    fn chosen(rows: &[Row], published: &[&str], policy: SharedLine) -> Choice {
        let addresses: Vec<_> = rows.iter().map(|row| address(row.0, row.1, row.2)).collect();
        let published: Vec<_> = published.iter().map(|ip| ip.parse().unwrap()).collect();
        let family = Family::of(addresses[0].ip);
        choose(&addresses, family, &published, &|ip| allowed(ip, policy, &[]))
    }

    #[test]
    fn which_ipv6_address() {
        let cases: &[Case] = &[
            ("one", &[("2a00:1::5/64", 0, 1800)], &[], SharedLine::Skip, "2a00:1::5", Why::Only),
            (
                "another was published, but it is gone",
                &[("2a00:1::5/64", 0, 1800)],
                &["2a00:9::9"],
                SharedLine::Skip,
                "2a00:1::5",
                Why::Only,
            ),
            (
                "privacy extensions: the base address, also with the shorter lifetime",
                &[
                    ("2a00:1::a1b2:c3d4:e5f6:1789/64", TEMPORARY, 86000),
                    ("2a00:1::211:22ff:fe33:4455/64", Address::MANAGETEMPADDR, 1700),
                    ("fe80::211:22ff:fe33:4455/64", PERMANENT, FOREVER),
                ],
                &[],
                SharedLine::Skip,
                "2a00:1::211:22ff:fe33:4455",
                Why::Only,
            ),
            (
                "a temporary address does not stay because it was published",
                &[
                    ("2a00:1::a1b2:c3d4:e5f6:1789/64", TEMPORARY, 86000),
                    ("2a00:1::5/64", Address::MANAGETEMPADDR, 1700),
                ],
                &["2a00:1::a1b2:c3d4:e5f6:1789"],
                SharedLine::Skip,
                "2a00:1::5",
                Why::Only,
            ),
            (
                "prefix change: the old one is deprecated by the router's last word",
                &[
                    ("2a00:1::211:22ff:fe33:4455/64", Address::DEPRECATED, 0),
                    ("2a00:2::211:22ff:fe33:4455/64", 0, 1800),
                ],
                &["2a00:1::211:22ff:fe33:4455"],
                SharedLine::Skip,
                "2a00:2::211:22ff:fe33:4455",
                Why::Only,
            ),
            (
                "prefix change seen before the kernel's timer sets the flag",
                &[("2a00:1::5/64", 0, 0), ("2a00:2::5/64", 0, 1800)],
                &["2a00:1::5"],
                SharedLine::Skip,
                "2a00:2::5",
                Why::Only,
            ),
            (
                "prefix change: both preferred, the published one stays",
                &[("2a00:1::5/64", 0, 100), ("2a00:2::5/64", 0, 86400)],
                &["2a00:1::5"],
                SharedLine::Skip,
                "2a00:1::5",
                Why::Published,
            ),
            (
                "DHCPv6 /128 and SLAAC /64: the one made from the MAC",
                &[("2a00:1::8f1/128", 0, 86400), ("2a00:1::211:22ff:fe33:4455/64", 0, 1800)],
                &[],
                SharedLine::Skip,
                "2a00:1::211:22ff:fe33:4455",
                Why::Stable,
            ),
            (
                "DHCPv6 /128 and SLAAC /64: but a published lease stays",
                &[("2a00:1::211:22ff:fe33:4455/64", 0, 1800), ("2a00:1::8f1/128", 0, 1000)],
                &["2a00:1::8f1"],
                SharedLine::Skip,
                "2a00:1::8f1",
                Why::Published,
            ),
            (
                "DHCPv6 alone beside a ULA",
                &[("fd12:3456::1/64", PERMANENT, FOREVER), ("2a00:1::8f1/128", 0, 600)],
                &[],
                SharedLine::Skip,
                "2a00:1::8f1",
                Why::Only,
            ),
            (
                "set by hand before an announced one",
                &[("2a00:1::5/64", STABLE, 86400), ("2a00:1::1/64", PERMANENT, FOREVER)],
                &[],
                SharedLine::Skip,
                "2a00:1::1",
                Why::Stable,
            ),
            (
                "two leases: the longer",
                &[("2a00:1::8f1/128", 0, 600), ("2a00:2::8f1/128", 0, 601)],
                &[],
                SharedLine::Skip,
                "2a00:2::8f1",
                Why::Longest,
            ),
            (
                "a tie: the lowest, whatever the kernel's order",
                &[("2a00:2::5/64", STABLE, 600), ("2a00:1::5/64", STABLE, 600)],
                &[],
                SharedLine::Skip,
                "2a00:1::5",
                Why::Stable,
            ),
            (
                "duplicate and unfinished ones are passed over",
                &[
                    ("2a00:1::1/64", PERMANENT | Address::TENTATIVE | Address::DADFAILED, FOREVER),
                    ("2a00:1::2/64", PERMANENT | Address::TENTATIVE, FOREVER),
                    ("2a00:1::3/64", Address::OPTIMISTIC | Address::TENTATIVE, 86400),
                    ("2a00:1::4/64", 0, 600),
                ],
                &[],
                SharedLine::Skip,
                "2a00:1::4",
                Why::Only,
            ),
        ];
        for (text, rows, published, policy, want, why) in cases {
            let want = Choice::Use(want.parse().unwrap(), *why);
            assert_eq!(chosen(rows, published, *policy), want, "{text}");
            // The order of the kernel's list does not matter for IPv6.
            let mut turned = rows.to_vec();
            turned.reverse();
            assert_eq!(chosen(&turned, published, *policy), want, "{text}, turned");
        }
    }

    #[test]
    fn which_ipv4_address() {
        let cases: &[Case] = &[
            (
                "one",
                &[("8.1.1.9/24", PERMANENT, FOREVER)],
                &[],
                SharedLine::Skip,
                "8.1.1.9",
                Why::Only,
            ),
            (
                "PPP",
                &[("8.1.1.9/32", PERMANENT, FOREVER)],
                &["8.1.1.9"],
                SharedLine::Skip,
                "8.1.1.9",
                Why::Published,
            ),
            (
                "secondaries come after primaries",
                &[
                    ("8.1.1.9/24", PERMANENT | SECONDARY, FOREVER),
                    ("8.1.2.9/24", PERMANENT, FOREVER),
                    ("8.1.1.8/24", PERMANENT, FOREVER),
                ],
                &[],
                SharedLine::Skip,
                "8.1.2.9",
                Why::First,
            ),
            (
                "the published one stays, also as a secondary",
                &[
                    ("8.1.1.8/24", PERMANENT, FOREVER),
                    ("8.1.1.9/24", PERMANENT | SECONDARY, FOREVER),
                ],
                &["8.1.1.9"],
                SharedLine::Skip,
                "8.1.1.9",
                Why::Published,
            ),
            (
                "the published one is gone",
                &[("8.1.1.8/24", PERMANENT, FOREVER), ("8.1.2.9/24", PERMANENT, FOREVER)],
                &["8.1.1.9"],
                SharedLine::Skip,
                "8.1.1.8",
                Why::First,
            ),
            (
                "a modem's own subnet beside the public address",
                &[("192.168.100.2/24", PERMANENT, FOREVER), ("8.1.1.8/24", PERMANENT, FOREVER)],
                &[],
                SharedLine::Skip,
                "8.1.1.8",
                Why::Only,
            ),
            (
                "the same where private ones are allowed, and one was published",
                &[("192.168.100.2/24", PERMANENT, FOREVER), ("8.1.1.8/24", PERMANENT, FOREVER)],
                &["192.168.100.2"],
                SharedLine::Wan,
                "8.1.1.8",
                Why::First,
            ),
            (
                "a shared line published as it is",
                &[("100.64.0.9/10", 0, 3600)],
                &[],
                SharedLine::Wan,
                "100.64.0.9",
                Why::Only,
            ),
            (
                "a lease that was replaced, still there for a while",
                &[("8.1.1.8/24", Address::DEPRECATED, 0), ("8.1.2.9/24", 0, 3600)],
                &["8.1.1.8"],
                SharedLine::Skip,
                "8.1.2.9",
                Why::First,
            ),
        ];
        for (text, rows, published, policy, want, why) in cases {
            let want = Choice::Use(want.parse().unwrap(), *why);
            assert_eq!(chosen(rows, published, *policy), want, "{text}");
        }
    }

    #[test]
    fn each_rejected_address_says_why() {
        let rows: &[Row] = &[
            ("fe80::1/64", PERMANENT | Address::TENTATIVE, FOREVER),
            ("fd12::1/64", PERMANENT, FOREVER),
            ("2001:db8::1/64", PERMANENT, FOREVER),
            ("2a00:1::1/64", Address::DADFAILED | Address::TENTATIVE, FOREVER),
            ("2a00:1::2/64", TEMPORARY | Address::DEPRECATED, 0),
            ("2a00:1::3/64", Address::DEPRECATED, 0),
            ("2a00:1::4/64", Address::TENTATIVE, 600),
            ("2a00:1::5/64", Address::OPTIMISTIC, 600),
        ];
        let Choice::None(rejects) = chosen(rows, &["fe80::1", "2a00:1::3"], SharedLine::Skip)
        else {
            panic!("nothing is fit");
        };
        let texts: Vec<_> = rejects.iter().map(|(ip, why)| format!("{ip}: {why}")).collect();
        assert_eq!(
            texts,
            [
                "fe80::1: link-local (RFC 4291): it means nothing beyond its link",
                "fd12::1: unique local (RFC 4193): not globally reachable",
                "2001:db8::1: not globally reachable: Documentation (RFC 3849)",
                "2a00:1::1: duplicate address detected: another device on the link has it",
                "2a00:1::2: temporary (RFC 8981): it will change soon",
                "2a00:1::3: deprecated: its prefix or lease is running out",
                "2a00:1::4: tentative: the kernel is still checking that nobody else has it",
                "2a00:1::5: tentative: the kernel is still checking that nobody else has it",
            ]
        );
        let Choice::None(rejects) = chosen(&[("100.64.0.9/10", 0, 60)], &[], SharedLine::Outside)
        else {
            panic!("shared");
        };
        assert_eq!(
            rejects[0].1.to_string(),
            "not globally reachable: Shared Address Space (RFC 6598)"
        );
    }

    #[test]
    fn wan_policy_takes_local_but_never_meaningless_addresses() {
        let ula: &[Row] = &[("fe80::1/64", PERMANENT, FOREVER), ("fd12::1/64", 0, 600)];
        let fd12 = "fd12::1".parse().unwrap();
        assert_eq!(chosen(ula, &[], SharedLine::Wan), Choice::Use(fd12, Why::Only));
        for never in
            ["127.0.0.1/8", "169.254.3.4/16", "0.0.0.0/8", "224.0.0.1/4", "fe80::1/64", "::1/128"]
        {
            let choice = chosen(&[(never, PERMANENT, FOREVER)], &[], SharedLine::Wan);
            assert!(matches!(choice, Choice::None(_)), "{never}");
        }
    }

    #[test]
    fn families_do_not_mix() {
        let mixed = [address("2a00:1::5/64", 0, 600), address("8.1.1.9/24", 0, 600)];
        let yes = |_| true;
        let v4 = choose(&mixed, Family::Ipv4, &[], &yes);
        assert_eq!(v4, Choice::Use("8.1.1.9".parse().unwrap(), Why::Only));
        let v6 = choose(&mixed, Family::Ipv6, &[], &yes);
        assert_eq!(v6, Choice::Use("2a00:1::5".parse().unwrap(), Why::Only));
        assert_eq!(choose(&[], Family::Ipv6, &[], &yes), Choice::None(Vec::new()));
        assert_eq!(choose(&mixed[..1], Family::Ipv4, &[], &yes), Choice::None(Vec::new()));
    }

    #[test]
    fn a_lab_prefix_is_public_there() {
        let lab = [Prefix::parse("203.0.113.0/24").unwrap()];
        let ip: IpAddr = "203.0.113.9".parse().unwrap();
        assert!(allowed(ip, SharedLine::Skip, &lab));
        assert!(!allowed(ip, SharedLine::Skip, &[]));
        let both = [address("192.168.1.2/24", 0, 60), address("203.0.113.9/24", 0, 60)];
        let choice = choose(&both, Family::Ipv4, &[], &|ip| allowed(ip, SharedLine::Wan, &lab));
        assert_eq!(choice, Choice::Use(ip, Why::First));
    }
}
