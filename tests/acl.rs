//! The walk of `acl` against the kernel: random rulesets, real packets, the same verdict. The
//! kernel's side is tests/lab/kernel_verdicts.py; it needs root, nft and namespaces, and without
//! them only the verdicts that were recorded in tests/data/nft/kernel.json are compared.
//!
//! Also here: what it costs, in looks at pieces, for rulesets of 10 to 1,000 rules.
//!
//! `ACL_SEED`, `ACL_RULESETS` and `ACL_PACKETS` ask for other or more of them.

use reachd::acl::forward::{Forward, judge};
use reachd::acl::rules;
use reachd::acl::space::{Packet, Space};
use reachd::acl::walk::{Answer, Caps, End, Fate, Question, Route, World, ask};
use reachd::model::address::Prefix;
use reachd::model::name::Family;
use reachd::parse::nft;
use serde_json::Value;
use std::net::IpAddr;
use std::process::Command;
use std::time::Instant;

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

/// For a wide question; one that is too complex is not asked.
const CAPS: Caps = Caps { pieces: 30_000, work: 5_000_000 };

#[derive(Default)]
struct Tally {
    agree: usize,
    undecided: usize,
    too_complex: usize,
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
        let answer = |family, spaces, calm| {
            let question = Question { device: &around.device, family, spaces, calm };
            ask(world, &question, CAPS)
        };
        let wide = Family::BOTH.map(|family| answer(family, vec![Space::ALL], true).ok());
        // What surely ends so, by the words of the verdicts.
        let sure = wide.each_ref().map(|wide| {
            ["router", "lan", "drop", "reject"].map(|word| {
                let is = |end: &End| verdict(end).0 == word;
                let parts = wide.as_ref().and_then(|wide| wide.parts(CAPS, is).ok());
                (word, parts.map_or(vec![], |(sure, _)| sure))
            })
        });
        tally.too_complex += wide.iter().filter(|wide| wide.is_none()).count();
        for row in case["packets"].as_array().unwrap() {
            let packet = Packet {
                protocol: number(&row[0]),
                source: ip(&row[1]),
                dest: ip(&row[2]),
                source_port: number(&row[3]),
                dest_port: number(&row[4]),
            };
            let family = Family::of(packet.dest);
            let at = usize::from(family == Family::Ipv6);
            let what = row[5].as_str().unwrap().to_string();
            let came_out = matches!(&what[..], "router" | "lan");
            let to = came_out.then(|| ip(&row[6]));
            // The ports of ICMP are its code here, and that does not change.
            let port = if came_out { number(&row[7]) } else { 0 };
            let kernel = (what, to, port);
            let single = answer(family, vec![packet.space()], true).unwrap();
            let alone = fates(&single, &packet);
            let among = wide[at].as_ref().map(|wide| fates(wide, &packet));
            let hurried = answer(family, vec![packet.space()], false).unwrap();
            let hurried = fates(&hurried, &packet);
            let open = |fates: &[(String, _, _)]| fates.iter().any(|f| f.0.starts_with("unknown"));
            let has = |fates: &[_]| fates.contains(&kernel) || open(fates);
            let wrongly = sure[at].iter().any(|(word, spaces)| {
                *word != kernel.0 && spaces.iter().any(|space| space.contains(&packet.space()))
            });
            tally.undecided += usize::from(alone != [kernel.clone()]);
            if has(&alone)
                && among.as_ref().is_none_or(|among| has(among))
                && has(&hurried)
                && !wrongly
            {
                tally.agree += 1;
            } else {
                tally.wrong.push(format!(
                    "ruleset {}: {packet:?}\n  kernel {kernel:?}\n  alone {alone:?}\n  \
                     among {among:?}\n  hurried {hurried:?}, wrongly sure: {wrongly}\n  {:?}",
                    case["seed"],
                    single.ends.iter().map(|e| (e.by, e.hook)).collect::<Vec<_>>()
                ));
            }
        }
    }
}

