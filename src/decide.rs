//! What to do for each record, and why. Pure: the same view, journal, config and moment give the
//! same decisions.
//!
//! The order of questions is the order of the code in [`record`]: is there a WAN, which address
//! counts, is it already there, may the provider be called now. "Could not tell" ends in doing
//! nothing, and nothing here ever deletes.

mod clock;

pub use clock::doubt;

use crate::choose::{self, Choice, Reject};
use crate::host::{self, Found, Published};
use crate::journal::{Calls, Journal, Moment, Outside, RecordKey};
use crate::line::{self, Facts};
use crate::model::address::{Kind, class};
use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::line::{Line, Verdict};
use crate::model::name::{Family, Name, SharedLine};
use crate::model::wan::{Because, Clock, Wan, WanView};
use crate::providers;
use std::net::IpAddr;
use std::time::Duration;

/// While an account fails, a new address may be tried this soon after the last call.
const CHANGED_RETRY: Duration = Duration::from_secs(1);

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
    /// The provider confirmed these, and they look public: lookups bound to this device shall
    /// tell whether the Internet sees them, too.
    Check(Vec<IpAddr>, String),
    /// These should be there, but the provider may not be called yet (see `again`).
    Wait(Vec<IpAddr>),
    /// These should be there, but the provider cannot be called before the clock is right.
    Clock(Vec<IpAddr>),
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
    if family == Family::Ipv6 && name.has_hosts() {
        let Some(lan) = view.lan(name.wan.as_deref(), &name.lan) else {
            return (Step::Unknown, "the LAN was not looked at".into(), None);
        };
        let together = together(journal, config, name);
        let published = Published { here: published, together: &together };
        return match host::find(lan, &view.leases, &name.hosts, published, &usable) {
            Found::All(addresses, why, again) => {
                let answer = target(view, journal, config, now, name, family, addresses, why);
                sooner(answer, again.map(|after| now + after))
            }
            Found::NoPrefix(why) => (Step::Absent, why, None),
            Found::Unknown(why, again) => (Step::Unknown, why, again.map(|after| now + after)),
        };
    }
    let verdict = verdict(journal, config, wan);
    if verdict.line == Line::VpnEgress && name.wan.is_none() && name.shared_line != SharedLine::Wan
    {
        return (Step::Skip, vpn(name, device), None);
    }
    let (addresses, why, ends) = match choose::choose(&wan.addresses, family, published, &usable) {
        Choice::Use(ip, why) => {
            let chosen = wan.addresses.iter().find(|address| address.ip == ip);
            let ends = end(chosen.and_then(|address| address.preferred), now);
            let mut why = format!("{} on {device}: {why}", is_what(ip));
            if let Line::Map { .. } = verdict.line {
                why.push_str("; it is shared by ports, see reachd line");
            }
            match unseen(journal, config, wan, name) {
                Some(other) => {
                    let seen = format!("{device} has {ip}, but the Internet sees {other}");
                    (Vec::new(), seen, None)
                }
                None => (vec![ip], why, ends),
            }
        }
        Choice::None(rejected) => {
            let seen = seen(wan, device, &rejected);
            let translated = matches!(verdict.line, Line::DsLite | Line::Xlat464);
            let asks = name.shared_line == SharedLine::Outside;
            if (asks && !worth_asking(wan)) || (!asks && !translated && !shared(&rejected)) {
                return (Step::Absent, seen, None);
            }
            (Vec::new(), seen, None)
        }
    };
    if !addresses.is_empty() {
        let check = match name.shared_line == SharedLine::Outside && published == addresses {
            true if view.clock == Clock::Right => unchecked(journal, wan, now),
            _ => None,
        };
        if check.is_some_and(|at| at <= now) {
            return (Step::Check(addresses, device.clone()), why, None);
        }
        let answer = target(view, journal, config, now, name, family, addresses, why);
        return sooner(sooner(answer, ends), check);
    }
    let seen = why;
    // The line is shared: the owner's policy counts.
    if name.shared_line != SharedLine::Outside {
        return (Step::Skip, skip(name, seen, &verdict.line), None);
    }
    match outside(journal, wan, now) {
        Asked::Answer(ip, next) => {
            let why = format!("the Internet sees {ip}; {seen}");
            sooner(target(view, journal, config, now, name, family, vec![ip], why), Some(next))
        }
        Asked::Trouble(why, next) => (Step::Unknown, format!("{why}; {seen}"), Some(next)),
        Asked::NotYet => match clock::gate(view, config, name) {
            Some(why) => (Step::Unknown, why, Some(now + clock::RETRY)),
            None => (Step::Ask(Some(device.clone())), seen, None),
        },
    }
}

