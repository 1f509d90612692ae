//! Each kind of line by its facts, and each trap that has deceived somebody.

use super::*;
use crate::model::line::{Access, Astray, MapRule, PortSet};
use crate::model::wan::Address;
use std::net::Ipv4Addr;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A WAN on `device`, with these addresses, by this protocol of netifd's (empty: none told).
fn wan(proto: &str, device: &str, addresses: &[&str]) -> Wan {
    let family = addresses.first().map_or(Family::Ipv4, |first| Family::of(ip(first)));
    let address = |text: &&str| Address {
        ip: ip(text),
        prefix_len: 24,
        flags: 0,
        preferred: None,
        valid: None,
    };
    Wan {
        asked: None,
        family,
        device: Known::Known(Some((device.into(), Because::Netifd("wan".into())))),
        addresses: addresses.iter().map(address).collect(),
        access: Access {
            network: (!proto.is_empty()).then(|| "wan".into()),
            proto: (!proto.is_empty()).then(|| proto.into()),
            ..Access::default()
        },
    }
}

/// `MEANS ADDRESS`, or `MEANS !` for one that failed; each another service.
fn seen(rows: &[&str]) -> Vec<Seen> {
    let one = |(index, row): (usize, &&str)| {
        let (means, answer) = row.split_once(' ').unwrap();
        let means = match means {
            "https" => Means::Https,
            "http" => Means::Http,
            "dns" => Means::Dns,
            "stun" => Means::Stun,
            _ => Means::Gateway,
        };
        let answer = answer.parse().map_err(|_| "no answer within 8 s".to_string());
        Seen { service: format!("https://s{index}.example/ip"), means, answer }
    };
    rows.iter().enumerate().map(one).collect()
}

fn hops(rows: &[&str]) -> Vec<Hop> {
    let one = |(at, row): (usize, &&str)| Hop { ttl: at as u8 + 1, from: row.parse().ok() };
    rows.iter().enumerate().map(one).collect()
}

fn silent(address: &str) -> Gateway {
    Gateway {
        address: ip(address),
        natpmp: Known::unknown("no answer"),
        pcp_announce: Known::unknown("no answer"),
        pcp_map: Known::unknown("not asked"),
        upnp: Known::unknown("no answer"),
    }
}

fn pmp(address: &str, code: u16, outside: &str) -> Gateway {
    let outside: Ipv4Addr = outside.parse().unwrap();
    Gateway { natpmp: Known::Known((code, Some(outside))), ..silent(address) }
}

/// Kind and certainty, as `kind certainty`.
fn judged(wan: &Wan, rows: &[&str], gateway: Option<&Gateway>, way: &[&str]) -> String {
    let (seen, hops) = (seen(rows), hops(way));
    let verdict = verdict(&Facts { wan, seen: &seen, gateway, hops: &hops, assume_public: &[] });
    assert!(!verdict.evidence.is_empty(), "a verdict says what it rests on");
    format!("{} {}", key(&verdict.line), verdict.certainty)
}

