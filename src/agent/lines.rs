//! What kind of line each WAN is: judged in every round from what is known, and for `reachd line`
//! with all that may be asked now.

use super::Agent;
use crate::act;
use crate::decide;
use crate::hooks::News;
use crate::journal::{Journal, Outside};
use crate::line::{self, Facts};
use crate::lookup::gateway;
use crate::model::address::{Prefix, is_global};
use crate::model::hook::Topic;
use crate::model::known::Known;
use crate::model::line::{Certainty, Line, Seen, Verdict};
use crate::model::name::Family;
use crate::model::wan::{Clock, Wan, WanView};
use crate::observe::observe_all;
use crate::world::Sys;
use log::{debug, info};
use std::net::IpAddr;
use std::time::Duration;

/// Every WAN with its line, for those who print it.
#[derive(Debug)]
pub struct Lines {
    pub wans: Vec<OneLine>,
    /// What is delegated to us over IPv6 and public, on whatever WAN.
    pub prefixes: Vec<Prefix>,
    pub assume_public: Vec<Prefix>,
}

#[derive(Debug)]
pub struct OneLine {
    pub wan: Wan,
    pub verdict: Verdict,
    pub told: Told,
}

/// What lookups said of a WAN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub how: How,
    /// Also those that failed.
    pub seen: Vec<Seen>,
    /// What enough of them agree on.
    pub outside: Option<IpAddr>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum How {
    #[default]
    Now,
    /// Remembered: asked so long ago.
    Before(Duration),
    /// Nobody was asked, and why.
    Not(String),
}

