//! DNS messages for a server that takes updates: UPDATE (RFC 2136) and the query that reads a
//! record first, both signed with TSIG (RFC 8945) where there is a key; and their replies.
//!
//! Bytes alone: ids and the time come from outside, sending is left to the caller, and so is
//! what a reply means for the owner. Encoding and signatures are the `domain` crate's.

use crate::model::name::Family;
use domain::base::iana::{Class, Opcode, Rcode, Rtype, TsigRcode};
use domain::base::message_builder::AdditionalBuilder;
use domain::base::rdata::UnknownRecordData;
use domain::base::{Message, MessageBuilder, Name, ParsedName, ToName};
use domain::rdata::tsig::{Time48, Tsig};
use domain::rdata::{A, Aaaa};
use domain::tsig::{Algorithm, ClientTransaction, KeyName, ValidationError};
use domain::utils::base64;
use ring::hmac;
use std::net::IpAddr;
use std::str::FromStr;

/// Names of the algorithms a key may have, as in the config.
pub const ALGORITHMS: &[&str] = &["hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha1"];

/// A TSIG key.
pub struct Key {
    key: domain::tsig::Key,
    /// For the one signature that we check ourselves, see [`Request::bad_time_is_signed`].
    bare: hmac::Key,
    /// Name, class, TTL and algorithm as they go into the MAC (RFC 8945 4.3.3).
    variables: Vec<u8>,
}

impl Key {
    /// `name` as a domain name, `secret` in base64. The error is the option that is wrong.
    pub fn new(name: &str, algorithm: &str, secret: &str) -> Result<Key, &'static str> {
        let name = KeyName::from_str(name).map_err(|_| "key_name")?;
        let algorithm = Algorithm::from_str(algorithm).map_err(|_| "key_algorithm")?;
        let secret: Vec<u8> = base64::decode(secret.trim()).map_err(|_| "key_secret")?;
        if secret.is_empty() {
            return Err("key_secret");
        }
        let bare = match algorithm {
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha384 => hmac::HMAC_SHA384,
            Algorithm::Sha512 => hmac::HMAC_SHA512,
        };
        let mut variables = name.as_slice().to_ascii_lowercase();
        variables.extend([0, 255, 0, 0, 0, 0]);
        variables.extend(algorithm.to_name().as_slice());
        Ok(Key {
            bare: hmac::Key::new(bare, &secret),
            key: domain::tsig::Key::new(algorithm, &secret, name, None, None)
                .map_err(|_| "key_algorithm")?,
            variables,
        })
    }
}

/// The addresses one name shall have, all of one family.
pub struct Change<'a> {
    pub fqdn: &'a str,
    pub family: Family,
    /// Seconds.
    pub ttl: u32,
    pub addresses: &'a [IpAddr],
}

impl Change<'_> {
    /// An upper bound of what it adds to a message, bytes.
    pub fn size(&self) -> usize {
        (self.fqdn.len() + 2 + 10) * (2 + self.addresses.len()) + 16 * self.addresses.len()
    }
}

/// What to ask the server.
pub enum Ask<'a> {
    /// Put these sets in place of what is there, all or nothing (RFC 2136 3.4.2.7). Only where
    /// no name is a CNAME: a server would drop such an address without a word (3.4.2.2).
    Update { zone: &'a str, changes: &'a [Change<'a>] },
    /// Read the addresses of one name.
    Query { fqdn: &'a str, family: Family },
}

/// A message ready to be sent, and what is needed to check its reply.
pub struct Request<'k> {
    pub bytes: Vec<u8>,
    now: Time48,
    signed: Option<(&'k Key, ClientTransaction<&'k domain::tsig::Key>)>,
}

/// Who vouches for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// We hold no key: nobody was asked to.
    NoKey,
    /// It is signed with our key, for this very request.
    Signed,
    /// Nobody. Errors about the signature itself come this way.
    Unsigned,
    /// It has a signature that does not fit.
    Wrong,
}

/// What the server finds wrong with our signature (RFC 8945 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    BadKey,
    BadSig,
    /// Its clock and ours are too far apart; its own, seconds since 1970, if it says so.
    BadTime(Option<u64>),
    BadTrunc,
    Other(u16),
}

