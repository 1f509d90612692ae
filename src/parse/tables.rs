//! Small tables that other programs keep as text: the kernel's ARP table and connections,
//! miniupnpd's leases, what firewall4 says on stderr.

use crate::model::forward::Proto;
use crate::model::snapshot::{Flow, Lease, Mapping, Neighbour};
use std::net::{IpAddr, Ipv4Addr};

/// Rows that are read of any of them.
const MOST: usize = 20_000;

/// `/proc/net/arp`. An entry without ATF_COM (0x2) is one that nobody answered to.
pub fn arp(text: &str) -> Vec<Neighbour> {
    let read = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [ip, _, flags, mac, _, device] = words[..] else { return None };
        let flags = u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        Some(Neighbour {
            ip: ip.parse().ok()?,
            mac: (flags & 2 != 0).then(|| mac.to_ascii_lowercase()),
            device: device.to_string(),
        })
    };
    text.lines().skip(1).take(MOST).filter_map(read).collect()
}

/// `/proc/net/nf_conntrack`: connections that were translated on their way in, or are IPv6.
pub fn conntrack(text: &str) -> Vec<Flow> {
    let read = |line: &str| {
        let mut proto = None;
        // Twice each: as it came, as the answer goes.
        let (mut addresses, mut ports) = (Vec::new(), Vec::new());
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some(("src" | "dst", ip)) => addresses.push(ip.parse::<IpAddr>().ok()?),
                Some(("sport" | "dport", port)) => ports.push(port.parse::<u16>().ok()?),
                None if word == "tcp" => proto = Some(Proto::Tcp),
                None if word == "udp" => proto = Some(Proto::Udp),
                _ => {}
            }
        }
        let ([from, to, host, _], [_, port, host_port, _]) = (&addresses[..], &ports[..]) else {
            return None;
        };
        let translated = host != to || host_port != port;
        (translated || to.is_ipv6()).then_some(Flow {
            proto: proto?,
            from: *from,
            to: *to,
            port: *port,
            host: *host,
            host_port: *host_port,
            assured: line.contains("[ASSURED]"),
        })
    };
    text.lines().filter_map(read).take(MOST).collect()
}

/// dnsmasq's leases of IPv4: `EXPIRY MAC IP HOST|* CLIENTID`. IPv6 is `leases`'.
pub fn leases(text: &str) -> Vec<Lease> {
    let read = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (mac, ip, name) = (words.next()?, words.next()?, words.next()?);
        Some(Lease {
            // A type in front, where it is not Ethernet.
            mac: mac.rsplit('-').next()?.to_ascii_lowercase(),
            ip: ip.parse::<Ipv4Addr>().ok()?.into(),
            name: Some(name.to_string()).filter(|name| name != "*"),
        })
    };
    text.lines().filter_map(read).take(MOST).collect()
}

/// miniupnpd's lease file: `PROTO:EPORT:IADDR:IPORT:EXPIRY:DESC`; the description may hold
/// colons. Newer ones put the remote host after the first port (LuCI expects that already).
pub fn mappings(text: &str) -> Vec<Mapping> {
    let read = |line: &str| {
        let mut words = line.splitn(7, ':').peekable();
        let proto = match words.next()? {
            "TCP" => Proto::Tcp,
            "UDP" => Proto::Udp,
            _ => return None,
        };
        let port = words.next()?.parse().ok()?;
        let third = words.next()?;
        // A port follows the address inside; after a remote host comes the address.
        let inside = match words.peek()?.parse::<IpAddr>() {
            Ok(_) => words.next()?,
            Err(_) => third,
        };
        let ip = inside.parse().ok()?;
        let to = words.next()?.parse().ok()?;
        let expires: u64 = words.next()?.parse().ok()?;
        let description: Vec<&str> = words.collect();
        Some(Mapping {
            proto,
            port,
            ip,
            to,
            expires: (expires != 0).then_some(expires),
            description: description.join(":"),
        })
    };
    text.lines().take(MOST).filter_map(read).collect()
}

