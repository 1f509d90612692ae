//! What becomes of old configs, and that what comes out is one of ours.

use super::super::import_ddns::tests::checked;
use super::*;

const EVERYTHING: &str = include_str!("../../tests/data/inadyn/everything");

#[test]
fn everything_at_once() {
    let text = import(EVERYTHING.as_bytes()).unwrap();
    let expected = include_str!("../../tests/data/inadyn/everything.imported");
    assert_eq!(text, expected, "{text}");
    checked(&text);
}

/// Every option of the old config is told of, or its value stands in the new one.
#[test]
fn nothing_is_dropped_silently() {
    let text = import(EVERYTHING.as_bytes()).unwrap();
    let mut reader = Reader { text: EVERYTHING.as_bytes(), at: 0, line: 1, word: Vec::new() };
    let (mut global, mut sections) = (section("", ""), Vec::new());
    reader.read(&mut global, Some(&mut sections)).unwrap();
    assert!(sections.len() > 15);
    for section in [&global].into_iter().chain(&sections) {
        let title = quoted(section.name.as_deref().unwrap_or_default().as_bytes());
        if text.contains(&format!("# not carried over: {} {title}, hostname", section.kind)) {
            continue;
        }
        for option in &section.options {
            for value in values(section, &option.name) {
                let value = value.replace('\'', "'\\''");
                // Cloudflare's zone and the host in it, and what means yes or no.
                let carried = text.contains(&value) || text.contains(&option.name);
                // Namecheap's own server is what its provider calls.
                let carried = carried || value == NAMECHEAP;
                let carried = carried
                    || matches!(&option.name[..], "ddns-path" | "append-myip" | "allow-ipv6");
                assert!(carried, "{} {value}", option.name);
            }
        }
    }
}

/// Each name that inadyn 2.12 has, and what it is here.
#[test]
fn every_service() {
    for (title, id) in [
        ("default@all-inkl.com", "all-inkl"),
        ("default@changeip.com", "changeip"),
        ("default@cloudflare.com", "cloudflare"),
        ("default@cloudxns.net", ""),
        ("default@core-networks.de", "core-networks"),
        ("default@ddnss.de", "ddnss"),
        ("default@desec.io", "dedyn"),
        ("default@dhis.org", "dhis"),
        ("default@dnsever.com", ""),
        ("default@dnsexit.com", "dnsexit"),
        ("default@dnshome.de", "dnshome"),
        ("default@dnsmax.com", ""),
        ("default@dnsomatic.com", "dnsomatic"),
        ("default@dnspod.cn", "dnspod"),
        ("default@do.de", "do.de"),
        ("default@domaindiscount24.com", "dd24"),
        ("default@domains.google.com", ""),
        ("default@domene.shop", "domeneshop"),
        ("default@domopoli", ""),
        ("default@duckdns.org", "duckdns"),
        ("default@duiadns.net", ""),
        ("default@dy.fi", ""),
        ("default@dyndns.it", "dyndns.it"),
        ("default@dyndns.org", "dyn"),
        ("default@dynu.com", "dynu"),
        ("default@dynv6.com", "dynv6"),
        ("default@easydns.com", "easydns"),
        ("default@freedns.afraid.org", "freedns-basic"),
        ("default@freemyip.com", "freemyip"),
        ("default@gira.de", "gira"),
        ("default@goip.de", "goip"),
        ("default@he.net", "henet"),
        ("default@infomaniak.com", "infomaniak"),
        ("default@inwx.com", "inwx"),
        ("default@ipv4.dynv6.com", "dynv6"),
        ("default@ipv64.net", "ipv64"),
        ("default@itsdns.de", ""),
        ("default@joker.com", "joker"),
        ("default@loopia.com", "loopia"),
        ("default@moniker.com", "moniker"),
        ("default@mydns.jp", ""),
        ("default@myonlineportal.net", "myonlineportal"),
        ("default@namecheap.com", "namecheap"),
        ("default@no-ip.com", "noip"),
        ("default@noip.com", "noip"),
        ("default@oray.com", "oray"),
        ("default@ovh.com", "ovh"),
        ("default@pdd.yandex.ru", ""),
        ("default@porkbun.com", "porkbun"),
        ("default@regfish.de", "regfish"),
        ("default@schokokeks.org", "schokokeks"),
        ("default@selfhost.de", "selfhost"),
        ("default@simply.com", "simply"),
        ("default@spdyn.de", "spdyn"),
        ("default@strato.com", "strato"),
        ("default@thatip.com", ""),
        ("default@twodns.de", "twodns"),
        ("default@udmedia.de", "udmedia"),
        ("default@variomedia.de", "variomedia"),
        ("default@zoneedit.com", "zoneedit"),
        ("dyndns@3322.org", "3322"),
        ("dyndns@he.net", "henet"),
        ("ipv4@dynv6.com", "dynv6"),
        ("ipv4@ipv64.net", "ipv64"),
        ("ipv4@nsupdate.info", "nsupdate"),
        ("ipv6@desec.io", "dedyn"),
        ("ipv6@dnshome.de", "dnshome"),
        ("ipv6@he.net", "id"),
        ("ipv6@inwx.com", "inwx"),
        ("ipv6@nsupdate.info", "nsupdate"),
        ("ipv6@spdyn.de", "spdyn"),
        // Their names there are numbers or labels, which do not tell the name.
        ("default@dnsmadeeasy.com", "id"),
        ("default@opendns.com", "id"),
        ("default@sitelutions.com", "id"),
        ("default@tunnelbroker.net", "id"),
    ] {
        let host = if id == "id" { "12345" } else { "a.example.org" };
        let old =
            format!("provider {title} {{ username = example.org password = P hostname = {host} }}");
        let text = import(old.as_bytes()).unwrap();
        checked(&text);
        if id == "id" {
            assert!(text.contains("it is not a whole name; write it by hand"), "{title}: {text}");
            continue;
        }
        if id.is_empty() {
            assert!(text.contains("reachd does not know this service"), "{title}: {text}");
            continue;
        }
        assert!(text.contains(&format!("\toption provider '{id}'\n")), "{title}: {text}");
        assert!(!text.contains("to do"), "{title}: {text}");
        let v6 = title.starts_with("ipv6") || title == "default@dynv6.com";
        let family = if v6 { "ipv6" } else { "ipv4" };
        assert!(text.contains(&format!("\tlist family '{family}'\n")), "{title}: {text}");
        assert_eq!(text.matches("list family").count(), 1, "{title}: {text}");
    }
}

