//! `reachd report --json` by `docs/report.schema.json`: stable ids, absent means not checked,
//! lists in a fixed order; two reports of one state differ in their times alone.

use super::{object, texts};
use crate::checks;
use crate::checks::named::Shown;
use crate::model::finding::{Evidence, Expose, Finding, Reach, Severity, Status};
use crate::model::forward::{Forward, Target};
use crate::model::utc::utc;
use crate::report::{Report, Verdict};
use serde_json::{Map, Value};

/// Additive changes keep it.
const SCHEMA_VERSION: &str = "1";

/// When and how the report was made.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Seconds since 1970.
    pub started: u64,
    pub millis: u64,
    /// The exit code.
    pub code: u8,
}

pub fn text(report: &Report, run: Run) -> String {
    format!("{:#}\n", value(report, run))
}

fn value(report: &Report, run: Run) -> Value {
    let mut evidence: Vec<&Evidence> = Vec::new();
    let verdicts = report.verdicts.iter().map(|verdict| &verdict.evidence);
    for one in verdicts.chain(report.findings.iter().map(|finding| &finding.evidence)).flatten() {
        if let Err(at) = evidence.binary_search(&one) {
            evidence.insert(at, one);
        }
    }
    let eid = |one: &Evidence| {
        let at = evidence.binary_search(&one).map_or(0, |at| at + 1);
        format!("e{at}")
    };
    let eids = |all: &[Evidence]| all.iter().map(&eid).collect::<Vec<String>>();
    let forwards: Vec<Value> = report
        .forwards
        .iter()
        .zip(&report.verdicts)
        .enumerate()
        .map(|(index, (one, verdict))| {
            let about = |(_, finding): &(usize, &Finding)| finding.forwards.contains(&index);
            let fids: Vec<String> = report
                .findings
                .iter()
                .enumerate()
                .filter(about)
                .map(|(at, _)| format!("f{}", at + 1))
                .collect();
            let taken = report.snapshot.at.known().copied();
            forward(one, verdict, taken, fids, eids(&verdict.evidence))
        })
        .collect();
    let findings: Vec<Value> = report
        .findings
        .iter()
        .enumerate()
        .map(|(at, one)| {
            let mut value = finding(report, one, at);
            value["evidence"] = eids(&one.evidence).into();
            value
        })
        .collect();
    let evidence: Vec<Value> = evidence
        .iter()
        .map(|one| {
            object(&mut [
                ("eid", eid(one).into()),
                ("kind", one.means.word().into()),
                ("src", one.source[..].into()),
                ("summary", one.summary[..].into()),
            ])
        })
        .collect();
    let unread: Vec<Value> = report
        .missing()
        .into_iter()
        .map(|(part, why)| object(&mut [("part", part.into()), ("why", why.into())]))
        .collect();
    let count = report.count;
    let danger = report.verdicts.iter().filter(|v| v.expose == Expose::Danger).count();
    let blocked = |verdict: &&Verdict| matches!(verdict.reach, Reach::Blocked(_) | Reach::Down);
    let unknown = |verdict: &&Verdict| verdict.reach == Reach::Unknown;
    let tool = &mut [("name", "reachd".into()), ("version", env!("CARGO_PKG_VERSION").into())];
    let run_of = &mut [
        ("started", utc(run.started).into()),
        ("duration_ms", run.millis.into()),
        ("taken", report.snapshot.at.known().map(|at| utc(*at)).into()),
        ("host", report.snapshot.host.known().map(String::as_str).into()),
        ("level", "none".into()),
        ("outside", (!report.names.is_empty()).into()),
    ];
    let checks = &mut [
        ("run", count.run.into()),
        ("pass", count.pass.into()),
        ("fail", count.fail.into()),
        ("unknown", count.unknown.into()),
        ("na", count.not_applicable.into()),
    ];
    let summary = &mut [
        ("reach_blocked", report.verdicts.iter().filter(blocked).count().into()),
        ("danger", danger.into()),
        ("unknown", report.verdicts.iter().filter(unknown).count().into()),
        ("exit", run.code.into()),
    ];
    let mut value = object(&mut [
        ("schema_version", SCHEMA_VERSION.into()),
        ("tool", object(tool)),
        ("run", object(run_of)),
        ("router", report.no_router.is_none().into()),
        ("line", line(report)),
        ("forwards", forwards.into()),
        ("findings", findings.into()),
        ("evidence", evidence.into()),
        ("unread", unread.into()),
        ("checks", object(checks)),
        ("summary", object(summary)),
    ]);
    // Absent: nobody was asked, or there are none.
    if !report.names.is_empty() {
        value["names"] = report.names.iter().map(name).collect();
    }
    value
}

fn name(one: &Shown) -> Value {
    let [v4, v6] = &one.records;
    let verdict = one.verdict();
    object(&mut [
        ("fqdn", one.fqdn[..].into()),
        ("section", one.section[..].into()),
        ("verdict", verdict.into()),
        ("proxied", (verdict == "proxied").into()),
        ("ttl", v4.ttl.or(v6.ttl).into()),
        ("a", texts(&v4.addresses)),
        ("a_is", v4.state.word().into()),
        ("aaaa", texts(&v6.addresses)),
        ("aaaa_is", v6.state.word().into()),
    ])
}