/// `fw4 print` on stderr: its warnings without their mark.
pub fn fw4_warnings(text: &str) -> Vec<String> {
    let read = |line: &str| Some(line.strip_prefix("[!] ")?.trim().to_string());
    text.lines().take(MOST).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_answer_and_that_do_not() {
        let text = "IP address HW type Flags HW address Mask Device\n\
                    192.168.1.50 0x1 0x2 AA:BB:CC:00:11:22 * br-lan\n\
                    192.168.1.60 0x1 0x0 00:00:00:00:00:00 * br-lan\nrubbish\n";
        let found = arp(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].mac.as_deref(), Some("aa:bb:cc:00:11:22"));
        assert_eq!(found[1].mac, None);
    }

    #[test]
    fn connections_from_outside() {
        let text = "ipv4 2 tcp 6 7436 ESTABLISHED src=93.184.7.20 dst=198.51.100.23 sport=50000 \
                    dport=8443 packets=4 bytes=9 src=192.168.1.50 dst=93.184.7.20 sport=443 \
                    dport=50000 packets=3 bytes=8 [ASSURED] mark=0 use=2\n\
                    ipv4 2 udp 17 20 src=192.168.1.9 dst=9.9.9.9 sport=5353 dport=53 [UNREPLIED] \
                    src=9.9.9.9 dst=198.51.100.23 sport=53 dport=5353 mark=0 use=2\n\
                    ipv4 2 unknown 2 599 src=1.2.3.4 dst=224.0.0.1 src=224.0.0.1 dst=1.2.3.4\n";
        let found = conntrack(text);
        assert_eq!(found.len(), 1, "an outgoing one is none of ours: {found:?}");
        assert!(found[0].assured && found[0].port == 8443 && found[0].host_port == 443);
    }

    #[test]
    fn leases_of_dnsmasq() {
        let text = "0 02:00:00:00:00:01 192.168.1.70 printer 01:02\n\
                    1795496395 02:AA:00:00:00:02 192.168.1.224 * *\n\
                    duid 00:01\n1795496395 7 2001:db8::1 vm 00:03\n";
        let found = leases(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_deref(), found[1].name.as_deref()), (Some("printer"), None));
        assert_eq!(found[1].mac, "02:aa:00:00:00:02");
    }

    #[test]
    fn leases_of_both_forms() {
        let text = "TCP:18123:192.168.1.50:8123:1795456931:libminiupnpc\n\
                    UDP:51413:192.168.1.50:51413:0:torrent client: x\n\
                    TCP:80:203.0.113.9:192.168.1.7:8080:5:x:y\nSCTP:1:2:3\nTCP:x\n";
        let found = mappings(text);
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].port, found[0].to, found[0].expires), (18123, 8123, Some(1795456931)));
        assert_eq!((&found[1].description[..], found[1].expires), ("torrent client: x", None));
        assert_eq!(
            (found[2].ip.to_string(), &found[2].description[..]),
            ("192.168.1.7".into(), "x:y")
        );
    }

    /// Torn and flipped input costs itself at most.
    #[test]
    fn damaged_text_is_no_harm() {
        let text = "IP address HW type Flags HW address Mask Device\n192.168.1.50 0x1 0x2 aa:bb \
                    * br-lan\nipv4 2 tcp 6 7 src=1.2.3.4 dst=5.6.7.8 sport=1 dport=2 src=9.9.9.9 \
                    dst=1.2.3.4 sport=3 dport=4 [ASSURED]\nTCP:1:192.168.1.1:2:0:x\n\
                    7 aa-bb 192.168.1.1 n *\n[!] Section x y\n 0: 0100007F:0050 0:0 0A\n";
        let all = |text: &str| {
            let found = arp(text).len() + conntrack(text).len() + mappings(text).len();
            found + leases(text).len() + fw4_warnings(text).len()
        };
        let whole = all(text);
        let mut chance = 88_172_645_463_325_252_u64;
        for cut in 0..text.len() {
            assert!(all(text.get(..cut).unwrap_or_default()) <= whole + 1);
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let mut bytes = text.as_bytes().to_vec();
            bytes[cut] ^= chance as u8;
            all(&String::from_utf8_lossy(&bytes));
        }
    }
}