#[test]
fn by_protocol_and_address() {
    for (proto, addresses, want) in [
        ("dhcp", &["93.184.7.20"][..], "public likely"),
        ("pppoe", &["93.184.7.20"], "public likely"),
        ("dhcp", &["100.64.7.9"], "cgnat proved"),
        ("pppoe", &["10.64.7.9"], "cgnat likely"),
        ("dhcp", &["192.168.1.20"], "double_nat likely"),
        ("dhcp", &["172.20.1.20"], "double_nat likely"),
        // 10/8: a carrier's or a home router's.
        ("dhcp", &["10.0.0.5"], "unknown unknown"),
        ("dslite", &["192.0.0.2"], "ds_lite proved"),
        ("dslite", &[], "ds_lite proved"),
        ("464xlat", &[], "464xlat proved"),
        // An IPv4-in-IPv6 tunnel with an address of its own is no DS-Lite.
        ("ipip6", &["93.184.7.20"], "public likely"),
        ("ipip6", &["192.0.0.2"], "ds_lite likely"),
        // The address alone tells only that it is one of the two.
        ("dhcp", &["192.0.0.2"], "unknown unknown"),
        ("", &["192.0.0.4"], "unknown unknown"),
        ("tun", &["192.0.0.4"], "464xlat likely"),
        ("wireguard", &["10.2.0.2"], "vpn_egress proved"),
        ("wireguard", &["93.184.7.20"], "vpn_egress proved"),
        // Tailscale as exit node: its 100.64/10 is no carrier's.
        ("tun", &["100.101.102.103"], "vpn_egress proved"),
        ("qmi", &["10.64.7.9"], "mobile_carrier likely"),
        ("modemmanager", &["100.64.7.9"], "mobile_carrier proved"),
        ("mbim", &["93.184.7.20"], "public likely"),
        ("dhcp", &[], "down likely"),
        ("dhcp", &["169.254.7.9"], "down likely"),
        ("dhcp", &["198.18.0.5"], "unknown unknown"),
        // A modem's own subnet beside the real address.
        ("pppoe", &["192.168.100.2", "93.184.7.20"], "public likely"),
    ] {
        assert_eq!(
            judged(&wan(proto, "wan0", addresses), &[], None, &[]),
            want,
            "{proto} {addresses:?}"
        );
    }
    // Without netifd a tun device may be anything.
    let mut tun = wan("tun", "tun0", &["10.8.0.2"]);
    tun.access.network = None;
    assert_eq!(judged(&tun, &[], None, &[]), "vpn_egress likely");
}

#[test]
fn what_the_outside_says_of_a_public_address() {
    let wan = wan("dhcp", "wan0", &["93.184.7.20"]);
    for (rows, want) in [
        (&["https 93.184.7.20"][..], "public proved"),
        (&["https 93.184.7.20", "stun 93.184.7.20"], "public proved"),
        (&["https !", "dns !"], "public likely"),
        // A transparent proxy answers HTTP in its own name.
        (&["http 198.51.100.1", "http 198.51.100.1"], "public likely"),
        (&["http 198.51.100.1", "stun 93.184.7.20"], "public proved"),
        (&["http 93.184.7.20"], "public likely"),
        // Its own word on the gateway is not the Internet's.
        (&["gateway 93.184.7.20"], "public likely"),
        // One that differs from all.
        (&["https 203.0.113.9", "stun 93.184.7.20", "dns 93.184.7.20"], "public likely"),
        (&["https 203.0.113.9"], "public likely"),
        // Squat space: public to every table, and translated all the same.
        (&["https 203.0.113.9", "stun 203.0.113.9"], "cgnat likely"),
        // A pool, or liars.
        (&["https 203.0.113.9", "stun 203.0.113.10"], "unknown unknown"),
    ] {
        assert_eq!(judged(&wan, rows, None, &[]), want, "{rows:?}");
    }
    let via = pmp("93.184.7.1", 0, "203.0.113.9");
    let rows = ["https 203.0.113.9", "stun 203.0.113.9"];
    assert_eq!(judged(&wan, &rows, Some(&via), &[]), "double_nat proved");
}

#[test]
fn private_hops_mean_nothing_on_a_public_line() {
    let wan = wan("dhcp", "wan0", &["93.184.7.20"]);
    for way in [&["10.0.0.1", "100.64.0.1", "8.1.1.1"][..], &["192.168.1.1"], &["*"]] {
        assert_eq!(judged(&wan, &[], None, way), "public likely", "{way:?}");
        let seen = ["https 93.184.7.20"];
        assert_eq!(judged(&wan, &seen, None, way), "public proved", "{way:?}");
    }
}

