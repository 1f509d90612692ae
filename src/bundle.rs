//! `reachd collect FILE.tar`: what a report reads, as a folder that `report --root` takes.
//! Passwords and keys are left out; with `--share` addresses are masked too, each always the same
//! way, so that what lies in one network still does, and each keeps its class.

use crate::checks::named::is_proxy;
use crate::collect::{FILES, MISSING, PROGRAMS, Place, collect, names, passages, targets};
use crate::config;
use crate::journal::{self, Journal};
use crate::last::{Said, kept};
use crate::model::address::class;
use crate::model::config::Config;
use crate::model::known::Known;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is asked of others on the way.
pub struct Asks<'c> {
    /// The hosts that forwards lead to are tried.
    pub targets: bool,
    /// DNS servers are asked for the names of `config`.
    pub names: bool,
    pub config: &'c Config,
}

/// Looks, masks, and packs. `mask`: a random number for `--share`, or none.
pub fn bundle(place: &mut Place, mask: Option<u64>, asks: &Asks) -> Vec<u8> {
    let at = place.sys.wall_clock();
    let mut tar = Vec::new();
    let mut snapshot = collect(place, asks.config);
    // First: the neighbours are read after they were spoken to.
    if asks.targets {
        targets::knock(place, &mut snapshot);
    }
    if asks.names {
        names::ask(place, &mut snapshot, asks.config);
    }
    let mut missing = String::new();
    let mut put = |path: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let text = if path.starts_with("etc/config/") { hide(&text) } else { text.into_owned() };
        let text = match mask {
            Some(mask) if path.starts_with("proc/net/tcp") || path.starts_with("proc/net/udp") => {
                waiting(&text, mask)
            }
            Some(mask) => masked(&text, mask),
            None => text,
        };
        member(&mut tar, path, text.as_bytes(), at);
    };
    for path in FILES {
        match place.file(path) {
            Known::Known(Some(bytes)) => put(path, &bytes),
            Known::Known(None) => missing.extend([path, "\n"]),
            // What could not be read is not said to be absent.
            Known::Unknown(_) => {}
        }
    }
    for program in PROGRAMS {
        if let Known::Known(bytes) = place.program(program) {
            put(&format!("cmd/{}", program.file), &bytes);
        }
    }
    if let Some(tries) = snapshot.targets.known() {
        put(targets::FILE, targets::write(tries).as_bytes());
    }
    if let Some(all) = snapshot.names.known() {
        put(names::FILE, names::write(all).as_bytes());
    }
    if let Some(passed) = snapshot.passed.known() {
        put(passages::FILE, passages::write(passed).as_bytes());
    }
    put(MISSING, missing.as_bytes());
    // Of the daemon's memory what a report reads; names and accounts are nobody's business. It lies
    // where a report without a config looks for it.
    let path = config::none().journal;
    let path = path.trim_start_matches('/');
    let said = Said { seen: snapshot.seen, ..Said::default() };
    put(&kept(path), said.to_text().as_bytes());
    let (boot, now) = (place.sys.boot_id(), place.sys.now());
    if let Known::Known(Some(bytes)) = place.file(asks.config.journal.trim_start_matches('/'))
        && let Ok(journal) = Journal::from_text(&bytes, &boot, now)
    {
        let text = journal.shown().to_text("-", now);
        let body = journal::body(&text);
        let body = mask.map_or(body.to_string(), |mask| masked(body, mask));
        member(&mut tar, path, journal::seal(body).as_bytes(), at);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Parts of option names whose values nobody else needs.
const SECRET: [&str; 8] =
    ["key", "pass", "secret", "token", "psk", "username", "private", "credential"];

/// UCI text without secrets. A value in quotes may go on over lines: those are left out as well.
fn hide(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let option = matches!(words.next(), Some("option" | "list" | "o" | "l"));
        let name = words.next().unwrap_or_default().trim_matches(['\'', '"']);
        let lower = name.to_ascii_lowercase();
        let quotes = line.matches('\'').count() % 2 == 1 || line.matches('"').count() % 2 == 1;
        if inside {
            inside = !quotes;
        } else if option && SECRET.iter().any(|part| lower.contains(part)) {
            out.extend(["\toption ", name, " '(hidden)'\n"]);
            inside = quotes;
        } else {
            out.extend([line, "\n"]);
        }
    }
    out
}

/// Text with its addresses masked: whatever looks like one and is one.
fn masked(text: &str, mask: u64) -> String {
    let part = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let len = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(len);
        out.push_str(&one(word, mask));
        let other = after.find(part).unwrap_or(after.len());
        let (between, next) = after.split_at(other);
        out.push_str(between);
        rest = next;
    }
    out
}

fn one(word: &str, mask: u64) -> String {
    // A full stop or colon may follow an address in a sentence or a lease.
    let bare = word.trim_end_matches('.');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return [&address(ip, mask).to_string(), word.get(bare.len()..).unwrap_or_default()]
            .concat();
    }
    let octets: Vec<&str> = word.split(':').collect();
    if octets.len() == 6 && octets.iter().all(|octet| octet.len() == 2) {
        let last = octets.iter().skip(3).enumerate().filter_map(|(at, octet)| {
            Some(format!("{:02x}", u8::from_str_radix(octet, 16).ok()? ^ (mask >> (at * 8)) as u8))
        });
        let first = octets.iter().take(3).map(|octet| octet.to_string());
        return first.chain(last).collect::<Vec<String>>().join(":");
    }
    // `PROTO:PORT:ADDRESS:...` of miniupnpd.
    if word.contains('.') && word.contains(':') {
        return word.split(':').map(|word| one(word, mask)).collect::<Vec<String>>().join(":");
    }
    word.to_string()
}