/// A reply to this request, as far as id, opcode and question tell.
#[derive(Debug)]
pub struct Reply {
    /// RFC 1035 4.1.1, RFC 2136 2.2.
    pub rcode: u8,
    pub truncated: bool,
    pub authoritative: bool,
    pub proof: Proof,
    pub fault: Option<Fault>,
    message: Message<Vec<u8>>,
}

/// Builds a message; `now` is seconds since 1970, for the signature. The error says which part
/// cannot be put into a message.
pub fn build<'k>(
    id: u16,
    ask: &Ask<'_>,
    key: Option<&'k Key>,
    now: u64,
) -> Result<Request<'k>, String> {
    let mut message = match ask {
        Ask::Update { zone, changes } => update(id, zone, changes)?,
        Ask::Query { fqdn, family } => query(id, fqdn, *family)?,
    };
    // 48 bits last until the year 8921556; a clock beyond that is as wrong as one before it.
    let now = Time48::from_u64(now & 0xFFFF_FFFF_FFFF);
    let signed = match key {
        None => None,
        Some(key) => Some((
            key,
            ClientTransaction::request(&key.key, &mut message, now).map_err(|_| TOO_LONG)?,
        )),
    };
    Ok(Request { bytes: message.finish(), now, signed })
}

const TOO_LONG: &str = "the message would be too long for DNS";

fn domain_name(text: &str) -> Result<Name<Vec<u8>>, String> {
    Name::from_str(text).map_err(|_| format!("'{text}' is not a domain name"))
}

fn update(
    id: u16,
    zone: &str,
    changes: &[Change<'_>],
) -> Result<AdditionalBuilder<Vec<u8>>, String> {
    let mut builder = MessageBuilder::new_vec();
    builder.set_push_limit(usize::from(u16::MAX));
    builder.header_mut().set_id(id);
    builder.header_mut().set_opcode(Opcode::UPDATE);
    let mut zone_section = builder.question();
    zone_section.push((domain_name(zone)?, Rtype::SOA, Class::IN)).map_err(|_| TOO_LONG)?;
    let nothing = |rtype| UnknownRecordData::from_octets(rtype, &[][..]).map_err(|_| TOO_LONG);

    let mut prerequisites = zone_section.answer();
    let mut last = "";
    for change in changes {
        if change.fqdn != last {
            let owner = domain_name(change.fqdn)?;
            let none = (owner, Class::NONE, 0, nothing(Rtype::CNAME)?);
            prerequisites.push(none).map_err(|_| TOO_LONG)?;
            last = change.fqdn;
        }
    }

    let mut updates = prerequisites.authority();
    for change in changes {
        let owner = domain_name(change.fqdn)?;
        let all = (&owner, Class::ANY, 0, nothing(rtype(change.family))?);
        updates.push(all).map_err(|_| TOO_LONG)?;
        for address in change.addresses {
            match address {
                IpAddr::V4(ip) => updates.push((&owner, Class::IN, change.ttl, A::from(*ip))),
                IpAddr::V6(ip) => updates.push((&owner, Class::IN, change.ttl, Aaaa::from(*ip))),
            }
            .map_err(|_| TOO_LONG)?;
        }
    }
    Ok(updates.additional())
}

fn query(id: u16, fqdn: &str, family: Family) -> Result<AdditionalBuilder<Vec<u8>>, String> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    let mut question = builder.question();
    question.push((domain_name(fqdn)?, rtype(family), Class::IN)).map_err(|_| TOO_LONG)?;
    Ok(question.additional())
}

fn rtype(family: Family) -> Rtype {
    match family {
        Family::Ipv4 => Rtype::A,
        Family::Ipv6 => Rtype::AAAA,
    }
}

