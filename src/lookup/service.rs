//! What a service's line in the config means: by which means it is asked, what the question is,
//! and how its answer is read. When and whom to ask, and whom to believe, is left to the rest of
//! `lookup`.

use super::{credible, http};
use crate::model::address::Prefix;
use crate::model::line::Means;
use crate::model::name::Family;
use crate::wire::{dns, stun};
use crate::world::{Answer, Ask, Datagram, HttpRequest};
use std::net::IpAddr;

/// Where a DNS server listens.
const DNS_PORT: u16 = 53;

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How<'a> {
    /// `https://...` or `http://...`.
    Http,
    /// `stun:HOST[:PORT]`, as RFC 7064 has it.
    Stun { server: &'a str },
    /// `dns:NAME@SERVER[:PORT]/TYPE`: this server itself is asked, no resolver between.
    Dns { name: &'a str, server: &'a str, kind: dns::Kind },
    /// `gateway:`, the router above ours.
    Gateway,
}

/// The record types of `dns:` as they are written.
const TYPES: [(&str, dns::Kind); 4] = [
    ("A", dns::Kind::Address(Family::Ipv4)),
    ("AAAA", dns::Kind::Address(Family::Ipv6)),
    ("TXT", dns::Kind::Text),
    ("CH-TXT", dns::Kind::ChaosText),
];

/// Reads `list url` of `config lookup`; the names of hosts in it are not checked, nor are URLs.
/// An error is the text of a complaint.
pub fn how(url: &str) -> Result<How<'_>, String> {
    if let Some(server) = url.strip_prefix("stun:") {
        return Ok(How::Stun { server });
    }
    if url.starts_with("gateway:") {
        return match url {
            "gateway:" => Ok(How::Gateway),
            _ => Err("must be gateway: alone: the router above is found by its route".into()),
        };
    }
    let Some(rest) = url.strip_prefix("dns:") else { return Ok(How::Http) };
    let form = "must be like dns:NAME@SERVER/TYPE, TYPE one of A, AAAA, TXT, CH-TXT";
    let (name, rest) = rest.split_once('@').ok_or(form)?;
    let (server, word) = rest.rsplit_once('/').ok_or(form)?;
    let kind = TYPES.iter().find(|(known, _)| *known == word).ok_or(form)?.1;
    Ok(How::Dns { name, server, kind })
}

impl How<'_> {
    /// Whether it can tell addresses of this family, over a transport of the same.
    pub fn tells(&self, family: Family) -> bool {
        match self {
            How::Dns { kind: dns::Kind::Address(of), .. } => *of == family,
            // Its answers are about IPv4: behind an IPv6 router there is nothing to translate.
            How::Gateway => family == Family::Ipv4,
            _ => true,
        }
    }
}

/// How it is asked, for the evidence.
pub fn means(url: &str) -> Means {
    match how(url) {
        Ok(How::Stun { .. }) => Means::Stun,
        Ok(How::Dns { .. }) => Means::Dns,
        Ok(How::Gateway) => Means::Gateway,
        _ if url.starts_with("http://") => Means::Http,
        _ => Means::Https,
    }
}

/// Where it is asked, for messages and to know it again: an URL's authority in lower case, or all
/// of another service's line.
pub fn place(url: &str) -> String {
    match how(url) {
        Ok(How::Http) | Err(_) => http::authority(url),
        _ => url.to_ascii_lowercase(),
    }
}

/// The question to a service; `None` for the gateway, which has several.
pub fn question(url: &str, chance: &mut dyn FnMut() -> u64) -> Option<Ask> {
    let datagram = |to: &str, port, payload, is_reply| {
        Ask::Datagram(Datagram { to: to.into(), port, source: None, payload, is_reply })
    };
    match how(url).ok()? {
        How::Http => Some(Ask::Http(HttpRequest::new("GET", url))),
        How::Stun { server } => {
            let id = u128::from(chance()) << 64 | u128::from(chance());
            Some(datagram(server, stun::PORT, stun::question(id), stun::is_reply))
        }
        How::Dns { name, server, kind } => {
            let question = dns::whoami(name, kind, chance() as u16)?;
            Some(datagram(server, DNS_PORT, question, dns::is_reply))
        }
        How::Gateway => None,
    }
}

