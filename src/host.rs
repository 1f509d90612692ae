//! Which IPv6 addresses the LAN hosts of a name have. Pure: prefixes, neighbours, leases and what is
//! published go in; the addresses, or why they cannot be told, come out.
//!
//! One prefix counts for all names of a LAN, so that a renumbering is published as one. A host
//! that cannot be found makes the whole set unknown: publishing the rest would delete its record.

use crate::choose::{self, Choice, Reject, Why};
use crate::model::known::Known;
use crate::model::lan::{Host, Lan, Lease, Mac};
use crate::model::name::Family;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// A host that was not found is looked for again: nothing tells when it appears.
const MISSING: Duration = Duration::from_secs(30);

/// Leases and neighbours come and go without a word, too.
const FOUND: Duration = Duration::from_secs(300);

/// How an address is known that nobody was heard with: the least sure way.
const GUESSED: &str = "by its MAC (EUI-64), not heard yet";

/// What came of looking for the hosts of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// All of them: sorted, with the reason, and after how long to look again even if nothing
    /// changes.
    All(Vec<IpAddr>, String, Option<Duration>),
    /// The LAN has no prefix that may be published.
    NoPrefix(String),
    /// It could not be told.
    Unknown(String, Option<Duration>),
}

/// What is published, as far as our journal knows.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// In the record in question.
    pub here: &'a [IpAddr],
    /// In all records of this LAN's hosts.
    pub together: &'a [IpAddr],
}

/// Looks for all hosts of a name. `usable` is the owner's policy, see [`choose::allowed`].
pub fn find(
    lan: &Lan,
    leases: &[Lease],
    hosts: &[Host],
    published: Published<'_>,
    usable: &dyn Fn(IpAddr) -> bool,
) -> Found {
    let device = match &lan.device {
        Known::Unknown(why) => return Found::Unknown(why.clone(), None),
        Known::Known(None) => {
            let text = format!(
                "'{}' is down or does not exist now; option lan says which network the hosts are on",
                lan.asked
            );
            return Found::NoPrefix(text);
        }
        Known::Known(Some(device)) => device,
    };
    let networks: Vec<IpAddr> = published.together.iter().filter_map(|ip| network(*ip)).collect();
    let (prefix, why) = match choose::choose(&lan.prefixes, Family::Ipv6, &networks, usable) {
        Choice::Use(IpAddr::V6(prefix), why) => (prefix, why),
        Choice::Use(..) => return Found::Unknown("an IPv4 prefix".into(), None),
        Choice::None(rejected) => return Found::NoPrefix(no_prefix(lan, device, &rejected)),
    };
    let lifetime = lan.prefixes.iter().find(|one| one.ip == IpAddr::V6(prefix));
    let lifetime = lifetime.and_then(|one| one.preferred);
    let fixed = hosts.iter().filter_map(|host| match host {
        Host::Suffix(suffix) => Some(*suffix),
        Host::Mac(mac) => Some(mac.eui64()),
        Host::Named(_) => None,
    });
    let accounted = fixed.collect();
    let mut search = Search { prefix, leases, lan, accounted, published: published.here };
    let mut addresses = Vec::new();
    let why = match why {
        Why::Only => "the only prefix that may be published".to_string(),
        why => why.to_string(),
    };
    let mut text = format!("{prefix}/64 on {device}: {why}");
    let mut again = lifetime;
    for host in hosts {
        match search.host(host) {
            Ok((ip, how)) => {
                search.accounted.push(suffix(ip));
                addresses.push(IpAddr::V6(ip));
                if !matches!(host, Host::Suffix(_)) {
                    let soon = if how == GUESSED { MISSING } else { FOUND };
                    again = Some(again.map_or(soon, |again| again.min(soon)));
                    text.push_str(&format!("; {host} {how}"));
                }
            }
            Err(why) => {
                let again = lifetime.map_or(MISSING, |lifetime| lifetime.min(MISSING));
                return Found::Unknown(format!("host {host} {why}"), Some(again));
            }
        }
    }
    addresses.sort();
    addresses.dedup();
    Found::All(addresses, text, again)
}

