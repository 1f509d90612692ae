//! `config name`: one DNS name, who holds it, and which addresses it should have.

use super::account::Seen;
use super::part::Part;
use super::value;
use crate::model::account::Account;
use crate::model::lan::{Host, Mac};
use crate::model::name::{Family, Name, SharedLine};
use crate::parse::uci::quoted;
use crate::providers::Provider;
use std::net::IpAddr;

const OPTIONS: [&str; 9] =
    ["enabled", "fqdn", "account", "wan", "family", "ttl", "shared_line", "host", "lan"];

/// More addresses than a name has use for.
const MOST_HOSTS: usize = 16;

/// A week; an address that may change is not kept longer (seconds).
const TTL_MOST: u32 = 604_800;

/// The account sections of the file.
pub(super) struct Accounts<'a> {
    /// All of them.
    pub known: &'a [Seen<'a>],
    /// Those without errors.
    pub read: &'a [Account],
}

/// No name: it is disabled, or there were errors. A disabled one is not looked at further.
pub(super) fn read(part: &mut Part, accounts: &Accounts, before: &[Name]) -> Option<Name> {
    if !part.boolean("enabled", true) {
        return None;
    }
    part.only(&OPTIONS);
    let account = account(part, accounts);
    let fqdn = fqdn(part, account, accounts);
    let families = families(part, account.and_then(|account| account.provider));
    let ttl = ttl(part, account.and_then(|account| account.provider));
    let shared_line = part.word("shared_line", &SharedLine::WORDS.map(|(word, _)| word));
    let shared_line = shared_line.and_then(|index| SharedLine::WORDS.get(index));
    let wan = part.network("wan");
    let hosts = hosts(part, &families);
    let lan = part.network("lan");
    if lan.is_some() && part.section.option("host").is_none() {
        let text = "has no effect without option host: the name follows the router itself";
        part.warning(part.line_of("lan"), Some("lan"), text);
    }
    let (account, fqdn) = (account?, fqdn?);
    let mut name = Name {
        section: part.id.clone(),
        fqdn,
        account: account.id.clone(),
        wan,
        families,
        ttl,
        shared_line: shared_line.map_or(SharedLine::Skip, |(_, policy)| *policy),
        hosts,
        lan: lan.unwrap_or_else(|| "lan".into()),
        fingerprint: 0,
    };
    name.fingerprint = fingerprint(&name);
    let twin = |other: &&Name| other.fqdn == name.fqdn && other.account == name.account;
    if let Some(twin) = before.iter().find(twin) {
        let text = [
            "section '",
            &twin.section,
            "' keeps ",
            &name.fqdn,
            " in the same account \
             already: remove one of the two",
        ];
        part.error(part.line_of("fqdn"), Some("fqdn"), text.concat());
        return None;
    }
    if !account.enabled {
        let text = ["account '", &account.id, "' is disabled, so this name is left alone"];
        part.warning(part.line_of("account"), Some("account"), text.concat());
        return None;
    }
    Some(name)
}

/// Seconds, as far as the provider takes them.
fn ttl(part: &mut Part, provider: Option<&Provider>) -> Option<u32> {
    let (mut least, mut most, mut unit) = (1, TTL_MOST, String::from("seconds"));
    match provider.map(|provider| (provider.id, provider.ttl)) {
        Some((id, Some(takes))) if takes.0 > least || takes.1 < most => {
            (least, most) = (takes.0.max(least), takes.1.min(most));
            unit = ["seconds that provider '", id, "' takes,"].concat();
        }
        Some((id, None)) if part.section.option("ttl").is_some() => {
            let text = ["has no effect: provider '", id, "' is told no TTL"];
            part.warning(part.line_of("ttl"), Some("ttl"), text.concat());
        }
        _ => {}
    }
    part.number("ttl", least, most, &unit)
}

