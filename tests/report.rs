//! `reachd report` over folders that stand for routers (`tests/report/CASE/root`), with the built
//! binary: text and JSON as they were looked at and blessed. After a change that is meant:
//!
//!     REACHD_BLESS=1 cargo test --test report
//!
//! and read the difference.

use reachd::checks;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report")
}

fn cases() -> Vec<(String, PathBuf)> {
    let mut cases: Vec<(String, PathBuf)> = fs::read_dir(home())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("root").is_dir())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), path))
        .collect();
    cases.sort();
    cases
}

fn report(root: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reachd"))
        .args(["report", "--root"])
        .arg(root)
        .args(more)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// JSON without what the clock decides.
fn timeless(output: &Output) -> Value {
    let mut value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["run"]["started"] = "TIME".into();
    value["run"]["duration_ms"] = 0.into();
    value["tool"]["version"] = "VERSION".into();
    value
}

/// Compares with what was blessed, or blesses.
fn golden(path: &Path, got: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("REACHD_BLESS").is_some() {
        fs::write(path, got).unwrap();
        return;
    }
    let want = fs::read_to_string(path).unwrap_or_default();
    if want != got {
        let at = want.lines().zip(got.lines()).position(|(a, b)| a != b).unwrap_or(0);
        let line = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_string();
        wrong.push(format!(
            "{}:{}\n  blessed {}\n  now     {}",
            path.display(),
            at + 1,
            line(&want),
            line(got)
        ));
    }
}

#[test]
fn each_case_reads_as_it_was_blessed() {
    let mut wrong = Vec::new();
    for (_, path) in cases() {
        let root = path.join("root");
        let plain = report(&root, &["-v"]);
        let shown = format!("{}exit code {}\n", text(&plain), plain.status.code().unwrap());
        golden(&path.join("report.txt"), &shown, &mut wrong);
        let json = timeless(&report(&root, &["--json"]));
        golden(&path.join("report.json"), &format!("{json:#}\n"), &mut wrong);
        assert_eq!(json, timeless(&report(&root, &["--json"])), "two runs differ");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_line_is_wider_than_80_and_none_controls_the_terminal() {
    for (case, path) in cases() {
        let shown = text(&report(&path.join("root"), &["-v"]));
        for line in shown.lines() {
            let long = line.chars().count() > 80 && line.split_whitespace().count() > 2;
            assert!(!long || line.contains('|'), "{case}: {line}");
            assert!(!line.chars().any(char::is_control), "{case}: {line:?}");
        }
    }
}

/// Findings that fail, by check, over all cases.
fn failing() -> BTreeMap<String, Vec<String>> {
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (case, path) in cases() {
        let json = timeless(&report(&path.join("root"), &["--json"]));
        for finding in json["findings"].as_array().unwrap() {
            let id = finding["id"].as_str().unwrap().to_string();
            by_id.entry(id).or_default().push(case.clone());
        }
    }
    by_id
}

#[test]
fn each_check_speaks_somewhere_and_is_silent_elsewhere() {
    let speaking = failing();
    let all = cases().len();
    let mut wrong = Vec::new();
    for check in checks::ALL.iter().copied().flatten() {
        let mut cases = speaking.get(check.id).cloned().unwrap_or_default();
        cases.dedup();
        if check.id == "acl.complex" {
            // Speaks in a test of its own: a ruleset like that has megabytes.
            assert!(cases.is_empty(), "{cases:?}");
        } else if cases.is_empty() || cases.len() == all {
            wrong.push(format!("{} speaks in {} of {all} cases", check.id, cases.len()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn each_id_is_explained() {
    for check in checks::ALL.iter().copied().flatten() {
        let output = Command::new(env!("CARGO_BIN_EXE_reachd"))
            .args(["explain", check.id])
            .output()
            .unwrap();
        let shown = text(&output);
        assert!(shown.contains(check.id) && output.status.success(), "{}", check.id);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        for id in check.after {
            assert!(checks::find(id).is_some(), "{} names {id}, which is none", check.id);
        }
    }
}

/// What is used of JSON Schema in ours: type, const, enum, required, properties, items. A key
/// that the schema does not name is a mistake in one of the two.
fn fits(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::String(one) => one == kind,
        Value::Array(all) => all.iter().any(|one| one == kind),
        _ => true,
    };
    let listed = schema["enum"].as_array().is_none_or(|all| all.contains(value));
    let same = schema["const"].is_null() || schema["const"] == *value;
    if !(allowed && listed && same) {
        wrong.push(format!("{at}: {value}"));
    }
    if let Some(object) = value.as_object() {
        for key in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(key.as_str().unwrap()) {
                wrong.push(format!("{at}: {key} is missing"));
            }
        }
        for (key, value) in object {
            match &schema["properties"][key] {
                Value::Null => wrong.push(format!("{at}.{key} is not in the schema")),
                schema => fits(schema, value, &format!("{at}.{key}"), wrong),
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(&schema["items"], item, &format!("{at}[{index}]"), wrong);
    }
}

#[test]
fn json_is_as_its_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for (case, path) in cases() {
        let output = report(&path.join("root"), &["--json"]);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        fits(&schema, &value, &case, &mut wrong);
        assert_eq!(value["summary"]["exit"], output.status.code().unwrap());
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_other_formats_hold_together() {
    for (case, path) in cases() {
        let root = path.join("root");
        let html = text(&report(&root, &["--format", "html"]));
        assert!(html.len() <= 60 * 1024, "{case}: {} bytes", html.len());
        // What foreign text brings along is escaped; the page itself has neither of them.
        for bad in ["<script", "javascript:", "onload", "src=", "href=", "\u{1b}", "\u{202e}"] {
            assert!(!html.contains(bad), "{case}: {bad}");
        }
        assert_eq!(html.matches("<details").count(), html.matches("</details>").count());
        let sarif = report(&root, &["--format", "sarif"]);
        let sarif: Value = serde_json::from_slice(&sarif.stdout).unwrap();
        for result in sarif["runs"][0]["results"].as_array().unwrap() {
            assert!(checks::find(result["ruleId"].as_str().unwrap()).is_some());
        }
        let metrics = text(&report(&root, &["--format", "prometheus"]));
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let (name, number) = line.rsplit_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok() && name.starts_with("reachd_"), "{line}");
        }
    }
}

#[test]
fn exit_codes() {
    let code = |case: &str, more: &[&str]| {
        report(&home().join(case).join("root"), more).status.code().unwrap()
    };
    assert_eq!(code("norouter", &["--strict"]), 0);
    assert_eq!(code("dmz", &[]), 3);
    assert_eq!(code("exposed", &[]), 2);
    assert_eq!(code("exposed", &["--fail-on", "critical"]), 2);
    assert_eq!(code("unloaded", &["--fail-on", "critical"]), 1);
    assert_eq!(code("nowhere at all", &[]), 64);
    assert_eq!(code("dmz", &["--format", "pdf"]), 64);
}

/// What an A record is on each kind of line: ours, not ours, or not to be told. Nothing fails where
/// there is nothing to publish, or where nobody knows what.
#[test]
fn names_on_every_line() {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lines-{}", std::process::id()));
    let other = "198.51.100.99";
    for (case, shared_line, a, is, fails) in [
        ("house", "skip", "198.51.100.23", "ok", false),
        ("house", "skip", other, "not here", true),
        // Its address is what the Internet sees, unless it was asked and saw another.
        ("house", "outside", other, "not known to be ours", false),
        ("line-map", "skip", "203.0.113.9", "private", true),
        ("line-map", "skip", "MINE", "ok", false),
        ("line-cgnat", "skip", other, "not here", false),
        ("line-cgnat", "outside", other, "not known to be ours", false),
        ("line-cgnat", "wan", "MINE", "ok", false),
        ("line-double-nat", "skip", "MINE", "private", false),
        ("line-double-nat", "wan", "MINE", "ok", false),
        ("line-dslite", "skip", other, "not here", false),
        ("line-down", "skip", other, "not known to be ours", false),
        ("line-mobile", "outside", other, "not known to be ours", false),
    ] {
        let _ = fs::remove_dir_all(&to);
        let from = home().join(case).join("root");
        assert!(Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success());
        let config = to.join("etc/config/reachd");
        let lab = fs::read_to_string(&config).unwrap() + "\tlist assume_public '192.0.2.0/24'\n";
        fs::write(&config, lab).unwrap();
        let plain = timeless(&report(&to, &["--json"]));
        let lines = plain["line"]["judged"].as_array().unwrap();
        let mine = lines.iter().find(|line| line["family"] == "ipv4");
        let mine = mine.and_then(|line| line["addresses"][0].as_str()).unwrap_or("192.0.2.1");
        let a = if a == "MINE" { mine } else { a };
        let text = format!(
            "name\tnas.example.net\tnas\tA\trouter\t{shared_line}\texample.net\n\
             authority\tns.example.net 192.0.2.53\t60 {a}\t-\n\
             public\t9.9.9.9\t60 {a}\t-\nlocal\t127.0.0.1\t60 {a}\t-\n"
        );
        fs::write(to.join("cmd/reachd-names.txt"), text).unwrap();
        let told = timeless(&report(&to, &["--json"]));
        let what = format!("{case} {shared_line} {a}");
        assert_eq!(told["names"][0]["a_is"], is, "{what}");
        let findings = told["findings"].as_array().unwrap();
        let bad = |one: &&Value| {
            let id = one["id"].as_str().unwrap();
            id.starts_with("name.") && id != "name.reflect" && one["status"] == "fail"
        };
        let bad: Vec<&Value> = findings.iter().filter(bad).map(|one| &one["id"]).collect();
        assert_eq!(!bad.is_empty(), fails, "{what}: {bad:?}");
    }
    let _ = fs::remove_dir_all(&to);
}

/// A ruleset past the bound is said to be so, in time, and nothing is concluded from it.
#[test]
fn a_ruleset_beyond_the_bound() {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vast-{}", std::process::id()));
    let _ = fs::remove_dir_all(&to);
    let from = home().join("live/root");
    assert!(Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success());
    let path = to.join("cmd/nft-j-list-ruleset.json");
    let mut ruleset: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let list = ruleset["nftables"].as_array_mut().unwrap();
    let jump = list
        .iter()
        .position(|object| {
            object["rule"]["comment"] == "!fw4: Accept port forwards"
                && object["rule"]["chain"] == "forward_wan"
        })
        .unwrap();
    for n in 0..1500u32 {
        let range = |field: &str, low: u32, high: u32| {
            serde_json::json!({"match": {"op": "==", "right": {"range": [low, high]},
                "left": {"payload": {"protocol": "tcp", "field": field}}}})
        };
        let net = serde_json::json!({"match": {"op": "==",
            "left": {"payload": {"protocol": "ip", "field": "saddr"}},
            "right": {"range": [format!("{}.{}.0.0", n % 211, n % 97), format!("{}.0.0.0", n % 211 + 11)]}}});
        let (at, from) = (1000 + n * 13 % 40_000, 2000 + n * 29 % 40_000);
        let rule = serde_json::json!({"rule": {"family": "inet", "table": "fw4",
            "chain": "forward_wan", "handle": 9000 + n,
            "expr": [net, range("dport", at, at + 9000), range("sport", from, from + 9000),
                {"drop": null}]}});
        list.insert(jump, rule);
    }
    fs::write(&path, ruleset.to_string()).unwrap();
    let begin = std::time::Instant::now();
    let output = report(&to, &["--json"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(begin.elapsed().as_secs() < 120, "{:?}", begin.elapsed());
    let complex = |finding: &&Value| finding["id"] == "acl.complex" && finding["status"] == "fail";
    assert!(value["findings"].as_array().unwrap().iter().any(|f| complex(&f)));
    let _ = fs::remove_dir_all(&to);
}

/// What a later report is compared with: of every case, and of the case itself nothing changed.
#[test]
fn differences_to_the_last_one() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("diff-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    let config = dir.join("config").display().to_string();
    fs::write(&config, "config reachd 'main'\n\toption journal '/journal'\n").unwrap();
    let more = |word: &'static str| ["-c".to_string(), config.clone(), word.to_string()];
    let run = |root: &Path, words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        report(root, &words)
    };
    let mut changes = 0;
    for (name, path) in cases() {
        // A folder of links: the case itself stays as it is.
        let root = dir.join(&name);
        fs::create_dir_all(&root).unwrap();
        for entry in fs::read_dir(path.join("root")).unwrap() {
            let entry = entry.unwrap();
            std::os::unix::fs::symlink(entry.path(), root.join(entry.file_name())).unwrap();
        }
        let none = run(&root, &more("--diff"));
        assert_eq!(none.status.code(), Some(64), "{name}: {none:?}");
        let lines = report(&root, &["-c", &config, "--format", "lines"]);
        let said = text(&lines);
        assert!(said.starts_with("reachd-report 1\n") && said.ends_with("\nend\n"), "{said}");
        let kept = root.join("journal.report");
        fs::write(&kept, &said).unwrap();
        let same = run(&root, &more("--diff"));
        assert_eq!(text(&same), "nothing changed\n", "{name}");
        assert_eq!(same.status.code(), lines.status.code(), "{name}");
        // Whatever was there and is not any more is told, and nothing else.
        let was = said.replace("\nend\n", "\nfact forward gone (tcp 1)\topen, ok\nend\n");
        fs::write(&kept, was).unwrap();
        let told = text(&run(&root, &more("--diff")));
        assert_eq!(told, "forward gone (tcp 1): no more (was open, ok)\n", "{name}");
        // Without what it could not read, it says so and ends nothing.
        if said.contains("\nmissing ") {
            let line = |line: &&str| !line.starts_with("missing ");
            let had: Vec<&str> = said.lines().filter(line).collect();
            let had =
                had.join("\n").replace("\nend", "\nfact forward gone (tcp 1)\topen, ok\nend\n");
            fs::write(&kept, had).unwrap();
            let told = text(&run(&root, &more("--diff")));
            assert!(told.starts_with("not to be read now: "), "{name}: {told}");
            assert!(told.ends_with("\nnothing changed\n"), "{name}: {told}");
            changes += 1;
        }
    }
    fs::remove_dir_all(&dir).unwrap();
    assert!(changes > 0);
}

#[test]
fn the_house_shows_every_verdict() {
    let json = timeless(&report(&home().join("house/root"), &["--json"]));
    let mut shown: Vec<String> = Vec::new();
    for forward in json["forwards"].as_array().unwrap() {
        let reach = &forward["reach"];
        shown.push(format!("{} {}", reach["verdict"], reach["certainty"]).replace('"', ""));
    }
    for verdict in [
        "open proved",
        "open likely",
        "partial likely",
        "blocked likely",
        "down likely",
        "unknown unknown",
    ] {
        assert!(shown.iter().any(|one| one == verdict), "no {verdict} in {shown:?}");
    }
}

/// What a folder is changed by, and what must then be said, or not be said.
struct Variant {
    case: &'static str,
    /// File, what stands there, what instead. A journal is sealed again.
    edits: &'static [(&'static str, &'static str, &'static str)],
    id: &'static str,
    speaks: bool,
}

const PASSAGES: &str = "cmd/reachd-passages.txt";
const NFT: &str = "cmd/nft-j-list-ruleset.json";
const JOURNAL: &str = "var/run/reachd/journal";
const DUMP: &str = "cmd/ubus-network.interface-dump.json";
const REACHD: &str = "etc/config/reachd";
const FIREWALL: &str = "etc/config/firewall";
const PUBLIC: &str = "\tlist assume_public '198.51.100.0/24'\n";

/// A save and a restore of marks, before the first DNAT.
const MARKED: &str = r#"{"chain": {"family": "inet", "table": "fw4", "name": "m", "handle": 900,
    "type": "filter", "hook": "prerouting", "prio": -150, "policy": "accept"}},
    {"rule": {"family": "inet", "table": "fw4", "chain": "m", "handle": 901, "expr": [
    {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "wanb0"}},
    {"mangle": {"key": {"ct": {"key": "mark"}}, "value": 2}}]}},
    {"rule": {"family": "inet", "table": "fw4", "chain": "m", "handle": 902, "expr": [
    {"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"ct": {"key": "mark"}}}}]}}
]}"#;

/// As iptables' mwan3 shows itself in nft's list.
const UNREAD: &str = r#"{"chain": {"family": "inet", "table": "fw4", "name": "m", "handle": 900,
    "type": "filter", "hook": "prerouting", "prio": -150, "policy": "accept"}},
    {"rule": {"family": "inet", "table": "fw4", "chain": "m", "handle": 901, "expr": [
    {"xt": {"type": "target", "name": "CONNMARK"}}]}}
]}"#;

/// The rule that has a range up to 7015, from its expressions on.
const SEVEN: &str = r#"some of seven", "expr": [{"match": {"op": "==", "left": {"payload": "#;
const TO_ONE: &str = r#"some of seven", "expr": [{"match": {"op": "==", "left": {"payload":
    {"protocol": "ip6", "field": "daddr"}}, "right": "2001:db8:cafe::50"}},
    {"match": {"op": "==", "left": {"payload": "#;
const FROM_FEW: &str = r#"some of seven", "expr": [{"match": {"op": "==", "left": {"payload":
    {"protocol": "ip6", "field": "saddr"}}, "right": {"prefix": {"addr": "2001:db8:77::", "len": 48}}}},
    {"match": {"op": "==", "left": {"payload": "#;

const WITH_ANOTHER: &str = "192.168.1.50 - br-lan 0 wan0\n192.168.1.50 - br-lan 2 wan0\n";
const WITH_MARK: &str = "192.168.1.50 - br-lan 0 wan0\n192.168.1.50 - br-lan 2 wanb0\n";

const VARIANTS: &[Variant] = &[
    // Marks that lead back; that lead elsewhere; that nobody can read.
    Variant {
        case: "two-wans",
        edits: &[
            (NFT, "\n]}", ",\nMARKED"),
            (PASSAGES, "192.168.1.50 - br-lan 0 wan0\n", WITH_MARK),
        ],
        id: "path.asym",
        speaks: false,
    },
    Variant {
        case: "two-wans",
        edits: &[
            (NFT, "\n]}", ",\nMARKED"),
            (PASSAGES, "192.168.1.50 - br-lan 0 wan0\n", WITH_ANOTHER),
        ],
        id: "path.asym",
        speaks: true,
    },
    Variant {
        case: "two-wans",
        edits: &[(NFT, "\n]}", ",\nUNREAD")],
        id: "path.asym",
        speaks: false,
    },
    // What the kernel did not tell is unknown.
    Variant {
        case: "two-wans",
        edits: &[(PASSAGES, "- 203.0.113.9 wanb0 0 !refused\n", "")],
        id: "path.rpfilter",
        speaks: false,
    },
    // Connmarks do not help against a strict filter.
    Variant {
        case: "two-wans",
        edits: &[
            (NFT, "\n]}", ",\nMARKED"),
            (PASSAGES, "192.168.1.50 - br-lan 0 wan0\n", WITH_MARK),
        ],
        id: "path.rpfilter",
        speaks: true,
    },
    // One voice alone, plain HTTP, an answer to other addresses, the WAN's own.
    Variant {
        case: "squat",
        edits: &[(JOURNAL, "seen \tipv4\tstun:stun.example.test\tSTUN\t203.0.113.77\n", "")],
        id: "path.nat.mismatch",
        speaks: false,
    },
    Variant {
        case: "squat",
        edits: &[(JOURNAL, "\tHTTPS\t", "\tHTTP\t"), (JOURNAL, "\tSTUN\t", "\tHTTP\t")],
        id: "path.nat.mismatch",
        speaks: false,
    },
    Variant {
        case: "squat",
        edits: &[(JOURNAL, "from=198.51.100.23", "from=198.51.100.99")],
        id: "path.nat.mismatch",
        speaks: false,
    },
    Variant {
        case: "squat",
        edits: &[(JOURNAL, "STUN\t203.0.113.77", "STUN\t198.51.100.23")],
        id: "path.nat.mismatch",
        speaks: false,
    },
    Variant {
        case: "squat",
        edits: &[(REACHD, PUBLIC, "")],
        id: "path.nat.mismatch",
        speaks: false,
    },
    // The router above has a public address: forwarding there is enough.
    Variant {
        case: "above",
        edits: &[(JOURNAL, "100.64.3.9", "198.51.100.9")],
        id: "path.double_nat",
        speaks: true,
    },
    Variant {
        case: "above",
        edits: &[(JOURNAL, "seen \tipv4\tgateway:\tgateway\t100.64.3.9\n", "")],
        id: "path.upstream",
        speaks: false,
    },
    // Somebody knocked; the firewall was just loaded, or nobody knows when; it does not count.
    Variant {
        case: "quiet",
        edits: &[(NFT, r#""packets": 0"#, r#""packets": 3"#)],
        id: "path.silence",
        speaks: false,
    },
    Variant {
        case: "quiet",
        edits: &[("cmd/fw4-loaded-at.txt", "1795279466", "1795450000")],
        id: "path.silence",
        speaks: false,
    },
    Variant {
        case: "quiet",
        edits: &[("cmd/fw4-loaded-at.txt", "1795279466", "")],
        id: "path.silence",
        speaks: false,
    },
    // Loaded before the clock was set.
    Variant {
        case: "quiet",
        edits: &[("cmd/fw4-loaded-at.txt", "1795279466", "86400")],
        id: "path.silence",
        speaks: false,
    },
    // Packets came: the provider blocks nothing.
    Variant {
        case: "quiet",
        edits: &[(NFT, r#""packets": 0"#, r#""packets": 3"#)],
        id: "path.isp.port",
        speaks: false,
    },
    Variant {
        case: "quiet",
        edits: &[
            (
                FIREWALL,
                "option proto 'tcp'\n\toption src_dport",
                "option proto 'udp'\n\toption src_dport",
            ),
            (
                NFT,
                r#"{"protocol": "tcp", "field": "dport"}}, "right": 25"#,
                r#"{"protocol": "udp", "field": "dport"}}, "right": 25"#,
            ),
        ],
        id: "path.isp.port",
        speaks: false,
    },
    Variant {
        case: "quiet",
        edits: &[(JOURNAL, "150000000,", "")],
        id: "path.flap",
        speaks: false,
    },
    // Changes of the day before.
    Variant {
        case: "quiet",
        edits: &[(JOURNAL, "150000000,", "100000000,")],
        id: "path.flap",
        speaks: false,
    },
    Variant {
        case: "quiet",
        edits: &[(JOURNAL, "confirmed=198.51.100.9", "confirmed=198.51.100.23")],
        id: "path.dyn",
        speaks: false,
    },
    Variant {
        case: "quiet",
        edits: &[(DUMP, r#""proto": "dhcp""#, r#""proto": "static""#)],
        id: "path.dyn",
        speaks: false,
    },
    // Torn: nothing is remembered, and nothing concluded.
    Variant {
        case: "quiet",
        edits: &[(JOURNAL, "reachd-journal 1", "reachd-journal 2")],
        id: "path.flap",
        speaks: false,
    },
    // A few ports of one host are not broad, nor what some may come to; a thousand ports are.
    Variant { case: "live", edits: &[(NFT, SEVEN, TO_ONE)], id: "acl.broad", speaks: false },
    Variant { case: "live", edits: &[(NFT, SEVEN, FROM_FEW)], id: "acl.broad", speaks: false },
    Variant {
        case: "live",
        edits: &[(NFT, SEVEN, TO_ONE), (NFT, "[7005, 7015]", "[7005, 9015]")],
        id: "acl.broad",
        speaks: true,
    },
];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &there),
            false => assert!(fs::copy(&path, there).is_ok()),
        }
    }
}

/// The traps that the texts name, and what must not be taken for a pass.
#[test]
fn near_misses_are_told_apart() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("near-{}", std::process::id()));
    let mut wrong = Vec::new();
    for (at, variant) in VARIANTS.iter().enumerate() {
        let root = dir.join(at.to_string());
        copy(&home().join(variant.case).join("root"), &root);
        for (file, old, new) in variant.edits {
            let new = new.replace("MARKED", MARKED).replace("UNREAD", UNREAD);
            let text = fs::read_to_string(root.join(file)).unwrap();
            assert!(text.contains(old), "{} {file} has no {old:?}", variant.case);
            let text = text.replace(old, &new);
            let text = match *file {
                JOURNAL => reachd::journal::seal(reachd::journal::body(&text).to_string()),
                _ => text,
            };
            fs::write(root.join(file), text).unwrap();
        }
        let json = timeless(&report(&root, &["--json"]));
        let hit =
            |finding: &&Value| finding["id"] == variant.id && finding["status"] != "suppressed";
        let speaks = json["findings"].as_array().unwrap().iter().any(|one| hit(&one));
        if speaks != variant.speaks {
            let told: Vec<_> = variant.edits.iter().map(|(file, _, new)| (file, new)).collect();
            wrong.push(format!("{} of {} {told:?}: {speaks}", variant.id, variant.case));
        }
    }
    let _ = fs::remove_dir_all(&dir);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