struct Search<'a> {
    prefix: Ipv6Addr,
    lan: &'a Lan,
    leases: &'a [Lease],
    published: &'a [IpAddr],
    /// Suffixes of the hosts that are found, and of those that need no finding.
    accounted: Vec<u64>,
}

impl Search<'_> {
    /// Its address and how we know it, or why we don't.
    fn host(&self, host: &Host) -> Result<(Ipv6Addr, &'static str), String> {
        match host {
            Host::Suffix(suffix) => Ok((self.with(*suffix), "")),
            Host::Mac(mac) => self.mac(*mac, true),
            Host::Named(name) => self.named(name),
        }
    }

    /// By DHCPv6, or by the MAC that its lease tells.
    fn named(&self, name: &str) -> Result<(Ipv6Addr, &'static str), String> {
        if let Some(ip) = self.leased(&|lease| lease.name == name) {
            return Ok((ip, "by its DHCPv6 lease"));
        }
        let mut why = format!("has no lease under this name on '{}'", self.lan.asked);
        let leases = self.leases.iter().filter(|lease| lease.name == name);
        for mac in leases.filter_map(|lease| lease.mac) {
            match self.mac(mac, false) {
                Ok(found) => return Ok(found),
                Err(text) => why = text,
            }
        }
        Err(why)
    }

    /// `guess`: the owner named the MAC, so the address made from it is meant.
    fn mac(&self, mac: Mac, guess: bool) -> Result<(Ipv6Addr, &'static str), String> {
        let eui64 = self.with(mac.eui64());
        let all = match &self.lan.neighbours {
            Known::Known(all) => all,
            Known::Unknown(why) => return Err(format!("could not be looked for: {why}")),
        };
        let (mut heard, mut several, mut known) = (None, false, None);
        for (_, ip) in all.iter().filter(|(of, ip)| *of == mac && self.inside(*ip)) {
            if *ip == eui64 {
                return Ok((eui64, "by its MAC, and heard there"));
            }
            several |= heard.is_some_and(|before| before != *ip);
            heard = Some(*ip);
            known = known.or(Some(*ip).filter(|ip| self.is_published(ip)));
        }
        if let Some(ip) = self.leased(&|lease| lease.mac == Some(mac)) {
            return Ok((ip, "by its DHCPv6 lease"));
        }
        if several && known.is_none() {
            // Not which they are: a text that changes by itself is told again and again.
            return Err(
                "has several addresses, and which of them stays cannot be told: write its \
                        suffix instead (ip -6 neigh shows them)"
                    .into(),
            );
        }
        if let Some(ip) = known.or(heard) {
            return Ok((ip, "by its neighbour entry"));
        }
        // Asleep, perhaps. What was published of it is what no other host accounts for; it stays
        // as long as its prefix does.
        let mut before = self.published.iter().filter_map(|ip| match ip {
            IpAddr::V6(ip) => Some(*ip).filter(|ip| !self.accounted.contains(&suffix(*ip))),
            IpAddr::V4(_) => None,
        });
        match before.clone().find(|ip| self.inside(*ip)) {
            Some(ip) => Ok((ip, "not heard now, but published before")),
            None if guess && before.next().is_none() => Ok((eui64, GUESSED)),
            None => Err(format!("was not heard in {}/64 yet", self.prefix)),
        }
    }

    /// An address of such a lease in the prefix; the published one first.
    fn leased(&self, which: &dyn Fn(&Lease) -> bool) -> Option<Ipv6Addr> {
        let mut found = None;
        for lease in self.leases.iter().filter(|lease| which(lease)) {
            for ip in lease.addresses.iter().filter(|ip| self.inside(**ip)) {
                if self.is_published(ip) {
                    return Some(*ip);
                }
                found = found.or(Some(*ip));
            }
        }
        found
    }

    fn is_published(&self, ip: &Ipv6Addr) -> bool {
        self.published.contains(&IpAddr::V6(*ip))
    }

    fn with(&self, suffix: u64) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.prefix.to_bits() | u128::from(suffix))
    }

    fn inside(&self, ip: Ipv6Addr) -> bool {
        network(IpAddr::V6(ip)) == Some(IpAddr::V6(self.prefix))
    }
}

