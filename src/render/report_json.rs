//! `reachd report --json` by `docs/report.schema.json`: stable ids, absent means not checked,
//! lists in a fixed order; two reports of one state differ in their times alone.

use crate::checks;
use crate::checks::named::Shown;
use crate::model::finding::{Evidence, Expose, Finding, Reach, Severity, Status};
use crate::model::forward::{Forward, Target};
use crate::model::utc::utc;
use crate::report::{Report, Verdict};
use serde_json::{Map, Value, json};

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
            json!({
                "eid": eid(one), "kind": one.means.word(), "src": one.source,
                "summary": one.summary,
            })
        })
        .collect();
    let unread: Vec<Value> =
        report.missing().iter().map(|(part, why)| json!({"part": part, "why": why})).collect();
    let count = report.count;
    let danger = report.verdicts.iter().filter(|v| v.expose == Expose::Danger).count();
    let blocked = |verdict: &&Verdict| matches!(verdict.reach, Reach::Blocked(_) | Reach::Down);
    let unknown = |verdict: &&Verdict| verdict.reach == Reach::Unknown;
    let mut value = json!({
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "reachd", "version": env!("CARGO_PKG_VERSION")},
        "run": {
            "started": utc(run.started),
            "duration_ms": run.millis,
            "taken": report.snapshot.at.known().map(|at| utc(*at)),
            "host": report.snapshot.host.known(),
            "level": "none",
            "outside": !report.names.is_empty(),
        },
        "router": report.no_router.is_none(),
        "line": line(report),
        "forwards": forwards,
        "findings": findings,
        "evidence": evidence,
        "unread": unread,
        "checks": {
            "run": count.run, "pass": count.pass, "fail": count.fail, "unknown": count.unknown,
            "na": count.not_applicable,
        },
        "summary": {
            "reach_blocked": report.verdicts.iter().filter(blocked).count(),
            "danger": danger,
            "unknown": report.verdicts.iter().filter(unknown).count(),
            "exit": run.code,
        },
    });
    // Absent: nobody was asked, or there are none.
    if !report.names.is_empty() {
        value["names"] = report.names.iter().map(name).collect();
    }
    value
}

fn name(one: &Shown) -> Value {
    let [v4, v6] = &one.records;
    let verdict = one.verdict();
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| drop(map.insert(key.into(), value));
    put("fqdn", one.fqdn[..].into());
    put("section", one.section[..].into());
    put("verdict", verdict.into());
    put("proxied", (verdict == "proxied").into());
    put("ttl", v4.ttl.or(v6.ttl).into());
    for (key, is, record) in [("a", "a_is", v4), ("aaaa", "aaaa_is", v6)] {
        let addresses: Vec<String> = record.addresses.iter().map(|ip| ip.to_string()).collect();
        put(key, addresses.into());
        put(is, record.state.word().into());
    }
    Value::Object(map)
}

fn line(report: &Report) -> Value {
    let judged = report.snapshot.line.known().into_iter().flatten();
    let judged: Vec<Value> = judged
        .map(|one| {
            let addresses: Vec<String> = one.addresses.iter().map(|ip| ip.to_string()).collect();
            json!({
                "iface": one.network, "dev": one.device, "family": one.family.to_string(),
                "addresses": addresses, "kind": crate::line::key(&one.verdict.line),
                "certainty": one.verdict.certainty.to_string(), "evidence": one.verdict.evidence,
            })
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
                    json!({"ip": ip.to_string(), "class": class.name, "global": class.global})
                })
                .collect();
            let prefixes: Vec<String> =
                network.delegated.iter().map(|net| net.to_string()).collect();
            json!({
                "iface": network.name, "dev": network.device, "proto": network.proto,
                "addresses": addresses, "prefixes": prefixes,
            })
        })
        .collect();
    json!({ "wans": wans, "judged": judged })
}

fn forward(
    one: &Forward,
    verdict: &Verdict,
    taken: Option<u64>,
    findings: Vec<String>,
    evidence: Vec<String>,
) -> Value {
    let ports = |ports: &[crate::model::forward::Ports]| {
        ports.iter().map(|p| json!([p.first, p.last])).collect::<Vec<Value>>()
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
    target.insert("ports".into(), ports(&one.inside_ports()).into());
    if let Some(host) = &verdict.host {
        target.insert("host".into(), host.as_str().into());
    }
    let cidrs: Vec<String> = one.source.nets.iter().map(|net| net.to_string()).collect();
    let mut reach = json!({
        "verdict": verdict.reach.word(),
        "certainty": verdict.reach.certainty(),
        "why": verdict.why,
        "evidence": evidence,
    });
    if let Reach::Blocked(at) = verdict.reach {
        reach["where"] = at.to_string().into();
    }
    if let (Reach::Proved, Some((_, ago)), Some(at)) = (verdict.reach, &verdict.seen, taken) {
        reach["seen"] = utc(at - ago).into();
    }
    let hits = verdict.hits.map(|packets| json!({"packets": packets}));
    let protos: Vec<&str> = one.protos.iter().map(|proto| proto.word()).collect();
    json!({
        "uid": one.uid,
        "section": one.section,
        "name": one.name,
        "origin": one.origin.word(),
        "active": one.is_active(),
        "ipv4": one.v4,
        "ipv6": one.v6,
        "proto": protos,
        "ext": ports(one.ports()),
        "target": target,
        "source": {"any": one.source.is_anybody(), "cidrs": cidrs, "text": one.source.to_string()},
        "hits": hits,
        "reach": reach,
        "expose": {"verdict": verdict.expose.word()},
        "findings": findings,
    })
}

fn finding(report: &Report, one: &Finding, at: usize) -> Value {
    let uids: Vec<&str> = one
        .forwards
        .iter()
        .filter_map(|index| report.forwards.get(*index))
        .map(|forward| &forward.uid[..])
        .collect();
    let after = checks::find(one.id).map(|check| check.after).unwrap_or_default();
    let mut value = json!({
        "fid": format!("f{}", at + 1),
        "id": one.id,
        "severity": one.severity.word(),
        "axis": one.axis.word(),
        "status": one.status.word(),
        "title": one.title,
        "text": one.text,
        "fix": one.fix,
        "subject": one.subject,
        "forwards": uids,
        "depends_on": after,
        "fingerprint": one.fingerprint,
    });
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
            let mut result = json!({
                "ruleId": finding.id,
                "kind": kind(finding),
                "level": level(finding),
                "message": {"text": super::report_text::plain(&text)},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": "etc/config/firewall"},
                    "region": {"startLine": line},
                }}],
                "partialFingerprints": {"reachd/v1": finding.fingerprint},
            });
            if finding.status == Status::Accepted {
                let why = finding.until.as_deref().unwrap_or_default();
                let why = format!("accepted until {why}");
                result["suppressions"] = json!([{"kind": "external", "justification": why}]);
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
            json!({
                "id": check.id,
                "shortDescription": {"text": check.title},
                "help": {"text": check.next},
            })
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "reachd", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
            }},
            "results": results,
        }],
    });
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