/// The verdict on a WAN's line, by what one look and remembered lookups tell.
pub fn verdict(journal: &Journal, config: &Config, wan: &Wan) -> Verdict {
    let seen = remembered(journal, wan).map(|known| &known.seen[..]).unwrap_or_default();
    let assume_public = &config.assume_public[..];
    line::verdict(&Facts { wan, seen, gateway: None, hops: &[], assume_public })
}

/// The IPv4 address that the Internet sees, if lookups agreed on one that is none of the WAN's
/// own though one of those looks public.
fn unseen(journal: &Journal, config: &Config, wan: &Wan, name: &Name) -> Option<IpAddr> {
    let asked = name.shared_line != SharedLine::Wan && wan.family == Family::Ipv4;
    let seen = &remembered(journal, wan).filter(|_| asked)?.seen;
    line::sees_another(wan, seen, &config.assume_public)
}

/// So many looks that bring nothing, and a public address is taken at its word.
pub const CHECKS: u32 = 3;

/// When to ask whether the Internet sees an IPv4 address that looks public; `None`: it is known,
/// or could not be learnt.
fn unchecked(journal: &Journal, wan: &Wan, now: Moment) -> Option<Moment> {
    match remembered(journal, wan) {
        _ if wan.family == Family::Ipv6 => None,
        None => Some(now),
        Some(known) => {
            (known.seen.is_empty() && known.failures < CHECKS).then_some(known.next.max(now))
        }
    }
}

/// When a lifetime is over. The kernel tells of it as well, but what netifd assigned may be ahead
/// of the kernel. Zero has ended already: an IPv4 address may be all there is.
fn end(lifetime: Option<Duration>, now: Moment) -> Option<Moment> {
    // The kernel counts whole seconds.
    lifetime.filter(|left| !left.is_zero()).map(|left| now + left + Duration::from_secs(1))
}

/// Decides again at `other` at the latest.
fn sooner((step, why, again): Answer, other: Option<Moment>) -> Answer {
    let again = match (again, other) {
        (Some(at), Some(other)) => Some(at.min(other)),
        (at, other) => at.or(other),
    };
    (step, why, again)
}

/// What is published of the hosts of this LAN, in all their names.
fn together(journal: &Journal, config: &Config, name: &Name) -> Vec<IpAddr> {
    let same = |other: &&Name| other.has_hosts() && other.wan == name.wan && other.lan == name.lan;
    let names = config.names.iter().filter(same);
    let records = names
        .filter_map(|name| journal.record(&key(name, Family::Ipv6), fingerprint(config, name)));
    records.flat_map(|record| record.confirmed.iter().copied()).collect()
}

/// The addresses are settled: are they there already, may the provider be called?
#[allow(clippy::too_many_arguments)] // each is one fact of the question
fn target(
    view: &WanView,
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
    if let Some(why) = clock::gate(view, config, name) {
        return (Step::Clock(addresses), why, Some(now + clock::RETRY));
    }
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
pub fn worth_asking(wan: &Wan) -> bool {
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
    match remembered(journal, wan) {
        Some(known) if now < known.next => match known.answer {
            Some(ip) => Asked::Answer(ip, known.next),
            None => Asked::Trouble(known.trouble.clone(), known.next),
        },
        _ => Asked::NotYet,
    }
}

/// What lookups said of this WAN while it had the addresses that it has now.
pub fn remembered<'j>(journal: &'j Journal, wan: &Wan) -> Option<&'j Outside> {
    let known = journal.outside.get(&(wan.asked.clone().unwrap_or_default(), wan.family))?;
    (known.seen_from == own(wan)).then_some(known)
}

