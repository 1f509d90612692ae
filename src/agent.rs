//! The daemon: wait -> observe -> decide -> act -> record, for ever, and the same once.
//!
//! Asleep until the kernel rings, a signal comes or a moment that `decide` named is there. The
//! first news is acted on at once; what follows an action closely is gathered into one look.
//! On permanent errors the loop idles: ending would make a supervisor start it again.

use crate::act::{self, Happened};
use crate::decide::{Decision, Step, decide};
use crate::hooks;
use crate::journal::{Journal, Moment};
use crate::model::config::Config;
use crate::model::line::Verdict;
use crate::model::map::Map;
use crate::model::name::Family;
use crate::model::outcome::Outcome;
use crate::model::wan::{Clock, WanView};
use crate::model::words::{list, span};
use crate::observe::observe;
use crate::providers;
use crate::world::{Event, Sys};
use log::{debug, error, info, warn};
use std::time::Duration;

/// Shortest sleep between two rounds that only the time has called for.
const SOONEST: Duration = Duration::from_millis(50);

mod lines;
mod reports;

pub use lines::{How, Lines, OneLine, Told};
pub use reports::Look;

/// One round's facts, for those who print them.
#[derive(Debug)]
pub struct Round {
    pub view: WanView,
    /// On the line of each of the view's WANs, in its order.
    pub verdicts: Vec<Verdict>,
    /// As they stood before acting.
    pub decisions: Vec<Decision>,
    pub happened: Vec<Happened>,
    /// When to look again even if nothing changes.
    pub again: Option<Moment>,
}

/// The loop's memory.
#[derive(Debug)]
pub struct Agent {
    pub config: Config,
    pub journal: Journal,
    /// What was last logged of each record: a daemon that repeats itself is not read.
    told: Map<(usize, Family), String>,
    /// The same for the line of each WAN.
    told_lines: Map<(Option<String>, Family), String>,
    reports: reports::Reports,
    /// The clock was set, or somebody says that it is right.
    clock_set: bool,
    /// The essence that the copy on flash holds.
    copied: Option<u64>,
    /// The journal could not be written; said once.
    unwritable: bool,
}

impl Agent {
    /// Reads the journal, or the copy of it after a reboot.
    pub fn new(sys: &mut dyn Sys, config: Config) -> Agent {
        let mut agent = Agent {
            config,
            journal: Journal::default(),
            told: Map::new(),
            told_lines: Map::new(),
            reports: Default::default(),
            clock_set: false,
            copied: None,
            unwritable: false,
        };
        agent.load(sys);
        agent.load_report(sys);
        agent
    }

    fn load(&mut self, sys: &mut dyn Sys) {
        let paths = [Some(self.config.journal.clone()), self.config.journal_copy.clone()];
        for path in paths.into_iter().flatten() {
            let text = match sys.read_file(&path) {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(why) => {
                    warn!("could not read the journal: {why}; starting without it");
                    continue;
                }
            };
            match Journal::from_text(&text, &sys.boot_id(), sys.now()) {
                Ok(journal) => {
                    self.journal = journal;
                    self.copied = Some(digest(&self.journal));
                    return;
                }
                Err(why) => warn!(
                    "the journal {path} is not used: {why}; every name is checked at its \
                     provider once"
                ),
            }
        }
    }

    /// The daemon. Ends on [`Event::Stop`] alone. `reload` reads the config again and has told
    /// what is wrong when it gives `None`; `look` makes a report.
    pub fn run(
        &mut self,
        sys: &mut dyn Sys,
        reload: &mut dyn FnMut(&mut dyn Sys) -> Option<Config>,
        look: Look,
    ) {
        self.save(sys);
        if self.unwritable {
            // Without a journal a crash loop would call without end; so every start counts
            // as a call.
            let now = sys.now();
            for account in &self.config.accounts {
                self.journal.calls.entry(account.id.clone()).or_default().last = Some(now);
            }
        }
        let mut quiet_until = Duration::ZERO;
        let mut again = Some(sys.now());
        loop {
            let event = match again {
                Some(at) if at <= sys.now() => Event::Timer,
                _ => sys.wait(again),
            };
            debug!("woken by {event:?}");
            if sys.firewall_rang() {
                self.report_due(sys);
            }
            match event {
                Event::Stop => break,
                Event::Timer => {}
                Event::News => {
                    let now = sys.now();
                    if now < quiet_until {
                        again = Some(again.map_or(quiet_until, |at| at.min(quiet_until)));
                        continue;
                    }
                }
                Event::Reload => match reload(sys) {
                    Some(config) => {
                        self.reconfigure(sys, config);
                        self.report_due(sys);
                    }
                    None => {
                        error!("the old config stays in force until the new one is right");
                        continue;
                    }
                },
                Event::Recheck => self.doubt(),
                Event::Clock => {
                    self.clock_set = true;
                    self.hope();
                }
            }
            if sys.stopping() {
                break;
            }
            if !self.config.enabled {
                info!("switched off by option enabled '0' in section 'main'; idle");
                again = None;
                continue;
            }
            let round = self.round(sys, true);
            if round.happened.iter().any(|happened| happened.outcome != Outcome::AlreadyRight) {
                quiet_until = sys.now() + self.config.coalesce;
            }
            if self.lines_changed(&round) {
                self.report_due(sys);
            }
            // Last: it takes a while.
            let told = self.report(sys, look).then(|| sys.now());
            // Whatever the reason, never in a spin.
            let soonest = sys.now() + SOONEST;
            let next = round.again.into_iter().chain(self.reports.at).chain(told).min();
            again = next.map(|at| at.max(soonest));
        }
        self.save(sys);
        info!("stopped");
    }

