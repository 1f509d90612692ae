//! One thing that is wrong or could not be told, with what it rests on and what to do; and the
//! two verdicts on a forward.

use super::forward::Proto;
use std::fmt;

/// How bad. The order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    /// Somebody can read data or take over now.
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 5] =
        [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// `steps` less bad, at least info.
    pub fn lower(self, steps: usize) -> Severity {
        Severity::ALL[(self as usize).saturating_sub(steps)]
    }
}

/// Which question it belongs to: can they get in, should they, is it tidy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Axis {
    Reach,
    Expose,
    Hygiene,
}

impl Axis {
    pub fn word(self) -> &'static str {
        match self {
            Axis::Reach => "reach",
            Axis::Expose => "expose",
            Axis::Hygiene => "hygiene",
        }
    }
}

/// A check's answer on one subject. Unknown is never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Fail,
    /// It could not be told.
    Unknown,
    /// It failed, but another finding is the cause.
    Suppressed,
    /// The owner accepted it, until a date.
    Accepted,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Status::Fail => "fail",
            Status::Unknown => "unknown",
            Status::Suppressed => "suppressed",
            Status::Accepted => "accepted",
        }
    }
}

/// By what means it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Means {
    Config,
    Nft,
    /// The kernel: addresses, neighbours, listeners, connections.
    Kernel,
    Dns,
    /// Somebody outside, or a connection that came from there.
    Passive,
    /// What the firewall or another program wrote down.
    State,
    /// We tried it.
    Probe,
}

impl Means {
    pub fn word(self) -> &'static str {
        match self {
            Means::Config => "config",
            Means::Nft => "nft",
            Means::Kernel => "netlink",
            Means::Dns => "dns",
            Means::Passive => "passive",
            Means::State => "state",
            Means::Probe => "probe",
        }
    }
}

/// What a finding or a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    pub means: Means,
    /// Where: `/etc/config/firewall:88`, `nft -j list ruleset`.
    pub source: String,
    pub summary: String,
}

/// What a failing check means for the way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    Blocked(Where),
    /// Answers do not find back, which is the line's fault.
    Astray,
    /// Part of it does not work, or not always.
    Partial,
    /// The target is not there.
    Down,
}

impl Effect {
    /// A connection from outside that was answered shows that it is not so. Of UDP the router saw
    /// the answer leave, and not that it arrived.
    pub fn refuted_by(self, proto: &Proto) -> bool {
        match self {
            Effect::Astray => *proto != Proto::Udp,
            Effect::Down | Effect::Blocked(Where::Line | Where::Name | Where::Host) => true,
            _ => false,
        }
    }

    pub fn reach(self) -> Reach {
        match self {
            Effect::Astray => Reach::Blocked(Where::Line),
            Effect::Blocked(at) => Reach::Blocked(at),
            Effect::Down => Reach::Down,
            Effect::Partial => Reach::Partial,
            Effect::None => Reach::Unknown,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its check: `rule.to_router`. `reachd explain` tells more.
    pub id: &'static str,
    pub title: &'static str,
    pub severity: Severity,
    pub axis: Axis,
    pub status: Status,
    pub effect: Effect,
    /// The section, zone, network or name it is about, as its owner wrote it.
    pub subject: String,
    /// Indexes into the report's forwards, sorted.
    pub forwards: Vec<usize>,
    /// One or two sentences for the person at the router.
    pub text: String,
    /// The next step.
    pub fix: String,
    /// A ready piece of config; may be empty.
    pub snippet: String,
    pub evidence: Vec<Evidence>,
    /// Suppressed by this check's finding.
    pub because_of: Option<&'static str>,
    /// Accepted until this day, `2027-01-31`.
    pub until: Option<String>,
    /// The same for the same check and subject in every report; 16 hex digits.
    pub fingerprint: String,
}

/// Where a forward ends, from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Where {
    Line,
    /// Whoever asks for it by name is sent elsewhere.
    Name,
    Rule,
    Acl,
    Host,
    Service,
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Where::Line => "line",
            Where::Name => "name",
            Where::Rule => "rule",
            Where::Acl => "acl",
            Where::Host => "host",
            Where::Service => "service",
        })
    }
}

/// Can the Internet get in? What stands in the way before the rest counts more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    Blocked(Where),
    /// The target is not there.
    Down,
    /// Some of it: part of the ports or sources.
    Partial,
    Unknown,
    /// All that could be read says yes; nobody came from outside of late.
    Likely,
    /// A connection from outside was seen, within a week.
    Proved,
}

impl Reach {
    /// As in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Reach::Proved | Reach::Likely => "open",
            Reach::Partial => "partial",
            Reach::Blocked(_) => "blocked",
            Reach::Down => "down",
            Reach::Unknown => "unknown",
        }
    }

    pub fn certainty(self) -> &'static str {
        match self {
            Reach::Proved => "proved",
            Reach::Unknown => "unknown",
            _ => "likely",
        }
    }
}

impl fmt::Display for Reach {
    /// As in the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Proved => f.pad("OPEN proved"),
            Reach::Likely => f.pad("OPEN likely"),
            Reach::Partial => f.pad("PARTIAL"),
            Reach::Blocked(at) => f.pad(&format!("BLOCKED {at}")),
            Reach::Down => f.pad("DOWN target"),
            Reach::Unknown => f.pad("UNKNOWN"),
        }
    }
}

/// Should it be open?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expose {
    Ok,
    Review,
    Danger,
}

impl Expose {
    pub fn word(self) -> &'static str {
        match self {
            Expose::Ok => "ok",
            Expose::Review => "review",
            Expose::Danger => "danger",
        }
    }
}
