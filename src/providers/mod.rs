//! Providers: where records are held. One file each, and one line in [`ALL`].
//!
//! A provider gets all wanted records of one account at once and answers for each of them, so
//! that 100 names are one batch on one connection. It reads before it changes, changes only what
//! differs, and keeps what the owner set: TTL, proxied, comment, tags, the other family.
//! When to call it, and what an outcome means for later, is decided elsewhere (`decide`).

use crate::model::account::Account;
use crate::model::name::{Family, Want};
use crate::model::outcome::Outcome;
use crate::world::{HttpReply, Net, NetError, NetErrorKind, Via};
use std::sync::OnceLock;
use std::time::Duration;

pub mod aliyun;
pub mod cloudflare;
pub mod custom;
pub mod desec;
pub mod digitalocean;
pub mod dnspod;
pub mod dyndns2;
pub mod gandi;
pub mod godaddy;
pub mod hetzner;
pub mod hosts;
pub mod huaweicloud;
pub mod linode;
pub mod openwrt;
pub mod porkbun;
pub mod powerdns;
pub mod rfc2136;
pub mod route53;
pub mod tencentcloud;
pub mod vultr;

// What several of them share.
mod one_shot;
pub mod rest;
pub mod services;
pub mod sign;
pub mod template;
pub mod zones;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod table;

/// The providers with a file of their own, sorted by id. The others are lines of `services.txt`.
pub const ALL: &[Provider] = &[
    aliyun::PROVIDER,
    cloudflare::PROVIDER,
    custom::PROVIDER,
    desec::PROVIDER,
    digitalocean::PROVIDER,
    dnspod::PROVIDER,
    dyndns2::PROVIDER,
    gandi::PROVIDER,
    godaddy::PROVIDER,
    hetzner::PROVIDER,
    hosts::PROVIDER,
    huaweicloud::PROVIDER,
    linode::PROVIDER,
    openwrt::PROVIDER,
    porkbun::PROVIDER,
    powerdns::PROVIDER,
    rfc2136::PROVIDER,
    route53::PROVIDER,
    tencentcloud::PROVIDER,
    vultr::PROVIDER,
];

/// What an option of an account holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Also as `NAME_file`: the file's first line.
    Secret,
    /// `https://...`, or `http://...` with the opt-in.
    Url,
    /// `HOST`, `HOST:PORT`, `[V6]:PORT`.
    HostPort,
    /// A domain name.
    Domain,
    /// An absolute path, or one relative to the working directory.
    Path,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `https://...` with placeholders, see [`template`].
    Template,
    /// Several texts: `list NAME 'TEXT'` for each.
    List,
    /// Several tests of an answer, see [`services::owners_test`].
    Tests,
}

/// One option that a provider's account takes.
#[derive(Clone, Copy, Debug)]
pub struct OptionDoc {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    /// Filled in by the config when the owner wrote nothing.
    pub default: Option<&'static str>,
    /// One line for the owner.
    pub help: &'static str,
    /// An option without which this one says nothing; empty: none.
    pub with: &'static str,
    /// An option that stands in for this one: exactly one of the two is needed; empty: none.
    pub instead: &'static str,
}

impl OptionDoc {
    pub const fn required(name: &'static str, kind: Kind, help: &'static str) -> Self {
        OptionDoc { name, kind, required: true, default: None, help, with: "", instead: "" }
    }

    pub const fn optional(name: &'static str, kind: Kind, help: &'static str) -> Self {
        OptionDoc { required: false, ..Self::required(name, kind, help) }
    }

    /// It needs that one beside it.
    pub const fn with(mut self, other: &'static str) -> Self {
        self.with = other;
        self
    }

    /// Exactly one of the two is needed.
    pub const fn instead_of(mut self, other: &'static str) -> Self {
        self.instead = other;
        self
    }

    /// What it is if the owner writes nothing.
    pub const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }
}

/// A DNS service or protocol.
#[derive(Clone, Copy)]
pub struct Provider {
    /// As in `option provider`.
    pub id: &'static str,
    /// One line: what it is.
    pub about: &'static str,
    pub families: &'static [Family],
    /// Shortest time between two calls for one account.
    pub min_interval: Duration,
    /// Names that one request can change, all in one zone.
    pub batch: usize,
    /// Smallest and largest TTL, seconds, where they are known.
    pub ttl: Option<(u32, u32)>,
    /// Reading is local and free: looked at each time, nothing is taken for granted.
    pub local: bool,
    pub options: &'static [OptionDoc],
    /// One outcome for each want, in their order.
    pub publish: fn(&mut dyn Net, &Account, &[Want]) -> Vec<Outcome>,
}

/// Every provider, in the order `reachd providers` shows them.
pub fn all() -> &'static [Provider] {
    static EVERY: OnceLock<Vec<Provider>> = OnceLock::new();
    EVERY.get_or_init(|| {
        let own = |id: &str| ALL.iter().any(|provider| provider.id == id);
        let mut every = ALL.to_vec();
        every.extend(services::providers().filter(|provider| !own(provider.id)));
        every.sort_unstable_by_key(|provider| provider.id);
        every
    })
}

/// The provider with this id.
pub fn find(id: &str) -> Option<&'static Provider> {
    let own = ALL.iter().find(|provider| provider.id == id);
    own.or_else(|| all().iter().find(|provider| provider.id == id))
}

/// Its calls are of no use with a clock that was never set: TLS checks certificates by it. TSIG
/// signs the time too, but there the server tells its own in a signed answer.
pub fn needs_clock(provider: &Provider, account: &Account) -> bool {
    let plain = account.text("url").is_some_and(|url| url.starts_with("http://"));
    !(provider.local || plain || provider.id == rfc2136::PROVIDER.id)
}