#[test]
fn whose_router_is_above() {
    let home = wan("dhcp", "wan0", &["192.168.1.20"]);
    let ten = wan("dhcp", "wan0", &["10.0.0.5"]);
    let said = ["https 8.2.2.9", "stun 8.2.2.9"];
    type Case<'a> = (&'a Wan, &'a [&'a str], Option<Gateway>, &'a [&'a str], &'a str);
    let cases: &[Case] = &[
        (&home, &said, Some(pmp("192.168.1.1", 0, "8.2.2.9")), &[], "double_nat proved"),
        (&ten, &said, Some(pmp("10.0.0.1", 0, "8.2.2.9")), &[], "double_nat proved"),
        (&home, &[], Some(pmp("192.168.1.1", 0, "8.1.1.9")), &[], "double_nat likely"),
        // It believes in its address, but the Internet sees another.
        (&home, &said, Some(pmp("192.168.1.1", 0, "8.1.1.9")), &[], "cgnat_behind_nat likely"),
        (&home, &[], Some(pmp("192.168.1.1", 0, "100.64.1.1")), &[], "cgnat_behind_nat proved"),
        (&home, &[], Some(pmp("192.168.1.1", 0, "10.9.9.9")), &[], "cgnat_behind_nat likely"),
        // miniupnpd on a router whose own WAN is 100.64/10.
        (&home, &said, Some(pmp("192.168.1.1", 3, "0.0.0.0")), &[], "cgnat_behind_nat likely"),
        (
            &home,
            &said,
            Some(pmp("192.168.1.1", 3, "0.0.0.0")),
            &["192.168.1.1", "100.64.0.1"],
            "cgnat_behind_nat proved",
        ),
        // Nobody answers: hops tell.
        (&home, &[], Some(silent("192.168.1.1")), &["192.168.1.1", "8.1.1.1"], "double_nat likely"),
        (&ten, &[], None, &["10.0.0.1", "8.1.1.1"], "double_nat likely"),
        (&ten, &[], None, &["10.0.0.1", "10.255.0.1", "10.255.1.1", "8.1.1.1"], "cgnat likely"),
        (&ten, &[], None, &["*", "8.1.1.1"], "double_nat likely"),
        (&ten, &[], None, &["10.0.0.1", "*", "*"], "unknown unknown"),
        (&home, &[], None, &["192.168.1.1", "100.64.0.1", "8.1.1.1"], "cgnat_behind_nat likely"),
        (&ten, &[], None, &["100.64.0.1", "8.1.1.1"], "cgnat likely"),
        // A private hop further on is the ISP's own affair.
        (&home, &[], None, &["192.168.1.1", "10.1.1.1", "8.1.1.1"], "double_nat likely"),
    ];
    for (wan, rows, gateway, way, want) in cases {
        let text = format!("{rows:?} {gateway:?} {way:?}");
        assert_eq!(judged(wan, rows, gateway.as_ref(), way), *want, "{text}");
    }
    let mut all = pmp("192.168.1.1", 3, "0.0.0.0");
    all.pcp_announce = Known::Known(0);
    all.pcp_map = Known::Known((8, None));
    all.upnp = Known::Known(("Speedport\u{1b}[2J".into(), None));
    let seen = seen(&said);
    let facts =
        Facts { wan: &home, seen: &seen, gateway: Some(&all), hops: &[], assume_public: &[] };
    let verdict = verdict(&facts);
    let upstream = Upstream {
        address: Some(ip("192.168.1.1")),
        outside: None,
        name: Some("Speedport\u{1b}[2J".into()),
    };
    assert_eq!(verdict.line, Line::Cgnat { behind: Some(upstream) });
    assert_eq!(verdict.certainty, Certainty::Proved);
    assert!(verdict.evidence.iter().all(|text| !text.contains(char::is_control)));
}

/// That it answers PCP proves nothing; it is a way to learn more.
#[test]
fn a_gateway_that_speaks_pcp_can_be_asked_more() {
    let home = wan("dhcp", "wan0", &["192.168.1.20"]);
    let told = |gateway: &Gateway| {
        let facts =
            Facts { wan: &home, seen: &[], gateway: Some(gateway), hops: &[], assume_public: &[] };
        verdict(&facts).evidence.iter().any(|text| text.contains("option gateway_map '1'"))
    };
    let mut gateway = silent("192.168.1.1");
    assert!(!told(&gateway));
    gateway.pcp_announce = Known::Known(0);
    assert!(told(&gateway));
    gateway.natpmp = Known::Known((0, "8.1.1.9".parse().ok()));
    assert!(!told(&gateway), "it has told already");
    gateway.natpmp = Known::unknown("no answer");
    gateway.pcp_map = Known::Known((2, None));
    assert!(!told(&gateway), "it was asked");
}

