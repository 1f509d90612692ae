//! Tells whom the owner named (`config hook`) that something changed. What holds now is compared
//! with what the journal says was told last; so a hook that could not be reached is told later,
//! what went back to the old in the meantime is not told at all, and nothing is told twice.
//!
//! All that is due for one hook goes out as one request.

use crate::decide;
use crate::journal::{Journal, Moment, ToldKey, backoff};
use crate::model::account::{Account, Setting};
use crate::model::config::Config;
use crate::model::hook::{Hook, Topic};
use crate::model::outcome::Outcome;
use crate::model::words::{list, span};
use crate::observe;
use crate::providers::custom;
use crate::world::Sys;
use log::{debug, warn};
use std::time::Duration;

/// First wait after a hook could not be reached; doubles up to an hour.
const FIRST_RETRY: Duration = Duration::from_secs(10);

/// Wait after a hook refused what was sent: trying sooner would bring the same.
const REFUSED: Duration = Duration::from_secs(3600);

/// One fact worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub topic: Topic,
    /// What it is about: `home.example.test A`.
    pub subject: String,
    /// What holds now; the same fact is not told twice.
    pub fact: String,
}

/// What holds now, in the config's order. What is not known is not there.
pub fn news(config: &Config, journal: &Journal) -> Vec<News> {
    let mut news = Vec::new();
    for name in &config.names {
        let fingerprint = decide::fingerprint(config, name);
        for family in &name.families {
            let Some(known) = journal.record(&decide::key(name, *family), fingerprint) else {
                continue;
            };
            let mut add = |topic, fact| {
                let subject = [&name.fqdn, " ", family.record_type()].concat();
                news.push(News { topic, subject, fact });
            };
            if !known.confirmed.is_empty() {
                add(Topic::Address, list(&known.confirmed));
            }
            add(Topic::Trouble, known.latch.clone().unwrap_or_default());
        }
    }
    news
}

/// What this hook has not heard yet, with what it was told before.
pub fn due<'n>(hook: &Hook, journal: &'n Journal, news: &'n [News]) -> Vec<(&'n News, &'n str)> {
    let mut due = Vec::new();
    for one in news.iter().filter(|one| hook.on.contains(&one.topic)) {
        let told = journal.told.get(&key(hook, one)).map(String::as_str);
        // That nothing is wrong is news only after something was.
        let quiet = told.is_none() && one.fact.is_empty();
        if told != Some(&one.fact) && !quiet {
            due.push((one, told.unwrap_or_default()));
        }
    }
    due
}

fn key(hook: &Hook, news: &News) -> ToldKey {
    (hook.service.id.clone(), news.topic.word().into(), news.subject.clone())
}

/// The journal's name for calls to a hook; no account has one with a blank.
pub fn calls_id(hook: &Hook) -> String {
    ["hook ", &hook.service.id].concat()
}

/// The sentence that is told.
fn sentence(news: &News, before: &str) -> String {
    let News { topic, subject, fact } = news;
    match topic {
        Topic::Address if before.is_empty() => format!("{subject} is now {fact}"),
        Topic::Address => format!("{subject} is now {fact} (was {before})"),
        Topic::Trouble if fact.is_empty() => format!("{subject} is kept again"),
        Topic::Trouble => format!("{subject} is not kept any more: {fact}"),
    }
}

/// The hook's request with the words of these news filled in.
fn filled(hook: &Hook, due: &[(&News, &str)]) -> Account {
    let mut service = hook.service.clone();
    let mut say = |word: &str, texts: Vec<String>, between| {
        service.options.insert(word.into(), Setting::Text(texts.join(between)));
    };
    let mut events: Vec<_> = due.iter().map(|(one, _)| one.topic.word().to_string()).collect();
    events.dedup();
    say("event", events, " ");
    say("name", due.iter().map(|(one, _)| one.subject.clone()).collect(), ", ");
    let addresses = due.iter().filter(|(one, _)| one.topic == Topic::Address);
    say("address", addresses.map(|(one, _)| one.fact.clone()).collect(), ", ");
    say("text", due.iter().map(|(one, before)| sentence(one, before)).collect(), "\n");
    service
}

