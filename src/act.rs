//! Carries out decisions: asks the outside, calls the providers, and notes in the journal what
//! happened. When and whether is `decide`'s business.

use crate::decide::{self, Decision, Step};
use crate::dry::Dry;
use crate::journal::{Journal, Outside, OutsideKey, RecordKey, backoff};
use crate::lookup;
use crate::lookup::gateway::Router;
use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::line::Seen;
use crate::model::name::{Family, Want};
use crate::model::outcome::Outcome;
use crate::model::wan::WanView;
use crate::observe;
use crate::providers;
use crate::world::{RouteQuery, Sys};
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
        let asking = Asking { key: key.clone(), device, own, all: false };
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
    let same = entry.seen_from == own;
    let failures = match (&answer, same) {
        (Answer::Known(_), _) => 0,
        (_, true) => entry.failures.saturating_add(1),
        (_, false) => 1,
    };
    let retry = backoff(failures.saturating_sub(1), FIRST_LOOKUP_RETRY, chance);
    // A look that brought nothing does not take back what others agreed on.
    let seen = match answer {
        Answer::Known(_) => said.iter().filter(|one| one.answer.is_ok()).cloned().collect(),
        _ if same => std::mem::take(&mut entry.seen),
        _ => Vec::new(),
    };
    let (answer, trouble, next) = match answer {
        Answer::Known(ip) => (Some(ip), String::new(), now + config.lookup.interval),
        Answer::Unknown(why) => (None, why, now + retry.min(config.lookup.interval)),
        Answer::TooSoon(at) => (None, "the services were asked a moment ago".into(), at.max(now)),
    };
    *entry = Outside { seen_from: own, answer, trouble, asked_at: now, next, failures, seen };
    Some(said)
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
    let services = lookup::services(&config.lookup, family);
    let free = |url: &str| journal.services.get(&(url.to_string(), family)).copied();
    let pick = lookup::pick(&services, &free, now, config.lookup.agree);
    if pick.ask.is_empty() {
        let answer = match pick.earliest {
            Some(at) => Answer::TooSoon(at),
            None => Answer::Unknown(format!(
                "fewer than {} independent lookup services are configured for {family}",
                config.lookup.agree
            )),
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
        debug!("lookup {}: {:?}", seen.service, seen.answer);
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

/// The default gateway of a device, and our own address towards it.
pub fn router(sys: &mut dyn Sys, device: &str, family: Family) -> Option<Router> {
    let links = sys.links().ok()?;
    let device = Some(links.iter().find(|link| link.name == device)?.index);
    let query = RouteQuery { family, to: None, device, source: None, mark: 0 };
    let route = sys.route(&query).ok()??;
    Some(Router { address: route.gateway?, own: route.source? })
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