#[test]
fn a_map_address_only_looks_public() {
    let mut map = wan("map", "map-wan4", &["93.184.7.20"]);
    assert_eq!(judged(&map, &[], None, &[]), "map_e likely");
    let ports = PortSet::of_psid(6, 6, 0x11).unwrap();
    let rule = |kind, ports| MapRule { kind, address: "93.184.7.20".parse().ok(), ports };
    let known = Known::Known(ports.clone());
    for (kind, want) in [
        (Some(MapKind::MapE), "map_e proved"),
        (Some(MapKind::MapT), "map_t proved"),
        (Some(MapKind::Lw4o6), "lw4o6 proved"),
        (None, "map_e likely"),
    ] {
        map.access.map = Some(rule(kind, known.clone()));
        assert_eq!(judged(&map, &[], None, &[]), want);
        // The outside sees the very address; the ports are shared all the same.
        assert_eq!(judged(&map, &["https 93.184.7.20"], None, &[]), want);
    }
    map.access.map = Some(rule(Some(MapKind::MapE), Known::unknown("no ports are listed")));
    assert_eq!(judged(&map, &[], None, &[]), "map_e likely");
    map.access.map = Some(rule(Some(MapKind::MapE), known));
    let facts = Facts { wan: &map, seen: &[], gateway: None, hops: &[], assume_public: &[] };
    let verdict = verdict(&facts);
    assert!(verdict.evidence.iter().any(|text| text.contains("1008 ports in 63 ranges")));
    let text = meaning(&verdict, &map, &[]);
    assert!(
        text.starts_with("Only these external ports are yours: 1296-1311, 2320-2335, "),
        "{text}"
    );
    assert!(text.contains("443, can never work; one of 1296 to a host's 443 can"), "{text}");
}

#[test]
fn ipv6() {
    let six = |addresses: &[&str], delegated: &[&str]| {
        let mut wan = wan("dhcpv6", "wan0", addresses);
        wan.family = Family::Ipv6;
        wan.access.delegated = delegated.iter().map(|one| Prefix::parse(one).unwrap()).collect();
        wan
    };
    let told = ["https 2a00:1:2:3::99", "stun 2a00:1:2:3::99"];
    for (addresses, delegated, rows, want) in [
        (&["2a00:1:2:3::5"][..], &[][..], &[][..], "public likely"),
        (&["2a00:1:2:3::5"], &[], &told[..], "public proved"),
        (&["fe80::1"], &["2a00:1:2::/56"], &[], "public likely"),
        (&["fe80::1"], &["2a00:1:2::/48"], &told, "public proved"),
        (&["2a00:9::5"], &[], &told, "unknown unknown"),
        (&["2a00:9::5"], &[], &told[..1], "public likely"),
        (&["fe80::1"], &[], &[], "down likely"),
        (&["fd00::1"], &[], &[], "unknown unknown"),
    ] {
        let wan = six(addresses, delegated);
        assert_eq!(judged(&wan, rows, None, &[]), want, "{addresses:?} {delegated:?} {rows:?}");
    }
}

#[test]
fn a_wan_that_is_not_there() {
    let mut wan = wan("", "wan0", &[]);
    wan.device = Known::Known(None);
    wan.access.errors = vec!["pppoe: AUTH_FAILED".into()];
    assert_eq!(judged(&wan, &[], None, &[]), "down proved");
    let facts = Facts { wan: &wan, seen: &[], gateway: None, hops: &[], assume_public: &[] };
    let told = verdict(&facts).evidence;
    assert_eq!(
        told,
        ["there is no IPv4 way to the Internet", "netifd complains: pppoe: AUTH_FAILED"]
    );
    wan.device = Known::unknown("the kernel did not answer");
    assert_eq!(judged(&wan, &["https 93.184.7.20"], None, &[]), "unknown unknown");
}

