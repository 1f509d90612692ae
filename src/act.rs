//! Carries out decisions: asks the outside, calls the providers, and notes in the journal what
//! happened. When and whether is `decide`'s business.

use crate::decide::{self, Decision, Step};
use crate::dry::Dry;
use crate::journal::{Journal, Outside, OutsideKey, RecordKey, backoff};
use crate::lookup;
use crate::lookup::gateway::Router;
use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::line::{Means, Seen};
use crate::model::name::{Family, Want};
use crate::model::outcome::Outcome;
use crate::model::wan::{Clock, WanView};
use crate::observe;
use crate::providers;
use crate::world::Sys;
use log::debug;
use std::net::IpAddr;
use std::time::Duration;

/// First wait after lookups that brought no answer; doubles up to the configured interval.
const FIRST_LOOKUP_RETRY: Duration = Duration::from_secs(30);

/// What became of one record that was handed to its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Index into `config.names`.
    pub name: usize,
    pub family: Family,
    pub addresses: Vec<IpAddr>,
    pub outcome: Outcome,
}

/// Asks the outside where a decision waits for it. `save` is called when the journal must be on
/// disk. True if anything was learnt, so that deciding again makes sense.
pub fn ask_outside(
    sys: &mut dyn Sys,
    config: &Config,
    journal: &mut Journal,
    view: &WanView,
    decisions: &[Decision],
    save: &mut dyn FnMut(&mut dyn Sys, &Journal),
) -> bool {
    let mut asked = Vec::new();
    for decision in decisions {
        let (device, needed) = match &decision.step {
            Step::Ask(device) => (device.as_deref(), true),
            Step::Check(_, device) => (Some(&device[..]), false),
            _ => continue,
        };
        let wan = &config.names[decision.name].wan;
        let key = (wan.clone().unwrap_or_default(), decision.family);
        if asked.contains(&key) {
            continue;
        }
        let own = view.find(wan.as_deref(), decision.family).map(decide::own).unwrap_or_default();
        if !needed && !can_spare(sys, config, journal, decision.family) {
            let entry = Outside { seen_from: own, failures: decide::CHECKS, ..Outside::default() };
            journal.outside.insert(key.clone(), entry);
            asked.push(key);
            continue;
        }
        let asking = Asking { key: key.clone(), device, own, all: false, clock: view.clock };
        if ask_one(sys, config, journal, asking, save).is_none() {
            break;
        }
        asked.push(key);
    }
    if !asked.is_empty() {
        sys.done();
        save(sys, journal);
    }
    !asked.is_empty()
}

/// After a check, enough services must be left for when the line changes and they are needed.
fn can_spare(sys: &mut dyn Sys, config: &Config, journal: &Journal, family: Family) -> bool {
    let services = lookup::services(&config.lookup, family);
    let free = |url: &str| journal.services.get(&(url.to_string(), family)).copied();
    !lookup::pick(&services, &free, sys.now(), 2 * config.lookup.agree.max(1)).ask.is_empty()
}

/// For which WAN the outside is asked.
#[derive(Clone, Debug)]
pub struct Asking<'d> {
    pub key: OutsideKey,
    pub device: Option<&'d str>,
    /// The WAN's addresses, to which the answer belongs.
    pub own: Vec<IpAddr>,
    /// Every service, also when fewer would do.
    pub all: bool,
    /// While it cannot be believed, services behind TLS are left for later.
    pub clock: Clock,
}

/// Asks for one WAN and notes the answer. What each service said; `None` if TERM or INT came in
/// between.
pub fn ask_one(
    sys: &mut dyn Sys,
    config: &Config,
    journal: &mut Journal,
    asking: Asking,
    save: &mut dyn FnMut(&mut dyn Sys, &Journal),
) -> Option<Vec<Seen>> {
    let (answer, said) = ask(sys, config, journal, &asking, save);
    let Asking { key, own, .. } = asking;
    if sys.stopping() {
        return None;
    }
    let now = sys.now();
    let chance = sys.chance();
    let entry = journal.outside.entry(key).or_default();
    *entry = remember(entry, own, (answer, &said), config.lookup.interval, now, chance);
    Some(said)
}

