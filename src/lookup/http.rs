//! One HTTPS service that tells its caller's address: how it is asked and how its answer is
//! read. Which services to ask, and whether to believe them, is left to the rest of `lookup`.
//!
//! The form of an answer is told from the answer: owners name services that we never saw.
//! Whatever its form, exactly one address of the asked family must be in it.

use super::quorum::label;
use crate::model::name::Family;
use crate::world::HttpReply;
use serde_json::Value;
use std::net::IpAddr;

/// Longest answer, bytes: an address, also with a sentence or a trace around it, is far below.
pub const MAX_BODY: usize = 4096;

/// Longest answer that is searched for an address when it has no form that we know. A page is
/// not an answer.
const MAX_TEXT: usize = 1024;

/// Where JSON answers hold the caller's address; the first that is there counts.
const JSON_PLACES: &[&str] = &[
    "/ip",
    "/origin",
    "/address",
    "/ip_addr",
    "/ip_address",
    "/ipAddress",
    "/yourIp",
    "/query",
    "/data/ip",
];

/// Host and port of an URL as written, in lower case; without user name and password, which
/// must not be shown.
pub fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or("");
    rest.rsplit('@').next().unwrap_or("").to_ascii_lowercase()
}

/// The authority without its port; a literal IPv6 address without its brackets.
pub fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    }
}

/// The address in a reply. `asked` is the authority of the URL that was asked.
pub fn read_reply(reply: &HttpReply, family: Family, asked: &str) -> Result<IpAddr, String> {
    match reply.status {
        200 => {}
        429 => {
            return Err(match reply.retry_after() {
                Some(after) => {
                    format!("it was asked too often (status 429), wait {} s", after.as_secs())
                }
                None => "it was asked too often (status 429)".to_string(),
            });
        }
        300..=399 => {
            return Err(format!(
                "it sends us elsewhere (status {}); redirects are not followed",
                reply.status
            ));
        }
        status => return Err(format!("it answered with status {status}")),
    }
    read_answer(&reply.body, family, asked)
}

/// The one address of `family` in an answer: bare text, JSON, a Cloudflare trace for the host
/// that was `asked`, or a short text around it.
pub fn read_answer(body: &[u8], family: Family, asked: &str) -> Result<IpAddr, String> {
    if body.len() > MAX_BODY {
        return Err("its answer is longer than 4 KiB".to_string());
    }
    // Chinese text in a legacy charset is fine: only ASCII words are looked at.
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("its answer is empty".to_string());
    }
    if text.starts_with('{') {
        // Cut-off JSON may hold a cut-off address.
        let json: Value = serde_json::from_slice(text.as_bytes())
            .map_err(|_| "its answer begins like JSON, but is none".to_string())?;
        let place = JSON_PLACES.iter().find_map(|place| json.pointer(place)?.as_str());
        return only_address(place.unwrap_or(text), family);
    }
    if let Some(ip) = trace_field(text, "ip") {
        let ip = ip?;
        trace_is_ours(text, asked)?;
        return only_address(ip, family);
    }
    only_address(text, family)
}

/// The value of a trace line `NAME=value`; `None` if there is no such line.
fn trace_field<'a>(text: &'a str, name: &str) -> Option<Result<&'a str, String>> {
    let value = |line: &'a str| line.trim().strip_prefix(name)?.strip_prefix('=');
    let mut values = text.lines().filter_map(value);
    let first = values.next()?;
    Some(match values.next() {
        None => Ok(first),
        Some(_) => Err(format!("its trace says {name}= twice")),
    })
}

/// The trace is from the host we asked, and did not go through Cloudflare's own tunnel.
fn trace_is_ours(text: &str, asked: &str) -> Result<(), String> {
    if let Some(named) = trace_field(text, "h").transpose()? {
        let named = named.to_ascii_lowercase();
        if named != asked && host(&named) != host(asked) {
            return Err("its trace is for another host: a proxy is between".to_string());
        }
    }
    match trace_field(text, "warp").transpose()? {
        None | Some("off") => Ok(()),
        Some(_) => Err("its trace says that WARP, a tunnel, is between".to_string()),
    }
}

