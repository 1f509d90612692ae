//! Single values: what a number, word, name, address or URL must look like. An error is the text
//! of a complaint, to be read after `option 'x': `.

use crate::model::name::Family;
use crate::parse::uci::quoted;
use std::net::{IpAddr, Ipv6Addr};

/// `; did you mean 'x'?`, or else which words there are.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    match near(word, known) {
        Some(known) => ["; did you mean '", known, "'?"].concat(),
        None if known.is_empty() => String::new(),
        None => ["; there is: ", &known.join(", ")].concat(),
    }
}

/// The known word that was probably meant: at most a third of its letters mistaken.
pub(super) fn near<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let mut best = None;
    for candidate in known {
        let limit = (candidate.len().max(word.len()) / 3).clamp(1, 3);
        let distance = distance(word.as_bytes(), candidate.as_bytes());
        let shorter = candidate.len().min(word.len());
        if distance <= limit && distance < shorter && best.is_none_or(|(least, _)| distance < least)
        {
            best = Some((distance, *candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many letters were mistaken, left out, added, or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    const LONGEST: usize = 40;
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    // Rows of the usual table: two back, one back, this one.
    let mut rows = [[0usize; LONGEST + 1]; 3];
    rows[1] = std::array::from_fn(|column| column);
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b);
    for (i, &x) in a.iter().enumerate() {
        let [before, above, mut row] = rows;
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replace = above[j] + usize::from(!same(x, y));
            let mut least = replace.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && same(x, b[j - 1]) && same(a[i - 1], y) {
                least = least.min(before[j - 1] + 1);
            }
            row[j + 1] = least;
        }
        rows = [above, row, before];
    }
    rows[1][b.len()]
}

/// As OpenWrt's shell functions have it.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "on" | "true" | "yes" | "enabled" => Ok(true),
        "0" | "off" | "false" | "no" | "disabled" => Ok(false),
        _ => Err(["must be 1 or 0, not ", &quoted(text.as_bytes())].concat()),
    }
}

/// The index of one of `words`.
pub(super) fn word(text: &str, words: &[&str]) -> Result<usize, String> {
    words.iter().position(|word| *word == text).ok_or_else(|| {
        let shown = quoted(text.as_bytes());
        match near(text, words) {
            Some(word) => [&shown, " is not known here; did you mean '", word, "'?"].concat(),
            None => ["must be one of ", &words.join(", "), ", not ", &shown].concat(),
        }
    })
}

pub(super) fn path(text: &str) -> Result<String, String> {
    if text.ends_with('/') {
        return Err(["must be a file, and ", &quoted(text.as_bytes()), " is a folder"].concat());
    }
    Ok(text.into())
}

pub(super) fn network(text: &str) -> Result<String, String> {
    if text.len() > 32 || text.contains(|c: char| c == '/' || c.is_whitespace()) {
        let shown = quoted(text.as_bytes());
        return Err([&shown, " is neither a network like 'wan' nor a device like 'eth1'"].concat());
    }
    Ok(text.into())
}

/// A domain name (RFC 1035 2.3.1, RFC 1123 2.1) in lower case, without its last dot.
/// `wildcard`: it may start with `*.` (RFC 4592).
pub(super) fn domain(text: &str, wildcard: bool) -> Result<String, String> {
    let shown = || quoted(text.as_bytes());
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if !name.is_ascii() {
        return Err([
            &shown(),
            " has letters beyond ASCII: write its xn-- form, as your provider's \
             pages show it",
        ]
        .concat());
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err([&shown(), " is an address, not a name"].concat());
    }
    if name.len() > 253 {
        return Err([&shown(), " is longer than the 253 characters of a DNS name"].concat());
    }
    let labels = match name.strip_prefix("*.") {
        Some(rest) if wildcard => rest,
        _ => &name,
    };
    for label in labels.split('.') {
        let part = || ["the part ", &quoted(label.as_bytes()), " of ", &shown()].concat();
        let ldh = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if label.is_empty() {
            return Err([&shown(), " has nothing between two dots"].concat());
        } else if label == "*" && wildcard {
            return Err(["the * of ", &shown(), " can only stand alone in front: *.NAME"].concat());
        } else if label.len() > 63 {
            return Err([&part(), " is longer than 63 characters"].concat());
        } else if !label.bytes().all(ldh) {
            return Err([&part(), " may hold letters, digits and hyphens only"].concat());
        } else if label.starts_with('-') || label.ends_with('-') {
            return Err([&part(), " may not start or end with a hyphen"].concat());
        }
    }
    let last = labels.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err([&shown(), " ends in a number, so it cannot be a DNS name"].concat());
    }
    Ok(name)
}

