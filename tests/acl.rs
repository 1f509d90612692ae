//! The walk of `acl` against the kernel: random rulesets, real packets, the same verdict. The
//! kernel's side is tests/lab/kernel_verdicts.py; it needs root, nft and namespaces, and without
//! them only the verdicts that were recorded in tests/data/nft/kernel.json are compared.
//!
//! `ACL_SEED`, `ACL_RULESETS` and `ACL_PACKETS` ask for other or more of them.

use reachd::acl::space::{Packet, Space};
use reachd::acl::walk::{Answer, Caps, End, Fate, Question, Route, World, ask};
use reachd::model::address::Prefix;
use reachd::model::name::Family;
use reachd::parse::nft;
use serde_json::Value;
use std::net::IpAddr;
use std::process::Command;

fn ip(value: &Value) -> IpAddr {
    value.as_str().unwrap().parse().unwrap()
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    T::try_from(value.as_u64().unwrap()).ok().unwrap()
}

struct Around {
    device: String,
    local: Vec<IpAddr>,
    routes: Vec<Route>,
    first: Vec<(String, IpAddr)>,
}

impl Around {
    fn read(world: &Value) -> Around {
        let pairs = |key: &str| -> Vec<(String, String)> {
            let text = |value: &Value| value.as_str().unwrap().to_string();
            world[key].as_array().unwrap().iter().map(|p| (text(&p[0]), text(&p[1]))).collect()
        };
        Around {
            device: world["device"].as_str().unwrap().to_string(),
            local: world["local"].as_array().unwrap().iter().map(ip).collect(),
            routes: pairs("routes")
                .into_iter()
                .map(|(to, device)| Route { to: Prefix::parse(&to).unwrap(), device })
                .collect(),
            first: pairs("first").into_iter().map(|(d, ip)| (d, ip.parse().unwrap())).collect(),
        }
    }
}

/// As the recorder writes it: where it came out, and as what.
fn verdict(end: &End) -> (String, Option<IpAddr>, u16) {
    let to = end.now.witness();
    match &end.fate {
        Fate::Router => ("router".to_string(), Some(to.dest), to.dest_port),
        Fate::Forwarded(_) => ("lan".to_string(), Some(to.dest), to.dest_port),
        Fate::Dropped => ("drop".to_string(), None, 0),
        Fate::Rejected(_) => ("reject".to_string(), None, 0),
        Fate::Unknown(why) => (format!("unknown: {why}"), None, 0),
    }
}

/// What may become of one packet, out of an answer that holds more.
fn fates(answer: &Answer, packet: &Packet) -> Vec<(String, Option<IpAddr>, u16)> {
    let space = packet.space();
    let mut found = Vec::new();
    for end in answer.ends.iter().filter(|end| end.asked.contains(&space)) {
        let (what, to, mut port) = verdict(end);
        // A piece that kept its ports or targets has a range of them: this packet's own.
        let kept_port = end.now.dest_port == end.asked.dest_port;
        if kept_port && to.is_some() {
            port = packet.dest_port;
        }
        let kept = end.now.dest == end.asked.dest;
        let to = if kept { to.map(|_| packet.dest) } else { to };
        found.push((what, to, port));
    }
    found.sort();
    found.dedup();
    found
}

#[derive(Default)]
struct Tally {
    agree: usize,
    undecided: usize,
    wrong: Vec<String>,
}

fn compare(recorded: &Value, tally: &mut Tally) {
    let around = Around::read(&recorded["world"]);
    for case in recorded["cases"].as_array().unwrap() {
        let text = serde_json::to_vec(&case["ruleset"]).unwrap();
        let (rules, complaints) = nft::ruleset(&text);
        assert!(complaints.is_empty(), "{complaints:?}");
        let world = World {
            rules: &rules,
            local: &around.local,
            routes: &around.routes,
            first: &around.first,
        };
        let answer = |family, spaces| {
            let question = Question { device: &around.device, family, spaces, calm: false };
            ask(world, &question, Caps { pieces: 500_000, work: 500_000_000 }).unwrap()
        };
        let wide = Family::BOTH.map(|family| answer(family, vec![Space::ALL]));
        for row in case["packets"].as_array().unwrap() {
            let packet = Packet {
                protocol: number(&row[0]),
                source: ip(&row[1]),
                dest: ip(&row[2]),
                source_port: number(&row[3]),
                dest_port: number(&row[4]),
            };
            let family = Family::of(packet.dest);
            let what = row[5].as_str().unwrap().to_string();
            let came_out = matches!(&what[..], "router" | "lan");
            let to = came_out.then(|| ip(&row[6]));
            // The ports of ICMP are its code here, and that does not change.
            let port = if came_out { number(&row[7]) } else { 0 };
            let kernel = (what, to, port);
            let single = answer(family, vec![packet.space()]);
            let alone = fates(&single, &packet);
            let among = fates(&wide[usize::from(family == Family::Ipv6)], &packet);
            if alone == [kernel.clone()] && among.contains(&kernel) {
                tally.agree += 1;
                if among.len() > 1 {
                    tally.undecided += 1;
                }
            } else {
                tally.wrong.push(format!(
                    "ruleset {}: {packet:?}\n  kernel {kernel:?}\n  alone {alone:?}\n  among {among:?}\n  {:?}",
                    case["seed"],
                    single.doubts
                ));
            }
        }
    }
}

fn show(tally: &Tally) {
    println!(
        "{} packets with the kernel's verdict, {} of them with a doubt in a wide question, {} others",
        tally.agree,
        tally.undecided,
        tally.wrong.len()
    );
    assert!(
        tally.wrong.is_empty(),
        "{} disagreements:\n{}",
        tally.wrong.len(),
        tally.wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_kernel_says_the_same() {
    let can = Command::new("unshare").args(["--net", "true"]).status();
    let have = |name: &str| Command::new(name).arg("--version").output().is_ok();
    if !can.is_ok_and(|status| status.success()) || !have("nft") || !have("python3") {
        println!("SKIPPED: the_kernel_says_the_same: needs root, nft, python3 and namespaces");
        return;
    }
    let ask = |name: &str, usual: &str| std::env::var(name).unwrap_or(usual.to_string());
    let out = std::env::temp_dir().join(format!("reachd-acl-{}.json", std::process::id()));
    let done = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/kernel_verdicts.py"))
        .arg(&out)
        .args([ask("ACL_SEED", "1"), ask("ACL_RULESETS", "60"), ask("ACL_PACKETS", "100")])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let recorded: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    std::fs::remove_file(&out).unwrap();
    let mut tally = Tally::default();
    compare(&recorded, &mut tally);
    show(&tally);
    assert!(tally.agree >= 2_000 || std::env::var("ACL_PACKETS").is_ok());
}
