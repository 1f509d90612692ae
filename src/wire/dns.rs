//! DNS questions for addresses and what the answers say (RFC 1035, RFC 3596). No sockets.
//! Encoding is the `domain` crate's.

use crate::model::name::Family;
use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Header, Message, MessageBuilder, Name};
use domain::rdata::{A, Aaaa, Txt};
use std::net::IpAddr;
use std::str::FromStr;

/// What one answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The addresses of the name, through CNAMEs; empty: it has none of this family.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoSuchName,
    /// Cut to fit UDP: ask again by TCP.
    Truncated,
    /// The server could not or would not (SERVFAIL, REFUSED, ...): ask another one.
    Failed(String),
}

/// A recursive question for the addresses of `host`; `None` if that is no domain name.
pub fn question(host: &str, family: Family, id: u16) -> Option<Vec<u8>> {
    let name = Name::<Vec<u8>>::from_str(host).ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    question.push((name, rtype(family), Class::IN)).ok()?;
    Some(question.finish())
}

/// Reads an answer to `question`; `None` if it is not one: another id, another question, not DNS.
pub fn answer(question: &[u8], reply: &[u8], family: Family) -> Option<Answer> {
    let asked = Message::from_slice(question).ok()?;
    let reply = Message::from_slice(reply).ok()?;
    if !reply.is_answer(asked) {
        return None;
    }
    addresses(reply, family)
}

/// Truncated, no such name, or failed; `None`: there may be something in it.
fn failure(header: Header) -> Option<Answer> {
    if header.tc() {
        return Some(Answer::Truncated);
    }
    match header.rcode() {
        Rcode::NOERROR => None,
        Rcode::NXDOMAIN => Some(Answer::NoSuchName),
        rcode => Some(Answer::Failed(rcode.to_string())),
    }
}

fn addresses(reply: &Message<[u8]>, family: Family) -> Option<Answer> {
    if let Some(failed) = failure(reply.header()) {
        return Some(failed);
    }
    let answers = reply.answer().ok()?;
    let mut found = Vec::new();
    // A resolver puts the CNAME chain and the addresses at its end into one answer; their owner
    // is the last alias, so names are not compared.
    match family {
        Family::Ipv4 => {
            for record in answers.limit_to_in::<A>() {
                found.push(record.ok()?.data().addr().into());
            }
        }
        Family::Ipv6 => {
            for record in answers.limit_to_in::<Aaaa>() {
                found.push(record.ok()?.data().addr().into());
            }
        }
    }
    Some(Answer::Addresses(found))
}

/// What a server may be asked that answers with the asker's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Address(Family),
    Text,
    /// TXT of class CHAOS: about the server itself.
    ChaosText,
}

/// A question to one server for a name that tells who asks; `None` if that is no domain name.
/// Recursion is desired, as by everybody else: resolvers that tell (OpenDNS) expect it.
pub fn whoami(name: &str, kind: Kind, id: u16) -> Option<Vec<u8>> {
    let name = Name::<Vec<u8>>::from_str(name).ok()?;
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    let mut question = builder.question();
    let (rtype, class) = match kind {
        Kind::Address(family) => (rtype(family), Class::IN),
        Kind::Text => (Rtype::TXT, Class::IN),
        Kind::ChaosText => (Rtype::TXT, Class::CH),
    };
    question.push((name, rtype, class)).ok()?;
    Some(question.finish())
}

/// Whether the bytes answer that question: its id, its name, the bit of an answer.
pub fn is_reply(question: &[u8], reply: &[u8]) -> bool {
    match (Message::from_octets(question), Message::from_octets(reply)) {
        (Ok(question), Ok(reply)) => reply.is_answer(&question),
        _ => false,
    }
}

/// The records of an answer that [`is_reply`] has passed, one a line: addresses as they are
/// written, texts with their parts joined.
pub fn told(reply: &[u8], kind: Kind) -> Result<String, String> {
    let broken = || "its answer could not be read as DNS".to_string();
    let reply = Message::from_slice(reply).map_err(|_| broken())?;
    if let Kind::Address(family) = kind {
        return match addresses(reply, family).ok_or_else(broken)? {
            Answer::Addresses(found) => Ok(found.iter().map(|ip| format!("{ip}\n")).collect()),
            other => Err(refusal(&other)),
        };
    }
    if let Some(failed) = failure(reply.header()) {
        return Err(refusal(&failed));
    }
    let class = if kind == Kind::Text { Class::IN } else { Class::CH };
    let mut text = String::new();
    for record in reply.answer().map_err(|_| broken())?.limit_to::<Txt<_>>() {
        let record = record.map_err(|_| broken())?;
        if record.class() == class {
            for part in record.data().iter() {
                text.push_str(&String::from_utf8_lossy(part));
            }
            text.push('\n');
        }
    }
    Ok(text)
}

fn refusal(answer: &Answer) -> String {
    match answer {
        Answer::NoSuchName => "it says that there is no such name".into(),
        Answer::Truncated => "its answer is cut off".into(),
        Answer::Failed(why) => format!("it says {why}"),
        Answer::Addresses(_) => "it has no answer".into(),
    }
}

