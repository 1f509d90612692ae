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
        if cases.is_empty() || cases.len() == all {
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
