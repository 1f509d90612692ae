//! DNS questions about a name and its zone, and every record that an answer brings with it
//! (RFC 1035, RFC 6891). No sockets. Questions that only want an address are `dns`'s.

use super::dns;
use crate::model::name::Family;
use std::net::IpAddr;

/// Aliases that are followed; a chain that goes on is a circle, or as good as one.
pub const MOST_ALIASES: usize = 8;

/// Bytes of a name as text, and jumps inside of one: more than any has that is meant well.
const LONGEST: usize = 255;
const MOST_JUMPS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Address(Family),
    NameServers,
}

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// What one answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Cut to fit UDP: the rest is there by TCP.
    pub cut: bool,
    /// The server speaks for the zone.
    pub authoritative: bool,
    /// 0 and 3 (NXDOMAIN) are answers; with others (RFC 1035 4.1.1) it could not, or would not.
    pub rcode: u8,
    /// Names in lower case without the last dot; one more than [`MOST_ALIASES`] if they go on.
    pub aliases: Vec<String>,
    /// At the end of the aliases; sorted.
    pub addresses: Vec<IpAddr>,
    /// Of the name itself.
    pub servers: Vec<String>,
    /// Seconds, the shortest of those that count.
    pub ttl: Option<u32>,
}

/// Asks for no more than 1232 bytes by UDP: what passes everywhere in one piece. `recursive`: for
/// a resolver. `None`: that is no domain name.
pub fn question(name: &str, kind: Kind, id: u16, recursive: bool) -> Option<Vec<u8>> {
    let family = match kind {
        Kind::Address(family) => family,
        Kind::NameServers => Family::Ipv4,
    };
    let mut message = dns::question(name, family, id)?;
    if kind == Kind::NameServers {
        // The low byte of its type, which is followed by the class.
        let at = message.len().checked_sub(3)?;
        *message.get_mut(at)? = NS as u8;
    }
    if !recursive {
        *message.get_mut(2)? &= !1;
    }
    // One additional record: OPT at the root, its class the size, no flags and no options.
    *message.get_mut(11)? = 1;
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    Some(message)
}

/// One record of an answer, and where the next one begins.
struct Record<'r> {
    owner: String,
    rtype: u16,
    ttl: u32,
    data: &'r [u8],
    /// Where `data` is in the message, for names in it.
    at: usize,
}

fn record(reply: &[u8], at: usize) -> Option<Record<'_>> {
    let (owner, at) = name(reply, at)?;
    let [t1, t2, _, class, a, b, c, d, l1, l2] = *reply.get(at..)?.first_chunk()?;
    let at = at + 10;
    let data = reply.get(at..at + usize::from(u16::from_be_bytes([l1, l2])))?;
    // Another class than IN has nothing to say.
    let rtype = if class == 1 { u16::from_be_bytes([t1, t2]) } else { 0 };
    Some(Record { owner, rtype, ttl: u32::from_be_bytes([a, b, c, d]), data, at })
}

/// The name at this place, and where it ends. What is no plain letter becomes a question mark.
fn name(reply: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut text, mut end) = (String::new(), None);
    let mut jumps = 0;
    loop {
        let len = usize::from(*reply.get(at)?);
        match len {
            0 => return Some((text, end.unwrap_or(at + 1))),
            1..64 => {
                if !text.is_empty() {
                    text.push('.');
                }
                for byte in reply.get(at + 1..at + 1 + len)? {
                    let plain = byte.is_ascii_graphic() && *byte != b'.';
                    text.push(if plain { byte.to_ascii_lowercase() as char } else { '?' });
                }
                at += 1 + len;
            }
            192.. => {
                end = end.or(Some(at + 2));
                at = ((len & 63) << 8) | usize::from(*reply.get(at + 1)?);
                jumps += 1;
            }
            _ => return None,
        }
        if jumps > MOST_JUMPS || text.len() > LONGEST {
            return None;
        }
    }
}