/// `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`; returns HOST without brackets.
pub(super) fn host_port(text: &str) -> Result<&str, String> {
    let shown = quoted(text.as_bytes());
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Err(format!("write an IPv6 address in brackets: [{ip}]"));
    }
    let (host, rest) = match text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, rest)) => {
            if host.parse::<Ipv6Addr>().is_err() {
                return Err([&shown, " has no IPv6 address in its brackets"].concat());
            }
            (host, rest)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (host, rest) = text.split_at(end);
            if host.parse::<IpAddr>().is_err() {
                domain(host, false)?;
            }
            (host, rest)
        }
    };
    let port = rest.strip_prefix(':').map(str::parse::<u16>);
    if rest.is_empty() || matches!(port, Some(Ok(1..))) {
        Ok(host)
    } else {
        Err([&shown, " must be HOST or HOST:PORT, the port from 1 to 65535"].concat())
    }
}

/// What a URL says of the way it is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'t> {
    /// https.
    pub secure: bool,
    /// Without port and brackets.
    pub host: &'t str,
}

impl Url<'_> {
    /// Who runs it, as far as a name tells: the last two labels. Wrong for names under `co.uk`
    /// and the like, where it takes two operators for one: too careful rather than too trusting.
    pub fn operator(&self) -> String {
        if self.host.parse::<IpAddr>().is_ok() {
            return self.host.into();
        }
        let host = self.host.trim_end_matches('.');
        let start = host.rmatch_indices('.').nth(1).map_or(0, |(dot, _)| dot + 1);
        host.get(start..).unwrap_or(host).to_ascii_lowercase()
    }

    /// Families it can be asked over, as far as its text tells.
    pub fn families(&self) -> Vec<Family> {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => vec![Family::of(ip)],
            Err(_) => Family::BOTH.to_vec(),
        }
    }
}

/// `https://HOST[:PORT][/...]`, or the same with http.
pub(super) fn url(text: &str) -> Result<Url<'_>, String> {
    let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        // Not shown, here and below: an URL may hold a password.
        _ => return Err("must start with https://".into()),
    };
    if text.contains(|c: char| !c.is_ascii_graphic()) {
        return Err("must be plain ASCII without blanks: write them as %20".into());
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    if authority.contains('@') {
        // URLs are logged.
        return Err("must not hold a user or password: there are options for them".into());
    }
    Ok(Url { secure, host: host_port(authority)? })
}