/// Tells every hook what it has not heard. Gives the moment to try again where one could not be
/// told; `None`: all know all. `save` is called when the journal must be on disk.
pub fn tell(
    sys: &mut dyn Sys,
    config: &Config,
    journal: &mut Journal,
    save: &mut dyn FnMut(&mut dyn Sys, &Journal),
) -> Option<Moment> {
    let mut again: Option<Moment> = None;
    let news = if config.hooks.is_empty() { Vec::new() } else { news(config, journal) };
    for hook in &config.hooks {
        let due = due(hook, journal, &news);
        if due.is_empty() || sys.stopping() {
            continue;
        }
        let id = calls_id(hook);
        let until = journal.calls.get(&id).map_or(Duration::ZERO, |calls| calls.backoff_until);
        if sys.now() < until {
            again = Some(again.map_or(until, |at| at.min(until)));
            continue;
        }
        let service = filled(hook, &due);
        let facts: Vec<_> = due.iter().map(|(one, _)| (key(hook, one), one.fact.clone())).collect();
        // Noted before it is called: a crash loop must not call on and on.
        let calls = journal.calls.entry(id.clone()).or_default();
        calls.backoff_until = sys.now() + FIRST_RETRY;
        save(sys, journal);
        let outcome = match observe::account_device(sys, hook.service.wan.as_deref()) {
            Ok(device) => {
                let mut service = service;
                service.wan = device;
                custom::send(sys, &service)
            }
            Err(why) => Outcome::TryLater(why),
        };
        sys.done();
        let now = sys.now();
        let chance = sys.chance();
        let calls = journal.calls.entry(id).or_default();
        if outcome.is_right() {
            debug!("hook '{}' was told of {} change(s)", hook.service.id, facts.len());
            *calls = Default::default();
            journal.told.extend(facts);
        } else {
            let wait = match (&outcome, outcome.is_permanent()) {
                (_, true) => REFUSED,
                (Outcome::WaitUntil { after, .. }, _) => *after,
                _ => backoff(calls.failures, FIRST_RETRY, chance),
            };
            calls.failures = calls.failures.saturating_add(1);
            calls.backoff_until = now + wait;
            warn!(
                "section '{}': could not be told: {}; will try again in {}",
                hook.service.id,
                outcome.text(),
                span(wait)
            );
            again = Some(again.map_or(now + wait, |at| at.min(now + wait)));
        }
        save(sys, journal);
    }
    again
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Family;

    const CONFIG: &str = "
config account 'lab'
	option provider 'hosts'
	option path '/tmp/hosts'
config name 'home'
	option fqdn 'home.example.test'
	option account 'lab'
config hook 'phone'
	option url 'https://push.example/{token}'
	option token 's3cret'
";

    fn config(more: &str) -> Config {
        let text = [CONFIG, more].concat();
        let none = &mut |_: &str| Err(String::from("no files here"));
        let (config, complaints) = crate::config::read("test", text.as_bytes(), 0o600, none);
        config.unwrap_or_else(|| panic!("{complaints:?}"))
    }

    fn holds(config: &Config, journal: &mut Journal, address: &str, latch: Option<&str>) {
        let name = &config.names[0];
        let record = journal.records.entry(decide::key(name, Family::Ipv4)).or_default();
        record.fingerprint = decide::fingerprint(config, name);
        record.confirmed = address.parse().into_iter().collect();
        record.latch = latch.map(String::from);
    }

    fn told(config: &Config, journal: &mut Journal) -> Vec<String> {
        let news = news(config, journal);
        let hook = &config.hooks[0];
        let due = due(hook, journal, &news);
        let texts = due.iter().map(|(one, before)| sentence(one, before)).collect();
        let facts: Vec<_> = due.iter().map(|(one, _)| (key(hook, one), one.fact.clone())).collect();
        journal.told.extend(facts);
        texts
    }

    #[test]
    fn each_fact_is_told_once_and_unknown_is_none() {
        let config = config("");
        let mut journal = Journal::default();
        assert!(told(&config, &mut journal).is_empty());
        holds(&config, &mut journal, "203.0.113.5", None);
        assert_eq!(told(&config, &mut journal), ["home.example.test A is now 203.0.113.5"]);
        assert!(told(&config, &mut journal).is_empty());
        // What the provider holds is not known at the moment: nothing to tell.
        holds(&config, &mut journal, "", None);
        assert!(told(&config, &mut journal).is_empty());
        holds(&config, &mut journal, "", Some("the key is refused"));
        let broken = "home.example.test A is not kept any more: the key is refused";
        assert_eq!(told(&config, &mut journal), [broken]);
        holds(&config, &mut journal, "203.0.113.6", None);
        assert_eq!(
            told(&config, &mut journal),
            [
                "home.example.test A is now 203.0.113.6 (was 203.0.113.5)",
                "home.example.test A is kept again"
            ]
        );
        let text = journal.to_text("boot", Duration::ZERO);
        let again = Journal::from_text(text.as_bytes(), "boot", Duration::ZERO).unwrap();
        assert_eq!(again.told, journal.told);
    }

    /// Every example is a hook, and its request can be made of any news.
    #[test]
    fn the_examples_work() {
        let text = include_str!("../examples/hooks");
        let files = &mut |_: &str| {
            Ok(crate::config::SecretFile { bytes: b"from-file".to_vec(), mode: 0o600 })
        };
        let (config, complaints) = crate::config::read("hooks", text.as_bytes(), 0o600, files);
        let config = config.unwrap_or_else(|| panic!("{complaints:?}"));
        assert_eq!(config.hooks.len(), 6);
        let one = News {
            topic: Topic::Trouble,
            subject: "a.example A".into(),
            fact: "the server says: \"no\"\u{e9}".into(),
        };
        for hook in &config.hooks {
            let service = filled(hook, &[(&one, "")]);
            let request = custom::request_of(&service).unwrap();
            let body = String::from_utf8(request.body.unwrap()).unwrap();
            if let Some(json) = body.starts_with('{').then(|| serde_json::from_str(&body)) {
                let json: serde_json::Value = json.unwrap();
                assert!(json.to_string().contains("is not kept any more: the server says: "));
            }
            assert!(!request.url.contains('{'), "{}", request.url);
        }
    }

    #[test]
    fn a_hook_hears_what_it_asked_for() {
        let config = config("	list on 'trouble'\n");
        assert_eq!(config.hooks[0].on, [Topic::Trouble]);
        let mut journal = Journal::default();
        holds(&config, &mut journal, "203.0.113.5", None);
        assert!(told(&config, &mut journal).is_empty());
    }

    #[test]
    fn wrong_hooks_are_complained_of() {
        for (lines, says) in [
            ("	option on 'adress'", "'adress' is nothing that is told; did you mean 'address'?"),
            ("	option url 'https://x/{txt}'", "{txt} is not filled in; did you mean 'text'?"),
            ("	option url 'http://x/'", "in the clear"),
            ("	option uri 'https://x/'", "did you mean 'url'?"),
        ] {
            let text = [CONFIG, "config hook 'other'\n", lines, "\n"].concat();
            let none = &mut |_: &str| Err(String::from("no files here"));
            let (config, complaints) = crate::config::read("test", text.as_bytes(), 0o600, none);
            assert!(config.is_none());
            let all: Vec<_> = complaints.iter().map(|one| one.text.as_str()).collect();
            assert!(all.iter().any(|text| text.contains(says)), "{all:?}");
        }
    }
}
