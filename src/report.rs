//! The report: a snapshot in, forwards with two verdicts each and all findings out. Pure but for
//! the look itself, which is `collect`'s; how it is shown is `render`'s.

use crate::checks::dnat::dnats;
use crate::checks::named;
use crate::checks::{self, Count, Facts, acl};
use crate::last::{FORWARD, NOT_KNOWN, Said};
use crate::model::address::{Prefix, is_global};
use crate::model::answer::UNASKED;
use crate::model::config::Accept;
use crate::model::finding::{
    Axis, Effect, Evidence, Expose, Finding, Means, Reach, Severity, Status,
};
use crate::model::forward::{Forward, Origin, Ports, Source, State, Target};
use crate::model::known::Known;
use crate::model::snapshot::{Flow, Snapshot};
use crate::model::target::UNTRIED;
use crate::model::utc::{RELEASED, utc};
use crate::model::words::span;
use std::net::IpAddr;
use std::time::Duration;

/// What is known of one forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub reach: Reach,
    /// Why, in one clause.
    pub why: String,
    pub expose: Expose,
    pub evidence: Vec<Evidence>,
    /// How its host is called.
    pub host: Option<String>,
    /// New connections that used it since the firewall was loaded, if its rule counts.
    pub hits: Option<u64>,
    /// What of it somebody outside made use of, and how many seconds before the report.
    pub seen: Option<(String, u64)>,
}

/// So long a connection that was seen tells that the next one gets in, too.
const WEEK: u64 = 7 * 86_400;

/// Everything that is shown.
#[derive(Debug)]
pub struct Report {
    pub snapshot: Snapshot,
    /// `None`: this machine is a router; else why we think it is not.
    pub no_router: Option<String>,
    pub forwards: Vec<Forward>,
    /// One for each forward.
    pub verdicts: Vec<Verdict>,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// The names that DNS servers were asked for.
    pub names: Vec<named::Shown>,
    pub count: Count,
    /// Ids of checks that could not tell of everything they were asked about.
    pub untold: Vec<&'static str>,
    /// Acceptances whose day has passed, or that fit nothing: id, subject, why.
    pub idle_accepts: Vec<String>,
}

/// Judges a snapshot. `now`: seconds since 1970, for what expires.
pub fn judge(snapshot: Snapshot, assume_public: &[Prefix], accepts: &[Accept], now: u64) -> Report {
    let (forwards, inner) = gather(&snapshot, now);
    let ways = acl::ways(&snapshot, &forwards);
    let outside = acl::outside(&snapshot);
    let rules = acl::judge(&snapshot);
    let facts = Facts {
        snapshot: &snapshot,
        forwards: &forwards,
        inner: &inner,
        assume_public,
        ways: &ways,
        outside: &outside,
        rules: &rules,
        names: &[],
    };
    let names = named::all(&facts);
    let facts = Facts { names: &names, ..facts };
    let (mut findings, count, untold) = checks::run_all(&facts);
    let idle_accepts = accept(&mut findings, accepts, &utc(now));
    let verdicts = (0..forwards.len()).map(|index| verdict(&facts, index, &findings)).collect();
    let names = names.iter().map(named::Named::shown).collect();
    let no_router = no_router(&snapshot, &forwards);
    Report { no_router, forwards, verdicts, findings, names, count, untold, idle_accepts, snapshot }
}

impl Report {
    /// Exit code: 1 for reach, 2 for exposure, 3 for both; 4 where `strict` and something could
    /// not be told. A machine that is no router has nothing to fail at.
    pub fn code(&self, fail_on: Severity, strict: bool) -> u8 {
        if self.no_router.is_some() {
            return 0;
        }
        let bad = |axis: Axis| {
            let counts =
                |f: &&Finding| f.status == Status::Fail && f.axis == axis && f.severity >= fail_on;
            self.findings.iter().any(|finding| counts(&finding))
        };
        let code = u8::from(bad(Axis::Reach)) | (u8::from(bad(Axis::Expose)) << 1);
        let untold = self.verdicts.iter().any(|verdict| verdict.reach == Reach::Unknown);
        if code == 0 && strict && untold { 4 } else { code }
    }

