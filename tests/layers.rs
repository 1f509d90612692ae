//! Reads `src/` and checks what `src/lib.rs` promises: calls point down only, and only `sys`
//! touches the world.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers from the top. A module may name modules of later rows and of its own module, not of
/// its own row or above.
const ROWS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["render"],
    &["agent", "report", "bundle"],
    &["act", "hooks", "collect"],
    &["observe", "decide", "checks"],
    &["host", "folder"],
    &["config", "choose", "journal", "last", "dry", "line"],
    &["providers", "lookup", "acl"],
    &["sys"],
    &["parse", "wire", "world"],
    &["model"],
];

/// `sys` is at the side: only these may name it.
const MAY_NAME_SYS: &[&str] = &["main", "sys"];

/// What touches the world, as it would be written in code.
const WORLDLY: &[&str] = &[
    "ureq",
    "rustls::",
    "webpki::",
    "nix::",
    "pnet::",
    "std::net::Tcp",
    "std::net::Udp",
    "TcpStream",
    "UdpSocket",
    "TcpListener",
    "UnixStream",
    "ToSocketAddrs",
    "std::fs",
    "fs::",
    "File::",
    "std::process::Command",
    "Command::new",
    "::now()",
    "std::env",
    "std::thread",
    "thread::spawn",
    "std::io::stdin",
];

/// Exceptions, each with its reason: (module, what).
const ALLOWED: &[(&str, &str)] = &[
    // Arguments and exit codes are main's whole work.
    ("main", "std::env"),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// A line of code with its number.
type Lines = Vec<(usize, String)>;

/// (module, file, code lines without comments and without what follows `#[cfg(test)]`).
fn modules() -> Vec<(String, String, Lines)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files
        .iter()
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap();
            let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_string();
            let text = fs::read_to_string(path).unwrap();
            let lines = text
                .lines()
                .enumerate()
                .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
                .map(|(at, line)| (at + 1, line.split("//").next().unwrap().to_string()))
                .collect();
            (module, inside.display().to_string(), lines)
        })
        .filter(|(module, file, _)| {
            module != "lib" && !file.ends_with("fake.rs") && !file.ends_with("table.rs")
        })
        .collect()
}

fn row(module: &str) -> usize {
    ROWS.iter()
        .position(|row| row.contains(&module))
        .unwrap_or_else(|| panic!("src/{module} is in no row of tests/layers.rs and src/lib.rs"))
}

/// Modules named after `crate::` or `reachd::` in a line, also in braces.
fn named(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in ["crate::", "reachd::"] {
        for (at, _) in line.match_indices(root) {
            let rest = &line[at + root.len()..];
            let list = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap().split(',').collect(),
                None => vec![rest],
            };
            for item in list {
                let name: String =
                    item.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if ROWS.iter().any(|row| row.contains(&&name[..])) {
                    found.push(name);
                }
            }
        }
    }
    found
}

#[test]
fn calls_point_down_only() {
    let mut wrong = Vec::new();
    for (module, file, lines) in modules() {
        for (at, line) in lines {
            for target in named(&line) {
                let down = row(&target) > row(&module);
                let sys = target == "sys" && !MAY_NAME_SYS.contains(&&module[..]);
                if target != module && (!down || sys) {
                    wrong.push(format!("src/{file}:{at}: {module} names {target}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_sys_touches_the_world() {
    let mut wrong = Vec::new();
    for (module, file, lines) in modules() {
        if module == "sys" {
            continue;
        }
        for (at, line) in lines {
            for what in WORLDLY {
                if line.contains(what) && !ALLOWED.contains(&(&module[..], what)) {
                    wrong.push(format!("src/{file}:{at}: {what}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// `{:?}` of a derived Debug is the bare name of a variant in the binaries for routers (cross/build,
/// fmt-debug=shallow): nothing shown or compared may hang on it. (file, what is a text or has no
/// fields).
const DEBUG: &[(&str, &str)] = &[
    ("agent.rs", "{event:?}"),
    ("cli.rs", "{word:?}"),
    ("providers/services.rs", "{text:?}"),
    ("sys/http.rs", "Line({:?})"),
    ("sys/tls.rs", "{alert:?}"),
];

#[test]
fn nothing_hangs_on_derived_debug() {
    let mut wrong = Vec::new();
    let tests = |file: &str| file.ends_with("tests.rs") || file.contains("/tests/");
    for (_, file, lines) in modules().into_iter().filter(|(_, file, _)| !tests(file)) {
        for (at, line) in lines.iter().filter(|(_, line)| line.contains(":?}")) {
            if !DEBUG.iter().any(|(known, what)| *known == file && line.contains(what)) {
                wrong.push(format!("src/{file}:{at}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The crate denies unsafe code; this file says why it cannot do without.
#[test]
fn one_file_has_unsafe_code() {
    const UNSAFE: [&str; 4] = ["unsafe {", "unsafe fn", "unsafe extern", "allow(unsafe"];
    let is = |line: &str| UNSAFE.iter().any(|what| line.contains(what));
    let with = |(_, file, lines): &(String, String, Lines)| {
        lines.iter().any(|(_, line)| is(line)).then(|| file.clone())
    };
    let found: Vec<String> = modules().iter().filter_map(with).collect();
    assert_eq!(found, ["sys/adjtimex.rs"]);
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    assert!(lib.contains("\n#![deny(unsafe_code)]\n"));
    assert!(
        fs::read_to_string(src.join("main.rs")).unwrap().contains("\n#![forbid(unsafe_code)]\n")
    );
}

#[test]
fn the_test_itself_sees_what_it_should() {
    assert_eq!(named("use crate::{agent::Round, sys};"), ["agent", "sys"]);
    assert_eq!(named("    crate::decide::key(name)"), ["decide"]);
    assert!(modules().iter().any(|(module, ..)| module == "sys"));
}

#[test]
fn no_file_is_too_long_and_each_says_what_it_does() {
    for (_, file, _) in modules() {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&file))
                .unwrap();
        assert!(text.starts_with("//!"), "src/{file} does not say what it does");
        let lines = text.lines().count();
        assert!(lines <= 700, "src/{file} has {lines} lines: split it by meaning");
    }
}
