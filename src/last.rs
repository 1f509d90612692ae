//! What the last report said, in so far as a later one is compared with it or rests on it: each
//! forward's verdict, each finding, and when a forward was seen in use. Pure: facts to text and
//! back, and what became of them. What could not be told now is taken to be as it was; who keeps
//! the text is `agent`.

use crate::model::map::Map;
use crate::model::words::plain;
use std::fmt::Write;

const HEAD: &str = "reachd-report 1";

/// More than a router has; what is beyond is not compared.
const MOST: usize = 4096;

/// Of a forward's reach, before its exposure.
pub const NOT_KNOWN: &str = "not known, ";

/// A forward's subject begins so, a finding's with the id of its check.
pub const FORWARD: &str = "forward ";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Parts of the router that could not be read.
    pub missing: Vec<String>,
    /// Ids of checks that could not tell of everything they were asked about.
    pub untold: Vec<String>,
    /// Subject and fact. An empty fact: nothing is concluded of it now.
    pub facts: Map<String, String>,
    /// What somebody outside made use of, and when that was seen (seconds since 1970).
    pub seen: Vec<(String, u64)>,
}

/// Where what the last report said is kept: beside the journal.
pub fn kept(journal: &str) -> String {
    [journal, ".report"].concat()
}

impl Said {
    /// What holds now, where `self` is a fresh report and `before` what held. A part that cannot be
    /// read any more ends nothing and changes nothing; what it shows to be there is there.
    pub fn after(mut self, before: &Said) -> Said {
        let blind = self.lost(before).is_some();
        for (subject, was) in &before.facts {
            let id = subject.split(' ').next().unwrap_or_default();
            let untold = self.untold.iter().any(|one| one == id);
            match self.facts.get_mut(subject) {
                Some(now) if blind || now.is_empty() => *now = was.clone(),
                Some(now) => {
                    let reach = was.split_once(", ").map(|(reach, _)| reach);
                    if let Some((expose, reach)) = now.strip_prefix(NOT_KNOWN).zip(reach) {
                        *now = [reach, ", ", expose].concat();
                    }
                }
                None if blind || untold => drop(self.facts.insert(subject.clone(), was.clone())),
                None => {}
            }
        }
        if blind {
            self.missing = before.missing.clone();
            for one in &before.seen {
                if !self.seen.iter().any(|(what, _)| *what == one.0) {
                    self.seen.push(one.clone());
                }
            }
        }
        self.first()
    }

    /// What holds now, where nothing was known before.
    pub fn first(mut self) -> Said {
        self.facts.retain(|_, fact| !fact.is_empty());
        self
    }

    /// A part that was read before and cannot be now.
    pub fn lost(&self, before: &Said) -> Option<&str> {
        self.missing.iter().find(|part| !before.missing.contains(part)).map(|part| &part[..])
    }

    /// What became of what held before, a line each.
    pub fn changes(&self, before: &Said) -> Vec<String> {
        let none = String::new();
        let mut lines = Vec::new();
        for (subject, now) in &self.facts {
            let was = before.facts.get(subject).unwrap_or(&none);
            if was != now {
                lines.push(change(subject, was, now));
            }
        }
        for (subject, was) in &before.facts {
            if self.facts.get(subject).is_none() {
                lines.push(change(subject, was, ""));
            }
        }
        lines
    }

    /// All of it in a few words.
    pub fn summary(&self) -> String {
        let all = self.facts.iter().count();
        let forwards = self.facts.iter().filter(|(one, _)| one.starts_with(FORWARD)).count();
        let findings = all - forwards;
        format!("{forwards} forward(s), {findings} finding(s); reachd report shows them")
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut out = format!("{HEAD}\n");
        // Writing into a String cannot fail.
        for part in &self.missing {
            let _ = writeln!(out, "missing {part}");
        }
        for id in &self.untold {
            let _ = writeln!(out, "untold {id}");
        }
        for (subject, fact) in &self.facts {
            let _ = writeln!(out, "fact {}\t{}", line(subject), line(fact));
        }
        for (what, at) in &self.seen {
            let _ = writeln!(out, "seen {}\t{at}", line(what));
        }
        out.push_str("end\n");
        out
    }

    /// Reads that; `None`: it is torn, or another version's.
    pub fn from_text(text: &[u8]) -> Option<Said> {
        let text = std::str::from_utf8(text).ok()?;
        let body = text.strip_prefix(HEAD)?.strip_prefix('\n')?.strip_suffix("end\n")?;
        let mut said = Said::default();
        for line in body.lines().take(MOST) {
            match line.split_once(' ')? {
                ("missing", part) => said.missing.push(part.into()),
                ("untold", id) => said.untold.push(id.into()),
                ("fact", rest) => {
                    let (subject, fact) = rest.split_once('\t')?;
                    said.facts.insert(subject.into(), fact.into());
                }
                ("seen", rest) => {
                    let (what, at) = rest.split_once('\t')?;
                    said.seen.push((what.into(), at.parse().ok()?));
                }
                _ => return None,
            }
        }
        Some(said)
    }
}