impl Request<'_> {
    /// Reads a reply. An error: these bytes are no reply to this request.
    pub fn read(&self, reply: Vec<u8>) -> Result<Reply, &'static str> {
        const NO_REPLY: &str = "an answer that does not fit the request";
        let mut message = Message::from_octets(reply).map_err(|_| "an answer that is not DNS")?;
        let sent = Message::from_slice(&self.bytes).map_err(|_| NO_REPLY)?;
        let (header, asked) = (message.header(), sent.header());
        if header.id() != asked.id() || !header.qr() || header.opcode() != asked.opcode() {
            return Err(NO_REPLY);
        }
        // Errors and answers to an UPDATE may come without the question.
        if message.header_counts().qdcount() > 0
            && message.for_slice().question() != sent.question()
        {
            return Err(NO_REPLY);
        }
        let fault = last_tsig(&message).and_then(|(tsig, _)| fault(&tsig));
        let proof = match &self.signed {
            None => Proof::NoKey,
            Some((key, transaction)) => match transaction.answer(&mut message, self.now) {
                Ok(()) => Proof::Signed,
                Err(ValidationError::ServerBadTime { .. }) => Proof::Signed,
                Err(ValidationError::BadSig) if self.bad_time_is_signed(key, &message) => {
                    Proof::Signed
                }
                Err(
                    ValidationError::ServerUnsigned
                    | ValidationError::ServerBadKey
                    | ValidationError::ServerBadSig,
                ) => Proof::Unsigned,
                Err(_) => Proof::Wrong,
            },
        };
        Ok(Reply {
            rcode: header.rcode().to_int(),
            truncated: header.tc(),
            authoritative: header.aa(),
            proof,
            fault,
            message,
        })
    }

    /// `domain` 0.12 puts eight bytes instead of six into the MAC of a BADTIME error, so it calls
    /// every right one wrong. The server's time is worth believing only if it is signed, so this
    /// one MAC (RFC 8945 4.3) is checked here.
    fn bad_time_is_signed(&self, key: &Key, message: &Message<Vec<u8>>) -> bool {
        let Some((tsig, start)) = last_tsig(message) else { return false };
        if tsig.error() != TsigRcode::BADTIME || tsig.other().len() != 6 {
            return false;
        }
        let bytes = message.as_slice();
        // Our own TSIG ends with MAC, id, error and an empty Other Data of two bytes each.
        let mac_end = self.bytes.len().saturating_sub(6);
        let mac_start = mac_end.saturating_sub(key.key.signing_len());
        let (Some(mac), Some(counts), Some(sections)) =
            (self.bytes.get(mac_start..mac_end), bytes.get(2..10), bytes.get(12..start))
        else {
            return false;
        };
        let mut context = hmac::Context::with_key(&key.bare);
        context.update(&(mac.len() as u16).to_be_bytes());
        context.update(mac);
        // The header as it was before the TSIG record came.
        context.update(&tsig.original_id().to_be_bytes());
        context.update(counts);
        context.update(&message.header_counts().arcount().saturating_sub(1).to_be_bytes());
        context.update(sections);
        context.update(&key.variables);
        context.update(&tsig.time_signed().into_octets());
        context.update(&tsig.fudge().to_be_bytes());
        context.update(&tsig.error().to_int().to_be_bytes());
        context.update(&[0, 6]);
        context.update(tsig.other());
        let good = context.sign();
        // No secret depends on how long this takes: the MAC is good for this one reply.
        good.as_ref() == *tsig.mac()
    }
}

/// What a message of ours asks for, in words, one line for each record.
pub fn describe(message: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let Ok(message) = Message::from_slice(message) else { return lines };
    for asked in message.question().flatten() {
        lines.push(format!("ask {} {}", asked.qname(), word(asked.qtype())));
    }
    for record in message.authority().into_iter().flatten().flatten() {
        let (owner, rtype) = (record.owner(), word(record.rtype()));
        if record.class() == Class::ANY {
            lines.push(format!("delete {owner} {rtype}, all of them"));
            continue;
        }
        let v4 = record.to_record::<A>().ok().flatten();
        let v6 = record.to_record::<Aaaa>().ok().flatten();
        let ip = v4.map(|record| IpAddr::V4(record.data().addr()));
        if let Some(ip) = ip.or(v6.map(|record| IpAddr::V6(record.data().addr()))) {
            lines.push(format!("add {owner} {rtype} {ip}, TTL {}", record.ttl().as_secs()));
        }
    }
    for record in message.additional().into_iter().flatten().flatten() {
        if record.rtype() == Rtype::TSIG {
            lines.push(format!("signed with key {}", record.owner()));
        }
    }
    lines
}

/// The types that our own messages are about. (Their names in `domain` are all there are, 1 KB.)
fn word(rtype: Rtype) -> &'static str {
    match rtype {
        Rtype::A => "A",
        Rtype::AAAA => "AAAA",
        Rtype::SOA => "SOA",
        _ => "records",
    }
}

