//! What can be wrong with a forward, a zone or the line. One file for each group; a check is a
//! function and its texts in one const list. Each answers from the snapshot alone: it passes, it
//! fails with a finding, it cannot tell (which is never a pass), or there is nothing to ask. A
//! root cause suppresses what follows from it. Pure; asks nobody itself.

pub mod acl;
pub mod back;
mod dest;
pub mod dnat;
mod expose;
mod isp;
mod live;
mod name;
pub mod named;
mod order;
pub mod path;
mod ports;
mod rule;
pub mod target;
mod upnp;
mod zone;

use crate::model::address::Prefix;
use crate::model::finding::{Axis, Effect, Evidence, Finding, Means, Severity, Status};
use crate::model::forward::{Forward, Origin, Target};
use crate::model::known::Known;
use crate::model::snapshot::{Firewall, Network, Snapshot, Zone};
use std::net::IpAddr;

pub use isp::loaded_for;

/// One check.
pub struct Check {
    pub id: &'static str,
    pub severity: Severity,
    pub axis: Axis,
    /// What is so if it fails, in a few words.
    pub title: &'static str,
    /// `reachd explain`: what it looks at and why that matters.
    pub what: &'static str,
    /// The next step.
    pub next: &'static str,
    /// When it may be wrong, or nothing.
    pub trap: &'static str,
    /// Where the knowledge is from.
    pub source: &'static str,
    /// Findings of these on the same forward (or on all) explain this one.
    pub after: &'static [&'static str],
    pub run: fn(&Facts, &mut Answers),
}

/// All, by group, in the order in which they are told.
pub const ALL: &[&[Check]] = &[
    path::CHECKS,
    back::CHECKS,
    isp::CHECKS,
    name::CHECKS,
    rule::CHECKS,
    dest::CHECKS,
    order::CHECKS,
    upnp::CHECKS,
    live::CHECKS,
    zone::CHECKS,
    target::CHECKS,
    acl::CHECKS,
    expose::CHECKS,
];

pub fn find(id: &str) -> Option<&'static Check> {
    ALL.iter().copied().flatten().find(|check| check.id == id)
}

/// What checks look at.
pub struct Facts<'a> {
    pub snapshot: &'a Snapshot,
    /// Openings from the Internet.
    pub forwards: &'a [Forward],
    /// Redirects between zones that do not face it.
    pub inner: &'a [Forward],
    /// Labs only: prefixes to treat as globally reachable.
    pub assume_public: &'a [Prefix],
    /// What the live ruleset does with each forward.
    pub ways: &'a [Known<acl::Way>],
    /// What it lets in from the Internet.
    pub outside: &'a acl::Outside<'a>,
    /// What is wrong with its rules.
    pub rules: &'a acl::Judgement,
    /// Where the names lead.
    pub names: &'a [named::Named<'a>],
}

impl<'a> Facts<'a> {
    /// Those the firewall takes, with their index.
    pub fn active(&self) -> impl Iterator<Item = (usize, &'a Forward)> + use<'a> {
        self.forwards.iter().enumerate().filter(|(_, forward)| forward.is_active())
    }

    /// Active redirects and mappings: those that translate.
    pub fn redirects(&self) -> impl Iterator<Item = (usize, &'a Forward)> + use<'a> {
        self.active().filter(|(_, forward)| translates(forward))
    }

    pub fn firewall(&self) -> Option<&'a Firewall> {
        self.snapshot.firewall.known()
    }

    pub fn zones(&self) -> &'a [Zone] {
        self.firewall().map(|firewall| &firewall.zones[..]).unwrap_or_default()
    }

    pub fn networks(&self) -> Option<&'a [Network]> {
        self.snapshot.networks.known().map(|all| &all[..])
    }

    pub fn zone_of(&self, forward: &Forward) -> Option<&'a Zone> {
        self.zones().iter().find(|zone| zone.name == forward.zone)
    }

    /// The router itself is the target: none named, or one of its own addresses.
    pub fn to_router(&self, forward: &Forward) -> bool {
        match forward.target {
            Target::Router => true,
            Target::Host(ip) => self.firewall().is_some_and(|firewall| firewall.is_router(ip)),
            _ => false,
        }
    }

    /// How somebody calls the host: from DHCP.
    pub fn host_name(&self, ip: IpAddr) -> Option<&'a str> {
        let fixed = self.snapshot.dhcp.known().into_iter().flat_map(|dhcp| &dhcp.hosts);
        let fixed = fixed.filter(|host| host.ip == Some(ip)).map(|host| &host.name[..]);
        let leases = self.snapshot.leases.known().into_iter().flatten();
        let leases = leases.filter(|lease| lease.ip == ip).filter_map(|l| l.name.as_deref());
        fixed.chain(leases).find(|name| !name.is_empty())
    }
}

/// It changes the packets' destination, unlike a rule.
pub fn translates(forward: &Forward) -> bool {
    let redirect = matches!(forward.origin, Origin::Redirect | Origin::Upnp | Origin::Ruleset);
    redirect || forward.uid.contains("redirect")
}

/// What one check answers.
#[derive(Default)]
pub struct Answers {
    passed: u32,
    untold: u32,
    failed: Vec<Finding>,
    check: Option<&'static Check>,
}

impl Answers {
    /// One subject is as it should be.
    pub fn pass(&mut self) {
        self.passed += 1;
    }

    pub fn pass_if(&mut self, fine: bool) -> bool {
        self.passed += u32::from(fine);
        fine
    }

    /// One subject could not be judged; no words about it.
    pub fn untold(&mut self) {
        self.untold += 1;
    }