    /// Findings that count: not suppressed, not accepted.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| matches!(f.status, Status::Fail | Status::Unknown))
    }

    pub fn accepted(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status == Status::Accepted)
    }

    /// What a later report is compared with. Notes are left out; so is what comes and goes with a
    /// connection. What was accepted, or has another cause now, is left as it was.
    pub fn said(&self) -> Said {
        let mut said = Said {
            missing: self.missing().into_iter().map(|(part, _)| part.to_string()).collect(),
            untold: self.untold.iter().map(|id| id.to_string()).collect(),
            ..Said::default()
        };
        for (forward, verdict) in self.forwards.iter().zip(&self.verdicts) {
            let subject = match forward.origin {
                Origin::Ruleset => [FORWARD, &lasting(forward)].concat(),
                _ => format!("{FORWARD}{} ({})", forward.section, forward.external_words()),
            };
            let expose = verdict.expose.word();
            let fact = match verdict.reach {
                Reach::Unknown => [NOT_KNOWN, expose].concat(),
                Reach::Blocked(at) => format!("blocked at {at}, {expose}"),
                reach => [reach.word(), ", ", expose].concat(),
            };
            said.facts.insert(subject, fact);
            if let (Some((what, ago)), Some(now)) = (&verdict.seen, self.snapshot.at.known()) {
                said.seen.push((what.clone(), now.saturating_sub(*ago)));
            }
        }
        for finding in self.findings.iter().filter(|one| one.severity > Severity::Info) {
            let first = finding.forwards.first().and_then(|index| self.forwards.get(*index));
            let subject = match first {
                Some(forward) if forward.section == finding.subject => lasting(forward),
                _ => finding.subject.clone(),
            };
            let subject = [finding.id, " of ", &subject].concat();
            let fact = match finding.status {
                Status::Fail => [finding.severity.word(), ": ", finding.title].concat(),
                _ => String::new(),
            };
            // Of two alike the one that fails counts.
            if !fact.is_empty() || said.facts.get(&subject).is_none() {
                said.facts.insert(subject, fact);
            }
        }
        said
    }

    /// Parts that could not be read, and why.
    pub fn missing(&self) -> Vec<(&'static str, &str)> {
        let s = &self.snapshot;
        let all = [
            ("firewall config", why(&s.firewall)),
            ("networks", why(&s.networks)),
            ("line", why(&s.line)),
            ("live ruleset", why(&s.live)),
            ("firewall state", why(&s.loaded)),
            ("fw4's warnings", why(&s.warnings)),
            ("DHCP config", why(&s.dhcp)),
            ("leases", why(&s.leases)),
            ("neighbours", why(&s.neighbours)),
            ("listeners", why(&s.listeners)),
            ("connections", why(&s.flows)),
            ("UPnP", why(&s.mappings)),
            ("SSH config", why(&s.ssh)),
            ("targets", why(&s.targets).filter(|why| *why != UNTRIED)),
            ("names", why(&s.names).filter(|why| *why != UNASKED)),
        ];
        all.into_iter().filter_map(|(part, why)| Some((part, why?))).collect()
    }
}

/// What a forward is called after the firewall was loaded anew, too: handles of rules change then.
fn lasting(forward: &Forward) -> String {
    match forward.origin {
        Origin::Ruleset => {
            format!("a rule ({} to {})", forward.external_words(), forward.target_words())
        }
        _ => forward.section.clone(),
    }
}

fn why<T>(fact: &Known<T>) -> Option<&str> {
    match fact {
        Known::Known(_) => None,
        Known::Unknown(why) => Some(why),
    }
}

