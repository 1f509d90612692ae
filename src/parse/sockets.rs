//! `/proc/net/{tcp,tcp6,udp,udp6}`: the sockets of the router that wait for somebody. Addresses
//! there are in the byte order of the machine that wrote the file, taken to be this one's.

use crate::model::forward::Proto;
use crate::model::snapshot::Listener;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// No router has more; a flood of sockets must not cost memory.
const MOST: usize = 4096;

/// The waiting sockets of one such file.
pub fn listeners(text: &str, proto: Proto) -> Vec<Listener> {
    // TCP_LISTEN; a UDP socket without a peer is TCP_CLOSE (include/net/tcp_states.h).
    let waiting = if proto == Proto::Tcp { "0A" } else { "07" };
    let read = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        let (ip, port) = local.split_once(':')?;
        let ip = address(ip)?;
        (state == waiting).then_some(Listener {
            proto: proto.clone(),
            ip: Some(ip).filter(|ip| !ip.is_unspecified()),
            v6: ip.is_ipv6(),
            port: u16::from_str_radix(port, 16).ok()?,
        })
    };
    text.lines().skip(1).take(MOST).filter_map(read).collect()
}

fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            let ip = Ipv6Addr::from(octets);
            Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_and_not() {
        let head = "  sl  local_address rem_address   st tx_queue\n";
        let one = |ip: &str, port: u16| {
            let words: Vec<String> = match ip.parse::<IpAddr>().unwrap() {
                IpAddr::V4(ip) => vec![format!("{:08X}", u32::from_ne_bytes(ip.octets()))],
                IpAddr::V6(ip) => ip
                    .octets()
                    .chunks(4)
                    .map(|c| format!("{:08X}", u32::from_ne_bytes(c.try_into().unwrap())))
                    .collect(),
            };
            format!("{}:{port:04X}", words.concat())
        };
        let text = format!(
            "{head}   0: {} 00000000:0000 0A 00\n   1: {} 00000000:0000 01 00\n   2: {} 0:0 0A 00\n   3: zz\n",
            one("0.0.0.0", 80),
            one("192.168.1.1", 81),
            one("127.0.0.1", 53),
        );
        let found = listeners(&text, Proto::Tcp);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].port, found[0].ip, found[0].v6), (80, None, false));
        assert_eq!(found[1].ip, Some("127.0.0.1".parse().unwrap()));
        let text = format!("{head} 0: {} 0:0 07 00\n", one("::", 51820));
        let found = listeners(&text, Proto::Udp);
        assert_eq!((found[0].port, found[0].v6), (51820, true));
    }
}