    /// A forward fails.
    pub fn forward(
        &mut self,
        facts: &Facts,
        index: usize,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> &mut Finding {
        self.fails(facts, index, text.into(), fix.into())
    }

    fn fails(&mut self, facts: &Facts, index: usize, text: String, fix: String) -> &mut Finding {
        let forward = &facts.forwards[index];
        let finding = self.fail(&forward.section, text, fix);
        finding.forwards.push(index);
        finding.evidence.push(written(forward));
        finding
    }

    /// Something else fails: a zone, a section, a network.
    pub fn about(
        &mut self,
        subject: &str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) -> &mut Finding {
        self.fail(subject, text.into(), fix.into())
    }

    fn fail(&mut self, subject: &str, text: String, fix: String) -> &mut Finding {
        let at = self.failed.len();
        let (id, title, severity, axis) = match self.check {
            Some(check) => (check.id, check.title, check.severity, check.axis),
            None => ("", "", Severity::Info, Axis::Hygiene),
        };
        self.failed.push(Finding {
            id,
            title,
            severity,
            axis,
            status: Status::Fail,
            effect: Effect::None,
            subject: subject.to_string(),
            forwards: Vec::new(),
            text,
            fix,
            snippet: String::new(),
            evidence: Vec::new(),
            because_of: None,
            until: None,
            fingerprint: String::new(),
        });
        &mut self.failed[at]
    }
}

impl Finding {
    /// Chained after [`Answers::forward`].
    pub fn severity(&mut self, severity: Severity) -> &mut Finding {
        self.severity = severity;
        self
    }

    pub fn effect(&mut self, effect: Effect) -> &mut Finding {
        self.effect = effect;
        self
    }

    pub fn axis(&mut self, axis: Axis) -> &mut Finding {
        self.axis = axis;
        self
    }

    pub fn seen(&mut self, means: Means, source: &str, summary: impl Into<String>) -> &mut Finding {
        let (source, summary) = (source.to_string(), summary.into());
        self.evidence.push(Evidence { means, source, summary });
        self
    }
}

/// The forward as its owner wrote it, as evidence.
pub fn written(forward: &Forward) -> Evidence {
    let (means, source) = match forward.origin {
        Origin::Redirect | Origin::Rule => {
            (Means::Config, format!("/etc/config/firewall:{}", forward.line))
        }
        Origin::Service => (Means::State, "ubus".into()),
        Origin::Upnp => (Means::State, "miniupnpd's leases".into()),
        Origin::Ruleset => (Means::Nft, "nft -j list ruleset".into()),
    };
    let from = match forward.source.is_anybody() {
        true => String::new(),
        false => format!(" from {}", forward.source),
    };
    let summary = format!("{}{from} to {}", forward.external_words(), forward.target_words());
    Evidence { means, source, summary }
}

/// How many checks answered what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub run: u32,
    pub pass: u32,
    pub fail: u32,
    pub unknown: u32,
    pub not_applicable: u32,
}

/// Runs all checks: findings by severity, worst first, then in the list's order.
/// Also the ids of checks that could not tell of all subjects.
pub fn run_all(facts: &Facts) -> (Vec<Finding>, Count, Vec<&'static str>) {
    let mut findings: Vec<Finding> = Vec::new();
    let mut count = Count::default();
    let mut untold = Vec::new();
    for check in ALL.iter().copied().flatten() {
        let mut answers = Answers { check: Some(check), ..Answers::default() };
        (check.run)(facts, &mut answers);
        count.run += 1;
        if answers.untold > 0 {
            untold.push(check.id);
        }
        let failed = answers.failed.iter().any(|finding| finding.status == Status::Fail);
        let slot = match (failed, answers.untold, answers.passed) {
            (true, ..) => &mut count.fail,
            _ if !answers.failed.is_empty() || answers.untold > 0 => &mut count.unknown,
            (.., 0) => &mut count.not_applicable,
            _ => &mut count.pass,
        };
        *slot += 1;
        findings.append(&mut answers.failed);
    }
    for finding in &mut findings {
        finding.forwards.sort_unstable();
        finding.forwards.dedup();
        finding.fingerprint = fingerprint(finding.id, &finding.subject);
    }
    suppress(&mut findings);
    let mut sorted: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings {
        let at = sorted.partition_point(|other| other.severity >= finding.severity);
        sorted.insert(at, finding);
    }
    (sorted, count, untold)
}

/// A finding whose cause is a finding too is not told for itself.
fn suppress(findings: &mut [Finding]) {
    for at in 0..findings.len() {
        let one = &findings[at];
        let Some(check) = find(one.id) else { continue };
        let causes = |other: &&Finding| {
            other.status != Status::Unknown
                && check.after.contains(&other.id)
                // Each name is a matter of its own.
                && (other.subject == one.subject || !other.id.starts_with("name."))
                && (other.forwards.is_empty()
                    || one.forwards.iter().all(|forward| other.forwards.contains(forward)))
        };
        if let Some(cause) = findings.iter().find(causes).map(|cause| cause.id) {
            findings[at].status = Status::Suppressed;
            findings[at].because_of = Some(cause);
        }
    }
}

/// FNV-1a over id and subject: the same in every report, on every machine.
fn fingerprint(id: &str, subject: &str) -> String {
    let bytes = id.bytes().chain([0]).chain(subject.bytes());
    let hash = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    format!("{hash:016x}")
}

/// Whether a fact is there; counts what is not.
pub fn known<'k, T>(fact: &'k Known<T>, out: &mut Answers) -> Option<&'k T> {
    if fact.known().is_none() {
        out.untold();
    }
    fact.known()
}