/// The address that the WAN sends from.
pub fn source(wan: &Wan) -> Option<IpAddr> {
    own(wan).into_iter().find(|ip| class(*ip).kind.fits_a_record())
}

/// The WAN's own addresses, to tell whether an answer from outside still belongs to it.
pub fn own(wan: &Wan) -> Vec<IpAddr> {
    wan.addresses.iter().map(|address| address.ip).collect()
}

fn is_what(ip: IpAddr) -> String {
    let class = class(ip);
    if class.global { format!("{ip}") } else { format!("{ip}, {},", class.name) }
}

/// Some address is there that only its class keeps from being published.
fn shared(rejected: &[(IpAddr, Reject)]) -> bool {
    rejected.iter().any(|(_, reject)| match reject {
        Reject::Class(class) => {
            !class.global && class.kind.fits_a_record() && class.kind != Kind::UniqueLocal
        }
        _ => false,
    })
}

fn no_wan(name: &Name, family: Family) -> String {
    match &name.wan {
        Some(wan) => format!("'{wan}' is down or does not exist now"),
        None => format!("there is no {family} way to the Internet now"),
    }
}

fn seen(wan: &Wan, device: &str, rejected: &[(IpAddr, Reject)]) -> String {
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

fn skip(name: &Name, seen: String, line: &Line) -> String {
    let why = match line {
        Line::DoubleNat { .. } => "connections reach that router first",
        _ => "no connection from the Internet would arrive",
    };
    let title = match line {
        Line::Unknown => String::new(),
        _ => format!("; {}", line::title(line)),
    };
    format!(
        "{seen}{title}; nothing is published, because {why}. To publish what the Internet sees \
         all the same, set option shared_line 'outside' in section '{}'",
        name.section
    )
}

fn vpn(name: &Name, device: &str) -> String {
    format!(
        "packets to the Internet leave by {device}, a VPN, and what is seen there is the VPN's \
         address; nothing is published. Name your ISP's network with option wan in section '{}', \
         or '{device}' if you want the VPN's address",
        name.section
    )
}

/// How we know the WAN, for people.
pub fn because(because: &Because) -> String {
    match because {
        Because::Config => "the config names it".into(),
        Because::Netifd(network) => format!("default route of network '{network}'"),
        Because::KernelRoute => "the kernel sends Internet traffic this way".into(),
        Because::KernelSource => "the kernel sends packets from its address this way".into(),
    }
}

#[cfg(test)]
mod tests {
    mod hosts;
    mod lines;

    use super::*;
    use crate::journal::{Outside, Record};
    use crate::model::account::Account;
    use crate::model::config::{Config, Lookup};
    use crate::model::outcome::Outcome;
    use crate::model::wan::Address;

    const NOW: Moment = Duration::from_secs(1000);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// One name, `home`, at one account, `mine`.
    fn config(provider: &str, shared_line: SharedLine) -> Config {
        Config {
            enabled: true,
            log_level: log::LevelFilter::Info,
            journal: String::new(),
            journal_copy: None,
            assume_public: Vec::new(),
            coalesce: Duration::ZERO,
            hooks_dir: String::new(),
            report: None,
            report_every: Duration::ZERO,
            lookup: Lookup {
                services: Vec::new(),
                agree: 2,
                interval: Duration::from_secs(300),
                ca_file: None,
                allow_http: false,
                gateway_map: false,
                resolvers: Vec::new(),
            },
            accounts: vec![Account {
                id: "mine".into(),
                provider: provider.into(),
                options: Default::default(),
                fingerprint: 1,
                wan: None,
                ca_file: None,
                allow_http: false,
            }],
            accepts: Vec::new(),
            hooks: Vec::new(),
            names: vec![Name {
                section: "home".into(),
                fqdn: "home.example.org".into(),
                account: "mine".into(),
                wan: None,
                families: vec![Family::Ipv4],
                ttl: None,
                shared_line,
                hosts: Vec::new(),
                lan: "lan".into(),
                fingerprint: 2,
            }],
        }
    }

    fn view(device: Known<Option<&str>>, addresses: &[&str]) -> WanView {
        let address = |text: &&str| Address {
            ip: ip(text),
            prefix_len: 24,
            flags: Address::PERMANENT,
            preferred: None,
            valid: None,
        };
        let device = match device {
            Known::Known(device) => {
                Known::Known(device.map(|device| (device.to_string(), Because::KernelRoute)))
            }
            Known::Unknown(why) => Known::Unknown(why),
        };
        let addresses = addresses.iter().map(address).collect();
        let access = Default::default();
        let wans = vec![Wan { asked: None, family: Family::Ipv4, device, addresses, access }];
        WanView { wans, ..WanView::default() }
    }

    fn one(view: &WanView, journal: &Journal, config: &Config) -> Decision {
        let mut decisions = decide(view, journal, config, NOW);
        assert_eq!(decisions.len(), 1);
        decisions.remove(0)
    }

    fn eth(addresses: &[&str]) -> WanView {
        view(Known::Known(Some("eth1")), addresses)
    }

    fn confirmed(config: &Config, address: &str) -> Journal {
        let mut journal = Journal::default();
        let key = key(&config.names[0], Family::Ipv4);
        let fingerprint = fingerprint(config, &config.names[0]);
        journal.before("mine", NOW / 2, [(key.clone(), fingerprint, &[ip(address)][..])]);
        journal.after("mine", NOW / 2, 0, [(&key, &Outcome::Updated)]);
        journal
    }

    #[test]
    fn a_public_address_is_published_at_once() {
        let config = config("cloudflare", SharedLine::Skip);
        let decision = one(&eth(&["93.184.7.20"]), &Journal::default(), &config);
        assert_eq!(decision.step, Step::Publish(vec![ip("93.184.7.20")]));
        assert_eq!(decision.why, "93.184.7.20 on eth1: the only address that may be published");
    }

    #[test]
    fn what_is_confirmed_is_left_alone() {
        let config = config("cloudflare", SharedLine::Skip);
        let journal = confirmed(&config, "93.184.7.20");
        let decision = one(&eth(&["93.184.7.20"]), &journal, &config);
        assert_eq!(decision.step, Step::Right(vec![ip("93.184.7.20")]));
        assert_eq!(decision.again, None, "only a change can matter");
        let decision = one(&eth(&["93.184.7.21"]), &journal, &config);
        assert_eq!(decision.step, Step::Publish(vec![ip("93.184.7.21")]));
    }

    #[test]
    fn an_unknown_wan_changes_nothing() {
        let config = config("cloudflare", SharedLine::Outside);
        for device in [Known::unknown("the kernel did not answer"), Known::Known(None)] {
            let known = matches!(device, Known::Known(_));
            let decision = one(&view(device, &[]), &Journal::default(), &config);
            let want = if known { Step::Absent } else { Step::Unknown };
            assert_eq!(decision.step, want);
        }
    }

    #[test]
    fn a_shared_address_follows_the_owners_policy() {
        let journal = Journal::default();
        let cgnat = eth(&["100.64.7.9"]);
        let decision = one(&cgnat, &journal, &config("cloudflare", SharedLine::Skip));
        assert_eq!(decision.step, Step::Skip);
        for part in ["100.64.7.9", "Shared Address Space", "RFC 6598", "section 'home'"] {
            assert!(decision.why.contains(part), "{}", decision.why);
        }
        let decision = one(&cgnat, &journal, &config("hosts", SharedLine::Wan));
        assert_eq!(decision.step, Step::Publish(vec![ip("100.64.7.9")]));
        let decision = one(&cgnat, &journal, &config("cloudflare", SharedLine::Outside));
        assert_eq!(decision.step, Step::Ask(Some("eth1".into())));
    }

    #[test]
    fn an_outside_answer_belongs_to_the_address_it_was_asked_from() {
        let config = config("cloudflare", SharedLine::Outside);
        let mut journal = Journal::default();
        let outside = Outside {
            seen_from: vec![ip("100.64.7.9")],
            answer: Some(ip("93.184.7.20")),
            next: NOW + Duration::from_secs(60),
            ..Outside::default()
        };
        journal.outside.insert((String::new(), Family::Ipv4), outside);
        let decision = one(&eth(&["100.64.7.9"]), &journal, &config);
        assert_eq!(decision.step, Step::Publish(vec![ip("93.184.7.20")]));
        assert_eq!(decision.again, Some(NOW + Duration::from_secs(60)));
        let decision = one(&eth(&["100.64.7.10"]), &journal, &config);
        assert_eq!(decision.step, Step::Ask(Some("eth1".into())), "it is another line now");
    }

    #[test]
    fn failed_lookups_change_nothing_and_name_the_next_look() {
        let config = config("cloudflare", SharedLine::Outside);
        let mut journal = confirmed(&config, "93.184.7.20");
        let outside = Outside {
            seen_from: vec![ip("100.64.7.9")],
            trouble: "services disagree".into(),
            next: NOW + Duration::from_secs(30),
            ..Outside::default()
        };
        journal.outside.insert((String::new(), Family::Ipv4), outside);
        let decision = one(&eth(&["100.64.7.9"]), &journal, &config);
        assert_eq!(decision.step, Step::Unknown);
        assert_eq!(decision.again, Some(NOW + Duration::from_secs(30)));
    }

    #[test]
    fn a_latch_holds_until_the_sections_change() {
        let mut config = config("cloudflare", SharedLine::Skip);
        let mut journal = confirmed(&config, "93.184.7.20");
        let key = key(&config.names[0], Family::Ipv4);
        journal.after("mine", NOW, 0, [(&key, &Outcome::FixConfig("bad token".into()))]);
        let decision = one(&eth(&["93.184.7.21"]), &journal, &config);
        assert_eq!((decision.step, decision.again), (Step::Latched, None));
        config.accounts[0].fingerprint = 7;
        let decision = one(&eth(&["93.184.7.21"]), &journal, &config);
        assert_eq!(decision.step, Step::Publish(vec![ip("93.184.7.21")]));
    }

    #[test]
    fn waits_of_the_provider_are_never_shortened_ours_are_for_a_new_address() {
        let calls = |not_before: u64, backoff: u64| Calls {
            last: Some(Duration::from_secs(990)),
            failures: 3,
            not_before: Duration::from_secs(not_before),
            backoff_until: Duration::from_secs(backoff),
        };
        let five = Duration::from_secs(5);
        let until = |calls: Calls, changed| not_before(&calls, five, changed).as_secs();
        assert_eq!(until(calls(0, 0), false), 995, "the provider's interval");
        assert_eq!(until(calls(0, 1500), false), 1500, "our backoff");
        assert_eq!(until(calls(0, 1500), true), 995, "a new address: soon, at the interval");
        assert_eq!(not_before(&calls(0, 1500), Duration::ZERO, true).as_secs(), 991);
        assert_eq!(until(calls(1800, 1500), true), 1800, "the provider's word");
        assert_eq!(not_before(&Calls::default(), five, false), Duration::ZERO);
    }

    #[test]
    fn a_wait_says_until_when() {
        let config = config("cloudflare", SharedLine::Skip);
        let mut journal = Journal::default();
        let key = key(&config.names[0], Family::Ipv4);
        let fingerprint = fingerprint(&config, &config.names[0]);
        journal.before("mine", NOW, [(key.clone(), fingerprint, &[ip("93.184.7.20")][..])]);
        journal.after("mine", NOW, 0, [(&key, &Outcome::TryLater("no answer".into()))]);
        let decision = one(&eth(&["93.184.7.20"]), &journal, &config);
        assert_eq!(decision.step, Step::Wait(vec![ip("93.184.7.20")]));
        assert_eq!(decision.why, "no answer");
        assert_eq!(decision.again, Some(NOW + Duration::from_secs(5)), "the provider's interval");
    }

    #[test]
    fn a_record_of_other_sections_is_no_memory() {
        let config = config("cloudflare", SharedLine::Skip);
        let mut journal = confirmed(&config, "93.184.7.20");
        for record in journal.records.values_mut() {
            *record = Record { fingerprint: 99, ..record.clone() };
        }
        let decision = one(&eth(&["93.184.7.20"]), &journal, &config);
        assert_eq!(decision.step, Step::Publish(vec![ip("93.184.7.20")]));
    }
}
