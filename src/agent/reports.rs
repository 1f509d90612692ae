//! Reports after a change: when one is due, what it says that the last one did not, and what hooks
//! hear of it. What it says is kept beside the journal, so that a restart tells nothing twice.

use super::{Agent, Round};
use crate::hooks::{News, WHOLE};
use crate::journal::Moment;
use crate::last::{Said, kept};
use crate::line;
use crate::model::hook::Topic;
use crate::world::Sys;
use log::{debug, info, warn};
use std::fmt::Write;
use std::time::Duration;

/// A change seldom comes alone: the firewall is loaded anew after each change of a network.
const SETTLE: Duration = Duration::from_secs(2);

/// What tells a router with a firewall of zones from other machines.
const FIREWALL: &str = "/etc/config/firewall";

/// Makes a report without probes.
pub type Look<'l> = &'l mut dyn FnMut(&mut dyn Sys) -> Result<Said, String>;

/// The loop's memory of reports.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// `None`: there was none yet.
    said: Option<Said>,
    /// When the next one is due.
    pub(super) at: Option<Moment>,
    last: Option<Moment>,
    /// What the lines were like at the last look.
    lines: String,
    /// The last trouble that was logged.
    trouble: String,
}

impl Agent {
    pub(super) fn load_report(&mut self, sys: &mut dyn Sys) {
        let text = sys.read_file(&kept(&self.config.journal)).ok().flatten();
        self.reports.said = text.as_deref().and_then(Said::from_text);
    }

    /// Something changed: a report is due once it has settled.
    pub(super) fn report_due(&mut self, sys: &mut dyn Sys) {
        let wanted = || sys.file_mode(FIREWALL).is_some();
        if self.config.report.unwrap_or_else(wanted) {
            let settled = sys.now() + SETTLE;
            let next = self.reports.last.map_or(settled, |last| last + self.config.report_every);
            self.reports.at.get_or_insert(settled.max(next));
        }
    }

    /// Whether the lines are other ones than at the last look; at the first they are.
    pub(super) fn lines_changed(&mut self, round: &Round) -> bool {
        let mut lines = String::new();
        for (wan, verdict) in round.view.wans.iter().zip(&round.verdicts) {
            let device = wan.device.known().and_then(Option::as_ref).map(|(device, _)| &device[..]);
            let (asked, device) = (wan.asked.as_deref().unwrap_or("-"), device.unwrap_or("-"));
            let key = line::key(&verdict.line);
            // Writing into a String cannot fail.
            let _ = write!(lines, "{asked} {} {device} {key}", wan.family);
            for address in &wan.addresses {
                let _ = write!(lines, " {}", address.ip);
            }
            lines.push('\n');
        }
        let changed = lines != self.reports.lines;
        self.reports.lines = lines;
        changed
    }

    /// Makes the report that is due, logs what changed and keeps it. True: hooks may have to hear
    /// of it.
    pub(super) fn report(&mut self, sys: &mut dyn Sys, look: Look) -> bool {
        if self.reports.at.is_none_or(|at| sys.now() < at) || sys.stopping() {
            return false;
        }
        self.reports.at = None;
        let fresh = look(sys);
        self.reports.last = Some(sys.now());
        if sys.stopping() {
            return false;
        }
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(why) => {
                self.report_trouble(format!("no report could be made: {why}"));
                return false;
            }
        };
        let before = self.reports.said.take();
        let now = match &before {
            Some(before) => {
                let lost = fresh.lost(before).map(|part| {
                    format!("report: {part} can't be read now; what it showed stays as it was")
                });
                self.report_trouble(lost.unwrap_or_default());
                let now = fresh.after(before);
                for change in now.changes(before) {
                    info!("report: {change}");
                }
                now
            }
            None => {
                let now = fresh.first();
                info!("report: {}", now.summary());
                now
            }
        };
        let changed = before.as_ref() != Some(&now);
        if changed {
            let path = kept(&self.config.journal);
            if let Err(why) = sys.replace_file(&path, now.to_text().as_bytes(), 0o600) {
                debug!("{why}");
            }
        }
        self.reports.said = Some(now);
        changed
    }

    fn report_trouble(&mut self, text: String) {
        if !text.is_empty() && text != self.reports.trouble {
            warn!("{text}");
        }
        self.reports.trouble = text;
    }

    /// What hooks hear of the last report; nothing where none is wanted any more.
    pub(super) fn report_news(&self, sys: &mut dyn Sys) -> Vec<News> {
        let wanted = || sys.file_mode(FIREWALL).is_some();
        let said = self.reports.said.as_ref();
        let Some(said) = said.filter(|_| self.config.report.unwrap_or_else(wanted)) else {
            return Vec::new();
        };
        let one = |subject: &str, fact: &str| News {
            topic: Topic::Report,
            subject: subject.into(),
            fact: fact.into(),
            meaning: String::new(),
        };
        let all = said.facts.iter().map(|(subject, fact)| one(subject, fact));
        [one(WHOLE, &said.summary())].into_iter().chain(all).collect()
    }
}
