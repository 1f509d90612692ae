//! RFC 2136: any name server that takes signed updates. BIND, Knot, PowerDNS, Windows.
//!
//! All names of an account go in one message, or a few where they are many: a message is applied
//! whole or not at all. Where it is turned down because of some of its names, it is halved to
//! find them. Bytes and signatures are in [`crate::wire::update`].

use super::*;
use crate::model::utc::{RELEASED, utc};
use crate::wire::update::{ALGORITHMS, Ask, Change, Fault, Key, Proof, Reply, Request, build};
use crate::world::DnsTransport;

pub const PROVIDER: Provider = Provider {
    id: "rfc2136",
    about: "dynamic updates to your own name server (BIND, Knot, PowerDNS), signed with TSIG",
    families: &Family::BOTH,
    min_interval: Duration::ZERO, // one's own server
    batch: usize::MAX,
    // RFC 2181 8.
    ttl: Some((0, i32::MAX as u32)),
    local: false,
    options: &[
        OptionDoc::required(
            "server",
            Kind::HostPort,
            "the zone's primary name server; port 53 if none is given",
        ),
        OptionDoc::required("zone", Kind::Domain, "the zone that holds the names"),
        OptionDoc::optional("key_name", Kind::Text, "name of the TSIG key, as the server has it")
            .with("key_secret"),
        OptionDoc::optional("key_algorithm", Kind::OneOf(ALGORITHMS), "the TSIG key's algorithm")
            .or("hmac-sha256"),
        OptionDoc::optional("key_secret", Kind::Secret, "the TSIG key itself, in base64")
            .with("key_name"),
    ],
    publish,
};

/// Seconds; for a record whose TTL neither the owner nor the server tells.
const NEW_TTL: u32 = 60;
/// Larger messages go over TCP. Fits every path without fragments (DNS flag day 2020).
const UDP_MOST: usize = 1232;
/// Bytes of one message, half of what TCP could carry (RFC 1035 4.2.2).
const MESSAGE_MOST: usize = 32 * 1024;
/// How often one call may halve a message that was turned down because of some name in it.
const HALVINGS: u32 = 24;
const READ_DEADLINE: Duration = Duration::from_secs(2);
const UDP_DEADLINE: Duration = Duration::from_secs(5);
const TCP_DEADLINE: Duration = Duration::from_secs(10);

/// One of the wants on its way: its place, and the TTL it will have.
#[derive(Clone, Copy)]
struct Item<'a> {
    at: usize,
    want: &'a Want,
    ttl: u32,
}

/// Why a message was not carried out.
enum Refused {
    /// Perhaps because of one of its names only.
    ByName(Outcome),
    /// The others would fare no better.
    All(Outcome),
}

struct Talk<'a> {
    net: &'a mut dyn Net,
    server: &'a str,
    zone: &'a str,
    key: Option<&'a Key>,
    /// `option key_name`, for messages.
    key_name: &'a str,
    via: Via,
    /// A signed reply has shown that the server knows the key.
    known: bool,
    /// Server's clock minus ours, seconds, once a signed reply told it.
    ahead: Option<i64>,
    halvings: u32,
}

fn publish(net: &mut dyn Net, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    let key = match key(account) {
        Ok(key) => key,
        Err(why) => return vec![Outcome::FixConfig(why); wants.len()],
    };
    let (Some(server), Some(zone)) = (account.text("server"), account.text("zone")) else {
        let why = format!("account '{}' needs option server and option zone", account.id);
        return vec![Outcome::FixConfig(why); wants.len()];
    };
    let mut talk = Talk {
        net,
        server,
        zone: zone.trim_end_matches('.'),
        key: key.as_ref(),
        key_name: account.text("key_name").unwrap_or(""),
        via: via(account),
        known: false,
        ahead: None,
        halvings: HALVINGS,
    };
    let mut outcomes = vec![None; wants.len()];
    let end = talk.all(wants, &mut outcomes);
    settle(outcomes, end)
}

