//! DNS questions for addresses and what the answers say (RFC 1035, RFC 3596). No sockets.
//! Encoding is the `domain` crate's.

use crate::model::name::Family;
use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name};
use domain::rdata::{A, Aaaa};
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
    if reply.header().tc() {
        return Some(Answer::Truncated);
    }
    match reply.header().rcode() {
        Rcode::NOERROR => {}
        Rcode::NXDOMAIN => return Some(Answer::NoSuchName),
        rcode => return Some(Answer::Failed(rcode.to_string())),
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
        }
    }

    #[test]
    fn no_name_no_question() {
        assert_eq!(question(&"x".repeat(64), Family::Ipv4, 1), None);
    }
}
