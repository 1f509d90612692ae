//! The UCI parser against what the real `uci show` said of the same files: 55 cases recorded on
//! an OpenWrt root file system, and no panic on mutations of them and of the shipped examples.

use reachd::config::{self, SecretFile, Severity};
use reachd::parse::uci::{self, Package, Value};

const CASES: &str = include_str!("data/uci-parser-cases.txt");

struct Case {
    name: String,
    input: Vec<u8>,
    rc: i32,
    /// Exactly what was printed, or only its beginning.
    out: Vec<u8>,
    out_is_whole: bool,
    err: String,
}

/// The recording kept the first 60 bytes of an input and 160 of an output, which cut two cases.
/// Their inputs are completed here to what their outputs ask for; all else is as recorded.
fn complete(case: &mut Case) {
    if case.input.len() < 60 {
        return;
    }
    case.input.extend_from_slice(match case.name.as_str() {
        "anon" => b"ion b 1\n",
        "long" => &LONG,
        name => panic!("{name}: an input of 60 bytes that nobody completed"),
    });
    case.out_is_whole = case.out.len() < 160;
}

/// The rest of a value of about 70 kB.
static LONG: [u8; 70_002] = {
    let mut rest = [b'x'; 70_002];
    rest[70_000] = b'\'';
    rest[70_001] = b'\n';
    rest
};

/// Bytes of a Python literal, whether it is closed, and what follows it.
fn literal(text: &str) -> (Vec<u8>, bool, &str) {
    let text = text.strip_prefix('b').unwrap_or(text);
    let quote = text.as_bytes()[0];
    let mut out = Vec::new();
    let mut at = 1;
    while let Some(&byte) = text.as_bytes().get(at) {
        at += 1;
        if byte == quote {
            return (out, true, &text[at..]);
        }
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let escape = text.as_bytes()[at];
        at += 1;
        out.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                at += 2;
                u8::from_str_radix(&text[at - 2..at], 16).expect("two hex digits")
            }
            other => other,
        });
    }
    (out, false, "")
}

fn cases() -> Vec<Case> {
    let mut lines = CASES.lines();
    let mut cases = Vec::new();
    while let (Some(first), Some(second)) = (lines.next(), lines.next()) {
        let (name, input) = first.split_once("in=").expect("in=");
        let (rc, rest) = second.trim().split_once(" out=").expect("out=");
        let (input, closed, _) = literal(input);
        let (out, _, rest) = literal(rest);
        let (err, _, _) = literal(rest.strip_prefix(" err=").expect("err="));
        let mut case = Case {
            name: name.trim().into(),
            input,
            rc: rc.strip_prefix("rc=").expect("rc=").parse().expect("a number"),
            out,
            out_is_whole: true,
            err: String::from_utf8(err).expect("ASCII"),
        };
        assert!(closed, "{}: a broken literal", case.name);
        complete(&mut case);
        cases.push(case);
    }
    cases
}

/// As `uci show c` prints it.
fn show(package: &Package) -> Vec<u8> {
    fn value(out: &mut Vec<u8>, bytes: &[u8]) {
        out.push(b'\'');
        for &byte in bytes {
            match byte {
                b'\'' => out.extend_from_slice(br"'\''"),
                _ => out.push(byte),
            }
        }
        out.push(b'\'');
    }
    let mut out = Vec::new();
    for (index, section) in package.sections.iter().enumerate() {
        let id = package.id(index);
        out.extend_from_slice(format!("c.{id}={}\n", section.kind).as_bytes());
        for option in &section.options {
            out.extend_from_slice(format!("c.{id}.{}=", option.name).as_bytes());
            match &option.value {
                Value::One(bytes) => value(&mut out, bytes),
                Value::List(items) => {
                    for (nth, item) in items.iter().enumerate() {
                        if nth > 0 {
                            out.push(b' ');
                        }
                        value(&mut out, &item.bytes);
                    }
                }
            }
            out.push(b'\n');
        }
    }
    out
}