fn key(account: &Account) -> Result<Option<Key>, String> {
    let (name, secret) = match (account.text("key_name"), account.secret("key_secret")) {
        (None, None) => return Ok(None),
        (Some(name), Some(secret)) => (name, secret),
        // The config has told it already.
        _ => return Err("options key_name and key_secret go together".into()),
    };
    let algorithm = account.text("key_algorithm").unwrap_or(ALGORITHMS[0]);
    Key::new(name, algorithm, secret.expose()).map(Some).map_err(|option| {
        let should = match option {
            "key_name" => "a domain name",
            "key_algorithm" => "an algorithm that is known here",
            _ => "base64, as in the server's key file",
        };
        format!("account '{}': option {option} is not {should}", account.id)
    })
}

impl Talk<'_> {
    /// Fills in outcomes; an error is the outcome of all that have none yet.
    fn all(&mut self, wants: &[Want], outcomes: &mut [Option<Outcome>]) -> Result<(), Outcome> {
        let mut items = Vec::new();
        let mut reads = true;
        for (at, want) in wants.iter().enumerate() {
            if !in_zone(&want.fqdn, self.zone) {
                outcomes[at] = Some(Outcome::FixConfig(format!(
                    "{} does not lie in zone {} of this account",
                    want.fqdn, self.zone
                )));
                continue;
            }
            let ttl = match want.ttl {
                Some(ttl) => ttl,
                None if !reads => NEW_TTL,
                None => match self.look(want)? {
                    Seen::Ttl(ttl) => ttl,
                    Seen::New => NEW_TTL,
                    Seen::Right => {
                        outcomes[at] = Some(Outcome::AlreadyRight);
                        continue;
                    }
                    Seen::More(count) => {
                        outcomes[at] = Some(too_many(want, count, self.server));
                        continue;
                    }
                    Seen::Silence => {
                        // An update does not wait for an answer more than once.
                        reads = false;
                        NEW_TTL
                    }
                },
            };
            items.push(Item { at, want, ttl });
        }

        let mut rest = items.as_slice();
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take_while(|item| {
                size += item.change().size();
                size <= MESSAGE_MOST
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            self.update(now, outcomes)?;
            rest = later;
        }
        Ok(())
    }

    /// Reads a record whose TTL is to be kept. An error ends the whole call.
    fn look(&mut self, want: &Want) -> Result<Seen, Outcome> {
        let ask = Ask::Query { fqdn: &want.fqdn, family: want.family };
        let reply = match self.ask(&ask) {
            Ok(reply) => reply,
            Err(error) if matches!(error.kind, NetErrorKind::Deadline | NetErrorKind::Garbage) => {
                return Ok(Seen::Silence);
            }
            Err(error) => return Err(failed(&error, false)),
        };
        match reply.fault {
            // A key that does not fit will not fit the update either: one request is enough.
            Some(fault) => return Err(self.fault(fault, &reply)),
            None if reply.proof == Proof::Wrong => return Ok(Seen::Silence),
            None => {}
        }
        if reply.no_such_name() {
            return Ok(Seen::New);
        }
        // Anyone but the zone's own server tells a TTL that has partly run down.
        if reply.rcode != 0 || !reply.authoritative {
            return Ok(Seen::Silence);
        }
        Ok(match reply.addresses(&want.fqdn, want.family) {
            None => Seen::Silence,
            Some((found, _)) if found.is_empty() => Seen::New,
            Some((found, _)) if found.len() > want.addresses.len() => Seen::More(found.len()),
            // Some servers do not sign this answer: good enough for a TTL, not to be sure of.
            Some((found, _)) if found == want.addresses && reply.proof != Proof::Unsigned => {
                Seen::Right
            }
            Some((_, ttl)) => Seen::Ttl(ttl),
        })
    }

    fn update(
        &mut self,
        items: &[Item<'_>],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), Outcome> {
        let outcome = match self.try_update(items) {
            Ok(()) => Outcome::Updated,
            Err(Refused::All(outcome)) => {
                set(items, outcomes, &outcome);
                return Err(outcome);
            }
            Err(Refused::ByName(outcome)) if items.len() == 1 || self.halvings == 0 => outcome,
            Err(Refused::ByName(_)) => {
                self.halvings -= 1;
                let (one, other) = items.split_at(items.len() / 2);
                self.update(one, outcomes)?;
                return self.update(other, outcomes);
            }
        };
        set(items, outcomes, &outcome);
        Ok(())
    }

    fn try_update(&mut self, items: &[Item<'_>]) -> Result<(), Refused> {
        let changes: Vec<Change<'_>> = items.iter().map(Item::change).collect();
        let ask = Ask::Update { zone: self.zone, changes: &changes };
        let reply = self.ask(&ask).map_err(|error| Refused::All(failed(&error, true)))?;
        // Knot says BADKEY also where its acl does not let a key that it knows do this. To tell
        // whether the others may be let through, a question is enough.
        if let (Some(Fault::BadKey), false, [first, _, ..]) = (reply.fault, self.known, items) {
            let _ = self.look(first.want);
        }
        self.judge(&reply, items)
    }

    /// What the reply to an update says.
    fn judge(&self, reply: &Reply, items: &[Item<'_>]) -> Result<(), Refused> {
        let all = |outcome| Err(Refused::All(outcome));
        let server = self.server;
        let which = match items {
            [item] => format!("{} of {}", item.want.family.record_type(), item.want.fqdn),
            _ => format!("some of {} records", items.len()),
        };
        let policy = || {
            Err(Refused::ByName(Outcome::FixConfig(format!(
                "{server} refuses: its rules do not let key '{}' change {which}",
                self.key_name
            ))))
        };
        match reply.fault {
            Some(Fault::BadKey) if self.known => return policy(),
            Some(fault) => return all(self.fault(fault, reply)),
            None => {}
        }
        if reply.proof == Proof::Wrong {
            return all(Outcome::NotConfirmed(format!(
                "could not confirm the change: the answer of {server} is not signed as it should \
                 be with key '{}'",
                self.key_name
            )));
        }
        let unsigned = reply.proof == Proof::Unsigned;
        let proven = matches!(reply.proof, Proof::Signed | Proof::NoKey);
        match reply.rcode {
            0 if proven => Ok(()),
            0 => all(Outcome::NotConfirmed(format!(
                "could not confirm the change: {server} answers without a signature"
            ))),
            1 => all(Outcome::Bug(format!("{server} could not read our update (FORMERR)"))),
            2 => all(Outcome::TryLater(format!("{server} had a failure of its own (SERVFAIL)"))),
            4 => all(Outcome::FixConfig(format!(
                "{server} takes no dynamic updates (NOTIMP): check option server"
            ))),
            5 if unsigned => all(Outcome::FixConfig(format!(
                "refused (unsigned answer) by {server}: check key_secret, key_name and \
                 key_algorithm, and that it takes updates of zone {}",
                self.zone
            ))),
            5 if self.key.is_none() => all(Outcome::FixConfig(format!(
                "{server} refuses updates of zone {} without a key: set key_name and key_secret",
                self.zone
            ))),
            5 => policy(),
            7 => Err(Refused::ByName(Outcome::FixConfig(format!(
                "{which}: a CNAME stands at this name on {server}; remove it, no address can be \
                 beside it"
            )))),
            9 if self.key.is_none() => all(Outcome::FixConfig(format!(
                "{server} does not serve zone {}, or not without a key: check option zone, or \
                 set key_name and key_secret",
                self.zone
            ))),
            9 => all(Outcome::FixConfig(format!(
                "{server} does not serve zone {}: check option zone and option server",
                self.zone
            ))),
            10 => Err(Refused::ByName(Outcome::FixConfig(format!(
                "{server} says that {which} does not lie in zone {}: check option zone",
                self.zone
            )))),
            other => all(Outcome::TryLater(format!("{server} answers with error {other}"))),
        }
    }

    /// What the server says of our signature. `key_secret` is named only where it is in question.
    fn fault(&self, fault: Fault, reply: &Reply) -> Outcome {
        let (server, key) = (self.server, self.key_name);
        match fault {
            Fault::BadKey => Outcome::FixConfig(format!(
                "{server} does not know key '{key}' with this algorithm, or takes no updates \
                 with it: check key_name and key_algorithm"
            )),
            Fault::BadSig => Outcome::FixConfig(format!(
                "{server} knows key '{key}', but with another secret: check key_secret"
            )),
            Fault::BadTrunc => Outcome::FixConfig(format!(
                "{server} wants longer signatures of key '{key}': check key_algorithm"
            )),
            Fault::BadTime(theirs) => {
                let ours = self.net.wall_clock();
                let (theirs, here) = (theirs.map_or("another time".into(), utc), utc(ours));
                let mut text =
                    format!("the clocks differ: {server} has {theirs}, this router has {here}");
                text.push_str(if ours < RELEASED {
                    "; the router's clock was never set, check its NTP"
                } else {
                    "; check the router's clock"
                });
                if reply.proof != Proof::Signed {
                    text.push_str(" (unsigned answer)");
                }
                Outcome::TryLater(text)
            }
            Fault::Other(code) => {
                Outcome::TryLater(format!("{server} answers with TSIG error {code}"))
            }
        }
    }

    /// A question and its answer, asked again once with the server's time if that was all that
    /// was wrong and the server proved who it is. What is learned holds for this call alone.
    fn ask(&mut self, ask: &Ask<'_>) -> Result<Reply, NetError> {
        let reply = self.ask_once(ask)?;
        self.known |= reply.proof == Proof::Signed && reply.fault.is_none();
        if let (Some(Fault::BadTime(Some(theirs))), Proof::Signed, None) =
            (reply.fault, reply.proof, self.ahead)
        {
            let ours = self.net.wall_clock();
            self.ahead = Some((theirs as i64).saturating_sub_unsigned(ours));
            return self.ask_once(ask);
        }
        Ok(reply)
    }

    fn ask_once(&mut self, ask: &Ask<'_>) -> Result<Reply, NetError> {
        let (udp, tcp, patient) = match ask {
            Ask::Update { .. } => (UDP_DEADLINE, TCP_DEADLINE, true),
            Ask::Query { .. } => (READ_DEADLINE, READ_DEADLINE, false),
        };
        let id = self.net.chance() as u16;
        let now = self.net.wall_clock().saturating_add_signed(self.ahead.unwrap_or(0));
        let request = build(id, ask, self.key, now).map_err(|text| NetError {
            kind: NetErrorKind::Config,
            text,
            sent: false,
        })?;
        let mut sent = false;
        if request.bytes.len() <= UDP_MOST {
            match self.exchange(&request, DnsTransport::Udp, udp) {
                Ok(reply) if !reply.truncated => return Ok(reply),
                Ok(_) => sent = true,
                Err(error) => {
                    sent = error.sent;
                    let other_way = matches!(
                        error.kind,
                        NetErrorKind::Deadline
                            | NetErrorKind::Cut
                            | NetErrorKind::Garbage
                            | NetErrorKind::TooLarge
                    );
                    if !patient || !other_way {
                        return Err(error);
                    }
                }
            }
        }
        // The same message again: an update that comes twice changes nothing more.
        self.exchange(&request, DnsTransport::Tcp, tcp).map_err(|mut error| {
            error.sent |= sent;
            error
        })
    }

    fn exchange(
        &mut self,
        request: &Request<'_>,
        over: DnsTransport,
        deadline: Duration,
    ) -> Result<Reply, NetError> {
        self.via.deadline = deadline;
        let reply = self.net.dns(self.server, &request.bytes, over, &self.via)?;
        request.read(reply).map_err(|text| NetError {
            kind: NetErrorKind::Garbage,
            text: format!("{} gave {text}", self.server),
            sent: true,
        })
    }
}

/// What a look at a record showed.
enum Seen {
    /// It holds what we want.
    Right,
    /// It holds something else, with this TTL.
    Ttl(u32),
    New,
    /// So many addresses, more than are wanted.
    More(usize),
    /// Nothing that could be used.
    Silence,
}

impl Item<'_> {
    fn change(&self) -> Change<'_> {
        Change {
            fqdn: &self.want.fqdn,
            family: self.want.family,
            ttl: self.ttl,
            addresses: &self.want.addresses,
        }
    }
}

fn set(items: &[Item<'_>], outcomes: &mut [Option<Outcome>], outcome: &Outcome) {
    for item in items {
        outcomes[item.at] = Some(outcome.clone());
    }
}

#[cfg(test)]
mod tests;
