//! The built binary, end to end, without root: what is typed, what is printed, the exit code.
//! These machines differ (with or without a default route), so only what must hold on each is
//! checked; the lab has the scenes.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An own directory for one test, gone afterwards.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn reachd(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_reachd"))
            .args(args)
            .current_dir(&self.0)
            .env_remove("SSL_CERT_FILE")
            .output()
            .unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Past the test harness, which shows what is printed only of tests that fail.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn version_and_help() {
    let dir = Dir::new("version");
    let output = dir.reachd(&["--version"]);
    assert_eq!(out(&output), format!("reachd {}\n", env!("CARGO_PKG_VERSION")));
    let output = dir.reachd(&["--help"]);
    assert!(out(&output).contains("Exit codes: 0 fine"), "{}", out(&output));
    assert_eq!(code(&output), 0);
}

#[test]
fn what_is_typed_wrong_exits_2() {
    let dir = Dir::new("usage");
    for args in [&["fly"][..], &[], &["run", "now"], &["providers", "nobody"]] {
        let output = dir.reachd(args);
        assert_eq!(code(&output), 2, "{args:?}");
        assert!(err(&output).starts_with("reachd: "), "{}", err(&output));
    }
}

#[test]
fn a_missing_or_wrong_config_exits_2_and_says_where() {
    let dir = Dir::new("config");
    let output = dir.reachd(&["once", "-c", "nowhere"]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("there is no config nowhere"), "{}", err(&output));
    let path = dir.write(
        "bad",
        "config account 'a'\n\toption provider 'cloudflar'\nconfig name 'n'\n\toption fqdn 'x.example.org'\n\toption account 'a'\n",
    );
    let output = dir.reachd(&["check-config", &path]);
    assert_eq!(code(&output), 2);
    let told = err(&output);
    assert!(told.contains(&format!("{path}:2: section 'a', option 'provider'")), "{told}");
    assert!(told.contains("did you mean 'cloudflare'?"), "{told}");
}

#[test]
fn the_shipped_examples_are_fine() {
    let dir = Dir::new("examples");
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");
    let output = dir.reachd(&["check-config", quickstart]);
    assert_eq!((code(&output), err(&output)), (0, String::new()));
}

/// The machine's loopback device is always there; `shared_line 'wan'` would take a private
/// address, but 127.0.0.1 means nothing to anybody else and must be refused.
#[test]
fn loopback_is_never_published() {
    let dir = Dir::new("loopback");
    let config = dir.write(
        "config",
        "config reachd 'main'\n\toption journal 'journal'\n\
         config account 'here'\n\toption provider 'hosts'\n\toption path 'hosts'\n\
         config name 'home'\n\toption fqdn 'home.example.test'\n\toption account 'here'\n\
         \toption wan 'lo'\n\toption shared_line 'wan'\n\tlist family 'ipv4'\n",
    );
    let output = dir.reachd(&["once", "-c", &config]);
    assert_eq!(code(&output), 1, "{}{}", out(&output), err(&output));
    assert!(out(&output).contains("127.0.0.1"), "{}", out(&output));
    assert!(!Path::new(&dir.path("hosts")).exists());
}