#[test]
fn guesses_are_told() {
    for (title, id, told) in [
        ("freedns", "freedns-basic", "taken for afraid.org-v2-basic"),
        ("dyndns", "dyn", "taken for dyn.com"),
        ("No-IP", "noip", "taken for no-ip.com"),
    ] {
        let old =
            format!("provider {title} {{ username = u password = p hostname = a.example.org }}");
        let text = import(old.as_bytes()).unwrap();
        assert!(text.contains(&format!("provider '{id}'")), "{text}");
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn errors_name_the_line() {
    for (text, told) in [
        ("period = 300\nusername test\n", "line 2: this is not how inadyn 2"),
        ("period = 300\n\nprovider a {\n", "line 4: '}' is missing"),
        ("provider a\nb = c\n", "line 2: here '{' is missing"),
        ("a = {\n\"b\nc\"\n", "line 4: this list has no end"),
        ("a = 'b\nc\n", "line 1: a quote opens here"),
        ("a = b\nc = \"\\x41\"", "line 2: write this character itself"),
        ("a =\n= b", "line 2: here a value is missing"),
        ("}\n", "line 1: here the name of an option is missing"),
        ("provider a { provider b { } }", "line 1: this is not how"),
    ] {
        let why = import(text.as_bytes()).unwrap_err();
        assert!(why.starts_with(told), "{text}: {why}");
    }
    // Nothing at all is nothing, not an error.
    checked(&import(b"").unwrap());
    checked(&import(b"# only this").unwrap());
}

/// Any piece of a real file gives an answer, and what is a config passes as one.
#[test]
fn pieces() {
    for end in (0..EVERYTHING.len()).step_by(5) {
        if let Ok(text) = import(&EVERYTHING.as_bytes()[..end]) {
            checked(&text);
        }
    }
    for quote in ["'", "\"", "{", "}", "\\", "/*", "+=", "(", "\0", "\u{1}", "\n"] {
        for at in (0..EVERYTHING.len()).step_by(53) {
            let mut bytes = EVERYTHING.as_bytes().to_vec();
            bytes.splice(at..at, quote.bytes());
            if let Ok(text) = import(&bytes) {
                checked(&text);
            }
        }
    }
}

/// Found by fuzzing: the config that was made was refused.
#[test]
fn a_name_without_a_dot_is_told() {
    let text =
        b"provider default@no-ip.com {\n username = u\n password = p\n hostname = \"sn.\"\n}\n";
    let made = import(text).unwrap();
    assert!(made.contains("hostname 'sn.': the name it is for has no dot"), "{made}");
    assert!(!made.contains("option fqdn 'sn'"), "{made}");
}
