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
        if message.header_counts().qdcount() > 0 && message.question() != sent.question() {
            return Err(NO_REPLY);
        }
        let fault = last_tsig(&message).and_then(|(tsig, _)| fault(&tsig));
        let proof = match &self.signed {
            None => Proof::NoKey,
            Some((key, transaction)) => match transaction.answer(&mut message, self.now) {
                Ok(()) => Proof::Signed,
                Err(ValidationError::ServerBadTime { .. }) => Proof::Signed,
                Err(_) if self.bad_time_is_signed(key, &message) => Proof::Signed,
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
        for record in self.message.answer().ok()? {
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
    let mut section = Message::from_slice(message.as_slice()).ok()?.additional().ok()?;
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