/// Openings from the Internet, and redirects between inner zones.
fn gather(snapshot: &Snapshot, now: u64) -> (Vec<Forward>, Vec<Forward>) {
    let (mut outer, mut inner) = (Vec::new(), Vec::new());
    if let Some(firewall) = snapshot.firewall.known() {
        for forward in &firewall.forwards {
            // A zone that masquerades leads out, by a VPN maybe; one that is not there is unknown.
            let faces = firewall.zone(&forward.zone).is_none_or(|zone| zone.wan || zone.masq);
            if faces { outer.push(forward.clone()) } else { inner.push(forward.clone()) }
        }
    }
    let now = snapshot.at.known().copied().unwrap_or(now);
    for mapping in snapshot.mappings.known().into_iter().flatten() {
        let id = format!("{}:{}", mapping.proto.word(), mapping.port);
        let over = mapping.expires.filter(|expires| *expires < now);
        outer.push(Forward {
            uid: format!("upnp:{id}"),
            origin: Origin::Upnp,
            section: format!("upnp {id}"),
            line: 0,
            name: mapping.description.clone(),
            state: State::Active,
            zone: wan_zone(snapshot),
            v4: mapping.ip.is_ipv4(),
            v6: mapping.ip.is_ipv6(),
            family_default: false,
            protos: vec![mapping.proto.clone()],
            proto_default: false,
            ext: vec![Ports::one(mapping.port)],
            source: Source::default(),
            src_dip: Vec::new(),
            target: Target::Host(mapping.ip),
            target_named: None,
            to_port: Some(Ports::one(mapping.to)),
            reflection: false,
            conditions: Vec::new(),
            unknown: Vec::new(),
            said: over
                .map(|at| format!("The mapping expired at {}.", utc(at)))
                .into_iter()
                .collect(),
        });
    }
    if let Some(live) = snapshot.live.known() {
        for dnat in dnats(live) {
            let written = outer.iter().chain(&inner).any(|forward| dnat.is(forward));
            // miniupnpd's own are known by its leases; without them they stand for themselves.
            if !written && !dnat.name.starts_with("ubus:") {
                let mut forward = dnat.forward();
                forward.zone = wan_zone(snapshot);
                outer.push(forward);
            }
        }
    }
    (outer, inner)
}

fn wan_zone(snapshot: &Snapshot) -> String {
    let zones = snapshot.firewall.known().map(|firewall| &firewall.zones[..]).unwrap_or_default();
    zones.iter().find(|zone| zone.wan).map(|zone| zone.name.clone()).unwrap_or_else(|| "wan".into())
}

/// A machine that neither has a firewall of zones nor forwards packets.
fn no_router(snapshot: &Snapshot, forwards: &[Forward]) -> Option<String> {
    let Known::Unknown(firewall) = &snapshot.firewall else { return None };
    let live = snapshot.live.known().is_some_and(|live| !dnats(live).is_empty());
    let routes = snapshot.forwarding.known().copied().unwrap_or(false);
    // An unreadable config is a router's with a fault, not the absence of one.
    let absent = firewall.starts_with("there is no");
    (absent && !live && !routes && forwards.is_empty())
        .then(|| format!("{firewall}, and packets are not forwarded"))
}

