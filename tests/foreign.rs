//! Every reader of foreign bytes (fuzz/readers.rs) over the corpus in the tree, over mutations of
//! it and cut in the middle. A fixed number of inputs, always the same ones. cargo-fuzz goes on
//! from there: fuzz/run.
//!
//! `FOREIGN_TURNS=10` takes ten times as many mutations, `FOREIGN_SEED` others.
//! `FOREIGN_SEEDS=DIR` writes the corpus for cargo-fuzz there instead.

#[path = "../fuzz/readers.rs"]
mod readers;

use readers::{GROUPS, Reader, seeds};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

struct Chance(u64);

impl Chance {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below.max(1)
    }
}

/// What a guest on the network might call itself, numbers at their ends, and quotes.
const HOSTILE: &[&[u8]] = &[
    b"\x1b[2J<script>alert(1)</script>",
    b"'\"><img src=x onerror=alert(1)>&amp;",
    "\u{202e}gnp.exe\u{200b}".as_bytes(),
    b"\\u001b[2J<script>alert(1)</script>\\u202e\\n",
    b"\xff\xfe\x00\xc3\x28",
    b"4294967296",
    b"-1",
    b"18446744073709551616",
    b"1e999",
    b"65536",
    b"255.255.255.255/33",
    b"::/129",
    b"\n",
    b"\r\n\r\n",
    b"\t",
    b"null",
    b"{}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"%s%n{fqdn}{",
    b"\x05",
    b"\x1e",
];

fn mutate(seed: &[u8], other: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=chance.below(6) {
        if bytes.is_empty() {
            return bytes;
        }
        let (from, to) = (chance.below(bytes.len()), chance.below(bytes.len()));
        match chance.below(8) {
            0 => bytes[to] = b"{}[]\",:'0-9z\\\x00\x1b\xff"[chance.below(16)],
            1 => bytes[to] ^= 1 << chance.below(8),
            // A piece of it somewhere else, cut to the shorter end.
            2 => {
                let len = chance.below(60).min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + len, to);
            }
            3 => bytes.truncate(bytes.len() - chance.below(bytes.len() / 4 + 1)),
            // Another digit keeps it JSON, and makes other numbers of it.
            4 => {
                if let Some(at) = bytes.iter().skip(to).position(u8::is_ascii_digit) {
                    bytes[to + at] = b'0' + chance.below(10) as u8;
                }
            }
            5 => {
                let word = HOSTILE[chance.below(HOSTILE.len())];
                let end = (to + word.len() * chance.below(2)).min(bytes.len());
                drop(bytes.splice(to..end, word.iter().copied()));
            }
            6 => {
                let end = (to + chance.below(40)).min(bytes.len());
                drop(bytes.drain(to..end));
            }
            // Of another file.
            _ if !other.is_empty() => {
                let at = chance.below(other.len());
                let end = (at + chance.below(200)).min(other.len());
                drop(bytes.splice(to..to, other[at..end].iter().copied()));
            }
            _ => {}
        }
    }
    bytes
}

