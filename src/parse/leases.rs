//! Leases of DHCP servers, for the hosts behind a name: odhcpd's and dnsmasq's files, and odhcpd's
//! own word over ubus. Lines of no meaning to us are passed over; at most [`MOST`] leases are read.

use crate::model::lan::{Lease, Mac, byte};
use serde_json::Value;
use std::net::Ipv6Addr;

/// Files that leases are read from: dnsmasq's, and odhcpd's up to 24.10 and after it.
pub const FILES: [&str; 3] = ["/tmp/dhcp.leases", "/tmp/hosts/odhcpd", "/tmp/odhcpd.leases"];

/// More hosts than a router for a house has.
const MOST: usize = 4096;

/// Addresses of one lease that are kept.
const MOST_ADDRESSES: usize = 16;

/// Either kind of file; each line tells by itself what it is.
///
/// - odhcpd: `# br-lan DUID IAID HOST EXPIRY HEX LENGTH ADDRESS/LENGTH ...`; other lines are for
///   a resolver.
/// - dnsmasq: `EXPIRY MAC IPV4 HOST|* CLIENT-ID|*`, and with DHCPv6 `EXPIRY IAID IPV6 HOST|* DUID`.
pub fn file(bytes: &[u8]) -> Vec<Lease> {
    let text = String::from_utf8_lossy(bytes);
    let mut leases = Vec::new();
    for line in text.lines() {
        let mut fields = Vec::new();
        for field in line.split_ascii_whitespace() {
            if fields.len() < 8 + MOST_ADDRESSES {
                fields.push(field);
            }
        }
        let mut addresses = Vec::new();
        let (host, mac) = match fields.as_slice() {
            // Less than 128 bits are a delegated prefix.
            ["#", _, duid, _, host, _, _, "128", rest @ ..] => {
                for field in rest {
                    addresses.extend(field.split('/').next().and_then(ip));
                }
                (host, mac_of(duid))
            }
            [expiry, id, address, host, rest @ ..] if expiry.parse::<u64>().is_ok() => {
                addresses.extend(ip(address));
                // An address that is not Ethernet has its type in front.
                let mac = match (addresses.is_empty(), rest.first()) {
                    (true, _) => Mac::parse(id),
                    (false, Some(duid)) => mac_of(&duid.replace(':', "")),
                    _ => None,
                };
                (host, mac)
            }
            _ => continue,
        };
        if leases.len() < MOST && (mac.is_some() || !addresses.is_empty()) {
            leases.push(Lease { name: name(host), mac, addresses });
        }
    }
    leases
}

fn ip(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

/// `ubus call dhcp ipv6leases`.
pub fn ubus(answer: &Value) -> Vec<Lease> {
    let mut all = Vec::new();
    let Some(devices) = answer.get("device").and_then(Value::as_object) else { return all };
    for (_, device) in devices {
        let Some(leases) = device.get("leases").and_then(Value::as_array) else { continue };
        for lease in leases {
            let text = |key: &str| lease.get(key).and_then(Value::as_str).unwrap_or_default();
            let Some(listed) = lease.get("ipv6-addr").and_then(Value::as_array) else { continue };
            let mut addresses = Vec::new();
            for one in listed {
                let address = one.get("address").and_then(Value::as_str).and_then(ip);
                addresses.extend(address.filter(|_| addresses.len() < MOST_ADDRESSES));
            }
            if all.len() < MOST {
                let (name, mac) = (name(text("hostname")), mac_of(text("duid")));
                all.push(Lease { name, mac, addresses });
            }
        }
    }
    all
}

/// The first label, in lower case; `-` and `*` stand for none.
fn name(host: &str) -> String {
    match host.split('.').next().unwrap_or_default() {
        "-" | "*" => String::new(),
        label => label.to_ascii_lowercase(),
    }
}

/// The MAC inside a DUID in hexadecimal: DUID-LLT and DUID-LL of Ethernet (RFC 8415 11.2, 11.4).
fn mac_of(duid: &str) -> Option<Mac> {
    let digits = match (duid.get(..8)?, duid.len()) {
        ("00010001", 28) => duid.get(16..)?,
        ("00030001", 20) => duid.get(8..)?,
        _ => return None,
    };
    let mut octets = [0; 6];
    for (index, octet) in octets.iter_mut().enumerate() {
        *octet = byte(digits.get(2 * index..2 * index + 2)?)?;
    }
    Some(Mac(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/data/leases/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    fn lease(name: &str, mac: &str, addresses: &[&str]) -> Lease {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        Lease { name: name.into(), mac: Mac::parse(mac), addresses }
    }

    #[test]
    fn real_leases() {
        let vm = lease("vm", "02:aa:00:00:00:01", &["2001:db8:cafe::21a", "fd2c:6b1e:77a0::21a"]);
        let answer = serde_json::from_slice(&data("ubus-dhcp-ipv6leases.json")).unwrap();
        // The second lease of each is a delegated prefix, no address.
        assert_eq!(ubus(&answer), std::slice::from_ref(&vm));
        assert_eq!(file(&data("odhcpd")), [vm]);
        assert_eq!(
            file(&data("dhcp.leases")),
            [
                lease("printer", "02:00:00:00:00:01", &[]),
                lease("", "02:aa:00:00:00:02", &[]),
                lease("laptop", "02:aa:00:00:00:01", &[]),
            ]
        );
    }

    #[test]
    fn dnsmasq_as_dhcpv6_server() {
        let text = b"1795496391 2852126721 2001:db8:1::7b Nas.lan 00:01:00:01:2f:11:22:33:02:aa:00:00:00:03\n\
                     duid 00:01:00:01:2e:aa\n";
        assert_eq!(file(text), [lease("nas", "02:aa:00:00:00:03", &["2001:db8:1::7b"])]);
    }

    #[test]
    fn a_mac_is_in_some_duids() {
        let mac = Mac::parse("02:aa:00:00:00:01");
        assert_eq!(mac_of("0003000102aa00000001"), mac);
        assert_eq!(mac_of("000100012f11223302aa00000001"), mac);
        // A UUID (RFC 6355), InfiniBand, cut off, too long, no hexadecimal.
        for duid in [
            "0004000102aa00000001",
            "0003002002aa00000001",
            "0003000102aa000000",
            "0003000102aa0000000100",
            "0003000102aa0000000\u{e9}",
            "00030001+2aa00000001",
            "",
        ] {
            assert_eq!(mac_of(duid), None, "{duid}");
        }
    }

    #[test]
    fn what_is_no_lease_is_passed_over() {
        for odd in
            ["", "#", "# br-lan", "# a b c d e f", "x 02:00:00:00:00:01 1.2.3.4 h *", "1 2 3 4"]
        {
            assert_eq!(file(odd.as_bytes()), [], "{odd}");
        }
        assert_eq!(file(b"\xff\xfe\n0 02:00:00:00:00:01 192.0.2.1 h\xff *\n").len(), 1);
        for odd in ["null", "{}", r#"{"device":7}"#, r#"{"device":{"x":{"leases":[7,{}]}}}"#] {
            assert_eq!(ubus(&serde_json::from_str(odd).unwrap()), [], "{odd}");
        }
        let many = "0 02:00:00:00:00:01 192.0.2.1 h *\n".repeat(MOST + 10);
        assert_eq!(file(many.as_bytes()).len(), MOST);
    }
}