fn verdict(facts: &Facts, index: usize, findings: &[Finding]) -> Verdict {
    let forward = &facts.forwards[index];
    let about: Vec<&Finding> = findings.iter().filter(|f| f.forwards.contains(&index)).collect();
    let mut evidence = vec![checks::written(forward)];
    let worst = about
        .iter()
        .filter(|f| f.axis == Axis::Expose)
        .filter(|f| matches!(f.status, Status::Fail | Status::Suppressed))
        .map(|finding| finding.severity)
        .max();
    let expose = match worst {
        _ if !forward.is_active() => Expose::Ok,
        Some(Severity::High | Severity::Critical) => Expose::Danger,
        Some(Severity::Low | Severity::Medium) => Expose::Review,
        _ => Expose::Ok,
    };
    let mut hits = None;
    for dnat in facts.snapshot.live.known().map(dnats).unwrap_or_default() {
        if let Some(packets) = dnat.packets.filter(|_| dnat.is(forward)) {
            hits = Some(hits.map_or(packets, |sum: u64| sum.saturating_add(packets)));
        }
    }
    let mut came = String::new();
    if let Some(hits) = hits.filter(|_| checks::translates(forward)) {
        let ago = checks::loaded_for(facts.snapshot).map(|age| format!(", {} ago", span(age)));
        came = format!(
            "{hits} new connections came to its rule since the firewall was loaded{}",
            ago.unwrap_or_default()
        );
        evidence.push(Evidence {
            means: if hits > 0 { Means::Passive } else { Means::Nft },
            source: "nft -j list ruleset".into(),
            summary: came.clone(),
        });
        if hits == 0 {
            came.clear();
        }
    }
    let flow = passive(facts, forward);
    let told = about.iter().filter(|f| f.status != Status::Unknown && f.effect != Effect::None);
    let told = told.filter(|f| !flow.is_some_and(|flow| f.effect.refuted_by(&flow.proto)));
    let block = told.min_by_key(|finding| finding.effect.reach());
    let flow = flow.filter(|_| block.is_none());
    let seen = seen(facts, forward, flow);
    let (reach, why) = match (block, flow) {
        (Some(finding), _) => (finding.effect.reach(), finding.title.to_string()),
        (None, Some(flow)) => {
            let Flow { from, host, host_port, .. } = flow;
            let why = format!("a connection from {from} is answered by {host}:{host_port}");
            proved(why, "/proc/net/nf_conntrack", &mut evidence)
        }
        (None, None) => match (likely(facts, index, forward, came), &seen) {
            ((Reach::Likely, _), Some((_, ago))) => {
                let why = format!("seen from outside {} ago", span(Duration::from_secs(*ago)));
                proved(why, "the daemon's last report", &mut evidence)
            }
            (likely, _) => likely,
        },
    };
    // That it answers us is no proof that the Internet gets to it.
    evidence.extend(checks::target::answers(facts, forward));
    let host = match forward.target {
        Target::Host(ip) => facts.host_name(ip).map(str::to_string),
        _ => None,
    };
    Verdict { reach, why, expose, evidence, host, hits, seen }
}

fn proved(why: String, source: &str, evidence: &mut Vec<Evidence>) -> (Reach, String) {
    evidence.push(Evidence { means: Means::Passive, source: source.into(), summary: why.clone() });
    (Reach::Proved, why)
}

/// What of a forward was used from outside, and how many seconds ago: now, or within a week as the
/// daemon's reports saw it. Of this very opening, at an address that is still ours, by a clock that
/// can be right; else it is not known.
fn seen(facts: &Facts, forward: &Forward, flow: Option<&Flow>) -> Option<(String, u64)> {
    let now = *facts.snapshot.at.known().filter(|now| **now >= RELEASED)?;
    let mut opening = [&forward.zone, " ", &checks::written(forward).summary].concat();
    for condition in &forward.conditions {
        opening.extend([" ", condition]);
    }
    opening.push_str(" at ");
    if let Some(flow) = flow {
        opening.push_str(&flow.to.to_string());
        return Some((opening, 0));
    }
    let mut last: Option<(String, u64)> = None;
    for (what, at) in &facts.snapshot.seen {
        let to = what.strip_prefix(&opening).and_then(|to| to.parse().ok());
        let ago = now.checked_sub(*at).filter(|ago| *ago <= WEEK);
        if let (Some(ago), true) = (ago, to.is_some_and(|to| arrives(facts, forward, to)))
            && last.as_ref().is_none_or(|(_, least)| ago < *least)
        {
            last = Some((what.clone(), ago));
        }
    }
    last.filter(|_| forward.is_active())
}

/// Packets from outside to this address are for the forward: it is one of the router's own, or
/// the target's itself.
fn arrives(facts: &Facts, forward: &Forward, to: IpAddr) -> bool {
    if !forward.src_dip.is_empty() {
        return forward.src_dip.iter().any(|net| net.contains(to));
    }
    let mut own = facts.networks().into_iter().flatten().flat_map(|network| &network.addresses);
    let target = matches!(forward.target, Target::Host(host) if host == to);
    target && behind(facts, to) || own.any(|(own, _)| *own == to)
}

/// In a network of the router's that is not a WAN's.
fn behind(facts: &Facts, ip: IpAddr) -> bool {
    let holds = |(own, len): &(IpAddr, u8)| Prefix { ip: *own, len: *len }.contains(ip);
    let mut networks = facts.networks().into_iter().flatten();
    networks.any(|network| !network.default_route && network.addresses.iter().any(holds))
}