impl Agent {
    /// The verdict on each WAN of a view, by what is known without asking anybody. A change is
    /// logged once.
    pub(super) fn verdicts(&mut self, view: &WanView) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for wan in &view.wans {
            let verdict = decide::verdict(&self.journal, &self.config, wan);
            let text = line::summary(&verdict);
            let key = (wan.asked.clone(), wan.family);
            if self.told_lines.get(&key) != Some(&text) {
                let because = verdict.evidence.first().map(String::as_str).unwrap_or_default();
                info!("{}: {text}: {because}", subject(wan));
                self.told_lines.insert(key, text);
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    /// What hooks hear of beside the journal: lines, as far as they are known. That one is down
    /// nobody could be told over it.
    pub(super) fn line_news(&self, view: &WanView, verdicts: &[Verdict]) -> Vec<News> {
        let mut prefixes: Vec<Prefix> =
            verdicts.iter().flat_map(|verdict| &verdict.delegated).copied().collect();
        prefixes.retain(|prefix| is_global(prefix.ip, &self.config.assume_public));
        let mut news = Vec::new();
        for (wan, verdict) in view.wans.iter().zip(verdicts) {
            if matches!(verdict.line, Line::Down | Line::Unknown) {
                continue;
            }
            let meaning = line::meaning(verdict, wan, &prefixes);
            news.push(News {
                topic: Topic::Line,
                subject: subject(wan),
                fact: line::key(&verdict.line).into(),
                meaning: [line::title(&verdict.line), ". ", &meaning].concat(),
            });
        }
        news
    }

    /// `reachd line`: looks at every WAN, and asks the outside where that is allowed now and
    /// nothing fresh is remembered. Changes no record and calls no provider.
    pub fn lines(&mut self, sys: &mut dyn Sys) -> Lines {
        let view = observe_all(sys, &self.config);
        let assume_public = self.config.assume_public.clone();
        let mut lines = Lines { wans: Vec::new(), prefixes: Vec::new(), assume_public };
        for wan in view.wans {
            let told = self.told(sys, &wan, view.clock);
            let assume_public = &lines.assume_public[..];
            let mut facts =
                Facts { wan: &wan, seen: &told.seen, gateway: None, hops: &[], assume_public };
            let mut verdict = line::verdict(&facts);
            // Whose NAT it is, the router above can tell; and if it does not, the way out.
            let router = who_translates(&wan, &verdict)
                .and_then(|device| Some((device, act::router(sys, device, wan.family)?)));
            let gateway = router.map(|(device, router)| {
                sys.progress(&format!("asking the router above, {}", router.address));
                gateway::ask(sys, router, Some(device), self.config.lookup.gateway_map)
            });
            facts.gateway = gateway.as_ref();
            verdict = line::verdict(&facts);
            let hops = match who_translates(&wan, &verdict).zip(decide::source(&wan)) {
                Some((device, source)) => {
                    sys.progress("looking at the routers on the way");
                    sys.hops(device, source, HOPS)
                }
                None => Known::Known(Vec::new()),
            };
            facts.hops = hops.known().map(|hops| &hops[..]).unwrap_or_default();
            verdict = line::verdict(&facts);
            for prefix in &verdict.delegated {
                if is_global(prefix.ip, assume_public) && !lines.prefixes.contains(prefix) {
                    lines.prefixes.push(*prefix);
                }
            }
            lines.wans.push(OneLine { wan, verdict, told });
        }
        sys.done();
        lines
    }

    fn told(&mut self, sys: &mut dyn Sys, wan: &Wan, clock: Clock) -> Told {
        let nobody = |why: &str| Told { how: How::Not(why.into()), ..Told::default() };
        let Known::Known(Some((device, _))) = &wan.device else {
            return nobody("there is no way to ask by");
        };
        if !decide::worth_asking(wan) {
            return nobody("there is no address to ask from");
        }
        let now = sys.now();
        let before = |known: &Outside| Told {
            how: How::Before(now.saturating_sub(known.asked_at)),
            seen: known.seen.clone(),
            outside: known.answer,
        };
        let known = decide::remembered(&self.journal, wan).filter(|known| !known.seen.is_empty());
        let known = known.cloned();
        let fresh = known.as_ref().filter(|known| known.answer.is_some() && now < known.next);
        if let Some(known) = fresh {
            return before(known);
        }
        let Agent { config, journal, .. } = self;
        let key = (wan.asked.clone().unwrap_or_default(), wan.family);
        let path = config.journal.clone();
        let mut save = |sys: &mut dyn Sys, journal: &Journal| note(sys, &path, journal);
        // The owner's own list is asked whole, for evidence of each kind.
        let asking = act::Asking {
            key: key.clone(),
            device: Some(device),
            own: decide::own(wan),
            all: !config.lookup.services.is_empty(),
            clock,
        };
        let said = act::ask_one(sys, config, journal, asking, &mut save);
        note(sys, &path, journal);
        let entry = journal.outside.get(&key).cloned().unwrap_or_default();
        match (said, known) {
            (None, _) => nobody("stopped"),
            // Too soon for all services.
            (Some(seen), Some(known)) if seen.is_empty() => before(&known),
            (Some(seen), None) if seen.is_empty() => nobody(&entry.trouble),
            (Some(seen), _) => Told { how: How::Now, seen, outside: entry.answer },
        }
    }
}

/// `WAN 'wanb' ipv4`.
fn subject(wan: &Wan) -> String {
    let name = wan.asked.as_ref().map(|asked| format!(" '{asked}'")).unwrap_or_default();
    format!("WAN{name} {}", wan.family)
}

/// So far on the way out: a home's routers and a carrier's NAT are nearer.
const HOPS: u8 = 8;

/// The device by which to ask who translates IPv4; `None` where that is known or nobody does.
fn who_translates<'w>(wan: &'w Wan, verdict: &Verdict) -> Option<&'w str> {
    let open = matches!(verdict.line, Line::Cgnat { .. } | Line::DoubleNat { .. } | Line::Unknown);
    match &wan.device {
        Known::Known(Some((device, _)))
            if open
                && verdict.certainty != Certainty::Proved
                && wan.family == Family::Ipv4
                && decide::source(wan).is_some() =>
        {
            Some(device)
        }
        _ => None,
    }
}

/// Adds what lookups said to the journal as it is on disk now: the daemon may have written more
/// into it since we read it.
fn note(sys: &mut dyn Sys, path: &str, ours: &Journal) {
    let (boot, now) = (sys.boot_id(), sys.now());
    let text = sys.read_file(path).ok().flatten().unwrap_or_default();
    let mut journal = Journal::from_text(&text, &boot, now).unwrap_or_else(|_| ours.clone());
    for (key, free) in &ours.services {
        let known = journal.services.entry(key.clone()).or_default();
        *known = (*free).max(*known);
    }
    for (key, outside) in &ours.outside {
        let known = journal.outside.entry(key.clone()).or_default();
        if known.asked_at <= outside.asked_at {
            *known = outside.clone();
        }
    }
    // Whoever may not write there has learnt what there is to learn all the same.
    if let Err(why) = sys.replace_file(path, journal.to_text(&boot, now).as_bytes(), 0o600) {
        debug!("{why}");
    }
}