fn line(report: &Report) -> Value {
    let judged = report.snapshot.line.known().into_iter().flatten();
    let judged: Vec<Value> = judged
        .map(|one| {
            object(&mut [
                ("iface", one.network[..].into()),
                ("dev", one.device.as_deref().into()),
                ("family", one.family.to_string().into()),
                ("addresses", texts(&one.addresses)),
                ("kind", crate::line::key(&one.verdict.line).into()),
                ("certainty", one.verdict.certainty.to_string().into()),
                ("evidence", texts(&one.verdict.evidence)),
            ])
        })
        .collect();
    let networks = report.snapshot.networks.known().into_iter().flatten();
    let wans: Vec<Value> = networks
        .filter(|network| network.default_route)
        .map(|network| {
            let addresses: Vec<Value> = network
                .addresses
                .iter()
                .map(|(ip, _)| {
                    let class = crate::model::address::class(*ip);
                    object(&mut [
                        ("ip", ip.to_string().into()),
                        ("class", class.name.into()),
                        ("global", class.global.into()),
                    ])
                })
                .collect();
            object(&mut [
                ("iface", network.name[..].into()),
                ("dev", network.device.as_deref().into()),
                ("proto", network.proto[..].into()),
                ("addresses", addresses.into()),
                ("prefixes", texts(&network.delegated)),
            ])
        })
        .collect();
    object(&mut [("wans", wans.into()), ("judged", judged.into())])
}

fn forward(
    one: &Forward,
    verdict: &Verdict,
    taken: Option<u64>,
    findings: Vec<String>,
    evidence: Vec<String>,
) -> Value {
    let ports = |ports: &[crate::model::forward::Ports]| -> Value {
        ports.iter().map(|ports| Value::from(vec![ports.first, ports.last])).collect()
    };
    let mut target = Map::new();
    let kind = match &one.target {
        Target::Router => "router",
        Target::Host(_) => "host",
        Target::Suffix(..) => "suffix",
        Target::Net(_) => "net",
        Target::Zone(_) => "zone",
    };
    target.insert("kind".into(), kind.into());
    match &one.target {
        Target::Router => {}
        Target::Zone(zone) => drop(target.insert("zone".into(), zone.as_str().into())),
        other => drop(target.insert("ip".into(), other.to_string().into())),
    }
    target.insert("ports".into(), ports(&one.inside_ports()));
    if let Some(host) = &verdict.host {
        target.insert("host".into(), host.as_str().into());
    }
    let mut reach = object(&mut [
        ("verdict", verdict.reach.word().into()),
        ("certainty", verdict.reach.certainty().into()),
        ("why", verdict.why[..].into()),
        ("evidence", evidence.into()),
    ]);
    if let Reach::Blocked(at) = verdict.reach {
        reach["where"] = at.to_string().into();
    }
    if let (Reach::Proved, Some((_, ago)), Some(at)) = (verdict.reach, &verdict.seen, taken) {
        reach["seen"] = utc(at - ago).into();
    }
    let hits = verdict.hits.map(|packets| object(&mut [("packets", packets.into())]));
    let protos: Vec<&str> = one.protos.iter().map(|proto| proto.word()).collect();
    let source = &mut [
        ("any", one.source.is_anybody().into()),
        ("cidrs", texts(&one.source.nets)),
        ("text", one.source.to_string().into()),
    ];
    object(&mut [
        ("uid", one.uid[..].into()),
        ("section", one.section[..].into()),
        ("name", one.name[..].into()),
        ("origin", one.origin.word().into()),
        ("active", one.is_active().into()),
        ("ipv4", one.v4.into()),
        ("ipv6", one.v6.into()),
        ("proto", protos.into()),
        ("ext", ports(one.ports())),
        ("target", target.into()),
        ("source", object(source)),
        ("hits", hits.into()),
        ("reach", reach),
        ("expose", object(&mut [("verdict", verdict.expose.word().into())])),
        ("findings", findings.into()),
    ])
}

fn finding(report: &Report, one: &Finding, at: usize) -> Value {
    let uids: Vec<&str> = one
        .forwards
        .iter()
        .filter_map(|index| report.forwards.get(*index))
        .map(|forward| &forward.uid[..])
        .collect();
    let after = checks::find(one.id).map(|check| check.after).unwrap_or_default();
    let mut value = object(&mut [
        ("fid", format!("f{}", at + 1).into()),
        ("id", one.id.into()),
        ("severity", one.severity.word().into()),
        ("axis", one.axis.word().into()),
        ("status", one.status.word().into()),
        ("title", one.title.into()),
        ("text", one.text[..].into()),
        ("fix", one.fix[..].into()),
        ("subject", one.subject[..].into()),
        ("forwards", uids.into()),
        ("depends_on", after.into()),
        ("fingerprint", one.fingerprint[..].into()),
    ]);
    let mut put = |key: &str, text: Option<&str>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            value[key] = text.into();
        }
    };
    put("snippet", Some(&one.snippet));
    put("suppressed_by", one.because_of);
    put("accepted_until", one.until.as_deref());
    value
}