/// The reader must come back, in time; else what it was given is kept.
fn feed(group: &str, reader: &Reader, bytes: &[u8], wrong: &mut Vec<String>) {
    let begin = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| (reader.read)(reader.name, bytes)));
    let slow = begin.elapsed() > Duration::from_secs(10);
    if done.is_err() || slow {
        let file = format!("{group}-{}-{}", reader.name.replace(['/', ' '], "-"), wrong.len());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        std::fs::write(&path, bytes).unwrap();
        let what = if slow { "takes too long over" } else { "fails at" };
        wrong.push(format!("{} {what} {}", reader.name, path.display()));
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// `turns` mutations for each reader.
fn feed_all(name: &str, turns: u64) {
    let (_, group) = GROUPS.iter().find(|(group, _)| *group == name).unwrap();
    let readers = group();
    let turns = turns * number("FOREIGN_TURNS", 1);
    let mut chance = Chance(number("FOREIGN_SEED", 5));
    let mut wrong = Vec::new();
    let mut fed = 0;
    for (at, reader) in readers.iter().enumerate() {
        let corpus = seeds(name, reader);
        assert!(!corpus.is_empty(), "{name}: {} has nothing to begin with", reader.name);
        if let Some(folder) = std::env::var_os("FOREIGN_SEEDS") {
            let folder = Path::new(&folder).join(name);
            std::fs::create_dir_all(&folder).unwrap();
            for (n, seed) in corpus.iter().enumerate() {
                let bytes = [&[at as u8], &seed[..]].concat();
                std::fs::write(folder.join(format!("{at}-{n}")), bytes).unwrap();
            }
            continue;
        }
        // What makes whole reports is in tests/report, read there as it is.
        for seed in corpus.iter().filter(|_| name != "house") {
            feed(name, reader, seed, &mut wrong);
        }
        for _ in 0..turns {
            if wrong.len() >= 5 {
                break;
            }
            let seed = &corpus[chance.below(corpus.len())];
            let other = &corpus[chance.below(corpus.len())];
            let bytes = match chance.below(5) {
                0 => seed[..chance.below(seed.len())].to_vec(),
                _ => mutate(seed, other, &mut chance),
            };
            feed(name, reader, &bytes, &mut wrong);
            fed += 1;
        }
    }
    println!("{name}: {fed} inputs to {} readers", readers.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn configs() {
    feed_all("uci", 300);
}

#[test]
fn messages() {
    feed_all("wire", 2000);
}

#[test]
fn files_of_others() {
    feed_all("files", 300);
}

#[test]
fn rulesets() {
    feed_all("nft", 60);
}

#[test]
fn replies_to_providers() {
    feed_all("providers", 20);
}

#[test]
fn whole_reports() {
    feed_all("house", 6);
}

/// Small inputs are cut at every byte.
#[test]
fn cut_anywhere() {
    let mut wrong = Vec::new();
    for (name, group) in GROUPS.iter().filter(|(name, _)| ["wire", "files"].contains(name)) {
        for reader in group() {
            for seed in seeds(name, &reader).iter().filter(|seed| seed.len() < 1_500) {
                for end in 0..seed.len() {
                    feed(name, &reader, &seed[..end], &mut wrong);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Public functions of `parse` and `wire` that take text or bytes, each called by a reader; and
/// every file that a report reads has one.
#[test]
fn every_parser_has_a_reader() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readers = std::fs::read_to_string(tree.join("fuzz/readers.rs")).unwrap();
    let mut missing = Vec::new();
    let mut seen = 0;
    // Called by functions that are called; and what takes our own words only.
    let parts = ["value", "part", "redirect", "rule"];
    let ours = ["path", "question", "whoami", "search", "message", "is_at", "new"];
    let files = ["parse/*.rs", "parse/firewall/*.rs", "wire/*.rs", "collect/*.rs"];
    let files = files.map(|pattern| format!("src/{pattern}"));
    for path in files.iter().flat_map(|pattern| readers::find(pattern)) {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for function in text.split("\npub fn ").skip(1) {
            let (name, rest) = function.split_once('(').unwrap();
            let name = name.split('<').next().unwrap();
            let takes = rest.split(')').next().unwrap();
            let foreign = ["&[u8]", "&str", "&Value", "&serde_json::Value", "Vec<u8>", "&Package"];
            let module = path.file_stem().unwrap().to_str().unwrap();
            let inner = parts.contains(&module) || ours.contains(&name);
            if foreign.iter().any(|kind| takes.contains(kind)) && !inner {
                seen += 1;
                let module = if module == "mod" { "firewall" } else { module };
                if !readers.contains(&format!("{module}::{name}(")) {
                    missing.push(format!("{module}::{name}"));
                }
            }
        }
    }
    assert!(seen > 30, "{seen}");
    let (_, house) = GROUPS.iter().find(|(name, _)| *name == "house").unwrap();
    let names: Vec<&str> = house().iter().map(|reader| reader.name).collect();
    let programs = reachd::collect::PROGRAMS.iter().map(|one| format!("cmd/{}", one.file));
    for file in reachd::collect::FILES.iter().map(|file| file.to_string()).chain(programs) {
        // Those that are read as another: /proc's of IPv6, a number.
        let other = file.ends_with('6') || file.ends_with("ip_forward");
        if !names.contains(&&*file) && !other {
            missing.push(file);
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}