/// The address in a service's answer, if it may be one of a customer's line.
pub fn read(
    url: &str,
    answer: &Answer,
    family: Family,
    assume_public: &[Prefix],
) -> Result<IpAddr, String> {
    let foreign = || Err("its answer is of another kind".to_string());
    let ip = match (how(url)?, answer) {
        (How::Http, Answer::Http(reply)) => http::read_reply(reply, family, &http::authority(url))?,
        (How::Stun { .. }, Answer::Datagram(reply)) => stun::address(reply)?.to_canonical(),
        (How::Dns { server, kind, .. }, Answer::Datagram(reply)) => {
            let text = dns::told(reply, kind)?;
            // What a resolver adds for a server that would know its clients' networks (RFC 7871).
            if text.contains("client-subnet") {
                return Err("a resolver asked in our place".into());
            }
            let ip = http::only_address(&text, family)?;
            let (server, _) = server.split_once(']').unwrap_or((server, ""));
            if server.trim_start_matches('[').parse() == Ok(ip) {
                return Err(format!("it says {ip}, its own address"));
            }
            ip
        }
        _ => return foreign(),
    };
    if Family::of(ip) != family {
        return Err(format!(
            "it says {ip}, which is not an {} address",
            super::quorum::label(family)
        ));
    }
    credible::check(ip, assume_public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::HttpReply;

    #[test]
    fn lines_of_the_config() {
        assert_eq!(how("https://a.example/stun:x"), Ok(How::Http));
        assert_eq!(how("stun:a.example:19302"), Ok(How::Stun { server: "a.example:19302" }));
        assert_eq!(
            how("dns:who.example@[2001:db8::53]:54/CH-TXT"),
            Ok(How::Dns {
                name: "who.example",
                server: "[2001:db8::53]:54",
                kind: dns::Kind::ChaosText
            })
        );
        assert_eq!(how("gateway:"), Ok(How::Gateway));
        for wrong in ["dns:who.example", "dns:who@ns", "dns:who@ns/MX", "gateway:192.168.1.1"] {
            assert!(how(wrong).is_err(), "{wrong}");
        }
        for (url, want) in [
            ("https://a", Means::Https),
            ("http://a", Means::Http),
            ("stun:a", Means::Stun),
            ("dns:a@b/A", Means::Dns),
            ("gateway:", Means::Gateway),
        ] {
            assert_eq!(means(url), want);
        }
        assert!(!how("dns:a@b/A").unwrap().tells(Family::Ipv6));
        assert!(how("dns:a@b/TXT").unwrap().tells(Family::Ipv6));
        assert!(!how("gateway:").unwrap().tells(Family::Ipv6));
        assert_eq!(place("dns:Me.example@NS.example/TXT"), "dns:me.example@ns.example/txt");
    }

    /// The reply of a STUN server that saw this address.
    fn stun(ip: [u8; 4]) -> Answer {
        let mut reply = stun::question(7 << 32);
        (reply[0], reply[3]) = (1, 12);
        reply.extend([0, 1, 0, 8, 0, 1, 0x80, 0]);
        reply.extend(ip);
        Answer::Datagram(reply)
    }

    /// The reply of a DNS server with this one TXT record.
    fn txt(class: u8, text: &str) -> Answer {
        let mut reply = dns::whoami("who.example", dns::Kind::Text, 9).unwrap();
        (reply[2], reply[7]) = (0x84, 1);
        let len = text.len() as u8;
        reply.extend([0xc0, 12, 0, 16, 0, class, 0, 0, 0, 0, 0, len + 1, len]);
        reply.extend(text.as_bytes());
        Answer::Datagram(reply)
    }

    #[test]
    fn answers_of_each_means() {
        let page = Answer::Http(HttpReply {
            status: 200,
            body: b"8.1.1.9".to_vec(),
            ..HttpReply::default()
        });
        let cases: &[(&str, Answer, Result<&str, &str>)] = &[
            ("https://a.example/", page.clone(), Ok("8.1.1.9")),
            ("stun:a.example", page, Err("of another kind")),
            ("stun:a.example", stun([8, 1, 1, 9]), Ok("8.1.1.9")),
            ("https://a.example/", stun([8, 1, 1, 9]), Err("of another kind")),
            ("stun:a.example", stun([192, 168, 1, 9]), Err("it says 192.168.1.9, not globally")),
            ("stun:a.example", stun([104, 28, 1, 9]), Err("an address of Cloudflare")),
            ("dns:w@1.1.1.1/CH-TXT", txt(3, "8.1.1.9"), Ok("8.1.1.9")),
            ("dns:w@ns.example/TXT", txt(1, "8.1.1.9"), Ok("8.1.1.9")),
            ("dns:w@ns.example/TXT", txt(3, "8.1.1.9"), Err("no IPv4 address")),
            ("dns:w@ns.example/TXT", txt(1, "2a00:1::5"), Err("not an IPv4 address")),
            // A proxy on port 53 asked a resolver, or is one.
            ("dns:w@ns.example/TXT", txt(1, "172.253.1.9"), Err("an address of Google")),
            ("dns:w@8.1.1.9/TXT", txt(1, "8.1.1.9"), Err("its own address")),
            (
                "dns:w@ns.example/TXT",
                txt(1, "edns0-client-subnet 8.1.1.9"),
                Err("a resolver asked in our place"),
            ),
        ];
        for (url, answer, want) in cases {
            let got = read(url, answer, Family::Ipv4, &[]);
            match (&got, want) {
                (Ok(ip), Ok(want)) if ip.to_string() == *want => {}
                (Err(why), Err(want)) if why.contains(want) => {}
                _ => panic!("{url}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn questions_are_never_the_same() {
        let mut seed = 0;
        let mut chance = || {
            seed += 0x0102_0304_0506_0708;
            seed
        };
        for url in ["stun:a.example", "dns:who.example@ns.example/TXT"] {
            let mut payload = || match question(url, &mut chance) {
                Some(Ask::Datagram(one)) => (one.to, one.port, one.payload),
                other => panic!("{other:?}"),
            };
            let (first, second) = (payload(), payload());
            assert_ne!(first.2, second.2);
            assert_eq!((first.0, first.1), (second.0, second.1));
        }
        assert!(question("gateway:", &mut chance).is_none());
        assert!(matches!(question("https://a", &mut chance), Some(Ask::Http(_))));
    }
}
