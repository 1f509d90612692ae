//! Unknown is never a pass, with the built binary: each input of a router is taken away, cut or
//! made unreadable, one at a time. Nothing gets better by that; what cannot be told any more is
//! named. Also what is hostile or too large, and that every verdict there is has its case.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report")
}

fn report(root: &Path, format: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reachd"))
        .args(["report", "--format", format, "--root"])
        .arg(root)
        .output()
        .unwrap()
}

fn json(root: &Path) -> Value {
    serde_json::from_slice(&report(root, "json").stdout).unwrap()
}

/// A folder of one's own: a copy of the case's.
fn copy(case: &str, of: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("unknown-{of}-{case}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&to);
    let from = home().join(case).join("root");
    assert!(Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success());
    to
}

/// The files of a folder, without its first part.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_string()),
            }
        }
    }
    found.sort();
    found
}

/// A report as `--format lines` has it.
#[derive(Default)]
struct Told {
    missing: BTreeSet<String>,
    untold: BTreeSet<String>,
    /// Reach and exposure.
    forwards: BTreeMap<String, (String, String)>,
    /// Subject after its id, and what is wrong; empty: nothing is concluded.
    findings: BTreeMap<(String, String), String>,
}

fn told(root: &Path) -> Told {
    let output = report(root, "lines");
    assert!(output.status.code().is_some_and(|code| code < 4), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("reachd-report 1\n") && text.ends_with("end\n"), "{text}");
    let mut told = Told::default();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("missing", part)) => drop(told.missing.insert(part.into())),
            Some(("untold", id)) => drop(told.untold.insert(id.into())),
            Some(("fact", fact)) => {
                let (subject, fact) = fact.split_once('\t').unwrap();
                if let Some(forward) = subject.strip_prefix("forward ") {
                    let (reach, expose) = fact.split_once(", ").unwrap();
                    told.forwards.insert(forward.into(), (reach.into(), expose.into()));
                } else {
                    let (id, of) = subject.split_once(" of ").unwrap();
                    told.findings.insert((id.into(), of.into()), fact.into());
                }
            }
            _ => {}
        }
    }
    told
}

/// Whether a part that is lost since is one that this finding cannot do without.
fn rests_on(part: &str, id: &str, subject: &str) -> bool {
    match part {
        // What was written is unknown: its forwards are found by their rules, if at all.
        "firewall config" => true,
        "UPnP" => id.starts_with("rule.upnp") || subject.starts_with("upnp "),
        "line" | "networks" => id.starts_with("path."),
        "live ruleset" => id.starts_with("acl.") || subject.contains(" handle "),
        _ => false,
    }
}

/// What is better, or gone without a word, in `now`.
fn better(was: &Told, now: &Told, wrong: &mut Vec<String>, by: &str) {
    let lost: Vec<&String> = now.missing.difference(&was.missing).collect();
    for (forward, (reach, expose)) in &was.forwards {
        let Some((reach_now, expose_now)) = now.forwards.get(forward) else {
            let upnp = forward.starts_with("upnp ");
            let named = |part: &&&String| match upnp {
                true => **part == "UPnP",
                false => **part == "firewall config" || forward.contains(" handle "),
            };
            if !lost.iter().any(|part| named(&part)) {
                wrong.push(format!("{by}: forward {forward} is gone, and nothing is missing"));
            }
            continue;
        };
        if reach_now == "open" && reach != "open" {
            wrong.push(format!("{by}: forward {forward} was {reach}, now open"));
        }
        if expose_now == "ok" && expose != "ok" {
            wrong.push(format!("{by}: forward {forward} was {expose}, now ok"));
        }
    }
    for ((id, subject), fact) in was.findings.iter().filter(|(_, fact)| !fact.is_empty()) {
        let still = now.findings.contains_key(&(id.clone(), subject.clone()));
        let named = now.untold.contains(id) || lost.iter().any(|part| rests_on(part, id, subject));
        if !still && !named {
            wrong.push(format!("{by}: {id} of {subject} ({fact}) is gone without a word"));
        }
    }
}

const CASES: [&str; 12] = [
    "house",
    "live",
    "rules",
    "odd",
    "exposed",
    "dmz",
    "line-map",
    "tried",
    "two-wans",
    "name-lost",
    "above",
    "quiet",
];