fn account<'a>(part: &mut Part, accounts: &Accounts<'a>) -> Option<&'a Seen<'a>> {
    let ids: Vec<&str> = accounts.known.iter().map(|known| known.id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().filter(|id| !id.is_empty()).collect();
    if part.section.option("account").is_none() {
        let text = ["is missing: it says who holds this name", &value::hint("", &ids)];
        part.missing("account", text.concat());
        return None;
    }
    let id = part.text("account")?;
    let found = accounts.known.iter().find(|known| known.id == id);
    if found.is_none() {
        let hint = match ids.as_slice() {
            [] => [": add a section config account ", &quoted(id.as_bytes())].concat(),
            _ => value::hint(id, &ids),
        };
        let text = ["there is no section config account ", &quoted(id.as_bytes()), &hint].concat();
        part.error(part.line_of("account"), Some("account"), text);
    }
    found
}

fn fqdn(part: &mut Part, account: Option<&Seen>, accounts: &Accounts) -> Option<String> {
    if part.section.option("fqdn").is_none() {
        part.missing("fqdn", "is missing: the full name to keep, like home.example.org");
        return None;
    }
    let text = part.text("fqdn")?;
    let checked = value::domain(text, true);
    let fqdn = part.take("fqdn", checked)?;
    let account = account?;
    let line = part.line_of("fqdn");
    let public = account.provider.is_some_and(|provider| !provider.local);
    if public && !fqdn.contains('.') {
        let text =
            [&quoted(fqdn.as_bytes()), " has no dot: write the full name, like home.example.org"];
        part.error(line, Some("fqdn"), text.concat());
        return None;
    }
    // Any provider that takes a zone takes it to be the zone of the account's names.
    let zone = accounts.read.iter().find(|read| read.id == account.id);
    if let Some(zone) = zone.and_then(|account| account.text("zone")) {
        let inside =
            fqdn.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        if !inside {
            let text = [
                &quoted(fqdn.as_bytes()),
                " is not inside ",
                zone,
                ", the zone of account '",
                &account.id,
                "'",
            ];
            part.error(line, Some("fqdn"), text.concat());
            return None;
        }
    }
    Some(fqdn)
}

/// As listed, or all that the provider has.
fn families(part: &mut Part, provider: Option<&Provider>) -> Vec<Family> {
    let mut families = Vec::new();
    let has = provider.map_or(&Family::BOTH[..], |provider| provider.families);
    for (line, text) in part.texts("family") {
        match value::word(text, &["ipv4", "ipv6"]) {
            Ok(index) => {
                let family = if index == 0 { Family::Ipv4 } else { Family::Ipv6 };
                if !has.contains(&family) {
                    let id = provider.map_or("", |provider| provider.id);
                    let text =
                        ["provider '", id, "' holds no ", text, " addresses: remove this one"];
                    part.error(line, Some("family"), text.concat());
                } else if families.contains(&family) {
                    part.warning(line, Some("family"), [text, " is listed twice"].concat());
                } else {
                    families.push(family);
                }
            }
            Err(text) => part.error(line, Some("family"), text),
        }
    }
    if families.is_empty() { has.to_vec() } else { families }
}

/// The LAN hosts whose IPv6 addresses it has.
fn hosts(part: &mut Part, families: &[Family]) -> Vec<Host> {
    let mut hosts = Vec::new();
    for (line, text) in part.texts("host") {
        match host(text) {
            Ok(host) if hosts.contains(&host) => {
                part.warning(line, Some("host"), [text, " is listed twice"].concat());
            }
            Ok(host) => hosts.push(host),
            Err(text) => part.error(line, Some("host"), text),
        }
    }
    let line = part.line_of("host");
    if hosts.len() > MOST_HOSTS {
        let text = format!("lists {} hosts; {MOST_HOSTS} are the most for one name", hosts.len());
        part.error(line, Some("host"), text);
    }
    if !hosts.is_empty() && !families.contains(&Family::Ipv6) {
        let text = "has no effect without family 'ipv6': with IPv4 a LAN host is reached by the \
                    router's address, which this name has anyway";
        part.warning(line, Some("host"), text);
    }
    hosts
}

fn host(text: &str) -> Result<Host, String> {
    let shown = || quoted(text.as_bytes());
    if let Some(Mac(octets)) = Mac::parse(text) {
        if octets[0] & 1 == 1 || octets == [0; 6] {
            return Err([&shown(), " is not the MAC of one host"].concat());
        }
        return Ok(Host::Mac(Mac(octets)));
    }
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => {
            let (prefix, suffix) = ((ip.to_bits() >> 64) as u64, ip.to_bits() as u64);
            if prefix != 0 {
                let part = Host::Suffix(suffix);
                let text = format!(
                    "{} is a whole address, whose beginning may change: write its last 64 bits, \
                     '{part}'",
                    shown()
                );
                return Err(text);
            }
            match suffix {
                0 => Err([&shown(), " is no host: write its last 64 bits, like '::10'"].concat()),
                suffix => Ok(Host::Suffix(suffix)),
            }
        }
        Ok(IpAddr::V4(_)) => Err([
            &shown(),
            " is IPv4: write the host's IPv6 suffix ('::10'), its MAC, or its name; with IPv4 it \
             is reached by the router's address",
        ]
        .concat()),
        Err(_) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if text.len() > 63 || text.is_empty() || !text.chars().all(fits) {
                return Err([
                    &shown(),
                    " is neither a suffix like '::10', nor a MAC like '02:00:5e:10:00:01', nor a \
                     host's name without dots",
                ]
                .concat());
            }
            Ok(Host::Named(text.to_ascii_lowercase()))
        }
    }
}

fn fingerprint(name: &Name) -> u64 {
    let hosts: String = name.hosts.iter().map(|host| format!("{host} ")).collect();
    let families: String = name.families.iter().map(|family| family.record_type()).collect();
    let ttl = name.ttl.map(|ttl| ttl.to_string()).unwrap_or_default();
    value::fingerprint(&[
        &name.fqdn,
        &name.account,
        name.wan.as_deref().unwrap_or(""),
        &families,
        &ttl,
        name.shared_line.word(),
        &hosts,
        &name.lan,
    ])
}