/// A connection from outside that used the forward and was answered.
fn passive<'a>(facts: &Facts<'a>, forward: &Forward) -> Option<&'a Flow> {
    let flows = facts.snapshot.flows.known()?;
    facts.networks()?;
    let host = |ip: IpAddr| match forward.target {
        Target::Host(target) => target == ip,
        Target::Router => facts.firewall().is_some_and(|firewall| firewall.is_router(ip)),
        _ => false,
    };
    flows.iter().find(|flow| {
        flow.assured
            && forward.is_active()
            && forward.protos.iter().any(|proto| proto.covers(&flow.proto))
            && forward.ports().iter().any(|ports| ports.has(flow.port))
            && host(flow.host)
            // It may be older than the forward, or than the address.
            && forward.inside(flow.port) == flow.host_port
            && arrives(facts, forward, flow.to)
            && is_global(flow.from, facts.assume_public)
            && !behind(facts, flow.from)
    })
}

/// Nothing is known against it: is enough known for it?
fn likely(facts: &Facts, index: usize, forward: &Forward, came: String) -> (Reach, String) {
    match facts.ways.get(index) {
        Some(Known::Known(acl::Way::Open)) => {}
        Some(Known::Known(acl::Way::Perhaps(why))) => return (Reach::Unknown, why.clone()),
        Some(Known::Unknown(why)) => {
            return (Reach::Unknown, format!("the live firewall could not be followed: {why}"));
        }
        _ => return (Reach::Unknown, "the live firewall could not be followed".into()),
    }
    let line = match &facts.snapshot.line {
        Known::Known(_) => checks::path::doubt(facts, forward),
        Known::Unknown(_) if forward.v4 && !forward.v6 && !public(facts) => {
            Some("the WAN's address is not one that the Internet can reach".into())
        }
        Known::Unknown(_) => None,
    };
    if let Some(why) = line.or_else(|| checks::back::doubt(facts, forward)) {
        return (Reach::Unknown, why);
    }
    // It was tried, and what was heard is lost.
    if let Some(why) = why(&facts.snapshot.targets).filter(|why| *why != UNTRIED) {
        return (Reach::Unknown, format!("how its host answered could not be told: {why}"));
    }
    if let Some(why) = why(&facts.snapshot.names).filter(|why| *why != UNASKED) {
        return (Reach::Unknown, format!("whether the names lead here could not be told: {why}"));
    }
    if let (Target::Host(_), Known::Unknown(why)) = (&forward.target, &facts.snapshot.neighbours)
        && forward.v4
        && !facts.to_router(forward)
        && checks::target::answers(facts, forward).is_none()
    {
        return (Reach::Unknown, format!("whether its host is there could not be told: {why}"));
    }
    // The counter proves the way to the rule, and not that the host answered.
    let why = match came.is_empty() {
        true => "the live firewall lets it through; nobody tried from outside".into(),
        false => format!("the live firewall lets it through, and {came}; no answer was seen"),
    };
    (Reach::Likely, why)
}

/// A WAN has an address that the Internet can send to.
fn public(facts: &Facts) -> bool {
    let networks = facts.networks().unwrap_or_default();
    networks.iter().filter(|network| network.default_route).any(|network| {
        network.addresses.iter().any(|(ip, _)| ip.is_ipv4() && is_global(*ip, facts.assume_public))
    })
}

/// Silences what the owner accepted, until its day; tells what did not fit.
fn accept(findings: &mut [Finding], accepts: &[Accept], now: &str) -> Vec<String> {
    let today = now.get(..10).unwrap_or_default();
    let mut idle = Vec::new();
    for accept in accepts {
        let what = format!("{} of {}", accept.id, accept.subject);
        if accept.until.as_str() < today {
            idle.push(format!("{what} was accepted until {}: that is over", accept.until));
            continue;
        }
        let mut hit = false;
        for finding in findings.iter_mut() {
            let fits = finding.id == accept.id
                && (accept.subject == finding.subject || accept.subject == "*");
            if fits && finding.status == Status::Fail {
                finding.status = Status::Accepted;
                finding.until = Some(accept.until.clone());
                hit = true;
            }
        }
        if !hit {
            idle.push(format!("{what} is accepted, but there is no such finding"));
        }
    }
    idle
}