/// SARIF 2.1.0, for tools that gather findings.
pub fn sarif(report: &Report) -> String {
    let level = |finding: &Finding| match (finding.status, finding.severity) {
        (Status::Fail, Severity::High | Severity::Critical) => "error",
        (Status::Fail, Severity::Medium) => "warning",
        (Status::Fail, _) => "note",
        _ => "none",
    };
    let kind = |finding: &Finding| match finding.status {
        Status::Unknown => "open",
        _ => "fail",
    };
    let results: Vec<Value> = report
        .findings
        .iter()
        .filter(|finding| finding.status != Status::Suppressed)
        .map(|finding| {
            let line = finding.forwards.first().and_then(|at| report.forwards.get(*at));
            let line = line.map_or(1, |forward| forward.line.max(1));
            // Shown to people as it is, unlike the JSON, which is data.
            let text = format!("{}: {} {}", finding.subject, finding.text, finding.fix);
            let text = super::report_text::plain(&text);
            let file = object(&mut [("uri", "etc/config/firewall".into())]);
            let region = object(&mut [("startLine", line.into())]);
            let place = &mut [("artifactLocation", file), ("region", region)];
            let place = object(&mut [("physicalLocation", object(place))]);
            let prints = &mut [("reachd/v1", finding.fingerprint[..].into())];
            let mut result = object(&mut [
                ("ruleId", finding.id.into()),
                ("kind", kind(finding).into()),
                ("level", level(finding).into()),
                ("message", object(&mut [("text", text.into())])),
                ("locations", vec![place].into()),
                ("partialFingerprints", object(prints)),
            ]);
            if finding.status == Status::Accepted {
                let why = finding.until.as_deref().unwrap_or_default();
                let why = format!("accepted until {why}");
                let why = &mut [("kind", "external".into()), ("justification", why.into())];
                result["suppressions"] = vec![object(why)].into();
                result["level"] = "none".into();
            }
            result
        })
        .collect();
    let rules: Vec<Value> = checks::ALL
        .iter()
        .copied()
        .flatten()
        .map(|check| {
            object(&mut [
                ("id", check.id.into()),
                ("shortDescription", object(&mut [("text", check.title.into())])),
                ("help", object(&mut [("text", check.next.into())])),
            ])
        })
        .collect();
    let driver = object(&mut [
        ("name", "reachd".into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("rules", rules.into()),
    ]);
    let tool = object(&mut [("driver", driver)]);
    let run = object(&mut [("tool", tool), ("results", results.into())]);
    let log = object(&mut [
        ("$schema", "https://json.schemastore.org/sarif-2.1.0.json".into()),
        ("version", "2.1.0".into()),
        ("runs", vec![run].into()),
    ]);
    format!("{log:#}\n")
}

/// For a node exporter's text-file collector.
pub fn prometheus(report: &Report, run: Run) -> String {
    let mut out = String::new();
    let mut put = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    put("# HELP reachd_forward_reach 1 open, 0.5 partly, 0 blocked or down, -1 unknown.".into());
    put("# TYPE reachd_forward_reach gauge".into());
    for (forward, verdict) in report.forwards.iter().zip(&report.verdicts) {
        let number = match verdict.reach {
            Reach::Proved | Reach::Likely => "1",
            Reach::Partial => "0.5",
            Reach::Blocked(_) | Reach::Down => "0",
            Reach::Unknown => "-1",
        };
        put(format!("reachd_forward_reach{} {number}", label(forward)));
    }
    put("# HELP reachd_forward_expose 0 ok, 1 review, 2 danger.".into());
    put("# TYPE reachd_forward_expose gauge".into());
    for (forward, verdict) in report.forwards.iter().zip(&report.verdicts) {
        put(format!("reachd_forward_expose{} {}", label(forward), verdict.expose as u8));
    }
    put("# HELP reachd_findings Findings that are not silenced.".into());
    put("# TYPE reachd_findings gauge".into());
    for severity in Severity::ALL {
        let count = report.open().filter(|finding| finding.severity == severity).count();
        put(format!("reachd_findings{{severity=\"{}\"}} {count}", severity.word()));
    }
    put("# HELP reachd_report_timestamp_seconds When the report was made.".into());
    put("# TYPE reachd_report_timestamp_seconds gauge".into());
    put(format!("reachd_report_timestamp_seconds {}", run.started));
    out
}

fn label(forward: &Forward) -> String {
    let escape = |text: &str| {
        let text = super::report_text::plain(text);
        text.replace('\\', "\\\\").replace('"', "\\\"")
    };
    format!("{{uid=\"{}\",name=\"{}\"}}", escape(&forward.uid), escape(&forward.name))
}