impl Reply {
    /// The server says there is no such name.
    pub fn no_such_name(&self) -> bool {
        self.rcode == Rcode::NXDOMAIN.to_int()
    }

    /// Addresses of this name in the answer, with the set's smallest TTL. `None` if the answer
    /// cannot be read.
    pub fn addresses(&self, fqdn: &str, family: Family) -> Option<(Vec<IpAddr>, u32)> {
        let owner: Name<Vec<u8>> = Name::from_str(fqdn).ok()?;
        let (mut found, mut ttl) = (Vec::new(), u32::MAX);
        for record in self.message.for_slice().answer().ok()? {
            let record = record.ok()?;
            if record.class() != Class::IN
                || record.rtype() != rtype(family)
                || !record.owner().name_eq(&owner)
            {
                continue;
            }
            ttl = ttl.min(record.ttl().as_secs());
            found.push(match family {
                Family::Ipv4 => IpAddr::V4(record.to_record::<A>().ok()??.data().addr()),
                Family::Ipv6 => IpAddr::V6(record.to_record::<Aaaa>().ok()??.data().addr()),
            });
        }
        found.sort();
        Some((found, ttl))
    }
}

type TsigOf<'a> = Tsig<&'a [u8], ParsedName<&'a [u8]>>;

/// The TSIG record, if it is the last one, and where it starts.
fn last_tsig(message: &Message<Vec<u8>>) -> Option<(TsigOf<'_>, usize)> {
    let mut section = message.for_slice().additional().ok()?;
    loop {
        let start = section.pos();
        let record = section.next()?.ok()?;
        if record.rtype() == Rtype::TSIG {
            let tsig = record.into_record::<Tsig<_, _>>().ok()??.into_data();
            return if section.next().is_none() { Some((tsig, start)) } else { None };
        }
    }
}

fn fault(tsig: &TsigOf<'_>) -> Option<Fault> {
    Some(match tsig.error() {
        TsigRcode::NOERROR => return None,
        TsigRcode::BADSIG => Fault::BadSig,
        TsigRcode::BADKEY => Fault::BadKey,
        TsigRcode::BADTIME => Fault::BadTime(tsig.other_time().map(u64::from)),
        TsigRcode::BADTRUNC => Fault::BadTrunc,
        other => Fault::Other(other.to_int()),
    })
}

/// The other side, for tests: a server that holds one key.
#[cfg(test)]
pub(crate) mod lab {
    use super::*;
    use domain::tsig::ServerTransaction;

    /// Both clocks of a test start here: 2026-11-23 10:00:00 UTC.
    pub const NOW: u64 = 1_795_428_000;

    /// Of `lab-key`, hmac-sha256, base64.
    pub const SECRET: &str = "c2hhMjU2LXNlY3JldC1vZi10aGUtdGVzdC1sYWItMzI=";

    /// What a server that holds the key `lab-key` answers; signed if the request is and it shall be.
    pub fn answer(request: &[u8], rcode: Rcode, signed: bool) -> Vec<u8> {
        answer_with(request, rcode, signed, &[])
    }

    /// The same for a query that finds these addresses, with a TTL of 1234.
    pub fn answer_with(request: &[u8], rcode: Rcode, signed: bool, found: &[[u8; 4]]) -> Vec<u8> {
        let mut request = Message::from_octets(request.to_vec()).unwrap();
        let key = domain::tsig::Key::new(
            Algorithm::Sha256,
            b"sha256-secret-of-the-test-lab-32",
            KeyName::from_str("lab-key").unwrap(),
            None,
            None,
        )
        .unwrap();
        let now = Time48::from_u64(NOW);
        let transaction = ServerTransaction::request(&&key, &mut request, now).unwrap();
        let mut reply = MessageBuilder::new_vec().start_answer(&request, rcode).unwrap();
        reply.header_mut().set_aa(true);
        for ip in found {
            let owner = request.sole_question().unwrap().into_qname();
            reply.push((owner, 1234, A::from_octets(ip[0], ip[1], ip[2], ip[3]))).unwrap();
        }
        let mut reply = reply.additional();
        reply.header_mut().set_opcode(request.header().opcode());
        if let (Some(transaction), true) = (transaction, signed) {
            transaction.answer(&mut reply, now).unwrap();
        }
        reply.finish()
    }

