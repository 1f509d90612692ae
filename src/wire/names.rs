//! DNS questions about a name and its zone, and every record that an answer brings with it
//! (RFC 1035, RFC 6891). No sockets. Questions that only want an address are `dns`'s.

use super::dns::rtype;
use crate::model::name::Family;
use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::{A, Aaaa, Cname, Ns};
use std::net::IpAddr;
use std::str::FromStr;

/// Largest answer by UDP that is asked for: what passes everywhere in one piece.
const LARGEST: [u8; 2] = 1232u16.to_be_bytes();

/// Aliases that are followed; a chain that goes on is a circle, or as good as one.
pub const MOST_ALIASES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Address(Family),
    NameServers,
}

/// What one answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Cut to fit UDP: the rest is there by TCP.
    pub cut: bool,
    /// The server speaks for the zone.
    pub authoritative: bool,
    /// It could not or would not: SERVFAIL, REFUSED, ...
    pub failed: Option<String>,
    pub no_such_name: bool,
    /// Names in lower case without the last dot; one more than [`MOST_ALIASES`] if they go on.
    pub aliases: Vec<String>,
    /// At the end of the aliases; sorted.
    pub addresses: Vec<IpAddr>,
    /// Of the name itself; sorted.
    pub servers: Vec<String>,
    /// Seconds, the shortest of those that count.
    pub ttl: Option<u32>,
}

/// `recursive`: for a resolver. `None`: that is no domain name.
pub fn question(name: &str, kind: Kind, id: u16, recursive: bool) -> Option<Vec<u8>> {
    let name = Name::<Vec<u8>>::from_str(name).ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(recursive);
    let mut question = builder.question();
    let rtype = match kind {
        Kind::Address(family) => rtype(family),
        Kind::NameServers => Rtype::NS,
    };
    question.push((name, rtype, Class::IN)).ok()?;
    let mut message = question.finish();
    // One additional record: OPT at the root, its class the size, no flags and no options.
    *message.get_mut(11)? = 1;
    message.extend([0, 0, 41]);
    message.extend(LARGEST);
    message.extend([0; 6]);
    Some(message)
}

enum Data {
    Ip(IpAddr),
    Alias(String),
    Server(String),
}

/// Reads an answer to `question`; `None` if it is not one, or broken.
pub fn records(question: &[u8], reply: &[u8]) -> Option<Records> {
    let asked = Message::from_slice(question).ok()?;
    let reply = Message::from_slice(reply).ok()?;
    if !reply.is_answer(asked) {
        return None;
    }
    let header = reply.header();
    let mut told = Records {
        cut: header.tc(),
        authoritative: header.aa(),
        no_such_name: header.rcode() == Rcode::NXDOMAIN,
        ..Records::default()
    };
    if !matches!(header.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) {
        told.failed = Some(header.rcode().to_string());
        return Some(told);
    }
    let mut all = Vec::new();
    for record in reply.answer().ok()? {
        // What comes after a cut is nobody's.
        let record = match record {
            Err(_) if told.cut => break,
            record => record.ok()?,
        };
        let data = match record.rtype() {
            Rtype::A => Data::Ip(record.to_record::<A>().ok()??.data().addr().into()),
            Rtype::AAAA => Data::Ip(record.to_record::<Aaaa>().ok()??.data().addr().into()),
            Rtype::CNAME => Data::Alias(text(record.to_record::<Cname<_>>().ok()??.data().cname())),
            Rtype::NS => Data::Server(text(record.to_record::<Ns<_>>().ok()??.data().nsdname())),
            _ => continue,
        };
        all.push((text(&record.owner()), record.ttl().as_secs(), data));
    }
    let mut at = text(asked.sole_question().ok()?.qname());
    while told.aliases.len() <= MOST_ALIASES {
        let next = all.iter().find_map(|(owner, ttl, data)| match data {
            Data::Alias(to) if *owner == at => Some((to.clone(), *ttl)),
            _ => None,
        });
        let Some((to, ttl)) = next else { break };
        told.seen(ttl);
        told.aliases.push(to.clone());
        at = to;
    }
    for (owner, ttl, data) in all {
        match data {
            Data::Ip(ip) if owner == at => told.addresses.push(ip),
            Data::Server(name) if owner == at && told.aliases.is_empty() => told.servers.push(name),
            _ => continue,
        }
        told.seen(ttl);
    }
    told.addresses.sort_unstable();
    told.addresses.dedup();
    told.servers.sort_unstable();
    Some(told)
}

