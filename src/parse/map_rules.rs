//! `/tmp/map-NETWORK.rules`, which OpenWrt's map.sh writes for a MAP-E, MAP-T or lw4o6 line:
//! shell assignments, read as text and never run. The rule that is ours (`RULE_BMR`) is taken,
//! the others are passed over.
//!
//! The ports that are written down count; the maths of RFC 7597 stands in where they are not.

use crate::model::known::Known;
use crate::model::line::{MapKind, MapRule, PortSet};
use std::net::Ipv6Addr;

/// Nothing that map.sh writes comes near.
const LONGEST: usize = 256 * 1024;

/// Where the rules of a network are; `None` for a name that is no name of a file.
pub fn path(network: &str) -> Option<String> {
    let plain = !network.is_empty() && !network.contains(['/', '\0']) && network.len() < 100;
    plain.then(|| format!("/tmp/map-{network}.rules"))
}

/// `Err` says why nothing could be taken from it.
pub fn rule(bytes: &[u8]) -> Result<MapRule, String> {
    let text =
        bytes.get(..bytes.len().min(LONGEST)).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let text = text.ok_or("the MAP rules are not text")?;
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.trim().trim_matches('\''))
    };
    let ours = value("RULE_BMR").filter(|number| number.parse::<u16>().is_ok());
    let ours = ours.ok_or("the MAP rules name no rule as ours (RULE_BMR)")?;
    let of_ours = |key: &str| value(&format!("RULE_{ours}_{key}"));
    let number = |key: &str| of_ours(key)?.parse::<u8>().ok();
    // The config's own words stand in the first line: rule=type=map-e,ipv6prefix=...
    let kind = text
        .lines()
        .filter_map(|line| line.strip_prefix("rule="))
        .flat_map(|line| line.split(','))
        .find_map(|word| word.trim().strip_prefix("type="));
    let kind = match kind {
        Some("map-e") => Some(MapKind::MapE),
        Some("map-t") => Some(MapKind::MapT),
        Some("lw4o6") => Some(MapKind::Lw4o6),
        _ => None,
    };
    let address = of_ours("IPV4ADDR").and_then(|ip| ip.parse().ok());
    let written = of_ours("PORTSETS").map(port_sets);
    let ports = match (written, number("PSIDLEN")) {
        (Some(Some(set)), _) if !set.0.is_empty() => Known::Known(set),
        (Some(None), _) => Known::unknown("the MAP rules list ports that cannot be read"),
        (_, None) => Known::unknown("the MAP rules list no ports"),
        (_, Some(len)) => {
            // The lowest bits of our own tunnel address are the PSID (RFC 7597 6), in the form of
            // MAP-E and MAP-T.
            let psid = of_ours("IPV6ADDR").and_then(|ip| ip.parse::<Ipv6Addr>().ok());
            let psid = psid.map(|ip| ip.segments()[7]).filter(|_| kind != Some(MapKind::Lw4o6));
            match (len, psid, number("OFFSET")) {
                (0, ..) => Known::Known(PortSet(vec![(0, u16::MAX)])),
                (_, Some(psid), Some(offset)) => Known::from(
                    PortSet::of_psid(offset, len, psid)
                        .ok_or("the MAP rules hold numbers that cannot be"),
                ),
                _ => Known::unknown("the MAP rules list no ports"),
            }
        }
    };
    Ok(MapRule { kind, address, ports })
}

/// `8176-8191 12272-12287 `, one port also alone.
fn port_sets(text: &str) -> Option<PortSet> {
    let mut ranges = Vec::new();
    for range in text.split_whitespace() {
        if ranges.len() == PortSet::MOST_RANGES {
            return None;
        }
        ranges.push(port_range(range)?);
    }
    Some(PortSet::of_ranges(ranges))
}

/// `8176-8191`, also as netifd writes it in `snat_port`.
pub fn port_range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (low.parse().ok()?, high.parse().ok()?);
    (low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = include_str!("../../tests/data/map-wan4.rules");

    #[test]
    fn a_real_file() {
        let rule = rule(REAL.as_bytes()).unwrap();
        assert_eq!(rule.kind, Some(MapKind::MapE));
        assert_eq!(rule.address, Some("192.0.2.0".parse().unwrap()));
        let ports = rule.ports.known().unwrap();
        assert_eq!(ports.0[0], (8176, 8191));
        assert_eq!((ports.0.len(), ports.count()), (15, 240));
    }

    #[test]
    fn without_its_ports_the_psid_tells_them() {
        let without = |text: &str| -> String {
            let lines = text.lines().filter(|line| !line.contains("PORTSETS"));
            lines.map(|line| format!("{line}\n")).collect()
        };
        let whole = rule(REAL.as_bytes()).unwrap();
        let cut = without(REAL);
        assert_eq!(rule(cut.as_bytes()).unwrap(), whole, "the PSID is 0xff");
        let lw = cut.replace("type=map-e", "type=lw4o6");
        let lw = rule(lw.as_bytes()).unwrap();
        assert_eq!(lw.kind, Some(MapKind::Lw4o6));
        assert_eq!(lw.ports, Known::unknown("the MAP rules list no ports"), "another form");
        let whole = cut.replace("PSIDLEN=8", "PSIDLEN=0");
        let ports = rule(whole.as_bytes()).unwrap().ports;
        assert_eq!(ports, Known::Known(PortSet(vec![(0, 65535)])), "the address is not shared");
        for (from, to) in [("OFFSET=4", "OFFSET=12"), ("PSIDLEN=8", "PSIDLEN=300")] {
            let odd = rule(cut.replace(from, to).as_bytes()).unwrap();
            assert!(matches!(odd.ports, Known::Unknown(_)), "{to}");
        }
    }

    #[test]
    fn what_is_no_rules_file_says_so() {
        for (text, why) in [
            (&b""[..], "the MAP rules name no rule as ours (RULE_BMR)"),
            (b"RULE_BMR=$(reboot)\n", "the MAP rules name no rule as ours (RULE_BMR)"),
            (b"\xff\xfe", "the MAP rules are not text"),
        ] {
            assert_eq!(rule(text), Err(why.to_string()));
        }
        for ports in ["1-2 x", "9-3", "0-65536", "-", "1-2-3"] {
            let text = format!("RULE_BMR=1\nRULE_1_PORTSETS='{ports}'\n");
            let unread = Known::unknown("the MAP rules list ports that cannot be read");
            assert_eq!(rule(text.as_bytes()).unwrap().ports, unread, "{ports}");
        }
        let long = format!("RULE_BMR=1\nRULE_1_PORTSETS='{}'\n", "1-2 ".repeat(5000));
        assert!(matches!(rule(long.as_bytes()).unwrap().ports, Known::Unknown(_)));
        assert_eq!(path("wan4").as_deref(), Some("/tmp/map-wan4.rules"));
        assert_eq!(path("../etc/passwd"), None);
    }

    #[test]
    fn no_mutation_panics() {
        let mut seed = 7u64;
        for _ in 0..20_000 {
            let mut bytes = REAL.as_bytes().to_vec();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 20) as u8;
            }
            let _ = rule(&bytes);
        }
    }
}