    /// An unsigned error about the signature, as BIND and Knot send it; built by hand.
    pub fn complaint(sent: &[u8], error: u16, other: &[u8]) -> Vec<u8> {
        let mut reply = vec![sent[0], sent[1], 0x80 | sent[2], 9, 0, 0, 0, 0, 0, 0, 0, 1];
        reply.extend(b"\x07lab-key\0\0\xfa\0\xff\0\0\0\0");
        let mut data = b"\x0bhmac-sha256\0".to_vec();
        data.extend(&NOW.to_be_bytes()[2..]);
        data.extend([1, 44, 0, 0, sent[0], sent[1]]);
        data.extend(error.to_be_bytes());
        data.extend((other.len() as u16).to_be_bytes());
        data.extend(other);
        reply.extend((data.len() as u16).to_be_bytes());
        reply.extend(data);
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::lab::*;
    use super::*;

    const ADDRESSES: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9))];
    const CHANGE: Change<'_> =
        Change { fqdn: "home.example.test", family: Family::Ipv4, ttl: 60, addresses: &ADDRESSES };
    const UPDATE: Ask<'_> = Ask::Update { zone: "example.test", changes: &[CHANGE] };
    const QUERY: Ask<'_> = Ask::Query { fqdn: "home.example.test", family: Family::Ipv4 };

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// An exchange with BIND 9.18: our clock was 14 hours behind.
    const BEHIND: u64 = NOW - 4000;
    const SENT: &str = "1234 2800 0001 0001 0002 0001 07 6578616d706c65 04 74657374 00 0006 0001
        04 686f6d65 07 6578616d706c65 04 74657374 00 0005 00fe 00000000 0000
        04 686f6d65 07 6578616d706c65 04 74657374 00 0001 00ff 00000000 0000
        04 686f6d65 07 6578616d706c65 04 74657374 00 0001 0001 0000003c 0004 cb007109
        08 64646e732d6b6579 00 00fa 00ff 00000000 003d 0b 686d61632d736861323536 00
        00006b03ff00 012c 0020 06316480113205d000888a11ca4b31bf8a50c786319f6383a311fda691e98002
        1234 0000 0000";
    const CAME: &str = "1234 a809 0001 0000 0000 0001 07 6578616d706c65 04 74657374 00 0006 0001
        08 64646e732d6b6579 00 00fa 00ff 00000000 0043 0b 686d61632d736861323536 00
        00006b03ff00 012c 0020 4b0ee2fe32ddf6b63a1b66457bb4b57c3bfbb1b71ed0dd1ced349132a11192e5
        1234 0012 0006 00006b04d489";

    #[test]
    fn an_update_as_bind_took_it() {
        let key = Key::new("ddns-key", "hmac-sha256", SECRET).ok();
        let request = build(0x1234, &UPDATE, key.as_ref(), BEHIND).unwrap();
        assert_eq!(request.bytes, bytes(SENT));
    }

    #[test]
    fn the_time_of_a_server_is_believed_if_signed() {
        let key = Key::new("DDNS-key.", "hmac-sha256", SECRET).ok();
        let mut request = build(0x1234, &UPDATE, key.as_ref(), BEHIND).unwrap();
        let mac = request.bytes.len() - 38;
        assert_eq!(request.bytes[mac..], bytes(SENT)[mac..]);
        let reply = request.read(bytes(CAME)).unwrap();
        assert_eq!(reply.fault, Some(Fault::BadTime(Some(0x6b04_d489))));
        assert_eq!((reply.rcode, reply.proof), (9, Proof::Signed));

        // Class and TTL of the signature are constants, whatever the record says.
        for at in (0..bytes(CAME).len()).filter(|at| !(42..48).contains(at)) {
            let mut came = bytes(CAME);
            came[at] ^= 1;
            let proof = request.read(came).map(|reply| reply.proof);
            assert_ne!(proof, Ok(Proof::Signed), "byte {at}");
        }
        // The same reply to another request.
        request.bytes[mac] ^= 1;
        assert_eq!(request.read(bytes(CAME)).unwrap().proof, Proof::Wrong);
    }

    #[test]
    fn a_damaged_reply_proves_nothing() {
        let key = Key::new("lab-key", "hmac-sha256", SECRET).ok();
        for ask in [UPDATE, QUERY] {
            let request = build(7, &ask, key.as_ref(), NOW).unwrap();
            let good = answer(&request.bytes, Rcode::NOERROR, true);
            assert_eq!(request.read(good.clone()).unwrap().proof, Proof::Signed);
            // Class and TTL of the signature, as above.
            let tsig = good.windows(4).position(|part| part == [0, 250, 0, 255]).unwrap();
            for at in 0..good.len() {
                for bit in (0..8).map(|bit| 1u8 << bit) {
                    let mut reply = good.clone();
                    reply[at] ^= bit;
                    let Ok(reply) = request.read(reply) else { continue };
                    reply.addresses("home.example.test", Family::Ipv4);
                    // A letter's case is not signed (RFC 8945 4.3.3), and says nothing.
                    let says_nothing =
                        (tsig + 2..tsig + 8).contains(&at) || (bit == 32 && at > tsig - 9);
                    assert!(reply.proof != Proof::Signed || says_nothing, "byte {at} bit {bit}");
                }
                let cut = request.read(good[..at].to_vec()).map(|reply| reply.proof);
                assert_ne!(cut, Ok(Proof::Signed), "cut at {at}");
            }
        }
    }

    #[test]
    fn reading_a_set() {
        let request = build(7, &QUERY, None, NOW).unwrap();
        let reply = |records: &str, count: u8| {
            let mut reply = request.bytes.clone();
            (reply[2], reply[3], reply[7]) = (0x84, 0, count);
            reply.extend(bytes(records));
            request.read(reply).unwrap()
        };
        let seen = |reply: Reply| reply.addresses("Home.Example.test", Family::Ipv4);
        let none = reply("", 0);
        assert!(none.authoritative && !none.no_such_name() && none.proof == Proof::NoKey);
        assert_eq!(seen(none), Some((vec![], u32::MAX)));
        let two = "c00c 0001 0001 00000078 0004 cb007109  c00c 0001 0001 0000003c 0004 c0000201";
        let both = vec!["192.0.2.1".parse().unwrap(), "203.0.113.9".parse().unwrap()];
        assert_eq!(seen(reply(two, 2)), Some((both, 60)));
        // Another name's address, a type that was not asked for, a length that cannot be.
        let others = "c011 0001 0001 00000078 0004 cb007109  c00c 0010 0001 00000078 0001 00";
        assert_eq!(seen(reply(others, 2)), Some((vec![], u32::MAX)));
        assert_eq!(seen(reply("c00c 0001 0001 00000078 0005 cb00710900", 1)), None);
        assert_eq!(seen(reply(two, 3)), None);
    }

    #[test]
    fn a_key_names_the_option_that_is_wrong() {
        let wrong = |name, algorithm, secret| Key::new(name, algorithm, secret).err();
        assert_eq!(wrong("a..b", "hmac-sha256", SECRET), Some("key_name"));
        assert_eq!(wrong("k", "hmac-md5", SECRET), Some("key_algorithm"));
        for secret in ["", " ", "not base64!", "c2hh", "c2h"] {
            let expected = if secret == "c2hh" { None } else { Some("key_secret") };
            assert_eq!(wrong("k", "hmac-sha512", secret), expected, "'{secret}'");
        }
        for algorithm in ALGORITHMS {
            assert_eq!(wrong("k", algorithm, SECRET), None);
        }
    }

    #[test]
    fn what_does_not_fit_a_message() {
        let many = vec![ADDRESSES[0]; 5000];
        let change = Change { addresses: &many, ..CHANGE };
        let ask = Ask::Update { zone: "example.test", changes: &[change] };
        assert_eq!(build(1, &ask, None, NOW).err().as_deref(), Some(TOO_LONG));
        let ask = Ask::Query { fqdn: "a..b", family: Family::Ipv4 };
        assert!(build(1, &ask, None, NOW).is_err());
        // A clock beyond 48 bits.
        let key = Key::new("k", "hmac-sha256", SECRET).ok();
        assert!(build(1, &QUERY, key.as_ref(), u64::MAX).is_ok());
    }
}