/// What the journal keeps of a look from outside, after what it kept of the last.
fn remember(
    last: &Outside,
    own: Vec<IpAddr>,
    (answer, said): (Answer, &[Seen]),
    interval: Duration,
    now: Duration,
    chance: u64,
) -> Outside {
    let same = last.seen_from == own;
    let failures = match (&answer, same) {
        (Answer::Known(_), _) => 0,
        (_, true) => last.failures.saturating_add(1),
        (_, false) => 1,
    };
    let retry = backoff(failures.saturating_sub(1), FIRST_LOOKUP_RETRY, chance);
    // A look that brought nothing does not take back what others agreed on.
    let seen = match answer {
        Answer::Known(_) => said.iter().filter(|one| one.answer.is_ok()).cloned().collect(),
        _ if same => last.seen.clone(),
        _ => Vec::new(),
    };
    let (answer, trouble, next) = match answer {
        Answer::Known(ip) => (Some(ip), String::new(), now + interval),
        Answer::Unknown(why) => (None, why, now + retry.min(interval)),
        Answer::TooSoon(at) => (None, "the services were asked a moment ago".into(), at.max(now)),
    };
    Outside { seen_from: own, answer, trouble, asked_at: now, next, failures, seen }
}

enum Answer {
    Known(IpAddr),
    Unknown(String),
    TooSoon(Duration),
}

fn ask(
    sys: &mut dyn Sys,
    config: &Config,
    journal: &mut Journal,
    asking: &Asking,
    save: &mut dyn FnMut(&mut dyn Sys, &Journal),
) -> (Answer, Vec<Seen>) {
    let now = sys.now();
    let Asking { key: (_, family), device, all, .. } = *asking;
    let mut services = lookup::services(&config.lookup, family);
    let doubt = decide::doubt(asking.clock);
    if doubt.is_some() {
        services.retain(|one| lookup::service::means(&one.url) != Means::Https);
    }
    let free = |url: &str| journal.services.get(&(url.to_string(), family)).copied();
    let pick = lookup::pick(&services, &free, now, config.lookup.agree);
    if pick.ask.is_empty() {
        let answer = match pick.earliest {
            Some(at) => Answer::TooSoon(at),
            None => Answer::Unknown(doubt.unwrap_or_else(|| {
                format!(
                    "fewer than {} independent lookup services are configured for {family}",
                    config.lookup.agree
                )
            })),
        };
        return (answer, Vec::new());
    }
    // Noted before they are asked: a crash in the middle must not ask them again at once.
    for service in &pick.ask {
        let key = (service.url.clone(), family);
        journal.services.insert(key, now + service.min_interval);
    }
    save(sys, journal);
    sys.progress(&format!("asking which {family} address the Internet sees"));
    let asks_router = pick.ask.iter().any(|one| one.url == lookup::GATEWAY);
    let router = device.filter(|_| asks_router).and_then(|device| router(sys, device, family));
    let question = lookup::Question {
        family,
        device,
        ca_file: config.lookup.ca_file.as_deref(),
        allow_http: config.lookup.allow_http,
        agree: config.lookup.agree,
        all,
        router,
        assume_public: &config.assume_public,
    };
    let mut touched = Vec::new();
    let asked = lookup::ask(sys, &pick.ask, &question, &mut |url| touched.push(url.to_string()));
    for seen in &asked.answers {
        match &seen.answer {
            Ok(ip) => debug!("lookup {}: {ip}", seen.service),
            Err(why) => debug!("lookup {}: {why}", seen.service),
        }
    }
    // Services that were not needed are free again; those that want a longer rest get it.
    for service in &pick.ask {
        if !touched.contains(&service.url) {
            journal.services.remove(&(service.url.clone(), family));
        }
    }
    for (url, rest) in asked.wait {
        let free = journal.services.entry((url, family)).or_default();
        *free = (now + rest).max(*free);
    }
    let answer = match asked.verdict {
        Known::Known(ip) => Answer::Known(ip),
        Known::Unknown(why) => Answer::Unknown(why),
    };
    (answer, asked.answers)
}

