//! NAT-PMP (RFC 6886) and its successor PCP (RFC 6887): the few messages by which a router can
//! be asked for its outside address. They share a port, and a server of one may answer the other
//! with "another version". No sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where both are answered (RFC 6886 3.1, RFC 6887 19.1).
pub const PORT: u16 = 5351;

/// NAT-PMP's question for the outside address (RFC 6886 3.2).
pub const NATPMP_QUESTION: [u8; 2] = [0, 0];

/// PCP opcodes (RFC 6887 19.2).
const ANNOUNCE: u8 = 0;
const MAP: u8 = 1;
/// The bit of a response, in both protocols.
const RESPONSE: u8 = 0x80;
const VERSION: u8 = 2;
/// Common header of PCP's responses.
const HEAD: usize = 24;

/// Names of PCP result codes (RFC 6887 7.4) that tell something about the line.
const RESULTS: &[(u8, &str)] = &[
    (0, "SUCCESS"),
    (2, "NOT_AUTHORIZED"),
    (7, "NETWORK_FAILURE"),
    (8, "NO_RESOURCES"),
    (12, "ADDRESS_MISMATCH"),
];

/// What a PCP result is called, for people.
pub fn result_name(code: u8) -> Option<&'static str> {
    RESULTS.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// Whether the bytes answer NAT-PMP's question.
pub fn is_natpmp_reply(_: &[u8], reply: &[u8]) -> bool {
    reply.get(..2) == Some(&[0, RESPONSE])
}

/// Result code and outside address of a NAT-PMP reply; an address only with result 0, and only
/// if it is one: a router that has none says 0.0.0.0.
pub fn natpmp_answer(reply: &[u8]) -> Result<(u16, Option<Ipv4Addr>), String> {
    let short = || "its NAT-PMP answer is cut off".to_string();
    let code = u16::from_be_bytes(bytes(reply, 2).ok_or_else(short)?);
    if code != 0 {
        return Ok((code, None));
    }
    let ip = Ipv4Addr::from(bytes::<4>(reply, 8).ok_or_else(short)?);
    Ok((code, (!ip.is_unspecified()).then_some(ip)))
}

/// PCP's "are you there?" (RFC 6887 14.1), from our address `own`.
pub fn announce(own: IpAddr) -> Vec<u8> {
    head(ANNOUNCE, 0, own)
}

/// What to map, and to take away again: the nonce ties the two together (RFC 6887 11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub own: IpAddr,
    /// UDP port on `own`.
    pub port: u16,
    /// 96 bits of chance.
    pub nonce: [u8; 12],
}

impl Mapping {
    /// Asks for it, for so many seconds; 0 takes it away (RFC 6887 15).
    pub fn request(&self, seconds: u32) -> Vec<u8> {
        let mut bytes = head(MAP, seconds, self.own);
        bytes.extend_from_slice(&self.nonce);
        // UDP, three bytes reserved; any outside port and address.
        bytes.extend_from_slice(&[17, 0, 0, 0]);
        bytes.extend_from_slice(&self.port.to_be_bytes());
        bytes.extend_from_slice(&[0; 2]);
        let any = match self.own {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED,
        };
        bytes.extend_from_slice(&any.octets());
        bytes
    }
}

/// Whether the bytes answer that PCP request, be it with "another version" (RFC 6887 9).
pub fn is_pcp_reply(request: &[u8], reply: &[u8]) -> bool {
    let (Some(asked), Some([version, kind])) = (request.get(1), bytes::<2>(reply, 0)) else {
        return false;
    };
    match version {
        // RFC 6886 3.5: a server of NAT-PMP says result 1, its op is not of our time.
        0 => kind & RESPONSE != 0 && reply.get(2..4) == Some(&[0, 1]),
        _ => {
            let nonce = |bytes: &[u8]| bytes.get(HEAD..HEAD + 12).map(<[u8]>::to_vec);
            // Errors may come without the body.
            let same = |theirs: Vec<u8>| Some(theirs) == nonce(request);
            kind == asked | RESPONSE
                && reply.len() >= HEAD
                && (*asked != MAP || nonce(reply).is_none_or(same))
        }
    }
}

/// The result code of a PCP reply.
pub fn pcp_result(reply: &[u8]) -> Result<u8, String> {
    match (reply.first(), reply.get(3)) {
        (Some(&VERSION), Some(code)) => Ok(*code),
        (Some(0), _) => Err("it speaks NAT-PMP, not PCP".into()),
        (Some(version), _) => Err(format!("it speaks PCP version {version}")),
        (None, _) => Err("its PCP answer is empty".into()),
    }
}

/// Result code and outside address of a reply to a MAP request; an address only with result 0.
pub fn map_answer(reply: &[u8]) -> Result<(u8, Option<IpAddr>), String> {
    let code = pcp_result(reply)?;
    if code != 0 {
        return Ok((code, None));
    }
    let ip = bytes::<16>(reply, HEAD + 20).ok_or("its PCP answer is cut off")?;
    let ip = IpAddr::from(ip).to_canonical();
    Ok((code, (!ip.is_unspecified()).then_some(ip)))
}