/// Each file of these routers taken away, and another thing in its place.
#[test]
fn nothing_gets_better_by_not_knowing() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for case in CASES {
        let root = copy(case, "less");
        let was = told(&root);
        for file in files(&root) {
            // Our own config: what it says is the owner's will, and its faults are told.
            // Whether hosts are tried and names are asked for is, too: `OPEN likely` says that
            // nobody tried.
            let tries = ["cmd/reachd-targets.json", "cmd/reachd-names.txt"].contains(&&*file);
            if file == "etc/config/reachd" {
                continue;
            }
            let path = root.join(&file);
            let bytes = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            if !tries {
                better(&was, &told(&root), &mut wrong, &format!("{case} without {file}"));
            }
            // It cannot be read: a folder, whoever asks.
            fs::create_dir(&path).unwrap();
            let now = told(&root);
            better(&was, &now, &mut wrong, &format!("{case} with {file} unreadable"));
            fs::remove_dir(&path).unwrap();
            tried += 2;
            if file.ends_with(".json") || file.ends_with(".state") {
                fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
                let now = told(&root);
                better(&was, &now, &mut wrong, &format!("{case} with {file} cut"));
                assert!(
                    now.missing.len() > was.missing.len() || file.contains("service"),
                    "{file}"
                );
                tried += 1;
            }
            fs::write(&path, bytes).unwrap();
        }
        fs::remove_dir_all(&root).unwrap();
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(tried > 150, "{tried}");
}