/// Whom to ask about the NAT above a device's link; see `lookup::gateway` why no IPv6 router.
pub fn router(sys: &mut dyn Sys, device: &str, family: Family) -> Option<Router> {
    match observe::above(sys, device, family)? {
        (IpAddr::V4(address), own) => Some(Router { address, own }),
        _ => None,
    }
}

/// The records of an account that are to be published.
fn due<'d>(
    config: &Config,
    account: &str,
    decisions: &'d [Decision],
) -> Vec<(&'d Decision, RecordKey, Want)> {
    let mut due = Vec::new();
    for decision in decisions {
        let name = &config.names[decision.name];
        let Step::Publish(addresses) = &decision.step else { continue };
        if name.account != account {
            continue;
        }
        let want = Want {
            fqdn: name.fqdn.clone(),
            family: decision.family,
            addresses: addresses.clone(),
            ttl: name.ttl,
        };
        due.push((decision, decide::key(name, decision.family), want));
    }
    due
}

/// What [`publish`] would send first for each account, as text. Sends, writes and notes nothing.
pub fn rehearse(sys: &mut dyn Sys, config: &Config, decisions: &[Decision]) -> String {
    let mut text = String::new();
    for account in &config.accounts {
        let Some(provider) = providers::find(&account.provider) else { continue };
        let wants: Vec<Want> =
            due(config, &account.id, decisions).into_iter().map(|(_, _, want)| want).collect();
        if wants.is_empty() {
            continue;
        }
        let mut account = account.clone();
        let device = observe::account_device(sys, account.wan.as_deref());
        let (shown, outcomes) = match device {
            Ok(device) => {
                account.wan = device;
                let mut dry = Dry::new(sys, &account);
                let outcomes = (provider.publish)(&mut dry, &account, &wants);
                (dry.into_text(), outcomes)
            }
            Err(why) => (format!("  {why}\n"), Vec::new()),
        };
        text.push_str(&format!(
            "\nAccount '{}' ({}), {} record(s); not sent:\n{shown}",
            account.id,
            provider.id,
            wants.len()
        ));
        // What was found wrong before anything was to be sent.
        let mut told: Vec<&str> = Vec::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.is_permanent()) {
            if !told.contains(&outcome.text()) {
                told.push(outcome.text());
                text.push_str(&format!("  but: {}\n", outcome.text()));
            }
        }
    }
    if text.is_empty() { "\nNothing is to be sent.\n".into() } else { text }
}

