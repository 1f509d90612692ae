//! STUN Binding (RFC 8489): one question, and the address that the server was asked from. No
//! sockets, no authentication, no other methods.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The registered port (RFC 8489 18.5).
pub const PORT: u16 = 3478;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEAD: usize = 20;
/// Binding success response (RFC 8489 5).
const SUCCESS: [u8; 2] = [1, 1];
/// Binding error response.
const ERROR: [u8; 2] = [1, 0x11];

const MAPPED_ADDRESS: u16 = 0x0001;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// A Binding request with nothing in it but its transaction id, 96 bits of `chance`.
pub fn question(chance: u128) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 0];
    bytes.extend_from_slice(&COOKIE);
    bytes.extend(chance.to_be_bytes().iter().take(HEAD - 8));
    bytes
}

/// Whether these bytes answer that question: a Binding response with its transaction id, whole.
pub fn is_reply(question: &[u8], reply: &[u8]) -> bool {
    reply.get(..2).is_some_and(|kind| kind == SUCCESS || kind == ERROR)
        && reply.get(4..HEAD) == question.get(4..HEAD)
        && u16_at(reply, 2).is_some_and(|len| HEAD + usize::from(len) == reply.len())
}

/// The address in a reply that [`is_reply`] has passed: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of
/// a server from before RFC 5389.
pub fn address(reply: &[u8]) -> Result<IpAddr, String> {
    let mut mapped = None;
    let mut xored = None;
    let mut code = None;
    for (kind, value) in attributes(reply.get(HEAD..).unwrap_or_default()) {
        match kind {
            // The first counts (RFC 8489 14).
            XOR_MAPPED_ADDRESS => xored = xored.or_else(|| ip(value, reply.get(4..HEAD)?)),
            MAPPED_ADDRESS => mapped = mapped.or_else(|| ip(value, &[0; 16])),
            ERROR_CODE => {
                let class = value.get(2).map(|class| u16::from(class & 7) * 100);
                code = class.zip(value.get(3)).map(|(class, rest)| class + u16::from(*rest));
            }
            _ => {}
        }
    }
    if reply.get(..2) != Some(&SUCCESS[..]) {
        return Err(match code {
            Some(code) => format!("it refuses with STUN error {code}"),
            None => "it refuses".into(),
        });
    }
    xored.or(mapped).ok_or_else(|| "there is no address in its answer".into())
}

/// Attributes (RFC 8489 14), up to the first that does not hold together.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let kind = u16_at(bytes, 0)?;
        let len = usize::from(u16_at(bytes, 2)?);
        let value = bytes.get(4..4 + len)?;
        bytes = bytes.get(4 + len.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// An address attribute's value (RFC 8489 14.1, 14.2) with `mask` taken off.
fn ip(value: &[u8], mask: &[u8]) -> Option<IpAddr> {
    let clear = |len: usize| -> Option<Vec<u8>> {
        let bytes = value.get(4..)?;
        (bytes.len() == len)
            .then(|| bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect())
    };
    match *value.get(1)? {
        1 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(clear(4)?).ok()?).into()),
        2 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(clear(16)?).ok()?).into()),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 2.2 and 2.3: the sample responses, their transaction id b7e7a701bc34d686fa87dfae.
    const V4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae\
        8022000b7465737420766563746f7220\
        002000080001a147e112a643\
        000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7\
        80280004c07d4c96";
    const V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae\
        8022000b7465737420766563746f7220\
        002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9\
        00080014a382954e4be67bf11784c97c8292c275bfe3ed41\
        80280004c8fb0b4c";

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        hex.chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    fn asked() -> Vec<u8> {
        question(0xb7e7_a701_bc34_d686_fa87_dfae_0000_0000)
    }

    #[test]
    fn the_rfcs_samples() {
        assert_eq!(asked(), bytes("000100002112a442b7e7a701bc34d686fa87dfae"));
        for (reply, ip) in [(V4, "192.0.2.1"), (V6, "2001:db8:1234:5678:11:2233:4455:6677")] {
            let reply = bytes(reply);
            assert!(is_reply(&asked(), &reply));
            assert_eq!(address(&reply), Ok(ip.parse().unwrap()));
        }
    }

    #[test]
    fn a_real_coturns_answer() {
        // coturn 4.6.1, asked over loopback: both forms of the address, origin, software.
        let reply = bytes(
            "0101003c2112a442b7e7a701bc34d686fa87dfae\
             00200008000181b45e12a443 000100080001a0a67f000001\
             802b0008000114e67f000001\
             80220014436f7475726e2d342e362e312027476f72737427",
        );
        assert!(is_reply(&asked(), &reply));
        assert_eq!(address(&reply), Ok("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn an_old_servers_plain_address() {
        let reply = bytes("0101000c2112a442b7e7a701bc34d686fa87dfae 000100080001 8b41 cb007109");
        assert_eq!(address(&reply), Ok("203.0.113.9".parse().unwrap()));
    }

    #[test]
    fn refusals_and_nothing() {
        let reply = bytes("0111000c2112a442b7e7a701bc34d686fa87dfae 00090005000004012e000000");
        assert!(is_reply(&asked(), &reply));
        assert_eq!(address(&reply), Err("it refuses with STUN error 401".into()));
        let reply = bytes("010100002112a442b7e7a701bc34d686fa87dfae");
        assert_eq!(address(&reply), Err("there is no address in its answer".into()));
        // An IPv4 address of 16 bytes, and a family that nobody knows.
        let reply = bytes("0101000c2112a442b7e7a701bc34d686fa87dfae 002000080003a147e112a643");
        assert!(address(&reply).is_err());
    }

    #[test]
    fn answers_to_somebody_else() {
        let good = bytes(V4);
        assert!(!is_reply(&question(7), &good), "another transaction");
        assert!(!is_reply(&asked(), &asked()), "the question itself");
        for len in 0..good.len() {
            assert!(!is_reply(&asked(), &good[..len]), "cut at {len}");
        }
        let long = [&good[..], &[0; 4]].concat();
        assert!(!is_reply(&asked(), &long));
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let mut seed = 11u64;
        for source in [bytes(V4), bytes(V6)] {
            for _ in 0..50_000 {
                let mut bytes = source.clone();
                for _ in 0..3 {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let at = (seed >> 33) as usize % bytes.len();
                    bytes[at] = (seed >> 24) as u8;
                }
                bytes.truncate((seed >> 40) as usize % (bytes.len() + 1));
                let _ = (is_reply(&asked(), &bytes), address(&bytes));
            }
        }
    }
}