/// For every line, with every fact: taking facts away lowers the certainty or leaves the verdict
/// untold, but never makes it another kind that is as sure or surer.
#[test]
fn a_missing_fact_flips_no_verdict_that_was_proved() {
    let lines = [
        wan("dhcp", "wan0", &["93.184.7.20"]),
        wan("dhcp", "wan0", &["100.64.7.9"]),
        wan("dhcp", "wan0", &["192.168.1.20"]),
        wan("dhcp", "wan0", &["10.0.0.5"]),
        wan("dslite", "ds-wan4", &["192.0.0.2"]),
        wan("464xlat", "464-wan", &[]),
        wan("qmi", "wwan0", &["10.0.0.5"]),
        wan("wireguard", "wg0", &["10.2.0.2"]),
    ];
    let rows = ["https 93.184.7.20", "stun 93.184.7.20"];
    let gateways = [pmp("10.0.0.1", 0, "93.184.7.20"), pmp("10.0.0.1", 3, "0.0.0.0")];
    let ways = [&["10.0.0.1", "8.1.1.1"][..], &["10.0.0.1", "100.64.0.1"]];
    for wan in &lines {
        for gateway in &gateways {
            for way in ways {
                let whole = judged(wan, &rows, Some(gateway), way);
                let Some(kind) = whole.strip_suffix(" proved") else { continue };
                for rows in [&rows[..], &rows[..1], &[], &["https !", "stun !"]] {
                    for gateway in [Some(gateway), Some(&silent("10.0.0.1")), None] {
                        for way in [way, &["*", "*"], &[]] {
                            let less = judged(wan, rows, gateway, way);
                            let flipped = less.ends_with(" proved") && !less.starts_with(kind);
                            assert!(!flipped, "{wan:?}: {whole}, but {less}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn meanings_name_the_next_step() {
    let text = |wan: &Wan, gateway: Option<&Gateway>, prefixes: &[&str]| {
        let seen = seen(&["https 203.0.113.9", "stun 203.0.113.9"]);
        let lab = [Prefix::parse("203.0.113.0/24").unwrap()];
        let facts = Facts { wan, seen: &seen, gateway, hops: &[], assume_public: &lab };
        let prefixes: Vec<Prefix> =
            prefixes.iter().map(|one| Prefix::parse(one).unwrap()).collect();
        meaning(&verdict(&facts), wan, &prefixes)
    };
    assert_eq!(
        text(&wan("dhcp", "wan0", &["100.64.7.9"]), None, &["2a00:1::/56"]),
        "No IPv4 forward can work on this line: your ISP shares the address. Ask for a public \
         IPv4 address, or publish over IPv6 (prefix 2a00:1::/56)."
    );
    let mut home = wan("dhcp", "wan0", &["192.168.1.20"]);
    let via = pmp("192.168.1.1", 0, "203.0.113.9");
    assert_eq!(
        text(&home, Some(&via), &[]),
        "Connections reach the router above (192.168.1.1) first: forward the same ports there to \
         192.168.1.20, or put it into bridge mode. Option shared_line 'outside' publishes its \
         address, 203.0.113.9."
    );
    let astray = |back_by| Some(Astray { device: "wg0".into(), back_by });
    home.access.astray = astray(Known::Known(None));
    assert!(text(&home, None, &[]).contains(" leave by wg0, whatever their mark. "));
    home.access.astray = astray(Known::unknown("no answer"));
    assert!(text(&home, None, &[]).contains(" leave by wg0, unless mwan3 or pbr "));
    home.access.astray = astray(Known::Known(Some(0x200)));
    assert!(text(&home, None, &[]).contains(" leave by wg0 unless they are marked 0x200, "));
    let mobile = text(&wan("qmi", "wwan0", &["100.64.7.9"]), None, &[]);
    assert!(mobile.contains("or use IPv6 or a tunnel. Some carriers sell"), "{mobile}");
}