/// First 8 bytes of SHA-256 over the parts, each with its length before it.
pub(super) fn fingerprint(parts: &[&str]) -> u64 {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    digest.as_ref().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words() {
        let known = ["token", "zone", "zone_id", "url", "wan", "ca_file"];
        for (word, meant) in [
            ("tokn", Some("token")),
            ("otken", Some("token")),
            ("Token", Some("token")),
            ("zoneid", Some("zone_id")),
            ("ulr", Some("url")),
            ("wam", Some("wan")),
            ("password", None),
            ("", None),
            ("tk", None),
            ("x", None),
        ] {
            assert_eq!(near(word, &known), meant, "{word}");
        }
        assert_eq!(near(&"x".repeat(1000), &known), None);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(&[b'a'; 40], &[b'b'; 40]), 40);
    }

    #[test]
    fn domains() {
        assert_eq!(domain("Home.Example.TEST.", true).unwrap(), "home.example.test");
        assert_eq!(domain("*.example.test", true).unwrap(), "*.example.test");
        assert_eq!(domain("xn--bcher-kva.example", false).unwrap(), "xn--bcher-kva.example");
        assert_eq!(domain("2.0.192.in-addr.arpa", false).unwrap(), "2.0.192.in-addr.arpa");
        let long = [&"a".repeat(63), ".", &"b".repeat(63), ".", &"c".repeat(63), "."].concat();
        assert!(domain(&[&long, "d".repeat(61).as_str()].concat(), false).is_ok());
        assert!(domain(&[&long, "d".repeat(62).as_str()].concat(), false).is_err());
        for (text, says) in [
            (
                "b\u{fc}cher.example",
                "'b\u{fc}cher.example' has letters beyond ASCII: write its xn-- form, as your provider's pages show it",
            ),
            ("203.0.113.7", "'203.0.113.7' is an address, not a name"),
            ("2001:db8::1", "'2001:db8::1' is an address, not a name"),
            ("a..b", "'a..b' has nothing between two dots"),
            (".", "'.' has nothing between two dots"),
            ("*.", "the * of '*.' can only stand alone in front: *.NAME"),
            ("a.*.b", "the * of 'a.*.b' can only stand alone in front: *.NAME"),
            (
                "my_home.test",
                "the part 'my_home' of 'my_home.test' may hold letters, digits and hyphens only",
            ),
            (
                "https://home.test/",
                "the part 'https://home' of 'https://home.test/' may hold letters, digits and hyphens only",
            ),
            ("-a.test", "the part '-a' of '-a.test' may not start or end with a hyphen"),
            ("home.1", "'home.1' ends in a number, so it cannot be a DNS name"),
        ] {
            assert_eq!(domain(text, true).unwrap_err(), says);
        }
        assert_eq!(
            domain("*.test", false).unwrap_err(),
            "the part '*' of '*.test' may hold letters, digits and hyphens only"
        );
        let says = domain(&["a".repeat(64).as_str(), ".test"].concat(), true).unwrap_err();
        assert!(says.ends_with("is longer than 63 characters"), "{says}");
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(host_port("192.0.2.53"), Ok("192.0.2.53"));
        assert_eq!(host_port("ns.example.test:5353"), Ok("ns.example.test"));
        assert_eq!(host_port("[2001:db8::53]:53"), Ok("2001:db8::53"));
        assert_eq!(host_port("[2001:db8::53]"), Ok("2001:db8::53"));
        assert_eq!(host_port("localhost:1"), Ok("localhost"));
        let port = " must be HOST or HOST:PORT, the port from 1 to 65535";
        for (text, says) in [
            ("2001:DB8::53", "write an IPv6 address in brackets: [2001:db8::53]".to_string()),
            ("[::1", "the part '[' of '[' may hold letters, digits and hyphens only".into()),
            ("[x]:53", "'[x]:53' has no IPv6 address in its brackets".into()),
            ("a:0", ["'a:0'", port].concat()),
            ("a:65536", ["'a:65536'", port].concat()),
            ("a:", ["'a:'", port].concat()),
            ("a:1:2", ["'a:1:2'", port].concat()),
            ("[::1]53", ["'[::1]53'", port].concat()),
        ] {
            assert_eq!(host_port(text).unwrap_err(), says);
        }
    }

    #[test]
    fn urls_and_their_operators() {
        let https = url("https://api4.ipify.example:8443/ip?x=1").unwrap();
        assert_eq!(https, Url { secure: true, host: "api4.ipify.example" });
        assert_eq!(https.operator(), "ipify.example");
        assert_eq!(https.families(), Family::BOTH);
        let literal = url("http://[2001:db8::1]/").unwrap();
        assert_eq!((literal.secure, literal.operator()), (false, "2001:db8::1".into()));
        assert_eq!(literal.families(), [Family::Ipv6]);
        assert_eq!(url("https://localhost").unwrap().operator(), "localhost");
        for (text, says) in [
            ("ftp://a.test/", "must start with https://"),
            ("https://a.test/a b", "must be plain ASCII without blanks: write them as %20"),
            (
                "https://me:hunter2@a.test/",
                "must not hold a user or password: there are options for them",
            ),
            ("https:///x", "'' has nothing between two dots"),
        ] {
            assert_eq!(url(text).unwrap_err(), says);
        }
    }

    #[test]
    fn fingerprints_keep_parts_apart() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
        assert_eq!(fingerprint(&["ab", "c"]), fingerprint(&["ab", "c"]));
        // SHA-256 of nothing (FIPS 180-4 example values).
        assert_eq!(fingerprint(&[]), 0xe3b0_c442_98fc_1c14);
    }
}
