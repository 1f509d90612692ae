//! Tells whom the owner named (`config hook`, programs in the folder `hooks_dir`) that something
//! changed. What holds now is compared with what the journal says was told last; so a hook that
//! could not be reached is told later, what went back to the old in the meantime is not told at
//! all, and nothing is told twice.
//!
//! All that is due for a `config hook` goes out as one request; a program is run once for each.

use crate::decide;
use crate::journal::{Journal, Moment, ToldKey, backoff};
use crate::last::change;
use crate::model::account::{Account, Setting};
use crate::model::config::Config;
use crate::model::hook::{Hook, Topic};
use crate::model::outcome::Outcome;
use crate::model::words::{list, span};
use crate::observe;
use crate::providers::custom;
use crate::world::Sys;
use log::{debug, warn};
use serde_json::json;
use std::time::Duration;

/// First wait after a hook could not be reached; doubles up to an hour.
const FIRST_RETRY: Duration = Duration::from_secs(10);

/// Wait after a hook refused what was sent: trying sooner would bring the same.
const REFUSED: Duration = Duration::from_secs(3600);

/// A program that takes longer is killed.
const DEADLINE: Duration = Duration::from_secs(30);

/// Once programs have taken this long, the next one waits until the network was looked at.
const ENOUGH: Duration = Duration::from_secs(1);

/// Programs go by their folder's usual name wherever it is; no section can be called that.
const FOLDER: &str = "hooks.d/";

/// Subject of the news that there is a report, whose fact is all of it in a few words.
pub const WHOLE: &str = "report";

/// One fact worth telling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    pub topic: Topic,
    /// What it is about: `home.example.test A`.
    pub subject: String,
    /// What holds now; the same fact is not told twice.
    pub fact: String,
    /// The fact in sentences, where it needs some.
    pub meaning: String,
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
                news.push(News { topic, subject, fact, meaning: String::new() });
            };
            if !known.confirmed.is_empty() {
                add(Topic::Address, list(&known.confirmed));
            }
            add(Topic::Trouble, known.latch.clone().unwrap_or_default());
        }
    }
    news
}

/// What a hook has not heard yet.
#[derive(Debug)]
struct Due {
    news: News,
    /// What it was told before.
    before: String,
    /// Only noted as told: a summary tells it.
    quiet: bool,
}

fn due(hook: &str, on: &[Topic], journal: &Journal, news: &[News]) -> Vec<Due> {
    let told = |one: &News| journal.told.get(&key(hook, one));
    let whole = news.iter().find(|one| one.topic == Topic::Report && one.subject == WHOLE);
    let first = whole.is_some_and(|whole| told(whole).is_none());
    let mut due = Vec::new();
    for one in news.iter().filter(|one| on.contains(&one.topic)) {
        let before = told(one);
        let summary = whole == Some(one);
        // That nothing is wrong is news only after something was; a summary is told once.
        let idle = before.is_none() && one.fact.is_empty() || summary && !first;
        if before != Some(&one.fact) && !idle {
            let quiet = first && one.topic == Topic::Report && !summary;
            let before = before.cloned().unwrap_or_default();
            due.push(Due { news: one.clone(), before, quiet });
        }
    }
    // What the report does not name any more is over.
    for ((id, topic, subject), before) in &journal.told {
        let is = |one: &News| one.topic == Topic::Report && one.subject == *subject;
        let report = id == hook && topic == Topic::Report.word() && on.contains(&Topic::Report);
        if report && whole.is_some() && !news.iter().any(is) {
            let (topic, subject) = (Topic::Report, subject.clone());
            let news = News { topic, subject, ..News::default() };
            due.push(Due { news, before: before.clone(), quiet: false });
        }
    }
    due
}

fn key(hook: &str, news: &News) -> ToldKey {
    (hook.into(), news.topic.word().into(), news.subject.clone())
}

fn note(hook: &str, journal: &mut Journal, due: &Due) {
    let key = key(hook, &due.news);
    match due.news.topic {
        // Findings come and go: the journal keeps those that are there.
        Topic::Report if due.news.fact.is_empty() => drop(journal.told.remove(&key)),
        _ => drop(journal.told.insert(key, due.news.fact.clone())),
    }
}

/// The journal's name for calls to a hook; no account has one with a blank.
pub fn calls_id(hook: &str) -> String {
    [CALLS, hook].concat()
}

/// How [`calls_id`] begins.
pub const CALLS: &str = "hook ";

/// The hooks there are now, by id: those of the config, and the programs.
pub fn ids(sys: &mut dyn Sys, config: &Config) -> Vec<String> {
    listeners(sys, config).into_iter().map(|one| one.id).collect()
}

