//! How long a connection from outside counts that somebody saw, with the built binary: a router
//! whose daemon saw one three days ago (`tests/report/live`), and one with two WANs, each changed in
//! one place.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CONNTRACK: &str = "proc/net/nf_conntrack";
const DATE: &str = "cmd/date.txt";
const DUMP: &str = "cmd/ubus-network.interface-dump.json";
const FIREWALL: &str = "etc/config/firewall";
const KEPT: &str = "var/run/reachd/journal.report";
const NFT: &str = "cmd/nft-j-list-ruleset.json";

/// As `live` tells it: the report's time, and a web server that was seen three days before.
const NOW: u64 = 1_795_452_266;
const SEEN: &str = "seen wan tcp 443 to 192.168.1.50:443 at 198.51.100.23\t";

/// A folder of one's own, with some files changed.
fn changed(case: &str, edits: &[(&str, &str, &str)]) -> PathBuf {
    let name = format!("seen-{}-{:?}", std::process::id(), std::thread::current().id());
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&root);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(case).join("root");
    assert!(Command::new("cp").arg("-r").args([&from, &root]).status().unwrap().success());
    for (file, old, new) in edits {
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(old), "{case} {file} has no {old:?}");
        // Nothing old: all of it.
        let text = if old.is_empty() { new.to_string() } else { text.replace(old, new) };
        fs::write(root.join(file), text).unwrap();
    }
    root
}

/// A forward's reach in words, when it was seen, and what the daemon would keep.
fn reach(case: &str, edits: &[(&str, &str, &str)], index: usize) -> (String, Value, String) {
    let root = changed(case, edits);
    let run = |format: &str| {
        let mut reachd = Command::new(env!("CARGO_BIN_EXE_reachd"));
        reachd.args(["report", "--format", format, "--root"]).arg(&root).output().unwrap().stdout
    };
    let json: Value = serde_json::from_slice(&run("json")).unwrap();
    let lines = String::from_utf8(run("lines")).unwrap();
    let seen: Vec<&str> = lines.lines().filter(|line| line.starts_with("seen ")).collect();
    let reach = &json["forwards"][index]["reach"];
    let word = |key: &str| reach[key].as_str().unwrap_or("-").to_string();
    let words = [word("verdict"), word("certainty"), word("where")].join(" ");
    fs::remove_dir_all(&root).unwrap();
    (words, reach["seen"].clone(), seen.join("\n"))
}

#[test]
fn what_was_seen_counts_for_a_week() {
    let at = |ago: i64| format!("{SEEN}{}\n", NOW as i64 - ago);
    let three = at(3 * 86_400);
    let (last, over, ahead) = (at(7 * 86_400), at(7 * 86_400 + 1), at(-1));
    for (new, proved) in [(&three, true), (&last, true), (&over, false), (&ahead, false)] {
        let (words, seen, kept) = reach("live", &[(KEPT, &three, new)], 0);
        let want = if proved { "open proved -" } else { "open likely -" };
        assert_eq!((&words[..], seen.is_string()), (want, proved), "{new}");
        assert_eq!(kept.contains(new.trim_end()), proved, "kept as it was, or no more: {kept}");
    }
    // Without a clock that can be right nobody can tell.
    let early = format!("{SEEN}1700000000\n");
    for edit in [vec![(DATE, "", "?")], vec![(DATE, "", "1700000060"), (KEPT, &three, &early)]] {
        let (words, _, kept) = reach("live", &edit, 0);
        assert_eq!((&words[..], &kept[..]), ("open likely -", ""), "{edit:?}");
    }
}

#[test]
fn it_ends_with_what_it_was_about() {
    let was = "wan tcp 443 to 192.168.1.50:443 at 198.51.100.23";
    for other in [
        "dmz tcp 443 to 192.168.1.50:443 at 198.51.100.23",
        "wan tcp+udp 443 to 192.168.1.50:443 at 198.51.100.23",
        "wan tcp 444 to 192.168.1.50:443 at 198.51.100.23",
        "wan tcp 443 from 9.9.9.9 to 192.168.1.50:443 at 198.51.100.23",
        "wan tcp 443 to 192.168.1.51:443 at 198.51.100.23",
        "wan tcp 443 to 192.168.1.50:8443 at 198.51.100.23",
        "wan tcp 443 to 192.168.1.50:443 start_time at 198.51.100.23",
        "wan tcp 443 to 192.168.1.50:443 at 198.51.100.25",
    ] {
        let (words, _, kept) = reach("live", &[(KEPT, was, other)], 0);
        assert_eq!(words, "open likely -", "{other}");
        assert!(!kept.contains(other), "{kept}");
    }
    let address = (DUMP, "198.51.100.23", "198.51.100.25");
    let (words, _, kept) = reach("live", &[address], 0);
    assert_eq!((&words[..], &kept[..]), ("open likely -", ""));
    // What stands in the way now counts more; what was seen is remembered all the same.
    let rule = (NFT, "\"right\": 443", "\"right\": 4430");
    let (words, seen, kept) = reach("live", &[rule], 0);
    assert_eq!((&words[..], seen), ("blocked likely rule", Value::Null));
    assert!(kept.contains(SEEN), "{kept}");
}

/// A line of the kernel's table.
fn flow(proto: &str, to: &str, port: u16, host: &str, host_port: u16) -> String {
    format!(
        "ipv4 2 {proto} 6 7436 src=9.9.9.9 dst={to} sport=50000 dport={port} src={host} \
         dst=9.9.9.9 sport={host_port} dport=50000 [ASSURED] mark=0 use=2\n"
    )
}

#[test]
fn one_that_is_there_is_of_this_forward() {
    let none = (KEPT, "", "reachd-report 1\nend\n");
    let seen = |to: &str, host_port: u16| {
        let flow = flow("tcp", to, 443, "192.168.1.50", host_port);
        reach("live", &[none, (CONNTRACK, "", &flow)], 0)
    };
    let (words, when, kept) = seen("198.51.100.23", 443);
    assert_eq!((&words[..], when), ("open proved -", "2026-11-23 16:44:26 UTC".into()));
    assert_eq!(kept, format!("{SEEN}{NOW}"));
    // From before the address, or the port of the host, was another.
    for (to, host_port) in [("198.51.100.24", 443), ("198.51.100.23", 8443)] {
        let (words, _, kept) = seen(to, host_port);
        assert_eq!((&words[..], &kept[..]), ("open likely -", ""), "{to} {host_port}");
    }
}

/// Of UDP an answer was seen to leave, which may have been by the wrong WAN.
#[test]
fn an_answer_that_went_astray_proves_nothing() {
    let tcp = flow("tcp", "203.0.113.9", 9443, "192.168.1.60", 443);
    assert_eq!(reach("two-wans", &[(CONNTRACK, "", &tcp)], 1).0, "open proved -");
    assert!(reach("two-wans", &[(CONNTRACK, "", &tcp)], 1).2.contains(" at 203.0.113.9\t"));
    let udp = flow("udp", "203.0.113.9", 9443, "192.168.1.60", 443);
    let edits = [
        (CONNTRACK, "", &udp[..]),
        (FIREWALL, "option proto 'tcp'", "option proto 'udp'"),
        (NFT, "\"protocol\": \"tcp\"", "\"protocol\": \"udp\""),
    ];
    let (words, _, kept) = reach("two-wans", &edits, 1);
    assert_eq!((&words[..], &kept[..]), ("blocked likely line", ""));
}
