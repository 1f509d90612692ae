//! Whether an address that somebody names may be one of a customer's line at all: globally
//! reachable, and not of a network that only machines between us and the service can have.

use crate::model::address::{self, Prefix};
use std::net::IpAddr;

/// Networks that no customer's line is in, by operator. Whoever names an address of theirs saw a
/// proxy, a tunnel (WARP) or a resolver, and not us.
const NOT_LINES: &[(&str, &str)] = &[
    // Its published list of 2025, the rest of 104.16.0.0/12, and its tunnels' 2a09:bac0::/29.
    (
        "Cloudflare",
        "1.1.1.0/24 1.0.0.0/24 103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 104.16.0.0/12 \
         108.162.192.0/18 131.0.72.0/22 141.101.64.0/18 162.158.0.0/15 172.64.0.0/13 \
         173.245.48.0/20 188.114.96.0/20 190.93.240.0/20 197.234.240.0/22 198.41.128.0/17 \
         2400:cb00::/32 2405:8100::/32 2405:b500::/32 2606:4700::/32 2803:f800::/32 \
         2a06:98c0::/29 2a09:bac0::/29 2c0f:f248::/32",
    ),
    // Where its public resolver and its name servers are asked, and ask from.
    (
        "Google",
        "8.8.4.0/24 8.8.8.0/24 74.125.0.0/16 172.253.0.0/16 173.194.0.0/16 216.239.32.0/19 \
         2001:4860::/32 2404:6800::/32 2607:f8b0::/32 2800:3f0::/32 2a00:1450::/32 2c0f:fb50::/32",
    ),
    ("OpenDNS", "208.67.216.0/21 2620:119::/32 2620:0:cc0::/44"),
    ("Quad9", "9.9.9.0/24 149.112.112.0/24 2620:fe::/48"),
    ("114DNS", "114.114.114.0/24"),
    ("AliDNS", "223.5.5.0/24 223.6.6.0/24 2400:3200::/32"),
];

/// Who runs the network that this address is of, if no customer's line is in it.
pub fn operator(ip: IpAddr) -> Option<&'static str> {
    let holds = |text: &str| Prefix::parse(text).is_some_and(|prefix| prefix.contains(ip));
    let row = NOT_LINES.iter().find(|(_, prefixes)| prefixes.split(' ').any(holds));
    row.map(|(who, _)| *who)
}

/// The address itself, or why it cannot be ours.
pub fn check(ip: IpAddr, assume_public: &[Prefix]) -> Result<IpAddr, String> {
    if !address::is_global(ip, assume_public) {
        return Err(format!("it says {ip}, not globally reachable: {}", address::class(ip)));
    }
    match operator(ip) {
        Some(who) => Err(format!(
            "it says {ip}, an address of {who}: a proxy, tunnel or resolver is between"
        )),
        None => Ok(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_can_be_read() {
        for (who, prefixes) in NOT_LINES {
            for text in prefixes.split(' ') {
                let prefix = Prefix::parse(text).unwrap();
                assert_eq!(prefix.to_string(), text);
                assert_eq!(operator(prefix.ip), Some(*who));
            }
        }
        for ip in ["2a00:1::5", "93.184.7.20", "104.32.0.1", "8.1.1.9"] {
            assert_eq!(operator(ip.parse().unwrap()), None);
        }
    }

    #[test]
    fn what_cannot_be_a_line() {
        let lab = [Prefix::parse("203.0.113.0/24").unwrap()];
        let check = |ip: &str, lab| check(ip.parse().unwrap(), lab).map(|ip| ip.to_string());
        for (ip, want) in [
            ("100.64.0.9", "not globally reachable: Shared Address Space (RFC 6598)"),
            ("203.0.113.9", "Documentation (TEST-NET-3) (RFC 5737)"),
            ("104.28.1.2", "an address of Cloudflare: a proxy, tunnel or resolver"),
            ("172.71.255.255", "an address of Cloudflare"),
            ("172.253.5.1", "an address of Google"),
        ] {
            let got = check(ip, &[]);
            assert!(got.as_ref().is_err_and(|why| why.contains(want)), "{want}: {got:?}");
        }
        assert_eq!(check("203.0.113.9", &lab).as_deref(), Ok("203.0.113.9"));
        assert_eq!(check("104.32.0.1", &lab).as_deref(), Ok("104.32.0.1"));
    }
}