fn show(tally: &Tally) {
    println!(
        "{} packets with the kernel's verdict, {} of them as one of several, {} others; \
         {} wide questions were too complex",
        tally.agree,
        tally.undecided,
        tally.wrong.len(),
        tally.too_complex
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
    assert!(tally.undecided * 10 < tally.agree, "too many doubts to show anything");
    assert!(tally.agree >= 2_000 || std::env::var("ACL_PACKETS").is_ok());
}

/// The same on any machine: verdicts that a kernel (6.18, nft 1.0.6) once gave.
#[test]
fn a_kernel_once_said_the_same() {
    let recorded = serde_json::from_str(include_str!("data/nft/kernel.json")).unwrap();
    let mut tally = Tally::default();
    compare(&recorded, &mut tally);
    show(&tally);
    assert!(tally.agree >= 200);
}

/// A firewall as fw4 makes it: 20 forwards, a third of the rules before them (who may not come,
/// with a range of addresses and of ports each), the rest in the zone's input and forward chains.
fn firewall(count: usize) -> String {
    let mut state = 20u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let mut out = vec![
        r#"{"metainfo": {"json_schema_version": 1}}"#.to_string(),
        r#"{"table": {"family": "inet", "name": "fw4", "handle": 1}}"#.to_string(),
    ];
    for (name, base) in [
        ("input", r#", "type": "filter", "hook": "input", "prio": 0, "policy": "drop""#),
        ("forward", r#", "type": "filter", "hook": "forward", "prio": 0, "policy": "drop""#),
        ("dstnat", r#", "type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept""#),
        ("dstnat_wan", ""),
        ("input_wan", ""),
        ("forward_wan", ""),
    ] {
        let head = r#"{"chain": {"family": "inet", "table": "fw4", "name": "#;
        out.push(format!("{head}\"{name}\"{base}}}}}"));
    }
    let mut rule = |chain: &str, tests: &[String], end: &str| {
        let head = r#"{"rule": {"family": "inet", "table": "fw4", "handle": 9, "chain": "#;
        let tests: Vec<String> =
            tests.iter().map(|one| format!("{{\"match\": {one}}}, ")).collect();
        out.push(format!("{head}\"{chain}\", \"expr\": [{}{end}]}}}}", tests.concat()));
    };
    let is =
        |left: &str, right: String| format!(r#"{{"op": "==", "left": {left}, "right": {right}}}"#);
    let port = r#"{"payload": {"protocol": "tcp", "field": "dport"}}"#;
    let source = r#"{"payload": {"protocol": "ip", "field": "saddr"}}"#;
    let wan = is(r#"{"meta": {"key": "iifname"}}"#, "\"wan0\"".to_string());
    for hook in ["input", "forward", "dstnat"] {
        let to = format!(r#"{{"jump": {{"target": "{hook}_wan"}}}}"#);
        rule(hook, std::slice::from_ref(&wan), &to);
    }
    for n in 0..20 {
        let to = format!(
            r#"{{"dnat": {{"family": "ip", "addr": "192.168.1.{}", "port": {}}}}}"#,
            n + 10,
            n + 8000
        );
        rule("dstnat_wan", &[is(port, (n + 9000).to_string())], &to);
    }
    for n in 0..count.saturating_sub(20) {
        let net = format!(
            r#"{{"prefix": {{"addr": "{}.{}.0.0", "len": {}}}}}"#,
            random(100) + 1,
            random(256),
            16 + random(9)
        );
        let low = random(60_000);
        let ports = format!(r#"{{"range": [{low}, {}]}}"#, low + random(3_000));
        let chain = if n % 2 == 0 { "forward_wan" } else { "input_wan" };
        let end = if n % 3 == 0 { "accept" } else { "drop" };
        rule(chain, &[is(source, net), is(port, ports)], &format!("{{\"{end}\": null}}"));
    }
    let dnat = r#"{"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}"#.to_string();
    rule("forward_wan", &[dnat], r#"{"accept": null}"#);
    format!("{{\"nftables\": [{}]}}", out.join(",\n"))
}

#[test]
fn the_cost_grows_with_rules_times_pieces() {
    let wan: IpAddr = "198.51.100.2".parse().unwrap();
    let lan = Prefix::parse("192.168.1.0/24").unwrap();
    let routes = [Route { to: lan, device: "br-lan".to_string() }];
    println!(
        "rules  20 forwards: looks, pieces, ms   all that is open: looks, pieces, ms   rules judged: ms"
    );
    let mut costs = Vec::new();
    for count in [10, 100, 300, 1_000] {
        let (rules, complaints) = nft::ruleset(firewall(count).as_bytes());
        assert!(complaints.is_empty(), "{complaints:?}");
        let world = World { rules: &rules, local: &[wan], routes: &routes, first: &[] };
        let begin = Instant::now();
        let (mut looks, mut pieces) = (0, 0);
        for n in 0..20u16 {
            let forward = Forward {
                device: "wan0",
                protocol: 6,
                ports: (9000 + n, 9000 + n),
                dest: &[wan],
                source: None,
                target: IpAddr::from([192, 168, 1, 10 + n as u8]),
                target_ports: Some((8000 + n, 8000 + n)),
            };
            let judged = judge(world, &forward, true, Caps::default()).unwrap();
            assert!(!judged.arrives.is_empty());
            looks += judged.answer.work;
            pieces = judged.answer.pieces.max(pieces);
        }
        let forwards = begin.elapsed();
        let begin = Instant::now();
        let whole = Space { dest: (wan_bits(wan), wan_bits(wan)), ..Space::ALL };
        let question =
            Question { device: "wan0", family: Family::Ipv4, spaces: vec![whole], calm: true };
        let open = ask(world, &question, Caps::default()).unwrap();
        let surface = begin.elapsed();
        let begin = Instant::now();
        let found = rules::judge(world, &["wan0"], Caps::default());
        println!(
            "{count:5}  {looks:8} {pieces:5} {:8.2}   {:8} {:5} {:8.2}   {:8.2} ({})",
            forwards.as_secs_f64() * 1e3,
            open.work,
            open.pieces,
            surface.as_secs_f64() * 1e3,
            begin.elapsed().as_secs_f64() * 1e3,
            found.map_or("too complex".to_string(), |(found, whole)| match whole {
                true => found.len().to_string(),
                false => format!("{} and then too complex", found.len()),
            }),
        );
        costs.push((count as u64, looks, pieces as u64, open.work, open.pieces as u64));
    }
    for (count, looks, pieces, open, open_pieces) in costs {
        // A look or two for each condition of a rule and piece, over all 20 forwards.
        assert!(looks <= 20 * 4 * count.max(20) * pieces, "{count} rules: {looks} looks");
        assert!(open <= 4 * count.max(20) * open_pieces, "{count} rules: {open} looks");
    }
}

fn wan_bits(ip: IpAddr) -> u128 {
    reachd::acl::space::bits(ip)
}