/// The same class, another address: bits after the first 8 (IPv4; 10 of shared space) or 16
/// (IPv6), up to the host's half, change places. Private and special ones tell nothing and stay.
fn address(ip: IpAddr, mask: u64) -> IpAddr {
    let shared = class(ip).kind == crate::model::address::Kind::SharedAddressSpace;
    // Nor do those of a proxy, or of resolvers that everybody knows.
    let known = is_proxy(ip) || names::RESOLVERS.contains(&&ip.to_string()[..]);
    if (!class(ip).global && !shared) || known {
        return ip;
    }
    let other = match ip {
        IpAddr::V4(ip) => {
            let bits = if shared { 0x003F_FFFF } else { 0x00FF_FFFF };
            IpAddr::from(Ipv4Addr::from_bits(ip.to_bits() ^ (mask as u32 & bits)))
        }
        IpAddr::V6(ip) => {
            let high = u128::from(mask & 0xFFFF_FFFF_FFFF) << 64;
            // The MAC inside an EUI-64 changes as the MAC does.
            let eui = ip.to_bits() >> 24 & 0xFFFF == 0xFFFE;
            let low = if eui { u128::from((mask as u32).swap_bytes() >> 8) } else { 0 };
            IpAddr::from(Ipv6Addr::from_bits(ip.to_bits() ^ high ^ low))
        }
    };
    // Rarely the other one is special; then this one would tell that it is near.
    if class(other).kind == class(ip).kind { other } else { address(ip, mask.rotate_left(5) | 1) }
}

/// Sockets that wait, without who talks to whom.
fn waiting(text: &str, _mask: u64) -> String {
    let keep = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().take(4).collect();
        let local = words.get(1).and_then(|local| local.split(':').next()).unwrap_or_default();
        let any = local.bytes().all(|byte| byte == b'0') || local.contains("7F");
        matches!(words.get(3), Some(&"0A" | &"07" | &"st")) && (any || words.get(3) == Some(&"st"))
    };
    let kept: Vec<&str> = text
        .lines()
        .enumerate()
        .filter(|(at, line)| *at == 0 || keep(line))
        .map(|(_, line)| line)
        .collect();
    [&kept.join("\n"), "\n"].concat()
}

/// One file of a tar archive (POSIX ustar), padded to whole blocks of 512.
fn member(tar: &mut Vec<u8>, path: &str, bytes: &[u8], at: u64) {
    let mut head = [0u8; 512];
    let mut put = |from: usize, text: &str| {
        if let Some(field) = head.get_mut(from..from + text.len()) {
            field.copy_from_slice(text.as_bytes());
        }
    };
    // Our paths are short, and all of them ASCII.
    put(0, path.get(..99).unwrap_or(path));
    put(100, "0000600");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", bytes.len()));
    put(136, &format!("{:011o}", at & 0x1_FFFF_FFFF));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\u{0}00");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\u{0} ");
    if let Some(field) = head.get_mut(148..156) {
        field.copy_from_slice(sum.as_bytes());
    }
    tar.extend_from_slice(&head);
    tar.extend_from_slice(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: u64 = 0x1234_5678_9ABC_DEF1;

    #[test]
    fn secrets_are_left_out() {
        let text = "config interface 'wan'\n\toption proto 'pppoe'\n\toption password 'hunter2'\n\
                    \toption private_key 'a\nb c'\n\toption mtu '1492'\n";
        let shown = hide(text);
        assert!(!shown.contains("hunter2") && !shown.contains("b c"), "{shown}");
        assert!(
            shown.contains("option password '(hidden)'") && shown.contains("option mtu '1492'")
        );
    }

    #[test]
    fn masked_addresses_keep_class_and_company() {
        let shown = masked("src=93.184.7.20 dst=93.184.7.9 lan 192.168.1.5 x 100.70.3.9.", MASK);
        assert!(shown.contains("192.168.1.5") && !shown.contains("93.184.7"), "{shown}");
        assert!(shown.contains("100.") && shown.ends_with('.'));
        let ip = |text: &str| address(text.parse().unwrap(), MASK);
        let (a, b) = (ip("2a02:8070:1:2::5"), ip("2a02:8070:1:2::6"));
        assert_eq!(
            crate::model::address::Prefix::parse(&format!("{a}/64")).map(|net| net.contains(b)),
            Some(true)
        );
        assert_ne!(a.to_string(), "2a02:8070:1:2::5");
        let mac = one("aa:bb:cc:00:11:22", MASK);
        assert!(mac.starts_with("aa:bb:cc:") && mac != "aa:bb:cc:00:11:22");
        assert_eq!(masked("TCP:80:93.184.7.20:80:0:x 12:30:45", MASK).matches("93.184").count(), 0);
    }

    #[test]
    fn tar_reads_it() {
        let mut tar = Vec::new();
        member(&mut tar, "etc/config/firewall", b"config defaults\n", 1_795_452_266);
        assert_eq!(tar.len(), 1024);
        tar.resize(tar.len() + 1024, 0);
        let path = std::env::temp_dir().join(format!("reachd-tar-{}", std::process::id()));
        std::fs::write(&path, tar).unwrap();
        let output = std::process::Command::new("tar").arg("-xOf").arg(&path).output();
        let _ = std::fs::remove_file(&path);
        let Ok(output) = output else {
            eprintln!("SKIPPED: there is no tar");
            return;
        };
        assert_eq!(output.stdout, b"config defaults\n", "{output:?}");
    }
}
