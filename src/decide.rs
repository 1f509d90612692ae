//! What to do for each record, and why. Pure: the same view, journal, config and moment give the
//! same decisions.
//!
//! The order of questions is the order of the code in [`record`]: is there a WAN, which address
//! counts, is it already there, may the provider be called now. "Could not tell" ends in doing
//! nothing, and nothing here ever deletes.

use crate::choose::{self, Choice};
use crate::journal::{Calls, Journal, Moment, RecordKey};
use crate::model::address::{Kind, class};
use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::name::{Family, Name, SharedLine};
use crate::model::wan::{Because, Wan, WanView};
use crate::providers;
use std::net::IpAddr;
use std::time::Duration;

/// While an account fails, a new address may be tried this soon after the last call.
const CHANGED_RETRY: Duration = Duration::from_secs(10);

/// What to do for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Index into `config.names`.
    pub name: usize,
    pub family: Family,
    pub step: Step,
    /// The reason, as the owner should read it.
    pub why: String,
    /// When to decide again even if nothing changes; `None`: only a change can matter.
    pub again: Option<Moment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand these addresses to the provider now.
    Publish(Vec<IpAddr>),
    /// The provider confirmed these; nothing to do.
    Right(Vec<IpAddr>),
    /// These should be there, but the provider may not be called yet (see `again`).
    Wait(Vec<IpAddr>),
    /// A permanent error; idle until the owner changes something.
    Latched,
    /// The outside must be asked first, by lookups bound to this device (if there is one).
    Ask(Option<String>),
    /// The line is shared and the owner's policy is to publish nothing.
    Skip,
    /// There is no address of this family now. What was published stays.
    Absent,
    /// It could not be told. What was published stays.
    Unknown,
}

/// The journal's key for a record of this name.
pub fn key(name: &Name, family: Family) -> RecordKey {
    (name.fqdn.clone(), family, name.account.clone())
}

/// Changes when the name's or its account's section changes.
pub fn fingerprint(config: &Config, name: &Name) -> u64 {
    let account = config.account(&name.account).map_or(0, |account| account.fingerprint);
    name.fingerprint ^ account.rotate_left(1)
}

/// One decision for each record, in the config's order.
pub fn decide(view: &WanView, journal: &Journal, config: &Config, now: Moment) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for (index, name) in config.names.iter().enumerate() {
        for family in &name.families {
            let (step, why, again) = record(view, journal, config, now, name, *family);
            decisions.push(Decision { name: index, family: *family, step, why, again });
        }
    }
    decisions
}

type Answer = (Step, String, Option<Moment>);

fn record(
    view: &WanView,
    journal: &Journal,
    config: &Config,
    now: Moment,
    name: &Name,
    family: Family,
) -> Answer {
    let Some(wan) = view.find(name.wan.as_deref(), family) else {
        return (Step::Unknown, "the WAN was not looked at".into(), None);
    };
    let device = match &wan.device {
        Known::Unknown(why) => return (Step::Unknown, why.clone(), None),
        Known::Known(None) => return (Step::Absent, no_wan(name, family), None),
        Known::Known(Some((device, _))) => device,
    };
    let fingerprint = fingerprint(config, name);
    let known = journal.record(&key(name, family), fingerprint);
    let published = known.map(|record| &record.confirmed[..]).unwrap_or_default();

    let usable = |ip: IpAddr| choose::allowed(ip, name.shared_line, &config.assume_public);
    let (addresses, why) = match choose::choose(&wan.addresses, family, published, &usable) {
        Choice::Use(ip, why) => (vec![ip], format!("{} on {device}: {why}", is_what(ip))),
        Choice::None(rejected) => {
            let seen = seen(wan, device, &rejected);
            match name.shared_line {
                SharedLine::Outside if !worth_asking(wan) => return (Step::Absent, seen, None),
                SharedLine::Outside => match outside(journal, wan, now) {
                    Asked::Answer(ip, next) => {
                        let why = format!("the Internet sees {ip}; {seen}");
                        let (step, why, again) =
                            target(journal, config, now, name, family, vec![ip], why);
                        return (step, why, Some(again.map_or(next, |at| at.min(next))));
                    }
                    Asked::Trouble(why, next) => {
                        let why = format!("could not learn the outside address: {why}; {seen}");
                        return (Step::Unknown, why, Some(next));
                    }
                    Asked::NotYet => return (Step::Ask(Some(device.clone())), seen, None),
                },
                _ if wan.addresses.is_empty() || !shared(&rejected) => {
                    return (Step::Absent, seen, None);
                }
                _ => return (Step::Skip, skip(name, seen), None),
            }
        }
    };
    target(journal, config, now, name, family, addresses, why)
}