/// The sentence that is told.
fn sentence(due: &Due) -> String {
    let Due { news: News { topic, subject, fact, meaning }, before, .. } = due;
    match topic {
        Topic::Address if before.is_empty() => format!("{subject} is now {fact}"),
        Topic::Address => format!("{subject} is now {fact} (was {before})"),
        Topic::Trouble if fact.is_empty() => format!("{subject} is kept again"),
        Topic::Trouble => format!("{subject} is not kept any more: {fact}"),
        Topic::Line => format!("{subject}: {meaning}"),
        Topic::Report => change(subject, before, fact),
    }
}

/// The hook's request with the words of these news filled in.
fn filled(hook: &Hook, due: &[Due]) -> Account {
    let mut service = hook.service.clone();
    let due: Vec<&Due> = due.iter().filter(|one| !one.quiet).collect();
    let mut say = |word: &str, texts: Vec<String>, between| {
        service.options.insert(word.into(), Setting::Text(texts.join(between)));
    };
    let mut events: Vec<_> = due.iter().map(|one| one.news.topic.word().to_string()).collect();
    events.dedup();
    say("event", events, " ");
    say("name", due.iter().map(|one| one.news.subject.clone()).collect(), ", ");
    let addresses = due.iter().filter(|one| one.news.topic == Topic::Address);
    say("address", addresses.map(|one| one.news.fact.clone()).collect(), ", ");
    say("text", due.iter().map(|one| sentence(one)).collect(), "\n");
    service
}

/// Somebody who is told.
struct Listener<'c> {
    id: String,
    on: &'c [Topic],
    how: How<'c>,
}

enum How<'c> {
    Request(&'c Hook),
    Program { path: String, wrong: Option<String> },
}

fn listeners<'c>(sys: &mut dyn Sys, config: &'c Config) -> Vec<Listener<'c>> {
    let request = |hook: &'c Hook| Listener {
        id: hook.service.id.clone(),
        on: &hook.on,
        how: How::Request(hook),
    };
    let mut all: Vec<Listener> = config.hooks.iter().map(request).collect();
    let programs = sys.programs(&config.hooks_dir).unwrap_or_else(|why| {
        debug!("{why}");
        Vec::new()
    });
    for program in programs {
        let path = [&config.hooks_dir, "/", &program.name].concat();
        let how = How::Program { path, wrong: program.wrong };
        all.push(Listener { id: [FOLDER, &program.name].concat(), on: &Topic::ALL, how });
    }
    all
}

/// Tells every hook what it has not heard; `more`: what holds beside what the journal knows.
/// Gives the moment to try again where one could not be told; `None`: all know all. `save` is
/// called when the journal must be on disk.
pub fn tell(
    sys: &mut dyn Sys,
    config: &Config,
    journal: &mut Journal,
    more: Vec<News>,
    save: &mut dyn FnMut(&mut dyn Sys, &Journal),
) -> Option<Moment> {
    let mut again: Option<Moment> = None;
    let mut news = news(config, journal);
    news.extend(more);
    let mut spent = Duration::ZERO;
    for hook in listeners(sys, config) {
        let due = due(&hook.id, hook.on, journal, &news);
        if due.is_empty() || sys.stopping() {
            continue;
        }
        let mut until = |at: Moment| again = Some(again.map_or(at, |again| again.min(at)));
        let id = calls_id(&hook.id);
        let waits = journal.calls.get(&id).map_or(Duration::ZERO, |calls| calls.backoff_until);
        let begin = sys.now();
        if begin < waits {
            until(waits);
            continue;
        }
        let program = matches!(hook.how, How::Program { .. });
        if program && spent > ENOUGH {
            until(begin);
            continue;
        }
        // Noted before it is called: a crash loop must not call on and on.
        journal.calls.entry(id.clone()).or_default().backoff_until = begin + FIRST_RETRY;
        save(sys, journal);
        let outcome = match &hook.how {
            How::Request(hook) => request(sys, hook, &due),
            How::Program { wrong: Some(why), .. } => Outcome::FixConfig(why.clone()),
            How::Program { path, .. } => run(sys, path, &due, &mut |due| {
                note(&hook.id, journal, due);
            }),
        };
        sys.done();
        let now = sys.now();
        if program {
            spent += now.saturating_sub(begin);
        }
        let chance = sys.chance();
        let calls = journal.calls.entry(id).or_default();
        if outcome.is_right() {
            debug!("hook '{}' was told of {} change(s)", hook.id, due.len());
            *calls = Default::default();
            due.iter().for_each(|due| note(&hook.id, journal, due));
        } else if sys.stopping() {
            // We ended it ourselves.
            calls.backoff_until = Duration::ZERO;
        } else if outcome == LATER {
            calls.backoff_until = Duration::ZERO;
            until(now);
        } else {
            let wait = match (&outcome, outcome.is_permanent()) {
                (_, true) => REFUSED,
                (Outcome::WaitUntil { after, .. }, _) => *after,
                _ => backoff(calls.failures, FIRST_RETRY, chance),
            };
            calls.failures = calls.failures.saturating_add(1);
            calls.backoff_until = now + wait;
            let what = if program { "hook" } else { "section" };
            let (id, text, wait) = (&hook.id, outcome.text(), span(wait));
            warn!("{what} '{id}': could not be told: {text}; will try again in {wait}");
            until(calls.backoff_until);
        }
        save(sys, journal);
    }
    again
}