/// Hands every record that is to be published to its provider, one call for each account.
pub fn publish(
    sys: &mut dyn Sys,
    config: &Config,
    journal: &mut Journal,
    decisions: &[Decision],
    save: &mut dyn FnMut(&mut dyn Sys, &Journal),
) -> Vec<Happened> {
    let mut happened = Vec::new();
    for account in &config.accounts {
        let Some(provider) = providers::find(&account.provider) else { continue };
        let due = due(config, &account.id, decisions);
        if due.is_empty() || sys.stopping() {
            continue;
        }
        let wants: Vec<Want> = due.iter().map(|(_, _, want)| want.clone()).collect();
        journal.before(
            &account.id,
            sys.now(),
            due.iter().map(|(decision, key, want)| {
                let fingerprint = decide::fingerprint(config, &config.names[decision.name]);
                (key.clone(), fingerprint, &want.addresses[..])
            }),
        );
        if !provider.local {
            save(sys, journal);
        }
        sys.progress(&format!("publishing {} records at {}", wants.len(), provider.id));
        // `option wan` of an account names a network; requests are bound to its device.
        let mut account = account.clone();
        let outcomes = match observe::account_device(sys, account.wan.as_deref()) {
            Ok(device) => {
                account.wan = device;
                (provider.publish)(sys, &account, &wants)
            }
            Err(why) => wants.iter().map(|_| Outcome::TryLater(why.clone())).collect(),
        };
        sys.done();
        let stopped = sys.stopping();
        let (now, chance) = (sys.now(), sys.chance());
        let mut outcomes = outcomes.into_iter();
        let mut told = Vec::new();
        for (decision, key, want) in &due {
            let outcome = outcomes
                .next()
                .unwrap_or_else(|| Outcome::Bug("the provider gave no answer for it".into()));
            // Being stopped is nobody's failure: what may have happened is noted, nothing told.
            if stopped && !outcome.is_right() {
                if matches!(outcome, Outcome::NotConfirmed(_)) {
                    told.push((key, outcome));
                }
                continue;
            }
            told.push((key, outcome.clone()));
            happened.push(Happened {
                name: decision.name,
                family: decision.family,
                addresses: want.addresses.clone(),
                outcome,
            });
        }
        journal.after(&account.id, now, chance, told.iter().map(|(key, outcome)| (*key, outcome)));
        if stopped && let Some(calls) = journal.calls.get_mut(&account.id) {
            calls.backoff_until = Duration::ZERO;
        }
        if !provider.local || told.iter().any(|(_, outcome)| *outcome != Outcome::AlreadyRight) {
            save(sys, journal);
        }
    }
    happened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::wan::{Address, Because, Wan};
    use crate::world::{DnsTransport, HttpReply, HttpRequest, Net, NetError, NetErrorKind, Via};

    /// Three services, a.example, b.example and c.example, that say what the test wants; `None`:
    /// silence.
    struct Outer {
        says: [Option<&'static str>; 3],
        asked: usize,
    }

    impl Net for Outer {
        fn http(&mut self, request: &HttpRequest, _: &Via) -> Result<HttpReply, NetError> {
            self.asked += 1;
            let index = usize::from(request.url.as_bytes()[8] - b'a');
            let silence = NetError { kind: NetErrorKind::Deadline, text: "no".into(), sent: true };
            let body = self.says[index].ok_or(silence)?;
            Ok(HttpReply { status: 200, headers: Vec::new(), body: body.into() })
        }
        fn dns(
            &mut self,
            _: &str,
            _: &[u8],
            _: DnsTransport,
            _: &Via,
        ) -> Result<Vec<u8>, NetError> {
            panic!("no DNS here")
        }
        fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
            panic!("{path}")
        }
        fn replace_file(&mut self, path: &str, _: &[u8], _: u32) -> Result<(), String> {
            panic!("{path}")
        }
        fn wall_clock(&self) -> u64 {
            0
        }
        fn chance(&mut self) -> u64 {
            0
        }
        fn done(&mut self) {}
    }

    const TEXT: &str = "config lookup 'outside'\n\tlist url 'https://a.example/'\n\
        \tlist url 'https://b.example/'\n\tlist url 'https://c.example/'\n\
        config account 'cf'\n\toption provider 'cloudflare'\n\toption token 't0123456789'\n\
        config name 'home'\n\toption fqdn 'home.example.org'\n\toption account 'cf'\n\
        \tlist family 'ipv4'\n\toption shared_line 'outside'\n";

    /// A line with 100.64.7.9.
    fn shared() -> WanView {
        let address = Address {
            ip: "100.64.7.9".parse().unwrap(),
            prefix_len: 10,
            flags: Address::PERMANENT,
            preferred: None,
            valid: None,
        };
        let mut view = WanView::default();
        view.wans.push(Wan {
            asked: None,
            family: Family::Ipv4,
            device: Known::Known(Some(("wan0".into(), Because::KernelRoute))),
            addresses: vec![address],
            access: Default::default(),
        });
        view
    }

    /// One look and what it leads to. The journal has been saved and read again before, as by a
    /// restart.
    fn look(outer: &mut Outer, config: &Config, journal: &mut Journal, now: Duration) -> Step {
        let text = journal.to_text("boot", now);
        *journal = Journal::from_text(text.as_bytes(), "boot", now).unwrap();
        let view = shared();
        let decision = decide::decide(&view, journal, config, now).remove(0);
        assert!(matches!(decision.step, Step::Ask(_)), "{decision:?}");
        let question = lookup::Question {
            family: Family::Ipv4,
            device: None,
            ca_file: None,
            allow_http: false,
            agree: config.lookup.agree,
            all: false,
            router: None,
            assume_public: &[],
        };
        let services = lookup::services(&config.lookup, Family::Ipv4);
        let asked = lookup::ask(outer, &services, &question, &mut |_| {});
        let answer = match asked.verdict {
            Known::Known(ip) => Answer::Known(ip),
            Known::Unknown(why) => Answer::Unknown(why),
        };
        let last = journal.outside.entry((String::new(), Family::Ipv4)).or_default();
        let own = decide::own(&view.wans[0]);
        *last = remember(last, own, (answer, &asked.answers), config.lookup.interval, now, 0);
        let decision = decide::decide(&view, journal, config, now).remove(0);
        if let Step::Publish(addresses) = &decision.step {
            let name = &config.names[0];
            let key = decide::key(name, Family::Ipv4);
            let fingerprint = decide::fingerprint(config, name);
            journal.before("cf", now, [(key.clone(), fingerprint, &addresses[..])]);
            journal.after("cf", now, 0, [(&key, &Outcome::Updated)]);
        }
        decision.step
    }

    #[test]
    fn only_a_quorum_replaces_what_is_published() {
        let (config, complaints) =
            crate::config::read("test", TEXT.as_bytes(), 0o600, &mut |_| Err("no files".into()));
        let config = config.unwrap_or_else(|| panic!("{complaints:?}"));
        let mut journal = Journal::default();
        let mut now = Duration::from_secs(1000);
        const OLD: Option<&str> = Some("93.184.7.20");
        const NEW: Option<&str> = Some("93.184.7.21");
        const ODD: Option<&str> = Some("93.184.7.22");
        let ip = |text: Option<&str>| vec![text.unwrap().parse::<IpAddr>().unwrap()];
        // What they say, how many are asked, what follows, and what is confirmed then.
        let cases = [
            ([OLD, OLD, OLD], 2, Step::Publish(ip(OLD)), OLD),
            ([OLD, OLD, NEW], 2, Step::Right(ip(OLD)), OLD),
            // One that is wrong is outvoted, one that is silent is replaced.
            ([NEW, OLD, OLD], 3, Step::Right(ip(OLD)), OLD),
            ([None, OLD, OLD], 3, Step::Right(ip(OLD)), OLD),
            // Nobody is believed.
            ([NEW, OLD, ODD], 3, Step::Unknown, OLD),
            ([NEW, None, None], 3, Step::Unknown, OLD),
            ([None, None, None], 2, Step::Unknown, OLD),
            ([NEW, None, NEW], 3, Step::Publish(ip(NEW)), NEW),
            ([NEW, NEW, OLD], 2, Step::Right(ip(NEW)), NEW),
        ];
        for (says, asked, step, confirmed) in cases {
            now += config.lookup.interval;
            let mut outer = Outer { says, asked: 0 };
            assert_eq!(look(&mut outer, &config, &mut journal, now), step, "{says:?}");
            assert_eq!(outer.asked, asked, "{says:?}");
            let held = journal.records.values().next().map(|record| &record.confirmed);
            assert_eq!(held, Some(&ip(confirmed)), "{says:?}");
        }
    }
}