impl Records {
    fn seen(&mut self, ttl: u32) {
        self.ttl = Some(self.ttl.map_or(ttl, |least| least.min(ttl)));
    }
}

fn text(name: &dyn std::fmt::Display) -> String {
    let text = name.to_string();
    text.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Kind = Kind::Address(Family::Ipv4);

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
        let (resolver, server) = (ask(A), question("nas.example.net", A, 1, false).unwrap());
        assert_eq!((resolver[2] & 1, server[2] & 1), (1, 0));
        assert_eq!(resolver[resolver.len() - 11..], [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        assert!(
            Message::from_octets(&resolver[..]).unwrap().opt().unwrap().udp_payload_size() == 1232
        );
        assert_eq!(question(&"x".repeat(64), A, 1, true), None);
        assert!(question("*.example.net", A, 1, true).is_some());
    }

    #[test]
    fn through_aliases_in_any_order() {
        let one = [203, 0, 113, 9];
        let records = reply(
            A,
            [0x84, 0],
            &[
                ("y.test", 1, 30, &one),
                ("X.example.net", 5, 600, &wire("y.test")),
                ("NAS.example.net", 5, 300, &wire("x.Example.net")),
                ("else.test", 1, 5, &[192, 0, 2, 1]),
            ],
        );
        let told = super::records(&ask(A), &records).unwrap();
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
        let told = records(&ask(A), &reply(A, [0x80, 0], &loops)).unwrap();
        assert_eq!((told.aliases.len(), told.addresses.len()), (MOST_ALIASES + 1, 0));
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
        assert_eq!(told.servers, ["ns1.test", "ns2.test"]);
        let alias =
            [("nas.example.net", 5, 60, &wire("b.test")[..]), ("b.test", 2, 60, &wire("ns.test"))];
        let told = records(&ask(kind), &reply(kind, [0x80, 0], &alias)).unwrap();
        assert!(told.servers.is_empty(), "those of another zone");
    }

    #[test]
    fn what_went_wrong() {
        let told = |flags: [u8; 2]| records(&ask(A), &reply(A, flags, &[])).unwrap();
        assert!(told([0x80, 3]).no_such_name);
        assert_eq!(told([0x80, 5]).failed.as_deref(), Some("REFUSED"));
        assert!(told([0x82, 0]).cut && told([0x80, 0]).addresses.is_empty());
        // A question, another id, a record whose length lies.
        assert_eq!(records(&ask(A), &ask(A)), None);
        let mut other = reply(A, [0x80, 0], &[]);
        other[1] ^= 1;
        assert_eq!(records(&ask(A), &other), None);
        let short = reply(A, [0x80, 0], &[("nas.example.net", 1, 60, &[1, 2, 3])]);
        assert_eq!(records(&ask(A), &short), None);
        let cut = reply(A, [0x82, 0], &[("nas.example.net", 1, 60, &[1, 2, 3, 4])]);
        assert!(records(&ask(A), &cut[..cut.len() - 2]).unwrap().cut);
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let whole = reply(
            A,
            [0x84, 0],
            &[
                ("nas.example.net", 5, 60, &[0xc0, 12]),
                ("\u{1b}[2J.<script>", 1, 60, &[203, 0, 113, 9]),
                ("nas.example.net", 2, 60, &[0xc0, 20]),
            ],
        );
        assert!(records(&ask(A), &whole).is_some());
        let mut seed = 11u64;
        for _ in 0..50_000 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 24) as u8;
            }
            bytes.truncate((seed >> 40) as usize % (bytes.len() + 1));
            if let Some(told) = records(&ask(A), &bytes) {
                assert!(told.aliases.len() <= MOST_ALIASES + 1);
                let words = told.aliases.iter().chain(&told.servers);
                assert!(words.flat_map(|word| word.chars()).all(|c| !c.is_control()));
            }
        }
    }
}