fn suffix(ip: Ipv6Addr) -> u64 {
    ip.to_bits() as u64
}

/// The /64 of an address.
fn network(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V6(ip) => Some(IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64))),
        IpAddr::V4(_) => None,
    }
}

fn no_prefix(lan: &Lan, device: &str, rejected: &[(IpAddr, Reject)]) -> String {
    if let (true, Some(wan)) = (rejected.is_empty(), &lan.wan) {
        return format!("{device} has no IPv6 prefix of '{wan}' for its hosts");
    }
    if rejected.is_empty() {
        return format!(
            "{device} has no IPv6 prefix for its hosts: was one delegated to this router?"
        );
    }
    let mut text = format!("{device} has ");
    for (index, (ip, reject)) in rejected.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        text.push_str(&format!("{comma}{ip}/64 ({reject})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::wan::Address;

    const OLD: &str = "2a00:1:0:5::";
    const NEW: &str = "2a00:2:0:7::";
    /// `02:00:00:00:00:01` and the suffix made from it.
    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const EUI: &str = "::ff:fe00:1";

    fn prefix(ip: &str, preferred: Option<u64>) -> Address {
        Address {
            ip: ip.parse().unwrap(),
            prefix_len: 64,
            flags: 0,
            preferred: preferred.map(Duration::from_secs),
            valid: None,
        }
    }

    fn lan(prefixes: &[(&str, Option<u64>)], heard: &[&str]) -> Lan {
        Lan {
            wan: None,
            asked: "lan".into(),
            device: Known::Known(Some("br-lan".into())),
            prefixes: prefixes.iter().map(|(ip, preferred)| prefix(ip, *preferred)).collect(),
            neighbours: Known::Known(heard.iter().map(|ip| (MAC, ip.parse().unwrap())).collect()),
        }
    }

    fn one(heard: &[&str]) -> Lan {
        lan(&[(NEW, Some(1800)), ("fd00:1:2:3::", None)], heard)
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn search(lan: &Lan, leases: &[Lease], hosts: &[Host], published: &[&str]) -> Found {
        let here = ips(published);
        let published = Published { here: &here, together: &here };
        let usable = |ip| crate::model::address::is_global(ip, &[]);
        find(lan, leases, hosts, published, &usable)
    }

    /// The addresses alone; `Err` with the reason.
    fn found(
        lan: &Lan,
        leases: &[Lease],
        hosts: &[Host],
        published: &[&str],
    ) -> Result<Vec<String>, String> {
        match search(lan, leases, hosts, published) {
            Found::All(all, ..) => Ok(all.iter().map(IpAddr::to_string).collect()),
            Found::NoPrefix(why) | Found::Unknown(why, _) => Err(why),
        }
    }

    fn suffixes(suffixes: &[u64]) -> Vec<Host> {
        suffixes.iter().map(|suffix| Host::Suffix(*suffix)).collect()
    }

    #[test]
    fn a_suffix_is_put_behind_the_prefix() {
        let hosts = suffixes(&[0x20, 0x10]);
        let Found::All(all, why, again) = search(&one(&[]), &[], &hosts, &[]) else { panic!() };
        assert_eq!(all, ips(&["2a00:2:0:7::10", "2a00:2:0:7::20"]), "sorted");
        assert_eq!(why, "2a00:2:0:7::/64 on br-lan: the only prefix that may be published");
        assert_eq!(again, Some(Duration::from_secs(1800)), "when the prefix ends");
        let forever = lan(&[(NEW, None)], &[]);
        let Found::All(.., again) = search(&forever, &[], &hosts, &[]) else { panic!() };
        assert_eq!(again, None);
    }

    #[test]
    fn which_prefix() {
        let ten = suffixes(&[0x10]);
        let choose = |prefixes: &[_], published: &[&str]| {
            found(&lan(prefixes, &[]), &[], &ten, published).map(|all| all[0].clone())
        };
        let both = [(OLD, Some(600)), (NEW, Some(1800))];
        assert_eq!(choose(&both, &[]), Ok("2a00:2:0:7::10".into()), "the longer lifetime");
        assert_eq!(
            choose(&both, &["2a00:1:0:5::99"]),
            Ok("2a00:1:0:5::10".into()),
            "stable while it is good, whatever host of the name was published in it"
        );
        let ended = [(OLD, Some(0)), (NEW, Some(1800))];
        assert_eq!(choose(&ended, &["2a00:1:0:5::10"]), Ok("2a00:2:0:7::10".into()));
        for none in [&[(OLD, Some(0))][..], &[("fd00::", None)], &[]] {
            assert!(choose(none, &["2a00:1:0:5::10"]).is_err(), "{none:?}");
        }
        let why = choose(&[(OLD, Some(0)), ("fd00::", None)], &[]).unwrap_err();
        for part in ["2a00:1:0:5::/64 (deprecated", "fd00::/64 (unique local"] {
            assert!(why.contains(part), "{why}");
        }
    }

    /// What it is about, neighbours of the MAC, published, addresses or part of the reason.
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Result<&'a str, &'a str>);

    #[test]
    fn a_host_by_its_mac() {
        let eui = &format!("{NEW}{}", &EUI[2..]);
        let old_eui = &format!("{OLD}{}", &EUI[2..]);
        let cases: &[Case] = &[
            ("never heard", &[], &[], Ok(eui)),
            ("heard", &[eui, "2a00:2:0:7:1234::9"], &[], Ok(eui)),
            ("published and asleep", &[], &[eui], Ok(eui)),
            ("the prefix has changed", &[], &[old_eui], Ok(eui)),
            ("link-local and unique local alone", &["fe80::9", "fd00:1:2:3::9"], &[], Ok(eui)),
            ("it makes another address", &["2a00:2:0:7::9"], &[], Ok("2a00:2:0:7::9")),
            ("which is published, now asleep", &[], &["2a00:2:0:7::9"], Ok("2a00:2:0:7::9")),
            (
                "which it had in the old prefix",
                &[],
                &["2a00:1:0:5::9"],
                Err("not heard in 2a00:2:0:7"),
            ),
            (
                "privacy extensions",
                &["2a00:2:0:7::8", "2a00:2:0:7::9"],
                &[],
                Err("several addresses, and which of them stays"),
            ),
            (
                "one of several is published",
                &["2a00:2:0:7::8", "2a00:2:0:7::9"],
                &["2a00:2:0:7::9"],
                Ok("2a00:2:0:7::9"),
            ),
        ];
        for (about, heard, published, want) in cases {
            let got = found(&one(heard), &[], &[Host::Mac(MAC)], published);
            match (got, want) {
                (Ok(got), Ok(want)) => {
                    let ip: Ipv6Addr = want.parse().unwrap();
                    assert_eq!(got, [ip.to_string()], "{about}");
                }
                (Err(why), Err(part)) => {
                    assert!(why.starts_with("host 02:00:00:00:00:01 "), "{about}: {why}");
                    assert!(why.contains(part), "{about}: {why}");
                }
                (got, _) => panic!("{about}: {got:?}"),
            }
        }
        let mut deaf = one(&[]);
        deaf.neighbours = Known::unknown("the kernel did not answer");
        assert!(found(&deaf, &[], &[Host::Mac(MAC)], &[]).is_err());
    }

    fn lease(name: &str, addresses: &[&str]) -> Lease {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        Lease { name: name.into(), mac: Some(MAC), addresses }
    }

    #[test]
    fn a_host_by_its_name() {
        let nas = [Host::Named("nas".into())];
        let dhcpv6 = [lease("nas", &["fd00:1:2:3::21a", "2a00:1:0:5::21a", "2a00:2:0:7::21a"])];
        assert_eq!(found(&one(&[]), &dhcpv6, &nas, &[]), Ok(vec!["2a00:2:0:7::21a".into()]));
        // A DHCPv4 lease tells the MAC, the neighbours its address.
        let dhcpv4 = [lease("tv", &[]), lease("nas", &[])];
        let heard = one(&["2a00:2:0:7::9"]);
        assert_eq!(found(&heard, &dhcpv4, &nas, &[]), Ok(vec!["2a00:2:0:7::9".into()]));
        // Nothing is guessed: not every host makes its address from the MAC.
        let why = found(&one(&[]), &dhcpv4, &nas, &[]).unwrap_err();
        assert_eq!(why, "host nas was not heard in 2a00:2:0:7::/64 yet");
        let published = ["2a00:2:0:7::9"];
        assert_eq!(found(&one(&[]), &dhcpv4, &nas, &published), Ok(vec![published[0].into()]));
        let why = found(&one(&[]), &[], &nas, &published).unwrap_err();
        assert_eq!(why, "host nas has no lease under this name on 'lan'");
        // By MAC, a lease with it in the DUID will do as well.
        let by_mac = found(&one(&["2a00:2:0:7::9"]), &dhcpv6, &[Host::Mac(MAC)], &[]);
        assert_eq!(by_mac, Ok(vec!["2a00:2:0:7::21a".into()]));
    }

    #[test]
    fn one_missing_host_makes_all_unknown() {
        let hosts = [Host::Suffix(0x10), Host::Named("nas".into())];
        let got = search(&one(&[]), &[], &hosts, &["2a00:2:0:7::10", "2a00:2:0:7::9"]);
        assert!(matches!(got, Found::Unknown(_, Some(MISSING))), "{got:?}");
        let found = search(&one(&[]), &[lease("nas", &["2a00:2:0:7::9"])], &hosts, &[]);
        assert!(matches!(found, Found::All(_, _, Some(FOUND))), "{found:?}");
        let guessed = search(&one(&[]), &[], &[Host::Mac(MAC)], &[]);
        assert!(matches!(guessed, Found::All(_, _, Some(MISSING))), "{guessed:?}");
        let ends_soon = lan(&[(NEW, Some(20))], &[]);
        let got = search(&ends_soon, &[], &hosts, &[]);
        assert!(matches!(got, Found::Unknown(_, Some(again)) if again.as_secs() == 20), "{got:?}");
    }

    #[test]
    fn what_one_host_had_is_not_taken_for_another() {
        // Published: a suffix and a EUI-64 address. Both move to the new prefix.
        let hosts = [Host::Suffix(0x10), Host::Mac(MAC)];
        let old = ["2a00:1:0:5::10", "2a00:1:0:5:0:ff:fe00:1"];
        let new = vec!["2a00:2:0:7::10".to_string(), "2a00:2:0:7:0:ff:fe00:1".to_string()];
        assert_eq!(found(&one(&[]), &[], &hosts, &old), Ok(new));
    }

    #[test]
    fn without_a_lan_nothing_is_known() {
        let mut gone = one(&[]);
        gone.prefixes.clear();
        let why = found(&gone, &[], &suffixes(&[1]), &[]).unwrap_err();
        assert!(why.starts_with("br-lan has no IPv6 prefix for its hosts: was one"), "{why}");
        gone.wan = Some("wanb6".into());
        let why = found(&gone, &[], &suffixes(&[1]), &[]).unwrap_err();
        assert_eq!(why, "br-lan has no IPv6 prefix of 'wanb6' for its hosts");
        gone.device = Known::Known(None);
        let why = found(&gone, &[], &suffixes(&[1]), &[]).unwrap_err();
        assert!(why.starts_with("'lan' is down or does not exist now"), "{why}");
        gone.device = Known::unknown("netifd did not answer");
        let got = search(&gone, &[], &suffixes(&[1]), &[]);
        assert_eq!(got, Found::Unknown("netifd did not answer".into(), None));
    }
}