#[test]
fn agrees_with_the_real_command() {
    let cases = cases();
    assert_eq!(cases.len(), 55);
    let mut exact = 0;
    for case in &cases {
        let what = &case.name;
        match uci::parse(&case.input) {
            Ok(package) => {
                assert_eq!((case.rc, case.err.as_str()), (0, ""), "{what}: uci refuses it");
                let mut out = show(&package);
                if case.out_is_whole {
                    exact += 1;
                } else {
                    assert!(out.len() > 70_000, "{what}");
                    out.truncate(case.out.len());
                }
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                assert_eq!(text(&out), text(&case.out), "{what}");
                assert_eq!(out, case.out, "{what}");
            }
            Err(error) => {
                let said = format!("rootfs/sbin/uci: {}", error.uci());
                assert_eq!((case.rc, case.err.as_str()), (1, said.as_str()), "{what}");
                exact += 1;
            }
        }
    }
    assert_eq!(exact, 54, "all but the one whose recorded output was cut");
}

/// Marsaglia's xorshift64, so that a failure comes back.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Up to `most` small changes: cut, insert a token, append another seed, overwrite a byte.
fn mutate(chance: &mut Chance, seeds: &[Vec<u8>], most: usize) -> Vec<u8> {
    const TOKENS: &[&[u8]] = &[
        b"config ",
        b"option ",
        b"list ",
        b"package ",
        b"\n",
        b"\\",
        b"\\\n",
        b"\\\r\n",
        b"'",
        b"\"",
        b"#",
        b";",
        b"\0",
        b"\t",
        b"\x0b",
        b"\xff",
        b" t n\n",
        b"\xef\xbb\xbf",
    ];
    let mut input = seeds[chance.below(seeds.len())].clone();
    for _ in 0..=chance.below(most) {
        let at = chance.below(input.len() + 1);
        match chance.below(4) {
            0 => input.truncate(at),
            1 => {
                let token = TOKENS[chance.below(TOKENS.len())];
                input.splice(at..at, token.iter().copied());
            }
            2 => input.extend_from_slice(&seeds[chance.below(seeds.len())]),
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = chance.below(256) as u8;
                }
            }
        }
    }
    input
}

#[test]
fn never_panics_on_mutations() {
    let mut seeds: Vec<_> = cases().into_iter().map(|case| case.input).collect();
    seeds.retain(|input| input.len() < 200);
    let mut chance = Chance(0x5eed);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..20_000 {
        let input = mutate(&mut chance, &seeds, 6);
        match uci::parse(&input) {
            Ok(package) => {
                good += 1;
                let shown = show(&package);
                assert!(shown.len() <= 16 * (input.len() + 16), "{input:?}");
            }
            Err(error) => {
                bad += 1;
                let lines = input.split(|&byte| byte == b'\n').count() as u32;
                assert!((1..=lines).contains(&error.line), "{input:?}");
                assert!(error.byte <= input.len() && !error.message.is_empty(), "{input:?}");
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "the mutations reach both ends: {good} {bad}");
}

#[test]
fn reading_a_config_never_panics_on_mutated_examples() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let seeds: Vec<Vec<u8>> = std::fs::read_dir(examples)
        .expect("examples")
        .map(|entry| std::fs::read(entry.expect("an example").path()).expect("a file"))
        .collect();
    for seed in &seeds {
        uci::parse(seed).expect("the examples are well formed");
    }
    let mut chance = Chance(0xc0f);
    for _ in 0..2_000 {
        let input = mutate(&mut chance, &seeds, 12);
        let mut files = |path: &str| match path.len() % 3 {
            0 => Err("no such file".into()),
            _ => Ok(SecretFile { bytes: input.clone(), mode: path.len() as u32 }),
        };
        let (config, complaints) = config::read("reachd", &input, 0o644, &mut files);
        let refused = complaints.iter().any(|complaint| complaint.severity == Severity::Error);
        assert_eq!(config.is_none(), refused);
        let lines = input.split(|&byte| byte == b'\n').count() as u32;
        for complaint in complaints {
            assert!(complaint.line <= lines, "{complaint}");
            assert!(!complaint.to_string().contains(char::is_control), "{complaint:?}");
        }
    }
}