/// Version, opcode, lifetime, our address (RFC 6887 7.1).
fn head(opcode: u8, seconds: u32, own: IpAddr) -> Vec<u8> {
    let mut bytes = vec![VERSION, opcode, 0, 0];
    bytes.extend_from_slice(&seconds.to_be_bytes());
    let own = match own {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    bytes.extend_from_slice(&own.octets());
    bytes
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 77, 2));
    const MAPPING: Mapping = Mapping { own: OWN, port: 0xc001, nonce: *b"twelve bytes" };

    /// miniupnpd 2.3.1 to MAP: result, 600 s, epoch 7, our nonce, port 18082, 5.5.5.5.
    fn mapped(code: u8) -> Vec<u8> {
        let mut reply = vec![2, 0x81, 0, code, 0, 0, 2, 0x58, 0, 0, 0, 7];
        reply.extend([0; 12]);
        reply.extend(*b"twelve bytes");
        reply.extend([17, 0, 0, 0, 0xc0, 1, 0x46, 0xa2]);
        reply.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 5, 5, 5, 5]);
        reply
    }

    #[test]
    fn natpmp_tells_the_address_or_why_not() {
        let reply = [0, 128, 0, 0, 0, 0, 0, 9, 5, 5, 5, 5];
        assert!(is_natpmp_reply(&NATPMP_QUESTION, &reply));
        assert_eq!(natpmp_answer(&reply), Ok((0, Some(Ipv4Addr::new(5, 5, 5, 5)))));
        // miniupnpd behind 100.64.0.0/10.
        let reply = [0, 128, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0];
        assert_eq!(natpmp_answer(&reply), Ok((3, None)));
        let reply = [0, 128, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
        assert_eq!(natpmp_answer(&reply), Ok((0, None)));
        assert!(natpmp_answer(&reply[..11]).is_err());
        assert!(!is_natpmp_reply(&NATPMP_QUESTION, &[0, 129, 0, 0]));
        assert!(!is_natpmp_reply(&NATPMP_QUESTION, &[2, 128, 0, 1]));
    }

    #[test]
    fn announce_is_the_bare_header() {
        let asked = announce(OWN);
        let mut want = vec![2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        want.extend([192, 168, 77, 2]);
        assert_eq!(asked, want);
        let mut reply = vec![2, 0x80, 0, 12];
        reply.resize(HEAD, 0);
        assert!(is_pcp_reply(&asked, &reply));
        assert_eq!(pcp_result(&reply), Ok(12));
        assert_eq!(result_name(12), Some("ADDRESS_MISMATCH"));
        assert!(!is_pcp_reply(&asked, &reply[..HEAD - 1]));
        assert!(!is_pcp_reply(&asked, &mapped(0)), "another opcode");
        // A server of NAT-PMP alone (RFC 6886 3.5).
        let old = [0, 128, 0, 1, 0, 0, 0, 9];
        assert!(is_pcp_reply(&asked, &old));
        assert_eq!(pcp_result(&old), Err("it speaks NAT-PMP, not PCP".into()));
    }

    #[test]
    fn a_mapping_and_its_end() {
        let asked = MAPPING.request(120);
        assert_eq!(asked.len(), 60);
        assert_eq!(asked[..8], [2, 1, 0, 0, 0, 0, 0, 120]);
        assert_eq!(asked[36..44], [17, 0, 0, 0, 0xc0, 1, 0, 0]);
        let end = MAPPING.request(0);
        assert_eq!((&end[4..8], &end[8..]), (&[0; 4][..], &asked[8..]));
        assert!(is_pcp_reply(&asked, &mapped(0)));
        assert_eq!(map_answer(&mapped(0)), Ok((0, Some("5.5.5.5".parse().unwrap()))));
        // miniupnpd behind 100.64.0.0/10: no address, whatever the field holds.
        assert_eq!(map_answer(&mapped(8)), Ok((8, None)));
        assert!(is_pcp_reply(&asked, &mapped(8)[..HEAD]));
        let mut other = mapped(0);
        other[30] ^= 1;
        assert!(!is_pcp_reply(&asked, &other), "somebody else's nonce");
        assert!(map_answer(&mapped(0)[..40]).is_err());
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let asked = MAPPING.request(120);
        let mut seed = 5u64;
        for _ in 0..50_000 {
            let mut bytes = mapped(0);
            for _ in 0..3 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 24) as u8;
            }
            bytes.truncate((seed >> 40) as usize % (bytes.len() + 1));
            let _ = (is_pcp_reply(&asked, &bytes), map_answer(&bytes), natpmp_answer(&bytes));
            let _ = (is_natpmp_reply(&asked, &bytes), pcp_result(&bytes));
        }
    }
}