/// The only address of the family in a text. Addresses inside longer words (URLs, prefixes,
/// versions) do not count, nor does the other family.
pub(super) fn only_address(text: &str, family: Family) -> Result<IpAddr, String> {
    if text.len() > MAX_TEXT {
        return Err("its answer is a long text".to_string());
    }
    let mut found: Option<IpAddr> = None;
    let mut other = None;
    for ip in text.split(|c: char| !is_word(c)).filter_map(address_in) {
        if Family::of(ip) != family {
            other = Some(ip);
        } else if found.is_some_and(|found| found != ip) {
            return Err(format!("its answer holds more than one {} address", label(family)));
        } else {
            found = Some(ip);
        }
    }
    match (found, other) {
        (Some(ip), _) => Ok(ip),
        (None, Some(other)) => {
            Err(format!("it says {other}, which is not an {} address", label(family)))
        }
        (None, None) => Err(format!("there is no {} address in its answer", label(family))),
    }
}

/// What may stand in an address or would make it part of something longer.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '%' | '_' | '-' | '@')
}

/// The address that a word is, or that follows a label in it (`IP:192.0.2.1`), with the full
/// stop or colon of the sentence taken off. An IPv4-mapped address is the IPv4 address.
fn address_in(word: &str) -> Option<IpAddr> {
    let word = word.trim_end_matches('.');
    let ip: Option<IpAddr> = word.parse().ok();
    let ip = ip.or_else(|| word.strip_suffix(':')?.parse().ok());
    let ip = ip.or_else(|| {
        let (before, rest) = word.split_once(':')?;
        before.bytes().all(|byte| byte.is_ascii_alphabetic()).then(|| rest.parse().ok())?
    });
    Some(ip?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "fl=465f151\nh=api.cloudflare.com\nip=8.1.1.9\nts=1763891234.123\n\
        visit_scheme=https\nuag=reachd/0.1.0\ncolo=FRA\nsliver=none\nhttp=http/1.1\nloc=DE\n\
        tls=TLSv1.3\nsni=plaintext\nwarp=off\ngateway=off\nrbi=off\nkex=X25519\n";

    fn read(body: &str, family: Family) -> Result<String, String> {
        read_answer(body.as_bytes(), family, "api.cloudflare.com").map(|ip| ip.to_string())
    }

    #[test]
    fn answers_of_real_services() {
        use Family::{Ipv4, Ipv6};
        let cases: &[(&str, Family, Result<&str, &str>)] = &[
            ("8.1.1.9", Ipv4, Ok("8.1.1.9")),
            ("8.1.1.9\n", Ipv4, Ok("8.1.1.9")),
            ("\u{feff} 8.1.1.9 \r\n", Ipv4, Ok("8.1.1.9")),
            ("2A00:1:0::5\n", Ipv6, Ok("2a00:1::5")),
            ("::ffff:8.1.1.9", Ipv4, Ok("8.1.1.9")),
            (r#"{"ip":"8.1.1.9"}"#, Ipv4, Ok("8.1.1.9")),
            (r#"{"origin": "8.1.1.9"}"#, Ipv4, Ok("8.1.1.9")),
            (r#"{"origin": "8.1.1.9, 8.1.1.8"}"#, Ipv4, Err("more than one IPv4")),
            (r#"{"ret":"ok","data":{"ip":"8.1.1.9","location":["中国"]}}"#, Ipv4, Ok("8.1.1.9")),
            // Other addresses in an answer whose place we know do not matter.
            (r#"{"ip":"8.1.1.9","gateway":"8.1.1.1"}"#, Ipv4, Ok("8.1.1.9")),
            (r#"{"client":"8.1.1.9","asn":64500}"#, Ipv4, Ok("8.1.1.9")),
            (r#"{"client":"8.1.1.9","server":"8.1.1.1"}"#, Ipv4, Err("more than one IPv4")),
            (r#"{"ip":134285577}"#, Ipv4, Err("no IPv4 address")),
            (r#"{"ip":"8.1.1.9"#, Ipv4, Err("begins like JSON")),
            (r#""8.1.1.9""#, Ipv4, Ok("8.1.1.9")),
            ("当前 IP：8.1.1.9  来自于：中国 北京 北京  联通\n", Ipv4, Ok("8.1.1.9")),
            (
                "<html><head><title>Current IP Check</title></head>\
                 <body>Current IP Address: 8.1.1.9</body></html>\r\n",
                Ipv4,
                Ok("8.1.1.9"),
            ),
            ("Current IP Address: 8.1.1.9", Ipv4, Ok("8.1.1.9")),
            ("Your address is 8.1.1.9.", Ipv4, Ok("8.1.1.9")),
            ("IP:8.1.1.9", Ipv4, Ok("8.1.1.9")),
            ("ip: 2a00:1::5", Ipv6, Ok("2a00:1::5")),
            ("2a00:1::5: that is you", Ipv6, Ok("2a00:1::5")),
            ("8.1.1.9 (also 8.1.1.9)", Ipv4, Ok("8.1.1.9")),
            ("8.1.1.9 2a00:1::5", Ipv4, Ok("8.1.1.9")),
            ("8.1.1.9 2a00:1::5", Ipv6, Ok("2a00:1::5")),
            (TRACE, Ipv4, Ok("8.1.1.9")),
            // What must not be taken for an address.
            ("", Ipv4, Err("empty")),
            (" \n", Ipv4, Err("empty")),
            ("2a00:1::5", Ipv4, Err("it says 2a00:1::5, which is not an IPv4 address")),
            ("8.1.1.9", Ipv6, Err("which is not an IPv6 address")),
            ("::ffff:8.1.1.9", Ipv6, Err("which is not an IPv6 address")),
            ("8.1.1.9 or 8.1.1.8", Ipv4, Err("more than one IPv4")),
            ("8.1.1", Ipv4, Err("no IPv4 address")),
            ("8.1.1.256", Ipv4, Err("no IPv4 address")),
            ("8.1.1.9.7", Ipv4, Err("no IPv4 address")),
            ("8.001.001.009", Ipv4, Err("no IPv4 address")),
            ("8.1.1.0/24", Ipv4, Err("no IPv4 address")),
            ("http://8.1.1.9/login", Ipv4, Err("no IPv4 address")),
            ("nginx-8.1.1.9", Ipv4, Err("no IPv4 address")),
            ("v8.1.1.9", Ipv4, Err("no IPv4 address")),
            ("fe80::1%eth0", Ipv6, Err("no IPv6 address")),
            ("10:20:30", Ipv6, Err("no IPv6 address")),
            ("too many requests", Ipv4, Err("no IPv4 address")),
        ];
        for (body, family, want) in cases {
            let got = read(body, *family);
            match (&got, want) {
                (Ok(ip), Ok(want)) if ip == want => {}
                (Err(why), Err(want)) if why.contains(want) => {}
                _ => panic!("{body:?}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn traces_are_for_us_and_without_tunnel() {
        for (from, to, want) in [
            ("warp=off", "warp=on", "WARP"),
            ("warp=off", "warp=plus", "WARP"),
            ("warp=off\n", "warp=off\nwarp=off\n", "warp= twice"),
            ("h=api.cloudflare.com", "h=other.example", "another host"),
            ("loc=DE", "ip=8.1.1.8", "ip= twice"),
            ("ip=8.1.1.9", "ip=", "no IPv4 address"),
            ("ip=8.1.1.9", "ip=2a00:1::5", "which is not an IPv4 address"),
        ] {
            assert!(TRACE.contains(from));
            let got = read(&TRACE.replace(from, to), Family::Ipv4);
            assert!(got.as_ref().is_err_and(|why| why.contains(want)), "{to}: {got:?}");
        }
        // By address, with a port, and in capitals.
        for (asked, named) in [
            ("1.1.1.1", "1.1.1.1"),
            ("[2606:4700:4700::1111]", "[2606:4700:4700::1111]"),
            ("trace.example:8443", "trace.example"),
            ("trace.example", "Trace.Example"),
        ] {
            let body = TRACE.replace("api.cloudflare.com", named);
            let got = read_answer(body.as_bytes(), Family::Ipv4, asked);
            assert!(got.is_ok(), "{asked}: {got:?}");
        }
    }

    #[test]
    fn long_answers_are_not_answers() {
        let long = format!("8.1.1.9{}", " ".repeat(MAX_BODY));
        assert!(read(&long, Family::Ipv4).unwrap_err().contains("4 KiB"));
        let page = format!("<p>8.1.1.9</p>{}", "<p>x</p>".repeat(200));
        assert!(read(&page, Family::Ipv4).unwrap_err().contains("long text"));
        // Padding around a bare address is not a long text.
        let padded = format!("8.1.1.9{}", " ".repeat(MAX_BODY - 7));
        assert_eq!(read(&padded, Family::Ipv4).as_deref(), Ok("8.1.1.9"));
    }

    #[test]
    fn foreign_bytes_do_not_panic() {
        // Every prefix and every single-byte change of real answers, and all byte values.
        let sources = [TRACE, r#"{"data":{"ip":"2a00:1::5"}}"#, "当前 IP：8.1.1.9  来自于：中国"];
        for source in sources {
            let bytes = source.as_bytes();
            for end in 0..bytes.len() {
                let _ = read_answer(&bytes[..end], Family::Ipv4, "x");
                let mut changed = bytes.to_vec();
                for byte in [0, b'{', b':', b'.', b'=', b'\n', 0x80, 0xff] {
                    changed[end] = byte;
                    let _ = read_answer(&changed, Family::Ipv6, "api.cloudflare.com");
                }
            }
        }
        let all: Vec<u8> = (0..=255).cycle().take(MAX_BODY).collect();
        assert!(read_answer(&all, Family::Ipv4, "").is_err());
        assert!(read_answer(&[b'{'; MAX_BODY], Family::Ipv4, "").is_err());
        let deep = b"{\"ip\":".repeat(600);
        assert!(read_answer(&deep, Family::Ipv4, "").is_err());
    }

    fn reply(status: u16, body: &str, headers: &[(&str, &str)]) -> HttpReply {
        let headers = headers.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        HttpReply { status, headers, body: body.into() }
    }

    #[test]
    fn replies_say_what_is_wrong_with_them() {
        for (reply, want) in [
            (reply(429, "", &[("retry-after", "120")]), "(status 429), wait 120 s"),
            (reply(429, "8.1.1.9", &[]), "asked too often (status 429)"),
            (reply(302, "", &[("location", "https://portal.example/")]), "status 302"),
            (reply(503, "8.1.1.9", &[]), "it answered with status 503"),
            (reply(204, "", &[]), "status 204"),
        ] {
            let got = read_reply(&reply, Family::Ipv4, "ip.example");
            assert!(got.as_ref().is_err_and(|why| why.contains(want)), "{want}: {got:?}");
        }
    }

    #[test]
    fn urls_are_named_without_secrets() {
        for (url, want, bare) in [
            ("https://API.ipify.org", "api.ipify.org", "api.ipify.org"),
            ("https://ip.example:8443/x?y", "ip.example:8443", "ip.example"),
            ("https://me:hunter2@ip.example/x@y", "ip.example", "ip.example"),
            ("https://[2001:db8::1]:8443/ip", "[2001:db8::1]:8443", "2001:db8::1"),
            ("https://ip.example?key=a/b@c", "ip.example", "ip.example"),
            ("nonsense", "nonsense", "nonsense"),
            ("", "", ""),
        ] {
            assert_eq!(authority(url), want);
            assert_eq!(host(&authority(url)), bare);
        }
    }
}