fn request(sys: &mut dyn Sys, hook: &Hook, due: &[Due]) -> Outcome {
    let mut service = filled(hook, due);
    match observe::account_device(sys, hook.service.wan.as_deref()) {
        Ok(device) => {
            service.wan = device;
            custom::send(sys, &service)
        }
        Err(why) => Outcome::TryLater(why),
    }
}

/// There is more to tell, but the network must be looked at first. Never shown.
const LATER: Outcome = Outcome::TryLater(String::new());

/// Runs a program for each; `done` hears of those that it took.
fn run(sys: &mut dyn Sys, path: &str, due: &[Due], done: &mut dyn FnMut(&Due)) -> Outcome {
    let begin = sys.now();
    for one in due.iter().filter(|due| !due.quiet) {
        if sys.now().saturating_sub(begin) > ENOUGH {
            return LATER;
        }
        let News { topic, subject, fact, .. } = &one.news;
        let input = json!({
            "event": topic.word(), "subject": subject, "fact": fact, "was": one.before,
            "text": sentence(one),
        });
        let argv = [path, topic.word(), subject, fact];
        let ran = match sys.tell(&argv, format!("{input}\n").as_bytes(), DEADLINE) {
            Ok(ran) => ran,
            Err(why) => return Outcome::TryLater(why),
        };
        for line in
            [&ran.stdout, &ran.stderr].into_iter().flat_map(|out| out.split(|b| *b == b'\n'))
        {
            let line = line.get(..LINE).unwrap_or(line);
            if !line.is_empty() && log::log_enabled!(log::Level::Debug) {
                debug!("{path}: {}", String::from_utf8_lossy(line).replace(char::is_control, " "));
            }
        }
        if !ran.fine {
            return Outcome::TryLater(format!("{path} ended with an error"));
        }
        done(one);
        // With the summary of the first report the rest of it is told.
        if one.news.subject == WHOLE {
            due.iter().filter(|due| due.quiet).for_each(&mut *done);
        }
    }
    Outcome::Updated
}

/// So much of a line that a program prints goes to the log, bytes.
const LINE: usize = 400;

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
        told_of(config, journal, &news(config, journal))
    }

    fn told_of(config: &Config, journal: &mut Journal, news: &[News]) -> Vec<String> {
        let hook = &config.hooks[0];
        let due = due(&hook.service.id, &hook.on, journal, news);
        due.iter().for_each(|due| note(&hook.service.id, journal, due));
        due.iter().filter(|due| !due.quiet).map(sentence).collect()
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
            meaning: String::new(),
        };
        for hook in &config.hooks {
            let service =
                filled(hook, &[Due { news: one.clone(), before: String::new(), quiet: false }]);
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

    fn one(topic: Topic, subject: &str, fact: &str) -> News {
        let meaning = if topic == Topic::Line { format!("{fact}, so it is.") } else { "".into() };
        News { topic, subject: subject.into(), fact: fact.into(), meaning }
    }

    #[test]
    fn the_first_report_is_a_summary_and_what_goes_is_told() {
        let config = config("	list on 'report'\n	list on 'line'\n");
        let mut journal = Journal::default();
        let whole = one(Topic::Report, WHOLE, "2 forwards");
        let web = one(Topic::Report, "web", "open");
        let mut hear = |news: &[News]| told_of(&config, &mut journal, news);
        // No report yet is not an empty one.
        assert!(hear(&[]).is_empty());
        let nas = one(Topic::Report, "nas", "blocked");
        assert_eq!(hear(&[whole.clone(), web.clone(), nas]), ["report: 2 forwards"]);
        assert!(hear(&[]).is_empty());
        let whole = one(Topic::Report, WHOLE, "2 other forwards");
        let nas = one(Topic::Report, "nas", "open");
        let now = [whole.clone(), web.clone(), nas];
        assert_eq!(hear(&now), ["nas: open (was blocked)"]);
        assert!(hear(&now).is_empty());
        let now = [whole.clone(), one(Topic::Report, "dmz", "high"), web];
        assert_eq!(hear(&now), ["dmz: high", "nas: no more (was open)"]);
        assert!(hear(&now).is_empty());
        let line = one(Topic::Line, "WAN ipv4", "cgnat");
        assert_eq!(hear(std::slice::from_ref(&line)), ["WAN ipv4: cgnat, so it is."]);
        assert!(hear(&[line]).is_empty());
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