/// How requests name us, where the vendor asks for a form of its own; the others are told the
/// same as any server.
pub fn agent(provider: &Provider) -> Option<String> {
    let contact = provider.options.iter().any(|option| option.help == dyndns2::CONTACT);
    contact.then(|| [services::USER_AGENT, " and option contact"].concat())
}

/// How the calls of this account leave the router. Where `account.wan` is given it must be a
/// device by now: whoever calls `publish` puts it in place of a logical network's name. A name
/// that is no device fails closed.
pub fn via(account: &Account) -> Via {
    Via {
        device: account.wan.clone(),
        ca_file: account.ca_file.clone(),
        allow_http: account.allow_http,
        ..Via::default()
    }
}

/// What a failed call means for a record: `change` when the call would have changed something.
pub fn failed(error: &NetError, change: bool) -> Outcome {
    let text = match error.kind {
        NetErrorKind::Config => return Outcome::FixConfig(error.text.clone()),
        NetErrorKind::Interrupted => "interrupted".to_string(),
        _ => error.text.clone(),
    };
    if change && error.sent {
        Outcome::NotConfirmed(format!("could not confirm the change: {text}"))
    } else {
        Outcome::TryLater(text)
    }
}

/// The outcomes of a call that filled in what it could; an error it ended with is the outcome of
/// all the rest.
pub fn settle(outcomes: Vec<Option<Outcome>>, end: Result<(), Outcome>) -> Vec<Outcome> {
    let rest = match end {
        Ok(()) => Outcome::Bug("no answer was found for this record".into()),
        // What was not reached cannot be half done.
        Err(Outcome::NotConfirmed(why)) => Outcome::TryLater(why),
        Err(outcome) => outcome,
    };
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| rest.clone())).collect()
}

/// "Too many requests": waits as long as the reply says (at least a second, at most a day),
/// or `unsaid` if it does not say.
pub fn wait(reply: &HttpReply, unsaid: Duration, why: String) -> Outcome {
    let after = reply.retry_after().unwrap_or(unsaid);
    Outcome::WaitUntil {
        after: after.clamp(Duration::from_secs(1), Duration::from_secs(86_400)),
        why,
    }
}

/// The service holds `held` addresses, more than are wanted, and none is dropped unasked.
pub fn too_many(want: &Want, held: usize, service: &str) -> Outcome {
    Outcome::FixConfig(format!(
        "{} has {held} {} records at {service}, more than the {} wanted: reachd would have to \
         drop some and does not; remove the extra ones there",
        want.fqdn,
        want.family.record_type(),
        want.addresses.len()
    ))
}

/// Foreign words made fit for a message: one line, not long, without the secret should the
/// other side have sent it back.
pub fn quote(text: &str, secret: &str) -> String {
    const LONGEST: usize = 160;
    let hidden;
    let text = if !secret.is_empty() && text.contains(secret) {
        hidden = text.replace(secret, "(secret)");
        &hidden
    } else {
        text
    };
    let mut line: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push_str("...");
    }
    line
}

/// Text as one component of an URL (RFC 3986 2.1).
pub fn percent(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)] as char);
            out.push(HEX[usize::from(byte & 15)] as char);
        }
    }
    out
}

/// `fqdn` is `zone` or lies below it. Case does not matter.
pub fn in_zone(fqdn: &str, zone: &str) -> bool {
    let (fqdn, zone) = (fqdn.as_bytes(), zone.as_bytes());
    let Some(head) = fqdn.len().checked_sub(zone.len()) else { return false };
    fqdn[head..].eq_ignore_ascii_case(zone) && (head == 0 || fqdn[head - 1] == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_a_zone() {
        assert!(in_zone("home.Example.test", "example.TEST"));
        assert!(in_zone("example.test", "example.test"));
        assert!(!in_zone("badexample.test", "example.test"));
        assert!(!in_zone("test", "example.test"));
    }

    #[test]
    fn foreign_words_are_short_and_hold_no_secret() {
        assert_eq!(quote("token abc is\r\nbad", "abc"), "token (secret) is  bad");
        assert_eq!(quote(&"x".repeat(500), "abc").len(), 163);
        assert_eq!(quote("as it is", ""), "as it is");
    }

    #[test]
    fn a_wait_is_kept_within_a_day() {
        let mut reply = HttpReply::default();
        let after = |reply: &HttpReply| match wait(reply, Duration::from_secs(300), String::new()) {
            Outcome::WaitUntil { after, .. } => after.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(after(&reply), 300);
        for (said, kept) in [
            ("0", 1),
            ("42", 42),
            ("99999999999", 86_400),
            ("soon", 300),
            ("Mon, 23 Nov 2026 16:45:26 GMT", 60),
            ("Tue, 24 Nov 2026 16:44:30 GMT", 86_400),
            ("Mon, 23 Nov 2026 16:44:25 GMT", 1),
            ("Mon, 23 Nov 2026 24:45:26 GMT", 300),
        ] {
            reply.headers = vec![
                ("retry-after".into(), said.into()),
                ("date".into(), "Mon, 23 Nov 2026 16:44:26 GMT".into()),
            ];
            assert_eq!(after(&reply), kept, "{said}");
        }
        // A date and nothing to measure it from.
        let date = "Mon, 23 Nov 2026 16:45:26 GMT";
        reply.headers = vec![("retry-after".into(), date.into())];
        assert_eq!(after(&reply), 300);
    }

    #[test]
    fn url_components() {
        assert_eq!(percent("*.a_b.example"), "%2A.a_b.example");
    }
}