/// A ruleset cut wherever it may be proves nothing, and costs nothing else.
#[test]
fn a_ruleset_cut_anywhere() {
    let root = copy("house", "cut");
    let was = told(&root);
    let path = root.join("cmd/nft-j-list-ruleset.json");
    let bytes = fs::read(&path).unwrap();
    let mut wrong = Vec::new();
    // 37 places, the last bytes among them.
    let last = bytes.len() - 3..bytes.trim_ascii_end().len() - 1;
    for end in (0..bytes.len()).step_by(bytes.len() / 34).chain(last) {
        fs::write(&path, &bytes[..end]).unwrap();
        let now = told(&root);
        assert!(now.missing.contains("live ruleset"), "cut at {end}");
        let open = now.forwards.iter().filter(|(_, (reach, _))| reach == "open");
        // But for what a connection from outside proved.
        let open: Vec<&String> = open.map(|(forward, _)| forward).collect();
        assert_eq!(open, ["web (tcp 443)"], "cut at {end}");
        assert_eq!(now.missing.len(), was.missing.len() + 1, "cut at {end}: {:?}", now.missing);
        better(&was, &now, &mut wrong, &format!("cut at {end}"));
    }
    fs::remove_dir_all(&root).unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Another nft's JSON: its version, objects and expressions that we have never seen.
#[test]
fn the_json_of_another_nft() {
    let root = copy("house", "nft");
    let path = root.join("cmd/nft-j-list-ruleset.json");
    let text = fs::read_to_string(&path).unwrap();
    let was = told(&root);
    // Objects that are new to us cost nothing.
    let new = r#"{"nftables": [{"hologram": {"family": "inet", "table": "fw4", "name": "x"}}, "#;
    let begin = text.find('[').unwrap() + 1;
    fs::write(&path, format!("{new}{}", &text[begin..])).unwrap();
    let now = told(&root);
    assert_eq!(now.forwards, was.forwards);
    // A condition that is new to us: what it stands in front of is in doubt, never open.
    let rule = r#""expr": ["#;
    let odd = format!(r#"{rule}{{"quantum": {{"spin": "up"}}}}, "#);
    fs::write(&path, text.replace(rule, &odd)).unwrap();
    let mut wrong = Vec::new();
    let now = told(&root);
    better(&was, &now, &mut wrong, "with quantum rules");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let open = now.forwards.iter().filter(|(_, (reach, _))| reach == "open").count();
    assert_eq!(open, 1, "{:?}", now.forwards);
    // A version that is none of ours.
    let other = text.replace(r#""json_schema_version": 1"#, r#""json_schema_version": 7"#);
    assert_ne!(other, text);
    fs::write(&path, other).unwrap();
    let shown = String::from_utf8(report(&root, "text").stdout).unwrap();
    let shown = shown.split_whitespace().collect::<Vec<&str>>().join(" ");
    assert!(shown.contains("live ruleset (this nft writes another version of its JSON"), "{shown}");
    let mut wrong = Vec::new();
    better(&was, &told(&root), &mut wrong, "with schema 7");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    fs::remove_dir_all(&root).unwrap();
}

/// As somebody who may not read: each part says so, and nothing else is lost.
#[test]
fn files_that_may_not_be_read() {
    let root = copy("house", "mode");
    let was = told(&root);
    let secret = [
        ("etc/config/dhcp", "DHCP config"),
        ("proc/net/nf_conntrack", "connections"),
        ("var/run/fw4.state", "firewall state"),
        ("cmd/nft-j-list-ruleset.json", "live ruleset"),
    ];
    for (file, _) in secret {
        fs::set_permissions(root.join(file), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let me = Command::new("id").arg("-u").output().unwrap().stdout;
    let mut command = match &me[..] == b"0\n" {
        false => Command::new(env!("CARGO_BIN_EXE_reachd")),
        true => {
            // Nobody may not come in by way of somebody's home, but by a copy.
            let place = std::env::temp_dir().join(format!("reachd-nobody-{}", std::process::id()));
            let _ = fs::remove_dir_all(&place);
            fs::create_dir(&place).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
            fs::copy(env!("CARGO_BIN_EXE_reachd"), place.join("reachd")).unwrap();
            let moved = Command::new("cp").arg("-a").arg(&root).arg(place.join("root")).status();
            assert!(moved.unwrap().success());
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "./reachd"]);
            command.current_dir(&place);
            command
        }
    };
    let place = command.get_current_dir().map(Path::to_path_buf);
    let there = place.as_ref().map_or(root.clone(), |place| place.join("root"));
    let output = match command.args(["report", "--json", "--root"]).arg(&there).output() {
        Ok(output) => output,
        Err(error) => {
            println!("SKIPPED: files_that_may_not_be_read: no setpriv ({error})");
            return;
        }
    };
    let value: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let unread: Vec<(String, String)> = value["unread"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["part"].to_string(), one["why"].to_string()))
        .collect();
    for (file, part) in secret {
        let told = unread.iter().find(|(one, _)| one.contains(part));
        let why = &told.unwrap_or_else(|| panic!("{part} is not named: {unread:?}")).1;
        assert!(why.contains(file) && why.contains("ermission"), "{part}: {why}");
    }
    assert_eq!(unread.len(), was.missing.len() + secret.len(), "{unread:?}");
    assert_eq!(value["forwards"].as_array().unwrap().len(), was.forwards.len());
    let _ = place.map(fs::remove_dir_all);
    fs::remove_dir_all(&root).unwrap();
}

/// Exit code, seconds and the most memory (KB) of one run.
fn cost(root: &Path, format: &str) -> (i32, f64, u64, String) {
    let begin = std::time::Instant::now();
    let output = Command::new("python3")
        .args(["-c", "import os,sys,resource,subprocess\nr=subprocess.run(sys.argv[1:])\nprint('\\nRSS',resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\nsys.exit(r.returncode)"])
        .arg(env!("CARGO_BIN_EXE_reachd"))
        .args(["report", "--format", format, "--root"])
        .arg(root)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (text, rss) = text.rsplit_once("\nRSS ").unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    (output.status.code().unwrap(), seconds, rss.trim().parse().unwrap(), text.into())
}

/// 50 MB are not read; the most that is costs bounded time and memory.
#[test]
fn a_ruleset_of_many_megabytes() {
    let root = copy("house", "large");
    let path = root.join("cmd/nft-j-list-ruleset.json");
    let text = fs::read_to_string(&path).unwrap();
    let end = text.rfind(']').unwrap();
    let filled = |size: usize| {
        let mut out = text[..end].to_string();
        let mut n = 0;
        while out.len() < size {
            out += &format!(
                ", {{\"rule\": {{\"family\": \"inet\", \"table\": \"fw4\", \"chain\": \"forward_wan\", \
                 \"handle\": {}, \"expr\": [{{\"match\": {{\"op\": \"==\", \"left\": {{\"payload\": \
                 {{\"protocol\": \"ip\", \"field\": \"saddr\"}}}}, \"right\": \"10.{}.{}.{}\"}}}}, \
                 {{\"drop\": null}}]}}}}",
                90_000 + n,
                n >> 16 & 255,
                n >> 8 & 255,
                n & 255
            );
            n += 1;
        }
        out + &text[end..]
    };
    fs::write(&path, filled(50 << 20)).unwrap();
    let (code, seconds, rss, shown) = cost(&root, "text");
    println!("50 MB: {seconds:.2} s, {rss} KB");
    assert!(code < 4 && shown.contains("it is larger than 8 MiB"), "{code}: {shown}");
    assert!(seconds < 20.0 && rss < 60_000, "{seconds} s, {rss} KB");
    fs::write(&path, filled(7 << 20)).unwrap();
    let (code, seconds, rss, _) = cost(&root, "lines");
    println!("7 MB: {seconds:.2} s, {rss} KB");
    assert!(code < 4 && seconds < 120.0 && rss < 200_000, "{code}: {seconds} s, {rss} KB");
    fs::remove_dir_all(&root).unwrap();
}

/// Names that guests gave themselves, in what other programs read.
#[test]
fn hostile_names_in_every_format() {
    let root = home().join("hostile/root");
    let hidden = ['\u{1b}', '\u{202e}', '\u{200b}', '\u{7f}'];
    for format in ["text", "html", "sarif", "prometheus", "lines"] {
        let shown = String::from_utf8(report(&root, format).stdout).unwrap();
        let names = !["lines", "sarif"].contains(&format);
        assert!(shown.contains("gnp.exe") || !names, "{format} does not name it");
        assert!(!shown.contains(hidden), "{format}");
        for line in shown.lines() {
            let odd = |c: char| c.is_control() && c != '\t';
            assert!(!line.chars().any(odd), "{format}: {line:?}");
        }
    }
    let html = String::from_utf8(report(&root, "html").stdout).unwrap();
    assert!(html.contains("&lt;script&gt;alert(1)") && !html.contains("<script"));
    let policy = "content=\"default-src 'none'; style-src 'unsafe-inline'\"";
    assert!(html.find(policy).unwrap() < html.find("<style").unwrap(), "the policy comes first");
    // Labels: in quotes, with what would end them escaped.
    let metrics = String::from_utf8(report(&root, "prometheus").stdout).unwrap();
    for line in metrics.lines().filter(|line| line.contains('{')) {
        let labels = &line[line.find('{').unwrap()..=line.rfind('}').unwrap()];
        let bare = labels.replace("\\\\", "").replace("\\\"", "");
        assert_eq!(bare.matches('"').count() % 2, 0, "{line}");
    }
}

/// As above, where a program wrote it into a rule's comment: miniupnpd does so with what it is told.
#[test]
fn hostile_comments_in_every_format() {
    let root = copy("live", "comment");
    let path = root.join("cmd/nft-j-list-ruleset.json");
    let text = fs::read_to_string(&path).unwrap();
    let mark = "\"comment\": \"";
    assert!(text.matches(mark).count() > 10);
    let hostile = format!(r#"{mark}\u001b[2J<script>alert(1)</script>\u202e\n\"&'% {{fqdn}} "#);
    fs::write(&path, text.replace(mark, &hostile)).unwrap();
    for format in ["text", "html", "sarif", "prometheus", "lines", "json"] {
        let shown = String::from_utf8(report(&root, format).stdout).unwrap();
        assert!(shown.contains("alert(1)") || format == "prometheus", "{format} has none of it");
        // In the JSON it is data; only a terminal is spared.
        assert!(!shown.contains('\u{1b}'), "{format}");
        assert!(format == "json" || !shown.contains('\u{202e}'), "{format}");
        assert!(!(format == "html" && shown.contains("<script")));
    }
    fs::remove_dir_all(&root).unwrap();
}

/// The demo house has each verdict that there is, and each place where a forward can end has a
/// case somewhere.
#[test]
fn every_verdict_is_shown() {
    let schema = fs::read(home().join("../../docs/report.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let reach = &schema["properties"]["forwards"]["items"]["properties"]["reach"]["properties"];
    let words = |key: &str| -> BTreeSet<String> {
        let all = reach[key]["enum"].as_array().unwrap();
        all.iter().map(|word| word.as_str().unwrap().to_string()).collect()
    };
    let shown = |value: &Value, key: &str| -> BTreeSet<String> {
        let forwards = value["forwards"].as_array().unwrap().iter();
        forwards.filter_map(|one| Some(one["reach"][key].as_str()?.to_string())).collect()
    };
    let house = json(&home().join("house/root"));
    assert_eq!(shown(&house, "verdict"), words("verdict"));
    let open: BTreeSet<&str> = house["forwards"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["reach"]["verdict"] == "open")
        .filter_map(|one| one["reach"]["certainty"].as_str())
        .collect();
    assert_eq!(open, ["likely", "proved"].into());
    let mut places = BTreeSet::new();
    for case in fs::read_dir(home()).unwrap() {
        places.append(&mut shown(&json(&case.unwrap().path().join("root")), "where"));
    }
    assert_eq!(places, words("where"));
}

/// Without a firewall config and without forwarding: three lines, and nothing to fail at, also
/// where the machine has no network at all.
#[test]
fn no_router() {
    let root = copy("norouter", "plain");
    fs::write(root.join("cmd/ubus-network.interface-dump.json"), r#"{"interface": []}"#).unwrap();
    for root in [home().join("norouter/root"), root.clone()] {
        let output = report(&root, "text");
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{shown}");
        assert_eq!(shown.lines().count(), 3, "{shown}");
    }
    fs::remove_dir_all(&root).unwrap();
}