    /// One look, and with `acting` all that follows from it.
    pub fn round(&mut self, sys: &mut dyn Sys, acting: bool) -> Round {
        let mut view = observe(sys, &self.config);
        if self.clock_set && matches!(view.clock, Clock::Stale(_)) {
            view.clock = Clock::Right;
        }
        for wan in view.wans.iter().filter(|wan| wan.family == Family::Ipv4) {
            let key = (wan.asked.clone().unwrap_or_default(), wan.family);
            self.journal.saw(key, crate::decide::source(wan), sys.now());
        }
        let mut decisions = decide(&view, &self.journal, &self.config, sys.now());
        let mut happened = Vec::new();
        let mut tell_again = None;
        if acting {
            let Agent { config, journal, copied, unwritable, .. } = self;
            let mut save = |sys: &mut dyn Sys, journal: &Journal| {
                write(sys, config, journal, copied, unwritable);
            };
            happened = act::publish(sys, config, journal, &decisions, &mut save);
            // The outside last: a WAN that leads nowhere must not hold up the names of another.
            if act::ask_outside(sys, config, journal, &view, &decisions, &mut save) {
                let learnt = decide(&view, journal, config, sys.now());
                let mut fresh = Vec::new();
                for (decision, now) in decisions.iter_mut().zip(learnt) {
                    if matches!(decision.step, Step::Ask(_) | Step::Check(..)) {
                        *decision = now;
                        fresh.push(decision.clone());
                    }
                }
                happened.extend(act::publish(sys, config, journal, &fresh, &mut save));
            }
        }
        let verdicts = self.verdicts(&view);
        if acting {
            let mut more = self.line_news(&view, &verdicts);
            more.extend(self.report_news(sys));
            let Agent { config, journal, copied, unwritable, .. } = self;
            let mut save = |sys: &mut dyn Sys, journal: &Journal| {
                write(sys, config, journal, copied, unwritable);
            };
            tell_again = hooks::tell(sys, config, journal, more, &mut save);
        }
        self.tell(&decisions, &happened);
        let now = sys.now();
        let after = decide(&view, &self.journal, &self.config, now);
        // What is still to be asked or published was interrupted: soon again, not at once.
        let soon = now + Duration::from_secs(1);
        let again = after
            .iter()
            .filter_map(|decision| match decision.step {
                Step::Ask(_) | Step::Check(..) if acting => Some(soon),
                _ => decision.again.map(|at| at.max(now)),
            })
            .chain(tell_again)
            .min();
        Round { view, verdicts, decisions, happened, again }
    }

    /// Forgets what failed for good, too. Waits that a provider asked for stay.
    pub fn forget(&mut self) {
        self.journal.records.clear();
        self.doubt();
    }

    /// Takes nothing for granted: confirmed addresses, answers from outside, our own patience.
    /// Latches stay: a hook that pokes us on every reconnect must not try a bad key each time.
    fn doubt(&mut self) {
        self.journal.records.retain(|_, record| record.latch.is_some());
        self.journal.outside.clear();
        self.hope();
    }

    /// What failed may work now: our own patience ends. Waits that a provider asked for stay.
    fn hope(&mut self) {
        self.journal.outside.retain(|_, outside| outside.answer.is_some());
        for calls in self.journal.calls.values_mut() {
            calls.failures = 0;
            calls.backoff_until = Duration::ZERO;
        }
    }

    fn reconfigure(&mut self, sys: &mut dyn Sys, config: Config) {
        info!("config read again");
        let moved = config.journal != self.config.journal;
        self.config = config;
        self.told.clear();
        // The owner changed something, perhaps at the provider: one more try for what was
        // latched.
        for record in self.journal.records.values_mut() {
            record.latch = None;
        }
        self.journal.calls.retain(|id, _| !id.starts_with(hooks::CALLS));
        if moved {
            self.save(sys);
        }
    }