fn rtype(family: Family) -> Rtype {
    match family {
        Family::Ipv4 => Rtype::A,
        Family::Ipv6 => Rtype::AAAA,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> Vec<u8> {
        question("api.example.org", Family::Ipv4, 0x1234).unwrap()
    }

    /// The question, sent back with a CNAME and two addresses.
    fn reply(rcode: u8) -> Vec<u8> {
        let mut bytes = ask();
        bytes[2] |= 0x80;
        bytes[3] |= rcode;
        bytes[7] = 3;
        bytes.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, b'x', 0xc0, 16]);
        for last in [9, 10] {
            bytes.extend([1, b'x', 0xc0, 16, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, last]);
        }
        bytes
    }

    #[test]
    fn addresses_behind_an_alias() {
        let found = ["203.0.113.9", "203.0.113.10"].map(|ip| ip.parse().unwrap()).to_vec();
        assert_eq!(answer(&ask(), &reply(0), Family::Ipv4), Some(Answer::Addresses(found)));
    }

    #[test]
    fn errors_are_told_apart() {
        assert_eq!(answer(&ask(), &reply(3), Family::Ipv4), Some(Answer::NoSuchName));
        assert!(matches!(answer(&ask(), &reply(2), Family::Ipv4), Some(Answer::Failed(_))));
        let mut cut = reply(0);
        cut[2] |= 2;
        assert_eq!(answer(&ask(), &cut, Family::Ipv4), Some(Answer::Truncated));
    }

    #[test]
    fn what_answers_something_else_is_no_answer() {
        let mut other = reply(0);
        other[1] ^= 1;
        assert_eq!(answer(&ask(), &other, Family::Ipv4), None);
        assert_eq!(answer(&ask(), &ask(), Family::Ipv4), None, "a question is no answer");
        let other = question("api.example.net", Family::Ipv4, 0x1234).unwrap();
        assert_eq!(answer(&other, &reply(0), Family::Ipv4), None);
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let mut seed = 7u64;
        for _ in 0..50_000 {
            let mut bytes = reply(0);
            for _ in 0..3 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 24) as u8;
            }
            bytes.truncate((seed >> 40) as usize % (bytes.len() + 1));
            let _ = answer(&ask(), &bytes, Family::Ipv4);
            for kind in [Kind::Text, Kind::ChaosText, Kind::Address(Family::Ipv6)] {
                let _ = (is_reply(&ask(), &bytes), told(&bytes, kind));
            }
        }
    }

    /// The answer of an authoritative server to a question of ours: these TXT strings.
    fn texts(kind: Kind, class: u8, records: &[&[&str]]) -> (Vec<u8>, Vec<u8>) {
        let asked = whoami("whoami.cloudflare", kind, 0x1234).unwrap();
        let mut reply = asked.clone();
        reply[2] |= 0x84;
        reply[7] = records.len() as u8;
        for strings in records {
            let data: Vec<u8> = strings
                .iter()
                .flat_map(|text| [&[text.len() as u8], text.as_bytes()].concat())
                .collect();
            reply.extend([0xc0, 12, 0, 16, 0, class, 0, 0, 0, 0, 0, data.len() as u8]);
            reply.extend(data);
        }
        (asked, reply)
    }

    #[test]
    fn who_asked_as_text() {
        let (asked, reply) = texts(Kind::ChaosText, 3, &[&["203.0.113.9"]]);
        assert_eq!(asked[asked.len() - 4..], [0, 16, 0, 3]);
        assert!(is_reply(&asked, &reply));
        assert_eq!(told(&reply, Kind::ChaosText).as_deref(), Ok("203.0.113.9\n"));
        assert_eq!(told(&reply, Kind::Text).as_deref(), Ok(""), "another class");
        let (_, reply) =
            texts(Kind::Text, 1, &[&["203.0.", "113.9"], &["edns0-client-subnet 203.0.113.0/24"]]);
        let want = "203.0.113.9\nedns0-client-subnet 203.0.113.0/24\n";
        assert_eq!(told(&reply, Kind::Text).as_deref(), Ok(want));
        assert!(!is_reply(&asked, &reply), "another class was asked");
        let (_, mut refused) = texts(Kind::Text, 1, &[]);
        refused[3] |= 5;
        assert_eq!(told(&refused, Kind::Text), Err("it says REFUSED".into()));
    }

    #[test]
    fn who_asked_as_address() {
        let kind = Kind::Address(Family::Ipv4);
        let asked = whoami("api.example.org", kind, 0x1234).unwrap();
        assert_eq!(asked, ask());
        assert!(is_reply(&asked, &reply(0)));
        assert_eq!(told(&reply(0), kind).as_deref(), Ok("203.0.113.9\n203.0.113.10\n"));
        assert_eq!(told(&reply(3), kind), Err("it says that there is no such name".into()));
    }

    #[test]
    fn no_name_no_question() {
        assert_eq!(question(&"x".repeat(64), Family::Ipv4, 1), None);
    }
}