/// The addresses are settled: are they there already, may the provider be called?
fn target(
    journal: &Journal,
    config: &Config,
    now: Moment,
    name: &Name,
    family: Family,
    addresses: Vec<IpAddr>,
    why: String,
) -> Answer {
    let known = journal.record(&key(name, family), fingerprint(config, name));
    let Some(provider) =
        config.account(&name.account).and_then(|account| providers::find(&account.provider))
    else {
        return (Step::Unknown, "its account has no provider".into(), None);
    };
    if let Some(latch) = known.and_then(|record| record.latch.as_ref()) {
        return (Step::Latched, latch.clone(), None);
    }
    if !provider.local && known.is_some_and(|record| record.confirmed == addresses) {
        return (Step::Right(addresses), why, None);
    }
    let tried = known.map(|record| &record.tried[..]).unwrap_or_default();
    let none = Calls::default();
    let calls = journal.calls.get(&name.account).unwrap_or(&none);
    let until = not_before(calls, provider.min_interval, tried != addresses);
    if now < until {
        let trouble = known.map(|record| &record.trouble[..]).unwrap_or_default();
        let why = match trouble {
            "" => format!("{why}; {} is not called more often", provider.id),
            trouble => trouble.to_string(),
        };
        return (Step::Wait(addresses), why, Some(until));
    }
    (Step::Publish(addresses), why, None)
}

/// When an account may be called next.
fn not_before(calls: &Calls, min_interval: Duration, changed: bool) -> Moment {
    let spaced = calls.last.map_or(Duration::ZERO, |last| last + min_interval);
    let patience = match (changed, calls.last) {
        (true, Some(last)) => calls.backoff_until.min(last + CHANGED_RETRY),
        _ => calls.backoff_until,
    };
    calls.not_before.max(spaced).max(patience)
}

/// Can packets of this family leave here at all? IPv6 needs more than a link-local address;
/// IPv4 may need none (464XLAT), but then only a default route says so.
fn worth_asking(wan: &Wan) -> bool {
    wan.addresses.iter().any(|address| class(address.ip).kind.fits_a_record())
        || (wan.family == Family::Ipv4
            && !matches!(wan.device, Known::Known(Some((_, Because::Config)))))
}

enum Asked {
    Answer(IpAddr, Moment),
    Trouble(String, Moment),
    NotYet,
}

/// What the journal holds of lookups for this WAN, as long as nothing changed since.
fn outside(journal: &Journal, wan: &Wan, now: Moment) -> Asked {
    match journal.outside.get(&(wan.asked.clone().unwrap_or_default(), wan.family)) {
        Some(known) if known.seen_from == own(wan) && now < known.next => match known.answer {
            Some(ip) => Asked::Answer(ip, known.next),
            None => Asked::Trouble(known.trouble.clone(), known.next),
        },
        _ => Asked::NotYet,
    }
}

/// The WAN's own addresses, to tell whether an answer from outside still belongs to it.
pub fn own(wan: &Wan) -> Vec<IpAddr> {
    wan.addresses.iter().map(|address| address.ip).collect()
}

fn is_what(ip: IpAddr) -> String {
    let class = class(ip);
    if class.global { format!("{ip}") } else { format!("{ip} ({})", class.name) }
}

/// Some address is there that only its class keeps from being published.
fn shared(rejected: &[(IpAddr, choose::Reject)]) -> bool {
    rejected.iter().any(|(ip, _)| {
        let class = class(*ip);
        !class.global && class.kind.fits_a_record() && class.kind != Kind::UniqueLocal
    })
}

fn no_wan(name: &Name, family: Family) -> String {
    match &name.wan {
        Some(wan) => format!("'{wan}' is down or does not exist now"),
        None => format!("there is no {family} way to the Internet now"),
    }
}

fn seen(wan: &Wan, device: &str, rejected: &[(IpAddr, choose::Reject)]) -> String {
    if rejected.is_empty() {
        return format!("{device} has no {} address", wan.family);
    }
    let mut text = format!("{device} has ");
    for (index, (ip, reject)) in rejected.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(&format!("{ip} ({reject})"));
    }
    text
}

fn skip(name: &Name, seen: String) -> String {
    format!(
        "{seen}; nothing is published, because no connection from the Internet would arrive. \
         To publish what the Internet sees all the same, set option shared_line 'outside' in \
         section '{}'",
        name.section
    )
}

/// How we know the WAN, for people.
pub fn because(because: &Because) -> String {
    match because {
        Because::Config => "the config names it".into(),
        Because::Netifd(network) => format!("default route of network '{network}'"),
        Because::KernelRoute => "the kernel sends Internet traffic this way".into(),
    }
}