/// Foreign words for a line of ours.
fn line(text: &str) -> String {
    plain(&text.chars().take(200).collect::<String>())
}

/// What became of something: in the log, to hooks and of `report --diff`.
pub fn change(subject: &str, before: &str, now: &str) -> String {
    match (before, now) {
        (_, "") => format!("{subject}: no more (was {before})"),
        ("", _) => format!("{subject}: {now}"),
        _ => format!("{subject}: {now} (was {before})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(missing: &[&str], untold: &[&str], facts: &[(&str, &str)]) -> Said {
        let owned = |all: &[&str]| all.iter().map(|one| one.to_string()).collect();
        let mut said = Said { missing: owned(missing), untold: owned(untold), ..Said::default() };
        for (subject, fact) in facts {
            said.facts.insert(subject.to_string(), fact.to_string());
        }
        said
    }

    fn lines(before: &Said, now: Said) -> Vec<String> {
        now.after(before).changes(before)
    }

    const WEB: (&str, &str) = ("forward web (tcp 443)", "open, ok");
    const DMZ: (&str, &str) = ("rule.dmz of dmz", "high: all ports");

    #[test]
    fn what_came_changed_and_went() {
        let before = said(&[], &[], &[WEB, DMZ]);
        let now = said(&[], &[], &[(WEB.0, "blocked at rule, ok"), ("rule.x of y", "low: z")]);
        let mut got = lines(&before, now);
        got.sort();
        let want = [
            "forward web (tcp 443): blocked at rule, ok (was open, ok)",
            "rule.dmz of dmz: no more (was high: all ports)",
            "rule.x of y: low: z",
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn unknown_is_no_change() {
        let before = said(&["leases"], &[], &[WEB, DMZ]);
        let same: &[Said] = &[
            // Nothing is concluded.
            said(&["leases"], &[], &[(WEB.0, "not known, ok"), (DMZ.0, "")]),
            // The check could not tell.
            said(&["leases"], &["rule.dmz"], &[WEB]),
            // A part is gone, and with it nothing else.
            said(&["live ruleset"], &[], &[(WEB.0, "blocked at rule, ok")]),
            said(&["live ruleset"], &[], &[]),
        ];
        for now in same {
            assert_eq!(lines(&before, now.clone()), [""; 0], "{now:?}");
        }
        // Exposure is known all the same.
        let now = said(&["leases"], &[], &[(WEB.0, "not known, danger"), DMZ]);
        assert_eq!(lines(&before, now), ["forward web (tcp 443): open, danger (was open, ok)"]);
        // What a blind report sees is there; a part that is back is no loss.
        let now = said(&["live ruleset"], &[], &[("rule.x of y", "low: z")]);
        assert_eq!(lines(&before, now.clone()), ["rule.x of y: low: z"]);
        let kept = now.after(&before);
        assert_eq!(kept.missing, ["leases"]);
        assert_eq!(lines(&kept, said(&[], &[], &[])).len(), 3);
        // Of what was not known before, anything is news; but not that it is unknown.
        let now = said(&["leases"], &[], &[WEB, DMZ, ("rule.x of y", "")]);
        assert!(lines(&before, now).is_empty());
    }

    #[test]
    fn what_was_seen_is_forgotten_by_who_can_see() {
        let seen = |missing: &[&str], all: &[(&str, u64)]| {
            let seen = all.iter().map(|(what, at)| (what.to_string(), *at)).collect();
            Said { seen, ..said(missing, &[], &[]) }
        };
        let before = seen(&[], &[("a", 3), ("b", 3)]);
        assert_eq!(seen(&[], &[("a", 5)]).after(&before).seen, seen(&[], &[("a", 5)]).seen);
        let blind = seen(&["networks"], &[("a", 5)]).after(&before);
        assert_eq!(blind.seen, seen(&[], &[("a", 5), ("b", 3)]).seen);
    }

    #[test]
    fn text_and_back() {
        let mut before = said(&["leases"], &["rule.dmz"], &[WEB, DMZ]);
        before.seen.push(("wan tcp 443 at 192.0.2.1".into(), 7));
        let text = before.to_text();
        assert_eq!(Said::from_text(text.as_bytes()), Some(before.clone()));
        assert_eq!(before.summary(), "1 forward(s), 1 finding(s); reachd report shows them");
        for cut in 0..text.len() {
            assert_eq!(Said::from_text(&text.as_bytes()[..cut]), None, "{cut}");
        }
        let odd = said(&[], &[], &[("a\tb\nend\n", "c\x1b[2J")]);
        let again = Said::from_text(odd.to_text().as_bytes()).unwrap();
        assert_eq!(again.facts.get("a?b?end?").map(String::as_str), Some("c?[2J"));
        for wrong in ["", "reachd-report 2\nend\n", "reachd-report 1\nx\nend\n"] {
            assert_eq!(Said::from_text(wrong.as_bytes()), None);
        }
    }
}