    pub fn save(&mut self, sys: &mut dyn Sys) {
        let Agent { config, journal, copied, unwritable, .. } = self;
        let hooks = hooks::ids(sys, config);
        let names: Vec<_> = config
            .names
            .iter()
            .flat_map(|name| name.families.iter().map(|family| crate::decide::key(name, *family)))
            .collect();
        let calls: Vec<_> = hooks.iter().map(|hook| hooks::calls_id(hook)).collect();
        journal.keep_only(
            &|key| names.contains(key),
            &|id| config.account(id).is_some() || calls.iter().any(|call| call == id),
            &|(hook, ..)| hooks.contains(hook),
        );
        write(sys, config, journal, copied, unwritable);
    }

    /// Logs what is new: an outcome each time, a state once.
    fn tell(&mut self, decisions: &[Decision], happened: &[Happened]) {
        for event in happened {
            let name = &self.config.names[event.name];
            let record = format!("{} {}", name.fqdn, event.family.record_type());
            let text = match &event.outcome {
                Outcome::Updated => {
                    info!("{record} is now {}", list(&event.addresses));
                    String::new()
                }
                Outcome::AlreadyRight => {
                    debug!("{record} already is {}", list(&event.addresses));
                    String::new()
                }
                outcome => {
                    let next = if outcome.is_permanent() {
                        "will not be tried again until the config changes".into()
                    } else {
                        self.next_try(&name.account)
                    };
                    format!(
                        "section '{}': {record} at account '{}': {}; {next}",
                        name.section,
                        name.account,
                        outcome.text()
                    )
                }
            };
            if event.outcome.is_permanent() {
                error!("{text}");
            } else if !text.is_empty() {
                warn!("{text}");
            }
            self.told.insert((event.name, event.family), text);
        }
        for decision in decisions {
            let at = (decision.name, decision.family);
            if matches!(
                decision.step,
                Step::Publish(_) | Step::Wait(_) | Step::Right(_) | Step::Check(..)
            ) {
                continue;
            }
            if self.told.get(&at) == Some(&decision.why) {
                continue;
            }
            let name = &self.config.names[decision.name];
            let record = format!("{} {}", name.fqdn, decision.family.record_type());
            match decision.step {
                Step::Absent => info!("{record} stays as it is: {}", decision.why),
                Step::Latched if self.told.contains_key(&at) => {}
                Step::Latched => {
                    error!(
                        "section '{}': {record}: {}; not tried again until the config changes",
                        name.section, decision.why
                    );
                }
                _ => warn!("section '{}': {record} stays as it is: {}", name.section, decision.why),
            }
            self.told.insert(at, decision.why.clone());
        }
    }

    fn next_try(&self, account: &str) -> String {
        let Some(at) = self.next_call(account) else { return String::new() };
        let last = self.journal.calls.get(account).and_then(|calls| calls.last);
        format!("will look again in {}", span(at.saturating_sub(last.unwrap_or_default())))
    }

    /// When this account may be called again, if it was called before.
    pub fn next_call(&self, account: &str) -> Option<Moment> {
        let calls = self.journal.calls.get(account)?;
        let interval = self
            .config
            .account(account)
            .and_then(|account| providers::find(&account.provider))
            .map_or(Duration::ZERO, |provider| provider.min_interval);
        let last = calls.last.unwrap_or_default();
        Some(calls.not_before.max(calls.backoff_until).max(last + interval))
    }
}

fn write(
    sys: &mut dyn Sys,
    config: &Config,
    journal: &Journal,
    copied: &mut Option<u64>,
    unwritable: &mut bool,
) {
    let text = journal.to_text(&sys.boot_id(), sys.now());
    match sys.replace_file(&config.journal, text.as_bytes(), 0o600) {
        Ok(()) => *unwritable = false,
        Err(why) if *unwritable => debug!("{why}"),
        Err(why) => {
            warn!("{why}; going on without a journal, set option journal in section 'main'");
            *unwritable = true;
        }
    }
    let Some(copy) = &config.journal_copy else { return };
    let essence = Some(digest(journal));
    if *copied != essence {
        match sys.replace_file(copy, text.as_bytes(), 0o600) {
            Ok(()) => *copied = essence,
            Err(why) => warn!("{why}; the journal's copy is out of date"),
        }
    }
}

/// Tells one essence from another; only ever compared within one process.
fn digest(journal: &Journal) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    journal.essence().hash(&mut hasher);
    hasher.finish()
}