#[test]
fn quickstart_publishes_into_the_hosts_file_where_there_is_a_default_route() {
    let dir = Dir::new("quickstart");
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");
    let first = dir.reachd(&["once", "-c", quickstart]);
    let text = out(&first);
    assert!(text.contains("Seen on this machine") && text.contains("Decided"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let routed = text.contains("the kernel sends Internet traffic this way");
    let hosts = fs::read_to_string(dir.path("target/quickstart/hosts")).unwrap_or_default();
    if !routed || !text.contains("now ") {
        assert_eq!(hosts, "", "nothing seen, nothing written: {text}");
        skipped("this machine has no default route with an address");
        return;
    }
    assert_eq!(code(&first), 0, "{text}");
    assert!(hosts.contains("home.example.test"), "{hosts}");
    let second = out(&dir.reachd(&["once", "-c", quickstart]));
    assert!(second.contains("already right"), "{second}");
    let status = out(&dir.reachd(&["status", "-c", quickstart]));
    assert!(status.contains("confirmed"), "{status}");
    let json = out(&dir.reachd(&["status", "--json", "-c", quickstart]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema_version"], "1");
    let mode = fs::metadata(dir.path("target/quickstart/journal")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_torn_journal_costs_a_recheck_and_says_so() {
    let dir = Dir::new("torn");
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");
    fs::create_dir_all(dir.path("target/quickstart")).unwrap();
    for journal in [&b"reachd-journal 1\nboot x\nrec"[..], b"reachd-journal 9\n", b"\xff\x00", b""]
    {
        fs::write(dir.path("target/quickstart/journal"), journal).unwrap();
        let output = dir.reachd(&["once", "-v", "-c", quickstart]);
        assert!(matches!(code(&output), 0 | 1), "{}{}", out(&output), err(&output));
        assert!(err(&output).contains("is not used: it"), "{}", err(&output));
    }
}

/// Where the owner keeps it; a bundle has it where a report looks.
#[test]
fn a_bundle_has_the_journal_without_names() {
    let dir = Dir::new("bundle");
    dir.write("journal", include_str!("../fuzz/seeds/journal-full"));
    let said = "reachd-report 1\nfact forward api.example (x)\topen, ok\nseen wan x\t7\nend\n";
    dir.write("journal.report", said);
    let config = dir.write(
        "reachd.conf",
        &format!("config reachd 'main'\n\toption journal '{}'\n", dir.path("journal")),
    );
    let tar = dir.path("bundle.tar");
    let output = dir.reachd(&["collect", &tar, "-c", &config, "--no-targets", "--no-names"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let tar = String::from_utf8_lossy(&fs::read(tar).unwrap()).into_owned();
    assert!(tar.contains("var/run/reachd/journal") && tar.contains("203.0.113.9"));
    assert!(tar.contains("var/run/reachd/journal.report") && tar.contains("\nseen wan x\t7\n"));
    assert!(!tar.contains("home.example.org") && !tar.contains("api.example"));
}

#[test]
fn why_changes_nothing() {
    let dir = Dir::new("why");
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart");
    let output = dir.reachd(&["why", "home.example.test", "-c", quickstart]);
    assert!(out(&output).contains("home.example.test A: "), "{}", out(&output));
    assert!(!Path::new(&dir.path("target")).exists(), "nothing is written");
}

#[test]
fn providers_are_listed_with_their_options() {
    let dir = Dir::new("providers");
    let list = out(&dir.reachd(&["providers"]));
    for id in ["cloudflare", "hosts", "rfc2136"] {
        assert!(list.lines().any(|line| line.starts_with(id)), "{list}");
    }
    let one = out(&dir.reachd(&["providers", "rfc2136"]));
    assert!(one.contains("key_secret") && one.contains("config account"), "{one}");
}

/// The copy on flash is for reboots: written when a confirmed address changes, else left alone.
#[test]
fn the_journals_copy_is_written_only_on_a_change_and_read_after_a_loss() {
    let dir = Dir::new("copy");
    let config = dir.write(
        "config",
        "config reachd 'main'\n\toption journal 'tmp/journal'\n\toption journal_copy 'flash/journal'\n\
         config account 'here'\n\toption provider 'hosts'\n\toption path 'hosts'\n\
         config name 'home'\n\toption fqdn 'home.example.test'\n\toption account 'here'\n\
         \toption shared_line 'wan'\n",
    );
    let first = out(&dir.reachd(&["once", "-c", &config]));
    if !first.contains("now ") {
        skipped("this machine has no default route with an address");
        return;
    }
    let copy = fs::read(dir.path("flash/journal")).unwrap();
    dir.reachd(&["once", "-c", &config]);
    assert_eq!(fs::read(dir.path("flash/journal")).unwrap(), copy, "nothing changed");
    fs::remove_file(dir.path("tmp/journal")).unwrap();
    let status = out(&dir.reachd(&["status", "-c", &config]));
    assert!(status.contains("confirmed"), "{status}");
}

#[test]
fn providers_are_listed_with_what_they_need() {
    let dir = Dir::new("provider");
    let output = dir.reachd(&["providers"]);
    let text = out(&output);
    assert!(text.contains("duckdns         both     duckdns.org; token\n"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert_eq!(code(&dir.reachd(&["providers", "namecheap"])), 0);
}

#[test]
fn an_old_config_becomes_a_new_one() {
    let dir = Dir::new("import");
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ddns/everything");
    let output = dir.reachd(&["import-ddns", old.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let config = dir.write("reachd", &out(&output));
    let output = dir.reachd(&["check-config", &config]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(code(&dir.reachd(&["import-ddns", "nowhere"])), 2);
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/inadyn/everything");
    let output = dir.reachd(&["import-inadyn", old.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let config = dir.write("reachd", &out(&output));
    let output = dir.reachd(&["check-config", &config]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let output = dir.reachd(&["import-inadyn", "/etc/passwd"]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).starts_with("reachd: /etc/passwd: line 1: this is not how inadyn 2"));
}

/// Nothing is written: neither the journal nor what a provider writes. (Whether this machine has
/// an address to publish is another matter.)
#[test]
fn a_rehearsal_leaves_no_trace() {
    let dir = Dir::new("rehearsal");
    let config = dir.write(
        "reachd",
        "config reachd 'main'\n\toption journal 'journal'\n\
         config account 'file'\n\toption provider 'hosts'\n\toption path 'hosts'\n\
         config account 'd'\n\toption provider 'dyndns2'\n\toption server '127.0.0.1:1'\n\
         \toption username 'me'\n\toption password 'never-seen'\n\
         config name 'home'\n\toption fqdn 'home.example.test'\n\toption account 'file'\n\
         \toption shared_line 'wan'\n\
         config name 'away'\n\toption fqdn 'away.example.test'\n\toption account 'd'\n\
         \toption shared_line 'wan'\n",
    );
    let output = dir.reachd(&["-c", &config, "once", "--dry-run"]);
    let text = out(&output);
    assert!([0, 3].contains(&code(&output)), "{text}");
    assert!(!dir.0.join("journal").exists() && !dir.0.join("hosts").exists());
    assert!(!text.contains("never-seen"));
    if text.contains("is to be published") {
        assert!(text.contains("| "), "{text}");
        assert!(text.contains("GET https://127.0.0.1:1/nic/update?hostname=away"), "{text}");
        assert!(text.contains("authorization: Basic (secret)"), "{text}");
    } else {
        assert!(text.contains("Nothing is to be sent."), "{text}");
    }
}

/// Each with its own example section, all in one config: what would be sent, and no secret.
#[test]
fn every_provider_can_be_rehearsed() {
    const SECRET: &str = "bmV2ZXItc2Vlbi1i";
    let dir = Dir::new("rehearsals");
    let secret = dir.write("secret", &format!("{SECRET}\n"));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let list = out(&dir.reachd(&["providers"]));
    let ids: Vec<&str> = list
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with(' ') && !line.contains(" in all; "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(ids.len() >= 80, "{list}");
    let mut config =
        String::from("config reachd 'main'\n\toption enabled '1'\n\toption journal 'journal'\n");
    for id in &ids {
        let text = out(&dir.reachd(&["providers", id]));
        let example = text.split_once("  example:\n").unwrap().1;
        for line in example.lines() {
            let line = match line.split_once("_file '") {
                Some((option, _)) => format!("{option}_file '{secret}'"),
                None if line.contains("option path") => "option path 'hosts'".into(),
                None => line.replace("'mine'", &format!("'a_{}'", id.replace(['.', '-'], "_"))),
            };
            config.push_str(&line);
            config.push('\n');
        }
        let at = format!("a_{}", id.replace(['.', '-'], "_"));
        config.push_str(&format!(
            "config name 'n_{at}'\n\toption fqdn '{}.example.org'\n\toption account '{at}'\n\
             \toption shared_line 'wan'\n",
            at.replace('_', "-")
        ));
    }
    let config = dir.write("reachd", &config);
    let checked = dir.reachd(&["check-config", &config]);
    assert_eq!(code(&checked), 0, "{}", err(&checked));
    let output = dir.reachd(&["-c", &config, "once", "--dry-run"]);
    let text = out(&output);
    assert!(!text.contains("bmV2ZXItc2Vl") && !err(&output).contains("bmV2ZXItc2Vl"), "{text}");
    assert!(!dir.0.join("journal").exists() && !dir.0.join("hosts").exists());
    if !text.contains("not sent:") {
        skipped("this machine has no default route with an address");
        return;
    }
    for id in &ids {
        let (_, shown) = text
            .split_once(&format!(" ({id}), "))
            .unwrap_or_else(|| panic!("{id} is not rehearsed: {text}"));
        let mut lines = shown.lines().skip(1).take_while(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default().trim_start();
        let request = ["GET https://", "POST https://", "PUT https://", "DNS message", "write "];
        // Its service file is not on this machine, and it says so.
        let known = *id == "openwrt" && first.starts_with("but: there is no ");
        assert!(known || request.iter().any(|start| first.starts_with(start)), "{id}: {first}");
    }
}