/// Reads an answer to `question`; `None` if it is not one, or broken.
pub fn records(question: &[u8], reply: &[u8]) -> Option<Records> {
    if !dns::is_reply(question, reply) {
        return None;
    }
    let [_, _, first, second, _, _, high, low] = *reply.first_chunk()?;
    let mut told = Records {
        cut: first & 2 != 0,
        authoritative: first & 4 != 0,
        rcode: second & 15,
        ..Records::default()
    };
    let (mut at, end) = name(reply, 12)?;
    let mut next = end + 4;
    let mut all = Vec::new();
    for _ in 0..u16::from_be_bytes([high, low]) {
        match record(reply, next) {
            Some(record) => {
                next = record.at + record.data.len();
                all.push(record);
            }
            // What comes after a cut is nobody's.
            None if told.cut => break,
            None => return None,
        }
    }
    while told.aliases.len() <= MOST_ALIASES {
        let is = |record: &&Record| record.rtype == CNAME && record.owner == at;
        let Some(alias) = all.iter().find(is) else { break };
        at = name(reply, alias.at)?.0;
        told.aliases.push(at.clone());
        told.ttl = Some(told.ttl.map_or(alias.ttl, |least| least.min(alias.ttl)));
    }
    for record in all.iter().filter(|record| record.owner == at) {
        let ip = match record.rtype {
            A => IpAddr::from(<[u8; 4]>::try_from(record.data).ok()?),
            AAAA => IpAddr::from(<[u8; 16]>::try_from(record.data).ok()?),
            NS if told.aliases.is_empty() => {
                told.servers.push(name(reply, record.at)?.0);
                continue;
            }
            _ => continue,
        };
        // Sorted as they come: there are few.
        if let Err(at) = told.addresses.binary_search(&ip) {
            told.addresses.insert(at, ip);
        }
        told.ttl = Some(told.ttl.map_or(record.ttl, |least| least.min(record.ttl)));
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Kind = Kind::Address(Family::Ipv4);

    fn ask(kind: Kind) -> Vec<u8> {
        question("nas.example.net", kind, 0x1234, true).unwrap()
    }

    /// A name at the start of a message's 13th byte, then anything: the question answered with
    /// these records, each owner and data as wire text.
    fn reply(kind: Kind, flags: [u8; 2], answers: &[(&str, u16, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = ask(kind);
        // Without our OPT.
        bytes.truncate(bytes.len() - 11);
        bytes[11] = 0;
        bytes[2] |= flags[0];
        bytes[3] |= flags[1];
        bytes[7] = answers.len() as u8;
        for (owner, rtype, ttl, data) in answers {
            bytes.extend(wire(owner));
            bytes.extend(rtype.to_be_bytes());
            bytes.extend([0, 1]);
            bytes.extend(ttl.to_be_bytes());
            bytes.extend((data.len() as u16).to_be_bytes());
            bytes.extend(*data);
        }
        bytes
    }

    fn wire(name: &str) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        for label in name.split('.') {
            out.push(label.len() as u8);
            out.extend(label.as_bytes());
        }
        out.push(0);
        out
    }

    #[test]
    fn the_question_allows_1232_bytes_and_says_who_it_is_for() {
        let (resolver, server) = (ask(V4), question("nas.example.net", V4, 1, false).unwrap());
        assert_eq!((resolver[2] & 1, server[2] & 1), (1, 0));
        assert_eq!(resolver[resolver.len() - 11..], [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        assert!(
            domain::base::Message::from_octets(&resolver[..])
                .unwrap()
                .opt()
                .unwrap()
                .udp_payload_size()
                == 1232
        );
        assert_eq!(question(&"x".repeat(64), V4, 1, true), None);
        assert!(question("*.example.net", V4, 1, true).is_some());
    }

    #[test]
    fn through_aliases_in_any_order() {
        let one = [203, 0, 113, 9];
        let records = reply(
            V4,
            [0x84, 0],
            &[
                ("y.test", 1, 30, &one),
                ("X.example.net", 5, 600, &wire("y.test")),
                ("NAS.example.net", 5, 300, &wire("x.Example.net")),
                ("else.test", 1, 5, &[192, 0, 2, 1]),
            ],
        );
        let told = super::records(&ask(V4), &records).unwrap();
        assert_eq!(told.aliases, ["x.example.net", "y.test"]);
        assert_eq!(told.addresses, [IpAddr::from(one)]);
        assert_eq!((told.ttl, told.authoritative, told.cut), (Some(30), true, false));
    }

    #[test]
    fn a_circle_ends() {
        let loops = [
            ("nas.example.net", 5, 60, &wire("b.test")[..]),
            ("b.test", 5, 60, &wire("nas.example.net")),
        ];
        for rcode in [0, 2] {
            let told = records(&ask(V4), &reply(V4, [0x80, rcode], &loops)).unwrap();
            assert_eq!((told.aliases.len(), told.addresses.len()), (MOST_ALIASES + 1, 0));
        }
    }

    #[test]
    fn name_servers_of_the_name_itself() {
        let kind = Kind::NameServers;
        let servers = [
            ("nas.example.net", 2, 60, &wire("ns2.test")[..]),
            ("nas.example.net", 2, 60, &wire("NS1.test")),
            ("other.net", 2, 60, &wire("ns3.test")),
        ];
        let told = records(&ask(kind), &reply(kind, [0x80, 0], &servers)).unwrap();
        assert_eq!(told.servers, ["ns2.test", "ns1.test"]);
        let alias =
            [("nas.example.net", 5, 60, &wire("b.test")[..]), ("b.test", 2, 60, &wire("ns.test"))];
        let told = records(&ask(kind), &reply(kind, [0x80, 0], &alias)).unwrap();
        assert!(told.servers.is_empty(), "those of another zone");
    }

    #[test]
    fn what_went_wrong() {
        let told = |flags: [u8; 2]| records(&ask(V4), &reply(V4, flags, &[])).unwrap();
        assert_eq!((told([0x80, 3]).rcode, told([0x80, 5]).rcode), (3, 5));
        assert!(told([0x82, 0]).cut && told([0x80, 0]).addresses.is_empty());
        // A question, another id, a record whose length lies.
        assert_eq!(records(&ask(V4), &ask(V4)), None);
        let mut other = reply(V4, [0x80, 0], &[]);
        other[1] ^= 1;
        assert_eq!(records(&ask(V4), &other), None);
        let short = reply(V4, [0x80, 0], &[("nas.example.net", 1, 60, &[1, 2, 3])]);
        assert_eq!(records(&ask(V4), &short), None);
        let cut = reply(V4, [0x82, 0], &[("nas.example.net", 1, 60, &[1, 2, 3, 4])]);
        assert!(records(&ask(V4), &cut[..cut.len() - 2]).unwrap().cut);
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let whole = reply(
            V4,
            [0x84, 0],
            &[
                ("nas.example.net", 5, 60, &[0xc0, 12]),
                ("\u{1b}[2J.<script>", 1, 60, &[203, 0, 113, 9]),
                ("nas.example.net", 2, 60, &[0xc0, 20]),
            ],
        );
        assert!(records(&ask(V4), &whole).is_some());
        let mut seed = 11u64;
        for _ in 0..50_000 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 24) as u8;
            }
            bytes.truncate((seed >> 40) as usize % (bytes.len() + 1));
            if let Some(told) = records(&ask(V4), &bytes) {
                assert!(told.aliases.len() <= MOST_ALIASES + 1);
                let words = told.aliases.iter().chain(&told.servers);
                assert!(words.flat_map(|word| word.chars()).all(|c| !c.is_control()));
            }
        }
    }
}
