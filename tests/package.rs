//! What the packages rest on: the shipped config, the answers that pages ask for, the signals
//! that hooks send.

mod support;

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::Dir;

const SHIPPED: &str = include_str!("../openwrt/files/etc/config/reachd");

fn reachd(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reachd")).args(args).output().unwrap()
}

fn answer(args: &[&str]) -> Value {
    let output = reachd(args);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
}

/// The shipped config with everything that is commented out.
fn all_of_it() -> String {
    let comment = |line: &str| line.trim_start().starts_with("# ");
    SHIPPED.lines().filter(|line| !comment(line)).map(|l| l.replacen('#', "", 1) + "\n").collect()
}

#[test]
fn the_shipped_config_is_right_and_switched_off() {
    let dir = Dir::new("shipped");
    let path = dir.write("config", SHIPPED);
    let output = reachd(&["check-config", &path]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let shown = answer(&["check-config", "--json", &path]);
    assert_eq!(shown["sections"][0]["options"]["enabled"], "0");
}

/// What it shows are the options there are, and what it sets are the defaults: without them all
/// is the same.
#[test]
fn the_shipped_config_shows_every_option() {
    let dir = Dir::new("shipped-all");
    let token = dir.write("cf.token", "abc");
    let mut text = all_of_it();
    for file in ["cf.token", "hook.token", "hook.password"] {
        text = text.replace(&format!("/etc/reachd/{file}"), &token);
    }
    let path = dir.write("config", &text);
    let output = reachd(&["check-config", &path]);
    assert_eq!(output.status.code(), Some(0), "{text}{output:?}");
    // The words that each kind of section knows are told with a wrong one.
    for (kind, section) in [
        ("reachd", "config reachd\n"),
        ("lookup", "config lookup\n"),
        ("account", "config account a\n option provider hosts\n option path /x\n"),
        ("name", "config name\n"),
        ("hook", "config hook h\n option url https://x/\n"),
    ] {
        let wrong = dir.write("wrong", format!("{section} option qqqqqqqq 1\n"));
        let told = String::from_utf8(reachd(&["check-config", &wrong]).stderr).unwrap();
        let line = told.lines().find(|line| line.contains("there is: ")).unwrap_or_default();
        let words = line.rsplit("there is: ").next().unwrap_or_default();
        let part = text.split("config ").find(|part| part.starts_with(kind)).unwrap_or_default();
        let mut count = 0;
        for word in words.split(", ").filter(|word| !["path", "password", "token"].contains(word)) {
            count += 1;
            let there = [format!("option {word} "), format!("list {word} ")];
            assert!(there.iter().any(|o| part.contains(o)), "{kind} shows no {word}");
        }
        assert!(count > 4, "{told}");
    }
}

/// cargo-deb itself takes minutes to install, so the .deb is made by hand (packaging/deb); what it
/// is made of is looked at here, and the unit and the man pages in openwrt/test.
#[test]
fn what_the_deb_is_made_of_is_there() {
    let home = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let assets = fs::read_to_string(home.join("Cargo.toml")).unwrap();
    let assets = assets.split("assets = [").nth(1).unwrap().split("\n]").next().unwrap();
    let mut count = 0;
    for line in assets.lines() {
        let Some(path) = line.trim().strip_prefix("[\"").and_then(|rest| rest.split('"').next())
        else {
            continue;
        };
        count += 1;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut there = fs::read_dir(home.join(folder)).map(|entries| {
            entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect::<Vec<_>>()
        });
        // What is built first: the binary, the man pages.
        if folder.starts_with("target/") {
            continue;
        }
        let there = there.as_mut().unwrap_or_else(|error| panic!("{path}: {error}"));
        let (begin, end) = name.split_once('*').unwrap_or((name, ""));
        let end = end.trim_start_matches(['.', '*']);
        assert!(there.iter().any(|file| file.starts_with(begin) && file.ends_with(end)), "{path}");
    }
    assert!(count > 7, "{assets}");
}

/// Removal keeps secrets, purging takes them. The script's own paths are led into a folder.
#[test]
fn purging_the_deb_takes_the_secrets() {
    let dir = Dir::new("purge");
    let script = include_str!("../packaging/debian/postrm");
    let led = script.replace(" /", &format!(" {}/", dir.path("")));
    for folder in ["etc/reachd", "var/lib/reachd"] {
        fs::create_dir_all(dir.path(folder)).unwrap();
    }
    dir.write("etc/reachd/cf.token", "abc");
    for (word, there) in [("remove", true), ("upgrade", true), ("purge", false)] {
        let ran = Command::new("sh").args(["-c", &led, "postrm", word]).output().unwrap();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{word}: {ran:?}");
        for path in ["etc/reachd/cf.token", "var/lib/reachd"] {
            let found = std::path::Path::new(&dir.path(path)).exists();
            assert_eq!(found, there, "{word}: {path}");
        }
    }
}

#[test]
fn what_forms_ask_for() {
    let every = answer(&["providers", "--json"]);
    let every = every["providers"].as_array().unwrap();
    assert!(every.len() > 50);
    for provider in every {
        assert!(provider["id"].is_string() && provider["options"].is_array(), "{provider}");
    }
    let one = answer(&["providers", "--json", "cloudflare"]);
    let options = one["providers"][0]["options"].as_array().unwrap();
    let token = options.iter().find(|option| option["name"] == "token").unwrap();
    assert_eq!((&token["kind"], &token["required"]), (&"secret".into(), &true.into()));

    let dir = Dir::new("forms");
    let config = dir.write(
        "config",
        "config account 'cf'\n\toption provider 'cloudflare'\n\toption token 's3cret'\n\
         config name 'home'\n\toption fqdn 'home'\n\toption account 'cf'\n",
    );
    let output = reachd(&["check-config", "--json", &config]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["usable"], false);
    let complaint = shown["complaints"].as_array().unwrap().last().unwrap();
    assert_eq!(complaint["section"], "home");
    assert_eq!(complaint["option"], "fqdn");
    // As the rpcd plugin hands it over.
    let mut child = Command::new(env!("CARGO_BIN_EXE_reachd"))
        .args(["check-config", "--json", "/proc/self/fd/0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"config name 'x'\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["sections"][0]["section"], "x");
}

#[test]
fn why_for_programs() {
    let dir = Dir::new("why-json");
    let config = dir.write("config", hosts(&dir));
    let why = answer(&["why", "--json", "-c", &config]);
    assert_eq!(why["wans"][0]["device"], "lo");
    let name = &why["names"][0];
    assert_eq!((&name["fqdn"], &name["type"]), (&"home.example.test".into(), &"A".into()));
    assert!(name["why"].as_str().is_some_and(|why| !why.is_empty()), "{why}");
    let none = answer(&["why", "other", "--json", "-c", &config]);
    assert_eq!(none["names"], serde_json::json!([]));
}

/// A config that needs no network but a loopback that is up.
fn hosts(dir: &Dir) -> String {
    format!(
        "config reachd 'main'\n\toption journal '{}'\n\
         config account 'file'\n\toption provider 'hosts'\n\toption path '{}'\n\
         config name 'home'\n\toption fqdn 'home.example.test'\n\toption account 'file'\n\
         \toption wan 'lo'\n\toption shared_line 'wan'\n\tlist family 'ipv4'\n",
        dir.path("journal"),
        dir.path("hosts")
    )
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    fn signal(&mut self, name: &str) {
        assert!(self.0.try_wait().unwrap().is_none(), "it has ended");
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }
}

fn within(time: Duration, what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < time, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The hook of an interface rings by WINCH: a look, and nothing to who does not know it.
#[test]
fn winch_is_a_look() {
    let dir = Dir::new("winch");
    let config = dir.write("config", hosts(&dir));
    let log = fs::File::create(dir.path("log")).unwrap();
    let mut daemon = Daemon(
        Command::new(env!("CARGO_BIN_EXE_reachd"))
            .args(["-v", "-c", &config, "run"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let said = |what: &str| fs::read_to_string(dir.path("log")).unwrap().matches(what).count();
    within(Duration::from_secs(10), "it did not start", || said("woken by Timer") > 0);
    // Whatever the kernel has to tell of this machine's own affairs.
    std::thread::sleep(Duration::from_millis(500));
    let before = said("woken by News");
    daemon.signal("WINCH");
    within(Duration::from_secs(5), "WINCH was not heard", || said("woken by News") > before);
    assert_eq!(said("woken by Recheck"), 0);
    daemon.signal("USR1");
    within(Duration::from_secs(5), "USR1 was not heard", || said("woken by Recheck") == 1);
}
